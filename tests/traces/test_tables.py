"""One file decoded in parts: the same records, and the same report, for every number of workers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from poll_lines import HEADER, edited, encoded, odd_lines, polls

from rhscheck import api
from rhscheck.traces import compiled, habit, tables
from rhscheck.traces.batches import Batch, read_batches
from rhscheck.traces.format import EventLine, Record
from rhscheck.traces.habit import Usual
from rhscheck.traces.paired import Paired
from rhscheck.traces.tables import Stretch, Tabled, ranges, tabulate


def placed(path: Path) -> Iterator[Stretch]:
    with path.open("rb") as stream:
        parts = ranges(str(path), stream)
        assert stream.tell() == 0
    if parts:
        yield Stretch(parts[0].start)
    for part in parts:
        yield from tabulate(part)


def records_of(path: Path, *, tabled: bool) -> tuple[list[Record], int]:
    """What is read, and how many lines from tables."""
    found: list[Record] = []
    from_tables = 0
    stretches = placed(path) if tabled else ()
    for part in read_batches(BytesIO(path.read_bytes()), tables=stretches):
        match part:
            case Batch(line, events):
                found += [EventLine(line + at, event) for at, event in enumerate(events)]
            case Usual() | Paired():
                raise AssertionError
            case Tabled():
                from_tables += len(part.table)
                found += part.records()
            case _:
                found.append(part)
    return found, from_tables


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "RANGE_BYTES", 5000)
    monkeypatch.setattr(tables, "STRETCH", 1500)


def test_most_of_a_good_file_is_tabulated(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(HEADER + b"".join(map(encoded, polls(3, 60, random.Random(1)))))
    found, from_tables = records_of(path, tabled=True)
    assert found == records_of(path, tabled=False)[0]
    assert from_tables > 300


@settings(max_examples=60)
@given(st.data())
def test_what_is_tabulated_is_what_stands_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    chance = random.Random(data.draw(st.integers(0, 1 << 32)))
    events = polls(2, 60, chance)
    lines = list(map(encoded, events))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(events) - 1))
        lines[at] = data.draw(st.sampled_from([*odd_lines(events[at]), b" " * 6000 + b"\n"]))
    text = HEADER + b"".join(lines)
    path = tmp_path_factory.mktemp("tabulated") / "t.jsonl"
    path.write_bytes(text[: data.draw(st.integers(len(text) - 30, len(text)))])
    assert records_of(path, tabled=True)[0] == records_of(path, tabled=False)[0]


def test_a_file_with_an_endless_line_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(HEADER + b"x" * (habit.STRETCH + 3_000_000) + b"\n")
    with path.open("rb") as stream:
        assert ranges(str(path), stream) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_report_is_the_same_for_every_number_of_workers(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.jsonl"
    chance = random.Random(seed)
    path.write_bytes(HEADER + b"".join(edited(polls(3, 60, chance), chance)))
    replayer = api.Replayer()
    alone = replayer.replay(str(path))
    assert alone.events > 0
    assert replayer.replay(str(path), 2) == alone
    # Without compiled code the file is shared out.
    monkeypatch.setattr(compiled, "calls", None)
    assert replayer.replay(str(path)) == alone
    for jobs in (2, 3, 4)[: 1 if seed else 3]:
        assert replayer.replay(str(path), jobs) == alone


def test_a_strict_replay_refuses_the_same_line_whatever_the_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.jsonl"
    lines = [encoded(one) for one in polls(3, 60, random.Random(1))]
    at = next(number for number, line in enumerate(lines) if number > 90 and b'"rc"' in line)
    lines[at] = lines[at].replace(b'"rc"', b'"cr"')
    path.write_bytes(HEADER + b"".join(lines))
    monkeypatch.setattr(compiled, "calls", None)
    replayer = api.Replayer(strict=True)
    for jobs in (1, 2):
        with pytest.raises(api.InputError, match=f"line {at + 2}, .* required field 'rc'"):
            replayer.replay(str(path), jobs)


def test_a_file_that_took_the_name_of_another_is_not_tabulated(tmp_path: Path) -> None:
    path, other = tmp_path / "t.jsonl", tmp_path / "u.jsonl"
    data = HEADER + b"".join(map(encoded, polls(3, 60, random.Random(1))))
    path.write_bytes(data)
    other.write_bytes(data.replace(b"Online", b"Closed"))
    with path.open("rb") as stream:
        first, *_ = ranges(str(path), stream)
    path.rename(tmp_path / "t.old")
    other.rename(path)
    assert tabulate(first) == [Stretch(first.end - first.start)]
