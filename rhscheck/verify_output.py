"""What `verify` prints: one line a rule, the runs that show something, findings, a last line.

Owns the wording and layout of a verification's report, as text and as JSON (DESIGN section 8).
Knows verdicts, and asks `rhscheck.chart` for drawings of runs; it decides nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace

import click

from rhscheck.chart import Style, render_run, run_events
from rhscheck.checker import verdict as v
from rhscheck.checker.finding import Finding
from rhscheck.checker.protection import Protected
from rhscheck.checker.verify import Report
from rhscheck.output import diagnostics_text, place
from rhscheck.scenario_output import scenario_fields, scenario_rows
from rhscheck.spec.diagnostic import Diagnostic
from rhscheck.spec.load import Loaded
from rhscheck.spec.semantics import duration
from rhscheck.texts import counted, fitted, json_bytes

DEFAULT_WIDTH = 100  # of charts and wrapped lines where nothing limits the width
_LEAST_WIDTH = 40  # narrower terminals break the lines themselves
_LEAST_SENTENCE = 30  # columns beside a verdict; with fewer the sentence stands below it


@dataclass(frozen=True, slots=True)
class Look:
    """How text is to look. `width`: columns to keep within, None for any; `boxes`: box characters.

    `times`: say how long things took; `witnesses`: draw the runs of permissions, too; `quiet`: the
    last line only.
    """

    boxes: bool = True
    width: int | None = None
    times: bool = True
    witnesses: bool = False
    quiet: bool = False

    @property
    def columns(self) -> int | None:
        """Columns to keep words within, None for any."""
        return None if self.width is None else max(_LEAST_WIDTH, self.width)

    @property
    def message_columns(self) -> int | None:
        """The same for messages, which from the default width on stay whole, as in a file."""
        return None if self.width is None or self.width >= DEFAULT_WIDTH else self.columns


# ---- JSON ---------------------------------------------------------------------------------------
def verify_json(loaded: Loaded, report: Report, *, times: bool) -> bytes:
    """The report as one JSON object; without `times` the same run gives the same bytes."""
    status = {c.base: c for c in report.comparisons}
    return json_bytes(
        "verify",
        {
            "spec": report.system.name,
            "title": report.system.title,
            "results": [_result_fields(one, times=times) for one in report.results],
            "expectations": [
                {
                    "rule": one.base,
                    "expected": one.expected.verdict if one.expected else None,
                    "n": one.expected.n if one.expected else None,
                    "exit": one.status,
                    "message": one.message,
                }
                for one in status.values()
            ],
            "scenarios": [scenario_fields(one) for one in report.scenarios],
            "findings": [
                *(_finding_fields(one) for one in report.findings),
                *(_expectation_finding(one) for one in _watched(report)),
                *(_warning_fields(one) for one in loaded.warnings),
            ],
            **_protection_fields(report),
            "exit": report.exit,
        },
    )


def _protection_fields(report: Report) -> dict[str, object]:
    """What the assumptions that were left out protect; nothing where none was."""
    if not report.options.without:
        return {}
    protected = [_protected_fields(one) for one in report.protected]
    return {"without": list(report.options.without), "protected": protected}


def _protected_fields(one: Protected) -> dict[str, object]:
    return {
        "rule": one.rule,
        "by": list(one.by),
        "with": v.name(one.kept.verdict),
        "without": v.name(one.broken.verdict),
        "certain": one.certain,
    }


def _result_fields(result: v.Result, *, times: bool) -> dict[str, object]:
    verdict = result.verdict
    evidence = _evidence(verdict)
    return {
        "id": result.rule.id,
        "base": result.rule.base,
        "sentence": result.rule.sentence,
        "kind": result.rule.kind,
        "verdict": v.name(verdict),
        "n": v.scope(verdict),
        "depth": verdict.depth if isinstance(verdict, v.BoundedUpTo) else None,
        "length": verdict.length if isinstance(verdict, v.Violated | v.Witnessed) else None,
        "shortest": _shortest(verdict),
        "engine": result.engine,
        "seconds": round(result.seconds, 3) if times else None,
        "rlimit": result.rlimit if times else None,
        "trace": None if evidence is None else run_events(evidence.ground, evidence.run),
        "loop": None if evidence is None else _loop(evidence),
        "reason": verdict.reason if isinstance(verdict, v.Unknown) else None,
        "notes": list(result.notes),
        "where": place(result.rule.span),
    }


def _shortest(verdict: v.Verdict) -> bool | None:
    """Whether no run at all is shorter; None where nothing is said of that."""
    if not isinstance(verdict, v.Violated | v.Witnessed) or verdict.evidence.loop is not None:
        return None
    return verdict.shortest


def _loop(evidence: v.Evidence) -> int | None:
    """The number of the first event of the trace that repeats for ever."""
    if evidence.loop is None:
        return None
    before = replace(evidence.run, steps=evidence.run.steps[: evidence.loop])
    return len(run_events(evidence.ground, before))


def _finding_fields(finding: Finding) -> dict[str, object]:
    shown = finding.evidence
    return {
        "kind": finding.kind,
        "code": finding.code,
        "subject": finding.subject,
        "sentence": finding.sentence,
        "severity": "error" if finding.error else "warning",
        "where": place(finding.span),
        "trace": None if shown is None else run_events(shown.ground, shown.run),
    }


def _expectation_finding(comparison: v.Comparison) -> dict[str, object]:
    expected = comparison.expected
    return {
        "kind": "expectation",
        "subject": comparison.base,
        "sentence": comparison.message,
        "severity": "warning",
        "where": None if expected is None else place(expected.span),
        "trace": None,
    }


def _warning_fields(warning: Diagnostic) -> dict[str, object]:
    return {
        "kind": warning.code.name.lower(),
        "subject": warning.code.number,
        "sentence": warning.message,
        "severity": warning.severity,
        "where": place(warning.span),
        "trace": None,
    }


def _watched(report: Report) -> Iterator[v.Comparison]:
    """Expectations that are met and yet deserve a look (`expect unknown`)."""
    return (one for one in report.comparisons if one.status == v.EXIT_AGREED and one.message)


def _evidence(verdict: v.Verdict) -> v.Evidence | None:
    return verdict.evidence if isinstance(verdict, v.Violated | v.Witnessed) else None


# ---- text ---------------------------------------------------------------------------------------
def verify_text(loaded: Loaded, report: Report, look: Look, seconds: float) -> str:
    """The report for people; `seconds` is the wall-clock time of it all."""
    if look.quiet:
        return _last_line(loaded, report, look, seconds)
    system = report.system
    title = click.style(system.name, bold=True) + (f": {system.title}" if system.title else "")
    blocks = ["\n".join(fitted(title, look.message_columns))]
    if report.results:
        blocks.append("\n".join(_table(report, look)))
    if report.scenarios:
        blocks.append("\n".join(_scenarios(report, look)))
    notes = _notes(report)
    if notes:
        lines = [_wrapped(f"[{number}] ", note, look) for note, number in notes.items()]
        blocks.append("\n".join(line for wrapped in lines for line in wrapped))
    blocks += _charts(report, look)
    if report.options.without:
        blocks.append("\n".join(_protection(report, look)))
    if loaded.warnings:
        blocks.append(diagnostics_text(loaded.warnings, loaded.sources, look.message_columns))
    findings = list(_findings(report, look))
    if findings:
        blocks.append("\n".join(findings))
    return (
        "\n\n".join(block.rstrip("\n") for block in blocks)
        + "\n\n"
        + _last_line(loaded, report, look, seconds)
    )


def _table(report: Report, look: Look) -> Iterator[str]:
    """One aligned line a rule, below it what has to be added."""
    status = {one.base: one for one in report.comparisons}
    rows = [(result, _verdict_words(result.verdict)) for result in report.results]
    first = max((len(result.rule.id) for result, _ in rows), default=0)
    second = max((len(words) for _, words in rows), default=0)
    third = max((len(result.engine or "-") for result, _ in rows), default=0)
    notes = _notes(report)
    marks = {result.rule.id: _marks(result, notes) for result in report.results} if notes else {}
    fourth = max((len(mark) for mark in marks.values()), default=0)
    for result, words in rows:
        compared = status.get(result.rule.id) or status.get(result.rule.base)
        cells = [
            f"{result.rule.id:<{first}}",
            _styled(f"{words:<{second}}", result.verdict, compared),
            f"{result.engine or '-':<{third}}",
        ]
        if look.times:
            cells.append(f"{result.seconds:6.2f} s")
        if marks:
            cells.append(f"{marks[result.rule.id]:<{fourth}}")
        yield from _row(cells, result.rule.sentence, look)
        yield from _remarks(result, look)
    for one in report.comparisons:
        if one.status != v.EXIT_AGREED:
            for line in fitted(f"{one.base}: {one.message}", look.message_columns):
                yield click.style(line, fg="red", bold=True)


def _verdict_words(verdict: v.Verdict) -> str:
    return "unknown" if isinstance(verdict, v.Unknown) else v.sentence(verdict)


def _styled(words: str, verdict: v.Verdict, compared: v.Comparison | None) -> str:
    """Green where all is well, red where not, yellow for what is bad or open and expected so."""
    good = isinstance(verdict, v.ProvedForEvery | v.ProvedFor | v.Witnessed)
    agreed = compared is None or compared.status == v.EXIT_AGREED
    if good:
        return click.style(words, fg="green" if agreed else "yellow")
    broken = isinstance(verdict, v.Violated | v.Impossible)
    return click.style(words, fg="red" if broken and not agreed else "yellow", bold=not agreed)


def _row(cells: list[str], sentence: str, look: Look) -> Iterator[str]:
    """Aligned cells and a sentence, which is cut, or stands below where little room is left."""
    row = "  ".join(cells).rstrip()
    if look.columns is None:
        yield "  ".join([*cells, sentence]).rstrip()
        return
    room = look.columns - sum(len(click.unstyle(cell)) + 2 for cell in cells)
    if room >= _LEAST_SENTENCE:
        cut = sentence if len(sentence) <= room else sentence[: room - 1].rstrip() + "…"
        yield "  ".join([*cells, cut]).rstrip()
        return
    if len(click.unstyle(row)) > look.columns:  # better out of line than out of the terminal
        row = "  ".join(_narrow(cell) for cell in cells).rstrip()
    yield from fitted(row, look.columns)
    yield from _wrapped("", sentence, look)


def _narrow(cell: str) -> str:
    """A cell without the blanks that align it; its style stays."""
    plain = click.unstyle(cell)
    return cell.replace(plain, plain.strip()) if plain in cell else cell.rstrip()


def _scenarios(report: Report, look: Look) -> Iterator[str]:
    """One aligned line a scenario, below it why it does not do what it says."""
    rows = list(scenario_rows(report.scenarios))
    first = max(len(name) for (name, _, _), _ in rows)
    second = max(len(click.unstyle(words)) for (_, words, _), _ in rows)
    for (name, words, sentence), remarks in rows:
        gap = " " * (second - len(click.unstyle(words)))
        yield from _row([f"{name:<{first}}", words + gap], sentence, look)
        for remark in remarks:
            yield from _wrapped("", remark, look)


def _notes(report: Report) -> dict[str, int]:
    """What the engines noted, each sentence once, numbered in the order of the rules."""
    numbers: dict[str, int] = {}
    for result in report.results:
        for note in _own_notes(result):
            numbers.setdefault(note, len(numbers) + 1)
    return numbers


def _own_notes(result: v.Result) -> list[str]:
    """The notes that the reason for an open verdict does not already say."""
    verdict = result.verdict
    reason = verdict.reason if isinstance(verdict, v.Unknown) else ""
    return [note for note in result.notes if note not in reason]


def _marks(result: v.Result, notes: dict[str, int]) -> str:
    """`[1-3,5]`: the numbers of a result's notes."""
    ranges: list[list[int]] = []
    for number in sorted({notes[note] for note in _own_notes(result)}):
        if ranges and ranges[-1][-1] == number - 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    return "[" + ",".join("-".join(map(str, one)) for one in ranges) + "]" if ranges else ""


