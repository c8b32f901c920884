"""The trace format `rhs-trace/1`: its records, and their reading and writing, byte for byte.

JSON Lines in UTF-8: a header, events, and an end line with the number of events and the SHA-256 of
everything before it, so that a cut or edited file is known as such. Keys stand in one canonical
order, there are no blanks and no floats, times are integer microseconds. Owns the shape of records
only: what an event means to a spec is `traces.mapping`'s, whether it was allowed `traces.replay`'s.
It imports nothing of ours, because the runtime, which must not know the spec, writes it too.

A reader never raises for what is in a file: each line that cannot be read becomes a `Malformed`
record with its line and column, and the last record always says how the file ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, BinaryIO, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

# A longer line is refused unread: a file without line ends must not fill memory.
MAX_LINE_BYTES: Final = 1 << 20

Micros = Annotated[int, Meta(ge=0, le=(1 << 62))]
Count = Annotated[int, Meta(ge=0, le=(1 << 62))]
Code = Annotated[int, Meta(ge=-(1 << 62), le=(1 << 62))]
Scalar = Code | str | bool | None
# What may happen without a line: kinds of a spec's labels, each with a name, or `*` for all names.
UNSEEN_KINDS: Final = ("call", "return", "callback", "expiry", "timer", "event")
Unseen = Annotated[str, Meta(pattern=rf"^({'|'.join(UNSEEN_KINDS)}) [^ ]+$")]


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """How one host's time stamps are to be read. `epoch`: "unix" or "start" (of the run)."""

    unit: Literal["us"] = "us"
    epoch: str = "unix"
    skew_us: Micros = 0
    tz: str = "UTC"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. What it leaves out is read as the weaker claim.

    `complete`: every event the spec can see was recorded; `lossy`: events may have been dropped;
    `unseen`: of one that is neither, what alone may lack lines (`call IsAlive`, `timer *`).
    `n`: number of instances of a parametric machine. `resources`: the name used in `res` for an
    instance, `{"IP Address": "Resource[1]"}`. `params`: the spec's parameters (times in
    microseconds) and readings the run was made under. `slack_us`: how late an event may be seen.
    """

    rhs: Literal[1] = 1
    kind: Literal["header"] = "header"
    id: str = ""
    src: str = "unknown"
    spec: str = ""
    spec_sha256: str = ""
    clock: dict[str, Clock] = {}
    complete: bool = False
    lossy: bool = False
    unseen: tuple[Unseen, ...] | UnsetType = UNSET
    start: Literal["initial", "unknown"] = "unknown"
    timeouts_ms: dict[str, Count] = {}
    n: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET
    resources: dict[str, str] = {}
    params: dict[str, Code | str] = {}
    slack_us: Micros = 0
    seed: Code | UnsetType = UNSET
    tool: str = ""


class Origin(msgspec.Struct, frozen=True):
    """Where an event was read from: file number, 1-based line, byte offset."""

    f: Count
    l: Count  # noqa: E741 - the format's key
    o: Count


class _Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="ev",
    rename={"source": "from", "target": "to"},
):
    """What all events have. `ts` in microseconds, or its bounds `ts_lo` and `ts_hi`.

    An event holds nothing that could refer back to it, so the collector need not look at it: that
    is a third of the time of reading. Fields stand in the order in which they are usually written,
    those that are rare at the end: the decoder expects them so.
    """

    ts: Micros | None = None
    seq: Count
    host: str = ""
    mon: str | None = None
    tid: Count | None = None
    res: str | None = None
    ts_lo: Micros | None = None
    ts_hi: Micros | None = None
    inf: bool = False  # concluded by a reader, not recorded
    src: Origin | None = None


class CallEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="call"):
    """An entry point was called. `cid` identifies the call among all of (host, mon)."""

    op: str
    cid: Count | None = None
    args: dict[str, Scalar] | UnsetType = UNSET


class ReturnEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="return"):
    """An entry point returned with result code `rc`."""

    op: str
    cid: Count | None = None
    rc: Code


class StatusEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="status"):
    """The plug-in called back with argument `state`; the callback itself returned `rc`."""

    op: str
    state: str | None = None
    ckpt: Count | None = None
    rc: Code | None = None


class StateEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="state"):
    """The recorder's own view of a resource's state changed."""

    source: str | None = None
    target: str


class TimeoutEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="timeout"):
    """A call's time-out passed (`cid` says which), or, without `cid`, a timer called `op` fired."""

    op: str
    cid: Count | None = None
    limit_ms: Count | None = None


class NotifyEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="notify"):
    """One component told another something."""

    target: str
    what: str


class ExitEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="exit"):
    """A monitor process ended."""

    why: str
    dump: bool = False


class GapEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="gap"):
    """Events are missing here; `lost` of them, if that is known."""

    why: str
    lost: Count | None = None


class NoteEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="note"):
    """Something that the model ignores and a timeline shows."""

    what: str
    args: dict[str, Scalar] = {}


class NamedEvent(_Event, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="event"):
    """An event that is no call, of any machine."""

    name: str
    actor: str | None = None
    args: dict[str, Scalar] = {}


Event = (
    CallEvent
    | ReturnEvent
    | StatusEvent
    | StateEvent
    | TimeoutEvent
    | NotifyEvent
    | ExitEvent
    | GapEvent
    | NoteEvent
    | NamedEvent
)

EVENT_KINDS: Final = (
    *("call", "return", "status", "state", "timeout", "notify", "exit", "gap", "note", "event"),
)


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The last line. `sha256` is over all lines before it, each ended by one line feed."""

    rhs: Literal[1] = 1
    kind: Literal["end"] = "end"
    events: Count
    sha256: str


# ---- writing -----------------------------------------------------------------------------------
_KEY_ORDER: Final = (
    *("ts", "ts_lo", "ts_hi", "seq", "host", "mon", "tid", "res", "ev", "op", "cid", "name"),
    *("actor", "args", "state", "ckpt", "rc", "from", "to", "limit_ms", "what", "why", "dump"),
    *("lost", "inf", "src"),
)


def event_fields(event: Event) -> dict[str, object]:
    """The event as a JSON object in canonical key order, without what it leaves out."""
    plain = msgspec.to_builtins(event)
    return {key: plain[key] for key in _KEY_ORDER if key in plain}


def encode_header(header: Header) -> bytes:
    """The header's line, without its end."""
    return msgspec.json.encode(header)


def encode_event(event: Event) -> bytes:
    """The event's line, without its end."""
    return msgspec.json.encode(event_fields(event))


class TraceWriter:
    """Writes a trace to a binary stream: the header at once, the end line on `close`.

    The same header and events give the same bytes on every platform. A trace that was not closed is
    read as unfinished, which is what it is. The stream stays open.
    """

    def __init__(self, stream: BinaryIO, header: Header) -> None:
        self._stream = stream
        self._sum = hashlib.sha256()
        self._events = 0
        self._line(encode_header(header))

    def _line(self, line: bytes) -> None:
        self._sum.update(line + b"\n")
        self._stream.write(line + b"\n")

    def write(self, event: Event) -> None:
        """Append one event."""
        self._line(encode_event(event))
        self._events += 1

    def close(self) -> None:
        """Write the end line: the run is recorded to its end."""
        end = End(events=self._events, sha256=self._sum.hexdigest())
        self._stream.write(msgspec.json.encode(end) + b"\n")


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace in memory."""

    header: Header
    events: tuple[Event, ...]

    def encode(self) -> bytes:
        """The bytes of the file, end line included."""
        stream = BytesIO()
        writer = TraceWriter(stream, self.header)
        for event in self.events:
            writer.write(event)
        writer.close()
        return stream.getvalue()


# ---- reading -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class HeaderLine:
    """The header, on line `line` (always 1)."""

    line: int
    header: Header


@dataclass(frozen=True, slots=True)
class EventLine:
    """A readable event."""

    line: int
    event: Event


@dataclass(frozen=True, slots=True)
class UnknownLine:
    """A well-formed record of a kind that this version does not know."""

    line: int
    kind: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that cannot be read. `column` counts characters from 1."""

    line: int
    column: int
    message: str


Ending = Literal["complete", "missing", "truncated", "mismatch"]


@dataclass(frozen=True, slots=True)
class Finish:
    """How the file ended; always the last record.

    complete   the end line is there and agrees with what precedes it
    missing    there is no end line: the run may have gone on
    truncated  the last line has no line end and cannot be read: the file was cut
    mismatch   the end line disagrees: the file was changed after it was written

    `claimed`: how many events the end line counts, if there are not as many.
    """

    ending: Ending
    lines: int
    events: int
    message: str
    claimed: int | None = None

    @property
    def is_short(self) -> bool:
        """Whether there are not as many events as the recorder wrote."""
        return self.claimed is not None


