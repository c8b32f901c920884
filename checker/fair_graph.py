"""The graph of everything a Ground can do, with what each state owes and each step pays.

Owns the exploration for liveness. Unlike `checker.explore` it keeps every edge and never lets one
node stand for another: cycles matter. A node is a discrete state with a zone over the tracked
clocks; untracked clocks are abstracted as there. A zone holds whatever delay leads to, but is cut
where a debt begins or ceases to be owed; edges along which time passes lead from piece to piece. So
every run of the Ground is a walk through the graph. A node owes a debt only if all its states do,
so a debt of the graph is one of every run that walks there. Knows neither what is to be answered
nor how cycles are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from rhscheck.checker import zones
from rhscheck.checker.exploration import Values
from rhscheck.checker.fairness import Debt
from rhscheck.checker.invariant import Invariant
from rhscheck.checker.search import CHECK_EVERY, Atom, clock_atom
from rhscheck.checker.timed import constraints
from rhscheck.checker.zones import Constraint, Zone
from rhscheck.spec.compiled import Compiled, split_guard
from rhscheck.spec.semantics import initial_states

PASSING = -1  # the "transition" of an edge along which only time passes


@dataclass(frozen=True, slots=True)
class Edge:
    """To node `target` by the transition at `position` (PASSING: by a delay alone)."""

    position: int
    target: int


@dataclass(slots=True)
class FairGraph:
    """Nodes are numbers, in breadth-first order; the first `starts` of them are initial.

    `values`, `zones`: what a node is. `owed`: the debts (bits, by their number) of a node. `pays`:
    the debts that a transition pays, by position. `parent`: the node and the edge that found it.
    """

    tracked: tuple[int, ...]
    debts: tuple[Debt, ...]
    pays: Sequence[int]
    values: list[Values] = field(default_factory=list)
    zones: list[Zone] = field(default_factory=list)
    live: list[tuple[int, ...]] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)
    edges: list[list[Edge]] = field(default_factory=list)
    parent: list[tuple[int, Edge] | None] = field(default_factory=list)

    def paid(self, edge: Edge) -> int:
        """The debts that an edge pays."""
        return 0 if edge.position == PASSING else self.pays[edge.position]

    def path(self, node: int) -> tuple[int, tuple[Edge, ...]]:
        """The initial node and the edges that lead to `node`, as few as possible."""
        edges: list[Edge] = []
        at = self.parent[node]
        while at is not None:
            node, edge = at
            edges.append(edge)
            at = self.parent[node]
        return node, tuple(reversed(edges))


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The graph was not finished; `reason` says why."""

    reason: str


def fair_graph(
    compiled: Compiled,
    debts: Sequence[Debt],
    *,
    tracked: Collection[int] = (),
    limit: int,
    cancelled: Callable[[], bool],
) -> FairGraph | TooLarge:
    """The whole graph of the Ground of `compiled`, exact in the clocks `tracked`.

    `limit`: the most nodes. `debts`: of that Ground.
    """
    return _Builder(compiled, tuple(debts), tuple(sorted(tracked)), limit, cancelled).build()


@dataclass(frozen=True, slots=True)
class _Place:
    """A discrete state: what does not depend on the zone."""

    live: tuple[int, ...]
    maxima: tuple[int, ...]
    limits: tuple[Constraint, ...]
    urgent: bool
    moves: tuple[tuple[int, tuple[Constraint, ...], Values], ...]
    owed: int  # whatever the clocks
    perhaps: tuple[tuple[int, tuple[Constraint, ...]], ...]  # (debt, if the zone implies this)

    def pieces(self, zone: Zone) -> list[Zone]:
        """`zone` cut where something begins or ceases to be owed."""
        found = [zone]
        dim = len(self.live) + 1
        for wanted in dict.fromkeys(one for _, parts in self.perhaps for one in parts):
            cut: list[Zone] = []
            for piece in found:
                for side in (wanted, zones.complement(wanted)):
                    part = zones.intersected(piece, dim, (side,))
                    if part is not None:
                        cut.append(part)
            found = cut
        return found


