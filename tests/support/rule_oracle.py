"""Rules judged directly over a run: what their definitions say, with no observers.

An independent second opinion on `spec.rules`. A run is a list of moments; everything is looked up
in the past of the moment that is judged, as slowly as it may be.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from rhscheck.spec.evaluate import State, Time, evaluate
from rhscheck.spec.expr import (
    And,
    Eq,
    Exists,
    Expr,
    Forall,
    Happens,
    In,
    Index,
    Ite,
    Not,
    Or,
    Post,
    rename,
    walk,
)
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.semantics import Run, elapse, fire
from rhscheck.spec.system import (
    EACH,
    Can,
    Early,
    Never,
    NeverAfter,
    NeverBefore,
    Obligation,
    Param,
    Within,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """The `state` at `time`, and the step that led to it (None at the start and after a delay)."""

    time: Time
    state: State
    before: State
    step: GroundTransition | None


def moments(ground: Ground, run: Run) -> list[Moment]:
    """The run's beginning, and what is reached by each delay and each step."""
    time: Time = 0
    state = run.initial
    found = [Moment(time, state, state, None)]
    for step in run.steps:
        if step.delay:
            time += step.delay
            state = elapse(ground, state, step.delay)
            found.append(Moment(time, state, state, None))
        if step.transition is not None:
            before, state = state, fire(ground, state, step.transition)
            found.append(Moment(time, state, before, ground.transitions[step.transition]))
    return found


