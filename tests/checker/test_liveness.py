"""`leads to`: the shipped examples, what each condition is for, and agreement with brute force."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from liveness_referee import Referee, TooLarge
from random_systems import Shape, fair_rules, systems
from timed_systems import single

from rhscheck.checker import liveness, local_time
from rhscheck.checker.fair_graph import graph_invariant
from rhscheck.checker.fairness import fairness_debts
from rhscheck.checker.independence import rule_dependence
from rhscheck.checker.lasso import Lasso, check
from rhscheck.checker.live import Answered, Endless, Open, settle
from rhscheck.checker.local import Dependence, abstract
from rhscheck.checker.proofs import skeleton
from rhscheck.checker.ranking import Layer
from rhscheck.checker.recheck import Copy, recheck
from rhscheck.checker.recheck_ranking import Ranking, recheck_ranking
from rhscheck.checker.verdict import ProvedFor, ProvedForEvery, Unknown, Verdict, Violated
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.expr import TRUE, ClockCmp, Ref, member
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.load import load, load_source
from rhscheck.spec.obligations import UnweavableError
from rhscheck.spec.rules import Owed, weave_leads_to
from rhscheck.spec.semantics import Step
from rhscheck.spec.source import Source
from rhscheck.spec.system import (
    Fairness,
    Label,
    LeadsTo,
    Rule,
    System,
)


def decided(system: System, rule: str = "", n: int | None = None) -> Verdict:
    """The verdict on one rule."""
    options = Options(rules=(rule,) if rule else (), n=n, findings=False)
    (result,) = verify(system, options).results
    return result.verdict


def of(text: str) -> System:
    return load_source(Source("t.sm", text)).system


def shape_of(verdict: Verdict) -> tuple[int, int, int]:
    """(instances, discrete steps before the loop, discrete steps in it) of a lasso."""
    assert isinstance(verdict, Violated)
    shown = verdict.evidence
    assert shown.loop is not None
    taken = [step.transition is not None for step in shown.run.steps]
    return verdict.n, sum(taken[: shown.loop]), sum(taken[shown.loop :])


# ---- known verdicts ----------------------------------------------------------------------------
def test_compassion_lets_everyone_in() -> None:
    assert decided(load("semaphore").system, "Accessible") == ProvedFor(3)


def test_justice_does_not() -> None:
    system = load("semaphore", {"Requests": "justice"}).system
    # One asks; another one asks, gets in and leaves again and again.
    assert shape_of(decided(system, "Accessible")) == (2, 1, 3)


def test_two_phase_commit_blocks_in_a_run_in_which_nothing_happens_any_more() -> None:
    system = load("two_phase").system
    assert shape_of(decided(system, "Blocks")) == (1, 1, 0)
    assert decided(system, "Learns") == ProvedForEvery(())


# ---- time ----------------------------------------------------------------------------------------
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


@pytest.mark.parametrize(
    ("body", "fair", "lasso"),
    [
        # The call's time-out is a step sooner or later; a return may come before it.
        ("return Go(ok) -> Done\n on timeout Go -> Done", "", None),
        # A promise is not needed where a deadline is, and does not help where none is.
        ("return Go(ok)\n by P: done -> Done", "", (2, 0)),
        ("return Go(ok)\n by P: done -> Done", "fair P: done", None),
        # What is possible from a moment on for ever is done, if that was promised.
        ("return Go(ok)\n on timeout Go\n after 30s by P: done -> Done", "fair P: done", None),
        # A timer that is restarted again and again never fires.
        (
            "return Go(ok)\n on timeout Go\n by P: ping\n"
            "timer silence = 3s restart on ping\n on silence -> Done",
            "",
            (2, 1),
        ),
        # 5 s come before 9 s: what is restarted cannot be put off for ever.
        ("return Go(ok)\n on timeout Go -> Done\n by P: ping\n"
         "timer silence = 9s restart on ping\n on silence -> On", "", (2, 1)),
    ],
)  # fmt: skip
def test_deadlines_end_what_time_ends(body: str, fair: str, lasso: tuple[int, int] | None) -> None:
    verdict = decided(of(TIMED.format(body=body, fair=fair)))
    if lasso is None:
        assert verdict == ProvedForEvery(())
    else:
        assert shape_of(verdict)[1:] == lasso


def test_a_loop_that_takes_no_time_is_no_run() -> None:
    # `again` is possible only at 0, and a run in which it is taken for ever does not count.
    system = single(
        3,
        [
            ("again", "Plugin", 0, 1, ClockCmp("x", None, "<=", 0), ()),
            ("back", "Plugin", 1, 0, ClockCmp("x", None, "<=", 0), ()),
            ("out", "Host", 0, 2, TRUE, ()),
            ("out", "Host", 1, 2, TRUE, ()),
        ],
        {"x": (0, 1)},
        [("leave", (0, 1), "x", 2, "Host", False)],
    )
    rule = Rule("R", "R", "", "leads_to", (), LeadsTo(TRUE, member(Ref("at"), (2,))))
    assert decided(replace(system, rules=(rule,))) == ProvedForEvery(())


def test_where_time_may_stop_nothing_is_proved() -> None:
    system = single(
        3,
        [("out", "Host", 0, 2, ClockCmp("x", None, "<=", 1), ())],
        {"x": (0,)},
        [("leave", (0,), "x", 2, "Host", False)],
    )
    rule = Rule("R", "R", "", "leads_to", (), LeadsTo(TRUE, member(Ref("at"), (2,))))
    verdict = decided(replace(system, rules=(rule,)))
    assert isinstance(verdict, Unknown)
    assert "time may stop" in verdict.reason


# ---- whose promises count (SEMANTICS section 5 f) ------------------------------------------------
def test_time_that_never_stops_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("what holds for every N holds for two")

    monkeypatch.setattr(local_time, "check_time", refused)
    assert decided(load("two_phase").system, "Learns", 2) == ProvedFor(2)


def test_a_graph_that_is_too_large_is_left_to_the_counting_of_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(liveness, "_MOST_NODES", 3)
    system = load("two_phase").system
    for rule, verdict in (("Learns", ProvedForEvery(())), ("Blocks", None)):
        options = Options(rules=(rule,), findings=False)
        (result,) = verify(system, options).results
        assert result.engine == "kliveness"
        assert result.verdict == verdict or shape_of(result.verdict) == (1, 1, 0)


def test_the_promise_of_another_instance_does_not_count_for_every_n() -> None:
    # Whoever is in leaves, but another instance is in: nothing is said about every N.
    report = verify(load("semaphore").system, Options(rules=("Leaves",), findings=False))
    assert report.results[0].verdict == ProvedFor(3)
    assert report.results[0].notes == (
        "the one-instance argument does not exclude it: a run that never ends",
    )


def test_a_promise_that_a_step_of_others_can_keep_is_no_promise_of_one() -> None:
    # `ping` of the shared machine may be taken together with any instance.
    system = of(
        """spec t
