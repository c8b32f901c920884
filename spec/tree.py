"""Lark's parse tree to the syntax tree.

Owns the construction of every node and the places of nodes in the text. Knows nothing of how the
text was parsed, nor of meaning. Deep trees are built and measured without recursion.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

from lark import Token, Transformer_NonRecursive, Tree, v_args
from lark.tree import Meta

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code, Diagnostic
from rhscheck.spec.source import NOWHERE, Places, Source, Span

# Passes over expressions recurse, with up to four frames a level of Python's thousand.
MAX_DEPTH = 150
# Enough for every count and for centuries in microseconds; more is a slip of the finger.
MAX_DIGITS = 18

_UNIT_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000,
            "d": 86_400_000_000}  # fmt: skip


def build_tree(tree: Tree[Token], source: Source) -> tuple[s.Spec, list[Diagnostic]]:
    """The syntax tree of a parsed text, and what the grammar cannot say is wrong with it."""
    builder = _Build(source)
    built = builder.transform(tree)
    assert isinstance(built, s.Spec)
    deep = _too_deep(built)
    if deep is not None:
        builder.problems.append(deep)
    return built, builder.problems


def _too_deep(spec: s.Spec) -> Diagnostic | None:
    """A diagnostic for an expression of more than MAX_DEPTH levels."""
    stack: list[tuple[object, int]] = [(spec.items, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, tuple):
            stack.extend((part, depth) for part in reversed(node))
        elif is_dataclass(node) and not isinstance(node, Span | type):
            if isinstance(node, s.Unary | s.Nary | s.Binary | s.Quantified):
                depth += 1
                if depth > MAX_DEPTH:
                    return Diagnostic(
                        Code.TOO_DEEP, f"an expression has more than {MAX_DEPTH} levels", node.span,
                        help="write one chain of `and` or `or`, and drop double `not`",
                    )  # fmt: skip
            stack.extend((getattr(node, f.name), depth) for f in reversed(fields(node)))
    return None


def _names(value: Any) -> tuple[s.Name, ...]:
    return () if value is None else tuple(value)


@v_args(meta=True, inline=True)
class _Build(Transformer_NonRecursive):  # type: ignore[type-arg]
    """One method a grammar rule; children come as already built nodes, absent ones as None."""

    def __init__(self, source: Source) -> None:
        super().__init__(visit_tokens=False)
        self.problems: list[Diagnostic] = []
        self._places = Places(source)

    def _span(self, meta: Meta) -> Span:
        return NOWHERE if meta.empty else self._places.span(meta.start_pos, meta.end_pos)

    def _at(self, token: Token) -> Span:
        start = token.start_pos or 0
        return self._places.span(start, start + len(token))

    def _int(self, token: Token, digits: str | None = None) -> int:
        text = str(token) if digits is None else digits
        if len(text) > MAX_DIGITS:
            message = f"a number has at most {MAX_DIGITS} digits"
            self.problems.append(
                Diagnostic(Code.RANGE, message, self._at(token), help="write a smaller number")
            )
            return 1
        return int(text)

    def _name(self, token: Token) -> s.Name:
        return s.Name(str(token), self._at(token))

    def _maybe(self, token: Token | None) -> s.Name | None:
        return None if token is None else self._name(token)

    @staticmethod
    def _text(token: Token | None) -> str:
        return "" if token is None else str(token)[1:-1]

    # -- top level
    def start(self, meta: Meta, head: tuple[s.Name, str], *items: Any) -> s.Spec:
        kept = tuple(i for i in items if not isinstance(i, Token))
        return s.Spec(head[0], head[1], kept, self._span(meta))

    def spec_decl(self, meta: Meta, name: Token, title: Token | None) -> tuple[s.Name, str]:
        return (self._name(name), self._text(title))

    def use(self, meta: Meta, path: Token) -> s.Use:
        return s.Use(self._text(path), self._span(meta))

    def param_constant(self, meta: Meta, name: Token, value: Any, text: Any) -> s.ParamDecl:
        return s.ParamDecl(self._name(name), None, value, self._text(text), self._span(meta))

    def param_reading(
        self, meta: Meta, name: Token, options: Any, chosen: Token, text: Any
    ) -> s.ParamDecl:
        value = s.Path((str(chosen),), self._at(chosen))
        return s.ParamDecl(
            self._name(name), _names(options), value, self._text(text), self._span(meta)
        )

    def enum(self, meta: Meta, name: Token, members: Any) -> s.EnumDecl:
        return s.EnumDecl(self._name(name), _names(members), self._span(meta))

    def actors(self, meta: Meta, *actors: Any) -> s.ActorsDecl:
        return s.ActorsDecl(tuple(actors), self._span(meta))

    def actor(self, meta: Meta, *words: Token) -> tuple[str, s.Name]:
        kind = str(words[0]) if len(words) > 1 else ""
        return (kind, self._name(words[-1]))

    def entry(self, meta: Meta, names: Any, results: Any, timeout: Any, actor: Any) -> s.EntryDecl:
        return s.EntryDecl(
            _names(names), _names(results), timeout, self._maybe(actor), self._span(meta)
        )

    def callback(
        self, meta: Meta, name: Token, args: Any, actor: Token, cond: Any
    ) -> s.CallbackDecl:
        return s.CallbackDecl(
            self._name(name), _names(args), self._name(actor), cond, self._span(meta)
        )

    def names(self, meta: Meta, *names: Token) -> tuple[s.Name, ...]:
        return tuple(self._name(name) for name in names)

    # -- variables
    def var(self, meta: Meta, name: Token, kind: Any, value: Any) -> s.VarDecl:
        return s.VarDecl(self._name(name), kind, value, self._span(meta))

    def type_bool(self, meta: Meta) -> s.BoolTypeName:
        return s.BoolTypeName(self._span(meta))

    def type_range(self, meta: Meta, low: Any, high: Any) -> s.RangeTypeName:
        return s.RangeTypeName(low, high, self._span(meta))

    def type_options(self, meta: Meta, members: Any) -> s.OptionsTypeName:
        return s.OptionsTypeName(_names(members), self._span(meta))

    def type_named(self, meta: Meta, name: Token) -> s.NamedTypeName:
        return s.NamedTypeName(self._name(name), False, self._span(meta))

    def type_optional(self, meta: Meta, name: Token) -> s.NamedTypeName:
        return s.NamedTypeName(self._name(name), True, self._span(meta))

    def bound(self, meta: Meta, token: Token) -> s.Number | s.Path:
        if token.type == "INT":
            return s.Number(self._int(token), self._at(token))
        return s.Path((str(token),), self._at(token))

    def any_value(self, meta: Meta) -> s.AnyValue:
        return s.AnyValue(self._span(meta))

    # -- machines
    def machine(self, meta: Meta, shared: Any, name: Token, *rest: Any) -> s.MachineDecl:
        index, low, high, requires, *body = rest
        size: s.Name | int | None = None
        if index is not None:
            if isinstance(high, s.Number):
                size = high.value if self._int(low) == 1 else -1
            else:
                size = s.Name(str(high), high.span) if self._int(low) == 1 else -1
        return s.MachineDecl(
            self._name(name), shared is not None, self._maybe(index), size, requires,
            _items(body), self._span(meta),
        )  # fmt: skip

    def define(self, meta: Meta, name: Token, value: Any) -> s.DefineDecl:
        return s.DefineDecl(self._name(name), value, self._span(meta))

    def lane(self, meta: Meta, name: Token, members: Any, holds: Any) -> s.LaneDecl:
        return s.LaneDecl(self._name(name), _names(members), holds, self._span(meta))

    def holds(self, meta: Meta, when: Any) -> s.Expression:
        return s.Truth(True, self._span(meta)) if when is None else when

    def clock(self, meta: Meta, name: Token, restart: Any) -> s.ClockDecl:
        return s.ClockDecl(self._name(name), restart or (), self._span(meta))

    def deadline(self, meta: Meta, condition: Any, when: Any, owner: Any) -> s.DeadlineDecl:
        return s.DeadlineDecl(condition, when, self._maybe(owner), self._span(meta))

    def state(self, meta: Meta, *parts: Any) -> s.StateDecl:
        flags = [p for p in parts if isinstance(p, Token) and p.type in ("INITIAL", "FINAL")]
        rest = parts[len(flags) :]
        kinds = {flag.type for flag in flags}
        return s.StateDecl(
            self._name(rest[0]), "INITIAL" in kinds, "FINAL" in kinds, _items(list(rest[1:])),
            self._span(meta),
        )  # fmt: skip

    def timer(self, meta: Meta, name: Token, duration: Any, restart: Any) -> s.TimerDecl:
        return s.TimerDecl(self._name(name), duration, restart or (), self._span(meta))

    def every(self, meta: Meta, period: Any, actor: Token, entry: Token, when: Any) -> s.EveryDecl:
        return s.EveryDecl(period, self._name(actor), self._name(entry), when, self._span(meta))

    def action_call(self, meta: Meta, name: Token) -> s.EventRef:
        return s.EventRef("call", self._name(name), None, self._span(meta))

    def action_event(self, meta: Meta, name: Token) -> s.EventRef:
        return s.EventRef("event", self._name(name), None, self._span(meta))

    def by(self, meta: Meta, urgent: Any, actor: Token, event: Any, clauses: Any) -> s.Handler:
        return s.Handler(
            "by", (event,), clauses, self._name(actor), None, False, urgent is not None,
            self._span(meta),
        )  # fmt: skip

    def within(self, meta: Meta, bound: Any, actor: Token, event: Any, cl: Any) -> s.Handler:
        return s.Handler("within", (event,), cl, self._name(actor), bound, span=self._span(meta))

    def after(self, meta: Meta, bound: Any, actor: Token, event: Any, cl: Any) -> s.Handler:
        return s.Handler("after", (event,), cl, self._name(actor), bound, span=self._span(meta))

    def on_timeout(self, meta: Meta, names: Any, clauses: Any) -> s.Handler:
        events = tuple(s.EventRef("timeout", name, None, name.span) for name in names)
        return s.Handler("on", events, clauses, span=self._span(meta))

    def on_event(self, meta: Meta, name: Token, clauses: Any) -> s.Handler:
        event = s.EventRef("event", self._name(name), None, self._at(name))
        return s.Handler("on", (event,), clauses, span=self._span(meta))

    def returns(self, meta: Meta, late: Any, *rest: Any) -> s.Handler:
        *outcomes, clauses = rest
        events = tuple(s.EventRef("return", *outcome) for outcome in outcomes)
        return s.Handler("return", events, clauses, late=late is not None, span=self._span(meta))

    def handles(self, meta: Meta, late: Any, outcome: Any, clauses: Any) -> s.Handler:
        event = s.EventRef("callback", *outcome)
        return s.Handler(
            "callback", (event,), clauses, late=late is not None, span=self._span(meta)
        )

    def outcome(self, meta: Meta, name: Token, results: Any) -> tuple[s.Name, Any, Span]:
        return (self._name(name), _results(results), self._span(meta))

    def results(self, meta: Meta, *names: Token) -> tuple[str, ...]:
        return tuple(str(name) for name in names) or ("*",)

    def clauses(self, meta: Meta, *parts: Any) -> s.Clauses:
        when, targets, effects, sync, resets, then = parts
        return s.Clauses(when, targets or (), effects or (), sync, resets, then)

    def when(self, meta: Meta, condition: Any) -> Any:
        return condition

    def targets(self, meta: Meta, *paths: Any) -> tuple[s.Path, ...]:
        return tuple(paths)

    def effects(self, meta: Meta, *parts: Any) -> tuple[s.Assign, ...]:
        return tuple(p for p in parts if isinstance(p, s.Assign))

    def assign(self, meta: Meta, target: Any, value: Any) -> s.Assign:
        return s.Assign(target, value, self._span(meta))

    def sync(self, meta: Meta, path: Any) -> Any:
        return path

    def resets(self, meta: Meta, name: Token, where: Any) -> s.ResetsClause:
        return s.ResetsClause(self._name(name), where, self._span(meta))

    def then(self, meta: Meta, name: Token) -> s.Name:
        return self._name(name)

    # -- labels
    def events(self, meta: Meta, *events: Any) -> tuple[s.EventRef, ...]:
        return tuple(events)

    def event_call(self, meta: Meta, name: Token) -> s.EventRef:
        return s.EventRef("call", self._name(name), None, self._span(meta))

    def event_return(self, meta: Meta, name: Token, results: Any) -> s.EventRef:
        return s.EventRef("return", self._name(name), _results(results), self._span(meta))

    def event_callback(self, meta: Meta, name: Token, results: Any) -> s.EventRef:
        return s.EventRef("callback", self._name(name), _results(results), self._span(meta))

    def event_named(self, meta: Meta, name: Token) -> s.EventRef:
        return s.EventRef("event", self._name(name), None, self._span(meta))

    def event_timeout(self, meta: Meta, name: Token) -> s.EventRef:
        return s.EventRef("timeout", self._name(name), None, self._span(meta))

    # -- rules
    def rules(self, meta: Meta, machine: Token | None, *items: Any) -> s.RulesBlock:
        return s.RulesBlock(self._maybe(machine), _items(list(items)), self._span(meta))

    def rule(self, meta: Meta, name: Token, text: Any, clause: Any, *fors: Any) -> s.RuleDecl:
        return s.RuleDecl(
            self._name(name), self._text(text), None, clause, tuple(fors), self._span(meta)
        )

    def assume(
        self, meta: Meta, name: Token, text: Any, actor: Token, clause: Any, *fors: Any
    ) -> s.RuleDecl:
        return s.RuleDecl(
            self._name(name), self._text(text), self._name(actor), clause, tuple(fors),
            self._span(meta),
        )  # fmt: skip

    def never(self, meta: Meta, what: Any) -> s.NeverClause:
        return s.NeverClause(what)

    def never_before(self, meta: Meta, what: Any, other: Any) -> s.NeverClause:
        return s.NeverClause(what, "before", other)

    def never_after(self, meta: Meta, what: Any, other: Any) -> s.NeverClause:
        return s.NeverClause(what, "after", other)

    def never_while(self, meta: Meta, what: Any, other: Any) -> s.NeverClause:
        return s.NeverClause(what, "while", other)

    def never_within(self, meta: Meta, what: Any, bound: Any, other: Any) -> s.NeverClause:
        return s.NeverClause(what, "within", other, bound)

    def mutex(self, meta: Meta, *members: Any) -> s.MutexClause:
        return s.MutexClause(tuple(members))

    def mutex_item(self, meta: Meta, path: Any, condition: Any) -> tuple[s.Path, Any]:
        return (path, condition)

    def only(self, meta: Meta, place: Any, what: Any) -> s.OnlyClause:
        return s.OnlyClause(place, what)

    def invariant(self, meta: Meta, what: Any) -> s.InvariantClause:
        return s.InvariantClause(what)

    def can(self, meta: Meta, what: Any) -> s.CanClause:
        return s.CanClause(what)

    def leads_to(
        self, meta: Meta, trigger: Any, later: Any, response: Any, bound: Any
    ) -> s.LeadsToClause:
        return s.LeadsToClause(trigger, response, bound, later is not None)

    def for_clause(
        self, meta: Meta, distinct: Any, names: Any, domain: Any, _minus: Any, minus: Any
    ) -> s.ForClause:
        return s.ForClause(
            _names(names), distinct is not None, domain, _names(minus), self._span(meta)
        )

    def domain_name(self, meta: Meta, name: Token) -> s.Name:
        return self._name(name)

    def domain_set(self, meta: Meta, paths: Any) -> tuple[s.Name, ...]:
        return tuple(s.Name(str(path), path.span) for path in paths)

    def fair(self, meta: Meta, strong: Any, actor: Token, events: Any) -> s.FairDecl:
        return s.FairDecl(self._name(actor), strong is not None, events, self._span(meta))

    def _scope(self, name: Token | None) -> None:
        """The number of instances is called N, wherever it is given."""
        if name is not None and name != "N":
            self.problems.append(
                Diagnostic(
                    Code.UNKNOWN_NAME, f"there is no number of instances `{name}`", self._at(name),
                    help="write `N`, the number of instances of every `1..N`",
                )
            )  # fmt: skip

    def expect(self, meta: Meta, names: Any, verdict: Token, letter: Any, n: Any) -> s.ExpectDecl:
        self._scope(letter)
        size = None if n is None else self._int(n)
        return s.ExpectDecl(_names(names), self._name(verdict), size, self._span(meta))

    # -- scenarios and traces
    def scenario(
        self, meta: Meta, name: Token, text: Any, outcome: Token, letter: Any, n: Any, *steps: Any
    ) -> s.ScenarioDecl:
        self._scope(letter)
        return s.ScenarioDecl(
            self._name(name), self._text(text), outcome.type == "ALLOWED",
            None if n is None else self._int(n), _items(list(steps)), self._span(meta),
        )  # fmt: skip

    def step_wait(self, meta: Meta, duration: Any) -> s.ScenarioWait:
        return s.ScenarioWait(duration, self._span(meta))

    def step_assert(self, meta: Meta, formula: Any) -> s.ScenarioAssert:
        return s.ScenarioAssert(formula, self._span(meta))

    def step_event(self, meta: Meta, machine: Any, index: Any, event: Any) -> s.ScenarioEvent:
        number = None if index is None else self._int(index)
        return s.ScenarioEvent(self._maybe(machine), number, event, self._span(meta))

    def trace(self, meta: Meta, *items: Any) -> s.TraceDecl:
        flat: list[Any] = []
        for item in _items(list(items)):
            flat.extend(item if isinstance(item, list) else [item])
        return s.TraceDecl(tuple(flat), self._span(meta))

    def trace_hide(self, meta: Meta, *items: Any) -> list[s.HideItem]:
        return list(items)

    def hide(self, meta: Meta, kind: Token, name: Any) -> s.HideItem:
        return s.HideItem(self._name(kind), self._maybe(name))

    def trace_code(self, meta: Meta, result: Token, code: Token) -> s.CodeItem:
        return s.CodeItem(self._name(result), self._int(code) if code.type == "INT" else None)

    # -- expressions
    def implies(self, meta: Meta, left: Any, right: Any) -> s.Binary:
        return s.Binary("implies", left, right, self._span(meta))

    def disjunction(self, meta: Meta, *args: Any) -> s.Nary:
        return s.Nary("or", tuple(args), self._span(meta))

    def conjunction(self, meta: Meta, *args: Any) -> s.Nary:
        return s.Nary("and", tuple(args), self._span(meta))

    def negated(self, meta: Meta, arg: Any) -> s.Unary:
        return s.Unary("not", arg, self._span(meta))

    def quantified(self, meta: Meta, *parts: Any) -> s.Quantified:
        *kind, variable, family, body = parts
        return s.Quantified(
            "exists" if kind else "forall", self._name(variable), self._name(family), body,
            self._span(meta),
        )  # fmt: skip

    def compare(self, meta: Meta, left: Any, op: Token, right: Any) -> s.Binary:
        return s.Binary(str(op), left, right, self._span(meta))

    def sum(self, meta: Meta, first: Any, *rest: Any) -> s.Expression:
        result: s.Expression = first
        for sign, term in zip(rest[::2], rest[1::2], strict=True):
            result = s.Nary(str(sign), (result, term), self._span(meta))
        return result

    def product(self, meta: Meta, *args: Any) -> s.Nary:
        return s.Nary("*", tuple(args), self._span(meta))

    def number(self, meta: Meta, token: Token) -> s.Number:
        return s.Number(self._int(token), self._at(token))

    def duration(self, meta: Meta, token: Token) -> s.Duration:
        digits = re.match(r"[0-9]+", token)
        assert digits is not None  # the terminal's own pattern
        us = self._int(token, digits[0]) * _UNIT_US[str(token)[digits.end() :]]
        return s.Duration(us, str(token), self._at(token))

    def true(self, meta: Meta) -> s.Truth:
        return s.Truth(True, self._span(meta))

    def false(self, meta: Meta) -> s.Truth:
        return s.Truth(False, self._span(meta))

    def none(self, meta: Meta) -> s.NoneValue:
        return s.NoneValue(self._span(meta))

    def atom_place(self, meta: Meta, kind: Token, place: Any) -> s.Atom:
        return s.Atom("enter" if kind.type == "ENTER" else "leave", place, None, self._span(meta))

    def atom_in(self, meta: Meta, place: Any) -> s.Atom:
        return s.Atom("in", place, None, self._span(meta))

    def atom_calls(self, meta: Meta, kind: Token, paths: Any) -> s.Atom:
        return s.Atom(str(kind), paths, None, self._span(meta))  # type: ignore[arg-type]

    def atom_expired(self, meta: Meta, paths: Any) -> s.Atom:
        return s.Atom("expired", paths, None, self._span(meta))

    def atom_returns(self, meta: Meta, paths: Any) -> s.Atom:
        return s.Atom("return", paths, None, self._span(meta))

    def atom_return(self, meta: Meta, path: Any, results: Any) -> s.Atom:
        return s.Atom("return", (path,), _results(results), self._span(meta))

    def atom_callback(self, meta: Meta, path: Any, results: Any) -> s.Atom:
        return s.Atom("callback", (path,), _results(results), self._span(meta))

    def atom_quiet(self, meta: Meta, path: Any) -> s.Atom:
        return s.Atom("quiet", () if path is None else (path,), None, self._span(meta))

    def atom_reset(self, meta: Meta, path: Any) -> s.Atom:
        return s.Atom("reset", () if path is None else (path,), None, self._span(meta))

    def atom_named(self, meta: Meta, kind: Token, path: Any) -> s.Atom:
        return s.Atom("event" if kind.type == "EVENT" else "timer", (path,), None, self._span(meta))

    def place(self, meta: Meta, *paths: Any) -> tuple[s.Path, ...]:
        return tuple(paths)

    def paths(self, meta: Meta, *paths: Any) -> tuple[s.Path, ...]:
        return tuple(paths)

    def path(self, meta: Meta, *names: Token) -> s.Path:
        return s.Path(tuple(str(name) for name in names), self._span(meta))


def _results(value: Any) -> tuple[str, ...] | None:
    """None means every result: `*`, or an empty pair of brackets."""
    return None if value is None or value == ("*",) else value


def _items(parts: list[Any]) -> tuple[Any, ...]:
    return tuple(p for p in parts if p is not None and not isinstance(p, Token))
