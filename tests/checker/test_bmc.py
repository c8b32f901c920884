"""Bounded checking: known verdicts, canonical runs, exact time, and agreement with enumeration."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_systems import TASK, Shape, rules, systems

from rhscheck.checker import bmc
from rhscheck.checker.bmc import EncodingMismatch, Found, NoneUpTo, Stopped, bounded
from rhscheck.checker.budget import Left
from rhscheck.checker.focus import Focus
from rhscheck.checker.schedule import Reached, Undecided, Unreachable, refine
from rhscheck.checker.smt.atoms import constants
from rhscheck.checker.smt.symmetry import exchangeable
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    Add,
    ClockCmp,
    ClockDiff,
    Comparison,
    Eq,
    Exists,
    Expr,
    IndexValue,
    Ite,
    Le,
    Lit,
    Ref,
    Sub,
    conj,
    equal,
    member,
    neg,
    same,
)
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import (
    IllegalRun,
    Run,
    State,
    Step,
    Time,
    delay_bound,
    elapse,
    enabled,
    evaluate,
    fire,
    initial_states,
)
from rhscheck.spec.system import (
    SELF,
    Actor,
    BoolType,
    ClockVar,
    Deadline,
    EnumType,
    Family,
    IntType,
    Label,
    Param,
    RefType,
    Reset,
    StateVar,
    System,
    Transition,
    Type,
    Update,
)

IDLE, REQUESTING, WAITING, CRITICAL = range(4)


def at(*places: int, i: str | int = SELF) -> Expr:
    return member(Ref("place", i), places)


def fischer(set_within: int, wait: int, op: Comparison = ">=") -> System:
    """Fischer's mutual exclusion: safe iff every wait outlasts every write."""
    own = (Param(SELF, "P"),)

    def line(key: str, guard: Expr, to: int, *more: Update, restart: bool = False) -> Transition:
        return Transition(
            key,
            Label("event", "P", key, None, SELF),
            "P",
            own,
            guard,
            (Update("place", SELF, Lit(to)), *more),
            (Reset("x", SELF),) if restart else (),
        )

    mine = Eq(Ref("owner"), IndexValue(SELF))
    free = equal(Ref("owner"), Lit(0))
    return System(
        "fischer",
        "",
        (Family("P", None),),
        (Actor("P", "other"),),
        (
            StateVar(
                "place", "P", EnumType("place", ("idle", "set", "wait", "in")), (0,), "location"
            ),
            StateVar("owner", None, RefType("P", True), (0,), "data"),
        ),
        (ClockVar("x", "P", at(REQUESTING, WAITING), "raw"),),
        (
            line("request", conj((at(IDLE), free)), REQUESTING, restart=True),
            line(
                "write",
                at(REQUESTING),
                WAITING,
                Update("owner", None, IndexValue(SELF)),
                restart=True,
            ),
            line("retry", conj((at(WAITING), free)), REQUESTING, restart=True),
            line("enter", conj((at(WAITING), mine, ClockCmp("x", SELF, op, wait))), CRITICAL),
            line("leave", at(CRITICAL), IDLE, Update("owner", None, Lit(0))),
        ),
        (Deadline("write", "P", at(REQUESTING), "x", set_within, "P"),),
    )


BOTH_IN = Exists(
    "i",
    "P",
    Exists("j", "P", conj((neg(same("i", "j")), at(CRITICAL, i="i"), at(CRITICAL, i="j")))),
)


def told(model: Ground, run: Run) -> list[tuple[Time, str | None]]:
    return [
        (
            step.delay,
            None if step.transition is None else str(model.transitions[step.transition].label),
        )
        for step in run.steps
    ]


# ---- Fischer, both ways round --------------------------------------------------------------------
@pytest.mark.parametrize("time", ["auto", "digital", "grid", "real"])
@pytest.mark.parametrize("n", [2, 3])
def test_fischer_is_safe_where_waiting_is_longer_than_writing(time: str, n: int) -> None:
    found = bounded(ground(fischer(1, 2), n), {"mutex": BOTH_IN}, 9, time=time)  # type: ignore[arg-type]
    assert found == {"mutex": NoneUpTo(9)}


