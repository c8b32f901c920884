"""The regions of clocks, each told by one state in its middle, and which ways take time.

States are those of `spec.semantics`; nothing is projected, abstracted or woven in (Alur and Dill,
"A theory of timed automata", 1994). No differences of clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from rhscheck.spec.alternatives import clock_atoms
from rhscheck.spec.expr import ClockCmp, ClockDiff
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import State, delay_bound, elapse, evaluate

_Node = TypeVar("_Node")


class Regions:
    """The regions of one Ground."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.greatest = [0] * len(ground.clocks)
        for transition in ground.transitions:
            for atom in clock_atoms(transition.guard):
                assert not isinstance(atom, ClockDiff)
                self._atom(atom)
        for deadline in ground.deadlines:
            if deadline.clock is not None:
                at = deadline.clock
                self.greatest[at] = max(self.greatest[at], deadline.bound)

    def _atom(self, atom: ClockCmp) -> None:
        at = self.ground.clock_of[atom.clock, atom.index]  # type: ignore[index]
        self.greatest[at] = max(self.greatest[at], atom.bound)

    def running(self, state: State) -> list[bool]:
        return [bool(evaluate(c.active, self.ground, state)) for c in self.ground.clocks]

    def middle(self, state: State) -> State:
        """The chosen state of the region of `state`."""
        on = self.running(state)
        inside = [
            at for at, time in enumerate(state.clocks) if on[at] and time <= self.greatest[at]
        ]
        parts = sorted({Fraction(state.clocks[at]) % 1 for at in inside} | {Fraction(0)})
        clocks: list[Fraction] = []
        for at, time in enumerate(state.clocks):
            if not on[at]:
                clocks.append(Fraction(0))
            elif at in inside:
                rank = parts.index(Fraction(time) % 1)
                clocks.append(Fraction(int(time)) + Fraction(rank, len(parts)))
            else:
                clocks.append(Fraction(self.greatest[at] + 1))
        return State(state.values, tuple(clocks))

    def later(self, state: State) -> State | None:
        """The next region in time; itself where nothing changes any more; None: time stops."""
        on = self.running(state)
        parts = [
            Fraction(time) % 1
            for at, time in enumerate(state.clocks)
            if on[at] and time <= self.greatest[at]
        ]
        if not parts:
            delay = Fraction(1)
        elif 0 in parts:
            delay = (1 - max(parts)) / 2
        else:
            delay = 1 - max(parts)
        if not delay_bound(self.ground, state).allows(delay):
            return None
        return self.middle(elapse(self.ground, state, delay))

    def diverges(self, states: Iterable[State]) -> bool:
        """Whether time does along a way that goes through all of these again and again, and waits.

        Each clock is 0 again and again, or stands still, or is beyond its constants.
        """
        looked = list(states)
        return all(
            any(
                not self.running(state)[at] or state.clocks[at] == 0 or state.clocks[at] > greatest
                for state in looked
            )
            for at, greatest in enumerate(self.greatest)
        )


def strong_parts(edges: Mapping[_Node, Sequence[tuple[int, _Node]]]) -> list[set[_Node]]:
    """The strongly connected parts with at least one edge (Kosaraju)."""
    order: list[_Node] = []
    seen: set[_Node] = set()
    for root, first in edges.items():
        if root in seen:
            continue
        seen.add(root)
        stack: list[tuple[_Node, Iterator[tuple[int, _Node]]]] = [(root, iter(first))]
        while stack:
            node, following = stack[-1]
            for _, target in following:
                if target not in seen:
                    seen.add(target)
                    stack.append((target, iter(edges[target])))
                    break
            else:
                order.append(node)
                stack.pop()
    back: dict[_Node, list[_Node]] = {node: [] for node in edges}
    for node, out in edges.items():
        for _, target in out:
            back[target].append(node)
    parts: list[set[_Node]] = []
    placed: set[_Node] = set()
    for root in reversed(order):
        if root in placed:
            continue
        part = {root}
        placed.add(root)
        queue = [root]
        while queue:
            for node in back[queue.pop()]:
                if node not in placed:
                    placed.add(node)
                    part.add(node)
                    queue.append(node)
        if any(target in part for node in part for _, target in edges[node]):
            parts.append(part)
    return parts
