"""Formulas as SMT-LIB 2 scripts that any solver can run.

Owns the form of a script: one logic, what would be wrong (each question under its own assumption),
what is known, then the questions. Knows neither Systems nor invariants.

A script asks more than what it is for, lest an empty question pass for a proof: can what would be
wrong be, by itself; can what is known be, by itself; can both be together? The answers to the first
two are those that Z3 gives now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import z3

from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.solve import Formula

Expected = Literal["sat", "unsat"]
_ASK = "(check-sat)\n"
_ASSERT = "\n(assert"


@dataclass(frozen=True, slots=True)
class Script:
    """`text` is answered once for each of `asks` (question, answer), in this order."""

    name: str
    text: str
    asks: tuple[tuple[str, Expected], ...]


def script(
    name: str,
    encoding: Encoding,
    formulas: Sequence[Formula],
    questions: Mapping[str, Formula],
    *,
    alone: bool = True,
) -> Script:
    """Can all `formulas` hold, and (one question each) one of `questions` beside them?

    All of that must not be. `alone`: also ask whether each question can be by itself.
    """
    # Not a solver of the encoding's logic: that for finite domains keeps no assertions to print.
    solver = z3.Solver(ctx=encoding.context)
    literals = [encoding.fresh() for _ in questions]
    for literal, formula in zip(literals, questions.values(), strict=True):
        solver.add(encoding.implies(literal, formula))
    asking = [f"(check-sat-assuming ({literal.decl().name()}))\n" for literal in literals]
    asks: list[tuple[str, Expected]] = []
    if alone:
        asks += [
            (f"{question}, conclusion", _answer(solver, [literal]))
            for question, literal in zip(questions, literals, strict=True)
        ]
    solver.add(z3.And(*formulas, z3.BoolVal(True, encoding.context)))
    asks.append((f"{name}, premises", _answer(solver, [])))
    asks += [(question, "unsat") for question in questions]
    body = solver.to_smt2()
    if not body.endswith(_ASK):
        raise AssertionError("Z3 ends a script with a question")
    declared, *asserted = body.removesuffix(_ASK).split(_ASSERT)
    if len(asserted) != len(literals) + 1:
        raise AssertionError("Z3 prints one assertion for each that was made")
    *wrong, known = (f"(assert{one}" for one in asserted)
    # Reals occur only where clocks do; a logic with more than is needed is allowed.
    parts = (
        f"; {name}: what would be wrong, what is known, and both together\n(set-logic QF_LRA)\n",
        declared,
        "",
        *wrong,
        "".join(asking) if alone else "",
        known,
        _ASK,
        *asking,
    )
    return Script(name, "\n".join(part.strip("\n") for part in parts if part) + "\n", tuple(asks))


def _answer(solver: z3.Solver, assumptions: Sequence[Formula]) -> Expected:
    answer = solver.check(*assumptions)
    return "unsat" if answer == z3.unsat else "sat"
