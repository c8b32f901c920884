"""When the steps of a run can happen, and which clocks matter for whether it can.

Owns two questions. *Timing*: given the discrete steps of a run, is there a choice of times that all
clocks, guards and deadlines allow, and which is the earliest (`schedule`)? *Refinement*: with as
few exact clocks as possible, which goals are reachable at all (`refine`)? Must not know how zones
are represented (`checker.zones`) nor how states are enumerated (`checker.explore`).

Timing. The unknowns are the absolute times T_0 = 0 <= T_1 <= ... of the steps. A clock that last
started at step r shows T_k - T_r before step k, so every comparison is a difference constraint, and
a set of those has a componentwise least solution (a longest path). What is disjunctive is searched:
the alternatives of a guard, and that a delay either ends within all deadlines or, where a step has
left a clock beyond a bound, does not happen at all. Strict bounds are kept apart from closed ones
by counting them; at the end each counts for a small fraction, chosen so that all constraints hold.
A set without solution has a cycle of constraints that contradict each other: its clocks are the
reason.

Refinement. Exploration with few clocks has all real runs, and more. Goals it does not reach are
unreachable. The first path it reports for a goal is the least of all its paths in the canonical
order (length, then transition positions); if that path can be timed it is a real run, and no other
real run comes before it, whichever clocks were left out. If it cannot, exploring with the clocks of
the contradiction excludes it, so the loop ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from rhscheck.checker.differences import Alternatives, Constraint, Option, exact
from rhscheck.checker.explore import Exploration, explore, never
from rhscheck.spec.compiled import Compiled, compile_ground, split_guard
from rhscheck.spec.expr import TRUE, ClockCmp, ClockDiff, Comparison, Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import Run, State, Step, Time, evaluate, replay_run


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No timing exists. `clocks` (positions in Ground.clocks) alone already exclude every one."""

    clocks: frozenset[int]


def schedule(
    ground: Ground,
    initial: Sequence[int],
    positions: Sequence[int],
    goal: Expr = TRUE,
    *,
    compiled: Compiled | None = None,
) -> Run | Infeasible:
    """The run that takes the transitions at `positions` as early as possible, and ends in `goal`.

    `initial` are the discrete values it starts with. A last delay follows the steps where the
    clocks of `goal` need one. Earliest: the times of the steps are least in lexicographic order,
    and least one by one where guards, deadlines and goal leave no alternative (of very many
    alternatives not all are tried once a run is known); where a strict bound has no earliest time,
    a small fraction beyond it. `compiled`: of `ground`, to save compiling again. Raises ValueError
    if the steps are impossible whatever the timing.
    """
    fire = (compile_ground(ground) if compiled is None else compiled).fire
    trail = [tuple(initial)]
    for position in positions:
        trail.append(fire[position](trail[-1]))
    goals = alternatives(ground, goal, trail[-1])
    if not goals:
        raise ValueError("the run does not end in the goal, whatever its timing")
    last = len(positions)
    timed_goal = all(atoms for atoms in goals)
    started = starts(ground, trail, positions)
    choices: list[list[Option]] = []
    for number in range(1, last + 1 + timed_goal):
        values = trail[number - 1]
        choices.append(delays(ground, values, started[number - 1], number))
        atoms = (
            goals
            if number > last
            else alternatives(ground, ground.transitions[positions[number - 1]].guard, values)
        )
        if not atoms:
            raise ValueError(f"step {number} is impossible, whatever the timing")
        choices.append(
            [
                [
                    part
                    for atom in option
                    for part in bounds(ground, atom, started[number - 1], number)
                ]
                for option in atoms
            ]
        )
    found = Alternatives(last + timed_goal, choices).solve()
    if isinstance(found, frozenset):
        return Infeasible(found)
    times = exact(found)
    steps = [
        Step(_plain(times[number] - times[number - 1]), position)
        for number, position in enumerate(positions, start=1)
    ]
    if timed_goal and times[last + 1] > times[last]:
        steps.append(Step(_plain(times[last + 1] - times[last]), None))
    run = Run(State(tuple(initial), (0,) * len(ground.clocks)), tuple(steps))
    final = replay_run(ground, run)[-1]
    if not evaluate(goal, ground, final):
        raise AssertionError("a schedule that spec.semantics does not see reach the goal")
    return run


def _plain(time: Fraction) -> Time:
    return time.numerator if time.denominator == 1 else time


# ---- refinement ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Unreachable:
    """No run reaches the goal: `exploration`, complete, does not, and its invariant excludes it."""

    exploration: Exploration


@dataclass(frozen=True, slots=True)
class Reached:
    """`run` reaches the goal, in the fewest steps, the least of those, as early as possible.

    `positions` are its transitions. `tracked`: the clocks that were needed to find it.
    """

    run: Run
    positions: tuple[int, ...]
    tracked: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """The search had to end; a run to the goal, if there is one, has `at_least` discrete steps."""

    reason: str
    at_least: int


Outcome = Unreachable | Reached | Undecided


