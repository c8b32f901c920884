"""Lines read by habit: the same records, and the same verdicts, as line by line."""

from __future__ import annotations

import random
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_lines import FAST, Way, judged
from poll_lines import HEADER, edited, encoded, odd_lines, polls

from rhscheck.traces import batches
from rhscheck.traces.batches import Batch, read_batches
from rhscheck.traces.format import EventLine, Record, read_trace
from rhscheck.traces.habit import Usual
from rhscheck.traces.paired import Paired
from rhscheck.traces.tables import Tabled


def records_of(data: bytes, way: Way) -> tuple[list[Record], int]:
    """What is read, and how many lines by habit or in columns."""
    found: list[Record] = []
    by_habit = 0
    for part in read_batches(BytesIO(data), usual=way != "lines", paired=way == "paired"):
        match part:
            case Batch(line, events):
                found += [EventLine(line + at, event) for at, event in enumerate(events)]
            case Usual():
                by_habit += len(part.lines)
                found += part.records()
            case Paired():
                by_habit += len(part)
                found += part.records()
            case Tabled():
                raise AssertionError
            case _:
                found.append(part)
    return found, by_habit


@pytest.mark.parametrize("way", FAST)
def test_most_of_a_good_file_is_read_by_habit(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "STRETCH", 1 << 12)
    data = HEADER + b"".join(map(encoded, polls(3, 40, random.Random(1))))
    found, by_habit = records_of(data, way)
    assert found == list(read_trace(BytesIO(data)))
    assert by_habit > 150


@settings(max_examples=60)
@given(st.data())
def test_what_is_read_by_habit_is_what_stands_there(data: st.DataObject) -> None:
    chance = random.Random(data.draw(st.integers(0, 1 << 32)))
    events = polls(2, 12, chance)
    lines = list(map(encoded, events))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(events) - 1))
        lines[at] = data.draw(st.sampled_from(odd_lines(events[at])))
    text = HEADER + b"".join(lines)
    text = text[: data.draw(st.integers(len(text) - 30, len(text)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "STRETCH", data.draw(st.integers(100, 3000)))
        found = {way: records_of(text, way)[0] for way in FAST}
        plain, _ = records_of(text, "lines")
    assert found == dict.fromkeys(FAST, plain)


@pytest.mark.parametrize("seed", range(16))
def test_lines_read_by_habit_are_judged_as_single_lines_are(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ways through the states give what the states themselves give."""
    monkeypatch.setattr(batches, "STRETCH", 1 << 12)
    chance = random.Random(seed)
    data = HEADER + b"".join(edited(polls(2, 60, chance), chance))
    assert {way: judged(data, way) for way in FAST} == dict.fromkeys(FAST, judged(data, "lines"))
