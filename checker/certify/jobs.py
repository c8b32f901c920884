"""What the processes of a re-check do: ask a solver, or enumerate. One function a process.

Owns nothing but these entry points and their answers, which travel between processes. The solvers
see the scripts and nothing else; the enumeration sees the spec and the invariants, and no script.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rhscheck.checker.certify import form, runs
from rhscheck.checker.certify.form import Refusal
from rhscheck.checker.certify.progress import check_progress
from rhscheck.checker.certify.referee import check
from rhscheck.spec.rules import Woven, weave
from rhscheck.spec.system import System

Emit = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Held:
    """`query` was answered as the certificate needs it. `states`: how many were looked at, or 0."""

    query: str
    states: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """`query` has another answer; `reason` says which."""

    query: str
    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """`query` has no answer; `reason` says why."""

    query: str
    reason: str


@dataclass(frozen=True, slots=True)
class Named:
    """Who answers: a solver with its version."""

    name: str


@dataclass(frozen=True, slots=True)
class Script:
    """A script: `name` is its argument's, `asks` as in `form.Query`, `steps` names `step.K`."""

    name: str
    text: str
    asks: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Invariants:
    """One argument for the enumeration: files by path, and the rules that each excludes.

    `progress`: also, that time can always go on.
    """

    woven: tuple[str, ...]
    n: int | None
    parts: tuple[tuple[str, bytes, tuple[str, ...]], ...]
    progress: bool


def by_z3(scripts: tuple[Script, ...], emit: Emit) -> None:
    """Ask z3."""
    from rhscheck.checker.smt.solve import run_script, version  # noqa: PLC0415  here only

    emit(Named(f"z3 {version()}"))
    _ask(scripts, run_script, emit)


def by_cvc5(scripts: tuple[Script, ...], emit: Emit) -> None:
    """Ask cvc5, which has to be installed."""
    from rhscheck.checker.certify.cvc5_script import run_script, version  # noqa: PLC0415  here only

    emit(Named(f"cvc5 {version()}"))
    _ask(scripts, run_script, emit)


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
    for run in shown:
        try:
            runs.check(system, woven((run.rule,)), run)
            emit(Held(f"run: {run.rule}"))
        except Refusal as refusal:
            emit(Refused(refusal.query, refusal.reason))


def _ask(scripts: tuple[Script, ...], run: Callable[[str], str], emit: Emit) -> None:
    for script in scripts:
        answers = run(script.text).split("\n")
        said = [line.strip() for line in answers if line.strip()]
        if len(said) != len(script.asks) or not {*said} <= {"sat", "unsat", "unknown"}:
            printed = " ".join(said)[:200]
            emit(Refused(f"{script.name}: {', '.join(script.asks)}", f"it prints {printed!r}"))
            continue
        for ask, answer in zip(script.asks, said, strict=True):
            query = f"{script.name}: {ask}"
            match answer:
                case "unsat":
                    emit(Held(query))
                case "sat":
                    step = _step(script, run) if ask == "consecution" else ""
                    emit(Refused(query + step, "sat"))
                case _:
                    emit(Undecided(query, "the solver does not know"))


def _step(script: Script, run: Callable[[str], str]) -> str:
    """Which transition leads out, as the end of a query's name; empty where none can be told."""
    names = [f"step.{at}" for at in range(len(script.steps)) if f" step.{at} " in script.text]
    options = "(set-option :produce-models true)\n"
    asked = f"{options}{script.text}(get-value ({' '.join(names)}))\n"
    values = run(asked)
    for name in names:
        if f"({name} true)" in values:
            return f": {script.steps[int(name.removeprefix('step.'))]}"
    return ""
