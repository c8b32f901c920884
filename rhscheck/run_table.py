"""The live table of a run: which columns fit into how many columns of a terminal.

Owns the widths: what says how a resource is stays readable on 80 columns, names are shortened
first, and the reason gets what is left. Pure functions; drawing is `rhscheck.run_view`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

HEADS: Final = ("group", "resource", "state", "since", "failures", "monitor", "pid", "because")
GAP: Final = 2  # blanks between columns
_BECAUSE: Final = len(HEADS) - 1
# What may be shortened, and to what at least: names, and if that is not enough the rest.
_LEAST: Final = ({0: 5, 1: 8, 5: 7}, {2: 10, 4: 5})
_LEAST_BECAUSE: Final = 10


def widths(rows: Sequence[Sequence[str]], columns: int) -> list[int]:
    """The width of each column of HEADS in a terminal of so many columns; 0: it is left out.

    The widest name loses first. The reason goes where there is no room for it.
    """
    wanted = [max(len(head), *(len(row[at]) for row in rows)) for at, head in enumerate(HEADS)]
    shown = wanted[:_BECAUSE]
    for leasts in _LEAST:
        while sum(shown) + GAP * (len(shown) - 1) > columns:
            longer = [at for at, least in leasts.items() if shown[at] > least]
            if not longer:
                break
            shown[max(longer, key=lambda at: shown[at])] -= 1
    left = columns - sum(shown) - GAP * len(shown)
    return [*shown, min(left, wanted[_BECAUSE]) if left >= _LEAST_BECAUSE else 0]


def shortened(text: str, width: int) -> str:
    """The text in so many columns, with a sign where something is missing."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
