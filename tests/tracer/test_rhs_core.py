"""The decisions of RHS, one by one: what it does about each event, exactly."""

from __future__ import annotations

import pytest

from rhscheck.tracer.configuration import MINUTE, SECOND, Timeouts
from rhscheck.tracer.events import (
    CONTINUE,
    INVALID_STATE,
    IO_PENDING,
    OPERATION_ABORTED,
    RESOURCE_FAILED,
    TERMINATE,
    TIMED_OUT,
    Answer,
    CallEntry,
    Command,
    Crashed,
    DumpWritten,
    Exit,
    HandleSeen,
    ManagerGone,
    Notice,
    Reply,
    Returned,
    RhsEffect,
    Signaled,
    Status,
    Stop,
    Tick,
    TimedOut,
    Unwatch,
    Watch,
    WriteDump,
)
from rhscheck.tracer.rhs_core import RhsCore

CALL, SILENCE, LOOKS, IS_ALIVE = 5 * MINUTE, 3 * MINUTE, 5 * SECOND, 60 * SECOND


def opened(*names: str) -> RhsCore:
    """A core in which these resources (default: `a`) are open and offline at time 0."""
    core = RhsCore(Timeouts())
    for at, name in enumerate(names or ("a",), 1):
        core.step(Command(at, name, "Open"), 0)
        core.step(Returned(at, 0), 0)
    return core


def onlining() -> RhsCore:
    """Online of `a` is in progress since time 0, as call 2 for request 10."""
    core = opened()
    core.step(Command(10, "a", "Online"), 0)
    return core


def pending() -> RhsCore:
    core = onlining()
    core.step(Returned(2, IO_PENDING), 0)
    return core


def online() -> RhsCore:
    """`a` is polled since time 0; the next call is number 3."""
    core = onlining()
    core.step(Returned(2, 0), 0)
    return core


def failed() -> RhsCore:
    core = onlining()
    core.step(Returned(2, 5), 0)
    return core


def calls(effects: list[RhsEffect]) -> list[str]:
    return [one.op for one in effects if isinstance(one, CallEntry)]


def answers(effects: list[RhsEffect]) -> list[tuple[int, int]]:
    return [(one.request, one.rc) for one in effects if isinstance(one, Reply)]


# ---- calls and states ----------------------------------------------------------------------------
def test_online_directly() -> None:
    assert onlining().step(Returned(2, 0), 9) == [
        Notice("a", "Online", "Online succeeded"),
        Reply(10, "a", "Online", 0),
    ]


def test_online_in_a_worker() -> None:
    core = onlining()
    assert core.step(Returned(2, IO_PENDING), 9) == [
        Notice("a", "OnlinePending", "Online is pending"),
        Reply(10, "a", "Online", IO_PENDING),
    ]
    assert core.step(Status(1, "a", "Online"), 10) == [
        Answer(1, CONTINUE),
        Notice("a", "Online", "Online succeeded"),
    ]


def test_online_fails() -> None:
    assert onlining().step(Returned(2, 5), 9) == [
        Notice("a", "Failed", "Online returned 5"),
        Reply(10, "a", "Online", 5),
    ]


def test_a_worker_reports_a_state_nobody_asked_for() -> None:
    assert pending().step(Status(1, "a", "Offline"), 9) == [
        Answer(1, CONTINUE),
        Notice("a", "Failed", "the worker reported the failure of Online"),
    ]


@pytest.mark.parametrize("op", ["Close", "Online", "Offline", "Terminate", "ResourceControl"])
def test_nothing_before_open(op: str) -> None:
    core = RhsCore(Timeouts())
    assert core.step(Command(7, "a", op), 0) == [Reply(7, "a", op, INVALID_STATE)]  # type: ignore[arg-type]


def test_an_open_that_fails_may_be_tried_again() -> None:
    core = RhsCore(Timeouts())
    core.step(Command(1, "a", "Open"), 0)
    assert core.step(Returned(1, 2), 0) == [Reply(1, "a", "Open", 2)]
    assert core.step(Command(2, "a", "Open", recover=True), 0) == [
        CallEntry(2, "a", "Open", recover=True)
    ]


