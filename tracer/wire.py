"""How a message stands in a pipe: one JSON object, ended by a line feed.

Owns writing such a line, and putting the chunks of a pipe together to lines. What is said is
`tracer.events`'s and `tracer.real.frames`'s; nothing is read or written here, so the simulator cuts
its connections with the same words and the same reader.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

_ENCODER: Final = msgspec.json.Encoder()


def line_of(message: msgspec.Struct | dict[str, Any]) -> bytes:
    """The line of a message, its end included."""
    return _ENCODER.encode(message) + b"\n"


class LineSplitter:
    """The lines of a pipe, from its chunks. A last line without an end was cut: it never comes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in this chunk, without their ends."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines
