"""Weaves observers into the transitions of a System.

Owns how a plan's observers become updates, resets and copies of transitions. Knows nothing of the
meaning of rules (`spec.obligations`) nor of who may be restricted (`spec.rules`).

A value that is stored never depends on a clock. Where it would, the transition is split into copies
whose guards decide the clock comparisons; their keys get a suffix after `~`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rhscheck.spec.alternatives import assume_atom, clock_atoms, reads_clocks
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    ClockDiff,
    Expr,
    Happens,
    Index,
    Ref,
    conj,
    disj,
    neg,
    transform,
    walk,
)
from rhscheck.spec.obligations import Plan, UnweavableError, exists
from rhscheck.spec.observers import Change, Laid, Moved, Observer, moves, needs_turns
from rhscheck.spec.simplify import Facts, domains
from rhscheck.spec.stepview import StepView
from rhscheck.spec.system import Label, Reset, System, Transition, Update


@dataclass(frozen=True, slots=True)
class _Variant:
    """What one copy of a transition gets for a plan."""

    suffix: str
    guard: Expr
    updates: tuple[Update, ...]
    resets: tuple[Reset, ...]


class Loom:
    """A System whose transitions are being given observers.

    All formulas are about the System as it was given; observers are not observed.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._domains = domains(system)
        self._views = [
            StepView(system, transition, self._domains) for transition in system.transitions
        ]
        self._woven: list[list[Transition]] = [[t] for t in system.transitions]
        self._variables = list(system.variables)
        self._clocks = list(system.clocks)
        self._initially = [system.initially]
        starts = {v.name: frozenset(v.initial) for v in system.variables}
        self._start = Facts(starts, {}, set()).given(system.initially)
        nothing = Transition("", Label("event", "", ""), "", (), TRUE)
        self._stutter = StepView(system, nothing, self._domains)

    def system(self) -> System:
        """The System with everything that was added."""
        return replace(
            self._system,
            variables=tuple(self._variables),
            clocks=tuple(self._clocks),
            transitions=tuple(itertools.chain.from_iterable(self._woven)),
            initially=conj(self._initially),
        )

    def add(self, plan: Plan) -> tuple[Plan, tuple[Laid, ...]]:
        """Adds the plan's observers; returns the plan in terms of the variables they got."""
        laid, all_moves = [], []
        for observer in plan.observers:
            found = self._moves(observer, plan)
            laid.append(Laid(observer, needs_turns(observer, found)))
            all_moves.append(found)
        variants = []
        for at, view in enumerate(self._views):
            updates: list[Update] = []
            resets: list[Reset] = []
            for one, found in zip(laid, all_moves, strict=True):
                more_updates, more_resets = one.effects(found[at])
                updates += more_updates
                resets += more_resets
            variants.append(_by_clocks(plan.name, view, updates, tuple(resets)))
        # Nothing is changed before everything is known to be possible.
        for at, chosen in enumerate(variants):
            self._apply(at, chosen)
        for one in laid:
            self._declare(one)
        replaced = replace(plan, step=_laid_out(plan.step, laid), state=_laid_out(plan.state, laid))
        return replaced, tuple(laid)

    def watch(self, plan: Plan) -> Expr:
        """Adds what `plan` needs as a rule; the closed formula to be reached."""
        plan, laid = self.add(plan)
        state = plan.state
        if plan.within is not None:
            (armed,) = laid
            state = armed.elapsed(armed.observer.index, ">", plan.within)
        if plan.step == FALSE:
            return exists(plan, state)

        def change(own: Expr, parts: tuple[Expr, ...]) -> Change | None:
            return None if parts[0] == FALSE else Change(disj((own, parts[0])))

        param = plan.params[0] if len(plan.params) == 1 else None
        step = plan.step if param is not None else exists(plan, plan.step)
        hit = Observer(f"{plan.name}:hit", param, (step,), change)
        found = self._moves(hit, plan)
        if any(
            moved.each is not None and reads_clocks(moved.change.on)
            for moved in itertools.chain.from_iterable(found)
        ):
            # A broadcast cannot split the transition for every instance; one bit for all can.
            param = None
            hit = replace(hit, param=None, parts=(exists(plan, plan.step),))
            found = self._moves(hit, plan)
        for at, moved in enumerate(found):
            if moved:
                self._apply(at, _by_condition(plan.name, hit, moved))
        self._declare(Laid(hit))
        if param is not None:
            return exists(plan, disj((state, hit.bit)))
        return disj((exists(plan, state), hit.bit))

    def _moves(self, observer: Observer, plan: Plan) -> list[tuple[Moved, ...]]:
        """For each transition, how it changes `observer`."""
        events, reads = _interest(observer.parts, self._system)
        # A transition that does nothing the observer looks at is a stutter to it.
        aloof = not moves(observer, self._stutter, plan.families)
        return [
            ()
            if aloof and not view.labels & events and not (view.writes | view.restarts) & reads
            else moves(observer, view, plan.families)
            for view in self._views
        ]

    def _declare(self, laid: Laid) -> None:
        initial, condition = laid.start(self._start)
        self._variables.append(laid.variable(initial))
        self._clocks += laid.clocks()
        self._initially.append(condition)

    def _apply(self, at: int, variants: list[_Variant]) -> None:
        if variants == [_Variant("", TRUE, (), ())]:
            return
        self._woven[at] = [
            replace(
                transition,
                key=transition.key + variant.suffix,
                guard=conj((transition.guard, variant.guard)),
                updates=(*transition.updates, *variant.updates),
                resets=(*transition.resets, *variant.resets),
            )
            for transition in self._woven[at]
            for variant in variants
        ]


