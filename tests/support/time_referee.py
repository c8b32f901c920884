"""Whether time can stop, judged by brute force: every region of the clocks that can be reached.

An independent second opinion on condition (b) of SEMANTICS section 5, for a number of instances.
Time goes on if from every region a way leads into a circle along which it diverges; whoever moves
there may do so. Knows `spec.semantics` alone: no goal, no invariant, no abstraction.
"""

from __future__ import annotations

from clock_regions import Regions, strong_parts

from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import State, enabled, fire, initial_states

_WAIT = -1  # the label of an edge along which time passes


class TooManyRegions(Exception):  # noqa: N818 - not an error
    """More regions than wanted."""


def time_stops(ground: Ground, limit: int) -> list[str] | None:
    """The shortest way to where time cannot go on, as labels; None: there is none.

    Raises TooManyRegions for more than `limit` regions.
    """
    regions = Regions(ground)
    reached: dict[State, tuple[State, int] | None] = {
        regions.middle(state): None for state in initial_states(ground)
    }
    edges: dict[State, list[tuple[int, State]]] = {}
    queue = list(reached)
    for state in queue:  # it grows, breadth first
        later = regions.later(state)
        edges[state] = [] if later is None else [(_WAIT, later)]
        for position in enabled(ground, state):
            edges[state].append((position, regions.middle(fire(ground, state, position))))
        for position, target in edges[state]:
            if target not in reached:
                reached[target] = (state, position)
                queue.append(target)
        if len(queue) > limit:
            raise TooManyRegions
    free = _lead_to(edges, _circles_that_take_time(regions, edges))
    stuck = next((state for state in queue if state not in free), None)
    return None if stuck is None else _way(ground, reached, stuck)


def _circles_that_take_time(
    regions: Regions, edges: dict[State, list[tuple[int, State]]]
) -> set[State]:
    found: set[State] = set()
    for part in strong_parts(edges):
        waits = any(
            label == _WAIT and target in part for state in part for label, target in edges[state]
        )
        if waits and regions.diverges(part):
            found |= part
    return found


def _lead_to(edges: dict[State, list[tuple[int, State]]], goal: set[State]) -> set[State]:
    before: dict[State, list[State]] = {state: [] for state in edges}
    for state, out in edges.items():
        for _, target in out:
            before[target].append(state)
    found, queue = set(goal), list(goal)
    while queue:
        new = [state for state in before[queue.pop()] if state not in found]
        found.update(new)
        queue += new
    return found


def _way(ground: Ground, reached: dict[State, tuple[State, int] | None], state: State) -> list[str]:
    labels: list[str] = []
    came = reached[state]
    while came is not None:
        state, position = came
        labels.append("wait" if position == _WAIT else ground.transitions[position].label.short)
        came = reached[state]
    return labels[::-1]
