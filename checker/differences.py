"""Least solutions of difference constraints with alternatives.

Owns the search behind `checker.schedule`: unknown times T_0 = 0, T_1, ..., constraints on their
differences, and decisions between sets of constraints. Knows nothing of steps, clocks (but their
numbers, to say which are to blame) or states.

The least solution of a set of constraints is found by raising times that are too early until none
is (longest paths). A set without solution raises a time in a cycle, or raises T_0: the constraints
on that way contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

MOST_BRANCHES = 20_000  # after so many, the best solution known is taken


@dataclass(frozen=True, slots=True)
class Constraint:
    """T_later - T_earlier <= bound (or <), owed to `clocks` and the decision `level` (-1: none)."""

    later: int
    earlier: int
    bound: int
    strict: bool
    clocks: tuple[int, ...]
    level: int


Option = list[Constraint]


def exact(times: Sequence[tuple[int, int]]) -> list[Fraction]:
    """Times with `k` strict bounds to pass, as numbers: all whole distances are kept apart."""
    share = Fraction(1, 1 + max(count for _, count in times))
    return [whole + count * share for whole, count in times]


class Alternatives:
    """Depth-first over the choices, each branch a set of difference constraints.

    Times are single integers, `whole * scale + strict bounds passed`; `scale` is larger than any
    path has constraints, so they compare like pairs. A branch that is no earlier than the best
    solution is cut; a contradiction that does not involve a decision is not tried again with that
    decision changed.
    """

    def __init__(self, last: int, choices: Sequence[Sequence[Option]]) -> None:
        self.nodes = last + 1
        self.scale = 2 + sum(len(option) for options in choices for option in options)
        self.fixed = [
            Constraint(number - 1, number, 0, False, (), -1) for number in range(1, last + 1)
        ]
        self.choices: list[list[Option]] = []
        for options in choices:
            if len(options) == 1:
                self.fixed.extend(options[0])
            else:
                level = len(self.choices)
                self.choices.append(
                    [
                        [
                            Constraint(p.later, p.earlier, p.bound, p.strict, p.clocks, level)
                            for p in option
                        ]
                        for option in options
                    ]
                )
        self.branches = 0
        self.best: list[int] | None = None
        self.reasons: set[int] = set()

    def solve(self) -> list[tuple[int, int]] | frozenset[int]:
        """(whole units, strict bounds passed) for each time, or the clocks that exclude all."""
        times = self._least(self.fixed)
        if not isinstance(times, set):
            self._branch(0, self.fixed, times)
        if self.best is None:
            return frozenset(self.reasons)
        return [divmod(time, self.scale) for time in self.best]

    def _branch(self, level: int, constraints: list[Constraint], times: list[int]) -> set[int]:
        """Try all that follows. The levels to blame if nothing does, empty where something may."""
        self.branches += 1
        if self.best is not None and (times >= self.best or self.branches > MOST_BRANCHES):
            return set()
        if level == len(self.choices):
            self.best = times
            return set()
        blamed: set[int] = set()
        hopeless = True
        for option in self.choices[level]:
            joined = constraints + option
            later = self._least(joined)
            conflict = later if isinstance(later, set) else self._branch(level + 1, joined, later)
            if not conflict:
                hopeless = False
            elif level not in conflict:
                return conflict
            blamed |= conflict
        return blamed - {level} | {-1} if hopeless else set()

    def _least(self, constraints: Sequence[Constraint]) -> list[int] | set[int]:
        """The least times, or the levels of a contradiction (always with -1)."""
        times = [0] * self.nodes
        cause: list[Constraint | None] = [None] * self.nodes
        for part in constraints:
            if part.later == part.earlier and (part.bound, not part.strict) < (0, True):
                return self._blame([part])
        for _ in range(self.nodes + 1):
            raised = -1
            for part in constraints:
                earliest = times[part.later] - part.bound * self.scale + part.strict
                if part.later != part.earlier and earliest > times[part.earlier]:
                    times[part.earlier] = earliest
                    cause[part.earlier] = part
                    raised = part.earlier
            if times[0] > 0:  # the run starts at 0 and cannot be put off
                return self._blame(self._chain(cause, 0))
            if raised < 0:
                return times
        return self._blame(self._chain(cause, raised))

    def _chain(self, cause: Sequence[Constraint | None], node: int) -> list[Constraint]:
        """The constraints that raised `node`: a cycle, or a path from a time nothing raised."""
        path: list[Constraint] = []
        seen: dict[int, int] = {}
        while True:
            if node in seen:
                return path[seen[node] :]
            part = cause[node]
            if part is None:
                return path
            seen[node] = len(path)
            path.append(part)
            node = part.later

    def _blame(self, parts: Sequence[Constraint]) -> set[int]:
        for part in parts:
            self.reasons.update(part.clocks)
        return {-1, *(part.level for part in parts)}
