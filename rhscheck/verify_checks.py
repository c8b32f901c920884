"""A verification as checks for continuous integration (`rhscheck.ci_report`).

Owns which check a verdict, a scenario, a finding or a warning becomes: one for each rule (all its
elements together, as `expect` judges them), so that failed and undecided checks are exactly what
the exit status counts. Knows no format.
"""

from __future__ import annotations

from rhscheck.checker import verdict as v
from rhscheck.checker.finding import Finding
from rhscheck.checker.scenarios import Played
from rhscheck.checker.verify import Report
from rhscheck.ci_report import Check, CiReport, FlowStep, Place, Status
from rhscheck.scenario_output import scenario_message
from rhscheck.spec.diagnostic import Diagnostic
from rhscheck.spec.load import Loaded
from rhscheck.spec.source import Span
from rhscheck.spec.system import TIME
from rhscheck.traces.story import changes, home, rows_of
from rhscheck.traces.wording import clock_time

_STATUS: dict[int, Status] = {
    v.EXIT_AGREED: "passed",
    v.EXIT_VIOLATED: "failed",
    v.EXIT_UNDECIDED: "undecided",
}


def verify_checks(loaded: Loaded, report: Report, *, times: bool, version: str) -> CiReport:
    """The report as records; `times`: with wall-clock seconds."""
    checks = (
        *(_rule(report, one, times=times) for one in report.comparisons),
        *(_scenario(one, times=times) for one in report.scenarios),
        *(finding_check(one, counts=not report.options.rules) for one in report.findings),
        *(_warning(one) for one in loaded.warnings),
    )
    return CiReport("verify", report.system.name, version, checks, report.exit)


def _rule(report: Report, compared: v.Comparison, *, times: bool) -> Check:
    elements = [one for one in report.results if compared.base in (one.rule.id, one.rule.base)]
    # An element with an expectation of its own is a comparison of its own.
    apart = {one.base for one in report.comparisons if one.base != compared.base}
    elements = [one for one in elements if one.rule.id not in apart] or elements
    status = _STATUS[compared.status]
    message = compared.message
    if status == "passed" and message:  # `expect unknown`: not judged, and the spec knows it
        status = "skipped"
    worst = _telling(elements, status)
    said = dict.fromkeys(f"{one.rule.id}: {v.sentence(one.verdict)}" for one in elements)
    return Check(
        "rules",
        compared.base,
        status,
        v.name(worst.verdict),
        message or "; ".join(said),
        worst.rule.sentence,
        place=_place(worst.rule.span),
        flow=_flow(worst.verdict) if status == "failed" else (),
        seconds=round(sum(one.seconds for one in elements), 3) if times else None,
    )


def _telling(elements: list[v.Result], status: Status) -> v.Result:
    """The element that made the rule fail or left it open; the first where none did."""
    wanted: tuple[type, ...] = ()
    if status == "failed":
        wanted = (v.Violated, v.Impossible)
    elif status in ("undecided", "skipped"):
        wanted = (v.Unknown, v.BoundedUpTo)
    for one in elements:
        if isinstance(one.verdict, wanted):
            return one
    return elements[0]


def _flow(verdict: v.Verdict) -> tuple[FlowStep, ...]:
    if not isinstance(verdict, v.Violated | v.Witnessed):
        return ()
    return evidence_flow(verdict.evidence)


def evidence_flow(evidence: v.Evidence) -> tuple[FlowStep, ...]:
    """The steps of a run, with the time since its start and what each changed."""
    ground = evidence.ground
    steps = []
    for row in rows_of(ground, evidence.run):
        now = clock_time(row.time * ground.system.unit_us)
        if row.transition is None:
            steps.append(FlowStep(f"{now} time passes"))
            continue
        actor = "" if row.transition.actor == TIME else f" {row.transition.actor}"
        words = f"{now}{actor} {home(row.transition)}: {row.transition.label.short}"
        changed = "; ".join(changes(ground, row))
        place = _place(row.transition.template.span)
        steps.append(FlowStep(f"{words} ({changed})" if changed else words, place))
    return tuple(steps)


def _scenario(played: Played, *, times: bool) -> Check:
    status = _STATUS[played.status]
    return Check(
        "scenarios",
        played.scenario.id,
        status,
        "scenario",
        scenario_message(played),
        played.scenario.sentence,
        place=_place(played.scenario.span),
        seconds=round(played.seconds, 3) if times else None,
    )


def finding_check(finding: Finding, *, counts: bool) -> Check:
    """A finding; an error fails the run where it `counts` for the exit status."""
    return Check(
        "findings",
        finding.code or finding.kind,
        "failed" if finding.error and counts else "warning",
        finding.kind,
        finding.sentence,
        subject=finding.subject,
        place=_place(finding.span),
        flow=() if finding.evidence is None else evidence_flow(finding.evidence),
    )


def _warning(warning: Diagnostic) -> Check:
    return Check(
        "findings",
        warning.code.number,
        "warning",
        warning.code.name.lower(),
        warning.message,
        subject=f"line {warning.span.line}",
        place=_place(warning.span),
    )


def _place(span: Span) -> Place | None:
    return Place(span.path, span.line, span.column) if span.line else None
