from fractions import Fraction

import pytest

from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    Add,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Happens,
    IndexValue,
    Lit,
    Post,
    Ref,
    Sub,
    conj,
    disj,
    equal,
    ite,
    member,
    neg,
)
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.semantics import (
    DelayBound,
    IllegalRun,
    Run,
    State,
    Step,
    delay_bound,
    describe,
    duration,
    elapse,
    enabled,
    evaluate,
    explain_false,
    fire,
    initial_states,
    replay_run,
)
from rhscheck.spec.system import (
    CALL_TYPE,
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
    Update,
)

ME = Param(SELF, "Job")
RUNNING = member(Ref("call.Do", SELF), (1,))


def transition(
    key: str,
    label: Label,
    guard: Expr,
    *updates: Update,
    actor: str = "HOST",
    resets: tuple[Reset, ...] = (),
) -> Transition:
    params = (ME,) if label.index == SELF else ()
    return Transition(key, label, actor, params, guard, updates, resets)


def event(name: str, machine: str = "Job", index: str | None = SELF) -> Label:
    return Label("event", machine, name, None, index)


def jobs(*, strict: bool = False) -> System:
    """Calls of at most 5 units, a shared counter 0..2, a stop that nobody survives."""
    return System(
        name="jobs",
        title="",
        families=(Family("Job", None),),
        actors=(Actor("HOST", "host"),),
        variables=(
            StateVar("call.Do", "Job", CALL_TYPE, (0,), "call"),
            StateVar("done", None, IntType(0, 2), (0,), "data"),
            StateVar("owner", None, RefType("Job", True), (0, 1), "data"),
            StateVar("up", None, BoolType(), (1,), "data"),
            StateVar("mode", None, EnumType("mode", ("slow", "fast")), (0, 1), "data"),
        ),
        clocks=(
            ClockVar("Do.time", "Job", RUNNING, "call"),
            ClockVar("total", None, Ref("up"), "raw"),
        ),
        transitions=(
            transition(
                "call",
                Label("call", "Job", "Do", None, SELF),
                conj((Ref("up"), member(Ref("call.Do", SELF), (0,)))),
                Update("call.Do", SELF, Lit(1)),
                Update("owner", None, IndexValue(SELF)),
            ),
            transition(
                "return",
                Label("return", "Job", "Do", "ok", SELF),
                RUNNING,
                Update("call.Do", SELF, Lit(0)),
                Update("done", None, Add(Ref("done"), Lit(1))),
            ),
            transition(
                "timeout",
                Label("expiry", "Job", "Do", None, SELF),
                conj((RUNNING, ClockCmp("Do.time", SELF, ">=", 5))),
                Update("call.Do", SELF, Lit(2)),
                Update("done", None, Sub(Ref("done"), Lit(1))),
            ),
            transition("kick", event("kick"), RUNNING, resets=(Reset("Do.time", SELF),)),
            transition(
                "stop",
                event("stop", "Host", None),
                Ref("up"),
                Update("up", None, FALSE),
                Update("call.Do", "j", FALSE, Param("j", "Job")),
            ),
        ),
        deadlines=(
            Deadline("Do", "Job", RUNNING, "Do.time", 5, "HOST", strict),
            Deadline("fast", None, equal(Ref("mode"), Lit(1)), "total", 7, "HOST"),
            Deadline("dead", None, neg(Ref("up")), None, 0, "HOST"),
        ),
        initially=neg(equal(Ref("owner"), Lit(1))),
    )


def two() -> Ground:
    return ground(jobs(), 2)


SLOW = State((0, 0, 0, 0, 1, 0), (0, 0, 0))


def test_initial_states_are_the_product_under_the_condition() -> None:
    assert [slot.name for slot in two().slots] == [
        "call.Do[1]",
        "call.Do[2]",
        "done",
        "owner",
        "up",
        "mode",
    ]
    assert list(initial_states(two())) == [SLOW, State((0, 0, 0, 0, 1, 1), (0, 0, 0))]


