"""The processes that ask a solver: SMT-LIB scripts in, one answer for each question out.

Owns these entry points, and what a script may say. Solvers see the scripts and nothing else;
nothing of the spec is loaded. A script states what would be wrong, each under a literal of its own,
and asks whether that can be; states what is known, and asks whether that can be; then asks for both
together, and states nothing more. So a script cannot be empty of sense by a contradiction in only
one of its halves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rhscheck.checker.certify.answers import (
    Emit,
    Finished,
    Held,
    Named,
    Of,
    Refused,
    Said,
    Undecided,
)


@dataclass(frozen=True, slots=True)
class Script:
    """A script: `name` is its argument's, `asks` are (question, answer), `steps` names `step.K`."""

    name: str
    text: str
    asks: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]


class Foreign(Exception):  # noqa: N818 - a result, not an error of the program
    """What has no place in a script; the message is its beginning."""


# What a question takes. Others could write files, read them, or print answers nobody gave.
_COMMANDS = {
    "set-logic": "s",
    "set-info": "s",
    "declare-fun": "s",
    "assert": "a",
    "check-sat": "c",
    "check-sat-assuming": "q",
}
# A quoted symbol, a string, a comment, a parenthesis, white space, or a word.
_TOKEN = re.compile(r'\|[^|]*\||"(?:[^"]|"")*"|;[^\n]*|[()]|\s+|[^\s()|";]+')
_MOST_NESTED = 100_000  # parentheses; a parser that recurses must survive it
# Declarations; what would be wrong, asked by itself; what is known, asked; both together.
_SHAPE = re.compile("s*(a*)(q*)(a*)c(q+)")


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a script (their letters), and their text as far as it is on one line.

    Raises Foreign for the first that is not one of ours. No symbol or string spans lines.
    """
    depth = 0
    for line in text.split("\n"):
        if depth > 0:
            # Most lines are in the middle of an assertion, and cannot end it.
            pieces = line.split("|")
            bare = "".join(pieces[::2])
            if len(pieces) % 2 and '"' not in bare and ";" not in bare:
                closed = bare.count(")")
                if closed < depth:
                    depth += bare.count("(") - closed
                    if depth > _MOST_NESTED:
                        raise Foreign("(" * 40)
                    continue
        at, opened = 0, False
        while at < len(line):
            found = _TOKEN.match(line, at)
            if found is None:
                raise Foreign(line[at : at + 20])  # a symbol or string that never ends
            at = found.end()
            token = found[0]
            if token.isspace() or token.startswith(";"):
                continue
            if depth == 0 and token != "(":
                raise Foreign(token[:40])
            if opened:
                if token not in _COMMANDS:
                    raise Foreign(token[:40])
                yield _COMMANDS[token], line[at:]
            opened = depth == 0 and token == "("
            depth += (token == "(") - (token == ")")
        if opened:
            raise Foreign("(")
    if depth > 0:
        raise Foreign("(" * min(depth, 40))


def foreign(text: str, asks: int) -> str | None:
    """What has no place in a script that asks so many questions; None if nothing has."""
    try:
        found = list(commands(text))
    except Foreign as reason:
        return f"`{reason}` has no place in a script"
    shape = _SHAPE.fullmatch("".join(letter for letter, _ in found))
    if shape is None:
        return "it does not state first and ask then"
    wrong, alone, _, final = shape.groups()
    literals = [rest for letter, rest in found if letter == "q"]
    if len(wrong) < len(final) or len(alone) not in (0, len(final)):
        return "it does not ask each question by itself"
    if alone and literals[: len(alone)] != literals[len(alone) :]:
        return "its questions are not those of its conclusions"
    if len(literals) + 1 != asks:
        return "it does not ask as often as the certificate says"
    return None


Scripts = tuple[tuple[Script, ...], ...]  # of each certificate


def by_z3(scripts: Scripts, emit: Emit) -> None:
    """Ask z3."""
    from rhscheck.checker.smt.solve import run_script, version  # noqa: PLC0415  here only

    emit(Named(f"z3 {version()}"))
    _ask_all(scripts, run_script, emit)


def by_cvc5(scripts: Scripts, emit: Emit) -> None:
    """Ask cvc5, which has to be installed."""
    from rhscheck.checker.certify.cvc5_script import run_script, version  # noqa: PLC0415  here only

    emit(Named(f"cvc5 {version()}"))
    _ask_all(scripts, run_script, emit)


def _ask_all(scripts: Scripts, run: Callable[[str], str], emit: Emit) -> None:
    """Ask what several certificates have in common, to the letter, once."""
    known: dict[Script, tuple[Said, ...]] = {}
    for at, asked in enumerate(scripts):
        for script in asked:
            if script not in known:
                known[script] = tuple(_ask(script, run))
            for said in known[script]:
                emit(Of(at, said))
        emit(Of(at, Finished()))


def _ask(script: Script, run: Callable[[str], str]) -> Iterator[Said]:
    questions = ", ".join(question for question, _ in script.asks[-1:])
    why = foreign(script.text, len(script.asks))
    if why is not None:
        yield Refused(f"{script.name}: {questions}", why)
        return
    answers = run(script.text).split("\n")
    said = [line.strip() for line in answers if line.strip()]
    if len(said) != len(script.asks) or not {*said} <= {"sat", "unsat", "unknown"}:
        printed = " ".join(said)[:200]
        yield Refused(f"{script.name}: {questions}", f"it prints {printed!r}")
        return
    for (question, expected), answer in zip(script.asks, said, strict=True):
        query = f"{script.name}: {question}"
        if answer == expected:
            yield Held(query)
        elif answer == "unknown":
            yield Undecided(query, "the solver does not know")
        else:
            wrong = question == "consecution" and answer == "sat"
            yield Refused(query + (_step(script, run) if wrong else ""), answer)


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
