"""JUnit, SARIF and GitHub output: valid, complete, escaped, within limits, the same every time.

`tests/data/sarif-schema-2.1.0.json` is the schema of the OASIS standard with errata 01, unchanged:
https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from rhscheck import api
from rhscheck.checker.finding import Finding
from rhscheck.ci_report import Check, CiReport, FlowStep, Place
from rhscheck.cli import cli
from rhscheck.github import MAX_FLOW as GITHUB_FLOW
from rhscheck.github import github
from rhscheck.junit import junit
from rhscheck.sarif import MAX_DESCRIPTION, MAX_FLOW, MAX_RESULTS, artifact_uri, sarif
from rhscheck.spec.load import Loaded, load_source
from rhscheck.spec.source import Source
from rhscheck.verify_checks import finding_check, verify_checks

SCHEMA = Path(__file__).parents[1] / "data" / "sarif-schema-2.1.0.json"

TOGGLE = """spec toggle "A switch"
actors { host H }
machine Switch {
  initial state Off {
    by H: press -> On
  }
  state On {
    by H: press -> Broken
  }
  state Broken
  state Nowhere
}
rules Switch {
  rule Good "it can be switched on": can in On
  rule Bad "it never <breaks> & stays whole": never in Broken
  rule Sad "it breaks": never in Broken
  expect Sad: violated
}
scenario Twice "pressed once only" forbidden { press; press }
"""

HASH_SEED_RUN = """
from rhscheck import api
from rhscheck.github import github
from rhscheck.junit import junit
from rhscheck.sarif import sarif
from rhscheck.verify_checks import verify_checks
from rhscheck.verify_output import verify_json
import sys
loaded = api.load("fischer", {"CheckAfter": "2s"})
report = api.verify(loaded.system)
checks = verify_checks(loaded, report, times=False, version="1")
for text in (junit(checks), sarif(checks), github(checks)):
    sys.stdout.buffer.write(text)
