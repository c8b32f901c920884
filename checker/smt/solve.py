"""Z3 as values: questions with a budget, answers that are a model, a core or a reason.

Owns every setting of the solver (logic, seed, time and resource limits) and the reading of models.
Each `Solver` has a context of its own, so that its terms, models and resource counts depend on
nothing but what it was told, and several may live in one process. Knows nothing of Systems.

`unknown` is always an answer with a reason, never an exception and never a verdict.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import z3

from rhscheck.checker.budget import used_up

# QF_FD: Booleans and bit-vectors, by SAT. QF_LRA: Booleans and reals. QF_RDL: differences of reals.
Logic = Literal["QF_FD", "QF_LRA", "QF_RDL"]
# Z3's older arithmetic takes a fifth less time, and up to a half, where all is about differences.
_FOR_DIFFERENCES = 2
Formula = z3.BoolRef
Context = z3.Context


def _keep_freed_memory() -> None:
    """Let glibc keep what a context leaves for the next one.

    Each takes 17 MB at once. They went back to the system when it ended, and the next one waited
    ten times as long for new ones, page by page, as for all the rest.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        mallopt(trim_threshold, 64 << 20)
        # The most that it can be. glibc raises it by itself, but not where the other one is set.
        mallopt(mmap_threshold, 32 << 20)


_keep_freed_memory()


class Model:
    """A satisfying assignment; what the solver left open counts as false or 0."""

    def __init__(self, model: z3.ModelRef) -> None:
        self._model = model

    def truth(self, formula: Formula) -> bool:
        """Whether `formula` holds here."""
        return z3.is_true(self._model.eval(formula, model_completion=True))

    def number(self, term: z3.ExprRef) -> Fraction:
        """The value of a bit-vector (unsigned) or a real."""
        value = self._model.eval(term, model_completion=True)
        if isinstance(value, z3.BitVecNumRef):
            return Fraction(value.as_long())
        if isinstance(value, z3.RatNumRef):
            return Fraction(value.numerator_as_long(), value.denominator_as_long())
        raise TypeError(f"Z3 gave {value!r} where a number was expected")


@dataclass(frozen=True, slots=True)
class Sat:
    """There is an assignment."""

    model: Model


@dataclass(frozen=True, slots=True)
class Unsat:
    """There is none."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Z3 gave up; `reason` is a clause for people."""

    reason: str


Answer = Sat | Unsat | Unknown


class Deadline:
    """The moment when the budget of a whole engine run is used up; None seconds: never."""

    def __init__(self, timeout_s: float | None) -> None:
        self.timeout_s = timeout_s
        self._end = None if timeout_s is None else time.monotonic() + timeout_s

    def left(self) -> float | None:
        """Seconds left, never negative; None where there is no limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    @property
    def reason(self) -> str:
        """What to say when it has passed."""
        return used_up(self.timeout_s)


class Solver:
    """An incremental Z3 solver with a fixed seed. `rlimit` is the resource limit of one query."""

    def __init__(
        self, context: Context, logic: Logic, *, seed: int = 0, rlimit: int | None = None
    ) -> None:
        self._context = context
        self._solver = z3.SolverFor(logic, ctx=context)
        self._solver.set("random_seed", seed)
        if logic == "QF_RDL":
            self._solver.set("smt.arith.solver", _FOR_DIFFERENCES)
        self._rlimit = rlimit
        self._spent = 0
        self.queries = 0

    def add(self, *formulas: Formula) -> None:
        """Assert `formulas` for all later queries (of this push level)."""
        self._solver.add(*formulas)

    def push(self) -> None:
        """Open a level: what is added from here on is forgotten by the matching `pop`."""
        self._solver.push()

    def pop(self) -> None:
        """Forget what was added since the matching `push`."""
        self._solver.pop()

    def check(
        self, assumptions: Sequence[Formula] = (), deadline: Deadline | None = None
    ) -> Answer:
        """Is there an assignment with all `assumptions` (literals), in the time that is left?"""
        left = deadline.left() if deadline is not None else None
        if deadline is not None and left == 0.0:
            return Unknown(deadline.reason)
        # Z3 takes whole milliseconds; its time-out is soft (looked at between steps of the search).
        self._solver.set("timeout", 4294967295 if left is None else max(1, int(left * 1000)))
        self._solver.set("rlimit", self._rlimit or 0)
        self.queries += 1
        try:
            result = self._solver.check(*assumptions)
        except z3.Z3Exception as error:
            _stop_if_interrupted(str(error))
            return Unknown(f"Z3: {error}")
        self._spent = self._read_spent()
        # CheckSatResult has no hash: compared, never used as a key.
        if result == z3.sat:
            return Sat(Model(self._solver.model()))
        if result == z3.unsat:
            return Unsat()
        reason = self._solver.reason_unknown()
        _stop_if_interrupted(reason)
        # Z3 may stop a moment before the time is up by our clock.
        if deadline is not None and (deadline.left() == 0.0 or reason == "timeout"):
            return Unknown(deadline.reason)
        if "cancel" in reason and self._rlimit is not None:
            return Unknown(f"resource limit {self._rlimit} reached")
        return Unknown(f"Z3: {reason}")

    def _read_spent(self) -> int:
        statistics = self._solver.statistics()
        if "rlimit count" not in statistics.keys():  # noqa: SIM118 (a Z3 object, no mapping)
            return self._spent
        return int(statistics.get_key_value("rlimit count"))

    @property
    def rlimit(self) -> int:
        """Z3's resource count so far: a steadier measure than seconds."""
        return self._spent

    def smt2(self) -> str:
        """What is asserted now, as an SMT-LIB 2 script ending in `(check-sat)`."""
        return self._solver.to_smt2()


def run_script(text: str) -> str:
    """What Z3 prints for an SMT-LIB 2 script, in a context of its own; errors are printed, too.

    Takes as long as it takes: a process that can be ended is the caller's business.
    """
    z3.set_param("smt.arith.solver", _FOR_DIFFERENCES)
    context = z3.Context()  # kept while it works
    try:
        return z3.Z3_eval_smtlib2_string(context.ref(), text)
    except z3.Z3Exception as error:
        _stop_if_interrupted(str(error))
        return f"(error {error})"
    finally:
        z3.reset_params()


def _stop_if_interrupted(reason: str) -> None:
    """Z3 catches Ctrl-C itself while it works and calls it a reason not to know."""
    if "interrupted" in reason:
        raise KeyboardInterrupt


def version() -> str:
    """The version of Z3 that answers."""
    return z3.get_version_string()
