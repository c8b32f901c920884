"""Inductive invariants as data: which discrete states, and in each which zones of clock values.

Owns the shape that engines hand over as a proof and its compression into a shared decision diagram.
Knows no solver and no System: slots and clocks are positions. `checker.recheck` judges an
invariant, so nothing here needs to be trusted.

The diagram is a multi-valued decision DAG over the slots with hash-consed nodes: thousands of
discrete states of a product of nearly independent machines become a few hundred nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

# (i, j, bound, strict): x_i - x_j <= bound (or < where strict). i and j are positions in
# Invariant.tracked plus 1; 0 is the clock that is always 0. Bounds are in the System's unit.
Constraint = tuple[int, int, int, bool]
Zone = tuple[Constraint, ...]  # a conjunction; () is "any clock values"
Cell = tuple[tuple[int, ...], tuple[Zone, ...]]
_ORDERING_SAMPLE = 500  # cells, evenly spread, to choose an order of the slots by


@dataclass(frozen=True)
class Invariant:
    """The states whose values are those of a cell and whose clocks lie in one of its zones.

    `tracked`: the clock positions (in Ground.clocks) that the zones speak of. `cells`: distinct
    value tuples, one value a slot of the Ground; a cell without tracked clocks has the single
    zone `()`. Repeated value tuples mean the union of their zones.
    """

    tracked: tuple[int, ...]
    cells: tuple[Cell, ...]

    @cached_property
    def diagram(self) -> Diagram:
        """The cells as a decision diagram, with the slots in an order that keeps it small."""
        stride = max(1, len(self.cells) // _ORDERING_SAMPLE)
        sample = [values for values, _ in self.cells[::stride]]
        return diagram(self.cells, slot_order(sample) or None)


@dataclass(frozen=True, slots=True)
class Node:
    """A choice on one slot: (values, child) per distinct child, ordered by the least value.

    A child >= 0 is a position in Diagram.nodes, a child < 0 the leaf `-1 - child`. A value that no
    branch names is outside the set.
    """

    slot: int
    branches: tuple[tuple[tuple[int, ...], int], ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """A set of (discrete state, zone union). Children come before parents; no `root`: empty."""

    nodes: tuple[Node, ...]
    leaves: tuple[tuple[Zone, ...], ...]
    root: int | None


def slot_order(rows: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """An order of the slots that keeps the diagram small, judged on `rows` alone.

    Each next slot is the one with the fewest distinct combinations together with those already
    chosen. Slots that depend on each other so become neighbours, and the width of the diagram at a
    level never exceeds the number of combinations above it.
    """
    if not rows:
        return ()
    columns = list(zip(*rows, strict=True))
    classes = [0] * len(rows)  # which combination of chosen values a row has
    left = list(range(len(columns)))
    order: list[int] = []
    while left:
        best, best_size = left[0], -1
        for slot in left:
            size = len(set(zip(classes, columns[slot], strict=True)))
            if best_size < 0 or size < best_size:
                best, best_size = slot, size
        numbers: dict[tuple[int, int], int] = {}
        classes = [
            numbers.setdefault(pair, len(numbers))
            for pair in zip(classes, columns[best], strict=True)
        ]
        order.append(best)
        left.remove(best)
        if best_size == len(rows):  # every row told apart: the rest cannot branch above
            order.extend(left)
            break
    return tuple(order)


def diagram(cells: Sequence[Cell], order: Sequence[int] | None = None) -> Diagram:
    """The decision diagram of `cells`; slots are asked in `order` (default: their own order).

    Raises ValueError where value tuples differ in length or `order` is no permutation of the slots.
    """
    if not cells:
        return Diagram((), (), None)
    width = len(cells[0][0])
    order = tuple(range(width)) if order is None else tuple(order)
    if sorted(order) != list(range(width)) or any(len(values) != width for values, _ in cells):
        raise ValueError("every cell needs one value a slot, and `order` every slot once")
    unions: dict[tuple[int, ...], dict[Zone, None]] = {}
    for values, zones in cells:
        if zones:
            unions.setdefault(values, {}).update(dict.fromkeys(zones))
    if not unions:
        return Diagram((), (), None)
    rows = sorted(unions, key=lambda values: [values[slot] for slot in order])
    # The prefixes of the rows, numbered level by level: (number of the shorter prefix, last value).
    prefixes: list[list[tuple[int, int]]] = []
    numbers = [0] * len(rows)
    for slot in order:
        known: dict[tuple[int, int], int] = {}
        numbers = [
            known.setdefault((number, values[slot]), len(known))
            for number, values in zip(numbers, rows, strict=True)
        ]
        prefixes.append(list(known))
    leaves: dict[tuple[Zone, ...], int] = {}
    below = [-1 - leaves.setdefault(tuple(sorted(unions[row])), len(leaves)) for row in rows]
    nodes: dict[Node, int] = {}
    for level in range(width - 1, -1, -1):
        groups: dict[int, dict[int, list[int]]] = {}
        for (shorter, value), child in zip(prefixes[level], below, strict=True):
            groups.setdefault(shorter, {}).setdefault(child, []).append(value)
        below = [
            nodes.setdefault(Node(order[level], _branches(children)), len(nodes))
            for children in groups.values()  # prefixes were numbered in the order of the rows
        ]
    return Diagram(tuple(nodes), tuple(leaves), below[0])


def _branches(children: dict[int, list[int]]) -> tuple[tuple[tuple[int, ...], int], ...]:
    return tuple(sorted((tuple(sorted(values)), child) for child, values in children.items()))
