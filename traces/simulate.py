"""Random legal runs of a spec, as traces.

Owns the choice of delays and steps; what is legal is asked of `spec.semantics`, how a step is
written of `traces.mapping`. A run of N instances keeps to the assumptions, starts in a random
initial state and depends on nothing but the System and its arguments: the same seed gives the same
bytes. All delays are whole microseconds, so every time in the trace is exact.

Delays are drawn from the places where behaviour changes: none, a little, to the next instant at
which a guard or deadline changes its truth (and one microsecond before and after it), and as long
as is allowed. A uniform draw would hardly ever meet a time-out exactly.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from rhscheck.spec.expr import FALSE, And, Expr, In, Lit, Ref, transform
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import (
    DelayBound,
    Run,
    State,
    Step,
    Time,
    delay_bound,
    elapse,
    evaluate,
    fire,
    initial_states,
)
from rhscheck.spec.system import System
from rhscheck.traces.format import Trace
from rhscheck.traces.instants import Instants
from rhscheck.traces.mapping import Recorder, simulated_header

# Initial states are drawn from the first so many; a System may have astronomically many.
_INITIAL_STATES = 4096
# One in so many choices falls on a step after which an instance comes to rest for ever, and one in
# many more if no other would be left: a run of a thousand steps should not end after fifty because
# everything was closed.
_FATAL, _LAST = 20, 3000
_WEIGHT = 1_000_000
# How many of the next instants a delay is drawn from.
_NEAR = 6


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated run. `stopped` says why it has fewer steps than asked for, None if it has not."""

    ground: Ground
    run: Run
    trace: Trace
    stopped: str | None


def simulate(
    system: System, n: int, seed: int, steps: int, *, tool: str = "rhscheck"
) -> Simulation:
    """A random legal run of `n` instances with at most `steps` discrete steps, hidden ones too.

    The run ends early where nothing can happen any more, and in a timelock. Raises ValueError if
    `n` < 1 or `steps` < 0, or if the System has no initial state.
    """
    if n < 1 or steps < 0:
        raise ValueError(f"cannot simulate {n} instances for {steps} steps")
    woven = weave(system, (), system.assumptions).system
    world = ground(woven, n)
    rng = random.Random(seed)
    walker = _Walker(world, rng)
    recorder = Recorder(world)
    state = initial = walker.initial()
    time: Time = Fraction(0)
    taken: list[Step] = []
    events = []
    stopped = None
    while len(taken) < steps:
        move = walker.move(state)
        if isinstance(move, str):
            stopped = move
            break
        delay, state, position = move
        time += delay
        taken.append(Step(delay, position))
        event = recorder.record(time, world.transitions[position])
        if event is not None:
            events.append(event)
    trace = Trace(simulated_header(system, n, seed, tool), tuple(events))
    return Simulation(world, Run(initial, tuple(taken)), trace, stopped)


