"""Failures that a log states plainly: each is one incident, with all lines that tell of it."""

from __future__ import annotations

from io import BytesIO

import pytest
from incident_logs import (
    DUMPED,
    GIVEN_UP,
    ONE,
    ONLINE,
    RCM,
    RESTART,
    RHS,
    TIMED_OUT,
    TWO,
    incidents,
    story_of,
)

from rhscheck.traces.audit.durations import spans
from rhscheck.traces.logmap.events import EventMaker
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LogReader

STATUS = (
    "Resource a called SetResourceStatusEx: checkpoint 2. Old state {}, new state Failed, "
    "AppSpErrorCode 5, Flags 0, nores=false"
)
FAILED = "{} for resource a failed."
REPLY = "HandleMonitorReply: {} for 'a', gen(0) result {}/0."
HANDLES = "rcm::RcmResource::HandleFailure: (a)"
UNHEALTHY = "Resource a IsAlive has indicated failure."
MARKED = (
    "rcm::RcmResource::HandleMonitorReply: Resource '{}' has crashed or deadlocked; marking it to "
    "run in a separate monitor."
)
RECOVERS = "rcm::RcmMonitor::RecoverProcess: Recovering monitor process {} / 0x1a00"
EVENT_1146 = (
    "00000fe4.00001a10::2024/05/06-10:{} ERR   The cluster Resource Hosting Subsystem (RHS) "
    "process was terminated and will be restarted. This is typical.\n"
)
AND_ENDS = "Resource a handling deadlock. Cleaning current operation and terminating RHS process."
WORKER = (
    "{}.00001b10::2024/05/06-10:{} ERR   [RES] Physical Disk <a>: OnlineThread: Error 123 bringing "
    "resource online.\n"
)
BY_STATUS = "the DLL reported it by its status"
EITHER = "the DLL reported it, or reported no end in time: the line does not say which"
REPLIED = "RHS told RCM so; its own line, which may say why, is not here"

# Kind, resource, blame, what, why, lines of evidence.
Said = list[tuple[str, str | None, str | None, str, str, list[int]]]


def said(*lines: str) -> Said:
    return [
        (one.kind, one.resource, one.blame, one.what, one.because, [at.line for at in one.lines])
        for one in story_of(*lines).incidents
    ]


# ---- by its status -----------------------------------------------------------------------------
def test_a_failure_that_the_dll_reports_by_itself() -> None:
    assert said(
        RHS.format(ONE, "00:00.000", STATUS.format("Online")),
        RHS.format(ONE, "00:00.001", UNHEALTHY),
        RCM.format("00:00.002", REPLY.format("FAILURENOTIFICATION", 1)),
        RCM.format("00:00.003", HANDLES),
    ) == [
        (
            "failed",
            "a",
            "DLL",
            "it reported by its status that it has failed",
            BY_STATUS,
            [1, 2, 3, 4],
        )
    ]


@pytest.mark.parametrize("op", ["Online", "Offline"])
def test_a_pending_operation_that_the_dll_reports_to_have_failed(op: str) -> None:
    assert said(
        RHS.format(ONE, "00:00.000", STATUS.format(f"{op}Pending")),
        RHS.format(ONE, "00:00.001", FAILED.format(op)),
        RCM.format("00:00.002", REPLY.format(f"{op.upper()}RESOURCE", 5018)),
    ) == [("failed", "a", "DLL", f"{op} failed", BY_STATUS, [1, 2, 3])]


def test_the_second_attempt_that_fails_within_a_minute_is_another_failure() -> None:
    lines = (
        RHS.format(ONE, "00:00.000", STATUS.format("OnlinePending")),
        RHS.format(ONE, "00:00.001", FAILED.format("Online")),
        RCM.format("00:01.000", "Issuing Online(a) to RHS."),
        RHS.format(ONE, "00:02.000", STATUS.format("OnlinePending")),
        RHS.format(ONE, "00:02.001", FAILED.format("Online")),
    )
    assert [one[-1] for one in said(*lines)] == [[1, 2], [4, 5]]
    # Of another minute, too; and across lines that are missing nothing is concluded.
    later = RHS.format(ONE, "09:00.000", FAILED.format("Online"))
    online = RHS.format(ONE, "05:00.000", ONLINE.format("a"))
    assert [one[-1] for one in said(*lines[:2], online, later)] == [[1, 2], [4]]
    assert [one[-1] for one in said(lines[0], "...\n", lines[1])] == [[1], [3]]


