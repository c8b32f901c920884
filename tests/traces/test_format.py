"""rhs-trace/1: exact bytes out, exact records and complaints in."""

import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhscheck.traces.format import (
    MAX_LINE_BYTES,
    CallEvent,
    Clock,
    EventLine,
    ExitEvent,
    Finish,
    GapEvent,
    Header,
    HeaderLine,
    Malformed,
    NamedEvent,
    NoteEvent,
    NotifyEvent,
    Origin,
    ReturnEvent,
    StateEvent,
    StatusEvent,
    TimeoutEvent,
    Trace,
    TraceWriter,
    UnknownLine,
    encode_event,
    load_trace,
    read_trace,
)

HEADER = Header(
    id="a",
    src="sim",
    spec="toy",
    clock={"N": Clock(epoch="start")},
    complete=True,
    start="initial",
    n=2,
    params={"T": 5_000_000, "Reading": "strict"},
    seed=7,
    tool="rhscheck",
)
EVENTS = (
    CallEvent(ts=0, seq=1, host="N", res="R[1]", op="Online", cid=1),
    ReturnEvent(ts=1, seq=2, host="N", res="R[1]", op="Online", cid=1, rc=997),
)
HEADER_LINE = (
    b'{"rhs":1,"kind":"header","id":"a","src":"sim","spec":"toy","spec_sha256":"",'
    b'"clock":{"N":{"unit":"us","epoch":"start","skew_us":0,"tz":"UTC"}},'
    b'"complete":true,"lossy":false,"start":"initial","timeouts_ms":{},"n":2,"resources":{},'
    b'"params":{"T":5000000,"Reading":"strict"},"slack_us":0,"seed":7,"tool":"rhscheck"}\n'
)
CALL_LINE = b'{"ts":0,"seq":1,"host":"N","res":"R[1]","ev":"call","op":"Online","cid":1}\n'
RETURN_LINE = (
    b'{"ts":1,"seq":2,"host":"N","res":"R[1]","ev":"return","op":"Online","cid":1,"rc":997}\n'
)


def records(*lines: bytes) -> list[object]:
    return list(read_trace(BytesIO(b"".join(lines))))


def test_a_trace_is_these_bytes() -> None:
    body = HEADER_LINE + CALL_LINE + RETURN_LINE
    end = f'{{"rhs":1,"kind":"end","events":2,"sha256":"{hashlib.sha256(body).hexdigest()}"}}\n'
    assert Trace(HEADER, EVENTS).encode() == body + end.encode()


