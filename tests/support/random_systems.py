"""Hypothesis strategies for small well-typed Systems, rules over them, and random legal runs.

The Systems are legal by construction (types, indices, at most one update a variable) and small:
with two instances they have at most a few thousand discrete states. They are not sensible:
timelocks, dead transitions and rules that fail at once are wanted, because the engines must agree
on them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import strategies as st

from rhscheck.spec.expr import (
    TRUE,
    Add,
    ClockCmp,
    ClockDiff,
    Comparison,
    Exists,
    Expr,
    Forall,
    Happens,
    Index,
    IndexValue,
    Le,
    Lit,
    Post,
    Ref,
    Sub,
    conj,
    disj,
    equal,
    ite,
    member,
    neg,
    rename,
    same,
)
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import (
    Run,
    State,
    Step,
    delay_bound,
    elapse,
    enabled,
    fire,
    initial_states,
)
from rhscheck.spec.system import (
    CALL_TYPE,
    EACH,
    SELF,
    Actor,
    Assumption,
    BoolType,
    Can,
    ClockVar,
    Deadline,
    Early,
    EnumType,
    Fairness,
    Family,
    IntType,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Obligation,
    Param,
    RefType,
    Reset,
    Rule,
    RuleKind,
    StateVar,
    System,
    Transition,
    Update,
    Within,
)

Draw = Callable[[st.SearchStrategy[object]], object]

TASK = "Task"
HOST = "Host"
ENV = "Env"


@dataclass(frozen=True, slots=True)
class Shape:
    """What drawn Systems may contain.

    `clocks`: how many clock variables at most. `closed`: only comparisons <= and >=, so integer
    time is exact. `diagonals`: differences of clocks. `pairs`: transitions with two instances of
    the parametric family. `quantifiers`: `forall` and `exists` in guards. `references`: a shared
    variable holding an instance. `hosts`: a second family of fixed size. `transitions`: at most.
    `calls`: labels of calls and returns (which may come in any order).
    """

    clocks: int = 3
    closed: bool = False
    diagonals: bool = False
    pairs: bool = True
    quantifiers: bool = True
    references: bool = True
    hosts: bool = True
    transitions: int = 7
    calls: bool = True


@dataclass(frozen=True, slots=True)
class _Scope:
    """The bound instances an expression may name: (name, family)."""

    names: tuple[tuple[str, str], ...]

    def of(self, family: str) -> list[str]:
        return [name for name, its_family in self.names if its_family == family]


def _values(kind: object) -> tuple[int, ...]:
    match kind:
        case BoolType():
            return (0, 1)
        case EnumType(_, members):
            return tuple(range(len(members)))
        case IntType(low, high):
            return tuple(range(low, high + 1))
        case _:
            raise AssertionError(kind)


@st.composite
def variables(draw: st.DrawFn, shape: Shape) -> tuple[StateVar, ...]:
    """One location a task, at most one more task variable, one or two shared ones, maybe hosts."""
    places = EnumType("place", ("A", "B", "C")[: draw(st.integers(2, 3))])
    found = [StateVar("Task.at", TASK, places, (0,), "location", TASK)]
    extra = draw(st.sampled_from(("none", "flag", "call")))
    if extra == "flag":
        initial = draw(st.sampled_from(((0,), (1,), (0, 1))))
        found.append(StateVar("Task.flag", TASK, BoolType(), initial, "data", TASK))
    elif extra == "call":
        found.append(StateVar("Task.call.Do", TASK, CALL_TYPE, (0,), "call", TASK))
    shared = ["Env.at", "lock", "count"] + (["owner"] if shape.references else [])
    for name in draw(st.lists(st.sampled_from(shared), min_size=1, max_size=2, unique=True)):
        if name == "Env.at":
            kind = EnumType("env", ("Up", "Dumping", "Gone"))
            found.append(StateVar(name, None, kind, (0,), "location", ENV))
        elif name == "lock":
            found.append(StateVar(name, None, BoolType(), (0,), "data"))
        elif name == "count":
            found.append(StateVar(name, None, IntType(0, 2), (draw(st.integers(0, 2)),), "data"))
        else:
            found.append(StateVar(name, None, RefType(TASK, True), (0,), "data"))
    if shape.hosts and draw(st.integers(0, 3)) == 3:
        found.append(StateVar("Host.up", HOST, BoolType(), (1,), "data", HOST))
    return tuple(found)


class _Maker:
    """Draws expressions over the variables and clocks of one System."""

    def __init__(
        self,
        draw: st.DrawFn,
        shape: Shape,
        state: tuple[StateVar, ...],
        clocks: tuple[ClockVar, ...] = (),
    ) -> None:
        self.draw = draw
        self.shape = shape
        self.state = state
        self.clocks = clocks

    def index(self, family: str | None, scope: _Scope) -> list[Index]:
        return [None] if family is None else list(scope.of(family))

    def atom(self, scope: _Scope, *, timed: bool = False) -> Expr:
        """One comparison of a variable (or a clock) that `scope` can name."""
        if self.shape.quantifiers and self.draw(st.integers(0, 9)) == 9:
            plain = _Maker(self.draw, replace(self.shape, quantifiers=False), self.state)
            body = plain.atom(_Scope((*scope.names, ("q", TASK))))
            quantifier = Forall if self.draw(st.booleans()) else Exists
            return quantifier("q", TASK, body)
        reachable = self.clock_refs(scope) if timed else []
        if len(reachable) > 0 and self.draw(st.booleans()):
            return self.clock_atom(reachable)
        tasks = scope.of(TASK)
        if len(tasks) > 1 and self.draw(st.integers(0, 3)) == 3:
            distinct = neg(same(tasks[0], tasks[1]))
            return distinct if self.draw(st.booleans()) else same(tasks[0], tasks[1])
        variable, ref = self.draw(
            st.sampled_from(
                [
                    (variable, Ref(variable.name, index))
                    for variable in self.state
                    for index in self.index(variable.family, scope)
                ]
            )
        )
        match variable.type:
            case RefType():
                owners = [equal(ref, IndexValue(name)) for name in tasks]
                return self.draw(st.sampled_from([member(ref, (0,)), *owners]))
            case BoolType():
                return self.draw(st.sampled_from((ref, neg(ref))))
            case IntType() if self.draw(st.integers(0, 3)) == 3:
                return Le(Add(ref, Lit(1)), Lit(self.draw(st.integers(0, 3))))
            case kind:
                value = self.draw(st.sampled_from(_values(kind)))
                options = [member(ref, (value,)), neg(member(ref, (value,)))]
                options.append(member(ref, (value, (value + 1) % len(_values(kind)))))
                return self.draw(st.sampled_from(options))

    def clock_refs(self, scope: _Scope) -> list[tuple[str, Index]]:
        return [
            (clock.name, index)
            for clock in self.clocks
            for index in self.index(clock.family, scope)
        ]

    def clock_atom(self, reachable: list[tuple[str, Index]]) -> Expr:
        ops: tuple[Comparison, ...] = ("<=", ">=") if self.shape.closed else ("<", "<=", ">=", ">")
        op = self.draw(st.sampled_from(ops))
        name, index = self.draw(st.sampled_from(reachable))
        if self.shape.diagonals and self.draw(st.integers(0, 4)) == 4:
            minus, minus_index = self.draw(st.sampled_from(reachable))
            bound = self.draw(st.integers(-2, 3))
            return ClockDiff(name, index, minus, minus_index, op, bound)
        return ClockCmp(name, index, op, self.draw(st.integers(0, 4)))

    def formula(self, scope: _Scope, *, timed: bool = False, most: int = 3) -> Expr:
        """A conjunction of at most `most` atoms and small disjunctions."""
        parts: list[Expr] = []
        for _ in range(self.draw(st.integers(0, most))):
            part = self.atom(scope, timed=timed)
            if self.draw(st.integers(0, 3)) == 3:
                part = disj((part, self.atom(scope, timed=timed)))
            parts.append(part)
        return conj(parts)

    def value(self, variable: StateVar, index: Index, scope: _Scope) -> Expr:
        """Something that may be stored in `variable[index]`."""
        ref = Ref(variable.name, index)
        options: list[Expr]
        match variable.type:
            case RefType():
                options = [Lit(0), *(IndexValue(name) for name in scope.of(TASK))]
            case IntType():
                options = [Lit(0), Lit(2), Add(ref, Lit(1)), Sub(ref, Lit(1))]
            case BoolType():
                options = [Lit(0), Lit(1), neg(ref), self.atom(scope)]
            case kind:
                options = [Lit(value) for value in _values(kind)]
        value = self.draw(st.sampled_from(options))
        if self.draw(st.integers(0, 4)) == 4:
            return ite(self.atom(scope), value, ref)
        return value

    def updates(self, scope: _Scope) -> tuple[Update, ...]:
        """At most two updates of different variables, and sometimes a broadcast."""
        targets = [
            (variable, index)
            for variable in self.state
            for index in self.index(variable.family, scope)[:1]
        ]
        chosen = self.draw(
            st.lists(st.sampled_from(targets), max_size=2, unique_by=lambda pair: pair[0].name)
        )
        found = [
            Update(variable.name, index, self.value(variable, index, scope))
            for variable, index in chosen
        ]
        if self.draw(st.integers(0, 5)) == 5:
            own = [v for v in self.state if v.family == TASK and v not in [c for c, _ in chosen]]
            if own:
                variable = self.draw(st.sampled_from(own))
                inner = _Scope((*scope.names, ("e", TASK)))
                value = self.value(variable, "e", inner)
                found.append(Update(variable.name, "e", value, Param("e", TASK)))
        return tuple(found)


EVENTS = ("go", "stop", "tick")


@st.composite
def _label(draw: st.DrawFn, owner: str | None, *, calls: bool) -> Label:
    index = None if owner is None else SELF
    machine = ENV if owner is None else owner
    if calls and owner == TASK and draw(st.booleans()):
        if draw(st.booleans()):
            return Label("call", TASK, "Do", None, SELF)
        return Label("return", TASK, "Do", draw(st.sampled_from(("ok", "bad"))), SELF)
    # Names are unique to a machine, as elaboration makes them for what rules can name.
    prefix = "" if machine == TASK else f"{machine}_"
    return Label("event", machine, prefix + draw(st.sampled_from(EVENTS)), None, index)


@st.composite
def systems(draw: st.DrawFn, shape: Shape = Shape()) -> System:
    """A small legal System without rules (see `with_rules`)."""
    state = draw(variables(shape))
    makes_hosts = any(variable.family == HOST for variable in state)
    untimed = _Maker(draw, shape, state)
    clocks = []
    for number in range(draw(st.integers(0, shape.clocks))):
        family = draw(st.sampled_from((TASK, None)))
        scope = _Scope(((SELF, TASK),) if family else ())
        quiet = _Maker(draw, Shape(quantifiers=False), state)
        active = draw(st.sampled_from((TRUE, quiet.atom(scope)))) if state else TRUE
        clocks.append(ClockVar(f"clock{number}", family, active, "raw"))
    timed = _Maker(draw, shape, state, tuple(clocks))
    transitions = []
    owners: tuple[str | None, ...] = (TASK, TASK, TASK, None, *((HOST,) if makes_hosts else ()))
    for number in range(draw(st.integers(2, shape.transitions - 2))):
        owner = draw(st.sampled_from(owners))
        params = () if owner is None else (Param(SELF, owner),)
        label = draw(_label(owner, calls=shape.calls))
        also: tuple[Label, ...] = ()
        if shape.pairs and owner is not None and draw(st.integers(0, 4)) == 4:
            params = (*params, Param("j", TASK))
            if draw(st.booleans()):
                also = (Label("event", TASK, draw(st.sampled_from(EVENTS)), None, "j"),)
        scope = _Scope(tuple((param.name, param.family) for param in params))
        updates = timed.updates(scope)
        resets_machines: tuple[tuple[str, Expr], ...] = ()
        if draw(st.integers(0, 4 if owner else 2)) == 2:
            plain = _Maker(draw, replace(shape, quantifiers=False), state)
            which = plain.formula(_Scope((*scope.names, (EACH, TASK))), most=1)
            here = rename(which, {EACH: "r"})
            written = {update.var for update in updates}
            updates += tuple(
                Update(
                    variable.name,
                    "r",
                    ite(here, Lit(variable.initial[0]), Ref(variable.name, "r")),
                    Param("r", TASK),
                )
                for variable in state
                if variable.family == TASK and variable.name not in written
            )
            resets_machines = ((TASK, which),)
        reachable = timed.clock_refs(scope)
        resets: tuple[Reset, ...] = ()
        if reachable and draw(st.integers(0, 2)) == 2:
            resets = (Reset(*draw(st.sampled_from(reachable))),)
        transitions.append(
            Transition(
                f"t{number}",
                label,
                draw(st.sampled_from(("HOST", "PLUGIN"))),
                params,
                timed.formula(scope, timed=True),
                updates,
                resets,
                resets_machines,
                also=also,
            )
        )
    deadlines = []
    for number, clock in enumerate(clocks):
        if draw(st.booleans()):
            continue
        scope = _Scope(((SELF, clock.family),) if clock.family else ())
        quiet = _Maker(draw, Shape(quantifiers=False), state)
        active = conj((clock.active, quiet.formula(scope, most=1)))
        bound = draw(st.integers(1, 4))
        index: Index = SELF if clock.family else None
        strict = not shape.closed and draw(st.integers(0, 5)) == 5
        name = f"deadline{number}"
        deadlines.append(Deadline(name, clock.family, active, clock.name, bound, "HOST", strict))
        params = (Param(SELF, clock.family),) if clock.family else ()
        leave = untimed.updates(_Scope(tuple((p.name, p.family) for p in params)))
        transitions.append(
            Transition(
                f"expire{number}",
                Label("timer", TASK if clock.family else ENV, clock.name, None, index),
                "HOST",
                params,
                conj((active, ClockCmp(clock.name, index, ">=", bound))),
                leave,
                (Reset(clock.name, index),),
                expires=name,
            )
        )
    if draw(st.integers(0, 5)) == 5:
        urgent = _Maker(draw, Shape(quantifiers=False), state).formula(_Scope(()), most=1)
        deadlines.append(
            Deadline("urgent", None, conj((urgent, FIRST_SHARED(state))), None, 0, "HOST")
        )
    families = (
        Family(TASK, None),
        *((Family(HOST, draw(st.integers(1, 2))),) if makes_hosts else ()),
    )
    return System(
        name="random",
        title="",
        families=families,
        actors=(Actor("HOST", "host"), Actor("PLUGIN", "plugin")),
        variables=state,
        clocks=tuple(clocks),
        transitions=tuple(transitions),
        deadlines=tuple(deadlines),
        unit_us=1_000_000,
    )


def FIRST_SHARED(state: tuple[StateVar, ...]) -> Expr:  # noqa: N802
    """A condition that some shared variable has left its first value, so time starts to pass."""
    variable = next(v for v in state if v.family is None)
    return neg(member(Ref(variable.name), (variable.initial[0],)))


# ---- rules -------------------------------------------------------------------------------------
RULE_SHAPE = Shape(clocks=0, quantifiers=False)


class _RuleMaker:
    """Draws obligations over one System, for bound instances `scope`."""

    def __init__(self, draw: st.DrawFn, system: System, scope: _Scope, *, timed: bool) -> None:
        self.draw = draw
        self.system = system
        self.scope = scope
        self.timed = timed
        self.maker = _Maker(draw, RULE_SHAPE, system.variables, system.clocks if timed else ())

    def happens(self) -> Expr:
        """An event of one of the System's labels, or a reset, of an instance in scope."""
        labels = [
            label
            for transition in self.system.transitions
            for label in (transition.label, *transition.also)
        ]
        options: list[Expr] = []
        for label in labels:
            family = None if label.index is None else label.machine
            for index in self.maker.index(family, self.scope):
                options.append(Happens(label.kind, label.name, label.value, index))
                if label.value is not None:
                    options.append(Happens(label.kind, label.name, None, index))
            if family is not None:
                event = Happens(label.kind, label.name, label.value, "x")
                options.append(Exists("x", family, event))
        options += [Happens("reset", TASK, None, name) for name in self.scope.of(TASK)]
        return self.draw(st.sampled_from(options))

    def state(self) -> Expr:
        return self.maker.atom(self.scope)

    def step(self) -> Expr:
        """A formula about a step."""
        match self.draw(st.integers(0, 4)):
            case 0:
                return conj((self.happens(), self.maker.atom(self.scope, timed=self.timed)))
            case 1:
                return conj((self.state(), Post(self.state())))
            case 2:
                return conj((self.happens(), Post(self.state())))
            case 3:
                return disj((self.happens(), self.happens()))
            case _:
                return self.happens()

    def either(self) -> Expr:
        """A step formula, a state formula, or one or the other."""
        match self.draw(st.integers(0, 4)):
            case 0:
                return self.state()
            case 1:
                return disj((self.state(), self.step()))
            case _:
                return self.step()

    def obligation(self, kind: str) -> Obligation:
        match kind:
            case "never":
                return Never(self.either())
            case "can":
                return Can(self.either())
            case "before":
                return NeverBefore(self.either(), self.either())
            case "after":
                return NeverAfter(self.either(), self.either())
            case "within":
                bound = self.draw(st.integers(1, 3))
                return Within(self.either(), self.either(), bound, self.draw(st.booleans()))
            case _:
                return Early(self.either(), self.either(), self.draw(st.integers(1, 3)))


