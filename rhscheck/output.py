"""What the commands print: JSON objects (DESIGN section 8) and text for people.

Owns the wording and layout of every report but that of `verify` (`rhscheck.verify_output`). Pure
functions from values to text; nothing here decides a verdict. Text is styled with ANSI codes, which
the terminal module removes where colour is not wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, assert_never

import click

from rhscheck.refused import Refused, apart
from rhscheck.spec.diagnostic import Diagnostic, render_diagnostic
from rhscheck.spec.semantics import duration
from rhscheck.spec.source import Source, Span
from rhscheck.spec.system import System
from rhscheck.terminal import printable
from rhscheck.texts import counted, fitted, json_bytes
from rhscheck.traces.format import event_fields
from rhscheck.traces.report import Finding, TraceReport
from rhscheck.traces.wording import clock_time

if TYPE_CHECKING:
    from rhscheck.api import FormattedFile
    from rhscheck.checker.explicit import Count, Stopped
    from rhscheck.explanation import Explanation
    from rhscheck.traces.simulate import Simulation


def place(span: Span) -> dict[str, object] | None:
    """A place in a spec as JSON; None for nowhere."""
    if not span.line:
        return None
    return {"path": span.path, "line": span.line, "column": span.column}


def diagnostics_text(
    diagnostics: Sequence[Diagnostic], sources: Iterable[Source], width: int | None = None
) -> str:
    """Diagnostics with their carets, and how many there are; messages kept within `width`."""
    known = tuple(sources)
    blocks: list[str] = []
    for diagnostic in diagnostics:
        head, *rest = render_diagnostic(diagnostic, known).splitlines()
        label, colon, message = head.partition(":")
        color = "red" if diagnostic.severity == "error" else "yellow"
        styled = click.style(label, fg=color, bold=True) + click.style(colon + message, bold=True)
        notes = [line for one in rest for line in _fitted_note(one, width)]
        blocks.append("\n".join([*fitted(styled, width), *notes]))
    errors = sum(diagnostic.severity == "error" for diagnostic in diagnostics)
    if errors:
        blocks.append(
            counted(errors, "error") + "; `rhscheck explain CODE` tells more about a code"
        )
    return "\n\n".join(blocks)


def _fitted_note(line: str, width: int | None) -> list[str]:
    """A line below a diagnostic's first: words are wrapped, a quoted line of the spec is not."""
    mark = line.find(" = ")
    if mark < 0 or line[:mark].strip():
        return [line]
    return fitted(line, width, " " * (mark + 5))


# ---- states -------------------------------------------------------------------------------------
def states_json(system: System, counted_: Count | Stopped, n: int, status: int) -> bytes:
    """The numbers, or why there are none (`reason`)."""
    from rhscheck.checker.explicit import Count, Stopped

    fields: dict[str, object] = {"spec": system.name, "n": n}
    match counted_:
        case Count():
            fields |= {
                "states": counted_.states,
                "transitions": counted_.transitions,
                "orbits": counted_.orbits,
                "orbit_transitions": counted_.orbit_transitions,
                "tick_us": None if counted_.unit is None else counted_.unit * system.unit_us,
                "reason": None,
            }
        case Stopped(reason, visited):
            fields |= {"states": None, "transitions": None, "visited": visited, "reason": reason}
        case _:
            assert_never(counted_)
    return json_bytes("states", {**fields, "exit": status})


def states_text(system: System, counted_: Count | Stopped, n: int) -> str:
    """The numbers in a line or two."""
    from rhscheck.checker.explicit import Count, Stopped

    match counted_:
        case Stopped(reason, visited):
            return f"{system.name}, N={n}: undecided after {visited:,} states: {reason}\n"
        case Count():
            tick = counted_.unit
            how = "untimed" if tick is None else f"in ticks of {duration(tick, system.unit_us)}"
            line = f"{counted_.states:,} states, {counted_.transitions:,} transitions ({how})"
            if counted_.orbits is not None:
                line += (
                    f"; up to exchanging instances: {counted_.orbits:,} states, "
                    f"{counted_.orbit_transitions:,} transitions"
                )
            return f"{system.name}, N={n}: {line}\n"
        case _:
            assert_never(counted_)


