"""Cheapest alignments: the smallest set of edits that turns lines of a recording into a legal run.

An alignment reads a unit's lines in order and makes, at each, one of these moves: keep it; *drop*
it; *change* it into another event, or into the same one of another instance, which did to what is
shared what the line says; *insert* an event that is missing before it; *exchange* it with the
unit's next line, or *move* it; give it another *time*. A move that is not "keep" is one edit.
The best alignment has the fewest edits; among those the least weight, which says how hard the edit
is to believe: an event that changes no state is missed most easily, a wrong result less, an event
that changes the state least. What is equally good is given in a fixed order.

The search is dynamic programming over (line, set of possible states): sets come from
`traces.possible`, so whatever may happen without a line is no edit, and states in which a rule or
an assumption is broken belong to no legal run. Clocks are kept. An inserted event gets an exact
moment out of those at which it can make a difference: beside its neighbours, where a clock comes to
a constant, and a constant before one of the next lines. So whatever repair is given is legal; one
with fewer edits at yet other moments may exist only where two inserted events wait for each other.

Owns the moves, their weights and the search. It reports nothing and knows no words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from typing import Final

from rhscheck.spec.system import Label
from rhscheck.traces.edits import Alignment, Edit, SeenLine
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import FAR, Follower
from rhscheck.traces.possible import Node, Step

# More edits than this are not looked for, and no longer than for so many steps of the search.
MOST_EDITS: Final = 5
MOST_STEPS: Final = 1200
# So many equally good alignments are given.
MOST_TIES: Final = 4

_KEEPS_STATE: Final = 5
_RESULT: Final = 15
_CHANGES_STATE: Final = 20
_OTHER_EVENT: Final = 25
_OTHER_TIME: Final = 22
# A line that was never written is easier to believe than one that should not be there.
_INVENTED: Final = 10
# Moments that are looked at for an inserted event beside those of its neighbours.
_INSTANTS: Final = 4
_AHEAD: Final = 4
_MOST_MOMENTS: Final = 16
_MOST_REMEMBERED: Final = 30_000


@dataclass(frozen=True, slots=True)
class Walk:
    """The edits of a whole run, and how many lines were given up because no repair was found."""

    edits: tuple[Edit, ...]
    lost: int


@dataclass(frozen=True, slots=True)
class _Choice:
    """An event that may be put in: its label, its transitions, and how hard that is to believe."""

    label: Label
    key: object
    positions: tuple[int, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Path:
    """A part of an alignment: `at` lines are done, and this is where the unit is then."""

    at: int
    follower: Follower
    edits: tuple[Edit, ...] = ()


@dataclass(slots=True)
class Aligner:
    """Aligns lines of the units of one engine. `single`: there is no other instance."""

    engine: Engine
    single: bool = False
    _choices: tuple[_Choice, ...] = field(init=False, repr=False)
    _by_label: dict[Label, _Choice] = field(init=False, repr=False)
    _constants: tuple[int, ...] = field(init=False, repr=False)
    _possible: dict[Node, tuple[_Choice, ...]] = field(default_factory=dict, repr=False)
    _innocent: dict[Node, Step] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        world, places = self.engine.world, self.engine.places
        moving = {
            at for at, slot in enumerate(world.ground.slots) if slot.variable.role == "location"
        }
        found = []
        for label, positions in world.steps.items():
            moves = any(
                slot in moving
                for position in positions
                for slot, _ in world.ground.transitions[position].updates
            )
            weight = _CHANGES_STATE if moves else _KEEPS_STATE
            if label.machine not in self.engine.system.parametric:
                weight += 1  # everybody would have noticed
            found.append(_Choice(label, ("label", label), positions, weight))
        self._choices = tuple(found)
        self._by_label = {one.label: one for one in found}
        self._constants = tuple(sorted({one for some in places.constants for one in some}))

    # ---- the search ----------------------------------------------------------------------------
    def align(
        self,
        starts: Sequence[Follower],
        lines: Sequence[SeenLine],
        *,
        most_edits: int = MOST_EDITS,
        ties: int = MOST_TIES,
    ) -> Alignment:
        """The cheapest alignments of `lines` from any of `starts`. Raises TooManyStates."""
        numbers = count()
        # (edits, weight, lines to go, number, path, stage)
        work: list[tuple[int, int, int, int, Path, int]] = []
        known: dict[object, tuple[int, int]] = {}

        def push(edits: int, weight: int, path: Path, stage: int = 0) -> None:
            if edits <= most_edits:
                heappush(work, (edits, weight, len(lines) - path.at, next(numbers), path, stage))

        for start in starts:
            begun = self.begun(start)
            if begun.node.items:
                push(0, 0, Path(0, begun))
        best: tuple[int, int] | None = None
        goals: dict[object, Path] = {}
        for _ in range(MOST_STEPS):
            if not work:
                break
            edits, weight, to_go, _, path, stage = heappop(work)
            if best is not None and (edits, weight) > best:
                break
            if to_go == 0:
                best = (edits, weight)
                # Two that differ in the time of an inserted event only are told once.
                goals.setdefault(tuple(untimed(edit) for edit in path.edits), path)
                if len(goals) >= ties:
                    break
                continue
            if stage == 0:
                key = _situation(path)
                if known.setdefault(key, (edits, weight)) < (edits, weight):
                    continue
                kept = self.kept(path, lines[path.at])
                if kept is not None and lines[path.at].odd:
                    known_as = replace(kept, edits=(*kept.edits, Edit("id", lines[path.at].number)))
                    push(edits + 1, weight + _RESULT, known_as)
                elif kept is not None:
                    push(edits, weight, kept)
                push(edits + 1, weight + _KEEPS_STATE, path, 1)
            elif stage == 1:
                before = weight - _KEEPS_STATE
                for more, after in self.edited(path, lines):
                    free = len(after.edits) == len(path.edits)
                    push(edits - free, before + (0 if free else more), after)
                push(edits, before + _CHANGES_STATE + 1, path, 2)
            else:
                for more, after in self.inserted(path, lines, elsewhere=True):
                    free = len(after.edits) == len(path.edits)
                    push(edits - free, weight + (0 if free else more), after)
        if best is None:
            return Alignment(None, complete=not work)
        found = tuple(goals.values())
        return Alignment(
            best[0],
            True,
            tuple(path.edits for path in found),
            tuple(path.follower for path in found),
        )

    def walk(self, start: Follower, lines: Sequence[SeenLine], ahead: int = 4) -> Walk:
        """The edits of a whole run, fault by fault: each repaired by what `ahead` lines tell.

        Lines that are legal where the cheapest repairs so far leave the unit are followed as they
        are. Where none is found a line is left out as if it were not there. Raises TooManyStates.
        """
        follower = start.copy()
        self._purge(follower)
        edits: list[Edit] = []
        at = lost = 0
        while at < len(lines):
            line = lines[at]
            after = follower.copy()
            if after.advance(line.time, line.late) and not after.node.some:
                taken = line.positions and after.take(line.key, line.positions)
                if taken and (not after.node.some or self._purge(after)):
                    follower = after
                    at += 1
                    continue
            found = self.align([follower], lines[at : at + ahead], ties=1)
            if found.cost is None:
                lost += 1
                at += 1
                continue
            edits += found.ways[0]
            follower = found.ends[0]
            at += ahead
        return Walk(tuple(edits), lost)

    def begun(self, start: Follower) -> Follower:
        """Where lines are aligned from: at `start`, in a state in which nothing is broken."""
        begun = start.copy()
        begun.stuck = False
        self._purge(begun)
        return begun

    def allows(self, start: Follower, lines: Sequence[SeenLine]) -> bool:
        """Whether `lines` are legal from `start` as they stand."""
        path: Path | None = Path(0, self.begun(start))
        for line in lines:
            path = None if path is None or line.odd else self.kept(path, line)
        return path is not None and bool(path.follower.node.items)

    # ---- moves ---------------------------------------------------------------------------------
    def kept(self, path: Path, line: SeenLine) -> Path | None:
        """The line is as it stands."""
        after = path.follower.copy()
        if not self._pass(after, line.time, line.late):
            return None
        match line.kind:
            case "own":
                if not self._take(after, line.key, line.positions):
                    return None
            case "other":
                after.take(line.key, line.positions, or_nothing=not line.sure)
                self._purge(after)
            case "time":
                pass
        return Path(path.at + 1, after, path.edits)

    def edited(self, path: Path, lines: Sequence[SeenLine]) -> Iterator[tuple[int, Path]]:
        """One edit at the next line, with its weight."""
        line = lines[path.at]
        there = path.follower.copy()
        passed = self._pass(there, line.time, line.late)
        if passed and line.kind == "own":
            yield from self._changed(path, there, line)
            yield self._weight(line) + _INVENTED, self.dropped(path, there, line)
            if path.at + 1 < len(lines):
                yield from self._exchanged(path, there, lines)
        yield from self.inserted(path, lines, elsewhere=False)
        if line.kind != "other":
            yield from self._at_another_time(path, there, lines, passed=passed)

    def _weight(self, line: SeenLine) -> int:
        return max((self._by_label[one].weight for one in line.labels if one in self._by_label),
                   default=_KEEPS_STATE)  # fmt: skip

    def dropped(self, path: Path, there: Follower, line: SeenLine) -> Path:
        """The line, at whose moment the unit is `there`, is none, or one that stands elsewhere."""
        for at, edit in enumerate(path.edits):
            if edit.kind == "insert" and edit.label in line.labels:
                # It was inserted before: the line only stands in the wrong place.
                moved = replace(edit, kind="move", line=line.number, other=edit.line)
                if edit.line == line.number and edit.time is not None:  # at another time only
                    off = edit.time - line.time
                    moved = Edit("time", line.number, time=edit.time, off=off)
                edits = (*path.edits[:at], moved, *path.edits[at + 1 :])
                return Path(path.at + 1, there, edits)
        dropped = Edit("drop", line.number, line.labels[0] if line.labels else None)
        return Path(path.at + 1, there, (*path.edits, dropped))

    def _changed(self, path: Path, there: Follower, line: SeenLine) -> Iterator[tuple[int, Path]]:
        for choice in self._possible_in(there):
            label = choice.label
            if label in line.labels:
                continue
            after = there.copy()
            if self._take(after, choice.key, choice.positions):
                homes = {(one.machine, one.index) for one in line.near}
                elsewhere = (label.machine, label.index) not in homes
                edit = Edit("change", line.number, label, elsewhere=elsewhere)
                yield (
                    _RESULT if label in line.near else _OTHER_EVENT,
                    Path(path.at + 1, after, (*path.edits, edit)),
                )
        yield from self._somebody_else(path, there, line)

    def _somebody_else(
        self, path: Path, there: Follower, line: SeenLine
    ) -> Iterator[tuple[int, Path]]:
        """The line's event, told of the wrong instance: what it does to all, another one did."""
        others = self.engine.world.others
        for label in () if self.single else line.labels:
            positions = others.get((label.kind, label.name, label.value), ())
            after = there.copy()
            if self._take(after, ("somebody", label), positions):
                edit = Edit("change", line.number, label, elsewhere=True, somebody=True)
                yield (
                    _OTHER_EVENT + _INVENTED,
                    Path(path.at + 1, after, (*path.edits, edit)),
                )

    def _exchanged(
        self, path: Path, there: Follower, lines: Sequence[SeenLine]
    ) -> Iterator[tuple[int, Path]]:
        first, second = lines[path.at], lines[path.at + 1]
        if second.kind != "own" or first.odd or second.odd:
            return  # a wrong call id is as wrong in another place
        after = there.copy()
        if (
            self._take(after, second.key, second.positions)
            and self._pass(after, second.time, second.late)
            and self._take(after, first.key, first.positions)
        ):
            edit = Edit("exchange", first.number, other=second.number)
            yield _RESULT, Path(path.at + 2, after, (*path.edits, edit))

    def inserted(
        self, path: Path, lines: Sequence[SeenLine], *, elsewhere: bool
    ) -> Iterator[tuple[int, Path]]:
        """An event before the next line: beside its neighbours, or `elsewhere` between them."""
        line = lines[path.at]
        for moment in self._moments(path, lines, elsewhere=elsewhere):
            there = path.follower.copy()
            late = line.late if moment == line.time else moment
            if not self._pass(there, moment, late):
                continue
            for choice in self._possible_in(there):
                after = there.copy()
                if not self._take(after, choice.key, choice.positions):
                    continue
                edits = _with_inserted(path.edits, choice.label, line, moment)
                yield choice.weight, Path(path.at, after, edits)

    def _moments(
        self, path: Path, lines: Sequence[SeenLine], *, elsewhere: bool
    ) -> tuple[int, ...]:
        """When an event may be inserted before the next line."""
        begin = path.follower.now
        end = max(lines[path.at].time, begin)
        instants = [one for one in self._soon(path.follower) if one < end]
        if not elsewhere:
            return tuple(dict.fromkeys((end, *instants[-1:], begin)))
        ahead = [
            later.time - constant
            for later in lines[path.at : path.at + _AHEAD]
            for constant in self._constants
            if begin < later.time - constant < end
        ]
        return tuple(dict.fromkeys((*instants[:-1], *ahead)))[:_MOST_MOMENTS]

    def _at_another_time(
        self, path: Path, there: Follower, lines: Sequence[SeenLine], *, passed: bool
    ) -> Iterator[tuple[int, Path]]:
        """The line's own event, earlier or later; all lines after it may be shifted as much."""
        line, begin = lines[path.at], path.follower.now
        # By itself it cannot come after the line that follows it.
        until = lines[path.at + 1].time if path.at + 1 < len(lines) else FAR
        moments = [there.now] if not passed else [begin, *self._soon(there)]
        for moment in dict.fromkeys(moments):
            if moment == line.time:
                continue
            after = path.follower.copy()
            if not self._pass(after, moment, moment):
                continue
            if line.kind == "own" and not self._take(after, line.key, line.positions):
                continue
            off = moment - line.time
            if line.kind == "own" and moment <= until:
                edit = Edit("time", line.number, time=moment, off=off)
                yield _OTHER_TIME, Path(path.at + 1, after, (*path.edits, edit))
            if moment < line.time and passed:
                continue
            yield _OTHER_TIME, _shifted(path, after, line, moment)

    def earlier_onward(self, path: Path, lines: Sequence[SeenLine]) -> Iterator[tuple[int, Path]]:
        """The next line and all after it earlier, so that one of them comes when a clock is due."""
        line, begin = lines[path.at], path.follower.now
        if line.kind == "other":
            return
        ahead = [one.time for one in lines[path.at : path.at + _AHEAD]]
        moments = (
            line.time + instant - time
            for instant in self._soon(path.follower)
            for time in ahead
            if instant < time
        )
        for moment in dict.fromkeys(one for one in moments if begin < one < line.time):
            after = path.follower.copy()
            if self._pass(after, moment, moment) and (
                line.kind == "time" or self._take(after, line.key, line.positions)
            ):
                yield _OTHER_TIME, _shifted(path, after, line, moment)

    def _soon(self, there: Follower) -> Iterator[int]:
        """The next instants at which a clock comes to a constant."""
        follower = there.copy()
        for _ in range(_INSTANTS):
            if not follower.node.inside and not self._pass(
                follower, follower.now + 1, follower.now + 1
            ):
                return
            until = follower.change(0)
            if until >= FAR or not self._pass(follower, until, until):
                return
            yield until

    # ---- sets ----------------------------------------------------------------------------------
    def _pass(self, follower: Follower, time: int, late: int) -> bool:
        """Let time pass in states in which nothing is broken."""
        if not follower.advance(time, late):
            follower.stuck = False
            return False
        return self._purge(follower)

    def _take(self, follower: Follower, key: object, positions: Sequence[int]) -> bool:
        return bool(positions) and follower.take(key, positions) and self._purge(follower)

    def _purge(self, follower: Follower) -> bool:
        """Leave out the states in which something is broken; whether one is left."""
        node = follower.node
        if node.some:
            step = self._innocent.get(node)
            if step is None:
                if len(self._innocent) >= _MOST_REMEMBERED:
                    self._innocent.clear()
                step = self._innocent[node] = self.engine.sets.innocent(node)
            follower.put(step)
        return bool(follower.node.items)

    def _possible_in(self, there: Follower) -> tuple[_Choice, ...]:
        """The events that are possible now, in the order of the spec."""
        node = there.node
        known = self._possible.get(node)
        if known is None:
            if len(self._possible) >= _MOST_REMEMBERED:
                self._possible.clear()
            known = self._possible[node] = tuple(
                one for one in self._choices if there.copy().take(one.key, one.positions)
            )
        return known


