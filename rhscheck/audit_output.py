"""What `rhscheck audit` and `rhscheck map` print: text, JSON, and records for CI formats.

Owns wording and layout. Everything that comes from a log is shown with control characters made
visible, for a log may hold anything, terminal escapes included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import click

from rhscheck.ci_report import Check, CiReport, FlowStep, Place
from rhscheck.refused import Refused, apart
from rhscheck.terminal import harmless, printable
from rhscheck.texts import counted, fitted, json_bytes
from rhscheck.trace_checks import JUDGED, refused_check, run_checks
from rhscheck.traces.audit.across import Journey, Stay, journeys
from rhscheck.traces.audit.durations import spans
from rhscheck.traces.audit.model import Entry, Incident, Resource, Span
from rhscheck.traces.audit.opinion import SpecSummary
from rhscheck.traces.audit.report import LogReport, entry_text
from rhscheck.traces.logmap.check import MapResult
from rhscheck.traces.report import Finding

MAX_SHOWN = 200  # resources, incidents and findings each in text; JSON has all
MAX_NAMES = 12
MAX_REASONS = 3  # of a finding in text
MAX_EVIDENCE = 8  # lines of an incident in text
MAX_UNTESTED = 12  # rules of a mapping in text; JSON has all
MAX_STAYS = 20  # of a resource, on nodes
_ACROSS = "by the clocks of the nodes, which may differ: nothing is concluded from this order"
MARGIN, TITLED = 4, 16  # columns before titles (`blame:`), and before what they stand for
NEAR = 0.8  # from this part of a limit on a duration is worth a warning
_COLORS = {"conforms": "green", "conforms-so-far": "green", "violated": "red"}


# A row of a timeline, up to what happened; further evidence under a title.
_ROW = re.compile(
    r"  +\d+  (?:\d\d:\d\d:\d\d\.\d{3}(?: \(\+\d+ d\))?|-) +| {4}(?:evidence:|cause\?|) +\d+: "
)
# Times of a log as text.
Clock = Callable[[int | None], str | None]


# ---- status --------------------------------------------------------------------------------------
def audit_status(answers: Sequence[LogReport | Refused], *, require_all: bool) -> int:
    """2 if a log was refused; 1 if something is violated; 3 if nothing was judged; else 0.

    On demand it is 3 if not all was judged.
    """
    reports, missing = apart(answers)
    if missing:
        return 2
    if any(report.judgement.verdict == "violated" for report in reports):
        return 1
    judged = [verdict in JUDGED for one in reports for _, verdict in one.judgement.rules]
    if not any(judged) or (require_all and not all(judged)):
        return 3
    return 0


def map_status(results: Sequence[MapResult]) -> int:
    """1 if a sample is read differently, 3 if a mapping has none."""
    if any(result.failures for result in results):
        return 1
    return 3 if any(not result.samples for result in results) else 0


# ---- JSON ----------------------------------------------------------------------------------------
def audit_json(
    answers: Sequence[LogReport | Refused], spec: SpecSummary, status: int, names: Sequence[str]
) -> bytes:
    """The reports, and what was refused, as one JSON object.

    If there are `names`, with what is of these resources.
    """
    reports, missing = apart(answers)
    logs = []
    for report in reports:
        resources = [one for one in report.resources if not names or one.name in names]
        logs.append(report.as_json(resources, _incidents(report, names), _findings(report, names)))
    across = [
        {
            "resource": one.resource,
            "ordered": one.ordered,
            "stays": [
                {
                    "file": stay.report.file,
                    "node": stay.report.node,
                    "from_line": stay.first.line,
                    "from": stay.report.clock(stay.first.time_us),
                    "first": entry_text(stay.first.told),
                    "to_line": stay.last.line,
                    "to": stay.report.clock(stay.last.time_us),
                    "last": entry_text(stay.last.told),
                }
                for stay in one.stays
            ],
        }
        for one in journeys(reports)
        if not names or one.resource in names
    ]
    refused = [one.as_json() for one in missing]
    found = {"spec": spec.name, "logs": logs, "across": across, "refused": refused}
    return json_bytes("audit", {**found, "exit": status})


def map_json(results: Sequence[MapResult], status: int) -> bytes:
    """The results of `map test` as one JSON object."""
    maps = [
        {
            "file": result.path,
            "samples": result.samples,
            "rules": result.rules,
            "failures": [
                {
                    "line": one.line,
                    "log": list(one.log),
                    "expected": list(one.expected),
                    "got": list(one.got),
                }
                for one in result.failures
            ],
            "untested": list(result.untested),
        }
        for result in results
    ]
    return json_bytes("map test", {"maps": maps, "exit": status})


# ---- text ----------------------------------------------------------------------------------------
def map_text(results: Sequence[MapResult], *, quiet: bool) -> str:
    """What is read differently, and a line a mapping."""
    lines: list[str] = []
    for result in results:
        for one in () if quiet else result.failures:
            lines.append(
                click.style(f"{result.path}:{one.line}: read differently", fg="red", bold=True)
            )
            lines += [f"    log       {printable(line)}" for line in one.log]
            lines += [f"    expected  {printable(text)}" for text in one.expected]
            lines += [f"    got       {printable(text)}" for text in one.got]
        passed = result.samples - len(result.failures)
        line = f"{result.path}: {passed} of {counted(result.samples, 'sample')} read as written"
        if result.untested:
            places = ", ".join(map(str, result.untested[:MAX_UNTESTED]))
            more = len(result.untested) - MAX_UNTESTED
            places += f" and {more:,} more" if more > 0 else ""
            line += f"; no sample reaches the rules in lines {places}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def audit_text(
    answers: Sequence[LogReport | Refused],
    spec: SpecSummary,
    names: Sequence[str],
    *,
    quiet: bool,
    width: int | None = None,
) -> str:
    """The reports for people, kept within `width` columns, and one line about all of them."""
    reports, missing = apart(answers)
    lines: list[str] = []
    if not quiet:
        for told in answers:
            for line in _refusal(told) if isinstance(told, Refused) else _log(told, spec, names):
                lines += fitted(line, width, _indent(line))
        travelled = [one for one in journeys(reports) if not names or one.resource in names]
        if travelled:
            lines.append(click.style("Where resources went", bold=True))
            lines += fitted(f"  {_ACROSS}", width)
            for journey in travelled[:MAX_SHOWN]:
                lines += _journey(journey)
            lines += [*_more(len(travelled), "resources"), ""]
    verdicts = _tally(report.judgement.verdict for report in reports)
    incidents = sum(len(report.incidents) for report in reports)
    last = (
        f"{counted(len(reports), 'log')}: {verdicts}; "
        f"{counted(incidents, 'incident')}; rules: "
        + _tally(verdict for report in reports for _, verdict in report.judgement.rules)
    )
    last += f"; {counted(len(missing), 'file')} refused" if missing else ""
    lines += fitted(last, None if quiet else width)
    return "\n".join(map(harmless, lines)) + "\n"


def _indent(line: str) -> str:
    """How far the later lines of a long line are moved in: below its text, if it has a title."""
    plain = click.unstyle(line)
    row = _ROW.match(plain)
    if row is not None:
        return " " * row.end()
    margin = len(plain) - len(plain.lstrip())
    return " " * (TITLED if margin == MARGIN else min(margin, TITLED) + 4)


def _tally(names: Iterable[str]) -> str:
    tally: dict[str, int] = {}
    for name in names:
        tally[name] = tally.get(name, 0) + 1
    return ", ".join(f"{number} {name}" for name, number in tally.items()) or "none"


def _refusal(one: Refused) -> Iterator[str]:
    refused = click.style("refused", fg="red", bold=True)
    yield f"{click.style(printable(one.file), bold=True)}: {refused}"
    yield f"  {printable(one.reason)}"
    yield ""


def _log(report: LogReport, spec: SpecSummary, names: Sequence[str]) -> Iterator[str]:
    yield from _head(report)
    shown = [one for one in report.resources if not names or one.name in names]
    incidents, findings = _incidents(report, names), _findings(report, names)
    if report.incidents:
        yield ""
        yield click.style("What went wrong", bold=True)
        for incident in incidents[:MAX_SHOWN]:
            yield from incident_lines(incident, report.clock)
        yield from _more(len(incidents), "incidents")
        yield from _elsewhere(len(report.incidents) - len(incidents), "incident")
    if report.judgement.findings:
        yield ""
        yield click.style("What the spec does not allow", bold=True)
        for finding in findings[:MAX_SHOWN]:
            yield from finding_lines(report.file, finding, report.clock)
        yield from _more(len(findings), "findings")
        yield from _elsewhere(len(report.judgement.findings) - len(findings), "finding")
    for resource in shown[:MAX_SHOWN]:
        yield ""
        yield from _resource(report, resource)
    yield from _more(len(shown), "resources")
    yield ""
    yield from _limits_of_the_log(report, spec)
    yield ""


def _incidents(report: LogReport, names: Sequence[str]) -> Sequence[Incident]:
    """What went wrong with one of `names`, if there are any, or with nobody in particular."""
    return [
        one
        for one in report.incidents
        if not names or one.resource is None or {one.resource, *one.collateral} & set(names)
    ]


def _findings(report: LogReport, names: Sequence[str]) -> Sequence[Finding]:
    """What the spec does not allow of one of `names`, if there are any, or of what all share."""
    every = report.judgement.findings
    return [one for one in every if not names or one.resource is None or one.resource in names]


def _elsewhere(count: int, what: str) -> Iterator[str]:
    if count:
        yield f"  … and {counted(count, what)} of other resources"


def _journey(journey: Journey) -> Iterator[str]:
    doubt = "" if journey.ordered else " (these clocks cannot be compared: in no order)"
    yield f"  {printable(journey.resource)}{doubt}"
    for stay in journey.stays[:MAX_STAYS]:
        unknown = f"a node that {stay.report.file} does not name"
        yield f"    {printable(stay.report.node or unknown)}"
        yield _moment(stay, stay.first)
        if stay.last is not stay.first:
            yield _moment(stay, stay.last)
    if len(journey.stays) > MAX_STAYS:
        yield f"    … and {len(journey.stays) - MAX_STAYS:,} more changes (--format json has all)"


def _moment(stay: Stay, entry: Entry) -> str:
    time = stay.report.clock(entry.time_us) or "no time"
    where = f"{printable(stay.report.file)}:{entry.line}"
    return f"      {time}  {where}  {printable(entry_text(entry.told))}"


def _more(count: int, what: str) -> Iterator[str]:
    if count > MAX_SHOWN:
        yield f"  … and {count - MAX_SHOWN:,} more {what} (--format json has all)"


def _head(report: LogReport) -> Iterator[str]:
    tally = report.tally
    where = f" of node {printable(report.node)}" if report.node else ""
    start, end = report.clock(tally.first_us), report.clock(tally.last_us)
    yield click.style(f"{printable(report.file)}{where}", bold=True) + (
        f": {report.encoding}, {counted(tally.lines, 'line')}"
    )
    if start:
        yield f"  {start} to {end}"
    understood = (
        f"  {tally.understood:,} of {counted(tally.relevant, 'line')} about resources understood"
    )
    yield understood + f", {counted(report.events, 'event')}"
    for note in (*report.notes, *report.judgement.notes):
        yield f"  note: {printable(note)}"


def _at(clock: Clock, line: int, time_us: int | None) -> str:
    shown = clock(time_us)
    return f"line {line}" + (f", {shown}" if shown else "")


def _titled(title: str, text: str) -> str:
    return f"{'':{MARGIN}}{title:<{TITLED - MARGIN}}{text}"


def incident_lines(one: Incident, clock: Clock, *, provisional: bool = False) -> Iterator[str]:
    """An incident in words. `provisional`: more lines may belong to it."""
    color = "yellow" if one.kind in ("unhealthy", "service-gone") else "red"
    name = f"{printable(one.resource)}: " if one.resource is not None else ""
    yield "  " + click.style(name + printable(one.what), fg=color, bold=True)
    later = " (provisional: more may follow)" if provisional else ""
    yield _titled("where:", _at(clock, one.place.line, one.place.time_us) + later)
    yield _titled("blame:", f"{one.blame}: {one.because}" if one.blame else f"open: {one.because}")
    if one.since_us is not None:
        since = clock(one.since_us)
        usual = f"since about {since}, if the limit was the usual one"
        yield _titled("stuck:", f"since {since}" if one.since_seen else usual)
    if one.collateral:
        others = ", ".join(printable(name) for name in one.collateral[:MAX_NAMES])
        more = len(one.collateral) - MAX_NAMES
        others += f" and {more:,} more" if more > 0 else ""
        yield _titled("collateral:", f"{others} lost the monitor by it")
    for at, saying in enumerate(one.causes):
        text = f"{saying.place.line}: {saying.level} {printable(saying.text)}"
        yield _titled("" if at else "cause?", text)
    for at, evidence in enumerate(one.lines[:MAX_EVIDENCE]):
        text = f"{evidence.line}: {printable(evidence.text)}"
        yield _titled("" if at else "evidence:", text)
    if len(one.lines) > MAX_EVIDENCE:
        last = one.lines[-1].line
        yield _titled("", f"… and {len(one.lines) - MAX_EVIDENCE} more lines, up to line {last}")


def finding_lines(file: str, one: Finding, clock: Clock) -> Iterator[str]:
    """A violation in words."""
    color = "red" if one.verdict == "violated" else "yellow"
    what = f"{one.rule} {one.verdict}" if one.rule else f"{one.verdict}: not allowed"
    sentence = f" “{printable(one.sentence)}”" if one.sentence else ""
    yield f"  {printable(file)}:{one.line}: {click.style(what, fg=color, bold=True)}{sentence}"
    where = f" of {printable(one.resource)}" if one.resource else ""
    place = _at(clock, one.line, one.time_us)
    yield _titled("event:", f"{printable(one.event)}{where} ({place})")
    blamed = one.actor or ("open between " + ", ".join(one.candidates) if one.candidates else "")
    if blamed:
        yield _titled("blame:", blamed)
    for title, items in (
        ("possible:", one.possible),
        ("missing:", one.unmet),
        ("repair:", one.repair),
    ):
        for at, item in enumerate(items[:MAX_REASONS]):
            yield _titled("" if at else title, printable(item))
        if len(items) > MAX_REASONS:
            yield _titled("", "… and more")


def _resource(report: LogReport, resource: Resource) -> Iterator[str]:
    judged = report.judgement.resources.get(resource.name)
    verdict = "not-observable" if judged is None else judged.verdict
    monitor = f", RHS process {resource.monitor}" if resource.monitor else ""
    wrong = sum(one.resource == resource.name for one in report.incidents)
    incidents = f"{counted(wrong, 'incident')}, rules " if wrong else ""
    shown = click.style(verdict, fg=_COLORS.get(verdict, "yellow"), bold=True)
    yield f"{click.style(printable(resource.name), bold=True)}: {incidents}{shown}{monitor}"
    if judged is not None:
        yield from _rules(judged.rules)
    for span, count in spans(resource).values():
        yield f"  {_span(span, count)}"
    for op, since, asked in resource.open:
        began = "asked for" if asked else "called"
        yield f"  {op} was {began} in line {since[0]}; the log does not show its end"
    if resource.omitted:
        yield f"  … {resource.omitted:,} earlier events are not shown"
    yield from _timeline(report, resource)


def _timeline(report: LogReport, resource: Resource) -> Iterator[str]:
    """A row for each moment: its line, the time of day, what happened; a date where it changes."""
    timeline = resource.timeline
    width = max((len(str(entry.line)) for entry in timeline), default=1)
    date = ""
    for entry in timeline:
        day, _, time = (report.clock(entry.time_us) or "").rpartition("T")
        if day and day != date:
            date = day
            yield f"  {'':>{width}}  {day}" + (" UTC" if time.endswith("Z") else " local time")
        again = ""
        if entry.last_line is not None:
            again = f"  ({entry.again:,} more, the last in line {entry.last_line})"
        what = f"{printable(entry_text(entry.told))}{again}"
        yield f"  {entry.line:>{width}}  {time.removesuffix('Z') or '-':<12}  {what}"


def _rules(rules: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The rules by verdict, the worst first; of many only the number."""
    by_verdict: dict[str, list[str]] = {}
    for rule, verdict in rules:
        by_verdict.setdefault(verdict, []).append(rule)
    for verdict in ("violated", "conforms", "conforms-so-far", "inconclusive"):
        names = by_verdict.get(verdict, [])
        if names:
            few = len(names) <= MAX_NAMES or verdict == "violated"
            yield f"  {verdict}: {', '.join(names) if few else counted(len(names), 'rule')}"


