"""Counting referees: how many states there are, and how short a run to a goal is.

Owns plain enumeration, and the choice of how to count. These say again, in their own way, what the
engines claim: `count` for `rhscheck states`, so that a spec can be compared with another tool's
model (what is counted: `checker.counted`), and `shortest_digitised`. No verdict comes from here.

With symmetry the count is exact and complete as without, only not one by one: as products of sets
(`checker.boxes`) where instances do not look at each other, else orbit by orbit (`checker.orbits`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rhscheck.checker.boxes import Boxes, Unsuitable
from rhscheck.checker.counted import (
    CHECK_EVERY,
    Count,
    Refused,
    Stepper,
    Stopped,
    inexact,
    relevant,
)
from rhscheck.checker.digitised import Nowhere, Shortest, shortest_digitised
from rhscheck.checker.explore import never
from rhscheck.checker.orbits import Orbits
from rhscheck.checker.parts import Parts
from rhscheck.checker.renaming import asymmetry
from rhscheck.spec.ground import Ground

__all__ = [
    "Count",
    "Nowhere",
    "Refused",
    "Shortest",
    "Stopped",
    "count",
    "shortest_digitised",
]


def count(
    ground: Ground,
    *,
    untimed: bool = True,
    symmetry: bool = False,
    limit: int = 5_000_000,
    cancelled: Callable[[], bool] = never,
) -> Count | Refused | Stopped:
    """The size of the reachable graph.

    `untimed`: expiries may happen at any time; else time passes in whole ticks, refused where a
    strict comparison, a strict deadline or the difference of two clocks makes whole ticks inexact.
    `symmetry`: count up to renaming the instances of the parametric family as well, and visit less;
    refused where renaming does not map the System onto itself. `limit`: the most states (orbits) to
    visit one by one; `cancelled` is asked now and then.
    """
    if not untimed:
        reason = inexact(ground)
        if reason is not None:
            return Refused(reason)
    stepper = Stepper(relevant(ground, untimed), untimed)
    if symmetry:
        family = _the_family(ground)
        if isinstance(family, Refused):
            return family
        reason = asymmetry(stepper.ground, family)
        if reason is not None:
            return Refused(reason)
        if ground.n == 1:  # every state is its own orbit
            whole = _count_all(stepper, limit, cancelled)
            if isinstance(whole, Count):
                return replace(whole, orbits=whole.states, orbit_transitions=whole.transitions)
            return whole
        parts = Parts(stepper, family)
        products = Boxes(parts).count(limit, cancelled)
        if isinstance(products, Unsuitable):
            return Orbits(parts).count(limit, cancelled)
        return products
    return _count_all(stepper, limit, cancelled)


def _count_all(stepper: Stepper, limit: int, cancelled: Callable[[], bool]) -> Count | Stopped:
    """Every state by itself."""
    known = set(stepper.initial())
    waiting = list(known)
    transitions = visited = 0
    while waiting:
        visited += 1
        if len(known) > limit:
            return Stopped(f"there are more than {limit} states", visited)
        if visited % CHECK_EVERY == 0 and cancelled():
            return Stopped("cancelled", visited)
        state = waiting.pop()
        steps = stepper.successors(state)
        if stepper.distinct_events:
            transitions += len(steps)
        else:
            transitions += len({(stepper.events[at], after) for at, after in steps})
        followers = [after for _, after in steps]
        if stepper.timed:
            later = stepper.tick(state)
            if later is not None:
                transitions += 1
                followers.append(later)
        for after in followers:
            if after not in known:
                known.add(after)
                waiting.append(after)
    unit = stepper.unit if stepper.timed else None
    return Count(stepper.ground.n, len(known), transitions, None, None, unit)


def _the_family(ground: Ground) -> str | Refused:
    families = ground.system.parametric
    if len(families) == 1:
        return families[0]
    number = "no" if not families else "more than one"
    return Refused(f"{number} family has as many instances as -n says")
