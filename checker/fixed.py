"""Verdicts for one number of instances: exact enumeration, bounded checking, runs made concrete.

Owns what may be said about a rule at a fixed N. Enumeration (`checker.narrow`: zones over as few
variables and clocks as it takes) proves or finds the shortest run; where it grows too large,
bounded checking finds the shortest run or none up to a depth. Decides nothing about other N.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rhscheck.checker.answer import Answer, Confirmed, LeastSteps, Task, confirm
from rhscheck.checker.bmc import Found, NoneUpTo, Outcome, Stopped, bounded, timeless
from rhscheck.checker.established import established
from rhscheck.checker.focus import Focus
from rhscheck.checker.local_time import time_stops
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, GaveUp, Real, cone, narrow
from rhscheck.checker.proofs import skeleton
from rhscheck.checker.provers import PROVERS, Proved, ProverName, Undecided
from rhscheck.checker.realise import concrete_run, evidence
from rhscheck.checker.recheck import Copy
from rhscheck.checker.schedule import Reached
from rhscheck.checker.verdict import (
    BoundedUpTo,
    EngineName,
    Impossible,
    ProvedFor,
    Unknown,
    Verdict,
    Violated,
    Witnessed,
)
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import Run
from rhscheck.spec.system import Can, Rule, Within


@dataclass(frozen=True, slots=True)
class Engines:
    """Which engines may answer, and the most nodes enumeration may visit before the next one.

    `prover`: this one alone, with bounded checking for its runs.
    """

    enumeration: bool
    bmc: bool
    limit: int
    prover: ProverName | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One rule at one number of instances. `model` has only this rule woven in.

    `at_least`: no run to the goal is shorter, for any number of instances (0: nothing is known).
    """

    task: Task
    model: Model
    rule: Rule
    n: int
    at_least: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ground(self) -> Ground:
        """The System in question."""
        return self.model.ground(self.n)

    @property
    def goal(self) -> Expr:
        """What is to be reached in it."""
        return self.model.formula(self.rule.id, self.n)

    def answer(self, verdict: Verdict, engine: EngineName, rlimit: int = 0) -> Answer:
        """`verdict`, with the notes that led here."""
        return Answer(verdict, engine, rlimit, self.notes)

    def shown(self, run: Run, engine: EngineName) -> Answer:
        """The verdict that `run` is evidence for. Raises EvidenceMismatch."""
        proof = evidence(self.task.plain(self.n), self.ground, run, self.goal)
        length = sum(step.transition is not None for step in run.steps)
        made = Witnessed if isinstance(self.rule.obligation, Can) else Violated
        return self.answer(made(self.n, length, proof, length <= self.at_least), engine)


def padded(query: Query, reached: Reached) -> Answer | None:
    """A run of the abstraction as a run in which only instance 1 moves; None if it is none."""
    run = concrete_run(
        query.model, reached.run.initial.values, reached.positions, query.n, query.goal
    )
    return None if run is None else query.shown(run, "local")


def decide(query: Query, numbers: Sequence[int], engines: Engines) -> Answer:
    """The verdict on the rule of `query` from `numbers` of instances, tried in this order.

    The first run that is found decides, else the last number does.
    """
    *first, last = numbers
    for n in first:
        outcome = _one(replace(query, n=n), engines)
        if isinstance(outcome, Answer) and isinstance(outcome.verdict, Violated | Witnessed):
            return outcome
    final = replace(query, n=last)
    outcome = _one(final, engines)
    return outcome if isinstance(outcome, Answer) else _proved(final, outcome)


def _one(query: Query, engines: Engines) -> Answer | Excluded:
    """The answer at one number of instances, or an exploration that excludes the goal."""
    task = query.task
    engine: EngineName = "zones" if engines.enumeration else "bmc"
    if task.budget.over():
        return query.answer(Unknown(task.budget.reason), engine)
    if engines.prover is not None:
        return _by_prover(query, engines.prover)
    if not engines.enumeration:
        return _bounded(query)
    task.say(f"{query.rule.id}: enumeration, N={query.n}")
    slots, clocks = cone(query.ground, query.goal)
    outcome = narrow(
        query.ground,
        query.model.compiled(query.n),
        query.rule.id,
        query.goal,
        keep=slots | skeleton(query.ground),
        tracked=clocks,
        limit=engines.limit,
        cancelled=task.budget.over,
    )
    match outcome:
        case Real(run):
            return query.shown(run, "zones")
        case Excluded():
            return outcome
        case GaveUp(reason):
            if task.budget.over():
                return query.answer(Unknown(task.budget.reason), engine)
            why = f"enumeration, N={query.n}: {reason}"
            if not engines.bmc:
                return query.answer(Unknown(why), engine)
            return _bounded(replace(query, notes=(*query.notes, why)))


