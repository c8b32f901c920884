"""Ways through the sets of states that are taken again and again, written as straight-line Python.

Most lines of a recording are polls of resources that are well: the same event at the same node of
`traces.possible`, with the same clocks coming to the same constants on the way. Such a *way* needs
no search: it is a few comparisons of times, and then the node and the times after it. Owns the
search for a way (where the times are exact and nothing is suspected), and its translation once it
has been taken a few times. Both are the same steps of the same nodes, composed; whoever is refused
here has changed nothing and is judged by `traces.judge`, which gives the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rhscheck.traces.possible import Node, Possibilities, Step, TooManyStates

if TYPE_CHECKING:
    from rhscheck.traces.units import Unit

# A way is translated when it has been taken so often; translating costs as much as 50 searches.
_WORTHWHILE: Final = 16
# So many ways of one event at one node are translated, in the order in which they became common.
_MOST_WAYS: Final = 4
_FURTHER: Final = 1 << 62  # no bound on a clock is so great

# The transitions that an event may be, with the key under which their steps are remembered.
Taken = tuple[object, tuple[int, ...]]


@dataclass(slots=True, eq=False)
class Walker:
    """A unit whose times are exact: where it is, and what its next event is compared with.

    `times`: of the moments that `node` speaks of, ascending; `now`: of the last event. `calls`: the
    unit's own, by entry point; but the last call was `op` with the id `cid`. `count`: events since
    the unit was last brought up to date.
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

    def issued(self, op: str, otherwise: int) -> int:
        """The id of the last call of `op`."""
        return self.cid if self.op == op else self.calls.get(op, otherwise)

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
        passed: list[int] = []  # the moments whose ages come to a constant, one after the other
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
            moment, soonest = _next_change(node, times, time)
            if moment == _SEVERAL:
                return False
            if moment < 0:
                break
            step = node.crossed.get(moment) or sets.cross(node, moment)
            times = step.pick((*times, soonest))
            node = step.node
            passed.append(moment)
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
        self._worn(start, number, _Trail(moved, tuple(passed), exactly), taken)
        return True

    def _worn(self, start: Node, number: int, trail: _Trail, taken: Step) -> None:
        """Count a way, and translate it when it is worth it."""
        worn = start.worn.setdefault(number, {})
        known = worn.get(trail, 0) + 1
        if known <= _WORTHWHILE and (known > 1 or len(worn) < 8 * _MOST_WAYS):
            worn[trail] = known
        if known != _WORTHWHILE:
            return
        ways = [way for way, often in worn.items() if often == _WORTHWHILE]
        if len(ways) <= _MOST_WAYS:
            start.paths[number] = _translated(start, ways, number)


@dataclass(frozen=True, slots=True)
class _Trail:
    """How a way goes: whether time passes, what is passed, and whether the last at the very end."""

    moved: bool
    passed: tuple[int, ...]
    exactly: bool


_NOTHING: Final = -1
_SEVERAL: Final = -2


def _next_change(node: Node, times: Sequence[int], time: int) -> tuple[int, int]:
    """(moment, when) of the next change up to `time`; no moment, or `_SEVERAL` at once."""
    soonest, moment = time, _NOTHING
    for place, constant in node.ahead:
        instant = times[place] + constant
        if instant < soonest or (instant == soonest and moment == _NOTHING):
            soonest, moment = instant, place
        elif instant == soonest:
            moment = _SEVERAL
    return moment, soonest


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


def _translated(start: Node, ways: Sequence[_Trail], number: int) -> Way:
    """A function that takes whichever of the ways fits."""
    count = len(start.least)
    lines = ["def way(walker, time):"]
    if count:
        lines.append(f"    {''.join(f't{at}, ' for at in range(count))}= walker.times")
    lines.append(f"    t{count} = walker.now")
    nodes: dict[str, Node] = {}
    for at, trail in enumerate(ways):
        conditions, times, node = _way(start, trail, number)
        nodes[f"node{at}"] = node
        lines += [
            f"    if {' and '.join(conditions)}:",
            f"        walker.times = ({''.join(f'{one}, ' for one in times)})",
            f"        walker.node = node{at}",
            "        walker.now = time",
            "        return True",
        ]
    lines.append("    return False")
    scope: dict[str, object] = dict(nodes)  # the text has numbers and our own names only
    exec(compile("\n".join(lines), "<way>", "exec"), scope)
    way = scope["way"]
    assert callable(way)
    return way


def _way(start: Node, trail: _Trail, number: int) -> tuple[list[str], list[str], Node]:
    """The conditions of one way, the times after it, and the node."""
    count = len(start.least)
    node = start
    values: list[_Sum] = [(at, 0) for at in range(count)]
    before: _Sum = (count, 0)
    later: list[_Sum] = []  # what is after `time`
    exact: _Sum | None = None  # what is `time`
    conditions = [f"time > {_text(before)}" if trail.moved else f"time == {_text(before)}"]
    rest = list(trail.passed)
    while trail.moved:
        if not node.inside:
            assert node.left is not None
            values = _picked(node.left, values, before)
            node = node.left.node
        if not rest:
            later += [(values[at][0], values[at][1] + constant) for at, constant in node.ahead]
            break
        moment = rest.pop(0)
        ahead = {at: (values[at][0], values[at][1] + constant) for at, constant in node.ahead}
        instant = ahead.pop(moment)
        last = not rest and trail.exactly
        if last:
            exact = instant
            conditions.append(f"{_text(instant)} == time")
            later += ahead.values()
        else:
            conditions.append(f"{_text(instant)} < time")
            conditions += [
                f"{_text(other)} > {_text(instant)}"
                for other in ahead.values()
                if not (other[0] >= instant[0] and other[1] > instant[1])
            ]
        step = node.crossed[moment]
        values = _picked(step, values, instant)
        node = step.node
        before = instant
        if last:
            break
    conditions += [f"{_text(one)} > time" for one in _soonest(later, exact)]
    taken = node.numbered[number]
    assert taken is not None
    texts = [*map(_text, values), "time"]
    # The step's own moment is new, or the present one, which is the last of those there are.
    return conditions, [texts[at] for at in taken.kept], taken.node


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


def _text(value: _Sum) -> str:
    base, plus = value
    return f"t{base} + {plus}" if plus else f"t{base}"
