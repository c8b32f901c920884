"""The size of the reachable graph as a union of products.

Owns counting without visiting. Where each transition is decided by the shared part and at most one
instance's own part, the states with a given shared part are a union of *boxes*: one set of parts
for each instance, all combinations reachable. Steps of one instance that leave the shared part
alone only make its set larger; any other step maps a box to a box, exactly: the stepping instance's
set to its image, the others' sets to what the step makes of each part. So a few boxes stand for any
number of states. Boxes that differ in one set are joined, boxes inside others dropped.

To count, the parts are divided into classes that no box tells apart; a choice of one class for each
instance is reachable as a whole or not at all, and its states, orbits and transitions follow from
the sizes of the classes. Sets of parts are integers, bit k for part k.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from rhscheck.checker.counted import CHECK_EVERY, Count, Stopped
from rhscheck.checker.explore import never
from rhscheck.checker.parts import Parts, Row

Box = tuple[int, ...]  # a set of parts for each instance, in numeric order
MOST_BOXES = 5_000
MOST_CHOICES = 2_000_000


@dataclass(frozen=True, slots=True)
class Unsuitable:
    """The graph is no small union of products, or its transitions cannot be told apart locally."""

    reason: str


class _NotLocalError(Exception):
    """Met a transition whose triples cannot be counted part by part."""


class _EndedError(Exception):
    """The search has to end before everything is reached."""


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Where one instance's set goes when its shared part changes, or others change with it.

    `plain`: by the shared part afterwards. `broadcast`: (transition, a part that stands for those
    whose step has the same effect on others, shared part afterwards, image).
    """

    plain: tuple[tuple[int, int], ...]
    broadcast: tuple[tuple[int, int, int, int], ...]


