"""The tables of both cores are total, and a table with a hole is refused."""

from __future__ import annotations

from typing import get_args

import pytest

from rhscheck.tracer.events import ResourceState
from rhscheck.tracer.rcm_table import RCM_TABLE, RcmState
from rhscheck.tracer.rhs_table import TABLE
from rhscheck.tracer.table import changed, parse

GRID = """
                         A     B
start                    run   .
stop                     .     end
"""


def test_every_state_has_a_cell_for_every_occurrence() -> None:
    assert tuple(TABLE) == get_args(ResourceState)
    assert {len(row) for row in TABLE.values()} == {22}
    assert tuple(RCM_TABLE) == get_args(RcmState)
    assert {len(row) for row in RCM_TABLE.values()} == {16}


def test_a_grid_is_read_by_rows_and_columns() -> None:
    assert parse(("A", "B"), GRID) == {
        "A": {"start": "run", "stop": "."},
        "B": {"start": ".", "stop": "end"},
    }


def test_a_missing_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="`stop` has 1 cells for 2 states"):
        parse(("A", "B"), GRID.replace("end", ""))


def test_a_missing_state_is_refused() -> None:
    with pytest.raises(ValueError, match="`C` has no cell for start, stop"):
        parse(("A", "B", "C"), GRID)


def test_an_unknown_state_and_a_second_row_are_refused() -> None:
    with pytest.raises(ValueError, match="`B` is unknown, or has `start` twice"):
        parse(("A",), GRID)
    with pytest.raises(ValueError, match="`A` is unknown, or has `start` twice"):
        parse(("A", "B"), GRID, GRID)


def test_one_cell_can_be_changed() -> None:
    table = changed(TABLE, "Offline", "Open", "open")
    assert (table["Offline"]["Open"], TABLE["Offline"]["Open"]) == ("open", "refuse")
    with pytest.raises(KeyError):
        changed(TABLE, "Offline", "Opening", "open")
