"""A resource on its usual way: called, pending, online, offline, and nothing wrong.

Most lines of a log are so, and they are told many at once: all that wait for one resource, in one
loop. Owns the bookkeeping of such lines (timeline, durations, what is open), with what it shares
with the others. Lines that are told one by one (`audit.story`) must come to the same: the tests
compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from rhscheck.traces.audit.cases import REPORT, code_of
from rhscheck.traces.audit.model import Case, Entry, Moment, Place, Resource, Span
from rhscheck.traces.logmap.language import Told
from rhscheck.traces.logmap.reading import Reading

if TYPE_CHECKING:
    from rhscheck.traces.audit.story import Story

PENDING: Final = 997  # ERROR_IO_PENDING
PENDING_STATES: Final = ("OnlinePending", "OfflinePending")
_WITH_PENDING: Final = ("Online", "Offline")
_POLLS: Final = ("IsAlive", "LooksAlive")
# Notes that say nothing but what they say.
_TELLING: Final = (
    "its monitor has ended",
    "crashed or deadlocked: marked to run in a separate monitor",
    "RHS cleans up the operation and goes on",
    "a call timed out",
    "the resource DLL cannot be loaded",
    "the DLL's worker failed",
    "an exception in an entry point",
    "the cluster service shuts down: quorum was lost (event 1177)",
    "an RHS process was terminated and will be restarted (event 1146)",
)
MAX_ROUTES: Final = 4096
# How a usual line is told.
_SILENT, _CALL, _PENDS, _RETURN, _STATUS, _ENDS, _STATE, _SHOWN = range(8)


@dataclass(slots=True)
class Route:
    """What to do with a message, the same for all resources: `loud` ones are told one by one.

    `case`: what it is to a spec; `other`: what else it may be (a report of a known check point, an
    end by a report). `checkpoint`, `waits`: of a report: its number, whether it says "pending".
    Routes of one `era` say the same only if they are the same.
    """

    loud: bool
    way: int
    op: str = ""
    case: Case | None = None
    other: Case | None = None
    checkpoint: int | None = None
    waits: bool = False
    inferred: bool = False
    source: str = ""
    target: str = ""
    once: bool = False
    key: tuple[object, ...] = ()
    era: int = 0


@dataclass(slots=True)
class Routes:
    """The routes of all messages."""

    _routes: dict[tuple[object, ...], Route] = field(default_factory=dict)
    _era: int = 0

    def of(self, reading: Reading, knows: Callable[[Case], bool]) -> Route:
        """What to do with lines that are read so. `knows`: whether the spec speaks of a case."""
        told = reading.told[0]
        key = (told.kind, told.inferred, *(one for one in told.keys if one[0] != "res"))
        full = (*key, told.kind == "says" and reading.level)
        route = self._routes.get(full)
        if route is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
                self._era += 1
            route = self._routes[full] = _route(reading, told)
            route.op, route.source, route.target = told.op, told.source, told.target
            route.inferred, route.once = told.inferred, told.once
            route.key, route.era = key, self._era
            if route.case is not None and not knows(route.case):
                route.case = None
            if route.other is not None and not knows(route.other):
                route.other = None
        return route


def _route(reading: Reading, told: Told) -> Route:
    loud = Route(loud=True, way=_SILENT)
    match told.kind:
        case "call":
            return Route(loud=False, way=_CALL, case=("call", told.op, None))
        case "return":
            case: Case = ("return", told.op, code_of(told))
            if told.op in _WITH_PENDING and told.rc == PENDING:
                return Route(loud=False, way=_PENDS, case=case)
            if told.op in _POLLS and told.rc:
                return loud
            return Route(loud=False, way=_RETURN, case=case)
        case "status":
            state: str | None = told.target or None
            point = told.get("ckpt")
            return Route(
                loud=False,
                way=_STATUS,
                case=("status", told.op, state),
                other=("status", told.op, "repeated") if state == "pending" else None,
                checkpoint=point if isinstance(point, int) else None,
                waits=state in ("pending", "repeated"),
            )
        case "ends" if not told.rc:
            return Route(
                loud=False,
                way=_ENDS,
                case=("return", told.op, 0),
                other=("status", REPORT, "success"),
            )
        case "state":
            return Route(loud=False, way=_STATE)
        case "notify":
            return Route(loud=False, way=_SHOWN)
        case "note" if told.text("what") not in _TELLING:
            return Route(loud=False, way=_SHOWN)
        case "says" if reading.level in ("INFO", "DBG"):
            return Route(loud=False, way=_SILENT)
        case _:
            return loud


def play(story: Story, resource: Resource) -> None:
    """Tell the lines of a resource that wait."""
    story.refresh(resource)
    waiting, limits = resource.waiting, story.limits
    timeline, cases = resource.timeline, resource.cases
    latest = timeline[-1] if timeline else None
    former: Route | None = None  # of `latest`, if it is one of these lines
    judged, repeated, silent, pid_last = 0, 0, 0, -1
    for entry in waiting:
        line, time_us, pid, reading = entry
        route = cast(Route, reading.route)
        if pid != pid_last and not reading.rcm:
            pid_last = pid
            story.host(resource, pid)
        way = route.way
        if way == _SILENT:
            silent += 1
            continue
        if route is former:
            same = True
        elif former is None:
            same = latest is not None and says_same(latest.told, reading.told[0])
        else:
            same = route.era != former.era and route.key == former.key
        if not same:
            latest = Entry(line, time_us, reading.told[0])
            timeline.append(latest)
        elif way == _STATE and route.once:
            repeated += 1  # the same change, printed in another form
            continue
        else:
            assert latest is not None
            latest.again += 1
            latest.last_line = line
            latest.last_us = time_us
        former = route
        if way == _SHOWN:
            continue
        case, op = route.case, route.op
        if way == _STATE:
            if route.target in PENDING_STATES and resource.pending is None:
                op = route.target.removesuffix("Pending")
                opened = resource.open.pop(op, None)
                if opened is not None:
                    measure(resource, op, opened[0], entry, limits.call_us, at_most=opened[1])
                resource.pending = op
                resource.quiet_since = entry
            elif route.source in PENDING_STATES:
                settle(resource)
            continue
        if way == _STATUS:
            point = route.checkpoint
            if point is not None and point == resource.checkpoint and route.other is not None:
                case = route.other
            start = resource.quiet_since
            if start is not None:
                measure(resource, "silence", start, entry, limits.silence_us, at_most=False)
            if route.waits:
                if resource.pending is None:
                    resource.pending = "Offline" if route.source.startswith("Off") else "Online"
                resource.quiet_since = entry
                resource.checkpoint = point
            else:
                settle(resource)
        elif way == _CALL:
            call(resource, op, entry, inferred=route.inferred)
        elif way == _ENDS:
            opened = resource.open.pop(op, None)
            if resource.pending is not None:
                case = route.other
                start = resource.quiet_since
                if resource.pending == op and start is not None:
                    measure(resource, "silence", start, entry, limits.silence_us, at_most=False)
            elif opened is not None:
                measure(resource, op, opened[0], entry, limits.call_us, at_most=opened[1])
            settle(resource)
        else:
            opened = resource.open.pop(op, None)
            if opened is not None:
                measure(resource, op, opened[0], entry, limits.call_us, at_most=opened[1])
            if way == _PENDS:
                resource.pending = op
                resource.quiet_since = entry
        if case is not None:
            judged += 1
            if case not in cases:
                cases[case] = (line, time_us)
                story.cases[case] = None
    resource.events += len(waiting) - repeated - silent
    story.events += len(waiting) - repeated
    story.judged += judged
    waiting.clear()
    trim(resource, story.length)


# ---- shared with what is told one by one -------------------------------------------------------
def says_same(one: Told, other: Told) -> bool:
    """Whether two events of a resource say the same."""
    return one is other or one == other


def call(resource: Resource, op: str, moment: Moment, *, inferred: bool) -> None:
    """A call begins."""
    asked = resource.open.get(op)
    # The DLL's own record of a call that RCM asked for is the same call, seen better.
    if asked is None or asked[1] or inferred:
        resource.open[op] = (moment, inferred)
    if op == "Terminate":
        settle(resource)


def settle(resource: Resource) -> None:
    """No pending operation is waited for any more."""
    resource.pending = None
    resource.quiet_since = None
    resource.checkpoint = None


def measure(
    resource: Resource, what: str, start: Moment, end: Moment, limit: int, *, at_most: bool
) -> None:
    """Note how long something took, if both ends have a time."""
    begun, ended = start[1], end[1]
    if begun is None or ended is None or ended < begun:
        return
    used = ended - begun
    finished = resource.finished
    finished[what] = finished.get(what, 0) + 1
    longest = resource.spans.get(what)
    if longest is None or used > longest.used_us:
        first, last = Place(start[0], begun), Place(end[0], ended)
        resource.spans[what] = Span(what, first, last, used, limit, at_most)


def add_entry(resource: Resource | None, told: Told, place: Place) -> None:
    """Put a moment on the timeline; direct repetitions are counted."""
    if resource is None:
        return
    resource.events += 1
    timeline = resource.timeline
    if timeline:
        latest = timeline[-1]
        if says_same(latest.told, told):
            latest.again += 1
            latest.last_line = place.line
            latest.last_us = place.time_us
            return
    timeline.append(Entry(place.line, place.time_us, told))


def trim(resource: Resource, length: int, *, exactly: bool = False) -> None:
    """Drop what is too long ago of a timeline; some more than `length` may stay, for speed."""
    timeline = resource.timeline
    if len(timeline) > (length if exactly else length + length // 2):
        surplus = len(timeline) - length
        del timeline[:surplus]
        resource.omitted += surplus
