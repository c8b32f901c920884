"""`--what-if`: exact thresholds, intervals where there are several, and what cannot be asked."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import pytest

from rhscheck import api
from rhscheck.checker.verify import Options
from rhscheck.spec.load import Loaded
from rhscheck.what_if import Range, WhatIf, grid_of, parse_range, what_if
from rhscheck.what_if_output import what_if_json, what_if_text

WINDOW = """spec window "Something can go wrong only in a window of time"
actors { host H }
param At = 3s
param Most = 2
machine M {
  var count : 0..9 = 0
  initial state Waiting {
    clock x
    by H: fail when x >= At and x <= At and x >= 2s and x < 4s -> Failed
    by H: go when x > 1500ms -> Waiting { count = count + 1 }
    deadline x <= 6s by H
  }
  state Failed
}
rules M {
  rule Safe "it never fails": never in Failed
  rule Few "it does not go too often": never count > Most and count < 3
  rule Calm "nothing": can in Waiting
}
"""


@pytest.fixture
def window(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("specs") / "window.sm"
    path.write_text(WINDOW, encoding="utf-8")
    return str(path)


def asked(spec: str, text: str, *rules: str, points: int = 9) -> WhatIf:
    loaded = api.load(spec)
    return what_if(
        spec, loaded, {}, parse_range(loaded, text), Options(rules),
        points=points, jobs=1, progress=lambda _: None,
    )  # fmt: skip


def told(found: WhatIf) -> str:
    return click.unstyle(what_if_text(found))


def test_a_threshold_is_exact() -> None:
    found = asked("fischer", "CheckAfter=1s..5s", "Mutex")
    (answer,) = found.answers
    assert answer.monotone
    assert [(one.low, one.high, one.cell.verdict) for one in answer.intervals] == [
        (1_000_000, 2_000_000, "violated"), (2_000_001, 5_000_000, "proved"),
    ]  # fmt: skip
    assert told(found) == (
        "Mutex\n"
        "    violated for CheckAfter <= 2s\n"
        "    proved for every N for CheckAfter > 2s\n"
        "between two values looked at that agree, others were not: --grid looks at more\n\n"
        "fischer: CheckAfter from 1s to 5s: 1 verdict of 1 flips; 9 points in the grid, "
        "10 verifications\n"
    )


def test_several_intervals_are_all_told(window: str) -> None:
    found = asked(window, "At=1s..5s", points=5)
    assert [one.monotone for one in found.answers] == [False, True, True]
    assert told(found) == (
        "Safe (3 intervals: not monotone)\n"
        "    proved for every N for At < 2s\n"
        "    violated for At >= 2s and At < 4s\n"
        "    proved for every N for At >= 4s\n"
        "proved for every N at every value looked at: Few\n"
        "witnessed at every value looked at: Calm\n"
        "between two values looked at that agree, others were not: --grid looks at more\n\n"
        "window: At from 1s to 5s: 1 verdict of 3 flips; 5 points in the grid, 9 verifications\n"
    )


def test_a_threshold_between_whole_seconds() -> None:
    found = asked("fischer", "SetWithin=100ms..10s", "Mutex", points=2)
    (answer,) = found.answers
    assert [(one.low, one.high) for one in answer.intervals] == [
        (100_000, 2_999_999), (3_000_000, 10_000_000),
    ]  # fmt: skip


def test_when_the_time_is_up_no_threshold_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("there is no time for a verification")

    loaded = api.load("fischer")
    monkeypatch.setattr(api, "verify", refused)
    found = what_if(
        "fischer",
        loaded,
        {},
        parse_range(loaded, "CheckAfter=1s..4s"),
        Options(rules=("Mutex",), timeout_s=5.0),
        points=4,
        jobs=1,
        progress=lambda _: None,
        began=time.time() - 6,
    )
    assert found.verifications == 0
    (answer,) = found.answers
    (interval,) = answer.intervals
    assert (interval.cell.verdict, interval.cell.reason) == ("unknown", "time-out after 5 s")


def test_a_threshold_for_which_the_time_was_up_is_told_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There was time for the grid: then it flips somewhere between its values."""
    loaded = api.load("fischer")
    times = iter([False, False])
    monkeypatch.setattr("rhscheck.readings.Limit.over", lambda _: next(times, True))
    found = what_if(
        "fischer", loaded, {}, parse_range(loaded, "CheckAfter=1s..4s"),
        Options(rules=("Mutex",), timeout_s=60.0),
        points=2, jobs=1, progress=lambda _: None,
    )  # fmt: skip
    (answer,) = found.answers
    assert [(one.low, one.high, one.cell.verdict) for one in answer.intervals] == [
        (1_000_000, 1_000_000, "violated"),
        (1_000_001, 3_999_999, "unknown"),
        (4_000_000, 4_000_000, "proved"),
    ]  # fmt: skip
    assert (
        "    violated for CheckAfter <= 1s\n"
        "    unknown for CheckAfter > 1s and CheckAfter < 4s\n"
        "    proved for every N for CheckAfter >= 4s\n"
    ) in told(found)