Record = HeaderLine | EventLine | UnknownLine | Malformed | Finish


class _Kind(msgspec.Struct, frozen=True):
    """Just enough of a line to say what it claims to be."""

    rhs: msgspec.Raw | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    ev: str | UnsetType = UNSET


def _column(line: bytes, offset: int) -> int:
    return len(line[: max(offset, 0)].decode("utf-8", "replace")) + 1


def malformed(number: int, line: bytes, error: Exception) -> Malformed:
    """The place and reason of a decoding error, from what the decoder says about it."""
    if not line:
        return Malformed(number, 1, "an empty line")
    if isinstance(error, RecursionError):
        return Malformed(number, 1, "nested too deeply")
    message = str(error)
    if isinstance(error, msgspec.ValidationError):
        what, _, path = message.partition(" - at `")
        key = path.rstrip("`").rpartition(".")[2].partition("[")[0]
        at = line.find(b'"' + key.encode() + b'"') if key else 0
        where = f" for `{key}`" if key else ""
        return Malformed(
            number, _column(line, at), what.replace("`", "'") + where.replace("`", "'")
        )
    head, _, byte = message.rpartition(" (byte ")
    if head and byte.rstrip(")").isdigit():
        reason = head.removeprefix("JSON is malformed: ")
        # The decoder names the byte at fault, but for trailing characters the one after it.
        at = int(byte.rstrip(")")) - (reason == "trailing characters")
        return Malformed(number, _column(line, at), f"not JSON: {reason}")
    if "utf-8" in message.lower():
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        return Malformed(number, _column(line, start), "not UTF-8")
    return Malformed(number, _column(line, len(line)), "not JSON: the line ends too early")


class LineReader:
    """Decoders, and the running sum over the lines read."""

    def __init__(self, *, continued: bool = False) -> None:
        self.continued = continued  # it may go on where another file ended, without a header
        self.is_part = False  # and so it does
        self.kind: msgspec.json.Decoder[_Kind] = msgspec.json.Decoder(_Kind)
        self.header: msgspec.json.Decoder[Header] = msgspec.json.Decoder(Header)
        self.event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
        self.end: msgspec.json.Decoder[End] = msgspec.json.Decoder(End)
        self.sum = hashlib.sha256()
        self.events = 0

    def first(self, line: bytes) -> Record | End:
        """What stands on the first line. Raises what the decoder raises."""
        if line.startswith((b"\xff\xfe", b"\xfe\xff")):
            # As the `>` of an older PowerShell writes it.
            return Malformed(1, 1, "UTF-16, where rhs-trace/1 is UTF-8: write it by -o FILE")
        kind = self.kind.decode(line)
        if self.continued and (kind.rhs is UNSET or kind.kind != "header"):
            self.is_part = True
            return self.later(1, line)
        if kind.rhs is UNSET:
            return Malformed(1, 1, "not a trace: the first line has no 'rhs' key")
        if bytes(kind.rhs) != b"1":
            return Malformed(1, _column(line, line.find(b'"rhs"')), "only rhs-trace/1 can be read")
        if kind.kind != "header":
            return Malformed(1, 1, "the first line is not the header")
        return HeaderLine(1, self.header.decode(line))

    def later(self, number: int, line: bytes) -> Record | End:
        """What stands on line `number`. Raises what the decoder raises."""
        if line.startswith(b'{"rhs"'):
            return self.special(number, line)
        try:
            event = self.event.decode(line)
        except msgspec.ValidationError:
            kind = self.kind.decode(line)
            if kind.rhs is not UNSET:
                return self.special(number, line)
            if isinstance(kind.ev, str) and kind.ev not in EVENT_KINDS:
                return UnknownLine(number, kind.ev)
            raise
        if event.ts is None and (event.ts_lo is None or event.ts_hi is None):
            return Malformed(number, 1, "no time: 'ts', or both 'ts_lo' and 'ts_hi', is needed")
        if event.ts_lo is not None and event.ts_hi is not None and event.ts_lo > event.ts_hi:
            at = _column(line, line.find(b'"ts_lo"'))
            return Malformed(number, at, "'ts_lo' is after 'ts_hi'")
        return EventLine(number, event)

    def again(self, number: int, line: bytes) -> EventLine | Malformed:
        """What stands on a line that is an event or is meant to be, and is counted as one."""
        try:
            record = self.later(number, line)
        except msgspec.DecodeError as error:
            record = malformed(number, line, error)
        assert isinstance(record, EventLine | Malformed)
        if isinstance(record, Malformed):
            self.events -= 1
        return record

    def special(self, number: int, line: bytes) -> Record | End:
        """What a line with an `rhs` key says."""
        kind = self.kind.decode(line)
        if kind.kind == "end":
            return self.end.decode(line)
        if kind.kind == "header":
            return Malformed(number, 1, "a second header")
        return UnknownLine(number, str(kind.kind) if isinstance(kind.kind, str) else "?")


