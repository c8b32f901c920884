"""What RCM and a monitor process say to each other, one JSON object a line, over two pipes.

Owns the frames around the messages of the cores, and reading and writing them. A monitor tells RCM
every step of its core, event and effects: from these RCM takes the replies and notices that are
meant for it, writes the trace, and can go on where a process ended without a word.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import msgspec

from rhscheck.tracer.events import Command, RhsEffect, RhsEvent, Stop
from rhscheck.tracer.wire import LineSplitter, line_of


class HostedSetup(msgspec.Struct, frozen=True):
    """A resource as its monitor has to know it. `preload`: its class is wanted at once."""

    name: str
    plugin: str
    parameters: dict[str, Any]
    preload: bool


class Setup(msgspec.Struct, frozen=True, tag=True):
    """The first frame to a monitor process: everything it is.

    `origin_ns` is the moment 0 of the run on the system's monotonic clock. `watchdog_s`: without a
    turn of the main loop for so long the process dumps and ends itself. Times of the core in us.
    """

    monitor: str
    epoch: int
    folder: str
    state_dir: str
    dump_file: str
    time_scale: float
    origin_ns: int
    watchdog_s: float
    tolerance_us: int
    call_us: int
    pending_us: int
    looks_alive_us: int
    is_alive_us: int
    dump_us: int
    resources: tuple[HostedSetup, ...]


class Ping(msgspec.Struct, frozen=True, tag=True):
    """RCM asks whether the monitor's main loop turns."""

    number: int


class LeaveOut(msgspec.Struct, frozen=True, tag=True):
    """Everything stood still in this time: the clock leaves it out. Empty: it does not."""

    since_us: int
    until_us: int


ToProcess = Setup | Ping | LeaveOut | Command | Stop


class Loading(msgspec.Struct, frozen=True, tag=True):
    """The monitor is about to import this plug-in: who dies now died of that."""

    res: str
    plugin: str


class LoadFailed(msgspec.Struct, frozen=True, tag=True):
    """The plug-in cannot be used. `parameter`: the one that is wrong, if it is that."""

    res: str
    message: str
    parameter: str | None


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """This plug-in is loaded, or LoadFailed has said why it is not: what comes is not its doing."""

    res: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Every plug-in is loaded: commands are welcome."""

    now_us: int


class Pong(msgspec.Struct, frozen=True, tag=True):
    """The main loop turns, at `now_us`: no later frame tells of an earlier step."""

    number: int
    now_us: int


class Overslept(msgspec.Struct, frozen=True, tag=True):
    """The main loop stood still in this time, and does nothing before it has a LeaveOut."""

    since_us: int
    until_us: int


class Stepped(msgspec.Struct, frozen=True, tag=True):
    """A step of the core. `late_us`: by how much the loop was late for a Tick."""

    now_us: int
    event: RhsEvent
    effects: list[RhsEffect]
    late_us: int = 0


class Said(msgspec.Struct, frozen=True, tag=True):
    """Lines of the monitor's log, of `now_us`, that people should see."""

    res: str
    text: str
    now_us: int


FromProcess = Loading | LoadFailed | Loaded | Ready | Pong | Overslept | Stepped | Said


class FrameWriter:
    """Writes frames to a pipe; any thread may."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._broken = False
        self._closed = False

    def write(self, frame: ToProcess | FromProcess) -> None:
        """Write one frame whole; nothing once the pipe is broken."""
        line = line_of(frame)
        with self._lock:
            if self._broken:
                return
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:  # nobody reads any more; whoever reads the other pipe sees its end
                self._broken = True

    def close(self) -> None:
        """Close the pipe: the other end sees its end."""
        with self._lock:
            if not self._closed:
                self._closed = self._broken = True
                os.close(self._descriptor)


def read_lines(descriptor: int) -> Iterator[bytes]:
    """The lines of a pipe up to its end; a last line without an end was cut and is dropped."""
    splitter = LineSplitter()
    while True:
        try:
            chunk = os.read(descriptor, 1 << 16)
        except OSError:  # closed by us, or the other end is gone (Windows)
            return
        if not chunk:
            return
        yield from splitter.feed(chunk)
