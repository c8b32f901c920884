"""Does the spec allow this recorded run? The first replayer: exact times, complete traces.

The states the spec allows are followed as a set (`spec.tracking`) on the *receptive* System:
assumptions are judged beside the rules, not woven into guards, or a broken promise could never be
seen. An event that no possible state allows, or time that may not pass, is a divergence. Then the
event's call bookkeeping is applied by force, once, to learn which rules it breaks; after that this
replayer stops judging and says so, because it cannot find its place again. For the same reason it
does not judge what follows a gap, an unreadable line or an unknown start, nor traces that say they
are lossy. What was not judged is `inconclusive`, never a pass.

Owns the walk along a trace, findings and blame (SEMANTICS section 6). How a run looks in a trace is
`traces.mapping`'s, the layout of the file `traces.format`'s; nothing is printed here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from rhscheck.spec.describe import duration
from rhscheck.spec.semantics import evaluate
from rhscheck.spec.system import System
from rhscheck.spec.tracking import (
    Possible,
    Stuck,
    TooManyStates,
    Tracker,
    unmet_conditions,
)
from rhscheck.traces.due import due_steps
from rhscheck.traces.format import (
    CallEvent,
    Event,
    EventLine,
    Header,
    Loaded,
    ReturnEvent,
    TimeoutEvent,
)
from rhscheck.traces.mapping import Gap, Ignored, Observation, Vocabulary, trace_parameters
from rhscheck.traces.receptive import Receptive, receptive
from rhscheck.traces.repair import repairs
from rhscheck.traces.report import Finding, RuleVerdict, TraceReport, Unreadable, overall
from rhscheck.traces.wording import clock_time, instance_name, parameter_text, state_texts

# How many states and unmet conditions a finding lists.
MAX_LISTED = 8
_INEXACT = "an unseen event starts a clock at an unknown moment, so states may be missing"


class ReplayError(Exception):
    """The trace cannot be held against this spec at all; the message says why."""


def replay(system: System, loaded: Loaded, *, file: str, n: int | None = None) -> TraceReport:
    """Judge one trace by `system` (with its rules and assumptions, nothing woven in).

    `file` is what the report calls the trace. `n` overrides the number of instances; without it the
    header says it, or else the highest instance that is mentioned. Raises ReplayError where there
    is no System of so many instances, or it has no initial state.
    """
    count = n if n is not None else _instances(system, loaded)
    if count < 1:
        raise ReplayError(f"there is no System of {count} instances")
    walk = _Walk(receptive(system, count), loaded)
    walk.begin()
    for line in loaded.events:
        walk.step(line)
    return walk.report(file)


def _instances(system: System, loaded: Loaded) -> int:
    """The number of instances a trace speaks of, at least 1."""
    header = loaded.header
    if header is not None and isinstance(header.n, int):
        return header.n
    resources = header.resources if header is not None else {}
    pattern = re.compile(r"(.+)\[(\d{1,6})\]")
    highest = 1
    for line in loaded.events:
        name = line.event.res or ""
        match = pattern.fullmatch(resources.get(name, name))
        if match is not None and match[1] in system.parametric:
            highest = max(highest, int(match[2]))
    return highest


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the trace something was found."""

    line: int
    resource: str | None
    time_us: int
    text: str


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong there: who did it, what was missing, what would mend it."""

    actors: Sequence[str] = ()
    unmet: Sequence[str] = ()
    repair: Sequence[str] = ()


_START = _Place(1, None, 0, "the initial state")


@dataclass(slots=True)
class _Walk:
    """The state of one replay: what is possible now, and what was found so far."""

    world: Receptive
    loaded: Loaded
    header: Header = field(init=False)
    tracker: Tracker = field(init=False)
    words: Vocabulary = field(init=False)
    unreadable: int | None = field(init=False)
    possible: tuple[Possible, ...] = ()
    now_us: int | None = None
    hosts: dict[str, int] = field(default_factory=dict)  # the last sequence number of each
    calls: dict[tuple[str | None, str], int] = field(default_factory=dict)
    judged: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    violated: int = 0  # the duties (as bits) found violated
    suspected: dict[int, _Place] = field(default_factory=dict)
    culprit: str | None = None  # the actor whose promise was broken first
    stopped: bool = False  # nothing is judged any more
    undecided: bool = False
    diverged: bool = False
    exact: bool = True

    def __post_init__(self) -> None:
        self.header = self.loaded.header or Header()
        bad = [duty.bad for duty in self.world.duties]
        self.tracker = Tracker(self.world.ground, self.world.hidden, bad)
        self.words = Vocabulary(self.world.ground, self.header.resources)
        lines = [one.line for one in self.loaded.problems]
        lines += [one.line for one in self.loaded.unknown]
        self.unreadable = min(lines, default=None)

    def stop(self, reason: str) -> None:
        """Judge nothing from here on."""
        if not self.stopped:
            self.notes.append(reason)
        self.stopped = self.undecided = True

    # ---- the header ----------------------------------------------------------------------------
    def begin(self) -> None:
        """Take in what the header promises: it decides what can be judged."""
        if self.loaded.header is None:
            self.stop("there is no readable header: nobody says that the trace is complete")
            return
        header = self.header
        named, ours = header.spec.removesuffix(".sm"), self.world.ground.system.name
        if named and named != ours:
            self.stop(f"the header names another spec: {named}, not {ours}")
            return
        self._compare_spec()
        if header.start != "initial":
            self.stop("the recording does not begin with the run: the first state is unknown")
        if header.lossy or not header.complete:
            self.stop("the recording may lack events, so none can be held against the spec")
        if header.slack_us:
            slack = duration(header.slack_us, 1)
            self.stop(f"times may be off by {slack}; this replayer needs exact ones")
        if self.stopped:
            return
        try:
            self.possible = self.tracker.initial()
        except TooManyStates:
            self.stop("the spec has more initial states than can be followed")
            return
        if not self.possible:
            raise ReplayError(f"the spec {self.world.ground.system.name} has no initial state")
        self._judge(_START, ())

    def _compare_spec(self) -> None:
        header, system = self.header, self.world.ground.system
        sums = (header.spec_sha256, system.source_sha256)
        if all(sums) and sums[0] != sums[1]:
            self.notes.append("the trace was made for another text of the spec (SHA-256 differs)")
        ours = trace_parameters(system)
        for parameter, value in header.params.items():
            if parameter in ours and ours[parameter] != value:
                theirs = parameter_text(system, parameter, value)
                here = parameter_text(system, parameter, ours[parameter])
                self.notes.append(
                    f"the trace was made with {parameter} = {theirs}, the spec has {here}"
                )
        for limit, millis in header.timeouts_ms.items():
            if ours.get(limit) != millis * 1000:
                self.stop(f"the header's time-out {limit} = {millis} ms is not the spec's")

    # ---- one event -----------------------------------------------------------------------------
    def step(self, line: EventLine) -> None:
        """Hold the next event against the possible states."""
        event = line.event
        if self.unreadable is not None and line.line > self.unreadable:
            self.stop(f"nothing after line {self.unreadable} is judged: it cannot be read")
        reading = self.words.read(event)
        if isinstance(reading, Ignored):
            self.ignored[reading.kind] = self.ignored.get(reading.kind, 0) + 1
            return
        if self.stopped:
            return
        if isinstance(reading, Gap):
            self.stop(
                f"nothing after line {line.line} is judged: events are missing ({reading.why})"
            )
            return
        if event.ts is None:
            self.stop(f"nothing from line {line.line} on is judged: its time is not exact")
            return
        self._number(line)
        place = _Place(line.line, event.res, event.ts, reading.text)
        try:
            self._observe(place, event, event.ts, reading)
        except TooManyStates:
            self.stop(f"nothing from line {line.line} on is judged: too many states are possible")

    def _number(self, line: EventLine) -> None:
        """Check the sequence numbers of each host: file order is what is judged."""
        event = line.event
        if event.host in self.hosts and event.seq <= self.hosts[event.host]:
            self.undecided = True
            self.notes.append(
                f"line {line.line}: event {event.seq} of {event.host or 'the host'} comes after "
                f"event {self.hosts[event.host]}, so the order of events is doubtful"
            )
        self.hosts[event.host] = event.seq

    def _observe(self, place: _Place, event: Event, ts: int, reading: Observation) -> None:
        if len(self.hosts) > 1 and self.now_us is not None and ts < self.now_us:
            self.stop(f"nothing from line {place.line} on is judged: the hosts' clocks disagree")
            return
        delay_us = self._delay(event, ts)
        if delay_us is None:
            return
        if delay_us < 0:
            back = f"the clock goes back, from {clock_time(self.now_us or 0)} to {clock_time(ts)}"
            self._diverge(place, self.possible, _Fault(unmet=(back,)))
            return
        passed = self.tracker.wait(
            self.possible, Fraction(delay_us, self.world.ground.system.unit_us)
        )
        self.now_us = ts
        self.exact = self.exact and passed.exact
        if not passed.possible:
            self._late(place, passed.stuck, reading)
            return
        self.possible = passed.possible
        self._judge(replace(place, text=f"the time before {place.text}"), ())
        contradiction = self._call_fault(event)
        if contradiction is not None:
            forced = self._force(self.possible, reading)
            self._diverge(place, forced, _Fault(unmet=(contradiction,)))
            return
        positions = self._positions(reading)
        after = self.tracker.take(self.possible, positions)
        if not after:
            self._refuse(place, reading, positions)
            return
        self.judged += 1
        self.possible = after
        self._judge(place, self._actors(reading))

    def _delay(self, event: Event, ts: int) -> int | None:
        """The time since the last judged event in microseconds; None if it cannot be known."""
        if self.now_us is not None:
            return ts - self.now_us
        clock = self.header.clock.get(event.host)
        if clock is not None and clock.epoch == "start":
            return ts
        ground = self.world.ground
        running = any(
            evaluate(one.active, ground, possible.state)
            for possible in self.possible
            for one in ground.clocks
        )
        if running:
            self.stop(
                "the recording does not say when the run began, and clocks run from its start"
            )
            return None
        return 0

    def _call_fault(self, event: Event) -> str | None:
        """How the event contradicts the call ids seen before, if it does."""
        match event:
            case CallEvent(op=op, cid=int(cid)):
                self.calls[(event.res, op)] = cid
            case ReturnEvent(op=op, cid=int(cid)) | TimeoutEvent(op=op, cid=int(cid)):
                issued = self.calls.get((event.res, op), cid)
                if issued != cid:
                    return f"call id {cid} is not that of {op}, which was called with id {issued}"
            case _:
                pass
        return None

    def _positions(self, reading: Observation) -> tuple[int, ...]:
        """The transitions that the event may be."""
        return tuple(
            at
            for label in reading.labels
            for at in self.world.steps.get(label, ())
            if reading.actor in (None, self.world.ground.transitions[at].actor)
        )

    def _actors(self, reading: Observation) -> tuple[str, ...]:
        if reading.actor is not None:
            return (reading.actor,)
        return self.world.actors(reading.labels)

    # ---- rules ---------------------------------------------------------------------------------
    def _judge(self, place: _Place, actors: Sequence[str]) -> None:
        """Record the duties that are now broken in all, or in some, possible states.

        `actors` caused what just happened; nobody did if time passed.
        """
        for bit in self._newly_broken(self.possible, place):
            self._find(place, bit, self.possible, _Fault(actors))

    def _newly_broken(self, possible: Sequence[Possible], place: _Place) -> list[int]:
        """The duties that turn out violated here, assumptions first: they decide about blame."""
        everywhere, somewhere = -1, 0
        for one in possible:
            everywhere &= one.broken
            somewhere |= one.broken
        if not self.exact:
            everywhere = 0
        bits = range(len(self.world.duties))
        for bit in bits:
            if somewhere >> bit & 1:
                self.suspected.setdefault(bit, place)
        new = [bit for bit in bits if (everywhere & ~self.violated) >> bit & 1]
        new.sort(key=lambda bit: self.world.duties[bit].actor is None)
        for bit in new:
            self.violated |= 1 << bit
            self.culprit = self.culprit or self.world.duties[bit].actor
        return new

    def _find(
        self,
        place: _Place,
        bit: int | None,
        possible: Sequence[Possible],
        fault: _Fault,
        *,
        suspicion: bool = False,
    ) -> None:
        """Record a finding about the duty `bit`, None for what merely is not allowed."""
        duty = None if bit is None else self.world.duties[bit]
        culprit = None if duty is None else duty.actor or self.culprit
        blamed = (culprit,) if culprit is not None else tuple(fault.actors)
        states = [one.state for one in possible]
        listed = state_texts(self.world.ground, states, self._instance(place.resource))
        self.findings.append(
            Finding(
                rule=None if duty is None else duty.id,
                verdict="inconclusive" if suspicion else "violated",
                sentence="" if duty is None else duty.sentence,
                actor=blamed[0] if len(blamed) == 1 else None,
                candidates=blamed if len(blamed) > 1 else (),
                line=place.line,
                resource=place.resource,
                time_us=place.time_us,
                event=place.text,
                possible=_shortened(listed),
                unmet=_shortened(fault.unmet),
                repair=tuple(fault.repair),
            )
        )

    def _instance(self, resource: str | None) -> str | None:
        """The instance that the trace calls `resource`, None where the spec has none such."""
        name = None if resource is None else self.header.resources.get(resource, resource)
        slots = self.world.ground.slots
        known = any(instance_name(slot.variable.machine, slot.index) == name for slot in slots)
        return name if known else None

    # ---- divergences ---------------------------------------------------------------------------
    def _refuse(self, place: _Place, reading: Observation, positions: Sequence[int]) -> None:
        """No possible state allows the event."""
        if reading.unknown:
            unmet: tuple[str, ...] = (reading.unknown,)
        elif not positions:
            unmet = (f"{reading.actor} does not cause this event",)
        else:
            states = [one.state for one in self.possible]
            unmet = unmet_conditions(self.world.ground, states, positions, promises=False)
        hints = self._repairs(self.possible, (), place, reading)
        forced = self._force(self.possible, reading)
        self._diverge(place, forced, _Fault(self._actors(reading), unmet, hints))

    def _late(self, place: _Place, stuck: Sequence[Stuck], reading: Observation) -> None:
        """Time may not have passed: a deadline was missed before the event."""
        ground = self.world.ground
        deadlines = {instance_name(one.name, one.index): one for one in ground.deadlines}
        unmet: dict[str, None] = {}
        owners: dict[str, None] = {}
        for one in stuck:
            at = place.time_us - one.left * ground.system.unit_us
            for name in one.deadlines:
                deadline = deadlines[name]
                owners[deadline.owner] = None
                labels = due_steps(ground, self.world.steps, one.possible.state, deadline)
                asked = " or ".join(f"{label.short} of {self.words.res(label)}" for label in labels)
                asked = asked or f"a step of {deadline.owner} (deadline {name})"
                unmet[f"{asked} was due at {clock_time(at)}, and nothing happened"] = None
        hints = self._repairs((), stuck, place, reading)
        self.possible = tuple(dict.fromkeys(one.possible for one in stuck))
        overrun = self.tracker.overrun(stuck)
        allowed = self.tracker.take(overrun, self._positions(reading))
        forced = allowed or self._force(overrun, reading)
        self._diverge(place, forced, _Fault(tuple(owners), tuple(unmet), hints))

    def _repairs(
        self,
        possible: Sequence[Possible],
        stuck: Sequence[Stuck],
        place: _Place,
        reading: Observation,
    ) -> tuple[str, ...]:
        return repairs(
            self.world,
            self.tracker,
            possible,
            stuck,
            labels=reading.labels,
            near=reading.near,
            line=place.line,
            time_us=place.time_us,
        )

    def _force(self, possible: Sequence[Possible], reading: Observation) -> tuple[Possible, ...]:
        """The states after the event's call bookkeeping alone; unchanged for an unknown event."""
        forced = tuple(at for label in reading.labels for at in self.world.forced.get(label, ()))
        return self.tracker.take(possible, forced) if forced else tuple(possible)

    def _diverge(self, place: _Place, forced: Sequence[Possible], fault: _Fault) -> None:
        """Report an event that the spec does not allow, by the rules that it breaks; then stop."""
        broken = self._newly_broken(forced, place)
        for bit in broken:
            self._find(place, bit, self.possible, fault)
        if not broken:
            self._find(place, None, self.possible, fault, suspicion=not self.exact)
        self.diverged = self.exact
        reason = "the spec does not allow it" if self.exact else _INEXACT
        self.stop(f"nothing after line {place.line} is judged: {reason}")

    # ---- the verdict ---------------------------------------------------------------------------
    def report(self, file: str) -> TraceReport:
        """The verdict, once all events have been seen."""
        finish = self.loaded.finish
        last = self.loaded.events[-1].line if self.loaded.events else 1
        cut_tail = finish.ending == "truncated" and self.unreadable == finish.lines
        if self.unreadable is not None and self.unreadable > last and not cut_tail:
            self.stop(f"line {self.unreadable} cannot be read")
        if finish.ending != "complete":
            self.notes.append(f"the trace is not known to be whole: {finish.message}")
        if finish.ending == "mismatch":
            self.undecided = True
        if not self.exact:
            self.notes.append(_INEXACT)
        if self.world.refuted:
            listed = ", ".join(self.world.refuted)
            self.notes.append(f"not judged, because the spec expects them to be violated: {listed}")
        for rule, reason in self.world.unjudged.items():
            self.notes.append(f"{rule} is not judged: {reason}")
        verdicts = [self._verdict(bit) for bit in range(len(self.world.duties))]
        for bit, place in sorted(self.suspected.items()):
            if self._is_suspected(bit):
                self._find(place, bit, self.possible, _Fault(), suspicion=True)
        judged = dict(zip((duty.id for duty in self.world.duties), verdicts, strict=True))
        owed = any(self._is_open(bit) for bit in range(len(self.world.duties)))
        events = len(self.loaded.events)
        verdict = overall(
            events=events,
            judged=self.judged,
            diverged=self.diverged,
            undecided=self.undecided or not self.exact,
            unfinished=owed or bool(self.world.unjudged) or finish.ending != "complete",
            rules=verdicts,
        )
        if verdict == "not-observable":
            self.notes.append("no rule could be judged")
        return TraceReport(
            file,
            events,
            self.judged,
            tuple(sorted(self.ignored.items())),
            verdict,
            tuple((one, judged.get(one, "not-observable")) for one in self.world.ids),
            tuple(self.findings),
            tuple(Unreadable(one.line, one.column, one.message) for one in self.loaded.problems),
            tuple(self.notes),
        )

    def _is_suspected(self, bit: int) -> bool:
        """Whether a duty that is not surely violated is broken in some possible state."""
        if self.violated >> bit & 1:
            return False
        return any(one.broken >> bit & 1 for one in self.possible)

    def _is_open(self, bit: int) -> bool:
        duty = self.world.duties[bit]
        return any(duty.is_open(self.world.ground, one.state) for one in self.possible)

    def _verdict(self, bit: int) -> RuleVerdict:
        if self.violated >> bit & 1:
            return "violated"
        if self.undecided or not self.exact or self._is_suspected(bit):
            return "inconclusive"
        if self.judged == 0:
            return "not-observable"
        unbounded = not self.world.duties[bit].bounded
        if unbounded or self._is_open(bit) or self.loaded.finish.ending != "complete":
            return "conforms-so-far"
        return "conforms"


def _shortened(texts: Sequence[str]) -> tuple[str, ...]:
    """At most MAX_LISTED texts, and how many there are beside them."""
    if len(texts) <= MAX_LISTED:
        return tuple(texts)
    return (*texts[:MAX_LISTED], f"… and {len(texts) - MAX_LISTED} more")
