"""The live table of a run: which columns fit into how many columns of a terminal.

Owns the widths: what says how a resource is stays readable on 80 columns, names are shortened
first, and the reason gets what is left. Pure functions; drawing is `rhscheck.run_view`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

HEADS: Final = ("group", "resource", "state", "since", "failures", "monitor", "pid", "because")
STATE: Final = HEADS.index("state")
GAP: Final = 2  # blanks between columns
_BECAUSE: Final = len(HEADS) - 1
# What may be shortened, and to what at least: names, and if that is not enough the rest.
_LEAST: Final = ({0: 5, 1: 8, 5: 7}, {2: 10, 4: 5})
_LEAST_BECAUSE: Final = 14
# What goes before the reason goes: the number of a process, then the name of a group.
_SPARED: Final = ((), (6,), (6, 0))


def widths(rows: Sequence[Sequence[str]], columns: int) -> list[int]:
    """The width of each column of HEADS in a terminal of so many columns; 0: it is left out.

    The widest name loses first, then the process and the group are left out; only where there is
    still no room for the reason it goes itself.
    """
    wanted = [max(len(head), *(len(row[at]) for row in rows)) for at, head in enumerate(HEADS)]
    least = min(wanted[_BECAUSE], _LEAST_BECAUSE)
    for spared in _SPARED:
        kept = [0 if at in spared else width for at, width in enumerate(wanted[:_BECAUSE])]
        shown = _narrowed(kept, columns - least - GAP, _LEAST[:1])
        left = columns - _total(shown) - GAP
        if left >= least:
            return [*shown, min(left, wanted[_BECAUSE])]
    return [*_narrowed(wanted[:_BECAUSE], columns, _LEAST), 0]


def _narrowed(
    wanted: Sequence[int], columns: int, leasts: Sequence[Mapping[int, int]]
) -> list[int]:
    """The widths, made less until they fit, as far as they may be."""
    shown = list(wanted)
    for least_of in leasts:
        while _total(shown) > columns:
            longer = [at for at, least in least_of.items() if shown[at] > least]
            if not longer:
                break
            shown[max(longer, key=lambda at: shown[at])] -= 1
    return shown


def _total(shown: Sequence[int]) -> int:
    kept = [width for width in shown if width]
    return sum(kept) + GAP * (len(kept) - 1)


def shortened(text: str, width: int) -> str:
    """The text in so many columns, with a sign where something is missing."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
