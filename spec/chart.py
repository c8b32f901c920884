"""The parts of one machine's state chart, between the syntax tree and the System.

Owns the data that `spec.charts` fills and `spec.steps` turns into transitions, and what can be said
of it without looking names up. Knows nothing of how either is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rhscheck.spec import syntax as s
from rhscheck.spec.expr import (
    TRUE,
    Exists,
    Expr,
    Forall,
    Index,
    Ref,
    conj,
    conjuncts,
    disj,
    member,
    rebuild,
    rename,
    transform,
)
from rhscheck.spec.names import (
    Machine,
    StateNode,
)
from rhscheck.spec.source import (
    Span,
)
from rhscheck.spec.system import (
    SELF,
    ClockVar,
    Deadline,
    Label,
    Param,
    Reset,
    StateVar,
    Update,
)
from rhscheck.spec.terms import (
    Context,
)

MAX_CASES = 4_096  # outcomes of one line, initial values of one variable


@dataclass(frozen=True, slots=True)
class Partner:
    """One way for another machine to take part in a step: its condition and what it does."""

    guard: Expr
    params: tuple[Param, ...] = ()
    updates: tuple[Update, ...] = ()  # of its location and bookkeeping
    written: tuple[Update, ...] = ()  # by its effects
    wipes: tuple[Wipe, ...] = ()
    resets: tuple[Reset, ...] = ()
    machines: tuple[tuple[str, Expr], ...] = ()
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Wipe:
    """`resets`: one variable gets its initial value back, in the instances `each` where `where`."""

    var: str
    initial: int
    each: Param | None
    where: Expr


NOBODY = (Partner(TRUE),)


@dataclass(slots=True)
class Candidate:
    """One handler of one event in one state, before precedence is settled.

    `base` holds what the event itself requires (the call is in flight …), `when` what was written.
    `rank` breaks ties within a state: late handlers and defaults yield. `partners` are the ways to
    synchronise; `exclusive` says where no other handler takes precedence.
    """

    node: StateNode
    kind: str
    name: str
    value: str | None
    actor: str
    when: Expr
    base: Expr
    handler: s.Handler | None
    span: Span
    rank: int = 0
    updates: tuple[Update, ...] = ()
    resets: tuple[Reset, ...] = ()
    expires: str | None = None
    unhandled: bool = False
    exclusive: Expr = TRUE
    partners: tuple[Partner, ...] = NOBODY

    @property
    def clauses(self) -> s.Clauses:
        """What was written behind the event."""
        return s.Clauses() if self.handler is None else self.handler.clauses

    @property
    def event(self) -> tuple[str, str, str | None]:
        """Candidates with one event compete."""
        return (self.kind, self.name, self.value)


@dataclass(slots=True)
class Polling:
    """An `every`: entry, state, names of its due variable and the condition to start."""

    decl: s.EveryDecl
    node: StateNode
    entry: str
    due: str
    ready: Expr


@dataclass(slots=True)
class Chained:
    """A `then call`: entry, the state that keeps it alive, its flag and the condition to start."""

    entry: str
    node: StateNode
    flag: str
    ready: Expr
    span: Span


@dataclass(slots=True)
class Chart:
    """What one machine contributes to the System."""

    machine: Machine
    variables: list[StateVar] = field(default_factory=list)
    clocks: list[ClockVar] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    polling: list[Polling] = field(default_factory=list)
    chained: list[Chained] = field(default_factory=list)
    restarts: list[tuple[str, tuple[s.EventRef, ...], StateNode]] = field(default_factory=list)
    places: dict[str, StateNode] = field(default_factory=dict)  # whose entry restarts a clock
    owed: dict[int, Chained] = field(default_factory=dict)  # by the position of the candidate
    requires: Expr = TRUE
    constant: set[str] = field(default_factory=set)


def context_of(machine: Machine, scope: StateNode | None = None) -> Context:
    """Whose names a line sees that stands in the state `scope` of `machine`."""
    index: Index = SELF if machine.family is not None else None
    bound: dict[str, tuple[Machine, Index]] = {}
    if machine.decl.index is not None:
        bound[machine.decl.index.text] = (machine, SELF)
    return Context(machine, index, bound, scope)


def active_in(chart: Chart, node: StateNode) -> Expr:
    """The instance is in `node` and what it requires holds."""
    machine = chart.machine
    index = context_of(machine).index
    inside = (
        TRUE
        if len(node.leaves) == len(machine.leaves)
        else member(Ref(machine.location, index), node.leaves)
    )
    return conj((inside, chart.requires))


def params_of(machine: Machine) -> tuple[Param, ...]:
    """The parameter of a transition that its own instance is bound to, if there are several."""
    return (Param(SELF, machine.family),) if machine.family is not None else ()


def in_leaves(chart: Chart, location: Ref, leaves: tuple[int, ...]) -> Expr:
    """The machine is in one of these leaves."""
    return TRUE if len(leaves) == len(chart.machine.leaves) else member(location, leaves)


def event_text(candidate: Candidate) -> str:
    """The event as a spec writes it."""
    return Label(candidate.kind, "", candidate.name, candidate.value).short  # type: ignore[arg-type]


def overrides(other: Candidate, candidate: Candidate) -> bool:
    """Whether `other` takes precedence: deeper, or as deep and less of a fallback."""
    if other.node is candidate.node:
        return other.rank < candidate.rank
    return any(node is candidate.node for node in other.node.ancestors())


def needed_beyond(other: Candidate, candidate: Candidate, requires: Expr) -> Expr:
    """What `other` needs to be enabled beyond what `candidate` and the machine need anyway."""
    needed = conj((other.base, other.when, some_partner(other.partners)))
    own = {_alpha(part) for part in conjuncts(conj((candidate.base, candidate.when, requires)))}
    return conj([part for part in conjuncts(needed) if _alpha(part) not in own])


def some_partner(partners: tuple[Partner, ...]) -> Expr:
    """Whether anybody can take part."""
    ways: list[Expr] = []
    for partner in partners:
        way = partner.guard
        for param in reversed(partner.params):
            way = rebuild(Exists(param.name, param.family, way), (way,))
        ways.append(way)
    return disj(ways)


def _alpha(expr: Expr, depth: int = 0) -> Expr:
    """`expr` with bound names that depend on their depth only: equal meaning, equal formula."""

    def leaf(node: Expr) -> Expr | None:
        if not isinstance(node, Forall | Exists):
            return None
        name = f"{depth}'"
        body = _alpha(rename(node.body, {node.param: name}), depth + 1)
        kind = Forall if isinstance(node, Forall) else Exists
        return kind(name, node.family, body)

    return transform(expr, leaf)
