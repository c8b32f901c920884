"""The independent look at a proof: is this invariant initial, closed under every step, and safe?

Owns the three obligations and their answers. It trusts nobody: not the engine that found the
invariant, not the abstraction it was found in. What it relies on is the Ground, `checker.smt` and
Z3. A fresh solver is asked

- initiation: is every initial state inside?
- consecution: does every discrete step, and every legal delay, stay inside? Clocks that the
  invariant does not track are abstracted: a step is possible if it is for some of their values;
- safety: for each property, is no bad state inside?

The invariant of one instance proves a fixed N as the conjunction of one copy an instance; that the
conjunction is inductive is checked here, never assumed. Queries with a delay and without are
separate: an invariant closed under both is closed under their sequences.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rhscheck.checker.invariant import Invariant
from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.region import member
from rhscheck.checker.smt.script import Script, script
from rhscheck.checker.smt.solve import Deadline, Formula, Sat, Solver, Unknown, Unsat
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground


@dataclass(frozen=True, slots=True)
class Copy:
    """`invariant` about some slots and clocks of a Ground.

    `slot_map`: for each slot of the invariant's cells, its position in Ground.slots. `clock_map`:
    for each clock of `invariant.tracked`, its position in Ground.clocks.
    """

    invariant: Invariant
    slot_map: tuple[int, ...]
    clock_map: tuple[int, ...] = ()


def identity(invariant: Invariant, ground: Ground) -> Copy:
    """The invariant of `ground` itself."""
    return Copy(invariant, tuple(range(len(ground.slots))), invariant.tracked)


@dataclass(frozen=True, slots=True)
class Recheck:
    """The answer. `safe`: the properties proved, if `inductive`; else nothing is.

    `failed`: the queries that have a counterexample, in order: `initiation`, `consecution: KEY`
    (the first failing transition; KEY `delay` for time), `safety: RULE`. `undecided`: (query,
    reason). `rlimit` is Z3's resource count. `scripts`: the questions, if asked for; a step of
    them is transition `step.K` of the Ground.
    """

    inductive: bool
    safe: tuple[str, ...]
    failed: tuple[str, ...]
    undecided: tuple[tuple[str, str], ...]
    seconds: float
    rlimit: int
    scripts: tuple[Script, ...] = ()

    @property
    def proved(self) -> bool:
        """Every query was answered as the proof needs it."""
        return self.inductive and not self.failed and not self.undecided


def recheck(
    ground: Ground,
    copies: Sequence[Copy],
    bad: Mapping[str, Expr],
    timeout_s: float | None = None,
    *,
    scripts: bool = False,
) -> Recheck:
    """Judge the conjunction of `copies` as an inductive invariant of `ground` without `bad` states.

    Properties are state formulas, quantified over instances or not. Raises ValueError where a copy
    does not fit the Ground. `scripts`: keep the questions.
    """
    started = time.monotonic()
    deadline = Deadline(timeout_s)
    check = _Check(ground, copies, bad, deadline)
    kept = tuple(check.scripts()) if scripts else ()
    inductive = check.initiation()
    inductive &= check.delays()
    inductive &= check.steps()
    safe = check.safe()
    return Recheck(
        inductive,
        safe if inductive else (),
        tuple(check.failed),
        tuple(check.undecided),
        time.monotonic() - started,
        check.rlimit,
        kept,
    )


class _Check:
    def __init__(
        self,
        ground: Ground,
        copies: Sequence[Copy],
        bad: Mapping[str, Expr],
        deadline: Deadline,
    ) -> None:
        for copy in copies:
            _require_fit(copy, ground)
        tracked = sorted({at for copy in copies for at in copy.clock_map})
        goals = {rule: ground.expand(formula, {}) for rule, formula in bad.items()}
        encoding = Encoding(ground, goals, "real" if tracked else "untimed", tracked=tracked)
        self.failed: list[str] = []
        self.undecided: list[tuple[str, str]] = []
        self._ground = ground
        self._goals = goals
        self._deadline = deadline
        self._encoding = encoding
        self._timed = bool(tracked)
        self._now = [
            member(
                encoding,
                copy.invariant.diagram,
                encoding.now.values,
                encoding.now.clocks,
                slots=copy.slot_map,
                tracked=copy.clock_map,
            )
            for copy in copies
        ]
        self._late = [encoding.after_delay(inside) for inside in self._now]
        self._then = [encoding.after_step(inside) for inside in self._now]
        self._inside = self._now_inside()
        self._stepping: Solver | None = None

    def _now_inside(self) -> Solver:
        encoding = self._encoding
        solver = Solver(encoding.context, encoding.logic)
        solver.add(encoding.possible(), encoding.no_delay(), *self._now)
        return solver

    @property
    def rlimit(self) -> int:
        """Z3's resource count for all queries: all solvers share a context, which counts."""
        return max(self._inside.rlimit, self._stepping.rlimit if self._stepping else 0)

    def initiation(self) -> bool:
        encoding = self._encoding
        solver = Solver(encoding.context, encoding.logic)
        solver.add(encoding.initial(), encoding.outside(self._now))
        return self._answer("initiation", solver, ())

    def delays(self) -> bool:
        """Without tracked clocks a delay changes nothing that the invariant speaks of."""
        if not self._timed:
            return True
        encoding = self._encoding
        solver = Solver(encoding.context, encoding.logic)
        solver.add(encoding.possible(), encoding.delay_legal(), *self._now)
        solver.add(encoding.outside(self._late))
        return self._answer("consecution: delay", solver, ())

    def scripts(self) -> list[Script]:
        """All questions, each by itself."""
        encoding = self._encoding
        inside = (encoding.possible(), encoding.no_delay(), *self._now)

        def outside(moment: Sequence[Formula], name: str) -> dict[str, Formula]:
            return {name: encoding.outside(moment)}

        name = "initiation"
        found = [script(name, encoding, (encoding.initial(),), outside(self._now, name))]
        name = "consecution"
        moving = (*inside, encoding.step())
        found.append(script(name, encoding, moving, outside(self._then, name)))
        if self._timed:
            name = "consecution: delay"
            delay = (encoding.possible(), encoding.delay_legal(), *self._now)
            found.append(script(name, encoding, delay, outside(self._late, name)))
        reached = {f"safety: {rule}": encoding.holds(goal) for rule, goal in self._goals.items()}
        return [*found, script("safety", encoding, inside, reached)] if reached else found

    def steps(self) -> bool:
        """All transitions at once; only if that fails, one by one for the name of the first."""
        encoding = self._encoding
        # A solver of its own: one that learned from other questions takes half as long again.
        solver = self._stepping = self._now_inside()
        solver.add(encoding.step(), encoding.outside(self._then))
        match solver.check((), self._deadline):
            case Unsat():
                return True
            case Unknown(reason):
                self.undecided.append(("consecution", reason))
                return False
            case Sat():
                pass
        for transition, selector in zip(self._ground.transitions, encoding.selectors, strict=True):
            query = f"consecution: {transition.template.key}"
            if not self._answer(query, solver, (selector,)):
                return False
        raise AssertionError("a step leaves the invariant, but no transition does")

    def safe(self) -> tuple[str, ...]:
        """All properties at once; only if that fails, one by one."""
        if not self._goals:
            return ()
        encoding = self._encoding
        bad = {rule: encoding.fresh() for rule in self._goals}
        for rule, literal in bad.items():
            holds = encoding.implies(literal, encoding.holds(self._goals[rule]))
            self._inside.add(holds)
        some = encoding.fresh()
        self._inside.add(encoding.implies_any(some, tuple(bad.values())))
        if isinstance(self._inside.check((some,), self._deadline), Unsat):
            return tuple(bad)
        return tuple(
            rule
            for rule, literal in bad.items()
            if self._answer(f"safety: {rule}", self._inside, (literal,))
        )

    def _answer(self, query: str, solver: Solver, assumptions: Sequence[Formula]) -> bool:
        match solver.check(assumptions, self._deadline):
            case Unsat():
                return True
            case Sat():
                self.failed.append(query)
            case Unknown(reason):
                self.undecided.append((query, reason))
        return False


def _require_fit(copy: Copy, ground: Ground) -> None:
    width = len(copy.slot_map)
    if any(len(values) != width for values, _ in copy.invariant.cells):
        raise ValueError("slot_map needs one position for each value of the invariant's cells")
    if len(copy.clock_map) != len(copy.invariant.tracked):
        raise ValueError("clock_map needs one position for each tracked clock")
    if any(not 0 <= at < len(ground.slots) for at in copy.slot_map) or any(
        not 0 <= at < len(ground.clocks) for at in copy.clock_map
    ):
        raise ValueError("slot_map or clock_map points outside the Ground")
    clocks = len(copy.clock_map)
    if any(
        not (0 <= left <= clocks and 0 <= right <= clocks)
        for _, zones in copy.invariant.cells
        for zone in zones
        for left, right, _, _ in zone
    ):
        raise ValueError("a zone speaks of a clock that the invariant does not track")