def test_what_fails_again_when_it_has_succeeded_is_another_failure() -> None:
    failed = RHS.format(ONE, "00:0{}.000", FAILED.format("Online"))
    first, again = failed.format(1), failed.format(3)
    online = RHS.format(ONE, "00:02.000", ONLINE.format("a"))
    offline = RCM.format("00:02.000", REPLY.format("OFFLINERESOURCE", 0))
    assert [one[-1] for one in said(first, online, again)] == [[1], [3]]
    assert [one[-1] for one in said(first, offline, again)] == [[1, 3]]
    reply = RCM.format("00:0{}.000", REPLY)
    first = reply.format(1, "ONLINERESOURCE", 5018)
    online, again = (reply.format(at, "ONLINERESOURCE", code) for at, code in ((2, 0), (3, 5018)))
    assert [one[-1] for one in said(first, online, again)] == [[1], [3]]
    checked = RHS.format(ONE, "00:0{}.000", UNHEALTHY)
    notified = reply.format(2, "FAILURENOTIFICATION", 1)
    online = RHS.format(ONE, "00:03.000", ONLINE.format("a"))
    told = (checked.format(1), notified, online, checked.format(4), notified.replace(":02", ":05"))
    assert [one[-1] for one in said(*told)] == [[1, 2], [4, 5]]


def test_a_failure_behind_a_status_is_of_that_however_late_it_is_told() -> None:
    assert said(
        RHS.format(ONE, "00:00.000", STATUS.format("OnlinePending")),
        RHS.format(ONE, "02:00.000", FAILED.format("Online")),
    ) == [("failed", "a", "DLL", "Online failed", BY_STATUS, [1, 2])]


def test_a_resource_that_failed_by_itself_is_no_reason_of_a_failed_operation() -> None:
    what = "it reported by its status that it has failed"
    for old, op in (("Online", "Offline"), ("Offline", "Online"), ("OfflinePending", "Online")):
        first, second = said(
            RHS.format(ONE, "00:00.000", STATUS.format(old)),
            RHS.format(ONE, "00:01.000", FAILED.format(op)),
        )
        expected = "Offline failed" if old == "OfflinePending" else what
        assert first == ("failed", "a", "DLL", expected, BY_STATUS, [1])
        assert second == ("failed", "a", "DLL", f"{op} failed", EITHER, [2])


def test_a_worker_that_fails_and_the_online_that_fails_by_it_are_one() -> None:
    dll = "the DLL itself says so"
    what = "Online failed in the DLL's worker (error 123)"
    worker = WORKER.format(ONE, "00:00.000")
    failed = RHS.format(ONE, "00:00.100", FAILED.format("Online"))
    asked = RCM.format("00:00.000", "Issuing Online(a) to RHS.")
    assert said(asked, worker, failed) == [("failed", "a", "DLL", what, dll, [2, 3])]
    assert said(asked, failed, WORKER.format(ONE, "00:00.200")) == [
        ("failed", "a", "DLL", what, dll, [2, 3])
    ]


def test_what_a_line_says_that_the_dll_indicated_it_indicated() -> None:
    line = "Resource a has indicated that it cannot come online on this node."
    assert said(RHS.format(ONE, "00:00.000", line)) == [
        ("failed", "a", "DLL", "Online failed", "the DLL indicated it, as the line says", [1])
    ]


