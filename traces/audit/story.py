"""Follows each resource through a log: its timeline, how long things took, what went wrong.

Owns the reading of events as a story, line by line, in memory that does not grow with the log but
only with the number of resources. It judges no rule of the spec (`audit.judge` does) and claims
nothing that a line does not show: where a log hides the beginning of a call, how long it took is
"at most", and a failure is blamed on the DLL only where the line says so. What most lines are, one
resource on its usual way, is `audit.usual`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from operator import call as give
from typing import Final, cast

from rhscheck.traces.audit.cases import case_of
from rhscheck.traces.audit.model import (
    Case,
    Entry,
    Evidence,
    Incident,
    IncidentKind,
    Place,
    Resource,
    Saying,
)
from rhscheck.traces.audit.usual import (
    add_entry,
    call,
    latest_entry,
    measure,
    play,
    settle,
    settle_timeline,
    trim,
)
from rhscheck.traces.audit.ways import PENDING, PENDING_STATES, SILENCE, WITH_PENDING, Route, Ways
from rhscheck.traces.logmap.language import Told
from rhscheck.traces.logmap.reading import Batch, Reading, Sighting, Usual

MAX_RESOURCES: Final = 100_000
MAX_INCIDENTS: Final = 2_000
# A timeline has this many entries while there are few resources, and fewer where there are many.
LONG, SHORT, TOTAL = 200, 8, 20_000
MAX_SAYINGS: Final = 4
MAX_EVIDENCE: Final = 50
# Lines that a monitor has ended belong to one of so many incidents, the last line of which is no
# longer ago than this (writing a dump takes a while).
END_US: Final = 600_000_000
_RECENT: Final = 20
# What the DLL said counts as a likely cause for so long.
CAUSE_US: Final = 60_000_000
# So many usual lines wait to be told, resource by resource.
MAX_WAITING: Final = 30_000
_SERVICE_GONE: Final = "the cluster service has gone"
_LOUD: Final = ("WARN", "ERR")
_SINK: Final = attrgetter("sink")
_SECOND: Final = 1_000_000
# Where lines go of which nothing is told.
_NOWHERE: Final[deque[Usual]] = deque(maxlen=0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call and the silence of a pending operation may last, in microseconds."""

    call_us: int = 300_000_000
    silence_us: int = 180_000_000


def every(_case: Case) -> bool:
    """A spec that has a word for everything."""
    return True