POINT = """spec point
param P = 5s
actors { host H }
machine M[i in 1..N] {
  clock x
  initial state A {
    timer t = P
    on t -> B
  }
  state B
}
rules M { rule R "r": never enter B and x >= 17s and x <= 17s }
"""


def test_a_value_that_nobody_looked_at_is_not_claimed(tmp_path: Path) -> None:
    """With 17 s alone it is violated."""
    path = tmp_path / "point.sm"
    path.write_text(POINT, encoding="utf-8")
    few, all_ = asked(str(path), "P=1s..60s", "R"), asked(str(path), "P=16s..18s", "R", points=3)
    assert told(few).startswith(
        "proved for every N at every value looked at: R\n"
        "between two values looked at that agree, others were not: --grid looks at more\n"
    )
    assert [one.cell.verdict for one in all_.answers[0].intervals] == [
        "proved", "violated", "proved",
    ]  # fmt: skip


def test_numbers_without_a_unit(window: str) -> None:
    found = asked(window, "Most=0..5", "Few", points=3)
    (answer,) = found.answers
    assert [(one.low, one.high, one.cell.verdict) for one in answer.intervals] == [
        (0, 1, "violated"), (2, 5, "proved"),
    ]  # fmt: skip
    shown = json.loads(what_if_json(found, 0))["what_if"]
    assert (shown["parameter"], shown["low"], shown["high"], shown["is_time"]) == (
        "Most", 0, 5, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("At", "`At` is not of the form NAME=LOW..HIGH, such as Timeout=1m..10m"),
        ("Att=1s..2s", "there is no parameter `Att`; did you mean `At`?"),
        ("At=1..2s", "`1` is not a time with its unit, such as 90s"),
        ("At=2s..2s", "`At=2s..2s`: the first value must be less than the second"),
        ("Most=1s..2s", "`1s` is not a whole number without unit"),
    ],
)
def test_what_cannot_be_asked(window: str, text: str, message: str) -> None:
    loaded: Loaded = api.load(window)
    with pytest.raises(api.InputError) as error:
        parse_range(loaded, text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("low", "high", "points", "grid"),
    [
        (60, 600, 10, (60, 120, 180, 240, 300, 360, 420, 480, 540, 600)),
        (1, 2, 3, (1, 1.5, 2)),
        (1, 10, 4, (1, 4, 7, 10)),
        (0, 10, 4, (0, 3, 6, 10)),
    ],
)
def test_the_grid_keeps_to_whole_units(
    low: int, high: int, points: int, grid: tuple[float, ...]
) -> None:
    of = Range("P", low * 1_000_000, high * 1_000_000, is_time=True)
    assert grid_of(of, points) == tuple(int(value * 1_000_000) for value in grid)


def test_a_spec_without_numbers_has_no_parameter_to_ask_about(tmp_path: Path) -> None:
    path = tmp_path / "lamp.sm"
    path.write_text("spec lamp\nactors { A }\nmachine M { state S { by A: e } }\n", "utf-8")
    with pytest.raises(api.InputError) as error:
        parse_range(api.load(str(path)), "T=1s..2s")
    assert str(error.value) == (
        "there is no parameter `T`; the spec has none that is a number or a time"
    )


def test_the_grid_of_few_numbers() -> None:
    assert grid_of(Range("P", 0, 3, is_time=False), 9) == (0, 1, 2, 3)
