"""The shipped spec of the Resource Host Server: every verdict, reading and assumption.

Readings that make resources depend on each other are decided for two instances (SEMANTICS section
5); bench/readings.py does that for all six rules, which takes a minute for each dependency order.
"""

from __future__ import annotations

import pytest

from rhscheck.checker.verdict import (
    Impossible,
    ProvedFor,
    ProvedForEvery,
    Result,
    Verdict,
    Violated,
    Witnessed,
)
from rhscheck.checker.verify import Options, Report, verify
from rhscheck.spec.load import load
from rhscheck.spec.system import Early, LeadsTo, System, Within

EVERY = ProvedForEvery((1, 2))

PROVED = (
    "R1", "R1strict", "R2", "R2last", "R2worker", "R3", "R4", "R4strict", "R5", "R6",
    "P1[onlineSilence]", "P1[offlineSilence]", "P2", "P2stale", "P3", "P4", "P5", "P5other", "P6",
    "P6early", "P6earlyIsAlive", "P6late", "P6lateIsAlive", "P7", "P7every", "P7only", "P10", "P11",
    "B1[Online]", "B1[Offline]", "B2[Onlining.Pending]", "B2[Offlining.Pending]", "B3[Open]",
    "B3[Close]", "B3[Terminate]", "B3[LooksAlive]", "B3[IsAlive]", "B3[ResourceControl]", "B4",
)  # fmt: skip
WITNESSED = {
    "R3can[Online]": 4,
    "R3can[Offline]": 6,
    "R3can[LooksAlive]": 7,
    "R3can[IsAlive]": 9,
    "R3can[ResourceControl]": 6,
    "R6can[Onlining.Pending]": 5,
    "R6can[Offlining.Pending]": 7,
    "P8[Onlining.Pending]": 5,
    "P8[Offlining.Pending]": 7,
    "P9": 4,
}
LIVENESS = ("L1", "L2", "L3")

SIX_RULES = (
    "R1", "R1strict", "R2", "R2last", "R2worker", "R3", "R3can", "R4", "R4strict", "R5", "R5state",
    "R6", "R6can",
)  # fmt: skip


def short(verdict: Verdict) -> str:
    """A verdict with its scope, as the tables below write it."""
    match verdict:
        case ProvedForEvery():
            return "proved"
        case ProvedFor(n):
            return f"proved for {n}"
        case Violated(n, length):
            return f"violated for {n} in {length}"
        case Witnessed(n, length):
            return f"witnessed for {n} in {length}"
        case Impossible(None):
            return "impossible"
        case _:
            return repr(verdict)


def table(results: tuple[Result, ...]) -> dict[str, str]:
    return {result.rule.id: short(result.verdict) for result in results}


# What the spec says of itself under the default readings.
DEFAULT = (
    dict.fromkeys(PROVED, "proved")
    | {name: f"witnessed for 1 in {length}" for name, length in WITNESSED.items()}
    | {"R5state": "violated for 1 in 7"}
    | dict.fromkeys(LIVENESS, "proved")
)


@pytest.fixture(scope="module")
def rhs() -> System:
    return load("rhs").system


@pytest.fixture(scope="module")
def report(rhs: System) -> Report:
    return verify(rhs, Options(jobs=2))


# ---- the default readings ------------------------------------------------------------------------
def test_every_rule_has_its_verdict(report: Report) -> None:
    assert table(report.results) == DEFAULT
    assert [result.rule.id for result in report.results] == [r.id for r in report.system.rules]
    assert (len(PROVED), len(WITNESSED), len(LIVENESS)) == (39, 10, 3)


def test_all_is_as_the_spec_expects(report: Report) -> None:
    assert report.exit == 0
    assert [one.base for one in report.comparisons if one.status != 0] == []
    assert [one.base for one in report.comparisons if one.message] == []


def test_runs_are_shortest_for_any_number_of_instances(report: Report) -> None:
    shown = [r.verdict for r in report.results if isinstance(r.verdict, Violated | Witnessed)]
    assert [verdict.shortest for verdict in shown] == [True] * 11


def test_every_verdict_comes_from_the_argument_for_every_number(report: Report) -> None:
    engines = {result.rule.id: result.engine for result in report.results}
    assert engines == dict.fromkeys(DEFAULT, "local")
    assert all(result.rlimit > 0 for result in report.results if result.verdict == EVERY)


def test_no_finding_is_an_error(report: Report) -> None:
    assert [finding for finding in report.findings if finding.error] == []
    assert {finding.kind for finding in report.findings} == {"never_fired"}


