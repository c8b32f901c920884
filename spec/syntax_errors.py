"""The wording of syntax errors: what was seen, what could stand there, and one fix.

Owns the hints for common slips. Knows neither the parser nor meaning: it gets the lexemes before
the place, what stands there, and the words that would be accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rhscheck.spec.diagnostic import Code, Diagnostic, Note, did_you_mean
from rhscheck.spec.lexeme import Lexeme
from rhscheck.spec.source import Places, Source, Span

_SHOWN = 8  # alternatives in a message

_WRONG_SIGNS = {
    "&": "write `and`",
    "!": "write `not`, or `!=` to compare",
    "/": "comments start with `#`",
    "'": "texts stand in double quotes",
    "~": "write `not`",
    "\ufeff": "a byte order mark can only be the first character of a file",
    '"': "a text ends on the line where it starts; a closing quote is missing",
}
_OPERATORS = frozenset(["and", "or", "implies", "+", "-", "*", "."])
_ITEM_STARTS = {
    "timeout": "write `on timeout X -> STATE`",
    "call": "say who calls: `by ACTOR: call X`",
    "never": 'a rule needs a name: `rule R1 "sentence": never …`',
    "invariant": 'a rule needs a name: `rule R1 "sentence": invariant …`',
    "restart": "`restart on …` belongs to a timer or clock: `timer t = 3m restart on …`",
    "when": "`when …` goes on with a transition or rule; it cannot stand alone",
}
_CLAUSES = ("when", "->", "{", "sync", "resets", "then")
_CLOSERS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What would be accepted: words and signs as written, and kinds of lexemes."""

    words: tuple[str, ...]
    kinds: frozenset[str]

    @property
    def texts(self) -> list[str]:
        """What a reader is told, in a fixed order."""
        said = {
            "NAME": "a name",
            "INT": "a number",
            "DURATION": "a time such as `5m`",
            "STRING": "a text in quotes",
            "SEP": "the end of the line",
            "$END": "the end of the file",
        }
        found = [text for kind, text in said.items() if kind in self.kinds]
        found += [f"`{word}`" for word in self.words if word not in _OPERATORS]
        if "COMPARE" in self.kinds:
            found.append("a comparison such as `==`")
        return found + [f"`{word}`" for word in self.words if word in _OPERATORS]


def bad_character(source: Source, position: int) -> Diagnostic:
    """The diagnostic for a character that starts no word or sign."""
    text = source.text
    char = text[position]
    shown = char if char.isprintable() else f"U+{ord(char):04X}"
    end = position + 1
    message = f"the character `{shown}` cannot stand here"
    help_text = _WRONG_SIGNS.get(char, "")
    if char.isdigit():
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        message = f"`{text[position:end]}` is neither a number nor a time"
        help_text = "a time is a whole number and us, ms, s, m, h or d, such as `300ms`"
    elif char == '"':
        while end < len(text) and text[end] not in "\r\n":
            end += 1
        message = "this text has no closing quote"
    elif char == "/" and text.startswith("//", position):
        while end < len(text) and text[end] not in "\r\n":
            end += 1
    elif text.startswith("&&", position):
        end += 1
    elif not help_text and not char.isprintable():
        help_text = "remove it; it may not be visible in an editor"
    elif not help_text and not char.isascii():
        help_text = "names are made of the letters A to Z, digits and underscores"
    return Diagnostic(Code.SYNTAX, message, Places(source).span(position, end), help=help_text)


def in_place_of(wrong: str) -> str:
    """Something of the same length that may stand where `wrong` stood, so that reading goes on."""
    if wrong.startswith('"') and len(wrong) > 1:
        return '"' + " " * (len(wrong) - 2) + '"'
    return "x" * len(wrong) if wrong.replace("_", "").isalnum() else " " * len(wrong)


def unexpected(
    source: Source, before: Sequence[Lexeme], seen: Lexeme | None, expected: Expected,
    keywords: Collection[str],
) -> Diagnostic:  # fmt: skip
    """The diagnostic for a lexeme that cannot stand after `before`; None is the end of the text."""
    places = Places(source)
    if seen is None:
        return _text_ends(source, before, places, expected)
    line_ends = seen.kind == "SEP"
    span = places.span(seen.start, seen.start + 1 if line_ends else seen.end)
    opener = _unmatched(before)
    if seen.text in _CLOSERS and (opener is None or opener.text != _CLOSERS[seen.text]):
        if opener is None:
            return Diagnostic(Code.SYNTAX, f"`{seen.text}` closes nothing", span,
                              help="remove it, or open a block before")  # fmt: skip
        wanted = next(c for c, o in _CLOSERS.items() if o == opener.text)
        note = Note("opened here", places.span(opener.start, opener.end))
        return Diagnostic(Code.SYNTAX, f"`{seen.text}` stands where `{wanted}` is needed", span,
                          notes=(note,), help=f"close `{opener.text}` first")  # fmt: skip
    what = "the end of the line" if line_ends else f"`{seen.text[:40]}`"
    message = "the line ends too early" if line_ends else f"{what} cannot stand here"
    help_text = _slip(before, seen, expected, keywords)
    texts = [text for text in expected.texts if text != what]
    if not help_text and len(texts) == 1:
        message, help_text = f"{texts[0]} is missing before {what}", f"put {texts[0]} here"
    if not help_text:
        shown = ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
        help_text = f"expected {shown}" if shown else "remove it"
    return Diagnostic(Code.SYNTAX, message, span, help=help_text)


