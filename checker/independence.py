"""Where a spec tells instances apart, line by line.

Owns the syntactic conditions under which one instance may stand for all (SEMANTICS section 5): what
may not occur in declarations, transitions and rules at all. What may occur but costs precision is
the business of `checker.local`. Knows no engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from rhscheck.spec.expr import ClockCmp, ClockDiff, Exists, Expr, Forall, IndexValue, Ref, walk
from rhscheck.spec.source import NOWHERE, Span
from rhscheck.spec.system import (
    SELF,
    Can,
    Early,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    RefType,
    Rule,
    System,
    Transition,
    Within,
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an instance depends on others, and the line that says so."""

    sentence: str
    span: Span


def rule_dependence(system: System, rule: Rule) -> Reason | None:
    """Why `rule` cannot be about one instance, None if it can."""
    families = system.parametric
    bound = [param.name for param in rule.params if param.family in families]
    if len(bound) > 1:
        names = " and ".join(f"`{name}`" for name in bound)
        return Reason(f"rule {rule.id} speaks of several instances at once: {names}", rule.span)
    for family in families:
        for formula in _formulas(rule):
            for text in _problems(formula, frozenset(bound), _Names.of(system, family)):
                return Reason(f"in rule {rule.id}, {text}", rule.span)
    return None


def _formulas(rule: Rule) -> tuple[Expr, ...]:
    match rule.obligation:
        case Never(formula) | Can(formula):
            return (formula,)
        case NeverBefore(one, two) | NeverAfter(one, two) | LeadsTo(one, two):
            return (one, two)
        case Within(one, two, _) | Early(one, two, _):
            return (one, two)
        case _:
            assert_never(rule.obligation)


@dataclass(frozen=True, slots=True)
class _Names:
    """Which family the variables and clocks of a System belong to, seen from the parametric one."""

    family: str
    variables: frozenset[str]
    clocks: frozenset[str]

    @staticmethod
    def of(system: System, family: str) -> _Names:
        return _Names(
            family,
            frozenset(v.name for v in system.variables if v.family == family),
            frozenset(c.name for c in system.clocks if c.family == family),
        )


def _problems(expr: Expr, bound: frozenset[str], names: _Names) -> Iterator[str]:
    """What in `expr` tells instances apart; `bound` are the names of instances of the family."""
    family = names.family
    for node in walk(expr):
        match node:
            case Ref(name, int(index)) if name in names.variables:
                yield f"`{name}[{index}]` names one particular instance of `{family}`"
            case ClockCmp(name, int(index), _, _) if name in names.clocks:
                yield f"clock `{name}[{index}]` names one particular instance of `{family}`"
            case ClockDiff(name, index, minus, minus_index, _, _):
                for clock, at in ((name, index), (minus, minus_index)):
                    if isinstance(at, int) and clock in names.clocks:
                        yield f"clock `{clock}[{at}]` names one particular instance of `{family}`"
            case IndexValue(index) if index in bound:
                yield f"the number of instance `{index}` of `{family}` is used as a value"
            case Forall(param, of, body) | Exists(param, of, body) if of == family:
                for part in walk(body):
                    if part == IndexValue(param):
                        yield f"the number of instance `{param}` of `{family}` is used as a value"
            case _:
                pass


def declared_dependences(system: System, family: str) -> Iterator[Reason]:
    """Variables, clocks and formulas that make instances distinguishable."""
    names = _Names.of(system, family)
    for variable in system.variables:
        if isinstance(variable.type, RefType) and variable.type.family == family:
            yield Reason(
                f"variable `{variable.name}` stores the number of an instance of `{family}`",
                variable.span,
            )

    def owner(of: str | None) -> frozenset[str]:
        return frozenset((SELF,)) if of == family else frozenset()

    for clock in system.clocks:
        for text in _problems(clock.active, owner(clock.family), names):
            yield Reason(text, clock.span)
        if any(isinstance(n, Forall | Exists) and n.family == family for n in walk(clock.active)):
            yield Reason(
                f"clock `{clock.name}` runs or stops with other instances of `{family}`", clock.span
            )
    for deadline in system.deadlines:
        for text in _problems(deadline.active, owner(deadline.family), names):
            yield Reason(text, deadline.span)
    for text in _problems(system.initially, frozenset(), names):
        yield Reason(text, NOWHERE)
    for transition in system.transitions:
        bound = frozenset(p.name for p in transition.params if p.family == family)
        for text in _transition_problems(transition, bound, names):
            yield Reason(text, transition.span)


def _transition_problems(
    transition: Transition, bound: frozenset[str], names: _Names
) -> Iterator[str]:
    yield from _problems(transition.guard, bound, names)
    for update in transition.updates:
        each = update.each
        inside = bound
        if each is not None:
            inside = bound | {each.name} if each.family == names.family else bound - {each.name}
        yield from _problems(Ref(update.var, update.index), inside, names)
        yield from _problems(update.value, inside, names)
    for reset in transition.resets:
        yield from _problems(ClockCmp(reset.clock, reset.index, ">=", 0), bound, names)
