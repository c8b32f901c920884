"""Lines that look like those before: calls and returns of the same hosts and entry points.

Nearly all lines of a long recording are. They are decoded into one slim struct, whose strings have
to be among those seen before, and count only if encoding the structs again gives the same bytes:
then nothing was overlooked, no key twice, no blank, no line more or less. Owns this shortcut of
reading only; a stretch in which anything else stands is read as `traces.batches` always reads.
"""

from __future__ import annotations

import sys
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
# The names of so many resources are known to the decoder, which then gives the same string each
# time: looking something up by it is cheaper.
_MOST_NAMES: Final = 4096
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

    Each is an event, but for a return without its code. `alike`: the host and the monitor of all of
    them, where it was clear that there is one only.
    """

    line: int
    lines: list[Line]
    text: bytes
    _reader: LineReader
    alike: tuple[str, str | None] | None = None

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

    def __len__(self) -> int:
        return len(self.lines)

    def records(self) -> Iterator[EventLine | Malformed]:
        """What stands on each of the lines."""
        return map(self.record, range(len(self.lines)))


@dataclass(slots=True)
class Habit:
    """What lines look like so far; one recording's."""

    _hosts: dict[str, None] = field(default_factory=dict)
    _monitors: dict[str | None, None] = field(default_factory=dict)
    _entries: dict[str, None] = field(default_factory=dict)
    _names: dict[str, None] = field(default_factory=dict)
    _lessons: int = 0
    _decode: Callable[[bytes], list[Line]] | None = None
    # The same for resources whose names are known; None: there are too many, or ever new ones.
    _decode_known: Callable[[bytes], list[Line]] | None = None
    _name_lessons: int = 0
    _encoder: msgspec.json.Encoder = field(default_factory=msgspec.json.Encoder)

    @property
    def known(self) -> bool:
        """Whether anything is usual yet."""
        return self._decode is not None

    def read(self, text: bytes) -> list[Line] | None:
        """All lines of `text`, which ends with one; None if they are not as usual."""
        lines = self._decoded(text)
        return lines if lines is not None and self._encoder.encode_lines(lines) == text else None

    def one(self, text: bytes) -> Line | None:
        """The only line of `text`, None if it is not as usual; no name is learned by it."""
        lines = _decoded_by(self._decode, text)
        if lines is None or len(lines) != 1 or self._encoder.encode_lines(lines) != text:
            return None
        return lines[0]

    def _decoded(self, text: bytes) -> list[Line] | None:
        lines = _decoded_by(self._decode_known, text)
        if lines is None:  # a resource that is new, or an unusual line
            lines = _decoded_by(self._decode, text)
            if lines is not None:
                self._learn_names(line.res for line in lines)
        return lines

    @property
    def alike(self) -> tuple[str, str | None] | None:
        """The host and the monitor of every line that is as usual, if there is one only."""
        if len(self._hosts) != 1 or len(self._monitors) != 1:
            return None
        return next(iter(self._hosts)), next(iter(self._monitors))

    def learn(self, events: Iterable[Event]) -> None:
        """Let lines like these be usual, too."""
        if self._lessons >= _MOST_LESSONS:
            return
        known = len(self._hosts) + len(self._monitors) + len(self._entries)
        names: dict[str, None] = {}
        for event in events:
            if isinstance(event, CallEvent | ReturnEvent) and event.res is not None:
                # Interned: whoever compares them with one of theirs finds the same object.
                self._hosts.setdefault(sys.intern(event.host))
                self._monitors.setdefault(None if event.mon is None else sys.intern(event.mon))
                self._entries.setdefault(sys.intern(event.op))
                names[event.res] = None
        words = len(self._hosts) + len(self._monitors) + len(self._entries)
        if words == known:
            return
        self._lessons += 1
        self._decode_known = None
        if words > _MOST_WORDS:
            self._lessons = _MOST_LESSONS
            self._decode = None
            return
        self._decode = self._decoder(str)
        self._name_lessons -= 1  # these may not be all, but the present ones come for free
        self._learn_names(names)

    def learn_from(self, text: bytes) -> None:
        """Let the lines of `text` be usual, if all of them are events."""
        try:
            self.learn(_EVENTS.decode_lines(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return

    def _learn_names(self, names: Iterable[str]) -> None:
        """Know these resources, too."""
        if self._name_lessons >= _MOST_LESSONS:
            return
        self._name_lessons += 1
        self._names.update(dict.fromkeys(names))
        if self._name_lessons == _MOST_LESSONS or len(self._names) > _MOST_NAMES:
            self._name_lessons = _MOST_LESSONS
            self._names.clear()
            self._decode_known = None
        else:
            self._decode_known = self._decoder(Literal[tuple(self._names)])

    def _decoder(self, names: object) -> Callable[[bytes], list[Line]]:
        line = msgspec.defstruct(
            "line",
            [
                ("ts", Micros),
                ("seq", Count),
                ("host", Literal[tuple(self._hosts)]),
                ("mon", Literal[tuple(self._monitors)], None),
                ("tid", Count | None, None),
                ("res", names),
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


def _decoded_by(decode: Callable[[bytes], list[Line]] | None, text: bytes) -> list[Line] | None:
    """The lines as this decoder reads them; None: there is none, or it does not."""
    if decode is None:
        return None
    try:
        return decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
