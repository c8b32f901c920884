"""Following one unit of a run along its times: one resource with what is shared, or everything.

A `Follower` is where a unit is now: a node of `traces.possible`, the times of the moments that the
node speaks of, and the present moment. It lets time pass from instant to instant at which anything
changes, and takes steps. Owns that arithmetic of microseconds; what is possible is the node's, what
a step is called the caller's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rhscheck.traces.places import Reach
from rhscheck.traces.possible import Node, Possibilities, Step

FAR: Final = 1 << 70


@dataclass(slots=True)
class Follower:
    """Where a unit of a run may be at the moment between `now` and `late` (microseconds).

    `times`, `lates`: the earliest and the latest time of each moment that `node` speaks of. If time
    cannot pass, `stuck` is true and `node` is the last one that was possible.
    """

    sets: Possibilities
    node: Node
    times: tuple[int, ...]
    lates: tuple[int, ...]
    now: int
    late: int
    stuck: bool = False
    inexact: bool = False  # some set was more than what is possible
    doubtful: int = 0  # rules that may have been broken, for lack of exact times

    @classmethod
    def begin(cls, sets: Possibilities, step: Step, now: int, late: int) -> Follower:
        """At the moment `now` to `late`, which is moment 0 of `step`."""
        made = cls(sets, step.node, (), (), now, late)
        made._go(step, now, late)
        return made

    def copy(self) -> Follower:
        """Another follower at the same place."""
        return Follower(
            self.sets, self.node, self.times, self.lates, self.now, self.late,
            self.stuck, self.inexact, self.doubtful,
        )  # fmt: skip

    # ---- steps ---------------------------------------------------------------------------------
    def take(self, key: object, positions: Sequence[int], *, or_nothing: bool = False) -> bool:
        """One of the transitions now; False, and no change, if none of them is possible."""
        step = self.sets.take(self.node, key, positions, self._width(), or_nothing=or_nothing)
        if step is None:
            return False
        self._go(step, self.now, self.late)
        return True

    def put(self, step: Step) -> None:
        """Another node at the same moment, made from this follower's."""
        self._go(step, self.now, self.late)

    def _width(self) -> Reach:
        width = self.late - self.now
        return (0, True) if width == 0 else (width, True)

    def _go(self, step: Step, time: int, late: int) -> None:
        times, lates, kept = self.times, self.lates, step.kept
        count = len(times)
        earliest = latest = tuple([times[at] if at < count else time for at in kept])
        if time != late or lates is not times:
            latest = tuple([lates[at] if at < count else late for at in kept])
        self.times = earliest
        # The same object where all is exact: that is cheap to see.
        self.lates = earliest if latest == earliest else latest
        self.node = node = step.node
        self.doubtful |= node.doubtful
        if not node.exact:
            self.inexact = True

    # ---- time ----------------------------------------------------------------------------------
    def advance(self, time: int, late: int, *, lenient: bool = False) -> bool:
        """Let time pass until the moment `time` to `late`; False if it cannot pass so far.

        Then `now` is when it was stuck. Moments in the past count as the present one. `lenient`:
        missed deadlines stop nobody.
        """
        time = max(time, self.now)
        late = max(late, self.late, time)
        if time == self.now and late == self.late:
            return True
        if late - time > self.late - self.now:
            self.late = self.now + (late - time)
            self._arrive(self.now)
        width = self.late - self.now
        # The present moment may be as late as this: until then perhaps no time passes at all.
        latest = self.late
        while self.now < time:
            perhaps = self.now < latest
            if not self.node.inside and not self._leave(lenient=lenient or perhaps):
                return False
            until = min(self.change(width), latest if perhaps else time, time)
            self.now, self.late = until, until + width
            if until < time or self._is_change(until, width):
                self._arrive(until)
                if not self.node.items:
                    self.stuck = True
                    return False
        if late < self.late:
            self.late = late
            self._arrive(time)
        return True

    def rests_until(self, time: int) -> bool:
        """Whether nothing at all changes until `time`, so that nobody has to look."""
        if self.now >= time:
            return True
        return self.node.inside and self.change(self.late - self.now) > time

    def _leave(self, *, lenient: bool) -> bool:
        step = self.sets.leave(self.node, lenient=lenient)
        if not step.node.items:
            self.stuck = True
            return False
        self._go(step, self.now, self.late)
        return True

    def change(self, width: int) -> int:
        """The next time at which the age of a moment comes to a constant."""
        soonest = FAR
        for (low, high), time, late in zip(self.node.waits, self.times, self.lates, strict=True):
            if low is not None and late + low < soonest:
                soonest = late + low
            if high is not None:
                soonest = min(soonest, max(time + high - width, self.now + 1))
        return soonest

    def _is_change(self, time: int, width: int) -> bool:
        return any(
            (low is not None and late + low <= time)
            or (high is not None and begun + high - width <= time)
            for (low, high), begun, late in zip(
                self.node.waits, self.times, self.lates, strict=True
            )
        )

    def _arrive(self, time: int) -> None:
        """The moment `time`, with all ages as they are then."""
        late = self.late
        least = tuple(
            _reach(some, time - latest)
            for some, latest in zip(self.node.constants, self.lates, strict=True)
        )
        most = (
            least
            if self.lates is self.times and late == time
            else tuple(
                _reach(some, late - earliest)
                for some, earliest in zip(self.node.constants, self.times, strict=True)
            )
        )
        self._go(self.sets.arrive(self.node, least, most, self._width()), time, late)


def _reach(constants: tuple[int, ...], age: int) -> Reach:
    """How far an age has come among the constants; less than nothing counts as nothing."""
    if age <= 0:
        return (0, True)
    number = bisect_right(constants, age)
    if number == 0:
        return (0, False)
    greatest = constants[number - 1]
    return (greatest, greatest == age)
