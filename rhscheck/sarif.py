"""A CiReport as SARIF 2.1.0 (OASIS standard with errata 01), fit for GitHub code scanning.

Owns the mapping: every check is a rule of the tool; each that is not as it should be is a result,
with the run that shows it as a code flow. What is as it should be has no result, for GitHub would
show it as an alert. What was not decided has the kind `open` (section 3.27.9), which asks for the
level `none`. Input that was refused is no result: a notification of the invocation, which was no
success then (sections 3.20.14 and 3.20.21). GitHub's limits (docs.github.com, "SARIF results exceed
one or more limits") are kept by leaving out, and a notification says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from urllib.parse import quote

import msgspec

from rhscheck.ci_report import Check, CiReport, FlowStep, Place

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

# GitHub refuses a file with more; of thread flow locations it shows 1,000 of at most 10,000.
MAX_RESULTS = 25_000
MAX_RULES = 25_000
MAX_FLOW = 1_000
MAX_NAME = 255
MAX_DESCRIPTION = 1_024


def sarif(report: CiReport) -> bytes:
    """The report as one JSON object, indented, ending in a line feed."""
    refused = [check for check in report.checks if check.status == "refused"]
    judged = [check for check in report.checks if check.status != "refused"]
    rules = _rules(judged)
    wanting = [check for check in judged if check.status != "passed"]
    # The worst first, for these are kept.
    order = {"error": 0, "warning": 1, "note": 2}
    kept = sorted(wanting, key=lambda check: order[check.level])[:MAX_RESULTS]
    kept = [check for check in kept if check.id in rules]
    run = {
        "tool": {
            "driver": {
                "name": "rhscheck",
                "semanticVersion": report.version,
                "rules": [_rule(check) for _, check in rules.values()],
            }
        },
        "automationDetails": {"id": _unicode(f"rhscheck/{report.command}/{report.subject}/")},
        "invocations": [
            {
                "executionSuccessful": not refused,
                "exitCode": report.exit,
                "toolExecutionNotifications": [
                    *map(_refusal, refused),
                    *_left_out(len(wanting) - len(kept), kept),
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [_result(check, rules[check.id][0]) for check in kept],
    }
    whole = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"


def _refusal(check: Check) -> dict[str, object]:
    locations = [] if check.place is None else [_location(check.place)]
    return {"level": "error", "message": {"text": _unicode(check.message)}, "locations": locations}


def _left_out(missing: int, kept: Sequence[Check]) -> list[dict[str, object]]:
    """What does not fit into what GitHub takes."""
    texts = [f"{missing} more results were left out: GitHub takes {MAX_RESULTS}"] if missing else []
    texts += [
        f"{check.name}: {len(check.flow) - MAX_FLOW} of its {len(check.flow)} steps were left out: "
        f"GitHub shows {MAX_FLOW}"
        for check in kept
        if len(check.flow) > MAX_FLOW
    ]
    return [{"level": "warning", "message": {"text": text}} for text in texts]


# ---- rules ---------------------------------------------------------------------------------------
def _rules(checks: Sequence[Check]) -> dict[str, tuple[int, Check]]:
    """By rule id its position and the first check of it."""
    rules: dict[str, tuple[int, Check]] = {}
    for check in checks:
        if check.id not in rules and len(rules) < MAX_RULES:
            rules[check.id] = (len(rules), check)
    return rules


def _rule(check: Check) -> dict[str, object]:
    text = check.sentence or f"{check.group}: {check.kind}"
    return {
        "id": check.id,
        "name": _cut(check.id, MAX_NAME),
        "shortDescription": {"text": _unicode(_cut(text, MAX_DESCRIPTION))},
        "fullDescription": {"text": _unicode(_cut(text, MAX_DESCRIPTION))},
        "defaultConfiguration": {"level": "warning" if check.group == "findings" else "error"},
        "properties": {"tags": [check.group]},
    }


# ---- results -------------------------------------------------------------------------------------
def _result(check: Check, index: int) -> dict[str, object]:
    open_ = check.status == "undecided"
    told = check.sentence if check.sentence and check.sentence not in check.message else ""
    result: dict[str, object] = {
        "ruleId": check.id,
        "ruleIndex": index,
        "kind": "open" if open_ else "fail",
        "level": "none" if open_ else check.level,
        "message": {"text": _unicode(f"{check.message}\n{told}" if told else check.message)},
        "partialFingerprints": {"rhscheckCheck/v1": _fingerprint(check)},
        "properties": {"verdict": check.kind, "group": check.group},
    }
    if check.place is not None:
        result["locations"] = [_location(check.place)]
    if check.flow:
        steps = [_thread_flow_location(step, check.place) for step in check.flow[:MAX_FLOW]]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return result


def _fingerprint(check: Check) -> str:
    """The same for the same check, wherever its line moves to."""
    path = "" if check.place is None else check.place.path
    parts = (check.group, check.id, check.subject, check.kind, path)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _thread_flow_location(step: FlowStep, otherwise: Place | None) -> dict[str, object]:
    place = step.place or otherwise
    location: dict[str, object] = {} if place is None else _location(place)
    return {"location": {**location, "message": {"text": _unicode(step.message)}}}


def _location(place: Place) -> dict[str, object]:
    physical: dict[str, object] = {"artifactLocation": {"uri": artifact_uri(place.path)}}
    if place.line:
        region: dict[str, object] = {"startLine": place.line}
        if place.column:
            region["startColumn"] = place.column
        physical["region"] = region
    return {"physicalLocation": physical}


def artifact_uri(path: str, kind: type[PurePath] | None = None) -> str:
    """`path` as a URI reference: relative as it is (GitHub: to the repository), else `file:`.

    `kind`: how paths look, by default those of this operating system.
    """
    pure = (kind or type(PurePath()))(path)
    if pure.is_absolute():
        return pure.as_uri()
    if isinstance(pure, PureWindowsPath):
        return quote(pure.as_posix().encode("utf-8", "replace"), safe="/")
    return quote(PurePosixPath(path).as_posix().encode("utf-8", "replace"), safe="/")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _unicode(text: str) -> str:
    """`text` without what JSON cannot hold: the name of a file may be no Unicode text."""
    return text.encode("utf-8", "replace").decode("utf-8")
