"""k-liveness and bounded lassos: known verdicts, and that neither is believed without a check."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rhscheck.checker import provers
from rhscheck.checker.answer import ProofMismatch
from rhscheck.checker.fairness import fairness_debts
from rhscheck.checker.kliveness import Rounds, prove
from rhscheck.checker.lasso_search import FoundLasso, NoneFound, search_lasso
from rhscheck.checker.provers import Proved, Undecided
from rhscheck.checker.rounds import COMPLETE, count_rounds, least_period
from rhscheck.checker.smt.horn import Invariant
from rhscheck.checker.verdict import ProvedFor, ProvedForEvery, Result, Unknown, Violated
from rhscheck.checker.verify import Options, task_of, verify
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.load import load, load_source
from rhscheck.spec.rules import weave_leads_to
from rhscheck.spec.semantics import State, enabled, evaluate, fire, initial_states
from rhscheck.spec.source import Source
from rhscheck.spec.system import System


def of(text: str) -> System:
    return load_source(Source("t.sm", text)).system


def by_rounds(system: System, rule: str, n: int | None = None) -> Result:
    options = Options(rules=(rule,), n=n, engine="kliveness", findings=False, depth=8)
    (result,) = verify(system, options).results
    assert result.engine == "kliveness"
    return result


def shape_of(result: Result) -> tuple[int, int, int]:
    """(instances, discrete steps before the loop, discrete steps in it) of a lasso."""
    assert isinstance(result.verdict, Violated)
    shown = result.verdict.evidence
    assert shown.loop is not None
    taken = [step.transition is not None for step in shown.run.steps]
    return result.verdict.n, sum(taken[: shown.loop]), sum(taken[shown.loop :])


# ---- known verdicts ------------------------------------------------------------------------------
def test_compassion_lets_both_in() -> None:
    result = by_rounds(load("semaphore").system, "Accessible", 2)
    assert result.verdict == ProvedFor(2)
    assert "k-liveness with k=3, whatever the timing" in result.notes


def test_justice_does_not() -> None:
    system = load("semaphore", {"Requests": "justice"}).system
    result = by_rounds(system, "Accessible", 2)
    assert shape_of(result) == (2, 1, 3)
    shorter = "no run that never ends has fewer steps with N=2, those of its loop counted once"
    assert shorter in result.notes


def test_a_run_in_which_nothing_happens_any_more() -> None:
    assert shape_of(by_rounds(load("two_phase").system, "Blocks")) == (1, 1, 0)


def test_a_proof_for_every_number() -> None:
    assert by_rounds(load("two_phase").system, "Learns").verdict == ProvedForEvery(())


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
        ("return Go(ok) -> Done\n on timeout Go -> Done", "", None),
        ("return Go(ok)\n by P: done -> Done", "", (2, 0)),
        ("return Go(ok)\n by P: done -> Done", "fair P: done", None),
        ("return Go(ok)\n on timeout Go\n after 10s by P: done -> Done", "fair P: done", None),
        (
            "return Go(ok)\n on timeout Go\n by P: ping\n"
            "timer silence = 3s restart on ping\n on silence -> Done",
            "",
            (2, 1),
        ),
    ],
)
def test_deadlines_end_what_time_ends(body: str, fair: str, lasso: tuple[int, int] | None) -> None:
    result = by_rounds(of(TIMED.format(body=body, fair=fair)), "Ends")
    if lasso is None:
        assert result.verdict == ProvedForEvery(())
    else:
        assert shape_of(result)[1:] == lasso


# Only timing excludes that `slow` comes first: the timer of 2 s is never overtaken by one of 5 s.
ONLY_WITH_CLOCKS = """spec t
actors { host H }
machine M {
  initial state Off { by H: go -> On }
  state On {
    timer soon = 2s
    timer slow = 5s
    on soon -> Done
    on slow -> Stuck
  }
  state Stuck
  state Done
}
rules M { rule Ends "it ends": when in On leads to in Done }
"""


def test_clocks_decide_where_timing_does() -> None:
    result = by_rounds(of(ONLY_WITH_CLOCKS), "Ends")
    assert result.verdict == ProvedForEvery(())
    # The first round may end at once: its time began before there was something to answer.
    assert result.notes == ("k-liveness with k=2, with exact time",)


def test_safety_is_for_others() -> None:
    verdict = by_rounds(load("fischer").system, "Mutex", 2).verdict
    assert verdict == Unknown("engine kliveness decides `leads to` only")


def test_where_time_may_stop_nothing_is_proved() -> None:
    stuck = TIMED.format(body="return Go(ok) -> Done\n on timeout Go when false -> Done", fair="")
    verdict = by_rounds(of(stuck), "Ends").verdict
    assert isinstance(verdict, Unknown | Violated)


# ---- the counter ---------------------------------------------------------------------------------
def unanswered(name: str, rule: str, n: int) -> tuple[System, Ground, int]:
    system = load(name).system
    (asked,) = [one for one in system.rules if one.id == rule]
    owed = weave_leads_to(system, asked)
    at = ground(owed.system, n)
    return system, at, at.slot_of[owed.variable, 1 if owed.family is not None else None]


def test_what_is_counted() -> None:
    _, at, turn = unanswered("two_phase", "Blocks", 1)
    counted = count_rounds(at, turn, fairness_debts(at), 2).ground

    def take(state: State, name: str) -> State:
        (position,) = [
            one for one in enabled(counted, state) if counted.transitions[one].label.name == name
        ]
        return fire(counted, state, position)

    def count(state: State) -> int:
        return state.values[counted.slot_of["rounds: count", None]]

    (start,) = initial_states(counted)
    assert COMPLETE not in {counted.transitions[one].label.name for one in enabled(counted, start)}
    waiting = take(take(start, "prepare"), "rounds: nothing")
    once = take(waiting, COMPLETE)
    assert count(once) == 1
    again = take(take(once, "rounds: nothing"), COMPLETE)
    assert count(again) == 2
    # The counter is full, and stays so.
    assert count(take(take(again, "rounds: nothing"), COMPLETE)) == 2


def test_a_round_with_exact_time_takes_longer_than_every_deadline() -> None:
    _, at, turn = unanswered("rhs", "L1", 1)
    period = least_period(at)
    assert period == 1 + max(one.bound for one in at.deadlines if one.clock is not None)
    counted = count_rounds(at, turn, (), 1, period).ground
    assert counted.clocks[-1].name == "rounds"
    (complete,) = [one for one in counted.transitions if one.label.name == COMPLETE]
    assert complete.resets == (len(at.clocks),)
    start = next(initial_states(counted))
    assert not evaluate(complete.guard, counted, start)


# ---- nothing is believed -------------------------------------------------------------------------
def asked(name: str, rule: str, n: int) -> tuple[System, Rounds]:
    system, at, turn = unanswered(name, rule, n)
    return system, Rounds(at, turn, fairness_debts(at), (), rule, f"for N={n}")


def silent(_line: str) -> None:
    """Nobody listens."""


def test_an_invariant_that_does_not_hold_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    system, question = asked("two_phase", "Learns", 1)
    task = task_of(system, Options(), silent)
    assert isinstance(prove(task, question), Proved)
    monkeypatch.setattr(provers, "_ask", lambda *_: Invariant("true"))
    with pytest.raises(ProofMismatch) as wrong:
        prove(task, question)
    assert wrong.value.failed == ("safety",)


def test_without_its_debts_there_is_no_proof() -> None:
    system, question = asked("two_phase", "Learns", 1)
    task = task_of(system, Options(), silent)
    outcome = prove(task, replace(question, fair=()))
    assert outcome == Undecided("8 fair rounds are possible, whatever the timing", 0, reached=True)


def test_a_search_says_how_far_it_came() -> None:
    _, at, turn = unanswered("semaphore", "Accessible", 2)
    compiled = compile_ground(at)
    assert search_lasso(at, compiled, turn, fairness_debts(at), 6) == NoneFound(6, "")
    found = search_lasso(at, compiled, turn, (), 6)
    assert isinstance(found, FoundLasso)
    assert (found.shortest, found.lasso.length, found.lasso.loop) == (True, 1, 1)
    late = search_lasso(at, compiled, turn, fairness_debts(at), 6, timeout_s=1e-9)
    assert late == NoneFound(-1, "time-out after 1e-09 s")
