"""Scenarios played against the states that a System allows.

Owns what `allowed` and `forbidden` mean (SEMANTICS section 6 for hidden steps): an allowed scenario
is a run of the System, in which its assertions hold; a forbidden one is a run up to its last step,
and that step, with the wait before it, is not possible. Which states are possible after what was
seen is the business of `spec.tracking`; which assumptions hold is decided by whoever grounds the
System. Knows nothing of rules and verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import State, describe, duration, evaluate, explain_false
from rhscheck.spec.source import Span
from rhscheck.spec.system import Assert, Label, Observe, Scenario, Wait
from rhscheck.spec.tracking import (
    MAX_POSSIBLE,
    Passed,
    Possible,
    Stuck,
    TooManyStates,
    Tracker,
    deadline_owners,
    unmet_conditions,
)
from rhscheck.spec.visible import is_hidden, observed


@dataclass(frozen=True, slots=True)
class Allowed:
    """The whole run is possible and every assertion holds. `states`: where it may end."""

    states: tuple[State, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Step number `step` (from 1; 0 is the start) cannot happen, as `reason` says.

    `states` were possible when it should have happened. `unmet`: what it lacked there. `last`: it
    is the scenario's last step or belongs to the wait before it.
    """

    step: int
    span: Span
    reason: str
    states: tuple[State, ...]
    unmet: tuple[str, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Contradicted:
    """The assertion that is step number `step` is false in `states`; `unmet`: what of it."""

    step: int
    span: Span
    reason: str
    states: tuple[State, ...]
    unmet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """Not known, and why. `span`: the step where that was found out."""

    span: Span
    reason: str


Outcome = Allowed | Refused | Contradicted | Undecided

_INEXACT = "an unseen step starts a clock at an unknown moment, so states may be missing"
_TOO_MANY = f"more than {MAX_POSSIBLE:,} states are possible"


def as_it_says(scenario: Scenario, outcome: Outcome) -> bool | None:
    """Whether the System does what `scenario` says; None if that is not known."""
    match outcome:
        case Undecided():
            return None
        case Allowed():
            return scenario.allowed
        case Refused(last=last):
            return last and not scenario.allowed
        case Contradicted():
            return False
        case _:
            assert_never(outcome)


class Player:
    """Plays scenarios of `ground.n` instances; `ground` has the assumptions that hold woven in."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        positions: dict[Label | None, list[int]] = {}
        for at, transition in enumerate(ground.transitions):
            label = observed(ground.system.trace, transition.label, transition.also)
            positions.setdefault(label, []).append(at)
        self._positions = positions
        self._tracker = Tracker(ground, positions.get(None, []), ())

    def play(self, scenario: Scenario) -> Outcome:
        """How far the System follows `scenario`, which must be about `ground.n` instances."""
        if scenario.n != self._ground.n:
            raise ValueError(f"{scenario.id} needs {scenario.n} instances, not {self._ground.n}")
        play = _Play(self._ground, self._tracker, self._positions, scenario)
        span = scenario.span
        try:
            play.begin()
            if not play.possible:
                return Refused(0, span, "there is no initial state", (), (), last=False)
            for number, step in enumerate(scenario.steps, start=1):
                span = step.span
                found = play.step(number, step)
                if found is not None:
                    return found
        except TooManyStates:
            return Undecided(span, _TOO_MANY)
        if play.doubtful is not None:
            return Undecided(play.doubtful, _INEXACT)
        return Allowed(tuple(one.state for one in play.possible))


@dataclass(slots=True)
class _Play:
    """One scenario, step by step. `exact`: no possible state is missing in `possible`."""

    ground: Ground
    tracker: Tracker
    positions: dict[Label | None, list[int]]
    scenario: Scenario
    possible: tuple[Possible, ...] = ()
    exact: bool = True
    doubtful: Span | None = None  # an assertion that holds in all states that are known
    _last: range = field(init=False)

    def __post_init__(self) -> None:
        self._last = _last_steps(self.scenario)

    def begin(self) -> None:
        """From every initial state, and whatever may happen unseen at once."""
        self.possible = self.tracker.initial()
        self._pass(self.tracker.wait(self.possible, 0))

    def step(self, number: int, step: Observe | Wait | Assert) -> Outcome | None:
        """Take a step; an outcome if that ends the scenario. Raises TooManyStates."""
        match step:
            case Assert(formula):
                return self._assert(number, step.span, self.ground.expand(formula, {}))
            case Wait(time):
                passed = self.tracker.wait(self.possible, time)
                if not passed.possible:
                    reason = f"{duration(time, self.ground.system.unit_us)} cannot pass"
                    states = (one.possible.state for one in passed.stuck)
                    unmet = self._missed(time, passed.stuck)
                    exact = self.exact and passed.exact
                    return self._refused(number, step.span, reason, states, unmet, exact)
                self._pass(passed)
            case Observe(label):
                positions = self.positions.get(label, ())
                taken = self.tracker.take(self.possible, positions)
                if not taken:
                    before = [one.state for one in self.possible]
                    unmet = unmet_conditions(self.ground, before, positions, promises=True)
                    reason = f"{label} is not possible"
                    if is_hidden(self.ground.system.trace, label):
                        reason = f"{label} is hidden: it is never seen"
                    return self._refused(number, step.span, reason, before, unmet, self.exact)
                self._pass(self.tracker.wait(taken, 0))
            case _:
                assert_never(step)
        return None

    def _pass(self, passed: Passed) -> None:
        self.possible = passed.possible
        self.exact = self.exact and passed.exact

    def _assert(self, number: int, span: Span, formula: Expr) -> Contradicted | None:
        false = [
            one.state for one in self.possible if not evaluate(formula, self.ground, one.state)
        ]
        if not false:
            if not self.exact and self.doubtful is None:
                self.doubtful = span
            return None
        unmet = dict.fromkeys(
            describe(part, self.ground, state)
            for state in false
            for part in explain_false(formula, self.ground, state)
        )
        reason = "the assertion is false"
        if len(false) < len(self.possible):
            reason = "the assertion can be false"
        return Contradicted(number, span, reason, tuple(false), tuple(unmet))

    def _refused(
        self,
        number: int,
        span: Span,
        reason: str,
        states: Iterable[State],
        unmet: tuple[str, ...],
        exact: bool,
    ) -> Refused | Undecided:
        if not exact:
            return Undecided(span, f"{reason}, as far as is known; {_INEXACT}")
        if self.doubtful is not None:
            return Undecided(self.doubtful, _INEXACT)
        last = number - 1 in self._last
        return Refused(number, span, reason, tuple(dict.fromkeys(states)), unmet, last)

    def _missed(self, time: int, stuck: Sequence[Stuck]) -> tuple[str, ...]:
        """The deadlines that end a wait, and when they do."""
        unit = self.ground.system.unit_us
        owners = deadline_owners(self.ground)
        return tuple(
            dict.fromkeys(
                f"{name} of {owners[name]} comes after {duration(time - one.left, unit)}"
                for one in stuck
                for name in one.deadlines
            )
        )


def _last_steps(scenario: Scenario) -> range:
    """The positions of the last event or wait, and of the waits right before it."""
    ends = [at for at, step in enumerate(scenario.steps) if not isinstance(step, Assert)]
    if not ends:
        return range(0)
    first = ends[-1]
    while first > 0 and isinstance(scenario.steps[first - 1], Wait):
        first -= 1
    return range(first, ends[-1] + 1)
