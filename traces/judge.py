"""Judging a recorded run event by event.

`Judge` is fed the events of one recording in file order and says at the end what was found. Whoever
has events (a trace file, a mapped log, a simulation) uses this; whoever has a whole file uses
`traces.replay`. What is possible is followed as sets of states on the *receptive* System
(SEMANTICS section 6), for each resource by itself where the spec lets instances be told apart.

Owns the walk along the lines of a recording, and whether they stand in order. Whose event a line
is says `traces.whose`, who has to know of it `traces.gathering`, what is wrong with it
`traces.inspect`; sets of states are `traces.possible`'s, words `traces.blame`'s and verdicts
`traces.verdicts`'s. Nothing is printed here and no file is read.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from operator import length_hint
from typing import Final, assert_never

from rhscheck.spec.system import System
from rhscheck.traces.apart import apart
from rhscheck.traces.batches import Batch
from rhscheck.traces.blame import Fault, Wording
from rhscheck.traces.engine import Engine, Setting
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
from rhscheck.traces.gathering import Gathering, Shared
from rhscheck.traces.habit import Usual
from rhscheck.traces.hosts import Hosts
from rhscheck.traces.mapping import Gap, Ignored, Observation
from rhscheck.traces.numbering import Numbering
from rhscheck.traces.paired import Paired
from rhscheck.traces.promises import (
    Options,
    ReplayError,
    hold,
    setting_of,
    time_out_parameter,
)
from rhscheck.traces.report import Finding, TraceReport
from rhscheck.traces.steady import Steady
from rhscheck.traces.tables import Tabled
from rhscheck.traces.units import Site, Unit
from rhscheck.traces.verdicts import Recording, report_of
from rhscheck.traces.whose import Role, Whose
from rhscheck.traces.wording import clock_time

__all__ = ["Judge", "Options", "ReplayError", "setting_of", "time_out_parameter"]

# Each costs as much as a thousand ordinary lines: more of them are no recording of anything.
_MOST_SET_BACKS: Final = 500
_UNSEEN: Final = (
    "what resources share may change without a line, and they are judged one by one: that two of "
    "them contradict each other would not be noticed"
)
_INSTANCE = re.compile(r"(.+)\[(\d{1,6})\]")


@dataclass(slots=True)
class Judge:
    """Judges one recording. Feed its lines in order, then call `finish` once.

    `header` None: there was none. `engine`: what was compiled for the same System before, with a
    setting that fits the header and the options (see `setting_of`); without it one is made.
    """

    system: System
    header: Header | None
    options: Options = field(default_factory=Options)
    file: str = ""
    engine: Engine | None = None
    _engine: Engine = field(init=False, repr=False)
    _wording: Wording = field(init=False, repr=False)
    _recording: Recording = field(init=False, repr=False)
    _hosts: Hosts = field(init=False, repr=False)
    _numbering: Numbering = field(init=False, repr=False)
    _steady: Steady = field(init=False, repr=False)
    _whose: Whose = field(init=False, repr=False)
    _all: Gathering = field(init=False, repr=False)
    _unread: int | None = None  # a line since the last event that could not be read
    _missing: str | None = None  # why events may be missing since the last one
    _count: int | None = None
    _set_backs: int = 0  # how often a clock went back
    # Lines that wait until it is known how many instances have to be followed together.
    _waiting: list[tuple[int, Event] | Malformed | UnknownLine] | None = None

    def __post_init__(self) -> None:
        setting = setting_of(self.header, self.options, self.system)
        self._count = setting.n
        if self._count is not None and self._count < 1:
            raise ReplayError(f"there is no System of {self._count} instances")
        if self._count is None and self.system.parametric and apart(self.system) is None:
            self._waiting = []
        else:
            self._set_out(setting)

    def _set_out(self, setting: Setting) -> None:
        header = self.header or Header()
        engine = self._engine = self.engine or Engine(self.system, setting)
        self.engine = engine
        self._hosts = Hosts(header.clock)
        self._numbering = Numbering(begins=header.start == "initial")
        names = {instance: name for name, instance in header.resources.items()}
        self._wording = Wording(engine, names)
        self._recording = Recording(engine, self.file)
        lossy = hold(self.header, self.system, engine, self.options, self._recording)
        self._steady = Steady(engine, self._meaning, self._hosts.last, self._numbering)
        self._whose = Whose(engine, header, self._count)
        self._all = Gathering(
            engine,
            self._recording,
            self._hosts,
            self._steady,
            self._whose,
            self.header,
            lossy,
            self._wording,
        )

    # ---- events --------------------------------------------------------------------------------
    @property
    def findings(self) -> Sequence[Finding]:
        """What has been found so far; more may turn out about earlier lines at the end."""
        if self._waiting is not None:
            return ()
        if self._hosts.several and not self._all.lossy:
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
        role, instance = self._whose.role(event)
        reading = self._whose.read(event, role, instance)
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
            self._all.lose(line, time, late, self._missing)
        self._unread = self._missing = None
        if self._all.now is None:
            self._all.start(event, time, late)
        self._all.now = self._steady.now = self._hosts.newest
        self._steady.host = sys.intern(event.host)
        self._all.window.add(time, line)
        actors = (reading.actor,) if reading.actor else self._engine.world.actors(reading.labels)
        site = Site(
            line, event.res, event.ts if event.ts is not None else time, reading.text, actors
        )
        if role == "shared" or not self._engine.alone:
            self._all.own_times[(event.host, event.res)] = time
        if role == "shared" and self._engine.alone:
            self._all.judge_shared(Shared(line, time, late, site, reading, host=event.host))
            return
        if self._lossy_event(site, reading, role, time, late, event):
            return
        self._own(event, site, reading, time, late, instance)
        if self._all.until_sweep() <= 0:
            self._all.sweep()

    def feed_part(self, part: Batch | Usual | Paired | Tabled | UnknownLine | Malformed) -> None:
        """The next lines, however they were read."""
        match part:
            case Batch():
                self.feed_all(part.line, part.events)
            case Usual():
                self._feed_usual(part)
            case Paired():
                self._feed_paired(part)
            case Tabled():
                self._feed_table(part)
            case UnknownLine() | Malformed():
                self.unreadable(part)
            case _:
                assert_never(part)

    def feed_all(self, line: int, events: Sequence[Event]) -> None:
        """The next events, which stand on `line` and the lines after it without a gap."""
        at = 0
        while at < len(events):
            end = at
            if self._may_be_steady():
                early, most = self._early, self._all.until_sweep()
                part = events[at : at + (min(most, early) if early > 0 else most)]
                rest = iter(part)
                odd = self._steady.run(rest, line + at if early > 0 else None)
                end += len(part) - length_hint(rest) - (odd is not None)
                times = [event.ts for event in events[at:end] if event.ts is not None]
                if times:
                    self._all.window.add_times(array("q", times), line + at)
                    self._went_steadily(len(times), line + at)
            if end == at:
                self.feed(line + at, events[at])
                end += 1
            at = end

    def _feed_usual(self, usual: Usual) -> None:
        """The same for lines that look like those before."""

        def note(start: int, end: int) -> None:
            last = usual.lines[end - 1].ts
            self._all.window.add_text(usual.text, start, end - start, usual.line + start, last)

        self._feed_lines(usual, partial(self._steady.run_usual, usual), note)

    def _feed_paired(self, paired: Paired) -> None:
        """The same for lines that are paired."""

        def note(start: int, end: int) -> None:
            now = self._steady.now
            self._all.window.add_text(paired.text, start, end - start, paired.line + start, now)

        self._feed_lines(paired, partial(self._steady.run_paired, paired), note)

    def _feed_table(self, tabled: Tabled) -> None:
        """The same for lines in a table."""

        def note(start: int, end: int) -> None:
            self._all.window.add_times(tabled.table.times[start:end], tabled.line + start)

        self._feed_lines(tabled, partial(self._steady.run_table, tabled.table), note)

    def _feed_lines(
        self,
        part: Usual | Paired | Tabled,
        run: Callable[[int, int], int],
        note: Callable[[int, int], None],
    ) -> None:
        """Feed a part: `run` takes the lines from one to another while they are ordinary.

        It says which was the first that it did not take; `note` is told from where to where it did.
        """
        at = self._feed_early(part)
        while at < len(part):
            end = at
            if self._may_be_steady():
                end = run(at, at + self._all.until_sweep())
                if end > at:
                    note(at, end)
                    self._went_steadily(end - at, part.line + at)
            if end == at:
                self._feed_record(part.record(at))
                end += 1
            at = end

    @property
    def _early(self) -> int:
        """Of how many events more the last ones of each unit are remembered: see `Inspector`."""
        if self._waiting is not None:
            return 0
        return self._all.inspector.remembered - self._recording.events

    def _feed_early(self, part: Usual | Paired | Tabled) -> int:
        """Feed the lines of a part that are to be remembered; how many."""
        if self._early <= 0:
            return 0
        early = list(islice(part.records(), self._early))
        events: list[Event] = []
        first = 0
        for record in early:
            if isinstance(record, EventLine):
                first = first if events else record.line
                events.append(record.event)
            else:
                self.feed_all(first, events)
                events = []
                self.unreadable(record)
        self.feed_all(first, events)
        return len(early)

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
        self._all.now = self._hosts.newest = self._steady.now
        if self._all.until_sweep() <= 0:
            self._all.sweep()

    def _may_be_steady(self) -> bool:
        return (
            self._waiting is None
            and self._all.now is not None
            and self._engine.alone
            and not self._all.lossy
            and self._unread is None
            and self._missing is None
            and self.options.counted
            and not self._recording.stopped
            and self._hosts.is_in_order(self._hosts.last[self._steady.host])
        )

    def _meaning(self, event: Event) -> tuple[Observation, tuple[int, ...]] | None:
        """An own event's reading and transitions, None if it is of any other kind."""
        role, instance = self._whose.role(event)
        reading = self._whose.read(event, role, instance)
        if role != "own" or not isinstance(reading, Observation) or reading.unknown:
            return None
        if self._all.inspector.effects.others(reading):
            return None
        return reading, self._all.inspector.effects.positions(reading)

    def finish(self, finish: Finish | None = None) -> TraceReport:
        """The verdict. `finish` says how the recording ended; None: nobody knows."""
        if self._waiting is not None:
            self._count_instances(self._waiting)
        recording = self._recording
        ending = finish or Finish(
            "missing", recording.last_line, recording.events, "there is no end line"
        )
        if self._missing is not None:
            # No line came after it that any unit could notice it by.
            recording.lacks(f"{self._missing}, and nothing follows")
        self._steady.release_all()
        whole = ending.ending == "complete"
        self._all.sweep(at_end=whole, is_over=True)
        for unit in self._all.everybody:
            self._all.inspector.close(unit)
        self._all.sweep(at_end=whole, is_over=True)  # time passes for those, too, that had a fault
        for unit in self._all.everybody:
            self._all.inspector.close(unit)
        if self._hosts.several and ending.ending != "complete" and not self._all.lossy:
            self._doubt_the_end(
                self._hosts.slowest,
                "what was found after the last line of some host is not proven: its next lines are "
                "missing",
            )
        if ending.is_short and (self._numbering.uncounted or not self.options.counted):
            self._doubt_the_end(
                None, "lines are missing or repeated, and no numbers tell where: nothing is proven"
            )
        for unit in self._all.units.values():
            unit.events += unit.steady
            unit.judged += unit.steady
            unit.steady = 0
        if self._unread is not None and not recording.stopped:
            cut = ending.ending == "truncated" and self._unread == ending.lines
            if not cut:
                recording.doubt(f"line {self._unread} cannot be read")
        self._all.tell_rest()
        self._all.recount()
        if len(self._all.units) > 1 and self._engine.shares_unseen:
            recording.lacks(_UNSEEN)
        return report_of(recording, self._all.present, self._wording, ending)

    def _doubt_the_end(self, since: int | None, reason: str) -> None:
        """What was found since then (None: ever) may have an explanation that is missing."""
        for unit in self._all.everybody:
            if any(since is None or time >= since for _, time in unit.proven):
                self._recording.doubt(reason)
                unit.retract(-1 if since is None else since)
            unit.forget_untold(since)
        self._recording.doubt_since(since)
        self._all.recount()

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
        self._set_out(replace(setting_of(self.header, self.options, self.system), n=highest))
        for one in waiting:
            if isinstance(one, tuple):
                self.feed(*one)
            else:
                self.unreadable(one)

    # ---- the order of lines --------------------------------------------------------------------
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
        if known is not None and late < known and self._missing is not None:
            self._set_back(event.host, time)  # a line in the wrong place is nobody's fault
            return
        if before is None or late >= before:
            # Of what others on this host do the order is open, if their stamps contradict it; so it
            # is where times are not exact, and allow both orders.
            watched = hosts.are_watched
            hosts.hear(event.host, time)
            if hosts.are_watched and not watched:
                for unit in self._all.everybody:
                    unit.heard = {}
            return
        text = f"the clock goes back, from {clock_time(before)} to {clock_time(time)}"
        header = self._all.header
        if not self._all.lossy and header is not None and header.start == "initial":
            clock = header.clock.get(event.host)
            if clock is None or clock.epoch != "start":
                # Somebody has set it, or lines are not in their places: what was proven by their
                # order is not.
                self._all.sweep()  # what its later time shows is doubtful, too
                self._doubt_the_end(time, f"line {line}: {text}")
                recording.doubt(f"line {line}: {text}")
            else:
                self._accuse(event, Site(line, event.res, time, "the time before the event"), text)
        self._set_back(event.host, time)
        self._all.lose(line, time, late, f"line {line}: {text}")

    def _set_back(self, host: str, time: int) -> None:
        """The clock of `host` shows an earlier time than before. Whoever calls this loses lines."""
        self._set_backs += 1
        if self._set_backs > _MOST_SET_BACKS:
            self._recording.stop(
                f"the clocks go back more than {_MOST_SET_BACKS:,} times: nothing more is judged"
            )
        self._all.sweep()
        self._hosts.set_back(host, time)
        if self._all.now is not None:
            self._all.now = self._hosts.newest  # nobody is followed to what it showed before

    def _accuse(self, event: Event, site: Site, text: str) -> None:
        """Something is wrong with a line, whatever the spec says."""
        unit = self._all.unit(event, self._whose.role(event)[1])
        self._steady.release(unit)
        unit.prove(None, site.time_us)
        if unit.follower is not None:
            fault = Fault(unmet=(text,))
            finding = self._wording.finding(unit, unit.follower, site, None, fault)
            self._all.add(unit, finding, site.time_us)

    def _last_own(self, event: Event) -> int | None:
        """When the last event of the same resource on the same host was."""
        if not self._engine.alone:
            return self._all.own_times.get((event.host, event.res))
        unit = self._all.units.get(self._whose.key(event))
        if unit is None:
            return self._all.own_times.get((event.host, event.res))
        self._steady.release(unit)
        self._all.catch_up(unit)
        return unit.own if unit.host == event.host else None

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
            self._all.lose(
                site.line, time, late, f"line {site.line} does not say whose event it is"
            )
            return True
        blank = self._all.nobody()
        recording.foreign = True
        blank.prove(None, -1)  # whatever else happened
        if blank.follower is not None:
            fault = Fault(site.actors, (self._whose.unknown(event),))
            told = self._wording.finding(blank, blank.follower, site, None, fault, states=False)
            recording.add(told, -1)
        return True

    def _own(
        self, event: Event, site: Site, reading: Observation, time: int, late: int, instance: str
    ) -> None:
        inspector = self._all.inspector
        unit = self._all.unit(event, instance)
        self._steady.release(unit)
        self._all.catch_up(unit)
        unit.events += 1
        if event.mon != unit.monitor:
            if unit.monitor is not None and unit.partial:
                # Another process: what was before is forgotten.
                inspector.lose(unit, time, late)
            # Interned: it is compared with that of every line (`traces.habit`).
            unit.monitor = None if event.mon is None else sys.intern(event.mon)
        if unit.host is None or self._engine.alone:
            unit.host = event.host
        unit.own = time
        until = None
        if self._all.lossy:
            inspector.lose(unit, time, late)
        else:
            until = self._all.unordered(unit, site.line, event.host, time, late)
        contradiction = _call_fault(unit, event)
        began, ended = self._all.in_own_time(unit, event.host, time, late)
        effects = inspector.effects
        effect = effects.of(unit.follower, reading, began, ended) if self._engine.alone else None
        allowed = inspector.observe(unit, site, reading, began, ended, contradiction=contradiction)
        self._recording.judged += allowed
        if until is not None:
            inspector.lose(unit, began, until)
        self._steady.admit(unit)
        if effect is not None:
            if not allowed or until is not None or unit.settling or unit.lost:
                effect = effect.doubtful()
            shared = Shared(site.line, time, late, site, reading, unit, event.host, effect=effect)
            self._all.share(shared)


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
