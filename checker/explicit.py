"""Counting referees: how many states there are, and how short a run to a goal is.

Owns plain enumeration that says again, in its own way, what the engines claim: `count` for
`rhscheck states`, so that a spec can be compared with another tool's model, and
`shortest_digitised`, which uses nothing but `spec.semantics`. Knows neither zones nor solvers; no
verdict comes from here alone.

*What is counted.* A state is one value for each variable on which behaviour depends, timed also
one whole number of units for each such clock, beyond the greatest constant it is compared with
"more" (all the same). Observers that nothing but observers reads are left out, so watching a
System does not change its counts. A transition is a triple (state, event, successor): the event is
the label, with those of other machines that happen in the same step; two lines of a spec that do
the same under the same label are one transition, one that changes nothing is counted; timed,
the passing of one unit is an event.

*Symmetry.* If renaming instances maps the System onto itself, states that differ only by a renaming
are one orbit, and only one state of each is visited: the instances' parts, in order. An orbit has
n! / (product of the factorials of how often each part occurs) states, and each of them has as many
transitions as the one visited. Whether renaming maps the System onto itself is not judged from its
text: the ground System is renamed by two generators of all permutations and compared with itself.
Each distinct part of an instance is a small number, and what one instance does is computed once for
each (shared part, own part), so millions of orbits take seconds. A transition that looks at other
instances is evaluated in every state instead.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rhscheck.checker.explore import never
from rhscheck.spec.compiled import compile_ground, split_guard
from rhscheck.spec.compiled import untimed as without_clocks
from rhscheck.spec.expr import (
    And,
    ClockCmp,
    ClockDiff,
    Expr,
    Index,
    Or,
    Ref,
    children,
    clocks_read,
    rebuild,
    refs,
    transform,
)
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.semantics import (
    Run,
    State,
    Step,
    Time,
    delay_bound,
    elapse,
    enabled,
    evaluate,
    fire,
    initial_states,
    replay_run,
)
from rhscheck.spec.system import Label

Values = tuple[int, ...]
CHECK_EVERY = 4096  # states between two questions whether to go on


@dataclass(frozen=True, slots=True)
class Count:
    """How large the reachable graph with `n` instances is (see the module for what is counted).

    `orbits` and `orbit_transitions`: of the graph up to renaming of instances, None where symmetry
    was not used; `states` and `transitions` are always the full numbers. `unit`: how much time one
    tick is, in the System's units; None: untimed.
    """

    n: int
    states: int
    transitions: int
    orbits: int | None
    orbit_transitions: int | None
    unit: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The count asked for would not mean what it says; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The search had to end after so many states (or orbits)."""

    reason: str
    visited: int


def count(
    ground: Ground,
    *,
    untimed: bool = True,
    symmetry: bool = False,
    limit: int = 5_000_000,
    cancelled: Callable[[], bool] = never,
) -> Count | Refused | Stopped:
    """The size of the reachable graph.

    `untimed`: expiries may happen at any time; else time passes in whole ticks, refused where a
    strict comparison, a strict deadline or the difference of two clocks makes whole ticks inexact.
    `symmetry`: visit one state of each orbit under renaming the instances of the parametric family,
    refused where renaming does not map the System onto itself. `limit`: the most states (orbits) to
    visit; `cancelled` is asked now and then.
    """
    if not untimed:
        reason = _inexact(ground)
        if reason is not None:
            return Refused(reason)
    relevant = _relevant(ground, untimed)
    if symmetry:
        family = _the_family(ground)
        if isinstance(family, Refused):
            return family
        reason = _asymmetry(relevant, family)
        if reason is not None:
            return Refused(reason)
        return _Orbits(_Stepper(relevant, untimed), family).count(limit, cancelled)
    return _count_all(_Stepper(relevant, untimed), limit, cancelled)


# ---- what there is to count ----------------------------------------------------------------------
def _inexact(ground: Ground) -> str | None:
    """Why whole ticks would not show all behaviours, None if they do."""
    for transition in ground.transitions:
        for _, atoms in split_guard(transition.guard):
            for atom in atoms:
                if isinstance(atom, ClockDiff):
                    return f"{transition.label} compares the difference of two clocks"
                if atom.op in ("<", ">"):
                    return f"{transition.label} compares clock {atom.clock} strictly"
    for deadline in ground.deadlines:
        if deadline.strict:
            return f"deadline {deadline.name} is strict"
    return None


