"""When RCM's own loop stood still: the machine was suspended, or the program stopped.

Owns telling that from an ordinary wait, so that a monitor process that stood still for the same
time is not called a hanging plug-in. Knows the clock of the run only by what it is told.
"""

from __future__ import annotations

from typing import Final

LEAST_US: Final = 500_000  # less than this is a busy machine


class Standstill:
    """The latest standstill of one loop. Times in microseconds of the run's clock."""

    def __init__(self) -> None:
        self._end_us = 0
        self._length_us = 0

    def waited(self, since_us: int, longest_us: int, until_us: int) -> int:
        """The loop waited from `since_us` to `until_us`, for at most `longest_us` as it had asked.

        Returns how long it stood still in that; 0 for an ordinary wait.
        """
        length_us = until_us - since_us - longest_us
        if length_us < LEAST_US:
            return 0
        self._end_us, self._length_us = until_us, length_us
        return length_us

    def explains(self, ended_us: int, watchdog_us: int) -> int | None:
        """How long everything had stood still, if that is why a watchdog fired at `ended_us`.

        It was started anew at most `watchdog_us` before; so the standstill ended after that, and
        was at least half of the time that the watchdog waited.
        """
        if ended_us - self._end_us >= watchdog_us or 2 * self._length_us < watchdog_us:
            return None
        return self._length_us
