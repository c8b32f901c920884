"""The re-check of a certificate: hashes, the spec, then every claim by whoever can judge it.

Owns the order of the checks, what has to be asked for which claim, and the processes that ask: z3,
cvc5 where it is installed, and the enumeration, each in a fresh one. Nobody is believed alone: a
claim holds if no one refuses it and enumeration and z3 both answered all that it rests on. Knows no
rendering.

Nothing here, nor below, imports the engines or the encoding into formulas: an import contract says
so, since an encoder's error must not certify itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from rhscheck.checker.certify import cvc5_script, form
from rhscheck.checker.certify.answers import (
    Finished,
    Held,
    Named,
    Of,
    Refused,
    Said,
    Undecided,
    Unfit,
    Work,
)
from rhscheck.checker.certify.form import Certificate, Refusal
from rhscheck.checker.certify.solvers import Script
from rhscheck.checker.process import ChildFailure, Crew, Done, Ended, Failed, Job, Sent

Say = Callable[[str], None]
_JOBS = "rhscheck.checker.certify"
_ORDER = ("enumeration", "z3", "cvc5")  # in reports
NO_SECOND_SOLVER = (
    "cvc5 is not installed: only one solver checked; install it with "
    "pip install 'rhscheck[certify]'"
)


class CannotReadError(Exception):
    """`folder` holds nothing to judge: `reason`."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"cannot read the certificate in {folder}: {reason}")


@dataclass(frozen=True, slots=True)
class Checker:
    """What one of them did. `queries` held; `states` were looked at (enumeration only)."""

    name: str
    queries: int
    states: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Objection:
    """Who refuses (or does not know), at which query, and why."""

    by: str
    query: str
    reason: str


