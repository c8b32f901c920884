"""Rounds in which every debt is met: the counter behind k-liveness.

Owns the System that counts (Claessen and Sorensson, "A liveness checking algorithm that counts",
2012). A run that leaves something unanswered for ever, and is fair, meets each of its debts again
and again (`checker.fairness`). So it goes through one *round* after the other, in each of which
every debt is met once; the counter of a Ground made here grows beyond every bound in such a run.
Where it can be shown never to reach some number, which is safety, there is no such run.

The counter is one of rounds since the present thing is unanswered: whatever answers it, or asks
anew, sets it back. For each debt there is a bit that says whether it was met in this round (a
solver leaves out the bits that do not matter). A weak debt is met by a step that pays it and
wherever it is not owed. A strong one is met by being paid, or *given up*: a guess,
made at any time, that it will never be owed again; where it is owed after that, the counting begins
anew. A run that owes it only finitely often has the right guess at the right time.

*Stuttering.* A step in which nothing happens may be taken at any time, so that the moments within
a delay in which a debt is met are seen, and a run in which nothing happens any more goes through
rounds, too, if it owes nothing. It is a step of time, not of an actor, and pays nothing.

*Time.* With exact clocks a round takes longer than every deadline of the Ground (`period`): time
grows beyond every bound in a run that never ends. Without clocks the caller adds the debts of time.

Knows no solver. Slots, clocks and transitions of the Ground keep their positions; what is new comes
after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rhscheck.checker.fairness import Debt
from rhscheck.spec.expr import (
    TRUE,
    Add,
    ClockCmp,
    Expr,
    Lit,
    Ref,
    conj,
    disj,
    equal,
    ite,
    member,
    neg,
)
from rhscheck.spec.ground import ClockSlot, Ground, GroundTransition, Slot
from rhscheck.spec.system import BoolType, ClockVar, IntType, Label, StateVar, Transition

_NAME = "rounds"
COMPLETE = f"{_NAME}: complete"  # the key of the step that ends a round


@dataclass(frozen=True, slots=True)
class Counted:
    """`ground` counts rounds; `goal` (a state formula): so many have been completed."""

    ground: Ground
    goal: Expr


def count_rounds(
    ground: Ground, turn: int, debts: Sequence[Debt], most: int, period: int | None = None
) -> Counted:
    """`ground` with a counter up to `most` of rounds in which slot `turn` keeps a value not 0.

    `debts`: those to be met in a round. `period`: the least time of one, in the System's unit.
    """
    return _Counter(ground, turn, tuple(debts), most, period).counted()


def least_period(ground: Ground) -> int:
    """A time in which no deadline can be active without its clock being restarted."""
    return 1 + max((one.bound for one in ground.deadlines if one.clock is not None), default=0)


class _Counter:
    def __init__(
        self,
        ground: Ground,
        turn: int,
        debts: tuple[Debt, ...],
        most: int,
        period: int | None,
    ) -> None:
        self._ground = ground
        self._debts = debts
        self._most = most
        self._period = period
        self._turn = turn
        self._slots: list[Slot] = []
        self._count = self._slot("count", IntType(0, most), most)
        self._met = [self._slot(f"met {number}", BoolType(), 1) for number in range(len(debts))]
        self._given_up = {
            number: self._slot(f"given up {number}", BoolType(), 1)
            for number, debt in enumerate(debts)
            if debt.strong
        }

    def _slot(self, name: str, kind: BoolType | IntType, high: int) -> int:
        variable = StateVar(f"{_NAME}: {name}", None, kind, (0,), "observer")
        self._slots.append(Slot(variable, None, 0, high))
        return len(self._ground.slots) + len(self._slots) - 1

    def counted(self) -> Counted:
        ground = self._ground
        slots = (*ground.slots, *self._slots)
        start = len(ground.slots)
        slot_of = dict(ground.slot_of)
        slot_of |= {(slot.variable.name, None): start + at for at, slot in enumerate(self._slots)}
        clocks, clock_of = ground.clocks, dict(ground.clock_of)
        if self._period is not None:
            clock_of[_NAME, None] = len(clocks)
            clocks = (*clocks, ClockSlot(_NAME, None, TRUE, "observer"))
        transitions = [self._watched(at) for at in range(len(ground.transitions))]
        transitions += self._silent()
        system = replace(
            ground.system,
            variables=(*ground.system.variables, *(slot.variable for slot in self._slots)),
        )
        if self._period is not None:
            clock = ClockVar(_NAME, None, TRUE, "observer")
            system = replace(system, clocks=(*system.clocks, clock))
        made = replace(
            ground,
            system=system,
            slots=slots,
            slot_of=slot_of,
            clocks=clocks,
            clock_of=clock_of,
            transitions=tuple(transitions),
        )
        return Counted(made, member(self._ref(self._count), (self._most,)))

    # ---- reading ---------------------------------------------------------------------------------
    def _ref(self, at: int) -> Expr:
        old = len(self._ground.slots)
        slot = self._ground.slots[at] if at < old else self._slots[at - old]
        return Ref(slot.variable.name, slot.index)

    def _unanswered(self) -> Expr:
        return neg(member(self._ref(self._turn), (0,)))

    def _meets(self, number: int, position: int | None) -> Expr:
        """This step meets the debt, or the state before it does."""
        debt = self._debts[number]
        if position is not None and position in debt.paid:
            return TRUE
        return self._ref(self._given_up[number]) if debt.strong else neg(debt.owed)

    def _wrong_guess(self) -> Expr:
        """Something is owed that was given up."""
        return disj(
            conj((self._ref(at), self._debts[number].owed)) for number, at in self._given_up.items()
        )

    # ---- steps -----------------------------------------------------------------------------------
    def _watched(self, position: int) -> GroundTransition:
        transition = self._ground.transitions[position]
        stored = dict(transition.updates).get(self._turn)
        goes_on = self._unanswered()
        if stored is not None:
            goes_on = conj((goes_on, equal(self._ref(self._turn), stored)))
        return replace(
            transition, updates=(*transition.updates, *self._counting(goes_on, position))
        )

    def _counting(self, goes_on: Expr, position: int | None) -> list[tuple[int, Expr]]:
        """What a step does to the counter: from the beginning, unless it `goes_on` as guessed."""
        kept = conj((goes_on, neg(self._wrong_guess())))
        updates = [(self._count, ite(kept, self._ref(self._count), Lit(0)))]
        for number, at in enumerate(self._met):
            met = disj((self._ref(at), self._meets(number, position)))
            updates.append((at, conj((kept, met))))
        updates += [(at, conj((kept, self._ref(at)))) for at in self._given_up.values()]
        return updates

    def _silent(self) -> list[GroundTransition]:
        """Nothing happens; a debt is given up; a round is complete."""
        steps = [self._step("nothing", TRUE, self._counting(self._unanswered(), None))]
        for number, at in self._given_up.items():
            owed = self._debts[number].owed
            steps.append(self._step(f"give up {number}", neg(owed), [(at, Lit(1))]))
        done = [self._unanswered(), *(self._ref(at) for at in self._met)]
        resets: tuple[int, ...] = ()
        if self._period is not None:
            done.append(ClockCmp(_NAME, None, ">=", self._period))
            resets = (len(self._ground.clocks),)
        count = Add(self._ref(self._count), Lit(1))
        complete: list[tuple[int, Expr]] = [(at, Lit(0)) for at in self._met]
        steps.append(self._step("complete", conj(done), [*complete, (self._count, count)], resets))
        return steps

    def _step(
        self,
        name: str,
        guard: Expr,
        updates: Sequence[tuple[int, Expr]],
        resets: tuple[int, ...] = (),
    ) -> GroundTransition:
        label = Label("event", "", f"{_NAME}: {name}")
        template = Transition(label.name, label, "", (), guard)
        return GroundTransition(template, (), label, (), guard, tuple(updates), resets)
