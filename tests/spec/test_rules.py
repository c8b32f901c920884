from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_systems import Shape, assumptions, random_run, rules, systems
from rule_oracle import Moment, broken, moments

from rhscheck.spec.evaluate import State, evaluate
from rhscheck.spec.expr import Happens, Post, walk
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import AssumptionError, weave
from rhscheck.spec.semantics import elapse, enabled, fire, initial_states
from rhscheck.spec.system import Rule, System


def original(key: str) -> str:
    return key.split("~")[0]


def followed(plain: Ground, woven: Ground, run: list[Moment]) -> list[State] | None:
    """The states of `woven` along a run of `plain`; None if it cannot follow.

    Where it can, there is exactly one way.
    """
    starts = [s for s in initial_states(woven) if restricted(woven, plain, s) == run[0].state]
    if not starts:
        return None
    assert len(starts) == 1
    states = [starts[0]]
    for before, moment in zip(run, run[1:], strict=False):
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
        from rhscheck.spec.alternatives import reads_clocks

        assert not any(reads_clocks(update.value) for update in transition.updates)
    for n in (1, 2):
        for t in ground(system, n).transitions:
            assert len({at for at, _ in t.updates}) == len(t.updates)


@st.composite
def ruled(draw: st.DrawFn, *, timed: bool, most_params: int) -> tuple[System, Rule]:
    system = draw(systems(Shape(clocks=2 if timed else 1)))
    return system, draw(rules(system, timed=timed, most_params=most_params))


def agrees(system: System, rule: Rule, n: int, seed: int) -> None:
    made = weave(system, (rule,), ())
    assume(rule.id not in made.unwoven)
    legal(made.system)
    plain, woven = ground(system, n), ground(made.system, n)
    run = random_run(plain, seed, 8)
    assume(run is not None)
    assert run is not None
    path = moments(plain, run)
    states = followed(plain, woven, path)
    assert states is not None
    bad = woven.expand(made.bad[rule.id], {})
    for at, state in enumerate(states):
        wanted = broken(plain, rule.params, rule.obligation, path, at, distinct=rule.distinct)
        assert bool(evaluate(bad, woven, state)) == wanted, at


@settings(max_examples=200)
@given(ruled(timed=False, most_params=1), st.integers(1, 2), st.integers(0, 10_000))
def test_observers_agree_with_the_definitions(
    drawn: tuple[System, Rule], n: int, seed: int
) -> None:
    agrees(*drawn, n, seed)


@settings(max_examples=100)
@given(ruled(timed=True, most_params=2), st.integers(1, 3), st.integers(0, 10_000))
def test_observers_agree_for_pairs_and_steps_that_read_clocks(
    drawn: tuple[System, Rule], n: int, seed: int
) -> None:
    agrees(*drawn, n, seed)


@settings(max_examples=200)
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
        broken(plain, assumption.params, assumption.obligation, path, at)
        for at in range(len(path))
    )
    assert (followed(plain, woven, path) is not None) == kept
