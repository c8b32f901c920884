"""A cluster whose every time is shorter: a deadline of minutes can be watched (--time-scale).

Owns which values of a configuration are times. Plug-ins are told the scale and may follow it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from rhscheck.tracer.configuration import ClusterConfiguration, Timeouts, divided

# Less than this a busy machine does not keep: a process starts in 0.3 s and more, and a deadline
# may be seen some milliseconds late.
_LEAST_CALL_US: Final = 500_000
_LEAST_POLL_US: Final = 10_000
# And less than this no machine keeps: a thread is started, runs and is heard of in a few
# milliseconds, and waits for others that start, too.
_HOPELESS_CALL_US: Final = 50_000


def scaled(configuration: ClusterConfiguration, divisor: float) -> ClusterConfiguration:
    """The configuration with all times divided by `divisor`, which is above 0."""

    def less(time_us: int) -> int:
        return divided(time_us, divisor)

    return replace(
        configuration,
        timeouts=configuration.timeouts.scaled(divisor),
        monitor_restarts=replace(
            configuration.monitor_restarts,
            period_us=less(configuration.monitor_restarts.period_us),
            delay_us=less(configuration.monitor_restarts.delay_us),
        ),
        groups=tuple(
            replace(group, failover_period_us=less(group.failover_period_us))
            for group in configuration.groups
        ),
        resources=tuple(
            replace(
                resource,
                restart=replace(
                    resource.restart,
                    period_us=less(resource.restart.period_us),
                    delay_us=less(resource.restart.delay_us),
                    retry_us=None
                    if resource.restart.retry_us is None
                    else less(resource.restart.retry_us),
                ),
            )
            for resource in configuration.resources
        ),
    )


def hint(times: Timeouts, divisor: float) -> str:
    """What to think of a run with these times, which were divided; empty if they are long enough.

    Those of a cluster that is written so (`divisor` 1) are what somebody wanted.
    """
    call_us = min(times.call_us, times.report_due_us)
    poll_us = min(times.looks_alive_us, times.is_alive_us)
    if divisor == 1 or (call_us >= _LEAST_CALL_US and poll_us >= _LEAST_POLL_US):
        return ""
    if call_us < _HOPELESS_CALL_US:
        return (
            f"--time-scale {divisor:g} leaves {call_us / 1000:g} ms for a call: real threads and "
            "processes miss such deadlines, so what fails or is restarted now shows nothing; take "
            f"{_greatest(call_us, divisor):g} or less"
        )
    return (
        f"--time-scale {divisor:g} leaves {call_us / 1000:g} ms for a call and "
        f"{poll_us / 1000:g} ms between polls, which a busy machine may not keep: what hangs, does "
        "not load or is late may do so for that alone"
    )


def _greatest(call_us: int, divisor: float) -> float:
    """The greatest scale, of two digits, that leaves a busy machine enough for a call."""
    scale = call_us * divisor / _LEAST_CALL_US
    step = 10.0 ** (math.floor(math.log10(scale)) - 1)
    return math.floor(scale / step) * step
