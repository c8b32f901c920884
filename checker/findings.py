"""What a verification shows beside its verdicts: parts of a spec that do nothing or do too much.

Owns the findings and how they are established. A finding about what cannot happen is a proof (the
exploration over-approximates); one about what can happen has a run of the spec as its witness, or
says that it has none. Knows no rendering.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from rhscheck.checker.answer import Task, TimeCheck
from rhscheck.checker.explore import Exploration, explore
from rhscheck.checker.local import Dependence, local_goal
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, narrow
from rhscheck.checker.realise import concrete_run, evidence
from rhscheck.checker.schedule import Reached, refine, schedule
from rhscheck.checker.time_errors import enabled, forced_goals, zeno_circle
from rhscheck.checker.timelock import check_time, goal_name, timelock_goals
from rhscheck.checker.verdict import Evidence, Result, Witnessed
from rhscheck.checker.verdict import sentence as said
from rhscheck.spec.codes import Code
from rhscheck.spec.compiled import Compiled
from rhscheck.spec.expr import TRUE, And, Exists, Expr, Happens, Or, Post, conj, walk
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.semantics import Run, replay_run
from rhscheck.spec.source import NOWHERE, Span
from rhscheck.spec.system import (
    Assumption,
    Can,
    Early,
    EnumType,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Rule,
    RuleKind,
    Within,
)

FindingKind = Literal[
    "never_fired",
    "unreachable_state",
    "unhandled",
    "timelock",
    "forced_actor",
    "zeno",
    "ambiguous",
    "never_binds",
    "no_witness",
    "vacuous",
    "not_examined",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is the transition, state, assumption or rule; `evidence` a run that shows it.

    `error`: something that should not be so in any spec; else something to look at.
    """

    kind: FindingKind
    subject: str
    sentence: str
    error: bool
    span: Span = NOWHERE
    evidence: Evidence | None = None

    @property
    def code(self) -> str | None:
        """The diagnostic code that `rhscheck explain` knows, where the kind has one."""
        code = _CODES.get(self.kind)
        return None if code is None else code.number


_CODES: dict[FindingKind, Code] = {
    "unhandled": Code.UNHANDLED,
    "ambiguous": Code.AMBIGUOUS,
    "unreachable_state": Code.UNREACHABLE,
    "never_fired": Code.NEVER_FIRES,
    "timelock": Code.TIMELOCK,
    "forced_actor": Code.FORCED_ACTOR,
    "zeno": Code.ZENO,
    "never_binds": Code.VACUOUS_ASSUMPTION,
    "vacuous": Code.VACUOUS_RULE,
    "no_witness": Code.NO_WITNESS,
}


def find(
    task: Task,
    rules: Sequence[Rule],
    n: int,
    time: Callable[[], TimeCheck] | None,
) -> tuple[Finding, ...]:
    """What to report about `task`, in a fixed order; nothing that needs more than its budget.

    `without_witness` tells what the verdicts say. `rules` are all that were asked for, those about
    liveness, which `task` does not have, too.

    Looks at one instance plus environment where instances are independent (so it holds for every
    N), else at `n` instances. `time`: the check of condition (b), made for the former.
    """
    relied = _View.of(task, task.weave([]), n)
    free = relied
    if task.assumptions and relied is not None:
        free = _View.of(task, Model(task.system, (), ()), n)
    if relied is None or free is None:
        return (_not_examined(task),)
    found = [*_never_fired(relied, free), *_unreachable_states(relied, free)]
    parts = (
        _timelocks(task, relied, time),
        _forced(task, relied),
        _zeno(task, relied),
        _ambiguous(task, relied),
        _unhandled(task, free),
        _never_binding(task, n),
    )
    for part in parts:  # generators: nothing is looked at before its turn
        if task.budget.over():
            found.append(_not_examined(task))
            break
        found += part
    found += _vacuous(task, rules, relied)
    return tuple(found)


