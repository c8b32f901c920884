"""The independent look at a ranking: does every layer have to be left, and are all states covered?

Owns the obligations of the proof rule in `checker.ranking` and their answers by a fresh solver. It
trusts neither the graph nor the search, only the Ground, its debts, `checker.smt` and Z3. That the
set of all nodes is an invariant is judged by `checker.recheck`; here

- cover: every state of the invariant in which something is unanswered is in a layer;
- owed: every state of a weak layer owes its debt; in a strong one those that do are told apart;
- stay: a step from a layer that leaves the same unanswered leads into it or into one before, and
  into one before if it pays the debt; a delay leads into it or into one before;
- within: what a strong layer does not owe is covered by its own layers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rhscheck.checker.fair_graph import FairGraph, graph_invariant
from rhscheck.checker.fairness import Debt
from rhscheck.checker.ranking import Layer
from rhscheck.checker.smt.circuits import Number
from rhscheck.checker.smt.encode import ClockTerm, Encoding
from rhscheck.checker.smt.region import member
from rhscheck.checker.smt.script import Script, script
from rhscheck.checker.smt.solve import Deadline, Formula, Sat, Solver, Unknown, Unsat
from rhscheck.spec.expr import neg
from rhscheck.spec.ground import Ground


@dataclass(frozen=True, slots=True)
class Ranking:
    """Layers over a graph of a part of a Ground.

    `slot_map`: the slot of the Ground for each slot of the graph. `turn`: the slot of the Ground
    that is not 0 while something is unanswered. `debts`: of the Ground, by the layers' numbers.
    """

    graph: FairGraph
    layers: tuple[Layer, ...]
    debts: tuple[Debt, ...]
    slot_map: tuple[int, ...]
    turn: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer; as in `checker.recheck.Recheck`."""

    failed: tuple[str, ...]
    undecided: tuple[tuple[str, str], ...]
    seconds: float
    rlimit: int
    scripts: tuple[Script, ...] = ()

    @property
    def proved(self) -> bool:
        """Every query was answered as the proof needs it."""
        return not self.failed and not self.undecided


def recheck_ranking(
    ground: Ground, ranking: Ranking, timeout_s: float | None = None, *, scripts: bool = False
) -> Ranked:
    """Judge `ranking`, whose nodes are known to be an invariant of `ground`.

    `scripts`: keep the questions.
    """
    started = time.monotonic()
    check = _Check(ground, ranking, Deadline(timeout_s))
    check.run()
    kept = tuple(check.scripts()) if scripts else ()
    return Ranked(
        tuple(check.failed), tuple(check.undecided), time.monotonic() - started, check.rlimit, kept
    )


@dataclass(frozen=True, slots=True)
class _Set:
    """A set of states: membership now, after a delay, and after a step."""

    now: Formula
    late: Formula
    then: Formula


@dataclass(slots=True)
class _Moment:
    """What questions are about: `known` of it, its solver, and those `asked` so far."""

    name: str
    encoding: Encoding
    known: tuple[Formula, ...]
    asked: dict[str, Formula] = field(default_factory=dict)
    solver: Solver = field(init=False)

    def __post_init__(self) -> None:
        self.solver = Solver(self.encoding.context, self.encoding.logic)
        self.solver.add(*self.known)


