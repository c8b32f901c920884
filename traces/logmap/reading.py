"""What lines of a log were read as, and the count of what was not understood.

Owns the values that `logmap.read` produces and whoever follows a log takes in. They hold no file
and no pattern.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from rhscheck.traces.logmap.language import Told

MAX_SHAPES: Final = 500  # shapes of unknown messages that are counted one by one
DAY_US: Final = 86_400_000_000
_OTHER: Final = "(further shapes)"
# What makes two messages different and their shape the same.
_VARIABLE = re.compile(
    r"'[^']*'|\"[^\"]*\"|<[^<>]*>|\([^()]*\)|\\\\\S+|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4,12}){1,4}\b"
    r"|\b0x[0-9a-fA-F]+\b|\d+"
)


class Reading(msgspec.Struct, gc=False):
    """What a message says; mostly the same object for the same message.

    `rule`: the line of the mapping's rule that knows it; None if none does: then it has a `shape`.
    `rcm`: the cluster service wrote it. `owner` and `route` are for whoever follows the log: whose
    lines with such a message are, and how they are told.
    """

    told: tuple[Told, ...]
    level: str | None
    message: str
    shape: str | None
    rule: int | None = None
    rcm: bool = False
    owner: Any = None
    route: Any = None


class Sighting(msgspec.Struct, gc=False):
    """A line that was looked at. `time_us` None: the line has no readable time.

    `tid`: the thread as it stands there, hexadecimal in a sound log. `lines` is how many lines of
    the file the record takes. `dated`: the time is one since 1970, else one since midnight.
    `choices`: what a record of several lines may say, if it can be told only by who knows the names
    of the log (`chosen`); `reading` is one that says nothing then.
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
    dated: bool = True
    choices: tuple[Reading, ...] = ()


def chosen(sighting: Sighting, known: Container[str]) -> Reading:
    """What a record says that may say several things: that of which the resource is known.

    Of several such it is the one with the longest name: that all of it stands there is no chance.
    """
    named = [(_names(one), one) for one in sighting.choices]
    best = [one for one in named if one[0] and all(name in known for name in one[0])]
    longest = max((sum(map(len, names)) for names, _ in best), default=0)
    found = [one for names, one in best if sum(map(len, names)) == longest]
    others = any(names != _names(found[0]) for names, _ in named) if found else False
    return found[0] if len(found) == 1 and others else sighting.reading


def _names(reading: Reading) -> set[str]:
    return {one.res for one in reading.told if one.res is not None}


class Batch(msgspec.Struct, gc=False):
    """Lines that were looked at, in file order: usual ones in columns, and the odd ones.

    Each odd line has with it how many usual ones come before. `rising`: of the usual lines none is
    a second or more before an earlier one.
    """

    lines: list[int]
    times: list[int]
    processes: list[int]
    readings: list[Reading]
    odd: list[tuple[int, Sighting]]
    rising: bool

    def __len__(self) -> int:
        return len(self.readings)


def batch_of(odd: Iterable[Sighting]) -> Batch:
    """Lines none of which is usual."""
    return Batch([], [], [], [], [(0, sighting) for sighting in odd], True)


def is_rising(seconds: list[int]) -> bool:
    """Whether times that begin with these whole seconds, in any unit, go back by less than one."""
    return seconds == sorted(seconds)


@dataclass(slots=True)
class Days:
    """Times of day as a rising count: half a day backwards is the next day."""

    _day: int = 0
    _clock: int = 0

    def count(self, sighting: Sighting) -> None:
        """Give the line its place in the count, if its time has no date."""
        if sighting.dated or sighting.time_us is None:
            return
        if sighting.time_us < self._clock - DAY_US // 2:
            self._day += 1
        self._clock = sighting.time_us
        sighting.time_us += self._day * DAY_US


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

    def take(self, batch: Batch) -> None:
        """Take in lines that were looked at; `last_us` only of the odd ones."""
        usual = len(batch)
        self.relevant += usual
        self.understood += usual
        for before, sighting in batch.odd:
            if before and self.first_us is None:
                self.first_us = batch.times[0]
            self.count(sighting)
        if usual and self.first_us is None:
            self.first_us = batch.times[0]

    def count(self, sighting: Sighting) -> None:
        """Take in a line that was looked at."""
        if sighting.reading.rule is None and sighting.reading.shape is None:
            return  # no line of the log: some are missing here
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
        self.dated = self.dated and sighting.dated
        if self.first_us is None:
            self.first_us = time_us
        if self.last_us is None or time_us > self.last_us:
            self.last_us = time_us


def shape_of(message: str) -> str:
    """The message without what varies: numbers, names in quotes or brackets, paths."""
    return _VARIABLE.sub("…", message[:300])
