"""The streaming door: fed line by line it says what the replay of the whole file says."""

import random
from collections.abc import Sequence
from io import BytesIO
from typing import Literal

import msgspec
import pytest
from poll_spec import poll_system
from replay_oracle import Oracle
from trace_mutants import OPERATORS, renumbered

from rhscheck.spec.load import load
from rhscheck.spec.system import System
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import Event, Finish, GapEvent, Header, load_trace
from rhscheck.traces.judge import Judge, Options
from rhscheck.traces.replay import replay
from rhscheck.traces.report import TraceReport
from rhscheck.traces.simulate import simulate
from rhscheck.traces.trace_time import in_microseconds, slackened


def test_feeding_line_by_line_gives_the_verdict_of_the_file() -> None:
    system = poll_system()
    loaded = load_trace(BytesIO(simulate(system, 2, 1, 60).trace.encode()))
    judge = Judge(system, loaded.header, file="t")
    for line in loaded.events:
        judge.feed(line.line, line.event)
    assert judge.finish(loaded.finish) == replay(system, loaded, file="t")


def judged(system: System, engine: Engine, header: Header, events: Sequence[Event]) -> TraceReport:
    judge = Judge(system, header, engine=engine)
    for at in range(0, len(events), 13):
        judge.feed_all(at + 2, events[at : at + 13])
    return judge.finish(Finish("complete", len(events) + 2, len(events), ""))


@pytest.mark.parametrize("name", ["poll", "two_phase"])
def test_batches_are_judged_as_single_lines_are(name: str) -> None:
    system = poll_system() if name == "poll" else load(name).system
    engine = Engine(system, Setting(2))
    for seed in range(3):
        trace = simulate(system, 2, seed, 50).trace
        chance = random.Random(seed)
        for edit in OPERATORS.values():
            edited = edit(list(trace.events), chance.randrange(len(trace.events)), chance)
            if edited is None:
                continue
            events = renumbered(edited, ids=True)
            single = Judge(system, trace.header, engine=engine)
            for line, event in enumerate(events, start=2):
                single.feed(line, event)
            end = Finish("complete", len(events) + 2, len(events), "")
            assert judged(system, engine, trace.header, events) == single.finish(end)


@pytest.mark.parametrize("name", ["poll", "fischer", "two_locks"])
def test_what_is_missing_accuses_nobody(name: str) -> None:
    """A legal run with its beginning, its middle or any lines cut out, or with vague times."""
    system = poll_system() if name == "poll" else load(name).system
    engine = Engine(system, Setting(2))
    for seed in range(3):
        trace = simulate(system, 2, seed, 50).trace
        chance, events = random.Random(seed), list(trace.events)
        begin, end = sorted(chance.sample(range(1, len(events)), 2))
        gap = GapEvent(ts=events[begin].ts, ts_lo=0, ts_hi=0, seq=0, why="ring")
        unknown = msgspec.structs.replace(trace.header, start="unknown")
        lossy = msgspec.structs.replace(trace.header, lossy=True)
        vague = [
            msgspec.structs.replace(one, ts=None, ts_lo=max(one.ts - 3, 0), ts_hi=one.ts + 3)
            for one in events
            if one.ts is not None
        ]
        for header, kept in (
            (unknown, events[begin:]),
            (trace.header, [*events[:begin], gap, *events[end:]]),
            (lossy, [one for one in events if chance.random() > 0.3]),
            (trace.header, vague if len(vague) == len(events) else events),
        ):
            report = judged(system, engine, header, renumbered(kept, ids=True))
            assert [one for one in report.findings if one.verdict == "violated"] == []
            assert report.judged > 0


def test_a_run_that_is_late_by_no_more_than_the_slack_is_legal() -> None:
    system = poll_system()
    late = slackened(in_microseconds(system), 100_000)
    refused = 0
    for seed in range(4):
        trace = simulate(late, 2, seed, 60).trace
        slack = msgspec.structs.replace(trace.header, slack_us=100_000)
        engine = Engine(system, Setting(2, 100_000))
        assert judged(system, engine, slack, trace.events).findings == ()
        strict = judged(system, Engine(system, Setting(2)), trace.header, trace.events)
        refused += bool(strict.findings)
    assert refused > 0


def test_the_replayer_agrees_with_brute_force() -> None:
    """The first wrong line and the rules broken there, on faults planted into the flagship."""
    system = load("rhs").system
    engine, oracle = Engine(system, Setting(2)), Oracle(system, 2)
    trace = simulate(system, 2, 5, 16).trace
    events = renumbered(trace.events)
    chance = random.Random(2)
    wrong = 0
    for name in ("drop one", "duplicate", "wrong result", "wrong resource"):
        edited = OPERATORS[name](list(events), chance.randrange(4, len(events)), chance)
        if edited is None:
            continue
        edited = renumbered(edited)
        found = judged(system, engine, trace.header, edited).findings
        truth = oracle.judge(edited)
        if truth is None:
            assert found == ()
            continue
        wrong += 1
        assert found[0].line == truth.at + 2
        rules = {one.rule for one in found if one.line == truth.at + 2} - {None}
        assert rules == truth.rules
    assert wrong >= 2


@pytest.mark.parametrize("start", ["initial", "unknown"])
def test_events_that_leave_no_line_are_not_missed(start: Literal["initial", "unknown"]) -> None:
    """A log without polls: what only speaks of polls is not observable, the rest is judged."""
    system = poll_system()
    options = Options(unseen=(("call", "Poll"), ("return", "Poll"), ("expiry", "Poll")))
    engine: Engine | None = None
    for seed in range(4):
        trace = simulate(system, 2, seed, 60).trace
        header = msgspec.structs.replace(trace.header, complete=False, start=start)
        seen = [one for one in trace.events if getattr(one, "op", "") != "Poll"]
        judge = Judge(system, header, options, engine=engine)
        judge.feed_all(2, renumbered(seen, ids=True))
        report = judge.finish(Finish("complete", 2, 0, ""))
        engine = judge.engine
        assert [one for one in report.findings if one.verdict == "violated"] == []
        assert report.judged == report.events
        rules = dict(report.rules)
        assert (rules["R1"], rules["D1"]) == ("not-observable", "not-observable")
        assert rules["R2"] == "conforms-so-far"
