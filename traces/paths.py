"""Ways through the sets of states that are taken again and again.

Most lines of a recording are polls of resources that are well: the same event at the same node of
`traces.possible`, with the same clocks coming to the same constants on the way. Such a *way* needs
no search: it is a few comparisons of times, and then the node and the times after it. Owns the
search for a way (where the times are exact and nothing is suspected), and its composition once it
has been taken a few times (`traces.translation` writes it down). Both are the same steps of the
same nodes, composed; whoever is refused here has changed nothing and is judged by `traces.judge`,
which gives the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rhscheck.traces.possible import Node, Possibilities, Step, TooManyStates
from rhscheck.traces.translation import (
    Alternative,
    Condition,
    Moment,
    Sign,
    compared,
    names_of,
    translated,
)

if TYPE_CHECKING:
    from rhscheck.traces.units import Unit

# A way is translated when it has been taken so often; translating costs as much as 50 searches.
_WORTHWHILE: Final = 16
# So many ways of one event at one node are translated, in the order in which they became common.
_MOST_WAYS: Final = 4
_FURTHER: Final = 1 << 62  # no bound on a clock is so great

# Where a walker was (node, times, now) before an event, which has this line, time and number.
Noted = tuple[Node, tuple[int, ...], int, int, int, int]
# The transitions that an event may be, with the key under which their steps are remembered.
Taken = tuple[object, tuple[int, ...]]


@dataclass(slots=True, eq=False)
class Walker:
    """A unit whose times are exact: where it is, and what its next event is compared with.

    `times`: of the moments that `node` speaks of, ascending; `now`: of the last event. `calls`: the
    unit's own, by entry point; but the last call was `op` with the id `cid`. `count`: events since
    the unit was last brought up to date. `walks`: the unit is still on the path by this walker.
    `noted`: of how many of these it is remembered where the walker was before; `recent`: the last.
    """

    unit: Unit
    node: Node
    times: tuple[int, ...]
    now: int
    monitor: str | None
    calls: dict[str, int]
    op: str = ""
    cid: int = 0
    count: int = 0
    walks: bool = True
    noted: int = 0
    recent: tuple[Noted, ...] = ()

    def issued(self, op: str, otherwise: int) -> int:
        """The id of the last call of `op`."""
        return self.cid if self.op == op else self.calls.get(op, otherwise)

    def last(self, op: str) -> int:
        """The same; KeyError if there was none."""
        return self.cid if self.op == op else self.calls[op]

    def settle(self) -> None:
        """Put the last call where the others are."""
        if self.op:
            self.calls[self.op] = self.cid


# Takes the walker along if one of the ways it knows fits the time; False, and no change, if none.
Way = Callable[[Walker, int], bool]


class Paths:
    """The ways of one engine's nodes; `meanings` has the transitions of each event, by number."""

    def __init__(self, sets: Possibilities) -> None:
        self._sets = sets
        self.meanings: dict[int, Taken] = {}

    def walk(self, walker: Walker, number: int, time: int) -> bool:
        """Take the event `number` at `time`; False, and no change, if it is not ordinary."""
        try:
            return self._walk(walker, number, time)
        except TooManyStates:
            return False

    def _walk(self, walker: Walker, number: int, time: int) -> bool:
        sets, start = self._sets, walker.node
        node, times, before = start, walker.times, walker.now
        # The moments whose ages come to a constant, one after the other; some at the same time.
        passed: list[tuple[int, ...]] = []
        exactly = False  # the last of them does so at `time`
        moved = time > before
        crossing = moved
        while crossing:
            if not node.inside:
                left = node.left or sets.leave(node)
                times = left.pick((*times, before))
                node = left.node
            if not node.clean:
                return False
            moments, soonest = _next_change(node, times, time)
            if not moments:
                break
            step = node.crossed.get(moments) or sets.cross(node, moments)
            times = step.pick((*times, soonest))
            node = step.node
            passed.append(moments)
            before = soonest
            exactly = soonest == time
            crossing = not exactly and node.clean
        if not node.clean:
            return False
        try:
            taken = node.numbered[number]
        except KeyError:
            key, positions = self.meanings[number]
            taken = node.numbered[number] = sets.take(node, key, positions)
        if taken is None or not taken.node.clean:
            return False
        walker.times = taken.pick((*times, time))
        walker.node = taken.node
        walker.now = time
        self._worn(start, number, Trail(moved, tuple(passed), exactly), taken)
        return True

    def _worn(self, start: Node, number: int, trail: Trail, taken: Step) -> None:
        """Count a way, and translate it when it is worth it."""
        worn = start.worn.setdefault(number, {})
        known = worn.get(trail, 0) + 1
        if known <= _WORTHWHILE and (known > 1 or len(worn) < 8 * _MOST_WAYS):
            worn[trail] = known
        if known != _WORTHWHILE:
            return
        if common(start, number):
            start.paths[number] = _translated(start, number)


@dataclass(frozen=True, slots=True)
class Trail:
    """How a way goes: whether time passes, what is passed, and whether the last at the very end."""

    moved: bool
    passed: tuple[tuple[int, ...], ...]
    exactly: bool


