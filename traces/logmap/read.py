"""Reads a log through a mapping: which lines say something, when, and what.

Owns the walk over a file's lines: the prefilter, time stamps, records of several lines and
sections. It needs memory for a block and a bounded cache, however long the file is. What the events
mean together is `audit.story`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from rhscheck.traces.clusterlog.line import (
    DEBUG_SECTION,
    LEVELS,
    About,
    canonical,
    is_legacy,
    parse_line,
    section,
)
from rhscheck.traces.logmap.language import MAX_NAME, LogMap, told
from rhscheck.traces.logmap.match import Matcher
from rhscheck.traces.logmap.pattern import Pattern, iso_micros, normalised
from rhscheck.traces.logmap.rapid import PARTS, USUAL, Rapid
from rhscheck.traces.logmap.reading import Batch, Days, Reading, Sighting, Usual, shape_of
from rhscheck.traces.logmap.sieve import Sieve
from rhscheck.traces.logmap.text import (
    BLOCK_BYTES,
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
_SECOND = re.compile(rb"\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.")
_HEX = re.compile(rb"[0-9a-fA-F]{8}")
_LEAD, _MESSAGE = 43, 49  # where level and message begin in such a line
_BEGINS = re.compile(rb"[0-9a-fA-F]{1,8}\.[0-9a-fA-F]{1,8}::\d")
_MILLIS: Final = {b"%03d " % millis: millis * 1000 for millis in range(1000)}


class LegacyFormat(Exception):  # noqa: N818 - not a fault of the file
    """The file is a cluster.log of Windows 2000 or 2003, which this mapping does not read."""


@dataclass(frozen=True, slots=True)
class Within:
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
    _sieves: tuple[Sieve, Rapid] | None = None
    # Readings by message, those used lately and those before: half are forgotten at a time.
    _cache: dict[bytes, Reading] = field(default_factory=dict)
    _before: dict[bytes, Reading] = field(default_factory=dict)
    _strange: dict[bytes, Reading] = field(default_factory=dict)  # of which no rule knows
    _seconds: dict[bytes, int] = field(default_factory=dict)
    _days: dict[bytes, int] = field(default_factory=dict)
    _pids: dict[bytes, int] = field(default_factory=dict)

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
            self._count(block)
            for sighting in self._block(block, sieve):
                days.count(sighting)
                yield sighting

    def batches(self, stream: BinaryIO, first: int = 0, last: int | None = None) -> Iterator[Batch]:
        """The same of the blocks `first` to `last`, faster: usual lines are told in short.

        Call `begin` before. Times without a date are left as they stand.
        """
        for block in blocks(stream, self.sniffed, first, last):
            yield self.read_block(block)

    def read_block(self, block: Block) -> Batch:
        """The lines of one block that the mapping looks at. `sniffed` must be known."""
        if self._sieves is None:
            rapid = Rapid(_encoded(self.logmap.prefilter, self.encoding))
            self._sieves = _sieve(self.logmap.prefilter, self.encoding), rapid
        sieve, rapid = self._sieves
        self._count(block)
        if rapid.usable and self.logmap.form == "clusterlog" and self.within.debug:
            data = b"\n" + block.data
            parts = rapid.split(data)
            if parts is not None:
                self._learn_head(block)
                return self._rapid(block, data, parts)
        found = self._block(block, sieve)
        return Batch(list(found), found)

    def _count(self, block: Block) -> None:
        self.lines = block.line + (block.lines or block.data.count(b"\n")) - 1
        self.cut_lines += block.cut

    def _block(self, block: Block, sieve: Sieve) -> list[Sighting]:
        if self.logmap.form == "clusterlog":
            return self._cluster_block(block, sieve)
        return list(self._plain_block(block, self.logmap.form, sieve))

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
    def _learn_head(self, block: Block) -> None:
        """Take in what the first lines of the file say about it."""
        if block.offset < BLOCK_BYTES and block.line <= HEAD_LINES:
            self._learn(block.data, 0, len(block.data), HEAD_LINES - block.line + 1)

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
    def _cluster_block(self, block: Block, sieve: Sieve) -> list[Sighting]:
        data = block.data
        found: list[Sighting] = []
        self._learn_head(block)
        start = 0
        if b"[===" in data:
            for heading in re.finditer(rb"^\[=== [^\n]{1,300}", data, re.MULTILINE):
                found += self._cluster_part(block, sieve, start, heading.start())
                name = section(decode(heading[0], self.encoding))
                if name is not None:
                    self.within = Within(name == DEBUG_SECTION, SECTION_LINES)
                start = heading.end()
        return found + self._cluster_part(block, sieve, start, len(data))

    def _cluster_part(self, block: Block, sieve: Sieve, start: int, stop: int) -> list[Sighting]:
        data = block.data
        found: list[Sighting] = []
        if not self.within.debug:
            if self.within.left and stop > start:
                # The rest of a heading's line is the first.
                known = self._learn(data, start, stop, self.within.left)
                self.within = Within(False, self.within.left - known)
            return found
        line, counted, end = block.line, 0, start - 1
        for at in sieve.hits(data, start, stop):
            if at < end:  # a second hit in the same line
                continue
            begin = data.rfind(b"\n", 0, at) + 1
            end = data.find(b"\n", at if at > begin else begin)
            line += data.count(b"\n", counted, begin)
            counted = begin
            sighting = self._line(data, begin, end, line)
            if sighting is not None:
                sighting.offset = file_offset(block, begin, self.encoding)
                found.append(sighting)
        return found

    def _rapid(self, block: Block, data: bytes, parts: list[bytes]) -> Batch:
        """The lines of a block that was split."""
        entries: list[Usual | Sighting] = []
        odd: list[Sighting] = []
        append, known = entries.append, self._cache.get
        seconds, pids, millis = self._seconds.get, self._pids.get, _MILLIS.get
        line, current, base = block.line - 1, b"", 0
        done, at, latest = 0, 0, -1  # components that `at` is behind; the last odd line's beginning
        columns = [parts[number::PARTS] for number in range(PARTS)]
        for number, (between, message, process, second, thousandth, lead) in enumerate(
            zip(*columns, strict=False)
        ):
            if second is not None and len(between) == USUAL:
                line += 1
            else:
                line += between.count(b"\n")
            reading = known(message)
            # A line that is not as usual has no level here.
            if reading is not None and reading.lead == lead:
                if second != current:
                    base, current = seconds(second, -1), second
                    if base < 0:
                        base = self._second(second)
                fraction, pid = millis(thousandth), pids(process)
                if pid is None:
                    pid = self._process(process)
                if base >= 0 and fraction is not None and pid is not None:
                    append((line, base + fraction, pid, reading))
                    continue
            for earlier in range(done, number):
                at += len(columns[0][earlier]) + len(columns[1][earlier])
            done = number
            begin = data.rfind(b"\n", 0, at + len(between) + 1) + 1
            if begin == latest:  # a second component in the same line
                continue
            latest = begin
            sighting = self._line(data, begin, data.find(b"\n", begin), line)
            current = b""
            if sighting is not None:
                sighting.offset = block.offset
                append(sighting)
                odd.append(sighting)
        return Batch(entries, odd)

    def _line(self, data: bytes, begin: int, end: int, line: int) -> Sighting | None:
        """What a line says. None: it only continues a record, or says nothing."""
        usual = _USUAL.match(data, begin, end)
        if usual is None:
            return self._cluster_line(data, begin, end, line)
        key = data[begin + _MESSAGE : end]
        lead = data[begin + _LEAD : begin + _MESSAGE]
        reading = self._cache.get(key) or self._known(key)
        if reading is None or reading.lead != lead:
            reading = self._strange.get(key)
            if reading is not None and reading.lead == lead and not self._is_alone(data, end):
                return self._cluster_line(data, begin, end, line)
        if reading is None or reading.lead != lead:
            level = LEVELS.get(lead.strip().decode("ascii"))
            if level is None:
                return self._cluster_line(data, begin, end, line)
            reading = self._reading(canonical(decode(key, self.encoding)), level)
            reading.lead = lead
            if reading.shape is None:
                self._remember(key, reading)
            elif self._is_alone(data, end):
                if len(self._strange) >= MAX_CACHED:
                    self._strange.clear()
                if len(key) <= MAX_KEY:
                    self._strange[key] = reading
            else:
                return self._cluster_line(data, begin, end, line)
        time_us = self._stamp(data[begin : begin + _LEAD])
        pid = self._pids.get(data[begin : begin + 8])
        if time_us is None or pid is None:
            return self._cluster_line(data, begin, end, line)
        return Sighting(line, 0, time_us, pid, data[begin + 9 : begin + 17], reading)

    def _is_alone(self, data: bytes, end: int) -> bool:
        """Whether the line that ends here cannot go on in the next."""
        return end + 1 >= len(data) or _BEGINS.match(data, end + 1) is not None

    def _stamp(self, data: bytes) -> int | None:
        """The time of a line that begins as usual; its second and process are remembered."""
        base = self._seconds.get(data[19:39], -1)
        if base < 0:
            base = self._second(data[19:39])
        if data[:8] not in self._pids:
            self._process(data[:8])
        return None if base < 0 else base + _MILLIS[data[39:43]]

    def _second(self, second: bytes) -> int:
        """The microseconds of `YYYY/MM/DD-HH:MM:SS.`, remembered; -1 if it is none.

        Only what is exactly so is remembered: then what is looked up is what it seems.
        """
        if _SECOND.fullmatch(second) is None:
            return -1
        day = self._days.get(second[:10], -1)
        if day < 0:
            found = iso_micros(second[:10].decode("ascii") + "-00:00:00")
            if found is None:
                return -1
            if len(self._days) > 64:
                self._days.clear()
            day = self._days[second[:10]] = found
        hour, minute, rest = int(second[11:13]), int(second[14:16]), int(second[17:19])
        if hour > 23 or minute > 59 or rest > 60:
            return -1
        if len(self._seconds) > 256:
            self._seconds.clear()
        base = day + (hour * 3600 + minute * 60 + rest) * 1_000_000
        self._seconds[second] = base
        return base

    def _process(self, process: bytes) -> int | None:
        """The number of a process, remembered; None if it is none."""
        if _HEX.fullmatch(process) is None:
            return None
        if len(self._pids) > 4096:
            self._pids.clear()
        found = self._pids[process] = int(process, 16)
        return found

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
            pid, tid, host, res = (fields.get(key) for key in ("pid", "tid", "host", "res"))
            yield Sighting(
                number,
                where,
                time_us if isinstance(time_us, int) else None,
                pid if isinstance(pid, int) else None,
                b"%x" % tid if isinstance(tid, int) and tid >= 0 else None,
                reading,
                host=None if host is None else str(host),
                res=None if res is None else str(res)[:MAX_NAME],
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
