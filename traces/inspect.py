"""Holding events against where a unit of a run may be, and saying what is wrong with them.

An event that no possible state allows, or time that may not pass, is a divergence. The event's call
bookkeeping is applied by force, to learn which rules it breaks, and from then on the unit may be in
any state (SEMANTICS section 6). One lost or misplaced line makes others look wrong: whether a line
is a fault of its own is decided with the repairs of the lines before it (`traces.repairs`).

Owns these steps. Which rules are broken where the unit may be is `traces.broken_rules`', which
events concern a unit, and when, `traces.judge`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rhscheck.spec.expr import Lit
from rhscheck.traces.blame import Fault, Wording
from rhscheck.traces.broken_rules import BrokenRules
from rhscheck.traces.edits import SeenLine
from rhscheck.traces.effects import Effect, Effects
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import Follower
from rhscheck.traces.mapping import Observation
from rhscheck.traces.possible import Node, TooManyStates
from rhscheck.traces.repairs import SETTLING, Repairs
from rhscheck.traces.report import Finding
from rhscheck.traces.units import Site, Unit
from rhscheck.traces.verdicts import Recording
from rhscheck.traces.window import Window

# The beginning, in events: where every line takes long, and where most take next to nothing.
_REMEMBERED: Final = 20_000
EARLY: Final = 5_000
# Calls that may be in flight besides those that any state knows of: so many ways are followed.
_MOST_BOOKS: Final = 8
_MOST_NODES: Final = 100
_GOES_ON: Final = (
    "after something that the spec does not allow the run may be in any state: what is found later "
    "is refused by every one"
)
_TOO_MANY: Final = "more states are possible than can be followed"


class Inspector:
    """Judges the units of one recording.

    `add` records a finding about a unit, which was certain at some time. `single`: there is one.
    """

    def __init__(
        self,
        engine: Engine,
        wording: Wording,
        recording: Recording,
        window: Window,
        add: Callable[[Unit, Finding, int], object],
        *,
        single: bool,
    ) -> None:
        self._engine = engine
        self._world = engine.world
        self.effects = Effects(engine.world)
        self._wording = wording
        self._recording = recording
        self._window = window
        self.repairs = Repairs(engine, wording, recording, single)
        self.rules = BrokenRules(engine, wording, recording, self.repairs, add)
        self._in_flight: dict[Node, tuple[tuple[int, ...], ...]] = {}
        exact = engine.alone and not engine.setting.slack_us
        # Of so many events of the recording it is remembered where units were before them.
        self.remembered = EARLY if exact else _REMEMBERED

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
        origin = unit.follower
        if origin is None:
            return False
        try:
            line = None
            if unit.settling:
                line = self._line(site, reading, time, late, contradiction)
            if line is not None and unit.lost:
                return self._go_on(unit, site, reading, line)
            before = origin.copy()
            if not before.advance(time, late):
                return self._overdue(unit, before, site, reading, time, late, contradiction)
            if self._noticed_earlier(unit, before, site.line):
                return self.observe(unit, site, reading, time, late, contradiction=contradiction)
            for innocent in self.rules.innocent(unit, origin, before):
                stuck = innocent.copy()
                if not stuck.advance(time, late):
                    unit.follower = innocent
                    return self._overdue(
                        unit, stuck, site, reading, time, late, contradiction,
                        either=before.node.certain,
                    )  # fmt: skip
            unit.follower = before
            whose = unit.name if self._engine.alone else site.resource
            before_it = f"the time before {site.text}"
            passed = replace(site, resource=whose, text=before_it, actors=())
            self.rules.inspect(unit, passed, origin, SeenLine(site.line, time, late, "time"))
            positions = self.effects.positions(reading)
            after = before.copy()
            taken = bool(positions) and contradiction is None
            key = ("event", reading.labels, reading.actor)
            if not (taken and after.take(key, positions)):
                self._refuse(unit, origin, site, reading, time, late, contradiction)
                return False
            for innocent in self.rules.innocent(unit, before, after):
                if not innocent.copy().take(key, positions):
                    unit.follower = innocent
                    either = after.node.certain
                    self._refuse(unit, origin, site, reading, time, late, None, either=either)
                    return False
            unit.follower = after
            unit.judged += 1
            if unit.settling:
                # A repair of what was broken has to allow it, too.
                line = line or self._line(site, reading, time, late, contradiction)
                unit.lines.append(line)
                self.rules.inspect(unit, site, origin, line)
                self.repairs.settle(unit)
            elif after.node.some:
                line = self._line(site, reading, time, late, contradiction)
                self.rules.inspect(unit, site, origin, line)
                if unit.settling:
                    self.repairs.settle(unit)
                else:
                    self.repairs.remember(unit, origin, line)
            else:
                self.rules.inspect(unit, site)
                if self._remembers(unit):
                    line = self._line(site, reading, time, late, contradiction)
                    self.repairs.remember(unit, origin, line)
                else:
                    unit.recent = ()
        except TooManyStates:
            self.give_up(
                unit, f"nothing from line {site.line} on is judged: too many states are possible"
            )
            return False
        return True

    def observe_other(self, unit: Unit, site: Site, effect: Effect, time: int, late: int) -> None:
        """Let another unit's event do to this one what it may have done."""
        origin = unit.follower
        if origin is None:
            return
        try:
            positions, sure = effect.positions, effect.sure
            key = ("others", positions, sure)
            mine = replace(site, resource=unit.name)  # its own rules are broken, by whoever
            passed = replace(mine, text="the time before this line", actors=())
            before = origin.copy()
            if not before.advance(time, late):
                if unit.lost:
                    self._scatter(unit, time, late)
                else:
                    self._late(unit, before, passed, None, time, late)
                if unit.follower is None:
                    return
                before = unit.follower.copy()
            elif self._noticed_earlier(unit, before, site.line):
                self.observe_other(unit, site, effect, time, late)
                return
            for innocent in self.rules.innocent(unit, origin, before):
                stuck = innocent.copy()
                if not stuck.advance(time, late):
                    unit.follower = innocent
                    self._late(unit, stuck, passed, None, time, late, either=before.node.certain)
                    if unit.follower is None:
                        return
                    before = unit.follower.copy()
                    break
            arrived = before.copy()
            before.take(key, positions, or_nothing=not sure)  # where it cannot be: no effect
            unit.unsure = unit.unsure or not effect.only
            if any(True for _ in self.rules.innocent(unit, arrived, before)):
                self._scatter(unit, time, late)  # what is suspected stays so
                return
            unit.follower = before
            line = SeenLine(site.line, time, late, "other", (), (), key, positions, sure=sure)
            if unit.settling:
                unit.lines.append(line)
                self.repairs.limit(unit)
            elif self._remembers(unit):
                self.repairs.remember(unit, origin, line)
            self.rules.inspect(unit, mine, origin, SeenLine(site.line, time, late, "time"))
        except TooManyStates:
            self.give_up(unit, _TOO_MANY)

    def pass_time(self, unit: Unit, now: int) -> None:
        """Let time pass until `now` without an event of the unit."""
        origin = unit.follower
        if origin is None or origin.rests_until(now):
            return
        if unit.settling:
            return  # its next line, or the end, is soon enough
        trial = origin.copy()
        try:
            passed, either = trial.advance(now, now), 0
            for innocent in self.rules.innocent(unit, origin, trial) if passed else ():
                stuck = innocent.copy()
                if not stuck.advance(now, now):
                    unit.follower, either = innocent, trial.node.certain
                    trial, passed = stuck, False
                    break
            while passed and self._shows_more(origin, trial):
                found = self._first_shown(origin, trial) or self._window.first_after(now)
                time, line = found or (now, 0)
                at = min(time, now)
                shown = origin.copy()
                shown.advance(at, at)
                unit.follower = shown
                site = Site(line, unit.name, time, "the time before this line")
                self.rules.inspect(unit, site, origin, SeenLine(line, at, at, "time"))
                # Time may break further rules, which other lines show.
                origin = unit.follower
                trial = origin.copy()
                passed = trial.advance(now, now)
                if at == now:
                    break
            if passed:
                unit.follower = trial
                if unit.suspected:
                    site = Site(0, unit.name, now, "the time before this line")
                    self.rules.inspect(unit, site, origin)
            else:
                # The line that has the time `now` may have been forgotten, if hosts are not equally
                # far; it is the last but for those of other hosts.
                found = self._window.first_after(trial.now)
                at, line = found or (now, self._recording.last_line)
                site = Site(line, unit.name, min(at, now), "the time before this line")
                self._late(unit, trial, site, None, site.time_us, site.time_us, either=either)
        except TooManyStates:
            self.give_up(unit, _TOO_MANY)

    @staticmethod
    def _shows_more(origin: Follower, after: Follower) -> bool:
        """Whether a rule is, or may be, broken after some time that was not before."""
        node = after.node
        if not node.some:
            return False
        return bool(node.some & ~origin.node.some or node.certain & ~origin.node.certain)

    def _first_shown(self, origin: Follower, after: Follower) -> tuple[int, int] | None:
        """(time, line) of the first line that shows some of what is broken `after` that time."""
        some = after.node.some & ~origin.node.some
        certain = after.node.certain & ~origin.node.certain

        def shows(moment: int) -> bool:
            trial = origin.copy()
            trial.advance(moment, moment)
            return bool(trial.node.some & some or trial.node.certain & certain)

        return self._window.first_where(origin.now, shows)

    def _noticed_earlier(self, unit: Unit, after: Follower, line: int) -> bool:
        """Let time pass until a line before `line`, if that shows that a rule is broken by then."""
        origin = unit.follower
        if origin is None or unit.settling or not self._shows_more(origin, after):
            return False
        found = self._first_shown(origin, after)
        if found is None or found[1] >= line or found[0] > after.now:
            return False
        self.pass_time(unit, found[0])
        return unit.follower is not origin

    def _remembers(self, unit: Unit) -> bool:
        """Whether a line of the unit that was allowed may be one of those that a repair changes."""
        return unit.group is not None or self._recording.events <= self.remembered

    def _noticed(self, moment: int, until: int) -> tuple[int, int] | None:
        """(time, line) of the first line after a moment; None if it is later than `until`."""
        found = self._window.first_after(moment)
        return None if found is None or found[0] > until else found

    # ---- divergences ---------------------------------------------------------------------------
    def _refuse(
        self,
        unit: Unit,
        origin: Follower,
        site: Site,
        reading: Observation,
        time: int,
        late: int,
        contradiction: str | None,
        *,
        either: int = 0,
    ) -> None:
        """No possible state allows the event, which is `unit.follower`'s next.

        `either`, here and below: none but where one of these rules, suspected now, was broken.
        """
        follower, wording = unit.follower, self._wording
        assert follower is not None
        positions = self.effects.positions(reading)

        def unmet() -> tuple[str, ...]:
            if contradiction is not None:
                return (contradiction,)
            if reading.unknown:
                return (wording.named(unit, reading.unknown),)
            if not positions:
                return (f"{reading.actor} does not cause this event",)
            return wording.unmet(unit, follower, positions)

        forced = self._forced(follower, reading)
        actors = site.actors if contradiction is None else ()
        line = self._line(site, reading, time, late, contradiction)
        self._diverge(
            unit, origin, follower, forced, line, site, Fault(actors), unmet, either=either
        )

    def _overdue(
        self,
        unit: Unit,
        stuck: Follower,
        site: Site,
        reading: Observation,
        time: int,
        late: int,
        contradiction: str | None,
        *,
        either: int = 0,
    ) -> bool:
        """Time may not have passed before the unit's own line; True if the line itself is fine."""
        noticed = self._noticed(stuck.now, time)
        if noticed is None or noticed[1] >= site.line:
            self._late(unit, stuck, site, reading, time, late, either=either)
            return False
        # That was to be seen at an earlier line; the unit's own is one more.
        self._late(unit, stuck, site, None, time, late, either=either)
        if unit.follower is None:
            return False
        line = self._line(site, reading, time, late, contradiction)
        return self._go_on(unit, site, reading, line)

    def _late(
        self,
        unit: Unit,
        stuck: Follower,
        site: Site,
        reading: Observation | None,
        time: int,
        late: int,
        *,
        either: int = 0,
    ) -> None:
        """Time may not have passed: a deadline was missed before the event (None: of nobody)."""
        origin, wording = unit.follower, self._wording
        assert origin is not None
        if stuck.node.certain and not unit.settling and not either:
            # Until the deadline time passed as it may, and rules were broken by that.
            self.pass_time(unit, stuck.now)
            again = None if unit.follower is None else unit.follower.copy()
            if again is not None and not again.advance(time, late):
                stuck, origin = again, unit.follower or origin
        noticed = self._noticed(stuck.now, time)
        if noticed is not None and noticed[1] < site.line:
            site = Site(noticed[1], unit.name, noticed[0], "the time before this line")
            time = late = noticed[0]
        unmet, owners = wording.missed(unit, stuck)
        overrun = stuck.copy()
        overrun.stuck = False
        overrun.advance(time, late, lenient=True)
        forced = overrun
        line = SeenLine(site.line, time, late, "time")
        if reading is not None:
            line = self._line(site, reading, time, late, None)
            allowed = overrun.copy()
            taken = allowed.take(line.key, line.positions) if line.positions else False
            forced = allowed if taken else self._forced(overrun, reading)
        fault = Fault(owners)
        self._diverge(unit, origin, stuck, forced, line, site, fault, lambda: unmet, either=either)

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
        origin: Follower,
        before: Follower,
        forced: Follower,
        line: SeenLine,
        site: Site,
        fault: Fault,
        unmet: Callable[[], tuple[str, ...]],
        *,
        either: int,
    ) -> None:
        """Report what the spec does not allow, by the rules that it breaks, and go on.

        `origin`: where the unit was after its line before this one; `before`: when it stopped being
        possible; `forced`: with the event's bookkeeping; `unmet`: what was missing.
        """
        recording = self._recording
        books = dict.fromkeys((*self._books(before.node), *self._books(forced.node)))
        if self.repairs.open(unit, origin, line):
            unit.lost = True
            fault = self.repairs.mending(replace(fault, unmet=unmet()), unit)
            # What was merely possible before says nothing about this event.
            broken = forced.node.certain & ~before.node.certain if forced.node.items else 0
            if either:
                broken, fault = 0, self.rules.or_before(unit, either, fault)
            self.rules.refuse(unit, before, site, broken, fault)
            unit.prove(None, site.time_us)
            recording.note(_GOES_ON)
            unit.books = books
        else:
            unit.books = dict.fromkeys((*books, *unit.books))
        unit.settling = SETTLING
        self._scatter(unit, forced.now, forced.late)

    def _books(self, node: Node) -> tuple[tuple[int, ...], ...]:
        """The calls that may be in flight in the states of a node."""
        known = self._in_flight.get(node)
        if known is None:
            if len(self._in_flight) >= _MOST_NODES:
                self._in_flight.clear()
            places, calls = self._engine.places.by_number, self._engine.calls
            numbers = dict.fromkeys(number for number, _, _, _ in node.items)
            found = dict.fromkeys(
                tuple([places[number].values[at] for at in calls]) for number in numbers
            )
            known = self._in_flight[node] = tuple(found)
        return known

    # ---- after a fault -------------------------------------------------------------------------
    def _line(
        self, site: Site, reading: Observation, time: int, late: int, contradiction: str | None
    ) -> SeenLine:
        key = ("event", reading.labels, reading.actor)
        positions = self.effects.positions(reading)
        odd = contradiction or ""
        return SeenLine(
            site.line, time, late, "own", reading.labels, reading.near, key, positions, odd
        )

    def _go_on(self, unit: Unit, site: Site, reading: Observation, line: SeenLine) -> bool:
        """A line of a unit that may be anywhere since a fault; True if some state allows it."""
        origin = unit.follower
        assert origin is not None
        for number, value in self._bookkeeping(reading).items():
            also = [(*book[:number], value, *book[number + 1 :]) for book in unit.books]
            unit.books = dict.fromkeys([*also, *unit.books][:_MOST_BOOKS])
        after = origin.copy()
        if not after.advance(line.time, line.late):
            self._late(unit, after, site, reading, line.time, line.late)
            return False
        before = after.copy()
        if line.odd or not line.positions or not after.take(line.key, line.positions):
            unit.follower = before
            self._refuse(unit, origin, site, reading, line.time, line.late, line.odd or None)
            return False
        unit.follower = after
        unit.judged += 1
        unit.lines.append(line)
        if after.node.certain and self.repairs.open(unit, origin, line):
            self.rules.report(unit, after.node.certain, site, own=True)
        self.rules.inspect(unit, site)
        self.repairs.settle(unit)
        return True

    def close(self, unit: Unit) -> None:
        """The end: the best repairs of the last lines are told."""
        self.repairs.close(unit)
        self.repairs.end_group(unit)

    def lose(self, unit: Unit, time: int, late: int) -> None:
        """Lines are missing: from now on the unit may be anywhere, and nothing is known of it."""
        self.close(unit)
        self._scatter(unit, time, late)

    def _scatter(self, unit: Unit, time: int, late: int) -> None:
        """From now on the unit may be anywhere, with the calls in flight that its books tell."""
        self._leave_open(unit)
        unit.partial = True
        unit.calls.clear()
        if unit.stopped is not None:
            return
        try:
            step = self._engine.anywhere(tuple(unit.books)[:_MOST_BOOKS], unit.violated)
            unit.follower = Follower.begin(self._engine.sets, step, time, late)
        except TooManyStates:
            self.give_up(unit, "after a divergence more states are possible than can be followed")

    def _leave_open(self, unit: Unit) -> None:
        """What is suspected will never be decided: no line tells any more where the unit was."""
        for bit, site in unit.suspected.items():
            if not unit.unresolved >> bit & 1 and unit.follower is not None:
                unit.unresolved |= 1 << bit
                self._recording.leave_open(unit, unit.follower, site, bit, self._wording)
        unit.suspected.clear()

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
