"""What a log tells about durations, hosts, neighbours, repetitions; lines of published shapes."""

from __future__ import annotations

from io import BytesIO

import pytest

from rhscheck.traces.audit.durations import Limits, spans
from rhscheck.traces.audit.report import clock_text, entry_text
from rhscheck.traces.audit.story import Story
from rhscheck.traces.format import Event, ReturnEvent, StateEvent, StatusEvent
from rhscheck.traces.logmap import events as event_making
from rhscheck.traces.logmap.events import EventMaker
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LogReader

RCM = "00000fe4.00001a10::2024/05/06-10:{} INFO  [RCM] {}\n"
RHS = "{}.00001b10::2024/05/06-10:{} INFO  [RHS] {}\n"
ONE, TWO = "00001a00", "00001b00"
STATUS = (
    "Resource d called SetResourceStatusEx: checkpoint {}. Old state OnlinePending, new state {}, "
    "AppSpErrorCode 0, Flags 0, nores=false"
)

USUAL = Limits(call_us=300_000_000, silence_us=180_000_000)


def told(*lines: str) -> tuple[Story, list[Event]]:
    reader, story, maker = LogReader(load_map("clusterlog")), Story(USUAL), EventMaker()
    events: list[Event] = []
    for sighting in reader.read(BytesIO("".join(lines).encode())):
        story.take(sighting)
        events += maker.events(sighting)
    story.finish()
    return story, events


def test_a_pending_online() -> None:
    story, events = told(
        RCM.format("00:00.000", "Issuing Online(d) to RHS."),
        RCM.format("00:02.000", "HandleMonitorReply: ONLINERESOURCE for 'd', gen(0) result 997/0."),
        RHS.format(ONE, "01:00.000", STATUS.format(2, "OnlinePending")),
        RHS.format(ONE, "03:10.000", STATUS.format(2, "OnlinePending")),
        RHS.format(ONE, "04:00.000", "Resource d has come online. RHS is about to report status "
                   "change to RCM"),
    )  # fmt: skip
    resource = story.resources["d"]
    longest = {
        name: (one.used_us, one.limit_us, one.at_most, one.start.line, one.end.line)
        for name, (one, _) in spans(resource).items()
    }
    assert longest == {
        "Online": (2_000_000, 300_000_000, True, 1, 2),
        "silence": (130_000_000, 180_000_000, False, 3, 4),
    }
    counts = {name: count for name, (_, count) in spans(resource).items()}
    assert counts == {"Online": 1, "silence": 3}
    assert resource.monitor == "6656#1"
    assert (resource.open, resource.pending) == ((), None)
    # The second report has the check point of the first; the end is a report, not a return.
    kinds = [(type(one), getattr(one, "state", None), getattr(one, "rc", None)) for one in events]
    assert kinds[1:] == [
        (ReturnEvent, None, 997),
        (StatusEvent, "pending", None),
        (StatusEvent, "repeated", None),
        (StatusEvent, "success", None),
    ]


def test_an_online_that_does_not_pend() -> None:
    asked = RCM.format("00:00.000", "Issuing Online(d) to RHS.")
    story, events = told(
        asked,
        RHS.format(ONE, "04:51.000", "Resource d has come online. RHS is about to report status "
                   "change to RCM"),
    )  # fmt: skip
    ((span, _),) = spans(story.resources["d"]).values()
    assert (span.used_us, span.at_most) == (291_000_000, True)
    last = events[-1]
    assert isinstance(last, ReturnEvent)
    assert (last.op, last.rc, last.cid, last.mon) == ("Online", 0, 1, "6656#1")
    assert last.src is not None
    assert (last.src.l, last.src.o) == (2, len(asked))


def test_a_change_of_state_in_two_spellings_counts_once() -> None:
    change = "TransitionToState(d) Offline-->OnlineCallIssued."
    other = "Res d: Offline -> OnlineCallIssued( StateUnknown )"
    back = "TransitionToState(d) OnlineCallIssued-->Offline."
    story, events = told(
        RCM.format("00:00.000", other),
        RCM.format("00:00.000", change),
        RCM.format("00:01.000", back),
        RCM.format("00:02.000", change),
        RCM.format("00:02.000", other),
    )
    assert [entry.line for entry in story.resources["d"].timeline] == [1, 3, 4]
    assert [type(one) for one in events] == [StateEvent] * 3
    assert story.events == 3


