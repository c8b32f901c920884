"""Simulated runs: the same from the same seed, never a complaint, and accepted by replay."""

from __future__ import annotations

import random
from typing import Literal

import msgspec
import pytest
from planted_bugs import BUGS, CLUSTER, RUN

from rhscheck.simulated_runs import Wanted, case_of, judge_seed, search, spec_for
from rhscheck.tracer.configuration import (
    MINUTE,
    SECOND,
    ClusterConfiguration,
    ResourceConfiguration,
    Timeouts,
)
from rhscheck.tracer.events import Command, Operation
from rhscheck.tracer.faults import (
    BREAKS_PROMISE,
    Fault,
    FaultPlan,
    FaultSource,
    _pair,
    plan_for,
    single_faults,
)
from rhscheck.tracer.rule_watch import RuleWatch
from rhscheck.tracer.shrink import Case
from rhscheck.tracer.simulator import Options, Run, simulate
from rhscheck.tracer.virtual_time import Connection, Scheduler
from rhscheck.tracer.wire import LineSplitter
from rhscheck.traces.format import (
    CallEvent,
    ExitEvent,
    NamedEvent,
    ReturnEvent,
    StateEvent,
    StatusEvent,
    TimeoutEvent,
)

NAMES = [one.name for one in CLUSTER.resources]
TWO_NODES = ClusterConfiguration(
    (
        ResourceConfiguration("db", "data"),
        ResourceConfiguration("web", "data", depends_on=("db",), monitor="flaky"),
        ResourceConfiguration("mail", "post"),
    ),
    nodes=("north", "south"),
    timeouts=Timeouts(looks_alive_us=30 * SECOND, is_alive_us=100 * SECOND),
)


POLLS: tuple[Operation, ...] = ("LooksAlive", "IsAlive")


def run_with(*faults: Fault, minutes: int = 1) -> Run:
    quiet = Options(duration_us=minutes * MINUTE, user_every_us=0)
    return simulate(CLUSTER, 1, FaultPlan(faults), quiet, judge=RuleWatch(CLUSTER))


# ---- determinism ---------------------------------------------------------------------------------
def test_the_same_seed_gives_the_same_bytes() -> None:
    wanted = Wanted(CLUSTER, RUN, promises_kept=False)
    first, again = (judge_seed(wanted, None, 501, case_of(wanted, 501)) for _ in range(2))
    assert first.trace.encode() == again.trace.encode()
    assert first.run.struck == again.run.struck


def test_another_seed_gives_another_run() -> None:
    plan = FaultPlan()
    assert simulate(CLUSTER, 1, plan, RUN).events != simulate(CLUSTER, 2, plan, RUN).events


def test_a_random_plan_and_the_same_faults_by_name_give_the_same_run() -> None:
    drawn = simulate(CLUSTER, 1001, plan_for(1001, NAMES), RUN)
    named = simulate(CLUSTER, 1001, FaultPlan(drawn.struck), RUN)
    assert len(drawn.struck) == 4
    assert named.events == drawn.events


