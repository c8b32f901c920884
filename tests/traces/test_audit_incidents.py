"""Whom an incident is about, and who lost a monitor by it: nothing that the lines do not show."""

from __future__ import annotations

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
    Found,
    incidents,
    story_of,
)

from rhscheck.traces.audit.durations import Limits, spans
from rhscheck.traces.audit.story import Story
from rhscheck.traces.logmap.language import told as event
from rhscheck.traces.logmap.reading import Reading, Sighting


def test_a_failed_check_of_a_resource_with_blanks_in_its_name_is_seen() -> None:
    story = story_of(
        RHS.format(ONE, "00:00.000", "Resource Cluster IP Address IsAlive has indicated failure."),
        RHS.format(ONE, "00:01.000", "Resource File Share LooksAlive has indicated failure."),
    )
    found = [(one.resource, one.what) for one in story.incidents]
    assert found == [
        ("Cluster IP Address", "IsAlive reported that the resource is not healthy"),
        ("File Share", "LooksAlive reported that the resource is not healthy"),
    ]


def test_the_failure_that_rhs_reports_of_a_call_it_has_given_up_is_not_the_dlls_word() -> None:
    late = (
        RHS.format(ONE, "05:00.016", TIMED_OUT.format("ONLINERESOURCE", "a b")),
        RHS.format(ONE, "05:00.016", GIVEN_UP.format("a b")),
    )
    failed = RHS.format(ONE, "05:00.020", "Online for resource a b failed.")
    again = RCM.format("05:00.018", "Issuing Online(a b) to RHS.")
    other = RHS.format(ONE, "05:00.020", "Offline for resource a b failed.")
    assert incidents(*late, failed) == [("timed-out", "a b", [1, 2, 3], [])]
    of_its_own: Found = [("timed-out", "a b", [1, 2], []), ("failed", "a b", [4], [])]
    assert incidents(*late, again, failed) == of_its_own
    assert incidents(*late, other)[1:] == [("failed", "a b", [3], [])]


def test_a_call_that_was_given_up_ends_no_other_process() -> None:
    assert incidents(
        RHS.format(ONE, "00:00.000", ONLINE.format("a")),
        RHS.format(TWO, "00:00.000", ONLINE.format("b")),
        RHS.format(ONE, "05:00.016", TIMED_OUT.format("OFFLINERESOURCE", "a")),
        RHS.format(ONE, "05:00.016", GIVEN_UP.format("a")),
        RHS.format(TWO, "05:30.000", DUMPED),
        RCM.format("05:30.010", RESTART.format("b")),
        RCM.format("05:30.010", RESTART.format("c")),
    ) == [("timed-out", "a", [3, 4], []), ("crashed", None, [5, 6, 7], ["b", "c"])]


def test_who_is_in_another_process_does_not_lose_its_monitor() -> None:
    ended = (
        RHS.format(ONE, "05:00.016", TIMED_OUT.format("ISALIVE", "a")),
        RHS.format(TWO, "05:00.116", TIMED_OUT.format("ISALIVE", "b")),
        RHS.format(TWO, "05:01.000", DUMPED),
        RCM.format("05:02.000", RESTART.format("neighbour of b")),
        # Nobody knows where this one was.
        RCM.format("05:02.000", RESTART.format("unknown")),
    )
    assert incidents(
        RHS.format(ONE, "00:00.000", ONLINE.format("a")),
        RHS.format(TWO, "00:00.000", ONLINE.format("neighbour of b")),
        *ended,
    ) == [
        ("timed-out", "a", [3], []),
        ("timed-out", "b", [4, 5, 6], ["neighbour of b"]),
    ]


def test_who_was_in_the_process_in_which_an_exception_was_thrown_lost_it() -> None:
    broken = "RhsCall::Perform_NativeEH: STATUS_ACCESS_VIOLATION(5)' because of 'x'"
    assert incidents(
        RHS.format(ONE, "00:00.000", ONLINE.format("a")),
        RHS.format(ONE, "05:00.000", broken),
        RHS.format(ONE, "05:01.000", DUMPED),
        RCM.format("05:02.000", RESTART.format("a")),
    ) == [("exception", None, [2, 3, 4], ["a"])]


