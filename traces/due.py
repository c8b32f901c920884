"""Which steps a missed deadline asked for, in the words of the spec.

A deadline of a System is a bound on a clock; a reader of findings wants to know what should have
happened. Owns that translation only: that the deadline was missed, and who answers for it, is
decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rhscheck.spec.expr import ClockCmp, walk
from rhscheck.spec.ground import Ground, GroundDeadline
from rhscheck.spec.semantics import State, enabled, evaluate, fire
from rhscheck.spec.system import TIME, Label


def due_steps(
    ground: Ground,
    steps: Mapping[Label, Sequence[int]],
    state: State,
    deadline: GroundDeadline,
) -> tuple[Label, ...]:
    """The labels among `steps` that the owner of `deadline` could meet it with in `state`.

    `steps` gives the positions of the transitions of each label. Of several, those of the
    deadline's own machine and those that wait for its clock are the ones that were meant. A
    time-out is nobody's deed, and counts as the owner's. Empty where there is no such step.
    """
    possible = frozenset(enabled(ground, state))
    met: dict[Label, list[int]] = {}
    for label, positions in steps.items():
        meeting = [
            at
            for at in positions
            if at in possible
            and ground.transitions[at].actor in (deadline.owner, TIME)
            and not _presses(ground, fire(ground, state, at), deadline)
        ]
        if meeting:
            met[label] = meeting
    own = [label for label in met if _is_at_home(label, deadline)] or list(met)
    awaiting = [
        label for label in own if any(_reads_clock(ground, at, deadline) for at in met[label])
    ]
    return tuple(awaiting or own)


def _presses(ground: Ground, state: State, deadline: GroundDeadline) -> bool:
    """Whether no time may pass in `state` because of the deadline."""
    if not evaluate(deadline.active, ground, state):
        return False
    return deadline.clock is None or state.clocks[deadline.clock] >= deadline.bound


def _is_at_home(label: Label, deadline: GroundDeadline) -> bool:
    named = deadline.name.startswith((f"{label.machine}.", f"{label.machine} "))
    return named and label.index == deadline.index


def _reads_clock(ground: Ground, at: int, deadline: GroundDeadline) -> bool:
    if deadline.clock is None:
        return False
    clock = ground.clocks[deadline.clock]
    return any(
        isinstance(node, ClockCmp) and (node.clock, node.index) == (clock.name, clock.index)
        for node in walk(ground.transitions[at].guard)
    )
