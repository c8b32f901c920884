"""Python source for the discrete ground expressions.

Owns the translation of expressions and of a transition's updates into text over the tuple `v` of
values. It must not know how the text is arranged into functions (`spec.compiled`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from rhscheck.spec.expr import (
    Add,
    And,
    ClockCmp,
    ClockDiff,
    Eq,
    Exists,
    Expr,
    Forall,
    Happens,
    In,
    Index,
    IndexValue,
    Ite,
    Le,
    Lit,
    Not,
    Or,
    Post,
    Ref,
    Same,
    Sub,
)
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.system import IntType

# The parser and the compiler of Python recurse; deeper expressions get names for their parts.
_DEEPEST = 40


class Body:
    """Expressions as source over the tuple `v`; `lines` come before the returned text.

    `known` slots have a fixed value where the code runs.
    """

    def __init__(self, ground: Ground, indent: str, known: dict[int, int] | None = None) -> None:
        self._ground = ground
        self._indent = indent
        self._known = known or {}
        self.lines: list[str] = []

    def condition(self, expr: Expr) -> str:
        """Source that is true where the formula `expr` holds."""
        return self._condition(expr)[0]

    def after(self, transition: GroundTransition) -> str:
        """Source of the values after `transition`."""
        pieces: list[str] = []
        stored: list[str] = []
        done = 0

        def close() -> None:
            if stored:
                pieces.append(f"({', '.join(stored)},)")
                stored.clear()

        for at, value in transition.updates:
            if at - done > 2:
                close()
                pieces.append(f"v[{done}:{at}]")
            else:
                stored.extend(f"v[{kept}]" for kept in range(done, at))
            stored.append(self._stored(at, value))
            done = at + 1
        rest = len(self._ground.slots)
        if 0 < rest - done <= 2:
            stored.extend(f"v[{kept}]" for kept in range(done, rest))
            done = rest
        close()
        if done < rest:
            pieces.append(f"v[{done}:]" if done else "v")
        return " + ".join(pieces) or "v"

    def _stored(self, at: int, value: Expr) -> str:
        """The value that slot `at` gets: truth values as 0 and 1, integers saturated."""
        slot = self._ground.slots[at]
        text, depth = self._number(value)
        if not isinstance(slot.variable.type, IntType):
            return text
        low, high = _bounds(value, self._ground)
        if low >= slot.low and high <= slot.high:
            return text
        name, _ = self._hoisted(text, depth, always=True)
        least, most = slot.low, slot.high
        return f"({least} if {name} < {least} else {most} if {name} > {most} else {name})"

    def _hoisted(self, text: str, depth: int, *, always: bool = False) -> tuple[str, int]:
        if depth < _DEEPEST and not always:
            return text, depth
        name = f"h{len(self.lines)}"
        self.lines.append(f"{self._indent}{name} = {text}")
        return name, 0

    def _read(self, name: str, index: Index) -> str:
        at = position(self._ground, name, index)
        return str(self._known[at]) if at in self._known else f"v[{at}]"

    def _condition(self, expr: Expr) -> tuple[str, int]:
        match expr:
            case Lit(value):
                return ("True" if value else "False"), 0
            case Not(In(arg, values)):
                return self._member(arg, values, positive=False)
            case Not(arg):
                text, depth = self._condition(arg)
                return self._hoisted(f"(not {text})", depth + 1)
            case And(args):
                return self._joined(args, " and ")
            case Or(args):
                return self._joined(args, " or ")
            case Ite(cond, then, other):
                return self._choice(cond, self._condition(then), self._condition(other))
            case In(arg, values):
                return self._member(arg, values, positive=True)
            case Eq(left, right):
                return self._infix(left, "==", right)
            case Le(left, right):
                return self._infix(left, "<=", right)
            case Ref() | IndexValue() | Same() | Add() | Sub():
                return self._number(expr)
            case ClockCmp() | ClockDiff() | Forall() | Exists() | Happens() | Post():
                raise ValueError(f"{type(expr).__name__} is not a discrete ground form")
            case _:
                assert_never(expr)

    def _number(self, expr: Expr) -> tuple[str, int]:
        match expr:
            case Lit(value):
                return (str(value) if value >= 0 else f"({value})"), 0
            case Ref(name, index):
                return self._read(name, index), 0
            case IndexValue(index):
                return str(index or 0), 0
            case Same(left_index, right_index):
                return str(int(left_index == right_index)), 0
            case Ite(cond, then, other):
                return self._choice(cond, self._number(then), self._number(other))
            case Add(left, right):
                return self._infix(left, "+", right)
            case Sub(left, right):
                return self._infix(left, "-", right)
            case Not() | And() | Or() | In() | Eq() | Le():
                text, depth = self._condition(expr)
                return self._hoisted(f"(1 if {text} else 0)", depth + 1)
            case ClockCmp() | ClockDiff() | Forall() | Exists() | Happens() | Post():
                raise ValueError(f"{type(expr).__name__} is not a discrete ground form")
            case _:
                assert_never(expr)

    def _joined(self, args: Iterable[Expr], joint: str) -> tuple[str, int]:
        parts = [self._condition(arg) for arg in args]
        depth = max(depth for _, depth in parts)
        return self._hoisted(f"({joint.join(text for text, _ in parts)})", depth + 1)

    def _choice(self, cond: Expr, then: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
        test, depth = self._condition(cond)
        text = f"({then[0]} if {test} else {other[0]})"
        return self._hoisted(text, max(depth, then[1], other[1]) + 1)

    def _infix(self, left: Expr, op: str, right: Expr) -> tuple[str, int]:
        one, depth_one = self._number(left)
        two, depth_two = self._number(right)
        return self._hoisted(f"({one} {op} {two})", max(depth_one, depth_two) + 1)

    def _member(self, arg: Expr, values: tuple[int, ...], *, positive: bool) -> tuple[str, int]:
        if isinstance(arg, Ref):
            at = position(self._ground, arg.name, arg.index)
            if at in self._known:
                return str((self._known[at] in values) == positive), 0
        text, depth = self._number(arg)
        if len(values) == 1:
            test = f"{text} {'==' if positive else '!='} {values[0]}"
        else:
            test = f"{text} {'in' if positive else 'not in'} {values}"
        return self._hoisted(f"({test})", depth + 1)


def position(ground: Ground, name: str, index: Index) -> int:
    """The slot of a variable of a numbered instance."""
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return ground.slot_of[(name, index)]


def _bounds(expr: Expr, ground: Ground) -> tuple[int, int]:
    """The least and the greatest value `expr` can have, roughly."""
    match expr:
        case Lit(value):
            return value, value
        case Ref(name, index):
            slot = ground.slots[position(ground, name, index)]
            return slot.low, slot.high
        case Add(left, right):
            (low, high), (low_two, high_two) = _bounds(left, ground), _bounds(right, ground)
            return low + low_two, high + high_two
        case Sub(left, right):
            (low, high), (low_two, high_two) = _bounds(left, ground), _bounds(right, ground)
            return low - high_two, high - low_two
        case Ite(_, then, other):
            (low, high), (low_two, high_two) = _bounds(then, ground), _bounds(other, ground)
            return min(low, low_two), max(high, high_two)
        case IndexValue(index):
            number = index if isinstance(index, int) else 0
            return number, number
        case _:
            return 0, 1
