"""What a diagnostic code, or a name that a spec declares, is: a title and a text to read.

Owns how declarations are told, with their own text and a remark on what can be done with them.
Knows no options and no rendering.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rhscheck.spec.load import Loaded
    from rhscheck.spec.source import Span


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code, or a rule, scenario, parameter or the like is. `where` is None for a code."""

    kind: Literal["code", "rule", "assumption", "scenario", "reading", "parameter"]
    name: str
    title: str
    text: str
    where: Span | None


def declared(loaded: Loaded) -> list[Explanation]:
    """What the spec declares, each name once."""
    system = loaded.system
    found: dict[str, Explanation] = {}
    expected = {one.rule: one.verdict for one in system.expectations}
    for rule in system.rules:
        verdict = expected.get(rule.id) or expected.get(rule.base)
        note = f"Expected verdict: {verdict}." if verdict else ""
        one = Explanation(
            "rule", rule.id, rule.sentence, _quote(loaded, rule.span, note), rule.span
        )
        found.setdefault(rule.base, replace(one, name=rule.base))
        found.setdefault(rule.id, one)
    for promise in system.assumptions:
        note = f"A promise of {promise.actor}; `verify --without {promise.id}` does without it."
        text = _quote(loaded, promise.span, note)
        found.setdefault(
            promise.id, Explanation("assumption", promise.id, promise.sentence, text, promise.span)
        )
    for reading in system.readings:
        options = ", ".join(reading.options)
        note = (
            f"Readings: {options}. Default: {reading.default}. `--set {reading.name}=…` picks one."
        )
        text = _quote(loaded, reading.span, note)
        found.setdefault(
            reading.name,
            Explanation("reading", reading.name, reading.sentence, text, reading.span),
        )
    for scenario in system.scenarios:
        must = "must be allowed" if scenario.allowed else "is forbidden: its last step must fail"
        note = f"This run {must} (N={scenario.n}); `verify --rule {scenario.id}` plays it."
        text = _quote(loaded, scenario.span, note)
        found.setdefault(
            scenario.id,
            Explanation("scenario", scenario.id, scenario.sentence, text, scenario.span),
        )
    for one in _constants(loaded):
        found.setdefault(one.name, one)
    return list(found.values())


def _constants(loaded: Loaded) -> list[Explanation]:
    """The parameters that have a value. A System does not say where: the texts are asked again."""
    from rhscheck.spec.parse import parse
    from rhscheck.spec.semantics import duration
    from rhscheck.spec.syntax import ParamDecl

    trees = [parse(source) for source in loaded.sources]
    declared = [item for tree in trees for item in tree.items if isinstance(item, ParamDecl)]
    spans = {item.name.text: item.span for item in declared}
    found: list[Explanation] = []
    for one in loaded.system.constants:
        value = duration(one.value, loaded.system.unit_us) if one.is_time else str(one.value)
        note = f"Value: {value}. `--set {one.name}=…` gives another."
        text = _quote(loaded, spans[one.name], note)
        title = one.sentence or f"a parameter, {value}"
        found.append(Explanation("parameter", one.name, title, text, spans[one.name]))
    return found


def _quote(loaded: Loaded, span: Span, note: str) -> str:
    """The declaration as it stands in its file, and a remark."""
    for source in loaded.sources:
        if source.path == span.path:
            return "\n".join(part for part in (source.text[span.start : span.end], note) if part)
    return note
