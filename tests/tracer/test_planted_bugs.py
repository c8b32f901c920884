"""The kill matrix of the docs is what replay finds today, and every planted bug is in it."""

from __future__ import annotations

from pathlib import Path

from planted_bugs import BUGS, CLUSTER, kill_at

from rhscheck.simulated_runs import spec_for

MATRIX = Path(__file__).parents[2] / "docs" / "kill-matrix.md"


def test_the_kill_matrix_holds() -> None:
    lines = MATRIX.read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]
    written = {row[0]: (int(row[3]), row[4], row[5], row[6]) for row in rows}
    judge = spec_for(CLUSTER)
    kills = {bug.name: kill_at(bug, judge, written[bug.name][0]) for bug in BUGS}
    found = {
        name: (kill.seed, ", ".join(kill.rules), kill.actor, kill.event)
        for name, kill in kills.items()
        if kill is not None
    }
    assert found == written


def test_each_bug_is_killed_by_a_rule_it_breaks() -> None:
    lines = MATRIX.read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]
    named = {row[0]: row[4].split(", ") for row in rows}
    wrong = [bug.name for bug in BUGS if not set(bug.rules) & set(named[bug.name])]
    assert (len(BUGS), wrong) == (41, [])
