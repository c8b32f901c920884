"""When everything stood still: the machine was suspended, or all processes of the run were stopped.

Owns telling that from an ordinary wait and from a process that stood still alone. A loop that woke
much later than it had asked for has stood still. Only RCM can know whether the others have, too:
it looks for the time in which no loop of the run turned, and that time the clock of the run leaves
out, as the system's own clock does while a machine sleeps. A process that stood still while another
one went on gets nothing: what it did late, it did late.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

LEAST_US: Final = 500_000  # less than this is a busy machine
PATIENCE_S: Final = 2.0  # how long RCM waits for the others to wake up, on a busy machine, too


@dataclass(frozen=True, slots=True)
class Span:
    """A time of the run's clock, in microseconds."""

    since_us: int
    until_us: int

    @property
    def length_us(self) -> int:
        """How long it is; not above 0 if there is none."""
        return self.until_us - self.since_us

    def common(self, other: Span) -> Span:
        """What is in both."""
        return Span(max(self.since_us, other.since_us), min(self.until_us, other.until_us))

    def without(self, at_us: int) -> int:
        """What the moment `at_us` is called once this time is left out."""
        if at_us <= self.since_us:
            return at_us
        return max(self.since_us, at_us - self.length_us)


def overslept(since_us: int, longest_us: int, until_us: int) -> Span | None:
    """The time a loop stood still that waited from `since_us` to `until_us`.

    `longest_us`: for how long it had asked to wait. None for an ordinary wait.
    """
    stood = Span(since_us + longest_us, until_us)
    return stood if stood.length_us >= LEAST_US else None


# What RCM finds out about another process: it stood still then, too; it went on; it is gone, and
# nothing of its own is known; nothing yet.
Witness = Callable[[], Span | Literal["went on", "gone"] | None]


def common_standstill(
    own: Span, witnesses: Sequence[Witness], *, patience_s: float = PATIENCE_S
) -> Span | None:
    """The part of RCM's own standstill in which all others stood still, too; None: there is none.

    Waits for the witnesses' words, `patience_s` at most; who says nothing may have gone on.
    """
    until = time.monotonic() + patience_s
    span = own
    for witness in witnesses:
        while (word := witness()) is None:
            if time.monotonic() > until:
                return None
            time.sleep(0.002)
        if word == "went on":
            return None
        if isinstance(word, Span):
            span = span.common(word)
    return span if span.length_us >= LEAST_US else None


class Standstill:
    """The latest standstill that RCM has noticed, on the clock of the run as it is now."""

    def __init__(self) -> None:
        self._end_us = 0
        self._length_us = 0

    def ended(self, end_us: int, length_us: int) -> None:
        """One of `length_us` ended at `end_us`."""
        self._end_us, self._length_us = end_us, length_us

    def explains(self, ended_us: int, watchdog_us: int) -> int | None:
        """How long RCM had stood still, if that is why a watchdog fired at `ended_us`.

        It was started anew at most `watchdog_us` before; so the standstill ended after that, and
        was at least half of the time that the watchdog waited.
        """
        if ended_us - self._end_us >= watchdog_us or 2 * self._length_us < watchdog_us:
            return None
        return self._length_us
