"""Forced actors and zeno runs: what is wrong with time although it does not stop.

Owns the two questions (SEMANTICS section 2, "errors of time") as formulas and searches over one
Ground. Timelocks are `checker.timelock`'s.

*Forced actor*: no time can pass and every possible step belongs to an actor that owns no deadline
that is due. It is enough that whenever a deadline is tight, time itself or the deadline's owner has
a step; only where that fails the tight deadlines of others are looked at.

*Zeno*: the host can go round in a circle of its own steps without time passing. Only steps of the
host and of time count, without those that wait for a clock: a circle of the others takes no time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rhscheck.checker.timelock import goal_name, stuck, waits
from rhscheck.spec.compiled import Compiled
from rhscheck.spec.expr import FALSE, Expr, disj
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import TIME


def forced_goals(ground: Ground, *, wide: bool) -> dict[str, Expr]:
    """For every deadline a state formula: it is tight, and neither time nor its owner has a step.

    Also true where nobody has a step (a timelock). Deadlines that cannot be left alone by their
    form are left out; the names are those of `timelock.goal_name`. Unless `wide`, only likely steps
    are counted: a smaller formula that holds more often.
    """
    goals: dict[str, Expr] = {}
    for deadline in ground.deadlines:
        able = {
            transition.template.key
            for transition in ground.transitions
            if transition.actor in (TIME, deadline.owner)
        }
        goal = stuck(ground, deadline, able, wide=False, ending=False)
        if goal != FALSE:
            goals[goal_name(deadline)] = (
                stuck(ground, deadline, able, wide=True, ending=False) if wide else goal
            )
    return goals


def enabled(ground: Ground) -> Expr:
    """Some step is possible."""
    return disj([transition.guard for transition in ground.transitions])


def zeno_circle(
    ground: Ground,
    compiled: Compiled,
    states: Iterable[Sequence[int]],
    counted: Collection[int],
) -> tuple[int, ...] | None:
    """Positions of transitions that form a circle through one of `states`; None if none does.

    Only the positions `counted` may take part (steps of "some other instance" have lost what they
    wait for).
    """
    hosts = {actor.name for actor in ground.system.actors if actor.kind == "host"} | {TIME}
    quick = frozenset(
        at
        for at, transition in enumerate(ground.transitions)
        if at in counted and transition.actor in hosts and not waits(transition.guard)
    )
    if not quick:
        return None
    done: set[tuple[int, ...]] = set()
    for start in states:
        found = _circle(tuple(start), compiled, quick, done)
        if found is not None:
            return found
    return None


def _circle(
    start: tuple[int, ...],
    compiled: Compiled,
    quick: frozenset[int],
    done: set[tuple[int, ...]],
) -> tuple[int, ...] | None:
    """Depth first from `start`; `done` are states from which no circle can be reached."""
    if start in done:
        return None
    open_at: dict[tuple[int, ...], int] = {start: 0}
    taken: list[int] = []
    stack = [(start, iter(compiled.successors_untimed(start)))]
    while stack:
        values, steps = stack[-1]
        for position, after in steps:
            if position not in quick or after in done:
                continue
            if after in open_at:
                return (*taken[open_at[after] :], position)
            open_at[after] = len(stack)
            taken.append(position)
            stack.append((after, iter(compiled.successors_untimed(after))))
            break
        else:
            stack.pop()
            done.add(values)
            del open_at[values]
            if taken:
                taken.pop()
    return None
