"""The syntax tree of a spec: what was written, nothing about what it means.

Nodes are frozen, compare without their spans (so that a formatted text parses to an equal tree) and
hold names as written; `spec.elaborate` resolves them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rhscheck.spec.source import NOWHERE, Span


def _span() -> Span:
    return field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Path:
    """`Onlining.Pending`, `host.Up`, `j.serial`."""

    parts: tuple[str, ...]
    span: Span = _span()

    def __str__(self) -> str:
        return ".".join(self.parts)


# ---- expressions ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Number:
    value: int
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Duration:
    """A time in microseconds; `text` is how it was written."""

    us: int
    text: str = field(compare=False)
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Truth:
    value: bool
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class NoneValue:
    """`none`: a reference to no instance."""

    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Unary:
    op: Literal["not"]
    arg: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Nary:
    """`and`, `or`, `+`, `-`, `*` with two or more operands, grouped to the left."""

    op: str
    args: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Binary:
    """`implies` and the comparisons."""

    op: str
    left: Expression
    right: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Quantified:
    kind: Literal["forall", "exists"]
    variable: Name
    family: Name
    body: Expression
    span: Span = _span()


AtomKind = Literal[
    "in", "enter", "leave", "inflight", "expired", "free", "quiet", "due", "owed",
    "start", "return", "timeout", "callback", "event", "timer", "reset",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Atom:
    """A named predicate: `in {A, B}`, `inflight(X, Y)`, `return X(success)`, `quiet` …

    `results` is None where every result is meant (`*`) or where the form takes none.
    """

    kind: AtomKind
    paths: tuple[Path, ...]
    results: tuple[str, ...] | None = None
    span: Span = _span()


Expression = (
    Number | Duration | Truth | NoneValue | Path | Unary | Nary | Binary | Quantified | Atom
)


# ---- declarations --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Use:
    path: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ParamDecl:
    """`options` None: a constant; else a reading."""

    name: Name
    options: tuple[Name, ...] | None
    value: Expression
    sentence: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class EnumDecl:
    name: Name
    members: tuple[Name, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ActorsDecl:
    """Pairs (kind as written or "", name)."""

    actors: tuple[tuple[str, Name], ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class EntryDecl:
    names: tuple[Name, ...]
    results: tuple[Name, ...]
    timeout: Expression | None
    actor: Name | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class CallbackDecl:
    name: Name
    results: tuple[Name, ...]
    actor: Name
    condition: Expression | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class BoolTypeName:
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class RangeTypeName:
    low: Expression
    high: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class OptionsTypeName:
    members: tuple[Name, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class NamedTypeName:
    """An enumeration, or a machine (a reference to one of its instances, optional with `?`)."""

    name: Name
    optional: bool
    span: Span = _span()


TypeName = BoolTypeName | RangeTypeName | OptionsTypeName | NamedTypeName


@dataclass(frozen=True, slots=True)
class AnyValue:
    """`any`: every value of the type."""

    span: Span = _span()


@dataclass(frozen=True, slots=True)
class VarDecl:
    name: Name
    type: TypeName
    initial: Expression | AnyValue
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LaneDecl:
    name: Name
    members: tuple[Name, ...]
    holds_expired: Expression | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DefineDecl:
    """`define slot = …`: a named condition of a machine."""

    name: Name
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ClockDecl:
    """`clock x restart on call X`: 0 when its state is entered and at these events."""

    name: Name
    restart_on: tuple[EventRef, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class EventRef:
    """A label as written. `event` is a named event or a timer. `results` None means all."""

    kind: Literal["call", "return", "callback", "event", "timeout"]
    name: Name
    results: tuple[str, ...] | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Assign:
    target: Path
    value: Expression | AnyValue
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ResetsClause:
    machine: Name
    where: Expression | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Clauses:
    """What follows the event of a transition, all of it optional."""

    when: Expression | None = None
    targets: tuple[Path, ...] = ()
    effects: tuple[Assign, ...] = ()
    sync: Path | None = None
    resets: ResetsClause | None = None
    then_call: Name | None = None


HandlerKind = Literal["by", "on", "return", "callback", "within", "after"]


@dataclass(frozen=True, slots=True)
class Handler:
    """One transition line. `bound` is the time of `within` and `after`."""

    kind: HandlerKind
    events: tuple[EventRef, ...]
    clauses: Clauses
    actor: Name | None = None
    bound: Expression | None = None
    late: bool = False
    urgent: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class TimerDecl:
    name: Name
    duration: Expression
    restart_on: tuple[EventRef, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class EveryDecl:
    period: Expression
    actor: Name
    entry: Name
    when: Expression | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DeadlineDecl:
    """`deadline x <= 5s when G by A`."""

    condition: Expression
    when: Expression | None
    owner: Name | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class StateDecl:
    name: Name
    initial: bool
    final: bool
    body: tuple[BodyItem, ...]
    span: Span = _span()


BodyItem = (
    StateDecl
    | Handler
    | TimerDecl
    | EveryDecl
    | DeadlineDecl
    | ClockDecl
    | VarDecl
    | LaneDecl
    | DefineDecl
)


@dataclass(frozen=True, slots=True)
class MachineDecl:
    """`index` and `size` describe `[i in 1..N]`; a size of None is the parameter N."""

    name: Name
    shared: bool
    index: Name | None
    size: Name | int | None
    requires: Expression | None
    body: tuple[BodyItem, ...]
    span: Span = _span()


# ---- rules ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ForClause:
    """`for distinct i, j in Proc`, `for c in entries - {Open}`."""

    names: tuple[Name, ...]
    distinct: bool
    domain: Name | tuple[Name, ...]
    minus: tuple[Name, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class NeverClause:
    """`never what`, with at most one of before, after, while, or within-of."""

    what: Expression
    tail: Literal["", "before", "after", "while", "within"] = ""
    other: Expression | None = None
    bound: Expression | None = None


@dataclass(frozen=True, slots=True)
class MutexClause:
    members: tuple[tuple[Path, Expression | None], ...]


@dataclass(frozen=True, slots=True)
class OnlyClause:
    states: tuple[Path, ...]
    what: Expression


@dataclass(frozen=True, slots=True)
class InvariantClause:
    what: Expression


@dataclass(frozen=True, slots=True)
class CanClause:
    what: Expression


@dataclass(frozen=True, slots=True)
class LeadsToClause:
    """With `next` the response must come in a later step than the trigger."""

    trigger: Expression
    response: Expression
    bound: Expression | None
    next: bool = False


Clause = NeverClause | MutexClause | OnlyClause | InvariantClause | CanClause | LeadsToClause


@dataclass(frozen=True, slots=True)
class RuleDecl:
    """A rule, or (with an actor) an assumption."""

    name: Name
    sentence: str
    actor: Name | None
    clause: Clause
    quantifiers: tuple[ForClause, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FairDecl:
    actor: Name
    strong: bool
    events: tuple[EventRef, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ExpectDecl:
    rules: tuple[Name, ...]
    verdict: Name
    n: int | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class RulesBlock:
    """`rules Resource { … }`: inside, unqualified names belong to one instance of the machine."""

    machine: Name | None
    items: tuple[RuleDecl | FairDecl | ExpectDecl, ...]
    span: Span = _span()


# ---- scenarios and traces ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ScenarioEvent:
    machine: Name | None
    index: int | None
    event: EventRef
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ScenarioWait:
    duration: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ScenarioAssert:
    formula: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ScenarioDecl:
    name: Name
    sentence: str
    allowed: bool
    n: int | None
    steps: tuple[ScenarioEvent | ScenarioWait | ScenarioAssert, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class HideItem:
    kind: Name
    name: Name | None


@dataclass(frozen=True, slots=True)
class CodeItem:
    result: Name
    code: int | None


@dataclass(frozen=True, slots=True)
class TraceDecl:
    items: tuple[HideItem | CodeItem, ...]
    span: Span = _span()


Item = (
    Use | ParamDecl | EnumDecl | ActorsDecl | EntryDecl | CallbackDecl | VarDecl | MachineDecl
    | RulesBlock | RuleDecl | FairDecl | ExpectDecl | ScenarioDecl | TraceDecl
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spec:
    name: Name
    title: str
    items: tuple[Item, ...]
    span: Span = _span()
