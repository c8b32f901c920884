"""The shortest run to a goal, found again by `spec.semantics` alone.

Owns a referee for the lengths that engines report: plain breadth-first search in whole ticks of
time. Uses neither compiled code nor zones nor solvers; no verdict comes from here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rhscheck.checker.counted import Stopped, clock_position
from rhscheck.spec.compiled import split_guard
from rhscheck.spec.expr import ClockDiff, Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import (
    Run,
    State,
    Step,
    Time,
    delay_bound,
    elapse,
    enabled,
    evaluate,
    fire,
    initial_states,
    replay_run,
)


@dataclass(frozen=True, slots=True)
class Shortest:
    """A run in whole ticks to the goal with the fewest discrete steps (`length`)."""

    run: Run
    length: int


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No run in ticks (of at most `depth` discrete steps, if one was given) reaches the goal."""

    depth: int | None


def shortest_digitised(
    ground: Ground,
    goal: Expr,
    *,
    limit: int = 200_000,
    depth: int | None = None,
    events_only: bool = False,
) -> Shortest | Nowhere | Stopped:
    """Breadth-first by discrete steps, with delays of whole ticks.

    A tick is the greatest common divisor of all constants that clocks are compared with, which is
    exact while all comparisons are closed. With strict ones a `depth` is needed (else ValueError):
    ticks are then so small that every run of so many steps has one in ticks. `events_only`: delays
    end only where some clock is at a constant or one tick beside it. That is quicker and can miss
    runs (a clock may have to start in between), so the length found is only an upper bound.
    `limit`: the most states, counted after each delay too.
    """
    grid = _grid(ground, goal, depth)
    nodes: list[tuple[State, int, Step]] = []  # where from, and how; an initial state from -1
    known: set[State] = set()

    def arrive(state: State, parent: int, step: Step) -> list[int]:
        state = grid.canonical(state)
        if state in known:
            return []
        known.add(state)
        nodes.append((state, parent, step))
        return [len(nodes) - 1]

    layer = [k for state in initial_states(ground) for k in arrive(state, -1, Step(0, None))]
    length = 0
    while layer:
        for node in layer:  # grows by what delays make of it
            if len(known) > limit:
                return Stopped(f"there are more than {limit} states", len(known))
            state = nodes[node][0]
            if evaluate(goal, ground, state):
                return Shortest(_run(ground, goal, nodes, node), length)
            delay = grid.next_mark(state) if events_only else grid.tick
            if delay is not None and delay_bound(ground, state).allows(delay):
                layer += arrive(elapse(ground, state, delay), node, Step(delay, None))
        if length == depth:
            break
        layer = [
            new
            for node in layer
            for position in enabled(ground, nodes[node][0])
            for new in arrive(fire(ground, nodes[node][0], position), node, Step(0, position))
        ]
        length += 1
    return Nowhere(depth)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The points in time to look at. `most[c]`: from there on clock c cannot be told apart."""

    tick: Time
    most: tuple[Time, ...] | None
    marks: tuple[tuple[Time, ...], ...]

    def canonical(self, state: State) -> State:
        if self.most is None:
            return state
        return State(state.values, tuple(map(min, state.clocks, self.most)))

    def next_mark(self, state: State) -> Time | None:
        """How long until some clock is at a constant, or a tick beside one."""
        gaps = [
            mark - time
            for time, marks in zip(state.clocks, self.marks, strict=True)
            for mark in marks
            if mark > time
        ]
        return min(gaps, default=None)


def _grid(ground: Ground, goal: Expr, depth: int | None) -> _Grid:
    """Ticks that show all runs, or all of `depth` steps where there are strict comparisons."""
    atoms = [atom for t in ground.transitions for _, way in split_guard(t.guard) for atom in way]
    atoms += [atom for _, way in split_guard(goal) for atom in way]
    constants: list[set[int]] = [set() for _ in ground.clocks]
    strict = any(atom.op in ("<", ">") for atom in atoms)
    for atom in atoms:
        constants[clock_position(ground, atom.clock, atom.index)].add(atom.bound)
    for deadline in ground.deadlines:
        if deadline.clock is not None:
            constants[deadline.clock].add(deadline.bound)
            strict = strict or deadline.strict
    unit = math.gcd(*(bound for bounds in constants for bound in bounds)) or 1
    tick: Time = unit
    if strict:
        if depth is None:
            raise ValueError("strict comparisons need a depth to choose the length of a tick")
        # The earliest run passes at most one strict bound a step (and one before the goal), each by
        # a share of a unit; shares of this size leave all whole distances as they are.
        tick = Fraction(unit, depth + 2)
    most = tuple(max(bounds, default=0) + tick for bounds in constants)
    differences = any(isinstance(atom, ClockDiff) for atom in atoms)
    marks = tuple(
        tuple(sorted({bound + beside for bound in bounds for beside in (-tick, 0, tick)}))
        for bounds in constants
    )
    return _Grid(tick, None if differences else most, marks)


def _run(ground: Ground, goal: Expr, nodes: Sequence[tuple[State, int, Step]], node: int) -> Run:
    """The run to a node, with delays and the steps after them together."""
    back: list[Step] = []
    while nodes[node][1] >= 0:
        back.append(nodes[node][2])
        node = nodes[node][1]
    steps: list[Step] = []
    delay: Time = 0
    for step in reversed(back):
        delay += step.delay
        if step.transition is not None:
            steps.append(Step(delay, step.transition))
            delay = 0
    if delay:
        steps.append(Step(delay, None))
    run = Run(nodes[node][0], tuple(steps))
    if not evaluate(goal, ground, replay_run(ground, run)[-1]):
        raise AssertionError("a run in ticks that does not end in the goal")
    return run
