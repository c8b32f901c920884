"""What every printed result has: the envelope of a JSON object, and numbers with their nouns,
lines of a width.

Owns these alone, so that a command that prints little loads little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import click
import msgspec

# Control characters of 8 bits, and what turns the direction of a text, or ends a line, elsewhere:
# U+007F to U+009F, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069; as they are in UTF-8, for
# the text may be large.
_OBEYED = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
VERSION = 1  # of the JSON objects


def json_bytes(command: str, fields: Mapping[str, object]) -> bytes:
    """One JSON object with its version and command first, indented, ending in a line feed."""
    whole: object = {"version": VERSION, "command": command, **fields}
    try:
        encoded = msgspec.json.encode(whole)
    except UnicodeEncodeError:  # the name of a file that is no Unicode text
        encoded = msgspec.json.encode(_unicode(whole))
    return harmless(msgspec.json.format(encoded, indent=1)) + b"\n"


def harmless(text: bytes) -> bytes:
    """JSON text in which what a terminal may obey is escaped: it stands in strings only."""
    return _OBEYED.sub(lambda one: b"\\u%04x" % ord(one[0].decode()), text)


def _unicode(value: object) -> object:
    """`value` with what no Unicode text can hold replaced, in all its strings."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case dict():
            return {_unicode(key): _unicode(part) for key, part in value.items()}
        case list() | tuple():
            return [_unicode(part) for part in value]
        case _:
            return value


def counted(number: int, noun: str) -> str:
    """`1 step`, `2 steps`, `1,000 steps`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def fitted(text: str, width: int | None, indent: str = "    ") -> list[str]:
    """Styled text as lines of at most `width` columns (None: any), `indent` before later ones.

    Broken between words only: a word that is longer stands alone, too wide.
    """
    if width is None or len(click.unstyle(text)) <= width:
        return [text]
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if len(click.unstyle(longer)) <= width or not lines[-1].strip():
            lines[-1] = longer
        elif word:
            lines.append(indent + word)
    return [line.rstrip() for line in lines]
