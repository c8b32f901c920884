"""Syntax tree to System: collects the declarations, then charts, rules and the rest.

Owns the order of the passes and the checks that need no exploration (unused declarations, clashes
of names). Every problem found is reported at once in SpecErrors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from rhscheck.spec import syntax as s
from rhscheck.spec.charts import Charts
from rhscheck.spec.diagnostic import Code, Diagnostic, Note, SpecErrors, did_you_mean
from rhscheck.spec.names import (
    Callback,
    EntryPoint,
    Lane,
    Machine,
    Problems,
    StateNode,
    Symbols,
    Variable,
)
from rhscheck.spec.parse import parse
from rhscheck.spec.properties import Properties
from rhscheck.spec.source import NOWHERE, Source, Span
from rhscheck.spec.system import (
    Actor,
    ActorKind,
    Assumption,
    BoolType,
    Constant,
    Entry,
    EnumType,
    Expectation,
    Fairness,
    IntType,
    Reading,
    RefType,
    Rule,
    Scenario,
    System,
    TraceBlock,
    Type,
)
from rhscheck.spec.terms import Terms

_ACTOR_KINDS: dict[str, ActorKind] = {"host": "host", "manager": "manager", "plugin": "plugin"}


def _durations(node: object) -> Iterator[int]:
    """Every duration written anywhere below `node`, in microseconds."""
    if isinstance(node, s.Duration):
        yield node.us
    elif isinstance(node, tuple):
        for part in node:
            yield from _durations(part)
    elif is_dataclass(node) and not isinstance(node, Span | type):
        for field in fields(node):
            yield from _durations(getattr(node, field.name))


class _Elaboration:
    def __init__(self, spec: s.Spec, settings: Mapping[str, str], path: str) -> None:
        self.spec = spec
        self.path = path
        self.problems = Problems()
        self.symbols = Symbols(self.problems)
        self.terms = Terms(self.symbols)
        self.settings = dict(settings)
        self.overrides: dict[str, s.Expression] = {}

    def _all(self, kind: type) -> Iterator[object]:
        return (item for item in self.spec.items if isinstance(item, kind))

    # -- declarations ------------------------------------------------------------------------------
    def declare(self) -> None:
        """Fills the symbol tables; later passes look names up only."""
        self._settings()
        times = [*_durations(self.spec.items), *_durations(tuple(self.overrides.values()))]
        self.symbols.unit_us = math.gcd(*times) or 1_000_000 if times else 1_000_000
        for item in self._all(s.ActorsDecl):
            assert isinstance(item, s.ActorsDecl)
            for kind, name in item.actors:
                if kind and kind not in _ACTOR_KINDS:
                    self.problems.unknown("kind of actor", kind, _ACTOR_KINDS, name.span)
                self._once("actor", name, self.symbols.actors)
                self.symbols.actors[name.text] = Actor(name.text, _ACTOR_KINDS.get(kind, "other"))
        for item in self._all(s.EnumDecl):
            assert isinstance(item, s.EnumDecl)
            self._once("enumeration", item.name, self.symbols.enums)
            self._distinct("member", item.members)
            members = tuple(m.text for m in item.members)
            self.symbols.enums[item.name.text] = EnumType(item.name.text, members)
        self._params()
        self._entries()
        machines = [item for item in self.spec.items if isinstance(item, s.MachineDecl)]
        if not machines:
            self.problems.error(
                Code.NO_MACHINE, "the spec declares no machine", self.spec.span,
                "add `machine NAME { initial state … }`",
            )  # fmt: skip
        for decl in machines:
            self._once("machine", decl.name, self.symbols.machines)
            self.symbols.machines[decl.name.text] = self._machine(decl)
        for machine in self.symbols.machines.values():
            self._members(machine)
        for item in self._all(s.VarDecl):
            assert isinstance(item, s.VarDecl)
            self._once("variable", item.name, self.symbols.shared)
            self.symbols.shared[item.name.text] = self._variable(
                item.name.text, item.type, item, None
            )

    def _once(self, kind: str, name: s.Name, known: Mapping[str, object]) -> None:
        if name.text in known:
            first = self._span_of(known[name.text])
            notes = () if first is None else (Note("first declared here", first),)
            self.problems.error(
                Code.DUPLICATE, f"the {kind} `{name.text}` is declared twice", name.span,
                "give one of them another name", notes,
            )  # fmt: skip

    @staticmethod
    def _span_of(value: object) -> Span | None:
        span = getattr(value, "span", None) or getattr(getattr(value, "decl", None), "span", None)
        return span if isinstance(span, Span) else None

    def _distinct(self, kind: str, names: tuple[s.Name, ...]) -> None:
        seen: dict[str, s.Name] = {}
        for name in names:
            self._once(kind, name, seen)
            seen[name.text] = name

    def _settings(self) -> None:
        declared = {
            item.name.text: item for item in self.spec.items if isinstance(item, s.ParamDecl)
        }
        for name, text in self.settings.items():
            decl = declared.get(name)
            if decl is None:
                self.problems.error(
                    Code.SETTING_NAME, f"there is no parameter `{name}` to set", NOWHERE,
                    did_you_mean(name, declared),
                )  # fmt: skip
                continue
            if decl.options is None:
                value = _setting_value(text)
                if value is None:
                    self.problems.error(
                        Code.SETTING_VALUE, f"`{text}` is neither a time nor a number", decl.span,
                        f"for example `--set {name}=5m`",
                    )  # fmt: skip
                else:
                    self.overrides[name] = value
            elif text not in {o.text for o in decl.options}:
                self.problems.error(
                    Code.SETTING_VALUE, f"`{text}` is no reading of {name}", decl.span,
                    did_you_mean(text, [o.text for o in decl.options]),
                )  # fmt: skip

    def _params(self) -> None:
        for item in self._all(s.ParamDecl):
            assert isinstance(item, s.ParamDecl)
            name = item.name.text
            self._once("parameter", item.name, {**self.symbols.constants, **self.symbols.readings})
            if item.options is not None:
                self._distinct("option", item.options)
                options = tuple(o.text for o in item.options)
                assert isinstance(item.value, s.Path)  # the grammar: the name of an option
                default = item.value.parts[0]
                if default not in options:
                    self.problems.unknown("option", default, options, item.value.span)
                    default = options[0]
                chosen = self.settings.get(name, default)
                if chosen not in options:
                    chosen = default
                self.symbols.readings[name] = Reading(
                    name, options, chosen, default, item.sentence, item.span
                )
                continue
            written = self.terms.constant(item.value)
            if written is None:
                written = (1, True)
            override = self.overrides.get(name)
            value = written if override is None else self.terms.constant(override)
            if value is not None and override is not None and value[1] != written[1]:
                self.problems.error(
                    Code.SETTING_VALUE,
                    f"{name} is a {'time' if written[1] else 'number'}", item.span,
                    "a time needs a unit, a number none",
                )  # fmt: skip
            chosen_value = value if value is not None and value[1] == written[1] else written
            own = None if chosen_value == written else written[0]
            self.symbols.constants[name] = Constant(name, *chosen_value, item.sentence, own)

    def _plugin(self) -> str:
        for actor in self.symbols.actors.values():
            if actor.kind == "plugin":
                return actor.name
        return next(iter(self.symbols.actors), "plugin")

    def _entries(self) -> None:
        for item in self.spec.items:
            if isinstance(item, s.EntryDecl):
                self._distinct("result", item.results)
                timeout = None if item.timeout is None else self.terms.constant_time(item.timeout)
                actor = self._plugin() if item.actor is None else self._actor(item.actor)
                for name in item.names:
                    self._once("entry", name, self.symbols.entries)
                    self.symbols.entries[name.text] = EntryPoint(
                        name.text, tuple(r.text for r in item.results), timeout, actor, name.span
                    )
            elif isinstance(item, s.CallbackDecl):
                self._once("callback", item.name, self.symbols.callbacks)
                self._distinct("argument", item.results)
                self.symbols.callbacks[item.name.text] = Callback(
                    item.name.text, tuple(r.text for r in item.results), self._actor(item.actor),
                    item.condition, item.name.span,
                )  # fmt: skip

    def _actor(self, name: s.Name) -> str:
        if name.text not in self.symbols.actors:
            self.problems.unknown("actor", name.text, self.symbols.actors, name.span)
        self.symbols.use("actor", name.text)
        return name.text

    def _machine(self, decl: s.MachineDecl) -> Machine:
        size: int | None = None
        if isinstance(decl.size, s.Name):
            if decl.size.text != "N":
                constant = self.symbols.constants.get(decl.size.text)
                if constant is not None and constant.is_time:
                    self.problems.error(
                        Code.UNIT, f"the number of instances is no time, but {constant.name} is",
                        decl.size.span, "write `N`, or a parameter that is a number",
                    )  # fmt: skip
                    self.symbols.use("param", constant.name)
                    constant = None
                elif constant is None:
                    self.problems.unknown(
                        "number of instances", decl.size.text, ["N", *self.symbols.constants],
                        decl.size.span,
                    )  # fmt: skip
                else:
                    self.symbols.use("param", constant.name)
                size = 1 if constant is None else constant.value
        elif decl.size is not None:
            size = decl.size
        if size is not None and not 1 <= size <= 64:
            self.problems.error(
                Code.RANGE, "instances are numbered from 1, and a fixed number is at most 64",
                decl.span, f"write `machine {decl.name.text}[i in 1..2]` or `1..N`",
            )  # fmt: skip
            size = 1
        family = decl.name.text if decl.index is not None else None
        root = StateNode(decl.name.text, decl, None)
        self._tree(root)
        leaves: list[StateNode] = []
        self._leaves(root, leaves)
        return Machine(decl.name.text, decl, family, size, root, tuple(leaves))

    def _tree(self, node: StateNode) -> None:
        seen: dict[str, s.Name] = {}
        for item in node.decl.body:
            if isinstance(item, s.StateDecl):
                self._once("state", item.name, seen)
                seen[item.name.text] = item.name
                child = StateNode(item.name.text, item, node, final=item.final)
                node.children.append(child)
                self._tree(child)
        initial = [c for c in node.children if isinstance(c.decl, s.StateDecl) and c.decl.initial]
        if len(initial) == 1:
            node.initial = initial[0]
        elif len(node.children) > 1:
            what = "machine" if node.parent is None else "state"
            span = initial[1].decl.span if len(initial) > 1 else node.decl.name.span
            self.problems.error(
                Code.INITIAL_STATE,
                f"{what} {node.name} has {len(initial) or 'no'} initial state"
                + ("s" if len(initial) > 1 else ""),
                span,
                "keep `initial` on one of them" if initial
                else f"mark one of its states `initial`, for example {node.children[0].name}",
            )  # fmt: skip

    def _leaves(self, node: StateNode, leaves: list[StateNode]) -> tuple[int, ...]:
        if not node.children:
            node.leaves = (len(leaves),)
            leaves.append(node)
        else:
            node.leaves = tuple(
                leaf for child in node.children for leaf in self._leaves(child, leaves)
            )
        return node.leaves

    def _members(self, machine: Machine) -> None:
        """Variables, lanes, clocks, timers, entries, callbacks and events of a machine."""
        for node in machine.root.walk():
            for item in node.decl.body:
                match item:
                    case s.VarDecl(name, kind):
                        self._once("variable", name, {**machine.variables, **machine.clocks})
                        machine.variables[name.text] = self._variable(
                            f"{machine.name}.{name.text}", kind, item, machine
                        )
                    case s.ClockDecl(name):
                        self._once("clock", name, {**machine.variables, **machine.clocks})
                        machine.clocks[name.text] = (f"{machine.name}.{name.text}", node)
                    case s.TimerDecl(name):
                        self._once("timer", name, machine.timers)
                        machine.timers[name.text] = node
                    case s.LaneDecl(name, members):
                        self._once("lane", name, machine.lanes)
                        self._distinct("member", members)
                        for member in members:
                            self._entry(machine, member, False)
                        machine.lanes[name.text] = Lane(tuple(m.text for m in members), item)
                    case s.EveryDecl():
                        self._entry(machine, item.entry, True)
                        flags = machine.due.setdefault(item.entry.text, [])
                        flag = f"{machine.name}.due.{item.entry.text}@{node.path or machine.name}"
                        if flag in flags:
                            self.problems.error(
                                Code.DUPLICATE, f"a second `every` calls {item.entry.text} here",
                                item.span, "keep one; a state has one period for each entry",
                            )  # fmt: skip
                            continue
                        flags.append(flag)
                    case s.DefineDecl(name):
                        self._once("definition", name, {**machine.variables, **machine.defines})
                        machine.defines[name.text] = item
                    case s.Handler():
                        self._handled(machine, item)
                    case s.StateDecl() | s.DeadlineDecl():
                        pass

    def _entry(self, machine: Machine, name: s.Name, calls: bool) -> None:
        entry = self.symbols.entries.get(name.text)
        if entry is None:
            self.problems.unknown("entry", name.text, self.symbols.entries, name.span)
        elif calls:
            self.symbols.use("entry", name.text)
            machine.entries[name.text] = entry

    def _handled(self, machine: Machine, item: s.Handler) -> None:
        for event in item.events:
            if event.kind == "call":
                self._entry(machine, event.name, True)
            elif event.kind == "callback" and event.name.text in self.symbols.callbacks:
                machine.callbacks[event.name.text] = self.symbols.callbacks[event.name.text]
            elif event.kind == "event":
                machine.events.setdefault(event.name.text, event.span)
        if item.clauses.then_call is not None:
            self._entry(machine, item.clauses.then_call, True)

    def _variable(
        self, full: str, kind: s.TypeName, item: s.VarDecl, machine: Machine | None
    ) -> Variable:
        found = self._type(kind, item.name.text)
        if found is None:
            return Variable(full, BoolType(), item, machine, known=False)
        return Variable(full, found, item, machine)

    def _type(self, decl: s.TypeName, owner: str) -> Type | None:
        """The type; None (reported) if there is no such type."""
        match decl:
            case s.BoolTypeName():
                return BoolType()
            case s.RangeTypeName(low, high):
                bounds = (self.terms.constant_int(low), self.terms.constant_int(high))
                if bounds[0] > bounds[1]:
                    self.problems.error(
                        Code.RANGE, "the range is empty", decl.span,
                        f"the lower bound comes first: `{bounds[1]}..{bounds[0]}`",
                    )  # fmt: skip
                    return None
                return IntType(*bounds)
            case s.OptionsTypeName(members):
                self._distinct("member", members)
                return EnumType(owner, tuple(m.text for m in members))
            case s.NamedTypeName(name, optional):
                if name.text in self.symbols.enums and not optional:
                    self.symbols.use("enum", name.text)
                    return self.symbols.enums[name.text]
                families = {
                    d.name.text for d in self.spec.items
                    if isinstance(d, s.MachineDecl) and d.index is not None
                }  # fmt: skip
                if name.text in families:
                    return RefType(name.text, optional)
                known = [*self.symbols.enums, *sorted(families), "bool"]
                self.problems.unknown("type", name.text, known, name.span)
                return None

    # -- the System --------------------------------------------------------------------------------
    def system(self, sha256: str) -> System:
        """Runs all passes. Callers look at `problems` before they use the result."""
        self.declare()
        charts = Charts(self.symbols, self.terms)
        variables, clocks, deadlines, transitions = charts.build()
        properties = Properties(self.symbols, self.terms, transitions)
        rules: list[Rule] = []
        assumptions: list[Assumption] = []
        fairness: list[Fairness] = []
        expectations: list[s.ExpectDecl] = []
        scenarios: list[Scenario] = []
        trace = TraceBlock()
        traced: Span | None = None
        named: dict[str, s.Name] = {}
        stories: dict[str, s.Name] = {}
        parametric = [m for m in self.symbols.machines.values() if m.family and m.size is None]
        home = parametric[0] if len(parametric) == 1 else None
        for item in self.spec.items:
            match item:
                case s.RulesBlock(owner, items):
                    machine = None
                    if owner is not None:
                        machine = self.symbols.machines.get(owner.text)
                        if machine is None:
                            self.problems.unknown("machine", owner.text, self.symbols.machines,
                                                  owner.span)  # fmt: skip
                            continue
                    group: tuple[s.Item, ...] = items
                case s.RuleDecl() | s.FairDecl() | s.ExpectDecl():
                    machine, group = None, (item,)
                case s.ScenarioDecl(name):
                    self._once("scenario", name, stories)
                    stories[name.text] = name
                    scenarios.append(properties.scenario(item, home))
                    continue
                case s.TraceDecl():
                    if traced is not None:
                        self.problems.error(
                            Code.DUPLICATE, "there is a second `trace` block", item.span,
                            "put everything into one", (Note("the first", traced),),
                        )  # fmt: skip
                    traced = item.span
                    trace = properties.trace(item)
                    continue
                case _:
                    continue
            for part in group:
                match part:
                    case s.RuleDecl(name):
                        self._once("rule", name, named)
                        named[name.text] = name
                        if part.actor is None:
                            rules.extend(properties.rules(part, machine))
                        else:
                            assumptions.extend(properties.assumptions(part, machine))
                    case s.FairDecl():
                        fairness.append(properties.fairness(part, machine))
                    case s.ExpectDecl():
                        expectations.append(part)
                    case _:
                        pass
        ids = {rule.base for rule in rules}
        expected: list[Expectation] = []
        for decl in expectations:
            expected.extend(properties.expectations(decl, ids))
        self._unused()
        return System(
            self.spec.name.text, self.spec.title, self.symbols.families,
            tuple(self.symbols.actors.values()), tuple(variables), tuple(clocks),
            tuple(transitions), tuple(deadlines), tuple(rules), tuple(assumptions),
            tuple(fairness), tuple(expected), tuple(scenarios), self._entry_table(),
            tuple(self.symbols.constants.values()), tuple(self.symbols.readings.values()), trace,
            unit_us=self.symbols.unit_us, source_sha256=sha256, path=self.path,
        )  # fmt: skip

    def _entry_table(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(e.name, machine.name, e.results, e.timeout, e.span)
            for machine in self.symbols.machines.values()
            for e in machine.entries.values()
        )

    def _unused(self) -> None:
        """Declarations that nothing refers to: changing them would change no verdict."""
        symbols = self.symbols
        machines = list(symbols.machines.values())
        for entry in symbols.entries.values():
            if not any(entry.name in m.entries for m in machines):
                self._idle(f"entry `{entry.name}` is never called", entry.span,
                           f"call it, `by ACTOR: call {entry.name}`, or remove it")  # fmt: skip
        for callback in symbols.callbacks.values():
            if not any(callback.name in m.callbacks for m in machines):
                self._idle(f"callback `{callback.name}` is never handled", callback.span,
                           f"handle it, `{callback.name}(…)`, or remove it")  # fmt: skip
        for item in self.spec.items:
            match item:
                case s.ParamDecl(name):
                    self._used("param", name.text, f"parameter `{name.text}` is never used", name)
                case s.EnumDecl(name):
                    self._used("enum", name.text, f"enumeration `{name.text}` is never used", name)
                case s.ActorsDecl(actors):
                    for _, name in actors:
                        if not self._default_actor(name.text):
                            self._used("actor", name.text, f"actor `{name.text}` never acts", name)
                case _:
                    pass
        variables = [*symbols.shared.values(), *(v for m in machines for v in m.variables.values())]
        for variable in variables:
            name = variable.decl.name
            self._used("variable", variable.name, f"variable `{name.text}` is never read", name)
        for machine in machines:
            for lane in machine.lanes.values():
                name = lane.decl.name
                self._used("lane", f"{machine.name}.{name.text}",
                           f"lane `{name.text}` is never asked for", name,
                           f"write `when free({name.text})` at the calls of it")  # fmt: skip
            for define in machine.defines.values():
                name = define.name
                self._used("define", f"{machine.name}.{name.text}",
                           f"definition `{name.text}` is never used", name)  # fmt: skip
            for node in machine.root.walk():
                self._unused_clocks(machine, node)

    def _unused_clocks(self, machine: Machine, node: StateNode) -> None:
        for item in node.decl.body:
            match item:
                case s.TimerDecl(name) if ("timer", f"{machine.name}.{name.text}") not in (
                    self.symbols.used
                ):
                    # Not a warning: when it fires, no step is possible and time stops.
                    self.problems.error(
                        Code.UNUSED, f"timer `{name.text}` has no handler", name.span,
                        f"add `on {name.text} -> STATE`",
                    )  # fmt: skip
                case s.ClockDecl(name):
                    self._used("clock", f"{machine.name}.{name.text}",
                               f"clock `{name.text}` is never compared", name)  # fmt: skip
                case _:
                    pass

    def _used(
        self, kind: str, key: str, message: str, name: s.Name, help: str = "use it or remove it"
    ) -> None:
        if (kind, key) not in self.symbols.used:
            self._idle(message, name.span, help)

    def _idle(self, message: str, span: Span, help: str) -> None:
        self.problems.warning(Code.UNUSED, message, span, help)

    def _default_actor(self, name: str) -> bool:
        return any(e.actor == name for e in self.symbols.entries.values()) or (
            name == self.symbols.host()
        )


def _setting_value(text: str) -> s.Expression | None:
    try:
        tree = parse(Source("--set", f"spec x\nparam x = {text}"))
    except SpecErrors:
        return None
    if len(tree.items) != 1 or not isinstance(tree.items[0], s.ParamDecl):
        return None
    value = tree.items[0].value
    return value if isinstance(value, s.Duration | s.Number) else None


def elaborate(
    spec: s.Spec, source: Source, settings: Mapping[str, str] | None = None
) -> tuple[System, tuple[Diagnostic, ...]]:
    """The System of a parsed spec under `settings` (parameter or reading to text), and warnings.

    Raises SpecErrors with everything that is wrong, warnings included.
    """
    try:
        work = _Elaboration(spec, settings or {}, source.path)
        system = work.system(source.sha256)
    except RecursionError:
        at = Span(source.path, 0, 1, 1, 1)
        raise SpecErrors(
            [Diagnostic(Code.TOO_DEEP, "an expression is nested too deep", at)], [source]
        ) from None
    if work.problems.failed:
        raise SpecErrors(work.problems.found, [source])
    return system, tuple(sorted(work.problems.found, key=lambda d: (d.span.path, d.span.start)))
