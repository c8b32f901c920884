"""Bounded checking of one rule after the other.

Owns the order: the lengths that no rule's run can have, for any number of instances, first
(`checker.least_steps`), then the numbers of instances asked for. Each rule's answer depends on that
rule alone, so it makes no difference which of them are decided in one process.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from rhscheck.checker import engines, fixed
from rhscheck.checker.answer import Answer, Task
from rhscheck.checker.every_n import EveryN
from rhscheck.checker.instances import numbers_of
from rhscheck.checker.least_steps import least_steps
from rhscheck.checker.verdict import Unknown
from rhscheck.spec.system import Rule


def by_bounded_checking(task: Task, rules: Sequence[Rule], found: EveryN) -> None:
    """Add to `found`, which looks at no rule itself, an answer to each of `rules`."""
    task.least.update(least_steps(task, rules))
    bmc = engines.by_name("bmc")
    for rule in rules:
        started = time.monotonic()
        model = task.weave([rule])
        if rule.id in model.unwoven:
            answer = Answer(Unknown(model.unwoven[rule.id]), "zones")
        else:
            answer = bmc.decide(fixed.Query(task, model, rule, 1), numbers_of(task, rule))
        found.answers[rule.id] = answer
        task.answered(rule, answer)
        found.seconds[rule.id] = time.monotonic() - started
