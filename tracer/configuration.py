"""What a cluster is configured to be: resources, groups, monitors, time-outs, restart policy.

Owns the plain values that the cores run on, their defaults with the source of each, and what makes
a configuration contradict itself. Knows no file format (line numbers are added by whoever read
one), no plug-in and no process.

All times are integer microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND

SHARED_MONITOR: Final = "shared"
LOCAL_NODE: Final = "node1"
MAX_NODES: Final = 2  # who owns a group is settled between two; more would need an election
_OWN: Final = " (own)"

Kind = Literal["cluster", "group", "resource"]  # what a value of a configuration belongs to


def own_monitor(resource: str) -> str:
    """The name of the monitor that a resource is moved to when it is isolated."""
    return resource + _OWN


def process_name(monitor: str) -> str:
    """How the process of a monitor is called in the `res` of an event of its own."""
    return f"RHS {monitor}"


def divided(time_us: int, divisor: float) -> int:
    """A time divided by `divisor`, rounded; only 0 becomes 0. Raises ValueError unless above 0."""
    if not divisor > 0:
        raise ValueError("times can only be divided by a number above 0")
    return max(1, round(time_us / divisor)) if time_us else 0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The times of Part 3, the same for every resource of a cluster.

    `call_us`: "If Online call does not return in 5 minutes then RHS will declare that the resource
    is deadlocked". `pending_us`: "After 3 minutes of silence". `looks_alive_us`, `is_alive_us`:
    "LooksAlive is called every 5 seconds, and IsAlive is called every minute". `dump_us`: how long
    a dying monitor may write its dump; the documents give no time, without one it could stay for
    ever. `report_due_us` is what counts as silence: PendingTimeout, but never more than the
    call's ("the lower of the two values will be used", API, PendingTimeout).
    """

    call_us: int = 5 * MINUTE
    pending_us: int = 3 * MINUTE
    looks_alive_us: int = 5 * SECOND
    is_alive_us: int = 60 * SECOND
    dump_us: int = 60 * SECOND

    @property
    def report_due_us(self) -> int:
        """How long a pending resource may be silent."""
        return min(self.pending_us, self.call_us)

    def scaled(self, divisor: float) -> Timeouts:
        """All times divided by `divisor`. Raises ValueError as `divided`."""
        return Timeouts(
            call_us=divided(self.call_us, divisor),
            pending_us=divided(self.pending_us, divisor),
            looks_alive_us=divided(self.looks_alive_us, divisor),
            is_alive_us=divided(self.is_alive_us, divisor),
            dump_us=divided(self.dump_us, divisor),
        )


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """What RCM does about a resource that failed (API: RestartAction and its companions).

    `action`: "none" leaves it failed, "restart" restarts it but lets its group alone when it failed
    too often, "restartNotify" then moves the group to another node. `threshold` failures within
    `period_us` are answered with a restart after `delay_us`; one more counts as too often. A failed
    resource is tried again after `retry_us`; None: never.
    """

    action: Literal["none", "restart", "restartNotify"] = "restartNotify"
    threshold: int = 3
    period_us: int = 15 * MINUTE
    delay_us: int = 500_000
    retry_us: int | None = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class RestartIntensity:
    """How often the process of a monitor may be restarted: `restarts` times within `period_us`.

    Beyond that its resources count as failed for good, or a plug-in that kills its host at once
    would keep a machine busy starting processes. `delay_us` is the pause before each restart.
    """

    restarts: int = 5
    period_us: int = 15 * MINUTE
    delay_us: int = 100_000


@dataclass(frozen=True, slots=True)
class ResourceConfiguration:
    """One resource. `plugin` and `parameters` are for whoever loads the plug-in.

    `monitor`: the monitor process that hosts it. `depends_on`: resources of the same group that
    have to be online before it, and go offline after it. `isolate_after`: so many deaths of its
    monitor that it caused move it to a monitor of its own (0: never).
    """

    name: str
    group: str
    plugin: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    monitor: str = SHARED_MONITOR
    restart: RestartPolicy = RestartPolicy()
    isolate_after: int = 1


@dataclass(frozen=True, slots=True)
class GroupConfiguration:
    """Resources that are owned by one node together.

    `nodes`: who may own it, in order of preference; empty: every node. `persistent`: the state
    that "the user put the group to" (Part 1) before the run. `failovers` within
    `failover_period_us` are answered with a move; one more leaves the group where it is.
    """

    name: str
    nodes: tuple[str, ...] = ()
    persistent: Literal["online", "offline"] = "online"
    failovers: int = 2
    failover_period_us: int = 6 * 60 * MINUTE


@dataclass(frozen=True, slots=True)
class ClusterConfiguration:
    """A cluster, in the order in which it was written down. `problems` says if it is a usable one.

    Groups that a resource names need no entry of their own; `all_groups` has them.
    """

    resources: tuple[ResourceConfiguration, ...]
    groups: tuple[GroupConfiguration, ...] = ()
    nodes: tuple[str, ...] = (LOCAL_NODE,)
    timeouts: Timeouts = Timeouts()
    monitor_restarts: RestartIntensity = RestartIntensity()

    @property
    def all_groups(self) -> tuple[GroupConfiguration, ...]:
        """Every group: those declared, then those that only a resource names."""
        declared = {group.name: group for group in self.groups}
        for resource in self.resources:
            declared.setdefault(resource.group, GroupConfiguration(resource.group))
        return tuple(declared.values())

    @property
    def monitors(self) -> tuple[str, ...]:
        """The monitors that host something when the cluster starts."""
        return tuple(dict.fromkeys(resource.monitor for resource in self.resources))


