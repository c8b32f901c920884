"""The Resource Host Server without I/O: which entry point is called when, and what follows from it.

Owns every decision of one monitor process. It never reads a clock, starts a thread, or waits.
"""

from __future__ import annotations

from rhscheck.tracer.configuration import Timeouts
from rhscheck.tracer.events import RhsEffect, RhsEvent


class RhsCore:
    """One monitor process. Resources exist from the first command that names them."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts

    @property
    def next_due_us(self) -> int | None:
        """When the core wants a Tick; None: never, as things are."""
        raise NotImplementedError

    def step(self, event: RhsEvent, now_us: int) -> list[RhsEffect]:
        """What is to be done about `event`, which happened at `now_us`; time never goes back."""
        raise NotImplementedError
