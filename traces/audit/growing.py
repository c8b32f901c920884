"""The audit of a log that is still being written.

Owns what of the bytes that have come can be read already: whole lines, and the last record only
when another begins after it, or when its writer has been silent for a while, because it may go on.
Waiting and files are the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rhscheck.traces.audit.audit import Audit
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.model import Incident
from rhscheck.traces.audit.report import LogReport
from rhscheck.traces.logmap.read import LogReader
from rhscheck.traces.logmap.text import (
    Block,
    bounded,
    converted,
    last_record,
    with_line_feeds,
    zeros,
)

_ENOUGH = 1 << 12  # bytes by which the encoding is told
_MOST_HELD = 1 << 18  # of an unfinished record


@dataclass(slots=True)
class GrowingLog:
    """One log. Give it bytes as they come, `pause` when none came for a while, then `finish`."""

    file: str
    court: Court
    audit: Audit = field(init=False)
    reader: LogReader = field(init=False)
    _held: bytes = b""
    _offset: int = 0
    _begun: bool = False
    _skipping: bool = False  # within a line that is too long

    def __post_init__(self) -> None:
        self.audit = Audit(self.file, self.court)
        self.reader = LogReader(self.court.logmap)

    @property
    def incidents(self) -> list[Incident]:
        """What went wrong so far; evidence and collateral may still grow."""
        return self.audit.story.incidents

    def feed(self, data: bytes) -> None:
        """More of the log. Raises LegacyFormat."""
        self._held += with_line_feeds(data, self.reader.sniffed)
        if not self._begun and not self._begin(enough=_ENOUGH):
            return
        self._take(last_record(self._held, self.reader.encoding))
        if len(self._held) > _MOST_HELD:
            self.pause()

    def pause(self) -> None:
        """Nothing came for a while: what stands in whole lines is complete."""
        if not self._begun and not self._begin(enough=1):
            return
        self._take(last_record(self._held, self.reader.encoding, whole=True))
        if len(self._held) > _MOST_HELD:
            # A line without end: its beginning is read, the rest is passed over.
            self._read(self._held)
            self._held, self._skipping = b"", True

    def finish(self) -> LogReport:
        """The log is over."""
        if self._begun or self._begin(enough=1):
            self.pause()
            self._take(len(self._held))
        return self.audit.finish(self.reader).report(self.court)

    def _begin(self, *, enough: int) -> bool:
        # What was truncated under its writer begins with zeros up to where that stood.
        passed = zeros(self._held)
        self._offset, self._held = self._offset + passed, self._held[passed:]
        if len(self._held) < enough:
            return False
        self.reader.begin_with(self._held)
        sniffed = self.reader.sniffed
        self._offset += sniffed.mark
        self._held = with_line_feeds(self._held[sniffed.mark :], sniffed)
        self._begun = True
        return True

    def _take(self, size: int) -> None:
        """Read the first `size` bytes of what is held."""
        if not size:
            return
        text, self._held = self._held[:size], self._held[size:]
        self._read(text)

    def _read(self, text: bytes) -> None:
        lines = converted(text, self.reader.encoding)
        if self._skipping:
            _, ended, lines = lines.partition(b"\n")
            self._skipping = not ended
        if lines:
            whole = lines if lines.endswith(b"\n") else lines + b"\n"
            for block in bounded(Block(whole, self._offset), self.reader.encoding):
                self.audit.take(self.reader.read_block(block))
        self._offset += len(text)
