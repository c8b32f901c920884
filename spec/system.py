"""The System: the only meaning of a spec (DESIGN section 3).

Typed state variables, clocks, initial values, transitions with guards and simultaneous updates,
deadlines, rules and assumptions, for any number of instances. Owns the data and its documentation;
knows neither text nor solver. `spec.elaborate` makes one from a parsed spec, `spec.rules` weaves
rules and assumptions in, `spec.ground` fixes the number of instances, `spec.semantics` runs it.

Indices. A variable belongs to a *family* of instances or exists once (`family is None`). Inside a
transition, clock, deadline or rule, an instance is named by a bound parameter; the instance that a
variable's own condition speaks of is always called `SELF`.

Time is dense. All bounds are integers in the System's unit, `unit_us` microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rhscheck.spec.expr import TRUE, Expr, Index, StepKind
from rhscheck.spec.source import NOWHERE, Span

SELF = "self"
EACH = "each"  # the instance that a reset's condition speaks of


# ---- types -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class BoolType:
    """Values 0 and 1."""


@dataclass(frozen=True, slots=True)
class EnumType:
    """Values 0 .. len(members) - 1. For a location the members are leaf paths (`Online.Polled`)."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IntType:
    """Values low .. high; an assignment beyond saturates at the bound."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class RefType:
    """The number of an instance of `family`; 0 stands for `none` where `optional`."""

    family: str
    optional: bool


Type = BoolType | EnumType | IntType | RefType


@dataclass(frozen=True, slots=True)
class Family:
    """The instances of a machine. `size` None: the parameter N, any number from 1 on."""

    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Param:
    """A bound instance of a family."""

    name: str
    family: str


VarRole = Literal["location", "call", "data", "then", "due", "observer"]
CALL_IDLE, CALL_RUNNING, CALL_EXPIRED = 0, 1, 2
CALL_TYPE = EnumType("call", ("idle", "running", "expired"))


@dataclass(frozen=True, slots=True)
class StateVar:
    """`initial`: the values it may start with. `constant`: no transition writes it.

    A "location" holds the active leaf of a machine, a "call" whether an entry point is idle, in
    flight, or expired and still in flight (CALL_TYPE), "then" a chained call that is owed, "due"
    an `every` that is due.
    """

    name: str
    family: str | None
    type: Type
    initial: tuple[int, ...]
    role: VarRole
    machine: str = ""
    constant: bool = False
    span: Span = field(default=NOWHERE, compare=False)


ClockRole = Literal["call", "timer", "every", "within", "raw", "observer"]


@dataclass(frozen=True, slots=True)
class ClockVar:
    """A clock grows with time while `active` (a discrete formula over SELF) holds and is 0 else.

    A clock that becomes active starts at 0; one that is active before and after a step keeps its
    value unless the transition resets it.
    """

    name: str
    family: str | None
    active: Expr
    role: ClockRole
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Label:
    """What a step is called. `index` is the instance of `machine` whose event it is.

    kind       name                value
    call       entry               None                 the call is issued
    return     entry               result
    callback   callback            argument
    event      event               None
    expiry     entry               None                 the call's time-out has passed
    timer      timer               None
    due        entry               None                 an `every` has become due
    """

    kind: StepKind
    machine: str
    name: str
    value: str | None = None
    index: Index = None

    def __str__(self) -> str:
        where = f"{self.machine}[{self.index}]" if self.index is not None else self.machine
        return f"{where}: {self.short}"

    @property
    def short(self) -> str:
        """The label without its instance, as it is written in a spec."""
        match self.kind:
            case "call":
                return f"call {self.name}"
            case "return":
                return f"return {self.name}({self.value})"
            case "callback":
                return f"{self.name}({self.value})" if self.value is not None else self.name
            case "expiry":
                return f"timeout {self.name}"
            case "timer":
                return f"timer {self.name}"
            case "due":
                return f"due {self.name}"
            case "event" | "reset":
                return self.name


@dataclass(frozen=True, slots=True)
class Update:
    """`var[index] := value`, all updates of a step at once, values read before it.

    With `each` the update is a broadcast: it happens for every instance bound to `each`.
    """

    var: str
    index: Index
    value: Expr
    each: Param | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """`clock[index]` restarts at 0 (in addition to clocks that become active)."""

    clock: str
    index: Index


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of a spec (or one outcome of it).

    `params` are bound existentially: the step exists for every choice under which `guard` holds;
    the owner, if any, is the parameter SELF and comes first. `key` is unique and stable.
    `resets_machines` names machines whose instances this step re-initialises (the updates are in
    `updates`), for the step formula `reset`; the pair's formula says which, bound to EACH.
    `absorbed` marks a return or callback nobody waits for because the process is going down, and
    an expiry that no state handles;
    `unhandled` one that no state handles (a receptiveness error if it can ever be taken).
    """

    key: str
    label: Label
    actor: str
    params: tuple[Param, ...]
    guard: Expr
    updates: tuple[Update, ...] = ()
    resets: tuple[Reset, ...] = ()
    resets_machines: tuple[tuple[str, Expr], ...] = ()
    expires: str | None = None  # the deadline whose expiry this step is
    absorbed: bool = False
    unhandled: bool = False
    also: tuple[Label, ...] = ()  # events of other machines that happen in the same step
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Deadline:
    """While `active` (discrete, over SELF) holds, no delay may end with `clock` beyond `bound`.

    `clock` None: no delay at all (an urgent step). `strict`: the bound itself is out of reach.
    `owner` is the actor to blame for a missed deadline. A step may take a clock past its bound's
    activation; then only delays are forbidden.
    """

    name: str
    family: str | None
    active: Expr
    clock: str | None
    bound: int
    owner: str
    strict: bool = False
    span: Span = field(default=NOWHERE, compare=False)


