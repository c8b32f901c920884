"""The enumerating check of an invariant: no solver, no formula encoding, no engine.

Owns the meaning of a proof by enumeration. From the System (made from the spec's text, with
assumptions and observers woven in) it rebuilds what every step can do to the states of an
invariant, for one instance among any number or for a fixed number, and looks at every state inside:

- initiation: every initial state is inside;
- consecution: from every state inside, every step of this instance, of any other, of the shared
  machines and of the assumed environment leads inside, and so does every delay;
- safety: no state inside may be one of the excluded.

What the invariant does not speak of may be anything (`possible`), clocks it does not track compare
either way; so the check covers every state of the System that fits. That no formula tells instances
apart is checked where formulas are read. Only `Refusal` says no; returning says yes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from rhscheck.checker.certify.form import InvariantFile, Refusal, Zone
from rhscheck.checker.certify.form import Variable as Named
from rhscheck.checker.certify.possible import (
    ALWAYS,
    ME,
    NO,
    YES,
    Another,
    Bound,
    Instance,
    NotExpressible,
    Place,
    Reader,
    State,
    Truth,
    Values,
    Way,
    Ways,
    joined,
    mapped,
    now,
    whether,
)
from rhscheck.checker.certify.regions import (
    ZERO,
    Difference,
    Region,
    covered,
    later,
    limited,
    region,
    restarted,
)
from rhscheck.spec.expr import And, Exists, Expr, Or, refs, walk
from rhscheck.spec.system import SELF, IntType, RefType, System, Transition, Update

MOST_STATES = 2_000_000
_MOST_OUTCOMES = 100_000


Inside = dict[State, list[Region]]  # a set of states: the values of its clocks in each


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


def check(
    name: str, system: System, n: int | None, invariant: InvariantFile, bad: Mapping[str, Expr]
) -> int:
    """Whether `invariant` is inductive for `system` and excludes every goal in `bad`.

    `n`: instances of the parametric family; None: one among any number. `name` is what refusals
    call the invariant. Returns the number of states looked at; raises Refusal.
    """
    try:
        judge = Judge(name, system, n, invariant)
        judge.check(bad)
    except NotExpressible as reason:
        raise Refusal(f"{name}: independence", str(reason)) from None
    return len(judge.inside)


@dataclass(slots=True)
class Judge:
    """One invariant before the enumeration. `inside`: its states, with the values of the clocks.

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
    _order: list[State] = field(init=False)  # the states inside
    _everywhere: int = field(init=False)  # a byte, 1, for each of them
    _passing: dict[tuple[Expr, object], int] = field(default_factory=dict)
    _groups: dict[tuple[int, ...], Collection[list[int]]] = field(default_factory=dict)
    _ways: dict[Way, tuple[Difference, ...]] = field(default_factory=dict)
    _limits: list[tuple[int | None, Difference, Truth]] | None = None

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
        self._order = list(self.inside)
        self._everywhere = int.from_bytes(b"\1" * len(self._order), "little")

    def check(self, bad: Mapping[str, Expr]) -> None:
        """Whether it is inductive and excludes every goal in `bad`."""
        self.initiation()
        self.delays()
        self.steps()
        for rule, goal in bad.items():
            self.safety(rule, goal)

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
                raise Refusal(
                    f"{self.name}: format", f"{one.name} of {one.instance} is no variable of it"
                )
            places.append((one.name, one.instance))
        return tuple(places)

    def states(self, file: InvariantFile) -> Inside:
        """The states of a diagram over the variables and clocks of this invariant."""
        found: Inside = {}
        for values, zones in self._paths(file):
            active = self.active(values)
            regions = [region(active, self._differences(zone)) for zone in zones]
            if any(regions):
                found[values] = [one for one in regions if one is not None]
        return found

    def _paths(self, file: InvariantFile) -> Iterator[tuple[State, tuple[Zone, ...]]]:
        """The paths of a diagram: a value for every variable, and the zones it leads to."""
        nodes, leaves, width = file.nodes, file.leaves, len(self.places)
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

    def _malformed(self) -> Refusal:
        return Refusal(f"{self.name}: format", "this is no decision diagram of its variables")

    def _differences(self, zone: Zone) -> Iterator[Difference]:
        for i, j, bound, strict in zone:
            if not (0 <= i <= len(self.clocks) and 0 <= j <= len(self.clocks)):
                raise self._malformed()
            yield (i, j, bound, strict)  # clocks are counted as in the file

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

    # ---- initiation ------------------------------------------------------------------------------
    def initiation(self) -> None:
        """Every initial state is inside, with all clocks 0."""
        choices = []
        for name, _ in self.places:
            domain = self.reader.domain(name)
            choices.append([v for v in self.system.variable(name).initial if v in domain])
        initially = self.reader.ways(self.system.initially, {})
        for number, values in enumerate(itertools.product(*choices)):
            if number >= MOST_STATES:
                raise Refusal(f"{self.name}: initiation", "too many initial states to enumerate")
            if not now(initially, values):
                continue
            active = self.active(values)
            start = region(active, [(clock, ZERO, 0, False) for clock in active])
            if start is None or not self._includes(values, start):
                raise Refusal(
                    f"{self.name}: initiation", f"the initial state {self.told(values)} is outside"
                )

    def _includes(self, values: State, reached: Region) -> bool:
        regions = self.inside.get(values)
        return regions is not None and covered(reached, regions)

    def told(self, values: State) -> str:
        """A state for people, as far as the invariant speaks of it."""
        return ", ".join(
            f"{name}{'' if of is None else f'[{of}]'}={value}"
            for (name, of), value in zip(self.places, values, strict=True)
        )

    # ---- time ------------------------------------------------------------------------------------
    def delays(self) -> None:
        """Every legal delay stays inside. Without tracked clocks nothing here changes with time."""
        if not self.clocks:
            return
        for values, regions in self.inside.items():
            for reached in self.delayed(values, regions):
                if not covered(reached, regions):
                    raise Refusal(
                        f"{self.name}: consecution: delay", f"it leads out of {self.told(values)}"
                    )

    def delayed(self, values: State, regions: Sequence[Region]) -> list[Region]:
        """What the clocks may be after a delay that is legal, where there may be one."""
        if self._limits is None:
            self._limits = self._deadlines()
        active = self.active(values)
        if not active:
            return []
        limits = []
        for clock, difference, truth in self._limits:
            if (clock is None or clock in active) and whether(truth, values) == YES:
                if clock is None:
                    return []
                limits.append(difference)
        found = (limited(later(one), limits) for one in regions)
        return [one for one in found if one is not None]

    def _deadlines(self) -> list[tuple[int | None, Difference, Truth]]:
        """What deadlines on tracked clocks ask of the end of a delay, and whether they bind.

        One that surely binds and has no clock (None) lets no time pass. Others count for nothing.
        """
        found: list[tuple[int | None, Difference, Truth]] = []
        for deadline in self.system.deadlines:
            family = deadline.family
            owners = (None,) if family is None else self.reader.instances(family)
            for owner in owners:
                place = (deadline.clock, owner)
                if deadline.clock is not None and place not in self.clocks:
                    continue
                clock = None if deadline.clock is None else self.clocks.index(place) + 1
                bound: Bound = {} if family is None else {SELF: owner}
                truth = self.reader.truth(deadline.active, bound)
                found.append((clock, (clock or ZERO, ZERO, deadline.bound, deadline.strict), truth))
        return found

    # ---- steps -----------------------------------------------------------------------------------
    def steps(self) -> None:
        """Every step leads inside, whoever takes it."""
        for transition in self.system.transitions:
            for case in self.cases(transition):
                self._step(case)

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

    def _step(self, case: Case) -> None:
        if case.fixed is not None and not self.clocks:
            inside, pick, fixed = self.inside, case.pick, case.fixed
            for _, states in case.possible:
                for values in states:
                    if pick(values + fixed) not in inside:
                        raise self._leaves(case, values, pick(values + fixed))
            return
        for ways, states in case.possible:
            for values in states:
                self._follow(case, ways, values)

    def _follow(self, case: Case, ways: tuple[Way, ...], values: State) -> None:
        for state in self.after(case, values):
            if not case.resets and state == values:
                continue
            if not self.clocks:
                if state not in self.inside:
                    raise self._leaves(case, values, state)
                continue
            for reached in self.reached(case, ways, values, self.inside[values], state):
                if not self._includes(state, reached):
                    raise self._leaves(case, values, state)

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

    def _leaves(self, case: Case, before: State, after: State) -> Refusal:
        return Refusal(
            f"{self.name}: consecution: {case.transition.key}",
            f"it leads from {self.told(before)} to {self.told(after)}",
        )

    # ---- what there is to ask -------------------------------------------------------------------
    def is_everything(self) -> bool:
        """Whether no values of the variables and clocks are outside."""
        size = 1
        for name, _ in self.places:
            size *= len(self.reader.domain(name))
        return size == len(self.inside) and all(
            (anything := region(self.active(values), ())) is not None and covered(anything, regions)
            for values, regions in self.inside.items()
        )

    def is_still(self) -> bool:
        """Whether no step is possible anywhere inside."""
        transitions = self.system.transitions
        return not any(any(self.cases(transition, idle=True)) for transition in transitions)

    # ---- safety ----------------------------------------------------------------------------------
    def safety(self, rule: str, goal: Expr) -> None:
        """No state inside may be a state of `goal`."""
        broken = seen(self.reader, goal, {})
        for numbers in self._alike(goal):
            for way in now(broken, self._order[numbers[0]]):
                for values in (self._order[number] for number in numbers):
                    if any(limited(one, self.read(way)) for one in self.inside[values]):
                        raise Refusal(
                            f"{self.name}: safety: {rule}",
                            f"{self.told(values)} is inside and may break it",
                        )


