"""A monitor process as RCM sees it: started, spoken to, watched, ended, with all it started.

Owns the process and its process group, and the threads that read its pipe and wait for its end.
Decides nothing: it tells what it sees to a function it is given.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from rhscheck.tracer.real.frames import (
    FrameWriter,
    FromProcess,
    LeaveOut,
    Overslept,
    Pong,
    Setup,
    ToProcess,
    read_lines,
)
from rhscheck.tracer.real.leftovers import marked_environment
from rhscheck.tracer.real.standstill import PATIENCE_S, Span

_DRAIN_S = 2.0  # how long the pipe of a dead process may stay open in something it started
MAX_UNREAD: Final = 1_000  # frames of one process that wait for RCM; it has to wait with the next
MAX_LOG: Final = 32 << 20  # bytes of a monitor's log, which plug-ins write into as they like


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is gone. `status` as of `subprocess`: negative is a signal."""

    status: int


# What is told about a process, in the order in which it happened.
Deliver = Callable[["MonitorProcess", FromProcess | Ended], None]


class MonitorProcess:
    """One process; it is started by `start` and never twice."""

    def __init__(self, setup: Setup, log_file: Path, deliver: Deliver) -> None:
        self.setup = setup
        self.log_file = log_file
        self.killed_because = ""
        self._deliver = deliver
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: FrameWriter | None = None
        self._lock = threading.Lock()
        self._ended = False  # its number may belong to another process now
        self._room = threading.Semaphore(MAX_UNREAD)
        self._told = 0  # frames, so far
        self._ponged = 0
        self._overslept: Overslept | None = None
        self._done = threading.Event()

    @property
    def pid(self) -> int | None:
        """Its number, None before it was started."""
        return None if self._process is None else self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it is gone (or was never there) and `Ended` was told."""
        return self._process is None or self._done.is_set()

    def start(self) -> None:
        """Start it and give it its set-up frame. Raises OSError.

        To be called by a thread that lives as long as RCM: on Linux the process is killed when the
        thread that started it ends.
        """
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                # -P: what lies in the current directory must not take the place of a library.
                [sys.executable, "-P", "-m", "rhscheck.tracer.real.rhs_process", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=marked_environment(self.setup.state_dir),
                start_new_session=sys.platform != "win32",
                creationflags=flags,
                bufsize=0,
            )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        self._writer = FrameWriter(os.dup(self._process.stdin.fileno()))
        self._process.stdin.close()
        self._writer.write(self.setup)
        reader = threading.Thread(
            target=self._read, args=(self._process.stdout.fileno(),), daemon=True
        )
        reader.start()
        threading.Thread(target=self._wait, args=(self._process, reader), daemon=True).start()

    def send(self, frame: ToProcess) -> None:
        """Send a frame; it is lost if the process is gone."""
        if isinstance(frame, LeaveOut):
            self._overslept = None  # it is answered; what it says is of a clock that was set back
        if self._writer is not None:
            self._writer.write(frame)

    def kill(self, why: str, grace_s: float) -> None:
        """End it by force: SIGABRT, at which it writes its dump, then SIGKILL for the whole group.

        `grace_s`: the time in between. Does not wait.
        """
        process = self._process
        if process is None:
            return
        with self._lock:
            if self._ended or self.killed_because:
                return
            self.killed_because = why
            if sys.platform != "win32":
                process.send_signal(signal.SIGABRT)
        timer = threading.Timer(grace_s, self.kill_now)
        timer.daemon = True
        timer.start()

    def kill_now(self) -> None:
        """End it with everything in its process group, at once."""
        process = self._process
        with self._lock:  # its number is not given to another process before it is collected
            if process is None or self._ended:
                return
            self.killed_because = self.killed_because or "the run was broken off"
            _kill_group(process)

    def _read(self, descriptor: int) -> None:
        decoder: msgspec.json.Decoder[FromProcess] = msgspec.json.Decoder(FromProcess)
        for line in read_lines(descriptor):
            try:
                frame = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                # A plug-in that found the pipe and wrote into it; RCM cannot rely on it any more.
                self.kill("what came over its pipe is no frame", 0.0)
                return
            if isinstance(frame, Overslept):
                self._overslept = frame
            elif isinstance(frame, Pong):
                self._ponged = frame.number
            self._room.acquire()
            self._told += 1
            self._deliver(self, frame)

    def stood_still(self, ping: int, since_us: int) -> Span | Literal["went on", "gone"] | None:
        """Whether its loop stood still after `since_us`; None: it has not said so yet.

        `ping`: the number of a ping that it was sent after that: who answers had gone on. Its
        watchdog may have ended it before it could say anything.
        """
        told = self._overslept
        if told is not None and told.until_us > since_us:
            return Span(told.since_us, told.until_us)
        if self._ponged >= ping:
            return "went on"
        if self._done.is_set():
            return "gone" if self._ended_just_now() else "went on"
        return None

    def _ended_just_now(self) -> bool:
        """Whether its watchdog ended it in the last moments, by the time of what it wrote."""
        try:
            written = Path(self.setup.dump_file).stat()
        except OSError:
            return False
        return written.st_size > 0 and abs(time.time() - written.st_mtime) < 2 * PATIENCE_S

    def dump_text(self) -> str:
        """What the process wrote about its threads before it ended; empty if it wrote nothing."""
        try:
            return Path(self.setup.dump_file).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def taken(self) -> None:
        """RCM has dealt with a frame: the next one may come.

        What is too much stays in the pipe, so RCM gets to everything else whatever a process tells.
        """
        self._room.release()

    def bound_log(self) -> None:
        """Empty the log if it is too long. What is written later goes behind its new end."""
        with contextlib.suppress(OSError):
            size = self.log_file.stat().st_size
            if size > MAX_LOG:
                os.truncate(self.log_file, 0)
                with self.log_file.open("ab") as log:
                    log.write(f"({size} bytes were too much, and are left out)\n".encode())

    def _wait(self, process: subprocess.Popen[bytes], reader: threading.Thread) -> None:
        if sys.platform != "win32" and hasattr(os, "waitid"):  # on macOS from Python 3.13 on
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                _kill_group(process)  # what it started, before its number can be used again
                status = process.wait()
                self._ended = True
        else:
            status = process.wait()
            with self._lock:
                self._ended = True
                _kill_group(process)
        told = -1
        while reader.is_alive() and told != self._told:  # what it said last has to be heard first
            told = self._told
            reader.join(_DRAIN_S)
        if self._writer is not None:
            self._writer.close()
        if not reader.is_alive() and process.stdout is not None:
            process.stdout.close()
        self._deliver(self, Ended(status))
        self._done.set()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone; macOS says EPERM
        os.killpg(process.pid, signal.SIGKILL)
