"""The text of a log file, whatever its encoding, in blocks of whole lines and bounded memory.

Owns encodings (UTF-8, UTF-16 in both orders, ANSI; with and without a byte-order mark), line ends,
and the limit on a line's length. It knows nothing of what lines mean. Bytes that cannot be decoded
become characters all the same, different ones where they differ, for two names must never become
one; nothing here raises for what is in a file.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterator
from typing import BinaryIO, Final, Literal

import msgspec

Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "windows-1252"]

BLOCK_BYTES: Final = 1 << 17
# What is beyond this in a line is not looked at: a file without line ends must not fill memory.
MAX_LINE_BYTES: Final = 1 << 16
_SAMPLE_BYTES: Final = 1 << 16
# Blocks begin with a line that begins a record, if one is found so far behind their border.
_FIRST_LOOK: Final = 1 << 13
_NEARBY: Final = 1 << 16


_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
# Character by character windows-1252; the five bytes that it leaves undefined stand for themselves.
_ANSI: Final = "".join(
    bytes([one]).decode("windows-1252", "ignore") or chr(one) for one in range(256)
)
# The same of bytes that are no UTF-8, as "surrogateescape" gives them.
_NO_UTF_8: Final = {0xDC00 + one: _ANSI[one] for one in range(0x80, 0x100)}
_CONTINUING: Final = bytes(range(0x80, 0xC0))  # of a character in UTF-8, all bytes but the first
_BEYOND_16_BITS: Final = bytes(range(0xF0, 0x100))  # the first of characters that are two in UTF-16


@functools.cache
def _head(unit: str) -> re.Pattern[bytes]:
    """A line feed before a record; `unit` is how the bytes of a character stand."""
    digit = unit.format("[0-9a-fA-F]")
    dot, colon, feed, number = (unit.format(one) for one in (r"\.", ":", r"\n", r"\d"))
    digits = f"(?:{digit}){{1,8}}"
    return re.compile(f"{feed}(?={digits}{dot}{digits}{colon}{colon}{number})".encode("ascii"))


_UNITS: Final[dict[Encoding, str]] = {
    "utf-8": "{}",
    "windows-1252": "{}",
    "utf-16-le": r"{}\x00",
    "utf-16-be": r"\x00{}",
}


class Block(msgspec.Struct, frozen=True):
    """Whole lines of a file, each ended by one line feed.

    `data` is UTF-8, or for "windows-1252" the file's own bytes. `offset` is where it begins in the
    file, in bytes. `cut`: this is the beginning of one line that is too long.
    """

    data: bytes
    offset: int
    cut: bool = False


class Sniffed(msgspec.Struct, frozen=True):
    """What the first bytes say.

    `mark`: where the text begins, behind the byte-order mark, and behind zeros (of a file that was
    truncated while it was written, up to where its writer stood). `cr`: lines end with a carriage
    return alone. `dated`: whether times have a date, as far as somebody has looked.
    """

    encoding: Encoding
    mark: int
    cr: bool = False
    dated: bool | None = None


def sniff(sample: bytes) -> Sniffed:
    """What a file is whose text begins with `sample`; of that 64 KiB count."""
    sample = sample[:_SAMPLE_BYTES]
    encoding, mark = _encoding(sample)
    # The last may be the first half of another line end.
    cr = encoding in ("utf-8", "windows-1252") and b"\n" not in sample
    return Sniffed(encoding, mark, cr and b"\r" in sample.rstrip(b"\r"))


def _encoding(sample: bytes) -> tuple[Encoding, int]:
    """The encoding, and the length of the byte-order mark."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8", 3
    if sample.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", 2
    if sample.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", 2
    # Log text is mostly ASCII, of which UTF-16 makes every other byte zero.
    head = sample[:4096]
    pairs = len(head) // 2
    if pairs:
        even, odd = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
        if odd > pairs * 0.6 and even < pairs * 0.2:
            return "utf-16-le", 0
        if even > pairs * 0.6 and odd < pairs * 0.2:
            return "utf-16-be", 0
    decoder = codecs.getincrementaldecoder("utf-8")  # the last character may be cut in the middle
    try:
        decoder().decode(sample)
    except UnicodeDecodeError:
        # A damaged byte makes no other encoding of it, as long as more characters are sound that
        # stand in several bytes: by chance they hardly are.
        text = decoder("replace").decode(sample)
        damaged = text.count("\ufffd")
        sound = sum(map(len, _BEYOND_ASCII.findall(text))) - damaged
        return "utf-8" if sound > damaged else "windows-1252", 0
    return "utf-8", 0


def decode(data: bytes, encoding: Encoding) -> str:
    """Text of a block's bytes. Those that are no UTF-8 are read as windows-1252."""
    if encoding == "windows-1252":
        return codecs.charmap_decode(data, "strict", _ANSI)[0]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape").translate(_NO_UTF_8)


def file_offset(block: Block, position: int, encoding: Encoding) -> int:
    """Where the byte `position` of a block's data is in the file."""
    if encoding in ("utf-8", "windows-1252"):
        return block.offset + position
    before = block.data[:position]
    if before.isascii():
        return block.offset + 2 * position
    units = 2 * len(before.translate(None, _CONTINUING)) - len(
        before.translate(None, _CONTINUING + _BEYOND_16_BITS)
    )
    return block.offset + 2 * units


def zeros(data: bytes) -> int:
    """How many zero bytes stand at the beginning; an even number, lest it cut a character."""
    return (len(data) - len(data.lstrip(b"\0"))) & ~1


