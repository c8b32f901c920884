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
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Forall,
    Happens,
    Index,
    IndexValue,
    Ref,
    Same,
    children,
)
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.system import SELF, RefType, System


def exchangeable(system: System, bad: Sequence[Expr] = ()) -> tuple[str, ...]:
    """The parametric families whose instances can be exchanged, also in the formulas `bad`."""
    return tuple(family for family in system.parametric if _symmetric(system, family, bad))


def _symmetric(system: System, family: str, bad: Sequence[Expr]) -> bool:
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
    conditions += [(system.initially, None), *((formula, None) for formula in bad)]
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


def participants(transition: GroundTransition, family: str) -> tuple[int, ...]:
    """The instances of `family` that a step of this transition binds."""
    families = {param.name: param.family for param in transition.template.params}
    return tuple(number for name, number in transition.binding if families[name] == family)


def ordered_families(ground: Ground, bad: Sequence[Expr]) -> tuple[str, ...]:
    """The families of `ground` for which a search may demand the order; `bad` as yet not ground."""
    return tuple(family for family in exchangeable(ground.system, bad) if ground.size(family) > 1)
