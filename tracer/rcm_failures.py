"""What RCM remembers and how it answers failures: restarts, failover, isolation, what is overdue.

Owns the decisions RestartPolicy and Isolation (`tracer.rcm_core` says what they are): how often a
resource, a group or a monitor may fail before something else is done, what people are shown of
that, and how long an Offline or the end of a monitor is waited for. What counts as a failure, and
all that is asked of monitors, is `tracer.rcm_core`'s, which builds on it.
"""

from __future__ import annotations

from heapq import heappush
from typing import Final

from rhscheck.tracer.configuration import (
    ClusterConfiguration,
    GroupConfiguration,
    Timeouts,
    own_monitor,
)
from rhscheck.tracer.events import (
    KillMonitor,
    Notice,
    RcmEffect,
    ResourceChanged,
    ResourceFailed,
)
from rhscheck.tracer.rcm_state import (
    GroupView,
    MonitorView,
    ResourceView,
    dependencies_first,
)
from rhscheck.tracer.rcm_table import RCM_TABLE, RcmState
from rhscheck.tracer.table import Table

# How much longer than it may take a dying monitor, or an Offline, is waited for.
GRACE_US: Final = 1_000_000


def offline_limit_us(times: Timeouts) -> int:
    """How long RCM waits for the first answer to an Offline (OfflineOverdue), in microseconds.

    What leaves room for Offline never takes so long: the call that held the slot ends within
    `call`; then go, each shorter than its interval, an IsAlive and a LooksAlive that were due and
    the IsAlive that confirms the latter's failure; and Offline itself ends within `call`, or its
    monitor says that it did not.
    """
    is_alive_us = min(times.is_alive_us, times.call_us)
    looks_alive_us = min(times.looks_alive_us, times.call_us)
    return 2 * times.call_us + 2 * is_alive_us + looks_alive_us + GRACE_US


