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
from pathlib import Path
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
    """Collect children that have ended, up to the first of which somebody else takes care.

    That is one of RCM's monitors (`is_own`), or one in this process's own session, which orphans of
    monitors never are: whoever uses the runtime as a library may have children of its own.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(ChildProcessError):  # there are no children
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or is_own(ended.si_pid) or _session(ended.si_pid) == os.getsid(0):
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def _session(pid: int) -> int:
    """The session of a process that has ended and is not collected yet."""
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return int(stat.rpartition(b")")[2].split()[3])  # state, parent, group, session