@pytest.mark.parametrize("time", ["auto", "digital", "grid", "real"])
@pytest.mark.parametrize("n", [2, 3])
def test_fischer_fails_where_it_is_not_with_the_canonical_run(time: str, n: int) -> None:
    model = ground(fischer(2, 2), n)
    outcome = bounded(model, {"mutex": BOTH_IN}, 9, time=time)["mutex"]  # type: ignore[arg-type]
    assert isinstance(outcome, Found)
    assert outcome.length == 6
    assert told(model, outcome.run) == [
        (0, "P[1]: request"),
        (0, "P[2]: request"),
        (0, "P[1]: write"),
        (2, "P[1]: enter"),
        (0, "P[2]: write"),
        (2, "P[2]: enter"),
    ]


def test_a_strict_wait_at_the_bound_is_safe_and_needs_no_whole_units() -> None:
    model = ground(fischer(2, 2, ">"), 2)
    assert bounded(model, {"mutex": BOTH_IN}, 8) == {"mutex": NoneUpTo(8)}
    assert bounded(model, {"mutex": BOTH_IN}, 8, time="real") == {"mutex": NoneUpTo(8)}


def test_strict_waits_give_times_in_parts_of_a_unit() -> None:
    model = ground(fischer(3, 2, ">"), 2)
    outcome = bounded(model, {"mutex": BOTH_IN}, 8)["mutex"]
    assert isinstance(outcome, Found)
    assert [delay for delay, _ in told(model, outcome.run)] == [
        0,
        0,
        0,
        Fraction(7, 3),
        0,
        Fraction(7, 3),
    ]
    assert bounded(model, {"mutex": BOTH_IN}, 8, time="real")["mutex"] == outcome


# ---- small systems: what a delay may do ----------------------------------------------------------
def small(
    *transitions: Transition,
    deadlines: tuple[Deadline, ...] = (),
    kind: Type = BoolType(),  # noqa: B008 - frozen
    initial: tuple[int, ...] = (0,),
    active: Expr = TRUE,
) -> Ground:
    """One variable `v`, two clocks x (while `active`) and y."""
    system = System(
        "small",
        "",
        (),
        (Actor("A", "other"),),
        (StateVar("v", None, kind, initial, "data"),),
        (ClockVar("x", None, active, "raw"), ClockVar("y", None, TRUE, "raw")),
        transitions,
        deadlines,
    )
    return ground(system, 1)


def go(guard: Expr, value: Expr, *resets: str, key: str = "go") -> Transition:
    label = Label("event", "M", key)
    return Transition(
        key,
        label,
        "A",
        (),
        guard,
        (Update("v", None, value),),
        tuple(Reset(clock, None) for clock in resets),
    )


def x(op: Comparison, bound: int) -> Expr:
    return ClockCmp("x", None, op, bound)


def y(op: Comparison, bound: int) -> Expr:
    return ClockCmp("y", None, op, bound)


def shown(
    model: Ground, bad: Expr, depth: int, time: str = "auto"
) -> list[tuple[Time, int | None]]:
    outcome = bounded(model, {"bad": bad}, depth, time=time)["bad"]  # type: ignore[arg-type]
    assert isinstance(outcome, Found)
    return [(step.delay, step.transition) for step in outcome.run.steps]


V = Ref("v")


def test_dense_time_has_a_witness_that_whole_units_lack() -> None:
    inside = conj((x(">", 0), x("<", 1)))
    assert shown(small(), inside, 0) == [(Fraction(1, 2), None)]
    assert shown(small(), inside, 0, "real") == [(Fraction(1, 2), None)]
    with pytest.raises(ValueError, match="strictly more than once"):
        bounded(small(), {"bad": inside}, 0, time="digital")


def test_a_last_delay_may_make_a_state_bad() -> None:
    within = Deadline("within", None, TRUE, "x", 5, "A")
    assert shown(small(), x(">", 5), 0) == [(Fraction(11, 2), None)]
    assert bounded(small(deadlines=(within,)), {"bad": x(">", 5)}, 2) == {"bad": NoneUpTo(2)}
    assert shown(small(deadlines=(within,)), x(">=", 5), 0) == [(5, None)]


def test_a_strict_deadline_keeps_the_bound_out_of_reach() -> None:
    before = Deadline("before", None, TRUE, "x", 5, "A", strict=True)
    model = small(go(x(">=", 5), Lit(1)), deadlines=(before,))
    assert bounded(model, {"bad": V}, 2) == {"bad": NoneUpTo(2)}
    assert shown(model, x(">", 4), 0) == [(Fraction(9, 2), None)]


