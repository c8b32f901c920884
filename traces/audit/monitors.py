"""Which RHS process hosts which resource, as far as a log shows it.

Owns the processes' names: the number of a process may be used again after its end, so each has an
epoch. In memory that is bounded: of more processes than MAX_PROCESSES nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rhscheck.traces.audit.model import Resource

MAX_PROCESSES: Final = 100_000


@dataclass(slots=True)
class Monitors:
    """The RHS processes of one log."""

    _epochs: dict[int, int] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)  # process ids that were seen to end
    _hosted: dict[str, dict[str, Resource]] = field(default_factory=dict)  # by monitor
    _names: dict[int, str] = field(default_factory=dict)  # of monitors, by process id

    def host(self, resource: Resource, pid: int) -> bool:
        """An RHS process speaks for the resource: it hosts it.

        True if another one did so far that was not seen to end: what it was doing is forgotten.
        """
        before = resource.monitor
        moved = before is not None and self.lives(before)
        name = self._names.get(pid)
        if name is None:
            if not self._follows(pid):
                return False
            if pid in self._ended:
                self._ended.discard(pid)
                self._epochs[pid] += 1
            epoch = self._epochs.setdefault(pid, 1)
            name = self._names[pid] = f"{pid}#{epoch}"
        resource.host = pid
        if name != resource.monitor:
            resource.monitor = name
            self._hosted.setdefault(name, {})[resource.name] = resource
            return moved
        return False

    def name(self, pid: int) -> str | None:
        """What the process is called, None: it is not known, or has ended."""
        return self._names.get(pid)

    def lives(self, monitor: str) -> bool:
        """Whether the monitor, which was known once, has not ended."""
        return self._names.get(int(monitor.partition("#")[0])) == monitor

    def end(self, pid: int | None) -> tuple[str | None, list[Resource]]:
        """The process ends: what it was called, if it is told apart, and the resources it hosts."""
        if pid is None or not self._follows(pid):
            return None, []
        self._epochs.setdefault(pid, 1)
        self._ended.add(pid)
        self._names.pop(pid, None)
        monitor = f"{pid}#{self._epochs[pid]}"
        hosted = self._hosted.pop(monitor, {}).values()
        left = [resource for resource in hosted if resource.monitor == monitor]
        for resource in left:
            resource.host = None
        return monitor, left

    def forget_hosted(self) -> None:
        """Who hosts whom is not asked any more."""
        self._hosted.clear()

    def _follows(self, pid: int) -> bool:
        """Whether the process is one of those that are told apart; more than that are none."""
        return pid in self._epochs or len(self._epochs) < MAX_PROCESSES
