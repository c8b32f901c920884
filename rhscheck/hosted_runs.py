"""A recording of many host processes, held against a spec one process at a time.

A host process that is started again has forgotten everything, so what a spec says about "the
process" holds from the start of one to its end, and there may be any number of them in one run.
Here a recording is taken apart by (host, process), each part is judged as a run of its own in which
that process is the first, and the reports are put together, with the lines of the whole file.

Owns this taking apart and putting together. What a part is worth is `traces`' to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from rhscheck.spec.expr import Expr, Lit, Ref, transform
from rhscheck.spec.system import RefType, System
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import (
    EventLine,
    ExitEvent,
    Finish,
    GapEvent,
    Header,
    Loaded,
    Malformed,
    NoteEvent,
    UnknownLine,
)
from rhscheck.traces.judge import Judge, Options, setting_of
from rhscheck.traces.numbering import Numbering
from rhscheck.traces.replay import replay
from rhscheck.traces.report import Finding, RuleVerdict, TraceReport, TraceVerdict, overall

_NOTES_BEFORE: Final = 2  # of so many a finding quotes the last, and one behind it
_NOTE_LENGTH: Final = 200  # characters of one that are quoted
_INSTANCE: Final = re.compile(r"(.+)\[(\d{1,6})\]")
# The worst first: what a rule's verdict on one part means for the whole.
_WORST: Final[tuple[RuleVerdict, ...]] = (
    *("violated", "inconclusive", "conforms-so-far", "conforms", "not-observable"),
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which names of a header are host processes, and of which families of the spec."""

    processes: Mapping[str, str]  # name in the trace → family
    hosted: Mapping[str, str]


@dataclass(slots=True)
class _Part:
    """The events of one process, in the order of the file."""

    host: str
    mon: str
    lines: list[EventLine] = field(default_factory=list)


class HostJudge:
    """Judges recordings by one System; what was worked out for one serves the next."""

    def __init__(self, system: System, options: Options | None = None) -> None:
        self._system = system
        self._options = options or Options()
        self._alone: dict[tuple[str, ...], System] = {}
        self._engines: dict[tuple[tuple[str, ...], Setting], Engine] = {}

    def report(self, loaded: Loaded, file: str) -> TraceReport:
        """The verdict on a recording, process by process where it has several.

        A recording that does not say which process an event belongs to, or whose spec has no
        machine that stands for one, is judged as a whole. Raises ReplayError as `traces.replay`.
        """
        header = loaded.header
        shape = None if header is None else _shape(header, self._system)
        if header is None or shape is None or all(one.event.mon is None for one in loaded.events):
            return replay(self._system, loaded, file=file, options=self._options)
        reports: list[tuple[_Part, TraceReport]] = []
        numbering = Numbering(begins=header.start == "initial")
        lines = list(_with_gaps(loaded.events, numbering))
        if not numbering.uncounted:
            # Where lines are missing is known, and said.
            loaded = replace(loaded, finish=replace(loaded.finish, claimed=None))
        for part in _parts(lines):
            report = self._judge_part(header, shape, part, loaded, file)
            if report is not None:
                reports.append((part, report))
        return _together(self._system, loaded, reports, file)

    def _judge_part(
        self, header: Header, shape: _Shape, part: _Part, loaded: Loaded, file: str
    ) -> TraceReport | None:
        """The report on one process, None if it hosted nothing."""
        own = _own_header(header, shape, part)
        if own is None:
            return None
        families = tuple(dict.fromkeys(shape.processes.values()))
        if families not in self._alone:
            self._alone[families] = _first_process(self._system, families)
        system = self._alone[families]
        setting = setting_of(own, self._options, system)
        single = replace(setting, n=None)
        engine = self._engines.get((families, single)) or self._engines.get((families, setting))
        options = replace(self._options, counted=False)
        judge = Judge(system, own, options, file=file, engine=engine)
        lines: list[EventLine | Malformed | UnknownLine] = [
            *part.lines,
            *loaded.problems,
            *loaded.unknown,
        ]
        for line in sorted(lines, key=lambda one: one.line):
            if isinstance(line, EventLine):
                judge.feed(line.line, line.event)
            else:
                judge.unreadable(line)
        report = judge.finish(loaded.finish)
        told = tuple(replace(one, told=_told(one, part)) for one in report.findings)
        report = replace(report, findings=told)
        if judge.engine is not None:
            # An engine that follows instances one by one serves any number of them.
            self._engines[(families, single if judge.engine.alone else setting)] = judge.engine
        return report


def _told(finding: Finding, part: _Part) -> tuple[str, ...]:
    """What the recorder noted near the line, of the resource, and why its process ended unasked."""
    # Of the recorder nothing is needed before there is something to tell.
    from rhscheck.tracer.recording import MONITOR_ENDED  # noqa: PLC0415

    ends = (line.event for line in part.lines if isinstance(line.event, ExitEvent))
    orderly = any(end.why == "stop" for end in ends)
    notes = [
        (line.line, line.event.what)
        for line in part.lines
        if isinstance(line.event, NoteEvent)
        and (
            line.event.what.startswith(MONITOR_ENDED) and not orderly
            if line.event.res is None
            else line.event.res == finding.resource
        )
    ]
    before = [one for one in notes if one[0] < finding.line][-_NOTES_BEFORE:]
    after = [one for one in notes if one[0] > finding.line][:1]
    return tuple(f"line {line}: {_first_line(what)}" for line, what in (*before, *after))


