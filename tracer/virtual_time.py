"""Virtual time: what comes when in a simulation, and messages that take a while.

Owns the agenda and connections. What is due at the same instant comes in an order that the seed
decides; messages of one connection keep theirs. What a connection that is cut still delivers is
what the reader of real pipes makes of the bytes. Knows nothing of what is simulated.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

import msgspec

from rhscheck.tracer.wire import LineSplitter, line_of

M = TypeVar("M", bound=msgspec.Struct)
# What is on its way where nothing else is: both ends speak to each other all the time.
_PING: Final = line_of({"type": "Ping", "number": 1})


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


class Connection(Generic[M]):
    """Delivers in order to `deliver`, each message some time after it was sent.

    `decode` reads the line of a message again: only a connection that is cut needs it.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        draw: random.Random,
        deliver: Callable[[M], None],
        decode: Callable[[bytes], M],
    ) -> None:
        self._scheduler = scheduler
        self._draw = draw
        self._deliver = deliver
        self._decode = decode
        self._last_us = 0
        self._under_way: deque[M] = deque()
        self._is_cut = False

    def _due(self) -> int:
        due = self._scheduler.now_us + self._draw.randrange(20, 2_000)
        self._last_us = due = max(due, self._last_us + 1)
        return due

    def send(self, message: M) -> None:
        """Deliver the message some time from now, unless the connection is cut."""
        due = self._due()
        if not self._is_cut:
            self._under_way.append(message)
            self._scheduler.at(due, self._arrive)

    def _arrive(self) -> None:
        if self._under_way:
            self._deliver(self._under_way.popleft())

    def cut(self) -> None:
        """Cut it in the middle of a line: what was sent before that arrives, and half of the line.

        Nothing that is sent later does. The other end sees the end of the pipe (`at_end`).
        """
        lines = [line_of(one) for one in self._under_way] or [_PING]
        at = self._draw.randrange(len(lines))
        half = lines[at][: self._draw.randrange(1, len(lines[at]))]
        arrived = LineSplitter().feed(b"".join([*lines[:at], half]))
        self._under_way = deque(self._decode(one) for one in arrived)
        self._is_cut = True

    def at_end(self, act: Callable[[], None]) -> None:
        """Do `act` when the reader has read everything that came and sees the end of the pipe."""
        self._scheduler.at(self._due(), act)
