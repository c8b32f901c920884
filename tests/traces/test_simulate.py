"""Simulated runs: legal, complete, and the same bytes for the same seed."""

import random
from io import BytesIO

import pytest
from poll_spec import POLL, poll_system

from rhscheck.spec.load import load
from rhscheck.spec.semantics import replay_run
from rhscheck.traces.format import load_trace
from rhscheck.traces.simulate import simulate

SYSTEM = poll_system()


def test_the_same_seed_gives_the_same_bytes() -> None:
    once = simulate(SYSTEM, 2, 5, 60).trace.encode()
    random.seed(1)  # the global generator must not matter
    assert simulate(SYSTEM, 2, 5, 60).trace.encode() == once
    assert simulate(SYSTEM, 2, 6, 60).trace.encode() != once


def test_a_run_is_legal_and_keeps_to_the_assumptions() -> None:
    for seed in range(10):
        simulation = simulate(SYSTEM, 2, seed, 80)
        assert len(replay_run(simulation.ground, simulation.run)) == 81
        labels = [
            simulation.ground.transitions[step.transition].label.short
            for step in simulation.run.steps
            if step.transition is not None
        ]
        assert "return Poll(failure)" not in labels


def test_without_the_assumption_the_assumed_away_step_occurs() -> None:
    text = "\n".join(line for line in POLL.splitlines() if "assume D1" not in line)
    shorts = {
        simulation.ground.transitions[step.transition].label.short
        for seed in range(10)
        for simulation in (simulate(poll_system(text), 2, seed, 80),)
        for step in simulation.run.steps
        if step.transition is not None
    }
    assert "return Poll(failure)" in shorts


def test_hidden_steps_are_not_written_and_all_others_are() -> None:
    simulation = simulate(SYSTEM, 2, 3, 80)
    hidden = [
        step
        for step in simulation.run.steps
        if step.transition is not None
        and simulation.ground.transitions[step.transition].label.kind == "due"
    ]
    assert hidden
    assert len(simulation.trace.events) == 80 - len(hidden)


def test_the_header_says_how_the_run_was_made() -> None:
    header = simulate(SYSTEM, 2, 5, 10, tool="rhscheck 1.2").trace.header
    assert (header.src, header.spec, header.n, header.seed) == ("sim", "poll", 2, 5)
    assert header.spec_sha256 == SYSTEM.source_sha256
    assert (header.complete, header.lossy, header.start) == (True, False, "initial")
    assert header.params == {
        "CallTimeout": 10_000_000,
        "Silence": 3_000_000,
        "PollEvery": 5_000_000,
    }
    assert header.tool == "rhscheck 1.2"


def test_a_trace_ends_with_its_end_line() -> None:
    loaded = load_trace(BytesIO(simulate(SYSTEM, 2, 5, 40).trace.encode()))
    assert loaded.finish.ending == "complete"
    assert not loaded.problems


def test_time_outs_timers_polls_and_late_returns_all_occur() -> None:
    keys = {
        simulation.ground.transitions[step.transition].template.key.partition("~")[0]
        for seed in range(6)
        for simulation in (simulate(SYSTEM, 2, seed, 150),)
        for step in simulation.run.steps
        if step.transition is not None
    }
    assert {
        "Worker Starting timeout Start",
        "Worker Starting.Pending timer silence",
        "Worker Running call Poll",
        "Worker Failed return Start(pending)",
        "Process Down reboot",
    } <= keys


def test_a_run_that_comes_to_rest_says_so() -> None:
    text = POLL.replace("  state Down { by RCM: reboot -> Up resets Worker }", "  state Down")
    simulation = simulate(poll_system(text), 1, 0, 500)
    assert simulation.stopped == "nothing can happen any more"
    assert len(simulation.run.steps) < 500


def test_a_timelock_ends_the_run_and_is_named() -> None:
    text = """
spec stuck "time stops"
actors { host RHS }
shared machine M {
  clock x
  deadline x <= 2s by RHS
  initial state A { by RHS: go -> B }
  state B
}
"""
    simulation = simulate(poll_system(text), 1, 0, 10)
    assert simulation.stopped == ("time cannot pass M.x deadline 6, and no step is possible")
    assert len(simulation.run.steps) == 1


def test_no_instances_and_no_steps_are_refused_and_allowed() -> None:
    with pytest.raises(ValueError, match="cannot simulate 0 instances"):
        simulate(SYSTEM, 0, 1, 10)
    assert simulate(SYSTEM, 1, 1, 0).trace.events == ()


@pytest.mark.parametrize("name", ["fischer", "two_phase", "two_locks"])
def test_shipped_specs_without_calls_simulate(name: str) -> None:
    simulation = simulate(load(name).system, 2, 1, 40)
    assert simulation.trace.events
    assert len(replay_run(simulation.ground, simulation.run)) == len(simulation.run.steps) + 1
