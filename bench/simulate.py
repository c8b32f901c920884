"""Measures the simulator: events and virtual hours a second, with faults and the rule watch on.

    python bench/simulate.py [--seeds 300]

Three resources, two monitors, faults by seed, users, `tracer.rule_watch` judging every trace event,
on one core. An event is one `step` of a core; trace events are counted apart. CPU seconds of this
process. A fixed pure-Python loop in the same run is the reference, so that tables of different
machines compare. The cost of each part is shown by leaving it out. Last, how much of the cores'
transition tables such runs come to: what random runs miss is known, not assumed.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rhscheck.tracer.configuration import ClusterConfiguration

LOOP = 3_000_000


def reference() -> float:
    """CPU seconds of the reference loop."""
    began = time.process_time()
    total = 0
    for number in range(LOOP):
        total += number * number % 7
    return time.process_time() - began


class Visited(dict[str, str]):
    """A row of a transition table that remembers which of its cells were asked for."""

    def __init__(
        self, state: str, row: Mapping[str, str], seen: dict[tuple[str, str], int]
    ) -> None:
        super().__init__(row)
        self._state, self._seen = state, seen

    def __getitem__(self, occurrence: str) -> str:
        key = (self._state, occurrence)
        self._seen[key] = self._seen.get(key, 0) + 1
        return super().__getitem__(occurrence)


def coverage(cluster: ClusterConfiguration, seeds: int) -> None:
    """Which cells of the transition tables the runs of the first seeds come to."""
    from rhscheck.tracer.faults import plan_for
    from rhscheck.tracer.rcm_core import RcmCore
    from rhscheck.tracer.rcm_table import RCM_TABLE
    from rhscheck.tracer.rhs_core import RhsCore
    from rhscheck.tracer.rhs_table import TABLE
    from rhscheck.tracer.simulator import Cores, Options, simulate

    rhs_seen: dict[tuple[str, str], int] = {}
    rcm_seen: dict[tuple[str, str], int] = {}
    rcm_table = {state: Visited(state, row, rcm_seen) for state, row in RCM_TABLE.items()}

    def make_rhs(one: ClusterConfiguration) -> RhsCore:
        core = RhsCore(one.timeouts)
        core._table = {state: Visited(state, row, rhs_seen) for state, row in TABLE.items()}
        return core

    cores = Cores(make_rhs, lambda one, node: RcmCore(one, node, rcm_table))
    names = [one.name for one in cluster.resources]
    for seed in range(seeds):
        options = Options(user_every_us=20_000_000, wild=seed % 2 == 1)
        simulate(cluster, seed, plan_for(seed, names), options, cores=cores)
    for title, table, seen in (("RHS", TABLE, rhs_seen), ("RCM", RCM_TABLE, rcm_seen)):
        acts = [
            (state, occurrence)
            for state, row in table.items()
            for occurrence, cell in row.items()
            if cell not in (".", "refuse")
        ]
        missed = [
            f"{state}/{occurrence}"
            for state, occurrence in acts
            if not seen.get((state, occurrence))
        ]
        print(
            f"{title} table, seeds 0-{seeds - 1}: {len(acts) - len(missed)} of {len(acts)} cells "
            f"that do something were visited; not: {', '.join(missed) or 'none'}"
        )


def main() -> None:
    """Print the table."""
    from rhscheck.tracer.configuration import ClusterConfiguration, ResourceConfiguration, Timeouts
    from rhscheck.tracer.events import Command, Returned, Tick
    from rhscheck.tracer.faults import FaultPlan, plan_for
    from rhscheck.tracer.rhs_core import RhsCore
    from rhscheck.tracer.rule_watch import RuleWatch
    from rhscheck.tracer.simulator import Options, simulate

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    seeds = parser.parse_args().seeds
    cluster = ClusterConfiguration(
        resources=(
            ResourceConfiguration("ip", "web"),
            ResourceConfiguration("disk", "web", monitor="flaky"),
            ResourceConfiguration("app", "web", depends_on=("ip", "disk")),
        )
    )
    names = [one.name for one in cluster.resources]
    options = Options(duration_us=3_600_000_000)
    print(f"Python {platform.python_version()}, {platform.machine()}; loop {reference():.3f} s CPU")
    for title, faults, watch in (
        ("faults and rule watch", True, True),
        ("faults, nobody judges", True, False),
        ("no faults, nobody judges", False, False),
    ):
        steps = events = virtual_us = complaints = struck = 0
        began = time.process_time()
        for seed in range(seeds):
            plan = plan_for(seed, names) if faults else FaultPlan()
            run = (
                simulate(cluster, seed, plan, options, judge=RuleWatch(cluster))
                if watch
                else simulate(cluster, seed, plan, options)
            )
            steps += run.steps
            events += len(run.events)
            virtual_us += run.ended_us
            struck += len(run.struck)
            complaints += run.complaint is not None
        took = time.process_time() - began
        print(
            f"{title}: {steps / took:,.0f} events/s ({events / took:,.0f} trace events/s), "
            f"{virtual_us / 3.6e9 / took:,.1f} virtual hours/s; {seeds} runs, {steps:,} events, "
            f"{struck} faults, {complaints} complaints, {took:.2f} s CPU"
        )
    core = RhsCore(Timeouts())
    core.step(Command(1, "a", "Open"), 0)
    core.step(Returned(1, 0), 0)
    core.step(Command(2, "a", "Online"), 0)
    core.step(Returned(2, 0), 0)
    began = time.process_time()
    rounds = 50_000
    for _ in range(rounds):
        due = core.next_due_us or 0
        call = core.step(Tick(), due)[0].call
        core.step(Returned(call, 0), due)
    took = time.process_time() - began
    coverage(cluster, 4 * seeds)
    print(f"bare core, one resource polled: {2 * rounds / took:,.0f} steps/s")


if __name__ == "__main__":
    main()
