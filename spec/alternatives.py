"""Guards as alternatives: discrete conditions, each with the clock comparisons it needs.

Owns the split of an expression into what only the discrete state decides and what clocks decide,
and the untimed abstraction built on it. It must not know of states or solvers.

The split is a disjunctive normal form over clock comparisons only: the discrete parts stay
formulas. Alternatives may overlap. A comparison and its negation are both ordinary comparisons, so
"every comparison may be true" abstracts them in both polarities, which is what makes the untimed
abstraction an over-approximation.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    conj,
    disj,
    neg,
    transform,
    walk,
)

# The same guards are met in every Ground and every projection that a verification makes.
_REMEMBERED = 10_000
ClockAtom = ClockCmp | ClockDiff
Atoms = tuple[ClockAtom, ...]


def reads_clocks(expr: Expr) -> bool:
    """Whether a clock comparison occurs in `expr`."""
    return any(isinstance(node, ClockCmp | ClockDiff) for node in walk(expr))


def clock_atoms(expr: Expr) -> Atoms:
    """The clock comparisons in `expr`, each once, in order of appearance."""
    return tuple(
        dict.fromkeys(node for node in walk(expr) if isinstance(node, ClockCmp | ClockDiff))
    )


def assume_atom(expr: Expr, atom: ClockAtom, *, holds: bool) -> Expr:
    """`expr` simplified under the knowledge that `atom` holds (or not)."""
    opposite = neg(atom)

    def leaf(node: Expr) -> Expr | None:
        if node == atom:
            return Lit(int(holds))
        if node == opposite:
            return Lit(int(not holds))
        return None

    return transform(expr, leaf)


def split_guard(guard: Expr) -> list[tuple[Expr, Atoms]]:
    """`guard` as a disjunction of (discrete formula and all of these clock comparisons).

    The discrete parts contain no clock and are not false, the lists of comparisons are sorted and
    differ from each other; a guard that no state satisfies may yield no alternative. Alternatives
    whose comparisons contradict each other are kept: only clocks can tell. Raises ValueError for
    quantifiers around clock comparisons (ground first).
    """
    return list(_alternatives(guard))


@lru_cache(maxsize=_REMEMBERED)
def _alternatives(guard: Expr) -> tuple[tuple[Expr, Atoms], ...]:
    merged: dict[Atoms, list[Expr]] = {}
    for discrete, atoms in _split(guard, positive=True):
        merged.setdefault(tuple(sorted(set(atoms), key=_order)), []).append(discrete)
    alternatives = ((disj(parts), atoms) for atoms, parts in merged.items())
    return tuple((discrete, atoms) for discrete, atoms in alternatives if discrete != FALSE)


def untimed(guard: Expr) -> Expr:
    """The weakest discrete formula that `guard` implies if clocks may have any value."""
    return disj(discrete for discrete, _ in split_guard(guard))


def _order(atom: ClockAtom) -> tuple[str, int, str, int, str, int]:
    match atom:
        case ClockCmp(clock, index, op, bound):
            return (clock, _rank(index), "", 0, op, bound)
        case ClockDiff(clock, index, minus, minus_index, op, bound):
            return (clock, _rank(index), minus, _rank(minus_index), op, bound)
        case _:
            assert_never(atom)


def _rank(index: Index) -> int:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return 0 if index is None else index


def _split(expr: Expr, *, positive: bool) -> list[tuple[Expr, Atoms]]:
    if not reads_clocks(expr):
        discrete = expr if positive else neg(expr)
        return [] if discrete == FALSE else [(discrete, ())]
    match expr:
        case ClockCmp() | ClockDiff():
            atom = expr if positive else neg(expr)
            assert isinstance(atom, ClockCmp | ClockDiff)
            return [(TRUE, (atom,))]
        case Not(arg):
            return _split(arg, positive=not positive)
        case And(args):
            return _all(args, positive=True) if positive else _any(args, positive=False)
        case Or(args):
            return _any(args, positive=True) if positive else _all(args, positive=False)
        case Ite(cond, then, other):
            holds, fails = _split(cond, positive=True), _split(cond, positive=False)
            return _product(holds, _split(then, positive=positive)) + _product(
                fails, _split(other, positive=positive)
            )
        case In() | Eq() | Le() | Add() | Sub():
            # A clock decides a value (`if x < 3 then 1 else 2`): try it both ways.
            atom = clock_atoms(expr)[0]
            return _product([(TRUE, (atom,))], _case(expr, atom, holds=True, positive=positive)) + (
                _product(
                    _split(atom, positive=False),
                    _case(expr, atom, holds=False, positive=positive),
                )
            )
        case Forall() | Exists() | Happens() | Post():
            raise ValueError(f"{type(expr).__name__} around a clock comparison: ground first")
        case Lit() | Ref() | IndexValue() | Same():
            raise AssertionError("a leaf without a clock")
        case _:
            assert_never(expr)


def _case(expr: Expr, atom: ClockAtom, *, holds: bool, positive: bool) -> list[tuple[Expr, Atoms]]:
    return _split(assume_atom(expr, atom, holds=holds), positive=positive)


def _any(args: Iterable[Expr], *, positive: bool) -> list[tuple[Expr, Atoms]]:
    return [alternative for arg in args for alternative in _split(arg, positive=positive)]


def _all(args: Iterable[Expr], *, positive: bool) -> list[tuple[Expr, Atoms]]:
    result: list[tuple[Expr, Atoms]] = [(TRUE, ())]
    for arg in args:
        result = _product(result, _split(arg, positive=positive))
    return result


def _product(
    left: list[tuple[Expr, Atoms]], right: list[tuple[Expr, Atoms]]
) -> list[tuple[Expr, Atoms]]:
    pairs = (
        (conj((one, two)), tuple(dict.fromkeys((*atoms_one, *atoms_two))))
        for one, atoms_one in left
        for two, atoms_two in right
    )
    return [(discrete, atoms) for discrete, atoms in pairs if discrete != FALSE]
