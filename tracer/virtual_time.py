"""Virtual time: what comes when in a simulation, and messages that take a while.

Owns the agenda and connections. What is due at the same instant comes in an order that the seed
decides; messages of one connection keep theirs. Knows nothing of what is simulated.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush


class RunOver(Exception):  # noqa: N818 - not an error: the end of a run
    """The run is over."""


class Scheduler:
    """What comes when. `now_us` is virtual."""

    def __init__(self, seed: int) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, float, int, Callable[[], None]]] = []
        self._count = 0
        self._tie = random.Random(f"{seed}:schedule").random

    def at(self, due_us: int, act: Callable[[], None]) -> None:
        """Do `act` at `due_us`."""
        self._count += 1
        heappush(self._heap, (due_us, self._tie(), self._count, act))

    def run(self) -> None:
        """Do what is due, in order, until nothing is left or somebody raises RunOver."""
        heap = self._heap
        while heap:
            due, _, _, act = heappop(heap)
            self.now_us = due
            act()


class Connection:
    """Delivers in order, each message some time after it was sent."""

    def __init__(self, scheduler: Scheduler, draw: random.Random) -> None:
        self._scheduler = scheduler
        self._draw = draw
        self._last_us = 0
        self.cut = False

    def send(self, deliver: Callable[[], None]) -> None:
        """Deliver the message some time from now, unless the connection is cut by then."""
        due = self._scheduler.now_us + self._draw.randrange(20, 2_000)
        self._last_us = due = max(due, self._last_us + 1)
        self._scheduler.at(due, partial(self._arrive, deliver))

    def _arrive(self, deliver: Callable[[], None]) -> None:
        if not self.cut:
            deliver()
