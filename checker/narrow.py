"""As few variables and clocks as a question takes: counterexample-guided choice of both.

Owns the loop: explore a projection (`checker.project`) with few exact clocks; where it reaches the
goal, walk that path through the whole Ground; whatever makes the path impossible there (slots that
a guard reads, clocks on a cycle of bounds) is kept from then on. Either some projection does not
reach the goal, which is a proof about the whole, or a path is real.

A real path is the shortest and canonically least of the whole. Let W be that least one, and P its
image in the projection: not longer, and step by step P stands for the same transitions or for
earlier ones that are alike there. The first path found, F, is not longer than P; being real, it is
not shorter than W; so all have the same length, and P leaves nothing out. F does not come after P.
Where they first differ they cannot stand for different transitions, for then F, being real, would
come before W. So they are two outcomes of one transition, from the same values if the whole has
only one initial state, and then they are the same. Where it has several, W may start in another
one and go on with earlier steps: an F that passes such a transition is not believed before the
slots that choose its outcome are kept.

Knows neither rules nor what a Ground stands for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

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
    """The slots of `goal` with the observers that feed them, and the clocks these compare.

    A good choice to begin with, no more: `narrow` is right whatever it starts from.
    """
    slots = set(slots_of(whole, goal))
    clocks = set(_clocks_of(whole, goal))
    size = -1
    while size != len(slots) + len(clocks):
        size = len(slots) + len(clocks)
        for transition in whole.transitions:
            written = [
                value for at, value in transition.updates if at in slots and _observes(whole, at)
            ]
            for read in (transition.guard, *written) if written else ():
                slots |= {at for at in slots_of(whole, read) if _observes(whole, at)}
                clocks |= {
                    at for at in _clocks_of(whole, read) if whole.clocks[at].role == "observer"
                }
        for at in clocks:
            active = slots_of(whole, whole.clocks[at].active)
            slots |= {slot for slot in active if _observes(whole, slot)}
    return frozenset(slots), frozenset(clocks)


def _observes(whole: Ground, at: int) -> bool:
    return whole.slots[at].variable.role == "observer"


def _clocks_of(whole: Ground, expr: Expr) -> frozenset[int]:
    """The positions of the clocks that `expr` (ground) compares."""
    return frozenset(
        whole.clock_of[(name, index)]
        for name, index in clocks_read(expr)
        if not isinstance(index, str)
    )


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
    kept = frozenset(keep) | slots_of(whole, goal)
    exact = frozenset(tracked) | _clocks_of(whole, goal)
    one_start = len(list(itertools.islice(initial_states(whole), 2))) < 2
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
        at_least = max(at_least, len(path))
        outcome = walk(whole, compiled, projection, smaller, initial, path, goal)
        if isinstance(outcome, Run):
            open_choices = frozenset[int]() if one_start else _open_choices(projection, path)
            if not open_choices:
                return Real(outcome, tuple(projection.origin[at] for at in path))
            kept |= open_choices
            continue
        kept, exact = grown(projection, path, kept, exact, outcome)


def _open_choices(projection: Projection, path: Sequence[int]) -> frozenset[int]:
    """The slots left out that choose among later outcomes of transitions on the path."""
    origin = projection.origin
    return frozenset(
        slot
        for at in path
        if at + 1 < len(origin) and origin[at + 1] == origin[at]
        for slot in projection.weakened[origin[at]]
    )


def grown(
    projection: Projection,
    path: Sequence[int],
    kept: frozenset[int],
    exact: frozenset[int],
    missing: Missing,
) -> tuple[frozenset[int], frozenset[int]]:
    """More slots or clocks than `kept` and `exact`: those missing, else others that may matter.

    A path can be impossible for a reason that no single step shows, such as two guards that take
    the same slot to be different.
    """
    whole = projection.whole
    if not (missing.slots <= kept and missing.clocks <= exact):
        return kept | missing.slots, exact | missing.clocks
    read = frozenset(
        slot for at in path for slot in projection.weakened.get(projection.origin[at], ())
    )
    own = frozenset(at for at in range(len(whole.slots)) if not _observes(whole, at))
    for more in (read, own, frozenset(range(len(whole.slots)))):
        if not more <= kept:
            return kept | more, exact
    raise AssertionError("a path that is impossible in the whole was found in it")


def walk(
    whole: Ground,
    compiled: Compiled,
    projection: Projection,
    smaller: Compiled,
    initial: tuple[int, ...],
    path: Sequence[int],
    goal: Expr,
) -> Run | Missing:
    """A path of `projection`, from `initial` to `goal`, as a timed run of the whole.

    Or what is missing for the start that gets farthest. `compiled`, `smaller`: of `whole` and of
    the projection.
    """
    farthest = -1
    missing = Missing()
    for values in _starts(projection, initial):
        steps, lacking = _steps(compiled, projection, smaller, values, path)
        if lacking is None:
            positions = [projection.origin[at] for at in path]
            timed = schedule(whole, values, positions, goal, compiled=compiled)
            if isinstance(timed, Run):
                return timed
            lacking = _untimely(whole, compiled, timed, values, positions)
        if steps > farthest:
            farthest, missing = steps, lacking
    return missing


def _starts(projection: Projection, initial: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The initial values of the whole that are `initial` in the projection."""
    slots = list(projection.whole.slots)
    for at, value in zip(projection.kept, initial, strict=True):
        slots[at] = replace(slots[at], variable=replace(slots[at].variable, initial=(value,)))
    for state in initial_states(replace(projection.whole, slots=tuple(slots))):
        yield state.values


def _steps(
    compiled: Compiled,
    projection: Projection,
    smaller: Compiled,
    values: tuple[int, ...],
    path: Sequence[int],
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
    urgent = {at for at, deadline in enumerate(whole.deadlines) if deadline.clock is None}
    met: set[int] = set()
    for position in positions:
        met |= urgent.intersection(compiled.active_deadlines(values))
        values = compiled.fire[position](values)
    met |= urgent.intersection(compiled.active_deadlines(values))
    slots: set[int] = set()
    for at, deadline in enumerate(whole.deadlines):
        if at in met or deadline.clock in timed.clocks:
            slots |= slots_of(whole, deadline.active)
    return Missing(frozenset(slots), timed.clocks)
