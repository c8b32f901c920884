"""Replay: legal runs conform, edited ones are refused exactly when the semantics refuses them."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from io import BytesIO

import msgspec
import pytest
from poll_spec import POLL, poll_system
from trace_mutants import renumbered

from rhscheck.spec.expr import ClockCmp, walk
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.load import load
from rhscheck.spec.semantics import (
    State,
    delay_bound,
    elapse,
    enabled,
    fire,
    initial_states,
)
from rhscheck.spec.system import System
from rhscheck.traces.format import (
    CallEvent,
    Clock,
    Event,
    GapEvent,
    Header,
    NamedEvent,
    NoteEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
    Trace,
    load_trace,
)
from rhscheck.traces.replay import ReplayError, replay
from rhscheck.traces.report import TraceReport
from rhscheck.traces.simulate import simulate

SYSTEM = poll_system()
BARE = poll_system(POLL[: POLL.index("rules Worker")] + POLL[POLL.index("trace {") :])
HEADER = Header(
    src="test",
    spec="poll",
    clock={"": Clock(epoch="start")},
    complete=True,
    start="initial",
    n=2,
)
SECOND = 1_000_000


def judge(events: Sequence[Event], system: System = SYSTEM, header: Header = HEADER) -> TraceReport:
    return judge_bytes(Trace(header, tuple(events)).encode(), system)


def judge_bytes(data: bytes, system: System = SYSTEM) -> TraceReport:
    return replay(system, load_trace(BytesIO(data)), file="t.jsonl")


def call(ts: int, seq: int, op: str, res: str = "Worker[1]") -> CallEvent:
    return CallEvent(ts=ts, seq=seq, res=res, op=op)


def answer(ts: int, seq: int, op: str, rc: int, res: str = "Worker[1]") -> ReturnEvent:
    return ReturnEvent(ts=ts, seq=seq, res=res, op=op, rc=rc)


# A worker starts, is polled once after five seconds, and answers.
GOOD: tuple[Event, ...] = (
    call(0, 1, "Start"),
    answer(SECOND, 2, "Start", 997),
    StatusEvent(ts=2 * SECOND, seq=3, res="Worker[1]", op="Report", state="success"),
    call(7 * SECOND, 4, "Poll"),
    answer(8 * SECOND, 5, "Poll", 0),
)


# ---- verdicts ----------------------------------------------------------------------------------
def test_a_legal_run_conforms_rule_by_rule() -> None:
    report = judge(GOOD)
    assert report.verdict == "conforms"
    assert report.rules == (
        ("R1", "conforms"),
        ("R2", "conforms"),
        ("L1", "conforms-so-far"),
        ("C1", "not-observable"),
        ("D1", "conforms"),
    )
    assert (report.events, report.judged, report.findings) == (5, 5, ())


def test_an_open_obligation_conforms_so_far() -> None:
    report = judge(GOOD[:1])
    assert report.verdict == "conforms-so-far"
    assert dict(report.rules)["R2"] == "conforms-so-far"
    assert dict(report.rules)["R1"] == "conforms"


def test_without_an_end_line_nothing_conforms_for_good() -> None:
    report = judge_bytes(b"".join(Trace(HEADER, GOOD).encode().splitlines(keepends=True)[:-1]))
    assert report.verdict == "conforms-so-far"
    assert dict(report.rules)["R1"] == "conforms-so-far"
    assert report.notes == ("the trace is not known to be whole: there is no end line",)


def test_an_empty_trace_is_never_green() -> None:
    report = judge(())
    assert report.verdict == "empty"
    assert set(dict(report.rules).values()) == {"not-observable"}


def test_a_trace_of_notes_only_is_not_observable() -> None:
    report = judge((NoteEvent(ts=0, seq=1, what="operator logged in"),))
    assert report.verdict == "not-observable"
    assert report.ignored == (("note", 1),)


def test_a_rule_is_violated_where_the_spec_does_not_allow_the_event() -> None:
    report = judge((call(0, 1, "Poll"),))
    assert report.verdict == "violated"
    assert dict(report.rules) == {
        "R1": "violated",
        "R2": "inconclusive",
        "L1": "inconclusive",
        "C1": "not-observable",
        "D1": "inconclusive",
    }
    assert len(report.findings) == 1
    finding = report.findings[0]
    assert (finding.rule, finding.verdict, finding.actor) == ("R1", "violated", "RHS")
    assert finding.sentence == "a worker is polled only while it runs"
    assert (finding.line, finding.resource, finding.time_us) == (2, "Worker[1]", 0)
    assert finding.event == "call Poll"
    assert finding.possible == ("Process in Up; Worker[1] in Idle",)
    assert finding.unmet == (
        "Worker.state[1] = Running (is Idle); Worker.due.Poll@Running[1] (is false)",
    )
    assert report.notes == (
        "after something that the spec does not allow the run may be in any state: what is found "
        "later is refused by every one",
    )


def test_an_event_that_breaks_no_rule_is_a_finding_without_rule() -> None:
    report = judge((call(0, 1, "Start"), call(0, 2, "Start")))
    assert report.verdict == "violated"
    assert [finding.rule for finding in report.findings] == [None]
    assert report.findings[0].actor == "RCM"
    assert report.findings[0].line == 3
    assert report.findings[0].unmet == (
        "Worker.state[1] = Idle (is Starting.Calling); Worker.call.Start[1] = idle (is running)",
    )


def test_a_broken_assumption_blames_its_actor_and_judging_goes_on() -> None:
    events = (*GOOD[:4], answer(8 * SECOND, 5, "Poll", 5), NamedEvent(
        ts=9 * SECOND, seq=6, res="Worker[1]", name="clean", actor="RCM"
    ))  # fmt: skip
    report = judge(events)
    assert report.verdict == "violated"
    assert dict(report.rules)["D1"] == "violated"
    assert dict(report.rules)["R1"] == "conforms"
    assert report.judged == 6
    assert [(f.rule, f.actor, f.line) for f in report.findings] == [("D1", "DLL", 6)]


def test_a_missed_deadline_blames_its_owner() -> None:
    report = judge((call(0, 1, "Start"), answer(10 * SECOND + 1, 2, "Start", 0)), BARE)
    assert report.verdict == "violated"
    finding = report.findings[0]
    assert (finding.rule, finding.actor, finding.line) == (None, "RHS", 3)
    assert finding.unmet == (
        "timeout Start of Worker[1] was due at 00:00:10.000, and nothing happened",
    )
    assert finding.repair == (
        "insert at 00:00:10.000, 1us before line 3: Worker[1]: timeout Start",
    )


def test_a_missed_deadline_breaks_the_rule_that_bounds_the_answer() -> None:
    report = judge((call(0, 1, "Start"), answer(10 * SECOND + 1, 2, "Start", 0)))
    assert [(f.rule, f.actor) for f in report.findings] == [("R2", "RHS")]


def test_a_time_out_that_comes_too_early_blames_the_owner_of_the_deadline() -> None:
    early = TimeoutEvent(ts=9 * SECOND, seq=2, res="Worker[1]", op="Start", cid=1)
    finding = judge((call(0, 1, "Start"), early)).findings[0]
    assert (finding.rule, finding.actor) == (None, "RHS")
    assert finding.unmet[0] == "Worker.call.Start.clock[1] >= 10s (is 9s)"


def test_a_recording_by_wall_clock_begins_with_its_first_event() -> None:
    hours = 3600 * SECOND
    events = [msgspec.structs.replace(event, ts=(event.ts or 0) + hours) for event in GOOD]
    assert judge(events, header=replace_header(clock={})).verdict == "conforms"


def test_a_recording_by_wall_clock_does_not_say_when_clocks_began() -> None:
    text = """
