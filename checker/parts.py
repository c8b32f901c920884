"""A flat state as a shared part and one part for each instance, and what each part does alone.

Owns the cut of states along instances, the classification of transitions by what they look at, and
the memory of what one instance, or the shared part, can do. Each distinct part is a small number.
Knows nothing of how the graph is searched (`checker.orbits`, `checker.boxes`). All of it relies on
renaming instances mapping the System onto itself: one instance stands for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rhscheck.checker.counted import Event, Stepper, Values, clock_position, slot_position
from rhscheck.checker.renaming import Renaming
from rhscheck.spec.expr import Expr, clocks_read, refs
from rhscheck.spec.ground import Ground, GroundTransition


@dataclass(frozen=True, slots=True)
class Kind:
    """What a transition (of instance `owner`, None: of none) looks at and changes.

    `local`: the shared part and its owner's decide it and what it stores there; what it stores in
    another instance may depend on that instance's part as well. `others`: it changes others.
    """

    owner: int | None
    local: bool
    others: bool


@dataclass(frozen=True, slots=True)
class Row:
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
class SharedRow:
    """The same for the transitions of no instance."""

    count: int
    outside: tuple[int, ...]
    special: tuple[tuple[int, int], ...]


class Numbers:
    """Distinct tuples, numbered in order of appearance."""

    def __init__(self) -> None:
        self.number: dict[Values, int] = {}
        self.tuples: list[Values] = []

    def of(self, part: Values) -> int:
        """The number of `part`."""
        known = self.number.get(part)
        if known is None:
            known = self.number[part] = len(self.tuples)
            self.tuples.append(part)
        return known


class Layout:
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
        entries = [slot_position(self.ground, ref) for ref in refs(expr)]
        entries += [self.width + clock_position(self.ground, *clock) for clock in clocks_read(expr)]
        return {owner for owner in (self.owners[at] for at in entries) if owner is not None}

    def kind(self, transition: GroundTransition, family: str) -> Kind:
        """What `transition` looks at and changes."""
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
            slot_position(self.ground, ref)
            for at, clock in enumerate(self.ground.clocks)
            if self.owners[self.width + at] is not None
            for ref in refs(clock.active)
        }
        others = others or any(
            at in watched for at, _ in transition.updates if self.owners[at] is None
        )
        return Kind(owner, local, others)

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


class Parts:
    """The parts of one symmetric System.

    `by_one`: the transitions of instance 1 that the shared part and its own decide, `by_none`:
    those that the shared part decides, `general`: all others, of every instance. `others[at]`: the
    transition changes further instances. `simple[at]`: its triples cannot coincide with those of
    another instance or another kind.
    """

    def __init__(self, stepper: Stepper, family: str) -> None:
        ground = stepper.ground
        self.stepper = stepper
        self.family = family
        self.n = ground.n
        self.layout = Layout(ground, family)
        self.shared = Numbers()
        self.own = Numbers()
        self.local_clocks = self.layout.clocks_are_local()
        kinds = [self.layout.kind(t, family) for t in ground.transitions]
        if not self.local_clocks:
            kinds = [Kind(kind.owner, False, True) for kind in kinds]
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
        self.rows: dict[tuple[int, int], Row] = {}
        self.shared_rows: dict[int, SharedRow] = {}
        self.effects: dict[tuple[int, int, int, int], int] = {}
        self.events: dict[tuple[int, int], Event] = {}
        self.one = stepper.only(self.by_one)

    def names_owner(self, at: int) -> bool:
        """Whether the event of a transition of instance 1 says that it is instance 1's."""
        label, also = self.stepper.events[at]
        return any(x.machine == self.family and x.index == 1 for x in (label, *also))

    def read_for_others(self, at: int) -> tuple[int, ...]:
        """The entries of instance 1's part that decide what `at` makes of other instances."""
        ground, owners = self.layout.ground, self.layout.owners
        entries = {
            slot_position(ground, ref)
            for slot, value in ground.transitions[at].updates
            if owners[slot] not in (None, 1)
            for ref in refs(value)
        }
        return tuple(k for k, entry in enumerate(self.layout.places[1]) if entry in entries)

    def state(self, shared: int, parts: Sequence[int]) -> Values:
        """The flat state with these parts."""
        own = self.own.tuples
        return self.layout.joined([self.shared.tuples[shared], *(own[part] for part in parts)])

    def row(self, shared: int, part: int) -> Row:
        """What instance 1 can do, computed once."""
        state = self.state(shared, [part] * self.n)
        triples: set[tuple[object, int, int]] = set()
        special: list[tuple[int, int, int]] = []
        for number, after in self.one.successors(state):
            at = self.by_one[number]
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
        row = self.rows[shared, part] = Row(
            len(triples),
            tuple(sorted(after for s, after in moves if s == shared and after != part)),
            tuple(sorted((s, after) for s, after in moves if s != shared)),
            tuple(special),
            later,
        )
        return row

    def shared_row(self, shared: int, part: int) -> SharedRow:
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
        row = self.shared_rows[shared] = SharedRow(len(triples), tuple(outside), tuple(special))
        return row

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

    def event(self, at: int, instance: int) -> Event:
        """The event of a transition of instance 1 when another one takes it."""
        known = self.events.get((at, instance))
        if known is None:
            renaming = Renaming(self.layout.ground, self.family, {1: instance, instance: 1})
            known = self.events[at, instance] = renaming.event(self.stepper.events[at])
        return known
