"""The one concrete meaning of a `Ground`: what a state is, which steps it has, how time passes.

Everything that runs a spec without a solver calls this module: simulation, replay, the check of
every counterexample, and the tests of the engines. It must not know about solvers, traces, rules
or speed (`spec.compiled` is generated from the same `Ground` and tested equal to this).

A run alternates delays and discrete steps. A discrete step takes no time: all updates read the
state before it. Clocks of a state are 0 while inactive; a clock that is active before and after a
step keeps its value unless the step resets it; one that becomes active starts at 0. A delay makes
the active clocks grow; it is legal if at its end no active deadline is passed. Deadlines never
forbid discrete steps, so a step may leave a clock beyond a bound: then time cannot pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from rhscheck.spec.describe import describe, duration
from rhscheck.spec.evaluate import State, Time, evaluate, explain_false
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground, Slot
from rhscheck.spec.system import IntType

__all__ = [
    "DelayBound",
    "IllegalRun",
    "Run",
    "State",
    "Step",
    "Time",
    "delay_bound",
    "describe",
    "duration",
    "elapse",
    "enabled",
    "evaluate",
    "explain_false",
    "fire",
    "initial_states",
    "replay_run",
]


@dataclass(frozen=True, slots=True)
class DelayBound:
    """The longest legal delay: `limit` in units, None for any; `strict`: only less than `limit`.

    `deadlines` are the ones that set it, in the order of `Ground.deadlines`.
    """

    limit: Time | None
    strict: bool
    deadlines: tuple[str, ...]

    def allows(self, delay: Time) -> bool:
        """Whether a delay of so many units (>= 0) is legal."""
        if self.limit is None or delay == 0 or delay < self.limit:
            return True
        return delay == self.limit and not self.strict


@dataclass(frozen=True, slots=True)
class Step:
    """A delay, then the transition at this position of `Ground.transitions` (None: no step)."""

    delay: Time
    transition: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """A beginning of a behaviour; legal or not, `replay_run` tells."""

    initial: State
    steps: tuple[Step, ...]


class IllegalRun(Exception):  # noqa: N818 - the name callers were given
    """Step number `step` (from 1; 0 is the initial state) is not allowed; `reason` says why."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"step {step}: {reason}")
        self.step = step
        self.reason = reason


# ---- initial states ----------------------------------------------------------------------------
def initial_states(ground: Ground) -> Iterator[State]:
    """Every initial state, in canonical order (the first slot's value changes slowest)."""
    clocks: tuple[Time, ...] = (0,) * len(ground.clocks)
    for values in itertools.product(*(_initial_values(slot) for slot in ground.slots)):
        state = State(values, clocks)
        if evaluate(ground.initially, ground, state):
            yield state


def _initial_values(slot: Slot) -> tuple[int, ...]:
    """The values `slot` may start with; a reference to an instance that N leaves out is none."""
    return tuple(value for value in slot.variable.initial if slot.low <= value <= slot.high)


def _initial_fault(ground: Ground, state: State) -> str | None:
    if len(state.values) != len(ground.slots) or len(state.clocks) != len(ground.clocks):
        return "the state does not have the System's variables and clocks"
    for slot, value in zip(ground.slots, state.values, strict=True):
        if value not in _initial_values(slot):
            return f"{slot.name} does not start with {value}"
    for clock, time in zip(ground.clocks, state.clocks, strict=True):
        if time != 0:
            return f"clock {clock.name} does not start at {duration(time, ground.system.unit_us)}"
    false = explain_false(ground.initially, ground, state)
    return f"not initially: {_describe_all(false, ground, state)}" if false else None


# ---- discrete steps ----------------------------------------------------------------------------
def enabled(ground: Ground, state: State) -> list[int]:
    """The positions in `ground.transitions` whose guard holds, in canonical order."""
    guards = ground.guards
    known: list[int | None] = [None] * len(guards.asked)
    found: list[int] = []
    for at, parts in enumerate(guards.parts):
        for part in parts:
            holds = known[part]
            if holds is None:
                holds = known[part] = evaluate(guards.asked[part], ground, state)
            if not holds:
                break
        else:
            found.append(at)
    return found


