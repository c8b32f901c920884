"""What RCM remembers of resources, groups and monitors, and what follows from it alone.

Owns these records and questions about them that need no decision: the state of a group, the order
of dependencies. What RCM does about them is `tracer.rcm_core`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from rhscheck.tracer.configuration import GroupConfiguration, ResourceConfiguration
from rhscheck.tracer.rcm_table import RcmState

# Nothing of the resource runs, so what it depends on may go.
IDLE: Final = frozenset(("Initializing", "Opening", "Offline", "Closing", "Closed"))


@dataclass(slots=True)
class ResourceView:
    """One resource. `failures_us`: when it failed lately; `given_up`: only a user or time helps."""

    configuration: ResourceConfiguration
    group: GroupView
    monitor: MonitorView
    state: RcmState = "Initializing"
    needs: list[ResourceView] = field(default_factory=list)
    needed_by: list[ResourceView] = field(default_factory=list)
    failures_us: list[int] = field(default_factory=list)
    deaths: int = 0  # of monitor processes that it caused
    not_before_us: int = 0  # when it may be tried again
    given_up: bool = False
    recover: bool = False
    failed: bool = False  # the Terminate under way is for a failure
    shown: str = "Initializing"
    failure: str = ""  # the latest, in words
    unclean: str = ""  # why the shutdown is not in order, as far as this resource goes

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.configuration.name


@dataclass(slots=True)
class GroupView:
    """One group. `leaving`: the node that it is on its way to."""

    configuration: GroupConfiguration
    owner: str
    persistent: Literal["online", "offline"]
    resources: list[ResourceView] = field(default_factory=list)
    leaving: str | None = None
    failovers_us: list[int] = field(default_factory=list)
    shown: str = "Offline"


@dataclass(slots=True)
class MonitorView:
    """One monitor. `epoch` counts its processes from 1."""

    name: str
    state: Literal["down", "starting", "up", "dying", "stopping"] = "down"
    epoch: int = 0
    restarts_us: list[int] = field(default_factory=list)
    not_before_us: int = 0
    kill_at_us: int | None = None


def group_state(group: GroupView) -> str:
    """The state of a group by those of its resources (CLUSTER_GROUP_STATE)."""
    if all(one.state == "Online" for one in group.resources):
        return "Online"
    if any(one.state not in IDLE and one.state != "Online" for one in group.resources):
        return "Pending"
    if any(one.state == "Online" for one in group.resources):
        return "PartialOnline"
    return "Failed" if any(one.given_up for one in group.resources) else "Offline"


def dependencies_first(resources: Iterable[ResourceView]) -> list[ResourceView]:
    """The resources, each after all that it needs, else in the given order."""
    ordered: list[ResourceView] = []
    waiting = list(resources)
    while waiting:
        ready = next(one for one in waiting if all(need in ordered for need in one.needs))
        waiting.remove(ready)
        ordered.append(ready)
    return ordered