KINDS: tuple[RuleKind, ...] = ("never", "can", "before", "after", "within", "early")


@st.composite
def rules(
    draw: st.DrawFn,
    system: System,
    *,
    kinds: tuple[RuleKind, ...] = KINDS,
    most_params: int = 1,
    timed: bool = False,
) -> Rule:
    """A rule over `system` for at most `most_params` tasks; `timed`: steps may read its clocks."""
    count = draw(st.integers(0, most_params))
    params = tuple(Param(name, TASK) for name in ("i", "k")[:count])
    kind = draw(st.sampled_from(kinds))
    scope = _Scope(tuple((param.name, param.family) for param in params))
    obligation = _RuleMaker(draw, system, scope, timed=timed).obligation(kind)
    return Rule("R", "R", f"a rule of kind {kind}", kind, params, obligation)


@st.composite
def assumptions(draw: st.DrawFn, system: System) -> Assumption:
    """An assumption about PLUGIN; weaving may refuse it, when another actor could break it."""
    params = (Param("i", TASK),) if draw(st.booleans()) else ()
    scope = _Scope(tuple((param.name, param.family) for param in params))
    kind = draw(st.sampled_from(("never", "before", "after", "within", "early")))
    obligation = _RuleMaker(draw, system, scope, timed=False).obligation(kind)
    assert not isinstance(obligation, Can)
    return Assumption("D", f"an assumption of kind {kind}", "PLUGIN", params, obligation)  # type: ignore[arg-type]


