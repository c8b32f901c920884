"""Spacer and k-induction for a fixed number of instances, by themselves.

Owns how their answers become verdicts. Both work in a process of their own. What they claim is
asked again here, of a fresh solver: Spacer's invariant (initiation, consecution, safety), the step
of an induction. A run is never theirs: bounded checking finds it.

Both are helped by the invariant of one instance plus environment, where there is one, without
clocks and with those of the goal: a copy for every instance, checked to be inductive together.
Where instances depend on each other, an invariant of every two of them does instead. Spacer's
invariant is then one of the states that these contain.

k-induction (Sheeran, Singh and Stalmarck, "Checking safety properties using induction and a
SAT-solver", 2000): no run of less than k steps reaches the goal, and no k steps that avoid it
lead to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Literal

from rhscheck.checker.answer import Confirmed, ProofMismatch, Task, Unconfirmed
from rhscheck.checker.bmc import Found, NoneUpTo, Stopped, bounded
from rhscheck.checker.budget import used_up
from rhscheck.checker.explore import explore
from rhscheck.checker.local import Dependence
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, cone, narrow
from rhscheck.checker.pair_invariants import guessed
from rhscheck.checker.process import ChildFailure, Crew, Done, Emit, Ended, Failed, Job, Sent
from rhscheck.checker.proofs import skeleton
from rhscheck.checker.realise import instance_maps
from rhscheck.checker.recheck import Copy, identity, recheck
from rhscheck.checker.smt.atoms import constants
from rhscheck.checker.smt.encode import Encoding, TimeEncoding
from rhscheck.checker.smt.horn import Answer as HornAnswer
from rhscheck.checker.smt.horn import GaveUp, Invariant, Reachable, read, spacer
from rhscheck.checker.smt.region import member
from rhscheck.checker.smt.solve import Deadline, Formula, Sat, Solver, Unsat
from rhscheck.checker.smt.solve import Unknown as NoAnswer
from rhscheck.spec.compiled import Compiled
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground

_MOST_STEPS = 12  # k of an induction
_ALONE_S = 10.0  # seconds for Spacer without help
_MOST_TIMED = 20_000  # nodes with clocks, for an invariant that helps
_FEW = 3  # instances whose reachable states say what every two may be
_MOST_LOCAL = 60_000  # states of one instance plus environment, for its invariant


@dataclass(frozen=True, slots=True)
class Question:
    """Can `ground` reach `goal`? `copies`: invariants that help.

    `help` says what they are. `timed`: with real clocks; without, every clock shows anything at any
    time.
    """

    ground: Ground
    goal: Expr
    copies: tuple[Copy, ...] = ()
    timeout_s: float | None = None
    timed: bool = True
    help: str = ""

    def encoded(self) -> tuple[Encoding, Formula, list[Formula]]:
        """The Ground as formulas, the goal, and what is known of every reachable state."""
        time: TimeEncoding = "real" if self.timed else "untimed"
        tracked: set[int] = set()
        if self.timed:
            # What helps may speak of clocks that nothing compares.
            compared = constants(self.ground, [self.goal])
            tracked = {at for clocks, _ in compared for at in clocks}
            tracked |= {at for copy in self.copies for at in copy.clock_map}
        encoding = Encoding(self.ground, {"goal": self.goal}, time, tracked=tracked)
        known = [
            member(
                encoding,
                copy.invariant.diagram,
                encoding.now.values,
                encoding.now.clocks,
                slots=copy.slot_map,
                tracked=copy.clock_map,
            )
            for copy in self.copies
        ]
        return encoding, encoding.holds(self.goal), [encoding.possible(), *known]


@dataclass(frozen=True, slots=True)
class Proved:
    """The goal is excluded, and was checked to be."""

    rlimit: int
    note: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """`reached`: an engine says that a run reaches the goal."""

    reason: str
    rlimit: int = 0
    reached: bool = False


# ---- in the engine's process -------------------------------------------------------------------
def run_spacer(question: Question, _say: Emit) -> HornAnswer:
    """Spacer's answer."""
    encoding, goal, known = question.encoded()
    return spacer(encoding, goal, known, question.timeout_s)


