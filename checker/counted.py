"""What `rhscheck states` counts, and the steps between what it counts.

Owns the definition below, the cut of a ground System to what matters for it, and steps on flat
states. Knows neither how the graph is searched nor symmetry.

A state is one value for each variable on which behaviour depends, timed also one whole number of
ticks for each such clock; beyond the greatest constant it is compared with a clock shows "more".
Observers that no guard reads, nor anything else that matters, are left out: watching a System does
not change its counts (but an assumption's observer, which guards read, is part of it). A transition
is a triple (state, event, successor): the event is the label, with those of other machines that
happen in the same step. Two lines of a spec that do the same under the same label are one
transition, one that changes nothing is counted; timed, a tick is an event, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rhscheck.spec.compiled import compile_ground, split_guard
from rhscheck.spec.compiled import untimed as without_clocks
from rhscheck.spec.expr import ClockCmp, ClockDiff, Index, Ref, clocks_read, refs
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import initial_states
from rhscheck.spec.system import Label

Values = tuple[int, ...]
Event = tuple[Label, tuple[Label, ...]]
CHECK_EVERY = 4096  # states between two questions whether to go on


@dataclass(frozen=True, slots=True)
class Count:
    """How large the reachable graph with `n` instances is (see the module for what that means).

    `orbits` and `orbit_transitions`: of the graph up to renaming of instances, None where symmetry
    was not used; `states` and `transitions` are always the full numbers. `unit`: how much time one
    tick is, in the System's units; None: untimed.
    """

    n: int
    states: int
    transitions: int
    orbits: int | None
    orbit_transitions: int | None
    unit: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The count asked for would not mean what it says; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The search had to end after so many states (or orbits)."""

    reason: str
    visited: int


def inexact(ground: Ground) -> str | None:
    """Why whole ticks would not show all behaviours, None if they do."""
    for transition in ground.transitions:
        for _, atoms in split_guard(transition.guard):
            for atom in atoms:
                if isinstance(atom, ClockDiff):
                    return f"{transition.label} compares the difference of two clocks"
                if atom.op in ("<", ">"):
                    return f"{transition.label} compares clock {atom.clock} strictly"
    for deadline in ground.deadlines:
        if deadline.strict:
            return f"deadline {deadline.name} is strict"
    return None


def relevant(ground: Ground, untimed: bool) -> Ground:
    """`ground` without clocks (`untimed`), and without the observers that nothing depends on."""
    if untimed:
        ground = replace(
            ground,
            transitions=tuple(
                replace(t, guard=without_clocks(t.guard), resets=()) for t in ground.transitions
            ),
            clocks=(),
            deadlines=(),
            clock_of={},
        )
    slots = {at for at, slot in enumerate(ground.slots) if slot.variable.role != "observer"}
    clocks = {at for at, clock in enumerate(ground.clocks) if clock.role != "observer"}
    asked = [t.guard for t in ground.transitions]
    asked += [d.active for d in ground.deadlines] + [ground.initially]
    clocks |= {d.clock for d in ground.deadlines if d.clock is not None}
    done: set[tuple[str, int]] = set()
    while asked:
        for expr in asked:
            slots |= {slot_position(ground, ref) for ref in refs(expr)}
            clocks |= {clock_position(ground, name, index) for name, index in clocks_read(expr)}
        asked = [
            value
            for transition in ground.transitions
            for at, value in transition.updates
            if at in slots and ("slot", at) not in done
        ]
        asked += [ground.clocks[at].active for at in sorted(clocks) if ("clock", at) not in done]
        done |= {("slot", at) for at in slots} | {("clock", at) for at in clocks}
    return _restricted(ground, sorted(slots), sorted(clocks))


def slot_position(ground: Ground, ref: Ref) -> int:
    """The position in `ground.slots` of the variable that `ref` reads."""
    return ground.slot_of[(ref.name, _number(ref.index))]


def clock_position(ground: Ground, name: str, index: Index) -> int:
    """The position in `ground.clocks` of clock `name` of instance `index`."""
    return ground.clock_of[(name, _number(index))]


def _number(index: Index) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return index


def _restricted(ground: Ground, slots: Sequence[int], clocks: Sequence[int]) -> Ground:
    """`ground` with only these variables and clocks, on which nothing else depends."""
    slot_at = {old: new for new, old in enumerate(slots)}
    clock_at = {old: new for new, old in enumerate(clocks)}
    return replace(
        ground,
        slots=tuple(ground.slots[at] for at in slots),
        clocks=tuple(ground.clocks[at] for at in clocks),
        transitions=tuple(
            replace(
                transition,
                updates=tuple(
                    (slot_at[at], value) for at, value in transition.updates if at in slot_at
                ),
                resets=tuple(clock_at[at] for at in transition.resets if at in clock_at),
            )
            for transition in ground.transitions
        ),
        deadlines=tuple(
            replace(d, clock=None if d.clock is None else clock_at[d.clock])
            for d in ground.deadlines
        ),
        slot_of={key: slot_at[at] for key, at in ground.slot_of.items() if at in slot_at},
        clock_of={key: clock_at[at] for key, at in ground.clock_of.items() if at in clock_at},
    )


