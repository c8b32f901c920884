"""What was proved, as data: invariants and the questions that a solver answered about them.

Owns the form in which a proof outlives the engine that found it, for certificates. No Ground and no
formula is kept: variables have names, steps have keys, so a proof travels between processes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rhscheck.checker.certify import form
from rhscheck.checker.fair_graph import graph_invariant
from rhscheck.checker.fairness import Debt, FairEvent, GrowingClock, MetDeadline
from rhscheck.checker.invariant import Diagram, Invariant
from rhscheck.checker.ranking import Layer
from rhscheck.checker.recheck import Copy
from rhscheck.checker.recheck_ranking import Ranking
from rhscheck.checker.smt.script import Script
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import Rule, System


@dataclass(frozen=True, slots=True)
class Established:
    """Invariants of one System that were re-checked together.

    `woven`: the rules whose observers it has. `n`: its number of instances; None: one instance and
    the environment of all others. Each of `parts` excludes the goals of some rules. `scripts` are
    the questions, `step.K` in them is the transition with the key `steps[K]`; `instances` are those
    about one instance among so many. `answered`: the rule that the states of its one part answer.
    `pairs`: the one part is about every two instances, and judged with 2 up to so many, which is
    enough for every number from two on; `instances` are the questions.
    """

    woven: tuple[str, ...]
    n: int | None
    parts: tuple[tuple[tuple[str, ...], form.InvariantFile], ...]
    steps: tuple[str, ...]
    scripts: tuple[Script, ...]
    instances: tuple[tuple[int, tuple[Script, ...]], ...] = ()
    answered: Answered | None = None
    pairs: int | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """No run leaves what `instance` is owed by the `leads to` called `rule` unanswered for ever."""

    rule: str
    instance: form.Place
    ranking: form.RankingFile


def established(
    woven: Sequence[Rule],
    n: int | None,
    ground: Ground,
    parts: Iterable[tuple[Sequence[Rule], Copy]],
    scripts: tuple[Script, ...],
    *,
    families: Collection[str] = (),
    instances: Iterable[tuple[int, tuple[Script, ...]]] = (),
) -> Established:
    """What `scripts` and `parts` (rules, and their invariant of `ground`) establish.

    `families`: those of which `ground` has one instance that stands for any.
    """
    return Established(
        tuple(rule.id for rule in woven),
        n,
        tuple((tuple(r.id for r in rules), _file(ground, copy, families)) for rules, copy in parts),
        tuple(transition.template.key for transition in ground.transitions),
        scripts,
        tuple(instances),
    )


def of_pairs(
    woven: Sequence[Rule],
    rule: Rule,
    invariant: Invariant,
    places: tuple[Sequence[tuple[str, int | None]], Sequence[tuple[str, int | None]]],
    instances: Sequence[tuple[int, tuple[Script, ...]]],
) -> Established:
    """What `invariant`, of every two instances, establishes about `rule` for every number.

    `places`: the variables and the clocks that it is about, as it numbers them. `instances`: the
    questions for each number of instances from 2 on, without a gap.
    """
    slots, clocks = places
    diagram = invariant.diagram
    file = form.InvariantFile(
        variables=tuple(form.Variable(name=name, instance=index) for name, index in slots),
        clocks=tuple(form.Variable(name=name, instance=index) for name, index in clocks),
        nodes=_nodes(diagram),
        leaves=diagram.leaves,
        root=diagram.root,
    )
    return Established(
        tuple(one.id for one in woven),
        None,
        (((rule.id,), file),),
        (),
        (),
        tuple(instances),
        pairs=instances[-1][0],
    )


def answered(
    rule: Rule,
    n: int | None,
    ground: Ground,
    ranking: Ranking,
    scripts: tuple[Script, ...],
    families: Collection[str] = (),
) -> Established:
    """What `scripts` and `ranking`, of what one instance is owed by `rule`, establish.

    `families`: as in `established`.
    """
    graph = ranking.graph
    invariant = graph_invariant(graph, range(len(graph.values)))
    copy = Copy(invariant, ranking.slot_map, invariant.tracked)
    made = _Layers(ground.system, ranking, families)
    layers = made.layers(ranking.layers)
    turn = ground.slots[ranking.turn]
    return Established(
        (),
        n,
        (((), _file(ground, copy, families)),),
        tuple(transition.template.key for transition in ground.transitions),
        scripts,
        (),
        Answered(
            rule.id,
            "self" if turn.variable.family in families else turn.index,
            form.RankingFile(nodes=tuple(made.nodes), leaves=tuple(made.leaves), layers=layers),
        ),
    )


class _Layers:
    """The layers of a ranking as data; their sets share nodes and leaves."""

    def __init__(self, system: System, ranking: Ranking, families: Collection[str]) -> None:
        self.nodes: list[form.Node] = []
        self.leaves: list[tuple[form.Zone, ...]] = []
        self._system = system
        self._ranking = ranking
        self._families = families

    def layers(self, layers: Iterable[Layer]) -> tuple[form.Layer, ...]:
        """These layers, and those within them."""
        return tuple(self._layer(layer) for layer in layers)

    def _layer(self, layer: Layer) -> form.Layer:
        debt = self._ranking.debts[layer.debt]
        owing = None
        if debt.strong:
            owed = self._ranking.graph.owed
            owing = self._root([node for node in layer.nodes if owed[node] & 1 << layer.debt])
        return form.Layer(
            debt=self._debt(debt),
            root=self._root(layer.nodes),
            owing=owing,
            within=self.layers(layer.within),
        )

    def _root(self, nodes: Sequence[int]) -> int | None:
        diagram = graph_invariant(self._ranking.graph, nodes).diagram
        if diagram.root is None:
            return None
        first, leaf = len(self.nodes), len(self.leaves)

        def shifted(child: int) -> int:
            return child + first if child >= 0 else child - leaf

        for node in _nodes(diagram):
            branches = (form.Branch(values=b.values, child=shifted(b.child)) for b in node.branches)
            self.nodes.append(form.Node(variable=node.variable, branches=tuple(branches)))
        self.leaves += diagram.leaves
        return shifted(diagram.root)

    def _debt(self, debt: Debt) -> form.Debt:
        match debt.source:
            case FairEvent(line, label, instance):
                place = self._place(label.machine, instance)
                return form.FairEvent(
                    line=line, kind=label.kind, machine=label.machine, name=label.name,
                    instance=place,
                )  # fmt: skip
            case MetDeadline(name, instance):
                family = next(one.family for one in self._system.deadlines if one.name == name)
                return form.MetDeadline(deadline=name, instance=self._place(family, instance))
            case GrowingClock(name, instance, bound):
                family = next(one.family for one in self._system.clocks if one.name == name)
                place = self._place(family, instance)
                return form.GrowingClock(clock=name, instance=place, bound=bound)

    def _place(self, family: str | None, instance: int | None) -> form.Place:
        return "self" if family in self._families else instance


def _nodes(diagram: Diagram) -> tuple[form.Node, ...]:
    return tuple(
        form.Node(
            variable=node.slot,
            branches=tuple(
                form.Branch(values=values, child=child) for values, child in node.branches
            ),
        )
        for node in diagram.nodes
    )


def _file(ground: Ground, copy: Copy, families: Collection[str]) -> form.InvariantFile:
    diagram = copy.invariant.diagram
    family_of = {clock.name: clock.family for clock in ground.system.clocks}

    def variable(name: str, family: str | None, index: int | None) -> form.Variable:
        return form.Variable(name=name, instance="self" if family in families else index)

    slots = [ground.slots[at] for at in copy.slot_map]
    clocks = [ground.clocks[at] for at in copy.clock_map]
    return form.InvariantFile(
        variables=tuple(variable(s.variable.name, s.variable.family, s.index) for s in slots),
        clocks=tuple(variable(c.name, family_of[c.name], c.index) for c in clocks),
        nodes=_nodes(diagram),
        leaves=diagram.leaves,
        root=diagram.root,
    )
