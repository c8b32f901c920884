"""A CiReport as GitHub Actions annotations (workflow commands on standard output).

Owns the syntax (docs.github.com, "Workflow commands for GitHub Actions"; the escapes are those of
`actions/toolkit`, packages/core/src/command.ts) and which checks are annotated. GitHub keeps ten
errors and ten warnings a step; so the worst come first, and the last line counts them all.
"""

from __future__ import annotations

import re

from rhscheck.ci_report import Check, CiReport, Level

_COMMANDS: dict[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}
MAX_FLOW = 50  # steps of a run in one annotation
# What a terminal that shows the log of a run may obey: control characters but for the ends of
# lines, and what turns the direction of a text.
_OBEYED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def github(report: CiReport) -> bytes:
    """One line for each check that is not as it should be, and a last line; UTF-8."""
    order = {"error": 0, "warning": 1, "note": 2}
    wanting = [check for check in report.checks if check.status not in ("passed", "skipped")]
    lines = [_annotation(check) for check in sorted(wanting, key=lambda one: order[one.level])]
    tally: dict[str, int] = {}
    for check in report.checks:
        tally[check.status] = tally.get(check.status, 0) + 1
    counts = ", ".join(f"{number} {status}" for status, number in tally.items()) or "nothing judged"
    last = f"rhscheck {report.command} {report.subject}: {counts}; exit {report.exit}"
    lines.append(_plain(last))
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _annotation(check: Check) -> str:
    properties = {}
    if check.place is not None:
        properties["file"] = check.place.path.replace("\\", "/")
        if check.place.line:
            properties["line"] = str(check.place.line)
        if check.place.column:
            properties["col"] = str(check.place.column)
    properties["title"] = f"{check.name}: {check.kind}"
    text = [check.message]
    if check.sentence and check.sentence not in check.message:
        text.append(check.sentence)
    for number, step in enumerate(check.flow[:MAX_FLOW], 1):
        where = f" ({step.place.path}:{step.place.line})" if step.place is not None else ""
        text.append(f"{number}. {step.message}{where}")
    if len(check.flow) > MAX_FLOW:
        text.append(f"… and {len(check.flow) - MAX_FLOW} more steps")
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[check.level]} {told}::{_data(chr(10).join(text))}"


def _data(text: str) -> str:
    shown = _OBEYED.sub(lambda one: one[0].encode("unicode_escape").decode("ascii"), text)
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str) -> str:
    """A line that the runner does not take for a command, old style (`##[`) or new (`::`)."""
    shown = _OBEYED.sub(lambda one: one[0].encode("unicode_escape").decode("ascii"), text)
    return shown.replace("\r", " ").replace("\n", " ").replace("##[", "# #[")
