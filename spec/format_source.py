"""The one layout of a spec: indentation, spaces and blank lines (`rhscheck fmt`).

Owns the layout rules. Works on lexemes and comments, keeps every line break, comment and word, and
must not change the syntax tree: the result is parsed and compared before it is handed out.

A line is indented by 2 for each line that opened a block around it, and by 2 more if it goes on
with an item that an earlier line began; one that goes on with an expression or list, by 2 more than
the line where that began. Adjacent constants and adjacent entry points form tables. Comments behind
code keep their column where there is room.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rhscheck.spec.lexeme import Lexeme
from rhscheck.spec.parse import lexemes, parse
from rhscheck.spec.source import Places, Source

INDENT = "  "
COMMENT_GAP = 2  # blanks between code and a comment behind it, at least

# Items whose braces hold items, and words before a brace that lists states even in such an item.
_BLOCKS = frozenset(
    ["machine", "shared", "initial", "final", "state", "rules", "scenario", "trace"]
)
_LISTS = frozenset(["in", "enter", "leave"])
# Words that stand directly before their bracket, as names do.
_CALLED = frozenset(
    ["inflight", "start", "free", "expired", "due", "owed", "timeout", "return", "quiet", "reset"]
)
_CLOSERS = frozenset([")", "]", "}"])
# What goes on with an expression or a list, rather than with the next clause of an item.
_JOINS = frozenset(
    ["and", "or", "implies", "+", "-", "*", "==", "!=", "<=", ">=", "<", ">", "|", ","]
)
_JOINS_NEXT = _JOINS | {"not", "of", "=", "->", "when", "while", "before", "where"}

# Items that form tables: where the columns begin, and what marks an item that is not part of one.
_TABLES = {"param": (("=", "STRING"), ":"), "entry": (("returns", "timeout", "by"), "")}


@dataclass(slots=True)
class _Line:
    """One line of the text: its lexemes, each with whether it begins an item, and its comment."""

    lexemes: list[tuple[Lexeme, bool]] = field(default_factory=list)
    comment: str = ""
    column: int = 0  # of the comment, from 0


@dataclass(slots=True)
class _Open:
    """A bracket that is open, or (first) the whole text.

    `indent` is the level of what closes it, `item` that of the line where the current item began,
    `clause` that of the line where its current clause began.
    """

    sign: str
    block: bool
    indent: int
    item: int
    clause: int = 0
    head: str = ""

    @property
    def inside(self) -> int:
        return self.indent + 1


@dataclass(slots=True)
class _Written:
    """A line in its layout. `cells` are its columns by name if it can be part of a table."""

    code: str
    comment: str
    column: int
    cells: dict[str, str] = field(default_factory=dict)


def format_source(text: str, path: str) -> str:
    """`text` in the one layout; formatting the result again changes nothing.

    Raises SpecErrors, with places in `path`, for a text that does not parse.
    """
    source = Source(path, text)
    tree = parse(source)
    written = _tables(_Layout().lines(_lines(source)))
    result = "".join(line + "\n" for line in _with_comments(written))
    if parse(Source(path, result)) != tree:
        raise RuntimeError(f"formatting {path} would change its meaning")
    return result


def _lines(source: Source) -> list[_Line]:
    places = Places(source)
    lines: dict[int, _Line] = {}
    begins = True
    for lexeme in lexemes(source):
        if lexeme.kind == "SEP":
            begins = True
            continue
        number = places.span(lexeme.start, lexeme.end).line
        lines.setdefault(number, _Line()).lexemes.append((lexeme, begins))
        begins = False
    for match in re.finditer(r'"[^"\n\r]*"|#[^\n\r]*', source.text):
        if match[0].startswith("#"):
            span = places.span(match.start(), match.end())
            line = lines.setdefault(span.line, _Line())
            line.comment, line.column = match[0].rstrip(), span.column - 1
    return [lines.get(number, _Line()) for number in range(1, max(lines) + 1)]


class _Layout:
    """Goes through the lines of one text with the brackets that are open."""

    def __init__(self) -> None:
        self._open = [_Open("", True, -1, 0)]
        self._before: Lexeme | None = None

    def lines(self, lines: list[_Line]) -> list[_Written]:
        """The lines as they are to be written, without superfluous blank ones."""
        written: list[_Written] = []
        for number, line in enumerate(lines):
            if line.lexemes:
                first = line.lexemes[0][0]
                if first.text == "}" and written and not written[-1].code + written[-1].comment:
                    written.pop()
                code, cells = self._code(line)
                written.append(_Written(code, line.comment, line.column, cells))
            elif line.comment:
                following = next((other for other in lines[number:] if other.lexemes), None)
                indent = INDENT * self._comment_indent(following)
                written.append(_Written(indent + line.comment, "", 0))
            elif written and written[-1].code and not written[-1].code.endswith("{"):
                written.append(_Written("", "", 0))
        return written

    def _comment_indent(self, following: _Line | None) -> int:
        """A comment stands where the code below it stands, or inside the block that ends there."""
        if following is None or following.lexemes[0][0].text in _CLOSERS:
            return self._open[-1].inside
        return self._indent(following)

    def _indent(self, line: _Line) -> int:
        top = self._open[-1]
        lexeme, begins = line.lexemes[0]
        if lexeme.text in _CLOSERS:
            count = 0
            while count < len(line.lexemes) and line.lexemes[count][0].text in _CLOSERS:
                count += 1
            return self._open[-count].indent
        goes_on = not begins and self._before is not None and self._before.text != top.sign
        if not (top.block and goes_on):
            return top.inside
        return (top.clause if self._joins(lexeme) else top.item) + 1

    def _joins(self, lexeme: Lexeme) -> bool:
        before = "" if self._before is None else self._before.text
        return lexeme.text in _JOINS or before in _JOINS_NEXT

    def _code(self, line: _Line) -> tuple[str, dict[str, str]]:
        level = self._indent(line)
        first, begins = line.lexemes[0]
        if self._open[-1].block and first.text not in _CLOSERS and not self._joins(first):
            self._open[-1].clause = level
        parts: list[str] = []
        cuts: list[tuple[str, int]] = []
        columns, _ = _TABLES.get(first.text, ((), ""))
        for lexeme, begins in line.lexemes:
            top = self._open[-1]
            if parts:
                if begins and self._before is not None and self._before.text != top.sign:
                    parts.append("; ")
                elif self._before is not None and _spaced(self._before, lexeme, top):
                    parts.append(" ")
            name = lexeme.kind if lexeme.kind == "STRING" else lexeme.text
            if name in columns and len(self._open) == 1 and parts:
                cuts.append((name, len(parts)))
            self._note(lexeme, begins, level)
            parts.append(lexeme.text)
        return INDENT * level + "".join(parts), self._cells(line, parts, cuts)

    def _cells(self, line: _Line, parts: list[str], cuts: list[tuple[str, int]]) -> dict[str, str]:
        """The columns of a line that is one whole item of a table; none for any other."""
        first, begins = line.lexemes[0]
        _, without = _TABLES.get(first.text, ((), ""))
        starts = [at for _, at in cuts]
        several = "; " in parts or len({name for name, _ in cuts}) < len(cuts)
        if not (begins and cuts) or len(self._open) > 1 or without in parts or several:
            return {}
        ends = [*starts[1:], len(parts)]
        cells = {first.text: "".join(parts[: starts[0]]).rstrip()}
        for (name, start), end in zip(cuts, ends, strict=True):
            cells[name] = "".join(parts[start:end]).rstrip()
        return cells

    def _note(self, lexeme: Lexeme, begins: bool, level: int) -> None:
        """Keeps track of the open brackets."""
        top = self._open[-1]
        if begins or (self._before is not None and self._before.text == top.sign):
            top.item, top.head = level, lexeme.text
        if lexeme.text in ("(", "[", "{"):
            before = "" if self._before is None else self._before.text
            block = lexeme.text == "{" and top.head in _BLOCKS and before not in _LISTS
            self._open.append(_Open(lexeme.text, block, top.item if block else level, level))
        elif lexeme.text in _CLOSERS:
            self._open.pop()
        self._before = lexeme


def _spaced(before: Lexeme, after: Lexeme, top: _Open) -> bool:
    """Whether a blank stands between two lexemes of a line; `top` is the bracket around them."""
    if before.text in ("(", "[", ".", "..") or after.text in (")", "]", ",", ".", "..", "?", "["):
        return False
    match after.text:
        case ":":
            return top.head in ("param", "var")
        case "(":
            called = before.text in _CALLED and top.head != "entry"
            return before.kind != "NAME" and not called
        case "}":
            return before.text != "{"
        case _:
            return not (top.sign == "(" and "|" in (before.text, after.text))


def _tables(lines: list[_Written]) -> list[_Written]:
    """Adjacent lines of one table get the same columns."""
    at = 0
    while at < len(lines):
        head = next(iter(lines[at].cells), "")
        end = at + 1
        while end < len(lines) and head and next(iter(lines[end].cells), "") == head:
            end += 1
        if head:
            rows = lines[at:end]
            for name in (head, *_TABLES[head][0]):
                width = max(len(row.cells.get(name, "")) for row in rows)
                for row in rows:
                    row.cells[name] = row.cells.get(name, "").ljust(width)
            for row in rows:
                columns = [row.cells[name] for name in (head, *_TABLES[head][0])]
                row.code = " ".join(cell for cell in columns if cell).rstrip()
        at = end
    return lines


def _with_comments(written: list[_Written]) -> Iterator[str]:
    """The finished lines: comments that stood in one column in adjacent lines stay in one."""
    at = 0
    while at < len(written):
        end = at + 1
        column = written[at].column
        while end < len(written) and written[end].comment and written[end].column == column:
            end += 1
        group = written[at:end] if written[at].comment else written[at : at + 1]
        column = max(column, *(len(line.code) + COMMENT_GAP for line in group), 0)
        for line in group:
            yield line.code.ljust(column) + line.comment if line.comment else line.code
        at += len(group)
