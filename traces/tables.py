"""Parts of one file, decoded by somebody else.

Which states are possible at a line follows from all lines before it, so one judge takes the lines
of a file one after the other; but half of the work is decoding. So a file is cut into ranges of
whole lines, and whoever is asked *tabulates* a range: lines that look alike (`traces.habit`) become
a few numbers each, everything else is left to be read. `traces.batches` puts the tables in their
places again, so that the same parts come out, whoever made them. Owns the cutting and the tables;
it starts no processes, and judges nothing.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

from rhscheck.traces.format import MAX_LINE_BYTES, EventLine, LineReader, Malformed
from rhscheck.traces.habit import CALL, STRETCH, Habit, Line

RANGE_BYTES: Final = 1 << 21
NO_CALL_ID: Final = -1

# What many lines have in common: is it a call, res, op, rc, host, mon.
Kind = tuple[bool, str, str, int | None, str, str | None]


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes `start` up to `end` of the file at `path`: whole lines, none of them the first.

    `file`: its device and number, by which it is known even if another one takes its name.
    """

    path: str
    file: tuple[int, int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Table:
    """Lines, in order: times, sequence numbers, call ids, and which of `kinds` they are of."""

    times: array[int]
    numbers: array[int]
    calls: array[int]
    which: array[int]
    kinds: tuple[Kind, ...]

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Stretch:
    """So many bytes of a file; `table` is None where its lines have to be read."""

    size: int
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Tabled:
    """The lines of a table, from line `line` on, all of `text`. Each may or may not be an event."""

    line: int
    table: Table
    text: bytes
    _reader: LineReader

    def __len__(self) -> int:
        return len(self.table)

    def record(self, at: int) -> EventLine | Malformed:
        """What stands on line number `at` (from 0); to be asked once, where it is no event."""
        return self._reader.again(self.line + at, self.text.split(b"\n", at + 1)[at])

    def records(self) -> Iterator[EventLine | Malformed]:
        """What stands on each of the lines."""
        lines = self.text.split(b"\n")
        lines.pop()  # behind the last line feed
        return map(self._reader.again, count(self.line), lines)


def ranges(path: str, stream: BinaryIO) -> list[Range]:
    """Cut the file (which `stream` reads) into ranges; the stream is left at its start.

    Empty where the file is short, or a line so long that it should be read with care.
    """
    found: list[Range] = []
    file = _identity(stream)
    size = stream.seek(0, 2)
    stream.seek(0)
    start = len(stream.readline(MAX_LINE_BYTES))
    while size - start >= 2 * RANGE_BYTES or (found and start < size):
        stream.seek(min(start + RANGE_BYTES, size))
        rest = stream.readline(MAX_LINE_BYTES)
        end = stream.tell()
        if rest and not rest.endswith(b"\n") and end < size:
            found.clear()
            break
        found.append(Range(path, file, start, end))
        start = end
    stream.seek(0)
    return found


def _identity(stream: BinaryIO) -> tuple[int, int]:
    found = os.fstat(stream.fileno())
    return found.st_dev, found.st_ino


def tabulate(part: Range) -> list[Stretch]:
    """The stretches of a range, one after the other. Raises OSError."""
    habit = Habit()
    found: list[Stretch] = []
    # One for all tables of the range: a recording of many resources has as many kinds of lines.
    kinds: dict[Kind, int] = {}
    with Path(part.path).open("rb") as stream:
        if _identity(stream) != part.file:
            return [Stretch(part.end - part.start)]
        stream.seek(part.start)
        left, rest = part.end - part.start, b""
        while left:
            chunk = stream.read(min(STRETCH, left))
            if not chunk:
                break  # it has become shorter: whoever reads it finds out
            left -= len(chunk)
            text = rest + chunk
            whole = text.rfind(b"\n") + 1 if left else len(text)
            lines, rest = text[:whole], text[whole:]
            if lines:
                found.append(Stretch(len(lines), _table(habit, lines, kinds)))
    every = tuple(kinds)
    return [
        one if one.table is None else replace(one, table=replace(one.table, kinds=every))
        for one in found
    ]


def _table(habit: Habit, text: bytes, kinds: dict[Kind, int]) -> Table | None:
    if not text.endswith(b"\n"):
        return None
    lines = habit.read(text)
    if lines is None:
        habit.learn_from(text)
        lines = habit.read(text)
    return None if lines is None else _tabled(lines, kinds)


def _tabled(lines: list[Line], kinds: dict[Kind, int]) -> Table:
    """The table of these lines, with the kinds that are to be put in; new ones are added."""
    return Table(
        array("q", [one.ts for one in lines]),
        array("q", [one.seq for one in lines]),
        array("q", [NO_CALL_ID if one.cid is None else one.cid for one in lines]),
        array(
            "l",
            [
                kinds.setdefault(
                    (one.ev == CALL, one.res, one.op, one.rc, one.host, one.mon), len(kinds)
                )
                for one in lines
            ],
        ),
        (),
    )
