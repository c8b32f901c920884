"""Several hosts in one recording: whose lines say what came first, and what that proves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import pytest

from rhscheck.spec.load import load
from rhscheck.traces import judge
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import (
    CallEvent,
    Clock,
    Ending,
    Event,
    Finish,
    GapEvent,
    Header,
    Malformed,
    NamedEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
)
from rhscheck.traces.judge import Judge
from rhscheck.traces.report import TraceReport

SYSTEM = load("rhs").system
ENGINE = Engine(SYSTEM, Setting())
SECOND = 1_000_000
START = Clock(epoch="start")
HEADER = Header(
    spec="rhs",
    clock={"A": START, "B": START, "P": START},
    complete=True,
    start="initial",
)


def begun(events: Sequence[Event], header: Header = HEADER) -> Judge:
    judge = Judge(SYSTEM, header, engine=ENGINE)
    numbered = [msgspec.structs.replace(one, seq=at) for at, one in enumerate(events, 1)]
    judge.feed_all(2, numbered)
    return judge


def judged(events: Sequence[Event], header: Header = HEADER, *, cut: bool = False) -> TraceReport:
    ending: Ending = "truncated" if cut else "complete"
    return begun(events, header).finish(Finish(ending, len(events) + 2, len(events), ending))


def lines_of(report: TraceReport) -> list[tuple[int, str | None]]:
    return [(one.line, one.rule) for one in report.findings if one.verdict == "violated"]


def call(host: str, ts: int, op: str, res: str) -> CallEvent:
    return CallEvent(ts=ts, seq=0, host=host, res=res, op=op)


def answer(host: str, ts: int, op: str, res: str, rc: int = 0) -> ReturnEvent:
    return ReturnEvent(ts=ts, seq=0, host=host, res=res, op=op, rc=rc)


def report(host: str, ts: int, state: str, res: str) -> StatusEvent:
    return StatusEvent(ts=ts, seq=0, host=host, res=res, op="SetResourceStatus", state=state)


def expiry(host: str, ts: int, op: str, res: str) -> TimeoutEvent:
    return TimeoutEvent(ts=ts, seq=0, host=host, res=res, op=op, cid=0)


def process(ts: int, name: str, number: int = 1) -> NamedEvent:
    return NamedEvent(ts=ts, seq=0, host="P", res=f"Process[{number}]", name=name)


ONE, TWO = "Resource[1]", "Resource[2]"
LATE = 300 * SECOND


# ---- found by the scorecard: legal runs in which lines of two hosts changed places ---------------
def test_a_process_that_another_host_saw_crash_at_the_moment_of_a_call() -> None:
    """Open of `Two` came first: then the process that hangs is that of both, and may report."""
    events = (
        call("A", 0, "Open", ONE),
        expiry("A", LATE, "Open", ONE),
        call("B", LATE, "Open", TWO),
        report("B", LATE + 56, "pending", TWO),
    )
    assert lines_of(judged(events)) == []
    # Had Open come later, the process would live, and nobody may report.
    later = (*events[:2], call("B", LATE + 1, "Open", TWO), events[3])
    assert lines_of(judged(later)) == [(5, "D2")]


def test_a_control_that_hung_on_another_host_at_the_moment_of_a_call() -> None:
    events = (
        call("A", 0, "Open", ONE),
        answer("A", 0, "Open", ONE),
        call("A", 0, "ResourceControl", ONE),
        expiry("A", LATE, "ResourceControl", ONE),
        call("B", LATE, "Open", TWO),
        report("B", LATE + 1, "failure", TWO),
    )
    assert lines_of(judged(events)) == []
    later = (*events[:4], call("B", LATE + 1, "Open", TWO), events[5])
    assert lines_of(judged(later)) == [(7, "D2")]


# ---- what is not proven yet ----------------------------------------------------------------------
def test_an_exit_that_stands_before_what_explains_it() -> None:
    """All lines of P, then all of A: the call that hung is told last."""
    events = (
        process(LATE + 10 * SECOND, "exit"),
        process(LATE + 20 * SECOND, "recover"),
        call("A", 0, "Open", ONE),
        expiry("A", LATE, "Open", ONE),
        call("A", LATE + 30 * SECOND, "Open", ONE),
        call("B", LATE + 30 * SECOND, "Open", TWO),
    )
    assert lines_of(judged(events)) == []
    # While A is silent it is not told, either: A may explain it.
    assert [len(begun(events[:end]).findings) for end in range(1, 7)] == [0] * 6
    # Without the call that hung nothing explains it.
    assert lines_of(judged((*events[:2], *events[4:]))) == [(2, None)]


def test_a_deadline_that_only_another_host_has_passed() -> None:
    """The call hangs for five minutes by the clock of B alone; A may have ended before."""
    events = (
        call("P", 0, "Open", "Resource[3]"),
        answer("P", 1, "Open", "Resource[3]"),
        call("A", 0, "Open", ONE),
        call("B", LATE + SECOND, "Open", TWO),
    )
    assert begun(events).findings == ()
    assert lines_of(judged(events)) == []
    cut = judged(events, cut=True)
    assert (cut.verdict, lines_of(cut)) == ("conforms-so-far", [])
    # A line of A itself proves it, once no other host can tell more.
    others = (call("B", LATE + 3 * SECOND, "Open", TWO),
              call("P", LATE + 3 * SECOND, "Open", "Resource[4]"))  # fmt: skip
    proven = (*events[:3], call("A", LATE + SECOND, "Open", "Resource[5]"), *others)
    assert lines_of(judged(proven, cut=True)) == [(5, "B3[Open]")]


def test_what_was_found_in_a_cut_recording_before_the_slowest_clock_is_proven() -> None:
    events = (
        call("A", 0, "Online", ONE),
        call("B", 1, "Open", TWO),
        process(2, "exit"),
        call("A", 3, "Open", "Resource[3]"),
    )
    early = judged(events[:2], cut=True)
    assert (early.verdict, lines_of(early)) == ("inconclusive", [])
    assert [one.line for one in early.findings] == [2, 2]
    assert lines_of(judged(events, cut=True)) == [(2, "R1"), (2, "R1strict")]


def test_clocks_that_may_differ() -> None:
    """The exit is told 1 s before the call that hung: possible if clocks may be so far apart."""
    events = (
        call("A", 0, "Open", ONE),
        process(LATE - SECOND, "exit"),
        expiry("A", LATE, "Open", ONE),
        call("B", LATE + SECOND, "Open", TWO),
    )
    assert lines_of(judged(events)) == [(3, None)]
    apart = {"A": Clock(epoch="start", skew_us=SECOND), "B": START, "P": START}
    assert lines_of(judged(events, msgspec.structs.replace(HEADER, clock=apart))) == []


def test_hosts_that_have_nothing_to_do_with_each_other_stay_judged() -> None:
    """Blocks of lines as each host's recorder wrote them; the fault is seen where it is."""
    block = (
        call("A", 0, "Open", ONE),
        answer("A", SECOND, "Open", ONE),
        call("A", 2 * SECOND, "IsAlive", ONE),
    )
    other = (call("B", 0, "Open", TWO), answer("B", SECOND, "Open", TWO))
    found = judged((*block, *other))
    assert {line for line, _ in lines_of(found)} == {4}
    assert found.judged == 4


