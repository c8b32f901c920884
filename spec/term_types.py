"""Types of terms, as messages call them, and whose names a term sees.

Owns the types that exist only while expressions are elaborated, beside those of `spec.system`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from rhscheck.spec.expr import Expr, Index
from rhscheck.spec.names import Machine, StateNode
from rhscheck.spec.system import BoolType, EnumType, IntType, RefType, Type


@dataclass(frozen=True, slots=True)
class TimeType:
    """A constant duration, in the System's unit."""


@dataclass(frozen=True, slots=True)
class ClockType:
    """A clock of an instance, to be compared with a time."""

    clock: str
    index: Index


@dataclass(frozen=True, slots=True)
class MemberType:
    """A name that is a member of several enumerations, or only known from the other side."""

    name: str


@dataclass(frozen=True, slots=True)
class NoneType:
    """`none`."""


@dataclass(frozen=True, slots=True)
class ErrorType:
    """Already reported; fits everything, so that one mistake is reported once."""


TermType = Type | TimeType | ClockType | MemberType | NoneType | ErrorType
Typed = tuple[Expr, TermType]
# A reference met on the way: bound name, family, "the reference's value is that name".
Wrapper = tuple[str, str, Expr]
CONDITION = "a condition (true or false)"


@dataclass(frozen=True, slots=True)
class Context:
    """Whose names an expression sees.

    `machine` with `index` is the instance that unqualified names belong to; `bound` are further
    instances by name; `scope` is the state in which the text stands; `steps` allows step formulas.
    """

    machine: Machine | None = None
    index: Index = None
    bound: dict[str, tuple[Machine, Index]] = field(default_factory=dict)
    scope: StateNode | None = None
    steps: bool = False


def fix(needed: str, kind: TermType) -> str:
    """How to make what is needed out of an expression of another type."""
    condition = needed in (CONDITION, type_text(BoolType()))
    match kind:
        case ClockType():
            return "compare it with a time, such as `x >= 5s`"
        case TimeType() if condition:
            return "compare a clock with it"
        case IntType() if condition:
            return "compare it, such as `k == 1`; the truth values are `true` and `false`"
        case EnumType(_, members) if condition:
            return f"compare it, such as `… == {members[0]}`"
        case RefType() | NoneType() if condition:
            return "compare it, such as `r == none`"
        case BoolType():
            return "a condition is not a value of another type; use it with `and`, `or`, `not`"
        case _:
            return f"write {needed}"


def type_text(kind: TermType) -> str:
    """What a message calls a term of this type."""
    match kind:
        case BoolType():
            return "a condition"
        case EnumType(name, members):
            return (
                f"one of {', '.join(members)} ({name})" if name else f"one of {', '.join(members)}"
            )
        case IntType():
            return "a number"
        case RefType(family, optional):
            return f"an instance of {family}" + (" or none" if optional else "")
        case TimeType():
            return "a time"
        case ClockType():
            return "a clock"
        case MemberType(name):
            return f"the value `{name}`"
        case NoneType():
            return "`none`"
        case ErrorType():
            return "unknown"
        case _:
            assert_never(kind)