def test_nothing_after_close() -> None:
    core = opened()
    core.step(Command(2, "a", "Close"), 0)
    core.step(Returned(2, 0), 0)
    assert core.step(Command(3, "a", "Open"), 0) == [Reply(3, "a", "Open", INVALID_STATE)]


def test_close_waits_for_a_running_control() -> None:
    core = opened()
    core.step(Command(2, "a", "ResourceControl"), 0)
    assert core.step(Command(3, "a", "Close"), 0) == []
    assert calls(core.step(Returned(2, 0), 1)) == ["Close"]


# ---- serialisation -------------------------------------------------------------------------------
def test_controls_wait_while_online_is_in_progress() -> None:
    core = onlining()
    assert core.step(Command(11, "a", "ResourceControl", code=7), 1) == []
    assert core.step(Returned(2, IO_PENDING), 2)[-1] == CallEntry(3, "a", "ResourceControl", code=7)


def test_a_due_poll_takes_the_free_slot_before_a_command() -> None:
    core = online()
    core.step(Command(11, "a", "ResourceControl"), 1)
    assert core.step(Tick(), LOOKS) == []
    assert core.step(Command(12, "a", "Offline"), LOOKS + 1) == []
    assert calls(core.step(Returned(3, 0), LOOKS + 2)) == ["LooksAlive"]
    assert calls(core.step(Returned(4, 0), LOOKS + 3)) == ["Offline"]


def test_resources_do_not_wait_for_each_other() -> None:
    core = opened("a", "b")
    core.step(Command(3, "a", "ResourceControl"), 0)
    assert calls(core.step(Command(4, "b", "ResourceControl"), 0)) == ["ResourceControl"]


# ---- health --------------------------------------------------------------------------------------
def test_polls_start_an_interval_after_online_and_count_from_start_to_start() -> None:
    core = online()
    assert core.next_due_us == LOOKS
    assert calls(core.step(Tick(), LOOKS)) == ["LooksAlive"]
    core.step(Returned(3, 0), LOOKS + 2 * SECOND)
    assert core.next_due_us == 2 * LOOKS


def test_a_failed_looksalive_leads_to_isalive_at_once() -> None:
    core = online()
    core.step(Tick(), LOOKS)
    assert core.step(Returned(3, 1), LOOKS + 1) == [CallEntry(4, "a", "IsAlive")]
    assert core.step(Returned(4, 0), LOOKS + 2) == []
    assert core.next_due_us == 2 * LOOKS


def test_isalive_confirms_the_failure() -> None:
    core = online()
    core.step(Tick(), LOOKS)
    core.step(Returned(3, 1), LOOKS)
    assert core.step(Returned(4, 1), LOOKS) == [
        Notice("a", "Failed", "IsAlive confirmed the failure")
    ]
    assert core.next_due_us is None


def test_isalive_goes_first_when_both_are_due() -> None:
    core = online()
    core.step(Command(11, "a", "ResourceControl"), 0)
    core.step(Tick(), LOOKS)
    core.step(Tick(), IS_ALIVE)
    assert calls(core.step(Returned(3, 0), IS_ALIVE)) == ["IsAlive"]
    assert calls(core.step(Returned(4, 0), IS_ALIVE)) == ["LooksAlive"]


def test_a_health_handle_replaces_polling() -> None:
    core = onlining()
    assert core.step(Returned(2, 0, handle=70), 0)[0] == Watch("a", 70)
    assert core.next_due_us is None
    assert core.step(Signaled("a", 70), 9) == [
        HandleSeen("a"),
        Unwatch("a", 70),
        Notice("a", "Failed", "its health handle is signalled"),
    ]


def test_the_signal_of_an_earlier_handle_is_ignored() -> None:
    core = onlining()
    core.step(Returned(2, 0, handle=70), 0)
    assert core.step(Signaled("a", 69), 9) == []


def test_a_signal_after_offline_was_called_is_ignored() -> None:
    core = onlining()
    core.step(Returned(2, 0, handle=70), 0)
    core.step(Command(11, "a", "Offline"), 1)
    assert core.step(Signaled("a", 70), 2) == []


