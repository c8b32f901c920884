"""What a verification shows beside its verdicts: parts of a spec that do nothing or do too much.

Owns the findings and how they are established. A finding about what cannot happen is a proof (the
exploration over-approximates); one about what can happen has a run of the spec as its witness, or
says that it has none. What says nothing is `checker.vacuity`'s. Knows no rendering.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from rhscheck.checker.answer import Task, TimeCheck
from rhscheck.checker.finding import Finding
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, narrow
from rhscheck.checker.time_errors import enabled, forced_goals, zeno_circle
from rhscheck.checker.timelock import check_time, goal_name, timelock_goals
from rhscheck.checker.vacuity import never_binding, vacuous
from rhscheck.checker.verdict import Evidence
from rhscheck.checker.view import View
from rhscheck.spec.expr import Expr, conj
from rhscheck.spec.ground import GroundTransition
from rhscheck.spec.semantics import replay_run
from rhscheck.spec.source import Span
from rhscheck.spec.system import (
    EnumType,
    Label,
    Rule,
)


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
    relied = View.of(task, task.weave([]), n)
    free = relied
    if task.assumptions and relied is not None:
        free = View.of(task, Model(task.system, (), ()), n)
    if relied is None or free is None:
        return (_not_examined(task),)
    found = [*_never_fired(relied, free), *_unreachable_states(relied, free)]
    parts = (
        _timelocks(task, relied, time),
        _forced(task, relied),
        _zeno(task, relied),
        _ambiguous(task, relied),
        _unhandled(task, free),
        never_binding(task, n),
    )
    for part in parts:  # generators: nothing is looked at before its turn
        if task.budget.over():
            found.append(_not_examined(task))
            break
        found += part
    found += vacuous(task, rules, relied)
    return tuple(found)


def refused(task: Task, n: int) -> Finding | None:
    """The first return or callback that no state handles: with one of these no spec is a spec."""
    free = View.of(task, Model(task.system, (), ()), n)
    if free is None:
        return None
    return next((one for one in _unhandled(task, free) if one.error), None)


def _not_examined(task: Task) -> Finding:
    reason = task.budget.reason if task.budget.over() else "there are too many states"
    sentence = f"not everything was looked for: {reason}"
    return Finding("not_examined", task.system.name, sentence, error=False)


# ---- what cannot happen --------------------------------------------------------------------------
def _never_fired(relied: View, free: View) -> Iterator[Finding]:
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


def _lines(view: View) -> dict[tuple[Span, str], bool]:
    """Whether any of the transitions of a line with the same label is ever taken."""
    taken: dict[tuple[Span, str], bool] = {}
    for at, transition in view.own():
        template = transition.template
        if not template.unhandled and not template.absorbed:
            line = (template.span, template.label.short)
            taken[line] = taken.get(line, False) or view.exploration.transitions_taken[at]
    return taken


def _unreachable_states(relied: View, free: View) -> Iterator[Finding]:
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


def _entered(view: View) -> dict[str, set[int]]:
    """The values that each location ever has."""
    seen: dict[str, set[int]] = {}
    for values, _ in view.exploration.invariant().cells:
        for slot, value in zip(view.ground.slots, values, strict=True):
            if slot.variable.role == "location":
                seen.setdefault(slot.variable.name, set()).add(value)
    return seen


# ---- what can happen and should not --------------------------------------------------------------
def _timelocks(task: Task, view: View, time: Callable[[], TimeCheck] | None) -> Iterator[Finding]:
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


def _forced(task: Task, view: View) -> Iterator[Finding]:
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


def _excluded(task: Task, view: View, goal: Expr) -> bool:
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


def _zeno(task: Task, view: View) -> Iterator[Finding]:
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


def _ambiguous(task: Task, view: View) -> Iterator[Finding]:
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


def _unhandled(task: Task, view: View) -> Iterator[Finding]:
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