@dataclass(slots=True)
class Story:
    """What a log shows so far. Feed it sightings (or batches) in file order.

    `speaks_of`: whether the spec has a word for what an event says.
    """

    limits: Limits = field(default_factory=Limits)
    speaks_of: Callable[[Case], bool] = every
    resources: dict[str, Resource] = field(default_factory=dict)
    incidents: list[Incident] = field(default_factory=list)
    too_many_resources: int = 0  # events of resources beyond MAX_RESOURCES
    too_many_incidents: int = 0
    events: int = 0
    judged: int = 0  # events that the spec has a word for
    cases: dict[Case, None] = field(default_factory=dict)  # those of all resources
    latest_us: int | None = None  # the latest time of all
    gaps: list[Place] = field(default_factory=list)
    backwards: list[Place] = field(default_factory=list)
    monitors: dict[int, int] = field(default_factory=dict)  # epoch of each RHS process id
    _ended: set[int] = field(default_factory=set)  # process ids that were seen to end
    _hosts: dict[str, dict[str, Resource]] = field(default_factory=dict)  # by monitor
    _era: int = 0
    _names: dict[int, str] = field(default_factory=dict)  # of monitors, by process id
    _nameless: list[tuple[int | None, Saying]] = field(default_factory=list)
    _now: int | None = None
    _gone: Incident | None = None
    # What waits to be told: how many lines, and what they say.
    _waiting: int = 0
    _given: list[list[Reading]] = field(default_factory=list)
    _known: dict[Case, bool] = field(default_factory=dict)
    ways: Ways = field(init=False)

    def __post_init__(self) -> None:
        self.ways = Ways(self.knows)

    def take_batch(self, batch: Batch) -> None:
        """The next lines of the log."""
        sinks: list[Callable[[Usual], None] | None] = list(map(_SINK, batch.readings))
        apart: list[tuple[int, Sighting | None]] = list(batch.odd)
        if not all(sinks):
            apart += [(at, None) for at, sink in enumerate(sinks) if sink is None]
            apart.sort(key=lambda one: (one[0], one[1] is None))
        begin = 0
        for at, sighting in apart:
            self._give(batch, sinks, begin, at)
            begin = at
            if sighting is not None:
                self.take(sighting)
            else:
                self._look(batch, at)
                begin = at + 1
        self._give(batch, sinks, begin, len(sinks))
        if self._now is not None and (self.latest_us is None or self._now > self.latest_us):
            self.latest_us = self._now
        if self._waiting >= MAX_WAITING:
            self._tell_all()

    def _give(
        self,
        batch: Batch,
        sinks: Sequence[Callable[[Usual], None] | None],
        begin: int,
        end: int,
    ) -> None:
        """Usual lines of a batch that go where lines with such messages wait to be told."""
        if begin == end:
            return
        lines, times, processes = batch.lines, batch.times, batch.processes
        readings, now = batch.readings, self._now
        if end - begin < len(readings):
            lines, times, processes = lines[begin:end], times[begin:end], processes[begin:end]
            readings, sinks = readings[begin:end], sinks[begin:end]
        if not batch.rising or (now is not None and min(times) < now - _SECOND):
            for at in range(begin, end):
                self._look(batch, at)
            return
        # All of it without a step of this interpreter for any line.
        ways = cast("Sequence[Callable[[Usual], None]]", sinks)
        deque(map(give, ways, zip(lines, times, processes, readings, strict=True)), maxlen=0)
        latest = max(times)
        if now is None or latest > now:
            self._now = latest
        self._given.append(readings)
        self._waiting += end - begin

    def _look(self, batch: Batch, at: int) -> None:
        """A usual line that has to be looked at by itself."""
        time_us, reading = batch.times[at], batch.readings[at]
        if self._now is None or time_us > self._now:
            self._now = time_us
        elif time_us < self._now - _SECOND:
            self._time_goes_back(Place(batch.lines[at], time_us))
        entry = (batch.lines[at], time_us, batch.processes[at], reading)
        sink = reading.sink or self._way(entry)
        if sink is not None:
            sink(entry)
            self._given.append([reading])
            self._waiting += 1

    def _way(self, entry: Usual) -> Callable[[Usual], None] | None:
        """Where the line waits to be told with others of its resource; None: it is told.

        Met first here, or a line that is never usual.
        """
        line, time_us, pid, reading = entry
        if not reading.told:
            reading.sink = _NOWHERE.append
            return reading.sink
        told, route = reading.told[0], reading.route
        if not isinstance(route, Route):
            route = reading.route = self.ways.route(reading)
        if route.way == "loud" or told.res is None or len(reading.told) > 1:
            self.take(Sighting(line, 0, time_us, pid, None, reading))
            return None
        resource = self.resources.get(told.res) or self._resource(told.res, Place(line, time_us))
        if resource is None:
            self.events += 1
            self.too_many_resources += 1
            return None
        reading.sink = resource.waiting.append
        return reading.sink

    def _tell_all(self) -> None:
        """Tell all lines that wait. They change nothing but their own resources."""
        if self._waiting >= len(self.resources):
            for resource in self.resources.values():
                if resource.waiting:
                    play(self, resource)
        else:
            for readings in self._given:
                for reading in readings:
                    name = reading.told[0].res if reading.told else None
                    owner = None if name is None else self.resources.get(name)
                    if owner is not None and owner.waiting:
                        play(self, owner)
        self._given.clear()
        self._waiting = 0

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
                if self.latest_us is None or time_us > self.latest_us:
                    self.latest_us = time_us
            elif time_us < now - 1_000_000:
                self._time_goes_back(place)
        for told in reading.told:
            if told.kind == "exit":
                self._tell_all()
            self.events += 1
            name = told.res or sighting.res
            resource = None
            if name is not None:
                resource = self.resources.get(name) or self._resource(name, place)
                if resource is None:
                    self.too_many_resources += 1
                else:
                    if resource.waiting:
                        play(self, resource)
                    if resource.era != self._era:
                        self.refresh(resource)
                    pid = sighting.pid
                    if pid is not None and not reading.rcm:
                        self.host(resource, pid)
            case = case_of(told, resource)
            if case is not None and resource is not None:
                self._judge(case, resource, place)
            _ACTIONS[told.kind](self, told, resource, place, sighting)
            if resource is not None:
                trim(resource, self.length)

    @property
    def length(self) -> int:
        """How many entries a timeline has: fewer, the more resources there are."""
        return max(SHORT, min(LONG, TOTAL // max(1, len(self.resources))))

    def _judge(self, case: Case, resource: Resource, place: Place) -> None:
        """Note that something happened that the spec may speak of."""
        if self.knows(case):
            self.judged += 1
            if case not in resource.cases:
                resource.cases[case] = (place.line, place.time_us)
                self.cases[case] = None

    def knows(self, case: Case) -> bool:
        """Whether the spec speaks of it."""
        known = self._known.get(case)
        if known is None:
            known = self._known[case] = self.speaks_of(case)
        return known

    def _time_goes_back(self, place: Place) -> None:
        """The lines are not one run: nothing open before can end after."""
        if len(self.backwards) < 100:
            self.backwards.append(place)
        if self.latest_us is None or (self._now is not None and self._now > self.latest_us):
            self.latest_us = self._now
        self._forget()
        self._now = place.time_us

    def _forget(self) -> None:
        """Of every resource: what is open, pending, or was said; it is done when it is next met."""
        self._tell_all()
        self._era += 1
        self._nameless.clear()

    def _resource(self, name: str, place: Place) -> Resource | None:
        """A resource that is met for the first time."""
        if len(self.resources) >= MAX_RESOURCES:
            return None
        known = self.resources[name] = Resource(name, place, era=self._era)
        return known

    def refresh(self, resource: Resource) -> None:
        """Forget what was before a gap, if there was one since the resource was last met."""
        if resource.era != self._era:
            resource.era = self._era
            resource.open.clear()
            resource.sayings.clear()
            settle(resource)

    def tell(self) -> None:
        """Tell what waits: then everything that the lines show is in the resources."""
        self._tell_all()

    def finish(self) -> None:
        """The log is over: forget what was open before its last gap, and what reading needed."""
        self._tell_all()
        length = self.length
        for resource in self.resources.values():
            self.refresh(resource)
            trim(resource, length, exactly=True)
            settle_timeline(resource)
            resource.timeline = [entry for entry in resource.recent if isinstance(entry, Entry)]
            resource.recent = []
            resource.quiet_since = None
            if resource.open:
                resource.open = {
                    op: ((since[0], since[1]), asked)
                    for op, (since, asked) in resource.open.items()
                }
        self.speaks_of = every
        self.ways = Ways(every)
        self._hosts.clear()

    def _follows(self, pid: int) -> bool:
        """Whether the process is one of those that are told apart; more than that are none."""
        return pid in self.monitors or len(self.monitors) < MAX_RESOURCES

    # ---- monitors ------------------------------------------------------------------------------
    def host(self, resource: Resource, pid: int) -> None:
        """An RHS process speaks for the resource: it hosts it."""
        name = self._names.get(pid)
        if name is None:
            if not self._follows(pid):
                return
            if pid in self._ended:
                self._ended.discard(pid)
                self.monitors[pid] += 1
            epoch = self.monitors.setdefault(pid, 1)
            name = self._names[pid] = f"{pid}#{epoch}"
        if name != resource.monitor:
            resource.monitor = name
            self._hosts.setdefault(name, {})[resource.name] = resource

    # ---- events --------------------------------------------------------------------------------
    def _call(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        add_entry(resource, told, place)
        if resource is not None:
            call(resource, told.op, (place.line, place.time_us), inferred=told.inferred)

    def _return(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        add_entry(resource, told, place)
        if resource is None:
            return
        op, code = told.op, told.rc
        self._closed(resource, op, place)
        if op in WITH_PENDING and code == PENDING:
            resource.pending = op
            resource.quiet_since = (place.line, place.time_us)
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
            end = (place.line, place.time_us)
            measure(resource, op, opened[0], end, self.limits.call_us, at_most=opened[1])

    def _heard(self, resource: Resource, place: Place) -> None:
        """A pending operation has said something: how long was it silent?"""
        if resource.quiet_since is not None:
            start, end = resource.quiet_since, (place.line, place.time_us)
            measure(resource, SILENCE, start, end, self.limits.silence_us, at_most=False)

    def _status(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        add_entry(resource, told, place)
        if resource is None:
            return
        self._heard(resource, place)
        if told.target in ("pending", "repeated"):
            op = "Offline" if told.source.startswith("Off") else "Online"
            resource.pending = resource.pending or op
            resource.quiet_since = (place.line, place.time_us)
            checkpoint = told.get("ckpt")
            resource.checkpoint = checkpoint if isinstance(checkpoint, int) else None
        else:
            settle(resource)

    def _ends(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        add_entry(resource, told, place)
        if resource is None:
            return
        op, failed = told.op, bool(told.rc)
        late = None if not failed or op in resource.open else self._given_up(resource, op, place)
        if resource.pending == op:
            self._heard(resource, place)
        elif resource.pending is None:
            self._closed(resource, op, place)
        resource.open.pop(op, None)
        settle(resource)
        if late is not None:
            _prove(late, sighting)  # RHS says so, because it waits no longer
        elif failed:
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
        last = latest_entry(resource) if told.once else None
        if last is not None and last.told.kind == "state" and last.told.keys == told.keys:
            self.events -= 1
            return  # the same change, printed in another form
        add_entry(resource, told, place)
        if told.target in PENDING_STATES and resource.pending is None:
            op = told.target.removesuffix("Pending")
            self._closed(resource, op, place)
            resource.pending = op
            resource.quiet_since = (place.line, place.time_us)
        elif told.source in PENDING_STATES:
            settle(resource)

    def _timeout(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        add_entry(resource, told, place)
        if resource is None:
            return
        op = told.op
        opened = resource.open.pop(op, None)
        took = ""
        if opened is not None and opened[0][1] is not None and place.time_us is not None:
            took = f"; it was asked for in line {opened[0][0]}"
        stuck = (
            "LooksAlive, or the IsAlive that follows a failed LooksAlive,"
            if op == "LooksAlive"
            else op
        )
        settle(resource)
        self._incident(
            "timed-out",
            resource,
            place,
            f"{stuck} was not back in time{took}",
            "DLL",
            "RHS waited for the entry point until the call's time was up",
            sighting,
            op,
            ended=True if op not in WITH_PENDING else None,  # RHS gives up these two, and goes on
        )

    def _exit(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        why, pid = told.text("why"), sighting.pid
        if pid is not None and not self._follows(pid):
            pid = None
        add_entry(resource, told, place)
        if pid is not None:
            self.monitors.setdefault(pid, 1)
            self._ended.add(pid)
            self._names.pop(pid, None)
        if why == _SERVICE_GONE:
            self._service_gone(place, sighting)
        monitor = "" if pid is None else f"{pid}#{self.monitors[pid]}"
        if why != _SERVICE_GONE:
            ended = self._ended_by(resource, monitor or None)
            if ended is not None:
                ended.ended = True
                _prove(ended, sighting)
        for other in self._hosts.pop(monitor, {}).values():
            if other.monitor == monitor:
                other.open.clear()
                settle(other)
                if other is not resource:
                    add_entry(other, told, place)

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
            "no resource DLL did it; the reason stands above, in what the service wrote",
        )
        _prove(self._gone, sighting)
        self._add(self._gone)

    def _note(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        what = told.text("what")
        add_entry(resource, told, place)
        match what:
            case "its monitor has ended" if resource is not None:
                latest = self._ended_by(resource, self._monitor_of(resource))
                if latest is not None:
                    _prove(latest, sighting)
                    if resource.name not in (latest.resource, *latest.collateral):
                        latest.collateral.append(resource.name)
                resource.open.clear()
                settle(resource)
            case "crashed or deadlocked: marked to run in a separate monitor":
                latest = self._latest(("timed-out", "crashed"), resource)
                if latest is None or (latest.ended is False and not _near(latest.place, place)):
                    latest = self._incident(
                        "crashed",
                        resource,
                        place,
                        "its monitor crashed, or one of its calls was stuck",
                        None,
                        "RCM names this resource; the line of RHS that says which call is not here",
                        sighting,
                    )
                else:
                    _prove(latest, sighting)
                latest.ended = True
            case "RHS cleans up the operation and goes on":
                latest = self._latest(("timed-out",), resource)
                if latest is not None:
                    latest.ended = latest.ended or False
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
        add_entry(resource, told, place)
        if resource is None:
            self._nameless.append((sighting.pid, saying))
            del self._nameless[:-MAX_SAYINGS]
            return
        resource.sayings.append(saying)
        del resource.sayings[:-MAX_SAYINGS]

    def _notify(
        self, told: Told, resource: Resource | None, place: Place, sighting: Sighting
    ) -> None:
        add_entry(resource, told, place)

    def _gap(self, told: Told, resource: Resource | None, place: Place, sighting: Sighting) -> None:
        if len(self.gaps) < 1000:
            self.gaps.append(place)
        self._forget()

    # ---- incidents -----------------------------------------------------------------------------
    def _latest(
        self, kinds: tuple[IncidentKind, ...], resource: Resource | None
    ) -> Incident | None:
        """The last incident of these kinds (of `resource`, if given) that a line may belong to."""
        for incident in reversed(self.incidents[-_RECENT:]):
            if incident.kind in kinds and (resource is None or incident.resource == resource.name):
                if self._now is not None and incident.place.time_us is not None:
                    return incident if self._now - incident.place.time_us < 3_600_000_000 else None
                return incident
        return None

    def _given_up(self, resource: Resource, op: str, place: Place) -> Incident | None:
        """The time-out of `op` because of which RHS reports just now that it failed."""
        latest = self._latest(("timed-out",), resource)
        same = latest is not None and latest.op == op and _near(latest.place, place)
        return latest if same else None

    def _monitor_of(self, resource: Resource) -> str | None:
        """The monitor of the resource; None: unknown, or it has ended before."""
        monitor = resource.monitor
        if monitor is not None and self._names.get(int(monitor.partition("#")[0])) != monitor:
            ended = [one for one in self.incidents[-_RECENT:] if one.monitor == monitor]
            return monitor if ended else None
        return monitor

    def _ended_by(self, resource: Resource | None, monitor: str | None) -> Incident | None:
        """Because of which incident the monitor (of `resource`) has ended; None: none, or several.

        A call that was given up in a process that went on ends none, nor does one in another.
        """
        found: dict[str | None, Incident] = {}
        for one in self.incidents[-_RECENT:]:
            last = one.place.time_us if one.last_us is None else one.last_us
            old = None not in (last, self._now) and cast(int, self._now) - cast(int, last) > END_US
            itself = resource is not None and one.resource == resource.name
            if one.kind not in ("timed-out", "crashed", "exception") or old or (one.ended is False):
                continue
            if monitor is None or one.monitor is None:
                # Nobody says in which process it was: there must be a line that one has ended.
                if itself or one.ended or resource is None:
                    found[one.resource] = one
            elif monitor == one.monitor:
                found[one.resource] = one
        if resource is not None and resource.name in found:
            return found[resource.name]
        return next(iter(found.values())) if len(found) == 1 else None

    def _incident(
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
        causes = () if resource is None else self._causes(resource, place, sighting)
        name = None if resource is None else resource.name
        pid = None if sighting.reading.rcm else sighting.pid
        monitor = self._names.get(pid or 0) if resource is None else resource.monitor
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
        if kind == "timed-out" and place.time_us is not None:
            incident.since_us = max(0, place.time_us - self.limits.call_us)
        _prove(incident, sighting)
        self._add(incident)
        return incident

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
    incident.last_us = sighting.time_us


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
