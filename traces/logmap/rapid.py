"""Finds and splits the lines of a cluster.log that begin as they always do, a block at a time.

One regular expression goes over the whole block: it finds the components that a mapping looks at
and, where the line in front of one is as usual, splits it into process, second, thousandths, level
and message. What it costs is mostly what these lines cost; the others are passed over at the speed
of a search. Owns this split, and whether it may be used for a block at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# Of the parts of a split: text between, message, process, second, thousandths, level.
PARTS: Final = 6
# How long the usual beginning of a line is, with the line feed before it.
USUAL: Final = 50
_COMPONENT = re.compile(rb"\[[A-Za-z]{1,15}\]")
# Lines that change what the others mean: lines were left out, a section begins.
_SPECIAL = re.compile(rb"\n(?:\.\.\.|\[===)")


class Rapid:
    """The components of a mapping's prefilter that are of the same length, and its other texts."""

    def __init__(self, prefilter: Iterable[bytes]) -> None:
        texts = list(dict.fromkeys(prefilter))
        alike: dict[int, list[bytes]] = {}
        for text in texts:
            if _COMPONENT.fullmatch(text):
                alike.setdefault(len(text), []).append(text)
        found = max(alike.values(), key=len, default=[])
        self.usable = bool(found)
        if not found:
            return
        self._others = [text for text in texts if text not in found]
        # A common beginning is what the search is fast by: `\[R(?:CM|ES|HS)\]`.
        inner = [text[1:-1] for text in found]
        same = 0
        while all(len(one) > same and one[same] == inner[0][same] for one in inner):
            same += 1
        names = b"|".join(one[same:] for one in inner)
        head = rb"\[" + inner[0][:same] + rb"(?:" + names + rb")\]"
        # Looking back from behind the component, so that nothing is tried where there is none.
        usual = rb"\n(.{8})\.[0-9a-fA-F]{8}::(.{20})(.{4})(.{6}).{%d}" % len(found[0])
        self._split = re.compile(rb"(" + head + rb"(?:(?<=" + usual + rb").*|))").split

    def split(self, data: bytes) -> list[bytes] | None:
        """`data` (which begins with a line feed) in parts; None: it has to be read line by line.

        Six parts a component, PARTS; those behind the message are None where the line is not as
        usual, and the message is the component then. At the end the text behind the last.
        """
        if _SPECIAL.search(data):
            return None
        parts = self._split(data)
        # Only a text that is somewhere may be where no component is.
        others = [text for text in self._others if text in data]
        if others:
            between = b"".join(parts[::PARTS])
            if any(text in between for text in others):
                return None
        return parts
