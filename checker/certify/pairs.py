"""An invariant of every two instances before the enumeration, for some number of instances.

Owns what such an invariant holds: the states in which every two instances, together with what is
shared, are as its file says. The file speaks of a first (1) and a second instance (2) of the
parametric family; a variable that names an instance is there 0 for none, 1 and 2 for these two, 3
for another. For which numbers of instances it has to be judged is `checker.certify.small_models`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rhscheck.checker.certify.form import InvariantFile, Refusal
from rhscheck.checker.certify.form import Variable as Named
from rhscheck.checker.certify.members import MOST_STATES, Inside
from rhscheck.checker.certify.possible import Place, State
from rhscheck.checker.certify.referee import Judge
from rhscheck.checker.certify.regions import ZERO, Difference, Region, limited, region
from rhscheck.spec.system import RefType

FIRST, SECOND, OTHER = 1, 2, 3  # of a pair, beside 0 for none
_Zones = tuple[tuple[Difference, ...], ...]
# What two instances may be together, by what is shared: their own values, and the clocks' zones.
_Together = dict[State, dict[tuple[State, State], _Zones]]


@dataclass(slots=True)
class PairsJudge(Judge):
    """The states of `n` instances in which every two are as `invariant` says."""

    def _named(
        self, named: Sequence[Named], families: Mapping[str, str | None]
    ) -> tuple[Place, ...]:
        """What the file says of two instances, of all of them; first what is shared."""
        (family,) = self.system.parametric
        said: list[Place] = []
        for one in named:
            of = families.get(one.name)
            size = None if of is None else self.system.family(of).size
            fits = (
                one.instance is None
                if of is None
                else one.instance in (FIRST, SECOND)
                if of == family
                else isinstance(one.instance, int) and 1 <= one.instance <= (size or 0)
            )
            if one.name not in families or not fits or (one.name, one.instance) in said:
                raise self._misfit(one.name, one.instance)
            said.append((one.name, one.instance))
        own = [name for name, of in said if families[name] == family and of == FIRST]
        if {name for name, of in said if families[name] == family and of == SECOND} != {*own}:
            raise Refusal(f"{self.name}: format", "it says of one of two what it does not of both")
        shared = [place for place in said if families[place[0]] != family]
        return (*shared, *((name, k) for k in range(1, (self.n or 0) + 1) for name in own))

    def states(self, file: InvariantFile) -> Inside:
        """All that every two may be together."""
        together = self._together(file)
        shared = [place for place in self.places if not self._is_own(place[0])]
        naming = [at for at, (name, _) in enumerate(shared) if self._names(name)]
        numbers = range(1, (self.n or 0) + 1)
        found: Inside = {}
        seen: set[State] = set()
        for said in together:
            # What a pair says of a name stands for several: each is looked at once.
            for chosen in itertools.product(range((self.n or 0) + 1), repeat=len(naming)):
                values = list(said)
                for at, instance in zip(naming, chosen, strict=True):
                    values[at] = instance
                common = tuple(values)
                if common in seen:
                    continue
                seen.add(common)
                pairs = {
                    pair: together.get(self._as_seen(common, naming, pair), {})
                    for pair in itertools.combinations(numbers, 2)
                }
                for own in self._joined(pairs):
                    self._add(found, common, own, pairs, file)
        return found

    # ---- the file --------------------------------------------------------------------------------
    def _together(self, file: InvariantFile) -> _Together:
        """The paths of the diagram, by what is shared and by what the two are."""
        at: dict[Place, int] = {(v.name, v.instance): k for k, v in enumerate(file.variables)}
        shared = [at[place] for place in self.places if not self._is_own(place[0])]
        own = dict.fromkeys(name for name, _ in self.places if self._is_own(name))
        first, second = ([at[name, one] for name in own] for one in (FIRST, SECOND))
        found: _Together = defaultdict(dict)
        for values, zones in self._paths(file):
            one, two = (tuple(values[k] for k in those) for those in (first, second))
            checked = tuple(tuple(self._differences(zone, len(file.clocks))) for zone in zones)
            found[tuple(values[k] for k in shared)][one, two] = checked
        return found

    def _is_own(self, name: str) -> bool:
        """Whether each instance has a variable or clock of this name."""
        (family,) = self.system.parametric
        return any(v.name == name and v.family == family for v in self.system.variables) or any(
            clock.name == name and clock.family == family for clock in self.system.clocks
        )

    def _names(self, variable: str) -> bool:
        """Whether a variable names an instance."""
        kind = self.system.variable(variable).type
        return isinstance(kind, RefType) and kind.family in self.system.parametric

    @staticmethod
    def _as_seen(common: State, naming: Sequence[int], pair: tuple[int, int]) -> State:
        """What is shared as the file says it of this pair."""
        said = {0: 0, pair[0]: FIRST, pair[1]: SECOND}
        values = list(common)
        for at in naming:
            values[at] = said.get(values[at], OTHER)
        return tuple(values)

    # ---- all instances ---------------------------------------------------------------------------
    def _joined(
        self, pairs: Mapping[tuple[int, int], Mapping[tuple[State, State], _Zones]]
    ) -> list[tuple[State, ...]]:
        """What all instances may be, so that every two of them fit."""
        found: list[tuple[State, ...]] = [(one,) for one in {one: 0 for one, _ in pairs[1, 2]}]
        for new in range(2, (self.n or 0) + 1):
            options = {two: 0 for _, two in pairs[new - 1, new]}
            found = [
                (*those, one)
                for those in found
                for one in options
                if all((those[k - 1], one) in pairs[k, new] for k in range(1, new))
            ]
            if len(found) > MOST_STATES:
                raise Refusal(f"{self.name}: format", "too many states to enumerate")
        return found

    def _add(
        self,
        found: Inside,
        common: State,
        own: tuple[State, ...],
        pairs: Mapping[tuple[int, int], Mapping[tuple[State, State], _Zones]],
        file: InvariantFile,
    ) -> None:
        """Put a state into `found`, with the values of the clocks that fit for every two."""
        state = (*common, *itertools.chain.from_iterable(own))
        whole = region(self.active(state), ())
        regions = [] if whole is None else [whole]
        for (i, j), those in pairs.items():
            number = self._numbers(file, (i, j))
            parts: list[Region] = []
            for zone in those[own[i - 1], own[j - 1]]:
                differences = [
                    (number[x], number[y], bound, strict) for x, y, bound, strict in zone
                ]
                for one in regions:
                    part = limited(one, differences)
                    if part is not None and not any(part.within(other) for other in parts):
                        parts = [other for other in parts if not other.within(part)]
                        parts.append(part)
            regions = parts
        if regions:
            found[state] = regions
        if len(found) > MOST_STATES:
            raise Refusal(f"{self.name}: format", "too many states to enumerate")

    def _numbers(self, file: InvariantFile, pair: tuple[int, int]) -> list[int]:
        """The number here of each clock of the file, for this pair; 0 stays what is always 0."""
        places: list[Place] = [
            (one.name, pair[one.instance - 1])
            if self._is_own(one.name) and isinstance(one.instance, int)
            else (one.name, one.instance)
            for one in file.clocks
        ]
        return [ZERO, *(self.clocks.index(place) + 1 for place in places)]