def run_induction(question: Question, _say: Emit) -> int | str:
    """The least k for which the step of the induction holds, else why there is none."""
    induction = Induction(question)
    for k in range(1, _MOST_STEPS + 1):
        match induction.step(k):
            case Unsat():
                return k
            case NoAnswer(reason):
                return reason
            case Sat():
                pass
    return f"not inductive with up to {_MOST_STEPS} steps"


def _ask(name: str, function: str, question: Question) -> object | Ended:
    """What `function` of this module says to `question`, in a process of its own.

    Raises ChildFailure for an exception there.
    """
    until = None if question.timeout_s is None else time.monotonic() + question.timeout_s
    with Crew() as crew:
        crew.start(name, Job(f"{__name__}:{function}", (question,)))
        for _, message in crew.messages(until):
            match message:
                case Done(value):
                    return value
                case Failed():
                    raise ChildFailure(name, message)
                case Ended():
                    return message
                case Sent():
                    pass
    return Ended(used_up(question.timeout_s))


class Induction:
    """The step case: states after each other that avoid the goal, and then reach it."""

    def __init__(self, question: Question) -> None:
        encoding, self._goal, known = question.encoded()
        self._encoding = encoding
        self._deadline = Deadline(question.timeout_s)
        self._solver = Solver(encoding.context, encoding.logic)
        self._known = [encoding.delay_legal(), *known]
        self._step = encoding.step()
        self._length = 0
        self._add(self._known, 0)

    @property
    def rlimit(self) -> int:
        """Z3's resource count."""
        return self._solver.rlimit

    def _add(self, formulas: Sequence[Formula], time: int) -> None:
        self._solver.add(*(self._encoding.at(formula, time) for formula in formulas))

    def step(self, k: int) -> Sat | Unsat | NoAnswer:
        """Whether k steps that avoid the goal can be followed by it; k may only grow."""
        encoding = self._encoding
        while self._length < k:
            self._add([encoding.negation(self._goal), self._step], self._length)
            self._length += 1
            self._add(self._known, self._length)
        literal = encoding.fresh()
        self._solver.add(encoding.implies(literal, encoding.at(self._goal, k)))
        return self._solver.check([literal], self._deadline)


# ---- Spacer ------------------------------------------------------------------------------------
def by_spacer(task: Task, model: Model, name: str, n: int) -> Proved | Undecided:
    """Spacer's word on the goal of rule `name`, checked. Raises ProofMismatch.

    Asked for a while without help: most invariants are smaller than the help would be.
    """
    at, goal = model.ground(n), model.formula(name, n)
    task.say(f"{name}: Spacer, N={n}")
    left = task.budget.left()
    alone = _ALONE_S if left is None else min(left, _ALONE_S)
    where = f"by Spacer for N={n}"
    outcome = exclude(task, Question(at, goal, (), alone), name, where)
    if not isinstance(outcome, Undecided) or outcome.reached or task.budget.over():
        return outcome
    copies = _invariants(task, model, name, n)
    task.say(f"{name}: Spacer, with {_help(model)}, N={n}")
    help_ = _help(model) if copies else ""
    asked = Question(at, goal, copies, task.budget.left(), help=help_)
    return exclude(task, asked, name, where)


