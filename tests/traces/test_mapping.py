"""Labels and events: result codes, names of instances, call ids, hidden steps."""

from dataclasses import replace
from fractions import Fraction

import pytest
from poll_spec import poll_system

from rhscheck.spec.ground import ground
from rhscheck.spec.semantics import Time
from rhscheck.spec.system import Label, TraceBlock
from rhscheck.spec.visible import observed
from rhscheck.traces.format import (
    CallEvent,
    Event,
    GapEvent,
    NamedEvent,
    NoteEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
)
from rhscheck.traces.mapping import (
    Gap,
    Ignored,
    Observation,
    Recorder,
    Vocabulary,
    result_codes,
)

GROUND = ground(poll_system(), 2)
WORDS = Vocabulary(GROUND, {"IP Address": "Worker[2]"})


def seen(event: Event) -> list[str]:
    reading = WORDS.read(event)
    assert isinstance(reading, Observation)
    return [str(label) for label in reading.labels]


@pytest.mark.parametrize(
    ("codes", "results", "written"),
    [
        ((), ("success", "failure", "pending"), {"success": 0, "failure": 1, "pending": 2}),
        (
            (("pending", 997), ("failure", None)),
            ("success", "failure", "pending"),
            {"success": 0, "failure": 1, "pending": 997},
        ),
        ((("failure", None),), ("failure", "a", "b"), {"failure": 1, "a": 0, "b": 2}),
        ((("b", 0),), ("a", "b"), {"a": 1, "b": 0}),
        ((("x", 5), ("y", 5)), ("x", "y"), {"x": 5, "y": 5}),
    ],
)
def test_results_are_written_as_codes(
    codes: tuple[tuple[str, int | None], ...], results: tuple[str, ...], written: dict[str, int]
) -> None:
    table = result_codes(TraceBlock(codes=codes), results)
    assert {result: table.write(result) for result in results} == written
    for result in results:
        assert result in table.read(table.write(result))


def test_a_code_is_read_as_what_it_may_mean() -> None:
    table = result_codes(
        TraceBlock(codes=(("pending", 997), ("failure", None))), ("success", "failure", "pending")
    )
    assert table.read(0) == ("success",)
    assert table.read(997) == ("pending",)
    assert table.read(1) == table.read(5023) == table.read(-1) == ("failure",)
    assert result_codes(TraceBlock(), ("success",)).read(7) == ()
    assert result_codes(TraceBlock(codes=(("x", 5), ("y", 5))), ("x", "y")).read(5) == ("x", "y")


@pytest.mark.parametrize(
    ("event", "labels"),
    [
        (CallEvent(ts=0, seq=1, res="Worker[1]", op="Start"), ["Worker[1]: call Start"]),
        (
            ReturnEvent(ts=0, seq=1, res="Worker[1]", op="Start", rc=997),
            ["Worker[1]: return Start(pending)"],
        ),
        (
            StatusEvent(ts=0, seq=1, res="Worker[1]", op="Report", state="success"),
            ["Worker[1]: Report(success)"],
        ),
        (
            TimeoutEvent(ts=0, seq=1, res="Worker[1]", op="Start", cid=4),
            ["Worker[1]: timeout Start"],
        ),
        (TimeoutEvent(ts=0, seq=1, res="Worker[1]", op="silence"), ["Worker[1]: timer silence"]),
        (TimeoutEvent(ts=0, seq=1, res="Worker[1]", op="silence", cid=4), []),
        (NamedEvent(ts=0, seq=1, res="Worker[1]", name="clean"), ["Worker[1]: clean"]),
        (NamedEvent(ts=0, seq=1, res="Worker[1]", name="due Poll"), []),  # hidden: never seen
    ],
)
def test_every_kind_of_event_is_read(event: Event, labels: list[str]) -> None:
    assert seen(event) == labels


def test_gaps_and_what_the_model_ignores_are_no_labels() -> None:
    assert WORDS.read(GapEvent(ts=0, seq=1, why="ring")) == Gap("ring")
    assert WORDS.read(NoteEvent(ts=0, seq=1, what="x")) == Ignored("note")


def test_an_instance_goes_by_the_name_it_was_given() -> None:
    assert seen(CallEvent(ts=0, seq=1, res="IP Address", op="Start")) == ["Worker[2]: call Start"]
    assert WORDS.res(Label("call", "Worker", "Start", None, 2)) == "IP Address"
    assert WORDS.res(Label("call", "Worker", "Start", None, 1)) == "Worker[1]"


def test_an_event_without_instance_may_be_anyones() -> None:
    assert seen(CallEvent(ts=0, seq=1, op="Start")) == [
        "Worker[1]: call Start",
        "Worker[2]: call Start",
    ]


def test_a_step_shows_its_first_visible_label() -> None:
    timeout = Label("expiry", "W", "Start")
    crash = Label("event", "P", "crash")
    trace = TraceBlock(hidden=(("expiry", None),))
    assert observed(TraceBlock(), timeout, (crash,)) == timeout
    assert observed(trace, timeout, (crash,)) == crash
    assert observed(trace, timeout, ()) is None
    assert observed(TraceBlock(hidden=(("expiry", "Other"),)), timeout, ()) == timeout


def position(text: str) -> int:
    return next(at for at, step in enumerate(GROUND.transitions) if str(step.label) == text)


def test_calls_are_numbered_and_their_ends_carry_the_number() -> None:
    recorder = Recorder(GROUND, host="N", mon="7#1")
    steps: list[tuple[Time, str]] = [
        (0, "Worker[1]: call Start"),
        (1, "Worker[2]: call Start"),
        (Fraction(3, 2), "Worker[1]: timeout Start"),
        (2, "Worker[1]: due Poll"),
        (3, "Worker[1]: return Start(failure)"),
        (4, "Process: crash"),
    ]
    assert [recorder.record(t, GROUND.transitions[position(text)]) for t, text in steps] == [
        CallEvent(ts=0, seq=1, host="N", mon="7#1", res="Worker[1]", op="Start", cid=1),
        CallEvent(ts=1_000_000, seq=2, host="N", mon="7#1", res="Worker[2]", op="Start", cid=2),
        TimeoutEvent(
            ts=1_500_000,
            seq=3,
            host="N",
            mon="7#1",
            res="Worker[1]",
            op="Start",
            cid=1,
            limit_ms=10_000,
        ),
        None,
        ReturnEvent(
            ts=3_000_000, seq=4, host="N", mon="7#1", res="Worker[1]", op="Start", cid=1, rc=1
        ),
        NamedEvent(
            ts=4_000_000, seq=5, host="N", mon="7#1", res="Process", name="crash", actor="RHS"
        ),
    ]


def test_polling_can_be_made_visible() -> None:
    system = replace(GROUND.system, trace=TraceBlock(hidden=()))
    world = ground(system, 1)
    due = next(step for step in world.transitions if step.label.kind == "due")
    event = Recorder(world).record(1, due)
    assert event == NamedEvent(
        ts=1_000_000, seq=1, host="sim", res="Worker[1]", name="due Poll", actor="time"
    )
    assert isinstance(event, NamedEvent)
    reading = Vocabulary(world, {}).read(event)
    assert isinstance(reading, Observation)
    assert reading.labels == (due.label,)
