"""What a core is asked next: an event that happened, or a deadline that has come, in their order.

Owns the time stamps. An event is stamped when it is submitted, whoever submits it. A deadline that
the loop sees late, but by no more than the tolerance, counts as seen when it was due, before any
event stamped later; so the host's own delays are not mistaken for a plug-in's. A deadline seen
later than that carries the real time, and the run shows that the host was late. A time in which
every process of the run stood still is left out (`leave_out`).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rhscheck.tracer.real.standstill import Span, overslept

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

    def __init__(
        self,
        origin_ns: int,
        tolerance_us: int,
        stood_still: Callable[[Span], None] = lambda _span: None,
    ) -> None:
        """`stood_still` is called by the loop's `next`, before it says what is next, when its wait
        or the step before took much too long: this time can still be left out then.
        """
        self._stood_still = stood_still
        # A signal handler submits, too, and may interrupt who holds it.
        self._lock = threading.RLock()
        self._origin_ns = origin_ns
        self._tolerance_us = tolerance_us
        self._queue: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
        self._held: tuple[int, T] | None = None  # it came after a deadline that goes first
        self._now_us = 0
        self._left_us: int | None = None  # when `next` returned last

    def clock_us(self) -> int:
        """Microseconds since the origin, on the system's monotonic clock, but what is left out."""
        return (time.monotonic_ns() - self._origin_ns) // 1000

    def submit(self, event: T) -> None:
        """Hand over an event that happens now."""
        with self._lock:
            self._queue.put((self.clock_us(), event))

    @property
    def origin_ns(self) -> int:
        """When the clock would have been at 0, had it always gone as it goes now."""
        return self._origin_ns

    def leave_out(self, span: Span) -> None:
        """The clock stood still in this time, which has just passed. Any thread may say so."""
        with self._lock:
            self._origin_ns += span.length_us * 1000
            waiting: list[tuple[int, T]] = []
            while not self._queue.empty():
                waiting.append(self._queue.get())
            for at_us, event in waiting:
                self._queue.put((span.without(at_us), event))
            if self._held is not None:
                self._held = (span.without(self._held[0]), self._held[1])

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
        if self._left_us is not None:  # the loop may have been stopped while it was at work
            self._check_for_standstill(self._left_us, 0)
        found = self._next(due_us, longest_s)
        self._left_us = self.clock_us()
        return found

    def _check_for_standstill(self, since_us: int, longest_us: int) -> None:
        stood = overslept(since_us, longest_us, self.clock_us())
        if stood is not None:
            self._stood_still(stood)

    def _next(self, due_us: int | None, longest_s: float) -> Due | Happened[T] | None:
        item, self._held = self._held, None
        if item is None:
            wait_s = longest_s
            if due_us is not None:
                wait_s = min(longest_s, (due_us - self.clock_us()) / 1_000_000)
            since_us = self.clock_us()
            try:
                item = self._queue.get(timeout=wait_s) if wait_s > 0 else self._queue.get_nowait()
            except queue.Empty:
                item = None
            self._held = item
            self._check_for_standstill(since_us, max(0, round(wait_s * 1_000_000)))
            item, self._held = self._held, None
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
