"""Which steps of a System leave something in a recording, and under which label.

Owns what the trace block's `hide` means for a step. Traces, replay and scenarios see runs through
this; what an event looks like in a file is the business of `traces.mapping`.
"""

from __future__ import annotations

from rhscheck.spec.system import Label, TraceBlock


def is_hidden(trace: TraceBlock, label: Label) -> bool:
    """Whether steps with this label leave nothing in a trace."""
    return any(kind == label.kind and name in (None, label.name) for kind, name in trace.hidden)


def observed(trace: TraceBlock, label: Label, also: tuple[Label, ...]) -> Label | None:
    """The label under which a step appears in a trace: its own, or the first visible of `also`."""
    return next((one for one in (label, *also) if not is_hidden(trace, one)), None)
