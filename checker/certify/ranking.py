"""Why nothing stays unanswered for ever: the layers of a certificate, judged by enumeration.

Owns the proof rule, and what fairness and the passing of time owe a run that never ends. Both are
rebuilt from the System, with nothing of what the engines know about them (`checker.ranking`,
`checker.fairness`). On an invariant that speaks of what is unanswered:

- every state in which something is unanswered is in a layer (`cover`);
- every state of a layer surely owes the layer's debt, whatever is left out (`owed`);
- a step or delay that leaves the same unanswered leads into the layer or into one before, and into
  one before if the step may pay the debt (`stay`);
- for a strong debt, the states that do not owe it are covered by layers of their own (`within`).

So a run that is unanswered for ever comes to keep to one layer, where it owes its debt all the time
and never pays. That is no run: an event of a `fair` line that is possible all the time happens, and
time grows beyond every bound. (It can: `progress`.) For a strong debt it owes only finitely often,
for it would have to pay; then it keeps to the layers within, by the same argument.

An event is possible for certain only by steps of this instance and the shared machines. It may be
paid by any step with one of its labels, whoever else takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rhscheck.checker.certify.cases import Case
from rhscheck.checker.certify.form import (
    Debt,
    FairEvent,
    GrowingClock,
    InvariantFile,
    Layer,
    MetDeadline,
    RankingFile,
    Refusal,
)
from rhscheck.checker.certify.form import Place as Where
from rhscheck.checker.certify.members import Inside
from rhscheck.checker.certify.possible import (
    YES,
    Bound,
    Instance,
    Place,
    State,
    Truth,
    Way,
    Ways,
    now,
    whether,
)
from rhscheck.checker.certify.referee import Judge
from rhscheck.checker.certify.regions import ZERO, Region, covered, limited
from rhscheck.spec.system import SELF, Label, System, Transition


def require_ranking(
    judge: Judge, variable: str, instance: Where, ranking: RankingFile
) -> tuple[str, ...]:
    """Whether no run leaves `variable` of `instance` at one value, not 0, for ever.

    In the states of `judge`, which are an invariant. Returns the questions that a solver has to
    answer about it; raises Refusal, and NotExpressible where instances are told apart.
    """
    if (variable, instance) not in judge.places:
        raise Refusal(f"{judge.name}: cover", "it does not say what is unanswered")
    return _Judgement(judge, judge.places.index((variable, instance)), ranking).check()


@dataclass(frozen=True, slots=True)
class _Owing:
    """A debt: whether values of the clocks in a state surely owe it, and which steps may pay it."""

    strong: bool
    owes: Callable[[State, Region], bool]
    pays: Callable[[Case], bool]


@dataclass(slots=True)
class _Judgement:
    judge: Judge
    turn: int  # the position of what is unanswered
    ranking: RankingFile
    asked: list[str] = field(default_factory=list)
    moves: dict[State, list[tuple[Case, tuple[Way, ...]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for transition in self.judge.system.transitions:
            for case in self.judge.cases(transition, idle=True):
                for ways, states in case.possible:
                    for state in states:
                        self.moves.setdefault(state, []).append((case, ways))

    def check(self) -> tuple[str, ...]:
        """Raises Refusal."""
        layers = self._layers(self.ranking.layers, (), "")
        unanswered = {
            state: regions for state, regions in self.judge.inside.items() if state[self.turn] != 0
        }
        self._require_covered("cover", unanswered, layers)
        return tuple(self.asked)

    def _layers(
        self, layers: Sequence[Layer], before: Sequence[Inside], where: str
    ) -> list[Inside]:
        found: list[Inside] = []
        for number, layer in enumerate(layers):
            name = f"layer {where}{number}"
            own, lower = self._set(layer.root), (*before, *found)
            debt = _owing(self.judge, layer.debt)
            owing = own
            if debt.strong:
                owing = self._set(layer.owing)
                inner = self._layers(layer.within, (*lower, owing), f"{where}{number}.")
                self._require_covered(f"within: {name}", own, [owing, *inner])
            elif layer.owing is not None or layer.within:
                raise Refusal(f"{self.judge.name}: format", f"the debt of {name} is not strong")
            self._require_owed(f"owed: {name}", owing, debt)
            self._require_stay(f"stay: {name}", own, lower, debt)
            if self.judge.clocks:
                self._require_wait(f"stay: {name}, delay", own, lower)
            found.append(own)
        return found

    def _set(self, root: int | None) -> Inside:
        invariant = self.judge.invariant
        return self.judge.states(
            InvariantFile(
                variables=invariant.variables,
                clocks=invariant.clocks,
                nodes=self.ranking.nodes,
                leaves=self.ranking.leaves,
                root=root,
            )
        )

    def _refusal(self, query: str, reason: str) -> Refusal:
        return Refusal(f"{self.judge.name}: {query}", reason)

    def _require_covered(self, query: str, states: Inside, by: Sequence[Inside]) -> None:
        self.asked.append(query)
        for state, regions in states.items():
            if not all(_held(by, state, one) for one in regions):
                raise self._refusal(query, f"{self.judge.told(state)} is in no layer")

    def _require_owed(self, query: str, states: Inside, debt: _Owing) -> None:
        self.asked.append(query)
        for state, regions in states.items():
            if not all(debt.owes(state, one) for one in regions):
                raise self._refusal(query, f"{self.judge.told(state)} may owe nothing")

    def _require_stay(self, query: str, own: Inside, lower: Sequence[Inside], debt: _Owing) -> None:
        self.asked.append(query)
        paying: dict[int, bool] = {}
        for state in own:
            for case, ways in self.moves.get(state, ()):
                if id(case) not in paying:
                    paying[id(case)] = debt.pays(case)
                targets = lower if paying[id(case)] else (own, *lower)
                if not self._stays(case, ways, state, own, targets):
                    step = f"{case.transition.key} leads away from {self.judge.told(state)}"
                    raise self._refusal(query, step)

    def _stays(
        self,
        case: Case,
        ways: tuple[Way, ...],
        state: State,
        own: Inside,
        targets: Sequence[Inside],
    ) -> bool:
        judge = self.judge
        return all(
            _held(targets, after, one)
            for after in judge.after(case, state)
            if after[self.turn] == state[self.turn]
            for one in judge.reached(case, ways, state, own[state], after)
        )

    def _require_wait(self, query: str, own: Inside, lower: Sequence[Inside]) -> None:
        self.asked.append(query)
        for state, regions in own.items():
            for one in self.judge.delayed(state, regions):
                if not _held((own, *lower), state, one):
                    raise self._refusal(query, f"a delay leads away from {self.judge.told(state)}")


def _held(sets: Sequence[Inside], state: State, one: Region) -> bool:
    """Whether the values `one` of the clocks in a state are in one of the sets."""
    there = [regions for states in sets if (regions := states.get(state)) is not None]
    return any(covered(one, regions) for regions in there) or (
        len(there) > 1 and covered(one, [each for regions in there for each in regions])
    )


# ---- what is owed --------------------------------------------------------------------------------
def _owing(judge: Judge, debt: Debt) -> _Owing:
    match debt:
        case FairEvent():
            return _fair(judge, debt)
        case MetDeadline():
            return _deadline(judge, debt)
        case GrowingClock():
            return _clock(judge, debt)


def _fair(judge: Judge, debt: FairEvent) -> _Owing:
    """An event that is possible all the time (strong: again and again) happens again and again."""
    if debt.line >= len(judge.system.fairness):
        raise Refusal(f"{judge.name}: fairness", f"there is no `fair` line {debt.line}")
    fairness = judge.system.fairness[debt.line]
    event = (debt.kind, debt.machine, debt.name)
    values = {one.value for one in fairness.labels if (one.kind, one.machine, one.name) == event}
    if not values:
        raise Refusal(f"{judge.name}: fairness", f"{debt.name} is not in that `fair` line")

    def happens(transition: Transition, bound: Bound) -> bool:
        return transition.actor == fairness.actor and any(
            (label.kind, label.machine, label.name) == event
            and label.value in values
            and _instance(label, bound) == debt.instance
            for label in (transition.label, *transition.also)
        )

    fails: list[Ways] = [
        judge.reader.ways(transition.guard, bound, holds=False)
        for transition in judge.system.transitions
        for bound in judge.alone(transition)
        if happens(transition, bound)
    ]

    def owes(state: State, one: Region) -> bool:
        left = [one]
        for way in fails:
            impossible = [judge.read(each) for each in now(way, state)]
            pieces = (limited(piece, each) for piece in left for each in impossible)
            left = [piece for piece in pieces if piece is not None]
            if not left:
                return True
        return False

    return _Owing(fairness.strong, owes, lambda case: happens(case.transition, case.bound))


def _instance(label: Label, bound: Bound) -> Instance:
    return bound[label.index] if isinstance(label.index, str) else label.index


def _deadline(judge: Judge, debt: MetDeadline) -> _Owing:
    """Time goes on, so no deadline binds for ever if its clock runs and is never restarted."""
    known = [one for one in judge.system.deadlines if one.name == debt.deadline]
    if len(known) != 1:
        raise Refusal(f"{judge.name}: time", f"there is no one deadline {debt.deadline}")
    deadline = known[0]
    bound = _bound(judge, deadline.family, debt.instance)
    active = judge.reader.truth(deadline.active, bound)
    if deadline.clock is None:
        return _Owing(False, lambda state, _one: whether(active, state) == YES, _never)
    place, runs = _running(judge, judge.system, deadline.clock, debt.instance)

    def owes(state: State, _one: Region) -> bool:
        return whether(active, state) == YES and whether(runs, state) == YES

    return _Owing(False, owes, lambda case: place in case.restarts)


def _clock(judge: Judge, debt: GrowingClock) -> _Owing:
    """Time goes on, so no clock that runs stays small for ever if it is never restarted."""
    place, runs = _running(judge, judge.system, debt.clock, debt.instance)
    if place not in judge.clocks:
        raise Refusal(f"{judge.name}: time", f"clock {debt.clock} is not known")
    number = judge.clocks.index(place) + 1
    larger = ((ZERO, number, -debt.bound, True),)

    def owes(state: State, one: Region) -> bool:
        return whether(runs, state) == YES and limited(one, larger) is None

    return _Owing(False, owes, lambda case: place in case.restarts)


def _never(_case: Case) -> bool:
    return False


def _running(judge: Judge, system: System, name: str, instance: Where) -> tuple[Place, Truth]:
    known = [one for one in system.clocks if one.name == name]
    if len(known) != 1:
        raise Refusal(f"{judge.name}: time", f"there is no one clock {name}")
    bound = _bound(judge, known[0].family, instance)
    return (name, instance), judge.reader.truth(known[0].active, bound)


def _bound(judge: Judge, family: str | None, instance: Where) -> Bound:
    """The instance that a condition speaks of; it has to be one."""
    those: Sequence[Instance] = (None,) if family is None else judge.reader.instances(family)
    if instance not in those:
        raise Refusal(f"{judge.name}: format", f"{family} has no instance {instance}")
    return {} if family is None else {SELF: instance}