class Oracle:
    """Judges one obligation for one choice of instances."""

    def __init__(self, ground: Ground, params: tuple[Param, ...], choice: dict[str, Index]) -> None:
        self.ground = ground
        self.choice = choice
        self.params = params
        self.owner = params[0] if len(params) == 1 else None

    # -- formulas --------------------------------------------------------------------------------
    def bound(self, formula: Expr) -> Expr:
        return rename(formula, self.choice)

    def holds(self, formula: Expr, state: State) -> bool:
        """Whether a state part of the (bound) formula holds."""
        match formula:
            case _ if not speaks(formula):
                return bool(evaluate(self.ground.expand(formula, {}), self.ground, state))
            case Or(args):
                return any(self.holds(arg, state) for arg in args)
            case Exists(param, family, body):
                return any(
                    self.holds(rename(body, {param: k}), state)
                    for k in self.ground.instances(family)
                )
            case _:
                return False

    def happens(self, formula: Expr, moment: Moment) -> bool:
        """Whether a step part of the (bound) formula is true of the step to this moment."""
        if moment.step is None:
            return False
        match formula:
            case _ if not speaks(formula):
                return False
            case Or(args):
                return any(self.happens(arg, moment) for arg in args)
            case Exists(param, family, body):
                return any(
                    self.happens(rename(body, {param: k}), moment)
                    for k in self.ground.instances(family)
                )
            case _:
                return self.judge(formula, moment)

    def judge(self, formula: Expr, moment: Moment) -> bool:
        """A whole formula about a step."""
        assert moment.step is not None
        match formula:
            case Happens("reset", machine, _, index):
                bound: dict[str, Index] = dict(moment.step.binding)
                return any(
                    name == machine
                    and self.now(rename(which, {**bound, EACH: index}), moment.before)
                    for name, which in moment.step.template.resets_machines
                )
            case Happens(kind, name, value, index):
                return any(
                    (label.kind, label.name, label.index) == (kind, name, index)
                    and value in (None, label.value)
                    for label in (moment.step.label, *moment.step.also)
                )
            case Post(body):
                return self.now(body, moment.state)
            case And(args):
                return all(self.judge(arg, moment) for arg in args)
            case Or(args):
                return any(self.judge(arg, moment) for arg in args)
            case Not(arg):
                return not self.judge(arg, moment)
            case Exists(param, family, body) | Forall(param, family, body):
                answers = (
                    self.judge(rename(body, {param: k}), moment)
                    for k in self.ground.instances(family)
                )
                return any(answers) if isinstance(formula, Exists) else all(answers)
            case Ite() | In() | Eq() if speaks(formula):
                raise NotImplementedError("the strategies do not draw these")
            case _:
                return self.now(formula, moment.before)

    def now(self, formula: Expr, state: State) -> bool:
        return bool(evaluate(self.ground.expand(formula, {}), self.ground, state))

    def reset(self, moment: Moment) -> bool:
        if self.owner is None:
            return False
        number = self.choice[self.owner.name]
        return self.happens(Happens("reset", self.owner.family, None, number), moment)

    def remember(self, milestone: Expr) -> None:
        """Of several instances, the one that the milestone speaks of is looked back to."""
        used = [p for p in self.params if rename(milestone, {p.name: 1}) != milestone]
        if len(self.params) > 1:
            self.owner = used[0] if len(used) == 1 else None

    # -- the past ----------------------------------------------------------------------------------
    def seen(self, milestone: Expr, past: list[Moment]) -> bool:
        """Whether the milestone was, since the last reset, at one of these moments."""
        for moment in reversed(past):
            if self.holds(milestone, moment.state):
                return True
            if self.reset(moment):
                return False
            if self.happens(milestone, moment):
                return True
        return False

    def broken(self, obligation: Obligation, run: list[Moment], at: int) -> bool:
        """Whether the rule is broken in the state of moment `at`, or was by a step until then."""
        now = run[at]
        match obligation:
            case Never(formula) | Can(formula):
                what = self.bound(formula)
                return self.holds(what, now.state) or any(
                    self.happens(what, moment) for moment in run[: at + 1]
                )
            case NeverBefore(one, two):
                self.remember(two)
                what, milestone = self.bound(one), self.bound(two)
                for k in range(1, at + 1):
                    itself = self.happens(milestone, run[k]) or self.holds(milestone, run[k].state)
                    if (
                        self.happens(what, run[k])
                        and not itself
                        and not self.seen(milestone, run[:k])
                    ):
                        return True
                return self.holds(what, now.state) and not self.seen(milestone, run[: at + 1])
            case NeverAfter(one, two):
                self.remember(two)
                what, milestone = self.bound(one), self.bound(two)
                for k in range(1, at + 1):
                    if self.happens(what, run[k]) and self.seen(milestone, run[:k]):
                        return True
                    earlier = self.seen(milestone, run[:k]) or self.happens(milestone, run[k])
                    fresh = run[k].step is None or self.reset(run[k])
                    entered = has_state(milestone) and not fresh and earlier
                    if entered and self.holds(what, run[k].state):
                        return True
                if has_state(milestone):
                    return False
                return self.holds(what, now.state) and self.seen(milestone, run[: at + 1])
            case Within(one, two, bound, later):
                trigger, response = self.bound(one), self.bound(two)
                since: Time | None = None
                for moment in run[: at + 1]:
                    asked, answered = self.happens(trigger, moment), self.happens(response, moment)
                    if answered:
                        since = None
                    if asked and since is None and (later or not answered):
                        since = moment.time
                    if self.holds(response, moment.state):
                        since = None
                    elif self.holds(trigger, moment.state) and since is None:
                        since = moment.time
                return since is not None and now.time - since > bound
            case Early(one, two, bound):
                what, trigger = self.bound(one), self.bound(two)
                last: Time | None = None
                for moment in run[: at + 1]:
                    if self.holds(trigger, moment.before):
                        last = moment.time
                    soon = last is not None and moment.time - last < bound
                    if soon and self.happens(what, moment):
                        return True
                    if self.happens(trigger, moment) or self.holds(trigger, moment.state):
                        last = moment.time
                soon = last is not None and now.time - last < bound
                return soon and self.holds(what, now.state)
            case _:
                raise NotImplementedError(obligation)


def broken(
    ground: Ground,
    params: tuple[Param, ...],
    obligation: Obligation,
    run: list[Moment],
    at: int,
    *,
    distinct: bool = True,
) -> bool:
    """Whether the obligation is broken at (or by a step before) moment `at` for some instances."""
    for numbers in itertools.product(*(ground.instances(param.family) for param in params)):
        if distinct and len(set(numbers)) < len(numbers):
            continue
        choice: dict[str, Index] = {
            param.name: number for param, number in zip(params, numbers, strict=True)
        }
        if Oracle(ground, params, choice).broken(obligation, run, at):
            return True
    return False


def speaks(formula: Expr) -> bool:
    return any(isinstance(node, Happens | Post) for node in walk(formula))


def has_state(formula: Expr) -> bool:
    match formula:
        case _ if not speaks(formula):
            return True
        case Or(args):
            return any(has_state(arg) for arg in args)
        case Exists(_, _, body):
            return has_state(body)
        case _:
            return False
