"""Reads a log through a mapping: which lines say something, when, and what.

Owns the walk over a file's lines: the prefilter, time stamps, records of several lines and
sections. It needs memory for a block and a bounded cache, however long the file is. What the events
mean together is `audit.story`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, compress
from operator import add
from typing import BinaryIO, Final, cast

import msgspec

from rhscheck.traces.clusterlog.line import (
    DEBUG_SECTION,
    LEVELS,
    About,
    canonical,
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
    read_sample,
    sniff,
)

MAX_CACHED: Final = 8192  # messages whose reading is remembered
MAX_JOINED: Final = 8  # lines that one record may be wrapped over
MAX_KEY: Final = 600  # bytes of a message that is remembered
MAX_TEXT: Final = 2000  # characters of a message that are kept
# Lines at the beginning of the file, and of a section, that may tell about the log.
HEAD_LINES: Final = 200
SECTION_LINES: Final = 100
# How a line begins that nobody has touched, down to the message: of fixed width.
_USUAL = re.compile(
    rb"[0-9a-fA-F]{8}\.[0-9a-fA-F]{8}::\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.\d{3} "
    rb"(?:[A-Z]{4}  |[A-Z]{3}   )(?=\S)"
)
_LEVELS: Final = {b"%-6s" % name.encode(): level for name, level in LEVELS.items()}
_STAMP, _LEAD = 19, 43  # where the time and the level begin in such a line
_WIDTH: Final = 6  # of a level with the blanks behind it
_BEGINS = re.compile(rb"[0-9a-fA-F]{1,8}\.[0-9a-fA-F]{1,8}::\d")


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
    _sieves: tuple[Sieve, Rapid, Compiled] | None = None
    # Readings by level and message, those used lately and those before: half are forgotten at a
    # time. Apart from them those of which no rule knows.
    _cache: Known[Reading] = field(init=False)
    _before: dict[bytes, Reading] = field(default_factory=dict)
    _strange: dict[bytes, Reading] = field(default_factory=dict)
    _stamps: Stamps = field(default_factory=Stamps)

    def __post_init__(self) -> None:
        self._cache = Known(self._understood)

    @property
    def encoding(self) -> Encoding:
        """The file's encoding."""
        return self.sniffed.encoding

    def begin(self, stream: BinaryIO) -> None:
        """Find out what kind of file it is. `stream` must be seekable, and stays where it is.

        Raises LegacyFormat, and what reading raises (OSError).
        """
        sample = read_sample(stream)
        self.sniffed = sniff(sample)
        self.refuse_legacy(sample)

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
        if self.logmap.form == "clusterlog" and self.within.debug:
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

    def refuse_legacy(self, sample: bytes) -> None:
        """Raise LegacyFormat if a log that begins with `sample` is of Windows 2000 or 2003."""
        if self.logmap.form != "clusterlog":
            return
        text = sample[self.sniffed.mark :]
        if self.encoding in ("utf-16-le", "utf-16-be"):
            lines = text.decode(self.encoding, "replace").splitlines()
        else:
            lines = decode(text, self.encoding).splitlines()
        if is_legacy(lines[:200]):
            raise LegacyFormat

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

    def _hits(self, data: bytes, sieve: Sieve, start: int, stop: int, line: int) -> list[Sighting]:
        """The lines of a part of the debug log, with their places in `data` as offsets.

        `line` is the number of the line that `start` is in.
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
            sighting = self._line(data, begin, end, line)
            if sighting is not None:
                sighting.offset = begin
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
        for before, begin, end, line in unusual:
            sighting = self._line(data, begin, end, line)
            if sighting is not None:
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
        if odd_stamps or self._cache.failed:
            every = zip(readings, pids, bases, fractions, strict=True)
            strange = [at for at, one in enumerate(every) if None in one]
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
        passed, strangers = 0, set(strange)
        for at in sorted(strangers | holes):
            # A line feed is in front of each line; so the first of them is in front of the block.
            start = starts[at] + HEAD * at
            stop = start + len(between[at])
            if at in holes:
                line = lines[at - 1] + 1 if at else first
                found = self._hits(data, sieve, start + 1, stop, line)
                odd += [(at - passed, sighting) for sighting in found]
            if at in strangers:
                passed += 1
                end = stop + HEAD + len(messages[at])
                # The component may stand in the next line, behind the beginning of this one.
                if len(messages[at]) < SHORTEST and not sieve.wants(data[stop:end]):
                    continue
                sighting = self._line(data, stop + 1, end, lines[at])
                if sighting is not None:
                    odd.append((at + 1 - passed, sighting))
        return odd

    def _line(self, data: bytes, begin: int, end: int, line: int) -> Sighting | None:
        """What a line says. None: it only continues a record, or says nothing."""
        usual = _USUAL.match(data, begin, end)
        if usual is None:
            return self._cluster_line(data, begin, end, line)
        key = data[begin + _LEAD : end]
        reading = self._cache.known(key)
        if reading is None:
            # What is not understood may go on in the next line.
            reading = self._strange.get(key)
            if reading is None or not self._is_alone(data, end):
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

    def _is_alone(self, data: bytes, end: int) -> bool:
        """Whether the line that ends here cannot go on in the next."""
        return end + 1 >= len(data) or _BEGINS.match(data, end + 1) is not None

    def _cluster_line(self, data: bytes, begin: int, end: int, line: int) -> Sighting | None:
        """Any line, however much of it is missing. None: it only continues a record."""
        text = decode(data[begin:end], self.encoding).strip()
        if text in ("...", "…"):
            gap = Reading((told("gap", {"why": "lines were left out"}),), None, "...", None)
            return Sighting(line, 0, None, None, None, gap)
        parsed = parse_line(text)
        joined = 1
        if parsed is None:
            # A line that lost its beginning may still be one that the mapping knows.
            reading = self._reading(normalised(text), None)
            if reading.shape is not None:
                return None
            return Sighting(line, 0, None, None, None, reading)
        reading = self._reading(canonical(parsed.message), parsed.level)
        if reading.shape is not None:
            wrapped, lines = self._wrapped(data, end, parsed.message, parsed.level)
            if wrapped is not None:
                reading, joined = wrapped, lines
        return Sighting(
            line,
            0,
            parsed.time_us,
            parsed.pid,
            None if parsed.tid is None else b"%x" % parsed.tid,
            reading,
            channel=parsed.channel,
            lines=joined,
            dated=parsed.dated,
        )

    def _wrapped(
        self, data: bytes, end: int, message: str, level: str | None
    ) -> tuple[Reading | None, int]:
        """The record together with the lines that continue it, if only so it is understood."""
        parts = [message]
        at = end + 1
        while 0 < at < len(data) and len(parts) < MAX_JOINED:
            stop = data.find(b"\n", at)
            text = decode(data[at:stop], self.encoding).strip("\r\n ")
            if not text or text == "..." or parse_line(text) is not None:
                break
            parts.append(text)
            at = stop + 1
        # Wrapped between words, or wherever the width of a page was used up.
        for count in range(len(parts), 1, -1):
            for glue in (" ", ""):
                reading = self._reading(canonical(glue.join(parts[:count])), level)
                if reading.shape is None:
                    return reading, count
        return None, 1

    # ---- logs of other kinds -------------------------------------------------------------------
    def _plain_block(
        self, block: Block, form: Pattern, sieve: Sieve, first: int
    ) -> Iterator[Sighting]:
        at = 0
        # Where every line counts, one that cannot be read may have said anything.
        strict = not self.logmap.facts.lossy
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
        """What a message says; Markdown's emphasis in it is not part of it."""
        if self._matcher is None:
            self._matcher = Matcher(self.logmap)
        plain = message.replace("**", "") if "**" in message else message
        found = self._matcher.read(plain)
        if found is None:
            return Reading((), level, message[:MAX_TEXT], shape_of(message))
        rcm = message.startswith("[RCM]")
        return Reading(found[1], level, message[:MAX_TEXT], None, found[0].line, rcm=rcm)

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


def _is_clock(form: Pattern) -> bool:
    return any(part.name == "time" and part.kind == "clock" for part, _ in form.parts)


def _sieve(prefilter: tuple[str, ...], encoding: Encoding) -> Sieve:
    return Sieve(_encoded(prefilter, encoding))


def _encoded(prefilter: tuple[str, ...], encoding: Encoding) -> list[bytes]:
    codec = "windows-1252" if encoding == "windows-1252" else "utf-8"
    return [text.encode(codec, "replace") for text in prefilter]
