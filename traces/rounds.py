"""Calls that return before anything else happens: two lines, one look-up.

Polls take far less time than there is between them, so the line after a call is mostly its return.
Such a *round* is one way (`traces.paths`) and then another: the comparisons of times of both, and
the node and the times after both, in one function. Owns that composition only: a round is taken
where each of its lines would be, one after the other, and changes the walker in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rhscheck.traces.paths import (
    Walker,
    before,
    common,
    function,
    names_of,
    path,
    text,
    unpacked,
)
from rhscheck.traces.possible import Node

# A round is composed, and composed anew, when it has been asked for so often in vain.
_WORTHWHILE: Final = frozenset((16, 64, 512, 4096))

# Takes the walker along a call and its return at these times; False, and no change, if it does not
# fit.
Round = Callable[[Walker, int, int], bool]


def compose(start: Node, call: int, back: int) -> Round | None:
    """The event `call` at this node and then the event `back`, None where neither is common yet."""
    scope: dict[str, object] = {}
    names = names_of(start)
    lines = ["def way(walker, call, back):", *unpacked(names)]
    for first in common(start, call):
        out = path(start, first, call, names, "call")
        homes = [
            path(out.node, second, back, [*out.times, ("call", 0)], "back")
            for second in common(out.node, back)
        ]
        if not homes:
            continue
        # What has not come at the return had not come at the call.
        implied = set.intersection(*(set(home.later) for home in homes))
        needed = [before("call", one) for one in out.later if one not in implied]
        lines.append(f"    if {' and '.join([*out.conditions, *needed])}:")
        for home in homes:
            name = f"node{len(scope)}"
            scope[name] = home.node
            conditions = [*home.conditions, *(before("back", one) for one in home.later)]
            lines += [
                f"        if {' and '.join(conditions)}:",
                f"            walker.times = ({''.join(f'{text(one)}, ' for one in home.times)})",
                *([] if home.node is start else [f"            walker.node = {name}"]),
                "            walker.now = back",
                "            return True",
            ]
    if not scope:
        return None
    lines.append("    return False")
    return function(lines, "way", scope)  # type: ignore[no-any-return]


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
