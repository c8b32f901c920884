"""Bounded checking: the shortest runs into bad states, or none up to a depth.

Owns the search over depths and the choice of the canonical run. It must not know how Systems are
written for the solver (`checker.smt.encode`) nor what a step means (`spec.semantics`), and believes
neither: every run is replayed before it is returned.

One unrolling serves all properties. After depth k every property not found there is asserted to
fail there, which is what makes the next depth quick. A step is a delay and one transition; the
depth counts transitions, and one last delay may lie between the last of them and the bad state.

Canonical: least length; then the least positions in `Ground.transitions`, step by step; then the
first initial values; then the earliest times, which are those that every engine shows
(`checker.schedule`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from rhscheck.checker.schedule import schedule
from rhscheck.checker.smt.atoms import atoms, closedness
from rhscheck.checker.smt.encode import Encoding, TimeEncoding
from rhscheck.checker.smt.solve import Deadline, Formula, Model, Sat, Solver, Unknown, Unsat
from rhscheck.checker.smt.symmetry import ordered_families, participants
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import IllegalRun, Run, State, Step, Time, evaluate, replay_run


@dataclass(frozen=True, slots=True)
class Found:
    """A legal run of `length` discrete steps into a bad state; no shorter one exists."""

    run: Run
    length: int


@dataclass(frozen=True, slots=True)
class NoneUpTo:
    """No run of at most `depth` discrete steps reaches a bad state."""

    depth: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Undecided: excluded up to `depth` (-1: not even there), then `reason` ended the search."""

    depth: int
    reason: str


Outcome = Found | NoneUpTo | Stopped


class EncodingMismatch(Exception):  # noqa: N818 - it is a bug in rhscheck, no error of the user
    """The solver's run is not one of the semantics. `script`: the query, as SMT-LIB 2."""

    def __init__(self, rule: str, run: Run, reason: str, script: str) -> None:
        super().__init__(f"{rule}: the solver's run of {len(run.steps)} steps is wrong: {reason}")
        self.rule = rule
        self.run = run
        self.reason = reason
        self.script = script


def bounded(
    ground: Ground,
    bad: Mapping[str, Expr],
    depth: int,
    *,
    time: Literal["auto", "digital", "grid", "real"] = "auto",
    excluded: int = -1,
    unreached: Callable[[int], bool] | None = None,
    timeout_s: float | None = None,
    on_depth: Callable[[int], None] = lambda depth: None,
) -> dict[str, Outcome]:
    """For each of `bad` the canonical shortest run into it, or that there is none up to `depth`.

    `time`: "auto" takes whole units where all constraints are closed, else the grid. `excluded`:
    the caller has a proof that no run of at most so many steps reaches any of `bad` (say, from an
    abstraction that needs more); those lengths are not searched again. `unreached` is asked, length
    by length until it first says no, whether that is known of one more. `on_depth` is told every
    depth that is decided; an exception from it ends the search. Raises ValueError where "digital"
    is asked for and not exact, and `EncodingMismatch` for a bug in rhscheck.
    """
    deadline = Deadline(timeout_s)
    goals = {rule: ground.expand(formula, {}) for rule, formula in bad.items()}
    exact = exact_time(ground, goals) if time == "auto" else time
    encoding = Encoding(ground, goals, exact, depth=max(depth, 0))
    search = Search(encoding, goals, deadline, ordered_families(ground, tuple(goals.values())))
    outcomes: dict[str, Outcome] = {}
    for k in range(depth + 1):
        if k <= excluded:
            continue
        if unreached is not None and not unreached(k):
            unreached = None
        if unreached is None:
            search.extend_to(k)
            reason = search.decide(outcomes)
            if reason is not None:
                for rule in search.open:
                    outcomes[rule] = Stopped(k - 1, reason)
                break
        on_depth(k)
        if not search.open:
            break
    for rule in search.open:
        outcomes.setdefault(rule, NoneUpTo(depth))
    return {rule: outcomes[rule] for rule in bad}