def test_a_run_by_hand() -> None:
    g = two()
    keys = [(t.template.key, t.binding) for t in g.transitions]
    assert keys == [
        ("call", (("self", 1),)),
        ("call", (("self", 2),)),
        ("return", (("self", 1),)),
        ("return", (("self", 2),)),
        ("timeout", (("self", 1),)),
        ("timeout", (("self", 2),)),
        ("kick", (("self", 1),)),
        ("kick", (("self", 2),)),
        ("stop", ()),
    ]
    assert enabled(g, SLOW) == [0, 1, 8]
    assert delay_bound(g, SLOW) == DelayBound(None, False, ())
    waited = elapse(g, SLOW, 3)
    assert waited == State((0, 0, 0, 0, 1, 0), (0, 0, 3))
    called = fire(g, waited, 1)
    assert called == State((0, 1, 0, 2, 1, 0), (0, 0, 3))
    assert enabled(g, called) == [0, 3, 7, 8]
    assert delay_bound(g, called) == DelayBound(5, False, ("Do[2]",))
    later = elapse(g, called, Fraction(3, 2))
    assert later.clocks == (0, Fraction(3, 2), Fraction(9, 2))
    both = fire(g, later, 0)
    assert both == State((1, 1, 0, 1, 1, 0), (0, Fraction(3, 2), Fraction(9, 2)))
    tight = elapse(g, both, Fraction(7, 2))
    assert delay_bound(g, tight) == DelayBound(0, False, ("Do[2]",))
    assert enabled(g, tight) == [2, 3, 5, 6, 7, 8]
    kicked = fire(g, tight, 7)
    assert kicked.clocks == (Fraction(7, 2), 0, 8)
    assert delay_bound(g, kicked) == DelayBound(Fraction(3, 2), False, ("Do[1]",))


def test_integers_saturate_at_both_ends() -> None:
    g = two()
    full = State((1, 0, 2, 1, 1, 0), (5, 0, 5))
    assert fire(g, full, 2).values == (0, 0, 2, 1, 1, 0)
    empty = State((1, 0, 0, 1, 1, 0), (5, 0, 5))
    assert fire(g, empty, 4).values == (2, 0, 0, 1, 1, 0)


def test_other_types_do_not_saturate() -> None:
    wrong = jobs()
    wrong_mode = Transition(
        "x", event("x", "Host", None), "HOST", (), TRUE, (Update("mode", None, Lit(2)),)
    )
    g = ground(
        System(
            wrong.name, "", wrong.families, wrong.actors, wrong.variables, (), (wrong_mode,), ()
        ),
        1,
    )
    with pytest.raises(ValueError, match=r"^2 is no value of mode \(0 to 1\)$"):
        fire(g, State((0, 0, 0, 1, 0), ()), 0)


def test_a_broadcast_stops_every_clock_and_time() -> None:
    g = two()
    running = State((1, 1, 0, 1, 1, 0), (2, 3, 4))
    stopped = fire(g, running, 8)
    assert stopped == State((0, 0, 0, 1, 0, 0), (0, 0, 0))
    assert delay_bound(g, stopped) == DelayBound(0, False, ("dead",))
    assert enabled(g, stopped) == []
    assert elapse(g, stopped, 0) == stopped
    with pytest.raises(ValueError, match=r"^1s cannot pass: dead allows no time$"):
        elapse(g, stopped, 1)


def test_a_false_guard_is_named() -> None:
    g = two()
    with pytest.raises(
        ValueError, match=r"^Job\[1\]: timeout Do is not possible: call.Do\[1\] = running"
    ):
        fire(g, SLOW, 4)
    early = State((1, 0, 0, 1, 1, 0), (Fraction(1, 2), 0, 1))
    with pytest.raises(ValueError, match=r"not possible: Do.time\[1\] >= 5s \(is 500ms\)$"):
        fire(g, early, 4)


