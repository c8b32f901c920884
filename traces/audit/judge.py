"""Holds a mapped log against the spec, and says of which rules it tells anything at all.

Owns what a log can be judged by. What it never shows is the mapping's declared fact. In a log that
may lack any line, each event is held against every state there is: so nobody is accused of what a
missing line may explain, and what a rule is worth there is "so far" at best. It has a verdict for a
resource only if the log has an event of it that the rule speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from rhscheck.spec.expr import StepKind
from rhscheck.spec.system import System
from rhscheck.traces.audit.report import Judgement, ResourceVerdict
from rhscheck.traces.engine import Engine
from rhscheck.traces.format import (
    CallEvent,
    Event,
    Finish,
    GapEvent,
    Header,
    NamedEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
)
from rhscheck.traces.judge import Judge, Options
from rhscheck.traces.logmap.events import MAX_KNOWN
from rhscheck.traces.logmap.language import LogMap
from rhscheck.traces.report import Finding, RuleVerdict

# How an event is told from others: its type, what it is called, its result or argument.
_Signature = tuple[str, str, int | str | None]

_WHOLE = "a log has no end that could be missing"
_UNSEEN: RuleVerdict = "not-observable"
_KINDS: dict[type[Event], tuple[StepKind, ...]] = {
    CallEvent: ("call",),
    ReturnEvent: ("return",),
    StatusEvent: ("callback",),
    TimeoutEvent: ("expiry", "timer"),
    NamedEvent: ("event",),
}


_STEPS: tuple[StepKind, ...] = ("call", "return", "callback", "expiry", "timer", "event")


def options_of(logmap: LogMap) -> Options:
    """What the mapping says may happen without a line."""
    labels = [label.partition(" ") for label in logmap.unseen]
    return Options(
        unseen=tuple(
            (kind, None if name == "*" else name)
            for word, _, name in labels
            for kind in _STEPS
            if kind == word
        )
    )


def labels_of(system: System) -> frozenset[tuple[str, str]]:
    """What the spec has a word for: kinds and names of its events."""
    return frozenset(
        (label.kind, label.name)
        for transition in system.transitions
        for label in (transition.label, *transition.also)
    )


def is_known(event: Event, labels: frozenset[tuple[str, str]]) -> bool:
    """Whether the spec has an event of that name at all; with another, the log is not about it."""
    return any((kind, _name(event)) in labels for kind in _KINDS.get(type(event), ()))


def _name(event: Event) -> str:
    """What the event is called in labels."""
    match event:
        case CallEvent(op=op) | ReturnEvent(op=op) | StatusEvent(op=op) | TimeoutEvent(op=op):
            return op
        case NamedEvent(name=name):
            return name
        case _:
            return ""


def _signature(event: Event) -> _Signature:
    """What two events have in common that say the same."""
    detail: int | str | None = None
    match event:
        case ReturnEvent(rc=rc):
            detail = rc
        case StatusEvent(state=state):
            detail = state
        case _:
            pass
    return type(event).__name__, _name(event), detail


class Bench(Protocol):
    """Judges one log. Feed it events in order, then call `finish` once.

    `engine`: what was compiled for the System and the mapping, for the next log.
    """

    engine: Engine | None

    def feed(self, line: int, event: Event) -> None:
        """The next event, from `line` of the log."""

    def finish(self, lines: int) -> Judgement:
        """The verdicts; the log has `lines` lines."""


def bench(
    system: System, logmap: LogMap, header: Header, file: str, engine: Engine | None
) -> Bench:
    """The judge for a log with this header; `engine`: what an earlier one compiled."""
    kind = LossyBench if header.lossy else StrictBench
    return kind(system, logmap, header, file, engine)


@dataclass(slots=True)
class StrictBench:
    """Judges a log that lacks nothing but what its mapping declares: as one recording."""

    system: System
    logmap: LogMap
    header: Header
    file: str
    engine: Engine | None
    _labels: frozenset[tuple[str, str]] = field(init=False)
    _judge: Judge | None = None

    def __post_init__(self) -> None:
        self._labels = labels_of(self.system)

    def feed(self, line: int, event: Event) -> None:
        """The next event, from `line` of the log."""
        if isinstance(event, GapEvent) or is_known(event, self._labels):
            self._made().feed(line, event)

    def finish(self, lines: int) -> Judgement:
        """The verdicts; the log has `lines` lines."""
        report = self._made().finish(Finish("complete", lines, 0, _WHOLE))
        resources = {one.name: ResourceVerdict(one.verdict, one.rules) for one in report.resources}
        return Judgement(
            self.system.name,
            report.verdict,
            report.rules,
            report.judged,
            resources,
            report.findings,
            report.notes,
        )

    def _made(self) -> Judge:
        if self._judge is None:
            options = options_of(self.logmap)
            self._judge = Judge(self.system, self.header, options, self.file, self.engine)
            self.engine = self._judge.engine
        return self._judge


@dataclass(slots=True)
class LossyBench:
    """Judges a log that may lack any line: each event by itself, from every possible state.

    Between two events anything may have happened, so events that say the same are the same case,
    whatever their resource: each case is judged once, as a unit of its own.
    """

    system: System
    logmap: LogMap
    header: Header
    file: str
    engine: Engine | None
    _labels: frozenset[tuple[str, str]] = field(init=False)
    _judge: Judge | None = None
    _cases: dict[_Signature, str] = field(default_factory=dict)
    # For each resource its cases, with the line and the time of the first.
    _seen: dict[str, dict[_Signature, tuple[int, int]]] = field(default_factory=dict)
    _judged: int = 0

    def __post_init__(self) -> None:
        self._labels = labels_of(self.system)

    def feed(self, line: int, event: Event) -> None:
        """The next event, from `line` of the log."""
        if event.res is None or not is_known(event, self._labels):
            return
        if event.res not in self._seen and len(self._seen) >= MAX_KNOWN:
            return
        signature = _signature(event)
        self._judged += 1
        first = self._seen.setdefault(event.res, {})
        first.setdefault(signature, (line, event.ts or event.ts_lo or 0))
        if signature in self._cases:
            return
        case = self._cases[signature] = f"{len(self._cases) + 1}"
        if self._judge is None:
            self._judge = Judge(self.system, self.header, Options(), self.file, self.engine)
            self.engine = self._judge.engine
        alone = msgspec.structs.replace(event, res=case, mon=None, ts=0, ts_lo=None, ts_hi=None)
        if isinstance(alone, CallEvent | ReturnEvent | TimeoutEvent):
            alone = msgspec.structs.replace(alone, cid=None)
        self._judge.feed(line, alone)

    def finish(self, lines: int) -> Judgement:
        """The verdicts; the log has `lines` lines."""
        promises = [promise.id for promise in self.system.assumptions]
        rules = [*(rule.id for rule in self.system.rules), *promises]
        if self._judge is None or self.engine is None:
            nothing = tuple((rule, _UNSEEN) for rule in rules)
            return Judgement(self.system.name, _UNSEEN, nothing, 0, {}, (), ())
        report = self._judge.finish(Finish("complete", lines, 0, _WHOLE))
        speaks = {duty.id: duty.speaks_of for duty in self.engine.world.duties}
        worth = {
            one.name: {
                rule: verdict
                for rule, verdict in one.rules
                if verdict == "violated" or self._concerns(one.name, speaks.get(rule, ()))
            }
            for one in report.resources
        }
        resources = {
            name: self._resource([worth[self._cases[one]] for one in cases], rules)
            for name, cases in self._seen.items()
        }
        told = tuple(
            (rule, _worst(dict(one.rules)[rule] for one in resources.values())) for rule in rules
        )
        findings = tuple(self._findings(report.findings))
        return Judgement(self.system.name, _best(told), told, self._judged, resources, findings, ())

    def _concerns(self, case: str, speaks_of: tuple[tuple[StepKind, str], ...]) -> bool:
        """Whether a rule that speaks of these events speaks of the case."""
        kind, name, _ = next(one for one, number in self._cases.items() if number == case)
        kinds = {one.__name__: steps for one, steps in _KINDS.items()}[kind]
        return any((step, name) in speaks_of for step in kinds)

    def _resource(self, cases: list[dict[str, RuleVerdict]], rules: list[str]) -> ResourceVerdict:
        told = tuple((rule, _worst(one.get(rule, _UNSEEN) for one in cases)) for rule in rules)
        return ResourceVerdict(_best(told), told)

    def _findings(self, found: Sequence[Finding]) -> Iterator[Finding]:
        """The rules broken, at the first line of each resource that has the case.

        That a rule may be broken if the run was in the worst of all states is true of nearly every
        line, and no finding. Nor is an event that breaks no rule and fits no state: rather than the
        host, the mapping and the spec may disagree.
        """
        by_case = {number: signature for signature, number in self._cases.items()}
        for one in found:
            if one.verdict != "violated" or one.rule is None:
                continue
            signature = by_case[one.resource or ""]
            for name, cases in self._seen.items():
                if signature in cases:
                    line, time_us = cases[signature]
                    yield replace(one, resource=name, line=line, time_us=time_us)


def _worst(verdicts: Iterable[RuleVerdict]) -> RuleVerdict:
    """The worst verdict on a rule where it was observed at all."""
    found = set(verdicts)
    order: tuple[RuleVerdict, ...] = ("violated", "inconclusive", "conforms-so-far", "conforms")
    return next((one for one in order if one in found), _UNSEEN)


def _best(rules: Sequence[tuple[str, RuleVerdict]]) -> RuleVerdict:
    """What a log that may lack lines amounts to: whether anything in it could be judged."""
    found = [verdict for _, verdict in rules]
    order: tuple[RuleVerdict, ...] = ("violated", "conforms-so-far", "inconclusive")
    return next((one for one in order if one in found), _UNSEEN)