class RcmFailures:
    """The records of RCM of `node` in the cluster `configuration`, which has no `problems`."""

    def __init__(
        self, configuration: ClusterConfiguration, node: str, table: Table = RCM_TABLE
    ) -> None:
        self.configuration = configuration
        self.node = node
        self._table = table
        self._now = 0
        self._out: list[RcmEffect] = []
        self._wakes: list[int] = []
        # Until when an answer to Offline is waited for, by resource in OfflineCallIssued.
        self._offline_due: dict[str, int] = {}
        self._offline_limit_us = offline_limit_us(configuration.timeouts)
        self._requests = 0
        # What RCM is owed an answer for: the resource, and the user's ticket for a control.
        self._asked: dict[int, tuple[ResourceView, int | None]] = {}
        self._down: list[str] = []
        self._running = self._stopping = self._finished = False
        self._monitors = {name: MonitorView(name) for name in configuration.monitors}
        self._groups: dict[str, GroupView] = {}
        for one in configuration.all_groups:
            first = self._candidates(one)[0]
            self._groups[one.name] = GroupView(one, first, one.persistent)
        found = {
            one.name: ResourceView(one, self._groups[one.group], self._monitors[one.monitor])
            for one in configuration.resources
        }
        for resource in found.values():
            resource.needs = [found[name] for name in resource.configuration.depends_on]
            for need in resource.needs:
                need.needed_by.append(resource)
        self._resources = {one.name: one for one in dependencies_first(found.values())}
        for resource in self._resources.values():
            resource.group.resources.append(resource)

    def _candidates(self, group: GroupConfiguration) -> tuple[str, ...]:
        return group.nodes or self.configuration.nodes

    @property
    def next_due_us(self) -> int | None:
        """When the core wants a Tick; None: never, as things are."""
        if self._offline_due:
            return min((*self._wakes[:1], *self._offline_due.values()))
        return self._wakes[0] if self._wakes else None

    def _wake_at(self, due_us: int) -> None:
        if due_us not in self._wakes:
            heappush(self._wakes, due_us)

    def _enter(self, resource: ResourceView, state: RcmState, why: str) -> None:
        resource.state = state
        self._offline_due.pop(resource.name, None)
        self._show(resource, why)

    def _show(self, resource: ResourceView, why: str) -> None:
        """Tell people the state, where a failed or waiting resource is not just offline."""
        shown: str = resource.state
        if resource.state in ("Offline", "Initializing"):
            if resource.given_up:
                shown = "Failed"
            elif resource.not_before_us > self._now:
                shown = "DelayRestartingResource"
        if shown != resource.shown:
            source, resource.shown = resource.shown, shown
            self._out.append(
                ResourceChanged(
                    resource.name,
                    resource.group.configuration.name,
                    resource.monitor.name,
                    source,
                    shown,
                    why,
                )
            )

    def _failed(self, resource: ResourceView, why: str) -> None:
        resource.failure = why
        self._out.append(ResourceFailed(resource.name, why))
        if self._stopping:
            resource.unclean = why

    def _count_failure(self, resource: ResourceView, why: str) -> None:
        """RestartPolicy: one more failure, and what follows from it."""
        policy, now = resource.configuration.restart, self._now
        recent = [one for one in resource.failures_us if now - one < policy.period_us]
        resource.failures_us = [*recent, now]
        if policy.action != "none" and len(resource.failures_us) <= policy.threshold:
            resource.not_before_us = now + policy.delay_us
            self._wake_at(resource.not_before_us)
        else:
            self._give_up(resource)
        self._show(resource, why)

    def _give_up(self, resource: ResourceView) -> None:
        policy = resource.configuration.restart
        resource.given_up = True
        if policy.action != "none" and policy.retry_us is not None:
            resource.not_before_us = self._now + policy.retry_us
            self._wake_at(resource.not_before_us)
        if policy.action == "restartNotify":
            self._fail_over(resource.group)

    def _fail_over(self, group: GroupView) -> None:
        """Move the group to another node, unless it was moved too often of late."""
        if group.leaving is not None or group.owner != self.node or self._stopping:
            return
        one = group.configuration
        since = self._now - one.failover_period_us
        group.failovers_us = [at for at in group.failovers_us if at > since]
        others = [
            node for node in self._candidates(one) if node != self.node and node not in self._down
        ]
        if others and len(group.failovers_us) < one.failovers:
            group.failovers_us.append(self._now)
            group.leaving = others[0]

    def _forgive(self, resource: ResourceView) -> None:
        resource.given_up = False
        resource.failures_us.clear()
        resource.not_before_us = self._now

    def _dying(self, culprit: ResourceView, notice: Notice) -> None:
        monitor = culprit.monitor
        if monitor.state == "up":
            monitor.state = "dying"
            monitor.kill_at_us = self._now + self.configuration.timeouts.dump_us + GRACE_US
            self._wake_at(monitor.kill_at_us)
        culprit.deaths += 1
        self._failed(culprit, notice.why)
        self._count_failure(culprit, notice.why)

    def _limit_restarts(self, monitor: MonitorView, hosted: list[ResourceView]) -> None:
        limits, now = self.configuration.monitor_restarts, self._now
        monitor.restarts_us = [at for at in monitor.restarts_us if now - at < limits.period_us]
        if len(monitor.restarts_us) < limits.restarts:
            monitor.restarts_us.append(now)
            monitor.not_before_us = now + limits.delay_us
        else:
            oldest_us = monitor.restarts_us[0] if monitor.restarts_us else now  # `restarts = 0`
            monitor.not_before_us = oldest_us + limits.period_us
            for resource in hosted:
                resource.failure = "its monitor died too often"
                self._give_up(resource)
                self._show(resource, resource.failure)
        self._wake_at(monitor.not_before_us)

    def _isolate(self, resource: ResourceView) -> None:
        after = resource.configuration.isolate_after
        alone = sum(one.monitor is resource.monitor for one in self._resources.values()) == 1
        if after and resource.deaths >= after and not alone:
            name = own_monitor(resource.name)
            self._monitors[name] = resource.monitor = MonitorView(name)

    def _kill_overdue(self) -> None:
        for monitor in self._monitors.values():
            if monitor.kill_at_us is not None and monitor.kill_at_us <= self._now:
                monitor.kill_at_us = None
                why = "it should have ended by itself"
                if monitor.state == "starting":
                    monitor.state = "stopping"  # its end is no death that is recovered from
                    why = "it had not started when the run was to end"
                self._out.append(KillMonitor(monitor.name, monitor.epoch, why))