def refused(task: Task, n: int) -> Finding | None:
    """The first return or callback that no state handles: with one of these no spec is a spec."""
    free = _View.of(task, Model(task.system, (), ()), n)
    if free is None:
        return None
    return next((one for one in _unhandled(task, free) if one.error), None)


def _not_examined(task: Task) -> Finding:
    sentence = f"not everything was looked for: {task.budget.reason}"
    return Finding("not_examined", task.system.name, sentence, error=False)


# ---- what is looked at ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _View:
    """An untimed exploration of a Model: of one instance plus environment, or of `n` instances."""

    model: Model
    n: int | None  # None: for every number
    compiled: Compiled
    exploration: Exploration

    @staticmethod
    def of(task: Task, model: Model, n: int) -> _View | None:
        """None if the budget or the limit does not allow it."""
        local = not isinstance(model.abstraction, Dependence)
        compiled = model.local_compiled if local else model.compiled(n)
        seen = explore(
            compiled.ground, {}, limit=task.limit, cancelled=task.budget.over, compiled=compiled
        )
        return _View(model, None if local else n, compiled, seen) if seen.complete else None

    @property
    def ground(self) -> Ground:
        return self.compiled.ground

    @property
    def scope(self) -> str:
        """How far a sentence about what cannot happen holds."""
        return "for every N" if self.n is None else f"for N={self.n}"

    def own(self) -> Iterator[tuple[int, GroundTransition]]:
        """The transitions that are not copies for other instances."""
        others = self.model.independent.environment if self.n is None else frozenset()
        for at, transition in enumerate(self.ground.transitions):
            if transition.template.key not in others:
                yield at, transition

    def somewhere(self, rule: Rule, formula: Expr) -> Expr:
        """A state formula of a rule, for some choice of the instances it speaks of, ground."""
        for param in reversed(rule.params):
            formula = Exists(param.name, param.family, formula)
        if self.n is None:
            formula = local_goal(self.model.independent, formula).formula
        return self.ground.expand(formula, {})

    def reached(self, task: Task, goals: Mapping[str, Expr]) -> Exploration:
        """The untimed exploration again, for `goals`."""
        return explore(
            self.ground,
            goals,
            limit=task.limit,
            cancelled=task.budget.over,
            compiled=self.compiled,
        )

    def witness(
        self, task: Task, goal: Expr, more: tuple[int, ...] = (), final: Expr = TRUE
    ) -> Evidence | None:
        """A run to `goal`, then the steps at `more`, to `final`; None if none was found."""
        outcome = refine(
            self.ground,
            {"goal": goal},
            limit=task.limit,
            cancelled=task.budget.over,
            compiled=self.compiled,
        )["goal"]
        if not isinstance(outcome, Reached):
            return None
        positions = (*outcome.positions, *more)
        initial = outcome.run.initial.values
        if self.n is None:
            run = concrete_run(self.model, initial, positions, 1, final)
        else:
            try:
                timed = schedule(self.ground, initial, positions, final, compiled=self.compiled)
            except ValueError:  # `final` does not hold there, whatever the timing
                return None
            run = timed if isinstance(timed, Run) else None
        if run is None:
            return None
        n = self.n or 1
        return evidence(task.plain(n), self.model.ground(n), run, final)


# ---- what cannot happen --------------------------------------------------------------------------
def _never_fired(relied: _View, free: _View) -> Iterator[Finding]:
    fired = _lines(free)
    excluded: list[Span] = []
    for (span, label), happens in _lines(relied).items():
        if happens:
            continue
        if fired.get((span, label), False):
            excluded.append(span)  # written for whoever breaks an assumption: one finding for all
            continue
        sentence = f"`{label}` never happens here (proved {relied.scope})"
        yield Finding("never_fired", label, sentence, error=False, span=span)
    if excluded:
        lines = sorted({span.line for span in excluded})
        shown = ", ".join(map(str, lines[:12])) + (", …" if len(lines) > 12 else "")
        which = f"line {shown} happens" if len(lines) == 1 else f"lines {shown} happen"
        sentence = f"{which} only where an assumption is broken (proved {relied.scope})"
        yield Finding(
            "never_fired", relied.model.system.name, sentence, error=False, span=excluded[0]
        )


