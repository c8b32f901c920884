"""Judging a recorded run event by event: the door through which events reach the replayer.

`Judge` takes a System, a header and options, is fed the lines of one recording in file order, and
says at the end what was found. Whoever has events (a trace file, a mapped log, a simulation) uses
this; whoever has a whole file uses `traces.replay`. Owns the order of these calls and what the
options mean; it prints nothing and reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from rhscheck.spec.expr import StepKind
from rhscheck.spec.system import System
from rhscheck.traces.format import Event, EventLine, Finish, Header, Loaded, Malformed, UnknownLine
from rhscheck.traces.replay import replay
from rhscheck.traces.report import TraceReport


@dataclass(frozen=True, slots=True)
class Options:
    """How a recording is to be held against a spec.

    `slack_us`: how late a step may be (trace time); None: what the header says. `unseen`: events
    (kind, name or None for all of the kind) that may happen without a line about them, because
    the log does not always have one; the trace block's `hide` comes on top. `n`: the number of
    instances; None: what the header says, or else as many as are mentioned.
    """

    slack_us: int | None = None
    unseen: tuple[tuple[StepKind, str | None], ...] = ()
    n: int | None = None


@dataclass(slots=True)
class Judge:
    """Judges one recording. Feed its lines in order, then call `finish` once."""

    system: System
    header: Header | None
    options: Options = Options()
    file: str = ""
    _events: list[EventLine] = field(default_factory=list)
    _problems: list[Malformed] = field(default_factory=list)
    _unknown: list[UnknownLine] = field(default_factory=list)

    def feed(self, line: int, event: Event) -> None:
        """The next event, which stands on `line` (from 1) of the recording."""
        self._events.append(EventLine(line, event))

    def unreadable(self, problem: Malformed | UnknownLine) -> None:
        """The next line is no event that can be understood: something may be missing here."""
        if isinstance(problem, Malformed):
            self._problems.append(problem)
        else:
            self._unknown.append(problem)

    def finish(self, finish: Finish | None = None) -> TraceReport:
        """The verdict. `finish` says how the recording ended; None: nobody knows.

        Raises ReplayError where the System has no run to compare with.
        """
        header = self.header
        if header is not None and self.options.slack_us is not None:
            header = msgspec.structs.replace(header, slack_us=self.options.slack_us)
        last = self._events[-1].line if self._events else 0
        ending = finish or Finish("missing", last, len(self._events), "there is no end line")
        loaded = Loaded(
            header, tuple(self._events), tuple(self._problems), tuple(self._unknown), ending
        )
        system = self.system
        if self.options.unseen:
            hidden = (*system.trace.hidden, *self.options.unseen)
            system = replace(system, trace=replace(system.trace, hidden=hidden))
        return replay(system, loaded, file=self.file, n=self.options.n)
