"""The live table on terminals of every width."""

from __future__ import annotations

from rhscheck.run_table import GAP, shortened, widths

ROW = (
    *("a-group-with-a-long-name", "web-frontend-long", "OfflineCallIssued", "00:00:12", "4"),
    *("quiet-monitor", "4194304", "the worker reported the failure of Online"),
)


def total(found: list[int]) -> int:
    shown = [width for width in found if width]
    return sum(shown) + GAP * (len(shown) - 1)


def test_all_is_shown_where_there_is_room() -> None:
    assert widths([ROW], 200) == [24, 17, 17, 8, 8, 13, 7, 41]


def test_names_give_way_before_the_state_and_nothing_is_wider_than_the_terminal() -> None:
    assert total(widths([ROW], 80)) == 80
    for columns in range(62, 200):
        assert total(widths([ROW], columns)) <= columns
    assert widths([ROW], 20) == widths([ROW], 62)  # not less than can be read


def test_the_reason_is_there_on_80_columns() -> None:
    """It went first; the number of the process is easier to do without."""
    assert widths([ROW], 80) == [6, 8, 17, 8, 8, 7, 0, 14]
    assert widths([ROW], 75) == [0, 9, 17, 8, 8, 9, 0, 14]
    assert widths([ROW], 68)[-1] == 0


def test_the_reason_gets_what_is_left() -> None:
    short = ("g", "db", "Online", "00:00:12", "0", "shared", "123", "Online succeeded")
    assert widths([short], 80)[-1] == 16
    assert widths([short], 73)[-2:] == [3, 14]
    assert widths([short], 70)[-2:] == [0, 16]


def test_what_is_shortened_shows_it() -> None:
    assert shortened("resource", 8) == "resource"
    assert shortened("resources", 8) == "resourc…"
