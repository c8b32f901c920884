"""The search over discrete states with zones: `checker.explore` with tracked clocks.

Owns the zone graph: what a discrete state means for zones, the steps between nodes, and the states
in which a deadline forbids delay. Knows zones by the operations of `checker.zones` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import assert_never

from rhscheck.checker import zones
from rhscheck.checker.exploration import Cells, Values
from rhscheck.checker.search import Atom, Search
from rhscheck.checker.zones import Constraint, Zone
from rhscheck.spec.semantics import initial_states
from rhscheck.spec.system import TIME


@dataclass(slots=True)
class _Edge:
    """An alternative of a transition in one discrete state, its comparisons over the live clocks.

    `target` and `indices` (see `zones.gather`) are filled in when it is first taken.
    """

    position: int
    constraints: tuple[Constraint, ...]
    counts: bool
    after: Values
    target: _Location | None = None
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Due:
    """An active deadline: `clock` is the number of a live clock, 0 for "no delay".

    `forbidding`: where no delay is possible. `released`: its owner has a step whenever it forbids
    delay, by the step's guard alone.
    """

    position: int
    clock: int
    forbidding: tuple[Constraint, ...]
    strict: bool
    owner: str
    released: bool


@dataclass(slots=True)
class _Location:
    """A discrete state. `live`: its active tracked clocks; in its zones they are 1, 2, ...

    `limits` bound delays, unless it is `urgent`. `goals`: (name, what the clocks must satisfy).
    `reached`: the zones met in it, none included in another. `entered`: those that a step led to,
    before any delay.
    """

    values: Values
    live: tuple[int, ...]
    dim: int
    maxima: tuple[int, ...]
    limits: tuple[Constraint, ...]
    urgent: bool
    due: tuple[_Due, ...]
    edges: tuple[_Edge, ...]
    goals: tuple[tuple[str, tuple[Constraint, ...]], ...]
    reached: list[Zone] = field(default_factory=list)
    entered: set[Zone] = field(default_factory=set)


class Timed(Search):
    """A node is a discrete state with a zone."""

    def run(self) -> str | None:
        """Visit everything, in canonical order. Returns why that was not possible, or None."""
        self.locations: dict[Values, _Location] = {}
        self.places: list[_Location] = []
        self.zones: list[Zone] = []
        self.maxima = self.greatest_constants()
        self.gathers: dict[tuple[tuple[int, ...], int, tuple[int, ...]], tuple[int, ...]] = {}
        layer: list[list[int]] = [[]]
        for state in initial_states(self.ground):
            place = self.location(state.values)
            layer[0] += self.arrive(place, zones.origin(place.dim), -1, -1)
        visited = 0
        while layer:
            following: list[list[int]] = []
            for group in layer:
                moves: list[tuple[int, int, _Edge]] = []
                for node in group:
                    visited += 1
                    reason = self.ended(visited)
                    if reason is not None:
                        return reason
                    self.examine(node)
                    moves += [(edge.position, node, edge) for edge in self.places[node].edges]
                if len(group) > 1:
                    # Same transitions so far: the next one ranks before the initial state.
                    moves.sort(key=itemgetter(0))
                last = -1
                for position, node, edge in moves:
                    new = self.follow(node, edge)
                    if new and position != last:
                        following.append([])
                        last = position
                    if new:
                        following[-1] += new
            layer = following
            self.depth += 1
        return None

    def cells(self) -> Cells:
        """The zones met in each discrete state."""
        return {values: (place.live, place.reached) for values, place in self.locations.items()}

    def greatest_constants(self) -> dict[int, int] | None:
        """What each tracked clock is compared with at most; None where differences are compared."""
        maxima = dict.fromkeys(self.tracked, 0)
        asked = [atoms for alternatives in self.atoms for atoms in alternatives]
        asked += [atoms for goal in self.missing.values() for _, _, atoms in goal]
        for clock, other, _, bound in (atom for atoms in asked for atom in atoms):
            if other is not None:
                return None
            maxima[clock] = max(maxima[clock], bound)
        for deadline in self.ground.deadlines:
            if deadline.clock in maxima:
                maxima[deadline.clock] = max(maxima[deadline.clock], deadline.bound)
        return maxima

    # -- discrete states --
    def location(self, values: Values) -> _Location:
        """All that does not depend on the zone, once for each discrete state."""
        known = self.locations.get(values)
        if known is not None:
            return known
        live = tuple(c for c in self.compiled.active_clocks(values) if c in self.tracked)
        number = {clock: at for at, clock in enumerate(live, start=1)}
        edges = []
        for position, alternative, after in self.compiled.moves(values):
            atoms = self.atoms[position][alternative]
            asked = constraints(atoms, number) if atoms else ()
            if asked is not None:
                counts = self.counts[position][alternative]
                edges.append(_Edge(position, asked, counts, after))
        goals = []
        for name, parts in self.missing.items():
            for _, holds, atoms in parts:
                wanted = constraints(atoms, number) if holds(values) else None
                if wanted is not None:
                    goals.append((name, wanted))
        due = []
        limits = []
        for at in self.compiled.active_deadlines(values):
            deadline = self.ground.deadlines[at]
            clock = 0
            if deadline.clock is not None:
                if deadline.clock not in self.tracked:
                    continue
                clock = number.get(deadline.clock, 0)
                if not clock and (0, deadline.strict) < (deadline.bound, True):
                    continue  # the clock stands still below the bound
            if clock:
                limits.append((clock, 0, zones.encoded(deadline.bound, deadline.strict)))
            owner, strict = deadline.owner, deadline.strict
            at_bound = (0, clock, zones.encoded(-deadline.bound, False))
            released = any(
                edge.counts
                and self.ground.transitions[edge.position].actor in (owner, TIME)
                and all(
                    not strict and (i, j) == at_bound[:2] and least >= at_bound[2]
                    for i, j, least in edge.constraints
                )
                for edge in edges
            )
            due.append(_Due(at, clock, (at_bound,) if clock else (), strict, owner, released))
        self.locations[values] = place = _Location(
            values,
            live,
            len(live) + 1,
            () if self.maxima is None else (0, *(self.maxima[clock] for clock in live)),
            tuple(limits),
            any(not d.clock for d in due),
            tuple(due),
            tuple(edges),
            tuple(goals),
        )
        return place

    # -- steps --
    def follow(self, node: int, edge: _Edge) -> list[int]:
        """The new nodes that an edge leads to."""
        place = self.places[node]
        zone = zones.intersected(self.zones[node], place.dim, edge.constraints)
        if zone is None:
            return []
        self.taken[edge.position] = True
        if edge.target is None:
            edge.target = self.location(edge.after)
            edge.indices = self.gather(place, edge.position, edge.target)
        return self.arrive(edge.target, zones.moved(zone, edge.indices), node, edge.position)

    def gather(self, place: _Location, position: int, target: _Location) -> tuple[int, ...]:
        """Where each entry of a zone of `target` comes from; few combinations of clocks are met."""
        key = (place.live, position, target.live)
        found = self.gathers.get(key)
        if found is None:
            resets = self.ground.transitions[position].resets
            old = {c: at for at, c in enumerate(place.live, start=1) if c not in resets}
            found = zones.gather(place.dim, [old.get(c, 0) for c in target.live])
            self.gathers[key] = found
        return found

    def arrive(self, place: _Location, zone: Zone, parent: int, position: int) -> list[int]:
        """The new nodes that a step into `zone`, and then a delay, leads to."""
        if zone in place.entered:
            return []  # all that follows from it is in zones that were reached
        place.entered.add(zone)
        dim = place.dim
        if place.maxima:
            zone = zones.extrapolated(zone, dim, place.maxima)
        if place.urgent:
            parts: tuple[Zone | None, ...] = (zone,)
        else:
            later = zones.elapsed(zone, dim, place.limits)
            late = any(zone[i * dim + j] > bound for i, j, bound in place.limits)
            parts = (zone, later) if late else (later,)
        nodes = []
        for part in parts:
            if part is None or any(zones.included(part, old) for old in place.reached):
                continue
            place.reached = [old for old in place.reached if not zones.included(old, part)]
            place.reached.append(part)
            node = self.record(place.values, parent, position)
            self.places.append(place)
            self.zones.append(part)
            nodes.append(node)
            for name, wanted in place.goals:
                if name in self.missing and zones.intersected(part, dim, wanted) is not None:
                    self.found[name] = node
                    del self.missing[name]
        return nodes

    # -- deadlines --
    def examine(self, node: int) -> None:
        """Look for states of `node` in which a deadline forbids delay."""
        place, zone = self.places[node], self.zones[node]
        late = any(zone[i * place.dim + j] > bound for i, j, bound in place.limits)
        for due in place.due:
            # Where time may pass, a strict bound is approached but never reached: then what counts
            # is whether somebody can step later on.
            ahead = bool(due.clock) and due.strict and not late
            states = zone if ahead else zones.intersected(zone, place.dim, due.forbidding)
            if states is None:
                continue
            if not self.tight[due.position].reached:
                self.report(due.position, node, timelock=False, forced=False)
            if due.released:
                continue
            steps = [edge for edge in place.edges if edge.counts]
            locked = [states]
            for edge in steps:
                locked = self.outside(locked, place.dim, zone, edge.constraints, ahead)
            forced = [states]
            for other in place.due:
                for edge in steps:
                    if self.ground.transitions[edge.position].actor in (other.owner, TIME):
                        wanted = (
                            edge.constraints
                            if other.strict
                            else edge.constraints + other.forbidding
                        )
                        forced = self.outside(forced, place.dim, zone, wanted, ahead)
            for lock in locked:
                wanted = zones.minimal(lock, place.dim)
                forced = self.outside(forced, place.dim, zone, wanted, ahead=False)
            if locked or forced:
                self.report(due.position, node, timelock=bool(locked), forced=bool(forced))

    def outside(
        self,
        parts: list[Zone],
        dim: int,
        zone: Zone,
        wanted: tuple[Constraint, ...],
        ahead: bool,
    ) -> list[Zone]:
        """What is left of `parts` where `wanted` does not hold, nor will (`ahead`) later."""
        if not parts:
            return parts
        if ahead:
            there = zones.intersected(zone, dim, wanted)
            if there is None:
                return parts
            wanted = zones.minimal(zones.preceding(there, dim), dim)
        return [rest for part in parts for rest in zones.without(part, dim, wanted)]


def constraints(atoms: Iterable[Atom], number: Mapping[int, int]) -> tuple[Constraint, ...] | None:
    """Comparisons over numbered live clocks, all others being 0; None if they cannot hold."""
    found: dict[Constraint, None] = {}
    for clock, other, op, bound in atoms:
        left, right = number.get(clock, 0), 0 if other is None else number.get(other, 0)
        match op:
            case "<" | "<=":
                constraint = (left, right, zones.encoded(bound, op == "<"))
            case ">" | ">=":
                constraint = (right, left, zones.encoded(-bound, op == ">"))
            case _:
                assert_never(op)
        if left != right:
            found[constraint] = None
        elif constraint[2] < zones.AT_MOST_ZERO:
            return None
    return tuple(found)