def _remarks(result: v.Result, look: Look) -> Iterator[str]:
    """Below a rule's line: why it is open, or how a permission is used."""
    if isinstance(result.verdict, v.Unknown):
        yield from _wrapped("why: ", result.verdict.reason, look)
    if isinstance(result.verdict, v.Witnessed):
        yield from _wrapped("run: ", _in_a_line(result.verdict.evidence), look)


def _wrapped(head: str, text: str, look: Look) -> list[str]:
    return textwrap.wrap(
        head + text,
        width=look.columns or DEFAULT_WIDTH,
        initial_indent="    ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _in_a_line(evidence: v.Evidence) -> str:
    """The steps of a run in one line, delays before them: `call Online · 5m, timeout Online`."""
    ground = evidence.ground
    steps: list[str] = []
    for step in evidence.run.steps:
        parts = [duration(step.delay, ground.system.unit_us)] if step.delay else []
        if step.transition is not None:
            label = ground.transitions[step.transition].label
            parts.append(str(label) if ground.n > 1 else label.short)
        steps.append(", ".join(parts))
    return " · ".join(steps) if steps else "the initial state"


def _charts(report: Report, look: Look) -> Iterator[str]:
    """The drawings of what was violated, and of witnesses where they are wanted."""
    style = Style(width=look.width or DEFAULT_WIDTH, boxes=look.boxes, colour=True)
    for result in report.results:
        verdict = result.verdict
        if isinstance(verdict, v.Violated) or (isinstance(verdict, v.Witnessed) and look.witnesses):
            head = click.style(f"{result.rule.id}: {v.sentence(verdict)}", bold=True)
            shown = verdict.evidence
            chart = render_run(
                shown.woven,
                shown.woven_run,
                style,
                rule=result.rule,
                bad=shown.formula,
                verdict=v.name(verdict),
                loop=shown.loop,
            )
            least = " (no shorter run" + ("" if verdict.shortest else f" with N={verdict.n}") + ")"
            if shown.loop is not None:
                least = ""
            title = "\n".join(fitted(f"{head}{least}", look.message_columns))
            yield f"{title}\n\n{chart}"


def _protection(report: Report, look: Look) -> Iterator[str]:
    """Which rules the assumptions that were left out protect."""
    left_out = report.options.without
    together = " and ".join(left_out)
    groups: dict[str, list[str]] = {}
    for one in report.protected:
        said = f"{one.rule} ({v.sentence(one.broken.verdict)})"
        if one.certain:
            who = " as much as ".join(one.by) or f"{together} together, not one of them alone,"
            groups.setdefault(f"{who} protects", []).append(said)
        elif one.broken_anyway:
            groups.setdefault(f"violated with {together}, too:", []).append(one.rule)
        elif v.name(one.kept.verdict) == v.name(one.broken.verdict):
            groups.setdefault(f"not decided with {together}, either:", []).append(one.rule)
        else:
            kept = f"with {together}: {v.sentence(one.kept.verdict)}"
            groups.setdefault("open:", []).append(f"{said[:-1]}; {kept})")
    if not any(one.certain for one in report.protected):
        yield f"without {together}: no rule is broken that holds otherwise"
    for head, rules in groups.items():
        yield from fitted(f"{head} {', '.join(rules)}", look.message_columns)


def _findings(report: Report, look: Look) -> Iterator[str]:
    for finding in report.findings:
        code = f"[{finding.code}]" if finding.code is not None else ""
        head = click.style(
            f"{'error' if finding.error else 'warning'}{code}:",
            fg="red" if finding.error else "yellow",
            bold=True,
        )
        where = f"{finding.span.path}:{finding.span.line}: " if finding.span.line else ""
        yield from fitted(f"{where}{head} {finding.sentence}", look.message_columns)
        if finding.evidence is not None:
            yield from _wrapped("run: ", _in_a_line(finding.evidence), look)
    for one in _watched(report):
        head = click.style("warning:", fg="yellow", bold=True)
        yield from fitted(f"{head} {one.base}: {one.message}", look.message_columns)


def _last_line(loaded: Loaded, report: Report, look: Look, seconds: float) -> str:
    """What came of it all; never wrapped, for `tail -n 1` is how scripts read it."""
    tally: dict[str, int] = {}
    for result in report.results:
        words = _class(result)
        tally[words] = tally.get(words, 0) + 1
    counts = ", ".join(f"{number} {words}" for words, number in tally.items()) or "no rules"
    if report.scenarios:
        counts += f"; {counted(len(report.scenarios), 'scenario')}"
    found = len(report.findings) + len(loaded.warnings) + len(list(_watched(report)))
    against = sum(one.status != v.EXIT_AGREED for one in report.comparisons)
    failed = sum(one.status == v.EXIT_VIOLATED for one in report.scenarios)
    skipped = sum(one.ground is None for one in report.scenarios)
    open_ = sum(one.status == v.EXIT_UNDECIDED for one in report.scenarios) - skipped
    wrong = [counted(against, "rule")] if against else []
    wrong += [counted(failed, "scenario")] if failed else []
    errors = 0 if report.options.rules else sum(finding.error for finding in report.findings)
    said = [f"{' and '.join(wrong)} not as expected"] if wrong else []
    said += [f"{counted(open_, 'scenario')} undecided"] if open_ else []
    said += [f"{counted(skipped, 'scenario')} not played"] if skipped else []
    said += [f"{counted(errors, 'error')} in the spec"] if errors else []
    verdict = (
        click.style("as expected", fg="green", bold=True)
        if report.exit == v.EXIT_AGREED
        else click.style("; ".join(said), fg="red", bold=True)
    )
    time = f" ({seconds:.1f} s)" if look.times else ""
    return f"{report.system.name}: {counts}; {counted(found, 'finding')}; {verdict}{time}\n"


def _class(result: v.Result) -> str:
    """A verdict without its numbers, for counting."""
    match result.verdict:
        case v.ProvedForEvery():
            return "proved for every N"
        case v.Impossible(None):
            return "impossible for every N"
        case v.ProvedFor(n):
            return f"proved for N={n}"
        case verdict:
            return v.name(verdict)