# ---- the end -------------------------------------------------------------------------------------
def test_polls_that_leave_offline_no_room_do_not_keep_the_cluster_from_ending() -> None:
    """Every LooksAlive takes almost `call`: Offline never had the slot, and the run never ended."""
    polls = tuple(Fault("app", "LooksAlive", visit, "slow") for visit in range(1, 1000))
    wanted = Wanted(CLUSTER, Options(duration_us=MINUTE, user_every_us=0), polls)
    judged = judge_seed(wanted, spec_for(CLUSTER), 1, case_of(wanted, 1))
    assert (judged.run.finished, judged.run.ended_us // MINUTE) == (True, 15)
    assert judged.verdict == "conforms"
    calls = [one for one in judged.run.events if isinstance(one, CallEvent)]
    assert [(one.op, one.res) for one in calls if one.op in ("Offline", "Terminate")] == [
        *(("Terminate", "app"), ("Offline", "ip"), ("Offline", "disk")),
    ]


def test_an_offline_that_is_given_up_conforms_whatever_else_happens() -> None:
    """Users, another node and a second fault come between; RCM's Terminate is always allowed."""
    given_up = 0
    specs = (spec_for(CLUSTER), spec_for(TWO_NODES))
    for seed in range(40):
        cluster = (CLUSTER, TWO_NODES)[seed % 2]
        names = [one.name for one in cluster.resources]
        polls = [
            Fault(names[seed % 3], op, visit, "slow")
            for op in POLLS
            for visit in range(1 + seed % 5, 400)
        ]
        other = plan_for(7 * seed + 1, names, promises_kept=True)
        sites = {(one.res, one.op, one.visit) for one in polls}
        faults = polls + [one for one in other.faults if (one.res, one.op, one.visit) not in sites]
        options = Options(duration_us=(20 + seed) * MINUTE, user_every_us=200 * SECOND)
        plan = FaultPlan(tuple(faults), other.random_seed, promises_kept=True)
        wanted = Wanted(cluster, options)
        judged = judge_seed(wanted, specs[seed % 2], seed, Case(cluster, plan, options))
        assert (judged.verdict, judged.run.finished) == ("conforms", True), (seed, judged.rules)
        given_up += sum(
            isinstance(one, StateEvent)
            and (one.source, one.target) == ("OfflineCallIssued", "Terminating")
            for one in judged.run.events
        )
    assert given_up > 20


# ---- fault plans ---------------------------------------------------------------------------------
def test_seeds_try_every_single_fault_before_pairs() -> None:
    singles = single_faults(NAMES)
    assert plan_for(0, NAMES).faults == ()
    assert [plan_for(seed, NAMES).faults for seed in (1, len(singles))] == [
        (singles[0],),
        (singles[-1],),
    ]
    assert len(plan_for(2 * len(singles), NAMES).faults) == 2
    assert plan_for(2 * len(singles) + 1, NAMES).random_seed == "1141:faults"
    assert len({str(one) for one in singles}) == len(singles) == 570


def test_pairs_come_once_each() -> None:
    few = [Fault("a", "Online", visit, "hang") for visit in range(1, 8)]
    pairs = [_pair(few, turn) for turn in range(21)]
    assert len({frozenset(pair) for pair in pairs}) == 21
    assert {len(set(pair)) for pair in pairs} == {2}
    assert _pair(few, 21) == pairs[0]


def test_promises_are_kept_on_demand() -> None:
    source = FaultSource(FaultPlan((), "1:faults", promises_kept=True), "a")
    kinds = {source.strike("Online") for _ in range(2_000)}
    assert not kinds & BREAKS_PROMISE
    assert None in kinds
    assert len(kinds) == 17


# ---- what faults do ------------------------------------------------------------------------------
def kinds(run: Run, *types: type) -> list[str]:
    return [
        f"{getattr(one, 'op', None) or getattr(one, 'why', None) or getattr(one, 'name', None)}"
        for one in run.events
        if isinstance(one, types)
    ]


def test_a_hung_online_is_declared_dead_and_its_terminate_after_it() -> None:
    hung = Fault("ip", "Online", 1, "hang")
    run = run_with(hung, minutes=11)
    assert kinds(run, TimeoutEvent) == ["Online", "Terminate"]
    ends = [one for one in run.events if isinstance(one, NamedEvent)]
    assert [one.name for one in ends] == ["exit", "recover"]
    assert run.complaint is None


def test_a_call_that_ends_with_terminate_does_not_kill_the_process() -> None:
    run = run_with(Fault("ip", "Online", 1, "hang-until-terminate"), minutes=6)
    assert kinds(run, TimeoutEvent) == ["Online"]
    assert kinds(run, ExitEvent) == ["stop", "stop"]


def test_a_killed_monitor_has_no_exit_in_the_protocol() -> None:
    run = run_with(Fault("ip", "Open", 1, "monitor-killed"))
    assert kinds(run, NamedEvent) == []
    assert kinds(run, ExitEvent) == ["killed", "stop", "stop"]


def test_a_frozen_monitor_is_killed_by_its_parent() -> None:
    run = run_with(Fault("ip", "Open", 1, "monitor-frozen"))
    assert kinds(run, ExitEvent)[0] == "killed: no answer"


def test_a_cut_connection_ends_the_monitor() -> None:
    run = run_with(Fault("ip", "Open", 1, "pipe-cut"))
    assert kinds(run, ExitEvent)[0] == "manager-gone"


def cut(seed: int, number: int) -> tuple[list[int], bool]:
    """The requests that arrive of so many when the connection is cut, and whether its end does."""
    scheduler = Scheduler(seed)
    came: list[int] = []
    ends: list[int] = []
    connection: Connection[Command] = Connection(
        scheduler,
        random.Random(seed),
        lambda command: came.append(command.request),
        msgspec.json.Decoder(Command).decode,
    )
    for request in range(number):
        connection.send(Command(request, "ip", "Open"))
    connection.cut()
    connection.send(Command(99, "ip", "Open"))
    connection.at_end(lambda: ends.append(len(came)))
    scheduler.run()
    return came, ends == [len(came)]


def test_a_connection_is_cut_in_the_middle_of_a_line() -> None:
    """Whole lines before it arrive, then the end; the half line and what comes later do not."""
    cuts = [cut(seed, 3) for seed in range(40)]
    assert {tuple(came) for came, _ in cuts} == {(), (0,), (0, 1)}
    assert {ended for _, ended in cuts} == {True}
    assert [cut(seed, 0) for seed in range(3)] == [([], True)] * 3


def test_half_a_line_is_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that took it for one would be found by the fault."""

    def feed(_: LineSplitter, chunk: bytes) -> list[bytes]:
        return chunk.splitlines()

    monkeypatch.setattr(LineSplitter, "feed", feed)
    with pytest.raises(msgspec.DecodeError):
        run_with(Fault("ip", "Open", 1, "pipe-cut"))


def test_a_worker_that_begins_after_the_time_of_its_call() -> None:
    run = run_with(Fault("ip", "Online", 1, "late-worker"), minutes=7)
    (called,) = (
        one
        for one in run.events
        if isinstance(one, CallEvent) and (one.res, one.op, one.cid) == ("ip", "Online", 3)
    )
    (late,) = (
        one
        for one in run.events
        if isinstance(one, ReturnEvent) and one.mon == called.mon and one.cid == 3
    )
    assert ((late.ts or 0) - (called.ts or 0), late.rc) == (5 * MINUTE + 1_000, 997)
    assert kinds(run, TimeoutEvent) == ["Online"]
    assert run.complaint is None


def test_a_dump_that_hangs_is_not_waited_for() -> None:
    run = run_with(
        Fault("ip", "IsAlive", 1, "dump-hangs"),
        Fault("ip", "Online", 1, "slow"),
        minutes=14,
    )
    by_name = [(one.ts, one.name) for one in run.events if isinstance(one, NamedEvent)]
    stuck = next(one.ts or 0 for one in run.events if isinstance(one, TimeoutEvent))
    assert by_name[0] == (stuck + 60 * SECOND, "exit")


def test_status_after_terminate_is_refused() -> None:
    run = run_with(
        Fault("ip", "Online", 1, "status-after-terminate"),
        Fault("ip", "IsAlive", 1, "application-dies"),
        minutes=3,
    )
    reports = [one for one in run.events if isinstance(one, StatusEvent) and one.res == "ip"]
    assert [one.state for one in reports if one.rc == 1] == ["success"]
    assert run.complaint is None


def test_status_after_close_is_refused_and_the_plug_ins_fault() -> None:
    run = run_with(Fault("ip", "Close", 1, "status-after-close"))
    (report,) = (one for one in run.events if isinstance(one, StatusEvent) and one.rc == 1)
    assert (report.res, report.state) == ("ip", "success")
    fault = Fault("ip", "Close", 1, "status-after-close")
    wanted = Wanted(CLUSTER, RUN, (fault,), promises_kept=False)
    judged = judge_seed(wanted, spec_for(CLUSTER), 1, case_of(wanted, 1))
    assert judged.verdict == "plug-in"
    assert judged.report is not None
    assert [(one.rule, one.actor) for one in judged.report.findings] == [("D2", "DLL")]


@pytest.mark.parametrize(
    ("kind", "after_us", "dump"),
    [("dump-slow", 60 * SECOND - 1_000, True), ("dump-too-slow", 60 * SECOND, False)],
)
def test_a_dump_is_waited_for_so_long(
    kind: Literal["dump-slow", "dump-too-slow"], after_us: int, *, dump: bool
) -> None:
    run = run_with(Fault("ip", "IsAlive", 1, kind), minutes=14)
    stuck = next(one.ts or 0 for one in run.events if isinstance(one, TimeoutEvent))
    end = next(one for one in run.events if isinstance(one, ExitEvent))
    assert ((end.ts or 0) - stuck, end.why, end.dump) == (after_us, "deadlock", dump)


def test_an_isolated_resource_gets_a_monitor_of_its_own() -> None:
    run = run_with(Fault("ip", "ResourceControl", 1, "hang"), Fault("ip", "Open", 1, "crash"))
    monitors = [one.mon for one in run.events if isinstance(one, CallEvent) and one.res == "ip"]
    assert list(dict.fromkeys(monitors)) == ["shared#1", "ip (own)#1"]


# ---- replay accepts ------------------------------------------------------------------------------
def test_replay_accepts_simulated_runs() -> None:
    wanted = Wanted(CLUSTER, RUN)
    found = search(wanted, range(0, 570, 19), lambda _: None)
    assert (found.runs, found.verdicts) == (30, (("conforms", 30),))


def test_replay_accepts_random_faults_on_two_nodes() -> None:
    options = Options(duration_us=5 * MINUTE, user_every_us=10 * SECOND)
    found = search(Wanted(TWO_NODES, options), range(2001, 2016), lambda _: None)
    assert (found.runs, found.verdicts) == (15, (("conforms", 15),))


def test_replay_accepts_a_host_that_is_asked_for_anything() -> None:
    options = Options(duration_us=2 * MINUTE, wild=True)
    found = search(Wanted(CLUSTER, options), range(0, 570, 38), lambda _: None)
    assert (found.runs, found.verdicts) == (15, (("conforms", 15),))


def test_broken_promises_are_blamed_on_the_plug_in() -> None:
    wanted = Wanted(CLUSTER, RUN, (Fault("ip", "Online", 1, "early-status"),), promises_kept=False)
    judged = judge_seed(wanted, spec_for(CLUSTER), 3, case_of(wanted, 3))
    assert judged.verdict == "plug-in"
    assert judged.report is not None
    assert [(one.rule, one.actor) for one in judged.report.findings] == [("D2", "DLL")]


# ---- violations ----------------------------------------------------------------------------------
def test_the_first_violation_is_made_small() -> None:
    bug = next(one for one in BUGS if one.name == "poll-after-failure")
    found = search(Wanted(CLUSTER, RUN, cores=bug.cores), range(600), lambda _: None)
    assert found.violation is not None
    case = found.violation.shrunk.case
    assert found.violation.judged.rules == ("R5", "P11")
    assert len(case.configuration.resources) == 1
    assert case.options.user_every_us == 0
    assert len(found.violation.judged.run.events) < len(found.violation.found.run.events)
