"""What would mend the faults of a unit: the lines around them, aligned, until all is well again.

One lost or misplaced line makes others look wrong, so the lines after a fault are aligned
(`traces.alignment`) from where the unit was before it, until SETTLING lines in a row were allowed:
a line is a fault of its own only if the cheapest repair of the lines up to it has more edits than
that of the lines before it. What is repaired like this line by line may have one cause: faults that
follow each other closely are a *group*, and where it ends a repair of all of it is looked for at
one place (`traces.one_place`), which may be some lines before the first of them.

Owns which lines are aligned when, and the amendment of findings. It refuses nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rhscheck.traces.alignment import MOST_EDITS, Aligner
from rhscheck.traces.blame import Fault, Wording
from rhscheck.traces.edits import Alignment, SeenLine
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import Follower
from rhscheck.traces.one_place import OnePlace
from rhscheck.traces.possible import TooManyStates
from rhscheck.traces.units import REACH, Group, Unit
from rhscheck.traces.verdicts import Recording

# So many lines in a row have to be allowed after a fault before the lines are aligned no more, and
# no more than so many are aligned together.
SETTLING: Final = 6
_LONGEST_ALIGNED: Final = 24
# After so many lines that no state allows, and of which nobody knows whether they are faults of
# their own, a unit is so far from anything legal that it is not tried again.
_MOST_TRIES: Final = 3
_MOST_IN_A_ROW: Final = 12  # the same for faults without SETTLING lines between them
_ROW_ENDS: Final = (
    f"after {_MOST_IN_A_ROW} faults of a resource in a row no more are told until {SETTLING} of "
    "its lines are allowed"
)
# So many lines before a fault are aligned with it, too, where a repair from it on has several
# edits. They are kept at the beginning of a recording, and tried for so many of its faults.
_NEAR: Final = 6
_MOST_REACHED: Final = 50
# Repairs are looked for until a recording had so many faults: each takes up to a tenth of a second.
_MOST_FAULTS: Final = 200
# A group ends after so many lines that were allowed, or when it has so many.
_QUIET: Final = 12
_LONGEST_GROUP: Final = 72


@dataclass(slots=True)
class Repairs:
    """Repairs of the units of one recording."""

    engine: Engine
    wording: Wording
    recording: Recording
    single: bool = False  # there is one instance
    aligner: Aligner = field(init=False)
    one_place: OnePlace = field(init=False)
    opened: int = 0  # faults
    reached: int = 0  # faults whose cause was looked for before them
    grouped: int = 0  # groups for which one repair was looked for

    def __post_init__(self) -> None:
        self.aligner = Aligner(self.engine, self.single)
        self.one_place = OnePlace(self.aligner)

    # ---- lines that are allowed ----------------------------------------------------------------
    def remember(self, unit: Unit, origin: Follower, line: SeenLine) -> None:
        """A line was allowed, from `origin`, of a unit of which nothing is aligned now."""
        unit.recent = (*unit.recent[1 - REACH :], (origin, line))
        group = unit.group
        if group is not None:
            group.lines.append(line)
            group.quiet += 1
            if group.quiet >= _QUIET or len(group.lines) > _LONGEST_GROUP:
                self.end_group(unit)

    def settle(self, unit: Unit) -> None:
        """A line was allowed of a unit of which lines are aligned."""
        if not unit.settling:
            return
        unit.settling -= 1
        if unit.settling == 0:
            self.close(unit)
        else:
            self.limit(unit)

    def limit(self, unit: Unit) -> None:
        """Align no more if that would be too many lines."""
        if len(unit.lines) > _LONGEST_ALIGNED:
            self.close(unit)

    # ---- faults --------------------------------------------------------------------------------
    def open(self, unit: Unit, origin: Follower, line: SeenLine) -> bool:
        """Whether what is wrong at `line` is a fault of its own; lines are aligned from it on then.

        It is not if the cheapest repair of the lines since the last fault takes care of it.
        `origin`: where the unit was before the line, if this is the first fault for a while.
        """
        starts: tuple[Follower, ...] = (origin,)
        if unit.settling:
            if not unit.lines or unit.lines[-1] is not line:
                unit.lines.append(line)
            if unit.row >= _MOST_IN_A_ROW:
                unit.tries = _MOST_TRIES
                self.recording.note(_ROW_ENDS)
            if unit.tries >= _MOST_TRIES:
                # Nobody aligns these lines any more, however many there are.
                unit.lines, unit.group = [], None
                return False
            before = self.aligned(unit.starts, unit.lines[:-1])
            if before.cost is None:
                unit.tries = _MOST_TRIES
                return False
            after = self.aligned(unit.starts, unit.lines, before.cost)
            if after.cost is not None or not after.complete:
                # What the repair takes care of is no sign that there is none.
                unit.tries += after.cost is None
                return False
            self._amend(unit, before)
            starts = before.ends
        if unit.group is not None:
            unit.group.lines += unit.lines[:-1]
            if len(unit.group.lines) > _LONGEST_GROUP:
                self.end_group(unit)
        if unit.group is None:
            start = unit.recent[0][0] if unit.recent else starts[0]
            unit.group = Group(start, [one for _, one in unit.recent])
        unit.row += 1
        self._count()
        unit.earlier = () if unit.settling else unit.recent[-_NEAR:]
        unit.recent = ()
        unit.starts, unit.lines, unit.told, unit.tries = starts, [line], [], 0
        unit.group.faults.append(unit.told)
        unit.group.costs.append(None)
        unit.group.quiet = 0
        unit.settling = SETTLING
        return True

    def mending(self, fault: Fault, unit: Unit) -> Fault:
        """`fault`, just opened, with what mends the lines since then."""
        found = self.aligned(unit.starts, unit.lines)
        if not found.cost:
            return fault
        return replace(fault, repair=self.wording.ways(unit, found), edits=found.cost)

    def close(self, unit: Unit) -> None:
        """Align no more: the cheapest repair of the lines since the last fault is told."""
        if unit.lines and unit.tries < _MOST_TRIES:
            found = self._with_earlier(unit, self.aligned(unit.starts, unit.lines))
            self._amend(unit, found)
            if unit.group is not None:
                unit.group.last = found
        if unit.group is not None and unit.lines:
            unit.group.lines += unit.lines
            unit.group.quiet = 0
        unit.settling, unit.lost = 0, False
        unit.starts, unit.lines, unit.told, unit.books = (), [], [], {}
        unit.recent = unit.earlier = ()
        unit.tries = unit.row = 0

    def end_group(self, unit: Unit) -> None:
        """No fault follows for a while, or nobody can tell: is there one repair of all of them?

        What it mends of later ones is told with the first. Of repairs as good only those are told
        that allow the lines since then, too.
        """
        group, unit.group = unit.group, None
        if group is None or not group.faults:
            return
        told = sum(cost or 0 for cost in group.costs)
        try:
            good = self._lasting(group)
            most = told - 1 if good.ways and None not in group.costs else MOST_EDITS
            most = min(most, MOST_EDITS)
            if most > 0 and self.grouped < _MOST_REACHED:
                self.grouped += 1
                found = self.one_place.search(group.start, group.lines, most)
                if found.cost is not None:
                    self._amend_all(unit, group, found)
                    return
        except TooManyStates:
            return
        if good.ways and good is not group.last:
            for key in group.faults[-1]:
                self.recording.amend(key, self.wording.ways(unit, good), good.cost or 0)

    def _lasting(self, group: Group) -> Alignment:
        """Those of the repairs of the last fault that allow the lines since then, too."""
        last = group.last
        if last is None or not last.cost:
            return Alignment(None)
        since = group.lines[len(group.lines) - group.quiet :]
        lasting = [self.aligner.allows(end, since) for end in last.ends]
        if all(lasting):
            return last
        ways = tuple(way for way, lasts in zip(last.ways, lasting, strict=True) if lasts)
        return replace(last, ways=ways)

    def _amend_all(self, unit: Unit, group: Group, found: Alignment) -> None:
        """One repair of all faults, told with the first that has a finding of its own."""
        line = None
        for keys in group.faults:
            lines = [self.recording.line_of(key) for key in keys]
            first = next((one for one in lines if one is not None), None)
            if first is None:
                continue  # the same as something that was told long before
            if line is None:
                repair, edits = self.wording.ways(unit, found), found.cost or 0
                line = first
            else:
                repair, edits = (f"the repair of line {line} mends this line, too",), 0
            for key in keys:
                self.recording.amend(key, repair, edits)

    def _count(self) -> None:
        self.opened += 1
        if self.opened == _MOST_FAULTS:
            self.recording.note(
                f"after {_MOST_FAULTS} faults no repairs are looked for, and of what is wrong "
                "shortly after a fault only the first is told"
            )

    def _with_earlier(self, unit: Unit, found: Alignment) -> Alignment:
        """`found`, or a cheaper repair that begins with one of the lines before the fault."""
        if not found.cost or found.cost < 2 or not unit.earlier or self.reached >= _MOST_REACHED:
            return found
        self.reached += 1
        start, _ = unit.earlier[0]
        lines = [*(line for _, line in unit.earlier), *unit.lines]
        cheaper = self.aligned([start], lines, found.cost - 1)
        return cheaper if cheaper.cost else found

    def aligned(
        self, starts: Sequence[Follower], lines: Sequence[SeenLine], most_edits: int = MOST_EDITS
    ) -> Alignment:
        """The cheapest alignments, if they can be found."""
        if self.opened > _MOST_FAULTS:
            return Alignment(None, complete=False)
        try:
            return self.aligner.align(starts, lines, most_edits=most_edits)
        except TooManyStates:
            # A repair is a hint: what was found is true without it.
            return Alignment(None, complete=False)

    def _amend(self, unit: Unit, found: Alignment) -> None:
        if found.cost:
            repair = self.wording.ways(unit, found)
            for key in unit.told:
                self.recording.amend(key, repair, found.cost)
            if unit.group is not None:
                unit.group.costs[-1] = found.cost
