"""Which process hosts whom: until when it is the same one, and who is in it when it ends."""

from __future__ import annotations

from io import BytesIO

from incident_logs import (
    DUMPED,
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

from rhscheck.traces.audit.report import entry_text
from rhscheck.traces.audit.story import Story
from rhscheck.traces.logmap.events import EventMaker
from rhscheck.traces.logmap.language import told as event
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LogReader
from rhscheck.traces.logmap.reading import Reading, Sighting

MOVED = "Separate monitor flag has changed for resource '{}'.  Now hosted by RHS process 0"
SCRIPT = (
    "{}.00001b10::2024/05/06-10:{} INFO  [RES] Generic Script <{}>: Entering {} function of [x].\n"
)
CREATED = "Created monitor process {} / 0x1"
REOPENED = "rcm::RcmResource::ReattachToMonitorProcess: ({}, Online)"
AND_ENDS = "Resource {} handling deadlock. Cleaning current operation and terminating RHS process."
SAYS = "{}.00001b10::2024/05/06-10:{} WARN  [RES] Physical Disk <{}>: {}\n"
EVENT_1146 = (
    "00000fe4.00001a10::2024/05/06-10:{} DBG   The cluster Resource Hosting Subsystem (RHS) "
    "process was terminated and will be restarted. This is typical.\n"
)
RECOVERS = "rcm::RcmMonitor::RecoverProcess: Recovering monitor process {} / 0x1"
DENIED = "RhsCall::Perform_NativeEH: ERROR_ACCESS_DENIED(5)' because of 'x'."
MARKED = (
    "rcm::RcmResource::HandleMonitorReply: Resource '{}' has crashed or deadlocked; marking it to "
    "run in a separate monitor."
)
HOSTED = tuple(RHS.format(ONE, "20:00.000", ONLINE.format(name)) for name in "ab")

Told = tuple[str, str | None, list[int], list[str]]


def test_a_resource_that_was_moved_does_not_lose_the_process_that_it_was_in() -> None:
    lines = (
        RHS.format(ONE, "00:00.000", ONLINE.format("web")),
        RHS.format(ONE, "00:00.000", ONLINE.format("db")),
        RCM.format("01:00.000", MOVED.format("web")),
        RHS.format(ONE, "50:00.000", TIMED_OUT.format("ISALIVE", "db")),
        RHS.format(ONE, "50:09.000", DUMPED),
    )
    assert incidents(*lines) == [("timed-out", "db", [4, 5], [])]
    web = story_of(*lines).resources["web"]
    assert web.monitor is None
    assert [entry_text(one.told) for one in web.timeline] == [
        "Online succeeded",
        "moved to another monitor: 0",
    ]
    # If it is there again, because RHS says so, it is.
    back = RHS.format(ONE, "02:00.000", ONLINE.format("web"))
    assert incidents(*lines[:3], back, *lines[3:])[0][3] == ["web"]


def test_a_resource_that_is_closed_does_not_lose_its_process() -> None:
    lines = (
        SCRIPT.format(ONE, "00:00.000", "web", "Open"),
        RHS.format(ONE, "00:01.000", ONLINE.format("db")),
        SCRIPT.format(ONE, "00:02.000", "web", "Close"),
        SAYS.format(ONE, "00:03.000", "web", "it is closed"),
        RHS.format(ONE, "50:00.000", TIMED_OUT.format("ISALIVE", "db")),
        RHS.format(ONE, "50:09.000", DUMPED),
    )
    assert incidents(*lines) == [("timed-out", "db", [5, 6], [])]
    assert story_of(*lines).resources["web"].monitor is None
    for again in ("Open", "Online"):
        opened = SCRIPT.format(ONE, "01:00.000", "web", again)
        assert incidents(*lines[:4], opened, *lines[4:])[0][3] == ["web"]


def test_a_resource_that_was_opened_elsewhere_does_not_lose_the_old_process() -> None:
    assert incidents(
        RHS.format(ONE, "00:00.000", ONLINE.format("web")),
        RHS.format(ONE, "00:00.000", ONLINE.format("db")),
        RCM.format("01:00.000", REOPENED.format("web")),
        RHS.format(ONE, "50:00.000", TIMED_OUT.format("ISALIVE", "db")),
        RHS.format(ONE, "50:09.000", DUMPED),
    ) == [("timed-out", "db", [4, 5], [])]


def test_a_process_that_is_ending_is_the_same_until_rcm_has_another() -> None:
    for last in (DUMPED, AND_ENDS.format("a")):
        lines = (
            RHS.format(ONE, "00:00.000", ONLINE.format("b")),
            RHS.format(ONE, "05:00.000", TIMED_OUT.format("ISALIVE", "a")),
            RHS.format(ONE, "05:01.000", last),
            RHS.format(ONE, "05:02.000", ONLINE.format("b")),
            RHS.format(ONE, "05:03.000", ONLINE.format("c")),
            RHS.format(ONE, "05:04.000", TIMED_OUT.format("ISALIVE", "d")),
            RCM.format("05:10.000", RESTART.format("a")),
            RCM.format("05:10.000", RESTART.format("b")),
            RCM.format("05:10.000", RESTART.format("c")),
            RCM.format("05:10.000", RESTART.format("d")),
            RHS.format(ONE, "05:20.000", ONLINE.format("b")),
        )
        expected: Found = [
            ("timed-out", "a", [2, 3, 7, 8, 9, 10], ["b", "c", "d"]),
            ("timed-out", "d", [6], []),
        ]
        assert incidents(*lines) == expected
        story = story_of(*lines)
        assert [one.monitor for one in story.incidents] == ["6656#1", "6656#1"]
        assert story.resources["c"].monitor == "6656#1"
        # RCM has said that the process was replaced.
        assert story.resources["b"].monitor == "6656#2"


def monitor_of_last(*lines: str) -> str | None:
    return story_of(*lines).resources["b"].monitor


def test_what_says_that_a_process_that_was_ending_is_gone() -> None:
    online = ONLINE.format("b")
    before = (RHS.format(ONE, "00:00.000", online), RHS.format(ONE, "01:00.000", DUMPED))
    later = RHS.format(ONE, "02:00.000", online)
    recovers = "rcm::RcmMonitor::RecoverProcess: Recovering monitor process {} / 0x1a00"
    assert monitor_of_last(*before, later) == "6656#1"
    for text in (RESTART.format("b"), REOPENED.format("x"), recovers.format(6656)):
        assert monitor_of_last(*before, RCM.format("01:30.000", text), later) == "6656#2"
    for number, name in ((6656, "6656#2"), (4711, "6656#1")):
        made = RCM.format("01:30.000", CREATED.format(number))
        assert monitor_of_last(*before, made, later) == name
    assert monitor_of_last(*before, "...\n", later) == "6656#2"
    assert monitor_of_last(*before, RHS.format(ONE, "11:00.001", online)) == "6656#2"
    # The process of another one was replaced.
    other = (
        RHS.format(TWO, "00:00.000", ONLINE.format("o")),
        RCM.format("01:30.000", RESTART.format("o")),
    )
    assert monitor_of_last(other[0], *before, other[1], later) == "6656#1"


def test_without_times_only_rcm_says_that_a_process_was_replaced() -> None:
    ends = event("exit", {"why": "deadlock or crash"})
    online = event("ends", {"op": "Online", "res": "b", "rc": 0})
    remade = event("note", {"what": "RCM has made a monitor process", "detail": "6656 / 0x1a00"})
    for between, name in (((), "6656#1"), ((remade,), "6656#2")):
        story, maker = Story(), EventMaker()
        for line, what in enumerate((online, ends, *between, online), 1):
            sighting = Sighting(
                line, 0, None, 6656, None, Reading((what,), "INFO", "[RHS] x", None)
            )
            story.take(sighting)
            *_, last = maker.events(sighting)
        assert story.resources["b"].monitor == name
        assert last.mon == name


def test_the_trace_tells_processes_apart_as_the_report_does() -> None:
    times = ("00:00.000", "01:00.000", "02:00.000", "20:00.000")
    texts = (ONLINE.format("b"), DUMPED, ONLINE.format("b"), ONLINE.format("b"))
    lines = [RHS.format(ONE, time, text) for time, text in zip(times, texts, strict=True)]
    assert monitors_in_trace(*lines) == ["6656#1", "6656#1", "6656#1", "6656#2"]
    restarted = RCM.format("01:30.000", RESTART.format("b"))
    assert monitors_in_trace(*lines[:2], restarted, lines[2])[-1] == "6656#2"


def monitors_in_trace(*lines: str) -> list[str | None]:
    maker, reader = EventMaker(), LogReader(load_map("clusterlog"))
    read = reader.read(BytesIO("".join(lines).encode()))
    return [one.mon for sighting in read for one in maker.events(sighting)]


# ---- what has ended, and was replaced ------------------------------------------------------------
def test_a_process_that_ends_later_did_not_end_by_a_call_whose_process_was_replaced() -> None:
    lines = (
        RHS.format(ONE, "00:00.000", ONLINE.format("a")),
        RHS.format(TWO, "00:00.000", ONLINE.format("c")),
        RHS.format(ONE, "01:00.000", TIMED_OUT.format("ISALIVE", "a")),
        RHS.format(ONE, "01:05.000", DUMPED),
        RCM.format("01:06.000", MARKED.format("a")),
        RCM.format("01:07.000", RECOVERS.format(6656)),
        EVENT_1146.format("01:07.000"),
        RCM.format("01:08.000", RESTART.format("a")),
        RCM.format("01:08.000", REOPENED.format("a")),
    )
    of_a: Told = ("timed-out", "a", [3, 4, 5, 6, 7, 8], [])
    event, restarted = EVENT_1146.format("09:00.000"), RCM.format("09:01.000", RESTART.format("c"))
    assert incidents(*lines, event, restarted) == [of_a, ("crashed", None, [10, 11], ["c"])]
    recovers = RCM.format("09:00.000", RECOVERS.format(6912))
    assert incidents(*lines, recovers, restarted) == [of_a, ("crashed", None, [10, 11], ["c"])]
    # That of the same resource, too, and even if all that was told is that it was opened again.
    marked = RCM.format("09:00.000", MARKED.format("a"))
    assert incidents(*lines, marked) == [of_a, ("crashed", "a", [10], [])]
    assert incidents(*lines[:4], lines[-1], event, restarted) == [
        ("timed-out", "a", [3, 4], []),
        ("crashed", None, [6, 7], ["c"]),
    ]
    # It is the same end as long as its lines are near, and as nothing says that it is over.
    near = EVENT_1146.format("02:07.000")
    assert incidents(*lines, near) == [("timed-out", "a", [3, 4, 5, 6, 7, 8, 10], [])]
    assert incidents(*lines[:4], event) == [("timed-out", "a", [3, 4, 5], [])]


def test_a_crash_that_was_replaced_is_not_the_next_one() -> None:
    assert incidents(
        RHS.format(ONE, "00:00.000", ONLINE.format("a")),
        EVENT_1146.format("01:00.000"),
        RCM.format("01:01.000", RESTART.format("a")),
        EVENT_1146.format("02:01.000"),
        EVENT_1146.format("03:02.000"),
        RCM.format("03:03.000", MARKED.format("a")),
    ) == [("crashed", None, [2, 3, 4], ["a"]), ("crashed", "a", [5, 6], [])]


def test_an_error_that_rhs_met_ends_no_process_if_no_line_says_that_it_ended() -> None:
    lines = (
        RHS.format(ONE, "00:00.000", ONLINE.format("a")),
        RHS.format(TWO, "00:00.000", ONLINE.format("c")),
        RHS.format(ONE, "01:00.000", DENIED),
    )
    met: Told = ("exception", None, [3], [])
    for time in ("01:30.000", "09:00.000"):
        event, restarted = EVENT_1146.format(time), RCM.format(time, RESTART.format("c"))
        assert incidents(*lines, event, restarted) == [met, ("crashed", None, [4, 5], ["c"])]
        assert incidents(*lines, RCM.format(time, RESTART.format("a"))) == [met]
    dumped = RHS.format(ONE, "{}", DUMPED)
    restarted = RCM.format("09:01.000", RESTART.format("a"))
    assert incidents(*lines, dumped.format("02:00.000"), restarted) == [
        ("exception", None, [3, 4, 5], ["a"])
    ]
    assert incidents(*lines, dumped.format("02:00.001"), restarted) == [
        met,
        ("crashed", None, [4, 5], ["a"]),
    ]
    other = RHS.format(TWO, "01:30.000", DUMPED)
    assert incidents(*lines, other) == [met, ("crashed", None, [4], ["c"])]


def test_an_exception_of_a_resource_that_rcm_marks_soon_ended_its_process() -> None:
    thrown = event("note", {"what": "an exception in an entry point", "detail": "x", "res": "a"})
    crashed = "crashed or deadlocked: marked to run in a separate monitor"
    marked = event("note", {"what": crashed, "res": "a"})
    for seconds, kinds in ((60, ["exception"]), (61, ["exception", "crashed"])):
        story = Story()
        reading = Reading((thrown,), "ERR", "[RHS] x", None)
        story.take(Sighting(1, 0, 0, 6656, None, reading))
        reading = Reading((marked,), "WARN", "[RCM] x", None)
        story.take(Sighting(2, 0, seconds * 1_000_000, 4068, None, reading))
        assert [one.kind for one in story.incidents] == kinds
        assert [one.ended for one in story.incidents][-1] is True


def test_nothing_that_goes_wrong_in_a_process_that_is_ending_has_ended_it() -> None:
    broken = "RhsCall::Perform_NativeEH: STATUS_ACCESS_VIOLATION(5)' because of 'x'"
    for text, kind, name in (
        (TIMED_OUT.format("ARBITRATE", "b"), "timed-out", "b"),
        (broken, "exception", None),
        (DENIED, "exception", None),
    ):
        assert incidents(
            *(RHS.format(ONE, "00:00.000", ONLINE.format(one)) for one in "abc"),
            RHS.format(ONE, "01:00.000", TIMED_OUT.format("ISALIVE", "a")),
            RHS.format(ONE, "01:01.000", DUMPED),
            RHS.format(ONE, "01:05.000", text),
            RHS.format(ONE, "01:06.000", DUMPED),
            RCM.format("01:07.000", RESTART.format("c")),
            RCM.format("01:08.000", RESTART.format("a")),
        ) == [("timed-out", "a", [4, 5, 7, 8, 9], ["b", "c"]), (kind, name, [6], [])]


# ---- what lies between ---------------------------------------------------------------------------
def test_nothing_is_concluded_from_an_incident_across_missing_lines() -> None:
    online = RHS.format(ONE, "25:00.000", TIMED_OUT.format("ONLINERESOURCE", "a"))
    checked = RHS.format(ONE, "25:00.000", TIMED_OUT.format("ISALIVE", "a"))
    failed = "Online for resource a failed."
    ends = RHS.format(ONE, "{}", AND_ENDS.format("a"))
    # The place of the later lines: behind a gap, or earlier.
    for gap, time in (("...\n", "26:00.000"), ("", "21:00.000")):
        at = 4 if gap else 3
        before = (*HOSTED[:1], online, gap)
        assert incidents(*before, RHS.format(ONE, time, failed)) == [
            ("timed-out", "a", [2], []),
            ("failed", "a", [at], []),
        ]
        assert incidents(*before, RCM.format(time, MARKED.format("a"))) == [
            ("timed-out", "a", [2], []),
            ("crashed", "a", [at], []),
        ]
        before = (*HOSTED, checked, gap)
        restarted = RCM.format(time, RESTART.format("b"))
        assert incidents(*before, RHS.format(ONE, time, DUMPED), restarted) == [
            ("timed-out", "a", [3], []),
            ("crashed", None, [at + 1, at + 2], ["a", "b"]),
        ]
        assert incidents(*before, restarted) == [("timed-out", "a", [3], [])]
        assert incidents(*before, ends.format(time)) == [
            ("timed-out", "a", [3], []),
            ("timed-out", "a", [at + 1], ["b"]),
        ]


def test_a_process_that_ended_is_named_by_no_line_across_missing_lines() -> None:
    dumped = RHS.format(ONE, "25:00.000", DUMPED)
    for gap, time in (("...\n", "26:00.000"), ("", "21:00.000")):
        assert incidents(*HOSTED, dumped, gap, RCM.format(time, MARKED.format("b"))) == [
            ("crashed", None, [3], ["a", "b"]),
            ("crashed", "b", [5 if gap else 4], []),
        ]


def test_a_process_that_was_ending_is_another_one_where_the_time_goes_back() -> None:
    online = ONLINE.format("b")
    lines = (
        RHS.format(ONE, "20:00.000", online),
        RHS.format(ONE, "25:00.000", DUMPED),
        RHS.format(ONE, "21:00.000", online),
    )
    assert monitor_of_last(*lines) == "6656#2"
    assert monitors_in_trace(*lines) == ["6656#1", "6656#1", "6656#2"]
