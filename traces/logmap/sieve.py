"""Finds the lines of a block that a mapping has to look at, as fast as bytes can be searched.

Owns the prefilter: texts one of which a line must hold. Most texts of a mapping begin alike
(`[RHS]`, `[RCM]`, `[RES]`), and one pattern with a fixed beginning is searched for at the speed of
a plain search; the others are looked for one by one, and seldom found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_GAP = b"..."


class Sieve:
    """The texts of a prefilter; without any, every line is looked at."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        groups: dict[bytes, list[bytes]] = {}
        for text in dict.fromkeys(texts):
            groups.setdefault(text[:2], []).append(text)
        largest = max(groups.values(), key=len, default=[])
        self._all = not groups
        self._alike = re.compile(b"|".join(map(re.escape, largest))) if largest else None
        self._others = [text for group in groups.values() if group is not largest for text in group]

    def hits(self, data: bytes, start: int, stop: int) -> Iterable[int]:
        """Positions in `data[start:stop]`, rising, at least one in each line that is wanted."""
        if self._alike is None:
            line = re.compile(rb"[^\n]+")
            return (found.start() for found in line.finditer(data, start, stop))
        first = (found.start() for found in self._alike.finditer(data, start, stop))
        rest: list[int] = []
        for text in self._others:
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

    def wants(self, line: bytes) -> bool:
        """Whether a single line is wanted."""
        if self._all:
            return True
        alike = self._alike is not None and self._alike.search(line) is not None
        return alike or any(text in line for text in self._others)
