"""Scenarios as part of a verification: which are played, under what, and what they count for."""

import pytest
from poll_spec import POLL

from rhscheck.checker.verify import OptionError, Options, Report, verify
from rhscheck.spec.load import load, load_source
from rhscheck.spec.scenarios import Allowed, Refused, Undecided
from rhscheck.spec.source import Source
from rhscheck.spec.system import System

STORIES = """\
scenario Good "a session" allowed { call Start; return Start(success); wait 5s; call Poll }
scenario Bad "a second start" allowed { call Start; call Start }
scenario Never "no poll fails (D1)" forbidden {
  call Start; return Start(success); wait 5s; call Poll; return Poll(failure)
}
scenario Pair "two of them" allowed { Worker[2]: call Start; Worker[1]: call Start }
"""


def polled(stories: str = STORIES) -> System:
    return load_source(Source("poll.sm", POLL + stories)).system


def only(*names: str, **others: object) -> Report:
    return verify(polled(), Options(rules=names, findings=False, **others))  # type: ignore[arg-type]


def outcomes(report: Report) -> dict[str, tuple[str, int]]:
    return {p.scenario.id: (type(p.outcome).__name__, p.status) for p in report.scenarios}


def test_scenarios_are_chosen_by_their_id() -> None:
    report = only("Pair", "Good")
    assert (report.results, report.comparisons) == ((), ())
    assert outcomes(report) == {"Good": ("Allowed", 0), "Pair": ("Allowed", 0)}
    assert report.exit == 0


def test_rules_alone_play_no_scenario() -> None:
    report = only("R1")
    assert [result.rule.id for result in report.results] == ["R1"]
    assert report.scenarios == ()
    assert report.exit == 0


def test_without_a_choice_all_are_played() -> None:
    report = verify(polled(), Options(engine="local", findings=False))
    assert outcomes(report) == {
        "Good": ("Allowed", 0),
        "Bad": ("Refused", 1),
        "Never": ("Refused", 0),
        "Pair": ("Allowed", 0),
    }
    assert report.exit == 1


def test_a_scenario_that_does_otherwise_is_a_violation() -> None:
    report = only("Bad", "R1")
    assert report.exit == 1
    (played,) = report.scenarios
    assert isinstance(played.outcome, Refused)
    assert (played.outcome.step, played.ground is not None) == (2, True)


def test_scenarios_hold_under_the_assumptions_relied_on() -> None:
    assert outcomes(only("Never")) == {"Never": ("Refused", 0)}
    report = only("Never", without=("D1",))
    assert outcomes(report) == {"Never": ("Allowed", 1)}
    assert report.exit == 1


def test_too_many_instances_and_no_time_left_are_undecided() -> None:
    system = polled('scenario Crowd "too many" allowed with N = 65 { call Start }\n')
    report = verify(system, Options(rules=("Crowd",), findings=False))
    assert report.exit == 3
    (played,) = report.scenarios
    assert (played.outcome, played.ground) == (
        Undecided(played.scenario.span, "more than 64 instances"),
        None,
    )
    report = only("Good", timeout_s=1e-9)
    (played,) = report.scenarios
    assert isinstance(played.outcome, Undecided)
    assert (played.outcome.reason, report.exit) == ("time-out after 1e-09 s", 3)


def test_progress_says_what_is_played() -> None:
    lines: list[str] = []
    verify(polled(), Options(rules=("Good", "Pair"), findings=False), lines.append)
    assert "playing 2 scenarios" in lines


def test_an_unknown_name_may_be_meant_as_a_scenario() -> None:
    with pytest.raises(OptionError, match="there is no rule or scenario `Goood`") as caught:
        only("Goood")
    assert "Good" in caught.value.known


def test_rhs_does_what_its_scenarios_say() -> None:
    system = load("rhs").system
    names = tuple(scenario.id for scenario in system.scenarios)
    report = verify(system, Options(rules=names, findings=False))
    allowed = [p.scenario.id for p in report.scenarios if isinstance(p.outcome, Allowed)]
    assert (len(names), report.exit) == (48, 0)
    assert allowed == list(names[:28])
