"""Takes values out of the tables of a TOML document, each of the kind that is wanted.

Owns the notation of single values (times with units as in a spec, names, choices), the words for
one that is not as wanted, and the line of each mistake. Goes on with the default after a mistake,
so that all of them are found. Knows no cluster.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rhscheck.tracer.toml_lines import Path

T = TypeVar("T")
_UNITS_US: Final = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_TIME: Final = re.compile(r"(\d{1,18})\s*([a-z]+)", re.ASCII)
_LONGEST_US: Final = 10 * 8766 * _UNITS_US["h"]  # ten years; a hundred times that fits, too
_LARGEST: Final = 10**9
# Names become names of files and of instances in a trace.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,99}")
_LONGEST_SHOWN: Final = 120  # characters of what the file says, in a message
NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A message about one line (from 1; 0: about the file as a whole)."""

    line: int
    message: str


class Mistakes:
    """The mistakes of one file so far, and which of its values could not be used for them."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        self.lines = lines
        self.found: list[Mistake] = []
        self._unusable: set[Path] = set()

    def complain(self, path: Path, message: str) -> None:
        """Something is wrong at `path`."""
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.lines), ())
        self.found.append(Mistake(self.lines.get(known, 1), one_line(message)))

    def unusable(self, path: Path, message: str) -> None:
        """The value at `path` is wrong, so that the default was taken for it."""
        self._unusable.add(path)
        self.complain(path, message)

    def replaced(self, path: Path) -> bool:
        """Whether the value at `path`, or a table that it would be in, is not that of the file."""
        return any(path[:length] in self._unusable for length in range(1, len(path) + 1))


class Table:
    """One table of the file and how its values are taken out."""

    def __init__(self, mistakes: Mistakes, path: Path, values: Mapping[str, Any]) -> None:
        self.mistakes = mistakes
        self.path = path
        self.values = values

    def only(self, *known: str) -> None:
        """Complain about every key but those."""
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"possible are {_list(known)}"
                where = f"`{key}`" if not self.path else f"`{key}` in `[{_dotted(self.path)}]`"
                self.mistakes.complain((*self.path, key), f"there is no {where}; {hint}")

    def check_name(self, name: str) -> None:
        """The key `name` is one that the user has made up."""
        if not _NAME.fullmatch(name):
            self.mistakes.complain((*self.path, name), _bad_name(name))

    def table(self, key: str) -> Table:
        """A table in this one; empty if there is none."""
        path = (*self.path, key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            self.mistakes.unusable(path, f"`{key}` has to be a table: `[{_dotted(path)}]`")
            value = {}
        return Table(self.mistakes, path, value)

    def _take(self, key: str, default: T, fits: Callable[[Any], bool], wanted: str) -> T:
        value = self.values.get(key, default)
        if key in self.values and not fits(value):
            message = f"`{key}` has to be {wanted}, not {_shown(value)}"
            self.mistakes.unusable((*self.path, key), message)
            return default
        taken: T = value
        return taken

    def text(self, key: str, default: str) -> str:
        """A text that is not empty."""
        return self._take(
            key, default, lambda v: isinstance(v, str) and bool(v), f'a text: `{key} = "…"`'
        )

    def name(self, key: str, default: str) -> str:
        """A name that the user has made up."""
        name = self.text(key, default)
        if not _NAME.fullmatch(name):
            self.mistakes.unusable((*self.path, key), _bad_name(name))
            return default
        return name

    def names(
        self, key: str, default: tuple[str, ...], *, new: bool = False, without: str = ""
    ) -> tuple[str, ...]:
        """A list of names, each there once.

        `new`: they are made up here. `without`: what it means to leave the list out; then it must
        not be empty, which might be meant otherwise.
        """

        def fits(value: object) -> bool:
            return isinstance(value, list) and all(isinstance(one, str) for one in value)

        path = (*self.path, key)
        taken = tuple(self._take(key, default, fits, f'a list of names: `{key} = ["…", "…"]`'))
        if without and key in self.values and not self.values[key] and taken == ():
            message = f"`{key}` is empty: name at least one, or leave it out for {without}"
            self.mistakes.unusable(path, message)
            return default
        for at, name in enumerate(taken):
            if new and not _NAME.fullmatch(name):
                self.mistakes.complain((*path, at), _bad_name(name))
            elif name in taken[:at]:
                self.mistakes.complain((*path, at), f"`{name}` is there twice; leave one out")
        return taken

    def number(self, key: str, default: int) -> int:
        """A whole number from 0."""

        def fits(value: object) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST

        wanted = f"a whole number from 0 to {_LARGEST}: `{key} = {default}`"
        return self._take(key, default, fits, wanted)

    def choice(self, key: str, options: tuple[str, ...], default: str) -> str:
        """One of `options`."""
        wanted = "one of " + ", ".join(f'"{one}"' for one in options)
        return self._take(key, default, lambda value: value in options, wanted)

    def time(self, key: str, default: int, *, never: bool = False) -> int:
        """A time, in microseconds. `never`: the caller takes that word, too."""
        wanted = 'a time with its unit, as `"5m"` (us, ms, s, m, h), of 10 years at most'
        if never:
            wanted += f', or `"{NEVER}"`'
        value = self._take(key, default, lambda given: _microseconds(given) is not None, wanted)
        return default if value == default else _microseconds(value) or 0


def one_line(message: str) -> str:
    """The message, which quotes the file, without what commands a terminal or begins a line."""
    return harmless(message).replace("\n", "\\n")


def harmless(message: str) -> str:
    """The message, which quotes the file or a plug-in, without what commands a terminal."""
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode("ascii")
        for one in message
    )


def _microseconds(value: object) -> int | None:
    """A time in the notation of a spec; None if it is none."""
    if not isinstance(value, str):
        return None
    found = _TIME.fullmatch(value.strip())
    if found is None or found[2] not in _UNITS_US:
        return None
    time_us = int(found[1]) * _UNITS_US[found[2]]
    return time_us if time_us <= _LONGEST_US else None


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = f'"{value}"' if isinstance(value, str) else str(value)
    except ValueError:  # Python refuses to write numbers of more than some thousand digits
        return "a number as long as that"
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _bad_name(name: str) -> str:
    shown = name if len(name) <= _LONGEST_SHOWN else name[:_LONGEST_SHOWN] + "…"
    return (
        f"`{shown}` is no name: use the letters a-z and A-Z, digits, `_`, and inside of it also "
        "blanks, `.`, `-`; 100 of them at most"
    )


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in path)


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