def look_at(stream: BinaryIO, *, pass_zeros: bool) -> tuple[Sniffed, bytes]:
    """What the file is (`sniff`), and the beginning of its text; the stream is where it was."""
    start, passed = stream.tell(), 0
    sample = stream.read(_SAMPLE_BYTES)
    while pass_zeros and zeros(sample):
        passed += zeros(sample)
        stream.seek(start + passed)
        sample = stream.read(_SAMPLE_BYTES)
    stream.seek(start)
    found = sniff(sample)
    return msgspec.structs.replace(found, mark=passed + found.mark), sample[found.mark :]


def block_count(size: int) -> int:
    """How many blocks a file of `size` bytes has at most."""
    return size // BLOCK_BYTES + 1


def blocks(
    stream: BinaryIO, sniffed: Sniffed, first: int = 0, last: int | None = None
) -> Iterator[Block]:
    """The lines of a seekable binary stream, of its blocks `first` to `last` (without that one).

    Where a block begins is a matter of the bytes around it alone, so whoever reads only a part of
    the file reads the same blocks. Raises OSError as reading does.
    """
    wide = sniffed.encoding in ("utf-16-le", "utf-16-be")
    most = 2 * MAX_LINE_BYTES * (2 if wide else 1)
    number = first
    start, more = _beginning(stream, sniffed, number)
    while more and (last is None or number < last):
        end, more = _beginning(stream, sniffed, number + 1)
        border = (number + 1) * BLOCK_BYTES
        if end > start:
            stream.seek(start)
            # What is longer ends with a line that nobody looks at to its end.
            read = stream.read(min(end, max(border, start) + most) - start)
            text = converted(with_line_feeds(read, sniffed), sniffed.encoding)
            if text and not text.endswith(b"\n"):
                text += b"\n"
            if text:
                yield from bounded(Block(text, start), sniffed.encoding)
        # Blocks that lie within one long line are empty.
        number, start = max(number + 1, (end - 1) // BLOCK_BYTES), end


def _beginning(stream: BinaryIO, sniffed: Sniffed, number: int) -> tuple[int, bool]:
    """Where the block begins, and whether there is anything.

    With the first line after its border; better with one that begins a record, if there is one
    nearby, so that a record that was wrapped over several lines stays in one block.
    """
    if number * BLOCK_BYTES <= sniffed.mark:
        return sniffed.mark, True
    wide = sniffed.encoding in ("utf-16-le", "utf-16-be")
    head = _head(_UNITS[sniffed.encoding])
    at = number * BLOCK_BYTES - (2 if wide else 1)
    size = _FIRST_LOOK
    while True:
        stream.seek(at)
        data = with_line_feeds(stream.read(size), sniffed)
        for found in head.finditer(data):
            if not (wide and found.start() % 2):
                return at + found.end(), True
        if len(data) < size or size == _NEARBY:
            break
        size = _NEARBY
    end = _after_first_line(data, sniffed.encoding)
    while not end:
        if not data:
            return at, False
        # Half a line feed of UTF-16 never stands at the end: all reads are of even length.
        at += len(data)
        data = with_line_feeds(stream.read(BLOCK_BYTES), sniffed)
        end = _after_first_line(data, sniffed.encoding)
    return at + end, end < len(data) or bool(stream.read(1))


def bounded(block: Block, encoding: Encoding) -> Iterator[Block]:
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
                yield Block(data[start:], file_offset(block, start, encoding))
            return
        if probe > start:
            yield Block(data[start:probe], file_offset(block, start, encoding))
        end = data.find(b"\n", probe) + 1
        # What a machine wrote that lost its power may have become zeros; a record begins behind.
        probe += zeros(data[probe:end])
        kept = data[probe : min(probe + MAX_LINE_BYTES, end - 1)] + b"\n"
        yield Block(kept, file_offset(block, probe, encoding), end - probe > len(kept))
        start = end


def line_feeds(data: bytes) -> int:
    """How many lines end in `data`; faster than counting them."""
    return len(data) - len(data.replace(b"\n", b""))


def with_line_feeds(data: bytes, sniffed: Sniffed) -> bytes:
    """Bytes of a file with line feeds where its lines end."""
    return data.replace(b"\r", b"\n") if sniffed.cr else data


def converted(data: bytes, encoding: Encoding) -> bytes:
    """Bytes of a file as they are in a block. Half a pair of surrogates is no UTF-8 there."""
    if encoding in ("utf-8", "windows-1252"):
        return data
    whole = data[: len(data) & ~1]  # half a character at the end of a file says nothing
    return whole.decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass")


def _after_first_line(data: bytes, encoding: Encoding) -> int:
    if encoding in ("utf-8", "windows-1252"):
        return data.find(b"\n") + 1
    unit = "\n".encode(encoding)
    at = data.find(unit)
    while at >= 0 and at % 2:
        at = data.find(unit, at + 1)
    return at + 2 if at >= 0 else 0


def last_record(data: bytes, encoding: Encoding, *, whole: bool = False) -> int:
    """Where the last record of `data` begins, which may go on; 0 if it is the only one.

    `whole`: where the last line begins that is not ended.
    """
    wide = encoding in ("utf-16-le", "utf-16-be")
    found = 0
    unit = "\n".encode(encoding) if wide else b"\n"
    if not whole:
        for match in _head(_UNITS[encoding]).finditer(data, max(0, len(data) - _NEARBY)):
            if not (wide and match.start() % 2):
                found = match.end()
        return found
    at = data.rfind(unit)
    while at >= 0 and wide and at % 2:
        at = data.rfind(unit, 0, at + 1)
    return at + len(unit) if at >= 0 else 0