spec ticking "a clock runs from the start"
actors { host H }
shared machine M {
  initial state A { after 3s by H: go -> B }
  state B
}
"""
    header = replace_header(spec="ticking", clock={})
    go = NamedEvent(ts=9 * SECOND, seq=1, res="M", name="go")
    report = judge((go,), poll_system(text), header)
    assert report.verdict == "not-observable"  # the spec has no rule
    assert report.judged == 1
    assert report.notes[0] == (
        "the recording does not say when the run began, and clocks run from its start"
    )


def test_a_rule_that_the_spec_expects_to_fail_is_not_held_against_a_run() -> None:
    text = POLL + '\nrules Worker {\n  rule F "false": never inflight(Poll)\n}\n'
    assert judge(GOOD, poll_system(text)).verdict == "violated"
    report = judge(GOOD, poll_system(text + "expect F: violated\n"))
    assert report.verdict == "conforms"
    assert dict(report.rules)["F"] == "not-observable"
    assert report.notes == ("not judged, because the spec expects them to be violated: F",)


def test_a_run_on_which_no_rule_is_judged_is_not_observable() -> None:
    text = """
spec idle "nothing is promised"
actors { host H }
shared machine M {
  initial state A { by H: go -> A }
}
rule R "never in A": never in M.A
expect R: violated
"""
    header = replace_header(spec="idle")
    go = tuple(NamedEvent(ts=0, seq=number, res="M", name="go") for number in (1, 2))
    report = judge(go, poll_system(text), header)
    assert report.verdict == "not-observable"
    assert report.judged == 2
    assert report.as_json()["verdict"] == "not-observable"
    assert report.notes[-1] == "no rule could be judged"


def test_a_long_wait_is_told_in_seconds() -> None:
    late = (call(0, 1, "Start"), answer(110 * SECOND + 500, 2, "Start", 0))
    assert judge(late).findings[0].repair[0] == (
        "insert at 00:00:10.000, 100.0005s before line 3: Worker[1]: timeout Start"
    )


def test_a_hint_names_an_instance_as_the_trace_does() -> None:
    header = replace_header(resources={"IP Address": "Worker[1]"})
    report = judge((call(0, 1, "Start", "IP Adress"),), header=header)
    assert report.findings[0].unmet == (
        "the spec has no instance that is called IP Adress; "
        "did you mean `IP Address` or `Process`?",
    )
    assert report.findings[0].possible == ()


def test_a_header_that_names_an_instance_too_many_is_told_so() -> None:
    # As where the headers of two recordings were put together.
    header = replace_header(resources={"IP Address": "Worker[3]"})
    report = judge((call(0, 1, "Start", "IP Address"),), header=header)
    assert report.findings[0].unmet == (
        "the spec has no instance that is called Worker[3], as the header says of IP Address",
    )


def test_at_the_bound_the_answer_still_wins() -> None:
    assert judge((call(0, 1, "Start"), answer(10 * SECOND, 2, "Start", 0))).verdict == "conforms"


def test_a_hidden_step_is_taken_when_it_is_due() -> None:
    late = (*GOOD[:3], call(7 * SECOND + 1, 4, "Poll"))
    early = (*GOOD[:3], call(7 * SECOND - 1, 4, "Poll"))
    assert judge(GOOD[:4]).verdict == "conforms"
    assert judge(late).findings[0].unmet == (
        "call Poll of Worker[1] was due at 00:00:07.000, and nothing happened",
    )
    assert judge(early).findings[0].unmet == ("Worker.due.Poll@Running[1] (is false)",)


# ---- reading events ----------------------------------------------------------------------------
def test_other_codes_mean_the_result_that_is_declared_so() -> None:
    clean = NamedEvent(ts=2, seq=3, res="Worker[1]", name="clean")
    for code in (1, 2, 87, -5, 998):
        start = (call(0, 1, "Start"), answer(1, 2, "Start", code))
        assert judge(start).verdict == "conforms-so-far"  # the failed worker is to be cleaned
        assert judge((*start, clean)).verdict == "conforms"
    start = (call(0, 1, "Start"), answer(1, 2, "Start", 0))
    assert judge((*start, clean)).verdict == "violated"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (call(0, 1, "Fly"), "the spec has no such event of Worker[1]; there is `Poll`, `Start`"),
        (call(0, 1, "Stat"), "the spec has no such event of Worker[1]; did you mean `Start`?"),
        (
            NamedEvent(ts=0, seq=1, res="Process", name="crsh"),
            "the spec has no such event of Process; did you mean `crash`?",
        ),
        (
            call(0, 1, "Start", "Worker[3]"),
            "the spec has no instance that is called Worker[3]; "
            "did you mean `Worker[2]` or `Worker[1]`?",
        ),
        (
            call(0, 1, "Start", "Process"),
            "the spec has no such event of Process",
        ),
        (
            StatusEvent(ts=0, seq=1, res="Worker[1]", op="Report", state="bored"),
            "the spec has this event, but not with this result or argument; "
            "there is `pending`, `success`",
        ),
        (
            NamedEvent(ts=0, seq=1, res="Process", name="crash", actor="DLL"),
            "DLL does not cause this event",
        ),
    ],
)  # fmt: skip
def test_what_the_spec_has_no_word_for_is_refused(event: Event, reason: str) -> None:
    report = judge((event,))
    assert report.verdict == "violated"
    assert report.findings[0].unmet == (reason,)


def test_a_call_id_must_be_that_of_the_call() -> None:
    events = (
        CallEvent(ts=0, seq=1, res="Worker[1]", op="Start", cid=1),
        CallEvent(ts=0, seq=2, res="Worker[2]", op="Start", cid=2),
        ReturnEvent(ts=1, seq=3, res="Worker[1]", op="Start", cid=2, rc=0),
    )
    assert judge(events[:2]).verdict == "conforms-so-far"
    assert judge(events).findings[0].unmet == (
        "call id 2 is not that of Start, which was called with id 1",
    )


def test_resources_may_have_their_own_names() -> None:
    header = replace_header(n=msgspec.UNSET, resources={"IP Address": "Worker[2]"})
    renamed = [msgspec.structs.replace(event, res="IP Address") for event in GOOD]
    assert judge(renamed, header=header).verdict == "conforms"
    report = judge((*renamed, call(9 * SECOND, 6, "Start", "IP Address")), header=header)
    assert report.findings[0].resource == "IP Address"
    assert report.findings[0].possible == ("Process in Up; Worker[2] in Running",)


def test_names_that_nobody_explains_are_as_many_resources_as_the_header_says() -> None:
    told = (call(0, 1, "Start", "Disk"), call(0, 2, "Start", "IP"), call(0, 3, "Start", "Name"))
    header = replace_header(n=2)
    assert judge(told[:2], header=header).verdict == "conforms-so-far"
    (finding,) = judge(told, header=header).findings
    assert (finding.line, finding.unmet) == (4, ("there is no Worker besides Disk, IP: n is 2",))
    (finding,) = judge(told[:1], header=replace_header(n=2, resources={"IP": "Worker[2]"})).findings
    assert finding.unmet == (
        "the spec has no instance that is called Disk; there is `IP`, `Process`, `Worker[1]`, "
        "`Worker[2]`",
    )


def test_without_a_number_of_instances_the_highest_is_taken() -> None:
    header = replace_header(n=msgspec.UNSET)
    assert judge((call(0, 1, "Start", "Worker[7]"),), header=header).verdict == "conforms-so-far"


# ---- what cannot be judged -----------------------------------------------------------------------
def replace_header(**changes: object) -> Header:
    return msgspec.structs.replace(HEADER, **changes)


@pytest.mark.parametrize(
    ("header", "note"),
    [
        (
            replace_header(start="unknown"),
            "the recording does not begin with the run: it may begin in any state",
        ),
        (
            replace_header(lossy=True),
            "the recording may lack events: nothing is held against their absence",
        ),
        (
            replace_header(complete=False),
            "the recording may lack events: nothing is held against their absence",
        ),
    ],
)
def test_a_header_that_promises_less_leaves_more_possible(header: Header, note: str) -> None:
    report = judge((call(0, 1, "Poll"),), header=header)
    assert report.verdict == "conforms-so-far"
    assert report.notes == (note,)
    assert (report.judged, report.findings) == (1, ())
    assert "conforms" not in dict(report.rules).values()


def test_a_time_out_of_the_header_that_is_not_the_specs_leaves_it_undecided() -> None:
    for limits in ({"CallTimeout": 5000}, {"call": 5000}, {"unheard": 1}):
        report = judge(GOOD, header=replace_header(timeouts_ms=limits))
        ((name, millis),) = limits.items()
        assert report.verdict == "inconclusive"
        assert report.judged == 0
        assert report.notes == (f"the header's time-out {name} = {millis} ms is not the spec's",)
    assert judge(GOOD, header=replace_header(timeouts_ms={"call": 10_000})).verdict == "conforms"


def test_slack_widens_upper_bounds_and_urgency_but_no_lower_bounds() -> None:
    header = replace_header(slack_us=100)
    late = (*GOOD[:3], call(7 * SECOND + 200, 4, "Poll"))  # due and then called, each 100 us late
    assert judge(late, header=header).verdict == "conforms-so-far"
    later = (*GOOD[:3], call(7 * SECOND + 201, 4, "Poll"))
    assert [f.actor for f in judge(later, header=header).findings] == ["RHS"]
    early = (*GOOD[:3], call(7 * SECOND - 1, 4, "Poll"))
    assert judge(early, header=header).verdict == "violated"
    answered = (call(0, 1, "Start"), answer(10 * SECOND + 100, 2, "Start", 0))
    assert judge(answered, header=header).findings == ()
    too_late = (call(0, 1, "Start"), answer(10 * SECOND + 101, 2, "Start", 0))
    assert [f.rule for f in judge(too_late, header=header).findings] == ["R2"]


def test_a_header_for_another_text_of_the_spec_is_reported() -> None:
    header = replace_header(
        spec="poll.sm", spec_sha256="0" * 64, params={"CallTimeout": 300 * SECOND, "Unknown": 1}
    )
    assert judge(GOOD, header=header).notes == (
        "the trace was made for another text of the spec (SHA-256 differs)",
        "the trace was made with CallTimeout = 5m, the spec has 10s",
    )


def test_a_trace_of_another_spec_is_not_judged() -> None:
    header = replace_header(spec="other.sm", start="unknown")
    for events in (GOOD, (call(0, 1, "Poll"),)):
        report = judge(events, header=header)
        assert report.verdict == "inconclusive"
        assert (report.judged, report.findings) == (0, ())
        assert report.notes == ("the header names another spec: other, not poll",)


def test_after_a_gap_the_run_may_be_anywhere() -> None:
    gap = GapEvent(ts=0, seq=1, why="ring")
    report = judge((gap, call(0, 2, "Poll")))
    assert report.verdict == "conforms-so-far"
    assert report.findings == ()
    assert report.notes == (
        "events are missing at line 2 (ring): what follows is judged from every possible state",
    )
    # A running worker is not started: no state there is allows this.
    again = (gap, call(0, 2, "Poll"), call(0, 3, "Start"))
    assert [f.line for f in judge(again).findings] == [4]


def test_a_gap_in_the_middle_excuses_what_it_may_have_swallowed_only() -> None:
    gap = GapEvent(ts=3 * SECOND, seq=9, why="ring")
    assert judge((*GOOD[:1], gap, *GOOD[3:])).findings == ()
    assert judge(renumbered((*GOOD[:1], *GOOD[3:]))).verdict == "violated"
    assert judge((*GOOD[:1], *GOOD[3:])).verdict == "conforms-so-far"  # the numbers say so, too
    late = (gap, call(4 * SECOND, 10, "Start"), answer(15 * SECOND, 11, "Start", 0))
    assert [(f.rule, f.actor) for f in judge(late).findings] == [("R2", "RHS")]


def test_after_an_unreadable_line_the_run_may_be_anywhere() -> None:
    lines = Trace(HEADER, GOOD).encode().splitlines(keepends=True)
    lines[2] = b'{"ts":1}\n'
    report = judge_bytes(b"".join(lines[:-1]))
    assert report.verdict == "conforms-so-far"
    assert report.judged == 4
    assert [(one.line, one.column) for one in report.problems] == [(3, 1)]
    assert report.notes[0] == (
        "line 3 cannot be read: what follows is judged from every possible state"
    )


def test_a_cut_last_line_leaves_the_rest_judged() -> None:
    report = judge_bytes(Trace(HEADER, GOOD).encode()[:-200])
    assert report.verdict == "conforms-so-far"
    assert report.notes == ("the trace is not known to be whole: the last line is cut off",)


def test_a_changed_file_is_not_trusted() -> None:
    report = judge_bytes(Trace(HEADER, GOOD).encode().replace(b'"rc":997', b'"rc": 997'))
    assert report.verdict == "inconclusive"


def test_events_of_an_unknown_kind_may_matter() -> None:
    lines = Trace(HEADER, GOOD).encode().splitlines(keepends=True)
    lines[3:3] = [b'{"ts":1500000,"seq":2,"ev":"telepathy"}\n']
    assert judge_bytes(b"".join(lines)).verdict == "inconclusive"


def test_a_time_known_between_bounds_is_held_against_nobody() -> None:
    bounded = [
        msgspec.structs.replace(event, ts=None, ts_lo=event.ts, ts_hi=(event.ts or 0) + 5)
        for event in GOOD
    ]
    assert judge(bounded).verdict == "conforms-so-far"
    # The poll is due 5 s after the report; each may be up to 5 us later than its `ts_lo`.
    for early, findings in ((5, 0), (6, 1)):
        moment = 7 * SECOND - early
        poll = CallEvent(ts_lo=moment, ts_hi=moment + 5, seq=4, res="Worker[1]", op="Poll")
        assert len(judge((*bounded[:3], poll)).findings) == findings
    for late, findings in ((5, 0), (6, 1)):
        moment = 7 * SECOND + late
        poll = CallEvent(ts_lo=moment, ts_hi=moment + 5, seq=4, res="Worker[1]", op="Poll")
        assert len(judge((*bounded[:3], poll)).findings) == findings
    report = judge((CallEvent(ts_lo=0, ts_hi=5, seq=1, res="Worker[1]", op="Poll"),))
    assert [f.rule for f in report.findings] == ["R1"]


def test_time_does_not_run_back() -> None:
    report = judge((call(5, 1, "Start"), answer(4, 2, "Start", 0)))
    assert report.verdict == "violated"
    assert report.findings[0].unmet == (
        "the clock goes back, from 00:00:00.000005 to 00:00:00.000004",
    )


def test_clocks_of_several_hosts_are_not_compared() -> None:
    """Nothing follows from the order in which two that have nothing to do with each other act."""
    header = replace_header(clock={"A": Clock(epoch="start"), "B": Clock(epoch="start")})
    events = (
        CallEvent(ts=5, seq=1, host="A", res="Worker[1]", op="Start"),
        CallEvent(ts=4, seq=1, host="B", res="Worker[2]", op="Start"),
    )
    report = judge(events, header=header)
    assert report.verdict == "conforms-so-far"
    assert report.notes == ()


def test_nobody_is_late_by_the_clock_of_another_host() -> None:
    """A line of `A`, 20 s late by its own clock, stands before what `B` did within its 10 s."""
    header = replace_header(clock={"A": Clock(epoch="start"), "B": Clock(epoch="start")})
    events = (
        CallEvent(ts=5, seq=1, host="B", res="Worker[2]", op="Start"),
        CallEvent(ts=20 * SECOND, seq=1, host="A", res="Worker[1]", op="Start"),
        ReturnEvent(ts=9 * SECOND, seq=2, host="B", res="Worker[2]", op="Start", rc=0),
    )
    assert judge(events, header=header).findings == ()


def test_a_call_on_another_host_was_no_later_than_its_clock_says() -> None:
    """A call at 5 s that is read after a line of 8 s may time out at 15 s."""
    header = replace_header(clock={"A": Clock(epoch="start"), "B": Clock(epoch="start")})
    events = (
        CallEvent(ts=8 * SECOND, seq=1, host="A", res="Worker[1]", op="Start"),
        CallEvent(ts=5 * SECOND, seq=1, host="B", res="Worker[2]", op="Start"),
        TimeoutEvent(ts=15 * SECOND, seq=2, host="B", res="Worker[2]", op="Start", cid=0),
    )
    assert judge(events, header=header).findings == ()


def test_doubtful_order_is_not_conformance() -> None:
    events = tuple(msgspec.structs.replace(event, seq=1) for event in GOOD)
    report = judge(events)
    assert report.verdict == "inconclusive"
    assert report.notes[0] == (
        "line 3: event 1 of the host comes after event 1, so the order of events is doubtful"
    )


def test_a_header_is_needed() -> None:
    report = judge_bytes(b"".join(Trace(HEADER, GOOD).encode().splitlines(keepends=True)[1:]))
    assert report.verdict == "inconclusive"


def test_no_instances_are_refused() -> None:
    loaded = load_trace(BytesIO(Trace(HEADER, GOOD).encode()))
    with pytest.raises(ReplayError, match="there is no System of 0 instances"):
        replay(SYSTEM, loaded, file="t", n=0)


def test_an_unseen_step_may_have_started_a_clock_any_time() -> None:
    # The hidden `begin` may come at any time in the first 5 s and starts the clock of `end`.
    text = """
