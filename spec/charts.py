"""State charts to transitions: what each line of a machine means as guarded updates.

Owns handlers, precedence of inner over outer states, targets, timers, chained calls, polling,
synchronisation and resets (SEMANTICS sections 1 and 2). Knows nothing of rules.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import assert_never

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code, Note, did_you_mean
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    And,
    ClockCmp,
    Exists,
    Expr,
    Forall,
    Index,
    IndexValue,
    Lit,
    Ref,
    Same,
    clocks_read,
    conj,
    disj,
    ite,
    member,
    neg,
    rebuild,
    rename,
    same,
    transform,
)
from rhscheck.spec.names import Machine, StateNode, Symbols, find_state
from rhscheck.spec.source import Span
from rhscheck.spec.system import (
    CALL_EXPIRED,
    CALL_IDLE,
    CALL_RUNNING,
    CALL_TYPE,
    EACH,
    SELF,
    TIME,
    BoolType,
    ClockVar,
    Deadline,
    EnumType,
    IntType,
    Label,
    Param,
    RefType,
    Reset,
    StateVar,
    Transition,
    Update,
)
from rhscheck.spec.terms import Context, Terms


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


MAX_CASES = 4_096  # outcomes of one line, initial values of one variable
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
        return s.Clauses() if self.handler is None else self.handler.clauses

    @property
    def event(self) -> tuple[str, str, str | None]:
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


class Charts:
    """Builds the charts of all machines, then joins them where they synchronise."""

    def __init__(self, symbols: Symbols, terms: Terms) -> None:
        self.symbols = symbols
        self.problems = symbols.problems
        self.terms = terms
        self.charts: dict[str, Chart] = {}
        self._assigned: set[str] = set()
        self._known = {
            v.name
            for v in (
                *symbols.shared.values(),
                *(v for m in symbols.machines.values() for v in m.variables.values()),
            )
            if v.known
        }

    # -- the whole ---------------------------------------------------------------------------------
    def build(self) -> tuple[list[StateVar], list[ClockVar], list[Deadline], list[Transition]]:
        """Variables, clocks, deadlines and transitions, in source order."""
        for machine in self.symbols.machines.values():
            self.charts[machine.name] = self._chart(machine)
        self._note_assigned()
        for chart in self.charts.values():
            self._check_clauses(chart)
            for at, candidate in enumerate(chart.candidates):
                chained = self._chain(chart, candidate)
                if chained is not None:
                    chart.owed[at] = chained
        # Whether a partner can take part decides whether an inner transition is enabled, so what
        # partners do is settled first.
        for chart in self.charts.values():
            self._settle(chart, [c for c in chart.candidates if c.kind == "sync"])
        for chart in self.charts.values():
            for candidate in chart.candidates:
                candidate.partners = self._partners(chart, candidate)
        for chart in self.charts.values():
            self._settle(chart, [c for c in chart.candidates if c.kind != "sync"])
            self._urgencies(chart)
        transitions: list[Transition] = []
        for chart in self.charts.values():
            transitions.extend(self._transitions(chart))
        variables = [v for chart in self.charts.values() for v in chart.variables]
        variables += [self._data(v.name, None, v.decl, v.type) for v in self.symbols.shared.values()]
        written = {update.var for t in transitions for update in t.updates}
        variables = [replace(v, constant=v.name not in written) for v in variables]
        return (
            variables,
            [c for chart in self.charts.values() for c in chart.clocks],
            [d for chart in self.charts.values() for d in chart.deadlines],
            _unique_keys(transitions),
        )

    def _context(self, machine: Machine, scope: StateNode | None = None) -> Context:
        index: Index = SELF if machine.family is not None else None
        bound: dict[str, tuple[Machine, Index]] = {}
        if machine.decl.index is not None:
            bound[machine.decl.index.text] = (machine, SELF)
        return Context(machine, index, bound, scope)

    # -- one machine -------------------------------------------------------------------------------
    def _chart(self, machine: Machine) -> Chart:
        chart = Chart(machine)
        context = self._context(machine)
        index = context.index
        if machine.decl.requires is not None:
            chart.requires = self._requires(machine.decl.requires, context)
            self._discrete(chart.requires, machine.decl.requires.span, "`requires`")
        leaves = tuple(leaf.path or machine.name for leaf in machine.leaves)
        start = machine.root.entry_leaf().leaves
        chart.variables.append(
            StateVar(machine.location, machine.family, EnumType(machine.name, leaves), start,
                     "location", machine.name, span=machine.decl.span)
        )  # fmt: skip
        for variable in machine.variables.values():
            chart.variables.append(
                self._data(variable.name, machine, variable.decl, variable.type)
            )
        for entry in machine.entries.values():
            chart.variables.append(
                StateVar(machine.call(entry.name), machine.family, CALL_TYPE, (CALL_IDLE,), "call",
                         machine.name, span=entry.span)
            )  # fmt: skip
            if entry.timeout is not None:
                running = conj((
                    member(Ref(machine.call(entry.name), index), (CALL_RUNNING,)), chart.requires,
                ))  # fmt: skip
                clock = machine.call_clock(entry.name)
                chart.clocks.append(ClockVar(clock, machine.family, running, "call", entry.span))
                chart.deadlines.append(
                    Deadline(clock, machine.family, running, clock, entry.timeout,
                             self.symbols.host(), span=entry.span)
                )  # fmt: skip
        for node in machine.root.walk():
            self._state(chart, node)
        self._defaults(chart)
        return chart

    def _requires(self, node: s.Expression, context: Context) -> Expr:
        """`requires host.Up` is short for `requires in host.Up`."""
        if isinstance(node, s.Path) and len(node.parts) > 1:
            node = s.Atom("in", (node,), None, node.span)
        return self.terms.condition(node, context)

    def _data(
        self, name: str, machine: Machine | None, decl: s.VarDecl, kind: object
    ) -> StateVar:
        assert isinstance(kind, BoolType | EnumType | IntType | RefType)
        family = None if machine is None else machine.family
        values: tuple[int, ...]
        if isinstance(decl.initial, s.AnyValue):
            values = self._all_values(kind, decl.initial.span)
        elif name not in self._known:
            values = (0,)
        else:
            expr = self.terms.value(decl.initial, kind, Context())
            values = (expr.value,) if isinstance(expr, Lit) else (0,)
            if not isinstance(expr, Lit):
                self.problems.error(
                    Code.NOT_CONSTANT, "an initial value must be a constant, or `any`",
                    decl.initial.span, "write a value of the type, or `any`",
                )  # fmt: skip
        return StateVar(
            name, family, kind, values, "data", machine.name if machine is not None else "",
            span=decl.span,
        )  # fmt: skip

    def _all_values(
        self, kind: BoolType | EnumType | IntType | RefType, span: Span
    ) -> tuple[int, ...]:
        match kind:
            case BoolType():
                return (0, 1)
            case EnumType(_, members):
                return tuple(range(len(members)))
            case IntType(low, high):
                if high - low >= MAX_CASES:
                    self.problems.error(
                        Code.TOO_MANY, f"`any` stands for {high - low + 1} values here", span,
                        f"at most {MAX_CASES} are possible; choose a smaller range",
                    )  # fmt: skip
                    return (low,)
                return tuple(range(low, high + 1))
            case RefType(family, optional):
                size = next(f.size for f in self.symbols.families if f.name == family)
                if size is None:
                    self.problems.error(
                        Code.NOT_CONSTANT,
                        f"`any` instance of {family} depends on the number of instances", span,
                        "give a definite value, or choose the instance by a transition",
                    )  # fmt: skip
                    size = 1
                return tuple(range(0 if optional else 1, size + 1))

    def _here(self, chart: Chart, node: StateNode) -> Expr:
        """The instance is in `node` and what it requires holds."""
        machine = chart.machine
        index = self._context(machine).index
        inside = (
            TRUE
            if len(node.leaves) == len(machine.leaves)
            else member(Ref(machine.location, index), node.leaves)
        )
        return conj((inside, chart.requires))

    def _state(self, chart: Chart, node: StateNode) -> None:
        machine = chart.machine
        family = machine.family
        index = self._context(machine).index
        number = 0
        for item in node.decl.body:
            match item:
                case s.ClockDecl(name):
                    active = self._here(chart, node)
                    full = machine.clocks[name.text][0]
                    chart.places[full] = node
                    chart.clocks.append(ClockVar(full, family, active, "raw", item.span))
                case s.DeadlineDecl():
                    self._deadline(chart, node, item)
                case s.TimerDecl(name, duration, restart):
                    full = f"{machine.name}.timer.{name.text}"
                    chart.places[full] = node
                    bound = self.terms.constant_time(duration)
                    here = self._here(chart, node)
                    chart.clocks.append(ClockVar(full, family, here, "timer", item.span))
                    chart.deadlines.append(
                        Deadline(full, family, here, full, bound, self.symbols.host(), span=item.span)
                    )
                    chart.restarts.append((full, restart, node))
                    for event in restart:
                        self._check_restart(machine, event)
                case s.EveryDecl():
                    self._every(chart, node, item)
                case s.Handler():
                    number += 1
                    self._handler(chart, node, item, number)
                case s.StateDecl() | s.VarDecl() | s.LaneDecl() | s.DefineDecl():
                    pass
        del index

    def _check_restart(self, machine: Machine, event: s.EventRef) -> None:
        """A timer restarts on steps of its own machine; reports what is none."""
        name = event.name.text
        match event.kind:
            case "call" | "return" | "timeout":
                entry = machine.entries.get(name)
                if entry is None:
                    self._not_called(machine, event)
                else:
                    self._chosen(event, entry.results, f"result of {name}")
            case "callback":
                callback = machine.callbacks.get(name)
                if callback is None:
                    known = machine.callbacks
                    self.problems.unknown("callback", name, known, event.span, " in this machine")
                else:
                    self._chosen(event, callback.arguments, f"argument of {name}")
            case "event":
                known_events = [*machine.events, *machine.timers]
                if name not in known_events:
                    where = f" in machine {machine.name}"
                    self.problems.unknown("event", name, known_events, event.span, where)
            case _:
                assert_never(event.kind)

    def _deadline(self, chart: Chart, node: StateNode, item: s.DeadlineDecl) -> None:
        context = self._context(chart.machine, node)
        known = len(self.problems.found)
        bound = self.terms.condition(item.condition, context)
        if not isinstance(bound, ClockCmp) or bound.op not in ("<=", "<"):
            if len(self.problems.found) == known:
                self.problems.error(
                    Code.TYPE, "a deadline has the form `deadline CLOCK <= TIME`",
                    item.condition.span, "compare one clock with a constant time",
                )  # fmt: skip
            return
        when = TRUE if item.when is None else self.terms.condition(item.when, context)
        self._discrete(when, item.span, "a deadline")
        owner = self.symbols.host() if item.owner is None else self.actor(item.owner)
        chart.deadlines.append(
            Deadline(
                f"{bound.clock} deadline {item.span.line}", chart.machine.family,
                conj((self._here(chart, node), when)), bound.clock, bound.bound, owner,
                strict=bound.op == "<", span=item.span,
            )
        )  # fmt: skip

    def _every(self, chart: Chart, node: StateNode, item: s.EveryDecl) -> None:
        machine = chart.machine
        family = machine.family
        context = self._context(machine, node)
        index = context.index
        entry = item.entry.text
        if entry not in machine.entries:
            return  # reported when the entries were collected
        period = self.terms.constant_time(item.period)
        place = node.path or machine.name
        due = f"{machine.name}.due.{entry}@{place}"
        clock = f"{machine.name}.every.{entry}@{place}"
        chart.places[clock] = node
        here = self._here(chart, node)
        chart.variables.append(
            StateVar(due, family, BoolType(), (0,), "due", machine.name, span=item.span)
        )
        waiting = conj((here, neg(Ref(due, index))))
        chart.clocks.append(ClockVar(clock, family, waiting, "every", item.span))
        chart.deadlines.append(
            Deadline(clock, family, waiting, clock, period, self.actor(item.actor), span=item.span)
        )
        when = TRUE if item.when is None else self.terms.condition(item.when, context)
        self._discrete(when, item.span, "`every`")
        idle = member(Ref(machine.call(entry), index), (CALL_IDLE,))
        ready = conj((here, Ref(due, index), idle, when))
        chart.polling.append(Polling(item, node, entry, due, ready))
        chart.candidates.append(
            Candidate(
                node, "due", entry, None, TIME, TRUE,
                conj((neg(Ref(due, index)), ClockCmp(clock, index, ">=", period))), None, item.span,
                updates=(Update(due, index, TRUE),), expires=clock,
            )
        )  # fmt: skip
        chart.candidates.append(
            Candidate(
                node, "call", entry, None, self.actor(item.actor), when,
                conj((Ref(due, index), idle)), None, item.span,
                updates=(Update(due, index, FALSE),
                         Update(machine.call(entry), index, Lit(CALL_RUNNING))),
            )
        )  # fmt: skip

    def actor(self, name: s.Name) -> str:
        """The actor called `name`, reported when it is not declared."""
        if name.text not in self.symbols.actors:
            self.problems.unknown("actor", name.text, self.symbols.actors, name.span)
        self.symbols.use("actor", name.text)
        return name.text

    def _defaults(self, chart: Chart) -> None:
        """What happens to expiries, returns and callbacks that no state handles."""
        machine = chart.machine
        index = self._context(machine).index
        root = machine.root
        for entry in machine.entries.values():
            call = Ref(machine.call(entry.name), index)
            if entry.timeout is not None:
                chart.candidates.append(
                    Candidate(
                        root, "expiry", entry.name, None, TIME, TRUE, TRUE, None, entry.span,
                        rank=2, expires=machine.call_clock(entry.name),
                    )
                )  # fmt: skip
            for result in entry.results:
                chart.candidates.append(
                    Candidate(
                        root, "return", entry.name, result, entry.actor, TRUE,
                        neg(member(call, (CALL_IDLE,))), None, entry.span, rank=2, unhandled=True,
                        updates=(Update(machine.call(entry.name), index, Lit(CALL_IDLE)),),
                    )
                )  # fmt: skip
        for callback in machine.callbacks.values():
            base = self.callback_condition(machine, callback.condition)
            for argument in callback.arguments or (None,):
                chart.candidates.append(
                    Candidate(
                        root, "callback", callback.name, argument, callback.actor, TRUE, base, None,
                        callback.span, rank=2, unhandled=True,
                    )
                )  # fmt: skip

    def callback_condition(self, machine: Machine, condition: s.Expression | None) -> Expr:
        """When a callback may come at all."""
        if condition is None:
            return TRUE
        return self.terms.condition(condition, self._context(machine))

    # -- handlers ----------------------------------------------------------------------------------
    def _handler(self, chart: Chart, node: StateNode, item: s.Handler, number: int) -> None:
        machine = chart.machine
        context = self._context(machine, node)
        index = context.index
        when: Expr = TRUE
        if item.clauses.when is not None:
            when = self.terms.condition(item.clauses.when, context)
        off = when == FALSE  # a reading that was not chosen: the names were checked, no more
        actor = self.symbols.host() if item.actor is None else self.actor(item.actor)
        rank = 1 if item.late else 0
        for event in item.events:
            name = event.name.text
            base: Expr = TRUE
            values: tuple[str | None, ...] = (None,)
            updates: tuple[Update, ...] = ()
            kind: str = event.kind
            expires: str | None = None
            match event.kind:
                case "call":
                    if name not in machine.entries:
                        continue
                    self.symbols.use("entry", name)
                    base = member(Ref(machine.call(name), index), (CALL_IDLE,))
                    updates = (Update(machine.call(name), index, Lit(CALL_RUNNING)),)
                case "return":
                    entry = machine.entries.get(name)
                    if entry is None:
                        self._not_called(machine, event)
                        continue
                    actor = entry.actor
                    values = self._chosen(event, entry.results, f"result of {name}")
                    base = neg(member(Ref(machine.call(name), index), (CALL_IDLE,)))
                    updates = (Update(machine.call(name), index, Lit(CALL_IDLE)),)
                case "callback":
                    callback = machine.callbacks.get(name)
                    if callback is None:
                        self.problems.unknown("callback", name, self.symbols.callbacks,
                                              event.name.span)  # fmt: skip
                        continue
                    self.symbols.use("callback", name)
                    actor = callback.actor
                    values = self._chosen(event, callback.arguments, f"argument of {name}")
                    base = self.callback_condition(machine, callback.condition)
                case "timeout":
                    entry = machine.entries.get(name)
                    if entry is None:
                        self._not_called(machine, event)
                        continue
                    if entry.timeout is None:
                        self.problems.error(
                            Code.UNKNOWN_NAME, f"entry {name} has no time-out", event.name.span,
                            f"declare `entry {name} … timeout TIME`",
                        )  # fmt: skip
                        continue
                    kind, actor, expires = "expiry", TIME, machine.call_clock(name)
                case "event":
                    if item.kind == "on" and name in machine.timers:
                        kind, actor = "timer", TIME
                        expires = f"{machine.name}.timer.{name}"
                        self.symbols.use("timer", f"{machine.name}.{name}")
                        holder = machine.timers[name]
                        decl = next(
                            d for d in holder.decl.body
                            if isinstance(d, s.TimerDecl) and d.name.text == name
                        )  # fmt: skip
                        bound = self.terms.constant_time(decl.duration)
                        base = ClockCmp(expires, index, ">=", bound)
                    elif item.kind == "on":
                        kind = "sync"
            if item.kind in ("within", "after") and not off:
                base = conj((base, self._timed(chart, node, item, number, when, actor)))
            for value in () if off else values:
                chart.candidates.append(
                    Candidate(
                        node, kind, name, value, actor, when, base, item, item.span, rank, updates,
                        expires=expires,
                    )
                )  # fmt: skip

    def _timed(
        self, chart: Chart, node: StateNode, item: s.Handler, number: int, when: Expr, actor: str
    ) -> Expr:
        machine = chart.machine
        assert item.bound is not None  # the grammar: within and after have one
        bound = self.terms.constant_time(item.bound)
        clock = f"{machine.name}.{item.kind}.{node.path or machine.name}#{number}"
        chart.places[clock] = node
        here = self._here(chart, node)
        chart.clocks.append(ClockVar(clock, machine.family, here, "within", item.span))
        if item.kind == "within":
            self._discrete(when, item.span, "`within`")
            chart.deadlines.append(
                Deadline(clock, machine.family, conj((here, when)), clock, bound, actor,
                         span=item.span)
            )  # fmt: skip
            return TRUE
        return ClockCmp(clock, self._context(machine).index, ">=", bound)

    def _not_called(self, machine: Machine, event: s.EventRef) -> None:
        name = event.name.text
        if name in self.symbols.entries:
            self.problems.error(
                Code.UNKNOWN_NAME, f"machine {machine.name} never calls `{name}`", event.name.span,
                f"add `by ACTOR: call {name}`, or leave this out",
            )  # fmt: skip
        else:
            self.problems.unknown("entry", name, self.symbols.entries, event.name.span)

    def _chosen(
        self, event: s.EventRef, known: tuple[str, ...], what: str
    ) -> tuple[str | None, ...]:
        if event.results is None:
            return tuple(known) or (None,)
        for result in event.results:
            if result not in known:
                self.problems.unknown(what, result, known, event.span)
        return tuple(r for r in event.results if r in known)

    # -- precedence --------------------------------------------------------------------------------
    def _settle(self, chart: Chart, candidates: list[Candidate]) -> None:
        """Only an enabled inner handler overrides an outer one on the same event."""
        by_event: dict[tuple[str, str, str | None], list[Candidate]] = {}
        for candidate in candidates:
            by_event.setdefault(candidate.event, []).append(candidate)
        location = Ref(chart.machine.location, self._context(chart.machine).index)
        for candidate in candidates:
            overriding: list[Expr] = []
            covered: dict[int, Candidate] = {}
            for other in by_event[candidate.event]:
                if other is candidate or not _overrides(other, candidate):
                    continue
                more = _needed_beyond(other, candidate, chart.requires)
                if more == TRUE:
                    covered.update(dict.fromkeys(other.node.leaves, other))
                else:
                    inside = self._inside(chart, location, other.node.leaves)
                    overriding.append(neg(conj((inside, more))))
            left = tuple(leaf for leaf in candidate.node.leaves if leaf not in covered)
            candidate.exclusive = conj((self._inside(chart, location, left), *overriding))
            if not left and candidate.handler is not None:
                other = next(iter(covered.values()))
                self.problems.warning(
                    Code.SHADOWED, f"`{_text(candidate)}` is always overridden by an inner transition",
                    candidate.span, f"line {other.span.line} handles it everywhere; remove one",
                )  # fmt: skip

    def _urgencies(self, chart: Chart) -> None:
        """Deadlines of what must not wait: due polls and `urgent` transitions while they can be taken."""
        family = chart.machine.family
        for polling in chart.polling:
            ready = self._poll_ready(chart, polling)
            chart.deadlines.append(
                Deadline(f"{polling.due} urgent", family, ready, None, 0,
                         self.actor(polling.decl.actor), span=polling.decl.span)
            )  # fmt: skip
        for candidate in chart.candidates:
            if candidate.handler is None or not candidate.handler.urgent:
                continue
            ready = conj((
                candidate.exclusive, chart.requires, candidate.base, candidate.when,
                self._precedence(chart, candidate), _some_partner(candidate.partners),
            ))  # fmt: skip
            self._discrete(ready, candidate.span, "`urgent`")
            chart.deadlines.append(
                Deadline(f"{chart.machine.name} urgent {candidate.name} {candidate.span.line}", family,
                         ready, None, 0, candidate.actor, span=candidate.span)
            )  # fmt: skip

    def _discrete(self, formula: Expr, span: Span, what: str) -> None:
        """Reports a condition that cannot depend on clocks but does."""
        if any(True for _ in clocks_read(formula)):
            self.problems.error(
                Code.TYPE, f"the condition of {what} cannot depend on a clock", span,
                "bound the clock with `deadline CLOCK <= TIME`, or use `within`, `after` or a timer",
            )  # fmt: skip

    def _inside(self, chart: Chart, location: Ref, leaves: tuple[int, ...]) -> Expr:
        return TRUE if len(leaves) == len(chart.machine.leaves) else member(location, leaves)

    # -- chained calls -----------------------------------------------------------------------------
    def _chain(self, chart: Chart, candidate: Candidate) -> Chained | None:
        clauses = candidate.clauses
        if clauses.then_call is None:
            return None
        machine = chart.machine
        entry = clauses.then_call.text
        if entry not in machine.entries:
            self._not_called(machine, s.EventRef("call", clauses.then_call))
            return None
        self.symbols.use("entry", entry)
        anchor = candidate.node
        if clauses.targets:
            target = find_state(self.symbols, machine, clauses.targets[0], candidate.node)
            anchor = target if target is not None else anchor
        flag = f"{machine.name}.then.{entry}@{anchor.path or machine.name}"
        for known in chart.chained:
            if known.flag == flag:
                return known
        index = self._context(machine).index
        idle = member(Ref(machine.call(entry), index), (CALL_IDLE,))
        free = [
            self.terms.lane_free(machine, index, lane.members, lane.decl.holds_expired)
            for lane in machine.lanes.values()
            if entry in lane.members
        ]
        ready = conj((self._here(chart, anchor), Ref(flag, index), idle, *free))
        self._discrete(ready, clauses.then_call.span, "a chained call")
        chained = Chained(entry, anchor, flag, ready, clauses.then_call.span)
        chart.chained.append(chained)
        machine.owed.setdefault(entry, []).append(flag)
        chart.variables.append(
            StateVar(flag, machine.family, BoolType(), (0,), "then", machine.name,
                     span=clauses.then_call.span)
        )  # fmt: skip
        chart.deadlines.append(
            Deadline(flag, machine.family, ready, None, 0, self.symbols.host(),
                     span=clauses.then_call.span)
        )  # fmt: skip
        return chained

    def _precedence(self, chart: Chart, candidate: Candidate) -> Expr:
        """A chained call, then a due `every`, take a freed lane before any other caller."""
        if candidate.kind != "call":
            return TRUE
        lanes = [lane for lane in chart.machine.lanes.values() if candidate.name in lane.members]
        rivals = {name for lane in lanes for name in lane.members}
        first = [c.ready for c in chart.chained if c.entry in rivals]
        if candidate.handler is not None:
            first += [self._poll_ready(chart, p) for p in chart.polling if p.entry in rivals]
        return conj([neg(ready) for ready in first])

    def _poll_ready(self, chart: Chart, polling: Polling) -> Expr:
        lanes = [lane for lane in chart.machine.lanes.values() if polling.entry in lane.members]
        rivals = {name for lane in lanes for name in lane.members}
        return conj((
            polling.ready, *(neg(c.ready) for c in chart.chained if c.entry in rivals),
        ))  # fmt: skip

    # -- transitions -------------------------------------------------------------------------------
    def _transitions(self, chart: Chart) -> Iterator[Transition]:
        machine = chart.machine
        index = self._context(machine).index
        order = sorted(
            range(len(chart.candidates)),
            key=lambda at: (chart.candidates[at].rank == 2, chart.candidates[at].span.start),
        )
        for at in order:
            candidate = chart.candidates[at]
            if candidate.kind == "sync":
                continue  # taken together with the step that it synchronises with
            yield from self._outcomes(chart, candidate, chart.owed.get(at))
        for chained in chart.chained:
            updates = (
                Update(chained.flag, index, FALSE),
                Update(machine.call(chained.entry), index, Lit(CALL_RUNNING)),
            )
            yield Transition(
                f"{machine.name} then call {chained.entry} {chained.node.path}",
                Label("call", machine.name, chained.entry, None, index), self.symbols.host(),
                self._params(machine), chained.ready, updates,
                tuple(dict.fromkeys(self._restarted(chart, self._as_call(chained)))),
                span=chained.span,
            )  # fmt: skip
        yield from self._absorbed(chart)

    def _as_call(self, chained: Chained) -> Candidate:
        return Candidate(
            chained.node, "call", chained.entry, None, self.symbols.host(), TRUE, TRUE, None,
            chained.span,
        )  # fmt: skip

    def _params(self, machine: Machine) -> tuple[Param, ...]:
        return (Param(SELF, machine.family),) if machine.family is not None else ()

    def _absorbed(self, chart: Chart) -> Iterator[Transition]:
        """Returns and callbacks while what the instance requires does not hold."""
        if chart.requires == TRUE:
            return
        machine = chart.machine
        index = self._context(machine).index
        down = neg(chart.requires)
        for entry in machine.entries.values():
            call = Ref(machine.call(entry.name), index)
            for result in entry.results:
                yield Transition(
                    f"{machine.name} absorbed return {entry.name}({result})",
                    Label("return", machine.name, entry.name, result, index), entry.actor,
                    self._params(machine), conj((down, neg(member(call, (CALL_IDLE,))))),
                    (Update(call.name, index, Lit(CALL_IDLE)),), absorbed=True, span=entry.span,
                )  # fmt: skip
        for callback in machine.callbacks.values():
            condition = self.callback_condition(machine, callback.condition)
            for argument in callback.arguments or (None,):
                yield Transition(
                    f"{machine.name} absorbed {callback.name}({argument})",
                    Label("callback", machine.name, callback.name, argument, index), callback.actor,
                    self._params(machine), conj((down, condition)), absorbed=True,
                    span=callback.span,
                )  # fmt: skip

    def _outcomes(
        self, chart: Chart, candidate: Candidate, chained: Chained | None
    ) -> Iterator[Transition]:
        """One transition for each target, value of `any` and partner in synchronisation."""
        machine = chart.machine
        index = self._context(machine).index
        guard = conj((
            candidate.exclusive, chart.requires, candidate.base, candidate.when,
            self._precedence(chart, candidate),
        ))  # fmt: skip
        updates = list(candidate.updates)
        label_kind = candidate.kind
        if candidate.kind == "expiry":
            call = Ref(machine.call(candidate.name), index)
            entry = machine.entries[candidate.name]
            assert entry.timeout is not None  # candidates exist for entries with a time-out only
            guard = conj((
                guard, member(call, (CALL_RUNNING,)),
                ClockCmp(machine.call_clock(candidate.name), index, ">=", entry.timeout),
            ))  # fmt: skip
            updates.append(Update(call.name, index, Lit(CALL_EXPIRED)))
        if chained is not None:
            updates.append(Update(chained.flag, index, TRUE))
        label = Label(label_kind, machine.name, candidate.name, candidate.value, index)  # type: ignore[arg-type]
        choices = self._effects(chart, candidate)
        targets = self._targets(chart, candidate)
        resets = self._restarted(chart, candidate)
        wipes, machines = self._resets(chart, candidate)
        self._assigned_twice(candidate)
        outcomes = len(targets) * len(choices) * len(candidate.partners)
        for number, (target, choice, partner) in enumerate(
            itertools.product(targets, choices, candidate.partners)
        ):
            params, values = choice
            moved, entered = self._move(chart, candidate.node, target, chained)
            self._both_write(candidate, values, partner)
            everything = [*updates, *moved, *partner.updates, *values, *partner.written]
            yield Transition(
                f"{machine.name} {candidate.node.path} {_text(candidate)}"
                + (f" #{number + 1}" if outcomes > 1 else ""),
                label, candidate.actor,
                (*self._params(machine), *partner.params, *params),
                conj((guard, partner.guard)),
                _wiped(list(_last_wins(everything)), [*wipes, *partner.wipes]),
                tuple(dict.fromkeys([*resets, *entered, *partner.resets])),
                (*machines, *partner.machines), candidate.expires,
                unhandled=candidate.unhandled, also=partner.labels, span=candidate.span,
            )  # fmt: skip

    def _targets(self, chart: Chart, candidate: Candidate) -> list[StateNode | None]:
        clauses = candidate.handler.clauses if candidate.handler is not None else s.Clauses()
        found: list[StateNode | None] = []
        for path in clauses.targets:
            node = find_state(self.symbols, chart.machine, path, candidate.node)
            if node is not None:
                found.append(node)
        return found or [None]

    def _move(
        self, chart: Chart, source: StateNode, target: StateNode | None, chained: Chained | None
    ) -> tuple[list[Update], list[Reset]]:
        """The updates of leaving and entering states, and the clocks that restart."""
        if target is None:
            return [], []
        machine = chart.machine
        index = self._context(machine).index
        leaf = target.entry_leaf()
        updates = [Update(machine.location, index, Lit(leaf.leaves[0]))]
        above = set(map(id, target.ancestors()))
        # The innermost state that is not left: it holds both ends and is not itself the target.
        domain = next(n for n in source.ancestors() if id(n) in above and n is not target)
        kept = set(map(id, domain.ancestors()))
        for flag, node in (
            *((c.flag, c.node) for c in chart.chained), *((p.due, p.node) for p in chart.polling),
        ):  # fmt: skip
            owed_here = chained is not None and chained.flag == flag
            if id(node) not in kept and not owed_here:
                updates.append(Update(flag, index, FALSE))
        entered = [n for n in leaf.ancestors() if id(n) not in kept]
        places = set(map(id, entered))
        resets = [
            Reset(clock.name, index)
            for clock in chart.clocks
            if clock.name in chart.places and id(chart.places[clock.name]) in places
        ]
        return updates, resets

    def _restarted(self, chart: Chart, candidate: Candidate) -> list[Reset]:
        index = self._context(chart.machine).index
        resets: list[Reset] = []
        for clock, events, _ in chart.restarts:
            for event in events:
                kind = "expiry" if event.kind == "timeout" else event.kind
                happens = "event" if candidate.kind in ("sync", "timer") else candidate.kind
                if (kind, event.name.text) == (happens, candidate.name) and (
                    event.results is None or candidate.value in event.results
                ):
                    resets.append(Reset(clock, index))
        for assign in candidate.clauses.effects:
            name = self._clock_named(chart.machine, assign)
            if name is not None:
                value = assign.value
                zero = isinstance(value, s.Number) and value.value == 0
                zero = zero or (isinstance(value, s.Duration) and value.us == 0)
                if not zero:
                    self.problems.error(
                        Code.TYPE, "a clock can only be set to 0", assign.span,
                        f"write `{assign.target} = 0`",
                    )  # fmt: skip
                resets.append(Reset(name, index))
        return resets

    def _clock_named(self, machine: Machine, assign: s.Assign) -> str | None:
        """The System name of the raw clock or timer that an effect sets back."""
        if len(assign.target.parts) != 1:
            return None
        name = assign.target.parts[0]
        if name in machine.clocks:
            self.symbols.use("clock", f"{machine.name}.{name}")
            return machine.clocks[name][0]
        return f"{machine.name}.timer.{name}" if name in machine.timers else None

    def _effects(
        self, chart: Chart, candidate: Candidate
    ) -> list[tuple[tuple[Param, ...], tuple[Update, ...]]]:
        """Every choice of the values of `any` among the written effects."""
        if candidate.handler is None:
            return [((), ())]
        context = self._context(chart.machine, candidate.node)
        options: list[list[tuple[tuple[Param, ...], Update]]] = []
        for assign in candidate.handler.clauses.effects:
            if self._clock_named(chart.machine, assign) is not None:
                continue
            target = self._assign_target(assign, context)
            if target is None:
                continue
            name, index, kind = target
            self._assigned.add(name)
            if not isinstance(assign.value, s.AnyValue):
                options.append([((), Update(name, index, self.terms.value(assign.value, kind, context)))])
            elif isinstance(kind, RefType):
                param = Param(self.terms.fresh("any"), kind.family)
                choices: list[tuple[tuple[Param, ...], Update]] = [
                    ((param,), Update(name, index, IndexValue(param.name)))
                ]
                if kind.optional:
                    choices.append(((), Update(name, index, Lit(0))))
                options.append(choices)
            else:
                values = self._all_values(kind, assign.value.span)
                options.append([((), Update(name, index, Lit(v))) for v in values])
        if math.prod(map(len, options)) > MAX_CASES:
            self.problems.error(
                Code.TOO_MANY, f"the values of `any` make over {MAX_CASES} cases of this line",
                candidate.span, "split it into steps that choose one value each",
            )  # fmt: skip
            return [((), ())]
        return [
            (tuple(p for params, _ in choice for p in params), tuple(u for _, u in choice))
            for choice in itertools.product(*options)
        ]

    def _assign_target(
        self, assign: s.Assign, context: Context
    ) -> tuple[str, Index, BoolType | EnumType | IntType | RefType] | None:
        parts = assign.target.parts
        if len(parts) == 1:
            name = parts[0]
            if context.machine is not None and name in context.machine.variables:
                variable = context.machine.variables[name]
                return (variable.name, context.index, variable.type)
            shared = self.symbols.shared.get(name)
            if shared is not None:
                return (shared.name, None, shared.type)
        elif len(parts) == 2 and parts[0] in self.symbols.machines:
            machine = self.symbols.machines[parts[0]]
            if machine.family is None and parts[1] in machine.variables:
                variable = machine.variables[parts[1]]
                return (variable.name, None, variable.type)
        known = [*self.symbols.shared]
        if context.machine is not None:
            known += [*context.machine.variables, *context.machine.clocks]
        self.problems.unknown("variable to assign", str(assign.target), known, assign.target.span)
        return None

    # -- other machines ----------------------------------------------------------------------------
    def _partners(self, chart: Chart, candidate: Candidate) -> tuple[Partner, ...]:
        """Every way to find and take the transition that a handler synchronises with."""
        path = candidate.clauses.sync
        if path is None or candidate.kind == "sync":
            return NOBODY
        context = self._context(chart.machine, candidate.node)
        machine, index, rest, bound = self.terms.partner(path, context)
        event = ".".join(rest)
        if machine is None or (machine is chart.machine and not bound):
            owners = [m for m in self.symbols.machines.values() if event in m.events]
            machine = owners[0] if len(owners) == 1 and owners[0].family is None else None
            index = None
        peer = None if machine is None else self.charts[machine.name]
        handlers = [] if peer is None else [
            (at, c) for at, c in enumerate(peer.candidates) if c.kind == "sync" and c.name == event
        ]  # fmt: skip
        if peer is None or not handlers:
            known = [
                f"{name}.{c.name}" for name, ch in self.charts.items() for c in ch.candidates
                if c.kind == "sync" and ch is not chart
            ]  # fmt: skip
            self.problems.unknown("event to synchronise with", str(path), known, path.span)
            return NOBODY
        self.symbols.use("event", f"{peer.machine.name}.{event}")
        own = peer.machine.family is not None
        binding: dict[str, Index] = {SELF: index} if own else {}
        links = [condition for _, _, condition in bound]
        if peer is chart and own:
            links.append(neg(Same(SELF, index)))  # nobody is its own partner
        params = tuple(Param(name, family) for name, family, _ in bound)
        label = Label("event", peer.machine.name, event, None, index if own else None)
        found: list[Partner] = []
        for at, handler in handlers:
            condition = conj((handler.exclusive, peer.requires, handler.base, handler.when))
            guard = conj((*links, rename(condition, binding)))
            chained = peer.owed.get(at)
            flags = () if chained is None else (Update(chained.flag, SELF if own else None, TRUE),)
            wipes, machines = self._resets(peer, handler)
            for target, choice in itertools.product(
                self._targets(peer, handler), self._effects(peer, handler)
            ):
                moved, entered = self._move(peer, handler.node, target, chained)
                found.append(
                    Partner(
                        guard, (*params, *choice[0]),
                        tuple(_rebound(u, binding) for u in (*flags, *moved)),
                        tuple(_rebound(u, binding) for u in choice[1]),
                        tuple(replace(w, where=rename(w.where, binding)) for w in wipes),
                        tuple(Reset(r.clock, _renamed(r.index, binding))
                              for r in (*entered, *self._restarted(peer, handler))),
                        tuple((name, rename(which, binding)) for name, which in machines),
                        (label,),
                    )
                )  # fmt: skip
        return tuple(found)

    def _resets(
        self, chart: Chart, candidate: Candidate
    ) -> tuple[list[Wipe], tuple[tuple[str, Expr], ...]]:
        """`resets M where …`: every variable of those instances gets its initial value back."""
        clause = candidate.clauses.resets
        if clause is None:
            return [], ()
        machine = self.symbols.machines.get(clause.machine.text)
        if machine is None:
            self.problems.unknown("machine", clause.machine.text, self.symbols.machines,
                                  clause.machine.span)  # fmt: skip
            return [], ()
        own = self._context(chart.machine).bound
        each = None if machine.family is None else Param(self.terms.fresh("each"), machine.family)
        index = None if each is None else each.name
        context = Context(machine, index, {**own})
        if machine.decl.index is not None and machine.decl.index.text not in own:
            context.bound[machine.decl.index.text] = (machine, index)
        where = TRUE if clause.where is None else self.terms.condition(clause.where, context)
        self._discrete(where, clause.span, "`where`")
        self._check_reset(self.charts[machine.name], clause, where)
        wipes: list[Wipe] = []
        for variable in self.charts[machine.name].variables:
            if variable.role == "data" and variable.name not in self._assigned:
                continue
            if len(variable.initial) != 1:
                self.problems.error(
                    Code.CONSTANT_ANY, f"`{variable.name}` has no definite initial value to reset to",
                    variable.span, "give it one, or never assign it",
                    (Note("reset here", clause.span),),
                )  # fmt: skip
                continue
            wipes.append(Wipe(variable.name, variable.initial[0], each, where))
        which = where if each is None else rename(where, {each.name: EACH})
        return wipes, ((machine.name, which),)

    def _check_reset(self, chart: Chart, clause: s.ResetsClause, where: Expr) -> None:
        """A reset restarts the clocks too; what cannot be said in a System is refused."""
        machine = chart.machine
        if machine.family is None:
            if where != TRUE:
                self.problems.error(
                    Code.TYPE, f"machine {machine.name} exists once; `where` has nothing to choose",
                    clause.span, "put the condition into the `when` of the transition",
                )  # fmt: skip
            return
        entered = {id(node) for node in machine.root.entry_leaf().ancestors()}
        running = [c for c in chart.clocks if id(chart.places.get(c.name)) in entered]
        if running and chart.requires == TRUE:
            self.problems.error(
                Code.TYPE, f"`resets` cannot restart the clocks that every {machine.name} starts with",
                clause.span, f"say what {machine.name} `requires`, and reset it while that is false",
                (Note("such a clock", running[0].span),),
            )  # fmt: skip

    def _note_assigned(self) -> None:
        """Which variables any transition assigns, before resets are built."""
        for chart in self.charts.values():
            for candidate in chart.candidates:
                if candidate.handler is not None:
                    context = self._context(chart.machine, candidate.node)
                    for assign in candidate.handler.clauses.effects:
                        if self._clock_named(chart.machine, assign) is not None:
                            continue
                        target = self._assign_target(assign, context)
                        if target is not None:
                            self._assigned.add(target[0])

    # -- checks ------------------------------------------------------------------------------------
    def _both_write(
        self, candidate: Candidate, values: tuple[Update, ...], partner: Partner
    ) -> None:
        """Reports a variable that this transition and the one it synchronises with both assign."""
        mine = {(update.var, update.index) for update in values}
        for update in partner.written:
            if (update.var, update.index) in mine:
                self.problems.error(
                    Code.ASSIGNED_TWICE, f"`{update.var}` is assigned here and where this synchronises",
                    candidate.span, "a step changes each variable at most once; leave one out",
                )  # fmt: skip

    def _assigned_twice(self, candidate: Candidate) -> None:
        seen: dict[str, s.Assign] = {}
        for assign in candidate.clauses.effects:
            name = str(assign.target)
            if name in seen:
                self.problems.error(
                    Code.ASSIGNED_TWICE, f"`{name}` is assigned twice in one step", assign.span,
                    "a step changes each variable at most once",
                    (Note("first assigned here", seen[name].span),),
                )  # fmt: skip
            seen[name] = assign

    def _check_clauses(self, chart: Chart) -> None:
        """Clauses that do not go together, and `on` for what nothing brings about."""
        synchronised = {
            item.clauses.sync.parts[-1]
            for machine in self.symbols.machines.values()
            for node in machine.root.walk()
            for item in node.decl.body
            if isinstance(item, s.Handler) and item.clauses.sync is not None
        }
        for candidate in chart.candidates:
            clauses = candidate.clauses
            if candidate.kind == "sync" and candidate.name not in synchronised:
                timers = chart.machine.timers
                hint = did_you_mean(candidate.name, timers)
                self.problems.error(
                    Code.UNKNOWN_NAME,
                    f"there is no timer `{candidate.name}`, and nothing synchronises with it",
                    candidate.span,
                    hint or f"declare `timer {candidate.name} = TIME`, or write "
                    f"`sync {chart.machine.name}.{candidate.name}` in another machine",
                )  # fmt: skip
            if clauses.then_call is not None and len(clauses.targets) > 1:
                self.problems.error(
                    Code.SYNTAX, "`then call` needs a single target", candidate.span,
                    "write one line for each target",
                )  # fmt: skip
            if candidate.kind == "sync" and clauses.sync is not None:
                self.problems.error(
                    Code.SYNTAX, f"`{candidate.name}` synchronises already and cannot do so again",
                    clauses.sync.span, "synchronise where the step begins",
                )  # fmt: skip


def _overrides(other: Candidate, candidate: Candidate) -> bool:
    """Whether `other` takes precedence: deeper, or as deep and less of a fallback."""
    if other.node is candidate.node:
        return other.rank < candidate.rank
    return any(node is candidate.node for node in other.node.ancestors())


def _parts(formula: Expr) -> tuple[Expr, ...]:
    return formula.args if isinstance(formula, And) else (formula,)


def _needed_beyond(other: Candidate, candidate: Candidate, requires: Expr) -> Expr:
    """What `other` needs to be enabled beyond what `candidate` and the machine need anyway."""
    needed = conj((other.base, other.when, _some_partner(other.partners)))
    own = {_alpha(part) for part in _parts(conj((candidate.base, candidate.when, requires)))}
    return conj([part for part in _parts(needed) if _alpha(part) not in own])


def _some_partner(partners: tuple[Partner, ...]) -> Expr:
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


def _renamed(index: Index, binding: dict[str, Index]) -> Index:
    return binding.get(index, index) if isinstance(index, str) else index


def _rebound(update: Update, binding: dict[str, Index]) -> Update:
    return replace(
        update, index=_renamed(update.index, binding), value=rename(update.value, binding)
    )


def _wiped(updates: list[Update], wipes: list[Wipe]) -> tuple[Update, ...]:
    """`updates`, but initial values where an instance is reset."""
    for wipe in wipes:
        index = None if wipe.each is None else wipe.each.name
        other: Expr = Ref(wipe.var, index)
        for update in updates:
            if update.var == wipe.var:
                other = ite(same(index, update.index), update.value, other)
        updates = [update for update in updates if update.var != wipe.var]
        value = ite(wipe.where, Lit(wipe.initial), other)
        updates.append(Update(wipe.var, index, value, wipe.each))
    return tuple(updates)


def _text(candidate: Candidate) -> str:
    return Label(candidate.kind, "", candidate.name, candidate.value).short  # type: ignore[arg-type]


def _last_wins(updates: list[Update]) -> Iterator[Update]:
    """At most one update a variable and instance: written effects override bookkeeping."""
    chosen: dict[tuple[str, Index], Update] = {}
    for update in updates:
        chosen.pop((update.var, update.index), None)
        chosen[(update.var, update.index)] = update
    yield from chosen.values()


def _unique_keys(transitions: list[Transition]) -> list[Transition]:
    counts: dict[str, int] = {}
    result: list[Transition] = []
    for transition in transitions:
        count = counts.get(transition.key, 0) + 1
        counts[transition.key] = count
        key = transition.key if count == 1 else f"{transition.key} ({count})"
        result.append(replace(transition, key=key))
    return result


