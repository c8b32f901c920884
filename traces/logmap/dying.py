"""Processes that have said that they end, and may write on until they are gone.

An RHS process writes a dump, and ends some time after it has said so; lines of the resources in it
come until then. Owns until when a process number stands for the same process: until RCM says that
it has another one in its place, or for ten minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rhscheck.traces.logmap.language import Told

# Writing a dump takes a while.
END_US: Final = 600_000_000
BACK_US: Final = 1_000_000  # times may go back by so much within a recording
RECOVERED: Final = "RCM recovers a monitor process"
MADE: Final = "RCM has made a monitor process"
RESTARTED: Final = "its monitor has ended"
REOPENED: Final = "opened again in a new monitor"
SERVICE_GONE: Final = "the cluster service has gone"


@dataclass(slots=True)
class Dying:
    """The processes of one log that are ending, by number; with the time when they said so."""

    _since: dict[int, int | None] = field(default_factory=dict)

    def __contains__(self, pid: int) -> bool:
        """Whether nothing says so far that the process is gone."""
        return pid in self._since

    def add(self, pid: int, time_us: int | None) -> None:
        """The process says that it ends; what it said before of that counts, too."""
        self._since.setdefault(pid, time_us)

    def lasts(self, pid: int, time_us: int | None) -> bool:
        """Whether a line at this time with the number of the process is still of the same."""
        if pid not in self._since:
            return False
        since = self._since[pid]
        # Without times only RCM says when it is gone: that another process has its number already
        # is the bolder claim.
        if since is None or time_us is None or -BACK_US <= time_us - since <= END_US:
            return True
        del self._since[pid]
        return False

    def heed(self, told: Told, monitor: str | None) -> None:
        """A note may say that RCM has another process in place of one.

        `monitor`: `pid#epoch`, in which the resource was that the note is about, if that is known.
        If it is not, any process may be meant, and none is taken for one that still lasts.
        """
        match told.text("what"):
            case what if what in (RECOVERED, MADE):
                pid = process_in(told.text("detail"))
            case what if what in (RESTARTED, REOPENED):
                pid = None if monitor is None else int(monitor.partition("#")[0])
            case _:
                return
        if pid is None:
            self._since.clear()
        else:
            self._since.pop(pid, None)

    def forget(self) -> None:
        """Lines are missing: whoever was ending may be gone, and replaced."""
        self._since.clear()


def process_in(detail: str) -> int | None:
    """The process number in RCM's words, `4088 / 0xff8`; None: there is none."""
    number = detail.partition("/")[0].strip()
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 10 else None
