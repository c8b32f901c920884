"""Leaving variables out: a smaller Ground that can do everything the larger one can.

Owns the projection of a Ground to some of its slots. What a guard says about a slot that is left
out is taken to hold, whichever way it is asked; a value that depends on such a slot may be any that
the expression can have; a deadline counts only where it is certain to be active. So every run of
the larger Ground, with the other slots struck out, is a run of the smaller one: what the smaller
one never reaches, the larger one never reaches (`checker.recheck` confirms each such proof on the
larger one). The converse does not hold: a run found here is a hint.

Knows neither engines nor rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    And,
    Expr,
    Ite,
    Lit,
    Not,
    Or,
    conj,
    disj,
    neg,
    refs,
)
from rhscheck.spec.ground import Ground, GroundTransition

# More combinations of unknown values than this are not worth the smaller state.
_MOST_OUTCOMES = 64


class TooManyOutcomes(Exception):  # noqa: N818 - no error: the caller keeps more slots
    """A transition's values depend on too much of what was to be left out; `slots` are needed."""

    def __init__(self, slots: frozenset[int]) -> None:
        super().__init__("a transition has too many outcomes without these slots")
        self.slots = slots


@dataclass(frozen=True, slots=True)
class Projection:
    """`ground` without some slots of `whole`.

    `kept`: for each slot of `ground` its position in `whole`. `origin`: for each transition of
    `ground` the position of one in `whole` that it stands for. `weakened`: by position in `whole`,
    the slots left out that the transition reads.
    """

    whole: Ground
    ground: Ground
    kept: tuple[int, ...]
    origin: tuple[int, ...]
    weakened: dict[int, frozenset[int]]


class _Sight:
    """Which state variables are still seen."""

    def __init__(self, whole: Ground, kept: Collection[int]) -> None:
        self._seen = {
            key for key, at in whole.slot_of.items() if at in kept
        }
        self._whole = whole

    def sees(self, expr: Expr) -> bool:
        return all((ref.name, ref.index) in self._seen for ref in refs(expr))  # type: ignore[comparison-overlap]

    def unseen(self, expr: Expr) -> Iterator[int]:
        for ref in refs(expr):
            key = (ref.name, ref.index)
            if key not in self._seen:
                yield self._whole.slot_of[key]  # type: ignore[index]

    def possible(self, expr: Expr) -> Expr:
        """True at least wherever `expr` may be true."""
        return self._approximate(expr, TRUE)

    def certain(self, expr: Expr) -> Expr:
        """True at most where `expr` is true whatever is left out."""
        return self._approximate(expr, FALSE)

    def _approximate(self, expr: Expr, unknown: Expr) -> Expr:
        if self.sees(expr):
            return expr
        match expr:
            case And(args):
                return conj([self._approximate(arg, unknown) for arg in args])
            case Or(args):
                return disj([self._approximate(arg, unknown) for arg in args])
            case Not(arg):
                return neg(self._approximate(arg, neg(unknown)))
            case Ite(cond, then, other):
                return disj((
                    conj((self._approximate(cond, unknown), self._approximate(then, unknown))),
                    conj((self._approximate(neg(cond), unknown), self._approximate(other, unknown))),
                ))  # fmt: skip
            case _:
                return unknown

    def outcomes(self, value: Expr, low: int, high: int) -> list[tuple[Expr, Expr]]:
        """What `value` may be: (condition that is possible then, value over what is seen)."""
        if self.sees(value):
            return [(TRUE, value)]
        if isinstance(value, Ite):
            return [
                (conj((self.possible(value.cond), guard)), then)
                for guard, then in self.outcomes(value.then, low, high)
            ] + [
                (conj((self.possible(neg(value.cond)), guard)), other)
                for guard, other in self.outcomes(value.other, low, high)
            ]
        if (low, high) == (0, 1) and isinstance(value, And | Or | Not):
            return [
                (self.possible(value), Lit(1)),
                (self.possible(neg_formula(value)), Lit(0)),
            ]
        return [(TRUE, Lit(number)) for number in range(low, high + 1)]


def neg_formula(expr: Expr) -> Expr:
    """The negation with `not` pushed inwards, so that both halves of a formula can be weakened."""
    match expr:
        case And(args):
            return disj([neg_formula(arg) for arg in args])
        case Or(args):
            return conj([neg_formula(arg) for arg in args])
        case Not(arg):
            return arg
        case _:
            return neg(expr)


def project(whole: Ground, keep: Collection[int], tracked: Collection[int] = ()) -> Projection:
    """`whole` with the slots `keep` only, and what the activity of the clocks `tracked` reads.

    Raises TooManyOutcomes where a transition would split into too many.
    """
    needed = set(keep)
    for at in tracked:
        needed.update(whole.slot_of[(r.name, r.index)] for r in refs(whole.clocks[at].active))  # type: ignore[index]
    kept = tuple(at for at in range(len(whole.slots)) if at in needed)
    sight = _Sight(whole, needed)
    slots = tuple(whole.slots[at] for at in kept)
    position = {at: new for new, at in enumerate(kept)}
    transitions: list[GroundTransition] = []
    origin: list[int] = []
    weakened: dict[int, frozenset[int]] = {}
    seen: dict[tuple[object, ...], None] = {}
    for at, transition in enumerate(whole.transitions):
        lost = set(sight.unseen(transition.guard))
        written = [(slot, value) for slot, value in transition.updates if slot in position]
        for _, value in written:
            lost.update(sight.unseen(value))
        resets = tuple(clock for clock in transition.resets if clock in tracked)
        if not written and not resets:
            continue  # changes nothing that is seen: as good as no step
        guard = sight.possible(transition.guard)
        choices = [
            sight.outcomes(value, whole.slots[slot].low, whole.slots[slot].high)
            for slot, value in written
        ]
        count = 1
        for choice in choices:
            count *= len(choice)
        if count > _MOST_OUTCOMES:
            raise TooManyOutcomes(frozenset(lost))
        if lost:
            weakened[at] = frozenset(lost)
        for combination in itertools.product(*choices):
            condition = conj((guard, *(part for part, _ in combination)))
            if condition == FALSE:
                continue
            updates = tuple(
                (position[slot], value)
                for (slot, _), (_, value) in zip(written, combination, strict=True)
            )
            key = (condition, updates, resets)
            if key in seen:
                continue
            seen[key] = None
            transitions.append(
                replace(transition, guard=condition, updates=updates, resets=resets)
            )
            origin.append(at)
    deadlines = tuple(
        replace(deadline, active=active)
        for deadline in whole.deadlines
        if (active := sight.certain(deadline.active)) != FALSE
    )
    clocks = tuple(
        clock if at in tracked or sight.sees(clock.active) else replace(clock, active=TRUE)
        for at, clock in enumerate(whole.clocks)
    )
    smaller = Ground(
        whole.system,
        whole.n,
        slots,
        clocks,
        tuple(transitions),
        deadlines,
        sight.possible(whole.initially),
        {key: position[at] for key, at in whole.slot_of.items() if at in position},
        whole.clock_of,
    )
    return Projection(whole, smaller, kept, tuple(origin), weakened)


def slots_of(whole: Ground, expr: Expr) -> frozenset[int]:
    """The positions of the state variables that `expr` reads."""
    return frozenset(whole.slot_of[(ref.name, ref.index)] for ref in refs(expr))  # type: ignore[index]


