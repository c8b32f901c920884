"""Every two instances: which Systems are plain, what is proved, and that enumeration agrees."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_systems import Shape, rules, systems

from rhscheck.checker.answer import Answer, Task
from rhscheck.checker.budget import Budget
from rhscheck.checker.fixed import Query
from rhscheck.checker.pairs import Refused, decide, enough
from rhscheck.checker.schedule import Reached, refine
from rhscheck.checker.verdict import ProvedFor, ProvedForEvery, Verdict, Violated
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.load import load, load_source
from rhscheck.spec.source import Source
from rhscheck.spec.system import Rule, System


def silent(_line: str) -> None:
    """Nobody listens."""


def asked(system: System, rule: Rule, n: int | None = None) -> Answer | Refused:
    task = Task(system, (rule,), (), n, 20, 20_000, Budget(20), silent)
    model = task.weave([rule])
    if rule.id in model.unwoven:
        return Refused(model.unwoven[rule.id])
    return decide(Query(task, model, rule, 1))


def decided(system: System, rule: str, n: int | None = None) -> Verdict:
    (result,) = verify(system, Options(rules=(rule,), n=n, findings=False)).results
    return result.verdict


# ---- known verdicts ------------------------------------------------------------------------------
def test_fischer_holds_for_any_number_of_processes() -> None:
    system = load("fischer").system
    assert decided(system, "Mutex") == ProvedForEvery((1, 2, 3, 4))
    assert decided(system, "Mutex", 6) == ProvedFor(6)


@pytest.mark.parametrize(("pause", "instances"), [("2s", 2), ("1s", 2)])
def test_fischer_fails_the_other_way_round(pause: str, instances: int) -> None:
    verdict = decided(load("fischer", {"CheckAfter": pause}).system, "Mutex")
    assert isinstance(verdict, Violated)
    assert verdict.n == instances


def test_locks_and_semaphores() -> None:
    assert decided(load("semaphore").system, "Mutex") == ProvedForEvery((1, 2, 3))
    same = load("two_locks", {"Order": "same"}).system
    assert decided(same, "NoDeadlock") == ProvedForEvery((1, 2, 3))


# ---- what is not plain ---------------------------------------------------------------------------
NAMED = """spec t
actors { A }
var owner : P? = none
machine P[i in 1..N] {
  initial state Off { by A: go when %s -> On { owner = i } }
  state On { by A: stop -> Off { owner = none } }
}
rule R: never in i.On and in j.On for distinct i, j in P
"""


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("owner == none", None),
        ("owner != i", None),
        ("owner == none and (forall j in P: (not in j.On))", "speaks of all instances"),
    ],
)
def test_instances_are_told_apart_by_names_only(when: str, reason: str | None) -> None:
    system = load_source(Source("t.sm", NAMED % when)).system
    found = asked(system, system.rules[0])
    if reason is None:
        text = found.reason if isinstance(found, Refused) else ""
        assert isinstance(found, Answer) or "the goal is reached" in text or "not induct" in text
    else:
        assert isinstance(found, Refused)
        assert reason in found.reason


def test_how_many_instances_are_enough() -> None:
    system = load("fischer").system
    task = Task(system, (), (), None, 20, 1_000, Budget(None), silent)
    model = task.weave([system.rules[0]])
    # Two of the pair, one that acts, one that `owner` names.
    assert enough(model.system, model.bad["Mutex"]) == 4


def test_only_prohibitions() -> None:
    system = load("fischer").system
    (enter,) = [rule for rule in system.rules if rule.id == "Enter"]
    found = asked(system, enter)
    assert isinstance(found, Refused)
    assert "only prohibitions" in found.reason


# ---- agreement -----------------------------------------------------------------------------------
@given(st.data())
@settings(max_examples=40)
def test_enumeration_agrees_beyond_what_was_checked(data: st.DataObject) -> None:
    shape = Shape(clocks=data.draw(st.integers(0, 1)), quantifiers=False, transitions=6)
    system = data.draw(systems(shape))
    rule = data.draw(rules(system, kinds=("never", "after"), most_params=2))
    found = asked(replace(system, rules=(rule,)), rule)
    if isinstance(found, Refused):
        return
    assert isinstance(found.verdict, ProvedForEvery)
    task = Task(system, (rule,), (), None, 20, 1_000, Budget(None), silent)
    model = task.weave([rule])
    for n in range(1, 6):
        goal = {rule.id: model.formula(rule.id, n)}
        outcome = refine(model.ground(n), goal, limit=1_500, compiled=model.compiled(n))[rule.id]
        assert not isinstance(outcome, Reached)
