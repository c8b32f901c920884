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
    Told,
    told,
)
from rhscheck.traces.logmap.pattern import Pattern, PatternError, Value, parse_pattern

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
    spec: str = "rhs"
    form: Literal["clusterlog"] | Pattern | None = None
    prefilter: list[str] = field(default_factory=list)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    unseen: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    limits: dict[str, str] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    # What is open: the patterns that wait for their `emit`, the lines that wait for their `is`.
    patterns: list[tuple[int, Pattern]] = field(default_factory=list)
    emits: list[Emit] = field(default_factory=list)
    nothing: bool = False
    log: list[tuple[int, str]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    empty: bool = False

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
        if word in ("on", "log") and (self.emits or self.nothing):
            self._end_rule(number)
        if (word == "on" or (word == "log" and (self.told or self.empty))) and self.log:
            self._end_sample(number)
        match word:
            case "map":
                self._title(number, column, rest)
            case "spec":
                self.spec = rest
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
        table = self.tables.setdefault(words[0][1], {})
        for key, value, _, where in words[1:]:
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
            else:
                self.limits[key] = value

    def _unseen(self, number: int, column: int, rest: str) -> None:
        for label in rest.split(","):
            kind, _, name = label.strip().partition(" ")
            if kind not in _LABELS or not name.strip():
                kinds = ", ".join(_LABELS)
                self.wrong(
                    number,
                    column,
                    f"`{label.strip()}` is no label; write KIND NAME, KIND one of {kinds}",
                )
            else:
                self.unseen.append(f"{kind} {name.strip()}")

    def _pattern(self, number: int, column: int, text: str) -> Pattern | None:
        try:
            return parse_pattern(text, self.tables)
        except PatternError as error:
            self.wrong(number, column, str(error))
            return None

    # ---- rules ---------------------------------------------------------------------------------
    def _on(self, number: int, column: int, rest: str) -> None:
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
        if not self.patterns:
            self.wrong(number, column, "`emit` needs an `on` line before it")
            return
        if rest == "nothing":
            self.nothing = True
            return
        emit = self._event(number, column, rest)
        if emit is None:
            return
        for at, pattern in self.patterns:
            for key, value in emit.keys:
                if isinstance(value, FieldRef) and value.name not in pattern.fields:
                    hint = did_you_mean(value.name, pattern.fields)
                    self.wrong(
                        number,
                        column,
                        f"`{key}={{{value.name}}}`: the pattern in line {at} has no such field; "
                        f"{hint}",
                    )
        self.emits.append(emit)

    def _event(self, number: int, column: int, rest: str) -> Emit | None:
        words = self._words(number, column, rest)
        kinds = get_args(Kind)
        if not words or words[0][0] or words[0][1] not in kinds:
            seen = words[0][1] if words else ""
            self.wrong(number, column, f"no event is called `{seen}`; {did_you_mean(seen, kinds)}")
            return None
        kind: Kind = next(one for one in kinds if one == words[0][1])
        keys: dict[str, Value | FieldRef] = {}
        flags: list[str] = []
        for key, raw, quoted, where in words[1:]:
            if not key and not quoted and raw in ("inferred", "once"):
                flags.append(raw)
            elif not key and "op" not in keys and "op" in KEYS[kind]:
                keys["op"] = self._value(raw, quoted)
            elif key not in KEYS[kind]:
                hint = did_you_mean(key or raw, (*KEYS[kind], "inferred", "once"))
                self.wrong(number, where, f"`{kind}` has no `{key or raw}`; {hint}")
            else:
                keys[key] = self._checked(number, where, key, self._value(raw, quoted))
        missing = [key for key in NEEDED[kind] if key not in keys]
        if missing:
            self.wrong(
                number, column, f"`{kind}` needs {', '.join(f'`{key}=`' for key in missing)}"
            )
            return None
        ordered = tuple((key, keys[key]) for key in KEYS[kind] if key in keys)
        return Emit(kind, ordered, "inferred" in flags, "once" in flags)

    def _value(self, raw: str, quoted: bool) -> Value | FieldRef:
        if not quoted and raw.startswith("{") and raw.endswith("}"):
            return FieldRef(raw[1:-1])
        return raw

    def _checked(
        self, number: int, column: int, key: str, value: Value | FieldRef
    ) -> Value | FieldRef:
        if key not in NUMBERS or isinstance(value, FieldRef):
            return value
        if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 19:
            return int(value)
        self.wrong(number, column, f"`{key}` is a number")
        return 0

    def _end_rule(self, number: int) -> None:
        if self.patterns and (self.emits or self.nothing):
            line = self.patterns[0][0]
            patterns = tuple(pattern for _, pattern in self.patterns)
            self.rules.append(Rule(line, patterns, tuple(self.emits)))
        self.patterns, self.emits, self.nothing = [], [], False

    # ---- samples -------------------------------------------------------------------------------
    def _is(self, number: int, column: int, rest: str) -> None:
        if not self.log:
            self.wrong(number, column, "`is` needs a `log` line before it")
            return
        if rest == "nothing":
            self.empty = True
            return
        event = self._event(number, column, rest)
        if event is None:
            return
        values = {key: value for key, value in event.keys if not isinstance(value, FieldRef)}
        if len(values) < len(event.keys):
            self.wrong(number, column, "an expected event has values, not fields")
        self.told.append(told(event.kind, values, inferred=event.inferred))

    def _end_sample(self, number: int) -> None:
        if not self.told and not self.empty:
            self.wrong(
                self.log[0][0], 1, "a `log` line needs an `is` line: the events, or `nothing`"
            )
        lines = tuple(text for _, text in self.log)
        self.samples.append(Sample(self.log[0][0], lines, tuple(self.told)))
        self.log, self.told, self.empty = [], [], False

    # ---- the whole -----------------------------------------------------------------------------
    def finish(self) -> LogMap:
        if self.patterns and not self.emits and not self.nothing:
            self.wrong(
                self.patterns[0][0], 1, "an `on` line needs an `emit` line: an event, or `nothing`"
            )
        self._end_rule(0)
        if self.log:
            self._end_sample(0)
        if not self.name and not any(one.line == 1 for one in self.mistakes):
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
            self.spec,
            self.form,
            tuple(self.prefilter),
            self.tables,
            self.facts,
            tuple(self.unseen),
            self.limits,
            tuple(self.advice),
            tuple(self.rules),
            tuple(self.samples),
        )
