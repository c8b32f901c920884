"""On which line of a TOML file each key stands: `tomllib` reads values, but does not say where.

Owns a scan of text that `tomllib` has accepted; it must not be given any other. Knows no cluster.
"""

from __future__ import annotations

import tomllib
from typing import Final

Path = tuple[str | int, ...]

_BLANK: Final = " \t"
_SPACE: Final = " \t\r\n"


def key_lines(text: str) -> dict[Path, int]:
    """The 1-based line of each key, by its path (`("resource", "db", "depends_on")`).

    Elements of arrays have their index in the path. A table that is opened several times keeps the
    line of the first.
    """
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.document()
    return scan.lines


class _Scan:
    """One pass over the text. `at` is the next character, `lines` what was found so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[Path, int] = {}
        self.arrays: dict[Path, int] = {}  # how many tables an array of tables has so far

    def document(self) -> None:
        table: Path = ()
        self.skip(_SPACE)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_SPACE)

    # ---- characters ----
    def step(self, count: int = 1) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def starts(self, what: str) -> bool:
        return self.text.startswith(what, self.at)

    def skip(self, blanks: str) -> None:
        """Go on over blanks; over comments, too, where the blanks include line ends."""
        while self.at < len(self.text):
            if self.text[self.at] in blanks:
                self.step()
            elif self.text[self.at] == "#" and "\n" in blanks:
                end = self.text.find("\n", self.at)
                self.step((len(self.text) if end < 0 else end) - self.at)
            else:
                return

    # ---- tables and keys ----
    def header(self) -> Path:
        many = self.starts("[[")
        self.step(2 if many else 1)
        line = self.line
        path = self.resolve(self.key(), last=not many)
        self.step(2 if many else 1)
        if many:
            index = self.arrays.get(path, 0)
            self.arrays[path] = index + 1
            self.note(path, line)
            path = (*path, index)
        self.note(path, line)
        return path

    def resolve(self, key: Path, *, last: bool) -> Path:
        """The path a header means: of an array of tables, its latest one is meant."""
        path: Path = ()
        for number, part in enumerate(key, 1):
            path = (*path, part)
            if path in self.arrays and (last or number < len(key)):
                path = (*path, self.arrays[path] - 1)
        return path

    def note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def pair(self, table: Path) -> None:
        line = self.line
        path = (*table, *self.key())
        self.note(path, line)
        self.step()  # the equals sign
        self.skip(_BLANK)
        self.value(path)

    def key(self) -> Path:
        """A dotted key, up to what follows it and its blanks."""
        parts: list[str] = []
        while True:
            self.skip(_BLANK)
            begin = self.at
            if self.text[self.at] in "\"'":
                self.string()
                literal = self.text[begin : self.at]
                parts.append(str(tomllib.loads(f"key = {literal}")["key"]))
            else:
                while self.text[self.at] not in " \t.=]":
                    self.step()
                parts.append(self.text[begin : self.at])
            self.skip(_BLANK)
            if self.text[self.at] != ".":
                return tuple(parts)
            self.step()

    # ---- values ----
    def value(self, path: Path) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self.string()
        elif first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}#\n":
                self.step()

    def array(self, path: Path) -> None:
        self.step()
        index = 0
        while True:
            self.skip(_SPACE)
            if self.text[self.at] == "]":
                self.step()
                return
            self.note((*path, index), self.line)
            self.value((*path, index))
            index += 1
            self.skip(_SPACE)
            if self.text[self.at] == ",":
                self.step()

    def inline_table(self, path: Path) -> None:
        self.step()
        while True:
            self.skip(_SPACE)
            if self.text[self.at] == "}":
                self.step()
                return
            self.pair(path)
            self.skip(_SPACE)
            if self.text[self.at] == ",":
                self.step()

    def string(self) -> None:
        quote = self.text[self.at]
        if self.starts(quote * 3):
            self.step(3)
            while not self.starts(quote * 3):
                self.step(2 if quote == '"' and self.text[self.at] == "\\" else 1)
            self.step(3)
            while self.at < len(self.text) and self.text[self.at] == quote:  # """"" ends in two
                self.step()
            return
        self.step()
        while self.text[self.at] != quote:
            self.step(2 if quote == '"' and self.text[self.at] == "\\" else 1)
        self.step()
