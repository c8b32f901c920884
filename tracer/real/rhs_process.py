"""The monitor process (RHS): one loop owns the core; threads call the plug-ins and read the pipe.

Owns the process: its pipes and its ways to die. Every decision is `RhsCore`'s, time is `agenda`'s.

The plug-ins' standard output and error go to the monitor's log: the pipes to RCM are moved away
before a plug-in is loaded. A process that a plug-in forks does not keep them open.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Literal, NoReturn, assert_never

import msgspec

from rhscheck.tracer.configuration import Timeouts
from rhscheck.tracer.events import (
    Answer,
    CallEntry,
    DumpWritten,
    Exit,
    HandleSeen,
    ManagerGone,
    Notice,
    Reply,
    RhsEffect,
    RhsEvent,
    Signaled,
    Tick,
    TimedOut,
    Unwatch,
    Watch,
    WriteDump,
)
from rhscheck.tracer.plugin_loading import PluginError
from rhscheck.tracer.real.agenda import Agenda, Due, Happened
from rhscheck.tracer.real.frames import (
    FrameWriter,
    LeaveOut,
    Loaded,
    LoadFailed,
    Loading,
    Overslept,
    Ping,
    Pong,
    Ready,
    Said,
    Setup,
    Stepped,
    ToProcess,
    read_lines,
)
from rhscheck.tracer.real.hosting import HostedResource, Tickets
from rhscheck.tracer.real.log_limit import LogLimit, shortened
from rhscheck.tracer.real.standstill import PATIENCE_S, Span
from rhscheck.tracer.rhs_core import RhsCore

# Exit statuses, below 128: above it shells and Windows mean something else.
EXIT_STATUS: Final = {"stop": 0, "deadlock": 100, "crash": 101, "manager-gone": 102}
EXIT_LOAD_FAILED: Final = 103
EXIT_UNABLE: Final = 104  # the loop itself failed
EXIT_EXHAUSTED: Final = 105  # there was no memory left, or no thread could be started
# As Python says it, of a thread of its own and of the one of the C-level watchdog.
_NO_THREAD: Final = frozenset(("can't start new thread", "unable to start watchdog thread"))
LONGEST_WATCH_S: Final = 1e6  # the system's timers take no more than some hundred years
# The longest sleep of the loop, after which the C-level watchdog is re-armed. RCM's pings wake it
# as often anyway; had it asked for more, so long a standstill would be an ordinary wait.
IDLE_S: Final = 0.2
_LAST_S: Final = 1.0  # the loop has so long to end the process itself when RCM is gone


class Monitor:
    """The process after its set-up frame has come."""

    def __init__(self, setup: Setup, writer: FrameWriter, dump: BinaryIO) -> None:
        self.setup = setup
        self.writer = writer
        self.dump = dump
        self.agenda: Agenda[RhsEvent | Ping] = Agenda(
            setup.origin_ns, setup.tolerance_us, self.stood_still
        )
        self.told_to_leave_out = threading.Event()
        self.tickets = Tickets()
        self.limits = {one.name: LogLimit(time.monotonic) for one in setup.resources}
        self.core = RhsCore(
            Timeouts(
                call_us=setup.call_us,
                pending_us=setup.pending_us,
                looks_alive_us=setup.looks_alive_us,
                is_alive_us=setup.is_alive_us,
                dump_us=setup.dump_us,
            )
        )
        self.resources = {
            one.name: HostedResource(
                one.name,
                one.plugin,
                one.parameters,
                folder=Path(setup.folder),
                state_dir=Path(setup.state_dir) / one.name,
                time_scale=setup.time_scale,
                tickets=self.tickets,
                submit=self.agenda.submit,
                say=self.say,
            )
            for one in setup.resources
        }

    # ---- any thread ----
    def say(self, resource: str, text: str) -> None:
        """Lines for the log and for people, as far as the resource may say so much."""
        text = _shown(shortened(text))
        if self.limits[resource].admits(text):
            self._say(resource, text)

    def _say(self, resource: str, text: str) -> None:
        mark = f"[{resource}] "
        lines = text.replace("\n", f"\n{mark}")
        # Standard error is the monitor's log, written at once and by the system, not by Python.
        with contextlib.suppress(OSError):  # a plug-in may have closed it
            os.write(2, f"{mark}{lines}\n".encode())
        self.writer.write(Said(resource, text, self.agenda.clock_us()))

    def tell_what_is_left_out(self) -> None:
        """Say of each resource how much of what it said was too much."""
        for name, limit in self.limits.items():
            lost = limit.left_out()
            if lost:
                self._say(name, f"{lost} lines were too many at once and are left out")

    def read_commands(self, lines: Iterator[bytes]) -> None:
        """Read frames until RCM is gone."""
        decoder: msgspec.json.Decoder[ToProcess] = msgspec.json.Decoder(ToProcess)
        for line in lines:
            frame = decoder.decode(line)
            if isinstance(frame, LeaveOut):
                if frame.until_us > frame.since_us:
                    self.agenda.leave_out(Span(frame.since_us, frame.until_us))
                self.told_to_leave_out.set()
            elif not isinstance(frame, Setup):  # the set-up frame came first and comes once
                self.agenda.submit(frame)
        self.agenda.submit(ManagerGone())

    # ---- the loop ----
    def stood_still(self, span: Span) -> None:
        """Ask RCM whether the others did, too, before anything is done late for it."""
        self.told_to_leave_out.clear()
        self.writer.write(Overslept(span.since_us, span.until_us))
        self.told_to_leave_out.wait(2 * PATIENCE_S)

    def load(self) -> bool:
        """Load the plug-ins of this monitor; RCM is told which one is loaded, and of failures."""
        usable = True
        for one in self.setup.resources:
            if not one.preload:
                continue
            self.arm()
            self.writer.write(Loading(one.name, one.plugin))
            try:
                self.resources[one.name].load(first=self.setup.epoch == 1)
            except PluginError as error:
                for each in error.each:
                    self.writer.write(LoadFailed(one.name, str(each), each.parameter))
                usable = False
            self.writer.write(Loaded(one.name))
        return usable

    def arm(self) -> None:
        """Start the C-level watchdog anew: it fires even while a plug-in holds the GIL."""
        after_s = min(self.setup.watchdog_s, LONGEST_WATCH_S)
        faulthandler.dump_traceback_later(after_s, exit=True, file=self.dump)

    def run(self) -> NoReturn:
        """Serve until the core says Exit."""
        self.writer.write(Ready(self.agenda.clock_us()))
        while True:
            self.arm()
            self.tell_what_is_left_out()
            match self.agenda.next(self.core.next_due_us, IDLE_S):
                case Due(now_us, late_us):
                    self.step(Tick(), now_us, late_us)
                case Happened(now_us, Ping(number)):
                    self.writer.write(Pong(number, now_us))
                case Happened(now_us, event) if not isinstance(event, Ping):
                    self.step(event, now_us)
                case _:  # nothing for a while
                    continue

    def step(self, event: RhsEvent, now_us: int, late_us: int = 0) -> None:
        """Let the core decide, tell RCM, and carry the effects out."""
        effects = self.core.step(event, now_us)
        self.writer.write(Stepped(now_us, event, effects, late_us))
        for effect in effects:
            self.perform(effect)

    def perform(self, effect: RhsEffect) -> None:
        """Carry out one effect."""
        match effect:
            case CallEntry():
                self.resources[effect.res].call(effect)
            case Answer():
                self.tickets.answer(effect.ticket, effect.exit_state)
            case Watch():
                signalled = Signaled(effect.res, effect.handle)
                handle = self.tickets.handles.pop(effect.handle)  # watched once
                handle.when_signalled(lambda: self.agenda.submit(signalled))
            case Unwatch():
                pass  # a signal of a handle that is watched no more is ignored by the core
            case WriteDump():
                self.agenda.submit(DumpWritten(self.write_dump(effect)))
            case Exit():
                self.end(effect.why)
            case Reply() | Notice() | TimedOut() | HandleSeen():
                pass  # RCM reads them in the Stepped frame
            case _:
                assert_never(effect)

    def write_dump(self, effect: WriteDump) -> bool:
        """Write where every thread stands; whether that was possible."""
        try:
            self.dump.write(f"{effect.why} ({effect.res})\n".encode())
            self.dump.flush()
            faulthandler.dump_traceback(file=self.dump, all_threads=True)
        except (OSError, ValueError):  # no room, or closed by a plug-in: the end comes all the same
            return False
        return True

    def end(self, why: Literal["deadlock", "crash", "stop", "manager-gone"]) -> NoReturn:
        """End the process now, whatever its threads are at."""
        os._exit(EXIT_STATUS[why])


# ---- the process ---------------------------------------------------------------------------------
def _die_with_parent() -> None:
    """Linux: be killed as soon as the parent is gone, even if this process is stopped or hangs."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _take_pipes() -> tuple[int, int]:
    """Move the pipes to RCM away from standard input and output, which plug-ins use."""
    commands, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    if hasattr(os, "register_at_fork"):

        def after_fork() -> None:
            """A process that a plug-in forks must not speak to RCM, nor keep its pipes open."""
            os.close(commands)
            os.close(answers)

        os.register_at_fork(after_in_child=after_fork)
    return commands, answers


