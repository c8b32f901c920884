"""A DLL's own log that, says its mapping, has every call: cut anywhere, it accuses nobody."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from rhscheck.spec.load import load
from rhscheck.traces.audit.audit import audit_log
from rhscheck.traces.audit.court import Court
from rhscheck.traces.format import CallEvent, ReturnEvent, StatusEvent
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.simulate import simulate

SYSTEM = load("rhs").system
STRICT = load_map("entrypoints")
pytestmark = pytest.mark.timeout(900)
BEGAN = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def lines_of(seed: int) -> list[bytes]:
    """What the DLL logs of a legal run of one resource, until its process is gone."""
    told = {"success": "Online", "failure": "Failed", "pending": "OnlinePending"}
    lines: list[bytes] = []
    checkpoint = 0
    for event in simulate(SYSTEM, 1, seed, 40).trace.events:
        text = None
        match event:
            case CallEvent(op=op):
                text = f"enter {op}"
            case ReturnEvent(op=op, rc=rc):
                text = f"leave {op} {rc}"
            case StatusEvent(state=str(state)):
                checkpoint += state != "repeated"
                text = f"SetResourceStatus {told.get(state, 'OnlinePending')} {checkpoint}"
            case _ if event.res != "Resource[1]":
                break
            case _:
                continue  # what RHS notices by itself
        time = BEGAN + timedelta(milliseconds=(event.ts or 0) // 1000)
        lines.append(f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03} "
                     f"INFO [1a2c] disk 1: {text}\n".encode())  # fmt: skip
    return lines


def accused(court: Court, lines: list[bytes]) -> list[tuple[int, str | None, str]]:
    report = audit_log(BytesIO(b"".join(lines)), file="dll.log", number=0, court=court)
    found = report.judgement.findings
    return [(one.line, one.rule, one.event) for one in found if one.verdict == "violated"]


def court_of(**facts: object) -> Court:
    logmap = replace(STRICT, facts=replace(STRICT.facts, **facts))  # type: ignore[arg-type]
    return Court(logmap, lambda: SYSTEM)


@pytest.fixture(scope="module")
def strict() -> Court:
    return court_of()


@pytest.fixture(scope="module")
def rotated() -> Court:
    return court_of(start="unknown")


@pytest.fixture(scope="module")
def lossy() -> Court:
    return court_of(lossy=True, start="unknown")


@pytest.mark.parametrize("seed", range(6))
def test_a_strict_log_that_ends_anywhere(seed: int, strict: Court) -> None:
    lines = lines_of(seed)
    assert len(lines) >= 3
    found = [accused(strict, lines[:end]) for end in range(1, len(lines) + 1)]
    assert found == [[] for _ in lines]


@pytest.mark.parametrize("seed", range(6))
def test_a_strict_log_that_begins_and_ends_anywhere(seed: int, rotated: Court) -> None:
    lines, chance = lines_of(seed), random.Random(seed)
    found = []
    for _ in range(12):
        begin = chance.randrange(len(lines))
        end = chance.randrange(begin, len(lines)) + 1
        found.append(accused(rotated, lines[begin:end]))
    assert found == [[] for _ in range(12)]


@pytest.mark.parametrize("seed", range(4))
def test_a_log_that_may_lack_lines_lacks_some(seed: int, lossy: Court) -> None:
    lines, chance = lines_of(seed), random.Random(seed)
    found = [accused(lossy, [one for one in lines if chance.random() < 0.7]) for _ in range(8)]
    assert found == [[] for _ in range(8)]


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "without its beginning": lambda line: line[3:],
    "cut short": lambda line: line[: line.index(b" 1: ")] + b"\n",
    "zeros": lambda line: bytes(len(line) - 1) + b"\n",
    "dots": lambda _line: b"...\n",
    "no level": lambda line: line.replace(b"INFO ", b""),
    "no thread": lambda line: line.replace(b"[1a2c] ", b"[] "),
    "a long tail": lambda line: line[:-1] + b" x" * 40_000 + b"\n",
    "a word behind it": lambda line: line[:-1] + b" INFO\n",
    "another code": lambda line: line[:-1] + b"x\n",
}


@pytest.mark.parametrize(("first", "how"), list(enumerate(SPOILT)))
def test_a_strict_log_with_a_line_that_cannot_be_read(first: int, how: str, strict: Court) -> None:
    lines = lines_of(1)
    for at in range(first % 3, len(lines), 3):
        spoilt = SPOILT[how](lines[at])
        assert accused(strict, [*lines[:at], spoilt, *lines[at + 1 :]]) == []


def test_a_strict_log_with_lines_in_the_wrong_order(strict: Court) -> None:
    lines = lines_of(1)
    for at in range(len(lines) - 1):
        if lines[at][:23] != lines[at + 1][:23]:
            swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
            assert accused(strict, swapped) == []


def test_what_a_strict_log_proves(strict: Court) -> None:
    """The same log without the line that opens the resource: every call comes too early."""
    lines = next(some for some in map(lines_of, range(9)) if b"enter Open" in some[0])
    assert accused(strict, lines[1:])[0][0] == 1