# ---- what RCM is told --------------------------------------------------------------------------
def test_an_error_that_rcm_is_told_of_is_a_failure_of_nobody_in_particular() -> None:
    reply = RCM.format("00:01.000", REPLY.format("OFFLINERESOURCE", 5018))
    assert said(reply) == [("failed", "a", None, "Offline failed", REPLIED, [1])]
    # The line of RHS, which is of another process, may stand behind it.
    failed = RHS.format(ONE, "00:00.999", FAILED.format("Offline"))
    assert said(reply, failed) == [("failed", "a", "DLL", "Offline failed", EITHER, [1, 2])]
    assert said(failed, reply) == [("failed", "a", "DLL", "Offline failed", EITHER, [1, 2])]


def test_a_failure_that_rcm_is_told_of_and_nobody_else() -> None:
    told = RCM.format("05:00.000", REPLY.format("FAILURENOTIFICATION", 1))
    what = "RCM was told that it has failed"
    assert said(told) == [("failed", "a", None, what, REPLIED, [1])]
    check = RHS.format(ONE, "{}", UNHEALTHY)
    assert [one[-1] for one in said(check.format("04:59.000"), told)] == [[1, 2]]
    assert [one[-1] for one in said(check.format("03:00.000"), told)] == [[1], [2]]
    # The two processes' lines may stand either way.
    ((kind, _, blame, what, _, lines),) = said(told, check.format("05:00.001"))
    unhealthy = "IsAlive reported that the resource is not healthy"
    assert (kind, blame, what, lines) == ("unhealthy", None, unhealthy, [1, 2])
    reported = RHS.format(ONE, "05:00.001", STATUS.format("Online"))
    ((kind, _, blame, _, because, lines),) = said(told, reported)
    assert (kind, blame, because, lines) == ("failed", "DLL", BY_STATUS, [1, 2])


def test_what_rcm_asked_for_ends_with_the_reply_and_is_measured_once() -> None:
    asked = RCM.format("00:00.000", "Issuing Online(a) to RHS.")
    online = RHS.format(ONE, "00:04.000", ONLINE.format("a"))
    reply = RCM.format("00:04.010", REPLY.format("ONLINERESOURCE", 0))
    for lines, used, last in (
        ((asked, reply), 4_010_000, 2),
        ((asked, online, reply), 4_000_000, 2),
    ):
        resource = story_of(*lines).resources["a"]
        ((span, count),) = spans(resource).values()
        assert (span.used_us, span.end.line, count, resource.open) == (used, last, 1, ())
    pends = RCM.format("00:01.000", REPLY.format("ONLINERESOURCE", 997))
    story = story_of(asked, pends, reply)
    assert (story.resources["a"].pending, story.incidents) == (None, [])
    assert list(spans(story.resources["a"])) == ["Online"]
    assert ("status", "SetResourceStatus", "success") in story.cases


def events(*lines: str) -> list[tuple[str, object]]:
    maker, reader = EventMaker(), LogReader(load_map("clusterlog"))
    read = reader.read(BytesIO("".join(lines).encode()))
    found = [one for sighting in read for one in maker.events(sighting)]
    codes = [getattr(one, "rc", None) for one in found]
    return [
        (type(one).__name__, getattr(one, "state", None) if code is None else code)
        for one, code in zip(found, codes, strict=True)
    ]


def test_an_end_that_rhs_and_rcm_tell_is_one_event_of_the_trace() -> None:
    asked = RCM.format("00:00.000", "Issuing Online(a) to RHS.")
    online = RHS.format(ONE, "00:04.000", ONLINE.format("a"))
    reply = RCM.format("00:04.010", REPLY.format("ONLINERESOURCE", 0))
    pends = RCM.format("00:01.000", REPLY.format("ONLINERESOURCE", 997))
    status = STATUS.format("OnlinePending").replace("state Failed", "state Online")
    reports = RHS.format(ONE, "00:03.000", status)
    call, back, note = ("CallEvent", None), ("ReturnEvent", 0), ("NoteEvent", None)
    success = ("StatusEvent", "success")
    assert events(asked, online, reply) == [call, back, note]
    assert events(asked, reply, online) == [call, back, note]
    assert events(asked, reply) == [call, back]
    assert events(asked, pends, reply) == [call, ("ReturnEvent", 997), success]
    both = [call, ("ReturnEvent", 997), success, note, note]
    assert events(asked, pends, reports, online, reply) == both
    again = events(asked, online, reply, asked, online, reply)
    assert again == [call, back, note, call, back, note]
    late = RHS.format(ONE, "05:00.016", TIMED_OUT.format("ONLINERESOURCE", "a"))
    failed = RCM.format("05:00.018", REPLY.format("ONLINERESOURCE", 5018))
    assert events(asked, late, failed) == [call, ("TimeoutEvent", None), note]