def _lines(view: _View) -> dict[tuple[Span, str], bool]:
    """Whether any of the transitions of a line with the same label is ever taken."""
    taken: dict[tuple[Span, str], bool] = {}
    for at, transition in view.own():
        template = transition.template
        if not template.unhandled and not template.absorbed:
            line = (template.span, template.label.short)
            taken[line] = taken.get(line, False) or view.exploration.transitions_taken[at]
    return taken


def _unreachable_states(relied: _View, free: _View) -> Iterator[Finding]:
    entered, entered_freely = _entered(relied), _entered(free)
    for variable in relied.model.system.variables:
        if variable.role != "location" or not isinstance(variable.type, EnumType):
            continue
        for value, member in enumerate(variable.type.members):
            if value in entered.get(variable.name, ()):
                continue
            why = " under the assumptions" if value in entered_freely[variable.name] else ""
            name = f"{variable.machine}.{member}"
            sentence = f"no run is ever in state `{name}`{why} (proved {relied.scope})"
            yield Finding("unreachable_state", name, sentence, error=False, span=variable.span)


def _entered(view: _View) -> dict[str, set[int]]:
    """The values that each location ever has."""
    seen: dict[str, set[int]] = {}
    for values, _ in view.exploration.invariant().cells:
        for slot, value in zip(view.ground.slots, values, strict=True):
            if slot.variable.role == "location":
                seen.setdefault(slot.variable.name, set()).add(value)
    return seen


def _never_binding(task: Task, n: int) -> Iterator[Finding]:
    for assumption in task.assumptions:
        others = tuple(one for one in task.assumptions if one.id != assumption.id)
        rule = _as_rule(assumption)
        model = Model(task.system, (rule,), others)
        local = not isinstance(model.abstraction, Dependence)
        compiled = model.local_compiled if local else model.compiled(n)
        goal = model.local_formula(rule.id) if local else model.formula(rule.id, n)
        seen = explore(
            compiled.ground, {rule.id: goal}, stop_when_all_found=True, limit=task.limit,
            cancelled=task.budget.over, compiled=compiled,
        )  # fmt: skip
        if seen.complete and rule.id not in seen.found:
            scope = "for every N" if local else f"for N={n}"
            sentence = (
                f"assumption {assumption.id} forbids nothing that could happen without it "
                f"(proved {scope})"
            )
            yield Finding("never_binds", assumption.id, sentence, error=False, span=assumption.span)


def _as_rule(assumption: Assumption) -> Rule:
    kinds: dict[type, RuleKind] = {
        Never: "never",
        NeverBefore: "before",
        NeverAfter: "after",
        Within: "within",
        Early: "early",
    }
    kind = kinds[type(assumption.obligation)]
    return Rule(
        assumption.id,
        assumption.id,
        assumption.sentence,
        kind,
        assumption.params,
        assumption.obligation,
        span=assumption.span,
    )


