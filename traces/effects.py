"""Which transitions an event may be, and what it does to those whose event it is not.

Resources are followed one by one. To the others an event of one is a step of somebody, with its
guards on that one's state left out (`traces.apart`): which step, only its own resource can tell,
from where it is. Owns these questions; what follows from the answers is `traces.inspect`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from rhscheck.traces.apart import OTHER
from rhscheck.traces.follow import Follower
from rhscheck.traces.mapping import Observation
from rhscheck.traces.possible import TooManyStates
from rhscheck.traces.receptive import Receptive


@dataclass(frozen=True, slots=True)
class Effect:
    """What an event does to all: one of the steps of somebody at these positions.

    `sure`: one of them it is, where the resource is whose event it is; `only`: it can be but one.
    """

    positions: tuple[int, ...]
    sure: bool
    only: bool

    def doubtful(self) -> Effect:
        """The same, where nobody knows where that resource is."""
        return Effect(self.positions, sure=False, only=False)


@dataclass(frozen=True, slots=True)
class Effects:
    """The events of one System, prepared for replay."""

    world: Receptive

    def positions(self, reading: Observation) -> tuple[int, ...]:
        """The transitions that the event may be for its own resource."""
        return tuple(
            at
            for label in reading.labels
            for at in self.world.steps.get(label, ())
            if reading.actor in (None, self.world.ground.transitions[at].actor)
        )

    def others(self, reading: Observation) -> tuple[int, ...]:
        """The steps of somebody that it may be for all others."""
        return tuple(
            at
            for label in reading.labels
            for at in self.world.others.get((label.kind, label.name, label.value), ())
        )

    def of(
        self, follower: Follower | None, reading: Observation, time: int, late: int
    ) -> Effect | None:
        """What an event that comes then does to all; None: nothing.

        `follower`: where its resource is before. Only those steps count that it may take there.
        """
        theirs = self.others(reading)
        if not theirs:
            return None
        doubtful = Effect(theirs, sure=False, only=False)
        before = None if follower is None else follower.copy()
        try:
            if before is None or not before.advance(time, late):
                return doubtful
            own = {
                self._written(at)
                for at in self.positions(reading)
                if before.copy().take(("one", at), (at,))
            }
        except TooManyStates:
            return doubtful
        shared = {at: self._written(at).removeprefix(OTHER) for at in theirs}
        seen = own & set(shared.values())
        if not seen:
            return None if own else doubtful
        positions = tuple(at for at, written in shared.items() if written in own)
        return Effect(positions, sure=seen == own, only=len(own) == 1)

    def _written(self, at: int) -> str:
        """The key of a transition as it is before rules are woven in."""
        return self.world.ground.transitions[at].template.key.partition("~")[0]
