"""The compiled pass over a block finds what reading line by line finds, whatever is in it."""

from __future__ import annotations

import random

import pytest
from cluster_logs import damaged, log_lines

from rhscheck.traces.logmap.compiled import Compiled
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LogReader, is_alone
from rhscheck.traces.logmap.reading import Batch, Sighting
from rhscheck.traces.logmap.sieve import Sieve
from rhscheck.traces.logmap.text import Block

_lines = pytest.importorskip(
    "rhscheck.traces.logmap._lines", reason="there was no C compiler when this was installed"
)

LINE = b"00000fe4.0000abcd::2024/02/29-23:59:58.123 INFO  [RCM] Issuing Online(r1) to RHS."
# 2024-02-29 23:59:58.123 UTC.
TIME_US = 1_709_251_198_123_000
SHARED = ((b"[RHS]", 1), (b"[RCM]", 1), (b"SetResourceStatus", 3))
OTHERS = (b"luster service is shutting down",)
COMPONENTS = (b"[RHS]", b"[RCM]")

Usual = list[tuple[int, int, int, bytes]]
Odd = list[tuple[int, int, int, int]]


def usual(data: bytes, first: int = 1) -> tuple[Usual, Odd, bool, int] | None:
    """What the pass says when every message is known; None: it says nothing."""
    found = _lines.usual(data, first, ord("R"), SHARED, OTHERS, COMPONENTS, {}, bytes)
    if found is None:
        return None
    lines, times, processes, readings, odd, rising, count = found
    return list(zip(lines, times, processes, readings, strict=True)), odd, rising, count


def lone(line: bytes) -> Usual:
    """The line as a usual one, if it is."""
    found = usual(line + b"\n")
    assert found is not None
    return found[0]


def test_a_usual_line() -> None:
    message = b"INFO  [RCM] Issuing Online(r1) to RHS."
    assert usual(LINE + b"\n", 7) == ([(7, TIME_US, 0xFE4, message)], [], True, 1)
    assert usual(LINE) == ([(1, TIME_US, 0xFE4, message)], [], True, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"2024/02/29", b"2023/02/29"),
        (b"2024/02/29", b"2024/02/30"),
        (b"2024/02/29", b"2024/00/29"),
        (b"2024/02/29", b"2024/13/29"),
        (b"2024/02/29", b"2024-02/29"),
        (b"2024/02/29", b"1969/02/28"),
        (b"-23:59", b"-24:59"),
        (b":59:58", b":60:58"),
        (b":58.123", b":60.123"),
        (b":58.123", b":58,123"),
        (b":58.123", b":5x.123"),
        (b".123 ", b".12x "),
        (b".123 ", b".123."),
        (b"2024/02/29-23:59:", bytes(17)),
        (b"00000fe4.", b"0000\xc3fe4."),
        (b"00000fe4.", b"00000fe4:"),
        (b".0000abcd", b".0000abcg"),
        (b"::2024", b": 2024"),
    ],
)
def test_a_beginning_that_is_not_as_usual_is_left_to_others(old: bytes, new: bytes) -> None:
    line = LINE.replace(old, new)
    assert usual(line + b"\n") == ([], [(0, 0, len(line), 1)], True, 1)


@pytest.mark.parametrize(
    ("date", "days"),
    [
        (b"1970/01/01", 0),
        (b"1999/12/31", 10956),
        (b"2000/02/29", 11016),
        (b"2100/03/01", 47541),
        (b"2023/03/01", 19417),
        (b"9999/12/31", 2932896),
    ],
)
def test_dates(date: bytes, days: int) -> None:
    of_day = (23 * 3600 + 59 * 60 + 58) * 1_000_000 + 123_000
    assert lone(LINE.replace(b"2024/02/29", date))[0][1] == days * 86_400_000_000 + of_day


@pytest.mark.parametrize("size", range(len(LINE)))
def test_a_line_that_ends_anywhere(size: int) -> None:
    # Of the line in the next one nothing is taken for the end of this.
    line = LINE[:size]
    found = usual(line + b"\n" + LINE + b"\n")
    assert found is not None
    whole = LINE.index(b"[RCM]") + len(b"[RCM]")
    assert [one[0] for one in found[0]] == ([1, 2] if size >= whole else [2])
    assert found[1] == []


def test_unusual_lines_are_named_if_they_hold_a_text() -> None:
    lines = [
        b"nothing",
        b"x[RHS] y",
        b"[RH",
        LINE,
        b"",
        b"SetResourceStatus",
        b"etResourceStatus SetResourceStatu R",
        b"Cluster service is shutting down.",
        b"luster service is shutting dow",
        b"",
        b"R[RCM]",
    ]
    data = b"".join(line + b"\n" for line in lines)
    found = usual(data, 10)
    assert found is not None
    assert [one[0] for one in found[0]] == [13]
    assert [(before, data[begin:end], line) for before, begin, end, line in found[1]] == [
        (0, b"x[RHS] y", 11),
        (1, b"SetResourceStatus", 15),
        (1, b"Cluster service is shutting down.", 17),
        (1, b"R[RCM]", 20),
    ]
    assert found[3] == 11


