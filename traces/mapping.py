"""What the labels of a spec look like in a trace, and back (SEMANTICS section 6).

    call Online           call     op=Online
    return Online(pending) return  op=Online, rc=the result's code
    SetResourceStatus(x)  status   op=SetResourceStatus, state=x
    timeout Online        timeout  op=Online, cid
    timer silence         timeout  op=silence (no cid: entries and timers are separate namespaces)
    any other event       event    name, actor
    due LooksAlive        event    name="due LooksAlive" (where a spec does not hide it)

Owns this correspondence, the result codes, the names of instances, and the numbering of calls. It
is the same for simulation, counterexamples, replay and audit, and uses only the System's labels
and its trace block. It does not know which steps are possible, nor how a file is laid out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.semantics import Time
from rhscheck.spec.system import Label, System, TraceBlock
from rhscheck.spec.visible import observed
from rhscheck.traces.format import (
    CallEvent,
    Clock,
    Event,
    ExitEvent,
    GapEvent,
    Header,
    NamedEvent,
    NoteEvent,
    NotifyEvent,
    ReturnEvent,
    StateEvent,
    StatusEvent,
    TimeoutEvent,
)
from rhscheck.traces.wording import instance_name

OTHER_CODE = 1  # how a result whose code is "any other" is written
SIMULATED_HOST = "sim"


# ---- result codes ------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of one entry point: `written` for each result, and which results a code means."""

    written: tuple[tuple[str | None, int], ...]
    exact: tuple[tuple[int, tuple[str | None, ...]], ...]
    others: tuple[str | None, ...]  # the results that any code not in `exact` may mean

    def write(self, result: str | None) -> int:
        """The code recorded for `result`; KeyError if the entry has no such result."""
        return dict(self.written)[result]

    def read(self, code: int) -> tuple[str | None, ...]:
        """The results that `code` may mean; none if it means nothing."""
        return dict(self.exact).get(code, self.others)


def result_codes(trace: TraceBlock, results: tuple[str | None, ...]) -> Codes:
    """Codes for the results of one entry, in order.

    The trace block's codes stand; a result it does not mention gets the least free number, so that
    without a block the first result is 0. Only one that is called `other` is read from any code.
    """
    declared = dict(trace.codes)
    taken = {declared[r] for r in results if r is not None and declared.get(r) is not None}
    if any(r is not None and r in declared and declared[r] is None for r in results):
        taken.add(OTHER_CODE)
    written: list[tuple[str | None, int]] = []
    exact: dict[int, tuple[str | None, ...]] = {}
    others: list[str | None] = []
    for result in results:
        if result is not None and result in declared:
            code = declared[result]
            if code is None:
                others.append(result)
                written.append((result, OTHER_CODE))
                continue
        else:
            code = next(number for number in range(len(taken) + 1) if number not in taken)
            taken.add(code)
        written.append((result, code))
        exact[code] = (*exact.get(code, ()), result)
    return Codes(tuple(written), tuple(exact.items()), tuple(others))


# ---- reading -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Observation:
    """An event in the spec's words: one of `labels` happened, caused by `actor` if that is known.

    `text` says what happened, not to whom. No labels: the spec has nothing like it, for the reason
    `unknown`. `near` are the labels that differ in their result or argument at most.
    """

    labels: tuple[Label, ...]
    actor: str | None
    text: str
    near: tuple[Label, ...]
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that no label corresponds to: shown on timelines, judged by no rule."""

    kind: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Events are missing here."""

    why: str


