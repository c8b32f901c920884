"""Enumeration of everything a ground System can reach, exact in chosen clocks.

Owns the meaning of an exploration and the choice of the search; the searches are `checker.untimed`
and `checker.timed`, what they find is an `Exploration`. Must not know how zones work inside
(`checker.zones`) nor what a guard means (`spec.compiled`).

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

from collections.abc import Callable, Collection, Mapping

from rhscheck.checker.exploration import Exploration, Tight
from rhscheck.checker.search import Budget
from rhscheck.checker.timed import Timed
from rhscheck.checker.untimed import Untimed
from rhscheck.spec.compiled import Compiled, compile_ground
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground

__all__ = ["Exploration", "Tight", "explore", "never"]


def never() -> bool:
    """The answer of a search that nobody cancels."""
    return False


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
    search = (Timed if tracked else Untimed)(
        compiled,
        goals,
        tuple(sorted(set(tracked))),
        frozenset(range(len(ground.transitions)) if progress is None else progress),
        Budget(limit, stop_when_all_found, cancelled),
    )
    return search.result(search.run())
