"""Whether time may stop, for any number of instances or for one of them.

Owns condition (b) of SEMANTICS section 5 in one instance plus environment: the goals of
`checker.timelock`, each excluded with as few variables and clocks as it takes. Knows no rules.
"""

from __future__ import annotations

from collections.abc import Collection

from rhscheck.checker.answer import Task, TimeCheck, Unconfirmed, located
from rhscheck.checker.local import Dependence
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, GaveUp, Real, narrow
from rhscheck.checker.proofs import LOCALLY, Proof, recheck_locally, skeleton
from rhscheck.checker.schedule import Reached
from rhscheck.checker.timelock import check_time, stopped, timelock_goals, untrapped
from rhscheck.checker.waking import waking
from rhscheck.spec.expr import FALSE, Expr


def check_local_time(task: Task) -> TimeCheck:
    """Whether time may stop. Raises ValueError where instances depend on each other, ProofMismatch.

    A deadline that looks at other instances is not seen as it is: then the answer is that it may.
    """
    model = task.weave([])
    made = model.independent
    if made.blind:
        return TimeCheck(f"time may stop: {located(made.blind[0])}")
    settling, quiet = (
        frozenset(key for key in made.settled if made.origin[key] not in those)
        for those in (waking(model.system, urgent=urgent) for urgent in (False, True))
    )
    return _excluded(task, model, settling, quiet)


def time_for_every(task: Task) -> TimeCheck:
    """`check_local_time`, once for a task."""
    if None not in task.times:
        task.times[None] = check_local_time(task)
    return task.times[None]


def time_stops(task: Task, n: int) -> str | None:
    """Why time may stop with `n` instances; None: it does not. Once for a task."""
    if n not in task.times:
        base = task.weave([])
        independent = not isinstance(base.abstraction, Dependence)
        if independent and time_for_every(task).reason is None:
            return None
        task.times[n] = check_time(task, base.compiled(n), None, f"for N={n}")
    return task.times[n].reason


def _excluded(
    task: Task, model: Model, settling: Collection[str], quiet: Collection[str]
) -> TimeCheck:
    """No reachable state has a tight deadline and no step, nor urgent steps without end.

    `settling`: the steps that count as ends of a deadline; `quiet`: those that count where urgent
    ones follow each other. The small formulas first, and the wide ones only where those are
    reached.
    """
    whole = model.local
    task.say("can time stop?")
    names = [name for name, goal in timelock_goals(whole, settling).items() if goal != FALSE]
    found: list[tuple[str, Expr, Reached]] = []
    for wide in (False, True):
        every = timelock_goals(whole, settling, wide=wide)
        proofs: list[Proof] = []
        excluded: dict[str, Expr] = {}
        found = []
        for name in names:
            goal = every[name]
            outcome = narrow(
                whole, model.local_compiled, name, goal, keep=skeleton(whole),
                limit=task.limit, cancelled=task.budget.over,
            )  # fmt: skip
            match outcome:
                case Excluded(projection, exploration):
                    proofs.append(Proof((), projection, exploration))
                    excluded[name] = goal
                case Real(run, positions):
                    found.append((name, goal, Reached(run, positions, ())))
                case GaveUp(reason):
                    return TimeCheck(f"{name} was not excluded {LOCALLY}: {reason}")
        if excluded:
            checked = recheck_locally(task, whole, proofs, excluded)
            if isinstance(checked, Unconfirmed):
                return TimeCheck(checked.reason)
        names = [name for name, _, _ in found]
        if not names:
            return untrapped(task, whole, model.local_compiled, quiet, LOCALLY)
    return stopped(found, whole, LOCALLY)
