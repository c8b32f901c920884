"""Obligations of rules and assumptions as plans: what to observe, and what must not be.

Owns the meaning of every obligation (SEMANTICS section 4) as observers, a condition on steps and a
condition on states. Knows nothing of transitions (`spec.loom` puts the observers on them).

How formulas are judged. A formula without `Happens` and `Post` speaks of states. In a disjunction
each part is judged by itself: state parts in every state, step parts in steps, where everything
outside `Post` reads the state before the step.

*Before, after.* `seen` is set by the milestone and cleared by a reset of the rule's instance (of
several, the one that the milestone speaks of). The step of the milestone is neither before nor
after it; the state it leads to is after it.

*Within.* `armed` is set by the trigger, and by a state part of the trigger as long as it holds; the
response switches it off, in the same step too. If a state part still holds after a step that was a
response, or with `next` the response is itself a trigger, the time starts anew. A state part of the
response answers whenever it holds. Nothing else switches it off.

*Leads to.* The same without a bound: it is broken by a run that leaves `armed` on for ever, and in
the same turn (an answer that comes together with the next question takes the other turn).

*Early.* The time runs from the last trigger; while a state part of the trigger holds, it is 0.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import assert_never

from rhscheck.spec.alternatives import reads_clocks
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
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
    rebuild,
    rename,
    same,
    transform,
    walk,
)
from rhscheck.spec.observers import Change, Observer
from rhscheck.spec.stepview import free_names, speaks_of_steps
from rhscheck.spec.system import (
    Can,
    Early,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Obligation,
    Param,
    System,
    Within,
)


class UnweavableError(Exception):
    """There is no observer for this obligation; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One obligation: `observers`; `step` (a step formula) and `state` say when it is broken.

    Both may use the observers' bits and clocks; `distinct` says which instances are meant. All
    names are fresh and listed in `families`. `within`: the one observer must not be on for longer
    than so many units.
    """

    id: str
    name: str  # what the observers are called after
    params: tuple[Param, ...]
    families: dict[str, str]
    distinct: Expr
    observers: tuple[Observer, ...]
    step: Expr
    state: Expr
    within: int | None = None


class _Names:
    """Fresh names for the parameters and the bound names of one obligation."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.families: dict[str, str] = {}

    def param(self, param: Param) -> Param:
        return Param(self._new(param.name, param.family), param.family)

    def _new(self, name: str, family: str) -> str:
        fresh = f"{name}@{self._prefix}.{len(self.families)}"
        self.families[fresh] = family
        return fresh

    def formula(self, expr: Expr, binding: dict[str, Index]) -> Expr:
        def leaf(node: Expr) -> Expr | None:
            match node:
                case Forall(param, family, body) | Exists(param, family, body):
                    name = self._new(param, family)
                    inner = transform(rename(body, {param: name}), leaf)
                    quantifier = Forall if isinstance(node, Forall) else Exists
                    return rebuild(quantifier(name, family, body), (inner,))
                case _:
                    return None

        return transform(rename(expr, binding), leaf)


def _parts(formula: Expr) -> tuple[Expr, Expr]:
    """(what speaks of states, what speaks of steps); `formula` is their disjunction."""
    if not speaks_of_steps(formula):
        return formula, FALSE
    match formula:
        case Or(args):
            split = [_parts(arg) for arg in args]
            return disj(state for state, _ in split), disj(step for _, step in split)
        case Exists(_, _, body):
            state, step = _parts(body)
            return rebuild(formula, (state,)), rebuild(formula, (step,))
        case _:
            return FALSE, formula


def _remembered(obligation: Obligation) -> tuple[Expr, ...]:
    """The formulas whose past an observer has to remember."""
    match obligation:
        case Never() | Can():
            return ()
        case NeverBefore(_, milestone) | NeverAfter(_, milestone):
            return (milestone,)
        case Within(trigger, response, _, _) | LeadsTo(trigger, response, _):
            return (trigger, response)
        case Early(_, trigger, _):
            return (trigger,)
        case _:
            assert_never(obligation)