class _Check:
    def __init__(self, ground: Ground, ranking: Ranking, deadline: Deadline) -> None:
        graph = ranking.graph
        encoding = Encoding(
            ground, {}, "real" if graph.tracked else "untimed", tracked=graph.tracked
        )
        self.failed: list[str] = []
        self.undecided: list[tuple[str, str]] = []
        self._encoding = encoding
        self._ranking = ranking
        self._deadline = deadline
        gates = encoding.gates
        now, then = encoding.now.values[ranking.turn], encoding.then.values[ranking.turn]
        self._open = gates.formula(gates.negate(gates.equals(now, 0)))
        unanswered = gates.formula(gates.same(now, then))
        still = (encoding.possible(), encoding.no_delay(), self._open)
        self._steps = _Moment("step", encoding, (*still, encoding.step(), unanswered))
        self._states = _Moment("state", encoding, still)
        delaying = (encoding.possible(), encoding.delay_legal(), self._open)
        self._delays = _Moment("delay", encoding, delaying)

    @property
    def rlimit(self) -> int:
        """Z3's resource count for all queries."""
        return sum(one.solver.rlimit for one in (self._steps, self._states, self._delays))

    def scripts(self) -> Iterator[Script]:
        """All questions asked so far."""
        for moment in (self._states, self._steps, self._delays):
            if moment.asked:
                name = f"ranking: {moment.name}"
                known = moment.known
                yield script(name, self._encoding, known, moment.asked, alone=False)

    def run(self) -> None:
        ranking = self._ranking
        everything = self._set(range(len(ranking.graph.values)))
        sets = self._layers(ranking.layers, [], "")
        outside = [self._encoding.negation(one.now) for one in sets]
        self._ask("cover", self._states, [everything.now, *outside])

    def _layers(self, layers: Sequence[Layer], before: Sequence[_Set], where: str) -> list[_Set]:
        encoding, ranking = self._encoding, self._ranking
        gates = encoding.gates
        found: list[_Set] = []
        for number, layer in enumerate(layers):
            name = f"{where}{number}"
            debt = ranking.debts[layer.debt]
            own = self._set(layer.nodes)
            lower = [*before, *found]
            owing = own
            if debt.strong:
                bit = 1 << layer.debt
                owing = self._set([n for n in layer.nodes if ranking.graph.owed[n] & bit])
                inner = self._layers(layer.within, [*lower, owing], f"{name}.")
                rest = [encoding.negation(one.now) for one in (owing, *inner)]
                self._ask(f"within: layer {name}", self._states, [own.now, *rest])
            unowed = encoding.holds(neg(debt.owed))
            self._ask(f"owed: layer {name}", self._states, [owing.now, unowed])
            paying = gates.disj([encoding.selectors[at] for at in sorted(debt.paid)])
            leaves = gates.disj((encoding.negation(own.then), paying))
            higher = [encoding.negation(one.then) for one in lower]
            self._ask(f"stay: layer {name}", self._steps, [own.now, gates.formula(leaves), *higher])
            if ranking.graph.tracked:
                away = [encoding.negation(one.late) for one in (own, *lower)]
                self._ask(f"stay: layer {name}, delay", self._delays, [own.now, *away])
            found.append(own)
        return found

    def _set(self, nodes: Sequence[int]) -> _Set:
        invariant = graph_invariant(self._ranking.graph, nodes)
        encoding = self._encoding
        return _Set(
            *(
                member(
                    encoding,
                    invariant.diagram,
                    values,
                    clocks,
                    slots=self._ranking.slot_map,
                    tracked=invariant.tracked,
                )
                for values, clocks in _moments(encoding)
            )
        )

    def _ask(self, query: str, moment: _Moment, formulas: Sequence[Formula]) -> None:
        """None of the states (or steps, or delays) has all of `formulas`."""
        gates = self._encoding.gates
        moment.asked[query] = gates.formula(gates.conj(formulas))
        literal, solver = self._encoding.fresh(), moment.solver
        solver.add(self._encoding.implies(literal, *formulas))
        match solver.check([literal], self._deadline):
            case Unsat():
                pass
            case Sat():
                self.failed.append(query)
            case Unknown(reason):
                self.undecided.append((query, reason))


def _moments(
    encoding: Encoding,
) -> Iterator[tuple[Sequence[Number], Sequence[ClockTerm | None]]]:
    yield encoding.now.values, encoding.now.clocks
    yield encoding.now.values, encoding.late
    yield encoding.then.values, encoding.then.clocks