def _laid_out(formula: Expr, laid: Sequence[Laid]) -> Expr:
    """`formula` with the observers' bits and clocks as they were laid out."""
    by_name = {one.observer.name: one for one in laid}
    by_clock = {f"{one.observer.name}.clock": one for one in laid}

    def leaf(node: Expr) -> Expr | None:
        match node:
            case Ref(name, index) if name in by_name:
                return by_name[name].on(index)
            case ClockCmp(clock, index, op, bound) if clock in by_clock:
                return by_clock[clock].elapsed(index, op, bound)
            case _:
                return None

    return transform(formula, leaf)


def _interest(parts: tuple[Expr, ...], system: System) -> tuple[set[tuple[str, str]], set[str]]:
    """The events that `parts` look for, and the variables that decide anything in them."""
    events: set[tuple[str, str]] = set()
    reads: set[str] = set()
    activity = {clock.name: clock.active for clock in system.clocks}
    for node in itertools.chain.from_iterable(map(walk, parts)):
        match node:
            case Happens(kind, name, _, _):
                events.add((kind, name))
            case Ref(name, _):
                reads.add(name)
            case ClockCmp(clock, _, _, _) | ClockDiff(clock, _, _, _, _, _):
                clocks = [clock] if isinstance(node, ClockCmp) else [clock, node.minus]
                reads.update(clocks)
                for each in clocks:
                    if each in activity:
                        reads |= {n.name for n in walk(activity[each]) if isinstance(n, Ref)}
            case _:
                pass
    return events, reads


def _by_condition(name: str, hit: Observer, found: tuple[Moved, ...]) -> list[_Variant]:
    """The variants that set `hit`: one where no clock decides, else two for each place."""
    plain: list[Moved] = []
    split: list[Moved] = []
    for moved in found:
        (split if reads_clocks(moved.change.on) else plain).append(moved)
    updates, _ = Laid(hit).effects(tuple(plain))
    variants = [_Variant("", TRUE, tuple(updates), ())]
    for moved in split:
        ref = Ref(hit.name, moved.index)
        condition = assume_false(moved.change.on, ref)
        variants = [
            copy
            for variant in variants
            for copy in (
                replace(
                    variant,
                    suffix=f"{variant.suffix}~{name}",
                    guard=conj((variant.guard, condition)),
                    updates=(*variant.updates, Update(hit.name, moved.index, TRUE)),
                ),
                replace(
                    variant,
                    suffix=f"{variant.suffix}~not {name}",
                    guard=conj((variant.guard, neg(condition))),
                ),
            )
        ]
    return variants


def assume_false(formula: Expr, bit: Ref) -> Expr:
    """What sets `bit`, from its next value."""
    return transform(formula, lambda node: FALSE if node == bit else None)


def _by_clocks(
    name: str, view: StepView, updates: list[Update], resets: tuple[Reset, ...]
) -> list[_Variant]:
    """Variants such that no update reads a clock: one for each way the comparisons may turn out."""
    for update in updates:
        for atom in clock_atoms(update.value):
            mine = [param.name for param in view.transition.params]
            if any(isinstance(i, str) and i not in mine for i in _indices(atom)):
                raise UnweavableError("an observer would have to read the clocks of every instance")
    variants = []

    def split(guard: Expr, left: list[Update], number: int) -> int:
        atoms = [atom for update in left for atom in clock_atoms(update.value)]
        if not atoms:
            suffix = "" if guard == TRUE else f"~{name} case {number}"
            variants.append(_Variant(suffix, guard, tuple(left), resets))
            return number + 1
        atom = atoms[0]
        for holds in (True, False):
            decided = [
                replace(update, value=assume_atom(update.value, atom, holds=holds))
                for update in left
            ]
            number = split(conj((guard, atom if holds else neg(atom))), decided, number)
        return number

    split(TRUE, updates, 1)
    return variants


def _indices(atom: ClockCmp | ClockDiff) -> tuple[Index, ...]:
    return (atom.index,) if isinstance(atom, ClockCmp) else (atom.index, atom.minus_index)
