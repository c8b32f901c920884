"""Which RHS process hosts which resource, as far as a log shows it.

Owns the processes' names: the number of a process may be used again after its end, so each has an
epoch; and who is in which. A resource that was moved, closed or opened elsewhere is in none that is
known until one speaks for it. Of more processes than MAX_PROCESSES nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rhscheck.traces.audit.model import Resource
from rhscheck.traces.logmap.dying import Dying
from rhscheck.traces.logmap.language import Told

MAX_PROCESSES: Final = 100_000


@dataclass(slots=True)
class Monitors:
    """The RHS processes of one log."""

    _epochs: dict[int, int] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)  # process ids that were seen to end
    _hosted: dict[str, dict[str, Resource]] = field(default_factory=dict)  # by monitor
    _names: dict[int, str] = field(default_factory=dict)  # of monitors, by process id
    _dying: Dying = field(default_factory=Dying)
    _closed: set[str] = field(default_factory=set)  # resources of which Close was entered last

    def host(self, resource: Resource, pid: int, time_us: int | None, told: Told) -> bool:
        """An RHS process speaks for the resource, and says what is told: it hosts it.

        True if another one did so far that was not seen to end: what it was doing is forgotten.
        """
        if resource.name in self._closed:
            # What a DLL says while it closes, or when it has closed, opens nothing.
            if told.kind in ("says", "return"):
                return False
            self._closed.discard(resource.name)
        before = resource.monitor
        moved = before is not None and resource.host is not None and self.lives(before)
        name = self._names.get(pid)
        if name is None:
            if not self._follows(pid):
                return False
            if pid in self._ended:
                if self._dying.lasts(pid, time_us):
                    return self._speaks_at_last(resource, pid) and moved
                self._ended.discard(pid)
                self._epochs[pid] += 1
            epoch = self._epochs.setdefault(pid, 1)
            name = self._names[pid] = f"{pid}#{epoch}"
        resource.host, resource.monitor = pid, name
        self._hosted.setdefault(name, {})[resource.name] = resource
        return moved and name != before

    def _speaks_at_last(self, resource: Resource, pid: int) -> bool:
        """A process that is ending speaks for the resource: whether nobody knew that it is in it.

        It is the host of nobody: each of its lines may be the first one of its successor.
        """
        name = f"{pid}#{self._epochs[pid]}"
        resource.host = None
        if resource.monitor == name:
            return False
        resource.monitor = name
        self._hosted.setdefault(name, {})[resource.name] = resource
        return True

    def move(self, resource: Resource) -> None:
        """The resource is not in its process any more, and nobody says yet in which it is."""
        self.replace(resource)
        resource.monitor = None

    def close(self, resource: Resource) -> None:
        """The resource is being closed: it does not lose a process that ends now."""
        self.move(resource)
        self._closed.add(resource.name)

    def replace(self, resource: Resource) -> None:
        """Another process will speak for the resource than the last one that did."""
        if resource.monitor is not None:
            self._hosted.get(resource.monitor, {}).pop(resource.name, None)
        resource.host = None

    def heed(self, told: Told, resource: Resource | None) -> None:
        """A note may say that a process that was ending is gone."""
        self._dying.heed(told, None if resource is None else resource.monitor)

    def name(self, pid: int) -> str | None:
        """What the process is called, None: it is not known, or has ended."""
        if pid in self._dying:
            return f"{pid}#{self._epochs[pid]}"
        return self._names.get(pid)

    def is_dying(self, monitor: str | None) -> bool:
        """Whether the monitor has said that it ends, and nothing says that it is gone."""
        pid = -1 if monitor is None else int(monitor.partition("#")[0])
        return pid in self._dying and f"{pid}#{self._epochs[pid]}" == monitor

    def lives(self, monitor: str) -> bool:
        """Whether the monitor, which was known once, has not ended."""
        return self._names.get(int(monitor.partition("#")[0])) == monitor

    def end(
        self, pid: int | None, time_us: int | None, *, at_once: bool
    ) -> tuple[str | None, list[Resource]]:
        """The process ends: what it was called, if it is told apart, and the resources it hosts.

        It may write on for a while, if not `at_once`. If it was ending already, those resources are
        meant that it has spoken for since.
        """
        if pid is None or not self._follows(pid):
            return None, []
        self._epochs.setdefault(pid, 1)
        if pid in self._dying and not self._dying.lasts(pid, time_us):
            self._epochs[pid] += 1  # which has spoken for nobody
            self._ended.discard(pid)
        if not at_once and (pid in self._dying or pid not in self._ended):
            self._dying.add(pid, time_us)
        self._ended.add(pid)
        self._names.pop(pid, None)
        monitor = f"{pid}#{self._epochs[pid]}"
        hosted = self._hosted.pop(monitor, {}).values()
        left = [resource for resource in hosted if resource.monitor == monitor]
        for resource in left:
            resource.host = None
        return monitor, left

    def forget_dying(self) -> None:
        """Lines are missing: who was ending may be gone."""
        self._dying.forget()

    def forget_hosted(self) -> None:
        """Who hosts whom is not asked any more."""
        self._hosted.clear()
        self._closed.clear()

    def _follows(self, pid: int) -> bool:
        """Whether the process is one of those that are told apart; more than that are none."""
        return pid in self._epochs or len(self._epochs) < MAX_PROCESSES
