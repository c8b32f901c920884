"""Calls and returns in columns, a call with its return on the next line, read in compiled code.

Most lines of a long recording are polls: a call, and its return on the next line. Where `_calls.c`
was built it reads such lines faster than they can be decoded. Owns what it is told, its columns as
a part of a recording, and the kinds of lines: what all lines with the same host, monitor, thread,
resource and entry point have in common. Where it was not built, or where anything else stands,
`traces.habit` reads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, count
from typing import Any, Final

from rhscheck.traces import compiled
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

    def lines_of(self, step: int) -> int:
        """How many lines the step is."""
        return 1 if self.ended[step] is None else 2

    def time_of(self, step: int, lines: int) -> int:
        """The time of the line number `lines` (1 or 2) of the step."""
        ended = self.ended[step]
        return self.begun[step] if ended is None or lines == 1 else ended

    def walk(
        self,
        start: int,
        stop: int,
        host: str,
        calls: dict[str, int],
        returns: dict[int, dict[str, int]],
    ) -> tuple[int, int]:
        """Let walkers take the steps `start` to `stop` while they are of `host` and ordinary.

        `calls`, `returns`: the numbers of events, by entry point, and by code and entry point. The
        first step that was not taken (it has changed nothing), and how many lines were.
        """
        assert compiled.calls is not None, "nothing is paired without"
        columns = self.kinds, self.begun, self.ended, self.ids, self.codes
        taken: tuple[int, int] = compiled.calls.walk(*columns, start, stop, host, calls, returns)
        return taken

    @cached_property
    def _lines(self) -> list[bytes]:
        return self.text.split(b"\n")[:-1]  # nothing is behind the last line feed

    def record(self, at: int) -> EventLine | Malformed:
        """What stands on line number `at` (from 0)."""
        return self._reader.again(self.line + at, self._lines[at])

    def records(self) -> Iterator[EventLine | Malformed]:
        """What stands on each of the lines."""
        return map(self._reader.again, count(self.line), self._lines)


@dataclass(slots=True)
class Pairing:
    """The kinds of lines so far; one recording's.

    `habit`: what lines look like. `wanted`: else nothing is read here.
    """

    habit: Habit
    wanted: bool = True
    _kinds: dict[bytes, Kind] = field(default_factory=dict)

    def read(self, text: bytes, line: int, reader: LineReader) -> Paired | None:
        """The lines of `text` (each ended), from line `line` on; None if they are not as usual."""
        if compiled.calls is None or not self.wanted or not self.habit.known:
            return None
        if len(self._kinds) > _MOST_KINDS:
            self._kinds.clear()
        found = compiled.calls.read(text, self._kinds, self._kind)
        if found is None:
            return None
        kinds, begun, ended, ids, codes, number, count, in_order = found
        if not in_order:
            return None
        return Paired(line, text, number, count, kinds, begun, ended, ids, codes, reader)

    def _kind(self, text: bytes) -> Kind | None:
        """The kind of lines with this text between their numbers and the call's."""
        one = self.habit.one(b'{"ts":0,"seq":0,%s}\n' % text)
        if one is None:
            return None
        monitor = None if one.mon is None else sys.intern(one.mon)
        host, op = sys.intern(one.host), sys.intern(one.op)
        found = self._kinds[text] = Kind(host, monitor, one.res, op, one.ev == CALL)
        return found