def refine(
    ground: Ground,
    goals: Mapping[str, Expr],
    *,
    start: Collection[int] = (),
    limit: int = 500_000,
    cancelled: Callable[[], bool] = never,
    compiled: Compiled | None = None,
) -> dict[str, Outcome]:
    """For each goal, in order, whether it can be reached, with as few exact clocks as that takes.

    `start`: clocks to track from the beginning. `limit`: the most nodes of one exploration. Raises
    what `explore` raises.
    """
    compiled = compile_ground(ground) if compiled is None else compiled
    outcomes: dict[str, Outcome] = {}
    at_least = dict.fromkeys(goals, 0)
    # The clocks that one goal needs only cost the others time: goals part ways as they differ.
    waiting: dict[frozenset[int], list[str]] = {frozenset(start): list(goals)} if goals else {}
    while waiting:
        tracked, names = next(iter(waiting.items()))
        del waiting[tracked]
        exploration = explore(
            ground,
            {name: goals[name] for name in names},
            tracked=tracked,
            stop_when_all_found=True,
            limit=limit,
            cancelled=cancelled,
            compiled=compiled,
        )
        for name in names:
            node = exploration.found.get(name)
            if node is None:
                if exploration.reason is None:
                    outcomes[name] = Unreachable(exploration)
                else:
                    least = max(at_least[name], exploration.depth + 1)
                    outcomes[name] = Undecided(exploration.reason, least)
                continue
            initial, positions = exploration.path(node)
            timed = schedule(ground, initial, positions, goals[name], compiled=compiled)
            if isinstance(timed, Run):
                outcomes[name] = Reached(timed, positions, exploration.tracked)
                continue
            if timed.clocks <= tracked:
                raise AssertionError(
                    "a path excluded by clocks that were tracked when it was found"
                )
            at_least[name] = len(positions)
            waiting.setdefault(tracked | timed.clocks, []).append(name)
    return {name: outcomes[name] for name in goals}


# ---- the constraints of a path -------------------------------------------------------------------
def _discrete(ground: Ground, expr: Expr, values: tuple[int, ...]) -> int:
    return evaluate(expr, ground, State(values, (0,) * len(ground.clocks)))


def alternatives(
    ground: Ground, expr: Expr, values: tuple[int, ...]
) -> list[tuple[ClockCmp | ClockDiff, ...]]:
    """What the clocks must satisfy for `expr` to hold in a discrete state: one of these, all of it.

    An alternative that asks nothing of the clocks makes the others superfluous.
    """
    found = [
        tuple(atoms) for discrete, atoms in split_guard(expr) if _discrete(ground, discrete, values)
    ]
    return [()] if () in found else list(dict.fromkeys(found))


def starts(
    ground: Ground, trail: Sequence[tuple[int, ...]], positions: Sequence[int]
) -> list[tuple[int | None, ...]]:
    """After each step, from 0, for each clock: the step it last started at, None if inactive."""
    active = [[_discrete(ground, c.active, values) for c in ground.clocks] for values in trail]
    starts: list[tuple[int | None, ...]] = [tuple(0 if on else None for on in active[0])]
    for number, position in enumerate(positions, start=1):
        resets = ground.transitions[position].resets
        before = starts[-1]
        starts.append(
            tuple(
                None if not on else number if at in resets or before[at] is None else before[at]
                for at, on in enumerate(active[number])
            )
        )
    return starts


def delays(
    ground: Ground, values: tuple[int, ...], starts: tuple[int | None, ...], number: int
) -> list[Option]:
    """The ways in which time may pass before step `number`: within the deadlines, or not at all."""
    within: Option = []
    late: list[Option] = []
    for deadline in ground.deadlines:
        if not _discrete(ground, deadline.active, values):
            continue
        at = deadline.clock
        owed = () if at is None else (at,)
        stop = Constraint(number, number - 1, 0, False, owed, -1)
        if at is None:
            within.append(stop)
            continue
        start = starts[at]
        if start is None:
            if deadline.bound < 0 or (deadline.bound == 0 and deadline.strict):
                within.append(stop)
            continue
        within.append(Constraint(number, start, deadline.bound, deadline.strict, owed, -1))
        over = Constraint(start, number - 1, -deadline.bound, not deadline.strict, owed, -1)
        late.append([stop, over])
    return [within, *late]


def bounds(
    ground: Ground, atom: ClockCmp | ClockDiff, starts: tuple[int | None, ...], number: int
) -> Iterator[Constraint]:
    """A comparison at the moment of step `number` as a constraint on times.

    An inactive clock counts as started at that very moment: it shows 0.
    """

    def started(clock: int) -> int:
        start = starts[clock]
        return number if start is None else start

    match atom:
        case ClockCmp(name, index, op, bound):
            clock = ground.clock_of[(name, index)]  # type: ignore[index]
            yield _compare(number, started(clock), op, bound, (clock,))
        case ClockDiff(name, index, minus, minus_index, op, bound):
            clock = ground.clock_of[(name, index)]  # type: ignore[index]
            other = ground.clock_of[(minus, minus_index)]  # type: ignore[index]
            yield _compare(started(other), started(clock), op, bound, (clock, other))
        case _:
            assert_never(atom)


def _compare(
    later: int, earlier: int, op: Comparison, bound: int, clocks: tuple[int, ...]
) -> Constraint:
    match op:
        case "<" | "<=":
            return Constraint(later, earlier, bound, op == "<", clocks, -1)
        case ">" | ">=":
            return Constraint(earlier, later, -bound, op == ">", clocks, -1)
        case _:
            assert_never(op)
