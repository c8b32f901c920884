"""The well-trodden path: events that do what they always do, one look-up each.

Most lines of a recording are polls of resources that are well. Where the times are exact, nothing
is suspected and the sets of states are known already, an event is: a few instants at which a clock
comes to a constant, and a look-up of the node after it. Owns this shortcut and nothing else: it
changes a unit only if everything about the event is ordinary, and leaves all others, untouched, to
`traces.judge`, which gives the same answers without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rhscheck.traces.engine import Engine
from rhscheck.traces.format import CallEvent, Event, ReturnEvent
from rhscheck.traces.mapping import Observation
from rhscheck.traces.units import Unit

# Result codes can be anything: so many are remembered.
_MOST_ANSWERS: Final = 4096
# Gives the reading of an own event, and the transitions it may be; None if it has to be looked at.
Meaning = Callable[[Event], tuple[Observation, tuple[int, ...]] | None]


@dataclass(slots=True)
class Steady:
    """The units on the path, by the resource's name, and the events that are known.

    `now`, `host`, `seq`: of the last event.
    """

    engine: Engine
    meaning: Meaning
    units: dict[str | None, Unit] = field(default_factory=dict)
    now: int = -1
    host: str = ""
    seq: int = -1
    _calls: dict[str, int] = field(default_factory=dict)
    _returns: dict[tuple[str, int], int] = field(default_factory=dict)
    _meanings: dict[int, tuple[Observation, tuple[int, ...]]] = field(default_factory=dict)

    def admit(self, unit: Unit) -> None:
        """Put the unit on the path if it is fit for it, else take it off."""
        follower = unit.follower
        fit = (
            follower is not None
            and not unit.settling
            and not unit.suspected
            and not follower.stuck
            and follower.now == follower.late
            and follower.lates == follower.times
            and follower.node.clean
        )
        if fit:
            self.units[unit.name] = unit
        else:
            self.units.pop(unit.name, None)

    def _number(self, event: Event) -> int:
        """The number of what the event says; -1 if it has to be looked at."""
        meant = self.meaning(event)
        if meant is None or len(self._returns) >= _MOST_ANSWERS:
            return -1
        reading, _ = meant
        number = self.engine.number((reading.labels, reading.actor))
        self._meanings[number] = meant
        return number

    def run(self, events: Sequence[Event], start: int) -> int:
        """Take the events from number `start` on while they are ordinary; the first that is not."""
        units, calls, returns = self.units, self._calls, self._returns
        sets = self.engine.sets
        now, host, seq = self.now, self.host, self.seq
        at = start
        for at in range(start, len(events)):
            event = events[at]
            # By type, not isinstance: there are no subclasses, and this is what a line costs.
            if type(event) is CallEvent:
                is_call, op, cid = True, event.op, event.cid
                number = calls.get(op)
                if number is None:
                    number = calls[op] = self._number(event)
            elif type(event) is ReturnEvent:
                is_call, op, cid = False, event.op, event.cid
                answer = op, event.rc
                number = returns.get(answer)
                if number is None:
                    number = self._number(event)
                    if number >= 0:
                        returns[answer] = number
            else:
                break
            unit = units.get(event.res)
            time = event.ts
            if (
                unit is None
                or number < 0
                or time is None
                or time < now
                or event.seq <= seq
                or event.host != host
                or event.mon != unit.monitor
            ):
                break
            if cid is not None and not is_call and unit.calls.get(op, cid) != cid:
                break
            follower = unit.follower
            assert follower is not None
            node, times = follower.node, follower.times
            if time > follower.now:
                before, crossing = follower.now, True
                while crossing:
                    if not node.inside:
                        left = node.left
                        if left is None:
                            left = sets.leave(node)
                        node = left.node
                        if not left.same:
                            times = left.pick((*times, before))
                    soonest, moment = time, -1
                    for place, constant in node.ahead:
                        instant = times[place] + constant
                        if instant < soonest or (instant == soonest and moment == -1):
                            soonest, moment = instant, place
                        elif instant == soonest:
                            moment = -2  # two at once are rare, and done elsewhere
                    if moment < 0 or not node.clean:
                        crossing = False
                    else:
                        step = node.crossed.get(moment)
                        if step is None:
                            step = sets.cross(node, moment)
                        node = step.node
                        if not step.same:
                            times = step.pick((*times, soonest))
                        before = soonest
                        crossing = soonest < time and node.clean
                if moment == -2 or not node.clean:
                    break
            try:
                taken = node.numbered[number]
            except KeyError:
                reading, positions = self._meanings[number]
                key = ("event", reading.labels, reading.actor)
                taken = node.numbered[number] = sets.take(node, key, positions)
            if taken is None or not taken.node.clean:
                break
            follower.times = follower.lates = taken.pick((*times, time))
            follower.node = taken.node
            follower.now = follower.late = now = time
            seq = event.seq
            unit.steady += 1
            if is_call and cid is not None:
                unit.calls[op] = cid
        else:
            at = len(events)
        self.now, self.seq = now, seq
        return at
