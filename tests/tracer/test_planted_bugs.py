"""The kill matrix of the docs is what replay finds today, and every planted bug is in it."""

from __future__ import annotations

import re
from pathlib import Path

from planted_bugs import BUGS, CLUSTER, kill_at

from rhscheck.simulated_runs import spec_for
from rhscheck.spec.load import load

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


def test_every_rule_is_named_by_a_bug_or_said_not_to_be() -> None:
    matrix, _, others = MATRIX.read_text(encoding="utf-8").partition("\n## ")
    rows = [line.strip("| ").split(" | ") for line in matrix.splitlines() if line.startswith("| ")]
    named = {rule for row in rows[1:] for rule in row[4].split(", ")} - {"(event)"}
    heads = re.findall(r"^- \*\*(.*)\*\*: \S", others, re.MULTILINE)
    unnamed = {rule for head in heads for rule in head.split(", ")}
    spec = load("rhs", {"QuickCalls": "promise"}).system  # else D3 is no assumption
    assert named & unnamed == set()
    assumed = {one.id.partition("[")[0] for one in spec.assumptions}
    assert named | unnamed == {one.base for one in spec.rules} | assumed
