"""Holding events against where a unit of a run may be, and saying what is wrong with them.

An event that no possible state allows, or time that may not pass, is a divergence. The event's call
bookkeeping is applied by force, to learn which rules it breaks (SEMANTICS section 6), and then the
unit has to be found again. Nothing is reported while it *settles*: as long as lines contradict each
other, and for SETTLING lines of its own after that, it may be that a line was lost, came twice, or
stands in the wrong place, and whatever follows from that is no second fault. Then the unit may be
anywhere, with the calls in flight that any of the lines may have begun; what is reported later is
refused by every state there is.

Owns these steps and blame. Which events concern a unit, and when, is `traces.judge`'s.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from rhscheck.spec.expr import Lit
from rhscheck.traces.blame import Fault, Wording
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import Follower
from rhscheck.traces.mapping import Observation
from rhscheck.traces.possible import TooManyStates
from rhscheck.traces.report import Finding
from rhscheck.traces.units import Site, Unit
from rhscheck.traces.verdicts import Recording

# Lines of a unit that have to agree with each other after a divergence before it is judged again.
SETTLING: Final = 4
_GOES_ON: Final = (
    "after something that the spec does not allow the run may be in any state: what is found later "
    "is refused by every one"
)
# Of more lines than this only the times are kept, not the text.
_MOST_TEXT: Final = 20_000
_TOO_MANY: Final = "more states are possible than can be followed"


class _Stamp(msgspec.Struct, gc=False):
    """The time of a line."""

    ts: int


_STAMPS: Final = msgspec.json.Decoder(_Stamp)


@dataclass(slots=True)
class _Lines:
    """Events on consecutive lines, the first on `line`, with exact times that ascend to `last`.

    `source`: the times, or a text, of which they are `count` lines from number `start` on.
    """

    line: int
    last: int
    source: array[int] | bytes
    start: int = 0
    count: int = 0

    def times(self) -> array[int]:
        """The times of the events."""
        if isinstance(self.source, bytes):
            stamps = _STAMPS.decode_lines(self.source)[self.start : self.start + self.count]
            self.source = array("q", [one.ts for one in stamps])
        return self.source


@dataclass(slots=True)
class Window:
    """The last lines and their times: which line was the first after a moment. `size`: how many."""

    size: int = 0
    _parts: list[tuple[int, int] | _Lines] = field(default_factory=list)

    def add(self, time: int, line: int) -> None:
        """An event's time and line."""
        self._parts.append((time, line))
        self.size += 1

    def add_times(self, times: array[int], line: int) -> None:
        """The exact times, which ascend, of events on consecutive lines, the first on `line`."""
        self._parts.append(_Lines(line, times[-1], times))
        self.size += len(times)

    def add_text(self, text: bytes, start: int, count: int, line: int, last: int) -> None:
        """The same for `count` lines of `text` from number `start` on; `last`: the last time."""
        self._parts.append(_Lines(line, last, text, start, count))
        self.size += count
        if self.size > _MOST_TEXT:
            for part in self._parts:
                if isinstance(part, _Lines):
                    part.times()

    def clear(self) -> None:
        """Forget all lines."""
        self._parts.clear()
        self.size = 0

    def first_after(self, time: int) -> tuple[int, int] | None:
        """(time, line) of the first event later than `time`, None if there is none."""
        for part in self._parts:
            if not isinstance(part, _Lines):
                if part[0] > time:
                    return part
            elif part.last > time:
                times = part.times()
                number = bisect_right(times, time)
                return times[number], part.line + number
        return None


