"""Source texts and places in them. Owns nothing else; knows no grammar."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


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
        lines = self.text.splitlines()
        return lines[number - 1] if 0 < number <= len(lines) else ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()
