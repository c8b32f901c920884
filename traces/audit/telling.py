"""What an event does to its resource, one at a time, and whether something is wrong with it.

Owns the meaning of each kind of event for a timeline: what it begins and ends, how long that took,
and which events are incidents. A failure is blamed on the DLL only where the line says so. What
most lines are, one resource on its usual way, is told by `audit.usual`, to the same effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rhscheck.traces.audit.durations import SILENCE, measure
from rhscheck.traces.audit.endings import (
    cleans,
    exits,
    is_made,
    is_terminated,
    marks,
    moves,
    recovers,
    reopens,
    restarts,
)
from rhscheck.traces.audit.failures import (
    TOLD_LATE,
    arbitration_failed,
    check_failed,
    end_failed,
    failing_op,
    is_error,
    is_handled,
    is_notified,
    reply_failed,
    same_timeout,
    status_failed,
    why_failed,
    worker_failed,
)
from rhscheck.traces.audit.incidents import prove
from rhscheck.traces.audit.model import Place, Resource, Saying
from rhscheck.traces.audit.usual import (
    add_entry,
    call,
    ended,
    latest_told,
    overtake,
    plain,
    settle,
    was_just_said,
)
from rhscheck.traces.audit.ways import (
    FAILING,
    FAILURE,
    PENDING,
    PENDING_STATES,
    POLLS,
    WITH_PENDING,
    reported_op,
)
from rhscheck.traces.logmap.dying import MADE, RECOVERED, REOPENED, RESTARTED
from rhscheck.traces.logmap.language import Told
from rhscheck.traces.logmap.reading import Sighting

if TYPE_CHECKING:
    from rhscheck.traces.audit.story import Story

_WAITED: Final = "RHS waited for the entry point until the call's time was up"
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
    if op in WITH_PENDING and code != PENDING and told.inferred:
        # RCM is told that the operation is over: one that was pending, when it was over.
        if resource.pending is None:
            _closed(resource, op, place)
        else:
            overtake(resource, op)
            ended(resource, op)
        settle(resource)
    else:
        _closed(resource, op, place)
    if op == "Close" and not told.inferred:
        story.monitors.close(resource)
    elif op in WITH_PENDING and code == PENDING:
        resource.pending = op
        resource.quiet_since = (place.line, place.time_us)
    elif op in POLLS and code:
        check_failed(story, op, resource, place, sighting)
    elif op in FAILING and is_error(told):
        reply_failed(story, told, resource, place, sighting)


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
    failing = failing_op(told, resource.pending)
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
    if told.target == "failure":
        status_failed(story, failing, resource, place, sighting)


def _ends(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    op, failed = told.op, bool(told.rc)
    why = None if resource is None or not failed else why_failed(story, told, resource, place)
    add_entry(story, resource, told, place)
    if resource is None:
        return
    if resource.pending is None:
        _closed(resource, op, place)
    else:
        if resource.pending == op:
            _heard(resource, place)
        overtake(resource, op)
        ended(resource, op)
    settle(resource)
    if why is not None:
        end_failed(story, told, resource, place, sighting, why)


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
    known = same_timeout(story, resource, op, place)
    if known is not None and known.because == TOLD_LATE:
        known.what, known.because = f"{stuck} was not back in time{took}", _WAITED
        prove(known, sighting)
        return
    incident = story.troubles.add(
        "timed-out",
        resource,
        place,
        f"{stuck} was not back in time{took}",
        "DLL",
        _WAITED,
        sighting,
        op,
        # RHS gives up these two, and goes on; and what was ending before did not end by it.
        ended=op not in WITH_PENDING and not story.monitors.is_dying(resource.monitor),
    )
    story.troubles.stuck(incident, opened, told.get("late_ms"))


_Action = Callable[["Story", Told, "Resource | None", Place, Sighting], None]


def _note(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    add_entry(story, resource, told, place)
    action = _NOTES.get(told.text("what"))
    if action is not None:
        action(story, told, resource, place, sighting)


def _other_timeout(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """A call that no spec knows was not back in time."""
    call = told.text("detail")
    incident = story.troubles.add(
        "timed-out",
        resource,
        place,
        f"{call} was not back in time",
        "DLL",
        _WAITED,
        sighting,
        call.capitalize(),
        ended=_ended_before(story, resource, sighting),
    )
    story.troubles.stuck(incident, None, told.get("late_ms"))


def _told_of_timeout(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """RCM is told that Online or Offline was not back in time."""
    if resource is None:
        return
    op = told.text("detail")
    _closed(resource, op, place)
    settle(resource)
    known = same_timeout(story, resource, op, place)
    if known is not None:
        prove(known, sighting)
        return
    what = f"{op} was not back in time"
    story.troubles.add(
        "timed-out", resource, place, what, "DLL", TOLD_LATE, sighting, op, ended=False
    )


def _not_loaded(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    story.troubles.add(
        "not-loaded",
        resource,
        place,
        f"{told.text('detail')} cannot be loaded (error {told.text('rc')})",
        None,
        "the file, or one that it needs, is not there or does not fit this Windows",
        sighting,
    )


def _met_error(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    story.troubles.add(
        "exception",
        resource,
        place,
        f"RHS met {_error(told)} while it made a call",
        None,
        "the line does not say whether the DLL was called at all",
        sighting,
        ended=_ended_before(story, resource, sighting),
    )


def _exception(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    story.troubles.add(
        "exception",
        resource,
        place,
        f"an exception left an entry point: {told.text('detail')}",
        "DLL",
        "an entry point must handle its own exceptions",
        sighting,
        ended=_ended_before(story, resource, sighting),
    )


def _quorum_lost(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    story.troubles.service_gone(place, sighting)


def _ended_before(story: Story, resource: Resource | None, sighting: Sighting) -> bool | None:
    """False: the process was ending before, so it did not end by this; None: it was not."""
    monitors = story.monitors
    monitor = monitors.name(sighting.pid or 0) if resource is None else resource.monitor
    return False if monitors.is_dying(monitor) else None


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
    if resource is not None and told.text("what") == FAILURE:
        is_notified(story, resource, place, sighting)


def _gap(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    story.gap(place)


_NOTES: Final[dict[str, _Action]] = {
    RESTARTED: restarts,
    REOPENED: reopens,
    RECOVERED: recovers,
    MADE: is_made,
    "moved to another monitor": moves,
    "crashed or deadlocked: marked to run in a separate monitor": marks,
    "RHS cleans up the operation and goes on": cleans,
    "an RHS process was terminated and will be restarted (event 1146)": is_terminated,
    "the cluster service shuts down: quorum was lost (event 1177)": _quorum_lost,
    "a call timed out": _other_timeout,
    "RCM is told that a call timed out": _told_of_timeout,
    "the DLL's worker failed": worker_failed,
    "Arbitrate failed": arbitration_failed,
    "RCM handles the failure": is_handled,
    "the resource DLL cannot be loaded": _not_loaded,
    "an error while RHS made a call": _met_error,
    "an exception in an entry point": _exception,
}
_ACTIONS: Final[dict[str, _Action]] = {
    "call": _call,
    "return": _return,
    "status": _status,
    "ends": _ends,
    "state": _state,
    "timeout": _timeout,
    "exit": exits,
    "note": _note,
    "notify": _notify,
    "says": _says,
    "gap": _gap,
}
