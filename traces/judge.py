"""Judging a recorded run event by event.

`Judge` is fed the events of one recording in file order and says at the end what was found. Whoever
has events (a trace file, a mapped log, a simulation) uses this; whoever has a whole file uses
`traces.replay`. What is possible is followed as sets of states on the *receptive* System
(SEMANTICS section 6), for each resource by itself where the spec lets instances be told apart.

Owns the walk along a recording and which events concern whom. What is wrong with an event is
`traces.inspect`'s, sets of states are `traces.possible`'s, words `traces.blame`'s and verdicts
`traces.verdicts`'s; nothing is printed here and no file is read.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import length_hint
from typing import Literal

import msgspec

from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.spec.expr import StepKind
from rhscheck.spec.system import System
from rhscheck.traces.apart import apart
from rhscheck.traces.blame import Fault, Wording
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import (
    CallEvent,
    Event,
    EventLine,
    Finish,
    GapEvent,
    Header,
    Malformed,
    ReturnEvent,
    TimeoutEvent,
    UnknownLine,
)
from rhscheck.traces.habit import Usual
from rhscheck.traces.hosts import Hosts
from rhscheck.traces.inspect import Inspector, Window
from rhscheck.traces.mapping import Gap, Ignored, Observation, Vocabulary, trace_parameters
from rhscheck.traces.numbering import Numbering
from rhscheck.traces.possible import TooManyStates
from rhscheck.traces.report import Finding, TraceReport
from rhscheck.traces.steady import Steady
from rhscheck.traces.tables import Tabled
from rhscheck.traces.units import Site, Unit
from rhscheck.traces.verdicts import Recording, report_of
from rhscheck.traces.wording import clock_time, parameter_text

# Units that are brought up to date whenever something shared happens; more wait for their turn.
_AT_ONCE = 32
_SWEEP_EVERY = 16_384
_LONGEST_WINDOW = 200_000
_INSTANCE = re.compile(r"(.+)\[(\d{1,6})\]")


class ReplayError(Exception):
    """The recording cannot be held against this spec at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a recording is to be held against a spec.

    `slack_us`: how late a step may be (trace time); None: what the header says. `unseen`: events
    (kind, name or None for all of the kind) that may happen without a line about them, because
    the log does not always have one; the trace block's `hide` comes on top. With it, a header that
    does not claim to be complete lacks these events only. `n`: the number of instances; None: what
    the header says, or else as many as are mentioned. `counted`: numbers that are left out are
    those of lines that are missing; in a part of a recording they are not.
    """

    slack_us: int | None = None
    unseen: tuple[tuple[StepKind, str | None], ...] = ()
    n: int | None = None
    counted: bool = True


@dataclass(frozen=True, slots=True)
class _Shared:
    """Something that more than one unit sees, in the order of the recording.

    `reading` None: events are missing here; `until`: up to then nobody lacks any. `owner`: the unit
    whose own event it is.
    """

    line: int
    time: int
    late: int
    site: Site
    reading: Observation | None
    owner: Unit | None = None
    host: str = ""
    until: int | None = None


Role = Literal["own", "shared", "unknown"]


@dataclass(slots=True)
class Judge:
    """Judges one recording. Feed its lines in order, then call `finish` once.

    `header` None: there was none. `engine`: what was compiled for the same System before, with a
    setting that fits the header and the options (see `setting_of`); without it one is made.
    """

    system: System
    header: Header | None
    options: Options = Options()
    file: str = ""
    engine: Engine | None = None
    _engine: Engine = field(init=False, repr=False)
    _words: Vocabulary = field(init=False, repr=False)
    _wording: Wording = field(init=False, repr=False)
    _recording: Recording = field(init=False, repr=False)
    _units: dict[tuple[str, str | None], Unit] = field(default_factory=dict, repr=False)
    _blank: dict[str, Unit] = field(default_factory=dict, repr=False)
    _log: list[_Shared] = field(default_factory=list, repr=False)
    # Lines about what is shared: judged, until somebody's states refuse them.
    _shared_lines: dict[int, None] = field(default_factory=dict, repr=False)
    _dropped: int = 0  # entries of the log that every unit has seen
    _readings: dict[object, Observation | Ignored | Gap] = field(default_factory=dict, repr=False)
    _roles: dict[str, tuple[Role, str]] = field(default_factory=dict, repr=False)
    _hosts: Hosts = field(init=False, repr=False)
    _numbering: Numbering = field(init=False, repr=False)
    _window: Window = field(default_factory=Window, repr=False)
    _inspector: Inspector = field(init=False, repr=False)
    _steady: Steady = field(init=False, repr=False)
    _now: int | None = None
    _unread: int | None = None  # a line since the last event that could not be read
    _missing: str | None = None  # why events may be missing since the last one
    # Of what no unit knows by itself, the time of the last event, by host and resource.
    _own_times: dict[tuple[str, str | None], int] = field(default_factory=dict, repr=False)
    # Resources that were numbered because nobody says what they are called, with the first host.
    _named: dict[str, str] = field(default_factory=dict, repr=False)
    _lossy: bool = False
    _count: int | None = None
    # Lines that wait until it is known how many instances have to be followed together.
    _waiting: list[tuple[int, Event] | Malformed | UnknownLine] | None = None

    def __post_init__(self) -> None:
        setting = setting_of(self.header, self.options)
        self._count = setting.n
        if self._count is not None and self._count < 1:
            raise ReplayError(f"there is no System of {self._count} instances")
        if self._count is None and self.system.parametric and apart(self.system) is None:
            self._waiting = []
        else:
            self._set_out(setting)

    def _set_out(self, setting: Setting) -> None:
        header = self.header or Header()
        self._hosts = Hosts(header.clock)
        self._numbering = Numbering(begins=header.start == "initial")
        self._engine = self.engine or Engine(self.system, setting)
        self.engine = self._engine
        world = self._engine.world
        names = {instance: name for name, instance in header.resources.items()}
        self._words = Vocabulary(world.ground, self._vocabulary_names(header))
        self._wording = Wording(self._engine, names)
        self._recording = Recording(self._engine, self.file)
        self._inspector = Inspector(
            self._engine, self._wording, self._recording, self._window, self._add
        )
        self._steady = Steady(self._engine, self._meaning, self._hosts.last, self._numbering)
        self._begin(header)

    # ---- what the header promises --------------------------------------------------------------
    def _vocabulary_names(self, header: Header) -> dict[str, str]:
        """The header's names of instances that the Ground has."""
        family = self._engine.world.family
        return {
            name: instance
            for name, instance in header.resources.items()
            if family is None or instance.partition("[")[0] != family
        }

    def _begin(self, header: Header) -> None:
        recording, system = self._recording, self._engine.world.ground.system
        if self.header is None:
            recording.stop("there is no readable header: nobody says that the trace is complete")
            return
        named, ours = header.spec.removesuffix(".sm"), system.name
        if named and named != ours:
            recording.stop(f"the header names another spec: {named}, not {ours}")
            return
        self._compare_spec(header)
        if recording.stopped:
            return
        declared = bool(self.options.unseen) and not header.lossy
        self._lossy = header.lossy or (not header.complete and not declared)
        if self._lossy:
            recording.lacks("the recording may lack events: nothing is held against their absence")
        elif not header.complete:
            recording.lacks("events of some kinds leave no line in this recording")
        if header.start != "initial":
            recording.lacks("the recording does not begin with the run: it may begin in any state")
        try:
            if not self._engine.initial:
                raise ReplayError(f"the spec {system.name} has no initial state")
        except TooManyStates:
            recording.stop("the spec has more initial states than can be followed")

    def _compare_spec(self, header: Header) -> None:
        recording, system = self._recording, self._engine.world.ground.system
        sums = (header.spec_sha256, self.system.source_sha256)
        if all(sums) and sums[0] != sums[1]:
            recording.notes.append(
                "the trace was made for another text of the spec (SHA-256 differs)"
            )
        ours = trace_parameters(self.system)
        for parameter, value in header.params.items():
            if parameter in ours and ours[parameter] != value:
                theirs = parameter_text(system, parameter, value)
                here = parameter_text(system, parameter, ours[parameter])
                recording.notes.append(
                    f"the trace was made with {parameter} = {theirs}, the spec has {here}"
                )
        for limit, millis in header.timeouts_ms.items():
            name = time_out_parameter(self.system, limit)
            if name is None or ours[name] != millis * 1000:
                recording.stop(f"the header's time-out {limit} = {millis} ms is not the spec's")

    # ---- events --------------------------------------------------------------------------------
    @property
    def findings(self) -> Sequence[Finding]:
        """What has been found so far; more may turn out about earlier lines at the end."""
        if self._waiting is not None:
            return ()
        if self._hosts.several and not self._lossy:
            # Another host may still tell what explains it.
            return self._recording.found_before(self._hosts.slowest)
        return self._recording.found

    def unreadable(self, problem: Malformed | UnknownLine) -> None:
        """The next line is no event that can be understood: something may be missing here."""
        if self._waiting is not None:
            self._waiting.append(problem)
            return
        self._recording.unreadable(problem)
        # Whether something is missing turns out with the next event: none follows a cut tail.
        self._unread = self._unread or problem.line

    def feed(self, line: int, event: Event) -> None:
        """The next event, which stands on `line` (from 1) of the recording."""
        if self._waiting is not None:
            self._waiting.append((line, event))
            return
        recording = self._recording
        recording.events += 1
        recording.last_line = line
        if self.options.counted and not isinstance(event, GapEvent):
            self._check_number(line, event)
        role, instance = self._role(event)
        reading = self._read(event, role, instance)
        if isinstance(reading, Ignored):
            recording.ignored[reading.kind] = recording.ignored.get(reading.kind, 0) + 1
            return
        if recording.stopped:
            return
        if isinstance(reading, Gap):
            self._missing = self._missing or f"events are missing at line {line} ({reading.why})"
            return
        time, late = _bounds(event)
        self._check_order(line, event, time, late)
        if self._unread is not None and self._missing is None:
            self._missing = f"line {self._unread} cannot be read"
        if self._missing is not None:
            # What is missing happened any time before this line.
            self._lose(line, time, late, self._missing)
        self._unread = self._missing = None
        if self._now is None:
            self._start(event, time, late)
        self._now = self._steady.now = self._hosts.newest
        self._steady.host = sys.intern(event.host)
        self._window.add(time, line)
        actors = (reading.actor,) if reading.actor else self._engine.world.actors(reading.labels)
        site = Site(
            line, event.res, event.ts if event.ts is not None else time, reading.text, actors
        )
        if role == "shared" or not self._engine.alone:
            self._own_times[(event.host, event.res)] = time
        if role == "shared" and self._engine.alone:
            recording.judged += 1
            self._shared_lines[line] = None
            self._share(_Shared(line, time, late, site, reading, host=event.host))
            return
        if self._lossy_event(site, reading, role, time, late, event):
            return
        self._own(event, site, reading, time, late, instance)
        if self._until_sweep() <= 0:
            self._sweep()

    def feed_all(self, line: int, events: Sequence[Event]) -> None:
        """The next events, which stand on `line` and the lines after it without a gap."""
        at = 0
        while at < len(events):
            end = at
            if self._may_be_steady():
                part = events[at : at + self._until_sweep()]
                rest = iter(part)
                odd = self._steady.run(rest)
                end += len(part) - length_hint(rest) - (odd is not None)
                times = [event.ts for event in events[at:end] if event.ts is not None]
                if times:
                    self._window.add_times(array("q", times), line + at)
                    self._went_steadily(len(times), line + at)
            if end == at:
                self.feed(line + at, events[at])
                end += 1
            at = end

    def feed_usual(self, usual: Usual) -> None:
        """The same for lines that look like those before."""
        lines = usual.lines
        at = 0
        while at < len(lines):
            end = at
            if self._may_be_steady():
                part = lines[at : at + self._until_sweep()]
                rest = iter(part)
                odd = self._steady.run_usual(rest)
                end += len(part) - length_hint(rest) - odd
                if end > at:
                    last = lines[end - 1].ts
                    self._window.add_text(usual.text, at, end - at, usual.line + at, last)
                    self._went_steadily(end - at, usual.line + at)
            if end == at:
                self._feed_record(usual.record(at))
                end += 1
            at = end

    def feed_table(self, tabled: Tabled) -> None:
        """The same for lines in a table."""
        table = tabled.table
        at = 0
        while at < len(table):
            end = at
            if self._may_be_steady():
                end = self._steady.run_table(table, at, at + self._until_sweep())
                if end > at:
                    self._window.add_times(table.times[at:end], tabled.line + at)
                    self._went_steadily(end - at, tabled.line + at)
            if end == at:
                self._feed_record(tabled.record(at))
                end += 1
            at = end

    def _feed_record(self, record: EventLine | Malformed) -> None:
        if isinstance(record, EventLine):
            self.feed_all(record.line, (record.event,))
        else:
            self.unreadable(record)

    def _went_steadily(self, count: int, line: int) -> None:
        """Count events that were taken on the path; the first is on `line`."""
        self._recording.events += count
        self._recording.judged += count
        self._recording.last_line = line + count - 1
        self._now = self._hosts.newest = self._steady.now
        if self._until_sweep() <= 0:
            self._sweep()

    def _until_sweep(self) -> int:
        """After how many more lines every unit is brought up to date: however they are read."""
        every = min(max(_SWEEP_EVERY, 32 * len(self._units)), _LONGEST_WINDOW)
        return every - self._window.size

    def _may_be_steady(self) -> bool:
        return (
            self._waiting is None
            and self._now is not None
            and self._engine.alone
            and not self._lossy
            and self._unread is None
            and self._missing is None
            and self.options.counted
            and not self._recording.stopped
            and self._hosts.is_in_order(self._hosts.last[self._steady.host])
        )

    def _meaning(self, event: Event) -> tuple[Observation, tuple[int, ...]] | None:
        """An own event's reading and transitions, None if it is of any other kind."""
        role, instance = self._role(event)
        reading = self._read(event, role, instance)
        if role != "own" or not isinstance(reading, Observation) or reading.unknown:
            return None
        if self._inspector.others(reading):
            return None
        return reading, self._inspector.positions(reading)

    def finish(self, finish: Finish | None = None) -> TraceReport:
        """The verdict. `finish` says how the recording ended; None: nobody knows."""
        if self._waiting is not None:
            self._count_instances(self._waiting)
        recording = self._recording
        ending = finish or Finish(
            "missing", recording.last_line, recording.events, "there is no end line"
        )
        self._steady.release_all()
        self._sweep(at_end=ending.ending == "complete")
        for unit in (*self._units.values(), *self._blank.values()):
            self._inspector.close(unit)
        if self._hosts.several and ending.ending != "complete" and not self._lossy:
            self._doubt_the_end(
                self._hosts.slowest,
                "what was found after the last line of some host is not proven: its next lines are "
                "missing",
            )
        if ending.is_short and (self._numbering.uncounted or not self.options.counted):
            self._doubt_the_end(
                None, "lines are missing or repeated, and no numbers tell where: nothing is proven"
            )
        for unit in self._units.values():
            unit.events += unit.steady
            unit.judged += unit.steady
            unit.steady = 0
        if self._unread is not None and not recording.stopped:
            cut = ending.ending == "truncated" and self._unread == ending.lines
            if not cut:
                recording.doubt(f"line {self._unread} cannot be read")
        units = list(self._units.values())
        return report_of(recording, units or list(self._blank.values()), self._wording, ending)

    def _doubt_the_end(self, since: int | None, reason: str) -> None:
        """What was found since then (None: ever) may have an explanation that is missing."""
        for unit in (*self._units.values(), *self._blank.values()):
            if any(since is None or time >= since for _, time in unit.proven):
                self._recording.doubt(reason)
                unit.retract(-1 if since is None else since)
        self._recording.doubt_since(since)
        self._recount()

    def _count_instances(self, waiting: list[tuple[int, Event] | Malformed | UnknownLine]) -> None:
        """Judge what was waiting for the number of instances: the highest that is mentioned."""
        resources = {} if self.header is None else self.header.resources
        highest = 1
        for one in waiting:
            res = one[1].res if isinstance(one, tuple) else None
            match = None if res is None else _INSTANCE.fullmatch(resources.get(res, res))
            if match is not None and match[1] in self.system.parametric:
                highest = max(highest, int(match[2]))
        self._waiting = None
        self._count = highest
        self._set_out(replace(setting_of(self.header, self.options), n=highest))
        for one in waiting:
            if isinstance(one, tuple):
                self.feed(*one)
            else:
                self.unreadable(one)

    # ---- reading -------------------------------------------------------------------------------
    def _role(self, event: Event) -> tuple[Role, str]:
        """Whether the event is one unit's own, shared by all, or of nobody known; and whose."""
        res = event.res
        if not self._engine.alone or res is None:
            return "own", ""
        known = self._roles.get(res)
        if known is None:
            known = self._roles[res] = self._role_of(res, event.host)
        return known

    def _role_of(self, res: str, host: str) -> tuple[Role, str]:
        header, family = self.header or Header(), self._engine.world.family
        assert family is not None
        name = header.resources.get(res, res)
        machine, bracket, number = name.partition("[")
        if machine == family and bracket and number[:-1].isdigit() and number.endswith("]"):
            index = int(number[:-1])
            if 1 <= index <= (self._count or index):
                return "own", name
            return "unknown", name
        if self._words.knows(name):
            return "shared", name
        if self._count is None and not header.resources:
            # Nobody says what the resources are called: each name is one.
            self._named[res] = host
            return "own", f"{family}[{len(self._named)}]"
        return "unknown", name

    def _read(self, event: Event, role: Role, instance: str) -> Observation | Ignored | Gap:
        """What the event says in the spec's words; the same for all resources."""
        key: object
        match event:
            case CallEvent(op=op):
                key = ("call", op, role)
            case ReturnEvent(op=op, rc=rc):
                key = ("return", op, rc, role)
            case _:
                key = None
        if key is None or role != "own" or not self._engine.alone:
            return self._words.read(event, self._first(role, event))
        known = self._readings.get(key)
        if known is None:
            known = self._words.read(event, self._first(role, event))
            if not isinstance(known, Observation) or not known.unknown:
                self._readings[key] = known
        return known

    def _first(self, role: Role, event: Event) -> str | None:
        """The instance of the Ground that the event's resource is."""
        if self._engine.alone and role == "own" and event.res is not None:
            return f"{self._engine.world.family}[1]"
        return (
            None
            if event.res is None
            else (self.header or Header()).resources.get(event.res, event.res)
        )

    def _check_number(self, line: int, event: Event) -> None:
        """Check whether the line is the one that follows those before."""
        misfit = self._numbering.take(event)
        if misfit is None or self._recording.stopped:
            return
        if misfit.kind == "ahead":
            if self._unread is None:
                self._missing = self._missing or misfit.what(line)
            return
        self._recording.doubt(f"line {line}: {misfit.text}, so the order of events is doubtful")
        if misfit.kind == "behind":
            self._missing = self._missing or misfit.what(line)

    def _check_order(self, line: int, event: Event, time: int, late: int) -> None:
        """Check the clock of the event's host: whether lines are in order."""
        recording, hosts = self._recording, self._hosts
        known = hosts.last.get(event.host)
        before = None if known is None or time >= known else self._last_own(event)
        if known is not None and time < known and self._missing is not None:
            self._set_back(event.host, time)  # a line in the wrong place is nobody's fault
            return
        if before is None or time >= before:
            # Of what others on this host do the order is open, if their stamps contradict it.
            watched = hosts.are_watched
            hosts.hear(event.host, time)
            if hosts.are_watched and not watched:
                for unit in (*self._units.values(), *self._blank.values()):
                    unit.heard = {}
            return
        text = f"the clock goes back, from {clock_time(before)} to {clock_time(time)}"
        header = self.header
        if not self._lossy and header is not None and header.start == "initial":
            clock = header.clock.get(event.host)
            if clock is None or clock.epoch != "start":
                recording.doubt(f"line {line}: {text}")  # somebody has set it
            else:
                self._accuse(event, Site(line, event.res, time, "the time before the event"), text)
        self._set_back(event.host, time)
        self._lose(line, time, late, f"line {line}: {text}")

    def _set_back(self, host: str, time: int) -> None:
        """The clock of `host` shows an earlier time than before. Whoever calls this loses lines."""
        self._sweep()
        self._hosts.set_back(host, time)
        if self._now is not None:
            self._now = self._hosts.newest  # nobody is followed to what it showed before

    def _accuse(self, event: Event, site: Site, text: str) -> None:
        """Something is wrong with a line, whatever the spec says."""
        unit = self._unit(event, self._role(event)[1])
        self._steady.release(unit)
        unit.prove(None, site.time_us)
        self._recording.diverged = True
        if unit.follower is not None:
            fault = Fault(unmet=(text,))
            finding = self._wording.finding(unit, unit.follower, site, None, fault)
            self._add(unit, finding, site.time_us)

    def _last_own(self, event: Event) -> int | None:
        """When the last event of the same resource on the same host was."""
        if not self._engine.alone:
            return self._own_times.get((event.host, event.res))
        unit = self._units.get(self._key(event))
        if unit is None:
            return self._own_times.get((event.host, event.res))
        self._steady.release(unit)
        self._catch_up(unit)
        return unit.own if unit.host == event.host else None

    def _in_own_time(self, unit: Unit, host: str, time: int, late: int) -> tuple[int, int]:
        """When something that `host` tells happened by the clock of the unit's own host."""
        skew = self._hosts.skew(host, unit.host)
        return time - skew, late + skew

    def _unordered(self, unit: Unit, line: int, host: str, time: int, late: int) -> int | None:
        """Whether a line may have to change places with some that the unit has seen before.

        Then it is lost, what was found since is not proven, and the answer is the latest moment
        of all of them. None: its place is known.
        """
        if not self._hosts.are_watched:
            return None
        until = self._hosts.overlap(unit.heard or {}, host, time)
        unit.hear(host, late)
        if until is None:
            return None
        until = max(until, late)
        earliest, _ = self._in_own_time(unit, host, time, late)
        self._retract(unit, time - self._hosts.widest)
        self._recording.lacks(
            f"line {line} may stand before or after others: what follows is judged from every "
            "possible state"
        )
        self._inspector.lose(unit, earliest, until)
        return until

    def _retract(self, unit: Unit, since: int) -> None:
        """What was found wrong with the unit since then has an explanation, or may have one."""
        self._recording.retract((unit.name, unit.title), since)
        if any(time >= since for _, time in unit.proven):
            unit.retract(since)
            self._recount()

    def _recount(self) -> None:
        """What is wrong with the recording, by what is wrong with its units."""
        everybody = (*self._units.values(), *self._blank.values())
        self._recording.violated = 0
        for one in everybody:
            self._recording.violated |= one.violated
        self._recording.diverged = any(one.diverged for one in everybody)

    # ---- where units begin -----------------------------------------------------------------------
    def _start(self, event: Event, time: int, late: int) -> None:
        """The first event: now it is known when the recording begins."""
        header = self.header or Header()
        clock = header.clock.get(event.host)
        dated = clock is not None and clock.epoch == "start"
        engine = self._engine
        blank = Unit(None, None, None)
        try:
            if header.start != "initial" or self._lossy:
                follower = self._anywhere(time, late)
                blank.partial = True
            elif dated:
                follower = Follower.begin(engine.sets, engine.begin(aged=False), 0, 0)
            else:
                # Time may have passed in the initial state; how much, nobody says.
                follower = Follower.begin(engine.sets, engine.begin(aged=True), time, late)
                if not follower.node.exact:
                    self._recording.lacks(
                        "the recording does not say when the run began, and clocks run from its "
                        "start"
                    )
            blank.follower = follower
        except TooManyStates:
            blank.stopped = "more states are possible than can be followed"
        self._blank[""] = blank
        if not engine.alone:
            self._units[("", None)] = blank
        self._inspector.inspect(blank, Site(1, None, 0, "the initial state"))

    def _anywhere(self, time: int, late: int) -> Follower:
        engine = self._engine
        return Follower.begin(engine.sets, engine.anywhere((), 0), time, late)

    def _unit(self, event: Event, instance: str) -> Unit:
        """The unit whose event it is, made from one that has done nothing if it is new."""
        if not self._engine.alone:
            return self._units[("", None)]
        key, first = self._key(event), self._named.get(event.res or "")
        unit = self._units.get(key)
        if unit is None:
            blank = self._blank[""]
            self._catch_up(blank)
            unit = self._units[key] = blank.copy(event.res or "", instance)
            if first is not None and event.host != first:
                unit.title = f"{event.res} ({event.host})"
        return unit

    def _key(self, event: Event) -> tuple[str, str | None]:
        # A name that nobody explains is that of one resource on each host.
        return event.host if (event.res or "") in self._named else "", event.res

    def _add(self, unit: Unit, finding: Finding, proven: int) -> object:
        """Record a finding, unless `unit` stands for resources that there are none of."""
        stands_for = self._count or 0
        nobody = bool(self._units) and stands_for <= len(self._units)
        if self._engine.alone and unit is self._blank.get("") and nobody:
            return None
        if unit.title is not None:
            finding = replace(finding, resource=unit.title)
        about = (unit.name, unit.title) if self._hosts.are_watched else None
        return self._recording.add(finding, proven, about)

    # ---- what is shared --------------------------------------------------------------------------
    def _share(self, entry: _Shared) -> None:
        """Something that concerns every unit: at once if they are few, else when they get to it."""
        self._log.append(entry)
        self._hosts.share(entry.late)
        self._steady.release_all()
        if len(self._units) <= _AT_ONCE or self._until_sweep() <= 0:
            self._sweep()

    def _lose(self, line: int, time: int, late: int, reason: str) -> None:
        """Events may be missing before `line`: every unit may be anywhere now."""
        self._recording.lacks(f"{reason}: what follows is judged from every possible state")
        if self._now is None:
            if self.header is not None:
                self.header = msgspec.structs.replace(self.header, start="unknown")
            return
        # Each unit notices when its turn comes: there may be many of them, and of lost lines.
        until = self._present()
        self._hosts.swept = max(self._hosts.swept, -1 if until is None else until)
        self._hosts.share(late)
        self._own_times.clear()
        self._steady.release_all()
        site = Site(line, None, time, reason)
        self._log.append(_Shared(line, time, late, site, None, until=until))

    def _catch_up(self, unit: Unit) -> None:
        """Bring a unit to the end of the shared log."""
        while unit.seen < self._dropped + len(self._log):
            entry = self._log[unit.seen - self._dropped]
            unit.seen += 1
            if entry.owner is unit:
                continue
            if entry.reading is None:
                self._miss(unit, entry)
                continue
            if self._lossy:
                self._inspector.lose(unit, entry.time, entry.late)
                if entry.owner is not None:
                    continue
            else:
                until = self._unordered(unit, entry.line, entry.host, entry.time, entry.late)
                if until is not None:
                    self._unjudge(entry.line)
                    continue
            time, late = self._in_own_time(unit, entry.host, entry.time, entry.late)
            if entry.owner is not None:
                self._inspector.observe_other(unit, entry.site, entry.reading, time, late)
            elif not self._inspector.observe(unit, entry.site, entry.reading, time, late):
                self._unjudge(entry.line)

    def _miss(self, unit: Unit, entry: _Shared) -> None:
        """Lines are missing; of several such places without a line between only the last counts."""
        if entry.until is not None and not self._lossy:
            self._inspector.pass_time(unit, entry.until)
        unit.own = -1  # lines that stand in the wrong place may have been its
        while unit.seen < self._dropped + len(self._log):
            following = self._log[unit.seen - self._dropped]
            if following.reading is not None:
                break
            unit.seen += 1
            entry = following
        self._inspector.lose(unit, entry.time, entry.late)

    def _unjudge(self, line: int) -> None:
        """Somebody's states refuse a line about what is shared, or say nothing about it."""
        if self._shared_lines.pop(line, 0) is None:
            self._recording.judged -= 1

    def _present(self, *, at_end: bool = False) -> int | None:
        """Until when all has been told; None: nothing yet."""
        if not self._hosts.several:
            return self._now
        # What happens at that moment may still be told.
        slowest = self._hosts.slowest
        return None if slowest is None else slowest if at_end else slowest - 1

    def _sweep(self, *, at_end: bool = False) -> None:
        """Bring every unit to the present, so that missed deadlines are noticed, and forget.

        `at_end`: the recording is whole, so no host will tell more. Until when a host ran is known
        by its own lines: nobody is late by the clock of another.
        """
        if self._now is None:
            return
        now = self._present(at_end=at_end)
        self._hosts.swept = max(self._hosts.swept, -1 if now is None else now)
        units = list(self._units.values())
        blank = self._blank.get("")
        if blank is not None and blank not in units and (not units or self._log):
            self._catch_up(blank)
        last = self._hosts.last
        for unit in units:
            until = now
            if at_end and self._hosts.several and unit.host in last and self._engine.alone:
                until = last[unit.host]
            if until is not None and self._steady.rests(unit, until):
                continue
            self._steady.release(unit)
            self._catch_up(unit)
            if not self._lossy:
                if until is not None:
                    self._inspector.pass_time(unit, until)
                self._steady.admit(unit)
        if blank is not None and not units and not self._lossy and now is not None:
            self._inspector.pass_time(blank, now)
        self._dropped += len(self._log)
        self._shared_lines.clear()
        self._log.clear()
        self._window.clear()

    # ---- one event of one unit -------------------------------------------------------------------
    def _lossy_event(
        self, site: Site, reading: Observation, role: Role, time: int, late: int, event: Event
    ) -> bool:
        """An event whose resource is unknown or not said; True if that is all there is to it."""
        if not self._engine.alone or (role == "own" and event.res is not None):
            return False
        recording = self._recording
        if event.res is None:
            recording.doubt(f"line {site.line} does not say whose event it is")
            self._lose(site.line, time, late, f"line {site.line} does not say whose event it is")
            return True
        header = self.header or Header()
        known = [*header.resources, *self._words.names]
        family = self._engine.world.family
        known += [f"{family}[{number}]" for number in range(1, min(self._count or 1, 9) + 1)]
        hint = did_you_mean(str(event.res), dict.fromkeys(known))
        reason = f"the spec has no instance that is called {event.res}"
        blank = self._blank[""]
        self._catch_up(blank)
        recording.diverged = True
        blank.prove(None, -1)  # whatever else happened
        if blank.follower is not None:
            fault = Fault(site.actors, (f"{reason}; {hint}" if hint else reason,))
            recording.add(self._wording.finding(blank, blank.follower, site, None, fault), -1)
        return True

    def _own(
        self, event: Event, site: Site, reading: Observation, time: int, late: int, instance: str
    ) -> None:
        unit = self._unit(event, instance)
        self._steady.release(unit)
        self._catch_up(unit)
        unit.events += 1
        if event.mon != unit.monitor:
            if unit.monitor is not None and unit.partial:
                self._inspector.lose(
                    unit, time, late
                )  # another process: what was before is forgotten
            # Interned: it is compared with that of every line (`traces.habit`).
            unit.monitor = None if event.mon is None else sys.intern(event.mon)
        if unit.host is None or self._engine.alone:
            unit.host = event.host
        unit.own = time
        until = None
        if self._lossy:
            self._inspector.lose(unit, time, late)
        else:
            until = self._unordered(unit, site.line, event.host, time, late)
        contradiction = _call_fault(unit, event)
        began, ended = self._in_own_time(unit, event.host, time, late)
        if self._inspector.observe(unit, site, reading, began, ended, contradiction=contradiction):
            self._recording.judged += 1
        if until is not None:
            self._inspector.lose(unit, began, until)
        self._steady.admit(unit)
        others = self._inspector.others(reading)
        if others and self._engine.alone:
            self._share(_Shared(site.line, time, late, site, reading, unit, event.host))


