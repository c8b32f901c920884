"""What a core is asked next: an event that happened, or a deadline that has come, in their order.

Owns the time stamps. An event is stamped when it is submitted, whoever submits it. A deadline that
the loop sees late, but by no more than the tolerance, counts as seen when it was due, before any
event stamped later; so the host's own delays are not mistaken for a plug-in's. A deadline seen
later than that carries the real time, and the run shows that the host was late.
"""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Due:
    """The deadline has come; it counts for `now_us`, and was seen `late_us` after its time."""

    now_us: int
    late_us: int


@dataclass(frozen=True, slots=True)
class Happened(Generic[T]):
    """`event` was submitted; it counts for `now_us`."""

    now_us: int
    event: T


class Agenda(Generic[T]):
    """The queue of one loop. Any thread may `submit`; only the loop takes `next`."""

    def __init__(self, origin_ns: int, tolerance_us: int) -> None:
        self._origin_ns = origin_ns
        self._tolerance_us = tolerance_us
        self._queue: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
        self._held: tuple[int, T] | None = None  # it came after a deadline that goes first
        self._now_us = 0

    def clock_us(self) -> int:
        """Microseconds since the origin, on the system's monotonic clock."""
        return (time.monotonic_ns() - self._origin_ns) // 1000

    def submit(self, event: T) -> None:
        """Hand over an event that happens now."""
        self._queue.put((self.clock_us(), event))

    def idle_us(self, due_us: int | None) -> int:
        """A time before which `next` will return nothing any more."""
        clock_us = self.clock_us()
        reached = clock_us if due_us is None else min(clock_us, due_us)
        self._now_us = max(self._now_us, reached)
        return self._now_us

    def next(self, due_us: int | None, longest_s: float) -> Due | Happened[T] | None:
        """What is next; None after `longest_s` seconds in which nothing was. Time never goes back.

        `due_us`: the core's next deadline.
        """
        item, self._held = self._held, None
        if item is None:
            wait_s = longest_s
            if due_us is not None:
                wait_s = min(longest_s, (due_us - self.clock_us()) / 1_000_000)
            try:
                item = self._queue.get(timeout=wait_s) if wait_s > 0 else self._queue.get_nowait()
            except queue.Empty:
                item = None
        if due_us is not None and (item is None or due_us < item[0]):
            late_us = self.clock_us() - due_us
            if late_us >= 0:
                self._held = item
                seen_us = due_us if late_us <= self._tolerance_us else due_us + late_us
                self._now_us = max(self._now_us, seen_us)
                return Due(self._now_us, late_us)
        if item is None:
            return None
        self._now_us = max(self._now_us, item[0])
        return Happened(self._now_us, item[1])
