"""The process that enumerates: it sees the spec and the invariants, and no script.

Owns this entry point and the order of its work; `referee`, `progress` and `runs` do it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rhscheck.checker.certify import form, runs
from rhscheck.checker.certify.answers import Emit, Held, Named, Refused
from rhscheck.checker.certify.form import Refusal
from rhscheck.checker.certify.progress import check_progress
from rhscheck.checker.certify.referee import check
from rhscheck.spec.rules import Woven, weave
from rhscheck.spec.system import System


@dataclass(frozen=True, slots=True)
class Invariants:
    """One argument for the enumeration: files by path, and the rules that each excludes.

    `progress`: also, that time can always go on.
    """

    woven: tuple[str, ...]
    n: int | None
    parts: tuple[tuple[str, bytes, tuple[str, ...]], ...]
    progress: bool


def by_enumeration(
    system: System,
    assumptions: tuple[str, ...],
    arguments: tuple[Invariants, ...],
    shown: tuple[form.Shown, ...],
    emit: Emit,
) -> None:
    """Look at every state of every invariant, and at every run."""
    emit(Named("enumeration"))
    rules = {rule.id: rule for rule in system.rules}
    relied = tuple(one for one in system.assumptions if one.id in assumptions)
    made: dict[tuple[str, ...], Woven] = {}

    def woven(ids: tuple[str, ...]) -> Woven:
        if ids not in made:
            made[ids] = weave(system, [rules[one] for one in ids], relied)
        return made[ids]

    for argument in arguments:
        for path, data, excludes in argument.parts:
            try:
                world = woven(argument.woven)
                for rule in excludes:
                    if rule not in world.bad:
                        raise Refusal(f"{path}: safety: {rule}", "it is no safety property")
                invariant = form.decoded(data, form.InvariantFile, path)
                bad = {rule: world.bad[rule] for rule in excludes}
                states = check(path, world.system, argument.n, invariant, bad)
                if argument.progress:
                    check_progress(path, world.system, argument.n, invariant)
                emit(Held(path, states))
            except Refusal as refusal:
                emit(Refused(refusal.query, refusal.reason))
    together = woven(tuple(run.rule for run in shown))  # observers do not mind each other
    for run in shown:
        try:
            runs.check(system, together, run)
            emit(Held(f"run: {run.rule}"))
        except Refusal as refusal:
            emit(Refused(refusal.query, refusal.reason))
