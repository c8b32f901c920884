"""Where time could stop: goals that have to be unreachable before a bounded response is proved.

Owns condition (b) of SEMANTICS section 5: wherever a deadline is tight, some step is possible that
needs no other instance. Each deadline becomes an ordinary goal, "tight, and no such step", which
enumeration has to exclude and Z3 to confirm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rhscheck.checker.answer import Confirmed, Task, TimeCheck, confirm
from rhscheck.checker.explore import Exploration, explore
from rhscheck.checker.recheck import identity
from rhscheck.checker.schedule import Reached, Undecided, Unreachable, refine
from rhscheck.checker.tightening import active_after, is_urgent, lower_bound, tightening
from rhscheck.spec.compiled import Compiled
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    ClockDiff,
    Expr,
    clocks_read,
    conj,
    conjuncts,
    disj,
    neg,
    refs,
    transform,
    walk,
)
from rhscheck.spec.ground import Ground, GroundDeadline, GroundTransition

_MOST_TIMED = 4  # steps with conditions on other clocks that are counted
_MOST_LIKELY = 40  # steps that are counted before all are


def goal_name(deadline: GroundDeadline) -> str:
    """What the goal of `deadline` is called among the goals of an engine."""
    where = deadline.name if deadline.index is None else f"{deadline.name}[{deadline.index}]"
    return f"timelock {where}"


def timelock_goals(
    ground: Ground,
    exact: Collection[str] | None = None,
    *,
    wide: bool = False,
    ending: bool = True,
) -> dict[str, Expr]:
    """For every deadline of `ground` a state formula, by `goal_name`; all unreachable: no timelock.

    Only transitions whose template key is in `exact` (None: all) count as steps that need no other
    instance. Unless `wide`, only those count that are the deadline's expiry, or else likely end
    it: a smaller formula that holds more often.
    """
    return {
        goal_name(deadline): stuck(ground, deadline, exact, wide, ending=ending)
        for deadline in ground.deadlines
    }


def stuck(
    ground: Ground,
    deadline: GroundDeadline,
    exact: Collection[str] | None,
    wide: bool,
    *,
    ending: bool = True,
) -> Expr:
    """The goal of one deadline, see `timelock_goals`.

    A step counts only if it needs no other instance than the deadline's own, and (with `ending`)
    only if the deadline is over after it: a step that leaves it tight lets no time pass. Nor does
    one that makes another deadline tight: the two could end each other for ever.
    """
    steps = [
        transition
        for transition in ground.transitions
        if (exact is None or transition.template.key in exact)
        and _own(ground, deadline, transition)
    ]
    if not wide:
        steps = [
            transition
            for transition in steps
            if transition.template.expires == deadline.name
            and (deadline.index is None or deadline.index in dict(transition.binding).values())
        ] or _likely_ends(steps, deadline, ground)
    tight: Expr = lower_bound(ground, deadline) or TRUE
    tightened = tightening(ground)
    known = set(conjuncts(conj((deadline.active, tight))))
    guards: list[Expr] = []
    for transition in steps:
        guard = transition.guard
        if isinstance(tight, ClockCmp):
            guard = _from_on(guard, tight)
        over: Expr = TRUE
        if ending:
            over = neg(
                disj((_still_active(ground, deadline, transition), tightened.by(transition)))
            )
            if isinstance(tight, ClockCmp):
                over = _from_on(over, tight)
        if over == TRUE and set(conjuncts(guard)) <= known:
            return FALSE  # by its form alone: whenever the deadline is tight, this step ends it
        guards.append(conj((guard, over)))
    # Not to count a step makes the goal larger, never smaller. Each timed guard doubles the cases.
    untimed = [guard for guard in guards if next(clocks_read(guard), None) is None]
    timed = [guard for guard in guards if next(clocks_read(guard), None) is not None]
    return conj((deadline.active, tight, neg(disj(untimed)), neg(disj(timed[:_MOST_TIMED]))))


def _own(ground: Ground, deadline: GroundDeadline, transition: GroundTransition) -> bool:
    """Whether the step needs no other instance of a parametric family than the deadline's own."""
    parametric = ground.system.parametric
    families = {param.name: param.family for param in transition.template.params}
    bound = {number for name, number in transition.binding if families[name] in parametric}
    declared = next(d for d in ground.system.deadlines if d.name == deadline.name)
    return bound <= ({deadline.index} if declared.family in parametric else set())


def _still_active(ground: Ground, deadline: GroundDeadline, transition: GroundTransition) -> Expr:
    """Whether the deadline is tight after the step, as a formula about the state before it."""
    if deadline.clock is not None and deadline.bound > 0 and deadline.clock in transition.resets:
        return FALSE
    return active_after(ground, deadline, transition)


