"""Reads a log through a mapping: which lines say something, when, and what.

Owns the walk over a file's lines: the prefilter, time stamps, which lines begin a record, and
sections. It needs memory for a block and a bounded cache, however long the file is. What the events
mean together is `audit.story`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, compress, islice
from operator import add
from typing import BinaryIO, Final, cast

import msgspec

from rhscheck.traces.clusterlog.line import (
    DEBUG_SECTION,
    LEVELS,
    RESOURCE_COMPONENTS,
    About,
    Line,
    begins_record,
    canonical,
    have_dates,
    is_legacy,
    parse_line,
    section,
)
from rhscheck.traces.logmap.compiled import Compiled
from rhscheck.traces.logmap.known import Known
from rhscheck.traces.logmap.language import LogMap, short_name, told
from rhscheck.traces.logmap.match import Matcher
from rhscheck.traces.logmap.pattern import Pattern, normalised
from rhscheck.traces.logmap.rapid import HEAD, SHORTEST, Rapid
from rhscheck.traces.logmap.reading import (
    DAY_US,
    Batch,
    Days,
    Reading,
    Sighting,
    batch_of,
    is_rising,
    shape_of,
)
from rhscheck.traces.logmap.sieve import Sieve
from rhscheck.traces.logmap.stamps import Stamps, times
from rhscheck.traces.logmap.text import (
    BLOCK_BYTES,
    Block,
    Encoding,
    Sniffed,
    blocks,
    decode,
    file_offset,
    line_feeds,
    look_at,
    sniff,
)
from rhscheck.traces.logmap.wrapped import MAX_JOINED, Part, Wrapped, part_of

MAX_CACHED: Final = 8192  # messages whose reading is remembered
MAX_KEY: Final = 600  # bytes of a message that is remembered
MAX_TEXT: Final = 2000  # characters of a message that are kept
# Lines at the beginning of the file, and of a section, that may tell about the log.
HEAD_LINES: Final = 200
SECTION_LINES: Final = 100
_DATED_BLOCKS: Final = 64  # of a log in which a time is looked for
_GAPS: Final = ("...", "…")
# How a line begins that nobody has touched, down to the message: of fixed width.
_USUAL = re.compile(
    rb"[0-9a-fA-F]{8}\.[0-9a-fA-F]{8}::\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.\d{3} "
    rb"(?:[A-Z]{4}  |[A-Z]{3}   )(?=\S)"
)
_LEVELS: Final = {b"%-6s" % name.encode(): level for name, level in LEVELS.items()}
_STAMP, _LEAD = 19, 43  # where the time and the level begin in such a line
_WIDTH: Final = 6  # of a level with the blanks behind it
# The end of a line that does not go on: a record begins, nothing stands in the next line or behind.
_ENDS: Final = rb"\r?(?:\n|\Z)|[^\n]{8}\.[^\n]{8}::\d|[0-9a-fA-F]{1,8}\.[0-9a-fA-F]{1,8}::\d"
_IS_ALONE = re.compile(rb"\n(?:%s)" % _ENDS)
_GOES_ON = re.compile(rb"\n(?!%s)" % _ENDS)
# The same where lines are not as usual: what else most records begin with, after blanks and such.
_ENDS_SOMEHOW = re.compile(
    rb"\n[ \t>*]{0,20}(?:\d{1,10}[: \t]\s?)?[ \t>*]{0,20}"
    rb"(?:[0-9a-fA-F]{1,8}\.[0-9a-fA-F]{1,8}::|\d\d:\d\d:\d\d\.\d{3}[ \t])"
)
# A line as far as a time of day stands in its beginning.
_TIMED = re.compile(rb"^[^\n]{0,120}?\d\d:\d\d:\d\d\.\d{3}", re.MULTILINE)


class LegacyFormat(Exception):  # noqa: N818 - not a fault of the file
    """The file is a cluster.log of Windows 2000 or 2003, which this mapping does not read."""


class Within(msgspec.Struct, frozen=True):
    """Where in a log with sections a line is: in the debug log, or how far in another section.

    `left`: lines of the section that may still tell about the log.
    """

    debug: bool = True
    left: int = 0


@dataclass(slots=True)
class LogReader:
    """One pass over one log, or over a part of it.

    `lines`, `cut_lines` (lines of which only the beginning was read) and `about` are complete when
    the pass is over.
    """

    logmap: LogMap
    sniffed: Sniffed = field(default=Sniffed("utf-8", 0))
    about: About = field(default_factory=About)
    within: Within = field(default=Within())
    lines: int = 0
    cut_lines: int = 0
    _matcher: Matcher | None = None
    _wrapped: Wrapped | None = None
    _sieves: tuple[Sieve, Rapid, Compiled] | None = None
    # Readings by level and message, those used lately and those before: half are forgotten at a
    # time. Apart from them those of which no rule knows.
    _cache: Known[Reading] = field(init=False)
    _before: dict[bytes, Reading] = field(default_factory=dict)
    _strange: dict[bytes, Reading] = field(default_factory=dict)
    _open: dict[bytes, bool] = field(default_factory=dict)  # whether further lines change a message
    _stamps: Stamps = field(default_factory=Stamps)

    def __post_init__(self) -> None:
        self._cache = Known(self._understood)

    @property
    def encoding(self) -> Encoding:
        """The file's encoding."""
        return self.sniffed.encoding

    @property
    def _is_strict(self) -> bool:
        """Whether the log is to have every line."""
        return not self.logmap.facts.lossy

    def begin(self, stream: BinaryIO) -> None:
        """Find out what kind of file it is. `stream` must be seekable, and stays where it is.

        Raises LegacyFormat, and what reading raises (OSError).
        """
        self.sniffed, sample = look_at(stream, pass_zeros=not self._is_strict)
        self._look(sample)
        if self.logmap.form == "clusterlog" and self.sniffed.dated is None:
            # The header may be longer than the sample.
            start = stream.tell()
            for block in islice(blocks(stream, self.sniffed), _DATED_BLOCKS):
                self._look_for_dates(block)
                if self.sniffed.dated is not None:
                    break
            else:
                self.sniffed = msgspec.structs.replace(self.sniffed, dated=True)
            stream.seek(start)

    def begin_with(self, beginning: bytes) -> None:
        """Find out what kind of file it is that begins so; more may come.

        Raises LegacyFormat.
        """
        self.sniffed = sniff(beginning)
        self._look(beginning[self.sniffed.mark :])

    def read(self, stream: BinaryIO) -> Iterator[Sighting]:
        """The lines that the mapping looks at, in file order, each with its place in the file.

        Raises what `begin` raises.
        """
        self.begin(stream)
        days = Days()
        sieve = _sieve(self.logmap.prefilter, self.encoding)
        for block in blocks(stream, self.sniffed):
            for sighting in self._block(block, sieve):
                days.count(sighting)
                yield sighting

    def batches(self, stream: BinaryIO, first: int = 0, last: int | None = None) -> Iterator[Batch]:
        """The same of the blocks `first` to `last`, faster: usual lines are told in columns.

        Call `begin` before. Times without a date are left as they stand.
        """
        for block in blocks(stream, self.sniffed, first, last):
            yield self.read_block(block)

    def read_block(self, block: Block) -> Batch:
        """The lines of the next block that the mapping looks at. `sniffed` must be known."""
        if self._sieves is None:
            texts = _encoded(self.logmap.prefilter, self.encoding)
            self._sieves = Sieve(texts), Rapid(texts), Compiled(texts)
        sieve, rapid, compiled = self._sieves
        if self.sniffed.dated is None:
            self._look_for_dates(block)
        if (
            self.logmap.form == "clusterlog"
            and self.within.debug
            and self.sniffed.dated is not False
        ):
            found = None
            if compiled.usable:
                found = self._compiled(block, compiled)
            elif rapid.usable:
                found = self._rapid(block, sieve, rapid)
            if found is not None:
                return found
        return batch_of(self._block(block, sieve))

    def _block(self, block: Block, sieve: Sieve) -> list[Sighting]:
        """The lines of the next block, one by one."""
        first = self.lines + 1
        self.lines += line_feeds(block.data)
        self.cut_lines += block.cut
        if self.logmap.form == "clusterlog":
            return self._cluster_block(block, sieve, first)
        return list(self._plain_block(block, self.logmap.form, sieve, first))

    def _look(self, sample: bytes) -> None:
        """Look at the beginning of the text: whether times have dates. Raises LegacyFormat."""
        if self.logmap.form != "clusterlog":
            return
        if self.encoding in ("utf-16-le", "utf-16-be"):
            lines = sample.decode(self.encoding, "replace").splitlines()
        else:
            lines = decode(sample, self.encoding).splitlines()
        if is_legacy(lines[:200]):
            raise LegacyFormat
        self.sniffed = msgspec.structs.replace(self.sniffed, dated=have_dates(lines))

    def _look_for_dates(self, block: Block) -> None:
        """Look at times further down: whether they have dates."""
        heads = (decode(found[0], self.encoding) for found in _TIMED.finditer(block.data))
        self.sniffed = msgspec.structs.replace(self.sniffed, dated=have_dates(heads))

    # ---- what the log says about itself --------------------------------------------------------
    def _learn_head(self, block: Block, first: int) -> None:
        """Take in what the first lines of the file say about it; `first` is that of the block."""
        if block.offset < BLOCK_BYTES and first <= HEAD_LINES:
            self._learn(block.data, 0, len(block.data), HEAD_LINES - first + 1)

    def _learn(self, data: bytes, start: int, stop: int, most: int) -> int:
        """Take in up to `most` lines that may say something about the log; how many there were."""
        count, at = 0, start
        while at < stop and count < most:
            end = data.find(b"\n", at, stop)
            end = stop if end < 0 else end
            if not data.startswith(b"[===", at):
                self.about.learn(decode(data[at : min(end, at + 1000)], self.encoding))
            count, at = count + 1, end + 1
        return count

    # ---- cluster.log ---------------------------------------------------------------------------
    def _cluster_block(self, block: Block, sieve: Sieve, first: int) -> list[Sighting]:
        data = block.data
        found: list[Sighting] = []
        self._learn_head(block, first)
        start = 0
        if b"[===" in data:
            for heading in re.finditer(rb"^\[=== [^\n]{1,300}", data, re.MULTILINE):
                found += self._cluster_part(data, sieve, start, heading.start(), first)
                first += data.count(b"\n", start, heading.end())
                name = section(decode(heading[0], self.encoding))
                if name is not None:
                    self.within = Within(name == DEBUG_SECTION, SECTION_LINES)
                start = heading.end()
        found += self._cluster_part(data, sieve, start, len(data), first)
        for sighting in found:
            sighting.offset = file_offset(block, sighting.offset, self.encoding)
        return found

    def _cluster_part(
        self, data: bytes, sieve: Sieve, start: int, stop: int, line: int
    ) -> list[Sighting]:
        """The lines of a section, or of a part of one; `line` is the number of the first."""
        if self.within.debug:
            return self._hits(data, sieve, start, stop, line)
        if self.within.left and stop > start:
            # The rest of a heading's line is the first.
            known = self._learn(data, start, stop, self.within.left)
            self.within = Within(False, self.within.left - known)
        return []

    def _hits(
        self, data: bytes, sieve: Sieve, start: int, stop: int, line: int, done: int = 0
    ) -> list[Sighting]:
        """The lines of a part of the debug log, with their places in `data` as offsets.

        `line` is the number of the line that `start` is in. Those before `done` are part of records
        that are read already.
        """
        found: list[Sighting] = []
        counted, end = start, start - 1
        for at in sieve.hits(data, start, stop):
            if at < end:  # a second hit in the same line
                continue
            begin = data.rfind(b"\n", 0, at) + 1
            end = data.find(b"\n", at if at > begin else begin)
            line += data.count(b"\n", counted, begin)
            counted = max(begin, counted)
            if line < done:
                continue
            sighting = self._line(data, begin, end, line)
            if sighting is not None:
                sighting.offset = begin
                done = line + sighting.lines
                if self.sniffed.dated is False and sighting.time_us is not None:
                    sighting.time_us, sighting.dated = sighting.time_us % DAY_US, False
                found.append(sighting)
        return found

    def _compiled(self, block: Block, compiled: Compiled) -> Batch | None:
        """The lines of the next block by columns; None: it has to be read line by line."""
        first, data = self.lines + 1, block.data
        found = compiled.read(data, first, self._cache, self._understood)
        if found is None:
            return None
        lines, times, processes, readings, unusual, rising, count = found
        self.lines += count
        self.cut_lines += block.cut
        self._learn_head(block, first)
        odd: list[tuple[int, Sighting]] = []
        done = 0
        for before, begin, end, line in unusual:
            if line < done:
                continue  # part of the record before
            sighting = self._line(data, begin, end, line)
            if sighting is not None:
                done = line + sighting.lines
                odd.append((before, sighting))
        return Batch(lines, times, processes, readings, odd, rising)

    def _rapid(self, block: Block, sieve: Sieve, rapid: Rapid) -> Batch | None:
        """The lines of the next block by columns; None: it has to be read line by line."""
        data = b"\n" + block.data
        columns = rapid.split(data)
        if columns is None:
            return None
        between, processes, seconds, thousandths, messages = columns
        pids, bases, fractions, odd_stamps = self._stamps.columns(processes, seconds, thousandths)
        self._cache.failed = False
        readings = self._cache.column(messages)
        strange: list[int] = []
        goes_on = _GOES_ON.search(data, 1) is not None
        if odd_stamps or self._cache.failed or goes_on:
            every = zip(readings, pids, bases, fractions, between[1:], strict=True)
            strange = [
                at
                for at, one in enumerate(every)
                if None in one or (goes_on and one[4] and _IS_ALONE.match(one[4]) is None)
            ]
            for at in strange:
                if b"\n" in processes[at] or b"\n" in seconds[at] or b"\n" in thousandths[at]:
                    return None  # two lines, the first of them a short one
        # As `line_feeds` does it, without a call for each.
        counts = [len(text) - len(text.replace(b"\n", b"")) if text else 0 for text in between]
        first = self.lines + 1
        self.lines += len(messages) + sum(counts) - 1
        self.cut_lines += block.cut
        self._learn_head(block, first)
        lines = list(map(add, accumulate(counts), range(first, first + len(messages))))
        odd: list[tuple[int, Sighting]] = []
        if strange or sieve.wants(b"".join(between)):
            odd = self._odd(data, sieve, between, messages, lines, first, strange)
        if strange:
            usual = [True] * len(lines)
            for at in strange:
                usual[at] = False
            lines, readings = list(compress(lines, usual)), list(compress(readings, usual))
            pids, bases = list(compress(pids, usual)), list(compress(bases, usual))
            fractions = list(compress(fractions, usual))
        rising = is_rising(cast(list[int], bases))
        stamps = times(bases, fractions)
        return Batch(
            lines, stamps, cast(list[int], pids), cast(list[Reading], readings), odd, rising
        )

    def _odd(
        self,
        data: bytes,
        sieve: Sieve,
        between: Sequence[bytes],
        messages: Sequence[bytes],
        lines: Sequence[int],
        first: int,
        strange: Sequence[int],
    ) -> list[tuple[int, Sighting]]:
        """The lines of a block that are not in its columns, and how many that are come before.

        `strange`: the places in the columns of lines that are not as usual after all.
        """
        odd: list[tuple[int, Sighting]] = []
        starts = [0, *accumulate(map(add, map(len, between), map(len, messages)))]
        holes = {at for at, text in enumerate(between) if text and sieve.wants(text)}
        passed, done, strangers = 0, 0, set(strange)
        for at in sorted(strangers | holes):
            # A line feed is in front of each line; so the first of them is in front of the block.
            start = starts[at] + HEAD * at
            stop = start + len(between[at])
            if at in holes:
                line = lines[at - 1] + 1 if at else first
                found = self._hits(data, sieve, start + 1, stop, line, done)
                odd += [(at - passed, sighting) for sighting in found]
                done = found[-1].line + found[-1].lines if found else done
            if at in strangers:
                passed += 1
                end = stop + HEAD + len(messages[at])
                # The component may stand in the next line, behind the beginning of this one.
                if len(messages[at]) < SHORTEST and not sieve.wants(data[stop:end]):
                    continue
                sighting = self._line(data, stop + 1, end, lines[at])
                if sighting is not None:
                    done = lines[at] + sighting.lines
                    odd.append((at + 1 - passed, sighting))
        return odd

    def _line(self, data: bytes, begin: int, end: int, line: int) -> Sighting | None:
        """What a line says. None: it only continues a record, or says nothing."""
        usual = _USUAL.match(data, begin, end)
        if usual is None:
            return self._cluster_line(data, begin, end, line)
        key = data[begin + _LEAD : end]
        reading = self._cache.known(key) or self._strange.get(key)
        if reading is None or not (is_alone(data, end) or self._is_over(key, reading, data, end)):
            return self._cluster_line(data, begin, end, line)
        time_us = self._stamps.time(data[begin + _STAMP : begin + _LEAD])
        pid = self._stamps.process(data[begin : begin + 8])
        if time_us is None or pid is None:
            return self._cluster_line(data, begin, end, line)
        return Sighting(line, begin, time_us, pid, data[begin + 9 : begin + 17], reading)

    def _understood(self, key: bytes) -> Reading | None:
        """What a level and a message say that is not in the cache; None if no rule knows them."""
        reading = self._known(key)
        if reading is not None or key in self._strange:
            return reading
        level = _LEVELS.get(key[:_WIDTH])
        if level is None or key[_WIDTH : _WIDTH + 1].isspace() or len(key) == _WIDTH:
            return None
        reading = self._reading(canonical(decode(key[_WIDTH:], self.encoding)), level)
        if reading.shape is None:
            self._remember(key, reading)
            return reading
        if len(self._strange) >= MAX_CACHED:
            self._strange.clear()
        if len(key) <= MAX_KEY:
            self._strange[key] = reading
        return None

    def _is_over(self, key: bytes, reading: Reading, data: bytes, end: int) -> bool:
        """Whether no line behind `end` can change what this level and message say."""
        may_go_on = self._open.get(key)
        message = ""
        if may_go_on is None or (may_go_on and reading.shape is not None):
            message = decode(key[_WIDTH:], self.encoding)
        if may_go_on is None:
            may_go_on = self._joins().may_go_on(message)
            if len(self._open) >= MAX_CACHED:
                self._open.clear()
            if len(key) <= MAX_KEY:
                self._open[key] = may_go_on
        if may_go_on and reading.shape is not None:
            ahead = _ahead(data, end, self.encoding)
            may_go_on = self._joins().may_become(message, ahead)
        return not may_go_on

    def _cluster_line(self, data: bytes, begin: int, end: int, line: int) -> Sighting | None:
        """Any line, however much of it is missing. None: it only continues a record."""
        raw = decode(data[begin:end], self.encoding).lstrip("\0").rstrip("\r")
        text = raw.strip()
        if text in _GAPS:
            gap = Reading((told("gap", {"why": "lines were left out"}),), None, "...", None)
            return Sighting(line, 0, None, None, None, gap)
        parsed = parse_line(text)
        if parsed is None:
            # A line that lost its beginning may still be one that the mapping knows.
            reading = self._reading(normalised(text), None)
            if reading.shape is not None and not any(one in text for one in RESOURCE_COMPONENTS):
                return None
            return Sighting(line, 0, None, None, None, reading)
        reading, joined, choices = self._record(data, end, raw, parsed)
        undated = self.sniffed.dated is False
        return Sighting(
            line,
            0,
            parsed.time_us if parsed.dated or undated else None,
            parsed.pid,
            None if parsed.tid is None else b"%x" % parsed.tid,
            reading,
            channel=parsed.channel,
            lines=joined,
            dated=not undated,
            choices=choices,
        )

    def _record(
        self, data: bytes, end: int, raw: str, parsed: Line
    ) -> tuple[Reading, int, tuple[Reading, ...]]:
        """What a record says that begins with the line `raw`, which ends at `end`.

        And how many lines it has; and if that cannot be told from the record alone, what it may
        say.
        """
        message = parsed.message
        if is_alone(data, end) or _ENDS_SOMEHOW.match(data, end) is not None:
            return self._reading(canonical(message), parsed.level), 1, ()
        found = self._joins().readings(
            message, lambda: _ahead(data, end, self.encoding), lambda: self._further(data, end, raw)
        )
        lines = max((one.lines for one in found), default=1)
        choices = tuple(
            [
                Reading(
                    one.told,
                    parsed.level,
                    one.message[:MAX_TEXT],
                    None,
                    one.rule.line,
                    rcm=one.message.startswith("[RCM]"),
                )
                for one in found
            ]
        )
        if len(choices) == 1:
            return choices[0], lines, ()
        message = canonical(message)
        unknown = Reading((), parsed.level, message[:MAX_TEXT], shape_of(message))
        return unknown, lines, choices

    def _further(self, data: bytes, end: int, before: str) -> list[Part]:
        """The lines behind `end` that may continue the record whose last line is `before`."""
        quoted = before.lstrip().startswith(">")
        parts: list[Part] = []
        at = end + 1
        while 0 < at < len(data) and len(parts) < MAX_JOINED - 1:
            stop = data.find(b"\n", at)
            raw = decode(data[at : stop if stop >= 0 else len(data)], self.encoding)
            raw = raw.lstrip("\0").rstrip("\r")
            if quoted:
                raw = raw.lstrip().removeprefix("> ").removeprefix(">")
            text = raw.strip()
            if not text or text in _GAPS or text.startswith("[===") or begins_record(text):
                break
            parts.append(part_of(before, raw))
            before, at = raw, stop + 1
        return parts

    # ---- logs of other kinds -------------------------------------------------------------------
    def _plain_block(
        self, block: Block, form: Pattern, sieve: Sieve, first: int
    ) -> Iterator[Sighting]:
        at = 0
        # Where every line counts, one that cannot be read may have said anything.
        strict = self._is_strict
        for number, raw in enumerate(block.data.split(b"\n")[:-1], first):
            begin, at = at, at + len(raw) + 1
            spoilt = strict and (b"\0" in raw or raw.strip() == b"..." or block.cut)
            if not raw or not (spoilt or sieve.wants(raw)):
                continue
            text = normalised(decode(raw, self.encoding))
            if not text:
                continue
            fields = None if spoilt else form.match(text, self.logmap.tables)
            where = file_offset(block, begin, self.encoding)
            if fields is None:
                if strict:
                    why = "a line that is cut short or damaged"
                    lost = Reading((told("gap", {"why": why}),), None, text[:MAX_TEXT], None)
                    yield Sighting(number, where, None, None, None, lost)
                continue
            level = fields.get("level")
            reading = self._reading(
                str(fields.get("text", "")), None if level is None else str(level)
            )
            if strict and reading.shape is not None:
                reading.told = (
                    told("gap", {"why": "a message that no rule of the mapping knows"}),
                )
            time_us = fields.get("time")
            pid, tid, host, res = (fields.get(key) for key in ("pid", "tid", "host", "res"))
            yield Sighting(
                number,
                where,
                time_us if isinstance(time_us, int) else None,
                pid if isinstance(pid, int) else None,
                b"%x" % tid if isinstance(tid, int) and tid >= 0 else None,
                reading,
                host=None if host is None else str(host),
                res=None if res is None else short_name(str(res)),
                dated=not _is_clock(form),
            )

    # ---- messages ------------------------------------------------------------------------------
    def _reading(self, message: str, level: str | None) -> Reading:
        """What a message says."""
        found = self._matched().read(_plain(message))
        if found is None:
            return Reading((), level, message[:MAX_TEXT], shape_of(message))
        rcm = message.startswith("[RCM]")
        return Reading(found[1], level, message[:MAX_TEXT], None, found[0].line, rcm=rcm)

    def _matched(self) -> Matcher:
        if self._matcher is None:
            self._matcher = Matcher(self.logmap)
        return self._matcher

    def _joins(self) -> Wrapped:
        if self._wrapped is None:
            self._wrapped = Wrapped(
                self.logmap, lambda text: _plain(canonical(text)), self._matched().read
            )
        return self._wrapped

    def _known(self, key: bytes) -> Reading | None:
        """A message that was read before."""
        known = self._before.get(key)
        if known is not None:
            self._remember(key, known)
        return known

    def _remember(self, key: bytes, reading: Reading) -> None:
        if len(self._cache) >= MAX_CACHED:
            self._before = dict(self._cache)
            self._cache.clear()
        if len(key) <= MAX_KEY:
            self._cache[key] = reading