def _first_line(text: str) -> str:
    first, _, rest = text.partition("\n")
    cut = first[:_NOTE_LENGTH]
    return cut if not rest and cut == first else f"{cut} …"


def is_by_process(header: Header, system: System) -> bool:
    """Whether a recording with this header may have to be taken apart."""
    return _shape(header, system) is not None


def _shape(header: Header, system: System) -> _Shape | None:
    """None where the header names no instance of a machine whose number is fixed."""
    processes: dict[str, str] = {}
    hosted: dict[str, str] = {}
    sizes = {family.name: family.size for family in system.families}
    for name, instance in header.resources.items():
        match = _INSTANCE.fullmatch(instance)
        if match is None or match[1] not in sizes:
            continue
        (hosted if sizes[match[1]] is None else processes)[name] = match[1]
    return _Shape(processes, hosted) if processes and hosted else None


def _first_process(system: System, families: Sequence[str]) -> System:
    """`system` where every instance is hosted by the first process, and the guards say so.

    Written into the guards, because an instance that is followed by itself knows nothing of what
    the others' variables hold, not even of those that never change.
    """
    pinned = {
        one.name: one.initial[0]
        for one in system.variables
        if one.constant and isinstance(one.type, RefType) and one.type.family in families
    }

    def known(node: Expr) -> Expr | None:
        return Lit(pinned[node.name]) if isinstance(node, Ref) and node.name in pinned else None

    return replace(
        system,
        variables=tuple(
            replace(one, initial=one.initial[:1]) if one.name in pinned else one
            for one in system.variables
        ),
        transitions=tuple(
            replace(one, guard=transform(one.guard, known)) for one in system.transitions
        ),
    )


def _with_gaps(lines: Iterable[EventLine], numbering: Numbering) -> Iterator[EventLine]:
    """The lines, and gaps where their numbers say that some are missing or in the wrong place."""
    for line in lines:
        event = line.event
        misfit = None if isinstance(event, GapEvent) else numbering.take(event)
        if misfit is not None and misfit.kind != "alike":
            time = event.ts_lo if event.ts is None else event.ts
            gap = GapEvent(ts=time, seq=event.seq, host=event.host, why=misfit.text)
            yield EventLine(line.line, gap)
        yield line


def _parts(lines: Iterable[EventLine]) -> list[_Part]:
    """The events of each process; a gap is one of them all, other events of nobody are left out."""
    parts: dict[tuple[str, str], _Part] = {}
    gaps: list[EventLine] = []
    for line in lines:
        event = line.event
        if event.mon is not None:
            key = (event.host, event.mon)
            if key not in parts:
                parts[key] = _Part(*key, list(gaps))
            parts[key].lines.append(line)
        elif isinstance(event, GapEvent):
            gaps.append(line)
            for part in parts.values():
                part.lines.append(line)
    return list(parts.values())


def _own_header(header: Header, shape: _Shape, part: _Part) -> Header | None:
    """The header of a part: its resources counted from 1, its process the first."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for line in part.lines:
        name = line.event.res
        if name is not None and name in shape.hosted and name not in names:
            family = shape.hosted[name]
            counts[family] = counts.get(family, 0) + 1
            names[name] = f"{family}[{counts[family]}]"
    if not names:
        return None
    names |= {name: f"{family}[1]" for name, family in shape.processes.items()}
    clock = {host: one for host, one in header.clock.items() if host == part.host}
    return msgspec.structs.replace(header, n=max(counts.values()), resources=names, clock=clock)


def _together(
    system: System, loaded: Loaded, reports: Sequence[tuple[_Part, TraceReport]], file: str
) -> TraceReport:
    """One report on the whole file."""
    if not reports:
        return _nothing(system, loaded, file)
    rules: dict[str, RuleVerdict] = {}
    ignored: dict[str, int] = {}
    notes: dict[str, None] = {}
    findings: list[Finding] = []
    for part, report in reports:
        for rule, verdict in report.rules:
            rules[rule] = min(rules.get(rule, verdict), verdict, key=_WORST.index)
        for kind, number in report.ignored:
            ignored[kind] = ignored.get(kind, 0) + number
        for note in report.notes:
            everywhere = all(note in other.notes for _, other in reports)
            notes[note if everywhere else f"{part.mon}: {note}"] = None
        findings += report.findings
    told = sum(len(part.lines) for part, _ in reports)
    if told < len(loaded.events):
        ignored["outside a process"] = len(loaded.events) - told
    verdicts = [report.verdict for _, report in reports]
    return TraceReport(
        file,
        len(loaded.events),
        sum(report.judged for _, report in reports),
        tuple(sorted(ignored.items())),
        _worst(verdicts),
        tuple(rules.items()),
        tuple(sorted(findings, key=lambda one: one.line)),
        reports[0][1].problems,
        tuple(notes),
    )


def _worst(verdicts: Sequence[TraceVerdict]) -> TraceVerdict:
    order: tuple[TraceVerdict, ...] = (*_WORST[:4], "not-observable", "empty")
    return min(verdicts, key=order.index)


def _nothing(system: System, loaded: Loaded, file: str) -> TraceReport:
    """The report on a file in which no process hosted anything."""
    header = msgspec.structs.replace(loaded.header or Header(), n=1, resources={})
    empty = Judge(system, header, file=file).finish(Finish("complete", 1, 0, ""))
    events = len(loaded.events)
    verdict = overall(
        events=events, judged=0, diverged=False, undecided=False, unfinished=False, rules=()
    )
    return replace(empty, events=events, verdict=verdict)
