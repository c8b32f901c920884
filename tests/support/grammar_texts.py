"""Random texts that the grammar allows, drawn from the grammar itself.

A text is a list of words and signs with SEP where an item ends; `plain` and `scrambled` write it
down. Names come from a small set, so that declarations and uses meet now and then.
"""

from __future__ import annotations

import random
from functools import cache

from lark import Lark
from lark.grammar import NonTerminal, Rule, Symbol
from lark.lexer import PatternStr

from rhscheck.spec.parse import CONTINUES_AFTER, CONTINUES_BEFORE, build_parser

_SAMPLES = {
    "NAME": ["A", "B", "M", "N", "i", "j", "x", "k", "on_time", "P_1", "entries", "host"],
    "INT": ["0", "1", "2", "17"],
    "DURATION": ["5s", "300ms", "2m", "1h", "0s"],
    "STRING": ['"why"', '"# no comment"', '""'],
    "COMPARE": ["==", "!=", "<=", ">=", "<", ">"],
}


class GrammarTexts:
    """Draws texts of about `size` words."""

    def __init__(self, parser: Lark) -> None:
        self._rules: dict[str, list[Rule]] = {}
        for rule in parser.rules:
            self._rules.setdefault(rule.origin.name, []).append(rule)
        self._spelled = {
            t.name: t.pattern.value for t in parser.terminals if isinstance(t.pattern, PatternStr)
        }
        self._height = self._heights()

    def _heights(self) -> dict[str, int]:
        """How deep the least derivation of each nonterminal is."""
        heights: dict[str, int] = {}
        changed = True
        while changed:
            changed = False
            for name, rules in self._rules.items():
                best = min((self._rule_height(rule, heights) for rule in rules), default=10**6)
                if best < heights.get(name, 10**6):
                    heights[name], changed = best, True
        return heights

    @staticmethod
    def _rule_height(rule: Rule, heights: dict[str, int]) -> int:
        return 1 + max(
            (heights.get(s.name, 10**6) for s in rule.expansion if isinstance(s, NonTerminal)),
            default=0,
        )

    def draw(self, rng: random.Random, size: int) -> list[str]:
        """The words of a random text; SEP between items."""
        words: list[str] = []
        stack: list[Symbol] = [NonTerminal("start")]
        while stack:
            symbol = stack.pop()
            if not isinstance(symbol, NonTerminal):
                words.append(self._word(symbol.name, rng))
                continue
            rules = self._rules[symbol.name]
            if len(words) + len(stack) > size:
                least = min(self._rule_height(rule, self._height) for rule in rules)
                rules = [r for r in rules if self._rule_height(r, self._height) == least]
            stack.extend(reversed(rng.choice(rules).expansion))
        for at in range(len(words) - 2):
            if words[at] in ("for", "with") and words[at + 2] == "=":
                words[at + 1] = "N"  # the only number that has a name; the grammar takes any
        return words

    def _word(self, name: str, rng: random.Random) -> str:
        if name in self._spelled:
            return self._spelled[name]
        return "SEP" if name == "SEP" else rng.choice(_SAMPLES[name])


@cache
def grammar() -> GrammarTexts:
    """Of the shipped grammar; made when a test asks for it, not in every worker that collects."""
    return GrammarTexts(build_parser())


def plain(words: list[str]) -> str:
    """One item a line, one blank between words."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word == "SEP":
            lines.append([])
        else:
            lines[-1].append(word)
    return "\n".join(" ".join(line) for line in lines)


def scrambled(words: list[str], rng: random.Random) -> str:
    """With line ends, blank lines, comments and odd spacing wherever they mean nothing."""
    parts: list[str] = []
    depth = 0
    before = ""
    for at, word in enumerate(words):
        if word == "SEP":
            parts.append(
                rng.choice(["\n", ";", " ; ", "\n\n\n", "  # note\n", ";\n", "\r\n", "\r"])
            )
            before = word
            continue
        free = depth > 0 or before in CONTINUES_AFTER or word in CONTINUES_BEFORE
        if at and before != "SEP":
            gaps = [" ", " ", "  ", "\t"]
            gaps += ["\n", "\n    ", " # more \n", "\n# alone\n\n"] if free else []
            parts.append(rng.choice(gaps))
        elif before == "SEP":
            parts.append(rng.choice(["", " ", "      ", "# about this\n", "\t"]))
        parts.append(word)
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word, 0)
        before = word
    return "".join(parts)
