"""The audit of one log, from its bytes to a report.

Owns the order of the work: one pass over the lines, each told to the story and, where the trace is
wanted or the log lacks nothing, as an event to whoever wants it and to the judge. Prints nothing,
opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from rhscheck.traces.audit.cases import noted
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.durations import Limits
from rhscheck.traces.audit.opinion import judgement_of_cases
from rhscheck.traces.audit.report import Judgement, LogReport, clock_text
from rhscheck.traces.audit.story import Story
from rhscheck.traces.audit.stretches import BLOCKS, Cut, Stretch, cuts, first_cut, put_back
from rhscheck.traces.clusterlog.line import About
from rhscheck.traces.logmap.read import LogReader
from rhscheck.traces.logmap.reading import Batch, Days, Tally
from rhscheck.traces.logmap.text import BLOCK_BYTES, Encoding
from rhscheck.traces.report import Finding

if TYPE_CHECKING:
    from rhscheck.traces.format import Event

# Called now and then with the number of bytes read.
Progress = Callable[[int], None]
_REPORT_EVERY = 20_000  # lines that were looked at
# So many lines, of so many blocks at most, are read before they are told. What is looked up in
# reading, and what in telling, push each other out of the processor's cache.
TOGETHER: Final = 10_000
_MOST_BLOCKS: Final = 64


@dataclass(slots=True)
class Read:
    """A log that was read, and not judged yet."""

    file: str
    mapping: str
    encoding: Encoding
    about: About
    tally: Tally
    story: Story

    def report(self, court: Court, judgement: Judgement | None = None) -> LogReport:
        """What the log shows. `judgement`: where it was held against the spec as one recording."""
        story, tally, about = self.story, self.tally, self.about
        if judgement is None:
            judgement = judged(story, court)
        return LogReport(
            file=self.file,
            mapping=self.mapping,
            encoding=self.encoding,
            about=about,
            tally=tally,
            events=story.events,
            resources=tuple(story.resources.values()),
            incidents=tuple(story.incidents),
            judgement=judgement,
            notes=(*court.logmap.notes, *_notes(tally, about, story, self.mapping)),
            advice=court.logmap.advice,
        )


def audit_log(
    stream: BinaryIO,
    *,
    file: str,
    number: int,
    court: Court,
    keep: Callable[[Event], None] | None = None,
    progress: Progress | None = None,
) -> LogReport:
    """Audit the log in `stream` (seekable), which is called `file` and is the `number`-th of them.

    `keep` is given each event. Raises LegacyFormat, and what reading the stream raises (OSError).
    """
    logmap = court.logmap
    if keep is None and logmap.facts.lossy:
        # Where lines may be missing each event is judged by itself, so no trace is needed.
        return read_log(stream, file=file, court=court, progress=progress).report(court)
    from rhscheck.traces.logmap.events import EventMaker  # noqa: PLC0415  loads the format

    reader = LogReader(logmap)
    audit = Audit(file, court)
    maker = EventMaker(file=number, lossy=logmap.facts.lossy)
    judge = None if logmap.facts.lossy else court.strict(file)
    for count, sighting in enumerate(reader.read(stream)):
        if count == 0:
            maker.host = reader.about.node or ""
        if progress is not None and count % _REPORT_EVERY == 0:
            progress(sighting.offset)
        audit.story.take(sighting)  # first: it may know what the line says
        audit.tally.count(sighting)
        if sighting.reading.told:
            for event in maker.events(sighting):
                if judge is not None:
                    judge.feed(sighting.line, event)
                if keep is not None:
                    keep(event)
    judgement = None if judge is None else judge.finish(reader.lines)
    return audit.finish(reader).report(court, judgement)


def read_log(
    stream: BinaryIO, *, file: str, court: Court, progress: Progress | None = None
) -> Read:
    """Read a log that may lack lines; `court` is asked for its summary only.

    Raises what `audit_log` raises.
    """
    reader = LogReader(court.logmap)
    audit = Audit(file, court)
    reader.begin(stream)
    for some in _together(reader.batches(stream)):
        for batch in some:
            audit.take(batch)
        if progress is not None:
            progress(stream.tell())
    return audit.finish(reader)


def _together(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """The batches, several at a time."""
    some: list[Batch] = []
    lines = 0
    for batch in batches:
        some.append(batch)
        lines += len(batch) + len(batch.odd)
        if lines >= TOGETHER or len(some) == _MOST_BLOCKS:
            yield some
            some, lines = [], 0
    yield some


def audit_stretches(
    stream: BinaryIO,
    *,
    file: str,
    court: Court,
    each: Callable[[Sequence[Cut]], Iterable[Stretch]],
    progress: Progress | None = None,
) -> LogReport:
    """The same as `audit_log`, of a log that may lack lines, with the help of others.

    `each` reads stretches of it (`read_stretch`) and gives them back in order.
    """
    reader = LogReader(court.logmap)
    audit = Audit(file, court)
    reader.begin(stream)
    size = stream.seek(0, 2)
    first = 0 if court.logmap.form != "clusterlog" else first_cut(stream, reader)
    if first:
        for batch in reader.batches(stream, 0, first):
            audit.take(batch)
    if not reader.within.debug:
        # The debug log is over, if there was any: there is nothing to share.
        stream.seek(0)
        return read_log(stream, file=file, court=court, progress=progress).report(court)
    for count, stretch in enumerate(each(cuts(size, first, reader.sniffed, reader.within)), 1):
        audit.take(put_back(stretch, reader.lines))
        reader.lines += stretch.lines
        reader.cut_lines += stretch.cut_lines
        reader.about.add(stretch.about)
        if progress is not None:
            progress(min(size, (first + count * BLOCKS) * BLOCK_BYTES))
    return audit.finish(reader).report(court)


@dataclass(slots=True)
class Audit:
    """The audit of one log, of which lines come in batches, in file order."""

    file: str
    court: Court
    tally: Tally = field(default_factory=Tally)
    days: Days = field(default_factory=Days)
    story: Story = field(init=False)

    def __post_init__(self) -> None:
        self.story = Story(limits_of(self.court), self.court.speaks_of)

    def take(self, batch: Batch) -> None:
        """The next lines that the mapping looks at."""
        for _, sighting in batch.odd:
            self.days.count(sighting)
        self.story.take_batch(batch)  # first: it may know what a line says
        self.tally.take(batch)

    def clock(self, reader: LogReader) -> Callable[[int | None], str | None]:
        """Times of the log as text, as far as it is read."""
        dated, local = self.tally.dated, reader.about.local_time
        return lambda time_us: clock_text(time_us, dated=dated, local=local)

    def findings(self) -> tuple[Finding, ...]:
        """What the spec does not allow of what is told so far."""
        opinion = self.court.opinions(self.story.cases)
        if not any(opinion[case].findings for case in self.story.cases):
            return ()
        return judged(self.story, self.court).findings

    def finish(self, reader: LogReader) -> Read:
        """The log is over; `reader` has read it."""
        story, tally = self.story, self.tally
        story.finish()
        tally.lines, tally.cut_lines = reader.lines, reader.cut_lines
        if story.latest_us is not None and (tally.last_us or 0) < story.latest_us:
            tally.last_us = story.latest_us
        mapping = self.court.logmap.name
        return Read(self.file, mapping, reader.encoding, reader.about, tally, story)


def judged(story: Story, court: Court) -> Judgement:
    """What the spec says of a log that may lack lines."""
    cases, spec = list(story.cases), court.summary
    seen = ((name, noted(one, cases)) for name, one in story.resources.items())
    opinion = court.opinions(cases)
    return judgement_of_cases(spec.name, spec.rules, seen, opinion, story.judged)


def limits_of(court: Court) -> Limits:
    """The spec's values of the parameters that the mapping names as limits.

    None where it names none, or one that the spec, chosen instead of the mapping's, does not have.
    """
    times, limits = court.summary.times_us, court.logmap.limits
    return Limits(times.get(limits.get("call", "")), times.get(limits.get("silence", "")))


def _notes(tally: Tally, about: About, story: Story, mapping: str) -> list[str]:
    """What must be known to read the report."""
    notes: list[str] = []
    if tally.lines and not tally.relevant:
        notes.append(
            f"no line is about resources as {mapping} knows them: is this the right "
            "file, and the right --map?"
        )
    if about.local_time:
        offset = f" (offset {about.offset})" if about.offset else ""
        notes.append(f"times are local{offset}; times inside messages are UTC all the same")
    if not tally.dated:
        notes.append("the lines have no date: times of day only")
    if tally.untimed:
        lines = "1 line has" if tally.untimed == 1 else f"{tally.untimed:,} lines have"
        notes.append(f"{lines} no time: only the order is known")
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
    if story.troubles.too_many:
        notes.append(f"{story.troubles.too_many:,} further incidents are not listed")
    return notes
