"""What a certificate has to hold before anyone is asked: its spec, and all that its claims rest on.

Owns the structure of the argument: which invariant, about how many instances, asked which
questions, carries which claim. Whether the answers are right is for solvers and enumeration.
"""

from __future__ import annotations

from rhscheck.checker.certify.form import Argument, Certificate, Claim, Refusal, Shown
from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.fingerprint import fingerprint
from rhscheck.spec.load import load_texts
from rhscheck.spec.source import Source
from rhscheck.spec.system import System


def system_of(certificate: Certificate, files: dict[str, bytes]) -> System:
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


def require_complete(certificate: Certificate, system: System) -> None:
    """Raise Refusal unless all that the claims rest on is there and is asked."""
    rules = {rule.id: rule for rule in system.rules}
    arguments = {argument.id: argument for argument in certificate.arguments}
    if len(arguments) < len(certificate.arguments):
        raise Refusal("format", "two arguments have one name")
    for argument in certificate.arguments:
        if argument.progress and not argument.parts:
            raise Refusal(f"argument {argument.id}", "nothing shows that time cannot stop")
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
        if claim.time not in (None, "verify"):
            shows = arguments.get(claim.time or "")
            if shows is None or not shows.progress or shows.n not in (None, claim.n):
                raise Refusal(f"claim {claim.rule}", "no argument shows that time cannot stop")


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
