from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_systems import Shape, assumptions, random_run, rules, systems
from rule_oracle import Moment, broken, moments

from rhscheck.spec.alternatives import reads_clocks
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.evaluate import State, evaluate
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Happens,
    Index,
    Lit,
    Post,
    Ref,
    Same,
    StepKind,
    conj,
    disj,
    ite,
    member,
    neg,
    walk,
)
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import AssumptionError, Woven, weave
from rhscheck.spec.semantics import elapse, enabled, fire, initial_states
from rhscheck.spec.system import (
    EACH,
    SELF,
    Actor,
    Assumption,
    BoolType,
    Can,
    ClockVar,
    Deadline,
    Early,
    EnumType,
    Family,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Obligation,
    Param,
    Reset,
    Rule,
    StateVar,
    System,
    Transition,
    Update,
    Within,
)


# ---- against the definitions -------------------------------------------------------------------
def original(key: str) -> str:
    return key.split("~", maxsplit=1)[0]


def followed(plain: Ground, woven: Ground, run: list[Moment]) -> list[State] | None:
    """The states of `woven` along a run of `plain`; None if it cannot follow.

    Where it can, there is exactly one way.
    """
    starts = [s for s in initial_states(woven) if restricted(woven, plain, s) == run[0].state]
    if not starts:
        return None
    assert len(starts) == 1
    states = [starts[0]]
    for before, moment in itertools.pairwise(run):
        state = states[-1]
        if moment.step is None:
            try:
                state = elapse(woven, state, moment.time - before.time)
            except ValueError:
                return None
        else:
            step = (moment.step.template.key, moment.step.binding)
            copies = [
                at
                for at in enabled(woven, state)
                if (original(woven.transitions[at].template.key), woven.transitions[at].binding)
                == step
            ]
            if not copies:
                return None
            assert len(copies) == 1
            state = fire(woven, state, copies[0])
        assert restricted(woven, plain, state) == moment.state
        states.append(state)
    return states


def restricted(source: Ground, target: Ground, state: State) -> State:
    return State(
        tuple(
            state.values[source.slot_of[(slot.variable.name, slot.index)]] for slot in target.slots
        ),
        tuple(state.clocks[source.clock_of[(clock.name, clock.index)]] for clock in target.clocks),
    )


def legal(system: System) -> None:
    """No step formulas are left, updates read no clocks, keys are unique, and it can be ground."""
    keys = [transition.key for transition in system.transitions]
    assert len(set(keys)) == len(keys)
    for transition in system.transitions:
        formulas = [transition.guard, *(update.value for update in transition.updates)]
        assert not any(isinstance(n, Happens | Post) for f in formulas for n in walk(f))
        assert not any(reads_clocks(update.value) for update in transition.updates)
    for n in (1, 2):
        for t in ground(system, n).transitions:
            assert len({at for at, _ in t.updates}) == len(t.updates)


@st.composite
def ruled(draw: st.DrawFn, *, timed: bool, most_params: int) -> tuple[System, Rule]:
    system = draw(systems(Shape(clocks=2 if timed else 1)))
    return system, draw(rules(system, timed=timed, most_params=most_params))


def agrees(system: System, woven_rules: tuple[Rule, ...], n: int, seed: int) -> None:
    """The woven System follows a run of `system`, and its formulas say what the definitions say."""
    made = weave(system, woven_rules, ())
    assume(not made.unwoven)
    legal(made.system)
    plain, world = ground(system, n), ground(made.system, n)
    run = random_run(plain, seed, 8)
    assume(run is not None)
    assert run is not None
    path = moments(plain, run)
    states = followed(plain, world, path)
    assert states is not None
    for rule in woven_rules:
        bad = world.expand(made.bad[rule.id], {})
        for at, state in enumerate(states):
            wanted = broken(plain, rule.params, rule.obligation, path, at)
            assert bool(evaluate(bad, world, state)) == wanted, (rule.id, at)