def test_every_scenario_does_what_it_says(report: Report) -> None:
    assert {played.scenario.id: played.status for played in report.scenarios} == {
        scenario.id: 0 for scenario in report.system.scenarios
    }
    allowed = [scenario for scenario in report.system.scenarios if scenario.allowed]
    assert (len(allowed), len(report.system.scenarios)) == (28, 48)


# ---- readings ------------------------------------------------------------------------------------
# What differs from the default readings, one changed at a time, for the six rules.
READINGS = {
    ("ExpiredCallHoldsLane", "yes"): {},
    ("HandleSignal", "callIsAlive"): {"R3can[IsAlive]": "witnessed for 1 in 7"},
    ("HandleSignal", "terminateNow"): {},
    ("CheckPoint", "changedOnly"): {},
    ("TerminateWait", "anyCall"): {},
    ("TerminateWait", "nothing"): {
        "R2worker": "violated for 1 in 7",
        "R4strict": "violated for 1 in 7",
    },
    ("IssuesTerminate", "resourceMonitor"): {},
    ("LooksAliveFailure", "sameCall"): {},
    ("PollOrder", "eitherFirst"): {},
    ("QuickCalls", "promise"): {},
}
FOR_TWO = (
    ("Serialisation", "perDll"),
    ("DependencyOrder", "highestFirst"),
    ("DependencyOrder", "lowestFirst"),
)


def test_the_tables_name_every_reading(rhs: System) -> None:
    alternatives = {
        (reading.name, option)
        for reading in rhs.readings
        for option in reading.options
        if option != reading.default
    }
    assert alternatives == {*READINGS, *FOR_TWO}


@pytest.mark.parametrize(("name", "value"), READINGS)
def test_the_six_rules_under_another_reading(name: str, value: str) -> None:
    system = load("rhs", {name: value}).system
    found = table(verify(system, Options(rules=SIX_RULES, findings=False)).results)
    assert found == {rule: DEFAULT[rule] for rule in found} | READINGS[name, value]
    assert len(found) == 18


def for_two(rule: str) -> str:
    return DEFAULT[rule].replace("for 1", "for 2").replace("proved", "proved for 2")


def test_the_six_rules_for_two_resources_with_calls_serialised_per_dll() -> None:
    system = load("rhs", {"Serialisation": "perDll"}).system
    found = table(verify(system, Options(rules=SIX_RULES, n=2, findings=False)).results)
    assert found == {rule: for_two(rule) for rule in found}
    assert len(found) == 18


@pytest.mark.parametrize("order", ["highestFirst", "lowestFirst"])
def test_rules_for_two_resources_that_depend_on_each_other(order: str) -> None:
    system = load("rhs", {"DependencyOrder": order}).system
    rules = ("R1", "R2", "R3", "R5", "R5state", "R6can")
    found = table(verify(system, Options(rules=rules, n=2, findings=False)).results)
    assert found == {rule: for_two(rule) for rule in found}
    assert len(found) == 7


# ---- assumptions ---------------------------------------------------------------------------------
# What differs without an assumption.
WITHOUT = {
    "D1": {
        "R2worker": "violated for 1 in 7",
        "R4strict": "violated for 1 in 7",
        "P3": "violated for 1 in 5",
    },
    "D2": {},
    "M1": {"R4strict": "violated for 1 in 5"},
    "M2": {"R3can[ResourceControl]": "witnessed for 1 in 4"},
}


def test_the_table_names_every_assumption(rhs: System) -> None:
    bases = dict.fromkeys(assumption.id.partition("[")[0] for assumption in rhs.assumptions)
    assert list(WITHOUT) == list(bases)


def test_quick_calls_are_an_assumption_only_where_they_are_read_as_a_promise() -> None:
    system = load("rhs", {"QuickCalls": "promise"}).system
    bases = dict.fromkeys(assumption.id.partition("[")[0] for assumption in system.assumptions)
    assert list(bases) == ["D1", "D2", "D3", "M1", "M2"]


@pytest.mark.parametrize("assumption", WITHOUT)
def test_what_breaks_without_an_assumption(rhs: System, assumption: str) -> None:
    left_out = [one.id for one in rhs.assumptions if one.id.partition("[")[0] == assumption]
    # Rules with time take two thirds of the seconds, and no assumption is about them.
    rules = tuple(
        rule.id for rule in rhs.rules if not isinstance(rule.obligation, Within | Early | LeadsTo)
    )
    options = Options(rules=rules, without=tuple(left_out), findings=False)
    found = table(verify(rhs, options).results)
    assert found == {rule: (DEFAULT | WITHOUT[assumption])[rule] for rule in rules}
    assert len(found) == 32