def timeless(
    ground: Ground, rule: str, formula: Expr, length: int, timeout_s: float | None = None
) -> Found | None:
    """The canonical run of `length` steps into `formula`, if time does not matter to it.

    The caller knows that no run is shorter. Clocks, which are most of an unrolling, are left out:
    the least of all runs without them is the least of those with them, if it can be timed. None
    where it cannot, where there is none, and where nothing is known: then `bounded` says more.
    """
    goal = ground.expand(formula, {})
    if any(atoms(goal)):
        return None
    encoding = Encoding(ground, {rule: goal}, "untimed", depth=length)
    search = Search(encoding, {rule: goal}, Deadline(timeout_s), ordered_families(ground, (goal,)))
    search.extend_to(length)
    found = search.canonical(rule)
    return None if isinstance(found, Unknown) else found


def exact_time(ground: Ground, goals: Mapping[str, Expr]) -> TimeEncoding:
    """The cheapest encoding of time that is exact for `ground` and `goals`."""
    return "digital" if closedness(ground, tuple(goals.values())) is None else "grid"


class Search:
    """One unrolling of `encoding` and the `goals` that are still open.

    `ordered`: families whose instances take part in the order of their numbers.
    """

    def __init__(
        self,
        encoding: Encoding,
        goals: Mapping[str, Expr],
        deadline: Deadline,
        ordered: Sequence[str],
    ) -> None:
        self.open = list(goals)
        self._encoding = encoding
        self._goals = goals
        self._deadline = deadline
        self._solver = Solver(encoding.context, encoding.logic)
        self._holds = {rule: encoding.holds(formula) for rule, formula in goals.items()}
        self._legal = encoding.delay_legal()
        self._step = encoding.step()
        self._length = -1
        # For each family in which instances take part in order: for each instance the transitions
        # that bind it, and a literal for "has taken part".
        self._parts: list[list[list[int]]] = [
            [
                [
                    at
                    for at, transition in enumerate(encoding.ground.transitions)
                    if number in participants(transition, family)
                ]
                for number in encoding.ground.instances(family)
            ]
            for family in ordered
        ]
        self._took_part: list[list[Formula | None]] = [[None] * len(rows) for rows in self._parts]

    def _extend(self) -> None:
        """One more step, and the delay after it."""
        self._length += 1
        at = self._encoding.at
        if self._length == 0:
            self._solver.add(at(self._encoding.initial(), 0))
        else:
            self._solver.add(at(self._step, self._length - 1))
            self._order(self._encoding.selectors_at(self._length - 1))
        self._solver.add(at(self._legal, self._length))

    def _order(self, selectors: Sequence[Formula]) -> None:
        """Instances that can be exchanged take part in the order of their numbers."""
        for rows, took_part in zip(self._parts, self._took_part, strict=True):
            for number, row in enumerate(rows):
                here = [selectors[at] for at in row]
                if number:
                    before = took_part[number - 1]
                    assert before is not None  # set for the instance before, in this very step
                    self._solver.add(*(self._encoding.implies(one, before) for one in here))
                known = took_part[number]
                now = self._encoding.fresh()
                reasons = here if known is None else [*here, known]
                self._solver.add(self._encoding.implies_any(now, reasons))
                took_part[number] = now

    def extend_to(self, length: int) -> None:
        """As many steps as `length`; no open property is reached by fewer, as the caller knows."""
        while self._length < length:
            self._extend()
            if self._length < length:
                self._exclude()

    def unreached(self) -> bool:
        """Whether no open property is reached at this length, which is known from then on."""
        return self.some() is None

    def some(self) -> tuple[tuple[int, ...], tuple[int, ...]] | Unknown | None:
        """Initial values and transitions of some run of this length into an open property.

        Not a canonical one, and not replayed: `Encoding` may have left clocks out. None: there is
        no such run, which is known from then on.
        """
        encoding = self._encoding
        any_of = encoding.fresh()
        here = [self._here(rule) for rule in self.open]
        self._solver.add(encoding.implies_any(any_of, here))
        match self._solver.check([any_of], self._deadline):
            case Unsat():
                self._exclude()
                return None
            case Unknown() as unknown:
                return unknown
            case Sat(model):
                path = tuple(encoding.step_in(model, time) for time in range(self._length))
                return encoding.values_in(model, 0), path

    def _exclude(self) -> None:
        for rule in self.open:
            self._solver.add(self._encoding.negation(self._here(rule)))

    def _here(self, rule: str) -> Formula:
        return self._encoding.at(self._holds[rule], self._length)

    def decide(self, outcomes: dict[str, Outcome]) -> str | None:
        """Settle every open property at this length; the reason if that was not possible."""
        here = {rule: self._here(rule) for rule in self.open}
        names = {rule: self._encoding.fresh() for rule in self.open}
        for rule in self.open:
            self._solver.add(self._encoding.implies(names[rule], here[rule]))
        left = list(self.open)
        while left:
            any_of = self._encoding.fresh()
            self._solver.add(self._encoding.implies_any(any_of, [here[rule] for rule in left]))
            match self._solver.check([any_of], self._deadline):
                case Unsat():
                    break
                case Unknown(reason):
                    return reason
                case Sat(model):
                    hit = [rule for rule in left if model.truth(here[rule])]
                    for rule in hit:
                        found = self._canonical(rule, names[rule])
                        if isinstance(found, Unknown):
                            return (
                                f"a run of {self._length} steps into `{rule}` exists, but was not "
                                f"brought into its canonical form: {found.reason}"
                            )
                        if found is None:
                            raise AssertionError("a run with times has none")
                        outcomes[rule] = found
                        self.open.remove(rule)
                        left.remove(rule)
        for rule in left:
            self._solver.add(self._encoding.negation(here[rule]))
        return None

    # ---- the canonical run -------------------------------------------------------------------
    def canonical(self, rule: str) -> Found | Unknown | None:
        """The canonical run of this length into `rule`, if its discrete steps can be timed.

        None: they cannot (the encoding leaves clocks out), or there is none.
        """
        bad = self._encoding.fresh()
        self._solver.add(self._encoding.implies(bad, self._here(rule)))
        match self._solver.check([bad], self._deadline):
            case Unsat():
                return None
            case Unknown() as unknown:
                return unknown
            case Sat():
                return self._canonical(rule, bad)

    def _canonical(self, rule: str, bad: Formula) -> Found | Unknown | None:
        encoding = self._encoding
        least = Least(encoding, self._solver, [bad], self._deadline)
        for time in range(self._length):
            for bit in encoding.pick_at(time):
                least.prefer(encoding.negation(bit))
        for slot, choices in enumerate(encoding.initial_choices()):
            for value in choices[:-1]:
                if least.prefer(encoding.at(encoding.value_is(slot, value), 0)):
                    break
        model = least.model
        if isinstance(model, Unknown):
            return model
        values = encoding.values_in(model, 0)
        path = [encoding.step_in(model, time) for time in range(self._length)]
        run = self._timed(rule, values, path)
        if not isinstance(run, Run):
            return run
        self._replay(rule, run)
        return Found(run, self._length)

    def _timed(
        self, rule: str, values: tuple[int, ...], path: Sequence[int]
    ) -> Run | Unknown | None:
        """The run along `path`; None: it is impossible in any time."""
        ground, goal = self._encoding.ground, self._goals[rule]
        with contextlib.suppress(ValueError):  # impossible without a look at time
            run = schedule(ground, values, path, goal)
            if isinstance(run, Run):
                return run
        # It does not try everything; the solver does.
        delays = earliest(ground, values, path, goal, self._deadline)
        if isinstance(delays, Unknown | None):
            return delays
        steps = [Step(delay, at) for delay, at in zip(delays, path, strict=False)]
        if delays[-1]:
            steps.append(Step(delays[-1], None))
        return Run(State(values, (0,) * len(ground.clocks)), tuple(steps))

    def _replay(self, rule: str, run: Run) -> None:
        ground = self._encoding.ground
        try:
            last = replay_run(ground, run)[-1]
        except IllegalRun as error:
            raise EncodingMismatch(rule, run, str(error), self._solver.smt2()) from error
        if not evaluate(self._goals[rule], ground, last):
            reason = "its last state is not bad"
            raise EncodingMismatch(rule, run, reason, self._solver.smt2())


