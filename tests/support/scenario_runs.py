"""Plays a scenario against the states that its spec allows.

Owns what `allowed` and `forbidden` mean in tests (docs/reference.md, "Scenarios"); which states are
possible is `traces.tracking`'s business.
"""

from __future__ import annotations

from typing import assert_never

from rhscheck.spec.evaluate import evaluate
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import weave
from rhscheck.spec.system import Assert, Label, Observe, Scenario, System, Wait
from rhscheck.traces.mapping import observed
from rhscheck.spec.tracking import Tracker


def disagreement(system: System, scenario: Scenario) -> str | None:
    """Why the spec does not do what `scenario` says, None if it does. Assumptions hold."""
    world = ground(weave(system, (), system.assumptions).system, scenario.n)
    tracker = Tracker(world, _showing(world, None), ())
    possible = tracker.wait(tracker.initial(), 0).possible
    last_event = max((at for at, step in enumerate(scenario.steps) if isinstance(step, Observe)))
    for at, step in enumerate(scenario.steps):
        match step:
            case Assert(formula):
                holds = world.expand(formula, {})
                if not all(evaluate(holds, world, one.state) for one in possible):
                    return f"line {step.span.line}: the assertion can be false"
                continue
            case Wait(duration):
                possible = tracker.wait(possible, duration).possible
            case Observe(label):
                taken = tracker.take(possible, _showing(world, label))
                possible = tracker.wait(taken, 0).possible
            case _:
                assert_never(step)
        if not possible:
            # The wait before the last event belongs to it.
            refused = at == last_event or (at == last_event - 1 and isinstance(step, Wait))
            if refused and not scenario.allowed:
                return None
            return f"line {step.span.line}: not possible"
    return None if scenario.allowed else "the whole run is possible"


def _showing(world: Ground, label: Label | None) -> tuple[int, ...]:
    """The transitions that appear under `label` in a trace; None: those that do not appear."""
    trace = world.system.trace
    return tuple(
        at
        for at, transition in enumerate(world.transitions)
        if observed(trace, transition.label, transition.also) == label
    )