def test_an_error_code_is_no_exception_of_the_dll() -> None:
    """That of a DLL that cannot be loaded was, where the rest of the line was translated."""
    line = "RhsCall::Perform_NativeEH: ERROR_MOD_NOT_FOUND(126)' because of 'Unable to load {}.'"
    told = story_of(
        RHS.format(ONE, "00:00.000", line.format("resource DLL x.dll")),
        RHS.format(TWO, "00:10.000", line.format("Ressource DLL x.dll")),
    ).incidents
    assert [(one.kind, one.blame) for one in told] == [("not-loaded", None), ("exception", None)]
    assert told[1].what == "RHS met error 126 while it made a call"


def test_a_dll_whose_path_has_blanks_cannot_be_loaded() -> None:
    line = "RhsCall::Perform_NativeEH: ERROR_MOD_NOT_FOUND(126)' because of 'Unable to load {}."
    path = r"C:\Program Files\Acme\my res.dll"
    (told,) = story_of(RHS.format(ONE, "00:00.000", line.format(f"resource DLL {path}"))).incidents
    assert (told.kind, told.what) == ("not-loaded", f"{path} cannot be loaded (error 126)")


def test_an_error_without_a_name_is_no_exception() -> None:
    line = "RhsCall::Perform_NativeEH: (5)' because of 'Access is denied'"
    (told,) = story_of(RHS.format(ONE, "00:00.000", line)).incidents
    assert told.blame is None
    assert told.what == (
        "RHS met an error ((5)' because of 'Access is denied') while it made a call"
    )


def test_a_crash_long_after_a_call_was_given_up_is_another_matter() -> None:
    marked = (
        "rcm::RcmResource::HandleMonitorReply: Resource 'a' has crashed or deadlocked; marking it "
        "to run in a separate monitor."
    )
    assert incidents(
        RHS.format(ONE, "05:00.016", TIMED_OUT.format("ONLINERESOURCE", "a")),
        RHS.format(ONE, "05:00.016", GIVEN_UP.format("a")),
        RCM.format("35:00.000", marked),
    ) == [("timed-out", "a", [1, 2], []), ("crashed", "a", [3], [])]


def test_who_is_in_the_process_that_ends_loses_it_though_nothing_is_restarted() -> None:
    found = incidents(
        RHS.format(ONE, "00:00.000", ONLINE.format("a")),
        RHS.format(ONE, "00:01.000", ONLINE.format("b")),
        RHS.format(ONE, "06:00.000", TIMED_OUT.format("ISALIVE", "a")),
        RHS.format(ONE, "06:09.000", DUMPED),
    )
    assert found == [("timed-out", "a", [3, 4], ["b"])]


def test_an_online_that_was_given_up_ends_no_process() -> None:
    found = incidents(
        RHS.format(ONE, "00:00.000", ONLINE.format("b")),
        RHS.format(ONE, "01:00.000", TIMED_OUT.format("ONLINERESOURCE", "d")),
        RHS.format(ONE, "05:00.000", TIMED_OUT.format("ISALIVE", "b")),
        RHS.format(ONE, "05:09.000", DUMPED),
        RCM.format("05:10.000", RESTART.format("b")),
        RCM.format("05:10.000", RESTART.format("d")),
        RCM.format("05:10.000", RESTART.format("e")),
    )
    assert found == [
        ("timed-out", "d", [2], []),
        ("timed-out", "b", [3, 4, 5, 6, 7], ["d", "e"]),
    ]


def because(*lines: str) -> list[str]:
    return [one.because for one in story_of(*lines).incidents]


FAILED = "Online for resource a failed."
STATUS = (
    "Resource a called SetResourceStatusEx: checkpoint 2. Old state OnlinePending, new state {}, "
    "AppSpErrorCode 5, Flags 0, nores=false"
)
PENDS = "HandleMonitorReply: ONLINERESOURCE for 'a', gen(0) result {}/0."


