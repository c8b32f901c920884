"""Readable text of ground expressions, values and times, in the words of the spec.

Owns how a formula is written in messages: names of enumeration members instead of numbers, times
with units. With a state, every comparison also says what the value is there. It must not decide
anything: whether a formula holds is asked of `spec.evaluate`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import assert_never

from rhscheck.spec.evaluate import State, Time, evaluate
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
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import BoolType, EnumType, IntType, RefType, Type

_UNITS = ((3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"), (1, "us"))

# How tightly a form binds; an operand that binds less tightly than its place needs parentheses.
_OR, _AND, _NOT, _COMPARE, _SUM, _ATOM = range(6)


def duration(time: Time, unit_us: int) -> str:
    """A time of so many units of `unit_us` microseconds, exactly, in the largest unit that fits."""
    micros = Fraction(time) * unit_us
    if micros == 0:
        return "0s"
    for size, name in _UNITS:
        if micros % size == 0:
            return f"{micros / size}{name}"
    return f"({micros / 1_000_000})s"


def value_text(value: int, kind: Type) -> str:
    """A value of a variable of type `kind`."""
    match kind:
        case BoolType():
            return "true" if value else "false"
        case EnumType(_, members):
            return members[value]
        case IntType():
            return str(value)
        case RefType(family, _):
            return f"{family}[{value}]" if value else "none"
        case _:
            assert_never(kind)


def describe(expr: Expr, ground: Ground, state: State | None = None) -> str:
    """`expr` as text, such as `Resource.call.Online[1] = idle`.

    With `state` every comparison is followed by the actual value in brackets. Raises KeyError for a
    variable or clock that `ground` does not have.
    """
    return _Writer(ground, state).write(expr, _OR)


class _Writer:
    def __init__(self, ground: Ground, state: State | None) -> None:
        self.ground = ground
        self.state = state

    def write(self, expr: Expr, place: int) -> str:
        text, binds = self._form(expr)
        return text if binds >= place else f"({text})"

    def _form(self, expr: Expr) -> tuple[str, int]:
        match expr:
            case Lit(value):
                return str(value), _ATOM
            case Ref(name, index):
                actual = self._actual(expr) if isinstance(self._type(expr), BoolType) else ""
                return _named(name, index) + actual, _ATOM
            case Not(In(arg, values)):
                return self._member(arg, values, negated=True), _COMPARE
            case Not(Eq(left, right)):
                return self._equality(left, right, "!="), _COMPARE
            case Not(Le(left, right)):
                return self._order(left, ">", right), _COMPARE
            case Not(arg):
                return f"not {self.write(arg, _NOT)}", _NOT
            case And(args):
                return self._truths(args, " and ", _NOT), _AND
            case Or(args):
                return self._truths(args, " or ", _AND), _OR
            case Ite(cond, then, other):
                kind = self._type(expr)
                branches = f"{self._operand(then, kind)} else {self._operand(other, kind)}"
                return f"(if {self.write(cond, _OR)} then {branches})", _ATOM
            case In(arg, values):
                return self._member(arg, values, negated=False), _COMPARE
            case Eq(left, right):
                return self._equality(left, right, "="), _COMPARE
            case Le(left, right):
                return self._order(left, "<=", right), _COMPARE
            case Add(left, right):
                return f"{self.write(left, _SUM)} + {self.write(right, _ATOM)}", _SUM
            case Sub(left, right):
                return f"{self.write(left, _SUM)} - {self.write(right, _ATOM)}", _SUM
            case ClockCmp(clock, index, op, bound):
                unit = self.ground.system.unit_us
                actual = ""
                if self.state is not None:
                    now = self._time(clock, index, self.state)
                    actual = f" (is {duration(now, unit)})"
                return f"{_named(clock, index)} {op} {duration(bound, unit)}{actual}", _COMPARE
            case ClockDiff(clock, index, minus, minus_index, op, bound):
                unit = self.ground.system.unit_us
                actual = ""
                if self.state is not None:
                    now = self._time(clock, index, self.state)
                    now -= self._time(minus, minus_index, self.state)
                    actual = f" (is {duration(now, unit)})"
                difference = f"{_named(clock, index)} - {_named(minus, minus_index)}"
                return f"{difference} {op} {duration(bound, unit)}{actual}", _COMPARE
            case IndexValue(index):
                return str(index), _ATOM
            case Same(left_index, right_index):
                return f"{left_index} = {right_index}", _COMPARE
            case Forall(param, family, body):
                return f"forall {param} in {family}: {self.write(body, _OR)}", _OR
            case Exists(param, family, body):
                return f"exists {param} in {family}: {self.write(body, _OR)}", _OR
            case Happens(kind, name, result, index):
                what = name if result is None else f"{name}({result})"
                return f"{kind} {what}" + (f" of {index}" if index is not None else ""), _COMPARE
            case Post(body):
                return f"after the step {self.write(body, _ATOM)}", _COMPARE
            case _:
                assert_never(expr)

    def _truths(self, args: tuple[Expr, ...], joint: str, place: int) -> str:
        """Operands of a connective; a constant among them is a truth value, not a number."""
        return joint.join(self._operand(arg, BoolType(), place) for arg in args)

    def _operand(self, expr: Expr, kind: Type | None, place: int = _COMPARE) -> str:
        """`expr` where a value of type `kind` is meant."""
        if isinstance(expr, Lit) and kind is not None:
            return value_text(expr.value, kind)
        return self.write(expr, place)

    def _member(self, arg: Expr, values: tuple[int, ...], *, negated: bool) -> str:
        kind = self._type(arg)
        texts = [str(value) if kind is None else value_text(value, kind) for value in values]
        subject = self._subject(arg)
        if isinstance(kind, BoolType) and len(values) == 1:
            truth = "" if bool(values[0]) != negated else "not "
            return truth + subject + self._actual(arg)
        if len(texts) == 1:
            return f"{subject} {'!=' if negated else '='} {texts[0]}{self._actual(arg)}"
        listed = f"{{{', '.join(texts)}}}"
        return f"{subject} {'not in' if negated else 'in'} {listed}{self._actual(arg)}"

    def _equality(self, left: Expr, right: Expr, op: str) -> str:
        kind = self._type(left) or self._type(right)
        sides = [
            self._operand(side, kind) if isinstance(side, Lit) else self._subject(side)
            for side in (left, right)
        ]
        return f"{sides[0]} {op} {sides[1]}{self._actual(left, right)}"

    def _order(self, left: Expr, op: str, right: Expr) -> str:
        return f"{self._subject(left)} {op} {self._subject(right)}{self._actual(left, right)}"

    def _subject(self, expr: Expr) -> str:
        """The term of a comparison, without its own actual value."""
        return _Writer(self.ground, None).write(expr, _SUM)

    def _actual(self, *terms: Expr) -> str:
        if self.state is None:
            return ""
        texts = []
        for term in terms:
            if not isinstance(term, Lit):
                value, kind = evaluate(term, self.ground, self.state), self._type(term)
                texts.append(str(value) if kind is None else value_text(value, kind))
        return f" (is {' and '.join(texts)})" if texts else ""

    def _type(self, expr: Expr) -> Type | None:
        """The type of a term, where its variables tell."""
        match expr:
            case Ref(name, index):
                at = self.ground.slot_of[(name, _bound(index))]
                return self.ground.slots[at].variable.type
            case Ite(_, then, other):
                return self._type(then) or self._type(other)
            case _:
                return None

    def _time(self, clock: str, index: Index, state: State) -> Time:
        return state.clocks[self.ground.clock_of[(clock, _bound(index))]]


def _bound(index: Index) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return index


def _named(name: str, index: Index) -> str:
    return name if index is None else f"{name}[{index}]"
