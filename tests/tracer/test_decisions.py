"""What the host decides where the documents do not has one name, in the code and in the page."""

from __future__ import annotations

import re
from pathlib import Path

from rhscheck import api
from rhscheck.tracer import rcm_core, rhs_core

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"
CODE = f"{rhs_core.__doc__}\n{rcm_core.__doc__}"


def named_in_the_page() -> set[str]:
    _, _, section = PAGE.read_text(encoding="utf-8").partition("## What the host decides")
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    return {name for row in rows[1:] for name in re.findall(r"[A-Za-z]+", row)}


def test_each_decision_has_the_same_name_in_the_page_and_in_the_code() -> None:
    named = named_in_the_page()
    assert [name for name in sorted(named) if not re.search(rf"\b{name}\b", CODE)] == []
    heads = re.findall(r"^([A-Z][A-Za-z]+)(?: = \w+)?(?:, StragglerBlocks)?:", CODE, re.MULTILINE)
    assert [name for name in heads if name not in named] == []
    assert (len(named), len(heads)) == (23, 18)


def test_the_readings_among_them_are_those_of_the_spec() -> None:
    spec = api.load("rhs").system
    assert {one.name for one in spec.readings if one.name in named_in_the_page()} == {
        *("ExpiredCallHoldsLane", "Serialisation", "HandleSignal", "CheckPoint"),
        *("IssuesTerminate", "LooksAliveFailure", "PollOrder", "DependencyOrder"),
    }


def test_the_spec_names_those_that_are_no_reading_where_it_decides_them() -> None:
    source = (Path(__file__).parents[2] / "spec" / "library" / "rhs.sm").read_text(encoding="utf-8")
    comments = " ".join(line.partition("#")[2] for line in source.splitlines())
    shared = (
        *("EarlyStatus", "StaleStatus", "LateReturn", "TerminateOvertakes", "DeadlineTie"),
        *("CrashOfShared", "ControlsInProgress", "StragglerBlocks", "DyingHost", "TooEarly"),
    )
    for text in (comments, PAGE.read_text(encoding="utf-8")):
        assert [one for one in shared if not re.search(rf"\b{one}\b", text)] == []
