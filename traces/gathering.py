"""Everybody that a recording tells of: units, what they share, and the time that passes for all.

A unit is brought up to date when its turn comes: with its next line, when something is shared and
units are few, or when all are swept. Owns the units, the log of what is shared, of lines that are
missing, and of lines whose order is open between hosts. What is possible for one unit is
`traces.inspect`'s; whose event a line is, `traces.whose`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from rhscheck.traces.blame import Wording
from rhscheck.traces.effects import Effect
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import Event, Header
from rhscheck.traces.hosts import Hosts
from rhscheck.traces.inspect import Inspector
from rhscheck.traces.mapping import Observation
from rhscheck.traces.possible import TooManyStates
from rhscheck.traces.report import Finding
from rhscheck.traces.steady import Steady
from rhscheck.traces.units import Site, Unit
from rhscheck.traces.verdicts import Recording, said_of
from rhscheck.traces.whose import Whose
from rhscheck.traces.window import Window

# Units that are brought up to date whenever something shared happens; more wait for their turn.
_AT_ONCE = 32
_SWEEP_EVERY = 16_384
_LONGEST_WINDOW = 200_000
_MOST_UNTOLD = 100
_OTHERS: Final = "others"  # whom findings about those are about that no line tells of


@dataclass(frozen=True, slots=True)
class Shared:
    """Something that more than one unit sees, in the order of the recording.

    `reading` None: events are missing here; `until`: up to then nobody lacks any. `owner`: the unit
    whose own event it is, `effect`: what that does to others.
    """

    line: int
    time: int
    late: int
    site: Site
    reading: Observation | None
    owner: Unit | None = None
    host: str = ""
    until: int | None = None
    effect: Effect | None = None


@dataclass(slots=True)
class Gathering:
    """`lossy`: any line may be missing. `now`: the latest time of all lines, None before the first.

    `blank`: the unit that stands for all that have done nothing yet, once there is a line.
    """

    engine: Engine
    recording: Recording
    hosts: Hosts
    steady: Steady
    whose: Whose
    header: Header | None
    lossy: bool
    wording: Wording
    now: int | None = None
    blank: Unit | None = None
    units: dict[tuple[str, str | None], Unit] = field(default_factory=dict)
    window: Window = field(default_factory=Window)
    inspector: Inspector = field(init=False)
    # Of what no unit knows by itself, the time of the last event, by host and resource.
    own_times: dict[tuple[str, str | None], int] = field(default_factory=dict)
    _log: list[Shared] = field(default_factory=list)
    # Lines about what is shared: judged, until somebody's states refuse them.
    _shared_lines: dict[int, None] = field(default_factory=dict)
    _dropped: int = 0  # entries of the log that every unit has seen

    def __post_init__(self) -> None:
        self.inspector = Inspector(
            self.engine, self.wording, self.recording, self.window, self.add,
            single=self.whose.count == 1,
        )  # fmt: skip

    @property
    def present(self) -> list[Unit]:
        """All units, and the one that stands for others if there are any, as far as is known."""
        there_are_others = self.engine.alone and not self._is_nobody
        return self.everybody if there_are_others else list(self.units.values())

    @property
    def everybody(self) -> list[Unit]:
        """All units, and the one that stands for others."""
        return [*self.units.values(), *(() if self.blank is None else (self.blank,))]

    def start(self, event: Event, time: int, late: int) -> None:
        """The first event: now it is known when the recording begins."""
        blank = self.blank = Unit(None, None, None)
        self._begin(blank, event.host, time, late)
        if not self.engine.alone:
            self.units[("", None)] = blank
        self.inspector.rules.inspect(blank, Site(1, None, 0, "the initial state"))

    def _begin(self, unit: Unit, host: str, time: int, late: int) -> None:
        """Put a unit where it may be at the first event of `host`, at that time."""
        header, engine = self.header or Header(), self.engine
        clock = header.clock.get(host)
        try:
            if header.start != "initial" or self.lossy:
                unit.follower = self._anywhere(time, late)
                unit.partial = True
            elif clock is not None and clock.epoch == "start":
                unit.follower = Follower.begin(engine.sets, engine.begin(aged=False), 0, 0)
            else:
                # Time may have passed in the initial state; how much, nobody says.
                unit.follower = Follower.begin(engine.sets, engine.begin(aged=True), time, late)
                if not unit.follower.node.exact:
                    self.recording.lacks(
                        "the recording does not say when the run began, and clocks run from its "
                        "start"
                    )
        except TooManyStates:
            unit.stopped = "more states are possible than can be followed"

    def _anywhere(self, time: int, late: int) -> Follower:
        engine = self.engine
        return Follower.begin(engine.sets, engine.anywhere((), 0), time, late)

    def unit(self, event: Event, instance: str) -> Unit:
        """The unit whose event it is, made from one that has done nothing if it is new."""
        if not self.engine.alone:
            return self.units[("", None)]
        unit = self.units.get(self.whose.key(event))
        return self._mentioned(event, instance) if unit is None else unit

    def _mentioned(self, event: Event, instance: str) -> Unit:
        """The unit of a resource of which the event is the first line."""
        nobody, first = self.nobody(), self.whose.named.get(event.res or "")
        unit = self.units[self.whose.key(event)] = nobody.copy(event.res or "", instance)
        # What mends a line of all, who is there knows better from now on.
        nobody.told, nobody.group = [], None
        if first is not None and event.host != first:
            unit.title = f"{event.res} ({event.host})"
        if self._starts_by_itself(unit, event.host):
            return unit
        for finding, proven in nobody.untold.values():
            if finding.rule is None:
                unit.prove(None, proven)
            self.add(unit, _told_of(unit, finding), proven)
        return unit

    def _starts_by_itself(self, unit: Unit, host: str) -> bool:
        """Let a unit of another host than the first begin with its own host's first line, if so.

        Another host's line may stand before it in the file and be of a later time. Where lines that
        concern all came before it, nobody knows what they did to it, and it may be anywhere.
        """
        if not self.hosts.several or self._begins_with_run(host):
            return False
        began = self.hosts.first[host]
        if not self._dropped and not self._log:
            self._begin(unit, host, began, began)
            return False
        if host == next(iter(self.hosts.first)):
            return False
        unit.proven, unit.violated, unit.diverged = (), 0, False
        unit.suspected, unit.unresolved = {}, 0
        self.inspector.lose(unit, began, began)
        return True

    @property
    def _is_nobody(self) -> bool:
        """Whether `blank` stands for resources that there are none of, as far as is known.

        Or for some of a host that nobody knows, whose clock is not known to begin with the run.
        """
        if not self.engine.alone or not self.units:
            return False
        return len(self.units) >= self.whose.known or (
            self.hosts.several and not all(map(self._begins_with_run, self.hosts.last))
        )

    def _begins_with_run(self, host: str) -> bool:
        """Whether the times of the host count from the beginning of the run."""
        clock = (self.header or Header()).clock.get(host)
        return clock is not None and clock.epoch == "start"

    def add(self, unit: Unit, finding: Finding, proven: int) -> object:
        """Record a finding, unless `unit` stands for resources that there are none of.

        One may be mentioned later: then it is told of that one, too.
        """
        if unit.title is not None:
            finding = replace(finding, resource=unit.title)
        about = self._about(unit)
        if about is _OTHERS:
            if len(unit.untold) < _MOST_UNTOLD:
                unit.untold.setdefault(said_of(finding), (finding, proven))
            if self._is_nobody:
                return None
        return self.recording.add(finding, proven, about)

    def _about(self, unit: Unit) -> object:
        """Whom findings about the unit are about; None: they are never retracted by that."""
        if unit is self.blank and self.engine.alone:
            return _OTHERS
        return (unit.name, unit.title) if self.hosts.are_watched else None

    def share(self, entry: Shared) -> None:
        """Something that concerns every unit: at once if they are few, else when they get to it."""
        self._log.append(entry)
        self.hosts.share(entry.late)
        self.steady.release_all()
        if len(self.units) <= _AT_ONCE or self.until_sweep() <= 0:
            self.sweep()

    def judge_shared(self, entry: Shared) -> None:
        """A line about what is shared, judged until somebody's states refuse it."""
        self.recording.judged += 1
        self._shared_lines[entry.line] = None
        self.share(entry)

    def nobody(self) -> Unit:
        """The unit that has done nothing yet, brought up to date."""
        blank = self.blank
        assert blank is not None, "it stands before the first line of any unit"
        self.catch_up(blank)
        return blank

    def lose(self, line: int, time: int, late: int, reason: str) -> None:
        """Events may be missing before `line`: every unit may be anywhere now."""
        self.recording.lacks(f"{reason}: what follows is judged from every possible state")
        if self.now is None:
            if self.header is not None:
                self.header = msgspec.structs.replace(self.header, start="unknown")
            return
        # Each unit notices when its turn comes: there may be many of them, and of lost lines.
        until = self._present()
        self.hosts.swept = max(self.hosts.swept, -1 if until is None else until)
        self.hosts.share(late)
        self.own_times.clear()
        self.steady.release_all()
        site = Site(line, None, time, reason)
        self._log.append(Shared(line, time, late, site, None, until=until))

    def catch_up(self, unit: Unit) -> None:
        """Bring a unit to the end of the shared log."""
        while unit.seen < self._dropped + len(self._log):
            entry = self._log[unit.seen - self._dropped]
            unit.seen += 1
            if entry.owner is unit:
                continue
            if entry.reading is None:
                self._miss(unit, entry)
                continue
            if self.lossy:
                self.inspector.lose(unit, entry.time, entry.late)
                if entry.owner is not None:
                    continue
            else:
                until = self.unordered(unit, entry.line, entry.host, entry.time, entry.late)
                if until is not None:
                    self._unjudge(entry.line)
                    continue
            time, late = self.in_own_time(unit, entry.host, entry.time, entry.late)
            if entry.effect is not None:
                self.inspector.observe_other(unit, entry.site, entry.effect, time, late)
            elif not self.inspector.observe(unit, entry.site, entry.reading, time, late):
                self._unjudge(entry.line)

    def _miss(self, unit: Unit, entry: Shared) -> None:
        """Lines are missing; of several such places without a line between only the last counts."""
        if entry.until is not None and not self.lossy:
            self.inspector.pass_time(unit, entry.until)
        unit.own = -1  # lines that stand in the wrong place may have been its
        unit.adrift = self.hosts.several
        while unit.seen < self._dropped + len(self._log):
            following = self._log[unit.seen - self._dropped]
            if following.reading is not None:
                break
            unit.seen += 1
            entry = following
        self.inspector.lose(unit, entry.time, entry.late)

    def _unjudge(self, line: int) -> None:
        """Somebody's states refuse a line about what is shared, or say nothing about it."""
        if self._shared_lines.pop(line, 0) is None:
            self.recording.judged -= 1

    def until_sweep(self) -> int:
        """After how many more lines every unit is brought up to date: however they are read."""
        every = min(max(_SWEEP_EVERY, 32 * len(self.units)), _LONGEST_WINDOW)
        return every - self.window.size

    def _present(self, *, at_end: bool = False) -> int | None:
        """Until when all has been told; None: nothing yet."""
        if not self.hosts.several:
            return self.now
        # What happens at that moment may still be told.
        slowest = self.hosts.slowest
        return None if slowest is None else slowest if at_end else slowest - 1

    def sweep(self, *, at_end: bool = False, is_over: bool = False) -> None:
        """Bring every unit to the present, so that missed deadlines are noticed, and forget.

        `at_end`: the recording is whole, so no host will tell more. `is_over`: no line follows.
        Until when a host ran is known by its own lines: nobody is late by the clock of another.
        """
        if self.now is None:
            return
        now = self._present(at_end=at_end)
        self.hosts.swept = max(self.hosts.swept, -1 if now is None else now)
        units = list(self.units.values())
        blank = self.blank
        somebody = blank is not None and not self._is_nobody
        if blank is not None and blank not in units and (somebody or self._log):
            self.catch_up(blank)
        last = self.hosts.last
        for unit in units:
            until = now
            if at_end and self.hosts.several and unit.host in last and self.engine.alone:
                until = last[unit.host]
            if until is not None and self.steady.rests(unit, until):
                continue
            self.steady.release(unit)
            self.catch_up(unit)
            if not self.lossy:
                if until is not None:
                    self.inspector.pass_time(unit, until)
                self.steady.admit(unit)
        if blank is not None and somebody and not self.lossy and now is not None:
            self.inspector.pass_time(blank, now)
        self._dropped += len(self._log)
        self._shared_lines.clear()
        self._log.clear()
        if not is_over:
            self.window.clear()

    def in_own_time(self, unit: Unit, host: str, time: int, late: int) -> tuple[int, int]:
        """When something that `host` tells happened by the clock of the unit's own host."""
        skew = self.hosts.skew(host, unit.host)
        return time - skew, late + skew

    def unordered(self, unit: Unit, line: int, host: str, time: int, late: int) -> int | None:
        """Whether a line may have to change places with some that the unit has seen before.

        Then it is lost, what was found since is not proven, and the answer is the latest moment
        of all of them. None: its place is known.
        """
        if not self.hosts.are_watched:
            return None
        until = self.hosts.overlap(unit.heard or {}, host, time)
        unit.hear(host, late)
        earliest, latest = self.in_own_time(unit, host, time, late)
        if until is None:
            if unit.adrift:
                unit.adrift = False
                self.inspector.lose(unit, earliest, latest)
            return None
        until = max(until, late)
        self._retract(unit, time - self.hosts.widest)
        self.recording.lacks(
            f"line {line} may stand before or after others: what follows is judged from every "
            "possible state"
        )
        self.inspector.lose(unit, earliest, until)
        return until

    def _retract(self, unit: Unit, since: int) -> None:
        """What was found wrong with the unit since then has an explanation, or may have one."""
        self.recording.retract(self._about(unit), since)
        unit.forget_untold(since)
        if any(time >= since for _, time in unit.proven):
            unit.retract(since)
            self.recount()

    def tell_rest(self) -> None:
        """What was found of those that no line tells of counts if there are any."""
        blank = self.blank
        if blank is None or not self.engine.alone:
            return
        if self._is_nobody:
            self.recording.forget(_OTHERS)
            return
        for finding, proven in blank.untold.values():
            self.add(blank, finding, proven)

    def recount(self) -> None:
        """What is wrong with the recording, by what is wrong with its units."""
        recording, units = self.recording, self.present
        proven = [bit for unit in units for bit, _ in unit.proven]
        recording.violated = 0
        for bit in proven:
            if bit is not None:
                recording.violated |= 1 << bit
        recording.diverged = recording.foreign or None in proven


def _told_of(unit: Unit, finding: Finding) -> Finding:
    """A finding about all that nobody had mentioned, told of one of them."""
    of_all = finding.rule is None and finding.resource is not None
    return finding if of_all else replace(finding, resource=unit.name)