# ---- actors ------------------------------------------------------------------------------------
ActorKind = Literal["host", "manager", "plugin", "time", "other"]
TIME = "time"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. The kind decides who owns deadlines and what is a host's own step."""

    name: str
    kind: ActorKind


# ---- rules -------------------------------------------------------------------------------------
RuleKind = Literal[
    "never", "mutex", "only", "before", "after", "invariant", "can", "leads_to", "within", "early"
]


@dataclass(frozen=True, slots=True)
class Never:
    """Violated by a state in which `formula` holds, or, if it speaks of a step, by such a step.

    Step formulas read the state before the step, except under Post.
    """

    formula: Expr


@dataclass(frozen=True, slots=True)
class NeverBefore:
    """`what` happens although `milestone` has not happened since the instance's last reset."""

    what: Expr
    milestone: Expr


@dataclass(frozen=True, slots=True)
class NeverAfter:
    """`what` happens although `milestone` happened in an earlier step since the last reset."""

    what: Expr
    milestone: Expr


@dataclass(frozen=True, slots=True)
class Can:
    """A state (or step) in which `formula` holds is reachable."""

    formula: Expr


@dataclass(frozen=True, slots=True)
class LeadsTo:
    """Whenever `trigger` holds or happens, `response` holds or happens then or later.

    With `next` the response must come in a later step than the trigger.
    """

    trigger: Expr
    response: Expr
    next: bool = False


@dataclass(frozen=True, slots=True)
class Within:
    """The response comes at most `bound` after the earliest unanswered trigger.

    With `next` a response in the step of the trigger answers earlier triggers only, not this one.
    """

    trigger: Expr
    response: Expr
    bound: int
    next: bool = False


@dataclass(frozen=True, slots=True)
class Early:
    """`what` happens less than `bound` after the last `trigger` (a lower bound on a distance)."""

    what: Expr
    trigger: Expr
    bound: int


Obligation = Never | NeverBefore | NeverAfter | Can | LeadsTo | Within | Early


