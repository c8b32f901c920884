"""Timed examples from the literature, with the verdicts that were published."""

from __future__ import annotations

import pytest

from rhscheck.checker.verdict import ProvedForEvery, Violated
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.load import load


def test_the_railroad_crossing_is_safe_and_opens_again() -> None:
    report = verify(load("train_gate").system)
    assert report.exit == 0
    assert report.findings == ()
    verdicts = {result.rule.id: result.verdict for result in report.results}
    assert isinstance(verdicts.pop("TooTight"), Violated)
    assert list(verdicts) == ["Safe", "Opens", "Tight", "Again"]
    assert all(isinstance(verdict, ProvedForEvery) for verdict in verdicts.values())


@pytest.mark.parametrize(
    ("setting", "value", "safe"),
    [
        ("Lowering", "60s", True),  # down two minutes after the signal; nobody is in before
        ("Lowering", "61s", False),
        ("SignalAhead", "119s", False),
        ("React", "59s", True),
    ],
)
def test_a_second_decides(setting: str, value: str, safe: bool) -> None:
    system = load("train_gate", {setting: value}).system
    (result,) = verify(system, Options(rules=("Safe",), findings=False)).results
    assert isinstance(result.verdict, ProvedForEvery if safe else Violated)
