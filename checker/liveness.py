"""Verdicts on `leads to`: for every number of instances where that is sound, else for a fixed one.

Owns what may be said about a liveness rule (SEMANTICS section 5). In one instance plus environment
`checker.live` either finds a ranking, which holds for every N, or a lasso, which is a hint only: it
is looked for again at fixed numbers of instances. No ranking counts before its invariant and its
layers were re-checked by Z3, and before time was shown never to stop: where it may, a run that is
stopped has nothing to answer any more. No lasso counts before `spec.semantics` has gone round it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rhscheck.checker.answer import (
    Answer,
    Confirmed,
    Open,
    ProofMismatch,
    Task,
    TimeCheck,
    Unconfirmed,
    confirm,
    located,
)
from rhscheck.checker.established import answered as established
from rhscheck.checker.fair_graph import graph_invariant
from rhscheck.checker.fairness import Debt, fairness_debts
from rhscheck.checker.independence import Reason, rule_dependence
from rhscheck.checker.kliveness import Rounds, prove
from rhscheck.checker.lasso import Lasso
from rhscheck.checker.lasso_search import FoundLasso, exact, search_lasso
from rhscheck.checker.live import Answered, Endless, settle
from rhscheck.checker.live import Open as Unsettled
from rhscheck.checker.local import Dependence, abstract
from rhscheck.checker.local_time import time_stops
from rhscheck.checker.project import slots_of
from rhscheck.checker.proofs import LOCALLY, skeleton
from rhscheck.checker.provers import Proved, Undecided, invariants
from rhscheck.checker.realise import evidence
from rhscheck.checker.recheck import Copy
from rhscheck.checker.recheck_ranking import Ranking, recheck_ranking
from rhscheck.checker.sight import INSTANCE
from rhscheck.checker.verdict import EngineName, ProvedFor, ProvedForEvery, Unknown, Violated
from rhscheck.spec.compiled import Compiled, compile_ground
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.obligations import UnweavableError
from rhscheck.spec.rules import Owed, weave_leads_to
from rhscheck.spec.system import Rule

_MOST_NODES = 100_000  # of one graph; its edges are kept, too


@dataclass(frozen=True, slots=True)
class _Alone:
    """One instance plus environment, with the slot that says what is unanswered."""

    ground: Ground
    compiled: Compiled
    turn: int
    fair: tuple[Debt, ...]
    weakened: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Liveness:
    """The verdict on `rule`, a `leads to` of `task`. `time`: whether time may stop, for any N."""

    task: Task
    rule: Rule
    time: Callable[[], TimeCheck]

    def woven(self) -> Owed | Unknown:
        """The System with the rule's observer, or why there is none."""
        try:
            return weave_leads_to(self.task.weave([]).system, self.rule)
        except UnweavableError as reason:
            return Unknown(str(reason))

    # ---- every N -------------------------------------------------------------------------------
    def _local(self, owed: Owed) -> _Alone | Open:
        """One instance plus environment, or why it would not do."""
        dependence = rule_dependence(owed.system, self.rule)
        if dependence is not None:
            return Open((f"not independent: {located(dependence)}",))
        made = abstract(owed.system)
        if isinstance(made, Dependence):
            return Open(tuple(f"not independent: {located(one)}" for one in made.reasons))
        local = ground(made.system, 1)
        turn = local.slot_of[owed.variable, INSTANCE if owed.family is not None else None]
        fair = fairness_debts(local, made, owed.system)
        return _Alone(local, compile_ground(local), turn, fair, made.weakened)

    def for_every(self, owed: Owed) -> Answer | Open:
        """The argument for every number of instances."""
        task, rule = self.task, self.rule
        alone = self._local(owed)
        if isinstance(alone, Open):
            return alone
        local, turn, fair = alone.ground, alone.turn, alone.fair
        task.say(f"{rule.id}: may it stay unanswered, in one instance plus environment?")
        outcome = settle(
            local,
            alone.compiled,
            turn,
            fair,
            keep=_beginning(local, fair, INSTANCE),
            limit=min(task.limit, _MOST_NODES),
            cancelled=task.budget.over,
        )
        match outcome:
            case Unsettled(reason):
                if task.budget.over():
                    return Answer(Unknown(task.budget.reason), "local")
                return self._rounds_for_every(alone, reason)
            case Endless():
                notes = ["the one-instance argument does not exclude it: a run that never ends"]
                notes += [located(one) for one in alone.weakened]
                return Open(tuple(notes), 1)
            case Answered():
                checked = self._confirmed(local, outcome, turn, LOCALLY, None)
        if isinstance(checked, Unconfirmed):
            return Answer(Unknown(checked.reason), "local", checked.rlimit)
        stops = self.time().reason
        if stops is not None:
            return Open((stops,))
        n = task.n
        verdict = ProvedForEvery(()) if n is None else ProvedFor(n)
        return Answer(verdict, "local", checked.rlimit)

    # ---- a fixed N -----------------------------------------------------------------------------
    def for_numbers(self, owed: Owed, numbers: Sequence[int], notes: tuple[str, ...]) -> Answer:
        """The verdict from these numbers of instances: the first lasso, else the last number."""
        answer = Answer(Unknown("no number of instances was looked at"), "zones", notes=notes)
        for n in numbers:
            answer = self._for_number(owed, n)
            answer = replace(answer, notes=(*notes, *answer.notes))
            if isinstance(answer.verdict, Violated) or self.task.budget.over():
                break
        return answer

    def _for_number(self, owed: Owed, n: int) -> Answer:
        task, rule = self.task, self.rule
        at = ground(owed.system, n)
        compiled = compile_ground(at)
        fair = fairness_debts(at)
        rlimit = 0
        for instance in at.instances(owed.family):
            task.say(f"{rule.id}: may it stay unanswered, N={n}?")
            turn = at.slot_of[owed.variable, instance]
            outcome = settle(
                at,
                compiled,
                turn,
                fair,
                keep=_beginning(at, fair, instance),
                limit=min(task.limit, _MOST_NODES),
                cancelled=task.budget.over,
            )
            match outcome:
                case Unsettled(reason):
                    if task.budget.over():
                        return Answer(Unknown(task.budget.reason), "zones")
                    return self._rounds_at(owed, n, self._local(owed), (f"N={n}: {reason}",))
                case Endless(lasso):
                    lasso, notes = self._shortened(at, compiled, turn, fair, lasso)
                    return Answer(self._violated(owed, at, instance, n, lasso), "zones", 0, notes)
                case Answered():
                    checked = self._confirmed(at, outcome, turn, f"for N={n}", n)
            rlimit += checked.rlimit
            if isinstance(checked, Unconfirmed):
                return Answer(Unknown(checked.reason), "zones", rlimit)
        stops = time_stops(self.task, n)
        engine: EngineName = "zones"
        return Answer(ProvedFor(n) if stops is None else Unknown(stops), engine, rlimit)

    def _shortened(
        self, at: Ground, compiled: Compiled, turn: int, fair: Sequence[Debt], lasso: Lasso
    ) -> tuple[Lasso, tuple[str, ...]]:
        """A lasso with fewest steps, where no clock decides what one is; what can be said of it."""
        if not exact(at):
            return lasso, ()
        found = search_lasso(
            at, compiled, turn, fair, lasso.length, timeout_s=_some(self.task.budget.left())
        )
        if isinstance(found, FoundLasso):
            return found.lasso, (_no_shorter(at.n),)
        return lasso, ()

    def _violated(
        self, owed: Owed, at: Ground, instance: int | None, n: int, lasso: Lasso
    ) -> Violated:
        formula = owed.unanswered(instance)
        shown = evidence(self.task.plain(n), at, lasso.run, formula)
        return Violated(n, lasso.length, replace(shown, loop=lasso.loop), shortest=False)

    # ---- k-liveness ------------------------------------------------------------------------------
    def by_rounds(self, owed: Owed, numbers: Sequence[int]) -> Answer:
        """The verdict of k-liveness and bounded search alone.

        A proof in one instance plus environment is one for every number; else the first of
        `numbers` with a run that never ends decides, else the last number.
        """
        local = self._local(owed)
        left = local if isinstance(local, Open) else self._rounds_for_every(local)
        if isinstance(left, Answer):
            return left
        notes = left.notes
        answer = Answer(Unknown("no number of instances was looked at"), "kliveness")
        for n in numbers:
            answer = self._rounds_at(owed, n, local, notes)
            if isinstance(answer.verdict, Violated) or self.task.budget.over():
                break
        return answer

    def _rounds_for_every(self, local: _Alone, before: str = "") -> Answer | Open:
        """k-liveness in one instance plus environment; `before`: why others gave up on it."""
        outcome = self._rounds(local.ground, local.compiled, local.turn, local.fair, LOCALLY)
        if not isinstance(outcome, Proved):
            reasons = [one for one in (before, outcome.reason) if one]
            return Open((f"one instance: {'; '.join(reasons)}",))
        stops = self.time().reason
        if stops is not None:
            return Open((stops,))
        n = self.task.n
        verdict = ProvedForEvery(()) if n is None else ProvedFor(n)
        return Answer(verdict, "kliveness", outcome.rlimit, (outcome.note,))

    def _rounds_at(
        self, owed: Owed, n: int, local: _Alone | Open, notes: tuple[str, ...]
    ) -> Answer:
        task, rule = self.task, self.rule
        at = ground(owed.system, n)
        compiled = compile_ground(at)
        fair = fairness_debts(at)
        where = f"for N={n}"
        reasons: list[str] = []
        rlimit = 0
        for instance in at.instances(owed.family):
            turn = at.slot_of[owed.variable, instance]
            found = search_lasso(
                at, compiled, turn, fair, task.depth,
                timeout_s=_some(task.budget.left()),
                on_depth=lambda depth: task.say(f"{rule.id}: lassos of depth {depth}, N={n}"),
            )  # fmt: skip
            if isinstance(found, FoundLasso):
                verdict = self._violated(owed, at, instance, n, found.lasso)
                said = (*notes, _no_shorter(n)) if found.shortest else notes
                return Answer(verdict, "kliveness", rlimit, said)
            outcome = self._rounds(at, compiled, turn, fair, where, local)
            rlimit += outcome.rlimit
            if isinstance(outcome, Proved):
                notes = (*notes, outcome.note)
            else:
                looked = f"no run that never ends up to depth {found.depth}"
                reasons.append(f"N={n}: {outcome.reason}; {looked}")
                break
        if not reasons:
            stops = time_stops(self.task, n)
            verdict_ = ProvedFor(n) if stops is None else Unknown(stops)
            return Answer(verdict_, "kliveness", rlimit, notes)
        why = task.budget.reason if task.budget.over() else reasons[0]
        return Answer(Unknown(why), "kliveness", rlimit, notes)

    def _rounds(
        self,
        at: Ground,
        compiled: Compiled,
        turn: int,
        fair: tuple[Debt, ...],
        where: str,
        local: _Alone | Open | None = None,
    ) -> Proved | Undecided:
        task, name = self.task, self.rule.id
        copies: tuple[Copy, ...] = ()
        if local is None:
            copies = invariants(task, at, compiled, at, name, where)
        elif isinstance(local, _Alone):
            copies = invariants(task, local.ground, local.compiled, at, name, where)
        return prove(task, Rounds(at, turn, fair, copies, name, where))

    # ---- proofs --------------------------------------------------------------------------------
    def _confirmed(
        self, at: Ground, answered: Answered, turn: int, where: str, n: int | None
    ) -> Confirmed | Unconfirmed:
        """Whether Z3 agrees with the ranking. Raises ProofMismatch if it does not.

        `n`: the number of instances of `at`; None: it is one instance plus environment.
        """
        task = self.task
        keep = task.established is not None
        task.say(f"{self.rule.id}: re-checking the ranking {where}")
        graph, kept = answered.graph, answered.projection.kept
        invariant = graph_invariant(graph, range(len(graph.values)))
        copy = Copy(invariant, kept, invariant.tracked)
        inside = confirm(where, at, [copy], {}, task.budget, scripts=keep)
        if isinstance(inside, Unconfirmed):
            return inside
        ranking = Ranking(graph, answered.layers, answered.debts, kept, turn)
        ranked = recheck_ranking(at, ranking, task.budget.left(), scripts=keep)
        rlimit = inside.rlimit + ranked.rlimit
        if ranked.failed:
            raise ProofMismatch(where, ranked.failed)
        if ranked.undecided:
            query, reason = ranked.undecided[0]
            return Unconfirmed(
                f"the ranking {where} was not re-checked ({query}): {reason}", rlimit
            )
        if task.established is not None:
            scripts = (*inside.scripts, *ranked.scripts)
            families = task.system.parametric if n is None else ()
            made = established(self.rule, n, at, ranking, scripts, families)
            task.established.append(made)
        return Confirmed(rlimit)


def _beginning(at: Ground, fair: Sequence[Debt], instance: int | None) -> frozenset[int]:
    """The slots to begin with: machines and fair events of this instance and of what is shared."""
    parametric = at.system.parametric
    near = frozenset(
        position
        for position, slot in enumerate(at.slots)
        if slot.variable.family not in parametric or instance in (None, slot.index)
    )
    kept = near & skeleton(at)
    for debt in fair:
        read = slots_of(at, debt.owed)
        if read <= near:
            kept |= read
    return frozenset(kept)


def _some(left: float | None) -> float | None:
    """Half of the time that is left: the other half is for a proof."""
    return None if left is None else left / 2


def _no_shorter(n: int) -> str:
    return f"no run that never ends has fewer steps with N={n}, those of its loop counted once"
