"""What in a spec says nothing: rules, assumptions and permissions that nothing ever comes to.

Owns these findings and how they are established: each is a proof, since the exploration
over-approximates what can happen. Knows no rendering, and none of the other findings.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from rhscheck.checker.answer import Task
from rhscheck.checker.explore import explore
from rhscheck.checker.finding import Finding
from rhscheck.checker.local import Dependence
from rhscheck.checker.model import Model
from rhscheck.checker.verdict import Result, Witnessed
from rhscheck.checker.verdict import sentence as said
from rhscheck.checker.view import View
from rhscheck.spec.expr import (
    TRUE,
    And,
    Exists,
    Expr,
    Forall,
    Happens,
    Index,
    Or,
    Post,
    Same,
    conj,
    disj,
    walk,
)
from rhscheck.spec.rules import as_rule
from rhscheck.spec.system import (
    Can,
    Early,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Rule,
    Within,
)


def never_binding(task: Task, n: int) -> Iterator[Finding]:
    """Assumptions that forbid nothing: what they exclude does not happen without them either."""
    for assumption in task.assumptions:
        others = tuple(one for one in task.assumptions if one.id != assumption.id)
        model = Model(task.system, (as_rule(assumption),), others)
        local = not isinstance(model.abstraction, Dependence)
        if _never_reached(task, model, assumption.id, None if local else n):
            scope = "for every N" if local else f"for N={n}"
            sentence = (
                f"assumption {assumption.id} forbids nothing that could happen without it "
                f"(proved {scope})"
            )
            yield Finding("never_binds", assumption.id, sentence, error=False, span=assumption.span)


def vacuous(task: Task, rules: Sequence[Rule], view: View) -> Iterator[Finding]:
    """Rules whose premise is never true: they say nothing.

    A premise is never true if in each of its cases something is never so: an event that never
    happens, a condition on states that no reachable state fulfils, or both, but never together.
    """
    happening = _happening(view)
    cases = {
        rule.id: _cases(_premise(rule)) for rule in rules if not isinstance(rule.obligation, Can)
    }
    goals: dict[str, Expr] = {}
    for rule in rules:
        for number, case in enumerate(cases.get(rule.id, [])):
            for at, part in enumerate(case):
                if not any(isinstance(node, Happens | Post) for node in walk(part)):
                    goals[f"{rule.id} {number}.{at}"] = view.somewhere(rule, part)
            # That `never P and Q` keeps them apart is what it says.
            apart = isinstance(rule.obligation, Never)
            meeting = None if apart else _meeting(rule, case, view)
            if meeting is not None:
                goals[f"{rule.id} {number}"] = meeting
    found = view.reached(task, goals).found if goals else {}

    def never(name: str, part: Expr) -> bool:
        return name not in found if name in goals else _no_event(part, happening)

    def never_meet(name: str) -> bool:
        return name in goals and name not in found

    for rule in rules:
        says_nothing = f"rule {rule.id} says nothing"
        if _no_event(_premise(rule), happening):
            sentence = f"no event that rule {rule.id} is about ever happens (proved {view.scope})"
        elif _no_event(_milestone(rule), happening):
            sentence = f"{says_nothing}: what comes first never happens (proved {view.scope})"
        elif rule.id in cases and (
            all(
                (
                    any(never(f"{rule.id} {number}.{at}", part) for at, part in enumerate(case))
                    # `never in Bad` says what it says, if Bad is never reached.
                    and not (isinstance(rule.obligation, Never) and len(case) == 1)
                )
                or never_meet(f"{rule.id} {number}")
                for number, case in enumerate(cases[rule.id])
            )
            or _never_triggered(task, rule, view)
        ):
            sentence = f"{says_nothing}: what it is about is never so (proved {view.scope})"
        else:
            continue
        yield Finding("vacuous", rule.id, sentence, error=False, span=rule.span)


def _meeting(rule: Rule, case: Sequence[Expr], view: View) -> Expr | None:
    """A state formula: a step may be taken here that is an event of `case`, and the rest holds.

    Weaker than `case`, so that what is never reached is never so. None where this cannot be told:
    a case without both, or about more than one instance.
    """
    names = [param.name for param in rule.params]
    alternatives = [found for part in case if (found := _events(part)) is not None]
    conditions = [part for part in case if _of_one_state(part)]
    family = view.model.independent.family if view.n is None else None
    if not alternatives or not conditions or len(names) > 1:
        return None
    if view.n is None and any(param.family != family for param in rule.params):
        return None
    cases: list[Expr] = []
    for _, transition in view.own():
        labels = (transition.label, *transition.also)
        for chosen in itertools.product(*alternatives):
            met = [[label for label in labels if _is(event, label)] for event in chosen]
            if not all(met):
                continue
            numbers = {label.index for found in met for label in found} - {None}
            if len(numbers) > 1 or not all(isinstance(number, int) for number in numbers):
                return None  # a step of two: which of them is meant is not told here
            if names and (not numbers or (view.n is None and numbers != {1})):
                return None
            binding: dict[str, Index] = dict.fromkeys(names, next(iter(numbers), None))
            holds = (view.ground.expand(condition, binding) for condition in conditions)
            cases.append(conj((transition.guard, *holds)))
    return disj(cases)


def _events(part: Expr) -> tuple[Happens, ...] | None:
    """The events one of which `part` asks for; None if it asks for something else."""
    parts = part.args if isinstance(part, Or) else (part,)
    events = tuple(one for one in parts if isinstance(one, Happens) and one.kind != "reset")
    return events if len(events) == len(parts) else None


def _of_one_state(part: Expr) -> bool:
    """Whether `part` is a condition on the state before the step, and about no other instance."""
    return not any(isinstance(e, Happens | Post | Exists | Forall | Same) for e in walk(part))


def _is(event: Happens, label: Label) -> bool:
    alike = (event.kind, event.name) == (label.kind, label.name)
    return alike and event.value in (None, label.value)


def _no_event(formula: Expr, happening: Callable[[Happens], bool]) -> bool:
    """Whether `formula` needs an event, and no event it could be true for ever happens."""
    match formula:
        case Happens():
            return not happening(formula)
        case And(args):
            return any(_no_event(arg, happening) for arg in args)
        case Or(args):
            return all(_no_event(arg, happening) for arg in args)
        case Exists(_, _, body):
            return _no_event(body, happening)
        case _:
            return False


def _never_triggered(task: Task, rule: Rule, view: View) -> bool:
    """Whether the rule waits for a step, known by the states around it, that is never taken."""
    premise = _premise(rule)
    if isinstance(rule.obligation, Never) or not any(isinstance(e, Post) for e in walk(premise)):
        return False
    trigger = replace(rule, kind="can", obligation=Can(premise))
    model = Model(task.weave([]).system, (trigger,), ())  # the assumptions are built in
    if rule.id in model.unwoven:
        return False
    local = not isinstance(model.abstraction, Dependence)
    if (view.n is None) != local:
        return False  # the sentence would claim another scope
    return _never_reached(task, model, rule.id, view.n)


def _never_reached(task: Task, model: Model, name: str, n: int | None) -> bool:
    """Whether the goal of rule `name` is never reached; `n` None: by one instance and the rest."""
    compiled = model.local_compiled if n is None else model.compiled(n)
    goal = model.local_formula(name) if n is None else model.formula(name, n)
    seen = explore(
        compiled.ground, {name: goal}, stop_when_all_found=True, limit=task.limit,
        cancelled=task.budget.over, compiled=compiled,
    )  # fmt: skip
    return seen.complete and name not in seen.found


def _cases(premise: Expr) -> list[tuple[Expr, ...]]:
    """A premise as alternatives, each a list of things that have to be so together."""
    cases = premise.args if isinstance(premise, Or) else (premise,)
    return [case.args if isinstance(case, And) else (case,) for case in cases]


def _happening(view: View) -> Callable[[Happens], bool]:
    """Whether an event is that of a step that is ever taken."""
    happening = {
        (label.kind, label.name, value)
        for at, transition in enumerate(view.ground.transitions)
        if view.exploration.transitions_taken[at]
        for label in (transition.label, *transition.also)
        for value in (label.value, None)
    }
    reset = {
        machine
        for at, transition in enumerate(view.ground.transitions)
        if view.exploration.transitions_taken[at]
        for machine, _ in transition.template.resets_machines
    }

    def happens(event: Happens) -> bool:
        if event.kind == "reset":
            return event.name in reset
        return (event.kind, event.name, event.value) in happening

    return happens


def _premise(rule: Rule) -> Expr:
    match rule.obligation:
        case Never(formula) | Can(formula):
            return formula
        case NeverBefore(what, _) | NeverAfter(what, _) | Early(what, _, _):
            return what
        case Within(trigger, _, _) | LeadsTo(trigger, _):
            return trigger
        case _:
            assert_never(rule.obligation)


def _milestone(rule: Rule) -> Expr:
    """What has to happen before the rule forbids anything; TRUE if nothing."""
    match rule.obligation:
        case NeverAfter(_, milestone):
            return milestone
        case Early(_, trigger, _):
            return trigger
        case _:
            return TRUE


def without_witness(results: Sequence[Result]) -> tuple[Finding, ...]:
    """The permissions that no run was found for."""
    return tuple(
        Finding(
            "no_witness",
            result.rule.id,
            f"permission {result.rule.id} has no witness: {said(result.verdict)}",
            error=False,
            span=result.rule.span,
        )
        for result in results
        if isinstance(result.rule.obligation, Can) and not isinstance(result.verdict, Witnessed)
    )
