"""Events of a log in the words of the spec that judges it.

Owns what becomes of an event that this spec has no word for, or that it takes for a step that
leaves nothing in a recording: for whoever judges the log, and in the trace that is written of it,
so that both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rhscheck.traces.audit.model import Case
from rhscheck.traces.audit.opinion import speaks_of
from rhscheck.traces.format import (
    CallEvent,
    Event,
    GapEvent,
    NamedEvent,
    NoteEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
)
from rhscheck.traces.logmap.names import Words

_STRANGE = "an event that the spec has no word for"


def case_of(event: Event) -> Case | None:
    """The case of an event; None: no spec speaks of such."""
    match event:
        case CallEvent(op=op):
            return "call", op, None
        case ReturnEvent(op=op, rc=rc):
            return "return", op, rc
        case StatusEvent(op=op, state=state):
            return "status", op, state
        case TimeoutEvent(op=op):
            return "timeout", op, None
        case NamedEvent(name=name):
            return "event", name, None
        case _:
            return None


def case_text(case: Case) -> str:
    """The case as it is told to people."""
    kind, name, detail = case
    return f"{kind} {name}({detail})" if kind == "status" else f"{kind} {name}"


@dataclass(frozen=True, slots=True)
class Worded:
    """The words of a spec. `foreign`: it is another than that the mapping of the log is for."""

    words: Words
    foreign: bool = False

    def is_strange(self, event: Event) -> bool:
        """Whether the spec should have a word for the event, and has none."""
        case = case_of(event)
        return case is not None and not self._hides(case) and not self._speaks_of(case)

    def is_lost(self, case: Case) -> bool:
        """Whether a strange event may have been anything.

        The mapping takes the log's word for the spec's. Whatever it was, to leave it out would
        accuse whoever was expected to do it. Another spec than the mapping's may not be about such
        events at all.
        """
        return not self.foreign or speaks_of(case, self.words.labels)

    def told(self, event: Event) -> Event:
        """What stands for the event in a recording that this spec judges.

        Itself, a gap, or a note where no rule is to hear of it; in the same place.
        """
        case = case_of(event)
        if case is None or (self._speaks_of(case) and not self._hides(case)):
            return event
        place: dict[str, Any] = {
            "ts": event.ts,
            "ts_lo": event.ts_lo,
            "ts_hi": event.ts_hi,
            "seq": event.seq,
            "host": event.host,
            "src": event.src,
        }
        if self.is_strange(event) and self.is_lost(case):
            return GapEvent(**place, why=f"{_STRANGE}: {case_text(case)}")
        return NoteEvent(**place, mon=event.mon, tid=event.tid, res=event.res, what=case_text(case))

    def _hides(self, case: Case) -> bool:
        """Whether the spec takes it for a step that leaves nothing in a recording."""
        words = self.words
        return speaks_of(case, words.labels) and not speaks_of(case, words.recorded)

    def _speaks_of(self, case: Case) -> bool:
        if not speaks_of(case, self.words.labels):
            return False
        kind, name, detail = case
        return kind != "status" or detail in self.words.states.get(name, (detail,))
