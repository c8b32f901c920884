"""Which states an invariant file holds: discrete values, and what the clocks may be in each.

Owns the reading of a diagram over the named variables and clocks of a System, for one instance
among any number or for a fixed number. Knows nothing of steps, of time, or of what is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from rhscheck.checker.certify.form import InvariantFile, Refusal, Zone
from rhscheck.checker.certify.form import Variable as Named
from rhscheck.checker.certify.possible import (
    ME,
    NO,
    YES,
    Bound,
    NotExpressible,
    Place,
    Reader,
    State,
    Truth,
    whether,
)
from rhscheck.checker.certify.regions import Difference, Region, covered, region
from rhscheck.spec.expr import refs
from rhscheck.spec.system import SELF, RefType, System

MOST_STATES = 2_000_000
Inside = dict[State, list[Region]]  # a set of states: the values of its clocks in each


@dataclass(slots=True)
class Members:
    """The states of one invariant before the enumeration. `inside`: with the values of the clocks.

    Raises Refusal for a file that is none, NotExpressible where instances are told apart.
    """

    name: str
    system: System
    n: int | None
    invariant: InvariantFile
    reader: Reader = field(init=False)
    places: tuple[Place, ...] = field(init=False)
    clocks: tuple[Place, ...] = field(init=False)
    inside: Inside = field(init=False)
    active: Callable[[State], tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self._require_one_family()
        self.clocks = self._named(
            self.invariant.clocks, {clock.name: clock.family for clock in self.system.clocks}
        )
        self.places = self._named(
            self.invariant.variables, {v.name: v.family for v in self.system.variables}
        )
        self.reader = Reader(self.system, self.n, self.places, frozenset(self.clocks))
        self.active = self._activity()
        self.inside = self.states(self.invariant)

    # ---- what the file says ----------------------------------------------------------------------
    def _require_one_family(self) -> None:
        if self.n is not None or not self.system.parametric:
            return
        if len(self.system.parametric) > 1:
            raise NotExpressible("more than one family has any number of instances")
        for variable in self.system.variables:
            if (
                isinstance(variable.type, RefType)
                and variable.type.family in self.system.parametric
            ):
                raise NotExpressible(f"`{variable.name}` stores the number of an instance")

    def _named(
        self, named: Sequence[Named], families: Mapping[str, str | None]
    ) -> tuple[Place, ...]:
        """The variables or clocks of the file; each has to exist, once."""
        places: list[Place] = []
        for one in named:
            known = one.name in families
            family = families.get(one.name)
            size = None if family is None else self.system.family(family).size
            if family is not None and size is None:
                size = self.n
            fits = (
                one.instance is None
                if family is None
                else one.instance == ME
                if size is None
                else isinstance(one.instance, int) and 1 <= one.instance <= size
            )
            if not known or not fits or (one.name, one.instance) in places:
                raise self._misfit(one.name, one.instance)
            places.append((one.name, one.instance))
        return tuple(places)

    def states(self, file: InvariantFile) -> Inside:
        """The states of a diagram over the variables and clocks of this invariant."""
        found: Inside = {}
        for values, zones in self._paths(file):
            active = self.active(values)
            regions = [region(active, self._differences(zone, len(self.clocks))) for zone in zones]
            if any(regions):
                found[values] = [one for one in regions if one is not None]
        return found

    def _paths(self, file: InvariantFile) -> Iterator[tuple[State, tuple[Zone, ...]]]:
        """The paths of a diagram: a value for every variable, and the zones it leads to."""
        nodes, leaves, width = file.nodes, file.leaves, len(file.variables)
        if file.root is None:
            return
        looked = 0
        seen: set[State] = set()
        blank: State = (0,) * width
        stack: list[tuple[int, int, State]] = [(file.root, 0, blank)]  # node, variables known
        while stack:
            at, known, chosen = stack.pop()
            looked += 1
            if looked > MOST_STATES:
                raise self._malformed()
            if at < 0:
                if -1 - at >= len(leaves) or known.bit_count() != width or chosen in seen:
                    raise self._malformed()
                seen.add(chosen)
                yield chosen, leaves[-1 - at]
                continue
            if at >= len(nodes):
                raise self._malformed()
            node = nodes[at]
            where = node.variable
            if not 0 <= where < width or known >> where & 1:
                raise self._malformed()
            more = known | 1 << where
            before, behind = chosen[:where], chosen[where + 1 :]
            for branch in node.branches:
                if branch.child >= at:  # children come first, so there is no circle
                    raise self._malformed()
                stack += [
                    (branch.child, more, (*before, value, *behind)) for value in branch.values
                ]

    def _misfit(self, name: str, instance: object) -> Refusal:
        return Refusal(f"{self.name}: format", f"{name} of {instance} is no variable of it")

    def _malformed(self) -> Refusal:
        return Refusal(f"{self.name}: format", "this is no decision diagram of its variables")

    def _differences(self, zone: Zone, clocks: int) -> Iterator[Difference]:
        """A zone over so many clocks, counted as in the file."""
        for i, j, bound, strict in zone:
            if not (0 <= i <= clocks and 0 <= j <= clocks):
                raise self._malformed()
            yield (i, j, bound, strict)

    def _activity(self) -> Callable[[State], tuple[int, ...]]:
        """The tracked clocks (by number) that run in a state."""
        if not self.clocks:
            return lambda _state: ()
        declared = {clock.name: clock for clock in self.system.clocks}
        runs: list[tuple[int, str, Truth]] = []
        reads: set[str] = set()
        for number, clock in enumerate(self.clocks, start=1):
            one = declared[clock[0]]
            bound: Bound = {} if one.family is None else {SELF: clock[1]}  # type: ignore[dict-item]
            runs.append((number, clock[0], self.reader.truth(one.active, bound)))
            reads |= {ref.name for ref in refs(one.active)}
        positions = [at for at, place in enumerate(self.places) if place[0] in reads]
        read = itemgetter(*positions) if positions else _nothing
        known: dict[object, tuple[int, ...]] = {}

        def active(state: State) -> tuple[int, ...]:
            key = read(state)
            if key not in known:
                found = [(number, name, whether(truth, state)) for number, name, truth in runs]
                for _, name, truth in found:
                    if truth not in (YES, NO):
                        raise NotExpressible(
                            f"whether clock `{name}` runs depends on what is left out"
                        )
                known[key] = tuple(number for number, _, truth in found if truth == YES)
            return known[key]

        return active

    def _includes(self, values: State, reached: Region) -> bool:
        regions = self.inside.get(values)
        return regions is not None and covered(reached, regions)

    def told(self, values: State) -> str:
        """A state for people, as far as the invariant speaks of it."""
        return ", ".join(
            f"{name}{'' if of is None else f'[{of}]'}={value}"
            for (name, of), value in zip(self.places, values, strict=True)
        )


def _nothing(_state: State) -> State:
    """What a formula reads that reads nothing."""
    return ()
