"""What usual lines of a cluster.log begin with, process and time, each worked out once.

Owns the reading of these fixed parts, one by one and by the column. Only what is exactly as it
should be is remembered, so what is found is what it seems.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from operator import add
from typing import Final, cast

from rhscheck.traces.logmap.known import Known
from rhscheck.traces.logmap.moments import iso_micros

_HEX: Final = b"0123456789abcdefABCDEF"
_MINUTE: Final = 17  # of a second: `YYYY/MM/DD-HH:MM:`
_MOST: Final = 4096  # that are remembered of each, beyond those of one block


class Stamps:
    """Processes and times of one log."""

    def __init__(self) -> None:
        self._minutes: dict[bytes, int] = {}
        self._seconds = Known(self._second)
        # All of them at once: so they lie side by side in memory.
        self._fractions = Known[int](lambda _: None)
        self._fractions.update((b"%03d " % millis, millis * 1000) for millis in range(1000))
        self._processes = Known(self._process)

    def time(self, stamp: bytes) -> int | None:
        """The microseconds since 1970 of `YYYY/MM/DD-HH:MM:SS.mmm `; None if it is no time."""
        self._forget()
        base, fraction = self._seconds.known(stamp[:20]), self._fractions.known(stamp[20:])
        return None if base is None or fraction is None else base + fraction

    def process(self, digits: bytes) -> int | None:
        """The number of a process, eight digits; None if it is none."""
        self._forget()
        return self._processes.known(digits)

    def columns(
        self, processes: Sequence[bytes], seconds: Sequence[bytes], thousandths: Sequence[bytes]
    ) -> tuple[list[int | None], list[int | None], list[int | None], bool]:
        """Processes, whole seconds and what is beyond them in microseconds; None for no such.

        And whether there is any such None.
        """
        self._forget()
        tables = self._processes, self._seconds, self._fractions
        for table in tables:
            table.failed = False
        pids, bases = self._processes.column(processes), self._seconds.column(seconds)
        fractions = self._fractions.column(thousandths)
        return pids, bases, fractions, any(table.failed for table in tables)

    def _forget(self) -> None:
        """Keep memory bounded."""
        for table in (self._processes, self._seconds):
            if len(table) > _MOST:
                table.clear()

    def _process(self, digits: bytes) -> int | None:
        if len(digits) != 8 or digits.strip(_HEX):
            return None
        found = self._processes[digits] = int(digits, 16)
        return found

    def _second(self, second: bytes) -> int | None:
        """The microseconds of `YYYY/MM/DD-HH:MM:SS.`; None if it is none."""
        if _is_second().fullmatch(second) is None:
            return None
        minute = self._minutes.get(second[:_MINUTE])
        if minute is None:
            minute = iso_micros(second[:_MINUTE].decode("ascii") + "00")
            if minute is None:
                return None
            if len(self._minutes) > _MOST:
                self._minutes.clear()
            self._minutes[second[:_MINUTE]] = minute
        rest = int(second[_MINUTE:-1])
        if rest > 60:
            return None
        base = self._seconds[second] = minute + rest * 1_000_000
        return base


@functools.cache
def _is_second() -> re.Pattern[bytes]:
    # Where lines are read in compiled code, it is hardly needed.
    return re.compile(rb"\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.")


def times(bases: Sequence[int | None], fractions: Sequence[int | None]) -> list[int]:
    """Whole seconds and what is beyond them as times; none of them is None."""
    return list(map(add, cast(Sequence[int], bases), cast(Sequence[int], fractions)))
