"""Lines that are missing, repeated or misplaced without a word in the header accuse nobody."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import msgspec
from planted_bugs import CLUSTER

from rhscheck.simulated_runs import spec_for
from rhscheck.spec.load import load
from rhscheck.tracer.faults import FaultPlan
from rhscheck.tracer.recording import header
from rhscheck.tracer.simulator import Cores, Options, simulate
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import (
    CallEvent,
    Clock,
    Ending,
    Event,
    Finish,
    Header,
    NoteEvent,
    ReturnEvent,
    Trace,
    load_trace,
)
from rhscheck.traces.judge import Judge
from rhscheck.traces.numbering import Misfit, Numbering
from rhscheck.traces.report import TraceReport

SYSTEM = load("rhs").system
ENGINE = Engine(SYSTEM, Setting())
SECOND = 1_000_000
HEADER = Header(spec="rhs", clock={"A": Clock(epoch="start")}, complete=True, start="initial")


def call(second: int, op: str, seq: int, host: str = "A") -> CallEvent:
    return CallEvent(ts=second * SECOND, seq=seq, host=host, res="Disk", op=op)


def answer(second: int, op: str, seq: int, host: str = "A") -> ReturnEvent:
    return ReturnEvent(ts=second * SECOND, seq=seq, host=host, res="Disk", op=op, rc=0)


# Legal: opened, online, polled twice.
RUN: tuple[CallEvent | ReturnEvent, ...] = (
    *(call(0, "Open", 1), answer(1, "Open", 2), call(2, "Online", 3), answer(3, "Online", 4)),
    *(call(8, "LooksAlive", 5), answer(8, "LooksAlive", 6)),
    *(call(13, "LooksAlive", 7), answer(13, "LooksAlive", 8)),
)


def judged(
    events: Sequence[Event], head: Header = HEADER, claimed: int | None = None
) -> TraceReport:
    judge = Judge(SYSTEM, head, engine=ENGINE)
    judge.feed_all(2, events)
    ending: Ending = "complete" if claimed is None else "mismatch"
    return judge.finish(Finish(ending, len(events) + 2, len(events), "", claimed))


def accused(report: TraceReport) -> list[tuple[int, str | None]]:
    return [(one.line, one.rule) for one in report.findings if one.verdict == "violated"]


def test_the_whole_run_is_legal() -> None:
    report = judged(RUN)
    assert (report.findings, report.verdict) == ((), "conforms-so-far")
    assert dict(report.rules)["R1"] == "conforms"


def test_lines_that_were_left_out_accuse_nobody() -> None:
    for begin in range(len(RUN)):
        for end in range(begin + 1, len(RUN)):
            report = judged(RUN[:begin] + RUN[end:])
            assert accused(report) == []
            assert dict(report.rules)["R1"] != "conforms"


def test_a_line_that_only_a_timeline_shows_has_its_number_too() -> None:
    note = NoteEvent(ts=4 * SECOND, seq=5, host="A", what="a thing")
    later = [msgspec.structs.replace(one, seq=one.seq + 1) for one in RUN[4:]]
    assert dict(judged((*RUN[:4], note, *later)).rules)["R1"] == "conforms"


def test_lines_that_were_repeated_accuse_nobody() -> None:
    for begin in range(len(RUN)):
        for end in range(begin + 1, len(RUN) + 1):
            assert accused(judged((*RUN[:end], *RUN[begin:]))) == []


def test_what_is_wrong_after_missing_lines_is_still_found() -> None:
    wrong = call(14, "Open", 9)
    assert accused(judged((*RUN[:4], *RUN[6:], wrong))) == [(8, None)]


def test_without_numbers_an_end_line_that_counts_more_lines_takes_the_proof_away() -> None:
    alike = [msgspec.structs.replace(one, seq=0) for one in RUN]
    short = (*alike[:2], *alike[4:])
    assert accused(judged(short)) == [(4, "R5")]
    report = judged(short, claimed=8)
    assert [one.verdict for one in report.findings] == ["inconclusive"]
    assert report.verdict == "inconclusive"
    # Who numbers the lines says that none is missing where it matters.
    assert accused(judged((*RUN[:2], call(2, "LooksAlive", 3)), claimed=8)) == [(4, "R5")]


def test_one_count_for_all_hosts_is_as_good_as_one_for_each() -> None:
    numbering = Numbering(begins=True)
    counted = [("A", 1), ("B", 2), ("B", 3), ("A", 4), ("A", 5), ("B", 6)]
    assert [numbering.take(call(0, "Open", seq, host)) for host, seq in counted] == [None] * 6
    assert numbering.take(call(0, "Open", 8, "A")) == Misfit(
        "ahead", "event 8 of A follows event 5"
    )


def test_a_host_whose_first_lines_are_missing_is_noticed_only_where_the_run_should_begin() -> None:
    late = call(0, "Open", 7, "B")
    assert Numbering(begins=True).take(late) == Misfit("ahead", "the lines of B begin with event 7")
    assert Numbering(begins=False).take(late) is None


def test_after_a_clock_was_set_back_nobody_is_late() -> None:
    """Until then resources were followed to the time that the clock had shown before."""
    head = msgspec.structs.replace(HEADER, clock={"A": Clock(epoch="unix")})
    events = [*RUN, call(9, "LooksAlive", 9), answer(9, "LooksAlive", 10)]
    assert accused(judged(events, head)) == []


def test_lines_missing_from_the_recording_of_several_processes_accuse_nobody() -> None:
    run = simulate(CLUSTER, 1, FaultPlan(()), Options(duration_us=60 * SECOND), cores=Cores())
    trace = Trace(header(CLUSTER, source="sim", identity="", tool=""), run.events)
    judge = spec_for(CLUSTER)
    lines = trace.encode().splitlines(keepends=True)
    for cut in ((1, 20), (20, 40), (41, 42)):
        short = b"".join(lines[: cut[0]] + lines[cut[1] :])
        assert accused(judge.report(load_trace(BytesIO(short)), "t")) == []
        twice = b"".join(lines[: cut[1]] + lines[cut[0] :])
        assert accused(judge.report(load_trace(BytesIO(twice)), "t")) == []


def test_lines_missing_everywhere_among_many_resources() -> None:
    """Whoever has no line between two such places looks once: the time does not multiply."""
    head = msgspec.structs.replace(HEADER, start="unknown")
    opened = [
        CallEvent(ts=at * 1000, seq=2 * at, host="A", res=f"r{at % 200}", op="Open")
        for at in range(1000)
    ]
    report = judged(opened, head)
    assert accused(report) == []
    assert (report.events, report.judged) == (1000, 1000)
