"""Timing of paths and the choice of clocks: exact times, and agreement with plain search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_systems import TASK, Shape, _Maker, _Scope, systems
from timed_systems import both_critical, clock, fischer, mortal_host, pending, single

from rhscheck.checker.explicit import Nowhere, Shortest, shortest_digitised
from rhscheck.checker.explore import explore
from rhscheck.checker.schedule import (
    Infeasible,
    Reached,
    Undecided,
    Unreachable,
    refine,
    schedule,
)
from rhscheck.spec.expr import TRUE, ClockDiff, Exists, Expr, Ref, conj, disj, member
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.semantics import Run, Step, evaluate, replay_run
from rhscheck.spec.system import System

PLACES = {"x": (0, 1, 2, 3), "y": (0, 1, 2, 3)}


def line(
    guards: Sequence[Expr],
    resets: Sequence[tuple[str, ...]] | None = None,
    deadlines: Sequence[tuple[str, tuple[int, ...], str | None, int, str, bool]] | None = None,
) -> Ground:
    """Step k from place k to place k + 1 under guards[k]; clocks x and y run everywhere."""
    resets = resets or [()] * len(guards)
    steps = [
        (f"s{k}", "Host", k, k + 1, guard, reset)
        for k, (guard, reset) in enumerate(zip(guards, resets, strict=True))
    ]
    return ground(single(4, steps, PLACES, deadlines or []), 1)


def x(op: str, bound: int) -> Expr:
    return clock("x", op, bound, of=None)  # type: ignore[arg-type]


def y(op: str, bound: int) -> Expr:
    return clock("y", op, bound, of=None)  # type: ignore[arg-type]


def delays(run: Run | Infeasible) -> list[object]:
    assert isinstance(run, Run)
    return [step.delay for step in run.steps]


# ---- earliest times ------------------------------------------------------------------------------
def test_steps_without_conditions_happen_at_once() -> None:
    at = line([TRUE, TRUE])
    run = schedule(at, (0,), (0, 1))
    assert run == Run(run.initial, (Step(0, 0), Step(0, 1)))  # type: ignore[union-attr]


def test_a_lower_bound_is_waited_for_and_a_reset_starts_anew() -> None:
    at = line([x(">=", 3), x(">=", 2)], [("x",), ()])
    assert delays(schedule(at, (0,), (0, 1))) == [3, 2]


def test_a_later_upper_bound_puts_an_earlier_step_off() -> None:
    # y restarts at the first step and may be at most 1 at the second, which needs x >= 5.
    at = line([TRUE, conj((x(">=", 5), y("<=", 1)))], [("y",), ()])
    assert delays(schedule(at, (0,), (0, 1))) == [4, 1]


def test_strict_bounds_get_small_fractions() -> None:
    at = line([x(">", 2), conj((x(">", 2), y("<", 3)))])
    assert delays(schedule(at, (0,), (0, 1))) == [Fraction(5, 2), 0]
    at = line([x(">", 0), x(">", 0), conj((x(">", 0), x("<", 1)))], [("x",), ("x",), ()])
    assert delays(schedule(at, (0,), (0, 1, 2))) == [Fraction(1, 4)] * 3


def test_of_two_alternatives_the_earlier_is_taken() -> None:
    at = line([disj((x(">=", 7), y(">=", 4)))])
    assert delays(schedule(at, (0,), (0,))) == [4]
    at = line([disj((conj((x(">=", 1), x("<=", 2))), x(">=", 6))), y(">=", 5)], [("y",), ()])
    assert delays(schedule(at, (0,), (0, 1))) == [1, 5]


def test_a_decision_is_taken_back_where_it_leads_nowhere() -> None:
    early_or_late = disj((conj((x(">=", 1), x("<=", 2))), x(">=", 6)))
    at = line([early_or_late, conj((x(">=", 8), y("<=", 3)))], [("y",), ()])
    assert delays(schedule(at, (0,), (0, 1))) == [6, 2]


def test_a_goal_with_clocks_gets_a_last_delay() -> None:
    at = line([x(">=", 1)])
    goal = conj((member(Ref("at"), (1,)), x(">", 4)))
    run = schedule(at, (0,), (0,), goal)
    assert isinstance(run, Run)
    assert run.steps == (Step(1, 0), Step(Fraction(7, 2), None))
    assert evaluate(goal, at, replay_run(at, run)[-1])


def test_a_goal_with_clocks_may_hold_at_once() -> None:
    at = line([x(">=", 1)])
    assert delays(schedule(at, (0,), (0,), x("<=", 4))) == [1]


def test_differences_of_clocks_are_exact() -> None:
    apart = ClockDiff("x", None, "y", None, ">=", 3)
    at = line([TRUE, apart], [("y",), ()])
    assert delays(schedule(at, (0,), (0, 1))) == [3, 0]


def test_times_are_least_step_by_step() -> None:
    at = ground(pending(4, 3), 1)
    run = schedule(at, (0,), (0, 1, 1, 3))
    assert delays(run) == [0, 0, 0, 3]


# ---- deadlines -----------------------------------------------------------------------------------
def test_a_deadline_excludes_waiting_beyond_it() -> None:
    deadlines = [("due", (0,), "y", 2, "Host", False)]
    assert schedule(line([x(">=", 3)], None, deadlines), (0,), (0,)) == Infeasible(
        frozenset({0, 1})
    )
    assert delays(schedule(line([x(">=", 2)], None, deadlines), (0,), (0,))) == [2]


def test_a_strict_deadline_excludes_its_bound() -> None:
    deadlines = [("due", (0,), "x", 2, "Host", True)]
    assert isinstance(schedule(line([x(">=", 2)], None, deadlines), (0,), (0,)), Infeasible)
    assert delays(schedule(line([x(">", 1)], None, deadlines), (0,), (0,))) == [Fraction(3, 2)]


def test_beyond_a_deadline_steps_go_on_but_not_time() -> None:
    # x is 5 when the deadline of place 1 begins to count.
    deadlines = [("due", (1,), "x", 3, "Host", False)]
    at = line([x(">=", 5), TRUE], None, deadlines)
    assert delays(schedule(at, (0,), (0, 1))) == [5, 0]
    waits = line([x(">=", 5), y(">=", 1)], [("y",), ()], deadlines)
    assert schedule(waits, (0,), (0, 1)) == Infeasible(frozenset({0, 1}))


def test_an_urgent_state_lets_no_time_pass() -> None:
    at = line([TRUE, x(">=", 1)], None, [("now", (1,), None, 0, "Host", False)])
    assert delays(schedule(at, (0,), (0, 1))) == [1, 0]
    waits = line([TRUE, x(">=", 1)], [("x",), ()], [("now", (1,), None, 0, "Host", False)])
    assert schedule(waits, (0,), (0, 1)) == Infeasible(frozenset({0}))


def test_only_clocks_of_the_contradiction_are_blamed() -> None:
    at = ground(mortal_host(), 3)
    index = {str(t.label): k for k, t in enumerate(at.transitions)}
    path = [index[f"P[{k}]: call"] for k in (1, 2, 3)] + [index["P[2]: expire"]]
    goal = clock("running", ">", 3, of=1)
    assert schedule(at, (0,) * 7, path, goal) == Infeasible(frozenset({0}))


def test_impossible_steps_and_goals_are_refused() -> None:
    at = line([TRUE, TRUE])
    with pytest.raises(ValueError, match="step 1 is impossible"):
        schedule(at, (0,), (1,))
    with pytest.raises(ValueError, match="does not end in the goal"):
        schedule(at, (0,), (0,), member(Ref("at"), (2,)))


# ---- refinement ----------------------------------------------------------------------------------
def test_fischer_needs_all_clocks_for_its_proof() -> None:
    at = ground(fischer(2, ">", 2), 3)
    outcome = refine(at, {"both": at.expand(both_critical(), {})})["both"]
    assert isinstance(outcome, Unreachable)
    assert outcome.exploration.tracked == (0, 1, 2)
    assert outcome.exploration.complete


def test_fischer_needs_no_clock_for_its_error() -> None:
    at = ground(fischer(2, ">=", 2), 3)
    outcome = refine(at, {"both": at.expand(both_critical(), {})})["both"]
    assert isinstance(outcome, Reached)
    assert outcome.tracked == ()
    assert [step.delay for step in outcome.run.steps] == [0, 0, 0, 2, 0, 2]


def test_a_timer_that_never_fires_is_proved_with_two_of_three_clocks() -> None:
    at = ground(pending(2, 3), 1)
    outcome = refine(at, {"up": member(Ref("op", 1), (3,))})["up"]
    assert isinstance(outcome, Unreachable)
    assert [at.clocks[k].name for k in outcome.exploration.tracked] == ["silence", "gap"]


def test_goals_need_only_their_own_clocks() -> None:
    at = ground(mortal_host(), 2)
    outcomes = refine(
        at,
        {
            "late1": conj((member(Ref("host"), (0,)), clock("running", ">", 3, of=1))),
            "late2": conj((member(Ref("host"), (0,)), clock("running", ">", 3, of=2))),
            "down": member(Ref("host"), (2,)),
            "long": clock("dump", ">", 2, of=None),
        },
    )
    assert list(outcomes) == ["late1", "late2", "down", "long"]
    tracked = {
        name: outcome.exploration.tracked
        for name, outcome in outcomes.items()
        if isinstance(outcome, Unreachable)
    }
    assert tracked == {"late1": (0,), "late2": (1,), "long": (2,)}
    down = outcomes["down"]
    assert isinstance(down, Reached)
    assert [step.delay for step in down.run.steps] == [0, 3, 0]


def test_a_limit_leaves_the_goal_undecided_with_a_lower_bound() -> None:
    at = ground(fischer(2, ">", 2), 3)
    outcome = refine(at, {"both": at.expand(both_critical(), {})}, limit=60)["both"]
    assert outcome == Undecided("there are more than 60 states to visit", 6)


def test_a_cancelled_search_is_undecided() -> None:
    at = ground(mortal_host(), 6)
    outcome = refine(at, {"x": member(Ref("used", 6), (3,))}, cancelled=lambda: True)["x"]
    assert isinstance(outcome, Undecided)
    assert outcome.reason == "cancelled"


# ---- agreement -----------------------------------------------------------------------------------
@st.composite
def cases(draw: st.DrawFn, shape: Shape) -> tuple[Ground, Expr]:
    system: System = draw(systems(shape))
    at = ground(system, draw(st.integers(1, 2)))
    maker = _Maker(draw, replace(shape, quantifiers=False), system.variables, system.clocks)
    scope = _Scope((("i", TASK),))
    parts = [maker.atom(scope, timed=True) for _ in range(3)]
    return at, at.expand(Exists("i", TASK, conj(parts)), {})


@pytest.mark.parametrize(
    "shape", [Shape(closed=True), Shape(), Shape(diagonals=True, clocks=2, transitions=5)]
)
@settings(max_examples=60)
@given(data=st.data())
def test_refinement_zones_and_plain_search_agree(shape: Shape, data: st.DataObject) -> None:
    at, goal = data.draw(cases(shape))
    depth = 3
    plain = shortest_digitised(at, goal, limit=4000, depth=depth)
    refined = refine(at, {"goal": goal}, limit=2000)["goal"]
    exact = explore(at, {"goal": goal}, tracked=range(len(at.clocks)), limit=2000)
    if isinstance(plain, Shortest):
        assert isinstance(refined, Reached)
        assert len(refined.positions) == plain.length
    elif isinstance(plain, Nowhere) and isinstance(refined, Reached):
        assert len(refined.positions) > depth
    if isinstance(refined, Reached) and "goal" in exact.found:
        initial, positions = exact.path(exact.found["goal"])
        assert refined.positions == positions
        assert refined.run.initial.values == initial
    elif exact.complete and not isinstance(refined, Undecided):
        assert isinstance(refined, Reached) == ("goal" in exact.found)


def _times(run: Run) -> list[Fraction]:
    total, found = Fraction(0), []
    for step in run.steps:
        total += step.delay
        found.append(total)
    return found


@settings(max_examples=60)
@given(cases(Shape(closed=True)))
def test_no_run_in_whole_units_is_earlier(case: tuple[Ground, Expr]) -> None:
    at, goal = case
    plain = shortest_digitised(at, goal, limit=4000, depth=3)
    if not isinstance(plain, Shortest):
        return
    positions = [step.transition for step in plain.run.steps if step.transition is not None]
    run = schedule(at, plain.run.initial.values, positions, goal)
    assert isinstance(run, Run)
    assert all(isinstance(step.delay, int) for step in run.steps)
    assert _times(run)[: len(positions)] <= _times(plain.run)[: len(positions)]
