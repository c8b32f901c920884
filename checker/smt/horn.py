"""Spacer: an inductive invariant that excludes a goal, or the word that there is none.

Owns the question as constrained Horn clauses (Komuravelli, Gurfinkel and Chaki, "SMT-based model
checking for recursive programs", 2014) and the way the answer is read. The whole of a step is one
clause: Z3 5.4 is several times faster with that than with a clause for each transition. What it
calls unreachable is only an invariant to be re-checked; runs are never read from it.

An invariant travels as text over numbered names (`v0`, `v1`, ...), one for each variable of the
state in the order of `state_variables`, because it was found in another process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import z3

from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.solve import Formula


@dataclass(frozen=True, slots=True)
class Invariant:
    """Spacer says that the goal is unreachable: `text` is a formula over the numbered names."""

    text: str


@dataclass(frozen=True, slots=True)
class Reachable:
    """Spacer says that the goal is reachable."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Spacer gave up; `reason` says why."""

    reason: str


Answer = Invariant | Reachable | GaveUp


def spacer(
    encoding: Encoding, goal: Formula, known: Sequence[Formula], timeout_s: float | None = None
) -> Answer:
    """Whether `goal` (about `now` and the delay) holds in some reachable state.

    `known`: what holds in every reachable state; the invariant need not say it again. The
    time-out is soft: who cannot wait asks in a process of its own.
    """
    context = encoding.context
    now, then = encoding.state_variables()
    state = z3.Function("state", *(one.sort() for one in now), z3.BoolSort(context))
    reached = z3.Bool("goal reached", context)
    clauses = z3.Fixedpoint(ctx=context)
    clauses.set("engine", "spacer")
    if timeout_s is not None:
        clauses.set("timeout", max(1, int(timeout_s * 1000)))
    clauses.register_relation(state, reached.decl())
    reachable = [state(*now), *known, encoding.delay_legal()]
    step = encoding.step()
    clauses.declare_var(*now, *then, *encoding.step_variables())
    clauses.rule(state(*now), [encoding.initial()])
    clauses.rule(state(*then), [*reachable, step])
    clauses.rule(reached, [*reachable, goal])
    try:
        result = clauses.query(reached)
    except z3.Z3Exception as error:
        # A time-out is no answer of its own here but an exception.
        if "cancel" in str(error):
            return GaveUp("the time is up")
        return GaveUp(f"Z3: {error}")
    if result == z3.sat:
        return Reachable()
    if result != z3.unsat:
        return GaveUp(f"Z3: {clauses.reason_unknown()}")
    body = _body(clauses.get_answer(), state)
    if body is None:
        return GaveUp("Z3: the invariant cannot be read")
    names = [z3.Const(f"v{number}", one.sort()) for number, one in enumerate(now)]
    # The innermost bound variable has the number 0.
    closed = z3.simplify(z3.substitute_vars(body, *reversed(names)))
    return Invariant(closed.sexpr())


def _body(answer: z3.ExprRef, state: z3.FuncDeclRef) -> z3.ExprRef | None:
    """The definition of the relation in `answer`: `forall x: state(x) = body`."""
    for part in (answer, *answer.children()):
        if not isinstance(part, z3.QuantifierRef) or not part.is_forall():
            continue
        equation = part.body()
        left = equation.children()
        if len(left) == 2 and left[0].decl().eq(state):
            arguments = left[0].children()
            count = len(arguments)
            in_order = all(
                z3.is_var(one) and z3.get_var_index(one) == count - 1 - number
                for number, one in enumerate(arguments)
            )
            return left[1] if in_order else None
    # Of a state without reachable values, or with all, nothing is quantified.
    for part in (answer, *answer.children()):
        if z3.is_eq(part) and len(part.children()) == 2 and part.children()[0].decl().eq(state):
            return part.children()[1]
    return None


def read(text: str, encoding: Encoding) -> tuple[Formula, Formula]:
    """The invariant about `now` and about `then` of `encoding`. Raises ValueError."""
    now, then = encoding.state_variables()
    declared = {f"v{number}": one for number, one in enumerate(now)}
    try:
        parsed = z3.parse_smt2_string(f"(assert {text})", decls=declared, ctx=encoding.context)
    except z3.Z3Exception as error:
        raise ValueError(f"no invariant over this state: {error}") from error
    here = z3.And(*parsed, z3.BoolVal(True, encoding.context))
    return here, z3.substitute(here, *zip(now, then, strict=True))
