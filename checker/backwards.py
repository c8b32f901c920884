"""Whether a run of a given length leads to a goal, asked from the goal backwards.

Owns a search in which the goal is where it always was when one more step is asked for, and the
start moves away from it. What the solver learns about the last steps before the goal then holds for
every length; in `checker.bmc`, where the goal moves, it is learned anew at every one. A bounded
response, whose last steps are what makes it hard, takes half of the time so. Finds some path,
never a canonical one, and shows nothing.
"""

from __future__ import annotations

from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.solve import Deadline, Sat, Solver, Unknown, Unsat
from rhscheck.spec.expr import Expr

_END = 1_000_000  # the number of the last state; those before it count down
# By index: names of variables only, so any number larger than every length will do.


class Backwards:
    """One unrolling of `encoding` that ends in `goal`."""

    def __init__(self, encoding: Encoding, goal: Expr, deadline: Deadline) -> None:
        self._encoding = encoding
        self._deadline = deadline
        self._solver = Solver(encoding.context, encoding.logic)
        self._goal = encoding.holds(goal)
        self._legal = encoding.delay_legal()
        self._step = encoding.step()
        self._initial = encoding.initial()
        self._possible = encoding.possible()
        self._length = 0
        at = encoding.at
        self._solver.add(at(self._goal, _END), at(self._legal, _END), at(self._possible, _END))

    def extend_to(self, length: int) -> None:
        """As many steps as `length`; the goal is reached by fewer nowhere, as the caller knows."""
        at = self._encoding.at
        while self._length < length:
            self._length += 1
            start = _END - self._length
            self._solver.add(
                at(self._step, start),
                at(self._legal, start),
                at(self._possible, start),
                self._encoding.negation(at(self._goal, start)),
            )

    def some(self) -> tuple[tuple[int, ...], tuple[int, ...]] | Unknown | None:
        """Initial values and transitions of some run of this length to the goal.

        None: there is no such run, which is known from then on.
        """
        encoding, start = self._encoding, _END - self._length
        here = encoding.at(self._initial, start)
        begins = encoding.fresh()
        self._solver.add(encoding.implies(begins, here))
        match self._solver.check([begins], self._deadline):
            case Unsat():
                # Known of this very unrolling, whatever else was excluded elsewhere.
                self._solver.add(encoding.negation(here))
                return None
            case Unknown() as unknown:
                return unknown
            case Sat(model):
                path = tuple(encoding.step_in(model, start + at) for at in range(self._length))
                return encoding.values_in(model, start), path
