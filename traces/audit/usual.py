"""The bookkeeping of a resource: timeline, durations, what is open; line by line, or many at once.

Most lines of a log show a resource on its usual way: called, pending, online, offline, and nothing
wrong. Many of them are told in one loop, each by a step of `audit.ways`. Owns that loop, with what
it shares with the lines that are told one by one (`audit.telling`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from rhscheck.traces.audit.model import SHOWN, Entry, Moment, Place, Resource, Span
from rhscheck.traces.audit.ways import (
    BEGUN,
    SAID,
    SILENCE,
    UNSAID,
    Calls,
    Saying,
    Situation,
    saying_of,
)
from rhscheck.traces.logmap.language import KEYS, Told, told_of
from rhscheck.traces.logmap.reading import Reading, Sighting

if TYPE_CHECKING:
    from rhscheck.traces.audit.story import Story


def play(
    story: Story,
    lines: Sequence[int],
    times: Sequence[int],
    processes: Sequence[int],
    readings: Sequence[Reading],
) -> None:
    """Tell usual lines, given in columns, of which none goes back in time."""
    story.ways.renew()
    count, most = story.count, _most(story.length)
    silence_us = story.limits.silence_us
    aside, said, judged, reached = 0, 0, 0, 0
    for line, time_us, pid, reading in zip(lines, times, processes, readings, strict=True):
        resource: Resource | None = reading.owner
        if resource is None:
            resource = story.owner(line, time_us, reading) if reading.told else None
            if resource is None:
                aside += 1
                if reading.told:
                    at = bisect_left(lines, line)
                    story.reach(max(times[reached : at + 1]))
                    reached = at + 1
                    story.take(Sighting(line, 0, time_us, pid, None, reading))
            count, most = story.count, _most(story.length)
            if resource is None:
                continue
        if resource.stood != count:
            _stand(story, resource)
        route = reading.route
        resource.stands, effects = resource.stands[route]
        if effects is not None:
            hosts, row, silence, calls, then, case, bit = effects
            if hosts and pid != resource.host:
                story.monitors.host(resource, pid)
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
                    end = (line, time_us)
                    measure(resource, SILENCE, since, end, silence_us, at_most=False)
            if calls is not None:
                _calls(story, resource, calls, (line, time_us))
            if then:  # it changes
                resource.quiet_since = (line, time_us) if then == BEGUN else None
            if case is not None:
                judged += 1
                if not resource.known & bit:
                    resource.known |= bit
                    story.note_case(case, resource, line, time_us)
            if row:
                continue
        recent = resource.recent
        recent += (line, time_us, route.told)
        if len(recent) > most:
            trim(resource, story.length)
    story.events += len(lines) - aside - said
    story.judged += judged


def _calls(story: Story, resource: Resource, calls: Calls, moment: Moment) -> None:
    """Calls begin and end by a line."""
    ends, at_most, opens, inferred, closes = calls
    if ends is not None:
        since = resource.open.pop(ends)[0]
        measure(resource, ends, since, moment, story.limits.call_us, at_most=at_most)
    if opens is not None:
        resource.open[opens] = (moment, inferred)
    elif closes is not None:
        del resource.open[closes]


def _again(resource: Resource, line: int, time_us: int) -> None:
    """A line says what the one before it on the timeline has said."""
    latest = latest_entry(resource)
    assert latest is not None, "there is one that it says the same as"
    latest.again += 1
    latest.last_line, latest.last_us = line, time_us
    resource.repeats += 1


def _stand(story: Story, resource: Resource) -> None:
    """Find out where the resource stands, which was told otherwise lately, or is new."""
    leave(resource)
    story.refresh(resource)
    said: Saying | None = None
    if resource.recent:
        latest = resource.recent[-1]
        said = saying_of(latest.told if isinstance(latest, Entry) else cast(Told, latest))
    flight = tuple([(op, asked) for op, (_, asked) in resource.open.items()])
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
def latest_entry(resource: Resource) -> Entry | None:
    """The last moment on the timeline so far."""
    if not resource.recent:
        return None
    line, time_us, latest = resource.recent[-SHOWN:]
    if not isinstance(latest, Entry):
        like = cast(Told, latest)
        values = {**dict(like.keys), "res": resource.name}
        keys = tuple([(key, values[key]) for key in KEYS[like.kind] if key in values])
        told = told_of(like.kind, keys, inferred=like.inferred, once=like.once)
        latest = resource.recent[-1] = Entry(cast(int, line), cast("int | None", time_us), told)
    return latest


def settled(resource: Resource) -> list[Entry]:
    """The timeline so far."""
    shown = cast("list[Any]", resource.recent)
    every = zip(shown[::SHOWN], shown[1::SHOWN], shown[2::SHOWN], strict=True)
    return [
        what if isinstance(what, Entry) else Entry(line, time_us, what)
        for line, time_us, what in every
    ]


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
        if what == SILENCE:
            resource.silence_us = used


def add_entry(resource: Resource | None, told: Told, place: Place) -> None:
    """Put a moment on the timeline; direct repetitions are counted."""
    if resource is None:
        return
    latest = latest_entry(resource)
    if latest is not None and latest.told == told:
        latest.again += 1
        latest.last_line = place.line
        latest.last_us = place.time_us
        resource.repeats += 1
        return
    resource.recent += (place.line, place.time_us, Entry(place.line, place.time_us, told))


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
