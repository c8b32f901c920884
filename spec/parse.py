"""Text to syntax tree.

Owns the use of Lark, where a line ends, and the wording of syntax errors. Knows nothing of meaning.
Parsing never raises anything but SpecErrors, whatever the text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

from lark import Lark, Token, Transformer_NonRecursive, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.tree import Meta

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code, Diagnostic, SpecErrors, did_you_mean
from rhscheck.spec.source import NOWHERE, Source, Span

MAX_BYTES = 1_000_000
MAX_NESTING = 100
MAX_SYNTAX_ERRORS = 10
# Recovery parses the text again for each error; beyond this size the first one has to do.
RECOVERY_BYTES = 200_000

_UNIT_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000,
            "d": 86_400_000_000}  # fmt: skip

# After these a line end does not end anything; before those neither.
_CONTINUES_AFTER = frozenset(
    ["{", "(", "[", ",", "and", "or", "not", "implies", "=", ":", "->", "|", "+", "-", "*", "==", "!=", "<=",
     ">=", "<", ">", "when", "then", "sync", "while", "before", "of", "where", ".", ".."]
)  # fmt: skip
_CONTINUES_BEFORE = frozenset(
    ["}", ")", "]", ",", "and", "or", "implies", "->", "|", "+", "-", "*", "==", "!=", "<=", ">=", "<",
     ">", "when", "then", "sync", "resets", "while", "leads", "holds", "for", "restart"]
)  # fmt: skip


class _LineEnds:
    """Leaves SEP only where a line really ends something: between items of a block."""

    always_accept = ("SEP",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        pending: Token | None = None
        previous: str | None = None
        depth = 0
        for token in stream:
            if token.type == "SEP":
                if pending is None or token.value == ";":
                    pending = token
                continue
            text = str(token)
            if (
                pending is not None
                and previous is not None
                and depth == 0
                and previous not in _CONTINUES_AFTER
                and text not in _CONTINUES_BEFORE
            ):
                yield pending
            pending = None
            if text in ("(", "["):
                depth += 1
            elif text in (")", "]"):
                depth = max(0, depth - 1)
            yield token
            previous = text


@functools.cache
def _parser() -> Lark:
    grammar = (resources.files("rhscheck.spec") / "grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        postlex=_LineEnds(),  # type: ignore[arg-type]
        propagate_positions=True,
        maybe_placeholders=True,
    )


def _names(value: Any) -> tuple[s.Name, ...]:
    return () if value is None else tuple(value)


@v_args(meta=True, inline=True)
class _Build(Transformer_NonRecursive):  # type: ignore[type-arg]
    """One method a grammar rule; children come as already built nodes, absent ones as None."""

    def __init__(self, path: str) -> None:
        super().__init__(visit_tokens=False)
        self._source = path

    def _span(self, meta: Meta) -> Span:
        if meta.empty:
            return NOWHERE
        return Span(self._source, meta.start_pos, meta.end_pos, meta.line, meta.column)

    def _at(self, token: Token) -> Span:
        start = token.start_pos or 0
        return Span(self._source, start, start + len(token), token.line or 1, token.column or 1)

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

    def callback(self, meta: Meta, name: Token, args: Any, actor: Token, cond: Any) -> s.CallbackDecl:
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
            return s.Number(int(token), self._at(token))
        return s.Path((str(token),), self._at(token))

    def any_value(self, meta: Meta) -> s.AnyValue:
        return s.AnyValue(self._span(meta))

    # -- machines
    def machine(self, meta: Meta, shared: Any, name: Token, *rest: Any) -> s.MachineDecl:
        index, low, high, requires, *body = rest
        size: s.Name | int | None = None
        if index is not None:
            if isinstance(high, s.Number):
                size = high.value if int(low) == 1 else -1
            else:
                size = s.Name(str(high), high.span) if int(low) == 1 else -1
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

    def clock(self, meta: Meta, name: Token) -> s.ClockDecl:
        return s.ClockDecl(self._name(name), self._span(meta))

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
        return s.Handler(
            "within", (event,), cl, self._name(actor), bound, span=self._span(meta)
        )

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
        events = tuple(
            s.EventRef("return", name, results, name.span) for name, results in outcomes
        )
        return s.Handler(
            "return", events, clauses, late=late is not None, span=self._span(meta)
        )

    def handles(self, meta: Meta, late: Any, outcome: Any, clauses: Any) -> s.Handler:
        name, results = outcome
        event = s.EventRef("callback", name, results, name.span)
        return s.Handler(
            "callback", (event,), clauses, late=late is not None, span=self._span(meta)
        )

    def outcome(self, meta: Meta, name: Token, results: Any) -> tuple[s.Name, Any]:
        return (self._name(name), _results(results))

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

    def expect(self, meta: Meta, names: Any, verdict: Token, _n: Any, n: Any) -> s.ExpectDecl:
        size = None if n is None else int(n)
        return s.ExpectDecl(_names(names), self._name(verdict), size, self._span(meta))

    # -- scenarios and traces
    def scenario(
        self, meta: Meta, name: Token, text: Any, outcome: Token, _n: Any, n: Any, *steps: Any
    ) -> s.ScenarioDecl:
        return s.ScenarioDecl(
            self._name(name), self._text(text), outcome.type == "ALLOWED",
            None if n is None else int(n), _items(list(steps)), self._span(meta),
        )  # fmt: skip

    def step_wait(self, meta: Meta, duration: Any) -> s.ScenarioWait:
        return s.ScenarioWait(duration, self._span(meta))

    def step_assert(self, meta: Meta, formula: Any) -> s.ScenarioAssert:
        return s.ScenarioAssert(formula, self._span(meta))

    def step_event(self, meta: Meta, machine: Any, index: Any, event: Any) -> s.ScenarioEvent:
        number = None if index is None else int(index)
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
        return s.CodeItem(self._name(result), int(code) if code.type == "INT" else None)

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
        return s.Number(int(token), self._at(token))

    def duration(self, meta: Meta, token: Token) -> s.Duration:
        digits = re.match(r"[0-9]+", token)
        assert digits is not None  # the terminal's own pattern
        us = int(digits[0]) * _UNIT_US[str(token)[digits.end() :]]
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


def _nesting_error(source: Source) -> Diagnostic | None:
    depth = 0
    line, start_of_line = 1, 0
    pattern = re.compile(r'"[^"\n\r]*"|#[^\n\r]*|\r\n|[\n\r(){}\[\]]')
    for match in pattern.finditer(source.text):
        token = match[0]
        if token in ("\n", "\r", "\r\n"):
            line, start_of_line = line + 1, match.end()
        elif token in "({[":
            depth += 1
            if depth > MAX_NESTING:
                span = Span(source.path, match.start(), match.end(), line,
                            match.start() - start_of_line + 1)  # fmt: skip
                return Diagnostic(
                    Code.TOO_DEEP, f"more than {MAX_NESTING} levels of brackets or blocks", span,
                    help="name a part, or flatten the nesting",
                )  # fmt: skip
        elif token in ")}]":
            depth = max(0, depth - 1)
    return None


_TERMINAL_WORDS = {
    "NAME": "a name", "INT": "a number", "DURATION": "a time such as `5m`", "STRING": "a text in quotes",
    "SEP": "the end of the line", "$END": "the end of the file", "COMPARE": "a comparison",
}  # fmt: skip


def _terminal_text(name: str) -> str:
    if name in _TERMINAL_WORDS:
        return _TERMINAL_WORDS[name]
    for terminal in _parser().terminals:
        if terminal.name == name and terminal.pattern.type == "str":
            return f"`{terminal.pattern.value}`"
    return name


def _keywords() -> list[str]:
    return [
        t.pattern.value
        for t in _parser().terminals
        if t.pattern.type == "str" and t.pattern.value.isalpha()
    ]


def _syntax_diagnostic(error: UnexpectedInput, source: Source) -> Diagnostic:
    text = source.text
    position = error.pos_in_stream if isinstance(error.pos_in_stream, int) else len(text)
    line, column = error.line, error.column
    width = 1
    help_text = ""
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        token = error.token
        width = 1 if token.type == "SEP" else max(1, len(token))
        seen = "the end of the line" if token.type == "SEP" else f"`{str(token)[:40]}`"
        expected = sorted(_terminal_text(name) for name in error.accepts or error.expected)
        words = [e[1:-1] for e in expected if e.startswith("`")]
        if token.type == "NAME":
            close = did_you_mean(str(token), words)
            if close.startswith("did you mean"):
                help_text = close
        elif str(token) in _keywords() and "a name" in expected:
            help_text = f"`{token}` is a keyword and cannot be a name; choose another name"
        if not help_text:
            shown = expected if len(expected) <= 12 else [*expected[:12], "…"]
            help_text = "expected " + ", ".join(shown)
        message = f"{seen} cannot stand here"
    elif isinstance(error, UnexpectedCharacters):
        char = text[position : position + 1]
        shown_char = char if char.isprintable() else f"U+{ord(char):04X}" if char else "nothing"
        message = f"the character `{shown_char}` cannot stand here"
        if char == '"':
            help_text = "a text in quotes ends on the same line; a quote is missing"
        elif char == "/":
            help_text = "comments start with `#`"
        elif char.isdigit():
            help_text = "a time is a whole number and us, ms, s, m, h or d, such as `300ms`"
    else:
        message = "the text ends too early"
        help_text = "a closing bracket or the rest of the last line is missing"
        position = len(text)
        lines = text.splitlines() or [""]
        line, column = len(lines), len(lines[-1]) + 1
    if not isinstance(line, int) or line < 1:
        line, column = 1, 1
    span = Span(source.path, position, position + width, line, max(1, int(column)))
    return Diagnostic(Code.SYNTAX, message, span, help=help_text)


def _goes_on(line: str, next_line: str) -> bool:
    """Whether an item that holds `line` also holds `next_line` (the rule of `_LineEnds`)."""
    words = re.findall(r"[A-Za-z_]+|[^\sA-Za-z_]+", re.sub(r'"[^"]*"|#.*', ' " ', line))
    following = re.findall(r"[A-Za-z_]+|[^\sA-Za-z_]+", next_line)
    last = words[-1] if words else ""
    first = following[0] if following else ""
    return (last in _CONTINUES_AFTER and last not in "{([") or (
        first in _CONTINUES_BEFORE and first not in "})]"
    )


def _without_item(text: str, line: int) -> str | None:
    """`text` with the item around line `line` blanked, or None where that unbalances the blocks."""
    lines = text.splitlines(keepends=True)
    if not 0 < line <= len(lines):
        return None
    first = last = line - 1
    while first > 0 and _goes_on(lines[first - 1], lines[first]):
        first -= 1
    while last + 1 < len(lines) and _goes_on(lines[last], lines[last + 1]):
        last += 1
    bad = "".join(lines[first : last + 1])
    if any(bad.count(a) != bad.count(b) for a, b in ("{}", "()", "[]")) or not bad.strip():
        return None
    for at in range(first, last + 1):
        kept = lines[at].rstrip("\r\n")
        lines[at] = " " * len(kept) + lines[at][len(kept) :]
    return "".join(lines)


def parse(source: Source) -> s.Spec:
    """The syntax tree of `source`.

    Raises SpecErrors with every syntax error found (after an error the line is left out and the
    rest is read), for empty, too large and too deeply nested texts too. Never raises anything else.
    """
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        at = Span(source.path, 0, 1, 1, 1)
        raise SpecErrors(
            [Diagnostic(Code.TOO_LARGE, f"{source.path} is larger than 1 MB", at)], [source]
        )
    if not re.sub(r"#[^\n\r]*", "", source.text).strip():
        at = Span(source.path, 0, 1, 1, 1)
        raise SpecErrors(
            [Diagnostic(Code.EMPTY, f"{source.path} holds no spec", at,
                        help="start with `spec NAME`")], [source]
        )  # fmt: skip
    deep = _nesting_error(source)
    if deep is not None:
        raise SpecErrors([deep], [source])
    errors: list[Diagnostic] = []
    text = source.text
    while True:
        try:
            tree = _parser().parse(text)
            break
        except UnexpectedInput as error:
            found = _syntax_diagnostic(error, source)
            if not errors or errors[-1].span.line != found.span.line:
                errors.append(found)
            shorter = None
            if len(text) <= RECOVERY_BYTES and len(errors) < MAX_SYNTAX_ERRORS:
                shorter = _without_item(text, found.span.line)
            if shorter is None or shorter == text:
                raise SpecErrors(errors, [source]) from None
            text = shorter
    if errors:
        raise SpecErrors(errors, [source])
    try:
        built = _Build(source.path).transform(tree)
        hash(built)  # deep chains without brackets must fail here, not later
    except RecursionError:
        at = Span(source.path, 0, 1, 1, 1)
        raise SpecErrors(
            [Diagnostic(Code.TOO_DEEP, "an expression is nested too deep", at)], [source]
        ) from None
    assert isinstance(built, s.Spec)
    return built
