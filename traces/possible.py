"""Sets of possible states, made once and remembered: the subset construction with time.

A `Node` is a set of states at one moment, or in the open stretch of time after one. No times are in
it: a clock's value is known by the *moments* between which it started, and all a node knows of a
moment is how far its age has come among the constants it will be compared with. So one node serves
every resource of every trace that gets into the same situation, and what an event does to it is
worked out once. The times of the moments are kept by whoever follows a run (`traces.follow`).

A moment is an interval (its earliest and its latest time, equal where the recording is exact). A
clock's stamp is a pair: it started no earlier than moment `lo` (-1: no limit) and no later than
moment `hi` (-1: so long ago that its value makes no difference any more; NOW: any time until now).

The set is exact while all stamps are; else it may hold states too many, never too few: stamps of
the same state are merged to one that covers both, and a comparison that may hold is taken to hold.
So a run is refused only if the spec refuses it.

Owns these sets and their steps. It knows no labels, no lines and no verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, cast

from rhscheck.spec.ground import GroundDeadline
from rhscheck.traces.places import (
    EVER,
    EXACTLY_NOW,
    JUST_PAST,
    TRUE_LEFT,
    Edge,
    Place,
    Places,
    Reach,
    holds,
    may_hold,
)

_UNKNOWN: Final = object()
NOW: Final = 1 << 30
LONG_AGO: Final = -1

# More states than this are not followed: the replay then says that it cannot decide.
MAX_STATES: Final = 20_000
# So many nodes are remembered; then all are forgotten at once.
MAX_NODES: Final = 30_000

# (number of the place, stamps of its running clocks as lo, hi, lo, hi …, rules broken, told)
# `told`: of the rules that have been reported, those that are still broken.
Item = tuple[int, tuple[int, ...], int, int]


class TooManyStates(Exception):  # noqa: N818 - a limit, not a fault
    """A set of possible states outgrew MAX_STATES."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What something does to a node: the node after it, and the moments that it still speaks of.

    `kept` are their numbers among the moments before; the number after the last is the moment of
    the step itself.
    """

    node: Node
    kept: tuple[int, ...]
    # The times of the moments kept, from those before and the step's own.
    pick: Callable[[tuple[int, ...]], tuple[int, ...]]
    # All moments before are kept, and the step's own is not.
    same: bool


def _step(node: Node, kept: tuple[int, ...], *, same: bool = False) -> Step:
    pick: Callable[[tuple[int, ...]], tuple[int, ...]]
    if len(kept) > 1:
        pick = itemgetter(*kept)
    elif kept:
        only = kept[0]

        def pick(times: tuple[int, ...]) -> tuple[int, ...]:
            return (times[only],)
    else:

        def pick(times: tuple[int, ...]) -> tuple[int, ...]:
            return ()

    return Step(node, kept, pick, same)


class Node:
    """A set of possible states. Made by `Possibilities` only, once for each set."""

    __slots__ = (
        "ahead",
        "asked",
        "certain",
        "clean",
        "constants",
        "crossed",
        "doubtful",
        "exact",
        "inside",
        "items",
        "least",
        "left",
        "most",
        "moved",
        "numbered",
        "paths",
        "rests",
        "rounds",
        "some",
        "steps",
        "waits",
        "worn",
    )

    def __init__(
        self,
        items: tuple[Item, ...],
        least: tuple[Reach, ...],
        most: tuple[Reach, ...],
        constants: tuple[tuple[int, ...], ...],
        doubtful: int,
        *,
        inside: bool,
    ) -> None:
        self.items = items
        self.least = least  # of each moment the least age it may have, and the most
        self.most = most
        self.constants = constants  # what the age of each moment will be compared with
        self.inside = inside  # between two moments, not at one
        self.doubtful = doubtful  # rules that may or may not be broken, for lack of exact times
        self.some = 0  # rules broken in some state
        self.certain = 0  # rules broken in every state
        if items:
            self.certain = -1
            for _, _, broken, _ in items:
                self.certain &= broken
                self.some |= broken
        alike = {stamps for _, stamps, _, _ in items}
        self.exact = all(lo == hi for stamps in alike for lo, hi in _pairs(stamps))
        # For each moment the next constant that its least, and its most, age comes to.
        self.waits = tuple(
            (_next(some, low), _next(some, high))
            for some, low, high in zip(constants, least, most, strict=True)
        )
        # For who takes well-known steps at exact times (`traces.paths`): the moments whose age
        # comes to a constant next, the step to there, steps by the number of an event, and the
        # ways that lead there: how often they were taken, and what was made of them.
        self.clean = self.exact and not self.some and not doubtful and bool(items)
        self.ahead = tuple((at, low) for at, (low, _) in enumerate(self.waits) if low is not None)
        # Until when surely nothing happens after leaving the node, if known: these of its moments
        # (the one of leaving is the last), plus so much.
        self.rests: tuple[tuple[int, int], ...] | None = None
        self.crossed: dict[tuple[int, ...], Step] = {}
        self.numbered: dict[int, Step | None] = {}
        self.paths: dict[int, Callable[[Any, int], bool]] = {}
        self.worn: dict[int, dict[Any, int]] = {}
        # The same for two events one after the other (`traces.rounds`).
        self.rounds: dict[int, Callable[[Any, int, int], bool]] = {}
        self.asked: dict[int, int] = {}
        self.left: Step | None = None
        self.moved: dict[tuple[tuple[Reach, ...], tuple[Reach, ...], Reach], Step] = {}
        self.steps: dict[object, Step | None] = {}


def _next(constants: tuple[int, ...], reached: Reach) -> int | None:
    return next((one for one in constants if one > reached[0]), None)


def _pairs(stamps: Sequence[int]) -> Iterable[tuple[int, int]]:
    return zip(stamps[::2], stamps[1::2], strict=True)


class Possibilities:
    """Makes and remembers the nodes of one Receptive."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.ground = places.ground
        self._nodes: dict[object, Node] = {}
        self.empty = Node((), (), (), (), 0, inside=False)

    # ---- sets out of nothing -------------------------------------------------------------------
    def of(self, values: Iterable[tuple[int, ...]], *, aged: bool, told: int = 0) -> Step:
        """The states with these values, at a moment that becomes moment 0 (see `kept`).

        `aged`: their running clocks may have started at any time before; else they start now.
        `told`: rules that were reported as broken before. What aged states break by themselves was
        broken before anybody looked, and counts as told.
        """
        raw: dict[Item, None] = {}
        for one in values:
            place = self.places.of(one)
            stamp = (LONG_AGO, 0) if aged else (0, 0)
            known = told | place.broken if aged else told
            raw[(place.number, stamp * len(place.active), 0, known)] = None
            _limit(len(raw))
        return self._at(raw, (EXACTLY_NOW,), (EXACTLY_NOW,), 0)

    # ---- time ----------------------------------------------------------------------------------
    def leave(self, node: Node, *, lenient: bool = False) -> Step:
        """The stretch of time right after the moment of `node`, and hidden steps in it.

        The moment left is the last of the moments. States that no time may pass in die, unless
        `lenient`. The node may be empty: then time cannot pass at all.
        """
        if node.left is not None and not lenient:
            return node.left
        now = len(node.least)
        least = tuple([(reached, False) for reached, _ in node.least])
        most = tuple([(reached, False) for reached, _ in node.most])
        raw: dict[Item, None] = {}
        for item in node.items:
            if lenient or not self.expired(item, node):
                raw[item] = None
        raw = self._closed(raw, (*least, JUST_PAST), (*most, JUST_PAST), (now, NOW))
        step = self._settled(raw, (*least, JUST_PAST), (*most, JUST_PAST), inside=True)
        if not lenient:
            node.left = step
        return step

    def expired(self, item: Item, node: Node) -> tuple[GroundDeadline, ...]:
        """The deadlines for which no time may pass in this state of `node`."""
        number, stamps, _, _ = item
        found = []
        for clock, deadline in self.places.by_number[number].deadlines:
            if deadline.clock is None:
                found.append(deadline)
            elif clock < 0:
                if deadline.bound < 0:
                    found.append(deadline)
            else:
                least = self._least(stamps[2 * clock + 1], node.least)
                if least[0] >= deadline.bound:
                    found.append(deadline)
        return tuple(found)

    def may_go_on(self, item: Item, node: Node) -> bool:
        """Whether a hidden step is possible in this state of `node`."""
        number, stamps, _, _ = item
        place = self.places.by_number[number]
        edges = (place.edge(position) for position in self.places.hidden)
        return any(
            edge is not None and self._may(edge, place, stamps, node.least, node.most)
            for edge in edges
        )

    def arrive(
        self, node: Node, least: tuple[Reach, ...], most: tuple[Reach, ...], width: Reach
    ) -> Step:
        """A moment at which the moments' ages are these, and hidden steps in it.

        It becomes the last moment; `width`: how far it may itself be from its earliest time.
        """
        key = (least, most, width)
        known = node.moved.get(key)
        if known is not None:
            return known
        now = len(node.least)
        raw: dict[Item, None] = {}
        all_least, all_most = (*least, EXACTLY_NOW), (*most, width)
        for number, stamps, broken, told in node.items:
            fixed = tuple([now if at == NOW else at for at in stamps])
            if not self._is_beyond(number, fixed, all_least):
                raw[(number, fixed, broken, told)] = None
        step = self._at(raw, all_least, all_most, now)
        node.moved[key] = step
        return step

    def cross(self, node: Node, moments: tuple[int, ...]) -> Step:
        """The moment at which the ages of these moments, and of no other, come to a next constant.

        All stamps of `node` are exact.
        """
        known = node.crossed.get(moments)
        if known is None:
            least = list(node.least)
            for moment in moments:
                reached = node.waits[moment][0]
                assert reached is not None
                least[moment] = (reached, True)
            ages = tuple(least)
            known = node.crossed[moments] = self.arrive(node, ages, ages, EXACTLY_NOW)
        return known

    def _is_beyond(self, number: int, stamps: tuple[int, ...], least: tuple[Reach, ...]) -> bool:
        """Whether a strict deadline's bound has been reached: so far time could not come."""
        for clock, deadline in self.places.by_number[number].deadlines:
            if deadline.strict and clock >= 0:
                age = self._least(stamps[2 * clock + 1], least)
                if age[0] >= deadline.bound:
                    return True
        return False

    # ---- steps ---------------------------------------------------------------------------------
    def take(
        self,
        node: Node,
        key: object,
        positions: Sequence[int],
        width: Reach = EXACTLY_NOW,
        *,
        or_nothing: bool = False,
    ) -> Step | None:
        """The states after one of the transitions at `positions`, and hidden steps after it.

        None if none of them is possible. `key` stands for `positions` in what is remembered.
        `or_nothing`: the states may also stay as they are. The moment of the step is the last one.
        """
        remembered = (key, width)
        known = node.steps.get(remembered, _UNKNOWN)
        if known is not _UNKNOWN:
            return cast("Step | None", known)
        now, least, most = self._moment(node, width)
        raw: dict[Item, None] = {}
        for number, stamps, broken, told in node.items:
            fixed = tuple([now if at == NOW else at for at in stamps])
            place = self.places.by_number[number]
            if or_nothing:
                raw[(number, fixed, broken, told)] = None
            for position in positions:
                edge = place.edge(position)
                if edge is not None and self._may(edge, place, fixed, least, most):
                    raw[(edge.target.number, _carried(edge, fixed, (now, now)), broken, told)] = (
                        None
                    )
        step = self._at(raw, least, most, now) if raw else None
        node.steps[remembered] = step
        return step

    def _moment(self, node: Node, width: Reach) -> tuple[int, tuple[Reach, ...], tuple[Reach, ...]]:
        """The number of the present moment, and all ages with it: a new one unless there is one."""
        count = len(node.least)
        if not node.inside and count and node.least[-1] == node.most[-1] == EXACTLY_NOW == width:
            return count - 1, node.least, node.most
        return count, (*node.least, EXACTLY_NOW), (*node.most, width)

    def without(self, node: Node, bits: int, hits: Sequence[Sequence[int]]) -> Step:
        """`node` once the rules `bits` have been reported: what remembers them forgets them.

        `hits`: for each rule the slots that remember it.
        """
        slots = [at for bit, some in enumerate(hits) if bits >> bit & 1 for at in some]
        raw: dict[Item, None] = {}
        for number, stamps, broken, told in node.items:
            values = list(self.places.by_number[number].values)
            for at in slots:
                values[at] = 0
            place = self.places.of(tuple(values))
            assert place.active == self.places.by_number[number].active
            raw[(place.number, stamps, broken & ~bits, told | bits)] = None
        return self._settled(raw, node.least, node.most, inside=node.inside)

    def innocent(self, node: Node, rules: int = -1) -> Step:
        """`node` without the states in which one of `rules` is broken; it may be empty."""
        raw = {item: None for item in node.items if not item[2] & rules}
        return self._settled(raw, node.least, node.most, inside=node.inside)

    # ---- inside --------------------------------------------------------------------------------
    def _at(
        self, raw: dict[Item, None], least: tuple[Reach, ...], most: tuple[Reach, ...], now: int
    ) -> Step:
        return self._settled(self._closed(raw, least, most, (now, now)), least, most, inside=False)

    def _closed(
        self,
        raw: dict[Item, None],
        least: tuple[Reach, ...],
        most: tuple[Reach, ...],
        start: tuple[int, int],
    ) -> dict[Item, None]:
        """`raw` and all that hidden steps make of it; their clocks start at stamp `start`."""
        hidden, by_number = self.places.hidden, self.places.by_number
        work = [item for item in raw if by_number[item[0]].hidden(hidden)] if hidden else []
        while work:
            number, stamps, broken, told = item = work.pop()
            place = by_number[number]
            edges = place.hidden(hidden)
            broken, told, _ = self._judge(place, stamps, broken, told, least, most)
            for edge in edges:
                if not self._may(edge, place, stamps, least, most):
                    continue
                after = (edge.target.number, _carried(edge, stamps, start), broken, told)
                if after not in raw and after != item:
                    raw[after] = None
                    work.append(after)
                    _limit(len(raw))
        return raw

    def _may(
        self,
        edge: Edge,
        place: Place,
        stamps: tuple[int, ...],
        least: tuple[Reach, ...],
        most: tuple[Reach, ...],
    ) -> bool:
        if edge.guard is TRUE_LEFT:
            return True
        return may_hold(edge.guard, _Ages(place, stamps, least, most))

    def _least(self, hi: int, least: tuple[Reach, ...]) -> Reach:
        if hi == NOW:
            return EXACTLY_NOW
        return EVER if hi < 0 else least[hi]

    def _judge(
        self,
        place: Place,
        stamps: tuple[int, ...],
        broken: int,
        told: int,
        least: tuple[Reach, ...],
        most: tuple[Reach, ...],
    ) -> tuple[int, int, int]:
        """The rules broken in a state (with those that were before), told, and doubtful."""
        here = place.broken
        doubtful = 0
        if place.clocked:
            ages = _Ages(place, stamps, least, most)
            for bit, together in place.clocked:
                if holds(together, ages):
                    here |= 1 << bit
                elif may_hold((together,), ages):
                    doubtful |= 1 << bit
        return broken | (here & ~told), told & (here | doubtful), doubtful & ~here

    def _settled(
        self,
        raw: dict[Item, None],
        least: tuple[Reach, ...],
        most: tuple[Reach, ...],
        *,
        inside: bool,
    ) -> Step:
        """The node of these states, judged, and without what makes no difference any more."""
        doubtful = 0
        places, by_number = self.places, self.places.by_number
        # Sets are large where nothing is known, and most states in them have the same stamps.
        spent_of: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}
        found: dict[tuple[int, int, int], tuple[int, ...]] = {}
        several: dict[tuple[int, int, int], dict[tuple[int, ...], None]] = {}
        for number, stamps, before, reported in raw:
            place = by_number[number]
            if place.clocked:
                broken, told, doubts = self._judge(place, stamps, before, reported, least, most)
                doubtful |= doubts & ~broken
            else:
                here = place.broken
                broken, told = before | (here & ~reported), reported & here
            form = (place.shape, stamps)
            spent = spent_of.get(form)
            if spent is None:
                spent = spent_of[form] = _without_spent(place, stamps, least, most)
            key = (number, broken, told)
            known = found.setdefault(key, spent)
            if known != spent:
                several.setdefault(key, {known: None})[spent] = None
        items: list[Item] = []
        forms: dict[tuple[int, tuple[int, ...]], Place] = {}
        for key, only in found.items():
            number, broken, told = key
            place = by_number[number]
            for stamps in _merged(list(several[key])) if key in several else (only,):
                items.append((number, stamps, broken, told))
                forms.setdefault((place.shape, stamps), place)
        _limit(len(items))
        # Which moments are still spoken of, and what their ages will be compared with.
        wanted: dict[int, dict[int, None]] = {}
        for (_, stamps), place in forms.items():
            for clock, (lo, hi) in zip(place.active, _pairs(stamps), strict=True):
                for at in (lo, hi):
                    if at >= 0 and at != NOW:
                        wanted.setdefault(at, {}).update(dict.fromkeys(places.constants[clock]))
        kept = tuple(sorted(wanted))
        renumbered = {at: number for number, at in enumerate(kept)}
        renumbered[LONG_AGO] = LONG_AGO
        renumbered[NOW] = NOW
        renamed = {
            stamps: tuple([renumbered[at] for at in stamps]) for stamps in {one[1] for one in forms}
        }
        final = tuple(
            sorted([(number, renamed[some], broken, told) for number, some, broken, told in items])
        )
        constants = tuple(tuple(sorted(wanted[at])) for at in kept)
        low = tuple(_reach(least[at], wanted[at]) for at in kept)
        high = tuple(_reach(most[at], wanted[at]) for at in kept)
        if not final:
            return _step(self.empty, ())
        name = (final, low, high, inside, doubtful)
        node = self._nodes.get(name)
        if node is None:
            if len(self._nodes) >= MAX_NODES:
                self._forget()
            node = Node(final, low, high, constants, doubtful, inside=inside)
            self._nodes[name] = node
        return _step(node, kept, same=kept == tuple(range(len(least) - 1)))

    def _forget(self) -> None:
        """Drop all nodes but those that somebody holds: memory stays flat, they are made anew."""
        for node in self._nodes.values():
            node.steps.clear()
            node.moved.clear()
            node.crossed.clear()
            node.numbered.clear()
            node.paths.clear()
            node.worn.clear()
            node.rounds.clear()
            node.asked.clear()
            node.left = None
        self._nodes.clear()


