"""The clocks of the hosts of one recording: of which lines the order is known.

Lines of one host stand in the order in which they were written; where their time stamps say
otherwise (threads take the time before they wait for the pen) the order is open. Between hosts only
time stamps say what came first: not where they are equal, nor where they differ by no more than the
clocks may (`skew_us` in the header). A host's time is known by its own lines alone, so whatever it
may still tell of an earlier moment is open until its clock has passed it.

Owns these clocks and comparisons. What a doubtful order does to a unit is `traces.judge`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rhscheck.traces.format import Clock


@dataclass(slots=True)
class Hosts:
    """`clocks`: what the header says of each host's; `first`, `last`: times of its events.

    `newest`: the latest time of all; `swept`: until then all units have been followed.
    """

    clocks: Mapping[str, Clock]
    first: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    newest: int = -1
    swept: int = -1
    _mixed: bool = False  # lines of one host do not ascend
    # The latest time of what concerns more than one unit, with how far clocks may be apart.
    _shared: int = -1

    @property
    def several(self) -> bool:
        """Whether more than one host is, or will be, heard."""
        return len(self.last) > 1 or len(self.last.keys() | self.clocks.keys()) > 1

    @property
    def are_watched(self) -> bool:
        """Whether units have to note when each host was heard: lines may not be in order."""
        return self._mixed or self.several

    @property
    def slowest(self) -> int | None:
        """All hosts have told all before that time; None if one has not been heard at all."""
        if not self.last or any(host not in self.last for host in self.clocks):
            return None
        return min(self.last.values()) - self.widest

    @property
    def widest(self) -> int:
        """How far any two clocks may be apart."""
        return sum(sorted(one.skew_us for one in self.clocks.values())[-2:])

    def skew(self, host: str, other: str | None) -> int:
        """How far the clocks of two hosts may be apart (microseconds)."""
        if host == other:
            return 0
        both = (self.clocks.get(one) for one in (host, other) if one is not None)
        return sum(one.skew_us for one in both if one is not None)

    def hear(self, host: str, time: int) -> None:
        """The next event is one of `host`."""
        known, watched = self.last.get(host), self.are_watched
        if known is not None and time < known:
            self._mixed = True
            time = known
        self.first.setdefault(host, time)
        self.last[host] = time
        if not watched and self.are_watched:
            self.swept = self.newest + 1  # of the lines so far nobody has noted when they were
        self.newest = max(self.newest, time)

    def set_back(self, host: str, time: int) -> None:
        """The same, and the host's clock was set to an earlier time."""
        self.last[host] = time
        self.newest = max(self.last.values())
        self.swept = self._shared = -1

    def share(self, time: int) -> None:
        """The last event, at `time` or before it, is one that several units take part in."""
        self._shared = max(self._shared, time + self.widest)

    def is_in_order(self, time: int) -> bool:
        """Whether the last line, at `time`, and all after it that ascend stand in their order."""
        return time >= self.newest and (len(self.last) < 2 or time > self._shared)

    def overlap(self, heard: Mapping[str, int], host: str, time: int) -> int | None:
        """Until when something else may have come before or after a line of `host` at `time`.

        `heard`: for each host the latest time of what was told before. None: the line comes after
        all of that.
        """
        found = [
            until
            for other, until in heard.items()
            if (until > time if other == host else until + self.skew(host, other) >= time)
        ]
        if self.swept > time:
            found.append(self.swept)
        return max(found, default=None)
