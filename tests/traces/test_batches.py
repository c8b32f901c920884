"""Reading many lines at once gives what reading line by line gives, whatever is in the file."""

import random
from collections.abc import Sequence
from io import BytesIO

import pytest

from rhscheck.traces.batches import Batch, read_batches
from rhscheck.traces.format import (
    MAX_LINE_BYTES,
    CallEvent,
    EventLine,
    Finish,
    Header,
    Malformed,
    Trace,
    encode_event,
    encode_header,
    read_trace,
)

GOOD = Trace(
    Header(src="test"), tuple(CallEvent(ts=n, seq=n, res="R", op="Open") for n in range(1, 30))
).encode()


def lines_of(data: bytes) -> list[object]:
    found: list[object] = []
    for part in read_batches(BytesIO(data)):
        if isinstance(part, Batch):
            found += [EventLine(part.line + at, event) for at, event in enumerate(part.events)]
        else:
            found.append(part)
    return found


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """The file after something that happens to files."""
    lines: list[bytes] = data.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    junk: Sequence[bytes] = (
        b"", b"\n", b"\r\n", b"nonsense\n", b"\xff\xfe\n", b'{"ts":1}\n', b"[" * 5000 + b"\n",
        b'{"ts":"x","seq":1,"ev":"call","op":"Open"}\n', b'{"seq":1,"ev":"call","op":"Open"}\n',
        b'{"ts":1,"seq":1,"ev":"telepathy"}\n', b"\x00\x00\n", b'{"rhs":1,"kind":"header"}\n',
        b'{"rhs":1,"kind":"end","events":3,"sha256":""}\n', lines[at].replace(b"\n", b"\r\n"),
        b'{"ts_lo":5,"ts_hi":1,"seq":1,"ev":"call","op":"Open"}\n', b" " + lines[at],
    )  # fmt: skip
    match chance.randrange(4):
        case 0:
            lines[at] = chance.choice(junk)
        case 1:
            lines.insert(at, chance.choice(junk))
        case 2:
            del lines[at]
        case _:
            return b"".join(lines)[: chance.randrange(len(data))]
    return b"".join(lines)


@pytest.mark.parametrize("seed", range(60))
def test_batches_are_the_lines(seed: int) -> None:
    chance = random.Random(seed)
    data = GOOD
    for _ in range(1 + seed % 3):
        data = spoilt(data, chance)
    assert lines_of(data) == list(read_trace(BytesIO(data)))


def test_a_good_file_is_one_batch() -> None:
    header, batch, finish = read_batches(BytesIO(GOOD))
    assert isinstance(batch, Batch)
    assert (batch.line, len(batch.events)) == (2, 29)
    assert finish == Finish("complete", 31, 29, "complete")
    assert header == next(iter(read_trace(BytesIO(GOOD))))


def test_an_endless_line_is_reported_and_skipped() -> None:
    head, *rest = GOOD.splitlines(keepends=True)
    data = head + b"x" * (MAX_LINE_BYTES * 3) + b"\n" + b"".join(rest[:-1])
    parts = list(read_batches(BytesIO(data)))
    assert parts[1] == Malformed(2, 1, f"a line of more than {MAX_LINE_BYTES} bytes")
    assert isinstance(parts[2], Batch)
    assert (parts[2].line, len(parts[2].events)) == (3, 29)
    assert parts[3] == Finish("missing", 31, 29, "there is no end line")


def test_an_endless_line_that_never_ends_cuts_the_file() -> None:
    head, first, *_ = GOOD.splitlines(keepends=True)
    parts = list(read_batches(BytesIO(head + first + b"x" * (MAX_LINE_BYTES * 3))))
    assert parts[-1] == Finish("truncated", 3, 1, "the last line is cut off")


def test_nothing_is_no_trace() -> None:
    assert list(read_batches(BytesIO(b""))) == [Finish("missing", 0, 0, "there is no end line")]


def test_two_events_on_a_line_do_not_make_up_for_an_empty_one() -> None:
    line = encode_event(CallEvent(ts=1, seq=1, res="R", op="Open"))
    data = b"\n".join([encode_header(Header()), line, line + line, b"", line, b""])
    assert lines_of(data) == list(read_trace(BytesIO(data)))