def test_time_that_may_not_pass() -> None:
    g = two()
    called = State((1, 0, 0, 1, 1, 1), (4, 0, 4))
    assert delay_bound(g, called) == DelayBound(1, False, ("Do[1]",))
    assert elapse(g, called, 1).clocks == (5, 0, 5)
    with pytest.raises(ValueError, match=r"^1500ms cannot pass: Do\[1\] allows at most 1s$"):
        elapse(g, called, Fraction(3, 2))
    with pytest.raises(ValueError, match="time does not run back"):
        elapse(g, called, -1)


def test_two_deadlines_at_once_and_one_beyond_its_bound() -> None:
    g = two()
    together = State((1, 0, 0, 1, 1, 1), (2, 0, 4))
    assert delay_bound(g, together) == DelayBound(3, False, ("Do[1]", "fast"))
    beyond = State((1, 0, 0, 1, 1, 1), (2, 0, 9))
    assert delay_bound(g, beyond) == DelayBound(0, False, ("fast",))
    stopped_clock = State((0, 0, 0, 1, 0, 1), (0, 0, 0))
    assert delay_bound(g, stopped_clock) == DelayBound(0, False, ("dead",))


def test_a_strict_deadline_excludes_its_bound() -> None:
    g = ground(jobs(strict=True), 1)
    called = State((1, 0, 1, 1, 1), (0, 0))
    assert delay_bound(g, called) == DelayBound(5, True, ("Do[1]",))
    assert elapse(g, called, Fraction(49, 10)).clocks == (Fraction(49, 10), Fraction(49, 10))
    with pytest.raises(ValueError, match="Do\\[1\\] allows less than 5s"):
        elapse(g, called, 5)
    # A strict bound is tighter than a closed one at the same time.
    assert delay_bound(g, State((1, 0, 1, 1, 1), (3, 5))) == DelayBound(2, True, ("Do[1]",))


def test_runs_are_checked_from_the_first_state_on() -> None:
    g = two()
    run = Run(SLOW, (Step(2, 0), Step(5, 4), Step(1, None)))
    assert replay_run(g, run) == [
        SLOW,
        State((1, 0, 0, 1, 1, 0), (0, 0, 2)),
        State((2, 0, 0, 1, 1, 0), (0, 0, 7)),
        State((2, 0, 0, 1, 1, 0), (0, 0, 8)),
    ]
    with pytest.raises(IllegalRun) as early:
        replay_run(g, Run(SLOW, (Step(2, 0), Step(4, 4))))
    assert (early.value.step, early.value.reason) == (
        2,
        "Job[1]: timeout Do is not possible: Do.time[1] >= 5s (is 4s)",
    )
    with pytest.raises(IllegalRun) as late:
        replay_run(g, Run(SLOW, (Step(2, 0), Step(6, 4))))
    assert (late.value.step, late.value.reason) == (
        2,
        "6s cannot pass: Do[1] allows at most 5s",
    )
    with pytest.raises(IllegalRun, match=r"^step 1: there is no transition 9$"):
        replay_run(g, Run(SLOW, (Step(0, 9),)))


def test_runs_start_in_an_initial_state() -> None:
    g = two()
    with pytest.raises(IllegalRun, match=r"^step 0: call.Do\[1\] does not start with 1$"):
        replay_run(g, Run(State((1, 0, 0, 0, 1, 0), (0, 0, 0)), ()))
    with pytest.raises(
        IllegalRun, match=r"^step 0: not initially: owner != Job\[1\] \(is Job\[1\]\)$"
    ):
        replay_run(g, Run(State((0, 0, 0, 1, 1, 0), (0, 0, 0)), ()))
    with pytest.raises(IllegalRun, match=r"^step 0: clock total does not start at 2s$"):
        replay_run(g, Run(State((0, 0, 0, 0, 1, 0), (0, 0, 2)), ()))
    with pytest.raises(IllegalRun, match=r"^step 0: the state does not have"):
        replay_run(g, Run(State((0,), ()), ()))


