"""The verdict on one rule: from the argument for every N, else from engines at fixed numbers.

Owns which engine decides what the argument leaves open, `leads to` rules, which it knows nothing
of, and what is said where the one engine that was asked for cannot decide. Knows no options, no
other rule, and no process but this one.
"""

from __future__ import annotations

import time

from rhscheck.checker import engines, fixed
from rhscheck.checker.answer import Answer, Open, Task
from rhscheck.checker.every_n import EveryN
from rhscheck.checker.instances import numbers_of
from rhscheck.checker.liveness import Liveness
from rhscheck.checker.verdict import Result, Unknown
from rhscheck.spec.system import LeadsTo, Rule

_QUICK_NODES = 50_000  # enumeration at a fixed N, where bounded checking can take over


def result_of(task: Task, engine: str | None, argument: EveryN, rule: Rule) -> Result:
    """What is known about `rule`: the answer that `argument` has, or one that is found here.

    `engine`: the only one that may decide; None: as needed. Raises what the engines raise.
    """
    started = time.monotonic()
    if isinstance(rule.obligation, LeadsTo):
        answer = _liveness(task, engine, argument, rule)
        seconds = time.monotonic() - started
        return Result(rule, answer.verdict, answer.engine, seconds, answer.rlimit, answer.notes)
    outcome = argument.answers.get(rule.id)
    if not isinstance(outcome, Answer):
        outcome = _without_argument(task, engine, rule, outcome)
    seconds = argument.seconds.get(rule.id, 0.0) + time.monotonic() - started
    return Result(rule, outcome.verdict, outcome.engine, seconds, outcome.rlimit, outcome.notes)


def _liveness(task: Task, engine: str | None, argument: EveryN, rule: Rule) -> Answer:
    """The verdict on a `leads to`."""
    if task.budget.over():
        return Answer(Unknown(task.budget.reason), "local")
    if engine not in (None, "local", "zones", "kliveness"):
        reason = f"engine {engine} decides no `leads to`; local, zones and kliveness do"
        return Answer(Unknown(reason), "local")
    found = Liveness(task, rule, argument.time)
    owed = found.woven()
    if isinstance(owed, Unknown):
        return Answer(owed, "local")
    if engine == "kliveness":
        return found.by_rounds(owed, numbers_of(task, rule))
    left: Answer | Open = Open(())
    if engine != "zones":
        left = found.for_every(owed)
    if isinstance(left, Answer):
        return left
    if engine == "local":
        return Answer(Unknown("; ".join(left.notes)), "local")
    return found.for_numbers(owed, numbers_of(task, rule, left), left.notes)


def _without_argument(task: Task, engine: str | None, rule: Rule, left: Open | None) -> Answer:
    """A verdict where nothing was decided for every N: `left` says why (None: not tried)."""
    notes = left.notes if left is not None else ()
    if engine == "local":
        return Answer(Unknown("; ".join(notes)), "local")
    if engine == "kliveness":
        return Answer(Unknown("engine kliveness decides `leads to` only"), "kliveness")
    if engine == "pairs":  # out of time: it answers everything else
        return Answer(Unknown(task.budget.reason), "pairs")
    at_least = left.at_least if left is not None else 0
    model = task.weave([rule])
    if rule.id in model.unwoven:
        return Answer(Unknown(model.unwoven[rule.id]), "zones", notes=notes)
    query = fixed.Query(task, model, rule, 1, at_least, notes)
    numbers = numbers_of(task, rule, left)
    if engine is not None:
        return engines.by_name(engine).decide(query, numbers)
    quick = fixed.Engines(enumeration=True, bmc=True, limit=_QUICK_NODES)
    return fixed.decide(query, numbers, quick)
