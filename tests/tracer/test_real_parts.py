"""The parts of the real runtime that need no process: order of deadlines and steps, dumps, ends."""

from __future__ import annotations

import time

import pytest

from rhscheck.tracer.configuration import Timeouts
from rhscheck.tracer.events import (
    Command,
    Crashed,
    DumpWritten,
    Exit,
    Returned,
    Start,
    Tick,
    TimedOut,
    WriteDump,
)
from rhscheck.tracer.real.aftermath import Shadow
from rhscheck.tracer.real.agenda import Agenda, Due, Happened
from rhscheck.tracer.real.dump import Frame, crashed_operation, guilty, read_dump
from rhscheck.tracer.real.journal import RCM, Entry, Journal, NoteEntry, RcmEntry
from rhscheck.tracer.real.rhs_process import is_exhaustion
from rhscheck.tracer.real.standstill import Span, Standstill, common_standstill, overslept

DUMP = """\
the Terminate call did not return (it)
Timeout (0:00:03)!
Thread 0x00007f01 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 1119 in join
  File "/x/tracer/real/hosting.py", line 285 in _terminate
  File "/x/tracer/real/hosting.py", line 190 in _enter

Thread 0x00007f02 [worker] (most recent call first):
  File "/usr/lib/python3.11/socket.py", line 700 in recv
  File "/home/me/res.py", line 20 in ask
  File "/home/me/res.py", line 10 in work
  File "/x/tracer/real/hosting.py", line 300 in _work

Current thread 0x00007f03 (most recent call first):
  File "/home/me/res.py", line 33 in is_alive
  File "/x/tracer/plugin.py", line 213 in looks_alive
  File "/x/tracer/real/hosting.py", line 190 in _enter

Thread 0x00007f04 (most recent call first):
  File "/x/tracer/real/agenda.py", line 60 in next
cut of"""


def test_a_dump_names_the_plugins_frames_and_not_the_librarys() -> None:
    stacks = read_dump(DUMP)
    assert [len(one.frames) for one in stacks] == [3, 4, 3, 1]
    assert guilty(stacks, "IsAlive") == (Frame("/home/me/res.py", 33, "is_alive"),)
    assert guilty(stacks[:2], "Terminate") == (
        Frame("/home/me/res.py", 20, "ask"),
        Frame("/home/me/res.py", 10, "work"),
    )
    assert guilty(stacks[:1], "Terminate") == ()
    assert crashed_operation(stacks) == "LooksAlive"
    assert read_dump("") == ()


def agenda(tolerance_us: int) -> Agenda[str]:
    return Agenda(time.monotonic_ns() - 10**9, tolerance_us)  # one second ago


def test_a_deadline_seen_a_little_late_is_dated_when_it_was_due() -> None:
    one = agenda(tolerance_us=10**9)
    one.submit("later")
    due = one.next(900_000, 0.0)
    assert isinstance(due, Due)
    assert due.now_us == 900_000
    assert due.late_us >= 100_000
    event = one.next(None, 0.0)
    assert isinstance(event, Happened)
    assert event.event == "later"
    assert event.now_us >= 1_000_000
    assert one.next(None, 0.0) is None


def test_a_deadline_seen_too_late_shows_it() -> None:
    due = agenda(tolerance_us=1).next(500_000, 0.0)
    assert isinstance(due, Due)
    assert due.now_us >= 1_000_000
    assert due.now_us == 500_000 + due.late_us


def test_what_happened_before_a_deadline_goes_first() -> None:
    one = agenda(tolerance_us=10**9)
    one.submit("before")
    assert isinstance(one.next(one.clock_us() + 10_000, 0.0), Happened)


def test_the_journal_holds_a_step_back_until_nothing_can_come_before_it() -> None:
    told: list[Entry] = []
    journal = Journal([told.append])
    journal.open(RCM, 0)
    journal.open("shared/1", 0)
    step = [RcmEntry(at, Start(), []) for at in (5, 7, 9)]
    journal.add(RCM, step[0])
    journal.add(RCM, step[2])
    assert told == []
    journal.add("shared/1", step[1])
    assert told == step[:2]
    journal.reach("shared/1", 8)
    assert told == step[:2]
    journal.close("shared/1")
    assert told == step


def test_a_note_keeps_its_place_and_holds_no_step_back() -> None:
    told: list[Entry] = []
    journal = Journal([told.append])
    journal.open(RCM, 0)
    journal.open("shared/1", 0)
    early, late = (RcmEntry(at, Start(), []) for at in (5, 8))
    journal.note("shared/1", NoteEntry(6, "said"))
    journal.add("shared/1", early)  # a deadline that was due before, seen only now
    journal.reach(RCM, 9)
    assert told == [early]
    journal.add("shared/1", late)
    assert told == [early, NoteEntry(6, "said"), late]
    journal.note("shared/1", NoteEntry(7, "a thread that was overtaken"))
    journal.close("shared/1")
    assert told[3:] == [NoteEntry(8, "a thread that was overtaken")]


