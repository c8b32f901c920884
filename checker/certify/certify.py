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
from dataclasses import dataclass, replace
from pathlib import Path

from rhscheck.checker.certify import cvc5_script, form
from rhscheck.checker.certify.form import Argument, Certificate, Claim, Refusal, Shown
from rhscheck.checker.certify.jobs import Held, Invariants, Named, Refused, Script, Undecided
from rhscheck.checker.process import ChildFailure, Crew, Done, Ended, Failed, Job, Sent
from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.fingerprint import fingerprint
from rhscheck.spec.load import Loaded, load_texts
from rhscheck.spec.source import Source
from rhscheck.spec.system import System

Say = Callable[[str], None]
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
    expected: Loaded | None,
    say: Say,
    *,
    timeout_s: float | None = None,
) -> Certification:
    """Re-check the certificate in `folder`.

    `expected`: the spec that it has to be about, read with the certificate's settings; None: any.
    `timeout_s`: what has no answer then is undecided. Raises OSError where there is no certificate.
    """
    certificate: Certificate | None = None
    try:
        say("certify: hashes")
        certificate, files = form.read(folder)
        say("certify: the spec")
        system = _system(certificate, files)
        if expected is not None and fingerprint(expected.system) != fingerprint(system):
            raise Refusal("spec", "the certificate is about another spec, or other settings")
        _require_complete(certificate, system)
    except Refusal as refusal:
        objection = Objection("rhscheck", refusal.query, refusal.reason)
        return Certification(certificate, (), (objection,), (), ())
    return _checked(certificate, files, system, say, timeout_s)


# ---- what needs no solver ------------------------------------------------------------------------
def _system(certificate: Certificate, files: dict[str, bytes]) -> System:
    """The System of the certificate's texts, which has to be the one that it is about."""
    spec = certificate.spec
    texts = []
    for text in spec.texts:
        try:
            texts.append(Source(text.name, files[text.file].decode("utf-8")))
        except UnicodeDecodeError:
            raise Refusal("spec", f"{text.file} is no UTF-8 text") from None
    if not texts:
        raise Refusal("spec", "the certificate has no spec")
    try:
        system = load_texts(texts, spec.settings).system
    except SpecErrors as error:
        raise Refusal("spec", f"its texts are no spec: {error.diagnostics[0].message}") from None
    if fingerprint(system) != spec.system_sha256:
        raise Refusal(
            "spec",
            f"its texts mean another System than it is about (it was made by {certificate.tool})",
        )
    if system.name != spec.name:
        raise Refusal("spec", f"its texts are the spec {system.name}, not {spec.name}")
    known = {one.id for one in system.assumptions}
    for one in spec.assumptions:
        if one not in known:
            raise Refusal("spec", f"there is no assumption {one}")
    return system


def _require_complete(certificate: Certificate, system: System) -> None:
    """Raise Refusal unless all that the claims rest on is there and is asked."""
    rules = {rule.id: rule for rule in system.rules}
    arguments = {argument.id: argument for argument in certificate.arguments}
    if len(arguments) < len(certificate.arguments):
        raise Refusal("format", "two arguments have one name")
    for argument in certificate.arguments:
        for name in argument.woven:
            if name not in rules:
                raise Refusal(f"argument {argument.id}", f"there is no rule {name}")
        _require_asked(argument)
    seen: set[str] = set()
    named = [
        *(one.rule for one in certificate.claims),
        *(one.rule for one in certificate.runs),
        *(one.rule for one in certificate.uncertified),
    ]
    for name in named:
        if name not in rules or name in seen:
            raise Refusal(f"claim {name}", "there is no such rule, or two claims about it")
        seen.add(name)
    said: list[Claim | Shown] = [*certificate.claims, *certificate.runs]
    for one in said:
        rule = rules[one.rule]
        if (one.sentence, one.kind) != (rule.sentence, rule.kind):
            raise Refusal(f"claim {one.rule}", "the spec says something else")
        good = ("proved", "violated") if rule.kind != "can" else ("impossible", "witnessed")
        if one.verdict not in good:
            raise Refusal(f"claim {one.rule}", f"a rule of this kind is never {one.verdict}")
    for claim in certificate.claims:
        found = arguments.get(claim.argument)
        if found is None or not any(claim.rule in part.excludes for part in found.parts):
            raise Refusal(f"claim {claim.rule}", "no argument excludes it")
        if found.n is not None and found.n != claim.n:
            raise Refusal(
                f"claim {claim.rule}", f"it is about N={claim.n}, its argument about N={found.n}"
            )
        if isinstance(claim.n, int) and claim.n < 1:
            raise Refusal(f"claim {claim.rule}", f"{claim.n} is no number of instances")
        if (claim.time is not None) != (claim.kind == "within"):
            raise Refusal(f"claim {claim.rule}", "what it rests on is not said, or without need")


