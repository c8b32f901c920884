"""Hard limits, several engines at once, all engines against each other."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from rhscheck.checker import engines, paranoid, race, session
from rhscheck.checker.answer import Answer, Task
from rhscheck.checker.budget import Budget
from rhscheck.checker.paranoid import Disagreement, Excluded, Fact, Reached, contradictions
from rhscheck.checker.process import ChildFailure, own_memory_mb
from rhscheck.checker.race import Question
from rhscheck.checker.verdict import ProvedFor, Unknown, sentence
from rhscheck.checker.verify import OptionError, Options, Report, verify
from rhscheck.spec.expr import Happens
from rhscheck.spec.load import load_source
from rhscheck.spec.rules import AssumptionError
from rhscheck.spec.source import Source
from rhscheck.spec.system import Assumption, Never, Param, System

# Instances depend on each other, so there is no argument for every N. Far is far away.
DOORS = """\
spec doors "Doors that look at each other"

actors { plugin P }

machine Door[i in 1..N] {
  var a : 0..40 = 0
  var b : 0..40 = 0
  initial state Shut {
    by P: open when (forall j in Door: (not in j.Open)) -> Open
    by P: more when a <= 39 { a = a + 1 }
    by P: less when a >= 1 { a = a - 1, b = a }
  }
  state Open { by P: shut when (forall j in Door: (j.a <= 40)) -> Shut }
}

