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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rhscheck.checker.certify import cvc5_script, form
from rhscheck.checker.certify.answers import Held, Named, Refused, Undecided, Unfit
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
    """Re-check the certificate in `folder`.

    `expected`: the hash of the System that it has to be about, read with the certificate's
    settings (`spec.fingerprint`); None: any.
    `timeout_s`: what has no answer then is undecided. Raises OSError where there is no certificate.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    certificate: Certificate | None = None
    try:
        say("certify: hashes")
        certificate, files = form.read(folder)
        scripts = tuple(_scripts(certificate, files))
        asked = {query.file for query in form.queries(certificate)}
        rest = {path: data for path, data in files.items() if path not in asked}
        with Crew() as crew:
            hearing = _Hearing(crew, say)
            about = (certificate, rest, expected)  # the one that takes longest starts first
            looks = sum(len(one.parts) for one in certificate.arguments) + len(certificate.runs)
            hearing.ask("enumeration", Job(f"{_JOBS}.enumeration:by_enumeration", about), looks)
            if cvc5_script.installed():
                hearing.ask("cvc5", Job(f"{_JOBS}.solvers:by_cvc5", (scripts,)), _asks(scripts))
            hearing.ask("z3", Job(f"{_JOBS}.solvers:by_z3", (scripts,)), _asks(scripts))
            hearing.listen(until, f"time-out after {timeout_s or 0:g} s")
    except Refusal as refusal:
        objection = Objection("rhscheck", refusal.query, refusal.reason)
        return Certification(certificate, (), (objection,), (), ())
    heard = [hearing.heard[name] for name in _ORDER if name in hearing.heard]
    return Certification(
        certificate,
        tuple(Checker(one.name, one.held, one.states, one.seconds) for one in heard),
        tuple(objection for one in heard for objection in one.refused),
        tuple(objection for one in heard for objection in one.undecided),
        tuple(_notes(certificate)),
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
    """What one of them said so far. `wanted`: how many answers it owes."""

    name: str
    wanted: int
    held: int = 0
    states: int = 0
    seconds: float = 0.0
    ended: bool = False
    refused: list[Objection] = field(default_factory=list)
    undecided: list[Objection] = field(default_factory=list)


@dataclass(slots=True)
class _Hearing:
    crew: Crew
    say: Say
    began: float = field(default_factory=time.monotonic)
    heard: dict[str, _Heard] = field(default_factory=dict)

    def ask(self, name: str, job: Job, wanted: int) -> None:
        """Start one of them."""
        self.heard[name] = _Heard(name, wanted)
        self.crew.start(name, job)

    def listen(self, until: float | None, late: str) -> None:
        """Hear all of them out, or until the clock says so.

        Raises ChildFailure, and Refusal where the certificate cannot be judged: nobody else is
        listened to then.
        """
        self.say(f"certify: {', '.join(self.heard)}")
        for child, message in self.crew.messages(until):
            one = self.heard[child.name]
            match message:
                case Sent(Named(full)):
                    one.name = full
                case Sent(Held(query, states)):
                    self.say(f"{one.name}: {query}")
                    one.held += 1
                    one.states += states
                case Sent(Refused(query, reason)):
                    one.refused.append(Objection(one.name, query, reason))
                case Sent(Unfit(query, reason)):
                    raise Refusal(query, reason)
                case Sent(Undecided(query, reason)):
                    one.undecided.append(Objection(one.name, query, reason))
                case Done():
                    one.ended = True
                    one.seconds = time.monotonic() - self.began
                case Failed():
                    raise ChildFailure(child.name, message)
                case Ended(reason):
                    one.ended = True
                    one.undecided.append(Objection(one.name, "everything else", reason))
                case _:
                    raise AssertionError(f"{child.name} says {message!r}")
        for one in self.heard.values():
            if not one.ended:
                one.undecided.append(Objection(one.name, "everything else", late))
            elif not one.refused and not one.undecided and one.held != one.wanted:
                raise AssertionError(f"{one.name} did not answer everything")


# ---- what they are asked -------------------------------------------------------------------------
def _asks(scripts: tuple[Script, ...]) -> int:
    return sum(len(script.asks) for script in scripts)


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
