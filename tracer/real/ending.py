"""How a monitor process ended: in words for people, and whether it was its own doing.

Owns what follows from its status, from what it had said before, and from its dump. A status alone
proves nothing: a plug-in can end the process with any. Knows no pipe and no core.
"""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, assert_never

from rhscheck.tracer.events import Operation
from rhscheck.tracer.real.dump import ThreadStack, guilty, read_dump, starting_a_thread
from rhscheck.tracer.real.rhs_process import (
    EXIT_EXHAUSTED,
    EXIT_LOAD_FAILED,
    EXIT_STATUS,
    EXIT_UNABLE,
)

# Why a monitor ends itself, as it tells RCM before; and the status that it ends with then.
Farewell = Literal["deadlock", "crash", "stop", "manager-gone", "load-failed"]
FAREWELL_STATUS: Final[dict[Farewell, int]] = {
    "deadlock": EXIT_STATUS["deadlock"],
    "crash": EXIT_STATUS["crash"],
    "stop": EXIT_STATUS["stop"],
    "manager-gone": EXIT_STATUS["manager-gone"],
    "load-failed": EXIT_LOAD_FAILED,
}

# Signals that a process gets for what it does itself.
_CRASHES: Final = frozenset(
    signal.Signals[name].value
    for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS", "SIGTRAP")
    if name in signal.Signals.__members__
)


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one process.

    `status` as of `subprocess`: negative is a signal. `said`: why it would end, as it had told
    before. `dump`: what it wrote about its threads. `killed_because`: why RCM ended it, if that
    did. `watchdog_s`: how long its loop might stand still. `stood_us`: for how long RCM had stood
    still, too, if that is why the watchdog fired.
    """

    status: int
    said: Farewell | None
    dump: str
    watchdog_s: float
    log_file: Path
    killed_because: str = ""
    stood_us: int | None = None

    @property
    def stacks(self) -> tuple[ThreadStack, ...]:
        """Where its threads stood."""
        return read_dump(self.dump)

    @property
    def by_watchdog(self) -> bool:
        """Whether its C-level watchdog ended it."""
        return self.status == 1 and "Timeout" in self.dump

    @property
    def blameless(self) -> bool:
        """Whether the watchdog ended it behind a standstill: what it found running is not to blame.

        It knows nothing of a standstill.
        """
        return self.stood_us is not None and self.by_watchdog

    @property
    def unannounced(self) -> bool:
        """Whether something in it ended it with a status, which it had not told of."""
        return self.said is None and self.status >= 0 and not self.killed_because

    @property
    def crashed(self) -> bool:
        """Whether it ended by what ran in it, and not because somebody sent it a signal.

        To be asked of a process that had not said that it ends: then status 0 is no better than
        another one.
        """
        if self.killed_because:
            return True  # it did not answer
        return self.status >= 0 or -self.status in _CRASHES

    # ---- words ----
    def why(self, operation: Operation | None = None) -> str:
        """Why it ended, for people; `operation`: the call that is to blame, if that is known."""
        text = self._text()
        if self.killed_because:
            text = f"{self.killed_because}; RCM ended it"
        frames = guilty(self.stacks, operation)
        if frames:
            text += " at " + ", called from ".join(str(frame) for frame in frames)
        return text

    @property
    def load_advice(self) -> str:
        """What to do about a plug-in that ended the process while it was loaded."""
        if self.killed_because or self.by_watchdog:
            return (
                f"an import may take {self.watchdog_s:.3g} s (`call` and half of `dump` in "
                "[timeouts], divided by --time-scale): leave what is slow to open() and online()"
            )
        if self.status < 0:
            return "import it in a Python of its own, with -X faulthandler, to see what crashes"
        return "leave what ends a process to `if __name__ == '__main__':`"

    def _text(self) -> str:
        status, said, stood_us = self.status, self.said, self.stood_us
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-status).name}"
            return f"killed by signal {-status}"
        if said is not None and status == FAREWELL_STATUS[said]:
            match said:
                case "stop":
                    return "ended with status 0"
                case "deadlock":
                    return "ended itself because of a deadlock"
                case "crash":
                    return "ended itself because a plug-in's exception left it unsafe"
                case "manager-gone":
                    return "ended itself because its connection to RCM was gone"
                case "load-failed":
                    return "a plug-in could not be loaded"
                case _:
                    assert_never(said)
        # These two cannot be told: the pipe is gone, or the loop that would tell.
        if status == EXIT_STATUS["manager-gone"]:
            return f"its connection to RCM was gone, or a plug-in ended it with status {status}"
        if status == EXIT_EXHAUSTED:
            return (
                "there was no memory left in it, or no thread to be had; or a plug-in ended "
                f"it with status {status}"
            )
        if status == EXIT_UNABLE:
            return (
                f"its main loop could not go on (then the end of {self.log_file} says why), or a "
                f"plug-in ended it with status {status}"
            )
        if self.by_watchdog:
            if stood_us is not None:
                return (
                    f"this machine or program stood still for {stood_us / 1_000_000:.1f} s, RCM "
                    "as well: its watchdog ended it"
                )
            if starting_a_thread(self.stacks) and guilty(self.stacks, None):
                # A new thread that takes Python's lock for good leaves its starter waiting, too.
                return (
                    "its main loop stood still while a thread was started (a plug-in holds "
                    "Python's lock, or there was no memory left): its watchdog ended it"
                )
            if starting_a_thread(self.stacks):
                return "there was no memory left in it to start a thread: its watchdog ended it"
            return (
                "its main loop stood still (a plug-in holds Python's lock, or does not end to be "
                "loaded): its watchdog ended it"
            )
        return f"a plug-in ended the process with status {status}"