def trapped(
    ground: Ground,
    compiled: Compiled,
    states: Iterable[tuple[int, ...]],
    exact: Collection[str] | None,
) -> tuple[int, ...] | None:
    """One of `states` from which urgent steps lead to urgent steps for ever, so that time stops.

    Steps that ask anything of a clock do not count, nor those that may make a deadline tight, nor,
    with `exact`, those of other template keys.
    """
    urgent = {at for at, deadline in enumerate(ground.deadlines) if is_urgent(deadline)}
    if not urgent:
        return None
    quick = [
        (exact is None or transition.template.key in exact) and not _is_timed(transition.guard)
        for transition in ground.transitions
    ]
    tightened = tightening(ground)
    free: set[tuple[int, ...]] = set()
    for start in states:
        seen = {start}
        queue = [start]
        while queue:
            values = queue.pop()
            if values in free or not urgent.intersection(compiled.active_deadlines(values)):
                free.add(start)
                break
            for position, after in compiled.successors_untimed(values):
                if (
                    quick[position]
                    and after not in seen
                    and not tightened.possible(compiled, position, values, after)
                ):
                    seen.add(after)
                    queue.append(after)
        else:
            return start
    return None


def _is_timed(guard: Expr) -> bool:
    """Whether a guard may be false for some values of the clocks: also when it is too late."""
    return any(
        isinstance(node, ClockDiff)
        or (isinstance(node, ClockCmp) and (node.op, node.bound) != (">=", 0))
        for node in walk(guard)
    )


def waits(guard: Expr) -> bool:
    """Whether a guard needs a clock to have advanced."""
    return any(
        (isinstance(node, ClockCmp) and (node.op == ">" or (node.op == ">=" and node.bound > 0)))
        or isinstance(node, ClockDiff)
        for node in walk(guard)
    )


def _likely_ends(
    steps: list[GroundTransition], deadline: GroundDeadline, ground: Ground
) -> list[GroundTransition]:
    """Steps that write the variables in `deadline`'s condition; variables of few steps first."""
    groups: dict[int, list[GroundTransition]] = {
        ground.slot_of[(ref.name, ref.index)]: []  # type: ignore[index]
        for ref in refs(deadline.active)
    }
    for transition in steps:
        for at, _ in transition.updates:
            if at in groups:
                groups[at].append(transition)
    chosen: dict[int, GroundTransition] = {}
    for group in sorted(groups.values(), key=len):
        if chosen and len(chosen) + len(group) > _MOST_LIKELY:
            break
        chosen.update((id(transition), transition) for transition in group)
    return list(chosen.values())


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


def check_time(
    task: Task, compiled: Compiled, exact: Collection[str] | None, where: str
) -> TimeCheck:
    """Whether time may stop in the System that `compiled` is made of.

    `exact` as in `timelock_goals`; `where` names the System for messages. Asks the small formulas
    first, and the wide ones only where those are reached.
    """
    at = compiled.ground
    names = list(timelock_goals(at, exact))
    for wide in (False, True):
        every = timelock_goals(at, exact, wide=wide)
        goals = {name: every[name] for name in names}
        task.say(f"can time stop {where}?")
        outcomes = refine(
            at, goals, limit=task.limit, cancelled=task.budget.over, compiled=compiled
        )
        found: list[tuple[str, Expr, Reached]] = []
        proofs: dict[int, tuple[Exploration, dict[str, Expr]]] = {}
        for name, outcome in outcomes.items():
            match outcome:
                case Unreachable(exploration):
                    proof = proofs.setdefault(id(exploration), (exploration, {}))
                    proof[1][name] = goals[name]
                case Reached():
                    found.append((name, goals[name], outcome))
                case Undecided(reason):
                    return TimeCheck(f"{name} was not excluded {where}: {reason}")
        for exploration, bad in proofs.values():
            copies = [identity(exploration.invariant(), at)]
            checked = confirm(where, at, copies, bad, task.budget)
            if not isinstance(checked, Confirmed):
                return TimeCheck(checked.reason)
        if not found:
            return untrapped(task, at, compiled, exact, where)
        names = [name for name, _, _ in found]
    return stopped(found, at, where)


def untrapped(
    task: Task, at: Ground, compiled: Compiled, exact: Collection[str] | None, where: str
) -> TimeCheck:
    """No deadline stops time by itself; do urgent steps follow each other for ever?

    Arguments as for `check_time`.
    """
    seen = explore(at, {}, limit=task.limit, cancelled=task.budget.over, compiled=compiled)
    if not seen.complete:
        return TimeCheck(f"urgent steps were not followed {where}: {seen.reason}")
    states = (values for values, _ in seen.invariant().cells)
    if trapped(at, compiled, states, exact) is None:
        return TimeCheck(None)
    return TimeCheck(f"time may stop {where}: urgent steps follow each other for ever")


def stopped(found: Sequence[tuple[str, Expr, Reached]], at: Ground, where: str) -> TimeCheck:
    """Time may stop: the goals `found` of `at` are reached."""
    stops = ", ".join(_with_line(name, at) for name, _, _ in found)
    return TimeCheck(
        f"a bounded response means nothing where time may stop: {stops}, {where}", tuple(found)
    )


def _with_line(name: str, at: Ground) -> str:
    """The name of a goal with the line of its deadline."""
    named = next(deadline.name for deadline in at.deadlines if goal_name(deadline) == name)
    spans = [deadline.span for deadline in at.system.deadlines if deadline.name == named]
    return f"{name} (line {spans[0].line})" if spans[0].line else name
