"""Holds the names in a mapping against the spec that it is for.

Owns which names of a mapping are the spec's, and what is wrong with one that the spec does not
have. A name that nobody knows would be left out without a word, and whoever was expected to act
would be accused instead. What a spec has words for comes from outside: nothing is compiled here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.traces.logmap import moments
from rhscheck.traces.logmap.language import Emit, FieldRef, Kind, LogMap, Rule, Spot
from rhscheck.traces.logmap.parse import Mistake
from rhscheck.traces.logmap.pattern import TYPES, Value

if TYPE_CHECKING:
    from rhscheck.spec.system import System

# What an event of a log is to a spec: kinds of its labels.
_STEPS: Final[dict[Kind, tuple[str, ...]]] = {
    "call": ("call",),
    "return": ("return",),
    "ends": ("return",),
    "status": ("callback",),
    "timeout": ("expiry", "timer"),
}
_IS_NUMBER: Final = ("int", "hex", *moments.KINDS)
_ALL: Final = "*"
_NAMELESS: Final = (
    "`{}` is of one resource of several, and nothing says of which: give it a `res=`, a field or "
    "always the same name"
)


class Words(msgspec.Struct, frozen=True):
    """What a spec has words for.

    `labels`: kinds and names of its events; `recorded`: of those that leave something in a trace;
    `each`: of those that belong to one of several instances. `states`: by callback what may be
    reported, None: nothing. `codes`: by entry point the codes that its results have, None among
    them: any other is one, too. `times`: parameters that are times.
    """

    spec: str
    labels: frozenset[tuple[str, str]]
    recorded: frozenset[tuple[str, str]]
    each: frozenset[tuple[str, str]]
    states: dict[str, tuple[str | None, ...]]
    codes: dict[str, tuple[int | None, ...]]
    times: frozenset[str]

    def and_also(self, other: Words) -> Words:
        """These words, and those that the same spec has in another reading."""
        return Words(
            self.spec,
            self.labels | other.labels,
            self.recorded | other.recorded,
            self.each | other.each,
            {**other.states, **self.states},
            {**other.codes, **self.codes},
            self.times | other.times,
        )

    def names(self, kinds: Iterable[str]) -> list[str]:
        """The names that a trace has of labels of these kinds."""
        return [name for kind, name in self.recorded if kind in kinds]


def words_of(system: System) -> Words:
    """The words of a spec."""
    from rhscheck.spec.visible import observed  # noqa: PLC0415  these know specs
    from rhscheck.traces.mapping import result_codes  # noqa: PLC0415

    labels: set[tuple[str, str]] = set()
    recorded: set[tuple[str, str]] = set()
    each: set[tuple[str, str]] = set()
    states: dict[str, dict[str | None, None]] = {}
    results: dict[tuple[str, str], dict[str | None, None]] = {
        (entry.machine, entry.name): dict.fromkeys(entry.results) for entry in system.entries
    }
    for transition in system.transitions:
        seen = observed(system.trace, transition.label, transition.also)
        if seen is not None:
            recorded.add((seen.kind, seen.name))
        for label in (transition.label, *transition.also):
            labels.add((label.kind, label.name))
            if label.index is not None:
                each.add((label.kind, label.name))
            if label.kind == "callback":
                states.setdefault(label.name, {})[label.value] = None
            elif label.kind == "return":
                results.setdefault((label.machine, label.name), {})[label.value] = None
    codes: dict[str, dict[int | None, None]] = {}
    for (_, name), values in results.items():
        found = result_codes(system.trace, tuple(values))
        known = codes.setdefault(name, {})
        known.update((code, None) for code, _ in found.exact)
        if found.others:
            known[None] = None
    return Words(
        system.name,
        frozenset(labels),
        frozenset(recorded),
        frozenset(each),
        {name: tuple(values) for name, values in states.items()},
        {name: tuple(values) for name, values in codes.items()},
        frozenset(one.name for one in system.constants if one.is_time),
    )


def wrong_names(logmap: LogMap, words: Words) -> list[Mistake]:
    """What the mapping names and the spec does not have, each once, where it is written."""
    found: dict[Spot, str] = {}
    for spot, message in _wrong(logmap, words):
        found.setdefault(spot, message)
    return [Mistake(spot.line, spot.column, message) for spot, message in found.items()]


def missing_labels(logmap: LogMap, words: Words) -> tuple[str, ...]:
    """The labels in `unseen` that the spec does not have."""
    return tuple(label for label in logmap.unseen if not _has(words, label))


def _has(words: Words, label: str) -> bool:
    kind, _, name = label.partition(" ")
    return name == _ALL or (kind, name) in words.labels


def _wrong(logmap: LogMap, words: Words) -> Iterator[tuple[Spot, str]]:
    for key, name in logmap.limits.items():
        if name not in words.times:
            hint = did_you_mean(name, words.times) or "it has none"
            yield logmap.spots.limits[key], f"{words.spec} has no time called `{name}`; {hint}"
    for label, spot in zip(logmap.unseen, logmap.spots.unseen, strict=True):
        if not _has(words, label):
            yield spot, _no_label(words, label)
    for rule in logmap.rules:
        for emit in rule.emits:
            yield from _Event(logmap, words, emit, rule).wrong()
    for sample in logmap.samples:
        for emit in sample.written:
            yield from _Event(logmap, words, emit, None).wrong()


def _no_label(words: Words, label: str) -> str:
    kind, _, name = label.partition(" ")
    same = sorted(one for one, known in words.labels if known == name and one != "due")
    known = [known for one, known in words.labels if one == kind]
    hint = f"it has `{same[0]} {name}`" if same else did_you_mean(name, known)
    return f"{words.spec} has no `{label}`; {hint or f'it has no {kind} at all'}"


class _Event(msgspec.Struct):
    """An event that a mapping writes down, and the rule that it belongs to; None: it is expected
    of a sample."""

    logmap: LogMap
    words: Words
    emit: Emit
    rule: Rule | None

    def wrong(self) -> Iterator[tuple[Spot, str]]:
        """What the spec has no word for."""
        kinds = _STEPS.get(self.emit.kind)
        if kinds is None:
            return  # shown on the timeline, judged by no rule
        names = self.words.names(kinds)
        ops, free = self._values("op")
        for name, spot in ops:
            if name not in names:
                yield spot, self._unknown(name, spot, kinds, names)
        known = names if free else [name for name, _ in ops if name in names]
        yield from self._wrong_result(known)
        yield from self._wrong_state(known)
        if self.rule is not None and not self._is_named():
            of_many = [name for name in known if any((k, name) in self.words.each for k in kinds)]
            if of_many:
                yield self.emit.spot, _NAMELESS.format(f"{self.emit.kind} {of_many[0]}")

    def _values(self, key: str) -> tuple[list[tuple[str, Spot]], bool]:
        """What the key may be and where that is written, and whether it may be any text of a log.

        Neither: the event has no such key.
        """
        for (one, value), spot in zip(self.emit.keys, self.emit.spots, strict=True):
            if one == key:
                return self._of(value, spot)
        return [], False

    def _of(self, value: Value | FieldRef, spot: Spot) -> tuple[list[tuple[str, Spot]], bool]:
        if not isinstance(value, FieldRef):
            return [(str(value), spot)], False
        found: dict[tuple[str, Spot], None] = {}
        free = False
        for pattern in () if self.rule is None else self.rule.patterns:
            kinds = [field.kind for field, _ in pattern.parts if field.name == value.name]
            table = next((kind for kind in kinds if kind not in TYPES), None)
            if table is not None:
                for word, meaning in self.logmap.tables[table].items():
                    found[meaning, self.logmap.spots.words[table, word]] = None
            elif kinds[0] in _IS_NUMBER:
                found[f"{{{value.name}:{kinds[0]}}}", spot] = None
            else:
                free = True
        return list(found), free

    def _unknown(self, name: str, spot: Spot, kinds: tuple[str, ...], names: list[str]) -> str:
        hint = did_you_mean(name, names) or f"it has no {kinds[0]} at all"
        if not hint.endswith("?"):
            hint += "; an event that is none of the spec's is a `note`"
        return f"{self.words.spec} has no `{kinds[0]} {name}`{self._used(spot)}; {hint}"

    def _used(self, spot: Spot) -> str:
        """Where a word of a table is used."""
        line = self.emit.spot.line
        return "" if spot.line == line else f" (used in line {line})"

    def _wrong_result(self, known: list[str]) -> Iterator[tuple[Spot, str]]:
        codes = {code for name in known for code in self.words.codes.get(name, ())}
        if self.emit.kind != "return" or not codes or None in codes:
            return
        there = ", ".join(map(str, sorted(code for code in codes if code is not None)))
        for code, spot in self._values("rc")[0]:
            if code.removeprefix("-").isdecimal() and int(code) not in codes:
                yield (
                    spot,
                    (
                        f"in {self.words.spec} no result of `{known[0]}` has the code {code}"
                        f"{self._used(spot)}; there is {there}"
                    ),
                )

    def _wrong_state(self, known: list[str]) -> Iterator[tuple[Spot, str]]:
        states = {state for name in known for state in self.words.states.get(name, ())}
        if self.emit.kind != "status" or not states:
            return
        words = [state for state in states if state is not None]
        values, free = self._values("state")
        if not values and not free and None not in states:
            yield self.emit.spot, f"`{known[0]}` reports something: `state=`, {_one_of(words)}"
        for state, spot in values:
            if not words:
                yield spot, f"in {self.words.spec} `{known[0]}` reports nothing: leave out `state=`"
            elif state not in words:
                yield (
                    spot,
                    (
                        f"in {self.words.spec} `{known[0]}` does not report `{state}`"
                        f"{self._used(spot)}; {did_you_mean(state, words)}"
                    ),
                )

    def _is_named(self) -> bool:
        form = self.logmap.form
        in_form = form != "clusterlog" and "res" in form.fields
        return in_form or any(key == "res" for key, _ in self.emit.keys)


def _one_of(names: Iterable[str]) -> str:
    return "one of " + ", ".join(f"`{name}`" for name in sorted(names))
