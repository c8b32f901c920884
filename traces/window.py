"""The last lines of a recording: which of them was the first after a moment.

A deadline that was missed is noticed later than it was due; the line that shows it is the first one
after it. Owns the times of the lines since everybody was last up to date, as cheaply as they come.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

# Of more lines than this only the times are kept, not the text.
_MOST_TEXT: Final = 20_000


class _Stamp(msgspec.Struct, gc=False):
    """The time of a line."""

    ts: int


_STAMPS: Final = msgspec.json.Decoder(_Stamp)


@dataclass(slots=True)
class _Lines:
    """Events on consecutive lines, the first on `line`, with exact times that ascend to `last`.

    `source`: the times, or a text, of which they are `count` lines from number `start` on.
    """

    line: int
    last: int
    source: array[int] | bytes
    start: int = 0
    count: int = 0

    def times(self) -> array[int]:
        """The times of the events."""
        if isinstance(self.source, bytes):
            stamps = _STAMPS.decode_lines(self.source)[self.start : self.start + self.count]
            self.source = array("q", [one.ts for one in stamps])
        return self.source


@dataclass(slots=True)
class Window:
    """The last lines and their times: which line was the first after a moment. `size`: how many."""

    size: int = 0
    _parts: list[tuple[int, int] | _Lines] = field(default_factory=list)

    def add(self, time: int, line: int) -> None:
        """An event's time and line."""
        self._parts.append((time, line))
        self.size += 1

    def add_times(self, times: array[int], line: int) -> None:
        """The exact times, which ascend, of events on consecutive lines, the first on `line`."""
        self._parts.append(_Lines(line, times[-1], times))
        self.size += len(times)

    def add_text(self, text: bytes, start: int, count: int, line: int, last: int) -> None:
        """The same for `count` lines of `text` from number `start` on; `last`: the last time."""
        self._parts.append(_Lines(line, last, text, start, count))
        self.size += count
        if self.size > _MOST_TEXT:
            for part in self._parts:
                if isinstance(part, _Lines):
                    part.times()

    def clear(self) -> None:
        """Forget all lines."""
        self._parts.clear()
        self.size = 0

    def first_where(self, after: int, holds: Callable[[int], bool]) -> tuple[int, int] | None:
        """(time, line) of the first event later than `after` at whose time something holds.

        `holds`: of a time; once it does, it does of all later ones, too.
        """
        for part in self._parts:
            if not isinstance(part, _Lines):
                if part[0] > after and holds(part[0]):
                    return part
            elif part.last > after and holds(part.last):
                times = part.times()
                begin = bisect_right(times, after)
                number = bisect_left(times, True, begin, key=holds)
                return times[number], part.line + number
        return None

    def first_after(self, time: int) -> tuple[int, int] | None:
        """(time, line) of the first event later than `time`, None if there is none."""
        for part in self._parts:
            if not isinstance(part, _Lines):
                if part[0] > time:
                    return part
            elif part.last > time:
                times = part.times()
                number = bisect_right(times, time)
                return times[number], part.line + number
        return None