def _bounds(event: Event) -> tuple[int, int]:
    """The earliest and the latest time of the event in microseconds."""
    if event.ts is not None:
        return event.ts, event.ts
    assert event.ts_lo is not None  # the reader refuses others
    assert event.ts_hi is not None
    return event.ts_lo, event.ts_hi


def _call_fault(unit: Unit, event: Event) -> str | None:
    """How the event contradicts the call ids seen before, if it does."""
    match event:
        case CallEvent(op=op, cid=int(cid)):
            unit.calls[sys.intern(op)] = cid
        case ReturnEvent(op=op, cid=int(cid)) | TimeoutEvent(op=op, cid=int(cid)):
            issued = unit.calls.get(op, cid)
            if issued != cid:
                return f"call id {cid} is not that of {op}, which was called with id {issued}"
        case _:
            pass
    return None


# ---- settings ----------------------------------------------------------------------------------
def setting_of(header: Header | None, options: Options) -> Setting:
    """What an engine for this recording has to be made for."""
    head = header or Header()
    count = options.n if options.n is not None else head.n if isinstance(head.n, int) else None
    slack = head.slack_us if options.slack_us is None else options.slack_us
    return Setting(count, slack, options.unseen)


def time_out_parameter(system: System, limit: str) -> str | None:
    """The parameter that a header's time-out binds: by its name, or its first words.

    `CallTimeout` may be called `call`, `LooksAliveInterval` `looksalive` (notes on the format).
    """
    for constant in system.constants:
        if constant.is_time and limit == constant.name:
            return constant.name
    for constant in system.constants:
        short = constant.name.lower().removesuffix("timeout").removesuffix("interval")
        if constant.is_time and limit.lower() == short:
            return constant.name
    return None
