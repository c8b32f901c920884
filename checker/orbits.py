"""The reachable graph up to renaming of instances, one orbit after the other.

Owns the search over orbits: of all states that differ only by a renaming the one is visited whose
instances' parts are in order. An orbit has n! / (product of the factorials of how often each part
occurs) states, and each of them has as many transitions as the one visited. What an instance does
is looked up (`checker.parts`), so the cost is that of the orbits themselves; a transition that
looks at several instances is evaluated in every state.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable

from rhscheck.checker.counted import CHECK_EVERY, Count, Stopped, Values
from rhscheck.checker.parts import Parts, Row

_BITS = 20  # for the number of an instance's part within a packed state


class Orbits:
    """All states up to renaming: a shared part, and the parts of the instances in order."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.n = parts.n

    def count(self, limit: int, cancelled: Callable[[], bool]) -> Count | Stopped:
        """The full numbers and those of orbits, of which at most `limit` are visited."""
        known: dict[int, set[int]] = {}
        waiting: dict[int, list[int]] = {}
        orbits = 0

        def reach(shared: int, packed: int) -> None:
            nonlocal orbits
            seen = known.setdefault(shared, set())
            if packed not in seen:
                seen.add(packed)
                waiting.setdefault(shared, []).append(packed)
                orbits += 1

        for state in self.parts.stepper.initial():
            shared, own = self.parts.numbered(state)
            reach(shared, _pack(own))
        visited = states = transitions = orbit_transitions = 0
        n, mask = self.n, (1 << _BITS) - 1
        shifts = [_BITS * k for k in range(n - 1, -1, -1)]
        permutations = math.factorial(n)
        while waiting:
            shared, batch = waiting.popitem()
            seen = known[shared]
            # What stays with this shared part is found without leaving the loop.
            while batch:
                packed = batch.pop()
                visited += 1
                if orbits > limit:
                    return Stopped(f"there are more than {limit} orbits", visited)
                if len(self.parts.own.tuples) > mask:
                    return Stopped(f"an instance has more than {mask} states", visited)
                if visited % CHECK_EVERY == 0 and cancelled():
                    return Stopped("cancelled", visited)
                parts = [packed >> shift & mask for shift in shifts]
                size, run = permutations, 1
                number = 0
                rows = []
                for k, part in enumerate(parts):
                    row = self.parts.rows.get((shared, part)) or self.parts.row(shared, part)
                    rows.append(row)
                    number += row.count
                    if k and part == parts[k - 1]:
                        run += 1
                        size //= run
                        continue  # what equal instances do is the same up to renaming
                    run = 1
                    rest = parts[:k] + parts[k + 1 :]
                    if row.inside:
                        # `rest` packed with a gap in each place where a part may be put in order.
                        gaps = [
                            sum(other << shifts[q + (q >= gap)] for q, other in enumerate(rest))
                            for gap in range(n)
                        ]
                        for after in row.inside:
                            gap = bisect_left(rest, after)
                            new = gaps[gap] | after << shifts[gap]
                            if new not in seen:
                                seen.add(new)
                                batch.append(new)
                                orbits += 1
                    for shared_after, after in row.outside:
                        reach(shared_after, _pack([*rest, after]))
                number += self.together(shared, parts, rows, reach)
                states += size
                transitions += size * number
                orbit_transitions += number
        unit = self.parts.stepper.unit if self.parts.stepper.timed else None
        return Count(n, states, transitions, orbits, orbit_transitions, unit)

    def together(
        self,
        shared: int,
        parts: list[int],
        rows: list[Row],
        reach: Callable[[int, int], None],
    ) -> int:
        """Take the steps that concern more than one part. Returns how many transitions they are."""
        shared_row = self.parts.shared_row(shared, parts[0])
        for shared_after in shared_row.outside:
            reach(shared_after, _pack(parts))
        triples: set[tuple[object, int, tuple[int, ...]]] = set()
        for at, shared_after in shared_row.special:
            after = [self.parts.effect(at, shared, None, part) for part in parts]
            triples.add((self.parts.stepper.events[at], shared_after, tuple(after)))
        for k, row in enumerate(rows):
            for at, shared_after, own_after in row.special:
                after = list(parts)
                if self.parts.others[at]:
                    for other in range(self.n):
                        if other != k:
                            after[other] = self.parts.effect(at, shared, parts[k], parts[other])
                after[k] = own_after
                triples.add((self.parts.event(at, k + 1), shared_after, tuple(after)))
        later: Values | None = None
        if self.parts.general or (self.parts.stepper.timed and not self.parts.local_clocks):
            state = self.parts.state(shared, parts)
            for at in self.parts.general:
                then = self.parts.stepper.fire(at, state)
                if then is not None:
                    triples.add((self.parts.stepper.events[at], *self.parts.numbered(then)))
            if self.parts.stepper.timed and not self.parts.local_clocks:
                later = self.parts.stepper.tick(state)
        for _, shared_after, parts_after in triples:
            reach(shared_after, _pack(parts_after))
        number = shared_row.count + len(triples)
        if later is not None:
            shared_after, parts_after = self.parts.numbered(later)
            reach(shared_after, _pack(parts_after))
            return number + 1
        ticks = [row.later for row in rows if row.later is not None]
        if len(ticks) == len(rows):
            reach(ticks[0][0], _pack([after for _, after in ticks]))
            return number + 1
        return number


def _pack(parts: Iterable[int]) -> int:
    """The parts in order, as one number."""
    packed = 0
    for part in sorted(parts):
        packed = packed << _BITS | part
    return packed