def _vacuous(task: Task, rules: Sequence[Rule], view: _View) -> Iterator[Finding]:
    """Rules whose premise is never true: they say nothing.

    A premise is never true if in each of its cases something is never so: an event that never
    happens, or a condition on states that no reachable state fulfils.
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
    found = view.reached(task, goals).found if goals else {}

    def never(name: str, part: Expr) -> bool:
        if name in goals:
            return name not in found
        events = [node for node in walk(part) if isinstance(node, Happens)]
        return bool(events) and not any(happening(event) for event in events)

    for rule in rules:
        events = [node for node in walk(_premise(rule)) if isinstance(node, Happens)]
        if events and not any(happening(event) for event in events):
            sentence = f"no event that rule {rule.id} is about ever happens (proved {view.scope})"
        elif rule.id in cases and (
            all(
                any(never(f"{rule.id} {number}.{at}", part) for at, part in enumerate(case))
                # `never in Bad` says what it says, if Bad is never reached.
                and not (isinstance(rule.obligation, Never) and len(case) == 1)
                for number, case in enumerate(cases[rule.id])
            )
            or _never_triggered(task, rule, view)
        ):
            sentence = (
                f"rule {rule.id} says nothing: what it is about is never so (proved {view.scope})"
            )
        else:
            continue
        yield Finding("vacuous", rule.id, sentence, error=False, span=rule.span)


def _never_triggered(task: Task, rule: Rule, view: _View) -> bool:
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
    compiled = model.local_compiled if view.n is None else model.compiled(view.n)
    goal = model.local_formula(rule.id) if view.n is None else model.formula(rule.id, view.n)
    seen = explore(
        compiled.ground, {rule.id: goal}, stop_when_all_found=True, limit=task.limit,
        cancelled=task.budget.over, compiled=compiled,
    )  # fmt: skip
    return seen.complete and rule.id not in seen.found


def _cases(premise: Expr) -> list[tuple[Expr, ...]]:
    """A premise as alternatives, each a list of things that have to be so together."""
    cases = premise.args if isinstance(premise, Or) else (premise,)
    return [case.args if isinstance(case, And) else (case,) for case in cases]


def _happening(view: _View) -> Callable[[Happens], bool]:
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


# ---- what can happen and should not --------------------------------------------------------------
def _timelocks(task: Task, view: _View, time: Callable[[], TimeCheck] | None) -> Iterator[Finding]:
    if view.n is None and time is not None:
        check = time()
    else:
        check = check_time(task, view.compiled, None, view.scope)
    if check.reason is None:
        return
    n = view.n or 1
    real = timelock_goals(view.model.ground(n), wide=True, ending=False)
    spans = {deadline.name: deadline.span for deadline in view.model.system.deadlines}
    told: set[str] = set()
    for deadline in view.ground.deadlines:
        for name, formula, _ in check.reached:
            if name != goal_name(deadline) or deadline.name in told:
                continue
            told.add(deadline.name)
            shown = view.witness(task, formula, final=real[name])
            sentence = f"time can stop: `{deadline.name}` is due and nothing can happen"
            if shown is None:
                sentence = (
                    f"time may stop: when `{deadline.name}` is due, no single step of its own ends "
                    "that"
                )
            yield Finding(
                "timelock",
                deadline.name,
                sentence,
                error=shown is not None,
                span=spans[deadline.name],
                evidence=shown,
            )
    if not check.reached:
        yield Finding("timelock", task.system.name, check.reason, error=False)


def _forced(task: Task, view: _View) -> Iterator[Finding]:
    """A deadline that only somebody else's step can meet."""
    spans = {deadline.name: deadline.span for deadline in view.model.system.deadlines}
    likely = forced_goals(view.ground, wide=False)
    goals = forced_goals(view.ground, wide=True)
    real = forced_goals(view.model.ground(view.n or 1), wide=True)
    some = enabled(view.model.ground(view.n or 1))
    told: set[str] = set()
    for deadline in view.ground.deadlines:
        name = goal_name(deadline)
        if (
            deadline.name in told
            or name not in goals
            or name not in real
            or _excluded(task, view, likely[name])
        ):
            continue
        shown = view.witness(task, goals[name], final=conj((real[name], some)))
        if shown is not None:
            told.add(deadline.name)
            sentence = (
                f"`{deadline.name}` is due, and only others than {deadline.owner} can act: they "
                "would be forced to"
            )
            yield Finding(
                "forced_actor",
                deadline.name,
                sentence,
                error=False,
                span=spans[deadline.name],
                evidence=shown,
            )


