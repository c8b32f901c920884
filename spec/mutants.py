"""Single-edit mutants of a spec: what could have been written instead, one place at a time.

Owns the operators and the names of mutants. A mutant is an edit of the text, found by means of the
syntax tree; whether its text is a spec, and what that means, is for others to say. Only what the
machines and the assumptions say is changed, never a rule, an expectation or a scenario: these judge
the mutants. Names hold no line numbers, so that they outlive edits elsewhere.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rhscheck.spec import syntax as s
from rhscheck.spec.parse import lexemes
from rhscheck.spec.source import Source, Span

_CLAUSES = frozenset(("when", "->", "{", "sync", "resets", "then"))
_INVERSE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Edit:
    """The characters `start` to `end` (excluded) become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """`id`: operator, place and detail, unique in its spec; `line`: of the first edit, from 1."""

    id: str
    operator: str
    edits: tuple[Edit, ...]
    line: int


def mutants(source: Source, tree: s.Spec) -> tuple[Mutant, ...]:
    """All mutants of `source`, whose tree is `tree`, in the order of the text.

    Specs that `tree` uses are left alone.
    """
    work = _Mutation(source, tree)
    found = sorted(work.all(tree), key=lambda one: (one[1][0].start, one[0], one[2]))
    counts: dict[str, int] = {}
    made: list[Mutant] = []
    for operator, edits, name in found:
        wanted = f"{operator} {name}"
        counts[wanted] = counts.get(wanted, 0) + 1
        id_ = wanted if counts[wanted] == 1 else f"{wanted} ({counts[wanted]})"
        line = source.text.count("\n", 0, edits[0].start) + 1
        made.append(Mutant(id_, operator, edits, line))
    return tuple(made)


