"""Which worker runs which tests, and when, where several run them (pytest-xdist).

Owns the order. Tests of real processes mostly wait: one worker more than there are processors runs
these first, one after another, while the others compute. What computes is politer: a cluster whose
real time is tested has the processor when it asks for it, whatever else is at work. Files that take
long come first, so that nobody waits for the last one; the tests of a file stay together, for what
they share, unless there are only a few files. No test depends on any of this.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

# They wait more than they compute, with the longest first.
WAITING = (
    "tests/tracer/test_real_plugins.py",
    "tests/rhscheck/test_run_real.py",
    "tests/rhscheck/test_run_standstill.py",
    "tests/tracer/test_real_postgresql.py",
    "tests/tracer/test_killed_at_any_moment.py",
    "tests/tracer/test_real_resources.py",
    "tests/tracer/test_log_limit.py",
    "tests/tracer/test_monitor_process.py",
)
# They compute for ten seconds and more. Of other files any order does.
LONG = (
    "tests/checker/test_agreement.py",
    "tests/traces/test_scorecard.py",
    "tests/checker/test_rhs_mutants.py",
    "tests/rhscheck/test_killed.py",
    "tests/checker/test_kliveness.py",
    "tests/checker/test_rhs.py",
    "tests/checker/test_session.py",
    "tests/checker/test_certify.py",
    "tests/traces/test_rounds.py",
    "tests/checker/test_provers.py",
    "tests/traces/test_strict_logs.py",
    "tests/spec/test_fuzz.py",
    "tests/traces/test_ways_of_reading.py",
    "tests/traces/test_habit.py",
    "tests/rhscheck/test_audit_command.py",
    "tests/checker/test_certify_pairs.py",
    "tests/checker/test_least_steps.py",
)
# Each of their tests is as long as a file, and shares nothing.
APART = ("tests/test_docs.py",)
FEW = 4  # files for each worker: so few are not kept together
POLITER = 2  # by how much `nice` computing is: more would cost much on a machine with other work


class Distribution(LoadScopeScheduling):  # type: ignore[misc]
    """Gives whole files to the workers: the first gets what waits, the others what takes long."""

    _together = True

    def schedule(self) -> None:
        """Called when all workers have said which tests there are, and for one that comes later."""
        if self.collection is None:
            tests = next(iter(self.registered_collections.values()))
            self._together = len({_file(test) for test in tests}) > FEW * len(self.nodes)
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        file = _file(nodeid)
        return file if self._together and file not in APART else nodeid

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(following(list(self.workqueue), node is self.first), last=False)
        super()._assign_work_unit(node)

    @property
    def first(self) -> WorkerController:
        """The worker for what waits."""
        return self.nodes[0]


def following(units: Sequence[str], waits: bool) -> str:
    """The one of `units` that the worker for what waits, or another one, should begin with."""
    return min(units, key=lambda unit: (_waits(unit) != waits, _rank(unit)))


def _file(unit: str) -> str:
    return unit.partition("::")[0]


def _waits(unit: str) -> bool:
    return _file(unit) in WAITING


def _rank(unit: str) -> int:
    """Lower for what begins earlier."""
    file = _file(unit)
    order = (*WAITING, *APART, *LONG)
    return order.index(file) if file in order else len(order)


def workers() -> int:
    """As many as there are processors to compute, and one that waits."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (usable or 1) + 1


class Politeness:
    """In a worker: computing leaves the processor to those that measure time."""

    def __init__(self) -> None:
        self._polite = not hasattr(os, "nice")

    def before(self, nodeid: str) -> None:
        """Called before each test; what was given up is not to be had again."""
        if not self._polite and not _waits(nodeid):
            os.nice(POLITER)
            self._polite = True
