"""The runs that the repairs of a report make, so that somebody else can judge whether they help.

Owns how edits of `traces.alignment` are applied to events. What the edits are worth is the oracle's
to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rhscheck.spec.system import Label
from rhscheck.traces.blame import Wording
from rhscheck.traces.edits import Alignment, Edit
from rhscheck.traces.engine import Engine
from rhscheck.traces.format import CallEvent, Event, NamedEvent, ReturnEvent, StatusEvent
from rhscheck.traces.format import TimeoutEvent as Timeout
from rhscheck.traces.mapping import Vocabulary
from rhscheck.traces.report import Finding
from rhscheck.traces.units import Unit

FIRST = 2  # the line of event 0
Way = tuple[Edit, ...]


class NotedWording(Wording):
    """A report's wording that notes which edits it has put into words."""

    def __init__(self, engine: Engine, names: dict[str, str]) -> None:
        super().__init__(engine, names)
        self.noted: dict[tuple[str, ...], dict[str | None, tuple[Way, ...]]] = {}

    def ways(self, unit: Unit, found: Alignment) -> tuple[str, ...]:
        texts = super().ways(unit, found)
        self.noted.setdefault(texts, {})[unit.name] = found.ways
        return texts

    def told(self, findings: Sequence[Finding]) -> dict[str | None, list[Edit]]:
        """The edits of each unit, by the repair that each finding tells first."""
        edits: dict[str | None, list[Edit]] = {}
        seen = set()
        for finding in findings:
            ways = self.noted.get(finding.repair, {})
            for name in [finding.resource] if finding.resource in ways else ways:
                if (name, finding.repair) not in seen:
                    seen.add((name, finding.repair))
                    edits.setdefault(name, []).extend(ways[name][0])
        return edits


def event_of(words: Vocabulary, label: Label, time: int, res: str | None = None) -> Event:
    """The event that a label looks like, of `res` if that is given."""
    res, op = res or words.res(label), label.name
    match label.kind:
        case "call":
            return CallEvent(ts=time, seq=0, res=res, op=op)
        case "return":
            return ReturnEvent(ts=time, seq=0, res=res, op=op, rc=words.code(label))
        case "callback":
            return StatusEvent(ts=time, seq=0, res=res, op=op, state=label.value)
        case "expiry" | "timer":
            return Timeout(ts=time, seq=0, res=res, op=op, cid=None)
        case _:
            return NamedEvent(ts=time, seq=0, res=res, name=op)


def repaired(
    events: Sequence[Event], edits: Mapping[str | None, Sequence[Edit]], engine: Engine
) -> list[Event]:
    """The run with the edits of each unit. A unit's shift of time is one of its own lines.

    Lines of nobody in particular are shifted once, by the largest shift. `engine`: of one instance.
    """
    words, family = Vocabulary(engine.world.ground, {}), engine.world.family
    changed: dict[int, Event | None] = {}
    before: dict[int, list[tuple[Event, str | None]]] = {}
    shifts: dict[int, dict[str | None, int]] = {}
    for unit, way in edits.items():
        for edit in way:
            at = edit.line - FIRST
            own = unit if edit.label is not None and edit.label.machine == family else None
            match edit.kind:
                case "drop":
                    changed[at] = None
                case "insert":
                    assert edit.label is not None
                    assert edit.time is not None
                    made = event_of(words, edit.label, edit.time, own)
                    shared = edit.label.machine != family
                    # What is shared is missing once, though all who take part in it miss it.
                    if not shared or all(made != other for other, _ in before.get(at, ())):
                        before.setdefault(at, []).append((made, unit))
                case "change":
                    assert edit.label is not None
                    of = _somebody_else(events, unit) if edit.somebody else own
                    changed[at] = event_of(words, edit.label, events[at].ts or 0, of)
                case "exchange":
                    assert edit.other is not None
                    other = edit.other - FIRST
                    changed[at] = msgspec.structs.replace(events[other], ts=events[at].ts)
                    changed[other] = msgspec.structs.replace(events[at], ts=events[other].ts)
                case "move":
                    assert edit.other is not None
                    moved = msgspec.structs.replace(events[at], ts=edit.time)
                    before.setdefault(edit.other - FIRST, []).append((moved, unit))
                    changed[at] = None
                case "time" if edit.onward:
                    shifts.setdefault(at, {})[unit] = edit.off
                case "time":
                    changed[at] = msgspec.structs.replace(events[at], ts=edit.time)
                case "id":
                    changed[at] = _with_id_of_call(events, at)
    made_: list[Event] = []
    offs: dict[str | None, int] = dict.fromkeys(edits, 0)
    for at, event in enumerate(events):
        made_ += [_later(one, offs.get(unit, 0)) for one, unit in before.get(at, ())]
        for unit, off in shifts.get(at, {}).items():
            offs[unit] += off
        now = changed.get(at, event)
        if now is not None:
            by_us = offs.get(event.res, max(offs.values(), key=abs, default=0))
            made_.append(_later(now, offs.get(None, by_us)))
    return sorted(made_, key=lambda one: one.ts or 0)


def _somebody_else(events: Sequence[Event], unit: str | None) -> str:
    """The other resource of a run of two."""
    names = {str(one.res) for one in events if isinstance(one, CallEvent)} - {unit}
    (name,) = names
    return name


def _later(event: Event, by_us: int) -> Event:
    return msgspec.structs.replace(event, ts=(event.ts or 0) + by_us)


def _with_id_of_call(events: Sequence[Event], at: int) -> Event:
    event = events[at]
    assert isinstance(event, ReturnEvent | Timeout)
    ids = [
        one.cid for one in events[:at]
        if isinstance(one, CallEvent) and (one.res, one.op) == (event.res, event.op)
    ]  # fmt: skip
    return msgspec.structs.replace(event, cid=ids[-1] if ids else None)
