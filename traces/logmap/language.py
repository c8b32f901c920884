"""Mappings as data: what the lines of a log say, in the events of `rhs-trace/1`.

Owns the values that a `.map` file stands for; `logmap.parse` reads them. A mapping holds no code:
patterns, tables of values, the events they stand for, and which facts about a run the log hides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from rhscheck.traces.logmap.pattern import Pattern, Value

# The events of rhs-trace/1, and two that only logs have. `ends`: an operation is over, by the
# return of its call or, if that said "pending", by a status report; the log does not say which.
# `says`: the plug-in's own words.
Kind = Literal[
    "call", "return", "status", "state", "timeout", "notify", "exit", "gap", "note", "ends", "says"
]

# The keys that an event of each kind has; `needed` ones must be there.
KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    "call": ("op", "res"),
    "return": ("op", "res", "rc"),
    "status": ("op", "res", "from", "state", "ckpt", "rc"),
    "state": ("res", "from", "to"),
    "timeout": ("op", "res", "limit_ms", "late_ms"),
    "notify": ("what", "to", "res", "rc", "detail"),
    "exit": ("why", "res", "dump"),
    "gap": ("why",),
    "note": ("what", "res", "rc", "detail", "late_ms"),
    "ends": ("op", "res", "rc", "said"),
    "says": ("res", "text"),
}
NEEDED: Final[dict[Kind, tuple[str, ...]]] = {
    "call": ("op",),
    "return": ("op", "rc"),
    "status": ("op",),
    "state": ("res", "to"),
    "timeout": ("op",),
    "notify": ("what",),
    "exit": ("why",),
    "gap": ("why",),
    "note": ("what",),
    "ends": ("op", "rc"),
    "says": ("text",),
}
MAX_NAME: Final = 300  # characters of a resource's name; one of so many was longer
_DIGEST: Final = 24  # characters at the end of a shortened name: 96 bits
NUMBERS: Final = ("rc", "ckpt", "limit_ms", "late_ms")


class Spot(msgspec.Struct, frozen=True):
    """A place in a mapping, from 1."""

    line: int
    column: int


_START: Final = Spot(1, 1)


class FieldRef(msgspec.Struct, frozen=True):
    """The value of a pattern's field."""

    name: str


class Emit(msgspec.Struct, frozen=True):
    """An event that a line stands for.

    `inferred`: the line is evidence of it, not its record, so its time is not exact. `once`: the
    log may print it several times in a row; it counts once. It is written at `spot`, the value of
    each key at one of `spots`.
    """

    kind: Kind
    keys: tuple[tuple[str, Value | FieldRef], ...]
    inferred: bool = False
    once: bool = False
    spot: Spot = _START
    spots: tuple[Spot, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """Lines of one shape (in any of several spellings) and what they stand for, perhaps nothing."""

    line: int
    patterns: tuple[Pattern, ...]
    emits: tuple[Emit, ...]


class Told(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An event as a mapping tells it: no time, no place. Keys in the order of `KEYS`.

    `res`, `op`, `rc`, `source` (from) and `target` (to, or the state reported) repeat what `keys`
    has, for speed; with `once` they are no part of what makes two events equal.
    """

    kind: Kind
    keys: tuple[tuple[str, Value], ...]
    inferred: bool = False
    once: bool = False
    res: str | None = None
    op: str = ""
    rc: Value | None = None
    source: str = ""
    target: str = ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Told):
            return NotImplemented
        return (self.kind, self.keys, self.inferred) == (other.kind, other.keys, other.inferred)

    def __hash__(self) -> int:
        return hash((self.kind, self.keys, self.inferred))

    def get(self, key: str) -> Value | None:
        """The value of a key, None if it has none."""
        for name, value in self.keys:
            if name == key:
                return value
        return None

    def text(self, key: str) -> str:
        """The value of a key as text, empty if it has none."""
        value = self.get(key)
        return "" if value is None else str(value)


# A key of an event, and its value.
Pair = tuple[str, Value]


def told(kind: Kind, values: Mapping[str, Value], *, inferred: bool = False) -> Told:
    """An event with the values of its keys, in any order."""
    keys = [
        (key, values[key] if key in NUMBERS else str(values[key]))
        for key in KEYS[kind]
        if key in values
    ]
    return told_of(kind, tuple(keys), inferred=inferred, once=False)


def told_of(kind: Kind, keys: tuple[Pair, ...], *, inferred: bool, once: bool) -> Told:
    """An event with these keys, which are in order."""
    res: str | None = None
    op, rc, source, target = "", None, "", ""
    for key, value in keys:
        match key:
            case "res":
                res = short_name(str(value))
            case "op":
                op = str(value)
            case "rc":
                rc = value
            case "from":
                source = str(value)
            case "to" | "state":
                target = str(value)
            case _:
                pass
    return Told(kind, keys, inferred, once, res, op, rc, source, target)


def short_name(name: str) -> str:
    """The name of a resource, of a long one its beginning and a digest of the whole of it.

    Names that differ stay different: one of MAX_NAME characters is a shortened one.
    """
    if len(name) < MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{name[: MAX_NAME - _DIGEST - 1]}…{digest}"


class Sample(msgspec.Struct, frozen=True):
    """Log lines inside the mapping, and the events they must be read as, as they are written."""

    line: int
    lines: tuple[str, ...]
    expected: tuple[Told, ...]
    written: tuple[Emit, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the log can promise about a run, for the header of a trace made from it.

    `slack_ms`: how late an event may be, because nobody's scheduler is exact.
    """

    complete: bool = False
    lossy: bool = True
    start: Literal["initial", "unknown"] = "unknown"
    slack_ms: int = 0


@dataclass(frozen=True, slots=True)
class Spots:
    """Where a mapping speaks of its spec: the words of tables by table and word of the log."""

    spec: Spot = _START
    words: dict[tuple[str, str], Spot] = field(default_factory=dict)
    unseen: tuple[Spot, ...] = ()
    limits: dict[str, Spot] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogMap:
    """A mapping.

    `form`: how a line begins, "clusterlog" or a pattern with a field `text`. `prefilter`: a line
    with none of these texts is not even looked at; empty: all lines are. `tables` turn words of the
    log into words of the spec. `unseen`: labels of the spec (`call IsAlive`) that happen without a
    line. `limits`: the spec's parameters for how long a call and the silence of a pending operation
    may last. `advice`: how to see more. `foreign`: another
    spec than that judges. `notes`: what must be known to read a report made with it.
    """

    name: str
    title: str
    path: str
    spec: str
    form: Literal["clusterlog"] | Pattern
    prefilter: tuple[str, ...]
    tables: dict[str, dict[str, str]]
    facts: Facts
    unseen: tuple[str, ...]
    limits: dict[str, str]
    advice: tuple[str, ...]
    rules: tuple[Rule, ...]
    samples: tuple[Sample, ...]
    spots: Spots = field(default_factory=Spots)
    foreign: bool = False
    notes: tuple[str, ...] = ()
