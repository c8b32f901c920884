"""What the events of a log are to a spec: cases, the same for all that say the same.

Owns how an event is told from others when nothing is known of what was between: by its kind, what
it is called, its result or argument. What a spec says about a case is `audit.judge`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def case_of(told: Told, resource: Resource | None) -> Case | None:
    """The case of an event, before it is told to its resource; None: no spec speaks of such."""
    match told.kind:
        case "call" | "timeout":
            return told.kind, told.op, None
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


def code_of(told: Told) -> int:
    """The result that the event has; what is no number is an error."""
    return told.rc if isinstance(told.rc, int) else 1
