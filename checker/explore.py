"""Enumeration of everything a ground System can reach, exact in chosen clocks.

Owns the search: which symbolic states exist, in what order they are visited, what is recorded. Must
not know how zones work inside (`checker.zones`) nor what a guard means (`spec.compiled`).

A *node* is a discrete state with a zone over those tracked clocks that are active in it; it stands
for runs that all took the same transitions, in the order of its path. After each discrete step
there are up to two nodes: the valuations right after the step, if some of them are beyond a
deadline (such a state exists, but time cannot pass in it), and everything that a legal delay makes
of them. So the nodes together contain every reachable state, before and after delays.

*Untracked clocks* are abstracted: in guards and goals their comparisons hold in both polarities,
their deadlines are dropped. The result contains every real behaviour: what it does not reach is
unreachable. With all clocks tracked it is exact, with none it is the untimed enumeration.
Extrapolation (without diagonal comparisons only) keeps infinitely growing clocks finite and changes
no sequence of steps; with diagonals the search may run into its limit, and says so.

*Order.* Breadth first by the number of discrete steps; within a layer by the sequence of transition
positions, then by initial state. A node is dropped only if a node before it in this order has the
same discrete state and includes its zone. Hence the first node that meets a goal has the shortest
path, and among the shortest the least in lexicographic order of transition positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import assert_never

from rhscheck.checker import zones
from rhscheck.checker.invariant import Invariant
from rhscheck.checker.zones import Constraint, Zone
from rhscheck.spec.compiled import ClockAtom, Compiled, compile_ground, split_guard
from rhscheck.spec.expr import ClockCmp, ClockDiff, Comparison, Expr, Index, disj
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import initial_states
from rhscheck.spec.system import TIME

Values = tuple[int, ...]
Cells = Mapping[Values, tuple[tuple[int, ...], Sequence[Zone]]]
CHECK_EVERY = 1024  # nodes between two questions whether to go on


def never() -> bool:
    """The answer of a search that nobody cancels."""
    return False


@dataclass(frozen=True, slots=True)
class Tight:
    """What was found about one deadline (a position in Ground.deadlines).

    `reached`: some node has a state in which it forbids delay. `timelock`: the first node with such
    a state in which, moreover, no step is possible; `forced`: the first in which steps are
    possible, but none of an actor whose deadline forbids the delay. None: there is no such node. A
    strict deadline forbids delay in all states from which nobody can step before it.
    """

    deadline: int
    reached: bool
    timelock: int | None
    forced: int | None


@dataclass(frozen=True, slots=True)
class Exploration:
    """What `explore` found. Nodes are numbers; `path` says how to get to one.

    `depth`: everything that fewer discrete steps reach was visited.
    `complete` False: not everything was visited and `reason` says why; then only what was found
    counts. `states`: distinct discrete states; `zones`: nodes. `transitions_taken`: for each of
    Ground.transitions whether some node takes it. `found`: for each goal that has one its first
    node. `stuck`: nodes with a state that has neither a step nor a delay, the first for each
    discrete state.

    `stuck` and `tight` are exact where all clocks are tracked. Else deadlines of untracked clocks
    are not looked at, and a step counts only if it needs no untracked clock: nothing listed for a
    tracked deadline proves that there is nothing, something listed need not be real.
    """

    ground: Ground
    tracked: tuple[int, ...]
    complete: bool
    reason: str | None
    depth: int
    states: int
    zones: int
    transitions_taken: tuple[bool, ...]
    found: Mapping[str, int]
    stuck: tuple[int, ...]
    tight: tuple[Tight, ...]
    _values: Sequence[Values] = field(repr=False)
    _parents: Sequence[int] = field(repr=False)
    _positions: Sequence[int] = field(repr=False)
    _cells: Cells = field(repr=False)

    def values(self, node: int) -> Values:
        """The discrete state of a node."""
        return self._values[node]

    def path(self, node: int) -> tuple[Values, tuple[int, ...]]:
        """The initial values and the transition positions that lead to `node`."""
        positions: list[int] = []
        while self._parents[node] >= 0:
            positions.append(self._positions[node])
            node = self._parents[node]
        return self._values[node], tuple(reversed(positions))

    def invariant(self) -> Invariant:
        """All that was reached: inductive for the System with untracked clocks abstracted.

        ValueError if the exploration is not complete.
        """
        if not self.complete:
            raise ValueError(f"an incomplete exploration has no invariant: {self.reason}")
        if not self.tracked:
            return Invariant((), tuple((values, ((),)) for values in self._values))
        place = {clock: at + 1 for at, clock in enumerate(self.tracked)}
        cells = []
        for values, (live, reached) in self._cells.items():
            dim = len(live) + 1
            name = (0, *(place[clock] for clock in live))
            still = [
                (i, j, 0, False)
                for clock in self.tracked
                if clock not in live
                for i, j in ((0, place[clock]), (place[clock], 0))
            ]
            cells.append(
                (
                    values,
                    tuple(
                        tuple(
                            sorted(
                                [
                                    (name[i], name[j], *zones.decoded(bound))
                                    for i, j, bound in zones.minimal(zone, dim)
                                ]
                                + still
                            )
                        )
                        for zone in reached
                    ),
                )
            )
        return Invariant(self.tracked, tuple(cells))


def explore(
    ground: Ground,
    goals: Mapping[str, Expr],
    *,
    tracked: Collection[int] = (),
    stop_when_all_found: bool = False,
    limit: int = 500_000,
    cancelled: Callable[[], bool] = never,
    progress: Collection[int] | None = None,
    compiled: Compiled | None = None,
) -> Exploration:
    """Everything reachable, and which of the `goals` (state formulas, may compare clocks) are.

    `tracked`: the clocks (positions in Ground.clocks) to be exact in. `limit`: the most nodes to
    visit. `cancelled` is asked now and then and ends the search. `progress`: the transitions that
    count as steps for `stuck` and `tight`, all if None. `compiled`: of `ground`, to save compiling
    again. Raises ValueError for a clock that does not exist and for goals, guards or updates that
    `spec.compiled` does not take.
    """
    if any(not 0 <= clock < len(ground.clocks) for clock in tracked):
        raise ValueError(f"there are clocks 0 to {len(ground.clocks) - 1} only")
    compiled = compile_ground(ground) if compiled is None else compiled
    if compiled.ground is not ground:
        raise ValueError("`compiled` belongs to another Ground")
    search = (_Timed if tracked else _Untimed)(
        compiled,
        goals,
        tuple(sorted(set(tracked))),
        frozenset(range(len(ground.transitions)) if progress is None else progress),
        _Budget(limit, stop_when_all_found, cancelled),
    )
    return search.result(search.run())


# ---- what both searches record -------------------------------------------------------------------
# (clock, clock subtracted from it or None, comparison, constant), clocks as positions.
_Atom = tuple[int, int | None, Comparison, int]


@dataclass(frozen=True, slots=True)
class _Budget:
    """When to end before everything is visited."""

    limit: int
    stop_when_all_found: bool
    cancelled: Callable[[], bool]


class _Search(ABC):
    """Nodes in the order of their discovery, goals and deadlines as they are met."""

    def __init__(
        self,
        compiled: Compiled,
        goals: Mapping[str, Expr],
        tracked: tuple[int, ...],
        progress: frozenset[int],
        budget: _Budget,
    ) -> None:
        self.compiled = compiled
        self.ground = compiled.ground
        self.tracked = tracked
        self.budget = budget
        self.depth = 0
        self.values: list[Values] = []
        self.parents: list[int] = []
        self.positions: list[int] = []
        self.taken = [False] * len(self.ground.transitions)
        self.found: dict[str, int] = {}
        self.stuck: dict[Values, int] = {}
        self.tight = [Tight(at, False, None, None) for at in range(len(self.ground.deadlines))]
        # What each alternative of each transition asks of tracked clocks.
        self.atoms = [
            [self._kept(alternative.atoms) for alternative in alternatives]
            for alternatives in compiled.alternatives
        ]
        # Whether it counts as a step for `stuck` and `tight`: certain, and asked for.
        self.counts = [
            [
                at in progress and len(kept) == len(alternative.atoms)
                for kept, alternative in zip(self.atoms[at], alternatives, strict=True)
            ]
            for at, alternatives in enumerate(compiled.alternatives)
        ]
        self.missing = {
            name: [
                (discrete, compiled.predicate(discrete), self._kept(atoms))
                for discrete, atoms in split_guard(goal)
            ]
            for name, goal in goals.items()
        }

    def _kept(self, atoms: Iterable[ClockAtom]) -> tuple[_Atom, ...]:
        """The comparisons among tracked clocks."""
        read = [_atom(self.ground, atom) for atom in atoms]
        return tuple(atom for atom in read if all(c is None or c in self.tracked for c in atom[:2]))

    @abstractmethod
    def run(self) -> str | None:
        """Visit everything. Returns why that was not possible, or None."""

    @abstractmethod
    def cells(self) -> Cells:
        """For each discrete state its live clocks and zones; nothing where no clock is tracked."""

    def result(self, reason: str | None) -> Exploration:
        cells = self.cells()
        return Exploration(
            self.ground,
            self.tracked,
            reason is None,
            reason,
            self.depth,
            len(cells) if self.tracked else len(self.values),
            len(self.values),
            tuple(self.taken),
            self.found,
            tuple(self.stuck.values()),
            tuple(self.tight),
            self.values,
            self.parents,
            self.positions,
            cells,
        )

    def record(self, values: Values, parent: int, position: int) -> int:
        """A new node."""
        self.values.append(values)
        self.parents.append(parent)
        self.positions.append(position)
        return len(self.values) - 1

    def ended(self, visited: int) -> str | None:
        """Why the search has to end, if it has to."""
        if self.budget.stop_when_all_found and not self.missing:
            return "every goal was found"
        if len(self.values) > self.budget.limit:
            return f"there are more than {self.budget.limit} states to visit"
        if visited % CHECK_EVERY == 0 and self.budget.cancelled():
            return "cancelled"
        return None

    def report(self, at: int, node: int, *, timelock: bool, forced: bool) -> None:
        """Deadline `at` forbids delay in a state of `node`, and maybe that is an error."""
        old = self.tight[at]
        self.tight[at] = Tight(
            at,
            True,
            node if timelock and old.timelock is None else old.timelock,
            node if forced and old.forced is None else old.forced,
        )
        if timelock:
            self.stuck.setdefault(self.values[node], node)


def _atom(ground: Ground, atom: ClockAtom) -> _Atom:
    match atom:
        case ClockCmp(name, index, op, bound):
            return ground.clock_of[(name, _number(index))], None, op, bound
        case ClockDiff(name, index, minus, minus_index, op, bound):
            clock = ground.clock_of[(name, _number(index))]
            return clock, ground.clock_of[(minus, _number(minus_index))], op, bound
        case _:
            assert_never(atom)


def _number(index: Index) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return index


# ---- without clocks ------------------------------------------------------------------------------
class _Untimed(_Search):
    """Discrete states only: a node is a state."""

    def cells(self) -> Cells:
        return {}

    def run(self) -> str | None:
        successors = self.compiled.successors_untimed
        values, parents, positions, taken = self.values, self.parents, self.positions, self.taken
        known: set[Values] = set()
        self.retarget()
        layer: list[list[int]] = [[]]
        for state in initial_states(self.ground):
            known.add(state.values)
            layer[0].append(self.record(state.values, -1, -1))
            if self.is_goal(state.values):
                self.meet(layer[0][-1])
        deadlines = self.ground.deadlines
        urgent = {at for at, deadline in enumerate(deadlines) if deadline.clock is None}
        visited = 0
        while layer:
            following: list[list[int]] = []
            for group in layer:
                found: list[tuple[int, int, Values]] = []
                for node in group:
                    visited += 1
                    reason = self.ended(visited)
                    if reason is not None:
                        return reason
                    moves = successors(values[node])
                    if urgent:
                        self.examine(node, moves, urgent)
                    found += [(position, node, after) for position, after in moves]
                if len(group) > 1:
                    # Same transitions so far: the next one ranks before the initial state.
                    found.sort(key=itemgetter(0))
                last = -1
                for position, node, after in found:
                    taken[position] = True
                    if after in known:
                        continue
                    known.add(after)
                    values.append(after)
                    parents.append(node)
                    positions.append(position)
                    new = len(values) - 1
                    if position != last:
                        following.append([])
                        last = position
                    following[-1].append(new)
                    if self.is_goal(after):
                        self.meet(new)
            layer = following
            self.depth += 1
        return None

    def retarget(self) -> None:
        """One test for all goals still missing."""
        parts = [discrete for goal in self.missing.values() for discrete, _, _ in goal]
        self.is_goal = self.compiled.predicate(disj(parts))

    def meet(self, node: int) -> None:
        """`node` satisfies a goal."""
        for name, parts in list(self.missing.items()):
            if any(holds(self.values[node]) for _, holds, _ in parts):
                self.found[name] = node
                del self.missing[name]
        self.retarget()

    def examine(self, node: int, moves: Sequence[tuple[int, Values]], urgent: set[int]) -> None:
        """Look for deadlines that forbid any delay here."""
        due = [at for at in self.compiled.active_deadlines(self.values[node]) if at in urgent]
        if not due:
            return
        owners = {self.ground.deadlines[at].owner for at in due} | {TIME}
        # A step that may depend on a clock is not counted on.
        actors = [
            self.ground.transitions[position].actor
            for position, _ in moves
            if any(
                counts and alternative.guard(self.values[node])
                for counts, alternative in zip(
                    self.counts[position], self.compiled.alternatives[position], strict=True
                )
            )
        ]
        for at in due:
            self.report(
                at,
                node,
                timelock=not actors,
                forced=bool(actors) and not any(actor in owners for actor in actors),
            )


# ---- with clocks ---------------------------------------------------------------------------------
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
    `reached`: the zones met in it, none included in another.
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


class _Timed(_Search):
    """A node is a discrete state with a zone."""

    def run(self) -> str | None:
        self.locations: dict[Values, _Location] = {}
        self.places: list[_Location] = []
        self.zones: list[Zone] = []
        self.maxima = self.greatest_constants()
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
            constraints = _constraints(self.atoms[position][alternative], number)
            if constraints is not None:
                counts = self.counts[position][alternative]
                edges.append(_Edge(position, constraints, counts, after))
        goals = []
        for name, parts in self.missing.items():
            for _, holds, atoms in parts:
                wanted = _constraints(atoms, number) if holds(values) else None
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
            resets = self.ground.transitions[edge.position].resets
            old = {c: at for at, c in enumerate(place.live, start=1) if c not in resets}
            edge.indices = zones.gather(place.dim, [old.get(c, 0) for c in edge.target.live])
        return self.arrive(edge.target, zones.moved(zone, edge.indices), node, edge.position)

    def arrive(self, place: _Location, zone: Zone, parent: int, position: int) -> list[int]:
        """The new nodes that a step into `zone`, and then a delay, leads to."""
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


def _constraints(
    atoms: Iterable[_Atom], number: Mapping[int, int]
) -> tuple[Constraint, ...] | None:
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
