"""What went wrong in a log, the lines that prove it, and what the plug-in said shortly before.

Owns the incidents found so far, their bound, and which later line belongs to which. What a line
says is for the caller to know; nobody is blamed here who was not named to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rhscheck.traces.audit.model import (
    Call,
    Evidence,
    Incident,
    IncidentKind,
    Place,
    Resource,
    Saying,
)
from rhscheck.traces.audit.monitors import Monitors
from rhscheck.traces.logmap.dying import BACK_US, END_US
from rhscheck.traces.logmap.reading import Sighting

MAX_INCIDENTS: Final = 2_000
MAX_SAYINGS: Final = 4
MAX_EVIDENCE: Final = 50
# Lines that a monitor has ended belong to one of so many incidents, the last line of which is no
# longer ago than END_US.
_RECENT: Final = 20
_OF_ONE: Final = 4  # the last incidents of a resource, to which later lines may belong
# Of other lines none belongs to an incident that began so long ago.
_LATE_US: Final = 3_600_000_000
# What the DLL said counts as a likely cause for so long, or so many lines where there is no time.
CAUSE_US: Final = 60_000_000
CAUSE_LINES: Final = 200
SWEEP: Final = 1_000  # resources that said something, before the old ones are forgotten


@dataclass(slots=True)
class Incidents:
    """The incidents of one log. `call_us`: how long a call may last, None if nobody says.

    `too_many`: how many there were beyond MAX_INCIDENTS.
    """

    call_us: int | None
    monitors: Monitors
    found: list[Incident] = field(default_factory=list)
    too_many: int = 0
    _nameless: list[tuple[int | None, Saying]] = field(default_factory=list)
    _said: dict[str, tuple[Saying, ...]] = field(default_factory=dict)  # by resource
    _swept: int = 0  # resources that were left the last time
    _gone: Incident | None = None
    _of: dict[str, tuple[Incident, ...]] = field(default_factory=dict)  # the last of each resource
    # The last of all to which later lines may belong, as may those of `_of`: all behind the last
    # place where lines are missing or the time goes back.
    _recent: list[Incident] = field(default_factory=list)

    def add(
        self,
        kind: IncidentKind,
        resource: Resource | None,
        place: Place,
        what: str,
        blame: str | None,
        because: str,
        sighting: Sighting,
        op: str | None = None,
        *,
        ended: bool | None = None,
    ) -> Incident:
        """Something went wrong, as the line shows."""
        causes = () if resource is None else self._causes(resource, place, sighting)
        name = None if resource is None else resource.name
        pid = None if sighting.reading.rcm else sighting.pid
        monitor = self.monitors.name(pid or 0) if resource is None else resource.monitor
        incident = Incident(
            kind,
            name,
            monitor,
            place,
            what,
            blame,
            because,
            causes=causes,
            op=op,
            ended=ended,
        )
        prove(incident, sighting)
        self._add(incident)
        return incident

    def stuck(self, incident: Incident, begun: Call | None, late: object) -> None:
        """Since when the call was stuck that was not back in time.

        `begun`: the call, if its beginning was seen; `late`: by how many milliseconds its time was
        up when the line was written, if that says so.
        """
        now, at = incident.place.time_us, None if begun is None else begun[1][1]
        if now is None:
            return
        incident.since_seen = begun is not None and at is not None and not begun[2]
        if incident.since_seen:
            incident.since_us = at
        elif self.call_us is not None:
            late_us = late * 1000 if isinstance(late, int) else 0
            # RHS may have queued what it was asked for.
            incident.since_us = max(0, at or 0, now - self.call_us - late_us)

    def service_gone(self, place: Place, sighting: Sighting) -> None:
        """The cluster service ended, as each of its processes says."""
        if self.explained(place, sighting):
            return
        self._gone = Incident(
            "service-gone",
            None,
            None,
            place,
            "the cluster service ended, and RHS with it",
            None,
            "no resource DLL did it; the reason stands above, in what the service wrote",
        )
        prove(self._gone, sighting)
        self._add(self._gone)

    def explained(self, place: Place, sighting: Sighting) -> bool:
        """Whether the line belongs to the end of the cluster service: then it proves that."""
        if self._gone is None or not near(self._gone.place, place):
            return False
        prove(self._gone, sighting)
        return True

    # ---- which of them a line belongs to -------------------------------------------------------
    def latest(
        self, kinds: tuple[IncidentKind, ...], resource: Resource, now: int | None
    ) -> Incident | None:
        """The last incident of these kinds of the resource that a line may belong to."""
        for incident in reversed(self._of.get(resource.name, ())):
            if incident.kind in kinds:
                if _is_replaced(incident, now):
                    return None
                if now is not None and incident.place.time_us is not None:
                    return incident if now - incident.place.time_us < _LATE_US else None
                return incident
        return None

    def given_up(
        self, resource: Resource, op: str, place: Place, now: int | None
    ) -> Incident | None:
        """The time-out of `op` because of which RHS reports now that it failed.

        Cleaning up may take as long as the end of a process.
        """
        latest = self.latest(("timed-out",), resource, now)
        if latest is None or latest.op not in (None, op):
            return None
        then = latest.place.time_us
        if then is None or place.time_us is None:
            return latest if near(latest.place, place) else None
        return latest if -BACK_US <= place.time_us - then <= END_US else None

    def stuck_call(
        self, resource: Resource, now: int | None, within_us: int = END_US
    ) -> Incident | None:
        """The time-out of a call of the resource that RHS handles now."""
        latest = self.latest(("timed-out",), resource, now)
        return None if latest is None or _is_over(latest, now, within_us) else latest

    def failure(
        self,
        kinds: tuple[IncidentKind, ...],
        resource: Resource,
        place: Place,
        within_us: int,
        ops: tuple[str | None, ...] | None = None,
    ) -> Incident | None:
        """The last incident of these kinds (and operations) of the resource, if it is so near."""
        known = [
            one
            for one in self._of.get(resource.name, ())
            if one.kind in kinds and (ops is None or one.op in ops)
        ]
        found = known[-1] if known else None
        if found is None:
            return None
        if found.last_us is None or place.time_us is None:
            return found if place.line - found.lines[-1].line <= CAUSE_LINES else None
        return found if -BACK_US <= place.time_us - found.last_us <= within_us else None

    def nameless_end(self, resource: Resource, now: int | None) -> Incident | None:
        """The end of a process by nobody knows whom, which may be that of the resource."""
        monitor = self.monitor_of(resource)
        found = [
            one
            for one in self._recent
            if (one.kind, one.resource) == ("crashed", None)
            and not _is_over(one, now)
            and not _is_replaced(one, now)
            and (monitor is None or one.monitor is None or one.monitor == monitor)
        ]
        return found[0] if len(found) == 1 else None

    def name(self, incident: Incident, resource: Resource, sighting: Sighting) -> None:
        """A process ended by this resource, as a later line says."""
        incident.resource = resource.name
        incident.monitor = incident.monitor or resource.monitor
        incident.found(resource.name)
        incident.causes = self._causes(resource, incident.place, sighting)
        self._keep(incident)

    def was_ended_before(self, incident: Incident) -> bool:
        """Whether its monitor had ended by another one already."""
        monitor = incident.monitor
        others = [one for one in self._recent if one is not incident and one.ended]
        return incident.ended is False and any(
            monitor is not None and one.monitor == monitor for one in others
        )

    def monitor_of(self, resource: Resource) -> str | None:
        """The monitor of the resource; None: unknown, or it has ended before."""
        monitor = resource.monitor
        if monitor is not None and not self.monitors.lives(monitor):
            ended = [one for one in self._recent if one.monitor == monitor]
            return monitor if ended else None
        return monitor

    def ended_by(
        self, resource: Resource | None, monitor: str | None, now: int | None
    ) -> Incident | None:
        """Because of which incident the monitor (of `resource`) has ended; None: none, or several.

        A call that was given up in a process that went on ends none, nor does one in another.
        """
        found = self.causes_of_end(resource, monitor, now)
        if resource is not None:
            itself = [one for one in found if one.resource == resource.name]
            found = itself or found
        return found[0] if len(found) == 1 else None

    def causes_of_end(
        self, resource: Resource | None, monitor: str | None, now: int | None
    ) -> list[Incident]:
        """The incidents by which the monitor (of `resource`) may have ended."""
        found: dict[str | int, Incident] = {}
        for one in self._recent:
            old = _is_over(one, now) or _is_replaced(one, now)
            key = one.place.line if one.resource is None else one.resource
            itself = resource is not None and one.resource == resource.name
            if one.kind not in ("timed-out", "crashed", "exception") or old or (one.ended is False):
                continue
            if one.kind == "exception" and not one.ended:
                # RHS may go on, if no line says soon that this very process has ended.
                soon = not _is_over(one, now, CAUSE_US)
                if (
                    resource is None
                    and monitor is not None
                    and soon
                    and one.monitor in (None, monitor)
                ):
                    found[key] = one
                continue
            if monitor is None or one.monitor is None:
                # Nobody says in which process it was: there must be a line that one has ended.
                if itself or one.ended or resource is None:
                    found[key] = one
            elif monitor == one.monitor:
                found[key] = one
        return list(found.values())

    def replaced(self, resource: Resource, now: int | None) -> None:
        """RCM says that the resource is in another process: so is whoever lost the same one."""
        for one in self._recent:
            if one.ended and one.concerns(resource.name) and not _is_over(one, now):
                replace(one, now)

    # ---- what was said before ------------------------------------------------------------------
    def note_saying(self, resource: Resource | None, pid: int | None, saying: Saying) -> None:
        """A warning or an error that the plug-in wrote, of a resource or without a name."""
        if resource is None:
            self._nameless.append((pid, saying))
            del self._nameless[:-MAX_SAYINGS]
        else:
            before = self._said.get(resource.name, ())
            self._said[resource.name] = (*before, saying)[-MAX_SAYINGS:]
            if len(self._said) > max(SWEEP, 2 * self._swept):
                here = saying.place
                kept = {name: said for name, said in self._said.items() if _counts(said[-1], here)}
                self._said, self._swept = kept, len(kept)

    def forget(self) -> None:
        """What was said explains nothing that comes now, and what comes tells of nothing before."""
        self._nameless.clear()
        self._said.clear()
        self._of.clear()
        self._recent.clear()
        self._gone = None

    def _add(self, incident: Incident) -> None:
        self._keep(incident)
        self._recent.append(incident)
        del self._recent[:-_RECENT]
        if len(self.found) < MAX_INCIDENTS:
            self.found.append(incident)
        else:
            self.too_many += 1

    def _keep(self, incident: Incident) -> None:
        """Later lines may belong to it."""
        name = incident.resource
        if name is None:
            return
        self._of[name] = (*self._of.pop(name, ()), incident)[-_OF_ONE:]
        if len(self._of) > 2 * MAX_INCIDENTS:
            self._of = dict(list(self._of.items())[MAX_INCIDENTS:])

    def _causes(self, resource: Resource, place: Place, sighting: Sighting) -> tuple[Saying, ...]:
        """What the DLL said shortly before, of this resource or in its process without a name."""
        said = self._said.get(resource.name, ())
        found = [one for one in said if near(one.place, place)]
        found += [
            one
            for pid, one in self._nameless
            if pid is not None and pid == sighting.pid and near(one.place, place)
        ]
        return tuple(sorted(found, key=lambda one: one.place.line)[-MAX_SAYINGS:])


def prove(incident: Incident, sighting: Sighting) -> None:
    """The line is part of what shows the incident."""
    if len(incident.lines) < MAX_EVIDENCE:
        level = sighting.reading.level
        text = f"{level} {sighting.reading.message}" if level else sighting.reading.message
        incident.lines.append(Evidence(sighting.line, text[:500]))
    incident.last_us = sighting.time_us


def _is_over(incident: Incident, now: int | None, within_us: int = END_US) -> bool:
    """Whether its last line is too long ago for more to belong to it."""
    last = incident.place.time_us if incident.last_us is None else incident.last_us
    return last is not None and now is not None and now - last > within_us


def replace(incident: Incident, now: int | None) -> None:
    """RCM has another process in place of the one that ended by it, if that is not long known."""
    if not _is_replaced(incident, now):
        incident.replaced_us = now


def _is_replaced(incident: Incident, now: int | None) -> bool:
    """Whether RCM has long had another process in its place: what ends now is not the old one."""
    since = incident.replaced_us
    return since is not None and now is not None and now - since > CAUSE_US


def near(earlier: Place, later: Place) -> bool:
    """Whether the later place is near enough for what it tells to belong to the earlier one."""
    if earlier.time_us is None or later.time_us is None:
        return later.line - earlier.line <= CAUSE_LINES
    return 0 <= later.time_us - earlier.time_us <= CAUSE_US


def _counts(saying: Saying, here: Place) -> bool:
    """Whether what was said may be near a line that comes after `here`."""
    said = saying.place
    if here.line - said.line <= CAUSE_LINES:
        return True
    if said.time_us is None:
        return False
    return here.time_us is None or here.time_us - said.time_us <= CAUSE_US + BACK_US
