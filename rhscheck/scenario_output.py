"""What `verify` prints about scenarios: a line each, and why one does not do what it says.

Owns the wording and layout, as text and as JSON. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

import click

from rhscheck.checker.scenarios import Played
from rhscheck.checker.verdict import EXIT_AGREED, EXIT_UNDECIDED
from rhscheck.output import place
from rhscheck.spec.scenarios import Allowed, Contradicted, Refused, Undecided
from rhscheck.spec.source import Span
from rhscheck.traces.wording import state_texts

MAX_LISTED = 8  # states and conditions in a text; JSON has them all


def scenario_fields(played: Played) -> dict[str, object]:
    """One scenario as JSON."""
    scenario, outcome = played.scenario, played.outcome
    fields: dict[str, object] = {
        "id": scenario.id,
        "sentence": scenario.sentence,
        "expected": "allowed" if scenario.allowed else "forbidden",
        "n": scenario.n,
        "outcome": _outcome_name(played),
        "step": None,
        "line": None,
        "reason": None,
        "possible": [],
        "unmet": [],
        "exit": played.status,
        "where": place(scenario.span),
    }
    match outcome:
        case Allowed():
            pass
        case Refused(step, span, reason, _, unmet) | Contradicted(step, span, reason, _, unmet):
            fields |= {"step": step, "line": span.line or None, "reason": reason}
            fields |= {"possible": list(_possible(played)), "unmet": list(unmet)}
        case Undecided(span, reason):
            fields |= {"line": span.line or None, "reason": reason}
        case _:
            assert_never(outcome)
    return fields


def scenario_rows(results: Sequence[Played]) -> Iterator[tuple[tuple[str, str, str], list[str]]]:
    """For each scenario what it is called, how it went, its sentence; and lines to add below."""
    for played in results:
        words = _words(played)
        if played.status == EXIT_AGREED:
            styled = click.style(words, fg="green")
        else:
            color = "yellow" if played.status == EXIT_UNDECIDED else "red"
            styled = click.style(words, fg=color, bold=True)
        row = (f"scenario {played.scenario.id}", styled, played.scenario.sentence)
        yield row, [] if played.status == EXIT_AGREED else list(_remarks(played))


def scenario_message(played: Played) -> str:
    """How a scenario went, in plain words on one line, with the reason where it went wrong."""
    words = f"{played.scenario.id}: {_words(played)}"
    if played.status == EXIT_AGREED:
        return words
    return "; ".join((words, *_remarks(played)))


def _outcome_name(played: Played) -> str:
    match played.outcome:
        case Allowed():
            return "allowed"
        case Refused():
            return "refused"
        case Contradicted():
            return "contradicted"
        case Undecided():
            return "undecided"
        case outcome:
            assert_never(outcome)


def _words(played: Played) -> str:
    scenario, outcome = played.scenario, played.outcome
    agrees = played.status == EXIT_AGREED
    match outcome:
        case Allowed():
            return "allowed, as it says" if agrees else "allowed, though forbidden"
        case Refused(step=0):
            return "there is no run at all"
        case Refused(step, span):
            if agrees:
                return f"refused at step {step}, as it says"
            early = "" if scenario.allowed else " already"
            return f"refused{early} at step {step}{_located(span)}"
        case Contradicted(step, span):
            return f"assertion fails at step {step}{_located(span)}"
        case Undecided(span):
            return f"undecided{_located(span)}"
        case _:
            assert_never(outcome)


def _located(span: Span) -> str:
    return f" ({span.path}:{span.line})" if span.line else ""


def _possible(played: Played) -> tuple[str, ...]:
    """The states that were possible, in a line each."""
    outcome = played.outcome
    if played.ground is None or isinstance(outcome, Undecided):
        return ()
    return state_texts(played.ground, outcome.states, None)


def _remarks(played: Played) -> Iterator[str]:
    outcome = played.outcome
    match outcome:
        case Allowed():
            yield from _listed("it ends in", _possible(played))
        case Refused(_, _, reason, _, unmet) | Contradicted(_, _, reason, _, unmet):
            yield f"why: {reason}"
            yield from _listed("possible", _possible(played))
            yield from _listed("unmet", unmet)
        case Undecided(_, reason):
            yield f"why: {reason}"
        case _:
            assert_never(outcome)


def _listed(head: str, texts: Sequence[str]) -> Iterator[str]:
    for text in texts[:MAX_LISTED]:
        yield f"{head}: {text}"
    if len(texts) > MAX_LISTED:
        yield f"{head}: … and {len(texts) - MAX_LISTED} more"