class Vocabulary:
    """The labels of a Ground, by what they look like in a trace.

    `resources` gives the name that `res` has for an instance (`{"IP Address": "Resource[1]"}`);
    instances that are not mentioned go by their own name.
    """

    def __init__(self, ground: Ground, resources: Mapping[str, str]) -> None:
        trace = ground.system.trace
        labels: dict[Label, None] = {}
        results: dict[tuple[str, str], dict[str | None, None]] = {}
        for entry in ground.system.entries:
            results[(entry.machine, entry.name)] = dict.fromkeys(entry.results)
        for transition in ground.transitions:
            for label in (transition.label, *transition.also):
                if label.kind == "return":
                    results.setdefault((label.machine, label.name), {})[label.value] = None
            seen = observed(trace, transition.label, transition.also)
            if seen is not None:
                labels[seen] = None
        self._codes = {key: result_codes(trace, tuple(values)) for key, values in results.items()}
        self._instances = dict(resources)
        self._names = {instance: name for name, instance in resources.items()}
        self._known = {instance_name(label.machine, label.index): None for label in labels}
        self._timeouts = {
            (entry.machine, entry.name): entry.timeout for entry in ground.system.entries
        }
        self._unit_us = ground.system.unit_us
        self.labels = tuple(labels)

    def res(self, label: Label) -> str:
        """The name of the label's instance in a trace."""
        instance = instance_name(label.machine, label.index)
        return self._names.get(instance, instance)

    def code(self, label: Label) -> int:
        """The result code of a `return` label."""
        return self._codes[(label.machine, label.name)].write(label.value)

    def limit_ms(self, label: Label) -> int | None:
        """The time-out that an `expiry` label stands for, where it is whole milliseconds."""
        units = self._timeouts.get((label.machine, label.name))
        if units is None or units * self._unit_us % 1000:
            return None
        return units * self._unit_us // 1000

    def knows(self, instance: str) -> bool:
        """Whether some event is one of `instance`."""
        return instance in self._known

    @property
    def names(self) -> tuple[str, ...]:
        """What a trace calls the instances."""
        return tuple(self._names.get(one, one) for one in self._known)

    def read(self, event: Event, at: str | None = None) -> Observation | Ignored | Gap:
        """What the event says in the spec's words.

        `at`: the instance that the event's `res` stands for, where the caller knows that better.
        """
        if at is None:
            at = self._at(event)
        match event:
            case CallEvent(op=op):
                return self._seen(event, at, f"call {op}", ("call", op))
            case ReturnEvent(op=op, rc=rc):
                return self._return(event, at, op, rc)
            case StatusEvent(op=op, state=state):
                text = op if state is None else f"{op}({state})"
                return self._seen(event, at, text, ("callback", op), value=state)
            case TimeoutEvent(op=op, cid=cid):
                kinds = ("expiry",) if cid is not None else ("expiry", "timer")
                return self._seen(event, at, f"timeout {op}", *((kind, op) for kind in kinds))
            case NamedEvent(name=name):
                kind, _, rest = name.partition(" ")
                wanted = (kind, rest) if rest else ("event", name)
                return self._seen(event, at, name, wanted, actor=event.actor)
            case GapEvent(why=why):
                return Gap(why)
            case StateEvent() | NotifyEvent() | ExitEvent() | NoteEvent():
                return Ignored(str(type(event).__struct_config__.tag))
            case _:
                assert_never(event)

    def _at(self, event: Event) -> str | None:
        return None if event.res is None else self._instances.get(event.res, event.res)

    def _matching(self, at: str | None, wanted: tuple[tuple[str, str], ...]) -> list[Label]:
        return [
            label
            for label in self.labels
            if (label.kind, label.name) in wanted
            and at in (None, instance_name(label.machine, label.index))
        ]

    def _seen(
        self,
        event: Event,
        at: str | None,
        text: str,
        *wanted: tuple[str, str],
        value: str | None = None,
        actor: str | None = None,
    ) -> Observation:
        near = self._matching(at, wanted)
        found = [label for label in near if label.value == value]
        unknown = "" if found else self._unknown(event, at, wanted, value, near)
        return Observation(tuple(found), actor, text, tuple(near), unknown)

    def _return(self, event: Event, at: str | None, op: str, rc: int) -> Observation:
        near = self._matching(at, (("return", op),))
        found = [
            label
            for label in near
            if label.value in self._codes[(label.machine, label.name)].read(rc)
        ]
        text = f"return {op}, code {rc}"
        values = dict.fromkeys(label.value for label in found)
        if len(values) == 1:
            text = f"return {op}({next(iter(values))})"
        unknown = "" if found else self._unknown(event, at, (("return", op),), None, near)
        return Observation(tuple(found), None, text, tuple(near), unknown)

    def _unknown(
        self,
        event: Event,
        at: str | None,
        wanted: tuple[tuple[str, str], ...],
        value: str | None,
        near: list[Label],
    ) -> str:
        """Why no label fits the event, with the names that may have been meant."""
        if at is not None and at not in self._known:
            said = "" if at == event.res else f", as the header says of {event.res}"
            reason = f"the spec has no instance that is called {at}{said}"
            known = (self._names.get(one, one) for one in self._known)
            hint = "" if said else did_you_mean(str(event.res), known)
        elif near:
            reason = "the spec has this event, but not with this result or argument"
            values = [label.value for label in near if label.value is not None]
            hint = "" if value is None else did_you_mean(value, values)
        else:
            reason = f"the spec has no such event{'' if at is None else f' of {event.res}'}"
            kinds = [kind for kind, _ in wanted]
            names = [
                label.name
                for label in self.labels
                if label.kind in kinds and at in (None, instance_name(label.machine, label.index))
            ]
            hint = did_you_mean(wanted[0][1], names)
        return f"{reason}; {hint}" if hint else reason


