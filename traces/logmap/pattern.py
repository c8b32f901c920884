"""Patterns for messages: text with `{fields}` in it, matched in linear time.

Owns the pattern language of `.map` files: a field ends where the literal text after it first occurs
(`{name:last}`: where it last occurs), and there is no way back, so no message can make matching
slow. Runs of blanks count as one, and the full stop at the end of a pattern may be missing, because
web pages and mail programs lose both. It knows nothing of what a field is for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.traces.logmap import moments

Value = str | int
Tables = Mapping[str, Mapping[str, str]]

TYPES = ("text", "rest", "last", "label", "word", "int", "hex", *moments.KINDS)
_ANY_TEXT = ("rest", "text", "last")
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[a-z][a-z_]*")
_DIGITS = 18  # more are no number that a log means, and cost more than their length to convert


class PatternError(Exception):
    """The pattern cannot be used; the message says why and what would be right."""


class Field(msgspec.Struct, frozen=True):
    """A place in a pattern. `kind`: one of TYPES, or the name of a table of values."""

    name: str
    kind: str


class Pattern(msgspec.Struct, frozen=True):
    """`head`, then each field and the literal text after it; `source` is how it was written."""

    source: str
    head: str
    parts: tuple[tuple[Field, str], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, in order."""
        return tuple(field.name for field, _ in self.parts)

    @property
    def fits_anything(self) -> bool:
        """Whether nothing but `{x}` stands there, which is hardly meant (`{x:rest}` would be)."""
        bare = not self.head and not any(literal.strip() for _, literal in self.parts)
        return bare and all(field.kind in ("text", "last") for field, _ in self.parts)

    def match(self, text: str, tables: Tables) -> dict[str, Value] | None:
        """The fields' values if the whole of `text` (blanks normalised) fits, else None."""
        if not self.parts:
            return {} if text in (self.head, self.head.removesuffix(".")) else None
        if not text.startswith(self.head):
            return None
        found: dict[str, Value] = {}
        at = len(self.head)
        last = len(self.parts) - 1
        for number, (field, literal) in enumerate(self.parts):
            if field.kind in moments.WRITTEN:
                ends = moments.ends(field.kind, text, at)
                end = next((one for one in ends if text.startswith(literal, one)), -1)
            elif number == last:
                end = _anchored(text, literal, at)
            elif field.kind == "last":
                end = text.rfind(literal, at)
            else:
                end = text.find(literal, at)
            if end < at:
                return None
            value = _value(field, text[at:end], tables)
            if value is None or found.setdefault(field.name, value) != value:
                return None
            at = end + len(literal)
        return found if at >= len(text) else None


# So many values of a field are remembered, of texts that are so long.
_MOST_KNOWN: Final = 256
_LONGEST_KNOWN: Final = 64


def finder(pattern: Pattern, tables: Tables) -> Callable[[str], dict[str, Value] | None]:
    """`pattern.match` with these tables, faster: by one regular expression where that will do."""
    kinds = [field.kind for field, _ in pattern.parts]
    if not kinds or any(kind in moments.WRITTEN for kind in kinds):
        return functools.partial(pattern.match, tables=tables)
    # Made when they are first asked for: most patterns never are. Of a message that ends without
    # a full stop, that of the pattern is missing.
    made: dict[bool, Callable[[str], re.Match[str] | None]] = {}
    fields = [field for field, _ in pattern.parts]
    filled = [number for number, kind in enumerate(kinds) if kind in ("text", "last")]
    # What stands there mostly stood there before.
    checked: list[tuple[int, Field, dict[str, Value | None]]] = [
        (number, field, {}) for number, field in enumerate(fields) if kinds[number] not in _ANY_TEXT
    ]
    names = tuple([field.name for field in fields])
    repeated = len(set(names)) < len(names)

    def find(text: str) -> dict[str, Value] | None:
        whole = text.endswith(".")
        match = made.get(whole)
        if match is None:
            source = _expression(pattern, "" if whole else ".")
            match = made[whole] = re.compile(source, re.DOTALL).match
        found = match(text)
        if found is None:
            return None
        texts = found.groups()
        for number in filled:
            if not texts[number]:
                return None
        values: list[Value] = list(texts)
        for number, field, known in checked:
            raw = texts[number]
            if raw in known:
                value = known[raw]
            else:
                value = _value(field, raw, tables)
                if len(known) < _MOST_KNOWN and len(raw) <= _LONGEST_KNOWN:
                    known[raw] = value
            if value is None:
                return None
            values[number] = value
        result = dict(zip(names, values, strict=True))
        if repeated and any(result[name] != one for name, one in zip(names, values, strict=True)):
            return None
        return result

    return find