def length_text(micros: int) -> str:
    """A stretch of time in the two largest units that it has: `4 min 51 s`, `4.12 s`, `300 ms`."""
    if micros < 1_000_000:
        return f"{micros / 1000:g} ms"
    seconds = micros / 1_000_000
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"
    minutes, rest = divmod(micros // 1_000_000, 60)
    if minutes < 60:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h" + (f" {minutes} min" if minutes else "")


def _span(span: Span, count: int) -> str:
    what = "silence while pending" if span.what == "silence" else span.what
    part, of = 0.0, ""
    if span.limit_us is not None:
        part = span.used_us / span.limit_us if span.limit_us else 1.0
        of = f" of {length_text(span.limit_us)}"
    most = "at most " if span.at_most else ""
    longest = f", the longest of {count:,}" if count > 1 else ""
    text = (
        f"{what} used {most}{length_text(span.used_us)}{of} "
        f"(lines {span.start.line} to {span.end.line}{longest})"
    )
    return click.style(text, fg="yellow") if part >= NEAR else text


def _limits_of_the_log(report: LogReport, spec: SpecSummary) -> Iterator[str]:
    unjudged = [rule for rule, verdict in report.judgement.rules if verdict == "not-observable"]
    yield click.style("What this log does not show", bold=True)
    if unjudged:
        bases = {rule.id: rule.base for rule in spec.duties}
        names = dict.fromkeys(bases.get(rule, rule) for rule in unjudged)
        rules = counted(len(unjudged), "rule")
        yield f"  {rules} of {spec.name} cannot be judged: {', '.join(names)}"
    shapes = report.frequent_shapes()
    if shapes:
        missing = report.tally.relevant - report.tally.understood
        counted_lines = counted(missing, "line")
        yield f"  {counted_lines} with messages that {report.mapping} does not know, most often:"
        for shape, (count, line) in shapes[:5]:
            yield f"    {count:>6,} of: {printable(shape)[:110]}  (line {line})"
    for advice in report.advice if unjudged else ():
        yield f"  to see more: {printable(advice)}"


# ---- continuous integration ----------------------------------------------------------------------
def audit_checks(
    answers: Sequence[LogReport | Refused], spec: SpecSummary, status: int, *, version: str
) -> CiReport:
    """The reports as checks: one for each rule and log, each finding, each incident.

    And one for each log that was refused.
    """
    sentences = {rule.id: rule.sentence for rule in spec.duties}
    checks: list[Check] = []
    for report in answers:
        if isinstance(report, Refused):
            checks.append(refused_check(report))
            continue
        judgement = report.judgement
        checks += run_checks(report.file, judgement.rules, judgement.findings, sentences)
        for number, incident in enumerate(report.incidents):
            checks.append(_incident_check(report, incident, number))
    return CiReport("audit", "logs", version, tuple(checks), status)


def _incident_check(report: LogReport, one: Incident, number: int) -> Check:
    name = f"{one.resource}: " if one.resource is not None else ""
    blame = f"; blame: {one.blame}, {one.because}" if one.blame else f"; {one.because}"
    shared = f"; collateral: {', '.join(one.collateral)}" if one.collateral else ""
    said = [(saying.place.line, saying.text) for saying in one.causes]
    flow = sorted({*said, *((line.line, line.text) for line in one.lines)})
    return Check(
        printable(report.file),
        one.kind,
        "warning",
        one.kind,
        printable(f"{name}{one.what}{blame}{shared}"),
        subject=printable(one.resource or "") + f" #{number + 1}",
        place=Place(report.file, one.place.line),
        flow=tuple(FlowStep(printable(text), Place(report.file, line)) for line, text in flow),
    )