class Stepper:
    """Steps of a Ground on flat states: the values of its slots, then its clocks in ticks."""

    def __init__(self, ground: Ground, untimed: bool, unit: int | None = None) -> None:
        self.ground = ground
        self.timed = not untimed
        self.compiled = compile_ground(ground)
        self.width = len(ground.slots)
        self.events: list[Event] = [(t.label, t.also) for t in ground.transitions]
        self.distinct_events = len(set(self.events)) == len(self.events)
        atoms = [
            [[_comparison(ground, atom) for atom in alternative.atoms] for alternative in ways]
            for ways in self.compiled.alternatives
        ]
        bounds = [(c, bound) for ways in atoms for way in ways for c, _, bound in way]
        bounds += [(d.clock, d.bound) for d in ground.deadlines if d.clock is not None]
        self.unit = unit or math.gcd(*(bound for _, bound in bounds)) or 1
        self.atoms = [
            [[(c, upper, b // self.unit) for c, upper, b in way] for way in ways] for ways in atoms
        ]
        self.most = [0] * len(ground.clocks)  # from here on a clock shows "more"
        for clock, bound in bounds:
            self.most[clock] = max(self.most[clock], bound // self.unit + 1)
        self.clock_range = range(len(ground.clocks))
        self.activity: dict[Values, tuple[int, ...]] = {}

    def only(self, positions: Sequence[int]) -> Stepper:
        """The same with these transitions only, numbered from 0; ticks are the same, too."""
        chosen = replace(
            self.ground, transitions=tuple(self.ground.transitions[at] for at in positions)
        )
        return Stepper(chosen, not self.timed, self.unit)

    def initial(self) -> Iterator[Values]:
        """Every initial state."""
        for state in initial_states(self.ground):
            yield state.values + (0,) * len(self.ground.clocks)

    def successors(self, state: Values) -> list[tuple[int, Values]]:
        """(position, state after) of every discrete step, in order."""
        if not self.timed:
            return self.compiled.successors_untimed(state)
        values, clocks = state[: self.width], state[self.width :]
        found: dict[int, Values] = {}
        for position, way, after in self.compiled.moves(values):
            if position not in found and self.holds(self.atoms[position][way], clocks):
                found[position] = after + self.restarted(position, values, after, clocks)
        return list(found.items())

    def fire(self, position: int, state: Values) -> Values | None:
        """The state after one transition, None if it is not possible."""
        values, clocks = state[: self.width], state[self.width :]
        if not any(
            way.guard(values) and self.holds(atoms, clocks)
            for way, atoms in zip(
                self.compiled.alternatives[position], self.atoms[position], strict=True
            )
        ):
            return None
        after = self.compiled.fire[position](values)
        return after + self.restarted(position, values, after, clocks)

    def holds(self, atoms: Iterable[tuple[int, bool, int]], clocks: Values) -> bool:
        """Whether all comparisons (clock, whether from above, ticks) hold."""
        return all(
            clocks[clock] <= bound if upper else clocks[clock] >= bound
            for clock, upper, bound in atoms
        )

    def active(self, values: Values) -> tuple[int, ...]:
        """The clocks that run in a discrete state."""
        known = self.activity.get(values)
        if known is None:
            known = self.activity[values] = self.compiled.active_clocks(values)
        return known

    def restarted(self, position: int, before: Values, after: Values, clocks: Values) -> Values:
        """The clocks after a step."""
        if not clocks:
            return ()
        resets = self.ground.transitions[position].resets
        kept = [c for c in self.active(before) if c in self.active(after) and c not in resets]
        return tuple(clocks[c] if c in kept else 0 for c in self.clock_range)

    def tick(self, state: Values) -> Values | None:
        """The state one unit later, None if a deadline forbids that."""
        values, clocks = state[: self.width], state[self.width :]
        active = self.active(values)
        later = tuple(
            min(time + 1, self.most[clock]) if clock in active else time
            for clock, time in enumerate(clocks)
        )
        for at in self.compiled.active_deadlines(values):
            deadline = self.ground.deadlines[at]
            if deadline.clock is None or later[deadline.clock] * self.unit > deadline.bound:
                return None
        return values + later


def _comparison(ground: Ground, atom: ClockCmp | ClockDiff) -> tuple[int, bool, int]:
    """(clock, whether from above, bound) of a closed comparison with a constant."""
    if isinstance(atom, ClockDiff) or atom.op in ("<", ">"):
        raise AssertionError("whole ticks for a comparison that is not closed")
    return clock_position(ground, atom.clock, atom.index), atom.op == "<=", atom.bound