def test_a_failure_is_the_dlls_word_only_if_a_line_says_so() -> None:
    failed = RHS.format(ONE, "03:00.010", FAILED)
    either = "the DLL reported it, or reported no end in time: the line does not say which"
    assert because(failed) == [either]
    pends = RCM.format("00:00.000", PENDS.format(997))
    assert because(pends, failed) == [
        "it had said nothing since line 1, for 180 s, which is as long as RHS waits: it reported "
        "no end in time"
    ]
    assert because(pends, RHS.format(ONE, "00:09.000", FAILED)) == [either]
    reported = RHS.format(ONE, "03:00.000", STATUS.format("Failed"))
    assert because(pends, reported, failed) == ["the DLL reported it by its status"]
    # RCM hears of both with the same code.
    assert because(RCM.format("03:00.000", PENDS.format(5015)), failed) == [either]


def test_a_failure_after_an_error_that_the_call_returned() -> None:
    story = Story(Limits())
    returned = event("return", {"op": "Online", "res": "a", "rc": 5015})
    over = event("ends", {"op": "Online", "res": "a", "rc": 1})
    for line, what in enumerate((returned, over), 1):
        story.take(Sighting(line, 0, line, 6656, None, Reading((what,), "INFO", "x", None)))
    assert [one.because for one in story.incidents] == ["the DLL returned an error from its call"]


def test_a_failure_that_rhs_reports_a_minute_after_it_gave_up_is_not_another() -> None:
    late = (
        RHS.format(ONE, "05:00.016", TIMED_OUT.format("ONLINERESOURCE", "a")),
        RHS.format(ONE, "05:00.016", GIVEN_UP.format("a")),
    )
    failed = RHS.format(ONE, "06:10.000", FAILED)
    assert incidents(*late, failed) == [("timed-out", "a", [1, 2, 3], [])]


ENTERED = "Entering LooksAlive function of [a (S:\\a.js)]."


def test_a_call_that_the_dll_says_it_entered_is_stuck_since_then() -> None:
    entered = RHS.format(ONE, "00:00.000", "x").replace("[RHS] x", "[RES] Generic Script <a>: {}")
    timed_out = RHS.format(ONE, "07:00.016", TIMED_OUT.format("LOOKSALIVE", "a"))
    (seen,) = story_of(entered.format(ENTERED), timed_out).incidents
    assert (seen.since_us, seen.since_seen) == (1714989600000000, True)
    assert seen.what.endswith("was not back in time; it was entered in line 1")
    asked = RCM.format("04:00.000", "Issuing Online(a) to RHS.")
    online = RHS.format(ONE, "07:00.016", TIMED_OUT.format("ONLINERESOURCE", "a"))
    (computed,) = story_of(asked, online).incidents
    assert (computed.since_us, computed.since_seen) == (1714989840000000, False)


def test_the_name_of_a_dll_ends_before_the_full_stop_in_quotation_marks() -> None:
    line = "RhsCall::Perform_NativeEH: ERROR_MOD_NOT_FOUND(126)' because of 'Unable to load {}"
    for end in (".", ".'", "'.", "'"):
        text = line.format("resource DLL foo.dll") + end
        (told,) = story_of(RHS.format(ONE, "00:00.000", text)).incidents
        assert told.what == "foo.dll cannot be loaded (error 126)"


def test_a_call_is_stuck_since_its_limit_and_by_how_much_it_was_late_before_the_line() -> None:
    late = "RhsCall::DeadlockMonitor: Call {} timed out by 125000 milliseconds for resource 'a'."
    for call in ("ISALIVE", "ARBITRATE"):
        (told,) = story_of(RHS.format(ONE, "10:00.000", late.format(call))).incidents
        # 10:10:00 less five minutes, less two minutes and five seconds
        assert told.since_us == 1_714_989_775_000_000


def test_a_call_that_timed_out_counts_among_the_longest() -> None:
    story = story_of(
        RCM.format("00:00.000", "Issuing Online(a) to RHS."),
        RHS.format(ONE, "00:03.010", ONLINE.format("a")),
        RCM.format("10:00.000", "Issuing Online(a) to RHS."),
        RHS.format(ONE, "15:00.016", TIMED_OUT.format("ONLINERESOURCE", "a")),
    )
    ((span, count),) = spans(story.resources["a"]).values()
    assert (span.what, span.used_us, span.at_most, count) == ("Online", 300_016_000, True, 2)
    assert (span.start.line, span.end.line) == (3, 4)