def test_an_urgent_state_lets_no_time_pass() -> None:
    urgent = Deadline("urgent", None, neg(V), None, 0, "A")
    late = conj((V, x(">=", 3)))
    model = small(go(x(">=", 1), Lit(1)), go(TRUE, Lit(1), key="now"), deadlines=(urgent,))
    assert shown(model, late, 3) == [(0, 1), (3, None)]
    assert bounded(model, {"bad": x(">=", 1)}, 0) == {"bad": NoneUpTo(0)}


def test_a_step_beyond_a_deadline_stops_time_but_not_steps() -> None:
    tight = Deadline("tight", None, V, "x", 2, "A")
    model = small(
        go(conj((neg(V), x(">=", 4))), Lit(1)), go(V, Lit(0), key="back"), deadlines=(tight,)
    )
    assert shown(model, conj((V, x(">=", 4))), 3) == [(4, 0)]
    assert bounded(model, {"bad": conj((V, x(">=", 5), y("<=", 4)))}, 3) == {"bad": NoneUpTo(3)}
    assert shown(model, conj((neg(V), x(">=", 5), x("<=", 5))), 3) == [(5, None)]


def test_an_inactive_clock_is_zero_and_starts_anew() -> None:
    model = small(go(neg(V), Lit(1)), go(V, Lit(0), key="back"), active=V)
    assert bounded(model, {"bad": conj((neg(V), x(">=", 1)))}, 4) == {"bad": NoneUpTo(4)}
    assert shown(model, conj((x(">=", 2), y("<=", 2))), 3) == [(0, 0), (2, None)]


def test_a_clock_that_stays_active_keeps_its_value_unless_reset() -> None:
    kept = small(go(x(">=", 3), Lit(1)))
    restarted = small(go(x(">=", 3), Lit(1), "x"))
    soon = conj((V, x("<=", 2)))
    assert bounded(kept, {"bad": soon}, 2) == {"bad": NoneUpTo(2)}
    assert shown(restarted, soon, 2) == [(3, 0)]


def test_diagonal_constraints_are_never_cut_off() -> None:
    apart = ClockDiff("y", None, "x", None, ">=", 7)
    model = small(go(x("<=", 2), Lit(1), "x"), deadlines=(Deadline("w", None, TRUE, "x", 2, "A"),))
    expected: list[tuple[Time, int | None]] = [(1, 0), (2, 0), (2, 0), (2, 0)]
    assert shown(model, apart, 5) == expected
    assert shown(model, apart, 5, "grid") == expected
    assert shown(model, apart, 5, "real") == expected
    assert bounded(model, {"bad": apart}, 3) == {"bad": NoneUpTo(3)}


def test_a_bounded_integer_saturates() -> None:
    kind = IntType(-1, 2)
    up = small(go(TRUE, Add(V, Lit(5))), go(TRUE, Sub(V, Lit(1)), key="down"), kind=kind)
    assert shown(up, member(V, (2,)), 3) == [(0, 0)]
    assert shown(up, member(V, (1,)), 3) == [(0, 0), (0, 1)]
    assert shown(up, member(V, (-1,)), 3) == [(0, 1)]
    assert bounded(up, {"bad": neg(member(V, (-1, 0, 1, 2)))}, 4) == {"bad": NoneUpTo(4)}


def test_a_value_may_depend_on_a_clock() -> None:
    model = small(go(TRUE, Ite(x("<", 3), Lit(0), Lit(1))))
    assert shown(model, V, 2) == [(3, 0)]
    assert shown(model, V, 2, "real") == [(3, 0)]


# ---- several properties, order, limits -----------------------------------------------------------
def test_each_property_gets_its_own_shortest_run() -> None:
    kind = EnumType("four", ("a", "b", "c", "d"))
    model = small(*(go(member(V, (k,)), Lit(k + 1), key=f"to{k + 1}") for k in range(3)), kind=kind)
    bad = {"d": member(V, (3,)), "never": FALSE, "b": member(V, (1,)), "start": member(V, (0,))}
    depths: list[int] = []
    outcomes = bounded(model, bad, 5, on_depth=depths.append)
    assert list(outcomes) == ["d", "never", "b", "start"]
    assert [out.length if isinstance(out, Found) else out for out in outcomes.values()] == [
        3,
        NoneUpTo(5),
        1,
        0,
    ]
    assert depths == [0, 1, 2, 3, 4, 5]


