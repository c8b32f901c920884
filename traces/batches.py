"""Reading a trace many lines at once.

The same records as `traces.format.read_trace`, but events come in batches of consecutive lines,
decoded 64 KiB at a time: what is made of so much stays in a processor's cache until it is judged.
Where anything in a stretch is out of the ordinary it is read again line by line, so what is said
about every single line is the same. Memory is that of one stretch. A line that is too long is
reported and skipped unread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from rhscheck.traces.format import (
    MAX_LINE_BYTES,
    End,
    Event,
    EventLine,
    Finish,
    HeaderLine,
    LineReader,
    Malformed,
    UnknownLine,
    after_end,
    malformed,
)
from rhscheck.traces.habit import STRETCH, Habit, Usual
from rhscheck.traces.paired import Paired, Pairing
from rhscheck.traces.tables import Stretch, Table, Tabled


@dataclass(frozen=True, slots=True)
class Batch:
    """Events on `line` and the lines after it, one each."""

    line: int
    events: list[Event]


Part = HeaderLine | Batch | Usual | Paired | Tabled | UnknownLine | Malformed | Finish


@dataclass(slots=True)
class _Source:
    """The bytes of a file, and the tables that somebody made of its stretches."""

    stream: BinaryIO
    stretches: Iterator[Stretch]
    _left: int = 0  # bytes to the end of the present stretch

    def take(self) -> tuple[bytes, Table | None]:
        """The next bytes, nothing at the end; and the table of all of them, if there is one."""
        table = None
        while self._left == 0:
            following = next(self.stretches, None)
            if following is None:
                return self.stream.read(STRETCH), None
            self._left, table = following.size, following.table
        chunk = self.stream.read(self._left if table is not None else min(self._left, STRETCH))
        whole = len(chunk) == self._left
        self._left = self._left - len(chunk) if chunk else 0
        return chunk, table if whole and chunk.endswith(b"\n") else None

    def read(self) -> bytes:
        """The next bytes, nothing at the end."""
        return self.take()[0]


def read_batches(
    stream: BinaryIO,
    *,
    usual: bool = False,
    paired: bool = True,
    tables: Iterable[Stretch] = (),
    continued: bool = False,
) -> Iterator[Part]:
    """The records of a trace in file order, then a Finish. Raises OSError as the stream does.

    `usual`: lines that look like those before may come undecoded, which is faster; `paired`: and in
    columns, calls with their returns, where that can be done (`traces.paired`). `tables`: what
    somebody made of the stretches of the file, from its start on (`traces.tables`). `continued`: it
    may go on where another file ended, without a header.
    """
    source = _Source(stream, iter(tables))
    reader = LineReader(continued=continued)
    pairing = Pairing(Habit(), wanted=paired) if usual else None
    number = 0  # lines read
    cut = False  # the last line is unreadable, and nothing ended it
    rest = b""
    more = True
    while more:
        chunk, table = source.take()
        more = bool(chunk)
        if table is not None and number and not rest:
            reader.sum.update(chunk)
            reader.events += len(table)
            yield Tabled(number + 1, table, chunk, reader)
            number += len(table)
            cut = False
            continue
        text = rest + chunk
        whole = text.rfind(b"\n") + 1 if more else len(text)
        if more and whole == 0 and len(text) <= MAX_LINE_BYTES:
            rest = text
            continue
        if more and whole == 0:
            number += 1
            yield Malformed(number, 1, f"a line of more than {MAX_LINE_BYTES} bytes")
            rest, more = _skip(source, reader, text)
            cut = not more
            continue
        lines, rest = text[:whole], text[whole:]
        found = _stretch(reader, number, lines, pairing)
        yield from found.parts
        number = found.number
        if found.end is not None:
            beyond = bool(found.beyond or rest or stream.read(1))
            yield from after_end(found.end, reader, number, beyond=beyond)
            return
        if found.parts:
            cut = isinstance(found.parts[-1], Malformed) and not lines.endswith(b"\n")
    if cut:
        yield Finish("truncated", number, reader.events, "the last line is cut off")
    else:
        yield Finish("missing", number, reader.events, "there is no end line")


def _skip(source: _Source, reader: LineReader, text: bytes) -> tuple[bytes, bool]:
    """Read to the end of an endless line; what comes after it, and whether it ended."""
    while text:
        head, newline, tail = text.partition(b"\n")
        reader.sum.update(head + newline)
        if newline:
            return tail, True
        text = source.read()
    return b"", False


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What stands in whole lines, the last of which is line `number`.

    `end`: the end line, if it is there; `beyond`: the bytes after it.
    """

    parts: list[Part]
    number: int
    end: End | None = None
    beyond: bytes = b""