def test_a_written_trace_reads_back() -> None:
    loaded = load_trace(BytesIO(Trace(HEADER, EVENTS).encode()))
    assert loaded.header == HEADER
    assert loaded.events == (EventLine(2, EVENTS[0]), EventLine(3, EVENTS[1]))
    assert loaded.problems == ()
    assert loaded.finish == Finish("complete", 4, 2, "complete")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            CallEvent(
                ts=5,
                seq=1,
                host="N",
                mon="6800#1",
                tid=3,
                res="é",
                op="Open",
                cid=1,
                args={"x": 1},
                src=Origin(0, 12, 345),
            ),
            '{"ts":5,"seq":1,"host":"N","mon":"6800#1","tid":3,"res":"é","ev":"call","op":"Open",'
            '"cid":1,"args":{"x":1},"src":{"f":0,"l":12,"o":345}}',
        ),
        (
            ReturnEvent(ts_lo=5, ts_hi=9, seq=1, op="Open", cid=1, rc=-1, inf=True),
            '{"ts_lo":5,"ts_hi":9,"seq":1,"ev":"return","op":"Open","cid":1,"rc":-1,"inf":true}',
        ),
        (
            StatusEvent(ts=0, seq=1, op="SetResourceStatus", state="pending", ckpt=5, rc=0),
            '{"ts":0,"seq":1,"ev":"status","op":"SetResourceStatus","state":"pending","ckpt":5,"rc":0}',
        ),
        (
            StateEvent(ts=0, seq=1, source="A", target="B"),
            '{"ts":0,"seq":1,"ev":"state","from":"A","to":"B"}',
        ),
        (
            TimeoutEvent(ts=0, seq=1, op="Online", cid=9, limit_ms=300000),
            '{"ts":0,"seq":1,"ev":"timeout","op":"Online","cid":9,"limit_ms":300000}',
        ),
        (
            NotifyEvent(ts=0, seq=1, target="RCM", what="FAILURENOTIFICATION"),
            '{"ts":0,"seq":1,"ev":"notify","to":"RCM","what":"FAILURENOTIFICATION"}',
        ),
        (
            ExitEvent(ts=0, seq=1, mon="1#1", why="deadlock", dump=True),
            '{"ts":0,"seq":1,"mon":"1#1","ev":"exit","why":"deadlock","dump":true}',
        ),
        (
            GapEvent(ts=0, seq=1, why="ring", lost=3),
            '{"ts":0,"seq":1,"ev":"gap","why":"ring","lost":3}',
        ),
        (
            NoteEvent(ts=0, seq=1, what="fault injected"),
            '{"ts":0,"seq":1,"ev":"note","what":"fault injected"}',
        ),
        (
            NamedEvent(ts=0, seq=1, name="restart", actor="RCM"),
            '{"ts":0,"seq":1,"ev":"event","name":"restart","actor":"RCM"}',
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_event_has_its_canonical_line(event: CallEvent, line: str) -> None:
    assert encode_event(event).decode() == line
    assert records(HEADER_LINE, line.encode() + b"\n")[1] == EventLine(2, event)


def test_keys_may_come_in_any_order_and_unknown_keys_are_ignored() -> None:
    line = (
        b'{"cid":1, "new":[{}], "op":"Online","ev":"call","seq":1,"host":"N","res":"R[1]","ts":0}\n'
    )
    assert records(HEADER_LINE, line)[1] == EventLine(2, EVENTS[0])


def test_an_unknown_kind_of_event_is_counted_not_refused() -> None:
    got = records(HEADER_LINE, b'{"ts":0,"seq":1,"ev":"telepathy"}\n')
    assert got[1:] == [
        UnknownLine(2, "telepathy"),
        Finish("missing", 2, 1, "there is no end line"),
    ]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        (
            b'{"ts":"1","seq":1,"ev":"call","op":"X"}',
            2,
            "Expected 'int | null', got 'str' for 'ts'",
        ),
        (b'{"ts":1,"seq":1,"ev":"return","op":"X"}', 1, "Object missing required field 'rc'"),
        (
            b'{"ts":1.5,"seq":1,"ev":"call","op":"X"}',
            2,
            "Expected 'int | null', got 'float' for 'ts'",
        ),
        (b'{"ts":1,"seq":1,"ev":"call","op":"X",}', 38, "not JSON: trailing comma in object"),
        (b'{"ts":1,"seq":1,"ev":"call","op":"X"', 37, "not JSON: the line ends too early"),
        (b'{"ts":1,"seq":1,"ev":"call","op":"X"} 1', 39, "not JSON: trailing characters"),
        (b"[1]", 1, "Expected 'object', got 'array'"),
        (b"", 1, "an empty line"),
        (b"{}", 1, "Object missing required field 'ev'"),
        (
            b'{"seq":1,"ev":"call","op":"X"}',
            1,
            "no time: 'ts', or both 'ts_lo' and 'ts_hi', is needed",
        ),
        (b'{"ts_lo":2,"ts_hi":1,"seq":1,"ev":"call","op":"X"}', 2, "'ts_lo' is after 'ts_hi'"),
        (b'{"ts":1,"x":' + b"[" * 5000 + b"}", 1, "nested too deeply"),
        (HEADER_LINE[:-1], 1, "a second header"),
        (b'{"ts":1,"seq":1,"ev":"call","op":"\xff"}', 1, "not UTF-8"),
    ],
)
def test_a_malformed_line_is_reported_with_its_place(
    line: bytes, column: int, message: str
) -> None:
    got = records(HEADER_LINE, line + b"\n", CALL_LINE)
    assert got[1] == Malformed(2, column, message)
    assert got[2] == EventLine(3, EVENTS[0])


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        (CALL_LINE, 1, "not a trace: the first line has no 'rhs' key"),
        (b'{"rhs":2,"kind":"header"}\n', 2, "only rhs-trace/1 can be read"),
        (b'{"rhs":1,"kind":"end","events":0,"sha256":""}\n', 1, "the first line is not the header"),
        (b'{"rhs":1,"kind":"header","n":0}\n', 26, "Expected 'int' >= 1 for 'n'"),
        (
            b'{"rhs":1,"kind":"header","unseen":["timer *","Call IsAlive"]}\n',
            26,
            "Expected 'str' matching regex "
            r"'^(call|return|callback|expiry|timer|event) [^ ]+$' for 'unseen'",
        ),
        (
            b'{"rhs":1,"kind":"header","unseen":"timer *"}\n',
            26,
            "Expected 'array', got 'str' for 'unseen'",
        ),
        (b"MZ\x00\n", 1, "not JSON: invalid character"),
    ],
)
def test_a_bad_first_line_is_reported(line: bytes, column: int, message: str) -> None:
    assert records(line)[0] == Malformed(1, column, message)


