"""Leaving variables out: the smaller Ground has every run of the larger one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hosted import RULES, hosted
from hypothesis import assume, given
from hypothesis import strategies as st
from projections import uncovered
from random_systems import Shape, assumptions, random_run, rules, systems

from rhscheck.checker.project import Projection, TooManyOutcomes, project, slots_of
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    Add,
    And,
    ClockCmp,
    Eq,
    Expr,
    In,
    Ite,
    Lit,
    Not,
    Or,
    Ref,
    conj,
    disj,
    ite,
    member,
    neg,
)
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.load import load
from rhscheck.spec.rules import AssumptionError, weave
from rhscheck.spec.semantics import State, evaluate
from rhscheck.spec.system import (
    BoolType,
    ClockVar,
    Deadline,
    IntType,
    Label,
    Reset,
    StateVar,
    System,
    Transition,
    Type,
    Update,
)

A, B, H, X = Ref("a"), Ref("b"), Ref("h"), Ref("x")
LATE = ClockCmp("t", None, ">=", 2)


def var(name: str, kind: Type, *initial: int) -> StateVar:
    return StateVar(name, None, kind, initial or (0,), "data", "M")


def world(
    *steps: tuple[Expr, dict[str, Expr]],
    variables: tuple[StateVar, ...] = (),
    clocks: tuple[ClockVar, ...] = (ClockVar("t", None, TRUE, "raw"),),
    deadlines: tuple[Deadline, ...] = (),
    resets: dict[int, str] | None = None,
    initially: Expr = TRUE,
) -> Ground:
    """Booleans a, b and h, a number x from 0 to 3, and steps (guard, values)."""
    booleans = tuple(var(name, BoolType()) for name in "abh")
    return ground(
        System(
            "world",
            "",
            (),
            (),
            (*booleans, var("x", IntType(0, 3)), *variables),
            clocks,
            tuple(
                Transition(
                    f"s{k}",
                    Label("event", "M", f"s{k}"),
                    "Host",
                    (),
                    guard,
                    tuple(Update(name, None, value) for name, value in values.items()),
                    (Reset(resets[k], None),) if resets and k in resets else (),
                )
                for k, (guard, values) in enumerate(steps)
            ),
            deadlines,
            initially=initially,
        ),
        1,
    )


def seeing(whole: Ground, *names: str, clocks: tuple[int, ...] = ()) -> Projection:
    return project(whole, [whole.slot_of[(name, None)] for name in names], clocks)


def guard_of(guard: Expr, *names: str) -> Expr:
    """What is left of a guard where only `names` are kept (a is written, so that it counts)."""
    shown = seeing(world((guard, {"a": neg(A)})), "a", *names)
    return shown.ground.transitions[0].guard if shown.ground.transitions else FALSE


# ---- guards --------------------------------------------------------------------------------------
def test_what_is_not_seen_may_be_either_way() -> None:
    assert guard_of(conj((A, H))) == A
    assert guard_of(conj((A, neg(H)))) == A
    assert guard_of(disj((A, H))) == TRUE
    assert guard_of(disj((A, conj((B, H)))), "b") == disj((A, B))
    assert guard_of(Not(And((A, H)))) == TRUE
    assert guard_of(Not(Or((A, H)))) == neg(A)
    assert guard_of(conj((H, neg(H)))) == TRUE
    assert guard_of(member(X, (1,))) == TRUE
    assert guard_of(Not(Eq(X, Add(X, Lit(1))))) == TRUE
    assert guard_of(In(ite(A, X, Lit(3)), (3,))) == TRUE
    assert guard_of(conj((A, H)), "h") == conj((A, H))


def test_a_choice_on_something_unseen_may_go_either_way() -> None:
    assert guard_of(Ite(H, A, B), "b") == disj((A, B))
    assert guard_of(Not(Ite(H, A, B)), "b") == Not(And((A, B)))
    assert guard_of(Ite(A, H, B), "b") == disj((A, conj((neg(A), B))))
    assert guard_of(Not(Ite(A, H, B)), "b") == Not(And((neg(A), disj((A, B)))))


def test_clocks_stay_in_guards() -> None:
    assert guard_of(conj((H, LATE))) == LATE
    assert guard_of(disj((conj((H, LATE)), conj((neg(H), neg(LATE)))))) == disj((LATE, neg(LATE)))


@st.composite
def formulas(draw: st.DrawFn, depth: int = 3) -> Expr:
    """Formulas over a, b, h and x in every form that depends on them."""
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        number = Lit(draw(st.integers(0, 3)))
        leaves: list[Expr] = [A, B, H, member(X, (1, 2)), Eq(X, number), Eq(A, H), TRUE, FALSE]
        return draw(st.sampled_from(leaves))
    parts = [draw(formulas(depth - 1)) for _ in range(3)]
    forms: list[Expr] = [
        Not(parts[0]),
        And(tuple(parts)),
        Or(tuple(parts)),
        Ite(parts[0], parts[1], parts[2]),
        In(Ite(parts[0], X, Lit(2)), (1, 2)),
        Eq(parts[0], parts[1]),
    ]
    return draw(st.sampled_from(forms))


def holds(formula: Expr, at: Ground, values: Sequence[int]) -> bool:
    return bool(evaluate(formula, at, State(tuple(values), (0,))))


@given(formulas(), st.sets(st.sampled_from("abhx")))
def test_guards_hold_at_least_and_deadlines_at_most_where_they_did(
    formula: Expr, names: set[str]
) -> None:
    whole = world(
        (formula, {"out": formula}),
        variables=(var("out", BoolType()),),
        deadlines=(Deadline("d", None, formula, "t", 1, "Host"),),
        initially=formula,
    )
    shown = seeing(whole, "out", *names)
    steps, due = shown.ground.transitions, shown.ground.deadlines
    for values in itertools.product((0, 1), (0, 1), (0, 1), range(4), (0,)):
        kept = [values[at] for at in shown.kept]
        after = [t.updates[0][1] for t in steps if holds(t.guard, shown.ground, kept)]
        if holds(formula, whole, values):
            assert holds(shown.ground.initially, shown.ground, kept)
            assert any(holds(value, shown.ground, kept) for value in after)
        else:
            assert not any(holds(deadline.active, shown.ground, kept) for deadline in due)


# ---- values --------------------------------------------------------------------------------------
def outcomes(value: Expr, name: str, *names: str) -> list[tuple[Expr, Expr]]:
    """The guards and values that a step `name := value` becomes."""
    shown = seeing(world((TRUE, {name: value})), name, *names)
    assert set(shown.origin) == {0}
    return [(t.guard, t.updates[0][1]) for t in shown.ground.transitions]


def test_a_value_that_is_not_seen_may_be_any_of_its_type() -> None:
    assert outcomes(H, "a") == [(TRUE, Lit(0)), (TRUE, Lit(1))]
    assert outcomes(Add(X, Lit(1)), "x") == [(TRUE, Add(X, Lit(1)))]
    other = world((TRUE, {"x": Ref("y")}), variables=(var("y", IntType(0, 9)),))
    values = [t.updates[0][1] for t in seeing(other, "x").ground.transitions]
    assert values == [Lit(0), Lit(1), Lit(2), Lit(3)]


def test_a_truth_value_keeps_what_is_known_about_it() -> None:
    assert outcomes(conj((B, H)), "a", "b") == [(B, Lit(1)), (TRUE, Lit(0))]
    assert outcomes(disj((B, H)), "a", "b") == [(TRUE, Lit(1)), (neg(B), Lit(0))]
    assert outcomes(Not(And((B, H))), "a", "b") == [(TRUE, Lit(1)), (B, Lit(0))]


def test_a_choice_becomes_a_step_a_branch() -> None:
    assert outcomes(ite(H, Lit(1), A), "a") == [(TRUE, Lit(1)), (TRUE, A)]
    value = ite(conj((B, H)), Lit(2), ite(B, Lit(1), X))
    assert outcomes(value, "x", "b") == [(B, Lit(2)), (TRUE, ite(B, Lit(1), X))]
    nested = ite(H, Lit(2), ite(neg(H), Lit(2), X))
    assert outcomes(nested, "x") == [(TRUE, Lit(2)), (TRUE, X)]


def test_many_outcomes_are_refused_with_the_slots_that_would_help() -> None:
    big = var("big", IntType(0, 64))
    copy = world((H, {"x": Ref("big"), "big": Ref("huge")}), variables=(
        big, var("huge", IntType(0, 1_000_000_000)),
    ))  # fmt: skip
    with pytest.raises(TooManyOutcomes) as caught:
        seeing(copy, "big")
    assert caught.value.slots == {copy.slot_of[("huge", None)]}
    pair = world(
        (H, {"x": Ref("y"), "z": Ref("big"), "a": B}),
        variables=(big, var("y", IntType(0, 9)), var("z", IntType(0, 30))),
    )
    with pytest.raises(TooManyOutcomes) as caught:
        seeing(pair, "x", "z")
    assert caught.value.slots == {pair.slot_of[("y", None)], pair.slot_of[("big", None)]}
    assert len(seeing(pair, "z").ground.transitions) == 31


# ---- steps that count, and their order -----------------------------------------------------------
def test_steps_that_change_nothing_seen_are_left_out_unless_they_reset() -> None:
    whole = world(
        (A, {"h": TRUE}), (A, {}), (B, {"b": FALSE, "h": FALSE}), (H, {}), resets={1: "t", 3: "u"},
        clocks=(ClockVar("t", None, TRUE, "raw"), ClockVar("u", None, TRUE, "raw")),
    )  # fmt: skip
    assert seeing(whole, "a", "b").origin == (2,)
    shown = seeing(whole, "a", "b", clocks=(0,))
    assert shown.origin == (1, 2)
    assert [t.resets for t in shown.ground.transitions] == [(0,), ()]
    assert [t.updates for t in shown.ground.transitions] == [(), ((1, FALSE),)]
    both = seeing(whole, "a", "b", clocks=(0, 1))
    assert both.origin == (1, 2, 3)
    assert both.weakened == {3: frozenset({2})}


def test_of_steps_that_look_alike_the_first_stands_for_all() -> None:
    whole = world((conj((A, H)), {"b": TRUE}), (conj((A, neg(H))), {"b": TRUE}), (A, {"b": H}))
    shown = seeing(whole, "a", "b")
    assert shown.origin == (0, 2)
    assert [t.updates[0][1] for t in shown.ground.transitions] == [TRUE, FALSE]
    assert seeing(whole, "a", "b", "h").origin == (0, 1, 2)


def test_positions_are_those_of_the_smaller_ground() -> None:
    whole = world((B, {"x": Lit(1), "b": FALSE}))
    shown = seeing(whole, "b", "x")
    assert shown.kept == (1, 3)
    assert shown.ground.slot_of == {("b", None): 0, ("x", None): 1}
    assert shown.ground.transitions[0].updates == ((0, FALSE), (1, Lit(1)))


# ---- time ----------------------------------------------------------------------------------------
def test_a_deadline_counts_only_where_it_surely_is_active() -> None:
    whole = world(
        (A, {"a": FALSE}),
        deadlines=(
            Deadline("hidden", None, H, "t", 1, "Host"),
            Deadline("both", None, conj((A, H)), "t", 2, "Host"),
            Deadline("either", None, disj((A, H)), "t", 3, "Host"),
            Deadline("not", None, neg(conj((A, H))), "t", 4, "Host"),
            Deadline("urgent", None, A, None, 0, "Host"),
        ),
    )
    shown = seeing(whole, "a", clocks=(0,))
    assert [(d.name, d.active) for d in shown.ground.deadlines] == [
        ("either", A),
        ("not", neg(A)),
        ("urgent", A),
    ]


def test_what_a_tracked_clock_needs_is_kept() -> None:
    clocks = (ClockVar("t", None, conj((H, B)), "raw"), ClockVar("u", None, H, "raw"))
    whole = world((A, {"a": FALSE}), (A, {"h": TRUE}), clocks=clocks)
    shown = seeing(whole, "a", clocks=(0,))
    assert shown.kept == (0, 1, 2)
    assert shown.origin == (0, 1)
    assert [clock.active for clock in shown.ground.clocks] == [conj((H, B)), H]
    assert [clock.active for clock in seeing(whole, "a").ground.clocks] == [TRUE, TRUE]


def test_initial_states_are_weakened() -> None:
    whole = world(initially=conj((A, H)))
    assert seeing(whole, "a").ground.initially == A
    assert seeing(whole, "b").ground.initially == TRUE


def test_slots_of() -> None:
    whole = world()
    assert slots_of(whole, conj((A, member(X, (1,)), LATE))) == {0, 3}


# ---- the claim -----------------------------------------------------------------------------------
def subset(whole: Ground, chance: random.Random) -> tuple[list[int], list[int]]:
    """Some slots and some clocks."""
    share = chance.choice((0.2, 0.5, 0.8))
    return (
        [at for at in range(len(whole.slots)) if chance.random() < share],
        [at for at in range(len(whole.clocks)) if chance.random() < share],
    )


@given(systems(Shape(diagonals=True)), st.data(), st.integers(1, 2), st.integers(0, 2**32))
def test_every_run_is_a_run_of_every_projection(
    system: System, data: st.DataObject, n: int, seed: int
) -> None:
    rule = data.draw(rules(system, timed=True))
    promises = [data.draw(assumptions(system))] if data.draw(st.booleans()) else []
    try:
        woven = weave(system, [rule], promises)
    except AssumptionError:
        assume(False)
    whole = ground(woven.system, n)
    chance = random.Random(seed)
    for _ in range(4):
        run = random_run(whole, chance.randrange(2**32), 12)
        assume(run is not None)
        assert run is not None
        keep, tracked = subset(whole, chance)
        try:
            shown = project(whole, keep, tracked)
        except TooManyOutcomes:
            continue
        assert uncovered(shown, tracked, run) is None


def test_every_run_of_rhs_is_a_run_of_its_projections() -> None:
    system = load("rhs").system
    whole = ground(weave(system, system.rules[:12], system.assumptions).system, 1)
    chance = random.Random(1)
    for seed in range(6):
        run = random_run(whole, seed, 40)
        assert run is not None
        for _ in range(3):
            keep, tracked = subset(whole, chance)
            assert uncovered(project(whole, keep, tracked), tracked, run) is None


def test_the_check_sees_a_projection_that_lacks_a_run() -> None:
    whole = ground(weave(hosted(), RULES[:1], ()).system, 1)
    shown = project(whole, range(len(whole.slots)), ())
    run = random_run(whole, 3, 12)
    assert run is not None
    used = next(step.transition for step in run.steps if step.transition is not None)
    first = shown.origin.index(used)
    stronger = tuple(
        replace(transition, guard=FALSE) if at == first else transition
        for at, transition in enumerate(shown.ground.transitions)
    )
    wrong = replace(shown, ground=replace(shown.ground, transitions=stronger))
    assert uncovered(shown, (), run) is None
    assert uncovered(wrong, (), run) is not None
