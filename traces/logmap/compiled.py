"""The pass over a block in compiled code, where it was built (`_lines.c`).

Owns what that pass is told, and whether there is one. A wheel for another platform, or a machine
without a C compiler, has none: then `logmap.rapid` does the same, and nothing but time is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from rhscheck.traces.compiled import compiled
from rhscheck.traces.logmap.rapid import alike
from rhscheck.traces.logmap.reading import Reading
from rhscheck.traces.logmap.sieve import Sieve

# Usual lines by columns (number, time, process, reading); of others how many usual ones come
# before, where they begin and end, and their number; whether the times are rising; how many lines
# there are.
Columns = tuple[
    list[int], list[int], list[int], list[Reading], list[tuple[int, int, int, int]], bool, int
]


class Pass(Protocol):
    """See `_lines.c`."""

    def __call__(  # noqa: D102
        self,
        data: bytes,
        first: int,
        sign: int,
        shared: tuple[tuple[bytes, int], ...],
        others: tuple[bytes, ...],
        components: tuple[bytes, ...],
        known: dict[bytes, Reading],
        find: Callable[[bytes], Reading | None],
        /,
    ) -> Columns | None: ...


# What the compiled module can take: so many texts of each kind, so many bytes long.
_MOST_TEXTS: Final = 16
_LONGEST: Final = 255
_lines = compiled("logmap._lines", 2)
usual: Pass | None = None if _lines is None else _lines.usual


class Compiled:
    """The compiled pass for one prefilter. `usable`: there is one, and this is for it."""

    def __init__(self, prefilter: Iterable[bytes]) -> None:
        texts = list(dict.fromkeys(prefilter))
        sieve = Sieve(texts)
        self._sign = sieve.sign
        self._shared = tuple((text, text.index(sieve.sign)) for text in sieve.shared)
        self._others = tuple(sieve.others)
        self._components = tuple(alike(texts))
        few = max(len(self._shared), len(self._others), len(self._components)) <= _MOST_TEXTS
        short = all(len(text) <= _LONGEST for text in texts)
        self.usable = usual is not None and bool(self._components) and few and short

    def read(
        self,
        data: bytes,
        first: int,
        known: dict[bytes, Reading],
        find: Callable[[bytes], Reading | None],
    ) -> Columns | None:
        """The lines of `data`, the first of which has the number `first`.

        `known` and then `find` say what level and message stand for. None: it has to be read line
        by line.
        """
        assert usual is not None, "only what is usable is used"
        sign = self._sign[0] if self._sign else 0
        return usual(data, first, sign, self._shared, self._others, self._components, known, find)
