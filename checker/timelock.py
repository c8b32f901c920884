"""Where time could stop: goals that have to be unreachable before a bounded response is proved.

Owns condition (b) of SEMANTICS section 5: wherever a deadline is tight, some step is possible that
needs no other instance. Each deadline becomes an ordinary goal, "tight, and no such step", for the
engines to reach or to prove unreachable. Knows no engine.
"""

from __future__ import annotations

from collections.abc import Collection

from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    Comparison,
    Expr,
    conj,
    disj,
    neg,
    transform,
)
from rhscheck.spec.ground import Ground, GroundDeadline


def goal_name(deadline: GroundDeadline) -> str:
    """What the goal of `deadline` is called among the goals of an engine."""
    where = deadline.name if deadline.index is None else f"{deadline.name}[{deadline.index}]"
    return f"timelock {where}"


def timelock_goals(
    ground: Ground, exact: Collection[str] | None = None, *, wide: bool = False
) -> dict[str, Expr]:
    """For every deadline of `ground` a state formula, by `goal_name`; all unreachable: no timelock.

    Only transitions whose template key is in `exact` (None: all) count as steps that need no other
    instance. Unless `wide`, a deadline that has an expiry counts only this expiry as a step: a
    smaller formula that is reachable more often.
    """
    return {
        goal_name(deadline): _stuck(ground, deadline, exact, wide) for deadline in ground.deadlines
    }


def _stuck(
    ground: Ground, deadline: GroundDeadline, exact: Collection[str] | None, wide: bool
) -> Expr:
    steps = [
        transition
        for transition in ground.transitions
        if exact is None or transition.template.key in exact
    ]
    expiries = [
        transition
        for transition in steps
        if transition.template.expires == deadline.name
        and (deadline.index is None or deadline.index in dict(transition.binding).values())
    ]
    chosen = steps if wide or not expiries else expiries
    if deadline.clock is None:
        tight: Expr = TRUE
        guards = [transition.guard for transition in chosen]
    else:
        clock = ground.clocks[deadline.clock]
        # A strict deadline is never met: time can come as close to it as it likes, so the step has
        # to be possible all the last unit long (constants are whole units).
        bound = deadline.bound - 1 if deadline.strict else deadline.bound
        op: Comparison = ">" if deadline.strict else ">="
        tight = ClockCmp(clock.name, clock.index, op, bound)
        guards = [_from_on(transition.guard, tight) for transition in chosen]
    return conj((deadline.active, tight, neg(disj(guards))))


def _from_on(guard: Expr, tight: ClockCmp) -> Expr:
    """`guard` simplified where `tight` (a lower bound) holds."""

    def leaf(node: Expr) -> Expr | None:
        if not isinstance(node, ClockCmp) or (node.clock, node.index) != (tight.clock, tight.index):
            return None
        above = tight.op == ">"
        # The clock is at least `bound`, or above it.
        match node.op:
            case ">=":
                return TRUE if node.bound <= tight.bound else None
            case ">":
                surely = node.bound <= tight.bound if above else node.bound < tight.bound
                return TRUE if surely else None
            case "<":
                return FALSE if node.bound <= tight.bound else None
            case "<=":
                never = node.bound <= tight.bound if above else node.bound < tight.bound
                return FALSE if never else None

    return transform(guard, leaf)