@settings(max_examples=100)
@given(ruled(timed=False, most_params=1), st.integers(1, 2), st.integers(0, 10_000))
def test_observers_agree_with_the_definitions(
    drawn: tuple[System, Rule], n: int, seed: int
) -> None:
    agrees(drawn[0], (drawn[1],), n, seed)


@settings(max_examples=100)
@given(ruled(timed=True, most_params=2), st.integers(1, 3), st.integers(0, 10_000))
def test_observers_agree_for_pairs_and_steps_that_read_clocks(
    drawn: tuple[System, Rule], n: int, seed: int
) -> None:
    agrees(drawn[0], (drawn[1],), n, seed)


@settings(max_examples=50)
@given(ruled(timed=True, most_params=1), st.data(), st.integers(0, 10_000))
def test_observers_do_not_disturb_each_other(
    drawn: tuple[System, Rule], data: st.DataObject, seed: int
) -> None:
    system, rule = drawn
    other = replace(data.draw(rules(system, timed=True)), id="S")
    agrees(system, (rule, other), 2, seed)


@settings(max_examples=100)
@given(st.data(), st.integers(1, 2), st.integers(0, 10_000))
def test_assumptions_allow_just_the_runs_that_keep_to_them(
    data: st.DataObject, n: int, seed: int
) -> None:
    system = data.draw(systems(Shape(clocks=1)))
    assumption = data.draw(assumptions(system))
    try:
        made = weave(system, (), (assumption,)).system
    except AssumptionError:
        assume(False)
    legal(made)
    plain, woven = ground(system, n), ground(made, n)
    run = random_run(plain, seed, 8)
    assume(run is not None)
    assert run is not None
    path = moments(plain, run)
    kept = not any(
        broken(plain, assumption.params, assumption.obligation, path, at) for at in range(len(path))
    )
    assert (followed(plain, woven, path) is not None) == kept


# ---- exact results -----------------------------------------------------------------------------
ME = Param(SELF, "Job")
I = Param("i", "Job")  # noqa: E741 - what specs call it
BUSY, DONE = 1, 2


def at(index: Index, *places: int) -> Expr:
    return member(Ref("Job.at", index), places)


def step(
    key: str,
    kind: StepKind,
    name: str,
    value: str | None,
    guard: Expr,
    *updates: Update,
    actor: str = "HOST",
) -> Transition:
    label = Label(kind, "Job", name, value, SELF)
    return Transition(key, label, actor, (ME,), guard, updates)


def jobs() -> System:
    """A job is started, polled, and returns; the host's crash throws all busy ones back."""
    crash = Transition(
        "crash",
        Label("event", "Host", "crash"),
        "HOST",
        (),
        Ref("up"),
        (
            Update("up", None, FALSE),
            Update(
                "Job.at", "j", ite(at("j", BUSY), Lit(0), Ref("Job.at", "j")), Param("j", "Job")
            ),
        ),
        resets_machines=(("Job", at(EACH, BUSY)),),
    )
    return System(
        name="jobs",
        title="",
        families=(Family("Job", None), Family("Lane", 2)),
        actors=(Actor("HOST", "host"), Actor("JOB", "plugin")),
        variables=(
            StateVar("Job.at", "Job", EnumType("at", ("Idle", "Busy", "Done")), (0,), "location"),
            StateVar("up", None, BoolType(), (1,), "data"),
            StateVar("Lane.free", "Lane", BoolType(), (1,), "data"),
        ),
        clocks=(ClockVar("age", "Job", TRUE, "raw"),),
        transitions=(
            step("start", "call", "Do", None, at(SELF, 0), Update("Job.at", SELF, Lit(BUSY))),
            step("poll", "callback", "Poll", None, at(SELF, BUSY), actor="JOB"),
            step(
                "finish",
                "return",
                "Do",
                "ok",
                at(SELF, BUSY),
                Update("Job.at", SELF, Lit(DONE)),
                actor="JOB",
            ),
            crash,
            Transition(
                "lane crash",
                Label("event", "Lane", "crash", None, SELF),
                "HOST",
                (Param(SELF, "Lane"),),
                TRUE,
                (Update("Lane.free", SELF, FALSE),),
            ),
        ),
        deadlines=(),
    )


