"""Does the spec allow this recorded run? A whole trace, held against a System.

Owns how the records of a loaded trace file reach the judge: in the order of their lines, with what
could not be read where it stands. What is judged, and how, is `traces.judge`'s.
"""

from __future__ import annotations

from dataclasses import replace

from rhscheck.spec.system import System
from rhscheck.traces.format import EventLine, Loaded, Malformed, UnknownLine
from rhscheck.traces.judge import Judge, Options, ReplayError
from rhscheck.traces.report import TraceReport

__all__ = ["ReplayError", "replay"]


def replay(
    system: System,
    loaded: Loaded,
    *,
    file: str,
    n: int | None = None,
    options: Options | None = None,
) -> TraceReport:
    """Judge one trace by `system` (with its rules and assumptions, nothing woven in).

    `file` is what the report calls the trace. `n` overrides the number of instances; without it the
    header says it, or else the highest instance that is mentioned. Raises ReplayError where there
    is no System of so many instances, or it has no initial state.
    """
    chosen = options or Options()
    if n is not None:
        chosen = replace(chosen, n=n)
    judge = Judge(system, loaded.header, chosen, file)
    lines: list[EventLine | Malformed | UnknownLine]
    lines = [*loaded.events, *loaded.problems, *loaded.unknown]
    for one in sorted(lines, key=lambda line: line.line):
        if isinstance(one, EventLine):
            judge.feed(one.line, one.event)
        else:
            judge.unreadable(one)
    return judge.finish(loaded.finish)