rules {
  rule One "one at a time": never in i.Open and in j.Open for distinct i, j in Door
  rule Soon "a small number": never i.a == 2 and j.a == 1 for distinct i, j in Door
  rule Far "large numbers": never i.b == 38 and j.b == 39 and i.a == 7 for distinct i, j in Door
}
"""


LOADED_S = 2.0  # what a busy machine may add; how well the time is kept is measured elsewhere


def doors(text: str = DOORS) -> System:
    return load_source(Source("doors.sm", text)).system


def quietly(_line: str) -> None:
    pass


def verdicts(report: Report) -> dict[str, str]:
    return {one.rule.id: sentence(one.verdict) for one in report.results}


# ---- limits --------------------------------------------------------------------------------------
def test_without_a_limit_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    report = session.run(doors(), Options(rules=("One",), n=2), quietly)
    assert verdicts(report) == {"One": "proved for N=2"}


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    options = Options(rules=("One", "Soon"), n=2, timeout_s=60.0, memory_mb=own_memory_mb() + 500)
    lines: list[str] = []
    report = session.run(doors(), options, lines.append)
    assert verdicts(report) == {"One": "proved for N=2", "Soon": "violated for N=2 in 3 steps"}
    assert report.options == options
    assert any("enumeration" in line for line in lines)


def test_the_time_is_kept_and_what_was_found_is_told() -> None:
    began = time.monotonic()
    options = Options(n=3, timeout_s=3.0, engine="bmc", depth=1000)
    report = session.run(doors(), options, quietly)
    assert time.monotonic() - began < 3.0 + LOADED_S
    assert verdicts(report)["Far"].startswith("unknown (time-out after 3 s")
    assert report.exit in (1, 3)


def test_what_does_not_listen_is_killed_and_its_answers_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "_JOB", "child_jobs:stubborn_session")
    began = time.monotonic()
    lines: list[str] = []
    report = session.run(doors(), Options(n=2, timeout_s=5.0), lines.append)
    assert 4.5 < time.monotonic() - began < 5.0 + LOADED_S
    assert lines == ["at work"]
    assert verdicts(report) == {
        "One": "proved for N=2",
        "Soon": "unknown (time-out after 5 s)",
        "Far": "unknown (time-out after 5 s)",
    }
    assert report.exit == 3


def test_options_are_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(OptionError, match="there is no rule `Zwei`"):
        session.run(doors(), Options(rules=("Zwei",), timeout_s=5.0), quietly)


def test_an_assumption_that_cannot_be_relied_on_is_no_bug() -> None:
    still = Never(Happens("event", "open", None, "i"))
    promise = Assumption("A", "nobody opens", "Nobody", (Param("i", "Door"),), still)
    with pytest.raises(AssumptionError, match="only Nobody is assumed to keep to it"):
        session.run(replace(doors(), assumptions=(promise,)), Options(n=2, timeout_s=30.0), quietly)


def test_a_bug_in_the_process_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_JOB", "child_jobs:stubborn_session")
    with pytest.raises(ChildFailure, match="AssertionError"):
        session.run(doors(), Options(n=2, memory_mb=own_memory_mb() + 500), quietly)


# ---- several engines -----------------------------------------------------------------------------
def task(system: System, budget: float | None = None) -> Task:
    return Task(system, system.rules, (), 2, 6, 1_000, Budget(budget), quietly)


def questions(system: System) -> list[Question]:
    return [Question(rule, (2,), 0, ("a note",)) for rule in system.rules]


def test_the_first_definite_answer_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "TABLE", engines.TABLE[:2])  # two that need not agree on Far
    system = doors()
    found = race.race(task(system), questions(system), None)
    assert {name: sentence(answer.verdict) for name, answer in found.items()} == {
        "One": "proved for N=2",
        "Soon": "violated for N=2 in 3 steps",
        "Far": "no violation up to depth 6 for N=2",
    }
    far = found["Far"]
    assert far.engine == "bmc"
    assert far.notes[0] == "a note"
    assert far.notes[1].startswith("zones: enumeration, N=2: ")


def test_an_engine_that_is_late_is_ended_and_one_that_dies_loses_one_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(race, "_JOB", "child_jobs:entrant")
    system = doors()
    began = time.monotonic()
    found = race.race(task(system), questions(system), None)
    assert time.monotonic() - began < 30
    assert {name: answer.engine for name, answer in found.items()} == dict.fromkeys(
        ("One", "Soon", "Far"), "bmc"
    )


def test_verify_starts_engines_only_for_what_a_quick_look_leaves_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def raced(_task: Task, open_ones: list[Question], memory_mb: float | None) -> dict[str, Answer]:
        assert memory_mb is None
        asked.extend(one.rule.id for one in open_ones)
        return {one.rule.id: Answer(Unknown("nobody knows"), "bmc") for one in open_ones}

    monkeypatch.setattr("rhscheck.checker.verify.race", raced)
    report = verify(doors(), Options(n=2, jobs=2, findings=False))
    assert asked == ["Far"]
    assert verdicts(report)["Far"] == "unknown (nobody knows)"
    asked.clear()
    verify(doors(), Options(rules=("Soon",), n=2, jobs=2, findings=False))
    assert asked == []


def test_every_engine_of_the_table_is_an_engine_of_verify() -> None:
    for engine in engines.TABLE:
        report = verify(doors(), Options(rules=("Soon",), n=2, engine=engine.name, depth=4))
        assert sentence(report.results[0].verdict) == "violated for N=2 in 3 steps", engine.name


# ---- all against each other ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Reached("a", "R", 2, 3), Excluded("b", "R", None, None), False),
        (Reached("a", "R", 2, 3), Excluded("b", "R", 2, None), False),
        (Reached("a", "R", 2, 3), Excluded("b", "R", 1, None), True),
        (Reached("a", "R", 2, 3), Excluded("b", "R", 2, 2), True),
        (Reached("a", "R", 2, 3), Excluded("b", "R", 2, 3), False),
        (Reached("a", "R", 2, 3), Reached("b", "R", 2, 4), False),
        (Reached("a", "R", 2, 3), Reached("b", "R", 2, 3), True),
        (Reached("a", "R", 2, 3), Reached("b", "R", 1, 4), True),
        (Reached("a", "R", 2, None), Excluded("b", "R", 2, 9), True),
        (Reached("a", "R", 2, None), Excluded("b", "R", None, None), False),
        (Reached("a", "R", 2, 3), Excluded("b", "S", None, None), True),
        (Excluded("a", "R", 2, 3), Excluded("b", "R", None, None), True),
    ],
)
def test_what_two_engines_may_say(one: Fact, other: Fact, both: bool) -> None:
    assert list(contradictions([one, other])) == ([] if both else [(one, other)])
    assert list(contradictions([other, one])) == ([] if both else [(other, one)])


def test_all_engines_and_plain_enumeration_agree() -> None:
    options = Options(rules=("Soon",), depth=5, jobs=2, paranoid=True, findings=False)
    report = session.run(doors(), options, quietly)
    assert verdicts(report) == {"Soon": "violated for N=2 in 3 steps"}
    assert report.results[0].notes[-1].startswith("all engines were asked; zones, bmc, ")
    assert report.results[0].notes[-1].endswith(", enumeration answered, and nobody disagrees")
    assert report.options == options


def test_a_disagreement_is_a_bug_with_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: object) -> Report:
        report = verify(*arguments)  # type: ignore[arg-type]
        proved = replace(report.results[0], verdict=ProvedFor(2), engine="local")
        return replace(report, results=(proved,))

    monkeypatch.setattr(paranoid, "verify", wrong)
    options = Options(rules=("Soon",), n=2, depth=3, jobs=2, paranoid=True, findings=False)
    with pytest.raises(Disagreement, match="engines disagree") as bug:
        session.run(doors(), options, quietly)
    assert "local: Soon is excluded for N=2" in bug.value.contradictions
    assert "enumeration: Soon is reached for N=2 in 3 steps" in bug.value.contradictions