def test_the_search_ends_with_the_last_open_property() -> None:
    depths: list[int] = []
    bounded(small(go(TRUE, Lit(1))), {"bad": V}, 50, on_depth=depths.append)
    assert depths == [0, 1]


def test_the_least_transitions_come_before_the_first_initial_value() -> None:
    kind = EnumType("four", ("a", "b", "c", "d"))
    model = small(
        go(member(V, (1,)), Lit(3), key="from1"),
        go(member(V, (0, 1, 2)), Lit(3), key="from0"),
        kind=kind,
        initial=(2, 0, 1),
    )
    run = bounded(model, {"bad": member(V, (3,))}, 2)["bad"]
    assert run == Found(Run(State((1,), (0, 0)), (Step(0, 0),)), 1)
    free = bounded(replace(model, transitions=model.transitions[1:]), {"bad": member(V, (3,))}, 2)
    assert free["bad"] == Found(Run(State((2,), (0, 0)), (Step(0, 0),)), 1)


def test_initial_states_obey_the_condition_on_them() -> None:
    kind = EnumType("four", ("a", "b", "c", "d"))
    model = replace(small(kind=kind, initial=(0, 1, 2)), initially=neg(member(V, (0,))))
    assert bounded(model, {"bad": TRUE}, 1)["bad"] == Found(Run(State((1,), (0, 0)), ()), 0)


def test_lengths_that_the_caller_has_excluded_are_not_searched() -> None:
    kind = EnumType("four", ("a", "b", "c", "d"))
    model = small(*(go(member(V, (k,)), Lit(k + 1), key=f"to{k + 1}") for k in range(3)), kind=kind)
    depths: list[int] = []
    bad = {"d": member(V, (3,))}
    outcome = bounded(model, bad, 5, excluded=2, on_depth=depths.append)
    assert outcome == bounded(model, bad, 5)
    assert depths == [3]
    assert bounded(model, {"e": FALSE}, 2, excluded=4) == {"e": NoneUpTo(2)}


def test_a_system_without_transitions_has_runs_of_length_nought_only() -> None:
    assert bounded(small(), {"bad": V}, 3) == {"bad": NoneUpTo(3)}


def test_out_of_time_is_said_with_what_was_excluded() -> None:
    model = small(go(TRUE, Lit(1)))
    assert bounded(model, {"bad": V}, 3, timeout_s=0) == {"bad": Stopped(-1, "time-out after 0 s")}


def test_out_of_time_names_the_limit_that_was_asked_for_and_not_what_was_left_of_it() -> None:
    model = small(go(TRUE, Lit(1)))
    late = bounded(model, {"bad": V}, 3, timeout_s=Left(0, 5))
    assert late == {"bad": Stopped(-1, "time-out after 5 s")}


def test_an_exception_from_the_callback_ends_the_search() -> None:
    class Enough(Exception):  # noqa: N818
        pass

    def stop(depth: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        bounded(small(), {"bad": V}, 3, on_depth=stop)


def test_a_run_that_the_semantics_refuses_is_an_internal_error_with_a_reproduction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(model: Ground, run: Run) -> list[State]:
        raise IllegalRun(1, "refused by the test")

    monkeypatch.setattr(bmc, "replay_run", refuse)
    with pytest.raises(EncodingMismatch, match="refused by the test") as caught:
        bounded(small(go(TRUE, Lit(1))), {"bad": V}, 3)
    assert caught.value.rule == "bad"
    assert caught.value.run.steps == (Step(0, 0),)
    assert caught.value.script.rstrip().endswith("(check-sat)")


def test_a_last_state_that_is_not_bad_is_an_internal_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bmc, "evaluate", lambda formula, model, state: 0)
    with pytest.raises(EncodingMismatch, match="its last state is not bad"):
        bounded(small(go(TRUE, Lit(1))), {"bad": V}, 3)


