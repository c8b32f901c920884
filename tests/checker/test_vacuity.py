"""Rules that say nothing, assumptions that never bind, unused permissions: typed findings."""

from __future__ import annotations

from dataclasses import replace

from rhscheck.checker.findings import find
from rhscheck.checker.verify import Options, task_of, verify
from rhscheck.spec.load import load_source
from rhscheck.spec.source import Source
from rhscheck.verify_checks import verify_checks

SPEC = """spec empty "Much ado"
actors { host H, plugin D }
machine M[i in 1..N] {
  var seen : bool = false
  initial state A {
    by H: go -> B
  }
  state B {
    by D: back -> A
    by D: never_taken when seen -> C
  }
  state C
}
rules M {
  assume Tame "nothing" of D: never event back while in C
  rule Fine "seen in B": never in B and seen
  rule NoState "C is quiet": never in C and in A
  rule NoEvent "never_taken is quiet": never event never_taken and in B
  rule NoCase "neither": never (in C and in A) or (event never_taken and in B)
  rule OneCase "one of them": never (in C and in A) or (event go and in B)
  rule NoPremise "answered": when in C leads to in A within 3s
  rule Wish "C": can in C
  expect Wish: impossible
}
"""


def test_more_states_than_are_looked_at_without_a_limit_of_time() -> None:
    task = replace(task_of(load_source(Source("empty.sm", SPEC)).system, Options()), limit=1)
    (found,) = find(task, task.rules, 2, None)
    assert (found.kind, found.sentence) == (
        "not_examined",
        "not everything was looked for: there are too many states",
    )


def test_what_says_nothing() -> None:
    loaded = load_source(Source("empty.sm", SPEC))
    report = verify(loaded.system)
    found = [
        (one.kind, one.code, one.subject) for one in report.findings if one.kind != "never_fired"
    ]
    assert found == [
        ("unreachable_state", "SM304", "M.C"),
        ("never_binds", "SM309", "Tame"),
        ("vacuous", "SM311", "Fine"),
        ("vacuous", "SM311", "NoState"),
        ("vacuous", "SM311", "NoEvent"),
        ("vacuous", "SM311", "NoCase"),
        ("vacuous", "SM311", "NoPremise"),
        ("no_witness", "SM312", "Wish"),
    ]
    sentences = [one.sentence for one in report.findings if one.kind == "vacuous"]
    assert sentences[0] == (
        "rule Fine says nothing: what it is about is never so (proved for every N)"
    )
    assert sentences[2] == ("no event that rule NoEvent is about ever happens (proved for every N)")
    checks = verify_checks(loaded, report, times=False, version="1").checks
    typed = [(c.id, c.kind, c.status) for c in checks if c.kind in ("vacuous", "no_witness")]
    assert typed == [("SM311", "vacuous", "warning")] * 5 + [("SM312", "no_witness", "warning")]


STEPS = """spec steps "Entered and left"
actors { A }
machine M {
  initial state S0 {
    by A: go -> S1
  }
  state S1 {
    by A: back when in S2 -> S0
    by A: stay
  }
  state S2
}
rule Safe "the bad state": never in M.S2
rule Entered "an entry that never is": when enter M.S2 leads to enter M.S0 within 5s
rule Left "an exit that never is": when leave M.S2 leads to enter M.S0
rule Either "one that is": when (enter M.S2 or enter M.S1) leads to in M.S1
"""


def test_a_rule_that_waits_for_a_step_between_states_never_reached_says_nothing() -> None:
    report = verify(load_source(Source("steps.sm", STEPS)).system)
    assert [one.subject for one in report.findings if one.kind == "vacuous"] == ["Entered", "Left"]


def test_that_a_bad_state_is_never_reached_is_what_a_rule_may_say() -> None:
    report = verify(load_source(Source("steps.sm", STEPS)).system)
    assert "Safe" not in [one.subject for one in report.findings if one.kind == "vacuous"]


EVENTS = """spec events "What happens and what does not"
actors { A }
machine M {
  initial state S0 {
    by A: go -> S1
  }
  state S1 {
    by A: back -> S0
  }
  state S2 {
    by A: heal -> S0
  }
}
rule After "nothing is healed": never event back after event heal
rule Early "nor sooner": never event back within 3s of event heal
rule Early2 "this happens": never event go within 0s of event back
rule Beside "one of them happens": never event heal or (event go and in M.S0)
rule Absent "what does not happen is no premise": never event back and not event heal and in M.S2
rule Unless "nor here": when event go and not event heal leads to in M.S1
"""


def test_what_never_comes_first_makes_a_rule_empty_and_what_is_denied_does_not() -> None:
    report = verify(load_source(Source("events.sm", EVENTS)).system)
    sentences = {one.subject: one.sentence for one in report.findings if one.kind == "vacuous"}
    assert sentences == {
        "After": "rule After says nothing: what comes first never happens (proved for every N)",
        "Early": "rule Early says nothing: what comes first never happens (proved for every N)",
        "Absent": "rule Absent says nothing: what it is about is never so (proved for every N)",
    }


APART = """spec apart "An event here, a state there"
actors { A }
machine M[i in 1..N] {
  var hot : bool = false
  initial state S0 {
    by A: go -> S1
    by A: heat -> S0 { hot = true }
  }
  state S1 {
    by A: back -> S0
  }
}
rules M {
  rule Never "they are kept apart, which is what it says": never event go and in S1
  rule Trigger "never answered": when event go and in S1 leads to in S0 within 3s
  rule Lasting "nor in the end": when event go and in S1 leads to in S0
  rule Before "nor first": never event back and in S0 before event go
  rule Early "nor too soon": never event heat and in S1 within 2s of event go
  rule Either "no event of them": never (event go or event heat) and in S1 after event go
  rule One "one of them": never (event go or event back) and in S1 after event go
  rule Hot "there are runs of it": never event go and hot and in S0 after event heat
}
"""


def test_an_event_and_a_state_that_never_meet_are_a_premise_that_is_never_so() -> None:
    report = verify(load_source(Source("apart.sm", APART)).system)
    sentences = {one.subject: one.sentence for one in report.findings if one.kind == "vacuous"}
    assert sentences == {
        name: f"rule {name} says nothing: what it is about is never so (proved for every N)"
        for name in ("Trigger", "Lasting", "Before", "Early", "Either")
    }


def test_what_one_instance_does_while_another_is_elsewhere_is_not_called_never() -> None:
    others = APART.replace("and in S1 leads", "and exists k in M: (in k.S1) leads")
    report = verify(load_source(Source("apart.sm", others)).system)
    found = [one.subject for one in report.findings if one.kind == "vacuous"]
    assert found == ["Before", "Early", "Either"]
