"""What people are told about a running cluster, as values; how it is shown is the front door's.

All times are microseconds since the run began.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResourceNews:
    """A resource's state changed, as RCM sees it."""

    at_us: int
    resource: str
    group: str
    monitor: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class GroupNews:
    """A group's state changed."""

    at_us: int
    group: str
    state: str


@dataclass(frozen=True, slots=True)
class MonitorNews:
    """A monitor process started (`pid`), or ended (`why`; `dump`: a file with its threads)."""

    at_us: int
    monitor: str
    epoch: int
    pid: int | None
    why: str
    dump: str = ""
    unexpected: bool = False  # it did not end because RCM had asked for it


@dataclass(frozen=True, slots=True)
class LogNews:
    """A line that a plug-in or the host wrote about a resource (or, empty, about the run)."""

    at_us: int
    resource: str
    text: str


News = ResourceNews | GroupNews | MonitorNews | LogNews
