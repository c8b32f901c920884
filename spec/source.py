"""Source texts and places in them. Owns nothing else; knows no grammar."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from dataclasses import dataclass

MAX_BYTES = 1_000_000  # of one text

# What ends a line. Python's `splitlines` knows more (form feeds, U+2028 …) and would number lines
# differently from editors.
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets in the text called `path`."""

    path: str
    start: int
    end: int
    line: int  # 1-based, of `start`
    column: int  # 1-based, of `start`


NOWHERE = Span("", 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Source:
    """One text. `path` is what messages call it."""

    path: str
    text: str

    def line(self, number: int) -> str:
        """Line `number` (1-based) without its end; empty beyond the text."""
        lines = _LINE_END.split(self.text)
        return lines[number - 1] if 0 < number <= len(lines) else ""

    @property
    def sha256(self) -> str:
        """The checksum of the text as UTF-8."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()


class Places:
    """Lines and columns of one text; made once a text, asked for every node."""

    def __init__(self, source: Source) -> None:
        self._path = source.path
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(source.text))]

    def span(self, start: int, end: int) -> Span:
        """The Span of the characters `start` (included) to `end` (excluded)."""
        line = bisect_right(self._starts, start)
        return Span(self._path, start, end, line, start - self._starts[line - 1] + 1)

    def line(self, number: int) -> tuple[int, int]:
        """Where line `number` (1-based) starts, and where the next one does or would."""
        starts = self._starts
        return starts[number - 1], starts[number] if number < len(starts) else -1