# ---- writing -----------------------------------------------------------------------------------
class Recorder:
    """Turns the steps of a run into events, numbering events and calls from 1."""

    def __init__(
        self,
        ground: Ground,
        *,
        host: str = SIMULATED_HOST,
        mon: str | None = None,
        resources: Mapping[str, str] | None = None,
    ) -> None:
        self._vocabulary = Vocabulary(ground, resources or {})
        self._trace = ground.system.trace
        self._unit_us = ground.system.unit_us
        self._host = host
        self._mon = mon
        self._seq = 0
        self._calls = 0
        self._open: dict[tuple[str, object, str], int] = {}

    def record(self, time: Time, transition: GroundTransition) -> Event | None:
        """The event of a step `time` units after the start, None if the spec hides it.

        A time that is no whole number of microseconds is given by its bounds.
        """
        label = observed(self._trace, transition.label, transition.also)
        call = (transition.label.machine, transition.label.index, transition.label.name)
        if label is None:
            if transition.label.kind in ("call", "return"):
                self._open.pop(call, None)
            return None
        self._seq += 1
        exact = Fraction(time) * self._unit_us
        low, high = exact.numerator // exact.denominator, -(-exact.numerator // exact.denominator)
        whole = low == high
        ts, ts_lo, ts_hi = (low, None, None) if whole else (None, low, high)
        seq, host, mon, res = self._seq, self._host, self._mon, self._vocabulary.res(label)
        key = (label.machine, label.index, label.name)
        # msgspec's structs take keywords only; spelt out, so that each event is checked.
        match label.kind:
            case "call":
                self._calls += 1
                self._open[key] = self._calls
                return CallEvent(
                    ts=ts,
                    ts_lo=ts_lo,
                    ts_hi=ts_hi,
                    seq=seq,
                    host=host,
                    mon=mon,
                    res=res,
                    op=label.name,
                    cid=self._calls,
                )
            case "return":
                return ReturnEvent(
                    ts=ts,
                    ts_lo=ts_lo,
                    ts_hi=ts_hi,
                    seq=seq,
                    host=host,
                    mon=mon,
                    res=res,
                    op=label.name,
                    cid=self._open.pop(key, None),
                    rc=self._vocabulary.code(label),
                )
            case "callback":
                return StatusEvent(
                    ts=ts,
                    ts_lo=ts_lo,
                    ts_hi=ts_hi,
                    seq=seq,
                    host=host,
                    mon=mon,
                    res=res,
                    op=label.name,
                    state=label.value,
                )
            case "expiry" | "timer":
                is_call = label.kind == "expiry"
                return TimeoutEvent(
                    ts=ts,
                    ts_lo=ts_lo,
                    ts_hi=ts_hi,
                    seq=seq,
                    host=host,
                    mon=mon,
                    res=res,
                    op=label.name,
                    cid=self._open.get(key) if is_call else None,
                    limit_ms=self._vocabulary.limit_ms(label) if is_call else None,
                )
            case "event" | "due" | "reset":
                return NamedEvent(
                    ts=ts,
                    ts_lo=ts_lo,
                    ts_hi=ts_hi,
                    seq=seq,
                    host=host,
                    mon=mon,
                    res=res,
                    name=label.name if label.kind == "event" else label.short,
                    actor=transition.actor,
                )
            case _:
                assert_never(label.kind)


def trace_parameters(system: System) -> dict[str, int | str]:
    """The parameters and readings a run is made under: times in microseconds."""
    found: dict[str, int | str] = {
        constant.name: constant.value * (system.unit_us if constant.is_time else 1)
        for constant in system.constants
    }
    found.update((reading.name, reading.chosen) for reading in system.readings)
    return found


def chosen_parameters(system: System) -> dict[str, int | str]:
    """Of these what was chosen, and is not as the spec says by itself."""
    return {name: one for name, one in trace_parameters(system).items() if name in system.chosen}


def simulated_header(system: System, n: int, seed: int, tool: str) -> Header:
    """The header of a complete run that starts in an initial state with `n` instances."""
    return Header(
        id=f"{system.name}-{n}-{seed}",
        src="sim",
        spec=system.name,
        spec_sha256=system.source_sha256,
        clock={SIMULATED_HOST: Clock(epoch="start")},
        complete=True,
        lossy=False,
        start="initial",
        n=n,
        params=trace_parameters(system),
        seed=seed,
        tool=tool,
    )
