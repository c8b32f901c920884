"""State variables and discrete expressions as circuits.

Owns the layout of a discrete state in bits and the translation of every ground expression form.
Clock comparisons are asked of the caller. Knows nothing of steps.

A slot holds every value that it starts with or that an update can give it: bounded integers
saturate at their bounds; any other update is taken at its word, so a System that leaves a type is
encoded as it stands instead of losing behaviour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import z3

from rhscheck.checker.smt.atoms import Atom
from rhscheck.checker.smt.circuits import Bit, Gates, Number
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
from rhscheck.spec.system import IntType

Range = tuple[int, int]


def slot_ranges(ground: Ground) -> tuple[Range, ...]:
    """For each slot the least and the greatest value that it can ever hold.

    Raises ValueError if updates let a variable that is no bounded integer grow without end.
    """
    ranges = [(slot.low, slot.high) for slot in ground.slots]
    for _ in range(len(ranges) + 2):
        before = list(ranges)
        for transition in ground.transitions:
            for at, value in transition.updates:
                if not isinstance(ground.slots[at].variable.type, IntType):
                    low, high = _interval(value, ground, ranges)
                    ranges[at] = (min(ranges[at][0], low), max(ranges[at][1], high))
        if ranges == before:
            return tuple(ranges)
    raise ValueError("updates let a variable that is no bounded integer grow without end")


def _interval(expr: Expr, ground: Ground, ranges: list[Range]) -> Range:
    match expr:
        case Lit(value):
            return (value, value)
        case Ref(name, index):
            return ranges[ground.slot_of[(name, _number(index))]]
        case IndexValue(index):
            value = _number(index) or 0
            return (value, value)
        case Ite(_, then, other):
            left, right = _interval(then, ground, ranges), _interval(other, ground, ranges)
            return (min(left[0], right[0]), max(left[1], right[1]))
        case Add(left_arg, right_arg):
            left, right = _interval(left_arg, ground, ranges), _interval(right_arg, ground, ranges)
            return (left[0] + right[0], left[1] + right[1])
        case Sub(left_arg, right_arg):
            left, right = _interval(left_arg, ground, ranges), _interval(right_arg, ground, ranges)
            return (left[0] - right[1], left[1] - right[0])
        case _:
            return (0, 1)


def _number(index: Index) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"instance {index!r} is not a number: the expression is not ground")
    return index


@dataclass(frozen=True, slots=True)
class Layout:
    """How many bits each slot has and what they count from."""

    ranges: tuple[Range, ...]

    def variables(self, gates: Gates, ground: Ground, prefix: str) -> tuple[Number, ...]:
        """Fresh bits for one discrete state."""
        numbers: list[Number] = []
        for slot, (low, high) in zip(ground.slots, self.ranges, strict=True):
            bits = tuple(
                z3.Bool(f"{prefix}{slot.name}.{at}", gates.context)
                for at in range((high - low).bit_length())
            )
            numbers.append(Number(bits, low, high - low))
        return tuple(numbers)

    def possible(self, gates: Gates, values: tuple[Number, ...]) -> Bit:
        """Every slot has a value of its range (the bits may have patterns to spare)."""
        return gates.conj(
            gates.at_most(
                Number(number.bits, low, (1 << len(number.bits)) - 1), gates.constant(high)
            )
            for number, (low, high) in zip(values, self.ranges, strict=True)
        )


class Reader:
    """Expressions over one discrete state, given as `values`, a number a slot.

    `atom` gives the truth of a clock comparison. Translations of memberships are kept, since guards
    repeat them.
    """

    def __init__(
        self,
        gates: Gates,
        ground: Ground,
        values: tuple[Number, ...],
        atom: Callable[[Atom], Bit],
    ) -> None:
        self._gates = gates
        self._ground = ground
        self._values = values
        self._atom = atom
        self._members: dict[tuple[int, tuple[int, ...]], Bit] = {}

    def formula(self, expr: Expr) -> Bit:
        """The truth of a ground formula. Raises ValueError for a form that grounding removes."""
        gates = self._gates
        match expr:
            case Lit(value):
                return value != 0
            case Not(arg):
                return gates.negate(self.formula(arg))
            case And(args):
                return gates.conj([self.formula(arg) for arg in args])
            case Or(args):
                return gates.disj([self.formula(arg) for arg in args])
            case Ite(cond, then, other):
                return gates.choose(self.formula(cond), self.formula(then), self.formula(other))
            case In(Ref(name, index), values):
                return self._member(self._ground.slot_of[(name, _number(index))], values)
            case In(arg, values):
                number = self.number(arg)
                return gates.disj([gates.equals(number, value) for value in values])
            case Eq(left, right):
                return gates.same(self.number(left), self.number(right))
            case Le(left, right):
                return gates.at_most(self.number(left), self.number(right))
            case ClockCmp() | ClockDiff():
                return self._atom(expr)
            case Same(left_index, right_index):
                return _number(left_index) == _number(right_index)
            case Ref() | IndexValue() | Add() | Sub():
                return gates.negate(gates.equals(self.number(expr), 0))
            case Forall() | Exists() | Happens() | Post():
                raise ValueError(f"{type(expr).__name__} in a ground formula")
            case _:
                assert_never(expr)

    def _member(self, slot: int, values: tuple[int, ...]) -> Bit:
        key = (slot, values)
        if key not in self._members:
            gates, number = self._gates, self._values[slot]
            low, high = number.offset, number.offset + number.top
            outside = [value for value in range(low, high + 1) if value not in values]
            inside = [value for value in values if low <= value <= high]
            if len(outside) < len(inside):
                self._members[key] = gates.negate(
                    gates.disj([gates.equals(number, value) for value in outside])
                )
            else:
                self._members[key] = gates.disj([gates.equals(number, value) for value in inside])
        return self._members[key]

    def number(self, expr: Expr) -> Number:
        """The value of a ground expression (a truth value counts as 0 or 1)."""
        gates = self._gates
        match expr:
            case Lit(value):
                return gates.constant(value)
            case Ref(name, index):
                return self._values[self._ground.slot_of[(name, _number(index))]]
            case IndexValue(index):
                return gates.constant(_number(index) or 0)
            case Ite(cond, then, other):
                return gates.select(self.formula(cond), self.number(then), self.number(other))
            case Add(left, right):
                return gates.add(self.number(left), self.number(right))
            case Sub(left, right):
                return gates.subtract(self.number(left), self.number(right))
            case _:
                truth = self.formula(expr)
                if isinstance(truth, bool):
                    return gates.constant(int(truth))
                return Number((truth,), 0, 1)