START = Happens("call", "Do", None, "i")
FINISH = Happens("return", "Do", None, "i")
POLL = Happens("callback", "Poll", None, "i")
CRASH = Happens("event", "crash", None, None)


def woven(*obligations: Obligation, params: tuple[Param, ...] = (I,)) -> Woven:
    """`jobs` with one rule R1, R2 … for each obligation."""
    made = [
        Rule(f"R{number}", f"R{number}", "", "never", params, obligation)
        for number, obligation in enumerate(obligations, start=1)
    ]
    return weave(jobs(), made, ())


def added(system: System) -> dict[str, tuple[Update, ...]]:
    """What the transitions got beside their own updates, by key."""
    own = {transition.key: transition.updates for transition in jobs().transitions}
    return {
        transition.key: transition.updates[len(own[original(transition.key)]) :]
        for transition in system.transitions
        if transition.updates != own[original(transition.key)]
    }


def names(system: System) -> list[str]:
    return [v.name for v in system.variables[3:]] + [c.name for c in system.clocks[1:]]


def test_a_state_formula_needs_no_observer() -> None:
    made = woven(Never(at("i", DONE)))
    assert made.system == jobs()
    assert made.bad == {"R1": Exists("i@R1.0", "Job", at("i@R1.0", DONE))}


def test_a_step_of_one_instance_sets_its_bit() -> None:
    made = woven(
        Never(conj((START, neg(Ref("up"))))), Never(FINISH), Can(conj((POLL, at("i", DONE))))
    )
    assert names(made.system) == ["R1:hit", "R2:hit", "R3:hit"]
    assert added(made.system) == {
        "start": (Update("R1:hit", SELF, disj((Ref("R1:hit", SELF), neg(Ref("up"))))),),
        "finish": (Update("R2:hit", SELF, TRUE),),
        # A poll happens to busy jobs only: R3 never holds.
    }
    assert made.bad["R2"] == Exists("i@R2.0", "Job", Ref("R2:hit", "i@R2.0"))


def test_entering_and_leaving_are_seen_where_they_can_happen() -> None:
    enter = conj((neg(at("i", 0)), Post(at("i", 0))))
    leave = conj((at("i", BUSY), neg(Post(at("i", BUSY)))))
    made = woven(Never(enter), Never(leave))
    index = "i@R1.0"
    thrown = disj((Ref("R1:hit", index), at(index, BUSY)))
    assert added(made.system) == {
        "finish": (Update("R2:hit", SELF, TRUE),),
        "crash": (
            Update("R1:hit", index, thrown, Param(index, "Job")),
            Update(
                "R2:hit",
                "i@R2.0",
                disj((Ref("R2:hit", "i@R2.0"), at("i@R2.0", BUSY))),
                Param("i@R2.0", "Job"),
            ),
        ),
    }


def test_before_and_after_look_back_to_the_reset() -> None:
    made = woven(NeverBefore(POLL, START), NeverAfter(POLL, FINISH))
    assert names(made.system) == ["R1:seen", "R1:hit", "R2:seen", "R2:hit"]
    first, second = "i@R1.0", "i@R2.0"
    assert added(made.system) == {
        "start": (Update("R1:seen", SELF, TRUE),),
        "poll": (
            Update("R1:hit", SELF, disj((Ref("R1:hit", SELF), neg(Ref("R1:seen", SELF))))),
            Update("R2:hit", SELF, disj((Ref("R2:hit", SELF), Ref("R2:seen", SELF)))),
        ),
        "finish": (Update("R2:seen", SELF, TRUE),),
        "crash": (
            Update(
                "R1:seen",
                first,
                conj((Ref("R1:seen", first), neg(at(first, BUSY)))),
                Param(first, "Job"),
            ),
            Update(
                "R2:seen",
                second,
                conj((Ref("R2:seen", second), neg(at(second, BUSY)))),
                Param(second, "Job"),
            ),
        ),
    }