def _nothing(_state: State) -> State:
    """What a formula reads that reads nothing."""
    return ()


def _first(pair: tuple[int, Values]) -> int:
    return pair[0]


def seen(reader: Reader, goal: Expr, bound: Bound) -> Ways:
    """The ways to `goal` where ME is the instance because of which it holds, if there is one.

    The invariant holds of every instance, so it is enough to look at that one.
    """
    match goal:
        case Or(args):
            return joined([seen(reader, arg, bound) for arg in args], both=False)
        case Exists(param, family, body) if reader.has_others(family):
            return reader.ways(body, {**bound, param: ME})
        case Exists(param, family, body) if _names_one(reader, body):
            scopes = [{**bound, param: one} for one in reader.instances(family)]
            return joined([seen(reader, body, one) for one in scopes], both=False)
        case And(args):
            named = next((arg for arg in args if _names_one(reader, arg)), None)
            if named is None:
                return reader.ways(goal, bound)
            rest = [reader.ways(arg, bound) for arg in args if arg is not named]
            return joined([seen(reader, named, bound), *rest])
        case _:
            return reader.ways(goal, bound)


def _names_one(reader: Reader, formula: Expr) -> bool:
    return any(
        isinstance(node, Exists) and reader.has_others(node.family) for node in walk(formula)
    )
