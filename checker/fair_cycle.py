"""Cycles in which every debt is paid: where a graph has one, and a short walk around it.

Owns the search for strongly connected parts that a run may stay in for ever, and for a lasso in
one. It works on any `FairGraph`, restricted to the nodes where something is unanswered; every node
may also be stayed at for ever (the run then stutters: time passes and nothing happens). Decides
nothing about time: whether the lasso can be timed is for `checker.lasso`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rhscheck.checker.fair_graph import Edge, FairGraph

Inside = Mapping[int, Sequence[Edge]]  # nodes and the edges between them


@dataclass(frozen=True, slots=True)
class Loop:
    """From `node` along `edges` back to it, for ever; no edges: nothing happens any more."""

    node: int
    edges: tuple[Edge, ...]


def unanswered(graph: FairGraph, turn: int) -> dict[int, list[Edge]]:
    """The nodes whose value of slot `turn` is not 0, and the edges that do not change it."""
    turns = [values[turn] for values in graph.values]
    return {
        node: [edge for edge in graph.edges[node] if turns[edge.target] == turns[node]]
        for node in range(len(turns))
        if turns[node] != 0
    }


def fair_loops(graph: FairGraph, inside: Inside) -> Iterator[Loop]:
    """Loops in which every debt is paid, simple ones first; none if there is no such run at all.

    First every node where a run may rest for ever, then one loop for each component.
    """
    strong = sum(1 << number for number, debt in enumerate(graph.debts) if debt.strong)
    for node in inside:
        # Resting owes what the node owes and pays nothing.
        if graph.owed[node] == 0:
            yield Loop(node, ())
    for component in _fair_components(graph, inside, strong):
        if len(component) > 1 or any(component.values()):
            yield _around(graph, component, strong)


def _fair_components(
    graph: FairGraph, inside: Inside, strong: int
) -> Iterator[dict[int, list[Edge]]]:
    """Parts in which a run may stay for ever, by their first node."""
    waiting: list[Inside] = [inside]
    while waiting:
        for nodes in components(waiting.pop()):
            part = restricted(inside, nodes)
            always, sometimes, paid = -1, 0, 0
            for node, edges in part.items():
                always &= graph.owed[node]
                sometimes |= graph.owed[node]
                for edge in edges:
                    paid |= graph.paid(edge)
            if always & ~paid:
                continue  # somewhere in between nothing changes: always owed, never paid
            hopeless = sometimes & ~paid & strong
            if hopeless:
                waiting.append(
                    restricted(part, [node for node in part if not graph.owed[node] & hopeless])
                )
                continue
            yield part


def restricted(inside: Inside, nodes: Collection[int]) -> dict[int, list[Edge]]:
    """The part of `inside` with these nodes, in order."""
    kept = set(nodes)
    return {node: [edge for edge in inside[node] if edge.target in kept] for node in sorted(kept)}


def components(inside: Inside) -> list[list[int]]:
    """The strongly connected components (Tarjan), each ascending, by their first node."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    found: list[list[int]] = []
    for root in inside:
        if root in index:
            continue
        work: list[tuple[int, Iterator[Edge]]] = [(root, iter(inside[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, edges = work[-1]
            for edge in edges:
                if edge.target not in inside:
                    continue
                if edge.target not in index:
                    index[edge.target] = low[edge.target] = len(index)
                    stack.append(edge.target)
                    on_stack.add(edge.target)
                    work.append((edge.target, iter(inside[edge.target])))
                    break
                if edge.target in on_stack:
                    low[node] = min(low[node], index[edge.target])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == index[node]:
                    part: list[int] = []
                    while True:
                        last = stack.pop()
                        on_stack.discard(last)
                        part.append(last)
                        if last == node:
                            break
                    found.append(sorted(part))
    return sorted(found)


def _around(graph: FairGraph, part: Inside, strong: int) -> Loop:
    """A walk around a fair component that pays, or once does not owe, every debt."""
    start = min(part)
    walk: list[Edge] = []
    at = start
    needed = -1
    for node in part:
        needed &= graph.owed[node]
    sometimes = 0
    for node in part:
        sometimes |= graph.owed[node]
    for number in range(len(graph.debts)):
        bit = 1 << number
        must_pay = bool(needed & bit) or bool(sometimes & bit & strong)
        visited = [start, *(edge.target for edge in walk)]
        if any(graph.paid(edge) & bit for edge in walk):
            continue
        if not must_pay and any(not graph.owed[node] & bit for node in visited):
            continue
        way = _way(part, at, _settles(graph, bit, must_pay=must_pay))
        walk += way
        at = walk[-1].target
    if at != start or not walk:
        walk += _way(part, at, lambda edge: edge.target == start)
    return Loop(start, tuple(walk))


def _settles(graph: FairGraph, bit: int, *, must_pay: bool) -> Callable[[Edge], bool]:
    """Whether an edge pays the debt, or (unless it must be paid) leads to where it is not owed."""

    def settles(edge: Edge) -> bool:
        if graph.paid(edge) & bit:
            return True
        return not must_pay and not graph.owed[edge.target] & bit

    return settles


def _way(part: Inside, start: int, wanted: Callable[[Edge], bool]) -> list[Edge]:
    """The shortest walk from `start` whose last edge is wanted; there is one."""
    before: dict[int, tuple[int, Edge]] = {}
    queue = deque([start])
    seen = {start}
    while queue:
        node = queue.popleft()
        for edge in part[node]:
            if wanted(edge):
                way = [edge]
                while node != start:
                    node, back = before[node]
                    way.append(back)
                return way[::-1]
            if edge.target not in seen:
                seen.add(edge.target)
                before[edge.target] = (node, edge)
                queue.append(edge.target)
    raise AssertionError("a strongly connected part has a way from everywhere to everywhere")