# ---- the decisions of the notes, by name -------------------------------------------------------
def test_early_status_decides_when_997_is_returned() -> None:
    core = onlining()
    assert core.step(Status(1, "a", "Online", handle=70), 1) == [Answer(1, CONTINUE)]
    assert core.step(Returned(2, IO_PENDING), 2) == [
        Watch("a", 70),
        Notice("a", "Online", "Online succeeded"),
        Reply(10, "a", "Online", IO_PENDING),
    ]


def test_stale_status_changes_nothing() -> None:
    core = pending()
    core.step(Tick(), SILENCE)
    assert core.step(Status(1, "a", "Online"), SILENCE + 1) == [Answer(1, TERMINATE)]
    assert answers(core.step(Command(12, "a", "Offline"), SILENCE + 2)) == [(12, RESOURCE_FAILED)]


def test_late_return_ends_the_call_and_nothing_else() -> None:
    core = onlining()
    core.step(Tick(), CALL)
    assert core.step(Returned(2, 0), CALL + 1) == []
    assert answers(core.step(Command(12, "a", "Online"), CALL + 2)) == [(12, RESOURCE_FAILED)]


def test_straggler_blocks_the_next_online() -> None:
    core = onlining()
    core.step(Tick(), CALL)
    core.step(Command(12, "a", "Terminate"), CALL)
    core.step(Returned(3, 0), CALL)
    assert answers(core.step(Command(13, "a", "Online"), CALL)) == [(13, INVALID_STATE)]
    core.step(Returned(2, 5), CALL)
    assert calls(core.step(Command(14, "a", "Online"), CALL)) == ["Online"]


def test_a_worker_that_outlives_terminate_blocks_the_next_online_and_close() -> None:
    core = pending()
    core.step(Command(12, "a", "Terminate"), 1)
    core.step(Returned(3, 0), 2)
    assert answers(core.step(Command(13, "a", "Online"), 3)) == [(13, INVALID_STATE)]
    assert answers(core.step(Command(14, "a", "Close"), 3)) == [(14, INVALID_STATE)]
    core.step(Status(1, "a", "Failed"), 4)
    assert calls(core.step(Command(15, "a", "Close"), 5)) == ["Close"]


def test_terminate_overtakes_what_was_never_called() -> None:
    core = onlining()
    core.step(Command(11, "a", "ResourceControl"), 1)
    effects = core.step(Command(12, "a", "Terminate"), 2)
    assert answers(effects) == [(10, OPERATION_ABORTED), (11, OPERATION_ABORTED)]
    assert calls(effects) == ["Terminate"]


def test_a_second_terminate_joins_the_first() -> None:
    core = failed()
    assert calls(core.step(Command(11, "a", "Terminate"), 1)) == ["Terminate"]
    assert core.step(Command(12, "a", "Terminate"), 2) == []
    assert core.step(Returned(3, 0), 3) == [
        Notice("a", "Offline", "Terminate returned"),
        Reply(11, "a", "Terminate", 0),
        Reply(12, "a", "Terminate", 0),
    ]


def test_terminate_of_an_offline_resource_ends_only_what_waits() -> None:
    core = opened()
    core.step(Command(2, "a", "ResourceControl"), 0)
    core.step(Command(3, "a", "Online"), 0)
    assert core.step(Command(4, "a", "Terminate"), 1) == [
        Reply(3, "a", "Online", OPERATION_ABORTED),
        Reply(4, "a", "Terminate", 0),
    ]


def test_terminate_does_not_wait_for_the_slot() -> None:
    core = online()
    core.step(Tick(), LOOKS)
    assert calls(core.step(Command(11, "a", "Terminate"), LOOKS + 1)) == ["Terminate"]
    assert core.step(Returned(3, 1), LOOKS + 2) == []


def test_a_return_at_the_deadline_wins_if_it_comes_first() -> None:
    core = onlining()
    assert core.next_due_us == CALL
    assert answers(core.step(Returned(2, 0), CALL)) == [(10, 0)]


def test_controls_to_a_failed_resource_are_refused_and_never_made() -> None:
    core = onlining()
    core.step(Command(11, "a", "ResourceControl"), 1)
    assert answers(core.step(Returned(2, 5), 2)) == [(11, RESOURCE_FAILED), (10, 5)]
    assert answers(core.step(Command(12, "a", "ResourceControl"), 3)) == [(12, RESOURCE_FAILED)]


