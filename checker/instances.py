"""Which numbers of instances are looked at where no argument covers all of them.

Owns the choice and its order. Knows no engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from rhscheck.checker.answer import Open, Task
from rhscheck.spec.system import Rule

DEFAULT_INSTANCES = 2  # where nothing holds for every N, and nobody asked for a number
_REALISED_UP_TO = 3  # instances with which a run of the abstraction is looked for


def numbers_of(task: Task, rule: Rule, left: Open | None = None) -> Sequence[int]:
    """The numbers of instances to look at, in this order; `left`: what an argument left open."""
    if task.n is not None:
        return (task.n,)
    if not task.system.parametric:
        return (1,)
    expected = [
        expectation.n
        for expectation in task.system.expectations
        if expectation.rule in (rule.id, rule.base) and expectation.n is not None
    ]
    if expected:
        return range(1, max(expected) + 1)
    # A run of the abstraction may need more instances than two.
    found_run = left is not None and left.at_least > 0
    return range(1, (_REALISED_UP_TO if found_run else DEFAULT_INSTANCES) + 1)
