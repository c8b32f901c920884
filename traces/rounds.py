"""Calls that return before anything else happens: two lines, one look-up.

Polls take far less time than there is between them, so the line after a call is mostly its return.
Such a *round* is one way (`traces.paths`) and then another: the comparisons of times of both, and
the node and the times after both, in one function. Owns that composition only: a round is taken
where each of its lines would be, one after the other, and changes the walker in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rhscheck.traces.paths import Walker, common, path
from rhscheck.traces.possible import Node
from rhscheck.traces.translation import (
    Alternative,
    Condition,
    Moment,
    compared,
    names_of,
    translated,
)

# A round is composed, and composed anew, when it has been asked for so often in vain.
_WORTHWHILE: Final = frozenset((16, 64, 512, 4096))

# Takes the walker along a call and its return at these times; False, and no change, if it does not
# fit.
Round = Callable[[Walker, int, int], bool]


def compose(start: Node, call: int, back: int) -> Round | None:
    """The event `call` at this node and then the event `back`, None where neither is common yet."""
    names = names_of(len(start.least))
    alternatives: list[Alternative] = []
    for first in common(start, call):
        out = path(start, first, call, names, "call")
        homes = [
            path(out.node, second, back, [*out.times, ("call", 0)], "back")
            for second in common(out.node, back)
        ]
        for home in homes:
            # What has not come at the return had not come at the call.
            needed = [_before("call", one) for one in out.later if one not in home.later]
            later = [_before("back", one) for one in home.later]
            conditions = (*out.conditions, *needed, *home.conditions, *later)
            node = None if home.node is start else home.node
            alternatives.append(Alternative(conditions, home.times, node))
    return translated(names, ("call", "back"), alternatives) if alternatives else None


def _before(time: str, moment: Moment) -> Condition:
    return compared((time, 0), "<", moment)


class Rounds:
    """The rounds of one engine's nodes."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._events: list[tuple[int, int]] = []

    def number(self, call: int, back: int) -> int:
        """The number of the round of these two events."""
        key = (call, back)
        if key not in self._numbers:
            self._numbers[key] = len(self._events)
            self._events.append(key)
        return self._numbers[key]

    def ask(self, node: Node, number: int) -> None:
        """The round is not known at this node, or does not fit: compose it, once that is often."""
        asked = node.asked[number] = node.asked.get(number, 0) + 1
        if asked in _WORTHWHILE:
            way = compose(node, *self._events[number])
            if way is not None:
                node.rounds[number] = way
