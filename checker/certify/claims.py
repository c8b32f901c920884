"""What a certificate has to hold before anyone is asked: its spec, and all that its claims rest on.

Owns the structure of the argument: which invariant, about how many instances, asked which
questions, carries which claim. Whether the answers are right is for solvers and enumeration.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from rhscheck.checker.certify.form import Argument, Certificate, Claim, Query, Refusal, Shown
from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.fingerprint import fingerprint
from rhscheck.spec.load import load_texts
from rhscheck.spec.source import Source
from rhscheck.spec.system import LeadsTo, Rule, System, Within

# Ends of questions: can what is known be by itself, can what would be wrong?
PREMISES: Final = ", premises"
CONCLUSION: Final = ", conclusion"


def system_of(certificate: Certificate, files: Mapping[str, bytes]) -> System:
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
        _require_pairs(argument)
        if argument.progress and not argument.parts:
            raise Refusal(f"argument {argument.id}", "nothing shows that time cannot stop")
        for name in argument.woven:
            if name not in rules:
                raise Refusal(f"argument {argument.id}", f"there is no rule {name}")
        ranking = argument.ranking
        if ranking is None:
            continue
        rule = rules.get(ranking.rule)
        if rule is None or not isinstance(rule.obligation, LeadsTo):
            raise Refusal(f"argument {argument.id}", f"{ranking.rule} is no `leads to`")
        if argument.woven or argument.progress or len(argument.parts) != 1:
            raise Refusal(f"argument {argument.id}", "a ranking has an invariant of its own")
        if argument.parts[0].excludes:
            raise Refusal(f"argument {argument.id}", "a ranking excludes no states")
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
    if not certificate.claims and not certificate.runs:
        raise Refusal("claims", "it claims nothing: it has no proof and no run")
    for name in rules:
        if name not in seen:
            raise Refusal(f"claim {name}", "the certificate does not say that it leaves it out")
    said: list[Claim | Shown] = [*certificate.claims, *certificate.runs]
    for one in said:
        rule = rules[one.rule]
        if (one.sentence, one.kind) != (rule.sentence, rule.kind):
            raise Refusal(f"claim {one.rule}", "the spec says something else")
        good = ("proved", "violated") if rule.kind != "can" else ("impossible", "witnessed")
        if one.verdict not in good:
            raise Refusal(f"claim {one.rule}", f"a rule of this kind is never {one.verdict}")
    for claim in certificate.claims:
        _require_shown(claim, rules[claim.rule], arguments)


def _require_pairs(argument: Argument) -> None:
    """Raise Refusal for an invariant of pairs that is asked about other numbers than it says."""
    most = argument.pairs
    if most is None:
        return
    if (
        argument.n is not None
        or len(argument.parts) != 1
        or argument.progress
        or argument.ranking is not None
        or argument.queries
        or argument.steps
        or not argument.parts[0].excludes
    ):
        raise Refusal(f"argument {argument.id}", "pairs of instances show one thing, for every N")
    if sorted(argument.instances) != [*range(2, most + 1)]:
        raise Refusal(f"argument {argument.id}", f"it is not asked for 2 to {most} instances")


def _require_shown(claim: Claim, rule: Rule, arguments: Mapping[str, Argument]) -> None:
    """Raise Refusal unless the arguments of a claim are about it."""
    endless = isinstance(rule.obligation, LeadsTo)
    found = [arguments[one] for one in claim.arguments if one in arguments]
    fitting = [
        one
        for one in found
        if (one.ranking is not None and one.ranking.rule == claim.rule)
        or any(claim.rule in part.excludes for part in one.parts)
    ]
    if not found or len(fitting) < len(claim.arguments):
        raise Refusal(f"claim {claim.rule}", "no argument excludes it")
    if any(one.pairs is not None for one in found):
        _require_pairs_and_one(claim, found)
        return
    if len(found) > 1 and not endless:
        raise Refusal(f"claim {claim.rule}", "no argument excludes it")
    for one in found:
        if (one.ranking is None) == endless:
            raise Refusal(f"claim {claim.rule}", "its argument is one for other rules")
        if one.n is not None and one.n != claim.n:
            raise Refusal(
                f"claim {claim.rule}", f"it is about N={claim.n}, its argument about N={one.n}"
            )
    if len({one.n for one in found}) > 1:
        raise Refusal(f"claim {claim.rule}", "its arguments are about different numbers")
    if (claim.time is not None) != isinstance(rule.obligation, Within | LeadsTo):
        raise Refusal(f"claim {claim.rule}", "what it rests on is not said, or without need")
    if claim.time not in (None, "verify"):
        shows = arguments.get(claim.time or "")
        if shows is None or not shows.progress or shows.n not in (None, claim.n):
            raise Refusal(f"claim {claim.rule}", "no argument shows that time cannot stop")


def _require_pairs_and_one(claim: Claim, found: Sequence[Argument]) -> None:
    """Raise Refusal unless pairs of instances, and one instance alone, exclude a claim."""
    alone = [one for one in found if one.pairs is None]
    if len(found) != 2 or len(alone) != 1 or (alone[0].n, alone[0].ranking) != (1, None):
        raise Refusal(f"claim {claim.rule}", "beside pairs it needs an argument about one instance")
    if claim.time is not None:
        raise Refusal(f"claim {claim.rule}", "pairs of instances do not show that time cannot stop")


def _require_shape(where: str, query: Query) -> None:
    """Raise Refusal unless a script asks first for sense, then for what it is there for."""
    asks = list(query.asks)
    at = next((k for k, ask in enumerate(asks) if ask.question.endswith(PREMISES)), None)
    if at is None:
        raise Refusal(f"{where}: {query.file}", "it does not ask whether its premises can be")
    final = asks[at + 1 :]
    alone = [f"{ask.question}{CONCLUSION}" for ask in final]
    if at and [ask.question for ask in asks[:at]] != alone:
        raise Refusal(f"{where}: {query.file}", "its questions are not those of its conclusions")
    if not at and not asks[0].question.startswith("ranking: "):
        raise Refusal(f"{where}: {query.file}", "it does not ask whether its conclusions can be")
    for ask in final:
        if ask.answer != "unsat" or ask.question.endswith((PREMISES, CONCLUSION)):
            raise Refusal(f"{where}: {ask.question}", "its answer proves nothing")


def require_asked(argument: Argument, ranking: Collection[str], *, timed: bool) -> None:
    """Raise Refusal unless the scripts ask all that an argument needs.

    That is initiation, consecution (`timed`: also by delay), all excluded rules, and what its
    `ranking` needs.
    """
    wanted = {"initiation", "consecution"}
    wanted |= {"consecution: delay"} if timed else set()
    wanted |= {f"safety: {rule}" for part in argument.parts for rule in part.excludes}
    groups = [(f"{argument.id} N={n}", asked, wanted) for n, asked in argument.instances.items()]
    if argument.pairs is None:
        groups.insert(0, (argument.id, argument.queries, wanted | {*ranking}))
    for where, queries, needed in groups:
        for query in queries:
            _require_shape(where, query)
        missing = needed - {ask.question for query in queries for ask in query.asks}
        if missing:
            raise Refusal(f"{where}: {min(missing)}", "no script asks that")
