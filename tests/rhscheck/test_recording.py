"""What a recording refuses, where it is said: values that no trace can hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum, StrEnum

import pytest

from rhscheck.recording import Recording
from rhscheck.traces.format import ReturnEvent, StatusEvent

Record = Callable[[Recording], object]


# The callers that this is about have no type checker.
WRONG: list[tuple[Record, str]] = [
    (lambda r: r.returned("d", "Online", None), "code is a whole number (int), not None"),  # type: ignore[arg-type]
    (lambda r: r.returned("d", "Online", True), "code is a whole number (int), not True"),
    (lambda r: r.returned("d", "Online", "997"), "code is a whole number (int), not '997'"),  # type: ignore[arg-type]
    (lambda r: r.returned("d", "Online", 0.0), "code is a whole number (int), not 0.0"),  # type: ignore[arg-type]
    (lambda r: r.returned("d", 7), "op is a text (str), not 7"),  # type: ignore[arg-type]
    (lambda r: r.call(7, "Open"), "resource is a text (str), not 7"),  # type: ignore[arg-type]
    (lambda r: r.call("d", None), "op is a text (str), not None"),  # type: ignore[arg-type]
    (lambda r: r.call("d", "Open", at_us=1.5), "at_us is a whole number (int), not 1.5"),  # type: ignore[arg-type]
    (lambda r: r.call("d", "Open", at_us=True), "at_us is a whole number (int), not True"),
    (lambda r: r.status("d", 4), "state is a text (str), not 4"),  # type: ignore[arg-type]
    (lambda r: r.status("d", "s", op=b"x"), "op is a text (str), not b'x'"),  # type: ignore[arg-type]
    (lambda r: r.timeout(None, "Open"), "resource is a text (str), not None"),  # type: ignore[arg-type]
    (lambda r: r.event(None), "name is a text (str), not None"),  # type: ignore[arg-type]
    (lambda r: r.event("e", resource=1), "resource is a text (str), not 1"),  # type: ignore[arg-type]
    (lambda r: r.event("e", actor=1), "actor is a text (str), not 1"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("record", "message"), WRONG, ids=range(len(WRONG)))
def test_a_value_of_a_wrong_type_is_refused(record: Record, message: str) -> None:
    run = Recording()
    run.call("d", "Online", at_us=0)
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        record(run)
    assert len(run.events) == 1
    assert list(run.resources) == ["d"]
    run.returned("d", "Online", at_us=0)
    assert run.events[-1] == ReturnEvent(
        ts=0, seq=2, host="test", res="d", op="Online", cid=1, rc=0
    )


IMPOSSIBLE: list[tuple[Record, str]] = [
    (lambda r: r.call("d\udc80", "Open"), r"resource cannot be written as UTF-8: 'd\udc80'"),
    (lambda r: r.status("d", "\ud800"), r"state cannot be written as UTF-8: '\ud800'"),
    (lambda r: r.event("e", actor="\ud800"), r"actor cannot be written as UTF-8: '\ud800'"),
    (
        lambda r: r.returned("d", "Open", 1 << 63),
        f"code is a number from {-(1 << 62)} to {1 << 62}, not {1 << 63}",
    ),
    (
        lambda r: r.call("d", "Open", at_us=1 << 63),
        f"at_us is a number from {-(1 << 62)} to {1 << 62}, not {1 << 63}",
    ),
]


@pytest.mark.parametrize(("record", "message"), IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_a_value_that_no_trace_can_hold_is_refused(record: Record, message: str) -> None:
    run = Recording()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        record(run)
    assert run.events == []
    assert run.resources == {}


def test_a_wrong_slack_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^slack_us is a number from 0 to \d+, not -1$"):
        Recording(slack_us=-1)
    with pytest.raises(TypeError, match=r"^slack_us is a whole number \(int\), not 0\.5$"):
        Recording(slack_us=0.5)  # type: ignore[arg-type]


def test_a_clock_that_goes_back_or_is_none_is_refused() -> None:
    moments = iter([10, 5])
    run = Recording(clock_us=lambda: next(moments))
    run.call("d", "Open")
    with pytest.raises(ValueError, match="the time that has passed by the clock is a number from"):
        run.returned("d", "Open")
    with pytest.raises(TypeError, match=r"the clock's time is a whole number \(int\), not 0\.5"):
        Recording(clock_us=lambda: 0.5).call("d", "Open")  # type: ignore[arg-type, return-value]


class _Code(IntEnum):
    PENDING = 997


class _State(StrEnum):
    ONLINE = "Online"


def test_names_of_numbers_and_texts_are_what_they_stand_for() -> None:
    run = Recording()
    run.returned("d", "Open", _Code.PENDING, at_us=0)
    run.status("d", _State.ONLINE, at_us=0)
    returned, status = run.events
    assert isinstance(returned, ReturnEvent)
    assert isinstance(status, StatusEvent)
    assert (type(returned.rc), returned.rc) == (int, 997)
    assert (type(status.state), status.state) == (str, "Online")


def test_nothing_is_recorded_when_it_is_closed() -> None:
    run = Recording()
    run.call("d", "Open", at_us=0)
    run.close("it is over")
    with pytest.raises(RuntimeError, match=r"^it is over$"):
        run.returned("d", "Open", at_us=1)
    assert len(run.events) == 1