actors { host H, plugin P }
shared machine S { initial state A { on ping } }
machine M[i in 1..N] {
  initial state Off { by P: poke sync S.ping   by H: begin -> On }
  state On { by P: done -> Done }
  state Done
}
rules M {
  fair P: ping, done
  rule Ends: when in On leads to in Done
}
""".replace("   by H", "\n by H")
    )
    made = abstract(weave_leads_to(system, system.rules[0]).system)
    assert not isinstance(made, Dependence)
    owed = weave_leads_to(system, system.rules[0])
    local = ground(made.system, 1)
    names = [debt.name for debt in fairness_debts(local, made, owed.system)]
    assert names == ["weak fairness of P: done of M[1]"]
    assert [debt.name for debt in fairness_debts(ground(system, 2))] == [
        "weak fairness of P: ping",
        "weak fairness of P: done of M[1]",
        "weak fairness of P: done of M[2]",
    ]


def test_the_results_of_a_return_in_one_line_are_one_event() -> None:
    text = """spec t
actors { host H, plugin P }
entry Go returns { ok, bad }
machine M {
  initial state Off { by H: call Go -> On }
  state On {
    return Go(ok) -> Done
    return Go(bad) -> Off
  }
  state Done
}
rules M {
  fair H: call Go
  strong fair P: return Go%s
  rule Ends: when in On leads to in Done
}
"""
    # It always fails; that it succeeds in the end has to be promised.
    assert shape_of(decided(of(text % ""))) == (1, 1, 2)
    assert decided(of(text % "(ok)")) == ProvedForEvery(())


# ---- proofs and runs that are wrong --------------------------------------------------------------
def settled(system: System, n: int = 1) -> tuple[Owed, Ground, int, Answered | Endless | Open]:
    owed = weave_leads_to(system, system.rules[0])
    at = ground(owed.system, n)
    turn = at.slot_of[owed.variable, 1 if owed.family else None]
    outcome = settle(
        at, compile_ground(at), turn, fairness_debts(at), keep=skeleton(at), limit=20_000
    )
    return owed, at, turn, outcome


def ranked(text: str) -> tuple[Ground, Ranking]:
    _, at, turn, outcome = settled(of(text))
    assert isinstance(outcome, Answered)
    return at, Ranking(outcome.graph, outcome.layers, outcome.debts, outcome.projection.kept, turn)


TWO_STEPS = """spec t
actors { plugin P }
machine M {
  initial state A { by P: one -> B }
  state B { by P: two -> C }
  state C
}
rules M {
  fair P: one, two
  rule Ends: when in A leads to in C
}
"""


def test_a_ranking_is_judged() -> None:
    at, good = ranked(TWO_STEPS)
    assert recheck_ranking(at, good).proved
    first, second = good.layers
    both = Layer(first.debt, (*first.nodes, *second.nodes))
    swapped = replace(good, layers=(second, first))
    assert recheck_ranking(at, swapped).failed == ("stay: layer 0",)
    assert recheck_ranking(at, replace(good, layers=(first,))).failed == ("cover",)
    assert recheck_ranking(at, replace(good, layers=(both,))).failed == ("owed: layer 0",)


def test_a_lasso_is_judged() -> None:
    owed, at, turn, outcome = settled(of(TWO_STEPS.replace("one, two", "one")))
    assert isinstance(outcome, Endless)
    fair = fairness_debts(at)
    assert check(at, outcome.lasso, fair, turn) is None
    everything = fairness_debts(
        replace(
            at,
            system=replace(
                at.system,
                fairness=(Fairness("P", False, (Label("event", "M", "two"),)),),
            ),
        )
    )
    unfair = check(at, outcome.lasso, everything, turn)
    assert unfair is not None
    assert unfair.reason == "unfair: weak fairness of P: two"
    run = outcome.lasso.run
    endless = check(at, Lasso(replace(run, steps=()), 0), fair, turn)
    assert endless is not None
    assert endless.reason == "unfair: weak fairness of P: one"
    timeless = check(at, Lasso(replace(run, steps=(*run.steps, Step(0, None))), 1), fair, turn)
    assert timeless is not None
    assert timeless.reason == "the loop takes no time"
    assert owed.variable == "Ends:armed"


# ---- agreement with brute force ------------------------------------------------------------------
def judged(system: System, rule: Rule, n: int, regions: int) -> None:
    """The engine for a fixed N, and the argument for every N, against the referee."""
    try:
        owed = weave_leads_to(system, rule)
        broken = Referee(ground(system, n), rule, regions).broken()
    except (UnweavableError, TooLarge):
        reject()
    at = ground(owed.system, n)
    compiled = compile_ground(at)
    outcomes = []
    for instance in at.instances(owed.family):
        turn = at.slot_of[owed.variable, instance]
        outcome = settle(at, compiled, turn, fairness_debts(at), keep=skeleton(at), limit=20_000)
        outcomes.append(outcome)
        if isinstance(outcome, Answered):
            graph = outcome.graph
            invariant = graph_invariant(graph, range(len(graph.values)))
            kept = outcome.projection.kept
            assert recheck(at, [Copy(invariant, kept, invariant.tracked)], {}).proved
            ranking = Ranking(graph, outcome.layers, outcome.debts, kept, turn)
            assert recheck_ranking(at, ranking).proved
    if broken:
        assert any(not isinstance(outcome, Answered) for outcome in outcomes)
    else:
        assert not any(isinstance(outcome, Endless) for outcome in outcomes)
    made = abstract(owed.system)
    if isinstance(made, Dependence) or rule_dependence(owed.system, rule) is not None:
        return
    local = ground(made.system, 1)
    turn = local.slot_of[owed.variable, 1 if owed.family else None]
    fair = fairness_debts(local, made, owed.system)
    outcome = settle(local, compile_ground(local), turn, fair, keep=(), limit=20_000)
    assert not (broken and isinstance(outcome, Answered))


@given(st.data())
@settings(max_examples=40)
def test_without_clocks_brute_force_agrees(data: st.DataObject) -> None:
    system, rule = data.draw(fair_rules(systems(Shape(clocks=0))))
    judged(system, rule, data.draw(st.integers(1, 2)), regions=1_500)


@given(st.data())
@settings(max_examples=25)
def test_with_clocks_brute_force_agrees(data: st.DataObject) -> None:
    system, rule = data.draw(fair_rules(systems(Shape(clocks=2))))
    judged(system, rule, data.draw(st.integers(1, 2)), regions=1_500)
