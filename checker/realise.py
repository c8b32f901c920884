"""From a run of one System to the same run of another, until it is evidence.

Owns the way back: a run of the one-instance abstraction becomes a run of N instances, a run of the
woven System a run of the spec itself, and both are replayed through `spec.semantics` before they
count. Knows no engine: how a run was found does not matter here.

Systems made from each other share transition keys, with suffixes for copies; a transition is found
again by its key, its label and the instances it binds. What cannot be found again is no error for a
run of the abstraction (it may use a step of "some other instance") and one for a woven run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rhscheck.checker.model import Model
from rhscheck.checker.schedule import schedule
from rhscheck.checker.sight import INSTANCE
from rhscheck.checker.verdict import Evidence
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.semantics import (
    IllegalRun,
    Run,
    State,
    evaluate,
    replay_run,
)
from rhscheck.spec.system import Transition


class EvidenceMismatch(Exception):  # noqa: N818 - it is a bug in rhscheck, no error of the user
    """A run that an engine found is none of the spec. `run` is over `ground`."""

    def __init__(self, reason: str, ground: Ground, run: Run) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ground = ground
        self.run = run


def evidence(plain: Ground, woven: Ground, run: Run, formula: Expr) -> Evidence:
    """`run` of `woven`, replayed there and in `plain` (the spec without rules and assumptions).

    Raises EvidenceMismatch if a step is not legal, the two disagree, or `formula` (ground) does not
    hold in the last state.
    """
    try:
        states = replay_run(woven, run)
    except IllegalRun as error:
        raise EvidenceMismatch(f"the run is not legal: {error}", woven, run) from error
    if not evaluate(formula, woven, states[-1]):
        raise EvidenceMismatch("the goal does not hold at the end of the run", woven, run)
    places = _Places(plain, {t.key: t for t in plain.system.transitions})
    steps = []
    for number, step in enumerate(run.steps, start=1):
        if step.transition is None:
            steps.append(step)
            continue
        found = places.find(woven.transitions[step.transition])
        if found is None:
            raise EvidenceMismatch(f"step {number} is no step of the spec", woven, run)
        steps.append(replace(step, transition=found))
    own = Run(_restricted(states[0], woven, plain), tuple(steps))
    try:
        own_states = replay_run(plain, own)
    except IllegalRun as error:
        raise EvidenceMismatch(f"the run is not one of the spec: {error}", plain, own) from error
    for number, (one, other) in enumerate(zip(states, own_states, strict=True)):
        if _restricted(one, woven, plain) != other:
            raise EvidenceMismatch(f"the rules change the spec's state {number}", plain, own)
    return Evidence(plain, own, woven, run, formula)


def concrete_run(
    model: Model, initial: Sequence[int], positions: Sequence[int], n: int, formula: Expr
) -> Run | None:
    """The run of `model.ground(n)` in which instance 1 takes the steps of a run of `model.local`.

    The other instances rest in an initial state. None if there is no such run with `formula` at its
    end: a step is one of "some other instance" or needs one, or time does not allow it.
    """
    local, concrete, origin = model.local, model.ground(n), model.independent.origin
    places = _Places(concrete, {})
    found: list[int] = []
    for position in positions:
        transition = local.transitions[position]
        at = places.at(origin[transition.template.key], transition)
        if at is None:
            return None
        found.append(at)
    for values in _padded(local, initial, concrete):
        try:
            run = schedule(concrete, values, found, formula, compiled=model.compiled(n))
        except ValueError:
            continue  # a guard looks at the other instances: not from these initial values
        if isinstance(run, Run):
            return run
    return None


def instance_maps(
    local: Ground, concrete: Ground, tracked: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """For every instance of the parametric family where its slots and tracked clocks are.

    A pair of positions in `concrete.slots` (one for each slot of `local`) and in
    `concrete.clocks` (one for each of `tracked`).
    """
    parametric = concrete.system.parametric
    clock_family = {clock.name: clock.family for clock in concrete.system.clocks}
    for instance in range(1, concrete.n + 1) if parametric else (INSTANCE,):
        slots = tuple(
            concrete.slot_of[
                (
                    slot.variable.name,
                    instance if slot.variable.family in parametric else slot.index,
                )
            ]
            for slot in local.slots
        )
        clocks = tuple(
            concrete.clock_of[
                (
                    local.clocks[at].name,
                    instance
                    if clock_family[local.clocks[at].name] in parametric
                    else local.clocks[at].index,
                )
            ]
            for at in tracked
        )
        yield slots, clocks


# ---- finding transitions again -------------------------------------------------------------------
class _Places:
    """Where each transition of a Ground is, by key and bound instances."""

    def __init__(self, ground: Ground, keys: Mapping[str, Transition]) -> None:
        self._keys = keys
        self._at = {
            (transition.template.key, transition.binding): at
            for at, transition in enumerate(ground.transitions)
        }

    def at(self, key: str, transition: GroundTransition) -> int | None:
        """The position of the transition called `key` that binds what `transition` binds."""
        return self._at.get((key, transition.binding))

    def find(self, transition: GroundTransition) -> int | None:
        """The position of the transition that `transition` is a copy of."""
        template = transition.template
        key = template.key
        while key and not (key in self._keys and self._keys[key].label == template.label):
            key = key[:-1]  # a copy's key is the original's with a suffix
        return self.at(key, transition) if key else None


def _restricted(state: State, source: Ground, target: Ground) -> State:
    """The part of a state of `source` that `target` has, too."""
    return State(
        tuple(
            state.values[source.slot_of[(slot.variable.name, slot.index)]] for slot in target.slots
        ),
        tuple(state.clocks[source.clock_of[(clock.name, clock.index)]] for clock in target.clocks),
    )


def _padded(local: Ground, initial: Sequence[int], concrete: Ground) -> Iterator[tuple[int, ...]]:
    """Initial values of `concrete` with those of `local` for instance 1 and shared state.

    The other instances start with the first values that are allowed; if those are not allowed
    together, like instance 1.
    """
    parametric = concrete.system.parametric

    def own(name: str, index: int | None, family: str | None) -> int:
        at = INSTANCE if family in parametric else index
        return initial[local.slot_of[(name, at)]]

    def fill(*, alike: bool) -> tuple[int, ...]:
        return tuple(
            own(slot.variable.name, slot.index, slot.variable.family)
            if alike or slot.variable.family not in parametric or slot.index == INSTANCE
            else slot.variable.initial[0]
            for slot in concrete.slots
        )

    first = fill(alike=False)
    for values in dict.fromkeys((first, fill(alike=True))):
        if evaluate(concrete.initially, concrete, State(values, (0,) * len(concrete.clocks))):
            yield values