def plans(
    rule: str,
    tag: str,
    params: tuple[Param, ...],
    obligation: Obligation,
    system: System,
    *,
    distinct: bool = True,
) -> list[Plan]:
    """The plans of one obligation: one, or one for each instance of small families.

    An observer remembers for at most one instance. Where it would have to for more, parameters of
    families of fixed size are replaced by their numbers.
    """
    remembered = _remembered(obligation)
    used = {free for formula in remembered for free in free_names(formula)}
    relevant = [param for param in params if param.name in used]
    numbered: list[Param] = []
    if len(relevant) > 1:
        numbered = [p for p in relevant if system.family(p.family).size is not None]
        if len(relevant) == len(numbered):
            numbered = numbered[1:]  # one may stay a parameter
        if len(relevant) - len(numbered) > 1:
            raise UnweavableError(
                "an observer cannot remember pairs of instances: the event to be remembered "
                f"speaks of {' and '.join(param.name for param in relevant)}"
            )
    sizes = [range(1, (system.family(p.family).size or 0) + 1) for p in numbered]
    found = []
    for choice in itertools.product(*sizes):
        names = _Names(rule)
        binding: dict[str, Index] = {
            param.name: number for param, number in zip(numbered, choice, strict=True)
        }
        kept = []
        owner: Param | None = None
        for param in params:
            if param in numbered:
                continue
            fresh = names.param(param)
            binding[param.name] = fresh.name
            kept.append(fresh)
            if len(params) == 1 or param in relevant:
                owner = fresh
        pairs = [
            neg(same(binding[one.name], binding[two.name]))
            for one, two in itertools.combinations(params, 2)
            if distinct and one.family == two.family
        ]
        numbers = "".join(f"[{number}]" for number in choice)
        plan = _Planner(tag + numbers, names, binding, owner).plan(obligation)
        _refuse_ambiguous(plan, system)
        found.append(replace(plan, id=rule, params=tuple(kept), distinct=conj(pairs)))
    return found


def _refuse_ambiguous(plan: Plan, system: System) -> None:
    """`Happens` names no machine: two machines that exist once may have events of one name."""
    owners: dict[tuple[str, str], list[str]] = {}
    for transition in system.transitions:
        for label in (transition.label, *transition.also):
            if label.index is None:
                found = owners.setdefault((label.kind, label.name), [])
                if label.machine not in found:
                    found.append(label.machine)
    parts = [part for observer in plan.observers for part in observer.parts]
    for node in itertools.chain.from_iterable(map(walk, (*parts, plan.step))):
        if isinstance(node, Happens) and node.index is None:
            machines = owners.get((node.kind, node.name), [])
            if len(machines) > 1:
                raise UnweavableError(
                    f"{' and '.join(machines)} each have an event `{node.name}`, and which one is "
                    "meant cannot be told"
                )


