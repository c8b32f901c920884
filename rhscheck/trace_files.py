"""Judging trace files as they are read: memory for a stretch of lines, whatever the file's size.

Owns how the parts of a file reach a judge, and what one run of the program keeps from one file for
the next: the compiled spec. Recordings that have to be taken apart by host process are still read
as a whole (`hosted_runs`). What a trace is worth is `traces`' to say, which spec judges `api`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from rhscheck.hosted_runs import HostJudge, is_by_process
from rhscheck.spec.system import System
from rhscheck.traces.batches import Batch, Part
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import EventLine, Finish, Header, HeaderLine, Loaded, collect
from rhscheck.traces.habit import Usual
from rhscheck.traces.judge import Judge, Options, setting_of
from rhscheck.traces.paired import Paired
from rhscheck.traces.report import Finding, TraceReport
from rhscheck.traces.tables import Tabled


@dataclass(slots=True)
class TraceFiles:
    """Judges files by one System; what was worked out for one serves the next."""

    system: System
    options: Options
    _engines: dict[Setting, Engine] = field(default_factory=dict)
    _by_process: HostJudge | None = None

    def judge(
        self,
        header: Header | None,
        parts: Iterable[Part],
        file: str,
        tell: Callable[[Sequence[Finding]], None] | None = None,
    ) -> TraceReport:
        """The verdict on the file called `file`, of which `parts` are what follows the header.

        `tell` is called with all findings so far after each part of a recording that need not be
        taken apart.
        Raises ReplayError where the System has no run to compare with, OSError as reading does.
        """
        if header is not None and is_by_process(header, self.system):
            if self._by_process is None:
                self._by_process = HostJudge(self.system, self.options)
            return self._by_process.report(_loaded(header, parts), file)
        setting = setting_of(header, self.options, self.system)
        engine = self._engines.get(Setting(None, setting.slack_us, setting.unseen))
        engine = engine or self._engines.get(setting)
        judge = Judge(self.system, header, self.options, file, engine)
        finish: Finish | None = None
        for part in parts:
            match part:
                case Finish():
                    finish = part
                case HeaderLine():
                    pass  # judged by the one that was given
                case _:
                    judge.feed_part(part)
            if tell is not None:
                tell(judge.findings)
        report = judge.finish(finish)
        made = judge.engine
        if made is not None:
            # An engine that follows instances one by one serves any number of them.
            key = Setting(None, setting.slack_us, setting.unseen) if made.alone else made.setting
            self._engines[key] = made
        return report


def _loaded(header: Header, parts: Iterable[Part]) -> Loaded:
    records = collect(
        record
        for part in parts
        for record in (
            [EventLine(part.line + at, event) for at, event in enumerate(part.events)]
            if isinstance(part, Batch)
            else part.records()
            if isinstance(part, Usual | Paired | Tabled)
            else [part]
        )
    )
    return Loaded(header, records.events, records.problems, records.unknown, records.finish)