def test_a_call_that_rcm_is_told_has_timed_out() -> None:
    asked = RCM.format("00:00.000", "Issuing Online(a) to RHS.")
    late = RHS.format(ONE, "05:00.016", TIMED_OUT.format("ONLINERESOURCE", "a"))
    reply = RCM.format("05:00.018", REPLY.format("ONLINERESOURCE", 5910))
    alone = "RHS told RCM that the call timed out; its own line is not here"
    assert said(asked, reply) == [
        ("timed-out", "a", "DLL", "Online was not back in time", alone, [2])
    ]
    waited = "RHS waited for the entry point until the call's time was up"
    what = "Online was not back in time; it was asked for in line 1"
    assert said(asked, late, reply) == [("timed-out", "a", "DLL", what, waited, [2, 3])]
    # The two processes' lines may stand either way.
    assert [one[-1] for one in said(asked, reply, late)] == [[2, 3]]
    assert story_of(asked, reply).resources["a"].open == ()
    ((span, _),) = spans(story_of(asked, reply).resources["a"]).values()
    assert (span.what, span.used_us) == ("Online", 300_018_000)


def test_another_result_of_terminate_is_no_return() -> None:
    (entry,) = (
        story_of(RCM.format("00:00.000", REPLY.format("TERMINATERESOURCE", 5910)))
        .resources["a"]
        .timeline
    )
    assert (entry.told.kind, entry.told.rc) == ("notify", 5910)
    (entry,) = (
        story_of(RCM.format("00:00.000", REPLY.format("TERMINATERESOURCE", 0)))
        .resources["a"]
        .timeline
    )
    assert (entry.told.kind, entry.told.op, entry.told.rc) == ("return", "Terminate", 0)


def test_an_arbitration_that_fails_blames_nobody() -> None:
    failed = "Arbitrating resource 'a' returned error 121"
    why = "it fails also where another node holds the resource; the error says why"
    what = "Arbitrate failed (error 121)"
    lines = [RCM.format(f"00:0{at}.000", failed) for at in range(2)]
    assert said(*lines) == [("failed", "a", None, what, why, [1, 2])]
    reply = RCM.format("00:00.500", REPLY.format("ONLINERESOURCE", 5018))
    online = RHS.format(ONE, "00:02.000", FAILED.format("Online"))
    assert [one[-1] for one in said(*lines, reply, online)] == [[1, 2], [3, 4]]
    asked = RCM.format("00:00.500", "Issuing Arbitrate(a) to RHS.")
    assert [one[-1] for one in said(lines[0], asked, lines[1])] == [[1], [3]]


# ---- processes that end ------------------------------------------------------------------------
HOSTED = tuple(RHS.format(ONE, "00:00.000", ONLINE.format(name)) for name in "abc")


def test_a_dump_without_a_reason_is_a_crash_of_whom_nobody_names() -> None:
    dumped = RHS.format(ONE, "05:00.000", DUMPED)
    assert incidents(*HOSTED, dumped) == [("crashed", None, [4], ["a", "b", "c"])]
    (found,) = story_of(*HOSTED, dumped).incidents
    assert (found.blame, found.monitor) == (None, "6656#1")
    # RCM names it, the event log tells of it, and what it hosted is restarted.
    assert incidents(
        *HOSTED,
        dumped,
        RCM.format("05:00.010", MARKED.format("b")),
        EVENT_1146.format("05:00.020"),
        RCM.format("05:00.030", RECOVERS.format(6656)),
        RCM.format("05:00.040", RESTART.format("a")),
        RCM.format("05:00.040", RESTART.format("b")),
    ) == [("crashed", "b", [4, 5, 6, 7, 8, 9], ["a", "c"])]


