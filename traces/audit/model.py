"""The values that an audit of one log consists of.

Owns their shape only: how they come about is `audit.story`'s, how they look the front door's.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import msgspec

from rhscheck.traces.logmap.language import Told

if TYPE_CHECKING:
    from rhscheck.traces.audit.durations import Kinds

CaseKind = Literal["call", "return", "status", "timeout", "event"]
# What an event is to a spec: its kind, what it is called, its result or argument.
Case = tuple[CaseKind, str, int | str | None]

IncidentKind = Literal[
    "timed-out",  # a call was not back in time
    "failed",  # an operation reported failure
    "unhealthy",  # a health check reported failure
    "crashed",  # the monitor ended; no resource if the log names none
    "not-loaded",  # the DLL cannot be loaded
    "exception",  # an exception in an entry point
    "service-gone",  # the cluster service ended: no DLL is to blame
]


class Place(msgspec.Struct, frozen=True, gc=False):
    """A line of the log, from 1, and its time if it has one."""

    line: int
    time_us: int | None


class Evidence(msgspec.Struct, frozen=True):
    """A line that proves something, as the log has it behind its time stamp."""

    line: int
    text: str


# A line and its time, if it has one.
Moment = tuple[int, int | None]
# A call in flight: its entry point, since when, and whether it was asked for only.
Call = tuple[str, Moment, bool]


class Entry(msgspec.Struct, gc=False):
    """A moment on a timeline; `again` counts direct repetitions, `last_…` is the last of them.

    `told` may leave out its resource, which is that of the timeline: so all can share it.
    """

    line: int
    time_us: int | None
    told: Told
    again: int = 0
    last_line: int | None = None
    last_us: int | None = None


class Saying(msgspec.Struct, frozen=True, gc=False):
    """A warning or an error that the plug-in wrote."""

    place: Place
    level: str
    text: str


class Span(msgspec.Struct, frozen=True):
    """How long something took. `at_most`: it began when it was asked for, or later.

    `limit_us`: how long it may take, None if nobody says.
    """

    what: str
    start: Place
    end: Place
    used_us: int
    limit_us: int | None
    at_most: bool


class Incident(msgspec.Struct):
    """Something that went wrong, with the lines that prove it.

    `blame`: the actor, or None where the log does not tell; `because` says why. `causes`: what the
    plug-in itself said before. `collateral`: resources that lost their monitor by it. `since_us`:
    of a call that was not back in time, when it must have begun if its limit is that of the spec;
    `since_seen`: there is a line that says so, written by whoever was called.
    `op`: the call that was not back in time, or the operation that failed. `ended`: whether its
    monitor ended by it, None: no line says so. `last_us`: the time of the last line that proves it.
    `replaced_us`: the time of the last line that says that another monitor is there in its place.
    """

    kind: IncidentKind
    resource: str | None
    monitor: str | None
    place: Place
    what: str
    blame: str | None
    because: str
    lines: list[Evidence] = msgspec.field(default_factory=list)
    causes: tuple[Saying, ...] = ()
    collateral: list[str] = msgspec.field(default_factory=list)
    since_us: int | None = None
    since_seen: bool = False
    op: str | None = None
    ended: bool | None = None
    last_us: int | None = None
    replaced_us: int | None = None
    _lost: set[str] = msgspec.field(default_factory=set)

    def lost(self, resource: str) -> None:
        """Another resource lost its monitor by it."""
        if resource not in self._lost:
            self._lost.add(resource)
            self.collateral.append(resource)

    def concerns(self, resource: str) -> bool:
        """Whether the resource's monitor ended by it."""
        return resource == self.resource or resource in self._lost

    def found(self, resource: str) -> None:
        """What seemed to be another resource is the one that it is about."""
        if resource in self._lost:
            self._lost.remove(resource)
            self.collateral.remove(resource)


SHOWN: Final = 3  # what a timeline has of an entry while it grows


@dataclass(slots=True)
class Resource:
    """What is known about one resource, in few bytes: a log may tell of a hundred thousand.

    `monitor` is `pid#epoch` of the RHS process that last spoke for it. `recent` is the timeline: of
    each entry, one after the other, the line, the time, and the Entry itself or, of a usual line,
    what it says but for the resource. `omitted`: entries that were dropped because it was too long.
    """

    name: str
    kinds: Kinds  # what was measured of it, and which row of `measured` that is
    monitor: str | None = None
    repeats: int = 0  # events that say what the one before has said
    omitted: int = 0
    recent: list[int | Told | Entry | None] = field(default_factory=list)
    open: tuple[Call, ...] = ()  # calls in flight
    pending: str | None = None  # the operation that goes on in a worker
    checkpoint: int | None = None  # of its last report
    quiet_since: Moment | None = None  # of a pending operation: the last that was heard of it
    measured: array[int] | None = None  # see `audit.durations`
    # What happened that a spec may speak of, and where first: see `audit.cases`.
    noted: array[int] | None = None
    known: int = 0  # bits of cases that are noted already
    silence_us: int = -1  # the longest that was measured
    silences: int = 0  # shorter ones, which `measured` does not count
    host: int | None = None  # the process that `monitor` stands for, until it ends
    era: int = 0  # of the story: what was open in an earlier one is forgotten
    # Where it stands on its usual way, as of which count of the story; what is pending, and the
    # check point, are there then, and not above.
    stands: Any = None
    stood: int = -1

    @property
    def events(self) -> int:
        """How many events are told of it."""
        return self.omitted + len(self.recent) // SHOWN + self.repeats

    @property
    def timeline(self) -> list[Entry]:
        """Its moments, the oldest first."""
        shown = cast("list[Any]", self.recent)
        every = zip(shown[::SHOWN], shown[1::SHOWN], shown[2::SHOWN], strict=True)
        return [
            what if isinstance(what, Entry) else Entry(line, time_us, what)
            for line, time_us, what in every
        ]
