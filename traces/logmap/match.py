"""Finds the rule of a mapping that knows a message, without trying all of them.

Owns the index by how messages begin. What a rule means is `logmap.language`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rhscheck.traces.logmap.language import (
    KEYS,
    NUMBERS,
    Emit,
    FieldRef,
    LogMap,
    Pair,
    Rule,
    Told,
    short_name,
    told_of,
)
from rhscheck.traces.logmap.pattern import Pattern, Value, finder

_MOST_ALIKE: Final = 256  # events of one kind that others are made from
_HEAD: Final = 10  # characters by which patterns are told apart: `[RCM] Tran`
Fields = dict[str, Value]
# A text that must be in a message, how its fields are found, what it stands for, and its rule.
_Way = tuple[
    str, Callable[[str], Fields | None], tuple[Callable[[Fields], Told], ...], Pattern, Rule
]


class Matcher:
    """The rules of one mapping. The first that fits a message, in the order of the file, is it."""

    def __init__(self, logmap: LogMap) -> None:
        every: list[_Way] = []
        for rule in logmap.rules:
            tellers = tuple(_teller(emit) for emit in rule.emits)
            every += [
                (_needs(pattern), finder(pattern, logmap.tables), tellers, pattern, rule)
                for pattern in rule.patterns
            ]
        heads = dict.fromkeys(
            pattern.head[:_HEAD] for *_, pattern, _ in every if len(pattern.head) >= _HEAD
        )
        self._short = tuple(one for one in every if len(one[3].head) < _HEAD)
        self._by_head = {
            head: tuple(one for one in every if _may_begin(one[3], head)) for head in heads
        }

    def read(self, message: str) -> tuple[Rule, tuple[Told, ...]] | None:
        """What a message (blanks normalised) says: its rule and the events."""
        for text, find, tellers, _, rule in self._by_head.get(message[:_HEAD], self._short):
            if text not in message:
                continue
            fields = find(message)
            if fields is not None:
                return rule, tuple([tell(fields) for tell in tellers])
        return None


def _needs(pattern: Pattern) -> str:
    """The longest text that must be in a message; a full stop at its end may be missing."""
    literals = [pattern.head, *(literal for _, literal in pattern.parts)]
    literals[-1] = literals[-1].removesuffix(".")
    return max(literals[1:], key=len, default="")


def _may_begin(pattern: Pattern, head: str) -> bool:
    """Whether a message that begins with `head` may fit."""
    return pattern.head[:_HEAD] == head[: len(pattern.head)]


def _teller(emit: Emit) -> Callable[[Fields], Told]:
    """How an event is made of a pattern's fields.

    Events that differ in their resource alone are made from each other, and share what they say.
    """
    given = dict(emit.keys)
    keys = [key for key in KEYS[emit.kind] if key in given]
    names = {key: value.name for key, value in given.items() if isinstance(value, FieldRef)}
    res, varying = names.get("res"), [name for key, name in names.items() if key != "res"]
    made: dict[tuple[Value, ...], tuple[tuple[Pair, ...], tuple[Pair, ...], Told]] = {}

    def told(fields: Fields) -> Told:
        pairs: list[Pair] = []
        for key in keys:
            value = given[key]
            value = fields[value.name] if isinstance(value, FieldRef) else value
            # Of a table of numbers the word is one.
            pairs.append((key, int(value) if key in NUMBERS else str(value)))
        return told_of(emit.kind, tuple(pairs), inferred=emit.inferred, once=emit.once)

    if res is None or "text" in names:
        return told
    at = keys.index("res")

    def like_others(fields: Fields) -> Told:
        rest = tuple([fields[name] for name in varying])
        found = made.get(rest)
        if found is None:
            one = told(fields)
            if len(made) >= _MOST_ALIKE:
                made.clear()
            made[rest] = one.keys[:at], one.keys[at + 1 :], one
            return one
        before, after, one = found
        name = str(fields[res])
        return Told(
            one.kind,
            (*before, ("res", name), *after),
            one.inferred,
            one.once,
            short_name(name),
            one.op,
            one.rc,
            one.source,
            one.target,
        )

    return like_others
