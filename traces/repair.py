"""The smallest changes that would make a refused event legal.

One-edit repairs only, each tried on the possible states and certain to let the event itself pass:
another result or argument, one more event before it. Nothing is said about what comes later, and a
larger edit is not searched for. Owns that search; it judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rhscheck.spec.semantics import duration
from rhscheck.spec.system import Label
from rhscheck.traces.receptive import Receptive
from rhscheck.traces.tracking import Possible, Stuck, TooManyStates, Tracker

MAX_REPAIRS = 4


def repairs(
    world: Receptive,
    tracker: Tracker,
    possible: Sequence[Possible],
    stuck: Sequence[Stuck],
    *,
    labels: Sequence[Label],
    line: int,
) -> tuple[str, ...]:
    """Repairs of the event on `line`, which would be one of `labels` in one of `possible`.

    If no state survived the time before the event, `possible` is empty and `stuck` says where time
    stopped; then an event is missing at that moment.
    """
    found: dict[str, None] = {}
    wanted = tuple(at for label in labels for at in world.steps.get(label, ()))
    try:
        for label in _siblings(world, labels):
            if tracker.take(possible, world.steps[label]):
                found[f"line {line}: {label.short} instead"] = None
        for label, positions in world.steps.items():
            if wanted and tracker.take(tracker.take(possible, positions), wanted):
                found[f"insert before line {line}: {label}"] = None
        for one in stuck:
            for label, positions in world.steps.items():
                later = tracker.wait(tracker.take([one.possible], positions), one.left)
                if tracker.take(later.possible, wanted) if wanted else later.possible:
                    early = duration(one.left, world.ground.system.unit_us)
                    found[f"insert {early} before line {line}: {label}"] = None
    except TooManyStates:
        # A repair is a hint; what was found until here is still true.
        pass
    return tuple(found)[:MAX_REPAIRS]


def _siblings(world: Receptive, labels: Sequence[Label]) -> list[Label]:
    """The labels that differ from one of `labels` in their result or argument only."""
    stems = {replace(label, value=None) for label in labels}
    return [
        label
        for label in world.steps
        if replace(label, value=None) in stems and label not in labels
    ]
