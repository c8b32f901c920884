"""Direct check of the claim behind `checker.local`: the abstraction has every step."""

from __future__ import annotations

import random

from rhscheck.checker.local import LocalAbstraction
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.semantics import State, delay_bound, elapse, enabled, fire, initial_states
from rhscheck.spec.system import System


def image(state: State, concrete: Ground, local: Ground, family: str, instance: int) -> State:
    """What the abstraction keeps of `state`, with `instance` as the kept one."""
    values = []
    for slot in local.slots:
        at = instance if slot.variable.family == family else slot.index
        values.append(state.values[concrete.slot_of[(slot.variable.name, at)]])
    clocks = []
    families = {clock.name: clock.family for clock in concrete.system.clocks}
    for clock in local.clocks:
        at = instance if families[clock.name] == family else clock.index
        clocks.append(state.clocks[concrete.clock_of[(clock.name, at)]])
    return State(tuple(values), tuple(clocks))


def uncovered_step(
    system: System, abstraction: LocalAbstraction, n: int, seed: int, steps: int
) -> str | None:
    """The first step of a random walk of `system` that the abstraction lacks; None: it has all."""
    assert abstraction.family is not None
    chance = random.Random(seed)
    concrete = ground(system, n)
    local = ground(abstraction.system, 1)
    starts = list(initial_states(concrete))
    state = chance.choice(starts)
    local_starts = set(initial_states(local))

    def images(of: State) -> list[State]:
        return [image(of, concrete, local, str(abstraction.family), i) for i in range(1, n + 1)]

    for kept in images(state):
        if kept not in local_starts:
            return f"initial state {kept}"
    for _ in range(steps):
        limit = delay_bound(concrete, state)
        choices = [d for d in (0, 0, 1, 2, 4, 5, 60) if limit.allows(d)]
        delay = chance.choice(choices)
        after = elapse(concrete, state, delay)
        for kept, then in zip(images(state), images(after), strict=True):
            if not delay_bound(local, kept).allows(delay) or elapse(local, kept, delay) != then:
                return f"delay {delay} in {kept}"
        state = after
        possible = enabled(concrete, state)
        if not possible:
            continue
        position = chance.choice(possible)
        after = fire(concrete, state, position)
        for kept, then in zip(images(state), images(after), strict=True):
            if kept != then and all(fire(local, kept, at) != then for at in enabled(local, kept)):
                return f"{concrete.transitions[position].label} from {kept} to {then}"
        state = after
    return None