# ---- exchangeable instances ----------------------------------------------------------------------
def lights(*, ordered: bool = False) -> System:
    """Lamps that are switched on; the house is lit by two of them."""
    switch = conj((equal(Ref("lamp", SELF), Lit(0)), *((le(SELF),) if ordered else ())))
    return System(
        "lights",
        "",
        (Family("L", None),),
        (Actor("A", "other"),),
        (
            StateVar("lamp", "L", BoolType(), (0, 1), "data"),
            StateVar("old", "L", BoolType(), (1, 0), "data", constant=True),
            StateVar("lit", None, IntType(0, 2), (0,), "data"),
        ),
        (),
        (
            Transition(
                "on",
                Label("event", "L", "on", None, SELF),
                "A",
                (Param(SELF, "L"),),
                switch,
                (Update("lamp", SELF, Lit(1)), Update("lit", None, Add(Ref("lit"), Lit(1)))),
            ),
        ),
        (),
    )


def le(index: str) -> Expr:
    """The instance has a number of at least 2: a use of numbers that breaks the symmetry."""
    return Le(Lit(2), IndexValue(index))


def test_instances_that_nothing_tells_apart_are_exchangeable() -> None:
    three, reversed_ = ground(lights(), 3), ground(lights(ordered=True), 3)
    some_new = Exists("i", "L", conj((Ref("lamp", "i"), neg(Ref("old", "i")))))
    assert exchangeable(three, [three.expand(some_new, {}), Ref("lit")]) == ("L",)
    assert exchangeable(ground(fischer(1, 2), 2), []) == ()
    assert exchangeable(reversed_, []) == ()
    assert exchangeable(three, [Ref("lamp", 1)]) == ()
    assert exchangeable(three, [conj((Ref("lamp", 1), Ref("lamp", 2)))]) == ()
    assert exchangeable(three, [conj(Ref("lamp", i) for i in (1, 2, 3))]) == ("L",)
    assert exchangeable(replace(three, initially=Ref("old", 3)), []) == ()


def test_the_canonical_run_takes_the_instances_in_order() -> None:
    model = ground(lights(), 3)
    new_one = Exists(
        "i", "L", conj((Ref("lamp", "i"), neg(Ref("old", "i")), Le(Lit(2), Ref("lit"))))
    )
    outcome = bounded(model, {"bad": new_one}, 3)["bad"]
    assert isinstance(outcome, Found)
    assert told(model, outcome.run) == [(0, "L[1]: on"), (0, "L[2]: on")]
    # lamp[1..3], old[1..3], lit: the first initial values with these steps.
    assert outcome.run.initial.values == (0, 0, 0, 1, 0, 1, 0)


def test_instances_that_differ_are_not_put_in_order() -> None:
    model = ground(lights(ordered=True), 3)
    outcome = bounded(model, {"bad": Le(Lit(2), Ref("lit"))}, 3)["bad"]
    assert isinstance(outcome, Found)
    assert told(model, outcome.run) == [(0, "L[2]: on"), (0, "L[3]: on")]
    second = bounded(
        ground(lights(), 3), {"bad": conj((Ref("lamp", 2), Le(Lit(1), Ref("lit"))))}, 3
    )
    assert isinstance(second["bad"], Found)
    assert second["bad"].length == 1


# ---- agreement with enumeration by the interpreter -----------------------------------------------
def least_path(
    model: Ground, bad: Expr, depth: int, delays: Callable[[Ground, State], list[Time]]
) -> tuple[int, ...] | None:
    """Breadth first through `spec.semantics`: the least of the shortest paths into `bad`."""
    layer: dict[State, tuple[int, ...]] = dict.fromkeys(initial_states(model), ())
    for _ in range(depth + 1):
        waited: dict[State, tuple[int, ...]] = {}
        for state, path in layer.items():
            for delay in delays(model, state):
                after = elapse(model, state, delay)
                waited[after] = min(path, waited.get(after, path))
        hits = [path for state, path in waited.items() if evaluate(bad, model, state)]
        if hits:
            return min(hits)
        following: dict[State, tuple[int, ...]] = {}
        for state, path in waited.items():
            for position in enabled(model, state):
                after, longer = fire(model, state, position), (*path, position)
                following[after] = min(longer, following.get(after, longer))
        layer = following
    return None


def multiples(part: Fraction, most: int) -> Callable[[Ground, State], list[Time]]:
    def legal(model: Ground, state: State) -> list[Time]:
        bound = delay_bound(model, state)
        steps = range(int(most / part) + 1)
        return [step * part for step in steps if bound.allows(step * part)]

    return legal


