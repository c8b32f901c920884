"""Why a rule is broken (or a permission witnessed) at the end of a run, in the rule's own formula.

Owns the evaluation of rule formulas on one concrete step, in order to show them: which instances
break the rule, and what each part of its formula says there. Verdicts come from the woven System
(`spec.rules`), never from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from rhscheck.spec.describe import describe, duration
from rhscheck.spec.expr import (
    And,
    Expr,
    Happens,
    Index,
    Lit,
    Or,
    Post,
    clocks_read,
    refs,
    rename,
    transform,
    walk,
)
from rhscheck.spec.ground import Ground, GroundTransition, bindings, expand
from rhscheck.spec.semantics import State, evaluate
from rhscheck.spec.system import (
    EACH,
    SELF,
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


@dataclass(frozen=True, slots=True)
class Moment:
    """The last step of a run: the states around it and what was done (None: time passed)."""

    ground: Ground
    before: State
    step: GroundTransition | None
    after: State

    def happened(self, what: Happens) -> bool:
        """Whether the step is what `what` speaks of."""
        if self.step is None:
            return False
        if what.kind == "reset":
            return any(
                machine == what.name and self._holds_before(where, what.index)
                for machine, where in self.step.template.resets_machines
            )
        return any(_is(label, what) for label in (self.step.label, *self.step.also))

    def _holds_before(self, where: Expr, index: Index) -> bool:
        assert self.step is not None
        binding: dict[str, Index] = {**dict(self.step.binding), EACH: index}
        return bool(evaluate(self.ground.expand(where, binding), self.ground, self.before))

    def state_for(self, formula: Expr) -> State:
        """The state that a whole rule formula reads: before the step if it speaks of a step."""
        return self.before if is_step(formula) else self.after

    def holds(self, formula: Expr, state: State) -> bool:
        """Whether a part of a ground rule formula that reads `state` is true."""

        def settle(node: Expr) -> Expr | None:
            match node:
                case Happens():
                    return Lit(int(self.happened(node)))
                case Post(body):
                    return Lit(evaluate(body, self.ground, self.after))
                case _:
                    return None

        return bool(evaluate(transform(formula, settle), self.ground, state))

    def say(self, formula: Expr, state: State) -> str:
        """The formula with its values, those after the step where it says so."""
        if isinstance(formula, Post):
            return describe(formula.body, self.ground, self.after)
        if any(isinstance(node, Happens | Post) for node in walk(formula)):
            return describe(formula, self.ground)
        return describe(formula, self.ground, state)


def is_step(formula: Expr) -> bool:
    """Whether a formula speaks of a step rather than of a state."""
    return any(isinstance(node, Happens | Post) for node in walk(formula))


def _is(label: Label, what: Happens) -> bool:
    return (
        (label.kind, label.name) == (what.kind, what.name)
        and label.index == what.index
        and what.value in (None, label.value)
    )


def why(moment: Moment, rule: Rule, bad: Expr | None = None) -> tuple[str, ...]:
    """What the rule's formula says at `moment`, a part a line, for the instances that it concerns.

    For a permission: what makes it witnessed. `bad` is the woven rule's formula, if the moment's
    Ground is woven; it says which instances are meant where the last step does not. Empty if the
    rule does not speak of this moment.
    """
    for binding in bindings(rule.params, moment.ground.system, moment.ground.n):
        if (rule.distinct and _repeats(rule, binding)) or not _concerned(moment, bad, binding):
            continue
        lines = _lines(moment, rule, binding)
        if lines:
            names = [
                f"{param.name} = {param.family}[{binding[param.name]}]"
                for param in rule.params
                if param.name != SELF
            ]
            return (*([", ".join(names)] if names else []), *lines)
    return ()


def _concerned(moment: Moment, bad: Expr | None, binding: dict[str, Index]) -> bool:
    """Whether some true alternative of the woven rule speaks of these instances only."""
    if bad is None:
        return True
    formula = moment.ground.expand(bad, {})
    chosen = {None, *binding.values()}
    return any(
        chosen.issuperset([ref.index for ref in refs(part)] + [at for _, at in clocks_read(part)])
        and evaluate(part, moment.ground, moment.after)
        for part in (formula.args if isinstance(formula, Or) else (formula,))
    )


def _repeats(rule: Rule, binding: dict[str, Index]) -> bool:
    chosen = [(param.family, binding[param.name]) for param in rule.params]
    return len(set(chosen)) < len(chosen)


def _lines(moment: Moment, rule: Rule, binding: dict[str, Index]) -> tuple[str, ...]:
    ground = moment.ground

    def bound(formula: Expr) -> Expr:
        return expand(rename(formula, binding), {}, ground.system, ground.n)

    match rule.obligation:
        case Never(formula) | Can(formula):
            return _if_true(moment, bound(formula))
        case NeverBefore(what, milestone):
            happened = _if_true(moment, bound(what))
            missing = describe(bound(milestone), ground)
            return (*happened, f"although not yet: {missing}") if happened else ()
        case NeverAfter(what, milestone):
            happened = _if_true(moment, bound(what))
            past = describe(bound(milestone), ground)
            return (*happened, f"although already: {past}") if happened else ()
        case Within(trigger, response, limit):
            due = duration(limit, ground.system.unit_us)
            answer = moment.say(bound(response), moment.after)
            return (
                f"{due} have passed since: {describe(bound(trigger), ground)}",
                f"without: {answer}",
            )
        case Early(what, trigger, limit):
            happened = _if_true(moment, bound(what))
            least = duration(limit, ground.system.unit_us)
            since = describe(bound(trigger), ground)
            return (*happened, f"less than {least} after: {since}") if happened else ()
        case LeadsTo(trigger, response):
            return (
                f"after: {describe(bound(trigger), ground)}",
                f"never: {describe(bound(response), ground)}",
            )
        case _:
            assert_never(rule.obligation)


def _if_true(moment: Moment, formula: Expr) -> tuple[str, ...]:
    """The parts that make a whole ground formula true, none if it is false."""
    state = moment.state_for(formula)
    return _parts(moment, formula, state) if moment.holds(formula, state) else ()


def _parts(moment: Moment, formula: Expr, state: State) -> tuple[str, ...]:
    """The conjuncts, and of a disjunction the first true member, each with its values."""
    match formula:
        case And(args):
            return tuple(text for arg in args for text in _parts(moment, arg, state))
        case Or(args):
            chosen = next(arg for arg in args if moment.holds(arg, state))
            return _parts(moment, chosen, state)
        case Post(body) if isinstance(body, And | Or):
            return _parts(moment, body, moment.after)
        case Lit():
            return ()
        case _:
            return (moment.say(formula, state),)
