"""Sets of clock values for the referee: conjunctions of differences, and what they leave of others.

Owns its arithmetic alone: it must not share code with the zones of the engines, whose work it
judges. Clocks are numbers from 1 on; inactive clocks are not in a region, since they are 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

ZERO: Final = 0  # the clock that is always 0
# x - y <= bound, or < bound where strict: (x, y, bound, strict).
Difference = tuple[int, int, int, bool]
_Bound = tuple[int, int]  # (value, 0 if strict else 1): a greater one is weaker
_AT_MOST_ZERO: _Bound = (0, 1)
_Bounds = dict[tuple[int, int], _Bound]


@dataclass(frozen=True, slots=True)
class Region:
    """The values of `clocks` with all `bounds`; a pair without one is unbounded.

    Never empty, and closed: every bound is the tightest that the others imply.
    """

    clocks: tuple[int, ...]
    bounds: _Bounds

    def within(self, other: Region) -> bool:
        """Whether every value is in `other` (over the same clocks)."""
        mine = self.bounds
        return all(pair in mine and mine[pair] <= bound for pair, bound in other.bounds.items())

    def differences(self) -> Iterator[Difference]:
        """Constraints that say the same."""
        for (x, y), (value, weak) in self.bounds.items():
            yield (x, y, value, not weak)


def region(clocks: Sequence[int], given: Iterable[Difference]) -> Region | None:
    """The values of `clocks`, none negative, with all `given` differences; None if there are none.

    A difference over a clock that is not among `clocks` speaks of one that is 0.
    """
    anything = Region(tuple(clocks), {(ZERO, clock): _AT_MOST_ZERO for clock in clocks})
    # Closed: a pair of clocks is unbounded, and so is each one from above.
    return limited(anything, given)


def limited(one: Region, given: Iterable[Difference]) -> Region | None:
    """The part of a region with all `given` differences; None for nothing."""
    places = (ZERO, *one.clocks)
    bounds: _Bounds | None = None
    for left, right, value, strict in given:
        x = left if left in places else ZERO
        y = right if right in places else ZERO
        new = (value, 0 if strict else 1)
        if x == y:
            if new < _AT_MOST_ZERO:
                return None
            continue
        known = one.bounds if bounds is None else bounds
        old = known.get((x, y))
        if old is not None and old <= new:
            continue
        back = known.get((y, x))
        if back is not None and _sum(back, new) < _AT_MOST_ZERO:
            return None
        bounds = _tightened(dict(known), places, x, y, new)
    return one if bounds is None else Region(one.clocks, bounds)


def _tightened(bounds: _Bounds, places: tuple[int, ...], x: int, y: int, new: _Bound) -> _Bounds:
    """Closed `bounds` with one more; a shortest path uses the new one at most once."""
    into = [(u, new if u == x else _sum(bounds[u, x], new))
            for u in places if u == x or (u, x) in bounds]  # fmt: skip
    for u, first in into:
        for v in places:
            if u == v:
                continue
            if v == y:
                total = first
            elif (y, v) in bounds:
                total = _sum(first, bounds[y, v])
            else:
                continue
            old = bounds.get((u, v))
            if old is None or total < old:
                bounds[u, v] = total
    return bounds


def _sum(one: _Bound, other: _Bound) -> _Bound:
    return (one[0] + other[0], one[1] & other[1])


def later(one: Region) -> Region:
    """What the values become when time passes, for any time: all clocks run."""
    # Upper bounds alone go; no difference of two clocks was implied by them only.
    return Region(one.clocks, {pair: b for pair, b in one.bounds.items() if pair[1] != ZERO})


def restarted(one: Region, kept: Collection[int], clocks: tuple[int, ...]) -> Region:
    """The values over `clocks` when those in `kept` go on and all others start at 0."""
    if clocks == one.clocks and len(kept) == len(clocks):
        return one
    # Where a clock's values come from: a clock of before, or the one that is 0.
    origin = {ZERO: ZERO, **{clock: clock if clock in kept else ZERO for clock in clocks}}
    bounds: _Bounds = {}
    for x, before_x in origin.items():
        for y, before_y in origin.items():
            if x == y:
                continue
            if before_x == before_y:
                bounds[x, y] = _AT_MOST_ZERO
            elif (before_x, before_y) in one.bounds:
                bounds[x, y] = one.bounds[before_x, before_y]
    return Region(clocks, bounds)


def covered(one: Region, others: Sequence[Region]) -> bool:
    """Whether every value of a region is in one of `others` (all over the same clocks)."""
    if any(one.within(other) for other in others):
        return True
    left = [one]
    for other in others:
        left = [piece for part in left for piece in _outside(part, other)]
        if not left:
            return True
    return False


def _outside(one: Region, other: Region) -> Iterator[Region]:
    """The part of `one` that is not in `other`, in pieces."""
    rest: Region | None = one
    for x, y, value, strict in other.differences():
        if rest is None:
            return
        piece = limited(rest, ((y, x, -value, not strict),))
        if piece is not None:
            yield piece
            rest = limited(rest, ((x, y, value, strict),))
