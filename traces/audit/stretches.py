"""A long log in stretches that are read apart, each as compact as can be sent to another process.

Owns the cut into stretches of whole blocks, what is read of one, and how it is put together again:
lines are numbered from the beginning of the file, days are counted, and nothing can be told from a
log that was read in one go. Who reads which stretch is the caller's business.
"""

from __future__ import annotations

from array import array
from typing import BinaryIO, Final

import msgspec

from rhscheck.traces.clusterlog.line import About
from rhscheck.traces.logmap.language import LogMap
from rhscheck.traces.logmap.read import LogReader, Within
from rhscheck.traces.logmap.reading import Batch, Reading, Sighting, is_rising
from rhscheck.traces.logmap.text import BLOCK_BYTES, Sniffed, block_count

BLOCKS: Final = 64  # of a stretch
_HEADING: Final = "[=== "
_AT_ONCE: Final = 1 << 20


class Cut(msgspec.Struct, frozen=True):
    """A stretch to be read: blocks `first` to `last` of the file, None: to its end."""

    first: int
    last: int | None
    sniffed: Sniffed
    within: Within


class Stretch(msgspec.Struct):
    """What was read of a stretch: usual lines in columns, and the others with their places.

    `lines`: how many lines it has; those in it are numbered from 1. `readings`: what lines say,
    each once; `said` are the numbers of these. Each odd line has with it how many usual ones come
    before.
    """

    lines: int
    cut_lines: int
    about: About
    readings: list[Reading]
    numbers: bytes
    times: bytes
    processes: bytes
    said: bytes
    odd: list[tuple[int, Sighting]]


def first_cut(stream: BinaryIO, reader: LogReader) -> int:
    """The first block that may be read apart: behind the last heading of a section.

    `reader` has begun with the file. 0 if there are no headings.
    """
    wide = reader.encoding in ("utf-16-le", "utf-16-be")
    needle = _HEADING.encode(reader.encoding if wide else "ascii")
    found, at, tail = -1, 0, b""
    stream.seek(0)
    while data := stream.read(_AT_ONCE):
        text = tail + data
        last = text.rfind(needle)
        if last >= 0:
            found = at - len(tail) + last
        at += len(data)
        tail = text[-(len(needle) - 1) :]
    # The line of the heading may be in the block before or after the one that it is counted to.
    return 0 if found < 0 else found // BLOCK_BYTES + 2


def cuts(size: int, first: int, sniffed: Sniffed, within: Within) -> list[Cut]:
    """The stretches of a file of `size` bytes from block `first` on."""
    starts = range(first, max(first + 1, block_count(size)), BLOCKS)
    return [
        Cut(start, None if start == starts[-1] else start + BLOCKS, sniffed, within)
        for start in starts
    ]


def read_stretch(stream: BinaryIO, logmap: LogMap, cut: Cut) -> Stretch:
    """Read a stretch. Raises OSError as reading does."""
    reader = LogReader(logmap, sniffed=cut.sniffed, within=cut.within)
    numbers, times, processes, said = array("q"), array("q"), array("q"), array("q")
    known: dict[int, int] = {}
    readings: list[Reading] = []
    odd: list[tuple[int, Sighting]] = []
    for batch in reader.batches(stream, cut.first, cut.last):
        for reading in batch.readings:
            place = known.get(id(reading))
            if place is None:
                place = known[id(reading)] = len(readings)
                readings.append(reading)
            said.append(place)
        odd += [(before + len(numbers), sighting) for before, sighting in batch.odd]
        numbers.extend(batch.lines)
        times.extend(batch.times)
        processes.extend(batch.processes)
    return Stretch(
        reader.lines,
        reader.cut_lines,
        reader.about,
        readings,
        numbers.tobytes(),
        times.tobytes(),
        processes.tobytes(),
        said.tobytes(),
        odd,
    )


def put_back(stretch: Stretch, before: int) -> Batch:
    """The lines of a stretch that has `before` lines of the file before it."""
    times = array("q", stretch.times).tolist()
    for _, sighting in stretch.odd:
        sighting.line += before
    return Batch(
        [line + before for line in array("q", stretch.numbers)],
        times,
        array("q", stretch.processes).tolist(),
        list(map(stretch.readings.__getitem__, array("q", stretch.said))),
        stretch.odd,
        is_rising([time_us // 1_000_000 for time_us in times]),
    )