def untimed(edit: Edit) -> Edit:
    """The edit without the moment of an inserted event: of two that differ in it one is told."""
    return replace(edit, time=None, off=0) if edit.kind in ("insert", "move") else edit


def _with_inserted(
    edits: tuple[Edit, ...], label: Label, line: SeenLine, moment: int
) -> tuple[Edit, ...]:
    """`edits` and an inserted event; if just that was dropped before, it only moves."""
    put = Edit("insert", line.number, label, moment, moment - line.time)
    for at, edit in enumerate(edits):
        if edit.kind == "drop" and edit.label == label:
            moved = replace(put, kind="move", line=edit.line, other=line.number)
            return (*edits[:at], moved, *edits[at + 1 :])
    return (*edits, put)


def _shifted(path: Path, follower: Follower, line: SeenLine, moment: int) -> Path:
    """The line and all after it as much earlier or later as it takes place at `moment` instead.

    `follower`: where the unit is then; it has to be there at the line's own time.
    """
    by_us = line.time - moment
    edit = Edit("time", line.number, time=moment, off=-by_us, onward=True)
    times = tuple(one + by_us for one in follower.times)
    lates = (
        times if follower.lates is follower.times else tuple(one + by_us for one in follower.lates)
    )
    after = follower.copy()
    after.times, after.lates = times, lates
    after.now, after.late = follower.now + by_us, follower.late + by_us
    return Path(path.at + 1, after, (*path.edits, edit))


def _situation(path: Path) -> object:
    """What decides how a path can go on: the same for paths of which one is enough."""
    follower = path.follower
    open_edits = tuple(
        (one.kind, one.label) for one in path.edits if one.kind in ("insert", "drop")
    )
    return (
        path.at, follower.node, follower.times, follower.lates, follower.now, follower.late,
        open_edits,
    )  # fmt: skip
