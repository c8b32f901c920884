"""Steps that may make a deadline bind that is none of the kept instance's own.

Owns which transitions of a System can do that, by their form and for any number of instances. Who
looks at one instance plus environment sees its own deadlines only: two instances could end each
other's deadlines for ever, each alone being free, while no time passes. So a step that makes a
deadline of another instance bind, by what it writes to shared state or to all instances at once,
does not count as one that lets time go on. Deadlines of which the abstraction sees only a part are
ended by steps that make none bind at all.
"""

from __future__ import annotations

from rhscheck.checker.tightening import is_urgent, starts_with
from rhscheck.spec.expr import (
    FALSE,
    Exists,
    Expr,
    Forall,
    Index,
    Ref,
    conj,
    conjuncts,
    neg,
    rename,
    walk,
)
from rhscheck.spec.simplify import Domains, domains
from rhscheck.spec.stepview import StepView
from rhscheck.spec.system import SELF, Deadline, System, Transition

_ANOTHER = "another instance"  # no name of the language has a blank


def waking(system: System, *, urgent: bool) -> frozenset[str]:
    """The keys of transitions whose step may make a deadline of another instance bind.

    Deadlines whose clock may stand at any value then; with `urgent` also those that let no time
    pass at all. The others start with their clock. `system`: one without step formulas.
    """
    shared = {one.name for one in system.variables if one.family not in system.parametric}
    sleeping = [
        one
        for one in system.deadlines
        # Those of what all share are seen by whoever looks at one instance.
        if one.family in system.parametric and _sleeps(one, system, urgent=urgent)
    ]
    if not sleeping:
        return frozenset()
    known = domains(system)
    found: set[str] = set()
    for transition in system.transitions:
        written = {
            one.var
            for one in transition.updates
            if one.var in shared or (one.each is not None and one.each.family in system.parametric)
        }
        if not written:
            continue
        view = StepView(system, transition, known)
        for deadline in sleeping:
            if not written.isdisjoint(_read(deadline.active)) and _wakes(
                view, deadline, _ANOTHER, apart=True
            ):
                found.add(transition.key)
                break
    return frozenset(found)


def wakes_any(
    system: System, known: Domains, transition: Transition, ended: Deadline, family: str
) -> bool:
    """Whether a step may make a deadline bind, of whatever instance, besides the one it ends.

    `ended` is a deadline of `family`, the parametric one, or of what all share; `transition` is a
    step of its instance. `known`: the domains of `system`, which is one without step formulas.
    """
    view = StepView(system, transition, known)
    for deadline in system.deadlines:
        if view.writes.isdisjoint(_read(deadline.active)) or not _sleeps(
            deadline, system, urgent=True
        ):
            continue
        here = SELF if deadline.family is not None else None
        if deadline.family is None:
            owners: tuple[str | None, ...] = (None,)
        elif deadline.family == family and SELF in view.points(family):
            owners = (SELF, _ANOTHER)
        else:
            owners = (_ANOTHER,)
        for owner in owners:
            restarted = not is_urgent(deadline) and owner == here and _restarts(view, deadline)
            if (deadline == ended and owner == here) or restarted:
                continue
            # Of a family of fixed size any member may be meant, the step's own as well.
            if _wakes(view, deadline, owner, apart=deadline.family == family):
                return True
    return False


def _restarts(view: StepView, deadline: Deadline) -> bool:
    here: Index = SELF if deadline.family is not None else None
    resets = view.transition.resets
    return any((one.clock, one.index) == (deadline.clock, here) for one in resets)


def _sleeps(deadline: Deadline, system: System, *, urgent: bool) -> bool:
    """Whether a deadline may come to bind at any value of its clock."""
    if is_urgent(deadline):
        return urgent
    (runs,) = (clock.active for clock in system.clocks if clock.name == deadline.clock)
    return not starts_with(deadline.active, runs)


def _wakes(view: StepView, deadline: Deadline, owner: str | None, *, apart: bool) -> bool:
    """Whether the condition may be false before a step and true after it.

    `owner`: the deadline's instance: SELF, that of the step; another; None for what exists once.
    `apart`: another one takes no part in the step.
    """
    active = deadline.active
    bound = {node.param for node in walk(active) if isinstance(node, Forall | Exists)}
    if bound & {param.name for param in view.transition.params}:
        return True  # one name for two things
    families = {} if owner is None else {owner: deadline.family or ""}
    if owner is not None:
        active = rename(active, {SELF: owner})
    # What the step asks of every instance it asks of this one.
    asked = [
        rename(part.body, {part.param: owner})
        for part in conjuncts(view.transition.guard)
        if isinstance(part, Forall) and owner is not None and part.family == families[owner]
    ]
    after = conj((view.after(active, families), *asked))
    if owner == _ANOTHER and apart:
        after = view.apart(after, owner, families[owner])
    return view.simplify(conj((neg(active), after))) != FALSE


def _read(formula: Expr) -> set[str]:
    return {node.name for node in walk(formula) if isinstance(node, Ref)}
