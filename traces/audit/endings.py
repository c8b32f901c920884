"""What a line about the end of an RHS process proves: which incident ended it, and who was in it.

Owns the lines of a process that ends (a dump, a call that it gives up) and those of RCM about it. A
process that ends is one incident, however many lines tell of it, and which of several incidents
ended it is not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rhscheck.traces.audit.incidents import CAUSE_US, near, prove, replace
from rhscheck.traces.audit.model import Incident, Place, Resource
from rhscheck.traces.audit.usual import add_entry, forget_open, leave
from rhscheck.traces.logmap.dying import SERVICE_GONE, process_in
from rhscheck.traces.logmap.language import Told
from rhscheck.traces.logmap.reading import Sighting

if TYPE_CHECKING:
    from rhscheck.traces.audit.story import Story

_MARKED: Final = (
    "its monitor crashed, or one of its calls was stuck",
    "RCM names this resource; the line of RHS that says which call is not here",
)
_ENDED: Final = (
    "an RHS process ended by a crash or a call that was stuck",
    "no line before it says which resource's call that was; those behind it may",
)
_RECOVERED: Final = (
    "an RHS process ended, and RCM recovers it",
    "the line does not say for which resource; what RHS wrote before it ended is not here",
)
_TERMINATED: Final = (
    "an RHS process was terminated",
    "the line does not say for which resource; the debug log around it may",
)
STUCK: Final = (
    "one of its calls was not back in time",
    "RHS handles a deadlock; the line that says which call is not here",
)


def exits(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """A process says that it ends; with a resource, because of that."""
    add_entry(story, resource, told, place)
    troubles = story.troubles
    gone = told.text("why") == SERVICE_GONE
    again = story.monitors.is_dying(story.monitors.name(sighting.pid or 0))
    monitor, hosted = story.monitors.end(sighting.pid, place.time_us, at_once=gone)
    cause: Incident | None = None
    if gone:
        troubles.service_gone(place, sighting)
    elif resource is not None:
        cause = troubles.stuck_call(resource, story.now)
        if cause is None:
            what, why = STUCK
            cause = troubles.add("timed-out", resource, place, what, None, why, sighting)
        else:
            prove(cause, sighting)
        cause.ended = cause.ended or not again  # else it was ending before
        if not cause.ended:
            cause = troubles.ended_by(None, monitor, story.now)
    else:
        cause = _cause(story, monitor, _ENDED, place, sighting)
    _lose(story, told, resource, place, hosted, cause)


def _cause(
    story: Story, monitor: str | None, otherwise: tuple[str, str], place: Place, sighting: Sighting
) -> Incident | None:
    """Why the monitor has ended, as the line proves; None: of several things one, or no DLL."""
    found = story.troubles.causes_of_end(None, monitor, story.now)
    if len(found) > 1:
        return None
    if found:
        prove(found[0], sighting)
    elif story.troubles.explained(place, sighting):
        return None
    else:
        what, why = otherwise
        found = [story.troubles.add("crashed", None, place, what, None, why, sighting)]
    if found[0].resource is None:
        found[0].monitor = found[0].monitor or monitor
    found[0].ended = True
    return found[0]


def _lose(
    story: Story,
    told: Told,
    resource: Resource | None,
    place: Place,
    hosted: Sequence[Resource],
    cause: Incident | None,
) -> None:
    """The resources in the process that has ended are in none any more."""
    for other in hosted:
        leave(other)
        forget_open(other)
        if other is not resource:
            add_entry(story, other, told, place)
        if cause is not None and other.name != cause.resource:
            cause.lost(other.name)


def cleans(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """RHS gives up a call, and goes on."""
    if resource is None:
        return
    # It does so at once.
    latest = story.troubles.stuck_call(resource, story.now, CAUSE_US)
    if latest is None:
        what, why = STUCK
        latest = story.troubles.add("timed-out", resource, place, what, None, why, sighting)
    else:
        prove(latest, sighting)
    latest.ended = latest.ended or False


def restarts(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """RCM opens the resource again, because its process has ended."""
    if resource is None:
        return
    troubles = story.troubles
    latest = troubles.ended_by(resource, troubles.monitor_of(resource), story.now)
    if latest is not None:
        prove(latest, sighting)
        replace(latest, story.now)
        if resource.name != latest.resource:
            latest.lost(resource.name)
    reopens(story, told, resource, place, sighting)


def reopens(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """The resource is in another process: whatever RHS knew of it, it begins anew."""
    if resource is not None:
        story.monitors.heed(told, resource)
        story.monitors.replace(resource)
        story.troubles.replaced(resource, story.now)
        forget_open(resource)


def moves(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """The resource is not in its process any more."""
    if resource is not None:
        story.monitors.move(resource)
        forget_open(resource)


def marks(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """RCM says which resource's process has ended by it."""
    if resource is None:
        return
    troubles = story.troubles
    latest = troubles.latest(("timed-out", "crashed"), resource, story.now)
    if latest is not None and latest.ended is False and not near(latest.place, place):
        latest = None
    if latest is None:
        latest = troubles.latest(("exception",), resource, story.now)
        if latest is not None and not near(latest.place, place):
            latest = None
    nameless = troubles.nameless_end(resource, story.now)
    what, why = _MARKED
    if nameless is not None and (latest is None or latest.place.line < nameless.place.line):
        nameless.what, nameless.because = what, why
        troubles.name(nameless, resource, sighting)
        prove(nameless, sighting)
        return
    if latest is None:
        monitor = troubles.monitor_of(resource)
        other = None if monitor is None else troubles.ended_by(resource, monitor, story.now)
        if other is not None and other.ended and other.monitor == monitor:
            # The process has ended by it already, and this resource was in it, too.
            prove(other, sighting)
            other.lost(resource.name)
            return
        latest = troubles.add("crashed", resource, place, what, None, why, sighting)
    else:
        prove(latest, sighting)
    if not troubles.was_ended_before(latest):
        latest.ended = True


def recovers(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """RCM makes a process in place of one that has ended."""
    pid = process_in(told.text("detail"))
    monitor, hosted = story.monitors.end(pid, place.time_us, at_once=True)
    story.monitors.heed(told, None)
    cause = _cause(story, monitor, _RECOVERED, place, sighting)
    if cause is not None:
        replace(cause, story.now)
    _lose(story, told, None, place, hosted, cause)


def is_made(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """RCM has made a process, perhaps with the number of one that was ending."""
    story.monitors.heed(told, None)


def is_terminated(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """The event log says that a process has ended, not which."""
    if not story.troubles.explained(place, sighting):
        cause = _cause(story, None, _TERMINATED, place, sighting)
        if cause is not None:
            replace(cause, story.now)
