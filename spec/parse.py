"""Text to syntax tree.

Owns the use of Lark, where a line ends, and how reading goes on after a syntax error. Knows nothing
of meaning. Parsing never raises anything but SpecErrors, whatever the text.

Where a line ends (docs/adr/0003-line-ends.md): a line end, or `;`, ends an item unless a bracket
`(` or `[` is open, the line cannot end there (after an operator, a comma, `{` …) or the next one
cannot start there (`and`, `->`, `when`, `}` …). No item ends or starts with one of those words.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
from collections.abc import Iterator
from importlib import resources
from importlib.util import cache_from_source
from pathlib import Path

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken
from lark.lexer import PatternStr

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code, Diagnostic, SpecErrors
from rhscheck.spec.lexeme import Lexeme
from rhscheck.spec.source import MAX_BYTES, Places, Source
from rhscheck.spec.syntax_errors import (
    Expected,
    bad_character,
    control_character,
    in_place_of,
    unexpected,
)
from rhscheck.spec.tree import build_tree

MAX_NESTING = 100
MAX_SYNTAX_ERRORS = 10
# Recovery reads the text again for each error; beyond this size the first one has to do.
RECOVERY_BYTES = 200_000
MAX_READINGS = 20

CONTINUES_AFTER = frozenset(
    ["{", "(", "[", ",", "and", "or", "not", "implies", "=", ":", "->", "|", "+", "-", "*", "==",
     "!=", "<=", ">=", "<", ">", "when", "then", "sync", "while", "before", "of", "where", ".",
     ".."]
)  # fmt: skip
CONTINUES_BEFORE = frozenset(
    ["}", ")", "]", ",", "and", "or", "implies", "->", "|", "+", "-", "*", "==", "!=", "<=", ">=",
     "<", ">", "when", "then", "sync", "resets", "while", "leads", "holds", "for", "restart"]
)  # fmt: skip

# Control characters but tab, line feed, form feed and carriage return; surrogates stand for none.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")


class _LineEnds:
    """Leaves SEP only where a line really ends something: between items of a block."""

    always_accept = ("SEP",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        pending: Token | None = None
        previous: str | None = None
        depth = 0
        for token in stream:
            if token.type == "SEP":
                if pending is None or token.value == ";":
                    pending = token
                continue
            text = str(token)
            if (
                pending is not None
                and previous is not None
                and depth == 0
                and previous not in CONTINUES_AFTER
                and text not in CONTINUES_BEFORE
            ):
                yield pending
            pending = None
            if text in ("(", "["):
                depth += 1
            elif text in (")", "]"):
                depth = max(0, depth - 1)
            yield token
            previous = text


def build_parser(*, strict: bool = False, tables: str | None = None) -> Lark:
    """The parser of the grammar; `strict` refuses a grammar with conflicts (slow: for tests).

    `tables`: the file to keep what was made of the grammar in, None: nowhere. Lark makes it anew
    where it is about another grammar or version, is damaged or cannot be read, and goes on where it
    cannot be written.
    """
    grammar = (resources.files("rhscheck.spec") / "grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        postlex=_LineEnds(),
        propagate_positions=True,
        maybe_placeholders=True,
        strict=strict,
        cache=False if tables is None else tables,
    )


def _tables() -> str | None:
    """Beside Python's byte code of this package, and by the same rules: it is no less trusted."""
    grammar = resources.files("rhscheck.spec") / "grammar.lark"
    if sys.dont_write_bytecode or not isinstance(grammar, Path):  # in an archive there is no place
        return None
    try:
        return str(Path(cache_from_source(str(grammar))).with_suffix(".tables"))
    except NotImplementedError:  # a Python without byte code files
        return None


@functools.cache
def _parser() -> Lark:
    return build_parser(tables=_tables())


@functools.cache
def _spelled() -> dict[str, str]:
    """By terminal: the word or sign it stands for, for those that stand for one only."""
    return {
        t.name: t.pattern.value for t in _parser().terminals if isinstance(t.pattern, PatternStr)
    }


@functools.cache
def _keywords() -> tuple[str, ...]:
    return tuple(sorted(word for word in _spelled().values() if word.isalpha()))


def _lexeme(token: Token) -> Lexeme:
    start = token.start_pos or 0
    kind = token.type
    if kind in _spelled():
        kind = "KEYWORD" if token.isalpha() else "SIGN"
    return Lexeme(kind, str(token), start, start + len(token))


def lexemes(source: Source) -> tuple[Lexeme, ...]:
    """The words and signs of `source`, with a SEP where an item ends.

    Raises SpecErrors for a text that holds anything else.
    """
    _refuse(source)
    found, bad = _lex(_text(source))
    if bad is not None:
        raise SpecErrors([bad_character(source, bad)], [source])
    return tuple(found)


def _lex(text: str) -> tuple[list[Lexeme], int | None]:
    """All lexemes, or those up to a character that starts none, and its position."""
    found: list[Lexeme] = []
    # `Lark.lex` would build the lexer anew each time.
    reading = _parser().parse_interactive(text)
    stream: Iterator[Token] = reading.lexer_thread.lex(reading.parser_state)  # type: ignore[no-untyped-call]
    try:
        found.extend(_lexeme(token) for token in stream)
    except UnexpectedCharacters as error:
        return found, _position(error)
    return found, None


def _position(error: UnexpectedCharacters) -> int:
    position: object = error.pos_in_stream
    assert isinstance(position, int)  # the lexer knows where it is
    return position


