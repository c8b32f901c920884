"""What happens in a run without a line about it, as the header of a recording says (`unseen`).

Owns what these labels mean to a spec. Where one is not the spec's, any event of that kind may leave
no line: so nobody is accused of what it may have stood for.
"""

from __future__ import annotations

from collections.abc import Iterable

from rhscheck.spec.expr import StepKind
from rhscheck.spec.system import System
from rhscheck.traces.format import UNSEEN_KINDS, Header

Unseen = tuple[tuple[StepKind, str | None], ...]  # None: all of the kind
ALL = "*"


def labels_in(header: Header) -> tuple[str, ...]:
    """The labels that the header declares; none where any line may be missing anyway."""
    return header.unseen if isinstance(header.unseen, tuple) and not header.lossy else ()


def unseen_of(labels: Iterable[str], system: System) -> Unseen:
    """The events that may happen without a line."""
    labels = tuple(labels)
    wide = {one.partition(" ")[0] for one in unknown_labels(labels, system)}
    found: dict[tuple[StepKind, str | None], None] = {}
    for label in labels:
        word, _, name = label.partition(" ")
        for kind in UNSEEN_KINDS:
            if kind == word:
                found[kind, None if name == ALL or kind in wide else name] = None
    return tuple(found)


def unknown_labels(labels: Iterable[str], system: System) -> tuple[str, ...]:
    """The labels that the spec does not have."""
    named = [one for one in labels if not one.endswith(f" {ALL}")]
    if not named:
        return ()
    known = {
        f"{label.kind} {label.name}"
        for transition in system.transitions
        for label in (transition.label, *transition.also)
    }
    return tuple(one for one in named if one not in known)