spec unseen "a hidden start"
actors { host H }
shared machine M {
  initial state A { within 5s by H: begin -> B }
  state B { after 3s by H: finish -> C }
  state C
}
trace { hide event begin }
"""
    system = poll_system(text)
    header = replace_header(spec="unseen")
    for moment, findings in ((2, 1), (3, 0), (4, 0), (900, 0)):
        finish = NamedEvent(ts=moment * SECOND, seq=1, res="M", name="finish")
        report = judge((finish,), system, header)
        assert len(report.findings) == findings
        assert report.verdict == ("violated" if findings else "not-observable")


def test_a_suspicion_that_only_some_states_share_is_inconclusive() -> None:
    text = """
spec doubt "which way it went is not seen"
actors { host H }
shared machine M {
  initial state A { by H: go -> B | C }
  state B { by H: back -> A }
  state C { by H: back -> A }
}
rule R "never in B": never in M.B
"""
    system = poll_system(text)
    header = replace_header(spec="doubt")
    report = judge((NamedEvent(ts=0, seq=1, res="M", name="go"),), system, header)
    assert report.verdict == "inconclusive"
    assert dict(report.rules) == {"R": "inconclusive"}
    assert [(f.rule, f.verdict, f.possible) for f in report.findings] == [
        ("R", "inconclusive", ("M in B", "M in C"))
    ]


def test_the_report_is_the_documented_json() -> None:
    plain = judge((call(0, 1, "Poll"),)).as_json()
    assert list(plain) == [
        *("file", "events", "judged", "ignored", "verdict", "rules", "findings", "problems"),
        *("notes", "resources"),
    ]
    findings = plain["findings"]
    assert isinstance(findings, list)
    assert list(findings[0]) == [
        *("rule", "verdict", "sentence", "actor", "candidates", "line", "resource", "time_us"),
        *("event", "possible", "unmet", "repair", "edits", "repeats", "again", "told"),
    ]


def test_a_missing_event_is_offered_as_repair() -> None:
    events = (call(0, 1, "Start"), NamedEvent(ts=1, seq=2, res="Worker[1]", name="clean"))
    assert judge(events, BARE).findings[0].repair == (
        "insert before line 3: Worker[1]: return Start(failure)",
    )


def test_another_argument_is_offered_as_repair() -> None:
    events = (*GOOD[:2], msgspec.structs.replace(GOOD[2], state="bored"))
    assert judge(events).findings[0].repair == (
        "line 4: Report(pending) instead",
        "line 4: Report(success) instead",
        "drop line 4",
    )


# ---- simulated runs conform --------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(8))
def test_every_simulated_run_conforms(seed: int) -> None:
    report = judge_bytes(simulate(SYSTEM, 2, seed, 100).trace.encode())
    assert report.verdict in ("conforms", "conforms-so-far")
    assert report.findings == ()
    assert report.judged == report.events


@pytest.mark.parametrize("name", ["fischer", "two_phase", "two_locks"])
def test_simulated_runs_of_shipped_specs_conform(name: str) -> None:
    system = load(name).system
    report = judge_bytes(simulate(system, 2, 3, 60).trace.encode(), system)
    assert report.verdict in ("conforms", "conforms-so-far")


def test_a_simulated_run_of_the_flagship_conforms() -> None:
    system = load("rhs").system
    report = judge_bytes(simulate(system, 2, 1, 120).trace.encode(), system)
    assert report.verdict in ("conforms", "conforms-so-far")
    assert report.judged > 100


# ---- edited runs are refused exactly when the semantics refuses them ---------------------------
class Walk:
    """The oracle: a plain search through spec.semantics, with its own reading of events."""

    def __init__(self, system: System, n: int) -> None:
        self.ground: Ground = ground(system, n)
        guards = [step.guard for step in self.ground.transitions]
        self.constants = sorted(
            {node.bound for guard in guards for node in walk(guard) if isinstance(node, ClockCmp)}
        )

    def later(self, state: State, left: Fraction) -> list[State]:
        """The states `left` units on, with `due` steps wherever they are possible."""
        found = []
        for position in enabled(self.ground, state):
            if self.ground.transitions[position].label.kind == "due":
                found += self.later(fire(self.ground, state, position), left)
        if left == 0:
            return [*found, state]
        stops = {constant - time for constant in self.constants for time in state.clocks}
        stop = min([Fraction(one) for one in stops if 0 < one < left] + [left])
        if delay_bound(self.ground, state).allows(stop):
            found += self.later(elapse(self.ground, state, stop), left - stop)
        return list(dict.fromkeys(found))

    def means(self, event: Event, position: int) -> bool:
        label = self.ground.transitions[position].label
        here = label.machine if label.index is None else f"{label.machine}[{label.index}]"
        if event.res != here:
            return False
        match event:
            case CallEvent():
                return (label.kind, label.name) == ("call", event.op)
            case ReturnEvent():
                known = {0: "success", 997: "pending"}.get(event.rc, "failure")
                return (label.kind, label.name, label.value) == ("return", event.op, known)
            case StatusEvent():
                return (label.kind, label.name, label.value) == ("callback", event.op, event.state)
            case TimeoutEvent():
                return label.kind in ("expiry", "timer") and label.name == event.op
            case NamedEvent():
                actor = self.ground.transitions[position].actor
                return (label.kind, label.name) == ("event", event.name) and actor == event.actor
            case _:
                raise AssertionError(event)

    def accepts(self, events: Sequence[Event]) -> bool:
        states = list(initial_states(self.ground))
        now = 0
        for event in events:
            assert event.ts is not None
            if event.ts < now:
                return False
            delay = Fraction(event.ts - now, self.ground.system.unit_us)
            now = event.ts
            waited = [after for state in states for after in self.later(state, delay)]
            states = list(
                dict.fromkeys(
                    fire(self.ground, state, position)
                    for state in waited
                    for position in enabled(self.ground, state)
                    if self.means(event, position)
                )
            )
        return bool(states)


Edit = Callable[[list[Event], int], list[Event]]


def drop(events: list[Event], at: int) -> list[Event]:
    return events[:at] + events[at + 1 :]


def double(events: list[Event], at: int) -> list[Event]:
    return [*events[: at + 1], *events[at:]]


def swap(events: list[Event], at: int) -> list[Event]:
    """Two neighbours change places, each time stamp stays where it is."""
    if at + 1 == len(events):
        return drop(events, at)
    one, other = events[at], events[at + 1]
    return [
        *events[:at],
        msgspec.structs.replace(other, ts=one.ts),
        msgspec.structs.replace(one, ts=other.ts),
        *events[at + 2 :],
    ]


def retarget(events: list[Event], at: int) -> list[Event]:
    other = {"Worker[1]": "Worker[2]", "Worker[2]": "Worker[1]"}
    res = str(events[at].res)
    moved = msgspec.structs.replace(events[at], res=other.get(res, "Worker[1]"))
    return [*events[:at], moved, *events[at + 1 :]]


def other_result(events: list[Event], at: int) -> list[Event]:
    event = events[at]
    match event:
        case ReturnEvent():
            changed: Event = msgspec.structs.replace(event, rc={0: 997, 997: 5}.get(event.rc, 0))
        case StatusEvent():
            states = {"pending": "success", "success": "pending"}
            changed = msgspec.structs.replace(event, state=states[str(event.state)])
        case _:
            return double(events, at)
    return [*events[:at], changed, *events[at + 1 :]]


def shift(events: list[Event], at: int) -> list[Event]:
    """This event and all after it come a little later than a deadline of the spec allows."""
    return [
        msgspec.structs.replace(
            event, ts=(event.ts or 0) + (10 * SECOND + 1 if number >= at else 0)
        )
        for number, event in enumerate(events)
    ]


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("edit", [drop, double, swap, retarget, other_result, shift])
def test_edited_runs_are_refused_exactly_when_the_semantics_refuses(edit: Edit, seed: int) -> None:
    oracle = Walk(BARE, 2)
    # Call ids would betray an edit by themselves.
    legal = [
        msgspec.structs.replace(event, cid=None) if hasattr(event, "cid") else event
        for event in simulate(BARE, 2, seed, 18).trace.events
    ]
    header = replace_header(clock={"sim": Clock(epoch="start")})
    assert oracle.accepts(legal)
    refused = 0
    for at in range(len(legal)):
        edited = [
            msgspec.structs.replace(event, seq=number)
            for number, event in enumerate(edit(legal, at), start=1)
        ]
        report = judge(edited, BARE, header)
        assert (report.verdict == "violated") is not oracle.accepts(edited), (edit, at)
        refused += report.verdict == "violated"
    assert refused > 0
