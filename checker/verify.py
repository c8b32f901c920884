"""Verification of a System: which argument is tried on which rule, and what is reported.

Owns the pipeline (DESIGN section 5): the argument for every N first, then fixed numbers of
instances for what it leaves open; the options with their limits; the report. Knows no rendering.

Bugs in rhscheck are exceptions, never verdicts: `EvidenceMismatch` (a run that the semantics does
not have), `ProofMismatch` (an invariant that Z3 refutes), `EncodingMismatch` (a run of Z3's own).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from rhscheck.checker import engines, fixed, pairs
from rhscheck.checker.answer import Answer, Heard, Say, Task, unheard
from rhscheck.checker.bounded_rules import by_bounded_checking
from rhscheck.checker.budget import Budget
from rhscheck.checker.established import Established
from rhscheck.checker.every_n import EveryN, for_every_number
from rhscheck.checker.finding import Finding
from rhscheck.checker.findings import find
from rhscheck.checker.instances import DEFAULT_INSTANCES, numbers_of
from rhscheck.checker.protection import Protected, protected
from rhscheck.checker.race import Question, race
from rhscheck.checker.rule_result import result_of
from rhscheck.checker.scenarios import Played, not_played, play
from rhscheck.checker.sharing import SecondProcess, second_share
from rhscheck.checker.vacuity import without_witness
from rhscheck.checker.verdict import (
    EXIT_AGREED,
    EXIT_UNDECIDED,
    EXIT_VIOLATED,
    Comparison,
    Result,
    Unknown,
    compare,
    exit_status,
)
from rhscheck.spec.system import Assumption, Expectation, LeadsTo, Rule, Scenario, System

ENGINES = ("local", "pairs", *(engine.name for engine in engines.TABLE), "kliveness")
DEFAULT_DEPTH = 20
MAX_INSTANCES = 64
MAX_DEPTH = 1_000
MAX_NODES = 500_000
_FIRST_NODES = 3_000  # enumeration before several engines are started: about their start-up
_FEW_INSTANCES = 3  # so many are looked at one by one


class OptionError(ValueError):
    """An option that does not fit; `known` are the names it could have, if it is one."""

    def __init__(self, message: str, known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.known = tuple(known)


@dataclass(frozen=True, slots=True)
class Options:
    """What to verify, and how.

    `rules`: ids of rules, base ids of several, ids of scenarios; none: all. `n`: instances; None:
    every number. `depth`: the longest run for bounded checking. `timeout_s`: for everything
    together. `engine`: one of ENGINES alone; None: as needed. `without`: assumptions that are not
    relied on. `findings`: whether to look for findings. `jobs`: processes that may share the rules.
    `certificate`: whether to keep the invariants behind the proofs.
    `protection`: whether to ask which rules hold only with the assumptions not relied on.
    `left_s`: what is left of `timeout_s`, None: all. `memory_mb`: what all processes together may
    hold. `paranoid`: ask all engines. `thorough`: re-check also what follows from another re-check
    (part of `paranoid`). Hard limits and `paranoid` are `checker.session`'s business.
    """

    rules: tuple[str, ...] = ()
    n: int | None = None
    depth: int = DEFAULT_DEPTH
    timeout_s: float | None = None
    engine: str | None = None
    without: tuple[str, ...] = ()
    findings: bool = True
    jobs: int = 1
    certificate: bool = False
    protection: bool = True
    left_s: float | None = None
    memory_mb: float | None = None
    paranoid: bool = False
    thorough: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Verdicts in the order of the rules, how they compare with `expect`, scenarios, findings.

    `established`: the invariants behind the proofs, if a certificate was asked for.
    `protected`: the rules that are not kept without the assumptions left out.
    """

    system: System
    options: Options
    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...]
    scenarios: tuple[Played, ...]
    findings: tuple[Finding, ...]
    exit: int
    established: tuple[Established, ...] = ()
    protected: tuple[Protected, ...] = ()


def _silent(_line: str) -> None:
    """Nobody wants to know."""


