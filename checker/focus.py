"""Bounded searches that look at one part of a goal, with only the instances it speaks of.

Owns which smaller questions are asked before a bounded search of the whole Ground. A goal is a
disjunction, usually one part an instance; for each part the other instances are projected away
(`checker.project`), first without clocks and then with those of the instances that are left. What
is out of reach in a projection is so in the whole, at that length; what is reached there may not
be, and only then the whole is asked. So nothing found here is ever shown. Knows no verdicts.
"""

from __future__ import annotations

from rhscheck.checker.bmc import Search, exact_time
from rhscheck.checker.narrow import cone
from rhscheck.checker.project import Projection, TooManyOutcomes, project
from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.solve import Deadline
from rhscheck.spec.expr import Expr, Or
from rhscheck.spec.ground import Ground


class Focus:
    """Whether `goal` (a ground state formula) is out of reach of runs of a given length."""

    def __init__(self, ground: Ground, goal: Expr, depth: int, timeout_s: float | None) -> None:
        deadline = Deadline(timeout_s)
        parts = goal.args if isinstance(goal, Or) else (goal,)
        self._parts = [_Part(ground, part, depth, deadline) for part in parts]

    def unreached(self, length: int) -> bool:
        """Whether that is known; to be asked for 0, 1, 2, … until it is not."""
        return all(part.unreached(length) for part in self._parts)


class _Part:
    """One part of a goal. `_timed` None: nothing smaller than the whole excludes it any more."""

    def __init__(self, ground: Ground, goal: Expr, depth: int, deadline: Deadline) -> None:
        self._ground = ground
        self._goal = goal
        self._depth = depth
        self._deadline = deadline
        self._timed: bool | None = False
        self._search: Search | None = None
        self._near, self._clocks = _near(ground, goal)

    def unreached(self, length: int) -> bool:
        while self._timed is not None and self._deadline.left() != 0.0:
            if self._search is None:
                self._search = self._made(timed=self._timed)
            if self._search is not None:
                self._search.extend_to(length)
                if self._search.unreached():
                    return True
            self._timed, self._search = (None if self._timed else True), None
        return False

    def _made(self, *, timed: bool) -> Search | None:
        """None where it would be the search of the whole."""
        projection = _projected(self._ground, self._near, self._clocks if timed else ())
        if timed and len(projection.kept) == len(self._ground.slots):
            return None
        goals = {"goal": self._goal}
        encoding = Encoding(
            projection.ground,
            goals,
            exact_time(projection.ground, goals) if timed else "untimed",
            depth=self._depth,
            tracked=self._clocks if timed else (),
        )
        return Search(encoding, goals, self._deadline, ())


def _near(ground: Ground, goal: Expr) -> tuple[frozenset[int], tuple[int, ...]]:
    """The slots and clocks of the instances that `goal` speaks of, and all that is shared."""
    parametric = ground.system.parametric
    read, _ = cone(ground, goal)
    named = {
        (slot.variable.family, slot.index)
        for at, slot in enumerate(ground.slots)
        if at in read and slot.variable.family in parametric
    }
    slots = frozenset(
        at
        for at, slot in enumerate(ground.slots)
        if slot.variable.family not in parametric or (slot.variable.family, slot.index) in named
    )
    family = {clock.name: clock.family for clock in ground.system.clocks}
    clocks = tuple(
        at
        for at, clock in enumerate(ground.clocks)
        if family[clock.name] not in parametric or (family[clock.name], clock.index) in named
    )
    return slots, clocks


def _projected(ground: Ground, keep: frozenset[int], tracked: tuple[int, ...]) -> Projection:
    """The projection to `keep`, and to what else it takes."""
    while True:
        try:
            return project(ground, keep, tracked)
        except TooManyOutcomes as error:
            keep = keep | error.slots
