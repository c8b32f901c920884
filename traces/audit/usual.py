"""The bookkeeping of a resource: timeline, durations, what is open; line by line, or many at once.

Most lines of a log show a resource on its usual way: called, pending, online, offline, and nothing
wrong. They wait until there are many for one resource, and are told in one loop, each by a step of
`audit.ways`. Owns that loop, with what it shares with the lines that are told one by one
(`audit.telling`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rhscheck.traces.audit.model import Entry, Moment, Place, Resource, Span
from rhscheck.traces.audit.ways import (
    BEGUN,
    KEPT,
    NEXT,
    SAID,
    SILENCE,
    UNSAID,
    Saying,
    Situation,
    saying_of,
)
from rhscheck.traces.logmap.language import KEYS, Told, told_of
from rhscheck.traces.logmap.reading import Usual

if TYPE_CHECKING:
    from rhscheck.traces.audit.story import Story

# With more resources than this, each entry is made as small as it can be at once.
_MANY: Final = 4000


def play(story: Story, resource: Resource) -> None:
    """Tell the lines of a resource that wait."""
    story.refresh(resource)
    waiting, recent, flight = resource.waiting, resource.recent, resource.open
    quiet, situation = resource.quiet_since, _situation(story, resource)
    call_us, silence_us = story.limits.call_us, story.limits.silence_us
    longest = resource.spans.get(SILENCE)
    silent_us = -1 if longest is None else longest.used_us
    judged, unsaid, said, silences, shown = 0, 0, 0, 0, 0
    host, known = -1, resource.known
    for at, entry in enumerate(waiting):
        situation, effects = situation[entry[3].route]
        if effects is None:
            continue
        hosts, row, what, at_most, opens, inferred, closes, then, case, bit = effects
        if hosts and entry[2] != host:
            host = entry[2]
            story.monitors.host(resource, host)
        if row != NEXT:
            recent += waiting[shown:at]
            shown = at + 1
            if row == UNSAID:
                unsaid += 1
                continue
            if row == SAID:
                said += 1
                continue
            _again(resource, entry)
        if what is not None:
            if what is not SILENCE:
                measure(resource, what, flight.pop(what)[0], entry, call_us, at_most=at_most)
            elif quiet is not None:
                begun = quiet[1]
                if begun is not None and 0 <= entry[1] - begun <= silent_us:
                    silences += 1
                else:
                    measure(resource, what, quiet, entry, silence_us, at_most=False)
                    silent_us = max(silent_us, entry[1] - begun) if begun is not None else silent_us
        if opens is not None:
            flight[opens] = (entry, inferred)
        elif closes is not None:
            del flight[closes]
        if then != KEPT:
            quiet = entry if then == BEGUN else None
        if case is not None:
            judged += 1
            if not known & bit:
                known |= bit
                if case not in resource.cases:
                    resource.cases[case] = (entry[0], entry[1])
                    story.cases[case] = None
    recent += waiting[shown:]
    resource.pending, resource.checkpoint = situation.pending, situation.checkpoint
    resource.quiet_since, resource.known = quiet, known
    if silences:
        resource.finished[SILENCE] += silences
    resource.events += len(waiting) - said - unsaid
    story.events += len(waiting) - said
    story.judged += judged
    waiting.clear()
    trim(resource, story.length)
    if len(story.resources) > _MANY:
        settle_timeline(resource)


def _again(resource: Resource, entry: Usual) -> None:
    """A line says what the one before it on the timeline has said."""
    latest = latest_entry(resource)
    assert latest is not None, "there is one that it says the same as"
    latest.again += 1
    latest.last_line, latest.last_us = entry[0], entry[1]


def _situation(story: Story, resource: Resource) -> Situation:
    """Where the resource stands."""
    said: Saying | None = None
    if resource.recent:
        latest = resource.recent[-1]
        said = latest[3].route.saying if isinstance(latest, tuple) else saying_of(latest.told)
    flight = tuple([(op, asked) for op, (_, asked) in resource.open.items()])
    quiet = resource.quiet_since is not None
    story.ways.renew()
    return story.ways.situation((resource.pending, resource.checkpoint, flight, quiet, said))


# ---- shared with what is told one by one -------------------------------------------------------
def latest_entry(resource: Resource) -> Entry | None:
    """The last moment on the timeline so far."""
    if not resource.recent:
        return None
    latest = resource.recent[-1]
    if isinstance(latest, tuple):
        latest = resource.recent[-1] = Entry(latest[0], latest[1], latest[3].told[0])
    elif latest.own:
        values = {**dict(latest.told.keys), "res": resource.name}
        keys = tuple([(key, values[key]) for key in KEYS[latest.told.kind] if key in values])
        like = latest.told
        latest.told = told_of(like.kind, keys, inferred=like.inferred, once=like.once)
        latest.own = False
    return latest


def settle_timeline(resource: Resource) -> None:
    """Make what is on the timeline independent of the lines that it comes from."""
    resource.recent = [
        Entry(one[0], one[1], one[3].route.told, own=True) if isinstance(one, tuple) else one
        for one in resource.recent
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


def add_entry(resource: Resource | None, told: Told, place: Place) -> None:
    """Put a moment on the timeline; direct repetitions are counted."""
    if resource is None:
        return
    resource.events += 1
    latest = latest_entry(resource)
    if latest is not None and latest.told == told:
        latest.again += 1
        latest.last_line = place.line
        latest.last_us = place.time_us
        return
    resource.recent.append(Entry(place.line, place.time_us, told))


def trim(resource: Resource, length: int, *, exactly: bool = False) -> None:
    """Drop what is too long ago of a timeline; some more than `length` may stay, for speed."""
    recent = resource.recent
    if len(recent) > (length if exactly else length + length // 2):
        surplus = len(recent) - length
        del recent[:surplus]
        resource.omitted += surplus
