"""What the searches of `checker.explore` have in common: nodes, goals, deadlines, when to end.

Owns the record of a search while it goes on. Knows neither the order of the search nor zones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from rhscheck.checker.exploration import Cells, Exploration, Tight, Values
from rhscheck.spec.compiled import ClockAtom, Compiled, split_guard
from rhscheck.spec.expr import ClockCmp, ClockDiff, Comparison, Expr, Index
from rhscheck.spec.ground import Ground

CHECK_EVERY = 256  # nodes between two questions whether to go on
# (clock, clock subtracted from it or None, comparison, constant), clocks as positions.
Atom = tuple[int, int | None, Comparison, int]


@dataclass(frozen=True, slots=True)
class Budget:
    """When to end before everything is visited."""

    limit: int
    stop_when_all_found: bool
    cancelled: Callable[[], bool]


class Search(ABC):
    """Nodes in the order of their discovery, goals and deadlines as they are met."""

    def __init__(
        self,
        compiled: Compiled,
        goals: Mapping[str, Expr],
        tracked: tuple[int, ...],
        progress: frozenset[int],
        budget: Budget,
    ) -> None:
        self.compiled = compiled
        self.ground = compiled.ground
        self.tracked = tracked
        self.budget = budget
        self.depth = 0
        self.values: list[Values] = []
        self.parents: list[int] = []
        self.positions: list[int] = []
        self.taken = [False] * len(self.ground.transitions)
        self.found: dict[str, int] = {}
        self.stuck: dict[Values, int] = {}
        self.tight = [Tight(at, False, None, None) for at in range(len(self.ground.deadlines))]
        # What each alternative of each transition asks of tracked clocks.
        self.atoms = [
            [self._kept(alternative.atoms) for alternative in alternatives]
            for alternatives in compiled.alternatives
        ]
        # Whether it counts as a step for `stuck` and `tight`: certain, and asked for.
        self.counts = [
            [
                at in progress and len(kept) == len(alternative.atoms)
                for kept, alternative in zip(self.atoms[at], alternatives, strict=True)
            ]
            for at, alternatives in enumerate(compiled.alternatives)
        ]
        self.missing = {
            name: [
                (discrete, compiled.predicate(discrete), self._kept(atoms))
                for discrete, atoms in split_guard(goal)
            ]
            for name, goal in goals.items()
        }

    def _kept(self, atoms: Iterable[ClockAtom]) -> tuple[Atom, ...]:
        """The comparisons among tracked clocks."""
        read = [clock_atom(self.ground, atom) for atom in atoms]
        return tuple(atom for atom in read if all(c is None or c in self.tracked for c in atom[:2]))

    @abstractmethod
    def run(self) -> str | None:
        """Visit everything. Returns why that was not possible, or None."""

    @abstractmethod
    def cells(self) -> Cells:
        """For each discrete state its live clocks and zones; nothing where no clock is tracked."""

    def result(self, reason: str | None) -> Exploration:
        """What was found, and why not everything was visited (None: it was)."""
        cells = self.cells()
        return Exploration(
            self.ground,
            self.tracked,
            reason is None,
            reason,
            self.depth,
            len(cells) if self.tracked else len(self.values),
            len(self.values),
            tuple(self.taken),
            self.found,
            tuple(self.stuck.values()),
            tuple(self.tight),
            self.values,
            self.parents,
            self.positions,
            cells,
        )

    def record(self, values: Values, parent: int, position: int) -> int:
        """A new node."""
        self.values.append(values)
        self.parents.append(parent)
        self.positions.append(position)
        return len(self.values) - 1

    def ended(self, visited: int) -> str | None:
        """Why the search has to end, if it has to."""
        if self.budget.stop_when_all_found and not self.missing:
            return "every goal was found"
        if len(self.values) > self.budget.limit:
            return f"there are more than {self.budget.limit} states to visit"
        if visited % CHECK_EVERY == 0 and self.budget.cancelled():
            return "cancelled"
        return None

    def report(self, at: int, node: int, *, timelock: bool, forced: bool) -> None:
        """Deadline `at` forbids delay in a state of `node`, and maybe that is an error."""
        old = self.tight[at]
        self.tight[at] = Tight(
            at,
            True,
            node if timelock and old.timelock is None else old.timelock,
            node if forced and old.forced is None else old.forced,
        )
        if timelock:
            self.stuck.setdefault(self.values[node], node)


def clock_atom(ground: Ground, atom: ClockAtom) -> Atom:
    """A comparison with its clocks as positions."""
    match atom:
        case ClockCmp(name, index, op, bound):
            return ground.clock_of[(name, _number(index))], None, op, bound
        case ClockDiff(name, index, minus, minus_index, op, bound):
            clock = ground.clock_of[(name, _number(index))]
            return clock, ground.clock_of[(minus, _number(minus_index))], op, bound
        case _:
            assert_never(atom)


def _number(index: Index) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return index
