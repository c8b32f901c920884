"""Every engine, enumeration and the replayer against each other on drawn Systems.

With clocks, shared machines and several instances. A disagreement becomes a spec of its own in
`test_verdict_regressions`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from agreement import asked_here, disagreements, liveness, recorded, safety
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_systems import Shape, assumptions, fair_rules, rules, systems

from rhscheck.checker.paranoid import Excluded, Reached

# A drawn System may keep an engine busy for a while; what hangs is still ended.
pytestmark = pytest.mark.timeout(600)

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@given(st.data())
@settings(max_examples=8, suppress_health_check=SLOW)
def test_safety_without_clocks(monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    asked_here(monkeypatch)
    system = data.draw(systems(Shape(clocks=0)))
    rule = data.draw(rules(system, most_params=2))
    assert not safety(system, rule, range(4))


@given(st.data())
@settings(max_examples=12, suppress_health_check=SLOW)
def test_safety_with_clocks(monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    asked_here(monkeypatch)
    system = data.draw(systems(Shape(clocks=2, diagonals=data.draw(st.booleans()))))
    rule = data.draw(rules(system, timed=data.draw(st.booleans())))
    assert not safety(system, rule, range(4))


@given(st.data())
@settings(max_examples=8, suppress_health_check=SLOW)
def test_safety_for_every_number(monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    """Independent instances, so that the argument for every N has something to say."""
    asked_here(monkeypatch)
    system = data.draw(systems(Shape(clocks=2, references=False, pairs=False)))
    rule = data.draw(rules(system))
    system = replace(system, assumptions=(data.draw(assumptions(system)),))
    assert not safety(system, rule, range(4))


@given(st.data())
@settings(max_examples=6, suppress_health_check=SLOW)
def test_liveness_without_clocks(monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    asked_here(monkeypatch)
    system, rule = data.draw(fair_rules(systems(Shape(clocks=0))))
    assert not liveness(system, rule, 1_500)


@given(st.data())
@settings(max_examples=5, suppress_health_check=SLOW)
def test_liveness_with_clocks(monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    asked_here(monkeypatch)
    system, rule = data.draw(fair_rules(systems(Shape(clocks=2))))
    assert not liveness(system, rule, 1_500)


@given(st.data())
@settings(max_examples=40, suppress_health_check=SLOW)
def test_the_replayer_judges_runs_as_the_rule_is_defined(data: st.DataObject) -> None:
    system = data.draw(systems(Shape(clocks=2, calls=False)))
    rule = data.draw(rules(system, kinds=("never", "within", "early")))
    assert not recorded(system, rule, data.draw(st.integers(1, 2)), range(3))


# ---- what counts as a disagreement ---------------------------------------------------------------
def test_what_contradicts_what() -> None:
    run = Reached("bmc", "R", 2, 3)
    some = Reached("a random run", "R", 2, None)
    assert disagreements([run, some]) == ""
    assert "but" in disagreements([some, Excluded("spacer", "R", 2, None)])
    assert "but" in disagreements([some, Excluded("local", "R", None, None)])
    assert disagreements([some, Excluded("bmc", "R", 2, 8)]) == ""
    assert disagreements([some, Excluded("spacer", "R", 1, None)]) == ""
    assert "but" in disagreements([run, Reached("zones", "R", 2, 4)])
