"""What the events of a log are to a spec: cases, the same for all that say the same.

Owns how an event is told from others when nothing is known of what was between: by its kind, what
it is called, its result or argument; and what a resource keeps of its cases, by their numbers. What
a spec says about a case is `audit.judge`'s.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rhscheck.traces.audit.model import Case, CaseKind, Resource
from rhscheck.traces.logmap.language import Told

if TYPE_CHECKING:
    from rhscheck.spec.expr import StepKind

# The steps of a spec that an event of the kind may be.
STEPS: dict[CaseKind, tuple[StepKind, ...]] = {
    "call": ("call",),
    "return": ("return",),
    "status": ("callback",),
    "timeout": ("expiry", "timer"),
    "event": ("event",),
}
REPORT = "SetResourceStatus"
ERROR_IO_PENDING: Final = 997
# Of each case that is noted: its number, the line, the time.
_NOTE: Final = 3
_UNTIMED: Final = -1
_LATEST: Final = (1 << 63) - 1  # what a mapping takes for a time may be any number


def case_of(told: Told, resource: Resource | None) -> Case | None:
    """The case of an event, before it is told to its resource; None: no spec speaks of such."""
    match told.kind:
        case "call" | "timeout":
            return told.kind, told.op, None
        case "return" if resource is not None and resource.pending is not None and _replies(told):
            return "status", REPORT, "failure" if code_of(told) else "success"
        case "return":
            return "return", told.op, code_of(told)
        case "ends":
            if resource is not None and resource.pending is not None:
                return "status", REPORT, "failure" if code_of(told) else "success"
            return "return", told.op, code_of(told)
        case "status":
            state: str | None = told.target or None
            point = told.get("ckpt")
            known = None if resource is None else resource.checkpoint
            if state == "pending" and known is not None and point == known:
                state = "repeated"
            return "status", told.op, state
        case _:
            return None


def _replies(told: Told) -> bool:
    """Whether RCM is told that Online or Offline is over: where it was pending, by a report."""
    return told.inferred and told.op in ("Online", "Offline") and told.rc != ERROR_IO_PENDING


def code_of(told: Told) -> int:
    """The result that the event has; what is no number is an error."""
    return told.rc if isinstance(told.rc, int) else 1


def note(resource: Resource, number: int, line: int, time_us: int | None) -> None:
    """The resource has a case that it had not before."""
    time = _UNTIMED if time_us is None else min(time_us, _LATEST)
    more = array("q", (number, line, time))
    resource.noted = more if resource.noted is None else resource.noted + more


def noted(resource: Resource, cases: Sequence[Case]) -> dict[Case, tuple[int, int | None]]:
    """The cases of a resource, with the line and the time of the first; `cases`: by number."""
    every = resource.noted
    if every is None:
        return {}
    rows = zip(every[::_NOTE], every[1::_NOTE], every[2::_NOTE], strict=True)
    return {
        cases[number]: (line, None if time == _UNTIMED else time) for number, line, time in rows
    }
