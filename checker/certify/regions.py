"""Sets of clock values for the referee: conjunctions of differences, and what they leave of others.

Owns its arithmetic alone: it must not share code with the zones of the engines, whose work it
judges. Slow and small on purpose. A region speaks of named clocks; inactive clocks have no name in
it, since they are 0.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

ZERO: Hashable = ""  # the clock that is always 0
# x - y <= bound, or < bound where strict: (x, y, bound, strict).
Difference = tuple[Hashable, Hashable, int, bool]
_Bound = tuple[int, int]  # (value, 0 if strict else 1): a greater one is weaker


@dataclass(frozen=True, slots=True)
class Region:
    """The clock values with all `bounds` (pairs without one are unbounded), in closed form."""

    clocks: tuple[Hashable, ...]
    bounds: dict[tuple[Hashable, Hashable], _Bound]

    def within(self, other: Region) -> bool:
        """Whether every value is in `other` (over the same clocks)."""
        return all(
            pair in self.bounds and self.bounds[pair] <= bound
            for pair, bound in other.bounds.items()
        )

    def differences(self) -> Iterator[Difference]:
        """Constraints that say the same."""
        for (x, y), (value, weak) in self.bounds.items():
            yield (x, y, value, not weak)


def region(clocks: Sequence[Hashable], given: Iterable[Difference]) -> Region | None:
    """The values of `clocks`, none negative, with all `given` differences; None if there are none.

    A difference over a clock that is not among `clocks` speaks of one that is 0.
    """
    places = (ZERO, *clocks)
    known = set(places)
    bounds: dict[tuple[Hashable, Hashable], _Bound] = {(ZERO, clock): (0, 1) for clock in clocks}
    for left, right, value, strict in given:
        x = left if left in known else ZERO
        y = right if right in known else ZERO
        bound = (value, 0 if strict else 1)
        if x == y:
            if bound < (0, 1):
                return None
        elif (x, y) not in bounds or bound < bounds[(x, y)]:
            bounds[(x, y)] = bound
    # Shortest paths; a cycle below zero leaves nothing.
    for through in places:
        for x in places:
            first = bounds.get((x, through))
            if first is None:
                continue
            for y in places:
                second = bounds.get((through, y))
                if second is None or through in (x, y):
                    continue
                total = (first[0] + second[0], min(first[1], second[1]))
                if x == y:
                    if total < (0, 1):
                        return None
                elif (x, y) not in bounds or total < bounds[(x, y)]:
                    bounds[(x, y)] = total
    return Region(tuple(clocks), bounds)


def limited(one: Region, given: Iterable[Difference]) -> Region | None:
    """The part of a region with all `given` differences; None for nothing."""
    return region(one.clocks, (*one.differences(), *given))


def later(one: Region) -> Region:
    """What the values become when time passes, for any time: all clocks run."""
    found = region(one.clocks, (d for d in one.differences() if d[1] != ZERO))
    if found is None:
        raise AssertionError("time leaves no clock values")
    return found


def restarted(one: Region, kept: Iterable[Hashable], clocks: Sequence[Hashable]) -> Region:
    """The values over `clocks` when those in `kept` go on and all others start at 0."""
    going = set(kept)
    old = [
        d
        for d in one.differences()
        if (d[0] == ZERO or d[0] in going) and (d[1] == ZERO or d[1] in going)
    ]
    new: list[Difference] = [(clock, ZERO, 0, False) for clock in clocks if clock not in going]
    found = region(clocks, [*old, *new])
    if found is None:
        raise AssertionError("a step leaves no clock values")
    return found


def covered(one: Region, others: Sequence[Region]) -> bool:
    """Whether every value of a region is in one of `others` (all over the same clocks)."""
    left = [one]
    for other in others:
        if any(part.within(other) for part in left):
            left = [part for part in left if not part.within(other)]
        left = [piece for part in left for piece in _outside(part, other)]
        if not left:
            return True
    return not left


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
