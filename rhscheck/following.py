"""Judging a trace while it is being written.

Owns the waiting for more, the noticing of a rotated file, and what is said meanwhile. A rotated
trace goes on in a new file: it is judged as a trace of its own, from every possible state, because
nobody says that the end of the old one was seen.
"""

from __future__ import annotations

import time
from dataclasses import replace
from io import RawIOBase
from typing import TYPE_CHECKING, BinaryIO, cast

import click
import msgspec

from rhscheck import api
from rhscheck.growing_file import GrowingFile
from rhscheck.output import finding_text
from rhscheck.traces.format import End

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rhscheck.traces.report import Finding, TraceReport

_PAUSE_S = 0.2
ASK_S = 2.0  # so long at most nobody asks whether it is enough
_LONGEST_READ = 1 << 16
_LONGEST_END = 1 << 10


class Followed(RawIOBase):
    """A file that is read on as it grows. The end comes when the file is rotated or `stop` says so.

    Rotated: another file has its name, or it has been written anew.
    """

    def __init__(self, path: str, stop: Callable[[], bool]) -> None:
        super().__init__()
        self._file = GrowingFile(path)
        self._stop = stop
        self._enough = False
        self._unended = b""  # what was read of a line that has no end yet
        self._ask_at = time.monotonic() + ASK_S
        self.rotated = False

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; waits for the first. Only whole lines but for the last of all."""
        if size == 1:
            # The question whether anything stands after the end line, which nobody waits for.
            return self._file.more(1)
        if time.monotonic() > self._ask_at:
            self._is_enough()  # there may always be more to read
        wanted = _LONGEST_READ if size < 0 else min(size, _LONGEST_READ)
        while True:
            found = self._more(wanted)
            if found:
                return found
            if self._file.is_replaced():
                self.rotated = True
                return self._more(wanted)
            if self._unended and _is_end_line(self._unended):
                return b""
            if self._is_enough():
                return self._more(wanted)  # what was written since the last look
            time.sleep(_PAUSE_S)

    def _more(self, most: int) -> bytes:
        found = self._file.more(most)
        last = found.rfind(b"\n") + 1
        self._unended = (b"" if last else self._unended) + found[last:]
        if len(self._unended) > _LONGEST_END:
            self._unended = b" "  # too long for an end line, whatever follows
        return found

    def _is_enough(self) -> bool:
        self._ask_at = time.monotonic() + ASK_S
        if self._enough or self._stop():
            self._enough = True
            self._file.is_enough()
        return self._enough

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


def _is_end_line(text: bytes) -> bool:
    """Whether a line that has no line feed is whole, and says that the recording is over."""
    try:
        msgspec.json.decode(text, type=End)
    except msgspec.MsgspecError:
        return False
    return True


def follow_trace(
    replayer: api.Replayer,
    path: str,
    *,
    quiet: bool,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[TraceReport]:
    """The reports on the trace at `path` and on what it is rotated to, until it ends.

    It ends with an end line, or when `stop` says so: what is there then is still read. Unless
    `quiet`, what is found is printed at once. Raises what `Replayer.replay` raises, after the
    reports on the files before.
    """
    api.refuse_device(path)
    files = 0
    told: dict[object, None] = {}

    def tell(findings: Sequence[Finding]) -> None:
        for finding in findings:
            key = (files, finding.line, finding.rule, finding.resource, finding.event)
            if key not in told and not quiet:
                click.echo(finding_text(path, finding), err=True)
            told[key] = None

    header = None
    while True:
        try:
            stream = Followed(path, stop)
        except OSError as error:
            raise api.InputError(f"cannot read the trace {path}: {error.strerror}") from None
        with stream:
            report, header = replayer.follow(
                path, cast(BinaryIO, stream), tell, after=header if files else None
            )
        yield replace(report, file=rotated(path)) if files else report
        files += 1
        if not stream.rotated:
            return


def rotated(path: str) -> str:
    """What a file is called in reports that has taken the name of one that was followed."""
    return f"{path} (rotated)"
