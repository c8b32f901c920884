"""Holds a mapped log against the spec, and says of which rules it tells anything at all.

Owns what a log can be judged by. What it never shows is the mapping's declared fact. In a log that
may lack any line, each event is held against every state there is: so nobody is accused of what a
missing line may explain, and what a rule is worth there is "so far" at best. It has a verdict for a
resource only if the log has an event of it that the rule speaks of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from rhscheck.spec.expr import StepKind
from rhscheck.spec.system import System
from rhscheck.traces.audit.cases import STEPS
from rhscheck.traces.audit.model import Case
from rhscheck.traces.audit.opinion import Duty, Opinion, SpecSummary
from rhscheck.traces.audit.report import Judgement, ResourceVerdict
from rhscheck.traces.audit.worded import Worded, case_of, case_text
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
from rhscheck.traces.logmap.names import words_of
from rhscheck.traces.mapping import result_codes

_WHOLE = "a log has no end that could be missing"
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


def _event(case: Case) -> Event:
    """An event of the case, all by itself."""
    kind, name, detail = case
    place: dict[str, Any] = {"ts": 0, "seq": 1, "res": "it"}
    match kind:
        case "call":
            return CallEvent(**place, op=name)
        case "return":
            return ReturnEvent(**place, op=name, rc=detail if isinstance(detail, int) else 1)
        case "status":
            return StatusEvent(**place, op=name, state=None if detail is None else str(detail))
        case "timeout":
            return TimeoutEvent(**place, op=name)
        case "event":
            return NamedEvent(**place, name=name)
        case _:
            assert_never(kind)


@dataclass(slots=True)
class StrictBench:
    """Judges a log that lacks nothing but what its mapping declares: as one recording.

    `engine`: what was compiled before for the same System and mapping; `keep` is given it for the
    next log.
    """

    system: System
    logmap: LogMap
    header: Header
    file: str
    engine: Engine | None
    keep: Callable[[Engine], object]
    _worded: Worded = field(init=False)
    _judge: Judge | None = None
    _unknown: int = 0  # events that the spec has no word for; the first of them and its line
    _first: tuple[Case, int] | None = None

    def __post_init__(self) -> None:
        self._worded = Worded(words_of(self.system), self.logmap.foreign)

    def feed(self, line: int, event: Event) -> None:
        """The next event, from `line` of the log."""
        case = case_of(event)
        if case is not None and self._worded.is_strange(event):
            self._unknown += 1
            self._first = self._first or (case, line)
        told = self._worded.told(event)
        if isinstance(told, GapEvent) or case_of(told) is not None:
            self._made().feed(line, told)

    def _notes(self) -> tuple[str, ...]:
        """What the spec has no word for."""
        if self._first is None:
            return ()
        case, line = self._first
        some = "1 event is none" if self._unknown == 1 else f"{self._unknown:,} events are none"
        then = "not judged"
        if self._worded.is_lost(case):
            then = (
                "the run may be in any state after it; a table of the mapping says what such a "
                "word means, and `note` what the spec does not speak of"
            )
        first = "" if self._unknown == 1 else "first "
        what = case_text(case)
        return (
            f"{some} that {self.system.name} has a word for ({first}`{what}`, line {line}): {then}",
        )

    def finish(self, lines: int) -> Judgement:
        """The verdicts; the log has `lines` lines."""
        judge = self._made()
        report = judge.finish(Finish("complete", lines, 0, _WHOLE))
        if judge.engine is not None:
            self.keep(judge.engine)
        resources = {one.name: ResourceVerdict(one.verdict, one.rules) for one in report.resources}
        return Judgement(
            self.system.name,
            report.verdict,
            report.rules,
            report.judged,
            resources,
            report.findings,
            (*report.notes, *self._notes()),
        )

    def _made(self) -> Judge:
        if self._judge is None:
            # What no rule speaks of was left out above.
            options = replace(options_of(self.logmap), counted=False)
            self._judge = Judge(self.system, self.header, options, self.file, self.engine)
        return self._judge


def opinions(
    system: System, header: Header, cases: Sequence[Case], engine: Engine | None
) -> tuple[dict[Case, Opinion], Engine]:
    """What the spec says about each case, held against every state there is.

    In a log that may lack any line, anything may have happened between two events; so each is a
    run of its own. `engine`: what this returned before, for the same System and header.
    """
    found: dict[Case, Opinion] = {}
    for case in cases:
        judge = Judge(system, header, Options(), "", engine)
        judge.feed(1, _event(case))
        report, engine = judge.finish(Finish("complete", 1, 0, _WHOLE)), judge.engine
        assert engine is not None
        speaks = {duty.id: duty.speaks_of for duty in engine.world.duties}
        steps = [(kind, case[1]) for kind in STEPS[case[0]]]
        rules = {
            rule: verdict
            for one in report.resources
            for rule, verdict in one.rules
            if verdict == "violated" or any(step in speaks.get(rule, ()) for step in steps)
        }
        # That a rule may be broken if the run was in the worst of all states is true of nearly
        # every line, and no finding. Nor is an event that breaks no rule and fits no state: rather
        # than the host, the mapping and the spec may disagree.
        findings = tuple(
            one for one in report.findings if one.verdict == "violated" and one.rule is not None
        )
        found[case] = Opinion(rules, findings)
    assert engine is not None
    return found, engine


def summary_of(system: System) -> SpecSummary:
    """The summary of a spec."""
    duties = [Duty(one.id, one.base, one.sentence) for one in system.rules]
    duties += [Duty(one.id, one.id, one.sentence) for one in system.assumptions]
    times = {one.name: one.value * system.unit_us for one in system.constants if one.is_time}
    return SpecSummary(system.name, tuple(duties), labels_of(system), times, _codes_of(system))


def _codes_of(system: System) -> dict[str, tuple[int, ...]]:
    """The codes that results of each entry point have in a recording."""
    results: dict[tuple[str, str], dict[str | None, None]] = {}
    for entry in system.entries:
        results[(entry.machine, entry.name)] = dict.fromkeys(entry.results)
    for transition in system.transitions:
        for label in (transition.label, *transition.also):
            if label.kind == "return":
                results.setdefault((label.machine, label.name), {})[label.value] = None
    found: dict[str, list[int]] = {}
    for (_, name), values in results.items():
        codes = result_codes(system.trace, tuple(values))
        found.setdefault(name, []).extend(code for code, _ in codes.exact)
    return {name: tuple(sorted(set(codes))) for name, codes in found.items()}
