"""What the rules say about a changed spec: killed, equivalent, or alive.

Owns the order of the questions, cheap ones first, and what each answer means. A mutant is *killed*
when a definite verdict of the original changes: a rule, a permission or a scenario notices. It is
*equivalent* when `checker.equivalence` proves that it behaves like the original. It is *refused*,
and does not count, when its text is no spec or leaves a return unhandled. Else it is *alive*, or
*undecided* where an answer is missing. Nothing is called killed before the verification proper says
so; explorations only choose what is asked first. Knows no texts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rhscheck.checker.answer import Task
from rhscheck.checker.budget import Budget
from rhscheck.checker.equivalence import Alike, alike
from rhscheck.checker.explore import explore
from rhscheck.checker.findings import refused
from rhscheck.checker.independence import rule_dependence
from rhscheck.checker.local import Dependence
from rhscheck.checker.narrow import Excluded, cone, narrow
from rhscheck.checker.proofs import skeleton
from rhscheck.checker.scenarios import play
from rhscheck.checker.verdict import VerdictName, name, sentence
from rhscheck.checker.verify import DEFAULT_DEPTH, MAX_NODES, Options, verify
from rhscheck.spec.rules import AssumptionError
from rhscheck.spec.system import Can, Early, LeadsTo, Rule, System, Within

Fate = Literal["killed", "equivalent", "alive", "refused", "undecided"]
_DEFINITE: tuple[VerdictName, ...] = ("proved", "violated", "witnessed", "impossible")
_SCREENED = 60_000  # nodes of the exploration that chooses what to ask first
_NARROWED = 20_000  # nodes of the one that leaves a timed rule alone


@dataclass(frozen=True, slots=True)
class Judgement:
    """The fate of a mutant. `by`: the rule or scenario that noticed; `reason`: how, or why not."""

    fate: Fate
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """The original's verdicts by rule, and the share of its scenarios in the exit status."""

    verdicts: Mapping[str, VerdictName]
    scenarios: Mapping[str, int]


def baseline(system: System, jobs: int = 1) -> Baseline:
    """What the original says. Raises what `verify` raises."""
    report = verify(system, Options(findings=False, protection=False, jobs=jobs))
    return Baseline(
        {one.rule.id: name(one.verdict) for one in report.results},
        {one.scenario.id: one.status for one in report.scenarios},
    )