def test_a_process_that_ends_takes_only_its_own_with_it() -> None:
    online = "Resource {} has come online. RHS is about to report status change to RCM"
    gone = "Cluster service has terminated. Cluster.Service.Running.Event got signaled."
    story, _ = told(
        RHS.format(ONE, "00:00.000", online.format("d")),
        RHS.format(TWO, "00:00.000", online.format("e")),
        RHS.format(ONE, "00:01.000", gone),
        RHS.format(ONE, "09:00.000", online.format("d")),
    )
    assert [entry_text(one.told) for one in story.resources["d"].timeline] == [
        "Online succeeded",
        "the monitor ends: the cluster service has gone",
        "Online succeeded",
    ]
    # The same process id after its end is another process.
    assert story.resources["d"].monitor == "6656#2"
    assert story.resources["e"].monitor == "6912#1"
    assert len(story.resources["e"].timeline) == 1


def test_nothing_is_measured_across_a_gap() -> None:
    story, _ = told(
        RCM.format("00:00.000", "Issuing Online(d) to RHS."),
        "...\n",
        RHS.format(ONE, "04:51.000", "Resource d has come online. RHS is about to report status "
                   "change to RCM"),
        RCM.format("05:00.000", "Issuing Offline(d) to RHS."),
        RCM.format("01:00.000", "Issuing Online(e) to RHS."),
    )  # fmt: skip
    assert spans(story.resources["d"]) == {}
    assert story.resources["d"].open == ()
    assert [place.line for place in story.gaps] == [2]
    assert [place.line for place in story.backwards] == [5]


def test_the_dlls_own_record_of_a_call_is_the_call_that_rcm_asked_for() -> None:
    script = "00001a00.00001b10::2024/05/06-10:{} INFO  [RES] Generic Script <d>: Entering {}"
    story, events = told(
        RCM.format("00:00.000", "Issuing Online(d) to RHS."),
        script.format("00:04.000", "Online function of [x].\n"),
        RHS.format(ONE, "00:05.000", "Resource d has come online. RHS is about to report status "
                   "change to RCM"),
    )  # fmt: skip
    assert [type(one).__name__ for one in events] == ["CallEvent", "NoteEvent", "ReturnEvent"]
    ((span, _),) = spans(story.resources["d"]).values()
    assert (span.used_us, span.at_most) == (1_000_000, False)


def test_records_that_were_wrapped() -> None:
    story, _ = told(
        RCM.format("00:00.000", "Issuing Online(a long name) to RHS."),
        "00000fe4.00001a10::2024/05/06-10:00:00.000 INFO  [RCM]\nTransitionToState(a long\n",
        "name) Offline-->OnlineCallIssued.\n",
        RCM.format("00:01.000", "Issuing Online(b) to RHS."),
        "00000fe4.00001a10::2024/05/06-10:00:02.000 INFO  [RCM] TransitionToState(b) Offl\n",
        "ine-->OnlineCallIssued.\n",
    )
    assert list(story.resources) == ["a long name", "b"]
    assert entry_text(story.resources["b"].timeline[1].told) == "Offline → OnlineCallIssued"
    assert entry_text(story.resources["a long name"].timeline[1].told) == (
        "Offline → OnlineCallIssued"
    )


def test_only_the_debug_log_of_a_report_with_sections_counts() -> None:
    reader = LogReader(load_map("clusterlog"))
    text = (
        "[=== Cluster ===]\nCurrent node: name (SVR1) id (1)\nBuild Number 20348\n"
        "[=== System ===]\n"
        + RCM.format("00:00.000", "Issuing Online(old) to RHS.")
        + "[=== Cluster Logs ===]\n"
        + RCM.format("00:01.000", "Issuing Online(d) to RHS.")
    )
    found = [one.reading.told[0].res for one in reader.read(BytesIO(text.encode("utf-16")))]
    assert found == ["d"]
    assert (reader.about.node, reader.about.build) == ("SVR1", "20348")


def test_times_as_text() -> None:
    assert clock_text(1_500_000, dated=True, local=False) == "1970-01-01T00:00:01.500Z"
    assert clock_text(1_500_000, dated=True, local=True) == "1970-01-01T00:00:01.500"
    assert clock_text(86_401_500_000, dated=False, local=False) == "00:00:01.500 (+1 d)"
    assert clock_text(1 << 62, dated=True, local=False) is None
    assert clock_text(None, dated=True, local=False) is None


