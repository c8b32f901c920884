"""Records that go on in further lines: wrapped by a mail program or a page, or of several lines.

Owns the question which of these lines are the message. Where one line ends a message may be whole,
or its last field may go on: then the lines that follow count, and so does whether a blank was lost
where they were broken. A name or a state that the text does not prove is never made up: all
readings that are possible are given back, and the names of the log may decide between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Final, Literal

import msgspec

from rhscheck.traces.logmap.language import FieldRef, LogMap, Rule, Told
from rhscheck.traces.logmap.pattern import Pattern

MAX_JOINED: Final = 8  # lines that one record may be wrapped over
_MOST_WAYS: Final = 4  # of joining so many lines, if each is looked at
_BEGINNING: Final = 16  # characters by which patterns are told apart
_MOST_BEGUN: Final = 1024  # beginnings that are remembered
_ANY_TEXT: Final = ("rest", "text", "last", "label")
_WORDS: Final = ("text", "detail")
# What a reading is worth. Whole: it ends as the pattern does. Unstopped: but for the
# full stop. Loose: of the text at its end nothing is told. Words: that is what somebody says, and
# may go on. Open: that is a name, a state or a number, and may go on.
_Worth = Literal["whole", "unstopped", "loose", "words", "open"]
_BEST_FIRST: Final[tuple[tuple[_Worth, ...], ...]] = (
    ("whole",),
    ("unstopped",),
    ("loose", "words"),
    ("open",),
)


class Part(msgspec.Struct, frozen=True):
    """A line that continues a record, without the blanks at its ends; what may stand before it."""

    text: str
    glue: tuple[str, ...]


class Joined(msgspec.Struct, frozen=True):
    """A record's message, what it tells by which rule, and how many lines of the file it takes."""

    message: str
    rule: Rule
    told: tuple[Told, ...]
    lines: int


class _Way(msgspec.Struct, frozen=True):
    """A pattern, its place among all, and what must stand in a message that fits, blanks aside."""

    rank: int
    pattern: Pattern
    needs: tuple[str, ...]


class _Fit(msgspec.Struct, frozen=True):
    """What a message tells, what that is worth, and the rank of its pattern."""

    worth: _Worth
    rank: int
    joined: Joined


def part_of(before: str, line: str) -> Part:
    """The line that continues `before`, both as they stand in the file but for their line ends."""
    # One blank that is left, in front or behind, is that of the message; more are indentation.
    kept = before[-1:].isspace() or (line[:1] == " " and not line[1:2].isspace())
    return Part(line.strip(), (" ",) if kept else (" ", ""))


