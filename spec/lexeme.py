"""Words and signs of a text, as the lexer cuts it. Owns the value only; `spec.parse` makes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lexeme:
    """One word or sign: half-open character offsets into the text.

    `kind` is NAME, INT, DURATION, STRING, COMPARE, SEP (the end of an item: a line end or `;`), or
    KEYWORD or SIGN for what the grammar spells out. Comments, blanks and line ends within an item
    are no lexemes.
    """

    kind: str
    text: str
    start: int
    end: int
