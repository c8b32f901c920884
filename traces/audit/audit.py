"""The audit of one log, from its bytes to a report.

Owns the order of the work: one pass over the lines, each told to the story and, as an event, to
whoever wants the trace and to the judge. Prints nothing, opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import msgspec

from rhscheck.spec.system import System
from rhscheck.traces.audit.judge import bench
from rhscheck.traces.audit.report import LogReport
from rhscheck.traces.audit.story import Limits, Story
from rhscheck.traces.engine import Engine
from rhscheck.traces.format import Event
from rhscheck.traces.logmap.events import EventMaker, log_header
from rhscheck.traces.logmap.language import LogMap
from rhscheck.traces.logmap.read import LogReader

# Called now and then with the number of bytes read.
Progress = Callable[[int], None]
_REPORT_EVERY = 20_000  # lines that were looked at


def audit_log(
    stream: BinaryIO,
    *,
    file: str,
    number: int,
    logmap: LogMap,
    system: System,
    engine: Engine | None = None,
    keep: Callable[[Event], None] | None = None,
    progress: Progress | None = None,
) -> tuple[LogReport, Engine | None]:
    """Audit the log in `stream` (seekable), which is called `file` and is the `number`-th of them.

    `keep` is given each event. `engine`: what this returned for an earlier log with the same
    System and mapping, so that the spec is compiled once. Raises LegacyFormat, and what reading the
    stream raises (OSError).
    """
    reader = LogReader(logmap)
    story = Story(limits_of(logmap, system))
    maker = EventMaker(file=number, lossy=logmap.facts.lossy)
    header = log_header(logmap, {"": True}, source=logmap.name, tool="")
    judge = bench(system, logmap, msgspec.structs.replace(header, spec=""), file, engine)
    # Where lines may be missing each event is judged by itself, so once is enough.
    repeats = keep is not None or not logmap.facts.lossy
    for count, sighting in enumerate(reader.read(stream)):
        if count == 0:
            maker.host = reader.about.node or ""
        if progress is not None and count % _REPORT_EVERY == 0:
            progress(sighting.offset)
        story.take(sighting)
        reading = sighting.reading
        if reading.told and (repeats or not reading.judged):
            reading.judged = True
            for event in maker.events(sighting):
                judge.feed(sighting.line, event)
                if keep is not None:
                    keep(event)
    story.finish()
    report = LogReport(
        file=file,
        mapping=logmap.name,
        encoding=reader.encoding,
        about=reader.about,
        tally=reader.tally,
        events=story.events,
        resources=tuple(story.resources.values()),
        incidents=tuple(story.incidents),
        judgement=judge.finish(reader.tally.lines),
        notes=tuple(_notes(reader, story)),
        advice=logmap.advice,
    )
    return report, judge.engine


def limits_of(logmap: LogMap, system: System) -> Limits:
    """The spec's values of the parameters that the mapping names as limits."""
    times = {one.name: one.value * system.unit_us for one in system.constants if one.is_time}
    usual = Limits()
    return Limits(
        times.get(logmap.limits.get("call", ""), usual.call_us),
        times.get(logmap.limits.get("silence", ""), usual.silence_us),
    )


def _notes(reader: LogReader, story: Story) -> list[str]:
    """What must be known to read the report."""
    tally, about = reader.tally, reader.about
    notes: list[str] = []
    if tally.lines and not tally.relevant:
        notes.append(
            f"no line is about resources as {reader.logmap.name} knows them: is this the right "
            "file, and the right --map?"
        )
    if about.local_time:
        offset = f" (offset {about.offset})" if about.offset else ""
        notes.append(f"times are local{offset}; times inside messages are UTC all the same")
    if not tally.dated:
        notes.append("the lines have no date: times of day only")
    if tally.untimed:
        notes.append(f"of {tally.untimed:,} of the lines read only the order is known, no time")
    if tally.cut_lines:
        notes.append(f"only the beginning was read of lines that are too long: {tally.cut_lines:,}")
    if story.gaps:
        first = story.gaps[0].line
        notes.append(f"lines were left out, first in line {first}: nothing is concluded across it")
    if story.backwards:
        first = story.backwards[0].line
        notes.append(
            f"the time goes back, first in line {first}: these are several recordings, "
            "and nothing is concluded from one to the next"
        )
    if story.too_many_resources:
        notes.append(
            f"{story.too_many_resources:,} events belong to resources beyond the first "
            f"{len(story.resources):,}, which are not followed"
        )
    if story.too_many_incidents:
        notes.append(f"{story.too_many_incidents:,} further incidents are not listed")
    return notes
