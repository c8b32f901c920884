"""Recording a run by hand, so that a spec can judge it: for tests of one's own host or plug-in.

Owns the numbering and timing of what is recorded, and refuses, where it is said, what no trace can
hold. Knows no spec: which instance a resource is, and whether the run was allowed, is found out
when it is judged.
"""

from __future__ import annotations

import operator
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import SupportsIndex

from rhscheck.traces.format import (
    CallEvent,
    Clock,
    Event,
    Header,
    NamedEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
    Trace,
)

HOST = "test"
# How late an event may be seen in a run in real time, in microseconds.
REAL_SLACK_US = 100_000
_MOST = 1 << 62  # of any number in a trace


@dataclass(slots=True)
class Recording:
    """A run from its beginning, in which nothing that the spec can see is left out.

    Times are taken from `clock_us` (microseconds, rising) unless a method is given `at_us`, the
    time since the beginning of the run. `slack_us`: how late an event may have been recorded.
    Any thread may record. Nothing is recorded by a call that raises: TypeError for a value of the
    wrong type, ValueError for one that no trace can hold or a time before the beginning of the run,
    RuntimeError after `close`.
    """

    clock_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    slack_us: int = REAL_SLACK_US
    events: list[Event] = field(default_factory=list)
    resources: dict[str, None] = field(default_factory=dict)
    _began: int | None = None
    _closed: str = ""
    _open: dict[tuple[str, str], int] = field(default_factory=dict)
    _calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.slack_us = _number("slack_us", self.slack_us, least=0)

    def call(self, resource: str, op: str, *, at_us: int | None = None) -> None:
        """The entry point `op` of `resource` is called."""
        resource, op = _text("resource", resource), _text("op", op)
        with self._lock:
            ts, seq = self._next(resource, at_us)
            self._calls += 1
            self._open[(resource, op)] = cid = self._calls
            self.events.append(CallEvent(ts=ts, seq=seq, host=HOST, res=resource, op=op, cid=cid))

    def returned(self, resource: str, op: str, code: int = 0, *, at_us: int | None = None) -> None:
        """The entry point returns with the result `code`."""
        resource, op = _text("resource", resource), _text("op", op)
        code = _number("code", code, least=-_MOST)
        with self._lock:
            ts, seq = self._next(resource, at_us)
            cid = self._open.pop((resource, op), None)
            self.events.append(
                ReturnEvent(ts=ts, seq=seq, host=HOST, res=resource, op=op, cid=cid, rc=code)
            )

    def status(
        self,
        resource: str,
        state: str,
        *,
        op: str = "SetResourceStatus",
        at_us: int | None = None,
    ) -> None:
        """The plug-in calls back with argument `state` (in the words of the spec)."""
        resource, state, op = _text("resource", resource), _text("state", state), _text("op", op)
        with self._lock:
            ts, seq = self._next(resource, at_us)
            self.events.append(
                StatusEvent(ts=ts, seq=seq, host=HOST, res=resource, op=op, state=state)
            )

    def timeout(self, resource: str, op: str, *, at_us: int | None = None) -> None:
        """The host notices that the time of `op` is up: a call's, or a timer's of that name."""
        resource, op = _text("resource", resource), _text("op", op)
        with self._lock:
            ts, seq = self._next(resource, at_us)
            cid = self._open.get((resource, op))
            self.events.append(
                TimeoutEvent(ts=ts, seq=seq, host=HOST, res=resource, op=op, cid=cid)
            )

    def event(
        self,
        name: str,
        *,
        resource: str | None = None,
        actor: str | None = None,
        at_us: int | None = None,
    ) -> None:
        """An event that is no call happens, caused by `actor` if that matters."""
        name = _text("name", name)
        resource = None if resource is None else _text("resource", resource)
        actor = None if actor is None else _text("actor", actor)
        with self._lock:
            ts, seq = self._next(resource, at_us)
            self.events.append(
                NamedEvent(ts=ts, seq=seq, host=HOST, res=resource, name=name, actor=actor)
            )

    def close(self, why: str) -> None:
        """Nothing more can be recorded: whoever tries gets a RuntimeError that says `why`."""
        with self._lock:
            self._closed = why

    def _next(self, resource: str | None, at_us: int | None) -> tuple[int, int]:
        """The time and the number of the next event."""
        if self._closed:
            raise RuntimeError(self._closed)
        if at_us is None:
            now = _number("the clock's time", self.clock_us(), least=-_MOST)
            began = now if self._began is None else self._began
            at_us = _number("the time that has passed by the clock", now - began, least=0)
            self._began = began
        else:
            at_us = _number("at_us", at_us, least=-_MOST)
            if at_us < 0:
                raise ValueError(
                    f"at_us counts from the beginning of the run: {at_us} is before it"
                )
        if resource is not None:
            self.resources[resource] = None
        return at_us, len(self.events) + 1

    def trace(self, spec: str, machine: str | None, params: Mapping[str, int | str]) -> Trace:
        """What was recorded. `machine`: of which spec's machine the resources are instances."""
        with self._lock:
            events, resources = tuple(self.events), tuple(self.resources)
        names = (
            {}
            if machine is None
            else {name: f"{machine}[{number}]" for number, name in enumerate(resources, 1)}
        )
        header = Header(
            id="recording",
            src="recording",
            spec=spec,
            clock={HOST: Clock(epoch="start")},
            complete=True,
            lossy=False,
            start="initial",
            n=max(len(resources), 1),
            resources=names,
            params=dict(params),
            slack_us=self.slack_us,
        )
        return Trace(header, events)


def _text(what: str, value: object) -> str:
    """`value` as a plain str. Raises TypeError, and ValueError for what UTF-8 cannot hold."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a text (str), not {value!r}")
    try:
        return value.encode().decode()  # a member of a StrEnum becomes its text
    except UnicodeEncodeError:
        raise ValueError(f"{what} cannot be written as UTF-8: {value!r}") from None


def _number(what: str, value: object, *, least: int) -> int:
    """`value` as a plain int. Raises TypeError, and ValueError outside of `least` to 2**62.

    A bool is none: who says `returned(..., True)` means success, and 1 is a failure.
    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{what} is a whole number (int), not {value!r}")
    number = operator.index(value)
    if not least <= number <= _MOST:
        raise ValueError(f"{what} is a number from {least} to {_MOST}, not {number}")
    return number