@dataclass(frozen=True, slots=True)
class Certification:
    """The outcome. `certificate` None: it could not even be read as one.

    `refused`: none if everything holds. `undecided`: nobody refused, but these had no answer.
    `notes`: what was not checked, and what a claim rests on beside the certificate.
    """

    certificate: Certificate | None
    checkers: tuple[Checker, ...]
    refused: tuple[Objection, ...]
    undecided: tuple[Objection, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every claim was checked and none refused."""
        return self.certificate is not None and not self.refused and not self.undecided


def certify(
    folder: Path,
    expected: str | None,
    say: Say,
    *,
    timeout_s: float | None = None,
) -> Certification:
    """`certify_all` of one."""
    (only,) = certify_all([folder], [expected], say, timeout_s=timeout_s)
    return only


def certify_all(
    folders: Sequence[Path],
    expected: Sequence[str | None],
    say: Say,
    *,
    timeout_s: float | None = None,
) -> tuple[Certification, ...]:
    """Re-check the certificates in `folders`; what they have in common is asked once.

    `expected`: for each, the hash of the System that it has to be about, read with the
    certificate's settings (`spec.fingerprint`); None: any.
    `timeout_s`: what has no answer then is undecided. Raises CannotReadError before any question.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    say("certify: hashes")
    cases = [_Case.read(folder, wanted) for folder, wanted in zip(folders, expected, strict=True)]
    asked = [case for case in cases if case.objection is None]
    if asked:
        with Crew() as crew:
            hearing = _Hearing(crew, say, asked)
            # The one that takes longest starts first.
            works = tuple(case.work for case in asked)
            looks = [case.looks for case in asked]
            hearing.ask("enumeration", Job(f"{_JOBS}.enumeration:by_enumeration", (works,)), looks)
            scripts = tuple(case.scripts for case in asked)
            asks = [sum(len(script.asks) for script in one) for one in scripts]
            if cvc5_script.installed():
                hearing.ask("cvc5", Job(f"{_JOBS}.solvers:by_cvc5", (scripts,)), asks)
            hearing.ask("z3", Job(f"{_JOBS}.solvers:by_z3", (scripts,)), asks)
            hearing.listen(until, f"time-out after {timeout_s or 0:g} s")
    return tuple(case.concluded() for case in cases)


@dataclass(slots=True)
class _Case:
    """One certificate. `objection`: why it cannot be judged; then nobody else is believed."""

    certificate: Certificate | None
    files: dict[str, bytes]
    expected: str | None
    objection: Objection | None = None
    heard: dict[str, _Heard] = field(default_factory=dict)

    @staticmethod
    def read(folder: Path, expected: str | None) -> _Case:
        """The certificate of a folder. Raises CannotReadError where there is none."""
        try:
            certificate, files = form.read(folder)
        except Refusal as refusal:
            objection = Objection("rhscheck", refusal.query, refusal.reason)
            return _Case(None, {}, expected, objection)
        except OSError as error:
            raise CannotReadError(folder, error.strerror or str(error)) from None
        except ValueError as error:
            raise CannotReadError(folder, str(error)) from None
        return _Case(certificate, files, expected)

    @property
    def made(self) -> Certificate:
        """What was read."""
        assert self.certificate is not None
        return self.certificate

    @property
    def work(self) -> Work:
        """What the enumeration sees."""
        asked = {query.file for query in form.queries(self.made)}
        rest = {path: data for path, data in self.files.items() if path not in asked}
        return Work(self.made, rest, self.expected)

    @property
    def looks(self) -> int:
        """How many answers the enumeration owes."""
        return sum(len(one.parts) for one in self.made.arguments) + len(self.made.runs)

    @property
    def scripts(self) -> tuple[Script, ...]:
        """What the solvers see."""
        return tuple(_scripts(self.made, self.files))

    def concluded(self) -> Certification:
        """What was heard of it."""
        if self.objection is not None:
            return Certification(self.certificate, (), (self.objection,), (), ())
        heard = [self.heard[name] for name in _ORDER if name in self.heard]
        return Certification(
            self.certificate,
            tuple(Checker(one.name, one.held, one.states, one.seconds) for one in heard),
            tuple(objection for one in heard for objection in one.refused),
            tuple(objection for one in heard for objection in one.undecided),
            tuple(_notes(self.made)),
        )


def _notes(certificate: Certificate) -> Iterator[str]:
    """What the claims rest on beside what was checked."""
    if not cvc5_script.installed():
        yield NO_SECOND_SOLVER
    timed = [claim.rule for claim in certificate.claims if claim.time == "verify"]
    if timed:
        yield (
            "that time cannot stop, which a bounded response needs, was proved when the "
            f"certificate was written and is not part of it: {', '.join(timed)}"
        )


# ---- what the processes say ----------------------------------------------------------------------
@dataclass(slots=True)
class _Heard:
    """What one of them said about one certificate so far. `wanted`: how many answers it owes."""

    name: str
    wanted: int
    held: int = 0
    states: int = 0
    seconds: float = 0.0
    ended: bool = False
    refused: list[Objection] = field(default_factory=list)
    undecided: list[Objection] = field(default_factory=list)

    def take(self, said: Held | Refused | Undecided) -> None:
        """Note one answer."""
        match said:
            case Held(_, states):
                self.held += 1
                self.states += states
            case Refused(query, reason):
                self.refused.append(Objection(self.name, query, reason))
            case Undecided(query, reason):
                self.undecided.append(Objection(self.name, query, reason))
            case _:
                assert_never(said)

    def silent(self, reason: str) -> None:
        """Nothing more is to be heard."""
        self.ended = True
        self.undecided.append(Objection(self.name, "everything else", reason))


@dataclass(slots=True)
class _Hearing:
    crew: Crew
    say: Say
    cases: Sequence[_Case]
    _since: dict[str, float] = field(default_factory=dict)  # that it looks at this certificate

    def ask(self, name: str, job: Job, wanted: Sequence[int]) -> None:
        """Start one of them. `wanted`: for each certificate, how many answers it owes."""
        for case, owed in zip(self.cases, wanted, strict=True):
            case.heard[name] = _Heard(name, owed)
        self._since[name] = time.monotonic()
        self.crew.start(name, job)

    def listen(self, until: float | None, late: str) -> None:
        """Hear all of them out, or until the clock says so. Raises ChildFailure.

        Where a certificate cannot be judged nobody else is listened to about it.
        """
        self.say(f"certify: {', '.join(self._since)}")
        for child, message in self.crew.messages(until):
            match message:
                case Sent(Named(full)):
                    for case in self.cases:
                        case.heard[child.name].name = full
                case Sent(Of(at, said)):
                    self._hear(child.name, self.cases[at], said)
                case Done():
                    # What it owes is counted below.
                    if not all(case.heard[child.name].ended for case in self.cases):
                        raise AssertionError(f"{child.name} left before it had finished")
                case Failed():
                    raise ChildFailure(child.name, message)
                case Ended(reason):
                    for case in self.cases:
                        if not case.heard[child.name].ended:
                            case.heard[child.name].silent(reason)
                case _:
                    raise AssertionError(f"{child.name} says {message!r}")
            if all(case.objection is not None for case in self.cases):
                return
        for case in self.cases:
            for one in case.heard.values() if case.objection is None else ():
                if not one.ended:
                    one.silent(late)
                elif not one.refused and not one.undecided and one.held != one.wanted:
                    raise AssertionError(f"{one.name} did not answer everything")

    def _hear(self, name: str, case: _Case, said: Said) -> None:
        one = case.heard[name]
        match said:
            case Unfit(query, reason):
                case.objection = Objection("rhscheck", query, reason)
            case Finished():
                one.ended = True
                now = time.monotonic()
                one.seconds, self._since[name] = now - self._since[name], now
            case Held() | Refused() | Undecided():
                if isinstance(said, Held):
                    self.say(f"{one.name}: {said.query}")
                one.take(said)
            case _:
                assert_never(said)


# ---- what they are asked -------------------------------------------------------------------------
def _scripts(certificate: Certificate, files: dict[str, bytes]) -> Iterator[Script]:
    for argument in certificate.arguments:
        groups = [(argument.id, argument.queries, argument.steps)]
        groups += [
            (f"{argument.id} N={n}", queries, ()) for n, queries in argument.instances.items()
        ]
        for name, queries, steps in groups:
            for query in queries:
                text = files[query.file].decode("utf-8", "replace")
                asks = tuple((ask.question, ask.answer) for ask in query.asks)
                yield Script(name, text, asks, steps)
