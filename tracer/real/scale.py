"""A cluster whose every time is shorter: a deadline of minutes can be watched (--time-scale).

Owns which values of a configuration are times. Plug-ins are told the scale and may follow it.
"""

from __future__ import annotations

from dataclasses import replace

from rhscheck.tracer.configuration import ClusterConfiguration


def scaled(configuration: ClusterConfiguration, divisor: int) -> ClusterConfiguration:
    """The configuration with all times divided by `divisor` (at least 1), rounded down."""

    def less(time_us: int) -> int:
        return max(1, time_us // divisor) if time_us else 0

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