def mutated(source: Source, mutant: Mutant) -> Source:
    """The text with the mutant's edits."""
    text = source.text
    for edit in sorted(mutant.edits, key=lambda one: one.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return replace(source, text=text)


def diff(source: Source, mutant: Mutant) -> tuple[str, ...]:
    """The lines that differ, `-` before those of the spec and `+` before those of the mutant."""
    before = source.text.splitlines()
    after = mutated(source, mutant).text.splitlines()
    lines = difflib.unified_diff(before, after, lineterm="", n=0)
    return tuple(
        line.rstrip()
        for line in lines
        if line[:1] in "+-" and not line.startswith(("+++", "---")) and line[1:].strip()
    )


Found = tuple[str, tuple[Edit, ...], str]  # operator, edits, what the rest of the id is


class _Mutation:
    def __init__(self, source: Source, tree: s.Spec) -> None:
        self.source = source
        self.words = lexemes(source)
        self.starts = [word.start for word in self.words]
        self.actors = [
            name.text
            for item in tree.items
            if isinstance(item, s.ActorsDecl)
            for _, name in item.actors
        ]
        self.times = {
            item.name.text
            for item in tree.items
            if isinstance(item, s.ParamDecl) and isinstance(item.value, s.Duration)
        }

    # ---- the text --------------------------------------------------------------------------------
    def text(self, span: Span) -> str:
        return " ".join(self.source.text[span.start : span.end].split())

    def first(self, position: int) -> int:
        """The number of the first word that starts at `position` or later."""
        return bisect_left(self.starts, position)

    def wrapped(self, span: Span) -> tuple[int, int]:
        """The span with the brackets that stand around it."""
        at, after = self.first(span.start), self.first(span.end)
        while at > 0 and after < len(self.words):
            if (self.words[at - 1].text, self.words[after].text) != ("(", ")"):
                break
            if at > 1 and self.words[at - 2].kind in ("NAME", "KEYWORD"):
                before = self.words[at - 2].text
                if before not in ("and", "or", "not", "implies", "when", "while", "where", "of"):
                    break  # the brackets of a call
            at, after = at - 1, after + 1
        return self.words[at].start, self.words[after - 1].end

    def from_word(self, word: str, span: Span) -> Edit:
        """Leave out `span` and all from the `word` before it on."""
        start, end = self.wrapped(span)
        at = self.first(start) - 1
        while self.words[at].text != word:
            at -= 1
        return Edit(self.after_words(at), end, "")

    def after_words(self, at: int) -> int:
        """Where the blanks before a word begin, its own start where there is a remark."""
        before, start = self.words[at - 1].end, self.words[at].start
        return start if self.source.text[before:start].strip() else before

    def item(self, spans: list[Span], at: int, separators: tuple[str, ...]) -> Edit:
        """Leave out one of a list, with the separator beside it."""
        start, end = self.wrapped(spans[at])
        here = self.first(start)
        after = self.first(end)
        if at > 0 and self.words[here - 1].text in separators:
            return Edit(self.after_words(here - 1), end, "")
        if after < len(self.words) and self.words[after].text in separators:
            following = self.words[after + 1].start if after + 1 < len(self.words) else end
            return Edit(start, following, "")
        return Edit(start, end, "")

    # ---- declarations ----------------------------------------------------------------------------
    def all(self, tree: s.Spec) -> Iterator[Found]:
        for item in tree.items:
            if item.span.path != self.source.path:
                continue
            match item:
                case s.ParamDecl(name, None, s.Duration() as value):
                    yield from self._duration(value, f"param {name.text}")
                case s.EntryDecl():
                    yield from self._entry(item)
                case s.CallbackDecl():
                    yield from self._callback(item)
                case s.MachineDecl():
                    yield from self._machine(item)
                case s.RulesBlock(_, items):
                    for inner in items:
                        yield from self._rules_item(inner)
                case s.RuleDecl() | s.FairDecl():
                    yield from self._rules_item(item)
                case _:
                    pass

    def _duration(self, value: s.Duration, name: str) -> Iterator[Found]:
        for operator, us in (("double-time", value.us * 2), ("halve-time", value.us // 2)):
            edit = Edit(value.span.start, value.span.end, _written(us))
            if us and us != value.us:
                yield operator, (edit,), name

    def _time(self, value: s.Expression, name: str) -> Iterator[Found]:
        """A bound that is written where it is used."""
        start, end = self.wrapped(value.span)
        text = self.source.text[start:end]
        edit = Edit(start, end, f"2 * ({text})" if " " in text else f"2 * {text}")
        yield "double-time", (edit,), name
        if isinstance(value, s.Duration) and value.us > 1:
            half = Edit(value.span.start, value.span.end, _written(value.us // 2))
            yield "halve-time", (half,), name

    def _entry(self, item: s.EntryDecl) -> Iterator[Found]:
        names = ", ".join(name.text for name in item.names)
        if item.timeout is not None:
            yield "drop-timeout", (self.from_word("timeout", item.timeout.span),), f"entry {names}"
            yield from self._time(item.timeout, f"entry {names}")
        yield from self._actor(item.actor, f"entry {names}")

    def _callback(self, item: s.CallbackDecl) -> Iterator[Found]:
        name = f"callback {item.name.text}"
        yield from self._actor(item.actor, name)
        if item.condition is not None:
            yield from self._condition("while", item.condition, name)

    def _actor(self, actor: s.Name | None, name: str) -> Iterator[Found]:
        if actor is None:
            return
        for other in self.actors:
            if other != actor.text:
                edit = Edit(actor.span.start, actor.span.end, other)
                yield "swap-actor", (edit,), f"{name} [{other}]"

    # ---- conditions ------------------------------------------------------------------------------
    def _condition(self, word: str, condition: s.Expression, name: str) -> Iterator[Found]:
        """A condition that a `word` opens: without it, and with less of it."""
        yield "drop-guard", (self.from_word(word, condition.span),), f"{name} [{word}]"
        yield from self._parts(condition, name)

    def _parts(self, node: s.Expression, name: str) -> Iterator[Found]:
        """A formula with one operand less, one name less, or a comparison the other way round."""
        match node:
            case s.Nary(op, args) if op in ("and", "or"):
                spans = [arg.span for arg in args]
                for at, arg in enumerate(args):
                    edit = self.item(spans, at, (op,))
                    yield "drop-operand", (edit,), f"{name} [{op} {self.text(arg.span)}]"
                    yield from self._parts(arg, name)
            case s.Binary(op, left, right) if op in _INVERSE:
                at = self.first(right.span.start) - 1
                while self.words[at].text != op:
                    at -= 1
                word = self.words[at]
                edit = Edit(word.start, word.end, _INVERSE[op])
                yield "invert", (edit,), f"{name} [{self.text(node.span)}]"
                yield from self._parts(left, name)
                yield from self._parts(right, name)
            case s.Binary(_, left, right):
                yield from self._parts(left, name)
                yield from self._parts(right, name)
            case s.Unary(_, arg):
                start = node.span.start
                edit = Edit(start, start + len("not"), "")
                yield "drop-not", (edit,), f"{name} [{self.text(node.span)}]"
                yield from self._parts(arg, name)
            case s.Quantified(_, _, _, body):
                yield from self._parts(body, name)
            case s.Atom(_, paths) if len(paths) > 1:
                spans = [path.span for path in paths]
                for at, path in enumerate(paths):
                    what = f"{name} [{path} of {self.text(node.span)}]"
                    yield "drop-member", (self.item(spans, at, (",",)),), what
            case _:
                pass

    # ---- machines --------------------------------------------------------------------------------
    def _machine(self, machine: s.MachineDecl) -> Iterator[Found]:
        name = machine.name.text
        if machine.requires is not None:
            yield from self._condition("requires", machine.requires, f"machine {name}")
        states = dict(_states(machine.body, ()))
        variables = {
            item.name.text: item for item in _flat(machine.body) if isinstance(item, s.VarDecl)
        }
        yield from self._body(machine.body, (name,), states, variables)

    def _body(
        self,
        body: tuple[s.BodyItem, ...],
        path: tuple[str, ...],
        states: dict[tuple[str, ...], s.StateDecl],
        variables: dict[str, s.VarDecl],
    ) -> Iterator[Found]:
        where = ".".join(path)
        inner = [item for item in body if isinstance(item, s.StateDecl)]
        for item in body:
            match item:
                case s.StateDecl(state, True):
                    for other in inner:
                        if other is not item:
                            yield "move-initial", self._moved(item, other), (
                                f"{where} [{state.text} to {other.name.text}]"
                            )  # fmt: skip
                case _:
                    pass
            match item:
                case s.StateDecl(state, _, _, deeper):
                    yield from self._body(deeper, (*path, state.text), states, variables)
                case s.Handler():
                    yield from self._handler(item, where, states, variables)
                case s.EveryDecl(period, actor, entry, when):
                    name = f"{where}: every call {entry.text}"
                    yield "drop-transition", (_gone(item.span),), name
                    yield from self._time(period, name)
                    yield from self._actor(actor, name)
                    if when is not None:
                        yield from self._condition("when", when, name)
                case s.TimerDecl(timer, duration, events):
                    yield from self._time(duration, f"{where}: timer {timer.text}")
                    yield from self._restarts(events, f"{where}: timer {timer.text}")
                case s.ClockDecl(clock, events):
                    yield from self._restarts(events, f"{where}: clock {clock.text}")
                case s.DeadlineDecl(condition, when):
                    name = f"{where}: deadline {self.text(condition.span)}"
                    yield "drop-deadline", (_gone(item.span),), name
                    if isinstance(condition, s.Binary):
                        yield from self._time(condition.right, name)
                    if when is not None:
                        yield from self._condition("when", when, name)
                case s.VarDecl():
                    yield from self._initial(item, where)
                case s.LaneDecl():
                    yield from self._lane(item, where)
                case s.DefineDecl(defined, value):
                    yield from self._parts(value, f"{where}: define {defined.text}")

    def _moved(self, one: s.StateDecl, other: s.StateDecl) -> tuple[Edit, ...]:
        """`initial` stands before another state."""
        at = self.first(one.span.start)
        while self.words[at].text != "initial":
            at += 1
        word = self.words[at]
        return tuple(
            sorted(
                (
                    Edit(word.start, self.words[at + 1].start, ""),
                    Edit(other.span.start, other.span.start, "initial "),
                ),
                key=lambda edit: edit.start,
            )
        )

    def _restarts(self, events: tuple[s.EventRef, ...], name: str) -> Iterator[Found]:
        spans = [event.span for event in events]
        for at, event in enumerate(events):
            edit = self.item(spans, at, (",",))
            if len(events) == 1:
                edit = self.from_word("restart", event.span)
            yield "drop-restart", (edit,), f"{name} [{self.text(event.span)}]"

    def _initial(self, item: s.VarDecl, where: str) -> Iterator[Found]:
        name = f"{where}: var {item.name.text}"
        for value in _others(item, item.initial):
            edit = Edit(item.initial.span.start, item.initial.span.end, value)
            yield "change-initial", (edit,), f"{name} [{value}]"

    def _lane(self, item: s.LaneDecl, where: str) -> Iterator[Found]:
        name = f"{where}: lane {item.name.text}"
        spans = [member.span for member in item.members]
        for at, member in enumerate(item.members):
            if len(spans) > 1:
                edit = self.item(spans, at, (",",))
                yield "drop-member", (edit,), f"{name} [{member.text}]"
        if item.holds_expired is not None:
            edit = self.from_word("holds", item.holds_expired.span)
            if isinstance(item.holds_expired, s.Truth):  # no condition: the span is the clause's
                edit = Edit(item.holds_expired.span.start, item.holds_expired.span.end, "")
            else:
                yield from self._parts(item.holds_expired, name)
            yield "drop-guard", (edit,), f"{name} [holds expired]"

    # ---- transitions -----------------------------------------------------------------------------
    def _label(self, item: s.Handler) -> str:
        """The line up to its first clause."""
        at = self.first(item.span.start)
        end = self.first(item.span.end)
        depth = 0
        last = at
        for k in range(at, end):
            word = self.words[k].text
            if depth == 0 and k > at and word in _CLAUSES:
                break
            depth += {"(": 1, ")": -1}.get(word, 0)
            last = k
        return " ".join(self.source.text[item.span.start : self.words[last].end].split())

    def _handler(
        self,
        item: s.Handler,
        where: str,
        states: dict[tuple[str, ...], s.StateDecl],
        variables: dict[str, s.VarDecl],
    ) -> Iterator[Found]:
        name = f"{where}: {self._label(item)}"
        clauses = item.clauses
        yield "drop-transition", (_gone(item.span),), name
        spans = [event.span for event in item.events]
        for at, event in enumerate(item.events):
            if len(spans) > 1:
                edit = self.item(spans, at, (",",))
                yield "drop-event", (edit,), f"{name} [{self.text(event.span)}]"
        if item.urgent:
            edit = Edit(item.span.start, item.span.start + len("urgent"), "")
            yield "drop-urgent", (edit,), name
        yield from self._actor(item.actor, name)
        if item.bound is not None:
            yield from self._time(item.bound, name)
        if clauses.when is not None:
            yield from self._condition("when", clauses.when, name)
        yield from self._targets(clauses.targets, name, states)
        yield from self._effects(clauses.effects, name, variables)
        if clauses.sync is not None:
            yield "drop-sync", (self.from_word("sync", clauses.sync.span),), name
        if clauses.resets is not None:
            yield "drop-resets", (self.from_word("resets", clauses.resets.span),), name
            if clauses.resets.where is not None:
                yield from self._condition("where", clauses.resets.where, f"{name} resets")
        if clauses.then_call is not None:
            yield "drop-then", (self.from_word("then", clauses.then_call.span),), name

    def _targets(
        self,
        targets: tuple[s.Path, ...],
        name: str,
        states: dict[tuple[str, ...], s.StateDecl],
    ) -> Iterator[Found]:
        spans = [target.span for target in targets]
        if len(targets) == 1:
            yield "drop-target", (self.from_word("->", spans[0]),), name
        for at, target in enumerate(targets):
            if len(targets) > 1:
                edit = self.item(spans, at, ("|",))
                yield "drop-alternative", (edit,), f"{name} [{target}]"
            here = [path for path in states if path[-len(target.parts) :] == target.parts]
            if len(here) != 1:
                continue
            for path in states:
                if len(path) == len(here[0]) and path[:-1] == here[0][:-1] and path != here[0]:
                    other = ".".join(path)
                    edit = Edit(target.span.start, target.span.end, other)
                    yield "retarget", (edit,), f"{name} [{target} to {other}]"

    def _effects(
        self, effects: tuple[s.Assign, ...], name: str, variables: dict[str, s.VarDecl]
    ) -> Iterator[Found]:
        spans = [effect.span for effect in effects]
        for at, effect in enumerate(effects):
            if len(effects) == 1:
                before = self.first(effect.span.start) - 1
                after = self.first(effect.span.end)
                edit = Edit(self.after_words(before), self.words[after].end, "")
            else:
                edit = self.item(spans, at, (",", ";", "\n"))
            what = f"{name} [{self.text(effect.span)}]"
            yield "drop-effect", (edit,), what
            known = variables.get(effect.target.parts[-1])
            if known is not None and len(effect.target.parts) == 1:
                for value in _others(known, effect.value):
                    changed = Edit(effect.value.span.start, effect.value.span.end, value)
                    yield "change-effect", (changed,), f"{what} [{value}]"

    # ---- assumptions -----------------------------------------------------------------------------
    def _rules_item(self, item: s.RuleDecl | s.FairDecl | s.ExpectDecl) -> Iterator[Found]:
        match item:
            case s.RuleDecl(rule, _, actor, clause) if actor is not None:
                name = f"assume {rule.text}"
                yield "drop-assume", (_gone(item.span),), name
                yield from self._actor(actor, name)
                match clause:
                    case s.NeverClause(what, _, other, bound):
                        yield from self._parts(what, name)
                        if other is not None:
                            yield from self._parts(other, name)
                        if bound is not None:
                            yield from self._time(bound, name)
                    case s.LeadsToClause(trigger, response, bound):
                        yield from self._parts(trigger, name)
                        yield from self._parts(response, name)
                        if bound is not None:
                            yield from self._time(bound, name)
                    case _:
                        pass
                for quantifier in item.quantifiers:
                    if isinstance(quantifier.domain, tuple) and len(quantifier.domain) > 1:
                        spans = [one.span for one in quantifier.domain]
                        for at, one in enumerate(quantifier.domain):
                            edit = self.item(spans, at, (",",))
                            yield "drop-member", (edit,), f"{name} [{one.text}]"
            case s.FairDecl(actor, strong, events):
                name = f"fair {actor.text}"
                spans = [event.span for event in events]
                for at, event in enumerate(events):
                    edit = self.item(spans, at, (",",)) if len(events) > 1 else _gone(item.span)
                    yield "drop-fairness", (edit,), f"{name} [{self.text(event.span)}]"
                if strong:
                    start = item.span.start
                    weak = Edit(start, start + len("strong"), "")
                    yield "weaken-fairness", (weak,), name
            case _:
                pass


# ---- trees ---------------------------------------------------------------------------------------
def _gone(span: Span) -> Edit:
    return Edit(span.start, span.end, "")


def _states(
    body: tuple[s.BodyItem, ...], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], s.StateDecl]]:
    """Every state by its full path."""
    for item in body:
        if isinstance(item, s.StateDecl):
            here = (*path, item.name.text)
            yield here, item
            yield from _states(item.body, here)


def _flat(body: tuple[s.BodyItem, ...]) -> Iterator[s.BodyItem]:
    for item in body:
        yield item
        if isinstance(item, s.StateDecl):
            yield from _flat(item.body)


def _others(variable: s.VarDecl, value: s.Expression | s.AnyValue) -> Iterator[str]:
    """Other values that `variable` could get, where `value` is a plain one."""
    match variable.type, value:
        case s.BoolTypeName(), s.Truth(known):
            yield "false" if known else "true"
        case s.OptionsTypeName(members), s.Path((known,)):
            names = [member.text for member in members]
            if known in names:
                yield from (name for name in names if name != known)
        case _:
            pass


def _written(us: int) -> str:
    """A time as a spec has it, in the largest unit that fits."""
    units = (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000))
    for unit, size in units:
        if us % size == 0:
            return f"{us // size}{unit}"
    return f"{us}us"
