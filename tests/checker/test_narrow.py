"""The choice of variables and clocks: the same answers as with all, and no wrong proof."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hosted import FAILED, ON, RULES, hosted, loc
from hypothesis import assume, given
from hypothesis import strategies as st
from random_systems import TASK, Shape, _Maker, _Scope, assumptions, random_run, rules, systems
from timed_systems import both_critical, fischer

from rhscheck.checker import narrow as narrowing
from rhscheck.checker.explore import explore
from rhscheck.checker.narrow import Excluded, GaveUp, Missing, Real, cone, narrow, walk
from rhscheck.checker.project import Projection, TooManyOutcomes, project
from rhscheck.checker.recheck import Copy, recheck
from rhscheck.checker.schedule import Reached, Undecided, Unreachable, refine
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    Exists,
    Expr,
    Lit,
    Ref,
    conj,
    equal,
    ite,
    member,
    neg,
)
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import AssumptionError, weave
from rhscheck.spec.semantics import evaluate, replay_run
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

LIMIT = 20_000
H, G, X = Ref("h"), Ref("g"), Ref("x")


def at(*values: int) -> Expr:
    return member(X, values)


def var(name: str, kind: Type, *initial: int, role: str = "data") -> StateVar:
    return StateVar(name, None, kind, initial or (0,), role, "M")  # type: ignore[arg-type]


def world(
    steps: Iterable[tuple[Expr, dict[str, Expr]]],
    *,
    variables: tuple[StateVar, ...] = (),
    clocks: tuple[ClockVar, ...] = (),
    deadlines: tuple[Deadline, ...] = (),
    resets: dict[int, str] | None = None,
    initially: Expr = TRUE,
) -> Ground:
    """A number x from 0 to 5, other variables, and steps (guard, values)."""
    return ground(
        System(
            "world",
            "",
            (),
            (),
            (var("x", IntType(0, 5)), *variables),
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


def ask(
    whole: Ground, goal: Expr, keep: Iterable[int] = (), tracked: Iterable[int] = ()
) -> Excluded | Real | GaveUp:
    return narrow(
        whole, compile_ground(whole), "goal", goal, keep=keep, tracked=list(tracked), limit=LIMIT
    )


# ---- what is kept --------------------------------------------------------------------------------
def test_what_does_not_matter_is_left_out() -> None:
    whole = world(
        [(conj((at(0), H)), {"x": Lit(1)}), (G, {"g": neg(G)})],
        variables=(var("h", BoolType()), var("g", BoolType(), 0, 1)),
    )
    found = ask(whole, at(2))
    assert isinstance(found, Excluded)
    assert found.projection.kept == (0,)
    found = ask(whole, at(1))
    assert isinstance(found, Excluded)
    assert found.projection.kept == (0, 1)
    assert (found.exploration.states, found.exploration.tracked) == (1, ())


def test_a_clock_is_kept_only_where_timing_decides() -> None:
    whole = world(
        [(conj((at(0), ClockCmp("t", None, ">=", 3))), {"x": Lit(1)}), (at(1), {"x": Lit(2)})],
        clocks=(ClockVar("t", None, TRUE, "raw"), ClockVar("u", None, TRUE, "raw")),
        deadlines=(Deadline("soon", None, at(0), "t", 2, "Host"),),
    )
    found = ask(whole, at(2))
    assert isinstance(found, Excluded)
    assert found.exploration.tracked == (0,)
    early = replace(whole, deadlines=(replace(whole.deadlines[0], bound=3),))
    found = ask(early, at(2))
    assert isinstance(found, Real)
    assert [step.delay for step in found.run.steps] == [3, 0]
    assert found.positions == (0, 1)


def test_a_deadline_brings_the_slots_it_looks_at() -> None:
    whole = world(
        [(conj((at(0), ClockCmp("t", None, ">=", 3))), {"x": Lit(1)})],
        variables=(var("h", BoolType(), 1),),
        clocks=(ClockVar("t", None, TRUE, "raw"),),
        deadlines=(Deadline("soon", None, H, "t", 2, "Host"),),
    )
    found = ask(whole, at(1))
    assert isinstance(found, Excluded)
    assert (found.projection.kept, found.exploration.tracked) == ((0, 1), (0,))


def test_urgent_steps_count_too() -> None:
    clocks = (ClockVar("t", None, TRUE, "raw"),)
    late = ClockCmp("t", None, ">", 0)
    whole = world(
        [(at(0), {"x": Lit(1)}), (conj((at(1), late)), {"x": Lit(2)})],
        variables=(var("h", BoolType(), 1),),
        clocks=clocks,
        deadlines=(Deadline("now", None, H, None, 0, "Host"),),
    )
    found = ask(whole, at(2))
    assert isinstance(found, Excluded)
    assert found.projection.kept == (0, 1)


def test_a_step_that_only_resets_a_tracked_clock_counts() -> None:
    whole = world(
        [
            (conj((at(0), H)), {"h": FALSE}),
            (conj((at(0), ClockCmp("t", None, "<=", 1), ClockCmp("u", None, ">=", 4))),
             {"x": Lit(1)}),
        ],
        variables=(var("h", BoolType(), 1),),
        clocks=(ClockVar("t", None, TRUE, "raw"), ClockVar("u", None, TRUE, "raw")),
        resets={0: "t"},
    )  # fmt: skip
    found = ask(whole, at(1))
    assert isinstance(found, Real)
    assert found.positions == (0, 1)
    never = replace(whole, transitions=whole.transitions[1:])
    assert isinstance(ask(never, at(1)), Excluded)


def test_a_start_that_the_whole_does_not_have() -> None:
    # Either may be so alone; together they may not. No step of the path is to blame.
    whole = world(
        [(conj((at(0), neg(H))), {"x": Lit(1)}), (conj((at(1), neg(G))), {"x": Lit(2)})],
        variables=(var("h", BoolType(), 0, 1), var("g", BoolType(), 0, 1)),
        initially=neg(equal(H, G)),
    )
    found = ask(whole, at(2))
    assert isinstance(found, Excluded)
    assert found.projection.kept == (0, 1, 2)


def test_an_observer_comes_with_the_observers_that_feed_it() -> None:
    whole = world(
        [
            (at(0), {"x": Lit(1), "seen": Ref("asked")}),
            (at(1), {"x": Lit(0), "asked": TRUE, "other": TRUE}),
        ],
        variables=tuple(
            var(name, BoolType(), role="observer") for name in ("seen", "asked", "other")
        ),
        clocks=(ClockVar("since", None, Ref("other"), "observer"),),
    )
    assert cone(whole, Ref("seen")) == (frozenset({1, 2}), frozenset())
    timed = conj((Ref("seen"), ClockCmp("since", None, ">", 1)))
    assert cone(whole, timed) == (frozenset({1, 2, 3}), frozenset({0}))


# ---- the least run -------------------------------------------------------------------------------
def test_alike_steps_are_told_apart_when_the_first_is_impossible() -> None:
    whole = world(
        [(conj((at(0), H)), {"x": Lit(1)}), (conj((at(0), neg(H))), {"x": Lit(1)})],
        variables=(var("h", BoolType()),),
    )
    found = ask(whole, at(1))
    assert isinstance(found, Real)
    assert found.positions == (1,)


def test_of_two_starts_the_one_with_the_earlier_steps_is_taken() -> None:
    # From h the first step leads to 1 and the third reaches the goal; else to 2, and the second.
    whole = world(
        [
            (at(0), {"x": ite(H, Lit(1), Lit(2))}),
            (at(2), {"x": Lit(3)}),
            (at(1), {"x": Lit(3)}),
        ],
        variables=(var("h", BoolType(), 0, 1),),
    )
    found = ask(whole, at(3))
    assert isinstance(found, Real)
    assert found.positions == (0, 1)
    only = replace(whole, initially=H)
    found = ask(only, at(3))
    assert isinstance(found, Real)
    assert found.positions == (0, 2)


# ---- agreement -----------------------------------------------------------------------------------
def answers(whole: Ground, goal: Expr, seed: int) -> None:
    """Whatever `narrow` starts from, it agrees with a search that keeps everything."""
    chance = random.Random(seed)
    clocks = range(len(whole.clocks))
    known = refine(whole, {"goal": goal}, start=clocks, limit=LIMIT)["goal"]
    assume(not isinstance(known, Undecided))
    for _ in range(3):
        share = chance.choice((0.0, 0.3, 0.7))
        keep = [at for at in range(len(whole.slots)) if chance.random() < share]
        tracked = [at for at in clocks if chance.random() < share]
        found = ask(whole, goal, keep, tracked)
        match found:
            case Excluded(projection, exploration):
                assert isinstance(known, Unreachable)
                assert set(keep) <= set(projection.kept)
                assert set(tracked) <= set(exploration.tracked)
            case Real(run, positions):
                assert isinstance(known, Reached)
                assert positions == known.positions
                assert evaluate(goal, whole, replay_run(whole, run)[-1])
            case GaveUp(reason, at_least):
                # Fewer clocks may mean more states. What is said must be true all the same.
                assert reason.startswith("there are more than")
                assert not isinstance(known, Reached) or len(known.positions) >= at_least


@given(systems(Shape(clocks=2)), st.data(), st.integers(1, 2), st.integers(0, 2**32))
def test_rules_over_random_systems(system: System, data: st.DataObject, n: int, seed: int) -> None:
    rule = data.draw(rules(system, timed=True))
    promises = [data.draw(assumptions(system))] if data.draw(st.booleans()) else []
    try:
        woven = weave(system, [rule], promises)
    except AssumptionError:
        assume(False)
    assume("R" in woven.bad)
    whole = ground(woven.system, n)
    answers(whole, whole.expand(woven.bad["R"], {}), seed)


@st.composite
def states_of_a_task(draw: st.DrawFn, system: System) -> Expr:
    maker = _Maker(draw, Shape(quantifiers=False), system.variables, system.clocks)
    return Exists("k", TASK, maker.formula(_Scope((("k", TASK),)), timed=True))


@given(systems(), st.data(), st.integers(1, 2), st.integers(0, 2**32))
def test_states_of_random_systems(system: System, data: st.DataObject, n: int, seed: int) -> None:
    goal = data.draw(states_of_a_task(system))
    # Several initial states, and outcomes that depend on what is left out.
    free = replace(
        system,
        variables=tuple(
            replace(v, initial=(0, 1)) if v.initial == (0,) and data.draw(st.booleans()) else v
            for v in system.variables
        ),
    )
    whole = ground(free, n)
    answers(whole, whole.expand(goal, {}), seed)


def test_fischer_both_ways_round() -> None:
    for after, excluded in ((">", True), (">=", False)):
        whole = ground(fischer(2, after, 2), 2)  # type: ignore[arg-type]
        goal = whole.expand(both_critical(), {})
        found = ask(whole, goal)
        known = refine(whole, {"goal": goal})["goal"]
        assert isinstance(found, Excluded) == isinstance(known, Unreachable) == excluded
        if isinstance(found, Real):
            assert isinstance(known, Reached)
            assert found.positions == known.positions


# ---- limits --------------------------------------------------------------------------------------
def test_giving_up_says_how_far_it_came() -> None:
    whole = world([(TRUE, {"x": ite(at(5), Lit(0), Lit(k))}) for k in range(5)])
    compiled = compile_ground(whole)
    found = narrow(whole, compiled, "goal", at(5), keep=(), limit=2)
    assert found == GaveUp("there are more than 2 states to visit", 2)
    found = narrow(whole, compiled, "goal", at(5), keep=(), cancelled=lambda: True)
    assert isinstance(found, Excluded)  # a search that ends before it asks is not cancelled


def test_what_was_learnt_from_impossible_paths_still_holds_when_giving_up() -> None:
    whole = world(
        [(at(0), {"x": Lit(1)}), (conj((at(1), member(H, (9,)))), {"x": Lit(2)})],
        variables=(var("h", IntType(0, 9), *range(9)),),
    )
    found = narrow(whole, compile_ground(whole), "goal", at(2), keep=(), limit=5)
    assert found == GaveUp("there are more than 5 states to visit", 2)
    assert isinstance(ask(whole, at(2)), Excluded)


def test_a_path_of_a_projection_walked_in_the_whole() -> None:
    whole = world(
        [(conj((at(0), H)), {"x": Lit(1)}), (at(0), {"h": TRUE})], variables=(var("h", BoolType()),)
    )
    shown = project(whole, [0])
    compiled, smaller = compile_ground(whole), compile_ground(shown.ground)
    assert walk(whole, compiled, shown, smaller, (0,), (0,), at(1)) == Missing(frozenset({1}))
    everything = project(whole, [0, 1])
    smaller = compile_ground(everything.ground)
    found = walk(whole, compiled, everything, smaller, (0, 0), (1, 0), at(1))
    assert not isinstance(found, Missing)


# ---- a projection that is wrong does not become a proof ------------------------------------------
def proved(whole: Ground, found: Excluded, goal: Expr) -> bool:
    """Whether Z3 agrees with the invariant found, looking at the whole."""
    invariant = found.exploration.invariant()
    copy = Copy(invariant, found.projection.kept, invariant.tracked)
    return recheck(whole, [copy], {"goal": goal}).proved


def test_a_right_projection_is_a_proof() -> None:
    whole = ground(weave(hosted(), RULES[:1], ()).system, 2)
    goal = whole.expand(weave(hosted(), RULES[:1], ()).bad[RULES[0].id], {})
    found = ask(whole, goal)
    assert isinstance(found, Excluded)
    assert proved(whole, found, goal)


def mutilated(shown: Projection, number: int, how: str) -> Projection:
    """A projection that lacks something that the whole can do."""
    small = shown.ground
    steps = list(small.transitions)
    match how:
        case "drop":
            del steps[number % len(steps)]
            origin = list(shown.origin)
            del origin[number % len(origin)]
            return replace(
                shown, ground=replace(small, transitions=tuple(steps)), origin=tuple(origin)
            )
        case "strengthen":
            slot = small.slots[number % len(small.slots)]
            extra = member(Ref(slot.variable.name, slot.index), (slot.low,))
            changed = steps[number % len(steps)]
            steps[number % len(steps)] = replace(changed, guard=conj((changed.guard, extra)))
            return replace(shown, ground=replace(small, transitions=tuple(steps)))
        case "freeze":
            changed = steps[number % len(steps)]
            steps[number % len(steps)] = replace(changed, updates=changed.updates[1:])
            return replace(shown, ground=replace(small, transitions=tuple(steps)))
        case _:
            raise AssertionError(how)


@pytest.mark.parametrize("how", ["drop", "strengthen", "freeze"])
def test_every_wrong_projection_is_refuted(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    whole = ground(hosted(), 1)
    goals = [whole.expand(loc(place, at=1), {}) for place in (ON, FAILED)]
    steps = len(project(whole, range(len(whole.slots))).ground.transitions)
    wrong = 0
    for goal in goals:
        assert isinstance(ask(whole, goal), Real)
        for number in range(steps):
            monkeypatch.setattr(
                narrowing,
                "project",
                lambda *given, number=number: mutilated(project(*given), number, how),
            )
            try:
                found = ask(whole, goal, range(len(whole.slots)))
            except AssertionError:
                continue  # the walk saw that the two do not belong together
            finally:
                monkeypatch.undo()
            if isinstance(found, Excluded):
                wrong += 1
                assert not proved(whole, found, goal)
    assert wrong > 0


@given(systems(Shape(clocks=1)), st.integers(0, 2**32), st.booleans())
def test_what_is_reached_is_never_proved_unreachable(
    system: System, seed: int, strengthen: bool
) -> None:
    chance = random.Random(seed)
    whole = ground(system, 1)
    run = random_run(whole, seed, 8)
    assume(run is not None)
    assert run is not None
    last = replay_run(whole, run)[-1]
    keep = [at for at in range(len(whole.slots)) if chance.random() < 0.7]
    try:
        shown = project(whole, keep)
    except TooManyOutcomes:
        return
    goal = conj(
        member(Ref(whole.slots[at].variable.name, whole.slots[at].index), (last.values[at],))
        for at in shown.kept
    )
    if not shown.ground.transitions:
        return
    how = "strengthen" if strengthen else chance.choice(("drop", "freeze"))
    wrong = mutilated(shown, chance.randrange(100), how)
    exploration = explore(wrong.ground, {"goal": goal}, limit=LIMIT)
    if exploration.complete and "goal" not in exploration.found:
        assert not proved(whole, Excluded(wrong, exploration), goal)
