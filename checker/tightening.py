"""Deadlines that a step makes tight, because their condition comes true while their clock stands.

Owns which deadlines can become tight so, and by which steps. Most cannot: their clock starts with
their condition. Where several can, each may be ended by a step that makes another one tight, and
time stops although no deadline stops it by itself. So a step that makes one tight does not count
as one that lets time go on. Urgent steps (no clock, or bound 0) are followed one by one elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rhscheck.spec.compiled import Compiled, Values
from rhscheck.spec.expr import (
    ClockCmp,
    Comparison,
    Expr,
    Ref,
    conj,
    conjuncts,
    disj,
    neg,
    refs,
    transform,
)
from rhscheck.spec.ground import Ground, GroundDeadline, GroundTransition
from rhscheck.spec.stepview import saturated
from rhscheck.spec.system import Deadline, StateVar


def is_urgent(deadline: Deadline | GroundDeadline) -> bool:
    """Whether a deadline lets no time pass at all while its condition holds."""
    return deadline.clock is None or (deadline.bound == 0 and not deadline.strict)


def lower_bound(ground: Ground, deadline: GroundDeadline) -> ClockCmp | None:
    """The values of its clock for which a deadline is tight; None: it has no clock.

    A strict one is never met: time can come as close to it as it likes, so it counts as tight all
    the last unit long (constants are whole units).
    """
    if deadline.clock is None:
        return None
    clock = ground.clocks[deadline.clock]
    bound = deadline.bound - 1 if deadline.strict else deadline.bound
    op: Comparison = ">" if deadline.strict else ">="
    return ClockCmp(clock.name, clock.index, op, bound)


def active_after(ground: Ground, deadline: GroundDeadline, transition: GroundTransition) -> Expr:
    """Whether the deadline's condition holds after a step, as a formula about the state before."""
    written = dict(transition.updates)

    def after(node: Expr) -> Expr | None:
        if not isinstance(node, Ref):
            return None
        at = ground.slot_of[(node.name, node.index)]  # type: ignore[index]
        value = written.get(at)
        if value is None:
            return None
        return saturated(value, ground.slots[at].variable, _variables(ground, value))

    return transform(deadline.active, after)


def _variables(ground: Ground, value: Expr) -> dict[str, StateVar]:
    """What `value` reads, by name."""
    slots = (ground.slots[ground.slot_of[(ref.name, ref.index)]] for ref in refs(value))  # type: ignore[index]
    return {slot.variable.name: slot.variable for slot in slots}


@dataclass(frozen=True, slots=True)
class Tightening:
    """`deadlines`: positions in `ground.deadlines` of those that a step may make tight."""

    ground: Ground
    deadlines: tuple[int, ...]

    def by(self, transition: GroundTransition) -> Expr:
        """Whether a step makes one of them tight, as a formula about the state before it."""
        return disj(self._formulas(transition))

    def _formulas(self, transition: GroundTransition) -> Iterator[Expr]:
        for at in self._touched(transition):
            one = self.ground.deadlines[at]
            tight = lower_bound(self.ground, one)
            if tight is None or one.clock is None:
                raise AssertionError("an urgent deadline is no candidate")
            runs = self.ground.clocks[one.clock].active
            after = active_after(self.ground, one, transition)
            yield conj((neg(one.active), runs, after, tight))

    def _touched(self, transition: GroundTransition) -> Iterator[int]:
        """Those whose condition may come true by a step that does not restart their clock."""
        written = {at for at, _ in transition.updates}
        for at in self.deadlines:
            one = self.ground.deadlines[at]
            if one.clock not in transition.resets and written & self.ground.slots_read(one.active):
                yield at

    def possible(self, compiled: Compiled, position: int, before: Values, after: Values) -> bool:
        """Whether a step (by its position) may make one of them tight, for some clock values."""
        touched = [*self._touched(self.ground.transitions[position])] if self.deadlines else []
        if not touched:
            return False
        already = compiled.active_deadlines(before)
        then = compiled.active_deadlines(after)
        runs = compiled.active_clocks(before)
        return any(
            at in then and at not in already and self.ground.deadlines[at].clock in runs
            for at in touched
        )


def tightening(ground: Ground) -> Tightening:
    """Which deadlines of `ground` a step may make tight."""
    return Tightening(
        ground,
        tuple(
            at
            for at, one in enumerate(ground.deadlines)
            if not is_urgent(one)
            and one.clock is not None
            and not starts_with(one.active, ground.clocks[one.clock].active)
        ),
    )


def starts_with(condition: Expr, runs: Expr) -> bool:
    """Whether a clock that runs implies, by its form alone, that the condition holds."""
    return {*conjuncts(condition)} <= {*conjuncts(runs)}