def _proved(query: Query, excluded: Excluded) -> Answer:
    task, n = query.task, query.n
    where = f"for N={n}"
    task.say(f"{query.rule.id}: re-checking the invariant {where}")
    invariant = excluded.exploration.invariant()
    copies = [Copy(invariant, excluded.projection.kept, invariant.tracked)]
    keep, goals = task.established is not None, {query.rule.id: query.goal}
    checked = confirm(where, query.ground, copies, goals, task.budget, scripts=keep)
    if not isinstance(checked, Confirmed):
        return query.answer(Unknown(checked.reason), "zones", checked.rlimit)
    if task.established is not None:
        parts = (((query.rule,), copies[0]),)
        task.established.append(
            established(query.model.rules, n, query.ground, parts, checked.scripts)
        )
    if isinstance(query.rule.obligation, Can):
        return query.answer(Impossible(n), "zones", checked.rlimit)
    if isinstance(query.rule.obligation, Within):
        stops = time_stops(task, n)
        if stops is not None:
            return query.answer(Unknown(stops), "zones", checked.rlimit)
    return query.answer(ProvedFor(n), "zones", checked.rlimit)


def _by_prover(query: Query, engine: ProverName) -> Answer:
    """What Spacer or k-induction says; bounded checking shows the run where there is one."""
    task, rule, n = query.task, query.rule, query.n
    outcome = PROVERS[engine](task, query.model, rule.id, n)
    match outcome:
        case Proved(rlimit, note):
            stops = None
            if isinstance(rule.obligation, Within):
                stops = time_stops(task, n)
            verdict: Verdict = Impossible(n) if isinstance(rule.obligation, Can) else ProvedFor(n)
            noted = replace(query, notes=(*query.notes, note) if note else query.notes)
            return noted.answer(verdict if stops is None else Unknown(stops), engine, rlimit)
        case Undecided(reason, rlimit, reached):
            if not reached and engine == "spacer":
                return query.answer(Unknown(reason), engine, rlimit)
            found = _bounded(replace(query, notes=(*query.notes, reason)))
            if isinstance(found.verdict, Violated | Witnessed):
                return replace(found, engine=engine, notes=query.notes)
            return replace(found, engine=engine)


def _search(query: Query) -> Outcome:
    """What bounded checking finds, from the lengths on that are not excluded for every N."""
    task = query.task
    least = task.least.get(query.rule.id, LeastSteps(0, False))
    if least.steps > task.depth:
        return NoneUpTo(task.depth)
    task.say(f"{query.rule.id}: bounded checking, N={query.n}")
    excluded = least.steps - 1
    if least.reached:
        # Most likely by a run of the whole: smaller questions would be asked for nothing.
        quick = timeless(query.ground, query.rule.id, query.goal, least.steps, task.budget.left())
        if quick is not None:
            return quick
        outcome = _unrolled(query, least.steps, excluded, None)
        if not isinstance(outcome, NoneUpTo):
            return outcome
        excluded = least.steps
    focus = Focus(query.ground, query.goal, task.depth, task.budget.left())
    return _unrolled(query, task.depth, excluded, focus)


def _unrolled(query: Query, depth: int, excluded: int, focus: Focus | None) -> Outcome:
    task, rule, n = query.task, query.rule, query.n
    return bounded(
        query.ground,
        {rule.id: query.goal},
        depth,
        excluded=excluded,
        unreached=None if focus is None else focus.unreached,
        timeout_s=task.budget.left(),
        on_depth=lambda depth: task.say(f"{rule.id}: depth {depth} done, N={n}"),
    )[rule.id]


def _bounded(query: Query) -> Answer:
    rule, n = query.rule, query.n
    match _search(query):
        case Found(run):
            return query.shown(run, "bmc")
        case NoneUpTo(depth):
            if isinstance(rule.obligation, Can):
                return query.answer(Unknown(f"no witness up to depth {depth} for N={n}"), "bmc")
            return query.answer(BoundedUpTo(depth, n), "bmc")
        case Stopped(depth, reason):
            done = f"; nothing up to depth {depth} for N={n}" if depth >= 0 else ""
            return query.answer(Unknown(f"{reason}{done}"), "bmc")
