"""Alignments of whole runs of one resource, and the runs that their edits make.

Owns how an edit of `traces.alignment` is applied to events, so that somebody else can judge whether
the edited run is legal.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rhscheck.spec.system import Label, System
from rhscheck.traces.alignment import Aligner, Alignment, Edit, SeenLine
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import CallEvent, Event, NamedEvent, ReturnEvent, StatusEvent
from rhscheck.traces.format import TimeoutEvent as Timeout
from rhscheck.traces.mapping import Observation, Vocabulary

FIRST = 2  # the line of event 0


class AlignedRuns:
    """Aligns runs of the one instance of a System."""

    def __init__(self, system: System) -> None:
        self.engine = Engine(system, Setting(1))
        self.words = Vocabulary(self.engine.world.ground, {})
        self.aligner = Aligner(self.engine)

    def lines(self, events: Sequence[Event]) -> list[SeenLine]:
        """The events as the resource sees them."""
        found = []
        for number, event in enumerate(events, FIRST):
            reading = self.words.read(event)
            assert isinstance(reading, Observation)
            assert event.ts is not None
            positions = tuple(
                at
                for label in reading.labels
                for at in self.engine.world.steps.get(label, ())
                if reading.actor in (None, self.engine.world.ground.transitions[at].actor)
            )
            key = ("event", reading.labels, reading.actor)
            found.append(
                SeenLine(
                    number, event.ts, event.ts, "own", reading.labels, reading.near, key, positions
                )
            )
        return found

    def align(self, events: Sequence[Event], first: int = 0) -> Alignment:
        """The cheapest alignments of a run; its first `first` events are legal."""
        lines = self.lines(events)
        start = Follower.begin(self.engine.sets, self.engine.begin(aged=False), 0, 0)
        for line in lines[:first]:
            assert start.advance(line.time, line.late)
            assert start.take(line.key, line.positions)
        return self.aligner.align([start], lines[first:])

    def event(self, label: Label, time: int) -> Event:
        """The event that a label looks like."""
        res, op = self.words.res(label), label.name
        match label.kind:
            case "call":
                return CallEvent(ts=time, seq=0, res=res, op=op)
            case "return":
                return ReturnEvent(ts=time, seq=0, res=res, op=op, rc=self.words.code(label))
            case "callback":
                return StatusEvent(ts=time, seq=0, res=res, op=op, state=label.value)
            case "expiry" | "timer":
                return Timeout(ts=time, seq=0, res=res, op=op, cid=None)
            case _:
                return NamedEvent(ts=time, seq=0, res=res, name=op)

    def repaired(self, events: Sequence[Event], way: Sequence[Edit]) -> list[Event]:
        """The run with these edits."""
        changed: dict[int, Event | None] = {}
        before: dict[int, list[Event]] = {}
        shift: dict[int, int] = {}
        for edit in way:
            at = edit.line - FIRST
            match edit.kind:
                case "drop":
                    changed[at] = None
                case "insert":
                    assert edit.label is not None
                    assert edit.time is not None
                    before.setdefault(at, []).append(self.event(edit.label, edit.time))
                case "change":
                    assert edit.label is not None
                    changed[at] = self.event(edit.label, events[at].ts or 0)
                case "exchange":
                    assert edit.other is not None
                    other = edit.other - FIRST
                    changed[at] = msgspec.structs.replace(events[other], ts=events[at].ts)
                    changed[other] = msgspec.structs.replace(events[at], ts=events[other].ts)
                case "move":
                    assert edit.other is not None
                    moved = msgspec.structs.replace(events[at], ts=edit.time)
                    before.setdefault(edit.other - FIRST, []).append(moved)
                    changed[at] = None
                case "time":
                    changed[at] = msgspec.structs.replace(events[at], ts=edit.time)
                    if edit.onward:
                        shift[at + 1] = edit.off
                case "id":
                    raise AssertionError(edit)
        made: list[Event] = []
        off = 0
        for at, event in enumerate(events):
            off += shift.get(at, 0)
            now = changed.get(at, event)
            here = [*before.get(at, ()), *([] if now is None else [now])]
            made += [msgspec.structs.replace(one, ts=(one.ts or 0) + off) for one in here]
        return made
