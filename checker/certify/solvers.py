"""The processes that ask a solver: SMT-LIB scripts in, one answer for each question out.

Owns these entry points. Solvers see the scripts and nothing else; nothing of the spec is loaded.
"""

from __future__ import annotations

import re
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


# What a question takes. Others could write files, read them, or print answers nobody gave.
_COMMANDS = frozenset(
    ("set-logic", "set-info", "declare-fun", "assert", "check-sat", "check-sat-assuming")
)
# A quoted symbol, a string, a comment, a parenthesis, white space, or a word.
_TOKEN = re.compile(r'\|[^|]*\||"(?:[^"]|"")*"|;[^\n]*|[()]|\s+|[^\s()|";]+')


def foreign_command(text: str) -> str | None:
    """The first command of a script that is not one of ours; None if there is none."""
    depth, at, opened = 0, 0, False
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return text[at : at + 20]  # a symbol or string that never ends
        at = found.end()
        token = found[0]
        if token.isspace() or token.startswith(";"):
            continue
        if depth == 0 and token != "(":
            return token[:40]
        if opened and token not in _COMMANDS:
            return token[:40]
        opened = depth == 0 and token == "("
        depth += (token == "(") - (token == ")")
    return None if depth == 0 else "(" * depth


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
        foreign = foreign_command(script.text)
        if foreign is not None:
            asks = ", ".join(script.asks)
            emit(Refused(f"{script.name}: {asks}", f"`{foreign}` has no place in a script"))
            continue
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
