"""Linux: RCM becomes the parent of what its dead monitor processes leave behind, and collects it.

Owns orphans that have ended. Elsewhere, and in most installations of Linux, the system's first
process does this; in a container it often does not, and a server that was killed long ago then
still looks as if it ran (its number is in use, its pid file believed).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """While it lasts, orphans of this process's children become its own (Linux 3.4 or newer)."""
    if sys.platform != "linux":
        yield
        return
    import ctypes  # noqa: PLC0415

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def collect_orphans(is_own: Callable[[int], bool]) -> None:
    """Collect children that have ended, up to the first of which somebody else takes care."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(ChildProcessError):  # there are no children
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or is_own(ended.si_pid):
                return
            os.waitpid(ended.si_pid, os.WNOHANG)
