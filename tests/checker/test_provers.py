"""Spacer and k-induction: they agree with the other engines, and what they claim is checked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_systems import Shape, rules, systems
from timed_systems import both_critical, fischer

from rhscheck.checker.answer import Confirmed, ProofMismatch
from rhscheck.checker.bmc import Found, NoneUpTo, bounded
from rhscheck.checker.invariant import Invariant
from rhscheck.checker.provers import (
    Induction,
    Question,
    recheck_text,
    run_induction,
    run_spacer,
)
from rhscheck.checker.recheck import identity
from rhscheck.checker.schedule import Reached, Unreachable, refine
from rhscheck.checker.smt.horn import GaveUp, Reachable
from rhscheck.checker.smt.horn import Invariant as SpacerInvariant
from rhscheck.checker.smt.solve import Unsat
from rhscheck.checker.verdict import (
    ProvedFor,
    ProvedForEvery,
    Unknown,
    Verdict,
    Violated,
    Witnessed,
)
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.expr import TRUE
from rhscheck.spec.ground import ClockSlot, ground
from rhscheck.spec.load import load
from rhscheck.spec.rules import weave
from rhscheck.spec.system import Rule, System


def silent(_value: object) -> None:
    """Nobody listens."""


def decided(name: str, rule: str, engine: str, n: int) -> Verdict:
    options = Options(rules=(rule,), n=n, engine=engine, findings=False)
    (result,) = verify(load(name).system, options).results
    assert result.engine == engine
    return result.verdict


# ---- verdicts ------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["spacer", "kinduction"])
def test_mutual_exclusion(engine: str) -> None:
    assert decided("fischer", "Mutex", engine, 2) == ProvedFor(2)


@pytest.mark.parametrize("engine", ["spacer", "kinduction"])
def test_what_every_two_instances_may_be_helps_with_six(engine: str) -> None:
    options = Options(rules=("Mutex",), n=6, engine=engine, findings=False)
    (result,) = verify(load("fischer").system, options).results
    assert result.verdict == ProvedFor(6)
    assert result.notes[-1].endswith("with the invariant of every two instances")


@pytest.mark.parametrize("engine", ["spacer", "kinduction"])
def test_a_run_is_shown_by_bounded_checking(engine: str) -> None:
    found = decided("fischer", "Enter", engine, 2)
    assert isinstance(found, Witnessed)
    assert found.length == 3
    broken = decided("rhs", "R5state", engine, 1)
    assert isinstance(broken, Violated)
    assert broken.length == 7


@pytest.mark.parametrize(
    ("engine", "rule"),
    [
        ("spacer", "B2[Onlining.Pending]"),
        ("kinduction", "P6late"),
        ("kinduction", "B2[Onlining.Pending]"),
    ],
)
def test_a_bounded_response_with_real_clocks(engine: str, rule: str) -> None:
    assert decided("rhs", rule, engine, 1) == ProvedFor(1)


def test_neither_decides_liveness() -> None:
    options = Options(rules=("Accessible",), n=2, engine="spacer", findings=False)
    (result,) = verify(load("semaphore").system, options).results
    assert isinstance(result.verdict, Unknown)


# ---- what is claimed is checked ------------------------------------------------------------------
def question() -> Question:
    at = ground(fischer(2, ">", 2), 2)
    return Question(at, at.expand(both_critical(), {}))


def test_an_invariant_is_checked() -> None:
    asked = question()
    answer = run_spacer(asked, silent)
    assert isinstance(answer, SpacerInvariant)
    assert isinstance(recheck_text(asked, answer.text, None, "here"), Confirmed)
    for text, query in (("true", "safety"), ("false", "initiation")):
        with pytest.raises(ProofMismatch) as wrong:
            recheck_text(asked, text, None, "here")
        assert wrong.value.failed == (query,)
    with pytest.raises(ValueError, match="no invariant"):
        recheck_text(asked, "(and v0 nonsense)", None, "here")


def test_the_step_of_an_induction_is_checked() -> None:
    asked = question()
    k = run_induction(asked, silent)
    assert isinstance(k, int)
    assert k > 1
    assert not isinstance(Induction(asked).step(k - 1), Unsat)
    assert isinstance(Induction(asked).step(k), Unsat)


def test_what_helps_may_speak_of_a_clock_that_nothing_compares() -> None:
    plain = ground(fischer(2, ">", 2), 2)
    at = replace(plain, clocks=(*plain.clocks, ClockSlot("idle", None, TRUE, "raw")))
    at = replace(at, clock_of={**plain.clock_of, ("idle", None): len(plain.clocks)})
    still = tuple(low.low for low in at.slots)
    helps = Invariant((len(plain.clocks),), ((still, (((0, 1, 0, False),),)),))
    asked = Question(at, at.expand(both_critical(), {}), (identity(helps, at),))
    _, _, known = asked.encoded()
    assert len(known) == 2


def test_an_answer_in_time_or_none() -> None:
    asked = question()
    slow = Question(asked.ground, asked.goal, (), 0.001)
    assert isinstance(run_spacer(slow, silent), GaveUp | SpacerInvariant)


# ---- agreement -----------------------------------------------------------------------------------
def agree(system: System, rule: Rule, n: int) -> None:
    woven = weave(system, [rule], [])
    if rule.id not in woven.bad:
        return
    at = ground(woven.system, n)
    goal = at.expand(woven.bad[rule.id], {})
    truth = refine(at, {"R": goal}, limit=4_000)["R"]
    if not isinstance(truth, Reached | Unreachable):
        return
    reached = isinstance(truth, Reached)
    asked = Question(at, goal, (), 5.0)
    answer = run_spacer(asked, silent)
    if isinstance(answer, SpacerInvariant):
        assert not reached
        assert isinstance(recheck_text(asked, answer.text, None, "here"), Confirmed)
    if isinstance(answer, Reachable):
        assert reached
    k = run_induction(asked, silent)
    if isinstance(k, int):
        short = bounded(at, {"R": goal}, k - 1)["R"]
        assert isinstance(short, Found) == reached
        assert isinstance(short, Found | NoneUpTo)
    local = (
        verify(system, Options(engine="local", findings=False, timeout_s=10), silent)
        .results[0]
        .verdict
    )
    if isinstance(local, ProvedForEvery):
        assert not reached


@given(st.data())
@settings(max_examples=15)
def test_engines_agree_without_clocks(data: st.DataObject) -> None:
    system = data.draw(systems(Shape(clocks=0)))
    rule = data.draw(rules(system, kinds=("never", "before", "after")))
    agree(with_rule(system, rule), rule, data.draw(st.integers(1, 2)))


@given(st.data())
@settings(max_examples=15)
def test_engines_agree_with_clocks(data: st.DataObject) -> None:
    system = data.draw(systems(Shape(clocks=2, diagonals=True)))
    rule = data.draw(rules(system, kinds=("never", "within", "early")))
    agree(with_rule(system, rule), rule, data.draw(st.integers(1, 2)))


def with_rule(system: System, rule: Rule) -> System:
    return replace(system, rules=(rule,))
