"""A CiReport as JUnit XML, the dialect that GitLab, Jenkins and most test viewers read.

Owns the mapping: a test suite for each group of checks, a test case for each check. What failed is
a `failure`, what was not decided or was refused an `error`, what needs a look or was not judged is
`skipped` with the reason (these viewers have no warnings). Neither host names nor dates: equal
reports are equal bytes. There is no official schema; elements and order are those of Jenkins'
`junit-10.xsd`.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from rhscheck.ci_report import Check, CiReport, Status

_ELEMENTS: dict[Status, str] = {
    "failed": "failure",
    "undecided": "error",
    "refused": "error",
    "warning": "skipped",
    "skipped": "skipped",
}
# What XML 1.0 cannot hold, even escaped (section 2.2, production Char).
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: CiReport) -> bytes:
    """The report as UTF-8 XML that ends in a line feed."""
    groups: dict[str, list[Check]] = {}
    for check in report.checks:
        groups.setdefault(check.group, []).append(check)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f"<testsuites{_counts(f'rhscheck {report.command}', list(report.checks))}>")
    for group, checks in groups.items():
        suite = f"{report.subject}.{group}"
        lines.append(f" <testsuite{_counts(suite, checks)}>")
        for check in checks:
            lines += _case(suite, check)
        lines.append(" </testsuite>")
    lines.append("</testsuites>")
    return ("\n".join(lines) + "\n").encode("utf-8")


def _counts(name: str, checks: list[Check]) -> str:
    """The attributes of a suite."""
    tally = dict.fromkeys(("failure", "error", "skipped"), 0)
    for check in checks:
        if check.status != "passed":
            tally[_ELEMENTS[check.status]] += 1
    counted = (
        f' tests="{len(checks)}" failures="{tally["failure"]}" errors="{tally["error"]}"'
        f' skipped="{tally["skipped"]}"'
    )
    known = [check.seconds for check in checks if check.seconds is not None]
    return f" name={_attribute(name)}{counted}" + (f' time="{sum(known):.3f}"' if known else "")


def _case(suite: str, check: Check) -> list[str]:
    head = f"  <testcase name={_attribute(check.name)} classname={_attribute(suite)}"
    if check.place is not None:
        head += f" file={_attribute(check.place.path)}"
        head += f' line="{check.place.line}"' if check.place.line else ""
    if check.seconds is not None:
        head += f' time="{check.seconds:.3f}"'
    body = _text("\n".join(_body(check)))
    if check.status == "passed":
        return [f"{head}>", f"   <system-out>{body}</system-out>", "  </testcase>"]
    element = _ELEMENTS[check.status]
    named = f"{element} type={_attribute(check.kind)} message={_attribute(check.message)}"
    return [f"{head}>", f"   <{named}>{body}</{element}>", "  </testcase>"]


def _body(check: Check) -> list[str]:
    lines = [check.sentence] if check.sentence else []
    lines.append(check.message)
    if check.place is not None and check.place.line:
        lines.append(f"at {check.place.path}:{check.place.line}")
    for number, step in enumerate(check.flow, 1):
        where = "" if step.place is None else f" ({step.place.path}:{step.place.line})"
        lines.append(f"{number}. {step.message}{where}")
    return lines


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