@st.composite
def fair_rules(draw: st.DrawFn, drawn: st.SearchStrategy[System]) -> tuple[System, Rule]:
    """A System with some `fair` lines, and a `leads to` over it for at most one task."""
    system = draw(drawn)
    params = (Param("i", TASK),) if draw(st.booleans()) else ()
    scope = _Scope(tuple((param.name, param.family) for param in params))
    maker = _RuleMaker(draw, system, scope, timed=False)
    obligation = LeadsTo(maker.either(), maker.either(), draw(st.booleans()))
    fair = []
    for transition in draw(st.lists(st.sampled_from(system.transitions), max_size=3)):
        label = transition.label
        label = replace(label, index=None if label.index is None else SELF)
        fair.append(Fairness(transition.actor, draw(st.booleans()), (label,)))
    rule = Rule("R", "R", "a leads to", "leads_to", params, obligation)
    return replace(system, fairness=tuple(fair)), rule


# ---- runs --------------------------------------------------------------------------------------
def random_run(ground: Ground, seed: int, steps: int) -> Run | None:
    """A legal run of at most `steps` discrete steps with delays in halves of a unit.

    The last step may be a delay alone. None if the System has no initial state.
    """
    dice = random.Random(seed)
    starts = list(initial_states(ground))
    if not starts:
        return None
    state = initial = dice.choice(starts)
    taken: list[Step] = []
    for _ in range(steps):
        delay, state = _wait(ground, state, dice)
        possible = enabled(ground, state)
        if not possible:
            break
        choice = dice.choice(possible)
        state = fire(ground, state, choice)
        taken.append(Step(delay, choice))
    else:
        delay = 0
    if not delay:
        delay, state = _wait(ground, state, dice)
    if delay:
        taken.append(Step(delay, None))
    return Run(initial, tuple(taken))


def _wait(ground: Ground, state: State, dice: random.Random) -> tuple[Fraction | int, State]:
    bound = delay_bound(ground, state)
    wish: Fraction | int = dice.choice((0, 0, Fraction(1, 2), 1, Fraction(3, 2), 2, 5))
    if bound.limit is not None and (dice.random() < 0.3 or not bound.allows(wish)):
        wish = Fraction(bound.limit) / (2 if bound.strict else 1)
    return wish, elapse(ground, state, wish)
