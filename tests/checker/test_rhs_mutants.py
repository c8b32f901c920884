"""Every single-edit mutant of rhs.sm is refuted by the rule that it breaks, in the least steps.

The lengths are confirmed without any engine: the run that was found is replayed by
`spec.semantics`, and an exhaustive search by the same shows that no run is shorter. Both rely on
the weaving of the rule into the spec (`spec.rules`), which has its own referee.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import pytest
from length_referee import overdue, overlooking
from rhs_mutants import LIVENESS, PERMISSIONS, SAFETY, Mutant, mutated

from rhscheck.checker.explicit import Nowhere, Shortest, shortest_digitised
from rhscheck.checker.verdict import Impossible, ProvedFor, Verdict, Violated
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground, bindings, ground
from rhscheck.spec.load import load_source
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import (
    State,
    delay_bound,
    elapse,
    enabled,
    evaluate,
    fire,
    initial_states,
    replay_run,
)
from rhscheck.spec.source import Source
from rhscheck.spec.system import LeadsTo, Rule, System

# Some that are refuted with three instances as well; bench/verify.py does it for all of them.
WITH_THREE = (
    "control-not-in-the-lane",
    "control-deadlock-survives",
    "silence-too-long",
    "looks-alive-too-often",
    "death-forgets-the-second",
    "death-resets-everyone",
)


def named(mutants: tuple[Mutant, ...]) -> list[str]:
    return [mutant.name for mutant in mutants]


@cache
def system(mutant: Mutant) -> System:
    return load_source(Source("rhs.sm", mutated(mutant))).system


def judged(mutant: Mutant, n: int | None = None) -> Verdict:
    options = Options(rules=(mutant.rule,), n=n, findings=False)
    (result,) = verify(system(mutant), options).results
    return result.verdict


def the_rule(spec: System, name: str) -> Rule:
    (found,) = [rule for rule in spec.rules if rule.id == name]
    return found


def question(mutant: Mutant) -> tuple[Ground, Expr]:
    """The mutant with its rule woven in, and what is to be reached there."""
    spec = system(mutant)
    woven = weave(spec, [the_rule(spec, mutant.rule)], spec.assumptions)
    at = ground(woven.system, mutant.n)
    return at, at.expand(woven.bad[mutant.rule], {})


# ---- the list ------------------------------------------------------------------------------------
def test_the_list_is_long_enough_and_its_names_differ() -> None:
    names = named(SAFETY + PERMISSIONS + LIVENESS)
    assert len(SAFETY) == 36
    assert len(PERMISSIONS) == 4
    assert len(LIVENESS) == 5
    assert len(set(names)) == len(names)


def test_every_rule_and_promise_has_a_mutant() -> None:
    spec = system(SAFETY[0])
    broken = {mutant.rule.partition("[")[0] for mutant in SAFETY + PERMISSIONS + LIVENESS}
    # R5state is violated in the shipped spec itself.
    assert {rule.base for rule in spec.rules} - broken == {"R5state"}


# ---- safety --------------------------------------------------------------------------------------
@pytest.mark.parametrize("mutant", SAFETY, ids=named(SAFETY))
def test_a_mutant_is_refuted_in_the_least_steps(mutant: Mutant) -> None:
    assert mutant.length is not None
    verdict = judged(mutant)
    assert isinstance(verdict, Violated)
    assert (verdict.n, verdict.length) == (mutant.n, mutant.length)
    whole, goal = question(mutant)
    proof = verdict.evidence
    assert (proof.woven.slots, proof.woven.transitions) == (whole.slots, whole.transitions)
    assert evaluate(goal, whole, replay_run(whole, proof.woven_run)[-1])
    assert sum(step.transition is not None for step in proof.run.steps) == mutant.length
    easier = overlooking(whole, mutant.clocks)
    found = shortest_digitised(
        easier, overdue(easier, goal), depth=mutant.length - 1, limit=400_000
    )
    assert found == Nowhere(mutant.length - 1)


# Longer runs, and two instances with all clocks, take this search minutes.
SHORT = tuple(one for one in SAFETY if one.length is not None and one.length <= 4 and one.n == 1)


@pytest.mark.parametrize("mutant", SHORT, ids=named(SHORT))
def test_a_search_with_all_clocks_finds_the_same_length(mutant: Mutant) -> None:
    whole, goal = question(mutant)
    found = shortest_digitised(whole, overdue(whole, goal), depth=mutant.length, limit=400_000)
    assert isinstance(found, Shortest)
    assert found.length == mutant.length


TIMED = tuple(one for one in SAFETY if one.clocks)


@pytest.mark.parametrize("mutant", TIMED, ids=named(TIMED))
def test_without_the_clocks_in_the_list_a_shorter_run_looks_possible(mutant: Mutant) -> None:
    assert mutant.length is not None
    whole, goal = question(mutant)
    blind = overlooking(whole, ())
    found = shortest_digitised(blind, overdue(blind, goal), depth=mutant.length)
    assert isinstance(found, Shortest)
    assert found.length < mutant.length


@pytest.mark.parametrize("name", WITH_THREE)
def test_three_instances_take_as_many_steps(name: str) -> None:
    (mutant,) = [one for one in SAFETY if one.name == name]
    verdict = judged(mutant, n=3)
    assert isinstance(verdict, Violated)
    assert (verdict.n, verdict.length) == (3, mutant.length)


PAIRS = tuple(one for one in SAFETY if one.n == 2)


@pytest.mark.parametrize("mutant", PAIRS, ids=named(PAIRS))
def test_what_needs_two_resources_is_right_for_one(mutant: Mutant) -> None:
    assert judged(mutant, n=1) == ProvedFor(1)


# ---- permissions ---------------------------------------------------------------------------------
@pytest.mark.parametrize("mutant", PERMISSIONS, ids=named(PERMISSIONS))
def test_a_permission_becomes_impossible(mutant: Mutant) -> None:
    assert judged(mutant) == Impossible(None)


# ---- liveness ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Lasso:
    """A run that breaks a `leads to`: `stem`, then `loop` for ever.

    Labels of steps, or seconds that pass. An empty loop: time passes for ever.
    """

    stem: tuple[str | int, ...]
    loop: tuple[str | int, ...] = ()


OPENED = ("Resource[1]: call Open", "Resource[1]: return Open(success)")
FAILED = (*OPENED, "Resource[1]: call Online", "Resource[1]: return Online(failure)")
RETURNING = ("Resource[1]: call Terminate", 1, "Resource[1]: return Terminate(success)")

# Why each is violated, as a person would say it; the engine finds a run of its own.
LASSOS = {
    ("terminate-is-forgotten", "L1"): Lasso(FAILED, RETURNING),
    ("terminate-changes-nothing", "L1"): Lasso(FAILED, RETURNING),
    ("unfair-terminate", "L1"): Lasso(FAILED),
    ("terminate-waits-for-the-worker", "L2"): Lasso(
        (
            *OPENED,
            "Resource[1]: call Online",
            "Resource[1]: return Online(pending)",
            180,
            "Resource[1]: timer onlineSilence",
        )
    ),
    ("unfair-recovery", "L3"): Lasso(
        ("Resource[1]: call Open", 300, "Resource[1]: timeout Open", "Process[1]: exit")
    ),
}


def travel(at: Ground, state: State, steps: Sequence[str | int]) -> Iterator[State]:
    """The states after each of `steps`; each label fits exactly one step."""
    for step in steps:
        if isinstance(step, int):
            state = elapse(at, state, step * 1_000_000 // at.system.unit_us)
        else:
            (position,) = [p for p in enabled(at, state) if str(at.transitions[p].label) == step]
            state = fire(at, state, position)
        yield state


def test_every_liveness_mutant_has_its_lasso() -> None:
    assert list(LASSOS) == [(mutant.name, mutant.rule) for mutant in LIVENESS]


# (steps before the loop, steps in it), for one instance.
FOUND = {
    "terminate-is-forgotten": (4, 2),
    "terminate-changes-nothing": (4, 2),
    "unfair-terminate": (4, 0),
    "terminate-waits-for-the-worker": (5, 0),
    "unfair-recovery": (3, 0),
}


@pytest.mark.parametrize("mutant", LIVENESS, ids=named(LIVENESS))
def test_a_liveness_mutant_is_refuted_by_a_run_that_never_ends(mutant: Mutant) -> None:
    verdict = judged(mutant)
    assert isinstance(verdict, Violated)
    shown = verdict.evidence
    assert shown.loop is not None
    steps = [step.transition is not None for step in shown.woven_run.steps]
    assert (sum(steps[: shown.loop]), sum(steps[shown.loop :])) == FOUND[mutant.name]
    assert (verdict.n, verdict.length) == (1, sum(steps))


@pytest.mark.parametrize("mutant", LIVENESS, ids=named(LIVENESS))
def test_a_liveness_mutant_really_breaks_its_rule(mutant: Mutant) -> None:
    """The lasso is legal under the assumptions and fair, and the response never comes in it."""
    lasso = LASSOS[mutant.name, mutant.rule]
    spec = system(mutant)
    rule = the_rule(spec, mutant.rule)
    assert isinstance(rule.obligation, LeadsTo)
    at = ground(weave(spec, (), spec.assumptions).system, 1)
    (binding,) = bindings(rule.params, spec, 1)
    trigger = at.expand(rule.obligation.trigger, binding)
    response = at.expand(rule.obligation.response, binding)
    hosted_by_1 = at.slot_of["Resource.host", 1]
    (initial,) = [state for state in initial_states(at) if state.values[hosted_by_1] == 1]
    *_, start = travel(at, initial, lasso.stem)
    around = [start, *travel(at, start, lasso.loop)]
    assert evaluate(trigger, at, start)
    assert not any(evaluate(response, at, state) for state in around)
    if lasso.loop:
        assert around[-1] == start
        assert sum(step for step in lasso.loop if isinstance(step, int)) > 0
    else:
        assert delay_bound(at, start).limit is None
    for fairness in spec.fairness:
        for fair in fairness.labels:
            taken = any(fair.short.partition("(")[0] in str(step) for step in lasso.loop)
            possible = [
                any(
                    (step.actor, step.label.kind, step.label.name)
                    == (fairness.actor, fair.kind, fair.name)
                    for step in (at.transitions[p] for p in enabled(at, state))
                )
                for state in around
            ]
            assert taken or not all(possible), fair
