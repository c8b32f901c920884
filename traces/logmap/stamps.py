"""What usual lines of a cluster.log begin with, process and time, each worked out once.

Owns the reading of these fixed parts, one by one and by the column. Only what is exactly as it
should be is remembered, so what is found is what it seems.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add, itemgetter
from typing import Any, Final, cast

from rhscheck.traces.logmap.pattern import iso_micros

_SECOND = re.compile(rb"\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.")
_HEX = re.compile(rb"[0-9a-fA-F]{8}")
_MILLIS: Final = {b"%03d " % millis: millis * 1000 for millis in range(1000)}
_MINUTE: Final = 17  # of a second: `YYYY/MM/DD-HH:MM:`
_MOST: Final = 4096  # that are remembered of each, beyond those of one block


@dataclass(slots=True)
class Stamps:
    """Processes and times of one log."""

    _seconds: dict[bytes, int] = field(default_factory=dict)
    _minutes: dict[bytes, int] = field(default_factory=dict)
    _processes: dict[bytes, int] = field(default_factory=dict)

    def time(self, stamp: bytes) -> int | None:
        """The microseconds since 1970 of `YYYY/MM/DD-HH:MM:SS.mmm `; None if it is no time."""
        base = self._seconds.get(stamp[:20])
        if base is None:
            base = self._second(stamp[:20])
        fraction = _MILLIS.get(stamp[20:])
        return None if base is None or fraction is None else base + fraction

    def process(self, digits: bytes) -> int | None:
        """The number of a process, eight digits; None if it is none."""
        found = self._processes.get(digits)
        if found is None and _HEX.fullmatch(digits) is not None:
            if len(self._processes) > _MOST:
                self._processes.clear()
            found = self._processes[digits] = int(digits, 16)
        return found

    def columns(
        self, processes: Sequence[bytes], seconds: Sequence[bytes], thousandths: Sequence[bytes]
    ) -> tuple[list[int | None], list[int | None], list[int | None]]:
        """Processes, whole seconds and what is beyond them in microseconds; None for no such."""
        if len(self._processes) > _MOST:
            self._processes.clear()
        if len(self._seconds) > _MOST:
            self._seconds.clear()
        pids: list[int | None] | None = looked_up(self._processes, processes)
        if pids is None:
            for digits in dict.fromkeys(processes):
                if _HEX.fullmatch(digits) is not None:
                    self._processes[digits] = int(digits, 16)
            pids = list(map(self._processes.get, processes))
        bases: list[int | None] | None = looked_up(self._seconds, seconds)
        if bases is None:
            for second in dict.fromkeys(seconds):
                if second not in self._seconds:
                    self._second(second)
            bases = list(map(self._seconds.get, seconds))
        fractions: list[int | None] | None = looked_up(_MILLIS, thousandths)
        return pids, bases, fractions or list(map(_MILLIS.get, thousandths))

    def _second(self, second: bytes) -> int | None:
        """The microseconds of `YYYY/MM/DD-HH:MM:SS.`; None if it is none."""
        if _SECOND.fullmatch(second) is None:
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


def looked_up(table: Mapping[bytes, object], keys: Sequence[bytes]) -> list[Any] | None:
    """What the table has for each key, as fast as it can be had; None where it lacks one."""
    try:
        if len(keys) > 1:
            return list(itemgetter(*keys)(table))
        return [table[key] for key in keys]
    except KeyError:
        return None


def times(bases: Sequence[int | None], fractions: Sequence[int | None]) -> list[int]:
    """Whole seconds and what is beyond them as times; none of them is None."""
    return list(map(add, cast(Sequence[int], bases), cast(Sequence[int], fractions)))