def fire(ground: Ground, state: State, position: int) -> State:
    """The state after the transition at `position`.

    Raises ValueError, naming the false part, if its guard does not hold; also if an update leaves
    the variable's type (a bounded integer saturates instead).
    """
    transition = ground.transitions[position]
    false = explain_false(transition.guard, ground, state)
    if false:
        raise ValueError(
            f"{transition.label} is not possible: {_describe_all(false, ground, state)}"
        )
    values = list(state.values)
    for at, value in transition.updates:
        values[at] = _stored(ground.slots[at], evaluate(value, ground, state))
    before = State(state.values, state.clocks)
    after = State(tuple(values), state.clocks)
    clocks = tuple(
        time
        if at not in transition.resets
        and evaluate(clock.active, ground, before)
        and evaluate(clock.active, ground, after)
        else 0
        for at, (clock, time) in enumerate(zip(ground.clocks, state.clocks, strict=True))
    )
    return State(after.values, clocks)


def _stored(slot: Slot, value: int) -> int:
    if slot.low <= value <= slot.high:
        return value
    if isinstance(slot.variable.type, IntType):
        return max(slot.low, min(slot.high, value))
    raise ValueError(f"{value} is no value of {slot.name} ({slot.low} to {slot.high})")


# ---- time --------------------------------------------------------------------------------------
def delay_bound(ground: Ground, state: State) -> DelayBound:
    """How long time may pass in `state`."""
    limit: Time | None = None
    strict = False
    names: list[str] = []
    for deadline in ground.deadlines:
        if not evaluate(deadline.active, ground, state):
            continue
        left: Time = 0
        open_end = False
        if deadline.clock is not None:
            time = state.clocks[deadline.clock]
            if not evaluate(ground.clocks[deadline.clock].active, ground, state):
                # A clock that stands still is past its bound already or never.
                if time < deadline.bound or (time == deadline.bound and not deadline.strict):
                    continue
            elif time < deadline.bound:
                left, open_end = deadline.bound - time, deadline.strict
        tighter = limit is None or left < limit or (left == limit and open_end and not strict)
        if tighter:
            limit, strict, names = left, open_end, []
        if left == limit and open_end == strict:
            name = deadline.name
            names.append(name if deadline.index is None else f"{name}[{deadline.index}]")
    return DelayBound(limit, strict, tuple(names))


def elapse(ground: Ground, state: State, delay: Time) -> State:
    """`state` after `delay` units in which nothing happens.

    Raises ValueError if the delay is negative or passes a deadline.
    """
    if delay < 0:
        raise ValueError(f"time does not run back (delay {delay})")
    if delay == 0:
        return state
    bound = delay_bound(ground, state)
    if not bound.allows(delay):
        unit = ground.system.unit_us
        assert bound.limit is not None
        least = "less than" if bound.strict else "at most"
        allowed = f"{least} {duration(bound.limit, unit)}" if bound.limit else "no time"
        raise ValueError(
            f"{duration(delay, unit)} cannot pass: {', '.join(bound.deadlines)} allows {allowed}"
        )
    clocks = tuple(
        time + delay if evaluate(clock.active, ground, state) else time
        for clock, time in zip(ground.clocks, state.clocks, strict=True)
    )
    return State(state.values, clocks)


# ---- runs --------------------------------------------------------------------------------------
def replay_run(ground: Ground, run: Run) -> list[State]:
    """The states of `run`: its initial state and the state after each step, one more than steps.

    Raises IllegalRun at the first thing the semantics does not allow.
    """
    fault = _initial_fault(ground, run.initial)
    if fault is not None:
        raise IllegalRun(0, fault)
    states = [run.initial]
    for number, step in enumerate(run.steps, start=1):
        if step.transition is not None and not 0 <= step.transition < len(ground.transitions):
            raise IllegalRun(number, f"there is no transition {step.transition}")
        try:
            state = elapse(ground, states[-1], step.delay)
            if step.transition is not None:
                state = fire(ground, state, step.transition)
        except ValueError as fault_of_step:
            raise IllegalRun(number, str(fault_of_step)) from None
        states.append(state)
    return states


def _describe_all(parts: list[Expr], ground: Ground, state: State) -> str:
    return "; ".join(describe(part, ground, state) for part in parts)