TIMES = Timeouts(call_us=100, pending_us=100, looks_alive_us=1000, is_alive_us=5000, dump_us=50)


def shadow_of_a_call() -> Shadow:
    """A process whose Open was called at 10 and has not returned."""
    shadow = Shadow(TIMES)
    shadow.follow(Command(1, "it", "Open"), 10)
    return shadow


def test_a_process_that_said_nothing_more_had_missed_its_deadline() -> None:
    steps = shadow_of_a_call().conclude(500, None, "", dumped=True)
    assert [(at, event) for at, event, _ in steps] == [(110, Tick()), (110, DumpWritten(True))]
    kinds = [type(effect) for _, _, effects in steps for effect in effects]
    assert TimedOut in kinds
    assert WriteDump in kinds
    assert kinds[-1] is Exit


def test_time_does_not_go_back_after_everything_stood_still() -> None:
    """The deadline at 110 was not seen before a step at 900: the process was stopped meanwhile."""
    shadow = shadow_of_a_call()
    shadow.follow(Command(2, "other", "Open"), 900)
    steps = shadow.conclude(950, None, "", dumped=True)
    assert [(at, event) for at, event, _ in steps] == [(900, Tick()), (900, DumpWritten(True))]
    assert shadow.ended


def test_a_process_that_died_in_a_call_crashed_in_it() -> None:
    shadow = shadow_of_a_call()
    call = shadow.call_of(None)
    assert call is not None
    steps = shadow.conclude(50, call.call, "killed", dumped=False)
    assert [event for _, event, _ in steps] == [Crashed(call.call, "killed"), DumpWritten(False)]
    assert shadow.ended


def test_a_process_that_died_between_calls_is_concluded_nothing_about() -> None:
    shadow = shadow_of_a_call()
    shadow.follow(Returned(1, 0), 20)
    assert shadow.call_of(None) is None
    assert shadow.conclude(10_000, None, "", dumped=True) == []


def test_no_call_is_invented_for_a_process_that_was_dead_when_it_was_due() -> None:
    shadow = shadow_of_a_call()
    shadow.follow(Returned(1, 0), 20)
    shadow.follow(Command(2, "it", "Online"), 30)
    shadow.follow(Returned(2, 0), 40)
    assert shadow.conclude(3_000, None, "", dumped=True) == []


def test_a_standstill_of_a_loop_is_told_from_a_wait() -> None:
    assert overslept(1_000_000, 200_000, 1_600_000) is None
    assert overslept(2_000_000, 200_000, 7_200_000) == Span(2_200_000, 7_200_000)


def test_a_watchdog_that_fired_behind_a_standstill_is_explained_by_it() -> None:
    one = Standstill()
    assert one.explains(1_600_000, 100) is None
    one.ended(7_200_000, 5_000_000)
    assert one.explains(7_210_000, 1_000_000) == 5_000_000
    assert one.explains(8_200_000, 1_000_000) is None  # the watchdog was started anew since
    assert one.explains(7_210_000, 11_000_000) is None  # it had waited for much longer


def test_only_time_in_which_all_stood_still_is_left_out() -> None:
    own = Span(2_000_000, 9_000_000)
    other = Span(3_000_000, 8_000_000)
    assert common_standstill(own, []) == own
    assert common_standstill(own, [lambda: other]) == other
    assert common_standstill(own, [lambda: other, lambda: "gone"]) == other
    assert common_standstill(own, [lambda: other, lambda: "went on"]) is None
    assert common_standstill(own, [lambda: Span(8_600_000, 9_900_000)]) is None
    assert common_standstill(own, [lambda: None], patience_s=0.0) is None


def test_a_clock_leaves_out_a_time_and_nothing_else() -> None:
    one = agenda(tolerance_us=0)
    one.submit("before")
    now_us = one.clock_us()
    one.submit("after")
    one.leave_out(Span(now_us - 400_000, now_us - 100_000))
    before, after = one.next(None, 0.0), one.next(None, 0.0)
    assert isinstance(before, Happened)
    assert isinstance(after, Happened)
    assert now_us - 400_000 <= before.now_us <= now_us - 300_000
    assert before.now_us <= after.now_us <= one.clock_us()
    assert [Span(5, 9).without(at) for at in (4, 5, 7, 9, 12)] == [4, 5, 5, 5, 8]


@pytest.mark.parametrize(
    ("error", "exhausted"),
    [
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("unable to start watchdog thread"), True),
        (RuntimeError("dictionary changed size during iteration"), False),
    ],
)
def test_a_loop_that_gets_no_thread_is_out_of_memory(
    error: BaseException, *, exhausted: bool
) -> None:
    """One for the C-level watchdog was missing: "its main loop could not go on"."""
    assert is_exhaustion(error) is exhausted