class _Ages:
    """The ages that the clocks of one state may have."""

    __slots__ = ("_least", "_most", "_place", "_stamps")

    def __init__(
        self,
        place: Place,
        stamps: tuple[int, ...],
        least: tuple[Reach, ...],
        most: tuple[Reach, ...],
    ) -> None:
        self._place = place
        self._stamps = stamps
        self._least = least
        self._most = most

    def __call__(self, clock: int) -> tuple[Reach, Reach]:
        active = self._place.active
        if clock not in active:
            return EXACTLY_NOW, EXACTLY_NOW  # a clock that stands still shows 0
        number = active.index(clock)
        lo, hi = self._stamps[2 * number], self._stamps[2 * number + 1]
        low = EXACTLY_NOW if hi == NOW else EVER if hi < 0 else self._least[hi]
        return low, EVER if lo < 0 else self._most[lo]


def _carried(edge: Edge, stamps: tuple[int, ...], start: tuple[int, int]) -> tuple[int, ...]:
    """The stamps after a transition; the clocks that start get `start`."""
    found: list[int] = []
    for number in edge.carried:
        if number < 0:
            found.extend(start)
        else:
            found.extend(stamps[2 * number : 2 * number + 2])
    return tuple(found)


def _without_spent(
    place: Place, stamps: tuple[int, ...], least: tuple[Reach, ...], most: tuple[Reach, ...]
) -> tuple[int, ...]:
    """The stamps, where a clock is past all it is compared with as "long ago"."""
    found: list[int] = []
    for limit, (lo, hi) in zip(place.limits, _pairs(stamps), strict=True):
        found.append(lo if lo >= 0 and not _is_past(most[lo], limit) else LONG_AGO)
        spent = hi != NOW and (hi < 0 or _is_past(least[hi], limit))
        if hi == NOW and limit < 0:
            spent = True
        found.append(LONG_AGO if spent else hi)
    return tuple(found)


def _is_past(reached: Reach, limit: int) -> bool:
    return reached[0] > limit or (reached[0] == limit and not reached[1])


def _reach(reached: Reach, constants: dict[int, None]) -> Reach:
    """The same age in terms of fewer constants."""
    at = reached[0]
    if at == 0 or at in constants:
        return reached
    return max((one for one in constants if one < at), default=0), False


def _merged(variants: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The stamps of one state: all of them while they are exact, else one that covers them."""
    if len(variants) == 1 or all(lo == hi for one in variants for lo, hi in _pairs(one)):
        return variants
    covering: list[int] = []
    for number in range(0, len(variants[0]), 2):
        starts = [one[number] for one in variants]
        ends = [one[number + 1] for one in variants]
        # LONG_AGO is less than every moment and NOW greater, which is what they mean.
        covering += [min(starts), max(ends)]
    return [tuple(covering)]


def _limit(count: int) -> None:
    if count > MAX_STATES:
        raise TooManyStates