def test_forms() -> None:
    g = two()
    state = State((1, 2, 2, 1, 1, 0), (4, 0, Fraction(9, 2)))
    done = Ref("done")
    assert evaluate(Add(done, Lit(3)), g, state) == 5
    assert evaluate(Sub(Lit(1), done), g, state) == -1
    assert evaluate(ite(Ref("up"), Lit(7), Lit(8)), g, state) == 7
    assert evaluate(equal(Ref("owner"), done), g, state) == 0
    assert evaluate(g.expand(Exists("j", "Job", RUNNING_J), {}), g, state) == 1
    assert [evaluate(ClockCmp("Do.time", 1, op, 4), g, state) for op in ("<", "<=", ">=", ">")] == [
        0,
        1,
        1,
        0,
    ]
    assert evaluate(ClockDiff("total", None, "Do.time", 1, "<", 1), g, state) == 1
    with pytest.raises(ValueError, match=r"^Happens has no value"):
        evaluate(Happens("call", "Do", None, 1), g, state)
    with pytest.raises(ValueError, match=r"^Post has no value"):
        evaluate(Post(TRUE), g, state)


RUNNING_J = member(Ref("call.Do", "j"), (1,))


def test_the_false_part_of_a_guard() -> None:
    g = two()
    busy1, busy2 = member(Ref("call.Do", 1), (1,)), member(Ref("call.Do", 2), (1,))
    guard = conj((Ref("up"), busy1, disj((busy2, equal(Ref("done"), Lit(2))))))
    assert explain_false(guard, g, SLOW) == [
        busy1,
        disj((busy2, equal(Ref("done"), Lit(2)))),
    ]
    running = State((1, 1, 0, 0, 1, 0), (0, 0, 0))
    assert explain_false(neg(disj((busy1, Ref("up")))), g, running) == [neg(busy1), neg(Ref("up"))]
    assert explain_false(guard, g, running) == []
    assert explain_false(ite(Ref("up"), busy2, TRUE), g, SLOW) == [busy2]


def test_descriptions() -> None:
    g = two()
    state = State((1, 2, 2, 1, 1, 0), (4, 0, 90))
    call = Ref("call.Do", 1)
    assert describe(member(call, (0,)), g) == "call.Do[1] = idle"
    assert describe(member(call, (0,)), g, state) == "call.Do[1] = idle (is running)"
    assert describe(member(call, (1, 2)), g) == "call.Do[1] in {running, expired}"
    assert describe(neg(member(call, (1, 2))), g) == "call.Do[1] not in {running, expired}"
    assert describe(member(Ref("up"), (0,)), g, state) == "not up (is true)"
    assert describe(neg(Ref("up")), g) == "not up"
    assert describe(equal(Ref("owner"), Lit(0)), g, state) == "owner = none (is Job[1])"
    assert describe(ClockCmp("total", None, ">=", 180), g, state) == "total >= 3m (is 90s)"
    assert (
        describe(ClockDiff("total", None, "Do.time", 1, "<", 7), g, state)
        == "total - Do.time[1] < 7s (is 86s)"
    )
    assert (
        describe(disj((conj((Ref("up"), neg(member(call, (0,))))), equal(Ref("mode"), Lit(1)))), g)
        == "up and call.Do[1] != idle or mode = fast"
    )
    assert (
        describe(conj((disj((Ref("up"), equal(Ref("mode"), Lit(1)))), member(call, (0,)))), g)
        == "(up or mode = fast) and call.Do[1] = idle"
    )
    assert describe(member(Add(Ref("done"), Lit(1)), (3,)), g, state) == "done + 1 = 3 (is 3)"
    assert describe(ite(Ref("up"), Lit(1), Ref("mode")), g) == "(if up then fast else mode)"


def test_durations() -> None:
    assert duration(300, 1_000_000) == "5m"
    assert duration(90, 1_000_000) == "90s"
    assert duration(2, 3_600_000_000) == "2h"
    assert duration(Fraction(3, 10), 1_000_000) == "300ms"
    assert duration(Fraction(1, 3), 1_000_000) == "(1/3)s"
    assert duration(0, 1_000) == "0s"
