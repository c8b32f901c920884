"""What an event does to its resource, one at a time, and whether something is wrong with it.

Owns the meaning of each kind of event for a timeline: what it begins and ends, how long that took,
and which events are incidents. A failure is blamed on the DLL only where the line says so. What
most lines are, one resource on its usual way, is told by `audit.usual`, to the same effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rhscheck.traces.audit.durations import SILENCE, measure
from rhscheck.traces.audit.incidents import near, prove
from rhscheck.traces.audit.model import Place, Resource, Saying
from rhscheck.traces.audit.usual import (
    add_entry,
    call,
    ended,
    forget_open,
    latest_told,
    leave,
    overtake,
    plain,
    settle,
    was_just_said,
)
from rhscheck.traces.audit.ways import PENDING, PENDING_STATES, WITH_PENDING, reported_op
from rhscheck.traces.logmap.dying import MADE, RECOVERED, REOPENED, RESTARTED, SERVICE_GONE
from rhscheck.traces.logmap.language import Told
from rhscheck.traces.logmap.reading import Sighting

if TYPE_CHECKING:
    from rhscheck.traces.audit.story import Story

_LOUD: Final = ("WARN", "ERR")


def tell(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """Tell one event; `resource`: whose it is, if anybody's and one that is followed."""
    _ACTIONS[told.kind](story, told, resource, place, sighting)