def only(configuration: ClusterConfiguration, names: Sequence[str]) -> ClusterConfiguration:
    """The cluster with the resources `names` alone; nothing depends on those left out any more."""
    kept = tuple(
        replace(one, depends_on=tuple(need for need in one.depends_on if need in names))
        for one in configuration.resources
        if one.name in names
    )
    return replace(configuration, resources=kept)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a configuration cannot be used. `kind`, `name`, `key` say which value is to blame.

    `at`: which element of it, where it is a list. `because`: the other values that make it wrong,
    each as (kind, name, key).
    """

    kind: Kind
    name: str
    key: str
    message: str
    at: int | None = None
    because: tuple[tuple[Kind, str, str], ...] = ()


def problems(configuration: ClusterConfiguration) -> tuple[Problem, ...]:
    """All contradictions of the configuration, in its own order; none means that it can be run."""
    found: list[Problem] = []
    found += _times(configuration)
    found += _twice("cluster", "nodes", configuration.nodes)
    found += _twice("group", "name", (one.name for one in configuration.groups))
    found += _twice("resource", "name", (one.name for one in configuration.resources))
    if not configuration.nodes:
        found.append(Problem("cluster", "", "nodes", "there is no node; name at least one"))
    if len(configuration.nodes) > MAX_NODES:
        message = f"there are {len(configuration.nodes)} nodes; at most {MAX_NODES} are possible"
        found.append(Problem("cluster", "", "nodes", message))
    for group in configuration.groups:
        found += _group(configuration, group)
    resources = {one.name: one for one in configuration.resources}
    for resource in configuration.resources:
        found += _resource(resources, resource)
    found += _circles(resources)
    return tuple(found)


def _times(configuration: ClusterConfiguration) -> list[Problem]:
    times = configuration.timeouts
    named = {
        "call": times.call_us,
        "pending": times.pending_us,
        "looks_alive": times.looks_alive_us,
        "is_alive": times.is_alive_us,
        "dump": times.dump_us,
    }
    return [
        Problem("cluster", "", key, f"the time-out `{key}` must be more than 0")
        for key, value in named.items()
        if value <= 0
    ]


def _twice(kind: Kind, key: str, names: Iterable[str]) -> list[Problem]:
    seen: set[str] = set()
    found = []
    for name in names:
        if name in seen:
            found.append(Problem(kind, name, key, f"`{name}` is there twice; rename one"))
        seen.add(name)
    return found


def _group(configuration: ClusterConfiguration, group: GroupConfiguration) -> list[Problem]:
    found = [
        Problem(
            *("group", group.name, "nodes", f"there is no node `{node}`"),
            at=at,
            because=(("cluster", "", "nodes"),),
        )
        for at, node in enumerate(group.nodes)
        if node not in configuration.nodes
    ]
    if group.failovers < 0:
        found.append(Problem("group", group.name, "failovers", "`failovers` must be 0 or more"))
    if group.failover_period_us < 0:
        message = "`failover_period` must be 0 or more"
        found.append(Problem("group", group.name, "failover_period", message))
    return found


def _resource(
    resources: Mapping[str, ResourceConfiguration], resource: ResourceConfiguration
) -> list[Problem]:
    found = []
    numbers = {
        "threshold": resource.restart.threshold,
        "period": resource.restart.period_us,
        "delay": resource.restart.delay_us,
        "retry": resource.restart.retry_us or 0,
        "isolate_after": resource.isolate_after,
    }
    for key, value in numbers.items():
        if value < 0:
            found.append(Problem("resource", resource.name, key, f"`{key}` must be 0 or more"))
    for at, name in enumerate(resource.depends_on):
        if name in resource.depends_on[:at]:
            continue
        other = resources.get(name)
        because: tuple[tuple[Kind, str, str], ...] = ()
        if other is None:
            message = f"`{resource.name}` depends on `{name}`, which does not exist"
        elif other.group != resource.group:
            message = (
                f"`{resource.name}` depends on `{name}` of another group (`{other.group}`); "
                "a group is owned by one node as a whole, so put them into one group"
            )
            because = (("resource", name, "group"), ("resource", resource.name, "group"))
        else:
            continue
        found.append(
            Problem("resource", resource.name, "depends_on", message, at=at, because=because)
        )
    if not resource.monitor:
        message = "a monitor needs a name"
        found.append(Problem("resource", resource.name, "monitor", message))
    if resource.monitor.endswith(_OWN):
        message = f"names that end in `{_OWN.strip()}` are for resources that are isolated later"
        found.append(Problem("resource", resource.name, "monitor", message))
    if resource.name.startswith(process_name("")):
        message = f"names that begin with `{process_name('').strip()} ` are for host processes"
        found.append(Problem("resource", resource.name, "name", message))
    return found


def _circles(resources: Mapping[str, ResourceConfiguration]) -> list[Problem]:
    """Each resource that needs itself, reported once, at the first resource of its circle."""
    found: list[Problem] = []
    reported: set[str] = set()
    for start in resources:
        path = _circle(resources, start)
        if path and not reported.intersection(path):
            reported.update(path)
            circle = " → ".join((*path, start))
            message = f"`{start}` depends on itself: {circle}"
            found.append(Problem("resource", start, "depends_on", message))
    return found


def _circle(resources: Mapping[str, ResourceConfiguration], start: str) -> tuple[str, ...]:
    """The shortest path from `start` back to it, without its end; empty if there is none."""
    paths: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for path in paths:  # grows while it is walked: breadth first
        for name in resources[path[-1]].depends_on:
            if name == start:
                return path
            if name in resources and name not in seen:
                seen.add(name)
                paths.append((*path, name))
    return ()
