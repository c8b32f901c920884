"""As few variables and clocks as a question takes: counterexample-guided choice of both.

Owns the loop: explore a projection (`checker.project`) with few exact clocks; where it reaches the
goal, walk that path through the whole Ground; whatever makes the path impossible there (slots that
a guard reads, clocks on a cycle of bounds) is kept from then on. Either some projection does not
reach the goal, which is a proof about the whole, or a path is real. A real path is the shortest and
canonically least of the whole: every run of the whole is, struck out, a run of the projection that
is no longer and comes no earlier.

Knows neither rules nor what a Ground stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from rhscheck.checker.explore import Exploration, explore, never
from rhscheck.checker.project import Projection, TooManyOutcomes, project, slots_of
from rhscheck.checker.schedule import Infeasible, schedule
from rhscheck.spec.compiled import Compiled, compile_ground
from rhscheck.spec.expr import Expr, clocks_read
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import Run, initial_states


@dataclass(frozen=True, slots=True)
class Excluded:
    """No run of the whole reaches the goal: `exploration` of `projection` does not."""

    projection: Projection
    exploration: Exploration


@dataclass(frozen=True, slots=True)
class Real:
    """The shortest run of the whole that reaches the goal, timed as early as possible."""

    run: Run
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Neither; no run to the goal has fewer than `at_least` steps."""

    reason: str
    at_least: int


@dataclass(frozen=True, slots=True)
class Missing:
    """What a projection has to keep because a path is impossible without it."""

    slots: frozenset[int] = frozenset()
    clocks: frozenset[int] = frozenset()


def cone(whole: Ground, goal: Expr) -> tuple[frozenset[int], frozenset[int]]:
    """The slots of `goal` with the observers that feed them, and the clocks these compare."""
    slots = set(slots_of(whole, goal))
    clocks = {whole.clock_of[c] for c in clocks_read(goal)}  # type: ignore[index]
    grown = True
    while grown:
        grown = False
        for transition in whole.transitions:
            written = [value for at, value in transition.updates if at in slots and _observes(whole, at)]
            for read in (transition.guard, *written) if written else ():
                for at in slots_of(whole, read):
                    if _observes(whole, at) and at not in slots:
                        slots.add(at)
                        grown = True
                for key in clocks_read(read):
                    at = whole.clock_of[key]  # type: ignore[index]
                    if whole.clocks[at].role == "observer" and at not in clocks:
                        clocks.add(at)
                        grown = True
        for at in list(clocks):
            new = {s for s in slots_of(whole, whole.clocks[at].active) if _observes(whole, s)}
            grown |= not new <= slots
            slots |= new
    return frozenset(slots), frozenset(clocks)


def _observes(whole: Ground, at: int) -> bool:
    return whole.slots[at].variable.role == "observer"


def narrow(
    whole: Ground,
    compiled: Compiled,
    name: str,
    goal: Expr,
    *,
    keep: Iterable[int],
    tracked: Collection[int] = (),
    limit: int = 500_000,
    cancelled: Callable[[], bool] = never,
) -> Excluded | Real | GaveUp:
    """Whether `whole` reaches `goal`, starting from the slots `keep` and the clocks `tracked`.

    `compiled`: of `whole`. `limit`: the most nodes of one exploration.
    """
    kept = set(keep) | slots_of(whole, goal)
    exact = set(tracked) | {whole.clock_of[c] for c in clocks_read(goal)}  # type: ignore[index]
    at_least = 0
    while True:
        try:
            projection = project(whole, kept, exact)
        except TooManyOutcomes as error:
            kept |= error.slots
            continue
        smaller = compile_ground(projection.ground)
        exploration = explore(
            projection.ground, {name: goal}, tracked=exact, stop_when_all_found=True, limit=limit,
            cancelled=cancelled, compiled=smaller,
        )  # fmt: skip
        node = exploration.found.get(name)
        if node is None:
            if exploration.reason is not None:
                return GaveUp(exploration.reason, max(at_least, exploration.depth + 1))
            return Excluded(projection, exploration)
        initial, path = exploration.path(node)
        positions = tuple(projection.origin[at] for at in path)
        at_least = max(at_least, len(positions))
        outcome = walk(whole, compiled, projection, smaller, initial, path, goal)
        if isinstance(outcome, Run):
            return Real(outcome, positions)
        if outcome.slots <= kept and outcome.clocks <= exact:
            if len(projection.kept) == len(whole.slots):
                raise AssertionError("a path that is impossible in the whole was found in it")
            # The cause is not local to a step: keep everything that is the System's own.
            own = {at for at in range(len(whole.slots)) if not _observes(whole, at)}
            kept = kept | own if not own <= kept else set(range(len(whole.slots)))
        kept |= outcome.slots
        exact |= outcome.clocks


def walk(
    whole: Ground,
    compiled: Compiled,
    projection: Projection,
    smaller: Compiled,
    initial: tuple[int, ...],
    path: tuple[int, ...],
    goal: Expr,
) -> Run | Missing:
    """The path as a timed run of the whole, or what is missing for the best of its starts."""
    best: tuple[int, Missing] = (-1, Missing())
    for state in initial_states(whole):
        if tuple(state.values[at] for at in projection.kept) != initial:
            continue
        reached, missing = _steps(compiled, projection, smaller, state.values, path)
        if missing is None:
            positions = [projection.origin[at] for at in path]
            try:
                timed = schedule(whole, state.values, positions, goal, compiled=compiled)
            except ValueError:
                return Missing(frozenset(range(len(whole.slots))))
            if isinstance(timed, Run):
                return timed
            return _untimely(whole, compiled, timed, state.values, positions)
        if reached > best[0]:
            best = (reached, missing)
    return best[1]


def _steps(
    compiled: Compiled,
    projection: Projection,
    smaller: Compiled,
    values: tuple[int, ...],
    path: tuple[int, ...],
) -> tuple[int, Missing | None]:
    """How many steps of the path the whole can take from `values`, and what stops it."""
    seen = tuple(values[at] for at in projection.kept)
    for number, at in enumerate(path):
        position = projection.origin[at]
        if not compiled.guards[position](values):
            return number, Missing(projection.weakened.get(position, frozenset()))
        values = compiled.fire[position](values)
        seen = smaller.fire[at](seen)
        if tuple(values[slot] for slot in projection.kept) != seen:
            return number, Missing(projection.weakened.get(position, frozenset()))
    return len(path), None


def _untimely(
    whole: Ground,
    compiled: Compiled,
    timed: Infeasible,
    values: tuple[int, ...],
    positions: Sequence[int],
) -> Missing:
    """The clocks that exclude the timing, and what their deadlines and urgent steps depend on."""
    slots: set[int] = set()
    urgent = {at for at, deadline in enumerate(whole.deadlines) if deadline.clock is None}
    met: set[int] = set()
    for position in positions:
        met |= urgent & set(compiled.active_deadlines(values))
        values = compiled.fire[position](values)
    for at, deadline in enumerate(whole.deadlines):
        if at in met or deadline.clock in timed.clocks:
            slots |= slots_of(whole, deadline.active)
    return Missing(frozenset(slots), timed.clocks)
