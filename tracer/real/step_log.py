"""The log of every step of a real run (`rhs-steps/1`): written while it happens, and repeated.

JSON Lines: a header with the configuration, then one entry a step of a core, with the event, its
time and the effects; notes stand between them. Each line ends with a check sum of itself and all
before it, so that a file that was cut can be read as far as it goes.

What a core decides depends on its events alone, so given to fresh cores they lead to the same
effects, and a difference means that the file, or the loop that made it, is wrong. Owns this file
and what may be wrong with it; knows no trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final, Literal

import msgspec

from rhscheck.tracer.configuration import ClusterConfiguration, problems
from rhscheck.tracer.rcm_core import RcmCore
from rhscheck.tracer.real.journal import RCM, Entry, NoteEntry, RcmEntry, process_name
from rhscheck.tracer.rhs_core import RhsCore

FORMAT: Final = "rhs-steps/1"


_SUM: Final = b',"sum":"'


def _sum(before: bytes, body: bytes) -> bytes:
    """The check sum of a line, from that of the line before and the line without its own."""
    return hashlib.sha256(before + body).hexdigest()[:16].encode()


class StepHeader(msgspec.Struct, frozen=True):
    """The first line of a step log. `tool`: who wrote it, as far as that is known."""

    node: str
    configuration: ClusterConfiguration
    format: Literal["rhs-steps/1"] = "rhs-steps/1"
    tool: str = ""


class StepFile:
    """Writes the log of every step: a sink."""

    def __init__(
        self,
        stream: BinaryIO,
        configuration: ClusterConfiguration,
        node: str,
        *,
        tool: str = "",
    ) -> None:
        """`stream` must not buffer."""
        self._stream = stream
        self._encoder = msgspec.json.Encoder()
        self._sum = b""
        self._line(StepHeader(node, configuration, tool=tool))

    def _line(self, content: object) -> None:
        body = self._encoder.encode(content)
        self._sum = _sum(self._sum, body)
        self._stream.write(body[:-1] + _SUM + self._sum + b'"}\n')

    def __call__(self, entry: Entry) -> None:
        """Write down one step."""
        self._line(entry)


class StepLogError(Exception):
    """The file is no step log, or has a line that is none of one. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step that fresh cores do not repeat.

    `core`: "RCM" or the process ("shared/1"). `recorded` and `repeated` are the effects, as JSON;
    `refused`: why the core does not take the event at all, else empty. `changed`: the line, or
    what stands before it, is not what was written: its check sum is another. Then the other fields
    may be empty, because the cores do the same again all the same.
    """

    line: int
    core: str
    event: str
    recorded: str
    repeated: str
    refused: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Repeated:
    """What came of a step log. `processes`: monitor processes in it; `cut`: its last line is."""

    tool: str
    steps: int
    processes: int
    cut: bool
    difference: Difference | None


def repeat_steps(stream: BinaryIO) -> Repeated:
    """Give the recorded events to fresh cores, up to the first step with other effects.

    Raises OSError if the stream cannot be read, StepLogError for what is no step log.
    """
    lines = _Lines(stream)
    first = next(iter(lines), None)
    if first is None:
        raise StepLogError(1, "there is no whole line: the run wrote nothing, or the file was cut")
    head = _header(first)
    manager = _manager(head)
    monitors: dict[tuple[str, int], RhsCore] = {}
    decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
    steps = 0
    if not lines.intact:
        return Repeated(head.tool, 0, 0, lines.cut, _changed(1, "the header"))
    for number, line in enumerate(lines, 2):
        try:
            entry = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StepLogError(number, f"no step: {error}") from None
        if isinstance(entry, NoteEntry):
            if not lines.intact:
                difference = _changed(number, "a note")
                return Repeated(head.tool, steps, len(monitors), lines.cut, difference)
            continue
        steps += 1
        core: RcmCore | RhsCore
        if isinstance(entry, RcmEntry):
            name, core = RCM, manager
        else:
            key = (entry.monitor, entry.epoch)
            name = process_name(*key)
            core = monitors.setdefault(key, RhsCore(head.configuration.timeouts))
        difference = _difference(number, name, core, entry)
        if not lines.intact:
            difference = replace(difference or _changed(number, name), changed=True)
        if difference is not None:
            return Repeated(head.tool, steps, len(monitors), lines.cut, difference)
    return Repeated(head.tool, steps, len(monitors), lines.cut, None)


class _Lines:
    """The lines of a file without their check sums.

    `cut`: its last one has no end, and is left out. `intact`: the latest has its check sum.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sum = b""
        self.cut = False
        self.intact = True

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            if not line.endswith(b"\n"):
                self.cut = True
                return
            body, mark, told = line.rpartition(_SUM)
            if not mark:  # it may be no line of a step log at all: whoever reads it says so
                self.intact = False
                yield line
                continue
            body += b"}"
            self._sum = _sum(self._sum, body)
            self.intact = told == self._sum + b'"}\n'
            yield body


def _changed(number: int, core: str) -> Difference:
    return Difference(number, core, "", "", "", changed=True)


def _header(line: bytes) -> StepHeader:
    try:
        return msgspec.json.decode(line, type=StepHeader)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if line.lstrip(b"\xef\xbb\xbf").startswith(b'{"rhs"'):
            reason = "this is a trace: `rhscheck replay` judges it"
        else:
            reason = f"no header of {FORMAT}, which `rhscheck run --steps FILE` writes: {error}"
        raise StepLogError(1, reason) from None


def _manager(head: StepHeader) -> RcmCore:
    found = [one.message for one in problems(head.configuration)]
    if head.node not in head.configuration.nodes:
        found.append(f"there is no node `{head.node}`")
    if found:
        raise StepLogError(1, f"the configuration cannot be: {'; '.join(found)}")
    return RcmCore(head.configuration, head.node)


def _difference(number: int, name: str, core: RcmCore | RhsCore, entry: Entry) -> Difference | None:
    """How the core's step differs from the recorded one, None if it does not."""
    if isinstance(entry, NoteEntry):
        return None
    event: Any = entry.event
    told = msgspec.json.encode(event).decode()
    recorded = msgspec.json.encode(entry.effects).decode()
    try:
        effects = core.step(event, entry.now_us)
    except Exception as error:
        # A changed line may say anything: time that goes back, resources that are not there.
        refused = f"{type(error).__name__}: {error}"
        return Difference(number, name, told, recorded, "", refused)
    if list(effects) == list(entry.effects):
        return None
    return Difference(number, name, told, recorded, msgspec.json.encode(effects).decode())
