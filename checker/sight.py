"""What one instance sees of a formula that also speaks of other instances.

Owns the two approximations that `checker.local` is built from: a boolean formula is *weakened* to a
consequence that does not mention the others, a value is *covered* by a few expressions that do not
mention them, one of which it equals. Why that is sound is said in `checker.local`.

In what comes in, the kept instance has the number `INSTANCE`; the names of other instances are
passed along as `others`. Knows no transitions and no engine.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import assert_never

from rhscheck.spec.expr import (
    FALSE,
    TRUE,
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
    conj,
    disj,
    ite,
    neg,
    rebuild,
    rename,
    transform,
)
from rhscheck.spec.ground import value_range
from rhscheck.spec.system import System

INSTANCE = 1  # the number of the instance that is kept
_MOST_VALUES = 8  # alternatives for one value


class UncoveredError(Exception):
    """A value that no short list of expressions covers; the message says which."""


def normal_form(expr: Expr, positive: bool = True) -> Expr:
    """A boolean expression (negated unless `positive`) with negation only before atoms."""
    match expr:
        case Not(arg):
            return normal_form(arg, not positive)
        case And(args):
            parts = (normal_form(arg, positive) for arg in args)
            return conj(parts) if positive else disj(parts)
        case Or(args):
            parts = (normal_form(arg, positive) for arg in args)
            return disj(parts) if positive else conj(parts)
        case Ite(cond, then, other):
            return disj(
                (
                    conj((normal_form(cond), normal_form(then, positive))),
                    conj((normal_form(cond, positive=False), normal_form(other, positive))),
                )
            )
        case Forall(param, family, body):
            inner = normal_form(body, positive)
            made = Forall(param, family, inner) if positive else Exists(param, family, inner)
            return rebuild(made, (inner,))
        case Exists(param, family, body):
            inner = normal_form(body, positive)
            made_dual = Exists(param, family, inner) if positive else Forall(param, family, inner)
            return rebuild(made_dual, (inner,))
        case (
            Lit()
            | Ref()
            | IndexValue()
            | Same()
            | In()
            | Eq()
            | Le()
            | Add()
            | Sub()
            | ClockCmp()
            | ClockDiff()
            | Happens()
            | Post()
        ):
            return expr if positive else neg(expr)
        case _:
            assert_never(expr)


@dataclass(frozen=True, slots=True)
class Seen:
    """A formula implied by the original, over kept state; `lost`: not equivalent to it."""

    formula: Expr
    lost: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What instance 1 sees of a formula in which the names in `others` are other instances."""

    system: System
    family: str

    def resolve(self, expr: Expr, others: frozenset[str]) -> Expr:
        """`expr` with comparisons between the kept instance and another one decided."""
        if not others:
            return expr

        def leaf(node: Expr) -> Expr | None:
            match node:
                case Same(left, right):
                    sides = {left, right}
                    return FALSE if INSTANCE in sides and sides & others else None
                case Forall(param, _, body) | Exists(param, _, body) if param in others:
                    return rebuild(node, (self.resolve(body, others - {param}),))
                case _:
                    return None

        return transform(expr, leaf)

    def mentions(self, expr: Expr, others: frozenset[str]) -> bool:
        """Whether the value of `expr` may depend on another instance."""
        match expr:
            case Ref(_, index) | IndexValue(index) | ClockCmp(_, index, _, _):
                return index in others
            case Same(left, right):
                return left in others or right in others
            case ClockDiff(_, index, _, minus_index, _, _):
                return index in others or minus_index in others
            case Forall(param, family, body) | Exists(param, family, body):
                return family == self.family or self.mentions(body, others - {param})
            case Happens(_, _, _, index):
                return index in others
            case Lit():
                return False
            case Not(arg) | In(arg, _) | Post(arg):
                return self.mentions(arg, others)
            case And(args) | Or(args):
                return any(self.mentions(arg, others) for arg in args)
            case Ite(cond, then, other):
                return any(self.mentions(part, others) for part in (cond, then, other))
            case Eq(left, right) | Le(left, right) | Add(left, right) | Sub(left, right):
                return self.mentions(left, others) or self.mentions(right, others)
            case _:
                assert_never(expr)

    def weaken(self, expr: Expr, others: frozenset[str]) -> Seen:
        """A consequence of boolean `expr` that does not mention the others."""
        resolved = self.resolve(expr, others)
        if not self.mentions(resolved, others):
            return Seen(resolved, False)
        return self._weaken(normal_form(resolved), others)

    def _weaken(self, expr: Expr, others: frozenset[str]) -> Seen:
        """`weaken` for a normal form."""
        if not self.mentions(expr, others):
            return Seen(expr, False)
        match expr:
            case And(args):
                parts = [self._weaken(arg, others) for arg in args]
                return Seen(conj(p.formula for p in parts), any(p.lost for p in parts))
            case Or(args):
                parts = [self._weaken(arg, others) for arg in args]
                return Seen(disj(p.formula for p in parts), any(p.lost for p in parts))
            case Forall(param, family, body) if family == self.family:
                here = self._weaken(self._at_instance(body, param, others), others)
                there, inner = self._elsewhere(body, param, others)
                # Nothing is lost where every other instance satisfies the body anyway.
                return Seen(here.formula, here.lost or self.resolve(there, inner) != TRUE)
            case Exists(param, family, body) if family == self.family:
                here = self._weaken(self._at_instance(body, param, others), others)
                there, inner = self._elsewhere(body, param, others)
                seen = self._weaken(there, inner)
                if seen.formula == FALSE:
                    return here
                return Seen(disj((here.formula, seen.formula)), True)
            case Forall(param, _, body) | Exists(param, _, body):
                part = self._weaken(body, others - {param})
                return Seen(rebuild(expr, (part.formula,)), part.lost)
            case _:
                return Seen(TRUE, True)

    def first_instance(self, expr: Expr) -> Seen:
        """`weaken` for a normal form, in which the first `exists` binds the kept instance."""
        none: frozenset[str] = frozenset()
        if not self.mentions(expr, none):
            return Seen(expr, False)
        match expr:
            case Or(args):
                parts = [self.first_instance(arg) for arg in args]
                return Seen(disj(p.formula for p in parts), any(p.lost for p in parts))
            case And(args):
                binders = [at for at, arg in enumerate(args) if self.mentions(arg, none)]
                parts = [
                    self.first_instance(arg) if at == binders[0] else self._weaken(arg, none)
                    for at, arg in enumerate(args)
                ]
                return Seen(conj(p.formula for p in parts), any(p.lost for p in parts))
            case Exists(param, family, body) if family == self.family:
                return self._weaken(self._at_instance(body, param, none), none)
            case Exists(_, _, body):
                part = self.first_instance(body)
                return Seen(rebuild(expr, (part.formula,)), part.lost)
            case _:
                return self._weaken(expr, none)

    def _at_instance(self, body: Expr, param: str, others: frozenset[str]) -> Expr:
        return self.resolve(rename(body, {param: INSTANCE}), others)

    def _elsewhere(
        self, body: Expr, param: str, others: frozenset[str]
    ) -> tuple[Expr, frozenset[str]]:
        """The body at an instance that is not kept (perhaps one of `others`), and others' names.

        The parameter gets a name of its own: it need not be the instance that an outer binder of
        the same name stands for.
        """
        fresh = param
        while fresh in others:
            fresh += "'"
        inner = others | {fresh}
        return self.resolve(rename(body, {param: fresh}), inner), inner

    # values
    def values(self, expr: Expr, others: frozenset[str]) -> tuple[Expr, ...]:
        """Expressions over kept state, one of which has the value of `expr`.

        Raises `UncoveredError` where there is no short list.
        """
        found = tuple(dict.fromkeys(self._values(self.resolve(expr, others), others)))
        if len(found) > _MOST_VALUES:
            raise UncoveredError(
                "a value that depends on other instances has too many possibilities"
            )
        return found

    def _values(self, expr: Expr, others: frozenset[str]) -> tuple[Expr, ...]:
        if not self.mentions(expr, others):
            return (expr,)
        match expr:
            case Ite(cond, then, other):
                if self.mentions(cond, others):
                    return self.values(then, others) + self.values(other, others)
                return tuple(
                    ite(cond, a, b)
                    for a, b in itertools.product(
                        self.values(then, others), self.values(other, others)
                    )
                )
            case Not(arg):
                return tuple(neg(value) for value in self.values(arg, others))
            case And(args):
                # Where the conjuncts about others hold it is the rest, elsewhere false.
                return (FALSE, conj(arg for arg in args if not self.mentions(arg, others)))
            case Or(args):
                return (TRUE, disj(arg for arg in args if not self.mentions(arg, others)))
            case Exists(param, family, body) if family == self.family:
                here = self.values(self._at_instance(body, param, others), others)
                there, inner = self._elsewhere(body, param, others)
                return (
                    here
                    if self._weaken(normal_form(there), inner).formula == FALSE
                    else (*here, TRUE)
                )
            case Forall(param, family, body) if family == self.family:
                here = self.values(self._at_instance(body, param, others), others)
                there, inner = self._elsewhere(neg(body), param, others)
                return (
                    here
                    if self._weaken(normal_form(there), inner).formula == FALSE
                    else (*here, FALSE)
                )
            case Ref(name, _):
                low, high = value_range(self.system.variable(name).type, self.system, INSTANCE)
                if high - low >= _MOST_VALUES:
                    raise UncoveredError(f"a value is copied from `{name}` of another instance")
                return tuple(Lit(value) for value in range(low, high + 1))
            case Add(left, right) | Sub(left, right):
                return tuple(
                    rebuild(expr, pair)
                    for pair in itertools.product(
                        self.values(left, others), self.values(right, others)
                    )
                )
            case Same() | In() | Eq() | Le() | ClockCmp() | ClockDiff() | Forall() | Exists():
                return (FALSE, TRUE)
            case IndexValue() | Lit() | Happens() | Post():
                raise UncoveredError("a value depends on which other instance takes the step")
            case _:
                assert_never(expr)
