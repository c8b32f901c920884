"""Calls and returns in columns, a call with its return on the next line, read in compiled code.

Most lines of a long recording are polls: a call, and its return on the next line. Where `_calls.c`
was built it reads such lines faster than they can be decoded. Owns what it is told, its columns as
a part of a recording, and the kinds of lines: what all lines with the same host, monitor, thread,
resource and entry point have in common. Where it was not built, or where anything else stands,
`traces.habit` reads.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, Final, Protocol

from rhscheck.traces.format import EventLine, LineReader, Malformed
from rhscheck.traces.habit import CALL, Habit


@dataclass(slots=True, eq=False)
class Kind:
    """What lines have in common. `walker` and `rounds` are for whoever walks along them.

    `walker`: of the resource; `rounds`: the numbers of the calls' rounds, by the return's code.
    """

    host: str
    monitor: str | None
    res: str
    op: str
    is_call: bool
    walker: Any = None
    rounds: dict[int, int] = field(default_factory=dict)


# Kinds, when a call (or return) was, when its return on the next line was if it is there, call ids
# (-1: none), codes of the returns; the first line's number, the count of lines, and whether numbers
# go on by one while times do not go back.
_Columns = tuple[
    list[Kind], list[int], list["int | None"], list[int], list["int | None"], int, int, bool
]


class _Read(Protocol):
    """See `_calls.c`."""

    def __call__(
        self, text: bytes, known: dict[bytes, Kind], find: Callable[[bytes], Kind | None], /
    ) -> _Columns | None: ...


# What this module expects of the compiled one: an editable install keeps what it once built.
_REVISION: Final = 1
read: _Read | None
try:
    from rhscheck.traces import _calls
    from rhscheck.traces._calls import REVISION, read

    if REVISION != _REVISION:
        read = None
except ImportError:
    read = None

# So many kinds are remembered.
_MOST_KINDS: Final = 16_384


@dataclass(frozen=True)
class Paired:
    """Lines from line `line` on, all of `text`, as steps: one each, or a call and its return.

    Columns have an entry a step. `number`: of the first line; the others follow it, and no time
    goes back.
    """

    line: int
    text: bytes
    number: int
    count: int
    kinds: list[Kind]
    begun: list[int]
    ended: list[int | None]
    ids: list[int]
    codes: list[int | None]
    _reader: LineReader

    def __len__(self) -> int:
        return self.count

    @cached_property
    def places(self) -> list[int]:
        """On which line (from 0) each step begins, and the end of the last."""
        return [0, *accumulate(1 if end is None else 2 for end in self.ended)]

    def time_before(self, at: int) -> int:
        """The time of the line before line number `at` (from 0), which is not the first."""
        step = bisect_left(self.places, at) - 1
        ended = self.ended[step]
        return self.begun[step] if ended is None or self.places[step + 1] > at else ended

    def walk(self, start: int, stop: int, host: str) -> int:
        """Let walkers take the steps `start` to `stop` while they are rounds of `host` that fit.

        The first that was not taken; it has changed nothing.
        """
        return _calls.walk(
            self.kinds, self.begun, self.ended, self.ids, self.codes, start, stop, host
        )

    def record(self, at: int) -> EventLine | Malformed:
        """What stands on line number `at` (from 0)."""
        return self._reader.again(self.line + at, self.text.split(b"\n", at + 1)[at])

    def records(self) -> Iterator[EventLine | Malformed]:
        """What stands on each of the lines."""
        return map(self.record, range(self.count))


@dataclass(slots=True)
class Pairing:
    """The kinds of lines so far; one recording's.

    `habit`: what lines look like. `compiled`: nothing is read here without.
    """

    habit: Habit
    compiled: bool = True
    _kinds: dict[bytes, Kind] = field(default_factory=dict)

    def read(self, text: bytes, line: int, reader: LineReader) -> Paired | None:
        """The lines of `text` (each ended), from line `line` on; None if they are not as usual."""
        if read is None or not self.compiled or not self.habit.known:
            return None
        if len(self._kinds) > _MOST_KINDS:
            self._kinds.clear()
        found = read(text, self._kinds, self._kind)
        if found is None:
            return None
        kinds, begun, ended, ids, codes, number, count, in_order = found
        if not in_order:
            return None
        return Paired(line, text, number, count, kinds, begun, ended, ids, codes, reader)

    def _kind(self, text: bytes) -> Kind | None:
        """The kind of lines with this text between their numbers and the call's."""
        lines = self.habit.read(b'{"ts":0,"seq":0,%s}\n' % text)
        if lines is None:
            return None
        (one,) = lines
        monitor = None if one.mon is None else sys.intern(one.mon)
        host, op = sys.intern(one.host), sys.intern(one.op)
        found = self._kinds[text] = Kind(host, monitor, one.res, op, one.ev == CALL)
        return found
