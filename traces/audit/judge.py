"""Holds a mapped log against the spec, and says of which rules it tells anything at all.

Owns what a log can be judged by. What it never shows is the mapping's declared fact. In a log that
may lack any line, each event is held against every state there is: so nobody is accused of what a
missing line may explain, and what a rule is worth there is "so far" at best. It has a verdict for a
resource only if the log has an event of it that the rule speaks of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
from rhscheck.traces.logmap.language import LogMap
from rhscheck.traces.report import ResourceReport, RuleVerdict

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


@dataclass(slots=True)
class Bench:
    """Judges one log. Feed it events in order, then call `finish` once.

    `engine`: what was compiled for an earlier log with the same System and mapping.
    """

    system: System
    logmap: LogMap
    header: Header
    file: str
    engine: Engine | None = None
    _judge: Judge = field(init=False)
    _seen: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        options = options_of(self.logmap)
        self._judge = Judge(self.system, self.header, options, self.file, self.engine)
        self.engine = self._judge.engine

    def feed(self, line: int, event: Event) -> None:
        """The next event, from `line` of the log."""
        kinds = _KINDS.get(type(event))
        if kinds is None:
            if isinstance(event, GapEvent):
                self._judge.feed(line, event)
            return
        if event.res is not None:
            seen = self._seen.setdefault(event.res, {})
            name = event.name if isinstance(event, NamedEvent) else event.op  # type: ignore[union-attr]
            for kind in kinds:
                seen[(kind, name)] = None
        self._judge.feed(line, event)

    def finish(self, lines: int) -> Judgement:
        """The verdicts; the log has `lines` lines."""
        report = self._judge.finish(
            Finish("complete", lines, 0, "a log has no end that could be missing")
        )
        if not self.header.lossy:
            resources = {
                one.name: ResourceVerdict(one.verdict, one.rules) for one in report.resources
            }
            return Judgement(
                self.system.name,
                report.verdict,
                report.rules,
                report.judged,
                resources,
                report.findings,
                report.notes,
            )
        resources = {one.name: self._so_far(one) for one in report.resources}
        rules = tuple((rule, _together(rule, resources)) for rule, _ in report.rules)
        # That a rule may be broken somewhere, if the run was in the worst of all states, is true of
        # nearly every line, and no finding.
        findings = tuple(one for one in report.findings if one.verdict == "violated")
        return Judgement(
            self.system.name, _best(rules), rules, report.judged, resources, findings, ()
        )

    def _so_far(self, report: ResourceReport) -> ResourceVerdict:
        """The verdicts in a log that may lack lines, of rules that speak of something it has."""
        seen = self._seen.get(report.name, {})
        engine = self._judge.engine
        speaks = {} if engine is None else {one.id: one.speaks_of for one in engine.world.duties}
        names = {kind: [op for one, op in seen if one == kind] for kind, _ in seen}
        rules: list[tuple[str, RuleVerdict]] = []
        for rule, verdict in report.rules:
            told = any(name in names.get(kind, ()) for kind, name in speaks.get(rule, ()))
            rules.append((rule, verdict if told or verdict == "violated" else "not-observable"))
        return ResourceVerdict(_best(rules), tuple(rules))


def _together(rule: str, resources: dict[str, ResourceVerdict]) -> RuleVerdict:
    """The verdict on a rule for the whole log: the worst where it was observed at all."""
    found = [dict(one.rules).get(rule, "not-observable") for one in resources.values()]
    order: tuple[RuleVerdict, ...] = ("violated", "inconclusive", "conforms-so-far", "conforms")
    return next((one for one in order if one in found), "not-observable")


def _best(rules: Sequence[tuple[str, RuleVerdict]]) -> RuleVerdict:
    """What a log that may lack lines amounts to: whether anything in it could be judged."""
    found = [verdict for _, verdict in rules]
    order: tuple[RuleVerdict, ...] = ("violated", "conforms-so-far", "inconclusive")
    return next((one for one in order if one in found), "not-observable")
