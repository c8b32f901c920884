"""Leaving variables out: a smaller Ground that can do everything the larger one can.

Owns the projection of a Ground to some of its slots. The claim: every run of the whole, with the
other slots struck out, is a run of the projection of at most as many discrete steps, ending in the
same kept values and tracked clocks. So what the projection never reaches, the whole never reaches
(`checker.recheck` confirms each such proof on the whole). The converse does not hold: a run found
here is a hint.

The proof, for clocks of which only the `tracked` are looked at.
*Start.* Kept slots start as they do; the condition on initial states is weakened.
*A step.* What a guard says about a slot that is left out is taken to hold, whichever way it is
asked; a value that depends on such a slot is replaced by a choice among outcomes (a transition
each), one of which is the value in the whole. Updates of other slots and resets of other clocks
are gone. A transition without kept update or reset of a tracked clock is left out: kept slots stay
as they are, and with them all that follows. One with a mark is never left out: it can be seen.
*Activity.* What the activity of a tracked clock reads is kept, so tracked clocks run, stand still
and start anew exactly as in the whole, also across a transition that is left out.
*A delay.* A deadline counts only where it is certainly active whatever was left out. So a delay of
the whole is one of the projection; two of them, with a left-out transition between, are one: no
kept slot changed meanwhile, so neither did the deadlines.

Order. Transitions come in the order of the whole; several for one transition (its outcomes) stand
together, and of those that are alike, marks included, the first stands for all. Knows neither
engines nor rules.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from types import MappingProxyType

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
)
from rhscheck.spec.ground import Ground, GroundTransition

# More combinations of unknown values than this are not worth the smaller state.
_MOST_OUTCOMES = 64
_NO_MARKS: Mapping[int, Hashable] = MappingProxyType({})


class TooManyOutcomes(Exception):  # noqa: N818 - no error: the caller keeps more slots
    """A transition's values depend on too much of what was to be left out; `slots` are needed."""

    def __init__(self, slots: frozenset[int]) -> None:
        super().__init__("a transition has too many outcomes without these slots")
        self.slots = slots


@dataclass(frozen=True, slots=True)
class Projection:
    """`ground` without some slots of `whole`.

    `kept`: for each slot of `ground` its position in `whole`, ascending. `origin`: for each
    transition of `ground` the position of one in `whole` that it stands for, ascending. `weakened`:
    by position in `whole`, the slots left out that the transition reads. `clocks` of both are the
    same, those not tracked being meaningless in `ground`.
    """

    whole: Ground
    ground: Ground
    kept: tuple[int, ...]
    origin: tuple[int, ...]
    weakened: dict[int, frozenset[int]]


def project(
    whole: Ground,
    keep: Collection[int],
    tracked: Collection[int] = (),
    marks: Mapping[int, Hashable] = _NO_MARKS,
) -> Projection:
    """`whole` with the slots `keep` only, and what the activity of the clocks `tracked` reads.

    `marks`: what is to be told apart about transitions, by position. Raises TooManyOutcomes where
    a transition would split into too many.
    """
    needed = set(keep)
    for at in tracked:
        needed |= slots_of(whole, whole.clocks[at].active)
    kept = tuple(at for at in range(len(whole.slots)) if at in needed)
    position = {at: new for new, at in enumerate(kept)}
    sight = Sight(whole, needed)
    transitions: list[GroundTransition] = []
    origin: list[int] = []
    weakened: dict[int, frozenset[int]] = {}
    seen: set[tuple[object, ...]] = set()
    for at, transition in enumerate(whole.transitions):
        written = [(slot, value) for slot, value in transition.updates if slot in position]
        resets = tuple(clock for clock in transition.resets if clock in tracked)
        mark = marks.get(at)
        if not written and not resets and mark is None:
            continue
        lost = frozenset(
            slot
            for read in (transition.guard, *(value for _, value in written))
            for slot in sight.unseen(read)
        )
        if lost:
            weakened[at] = lost
        guard = sight.possible(transition.guard)
        for condition, values in sight.joint_outcomes(written):
            joined = conj((guard, condition))
            updates = tuple(
                (position[slot], value) for (slot, _), value in zip(written, values, strict=True)
            )
            if joined == FALSE or (joined, updates, resets, mark) in seen:
                continue
            seen.add((joined, updates, resets, mark))
            transitions.append(replace(transition, guard=joined, updates=updates, resets=resets))
            origin.append(at)
    smaller = replace(
        whole,
        slots=tuple(whole.slots[at] for at in kept),
        # A clock that is not tracked has no meaning here: its comparisons hold either way.
        clocks=tuple(
            clock if sight.sees(clock.active) else replace(clock, active=TRUE)
            for clock in whole.clocks
        ),
        transitions=tuple(transitions),
        deadlines=tuple(
            replace(deadline, active=active)
            for deadline in whole.deadlines
            if (active := sight.certain(deadline.active)) != FALSE
        ),
        initially=sight.possible(whole.initially),
        slot_of={key: position[at] for key, at in whole.slot_of.items() if at in position},
    )
    return Projection(whole, smaller, kept, tuple(origin), weakened)


