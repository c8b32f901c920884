"""States of a `Ground`, and the value of an expression in one.

Owns the data type of a state and the evaluation of every ground expression form. It must not know
what a step is or how time passes (`spec.semantics`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from rhscheck.spec.expr import (
    FALSE,
    Add,
    And,
    ClockCmp,
    ClockDiff,
    Comparison,
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
    neg,
)
from rhscheck.spec.ground import Ground

# An amount of time in the System's unit.
Time = int | Fraction


@dataclass(frozen=True, slots=True)
class State:
    """One value for each of `Ground.slots`, one time for each of `Ground.clocks`."""

    values: tuple[int, ...]
    clocks: tuple[Time, ...]


def evaluate(expr: Expr, ground: Ground, state: State) -> int:
    """The value of a ground expression; truth is 1 and 0.

    Raises ValueError for the forms that grounding and weaving remove, KeyError for a variable or
    clock that `ground` does not have.
    """
    match expr:  # the most frequent first
        case Ref():
            return state.values[_place(ground.slot_of, expr.name, expr.index)]
        case In():
            return int(evaluate(expr.arg, ground, state) in expr.values)
        case And():
            for arg in expr.args:
                if not evaluate(arg, ground, state):
                    return 0
            return 1
        case Or():
            for arg in expr.args:
                if evaluate(arg, ground, state):
                    return 1
            return 0
        case Not():
            return int(not evaluate(expr.arg, ground, state))
        case Lit(value):
            return value
        case Ite(cond, then, other):
            return evaluate(then if evaluate(cond, ground, state) else other, ground, state)
        case Eq(left, right):
            return int(evaluate(left, ground, state) == evaluate(right, ground, state))
        case Le(left, right):
            return int(evaluate(left, ground, state) <= evaluate(right, ground, state))
        case Add(left, right):
            return evaluate(left, ground, state) + evaluate(right, ground, state)
        case Sub(left, right):
            return evaluate(left, ground, state) - evaluate(right, ground, state)
        case ClockCmp(clock, index, op, bound):
            return int(_compare(_clock(ground, state, clock, index), op, bound))
        case ClockDiff(clock, index, minus, minus_index, op, bound):
            left_time = _clock(ground, state, clock, index)
            right_time = _clock(ground, state, minus, minus_index)
            return int(_compare(left_time - right_time, op, bound))
        case IndexValue(index):
            return _number(index) or 0
        case Same(left_index, right_index):
            return int(_number(left_index) == _number(right_index))
        case Forall() | Exists() | Happens() | Post():
            raise ValueError(f"{type(expr).__name__} has no value in one state of a ground System")
        case _:
            assert_never(expr)


def _number(index: Index) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return index


def _place(places: Mapping[tuple[str, int | None], int], name: str, index: Index) -> int:
    try:
        return places[name, index]  # type: ignore[index]  # one that is not bound is told below
    except KeyError:
        _number(index)
        raise


def _clock(ground: Ground, state: State, name: str, index: Index) -> Time:
    return state.clocks[_place(ground.clock_of, name, index)]


def _compare(time: Time, op: Comparison, bound: int) -> bool:
    match op:
        case "<":
            return time < bound
        case "<=":
            return time <= bound
        case ">=":
            return time >= bound
        case ">":
            return time > bound
        case _:
            assert_never(op)


def explain_false(expr: Expr, ground: Ground, state: State) -> list[Expr]:
    """The smallest false conjuncts of `expr`, in order; none if it is true in `state`."""
    if evaluate(expr, ground, state):
        return []
    match expr:
        case And(args):
            return [part for arg in args for part in explain_false(arg, ground, state)]
        case Not(Or(args)):
            return [part for arg in args for part in explain_false(neg(arg), ground, state)]
        case Ite(cond, then, other):
            branch = then if evaluate(cond, ground, state) else other
            # A branch that is plainly false says nothing; its condition does.
            return [expr] if branch == FALSE else explain_false(branch, ground, state)
        case _:
            return [expr]
