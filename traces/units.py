"""One followed part of a recorded run: a resource with what is shared, or all of it together.

Owns what is remembered of a unit while a recording is read: where it may be, which rules were found
broken in it and since when others are suspected, the calls in flight by their ids, and what keeps
its verdicts from being definite. It finds nothing itself; `traces.judge` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rhscheck.traces.edits import Alignment, SeenLine
from rhscheck.traces.follow import Follower
from rhscheck.traces.report import Finding

# How many lines before a fault its repair may begin.
REACH: Final = 24


@dataclass(frozen=True, slots=True)
class Site:
    """Where in a recording something was found, and who did what happened there."""

    line: int
    resource: str | None
    time_us: int
    text: str
    actors: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """Faults of a unit that follow each other closely, and all lines from some before the first.

    `start`: where the unit was before these; of each fault the names of its findings, and the edits
    of its own repair (None: not known); `quiet`: lines since then that were allowed; `last`: the
    repairs of the last fault, for the lines before these.
    """

    start: Follower
    lines: list[SeenLine]
    faults: list[list[object]] = field(default_factory=list)
    costs: list[int | None] = field(default_factory=list)
    quiet: int = 0
    last: Alignment | None = None

    def copy(self) -> Group:
        """The same group of another unit, which goes on by itself."""
        return Group(
            self.start, [*self.lines], [*self.faults], [*self.costs], self.quiet, self.last
        )


@dataclass(slots=True)
class Unit:
    """`name`: the resource as the recording calls it; `instance`: as the spec does (None: all).

    `follower` None: it is not known yet, or no longer, where the unit is; `stopped` says why.
    """

    name: str | None
    instance: str | None
    follower: Follower | None
    seen: int = 0  # entries of the shared log that it has seen
    events: int = 0
    judged: int = 0
    steady: int = 0  # of both, those that were counted by the way
    violated: int = 0  # rules (as bits) found violated
    # When each of them (None: something that the spec does not allow) was certain for the first
    # time; the host of its last own line, when that was, and until when each host was heard.
    proven: tuple[tuple[int | None, int], ...] = ()
    host: str | None = None
    own: int = -1
    heard: dict[str, int] | None = None
    adrift: bool = False  # lines are missing since its last one: when, no other host's clock says
    suspected: dict[int, Site] = field(default_factory=dict)
    unsure: bool = False  # what somebody else did to what is shared may have been another step
    vague: int = 0  # those of them that were suspected because it was not known where it was
    unresolved: int = 0  # rules that were suspected when it was lost where the unit is
    calls: dict[str, int] = field(default_factory=dict)  # the id of the last call of each entry
    monitor: str | None = None
    title: str | None = None  # what reports call it, where its name is another's, too
    partial: bool = False  # something may be missing: what holds, holds so far
    # After a fault: lines that have to be allowed until no more are aligned; whether the unit may
    # be anywhere; where it was before the fault, its lines since, and the findings about them.
    settling: int = 0
    lost: bool = False
    starts: tuple[Follower, ...] = ()
    lines: list[SeenLine] = field(default_factory=list)
    told: list[object] = field(default_factory=list)
    # What was found, and when that was certain, while it stands for nobody who was mentioned yet.
    untold: dict[object, tuple[Finding, int]] = field(default_factory=dict)
    # The last lines that were allowed, with where the unit was before each; those before a fault.
    recent: tuple[tuple[Follower, SeenLine], ...] = ()
    earlier: tuple[tuple[Follower, SeenLine], ...] = ()
    group: Group | None = None
    row: int = 0  # faults without enough lines between them
    tries: int = 0  # lines since then that were refused, and were no faults of their own
    # The calls that may be in flight by the lines since then (values of the slots of calls).
    books: dict[tuple[int, ...], None] = field(default_factory=dict)
    stopped: str | None = None
    diverged: bool = False

    def copy(self, name: str, instance: str) -> Unit:
        """A unit that has done nothing yet, from one that stands for all of those."""
        follower = None if self.follower is None else self.follower.copy()
        return Unit(
            name,
            instance,
            follower,
            self.seen,
            partial=self.partial,
            settling=self.settling,
            lost=self.lost,
            starts=self.starts,
            lines=list(self.lines),
            told=list(self.told),
            recent=self.recent,
            earlier=self.earlier,
            group=None if self.group is None else self.group.copy(),
            row=self.row,
            tries=self.tries,
            books=dict(self.books),
            stopped=self.stopped,
            suspected=dict(self.suspected),
            vague=self.vague,
            unresolved=self.unresolved,
            unsure=self.unsure,
            violated=self.violated,
            proven=self.proven,
            heard=None if self.heard is None else dict(self.heard),
            adrift=self.adrift,
        )

    def hear(self, host: str, until: int) -> None:
        """A line of `host`, which happened until then, was taken."""
        if self.heard is None:
            self.heard = {}
        self.heard[host] = max(self.heard.get(host, until), until)

    def prove(self, bit: int | None, time: int) -> None:
        """A rule is violated for sure; None: the spec does not allow what happened at `time`."""
        if bit is None:
            self.diverged = True
        else:
            self.violated |= 1 << bit
        known = dict(self.proven)
        self.proven = tuple({**known, bit: min(known.get(bit, time), time)}.items())

    def forget_untold(self, since: int | None) -> None:
        """What was found since then (None: ever) while it stood for nobody is not proven."""
        self.untold = {
            key: one for key, one in self.untold.items() if since is not None and one[1] < since
        }

    def retract(self, since: int) -> None:
        """What was proven since then was not."""
        for bit, time in self.proven:
            if time < since:
                continue
            if bit is None:
                self.diverged = False
            else:
                self.violated &= ~(1 << bit)
        self.proven = tuple(one for one in self.proven if one[1] < since)
