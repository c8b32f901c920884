"""Transition tables written as text, and checked to be total.

Owns the notation: a head line with states, then one line for each occurrence with one cell a state.
What the words in the cells mean is the business of the core that uses the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Table = Mapping[str, Mapping[str, str]]  # state → occurrence → cell

_NAME_WIDTH = 25


def parse(states: Sequence[str], *grids: str) -> Table:
    """The table that the grids spell together.

    Raises ValueError where a cell, row or state is missing or unknown: a table with holes is never
    run, because what nobody wrote down nobody has decided.
    """
    table: dict[str, dict[str, str]] = {state: {} for state in states}
    for grid in grids:
        head, *rows = grid.strip("\n").splitlines()
        named = head.split()
        for row in rows:
            occurrence, cells = row[:_NAME_WIDTH].strip(), row[_NAME_WIDTH:].split()
            if len(cells) != len(named):
                raise ValueError(f"`{occurrence}` has {len(cells)} cells for {len(named)} states")
            for state, cell in zip(named, cells, strict=True):
                if state not in table or occurrence in table[state]:
                    raise ValueError(f"`{state}` is unknown, or has `{occurrence}` twice")
                table[state][occurrence] = cell
    wanted = {name for row in table.values() for name in row}
    for state, filled in table.items():
        if missing := sorted(wanted - set(filled)):
            raise ValueError(f"`{state}` has no cell for {', '.join(missing)}")
    return table


def changed(table: Table, state: str, occurrence: str, cell: str) -> Table:
    """`table` with another cell. Raises KeyError if there is no such cell."""
    if occurrence not in table[state]:
        raise KeyError(occurrence)
    return {**table, state: {**table[state], occurrence: cell}}
