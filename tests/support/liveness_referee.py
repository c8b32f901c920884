"""`leads to` judged by brute force: every region of the clocks, every fair way around.

An independent second opinion on `checker.liveness`. States are those of `spec.semantics`, with
clocks in the middle of their region; nothing is projected, abstracted or woven in. A run breaks the
rule if at some moment the trigger holds or happens, and from then on the response never does: the
moment is guessed. A run counts if time diverges in it and it is fair (Alur and Dill, "A theory of
timed automata", 1994, on progressive runs of regions). No differences of clocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clock_regions import Regions, strong_parts
from rule_oracle import Moment, Oracle

from rhscheck.spec.ground import Ground, bindings
from rhscheck.spec.semantics import State, enabled, evaluate, fire, initial_states
from rhscheck.spec.system import LeadsTo, Rule

WAIT = -1  # the label of an edge along which time passes


@dataclass(frozen=True)
class Node:
    """A region; `open`: a trigger has been, and from it on the response may not come any more."""

    state: State
    open: bool


Edge = tuple[int, Node]  # the position of the transition (or WAIT), and where it leads


class TooLarge(Exception):  # noqa: N818 - not an error
    """More regions than the referee wants to look at."""


class Referee:
    """Judges `rule`, a `leads to`, over one Ground (without observers)."""

    def __init__(self, ground: Ground, rule: Rule, limit: int = 4_000) -> None:
        assert isinstance(rule.obligation, LeadsTo)
        self.ground = ground
        self.rule = rule
        self.obligation = rule.obligation
        self.limit = limit
        self.regions = Regions(ground)

    def broken(self) -> bool:
        """Whether some fair run breaks the rule for some choice of instances. Raises TooLarge."""
        return any(
            self._broken(Oracle(self.ground, self.rule.params, choice))
            for choice in bindings(self.rule.params, self.ground.system, self.ground.n)
        )

    # -- the graph -------------------------------------------------------------------------------
    def _after(self, oracle: Oracle, node: Node) -> Iterator[Edge]:
        ground = self.ground
        trigger = oracle.bound(self.obligation.trigger)
        response = oracle.bound(self.obligation.response)
        waited = self.regions.later(node.state)
        if waited is not None:
            yield WAIT, Node(waited, node.open)
        for position in enabled(ground, node.state):
            after = fire(ground, node.state, position)
            moment = Moment(0, after, node.state, ground.transitions[position])
            answered = oracle.happens(response, moment)
            holds = oracle.holds(response, after)
            middle = self.regions.middle(after)
            if node.open:
                if not holds and not answered:
                    yield position, Node(middle, True)
                continue
            yield position, Node(middle, False)
            asked = oracle.happens(trigger, moment) and (self.obligation.next or not answered)
            if not holds and (asked or oracle.holds(trigger, after)):
                yield position, Node(middle, True)

    def _graph(self, oracle: Oracle) -> dict[Node, list[Edge]]:
        trigger = oracle.bound(self.obligation.trigger)
        response = oracle.bound(self.obligation.response)
        waiting: list[Node] = []
        for state in initial_states(self.ground):
            start = self.regions.middle(state)
            waiting.append(Node(start, False))
            if oracle.holds(trigger, start) and not oracle.holds(response, start):
                waiting.append(Node(start, True))
        edges: dict[Node, list[Edge]] = {}
        while waiting:
            node = waiting.pop()
            if node in edges:
                continue
            edges[node] = list(self._after(oracle, node))
            if len(edges) > self.limit:
                raise TooLarge
            waiting += [target for _, target in edges[node]]
        return edges

    # -- fair ways around ------------------------------------------------------------------------
    def _broken(self, oracle: Oracle) -> bool:
        edges = self._graph(oracle)
        self._events = list(self._fair_events())
        return self._stays({n: [e for e in out if e[1].open] for n, out in edges.items() if n.open})

    def _fair_events(self) -> Iterator[tuple[bool, frozenset[int]]]:
        """(strong, transitions) for each event of each instance that is treated fairly."""
        for fairness in self.ground.system.fairness:
            names = {(label.kind, label.machine, label.name) for label in fairness.labels}
            values = {
                (label.kind, label.machine, label.name, label.value) for label in fairness.labels
            }
            for name in sorted(names):
                groups: dict[object, set[int]] = {}
                for at, transition in enumerate(self.ground.transitions):
                    if transition.actor != fairness.actor:
                        continue
                    for label in (transition.label, *transition.also):
                        key = (label.kind, label.machine, label.name)
                        if key == name and (*key, label.value) in values:
                            groups.setdefault(label.index, set()).add(at)
                for group in groups.values():
                    yield fairness.strong, frozenset(group)

    def _possible(self, node: Node, event: frozenset[int]) -> bool:
        return any(
            evaluate(self.ground.transitions[at].guard, self.ground, node.state) for at in event
        )

    def _stays(self, edges: dict[Node, list[Edge]]) -> bool:
        """Whether a fair run, in which time diverges, may stay among these nodes for ever."""
        for part in strong_parts(edges):
            inner = {n: [e for e in edges[n] if e[1] in part] for n in edges if n in part}
            labels = {position for out in inner.values() for position, _ in out}
            if WAIT not in labels or not self.regions.diverges(node.state for node in inner):
                continue
            removed: set[Node] = set()
            fair = True
            for strong, event in self._events:
                if labels & event:
                    continue
                possible = {n for n in inner if self._possible(n, event)}
                if strong:
                    removed |= possible
                elif len(possible) == len(inner):
                    fair = False
            if not fair:
                continue
            if not removed:
                return True
            rest = {n: out for n, out in inner.items() if n not in removed}
            rest = {n: [e for e in out if e[1] in rest] for n, out in rest.items()}
            if rest and self._stays(rest):
                return True
        return False
