"""A cluster whose every time is shorter: a deadline of minutes can be watched (--time-scale).

Owns which values of a configuration are times. Plug-ins are told the scale and may follow it.
"""

from __future__ import annotations

from dataclasses import replace

from rhscheck.tracer.configuration import ClusterConfiguration, divided


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
