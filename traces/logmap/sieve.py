"""Finds the lines of a block that a mapping has to look at, as fast as bytes can be searched.

Owns the prefilter: texts one of which a line must hold. Texts that share a capital letter or a sign
are looked for together, from that one on (`R` of `[RHS]`, `[RCM]` and `SetResourceStatus`); the
others one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final

_GAP = b"..."
# What to look for is rare in a log: no small letter, digit or blank.
_FREQUENT: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789 ")


class Sieve:
    """The texts of a prefilter; without any, every line is looked at."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts = list(dict.fromkeys(texts))
        sign = _shared(self._texts)
        self.sign = sign or b""  # that the texts in `shared` have, and none of `others`
        self.shared = [text for text in self._texts if sign is not None and sign in text]
        self.others = [text for text in self._texts if text not in self.shared]

    @cached_property
    def _together(self) -> re.Pattern[bytes] | None:
        # Looked for from the shared sign on; what is before it is looked at afterwards.
        return re.compile(_from(self.sign, self.shared)) if self.sign else None

    def hits(self, data: bytes, start: int, stop: int) -> Iterable[int]:
        """Positions in `data[start:stop]`, rising, at least one in each line that is wanted."""
        if not self._texts:
            line = re.compile(rb"[^\n]+")
            return (found.start() for found in line.finditer(data, start, stop))
        first: Iterable[int] = ()
        if self._together is not None:
            first = (found.start() for found in self._together.finditer(data, start, stop))
        rest: list[int] = []
        for text in self.others:
            at = data.find(text, start, stop)
            while at >= 0:
                rest.append(at)
                at = data.find(text, at + len(text), stop)
        # A line of dots alone says that lines were left out here.
        at = data.find(_GAP, start, stop)
        while at >= 0:
            if at == 0 or data[at - 1] == 10:
                rest.append(at)
            at = data.find(_GAP, at + 3, stop)
        return sorted([*first, *rest]) if rest else first

    def wants(self, lines: bytes) -> bool:
        """Whether any of these lines is wanted, lines of dots aside."""
        if not self._texts:
            return True
        if self._together is not None and self._together.search(lines) is not None:
            return True
        # From the end it is faster.
        return any(lines.rfind(text) >= 0 for text in self.others)


def _shared(texts: list[bytes]) -> bytes | None:
    """The sign that most texts have, the first of these; None if only small letters are there."""
    signs = dict.fromkeys(sign for text in texts for sign in text if sign not in _FREQUENT)
    counts = {sign: sum(sign in text for text in texts) for sign in signs}
    if not counts:
        return None
    return bytes([max(counts, key=lambda sign: counts[sign])])


def _from(sign: bytes, texts: list[bytes]) -> bytes:
    """A pattern that finds the texts by the first `sign` in each."""
    ways = []
    for text in texts:
        at = text.index(sign)
        # Looking back last: where the rest is not there, it need not be done.
        whole = rb"(?<=%s)" % re.escape(text) if at else b""
        ways.append(re.escape(text[at + 1 :]) + whole)
    return re.escape(sign) + rb"(?:%s)" % b"|".join(ways)