def verify(
    system: System,
    options: Options | None = None,
    progress: Say = _silent,
    answered: Heard = unheard,
) -> Report:
    """Decide the rules of `system`. `progress` is told, in a line, whatever is begun.

    `answered` is told each answer as soon as it is there.

    Raises OptionError for options that do not fit `system`, and what `spec.rules.weave` raises for
    assumptions that cannot be relied on.
    """
    options = Options() if options is None else options
    rules, _, stories = _selected(system, options)
    task = task_of(system, options, progress, answered)
    argument = EveryN(task)
    local = options.engine in (None, "local")
    bounded = options.engine == "bmc"
    decide = by_bounded_checking if bounded else for_every_number
    others: tuple[Rule, ...] = ()
    if options.jobs > 1 and (local or bounded):
        others = second_share(task, bounded=bounded)
    if others:
        own = [rule for rule in task.rules if rule not in others]
        live = tuple(rule for rule in rules if isinstance(rule.obligation, LeadsTo))
        with SecondProcess(task, (*others, *live), options.engine) as second:
            decide(task, own, argument)
            beside = _Beside.made(task, options, rules, stories, argument)
            progress(f"waiting for the other process: {len(others) + len(live)} rules")
            decided = second.result()
        early: dict[str, Result] = {}
        if decided is None:
            decide(task, others, argument)
        else:
            early = decided.live
            argument.answers |= decided.answers
            argument.seconds |= decided.seconds
            if task.established is not None:
                task.established.extend(decided.established)
        results = _results(task, options, argument, rules, early)
    else:
        if local or bounded:
            decide(task, task.rules, argument)
        results = _results(task, options, argument, rules)
        beside = _Beside.made(task, options, rules, stories, argument)
    return _concluded(
        system,
        options,
        results,
        beside,
        tuple(task.established or ()),
        _protected(system, options, results, task) if options.protection else (),
    )


def require_options(system: System, options: Options) -> None:
    """Raise OptionError unless `options` fit `system`."""
    _selected(system, options)


def unfinished(
    system: System, options: Options, answers: Mapping[str, Answer], reason: str
) -> Report:
    """The report of a verification that was ended: `answers` by rule id, `reason` for the rest."""
    rules, _, stories = _selected(system, options)
    results = tuple(
        Result(rule, answer.verdict, answer.engine, 0.0, answer.rlimit, answer.notes)
        if (answer := answers.get(rule.id)) is not None
        else Result(rule, Unknown(reason), None, 0.0)
        for rule in rules
    )
    return _concluded(system, options, results, _Beside(not_played(stories, reason), ()), (), ())


def _concluded(
    system: System,
    options: Options,
    results: tuple[Result, ...],
    beside: _Beside,
    proofs: tuple[Established, ...],
    protection: tuple[Protected, ...],
) -> Report:
    """The report, with what the verdicts together amount to."""
    expected = _expected(system.expectations, [result.rule for result in results])
    elsewhere = bool(system.chosen or options.without)
    comparisons = compare(results, expected, options.n, elsewhere=elsewhere)
    findings = beside.findings
    if options.findings:
        findings += without_witness(results)
    statuses = (
        exit_status(results, expected, options.n, elsewhere=elsewhere),
        *(played.status for played in beside.scenarios),
        # A return that no state handles, or time that stops, is an error in any spec.
        *(EXIT_VIOLATED for finding in findings if finding.error and not options.rules),
    )
    return Report(
        system,
        options,
        results,
        comparisons,
        beside.scenarios,
        findings,
        next((one for one in (EXIT_VIOLATED, EXIT_UNDECIDED) if one in statuses), EXIT_AGREED),
        proofs,
        protection,
    )


def _protected(
    system: System, options: Options, results: Sequence[Result], task: Task
) -> tuple[Protected, ...]:
    """What the assumptions that are not relied on protect, as far as the time suffices."""

    def decide(rules: tuple[str, ...], without: tuple[str, ...]) -> Sequence[Result]:
        again = replace(
            options, rules=rules, without=without, timeout_s=task.budget.left(), findings=False,
            protection=False, left_s=None, certificate=False,
        )  # fmt: skip
        return verify(system, again, task.say).results

    return protected(results, options.without, decide)


def task_of(
    system: System,
    options: Options,
    progress: Say = _silent,
    answered: Heard = unheard,
) -> Task:
    """What `options` ask about `system`, without its liveness rules. Raises OptionError."""
    rules, assumptions, _ = _selected(system, options)
    return Task(
        system,
        tuple(rule for rule in rules if not isinstance(rule.obligation, LeadsTo)),
        assumptions,
        options.n,
        options.depth,
        MAX_NODES,
        Budget(options.timeout_s, options.left_s),
        progress,
        [] if options.certificate else None,
        answered,
        options.thorough,
    )


# ---- options -------------------------------------------------------------------------------------
def _selected(
    system: System, options: Options
) -> tuple[tuple[Rule, ...], tuple[Assumption, ...], tuple[Scenario, ...]]:
    """The rules asked for, the assumptions relied on, the scenarios. Raises OptionError."""
    names = list(dict.fromkeys(name for rule in system.rules for name in (rule.base, rule.id)))
    names += [scenario.id for scenario in system.scenarios if scenario.id not in names]
    for name in options.rules:
        if name not in names:
            what = "rule or scenario" if system.scenarios else "rule"
            raise OptionError(f"there is no {what} `{name}`", names)
    known = [assumption.id for assumption in system.assumptions]
    for name in options.without:
        if name not in known:
            raise OptionError(f"there is no assumption `{name}`", known)
    if options.engine is not None and options.engine not in ENGINES:
        raise OptionError(f"there is no engine `{options.engine}`", ENGINES)
    if options.n is not None and not 1 <= options.n <= MAX_INSTANCES:
        raise OptionError(f"the number of instances must be 1 to {MAX_INSTANCES}")
    if not 0 <= options.depth <= MAX_DEPTH:
        raise OptionError(f"the depth must be 0 to {MAX_DEPTH}")
    if options.timeout_s is not None and options.timeout_s <= 0:
        raise OptionError("the time-out must be more than 0 seconds")
    wanted = set(options.rules)
    return (
        tuple(
            rule for rule in system.rules if not wanted or rule.id in wanted or rule.base in wanted
        ),
        tuple(one for one in system.assumptions if one.id not in options.without),
        tuple(one for one in system.scenarios if not wanted or one.id in wanted),
    )


