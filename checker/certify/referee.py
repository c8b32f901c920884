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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rhscheck.checker.certify.form import InvariantFile, Refusal, Zone
from rhscheck.checker.certify.form import Variable as Named
from rhscheck.checker.certify.possible import (
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
from rhscheck.spec.expr import And, Exists, Expr, In, Not, Or, Ref, refs, walk
from rhscheck.spec.system import SELF, IntType, RefType, System, Transition, Update

MOST_STATES = 2_000_000
_MOST_OUTCOMES = 100_000


@dataclass(frozen=True, slots=True)
class _Case:
    """A transition for one choice of who takes part: ME, another instance, or a number.

    `writes`: the positions of known variables that it writes, with what they may get. `states`:
    those inside in which it is not excluded at once.
    """

    transition: Transition
    ways: Ways
    writes: tuple[tuple[int, Values], ...]
    resets: frozenset[int]
    states: Sequence[State]


def check(
    name: str, system: System, n: int | None, invariant: InvariantFile, bad: Mapping[str, Expr]
) -> int:
    """Whether `invariant` is inductive for `system` and excludes every goal in `bad`.

    `n`: instances of the parametric family; None: one among any number. `name` is what refusals
    call the invariant. Returns the number of states looked at; raises Refusal.
    """
    try:
        judge = Judge(name, system, n, invariant)
        judge.initiation()
        judge.delays()
        judge.steps()
        for rule, goal in bad.items():
            judge.safety(rule, goal)
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
    inside: dict[State, list[Region]] = field(init=False)
    _active: Callable[[State], tuple[int, ...]] = field(init=False)
    _by: dict[int, dict[int, list[State]]] = field(default_factory=dict)
    _ways: dict[Way, tuple[Difference, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._require_one_family()
        self.clocks = self._named(
            self.invariant.clocks, {clock.name: clock.family for clock in self.system.clocks}
        )
        self.places = self._named(
            self.invariant.variables, {v.name: v.family for v in self.system.variables}
        )
        self.reader = Reader(self.system, self.n, self.places, frozenset(self.clocks))
        self._active = self._activity()
        self.inside = {}
        for values, zones in self._states():
            active = self._active(values)
            found = [region(active, self._differences(zone)) for zone in zones]
            if any(found):
                self.inside[values] = [one for one in found if one is not None]

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

    def _states(self) -> Iterator[tuple[State, tuple[Zone, ...]]]:
        """The paths of the diagram: a value for every variable, and the zones it leads to."""
        nodes, leaves = self.invariant.nodes, self.invariant.leaves
        if self.invariant.root is None:
            return
        found = 0
        seen: set[State] = set()
        stack: list[tuple[int, dict[int, int]]] = [(self.invariant.root, {})]
        while stack:
            at, chosen = stack.pop()
            if at < 0:
                if -1 - at >= len(leaves) or len(chosen) != len(self.places):
                    raise self._malformed()
                values = tuple(chosen[place] for place in range(len(self.places)))
                found += 1
                if values in seen or found > MOST_STATES:
                    raise self._malformed()
                seen.add(values)
                yield values, leaves[-1 - at]
                continue
            if at >= len(nodes):
                raise self._malformed()
            node = nodes[at]
            if not 0 <= node.variable < len(self.places) or node.variable in chosen:
                raise self._malformed()
            for branch in node.branches:
                if branch.child >= at:  # children come first, so there is no circle
                    raise self._malformed()
                stack.extend(
                    (branch.child, {**chosen, node.variable: value}) for value in branch.values
                )

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
        known: dict[State, tuple[int, ...]] = {}

        def active(state: State) -> tuple[int, ...]:
            key = tuple([state[at] for at in positions])
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
            active = self._active(values)
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
        deadlines = self._deadlines()
        for values, regions in self.inside.items():
            active = self._active(values)
            binding = [
                (clock, difference)
                for clock, difference, truth in deadlines
                if (clock is None or clock in active) and whether(truth, values) == YES
            ]
            if not active or any(clock is None for clock, _ in binding):
                continue
            limits = [difference for _, difference in binding]
            for one in regions:
                reached = limited(later(one), limits)
                if reached is not None and not covered(reached, regions):
                    raise Refusal(
                        f"{self.name}: consecution: delay", f"it leads out of {self.told(values)}"
                    )

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
            for case in self._cases(transition):
                self._step(case)

    def _cases(self, transition: Transition) -> Iterator[_Case]:
        choices: list[list[Instance]] = []
        for param in transition.params:
            those = list(self.reader.instances(param.family))
            choices.append([*those, Another()] if self.reader.has_others(param.family) else those)
        names = [param.name for param in transition.params]
        for choice in itertools.product(*choices):
            bound = dict(zip(names, choice, strict=True))
            case = self._case(transition, bound)
            if case.states:
                yield case

    def _case(self, transition: Transition, bound: Bound) -> _Case:
        reader = self.reader
        writes = self.writes(transition, bound, reader)
        places = [reader.place(reset.clock, reset.index, bound) for reset in transition.resets]
        resets = frozenset(
            number for number, clock in enumerate(self.clocks, start=1) if clock in places
        )
        if not writes and not resets:
            return _Case(transition, (), (), resets, ())
        ways = reader.ways(transition.guard, bound)
        states = self._candidates(transition.guard, bound)
        return _Case(transition, ways, writes, resets, states)

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
        values = reader.values(update.value, bound)
        kind = self.system.variable(update.var).type
        if not isinstance(kind, IntType):
            return values
        low, high = kind.low, kind.high
        return mapped(values, lambda found: frozenset(max(low, min(high, v)) for v in found))

    def _candidates(self, guard: Expr, bound: Bound) -> Sequence[State]:
        """States inside that a guard does not exclude by one of its conditions on one variable."""
        reader = self.reader
        best: Sequence[State] | None = None
        for part in guard.args if isinstance(guard, And) else (guard,):
            literal = part.arg if isinstance(part, Not) else part
            tested = literal.arg if isinstance(literal, In) else literal
            if not isinstance(tested, Ref):
                continue
            place = reader.place(tested.name, tested.index, bound)
            if place not in self.places:
                continue
            at = self.places.index(place)
            truth = reader.truth(part, bound)
            blank = [0] * len(self.places)
            states: list[State] = []
            for value, those in self._buckets(at).items():
                blank[at] = value
                if whether(truth, tuple(blank)) & YES:
                    states += those
            if best is None or len(states) < len(best):
                best = states
        return tuple(self.inside) if best is None else best

    def _buckets(self, at: int) -> dict[int, list[State]]:
        """The states inside by the value of the variable at a position."""
        if at not in self._by:
            found: dict[int, list[State]] = {}
            for values in self.inside:
                found.setdefault(values[at], []).append(values)
            self._by[at] = found
        return self._by[at]

    def _step(self, case: _Case) -> None:
        constant = None if callable(case.ways) else case.ways
        for values in case.states:
            ways = case.ways(values) if callable(case.ways) else constant
            if ways:
                self._follow(case, ways, values)

    def _follow(self, case: _Case, ways: tuple[Way, ...], values: State) -> None:
        for state in self._after(case, values):
            if not case.resets and state == values:
                continue
            if not self.clocks:
                if state not in self.inside:
                    raise self._leaves(case, values, state)
                continue
            active = self._active(state)
            kept = set(self._active(values)) & set(active) - case.resets
            for one in self.inside[values]:
                for way in ways:
                    before = limited(one, self._read(way)) if way else one
                    if before is not None and not self._includes(
                        state, restarted(before, kept, active)
                    ):
                        raise self._leaves(case, values, state)

    @staticmethod
    def _after(case: _Case, values: State) -> list[State]:
        """The states after a step, all that are possible."""
        found = [list(values)]
        for at, options in case.writes:
            those = options(values) if callable(options) else options
            ordered = sorted(those)
            if len(ordered) > 1:
                if len(ordered) * len(found) > _MOST_OUTCOMES:
                    raise NotExpressible("a step has too many outcomes")
                found = [[*one] for one in found for _ in ordered]
            for number, one in enumerate(found):
                one[at] = ordered[number % len(ordered)]
        return [tuple(one) for one in found]

    def _read(self, way: Way) -> tuple[Difference, ...]:
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

    def _leaves(self, case: _Case, before: State, after: State) -> Refusal:
        return Refusal(
            f"{self.name}: consecution: {case.transition.key}",
            f"it leads from {self.told(before)} to {self.told(after)}",
        )

    # ---- safety ----------------------------------------------------------------------------------
    def safety(self, rule: str, goal: Expr) -> None:
        """No state inside may be a state of `goal`."""
        broken = self._seen(goal, {})
        for values, regions in self.inside.items():
            for way in now(broken, values):
                for one in regions:
                    if limited(one, self._read(way)) is not None:
                        raise Refusal(
                            f"{self.name}: safety: {rule}",
                            f"{self.told(values)} is inside and may break it",
                        )

    def _seen(self, goal: Expr, bound: Bound) -> Ways:
        """The ways to `goal` where ME is the instance because of which it holds, if there is one.

        The invariant holds of every instance, so it is enough to look at that one.
        """
        match goal:
            case Or(args):
                return joined([self._seen(arg, bound) for arg in args], both=False)
            case Exists(param, family, body) if self.reader.has_others(family):
                return self.reader.ways(body, {**bound, param: ME})
            case Exists(param, family, body) if self._names_one(body):
                scopes = [{**bound, param: one} for one in self.reader.instances(family)]
                return joined([self._seen(body, one) for one in scopes], both=False)
            case And(args):
                named = next((arg for arg in args if self._names_one(arg)), None)
                if named is None:
                    return self.reader.ways(goal, bound)
                rest = [self.reader.ways(arg, bound) for arg in args if arg is not named]
                return joined([self._seen(named, bound), *rest])
            case _:
                return self.reader.ways(goal, bound)

    def _names_one(self, formula: Expr) -> bool:
        return any(
            isinstance(node, Exists) and self.reader.has_others(node.family)
            for node in walk(formula)
        )


def _first(pair: tuple[int, Values]) -> int:
    return pair[0]