def slots_of(whole: Ground, expr: Expr) -> frozenset[int]:
    """The positions of the state variables that `expr` (ground) reads."""
    return whole.slots_read(expr)


class Sight:
    """What can be said about expressions over `whole` where only the slots `seen` are known."""

    def __init__(self, whole: Ground, seen: Collection[int]) -> None:
        self._whole = whole
        self._seen = frozenset(seen)

    def unseen(self, expr: Expr) -> frozenset[int]:
        """The slots that `expr` reads and nobody knows."""
        return slots_of(self._whole, expr) - self._seen

    def sees(self, expr: Expr) -> bool:
        """Whether `expr` reads known slots only (clocks do not count)."""
        return self._whole.slots_read(expr) <= self._seen

    def possible(self, formula: Expr) -> Expr:
        """A formula over known slots that holds at least wherever `formula` does."""
        return self._approximated(formula, TRUE)

    def certain(self, formula: Expr) -> Expr:
        """A formula over known slots that holds at most where `formula` does."""
        return self._approximated(formula, FALSE)

    def _approximated(self, formula: Expr, unknown: Expr) -> Expr:
        """`unknown`, TRUE or FALSE, takes the place of what cannot be said."""
        match formula:
            case And(args) | Or(args):
                parts = [self._approximated(arg, unknown) for arg in args]
                if all(map(is_, parts, args)):
                    return formula
                return conj(parts) if isinstance(formula, And) else disj(parts)
            case Not(arg):
                part = self._approximated(arg, neg(unknown))
                return formula if part is arg else neg(part)
            case _ if self.sees(formula):
                return formula
            case Ite(cond, then, other):
                # Not an `Ite` again: where the condition is unknown both branches are possible, and
                # certain is what both say.
                inner, outer = (conj, disj) if unknown == TRUE else (disj, conj)
                first, second = (cond, neg(cond)) if unknown == TRUE else (neg(cond), cond)
                return outer(
                    inner(self._approximated(part, unknown) for part in branch)
                    for branch in ((first, then), (second, other))
                )
            case _:
                return unknown

    def joint_outcomes(
        self, written: Sequence[tuple[int, Expr]]
    ) -> Iterator[tuple[Expr, tuple[Expr, ...]]]:
        """What the values of (slot, value) may be together: a condition, one value for each.

        In every state of the whole some condition holds whose values are the values there. Raises
        TooManyOutcomes.
        """
        choices = [self._outcomes(slot, value) for slot, value in written]
        if math.prod(len(choice) for choice in choices) > _MOST_OUTCOMES:
            raise TooManyOutcomes(
                frozenset(at for _, value in written for at in self.unseen(value))
            )
        for choice in itertools.product(*choices):
            yield conj(condition for condition, _ in choice), tuple(value for _, value in choice)

    def _outcomes(self, slot: int, value: Expr) -> list[tuple[Expr, Expr]]:
        """What `slot` may get: (a condition that is possible then, a value over known slots)."""
        low, high = self._whole.slots[slot].low, self._whole.slots[slot].high
        if self.sees(value):
            return [(TRUE, value)]
        if isinstance(value, Ite):
            return [
                (conj((self.possible(chosen), condition)), outcome)
                for chosen, branch in ((value.cond, value.then), (neg(value.cond), value.other))
                for condition, outcome in self._outcomes(slot, branch)
            ]
        if (low, high) == (0, 1) and isinstance(value, And | Or | Not):
            return [
                (self.possible(value), Lit(1)),
                (self.possible(Not(value)), Lit(0)),
            ]
        if high - low >= _MOST_OUTCOMES:
            raise TooManyOutcomes(self.unseen(value))
        return [(TRUE, Lit(number)) for number in range(low, high + 1)]