def main() -> NoReturn:
    """The monitor process: `python -m rhscheck.tracer.real.rhs_process PARENT`, started by RCM."""
    _die_with_parent()
    if sys.platform == "linux" and os.getppid() != int(sys.argv[1]):
        os._exit(EXIT_STATUS["manager-gone"])  # it died before it could be watched
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is RCM's to answer
    commands, answers = _take_pipes()
    lines = read_lines(commands)
    first = next(lines, None)
    if first is None:
        os._exit(EXIT_STATUS["manager-gone"])
    setup = msgspec.json.decode(first, type=Setup)
    with Path(setup.dump_file).open("wb", buffering=0) as dump:
        faulthandler.enable(file=dump, all_threads=True)
        monitor = Monitor(setup, FrameWriter(answers), dump)

        def read() -> None:
            monitor.read_commands(lines)
            time.sleep(_LAST_S)  # the loop ends the process at once, unless it hangs
            os._exit(EXIT_STATUS["manager-gone"])

        threading.Thread(target=read, name="commands of RCM", daemon=True).start()
        try:
            if not monitor.load():
                os._exit(EXIT_LOAD_FAILED)
            monitor.run()
        except BaseException as error:
            status = EXIT_EXHAUSTED if is_exhaustion(error) else EXIT_UNABLE
            try:
                os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
            finally:  # whatever that leads to: there may be no memory for it
                os._exit(status)


def is_exhaustion(error: BaseException) -> bool:
    """Whether `error`, of the main loop, says that there is no memory, or no thread to be had."""
    return isinstance(error, MemoryError) or str(error) in _NO_THREAD


def _shown(text: str) -> str:
    """A plug-in's text without what commands a terminal, or what no encoding has."""
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


if __name__ == "__main__":
    main()