def _slip(
    before: Sequence[Lexeme], seen: Lexeme, expected: Expected, keywords: Collection[str]
) -> str:
    """The fix for a common slip, or an empty text."""
    last = before[-1] if before else None
    if last is None:
        return "a spec starts with `spec NAME`"
    item_starts = last.kind == "SEP" or last.text in ("{", "}")
    if item_starts and seen.text in _ITEM_STARTS:
        return _ITEM_STARTS[seen.text]
    if seen.text == "=" and "COMPARE" in expected.kinds:
        return "compare with `==`; `=` gives a value"
    if seen.text == "==" and "=" in expected.words:
        return "`==` compares; give a value with `=`"
    if seen.text == ":" and "=" in expected.words:
        return "give a value with `=`"
    if seen.text == "." and last.kind == "INT":
        return "there are no fractions; choose a smaller unit, such as `1500ms` for 1.5 seconds"
    if seen.text == "|" and "or" in expected.words:
        return "write `or`"
    if seen.text == "-" and ("INT" in expected.kinds or "DURATION" in expected.kinds):
        return "there are no negative constants; write a difference, such as `0 - 1`"
    first = _first_of_item(before)
    if first is not None and first.kind == "NAME" and len(before) - before.index(first) <= 2:
        close = did_you_mean(first.text, keywords)
        if close.startswith("did you mean"):
            return close
    if seen.kind == "NAME":
        close = did_you_mean(seen.text, expected.words)
        if close.startswith("did you mean"):
            return close
    if seen.text in _CLAUSES and any(clause in expected.words for clause in _CLAUSES):
        return "the order is `when …`, `-> …`, `{ … }`, `sync …`, `resets …`, `then call …`"
    if seen.kind == "KEYWORD" and "NAME" in expected.kinds and len(expected.words) < 6:
        return f"`{seen.text}` is a word of the language and cannot be a name; choose another name"
    return ""


def _first_of_item(before: Sequence[Lexeme]) -> Lexeme | None:
    """The first lexeme of the item that `before` ends in."""
    first: Lexeme | None = None
    for lexeme in reversed(before):
        if lexeme.kind == "SEP" or lexeme.text in ("{", "}"):
            break
        first = lexeme
    return first


def _unmatched(before: Sequence[Lexeme]) -> Lexeme | None:
    """The innermost bracket that is still open."""
    closed = 0
    for lexeme in reversed(before):
        if lexeme.text in _CLOSERS:
            closed += 1
        elif lexeme.text in ("(", "[", "{"):
            if closed == 0:
                return lexeme
            closed -= 1
    return None


def _text_ends(
    source: Source, before: Sequence[Lexeme], places: Places, expected: Expected
) -> Diagnostic:
    end = len(source.text.rstrip())
    span = places.span(max(0, end - 1), max(1, end))
    opener = _unmatched(before)
    if opener is not None:
        closer = next(c for c, o in _CLOSERS.items() if o == opener.text)
        note = Note("opened here", places.span(opener.start, opener.end))
        return Diagnostic(Code.SYNTAX, f"the text ends, but a `{opener.text}` is still open", span,
                          notes=(note,), help=f"add `{closer}` where the block ends")  # fmt: skip
    texts = expected.texts[:_SHOWN]
    return Diagnostic(Code.SYNTAX, "the text ends too early", span,
                      help="expected " + ", ".join(texts) if texts else "")  # fmt: skip


def control_character(source: Source, position: int) -> Diagnostic:
    """The diagnostic for a character that no text may hold, not even in a comment."""
    char = source.text[position]
    span: Span = Places(source).span(position, position + 1)
    if 0xD800 <= ord(char) <= 0xDFFF:
        return Diagnostic(Code.ENCODING, f"U+{ord(char):04X} is no character", span,
                          help="save the file as UTF-8")  # fmt: skip
    message = f"the control character U+{ord(char):04X} cannot stand in a spec"
    return Diagnostic(Code.SYNTAX, message, span, help="remove it; is this a text file?")
