"""What taking a transition changes: states left and entered, values written, clocks, resets.

Owns targets, effects, `resets` and the restarting of timers. Knows nothing of when a transition can
be taken.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from rhscheck.spec import syntax as s
from rhscheck.spec.chart import (
    MAX_CASES,
    Candidate,
    Chained,
    Chart,
    Partner,
    Wipe,
    context_of,
)
from rhscheck.spec.diagnostic import (
    Code,
    Note,
)
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    Expr,
    Index,
    IndexValue,
    Lit,
    Ref,
    clocks_read,
    ite,
    rename,
    same,
)
from rhscheck.spec.names import (
    Machine,
    StateNode,
    Symbols,
    find_state,
)
from rhscheck.spec.source import (
    Span,
)
from rhscheck.spec.system import (
    EACH,
    BoolType,
    EnumType,
    IntType,
    Param,
    RefType,
    Reset,
    Update,
)
from rhscheck.spec.terms import (
    Context,
    Terms,
)


class Effects:
    """The changes of one transition at a time, in any machine."""

    def __init__(self, symbols: Symbols, terms: Terms, charts: dict[str, Chart]) -> None:
        self.symbols = symbols
        self.problems = symbols.problems
        self.terms = terms
        self.charts = charts
        self.assigned: set[str] = set()  # variables that some transition assigns

    def note_assigned(self) -> None:
        """Which variables any transition assigns, before resets are built."""
        for chart in self.charts.values():
            for candidate in chart.candidates:
                if candidate.handler is not None:
                    context = context_of(chart.machine, candidate.node)
                    for assign in candidate.handler.clauses.effects:
                        if self.clock_named(chart.machine, assign) is not None:
                            continue
                        target = self._assign_target(assign, context)
                        if target is not None:
                            self.assigned.add(target[0])

    def targets(self, chart: Chart, candidate: Candidate) -> list[StateNode | None]:
        """The states it can lead to, [None] if it stays."""
        found: list[StateNode | None] = []
        for path in candidate.clauses.targets:
            node = find_state(self.symbols, chart.machine, path, candidate.node)
            if node is not None:
                found.append(node)
        return found or [None]

    def move(
        self, chart: Chart, source: StateNode, target: StateNode | None, chained: Chained | None
    ) -> tuple[list[Update], list[Reset]]:
        """The updates of leaving and entering states, and the clocks that restart."""
        if target is None:
            return [], []
        machine = chart.machine
        index = context_of(machine).index
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

    def restarted(self, chart: Chart, candidate: Candidate) -> list[Reset]:
        """The timers that restart on this event, and the clocks that its effects set to 0."""
        index = context_of(chart.machine).index
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
            name = self.clock_named(chart.machine, assign)
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

    def clock_named(self, machine: Machine, assign: s.Assign) -> str | None:
        """The System name of the raw clock or timer that an effect sets back."""
        if len(assign.target.parts) != 1:
            return None
        name = assign.target.parts[0]
        if name in machine.clocks:
            self.symbols.use("clock", f"{machine.name}.{name}")
            return machine.clocks[name][0]
        return f"{machine.name}.timer.{name}" if name in machine.timers else None

    def choices(
        self, chart: Chart, candidate: Candidate
    ) -> list[tuple[tuple[Param, ...], tuple[Update, ...]]]:
        """Every choice of the values of `any` among the written effects."""
        if candidate.handler is None:
            return [((), ())]
        context = context_of(chart.machine, candidate.node)
        options: list[list[tuple[tuple[Param, ...], Update]]] = []
        for assign in candidate.handler.clauses.effects:
            if self.clock_named(chart.machine, assign) is not None:
                continue
            target = self._assign_target(assign, context)
            if target is None:
                continue
            name, index, kind = target
            self.assigned.add(name)
            if not isinstance(assign.value, s.AnyValue):
                options.append(
                    [((), Update(name, index, self.terms.value(assign.value, kind, context)))]
                )
            elif isinstance(kind, RefType):
                param = Param(self.terms.fresh("any"), kind.family)
                choices: list[tuple[tuple[Param, ...], Update]] = [
                    ((param,), Update(name, index, IndexValue(param.name)))
                ]
                if kind.optional:
                    choices.append(((), Update(name, index, Lit(0))))
                options.append(choices)
            else:
                values = self.all_values(kind, assign.value.span)
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

    def all_values(
        self, kind: BoolType | EnumType | IntType | RefType, span: Span
    ) -> tuple[int, ...]:
        """What `any` stands for; reported where that is too much, or depends on N."""
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

    def wipes(
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
        own = context_of(chart.machine).bound
        each = None if machine.family is None else Param(self.terms.fresh("each"), machine.family)
        index = None if each is None else each.name
        context = Context(machine, index, {**own})
        if machine.decl.index is not None and machine.decl.index.text not in own:
            context.bound[machine.decl.index.text] = (machine, index)
        where = TRUE if clause.where is None else self.terms.condition(clause.where, context)
        self.discrete(where, clause.span, "`where`")
        self._check_reset(self.charts[machine.name], clause, where)
        wipes: list[Wipe] = []
        for variable in self.charts[machine.name].variables:
            if variable.role == "data" and variable.name not in self.assigned:
                continue
            if len(variable.initial) != 1:
                message = f"`{variable.name}` has no definite initial value to reset to"
                self.problems.error(
                    Code.CONSTANT_ANY, message, variable.span, "give it one, or never assign it",
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
        if running:  # a Reset has no condition, so it cannot tell who is reset from who is not
            name = machine.name
            self.problems.error(
                Code.TYPE, f"`resets` cannot restart the clocks that every {name} starts with",
                clause.span, "declare the clock in a state that is not entered at the start",
                (Note("such a clock", running[0].span),),
            )  # fmt: skip

    def check_once(self, candidate: Candidate) -> None:
        """Reports a variable that one transition assigns twice."""
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

    def check_both(
        self, candidate: Candidate, values: tuple[Update, ...], partner: Partner
    ) -> None:
        """Reports a variable that this transition and the one it synchronises with both assign."""
        mine = {(update.var, update.index) for update in values}
        for update in partner.written:
            if (update.var, update.index) in mine:
                message = f"`{update.var}` is assigned here and where this synchronises"
                self.problems.error(
                    Code.ASSIGNED_TWICE, message, candidate.span,
                    "a step changes each variable at most once; leave one out",
                )  # fmt: skip

    def discrete(self, formula: Expr, span: Span, what: str) -> None:
        """Reports a condition that cannot depend on clocks but does."""
        if any(True for _ in clocks_read(formula)):
            self.problems.error(
                Code.TYPE, f"the condition of {what} cannot depend on a clock", span,
                "bound it with `deadline CLOCK <= TIME`, or use `within`, `after` or a timer",
            )  # fmt: skip


def wiped(updates: list[Update], wipes: list[Wipe]) -> tuple[Update, ...]:
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


def last_wins(updates: list[Update]) -> Iterator[Update]:
    """At most one update a variable and instance: written effects override bookkeeping."""
    chosen: dict[tuple[str, Index], Update] = {}
    for update in updates:
        chosen.pop((update.var, update.index), None)
        chosen[(update.var, update.index)] = update
    yield from chosen.values()