def _stretch(reader: LineReader, number: int, text: bytes, pairing: Pairing | None) -> _Stretch:
    """The parts of the lines after line `number`."""
    habit = None if pairing is None else pairing.habit
    if pairing is not None and number and text.endswith(b"\n"):
        paired = pairing.read(text, number + 1, reader)
        if paired is not None:
            reader.sum.update(text)
            reader.events += len(paired)
            return _Stretch([paired], number + len(paired))
    if habit is not None and number and text.endswith(b"\n"):
        usual = habit.read(text)
        if usual is not None:
            reader.sum.update(text)
            reader.events += len(usual)
            return _Stretch(
                [Usual(number + 1, usual, text, reader, habit.alike)], number + len(usual)
            )
    parts: list[Part] = []
    if number == 0 and text:
        first, _, text = text.partition(b"\n")
        number = 1
        record = _record(reader, 1, first.removeprefix(b"\xef\xbb\xbf"))
        if isinstance(record, End):
            return _Stretch(parts, 1, record, text)
        parts.append(Batch(1, [record.event]) if isinstance(record, EventLine) else record)
    last = text.rfind(b"\n", 0, -1) + 1
    ends = text.startswith(b'{"rhs"', last)
    plain, special = (text[:last], text[last:]) if ends else (text, b"")
    events = _at_once(reader, plain)
    if events is None:
        plain, special = b"", text
    elif events:
        parts.append(Batch(number + 1, events))
        if habit is not None:
            habit.learn(events)
        number += len(events)
    waiting: list[Event] = []
    at = 0
    while at < len(special):
        newline = special.find(b"\n", at)
        until = len(special) if newline < 0 else newline
        number += 1
        record = _record(reader, number, special[at:until])
        at = until + 1
        if isinstance(record, EventLine):
            waiting.append(record.event)
            continue
        if waiting:
            parts.append(Batch(number - len(waiting), waiting))
            waiting = []
        if isinstance(record, End):
            return _Stretch(parts, number, record, special[at:])
        parts.append(record)
    if waiting:
        parts.append(Batch(number + 1 - len(waiting), waiting))
    return _Stretch(parts, number)


def _at_once(reader: LineReader, text: bytes) -> list[Event] | None:
    """All events of a stretch, None if some line of it is not simply an event."""
    if not text:
        return []
    if b"\r" in text:
        return None
    try:
        events = reader.event.decode_lines(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # One event a line: between two of them, and nowhere else, there is a line feed.
    if len(events) != text.count(b"\n") + (not text.endswith(b"\n")):
        return None
    if len(events) != text.count(b"}\n{") + 1:
        return None
    if None in [one.ts for one in events]:
        return None
    reader.sum.update(text if text.endswith(b"\n") else text + b"\n")
    reader.events += len(events)
    return events


def _record(
    reader: LineReader, number: int, text: bytes
) -> HeaderLine | EventLine | UnknownLine | Malformed | Finish | End:
    """The record of one line."""
    line = text.rstrip(b"\r\n")
    if len(line) > MAX_LINE_BYTES:
        reader.sum.update(line + b"\n")
        return Malformed(number, 1, f"a line of more than {MAX_LINE_BYTES} bytes")
    try:
        record = reader.first(line) if number == 1 else reader.later(number, line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        record = malformed(number, line, error)
    if not isinstance(record, End):
        reader.sum.update(line + b"\n")
        if isinstance(record, EventLine | UnknownLine):
            reader.events += 1
    return record
