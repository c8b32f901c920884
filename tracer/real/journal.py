"""Every step of every core of a run, and what is noted beside them, in one order, as it happens.

Owns the order: steps of different processes are put into the order of their times, which all are
on one clock. A step is held back until every live process has said that it will tell of none
earlier; processes say so several times a second. Knows no trace format: finished entries go to
functions it is given.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from rhscheck.tracer.events import RcmEffect, RcmEvent, RhsEffect, RhsEvent

RCM: Final = "RCM"


class RcmEntry(msgspec.Struct, frozen=True, tag="rcm"):
    """A step of RCM's core."""

    now_us: int
    event: RcmEvent
    effects: list[RcmEffect]
    late_us: int = 0


class RhsEntry(msgspec.Struct, frozen=True, tag="rhs"):
    """A step of the core of process `epoch` of `monitor`. `concluded`: RCM made it for a dead one.

    `late_us`: by how much the process was late for the deadline that made it step.
    """

    monitor: str
    epoch: int
    now_us: int
    event: RhsEvent
    effects: list[RhsEffect]
    late_us: int = 0
    concluded: bool = False


class NoteEntry(msgspec.Struct, frozen=True, tag="note"):
    """Something for people, no step: a line of a plug-in's log, why a process ended, …

    `monitor`, `epoch`: the process that it is about, `res` the resource; None: the whole run.
    """

    now_us: int
    text: str
    monitor: str | None = None
    epoch: int = 0
    res: str | None = None


Entry = RcmEntry | RhsEntry | NoteEntry


class Journal:
    """Puts entries into order and hands them on. To be used by one thread."""

    def __init__(self, sinks: Sequence[Callable[[Entry], None]]) -> None:
        self._sinks = sinks
        self._held: list[tuple[int, int, Entry]] = []
        self._numbers = itertools.count()
        self._reached: dict[str, int] = {}
        self._handed_us = 0  # the time of the last entry that was handed on

    def open(self, core: str, now_us: int) -> None:
        """A core begins; it will tell of no step before `now_us`."""
        self._reached[core] = now_us

    def reach(self, core: str, now_us: int) -> None:
        """The core will tell of no step before `now_us`."""
        if core in self._reached:
            self._reached[core] = max(self._reached[core], now_us)
            self._release()

    def add(self, core: str, entry: Entry) -> None:
        """A step of `core`, not earlier than those before it."""
        heapq.heappush(self._held, (entry.now_us, next(self._numbers), entry))
        self.reach(core, entry.now_us)

    def note(self, core: str, entry: NoteEntry) -> None:
        """A note of the process of `core`, which may still tell of an earlier step.

        Its own clock may be behind what it has told of by then: threads overtake each other.
        """
        now_us = max(entry.now_us, self._reached.get(core, 0), self._handed_us)
        entry = msgspec.structs.replace(entry, now_us=now_us)
        heapq.heappush(self._held, (now_us, next(self._numbers), entry))
        self._release()

    def close(self, core: str) -> None:
        """The core has ended."""
        self._reached.pop(core, None)
        self._release()

    def _release(self) -> None:
        """Hand on what nothing can come before any more.

        Entries of one instant stay in the order in which they were told: a message is told of by
        its sender before its receiver can tell of it.
        """
        limit = min(self._reached.values(), default=None)
        while self._held and (limit is None or self._held[0][0] <= limit):
            self._handed_us, _, entry = heapq.heappop(self._held)
            for sink in self._sinks:
                sink(entry)


def process_name(monitor: str, epoch: int) -> str:
    """What the core of a monitor process is called in the journal."""
    return f"{monitor}/{epoch}"
