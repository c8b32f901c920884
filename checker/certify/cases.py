"""What every step can do to the states of an invariant: who takes part, where, with what result.

Owns the ways to take a transition, for this instance, any other, the shared machines and the
environment. What the invariant does not speak of may be anything (`possible`). Knows nothing of
what is to be shown of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from rhscheck.checker.certify.members import Members
from rhscheck.checker.certify.possible import (
    ALWAYS,
    YES,
    Another,
    Bound,
    Instance,
    NotExpressible,
    Place,
    Reader,
    State,
    Values,
    Way,
    mapped,
    now,
)
from rhscheck.checker.certify.regions import ZERO, Difference, Region, limited, restarted
from rhscheck.spec.expr import And, Expr, refs
from rhscheck.spec.system import IntType, Transition, Update

_MOST_OUTCOMES = 100_000


@dataclass(frozen=True, slots=True)
class Case:
    """A transition for one choice of who takes part: ME, another instance, or a number.

    `writes`: the positions of known variables that it writes, with what they may get. `resets`: the
    tracked clocks that it restarts; `restarts`: all of them. `possible`: the states inside in which
    it may be taken, with the ways to take it. `fixed`: what is written, where that is the same in
    every state; then `pick` makes the state after from the one before and that.
    """

    transition: Transition
    bound: Bound
    writes: tuple[tuple[int, Values], ...]
    resets: frozenset[int]
    restarts: frozenset[Place]
    possible: tuple[tuple[tuple[Way, ...], Sequence[State]], ...]
    fixed: State | None
    pick: Callable[[State], State]


@dataclass(slots=True)
class Cases(Members):
    """An invariant's states, and the cases of the System's transitions in them."""

    _order: list[State] = field(init=False)  # the states inside
    _everywhere: int = field(init=False)  # a byte, 1, for each of them
    _passing: dict[tuple[Expr, object], int] = field(default_factory=dict)
    _groups: dict[tuple[int, ...], Collection[list[int]]] = field(default_factory=dict)
    _ways: dict[Way, tuple[Difference, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Members.__post_init__(self)
        self._order = list(self.inside)
        self._everywhere = int.from_bytes(b"\1" * len(self._order), "little")

    def cases(self, transition: Transition, *, idle: bool = False) -> Iterator[Case]:
        """The choices of who takes part in a transition, where it is possible.

        `idle`: also those that change nothing that is known.
        """
        choices: list[list[Instance]] = []
        for param in transition.params:
            those = list(self.reader.instances(param.family))
            choices.append([*those, Another()] if self.reader.has_others(param.family) else those)
        names = [param.name for param in transition.params]
        for choice in itertools.product(*choices):
            bound = dict(zip(names, choice, strict=True))
            case = self._case(transition, bound, idle=idle)
            if case is not None:
                yield case

    def alone(self, transition: Transition) -> Iterator[Bound]:
        """The choices of who takes part in a transition without any other instance."""
        names = [param.name for param in transition.params]
        those = [self.reader.instances(param.family) for param in transition.params]
        for choice in itertools.product(*those):
            yield dict(zip(names, choice, strict=True))

    def _case(self, transition: Transition, bound: Bound, *, idle: bool) -> Case | None:
        reader = self.reader
        writes = self.writes(transition, bound, reader)
        restarts = frozenset(
            reader.place(reset.clock, reset.index, bound) for reset in transition.resets
        )
        resets = frozenset(
            number for number, clock in enumerate(self.clocks, start=1) if clock in restarts
        )
        if not (writes or resets or idle):
            return None
        possible = tuple(self._possible(transition.guard, bound))
        if not possible:
            return None
        fixed: list[int] = []
        for _, options in writes:
            if not callable(options) and len(options) == 1:
                fixed += options
        width = len(self.places)
        known = len(fixed) == len(writes) and width > 1
        origin = list(range(width))
        for number, (at, _) in enumerate(writes):
            origin[at] = width + number
        return Case(
            transition,
            bound,
            writes,
            resets,
            restarts,
            possible,
            tuple(fixed) if known else None,
            itemgetter(*origin) if known else _nothing,
        )

    def writes(
        self, transition: Transition, bound: Bound, reader: Reader
    ) -> tuple[tuple[int, Values], ...]:
        """What a transition writes of the known variables: positions, and what they may get."""
        found: dict[int, Values] = {}
        for update in transition.updates:
            each = update.each
            scopes: list[Bound] = [bound]
            if each is not None:
                scopes = [{**bound, each.name: one} for one in reader.instances(each.family)]
            for scope in scopes:
                place = reader.place(update.var, update.index, scope)
                if place in self.places:
                    # Of several updates of one variable the last one counts.
                    found[self.places.index(place)] = self._stored(update, scope, reader)
        return tuple(sorted(found.items(), key=_first))

    def _stored(self, update: Update, bound: Bound, reader: Reader) -> Values:
        """What a variable may hold after an update: bounded integers keep to their range."""
        values = self._remembered(update.value, reader.values(update.value, bound))
        kind = self.system.variable(update.var).type
        if not isinstance(kind, IntType):
            return values
        low, high = kind.low, kind.high
        return mapped(values, lambda found: frozenset(max(low, min(high, v)) for v in found))

    def _remembered(self, formula: Expr, values: Values) -> Values:
        """The same values, worked out once for all that the formula may read."""
        positions = self._positions(formula)
        if not callable(values) or not positions:
            return values
        asked, key = values, itemgetter(*positions)
        known: dict[object, frozenset[int]] = {}

        def recalled(state: State) -> frozenset[int]:
            read = key(state)
            found = known.get(read)
            if found is None:
                found = known[read] = asked(state)
            return found

        return recalled

    def _positions(self, formula: Expr) -> tuple[int, ...]:
        """Of the known variables that a formula may read."""
        names = {ref.name for ref in refs(formula)}
        return tuple([at for at, (name, _) in enumerate(self.places) if name in names])

    def _alike(self, formula: Expr) -> Collection[list[int]]:
        """Positions of states in `_order`, those together that differ in nothing that it reads."""
        positions = self._positions(formula)
        if positions not in self._groups:
            found: dict[object, list[int]] = {}
            key = itemgetter(*positions) if positions else _nothing
            for number, values in enumerate(self._order):
                found.setdefault(key(values), []).append(number)
            self._groups[positions] = found.values()
        return self._groups[positions]

    def _possible(
        self, guard: Expr, bound: Bound
    ) -> Iterator[tuple[tuple[Way, ...], Sequence[State]]]:
        """The states inside in which a guard may hold, and the ways in which it does.

        A conjunction may hold where all its parts may: `possible` knows no more about it.
        """
        order = self._order
        kept = self._everywhere
        for part in guard.args if isinstance(guard, And) else (guard,):
            kept &= self._passing_states(part, bound)
            if not kept:
                return
        states = list(itertools.compress(order, kept.to_bytes(len(order), "little")))
        if not self.reader.compares(guard):
            yield ALWAYS, states
            return
        ways = self.reader.ways(guard, bound)
        alike: dict[object, list[State]] = {}
        positions = self._positions(guard)
        key = itemgetter(*positions) if positions else _nothing
        for values in states:
            alike.setdefault(key(values), []).append(values)
        for those in alike.values():
            found = now(ways, those[0])
            if found:
                yield found, those

    def _passing_states(self, part: Expr, bound: Bound) -> int:
        """The states inside in which a condition may hold: a byte for each in `_order`."""
        whom = [(k, type(v) if isinstance(v, Another) else v) for k, v in bound.items()]
        key = (part, tuple(whom))
        if key not in self._passing:
            truth = self.reader.truth(part, bound)
            if isinstance(truth, int):
                self._passing[key] = self._everywhere if truth & YES else 0
            else:
                marks = bytearray(len(self._order))
                for numbers in self._alike(part):
                    if truth(self._order[numbers[0]]) & YES:
                        for number in numbers:
                            marks[number] = 1
                self._passing[key] = int.from_bytes(marks, "little")
        return self._passing[key]

    def reached(
        self,
        case: Case,
        ways: tuple[Way, ...],
        values: State,
        regions: Sequence[Region],
        state: State,
    ) -> Iterator[Region]:
        """What the clocks may be in `state` after a step from `regions` of `values`."""
        active = self.active(state)
        kept = set(self.active(values)) & set(active) - case.resets
        for one in regions:
            for way in ways:
                before = limited(one, self.read(way)) if way else one
                if before is not None:
                    yield restarted(before, kept, active)

    @staticmethod
    def after(case: Case, values: State) -> Sequence[State]:
        """The states after a step, all that are possible."""
        if case.fixed is not None:
            return (case.pick(values + case.fixed),)
        first = list(values)
        several: list[tuple[int, list[int]]] = []
        for at, options in case.writes:
            those = options(values) if callable(options) else options
            if len(those) == 1:
                (first[at],) = those
            else:
                several.append((at, sorted(those)))
        if not several:
            return (tuple(first),)
        if math.prod(len(those) for _, those in several) > _MOST_OUTCOMES:
            raise NotExpressible("a step has too many outcomes")
        found = []
        for chosen in itertools.product(*(those for _, those in several)):
            for (at, _), value in zip(several, chosen, strict=True):
                first[at] = value
            found.append(tuple(first))
        return found

    def read(self, way: Way) -> tuple[Difference, ...]:
        """Comparisons of clocks as differences of their numbers."""
        if way not in self._ways:
            found: list[Difference] = []
            for clock, minus, op, bound in way:
                left = self.clocks.index(clock) + 1
                right = ZERO if minus is None else self.clocks.index(minus) + 1
                if op in ("<", "<="):
                    found.append((left, right, bound, op == "<"))
                else:
                    found.append((right, left, -bound, op == ">"))
            self._ways[way] = tuple(found)
        return self._ways[way]


def _nothing(_state: State) -> State:
    """What a formula reads that reads nothing."""
    return ()


def _first(pair: tuple[int, Values]) -> int:
    return pair[0]