def test_processes_that_are_told_apart_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more processes than that one that comes back is taken for another."""
    monkeypatch.setattr(event_making, "MAX_PROCESSES", 2)
    lines = [
        RHS.format(f"{pid:08x}", f"0{at}:00.000", STATUS.format(at, "OnlinePending"))
        for at, pid in enumerate((16, 32, 16, 48, 16, 64))
    ]
    _, events = told(*lines)
    assert [one.mon for one in events] == ["16#1", "32#1", "16#1", "48#2", "16#2", "64#3"]


# ---- whose end a line is -------------------------------------------------------------------------
def longest(story: Story) -> dict[str, tuple[float, int, int]]:
    """Seconds, first and last line, of `d`."""
    measured = spans(story.resources["d"])
    return {
        name: (one.used_us / 1e6, one.start.line, one.end.line)
        for name, (one, _) in measured.items()
    }


ASKED = "Issuing {}(d) to RHS."
CAME = "Resource d has come {}. RHS is about to report status change to RCM"


def test_an_online_that_is_over_ends_the_offline_asked_for_before() -> None:
    story, _ = told(
        RCM.format("00:00.000", ASKED.format("Offline")),
        RCM.format("30:00.000", ASKED.format("Online")),
        RHS.format(ONE, "30:02.000", CAME.format("online")),
        RHS.format(ONE, "50:00.000", CAME.format("offline")),
    )
    assert longest(story) == {"Online": (2.0, 2, 3)}


def test_an_offline_that_nobody_saw_begin_ends_the_online_asked_for_before() -> None:
    story, _ = told(
        RCM.format("00:00.000", ASKED.format("Online")),
        RHS.format(ONE, "20:00.000", CAME.format("offline")),
        RHS.format(ONE, "50:00.000", CAME.format("online")),
    )
    assert longest(story) == {}


def test_an_online_asked_for_while_offline_runs_is_measured() -> None:
    story, _ = told(
        RCM.format("00:00.000", ASKED.format("Offline")),
        RCM.format("00:01.000", ASKED.format("Online")),
        RHS.format(ONE, "00:02.000", CAME.format("offline")),
        RHS.format(ONE, "00:05.000", CAME.format("online")),
    )
    assert longest(story) == {"Offline": (2.0, 1, 3), "Online": (4.0, 2, 4)}


def test_what_another_process_was_asked_for_does_not_end_here() -> None:
    story, _ = told(
        RHS.format(ONE, "00:00.000", CAME.format("offline")),
        RCM.format("01:00.000", ASKED.format("Online")),
        RHS.format(TWO, "59:00.000", CAME.format("online")),
    )
    assert longest(story) == {}


def test_what_is_asked_for_after_the_process_has_ended_does() -> None:
    story, _ = told(
        RHS.format(ONE, "00:00.000", CAME.format("offline")),
        RHS.format(ONE, "00:30.000", "WER report is submitted. Result : WerReportQueued."),
        RCM.format("01:00.000", ASKED.format("Online")),
        RHS.format(TWO, "01:09.000", CAME.format("online")),
    )
    assert longest(story) == {"Online": (9.0, 3, 4)}


def test_a_resource_that_is_opened_again_is_not_in_the_call_of_before() -> None:
    story, _ = told(
        RCM.format("00:00.000", ASKED.format("Online")),
        RCM.format("02:00.000", "rcm::RcmResource::ReattachToMonitorProcess: (d, Online)"),
        RHS.format(ONE, "04:00.000", CAME.format("online")),
    )
    assert longest(story) == {}


def test_a_call_that_reported_its_end_is_not_measured_until_rhs_reports_it() -> None:
    story, events = told(
        RCM.format("00:00.000", ASKED.format("Online")),
        RHS.format(ONE, "01:00.000", STATUS.format(2, "OnlinePending")),
        RHS.format(ONE, "03:30.000", STATUS.format(3, "OnlinePending")),
        RHS.format(ONE, "08:00.000", STATUS.format(4, "Online")),
        RHS.format(ONE, "08:00.001", CAME.format("online")),
    )
    assert longest(story) == {"silence": (270.0, 3, 4)}
    assert story.resources["d"].open == ()
    kinds = [(type(one).__name__, getattr(one, "state", None)) for one in events[1:]]
    assert kinds == [
        ("StatusEvent", "pending"),
        ("StatusEvent", "pending"),
        ("StatusEvent", "success"),
        ("NoteEvent", None),
    ]


def test_a_change_of_state_is_the_same_print_within_a_minute() -> None:
    first = "Res d: Offline -> OnlineCallIssued( StateUnknown )"
    again = "TransitionToState(d) Offline-->OnlineCallIssued."
    story, events = told(
        RCM.format("00:00.000", first),
        RCM.format("00:00.900", again),
        RCM.format("40:00.000", first),
        RCM.format("40:00.001", again),
    )
    assert [one.line for one in story.resources["d"].timeline] == [1, 3]
    assert [type(one) for one in events] == [StateEvent, StateEvent]
    assert story.events == 2