class _Builder:
    def __init__(
        self,
        compiled: Compiled,
        debts: tuple[Debt, ...],
        tracked: tuple[int, ...],
        limit: int,
        cancelled: Callable[[], bool],
    ) -> None:
        self._compiled = compiled
        self._ground = compiled.ground
        self._tracked = tracked
        self._limit = limit
        self._cancelled = cancelled
        # A comparison with a clock that is not tracked may go either way.
        self._atoms = [
            [self._kept(alternative.atoms) for alternative in alternatives]
            for alternatives in compiled.alternatives
        ]
        self._owed = [
            [
                (compiled.predicate(discrete), atoms)
                for discrete, found in split_guard(debt.owed)
                for atoms in [[clock_atom(self._ground, atom) for atom in found]]
                if all(self._known(atom) for atom in atoms)
            ]
            for debt in debts
        ]
        self._maxima = self._greatest()
        pays = [0] * len(self._ground.transitions)
        for number, debt in enumerate(debts):
            for at in debt.paid:
                pays[at] |= 1 << number
        self._graph = FairGraph(tracked, debts, pays)
        self._places: dict[Values, _Place] = {}
        self._known_nodes: dict[tuple[Values, Zone], int] = {}

    def _known(self, atom: Atom) -> bool:
        return all(clock is None or clock in self._tracked for clock in atom[:2])

    def _kept(self, found: Iterable[object]) -> tuple[Atom, ...]:
        atoms = (clock_atom(self._ground, atom) for atom in found)  # type: ignore[arg-type]
        return tuple(atom for atom in atoms if self._known(atom))

    def _greatest(self) -> dict[int, int] | None:
        """What each tracked clock is compared with at most; None where differences are compared."""
        maxima = dict.fromkeys(self._tracked, 0)
        asked = [atoms for alternatives in self._atoms for atoms in alternatives]
        asked += [tuple(atoms) for parts in self._owed for _, atoms in parts]
        for clock, other, _, bound in (atom for atoms in asked for atom in atoms):
            if other is not None:
                return None
            maxima[clock] = max(maxima[clock], bound)
        for deadline in self._ground.deadlines:
            if deadline.clock in maxima:
                maxima[deadline.clock] = max(maxima[deadline.clock], deadline.bound)
        return maxima

    def build(self) -> FairGraph | TooLarge:
        graph = self._graph
        for state in initial_states(self._ground):
            place = self._place(state.values)
            self._arrive(state.values, zones.origin(len(place.live) + 1), None, PASSING)
        at = 0
        while at < len(graph.values):
            if len(graph.values) > self._limit:
                return TooLarge(f"there are more than {self._limit} states to visit")
            if at % CHECK_EVERY == 0 and self._cancelled():
                return TooLarge("cancelled")
            self._follow(at)
            at += 1
        return graph

    def _place(self, values: Values) -> _Place:
        known = self._places.get(values)
        if known is not None:
            return known
        compiled, ground = self._compiled, self._ground
        live: tuple[int, ...] = ()
        if self._tracked:
            live = tuple(c for c in compiled.active_clocks(values) if c in self._tracked)
        number = {clock: at for at, clock in enumerate(live, start=1)}
        moves = []
        if self._tracked:
            for position, alternative, after in compiled.moves(values):
                wanted = constraints(self._atoms[position][alternative], number)
                if wanted is not None:
                    moves.append((position, wanted, after))
        else:
            moves = [(at, (), after) for at, after in compiled.successors_untimed(values)]
        limits = []
        urgent = False
        for at in compiled.active_deadlines(values):
            deadline = ground.deadlines[at]
            if deadline.clock is None:
                urgent = True
            elif deadline.clock in number:
                bound = zones.encoded(deadline.bound, deadline.strict)
                limits.append((number[deadline.clock], 0, bound))
        owed = 0
        perhaps = []
        for debt, parts in enumerate(self._owed):
            for holds, atoms in parts:
                wanted = constraints(atoms, number) if holds(values) else None
                if wanted == ():
                    owed |= 1 << debt
                elif wanted is not None:
                    perhaps.append((debt, wanted))
        self._places[values] = place = _Place(
            live,
            () if self._maxima is None else (0, *(self._maxima[clock] for clock in live)),
            tuple(limits),
            urgent,
            tuple(moves),
            owed,
            tuple(perhaps),
        )
        return place

    def _follow(self, node: int) -> None:
        values, zone = self._graph.values[node], self._graph.zones[node]
        place = self._place(values)
        dim = len(place.live) + 1
        for position, wanted, after in place.moves:
            part = zones.intersected(zone, dim, wanted)
            if part is None:
                continue
            target = self._place(after)
            resets = self._ground.transitions[position].resets
            old = {c: at for at, c in enumerate(place.live, start=1) if c not in resets}
            moved = zones.moved(part, zones.gather(dim, [old.get(c, 0) for c in target.live]))
            self._arrive(after, moved, node, position)

    def _arrive(self, values: Values, zone: Zone, parent: int | None, position: int) -> None:
        """Edges to what a step into `zone`, and then a delay, leads to."""
        place = self._place(values)
        dim = len(place.live) + 1
        if place.maxima:
            zone = zones.extrapolated(zone, dim, place.maxima)
        if place.urgent:
            parts: tuple[Zone | None, ...] = (zone,)
        else:
            later = zones.elapsed(zone, dim, place.limits)
            late = any(zone[i * dim + j] > bound for i, j, bound in place.limits)
            parts = (zone, later) if late else (later,)
        pieces = [
            (piece, self._node(values, piece, place, parent, position))
            for part in parts
            if part is not None
            for piece in place.pieces(part)
        ]
        if place.urgent or len(pieces) < 2:
            return
        for piece, node in pieces:
            ahead = zones.elapsed(piece, dim, place.limits)
            for other, target in pieces:
                if node == target or ahead is None:
                    continue
                waits = Edge(PASSING, target)
                if waits not in self._graph.edges[node] and _meet(ahead, other, dim):
                    self._graph.edges[node].append(waits)

    def _node(
        self, values: Values, zone: Zone, place: _Place, parent: int | None, position: int
    ) -> int:
        graph = self._graph
        node = self._known_nodes.get((values, zone))
        new = node is None
        if node is None:
            node = self._known_nodes[values, zone] = len(graph.values)
            graph.values.append(values)
            graph.zones.append(zone)
            graph.live.append(place.live)
            owed = place.owed
            dim = len(place.live) + 1
            for debt, wanted in place.perhaps:
                if all(zone[i * dim + j] <= bound for i, j, bound in wanted):
                    owed |= 1 << debt
            graph.owed.append(owed)
            graph.edges.append([])
            graph.parent.append(None)
        if parent is not None:
            edge = Edge(position, node)
            if edge not in graph.edges[parent]:
                graph.edges[parent].append(edge)
            if new:
                graph.parent[node] = (parent, edge)
        return node