def test_a_response_in_time_has_an_armed_clock() -> None:
    made = woven(Within(START, disj((FINISH, neg(Ref("up")))), 7))
    assert names(made.system) == ["R1:armed", "R1:armed.clock"]
    assert made.system.clocks[-1] == ClockVar(
        "R1:armed.clock", "Job", Ref("R1:armed", SELF), "observer"
    )
    index = "i@R1.0"
    assert added(made.system) == {
        "start": (Update("R1:armed", SELF, Ref("up")),),
        "finish": (Update("R1:armed", SELF, FALSE),),
        "crash": (Update("R1:armed", index, FALSE, Param(index, "Job")),),
    }
    late = ClockCmp("R1:armed.clock", index, ">", 7)
    assert made.bad == {"R1": Exists(index, "Job", conj((Ref("R1:armed", index), late)))}


def test_a_state_that_asks_is_armed_from_the_start() -> None:
    made = woven(Within(at("i", 0, BUSY), FINISH, 7), Within(at("i", BUSY), FINISH, 7))
    assert [v.initial for v in made.system.variables[3:]] == [(1,), (0,)]
    # Leaving Busy by `finish` answers, and the crash leads back to Idle, where R1 goes on.
    assert added(made.system) == {
        "start": (Update("R2:armed", SELF, TRUE),),
        "finish": (Update("R1:armed", SELF, FALSE), Update("R2:armed", SELF, FALSE)),
    }


def test_an_initial_state_that_is_open_decides_by_a_condition() -> None:
    system = jobs()
    free = replace(system.variables[2], initial=(0, 1))
    system = replace(system, variables=(*system.variables[:2], free))
    lane = Param("l", "Lane")
    rule = Rule("R", "R", "", "within", (lane,), Within(Ref("Lane.free", "l"), CRASH, 3))
    made = weave(system, (rule,), ())
    assert made.system.variables[-1].initial == (0, 1)
    starts = [state.values for state in initial_states(ground(made.system, 1))]
    assert starts == [
        (0, 1, 0, 0, 0, 0),
        (0, 1, 0, 1, 0, 1),
        (0, 1, 1, 0, 1, 0),
        (0, 1, 1, 1, 1, 1),
    ]


def test_an_answer_that_asks_again_restarts_the_clock() -> None:
    made = woven(Within(disj((START, POLL)), disj((POLL, FINISH)), 3, next=True))
    transitions = {transition.key: transition for transition in made.system.transitions}
    assert transitions["poll"].updates == (Update("R1:armed", SELF, TRUE),)
    assert transitions["poll"].resets == (Reset("R1:armed.clock", SELF),)
    assert transitions["start"].resets == ()
    # Without `next` the poll answers itself.
    made = woven(Within(disj((START, POLL)), disj((POLL, FINISH)), 3))
    assert added(made.system) == {
        "start": (Update("R1:armed", SELF, TRUE),),
        "poll": (Update("R1:armed", SELF, FALSE),),
        "finish": (Update("R1:armed", SELF, FALSE),),
    }


def test_a_step_too_early_splits_its_transition() -> None:
    made = woven(Early(FINISH, START, 4))
    keys = [transition.key for transition in made.system.transitions]
    assert keys == ["start", "poll", "finish~R1", "finish~not R1", "crash", "lane crash"]
    early, timely = made.system.transitions[2:4]
    running = Ref("R1:running", SELF)
    soon = ClockCmp("R1:running.clock", SELF, "<", 4)
    assert early.guard == conj((at(SELF, BUSY), running, soon))
    assert early.updates[1:] == (Update("R1:hit", SELF, TRUE),)
    assert timely.guard == conj((at(SELF, BUSY), neg(conj((running, soon)))))
    assert timely.updates == jobs().transitions[2].updates
    start = made.system.transitions[0]
    assert start.updates[1:] == (Update("R1:running", SELF, TRUE),)
    assert start.resets == (Reset("R1:running.clock", SELF),)