def exclude(task: Task, question: Question, name: str, where: str) -> Proved | Undecided:
    """Spacer's word on the goal of `question`, its invariant checked; `where` it was found.

    Raises ProofMismatch for an invariant that does not hold.
    """
    match _ask("spacer", "run_spacer", question):
        case Ended(reason) | GaveUp(reason):
            return Undecided(f"Spacer: {reason}")
        case Reachable():
            return Undecided("Spacer finds a run", reached=True)
        case Invariant(text):
            task.say(f"{name}: re-checking Spacer's invariant {where}")
            checked = recheck_text(question, text, task.budget.left(), where)
            if isinstance(checked, Unconfirmed):
                return Undecided(checked.reason, checked.rlimit)
            return Proved(checked.rlimit, f"Spacer, with {question.help}" if question.help else "")
        case other:
            raise TypeError(f"Spacer answers {other!r}")


def recheck_text(
    question: Question, text: str, timeout_s: float | None, where: str
) -> Confirmed | Unconfirmed:
    """Whether the invariant `text` is initial, closed under steps with delays, and safe."""
    encoding, goal, known = question.encoded()
    now, then = read(text, encoding)
    deadline = Deadline(timeout_s)
    away = encoding.negation(then)
    moving = [*known, encoding.delay_legal(), now]
    queries: list[tuple[str, list[Formula]]] = [
        ("initiation", [encoding.initial(), encoding.negation(now)]),
        ("consecution", [*moving, encoding.step(), away]),
        ("safety", [*moving, goal]),
    ]
    rlimit = 0
    for query, formulas in queries:
        solver = Solver(encoding.context, encoding.logic)
        solver.add(*formulas)
        answer = solver.check((), deadline)
        rlimit += solver.rlimit
        match answer:
            case Unsat():
                pass
            case Sat():
                raise ProofMismatch(where, (query,))
            case NoAnswer(reason):
                why = f"the invariant found {where} was not re-checked ({query}): {reason}"
                return Unconfirmed(why, rlimit)
    return Confirmed(rlimit)


# ---- k-induction -------------------------------------------------------------------------------
def by_induction(task: Task, model: Model, name: str, n: int) -> Proved | Undecided:
    """k-induction on the goal of rule `name`, checked; its first k steps are not looked at."""
    at, goal = model.ground(n), model.formula(name, n)
    copies = _invariants(task, model, name, n)
    task.say(f"{name}: k-induction, N={n}")
    question = Question(at, goal, copies, task.budget.left())
    match _ask("k-induction", "run_induction", question):
        case Ended(reason):
            return Undecided(f"k-induction: {reason}")
        case str(reason):
            return Undecided(f"k-induction: {reason}")
        case int(k):
            pass
        case other:
            raise TypeError(f"k-induction answers {other!r}")
    task.say(f"{name}: re-checking the induction, k={k}, N={n}")
    again = Induction(Question(at, goal, copies, task.budget.left()))
    match again.step(k):
        case Sat():
            raise ProofMismatch(f"by k-induction for N={n}", (f"step, k={k}",))
        case NoAnswer(reason):
            return Undecided(f"the induction was not re-checked: {reason}", again.rlimit)
        case Unsat():
            pass
    base = bounded(at, {name: goal}, k - 1, timeout_s=task.budget.left())[name]
    match base:
        case NoneUpTo():
            helped = f", with {_help(model)}" if copies else ""
            return Proved(again.rlimit, f"k-induction with k={k}{helped}")
        case Found():
            return Undecided("a run is shorter than the induction", again.rlimit, reached=True)
        case Stopped(_, reason):
            return Undecided(f"k-induction: {reason}", again.rlimit)


def _invariants(task: Task, model: Model, name: str, n: int) -> tuple[Copy, ...]:
    """What one instance plus environment never leaves, for every instance; () if there is none.

    With the clocks that the goal of rule `name` compares, where it compares any. Where instances
    depend on each other: what every two of them never leave.
    """
    if isinstance(model.abstraction, Dependence):
        return _of_pairs(task, model, name, n)
    local, at, where = model.local, model.ground(n), f"for N={n}"
    untimed = invariants(task, local, model.local_compiled, at, name, where)
    return (*untimed, *_timed(task, model, name, n))