def _expression(pattern: Pattern, lost: str) -> str:
    """The pattern as an expression with a group for each field, in which there is no way back."""
    parts = [re.escape(pattern.head)]
    for field, literal in pattern.parts[:-1]:
        some = "(.*)" if field.kind == "last" else "(.*?)"
        parts.append(f"(?>{some}{re.escape(literal)})")
    return "".join(parts) + rf"(.*){re.escape(pattern.parts[-1][1].removesuffix(lost))}\Z"


def _anchored(text: str, literal: str, at: int) -> int:
    """Where the last field ends: the rest is `literal`, of which a full stop may be missing."""
    if literal.endswith(".") and not text.endswith("."):
        literal = literal[:-1]
    end = len(text) - len(literal)
    return end if end >= at and text.endswith(literal) else -1


def _value(field: Field, raw: str, tables: Tables) -> Value | None:
    """The value of a field, None where the text is not of its kind."""
    match field.kind:
        case "rest":
            return raw
        case "text" | "last":
            return raw or None
        case "label":
            return raw if raw and ":" not in raw else None
        case "word":
            return raw if raw and " " not in raw else None
        case "int":
            digits = raw.removeprefix("-")
            plain = digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS
            return int(raw) if plain else None
        case "hex":
            digits = raw.lower().removeprefix("0x")
            plain = bool(digits) and len(digits) <= 16 and not digits.strip("0123456789abcdef")
            return int(digits, 16) if plain else None
        case moment if moment in moments.KINDS:
            return moments.micros(moment, raw)
        case table:
            return tables[table].get(raw)


def normalised(text: str) -> str:
    """`text` with runs of blanks as one, none at its ends."""
    return " ".join(text.split())


def parse_pattern(source: str, tables: Tables) -> Pattern:
    """The pattern written as `source`. Raises PatternError."""
    text = normalised(source)
    head: list[str] = []
    parts: list[tuple[Field, list[str]]] = []
    at = 0
    for found in _FIELD.finditer(text):
        literal = parts[-1][1] if parts else head
        literal.append(text[at : found.start()])
        at = found.end()
        if found[0] in ("{{", "}}"):
            literal.append(found[0][0])
            continue
        if found[1] is None:
            raise PatternError(f"`{found[0]}` stands alone; write `{found[0] * 2}` for the sign")
        parts.append((_field(found[1], tables), []))
        if len(parts) > 1 and not "".join(parts[-2][1]):
            raise PatternError(
                f"nothing stands between `{{{parts[-2][0].name}}}` and `{{{parts[-1][0].name}}}`, "
                "so nobody can say where the first ends"
            )
    (parts[-1][1] if parts else head).append(text[at:])
    return Pattern(text, "".join(head), tuple((field, "".join(lit)) for field, lit in parts))


def column_of(source: str, name: str) -> int:
    """Where the field called `name` stands in the pattern as it is written, from 0."""
    for found in _FIELD.finditer(source):
        if found[1] is not None and found[1].partition(":")[0] == name:
            return found.start()
    return 0


def _field(source: str, tables: Tables) -> Field:
    name, _, kind = source.partition(":")
    if not _NAME.fullmatch(name):
        raise PatternError(f"`{{{source}}}`: a field's name has small letters and underscores only")
    kind = kind or "text"
    if kind not in TYPES and kind not in tables:
        hint = did_you_mean(kind, (*TYPES, *tables))
        raise PatternError(f"`{{{source}}}`: there is no kind of field called `{kind}`; {hint}")
    return Field(name, kind)
