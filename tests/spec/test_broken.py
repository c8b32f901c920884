"""Why a rule is broken: the parts of its formula, for the instances that it concerns."""

import pytest
from poll_spec import POLL, poll_system

from rhscheck.spec.broken import Moment, why
from rhscheck.spec.ground import ground
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import Time, elapse, enabled, fire, initial_states


def reasons(rule_text: str, *moves: tuple[Time, str | None]) -> tuple[str, ...]:
    """Why the rule is broken after these delays and labels, on the System woven with it."""
    head, _, rest = POLL.partition("rules Worker {")
    system = poll_system(f"{head}rules Worker {{\n{rule_text}\n}}\n{rest[rest.index('trace {') :]}")
    rule = system.rules[0]
    woven = weave(system, system.rules, ())
    world = ground(woven.system, 2)
    before = state = next(initial_states(world))
    step = None
    for delay, label in moves:
        before = state = elapse(world, state, delay)
        step = None
        if label is not None:
            at = next(p for p in enabled(world, state) if str(world.transitions[p].label) == label)
            step = world.transitions[at]
            state = fire(world, state, at)
    return why(Moment(world, before, step, state), rule, woven.bad[rule.id])


START = (0, "Worker[2]: call Start")


@pytest.mark.parametrize(
    ("rule", "moves", "expected"),
    [
        (
            'rule A "": never start(Start) and tries == 0',
            (START,),
            ("call Start of 2", "Worker.tries[2] = 0 (is 0)"),
        ),
        (
            'rule A "": never inflight(Start) and tries == 1',
            (START,),
            (
                "Worker.call.Start[2] in {running, expired} (is running)",
                "Worker.tries[2] = 1 (is 1)",
            ),
        ),
        (
            'rule A "": never start(Start) before return Start(success)',
            (START,),
            ("call Start of 2", "although not yet: return Start(success) of 2"),
        ),
        (
            'rule A "": never return Start(*) after start(Start)',
            (START, (1, "Worker[2]: return Start(failure)")),
            ("return Start of 2", "although already: call Start of 2"),
        ),
        (
            'rule A "": when start(Start) leads to return Start(success) within 2s',
            (START, (3, None)),
            ("2s have passed since: call Start of 2", "without: return Start(success) of 2"),
        ),
        (
            'rule A "": never return Start(*) within 2s of start(Start)',
            (START, (1, "Worker[2]: return Start(failure)")),
            ("return Start of 2", "less than 2s after: call Start of 2"),
        ),
        (
            'rule A "": can in Starting',
            (START,),
            ("Worker.state[2] in {Starting.Calling, Starting.Pending} (is Starting.Calling)",),
        ),
    ],
)
def test_each_kind_of_rule_says_why(
    rule: str, moves: tuple[tuple[Time, str | None], ...], expected: tuple[str, ...]
) -> None:
    assert reasons(rule, *moves) == expected


def test_a_rule_that_does_not_speak_of_the_moment_says_nothing() -> None:
    assert reasons('rule A "": never start(Poll)', START) == ()


def test_bound_instances_are_named() -> None:
    text = 'rule A "": never in i.Starting and in j.Starting for distinct i, j in Worker'
    head, _, rest = POLL.partition("rules Worker {")
    system = poll_system(f"{head}{text}\n{rest[rest.index('trace {') :]}")
    world = ground(system, 2)
    state = next(initial_states(world))
    for label in ("Worker[1]: call Start", "Worker[2]: call Start"):
        at = next(p for p in enabled(world, state) if str(world.transitions[p].label) == label)
        before, state = state, fire(world, state, at)
    assert why(Moment(world, before, world.transitions[at], state), system.rules[0]) == (
        "i = Worker[1], j = Worker[2]",
        "Worker.state[1] in {Starting.Calling, Starting.Pending} (is Starting.Calling)",
        "Worker.state[2] in {Starting.Calling, Starting.Pending} (is Starting.Calling)",
    )
