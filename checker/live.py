"""Whether something may stay unanswered for ever in a Ground: lassos and rankings.

Owns the loop for liveness, as `checker.narrow` does for goals: the graph of a projection with few
slots and few exact clocks either has no fair loop, which is a proof about the whole, or has one.
That is walked through the whole Ground and given times; if it is a run there, checked by
`spec.semantics`, the whole has it. Else what makes it impossible is kept from then on.

Why a proof about a projection is one about the whole. Every run of the whole is a walk through the
graph that is at least as long in each node; steps that are left out change nothing that is kept and
pay no debt, for those that pay one are marked and stay. A debt is owed in a node only if the whole
owes it in every state of the node. So a run that leaves the whole unanswered for ever, and fair, is
a walk that leaves the graph unanswered, and fair. Knows neither rules nor what a Ground stands for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rhscheck.checker.explore import never
from rhscheck.checker.fair_cycle import Loop, fair_loops, unanswered
from rhscheck.checker.fair_graph import PASSING, FairGraph, TooLarge, fair_graph
from rhscheck.checker.fairness import Debt, time_debts
from rhscheck.checker.lasso import Lasso, NoLasso, check, timed
from rhscheck.checker.narrow import Missing
from rhscheck.checker.project import Projection, Sight, TooManyOutcomes, project, slots_of
from rhscheck.checker.ranking import Layer, rank
from rhscheck.spec.compiled import Compiled, Values, compile_ground
from rhscheck.spec.expr import clocks_read
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import initial_states

_MOST_LOOPS = 20  # loops of one graph that are tried
_MOST_ROUNDS = 16  # of a loop, until everything left out repeats as well


@dataclass(frozen=True, slots=True)
class Answered:
    """No fair run leaves it unanswered for ever: `layers` of `graph`, the graph of `projection`.

    `debts`: those of the whole, in the order of the graph's.
    """

    projection: Projection
    graph: FairGraph
    debts: tuple[Debt, ...]
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Endless:
    """A run of the whole that leaves it unanswered for ever."""

    lasso: Lasso


@dataclass(frozen=True, slots=True)
class Open:
    """Neither; `reason` says why."""

    reason: str


def settle(
    whole: Ground,
    compiled: Compiled,
    turn: int,
    fair: Sequence[Debt],
    *,
    keep: Iterable[int],
    limit: int,
    cancelled: Callable[[], bool] = never,
) -> Answered | Endless | Open:
    """Whether some fair run of `whole` keeps slot `turn` at one value, not 0, for ever.

    `compiled`: of `whole`. `fair`: its debts of fairness. `keep`: the slots to begin with. `limit`:
    the most nodes of a graph.
    """
    kept = frozenset(keep) | {turn}
    exact = frozenset[int]()
    while True:
        debts = (*fair, *time_debts(whole, exact))
        marks = _marks(debts)
        try:
            projection = project(whole, kept, exact, marks)
        except TooManyOutcomes as error:
            kept |= error.slots
            continue
        smaller = compile_ground(projection.ground)
        seen = _as_seen(projection, debts)
        graph = fair_graph(smaller, seen, tracked=exact, limit=limit, cancelled=cancelled)
        if isinstance(graph, TooLarge):
            return Open(graph.reason)
        inside = unanswered(graph, projection.kept.index(turn))
        lacking: Missing | None = None
        for loop in itertools.islice(fair_loops(graph, inside), _MOST_LOOPS):
            outcome = _real(whole, compiled, projection, smaller, graph, loop, fair, turn)
            if isinstance(outcome, Lasso):
                return Endless(outcome)
            lacking = outcome if lacking is None else lacking
            if cancelled():
                return Open("cancelled")
        if lacking is None:
            layers = rank(graph, inside)
            if layers is None:
                raise AssertionError("a graph without fair loops that has no ranking")
            return Answered(projection, graph, debts, layers)
        grown = _grown(whole, projection, kept, exact, lacking)
        if grown is None:
            return Open("a loop of the graph has no times that were found")
        kept, exact = grown


def _marks(debts: Sequence[Debt]) -> dict[int, tuple[int, ...]]:
    """Which debts a transition pays."""
    marks: dict[int, tuple[int, ...]] = {}
    for number, debt in enumerate(debts):
        for at in debt.paid:
            marks[at] = (*marks.get(at, ()), number)
    return marks


def _as_seen(projection: Projection, debts: Sequence[Debt]) -> tuple[Debt, ...]:
    """`debts` of the whole, as debts of the projection: owed where that is certain."""
    sight = Sight(projection.whole, projection.kept)
    return tuple(
        replace(
            debt,
            owed=sight.certain(debt.owed),
            paid=frozenset(new for new, at in enumerate(projection.origin) if at in debt.paid),
        )
        for debt in debts
    )


def _grown(
    whole: Ground,
    projection: Projection,
    kept: frozenset[int],
    exact: frozenset[int],
    missing: Missing,
) -> tuple[frozenset[int], frozenset[int]] | None:
    """More slots or clocks: those missing, slots first, else all; None if all are known."""
    if not missing.slots <= kept:
        return kept | missing.slots, exact
    if not missing.clocks <= exact:
        return kept, exact | missing.clocks
    every = frozenset(range(len(whole.slots)))
    if not every <= kept:
        return every, exact
    compared = frozenset(at for at in range(len(whole.clocks)) if _compared(whole, at))
    return None if compared <= exact else (kept, exact | compared)


def _compared(whole: Ground, at: int) -> bool:
    clock = whole.clocks[at]
    return any(deadline.clock == at for deadline in whole.deadlines) or any(
        (clock.name, clock.index) in set(clocks_read(transition.guard))
        for transition in whole.transitions
    )


# ---- from the graph to the whole ---------------------------------------------------------------
def _real(
    whole: Ground,
    compiled: Compiled,
    projection: Projection,
    smaller: Compiled,
    graph: FairGraph,
    loop: Loop,
    fair: Sequence[Debt],
    turn: int,
) -> Lasso | Missing:
    """A loop of the graph as a run of the whole, or what it lacks there."""
    first, edges = graph.path(loop.node)
    stem = [edge.position for edge in edges if edge.position != PASSING]
    around = [edge.position for edge in loop.edges if edge.position != PASSING]
    lacking: Missing | None = None
    for initial in starting(projection, graph.values[first]):
        walked = _walk(compiled, projection, smaller, initial, stem, around)
        if isinstance(walked, Missing):
            lacking = walked if lacking is None else lacking
            continue
        outcome = _with_times(whole, compiled, initial, *walked, fair, turn)
        if isinstance(outcome, Lasso):
            return outcome
        lacking = outcome if lacking is None else lacking
    return Missing() if lacking is None else lacking


def starting(projection: Projection, initial: Values) -> Iterator[Values]:
    """The initial values of the whole that are `initial` in the projection."""
    slots = list(projection.whole.slots)
    for at, value in zip(projection.kept, initial, strict=True):
        slots[at] = replace(slots[at], variable=replace(slots[at].variable, initial=(value,)))
    for state in initial_states(replace(projection.whole, slots=tuple(slots))):
        yield state.values


def _walk(
    compiled: Compiled,
    projection: Projection,
    smaller: Compiled,
    values: Values,
    stem: Sequence[int],
    around: Sequence[int],
) -> tuple[list[int], list[int]] | Missing:
    """The positions of both parts in the whole, where the second one leads back to its start."""
    seen = tuple(values[at] for at in projection.kept)

    def follow(path: Sequence[int], values: Values, seen: Values) -> tuple[Values, Values] | None:
        for at in path:
            position = projection.origin[at]
            self_lost.clear()
            self_lost.update(projection.weakened.get(position, ()))
            if not compiled.guards[position](values):
                return None
            values, seen = compiled.fire[position](values), smaller.fire[at](seen)
            if tuple(values[slot] for slot in projection.kept) != seen:
                return None
        return values, seen

    self_lost: set[int] = set()
    moved = follow(stem, values, seen)
    if moved is None:
        return Missing(frozenset(self_lost))
    beginning = [projection.origin[at] for at in stem]
    once = [projection.origin[at] for at in around]
    if not once:
        return beginning, once
    values, seen = moved
    trail = [values]
    for _ in range(_MOST_ROUNDS):
        moved = follow(around, values, seen)
        if moved is None:
            return Missing(frozenset(self_lost))
        values, seen = moved
        if values in trail:
            before = trail.index(values)
            return beginning + once * before, once * (len(trail) - before)
        trail.append(values)
    apart = {at for at, (one, other) in enumerate(zip(*trail[-2:], strict=True)) if one != other}
    return Missing(frozenset(apart))


def _with_times(
    whole: Ground,
    compiled: Compiled,
    initial: Values,
    stem: Sequence[int],
    around: Sequence[int],
    fair: Sequence[Debt],
    turn: int,
) -> Lasso | Missing:
    lasso = timed(whole, initial, stem, around, compiled)
    fault = lasso if isinstance(lasso, NoLasso) else check(whole, lasso, fair, turn)
    if fault is None:
        assert isinstance(lasso, Lasso)
        return lasso
    trail = [initial]
    for position in (*stem, *around):
        trail.append(compiled.fire[position](trail[-1]))
    slots: set[int] = set()
    clocks: set[int] = set(fault.clocks)
    for debt in fault.debts:
        slots |= slots_of(whole, debt.owed)
        clocks |= {whole.clock_of[key] for key in _numbered(clocks_read(debt.owed))}
    met = {at for values in trail for at in compiled.active_deadlines(values)}
    for at, deadline in enumerate(whole.deadlines):
        if at in met and (deadline.clock is None or deadline.clock in fault.clocks):
            slots |= slots_of(whole, deadline.active)
    for at in fault.clocks:
        slots |= slots_of(whole, whole.clocks[at].active)
    return Missing(frozenset(slots), frozenset(clocks))


def _numbered(keys: Iterable[tuple[str, object]]) -> Iterator[tuple[str, int | None]]:
    for name, index in keys:
        if not isinstance(index, str):
            yield name, index  # type: ignore[misc]
