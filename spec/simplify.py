"""Simplification of expressions under facts that are known to hold.

Owns what follows from a conjunction by looking at one variable at a time: which values are left,
which literals are decided. It is sound and deliberately weak: the result is equal to the expression
in every state where the facts hold. It knows no machines and no steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
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
    equal,
    ite,
    member,
    neg,
    rebuild,
    rename,
    same,
    transform,
    walk,
)
from rhscheck.spec.system import BoolType, EnumType, IntType, RefType, System

# The values a variable can have, by name; variables with too many are missing.
Domains = Mapping[str, frozenset[int]]

_WIDEST = 256
_MOST_CASES = 64
_REMEMBERED = 5_000  # quantified formulas: there are few, and each is looked for time and again


def domains(system: System) -> Domains:
    """The values of every variable whose type lists them for any number of instances."""
    found: dict[str, frozenset[int]] = {}
    for variable in system.variables:
        match variable.type:
            case BoolType():
                found[variable.name] = frozenset((0, 1))
            case EnumType(_, members):
                found[variable.name] = frozenset(range(len(members)))
            case IntType(low, high):
                if high - low < _WIDEST:
                    found[variable.name] = frozenset(range(low, high + 1))
            case RefType():
                pass
            case _:
                assert_never(variable.type)
    return found


class Facts:
    """What is known: the values left for some variables, and other formulas that are true.

    Never changed once made.
    """

    __slots__ = ("_kinds", "_true", "domains", "values")

    def __init__(
        self, domains: Domains, values: dict[Ref, frozenset[int]], true: set[Expr]
    ) -> None:
        self.domains = domains
        self.values = values
        self._true = true
        # Most look-ups are for forms that no fact has: hashing a formula is what costs.
        self._kinds = {type(part) for part in true}

    def allowed(self, ref: Ref) -> frozenset[int] | None:
        """The values `ref` may have; None if they cannot be listed."""
        known = self.values.get(ref)
        return self.domains.get(ref.name) if known is None else known

    def decided(self, formula: Expr) -> Expr | None:
        """TRUE or FALSE where `formula` or its negation is a fact, else None."""
        kinds = self._kinds
        if type(formula) in kinds and _canonical(formula) in self._true:
            return TRUE
        if Not in kinds or isinstance(formula, Not | ClockCmp | ClockDiff):
            opposite = neg(formula)
            if type(opposite) in kinds and _canonical(opposite) in self._true:
                return FALSE
        return None

    def given(self, *formulas: Expr) -> Facts:
        """These facts and `formulas`."""
        more = Facts(self.domains, dict(self.values), set(self._true))
        for formula in formulas:
            more._learn(formula)
        return more

    def without(self, name: str) -> Facts:
        """These facts except those that mention an instance called `name`."""
        if not any(_mentions(part, name) for part in (*self.values, *self._true)):
            return self
        return Facts(
            self.domains,
            {ref: left for ref, left in self.values.items() if ref.index != name},
            {part for part in self._true if not _mentions(part, name)},
        )

    @property
    def contradictory(self) -> bool:
        """Whether no value is left for some variable."""
        return any(not left for left in self.values.values())

    def _learn(self, formula: Expr) -> None:
        """Adds a fact (only while being made)."""
        match formula:
            case And(args):
                for arg in args:
                    self._learn(arg)
                return
            case Not(Or(args)):
                for arg in args:
                    self._learn(neg(arg))
                return
            case _:
                restricted = _restriction(formula)
        if restricted is not None:
            ref, wanted, positive = restricted
            left = self.allowed(ref)
            if left is not None or positive:
                kept = wanted if left is None else left & wanted if positive else left - wanted
                self.values[ref] = kept
                return
        self._true.add(_canonical(formula))
        self._kinds.add(type(formula))


def facts(known: Domains, holds: Expr = TRUE) -> Facts:
    """What follows from `holds` alone."""
    return Facts(known, {}, set()).given(holds)


def simplify(expr: Expr, known: Facts) -> Expr:
    """A formula equal to the formula `expr` wherever `known` holds."""
    return _Simplifier().formula(expr, known)


def impossible(expr: Expr, known: Facts) -> bool:
    """Whether `expr` is plainly false wherever `known` holds (False: not known to be)."""
    return _refuted(expr, known, [_MOST_CASES])


def _refuted(expr: Expr, known: Facts, budget: list[int]) -> bool:
    left = simplify(expr, known)
    if left == FALSE:
        return True
    parts = left.args if isinstance(left, And) else (left,)
    for at, part in enumerate(parts):
        if isinstance(part, Or) and len(part.args) <= budget[0]:
            budget[0] -= len(part.args)
            rest = (*parts[:at], *parts[at + 1 :])
            return all(_refuted(conj((case, *rest)), known, budget) for case in part.args)
    return False


def _restriction(part: Expr) -> tuple[Ref, frozenset[int], bool] | None:
    """(variable, values, whether it has one of them) for a literal about one variable."""
    match part:
        case Ref():
            return part, frozenset((1,)), True
        case Not(Ref() as ref):
            return ref, frozenset((1,)), False
        case In(Ref() as ref, values):
            return ref, frozenset(values), True
        case Not(In(Ref() as ref, values)):
            return ref, frozenset(values), False
        case _:
            return None


def _joined(negated: tuple[Expr, ...]) -> Expr:
    """The disjunction of the negations; what is said of one variable is said in one place."""
    values: dict[Expr, set[int]] = {}
    parts: list[Expr] = []
    for part in negated:
        match part:
            case Not(In(arg, some)):
                if arg not in values:
                    parts.append(arg)
                values.setdefault(arg, set()).update(some)
            case _:
                parts.append(neg(part))
    return disj(member(part, values[part]) if part in values else part for part in parts)


def _canonical(expr: Expr) -> Expr:
    """A quantified formula (or its negation) with names that depend on nothing but the nesting."""
    match expr:
        case Forall() | Exists():
            return _renamed(expr, 0)
        case Not(Forall() | Exists() as quantified):
            return Not(_renamed(quantified, 0))
        case _:
            return expr


@lru_cache(maxsize=_REMEMBERED)
def _renamed(node: Forall | Exists, depth: int) -> Expr:
    name = f"#{depth}"

    def leaf(below: Expr) -> Expr | None:
        return _renamed(below, depth + 1) if isinstance(below, Forall | Exists) else None

    body = transform(rename(node.body, {node.param: name}), leaf)
    return rebuild(type(node)(name, node.family, body), (body,))


def _mentions(expr: Expr, name: str) -> bool:
    for node in walk(expr):
        match node:
            case Ref(_, index) | IndexValue(index) | ClockCmp(_, index, _, _):
                if index == name:
                    return True
            case Same(left, right) | ClockDiff(_, left, _, right, _, _):
                if name in (left, right):
                    return True
            case _:
                pass
    return False


class _Simplifier:
    """The recursion, with formulas (truth values) told from terms (any values)."""

    def formula(self, expr: Expr, known: Facts) -> Expr:
        decided = known.decided(expr)
        if decided is not None:
            return decided
        match expr:
            case Lit(value):
                return TRUE if value else FALSE
            case Ref():
                return self._member(expr, (1,), known, expr)
            case Same(left, right):
                turned = known.decided(Same(right, left))
                return same(left, right) if turned is None else turned
            case Not(arg):
                return neg(self.formula(arg, known))
            case And(args):
                return self._conjunction(args, known)
            case Or(args):
                negated = self._conjunction(tuple(neg(arg) for arg in args), known)
                return _joined(negated.args) if isinstance(negated, And) else neg(negated)
            case Ite(cond, then, other):
                return self._choice(cond, then, other, known)
            case In(Ite(cond, then, other), values):
                return self._choice(cond, member(then, values), member(other, values), known)
            case In(arg, values):
                term = self.term(arg, known)
                return self._member(term, values, known, member(term, values))
            case Eq(left, right):
                one, two = self.term(left, known), self.term(right, known)
                made = equal(one, two)
                if isinstance(made, In):
                    return self.formula(made, known)
                if isinstance(one, Ref) and isinstance(two, Ref):
                    some, others = known.allowed(one), known.allowed(two)
                    if some is not None and others is not None and not some & others:
                        return FALSE
                if isinstance(made, Eq):
                    for form in (made, Eq(two, one)):
                        found = known.decided(form)
                        if found is not None:
                            return found
                return made
            case Le(left, right):
                return rebuild(expr, (self.term(left, known), self.term(right, known)))
            case Forall(param, _, body) | Exists(param, _, body):
                return rebuild(expr, (self.formula(body, known.without(param)),))
            case ClockCmp() | ClockDiff() | Happens() | Post() | IndexValue() | Add() | Sub():
                return expr
            case _:
                assert_never(expr)

    def term(self, expr: Expr, known: Facts) -> Expr:
        """`expr` as a value: like `formula`, but an `Ite` of values stays one."""
        match expr:
            case Ref():
                allowed = known.allowed(expr)
                return Lit(next(iter(allowed))) if allowed and len(allowed) == 1 else expr
            case Lit() | IndexValue():
                return expr
            case Ite(cond, then, other):
                test = self.formula(cond, known)
                if isinstance(test, Lit):
                    return self.term(then if test.value else other, known)
                return ite(
                    test,
                    self.term(then, known.given(test)),
                    self.term(other, known.given(neg(test))),
                )
            case Add(left, right) | Sub(left, right):
                return rebuild(expr, (self.term(left, known), self.term(right, known)))
            case _:
                return self.formula(expr, known)

    def _member(self, arg: Expr, values: tuple[int, ...], known: Facts, plain: Expr) -> Expr:
        """`plain`, which says that `arg` has one of `values`, decided if the facts decide it."""
        allowed = known.allowed(arg) if isinstance(arg, Ref) else None
        if allowed is None:
            return plain
        left = allowed.intersection(values)
        return FALSE if not left else TRUE if left == allowed else plain

    def _conjunction(self, args: Iterable[Expr], known: Facts) -> Expr:
        """Each part under the others; later parts learn from earlier ones, then the other way."""
        parts = list(args)
        for _ in range(2):
            before = parts
            parts = []
            gathered = known
            for part in before:
                left = self.formula(part, gathered)
                if left == FALSE:
                    return FALSE
                if left != TRUE:
                    parts.append(left)
                    gathered = gathered.given(left)
                    if gathered.contradictory:
                        return FALSE
            if len(parts) < 2:
                break
            parts.reverse()
        return conj(parts)

    def _choice(self, cond: Expr, then: Expr, other: Expr, known: Facts) -> Expr:
        test = self.formula(cond, known)
        if isinstance(test, Lit):
            return self.formula(then if test.value else other, known)
        yes = self.formula(then, known.given(test))
        no = self.formula(other, known.given(neg(test)))
        if yes == no:
            return yes
        if yes == TRUE:
            return _joined((neg(test), neg(no)))
        if yes == FALSE:
            return conj((neg(test), no))
        if no == TRUE:
            return _joined((test, neg(yes)))
        if no == FALSE:
            return conj((test, yes))
        return Ite(test, yes, no)
