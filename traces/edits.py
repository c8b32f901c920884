"""Lines as a unit of a recording sees them, and edits of them.

Owns the words of an alignment (`traces.alignment` finds them, `traces.blame` says them) and nothing
that is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rhscheck.spec.system import Label
from rhscheck.traces.follow import Follower

EditKind = Literal["drop", "insert", "change", "exchange", "move", "time", "id"]
LineKind = Literal["own", "other", "time"]


@dataclass(frozen=True, slots=True)
class SeenLine:
    """A line as a unit sees it.

    `kind`: an event that the unit takes part in; one of somebody else, which may concern it or not
    (`sure`: it does, wherever it can); or only the passing of time until then. `near` are the
    labels that differ from its own in their result or argument at most. `key` stands for
    `positions`, the transitions it may be.
    """

    number: int
    time: int
    late: int
    kind: LineKind
    labels: tuple[Label, ...] = ()
    near: tuple[Label, ...] = ()
    key: object = None
    positions: tuple[int, ...] = ()
    odd: str = ""  # why it cannot be, whatever the states say: a call id that is not the call's
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit at line `line`. `label`: the event inserted, or that the line is changed into.

    Of a dropped line `label` is what it said. `time`: when the event is inserted or takes place
    instead; for `time` with `onward`, all lines
    after it are as much earlier or later. `other`: the line that it is exchanged with, or that the
    moved line is put before.
    """

    kind: EditKind
    line: int
    label: Label | None = None
    time: int | None = None
    off: int = 0
    other: int | None = None
    onward: bool = False
    elsewhere: bool = False  # the new event is one of another instance
    somebody: bool = False  # which one is not known: it is none that is followed here


@dataclass(frozen=True, slots=True)
class Alignment:
    """The cheapest alignments of some lines. `cost` None: none was found within the limits.

    `complete`: what was not found does not exist, apart from insertions at yet other moments.
    `ways`: the edits of each of the cheapest, in order; `ends`: where each leaves the unit.
    """

    cost: int | None
    complete: bool = True
    ways: tuple[tuple[Edit, ...], ...] = ()
    ends: tuple[Follower, ...] = ()
