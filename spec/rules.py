"""Rules and assumptions woven into a System: obligations about steps become state formulas.

Owns what a rule and what an assumption makes of its obligation (`spec.obligations` says what that
means). Knows nothing of engines: the result is a System like any other, without `Happens` and
`Post`, and for each rule a closed formula that is to be reached (a violation, or for `can` the
permission).

Assumptions restrict the guards of the actor's transitions by what is assumed never to happen; a
response in time becomes the actor's deadline. A transition of another actor that could break one is
an error of the spec (AssumptionError): an assumption must not restrain those it does not name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rhscheck.spec.alternatives import reads_clocks
from rhscheck.spec.expr import (
    FALSE,
    And,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Forall,
    Index,
    Not,
    Or,
    Ref,
    conj,
    disj,
    member,
    neg,
)
from rhscheck.spec.loom import Loom
from rhscheck.spec.obligations import Plan, UnweavableError, exists, plans
from rhscheck.spec.simplify import domains, impossible
from rhscheck.spec.stepview import StepView, initially
from rhscheck.spec.system import (
    Assumption,
    Early,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Rule,
    RuleKind,
    System,
    Within,
)

__all__ = ["AssumptionError", "Owed", "Woven", "as_rule", "weave", "weave_leads_to"]


class AssumptionError(Exception):
    """Assumption `assumption` (its id) cannot be built in.

    `transition` is the key of another actor's transition that could break it, None where the
    assumption itself is the problem; `reason` says what is wrong.
    """

    def __init__(self, assumption: str, transition: str | None, reason: str) -> None:
        super().__init__(f"assumption {assumption}: {reason}")
        self.assumption = assumption
        self.transition = transition
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Woven:
    """`bad`: for each rule id a closed state formula over `system`, to be reached.

    `unwoven`: for rules without such a formula (other than `leads to`, which is no safety
    property) the reason. They have to be reported as unknown.
    """

    system: System
    bad: dict[str, Expr]
    unwoven: dict[str, str] = field(default_factory=dict)


def weave(system: System, rules: Sequence[Rule], assumptions: Sequence[Assumption]) -> Woven:
    """`system` under `assumptions`, with observers for `rules`.

    Transitions that are split for an observer get a suffix after `~` in their key. Raises
    AssumptionError for an assumption that cannot be built in.
    """
    for assumption in assumptions:
        system = _assume(system, assumption)
    loom = Loom(system)
    bad: dict[str, Expr] = {}
    unwoven: dict[str, str] = {}
    for rule in rules:
        if isinstance(rule.obligation, LeadsTo):
            continue
        try:
            found = plans(
                rule.id, rule.id, rule.params, rule.obligation, system, distinct=rule.distinct
            )
            bad[rule.id] = disj(loom.watch(plan) for plan in found)
        except UnweavableError as reason:
            unwoven[rule.id] = str(reason)
    return Woven(loom.system(), bad, unwoven)


@dataclass(frozen=True, slots=True)
class Owed:
    """`leads to` woven into a System: `system`, and the variable that says what is unanswered.

    `variable` is 0 while nothing is owed; a step that changes it answers what was owed before. So
    the rule is broken by the runs in which it ends up being something else than 0 for ever, and
    the same. `family`: it exists once for each instance; None: once.
    """

    system: System
    variable: str
    family: str | None

    def unanswered(self, index: Index) -> Expr:
        """Something is owed to the instance `index`."""
        return neg(member(Ref(self.variable, index), (0,)))


def weave_leads_to(system: System, rule: Rule) -> Owed:
    """`system` (with its assumptions woven in) with an observer of `rule`, which is a `leads to`.

    Raises UnweavableError for a rule that cannot be observed.
    """
    if len(rule.params) > 1:
        raise UnweavableError("a `leads to` can be followed for one instance only")
    loom = Loom(system)
    (plan,) = plans(rule.id, rule.id, rule.params, rule.obligation, system)
    _, (laid,) = loom.add(plan)
    param = laid.observer.param
    return Owed(loom.system(), laid.observer.name, None if param is None else param.family)


# ---- assumptions as rules ------------------------------------------------------------------------
def as_rule(assumption: Assumption) -> Rule:
    """The rule that says what `assumption` says, for who watches whether it is kept."""
    kind: RuleKind
    match assumption.obligation:
        case Never():
            kind = "never"
        case NeverBefore():
            kind = "before"
        case NeverAfter():
            kind = "after"
        case Within():
            kind = "within"
        case Early():
            kind = "early"
    return Rule(
        assumption.id,
        assumption.id,
        assumption.sentence,
        kind,
        assumption.params,
        assumption.obligation,
        span=assumption.span,
    )


# ---- assumptions ---------------------------------------------------------------------------------
def _assume(system: System, assumption: Assumption) -> System:
    """`system` in which `assumption` holds."""
    rule = assumption.id
    try:
        found = plans(rule, f"assume {rule}", assumption.params, assumption.obligation, system)
        for plan in found:
            system = _restricted(system, assumption, plan)
    except UnweavableError as reason:
        raise AssumptionError(rule, None, str(reason)) from None
    return system


def _restricted(system: System, assumption: Assumption, plan: Plan) -> System:
    loom = Loom(system)
    plan, laid = loom.add(plan)
    system = loom.system()
    if plan.within is not None:
        (armed,) = laid
        more = armed.deadlines(assumption.id, plan.within, assumption.actor)
        return replace(system, deadlines=(*system.deadlines, *more))
    if not _only_falls(plan.state, positive=True):
        raise AssumptionError(
            assumption.id,
            None,
            "time alone can break it; a response in time is written `when … leads to … within T`",
        )
    known = domains(system)
    transitions = []
    for transition in system.transitions:
        view = StepView(system, transition, known)
        broken = disj(
            _somewhere(view, plan, formula)
            for formula in (
                view.before(plan.step, plan.families),
                conj((neg(plan.state), view.after(plan.state, plan.families))),
            )
        )
        broken = view.simplify(broken)
        if broken == FALSE:
            transitions.append(transition)
        elif transition.actor == assumption.actor:
            guard = conj((transition.guard, neg(broken)))
            transitions.append(replace(transition, guard=guard))
        elif impossible(broken, view.facts):
            transitions.append(transition)
        else:
            raise AssumptionError(
                assumption.id,
                transition.key,
                f"a step of {transition.actor} could break it ({transition.label.short}), and only "
                f"{assumption.actor} is assumed to keep to it",
            )
    start = neg(exists(plan, initially(plan.state)))
    return replace(
        system, transitions=tuple(transitions), initially=conj((system.initially, start))
    )


def _somewhere(view: StepView, plan: Plan, formula: Expr) -> Expr:
    """Whether a condition on the state before the step holds for some choice of instances."""
    if formula == FALSE:
        return FALSE
    body = conj((formula, plan.distinct))
    for param in reversed(plan.params):
        body = view.exists(param.name, param.family, view.simplify(body))
    return body


def _only_falls(formula: Expr, *, positive: bool) -> bool:
    """Whether the passing of time can make `formula` false but never true."""
    match formula:
        case ClockCmp(_, _, op, _):
            return (op in ("<", "<=")) == positive
        case ClockDiff():
            return False  # it grows or shrinks while one of the clocks stands still
        case Not(arg):
            return _only_falls(arg, positive=not positive)
        case And(args) | Or(args):
            return all(_only_falls(arg, positive=positive) for arg in args)
        case Forall(_, _, body) | Exists(_, _, body):
            return _only_falls(body, positive=positive)
        case _:
            return not reads_clocks(formula)
