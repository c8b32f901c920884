"""How much a plug-in may say: the length of a text, and lines a second.

Owns the bounds of what plug-ins log. A plug-in that logs without end must cost its neighbours, RCM
and the disk nothing; what is left out is counted, and that it was left out is said. Knows no pipe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

MAX_TEXT: Final = 16_384  # characters of one text
LINE: Final = 500  # characters that count as a line, with or without an end
BURST: Final = 4_000  # lines of one resource at once
LINES_PER_S: Final = 100.0  # and from then on


def shortened(text: str) -> str:
    """The text, without its middle where it is too long: what matters is at the ends."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]} … ({len(text) - 2 * half} characters left out) … {text[-half:]}"


class LogLimit:
    """The allowance of one resource. Any thread may ask. `clock` gives seconds, rising."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._allowed = float(BURST)
        self._asked_s = clock()
        self._left_out = 0

    def admits(self, text: str) -> bool:
        """Whether the text may be written now; else its lines are counted as left out."""
        lines = text.count("\n") + 1
        cost = max(lines, len(text) // LINE)
        with self._lock:
            self._earn()
            if self._allowed < cost:
                self._left_out += lines
                return False
            self._allowed -= cost
            return True

    def left_out(self) -> int:
        """How many lines were left out since this was told, once that can be said; else 0."""
        with self._lock:
            if not self._left_out:  # asked at every turn of a loop
                return 0
            self._earn()
            if self._allowed < 1:
                return 0
            self._allowed -= 1
            lost, self._left_out = self._left_out, 0
            return lost

    def _earn(self) -> None:
        now = self._clock()
        self._allowed = min(self._allowed + (now - self._asked_s) * LINES_PER_S, float(BURST))
        self._asked_s = now
