"""Linux: processes that plug-ins have started behind the host's back, in sessions of their own.

Owns how they are found: every process below a monitor inherits a mark in its environment. One that
throws its environment away is not found; elsewhere than on Linux none is. Knows no resource.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MARK: Final = "RHSCHECK_RESOURCES"  # in the environment: the directory of the run's resources
_ROUNDS: Final = 20  # what forks while it is ended is looked for again


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process that was found and ended."""

    pid: int
    name: str


def marked_environment(resources: str) -> dict[str, str]:
    """The environment of a monitor whose resources have their state in that directory."""
    return {**os.environ, MARK: resources}


def end_leftovers(resources: str) -> list[Leftover]:
    """End every process with the mark of this directory; what was ended, each process once."""
    ended: dict[int, Leftover] = {}
    if sys.platform == "linux":
        mark = os.fsencode(f"{MARK}={resources}")
        for _ in range(_ROUNDS):
            found = [one for one in _processes() if _end_if_marked(one, mark, ended)]
            if not found:
                break
            time.sleep(0.02)
    return list(ended.values())


def _processes() -> list[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]


def _end_if_marked(pid: int, mark: bytes, ended: dict[int, Leftover]) -> bool:
    """End the process if it has the mark. It cannot become another one in between."""
    if sys.platform != "linux" or pid == os.getpid():
        return False
    folder = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):  # it has ended, or is somebody else's
        descriptor = os.pidfd_open(pid)
        try:
            if mark not in (folder / "environ").read_bytes().split(b"\0"):
                return False
            name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
        ended[pid] = Leftover(pid, name)
        return True
    return False
