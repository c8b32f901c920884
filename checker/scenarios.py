"""Scenarios as part of a verification: which are played, and what they count for.

Owns the choice of the System that a scenario is played on (with the assumptions that are relied
on), the limits, and the share in the exit status. What a scenario means is `spec.scenarios`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rhscheck.checker.answer import Task
from rhscheck.checker.verdict import EXIT_AGREED, EXIT_UNDECIDED, EXIT_VIOLATED
from rhscheck.spec.ground import Ground
from rhscheck.spec.scenarios import Outcome, Player, Undecided, as_it_says
from rhscheck.spec.system import Scenario

MAX_SCENARIO_INSTANCES = 64


@dataclass(frozen=True, slots=True)
class Played:
    """How far the spec follows `scenario`. `ground`: what the outcome's states are states of.

    `status`: its share of the exit status. `seconds`: wall-clock time.
    """

    scenario: Scenario
    outcome: Outcome
    ground: Ground | None
    seconds: float

    @property
    def status(self) -> int:
        """0 if the spec does what the scenario says, 1 if not, 3 if that is not known."""
        agrees = as_it_says(self.scenario, self.outcome)
        if agrees is None:
            return EXIT_UNDECIDED
        return EXIT_AGREED if agrees else EXIT_VIOLATED


def play(task: Task, scenarios: Sequence[Scenario]) -> tuple[Played, ...]:
    """Every one of `scenarios`, in order. Raises what `spec.rules.weave` raises."""
    if not scenarios:
        return ()
    task.say(f"playing {len(scenarios)} scenario" + ("" if len(scenarios) == 1 else "s"))
    model = task.weave([])
    players: dict[int, Player] = {}
    results: list[Played] = []
    for scenario in scenarios:
        started = time.monotonic()
        n = scenario.n
        world: Ground | None = None
        outcome: Outcome
        if n > MAX_SCENARIO_INSTANCES:
            outcome = Undecided(scenario.span, f"more than {MAX_SCENARIO_INSTANCES} instances")
        elif task.budget.over():
            outcome = Undecided(scenario.span, task.budget.reason)
        else:
            world = model.ground(n)
            if n not in players:
                players[n] = Player(world)
            outcome = players[n].play(scenario)
        results.append(Played(scenario, outcome, world, time.monotonic() - started))
    return tuple(results)


def not_played(scenarios: Sequence[Scenario], reason: str) -> tuple[Played, ...]:
    """Nobody looked at `scenarios`, and why."""
    return tuple(Played(one, Undecided(one.span, reason), None, 0.0) for one in scenarios)
