"""Follows each resource through a log: its timeline, how long things took, what went wrong.

Owns the reading of events as a story, line by line, in memory that does not grow with the log but
only with the number of resources. It judges no rule of the spec (`audit.judge` does) and claims
nothing that a line does not show: where a log hides the beginning of a call, how long it took is
"at most", and a failure is blamed on the DLL only where the line says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rhscheck.traces.audit.model import (
    Entry,
    Evidence,
    Incident,
    IncidentKind,
    Place,
    Resource,
    Saying,
    Span,
)
from rhscheck.traces.logmap.language import Told
from rhscheck.traces.logmap.read import Sighting

MAX_RESOURCES: Final = 100_000
MAX_INCIDENTS: Final = 2_000
# A timeline has this many entries while all timelines together are short, and later fewer.
LONG, SHORT, TOTAL = 200, 12, 20_000
MAX_SAYINGS: Final = 4
MAX_EVIDENCE: Final = 50
# What the DLL said counts as a likely cause for so long.
CAUSE_US: Final = 60_000_000
_SERVICE_GONE: Final = "the cluster service has gone"
_LOUD: Final = ("WARN", "ERR")
_WITH_PENDING: Final = ("Online", "Offline")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call and the silence of a pending operation may last, in microseconds."""

    call_us: int = 300_000_000
    silence_us: int = 180_000_000


