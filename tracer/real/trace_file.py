"""The trace that a real run writes while it happens.

Owns how it is written: whole lines, handed to the system at once, so that what was written before a
kill can be read. What a step looks like in a trace is `tracer.recording`'s.
"""

from __future__ import annotations

from typing import BinaryIO, assert_never

from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.events import MonitorExited
from rhscheck.tracer.real.journal import Entry, NoteEntry, RcmEntry, RhsEntry
from rhscheck.tracer.recording import (
    Journal,
    MonitorRecorder,
    header,
    record_manager,
    record_note,
)
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