class Wrapped:
    """Joins the lines of records, for one mapping.

    `clean` makes of the text of a record its message, `read` says what that tells.
    """

    def __init__(
        self,
        logmap: LogMap,
        clean: Callable[[str], str],
        read: Callable[[str], tuple[Rule, tuple[Told, ...]] | None],
    ) -> None:
        self._clean, self._read, self._tables = clean, read, logmap.tables
        every = [(rule, pattern) for rule in logmap.rules for pattern in rule.patterns]
        self._ways = [_Way(rank, one, _needs(one)) for rank, (_, one) in enumerate(every)]
        self._of_rule: dict[int, list[_Way]] = {}
        for (rule, _), way in zip(every, self._ways, strict=True):
            self._of_rule.setdefault(rule.line, []).append(way)
        self._known_begun: dict[str, list[_Way]] = {}

    def may_go_on(self, first: str) -> bool:
        """Whether further lines may change what a record tells that begins with this one."""
        alone = self._fit(first, 1)
        return bool(self._begun(first)) if alone is None else alone.worth != "whole"

    def may_become(self, first: str, ahead: str) -> bool:
        """Whether a record may be known that begins with `first` and goes on with what is ahead."""
        begun = self._begun(first)
        squeezed = _squeezed(first + ahead) if begun else ""
        return any(_may_fit(one, squeezed) for one in begun)

    def readings(
        self, first: str, ahead: Callable[[], str], further: Callable[[], Sequence[Part]]
    ) -> list[Joined]:
        """What a record may say that begins with the line `first` and goes on with `further`.

        `ahead`: the text of these lines, perhaps with that of others behind them. One reading for
        each thing that it may tell; none if no rule knows it, whatever is joined.
        """
        alone = self._fit(first, 1)
        if alone is None and not self.may_become(first, ahead()):
            return []
        if alone is not None and alone.worth == "whole":
            return [alone.joined]
        begun = self._begun(first)
        parts = further() if begun else ()
        squeezed = _squeezed("".join([first, *(one.text for one in parts)]))
        ways = [one for one in begun if _may_fit(one, squeezed)]
        if alone is not None and alone.worth != "open":
            # Whatever follows fits the pattern, too, but where a full stop is missing.
            any_text = alone.worth != "unstopped"
            if not any(
                one.rank < alone.rank if any_text else one.rank != alone.rank for one in ways
            ):
                return [self._with_words(alone, parts)]
        return self._best(first, parts) if ways else []

    def _best(self, first: str, parts: Sequence[Part]) -> list[Joined]:
        """The readings of the best kind that there is."""
        found: dict[_Worth, dict[tuple[Told, ...], _Fit]] = {}
        for lines in range(1, len(parts) + 2):
            for text in _texts(first, parts[: lines - 1]):
                fit = self._fit(text, lines)
                if fit is not None:
                    known = found.setdefault(fit.worth, {})
                    # What is complete needs no further lines.
                    if fit.worth == "open" or all(
                        one.joined.lines == lines for one in known.values()
                    ):
                        known.setdefault(fit.joined.told, fit)
            if "whole" in found:
                break
        for worths in _BEST_FIRST:
            best = [one for worth in worths for one in found.get(worth, {}).values()]
            if best:
                # Of those that are as good the rule that stands first knows more of the text.
                first_rank = min(one.rank for one in best)
                return [self._with_words(one, parts) for one in best if one.rank == first_rank]
        return []

    def _with_words(self, fit: _Fit, parts: Sequence[Part]) -> Joined:
        """The reading; of what somebody says all that stands there."""
        rest = parts[fit.joined.lines - 1 :] if fit.worth == "words" else ()
        text = " ".join([fit.joined.message, *(one.text for one in rest)])
        more = self._fit(text, len(parts) + 1) if rest else None
        return fit.joined if more is None else more.joined

    def _begun(self, first: str) -> list[_Way]:
        """The patterns that a record may fit that begins so."""
        message = self._clean(first)
        beginning = message[:_BEGINNING]
        known = self._known_begun.get(beginning)
        if known is None:
            known = [one for one in self._ways if _may_begin(one.pattern.head, beginning)]
            if len(self._known_begun) >= _MOST_BEGUN:
                self._known_begun.clear()
            self._known_begun[beginning] = known
        return [one for one in known if _may_begin(one.pattern.head, message)]

    def _fit(self, text: str, lines: int) -> _Fit | None:
        """What the text of so many lines tells, if a rule knows it."""
        message = self._clean(text)
        read = self._read(message)
        if read is None:
            return None
        rule, told = read
        for way in self._of_rule[rule.line]:
            if way.pattern.match(message, self._tables) is not None:
                worth = _worth(way.pattern, rule, message, lines)
                return _Fit(worth, way.rank, Joined(message, rule, told, lines))
        return None


def _worth(pattern: Pattern, rule: Rule, message: str, lines: int) -> _Worth:
    """What a message is worth that fits the pattern."""
    field, literal = pattern.parts[-1] if pattern.parts else (None, pattern.head)
    stop = literal.endswith(".")
    if field is None or literal.removesuffix("."):
        return "whole" if message.endswith(literal) else "unstopped"
    keys = {
        key
        for emit in rule.emits
        for key, value in emit.keys
        if isinstance(value, FieldRef) and value.name == field.name
    }
    if not keys:
        return "loose"
    # Any sentence ends with a full stop: it does not prove that the name goes on to there.
    if stop and message.endswith(".") and (lines == 1 or field.kind not in _ANY_TEXT):
        return "whole"
    return "words" if keys <= set(_WORDS) and field.kind in _ANY_TEXT else "open"


def _texts(first: str, parts: Sequence[Part]) -> Iterator[str]:
    """The lines as one, in all ways if these are few."""
    glues = [one.glue for one in parts]
    count = 1
    for glue in glues:
        count *= len(glue)
    if count > _MOST_WAYS:
        alike = [tuple(glue[0] for glue in glues), tuple(glue[-1] for glue in glues)]
    else:
        alike = list(product(*glues))
    for blanks in alike:
        more = [blank + one.text for blank, one in zip(blanks, parts, strict=True)]
        yield "".join([first, *more])


def _may_begin(head: str, beginning: str) -> bool:
    return beginning.startswith(head) or head.startswith(beginning)


def _needs(pattern: Pattern) -> tuple[str, ...]:
    """What must stand in a message that fits; the full stop at its end may be missing."""
    literals = [literal for _, literal in pattern.parts]
    if literals:
        literals[-1] = literals[-1].removesuffix(".")
    return tuple(dict.fromkeys(filter(None, map(_squeezed, literals))))


def _may_fit(way: _Way, squeezed: str) -> bool:
    """Whether all that stands in the pattern stands in the text, blanks aside."""
    return all(need in squeezed for need in way.needs)


def _squeezed(text: str) -> str:
    """The text without what may be lost or added where it is wrapped, and without emphasis."""
    return "".join(text.split()).replace("**", "")
