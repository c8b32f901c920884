"""Reads `.map` files: one directive a line, every mistake reported with its place and a fix.

Owns the syntax of mappings (docs/mappings.md). Text after `on`, `form`, `prefilter` and `log` is
taken as it stands, so lines can be pasted from a log without escaping anything but braces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import msgspec

from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.traces.logmap import moments
from rhscheck.traces.logmap.language import (
    KEYS,
    NEEDED,
    NUMBERS,
    Emit,
    Facts,
    FieldRef,
    Kind,
    LogMap,
    Rule,
    Sample,
    Spot,
    Spots,
    Told,
    told,
)
from rhscheck.traces.logmap.pattern import (
    Pattern,
    PatternError,
    Value,
    column_of,
    parse_pattern,
)

MAX_BYTES: Final = 1 << 20
_DIRECTIVES: Final = (
    *(
        "map",
        "spec",
        "form",
        "prefilter",
        "values",
        "facts",
        "unseen",
        "on",
        "emit",
        "log",
        "is",
        "advice",
        "limits",
    ),
)
_WORD = re.compile(r'\s*(?:([^\s"=]+)=)?(?:"((?:[^"\\]|\\.)*)"|([^\s"]+)(?=\s|$))')
_FORM_FIELDS: Final = ("time", "level", "pid", "tid", "host", "res", "text")
# The kinds of fields that are numbers as they stand.
_NUMBER_KINDS: Final = ("int", "hex")
_LABELS: Final = ("call", "return", "callback", "expiry", "timer", "event")


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong in a mapping, where (from 1), and what would be right."""

    line: int
    column: int
    message: str


