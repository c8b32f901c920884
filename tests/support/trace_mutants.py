"""Faults planted into legal recordings: what a host, a plug-in or a recorder may get wrong.

Each operator makes one edit at a place (a burst makes several) and says where; None where the edit
is not possible there. Whether the edited run is wrong is not decided here: many edits are legal
again (dropping a report that nobody needed), and only an oracle can tell.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec

from rhscheck.traces.format import CallEvent, Event, ReturnEvent, StatusEvent, TimeoutEvent

Edit = Callable[[list[Event], int, random.Random], list[Event] | None]


def renumbered(events: Sequence[Event], *, ids: bool = False) -> list[Event]:
    """The events numbered from 1; call ids betray most edits, so they are kept on demand only."""
    found: list[Event] = []
    for number, event in enumerate(events, start=1):
        changed = msgspec.structs.replace(event, seq=number)
        if not ids and isinstance(changed, CallEvent | ReturnEvent | TimeoutEvent):
            is_call = isinstance(changed, TimeoutEvent) and changed.cid is not None
            changed = msgspec.structs.replace(changed, cid=0 if is_call else None)
        found.append(changed)
    return found


def drop(events: list[Event], at: int, _: random.Random) -> list[Event]:
    return events[:at] + events[at + 1 :]


def burst(events: list[Event], at: int, chance: random.Random) -> list[Event] | None:
    """Two to five neighbours are lost."""
    size = chance.randint(2, 5)
    return None if at + size >= len(events) else events[:at] + events[at + size :]


def double(events: list[Event], at: int, _: random.Random) -> list[Event]:
    return [*events[: at + 1], *events[at:]]


def block(events: list[Event], at: int, _: random.Random) -> list[Event] | None:
    """Three lines appear again where they end, at the time of the last (a rotated log)."""
    if at < 2:
        return None
    again = [msgspec.structs.replace(one, ts=events[at].ts) for one in events[at - 2 : at + 1]]
    return [*events[: at + 1], *again, *events[at + 1 :]]


def swap(events: list[Event], at: int, _: random.Random) -> list[Event] | None:
    """Two neighbours change places, each time stamp stays where it is."""
    if at + 1 == len(events):
        return None
    one, other = events[at], events[at + 1]
    moved = [msgspec.structs.replace(other, ts=one.ts), msgspec.structs.replace(one, ts=other.ts)]
    return [*events[:at], *moved, *events[at + 2 :]]


def _at(events: list[Event], at: int, event: Event) -> list[Event] | None:
    return None if event == events[at] else [*events[:at], event, *events[at + 1 :]]


def replace(events: list[Event], at: int, chance: random.Random) -> list[Event] | None:
    """Another entry point."""
    event = events[at]
    if not isinstance(event, CallEvent | ReturnEvent):
        return None
    ops = sorted({one.op for one in events if isinstance(one, CallEvent)})
    return _at(events, at, msgspec.structs.replace(event, op=chance.choice(ops)))


def insert(events: list[Event], at: int, chance: random.Random) -> list[Event]:
    """An event of the same run where it does not belong."""
    stray = msgspec.structs.replace(chance.choice(events), ts=events[at].ts)
    return [*events[:at], stray, *events[at:]]


def result(events: list[Event], at: int, chance: random.Random) -> list[Event] | None:
    """A wrong result code or report."""
    event = events[at]
    match event:
        case ReturnEvent():
            return _at(events, at, msgspec.structs.replace(event, rc=chance.choice([0, 997, 5])))
        case StatusEvent():
            values = ["success", "failure", "pending"]
            return _at(events, at, msgspec.structs.replace(event, state=chance.choice(values)))
        case _:
            return None


def retarget(events: list[Event], at: int, chance: random.Random) -> list[Event] | None:
    """Another resource."""
    names = sorted({str(one.res) for one in events})
    return _at(events, at, msgspec.structs.replace(events[at], res=chance.choice(names)))


def _shifted(events: list[Event], at: int, by_us: int) -> list[Event]:
    late = [msgspec.structs.replace(one, ts=(one.ts or 0) + by_us) for one in events[at:]]
    return [*events[:at], *late]


def delay(events: list[Event], at: int, chance: random.Random) -> list[Event]:
    """This event and all after it come later, by about a deadline of the spec."""
    limit = chance.choice([300, 5_000, 60_000, 180_000, 300_000])
    return _shifted(events, at, (limit + chance.choice([-1, 1])) * 1000)


def early(events: list[Event], at: int, _: random.Random) -> list[Event] | None:
    """This event and all after it come right after the one before (1 ms too early, or more)."""
    if at == 0 or events[at].ts == events[at - 1].ts:
        return None
    gap = (events[at].ts or 0) - (events[at - 1].ts or 0)
    return _shifted(events, at, -min(gap, 1000))


OPERATORS: dict[str, Edit] = {
    "drop one": drop,
    "duplicate": double,
    "swap neighbours": swap,
    "replace": replace,
    "insert": insert,
    "wrong result": result,
    "wrong resource": retarget,
    "lose a burst": burst,
    "repeat a block": block,
    "late": delay,
    "early": early,
}
