"""Formulas as SMT-LIB 2 scripts that any solver can run.

Owns the form of a script: one logic, the assertions, then one question or several, each under its
own assumption. Knows neither Systems nor invariants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import z3

from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.solve import Formula

_ASK = "(check-sat)\n"


@dataclass(frozen=True, slots=True)
class Script:
    """`text` is answered once for each of `asks`, in this order."""

    name: str
    text: str
    asks: tuple[str, ...]


def script(
    name: str,
    encoding: Encoding,
    formulas: Sequence[Formula],
    questions: Mapping[str, Formula],
) -> Script:
    """Can all `formulas` hold, and (one question each) one of `questions` beside them?

    Without `questions` that is asked once, under `name`.
    """
    # Not a solver of the encoding's logic: that for finite domains keeps no assertions to print.
    solver = z3.Solver(ctx=encoding.context)
    solver.add(*formulas)
    asked: list[str] = []
    for formula in questions.values():
        literal = encoding.fresh()
        solver.add(encoding.implies(literal, formula))
        asked.append(f"(check-sat-assuming ({literal.decl().name()}))\n")
    body = solver.to_smt2()
    if not body.endswith(_ASK):
        raise AssertionError("Z3 ends a script with a question")
    # Reals occur only where clocks do; a logic with more than is needed is allowed.
    head = f"; {name}: every answer has to be unsat\n(set-logic QF_LRA)\n"
    end = "".join(asked) if questions else _ASK
    return Script(name, head + body.removesuffix(_ASK) + end, tuple(questions) or (name,))
