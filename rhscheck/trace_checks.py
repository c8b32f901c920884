"""Recorded runs as continuous integration wants to know them: checks for rules and findings.

Owns how verdicts on a trace or a log become checks: a violation has failed, what is open or was not
observed is skipped with the reason, a file that cannot be read is refused. Knows no format, and
nothing of how runs are judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rhscheck.ci_report import Check, CiReport, Place, Status
from rhscheck.refused import Refused
from rhscheck.terminal import printable
from rhscheck.traces.report import Finding, RuleVerdict, TraceReport

JUDGED = ("conforms", "conforms-so-far")
NOT_ALLOWED = "not-allowed"
_REASONS = {
    "not-observable": "nothing was recorded that this rule could be judged by",
    "inconclusive": "what was recorded leaves open whether this holds",
}
MAX_REASONS = 3


def run_checks(
    file: str,
    rules: Iterable[tuple[str, RuleVerdict]],
    findings: Sequence[Finding],
    sentences: Mapping[str, str],
) -> Iterator[Check]:
    """One check for each rule of a run that no finding is about, and one for each finding."""
    by_rule: dict[str | None, list[Finding]] = {}
    for one in findings:
        by_rule.setdefault(one.rule, []).append(one)
    for rule, verdict in rules:
        sentence = sentences.get(rule, "")
        mine = by_rule.get(rule, [])
        if not mine:
            yield _rule(file, rule, verdict, sentence)
        for number, one in enumerate(mine):
            yield _finding(file, rule, one, sentence, number)
    for number, one in enumerate(by_rule.get(None, [])):
        yield _finding(file, NOT_ALLOWED, one, "", number)


def _rule(file: str, rule: str, verdict: RuleVerdict, sentence: str) -> Check:
    status: Status = "passed" if verdict in JUDGED else "skipped"
    if verdict == "violated":
        status = "failed"
    reason = _REASONS.get(verdict, verdict)
    return Check(printable(file), rule, status, verdict, reason, sentence, place=Place(file))


def _finding(file: str, rule: str, one: Finding, sentence: str, number: int) -> Check:
    status: Status = "failed" if one.verdict == "violated" else "skipped"
    where = f" of {one.resource}" if one.resource else ""
    parts = [f"{one.event}{where}"]
    blamed = one.actor or " or ".join(one.candidates)
    parts += [f"blame: {blamed}"] if blamed else []
    parts += [f"missing: {text}" for text in one.unmet[:MAX_REASONS]]
    parts += [f"repair: {text}" for text in one.repair[:MAX_REASONS]]
    return Check(
        printable(file),
        rule,
        status,
        one.verdict,
        printable("; ".join(parts)),
        sentence or one.sentence,
        subject=printable(one.resource or "") + (f" #{number + 1}" if number else ""),
        place=Place(file, one.line),
    )


def replay_checks(
    answers: Sequence[TraceReport | Refused], status: int, *, version: str
) -> CiReport:
    """The reports of `replay` as checks. A trace in which nothing was judged is undecided."""
    checks: list[Check] = []
    for report in answers:
        if isinstance(report, Refused):
            checks.append(refused_check(report))
            continue
        sentences = {one.rule: one.sentence for one in report.findings if one.rule is not None}
        if report.verdict in ("empty", "not-observable"):
            reason = "; ".join(report.notes) or "nothing was judged"
            checks.append(
                Check(
                    printable(report.file),
                    "judged",
                    "undecided",
                    report.verdict,
                    printable(reason),
                    "something of the trace can be judged",
                    place=Place(report.file),
                )
            )
        checks += run_checks(report.file, report.rules, report.findings, sentences)
        checks += [
            Check(
                printable(report.file),
                "unreadable",
                "warning",
                "unreadable",
                printable(problem.message),
                place=Place(report.file, problem.line, problem.column),
                subject=f"line {problem.line}",
            )
            for problem in report.problems
        ]
    return CiReport("replay", "traces", version, tuple(checks), status)


def refused_check(one: Refused) -> Check:
    """The check of a file that could not be judged."""
    return Check(
        printable(one.file),
        "judged",
        "refused",
        "refused",
        printable(one.reason),
        place=Place(one.file),
    )
