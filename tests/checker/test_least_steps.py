"""How many steps it takes at least, for every N: never more than the shortest run of any N."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_systems import Shape, rules, systems
from rhs_mutants import SAFETY, mutated

from rhscheck.checker.answer import LeastSteps, Task
from rhscheck.checker.bmc import Found, NoneUpTo, Outcome, bounded
from rhscheck.checker.least_steps import least_steps
from rhscheck.checker.verdict import BoundedUpTo, Unknown, Verdict, Violated, Witnessed
from rhscheck.checker.verify import Options, task_of, verify
from rhscheck.spec.load import load, load_source
from rhscheck.spec.source import Source
from rhscheck.spec.system import Rule, System

RHS = load("rhs").system
# Broken by one step of a resource, by silence, by a death that others see, and by polling.
MUTANTS = (
    "control-not-in-the-lane",
    "control-deadlock-survives",
    "silence-too-long",
    "looks-alive-too-often",
    "death-forgets-the-second",
)


def task(system: System, rules: tuple[str, ...], depth: int, **more: float) -> Task:
    return task_of(system, Options(rules=rules, n=2, engine="bmc", depth=depth, **more))  # type: ignore[arg-type]


def least(system: System, *names: str, depth: int) -> dict[str, LeastSteps]:
    asked = task(system, names, depth)
    return least_steps(asked, asked.rules)


def unaided(system: System, rule: Rule, n: int, depth: int) -> Outcome:
    """The search of the whole, from no step on."""
    asked = replace(task(system, (rule.id,), depth), rules=(rule,))
    model = asked.weave([rule])
    return bounded(model.ground(n), model.bad, depth)[rule.id]


def says_the_same(verdict: Verdict, outcome: Outcome, n: int, depth: int) -> None:
    """`verdict` is what the search of the whole amounts to, with the same run."""
    match outcome:
        case Found(run, length):
            assert isinstance(verdict, Violated | Witnessed)
            assert verdict.length == length
            assert verdict.evidence.woven_run == run
        case NoneUpTo():
            assert verdict in (
                BoundedUpTo(depth, n),
                Unknown(f"no witness up to depth {depth} for N={n}"),
            )
        case _:
            raise AssertionError(f"undecided: {outcome}")


def test_rules_together_each_get_their_own_length() -> None:
    assert least(RHS, "R2", "R5state", "R4", "P9", depth=8) == {
        "R2": LeastSteps(9, False),
        "R4": LeastSteps(9, False),
        "R5state": LeastSteps(7, True),
        "P9": LeastSteps(4, True),
    }


def test_clocks_exclude_what_is_in_reach_without() -> None:
    assert least(RHS, "P1", "B1", depth=7) == {
        "P1[onlineSilence]": LeastSteps(8, False),
        "P1[offlineSilence]": LeastSteps(8, False),
        "B1[Online]": LeastSteps(8, False),
        "B1[Offline]": LeastSteps(8, False),
    }


def test_nothing_is_known_where_instances_depend_on_each_other() -> None:
    assert least(load("fischer").system, depth=3) == {}


def test_nothing_is_known_out_of_time() -> None:
    asked = task(RHS, ("R2",), 3, left_s=1e-9, timeout_s=1.0)
    assert least_steps(asked, asked.rules) == {}


def test_what_is_excluded_is_bounded_and_not_proved() -> None:
    options = Options(rules=("R2",), n=4, engine="bmc", depth=20, findings=False)
    (result,) = verify(RHS, options).results
    assert (result.verdict, result.engine) == (BoundedUpTo(20, 4), "bmc")


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_refuted_by_the_run_of_the_whole(name: str) -> None:
    (mutant,) = (one for one in SAFETY if one.name == name)
    system = load_source(Source("rhs.sm", mutated(mutant))).system
    options = Options(rules=(mutant.rule,), n=2, engine="bmc", depth=12, findings=False)
    (result,) = verify(system, options).results
    (rule,) = (one for one in system.rules if one.id == mutant.rule)
    outcome = unaided(system, rule, 2, 12)
    assert isinstance(outcome, Found)
    says_the_same(result.verdict, outcome, 2, 12)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(systems(Shape(clocks=2, references=False)), st.integers(1, 3), st.booleans(), st.data())
def test_drawn_systems_are_judged_as_without_it(
    system: System, n: int, timed: bool, data: st.DataObject
) -> None:
    depth = 4
    rule = data.draw(rules(system, timed=timed))
    posed = replace(system, rules=(rule,), expectations=())
    known = least(posed, rule.id, depth=depth)
    assume(known)  # else it cannot be woven, or instances depend on each other
    outcome = unaided(posed, rule, n, depth)
    if isinstance(outcome, Found):
        assert known[rule.id].steps <= outcome.length
    options = Options(n=n, engine="bmc", depth=depth, findings=False)
    (result,) = verify(posed, options).results
    says_the_same(result.verdict, outcome, n, depth)
