"""The processes that ask a solver: SMT-LIB scripts in, one answer for each question out.

Owns these entry points. Solvers see the scripts and nothing else; nothing of the spec is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rhscheck.checker.certify.answers import Emit, Held, Named, Refused, Undecided


@dataclass(frozen=True, slots=True)
class Script:
    """A script: `name` is its argument's, `asks` as in `form.Query`, `steps` names `step.K`."""

    name: str
    text: str
    asks: tuple[str, ...]
    steps: tuple[str, ...]


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
