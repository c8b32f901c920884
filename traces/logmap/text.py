"""The text of a log file, whatever its encoding, in blocks of whole lines and bounded memory.

Owns encodings (UTF-8, UTF-16 in both orders, ANSI; with and without a byte-order mark), line ends,
and the limit on a line's length. It knows nothing of what lines mean. What cannot be decoded
becomes U+FFFD; nothing here raises for what is in a file.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "windows-1252"]

BLOCK_BYTES: Final = 1 << 18
# What is beyond this in a line is not looked at: a file without line ends must not fill memory.
MAX_LINE_BYTES: Final = 1 << 16
_SAMPLE_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file, each ended by one line feed.

    `data` is UTF-8, or for "windows-1252" the file's own bytes. `line` is the number of the first
    line (from 1), `offset` where it begins in the file, in bytes. `cut`: this is the beginning of
    one line that is too long.
    """

    data: bytes
    line: int
    offset: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the first bytes say. `mark`: the length of the byte-order mark."""

    encoding: Encoding
    mark: int


def sniff(sample: bytes) -> Sniffed:
    """The encoding of a file that begins with `sample` (at least 64 KiB of it, or all)."""
    if sample.startswith(codecs.BOM_UTF8):
        return Sniffed("utf-8", 3)
    if sample.startswith(codecs.BOM_UTF16_LE):
        return Sniffed("utf-16-le", 2)
    if sample.startswith(codecs.BOM_UTF16_BE):
        return Sniffed("utf-16-be", 2)
    # Log text is mostly ASCII, of which UTF-16 makes every other byte zero.
    head = sample[:4096]
    pairs = len(head) // 2
    if pairs:
        even, odd = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
        if odd > pairs * 0.6 and even < pairs * 0.2:
            return Sniffed("utf-16-le", 0)
        if even > pairs * 0.6 and odd < pairs * 0.2:
            return Sniffed("utf-16-be", 0)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return Sniffed("windows-1252", 0)
    return Sniffed("utf-8", 0)


def decode(data: bytes, encoding: Encoding) -> str:
    """Text of a block's bytes."""
    return data.decode("windows-1252" if encoding == "windows-1252" else "utf-8", "replace")


def file_offset(block: Block, position: int, encoding: Encoding) -> int:
    """Where the byte `position` of a block's data is in the file."""
    if encoding in ("utf-8", "windows-1252"):
        return block.offset + position
    before = block.data[:position]
    if before.isascii():
        return block.offset + 2 * position
    return block.offset + len(before.decode("utf-8", "replace").encode("utf-16-le"))


def read_sample(stream: BinaryIO) -> bytes:
    """The beginning of a file, for `sniff`; the stream is where it was."""
    start = stream.tell()
    sample = stream.read(_SAMPLE_BYTES)
    stream.seek(start)
    return sample


def blocks(stream: BinaryIO, sniffed: Sniffed) -> Iterator[Block]:
    """The lines of a binary stream, from its beginning. Raises OSError as reading it does."""
    wide = sniffed.encoding in ("utf-16-le", "utf-16-be")
    offset = len(stream.read(sniffed.mark))
    line = 1
    rest = b""
    while True:
        read = stream.read(BLOCK_BYTES)
        data = rest + read
        if not data:
            return
        end = _after_last_line(data, sniffed.encoding) if read else len(data)
        if end == 0 and len(data) > MAX_LINE_BYTES * (2 if wide else 1):
            kept = data[: MAX_LINE_BYTES * (2 if wide else 1)]
            yield Block(_converted(kept, sniffed.encoding) + b"\n", line, offset, cut=True)
            line += 1
            rest, offset = _skip_line(stream, data, offset, sniffed.encoding)
            continue
        whole, rest = data[:end], data[end:]
        if whole:
            text = _converted(whole, sniffed.encoding)
            if not text.endswith(b"\n"):
                text += b"\n"
            yield from _bounded(Block(text, line, offset), sniffed.encoding)
            line += text.count(b"\n")
            offset += len(whole)


def _bounded(block: Block, encoding: Encoding) -> Iterator[Block]:
    """The block with lines cut that are too long; almost always the block itself."""
    data = block.data
    start = 0
    while True:
        probe = start
        # A long line shows as a stretch of MAX_LINE_BYTES without a line feed.
        while probe + MAX_LINE_BYTES < len(data):
            last = data.rfind(b"\n", probe, probe + MAX_LINE_BYTES)
            if last < 0:
                break
            probe = last + 1
        else:
            if start == 0:
                yield block
            elif start < len(data):
                line = block.line + data.count(b"\n", 0, start)
                yield Block(data[start:], line, file_offset(block, start, encoding))
            return
        if probe > start:
            line = block.line + data.count(b"\n", 0, start)
            yield Block(data[start:probe], line, file_offset(block, start, encoding))
        line = block.line + data.count(b"\n", 0, probe)
        kept = data[probe : probe + MAX_LINE_BYTES] + b"\n"
        end = data.find(b"\n", probe) + 1
        yield Block(kept, line, file_offset(block, probe, encoding), end - probe > len(kept))
        start = end


def _converted(data: bytes, encoding: Encoding) -> bytes:
    if encoding in ("utf-8", "windows-1252"):
        return data
    return data.decode(encoding, "replace").encode("utf-8")


def _after_last_line(data: bytes, encoding: Encoding) -> int:
    """The end of the last whole line in `data`, 0 if there is none."""
    if encoding in ("utf-8", "windows-1252"):
        return data.rfind(b"\n") + 1
    # Only a line feed at an even position is one: elsewhere it is half of two characters.
    unit = "\n".encode(encoding)
    at = data.rfind(unit)
    while at >= 0 and at % 2:
        at = data.rfind(unit, 0, at + 1)
    return at + 2 if at >= 0 else 0


def _after_first_line(data: bytes, encoding: Encoding) -> int:
    if encoding in ("utf-8", "windows-1252"):
        return data.find(b"\n") + 1
    unit = "\n".encode(encoding)
    at = data.find(unit)
    while at >= 0 and at % 2:
        at = data.find(unit, at + 1)
    return at + 2 if at >= 0 else 0


def _skip_line(stream: BinaryIO, data: bytes, offset: int, encoding: Encoding) -> tuple[bytes, int]:
    """What follows the line that `data` (of even length in UTF-16) begins with, and its offset."""
    wide = encoding in ("utf-16-le", "utf-16-be")
    while True:
        end = _after_first_line(data, encoding)
        if end:
            return data[end:], offset + end
        odd = len(data) % 2 if wide else 0
        offset += len(data) - odd
        read = stream.read(BLOCK_BYTES)
        if not read:
            return b"", offset
        data = data[len(data) - odd :] + read
