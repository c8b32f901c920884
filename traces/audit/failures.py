"""Operations and resources that failed: one incident each, however many lines tell of it.

A DLL reports by its status, RHS says so, and RCM is told. Owns which of these lines tell of the
same failure (the same resource and operation, within a minute, and nothing was asked for in
between), and whom they prove to be behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from rhscheck.traces.audit.incidents import CAUSE_US, prove
from rhscheck.traces.audit.model import SHOWN, Entry, Incident, IncidentKind, Place, Resource
from rhscheck.traces.audit.usual import latest_told
from rhscheck.traces.audit.ways import PENDING, PENDING_STATES
from rhscheck.traces.logmap.dying import END_US
from rhscheck.traces.logmap.language import Told
from rhscheck.traces.logmap.reading import Sighting

if TYPE_CHECKING:
    from rhscheck.traces.audit.story import Story

RETURNED: Final = "the DLL returned an error from its call"
_STATUS: Final = "the DLL reported it by its status"
_INDICATED: Final = "the DLL indicated it, as the line says"
_EITHER: Final = "the DLL reported it, or reported no end in time: the line does not say which"
_REPLIED: Final = "RHS told RCM so; its own line, which may say why, is not here"
TOLD_LATE: Final = "RHS told RCM that the call timed out; its own line is not here"
_FAILURES: Final[tuple[IncidentKind, ...]] = (
    "failed",
    "unhealthy",
    "timed-out",
    "crashed",
    "exception",
)
# What a line that says more takes the place of.
_WEAK: Final = (_EITHER, _REPLIED, TOLD_LATE)


def operation_failed(
    story: Story,
    resource: Resource,
    op: str,
    place: Place,
    sighting: Sighting,
    *,
    what: str,
    blame: str | None,
    because: str,
    within_us: int = CAUSE_US,
) -> None:
    """An operation failed, as the line says, which may tell of what another one has told."""
    troubles = story.troubles
    late = troubles.given_up(resource, op, place, story.now)
    if late is not None and not _asked_since(resource, op, late):
        prove(late, sighting)  # RHS says so, because it waits no longer
        return
    same = troubles.failure(("failed",), resource, place, within_us, (op,))
    if same is not None and not _asked_since(resource, op, same):
        prove(same, sighting)
        if blame is not None and (same.blame is None or same.because in _WEAK):
            same.what, same.blame, same.because = what, blame, because
        return
    troubles.add("failed", resource, place, what, blame, because, sighting, op)


def reply_failed(
    story: Story, told: Told, resource: Resource, place: Place, sighting: Sighting
) -> None:
    """A call came back with an error: by its own record, or as RCM was told."""
    blame, because = (None, _REPLIED) if told.inferred else ("DLL", RETURNED)
    operation_failed(
        story,
        resource,
        told.op,
        place,
        sighting,
        what=f"{told.op} failed",
        blame=blame,
        because=because,
    )


def end_failed(
    story: Story,
    told: Told,
    resource: Resource,
    place: Place,
    sighting: Sighting,
    before: tuple[str, int],
) -> None:
    """RHS says that Online or Offline failed. `before`: what `why_failed` said."""
    because, within_us = before
    operation_failed(
        story,
        resource,
        told.op,
        place,
        sighting,
        what=f"{told.op} failed",
        blame="DLL",
        because=because,
        within_us=within_us,
    )


def why_failed(story: Story, told: Told, resource: Resource, place: Place) -> tuple[str, int]:
    """What shows that the DLL is behind a failed Online or Offline, before that is told.

    And for how long lines before it may tell of the same.
    """
    op = told.op
    if told.text("said") == "DLL":
        return _INDICATED, CAUSE_US
    latest = latest_told(resource) if resource.recent else None
    if latest is not None and _is_cause(latest, op):
        # Nothing else was said of it since; the line is part of what shows the incident.
        return (_STATUS if latest.kind == "status" else RETURNED), END_US
    quiet = resource.quiet_since
    if resource.pending == op and quiet is not None and None not in (quiet[1], place.time_us):
        silence_us, limit_us = (
            cast(int, place.time_us) - cast(int, quiet[1]),
            story.limits.silence_us,
        )
        if limit_us is not None and silence_us >= limit_us:
            return (
                f"it had said nothing since line {quiet[0]}, for {silence_us / 1e6:.0f} s, which "
                "is as long as RHS waits: it reported no end in time"
            ), CAUSE_US
    return _EITHER, CAUSE_US


def _is_cause(told: Told, op: str) -> bool:
    """Whether the line shows by itself that the DLL is behind the failure that the next tells."""
    if told.kind == "status":
        # What fails by itself, as its old state says, fails by no operation.
        return told.target == "failure" and (not told.source or failing_op(told, None) == op)
    return told.kind == "return" and told.op == op and is_error(told) and not told.inferred


def is_error(told: Told) -> bool:
    """Whether a call came back with an error."""
    return told.rc not in (0, None, PENDING)


def failing_op(told: Told, pending: str | None) -> str | None:
    """Which operation a DLL reports to have failed; None: it has failed by itself."""
    if told.source in PENDING_STATES:
        return told.source.removesuffix("Pending")
    return None if told.source else pending


def status_failed(
    story: Story, op: str | None, resource: Resource, place: Place, sighting: Sighting
) -> None:
    """The DLL reports failure by its status: of an operation, or of the resource by itself."""
    if op is not None:
        what = f"{op} failed"
        operation_failed(
            *(story, resource, op, place, sighting), what=what, blame="DLL", because=_STATUS
        )
        return
    what = "it reported by its status that it has failed"
    known = _belongs(story, resource, place, sighting)
    if known is not None and known.because == _REPLIED and known.op is None:
        known.what, known.blame, known.because = what, "DLL", _STATUS
    elif known is None:
        story.troubles.add("failed", resource, place, what, "DLL", _STATUS, sighting)


def check_failed(
    story: Story, op: str, resource: Resource, place: Place, sighting: Sighting
) -> None:
    """A health check says no: what the DLL has just reported by itself, or news."""
    what = f"{op} reported that the resource is not healthy"
    because = "the check did its work; what it found is wrong with the application, or with it"
    known = story.troubles.failure(("failed",), resource, place, CAUSE_US, (None,))
    if known is None or _asked_since(resource, "Online", known):
        story.troubles.add("unhealthy", resource, place, what, None, because, sighting)
        return
    if known.because == _REPLIED:
        known.kind, known.what, known.because = "unhealthy", what, because
    prove(known, sighting)


def _belongs(story: Story, resource: Resource, place: Place, sighting: Sighting) -> Incident | None:
    """The failure of the resource, told before, that the line tells of, too, and so proves."""
    known = story.troubles.failure(_FAILURES, resource, place, CAUSE_US)
    if known is None or known.op == "Arbitrate" or _asked_since(resource, "Online", known):
        return None
    prove(known, sighting)
    return known


def is_handled(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """RCM handles a failure, which other lines tell of."""
    if resource is not None:
        _belongs(story, resource, place, sighting)


def is_notified(story: Story, resource: Resource, place: Place, sighting: Sighting) -> None:
    """RHS has told RCM that the resource has failed."""
    if _belongs(story, resource, place, sighting) is None:
        what = "RCM was told that it has failed"
        story.troubles.add("failed", resource, place, what, None, _REPLIED, sighting)


def arbitration_failed(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """Arbitrate came back with an error."""
    if resource is not None:
        operation_failed(
            story,
            resource,
            "Arbitrate",
            place,
            sighting,
            what=f"Arbitrate failed (error {told.text('rc')})",
            blame=None,
            because="it fails also where another node holds the resource; the error says why",
        )


def worker_failed(
    story: Story, told: Told, resource: Resource | None, place: Place, sighting: Sighting
) -> None:
    """The thread in which the DLL does the work has met an error."""
    op = told.text("detail")
    if resource is not None:
        operation_failed(
            story,
            resource,
            op,
            place,
            sighting,
            what=f"{op} failed in the DLL's worker (error {told.text('rc')})",
            blame="DLL",
            because="the DLL itself says so",
        )


def same_timeout(story: Story, resource: Resource, op: str, place: Place) -> Incident | None:
    """The time-out of `op` that was told before, if the line tells of the same."""
    late = story.troubles.given_up(resource, op, place, story.now)
    return None if late is None or _asked_since(resource, op, late) else late


def _asked_since(resource: Resource, op: str, incident: Incident) -> bool:
    """Whether the operation was begun again since the last line of the incident.

    Then it was, too, if it has succeeded since.
    """
    last, shown = incident.lines[-1].line, resource.recent
    for at in range(len(shown) - SHOWN, -1, -SHOWN):
        what = shown[at + SHOWN - 1]
        told = what.told if isinstance(what, Entry) else cast(Told, what)
        again = what.last_line if isinstance(what, Entry) else None
        if (cast(int, shown[at]) if again is None else again) <= last:
            return False
        if _asks_for(told, op) or _succeeded(told, op):
            return True
    return False


def _asks_for(told: Told, op: str) -> bool:
    match told.kind:
        case "call":
            return told.op == op
        case "state":
            return told.target == f"{op}CallIssued"
        case "note":
            return told.text("what") == f"RCM asks for {op}"
        case _:
            return False


def _succeeded(told: Told, op: str) -> bool:
    """Whether RHS says so; what the DLL says of a call that was given up, it may say too late."""
    by_rhs = told.kind == "ends" or (told.kind == "return" and told.inferred)
    return by_rhs and told.op == op and not told.rc