sys.stdout.buffer.write(verify_json(loaded, report, times=False))
"""


def valid(report: CiReport) -> dict[str, Any]:
    """The one run of the report as SARIF, which keeps to the schema."""
    return valid_run(sarif(report))


def valid_run(text: bytes) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(text)
    validator = jsonschema_rs.Draft4Validator(
        json.loads(SCHEMA.read_text(encoding="utf-8")), validate_formats=True
    )
    assert [str(error) for error in validator.iter_errors(log)] == []
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


@pytest.fixture(scope="module")
def toggled() -> tuple[Loaded, CiReport]:
    loaded = load_source(Source("my specs/toggle.sm", TOGGLE))
    report = api.verify(loaded.system)
    assert report.exit == 1
    return loaded, verify_checks(loaded, report, times=False, version="1.2.3")


def check(**changed: Any) -> Check:
    return replace(Check("rules", "R1", "failed", "violated", "broken"), **changed)


def made(*checks: Check) -> CiReport:
    return CiReport("verify", "toggle", "1.0.0", checks, 1)


def test_the_schema_is_the_official_one() -> None:
    digest = hashlib.sha256(SCHEMA.read_bytes()).hexdigest()
    assert digest == "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


def test_one_check_for_each_thing_judged(toggled: tuple[Loaded, CiReport]) -> None:
    assert [(c.group, c.id, c.subject, c.status, c.kind, c.level) for c in toggled[1].checks] == [
        ("rules", "Good", "", "passed", "witnessed", "note"),
        ("rules", "Bad", "", "failed", "violated", "error"),
        ("rules", "Sad", "", "passed", "violated", "note"),
        ("scenarios", "Twice", "", "failed", "scenario", "error"),
        ("findings", "SM304", "Switch.Nowhere", "warning", "unreachable_state", "warning"),
    ]


def test_the_run_that_breaks_a_rule_is_told_step_by_step(toggled: tuple[Loaded, CiReport]) -> None:
    bad = toggled[1].checks[1]
    assert bad.message == "expected proved, but Bad is violated for N=1 in 2 steps"
    assert bad.flow == (
        FlowStep("00:00:00.000 H Switch: press (in On)", Place("my specs/toggle.sm", 5, 5)),
        FlowStep("00:00:00.000 H Switch: press (in Broken)", Place("my specs/toggle.sm", 8, 5)),
    )


def test_sarif_has_a_result_for_what_is_wrong_and_a_rule_for_everything(
    toggled: tuple[Loaded, CiReport],
) -> None:
    run = valid(toggled[1])
    driver = run["tool"]["driver"]
    assert driver["semanticVersion"] == "1.2.3"
    rules = [rule["id"] for rule in driver["rules"]]
    assert rules == ["Good", "Bad", "Sad", "Twice", "SM304"]
    results = run["results"]
    assert [(one["ruleId"], one["ruleIndex"], one["kind"], one["level"]) for one in results] == [
        ("Bad", 1, "fail", "error"),
        ("Twice", 3, "fail", "error"),
        ("SM304", 4, "fail", "warning"),
    ]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "my%20specs/toggle.sm"},
        "region": {"startLine": 15, "startColumn": 3},
    }
    (flow,) = results[0]["codeFlows"]
    steps = [one["location"]["message"]["text"] for one in flow["threadFlows"][0]["locations"]]
    assert steps == [
        "00:00:00.000 H Switch: press (in On)",
        "00:00:00.000 H Switch: press (in Broken)",
    ]
    assert run["invocations"] == [
        {"executionSuccessful": True, "exitCode": 1, "toolExecutionNotifications": []}
    ]


def test_fingerprints_outlive_a_change_of_line(toggled: tuple[Loaded, CiReport]) -> None:
    below = load_source(Source("my specs/toggle.sm", "# a remark\n" + TOGGLE))
    moved = verify_checks(below, api.verify(below.system), times=False, version="1")
    before, after = valid(toggled[1])["results"], valid(moved)["results"]
    assert [one["locations"][0]["physicalLocation"]["region"]["startLine"] for one in after] == [
        one["locations"][0]["physicalLocation"]["region"]["startLine"] + 1 for one in before
    ]
    assert [one["partialFingerprints"] for one in after] == [
        one["partialFingerprints"] for one in before
    ]
    assert len({str(one["partialFingerprints"]) for one in before}) == 3


def test_junit_has_a_case_for_each_check(toggled: tuple[Loaded, CiReport]) -> None:
    root = ET.fromstring(junit(toggled[1]))
    assert root.attrib == {
        "name": "rhscheck verify", "tests": "5", "failures": "2", "errors": "0", "skipped": "1",
    }  # fmt: skip
    cases = [
        (suite.get("name"), case.get("name"), next(iter(case)).tag)
        for suite in root
        for case in suite
    ]
    assert cases == [
        ("toggle.rules", "Good", "system-out"),
        ("toggle.rules", "Bad", "failure"),
        ("toggle.rules", "Sad", "system-out"),
        ("toggle.scenarios", "Twice", "failure"),
        ("toggle.findings", "SM304 Switch.Nowhere", "skipped"),
    ]
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.text.startswith("it never <breaks> & stays whole\nexpected proved, but Bad")
    assert "2. 00:00:00.000 H Switch: press (in Broken) (my specs/toggle.sm:8)" in failure.text


def test_junit_tells_times_only_where_they_are_known() -> None:
    root = ET.fromstring(junit(made(check(seconds=0.25), check(id="R2", seconds=0.5), check())))
    assert [case.get("time") for case in root.iter("testcase")] == ["0.250", "0.500", None]
    assert root.get("time") == "0.750"


def test_junit_survives_what_xml_cannot_hold() -> None:
    text = 'a\x00b\x1b[31m "c" <d> &e\ud800 \ufffe'
    root = ET.fromstring(junit(made(check(message=text + "\nsecond line", status="undecided"))))
    error = root.find(".//error")
    assert error is not None
    shown = 'a\ufffdb\ufffd[31m "c" <d> &e\ufffd \ufffd\nsecond line'
    assert error.get("message") == shown
    assert error.text == shown


def test_refused_input_is_an_error_and_no_result() -> None:
    refused = check(
        group="t.jsonl",
        id="judged",
        status="refused",
        kind="refused",
        message="t.jsonl is <no> trace",
        place=Place("t.jsonl"),
    )
    report = replace(made(refused, check()), exit=2)
    root = ET.fromstring(junit(report))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "1", "1")
    case = root[0][0]
    assert case.attrib == {
        "name": "judged", "classname": "toggle.t.jsonl", "file": "t.jsonl",
    }  # fmt: skip
    assert (case[0].tag, case[0].attrib, case[0].text) == (
        "error",
        {"type": "refused", "message": "t.jsonl is <no> trace"},
        "t.jsonl is <no> trace",
    )
    run = valid(report)
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["R1"]
    assert [one["ruleId"] for one in run["results"]] == ["R1"]
    assert run["invocations"] == [
        {
            "executionSuccessful": False,
            "exitCode": 2,
            "toolExecutionNotifications": [
                {
                    "level": "error",
                    "message": {"text": "t.jsonl is <no> trace"},
                    "locations": [{"physicalLocation": {"artifactLocation": {"uri": "t.jsonl"}}}],
                }
            ],
        }
    ]


def test_a_log_that_is_refused_is_in_the_report_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = b"00000df4.00000c04::2009/10/17-19:20:47.093 ERR   [RHS] Enqueuing Arbitrate call.\n"
    Path("a.log").write_bytes(line)
    reason = "cannot read the log no.log: No such file or directory"
    for names in (("no.log", "a.log"), ("no.log",)):
        for kind in ("sarif", "junit"):
            asked = ("audit", *names, "--format", kind, "-o", kind)
            done = CliRunner().invoke(cli, asked, standalone_mode=False, catch_exceptions=False)
            assert (done.return_value, done.stdout) == (2, "")
            assert done.stderr == f"error: {reason}\n"
        run = valid_run(Path("sarif").read_bytes())
        assert run["invocations"] == [
            {
                "executionSuccessful": False,
                "exitCode": 2,
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": {"text": reason},
                        "locations": [
                            {"physicalLocation": {"artifactLocation": {"uri": "no.log"}}}
                        ],
                    }
                ],
            }
        ]
        groups = {one["properties"]["group"] for one in run["results"]}
        assert groups == set(names) - {"no.log"}
        root = ET.fromstring(Path("junit").read_bytes())
        assert (root.get("failures"), root.get("errors")) == ("0", "1")
        assert [suite.get("name") for suite in root] == [f"logs.{name}" for name in names]
        (case,) = root[0]
        assert case.attrib == {"name": "judged", "classname": "logs.no.log", "file": "no.log"}
        (error,) = case
        assert (error.tag, error.attrib, error.text) == (
            "error",
            {"type": "refused", "message": reason},
            reason,
        )


def test_github_annotations(toggled: tuple[Loaded, CiReport]) -> None:
    lines = github(toggled[1]).decode().splitlines()
    assert lines[0] == (
        "::error file=my specs/toggle.sm,line=15,col=3,title=Bad%3A violated::"
        "expected proved, but Bad is violated for N=1 in 2 steps%0A"
        "it never <breaks> & stays whole%0A"
        "1. 00:00:00.000 H Switch: press (in On) (my specs/toggle.sm:5)%0A"
        "2. 00:00:00.000 H Switch: press (in Broken) (my specs/toggle.sm:8)"
    )
    assert [line.partition(" ")[0] for line in lines] == [
        "::error", "::error", "::warning", "rhscheck",
    ]  # fmt: skip
    assert lines[-1] == "rhscheck verify toggle: 2 passed, 2 failed, 1 warning; exit 1"


def test_github_escapes_what_would_end_a_command() -> None:
    report = made(
        check(
            id="R,1:2",
            message="100%\r\n::error::no",
            place=Place("a,b:c\\d.sm", 3),
            flow=tuple(FlowStep("s") for _ in range(GITHUB_FLOW + 2)),
        )
    )
    line, last = github(replace(report, subject="##[x]\n::stop")).decode().splitlines()
    head = "::error file=a%2Cb%3Ac/d.sm,line=3,title=R%2C1%3A2%3A violated::"
    assert line.startswith(head + "100%25%0D%0A::error::no%0A1. s%0A")
    assert line.endswith("%0A50. s%0A… and 2 more steps")
    assert last == "rhscheck verify # #[x] ::stop: 1 failed; exit 1"


def test_github_shows_what_a_terminal_would_obey() -> None:
    report = made(check(message="a\x1b[1mb", place=Place("[red]e\x1b[1m.log", 3)))
    line, _ = github(report).decode().splitlines()
    assert line.startswith("::error file=[red]e\\x1b[1m.log,line=3,title=")
    assert "::a\\x1b[1mb" in line


def test_the_worst_come_first_and_what_is_skipped_is_not_annotated() -> None:
    report = made(
        check(id="A", status="warning"),
        check(id="B", status="skipped"),
        check(id="C", status="undecided"),
        check(id="D"),
    )
    lines = github(report).decode().splitlines()
    assert [line.partition(" title=")[2][:1] for line in lines[:-1]] == ["D", "A", "C"]
    results = valid(report)["results"]
    assert [(one["ruleId"], one["kind"], one["level"]) for one in results] == [
        ("D", "fail", "error"), ("A", "fail", "warning"), ("C", "open", "none"),
        ("B", "fail", "note"),
    ]  # fmt: skip


def test_sarif_keeps_to_githubs_limits_and_says_so() -> None:
    long = check(
        id="R0",
        sentence="x" * 2000,
        flow=tuple(FlowStep(f"step {k}") for k in range(MAX_FLOW + 5)),
        place=Place("t.jsonl"),
    )
    many = (check(status="warning", subject=str(k)) for k in range(MAX_RESULTS))
    log = json.loads(sarif(made(*many, long)))
    (run,) = log["runs"]
    assert len(run["results"]) == MAX_RESULTS
    first = run["results"][0]
    assert first["ruleId"] == "R0"
    assert len(first["codeFlows"][0]["threadFlows"][0]["locations"]) == MAX_FLOW
    assert first["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "t.jsonl"}}}]
    assert len(run["tool"]["driver"]["rules"][1]["fullDescription"]["text"]) == MAX_DESCRIPTION
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert [one["message"]["text"] for one in notes] == [
        "1 more results were left out: GitHub takes 25000",
        "R0: 5 of its 1005 steps were left out: GitHub shows 1000",
    ]


def test_sarif_takes_names_that_are_no_unicode() -> None:
    run = valid(made(check(message="caf\udce9", place=Place("caf\udce9.sm", 1))))
    assert run["results"][0]["message"]["text"] == "caf?"
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "caf%3F.sm"
    }


@pytest.mark.parametrize(
    ("path", "kind", "uri"),
    [
        ("specs/a b.sm", PurePosixPath, "specs/a%20b.sm"),
        ("/tmp/ä#1.sm", PurePosixPath, "file:///tmp/%C3%A4%231.sm"),
        ("specs\\a.sm", PureWindowsPath, "specs/a.sm"),
        ("C:\\specs\\a b.sm", PureWindowsPath, "file:///C:/specs/a%20b.sm"),
        ("a\\b.sm", PurePosixPath, "a%5Cb.sm"),
    ],
)
def test_paths_are_uris(
    path: str, kind: type[PurePosixPath] | type[PureWindowsPath], uri: str
) -> None:
    assert artifact_uri(path, kind) == uri


def test_a_finding_is_an_error_only_where_it_counts() -> None:
    found = Finding("timelock", "T", "time can stop", error=True)
    assert finding_check(found, counts=True).status == "failed"
    assert finding_check(found, counts=False).status == "warning"


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", HASH_SEED_RUN],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "77")
    ]
    assert runs[0].count(b"Mutex") > 5
    assert runs[1:] == [runs[0]] * 2
