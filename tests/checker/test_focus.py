"""Smaller questions before a bounded search: what they exclude, what they leave to the whole."""

from __future__ import annotations

import pytest

from rhscheck.checker.bmc import NoneUpTo, bounded
from rhscheck.checker.focus import Focus
from rhscheck.checker.model import Model
from rhscheck.spec.load import load


def answers(spec: str, rule: str, n: int, depth: int) -> list[bool]:
    """What is known of each length, up to the first of which it is not."""
    system = load(spec).system
    model = Model(system, [one for one in system.rules if one.id == rule], system.assumptions)
    focus = Focus(model.ground(n), model.formula(rule, n), depth, None)
    found: list[bool] = []
    for length in range(depth + 1):
        found.append(focus.unreached(length))
        if not found[-1]:
            break
    return found


def test_one_instance_excludes_what_no_other_can_bring_about() -> None:
    assert answers("rhs", "R4strict", 2, 8) == [True] * 9


def test_clocks_exclude_what_is_in_reach_without() -> None:
    assert answers("rhs", "P1[onlineSilence]", 2, 7) == [True] * 8


def test_a_run_is_left_to_the_whole() -> None:
    # It has seven steps, all of one resource.
    assert answers("rhs", "R5state", 2, 9) == [True] * 7 + [False]


def test_what_needs_all_instances_is_left_to_the_whole() -> None:
    assert answers("two_phase", "Commits", 2, 12)[-1] is False


def test_out_of_time_nothing_is_known() -> None:
    system = load("rhs").system
    model = Model(system, [one for one in system.rules if one.id == "R2"], system.assumptions)
    focus = Focus(model.ground(2), model.formula("R2", 2), 3, 0.0)
    assert not focus.unreached(0)


@pytest.mark.parametrize("known", [0, 2, 5])
def test_lengths_that_are_known_are_not_searched(known: int) -> None:
    system = load("rhs").system
    model = Model(system, [one for one in system.rules if one.id == "R2"], system.assumptions)
    asked: list[int] = []

    def unreached(length: int) -> bool:
        asked.append(length)
        return length < known

    outcome = bounded(model.ground(1), model.bad, 4, unreached=unreached)
    assert outcome == {"R2": NoneUpTo(4)}
    assert asked == list(range(min(known, 4) + 1))