# ---- time ----------------------------------------------------------------------------------------
def test_deadlock_of_online_does_not_end_the_process() -> None:
    core = onlining()
    assert core.step(Tick(), CALL) == [
        TimedOut("a", "Online", 2, CALL),
        Notice("a", "Failed", "Online did not return in time", "Online"),
        Reply(10, "a", "Online", TIMED_OUT),
    ]
    assert core.next_due_us is None


def test_silence_of_a_pending_resource() -> None:
    core = pending()
    core.step(Status(1, "a", "OnlinePending", 1), 2 * MINUTE)
    assert core.next_due_us == 2 * MINUTE + SILENCE
    assert core.step(Tick(), 2 * MINUTE + SILENCE) == [
        TimedOut("a", "Online", None, SILENCE),
        Notice("a", "Failed", "the pending Online was silent for too long", "Online"),
    ]


def test_the_lower_of_both_times_counts_as_silence() -> None:
    core = RhsCore(Timeouts(call_us=MINUTE, pending_us=3 * MINUTE))
    core.step(Command(1, "a", "Open"), 0)
    core.step(Returned(1, 0), 0)
    core.step(Command(2, "a", "Online"), 0)
    core.step(Returned(2, IO_PENDING), 0)
    assert core.next_due_us == MINUTE


def test_deadlock_of_any_other_call_ends_the_process_after_its_dump() -> None:
    core = failed()
    core.step(Command(11, "a", "Terminate"), 0)
    text = "Terminate did not return in time"
    assert core.step(Tick(), CALL) == [
        TimedOut("a", "Terminate", 3, CALL),
        Notice("a", "Terminating", text, "Terminate", dying=True),
        WriteDump("a", "Terminate", text),
    ]
    assert core.step(DumpWritten(), CALL + 1) == [Exit("deadlock", dump=True)]


def test_a_dump_that_is_never_written_does_not_keep_the_process() -> None:
    core = failed()
    core.step(Command(11, "a", "Terminate"), 0)
    core.step(Tick(), CALL)
    assert core.next_due_us == CALL + MINUTE
    assert core.step(Tick(), CALL + MINUTE) == [Exit("deadlock", dump=False)]


def test_a_dying_process_calls_nobody_and_answers_nobody() -> None:
    core = opened("a", "b")
    core.step(Command(3, "a", "ResourceControl"), 0)
    core.step(Tick(), CALL)
    assert core.step(Command(4, "b", "Online"), CALL) == []
    assert core.step(Returned(3, 0), CALL) == []
    assert core.step(Status(1, "b", "Online"), CALL) == [Answer(1, TERMINATE)]


def test_a_crash_ends_the_process_for_all_its_resources() -> None:
    core = opened("a", "b")
    core.step(Command(3, "a", "ResourceControl"), 0)
    text = "ResourceControl ended in a crash: 0xc0000005"
    assert core.step(Crashed(3, "0xc0000005"), 1) == [
        Notice("a", "Offline", text, dying=True),
        WriteDump("a", "ResourceControl", text),
    ]
    assert core.step(DumpWritten(ok=False), 2) == [Exit("crash", dump=False)]


def test_stop_and_the_loss_of_rcm_end_the_process() -> None:
    assert opened().step(Stop(), 1) == [Exit("stop", dump=False)]
    assert online().step(ManagerGone(), 1) == [Exit("manager-gone", dump=False)]


def test_a_process_that_is_gone_does_nothing_more() -> None:
    core = opened()
    core.step(Stop(), 1)
    assert core.step(Command(2, "a", "Online"), 2) == []
    assert core.next_due_us is None


def test_a_tick_that_comes_too_early_does_nothing() -> None:
    assert online().step(Tick(), LOOKS - 1) == []


def test_time_does_not_go_back() -> None:
    core = online()
    core.step(Tick(), 5)
    with pytest.raises(ValueError, match="time goes back from 5 to 4"):
        core.step(Tick(), 4)


def test_reports_and_signals_of_resources_nobody_knows() -> None:
    core = RhsCore(Timeouts())
    assert core.step(Status(1, "x", "Online"), 0) == [Answer(1, TERMINATE)]
    assert core.step(Signaled("x", 1), 0) == []
    assert core.step(Returned(99, 0), 0) == []
