"""Replayed traces as checks for continuous integration."""

from __future__ import annotations

from rhscheck.github import github
from rhscheck.junit import junit
from rhscheck.refused import Refused
from rhscheck.trace_checks import replay_checks
from rhscheck.traces.report import Finding, RuleVerdict, TraceReport, TraceVerdict, Unreadable


def report(
    verdict: TraceVerdict,
    rules: tuple[tuple[str, RuleVerdict], ...],
    findings: tuple[Finding, ...] = (),
    problems: tuple[Unreadable, ...] = (),
) -> TraceReport:
    return TraceReport("t.jsonl", 3, 2, (), verdict, rules, findings, problems, ("a note",))


def finding(rule: str | None, line: int) -> Finding:
    return Finding(
        rule, "violated", "no second call", "RCM", (), line, "disk", 5, "call X", (), ("idle",), ()
    )


def test_one_check_for_each_rule_and_finding() -> None:
    found = report(
        "violated",
        (("A", "conforms"), ("B", "violated"), ("C", "inconclusive"), ("D", "not-observable")),
        (finding("B", 7), finding("B", 9), finding(None, 8)),
        (Unreadable(2, 4, "not JSON\x1b"),),
    )
    checks = replay_checks([found], 1, version="1").checks
    assert [(one.name, one.status, one.place and one.place.line) for one in checks] == [
        ("A", "passed", 0),
        ("B disk", "failed", 7),
        ("B disk #2", "failed", 9),
        ("C", "skipped", 0),
        ("D", "skipped", 0),
        ("not-allowed disk", "failed", 8),
        ("unreadable line 2", "warning", 2),
    ]
    assert checks[1].message == "call X of disk; blame: RCM; missing: idle"
    assert checks[3].message == "what was recorded leaves open whether this holds"
    assert checks[6].message == "not JSON\\x1b"


def test_a_trace_in_which_nothing_was_judged_is_undecided() -> None:
    checks = replay_checks([report("empty", (("A", "not-observable"),))], 3, version="1")
    assert (checks.checks[0].status, checks.checks[0].message) == ("undecided", "a note")
    assert b'errors="1"' in junit(checks)
    assert github(checks).startswith(b"::warning file=t.jsonl,title=judged%3A empty::a note")


def test_a_trace_that_cannot_be_read_is_refused() -> None:
    judged = report("conforms", (("A", "conforms"),))
    checks = replay_checks(
        [Refused("no.jsonl", "no.jsonl is\x1b no trace"), judged], 2, version="1"
    )
    refused, passed = checks.checks
    assert (refused.group, refused.name, refused.status, refused.level) == (
        "no.jsonl", "judged", "refused", "error",
    )  # fmt: skip
    assert (refused.message, passed.status) == ("no.jsonl is\\x1b no trace", "passed")
    assert github(checks).splitlines() == [
        b"::error file=no.jsonl,title=judged%3A refused::no.jsonl is\\x1b no trace",
        b"rhscheck replay traces: 1 refused, 1 passed; exit 2",
    ]
