"""A file that is read while somebody writes it: what was added, and whether it is still that file.

Owns the reading and the noticing only. A file is another one if its name leads elsewhere, if it has
become shorter, or if what was read last does not stand there any more: a log that is truncated and
written anew may be longer than before when somebody looks the next time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# So much of what was read last is read again with every look.
_REMEMBERED: Final = 1 << 10


class GrowingFile:
    """The file at `path`. Raises OSError as opening and reading it do."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = Path(path).open("rb")  # noqa: SIM115  closed by `close`
        self._last = b""
        self._at = 0
        self._rewritten = False
        self._end: int | None = None

    def is_enough(self) -> None:
        """What is there by now is still read, and nothing that is written later."""
        if self._end is None:
            self._end = os.fstat(self._file.fileno()).st_size

    def more(self, most: int) -> bytes:
        """At most `most` bytes of what has been added; nothing if there is nothing."""
        if self._rewritten:
            return b""
        if self._end is not None:
            most = max(0, min(most, self._end - self._at))
        known = len(self._last)
        self._file.seek(self._at - known)
        found = self._file.read(known + most)
        if found[:known] != self._last:
            self._rewritten = True
            return b""
        added = found[known:]
        self._at += len(added)
        self._last = found[-_REMEMBERED:]
        return added

    def is_replaced(self) -> bool:
        """Whether what follows is in another file, or in this one from its beginning."""
        if self._rewritten:
            return True
        try:
            now = os.stat(self._path)
        except OSError:
            return False  # between two names: the next look will tell
        ours = os.fstat(self._file.fileno())
        moved = (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino)
        return moved or ours.st_size < self._at

    def close(self) -> None:
        """Close the file."""
        self._file.close()
