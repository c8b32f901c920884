"""Rules, assumptions, fairness, expectations, scenarios and the trace block.

Owns the meaning of the rule forms (SEMANTICS section 4) as obligations over step formulas. Knows
nothing of observers: `spec.rules` weaves those.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, assert_never

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code, Note
from rhscheck.spec.expr import (
    FALSE,
    And,
    Exists,
    Expr,
    Forall,
    Happens,
    Index,
    Or,
    Post,
    conj,
    disj,
    neg,
    walk,
)
from rhscheck.spec.names import Machine, Symbols
from rhscheck.spec.system import (
    SELF,
    Assert,
    Assumption,
    Can,
    Early,
    Expectation,
    Fairness,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Obligation,
    Observe,
    Param,
    Rule,
    RuleKind,
    Scenario,
    TraceBlock,
    Transition,
    Wait,
    Within,
)
from rhscheck.spec.terms import Context, Terms

MAX_INSTANCES = 6  # that one rule speaks of; each multiplies its cases by their number
MAX_ELEMENTS = 1_000  # combinations of `for c in …` in one rule
VERDICTS = ("proved", "violated", "witnessed", "impossible", "bounded", "unknown")
_Node = TypeVar("_Node")


class Properties:
    """Elaborates what stands beside the machines."""

    def __init__(
        self, symbols: Symbols, terms: Terms, transitions: Sequence[Transition] = ()
    ) -> None:
        self.symbols = symbols
        self.problems = symbols.problems
        self.terms = terms
        # Which actors have steps with a label: what an assumption may speak of.
        self._actors: dict[tuple[str, str, str | None], set[str]] = {}
        for transition in transitions:
            for label in (transition.label, *transition.also):
                for value in (label.value, None):
                    key = (label.kind, label.name, value)
                    self._actors.setdefault(key, set()).add(transition.actor)

    # -- rules -------------------------------------------------------------------------------------
    def rules(self, decl: s.RuleDecl, machine: Machine | None) -> list[Rule]:
        """The rules that one `rule` line stands for: one, or one an element of its `for`."""
        parts = self._expand(decl, machine)
        merged = self._merged(parts)
        found: list[Rule] = []
        for element, params, kind, obligation in merged:
            name = decl.name.text if not element else f"{decl.name.text}[{element}]"
            found.append(
                Rule(name, decl.name.text, decl.sentence, kind, params, obligation, span=decl.span)
            )
        return found

    def assumptions(self, decl: s.RuleDecl, machine: Machine | None) -> list[Assumption]:
        """As `rules`, for `assume … of ACTOR`."""
        assert decl.actor is not None  # the caller tells rules and assumptions apart by it
        actor = decl.actor.text
        if actor not in self.symbols.actors:
            self.problems.unknown("actor", actor, self.symbols.actors, decl.actor.span)
        self.symbols.use("actor", actor)
        found: list[Assumption] = []
        for element, params, _, obligation in self._merged(self._expand(decl, machine)):
            if isinstance(obligation, Can | LeadsTo):
                self.problems.error(
                    Code.ASSUMPTION_ACTOR, "an assumption forbids something or bounds a time",
                    decl.span,
                    "use `never …`, `invariant …`, `when … leads to … within T`, or `fair`",
                )  # fmt: skip
                continue
            if _switched_off(obligation):
                continue  # under the chosen readings it says nothing
            if actor in self.symbols.actors:
                self._check_actor(obligation, actor, decl)
            name = decl.name.text if not element else f"{decl.name.text}[{element}]"
            found.append(Assumption(name, decl.sentence, actor, params, obligation, decl.span))
        return found

    def _check_actor(
        self, obligation: Never | NeverBefore | NeverAfter | Within | Early, actor: str,
        decl: s.RuleDecl,
    ) -> None:  # fmt: skip
        """Only a step, or a missed deadline, of the actor may break an assumption."""
        match obligation:
            case Never(formula):
                events = _cannot_do_without(formula)
            case NeverBefore(what) | NeverAfter(what) | Early(what):
                events = _cannot_do_without(what)
            case Within(_, response):
                events = [node for node in walk(response) if isinstance(node, Happens)]
                if not events:
                    return  # a response that is a state; whoever brings it about
            case _:
                assert_never(obligation)
        if events is None:
            self.problems.error(
                Code.ASSUMPTION_ACTOR, f"this can become false without a step of {actor}",
                decl.span,
                f"name the step of {actor} that it forbids, such as `never start(X) while …`",
            )  # fmt: skip
            return
        for event in events:
            actors = self._actors.get((event.kind, event.name, event.value), {actor})
            own = actor in actors
            if isinstance(obligation, Within):
                own = any(
                    actor in self._actors.get((e.kind, e.name, e.value), {actor}) for e in events
                )
            if not own:
                step = Label(event.kind, "", event.name, event.value).short
                self.problems.error(
                    Code.ASSUMPTION_ACTOR,
                    f"`{step.removesuffix('(None)')}` is no step of {actor}", decl.span,
                    f"assume it of {' or '.join(sorted(actors))}, or make it a rule",
                )  # fmt: skip
                return

    def _merged(
        self, parts: list[tuple[str, tuple[Param, ...], RuleKind, Obligation]]
    ) -> list[tuple[str, tuple[Param, ...], RuleKind, Obligation]]:
        """Prohibitions over several elements are one prohibition; permissions stay apart."""
        if len(parts) < 2:
            return [("", params, kind, what) for _, params, kind, what in parts]
        obligations = [what for *_, what in parts]
        _, params, kind, first = parts[0]
        if any(other != params for _, other, _, _ in parts):
            return parts
        if all(isinstance(o, Never) for o in obligations):
            whole = disj([o.formula for o in obligations if isinstance(o, Never)])
            return [("", params, kind, Never(whole))]
        for form in (NeverBefore, NeverAfter):
            same = [o for o in obligations if isinstance(o, form)]
            if (
                isinstance(first, form)
                and len(same) == len(obligations)
                and all(o.milestone == first.milestone for o in same)
            ):
                what = disj([o.what for o in same])
                return [("", params, kind, form(what, first.milestone))]
        return parts

    def _expand(
        self, decl: s.RuleDecl, machine: Machine | None
    ) -> list[tuple[str, tuple[Param, ...], RuleKind, Obligation]]:
        params: list[Param] = []
        bound: dict[str, tuple[Machine, Index]] = {}
        choices: list[list[tuple[str, str]]] = []
        if machine is not None and machine.family is not None:
            params.append(Param(SELF, machine.family))
        names: dict[str, s.Name] = {}
        for clause in decl.quantifiers:
            self._bind(clause, names)
            family = self._family(clause)
            if family is not None and family.family is not None:
                for name in clause.names:
                    params.append(Param(name.text, family.family))
                    bound[name.text] = (family, name.text)
                if not clause.distinct and [p.family for p in params].count(family.family) > 1:
                    self.problems.error(
                        Code.TYPE, "several instances must be `for distinct`", clause.span,
                        f"write `for distinct {', '.join(n.text for n in clause.names)} in …`",
                    )  # fmt: skip
                for name in clause.minus:
                    self.problems.error(
                        Code.TYPE, "only elements of a set can be left out", name.span,
                        "exclude an instance by a condition, such as `i != host`",
                    )  # fmt: skip
                continue
            if family is not None:
                continue  # exists once, which was reported
            elements = self._elements(clause, machine)
            choices.extend([(name.text, one) for one in elements] for name in clause.names)
        if len(params) > MAX_INSTANCES or math.prod(map(len, choices)) > MAX_ELEMENTS:
            self.problems.error(
                Code.TOO_MANY, "the `for` of this rule stands for too many cases", decl.span,
                f"at most {MAX_INSTANCES} instances and {MAX_ELEMENTS} elements: write several",
            )  # fmt: skip
            return []
        index: Index = SELF if machine is not None and machine.family is not None else None
        context = Context(machine, index, bound, None, steps=True)
        if machine is not None and machine.decl.index is not None:
            bound.setdefault(machine.decl.index.text, (machine, SELF))
        found: list[tuple[str, tuple[Param, ...], RuleKind, Obligation]] = []
        for choice in itertools.product(*choices):
            substituted = decl.clause
            for word, element in choice:
                substituted = _substitute(substituted, word, element)
            kind, obligation = self._obligation(substituted, context, decl)
            found.append((",".join(e for _, e in choice), tuple(params), kind, obligation))
        return found

    def _bind(self, clause: s.ForClause, names: dict[str, s.Name]) -> None:
        """Notes the names a `for` binds; each once, and none that the tool uses itself."""
        for name in clause.names:
            if name.text in names or name.text == SELF:
                known = names.get(name.text)
                self.problems.error(
                    Code.DUPLICATE, f"`{name.text}` is bound already", name.span,
                    "choose another name",
                    () if known is None else (Note("first bound here", known.span),),
                )  # fmt: skip
            names[name.text] = name

    def _family(self, clause: s.ForClause) -> Machine | None:
        if isinstance(clause.domain, s.Name):
            machine = self.symbols.machines.get(clause.domain.text)
            if machine is not None and machine.family is None:
                self.problems.error(
                    Code.TYPE, f"machine {machine.name} exists once", clause.span,
                    "leave the `for` out and write its name",
                )  # fmt: skip
            return machine
        return None

    def _elements(self, clause: s.ForClause, machine: Machine | None) -> list[str]:
        if isinstance(clause.domain, s.Name):
            known = list(machine.entries if machine is not None else self.symbols.entries)
            if clause.domain.text in self.symbols.enums:
                elements = list(self.symbols.enums[clause.domain.text].members)
            elif clause.domain.text == "entries":
                elements = known
            else:
                names = [*self.symbols.machines, *self.symbols.enums, "entries"]
                self.problems.unknown(
                    "machine or set", clause.domain.text, names, clause.domain.span
                )
                return []
        else:
            elements = [name.text for name in clause.domain]
        for name in clause.minus:
            if name.text not in elements:
                self.problems.unknown("element to leave out", name.text, elements, name.span)
        left_out = {name.text for name in clause.minus}
        return [element for element in elements if element not in left_out]

    def _obligation(
        self, clause: s.Clause, context: Context, decl: s.RuleDecl
    ) -> tuple[RuleKind, Obligation]:
        terms = self.terms
        match clause:
            case s.NeverClause(what, tail, other, bound):
                first = terms.condition(what, context)
                if not tail:
                    return "never", Never(first)
                assert other is not None  # every tail has one
                second = terms.condition(other, context)
                if tail == "while":
                    return "never", Never(conj((first, second)))
                if tail == "before":
                    self._needs_event(second, other.span, "before")
                    return "before", NeverBefore(first, second)
                if tail == "after":
                    self._needs_event(second, other.span, "after")
                    return "after", NeverAfter(first, second)
                assert bound is not None  # `never X within T of Y`
                self._needs_event(first, what.span, "within")
                self._needs_event(second, other.span, "within")
                return "early", Early(first, second, terms.constant_time(bound))
            case s.MutexClause(members):
                return "mutex", Never(self._mutex(members, context))
            case s.OnlyClause(states, what):
                inside = terms.condition(s.Atom("in", states, None, decl.span), context)
                event = terms.condition(what, context)
                self._needs_event(event, what.span, "only in")
                return "only", Never(conj((event, neg(inside))))
            case s.InvariantClause(what):
                return "invariant", Never(neg(terms.condition(what, context)))
            case s.CanClause(what):
                return "can", Can(terms.condition(what, context))
            case s.LeadsToClause(trigger, response, bound, later):
                pair = (terms.condition(trigger, context), terms.condition(response, context))
                if bound is None:
                    return "leads_to", LeadsTo(*pair, later)
                return "within", Within(*pair, terms.constant_time(bound), later)
            case _:
                assert_never(clause)

    def _needs_event(self, formula: Expr, span: Any, where: str) -> None:
        if not any(isinstance(node, Happens | Post) for node in walk(formula)):
            self.problems.error(
                Code.STATE_RULE, f"`{where}` needs an event here", span,
                "name a step, such as `start(Online)`, `return X(success)` or `enter S`",
            )  # fmt: skip

    def _mutex(
        self, members: tuple[tuple[s.Path, s.Expression | None], ...], context: Context
    ) -> Expr:
        """A member is issued while another is in flight (SEMANTICS 4: judged at the call)."""
        terms = self.terms
        starts: list[Expr] = []
        runs: list[Expr] = []
        for path, condition in members:
            holds = None if condition is None else terms.condition(condition, context)
            start = terms.condition(s.Atom("start", (path,), None, path.span), context)
            run = terms.condition(s.Atom("inflight", (path,), None, path.span), context)
            starts.append(start if holds is None else conj((start, Post(holds))))
            runs.append(run if holds is None else conj((run, holds)))
        return disj(
            [
                conj((starts[a], runs[b]))
                for a in range(len(members))
                for b in range(len(members))
                if a != b
            ]
        )

    # -- the rest ----------------------------------------------------------------------------------
    def fairness(self, decl: s.FairDecl, machine: Machine | None) -> Fairness:
        """The labels are those of the block's machine, or of the only machine that has them."""
        if decl.actor.text not in self.symbols.actors:
            self.problems.unknown("actor", decl.actor.text, self.symbols.actors, decl.actor.span)
        self.symbols.use("actor", decl.actor.text)
        labels: list[Label] = []
        for event in decl.events:
            labels.extend(self._labels(event, machine, SELF))
        return Fairness(decl.actor.text, decl.strong, tuple(labels), decl.span)

    def _labels(self, event: s.EventRef, machine: Machine | None, index: Index) -> list[Label]:
        """The labels that an event as written stands for; reported when there are none."""
        name = event.name.text
        owners = [machine] if machine is not None and self._has(machine, event) else [
            m for m in self.symbols.machines.values() if self._has(m, event)
        ]  # fmt: skip
        if len(owners) != 1:
            known = {
                "call": list(self.symbols.entries), "return": list(self.symbols.entries),
                "timeout": list(self.symbols.entries), "callback": list(self.symbols.callbacks),
                "event": [
                    e for m in self.symbols.machines.values() for e in (*m.events, *m.timers)
                ],
            }[event.kind]  # fmt: skip
            if owners:
                self.problems.error(
                    Code.MISSING_OWNER, f"several machines have `{name}`", event.span,
                    "write the machine first: `M[1]: …`",
                )  # fmt: skip
            else:
                what = "event" if event.kind == "event" else event.kind
                self.problems.unknown(what, name, known, event.span)
            return []
        owner = owners[0]
        at = index if owner.family is not None else None
        match event.kind:
            case "call":
                self.symbols.use("entry", name)
                return [Label("call", owner.name, name, None, at)]
            case "return":
                self.symbols.use("entry", name)
                known_results = owner.entries[name].results
                chosen = known_results if event.results is None else event.results
                for result in chosen:
                    if result not in known_results:
                        self.problems.unknown(
                            f"result of {name}", result, known_results, event.span
                        )
                return [Label("return", owner.name, name, result, at) for result in chosen]
            case "timeout":
                return [Label("expiry", owner.name, name, None, at)]
            case "callback":
                self.symbols.use("callback", name)
                arguments = owner.callbacks[name].arguments
                values: tuple[str | None, ...] = (
                    (arguments or (None,)) if event.results is None else event.results
                )
                for value in values:
                    if value is not None and value not in arguments:
                        self.problems.unknown(f"argument of {name}", value, arguments, event.span)
                return [Label("callback", owner.name, name, value, at) for value in values]
            case "event":
                self.symbols.use("event", f"{owner.name}.{name}")
                kind = "timer" if name in owner.timers else "event"
                return [Label("timer" if kind == "timer" else "event", owner.name, name, None, at)]
            case _:
                assert_never(event.kind)

    def _has(self, machine: Machine, event: s.EventRef) -> bool:
        name = event.name.text
        match event.kind:
            case "call" | "return" | "timeout":
                return name in machine.entries
            case "callback":
                return name in machine.callbacks
            case "event":
                return name in machine.events or name in machine.timers
            case _:
                assert_never(event.kind)

    def expectations(self, decl: s.ExpectDecl, known: set[str]) -> list[Expectation]:
        """One expectation a rule named."""
        if decl.verdict.text not in VERDICTS:
            self.problems.unknown("verdict", decl.verdict.text, VERDICTS, decl.verdict.span)
        for name in decl.rules:
            if name.text not in known:
                self.problems.unknown("rule", name.text, known, name.span)
        return [Expectation(name.text, decl.verdict.text, decl.n, name.span) for name in decl.rules]

    def scenario(self, decl: s.ScenarioDecl, home: Machine | None) -> Scenario:
        """The scenario; unqualified labels belong to instance 1 of the machine that has them."""
        steps: list[Observe | Wait | Assert] = []
        largest = 1
        for step in decl.steps:
            match step:
                case s.ScenarioWait(duration):
                    steps.append(Wait(self.terms.constant_time(duration), step.span))
                case s.ScenarioAssert(formula):
                    machine = home
                    index: Index = 1 if machine is not None and machine.family else None
                    context = Context(machine, index, {}, None)
                    expr = self.terms.condition(formula, context)
                    steps.append(Assert(expr, step.span))
                case s.ScenarioEvent(name, number, event):
                    chosen = None
                    if name is not None:
                        chosen = self.symbols.machines.get(name.text)
                        if chosen is None:
                            self.problems.unknown(
                                "machine", name.text, self.symbols.machines, name.span
                            )
                            continue
                    index = 1 if number is None else number
                    if chosen is not None and number is not None:
                        self._check_instance(chosen, number, decl, step)
                    largest = max(largest, index if chosen is None or chosen.size is None else 1)
                    labels = self._labels(event, chosen, index)
                    if len(labels) > 1:
                        self.problems.error(
                            Code.TYPE, "a scenario step is one event", event.span,
                            "name one result, such as `return Online(success)`",
                        )  # fmt: skip
                    steps.extend(Observe(label, step.span) for label in labels[:1])
                case _:
                    assert_never(step)
        n = largest if decl.n is None else decl.n
        if n < 1:
            self.problems.error(
                Code.RANGE, "a scenario needs at least one instance", decl.name.span,
                "write `with N = 1`",
            )  # fmt: skip
        return Scenario(decl.name.text, decl.sentence, decl.allowed, n, tuple(steps), decl.span)

    def _check_instance(
        self, machine: Machine, number: int, decl: s.ScenarioDecl, step: s.ScenarioEvent
    ) -> None:
        if machine.family is None:
            self.problems.error(
                Code.TYPE, f"machine {machine.name} exists once", step.span,
                f"leave `{machine.name}[{number}]:` out",
            )  # fmt: skip
            return
        most = machine.size if machine.size is not None else decl.n
        if number < 1 or (most is not None and number > most):
            top = "N" if most is None else str(most)
            self.problems.error(
                Code.RANGE, f"there is no instance {number}", step.span,
                f"the instances of {machine.name} are 1 to {top}",
            )  # fmt: skip

    def _hideable(self, kind: str) -> list[str]:
        """The names that labels of this kind can have."""
        machines = self.symbols.machines.values()
        match kind:
            case "timer":
                return [name for machine in machines for name in machine.timers]
            case "event":
                return [name for machine in machines for name in machine.events]
            case "callback":
                return list(self.symbols.callbacks)
            case _:
                return list(self.symbols.entries)

    def trace(self, decl: s.TraceDecl) -> TraceBlock:
        """The trace block; `due` steps are hidden even if it does not say so."""
        kinds = {"due": "due", "timeout": "expiry", "timer": "timer", "event": "event",
                 "call": "call", "return": "return", "callback": "callback"}  # fmt: skip
        codes: list[tuple[str, int | None]] = []
        hidden: list[tuple[Any, str | None]] = [("due", None)]
        results = {r for e in self.symbols.entries.values() for r in e.results}
        results |= {a for c in self.symbols.callbacks.values() for a in c.arguments}
        for item in decl.items:
            match item:
                case s.CodeItem(result, code):
                    if result.text not in results:
                        self.problems.unknown("result", result.text, results, result.span)
                    codes.append((result.text, code))
                case s.HideItem(kind, name):
                    if kind.text not in kinds:
                        self.problems.unknown("kind of label", kind.text, kinds, kind.span)
                        continue
                    known = self._hideable(kind.text)
                    if name is not None and name.text not in known:
                        self.problems.unknown(kind.text, name.text, known, name.span)
                    entry = (kinds[kind.text], None if name is None else name.text)
                    if entry not in hidden:
                        hidden.append(entry)
                case _:
                    assert_never(item)
        return TraceBlock(tuple(codes), tuple(hidden))


