"""Scenarios: what allowed and forbidden mean, and what is said where a spec does otherwise."""

from dataclasses import replace

import pytest
from poll_spec import POLL
from scenario_runs import disagreement

from rhscheck.spec.expr import FALSE
from rhscheck.spec.ground import ground
from rhscheck.spec.load import load, load_source
from rhscheck.spec.rules import weave
from rhscheck.spec.scenarios import (
    Allowed,
    Contradicted,
    Outcome,
    Player,
    Refused,
    Undecided,
    as_it_says,
)
from rhscheck.spec.source import Source
from rhscheck.spec.system import Assumption, Scenario, System

FIRST = POLL.count("\n") + 2  # the line of a scenario's first step


def system_with(scenario: str, text: str = POLL) -> System:
    return load_source(Source("poll.sm", text + scenario)).system


def played(steps: str, *, kind: str = "allowed", text: str = POLL, without: str = "") -> Outcome:
    """The outcome of a scenario over the polled worker; its steps begin on line FIRST."""
    system = system_with(f'scenario S "it" {kind} {{\n{steps}\n}}\n', text)
    relied: tuple[Assumption, ...] = tuple(a for a in system.assumptions if a.id != without)
    (scenario,) = system.scenarios
    world = ground(weave(system, (), relied).system, scenario.n)
    return Player(world).play(scenario)


def says(outcome: Outcome, *, allowed: bool) -> bool | None:
    return as_it_says(Scenario("S", "", allowed, 1, ()), outcome)


# ---- allowed -----------------------------------------------------------------------------------
def test_a_run_of_the_spec_is_allowed() -> None:
    outcome = played("call Start\nreturn Start(success)\nassert in Running\nwait 5s\ncall Poll")
    assert isinstance(outcome, Allowed)
    assert says(outcome, allowed=True) is True
    assert says(outcome, allowed=False) is False


def test_a_step_that_no_state_allows() -> None:
    outcome = played("call Start\nreturn Start(pending)\ncall Poll\nreturn Poll(success)")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.span.line, outcome.last) == (3, FIRST + 2, False)
    assert outcome.reason == "Worker[1]: call Poll is not possible"
    assert len(outcome.states) == 1
    assert outcome.unmet == (
        "Worker.state[1] = Running (is Starting.Pending); Worker.due.Poll@Running[1] (is false)",
    )
    assert says(outcome, allowed=True) is False
    assert says(outcome, allowed=False) is False


def test_time_that_may_not_pass() -> None:
    outcome = played("call Start\nwait 2s\nreturn Start(pending)\nwait 4s")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.span.line) == (4, FIRST + 3)
    assert outcome.reason == "4s cannot pass"
    assert outcome.unmet == ("Worker.timer.silence[1] of RHS comes after 3s",)


def test_time_may_pass_up_to_the_bound_and_both_may_happen_there() -> None:
    outcome = played(
        "call Start\nreturn Start(pending)\nwait 3s\nReport(success)\nassert in Running"
    )
    assert isinstance(outcome, Allowed)
    outcome = played("call Start\nreturn Start(pending)\nwait 3s\nsilence\nassert in Failed")
    assert isinstance(outcome, Allowed)


def test_hidden_steps_happen_on_the_way() -> None:
    outcome = played(
        "call Start\nreturn Start(success)\nwait 6s\ncall Poll\nwait 6s\nreturn Poll(success)"
    )
    assert isinstance(outcome, Refused)
    # The poll became due after 5 s, unseen, and the time stops until it is called.
    assert (outcome.step, outcome.reason) == (3, "6s cannot pass")
    assert outcome.unmet == ("Worker.due.Poll@Running urgent[1] of RHS comes after 5s",)


def test_a_hidden_label_is_never_seen() -> None:
    hiding = POLL.replace("  hide due\n", "  hide due\n  hide timer silence\n")
    outcome = played("call Start\nreturn Start(pending)\nwait 3s\nsilence", text=hiding)
    assert isinstance(outcome, Refused)
    assert outcome.reason == "Worker[1]: timer silence is hidden: it is never seen"
    outcome = played("call Start\nreturn Start(pending)\nwait 3s\nclean", text=hiding)
    assert isinstance(outcome, Allowed)


# ---- assertions --------------------------------------------------------------------------------
def test_an_assertion_that_is_false() -> None:
    outcome = played("call Start\nassert in Running and tries == 1")
    assert isinstance(outcome, Contradicted)
    assert (outcome.step, outcome.span.line) == (2, FIRST + 1)
    assert outcome.reason == "the assertion is false"
    assert outcome.unmet == ("Worker.state[1] = Running (is Starting.Calling)",)
    assert says(outcome, allowed=True) is False
    assert says(outcome, allowed=False) is False


def test_an_assertion_holds_before_and_after_hidden_steps() -> None:
    hiding = POLL.replace("  hide due\n", "  hide due\n  hide timer silence\n")
    steps = "call Start\nreturn Start(pending)\nwait 3s\nassert in Starting.Pending"
    outcome = played(steps, text=hiding)
    assert isinstance(outcome, Contradicted)
    assert outcome.reason == "the assertion can be false"
    assert len(outcome.states) == 1
    assert isinstance(played(steps.replace("assert", "assert in Failed or"), text=hiding), Allowed)


