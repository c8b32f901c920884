"""Tables of what texts stand for, each worked out when it is first met.

Owns the look-up of a whole column at once. What a text stands for is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Known(dict[bytes, T]):
    """What is known. `find` works out the rest, and keeps it here if it is to be kept.

    `failed`: since this was last reset a text was asked for that stands for nothing.
    """

    __slots__ = ("failed", "find")

    def __init__(self, find: Callable[[bytes], T | None]) -> None:
        super().__init__()
        self.find = find
        self.failed = False

    def __missing__(self, text: bytes) -> T | None:
        found = self.find(text)
        if found is None:
            self.failed = True
        return found

    def known(self, text: bytes) -> T | None:
        """What a text stands for; None: nothing."""
        return self[text]

    def column(self, texts: Sequence[bytes]) -> list[T | None]:
        """What each of these stands for; None: nothing, and then it has `failed`."""
        # The method itself: of a derived class `self[text]` takes longer.
        return list(map(self.__getitem__, texts))