def _require_asked(argument: Argument) -> None:
    """Raise Refusal unless the scripts ask about initiation, consecution and all excluded rules."""
    wanted = {"initiation", "consecution"}
    wanted |= {f"safety: {rule}" for part in argument.parts for rule in part.excludes}
    for where, queries in (
        (argument.id, argument.queries),
        *((f"{argument.id} N={n}", asked) for n, asked in argument.instances.items()),
    ):
        missing = wanted - {ask for query in queries for ask in query.asks}
        if missing:
            raise Refusal(f"{where}: {min(missing)}", "no script asks that")


# ---- what the processes do -----------------------------------------------------------------------
def _checked(
    certificate: Certificate,
    files: dict[str, bytes],
    system: System,
    say: Say,
    timeout_s: float | None,
) -> Certification:
    scripts = tuple(_scripts(certificate, files))
    invariants = tuple(
        Invariants(
            argument.woven,
            argument.n,
            tuple(
                (part.invariant, files[part.invariant], part.excludes) for part in argument.parts
            ),
        )
        for argument in certificate.arguments
    )
    jobs = "rhscheck.checker.certify.jobs"
    work = {
        "enumeration": Job(
            f"{jobs}:by_enumeration",
            (system, certificate.spec.assumptions, invariants, certificate.runs),
        ),
        "z3": Job(f"{jobs}:by_z3", (scripts,)),
    }
    notes = []
    if cvc5_script.installed():
        work["cvc5"] = Job(f"{jobs}:by_cvc5", (scripts,))
    else:
        notes.append(NO_SECOND_SOLVER)
    timed = [claim.rule for claim in certificate.claims if claim.time == "verify"]
    if timed:
        notes.append(
            "that time cannot stop, which a bounded response needs, was proved when the "
            f"certificate was written and is not part of it: {', '.join(timed)}"
        )
    expected = {
        "enumeration": sum(len(one.parts) for one in invariants) + len(certificate.runs),
        "z3": sum(len(script.asks) for script in scripts),
    }
    expected["cvc5"] = expected["z3"]
    checkers = {name: Checker(name, 0, 0, 0.0) for name in work}
    refused: dict[str, list[Objection]] = {name: [] for name in work}
    undecided: dict[str, list[Objection]] = {name: [] for name in work}
    began = time.monotonic()
    until = None if timeout_s is None else began + timeout_s
    ended: set[str] = set()
    with Crew() as crew:
        for name, job in work.items():
            crew.start(name, job)
        say(f"certify: {', '.join(work)}")
        for child, message in crew.messages(until):
            checker = checkers[child.name]
            match message:
                case Sent(Named(full)):
                    checkers[child.name] = replace(checker, name=full)
                case Sent(Held(query, states)):
                    say(f"{checker.name}: {query}")
                    checkers[child.name] = replace(
                        checker, queries=checker.queries + 1, states=checker.states + states
                    )
                case Sent(Refused(query, reason)):
                    refused[child.name].append(Objection(checker.name, query, reason))
                case Sent(Undecided(query, reason)):
                    undecided[child.name].append(Objection(checker.name, query, reason))
                case Done():
                    ended.add(child.name)
                    seconds = time.monotonic() - began
                    checkers[child.name] = replace(checker, seconds=seconds)
                case Failed():
                    raise ChildFailure(child.name, message)
                case Ended(reason):
                    ended.add(child.name)
                    undecided[child.name].append(Objection(checker.name, "everything else", reason))
                case _:
                    raise AssertionError(f"{child.name} says {message!r}")
    for name in work:
        if name not in ended:
            late = f"time-out after {timeout_s:g} s"
            undecided[name].append(Objection(checkers[name].name, "everything else", late))
        elif not refused[name] and not undecided[name] and checkers[name].queries != expected[name]:
            raise AssertionError(f"{name} did not answer everything")
    return Certification(
        certificate,
        tuple(checkers.values()),
        tuple(one for objections in refused.values() for one in objections),
        tuple(one for objections in undecided.values() for one in objections),
        tuple(notes),
    )


def _scripts(certificate: Certificate, files: dict[str, bytes]) -> Iterator[Script]:
    for argument in certificate.arguments:
        groups = [(argument.id, argument.queries, argument.steps)]
        groups += [
            (f"{argument.id} N={n}", queries, ()) for n, queries in argument.instances.items()
        ]
        for name, queries, steps in groups:
            for query in queries:
                text = files[query.file].decode("utf-8", "replace")
                yield Script(name, text, query.asks, steps)