def test_an_assertion_of_a_forbidden_run_counts_too() -> None:
    outcome = played("call Start\nassert in Running\ncall Poll", kind="forbidden")
    assert isinstance(outcome, Contradicted)
    assert says(outcome, allowed=False) is False


# ---- forbidden ---------------------------------------------------------------------------------
def test_a_forbidden_step_is_refused() -> None:
    outcome = played("call Start\nreturn Start(failure)\ncall Start", kind="forbidden")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.last) == (3, True)
    assert says(outcome, allowed=False) is True
    assert says(outcome, allowed=True) is False


def test_only_the_last_step_may_be_refused() -> None:
    outcome = played("call Poll\ncall Start", kind="forbidden")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.last) == (1, False)
    assert says(outcome, allowed=False) is False


def test_the_waits_before_the_last_event_belong_to_it() -> None:
    outcome = played("call Start\nwait 6s\nwait 6s\nreturn Start(success)", kind="forbidden")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.last) == (3, True)
    outcome = played("call Start\nwait 11s\nassert true\nreturn Start(success)", kind="forbidden")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.last) == (2, False)
    outcome = played("call Start\nwait 11s\nreturn Start(failure)\nclean", kind="forbidden")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.last) == (2, False)


def test_a_wait_may_be_what_is_forbidden() -> None:
    outcome = played("call Start\nwait 11s", kind="forbidden")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.last) == (2, True)
    assert isinstance(played("call Start\nwait 10s", kind="forbidden"), Allowed)


def test_what_follows_the_last_event_does_not_refuse_it() -> None:
    outcome = played("call Start\nassert in Idle", kind="forbidden")
    assert isinstance(outcome, Contradicted)
    outcome = played("call Start\nreturn Start(success)\nwait 5s", kind="forbidden")
    assert isinstance(outcome, Allowed)


def test_a_forbidden_scenario_without_steps_forbids_nothing() -> None:
    outcome = played("", kind="forbidden")
    assert isinstance(outcome, Allowed)
    assert says(outcome, allowed=False) is False
    assert says(outcome, allowed=True) is True


def test_assumptions_that_hold_forbid_steps() -> None:
    steps = "call Start\nreturn Start(success)\nwait 5s\ncall Poll\nreturn Poll(failure)"
    outcome = played(steps, kind="forbidden")
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.last) == (5, True)
    assert isinstance(played(steps, kind="forbidden", without="D1"), Allowed)


# ---- instances, and what cannot be decided -----------------------------------------------------
def test_scenarios_about_several_instances() -> None:
    steps = "Worker[2]: call Start\nWorker[1]: call Start\nWorker[2]: return Start(success)"
    assert isinstance(played(steps), Allowed)
    outcome = played(steps + "\nassert in Running")  # names belong to instance 1
    assert isinstance(outcome, Contradicted)
    outcome = played("call Start\ncrash\nreboot\ncall Start", kind="allowed with N = 3")
    assert isinstance(outcome, Allowed)


def test_a_player_is_for_one_number_of_instances() -> None:
    system = system_with('scenario S "it" allowed with N = 2 { call Start }\n')
    player = Player(ground(system, 1))
    with pytest.raises(ValueError, match="S needs 2 instances, not 1"):
        player.play(system.scenarios[0])


# The hidden step starts a clock at an unknown moment.
SECRET = """\
spec secret "a start that nobody sees"
actors { host H, plugin P }
machine M[i in 1..N] {
  initial state A { by P: hush -> B }
  state B {
    timer t = 3s
    on t -> C
  }
  state C { by P: done -> A }
}
trace { hide event hush }
"""


def secret(steps: str, kind: str) -> Outcome:
    return played(steps, kind=kind, text=SECRET)


def test_unseen_moments_leave_open_what_is_refused_but_not_what_is_found() -> None:
    found = secret("wait 3s\nt\ndone", "allowed")
    assert isinstance(found, Allowed)
    outcome = secret("wait 3s\nt\nt", "forbidden")
    assert isinstance(outcome, Undecided)
    assert "an unseen step starts a clock" in outcome.reason
    assert says(outcome, allowed=False) is None
    # Every state that is known agrees, but some are not known.
    outcome = secret("wait 3s\nassert in A or in B or in C\nt\ndone", "allowed")
    assert isinstance(outcome, Undecided)
    outcome = secret("wait 5s\nassert in C", "allowed")
    assert isinstance(outcome, Contradicted)


def test_no_initial_state_allows_and_forbids_nothing() -> None:
    system = system_with('scenario S "it" forbidden { call Poll }\n')
    world = ground(system, 1)
    outcome = Player(replace(world, initially=FALSE)).play(system.scenarios[0])
    assert isinstance(outcome, Refused)
    assert (outcome.step, outcome.last) == (0, False)
    assert says(outcome, allowed=False) is False


# ---- the shipped specs ---------------------------------------------------------------------------
def test_the_shipped_specs_do_what_their_scenarios_say() -> None:
    systems = [load(name).system for name in ("rhs", "fischer", "two_phase", "two_locks")]
    assert len(systems[0].scenarios) == 48
    wrong = [
        (system.name, scenario.id, disagreement(system, scenario))
        for system in systems
        for scenario in system.scenarios
        if disagreement(system, scenario) is not None
    ]
    assert wrong == []
