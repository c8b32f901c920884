"""The time a verification may take, and what to call it when it is used up.

Owns the clock of a whole verification. A part of it, in this process or another, is given the
seconds that are left, and still names the limit that was asked for: that is the one people know.
Knows nothing of what is computed.
"""

from __future__ import annotations

import time


class Left(float):
    """Seconds that are left of a limit of `asked_s` seconds. A float for all other purposes."""

    asked_s: float

    def __new__(cls, seconds: float, asked_s: float | None = None) -> Left:
        """`seconds` of `asked_s`; None: all of it is left."""
        left = super().__new__(cls, seconds)
        left.asked_s = seconds if asked_s is None else asked_s
        return left


def _asked(timeout_s: float) -> float:
    return timeout_s.asked_s if isinstance(timeout_s, Left) else timeout_s


def used_up(timeout_s: float | None) -> str:
    """What to say when `timeout_s` seconds have passed, which may be the rest of a longer limit."""
    return f"time-out after {0.0 if timeout_s is None else _asked(timeout_s):g} s"


class Budget:
    """The wall-clock time a verification may take; None seconds: any.

    `left_s`: what is left of it by now, where that is not all. A `Left` remembers its limit.
    """

    def __init__(self, timeout_s: float | None, left_s: float | None = None) -> None:
        self._timeout_s = timeout_s
        left = timeout_s if left_s is None else left_s
        self._end = None if left is None else time.monotonic() + left

    def over(self) -> bool:
        """Whether it is used up."""
        return self._end is not None and time.monotonic() >= self._end

    def left(self) -> Left | None:
        """Seconds left, at least a little; None where there is no limit."""
        if self._end is None or self._timeout_s is None:
            return None
        return Left(max(0.001, self._end - time.monotonic()), _asked(self._timeout_s))

    @property
    def reason(self) -> str:
        """What to say when it is used up."""
        return used_up(self._timeout_s)
