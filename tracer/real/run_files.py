"""The files that a run writes while it happens: its trace, and the log of every step.

Owns how they are written: whole lines, handed to the system at once, so that what was written
before a kill can be read. What a step looks like in a trace is `tracer.recording`'s. The step log
(`rhs-steps/1`) is JSON Lines: a header with the configuration, then one entry a step; given to
fresh cores, the events give the same effects (`steps_differ`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Literal, assert_never

import msgspec

from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.events import MonitorExited
from rhscheck.tracer.rcm_core import RcmCore
from rhscheck.tracer.real.journal import Entry, NoteEntry, RcmEntry, RhsEntry
from rhscheck.tracer.recording import (
    Journal,
    MonitorRecorder,
    header,
    record_manager,
    record_note,
)
from rhscheck.tracer.rhs_core import RhsCore
from rhscheck.traces.format import TraceWriter


class TraceFile:
    """Writes the trace of a run (`rhs-trace/1`): a sink for its steps."""

    def __init__(
        self,
        stream: BinaryIO,
        configuration: ClusterConfiguration,
        *,
        node: str,
        identity: str,
        tool: str,
    ) -> None:
        """`stream` must not buffer. The header is written at once."""
        made = header(configuration, source="runtime", identity=identity, tool=tool)
        self._writer = TraceWriter(stream, made)
        self._journal = Journal(node, self._writer.write)
        self._recorders: dict[tuple[str, int], MonitorRecorder] = {}

    def __call__(self, entry: Entry) -> None:
        """Write down one step."""
        match entry:
            case RcmEntry(now_us, event, effects):
                if isinstance(event, MonitorExited):
                    self._recorder(event.monitor, event.epoch).end("killed", now_us)
                record_manager(self._journal, effects, now_us)
            case RhsEntry(monitor, epoch, now_us, event, effects):
                self._recorder(monitor, epoch).record(event, effects, now_us)
            case NoteEntry(now_us, text, monitor, epoch, res):
                mon = None if monitor is None else f"{monitor}#{epoch}"
                record_note(self._journal, now_us, text, mon=mon, res=res)
            case _:
                assert_never(entry)

    def _recorder(self, monitor: str, epoch: int) -> MonitorRecorder:
        key = (monitor, epoch)
        if key not in self._recorders:
            self._recorders[key] = MonitorRecorder(self._journal, monitor, epoch)
        return self._recorders[key]

    def close(self) -> None:
        """The run was recorded to its end."""
        self._writer.close()


class StepHeader(msgspec.Struct, frozen=True):
    """The first line of a step log."""

    node: str
    configuration: ClusterConfiguration
    format: Literal["rhs-steps/1"] = "rhs-steps/1"


class StepFile:
    """Writes the log of every step: a sink."""

    def __init__(self, stream: BinaryIO, configuration: ClusterConfiguration, node: str) -> None:
        """`stream` must not buffer."""
        self._stream = stream
        self._encoder = msgspec.json.Encoder()
        self._line(StepHeader(node, configuration))

    def _line(self, content: object) -> None:
        self._stream.write(self._encoder.encode(content) + b"\n")

    def __call__(self, entry: Entry) -> None:
        """Write down one step."""
        self._line(entry)


def read_steps(path: Path) -> tuple[StepHeader, list[Entry]]:
    """A step log. A last line that was cut is left out. Raises OSError, msgspec.DecodeError."""
    first, *lines = path.read_bytes().split(b"\n")[:-1]
    decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
    return msgspec.json.decode(first, type=StepHeader), [decoder.decode(line) for line in lines]


def steps_differ(head: StepHeader, entries: Iterable[Entry]) -> str | None:
    """Give the recorded events to fresh cores; the first step with other effects, None if none.

    What a core decides depends on its events alone, so a difference means that the recording, or
    the loop that made it, is wrong.
    """
    manager = RcmCore(head.configuration, head.node)
    monitors: dict[tuple[str, int], RhsCore] = {}
    for number, entry in enumerate(entries, 2):
        effects: list[Any]
        if isinstance(entry, NoteEntry):
            continue
        if isinstance(entry, RcmEntry):
            effects = list(manager.step(entry.event, entry.now_us))
        else:
            key = (entry.monitor, entry.epoch)
            core = monitors.setdefault(key, RhsCore(head.configuration.timeouts))
            effects = list(core.step(entry.event, entry.now_us))
        if effects != entry.effects:
            return f"line {number}: {entry.event} led to {entry.effects}, and now to {effects}"
    return None
