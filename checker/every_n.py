"""The argument for every number of instances: explore one instance plus environment, re-check.

Owns the order in which rules are tried on the abstraction (`checker.local`). All rules are woven
into one System (those about too-early events, which split transitions, into another). Rules without
time are decided together, without clocks; each timed rule alone, with as few variables and clocks
as it takes (`checker.narrow`). A run of the abstraction counts only once it is a run of the spec.

A proof counts when Z3 agrees that the set found is inductive and excludes the goal: all sets of one
System in one question, in the abstraction, which is the argument, and as a check of the abstraction
itself for some concrete numbers of instances. There the invariant speaks of instance 1 alone and is
inductive whatever the others do; no instance can be told from another (`checker.independence`), so
each has its copy, and a conjunction of inductive invariants is inductive.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rhscheck.checker import fixed
from rhscheck.checker.answer import Answer, Confirmed, Open, Task, Unconfirmed, confirm, located
from rhscheck.checker.explore import Exploration, explore
from rhscheck.checker.independence import rule_dependence
from rhscheck.checker.local import Dependence
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, GaveUp, Missing, Real, cone, narrow, walk
from rhscheck.checker.project import Projection, project
from rhscheck.checker.realise import instance_maps
from rhscheck.checker.recheck import Copy
from rhscheck.checker.schedule import Reached
from rhscheck.checker.timelock import TimeCheck, stopped, timelock_goals
from rhscheck.checker.verdict import Impossible, ProvedFor, ProvedForEvery, Unknown, steps
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.expr import FALSE, Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import Can, Early, RefType, Rule, Within

CONCRETE = (1, 2, 3)  # numbers of instances at which every proof is re-checked as well
_TOGETHER = 60_000  # nodes that several rules together may take


@dataclass(frozen=True, slots=True)
class _Proof:
    """`exploration` of `projection` does not reach the goals of `rules`."""

    rules: tuple[Rule, ...]
    projection: Projection
    exploration: Exploration

    def copy(self, slots: Sequence[int], clocks: dict[int, int]) -> Copy:
        """The invariant, with the slots and clocks of the whole at these positions."""
        invariant = self.exploration.invariant()
        return Copy(
            invariant,
            tuple(slots[at] for at in self.projection.kept),
            tuple(clocks[at] for at in invariant.tracked),
        )


@dataclass(slots=True)
class EveryN:
    """One run of the argument for `task`. In the end every rule has an answer."""

    task: Task
    answers: dict[str, Answer | Open] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # of the stages a rule took part in
    _time: TimeCheck | None = None

    def run(self) -> None:
        """Try every rule of the task."""
        base = self.task.weave([])
        made = base.abstraction
        if isinstance(made, Dependence):
            self._open(self.task.rules, _dependences(made))
            return
        rules: list[Rule] = []
        for rule in self.task.rules:
            reason = rule_dependence(base.system, rule)
            if reason is None:
                rules.append(rule)
            else:
                self._open([rule], (f"not independent: {located(reason)}",))
        self._group([rule for rule in rules if not isinstance(rule.obligation, Early)])
        self._group([rule for rule in rules if isinstance(rule.obligation, Early)])

    def time(self) -> TimeCheck:
        """Whether time may stop, for some number of instances. The task has to be independent."""
        if self._time is None:
            model = self.task.weave([])
            made = model.independent
            if made.blind:
                self._time = TimeCheck(f"time may stop: {located(made.blind[0])}")
            else:
                self._time = self._check_time(model, made.exact)
        return self._time

    def _check_time(self, model: Model, exact: Collection[str] | None) -> TimeCheck:
        """No reachable state has a tight deadline and no step: the small formulas first, and the
        wide ones only where those are reached."""
        task, whole = self.task, model.local
        where = "of one instance plus environment"
        task.say("can time stop?")
        names = [name for name, goal in timelock_goals(whole, exact).items() if goal != FALSE]
        found: list[tuple[str, Expr, Reached]] = []
        for wide in (False, True):
            every = timelock_goals(whole, exact, wide=wide)
            proofs: list[_Proof] = []
            proved: dict[str, Expr] = {}
            found = []
            for name in names:
                goal = every[name]
                outcome = narrow(
                    whole, model.local_compiled, name, goal, keep=_skeleton(whole),
                    limit=task.limit, cancelled=task.budget.over,
                )  # fmt: skip
                match outcome:
                    case Excluded(projection, exploration):
                        proofs.append(_Proof((), projection, exploration))
                        proved[name] = goal
                    case Real(run, positions):
                        found.append((name, goal, Reached(run, positions, ())))
                    case GaveUp(reason):
                        return TimeCheck(f"{name} was not excluded {where}: {reason}")
            copies = [proof.copy(*_identity(whole)) for proof in proofs]
            checked = confirm(where, whole, copies, proved, task.budget) if proved else None
            if isinstance(checked, Unconfirmed):
                return TimeCheck(checked.reason)
            names = [name for name, _, _ in found]
            if not names:
                return TimeCheck(None)
        return stopped(found, whole, where)

    # ---- one System ------------------------------------------------------------------------------
    def _group(self, rules: Sequence[Rule]) -> None:
        """Decide `rules` in one System, or in smaller groups where they do not fit into one."""
        if not rules or self._out_of_time(rules):
            return
        started = time.monotonic()
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
        self._spent(rules, started)
        if split and len(rules) > 1:
            middle = len(rules) // 2
            self._group(rules[:middle])
            self._group(rules[middle:])

    def _decide(self, model: Model, rules: Sequence[Rule]) -> bool:
        """Answers for all of `rules`; False if they have to be tried in smaller groups."""
        timed = [rule for rule in rules if isinstance(rule.obligation, Within | Early)]
        untimed = [rule for rule in rules if rule not in timed]
        proofs: list[_Proof] = []
        if untimed:
            proof = self._untimed(model, untimed, alone=len(rules) == 1)
            if proof is None:
                return False
            proofs.append(proof)
        for rule in timed:
            self._narrowed(model, rule, proofs)
        self._prove(model, [proof for proof in proofs if proof.rules])
        return True

    def _untimed(self, model: Model, rules: Sequence[Rule], alone: bool) -> _Proof | None:
        """What is unreachable whatever the timing; rules that are reached get their answer."""
        task, whole = self.task, model.local
        task.say(f"one instance plus environment: {_named(rules)}, without clocks")
        goals = {rule.id: model.local_formula(rule.id) for rule in rules}
        keep = {at for at, slot in enumerate(whole.slots) if slot.variable.role != "observer"}
        for goal in goals.values():
            keep |= cone(whole, goal)[0]
        projection = project(whole, keep)
        compiled = compile_ground(projection.ground)
        exploration = explore(
            projection.ground, goals, limit=task.limit if alone else _TOGETHER,
            cancelled=task.budget.over, compiled=compiled,
        )  # fmt: skip
        if self._out_of_time(rules):
            return _Proof((), projection, exploration)
        if not exploration.complete:
            if not alone:
                return None
            self._open(rules, (f"one instance: {exploration.reason}",), exploration.depth + 1)
            return _Proof((), projection, exploration)
        proofs: list[_Proof] = []
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
                self._reached(model, rule, Real(found, tuple(projection.origin[at] for at in path)))
        self._prove(model, proofs)
        left = tuple(rule for rule in rules if rule.id not in exploration.found)
        return _Proof(left, projection, exploration)

    def _narrowed(
        self, model: Model, rule: Rule, proofs: list[_Proof], missing: Missing | None = None
    ) -> None:
        """One rule with as few variables and clocks as it takes; a proof is added to `proofs`."""
        started = time.monotonic()
        if self._out_of_time([rule]):
            return
        task, whole = self.task, model.local
        task.say(f"{rule.id}: one instance plus environment, with clocks")
        goal = model.local_formula(rule.id)
        slots, clocks = cone(whole, goal)
        keep = _skeleton(whole)
        if missing is not None:
            keep |= missing.slots
            clocks |= missing.clocks
        outcome = narrow(
            whole, model.local_compiled, rule.id, goal, keep=keep | slots, tracked=clocks,
            limit=task.limit, cancelled=task.budget.over,
        )  # fmt: skip
        match outcome:
            case Excluded(projection, exploration):
                proofs.append(_Proof((rule,), projection, exploration))
            case Real():
                self._reached(model, rule, outcome)
            case GaveUp(reason, at_least):
                if not self._out_of_time([rule]):
                    self._open([rule], (f"one instance: {reason}",), at_least)
        self._spent([rule], started)

    def _reached(self, model: Model, rule: Rule, reached: Real) -> None:
        least = len(reached.positions)
        query = fixed.Query(self.task, model, rule, self.task.n or 1, at_least=least)
        answer = fixed.padded(query, Reached(reached.run, reached.positions, ()))
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
    def _prove(self, model: Model, proofs: Sequence[_Proof]) -> None:
        """Re-check `proofs` together, one by one if that is too much, and answer their rules."""
        rules = [rule for proof in proofs for rule in proof.rules]
        if not rules or self._out_of_time(rules):
            return
        task, whole = self.task, model.local
        goals = {rule.id: model.local_formula(rule.id) for rule in rules}
        task.say(f"re-checking {_named(rules)}")
        copies = [proof.copy(*_identity(whole)) for proof in proofs]
        where = "of one instance plus environment"
        checked = confirm(where, whole, copies, goals, task.budget)
        if not isinstance(checked, Confirmed):
            self._one_by_one(model, proofs, checked)
            return
        rlimit = checked.rlimit
        numbers: list[int] = []
        notes: list[str] = []
        for n in self._concrete():
            task.say(f"re-checking {_named(rules)}, N={n}")
            at = model.ground(n)
            every = range(len(whole.clocks))
            slots, places = next(instance_maps(whole, at, every))
            moved = dict(zip(every, places, strict=True))
            copies = [proof.copy(slots, moved) for proof in proofs]
            concrete = confirm(f"of instance 1 for N={n}", at, copies, goals, task.budget)
            rlimit += concrete.rlimit
            if isinstance(concrete, Confirmed):
                numbers.append(n)
            else:
                notes.append(concrete.reason)
        for rule in rules:
            self._proved(rule, tuple(numbers), rlimit, tuple(notes))

    def _one_by_one(self, model: Model, proofs: Sequence[_Proof], failure: Unconfirmed) -> None:
        if len(proofs) > 1 and not self.task.budget.over():
            for proof in proofs:
                self._prove(model, [proof])
            return
        rules = [rule for proof in proofs for rule in proof.rules]
        self._answer(rules, Answer(Unknown(failure.reason), "local", failure.rlimit))

    def _concrete(self) -> tuple[int, ...]:
        """The numbers of instances to re-check an invariant at."""
        if self.task.n is not None:
            return (self.task.n,)
        return CONCRETE if self.task.system.parametric else ()

    def _proved(
        self, rule: Rule, numbers: tuple[int, ...], rlimit: int, notes: tuple[str, ...]
    ) -> None:
        n = self.task.n
        if isinstance(rule.obligation, Within):
            stops = self.time().reason
            if stops is not None:
                self._open([rule], (stops,))
                return
        if isinstance(rule.obligation, Can):
            self._answer([rule], Answer(Impossible(n), "local", rlimit, notes))
        elif n is not None:
            self._answer([rule], Answer(ProvedFor(n), "local", rlimit, notes))
        else:
            self._answer([rule], Answer(ProvedForEvery(numbers), "local", rlimit, notes))

    # ---- answers ---------------------------------------------------------------------------------
    def _answer(self, rules: Sequence[Rule], answer: Answer) -> None:
        for rule in rules:
            self.answers[rule.id] = answer

    def _open(self, rules: Sequence[Rule], notes: tuple[str, ...], at_least: int = 0) -> None:
        for rule in rules:
            self.answers[rule.id] = Open(notes, at_least)

    def _spent(self, rules: Collection[Rule], started: float) -> None:
        share = (time.monotonic() - started) / max(1, len(rules))
        for rule in rules:
            self.seconds[rule.id] = self.seconds.get(rule.id, 0.0) + share

    def _out_of_time(self, rules: Sequence[Rule]) -> bool:
        if not self.task.budget.over():
            return False
        undecided = [rule for rule in rules if rule.id not in self.answers]
        self._answer(undecided, Answer(Unknown(self.task.budget.reason), "local"))
        return True


def _skeleton(whole: Ground) -> set[int]:
    """The slots that nearly every question needs: where machines are, and who refers to whom."""
    return {
        at
        for at, slot in enumerate(whole.slots)
        if slot.variable.role == "location" or isinstance(slot.variable.type, RefType)
    }


def _identity(whole: Ground) -> tuple[Sequence[int], dict[int, int]]:
    return range(len(whole.slots)), {at: at for at in range(len(whole.clocks))}


def _dependences(made: Dependence) -> tuple[str, ...]:
    return tuple(f"not independent: {located(reason)}" for reason in made.reasons)


def _named(rules: Sequence[Rule]) -> str:
    """What to call a group of rules in a line of progress."""
    return rules[0].id if len(rules) == 1 else f"{len(rules)} rules"