def _help(model: Model) -> str:
    """What the invariants of `_invariants` are, for messages."""
    dependent = isinstance(model.abstraction, Dependence)
    return f"the invariant of {'every two instances' if dependent else 'one instance'}"


def _timed(task: Task, model: Model, name: str, n: int) -> tuple[Copy, ...]:
    """What enumeration with the clocks that matter to the goal finds, for every instance.

    () where no clock matters, or it does not exclude the goal in one instance plus environment.
    """
    local, at = model.local, model.ground(n)
    goal = model.local_formula(name)
    slots, clocks = cone(local, goal)
    if not clocks:
        return ()
    task.say(f"{name}: one instance plus environment, with clocks")
    outcome = narrow(
        local, model.local_compiled, name, goal, keep=slots | skeleton(local), tracked=clocks,
        limit=_MOST_TIMED, cancelled=task.budget.over,
    )  # fmt: skip
    if not isinstance(outcome, Excluded):
        return ()
    projection, found = outcome.projection, outcome.exploration
    invariant = found.invariant()
    copies = tuple(
        Copy(
            invariant,
            tuple(places[one] for one in projection.kept),
            tuple(running[one] for one in invariant.tracked),
        )
        for places, running in instance_maps(local, at, range(len(local.clocks)))
    )
    task.say(f"{name}: re-checking the invariant of one instance with clocks for N={n}")
    return _checked(task, at, copies, f"of one instance with clocks for N={n}")


def _of_pairs(task: Task, model: Model, name: str, n: int) -> tuple[Copy, ...]:
    """What every two instances are in the reachable states of a few; () if that does not do."""
    families = model.system.parametric
    if len(families) != 1 or n < 2:
        return ()
    (family,) = families
    few = model.ground(min(n, _FEW))
    task.say(f"{name}: what every two instances may be together")
    found = explore(
        few, {}, tracked=range(len(few.clocks)), limit=_MOST_TIMED, cancelled=task.budget.over
    )
    if not found.complete:
        return ()
    guess = guessed(few, family, found)
    at = model.ground(n)
    copies = tuple(guess.about(at, family, two) for two in combinations(range(1, n + 1), 2))
    task.say(f"{name}: re-checking every two instances, N={n}")
    checked = recheck(at, copies, {}, task.budget.left())
    return copies if checked.proved else ()  # a guess: that it is none is no bug


def invariants(
    task: Task, local: Ground, compiled: Compiled, at: Ground, name: str, where: str
) -> tuple[Copy, ...]:
    """What `local`, one instance plus environment, never leaves, for every instance of `at`.

    `compiled`: of `local`. `at` may be `local` itself. Checked for `at`; () if it was not found or
    not confirmed. Raises ProofMismatch if Z3 refutes it.
    """
    found = explore(local, {}, limit=_MOST_LOCAL, cancelled=task.budget.over, compiled=compiled)
    if not found.complete:
        return ()
    invariant = found.invariant()
    if at is local:
        copies: tuple[Copy, ...] = (identity(invariant, local),)
    else:
        copies = tuple(Copy(invariant, slots) for slots, _ in instance_maps(local, at, ()))
    task.say(f"{name}: re-checking the invariant of one instance {where}")
    return _checked(task, at, copies, f"of one instance {where}")


def _checked(task: Task, at: Ground, copies: tuple[Copy, ...], where: str) -> tuple[Copy, ...]:
    """`copies` if they are an invariant of `at` together, () if that is not known."""
    checked = recheck(at, copies, {}, task.budget.left())
    if checked.failed:
        raise ProofMismatch(where, checked.failed)
    return copies if checked.proved else ()


Prover = Callable[[Task, Model, str, int], Proved | Undecided]
ProverName = Literal["spacer", "kinduction"]
PROVERS: Mapping[ProverName, Prover] = MappingProxyType(
    {"spacer": by_spacer, "kinduction": by_induction}
)
