"""Searching backwards, with clocks as dates: the lengths that counting clocks have forwards."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from random_systems import TASK, Shape, systems

from rhscheck.checker.backwards import Backwards
from rhscheck.checker.bmc import Found, NoneUpTo, bounded, timeless
from rhscheck.checker.smt.dates import DatedEncoding
from rhscheck.checker.smt.solve import Deadline
from rhscheck.checker.smt.solve import Unknown as NoAnswer
from rhscheck.spec.expr import (
    TRUE,
    ClockCmp,
    ClockDiff,
    Comparison,
    Exists,
    Expr,
    Lit,
    Ref,
    conj,
    member,
    neg,
)
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.system import (
    Actor,
    BoolType,
    ClockVar,
    Label,
    Reset,
    StateVar,
    System,
    Transition,
    Update,
)
from rhscheck.spec.system import (
    Deadline as Bound,
)

V = Ref("v")


def go(key: str, guard: Expr, value: int, *resets: str) -> Transition:
    starts = tuple(Reset(clock, None) for clock in resets)
    return Transition(
        key, Label("event", "M", key), "A", (), guard, (Update("v", None, Lit(value)),), starts
    )


def small(
    *transitions: Transition, active: Expr = TRUE, deadlines: tuple[Bound, ...] = ()
) -> Ground:
    clocks = (ClockVar("x", None, active, "raw"), ClockVar("y", None, TRUE, "raw"))
    variable = StateVar("v", None, BoolType(), (0,), "data")
    actors = (Actor("A", "other"),)
    return ground(System("s", "", (), actors, (variable,), clocks, transitions, deadlines), 1)


def x(op: Comparison, bound: int) -> Expr:
    return ClockCmp("x", None, op, bound)


def y(op: Comparison, bound: int) -> Expr:
    return ClockCmp("y", None, op, bound)


def lengths(model: Ground, goal: Expr, depth: int) -> int | None:
    """The first length up to `depth` at which there is a path; None if there is none."""
    clocks = range(len(model.clocks))
    search = Backwards(DatedEncoding(model, {"goal": goal}, clocks), goal, Deadline(None))
    for length in range(depth + 1):
        search.extend_to(length)
        path = search.some()
        assert not isinstance(path, NoAnswer)
        if path is not None:
            assert len(path[1]) == length
            return length
    return None


BACK_AND_FORTH = (go("go", neg(V), 1), go("back", V, 0))


def test_a_clock_that_does_not_run_shows_nought_and_starts_anew() -> None:
    model = small(*BACK_AND_FORTH, active=V)
    assert lengths(model, conj((neg(V), x(">=", 1))), 4) is None
    assert lengths(model, conj((neg(V), y(">=", 1), x("<=", 0))), 4) == 0
    assert lengths(model, conj((x(">=", 2), y("<=", 2))), 4) == 1
    assert lengths(model, conj((x(">=", 3), y("<=", 2))), 4) is None


def test_a_clock_runs_on_unless_a_step_restarts_it() -> None:
    soon = conj((V, x("<=", 2)))
    assert lengths(small(go("go", x(">=", 3), 1)), soon, 3) is None
    assert lengths(small(go("go", x(">=", 3), 1, "x")), soon, 3) == 1


def test_strict_bounds_and_differences_are_exact() -> None:
    apart = ClockDiff("y", None, "x", None, ">", 7)
    model = small(go("again", x("<=", 4), 0, "x"))
    assert lengths(model, apart, 3) == 2
    assert lengths(model, conj((x(">", 0), x("<", 1))), 3) == 0


def test_a_deadline_ends_every_delay_but_no_step() -> None:
    tight = Bound("tight", None, V, "x", 2, "A")
    model = small(go("go", conj((neg(V), x(">=", 4))), 1), go("back", V, 0), deadlines=(tight,))
    assert lengths(model, conj((V, x(">=", 4))), 3) == 1
    assert lengths(model, conj((V, x(">=", 5), y("<=", 4))), 3) is None
    assert lengths(model, conj((neg(V), x(">=", 5), x("<=", 5))), 3) == 0


def test_what_was_excluded_elsewhere_need_not_be_asked() -> None:
    goal = conj((V, y(">=", 3)))
    model = small(*BACK_AND_FORTH, active=V)
    search = Backwards(DatedEncoding(model, {"goal": goal}, (0, 1)), goal, Deadline(None))
    search.extend_to(1)
    assert search.some() == ((0,), (0,))


def test_a_search_that_is_out_of_time_says_so() -> None:
    model = small(*BACK_AND_FORTH)
    search = Backwards(DatedEncoding(model, {"goal": V}, (0, 1)), V, Deadline(0.0))
    assert search.some() == NoAnswer("time-out after 0 s")


@settings(max_examples=60)
@given(systems(Shape(clocks=2, diagonals=True)), st.integers(1, 2), st.data())
def test_drawn_systems_have_the_lengths_that_counting_clocks_have(
    system: System, n: int, data: st.DataObject
) -> None:
    model = ground(system, n)
    slot = data.draw(st.sampled_from(model.slots))
    parts: list[Expr] = [
        member(Ref(slot.variable.name, slot.index), (data.draw(st.integers(slot.low, slot.high)),))
    ]
    if model.clocks:
        clock = data.draw(st.sampled_from(model.clocks))
        ops: tuple[Comparison, ...] = (">", ">=", "<=")
        op = data.draw(st.sampled_from(ops))
        parts.append(ClockCmp(clock.name, clock.index, op, data.draw(st.integers(1, 3))))
    goal = conj(parts)
    outcome = bounded(model, {"goal": goal}, 3)["goal"]
    expected = outcome.length if isinstance(outcome, Found) else None
    assert lengths(model, goal, 3) == expected


@settings(max_examples=60)
@given(systems(Shape(clocks=2)), st.integers(1, 3), st.data())
def test_a_run_found_without_time_is_the_canonical_one(
    system: System, n: int, data: st.DataObject
) -> None:
    model = ground(system, n)
    slots = [slot for slot in model.slots if slot.variable.family == TASK]
    slot = data.draw(st.sampled_from(slots))
    value = data.draw(st.integers(slot.low, slot.high))
    goal = Exists("g", TASK, member(Ref(slot.variable.name, "g"), (value,)))
    outcome = bounded(model, {"goal": goal}, 3)["goal"]
    if isinstance(outcome, NoneUpTo):
        assert timeless(model, "goal", goal, 3) is None
    else:
        assert isinstance(outcome, Found)
        found = timeless(model, "goal", goal, outcome.length)
        assert found in (None, outcome)


def test_a_run_that_cannot_be_timed_is_left_to_others() -> None:
    # By `soon` it would be quicker written down, but it is too late for that after `late`.
    late, soon = go("late", x(">=", 4), 1), go("soon", conj((V, x("<=", 3))), 0)
    model = small(soon, late)
    both = conj((V, y("<=", 3)))
    assert timeless(model, "goal", both, 1) is None  # about time: not asked
    assert timeless(model, "goal", V, 1) == bounded(model, {"goal": V}, 1)["goal"]
    never = Bound("never", None, neg(V), "x", 2, "A")
    assert timeless(small(soon, late, deadlines=(never,)), "goal", V, 1) is None