def test_a_cut_file_is_known_as_cut() -> None:
    whole = Trace(HEADER, EVENTS).encode()
    cut = HEADER_LINE + CALL_LINE + RETURN_LINE[:40]
    assert whole.startswith(cut)
    got = records(cut)
    assert got[-2] == Malformed(3, 41, "not JSON: the line ends too early")
    assert got[-1] == Finish("truncated", 3, 1, "the last line is cut off")


def test_a_file_cut_between_lines_has_no_end_line() -> None:
    assert records(HEADER_LINE, CALL_LINE)[-1] == Finish("missing", 2, 1, "there is no end line")


def test_what_leaves_no_line_stands_in_a_header_that_says_so_only() -> None:
    header = Header(id="a", unseen=("expiry *", "event handleSignaled"))
    data = Trace(header, ()).encode()
    assert data.startswith(
        b'{"rhs":1,"kind":"header","id":"a","src":"unknown","spec":"","spec_sha256":"","clock":{},'
        b'"complete":false,"lossy":false,"unseen":["expiry *","event handleSignaled"],'
        b'"start":"unknown"'
    )
    loaded = load_trace(BytesIO(data))
    assert (loaded.header, loaded.finish.ending) == (header, "complete")
    assert b"unseen" not in Trace(HEADER, ()).encode()


def test_an_empty_file_has_neither_header_nor_events() -> None:
    assert records() == [Finish("missing", 0, 0, "there is no end line")]


def test_a_dropped_line_disagrees_with_the_end_line() -> None:
    lines = Trace(HEADER, EVENTS).encode().splitlines(keepends=True)
    assert records(*lines[:2], *lines[3:])[-1] == Finish(
        "mismatch", 3, 1, "the end line counts 2 events, the file has 1", 2
    )


def test_a_changed_line_disagrees_with_the_end_line() -> None:
    whole = Trace(HEADER, EVENTS).encode().replace(b'"rc":997', b'"rc":998')
    assert records(whole)[-1] == Finish(
        "mismatch", 4, 2, "the checksum differs: a line was changed after recording"
    )


def test_text_after_the_end_line_is_reported() -> None:
    got = records(Trace(HEADER, EVENTS).encode(), CALL_LINE)
    assert got[-2:] == [
        Malformed(5, 1, "there is text after the end line"),
        Finish("mismatch", 4, 2, "the end line is not the last line"),
    ]


def test_a_byte_order_mark_and_carriage_returns_do_no_harm() -> None:
    whole = b"\xef\xbb\xbf" + Trace(HEADER, EVENTS).encode().replace(b"\n", b"\r\n")
    assert records(whole)[-1] == Finish("complete", 4, 2, "complete")


def test_an_endless_line_is_not_read_into_memory() -> None:
    got = records(HEADER_LINE, b"x" * (MAX_LINE_BYTES + 5))
    assert got[1:] == [
        Malformed(2, 1, f"a line of more than {MAX_LINE_BYTES} bytes"),
        Finish("truncated", 2, 0, "reading stopped at an endless line"),
    ]


def test_a_writer_that_is_not_closed_leaves_an_unfinished_trace() -> None:
    stream = BytesIO()
    TraceWriter(stream, HEADER).write(EVENTS[0])
    assert records(stream.getvalue()) == [
        HeaderLine(1, HEADER),
        EventLine(2, EVENTS[0]),
        Finish("missing", 2, 1, "there is no end line"),
    ]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    got = records(HEADER_LINE, data)
    assert isinstance(got[-1], Finish)
    assert isinstance(records(data)[-1], Finish)


@given(
    st.lists(
        st.builds(
            ReturnEvent,
            ts=st.integers(0, 1 << 62),
            seq=st.integers(0, 1 << 62),
            host=st.text(max_size=5),
            res=st.none() | st.text(max_size=5),
            op=st.text(max_size=5),
            cid=st.none() | st.integers(0, 9),
            rc=st.integers(-9, 999),
        ),
        max_size=3,
    )
)
def test_what_is_written_is_read(events: list[ReturnEvent]) -> None:
    loaded = load_trace(BytesIO(Trace(HEADER, tuple(events)).encode()))
    assert [line.event for line in loaded.events] == events
    assert loaded.finish.ending == "complete"


def test_a_trace_in_utf_16_is_called_that() -> None:
    text = Trace(HEADER, ()).encode().decode()
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        (first, *_) = read_trace(BytesIO(mark + text.encode(encoding)))
        what = "UTF-16, where rhs-trace/1 is UTF-8: write it by -o FILE"
        assert first == Malformed(1, 1, what)
