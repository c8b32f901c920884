"""The bookkeeping of a resource: timeline, durations, what is open; line by line, or many at once.

Most lines of a log show a resource on its usual way: called, pending, online, offline, and nothing
wrong. Many of them are told in one loop, each by a step of `audit.ways`. Owns that loop, with what
it shares with the lines that are told one by one (`audit.telling`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, cast

from rhscheck.traces.audit.durations import SILENCE, measure
from rhscheck.traces.audit.model import SHOWN, Call, Case, Entry, Moment, Place, Resource
from rhscheck.traces.audit.ways import (
    BEGUN,
    SAID,
    UNSAID,
    Calls,
    Saying,
    Situation,
    overtaken,
    saying_of,
)
from rhscheck.traces.compiled import compiled
from rhscheck.traces.logmap.language import MAX_NAME, Told
from rhscheck.traces.logmap.reading import Reading, Sighting

if TYPE_CHECKING:
    from rhscheck.traces.audit.story import Story


# Lines, times, processes and readings.
Columns = tuple[list[int], list[int], list[int], list[Reading]]


class _Tell(Protocol):
    """See `_telling.c`."""

    def __call__(
        self,
        lines: list[int],
        times: list[int],
        processes: list[int],
        readings: list[Reading],
        start: int,
        stood: int,
        most: int,
        note_case: Callable[[Case, Resource, int, int | None], None],
        trim: Callable[[Resource], None],
        /,
    ) -> tuple[int, int, int]: ...


# So many lines at most are told here before compiled code is tried again.
_MANY: Final = 64
_MINUTE: Final = 60_000_000  # microseconds
_telling = compiled("audit._telling", 2)
compiled_tell: _Tell | None = None if _telling is None else _telling.tell


def play(story: Story, columns: Columns) -> None:
    """Tell usual lines, of which none goes back in time."""
    story.ways.renew()
    end = len(columns[0])
    if compiled_tell is None:
        _play(story, columns, 0, end, 0)
        return
    at, reached, few = 0, 0, 1
    while True:
        length, begin = story.length, at
        at, said, judged = compiled_tell(
            *columns, at, story.count, _most(length), story.note_case, partial(trim, length=length)
        )
        story.events += at - begin - said
        story.judged += judged
        if at == end:
            return
        # Where something has to be found out about a line, it mostly has about the next ones, too.
        few = min(2 * few, _MANY) if at - begin < few else 1
        stop = min(at + few, end)
        reached = _play(story, columns, at, stop, reached)
        at = stop


def _play(story: Story, columns: Columns, start: int, stop: int, reached: int) -> int:
    """Tell the lines `start` to `stop`; up to which number the story knows how late it is."""
    count, most = story.count, _most(story.length)
    aside, said, judged = 0, 0, 0
    rows = zip(range(start, stop), *(column[start:stop] for column in columns), strict=True)
    for at, line, time_us, pid, reading in cast(
        "Iterator[tuple[int, int, int, int, Reading]]", rows
    ):
        resource: Resource | None = reading.owner
        if resource is None:
            resource = story.owner(reading) if reading.told else None
            if resource is None:
                aside += 1
                if reading.told:
                    story.reach(max(columns[1][reached : at + 1]))
                    reached = at + 1
                    story.take(Sighting(line, 0, time_us, pid, None, reading))
            count, most = story.count, _most(story.length)
            if resource is None:
                continue
        if resource.stood != count:
            _stand(story, resource)
        route = reading.route
        if (
            route.hosts
            and pid != resource.host
            and story.monitors.host(resource, pid, time_us, cast(Told, route.told))
        ):
            leave(resource)
            forget_open(resource)
            _stand(story, resource)
        resource.stands, effects = resource.stands[route]
        if effects is not None and effects[1] == SAID and not was_just_said(resource, time_us):
            resource.stands, effects = story.ways.unsaid(resource.stands)[route]
        if effects is not None:
            _, row, silence, calls, then, case, bit = effects
            if row:  # it is not the next on the timeline
                if row == UNSAID:
                    continue
                if row == SAID:
                    said += 1
                    continue
                _again(resource, line, time_us)
            if silence:
                since = resource.quiet_since
                assert since is not None, "otherwise no silence is measured here"
                begun = since[1]
                if begun is not None and 0 <= time_us - begun <= resource.silence_us:
                    resource.silences += 1
                else:
                    measure(resource, SILENCE, since, (line, time_us), at_most=False)
            if calls is not None:
                _calls(resource, calls, (line, time_us))
            if then:  # it changes
                resource.quiet_since = (line, time_us) if then == BEGUN else None
            if case is not None:
                judged += 1
                if not resource.known & bit:
                    story.note_case(case, resource, line, time_us)
            if row:
                continue
        recent = resource.recent
        recent += (line, time_us, route.told)
        if len(recent) > most:
            trim(resource, story.length)
    story.events += stop - start - aside - said
    story.judged += judged
    return reached


def _calls(resource: Resource, calls: Calls, moment: Moment) -> None:
    """Calls begin and end by a line."""
    ends, at_most, opens, inferred, closes = calls
    if ends is not None:
        over = ended(resource, ends)
        assert over is not None, "it is in flight where the resource stands"
        measure(resource, ends, over[1], moment, at_most=at_most)
    if opens is not None:
        begun(resource, opens, moment, inferred=inferred)
    for one in closes or ():
        ended(resource, one)


def _again(resource: Resource, line: int, time_us: int | None) -> None:
    """A line says what the one before it on the timeline has said."""
    first, begun_us, latest = resource.recent[-SHOWN:]
    if not isinstance(latest, Entry):
        told = cast(Told, latest)
        latest = Entry(cast(int, first), cast("int | None", begun_us), told)
        resource.recent[-1] = latest
    latest.again += 1
    latest.last_line, latest.last_us = line, time_us
    resource.repeats += 1


def _stand(story: Story, resource: Resource) -> None:
    """Find out where the resource stands, which was told otherwise lately, or is new."""
    leave(resource)
    story.refresh(resource)
    said: Saying | None = None
    if resource.recent:
        said = saying_of(latest_told(resource))
    flight = tuple([(op, asked) for op, _, asked in resource.open])
    quiet = resource.quiet_since is not None
    key = (resource.pending, resource.checkpoint, flight, quiet, said)
    resource.stands, resource.stood = story.ways.situation(key), story.count


def leave(resource: Resource) -> None:
    """The resource is to be told otherwise: what is pending stands in it again."""
    situation: Situation | None = resource.stands
    if situation is not None:
        resource.pending, resource.checkpoint = situation.pending, situation.checkpoint
        resource.stands, resource.stood = None, -1


# ---- shared with what is told one by one -------------------------------------------------------
def latest_told(resource: Resource) -> Told:
    """What the last moment on the timeline so far says, of which there is one."""
    latest = resource.recent[-1]
    return latest.told if isinstance(latest, Entry) else cast(Told, latest)


def call(resource: Resource, op: str, moment: Moment, *, inferred: bool) -> None:
    """A call begins."""
    asked = next((one for one in resource.open if one[0] == op), None)
    # The DLL's own record of a call that RCM asked for is the same call, seen better.
    if asked is None or asked[2] or inferred:
        begun(resource, op, moment, inferred=inferred)
    if op == "Terminate":
        settle(resource)


def begun(resource: Resource, op: str, moment: Moment, *, inferred: bool) -> None:
    """A call is in flight since then, or what was seen of it before was another one."""
    others = [one for one in resource.open if one[0] != op] if resource.open else ()
    resource.open = (*others, (op, moment, inferred))


def ended(resource: Resource, op: str) -> Call | None:
    """A call is not in flight any more; None: it was not."""
    flight = resource.open
    for one in flight:
        if one[0] == op:
            rest = [other for other in flight if other is not one]
            resource.open = tuple(rest) if rest else ()
            return one
    return None


def overtake(resource: Resource, op: str) -> None:
    """A call is over, and with it those that were asked for before and cannot be in flight now."""
    for one in overtaken(op, tuple([one[0] for one in resource.open])):
        ended(resource, one)


def forget_open(resource: Resource) -> None:
    """Nothing is in flight or pending, as far as anybody knows."""
    resource.open = ()
    settle(resource)


def was_just_said(resource: Resource, time_us: int | None) -> bool:
    """Whether the last moment on the timeline is no longer ago than a minute (threads may wait)."""
    latest = resource.recent[-1]
    then = latest.last_us if isinstance(latest, Entry) else cast("int | None", resource.recent[-2])
    return time_us is None or then is None or abs(time_us - then) <= _MINUTE


def settle(resource: Resource) -> None:
    """No pending operation is waited for any more."""
    resource.pending = None
    resource.quiet_since = None
    resource.checkpoint = None


def add_entry(story: Story, resource: Resource | None, told: Told, place: Place) -> None:
    """Put a moment on the timeline; direct repetitions are counted."""
    if resource is None:
        return
    what = plain(story, resource, told)
    if resource.recent and latest_told(resource) == what:
        _again(resource, place.line, place.time_us)
    else:
        resource.recent += (place.line, place.time_us, what)


def plain(story: Story, resource: Resource, told: Told) -> Told:
    """What the timeline has of an event: what it says but for the resource, if that is all."""
    # Of a long name the events keep the whole.
    if told.res != resource.name or len(resource.name) >= MAX_NAME:
        return told
    return story.ways.plain(told)


def trim(resource: Resource, length: int, *, exactly: bool = False) -> None:
    """Drop what is too long ago of a timeline; some more than `length` may stay, for speed."""
    recent = resource.recent
    if len(recent) > (SHOWN * length if exactly else _most(length)):
        surplus = len(recent) // SHOWN - length
        del recent[: SHOWN * surplus]
        resource.omitted += surplus


def _most(length: int) -> int:
    """How long the list of a timeline gets before that is cut down to `length` entries."""
    return SHOWN * (length + length // 2)
