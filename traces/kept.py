"""Woven Systems, kept from one run of the program to the next.

Weaving what a replay watches for into a System takes longer than judging most recordings, and comes
to the same each time for one System under one setting. Owns which weaving is worth keeping, and
what it depends on; where and how it is kept is `spec.kept`'s.
"""

from __future__ import annotations

from typing import Final

from rhscheck.spec.expr import StepKind
from rhscheck.spec.kept import keep, place, recall
from rhscheck.spec.system import System
from rhscheck.traces.apart import Apart
from rhscheck.traces.receptive import Receptive, receptive

# Transitions times rules: with fewer, weaving takes no longer than looking for what is kept.
WORTH: Final = 1000


def kept_receptive(
    system: System,
    n: int,
    *,
    slack_us: int,
    unseen: tuple[tuple[StepKind, str | None], ...],
    alone: Apart | None,
) -> Receptive:
    """What `receptive` gives, from an earlier run if that is kept. Raises what `receptive` does."""
    file = None
    if len(system.transitions) * len(system.rules) >= WORTH:
        file = place("woven", (system, n, slack_us, unseen, alone is not None))
    found = recall(file, Receptive)
    if found is None:
        found = receptive(system, n, slack_us=slack_us, unseen=unseen, alone=alone)
        keep(file, found)
    return found