def _relevant(ground: Ground, untimed: bool) -> Ground:
    """`ground` without clocks (`untimed`), and without the observers that nothing depends on."""
    if untimed:
        ground = replace(
            ground,
            transitions=tuple(
                replace(t, guard=without_clocks(t.guard), resets=()) for t in ground.transitions
            ),
            clocks=(),
            deadlines=(),
            clock_of={},
        )
    slots = {at for at, slot in enumerate(ground.slots) if slot.variable.role != "observer"}
    clocks = {at for at, clock in enumerate(ground.clocks) if clock.role != "observer"}
    asked = [t.guard for t in ground.transitions]
    asked += [d.active for d in ground.deadlines] + [ground.initially]
    clocks |= {d.clock for d in ground.deadlines if d.clock is not None}
    done: set[tuple[str, int]] = set()
    while asked:
        for expr in asked:
            slots |= {_slot(ground, ref) for ref in refs(expr)}
            clocks |= {_clock(ground, name, index) for name, index in clocks_read(expr)}
        asked = [
            value
            for transition in ground.transitions
            for at, value in transition.updates
            if at in slots and ("slot", at) not in done
        ]
        asked += [ground.clocks[at].active for at in sorted(clocks) if ("clock", at) not in done]
        done |= {("slot", at) for at in slots} | {("clock", at) for at in clocks}
    return _restricted(ground, sorted(slots), sorted(clocks))


def _slot(ground: Ground, ref: Ref) -> int:
    return ground.slot_of[(ref.name, _number(ref.index))]


def _clock(ground: Ground, name: str, index: Index) -> int:
    return ground.clock_of[(name, _number(index))]


def _number(index: Index) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return index


def _restricted(ground: Ground, slots: Sequence[int], clocks: Sequence[int]) -> Ground:
    """`ground` with only these variables and clocks, on which nothing else depends."""
    slot_at = {old: new for new, old in enumerate(slots)}
    clock_at = {old: new for new, old in enumerate(clocks)}
    return replace(
        ground,
        slots=tuple(ground.slots[at] for at in slots),
        clocks=tuple(ground.clocks[at] for at in clocks),
        transitions=tuple(
            replace(
                transition,
                updates=tuple(
                    (slot_at[at], value) for at, value in transition.updates if at in slot_at
                ),
                resets=tuple(clock_at[at] for at in transition.resets if at in clock_at),
            )
            for transition in ground.transitions
        ),
        deadlines=tuple(
            replace(d, clock=None if d.clock is None else clock_at[d.clock])
            for d in ground.deadlines
        ),
        slot_of={key: slot_at[at] for key, at in ground.slot_of.items() if at in slot_at},
        clock_of={key: clock_at[at] for key, at in ground.clock_of.items() if at in clock_at},
    )


