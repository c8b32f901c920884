"""Auditing a log while it is being written.

Owns the waiting for more, the noticing of a rotated or truncated file, and what is said meanwhile.
A log that goes on in a new file is audited as a log of its own. What is printed at once is certain,
but for what may be added to it: the evidence and the collateral of an incident.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

from rhscheck import api
from rhscheck.audit_output import finding_lines, incident_lines
from rhscheck.growing_file import GrowingFile
from rhscheck.terminal import harmless, printable
from rhscheck.traces.audit.growing import GrowingLog
from rhscheck.traces.logmap.read import LegacyFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rhscheck.traces.audit.court import Court
    from rhscheck.traces.audit.report import LogReport

_PAUSE_S = 0.2
ASK_S = 2.0  # so long at most nobody asks whether it is enough
_SILENCE = 5  # pauses after which the last record is taken to be complete
_AT_ONCE = 1 << 19


@dataclass(slots=True)
class _Teller:
    """Prints what is new, on standard error."""

    quiet: bool
    shown: int = 0
    hit: list[int] = field(default_factory=list)  # how many resources each incident has hit
    told: dict[object, None] = field(default_factory=dict)

    def tell(self, log: GrowingLog) -> None:
        """What has gone wrong since the last time, and whom it has hit."""
        clock = log.audit.clock(log.reader)
        for at, incident in enumerate(log.incidents):
            if at == self.shown:
                self.shown += 1
                self.hit.append(len(incident.collateral))
                self._say(incident_lines(incident, clock, provisional=True))
            elif len(incident.collateral) > self.hit[at]:
                names = ", ".join(map(printable, incident.collateral[self.hit[at] :]))
                self.hit[at] = len(incident.collateral)
                self._say([f"  {names}: lost the monitor by what is in line {incident.place.line}"])
        for finding in log.audit.findings():
            key = (finding.rule, finding.resource, finding.event)
            if key not in self.told:
                self.told[key] = None
                self._say(finding_lines(log.file, finding, clock))

    def _say(self, lines: Iterator[str] | list[str]) -> None:
        if not self.quiet:
            click.echo("\n".join(map(harmless, lines)), err=True)


def follow_log(
    court: Court, path: str, *, quiet: bool, stop: Callable[[], bool] = lambda: False
) -> list[LogReport]:
    """The reports on the log at `path` and on what it is rotated to, until `stop` says so.

    What is there then is still read. Unless `quiet`, what goes wrong is printed at once. Raises
    InputError.
    """
    api.refuse_device(path)
    reports: list[LogReport] = []
    while True:
        file = path if not reports else f"{path} (rotated {len(reports)})"
        end = _followed(court, path, file, quiet, stop)
        reports.append(replace(end.report, file=file))
        if not end.replaced:
            return reports


@dataclass(frozen=True, slots=True)
class _End:
    """How a file ended: another has taken its name, or it was enough."""

    report: LogReport
    replaced: bool


def _followed(court: Court, path: str, file: str, quiet: bool, stop: Callable[[], bool]) -> _End:
    """One file to its end."""
    log, teller = GrowingLog(file, court), _Teller(quiet)
    again = enough = False
    ask_at = time.monotonic() + ASK_S
    try:
        tail = GrowingFile(path)
    except OSError as error:
        raise api.InputError(f"cannot read the log {path}: {error.strerror}") from None
    try:
        idle = 0
        while True:
            if not enough and time.monotonic() > ask_at:
                enough, ask_at = stop(), time.monotonic() + ASK_S  # there may always be more
            if enough:
                tail.is_enough()
            data = tail.more(_AT_ONCE)
            if data:
                idle = 0
                log.feed(data)
                teller.tell(log)
                continue
            idle += 1
            if idle == _SILENCE:
                log.pause()
                teller.tell(log)
            again = tail.is_replaced()
            if again:
                # What was written between the last look and the change of names.
                while data := tail.more(_AT_ONCE):
                    log.feed(data)
                break
            if enough:
                break
            enough, ask_at = stop(), time.monotonic() + ASK_S
            if not enough:
                time.sleep(_PAUSE_S)
    except LegacyFormat:
        raise api.InputError(
            f"{path} is a cluster.log of Windows 2000 or 2003: only logs of 2008 and later can be "
            "audited"
        ) from None
    finally:
        tail.close()
    report = log.finish()
    teller.tell(log)
    return _End(report, again)
