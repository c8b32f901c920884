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


def _at_deadline(events: list[Event], at: int) -> int | None:
    """The next time-out or poll after `at`: what happens at a limit."""
    for place in range(at, len(events)):
        event = events[place]
        polls = isinstance(event, CallEvent) and event.op in ("LooksAlive", "IsAlive")
        if polls or isinstance(event, TimeoutEvent):
            return place
    return None


def after_limit(events: list[Event], at: int, _: random.Random) -> list[Event] | None:
    """What is due at a limit comes 1 ms after it, with all that follows."""
    place = _at_deadline(events, at)
    return None if place is None else _shifted(events, place, 1000)


def before_limit(events: list[Event], at: int, _: random.Random) -> list[Event] | None:
    """What is due at a limit comes 1 ms before it, with all that follows."""
    place = _at_deadline(events, at)
    if not place or (events[place].ts or 0) - (events[place - 1].ts or 0) < 1000:
        return None
    return _shifted(events, place, -1000)


def stray_return(events: list[Event], at: int, chance: random.Random) -> list[Event]:
    """A return of some call that may not be in flight."""
    ops = sorted({one.op for one in events if isinstance(one, CallEvent)}) or ["Open"]
    event = events[at]
    made = ReturnEvent(
        ts=event.ts, seq=0, host=event.host, mon=event.mon, res=event.res, op=chance.choice(ops),
        rc=0,
    )  # fmt: skip
    return [*events[: at + 1], made, *events[at + 1 :]]


def call_id(events: list[Event], at: int, _: random.Random) -> list[Event] | None:
    """The id of another call."""
    event = events[at]
    if not isinstance(event, ReturnEvent | TimeoutEvent) or event.cid is None:
        return None
    return _at(events, at, msgspec.structs.replace(event, cid=event.cid + 1000))


def thread(events: list[Event], at: int, _: random.Random) -> list[Event]:
    """Another thread: no rule speaks of threads, so nothing is wrong."""
    return [*events[:at], msgspec.structs.replace(events[at], tid=4711), *events[at + 1 :]]


def merged(events: list[Event], at: int, _: random.Random) -> list[Event] | None:
    """From here on two resources go by the name of one."""
    names = sorted({str(one.res) for one in events if "Resource" in str(one.res)})
    if len(names) < 2:
        return None
    after = [
        msgspec.structs.replace(one, res=names[0]) if one.res == names[1] else one
        for one in events[at:]
    ]
    return None if after == events[at:] else [*events[:at], *after]


def cut_after_call(events: list[Event], at: int, _: random.Random) -> list[Event] | None:
    """The recording ends with a call that has not returned."""
    ends = [end for end in range(at, len(events)) if isinstance(events[end], CallEvent)]
    return None if not ends else events[: ends[0] + 1]


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
    "1 ms after a limit": after_limit,
    "1 ms before a limit": before_limit,
    "return without call": stray_return,
    "wrong call id": call_id,
    "wrong thread": thread,
    "two names merged": merged,
    "call without return at the end": cut_after_call,
}
