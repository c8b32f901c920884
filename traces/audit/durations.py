"""How long things took: of each resource and each kind the longest, and how many there were.

Owns these numbers, as a few bytes a resource, because a log may tell of a hundred thousand. For
each kind a resource has a row of numbers; which row is which, all resources share that have met the
same kinds in the same order.
"""

from __future__ import annotations

from array import array
from typing import Final

import msgspec

from rhscheck.traces.audit.model import Moment, Place, Resource, Span

SILENCE: Final = "silence"
# A row: how many; of the longest its start (line, time) and its end, and whether that is a limit.
_ROW: Final = 6
_SHARED: Final = 64  # kinds; a resource with more of them has an order of its own


class Limits(msgspec.Struct, frozen=True):
    """How long a call and the silence of a pending operation may last, in microseconds.

    None: nobody says.
    """

    call_us: int | None = None
    silence_us: int | None = None


class Kinds(dict[str, int]):
    """Where the row of each kind begins. `limits`: how long they may take."""

    __slots__ = ("_more", "limits")

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self._more: dict[str, Kinds] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return _kinds, (self.limits, tuple(self))

    def and_also(self, what: str) -> Kinds:
        """These kinds, and another one behind them."""
        if len(self) > _SHARED:
            self[what] = len(self) * _ROW
            return self
        more = self._more.get(what)
        if more is None:
            more = Kinds(self.limits)
            more.update(self)
            more[what] = len(self) * _ROW
            if len(self) < _SHARED:
                self._more[what] = more
        return more


def _kinds(limits: Limits, kinds: tuple[str, ...]) -> Kinds:
    """As it was in another process; what resources share there, they share here."""
    found = Kinds(limits)
    found.update((what, at * _ROW) for at, what in enumerate(kinds))
    return found


def measure(resource: Resource, what: str, start: Moment, end: Moment, *, at_most: bool) -> None:
    """Note how long something took, if both ends have a time. `at_most`: or less."""
    begun, ended = start[1], end[1]
    if begun is None or ended is None or ended < begun:
        return
    rows, at = resource.measured, resource.kinds.get(what)
    if at is None:
        resource.kinds = resource.kinds.and_also(what)
        row = array("q", (1, start[0], begun, end[0], ended, at_most))
        resource.measured = row if rows is None else rows + row
    else:
        assert rows is not None, "a row of this kind is in it"
        rows[at] += 1
        if ended - begun <= rows[at + 4] - rows[at + 2]:
            return
        rows[at + 1 : at + _ROW] = array("q", (start[0], begun, end[0], ended, at_most))
    if what == SILENCE:
        resource.silence_us = ended - begun


def spans(resource: Resource) -> dict[str, tuple[Span, int]]:
    """The longest of each kind that was measured, and how many there were."""
    rows, kinds = resource.measured, resource.kinds
    if rows is None:
        return {}
    found = {}
    for what, at in kinds.items():
        count, line, begun, last, ended, at_most = rows[at : at + _ROW]
        limit = kinds.limits.silence_us if what == SILENCE else kinds.limits.call_us
        span = Span(
            what, Place(line, begun), Place(last, ended), ended - begun, limit, bool(at_most)
        )
        found[what] = span, count + (resource.silences if what == SILENCE else 0)
    return found
