"""What every two instances may be together, as an invariant: a guess that others judge.

Owns the shape of it: of every two instances, and of what is shared, the values and zones that were
seen in all reachable states of a few instances; variables that name an instance are known as far as
"none, the first, the second, another one". Whether it is an invariant for more instances is not
known here (`checker.pairs`, `checker.provers`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rhscheck.checker import zones
from rhscheck.checker.exploration import Cells, Exploration
from rhscheck.checker.invariant import Constraint, Invariant
from rhscheck.checker.recheck import Copy
from rhscheck.checker.zones import Zone
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import RefType

_NONE, _FIRST, _SECOND, _OTHER = range(4)  # what a variable that names an instance may say

# Where a value or clock of a pair stands: its name, and 1, 2 (of the pair) or another index.
_Place = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class Guess:
    """For each combination of values (of `slots`) the zones over `clocks` (1, 2, ...).

    `naming`: which of the slots name an instance.
    """

    slots: tuple[_Place, ...]
    clocks: tuple[_Place, ...]
    own: frozenset[str]  # what belongs to the family
    naming: tuple[bool, ...]
    cells: Mapping[tuple[int, ...], tuple[tuple[int, ...], Sequence[Zone]]]

    @property
    def invariant(self) -> Invariant:
        """Of a first and a second instance; what names one says 0 to 3, as in `cells`."""
        tracked = tuple(range(len(self.clocks)))
        return Invariant(
            tracked,
            tuple(
                (values, tuple(self._constraints(live, zone) for zone in found))
                for values, (live, found) in self.cells.items()
            ),
        )

    def about(self, at: Ground, family: str, pair: tuple[int, int]) -> Copy:
        """The invariant of one pair of the instances of `at`."""
        others = [k for k in range(1, at.size(family) + 1) if k not in pair]
        meant = {_NONE: [0], _FIRST: [pair[0]], _SECOND: [pair[1]], _OTHER: others}
        cells = []
        for values, (live, found) in self.cells.items():
            choices = [
                meant[value] if naming else [value]
                for value, naming in zip(values, self.naming, strict=True)
            ]
            written = tuple(self._constraints(live, zone) for zone in found)
            cells += [(chosen, written) for chosen in itertools.product(*choices)]
        tracked = tuple(range(len(self.clocks)))
        return Copy(
            Invariant(tracked, tuple(cells)),
            tuple(at.slot_of[self.real(place, pair)] for place in self.slots),
            tuple(at.clock_of[self.real(place, pair)] for place in self.clocks),
        )

    def real(self, place: _Place, pair: tuple[int, int]) -> _Place:
        """The variable or clock that `place` is for this pair."""
        name, index = place
        return (name, pair[index - 1]) if name in self.own and index is not None else place

    def _constraints(self, live: tuple[int, ...], zone: Zone) -> tuple[Constraint, ...]:
        name = (0, *live)
        still = [
            (i, j, 0, False)
            for clock in range(1, len(self.clocks) + 1)
            if clock not in live
            for i, j in ((0, clock), (clock, 0))
        ]
        found = [
            (name[i], name[j], *zones.decoded(bound))
            for i, j, bound in zones.minimal(zone, len(name))
        ]
        return tuple(sorted(found + still))


def guessed(few: Ground, family: str, found: Exploration) -> Guess:
    """What every ordered pair of instances is in the reachable states of `few`."""
    system = few.system
    own = frozenset(
        [v.name for v in system.variables if v.family == family]
        + [c.name for c in system.clocks if c.family == family]
    )
    naming_names = {
        v.name for v in system.variables if isinstance(v.type, RefType) and v.type.family == family
    }
    slots = tuple(
        (slot.variable.name, slot.index)
        for slot in few.slots
        if slot.variable.name not in own or slot.index in (1, 2)
    )
    clocks = tuple(
        (clock.name, clock.index)
        for clock in few.clocks
        if clock.name not in own or clock.index in (1, 2)
    )
    naming = tuple(name in naming_names for name, _ in slots)
    cells: dict[tuple[int, ...], tuple[tuple[int, ...], list[Zone]]] = {}
    guess = Guess(slots, clocks, own, naming, cells)
    reachable: Cells = found.cells
    if not found.tracked:
        reachable = {values: ((), (zones.origin(1),)) for values, _ in found.invariant().cells}
    for pair in itertools.permutations([k for k in few.instances(family) if k is not None], 2):
        at_slot = [few.slot_of[guess.real(place, pair)] for place in slots]
        at_clock = [few.clock_of[guess.real(place, pair)] for place in clocks]
        said = {0: _NONE, pair[0]: _FIRST, pair[1]: _SECOND}
        for values, (live, reached) in reachable.items():
            key = tuple(
                said.get(values[at], _OTHER) if names else values[at]
                for at, names in zip(at_slot, naming, strict=True)
            )
            kept = [
                (number, live.index(at) + 1)
                for number, at in enumerate(at_clock, start=1)
                if at in live
            ]
            part = cells.setdefault(key, (tuple(number for number, _ in kept), []))[1]
            indices = zones.gather(len(live) + 1, [source for _, source in kept])
            for zone in reached:
                small = zones.moved(zone, indices)
                if not any(zones.included(small, one) for one in part):
                    part[:] = [one for one in part if not zones.included(one, small)]
                    part.append(small)
    return guess
