"""Steps that may make a deadline of another instance bind, by writing what all instances share.

Owns which transitions of a System can do that, by their form and for any number of instances. Who
looks at one instance plus environment sees its own deadlines only: two instances could end each
other's deadlines for ever, each alone being free, while no time passes. So such a step does not
count as one that lets time go on.
"""

from __future__ import annotations

from rhscheck.checker.tightening import is_urgent, starts_with
from rhscheck.spec.expr import FALSE, Expr, Ref, conj, neg, rename, walk
from rhscheck.spec.simplify import domains
from rhscheck.spec.stepview import StepView
from rhscheck.spec.system import SELF, Deadline, System

_ANOTHER = "another instance"  # no name of the language has a blank


def waking(system: System, *, urgent: bool) -> frozenset[str]:
    """The keys of transitions whose step may make a deadline of another instance bind.

    Deadlines whose clock may stand at any value then; with `urgent` also those that let no time
    pass at all. The others start with their clock. `system`: one without step formulas.
    """
    shared = {one.name for one in system.variables if one.family not in system.parametric}
    sleeping = [one for one in system.deadlines if _sleeps(one, system, urgent=urgent)]
    if not sleeping:
        return frozenset()
    known = domains(system)
    found: set[str] = set()
    for transition in system.transitions:
        written = {one.var for one in transition.updates} & shared
        if not written:
            continue
        view = StepView(system, transition, known)
        for deadline in sleeping:
            if not written.isdisjoint(_read(deadline.active)) and _wakes(view, deadline):
                found.add(transition.key)
                break
    return frozenset(found)


def _sleeps(deadline: Deadline, system: System, *, urgent: bool) -> bool:
    """Whether a deadline of an instance may come to bind at any value of its clock."""
    if deadline.family not in system.parametric:
        return False  # of what all share: whoever looks at one instance sees it
    if is_urgent(deadline):
        return urgent
    (runs,) = (clock.active for clock in system.clocks if clock.name == deadline.clock)
    return not starts_with(deadline.active, runs)


def _wakes(view: StepView, deadline: Deadline) -> bool:
    """Whether the condition may be false before a step and true after it, for another instance."""
    active = rename(deadline.active, {SELF: _ANOTHER})
    families = {_ANOTHER: deadline.family or ""}
    after = view.apart(view.after(active, families), _ANOTHER, families[_ANOTHER])
    return view.simplify(conj((neg(active), after))) != FALSE


def _read(formula: Expr) -> set[str]:
    return {node.name for node in walk(formula) if isinstance(node, Ref)}