def _call(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    add_entry(story, resource, told, place)
    if resource is not None:
        call(resource, told.op, (place.line, place.time_us), inferred=told.inferred)
        if told.op == "Close" and not told.inferred:
            story.monitors.close(resource)


def _return(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    add_entry(story, resource, told, place)
    if resource is None:
        return
    op, code = told.op, told.rc
    _closed(resource, op, place)
    if op == "Close" and not told.inferred:
        story.monitors.close(resource)
    if op in WITH_PENDING and code == PENDING:
        resource.pending = op
        resource.quiet_since = (place.line, place.time_us)
        return
    if op in ("IsAlive", "LooksAlive") and code:
        story.troubles.add(
            "unhealthy",
            resource,
            place,
            f"{op} reported that the resource is not healthy",
            None,
            "the check did its work; what it found is wrong with the application, or with it",
            sighting,
        )


def _closed(resource: Resource, op: str, place: Place) -> None:
    overtake(resource, op)
    opened = ended(resource, op)
    if opened is not None:
        measure(resource, op, opened[1], (place.line, place.time_us), at_most=opened[2])


def _heard(resource: Resource, place: Place) -> None:
    """A pending operation has said something: how long was it silent?"""
    if resource.quiet_since is not None:
        start, end = resource.quiet_since, (place.line, place.time_us)
        measure(resource, SILENCE, start, end, at_most=False)


def _status(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    add_entry(story, resource, told, place)
    if resource is None:
        return
    _heard(resource, place)
    if told.target in ("pending", "repeated"):
        resource.pending = resource.pending or reported_op(told.source)
        resource.quiet_since = (place.line, place.time_us)
        checkpoint = told.get("ckpt")
        resource.checkpoint = checkpoint if isinstance(checkpoint, int) else None
    else:
        # Whatever reports when it is done returned before, nobody saw when.
        op = resource.pending or reported_op(told.source)
        overtake(resource, op)
        ended(resource, op)
        settle(resource)


def _ends(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    op, failed = told.op, bool(told.rc)
    why = "" if resource is None or not failed else _why_failed(story, resource, op, place)
    add_entry(story, resource, told, place)
    if resource is None:
        return
    late = (
        None
        if not failed or any(one[0] == op for one in resource.open)
        else story.troubles.given_up(resource, op, place, story.now)
    )
    if resource.pending is None:
        _closed(resource, op, place)
    else:
        if resource.pending == op:
            _heard(resource, place)
        overtake(resource, op)
        ended(resource, op)
    settle(resource)
    if late is not None:
        prove(late, sighting)  # RHS says so, because it waits no longer
    elif failed:
        story.troubles.add(
            "failed",
            resource,
            place,
            f"{op} failed",
            "DLL",
            why,
            sighting,
        )


def _why_failed(story: Story, resource: Resource, op: str, place: Place) -> str:
    """What shows that the DLL is behind a failed Online or Offline."""
    latest = latest_told(resource) if resource.recent else None
    if latest is not None and latest.kind == "return" and latest.op == op and latest.rc != PENDING:
        return "the DLL returned an error from its call"
    if latest is not None and latest.kind == "status" and latest.target == "failure":
        return "the DLL reported it by its status"
    since = None if resource.quiet_since is None else resource.quiet_since[1]
    if resource.pending == op and since is not None and place.time_us is not None:
        silence_us, limit_us = place.time_us - since, story.limits.silence_us
        if limit_us is not None and silence_us >= limit_us:
            return (
                f"it had said nothing for {silence_us / 1e6:.0f} s, which is as long as RHS waits: "
                "it reported no end in time"
            )
    return "the DLL reported it, or reported no end in time: the line does not say which"


def _state(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    if resource is None:
        return
    last = latest_told(resource) if told.once and resource.recent else None
    this = plain(story, resource, told)
    if last is None or last.kind != "state" or last.keys != this.keys:
        add_entry(story, resource, told, place)
    elif was_just_said(resource, place.time_us):
        story.events -= 1
        return  # the same change, printed in another form
    else:
        resource.recent += (place.line, place.time_us, this)
    if told.target in PENDING_STATES and resource.pending is None:
        op = told.target.removesuffix("Pending")
        _closed(resource, op, place)
        resource.pending = op
        resource.quiet_since = (place.line, place.time_us)
    elif told.source in PENDING_STATES:
        settle(resource)


def _timeout(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    add_entry(story, resource, told, place)
    if resource is None:
        return
    op = told.op
    overtake(resource, op)
    opened = ended(resource, op)
    took = ""
    if opened is not None:
        measure(resource, op, opened[1], (place.line, place.time_us), at_most=opened[2])
    if opened is not None and opened[1][1] is not None and place.time_us is not None:
        took = f"; it was {'asked for' if opened[2] else 'entered'} in line {opened[1][0]}"
    stuck = (
        "LooksAlive, or the IsAlive that follows a failed LooksAlive," if op == "LooksAlive" else op
    )
    settle(resource)
    incident = story.troubles.add(
        "timed-out",
        resource,
        place,
        f"{stuck} was not back in time{took}",
        "DLL",
        "RHS waited for the entry point until the call's time was up",
        sighting,
        op,
        # RHS gives up these two, and goes on; and what was ending before did not end by it.
        ended=op not in WITH_PENDING and not story.monitors.is_dying(resource.monitor),
    )
    story.troubles.stuck(incident, opened, told.get("late_ms"))


def _exit(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    add_entry(story, resource, told, place)
    gone = told.text("why") == SERVICE_GONE
    monitor, hosted = story.monitors.end(sighting.pid, place.time_us, at_once=gone)
    cause = None
    if gone:
        story.troubles.service_gone(place, sighting)
    else:
        cause = story.troubles.ended_by(resource, monitor, story.now)
        if cause is not None:
            cause.ended = True
            prove(cause, sighting)
    for other in hosted:
        leave(other)
        forget_open(other)
        if other is not resource:
            add_entry(story, other, told, place)
        if cause is not None and other.name != cause.resource:
            cause.lost(other.name)


def _note(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    what = told.text("what")
    add_entry(story, resource, told, place)
    match what:
        case what if what == RESTARTED and resource is not None:
            latest = story.troubles.ended_by(
                resource, story.troubles.monitor_of(resource), story.now
            )
            if latest is not None:
                prove(latest, sighting)
                if resource.name != latest.resource:
                    latest.lost(resource.name)
            _replaced(story, told, resource)
        case what if what == REOPENED and resource is not None:
            _replaced(story, told, resource)
        case "moved to another monitor" if resource is not None:
            story.monitors.move(resource)
            forget_open(resource)
        case what if what in (RECOVERED, MADE):
            story.monitors.heed(told, resource)
        case "crashed or deadlocked: marked to run in a separate monitor":
            latest = story.troubles.latest(("timed-out", "crashed"), resource, story.now)
            if latest is None or (latest.ended is False and not near(latest.place, place)):
                latest = story.troubles.add(
                    "crashed",
                    resource,
                    place,
                    "its monitor crashed, or one of its calls was stuck",
                    None,
                    "RCM names this resource; the line of RHS that says which call is not here",
                    sighting,
                )
            else:
                prove(latest, sighting)
            latest.ended = True
        case "RHS cleans up the operation and goes on":
            latest = story.troubles.latest(("timed-out",), resource, story.now)
            if latest is not None:
                latest.ended = latest.ended or False
                prove(latest, sighting)
        case "a call timed out":
            incident = story.troubles.add(
                "timed-out",
                resource,
                place,
                f"{told.text('detail')} was not back in time",
                "DLL",
                "RHS waited for the entry point until the call's time was up",
                sighting,
            )
            story.troubles.stuck(incident, None, told.get("late_ms"))
        case "the resource DLL cannot be loaded":
            story.troubles.add(
                "not-loaded",
                resource,
                place,
                f"{told.text('detail')} cannot be loaded (error {told.text('rc')})",
                None,
                "the file, or one that it needs, is not there or does not fit this Windows",
                sighting,
            )
        case "the DLL's worker failed":
            story.troubles.add(
                "failed",
                resource,
                place,
                f"{told.text('detail')} failed in the DLL's worker (error {told.text('rc')})",
                "DLL",
                "the DLL itself says so",
                sighting,
            )
        case "an error while RHS made a call":
            story.troubles.add(
                "exception",
                resource,
                place,
                f"RHS met {_error(told)} while it made a call",
                None,
                "the line does not say whether the DLL was called at all",
                sighting,
            )
        case "an exception in an entry point":
            story.troubles.add(
                "exception",
                resource,
                place,
                f"an exception left an entry point: {told.text('detail')}",
                "DLL",
                "an entry point must handle its own exceptions",
                sighting,
            )
        case "the cluster service shuts down: quorum was lost (event 1177)":
            story.troubles.service_gone(place, sighting)
        case "an RHS process was terminated and will be restarted (event 1146)":
            if not story.troubles.explained(place, sighting):
                story.troubles.add(
                    "crashed",
                    None,
                    place,
                    "an RHS process was terminated",
                    None,
                    "the line does not say for which resource; the debug log around it may",
                    sighting,
                )
        case _:
            return


def _replaced(story: Story, told: Told, resource: Resource) -> None:
    """Another monitor is in place of the resource's: whatever was known of it, it begins anew."""
    story.monitors.heed(told, resource)
    story.monitors.replace(resource)
    forget_open(resource)


def _error(told: Told) -> str:
    """Which error a line tells of: by its number, or as it stands there."""
    return f"error {told.rc}" if told.rc is not None else f"an error ({told.text('detail')})"


def _says(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    level = sighting.reading.level or ""
    if level not in _LOUD and level:
        return
    # The text is that of the timeline: so all who say the same share it.
    shown = told if resource is None else plain(story, resource, told)
    saying = Saying(place, level or "?", shown.text("text")[:500])
    add_entry(story, resource, told, place)
    story.troubles.note_saying(resource, sighting.pid, saying)


def _notify(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    add_entry(story, resource, told, place)


def _gap(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    story.gap(place)


_Action = Callable[["Story", Told, "Resource | None", Place, Sighting], None]
_ACTIONS: Final[dict[str, _Action]] = {
    "call": _call,
    "return": _return,
    "status": _status,
    "ends": _ends,
    "state": _state,
    "timeout": _timeout,
    "exit": _exit,
    "note": _note,
    "notify": _notify,
    "says": _says,
    "gap": _gap,
}
