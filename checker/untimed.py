"""The search over discrete states, without clocks: `checker.explore` with nothing tracked."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from rhscheck.checker.exploration import Cells, Values
from rhscheck.checker.search import Search
from rhscheck.spec.expr import disj
from rhscheck.spec.semantics import initial_states
from rhscheck.spec.system import TIME


class Untimed(Search):
    """Discrete states only: a node is a state."""

    def cells(self) -> Cells:
        """Nothing: no clock is tracked."""
        return {}

    def run(self) -> str | None:
        """Visit everything, in canonical order. Returns why that was not possible, or None."""
        successors = self.compiled.successors_untimed
        values, parents, positions, taken = self.values, self.parents, self.positions, self.taken
        known: set[Values] = set()
        self.retarget()
        layer: list[list[int]] = [[]]
        for state in initial_states(self.ground):
            known.add(state.values)
            layer[0].append(self.record(state.values, -1, -1))
            if self.is_goal(state.values):
                self.meet(layer[0][-1])
        deadlines = self.ground.deadlines
        urgent = {at for at, deadline in enumerate(deadlines) if deadline.clock is None}
        visited = 0
        while layer:
            following: list[list[int]] = []
            for group in layer:
                found: list[tuple[int, int, Values]] = []
                for node in group:
                    visited += 1
                    reason = self.ended(visited)
                    if reason is not None:
                        return reason
                    moves = successors(values[node])
                    if urgent:
                        self.examine(node, moves, urgent)
                    found += [(position, node, after) for position, after in moves]
                if len(group) > 1:
                    # Same transitions so far: the next one ranks before the initial state.
                    found.sort(key=itemgetter(0))
                last = -1
                for position, node, after in found:
                    taken[position] = True
                    if after in known:
                        continue
                    known.add(after)
                    values.append(after)
                    parents.append(node)
                    positions.append(position)
                    new = len(values) - 1
                    if position != last:
                        following.append([])
                        last = position
                    following[-1].append(new)
                    if self.is_goal(after):
                        self.meet(new)
            layer = following
            self.depth += 1
        return None

    def retarget(self) -> None:
        """One test for all goals still missing."""
        parts = [discrete for goal in self.missing.values() for discrete, _, _ in goal]
        self.is_goal = self.compiled.predicate(disj(parts))

    def meet(self, node: int) -> None:
        """`node` satisfies a goal."""
        for name, parts in list(self.missing.items()):
            if any(holds(self.values[node]) for _, holds, _ in parts):
                self.found[name] = node
                del self.missing[name]
        self.retarget()

    def examine(self, node: int, moves: Sequence[tuple[int, Values]], urgent: set[int]) -> None:
        """Look for deadlines that forbid any delay here."""
        due = [at for at in self.compiled.active_deadlines(self.values[node]) if at in urgent]
        if not due:
            return
        owners = {self.ground.deadlines[at].owner for at in due} | {TIME}
        # A step that may depend on a clock is not counted on.
        actors = [
            self.ground.transitions[position].actor
            for position, _ in moves
            if any(
                counts and alternative.guard(self.values[node])
                for counts, alternative in zip(
                    self.counts[position], self.compiled.alternatives[position], strict=True
                )
            )
        ]
        for at in due:
            self.report(
                at,
                node,
                timelock=not actors,
                forced=bool(actors) and not any(actor in owners for actor in actors),
            )