class Least:
    """Makes formulas true one after the other, each if those before it allow it.

    `model`: of `fixed` and all that was settled so far; Unknown as soon as the solver gave up.
    """

    def __init__(
        self,
        encoding: Encoding,
        solver: Solver,
        fixed: Sequence[Formula],
        deadline: Deadline,
    ) -> None:
        self._encoding = encoding
        self._solver = solver
        self._fixed = list(fixed)
        self._deadline = deadline
        self.model = self._first()

    def _first(self) -> Model | Unknown:
        match self._solver.check(self._fixed, self._deadline):
            case Sat(model):
                return model
            case Unknown() as unknown:
                return unknown
            case Unsat():
                raise AssertionError("a query that had a model has none")

    def prefer(self, wanted: Formula) -> bool:
        """Fix `wanted` if it is possible, else its negation; which of them it was."""
        if isinstance(self.model, Unknown):
            return False
        literal = self._encoding.fresh()
        self._solver.add(self._encoding.equivalent(literal, wanted))
        # The model is older than the literal: only `wanted` itself has a value in it.
        if not self.model.truth(wanted):
            match self._solver.check([*self._fixed, literal], self._deadline):
                case Sat(model):
                    self.model = model
                case Unknown() as unknown:
                    self.model = unknown
                    return False
                case Unsat():
                    self._fixed.append(self._encoding.negation(literal))
                    return False
        self._fixed.append(literal)
        return True