def test_a_dump_that_one_of_two_time_outs_explains_is_no_third_incident() -> None:
    assert incidents(
        *HOSTED,
        RHS.format(ONE, "05:00.000", TIMED_OUT.format("ISALIVE", "a")),
        RHS.format(ONE, "05:00.000", TIMED_OUT.format("ISALIVE", "b")),
        RHS.format(ONE, "05:01.000", DUMPED),
    ) == [("timed-out", "a", [4], []), ("timed-out", "b", [5], [])]


def test_an_offline_that_was_given_up_and_a_dump_later_are_two() -> None:
    assert incidents(
        *HOSTED,
        RHS.format(ONE, "05:00.000", TIMED_OUT.format("OFFLINERESOURCE", "a")),
        RHS.format(ONE, "05:00.000", GIVEN_UP.format("a")),
        RHS.format(ONE, "05:30.000", DUMPED),
        RCM.format("05:30.010", MARKED.format("a")),
    ) == [("timed-out", "a", [4, 5], []), ("crashed", "a", [6, 7], ["b", "c"])]


def test_a_deadlock_that_is_handled_is_a_call_that_was_stuck() -> None:
    what = "one of its calls was not back in time"
    why = "RHS handles a deadlock; the line that says which call is not here"
    goes_on = RHS.format(ONE, "05:00.000", GIVEN_UP.format("a"))
    failed = RHS.format(ONE, "05:00.010", FAILED.format("Offline"))
    assert said(goes_on, failed) == [("timed-out", "a", None, what, why, [1, 2])]
    # One that was handled before is another.
    before = RHS.format(ONE, "01:00.000", GIVEN_UP.format("a"))
    assert [one[-1] for one in said(before, goes_on)] == [[1], [2]]
    ends = RHS.format(ONE, "05:00.000", AND_ENDS)
    assert incidents(*HOSTED, ends) == [("timed-out", "a", [4], ["b", "c"])]
    online = RHS.format(ONE, "04:59.999", TIMED_OUT.format("ONLINERESOURCE", "a"))
    assert incidents(*HOSTED, online, ends, RHS.format(ONE, "05:09.000", DUMPED)) == [
        ("timed-out", "a", [4, 5, 6], ["b", "c"])
    ]


def test_a_process_that_rcm_recovers_has_crashed() -> None:
    recovers = RCM.format("05:00.000", RECOVERS.format(6656))
    assert incidents(*HOSTED, recovers, RCM.format("05:00.010", RESTART.format("a"))) == [
        ("crashed", None, [4, 5], ["a", "b", "c"])
    ]
    timed_out = RHS.format(ONE, "04:00.000", TIMED_OUT.format("ISALIVE", "a"))
    assert incidents(*HOSTED, timed_out, recovers) == [("timed-out", "a", [4, 5], ["b", "c"])]
    elsewhere = RHS.format(TWO, "04:00.000", TIMED_OUT.format("ISALIVE", "x"))
    assert incidents(*HOSTED, elsewhere, recovers) == [
        ("timed-out", "x", [4], []),
        ("crashed", None, [5], ["a", "b", "c"]),
    ]


def test_the_event_of_a_process_that_a_time_out_ended_is_no_second_incident() -> None:
    event = EVENT_1146.format("05:00.000")
    assert incidents(event) == [("crashed", None, [1], [])]
    timed_out = RHS.format(ONE, "04:59.000", TIMED_OUT.format("ISALIVE", "a"))
    assert incidents(timed_out, event) == [("timed-out", "a", [1, 2], [])]
    other = RHS.format(TWO, "04:59.000", TIMED_OUT.format("ISALIVE", "b"))
    assert incidents(timed_out, other, event) == [
        ("timed-out", "a", [1], []),
        ("timed-out", "b", [2], []),
    ]