class MapErrors(Exception):  # noqa: N818 - it holds several
    """The mapping cannot be used; `mistakes` holds everything found."""

    def __init__(self, path: str, mistakes: list[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(sorted(mistakes, key=lambda one: (one.line, one.column)))
        super().__init__(
            "\n".join(f"{path}:{m.line}:{m.column}: {m.message}" for m in self.mistakes)
        )


def parse_map(text: str, path: str) -> LogMap:
    """The mapping in `text`. Raises MapErrors with every mistake."""
    reader = _Reader(path)
    if len(text) > MAX_BYTES:
        raise MapErrors(path, [Mistake(1, 1, f"a mapping has at most {MAX_BYTES:,} characters")])
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        reader.line(number, line)
    return reader.finish()


@dataclass(slots=True)
class _Reader:
    path: str
    mistakes: list[Mistake] = field(default_factory=list)
    name: str = ""
    title: str = ""
    spec: str = ""
    form: Literal["clusterlog"] | Pattern | None = None
    prefilter: list[str] = field(default_factory=list)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    unseen: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    limits: dict[str, str] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    # Where things were said: directives that stand once, and what speaks of the spec.
    once: dict[str, int] = field(default_factory=dict)
    spec_at: Spot = field(default_factory=lambda: Spot(1, 1))
    words_at: dict[tuple[str, str], Spot] = field(default_factory=dict)
    unseen_at: list[Spot] = field(default_factory=list)
    limits_at: dict[str, Spot] = field(default_factory=dict)
    numbers: list[tuple[Spot, str, str, Pattern]] = field(default_factory=list)
    # What is open: the line of the first `on` that waits for its `emit`, the patterns that are
    # right, whether there was an `emit`, the events; the lines that wait for their `is`.
    on_at: int = 0
    patterns: list[tuple[int, Pattern]] = field(default_factory=list)
    answered: bool = False
    emits: list[Emit] = field(default_factory=list)
    log: list[tuple[int, str]] = field(default_factory=list)
    said: bool = False
    told: list[Told] = field(default_factory=list)
    written: list[Emit] = field(default_factory=list)

    def wrong(self, line: int, column: int, message: str) -> None:
        self.mistakes.append(Mistake(line, column, message))

    # ---- one line ------------------------------------------------------------------------------
    def line(self, number: int, line: str) -> None:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            return
        word, _, rest = stripped.partition(" ")
        rest = rest.strip()
        start = line.index(stripped)
        column = line.index(rest, start + len(word)) + 1 if rest else start + len(word) + 1
        if word == "log" or (word == "on" and self.answered):
            self._end_rule()
        if (word == "on" or (word == "log" and self.said)) and self.log:
            self._end_sample()
        if word in ("map", "spec", "form", "facts"):
            first = self.once.setdefault(word, number)
            if first != number:
                self.wrong(number, start + 1, f"there is a `{word}` line already, line {first}")
                return
        match word:
            case "map":
                self._title(number, column, rest)
            case "spec":
                self.spec, self.spec_at = rest, Spot(number, column)
                if not rest:
                    self.wrong(number, column, "`spec` needs the name of a spec, or its file")
            case "form":
                self._form(number, column, rest)
            case "prefilter":
                self._prefilter(number, column, rest)
            case "values":
                self._values(number, column, rest)
            case "facts":
                self._facts(number, column, rest)
            case "advice":
                self.advice.append(rest)
            case "limits":
                self._limits(number, column, rest)
            case "unseen":
                self._unseen(number, column, rest)
            case "on":
                self._on(number, column, rest)
            case "emit":
                self._emit(number, column, rest)
            case "log":
                self.log.append((number, line[line.index("log") + 3 :].strip()))
            case "is":
                self._is(number, column, rest)
            case _:
                hint = did_you_mean(word, _DIRECTIVES)
                self.wrong(number, start + 1, f"no directive is called `{word}`; {hint}")

    def _words(self, number: int, column: int, text: str) -> list[tuple[str, str, bool, int]]:
        """`key=value` and bare words: key (or empty), value, whether quoted, column."""
        found: list[tuple[str, str, bool, int]] = []
        at = 0
        while at < len(text):
            match = _WORD.match(text, at)
            if match is None:
                blanks = len(text[at:]) - len(text[at:].lstrip())
                self.wrong(number, column + at + blanks, "a quotation mark is not closed")
                break
            quoted = match[2] is not None
            value = re.sub(r"\\(.)", r"\1", match[2]) if quoted else match[3]
            where = column + at + len(match[0]) - len(match[0].lstrip())
            found.append((match[1] or "", value, quoted, where))
            at = match.end()
        return found

    def _title(self, number: int, column: int, rest: str) -> None:
        words = self._words(number, column, rest)
        if len(words) != 2 or not words[1][2]:
            self.wrong(number, column, 'a mapping begins with `map NAME "what log it reads"`')
            return
        self.name, self.title = words[0][1], words[1][1]

    def _form(self, number: int, column: int, rest: str) -> None:
        if rest == "clusterlog":
            self.form = "clusterlog"
            return
        pattern = self._pattern(number, column, rest)
        if pattern is None:
            return
        for name in pattern.fields:
            if name not in _FORM_FIELDS:
                hint = did_you_mean(name, _FORM_FIELDS)
                self.wrong(number, column, f"the beginning of a line has no field `{name}`; {hint}")
        for one, _ in pattern.parts:
            if one.name == "time" and one.kind not in moments.KINDS:
                self.wrong(number, column + column_of(rest, "time"), moments.no_time(one.kind))
        if "text" not in pattern.fields:
            self.wrong(number, column, "the message itself needs a field: end with `{text:rest}`")
        self.form = pattern

    def _prefilter(self, number: int, column: int, rest: str) -> None:
        if not rest:
            self.wrong(number, column, "`prefilter` needs the text that a line must have")
        self.prefilter.append(rest)

    def _values(self, number: int, column: int, rest: str) -> None:
        words = self._words(number, column, rest)
        if not words or words[0][0] or not all(key for key, *_ in words[1:]) or len(words) < 2:
            self.wrong(number, column, "`values NAME LOG=SPEC …` needs a name and pairs")
            return
        name = words[0][1]
        table = self.tables.setdefault(name, {})
        for key, value, _, where in words[1:]:
            self.words_at.setdefault((name, key), Spot(number, where))
            if table.setdefault(key, value) != value:
                self.wrong(number, where, f"`{key}` has two values, {table[key]} and {value}")

    def _facts(self, number: int, column: int, rest: str) -> None:
        found = {"complete": "no", "lossy": "yes", "start": "unknown"}
        known = {"complete": ("yes", "no"), "lossy": ("yes", "no"), "start": ("initial", "unknown")}
        slack = 0
        for key, value, _, where in self._words(number, column, rest):
            if key == "slack_ms":
                if not value.isdecimal() or len(value) > 9:
                    self.wrong(number, where, "`slack_ms` is a number of milliseconds")
                else:
                    slack = int(value)
            elif key not in known:
                self.wrong(
                    number,
                    where,
                    f"no fact is called `{key or value}`; {did_you_mean(key or value, known)}",
                )
            elif value not in known[key]:
                self.wrong(number, where, f"`{key}` is one of: {', '.join(known[key])}")
            else:
                found[key] = value
        start: Literal["initial", "unknown"] = (
            "initial" if found["start"] == "initial" else "unknown"
        )
        self.facts = Facts(found["complete"] == "yes", found["lossy"] == "yes", start, slack)

    def _limits(self, number: int, column: int, rest: str) -> None:
        for key, value, _, where in self._words(number, column, rest):
            if key not in ("call", "silence"):
                hint = did_you_mean(key or value, ("call", "silence"))
                self.wrong(number, where, f"no limit is called `{key or value}`; {hint}")
            elif self.limits.setdefault(key, value) != value:
                self.wrong(number, where, f"`{key}` has two limits, {self.limits[key]} and {value}")
            else:
                self.limits_at.setdefault(key, Spot(number, where))

    def _unseen(self, number: int, column: int, rest: str) -> None:
        at = column
        for label in rest.split(","):
            kind, _, name = label.strip().partition(" ")
            where = at + len(label) - len(label.lstrip())
            at += len(label) + 1
            if kind not in _LABELS or not name.strip():
                kinds = ", ".join(_LABELS)
                self.wrong(
                    number,
                    where,
                    f"`{label.strip()}` is no label; write KIND NAME, KIND one of {kinds}",
                )
            else:
                self.unseen.append(f"{kind} {name.strip()}")
                self.unseen_at.append(Spot(number, where))

    def _pattern(self, number: int, column: int, text: str) -> Pattern | None:
        try:
            return parse_pattern(text, self.tables)
        except PatternError as error:
            self.wrong(number, column, str(error))
            return None

    # ---- rules ---------------------------------------------------------------------------------
    def _on(self, number: int, column: int, rest: str) -> None:
        self.on_at = self.on_at or number
        pattern = self._pattern(number, column, rest)
        if pattern is None:
            return
        if pattern.fits_anything:
            self.wrong(
                number,
                column,
                "the pattern has no text of its own, so it would match anything; `{text:rest}` "
                "says that this is meant",
            )
        self.patterns.append((number, pattern))

    def _emit(self, number: int, column: int, rest: str) -> None:
        if not self.on_at:
            self.wrong(number, column, "`emit` needs an `on` line before it")
            return
        self.answered = True
        if rest == "nothing":
            return
        emit = self._event(number, column, rest)
        if emit is None:
            return
        for at, pattern in self.patterns:
            for (key, value), spot in zip(emit.keys, emit.spots, strict=True):
                if isinstance(value, FieldRef) and value.name not in pattern.fields:
                    hint = did_you_mean(value.name, pattern.fields)
                    self.wrong(
                        number,
                        column,
                        f"`{key}={{{value.name}}}`: the pattern in line {at} has no such field; "
                        f"{hint}",
                    )
                elif isinstance(value, FieldRef) and key in NUMBERS:
                    self.numbers.append((spot, key, value.name, pattern))
        self.emits.append(emit)

    def _number_field(self, spot: Spot, key: str, name: str, pattern: Pattern) -> None:
        """A number must not come from a text, which would count as an error, whatever it says."""
        kinds = [one.kind for one, _ in pattern.parts if one.name == name]
        for kind in kinds:
            words = self.tables.get(kind)
            if kind in _NUMBER_KINDS or (words and all(map(_is_number, words.values()))):
                return
        of = "word" if kinds[0] in self.tables else "text"
        self.wrong(
            spot.line,
            spot.column,
            f"`{key}` is a number, and `{{{name}}}` a {of}: write `{{{name}:int}}`, "
            f"`{{{name}:hex}}`, or the name of a table of numbers",
        )

    def _event(self, number: int, column: int, rest: str) -> Emit | None:
        known = len(self.mistakes)
        words = self._words(number, column, rest)
        kinds = get_args(Kind)
        if not words or words[0][0] or words[0][1] not in kinds:
            seen = words[0][1] if words else ""
            self.wrong(number, column, f"no event is called `{seen}`; {did_you_mean(seen, kinds)}")
            return None
        kind: Kind = next(one for one in kinds if one == words[0][1])
        keys: dict[str, Value | FieldRef] = {}
        spots: dict[str, Spot] = {}
        flags: list[str] = []
        for key, raw, quoted, where in words[1:]:
            if not key and not quoted and raw in ("inferred", "once"):
                flags.append(raw)
            elif not key and "op" not in keys and "op" in KEYS[kind]:
                keys["op"], spots["op"] = self._value(raw, quoted), Spot(number, where)
            elif key not in KEYS[kind]:
                hint = did_you_mean(key or raw, (*KEYS[kind], "inferred", "once"))
                self.wrong(number, where, f"`{kind}` has no `{key or raw}`; {hint}")
            elif key in keys:
                self.wrong(number, where, f"`{key}` stands there twice")
            else:
                keys[key] = self._checked(number, where, key, self._value(raw, quoted))
                spots[key] = Spot(number, where)
        missing = [key for key in NEEDED[kind] if key not in keys]
        if missing:
            # A key that is misspelt, or in what is left of an open quotation, is not missing.
            if len(self.mistakes) == known:
                keys_text = ", ".join(f"`{key}=`" for key in missing)
                self.wrong(number, column, f"`{kind}` needs {keys_text}")
            return None
        order = [key for key in KEYS[kind] if key in keys]
        return Emit(
            kind,
            tuple((key, keys[key]) for key in order),
            "inferred" in flags,
            "once" in flags,
            Spot(number, column),
            tuple(spots[key] for key in order),
        )

    def _value(self, raw: str, quoted: bool) -> Value | FieldRef:
        if not quoted and raw.startswith("{") and raw.endswith("}"):
            return FieldRef(raw[1:-1])
        return raw

    def _checked(
        self, number: int, column: int, key: str, value: Value | FieldRef
    ) -> Value | FieldRef:
        if key not in NUMBERS or isinstance(value, FieldRef):
            return value
        if isinstance(value, str) and _is_number(value):
            return int(value)
        self.wrong(number, column, f"`{key}` is a number")
        return 0

    def _end_rule(self) -> None:
        if self.on_at and not self.answered:
            self.wrong(self.on_at, 1, "an `on` line needs an `emit` line: an event, or `nothing`")
        if self.patterns and self.answered:
            line = self.patterns[0][0]
            patterns = tuple(pattern for _, pattern in self.patterns)
            self.rules.append(Rule(line, patterns, tuple(self.emits)))
        self.on_at, self.answered, self.patterns, self.emits = 0, False, [], []

    # ---- samples -------------------------------------------------------------------------------
    def _is(self, number: int, column: int, rest: str) -> None:
        if not self.log:
            self.wrong(number, column, "`is` needs a `log` line before it")
            return
        self.said = True
        if rest == "nothing":
            return
        event = self._event(number, column, rest)
        if event is None:
            return
        values = {key: value for key, value in event.keys if not isinstance(value, FieldRef)}
        if len(values) < len(event.keys):
            self.wrong(number, column, "an expected event has values, not fields")
        self.told.append(told(event.kind, values, inferred=event.inferred))
        self.written.append(event)

    def _end_sample(self) -> None:
        if not self.said:
            self.wrong(
                self.log[0][0], 1, "a `log` line needs an `is` line: the events, or `nothing`"
            )
        lines = tuple(text for _, text in self.log)
        self.samples.append(Sample(self.log[0][0], lines, tuple(self.told), tuple(self.written)))
        self.log, self.said, self.told, self.written = [], False, [], []

    # ---- the whole -----------------------------------------------------------------------------
    def finish(self) -> LogMap:
        self._end_rule()
        if self.log:
            self._end_sample()
        for spot, key, name, pattern in self.numbers:
            self._number_field(spot, key, name, pattern)
        if "map" not in self.once and not any(one.line == 1 for one in self.mistakes):
            self.wrong(1, 1, 'a mapping begins with `map NAME "what log it reads"`')
        if self.form is None and not self.mistakes:
            self.wrong(
                1,
                1,
                "`form` is missing: how a line begins, such as "
                "`form {time:iso} {level:word} {text:rest}`, or `form clusterlog`",
            )
        if not self.rules and not self.mistakes:
            self.wrong(1, 1, "the mapping has no rule: an `on` line and an `emit` line")
        if self.mistakes or self.form is None:
            raise MapErrors(self.path, self.mistakes)
        return LogMap(
            self.name,
            self.title,
            self.path,
            self.spec or "rhs",
            self.form,
            tuple(self.prefilter),
            self.tables,
            self.facts,
            tuple(self.unseen),
            self.limits,
            tuple(self.advice),
            tuple(self.rules),
            tuple(self.samples),
            Spots(self.spec_at, self.words_at, tuple(self.unseen_at), self.limits_at),
        )


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 19
