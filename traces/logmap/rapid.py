"""Splits the lines of a cluster.log that begin as they always do, a block at a time.

One regular expression goes over the whole block, from line feed to line feed. Where the line behind
one is as usual, with a component that the mapping looks at in its usual place, it splits the line
into process, second, thousandths and message; what is between such lines is left as it is. Owns
this split, and whether it may be used for a block at all. Whether the parts are what they seem is
for the caller to look up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Final

# Of the parts of a split: text between, process, second, thousandths, level and message, special.
PARTS: Final = 6
# How long a usual line is without its message, with the line feed before it.
HEAD: Final = 44
# Where its component begins in the message: behind the level.
COMPONENT: Final = 6
# How long a message with its level must be for the whole component to be in it.
SHORTEST: Final = COMPONENT + 17  # `_COMPONENT` at its longest
_COMPONENT = re.compile(rb"\[[A-Za-z]{1,15}\]")


def alike(prefilter: Iterable[bytes]) -> list[bytes]:
    """Those components of a mapping's prefilter that are of the same length."""
    by_length: dict[int, list[bytes]] = {}
    for text in dict.fromkeys(prefilter):
        if _COMPONENT.fullmatch(text):
            by_length.setdefault(len(text), []).append(text)
    return max(by_length.values(), key=len, default=[])


class Rapid:
    """The split for those components of a prefilter that are of the same length."""

    def __init__(self, prefilter: Iterable[bytes]) -> None:
        found = alike(prefilter)
        self.usable = bool(found)
        self._found = found

    @cached_property
    def _split(self) -> Callable[[bytes], list[Any]]:
        found = self._found
        # A sign that is a line feed after all is noticed when the parts are looked up.
        begins = rb"(?=(?s:.{%d})(?:%s))" % (HEAD - 1 + COMPONENT, b"|".join(map(re.escape, found)))
        process, second, thousandth = rb"((?s:.{8}))", rb"((?s:.{20}))", rb"((?s:.{4}))"
        usual = process + rb"\.[0-9a-fA-F]{8}::" + second + thousandth + rb"(.*)"
        # Lines that change what the others mean: lines were left out, a section begins.
        special = rb"(\.\.\.|\[===)"
        return re.compile(rb"\n(?:" + begins + usual + rb"|" + special + rb")").split

    def split(self, data: bytes) -> Sequence[list[bytes]] | None:
        """The columns of `data` (which begins with a line feed); None: read it line by line.

        Text between usual lines (one more than there are lines), processes, seconds, thousandths,
        messages with their levels.
        """
        parts = self._split(data)
        special = parts[5::PARTS]
        if special.count(None) != len(special):
            return None
        return [parts[number::PARTS] for number in range(5)]
