"""Direct check of the claim behind `checker.project`: the projection has every run of the whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from rhscheck.checker.project import Projection
from rhscheck.spec.compiled import split_guard
from rhscheck.spec.expr import Expr, clocks_read, conj, disj
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import (
    Run,
    State,
    Time,
    delay_bound,
    elapse,
    enabled,
    fire,
    initial_states,
    replay_run,
)


def without_clocks(ground: Ground, tracked: Collection[int]) -> Ground:
    """`ground` with comparisons of other clocks taken to hold, and without their deadlines."""

    def blind(guard: Expr) -> Expr:
        return disj(
            conj(
                (
                    discrete,
                    *(
                        atom
                        for atom in atoms
                        if all(ground.clock_of[key] in tracked for key in clocks_read(atom))  # type: ignore[index]
                    ),
                )
            )
            for discrete, atoms in split_guard(guard)
        )

    return replace(
        ground,
        transitions=tuple(
            replace(transition, guard=blind(transition.guard)) for transition in ground.transitions
        ),
        deadlines=tuple(
            deadline
            for deadline in ground.deadlines
            if deadline.clock is None or deadline.clock in tracked
        ),
    )


def uncovered(projection: Projection, tracked: Collection[int], run: Run) -> str | None:
    """The first thing that a run of the whole does and the projection cannot; None: it can all.

    A step has to be there with its own position or an earlier one, or to change nothing.
    """
    small = without_clocks(projection.ground, tracked)
    states = replay_run(projection.whole, run)

    def known(values: tuple[int, ...], clocks: tuple[Time, ...]) -> State:
        return State(values, tuple(t if at in tracked else 0 for at, t in enumerate(clocks)))

    def image(state: State) -> State:
        return known(tuple(state.values[at] for at in projection.kept), state.clocks)

    if image(states[0]) not in set(initial_states(small)):
        return f"initial state {states[0]}"
    for step, before, after in zip(run.steps, states, states[1:], strict=False):
        delayed = elapse(projection.whole, before, step.delay)
        if not delay_bound(small, image(before)).allows(step.delay):
            return f"delay {step.delay} in {image(before)}"
        later = elapse(small, image(before), step.delay)
        if known(later.values, later.clocks) != image(delayed):
            return f"clocks after {step.delay} in {image(before)}"
        if step.transition is None or image(delayed) == image(after):
            continue
        here = image(delayed)
        ways = [
            fire(small, here, at)
            for at in enabled(small, here)
            if projection.origin[at] <= step.transition
        ]
        if image(after) not in [known(way.values, way.clocks) for way in ways]:
            label = projection.whole.transitions[step.transition].label
            return f"{label} from {here} to {image(after)}"
    return None