@pytest.mark.parametrize(
    ("following", "alone"),
    [
        (b"", True),
        (b"\n", True),
        (b"\r\n", True),
        (b"\r", True),
        (b"1.2::3", True),
        (b"00000fe4.0000abcd::2 x\n", True),
        (b"[damaged.hex-text::2\n", True),
        (b"00000fe4.0000abcd::x", False),
        (b"00000fe4.0000abcd:2", False),
        (b"00000fe4.0000abcd::", False),
        (b"000000fe4.abc::2", False),
        (b"fe4.::2", False),
        (b".abc::2", False),
        (b"fe4", False),
        (b"\rx", False),
        (b" \n", False),
        (b"x\n00000.0000abcd::2", False),
        (b"ten) to RHS.\n", False),
    ],
)
def test_a_line_that_may_go_on_in_the_next_is_left_to_others(following: bytes, alone: bool) -> None:
    data = LINE + b"\n" + following
    found = usual(data)
    assert found is not None
    assert [one[0] for one in found[0]] == ([1] if alone else [])
    assert [one[3] for one in found[1]] == ([] if alone else [1])
    assert is_alone(data, len(LINE)) is alone


@pytest.mark.parametrize("line", [b"...", b"....", b"[=== Cluster Logs ==="])
def test_lines_that_change_what_others_mean(line: bytes) -> None:
    assert usual(LINE + b"\n" + line + b"\n") is None
    assert usual(LINE + b"\n " + line + b"\n") is not None


def test_times_that_go_back() -> None:
    later = LINE.replace(b":58.123", b":59.000")
    for lines, rising in (
        ([LINE, later], True),
        ([LINE, LINE.replace(b".123", b".001")], True),
        ([later, LINE], False),
        ([later, b"", LINE], False),
    ):
        found = usual(b"\n".join(lines))
        assert found is not None
        assert found[2] is rising


def test_messages_that_nobody_knows_and_errors() -> None:
    asked: list[bytes] = []
    known = {b"INFO  [RCM] known": "known"}

    def find(message: bytes) -> str | None:
        asked.append(message)
        return "found" if message.endswith(b"new") else None

    head = LINE[:49]
    lines = [head + b"[RCM] " + text for text in (b"known", b"new", b"odd", b"new")]
    data = b"\n".join(lines)
    found = _lines.usual(data, 1, ord("R"), SHARED, OTHERS, COMPONENTS, known, find)
    assert found[3] == ["known", "found", "found"]
    assert found[4] == [(2, 2 * len(lines[1]) + 4, 2 * len(lines[1]) + 4 + len(lines[2]), 3)]
    assert asked == [b"INFO  [RCM] new", b"INFO  [RCM] odd", b"INFO  [RCM] new"]

    def fail(message: bytes) -> str:
        raise LookupError(message)

    with pytest.raises(LookupError):
        _lines.usual(data, 1, ord("R"), SHARED, OTHERS, COMPONENTS, {}, fail)
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        _lines.usual(data, 1, ord("R"), ((b"", 0),), OTHERS, COMPONENTS, {}, find)
    with pytest.raises(ValueError, match="too many"):
        _lines.usual(data, 1, ord("R"), SHARED, (b"x",) * 17, COMPONENTS, {}, find)
    with pytest.raises(TypeError):
        _lines.usual("text", 1, ord("R"), SHARED, OTHERS, COMPONENTS, {}, find)


def told(reader: LogReader, batch: Batch) -> list[tuple[object, ...]]:
    """All lines of a batch in their order, as far as both ways of reading must agree."""
    found: list[tuple[object, ...]] = []
    at = 0

    def take(stop: int) -> None:
        for one in range(at, stop):
            reading = batch.readings[one]
            line = batch.lines[one], batch.times[one], batch.processes[one]
            found.append((*line, reading.told, reading.level, reading.message, reading.shape))

    for before, sighting in batch.odd:
        take(before)
        at = before
        found.append(shown(sighting))
    take(len(batch))
    return found


def shown(one: Sighting) -> tuple[object, ...]:
    reading = one.reading
    line = one.line, one.time_us, one.pid
    return *line, reading.told, reading.level, reading.message, reading.shape


def spoilt(rng: random.Random, data: bytes) -> bytes:
    """The block with some bytes changed, left out and put in."""
    out = bytearray(data)
    for _ in range(rng.choice((0, 1, 5, 40))):
        at = rng.randrange(len(out) - 1)
        what = rng.random()
        if what < 0.4:
            out[at] = rng.choice(b"0129aF.:/- \n\r\x00\xff[R")
        elif what < 0.7:
            del out[at : at + rng.choice((1, 1, 2, 30))]
        else:
            out[at:at] = rng.choice((b"\n", b" ", b"[RHS]", b"R", b"\xc3", b"..."))
    return bytes(out).rstrip(b"\n") + b"\n"


@pytest.mark.parametrize("seed", range(150))
def test_a_spoilt_block(seed: int) -> None:
    rng = random.Random(seed)
    lines = damaged(rng, log_lines(rng, 60))
    data = spoilt(rng, "\n".join([*lines, ""]).encode())
    logmap = load_map("clusterlog")
    texts = [text.encode() for text in logmap.prefilter]
    compiled, by_line = LogReader(logmap), LogReader(logmap)
    found = compiled._compiled(Block(data, 0), Compiled(texts))
    expected = by_line._block(Block(data, 0), Sieve(texts))
    if found is None:
        assert b"\n..." in b"\n" + data or b"\n[===" in b"\n" + data
        return
    assert told(compiled, found) == [shown(one) for one in expected]
    assert compiled.lines == by_line.lines