def _cannot_do_without(formula: Expr) -> list[Happens] | None:
    """Events of which one happens in every step where `formula` is true; None if it needs none."""
    match formula:
        case Happens():
            return [formula]
        case And(args):
            found = (_cannot_do_without(arg) for arg in args)
            return next((events for events in found if events is not None), None)
        case Or(args):
            each = [_cannot_do_without(arg) for arg in args]
            if any(events is None for events in each):
                return None
            return [event for events in each if events is not None for event in events]
        case Exists(_, _, body) | Forall(_, _, body):
            return _cannot_do_without(body)
        case _:
            return None


def _switched_off(obligation: Obligation) -> bool:
    """Whether nothing can break it, because a reading made its formula constant."""
    match obligation:
        case Never(formula):
            return formula == FALSE
        case NeverBefore(what) | NeverAfter(what) | Early(what):
            return what == FALSE
        case Within(trigger):
            return trigger == FALSE
        case _:
            return False


def _substitute(node: _Node, name: str, element: str) -> _Node:
    """`node` with the bound name of a `for` replaced by one of its elements."""
    if isinstance(node, s.Path):
        if node.parts[-1] == name:
            return replace(node, parts=(*node.parts[:-1], *element.split(".")))
        return node
    if isinstance(node, s.Atom) and node.results is not None and name in node.results:
        node = replace(node, results=tuple(element if r == name else r for r in node.results))
    if is_dataclass(node) and not isinstance(node, type):
        changes = {
            f.name: _substitute(getattr(node, f.name), name, element)
            for f in fields(node)
            if f.name not in ("span", "text")
        }
        return replace(node, **changes)
    if isinstance(node, tuple):
        return tuple(_substitute(part, name, element) for part in node)  # type: ignore[return-value]
    return node
