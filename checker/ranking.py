"""Why nothing stays unanswered for ever: layers of states, each left for a reason.

Owns the proof rule and the construction of a proof from a graph without fair loops. Knows neither
time nor solvers (`checker.recheck_ranking` judges what is made here).

The rule. Layers are taken in order; W is everything in the layers before, and what is answered.
- A *weak* layer (Z, d): every state of Z owes d; a step from Z leads to Z or W; one that pays d
  leads to W.
- A *strong* layer (Z, d, within): a step from Z leads to Z or W, one that pays d leads to W; and
  the layers `within` cover the states of Z that do not owe d, with those that do counted as W.
Together the layers cover everything unanswered.

Why that proves it. Take a run that is unanswered from some moment on, and at each moment the first
layer its state is in: that never grows, so from some moment on it is the same one and the run is in
its Z for ever. It never pays d, for that would lead to W. If d is weak the run owes it all the
time: no such run is fair. If d is strong, it can be owed only finitely often; from then on the run
is among the states that `within` covers, where by the same argument no run stays for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rhscheck.checker.fair_cycle import components, restricted
from rhscheck.checker.fair_graph import Edge, FairGraph


@dataclass(frozen=True, slots=True)
class Layer:
    """`nodes` of a graph are left because of the debt of this number; see the module."""

    debt: int
    nodes: tuple[int, ...]
    within: tuple[Layer, ...] = ()


def rank(graph: FairGraph, inside: Mapping[int, Sequence[Edge]]) -> tuple[Layer, ...] | None:
    """Layers that cover all nodes of `inside`; None if a run may stay there for ever."""
    layers: list[Layer] = []
    left: Mapping[int, Sequence[Edge]] = inside
    while left:
        layer = _first_layer(graph, left)
        if layer is None:
            return None
        layers.append(layer)
        gone = set(layer.nodes)
        left = restricted(left, [node for node in left if node not in gone])
    return tuple(layers)


def _first_layer(graph: FairGraph, left: Mapping[int, Sequence[Edge]]) -> Layer | None:
    """A layer among the nodes `left` (edges to others lead to W), as large as can be."""
    best: Layer | None = None
    for number, debt in enumerate(graph.debts):
        bit = 1 << number
        if debt.strong:
            continue
        nodes = _closed(graph, left, [node for node in left if graph.owed[node] & bit], bit)
        if nodes and (best is None or len(nodes) > len(best.nodes)):
            best = Layer(number, tuple(nodes))
    if best is not None:
        return best
    # A strong debt: from a component that nothing else of `left` can be reached from.
    for part in components(left):
        inner = restricted(left, part)
        if any(edge.target not in inner for node in inner for edge in left[node]):
            continue
        owed, paid = 0, 0
        for node, edges in inner.items():
            owed |= graph.owed[node]
            for edge in edges:
                paid |= graph.paid(edge)
        for number, debt in enumerate(graph.debts):
            bit = 1 << number
            if debt.strong and owed & bit and not paid & bit:
                rest = restricted(inner, [n for n in inner if not graph.owed[n] & bit])
                within = rank(graph, rest)
                if within is not None:
                    return Layer(number, tuple(inner), within)
    return None


def _closed(
    graph: FairGraph,
    left: Mapping[int, Sequence[Edge]],
    start: Collection[int],
    bit: int,
) -> list[int]:
    """The most of `start` from which steps stay or lead to W, and to W if they pay `bit`."""
    kept = set(start)
    before: dict[int, list[int]] = {}
    for node in kept:
        for edge in left[node]:
            before.setdefault(edge.target, []).append(node)
    waiting = [
        node
        for node in kept
        if any(
            edge.target in left and (edge.target not in kept or graph.paid(edge) & bit)
            for edge in left[node]
        )
    ]
    kept -= set(waiting)
    while waiting:
        lost = waiting.pop()
        for node in before.get(lost, ()):
            if node in kept:
                kept.discard(node)
                waiting.append(node)
    return sorted(kept)
