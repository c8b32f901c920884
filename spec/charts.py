"""The machines of a spec to state charts: what each line of a machine means.

Owns handlers, precedence of inner over outer states, timers, polling and deadlines (SEMANTICS
sections 1 and 2); `spec.steps` makes the transitions. Knows nothing of rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from rhscheck.spec import syntax as s
from rhscheck.spec.chart import (
    Candidate,
    Chained,
    Chart,
    Polling,
    active_in,
    context_of,
    event_text,
    in_leaves,
    needed_beyond,
    overrides,
    some_partner,
)
from rhscheck.spec.diagnostic import (
    Code,
    did_you_mean,
)
from rhscheck.spec.effects import Effects
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    Expr,
    Lit,
    Ref,
    conj,
    member,
    neg,
)
from rhscheck.spec.names import (
    Machine,
    StateNode,
    Symbols,
    Variable,
    find_state,
)
from rhscheck.spec.steps import Steps
from rhscheck.spec.system import (
    CALL_IDLE,
    CALL_RUNNING,
    CALL_TYPE,
    TIME,
    BoolType,
    ClockVar,
    Deadline,
    EnumType,
    StateVar,
    Transition,
    Update,
)
from rhscheck.spec.terms import (
    Context,
    Terms,
)


class Charts:
    """Builds the charts of all machines, then joins them where they synchronise."""

    def __init__(self, symbols: Symbols, terms: Terms) -> None:
        self.symbols = symbols
        self.problems = symbols.problems
        self.terms = terms
        self.charts: dict[str, Chart] = {}
        self.effects = Effects(symbols, terms, self.charts)
        self.steps = Steps(symbols, terms, self.effects)

    def build(self) -> tuple[list[StateVar], list[ClockVar], list[Deadline], list[Transition]]:
        """Variables, clocks, deadlines and transitions, in source order."""
        for machine in self.symbols.machines.values():
            self.charts[machine.name] = self._chart(machine)
        self.effects.note_assigned()
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
                candidate.partners = self.steps.partners(chart, candidate)
        for chart in self.charts.values():
            self._settle(chart, [c for c in chart.candidates if c.kind != "sync"])
            self._urgencies(chart)
        transitions: list[Transition] = []
        for chart in self.charts.values():
            transitions.extend(self.steps.transitions(chart))
        variables = [v for chart in self.charts.values() for v in chart.variables]
        variables += [self._data(v) for v in self.symbols.shared.values()]
        written = {update.var for t in transitions for update in t.updates}
        variables = [replace(v, constant=v.name not in written) for v in variables]
        return (
            variables,
            [c for chart in self.charts.values() for c in chart.clocks],
            [d for chart in self.charts.values() for d in chart.deadlines],
            _unique_keys(transitions),
        )

    def _chart(self, machine: Machine) -> Chart:
        chart = Chart(machine)
        context = context_of(machine)
        index = context.index
        if machine.decl.requires is not None:
            chart.requires = self._requires(machine.decl.requires, context)
            self.effects.discrete(chart.requires, machine.decl.requires.span, "`requires`")
        leaves = tuple(leaf.path or machine.name for leaf in machine.leaves)
        start = machine.root.entry_leaf().leaves
        chart.variables.append(
            StateVar(machine.location, machine.family, EnumType(machine.name, leaves), start,
                     "location", machine.name, span=machine.decl.span)
        )  # fmt: skip
        for variable in machine.variables.values():
            chart.variables.append(self._data(variable))
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

    def _data(self, variable: Variable) -> StateVar:
        decl, kind, machine = variable.decl, variable.type, variable.machine
        values: tuple[int, ...] = (0,)
        if isinstance(decl.initial, s.AnyValue):
            values = self.effects.all_values(kind, decl.initial.span)
        elif variable.known:
            expr = self.terms.value(decl.initial, kind, Context())
            if isinstance(expr, Lit):
                values = (expr.value,)
            else:
                self.problems.error(
                    Code.NOT_CONSTANT, "an initial value must be a constant, or `any`",
                    decl.initial.span, "write a value of the type, or `any`",
                )  # fmt: skip
        return StateVar(
            variable.name, None if machine is None else machine.family, kind, values, "data",
            "" if machine is None else machine.name, span=decl.span,
        )  # fmt: skip

    def _state(self, chart: Chart, node: StateNode) -> None:
        machine = chart.machine
        family = machine.family
        number = 0
        for item in node.decl.body:
            match item:
                case s.ClockDecl(name, restart):
                    active = active_in(chart, node)
                    full = machine.clocks[name.text][0]
                    chart.places[full] = node
                    chart.clocks.append(ClockVar(full, family, active, "raw", item.span))
                    chart.restarts.append((full, restart, node))
                    for event in restart:
                        self._check_restart(machine, event)
                case s.DeadlineDecl():
                    self._deadline(chart, node, item)
                case s.TimerDecl(name, duration, restart):
                    full = f"{machine.name}.timer.{name.text}"
                    chart.places[full] = node
                    bound = self.terms.constant_time(duration)
                    here = active_in(chart, node)
                    chart.clocks.append(ClockVar(full, family, here, "timer", item.span))
                    chart.deadlines.append(
                        Deadline(
                            full, family, here, full, bound, self.symbols.host(), span=item.span
                        )
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
        context = context_of(chart.machine, node)
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
        self.effects.discrete(when, item.span, "a deadline")
        owner = self.symbols.host() if item.owner is None else self.actor(item.owner)
        chart.deadlines.append(
            Deadline(
                f"{bound.clock} deadline {item.span.line}", chart.machine.family,
                conj((active_in(chart, node), when)), bound.clock, bound.bound, owner,
                strict=bound.op == "<", span=item.span,
            )
        )  # fmt: skip

    def _every(self, chart: Chart, node: StateNode, item: s.EveryDecl) -> None:
        machine = chart.machine
        family = machine.family
        context = context_of(machine, node)
        index = context.index
        entry = item.entry.text
        if entry not in machine.entries:
            return  # reported when the entries were collected
        period = self.terms.constant_time(item.period)
        place = node.path or machine.name
        due = f"{machine.name}.due.{entry}@{place}"
        clock = f"{machine.name}.every.{entry}@{place}"
        chart.places[clock] = node
        here = active_in(chart, node)
        chart.variables.append(
            StateVar(due, family, BoolType(), (0,), "due", machine.name, span=item.span)
        )
        waiting = conj((here, neg(Ref(due, index))))
        chart.clocks.append(ClockVar(clock, family, waiting, "every", item.span))
        chart.deadlines.append(
            Deadline(clock, family, waiting, clock, period, self.actor(item.actor), span=item.span)
        )
        when = TRUE if item.when is None else self.terms.condition(item.when, context)
        self.effects.discrete(when, item.span, "`every`")
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
        index = context_of(machine).index
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
            base = self.steps.callback_condition(machine, callback.condition)
            for argument in callback.arguments or (None,):
                chart.candidates.append(
                    Candidate(
                        root, "callback", callback.name, argument, callback.actor, TRUE, base, None,
                        callback.span, rank=2, unhandled=True,
                    )
                )  # fmt: skip

    def _handler(self, chart: Chart, node: StateNode, item: s.Handler, number: int) -> None:
        machine = chart.machine
        context = context_of(machine, node)
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
                    base = self.steps.callback_condition(machine, callback.condition)
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
        here = active_in(chart, node)
        chart.clocks.append(ClockVar(clock, machine.family, here, "within", item.span))
        if item.kind == "within":
            self.effects.discrete(when, item.span, "`within`")
            chart.deadlines.append(
                Deadline(clock, machine.family, conj((here, when)), clock, bound, actor,
                         span=item.span)
            )  # fmt: skip
            return TRUE
        return ClockCmp(clock, context_of(machine).index, ">=", bound)

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

    def _settle(self, chart: Chart, candidates: list[Candidate]) -> None:
        """Only an enabled inner handler overrides an outer one on the same event."""
        by_event: dict[tuple[str, str, str | None], list[Candidate]] = {}
        for candidate in candidates:
            by_event.setdefault(candidate.event, []).append(candidate)
        location = Ref(chart.machine.location, context_of(chart.machine).index)
        for candidate in candidates:
            overriding: list[Expr] = []
            covered: dict[int, Candidate] = {}
            for other in by_event[candidate.event]:
                if other is candidate or not overrides(other, candidate):
                    continue
                more = needed_beyond(other, candidate, chart.requires)
                if more == TRUE:
                    covered.update(dict.fromkeys(other.node.leaves, other))
                else:
                    inside = in_leaves(chart, location, other.node.leaves)
                    overriding.append(neg(conj((inside, more))))
            left = tuple(leaf for leaf in candidate.node.leaves if leaf not in covered)
            candidate.exclusive = conj((in_leaves(chart, location, left), *overriding))
            if not left and candidate.handler is not None:
                other = next(iter(covered.values()))
                message = f"`{event_text(candidate)}` is always overridden by an inner transition"
                self.problems.warning(
                    Code.SHADOWED, message, candidate.span,
                    f"line {other.span.line} handles it everywhere; remove one",
                )  # fmt: skip

    def _urgencies(self, chart: Chart) -> None:
        """Deadlines of what must not wait: due polls and `urgent` transitions, while possible."""
        family = chart.machine.family
        for polling in chart.polling:
            ready = self.steps.poll_ready(chart, polling)
            chart.deadlines.append(
                Deadline(f"{polling.due} urgent", family, ready, None, 0,
                         self.actor(polling.decl.actor), span=polling.decl.span)
            )  # fmt: skip
        for candidate in chart.candidates:
            if candidate.handler is None or not candidate.handler.urgent:
                continue
            ready = conj((
                candidate.exclusive, chart.requires, candidate.base, candidate.when,
                self.steps.precedence(chart, candidate), some_partner(candidate.partners),
            ))  # fmt: skip
            self.effects.discrete(ready, candidate.span, "`urgent`")
            name = f"{chart.machine.name} urgent {candidate.name} {candidate.span.line}"
            chart.deadlines.append(
                Deadline(name, family, ready, None, 0, candidate.actor, span=candidate.span)
            )  # fmt: skip

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
        index = context_of(machine).index
        idle = member(Ref(machine.call(entry), index), (CALL_IDLE,))
        free = [
            self.terms.predicates.lane_free(machine, index, lane.members, lane.decl.holds_expired)
            for lane in machine.lanes.values()
            if entry in lane.members
        ]
        ready = conj((active_in(chart, anchor), Ref(flag, index), idle, *free))
        self.effects.discrete(ready, clauses.then_call.span, "a chained call")
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

    def _check_final(self, chart: Chart, candidate: Candidate) -> None:
        """A final state is never left."""
        final = next((node for node in candidate.node.ancestors() if node.final), None)
        if final is None:
            return
        for target in self.effects.targets(chart, candidate):
            if target is not None and not any(node is final for node in target.ancestors()):
                self.problems.error(
                    Code.TYPE, f"state {final.path} is final and cannot be left", candidate.span,
                    "remove `final` or this transition",
                )  # fmt: skip

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
            self._check_final(chart, candidate)
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


def _unique_keys(transitions: list[Transition]) -> list[Transition]:
    counts: dict[str, int] = {}
    result: list[Transition] = []
    for transition in transitions:
        count = counts.get(transition.key, 0) + 1
        counts[transition.key] = count
        key = transition.key if count == 1 else f"{transition.key} ({count})"
        result.append(replace(transition, key=key))
    return result
