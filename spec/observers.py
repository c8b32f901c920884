"""Observers: variables and clocks that watch the steps of a System and never disturb them.

Owns what an observer is, how it changes in each transition, and its smallest representation. Knows
nothing of the rules it is for (`spec.rules`).

An observer is on or off, for one instance of a family or for the whole System. It changes with
steps only. A clocked one measures for how long it has been on, and can be restarted. Usually a
Boolean and one clock do, restarted by a reset of the transition. Where restarting depends on more
than which transition is taken (on a condition, or for every instance at once), two clocks take
turns: the one that takes over was inactive, so it starts at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    Comparison,
    Expr,
    Forall,
    Index,
    Lit,
    Ref,
    conj,
    disj,
    ite,
    member,
    neg,
    rename,
    transform,
)
from rhscheck.spec.simplify import Facts, simplify
from rhscheck.spec.stepview import Families, StepView, initially
from rhscheck.spec.system import (
    SELF,
    BoolType,
    ClockVar,
    Deadline,
    EnumType,
    Param,
    Reset,
    StateVar,
    Update,
)

_TURNS = EnumType("stopwatch", ("off", "first", "second"))


@dataclass(frozen=True, slots=True)
class Change:
    """What a step does to an observer: whether it is `on` after it, and whether it restarts."""

    on: Expr
    restart: Expr = FALSE


# From the observer's own state and its parts, judged in one step; None: the step changes nothing.
Rule = Callable[[Expr, tuple[Expr, ...]], Change | None]


@dataclass(frozen=True, slots=True)
class Observer:
    """`parts` are step formulas over `param`; `change` tells from them what a step does.

    `initial`: a state formula, on in the initial states where it holds. `clocked`: it measures.
    `turning`: it has no clock, but its value tells when it was restarted.
    """

    name: str
    param: Param | None
    parts: tuple[Expr, ...]
    change: Rule
    initial: Expr = FALSE
    clocked: bool = False
    turning: bool = False

    @property
    def index(self) -> Index:
        """The instance it watches, as its formulas name it."""
        return None if self.param is None else self.param.name

    @property
    def bit(self) -> Expr:
        """The observer is on (as formulas over `parts` are told; see `Laid.on` for real)."""
        return Ref(self.name, self.index)


@dataclass(frozen=True, slots=True)
class Moved:
    """A change at one place: at instance `index`, or (`each`) at every instance of that name."""

    index: Index
    each: Param | None
    change: Change


def moves(observer: Observer, view: StepView, families: Families) -> tuple[Moved, ...]:
    """Where and how the transition of `view` changes `observer`, simplified; usually nowhere."""
    parts = tuple(view.before(part, families) for part in observer.parts)
    param = observer.param

    def changed(own: Expr, cases: Sequence[Expr]) -> Change | None:
        found = observer.change(own, tuple(view.simplify(case) for case in cases))
        if found is None:
            return None
        settled = Change(view.simplify(found.on), view.simplify(found.restart))
        if view.simplify(conj((settled.restart, settled.on))) == FALSE:
            settled = Change(settled.on)
        idle = settled.restart == FALSE and settled.on == view.simplify(own)
        return None if idle else settled

    if param is None:
        whole = changed(observer.bit, parts)
        return () if whole is None else (Moved(None, None, whole),)
    others = changed(observer.bit, [view.apart(part, param.name, param.family) for part in parts])
    if others is not None:
        every = changed(observer.bit, parts)
        return () if every is None else (Moved(param.name, param, every),)
    found = []
    for point in view.points(param.family):
        binding: dict[str, Index] = {param.name: point}
        own = changed(rename(observer.bit, binding), [rename(part, binding) for part in parts])
        if own is not None:
            found.append(Moved(point, None, own))
    return tuple(found)


def needs_turns(observer: Observer, all_moves: Sequence[tuple[Moved, ...]]) -> bool:
    """Whether restarts of an observer have to be seen in its value.

    Those of a clocked one need not be if all can be resets of the transitions.
    """
    if observer.turning:
        return any(moved.change.restart != FALSE for found in all_moves for moved in found)
    return observer.clocked and any(
        moved.change.restart != FALSE and (moved.each is not None or moved.change.restart != TRUE)
        for found in all_moves
        for moved in found
    )


@dataclass(frozen=True, slots=True)
class Laid:
    """An observer with its representation; `turns`: two clocks that take turns."""

    observer: Observer
    turns: bool = False

    def on(self, index: Index) -> Expr:
        """The observer of `index` is on."""
        ref = Ref(self.observer.name, index)
        return neg(member(ref, (0,))) if self.turns else ref

    def elapsed(self, index: Index, op: Comparison, bound: int) -> Expr:
        """It is on, and the time since it was switched on or restarted is `op` `bound`."""
        return disj(
            conj((on, ClockCmp(clock, index, op, bound))) for clock, on in self._clocks(index)
        )

    def _clocks(self, index: Index) -> list[tuple[str, Expr]]:
        name = self.observer.name
        ref = Ref(name, index)
        if not self.turns:
            return [(f"{name}.clock", ref)]
        return [
            (f"{name}.clock {member_name}", member(ref, (number,)))
            for number, member_name in enumerate(_TURNS.members)
            if number
        ]

    @property
    def _own(self) -> Index:
        return None if self.observer.param is None else SELF

    @property
    def _family(self) -> str | None:
        return None if self.observer.param is None else self.observer.param.family

    def variable(self, initial: tuple[int, ...]) -> StateVar:
        """Its state variable."""
        kind = _TURNS if self.turns else BoolType()
        machine = self._family or ""
        return StateVar(self.observer.name, self._family, kind, initial, "observer", machine)

    def clocks(self) -> tuple[ClockVar, ...]:
        """Its clocks, active while it is on."""
        if not self.observer.clocked:
            return ()
        return tuple(
            ClockVar(clock, self._family, on, "observer") for clock, on in self._clocks(self._own)
        )

    def deadlines(self, name: str, bound: int, owner: str) -> tuple[Deadline, ...]:
        """It may not stay on for longer than `bound`."""
        return tuple(
            Deadline(name if number == 0 else f"{name}'", self._family, on, clock, bound, owner)
            for number, (clock, on) in enumerate(self._clocks(self._own))
        )

    def start(self, known: Facts) -> tuple[tuple[int, ...], Expr]:
        """Its initial values, and a condition on initial states where they do not say enough.

        `known` are the other variables' initial values.
        """
        observer = self.observer
        wanted = simplify(initially(observer.initial), known)
        if isinstance(wanted, Lit):
            return (wanted.value,), TRUE
        on = self.on(observer.index)
        agree = disj((conj((on, wanted)), conj((neg(on), neg(wanted)))))
        if observer.param is None:
            return (0, 1), agree
        return (0, 1), Forall(observer.param.name, observer.param.family, agree)

    def effects(self, found: tuple[Moved, ...]) -> tuple[list[Update], list[Reset]]:
        """The updates and resets that make the changes."""
        updates: list[Update] = []
        resets: list[Reset] = []
        name = self.observer.name
        for moved in found:
            ref = Ref(name, moved.index)
            value = self._value(ref, moved.change) if self.turns else moved.change.on
            if value != ref:
                updates.append(Update(name, moved.index, value, moved.each))
            if not self.turns and moved.change.restart == TRUE:
                resets.append(Reset(f"{name}.clock", moved.index))
        return updates, resets

    def _value(self, ref: Ref, change: Change) -> Expr:
        """The turn after a step."""
        on = transform(change.on, lambda node: neg(member(ref, (0,))) if node == ref else None)
        restart = transform(
            change.restart, lambda node: neg(member(ref, (0,))) if node == ref else None
        )
        next_turn = ite(member(ref, (1,)), Lit(2), Lit(1))
        same_turn = ite(member(ref, (0,)), Lit(1), ref)
        return ite(on, ite(restart, next_turn, same_turn), Lit(0))