class Inspector:
    """Judges the units of one recording. `add` records a finding about a unit."""

    def __init__(
        self,
        engine: Engine,
        wording: Wording,
        recording: Recording,
        window: Window,
        add: Callable[[Unit, Finding], None],
    ) -> None:
        self._engine = engine
        self._world = engine.world
        self._wording = wording
        self._recording = recording
        self._window = window
        self._add = add

    # ---- events and time -----------------------------------------------------------------------
    def observe(
        self,
        unit: Unit,
        site: Site,
        reading: Observation,
        time: int,
        late: int,
        *,
        contradiction: str | None = None,
    ) -> bool:
        """Hold an event of the unit, or of what it shares, against where it may be.

        True if the spec allows it. `contradiction`: why it cannot be, whatever the states say.
        """
        follower = unit.follower
        if follower is None:
            return False
        try:
            if unit.settling:
                self._settle(unit, reading, time, late)
                return False
            before = follower.copy()
            if not before.advance(time, late):
                self._late(unit, before, site, reading, time, late)
                return False
            unit.follower = before
            self.inspect(unit, replace(site, text=f"the time before {site.text}", actors=()))
            positions = self.positions(reading)
            after = before.copy()
            taken = bool(positions) and contradiction is None
            if not (taken and after.take(("event", reading.labels, reading.actor), positions)):
                self._refuse(unit, site, reading, positions, contradiction)
                return False
            unit.follower = after
            unit.judged += 1
            self.inspect(unit, site)
        except TooManyStates:
            self.give_up(
                unit, f"nothing from line {site.line} on is judged: too many states are possible"
            )
            return False
        return True

    def observe_other(
        self, unit: Unit, site: Site, reading: Observation, time: int, late: int
    ) -> None:
        """Let another unit's event do to this one what it may have done."""
        follower = unit.follower
        if follower is None:
            return
        try:
            before = follower.copy()
            if not before.advance(time, late):
                if unit.settling:
                    self.lose(unit, time, late)
                else:
                    self._late(unit, before, site, None, time, late)
                return
            labels = tuple((one.kind, one.name, one.value) for one in reading.labels)
            before.take(("others", labels), self.others(reading), or_nothing=True)
            unit.follower = before
            self.inspect(unit, site)
        except TooManyStates:
            self.give_up(unit, _TOO_MANY)

    def pass_time(self, unit: Unit, now: int) -> None:
        """Let time pass until `now` without an event of the unit."""
        follower = unit.follower
        if follower is None or follower.rests_until(now):
            return
        trial = follower.copy()
        try:
            if trial.advance(now, now):
                unit.follower = trial
                if trial.node.some or unit.suspected:
                    at, line = self._window.first_after(follower.now) or (now, 0)
                    self.inspect(unit, Site(line, unit.name, at, "the time before this line"))
            elif unit.settling:
                self.lose(unit, now, now)
            else:
                found = self._window.first_after(trial.now)
                assert found is not None  # `now` is a line's time
                site = Site(found[1], unit.name, found[0], "the time before this line")
                self._late(unit, trial, site, None, site.time_us, site.time_us)
        except TooManyStates:
            self.give_up(unit, _TOO_MANY)

    def positions(self, reading: Observation) -> tuple[int, ...]:
        """The transitions that the event may be."""
        world = self._world
        return tuple(
            at
            for label in reading.labels
            for at in world.steps.get(label, ())
            if reading.actor in (None, world.ground.transitions[at].actor)
        )

    def others(self, reading: Observation) -> tuple[int, ...]:
        """The steps of somebody else that another unit's event may have been."""
        others = self._world.others
        return tuple(
            at
            for label in reading.labels
            for at in others.get((label.kind, label.name, label.value), ())
        )

    # ---- rules ---------------------------------------------------------------------------------
    def inspect(self, unit: Unit, site: Site) -> None:
        """Record which rules are now broken in all, or in some, possible states.

        A rule that becomes certain is reported where it was first suspected.
        """
        follower = unit.follower
        if follower is None:
            return
        node = follower.node
        if unit.settling:
            if node.some:
                follower.put(self._engine.sets.without(node, node.some, self._engine.hits))
            return
        if not node.some and not unit.suspected:
            return
        for bit in _bits(node.some):
            unit.suspected.setdefault(bit, site)
        for bit in [one for one in unit.suspected if not node.some >> one & 1]:
            del unit.suspected[bit]
        if not node.certain:
            return
        culprits = self._culprits(node.certain)
        for bit in self._ordered(node.certain):
            where = unit.suspected.pop(bit)
            fault = Fault(culprits or where.actors)
            self._violate(unit, bit)
            self._add(unit, self._wording.finding(unit, follower, where, bit, fault))
        follower.put(self._engine.sets.without(node, node.certain, self._engine.hits))

    def _culprits(self, bits: int) -> tuple[str, ...]:
        """Whose promises are among these duties: they answer for what follows from it at once."""
        actors = (self._world.duties[bit].actor for bit in _bits(bits))
        return tuple(dict.fromkeys(one for one in actors if one is not None))

    def _ordered(self, bits: int) -> list[int]:
        """Assumptions first: they decide about blame."""
        return sorted(_bits(bits), key=lambda bit: self._world.duties[bit].actor is None)

    def _violate(self, unit: Unit, bit: int) -> None:
        unit.violated |= 1 << bit
        self._recording.violated |= 1 << bit

    # ---- divergences ---------------------------------------------------------------------------
    def _refuse(
        self,
        unit: Unit,
        site: Site,
        reading: Observation,
        positions: Sequence[int],
        contradiction: str | None,
    ) -> None:
        """No possible state allows the event."""
        follower, wording = unit.follower, self._wording
        assert follower is not None
        repair: tuple[str, ...] = ()
        if contradiction is not None:
            unmet: tuple[str, ...] = (contradiction,)
        elif reading.unknown:
            unmet = (wording.named(unit, reading.unknown),)
        elif not positions:
            unmet = (f"{reading.actor} does not cause this event",)
        else:
            unmet = wording.unmet(unit, follower, positions)
        if contradiction is None:
            repair = wording.repairs(unit, follower, reading, site)
        forced = self._forced(follower, reading)
        actors = site.actors if contradiction is None else ()
        self._diverge(unit, follower, forced, reading, site, Fault(actors, unmet, repair))

    def _late(
        self,
        unit: Unit,
        stuck: Follower,
        site: Site,
        reading: Observation | None,
        time: int,
        late: int,
    ) -> None:
        """Time may not have passed: a deadline was missed before the event (None: of nobody)."""
        wording = self._wording
        noticed = self._window.first_after(stuck.now)
        if noticed is not None and noticed[1] < site.line:
            site = Site(noticed[1], unit.name, noticed[0], "the time before this line")
        unmet, owners = wording.missed(unit, stuck)
        repair = wording.late_repairs(unit, stuck, reading, site)
        overrun = stuck.copy()
        overrun.stuck = False
        overrun.advance(time, late, lenient=True)
        forced = overrun
        if reading is not None:
            allowed = overrun.copy()
            positions = self.positions(reading)
            taken = allowed.take(("event", reading.labels, reading.actor), positions)
            forced = allowed if taken else self._forced(overrun, reading)
        self._diverge(unit, stuck, forced, reading, site, Fault(owners, unmet, repair))

    def _forced(self, follower: Follower, reading: Observation) -> Follower:
        """The event's call bookkeeping alone; nothing happens for an unknown event."""
        positions = tuple(at for one in reading.labels for at in self._world.forced.get(one, ()))
        after = follower.copy()
        if positions:
            after.take(("forced", reading.labels), positions)
        return after

    def _diverge(
        self,
        unit: Unit,
        before: Follower,
        forced: Follower,
        reading: Observation | None,
        site: Site,
        fault: Fault,
    ) -> None:
        """Report what the spec does not allow, by the rules that it breaks, and go on."""
        recording = self._recording
        # What was merely possible before says nothing about this event.
        broken = forced.node.certain & ~before.node.certain if forced.node.items else 0
        culprits = self._culprits(broken)
        for bit in self._ordered(broken):
            blamed = Fault(culprits or fault.actors, fault.unmet, fault.repair)
            self._violate(unit, bit)
            self._add(unit, self._wording.finding(unit, before, site, bit, blamed))
        if not broken:
            self._add(unit, self._wording.finding(unit, before, site, None, fault))
        recording.diverged = unit.diverged = True
        recording.note(_GOES_ON)
        unit.settling = SETTLING
        places = self._engine.places.by_number
        calls = self._engine.calls
        unit.books = {}
        for node in (before.node, forced.node):
            for number, _, _, _ in node.items:
                unit.books[tuple(places[number].values[at] for at in calls)] = None
        self.lose(unit, forced.now, forced.late)

    # ---- being found again ---------------------------------------------------------------------
    def lose(
        self, unit: Unit, time: int, late: int, books: tuple[tuple[int, ...], ...] = ()
    ) -> None:
        """From now on the unit may be anywhere; `books`: calls that may be in flight besides."""
        unit.partial = True
        unit.suspected.clear()
        unit.calls.clear()
        if unit.stopped is not None:
            return
        try:
            step = self._engine.anywhere(books, unit.violated)
            unit.follower = Follower.begin(self._engine.sets, step, time, late)
        except TooManyStates:
            self.give_up(unit, "after a divergence more states are possible than can be followed")

    def _settle(self, unit: Unit, reading: Observation, time: int, late: int) -> None:
        """A line of a unit that has just been lost: it may be true, false or out of place."""
        follower = unit.follower
        assert follower is not None
        for number, value in self._bookkeeping(reading).items():
            kept = [(*book[:number], value, *book[number + 1 :]) for book in unit.books]
            unit.books = dict.fromkeys(kept)
        agrees = follower.advance(time, late) and follower.take(
            ("event", reading.labels, reading.actor), self.positions(reading)
        )
        if not agrees:
            unit.settling = SETTLING
            self.lose(unit, time, late)
            return
        self.inspect(unit, Site(0, None, 0, ""))
        unit.settling -= 1
        if unit.settling == 0:
            self.lose(unit, follower.now, follower.late, tuple(unit.books))
            unit.books = {}

    def _bookkeeping(self, reading: Observation) -> dict[int, int]:
        """What the line says of calls in flight: for calls, by their number, the value."""
        found: dict[int, int] = {}
        for label in reading.labels:
            for position in self._world.forced.get(label, ()):
                for slot, value in self._world.ground.transitions[position].updates:
                    if slot in self._engine.calls and isinstance(value, Lit):
                        found[self._engine.calls.index(slot)] = value.value
        return found

    def give_up(self, unit: Unit, reason: str) -> None:
        """Judge the unit no more."""
        unit.follower = None
        unit.stopped = reason
        self._recording.undecided = True
        self._recording.note(reason)


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