# ---- names ---------------------------------------------------------------------------------------
def test_a_name_that_nobody_explains_is_one_resource_on_each_host() -> None:
    events = (
        call("A", 0, "Open", "Disk"),
        answer("A", 1, "Open", "Disk"),
        call("B", 2, "Open", "Disk"),
        answer("B", 3, "Open", "Disk"),
    )
    found = judged(events)
    assert lines_of(found) == []
    assert [one.name for one in found.resources] == ["Disk", "Disk (B)"]
    assert [one.events for one in found.resources] == [2, 2]
    twice = judged((*events[:2], call("B", 2, "Terminate", "Disk")))
    assert {one.resource for one in twice.findings} == {"Disk (B)"}


# ---- one host ------------------------------------------------------------------------------------
def test_threads_of_one_host_whose_stamps_do_not_ascend() -> None:
    """The expiry was stamped before, and written after, what it explains."""
    header = msgspec.structs.replace(HEADER, clock={"A": START})
    events = (
        call("A", 0, "Open", ONE),
        call("A", LATE - 1, "Open", TWO),
        report("A", LATE + 56, "pending", TWO),
        expiry("A", LATE, "Open", ONE),
    )
    assert lines_of(judged(events, header)) == []


@pytest.mark.parametrize(("epoch", "verdict"), [("start", "violated"), ("unix", "inconclusive")])
def test_a_clock_that_goes_back(epoch: str, verdict: str) -> None:
    """A clock that counts from the start cannot; one of the day may have been set."""
    header = msgspec.structs.replace(HEADER, clock={"A": Clock(epoch=epoch)})
    found = judged((call("A", 9, "Open", ONE), answer("A", 8, "Open", ONE)), header)
    assert found.verdict == verdict
    told = " ".join((*found.notes, *(text for one in found.findings for text in one.unmet)))
    assert "the clock goes back, from 00:00:00.000009 to 00:00:00.000008" in told


