"""The argument for every number of instances: explore one instance plus environment, re-check.

Owns the order in which rules are tried on the abstraction (`checker.local`). All rules are woven
into one System (those about too-early events, which split transitions, into another). Rules without
time are decided together, without clocks; each timed rule alone, with as few variables and clocks
as it takes (`checker.narrow`). What is excluded counts once it was re-checked (`checker.proofs`), a
run of the abstraction once it is a run of the spec.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rhscheck.checker import fixed
from rhscheck.checker.answer import Answer, Open, Task, TimeCheck, Unconfirmed, located
from rhscheck.checker.explore import explore
from rhscheck.checker.independence import rule_dependence
from rhscheck.checker.local import Dependence
from rhscheck.checker.local_time import time_for_every
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, GaveUp, Missing, Real, cone, narrow, walk
from rhscheck.checker.project import Projection, TooManyOutcomes, project
from rhscheck.checker.proofs import Proof, Rechecked, named, recheck_rules, skeleton
from rhscheck.checker.schedule import Reached
from rhscheck.checker.verdict import Impossible, ProvedFor, ProvedForEvery, Unknown, steps
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import Run
from rhscheck.spec.system import Can, Early, Rule, Within

_TOGETHER = 60_000  # nodes that several rules together may take


@dataclass(slots=True)
class EveryN:
    """One run of the argument for `task`. In the end every rule has an answer."""

    task: Task
    answers: dict[str, Answer | Open] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # of the stages a rule took part in
    _alone: float = 0.0  # seconds spent on one rule while a group was at work

    def run(self, asked: Sequence[Rule] | None = None) -> None:
        """Try the rules `asked` for, None: every rule of the task."""
        asked = self.task.rules if asked is None else asked
        base = self.task.weave([])
        made = base.abstraction
        if isinstance(made, Dependence):
            self._open(asked, _dependences(made))
            return
        rules: list[Rule] = []
        for rule in asked:
            reason = rule_dependence(base.system, rule)
            if reason is None:
                rules.append(rule)
            else:
                self._open([rule], (f"not independent: {located(reason)}",))
        self._group([rule for rule in rules if not isinstance(rule.obligation, Early)])
        self._group([rule for rule in rules if isinstance(rule.obligation, Early)])

    def time(self) -> TimeCheck:
        """Whether time may stop, for some number of instances. The task has to be independent."""
        return time_for_every(self.task)

    # ---- one System ------------------------------------------------------------------------------
    def _group(self, rules: Sequence[Rule]) -> None:
        """Decide `rules` in one System, or in smaller groups where they do not fit into one."""
        if not rules or self._out_of_time(rules):
            return
        started, alone = time.monotonic(), self._alone
        model = self.task.weave(rules)
        made = model.abstraction
        split = isinstance(made, Dependence)
        if isinstance(made, Dependence) and len(rules) == 1:
            self._open(rules, _dependences(made))
        elif not split:
            for rule in rules:
                if rule.id in model.unwoven:
                    self._answer([rule], Answer(Unknown(model.unwoven[rule.id]), "local"))
            split = not self._decide(model, [rule for rule in rules if rule.id in model.bad])
        self._spent(rules, time.monotonic() - started - (self._alone - alone))
        if split and len(rules) > 1:
            middle = len(rules) // 2
            self._group(rules[:middle])
            self._group(rules[middle:])

    def _decide(self, model: Model, rules: Sequence[Rule]) -> bool:
        """Answers for all of `rules`; False if they have to be tried in smaller groups."""
        timed = [rule for rule in rules if isinstance(rule.obligation, Within | Early)]
        untimed = [rule for rule in rules if rule not in timed]
        proofs: list[Proof] = []
        if untimed and not self._untimed(model, untimed, proofs, alone=len(rules) == 1):
            return False
        for rule in timed:
            self._narrowed(model, rule, proofs)
        self._prove(model, proofs)
        return True

    def _untimed(
        self, model: Model, rules: Sequence[Rule], proofs: list[Proof], *, alone: bool
    ) -> bool:
        """What is unreachable whatever the timing becomes a proof in `proofs`.

        Rules that are reached get their answer, or a proof of their own. False if it was too much,
        and nothing was decided; never if the rules are `alone`.
        """
        task, whole = self.task, model.local
        task.say(f"one instance plus environment: {named(rules)}, without clocks")
        goals = {rule.id: model.local_formula(rule.id) for rule in rules}
        keep = {at for at, slot in enumerate(whole.slots) if slot.variable.role != "observer"}
        for goal in goals.values():
            keep |= cone(whole, goal)[0]
        projection = _projected(whole, keep)
        compiled = compile_ground(projection.ground)
        exploration = explore(
            projection.ground, goals, limit=task.limit if alone else _TOGETHER,
            cancelled=task.budget.over, compiled=compiled,
        )  # fmt: skip
        if self._out_of_time(rules):
            return True
        if not exploration.complete:
            if alone:
                reasons = (f"one instance: {exploration.reason}",)
                self._open(rules, reasons, exploration.depth + 1)
            return alone
        left = tuple(rule for rule in rules if rule.id not in exploration.found)
        if left:
            proofs.append(Proof(left, projection, exploration))
        for rule in rules:
            node = exploration.found.get(rule.id)
            if node is None:
                continue
            initial, path = exploration.path(node)
            found = walk(
                whole, model.local_compiled, projection, compiled, initial, path, goals[rule.id]
            )
            if isinstance(found, Missing):
                self._narrowed(model, rule, proofs, found)
            else:
                self._reached(model, rule, found, tuple(projection.origin[at] for at in path))
        return True

    def _narrowed(
        self, model: Model, rule: Rule, proofs: list[Proof], missing: Missing | None = None
    ) -> None:
        """One rule with as few variables and clocks as it takes; a proof is added to `proofs`."""
        started, alone = time.monotonic(), self._alone
        if self._out_of_time([rule]):
            return
        task, whole = self.task, model.local
        task.say(f"{rule.id}: one instance plus environment, with clocks")
        goal = model.local_formula(rule.id)
        slots, clocks = cone(whole, goal)
        keep = skeleton(whole)
        if missing is not None:
            keep |= missing.slots
            clocks |= missing.clocks
        outcome = narrow(
            whole, model.local_compiled, rule.id, goal, keep=keep | slots, tracked=clocks,
            limit=task.limit, cancelled=task.budget.over,
        )  # fmt: skip
        match outcome:
            case Excluded(projection, exploration):
                proofs.append(Proof((rule,), projection, exploration))
            case Real(run, positions):
                self._reached(model, rule, run, positions)
            case GaveUp(reason, at_least):
                if not self._out_of_time([rule]):
                    self._open([rule], (f"one instance: {reason}",), at_least)
        seconds = time.monotonic() - started - (self._alone - alone)
        self._alone += seconds
        self._spent([rule], seconds)

    def _reached(self, model: Model, rule: Rule, run: Run, positions: tuple[int, ...]) -> None:
        """The abstraction has a run to the goal of `rule`, and none that is shorter."""
        split = len(model.system.transitions) != len(self.task.system.transitions)
        if split and len(model.rules) > 1:
            # Another rule split transitions by clocks, which is no difference to this one: which of
            # two halves comes first must not decide what is shown.
            proofs: list[Proof] = []
            self._narrowed(self.task.weave([rule]), rule, proofs)
            if proofs:
                raise AssertionError("a rule is reached beside others and not alone")
            return
        least = len(positions)
        query = fixed.Query(self.task, model, rule, self.task.n or 1, at_least=least)
        answer = fixed.padded(query, Reached(run, positions, ()))
        if answer is not None:
            self._answer([rule], answer)
            return
        notes = [
            "the one-instance argument does not exclude it: "
            f"{steps(least)}, some of other instances"
        ]
        notes += [located(reason) for reason in model.independent.weakened]
        if model.local_goal(rule.id).weakened:
            notes.append(f"rule {rule.id} speaks of several instances")
        self._open([rule], tuple(notes), least)

    # ---- proofs ----------------------------------------------------------------------------------
    def _prove(self, model: Model, proofs: Sequence[Proof]) -> None:
        """Re-check `proofs` together, one by one if that is too much, and answer their rules."""
        rules = [rule for proof in proofs for rule in proof.rules]
        if not rules or self._out_of_time(rules):
            return
        checked = recheck_rules(self.task, model, proofs)
        match checked:
            case Rechecked():
                for rule in rules:
                    self._proved(rule, checked)
            case Unconfirmed() if len(proofs) > 1 and not self.task.budget.over():
                for proof in proofs:
                    self._prove(model, [proof])
            case Unconfirmed(reason, rlimit):
                self._answer(rules, Answer(Unknown(reason), "local", rlimit))

    def _proved(self, rule: Rule, checked: Rechecked) -> None:
        """`rule` is excluded; a bounded response is proved only if time cannot stop, either."""
        n = self.task.n
        if isinstance(rule.obligation, Within):
            stops = self.time().reason
            if stops is not None:
                self._open([rule], (stops,))
                return
        verdict: Impossible | ProvedFor | ProvedForEvery
        if isinstance(rule.obligation, Can):
            verdict = Impossible(n)
        else:
            verdict = ProvedForEvery(checked.numbers) if n is None else ProvedFor(n)
        self._answer([rule], Answer(verdict, "local", checked.rlimit, checked.notes))

    # ---- answers ---------------------------------------------------------------------------------
    def _answer(self, rules: Sequence[Rule], answer: Answer) -> None:
        for rule in rules:
            self.answers[rule.id] = answer
            self.task.answered(rule, answer)

    def _open(self, rules: Sequence[Rule], notes: tuple[str, ...], at_least: int = 0) -> None:
        for rule in rules:
            self.answers[rule.id] = Open(notes, at_least)

    def _spent(self, rules: Sequence[Rule], seconds: float) -> None:
        for rule in rules:
            self.seconds[rule.id] = self.seconds.get(rule.id, 0.0) + seconds / len(rules)

    def _out_of_time(self, rules: Sequence[Rule]) -> bool:
        """Whether the time is used up; then that is the answer for those that have none."""
        if not self.task.budget.over():
            return False
        undecided = [rule for rule in rules if rule.id not in self.answers]
        self._answer(undecided, Answer(Unknown(self.task.budget.reason), "local"))
        return True


def for_every_number(task: Task, rules: Sequence[Rule], found: EveryN) -> None:
    """Add to `found`, whose task is `task`, an answer to each of `rules`."""
    assert found.task is task
    found.run(rules)


def _projected(whole: Ground, keep: set[int]) -> Projection:
    """The projection to `keep`, and to what else it takes."""
    while True:
        try:
            return project(whole, keep)
        except TooManyOutcomes as error:
            keep = keep | error.slots


def _dependences(made: Dependence) -> tuple[str, ...]:
    return tuple(f"not independent: {located(reason)}" for reason in made.reasons)
