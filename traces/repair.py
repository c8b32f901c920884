"""The smallest changes that would make a refused event legal.

One-edit repairs only, each tried on the possible states and certain to let the event itself pass:
another result or argument, one more event before it. Nothing is said about what comes later, and a
larger edit is not searched for. Owns that search; it judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from rhscheck.spec.system import Label
from rhscheck.spec.tracking import Possible, Stuck, TooManyStates, Tracker
from rhscheck.traces.receptive import Receptive
from rhscheck.traces.wording import clock_time, elapsed_text

MAX_REPAIRS = 4


def repairs(
    world: Receptive,
    tracker: Tracker,
    possible: Sequence[Possible],
    stuck: Sequence[Stuck],
    *,
    labels: Sequence[Label],
    near: Sequence[Label],
    line: int,
    time_us: int,
) -> tuple[str, ...]:
    """Repairs of the event on `line` at `time_us`, one of `labels` in one of `possible`.

    `near` are labels that differ from it in their result or argument at most. If no state survived
    the time before the event, `possible` is empty and `stuck` says where time stopped; then an
    event is missing at that moment.
    """
    found: dict[str, None] = {}
    wanted = _positions(world, labels)
    # An event of the same instance is the likelier one to be missing.
    homes = {(label.machine, label.index) for label in near}
    inserted = sorted(world.steps, key=lambda label: (label.machine, label.index) not in homes)
    try:
        for label in near:
            if label not in labels and tracker.take(possible, _positions(world, [label])):
                found[f"line {line}: {label.short} instead"] = None
        for label in inserted:
            if wanted and tracker.take(tracker.take(possible, world.steps[label]), wanted):
                found[f"insert before line {line}: {label}"] = None
        for one in stuck:
            for label in inserted:
                later = tracker.wait(tracker.take([one.possible], world.steps[label]), one.left)
                if wanted and tracker.take(later.possible, wanted):
                    early = one.left * world.ground.system.unit_us
                    when = f"{clock_time(time_us - early)}, {elapsed_text(early)} earlier than"
                    found[f"insert at {when} line {line}: {label}"] = None
    except TooManyStates:
        # A repair is a hint; what was found until here is still true.
        pass
    return tuple(found)[:MAX_REPAIRS]


def _positions(world: Receptive, labels: Sequence[Label]) -> tuple[int, ...]:
    return tuple(at for label in labels for at in world.steps.get(label, ()))
