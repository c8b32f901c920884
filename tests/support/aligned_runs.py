"""Alignments of whole runs of one resource, and the runs that their edits make (`repaired_runs`).

Owns how events of such a run look to an alignment.
"""

from __future__ import annotations

from collections.abc import Sequence

from repaired_runs import FIRST, repaired

from rhscheck.spec.system import System
from rhscheck.traces.alignment import Aligner
from rhscheck.traces.edits import Alignment, Edit, SeenLine
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import Event
from rhscheck.traces.mapping import Observation, Vocabulary


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

    def repaired(self, events: Sequence[Event], way: Sequence[Edit]) -> list[Event]:
        """The run with these edits."""
        return repaired(events, {None: way}, self.engine)