def drawn_goal(model: Ground, data: st.DataObject) -> Expr:
    """About one or two variables and perhaps a clock; of given instances, or of some task."""
    some = data.draw(st.booleans())

    def whose(index: int | None) -> int | str | None:
        return "g" if some and index is not None else index

    slots = [slot for slot in model.slots if not some or slot.variable.family in (None, TASK)]
    parts: list[Expr] = []
    for slot in data.draw(st.lists(st.sampled_from(slots), min_size=1, max_size=2)):
        value = data.draw(st.integers(slot.low, slot.high))
        parts.append(member(Ref(slot.variable.name, whose(slot.index)), (value,)))
    if bool(model.clocks) and data.draw(st.booleans()):
        clock = data.draw(st.sampled_from(model.clocks))
        comparisons: tuple[Comparison, ...] = (">=", "<=")
        op = data.draw(st.sampled_from(comparisons))
        parts.append(ClockCmp(clock.name, whose(clock.index), op, 2))
    return Exists("g", TASK, conj(parts)) if some else conj(parts)


def agree(
    model: Ground, goal: Expr, depth: int, time: str, expected: tuple[int, ...] | None
) -> None:
    outcome = bounded(model, {"goal": goal}, depth, time=time)["goal"]  # type: ignore[arg-type]
    if expected is None:
        assert outcome == NoneUpTo(depth)
    else:
        assert isinstance(outcome, Found)
        path = [step.transition for step in outcome.run.steps if step.transition is not None]
        assert tuple(path) == expected


@settings(max_examples=30)
@given(systems(Shape(clocks=2, closed=True, diagonals=True)), st.integers(1, 2), st.data())
def test_closed_systems_agree_with_whole_unit_enumeration(
    system: System, n: int, data: st.DataObject
) -> None:
    model = ground(system, n)
    goal = drawn_goal(model, data)
    plain = model.expand(goal, {})
    most = max((abs(bound) for _, bound in constants(model, [plain])), default=0) + 1
    expected = least_path(model, plain, 3, multiples(Fraction(1), most))
    for time in ("auto", "digital", "grid", "real"):
        agree(model, goal, 3, time, expected)


@settings(max_examples=25)
@given(systems(Shape(clocks=2, diagonals=True, hosts=False)), st.data())
def test_open_systems_agree_with_enumeration_in_parts_of_a_unit(
    system: System, data: st.DataObject
) -> None:
    model = ground(system, 1)
    goal = drawn_goal(model, data)
    plain = model.expand(goal, {})
    depth = 2
    most = max((abs(bound) for _, bound in constants(model, [plain])), default=0) + 1
    # Finer than the encoder's own grid, so that a grid too coarse would be found out.
    expected = least_path(model, plain, depth, multiples(Fraction(1, depth + 4), most))
    for time in ("auto", "grid", "real"):
        agree(model, goal, depth, time, expected)


@settings(max_examples=25)
@given(systems(Shape(clocks=2)), st.integers(1, 2), st.data())
def test_all_encodings_of_time_and_the_zones_agree_on_woven_rules(
    system: System, n: int, data: st.DataObject
) -> None:
    rule = data.draw(rules(system, timed=True))
    woven = weave(system, [rule], [])
    assume("R" in woven.bad)  # else the rule has no observer, with the reason in `unwoven`
    model = ground(woven.system, n)
    depth = 3
    outcome = bounded(model, woven.bad, depth)["R"]
    assert bounded(model, woven.bad, depth, time="grid")["R"] == outcome
    assert bounded(model, woven.bad, depth, time="real")["R"] == outcome
    goal = model.expand(woven.bad["R"], {})
    focus = Focus(model, goal, depth, None)
    assert bounded(model, woven.bad, depth, unreached=focus.unreached)["R"] == outcome
    match refine(model, {"goal": goal}, limit=3000)["goal"]:
        case Reached(run):
            path = [step.transition for step in run.steps if step.transition is not None]
            if len(path) > depth:
                assert outcome == NoneUpTo(depth)
            else:
                assert isinstance(outcome, Found)
                steps = outcome.run.steps
                assert [s.transition for s in steps if s.transition is not None] == path
        case Unreachable():
            assert outcome == NoneUpTo(depth)
        case Undecided():
            pass