def earliest(
    ground: Ground,
    values: tuple[int, ...],
    path: Sequence[int],
    goal: Expr,
    deadline: Deadline,
) -> tuple[Time, ...] | Unknown | None:
    """The earliest delays before each step of `path` and after the last, so that `goal` holds.

    The path starts with `values` and must be possible but for its times; None: there are none.
    Lexicographically least: no delay can be shorter without making an earlier one longer. Whole
    units where those are exact, else multiples of 1/(len(path)+2) of a unit.
    """
    used = sorted(set(path))
    transitions = tuple(ground.transitions[at] for at in used)
    small = replace(ground, transitions=transitions)
    read = [goal, *(t.guard for t in transitions), *(v for t in transitions for _, v in t.updates)]
    if not any(atoms(formula) for formula in read):
        # Nothing waits for time, and no time at all is always legal.
        return (0,) * (len(path) + 1)
    kind: TimeEncoding = "digital" if closedness(small, [goal]) is None else "grid"
    encoding = Encoding(small, {"": goal}, kind, depth=len(path), divide=False)
    solver = Solver(encoding.context, encoding.logic)
    solver.add(encoding.at(encoding.initial(), 0))
    for slot, value in enumerate(values):
        solver.add(encoding.at(encoding.value_is(slot, value), 0))
    step, legal = encoding.step(), encoding.delay_legal()
    for time, at in enumerate(path):
        solver.add(encoding.at(legal, time), encoding.at(step, time))
        solver.add(encoding.selectors_at(time)[used.index(at)])
    solver.add(encoding.at(legal, len(path)))
    solver.add(encoding.at(encoding.holds(goal), len(path)))
    if isinstance(solver.check((), deadline), Unsat):
        return None
    least = Least(encoding, solver, (), deadline)
    for time in range(len(path) + 1):
        for bit in encoding.delay_bits_at(time):
            least.prefer(encoding.negation(bit))
    if isinstance(least.model, Unknown):
        return least.model
    model = least.model
    return tuple(_time(encoding.delay_in(model, time)) for time in range(len(path) + 1))


def _time(delay: Fraction) -> Time:
    return int(delay) if delay.denominator == 1 else delay