def _next_change(node: Node, times: Sequence[int], time: int) -> tuple[tuple[int, ...], int]:
    """(moments, when) of the next change up to `time`; no moments if there is none."""
    soonest = time
    moments: tuple[int, ...] = ()
    for place, constant in node.ahead:
        instant = times[place] + constant
        if instant < soonest:
            soonest, moments = instant, (place,)
        elif instant == soonest:
            moments = (*moments, place)
    return moments, soonest


def rests(walker: Walker, time: int) -> bool:
    """Whether surely nothing changes for the walker until `time`; else somebody has to look."""
    known = walker.node.rests
    if known is None:
        known = walker.node.rests = _changes(walker.node)
        if known is None:
            return False
    times = (*walker.times, walker.now)
    for place, constant in known:  # noqa: SIM110  asked of every unit, over and over
        if times[place] + constant <= time:
            return False
    return True


def _changes(node: Node) -> tuple[tuple[int, int], ...] | None:
    """What comes next once the node is left: a moment, the last being the present, and how long."""
    after = node
    kept: Sequence[int] = range(len(node.least))
    if not node.inside:
        if node.left is None:
            return None
        after, kept = node.left.node, node.left.kept
    if not after.clean:
        return ((0, -_FURTHER),)  # never
    return tuple((kept[place], constant) for place, constant in after.ahead)


# ---- translation -------------------------------------------------------------------------------
# A time: the number of a moment of the start (their count: the walker's `now`), and what is added.
_Sum = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Path:
    """Where a way leads, and when: under `conditions`, and if none of `later` has come yet.

    `times` are those after it, `node` is where it ends.
    """

    conditions: tuple[Condition, ...]
    later: tuple[Moment, ...]
    times: tuple[Moment, ...]
    node: Node


def common(start: Node, number: int) -> list[Trail]:
    """How the event goes at this node as a rule, most usual first; none if there is no rule."""
    worn = start.worn.get(number, {})
    ways = [way for way, often in worn.items() if often == _WORTHWHILE]
    return ways if len(ways) <= _MOST_WAYS else []


def _translated(start: Node, number: int) -> Way:
    """What takes whichever of the common ways fits."""
    names = names_of(len(start.least))
    found = (path(start, trail, number, names, "time") for trail in common(start, number))
    alternatives = [
        Alternative(
            (*one.conditions, *(compared(("time", 0), "<", later) for later in one.later)),
            one.times,
            None if one.node is start else one.node,
        )
        for one in found
    ]
    return translated(names, ("time",), alternatives)


def path(start: Node, trail: Trail, number: int, names: Sequence[Moment], time: str) -> Path:
    """One way of the event `number`, which happens at `time`.

    `names`: what the times of the start are called, the walker's `now` at the end.
    """

    def moment_of(value: _Sum) -> Moment:
        name, plus = names[value[0]]
        return name, plus + value[1]

    def condition(value: _Sum, sign: Sign) -> Condition:
        return compared((time, 0), sign, moment_of(value))

    count = len(start.least)
    node = start
    values: list[_Sum] = [(at, 0) for at in range(count)]
    last_change: _Sum = (count, 0)
    later: list[_Sum] = []  # what is after `time`
    exact: _Sum | None = None  # what is `time`
    conditions = [condition(last_change, ">" if trail.moved else "==")]
    rest = list(trail.passed)
    while trail.moved:
        if not node.inside:
            assert node.left is not None
            values = _picked(node.left, values, last_change)
            node = node.left.node
        if not rest:
            later += [(values[at][0], values[at][1] + constant) for at, constant in node.ahead]
            break
        moments = rest.pop(0)
        ahead = {at: (values[at][0], values[at][1] + constant) for at, constant in node.ahead}
        instant, *others = [ahead.pop(moment) for moment in moments]
        same = moment_of(instant)
        conditions += [compared(moment_of(other), "==", same) for other in others]
        last = not rest and trail.exactly
        if last:
            exact = instant
            conditions.append(condition(instant, "=="))
            later += ahead.values()
        else:
            conditions.append(condition(instant, ">"))
            conditions += [
                compared(moment_of(other), ">", same)
                for other in ahead.values()
                if not (other[0] >= instant[0] and other[1] > instant[1])
            ]
        step = node.crossed[moments]
        values = _picked(step, values, instant)
        node = step.node
        last_change = instant
        if last:
            break
    taken = node.numbered[number]
    assert taken is not None
    times = (*map(moment_of, values), (time, 0))
    return Path(
        tuple(conditions),
        tuple(map(moment_of, _soonest(later, exact))),
        # The step's own moment is new, or the present one, which is the last of those there are.
        tuple(times[at] for at in taken.kept),
        taken.node,
    )


def _picked(step: Step, values: Sequence[_Sum], own: _Sum) -> list[_Sum]:
    every = [*values, own]
    return [every[at] for at in step.kept]


def _soonest(later: Sequence[_Sum], exact: _Sum | None) -> list[_Sum]:
    """Those of `later` that say something the others, and `exact`, do not: moments ascend."""
    found: list[_Sum] = []
    least = _FURTHER
    for base, plus in sorted(later):
        implied = exact is not None and base >= exact[0] and plus > exact[1]
        if not implied and plus < least:
            found.append((base, plus))
            least = plus
    return found
