"""Rankings of `leads to` in certificates: what is written is accepted, and nothing else is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from crew_here import certified_here
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from liveness_referee import Referee, TooLarge
from random_systems import Shape, fair_rules, systems

from rhscheck.checker.certificate import build
from rhscheck.checker.certify import cvc5_script, form
from rhscheck.checker.certify.answers import Of, Refused, Unfit, Work
from rhscheck.checker.certify.certify import Certification
from rhscheck.checker.certify.enumeration import by_enumeration
from rhscheck.checker.certify.form import Certificate, Layer, RankingFile, Refusal
from rhscheck.checker.certify.possible import NotExpressible
from rhscheck.checker.certify.ranking import require_ranking
from rhscheck.checker.certify.referee import Judge
from rhscheck.checker.established import answered
from rhscheck.checker.fairness import fairness_debts
from rhscheck.checker.live import Answered, settle
from rhscheck.checker.proofs import skeleton
from rhscheck.checker.recheck_ranking import Ranking
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.expr import TRUE
from rhscheck.spec.fingerprint import fingerprint
from rhscheck.spec.ground import ground
from rhscheck.spec.load import Loaded, load, load_source
from rhscheck.spec.obligations import UnweavableError
from rhscheck.spec.rules import weave_leads_to
from rhscheck.spec.source import Source
from rhscheck.spec.system import Rule, System

SOLVERS = ("z3", "cvc5") if cvc5_script.installed() else ("z3",)


def of(text: str) -> Loaded:
    return load_source(Source("t.sm", text))


def made(loaded: Loaded, rule: str, n: int | None = None) -> tuple[Certificate, dict[str, bytes]]:
    """The certificate of one rule, which has to be proved."""
    report = verify(loaded.system, Options(rules=(rule,), n=n, findings=False, certificate=True))
    certificate, files = build(loaded, {}, report, "rhscheck under test")
    assert [one.rule for one in certificate.claims] == [rule]
    return certificate, files


def enumerated(certificate: Certificate, files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """What the enumeration refuses."""
    said: list[object] = []
    by_enumeration([Work(certificate, files, None)], said.append)
    each = [one.said for one in said if isinstance(one, Of)]
    return [(type(one).__name__, one.query) for one in each if isinstance(one, Refused | Unfit)]


def judged(
    folder: Path, certificate: Certificate, files: Mapping[str, bytes]
) -> list[tuple[str, str]]:
    """Who refuses what, all hashes being right."""
    hashes = {path: form.sha256(data) for path, data in files.items()}
    folder.mkdir()
    form.write(folder, msgspec.structs.replace(certificate, files=hashes), files)
    done: Certification = certified_here(folder)
    return [(one.by.split(" ")[0], one.query) for one in (*done.refused, *done.undecided)]


TIMED = """spec t
actors {{ host H, plugin P }}
entry Go returns {{ ok }} timeout 5s
machine M {{
  initial state Off {{ by H: call Go -> On }}
  state On {{
    {body}
  }}
  state Done
}}
rules M {{
  {fair}
  rule Ends "it ends": when in On leads to in Done
}}
"""
STRONG = """spec t
actors { host H, plugin P }
entry Go returns { ok, bad }
machine M[i in 1..N] {
  initial state Off { by H: call Go -> On }
  state On {
    return Go(ok) -> Done
    return Go(bad) -> Off
  }
  state Done
}
rules M {
  fair H: call Go
  strong fair P: return Go(ok)
  rule Ends: when in On leads to in Done
}
"""
TWO_STEPS = """spec t
actors { plugin P }
machine M[i in 1..N] {
  initial state A { by P: one -> B }
  state B { by P: two -> C }
  state C { by P: three -> C }
}
rules M {
  fair P: one, two
  rule Ends: when in A leads to in C
}
"""


@pytest.mark.parametrize(
    ("loaded", "rule"),
    [
        (load("semaphore"), "Accessible"),
        (load("semaphore"), "Leaves"),
        (load("two_phase"), "Learns"),
        (of(TIMED.format(body="return Go(ok) -> Done\n on timeout Go -> Done", fair="")), "Ends"),
        (of(TIMED.format(body="return Go(ok)\n by P: done -> Done", fair="fair P: done")), "Ends"),
        (
            of(
                TIMED.format(
                    body="return Go(ok)\n on timeout Go\n after 30s by P: done -> Done",
                    fair="fair P: done",
                )
            ),
            "Ends",
        ),
        (of(STRONG), "Ends"),
        (of(TWO_STEPS), "Ends"),
    ],
)
def test_what_is_proved_is_accepted(tmp_path: Path, loaded: Loaded, rule: str) -> None:
    certificate, files = made(loaded, rule)
    (claim,) = certificate.claims
    assert claim.time is not None
    shown = [one for one in certificate.arguments if one.ranking is not None]
    assert len(shown) == len(claim.arguments) >= 1
    assert judged(tmp_path / "c", certificate, files) == []


# ---- nothing else is -----------------------------------------------------------------------------
@functools.cache
def strong() -> tuple[Certificate, Mapping[str, bytes]]:
    """A certificate with weak and strong layers; nobody changes it."""
    return made(of(STRONG), "Ends")


@functools.cache
def two_steps() -> tuple[Certificate, Mapping[str, bytes]]:
    return made(of(TWO_STEPS), "Ends")


def layers(files: Mapping[str, bytes]) -> tuple[str, RankingFile]:
    (path,) = (one for one in files if one.startswith("rankings/"))
    return path, form.decoded(files[path], RankingFile, path)


def changed(
    given: tuple[Certificate, Mapping[str, bytes]],
    change: Callable[[tuple[Layer, ...]], tuple[Layer, ...]],
) -> list[tuple[str, str]]:
    certificate, files = given
    path, ranking = layers(files)
    forged = msgspec.structs.replace(ranking, layers=change(ranking.layers))
    return enumerated(certificate, {**files, path: form.encoded(forged)})


def other_debt(made: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return (msgspec.structs.replace(made[0], debt=made[1].debt), *made[1:])


def no_states(made: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return (msgspec.structs.replace(made[0], root=None), *made[1:])


def nested(made: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return (msgspec.structs.replace(made[0], within=made[1:]), *made[1:])


@pytest.mark.parametrize(
    ("change", "query"),
    [
        pytest.param(lambda made: (), "cover", id="none"),
        pytest.param(lambda made: made[:1], "cover", id="the first"),
        pytest.param(lambda made: made[1:], "stay: layer 0", id="the last"),
        pytest.param(lambda made: made[::-1], "stay: layer 0", id="backwards"),
        (no_states, "stay: layer 1"),
        (other_debt, "owed: layer 0"),
        (nested, "format"),
    ],
)
def test_other_layers_are_refused(
    change: Callable[[tuple[Layer, ...]], tuple[Layer, ...]], query: str
) -> None:
    """The two layers of two steps that have to be taken, one after the other."""
    assert len(layers(two_steps()[1])[1].layers) == 2
    assert changed(two_steps(), change) == [("Refused", f"rankings/A1.json: {query}")]


def test_a_strong_debt_is_no_weak_one() -> None:
    _, ranking = layers(strong()[1])
    (at,) = (number for number, layer in enumerate(ranking.layers) if layer.owing is not None)

    def without(made: tuple[Layer, ...]) -> tuple[Layer, ...]:
        return (*made[:at], msgspec.structs.replace(made[at], within=()), *made[at + 1 :])

    def all_owe(made: tuple[Layer, ...]) -> tuple[Layer, ...]:
        whole = msgspec.structs.replace(made[at], owing=made[at].root, within=())
        return (*made[:at], whole, *made[at + 1 :])

    assert changed(strong(), without) == [("Refused", f"rankings/A1.json: within: layer {at}")]
    assert changed(strong(), all_owe) == [("Refused", f"rankings/A1.json: owed: layer {at}")]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        # What the layers rest on is not promised any more, by anybody, or not by this actor.
        (TWO_STEPS.replace("fair P: one, two", "fair P: one"), "fairness"),
        (TWO_STEPS.replace("one, two", "one, three"), "fairness"),
        # The step may be taken without being answered.
        (TWO_STEPS.replace("by P: two -> C", "by P: two -> C\n    by P: two"), "stay: layer 0"),
        # It may be impossible for ever, or for a while again and again.
        (
            TWO_STEPS.replace("by P: two -> C", "by P: two when (exists j in M: (in j.C)) -> C"),
            None,
        ),
    ],
)
def test_a_ranking_of_another_spec_is_refused(text: str, query: str | None) -> None:
    """All hashes put right: the enumeration reads the spec."""
    certificate, files = two_steps()
    other = of(text)
    spec = msgspec.structs.replace(certificate.spec, system_sha256=fingerprint(other.system))
    forged = msgspec.structs.replace(certificate, spec=spec)
    refused = enumerated(forged, {**files, "spec/1.sm": text.encode()})
    wanted = "owed: layer 0" if query is None else query
    assert refused == [("Refused", f"rankings/A1.json: {wanted}")]


def test_every_instance_has_to_be_shown(tmp_path: Path) -> None:
    """Of three instances one is left out, or one is shown twice."""
    certificate, files = made(load("semaphore"), "Accessible")
    (claim,) = certificate.claims
    assert len(claim.arguments) == 3
    for arguments in (claim.arguments[:2], (*claim.arguments[:2], claim.arguments[0])):
        less = msgspec.structs.replace(claim, arguments=arguments)
        forged = msgspec.structs.replace(certificate, claims=(less,))
        assert enumerated(forged, files) == [("Unfit", "claim Accessible")]


def test_a_ranking_needs_that_time_goes_on() -> None:
    certificate, files = two_steps()
    (claim,) = certificate.claims
    forged = msgspec.structs.replace(
        certificate, claims=(msgspec.structs.replace(claim, time=None),)
    )
    assert enumerated(forged, files) == [("Unfit", "claim Ends")]


def test_a_question_of_a_ranking_that_is_not_asked_is_missed() -> None:
    certificate, files = two_steps()
    forged = msgspec.structs.replace(
        certificate,
        arguments=tuple(
            msgspec.structs.replace(
                one, queries=tuple(q for q in one.queries if "ranking-step" not in q.file)
            )
            for one in certificate.arguments
        ),
    )
    assert enumerated(forged, files) == [("Refused", "A1: stay: layer 0")]


def test_nesting_without_end_is_refused() -> None:
    certificate, files = two_steps()
    path, _ = layers(files)
    deep = b'{"nodes":[],"leaves":[],"layers":' + b'[{"within":' * 50_000
    assert enumerated(certificate, {**files, path: deep}) == [("Refused", "format")]


# ---- agreement with brute force ------------------------------------------------------------------
def accepted(system: System, n: int, rankings: list[Ranking], rule: Rule) -> bool:
    """Whether the enumeration accepts rankings of all `n` instances for a `leads to` of `system`.

    They may be those of another System with the same variables.
    """
    owed = weave_leads_to(system, rule)
    for found in rankings:
        made = answered(rule, n, ground(owed.system, n), found, ())
        assert made.answered is not None
        try:
            judge = Judge("I", owed.system, n, made.parts[0][1])
            judge.check({})
            require_ranking(judge, owed.variable, made.answered.instance, made.answered.ranking)
        except (Refusal, NotExpressible):
            return False
    return True


def rankings_of(system: System, n: int, rule: Rule) -> list[Ranking] | None:
    """Rankings of all instances; None where there is none for some."""
    owed = weave_leads_to(system, rule)
    at = ground(owed.system, n)
    compiled, fair = compile_ground(at), fairness_debts(at)
    found = []
    for instance in at.instances(owed.family):
        turn = at.slot_of[owed.variable, instance]
        outcome = settle(at, compiled, turn, fair, keep=skeleton(at), limit=5_000)
        if not isinstance(outcome, Answered):
            return None
        kept = outcome.projection.kept
        found.append(Ranking(outcome.graph, outcome.layers, outcome.debts, kept, turn))
    return found


@st.composite
def others(draw: st.DrawFn, system: System) -> System:
    """A System in which something else may happen, or less is promised."""
    kind = draw(st.sampled_from(("guard", "updates", "resets", "fair", "weak")))
    if kind == "fair":
        return replace(system, fairness=system.fairness[1:])
    if kind == "weak":
        weak = tuple(replace(one, strong=False) for one in system.fairness)
        return replace(system, fairness=weak)
    which = draw(st.integers(0, len(system.transitions) - 1))
    steps = list(system.transitions)
    steps[which] = replace(steps[which], **({"guard": TRUE} if kind == "guard" else {kind: ()}))
    return replace(system, transitions=tuple(steps))


@given(st.data(), st.sampled_from((0, 2)))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_enumeration_agrees_with_brute_force(data: st.DataObject, clocks: int) -> None:
    """It accepts each ranking that is found, and none for a System that can be unanswered."""
    system, rule = data.draw(fair_rules(systems(Shape(clocks=clocks))))
    n = data.draw(st.integers(1, 2))
    other = data.draw(others(system))
    try:
        found = rankings_of(system, n, rule)
        assume(found is not None)
        assert found is not None
        assert accepted(system, n, found, rule)
        if accepted(other, n, found, rule):
            assert not Referee(ground(other, n), rule, 1_500).broken()
    except (UnweavableError, TooLarge):
        reject()
