"""Counts against other ways of counting, and the shortest runs in ticks."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_systems import TASK, Shape, rules, systems
from timed_systems import both_critical, clock, fischer, mortal_host, pending, single

from rhscheck.checker.boxes import Boxes, Unsuitable
from rhscheck.checker.counted import Stepper, relevant
from rhscheck.checker.explicit import (
    Count,
    Nowhere,
    Refused,
    Shortest,
    Stopped,
    count,
    shortest_digitised,
)
from rhscheck.checker.orbits import Orbits
from rhscheck.checker.parts import Parts
from rhscheck.spec.expr import TRUE, Expr, Forall, Ref, conj, member
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.load import load
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import (
    State,
    Step,
    delay_bound,
    elapse,
    enabled,
    evaluate,
    fire,
    initial_states,
    replay_run,
)
from rhscheck.spec.system import RuleKind, System


def never() -> bool:
    return False


def equal_to(name: str, bound: int) -> tuple[Expr, Expr]:
    return clock(name, ">=", bound, of=None), clock(name, "<=", bound, of=None)


# ---- known numbers -------------------------------------------------------------------------------
def test_untimed_counts_of_fischer() -> None:
    # The same numbers as the explorer's, and as four places by hand for one process.
    assert count(ground(fischer(2, ">", 2), 1)) == Count(1, 4, 4, None, None, None)
    assert count(ground(fischer(2, ">", 2), 2)) == Count(2, 28, 52, None, None, None)
    assert count(ground(fischer(2, ">", 2), 3)) == Count(3, 152, 408, None, None, None)


def test_timed_counts_of_one_fischer_process_by_hand() -> None:
    # A tick is 2 units. States: Idle and Critical have no clock; Asking at 0 and 1 tick, its
    # deadline; Waiting at 0, 1 and "more": 7. Steps: try, set (2), enter (at 1 and "more"), leave;
    # ticks: 1 within Asking, 3 in Waiting, 2 where no clock runs: 12.
    counted = count(ground(fischer(2, ">=", 2), 1), untimed=False)
    assert counted == Count(1, 7, 12, None, None, 2)


def test_instances_of_a_mortal_host_are_counted_up_to_renaming() -> None:
    # 5 parts: used 0, 1, 2, the last two with a call, too. Up: any; Dumping: somebody has called;
    # Gone: one state. So 2 * 5**n states.
    for n in (1, 2, 3, 4):
        whole = count(ground(mortal_host(), n))
        halved = count(ground(mortal_host(), n), symmetry=True)
        assert isinstance(whole, Count)
        assert isinstance(halved, Count)
        assert whole.states == 2 * 5**n
        assert (halved.states, halved.transitions) == (whole.states, whole.transitions)
    assert count(ground(mortal_host(), 2), symmetry=True) == Count(2, 50, 115, 30, 69, None)


def test_large_numbers_are_counted_without_visiting() -> None:
    found = count(ground(mortal_host(), 30), symmetry=True)
    assert isinstance(found, Count)
    assert found.states == 2 * 5**30
    assert found.orbits == 2 * math.comb(30 + 4, 4)


@pytest.mark.parametrize("name", ["two_locks", "two_phase"])
def test_shipped_specs_count_the_same_in_every_way(name: str) -> None:
    system = load(name, {}).system
    for n in (1, 2, 3):
        at = ground(weave(system, (), system.assumptions).system, n)
        whole, halved = count(at), count(at, symmetry=True)
        assert isinstance(whole, Count)
        assert isinstance(halved, Count)
        assert (halved.states, halved.transitions) == (whole.states, whole.transitions)


# ---- refusals and limits -------------------------------------------------------------------------
def test_a_stored_instance_number_breaks_symmetry() -> None:
    assert count(ground(fischer(2, ">", 2), 2), symmetry=True) == Refused(
        "the transition set is not the same for all instances"
    )


def test_without_a_family_of_n_instances_there_is_no_symmetry() -> None:
    system = single(2, [("go", "Host", 0, 1, TRUE, ())], {}, [])
    assert count(ground(system, 1), symmetry=True) == Refused(
        "no family has as many instances as -n says"
    )


def test_strict_and_diagonal_comparisons_have_no_whole_ticks() -> None:
    assert count(ground(fischer(2, ">", 2), 1), untimed=False) == Refused(
        "P[1]: enter compares clock x strictly"
    )
    strict = single(2, [], {"x": (0,)}, [("due", (0,), "x", 3, "Host", True)])
    assert count(ground(strict, 1), untimed=False) == Refused("deadline due is strict")


def test_a_limit_and_a_cancellation_stop_every_way_of_counting() -> None:
    at = ground(mortal_host(), 4)
    assert count(at, limit=100) == Stopped("there are more than 100 states", 54)
    assert isinstance(count(at, symmetry=True, limit=5), Stopped)
    parts = Parts(Stepper(relevant(at, True), True), "P")
    stopped = Orbits(parts).count(50, never)
    assert isinstance(stopped, Stopped)
    assert stopped.reason == "there are more than 50 orbits"
    assert Boxes(parts).count(5, never) == Stopped("there are more than 5 local states", 5)


def test_a_large_count_can_be_cancelled() -> None:
    at = ground(mortal_host(), 7)
    assert count(at, cancelled=lambda: True) == Stopped("cancelled", 4096)
    again = count(at, symmetry=True, cancelled=lambda: True)
    assert isinstance(again, Stopped)
    assert again.reason == "cancelled"


# ---- against each other --------------------------------------------------------------------------
def plain(starts: Iterable[Hashable], steps: object) -> tuple[int, int] | None:
    """States and distinct (event, successor) pairs by the simplest search; None: too many."""
    known = dict.fromkeys(starts)
    waiting = list(known)
    edges = 0
    for state in waiting:
        found = steps(state)  # type: ignore[operator]
        edges += len(found)
        for _, after in found:
            if after not in known:
                known[after] = None
                waiting.append(after)
        if len(known) > 3000:
            return None
    return len(known), edges


def by_semantics(at: Ground) -> tuple[int, int] | None:
    """The timed count by `spec.semantics` alone (unit 1)."""
    most = [0] * len(at.clocks)
    stepper = Stepper(relevant(at, False), False)
    if stepper.unit != 1 or stepper.ground.clocks != at.clocks:
        return None
    most = stepper.most

    def capped(state: State) -> State:
        return State(state.values, tuple(map(min, state.clocks, most)))

    def steps(state: State) -> set[tuple[object, State]]:
        found: set[tuple[object, State]] = {
            (
                (at.transitions[position].label, at.transitions[position].also),
                capped(fire(at, state, position)),
            )
            for position in enabled(at, state)
        }
        if delay_bound(at, state).allows(1):
            found.add(("tick", capped(elapse(at, state, 1))))
        return found

    return plain(initial_states(at), steps)


@settings(max_examples=60)
@given(systems(Shape(closed=True)), st.integers(1, 2))
def test_timed_counts_agree_with_the_semantics(system: System, n: int) -> None:
    at = ground(system, n)
    counted = count(at, untimed=False, limit=5000)
    expected = by_semantics(at)
    if isinstance(counted, Count) and expected is not None:
        assert (counted.states, counted.transitions) == expected


@settings(max_examples=80)
@given(
    st.one_of(
        systems(Shape(closed=True, references=False)),
        systems(Shape(closed=True, references=False, pairs=False, quantifiers=False)),
    ),
    st.integers(1, 3),
    st.booleans(),
)
def test_all_ways_of_counting_agree(system: System, n: int, untimed: bool) -> None:
    at = ground(system, n)
    whole = count(at, untimed=untimed, limit=6000)
    if not isinstance(whole, Count):
        return
    stepper = Stepper(relevant(at, untimed), untimed)
    orbits = Orbits(Parts(stepper, TASK)).count(6000, never)
    boxes = Boxes(Parts(stepper, TASK)).count(6000, never)
    assert isinstance(orbits, Count)
    assert (orbits.states, orbits.transitions) == (whole.states, whole.transitions)
    assert isinstance(boxes, Unsuitable) or boxes == orbits
    assert count(at, untimed=untimed, symmetry=True) == orbits


@settings(max_examples=40)
@given(st.data())
def test_observers_of_rules_do_not_change_a_count(data: st.DataObject) -> None:
    system = data.draw(systems(Shape(closed=True, clocks=2)))
    # Watching a distance ("early") splits guards by the observer: that changes what is read.
    kinds: tuple[RuleKind, ...] = ("never", "before", "after", "can", "within")
    rule = data.draw(rules(system, kinds=kinds))
    woven = weave(system, [rule], ())
    before, after = ground(system, 2), ground(woven.system, 2)
    assert count(after, limit=5000) == count(before, limit=5000)


# ---- the shortest run ----------------------------------------------------------------------------
def test_the_shortest_run_to_both_critical() -> None:
    at = ground(fischer(2, ">=", 2), 2)
    found = shortest_digitised(at, at.expand(both_critical(), {}))
    assert isinstance(found, Shortest)
    assert found.length == 6
    assert evaluate(at.expand(both_critical(), {}), at, replay_run(at, found.run)[-1])


def test_strict_comparisons_need_a_depth() -> None:
    at = ground(fischer(2, ">", 2), 2)
    goal = at.expand(both_critical(), {})
    with pytest.raises(ValueError, match="depth"):
        shortest_digitised(at, goal)
    assert shortest_digitised(at, goal, depth=7) == Nowhere(7)
    assert isinstance(shortest_digitised(ground(fischer(2, ">", 1), 2), goal, depth=7), Shortest)


def test_delays_are_joined_with_the_step_after_them() -> None:
    at = ground(pending(4, 3), 1)
    found = shortest_digitised(at, member(Ref("op", 1), (3,)))
    assert isinstance(found, Shortest)
    assert found.run.steps == (Step(0, 0), Step(3, 3))


def test_a_goal_on_clocks_may_need_a_last_delay() -> None:
    at = ground(single(2, [("go", "Host", 0, 1, TRUE, ())], {"x": (1,)}, []), 1)
    found = shortest_digitised(at, clock("x", ">", 4, of=None), depth=2)
    assert isinstance(found, Shortest)
    assert found.length == 1
    assert found.run.steps[-1].transition is None
    assert found.run.steps[-1].delay == Fraction(5)


def test_events_only_misses_what_starts_in_between() -> None:
    # y has to start when x is 7: no clock is near a constant then.
    both = conj((*equal_to("x", 10), *equal_to("y", 3)))
    steps = [("start", "Host", 0, 1, TRUE, ("y",)), ("end", "Host", 1, 2, both, ())]
    at = ground(single(3, steps, {"x": (0, 1), "y": (1,)}, []), 1)
    goal = member(Ref("at"), (2,))
    found = shortest_digitised(at, goal)
    assert isinstance(found, Shortest)
    assert found.run.steps == (Step(7, 0), Step(3, 1))
    assert shortest_digitised(at, goal, events_only=True) == Nowhere(None)


def test_a_limit_stops_the_search() -> None:
    at = ground(fischer(2, ">=", 2), 3)
    stopped = shortest_digitised(at, at.expand(both_critical(), {}), limit=30)
    assert isinstance(stopped, Stopped)
    assert stopped.reason == "there are more than 30 states"


def test_an_unreachable_goal_is_nowhere() -> None:
    at = ground(mortal_host(), 2)
    together = Forall("i", "P", member(Ref("used", "i"), (2,)))
    assert shortest_digitised(at, conj((member(Ref("host"), (2,)), at.expand(together, {})))) == (
        Nowhere(None)
    )
