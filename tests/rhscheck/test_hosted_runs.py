"""Recordings of several host processes are judged process by process, and reported as one."""

from __future__ import annotations

from io import BytesIO

from planted_bugs import BUGS, CLUSTER
from trace_mutants import renumbered

from rhscheck.hosted_runs import HostJudge
from rhscheck.output import finding_text
from rhscheck.simulated_runs import spec_for
from rhscheck.tracer.faults import Fault, FaultPlan
from rhscheck.tracer.recording import header
from rhscheck.tracer.simulator import Cores, Options, simulate
from rhscheck.traces.format import CallEvent, ExitEvent, Loaded, NoteEvent, Trace, load_trace

MINUTE = 60_000_000


def recorded(*faults: Fault, cores: Cores | None = None) -> tuple[Trace, Loaded]:
    options = Options(duration_us=MINUTE, user_every_us=0)
    run = simulate(CLUSTER, 1, FaultPlan(faults), options, cores=cores or Cores())
    trace = Trace(header(CLUSTER, source="sim", identity="", tool=""), run.events)
    return trace, load_trace(BytesIO(trace.encode()))


def judge() -> HostJudge:
    return spec_for(CLUSTER)


def test_a_killed_process_and_its_successor_are_two_runs() -> None:
    trace, loaded = recorded(Fault("ip", "Online", 1, "monitor-killed"))
    opened = [one.mon for one in trace.events if isinstance(one, CallEvent) and one.op == "Open"]
    assert opened == ["shared#1", "shared#1", "flaky#1", "shared#2", "shared#2"]
    report = judge().report(loaded, "t")
    # What the killed process still owed nobody can say.
    assert (report.verdict, report.findings) == ("conforms-so-far", ())
    assert report.events == len(trace.events)


def test_findings_have_the_lines_and_names_of_the_whole_file() -> None:
    bug = next(one for one in BUGS if one.name == "online-without-open")
    trace, loaded = recorded(cores=bug.cores)
    report = judge().report(loaded, "t")
    first = report.findings[0]
    event = trace.events[first.line - 2]
    assert report.verdict == "violated"
    assert dict(report.rules)["R1"] == "violated"
    assert isinstance(event, CallEvent)
    assert (event.op, event.res, event.mon) == ("Online", first.resource, "shared#1")


def test_a_finding_quotes_what_the_recorder_noted_near_its_line() -> None:
    bug = next(one for one in BUGS if one.name == "online-without-open")
    trace, loaded = recorded(cores=bug.cores)
    host_judge = judge()
    first = host_judge.report(loaded, "t").findings[0]
    assert first.told == ()  # that a process started explains nothing
    at = first.line - 2  # of the event in the trace; the header is line 1
    wrong = trace.events[at]

    def note(what: str, res: str | None) -> NoteEvent:
        return NoteEvent(ts=wrong.ts, seq=0, host=wrong.host, mon=wrong.mon, res=res, what=what)

    lines = (
        *trace.events[:at],
        note("the first of three", first.resource),
        note("of another", "nobody"),
        note("adopted process 4711", first.resource),
        note("Online raised\nTraceback …", first.resource),
        wrong,
        note("monitor ended: killed by SIGSEGV at web.py line 7", None),
        *trace.events[at + 1 :],
    )
    told = renumbered([one for one in lines if not isinstance(one, ExitEvent)], ids=True)
    noted = Trace(trace.header, tuple(told))
    finding = host_judge.report(load_trace(BytesIO(noted.encode())), "t").findings[0]
    line = first.line
    assert finding.told == (
        f"line {line + 2}: adopted process 4711",
        f"line {line + 3}: Online raised …",
        f"line {line + 5}: monitor ended: killed by SIGSEGV at web.py line 7",
    )
    assert (
        f"    told:      line {line + 2}: adopted process 4711\n"
        f"               line {line + 3}: Online raised …\n"
    ) in finding_text("t", finding)


def test_a_file_in_which_no_process_hosts_anything() -> None:
    trace, _ = recorded()
    empty = Trace(trace.header, trace.events[:1])
    report = judge().report(load_trace(BytesIO(empty.encode())), "t")
    assert report.verdict in ("empty", "not-observable")
