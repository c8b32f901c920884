"""Finds the rule of a mapping that knows a message, without trying all of them.

Owns the index by how messages begin. What a rule means is `logmap.language`'s.
"""

from __future__ import annotations

from typing import Final

from rhscheck.traces.logmap.language import FieldRef, LogMap, Pair, Rule, Told, told
from rhscheck.traces.logmap.pattern import Pattern, Value

_MOST_PAIRS: Final = 4096  # keys and values of events that are kept to be used again
_HEAD: Final = 10  # characters by which patterns are told apart: `[RCM] Tran`


class Matcher:
    """The rules of one mapping. The first that fits a message, in the order of the file, is it."""

    def __init__(self, logmap: LogMap) -> None:
        self._tables = logmap.tables
        self._same: dict[Pair, Pair] = {}
        every = [
            (_needs(pattern), pattern, rule) for rule in logmap.rules for pattern in rule.patterns
        ]
        heads = dict.fromkeys(
            pattern.head[:_HEAD] for _, pattern, _ in every if len(pattern.head) >= _HEAD
        )
        self._short = tuple(one for one in every if len(one[1].head) < _HEAD)
        self._by_head = {
            head: tuple(one for one in every if _may_begin(one[1], head)) for head in heads
        }

    def read(self, message: str) -> tuple[Rule, tuple[Told, ...]] | None:
        """What a message (blanks normalised) says: its rule and the events."""
        for text, pattern, rule in self._by_head.get(message[:_HEAD], self._short):
            if text not in message:
                continue
            fields = pattern.match(message, self._tables)
            if fields is not None:
                if len(self._same) > _MOST_PAIRS:
                    self._same.clear()
                return rule, tuple(
                    told(
                        emit.kind,
                        {key: _filled(value, fields) for key, value in emit.keys},
                        inferred=emit.inferred,
                        once=emit.once,
                        same=self._same,
                    )
                    for emit in rule.emits
                )
        return None


def _needs(pattern: Pattern) -> str:
    """The longest text that must be in a message; a full stop at its end may be missing."""
    literals = [pattern.head, *(literal for _, literal in pattern.parts)]
    literals[-1] = literals[-1].removesuffix(".")
    return max(literals[1:], key=len, default="")


def _may_begin(pattern: Pattern, head: str) -> bool:
    """Whether a message that begins with `head` may fit."""
    return pattern.head[:_HEAD] == head[: len(pattern.head)]


def _filled(value: Value | FieldRef, fields: dict[str, Value]) -> Value:
    return fields[value.name] if isinstance(value, FieldRef) else value