class _Walker:
    """Draws the moves of one run."""

    def __init__(self, world: Ground, rng: random.Random) -> None:
        self.ground = world
        self.rng = rng
        self.tick = Fraction(1, world.system.unit_us)
        self.needs = [_needed(world, transition.guard) for transition in world.transitions]
        self.taken: dict[str, int] = {}
        self.fatal, self.alive = _dead_ends(world)
        self.changes = Instants(world, (step.guard for step in world.transitions))

    def initial(self) -> State:
        states = []
        for state in initial_states(self.ground):
            states.append(state)
            if len(states) == _INITIAL_STATES:
                break
        if not states:
            raise ValueError(f"the spec {self.ground.system.name} has no initial state")
        return self.rng.choice(states)

    def move(self, state: State) -> tuple[Time, State, int] | str:
        """A delay, the state after delay and step, and the step; or why there is none."""
        bound = delay_bound(self.ground, state)
        for delay in self.delays(state, bound):
            later = elapse(self.ground, state, delay)
            position = self.step(later)
            if position is not None:
                key = self.ground.transitions[position].template.key
                self.taken[key] = self.taken.get(key, 0) + 1
                return delay, fire(self.ground, later, position), position
        if bound.limit is None:
            return "nothing can happen any more"
        return f"time cannot pass {', '.join(bound.deadlines)}, and no step is possible"

    def step(self, state: State) -> int | None:
        """An enabled transition; the rarer its line of the spec was taken, the likelier it is."""
        transitions = self.ground.transitions
        choice = [
            position
            for position, needs in enumerate(self.needs)
            if all(state.values[at] in values for at, values in needs)
            and evaluate(transitions[position].guard, self.ground, state)
        ]
        if not choice:
            return None
        ranks: dict[int, list[int]] = {}
        for position in choice:
            ranks.setdefault(self.finality(position, state), []).append(position)
        for finality, odds in ((2, _LAST), (1, _FATAL)):
            if len(ranks) > 1 and finality in ranks:
                chosen = ranks.pop(finality)
                if self.rng.randrange(odds) == 0:
                    ranks = {finality: chosen}
        choice = ranks[min(ranks)]
        weights = [
            max(1, _WEIGHT // (1 + self.taken.get(transitions[position].template.key, 0)))
            for position in choice
        ]
        # Whole numbers: a sum of floats could differ between platforms.
        drawn = self.rng.randrange(sum(weights))
        return choice[bisect(list(accumulate(weights)), drawn)]

    def finality(self, position: int, state: State) -> int:
        """0 if the step ends nothing, 1 if it ends an instance, 2 if it ends the last one."""
        ending = {
            at for at, _ in self.fatal.get(position, ()) if (at, state.values[at]) in self.alive
        }
        if not ending:
            return 0
        names = {self.ground.slots[at].variable.name for at in ending}
        others = (
            (at, value)
            for at, (slot, value) in enumerate(zip(self.ground.slots, state.values, strict=True))
            if slot.variable.name in names and at not in ending
        )
        return 1 if any(place in self.alive for place in others) else 2

    def delays(self, state: State, bound: DelayBound) -> Iterator[Time]:
        """A random delay first; then, in case no step follows it, all that may matter, in order."""
        instants = self.instants(state, bound)
        choice = self.rng.random()
        if choice < 0.4 or bound.limit == 0:
            yield Fraction(0)
        elif choice < 0.75:
            scale = 10 ** self.rng.randint(0, 7)
            small = self.rng.randint(1, scale) * self.tick
            yield small if bound.allows(small) else Fraction(0)
        elif instants:
            yield instants[-1] if choice > 0.95 else self.rng.choice(instants[:_NEAR])
        yield Fraction(0)
        yield from instants

    def instants(self, state: State, bound: DelayBound) -> list[Time]:
        """The legal delays > 0 at, or one microsecond beside, a change of some clock condition."""
        ends: dict[Time, None] = {}
        for instant in self.changes.after(state):
            ends.update(dict.fromkeys((instant - self.tick, instant, instant + self.tick)))
        return sorted(end for end in ends if end > 0 and bound.allows(end))


def _needed(world: Ground, guard: Expr) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Values of variables without which the guard is false; they rule out most transitions."""
    return tuple(
        (world.slot_of[(part.arg.name, part.arg.index)], part.values)
        for part in (guard.args if isinstance(guard, And) else (guard,))
        if isinstance(part, In)
        and isinstance(part.arg, Ref)
        and not isinstance(part.arg.index, str)
    )


# A location and a leaf: positions in Ground.slots and in its members.
Place = tuple[int, int]


def _dead_ends(world: Ground) -> tuple[dict[int, tuple[Place, ...]], frozenset[Place]]:
    """The transitions after which a machine soon comes to rest for ever, with where they bring it.

    And all places where it does not. Judged by the moves that are written down, guards aside: this
    shapes runs, it proves nothing.
    """
    moves: dict[int, list[Place]] = {}
    onward: dict[Place, dict[Place, None]] = {}
    for position, transition in enumerate(world.transitions):
        for at, value in transition.updates:
            slot = world.slots[at]
            if slot.variable.role == "location" and isinstance(value, Lit):
                moves.setdefault(position, []).append((at, value.value))
                here = Ref(slot.variable.name, slot.index)
                for leaf in range(slot.low, slot.high + 1):
                    if leaf != value.value and _possible_in(transition.guard, here, leaf):
                        onward.setdefault((at, leaf), {})[(at, value.value)] = None
    # What remains when leaves without a way on are taken out again and again lies on, or before, a
    # cycle.
    while ends := {
        target for targets in onward.values() for target in targets if target not in onward
    }:
        onward = {
            leaf: kept
            for leaf, targets in onward.items()
            if (kept := {target: None for target in targets if target not in ends})
        }
    fatal = {
        position: tuple(target for target in targets if target not in onward)
        for position, targets in moves.items()
    }
    return {position: ends for position, ends in fatal.items() if ends}, frozenset(onward)


def _possible_in(guard: Expr, here: Ref, leaf: int) -> bool:
    """Whether the guard is not plainly false where the location `here` is `leaf`."""
    return transform(guard, lambda node: Lit(leaf) if node == here else None) != FALSE
