"""Times for the steps of a run as a question of linear arithmetic.

Owns only this translation. `checker.differences` answers the same questions faster, and with the
earliest times, where all distances are compared with constants; here distances may also have to be
equal to each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import z3

from rhscheck.checker.differences import Option
from rhscheck.checker.smt.solve import Context, Sat, Solver


def solve_times(
    last: int, choices: Sequence[Sequence[Option]], equal: Sequence[tuple[int, int]]
) -> list[Fraction] | None:
    """Times T_0 = 0 <= ... <= T_last with one option of each of `choices`; None if there are none.

    `equal`: pairs (later, earlier) whose distances are all the same and more than 0. None as well
    where Z3 gives up.
    """
    context = Context()
    times = [z3.Real(f"t{number}", context) for number in range(last + 1)]
    solver = Solver(context, "QF_LRA")
    solver.add(times[0] == 0)
    for before, after in itertools.pairwise(times):
        solver.add(before <= after)
    for options in choices:
        ways = []
        for option in options:
            parts = []
            for part in option:
                distance = times[part.later] - times[part.earlier]
                parts.append(distance < part.bound if part.strict else distance <= part.bound)
            ways.append(z3.And(*parts, z3.BoolVal(True, context)))
        solver.add(z3.Or(*ways, z3.BoolVal(False, context)))
    first_later, first_earlier = equal[0]
    period = times[first_later] - times[first_earlier]
    solver.add(period > 0)
    for later, earlier in equal[1:]:
        solver.add(times[later] - times[earlier] == period)
    answer = solver.check()
    if not isinstance(answer, Sat):
        return None
    return [answer.model.number(time) for time in times]