# ---- simulate -----------------------------------------------------------------------------------
def simulate_json(system: System, simulation: Simulation, seed: int, path: str | None) -> bytes:
    """The summary of a simulated run; with the events where they go nowhere else."""
    trace = simulation.trace
    fields: dict[str, object] = {
        "spec": system.name,
        "n": trace.header.n,
        "seed": seed,
        "steps": len(simulation.run.steps),
        "events": len(trace.events),
        "stopped": simulation.stopped,
        "file": path,
    }
    if path is None:
        fields["trace"] = [event_fields(event) for event in trace.events]
    return json_bytes("simulate", {**fields, "exit": 0})


def simulate_text(system: System, simulation: Simulation, seed: int, path: str) -> str:
    """One line about a simulated run."""
    passed = sum((step.delay for step in simulation.run.steps), start=0) * system.unit_us
    line = (
        f"{path}: {counted(len(simulation.run.steps), 'step')} of {system.name} with seed {seed}, "
        f"{counted(len(simulation.trace.events), 'event')} in {clock_time(passed)}"
    )
    return line + (f"; it ends early: {simulation.stopped}\n" if simulation.stopped else "\n")


# ---- replay -------------------------------------------------------------------------------------
def replay_status(answers: Sequence[TraceReport | Refused], *, require_all: bool) -> int:
    """2 if a file was refused; 1 if a run is violated; 3 if nothing was judged in some trace.

    On demand it is 3 if not all was judged.
    """
    reports, missing = apart(answers)
    if missing:
        return 2
    if any(report.verdict == "violated" for report in reports):
        return 1
    for report in reports:
        judged = [verdict in ("conforms", "conforms-so-far") for _, verdict in report.rules]
        if report.verdict in ("empty", "not-observable") or not any(judged):
            return 3
        if require_all and not all(judged):
            return 3
    return 0


def replay_json(answers: Sequence[TraceReport | Refused], status: int) -> bytes:
    """The reports, and what was refused, as one JSON object."""
    reports, missing = apart(answers)
    fields: dict[str, object] = {
        "traces": [report.as_json() for report in reports],
        "refused": [one.as_json() for one in missing],
    }
    return json_bytes("replay", {**fields, "exit": status})


def replay_text(answers: Sequence[TraceReport | Refused], *, quiet: bool) -> str:
    """Findings and notes of each trace, and one line a file at the end."""
    reports, missing = apart(answers)
    lines: list[str] = []
    if not quiet:
        for report in reports:
            lines.extend(_trace_lines(report))
        lines.extend(map(_file_summary, answers))
    verdicts = _tally(report.verdict for report in reports)
    rules = _tally(verdict for report in reports for _, verdict in report.rules)
    last = f"{counted(len(reports), 'trace')}: {verdicts}; rules: {rules or 'none'}"
    lines.append(f"{last}; {counted(len(missing), 'file')} refused" if missing else last)
    return "\n".join(lines) + "\n"


def _tally(names: Iterable[str]) -> str:
    """`3 conforms, 1 violated`, in the order of first appearance."""
    tally: dict[str, int] = {}
    for name in names:
        tally[name] = tally.get(name, 0) + 1
    return ", ".join(f"{number} {name}" for name, number in tally.items())


def _trace_lines(report: TraceReport) -> list[str]:
    lines = [
        f"{report.file}:{problem.line}:{problem.column}: {printable(problem.message)}"
        for problem in report.problems
    ]
    for finding in report.findings:
        lines.extend((*_finding_lines(report.file, finding), ""))
    lines.extend(f"{report.file}: note: {printable(note)}" for note in report.notes)
    if report.ignored:
        kinds = ", ".join(f"{number} of kind {kind}" for kind, number in report.ignored)
        lines.append(f"{report.file}: note: the spec has no word for {kinds}")
    return lines


def finding_text(file: str, finding: Finding) -> str:
    """One finding as it stands in the report."""
    return "\n".join(_finding_lines(file, finding))


