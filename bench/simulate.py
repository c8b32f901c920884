"""Measures the simulator: events and virtual hours a second, with faults and the rule watch on.

    python bench/simulate.py [--seeds 300]

Three resources, two monitors, faults by seed, users, `tracer.rule_watch` judging every trace event,
on one core. An event is one `step` of a core; trace events are counted apart. CPU seconds of this
process. A fixed pure-Python loop in the same run is the reference, so that tables of different
machines compare. The cost of each part is shown by leaving it out.
"""

from __future__ import annotations

import argparse
import platform
import time

LOOP = 3_000_000


def reference() -> float:
    """CPU seconds of the reference loop."""
    began = time.process_time()
    total = 0
    for number in range(LOOP):
        total += number * number % 7
    return time.process_time() - began


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
    print(f"bare core, one resource polled: {2 * rounds / took:,.0f} steps/s")


if __name__ == "__main__":
    main()