def test_two_clocks_take_turns_where_every_instance_restarts_at_once() -> None:
    made = woven(Early(FINISH, CRASH, 4))
    assert names(made.system) == [
        "R1:running",
        "R1:hit",
        "R1:running.clock first",
        "R1:running.clock second",
    ]
    index = "i@R1.0"
    turn = Ref("R1:running", index)
    assert added(made.system)["crash"] == (
        Update("R1:running", index, ite(member(turn, (1,)), Lit(2), Lit(1)), Param(index, "Job")),
    )


def test_events_of_the_same_name_are_told_apart_by_family() -> None:
    lane = Param("l", "Lane")
    made = woven(Never(Happens("event", "crash", None, "l")), params=(lane,))
    assert added(made.system) == {"lane crash": (Update("R1:hit", SELF, TRUE),)}
    made = woven(Never(CRASH))
    assert added(made.system) == {
        "crash": (Update("R1:hit", "i@R1.0", TRUE, Param("i@R1.0", "Job")),)
    }


def test_events_of_the_same_name_of_two_shared_machines_are_refused() -> None:
    system = jobs()
    twin = replace(system.transitions[3], key="twin", label=Label("event", "Net", "crash"))
    system = replace(system, transitions=(*system.transitions, twin))
    rule = Rule("R1", "R1", "", "never", (), Never(CRASH))
    made = weave(system, (rule,), ())
    assert made.bad == {}
    assert made.unwoven == {
        "R1": "Host and Net each have an event `crash`, and which one is meant cannot be told"
    }
    assert made.system == system


def test_pairs_of_instances() -> None:
    other = Param("k", "Job")
    pair = conj((START, at("k", BUSY)))
    made = woven(
        Never(pair),
        NeverBefore(START, conj((Happens("call", "Do", None, "k"), at("i", BUSY)))),
        NeverBefore(START, Happens("call", "Do", None, "k")),
        params=(I, other),
    )
    assert made.unwoven == {
        "R2": "an observer cannot remember pairs of instances: the event to be remembered speaks "
        "of i and k"
    }
    assert sorted(made.bad) == ["R1", "R3"]
    assert [(v.name, v.family) for v in made.system.variables[3:]] == [
        ("R1:hit", None),
        ("R3:seen", "Job"),
        ("R3:hit", None),
    ]
    k = "k@R1.1"
    elsewhere = Exists(k, "Job", conj((at(k, BUSY), neg(Same(SELF, k)))))
    assert added(made.system)["start"][0] == Update(
        "R1:hit", None, disj((Ref("R1:hit"), elsewhere))
    )


def test_small_families_are_counted_out() -> None:
    lane = Param("l", "Lane")
    crash = conj((Happens("event", "crash", None, "l"), at("i", BUSY)))
    made = woven(NeverAfter(START, crash), params=(I, lane))
    assert made.unwoven == {}
    assert [(v.name, v.family) for v in made.system.variables[3:]] == [
        ("R1[1]:seen", "Job"),
        ("R1[1]:hit", "Job"),
        ("R1[2]:seen", "Job"),
        ("R1[2]:hit", "Job"),
    ]


def test_time_alone_cannot_be_observed() -> None:
    old = ClockCmp("age", "i", ">", 3)
    made = woven(Within(old, FINISH, 2), NeverAfter(POLL, old), Never(old), LeadsTo(START, FINISH))
    assert made.unwoven == {
        "R1": "the trigger changes with time alone, which no observer can see",
        "R2": "the milestone changes with time alone, which no observer can see",
    }
    assert made.bad == {"R3": Exists("i@R3.0", "Job", ClockCmp("age", "i@R3.0", ">", 3))}
    assert made.system == jobs()