class Boxes:
    """The boxes for each shared part."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.n = parts.n
        self.limit = 0
        self.cancelled: Callable[[], bool] = never
        self.boxes: dict[int, list[Box]] = {}
        self.waiting: list[tuple[int, Box]] = []
        self.closures: dict[tuple[int, int], int] = {}
        self.departures: dict[tuple[int, int], _Leaving] = {}
        self.mapped: dict[tuple[int, int, int | None, int], int] = {}
        self.looked_at = {at: parts.read_for_others(at) for at in parts.by_one}

    def count(self, limit: int, cancelled: Callable[[], bool]) -> Count | Unsuitable | Stopped:
        """The full numbers and those up to renaming. `limit`: of distinct (shared, own) parts."""
        self.limit, self.cancelled = limit, cancelled
        parts = self.parts
        if parts.general or not parts.local_clocks:
            return Unsuitable("a transition looks at several instances")
        if not all(parts.names_owner(at) for at in parts.by_one):
            return Unsuitable("an event does not say whose it is")
        try:
            for state in parts.stepper.initial():
                shared, own = parts.numbered(state)
                self.reach(shared, [1 << part for part in own])
            while self.waiting:
                shared, box = self.waiting.pop()
                if box not in self.boxes[shared]:
                    continue  # joined with another one since
                if sum(map(len, self.boxes.values())) > MOST_BOXES:
                    return Unsuitable(f"more than {MOST_BOXES} products")
                self.follow(shared, box)
            return self.total()
        except _NotLocalError as reason:
            return Unsuitable(str(reason))
        except _EndedError as reason:
            return Stopped(str(reason), len(parts.rows))

    # ---- reaching --------------------------------------------------------------------------------
    def reach(self, shared: int, sets: Iterable[int]) -> None:
        """Add a box, closed under what each instance can do alone."""
        sets = list(sets)
        if not all(sets):
            return
        box = tuple(sorted(self.closed(shared, some) for some in sets))
        known = self.boxes.setdefault(shared, [])
        while True:
            if any(_inside(box, other) for other in known):
                return
            known[:] = [other for other in known if not _inside(other, box)]
            for other in known:
                joined = _joined(box, other)
                if joined is not None:
                    known.remove(other)
                    box = joined
                    break
            else:
                break
        known.append(box)
        self.waiting.append((shared, box))

    def closed(self, shared: int, some: int) -> int:
        """Everything one instance can get to from `some` while the shared part stays."""
        known = self.closures.get((shared, some))
        if known is not None:
            return known
        found, waiting = some, _members(some)
        while waiting:
            part = waiting.pop()
            row = self.parts.rows.get((shared, part)) or self.new_row(shared, part)
            after = list(row.inside)
            after += [
                own for at, s, own in row.special if s == shared and not self.parts.others[at]
            ]
            for own in after:
                if not found >> own & 1:
                    found |= 1 << own
                    waiting.append(own)
        self.closures[shared, some] = found
        return found

    def new_row(self, shared: int, part: int) -> Row:
        """What an instance can do, looked at for the first time."""
        rows = len(self.parts.rows)
        if rows >= self.limit:
            raise _EndedError(f"there are more than {self.limit} local states")
        if rows % CHECK_EVERY == 0 and self.cancelled():
            raise _EndedError("cancelled")
        return self.parts.row(shared, part)

    def follow(self, shared: int, box: Box) -> None:
        """Add the boxes one step away."""
        for at, shared_after in self.shared_moves(shared, box):
            if at is None or not self.parts.others[at]:
                self.reach(shared_after, box)
            else:
                self.reach(shared_after, [self.image(at, shared, None, some) for some in box])
        for k, mine in enumerate(box):
            if k and box[k - 1] == mine:
                continue
            rest = box[:k] + box[k + 1 :]
            leaving = self.leaving(shared, mine)
            for shared_after, after in leaving.plain:
                self.reach(shared_after, [*rest, after])
            for at, one, shared_after, after in leaving.broadcast:
                others = [self.image(at, shared, one, some) for some in rest]
                self.reach(shared_after, [*others, after])
        later = [self.ticked(shared, some) for some in box]
        shared_later = [ticked[0] for ticked in later if ticked is not None]
        if len(shared_later) == self.n:
            self.reach(shared_later[0], [ticked[1] for ticked in later if ticked is not None])

    def shared_moves(self, shared: int, box: Box) -> list[tuple[int | None, int]]:
        """(transition or None, shared part afterwards) of the steps of no instance."""
        row = self.parts.shared_row(shared, _members(box[0])[0])
        seen = Counter((self.parts.stepper.events[at], after) for at, after in row.special)
        if any(number > 1 for number in seen.values()):
            raise _NotLocalError("two transitions with the same event may have the same effect")
        return [(None, after) for after in row.outside] + list(row.special)

    def leaving(self, shared: int, mine: int) -> _Leaving:
        """What the steps of an instance with a part in `mine` do, if not only to its own part."""
        known = self.departures.get((shared, mine))
        if known is not None:
            return known
        plain: dict[int, int] = {}
        broadcast: dict[tuple[int, int, tuple[int, ...]], tuple[int, int]] = {}
        for part in _members(mine):
            row = self.parts.rows[shared, part]
            for shared_after, after in row.outside:
                plain[shared_after] = plain.get(shared_after, 0) | 1 << after
            for at, shared_after, after in row.special:
                if not self.parts.others[at]:
                    if shared_after != shared:
                        plain[shared_after] = plain.get(shared_after, 0) | 1 << after
                    continue
                values = self.parts.own.tuples[part]
                key = (at, shared_after, tuple(values[k] for k in self.looked_at[at]))
                one, image = broadcast.get(key, (part, 0))
                broadcast[key] = (one, image | 1 << after)
        known = self.departures[shared, mine] = _Leaving(
            tuple(sorted(plain.items())),
            tuple(
                (at, one, shared_after, image)
                for (at, shared_after, _), (one, image) in sorted(broadcast.items())
            ),
        )
        return known

    def image(self, at: int, shared: int, one: int | None, some: int) -> int:
        """What a transition (of an instance with part `one`, or of none) makes of others' parts."""
        key = (at, shared, one, some)
        known = self.mapped.get(key)
        if known is None:
            known = 0
            for part in _members(some):
                known |= 1 << self.parts.effect(at, shared, one, part)
            self.mapped[key] = known
        return known

    def ticked(self, shared: int, some: int) -> tuple[int, int] | None:
        """The shared part and the set a tick later, None if no part of it lets time pass."""
        later = [self.parts.rows[shared, part].later for part in _members(some)]
        passed = [ticked for ticked in later if ticked is not None]
        return (passed[0][0], _set(part for _, part in passed)) if passed else None

    # ---- counting --------------------------------------------------------------------------------
    def total(self) -> Count | Unsuitable:
        """The numbers, once all boxes are known."""
        states = transitions = orbits = orbit_transitions = 0
        for shared, boxes in sorted(self.boxes.items()):
            classes = self.classes(shared, boxes)
            if math.comb(len(classes) + self.n - 1, self.n) > MOST_CHOICES:
                return Unsuitable("the products have too little in common")
            sizes = [some.bit_count() for some in classes]
            moves = [sum(self.moves(shared, part) for part in _members(some)) for some in classes]
            ticks = [
                self.parts.rows[shared, _members(some)[0]].later is not None for some in classes
            ]
            row = self.parts.shared_row(shared, _members(classes[0])[0])
            alone = row.count + len(row.special)
            inside = [
                [[some & whole == some for whole in box] for some in classes] for box in boxes
            ]
            for choice in combinations_with_replacement(range(len(classes)), self.n):
                if not any(_matched([fits[k] for k in choice]) for fits in inside):
                    continue
                often = Counter(choice)
                arrangements = math.factorial(self.n)
                here = 1
                for k, times in often.items():
                    arrangements //= math.factorial(times)
                    here *= math.comb(sizes[k] + times - 1, times)
                full = arrangements * math.prod(sizes[k] for k in choice)
                each = alone + all(ticks[k] for k in choice)
                # On average over a class, its members have moves / size transitions of their own.
                states += full
                orbits += here
                transitions += full * each
                orbit_transitions += here * each
                for k, times in often.items():
                    transitions += full * times * moves[k] // sizes[k]
                    orbit_transitions += here * times * moves[k] // sizes[k]
        unit = self.parts.stepper.unit if self.parts.stepper.timed else None
        return Count(self.n, states, transitions, orbits, orbit_transitions, unit)

    def classes(self, shared: int, boxes: Sequence[Box]) -> list[int]:
        """The parts that occur, divided where the boxes, and the passing of time, divide them."""
        whole = 0
        for box in boxes:
            for some in box:
                whole |= some
        ticking = _set(
            part for part in _members(whole) if self.parts.rows[shared, part].later is not None
        )
        classes = [whole]
        for some in dict.fromkeys([ticking, *(some for box in boxes for some in box)]):
            split = [piece for old in classes for piece in (old & some, old & ~some)]
            classes = [piece for piece in split if piece]
        return classes

    def moves(self, shared: int, part: int) -> int:
        """How many transitions an instance with this part has of its own."""
        row = self.parts.rows[shared, part]
        seen = Counter((self.parts.stepper.events[at], s, after) for at, s, after in row.special)
        for at, s, after in row.special:
            if self.parts.others[at] and seen[self.parts.stepper.events[at], s, after] > 1:
                raise _NotLocalError("two transitions with the same event may have the same effect")
        return row.count + len(seen)


# ---- sets and boxes ------------------------------------------------------------------------------
def _members(some: int) -> list[int]:
    return [at for at, bit in enumerate(reversed(f"{some:b}")) if bit == "1"]


def _set(parts: Iterable[int]) -> int:
    found = 0
    for part in parts:
        found |= 1 << part
    return found


def _inside(inner: Box, outer: Box) -> bool:
    """Whether some renaming puts all of `inner` into `outer`."""
    return _matched([[small & big == small for big in outer] for small in inner])


def _joined(left: Box, right: Box) -> Box | None:
    """The union of two boxes that differ in one set only, None for others."""
    mine, its = Counter(left), Counter(right)
    if sum((mine - its).values()) != 1:
        return None
    (one,), (other,) = (mine - its), (its - mine)
    return tuple(sorted([*(mine & its).elements(), one | other]))


def _matched(fits: Sequence[Sequence[bool]]) -> bool:
    """Whether the rows can be given different columns that fit them."""
    taken: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in tried:
                tried.add(column)
                if column not in taken or place(taken[column], tried):
                    taken[column] = row
                    return True
        return False

    return all(any(fits[row]) for row in range(len(fits))) and all(
        place(row, set()) for row in range(len(fits))
    )
