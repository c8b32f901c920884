"""Cheapest alignments: as many edits as were made, and the repaired run is legal for the oracle."""

import random

import msgspec
import pytest
from aligned_runs import AlignedRuns
from replay_oracle import Oracle
from short_runs import OPENED, RHS, answer, call, controls, violations
from trace_mutants import OPERATORS, renumbered

from rhscheck.spec.load import load
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import Finish, NamedEvent
from rhscheck.traces.format import TimeoutEvent as Timeout
from rhscheck.traces.judge import Judge
from rhscheck.traces.simulate import simulate


def test_a_line_that_comes_twice_is_one_edit() -> None:
    run = [*OPENED, *controls(2, 6)]
    found = violations([*run[:4], run[3], *run[4:]])
    repair = "insert before line 6: Resource[1]: call ResourceControl"
    assert [(one.line, one.edits, one.repair) for one in found] == [(6, 1, (repair,))]


def test_lines_that_have_changed_places_are_exchanged() -> None:
    run = [*OPENED, *controls(2, 6)]
    run[4], run[5] = (
        msgspec.structs.replace(run[5], ts=run[4].ts),
        msgspec.structs.replace(run[4], ts=run[5].ts),
    )
    found = {(one.line, one.edits, one.repair) for one in violations(run)}
    assert found == {(6, 1, ("exchange line 6 and line 7",))}


def test_a_lost_burst_is_put_in() -> None:
    run = [
        *OPENED, call(10, "Online"), answer(20, "Online"),
        call(30, "Offline"), answer(40, "Offline"), *controls(50, 6),
    ]  # fmt: skip
    way = "insert before line 4: Resource[1]: {}"
    repair = "; ".join(way.format(one) for one in ("call Online", "return Online(success)"))
    found = [(one.line, one.edits, one.repair) for one in violations([*run[:2], *run[4:]])]
    assert found == [(4, 2, (repair,))]


def test_each_of_two_faults_is_reported_and_nothing_that_follows_from_them() -> None:
    run = [*OPENED, *controls(2, 12)]
    del run[18]  # a call of which the return is there
    del run[5]  # a return, so that the next call comes too early
    assert {(one.line, one.edits) for one in violations(run)} == {(7, 1), (19, 1)}


def test_faults_of_two_resources_are_two() -> None:
    run = [*OPENED, call(2, "Open", "B"), answer(3, "Open", res="B"), *controls(4, 3)]
    run += [answer(50, "Online", res="B"), answer(51, "Online"), *controls(60, 6)]
    found = [(one.line, one.resource, one.repair) for one in violations(run)]
    assert found == [
        (12, "B", ("insert before line 12: Resource[2]: call Online",)),
        (13, "A", ("insert before line 13: Resource[1]: call Online",)),
    ]


def test_a_deadline_that_was_missed_is_repaired_in_time() -> None:
    run = [*OPENED, call(10, "ResourceControl"), answer(300_011, "ResourceControl")]
    finding = violations(run)[0]
    assert (finding.rule, finding.line, finding.edits) == ("B3[ResourceControl]", 5, 1)
    assert finding.repair == (
        "insert at 00:05:00.010, 1ms before line 5: Resource[1]: timeout ResourceControl",
    )


def test_a_time_out_told_of_the_wrong_resource_is_one_edit() -> None:
    """Without it nothing would explain why the process ends, after more than the line itself."""
    told = [
        call(0, "Open"), call(1, "Open", "B"), answer(2, "Open", res="B"),
        Timeout(ts=300_000_000, seq=0, res="B", op="Open", cid=None, limit_ms=300_000),
        NamedEvent(ts=350_000_000, seq=0, res="Process[1]", name="exit"),
        NamedEvent(ts=350_001_000, seq=0, res="Process[1]", name="recover"),
    ]  # fmt: skip
    found = [(one.resource, one.edits, one.repair) for one in violations(told)]
    assert found[0] == ("B", 1, ("line 5: timeout Open of another Resource instead",))
    alone = [one for one in told if one.res != "A"]
    (finding,) = violations(alone, count=1)
    assert (finding.line, finding.repair) == (4, ("drop line 4; drop line 5; drop line 6",))


@pytest.mark.parametrize("seed", range(2))
def test_the_repaired_run_is_legal(seed: int) -> None:
    """Edits of every kind: at most as many are found as were made, and the oracle agrees."""
    runs, oracle = AlignedRuns(RHS), Oracle(RHS, 1)
    legal = renumbered(simulate(RHS, 1, seed, 30).trace.events)
    assert oracle.judge(legal, keep=True) is None
    chance = random.Random(seed)
    checked = 0
    for name, edit in OPERATORS.items():
        if name in ("wrong resource", "wrong thread", "wrong call id", "two names merged"):
            continue
        edited = edit(list(legal), chance.randrange(len(legal)), chance)
        wrong = None if edited is None else oracle.judge(edited)
        if edited is None or wrong is None:
            continue
        found = runs.align(edited[: wrong.at + 9], wrong.at)
        made = {"lose a burst": 5, "repeat a block": 3, "swap neighbours": 2}.get(name, 2)
        assert found.cost is not None
        assert 1 <= found.cost <= made
        for way in found.ways:
            assert len(way) == found.cost
            assert oracle.judge(runs.repaired(edited, way)[: wrong.at + 9]) is None, way
        checked += 1
    assert checked >= 5


def test_a_whole_run_is_aligned_fault_by_fault() -> None:
    runs = AlignedRuns(RHS)
    legal = [msgspec.structs.replace(one, res="Resource[1]") for one in [*OPENED, *controls(2, 12)]]
    edited = [*legal[:5], *legal[6:18], *legal[19:]]
    start = Follower.begin(runs.engine.sets, runs.engine.begin(aged=False), 0, 0)
    walk = runs.aligner.walk(start, runs.lines(edited))
    assert (len(walk.edits), walk.lost) == (2, 0)
    assert Oracle(RHS, 1).judge(runs.repaired(edited, walk.edits)) is None


def test_the_cause_of_a_fault_may_lie_before_it() -> None:
    """A lost `set` lets the other process in; what it did is refused some lines later."""
    system = load("fischer").system
    run = simulate(system, 2, 2, 30).trace
    lost = renumbered([*run.events[:10], *run.events[11:]])
    assert getattr(run.events[10], "name", "") == "set"
    judge = Judge(system, run.header)
    judge.feed_all(2, lost)
    report = judge.finish(Finish("complete", len(lost) + 2, len(lost), ""))
    (found,) = [one for one in report.findings if one.verdict == "violated"]
    assert (found.line, found.edits) == (13, 1)
    assert found.repair[0].endswith("before line 12: Proc[1]: set")
    assert Oracle(system, 2).judge(lost) is not None