# ---- steps ---------------------------------------------------------------------------------------
class _Stepper:
    """Steps of a Ground on flat states: the values of its slots, then its clocks in ticks."""

    def __init__(self, ground: Ground, untimed: bool) -> None:
        self.ground = ground
        self.timed = not untimed
        self.compiled = compile_ground(ground)
        self.width = len(ground.slots)
        self.events = [(t.label, t.also) for t in ground.transitions]
        self.distinct_events = len(set(self.events)) == len(self.events)
        atoms = [
            [[_comparison(ground, atom) for atom in alternative.atoms] for alternative in ways]
            for ways in self.compiled.alternatives
        ]
        bounds = [(c, bound) for ways in atoms for way in ways for c, _, bound in way]
        bounds += [(d.clock, d.bound) for d in ground.deadlines if d.clock is not None]
        self.unit = math.gcd(*(bound for _, bound in bounds)) or 1
        self.atoms = [
            [[(c, upper, b // self.unit) for c, upper, b in way] for way in ways] for ways in atoms
        ]
        self.most = [0] * len(ground.clocks)  # from here on a clock shows "more"
        for clock, bound in bounds:
            self.most[clock] = max(self.most[clock], bound // self.unit + 1)
        self.clock_range = range(len(ground.clocks))
        self.activity: dict[Values, tuple[int, ...]] = {}

    def initial(self) -> Iterator[Values]:
        for state in initial_states(self.ground):
            yield state.values + (0,) * len(self.ground.clocks)

    def successors(self, state: Values) -> list[tuple[int, Values]]:
        """(position, state after) of every discrete step, in order."""
        if not self.timed:
            return self.compiled.successors_untimed(state)
        values, clocks = state[: self.width], state[self.width :]
        found: dict[int, Values] = {}
        for position, way, after in self.compiled.moves(values):
            if position not in found and self.holds(self.atoms[position][way], clocks):
                found[position] = after + self.restarted(position, values, after, clocks)
        return list(found.items())

    def fire(self, position: int, state: Values) -> Values | None:
        """The state after one transition, None if it is not possible."""
        values, clocks = state[: self.width], state[self.width :]
        if not any(
            way.guard(values) and self.holds(atoms, clocks)
            for way, atoms in zip(
                self.compiled.alternatives[position], self.atoms[position], strict=True
            )
        ):
            return None
        after = self.compiled.fire[position](values)
        return after + self.restarted(position, values, after, clocks)

    def holds(self, atoms: Iterable[tuple[int, bool, int]], clocks: Values) -> bool:
        return all(
            clocks[clock] <= bound if upper else clocks[clock] >= bound
            for clock, upper, bound in atoms
        )

    def active(self, values: Values) -> tuple[int, ...]:
        known = self.activity.get(values)
        if known is None:
            known = self.activity[values] = self.compiled.active_clocks(values)
        return known

    def restarted(self, position: int, before: Values, after: Values, clocks: Values) -> Values:
        """The clocks after a step."""
        if not clocks:
            return ()
        resets = self.ground.transitions[position].resets
        kept = [c for c in self.active(before) if c in self.active(after) and c not in resets]
        return tuple(clocks[c] if c in kept else 0 for c in self.clock_range)

    def tick(self, state: Values) -> Values | None:
        """The state one unit later, None if a deadline forbids that."""
        values, clocks = state[: self.width], state[self.width :]
        active = self.active(values)
        later = tuple(
            min(time + 1, self.most[clock]) if clock in active else time
            for clock, time in enumerate(clocks)
        )
        for at in self.compiled.active_deadlines(values):
            deadline = self.ground.deadlines[at]
            if deadline.clock is None or later[deadline.clock] * self.unit > deadline.bound:
                return None
        return values + later


def _comparison(ground: Ground, atom: ClockCmp | ClockDiff) -> tuple[int, bool, int]:
    """(clock, whether from above, bound) of a closed comparison with a constant."""
    if isinstance(atom, ClockDiff) or atom.op in ("<", ">"):
        raise AssertionError("whole ticks for a comparison that is not closed")
    return _clock(ground, atom.clock, atom.index), atom.op == "<=", atom.bound


def _count_all(stepper: _Stepper, limit: int, cancelled: Callable[[], bool]) -> Count | Stopped:
    """Every state by itself."""
    known = set(stepper.initial())
    waiting = list(known)
    transitions = visited = 0
    while waiting:
        visited += 1
        if len(known) > limit:
            return Stopped(f"there are more than {limit} states", visited)
        if visited % CHECK_EVERY == 0 and cancelled():
            return Stopped("cancelled", visited)
        state = waiting.pop()
        steps = stepper.successors(state)
        if stepper.distinct_events:
            transitions += len(steps)
        else:
            transitions += len({(stepper.events[at], after) for at, after in steps})
        followers = [after for _, after in steps]
        if stepper.timed:
            later = stepper.tick(state)
            if later is not None:
                transitions += 1
                followers.append(later)
        for after in followers:
            if after not in known:
                known.add(after)
                waiting.append(after)
    unit = stepper.unit if stepper.timed else None
    return Count(stepper.ground.n, len(known), transitions, None, None, unit)


# ---- renaming ------------------------------------------------------------------------------------
def _the_family(ground: Ground) -> str | Refused:
    families = ground.system.parametric
    if len(families) == 1:
        return families[0]
    number = "no" if not families else "more than one"
    return Refused(f"{number} family has as many instances as -n says")


def _asymmetry(ground: Ground, family: str) -> str | None:
    """What renaming the instances of `family` changes, None if it changes nothing."""
    n = ground.n
    swap = {1: 2, 2: 1}
    turn = {k: k % n + 1 for k in range(1, n + 1)}
    for renaming in (swap, turn) if n > 1 else ():
        reason = _Renaming(ground, family, renaming).difference()
        if reason is not None:
            return reason
    return None


class _Renaming:
    """One permutation of the instances of a family, applied to a Ground."""

    def __init__(self, ground: Ground, family: str, to: Mapping[int, int]) -> None:
        self.ground = ground
        self.family = family
        self.to = to
        self.variables = {v.name for v in ground.system.variables if v.family == family}
        self.clocks = {c.name for c in ground.system.clocks if c.family == family}

    def difference(self) -> str | None:
        """Where the renamed Ground is not the Ground, up to the order of its parts."""
        ground = self.ground
        if _ordered(ground.initially) != self.expr(ground.initially):
            return "the initial condition tells instances apart"
        for here in range(len(ground.clocks)):
            there = self.clock(here)
            if _ordered(ground.clocks[there].active) != self.expr(ground.clocks[here].active):
                return f"clock {ground.clocks[here].name} is not the same for all instances"
        deadlines = Counter(
            (d.name, d.clock, d.bound, d.strict, _ordered(d.active)) for d in ground.deadlines
        )
        renamed = Counter(
            (
                d.name,
                None if d.clock is None else self.clock(d.clock),
                d.bound,
                d.strict,
                self.expr(d.active),
            )
            for d in ground.deadlines
        )
        for deadline in renamed:
            if deadlines[deadline] != renamed[deadline]:
                return f"deadline {deadline[0]} is not the same for all instances"
        transitions = Counter(
            (
                t.template.key,
                t.binding,
                t.label,
                t.also,
                _ordered(t.guard),
                tuple((at, _ordered(value)) for at, value in t.updates),
                t.resets,
            )
            for t in ground.transitions
        )
        for t in ground.transitions:
            families = {p.name: p.family for p in t.template.params}
            mirrored = (
                t.template.key,
                tuple(
                    (name, self.to.get(k, k) if families.get(name) == self.family else k)
                    for name, k in t.binding
                ),
                self.label(t.label),
                tuple(self.label(label) for label in t.also),
                self.expr(t.guard),
                tuple(sorted((self.slot(at), self.expr(value)) for at, value in t.updates)),
                tuple(sorted(self.clock(at) for at in t.resets)),
            )
            if transitions[mirrored] != 1:
                return f"the transition {t.template.key} is not the same for all instances"
        return None

    def index(self, index: Index) -> Index:
        return self.to.get(index, index) if isinstance(index, int) else index

    def slot(self, at: int) -> int:
        slot = self.ground.slots[at]
        name = slot.variable.name
        if name not in self.variables:
            return at
        return _slot(self.ground, Ref(name, self.index(slot.index)))

    def clock(self, at: int) -> int:
        clock = self.ground.clocks[at]
        if clock.name not in self.clocks:
            return at
        return _clock(self.ground, clock.name, self.index(clock.index))

    def label(self, label: Label) -> Label:
        return (
            replace(label, index=self.index(label.index)) if label.machine == self.family else label
        )

    def expr(self, expr: Expr) -> Expr:
        def leaf(node: Expr) -> Expr | None:
            match node:
                case Ref(name, index) if name in self.variables:
                    return Ref(name, self.index(index))
                case ClockCmp(name, index, op, bound) if name in self.clocks:
                    return ClockCmp(name, self.index(index), op, bound)
                case ClockDiff(name, index, minus, minus_index, op, bound):
                    return ClockDiff(
                        name,
                        self.index(index) if name in self.clocks else index,
                        minus,
                        self.index(minus_index) if minus in self.clocks else minus_index,
                        op,
                        bound,
                    )
                case _:
                    return None

        return _ordered(transform(expr, leaf))


def _ordered(expr: Expr) -> Expr:
    """`expr` with the arguments of conjunctions and disjunctions in a fixed order."""
    parts = children(expr)
    if not parts:
        return expr
    built = rebuild(expr, tuple(_ordered(part) for part in parts))
    match built:
        case And(args):
            return And(tuple(sorted(args, key=repr)))
        case Or(args):
            return Or(tuple(sorted(args, key=repr)))
        case _:
            return built


# ---- orbits --------------------------------------------------------------------------------------
_BITS = 20  # for the number of an instance's part within a packed state


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a transition (of instance `owner`, None: of none) looks at and changes.

    `local`: the shared part and its owner's decide it and what it stores there; what it stores in
    another instance may depend on that instance's part as well. `others`: it changes others.
    """

    owner: int | None
    local: bool
    others: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """What an instance can do by itself, for one shared part and one part of its own.

    `count`: how many transitions that are; `inside`: the parts it can get, `outside`: (shared part,
    own part) where the shared part changes too. `special`: (transition, shared part, own part) for
    those to be looked at together with the others. `later`: both parts a tick later.
    """

    count: int
    inside: tuple[int, ...]
    outside: tuple[tuple[int, int], ...]
    special: tuple[tuple[int, int, int], ...]
    later: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _SharedRow:
    """The same for the transitions of no instance."""

    count: int
    outside: tuple[int, ...]
    special: tuple[tuple[int, int], ...]


class _Numbers:
    """Distinct tuples, numbered in order of appearance."""

    def __init__(self) -> None:
        self.number: dict[Values, int] = {}
        self.tuples: list[Values] = []

    def of(self, part: Values) -> int:
        known = self.number.get(part)
        if known is None:
            known = self.number[part] = len(self.tuples)
            self.tuples.append(part)
        return known


class _Layout:
    """Which entries of a flat state belong to the shared part and to each instance's."""

    def __init__(self, ground: Ground, family: str) -> None:
        self.ground = ground
        own = {v.name for v in ground.system.variables if v.family == family}
        own |= {c.name for c in ground.system.clocks if c.family == family}
        entries = [(slot.variable.name, slot.index) for slot in ground.slots]
        entries += [(clock.name, clock.index) for clock in ground.clocks]
        self.owners = [index if name in own else None for name, index in entries]
        self.width = len(ground.slots)
        self.places = [
            tuple(at for at, owner in enumerate(self.owners) if owner == whose)
            for whose in (None, *range(1, ground.n + 1))
        ]
        joined = [at for places in self.places for at in places]
        self.order = tuple(joined.index(at) for at in range(len(entries)))

    def part(self, state: Values, instance: int) -> Values:
        """The part of an instance, 0: the shared one."""
        return tuple([state[at] for at in self.places[instance]])

    def joined(self, parts: Iterable[Values]) -> Values:
        """The state with these parts, the shared one first."""
        flat = [value for part in parts for value in part]
        return tuple([flat[at] for at in self.order])

    def instances(self, expr: Expr) -> set[int]:
        """The instances whose part `expr` reads."""
        entries = [_slot(self.ground, ref) for ref in refs(expr)]
        entries += [self.width + _clock(self.ground, *clock) for clock in clocks_read(expr)]
        return {owner for owner in (self.owners[at] for at in entries) if owner is not None}

    def kind(self, transition: GroundTransition, family: str) -> _Kind:
        families = {p.name: p.family for p in transition.template.params}
        bound = [k for name, k in transition.binding if families[name] == family]
        owner = bound[0] if bound else None
        allowed = set(bound)
        local = len(bound) <= 1 and self.instances(transition.guard) <= allowed
        others = False
        for at, value in transition.updates:
            whose = self.owners[at]
            local = local and self.instances(value) <= allowed | ({whose} if whose else set())
            others = others or whose not in (None, owner)
        for at in transition.resets:
            others = others or self.owners[self.width + at] not in (None, owner)
        # Where a shared variable stops or starts an instance's clock, writing it changes all.
        watched = {
            _slot(self.ground, ref)
            for at, clock in enumerate(self.ground.clocks)
            if self.owners[self.width + at] is not None
            for ref in refs(clock.active)
        }
        others = others or any(
            at in watched for at, _ in transition.updates if self.owners[at] is None
        )
        return _Kind(owner, local, others)

    def clocks_are_local(self) -> bool:
        """Whether clocks and deadlines depend on the shared part and one instance's at most."""
        for at, clock in enumerate(self.ground.clocks):
            whose = self.owners[self.width + at]
            if not self.instances(clock.active) <= ({whose} if whose else set()):
                return False
        for deadline in self.ground.deadlines:
            looked_at = self.instances(deadline.active)
            if deadline.clock is not None:
                looked_at |= {self.owners[self.width + deadline.clock] or 0}
            if len(looked_at - {0}) > 1:
                return False
        return True


class _Orbits:
    """All states up to renaming: a shared part, and the parts of the instances in order."""

    def __init__(self, stepper: _Stepper, family: str) -> None:
        ground = stepper.ground
        self.stepper = stepper
        self.family = family
        self.n = ground.n
        self.layout = _Layout(ground, family)
        self.shared = _Numbers()
        self.own = _Numbers()
        self.local_clocks = self.layout.clocks_are_local()
        kinds = [self.layout.kind(t, family) for t in ground.transitions]
        if not self.local_clocks:
            kinds = [_Kind(kind.owner, False, True) for kind in kinds]
        everywhere = range(len(kinds))
        # One instance stands for all: what the others do is the same, renamed.
        self.by_one = [at for at in everywhere if kinds[at].local and kinds[at].owner == 1]
        self.by_none = [at for at in everywhere if kinds[at].local and kinds[at].owner is None]
        self.general = [at for at in everywhere if not kinds[at].local]
        self.others = [kind.others for kind in kinds]
        # Transitions whose triples cannot coincide with another instance's or another kind's.
        special = set(self.general)
        special |= {at for at in self.by_one if kinds[at].others or not self.names_owner(at)}
        special |= {at for at in self.by_none if kinds[at].others}
        mixed = {stepper.events[at] for at in special}
        self.simple = [at not in special and stepper.events[at] not in mixed for at in everywhere]
        self.rows: dict[tuple[int, int], _Row] = {}
        self.shared_rows: dict[int, _SharedRow] = {}
        self.effects: dict[tuple[int, int, int, int], int] = {}
        self.events: dict[tuple[int, int], tuple[Label, tuple[Label, ...]]] = {}

    def names_owner(self, at: int) -> bool:
        label, also = self.stepper.events[at]
        return any(x.machine == self.family and x.index == 1 for x in (label, *also))

    def count(self, limit: int, cancelled: Callable[[], bool]) -> Count | Stopped:
        known: dict[int, set[int]] = {}
        waiting: dict[int, list[int]] = {}
        orbits = 0

        def reach(shared: int, packed: int) -> None:
            nonlocal orbits
            seen = known.setdefault(shared, set())
            if packed not in seen:
                seen.add(packed)
                waiting.setdefault(shared, []).append(packed)
                orbits += 1

        for state in self.stepper.initial():
            parts = [self.own.of(self.layout.part(state, k)) for k in range(1, self.n + 1)]
            reach(self.shared.of(self.layout.part(state, 0)), _pack(parts))
        visited = states = transitions = orbit_transitions = 0
        n, mask = self.n, (1 << _BITS) - 1
        shifts = [_BITS * k for k in range(n - 1, -1, -1)]
        permutations = math.factorial(n)
        while waiting:
            shared, batch = waiting.popitem()
            seen = known[shared]
            # What stays with this shared part is found without leaving the loop.
            while batch:
                packed = batch.pop()
                visited += 1
                if orbits > limit:
                    return Stopped(f"there are more than {limit} orbits", visited)
                if len(self.own.tuples) > mask:
                    return Stopped(f"an instance has more than {mask} states", visited)
                if visited % CHECK_EVERY == 0 and cancelled():
                    return Stopped("cancelled", visited)
                parts = [packed >> shift & mask for shift in shifts]
                size, run = permutations, 1
                number = 0
                rows = []
                for k, part in enumerate(parts):
                    row = self.rows.get((shared, part)) or self.row(shared, part)
                    rows.append(row)
                    number += row.count
                    if k and part == parts[k - 1]:
                        run += 1
                        size //= run
                        continue  # what equal instances do is the same up to renaming
                    run = 1
                    rest = parts[:k] + parts[k + 1 :]
                    if row.inside:
                        # `rest` packed with a gap in each place where a part may be put in order.
                        gaps = [
                            sum(other << shifts[q + (q >= gap)] for q, other in enumerate(rest))
                            for gap in range(n)
                        ]
                        for after in row.inside:
                            gap = bisect_left(rest, after)
                            new = gaps[gap] | after << shifts[gap]
                            if new not in seen:
                                seen.add(new)
                                batch.append(new)
                                orbits += 1
                    for shared_after, after in row.outside:
                        reach(shared_after, _pack([*rest, after]))
                number += self.together(shared, parts, rows, reach)
                states += size
                transitions += size * number
                orbit_transitions += number
        unit = self.stepper.unit if self.stepper.timed else None
        return Count(n, states, transitions, orbits, orbit_transitions, unit)

    def state(self, shared: int, parts: Sequence[int]) -> Values:
        """The flat state with these parts."""
        own = self.own.tuples
        return self.layout.joined([self.shared.tuples[shared], *(own[part] for part in parts)])

    def row(self, shared: int, part: int) -> _Row:
        """What instance 1 can do, computed once."""
        state = self.state(shared, [part] * self.n)
        triples: set[tuple[object, int, int]] = set()
        special: list[tuple[int, int, int]] = []
        for at in self.by_one:
            after = self.stepper.fire(at, state)
            if after is None:
                continue
            shared_after = self.shared.of(self.layout.part(after, 0))
            own_after = self.own.of(self.layout.part(after, 1))
            if self.simple[at]:
                triples.add((self.stepper.events[at], shared_after, own_after))
            else:
                special.append((at, shared_after, own_after))
        moves = {(shared_after, after) for _, shared_after, after in triples}
        later = None
        if self.stepper.timed and self.local_clocks:
            ticked = self.stepper.tick(state)
            if ticked is not None:
                later = (
                    self.shared.of(self.layout.part(ticked, 0)),
                    self.own.of(self.layout.part(ticked, 1)),
                )
        row = self.rows[shared, part] = _Row(
            len(triples),
            tuple(sorted(after for s, after in moves if s == shared and after != part)),
            tuple(sorted((s, after) for s, after in moves if s != shared)),
            tuple(special),
            later,
        )
        return row

    def shared_row(self, shared: int, part: int) -> _SharedRow:
        """What happens without an instance, computed once; it does not depend on `part`."""
        known = self.shared_rows.get(shared)
        if known is not None:
            return known
        state = self.state(shared, [part] * self.n)
        triples: set[tuple[object, int]] = set()
        special: list[tuple[int, int]] = []
        for at in self.by_none:
            after = self.stepper.fire(at, state)
            if after is None:
                continue
            shared_after = self.shared.of(self.layout.part(after, 0))
            if self.simple[at]:
                triples.add((self.stepper.events[at], shared_after))
            else:
                special.append((at, shared_after))
        outside = sorted({after for _, after in triples} - {shared})
        row = self.shared_rows[shared] = _SharedRow(len(triples), tuple(outside), tuple(special))
        return row

    def together(
        self,
        shared: int,
        parts: list[int],
        rows: list[_Row],
        reach: Callable[[int, int], None],
    ) -> int:
        """Take the steps that concern more than one part. Returns how many transitions they are."""
        shared_row = self.shared_row(shared, parts[0])
        for shared_after in shared_row.outside:
            reach(shared_after, _pack(parts))
        triples: set[tuple[object, int, tuple[int, ...]]] = set()
        for at, shared_after in shared_row.special:
            after = [self.effect(at, shared, None, part) for part in parts]
            triples.add((self.stepper.events[at], shared_after, tuple(after)))
        for k, row in enumerate(rows):
            for at, shared_after, own_after in row.special:
                after = list(parts)
                if self.others[at]:
                    for other in range(self.n):
                        if other != k:
                            after[other] = self.effect(at, shared, parts[k], parts[other])
                after[k] = own_after
                triples.add((self.event(at, k + 1), shared_after, tuple(after)))
        later: Values | None = None
        if self.general or (self.stepper.timed and not self.local_clocks):
            state = self.state(shared, parts)
            for at in self.general:
                then = self.stepper.fire(at, state)
                if then is not None:
                    triples.add((self.stepper.events[at], *self.numbered(then)))
            if self.stepper.timed and not self.local_clocks:
                later = self.stepper.tick(state)
        for _, shared_after, parts_after in triples:
            reach(shared_after, _pack(parts_after))
        number = shared_row.count + len(triples)
        if later is not None:
            shared_after, parts_after = self.numbered(later)
            reach(shared_after, _pack(parts_after))
            return number + 1
        ticks = [row.later for row in rows if row.later is not None]
        if len(ticks) == len(rows):
            reach(ticks[0][0], _pack([after for _, after in ticks]))
            return number + 1
        return number

    def numbered(self, state: Values) -> tuple[int, tuple[int, ...]]:
        """The shared part and the instances' parts, not sorted."""
        parts = [self.own.of(self.layout.part(state, k)) for k in range(1, self.n + 1)]
        return self.shared.of(self.layout.part(state, 0)), tuple(parts)

    def effect(self, at: int, shared: int, mine: int | None, part: int) -> int:
        """What a transition (of instance 1 with part `mine`, or of none) makes of another one."""
        key = (at, shared, -1 if mine is None else mine, part)
        known = self.effects.get(key)
        if known is None:
            whose, first = (1, part) if mine is None else (2, mine)
            after = self.stepper.fire(at, self.state(shared, [first] + [part] * (self.n - 1)))
            if after is None:
                raise AssertionError("a transition that its own part does not decide")
            known = self.effects[key] = self.own.of(self.layout.part(after, whose))
        return known

    def event(self, at: int, instance: int) -> tuple[Label, tuple[Label, ...]]:
        """The event of a transition of instance 1 when another one takes it."""
        known = self.events.get((at, instance))
        if known is None:
            renaming = _Renaming(self.layout.ground, self.family, {1: instance, instance: 1})
            label, also = self.stepper.events[at]
            known = renaming.label(label), tuple(renaming.label(x) for x in also)
            self.events[at, instance] = known
        return known


def _pack(parts: Iterable[int]) -> int:
    """The parts in order, as one number."""
    packed = 0
    for part in sorted(parts):
        packed = packed << _BITS | part
    return packed


# ---- the shortest run ----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Shortest:
    """A run in whole ticks to the goal with the fewest discrete steps (`length`)."""

    run: Run
    length: int


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No run in ticks (of at most `depth` discrete steps, if one was given) reaches the goal."""

    depth: int | None


def shortest_digitised(
    ground: Ground,
    goal: Expr,
    *,
    limit: int = 200_000,
    depth: int | None = None,
    events_only: bool = False,
) -> Shortest | Nowhere | Stopped:
    """Breadth-first by discrete steps, by `spec.semantics` alone, with delays of whole ticks.

    A tick is the greatest common divisor of all constants that clocks are compared with, which is
    exact while all comparisons are closed. With strict ones a `depth` is needed (else ValueError):
    ticks are then so small that every run of so many steps has one in ticks. `events_only`: delays
    end only where some clock is at a constant or one tick beside it. That is quicker and can miss
    runs (a clock may have to start in between), so the length found is only an upper bound.
    `limit`: the most states, counted after each delay too.
    """
    grid = _grid(ground, goal, depth)
    nodes: list[tuple[State, int, Step]] = []  # where from, and how; an initial state from -1
    known: set[State] = set()

    def arrive(state: State, parent: int, step: Step) -> list[int]:
        state = grid.canonical(state)
        if state in known:
            return []
        known.add(state)
        nodes.append((state, parent, step))
        return [len(nodes) - 1]

    layer = [k for state in initial_states(ground) for k in arrive(state, -1, Step(0, None))]
    length = 0
    while layer:
        for node in layer:  # grows by what delays make of it
            if len(known) > limit:
                return Stopped(f"there are more than {limit} states", len(known))
            state = nodes[node][0]
            if evaluate(goal, ground, state):
                return Shortest(_run(ground, goal, nodes, node), length)
            delay = grid.next_mark(state) if events_only else grid.tick
            if delay is not None and delay_bound(ground, state).allows(delay):
                layer += arrive(elapse(ground, state, delay), node, Step(delay, None))
        if length == depth:
            break
        layer = [
            new
            for node in layer
            for position in enabled(ground, nodes[node][0])
            for new in arrive(fire(ground, nodes[node][0], position), node, Step(0, position))
        ]
        length += 1
    return Nowhere(depth)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The points in time to look at. `most[c]`: from there on clock c cannot be told apart."""

    tick: Time
    most: tuple[Time, ...] | None
    marks: tuple[tuple[Time, ...], ...]

    def canonical(self, state: State) -> State:
        if self.most is None:
            return state
        return State(state.values, tuple(map(min, state.clocks, self.most)))

    def next_mark(self, state: State) -> Time | None:
        """How long until some clock is at a constant, or a tick beside one."""
        gaps = [
            mark - time
            for time, marks in zip(state.clocks, self.marks, strict=True)
            for mark in marks
            if mark > time
        ]
        return min(gaps, default=None)


def _grid(ground: Ground, goal: Expr, depth: int | None) -> _Grid:
    """Ticks that show all runs, or all of `depth` steps where there are strict comparisons."""
    atoms = [atom for t in ground.transitions for _, way in split_guard(t.guard) for atom in way]
    atoms += [atom for _, way in split_guard(goal) for atom in way]
    constants: list[set[int]] = [set() for _ in ground.clocks]
    strict = any(atom.op in ("<", ">") for atom in atoms)
    for atom in atoms:
        constants[_clock(ground, atom.clock, atom.index)].add(atom.bound)
    for deadline in ground.deadlines:
        if deadline.clock is not None:
            constants[deadline.clock].add(deadline.bound)
            strict = strict or deadline.strict
    unit = math.gcd(*(bound for bounds in constants for bound in bounds)) or 1
    tick: Time = unit
    if strict:
        if depth is None:
            raise ValueError("strict comparisons need a depth to choose the length of a tick")
        # The earliest run passes at most one strict bound a step (and one before the goal), each by
        # a share of a unit; shares of this size leave all whole distances as they are.
        tick = Fraction(unit, depth + 2)
    most = tuple(max(bounds, default=0) + tick for bounds in constants)
    differences = any(isinstance(atom, ClockDiff) for atom in atoms)
    marks = tuple(
        tuple(sorted({bound + beside for bound in bounds for beside in (-tick, 0, tick)}))
        for bounds in constants
    )
    return _Grid(tick, None if differences else most, marks)


def _run(ground: Ground, goal: Expr, nodes: Sequence[tuple[State, int, Step]], node: int) -> Run:
    """The run to a node, with delays and the steps after them together."""
    back: list[Step] = []
    while nodes[node][1] >= 0:
        back.append(nodes[node][2])
        node = nodes[node][1]
    steps: list[Step] = []
    delay: Time = 0
    for step in reversed(back):
        delay += step.delay
        if step.transition is not None:
            steps.append(Step(delay, step.transition))
            delay = 0
    if delay:
        steps.append(Step(delay, None))
    run = Run(nodes[node][0], tuple(steps))
    if not evaluate(goal, ground, replay_run(ground, run)[-1]):
        raise AssertionError("a run in ticks that does not end in the goal")
    return run