def _text(source: Source) -> str:
    """The text to read: a byte order mark at its start is as good as a blank."""
    return " " + source.text[1:] if source.text.startswith("\ufeff") else source.text


def _refuse(source: Source) -> None:
    """Raises SpecErrors for a text that is not worth lexing."""
    places = Places(source)
    found: Diagnostic | None = None
    forbidden = _FORBIDDEN.search(source.text)
    if len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        found = Diagnostic(Code.TOO_LARGE, f"{source.path} is larger than 1 MB", places.span(0, 1),
                           help="split it with `use`")  # fmt: skip
    elif forbidden is not None:
        found = control_character(source, forbidden.start())
    elif not re.sub(r"#[^\n\r]*", "", _text(source)).strip():
        found = Diagnostic(Code.EMPTY, f"{source.path} holds no spec", places.span(0, 1),
                           help="start with `spec NAME` and declare a machine")  # fmt: skip
    else:
        found = _nesting_error(source, places)
    if found is not None:
        raise SpecErrors([found], [source])


def _nesting_error(source: Source, places: Places) -> Diagnostic | None:
    depth = 0
    for match in re.finditer(r'"[^"\n\r]*"|#[^\n\r]*|[(){}\[\]]', source.text):
        token = match[0]
        if token in "({[":
            depth += 1
            if depth > MAX_NESTING:
                span = places.span(match.start(), match.end())
                message = f"more than {MAX_NESTING} levels of brackets or blocks"
                return Diagnostic(
                    Code.TOO_DEEP, message, span, help="name a part, or flatten the nesting"
                )
        elif token in ")}]":
            depth = max(0, depth - 1)
    return None


def _diagnostic(error: UnexpectedToken, source: Source, found: list[Lexeme]) -> Diagnostic:
    """What Lark found, in our words; `found` are the lexemes of the text that was parsed."""
    spelled = _spelled()
    accepted = error.accepts or error.expected
    expected = Expected(
        tuple(sorted(spelled[name] for name in accepted if name in spelled)),
        frozenset(name for name in accepted if name not in spelled),
    )
    if error.token.type == "$END":
        return unexpected(source, found, None, expected, _keywords())
    seen = _lexeme(error.token)
    before = [lexeme for lexeme in found if lexeme.end <= seen.start]
    return unexpected(source, before, seen, expected, _keywords())


def _without_item(text: str, found: list[Lexeme], position: int) -> str | None:
    """`text` with the item around `position` blanked; None where reading on makes no sense."""
    at = next((k for k, lexeme in enumerate(found) if lexeme.end > position), None)
    if at is None:
        return None
    first = at
    depth = 0
    while first > 0:
        before = found[first - 1]
        if depth == 0 and (before.kind == "SEP" or before.text == "{"):
            break
        depth += {"}": 1, "{": -1}.get(before.text, 0)
        first -= 1
    if first == 0:
        return None  # the first line says that this is a spec at all
    last, depth = first, 0
    while last < len(found):
        lexeme = found[last]
        if depth == 0 and last >= at and (lexeme.kind == "SEP" or lexeme.text == "}"):
            break
        depth += {"{": 1, "}": -1}.get(lexeme.text, 0)
        if depth < 0:
            return None  # a block is closed that the item did not open
        last += 1
    if depth or last == first:
        return None
    start, end = found[first].start, found[last - 1].end
    return text[:start] + re.sub(r"[^\r\n]", " ", text[start:end]) + text[end:]


def _without_bad_characters(source: Source) -> tuple[str, list[Diagnostic]]:
    """A text of words and signs only, of the same length, and what was wrong, once a line."""
    text = _text(source)
    errors: list[Diagnostic] = []
    bad = _lex(text)[1]
    for _ in range(MAX_READINGS):
        if bad is None:
            return text, errors
        found = bad_character(source, bad)
        if not errors or errors[-1].span.line != found.span.line:
            errors.append(found)
        if len(errors) == MAX_SYNTAX_ERRORS or len(text) > RECOVERY_BYTES:
            break
        wrong = text[bad : found.span.end]
        text = text[:bad] + in_place_of(wrong) + text[found.span.end :]
        bad = _lex(text)[1]
    raise SpecErrors(errors, [source])


@functools.lru_cache(maxsize=8)  # readings and questions differ while the text stays the same
def parse(source: Source) -> s.Spec:
    """The syntax tree of `source`.

    Raises SpecErrors with every syntax error found (after an error the item is left out and the
    rest is read), for empty, too large and too deeply nested texts too. Never raises anything else.
    """
    _refuse(source)
    text, errors = _text(source), list[Diagnostic]()
    for reading in itertools.count(1):
        try:
            tree = _parser().parse(text)
            break
        except UnexpectedCharacters:
            text, errors = _without_bad_characters(source)
        except UnexpectedToken as error:
            words, bad = _lex(text)
            if bad is not None:
                text, errors = _without_bad_characters(source)
                continue
            found = _diagnostic(error, source, words)
            if all(known.span.line != found.span.line for known in errors):
                errors.append(found)
            shorter = None
            if len(text) <= RECOVERY_BYTES and reading < MAX_READINGS:
                shorter = _without_item(text, words, found.span.start)
            if shorter is None or shorter == text or len(errors) >= MAX_SYNTAX_ERRORS:
                raise SpecErrors(errors, [source]) from None
            text = shorter
    if errors:
        raise SpecErrors(errors, [source])
    built, problems = build_tree(tree, source)
    if problems:
        raise SpecErrors(problems, [source])
    return built
