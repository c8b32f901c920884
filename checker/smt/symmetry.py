"""Whether the instances of a family can be exchanged, and what that saves a bounded search.

Owns the syntactic test and its argument; knows no solver.

Expressions name instances by bound parameters. If in addition no variable stores an instance of the
family, no instance is used as a number and none is written as one, then exchanging two instances
maps runs to runs and bad states to bad states. So every run has a twin in which the instances take
part in the order of their numbers: one that has not taken part yet is exchanged with the least such
one. The canonical run, least in its transition positions, is its own twin: the exchange keeps the
steps before and makes the position of this one smaller, since positions grow with the instances.
A search may therefore demand: instance i+1 takes part in a step only if i did so no later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from rhscheck.spec.expr import (
    And,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Forall,
    Happens,
    Index,
    IndexValue,
    Not,
    Or,
    Ref,
    Same,
    children,
    transform,
)
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.system import SELF, RefType, System


def exchangeable(ground: Ground, bad: Sequence[Expr] = ()) -> tuple[str, ...]:
    """The parametric families whose instances can be exchanged, also in the formulas `bad`."""
    return tuple(
        family
        for family in ground.system.parametric
        if _symmetric(ground.system, family)
        and all(_unmoved(formula, ground, family) for formula in (ground.initially, *bad))
    )


def _symmetric(system: System, family: str) -> bool:
    """Whether variables, clocks, transitions and deadlines treat all instances alike."""
    if any(
        isinstance(variable.type, RefType) and variable.type.family == family
        for variable in system.variables
    ):
        return False
    for transition in system.transitions:
        scope = {param.name: param.family for param in transition.params}
        if not _uniform(transition.guard, scope, family):
            return False
        for update in transition.updates:
            each = update.each
            inner = scope if each is None else {**scope, each.name: each.family}
            if isinstance(update.index, int) or not _uniform(update.value, inner, family):
                return False
        if any(isinstance(reset.index, int) for reset in transition.resets):
            return False
    conditions = [(clock.active, clock.family) for clock in system.clocks]
    conditions += [(deadline.active, deadline.family) for deadline in system.deadlines]
    return all(
        _uniform(formula, {} if owner is None else {SELF: owner}, family)
        for formula, owner in conditions
    )


def _uniform(expr: Expr, scope: Mapping[str, str], family: str) -> bool:
    """Whether `expr` treats all instances of `family` alike. Any number as an index is refused."""
    match expr:
        case Forall(param, its_family, body) | Exists(param, its_family, body):
            return _uniform(body, {**scope, param: its_family}, family)
        case IndexValue(index):
            return isinstance(index, str) and scope.get(index) not in (None, family)
        case Same(left, right):
            return _named(left) and _named(right)
        case Ref(_, index) | ClockCmp(_, index, _, _) | Happens(_, _, _, index):
            return _named(index)
        case ClockDiff(_, index, _, minus_index, _, _):
            return _named(index) and _named(minus_index)
        case _:
            return all(_uniform(part, scope, family) for part in children(expr))


def _named(index: Index) -> bool:
    match index:
        case None | str():
            return True
        case int():
            return False
        case _:
            assert_never(index)


def _unmoved(formula: Expr, ground: Ground, family: str) -> bool:
    """Whether a ground formula is, but for the order of its parts, the same with two exchanged."""
    families = {variable.name: variable.family for variable in ground.system.variables}
    families |= {clock.name: clock.family for clock in ground.system.clocks}

    def exchanged(first: int) -> Expr:
        def swap(name: str, index: Index) -> Index:
            if families[name] != family or index not in (first, first + 1):
                return index
            return first + 1 if index == first else first

        def leaf(node: Expr) -> Expr | None:
            match node:
                case Ref(name, index):
                    return Ref(name, swap(name, index))
                case ClockCmp(name, index, op, bound):
                    return ClockCmp(name, swap(name, index), op, bound)
                case ClockDiff(name, index, minus, other, op, bound):
                    return ClockDiff(name, swap(name, index), minus, swap(minus, other), op, bound)
                case _:
                    return None

        return transform(formula, leaf)

    shape = _shape(formula)
    return all(_shape(exchanged(first)) == shape for first in range(1, ground.size(family)))


def _shape(expr: Expr) -> object:
    """The formula with conjunctions and disjunctions as sets."""
    match expr:
        case And(args) | Or(args):
            return (type(expr).__name__, frozenset(_shape(arg) for arg in args))
        case Not(arg):
            return ("Not", _shape(arg))
        case _:
            return expr


def participants(transition: GroundTransition, family: str) -> tuple[int, ...]:
    """The instances of `family` that a step of this transition binds."""
    families = {param.name: param.family for param in transition.template.params}
    return tuple(number for name, number in transition.binding if families[name] == family)


def ordered_families(ground: Ground, bad: Sequence[Expr]) -> tuple[str, ...]:
    """The families for which a search for the ground formulas `bad` may demand the order."""
    return tuple(family for family in exchangeable(ground, bad) if ground.size(family) > 1)
