"""Zones: sets of clock valuations in exact dense time, as difference bound matrices.

Owns the representation of a zone and the operations on it; knows clocks only as the numbers
1 .. dim - 1 (0 is the constant zero), nothing of specs, states or transitions.

A zone is a flat tuple of `dim * dim` integers. Entry `i * dim + j` bounds `x_i - x_j` from above
and is `2 * c + 1` for "<= c", `2 * c` for "< c" and INFINITE for "no bound": a larger integer is
always a weaker bound, so inclusion is an entry-wise comparison. Every zone handed in or out is
non-empty and *canonical* (each entry is the tightest that the others imply) and has no negative
clock; an operation that would give the empty set returns None. Clocks that are inactive are not in
a zone at all: whoever follows a run moves zones between state spaces with `moved`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import le

Zone = tuple[int, ...]
# A constraint x_i - x_j (<= or <) c as (i, j, encoded bound).
Constraint = tuple[int, int, int]

INFINITE = 1 << 60
AT_MOST_ZERO = 1  # encoded "<= 0"


def encoded(value: int, strict: bool) -> int:
    """The bound "< value" or "<= value" as one comparable integer."""
    return 2 * value + (0 if strict else 1)


def decoded(bound: int) -> tuple[int, bool]:
    """(value, strict) of a finite encoded bound."""
    return bound >> 1, not bound & 1


def added(left: int, right: int) -> int:
    """The bound of a sum, strict if either is."""
    if INFINITE in (left, right):
        return INFINITE
    return left + right - ((left | right) & 1)


def complement(constraint: Constraint) -> Constraint:
    """The constraint that holds exactly where this (finite) one does not."""
    i, j, bound = constraint
    return (j, i, 1 - bound)


def origin(dim: int) -> Zone:
    """The single valuation in which all clocks are 0."""
    return (AT_MOST_ZERO,) * (dim * dim)


def universe(dim: int) -> Zone:
    """Every valuation without negative clocks."""
    zone = [INFINITE] * (dim * dim)
    for k in range(dim):
        zone[k] = AT_MOST_ZERO
        zone[k * dim + k] = AT_MOST_ZERO
    return tuple(zone)


def included(inner: Zone, outer: Zone) -> bool:
    """Whether every valuation of `inner` is in `outer` (of the same dimension)."""
    return all(map(le, inner, outer))


def intersected(zone: Zone, dim: int, constraints: Iterable[Constraint]) -> Zone | None:
    """The part of `zone` that satisfies all `constraints`."""
    for i, j, bound in constraints:
        at = i * dim + j
        if zone[at] <= bound:
            continue
        back = zone[j * dim + i]
        if back != INFINITE and back + bound - ((back | bound) & 1) < AT_MOST_ZERO:
            return None
        # A shortest path uses the new edge i -> j at most once, so one pass closes the matrix.
        tight = list(zone)
        row = zone[j * dim : j * dim + dim]
        for p in range(dim):
            before = zone[p * dim + i]
            if before == INFINITE:
                continue
            before = before + bound - ((before | bound) & 1)
            base = p * dim
            for q in range(dim):
                after = row[q]
                if after != INFINITE:
                    path = before + after - ((before | after) & 1)
                    if path < tight[base + q]:  # noqa: PLR1730 - `min` costs a call
                        tight[base + q] = path
        zone = tuple(tight)
    return zone


def elapsed(zone: Zone, dim: int, limits: Sequence[Constraint]) -> Zone | None:
    """Everything reached from `zone` by a delay (0 included) that ends within `limits`.

    `limits` are upper bounds (i, 0, bound). The result has only valuations within the limits: a
    part of `zone` that is already beyond one is not in it.
    """
    upper = list(zone)
    for k in range(1, dim):
        upper[k * dim] = INFINITE
    return intersected(tuple(upper), dim, limits)


def preceding(zone: Zone, dim: int) -> Zone:
    """Everything from which some delay (0 included) leads into `zone`."""
    lower = list(zone)
    for k in range(1, dim):
        lower[k] = min(zone[i * dim + k] for i in range(1, dim))  # 0 among them
    return tuple(lower)


def moved(zone: Zone, indices: Sequence[int]) -> Zone:
    """`zone` with its entries gathered from `indices`, as `gather` computed them."""
    return tuple([zone[k] for k in indices])


def gather(dim: int, sources: Sequence[int]) -> tuple[int, ...]:
    """The indices for `moved`: clock k is what clock `sources[k - 1]` was, or 0 where that is 0.

    Dropping clocks and setting clocks to 0 keep a canonical zone canonical, so both are a
    selection.
    """
    kept = (0, *sources)
    return tuple(i * dim + j for i in kept for j in kept)


def extrapolated(zone: Zone, dim: int, maxima: Sequence[int]) -> Zone:
    """`zone` widened so that only finitely many zones exist (without diagonal comparisons).

    `maxima[k]` is the greatest constant that clock k is compared with (`maxima[0]` = 0). The result
    contains, beside `zone`, only valuations that no comparison can ever tell from one in `zone`, so
    every sequence of steps possible from the result is possible from `zone`.
    """
    if all(zone[k * dim] <= 2 * maxima[k] + 1 for k in range(1, dim)):
        return zone  # everything is told apart by some comparison
    beyond = [bool(k) and zone[k] <= -2 * maxima[k] for k in range(dim)]
    wide = list(zone)
    for i in range(1, dim):
        for j in range(dim):
            if i != j and (beyond[i] or beyond[j] or wide[i * dim + j] > 2 * maxima[i] + 1):
                wide[i * dim + j] = INFINITE
    for k in range(1, dim):
        if beyond[k]:
            wide[k] = -2 * maxima[k]
    return zone if wide == list(zone) else closed(wide, dim)


def closed(bounds: Sequence[int], dim: int) -> Zone:
    """The canonical zone of a consistent matrix; ValueError if the matrix is inconsistent."""
    matrix = list(bounds)
    for k in range(dim):
        row = matrix[k * dim : k * dim + dim]
        for i in range(dim):
            before = matrix[i * dim + k]
            if before == INFINITE:
                continue
            base = i * dim
            for j in range(dim):
                matrix[base + j] = min(matrix[base + j], added(before, row[j]))
    if any(matrix[k * dim + k] < AT_MOST_ZERO for k in range(dim)):
        raise ValueError("an inconsistent difference bound matrix has no canonical form")
    return tuple(matrix)


def without(zone: Zone, dim: int, removed: Iterable[Constraint]) -> list[Zone]:
    """`zone` minus the set described by the conjunction `removed`, as disjoint zones."""
    rest: list[Zone] = []
    inside: Zone | None = zone
    for constraint in removed:
        if inside is None:
            break
        outside = intersected(inside, dim, (complement(constraint),))
        if outside is not None:
            rest.append(outside)
        inside = intersected(inside, dim, (constraint,))
    return rest


def minimal(zone: Zone, dim: int) -> tuple[Constraint, ...]:
    """The fewest constraints with the same meaning over all valuations, in a canonical order.

    Nothing is taken for granted: `x >= 0` is among them where the others do not imply it.
    """
    leader = list(range(dim))
    for i in range(dim):
        for j in range(i):
            if added(zone[i * dim + j], zone[j * dim + i]) == AT_MOST_ZERO:
                leader[i] = leader[j]
                break
    kept: list[Constraint] = []
    for first in range(dim):
        group = [k for k in range(dim) if leader[k] == first]
        if len(group) > 1:
            # Clocks at fixed distances: one cycle through them says it all.
            for here, there in zip(group, [*group[1:], group[0]], strict=True):
                kept.append((here, there, zone[here * dim + there]))
    leaders = [k for k in range(dim) if leader[k] == k]
    for i in leaders:
        for j in leaders:
            bound = zone[i * dim + j]
            if i == j or bound == INFINITE:
                continue
            if not any(
                added(zone[i * dim + k], zone[k * dim + j]) <= bound
                for k in leaders
                if k not in (i, j)
            ):
                kept.append((i, j, bound))
    return tuple(sorted(kept))
