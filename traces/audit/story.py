"""Follows each resource through a log: its timeline, how long things took, what went wrong.

Owns the order in which lines are told, and what becomes of what is open where lines are missing or
the time goes back; in memory that does not grow with the log but only with the number of resources.
Usual lines are told many at a time (`audit.usual`), others one by one (`audit.telling`). It judges
no rule of the spec (`audit.judge` does) and claims nothing that a line does not show: where a log
hides the beginning of a call, how long it took is "at most".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rhscheck.traces.audit.cases import case_of, note
from rhscheck.traces.audit.durations import Kinds, Limits
from rhscheck.traces.audit.incidents import Incidents
from rhscheck.traces.audit.model import Case, Incident, Place, Resource
from rhscheck.traces.audit.monitors import Monitors
from rhscheck.traces.audit.telling import tell
from rhscheck.traces.audit.usual import forget_open, leave, play, trim
from rhscheck.traces.audit.ways import Route, Ways
from rhscheck.traces.logmap.reading import Batch, Reading, Sighting, chosen

MAX_RESOURCES: Final = 100_000
MAX_GAPS: Final = 1_000
# A timeline has this many entries while there are few resources, and fewer where there are many:
# SHORT, as long as all together are no more than MOST.
LONG, SHORT, TOTAL, MOST = 200, 8, 20_000, 500_000
_SECOND: Final = 1_000_000
_BITS: Final = 60  # cases of which each resource has a bit


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
    too_many_resources: int = 0  # events of resources beyond MAX_RESOURCES
    events: int = 0
    judged: int = 0  # events that the spec has a word for
    cases: dict[Case, int] = field(default_factory=dict)  # those of all resources, numbered
    latest_us: int | None = None  # the latest time of all
    gaps: list[Place] = field(default_factory=list)
    backwards: list[Place] = field(default_factory=list)
    monitors: Monitors = field(default_factory=Monitors)
    troubles: Incidents = field(init=False)
    now: int | None = None  # the time of the last line, but for small steps back
    _era: int = 0
    _known: dict[Case, bool] = field(default_factory=dict)
    _further: set[tuple[str, int]] = field(default_factory=set)  # noted cases that have no bit
    _kinds: Kinds = field(init=False)
    ways: Ways = field(init=False)

    def __post_init__(self) -> None:
        self._kinds = Kinds(self.limits)
        self.ways = Ways(self.knows, self.bit)
        self.troubles = Incidents(self.limits.call_us, self.monitors)

    @property
    def incidents(self) -> list[Incident]:
        """What went wrong so far."""
        return self.troubles.found

    def take_batch(self, batch: Batch) -> None:
        """The next lines of the log."""
        begin = 0
        for at, sighting in batch.odd:
            self._give(batch, begin, at)
            begin = at
            self.take(sighting)
        self._give(batch, begin, len(batch))
        if self.now is not None and (self.latest_us is None or self.now > self.latest_us):
            self.latest_us = self.now

    def _give(self, batch: Batch, begin: int, end: int) -> None:
        """The usual lines `begin` to `end` of a batch."""
        if begin == end:
            return
        lines, times, processes = batch.lines, batch.times, batch.processes
        readings, now = batch.readings, self.now
        if end - begin < len(readings):
            lines, times, processes = lines[begin:end], times[begin:end], processes[begin:end]
            readings = readings[begin:end]
        if batch.rising and (now is None or min(times) >= now - _SECOND):
            play(self, (lines, times, processes, readings))
            self.reach(max(times))
            return
        for line, time_us, process, reading in zip(lines, times, processes, readings, strict=True):
            if self.now is not None and time_us < self.now - _SECOND:
                self._time_goes_back(Place(line, time_us))
            self.reach(time_us)
            play(self, ([line], [time_us], [process], [reading]))

    def reach(self, time_us: int) -> None:
        """A line has this time."""
        if self.now is None or time_us > self.now:
            self.now = time_us

    def owner(self, reading: Reading) -> Resource | None:
        """Whose a line is that is as usual, and what it says new; None: it is not, or nobody's."""
        told, route = reading.told[0], reading.route
        if not isinstance(route, Route):
            route = reading.route = self.ways.route(reading)
        if route.way == "loud" or told.res is None or len(reading.told) > 1:
            return None
        resource = self.resources.get(told.res) or self._resource(told.res)
        reading.owner = resource
        return resource

    @property
    def count(self) -> int:
        """Grows whenever resources do not stand any more where they stood."""
        return self._era + self.ways.forgotten

    def take(self, sighting: Sighting) -> None:
        """The next line of the log; what it says, if that takes the names that are known."""
        if sighting.choices:
            sighting.reading = chosen(sighting, self.resources)
        reading = sighting.reading
        if not reading.told:
            return
        time_us = sighting.time_us
        place = Place(sighting.line, time_us)
        if time_us is not None:
            now = self.now
            if now is None or time_us > now:
                self.now = time_us
                if self.latest_us is None or time_us > self.latest_us:
                    self.latest_us = time_us
            elif time_us < now - 1_000_000:
                self._time_goes_back(place)
        for told in reading.told:
            self.events += 1
            name = told.res or sighting.res
            resource = None
            if name is not None:
                resource = self.resources.get(name) or self._resource(name)
                if resource is None:
                    self.too_many_resources += 1
                else:
                    leave(resource)
                    if resource.era != self._era:
                        self.refresh(resource)
                    pid = sighting.pid
                    if (
                        pid is not None
                        and not reading.rcm
                        and self.monitors.host(resource, pid, time_us, told)
                    ):
                        forget_open(resource)
            case = case_of(told, resource)
            if case is not None and resource is not None:
                self._judge(case, resource, place)
            tell(self, told, resource, place, sighting)
            if resource is not None:
                trim(resource, self.length)

    @property
    def length(self) -> int:
        """How many entries a timeline has: fewer, the more resources there are."""
        count = max(1, len(self.resources))
        return max(min(SHORT, MOST // count), min(LONG, TOTAL // count))

    def _judge(self, case: Case, resource: Resource, place: Place) -> None:
        """Note that something happened that the spec may speak of."""
        if self.knows(case):
            self.judged += 1
            self.note_case(case, resource, place.line, place.time_us)

    def note_case(self, case: Case, resource: Resource, line: int, time_us: int | None) -> None:
        """Something that the spec speaks of happened to the resource, here or before."""
        number = self.cases.setdefault(case, len(self.cases))
        if number < _BITS:
            bit = 1 << number
            if resource.known & bit:
                return
            resource.known |= bit
        else:
            key = resource.name, number
            if key in self._further:
                return
            self._further.add(key)
        note(resource, number, line, time_us)

    def bit(self, case: Case) -> int:
        """The bit of a case, for `note_case` need not be told what is known; 0 if it has none."""
        number = self.cases.setdefault(case, len(self.cases))
        return 1 << number if number < _BITS else 0

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
        if self.latest_us is None or (self.now is not None and self.now > self.latest_us):
            self.latest_us = self.now
        self._forget()
        self.now = place.time_us

    def gap(self, place: Place) -> None:
        """Lines are missing here."""
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(place)
        self._forget()

    def _forget(self) -> None:
        """Of every resource: what is open, pending, or was said; it is done when it is next met."""
        self._era += 1
        self.troubles.forget()
        self.monitors.forget_dying()

    def _resource(self, name: str) -> Resource | None:
        """A resource that is met for the first time."""
        if len(self.resources) >= MAX_RESOURCES:
            return None
        known = self.resources[name] = Resource(name, self._kinds, era=self._era)
        return known

    def refresh(self, resource: Resource) -> None:
        """Forget what was before a gap, if there was one since the resource was last met."""
        if resource.era != self._era:
            resource.era = self._era
            forget_open(resource)

    def finish(self) -> None:
        """The log is over: forget what was open before its last gap, and what reading needed."""
        length = self.length
        for resource in self.resources.values():
            leave(resource)
            self.refresh(resource)
            trim(resource, length, exactly=True)
            resource.quiet_since = None
        self.speaks_of = every
        self.ways = Ways(every, self.bit)
        self._further.clear()
        self.troubles.forget()
        self.monitors.forget_hosted()
