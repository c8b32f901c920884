"""Reads a log through a mapping: which lines say something, when, and what.

Owns the walk over a file's lines: the prefilter, time stamps, records of several lines, sections,
and the count of what was not understood. It needs memory for a block and a bounded cache, however
long the file is. What the events mean together is `logmap.story`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

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
from rhscheck.traces.logmap.language import MAX_NAME, LogMap, Told, told
from rhscheck.traces.logmap.match import Matcher
from rhscheck.traces.logmap.pattern import Pattern, iso_micros, normalised
from rhscheck.traces.logmap.sieve import Sieve
from rhscheck.traces.logmap.text import (
    Block,
    Encoding,
    Sniffed,
    blocks,
    decode,
    file_offset,
    read_sample,
    sniff,
)

MAX_CACHED: Final = 8192  # messages whose reading is remembered
MAX_SHAPES: Final = 500  # shapes of unknown messages that are counted one by one
MAX_JOINED: Final = 8  # lines that one record may be wrapped over
MAX_KEY: Final = 600  # bytes of a message that is remembered
MAX_TEXT: Final = 2000  # characters of a message that are kept
DAY_US: Final = 86_400_000_000
_OTHER: Final = "(further shapes)"
# How a line begins that nobody has touched, down to the message: of fixed width.
_USUAL = re.compile(
    rb"[0-9a-fA-F]{8}\.[0-9a-fA-F]{8}::\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.\d{3} [A-Z]{3,4} {2,3}(?=\S)"
)
_MILLIS: Final = {b"%03d " % millis: millis * 1000 for millis in range(1000)}
# What makes two messages different and their shape the same.
_VARIABLE = re.compile(
    r"'[^']*'|\"[^\"]*\"|<[^<>]*>|\([^()]*\)|\\\\\S+|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4,12}){1,4}\b"
    r"|\b0x[0-9a-fA-F]+\b|\d+"
)


class LegacyFormat(Exception):  # noqa: N818 - not a fault of the file
    """The file is a cluster.log of Windows 2000 or 2003, which this mapping does not read."""


class Reading(msgspec.Struct):
    """What a message says; mostly the same object for the same message.

    `rule`: the line of the mapping's rule that knows it; None if none does: then it has a `shape`.
    `judged` is for whoever needs to see each message once. `rcm`: the cluster service wrote it.
    """

    told: tuple[Told, ...]
    level: str | None
    message: str
    shape: str | None
    rule: int | None = None
    judged: bool = False
    rcm: bool = False


class Sighting(msgspec.Struct, gc=False):
    """A line that was looked at. `time_us` None: the line has no readable time.

    `tid`: the thread as it stands there, hexadecimal in a sound log. `lines` is how many lines of
    the file the record takes.
    """

    line: int
    offset: int
    time_us: int | None
    pid: int | None
    tid: bytes | None
    reading: Reading
    channel: str | None = None
    host: str | None = None
    res: str | None = None
    lines: int = 1


@dataclass(slots=True)
class Tally:
    """What was read, and what could not be understood."""

    lines: int = 0
    relevant: int = 0
    understood: int = 0
    cut_lines: int = 0
    untimed: int = 0
    first_us: int | None = None
    last_us: int | None = None
    dated: bool = True
    # By shape: how many, and the first line.
    unknown: dict[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, sighting: Sighting) -> None:
        """Take in a line that was looked at."""
        self.relevant += 1
        shape = sighting.reading.shape
        if shape is None:
            self.understood += 1
        else:
            if shape not in self.unknown and len(self.unknown) >= MAX_SHAPES:
                shape = _OTHER
            number, first = self.unknown.get(shape, (0, sighting.line))
            self.unknown[shape] = (number + 1, first)
        time_us = sighting.time_us
        if time_us is None:
            self.untimed += 1
            return
        if self.first_us is None:
            self.first_us = time_us
        if self.last_us is None or time_us > self.last_us:
            self.last_us = time_us


def shape_of(message: str) -> str:
    """The message without what varies: numbers, names in quotes or brackets, paths."""
    return _VARIABLE.sub("…", message[:300])


@dataclass(slots=True)
class LogReader:
    """One pass over one log. `tally` and `about` are complete when `read` is exhausted."""

    logmap: LogMap
    sniffed: Sniffed = field(default=Sniffed("utf-8", 0))
    tally: Tally = field(default_factory=Tally)
    about: About = field(default_factory=About)
    _matcher: Matcher | None = None
    # Readings by message, those used lately and those before: half are forgotten at a time.
    _cache: dict[bytes, Reading] = field(default_factory=dict)
    _before: dict[bytes, Reading] = field(default_factory=dict)
    _seconds: dict[bytes, int] = field(default_factory=dict)
    _pids: dict[bytes, int] = field(default_factory=dict)
    _debug: bool = True  # within the section of the debug log, or there are no sections
    _day: int = 0
    _clock: int = 0

    @property
    def encoding(self) -> Encoding:
        """The file's encoding."""
        return self.sniffed.encoding

    def read(self, stream: BinaryIO) -> Iterator[Sighting]:
        """The lines that the mapping looks at, in file order.

        `stream` must be seekable. Raises LegacyFormat, and what reading raises (OSError).
        """
        sample = read_sample(stream)
        self.sniffed = sniff(sample)
        if self.logmap.form == "clusterlog":
            self._refuse_legacy(sample)
        sieve = _sieve(self.logmap.prefilter, self.encoding)
        for block in blocks(stream, self.sniffed):
            count = block.data.count(b"\n")
            self.tally.lines = block.line + count - 1
            self.tally.cut_lines += block.cut
            if self.logmap.form == "clusterlog":
                yield from self._cluster_block(block, sieve)
            else:
                yield from self._plain_block(block, self.logmap.form, sieve)

    def _refuse_legacy(self, sample: bytes) -> None:
        text = sample[self.sniffed.mark :]
        if self.encoding in ("utf-16-le", "utf-16-be"):
            lines = text.decode(self.encoding, "replace").splitlines()
        else:
            lines = decode(text, self.encoding).splitlines()
        if is_legacy(lines[:200]):
            raise LegacyFormat

    # ---- cluster.log ---------------------------------------------------------------------------
    def _cluster_block(self, block: Block, sieve: Sieve) -> Iterator[Sighting]:
        data = block.data
        start = 0
        if b"[===" in data:
            for found in re.finditer(rb"^\[=== [^\n]{1,300}", data, re.MULTILINE):
                yield from self._cluster_part(block, sieve, start, found.start())
                name = section(decode(found[0], self.encoding))
                if name is not None:
                    self._debug = name == DEBUG_SECTION
                start = found.end()
        yield from self._cluster_part(block, sieve, start, len(data))

    def _cluster_part(self, block: Block, sieve: Sieve, start: int, stop: int) -> list[Sighting]:
        data = block.data
        found: list[Sighting] = []
        if not self._debug or block.line < 200:
            self._learn_header(data[start : min(stop, start + 20_000)])
        if not self._debug:
            return found
        append = found.append
        line, counted, end = block.line, 0, start - 1
        lookup, find, rfind, count = self._cache.get, data.find, data.rfind, data.count
        seconds, pids, tally = self._seconds.get, self._pids.get, self.tally
        offset, straight = block.offset, self.encoding in ("utf-8", "windows-1252")
        for at in sieve.hits(data, start, stop):
            if at < end:  # a second hit in the same line
                continue
            begin = rfind(b"\n", 0, at) + 1
            end = find(b"\n", at if at > begin else begin)
            line += count(b"\n", counted, begin)
            counted = begin
            where = offset + begin if straight else file_offset(block, begin, self.encoding)
            # The usual line: `pppppppp.tttttttt::YYYY/MM/DD-HH:MM:SS.mmm LEVL  message`.
            key = data[begin + 43 : end]
            reading = lookup(key) or self._known(key) or self._new(data, begin, end)
            if reading is not None:
                base = seconds(data[begin + 19 : begin + 39])
                millis = _MILLIS.get(data[begin + 39 : begin + 43])
                pid = pids(data[begin : begin + 8])
                if (base is None or pid is None) and _USUAL.match(data, begin, end):
                    self._learn_stamp(data[begin : begin + 43])
                    base = seconds(data[begin + 19 : begin + 39])
                    pid = pids(data[begin : begin + 8])
                if base is not None and millis is not None and pid is not None:
                    time_us = base + millis
                    tally.relevant += 1
                    tally.understood += 1
                    if tally.first_us is None:
                        tally.first_us = tally.last_us = time_us
                    elif tally.last_us is None or time_us > tally.last_us:
                        tally.last_us = time_us
                    tid = data[begin + 9 : begin + 17]
                    append(Sighting(line, where, time_us, pid, tid, reading))
                    continue
            slow = self._cluster_line(data, begin, end, line, where)
            if slow is not None:
                tally.count(slow)
                append(slow)
        return found

    def _new(self, data: bytes, begin: int, end: int) -> Reading | None:
        """The reading of a usual line whose message is met for the first time, if it is known."""
        usual = _USUAL.match(data, begin, end)
        if usual is None:
            return None
        message = decode(data[usual.end() : end], self.encoding)
        level = LEVELS.get(data[begin + 43 : begin + 47].strip().decode("ascii"))
        if level is None:
            return None
        reading = self._reading(canonical(message), level)
        if reading.shape is not None:
            return None  # it may go on in the next line
        self._remember(data[begin + 43 : end], reading)
        return reading

    def _learn_stamp(self, data: bytes) -> None:
        """Remember the process and the second of a line that begins as usual.

        Only of lines that begin exactly so: then what is looked up by its place is what it seems.
        """
        second, pid = data[19:39], data[:8]
        base = iso_micros(second[:-1].decode("ascii", "replace"))
        if base is not None and second[-1:] == b"." and second[4:5] == b"/":
            if len(self._seconds) > 64:
                self._seconds.clear()
            self._seconds[second] = base
        if len(self._pids) > 4096:
            self._pids.clear()
        self._pids[pid] = int(pid, 16)

    def _cluster_line(
        self, data: bytes, begin: int, end: int, line: int, where: int
    ) -> Sighting | None:
        """Any line, however much of it is missing. None: it only continues a record."""
        text = decode(data[begin:end], self.encoding).strip()
        if text in ("...", "…"):
            gap = Reading((told("gap", {"why": "lines were left out"}),), None, "...", None)
            return Sighting(line, where, None, None, None, gap)
        parsed = parse_line(text)
        joined = 1
        if parsed is None:
            # A line that lost its beginning may still be one that the mapping knows.
            reading = self._reading(normalised(text), None)
            if reading.shape is not None:
                return None
            return Sighting(line, where, None, None, None, reading)
        reading = self._reading(canonical(parsed.message), parsed.level)
        if reading.shape is not None:
            wrapped, lines = self._wrapped(data, end, parsed.message, parsed.level)
            if wrapped is not None:
                reading, joined = wrapped, lines
        time_us = parsed.time_us
        if time_us is not None and not parsed.dated:
            time_us = self._of_day(time_us)
        return Sighting(
            line,
            where,
            time_us,
            parsed.pid,
            None if parsed.tid is None else b"%x" % parsed.tid,
            reading,
            channel=parsed.channel,
            lines=joined,
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

    def _of_day(self, clock_us: int) -> int:
        """Times of day as a rising count: half a day backwards is the next day."""
        if clock_us < self._clock - DAY_US // 2:
            self._day += 1
        self._clock = clock_us
        self.tally.dated = False
        return self._day * DAY_US + clock_us

    def _learn_header(self, data: bytes) -> None:
        for text in decode(data, self.encoding).splitlines()[:100]:
            if not text.startswith("[==="):
                self.about.learn(text)

    # ---- logs of other kinds -------------------------------------------------------------------
    def _plain_block(self, block: Block, form: Pattern, sieve: Sieve) -> Iterator[Sighting]:
        at = 0
        for number, raw in enumerate(block.data.split(b"\n")[:-1], block.line):
            begin, at = at, at + len(raw) + 1
            if not raw or not sieve.wants(raw):
                continue
            text = normalised(decode(raw, self.encoding))
            if not text:
                continue
            fields = form.match(text, self.logmap.tables)
            if fields is None:
                continue
            where = file_offset(block, begin, self.encoding)
            level = fields.get("level")
            reading = self._reading(
                str(fields.get("text", "")), None if level is None else str(level)
            )
            time_us = fields.get("time")
            if isinstance(time_us, int) and _is_clock(form):
                time_us = self._of_day(time_us)
            pid, tid, host, res = (fields.get(key) for key in ("pid", "tid", "host", "res"))
            sighting = Sighting(
                number,
                where,
                time_us if isinstance(time_us, int) else None,
                pid if isinstance(pid, int) else None,
                b"%x" % tid if isinstance(tid, int) and tid >= 0 else None,
                reading,
                host=None if host is None else str(host),
                res=None if res is None else str(res)[:MAX_NAME],
            )
            self.tally.count(sighting)
            yield sighting

    # ---- messages ------------------------------------------------------------------------------
    def _reading(self, message: str, level: str | None) -> Reading:
        """What a message says; Markdown's emphasis in it is not part of it."""
        if self._matcher is None:
            self._matcher = Matcher(self.logmap)
        found = self._matcher.read(message)
        if found is None and "**" in message:
            found = self._matcher.read(message.replace("**", ""))
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
    codec = "windows-1252" if encoding == "windows-1252" else "utf-8"
    return Sieve(text.encode(codec, "replace") for text in prefilter)