def _expected(
    expectations: Iterable[Expectation], rules: Sequence[Rule]
) -> tuple[Expectation, ...]:
    names = {name for rule in rules for name in (rule.id, rule.base)}
    return tuple(expectation for expectation in expectations if expectation.rule in names)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What is looked at beside the rules, and does not depend on their verdicts."""

    scenarios: tuple[Played, ...]
    findings: tuple[Finding, ...]

    @staticmethod
    def made(
        task: Task,
        options: Options,
        rules: Sequence[Rule],
        stories: Sequence[Scenario],
        argument: EveryN,
    ) -> _Beside:
        scenarios = play(task, stories)
        if not options.findings:
            return _Beside(scenarios, ())
        n = options.n or DEFAULT_INSTANCES
        return _Beside(scenarios, find(task, rules, n, argument.time))


# ---- one rule ------------------------------------------------------------------------------------
def _results(
    task: Task,
    options: Options,
    argument: EveryN,
    rules: Sequence[Rule],
    early: Mapping[str, Result] = MappingProxyType({}),
) -> tuple[Result, ...]:
    """Everybody's result, in the order of `rules`; some are there already (`early`)."""
    _pairs(task, options, argument, rules)
    _race_open(task, options, argument, rules)
    found = []
    for rule in rules:
        result = early.get(rule.id) or result_of(task, options.engine, argument, rule)
        answer = Answer(result.verdict, result.engine or "local", result.rlimit, result.notes)
        task.answered(rule, answer)
        found.append(result)
    return tuple(found)


def _pairs(task: Task, options: Options, argument: EveryN, rules: Sequence[Rule]) -> None:
    """Answers for every number of instances where an invariant of every two of them gives one."""
    few = options.n is not None and options.n <= _FEW_INSTANCES
    if options.engine != "pairs" and (options.engine is not None or few):
        return
    for rule in rules:
        left = argument.answers.get(rule.id)
        if isinstance(rule.obligation, LeadsTo) or isinstance(left, Answer) or task.budget.over():
            continue
        started = time.monotonic()
        model = task.weave([rule])
        if rule.id in model.unwoven:
            if options.engine == "pairs":
                reason = Unknown(model.unwoven[rule.id])
                argument.answers[rule.id] = Answer(reason, "pairs")
            continue
        found = pairs.decide(fixed.Query(task, model, rule, 1))
        if isinstance(found, Answer):
            argument.answers[rule.id] = found
        elif options.engine == "pairs":
            argument.answers[rule.id] = Answer(Unknown(found.reason), "pairs")
        spent = time.monotonic() - started
        argument.seconds[rule.id] = argument.seconds.get(rule.id, 0.0) + spent


def _race_open(task: Task, options: Options, argument: EveryN, rules: Sequence[Rule]) -> None:
    """Answers of several engines at once to what is open after the argument and a quick look.

    Only with processes to spare: one at a time is the way in which runs are the same every time.
    """
    if options.engine is not None or options.jobs < 2:
        return
    questions: list[Question] = []
    for rule in rules:
        left = argument.answers.get(rule.id)
        if isinstance(rule.obligation, LeadsTo) or isinstance(left, Answer):
            continue
        started = time.monotonic()
        model = task.weave([rule])
        if rule.id in model.unwoven:
            continue
        notes, at_least = (left.notes, left.at_least) if left is not None else ((), 0)
        numbers = tuple(numbers_of(task, rule, left))
        query = fixed.Query(task, model, rule, 1, at_least, notes)
        answer = fixed.decide(query, numbers, fixed.Engines(True, False, _FIRST_NODES))
        if isinstance(answer.verdict, Unknown) and not task.budget.over():
            questions.append(Question(rule, numbers, at_least, notes))
        else:
            argument.answers[rule.id] = answer
            task.answered(rule, answer)
        spent = time.monotonic() - started
        argument.seconds[rule.id] = argument.seconds.get(rule.id, 0.0) + spent
    if questions:
        started = time.monotonic()
        argument.answers |= race(task, questions, options.memory_mb)
        spent = time.monotonic() - started
        for one in questions:
            argument.seconds[one.rule.id] += spent
