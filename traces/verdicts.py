"""What a judged recording amounts to: verdicts for each rule, for each resource, and for all.

Owns the notes and findings while a recording is read, and how verdicts follow from what was judged
and from what may be missing (SEMANTICS section 6, "Verdict per rule"). It follows no states.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field, replace

from rhscheck.traces.blame import Fault, Wording
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import Finish, Malformed, UnknownLine
from rhscheck.traces.receptive import Duty
from rhscheck.traces.report import (
    Finding,
    ResourceReport,
    RuleVerdict,
    TraceReport,
    TraceVerdict,
    Unreadable,
    overall,
)
from rhscheck.traces.units import Site, Unit

# Of more findings, unreadable lines or remarks only the number is kept.
MAX_FINDINGS = 1000
MAX_PROBLEMS = 1000
MAX_OPEN = 20  # resources of which is told that a rule was suspected before lines were missing
MAX_NOTES = 50
MAX_RESOURCES = 10_000
_MAX_LINES = 8
_MOST_REPEATS = 1000  # of one finding, by their lines


@dataclass(slots=True)
class Recording:
    """What is known of one recording as a whole.

    `violated` (duties, as bits) and `diverged` are those of all that are there, when they have been
    counted; `foreign`: a line is about a resource that there is not.
    """

    engine: Engine
    file: str
    events: int = 0
    judged: int = 0
    last_line: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Unreadable] = field(default_factory=list)
    unread: int = 0  # lines that could not be read or understood
    violated: int = 0
    stopped: bool = False  # nothing is judged any more
    undecided: bool = False  # part of it could not be judged
    may_lack: bool = False  # events may be missing
    diverged: bool = False
    foreign: bool = False
    # Of each rule (its bit) what was suspected of whom, and will never be decided.
    _open: dict[int, list[Finding]] = field(default_factory=dict)
    _found: dict[object, Finding] = field(default_factory=dict)
    # Of each finding the first lines, about whom (None: anybody) and when that was certain; and how
    # often it was found after those.
    _lines: dict[object, dict[tuple[int, object], int]] = field(default_factory=dict)
    _after: dict[object, int] = field(default_factory=dict)
    _more: int = 0

    def note(self, text: str) -> None:
        """Remember a remark, once."""
        if text not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(text)

    def stop(self, reason: str) -> None:
        """Judge nothing from here on."""
        if not self.stopped:
            self.note(reason)
        self.stopped = self.undecided = True

    def lacks(self, reason: str) -> None:
        """Something may be missing: what holds, holds so far."""
        self.note(reason)
        self.may_lack = True

    def doubt(self, reason: str) -> None:
        """The recording itself is doubtful: it decides nothing but what is surely violated."""
        self.note(reason)
        self.undecided = True

    def unreadable(self, problem: Malformed | UnknownLine) -> None:
        """A line that could not be read, or not understood."""
        self.unread += 1
        if isinstance(problem, Malformed) and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Unreadable(problem.line, problem.column, problem.message))

    def repeats(self, finding: Finding) -> bool:
        """Whether the same thing was found before, so that only its line is kept."""
        return said_of(finding) in self._found

    def add(self, finding: Finding, proven: int, about: object = None) -> object:
        """A finding, certain at `proven`; of the same thing happening again only the line is kept.

        `about`: what it is retracted by. Returns the finding's name for `amend`, None if it has
        none of its own.
        """
        key = said_of(finding)
        lines, place = self._lines.get(key), (finding.line, about)
        if lines is not None:
            if len(lines) < _MOST_REPEATS:
                lines.setdefault(place, proven)
            elif place not in lines:
                self._after[key] = self._after.get(key, 0) + 1
            return None
        if len(self._found) >= MAX_FINDINGS:
            self._more += 1
            return None
        self._found[key] = finding
        self._lines[key] = {place: proven}
        return key

    def leave_open(
        self, unit: Unit, follower: Follower, site: Site, bit: int, wording: Wording
    ) -> None:
        """Rule `bit`, suspected at `site`, will never be decided for the unit."""
        told = self._open.setdefault(bit, [])
        if len(told) < MAX_OPEN:
            told.append(wording.finding(unit, follower, site, bit, Fault(), suspicion=True))

    def tell_open(self, units: Sequence[Unit], wording: Wording) -> None:
        """Add what is suspected of the units, and what was until lines were missing."""
        unresolved = 0
        for unit in units:
            unresolved |= unit.unresolved
        for bit, findings in sorted(self._open.items()):
            if unresolved >> bit & 1 and not self.violated >> bit & 1:
                for finding in findings:
                    self.add(finding, finding.time_us)
        for unit in units:
            for bit, site in sorted(unit.suspected.items()):
                if unit.follower is not None and not self.violated >> bit & 1:
                    told = wording.finding(unit, unit.follower, site, bit, Fault(), suspicion=True)
                    self.add(told, site.time_us)

    def retract(self, about: object, since: int) -> None:
        """What was found about somebody since then is not proven after all."""
        for key in list(self._found):
            lines = {
                place: proven
                for place, proven in self._lines[key].items()
                if proven < since or place[1] not in (None, about)
            }
            if len(lines) < len(self._lines[key]):
                self._drop_lines(key, self._lines[key].keys() - lines)

    def forget(self, about: object) -> None:
        """What was found about just these is about nobody."""
        for key in list(self._found):
            places = [place for place in self._lines[key] if place[1] == about]
            if places:
                self._drop_lines(key, places)

    def _drop_lines(self, key: object, places: Collection[tuple[int, object]]) -> None:
        """What was found there was not, or not for sure."""
        finding, lines = self._found[key], self._lines[key]
        left = {place: proven for place, proven in lines.items() if place not in places}
        self._after.pop(key, None)
        if left:
            self._lines[key] = left
            self._found[key] = replace(finding, line=next(iter(left))[0])
        else:
            del self._found[key], self._lines[key]

    def doubt_since(self, since: int | None) -> None:
        """What was certain at that time or later (None: all) is not: lines may be missing."""
        for key, finding in list(self._found.items()):
            if finding.verdict != "violated":
                continue
            doubted = {
                place: proven
                for place, proven in self._lines[key].items()
                if proven >= (0 if since is None else since)  # what never can be is certain at -1
            }
            if not doubted:
                continue
            told = replace(finding, verdict="inconclusive")
            self._drop_lines(key, doubted)
            for place, proven in doubted.items():
                # The same thing may happen again, and be proven then: that is another finding.
                self.add(replace(told, line=place[0]), proven, place[1])

    def found_before(self, time: int | None) -> tuple[Finding, ...]:
        """The findings that were certain before then; None: none of them."""
        if time is None:
            return ()
        return self._told(
            {key for key, lines in self._lines.items() if next(iter(lines.values())) < time}
        )

    def line_of(self, key: object) -> int | None:
        """The line of the finding `key`; None if there is no such finding (any more)."""
        found = self._found.get(key)
        return None if found is None else found.line

    def amend(self, key: object, repair: tuple[str, ...], edits: int) -> None:
        """Better repairs of the finding `key`."""
        if key in self._found:
            self._found[key] = replace(self._found[key], repair=repair, edits=edits)

    @property
    def found(self) -> tuple[Finding, ...]:
        """The findings in the order of their lines."""
        return self._told(self._found)

    def _told(self, keys: Container[object]) -> tuple[Finding, ...]:
        told = []
        for key, finding in self._found.items():
            if key in keys:
                lines = list(dict.fromkeys(line for line, _ in self._lines[key]))
                again = tuple(lines[1 : _MAX_LINES + 1])
                repeats = len(lines) + self._after.get(key, 0)
                told.append(replace(finding, repeats=repeats, again=again))
        return tuple(sorted(told, key=lambda one: one.line))

    @property
    def unlisted(self) -> int:
        """How many findings are not among `found`."""
        return self._more


def said_of(finding: Finding) -> object:
    """What makes two findings the same thing happening again."""
    return finding.rule, finding.verdict, finding.resource, finding.event, finding.actor


def report_of(
    recording: Recording, units: Sequence[Unit], wording: Wording, finish: Finish
) -> TraceReport:
    """The verdict on a recording whose units are these, and which ended like this."""
    world = recording.engine.world
    if finish.ending != "complete":
        recording.note(f"the trace is not known to be whole: {finish.message}")
    if finish.ending == "mismatch":
        recording.undecided = True
    recording.tell_open(units, wording)
    if recording.unlisted:
        recording.note(f"{recording.unlisted} more findings are not listed")
    if world.refuted:
        listed = ", ".join(world.refuted)
        recording.note(f"not judged, because the spec expects them to be violated: {listed}")
    for rule, reason in world.unjudged.items():
        recording.note(f"{rule} is not judged: {reason}")
    if len(units) > MAX_RESOURCES:
        recording.note(f"of {len(units)} resources the first {MAX_RESOURCES} are listed")
    whole = finish.ending == "complete"
    kinds = list({_kind(unit): unit for unit in units}.values())
    verdicts = [
        _verdict(recording, kinds, bit, duty, whole=whole) for bit, duty in enumerate(world.duties)
    ]
    judged = dict(zip((duty.id for duty in world.duties), verdicts, strict=True))
    verdict = overall(
        events=recording.events,
        judged=recording.judged,
        diverged=recording.diverged,
        undecided=recording.undecided or any(unit.stopped for unit in kinds),
        unfinished=any(_is_open(unit, duty) for unit in kinds for duty in world.duties)
        or bool(world.unjudged)
        or recording.may_lack
        or any(unit.partial or unit.unsure or _is_inexact(unit) for unit in kinds)
        or not whole,
        rules=verdicts,
    )
    if verdict == "not-observable":
        recording.note("no rule could be judged")
    return TraceReport(
        recording.file,
        recording.events,
        recording.judged,
        tuple(sorted(recording.ignored.items())),
        verdict,
        tuple((one, judged.get(one, "not-observable")) for one in world.ids),
        recording.found,
        tuple(recording.problems),
        tuple(recording.notes),
        _resources(recording, units, whole=whole) if recording.engine.alone else (),
    )


def _resources(
    recording: Recording, units: Sequence[Unit], *, whole: bool
) -> tuple[ResourceReport, ...]:
    found = []
    known: dict[object, tuple[TraceVerdict, tuple[tuple[str, RuleVerdict], ...]]] = {}
    for unit in units[:MAX_RESOURCES]:
        if unit.name is None:
            continue
        key = _kind(unit), unit.events > 0
        told = known.get(key)
        if told is None:
            told = known[key] = _resource(recording, unit, whole=whole)
        found.append(ResourceReport(unit.title or unit.name, unit.monitor, unit.events, *told))
    return tuple(found)


def _resource(
    recording: Recording, unit: Unit, *, whole: bool
) -> tuple[TraceVerdict, tuple[tuple[str, RuleVerdict], ...]]:
    """The verdict on one resource, and on each rule of it."""
    world = recording.engine.world
    rules: dict[str, RuleVerdict] = {}
    for bit, duty in enumerate(world.duties):
        if unit.violated >> bit & 1:
            rules[duty.id] = "violated"
        else:
            rules[duty.id] = _verdict(recording, [unit], bit, duty, whole=whole, own=True)
    verdict = overall(
        events=unit.events,
        judged=unit.judged,
        diverged=unit.diverged,
        undecided=recording.undecided or unit.stopped is not None,
        unfinished="conforms-so-far" in rules.values(),
        rules=rules.values(),
    )
    return verdict, tuple((one, rules.get(one, "not-observable")) for one in world.ids)


def _kind(unit: Unit) -> object:
    """All that a verdict depends on: units of the same kind have the same verdicts."""
    follower = unit.follower
    return (
        None if follower is None else (follower.node, follower.doubtful, follower.inexact),
        unit.violated,
        tuple(unit.suspected),
        unit.unresolved,
        unit.judged > 0,
        unit.diverged,
        unit.partial or unit.unsure,
        unit.stopped,
    )


def _is_inexact(unit: Unit) -> bool:
    return unit.follower is not None and unit.follower.inexact


def _is_open(unit: Unit, duty: Duty) -> bool:
    """Whether an answer may still be owed."""
    if unit.follower is None or not duty.open_clocks:
        return False
    places = unit.follower.sets.places.by_number
    numbers = {number for number, _, _, _ in unit.follower.node.items}
    return any(clock in places[number].active for number in numbers for clock in duty.open_clocks)


def _verdict(
    recording: Recording,
    units: Sequence[Unit],
    bit: int,
    duty: Duty,
    *,
    whole: bool,
    own: bool = False,
) -> RuleVerdict:
    """The verdict on one duty; `own`: of one unit, whatever happened to others."""
    if not own and recording.violated >> bit & 1:
        return "violated"
    if recording.undecided or any(
        bit in unit.suspected or unit.unresolved >> bit & 1 or unit.stopped for unit in units
    ):
        return "inconclusive"
    if not any(unit.judged for unit in units):
        return "inconclusive" if any(unit.diverged for unit in units) else "not-observable"
    if (
        not whole
        or not duty.bounded
        or recording.may_lack
        or any(
            unit.partial
            or unit.unsure
            or _is_open(unit, duty)
            or (unit.follower is not None and unit.follower.doubtful >> bit & 1)
            or _is_inexact(unit)
            for unit in units
        )
    ):
        return "conforms-so-far"
    return "conforms"
