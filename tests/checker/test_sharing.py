"""Two processes that share the rules: the same answers, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hosted import RULES, hosted

from rhscheck.checker import sharing
from rhscheck.checker.answer import Task
from rhscheck.checker.budget import Budget
from rhscheck.checker.every_n import EveryN
from rhscheck.checker.sharing import SecondProcess, second_share
from rhscheck.checker.verdict import Violated, Witnessed, sentence
from rhscheck.checker.verify import Options, Report, verify
from rhscheck.spec.load import load
from rhscheck.spec.system import System


def task(system: System) -> Task:
    return Task(system, system.rules, (), None, 4, 20_000, Budget(None), lambda _line: None)


@pytest.fixture
def always_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_ENOUGH_RULES", 1)
    monkeypatch.setattr(sharing, "_ENOUGH_TRANSITIONS", 1)


def shown(report: Report) -> list[tuple[str, str, object]]:
    """Each verdict with what a user sees of it; not which rules were woven in beside it."""
    return [
        (
            result.rule.id,
            sentence(result.verdict),
            result.verdict.evidence.run if isinstance(result.verdict, Violated | Witnessed) else (),
        )
        for result in report.results
    ]


def test_small_specs_stay_in_one_process() -> None:
    assert second_share(task(load("fischer").system)) == ()


def test_a_large_spec_is_shared() -> None:
    shared = second_share(task(load("rhs").system))
    assert [rule.id for rule in shared][:2] == ["B1[Offline]", "B2[Onlining.Pending]"]


@pytest.mark.usefixtures("always_shared")
def test_two_processes_find_by_bounded_checking_what_one_does() -> None:
    system = hosted(rules=RULES)
    assert second_share(task(system), bounded=True)
    two = verify(system, Options(n=3, engine="bmc", depth=8, jobs=2))
    one = verify(system, Options(n=3, engine="bmc", depth=8, jobs=1))
    assert shown(two) == shown(one)
    assert {sentence(result.verdict) for result in one.results} >= {
        "no violation up to depth 8 for N=3"
    }
    assert two.exit == one.exit


@pytest.mark.usefixtures("always_shared")
def test_two_processes_answer_what_one_does() -> None:
    system = hosted(rules=RULES)
    shared = [rule.id for rule in second_share(task(system))]
    assert shared == ["opens_in_time", "opens_too_soon"]
    alone, together = verify(system), verify(system, Options(jobs=2))
    assert shown(together) == shown(alone)
    assert [one.sentence for one in together.findings] == [one.sentence for one in alone.findings]


def test_the_other_process_does_the_work() -> None:
    system = hosted(rules=RULES)
    made = task(system)
    with SecondProcess(made, system.rules, None) as second:
        decided = second.result()
    argument = EveryN(made)
    argument.run()
    assert decided is not None
    assert decided.answers.keys() == argument.answers.keys()
    assert set(decided.seconds) == set(argument.seconds)


@pytest.mark.usefixtures("always_shared")
@pytest.mark.parametrize("executable", ["no such program", os.devnull])
def test_without_another_process_all_is_decided_here(
    monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    system = hosted(rules=RULES)
    expected = shown(verify(system))
    monkeypatch.setattr(sys, "executable", executable)
    report = verify(system, Options(jobs=2))
    assert shown(report) == expected


def test_a_process_that_ends_has_no_answer() -> None:
    system = hosted(rules=RULES)
    with SecondProcess(task(system), system.rules, None) as second:
        assert second._process is not None
        second._process.kill()
        assert second.result() is None


FIRST = """
import os, signal, sys
from rhscheck.checker.answer import Task
from rhscheck.checker.budget import Budget
from rhscheck.checker.sharing import SecondProcess
from rhscheck.spec.load import load
from rhscheck.spec.system import LeadsTo

system = load("rhs").system
rules = tuple(rule for rule in system.rules if not isinstance(rule.obligation, LeadsTo))
task = Task(system, rules, system.assumptions, None, 4, 500_000, Budget(None), print)
second = SecondProcess(task, rules, None)
print(second._process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be asked for by number")
def test_the_second_process_ends_when_the_first_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FIRST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as first:
        assert first.stdout is not None
        second = int(first.stdout.readline())
        first.kill()
    for _ in range(200):
        try:
            os.kill(second, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(second, 9)
    pytest.fail("the second process outlived the first")
