"""The Resource Control Manager of one node without I/O: groups, dependencies, restarts, ownership.

Owns every decision of RCM. It never reads a clock, starts a process, or waits.
"""

from __future__ import annotations

from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.events import RcmEffect, RcmEvent


class RcmCore:
    """RCM of `node` in the cluster `configuration`, which has no `problems`."""

    def __init__(self, configuration: ClusterConfiguration, node: str) -> None:
        self.configuration = configuration
        self.node = node

    @property
    def next_due_us(self) -> int | None:
        """When the core wants a Tick; None: never, as things are."""
        raise NotImplementedError

    def step(self, event: RcmEvent, now_us: int) -> list[RcmEffect]:
        """What is to be done about `event`, which happened at `now_us`; time never goes back."""
        raise NotImplementedError