class _Planner:
    """Turns one obligation into observers and conditions. `owner`: whose history is remembered."""

    def __init__(
        self, tag: str, names: _Names, binding: dict[str, Index], owner: Param | None
    ) -> None:
        self._tag = tag
        self._names = names
        self._binding = binding
        self._owner = owner

    def plan(self, obligation: Obligation) -> Plan:
        match obligation:
            case Never(formula) | Can(formula):
                state, step = self._parts(formula)
                return self._made((), step, state)
            case NeverBefore(what, milestone):
                return self._before(what, milestone)
            case NeverAfter(what, milestone):
                return self._after(what, milestone)
            case Within(trigger, response, bound, later):
                return self._within(trigger, response, bound, later=later)
            case Early(what, trigger, bound):
                return self._early(what, trigger, bound)
            case LeadsTo(trigger, response, later):
                return self._within(trigger, response, None, later=later)
            case _:
                assert_never(obligation)

    def _parts(self, formula: Expr) -> tuple[Expr, Expr]:
        return _parts(self._names.formula(formula, self._binding))

    def _made(
        self,
        observers: tuple[Observer, ...],
        step: Expr,
        state: Expr,
        within: int | None = None,
    ) -> Plan:
        families = self._names.families
        return Plan("", self._tag, (), families, TRUE, observers, step, state, within)

    def _steady(self, formula: Expr, what: str) -> Expr:
        """`formula`, which an observer can follow because only steps change it."""
        if reads_clocks(formula):
            raise UnweavableError(f"{what} changes with time alone, which no observer can see")
        return formula

    def _reset(self) -> Expr:
        if self._owner is None:
            return FALSE
        return Happens("reset", self._owner.family, None, self._owner.name)

    def _seen(self, milestone: Expr) -> tuple[Observer, Expr, Expr]:
        """The observer of a milestone, and the milestone's state and step parts."""
        state, step = self._parts(milestone)
        self._steady(state, "the milestone")

        def change(own: Expr, parts: tuple[Expr, ...]) -> Change | None:
            happens, reset, held, holds = parts
            if happens == reset == FALSE and held == holds:
                return None  # it was seen in every state in which it holds
            return Change(disj((conj((disj((own, happens)), neg(reset))), holds)))

        parts = (step, self._reset(), state, Post(state))
        return Observer(f"{self._tag}:seen", self._owner, parts, change, state), state, step

    def _before(self, what: Expr, milestone: Expr) -> Plan:
        seen, state, step = self._seen(milestone)
        holds, happens = self._parts(what)
        now = disj((step, Post(state)))
        return self._made(
            (seen,), conj((happens, neg(seen.bit), neg(now))), conj((holds, neg(seen.bit)))
        )

    def _after(self, what: Expr, milestone: Expr) -> Plan:
        seen, state, step = self._seen(milestone)
        holds, happens = self._parts(what)
        if state == FALSE:
            # The state that the milestone leads to is after it, and so are all that follow.
            return self._made((seen,), conj((happens, seen.bit)), conj((holds, seen.bit)))
        self._steady(holds, "what must not hold after a state")
        earlier = conj((disj((seen.bit, step)), neg(self._reset())))
        return self._made(
            (seen,), disj((conj((happens, seen.bit)), conj((Post(holds), earlier)))), FALSE
        )

    def _within(self, trigger: Expr, response: Expr, bound: int | None, *, later: bool) -> Plan:
        asks, asked = self._parts(trigger)
        answers, answered = self._parts(response)
        self._steady(asks, "the trigger")
        self._steady(answers, "the response")

        def change(own: Expr, parts: tuple[Expr, ...]) -> Change | None:
            asked, answered, asked_before, asks, answered_before, answers = parts
            if asked == answered == FALSE and (asked_before, answered_before) == (asks, answers):
                return None  # armed already says what these states say
            if later:
                armed = disj((conj((own, neg(answered))), asked))
            else:
                armed = conj((disj((own, asked)), neg(answered)))
            return Change(conj((disj((armed, asks)), neg(answers))), answered)

        armed = Observer(
            f"{self._tag}:armed",
            self._owner,
            (asked, answered, asks, Post(asks), answers, Post(answers)),
            change,
            conj((asks, neg(answers))),
            clocked=bound is not None,
            turning=bound is None,
        )
        return self._made((armed,), FALSE, FALSE, within=bound)

    def _early(self, what: Expr, trigger: Expr, bound: int) -> Plan:
        holds, happens = self._parts(what)
        state, step = self._parts(trigger)
        self._steady(state, "the trigger")

        def change(own: Expr, parts: tuple[Expr, ...]) -> Change | None:
            happens, held, holds = parts
            if happens == FALSE and held == holds:
                return None
            ended = conj((held, neg(holds)))
            return Change(disj((own, happens, holds)), disj((happens, ended)))

        running = Observer(
            f"{self._tag}:running",
            self._owner,
            (step, state, Post(state)),
            change,
            state,
            clocked=True,
        )
        if bound <= 0:
            return self._made((), FALSE, FALSE)
        soon = disj((state, _soon(running, bound)))
        return self._made((running,), conj((happens, soon)), conj((holds, soon)))


def _soon(observer: Observer, bound: int) -> Expr:
    """Stands for "on for less than `bound`" until the observer's clocks are laid out."""
    return conj((observer.bit, ClockCmp(f"{observer.name}.clock", observer.index, "<", bound)))


def exists(plan: Plan, formula: Expr) -> Expr:
    """`formula` for some choice of the plan's instances."""
    if formula == FALSE:
        return FALSE
    body = conj((formula, plan.distinct))
    for param in reversed(plan.params):
        body = rebuild(Exists(param.name, param.family, body), (body,))
    return body
