"""Clock atoms in formulas: where they stand, with which sign, and whether whole time units do.

Owns negation normal form over clock atoms, the abstraction of clocks and the test for closedness.
Works on expressions alone; knows no solver.

Why whole units are enough when everything is closed: an atom compares the difference of two points
in time with an integer, and rounding all points of a run by the same threshold (down where the
fractional part is at most some e, else up) keeps every difference <= c and >= c. So a run with
closed guards and deadlines stays a run. One strict atom of the *violation* may be kept too: choose
e as the fractional part of the point that must not be rounded the wrong way. Two may disagree on e.
A strict guard is as good as a strict violation where its step alone makes the state bad: on the way
to the first bad state it is taken once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
    neg,
    transform,
    walk,
)
from rhscheck.spec.ground import Ground, GroundTransition

Atom = ClockCmp | ClockDiff


def atoms(expr: Expr) -> list[Atom]:
    """The clock comparisons in `expr`, outermost first."""
    return [node for node in walk(expr) if isinstance(node, ClockCmp | ClockDiff)]


def positions(atom: Atom, ground: Ground) -> tuple[int, ...]:
    """The clocks (positions in Ground.clocks) that `atom` compares."""
    match atom:
        case ClockCmp(clock, index, _, _):
            return (ground.clock_of[(clock, _number(index))],)
        case ClockDiff(clock, index, minus, minus_index, _, _):
            return (
                ground.clock_of[(clock, _number(index))],
                ground.clock_of[(minus, _number(minus_index))],
            )
        case _:
            assert_never(atom)


def _number(index: int | str | None) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"instance {index!r} is not a number: the expression is not ground")
    return index


def nnf(expr: Expr, atom: Callable[[Atom], Expr] = lambda atom: atom) -> Expr:
    """`expr` (a formula) with negations moved inside until no clock atom is under one.

    Each atom, with its sign applied, is replaced by what `atom` answers. An atom inside a number
    (a conditional number that is compared) has no sign and is left as it is.
    """
    return _signed(expr, True, atom)


def _signed(expr: Expr, positive: bool, atom: Callable[[Atom], Expr]) -> Expr:
    if not atoms(expr):
        return expr if positive else neg(expr)
    match expr:
        case ClockCmp() | ClockDiff():
            signed = expr if positive else neg(expr)
            assert isinstance(signed, ClockCmp | ClockDiff)  # `neg` folds the sign of an atom
            return atom(signed)
        case Not(arg):
            return _signed(arg, not positive, atom)
        case And(args) | Or(args):
            parts = (_signed(arg, positive, atom) for arg in args)
            return conj(parts) if isinstance(expr, And) == positive else disj(parts)
        case Ite(cond, then, other):
            return disj(
                (
                    conj((_signed(cond, True, atom), _signed(then, positive, atom))),
                    conj((_signed(cond, False, atom), _signed(other, positive, atom))),
                )
            )
        case In(arg, values) if _is_formula(arg):
            return disj(
                _signed(arg, bool(value), atom) for value in (0, 1) if (value in values) == positive
            )
        case Eq(left, right) if _is_formula(left) and _is_formula(right):
            return disj(
                conj((_signed(left, sign, atom), _signed(right, sign == positive, atom)))
                for sign in (True, False)
            )
        case In() | Eq() | Le():  # clock atoms choose between numbers
            return expr if positive else neg(expr)
        case Lit() | Ref() | IndexValue() | Same() | Add() | Sub():
            return expr if positive else neg(expr)
        case Forall() | Exists() | Happens() | Post():
            raise ValueError(f"{type(expr).__name__} in a ground formula")
        case _:
            assert_never(expr)


def _is_formula(expr: Expr) -> bool:
    match expr:
        case Ite(_, then, other):
            return _is_formula(then) and _is_formula(other)
        case Lit(value):
            return value in (0, 1)
        case Ref() | IndexValue() | Add() | Sub():
            return False
        case _:
            return True


def unsigned_atoms(expr: Expr) -> bool:
    """Whether, in negation normal form, a clock atom is left inside a number."""
    return bool(atoms(nnf(expr, lambda _: TRUE)))


def abstract(expr: Expr, ground: Ground, tracked: frozenset[int]) -> Expr:
    """A weaker formula without the clocks that are not `tracked`: their atoms hold, in both signs.

    Atoms inside numbers stay; the encoder gives them a free truth value, which is weaker still.
    """

    def atom(node: Atom) -> Expr:
        return node if all(at in tracked for at in positions(node, ground)) else TRUE

    return nnf(expr, atom)


def strict_atoms(expr: Expr) -> int:
    """The largest number of strict atoms that one way to satisfy `expr` needs.

    Counted in negation normal form: the sum over a conjunction, the maximum over a disjunction.
    Atoms inside numbers may be needed with either sign, and each counts.
    """

    def count(node: Expr) -> int:
        match node:
            case ClockCmp(_, _, op, _) | ClockDiff(_, _, _, _, op, _):
                return int(op in ("<", ">"))
            case And(args):
                return sum(count(arg) for arg in args)
            case Or(args):
                return max((count(arg) for arg in args), default=0)
            case _:
                return len(atoms(node))

    return count(nnf(expr))


def closedness(ground: Ground, bad: Sequence[Expr] = ()) -> str | None:
    """None if whole time units decide the shortest run into each of `bad`, else the reason.

    All guards and deadlines have to be closed (negated occurrences included, no clock atom in an
    updated value), and each of `bad` closed but for one strict atom (SEMANTICS section 5). Instead
    of that atom a single property may have one in the guard of steps that fulfil it at once.
    """
    final = bad[0] if len(bad) == 1 and strict_atoms(bad[0]) == 0 else FALSE
    for transition in ground.transitions:
        strict = strict_atoms(transition.guard)
        if strict > 1 or (strict and _after(final, transition, ground) != TRUE):
            return f"the guard of `{transition.template.key}` compares a clock strictly"
        for _, value in transition.updates:
            if atoms(value):
                return f"`{transition.template.key}` stores the result of a clock comparison"
    for deadline in ground.deadlines:
        if deadline.strict and deadline.clock is not None:
            return f"deadline `{deadline.name}` is strict"
    for formula in bad:
        if strict_atoms(formula) > 1:
            return "the property compares clocks strictly more than once"
    return None


def _after(formula: Expr, transition: GroundTransition, ground: Ground) -> Expr:
    """What is left of `formula` when the constants that the transition stores are put in."""
    stored = {
        at: value
        for at, value in transition.updates
        if isinstance(value, Lit) and ground.slots[at].low <= value.value <= ground.slots[at].high
    }

    def leaf(node: Expr) -> Expr | None:
        if isinstance(node, Ref):
            return stored.get(ground.slot_of[(node.name, _number(node.index))])
        return None

    return transform(formula, leaf)


def constants(ground: Ground, bad: Iterable[Expr] = ()) -> list[tuple[tuple[int, ...], int]]:
    """Every constant that clocks are compared with: (positions of the clocks, constant)."""
    found: list[tuple[tuple[int, ...], int]] = []
    formulas: list[Expr] = []
    for transition in ground.transitions:
        formulas.append(transition.guard)
        formulas.extend(value for _, value in transition.updates)
    formulas.extend(bad)
    for formula in formulas:
        found.extend((positions(atom, ground), atom.bound) for atom in atoms(formula))
    found.extend(
        ((deadline.clock,), deadline.bound)
        for deadline in ground.deadlines
        if deadline.clock is not None
    )
    return found
