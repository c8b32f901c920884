"""Whether a spec does what one of its scenarios says, with all its assumptions."""

from __future__ import annotations

from rhscheck.spec.ground import ground
from rhscheck.spec.rules import weave
from rhscheck.spec.scenarios import Allowed, Player, as_it_says
from rhscheck.spec.system import Scenario, System


def disagreement(system: System, scenario: Scenario) -> str | None:
    """Why the spec does not do what `scenario` says, None if it does."""
    world = ground(weave(system, (), system.assumptions).system, scenario.n)
    outcome = Player(world).play(scenario)
    if as_it_says(scenario, outcome):
        return None
    if isinstance(outcome, Allowed):
        return "the whole run is possible"
    return f"line {outcome.span.line}: {outcome.reason}"
