"""The numbers of a recording's lines: whether lines are missing, repeated or out of their place.

`seq` counts the lines of a host, from 1 or from 0, whatever they say. A number that is left out is
that of a line that somebody has left out (a filter, a full disk, an editor), even if the header
still claims that everything is there. One count for the lines of all hosts together is as good. A
recorder that gives the same number again and again counts nothing; then nothing is known.

Owns these numbers only. What is done about a missing line is `traces.judge`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rhscheck.traces.format import Event


@dataclass(frozen=True, slots=True)
class Misfit:
    """A number that does not follow the one before.

    ahead     lines before it are missing
    behind    the line, or one before it, is repeated or not in its place
    alike     the host numbers all its lines alike
    """

    kind: Literal["ahead", "behind", "alike"]
    text: str

    def what(self, line: int) -> str:
        """What it means that the line with this number stands on `line`."""
        if self.kind == "ahead":
            return f"lines are missing before line {line}: {self.text}"
        return f"line {line} may not be in its place"


@dataclass(slots=True)
class Numbering:
    """The numbers so far. `begins`: the recording claims to begin with the run.

    `last`: the number of each host's last line; `previous`: that of the last line of all.
    `uncounted`: some host gives no numbers by which lost lines could be known.
    """

    begins: bool
    last: dict[str, int] = field(default_factory=dict)
    previous: int = -1
    _first: dict[str, Event] = field(default_factory=dict)
    _alike: set[str] = field(default_factory=set)  # hosts whose second number was their first

    @property
    def uncounted(self) -> bool:
        """Whether lines of some host may be missing without a number that tells."""
        return any(self.last[host] == self._first[host].seq for host in self._alike)

    def take(self, event: Event) -> Misfit | None:
        """The next line of the recording; None: its number follows those before."""
        host, number = event.host, event.seq
        known, before = self.last.get(host), self.previous
        self.last[host] = self.previous = number
        who = host or "the host"
        if known is None:
            self._first[host] = event
            if number <= 1 or number == before + 1 or not self.begins:
                return None
            return Misfit("ahead", f"the lines of {who} begin with event {number}")
        if number <= known:
            text = f"event {number} of {who} comes after event {known}"
            first = self._first[host]
            if number == known == first.seq and event != first:
                self._alike.add(host)
                return Misfit("alike", text)
            return Misfit("behind", text)
        if number in (known + 1, before + 1):
            return None
        return Misfit("ahead", f"event {number} of {who} follows event {known}")
