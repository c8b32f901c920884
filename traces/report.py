"""What a replay found: verdicts, findings, and their shape in JSON (DESIGN section 8).

Owns these values and how a verdict on a trace follows from what was judged; it judges nothing
itself and knows neither spec nor file format.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

RuleVerdict = Literal["violated", "conforms", "conforms-so-far", "not-observable", "inconclusive"]
TraceVerdict = RuleVerdict | Literal["empty"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at one place of a trace.

    `rule`: the rule or assumption that is broken, None where the spec merely does not allow the
    event. `actor`: who is to blame, None if that is open between `candidates`. `time_us` is the
    trace's own time. `possible`: the states the run may be in, before the event if the spec does
    not allow it and after it if it does. `unmet`: what each transition that the event could have
    been lacked, the nearest first; `repair`: smallest changes that make the event legal. `repeats`:
    how often the same was found, and `again` the first lines where it was. `told`: notes that the
    recorder made near the line, of the resource or of the end of its process.
    """

    rule: str | None
    verdict: Literal["violated", "inconclusive"]
    sentence: str
    actor: str | None
    candidates: tuple[str, ...]
    line: int
    resource: str | None
    time_us: int
    event: str
    possible: tuple[str, ...]
    unmet: tuple[str, ...]
    repair: tuple[str, ...]
    edits: int | None = None
    repeats: int = 1
    again: tuple[int, ...] = ()
    told: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The finding as a JSON object."""
        return {
            "rule": self.rule,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "actor": self.actor,
            "candidates": list(self.candidates),
            "line": self.line,
            "resource": self.resource,
            "time_us": self.time_us,
            "event": self.event,
            "possible": list(self.possible),
            "unmet": list(self.unmet),
            "repair": list(self.repair),
            "edits": self.edits,
            "repeats": self.repeats,
            "again": list(self.again),
            "told": list(self.told),
        }


class Unreadable(msgspec.Struct, frozen=True):
    """A line that could not be read. `column` counts characters from 1."""

    line: int
    column: int
    message: str


class ResourceReport(msgspec.Struct, frozen=True):
    """The verdict on one resource. `monitor`: the last process that hosted it, if that was told."""

    name: str
    monitor: str | None
    events: int
    verdict: TraceVerdict
    rules: tuple[tuple[str, RuleVerdict], ...]

    def as_json(self) -> dict[str, object]:
        """The report as an element of `resources`."""
        return {
            "name": self.name,
            "monitor": self.monitor,
            "events": self.events,
            "verdict": self.verdict,
            "rules": dict(self.rules),
        }


@dataclass(frozen=True, slots=True)
class TraceReport:
    """The verdict on one trace.

    `events` are those in the file, `judged` those held against the spec, `ignored` the kinds that
    the spec has no word for, with their number. `rules` has every rule and assumption. `notes` say
    what keeps the verdict from being better, and which spec the trace was made for. `resources`:
    the same for each resource, where the spec lets them be judged one by one.
    """

    file: str
    events: int
    judged: int
    ignored: tuple[tuple[str, int], ...]
    verdict: TraceVerdict
    rules: tuple[tuple[str, RuleVerdict], ...]
    findings: tuple[Finding, ...]
    problems: tuple[Unreadable, ...]
    notes: tuple[str, ...]
    resources: tuple[ResourceReport, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The report as an element of `traces` in the output of `rhscheck replay`."""
        return {
            "file": self.file,
            "events": self.events,
            "judged": self.judged,
            "ignored": dict(self.ignored),
            "verdict": self.verdict,
            "rules": dict(self.rules),
            "findings": [finding.as_json() for finding in self.findings],
            "problems": [
                {"line": one.line, "column": one.column, "message": one.message}
                for one in self.problems
            ],
            "notes": list(self.notes),
            "resources": [one.as_json() for one in self.resources],
        }


def overall(
    *,
    events: int,
    judged: int,
    diverged: bool,
    undecided: bool,
    unfinished: bool,
    rules: Iterable[RuleVerdict],
) -> TraceVerdict:
    """The verdict on a trace, the worst of what is known about it.

    `diverged`: the spec surely does not allow the run. `undecided`: part of the trace could not be
    judged. `unfinished`: the run may go on, or an answer is still owed. A run that the spec allows,
    but that no rule was judged on, is not observable: it must never pass for a conforming one.
    """
    verdicts = tuple(rules)
    if diverged or "violated" in verdicts:
        return "violated"
    if events == 0:
        return "empty"
    if undecided or "inconclusive" in verdicts:
        return "inconclusive"
    if judged == 0 or not any(one in ("conforms", "conforms-so-far") for one in verdicts):
        return "not-observable"
    return "conforms-so-far" if unfinished else "conforms"