def _plain(message: str) -> str:
    """The message without Markdown's emphasis."""
    return message.replace("**", "") if "**" in message else message


def is_alone(data: bytes, end: int) -> bool:
    """Whether nothing stands in the next line that may continue the one that ends here."""
    return end + 1 >= len(data) or _IS_ALONE.match(data, end) is not None


def _ahead(data: bytes, end: int, encoding: Encoding) -> str:
    """The lines behind `end` as far as they may continue the one that ends there, or more."""
    stop = end
    for _ in range(MAX_JOINED - 1):
        stop = data.find(b"\n", stop + 1)
        if stop < 0:
            return decode(data[end:], encoding)
    return decode(data[end:stop], encoding)


def _is_clock(form: Pattern) -> bool:
    return any(part.name == "time" and part.kind == "clock" for part, _ in form.parts)


def _sieve(prefilter: tuple[str, ...], encoding: Encoding) -> Sieve:
    return Sieve(_encoded(prefilter, encoding))


def _encoded(prefilter: tuple[str, ...], encoding: Encoding) -> list[bytes]:
    texts = [text.encode("windows-1252", "replace") for text in prefilter]
    if encoding == "windows-1252":
        return texts
    # In UTF-8 there may be windows-1252, too.
    more = texts if encoding == "utf-8" else []
    return list(dict.fromkeys([*(text.encode("utf-8") for text in prefilter), *more]))
