"""Recording a run by hand, so that a spec can judge it: for tests of one's own host or plug-in.

Owns the numbering and timing of what is recorded. Knows no spec: which instance a resource is, and
whether the run was allowed, is found out when it is judged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Recording:
    """A run from its beginning, in which nothing that the spec can see is left out.

    Times are taken from `clock_us` (microseconds, rising) unless a method is given `at_us`, the
    time since the beginning of the run. `slack_us`: how late an event may have been recorded.
    Any thread may record. Raises ValueError for a time before the beginning of the run.
    """

    clock_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    slack_us: int = REAL_SLACK_US
    events: list[Event] = field(default_factory=list)
    resources: dict[str, None] = field(default_factory=dict)
    _began: int | None = None
    _open: dict[tuple[str, str], int] = field(default_factory=dict)
    _calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def call(self, resource: str, op: str, *, at_us: int | None = None) -> None:
        """The entry point `op` of `resource` is called."""
        with self._lock:
            ts, seq = self._next(resource, at_us)
            self._calls += 1
            self._open[(resource, op)] = cid = self._calls
            self.events.append(CallEvent(ts=ts, seq=seq, host=HOST, res=resource, op=op, cid=cid))

    def returned(self, resource: str, op: str, code: int = 0, *, at_us: int | None = None) -> None:
        """The entry point returns with the result `code`."""
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
        with self._lock:
            ts, seq = self._next(resource, at_us)
            self.events.append(
                StatusEvent(ts=ts, seq=seq, host=HOST, res=resource, op=op, state=state)
            )

    def timeout(self, resource: str, op: str, *, at_us: int | None = None) -> None:
        """The host notices that the time of `op` is up: a call's, or a timer's of that name."""
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
        with self._lock:
            ts, seq = self._next(resource, at_us)
            self.events.append(
                NamedEvent(ts=ts, seq=seq, host=HOST, res=resource, name=name, actor=actor)
            )

    def _next(self, resource: str | None, at_us: int | None) -> tuple[int, int]:
        """The time and the number of the next event."""
        if at_us is not None and at_us < 0:
            raise ValueError(f"at_us counts from the beginning of the run: {at_us} is before it")
        if resource is not None:
            self.resources[resource] = None
        if at_us is None:
            now = self.clock_us()
            if self._began is None:
                self._began = now
            at_us = now - self._began
        return at_us, len(self.events) + 1

    def trace(self, spec: str, machine: str | None, params: Mapping[str, int | str]) -> Trace:
        """What was recorded. `machine`: of which spec's machine the resources are instances."""
        names = (
            {}
            if machine is None
            else {name: f"{machine}[{number}]" for number, name in enumerate(self.resources, 1)}
        )
        header = Header(
            id="recording",
            src="recording",
            spec=spec,
            clock={HOST: Clock(epoch="start")},
            complete=True,
            lossy=False,
            start="initial",
            n=max(len(self.resources), 1),
            resources=names,
            params=dict(params),
            slack_us=self.slack_us,
        )
        return Trace(header, tuple(self.events))
