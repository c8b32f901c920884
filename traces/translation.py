"""Ways written so that they are gone fast: as straight-line Python, or for compiled code.

A way is given as alternatives: comparisons of times, and the times and the node after them. Both
forms do the same. Owns these two forms only; which ways there are is the business of `traces.paths`
and `traces.rounds`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rhscheck.traces.compiled import calls

Sign = Literal["<", ">", "=="]
_SIGNS: Final[tuple[Sign, ...]] = ("<", ">", "==")
# A time by name, and what is added to it.
Moment = tuple[str, int]
# What compiled code can take: so many times, numbers up to this (2^61), so many of them.
_MOST_TIMES: Final = 32
_FURTHEST: Final = 1 << 61
_MOST_NUMBERS: Final = 4096


@dataclass(frozen=True, slots=True)
class Condition:
    """`left` sign `right` + `plus`."""

    left: str
    sign: Sign
    right: str
    plus: int = 0


@dataclass(frozen=True, slots=True)
class Alternative:
    """Under these conditions the times after it are `times`; `node` is where it ends.

    None: where it began.
    """

    conditions: tuple[Condition, ...]
    times: tuple[Moment, ...]
    node: object | None


def compared(left: Moment, sign: Sign, right: Moment) -> Condition:
    """The condition as differences, which are small: small is fast."""
    return Condition(left[0], sign, right[0], right[1] - left[1])


def names_of(count: int) -> tuple[Moment, ...]:
    """What `count` times of a walker are called, and its `now` after them."""
    return tuple((f"t{at}", 0) for at in range(count + 1))


def translated(
    names: Sequence[Moment], events: Sequence[str], alternatives: Sequence[Alternative]
) -> Callable[..., bool]:
    """What takes a walker along by the first alternative that fits; False, and no change, if none.

    To be called with the walker and the times of the events (one or two), named like `names` of the
    walker's times and its `now`.
    """
    if calls is not None:
        program = _program(names, events, alternatives)
        if program is not None:
            made: Callable[..., bool] = calls.Way(program, tuple(one.node for one in alternatives))
            return made
    return _function(names, events, alternatives)


def _program(
    names: Sequence[Moment], events: Sequence[str], alternatives: Sequence[Alternative]
) -> array[int] | None:
    """The numbers of a compiled way (see `_calls.c`); None: it is too large."""
    places = {name: at for at, name in enumerate([*(name for name, _ in names), *events])}
    numbers = [len(names) - 1, len(events), len(alternatives)]
    for one in alternatives:
        numbers += [len(one.conditions), len(one.times)]
        for condition in one.conditions:
            left, right = places[condition.left], places[condition.right]
            numbers += [left, _SIGNS.index(condition.sign), right, condition.plus]
        for name, plus in one.times:
            numbers += [places[name], plus]
    most = max(len(names) - 1, *(len(one.times) for one in alternatives))
    if most > _MOST_TIMES or len(numbers) > _MOST_NUMBERS or max(map(abs, numbers)) > _FURTHEST:
        return None
    return array("q", numbers)


def _function(
    names: Sequence[Moment], events: Sequence[str], alternatives: Sequence[Alternative]
) -> Callable[..., bool]:
    *times, now = (name for name, _ in names)
    lines = [f"def way(walker, {', '.join(events)}):"]
    lines += [f"    {', '.join(times)}, = walker.times"] if times else []
    lines.append(f"    {now} = walker.now")
    scope: dict[str, Any] = {}
    for at, one in enumerate(alternatives):
        scope[f"node{at}"] = one.node
        lines += [
            f"    if {' and '.join(map(_compared, one.conditions)) or 'True'}:",
            f"        walker.times = ({''.join(f'{_text(time)}, ' for time in one.times)})",
            *([] if one.node is None else [f"        walker.node = node{at}"]),
            f"        walker.now = {events[-1]}",
            "        return True",
        ]
    lines.append("    return False")
    # The text has numbers and our own names only.
    exec(compile("\n".join(lines), "<way>", "exec"), scope)
    made: Callable[..., bool] = scope["way"]
    return made


def _compared(one: Condition) -> str:
    if one.plus:
        return f"{one.left} - {one.right} {one.sign} {one.plus}"
    return f"{one.left} {one.sign} {one.right}"


def _text(moment: Moment) -> str:
    name, plus = moment
    return f"{name} + {plus}" if plus else name