def test_a_step_may_read_a_clock_of_every_instance() -> None:
    made = woven(Never(conj((CRASH, ClockCmp("age", "i", ">", 3)))))
    crash, calm = made.system.transitions[3:5]
    old = Exists("i@R1.0", "Job", ClockCmp("age", "i@R1.0", ">", 3))
    assert (crash.key, crash.guard) == ("crash~R1", conj((Ref("up"), old)))
    assert (calm.key, calm.guard) == ("crash~not R1", conj((Ref("up"), neg(old))))
    assert crash.updates[-1] == Update("R1:hit", None, TRUE)
    assert made.bad == {"R1": Ref("R1:hit")}


# ---- assumptions -------------------------------------------------------------------------------
def assumed(actor: str, obligation: Never | NeverBefore | Within | Early) -> System:
    return weave(jobs(), (), (Assumption("D1", "", actor, (I,), obligation),)).system


def test_an_assumption_restricts_its_actor() -> None:
    system = assumed("JOB", Never(conj((FINISH, neg(Ref("up"))))))
    guards = {transition.key: transition.guard for transition in system.transitions}
    assert guards["finish"] == conj((at(SELF, BUSY), Ref("up")))
    assert [g for k, g in guards.items() if k != "finish"] == [
        t.guard for t in jobs().transitions if t.key != "finish"
    ]


def test_an_assumption_about_states_restricts_what_leads_there() -> None:
    system = assumed("JOB", Never(conj((at("i", DONE), Ref("up")))))
    assert system.transitions[2].guard == conj((at(SELF, BUSY), neg(Ref("up"))))
    assert next(initial_states(ground(system, 1))).values == (0, 1, 1, 1)


def test_nobody_else_may_break_an_assumption() -> None:
    with pytest.raises(AssumptionError) as info:
        assumed("JOB", Never(START))
    assert (info.value.assumption, info.value.transition) == ("D1", "start")
    assert str(info.value) == (
        "assumption D1: a step of HOST could break it (call Do), "
        "and only JOB is assumed to keep to it"
    )
    with pytest.raises(AssumptionError) as info:
        assumed("JOB", Never(conj((at("i", BUSY), neg(Ref("up"))))))
    assert info.value.transition == "start"
    with pytest.raises(AssumptionError, match="time alone can break it"):
        assumed("JOB", Never(ClockCmp("age", "i", ">", 3)))
    with pytest.raises(AssumptionError, match="time alone can break it"):
        assumed("JOB", Never(ClockDiff("age", "i", "age", "i", "<", 3)))
    with pytest.raises(AssumptionError, match="the trigger changes with time alone"):
        assumed("JOB", Within(ClockCmp("age", "i", ">", 3), FINISH, 3))


def test_an_assumed_response_is_a_deadline_of_the_actor() -> None:
    system = assumed("JOB", Within(START, disj((FINISH, at("i", 0))), 5))
    armed = Ref("assume D1:armed", SELF)
    assert system.deadlines == (Deadline("D1", "Job", armed, "assume D1:armed.clock", 5, "JOB"),)


def test_an_assumed_distance_is_a_guard() -> None:
    system = assumed("JOB", Early(FINISH, START, 5))
    running = Ref("assume D1:running", SELF)
    soon = ClockCmp("assume D1:running.clock", SELF, "<", 5)
    assert system.transitions[2].guard == conj((at(SELF, BUSY), neg(conj((running, soon)))))


def test_observers_do_not_multiply_states() -> None:
    """A rule that holds in every run leaves the number of reachable states alone."""
    made = woven(Within(START, disj((FINISH, at("i", 0))), 7), Never(conj((POLL, at("i", DONE)))))
    assert reachable(ground(made.system, 2)) == reachable(ground(jobs(), 2)) == 72


def reachable(world: Ground) -> int:
    compiled = compile_ground(world)
    found = {state.values for state in initial_states(world)}
    todo = list(found)
    while todo:
        for _, after in compiled.successors_untimed(todo.pop()):
            if after not in found:
                found.add(after)
                todo.append(after)
    return len(found)
