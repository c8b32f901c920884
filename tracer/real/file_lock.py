"""A lock on a file that keeps two runs apart. The system gives it back when the process ends.

Owns how a lock is taken on each system. Whoever locks closes the descriptor to let go.
"""

from __future__ import annotations

import os
import sys
from typing import Final

_FAR: Final = 1 << 40  # Windows locks bytes, and then nobody reads them: one that no file has


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file if nobody has it, and say whether that was so."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415

            at = os.lseek(descriptor, 0, os.SEEK_CUR)
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, at, os.SEEK_SET)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
