"""A referee for the lengths of counterexamples: exhaustive search by `spec.semantics`.

Owns the reduction that makes it quick. Clocks that do not matter for the lower bound are
overlooked: their comparisons count as true, their deadlines as absent. Every run of the spec is
then still there, so that "nothing shorter" holds of the spec, too; what is too short because of an
overlooked clock shows, for the search then finds it.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from rhscheck.spec.expr import (
    TRUE,
    And,
    ClockCmp,
    Expr,
    Not,
    Or,
    clocks_read,
    conj,
    disj,
    neg,
    walk,
)
from rhscheck.spec.ground import Ground


def overlooking(ground: Ground, seen: Collection[str]) -> Ground:
    """`ground` with these clocks and those of observers only; it has all runs of `ground`."""
    kept = [
        at
        for at, clock in enumerate(ground.clocks)
        if clock.name in seen or clock.role == "observer"
    ]
    position = {old: new for new, old in enumerate(kept)}
    names = {ground.clocks[at].name for at in kept}
    return replace(
        ground,
        clocks=tuple(ground.clocks[at] for at in kept),
        clock_of={key: position[at] for key, at in ground.clock_of.items() if at in position},
        transitions=tuple(
            replace(
                transition,
                guard=_possible(transition.guard, names),
                resets=tuple(position[at] for at in transition.resets if at in position),
            )
            for transition in ground.transitions
        ),
        deadlines=tuple(
            replace(d, clock=None if d.clock is None else position[d.clock])
            for d in ground.deadlines
            if d.clock is None or d.clock in position
        ),
    )


def _possible(guard: Expr, seen: Collection[str], *, negated: bool = False) -> Expr:
    """`guard` (or its negation) with every comparison of an unseen clock taken as true."""
    match guard:
        case ClockCmp(clock):
            if clock not in seen:
                return TRUE
        case Not(arg):
            return _possible(arg, seen, negated=not negated)
        case And(args) | Or(args):
            parts = [_possible(arg, seen, negated=negated) for arg in args]
            return conj(parts) if isinstance(guard, And) != negated else disj(parts)
        case _:
            if list(clocks_read(guard)):
                raise ValueError(f"a clock inside {guard}")
    return neg(guard) if negated else guard


def overdue(ground: Ground, goal: Expr) -> Expr:
    """`goal` with "clock > bound" as "a tick beyond": the same where all else is closed.

    The times of a run are then the solutions of closed constraints between multiples of a tick. The
    most that a clock can show is such a multiple, too.
    """
    parts = goal.args if isinstance(goal, And) else (goal,)
    late = [part for part in parts if isinstance(part, ClockCmp) and part.op == ">"]
    others = [t.guard for t in ground.transitions] + [part for part in parts if part not in late]
    atoms = [node for expr in others for node in walk(expr) if isinstance(node, ClockCmp)]
    strict = any(atom.op in ("<", ">") for atom in atoms) or any(d.strict for d in ground.deadlines)
    if strict or not late:
        return goal
    bounds = [d.bound for d in ground.deadlines if d.clock is not None]
    tick = math.gcd(*bounds, *(atom.bound for atom in atoms + late)) or 1
    return conj(
        ClockCmp(part.clock, part.index, ">=", part.bound + tick)
        if isinstance(part, ClockCmp) and part in late
        else part
        for part in parts
    )
