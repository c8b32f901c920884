"""Re-checking runs: a violation or a witness is one if the semantics says so, step by step.

Owns the way from a run's text to a run of the System, with and without the rule's observers. The
meaning of a step is `spec.semantics`; what is shown is judged by the rule's own formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from rhscheck.checker.certify.form import Refusal, RunStep, Shown
from rhscheck.spec.evaluate import evaluate
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import Woven
from rhscheck.spec.semantics import State, elapse, enabled, fire, initial_states
from rhscheck.spec.system import System


@dataclass(slots=True)
class Stage:
    """Where runs are played: a System, with and without the observers of their rules.

    It has the transitions of the runs only: what else could happen is no matter here.
    """

    system: System
    woven: Woven
    shown: Sequence[Shown]
    _worlds: dict[int, tuple[Ground, Ground]] = field(default_factory=dict)

    def check(self, shown: Shown) -> None:
        """Whether `shown` is a run that reaches its rule's goal. Raises Refusal."""
        name = f"run: {shown.rule}"
        if shown.rule not in self.woven.bad:
            raise Refusal(name, "no state shows that")
        if shown.n not in self._worlds:
            self._worlds[shown.n] = (
                self._taken(self.system, shown.n),
                self._taken(self.woven.system, shown.n),
            )
        plain, watched = self._worlds[shown.n]
        _follow(name, plain, shown)
        goal = watched.expand(self.woven.bad[shown.rule], {})
        if not any(evaluate(goal, watched, state) for state in _follow(name, watched, shown)):
            raise Refusal(name, f"it does not end in a state that is {shown.verdict}")

    def _taken(self, system: System, n: int) -> Ground:
        keys = {step.key for shown in self.shown if shown.n == n for step in shown.steps}
        taken = (
            one for one in system.transitions if one.key.split("~")[0] in keys or one.key in keys
        )
        return ground(replace(system, transitions=tuple(taken)), n)


def _follow(name: str, world: Ground, shown: Shown) -> list[State]:
    """The states in which the run may end; several where observers split its steps.

    Raises Refusal where it is no run of `world`.
    """
    states = [state for state in initial_states(world) if _starts(world, state, shown.initial)]
    if not states:
        raise Refusal(name, "its first state is no initial state")
    for number, step in enumerate(shown.steps, start=1):
        states = list(
            dict.fromkeys(after for state in states for after in _after(world, state, step))
        )
        if not states:
            raise Refusal(name, f"step {number} ({step.key or 'a delay'}) is not possible")
    return states


def _starts(world: Ground, state: State, initial: Mapping[str, int]) -> bool:
    """Whether a state has all the values that the run names (observers are not named)."""
    values = {slot.name: value for slot, value in zip(world.slots, state.values, strict=True)}
    return all(values.get(name) == value for name, value in initial.items())


def _after(world: Ground, state: State, step: RunStep) -> list[State]:
    try:
        waited = elapse(world, state, Fraction(step.units))
    except (ValueError, ZeroDivisionError):
        return []
    if step.key is None:
        return [waited]
    wanted = tuple(step.binding.items())
    found = []
    for at in enabled(world, waited):
        transition = world.transitions[at]
        key = transition.template.key
        if transition.binding == wanted and (key == step.key or key.startswith(f"{step.key}~")):
            found.append(fire(world, waited, at))
    return found
