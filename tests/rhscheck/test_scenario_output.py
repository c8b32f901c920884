"""What `verify` prints about scenarios, in full."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from poll_spec import POLL

from rhscheck.cli import main

STORIES = """
scenario Good "a session" allowed { call Start; return Start(success) }
scenario Bad "a second start" allowed {
  call Start
  call Start
}
scenario Late "an answer after 11 s" allowed {
  call Start
  wait 11s
  return Start(success)
}
scenario Wrong "it runs at once" allowed { call Start; assert in Running }
scenario Early "refused too early" forbidden { call Poll; call Start }
scenario Never "no second start" forbidden { call Start; call Start }
scenario Fine "a start is forbidden" forbidden { call Start }
scenario Crowd "too many" allowed with N = 65 { call Start }
"""


Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verify:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("poll.sm").write_text(POLL + STORIES, encoding="utf-8")

    def command(*options: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["verify", "poll.sm", "--no-times", *options])
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, capsys.readouterr().out

    return command


NAMES = ("Good", "Bad", "Late", "Wrong", "Early", "Never", "Fine", "Crowd")


def test_text(verify: Verify) -> None:
    status, text = verify(*(part for name in NAMES for part in ("--rule", name)))
    start = text.index("scenario Good")
    assert status == 1
    assert text[start : text.index("\n\n", start)].splitlines() == [
        "scenario Good   allowed, as it says                     a session",
        "scenario Bad    refused at step 2 (poll.sm:72)          a second start",
        "    why: Worker[1]: call Start is not possible",
        "    possible: Process in Up; Worker[1] in Starting.Calling, Start in flight",
        "    unmet: Worker.state[1] = Idle (is Starting.Calling); "
        "Worker.call.Start[1] = idle (is running)",
        "scenario Late   refused at step 2 (poll.sm:76)          an answer after 11 s",
        "    why: 11s cannot pass",
        "    possible: Process in Up; Worker[1] in Starting.Calling, Start in flight",
        "    unmet: Worker.call.Start.clock[1] of RHS comes after 10s",
        "scenario Wrong  assertion fails at step 2 (poll.sm:79)  it runs at once",
        "    why: the assertion is false",
        "    possible: Process in Up; Worker[1] in Starting.Calling, Start in flight",
        "    unmet: Worker.state[1] = Running (is Starting.Calling)",
        "scenario Early  refused already at step 1 (poll.sm:80)  refused too early",
        "    why: Worker[1]: call Poll is not possible",
        "    possible: Process in Up; Worker[1] in Idle",
        "    unmet: Worker.state[1] = Running (is Idle); Worker.due.Poll@Running[1] (is false)",
        "scenario Never  refused at step 2, as it says           no second start",
        "scenario Fine   allowed, though forbidden               a start is forbidden",
        "    it ends in: Process in Up; Worker[1] in Starting.Calling, Start in flight",
        "scenario Crowd  undecided (poll.sm:83)                  too many",
        "    why: more than 64 instances",
    ]
    assert text.splitlines()[-1].startswith("poll: no rules; 8 scenarios; ")
    assert text.splitlines()[-1].endswith("; 5 scenarios not as expected; 1 scenario not played")


def test_what_the_time_out_leaves_is_not_played(verify: Verify) -> None:
    status, text = verify("--rule", "Good", "--rule", "Fine", "--timeout", "0.000001", "--quiet")
    assert status == 3
    assert text.endswith("; 2 scenarios not played\n")
    assert "as expected" not in text


def test_rules_and_scenarios_not_as_expected(verify: Verify) -> None:
    status, text = verify("--rule", "C1", "--rule", "Good", "--quiet")
    assert status == 0
    assert text.startswith("poll: 1 witnessed; 1 scenario; ")
    assert text.endswith("; as expected\n")
    status, text = verify("--rule", "L1", "--rule", "Bad", "--quiet")
    assert status == 1
    assert text.endswith("; 1 rule and 1 scenario not as expected\n")


def test_json(verify: Verify) -> None:
    status, text = verify("--rule", "Bad", "--rule", "Never", "--rule", "Crowd", "--format", "json")
    found = json.loads(text)
    assert (status, found["exit"], found["results"]) == (1, 1, [])
    bad, never, crowd = found["scenarios"]
    assert bad == {
        "id": "Bad",
        "sentence": "a second start",
        "expected": "allowed",
        "n": 1,
        "outcome": "refused",
        "step": 2,
        "line": 72,
        "reason": "Worker[1]: call Start is not possible",
        "possible": ["Process in Up; Worker[1] in Starting.Calling, Start in flight"],
        "unmet": [
            "Worker.state[1] = Idle (is Starting.Calling); Worker.call.Start[1] = idle (is running)"
        ],
        "exit": 1,
        "where": {"path": "poll.sm", "line": 70, "column": 1},
    }
    assert (never["expected"], never["outcome"], never["step"], never["exit"]) == (
        "forbidden",
        "refused",
        2,
        0,
    )
    assert (crowd["outcome"], crowd["reason"], crowd["line"], crowd["exit"]) == (
        "undecided",
        "more than 64 instances",
        83,
        3,
    )
