"""Lines that look like those before: calls and returns of the same hosts and entry points.

Nearly all lines of a long recording are. They are decoded into one slim struct, whose strings have
to be among those seen before, and count only if encoding the structs again gives the same bytes:
then nothing was overlooked, no key twice, no blank, no line more or less. Owns this shortcut of
reading only; a stretch in which anything else stands is read as `traces.batches` always reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, cast

import msgspec

from rhscheck.traces.format import (
    CallEvent,
    Code,
    Count,
    Event,
    EventLine,
    LineReader,
    Malformed,
    Micros,
    ReturnEvent,
    malformed,
)

# A string that is none of so many is no habit; and what is learned so often neither.
_MOST_WORDS: Final = 64
_MOST_LESSONS: Final = 64
# So much is read at once: what is made of it stays in a processor's cache until it is judged.
STRETCH: Final = 1 << 16
CALL: Final = "call"
_RETURN: Final = "return"


_EVENTS: Final = msgspec.json.Decoder[Event](Event)


class Line(Protocol):
    """A line `{"ts":…,"seq":…,"host":…,…}` with the keys below; those that may be None may lack."""

    ts: int
    seq: int
    host: str
    mon: str | None
    tid: int | None
    res: str
    ev: str
    op: str
    cid: int | None
    rc: int | None


def event_of(line: Line) -> CallEvent | ReturnEvent | None:
    """The line as the event that it is; None: it is none, because a return lacks its code."""
    if line.ev == CALL:
        return CallEvent(
            ts=line.ts,
            seq=line.seq,
            host=line.host,
            mon=line.mon,
            tid=line.tid,
            res=line.res,
            op=line.op,
            cid=line.cid,
        )
    if line.rc is None:
        return None
    return ReturnEvent(
        ts=line.ts,
        seq=line.seq,
        host=line.host,
        mon=line.mon,
        tid=line.tid,
        res=line.res,
        op=line.op,
        cid=line.cid,
        rc=line.rc,
    )


@dataclass(frozen=True, slots=True)
class Usual:
    """Lines that look like those before from line `line` on, all of `text`.

    Each is an event, but for a return without its code.
    """

    line: int
    lines: list[Line]
    text: bytes
    _reader: LineReader

    def record(self, at: int) -> EventLine | Malformed:
        """What stands on line number `at` (from 0); to be asked once, where it is no event."""
        event = event_of(self.lines[at])
        if event is not None:
            return EventLine(self.line + at, event)
        self._reader.events -= 1
        try:
            self._reader.later(self.line + at, self.text.split(b"\n", at + 1)[at])
        except msgspec.DecodeError as error:
            return malformed(self.line + at, self.text.split(b"\n", at + 1)[at], error)
        raise AssertionError("a return without its code was read")

    def records(self) -> Iterator[EventLine | Malformed]:
        """What stands on each of the lines."""
        return map(self.record, range(len(self.lines)))


@dataclass(slots=True)
class Habit:
    """What lines look like so far; one recording's."""

    _hosts: dict[str, None] = field(default_factory=dict)
    _monitors: dict[str | None, None] = field(default_factory=dict)
    _entries: dict[str, None] = field(default_factory=dict)
    _lessons: int = 0
    _decode: Callable[[bytes], list[Line]] | None = None
    _encoder: msgspec.json.Encoder = field(default_factory=msgspec.json.Encoder)

    def read(self, text: bytes) -> list[Line] | None:
        """All lines of `text`, which ends with one; None if they are not as usual."""
        if self._decode is None:
            return None
        try:
            lines = self._decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return lines if self._encoder.encode_lines(lines) == text else None

    def learn(self, events: Iterable[Event]) -> None:
        """Let lines like these be usual, too."""
        if self._lessons >= _MOST_LESSONS:
            return
        known = len(self._hosts) + len(self._monitors) + len(self._entries)
        for event in events:
            if isinstance(event, CallEvent | ReturnEvent) and event.res is not None:
                self._hosts.setdefault(event.host)
                self._monitors.setdefault(event.mon)
                self._entries.setdefault(event.op)
        words = len(self._hosts) + len(self._monitors) + len(self._entries)
        if words == known:
            return
        self._lessons += 1
        if words > _MOST_WORDS:
            self._lessons = _MOST_LESSONS
            self._decode = None
            return
        self._decode = self._decoder()

    def learn_from(self, text: bytes) -> None:
        """Let the lines of `text` be usual, if all of them are events."""
        try:
            self.learn(_EVENTS.decode_lines(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return

    def _decoder(self) -> Callable[[bytes], list[Line]]:
        line = msgspec.defstruct(
            "line",
            [
                ("ts", Micros),
                ("seq", Count),
                ("host", Literal[tuple(self._hosts)]),
                ("mon", Literal[tuple(self._monitors)], None),
                ("tid", Count | None, None),
                ("res", str),
                ("ev", Literal[CALL, _RETURN]),
                ("op", Literal[tuple(self._entries)]),
                ("cid", Count | None, None),
                ("rc", Code | None, None),
            ],
            kw_only=True,
            gc=False,
            omit_defaults=True,
            forbid_unknown_fields=True,
        )
        return cast(Callable[[bytes], list[Line]], msgspec.json.Decoder(line).decode_lines)
