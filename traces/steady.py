"""The well-trodden path: events that do what they always do.

Most lines of a recording are polls of resources that are well. Owns the walk along such lines: a
unit whose times are exact and of which nothing is suspected is on the path as a `Walker`, and each
event of it is a look-up of the way to go (`traces.paths`). It changes a unit only if everything
about the event is ordinary, and leaves all others, untouched, to `traces.judge`, which gives the
same answers without it.

While a unit is on the path its follower is out of date: `release` brings it up to date.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import length_hint
from typing import Final

from rhscheck.traces.edits import SeenLine
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import CallEvent, Event, ReturnEvent
from rhscheck.traces.habit import CALL, Line, Usual
from rhscheck.traces.mapping import Observation
from rhscheck.traces.numbering import Numbering
from rhscheck.traces.paired import Kind, Paired
from rhscheck.traces.paths import Paths, Walker, rests
from rhscheck.traces.tables import NO_CALL_ID, Table
from rhscheck.traces.units import REACH, Unit

# Result codes can be anything: so many are remembered.
_MOST_ANSWERS: Final = 4096
_UNKNOWN: Final = -1
# So many lines in rounds, and the next lines are tried as rounds at once.
_MANY_ROUNDS: Final = 8
_NOBODY: Final[dict[str | None, Walker]] = {}  # the units of a host that has none on the path
# Gives the reading of an own event, and the transitions it may be; None if it has to be looked at.
Meaning = Callable[[Event], tuple[Observation, tuple[int, ...]] | None]


@dataclass(slots=True)
class Steady:
    """The units on the path, by host and the resource's name, and the events that are known.

    `hosts`: the time of the last event of each host. `now`, `host`: of the last event.
    """

    engine: Engine
    meaning: Meaning
    hosts: dict[str, int]
    numbering: Numbering
    now: int = -1
    host: str = ""
    _walkers: dict[str | None, dict[str | None, Walker]] = field(default_factory=dict)
    _calls: dict[str, int] = field(default_factory=dict)
    _returns: dict[int, dict[str, int]] = field(default_factory=dict)
    _rounds: dict[str, dict[int, int]] = field(default_factory=dict)  # by entry and return code
    _answers: int = 0
    _readings: dict[int, tuple[Observation, tuple[int, ...]]] = field(default_factory=dict)
    _paths: Paths = field(init=False)

    def __post_init__(self) -> None:
        self._paths = self.engine.paths

    # ---- who is on the path --------------------------------------------------------------------
    def admit(self, unit: Unit) -> None:
        """Put the unit on the path if it is fit for it. It is not on it."""
        follower = unit.follower
        if (
            self.engine.alone
            and follower is not None
            and follower.node.clean
            and not unit.settling
            and unit.group is None
            and not unit.suspected
            and not follower.stuck
            and follower.now == follower.late
            and follower.lates == follower.times
        ):
            walkers = self._walkers.setdefault(unit.host, {})
            walkers[unit.name] = Walker(
                unit, follower.node, follower.times, follower.now, unit.monitor, unit.calls
            )

    def release(self, unit: Unit) -> None:
        """Take the unit off the path, if it is on it, and bring its follower up to date."""
        walker = self._walkers.get(unit.host, _NOBODY).get(unit.name)
        if walker is not None and walker.unit is unit:
            del self._walkers[unit.host][unit.name]
            self._arrived(walker)

    def release_all(self) -> None:
        """Take all units off the path."""
        for walkers in self._walkers.values():
            for walker in walkers.values():
                self._arrived(walker)
            walkers.clear()

    def rests(self, unit: Unit, time: int) -> bool:
        """Whether the unit is on the path and surely nothing happens to it until `time`."""
        walker = self._walkers.get(unit.host, _NOBODY).get(unit.name)
        return walker is not None and walker.unit is unit and rests(walker, time)

    # ---- events --------------------------------------------------------------------------------
    def run(self, rest: Iterator[Event], line: int | None = None) -> Event | None:
        """Take events while they are ordinary; the first that is not, which was not taken.

        `line`: that of the first, the others follow it; it is to be remembered where units were.
        """
        calls, returns, walk = self._calls, self._returns, self._paths.walk
        now, host = self.now, self.host
        walkers = self._walkers.get(host, _NOBODY)
        numbers = self.numbering.last
        seq = numbers.get(host, -1)
        odd = None
        for event in rest:
            time = event.ts
            if time is None or time < now:
                odd = event
                break
            if event.host != host:
                if event.host not in self.hosts:
                    odd = event
                    break
                self.hosts[host], numbers[host] = now, seq
                # One count for all hosts together goes on as well as one for each.
                seq = max(numbers[event.host], seq if event.seq == seq + 1 else -1)
                host = event.host
                walkers = self._walkers.get(host, _NOBODY)
            walker = walkers.get(event.res)
            if walker is None or event.mon != walker.monitor:
                odd = event
                break
            # By type, not isinstance: there are no subclasses, and this is what a line costs.
            if type(event) is CallEvent:
                try:
                    number = calls[event.op]
                except KeyError:
                    number = calls[sys.intern(event.op)] = self._number(event)
                is_call = True
            elif type(event) is ReturnEvent:
                try:
                    number = returns[event.rc][event.op]
                except KeyError:
                    number = self._number(event)
                    if number >= 0:
                        returns.setdefault(event.rc, {})[sys.intern(event.op)] = number
                cid = event.cid
                if cid is not None and walker.issued(event.op, cid) != cid:
                    odd = event
                    break
                is_call = False
            else:
                odd = event
                break
            if event.seq != seq + 1 or number < 0:
                odd = event
                break
            way = walker.node.paths.get(number)
            start = walker.node, walker.times, walker.now
            if (way is None or not way(walker, time)) and not walk(walker, number, time):
                odd = event
                break
            if line is not None:
                walker.recent = (*walker.recent[1 - REACH :], (*start, line, time, number))
                walker.noted += 1
                line += 1
            if is_call and event.cid is not None:
                if walker.op != event.op:
                    walker.settle()
                    walker.op = event.op
                walker.cid = event.cid
            walker.count += 1
            now, seq = time, event.seq
        self.now, self.host = now, host
        self.hosts[host], numbers[host], self.numbering.previous = now, seq, seq
        return odd

    def run_usual(self, usual: Usual, start: int, stop: int) -> int:
        """Take lines from `start` before `stop` while they are ordinary; the first not taken."""
        lines = usual.lines
        stop = min(stop, len(lines))
        at, misses = start, 0
        while at < stop:
            until = stop
            if usual.alike is not None:
                began = at
                at = self._run_rounds(lines, at, stop, *usual.alike)
                if at == stop:
                    break
                # Where calls do not return before the next line, rounds are tried ever less often.
                misses = 0 if at > began + _MANY_ROUNDS else misses + 1
                until = min(at + (2 << misses) - (lines[at].ev != CALL), stop)
            rest = iter(lines[at:until])
            odd = self._run_lines(rest)
            at = until - length_hint(rest) - odd
            if odd:
                break
        return at

    def _run_rounds(
        self, lines: list[Line], start: int, stop: int, host: str, monitor: str | None
    ) -> int:
        """Take calls that return on the next line; the first line that was not taken.

        All lines are of this host and monitor.
        """
        if host != self.host:
            return start
        now, seq = self.now, self.numbering.last.get(host, -1)
        walkers = self._walkers.get(host, _NOBODY)
        rounds = self._rounds
        at = start
        for line, back in zip(lines[start:stop:2], lines[start + 1 : stop : 2], strict=False):
            began, ended, op, cid = line.ts, back.ts, line.op, line.cid
            if (
                back.res != line.res
                or back.op != op
                or back.cid != cid
                or line.ev != CALL
                or back.ev == CALL
                or line.rc is not None
                or line.seq != seq + 1
                or back.seq != seq + 2
                or began < now  # no round ends before it began
            ):
                break
            try:
                walker = walkers[line.res]
                number = rounds[op][back.rc]  # type: ignore[index]
            except KeyError:
                break
            if walker.monitor != monitor:
                break
            try:
                if not walker.node.rounds[number](walker, began, ended):
                    self.engine.rounds.ask(walker.node, number)
                    break
            except KeyError:
                self.engine.rounds.ask(walker.node, number)
                break
            if cid is not None:
                if walker.op != op:
                    walker.settle()
                    walker.op = op
                walker.cid = cid
            walker.count += 2
            now, seq = ended, seq + 2
            at += 2
        if at > start:
            self.now = self.hosts[host] = now
            self.numbering.last[host] = self.numbering.previous = seq
        elif start + 1 < stop:
            self._know(lines[start], lines[start + 1])
        return at

    def _know(self, line: Line, back: Line) -> None:
        """Number the round of these lines, if they are one of events that are known."""
        if line.ev != CALL or back.ev == CALL or back.rc is None or line.op != back.op:
            return
        call = self._calls.get(line.op, _UNKNOWN)
        end = self._returns.get(back.rc, {}).get(back.op, _UNKNOWN)
        if call >= 0 and end >= 0:
            rounds = self._rounds.setdefault(sys.intern(back.op), {})
            if back.rc not in rounds:
                rounds[back.rc] = self.engine.rounds.number(call, end)

    def _run_lines(self, rest: Iterator[Line]) -> bool:
        """Take lines while they are ordinary; whether the last one was not, and was not taken."""
        calls, returns = self._calls, self._returns
        now, host = self.now, self.host
        walkers = self._walkers.get(host, _NOBODY)
        numbers = self.numbering.last
        seq = numbers.get(host, -1)
        odd = True
        for line in rest:
            time, op, rc = line.ts, line.op, line.rc
            if line.host != host:
                if line.host not in self.hosts or time < now:
                    break
                self.hosts[host], numbers[host] = now, seq
                seq = max(numbers[line.host], seq if line.seq == seq + 1 else -1)
                host = line.host
                walkers = self._walkers.get(host, _NOBODY)
            try:
                walker = walkers[line.res]
                if rc is None:
                    if line.ev != CALL:
                        break
                    way = walker.node.paths[calls[op]]
                else:
                    if line.ev == CALL:
                        break
                    cid = line.cid
                    if cid is not None and cid != (
                        walker.cid if walker.op == op else walker.calls[op]
                    ):
                        break
                    way = walker.node.paths[returns[rc][op]]
            except KeyError:
                # What was not seen before is learned where there is an event.
                break
            if time < now or line.mon != walker.monitor:
                break
            if line.seq != seq + 1 or not way(walker, time):
                break
            if rc is None and line.cid is not None:
                if walker.op != op:
                    walker.settle()
                    walker.op = op
                walker.cid = line.cid
            walker.count += 1
            now, seq = time, line.seq
        else:
            odd = False
        self.now, self.host = now, host
        self.hosts[host], numbers[host], self.numbering.previous = now, seq, seq
        return odd

    def run_paired(self, paired: Paired, start: int, stop: int) -> int:
        """Take lines from `start` before `stop` while they are ordinary; the first not taken."""
        step, end = 0, len(paired.kinds)
        if start or stop < len(paired):
            step = bisect_left(paired.places, start)
            end = bisect_right(paired.places, stop) - 1
            if step >= end or paired.places[step] != start:
                return start  # one half of a step
        host, numbers = self.host, self.numbering.last
        before = paired.number - 1  # the number before that of the first line
        first = paired.kinds[step].host
        if before + start not in (numbers.get(host), numbers.get(first)):
            return start
        if numbers.get(first, -1) > before + start:
            return start  # the host has counted further before
        if paired.begun[step] < self.now:
            return start
        at, now = start, self.now
        while True:
            step, taken = paired.walk(step, end, host, self._calls, self._returns)
            if taken:
                at, now = at + taken, paired.time_of(step - 1, 2)
            if step == end:
                break
            kind = paired.kinds[step]
            if kind.host != host:
                if numbers.get(kind.host, -1) > before + at:
                    break
                if at > start:
                    self._note_last(host, now, before + at)
                host = kind.host
            walker = self._walker(kind)
            if walker is None:
                break
            taken = self._singly(walker, paired, step)
            if taken:
                at, now = at + taken, paired.time_of(step, taken)
            if taken < paired.lines_of(step):
                break
            step += 1
            if step == end:
                break
        if at > start:
            self._note_last(host, now, before + at)
            self.host = host
        return at

    def _note_last(self, host: str, time: int, number: int) -> None:
        """The last line of the host, and of all, has this time and this number."""
        self.now = self.hosts[host] = time
        self.numbering.last[host] = self.numbering.previous = number

    def _walker(self, kind: Kind) -> Walker | None:
        """The walker of lines of this kind, None if their resource is not on the path."""
        walker = self._walkers.get(kind.host, _NOBODY).get(kind.res)
        if walker is None or walker.monitor != kind.monitor:
            return None
        kind.walker = walker
        kind.rounds = self._rounds.setdefault(kind.op, {})
        return walker

    def _singly(self, walker: Walker, paired: Paired, step: int) -> int:
        """Take a step line by line; how many lines were ordinary, and taken."""
        kind, code, cid = paired.kinds[step], paired.codes[step], paired.ids[step]
        op, ended = kind.op, paired.ended[step]
        if ended is None:
            return int(self._one(walker, op, paired.begun[step], cid, code))
        assert code is not None, "a return has a code"
        call, back = self._calls.get(op, _UNKNOWN), self._returns.get(code, {}).get(op, _UNKNOWN)
        if call >= 0 and back >= 0:
            number = kind.rounds[code] = self.engine.rounds.number(call, back)
            self.engine.rounds.ask(walker.node, number)
        if not self._one(walker, op, paired.begun[step], cid, None):
            return 0
        return 2 if self._one(walker, op, ended, cid, code) else 1

    def _one(self, walker: Walker, op: str, time: int, cid: int, code: int | None) -> bool:
        """Take a call, or a return (it has a code), if it is ordinary."""
        try:
            if code is None:
                way = walker.node.paths[self._calls[op]]
            else:
                if cid != NO_CALL_ID and cid != walker.last(op):
                    return False
                way = walker.node.paths[self._returns[code][op]]
        except KeyError:
            # What was not seen before is learned where there is an event.
            return False
        if not way(walker, time):
            return False
        if code is None and cid != NO_CALL_ID:
            if walker.op != op:
                walker.settle()
                walker.op = op
            walker.cid = cid
        walker.count += 1
        return True

    def run_table(self, table: Table, start: int, stop: int) -> int:
        """Take lines from `start` before `stop` while they are ordinary; the first not taken."""
        calls, returns, kinds = self._calls, self._returns, table.kinds
        now, host = self.now, self.host
        walkers = self._walkers.get(host, _NOBODY)
        numbers = self.numbering.last
        seq = numbers.get(host, -1)
        stop = min(stop, len(table))
        at = start - 1
        for at, time, number, cid, kind in zip(  # noqa: B007  where it stopped is the answer
            range(start, stop),
            table.times[start:stop],
            table.numbers[start:stop],
            table.calls[start:stop],
            table.which[start:stop],
            strict=True,
        ):
            is_call, res, op, rc, its_host, monitor = kinds[kind]
            if its_host != host:
                if its_host not in self.hosts or time < now:
                    break
                self.hosts[host], numbers[host] = now, seq
                seq = max(numbers[its_host], seq if number == seq + 1 else -1)
                host = its_host
                walkers = self._walkers.get(host, _NOBODY)
            try:
                walker = walkers[res]
                if is_call:
                    way = walker.node.paths[calls[op]]
                else:
                    if cid != NO_CALL_ID and cid != (
                        walker.cid if walker.op == op else walker.calls[op]
                    ):
                        break
                    # A return without a code is no event.
                    way = walker.node.paths[returns[rc][op]]  # type: ignore[index]
            except KeyError:
                # What was not seen before is learned where there is an event.
                break
            if time < now or monitor != walker.monitor:
                break
            if number != seq + 1 or not way(walker, time):
                break
            if is_call and cid != NO_CALL_ID:
                if walker.op != op:
                    walker.settle()
                    walker.op = op
                walker.cid = cid
            walker.count += 1
            now, seq = time, number
        else:
            at = stop
        self.now, self.host = now, host
        self.hosts[host], numbers[host], self.numbering.previous = now, seq, seq
        return at

    def _number(self, event: Event) -> int:
        """The number of what the event says; `_UNKNOWN` if it has to be looked at."""
        meant = self.meaning(event)
        if meant is None or self._answers >= _MOST_ANSWERS:
            return _UNKNOWN
        self._answers += 1
        reading, positions = meant
        number = self.engine.number((reading.labels, reading.actor))
        self._readings[number] = meant
        self._paths.meanings[number] = ("event", reading.labels, reading.actor), positions
        return number

    def _arrived(self, walker: Walker) -> None:
        """Bring the unit's follower to where the walker is."""
        unit, follower = walker.unit, walker.unit.follower
        assert follower is not None
        walker.walks = False
        walker.settle()
        if walker.count:
            # Unless all of its lines are remembered, none of those before is one of the last.
            seen = () if walker.noted < walker.count else (*unit.recent, *self._seen(walker))
            unit.recent = seen[-REACH:]
        follower.node = walker.node
        follower.times = follower.lates = walker.times
        follower.now = follower.late = walker.now
        unit.steady += walker.count
        if walker.count and unit.host is not None:
            unit.own = walker.now
            if unit.heard is not None:
                unit.hear(unit.host, walker.now)

    def _seen(self, walker: Walker) -> list[tuple[Follower, SeenLine]]:
        """The last lines of the walker, with where its unit was before each."""
        found = []
        for node, times, now, line, time, number in walker.recent:
            reading, positions = self._readings[number]
            key = ("event", reading.labels, reading.actor)
            said = SeenLine(line, time, time, "own", reading.labels, reading.near, key, positions)
            found.append((Follower(self.engine.sets, node, times, times, now, now), said))
        return found