def _finding_lines(file: str, finding: Finding) -> list[str]:
    color = "red" if finding.verdict == "violated" else "yellow"
    head = f"{file}:{finding.line}: "
    what = (
        f"{finding.rule} {finding.verdict}" if finding.rule else f"{finding.verdict}: not allowed"
    )
    where = f" of {printable(finding.resource)}" if finding.resource else ""
    lines = [
        head
        + click.style(what, fg=color, bold=True)
        + (f" “{finding.sentence}”" if finding.sentence else ""),
        f"    event:     {printable(finding.event)}{where} at {clock_time(finding.time_us)}",
    ]
    if finding.repeats > 1:
        again = ", ".join(str(line) for line in finding.again)
        more = ", …" if finding.repeats > len(finding.again) + 1 else ""
        lines.append(f"    again:     {finding.repeats - 1} more, line {again}{more}")
    blamed = printable(finding.actor or "") or (
        "open between " + ", ".join(finding.candidates) if finding.candidates else ""
    )
    if blamed:
        lines.append(f"    blame:     {blamed}")
    for title, items in (
        ("possible:", finding.possible),
        ("missing:", finding.unmet),
        ("repair:", finding.repair),
        ("told:", finding.told),
    ):
        for at, item in enumerate(items):
            lines.append(f"    {title if at == 0 else '':<10} {printable(item)}")
    return lines


def _file_summary(report: TraceReport | Refused) -> str:
    if isinstance(report, Refused):  # why, stands on standard error
        return f"{printable(report.file)}: {click.style('refused', fg='red', bold=True)}"
    colors = {"conforms": "green", "conforms-so-far": "green", "violated": "red"}
    verdict = click.style(report.verdict, fg=colors.get(report.verdict, "yellow"), bold=True)
    return (
        f"{report.file}: {verdict} ({report.judged:,} of {counted(report.events, 'event')} judged)"
    )


# ---- graph and fmt -------------------------------------------------------------------------------
def graph_json(system: System, notation: str, drawing: str, path: str | None) -> bytes:
    """Which drawing was made; with its text where that goes nowhere else."""
    fields: dict[str, object] = {"spec": system.name, "as": notation, "file": path}
    if path is None:
        fields["drawing"] = drawing
    return json_bytes("graph", {**fields, "exit": 0})


def fmt_json(
    files: Sequence[FormattedFile], path: str | None, status: int, *, dash: bool, check: bool
) -> bytes:
    """Which files differ from the standard layout, and whether they were rewritten.

    `path`: the one formatted text went to that file; `dash`: it goes into the object.
    """
    in_place = not check and path is None and not dash
    shown = [
        {"file": file.path, "changed": file.changed, "written": file.changed and in_place}
        for file in files
    ]
    fields: dict[str, object] = {"files": shown, "file": path}
    if dash:
        fields["text"] = files[0].text
    return json_bytes("fmt", {**fields, "exit": status})


def fmt_text(files: Sequence[FormattedFile], *, check: bool, quiet: bool) -> str:
    """The files that differ from the standard layout, and how many."""
    changed = [file.path for file in files if file.changed]
    word = "would be reformatted" if check else "reformatted"
    lines = [] if quiet else [f"{path}: {word}" for path in changed]
    same = len(files) - len(changed)
    return "\n".join([*lines, f"{counted(len(changed), 'file')} {word}, {same} unchanged"]) + "\n"


# ---- explain -------------------------------------------------------------------------------------
def explain_json(found: Explanation) -> bytes:
    """The explanation as one JSON object."""
    where = None if found.where is None else place(found.where)
    fields = {"kind": found.kind, "name": found.name, "title": found.title, "text": found.text}
    return json_bytes("explain", {**fields, "where": where, "exit": 0})


def explain_text(found: Explanation, *, quiet: bool) -> str:
    """A heading and the text; only the heading when quiet."""
    heading = click.style(f"{found.name}", bold=True) + f": {found.title}"
    if quiet:
        return heading + "\n"
    place = f"\n{found.where.path}:{found.where.line}" if found.where and found.where.line else ""
    return f"{heading}{place}\n\n{found.text}\n"
