"""Making a simulated run that shows something smaller, while it still shows it.

Owns what is tried: fewer faults, no users, fewer resources, less time. Each attempt is a run of the
same seed, and the streams of its components do not depend on each other, so what is left behaves
as before wherever it can. Whether a run still shows the same is the caller's question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from rhscheck.tracer.configuration import ClusterConfiguration, only
from rhscheck.tracer.faults import Fault, FaultPlan
from rhscheck.tracer.simulator import Options, Run

MAX_ATTEMPTS: Final = 80
_SHORT_US: Final = 60_000_000  # a run of a minute is short enough


@dataclass(frozen=True, slots=True)
class Case:
    """All that a run follows from, beside its seed."""

    configuration: ClusterConfiguration
    plan: FaultPlan
    options: Options


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest case that was found, its run, and how many runs were tried."""

    case: Case
    run: Run
    attempts: int


def shrink(case: Case, run: Run, attempt: Callable[[Case], Run | None]) -> Shrunk:
    """The smallest case that `attempt` accepts, starting from `case`, whose run is `run`.

    `attempt` simulates a case and gives its run, None if that does not show the same any more. At
    most MAX_ATTEMPTS are made; the result is then just not the smallest.
    """
    best, attempts, progress = Shrunk(case, run, 0), 0, True
    while progress:
        progress = False
        for smaller in _smaller(best.case, best.run.struck):
            if attempts == MAX_ATTEMPTS:
                return replace(best, attempts=attempts)
            attempts += 1
            shown = attempt(smaller)
            if shown is not None:
                best, progress = Shrunk(smaller, shown, attempts), True
                break
    return replace(best, attempts=attempts)


def _smaller(case: Case, struck: tuple[Fault, ...]) -> Iterator[Case]:
    """Cases that are smaller than `case`, the boldest first. `struck`: the faults of its run."""
    plan, options = case.plan, case.options
    if plan.random_seed is not None:
        # The same faults by name: nothing is drawn any more, and single ones can be left out.
        yield replace(case, plan=replace(plan, faults=struck, random_seed=None))
        return
    if options.user_every_us:
        yield replace(case, options=replace(options, user_every_us=0))
    half = len(plan.faults) // 2
    if half > 1:
        yield replace(case, plan=replace(plan, faults=plan.faults[half:]))
        yield replace(case, plan=replace(plan, faults=plan.faults[:half]))
    for at in range(len(plan.faults)):
        faults = plan.faults[:at] + plan.faults[at + 1 :]
        yield replace(case, plan=replace(plan, faults=faults))
    yield from _fewer_resources(case)
    if options.duration_us >= 2 * _SHORT_US:
        yield replace(case, options=replace(options, duration_us=options.duration_us // 2))


def _fewer_resources(case: Case) -> Iterator[Case]:
    names = [one.name for one in case.configuration.resources]
    for name in names if len(names) > 1 else ():
        kept = [one for one in names if one != name]
        faults = tuple(fault for fault in case.plan.faults if fault.res != name)
        yield replace(
            case,
            configuration=only(case.configuration, kept),
            plan=replace(case.plan, faults=faults),
        )
