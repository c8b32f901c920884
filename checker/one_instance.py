"""The argument for every number of instances: explore one instance plus environment, re-check.

Owns the order in which rules are tried on the abstraction (`checker.local`): all at once without
clocks, then each that this does not prove with as few clocks as it takes. A proof counts when Z3
agrees that the reachable set is inductive and excludes the goal, in the abstraction and, one copy
an instance, with 1, 2 and 3 instances. A run of the abstraction counts only once it is a run of
the spec.

Rules that look at steps bring an observer each, and observers multiply states. So state rules go
first, together; the others in batches that are split in halves where they grow too large.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rhscheck.checker import fixed
from rhscheck.checker.answer import Answer, Confirmed, Open, Task, confirm, located
from rhscheck.checker.explore import Exploration, explore
from rhscheck.checker.independence import rule_dependence
from rhscheck.checker.local import Dependence
from rhscheck.checker.model import Model
from rhscheck.checker.realise import instance_maps
from rhscheck.checker.recheck import Copy, identity
from rhscheck.checker.schedule import Reached, Undecided, Unreachable, refine
from rhscheck.checker.timelock import TimeCheck, check_time
from rhscheck.checker.verdict import Impossible, ProvedFor, ProvedForEvery, Unknown, steps
from rhscheck.spec.expr import Happens, Post, walk
from rhscheck.spec.system import (
    Can,
    Early,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Rule,
    Within,
)

CONCRETE = (1, 2, 3)  # numbers of instances at which every invariant is re-checked as well
_BATCH_LIMIT = 60_000  # nodes that several rules together may take


def looks_at_steps(rule: Rule) -> bool:
    """Whether weaving gives `rule` an observer."""
    match rule.obligation:
        case Never(formula) | Can(formula):
            return any(isinstance(node, Happens | Post) for node in walk(formula))
        case NeverBefore() | NeverAfter() | Within() | Early() | LeadsTo():
            return True


@dataclass(slots=True)
class OneInstance:
    """One run of the argument for `task`. `answers` has an entry for every rule, in the end."""

    task: Task
    answers: dict[str, Answer | Open] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # of the stages a rule took part in
    untimed: Exploration | None = None  # of the abstraction without observers
    _time: TimeCheck | None = None

    def run(self, likely: Collection[str] = ()) -> None:
        """Try every rule of the task. `likely`: rules that probably are reached (tried alone)."""
        base = self.task.weave([])
        made = base.abstraction
        if isinstance(made, Dependence):
            notes = tuple(f"not independent: {located(reason)}" for reason in made.reasons)
            self._open(self.task.rules, notes)
            return
        local_rules: list[Rule] = []
        for rule in self.task.rules:
            reason = rule_dependence(base.system, rule)
            if reason is None:
                local_rules.append(rule)
            else:
                self._open([rule], (f"not independent: {located(reason)}",))
        states = [rule for rule in local_rules if not looks_at_steps(rule)]
        observed = [rule for rule in local_rules if looks_at_steps(rule)]
        safety = [rule for rule in observed if not isinstance(rule.obligation, Can)]
        self._batch(states)
        self._batch([rule for rule in safety if rule.id not in likely])
        for rule in [r for r in observed if r not in safety or r.id in likely]:
            self._alone(rule)

    # ---- untimed, several rules at once --------------------------------------------------------
    def _batch(self, rules: Sequence[Rule]) -> None:
        started = time.monotonic()
        left = self._together(rules)
        self._spent(rules, started)
        for part in left:
            if len(part) == 1:
                self._alone(part[0])
            else:
                self._batch(part)

    def _together(self, rules: Sequence[Rule]) -> Sequence[Sequence[Rule]]:
        """Prove the rules that are not reached without clocks; what is left to try, in batches."""
        task = self.task
        if self._out_of_time(rules) or (not rules and self.untimed is not None):
            return ()
        halves = (rules[: len(rules) // 2], rules[len(rules) // 2 :])
        model = task.weave(rules)
        if isinstance(model.abstraction, Dependence):
            return halves if len(rules) > 1 else (rules,)
        task.say(f"one instance plus environment: {len(rules)} rules, without clocks")
        exploration = explore(
            model.local,
            {rule.id: model.local_formula(rule.id) for rule in rules},
            limit=_BATCH_LIMIT if len(rules) > 1 else task.limit,
            cancelled=task.budget.over,
            compiled=model.local_compiled,
        )
        if self._out_of_time(rules):
            return ()
        if not exploration.complete:
            return halves if len(rules) > 1 else (rules,) if rules else ()
        if self.untimed is None:
            self.untimed = exploration
        self._prove(model, exploration, [r for r in rules if r.id not in exploration.found])
        return [[rule] for rule in rules if rule.id in exploration.found]

    # ---- one rule, with clocks where needed ----------------------------------------------------
    def _alone(self, rule: Rule) -> None:
        started = time.monotonic()
        if not self._out_of_time([rule]):
            self._refined(rule)
        self._spent([rule], started)

    def _refined(self, rule: Rule) -> None:
        task = self.task
        model = task.weave([rule])
        made = model.abstraction
        if isinstance(made, Dependence):
            notes = tuple(f"not independent: {located(reason)}" for reason in made.reasons)
            self._open([rule], notes)
            return
        task.say(f"{rule.id}: one instance plus environment")
        outcome = refine(
            model.local,
            {rule.id: model.local_formula(rule.id)},
            limit=task.limit,
            cancelled=task.budget.over,
            compiled=model.local_compiled,
        )[rule.id]
        match outcome:
            case Unreachable(exploration):
                self._prove(model, exploration, [rule])
            case Undecided(reason, at_least):
                if not self._out_of_time([rule]):
                    self._open([rule], (f"one instance: {reason}",), at_least)
            case Reached():
                self._reached(model, rule, outcome)

    def _reached(self, model: Model, rule: Rule, reached: Reached) -> None:
        least = len(reached.positions)
        query = fixed.Query(self.task, model, rule, self.task.n or 1, at_least=least)
        answer = fixed.padded(query, reached)
        if answer is not None:
            self.answers[rule.id] = answer
            return
        notes = [
            "the one-instance argument does not exclude it: "
            f"{steps(least)}, some of other instances"
        ]
        notes += [located(reason) for reason in model.independent.weakened]
        goal = model.local_goal(rule.id)
        if goal.weakened:
            notes.append(f"rule {rule.id} speaks of several instances")
        self._open([rule], tuple(notes), least)

    # ---- proofs --------------------------------------------------------------------------------
    def _prove(self, model: Model, exploration: Exploration, rules: Sequence[Rule]) -> None:
        """`exploration` does not reach the goals of `rules`: re-check it and say so."""
        if not rules:
            return
        task = self.task
        task.say(f"re-checking the invariant of {len(rules)} rules")
        invariant = exploration.invariant()
        where = "of one instance plus environment"
        goals = {rule.id: model.local_formula(rule.id) for rule in rules}
        checked = confirm(
            where, model.local, [identity(invariant, model.local)], goals, task.budget
        )
        rlimit = checked.rlimit
        if not isinstance(checked, Confirmed):
            self._answer(rules, Answer(Unknown(checked.reason), "local", rlimit))
            return
        numbers: list[int] = []
        notes: list[str] = []
        parametric = bool(task.system.parametric)
        for n in (task.n,) if task.n is not None else CONCRETE if parametric else (1,):
            at = model.ground(n)
            copies = [
                Copy(invariant, slots, clocks)
                for slots, clocks in instance_maps(model.local, at, exploration.tracked)
            ]
            bad = {rule.id: model.formula(rule.id, n) for rule in rules}
            task.say(f"re-checking the invariant of {len(rules)} rules, N={n}")
            concrete = confirm(f"for N={n}", at, copies, bad, task.budget)
            rlimit += concrete.rlimit
            if isinstance(concrete, Confirmed):
                numbers.append(n)
            else:
                notes.append(concrete.reason)
        for rule in rules:
            if isinstance(rule.obligation, Within):
                stops = self.time().reason
                if stops is not None:
                    self._open([rule], (stops,))
                    continue
            if isinstance(rule.obligation, Can):
                self._answer([rule], Answer(Impossible(task.n), "local", rlimit, tuple(notes)))
            elif task.n is not None:
                self._answer([rule], Answer(ProvedFor(task.n), "local", rlimit, tuple(notes)))
            else:
                verdict = ProvedForEvery(tuple(numbers))
                self._answer([rule], Answer(verdict, "local", rlimit, tuple(notes)))

    def time(self) -> TimeCheck:
        """Whether time may stop, for some number of instances. The task has to be independent."""
        if self._time is None:
            model = self.task.weave([])
            made = model.independent
            if made.blind:
                self._time = TimeCheck(f"time may stop: {located(made.blind[0])}")
            else:
                where = "of one instance plus environment"
                self._time = check_time(self.task, model.local_compiled, made.exact, where)
        return self._time

    # ---- answers -------------------------------------------------------------------------------
    def _answer(self, rules: Sequence[Rule], answer: Answer) -> None:
        for rule in rules:
            self.answers[rule.id] = answer

    def _open(self, rules: Sequence[Rule], notes: tuple[str, ...], at_least: int = 0) -> None:
        for rule in rules:
            self.answers[rule.id] = Open(notes, at_least)

    def _spent(self, rules: Sequence[Rule], started: float) -> None:
        for rule in rules:
            self.seconds[rule.id] = self.seconds.get(rule.id, 0.0) + time.monotonic() - started

    def _out_of_time(self, rules: Sequence[Rule]) -> bool:
        if not self.task.budget.over():
            return False
        self._answer(rules, Answer(Unknown(self.task.budget.reason), "local"))
        return True