def test_clocks_that_go_back_all_the_time_are_not_followed_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judge, "_MOST_SET_BACKS", 3)
    clock = Clock(epoch="unix")
    header = msgspec.structs.replace(HEADER, clock={"A": clock})
    events: list[Event] = [call("A", 100 * SECOND, "Open", "R")]
    events += [answer("A", (99 - at) * SECOND, "Open", "R") for at in range(6)]
    report = judged(events, header)
    note = "the clocks go back more than 3 times: nothing more is judged"
    assert (note in report.notes, report.verdict) == (True, "inconclusive")
    assert note not in judged(events[:4], header).notes


# ---- lines that stand in the file before earlier ones --------------------------------------------
UNDATED = Header(
    spec="rhs", clock={"A": Clock(), "B": Clock()}, complete=True, start="initial", n=2
)
LATER_FIRST = (
    call("A", 10 * SECOND, "Open", ONE),
    call("B", 1 * SECOND, "Open", TWO),
    answer("A", 10 * SECOND + 1, "Open", ONE),
    expiry("B", 301 * SECOND, "Open", TWO),
    call("A", 302 * SECOND, "ResourceControl", ONE),
)


@pytest.mark.parametrize("start", ["initial", "unknown"])
def test_a_host_whose_first_line_is_not_the_first_of_the_file(
    start: Literal["initial", "unknown"],
) -> None:
    """Its resources begin with its own first line, not with that of another host."""
    header = msgspec.structs.replace(UNDATED, start=start)
    assert lines_of(judged(LATER_FIRST, header)) == []
    skewed = msgspec.structs.replace(header, clock={"A": Clock(skew_us=20 * SECOND), "B": Clock()})
    assert lines_of(judged(LATER_FIRST, skewed)) == []
    # Five seconds more than its time.
    overdue = (*LATER_FIRST[:3], answer("B", 306 * SECOND, "Open", TWO), LATER_FIRST[4])
    found = [(one.line, one.rule) for one in judged(overdue, header).findings]
    assert (5, "B3[Open]") in found


@pytest.mark.parametrize("missing", ["gap", "unreadable"])
def test_lines_that_are_missing_later_than_another_host_has_got(missing: str) -> None:
    """Where its lines are missing is known by its own clock alone."""
    both = msgspec.structs.replace(HEADER, clock={"A": START, "B": START}, n=2)
    judge = Judge(SYSTEM, both, engine=ENGINE)
    judge.feed(2, call("A", 9 * SECOND, "Open", ONE))
    if missing == "gap":
        judge.feed(3, GapEvent(ts=10 * SECOND, seq=0, host="A", why="disk full"))
    else:
        judge.unreadable(Malformed(3, 1, "not JSON"))
    later: tuple[Event, ...] = (
        answer("A", 10 * SECOND, "Open", ONE),
        LATER_FIRST[1],
        *LATER_FIRST[3:],
    )
    for line, event in enumerate(later, 4):
        judge.feed(line, event)
    assert lines_of(judge.finish(Finish("complete", 9, 7, ""))) == []


# ---- times that are not exact --------------------------------------------------------------------
EXACT = msgspec.structs.replace(HEADER, clock={"A": START})


def within(event: Event, low: int, high: int) -> Event:
    return msgspec.structs.replace(event, ts=None, ts_lo=low, ts_hi=high)


def test_an_event_that_may_have_come_after_the_one_before_did() -> None:
    opened = answer("A", 0, "Open", ONE)
    assert lines_of(judged((call("A", 1000, "Open", ONE), within(opened, 500, 2000)), EXACT)) == []
    first = within(call("A", 0, "Open", ONE), 900, 1100)
    assert lines_of(judged((first, within(opened, 800, 1200)), EXACT)) == []
    report = judged((first, within(opened, 800, 899)), EXACT)
    assert [one.unmet for one in report.findings if one.verdict == "violated"] == [
        ("the clock goes back, from 00:00:00.000900 to 00:00:00.000800",)
    ]


def test_what_is_due_at_once_may_come_at_the_end_of_the_moment_before() -> None:
    """The control may have returned at the very moment of the poll that waited for it."""
    online = (
        call("A", 0, "Open", ONE), answer("A", 0, "Open", ONE),
        call("A", 0, "Online", ONE), answer("A", 0, "Online", ONE),
        call("A", 5 * SECOND, "ResourceControl", ONE),
    )  # fmt: skip
    back = within(answer("A", 0, "ResourceControl", ONE), 70 * SECOND - 1, 70 * SECOND)
    polled = call("A", 70 * SECOND, "IsAlive", ONE)
    assert lines_of(judged((*online, back, polled), EXACT)) == []
    late = call("A", 70 * SECOND + 1, "IsAlive", ONE)
    assert lines_of(judged((*online, back, late), EXACT)) != []