class Jury:
    """Judges mutants of one System."""

    def __init__(self, system: System, known: Baseline, timeout_s: float | None) -> None:
        """`timeout_s`: for each verification of a mutant."""
        self._known = known
        self._timeout_s = timeout_s
        self._task = self._made(system)
        screened = self._screen(self._task)
        self._reached = None if screened is None else screened[0]

    def judge(self, system: System, likely: Sequence[str] = ()) -> Judgement:
        """The fate of a mutant. `likely`: words that name the rules to ask first."""
        try:
            return self._judge(system, frozenset(likely))
        except AssumptionError as error:
            return Judgement("refused", "", str(error))

    def _made(self, system: System) -> Task:
        rules = tuple(rule for rule in system.rules if not isinstance(rule.obligation, LeadsTo))
        return Task(
            system, rules, system.assumptions, None, DEFAULT_DEPTH, MAX_NODES,
            Budget(self._timeout_s), lambda _line: None,
        )  # fmt: skip

    def _judge(self, system: System, likely: frozenset[str]) -> Judgement:
        task = self._made(system)
        wrong = refused(task, 2)
        if wrong is not None:
            return Judgement("refused", "", wrong.sentence)
        for played in play(task, system.scenarios):
            before = self._known.scenarios.get(played.scenario.id)
            if before is not None and before != played.status and {before, played.status} <= {0, 1}:
                how = "is followed" if played.status == 0 else "is not followed any more"
                return Judgement("killed", played.scenario.id, f"the scenario {how}")
        order = _by_likelihood(system.rules, likely)
        screened = self._screen(task)
        suspects, cleared = self._suspects(order, screened)
        open_: list[str] = []
        for rule in suspects:
            judged = self._asked(system, [rule], open_)
            if judged is not None:
                return judged
        compared = alike(self._task.weave([]), task.weave([]))
        if isinstance(compared, Alike):
            return Judgement("equivalent", "", compared.argument)
        asked = {*suspects, *cleared}
        left = [rule for rule in order if rule not in asked]
        alone = self._left_alone(task, left)
        for group in _groups([rule for rule in left if rule.id not in alone]):
            judged = self._asked(system, group, open_)
            if judged is not None:
                return judged
        if open_:
            return Judgement("undecided", "", "; ".join(open_))
        return Judgement("alive", "", compared.reason)

    # ---- what to ask -----------------------------------------------------------------------------
    def _screen(self, task: Task) -> tuple[frozenset[str], frozenset[str]] | None:
        """Of the rules without time: which are reached in one instance plus environment, which not.

        None where that says nothing.
        """
        rules = [
            rule
            for rule in task.rules
            if not isinstance(rule.obligation, Within | Early)
            and rule_dependence(task.weave([]).system, rule) is None
        ]
        model = task.weave(rules)
        if isinstance(model.abstraction, Dependence):
            return None
        goals = {rule.id: model.local_formula(rule.id) for rule in rules if rule.id in model.bad}
        seen = explore(model.local, goals, limit=_SCREENED, compiled=model.local_compiled)
        if not seen.complete:
            return None
        found = frozenset(seen.found)
        return found, frozenset(goals) - found

    def _suspects(
        self, order: Sequence[Rule], screened: tuple[frozenset[str], frozenset[str]] | None
    ) -> tuple[list[Rule], list[Rule]]:
        """Rules whose goals are reached in only one of original and mutant; rules in neither."""
        if screened is None or self._reached is None:
            return [], []
        reached, excluded = screened
        suspects = [
            rule
            for rule in order
            if (rule.id in reached and rule.id not in self._reached)
            or (rule.id in excluded and rule.id in self._reached)
        ]
        cleared = [rule for rule in order if rule.id in excluded and rule.id not in self._reached]
        return suspects, cleared

    def _left_alone(self, task: Task, rules: Sequence[Rule]) -> frozenset[str]:
        """The proved rules with a time that are excluded for the mutant, too."""
        timed = [
            rule
            for rule in rules
            if isinstance(rule.obligation, Within | Early)
            and self._known.verdicts.get(rule.id) == "proved"
            and rule_dependence(task.weave([]).system, rule) is None
        ]
        excluded: set[str] = set()
        # Rules about too-early events split transitions: apart, as `checker.every_n` has them.
        for split in (False, True):
            group = [rule for rule in timed if isinstance(rule.obligation, Early) == split]
            model = task.weave(group)
            if not group or isinstance(model.abstraction, Dependence):
                continue
            whole = model.local
            for rule in group:
                if rule.id not in model.bad:
                    continue
                goal = model.local_formula(rule.id)
                slots, clocks = cone(whole, goal)
                outcome = narrow(
                    whole, model.local_compiled, rule.id, goal, keep=skeleton(whole) | slots,
                    tracked=clocks, limit=_NARROWED, cancelled=task.budget.over,
                )  # fmt: skip
                if isinstance(outcome, Excluded):
                    excluded.add(rule.id)
                else:
                    return frozenset(excluded)  # the first is likely to be the killer: ask it
        return frozenset(excluded)

    def _asked(self, system: System, rules: Sequence[Rule], open_: list[str]) -> Judgement | None:
        """Killed, if the verdict on one changes; answers that are missing go to `open_`."""
        rules = [rule for rule in rules if self._known.verdicts.get(rule.id) in _DEFINITE]
        if not rules:
            return None
        options = Options(
            rules=tuple(rule.id for rule in rules),
            timeout_s=self._timeout_s,
            findings=False,
            protection=False,
        )
        results = {one.rule.id: one for one in verify(system, options).results}
        for rule in rules:
            before, verdict = self._known.verdicts[rule.id], results[rule.id].verdict
            if name(verdict) not in _DEFINITE:
                open_.append(f"{rule.id} was {before} and is {sentence(verdict)}")
            elif name(verdict) != before:
                return Judgement("killed", rule.id, f"{before} before, now {sentence(verdict)}")
        return None


def _groups(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that are asked together: permissions, liveness; each other one alone, before them."""
    groups = [[rule] for rule in rules if not isinstance(rule.obligation, Can | LeadsTo)]
    groups.extend(
        [rule for rule in rules if isinstance(rule.obligation, kind)] for kind in (Can, LeadsTo)
    )
    return [group for group in groups if group]


def _by_likelihood(rules: Sequence[Rule], likely: Collection[str]) -> list[Rule]:
    """The rules that speak of most of the `likely` words first, liveness last."""

    def words(rule: Rule) -> int:
        text = repr(rule.obligation)
        return sum(word in text for word in likely)

    last = [isinstance(rule.obligation, LeadsTo) for rule in rules]
    kept = [not isinstance(rule.obligation, Can) for rule in rules]
    ranks = [
        (late, -words(rule), -int(keep), at)
        for at, (rule, late, keep) in enumerate(zip(rules, last, kept, strict=True))
    ]
    return [rules[rank[-1]] for rank in sorted(ranks)]