def _meet(one: Zone, other: Zone, dim: int) -> bool:
    """Whether two zones have a valuation in common."""
    bounds = [(i, j, other[i * dim + j]) for i in range(dim) for j in range(dim) if i != j]
    return zones.intersected(one, dim, [b for b in bounds if b[2] != zones.INFINITE]) is not None


def graph_invariant(graph: FairGraph, nodes: Iterable[int]) -> Invariant:
    """The states of these nodes, over the slots and clocks of the graph's Ground."""
    cells: dict[Values, list[int]] = {}
    for node in nodes:
        cells.setdefault(graph.values[node], []).append(node)
    if not graph.tracked:
        return Invariant((), tuple((values, ((),)) for values in cells))
    place = {clock: at + 1 for at, clock in enumerate(graph.tracked)}
    found = []
    for values, members in cells.items():
        live = graph.live[members[0]]
        name = (0, *(place[clock] for clock in live))
        # A clock that does not run shows 0.
        still = [
            (i, j, 0, False)
            for clock in graph.tracked
            if clock not in live
            for i, j in ((0, place[clock]), (place[clock], 0))
        ]
        found.append(
            (
                values,
                tuple(
                    tuple(
                        sorted(
                            [
                                (name[i], name[j], *zones.decoded(bound))
                                for i, j, bound in zones.minimal(graph.zones[node], len(name))
                            ]
                            + still
                        )
                    )
                    for node in members
                ),
            )
        )
    return Invariant(graph.tracked, tuple(found))