@dataclass(frozen=True, slots=True)
class Rule:
    """One obligation, for every choice of `params` (for `can`: for some choice).

    `id` is what the user writes (`R3`), with the element in brackets for rules quantified over
    entries and the like (`R3c[Online]`). `distinct`: the parameters of one family are different
    instances.
    """

    id: str
    base: str  # the id without the element
    sentence: str
    kind: RuleKind
    params: tuple[Param, ...]
    obligation: Obligation
    distinct: bool = True
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Assumption:
    """What `actor` is relied on for: never (a step with) `formula`, or a response in time.

    Verification forbids the actor's steps that break it; `Within` makes it a deadline of the actor.
    """

    id: str
    sentence: str
    actor: str
    params: tuple[Param, ...]
    obligation: Never | NeverBefore | NeverAfter | Within | Early
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Fairness:
    """`labels` of `actor` are not postponed for ever (weak: while continuously enabled)."""

    actor: str
    strong: bool
    labels: tuple[Label, ...]
    span: Span = field(default=NOWHERE, compare=False)


# ---- expectations, scenarios, traces -------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Expectation:
    """`verdict` is proved, violated, witnessed, impossible, bounded or unknown.

    `n` None: for every N where the verdict is proved, any scope elsewhere.
    """

    rule: str  # base id
    verdict: str
    n: int | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Observe:
    """A scenario step: this label happens (hidden steps may come before it)."""

    label: Label
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """A scenario step: exactly this much time passes, with no visible step."""

    duration: int
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Assert:
    """A scenario step: `formula` (ground) holds in every possible state."""

    formula: Expr
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run that must be allowed, or (`allowed` False) whose last step must be impossible."""

    id: str
    sentence: str
    allowed: bool
    n: int
    steps: tuple[Observe | Wait | Assert, ...]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class TraceBlock:
    """How runs are written down: result codes, and which labels are never seen in a trace.

    `codes`: (result or argument, return code or None for "any other"). `hidden`: (kind, name or
    None for all).
    """

    codes: tuple[tuple[str, int | None], ...] = ()
    hidden: tuple[tuple[StepKind, str | None], ...] = (("due", None),)


@dataclass(frozen=True, slots=True)
class Constant:
    """A `param` with a value: time in the System's unit, or a plain integer.

    `default`: the value that the spec gives it; None where it is `value`.
    """

    name: str
    value: int
    is_time: bool
    sentence: str
    default: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A `param` whose values are the possible readings of an ambiguous text."""

    name: str
    options: tuple[str, ...]
    chosen: str
    default: str
    sentence: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry point: `results` in order; `timeout` in units or None."""

    name: str
    machine: str
    results: tuple[str, ...]
    timeout: int | None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class System:
    """The meaning of one spec under one choice of parameters and readings."""

    name: str
    title: str
    families: tuple[Family, ...]
    actors: tuple[Actor, ...]
    variables: tuple[StateVar, ...]
    clocks: tuple[ClockVar, ...]
    transitions: tuple[Transition, ...]
    deadlines: tuple[Deadline, ...]
    rules: tuple[Rule, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    entries: tuple[Entry, ...] = ()
    constants: tuple[Constant, ...] = ()
    readings: tuple[Reading, ...] = ()
    trace: TraceBlock = TraceBlock()
    initially: Expr = TRUE  # a condition on initial states beside the variables' initial values
    unit_us: int = 1_000_000
    source_sha256: str = ""
    path: str = ""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The parameters and readings that have another value than the spec gives them."""
        return (
            *(one.name for one in self.constants if one.default is not None),
            *(one.name for one in self.readings if one.chosen != one.default),
        )

    def family(self, name: str) -> Family:
        """The family called `name`; KeyError if there is none."""
        for family in self.families:
            if family.name == name:
                return family
        raise KeyError(name)

    def variable(self, name: str) -> StateVar:
        """The state variable called `name`; KeyError if there is none."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise KeyError(name)

    @property
    def parametric(self) -> tuple[str, ...]:
        """The families whose size is the parameter N."""
        return tuple(family.name for family in self.families if family.size is None)