@dataclass(slots=True)
class Story:
    """What a log shows so far. Feed it sightings in file order."""

    limits: Limits = field(default_factory=Limits)
    resources: dict[str, Resource] = field(default_factory=dict)
    incidents: list[Incident] = field(default_factory=list)
    too_many_resources: int = 0  # events of resources beyond MAX_RESOURCES
    too_many_incidents: int = 0
    events: int = 0
    gaps: list[Place] = field(default_factory=list)
    backwards: list[Place] = field(default_factory=list)
    monitors: dict[int, int] = field(default_factory=dict)  # epoch of each RHS process id
    _ended: set[int] = field(default_factory=set)  # process ids that were seen to end
    _hosts: dict[str, dict[str, Resource]] = field(default_factory=dict)  # by monitor
    _era: int = 0
    _entries: int = 0
    _names: dict[int, str] = field(default_factory=dict)  # of monitors, by process id
    _nameless: list[tuple[int | None, Saying]] = field(default_factory=list)
    _now: int | None = None
    _gone: Incident | None = None

    def take(self, sighting: Sighting) -> None:
        """The next line of the log."""
        reading = sighting.reading
        if not reading.told:
            return
        time_us = sighting.time_us
        place = Place(sighting.line, time_us)
        if time_us is not None:
            now = self._now
            if now is None or time_us > now:
                self._now = time_us
            elif time_us < now - 1_000_000:
                self._time_goes_back(place)
        for told in reading.told:
            self.events += 1
            name = told.res or sighting.res
            resource = None
            if name is not None:
                resource = self.resources.get(name)
                if resource is None or resource.era != self._era:
                    resource = self._resource(name, place)
                pid = sighting.pid
                if pid is not None and resource is not None and not reading.rcm:
                    monitor = self._names.get(pid)
                    if monitor is None or monitor != resource.monitor:
                        self._host(resource, pid)
            _ACTIONS[told.kind](self, told, resource, place, sighting)

    def _time_goes_back(self, place: Place) -> None:
        """The lines are not one run: nothing open before can end after."""
        if len(self.backwards) < 100:
            self.backwards.append(place)
        self._forget()
        self._now = place.time_us

    def _forget(self) -> None:
        """Of every resource: what is open, pending, or was said; it is done when it is next met."""
        self._era += 1
        self._nameless.clear()

    def _resource(self, name: str, place: Place) -> Resource | None:
        known = self.resources.get(name)
        if known is not None:
            self._refresh(known)
            return known
        if len(self.resources) >= MAX_RESOURCES:
            self.too_many_resources += 1
            return None
        known = self.resources[name] = Resource(name, place, era=self._era)
        return known

    def _refresh(self, resource: Resource) -> None:
        if resource.era != self._era:
            resource.era = self._era
            resource.open.clear()
            resource.sayings.clear()
            self._settle(resource)

    def finish(self) -> None:
        """The log is over: forget what was open before its last gap."""
        for resource in self.resources.values():
            self._refresh(resource)

    # ---- monitors ------------------------------------------------------------------------------
    def _host(self, resource: Resource, pid: int) -> None:
        """An RHS process speaks for the resource: it hosts it."""
        name = self._names.get(pid)
        if name is None:
            if pid in self._ended:
                self._ended.discard(pid)
                self.monitors[pid] += 1
            epoch = self.monitors.setdefault(pid, 1)
            name = self._names[pid] = f"{pid}#{epoch}"
        resource.monitor = name
        self._hosts.setdefault(name, {})[resource.name] = resource

    def _entry(self, resource: Resource | None, told: Told, place: Place) -> None:
        if resource is None:
            return
        resource.events += 1
        timeline = resource.timeline
        if timeline:
            latest = timeline[-1]
            before = latest.told
            if before is told or (before.keys == told.keys and before.kind == told.kind):
                latest.again += 1
                latest.last = place
                return
        timeline.append(Entry(place, told))
        if len(timeline) > (LONG if self._entries < TOTAL else SHORT):
            # Several at once: each time one of the first would cost more.
            surplus = len(timeline) // 4
            del timeline[:surplus]
            resource.omitted += surplus
            self._entries -= surplus - 1
        else:
            self._entries += 1

    # ---- events --------------------------------------------------------------------------------
    def _call(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        self._entry(resource, told, place)
        if resource is None:
            return
        op = told.op
        asked = resource.open.get(op)
        # The DLL's own record of a call that RCM asked for is the same call, seen better.
        if asked is None or (asked[1] and not told.inferred) or told.inferred:
            resource.open[op] = (place, told.inferred)
        if op == "Terminate":
            self._settle(resource)

    def _settle(self, resource: Resource) -> None:
        """No pending operation is waited for any more."""
        resource.pending = None
        resource.quiet_since = None
        resource.checkpoint = None

    def _return(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        self._entry(resource, told, place)
        if resource is None:
            return
        op, code = told.op, told.rc
        self._closed(resource, op, place)
        if op in _WITH_PENDING and code == 997:
            resource.pending = op
            resource.quiet_since = place
            return
        if op in ("IsAlive", "LooksAlive") and code:
            self._incident(
                "unhealthy",
                resource,
                place,
                f"{op} reported that the resource is not healthy",
                None,
                "the check did its work; what it found is wrong with the application, or with it",
                sighting,
            )

    def _closed(self, resource: Resource, op: str, place: Place) -> None:
        opened = resource.open.pop(op, None)
        if opened is not None:
            self._span(resource, op, opened[0], place, self.limits.call_us, at_most=opened[1])

    def _span(
        self, resource: Resource, what: str, start: Place, end: Place, limit: int, *, at_most: bool
    ) -> None:
        if start.time_us is None or end.time_us is None or end.time_us < start.time_us:
            return
        used = end.time_us - start.time_us
        resource.finished[what] = resource.finished.get(what, 0) + 1
        longest = resource.spans.get(what)
        if longest is None or used > longest.used_us:
            resource.spans[what] = Span(what, start, end, used, limit, at_most)

    def _status(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        self._entry(resource, told, place)
        if resource is None:
            return
        state = told.target
        op = "Offline" if told.source.startswith("Off") else "Online"
        if resource.quiet_since is not None:
            self._span(
                resource,
                "silence",
                resource.quiet_since,
                place,
                self.limits.silence_us,
                at_most=False,
            )
        if state in ("pending", "repeated"):
            resource.pending = resource.pending or op
            resource.quiet_since = place
            checkpoint = told.get("ckpt")
            resource.checkpoint = checkpoint if isinstance(checkpoint, int) else None
        else:
            self._settle(resource)

    def _ends(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        self._entry(resource, told, place)
        if resource is None:
            return
        op, failed = told.op, bool(told.rc)
        if resource.pending == op and resource.quiet_since is not None:
            start = resource.quiet_since
            self._span(resource, "silence", start, place, self.limits.silence_us, at_most=False)
        elif resource.pending is None:
            self._closed(resource, op, place)
        resource.open.pop(op, None)
        self._settle(resource)
        resource.state = "Failed" if failed else op
        if failed:
            self._incident(
                "failed",
                resource,
                place,
                f"{op} failed",
                "DLL",
                "the DLL reported it, by the result of its call or by a status report",
                sighting,
            )

    def _state(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        if resource is None:
            return
        source, target = told.source, told.target
        if told.once and resource.timeline:
            last = resource.timeline[-1]
            if last.told.kind == "state" and last.told.keys == told.keys:
                self.events -= 1
                return  # the same change, printed in another form
        self._entry(resource, told, place)
        resource.state = target or resource.state
        if target in ("OnlinePending", "OfflinePending") and resource.pending is None:
            op = target.removesuffix("Pending")
            self._closed(resource, op, place)
            resource.pending = op
            resource.quiet_since = place
        elif source in ("OnlinePending", "OfflinePending"):
            self._settle(resource)

    def _timeout(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        self._entry(resource, told, place)
        if resource is None:
            return
        op = told.op
        opened = resource.open.pop(op, None)
        took = ""
        if opened is not None and opened[0].time_us is not None and place.time_us is not None:
            took = f"; it was asked for in line {opened[0].line}"
        stuck = (
            "LooksAlive, or the IsAlive that follows a failed LooksAlive,"
            if op == "LooksAlive"
            else op
        )
        self._settle(resource)
        self._incident(
            "timed-out",
            resource,
            place,
            f"{stuck} was not back in time{took}",
            "DLL",
            "RHS waited for the entry point until the call's time was up",
            sighting,
        )

    def _exit(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        why, pid = told.text("why"), sighting.pid
        self._entry(resource, told, place)
        if pid is not None:
            self.monitors.setdefault(pid, 1)
            self._ended.add(pid)
            self._names.pop(pid, None)
        if why == _SERVICE_GONE:
            self._service_gone(place, sighting)
        else:
            latest = self._latest(("timed-out", "crashed"), None)
            if latest is not None:
                _prove(latest, sighting)
        monitor = "" if pid is None else f"{pid}#{self.monitors[pid]}"
        for other in self._hosts.pop(monitor, {}).values():
            if other.monitor == monitor:
                other.open.clear()
                self._settle(other)
                if other is not resource:
                    self._entry(other, told, place)

    def _service_gone(self, place: Place, sighting: Sighting) -> None:
        if self._gone is not None and _near(self._gone.place, place):
            _prove(self._gone, sighting)
            return
        self._gone = Incident(
            "service-gone",
            None,
            None,
            place,
            "the cluster service ended, and RHS with it",
            None,
            "no resource DLL is to blame; the reason stands above, in what the service wrote",
        )
        _prove(self._gone, sighting)
        self._add(self._gone)

    def _note(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        what = told.text("what")
        self._entry(resource, told, place)
        match what:
            case "its monitor has ended" if resource is not None:
                latest = self._latest(("timed-out", "crashed"), None)
                if latest is not None:
                    _prove(latest, sighting)
                    if resource.name not in (latest.resource, *latest.collateral):
                        latest.collateral.append(resource.name)
                resource.open.clear()
                self._settle(resource)
            case "crashed or deadlocked: marked to run in a separate monitor":
                latest = self._latest(("timed-out", "crashed"), resource)
                if latest is not None:
                    _prove(latest, sighting)
                else:
                    self._incident(
                        "crashed",
                        resource,
                        place,
                        "its monitor crashed, or one of its calls was stuck",
                        None,
                        "RCM names this resource; the line of RHS that says which call is not here",
                        sighting,
                    )
            case "RHS cleans up the operation and goes on":
                latest = self._latest(("timed-out",), resource)
                if latest is not None:
                    _prove(latest, sighting)
            case "a call timed out":
                self._incident(
                    "timed-out",
                    resource,
                    place,
                    f"{told.text('detail')} was not back in time",
                    "DLL",
                    "RHS waited for the entry point until the call's time was up",
                    sighting,
                )
            case "the resource DLL cannot be loaded":
                self._incident(
                    "not-loaded",
                    resource,
                    place,
                    f"{told.text('detail')} cannot be loaded (error {told.text('rc')})",
                    None,
                    "the file, or one that it needs, is not there or does not fit this Windows",
                    sighting,
                )
            case "the DLL's worker failed":
                self._incident(
                    "failed",
                    resource,
                    place,
                    f"{told.text('detail')} failed in the DLL's worker (error {told.text('rc')})",
                    "DLL",
                    "the DLL itself says so",
                    sighting,
                )
            case "an exception in an entry point":
                self._incident(
                    "exception",
                    resource,
                    place,
                    f"an exception left an entry point: {told.text('detail')}",
                    "DLL",
                    "an entry point must handle its own exceptions",
                    sighting,
                )
            case "the cluster service shuts down: quorum was lost (event 1177)":
                self._service_gone(place, sighting)
            case "an RHS process was terminated and will be restarted (event 1146)":
                if self._gone is not None and _near(self._gone.place, place):
                    _prove(self._gone, sighting)
                else:
                    self._incident(
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

    def _says(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        level = sighting.reading.level or ""
        if level not in _LOUD and level:
            return
        saying = Saying(place, level or "?", told.text("text")[:500])
        self._entry(resource, told, place)
        if resource is None:
            self._nameless.append((sighting.pid, saying))
            del self._nameless[:-MAX_SAYINGS]
            return
        resource.sayings.append(saying)
        del resource.sayings[:-MAX_SAYINGS]

    def _notify(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        self._entry(resource, told, place)

    def _gap(self, told: Told, resource: Resource | None, place: Place, sighting: Sighting) -> None:
        if len(self.gaps) < 1000:
            self.gaps.append(place)
        self._forget()

    # ---- incidents -----------------------------------------------------------------------------
    def _latest(
        self, kinds: tuple[IncidentKind, ...], resource: Resource | None
    ) -> Incident | None:
        """The last incident of these kinds (of `resource`, if given) that a line may belong to."""
        for incident in reversed(self.incidents[-20:]):
            if incident.kind in kinds and (resource is None or incident.resource == resource.name):
                if self._now is not None and incident.place.time_us is not None:
                    return incident if self._now - incident.place.time_us < 3_600_000_000 else None
                return incident
        return None

    def _incident(
        self,
        kind: IncidentKind,
        resource: Resource | None,
        place: Place,
        what: str,
        blame: str | None,
        because: str,
        sighting: Sighting,
    ) -> None:
        causes = () if resource is None else self._causes(resource, place, sighting)
        name = None if resource is None else resource.name
        monitor = None if resource is None else resource.monitor
        incident = Incident(kind, name, monitor, place, what, blame, because, causes=causes)
        if kind == "timed-out" and place.time_us is not None:
            incident.since_us = max(0, place.time_us - self.limits.call_us)
        _prove(incident, sighting)
        self._add(incident)

    def _add(self, incident: Incident) -> None:
        if len(self.incidents) < MAX_INCIDENTS:
            self.incidents.append(incident)
        else:
            self.too_many_incidents += 1

    def _causes(self, resource: Resource, place: Place, sighting: Sighting) -> tuple[Saying, ...]:
        """What the DLL said shortly before, of this resource or in its process without a name."""
        found = [one for one in resource.sayings if _near(one.place, place)]
        found += [
            one
            for pid, one in self._nameless
            if pid is not None and pid == sighting.pid and _near(one.place, place)
        ]
        return tuple(sorted(found, key=lambda one: one.place.line)[-MAX_SAYINGS:])


def _prove(incident: Incident, sighting: Sighting) -> None:
    """The line is part of what shows the incident."""
    if len(incident.lines) < MAX_EVIDENCE:
        level = sighting.reading.level
        text = f"{level} {sighting.reading.message}" if level else sighting.reading.message
        incident.lines.append(Evidence(sighting.line, text[:500]))


def _near(earlier: Place, later: Place) -> bool:
    if earlier.time_us is None or later.time_us is None:
        return later.line - earlier.line <= 200
    return 0 <= later.time_us - earlier.time_us <= CAUSE_US


_Action = Callable[[Story, Told, "Resource | None", Place, Sighting], None]
_ACTIONS: Final[dict[str, _Action]] = {
    "call": Story._call,
    "return": Story._return,
    "status": Story._status,
    "ends": Story._ends,
    "state": Story._state,
    "timeout": Story._timeout,
    "exit": Story._exit,
    "note": Story._note,
    "notify": Story._notify,
    "says": Story._says,
    "gap": Story._gap,
}
