"""k-liveness: nothing stays unanswered for ever, because fair rounds cannot go on.

Owns the proof by Spacer that the counter of `checker.rounds` never reaches some number, first
whatever the timing (deadlines only end some time), then with real clocks. Spacer works in a process
of its own. Its invariant counts when a fresh solver has agreed that it is initial, closed and
excludes the number (`checker.provers`). That the counter is reached proves nothing: a greater
number may be out of reach, and what is no proof has no run to show; `checker.lasso_search` looks
for one. Knows neither rules nor numbers of instances.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rhscheck.checker.answer import Task
from rhscheck.checker.bmc import Found, bounded
from rhscheck.checker.fairness import Debt, time_debts
from rhscheck.checker.provers import Proved, Question, Undecided, exclude
from rhscheck.checker.recheck import Copy
from rhscheck.checker.rounds import COMPLETE, Counted, count_rounds, least_period
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import Run, Step, elapse, evaluate, replay_run

MOST_ROUNDS = 8
_SLICE_S = 20.0  # of one question, where the caller sets no closer limit
_STEPS, _MORE_STEPS = 6, 3  # of the runs that show which debts matter: at first, and for each round


@dataclass(frozen=True, slots=True)
class Rounds:
    """What is asked: may slot `turn` of `ground` keep a value that is not 0 for ever?

    `fair`: the debts of fairness. `copies`: invariants of `ground` that help, already checked.
    `name` and `where` are for messages.
    """

    ground: Ground
    turn: int
    fair: tuple[Debt, ...]
    copies: tuple[Copy, ...]
    name: str
    where: str


def prove(task: Task, asked: Rounds) -> Proved | Undecided:
    """Spacer's proof, re-checked, that some number of rounds is out of reach.

    Raises ProofMismatch for an invariant that does not hold.
    """
    outcome = _Proof(task, asked, timed=False).run()
    if isinstance(outcome, Proved) or not asked.ground.clocks or task.budget.over():
        return outcome
    exact = _Proof(task, asked, timed=True).run()
    if isinstance(exact, Proved):
        return replace(exact, rlimit=exact.rlimit + outcome.rlimit)
    reason = f"{outcome.reason}; {exact.reason}"
    return Undecided(reason, outcome.rlimit + exact.rlimit, exact.reached)


class _Proof:
    """The search for the rounds and the debts that a proof takes.

    Any choice of debts is sound: to forget one allows more runs. A short run through the rounds
    shows which debts it does not meet; they are kept from then on. Where it meets all of them, more
    rounds are asked for.
    """

    def __init__(self, task: Task, asked: Rounds, *, timed: bool) -> None:
        at = asked.ground
        self._task = task
        self._asked = asked
        self._timed = timed
        self._debts = asked.fair if timed else (*asked.fair, *time_debts(at))
        self._period = least_period(at) if timed else None
        self._kept: set[int] = set()
        self._how = "with exact time" if timed else "whatever the timing"
        self._rlimit = 0

    def run(self) -> Proved | Undecided:
        rounds = 1
        while rounds <= MOST_ROUNDS:
            if self._task.budget.over():
                return Undecided(self._task.budget.reason, self._rlimit)
            counted = self._counted(rounds)
            run = self._short(counted, rounds)
            if run is not None:
                rounds += not self._learnt(counted, run)
                continue
            outcome = self._excluded(counted, rounds)
            if isinstance(outcome, Proved):
                note = f"k-liveness with k={rounds}, {self._how}"
                return Proved(self._rlimit + outcome.rlimit, note)
            self._rlimit += outcome.rlimit
            if not outcome.reached:
                return Undecided(f"{outcome.reason} (k={rounds}, {self._how})", self._rlimit)
            if len(self._kept) == len(self._debts):
                rounds += 1
            self._kept = set(range(len(self._debts)))
        return Undecided(f"{MOST_ROUNDS} fair rounds are possible, {self._how}", self._rlimit, True)

    def _counted(self, rounds: int) -> Counted:
        debts = [debt for number, debt in enumerate(self._debts) if number in self._kept]
        return count_rounds(self._asked.ground, self._asked.turn, debts, rounds, self._period)

    def _slice(self) -> float:
        left = self._task.budget.left()
        return _SLICE_S if left is None else min(_SLICE_S, left)

    def _say(self, rounds: int, what: str) -> None:
        asked = self._asked
        kept = f"{len(self._kept)} of {len(self._debts)} debts"
        self._task.say(f"{asked.name}: {what}, k={rounds}, {kept}, {self._how}, {asked.where}")

    # ---- runs ------------------------------------------------------------------------------------
    def _short(self, counted: Counted, rounds: int) -> Run | None:
        """A short run through so many rounds, if one is found."""
        self._say(rounds, "a short run through fair rounds?")
        found = bounded(
            counted.ground,
            {"rounds": counted.goal},
            _STEPS + _MORE_STEPS * rounds,
            timeout_s=self._slice(),
        )["rounds"]
        return found.run if isinstance(found, Found) else None

    def _learnt(self, counted: Counted, run: Run) -> bool:
        """Whether some round of `run` does not meet a debt that was not kept; it is from now on."""
        ground = counted.ground
        states = replay_run(ground, run)
        unmet: set[int] = set(range(len(self._debts))) - self._kept
        turn = self._asked.turn
        missed: set[int] = set()
        for before, step, after in zip(states, run.steps, states[1:], strict=False):
            late = elapse(ground, before, step.delay)
            for number in sorted(unmet):
                debt = self._debts[number]
                moments = (late,) if debt.strong else (before, late, after)
                owed = all(evaluate(debt.owed, ground, state) for state in moments)
                if step.transition in debt.paid or not owed:
                    unmet.discard(number)
            if _is_round(ground, step):
                missed |= unmet
                unmet = set(range(len(self._debts))) - self._kept
            elif before.values[turn] != after.values[turn]:
                unmet = set(range(len(self._debts))) - self._kept
                missed = set()
        self._kept |= missed
        return bool(missed)

    # ---- proofs ----------------------------------------------------------------------------------
    def _excluded(self, counted: Counted, rounds: int) -> Proved | Undecided:
        self._say(rounds, "are fair rounds out of reach?")
        asked = self._asked
        question = Question(
            counted.ground, counted.goal, asked.copies, self._slice(), timed=self._timed
        )
        where = f"of k-liveness with k={rounds} {asked.where}"
        return exclude(self._task, question, asked.name, where)


def _is_round(ground: Ground, step: Step) -> bool:
    at = step.transition
    return at is not None and ground.transitions[at].template.key == COMPLETE
