"""The discrete part of a System, remembered state by state: what can happen where, and until when.

A `Place` stands for all states with the same values of the variables. It knows which clocks run,
which deadlines bind, which rules are broken there, and for every transition what is left of its
guard once the values are known: nothing, or comparisons of clocks. Owns that memory; all answers
come from `spec.compiled`, which is generated from the Ground and tested equal to `spec.semantics`.
It knows neither traces nor sets of states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from rhscheck.spec.compiled import (
    Alternative,
    ClockAtom,
    compile_ground,
    split_guard,
)
from rhscheck.spec.expr import ClockCmp, Comparison, Expr, walk
from rhscheck.spec.frames import UNREACHABLE
from rhscheck.spec.ground import Ground, GroundDeadline
from rhscheck.traces.receptive import Receptive

Values = tuple[int, ...]

# How far an age has come: the greatest constant of its clock that it has reached (at least 0), and
# whether it stands exactly there.
Reach = tuple[int, bool]
EXACTLY_NOW: Final[Reach] = (0, True)
JUST_PAST: Final[Reach] = (0, False)
EVER: Final[Reach] = (UNREACHABLE - 1, False)

# The least and the greatest age that a clock may have, by its position in the Ground.
Ages = Callable[[int], tuple[Reach, Reach]]


@dataclass(frozen=True, slots=True)
class Comparing:
    """Clock `clock` (its position in the Ground, None: two clocks) against a constant."""

    clock: int | None
    op: Comparison
    bound: int


# What is left of a formula: one of these conjunctions holds. The empty conjunction is true.
Left = tuple[tuple[Comparing, ...], ...]
TRUE_LEFT: Final[Left] = ((),)


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """A transition out of a place. `guard`: what is left of its guard.

    `carried`: for each running clock of the target its number among those of the source, -1 if it
    starts at 0.
    """

    position: int
    guard: Left
    target: Place
    carried: tuple[int, ...]


class Place:
    """All states with the same values; made and kept by `Places`."""

    __slots__ = (
        "_edges",
        "_hidden",
        "_places",
        "active",
        "broken",
        "clocked",
        "deadlines",
        "limits",
        "number",
        "shape",
        "values",
    )

    def __init__(self, places: Places, number: int, values: Values) -> None:
        self._places = places
        self.number = number
        self.values = values
        self.active = places.active_clocks(values)
        # A number for the set of running clocks: stamps of equal shape mean the same.
        self.shape = places.shapes.setdefault(self.active, len(places.shapes))
        # For each running clock the greatest constant that it is ever compared with.
        self.limits = tuple([places.limits[at] for at in self.active])
        # (number of the clock among the running ones, -1: it stands still; the deadline)
        self.deadlines: tuple[tuple[int, GroundDeadline], ...] = tuple(
            [
                (-1 if clock is None or clock not in self.active else self.active.index(clock), one)
                for one in map(places.ground.deadlines.__getitem__, places.active_deadlines(values))
                for clock in (one.clock,)
            ]
        )
        self.broken, self.clocked = places.broken(values)
        self._edges: dict[int, Edge | None] = {}
        self._hidden: tuple[tuple[int, ...], tuple[Edge, ...]] | None = None

    def hidden(self, positions: tuple[int, ...]) -> tuple[Edge, ...]:
        """Those of `positions` (which leave no line) that are possible here, sometimes at least."""
        if self._hidden is None or self._hidden[0] is not positions:
            edges = tuple([one for one in map(self.edge, positions) if one is not None])
            self._hidden = (positions, edges)
        return self._hidden[1]

    def edge(self, position: int) -> Edge | None:
        """The transition at `position`, None where no clock can make it possible."""
        try:
            return self._edges[position]
        except KeyError:
            pass
        places = self._places
        guard = places.guard(position, self.values)
        made = None
        if guard:
            target = places.of(places.fire(position, self.values))
            resets = places.ground.transitions[position].resets
            carried = tuple(
                [
                    -1 if at in resets or at not in self.active else self.active.index(at)
                    for at in target.active
                ]
            )
            made = Edge(position, guard, target, carried)
        self._edges[position] = made
        return made


class Places:
    """The places of a Receptive, each made once and numbered in the order of their discovery."""

    def __init__(self, world: Receptive) -> None:
        self.world = world
        self.hidden = world.hidden
        self.ground: Ground = world.ground
        bad = [duty.bad for duty in world.duties]
        compared = _constants(world.ground, bad)
        # For each clock the greatest constant it is compared with (-1: none), and those above 0.
        self.limits = tuple(max(constants, default=-1) for constants in compared)
        self.constants = tuple(tuple(one for one in some if one > 0) for some in compared)
        compiled = compile_ground(world.ground)
        self._fire = compiled.fire
        self.active_clocks = compiled.active_clocks
        self.active_deadlines = compiled.active_deadlines
        self._guards = [
            tuple((one, self._comparing(one.atoms)) for one in alternatives)
            for alternatives in compiled.alternatives
        ]
        split = [(bit, split_guard(formula)) for bit, formula in enumerate(bad)]
        timeless = [
            (bit, discrete) for bit, parts in split for discrete, atoms in parts if not atoms
        ]
        self._broken_bits = tuple(1 << bit for bit, _ in timeless)
        self._broken_at = compiled.positions([discrete for _, discrete in timeless])
        self._clocked = tuple(
            (bit, Alternative(world.ground, discrete, atoms), self._comparing(atoms))
            for bit, parts in split
            for discrete, atoms in parts
            if atoms
        )
        self._clocked_at = compiled.positions([one.discrete for _, one, _ in self._clocked])
        self._known: dict[Values, Place] = {}
        self.shapes: dict[tuple[int, ...], int] = {}
        self.by_number: list[Place] = []

    def _comparing(self, atoms: Iterable[ClockAtom]) -> tuple[Comparing, ...]:
        return tuple(
            Comparing(self.ground.clock_of[(atom.clock, _number(atom.index))], atom.op, atom.bound)
            if isinstance(atom, ClockCmp)
            else Comparing(None, atom.op, atom.bound)
            for atom in atoms
        )

    def fire(self, position: int, values: Values) -> Values:
        """The values after the transition at `position`."""
        return self._fire[position](values)

    def guard(self, position: int, values: Values) -> Left:
        """What is left of the guard of the transition at `position`; nothing: it is false."""
        left = []
        for alternative, comparing in self._guards[position]:
            if alternative.guard(values):
                if not comparing:
                    return TRUE_LEFT
                left.append(comparing)
        return tuple(left)

    def broken(self, values: Values) -> tuple[int, tuple[tuple[int, tuple[Comparing, ...]], ...]]:
        """The rules broken whatever the clocks show, as bits, and those that clocks decide."""
        here = 0
        for at in self._broken_at(values):
            here |= self._broken_bits[at]
        clocked = tuple(
            [(self._clocked[at][0], self._clocked[at][2]) for at in self._clocked_at(values)]
        )
        return here, clocked

    def of(self, values: Values) -> Place:
        """The place of these values."""
        known = self._known.get(values)
        if known is None:
            known = self._known[values] = Place(self, len(self.by_number), values)
            self.by_number.append(known)
        return known


def _number(index: int | str | None) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return index


def _constants(ground: Ground, bad: list[Expr]) -> tuple[tuple[int, ...], ...]:
    """For each clock the constants it is compared with, ascending."""
    found: list[dict[int, None]] = [{} for _ in ground.clocks]
    exprs = [transition.guard for transition in ground.transitions]
    exprs += [value for transition in ground.transitions for _, value in transition.updates]
    exprs += bad
    for expr in exprs:
        for node in walk(expr):
            if isinstance(node, ClockCmp):
                found[ground.clock_of[(node.clock, _number(node.index))]][node.bound] = None
    for deadline in ground.deadlines:
        if deadline.clock is not None:
            found[deadline.clock][deadline.bound] = None
    return tuple(
        tuple(sorted(one for one in constants if one < UNREACHABLE)) for constants in found
    )


# ---- what clocks decide ------------------------------------------------------------------------
def may_hold(left: Left, ages: Ages) -> bool:
    """Whether what is left of a formula may hold at these ages.

    Comparisons are judged by themselves, so this is sometimes said of what cannot be; a
    difference of two clocks is not followed, so it may always hold. The reverse is never said.
    """
    return any(all(_may(one, ages) for one in together) for together in left)


def holds(together: tuple[Comparing, ...], ages: Ages) -> bool:
    """Whether all these comparisons hold whichever of these ages is the true one."""
    return not any(
        one.clock is None or _may(Comparing(one.clock, _OPPOSITE[one.op], one.bound), ages)
        for one in together
    )


_OPPOSITE: Final[dict[Comparison, Comparison]] = {"<": ">=", "<=": ">", ">=": "<", ">": "<="}


def _may(one: Comparing, ages: Ages) -> bool:
    """Whether some of the ages compares so with the constant."""
    if one.clock is None:
        return True
    least, most = ages(one.clock)
    bound = one.bound
    match one.op:
        case ">=":
            return most[0] >= bound
        case ">":
            return most[0] > bound or (most[0] == bound and not most[1])
        case "<=":
            return least[0] < bound or (least[0] == bound and least[1])
        case "<":
            return least[0] < bound