def read_trace(stream: BinaryIO) -> Iterator[Record]:
    """The records of a trace, one a line in file order, then a `Finish`. Needs memory for one line.

    A byte-order mark and carriage returns at line ends (a file that went through an editor) are
    ignored. Raises only what reading the stream raises (OSError).
    """
    reader = LineReader()
    number = 0
    malformed_tail = False
    while chunk := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        ended = chunk.endswith(b"\n")
        line = chunk.rstrip(b"\r\n")
        if not ended and len(chunk) > MAX_LINE_BYTES:
            yield Malformed(number, 1, f"a line of more than {MAX_LINE_BYTES} bytes")
            yield Finish("truncated", number, reader.events, "reading stopped at an endless line")
            return
        record: Record | End
        try:
            record = reader.first(line) if number == 1 else reader.later(number, line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            record = malformed(number, line, error)
        if isinstance(record, End):
            beyond = bool(stream.readline(MAX_LINE_BYTES))
            yield from after_end(record, reader, number, beyond=beyond)
            return
        reader.sum.update(line + b"\n")
        if isinstance(record, EventLine | UnknownLine):
            reader.events += 1
        malformed_tail = isinstance(record, Malformed) and not ended
        yield record
    if malformed_tail:
        yield Finish("truncated", number, reader.events, "the last line is cut off")
    else:
        yield Finish("missing", number, reader.events, "there is no end line")


def after_end(
    end: End, reader: LineReader, number: int, *, beyond: bool
) -> Iterator[Malformed | Finish]:
    """Whether the end line, on line `number`, agrees with what was read.

    `beyond`: there is something after it.
    """
    ending: Ending = "complete"
    message = "complete"
    if beyond:
        yield Malformed(number + 1, 1, "there is text after the end line")
        ending, message = "mismatch", "the end line is not the last line"
    elif reader.is_part:
        ending, message = "missing", "the end line counts the lines of the file before this, too"
    elif end.events != reader.events:
        ending = "mismatch"
        message = f"the end line counts {end.events} events, the file has {reader.events}"
    elif end.sha256 != reader.sum.hexdigest():
        ending, message = "mismatch", "the checksum differs: a line was changed after recording"
    agrees = beyond or reader.is_part or end.events == reader.events
    claimed = None if agrees else end.events
    yield Finish(ending, number, reader.events, message, claimed)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A trace file in memory: what could be read, what could not, and how it ended."""

    header: Header | None
    events: tuple[EventLine, ...]
    problems: tuple[Malformed, ...]
    unknown: tuple[UnknownLine, ...]
    finish: Finish


def load_trace(stream: BinaryIO) -> Loaded:
    """Read a whole trace. Raises OSError if the stream cannot be read."""
    return collect(read_trace(stream))


def collect(records: Iterable[Record]) -> Loaded:
    """Sort the records of one trace by what they are."""
    header: Header | None = None
    events: list[EventLine] = []
    problems: list[Malformed] = []
    unknown: list[UnknownLine] = []
    finish = Finish("missing", 0, 0, "there is no end line")
    for record in records:
        match record:
            case HeaderLine():
                header = record.header
            case EventLine():
                events.append(record)
            case Malformed():
                problems.append(record)
            case UnknownLine():
                unknown.append(record)
            case Finish():
                finish = record
    return Loaded(header, tuple(events), tuple(problems), tuple(unknown), finish)
