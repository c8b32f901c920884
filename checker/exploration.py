"""What an exploration found.

Owns the result of `checker.explore` and how to read it: paths, stuck states, the invariant. Knows
nothing of how the search went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rhscheck.checker import zones
from rhscheck.checker.invariant import Invariant
from rhscheck.checker.zones import Zone
from rhscheck.spec.ground import Ground

Values = tuple[int, ...]
# For each discrete state its live clocks and the zones over them.
Cells = Mapping[Values, tuple[tuple[int, ...], Sequence[Zone]]]


@dataclass(frozen=True, slots=True)
class Tight:
    """What was found about one deadline (a position in Ground.deadlines).

    `reached`: some node has a state in which it forbids delay. `timelock`: the first node with such
    a state in which, moreover, no step is possible; `forced`: the first in which steps are
    possible, but none of an actor whose deadline forbids the delay. None: there is no such node. A
    strict deadline forbids delay in all states from which nobody can step before it.
    """

    deadline: int
    reached: bool
    timelock: int | None
    forced: int | None


@dataclass(frozen=True)
class Exploration:
    """What `explore` found. Nodes are numbers; `path` says how to get to one.

    `depth`: everything that fewer discrete steps reach was visited.
    `complete` False: not everything was visited and `reason` says why; then only what was found
    counts. `states`: distinct discrete states; `zones`: nodes. `transitions_taken`: for each of
    Ground.transitions whether some node takes it. `found`: for each goal that has one its first
    node. `stuck`: nodes with a state that has neither a step nor a delay, the first for each
    discrete state.

    `stuck` and `tight` are exact where all clocks are tracked. Else deadlines of untracked clocks
    are not looked at, and a step counts only if it needs no untracked clock: nothing listed for a
    tracked deadline proves that there is nothing, something listed need not be real.
    """

    ground: Ground
    tracked: tuple[int, ...]
    complete: bool
    reason: str | None
    depth: int
    states: int
    zones: int
    transitions_taken: tuple[bool, ...]
    found: Mapping[str, int]
    stuck: tuple[int, ...]
    tight: tuple[Tight, ...]
    _values: Sequence[Values] = field(repr=False)
    _parents: Sequence[int] = field(repr=False)
    _positions: Sequence[int] = field(repr=False)
    _cells: Cells = field(repr=False)

    def values(self, node: int) -> Values:
        """The discrete state of a node."""
        return self._values[node]

    @property
    def cells(self) -> Cells:
        """The zones of each discrete state; nothing where no clock was tracked."""
        return self._cells

    def path(self, node: int) -> tuple[Values, tuple[int, ...]]:
        """The initial values and the transition positions that lead to `node`."""
        positions: list[int] = []
        while self._parents[node] >= 0:
            positions.append(self._positions[node])
            node = self._parents[node]
        return self._values[node], tuple(reversed(positions))

    def invariant(self) -> Invariant:
        """All that was reached: inductive for the System with untracked clocks abstracted.

        ValueError if the exploration is not complete.
        """
        return self._invariant

    @cached_property
    def _invariant(self) -> Invariant:
        if not self.complete:
            raise ValueError(f"an incomplete exploration has no invariant: {self.reason}")
        if not self.tracked:
            return Invariant((), tuple((values, ((),)) for values in self._values))
        place = {clock: at + 1 for at, clock in enumerate(self.tracked)}
        cells = []
        for values, (live, reached) in self._cells.items():
            dim = len(live) + 1
            name = (0, *(place[clock] for clock in live))
            still = [
                (i, j, 0, False)
                for clock in self.tracked
                if clock not in live
                for i, j in ((0, place[clock]), (place[clock], 0))
            ]
            cells.append(
                (
                    values,
                    tuple(
                        tuple(
                            sorted(
                                [
                                    (name[i], name[j], *zones.decoded(bound))
                                    for i, j, bound in zones.minimal(zone, dim)
                                ]
                                + still
                            )
                        )
                        for zone in reached
                    ),
                )
            )
        return Invariant(self.tracked, tuple(cells))