def _excluded(task: Task, view: _View, goal: Expr) -> bool:
    """Whether a small part of the System already shows that `goal` is never reached."""
    locations = {
        at for at, slot in enumerate(view.ground.slots) if slot.variable.role == "location"
    }
    outcome = narrow(
        view.ground,
        view.compiled,
        "goal",
        goal,
        keep=locations,
        limit=task.limit,
        cancelled=task.budget.over,
    )
    return isinstance(outcome, Excluded)


def _zeno(task: Task, view: _View) -> Iterator[Finding]:
    """The host can be busy for ever in no time."""
    invariant = view.exploration.invariant()
    own = frozenset(at for at, _ in view.own())
    states = (values for values, _ in invariant.cells)
    found = zeno_circle(view.ground, view.compiled, states, own)
    if found is None:
        return
    steps = [view.ground.transitions[at] for at in found]
    labels = ", ".join(f"`{step.template.label.short}`" for step in steps[:6])
    sentence = f"the host can repeat {labels} for ever without time passing"
    yield Finding(
        "zeno", steps[0].template.label.short, sentence, error=False, span=steps[0].template.span
    )


def _ambiguous(task: Task, view: _View) -> Iterator[Finding]:
    groups: dict[tuple[Label, tuple[tuple[str, int], ...]], list[int]] = {}
    for at, transition in view.own():
        groups.setdefault((transition.label, transition.binding), []).append(at)
    pairs: dict[str, tuple[int, int]] = {}
    steps = view.ground.transitions
    for positions in groups.values():
        for one, other in itertools.combinations(positions, 2):
            # Alternatives on one line are meant; two lines with one effect are no choice.
            if steps[one].template.span != steps[other].template.span and (
                steps[one].updates,
                steps[one].resets,
            ) != (steps[other].updates, steps[other].resets):
                pairs[f"{one},{other}"] = (one, other)
    goals = {
        name: conj((steps[one].guard, steps[other].guard)) for name, (one, other) in pairs.items()
    }
    found = view.reached(task, goals).found if goals else {}
    told: set[tuple[Span, Span]] = set()
    for name, (one, other) in pairs.items():
        spans = (steps[one].template.span, steps[other].template.span)
        if name not in found or spans in told:
            continue
        shown = view.witness(task, goals[name], final=goals[name])
        if shown is None:
            continue
        told.add(spans)
        label = steps[one].template.label.short
        lines = f"line {spans[0].line} and line {spans[1].line}"
        sentence = f"`{label}` has two outcomes in one state: {lines}"
        yield Finding("ambiguous", label, sentence, error=False, span=spans[1], evidence=shown)


def _unhandled(task: Task, view: _View) -> Iterator[Finding]:
    """Returns and callbacks that no state handles, judged without assumptions (receptiveness)."""
    told: set[tuple[Span, str]] = set()
    for at, transition in view.own():
        template = transition.template
        what = (template.span, template.label.short)
        if not template.unhandled or not view.exploration.transitions_taken[at] or what in told:
            continue
        told.add(what)
        shown = view.witness(task, transition.guard, (at,))
        where = "" if shown is None else _state_before_the_end(shown, transition)
        sentence = f"`{template.label.short}` can happen in {where}, which does not handle it"
        if shown is None:
            sentence = f"`{template.label.short}` may happen in a state that does not handle it"
        yield Finding(
            "unhandled",
            template.label.short,
            sentence,
            error=shown is not None,
            span=template.span,
            evidence=shown,
        )


def _state_before_the_end(shown: Evidence, last: GroundTransition) -> str:
    """The state of the instance whose step ends the run, before that step."""
    before = replay_run(shown.ground, shown.run)[-2]
    for at, slot in enumerate(shown.ground.slots):
        variable = slot.variable
        mine = variable.machine == last.label.machine and slot.index in (None, last.label.index)
        if mine and variable.role == "location" and isinstance(variable.type, EnumType):
            return f"state `{variable.type.members[before.values[at]]}`"
    return "a state"
