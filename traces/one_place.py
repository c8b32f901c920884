"""Repairs at one place of a longer stretch of lines: what one cause has done to all that follows.

A wrong result that was possible by itself, a burst of lines that was lost, a block that was written
twice: the cause stands in one place, and what it makes of the lines after it may look like several
faults. At each line up to the first that is not possible, this search tries one edit of any kind
(`traces.alignment`), several events inserted, or several lines dropped in a row, and follows the
lines after it as they stand; an inserted event may be one of them that stands in the wrong place.

That is less than an alignment may do and takes a few steps where that takes thousands. Nothing is
said of repairs at several places. Owns this search and its limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from rhscheck.traces.alignment import MOST_TIES, Aligner, Path, untimed
from rhscheck.traces.edits import Alignment, SeenLine
from rhscheck.traces.follow import Follower

# How much is tried, in steps of sets of at most _SMALL states each, and how many beginnings of a
# burst are gone on with at one place.
_MOST_EFFORT: Final = 30_000
_SMALL: Final = 8
_MOST_BEGINNINGS: Final = 150
# A line that stands in the wrong place is at most so many lines away: two lines of the same kind
# further apart, one missing and one too many, are rather two faults.
_FARTHEST_MOVE: Final = 6


class _TooMuchError(Exception):
    """The effort is spent."""


@dataclass(slots=True)
class OnePlace:
    """Searches with the moves of an aligner."""

    aligner: Aligner
    _effort: int = 0
    # Places from which the lines as they stand lead nowhere.
    _dead: set[object] = field(default_factory=set)

    def search(self, start: Follower, lines: Sequence[SeenLine], most_edits: int) -> Alignment:
        """The repairs of `lines` from `start` with the fewest edits at one place.

        `cost` None: there is none with at most `most_edits`, or it was not found within the limits.
        Raises TooManyStates.
        """
        self._effort, self._dead = 0, set()
        try:
            return self._search(self._prefix(start, lines), lines, most_edits)
        except _TooMuchError:
            return Alignment(None, complete=False)

    def _prefix(self, start: Follower, lines: Sequence[SeenLine]) -> list[Path]:
        """Where the unit is before each line until one is not possible, the nearest first."""
        path: Path | None = Path(0, self.aligner.begun(start))
        prefix: list[Path] = []
        while path is not None and path.follower.node.items and path.at < len(lines):
            prefix.append(path)
            path = None if lines[path.at].odd else self._step(path, lines[path.at])
        return prefix[::-1]

    def _search(
        self, prefix: Sequence[Path], lines: Sequence[SeenLine], most_edits: int
    ) -> Alignment:
        # What was begun at each place so far: (weight, path) with as many edits as in the round.
        begun: list[list[tuple[int, Path]]] = [[(0, path)] for path in prefix]
        for edits in range(1, most_edits + 1):
            best: dict[object, tuple[int, Path]] = {}
            for at, beginnings in enumerate(begun):
                longer: dict[object, tuple[int, Path]] = {}
                for weight, path in beginnings:
                    for more, tried in self._begun(path, lines, single=edits == 1):
                        if len(tried.edits) != edits:
                            continue
                        end = self._followed(tried, lines)
                        found = weight + more, tried if end is None else end
                        if end is not None:
                            best.setdefault(tuple(untimed(edit) for edit in end.edits), found)
                        elif len(longer) < _MOST_BEGINNINGS:
                            longer.setdefault(_here(tried), found)
                begun[at] = [one for one in longer.values() if _is_burst(one[1])]
            if best:
                least = min(weight for weight, _ in best.values())
                ends = [path for weight, path in best.values() if weight == least][:MOST_TIES]
                ways = tuple(path.edits for path in ends)
                return Alignment(edits, True, ways, tuple(path.follower for path in ends))
        return Alignment(None)

    def _begun(
        self, path: Path, lines: Sequence[SeenLine], *, single: bool
    ) -> Iterator[tuple[int, Path]]:
        """One edit more at the place: any as the first one, then more of the same kind."""
        if path.at >= len(lines):
            return
        further: Iterable[tuple[int, Path]]
        if single:
            for one in self.aligner.edited(path, lines):
                self._spend(path)
                yield one
            further = chain(
                self.aligner.earlier_onward(path, lines),
                self.aligner.inserted(path, lines, elsewhere=True),
            )
        elif path.edits[-1].kind == "insert":
            further = self.aligner.inserted(path, lines, elsewhere=False)
        else:
            further = (one for one in self.aligner.edited(path, lines) if _is_drop(one[1]))
        for one in further:
            self._spend(path)
            yield one

    def _followed(self, path: Path, lines: Sequence[SeenLine]) -> Path | None:
        """The path to the end of the lines as they stand; None if they do not lead there."""
        passed = []
        until = path.at + _FARTHEST_MOVE if _may_move(path) else -1
        while path.at < len(lines):
            movable = _may_move(path) and path.at <= until
            key = _here(path), path.edits[0].label if movable else None, until
            if key in self._dead:
                break
            passed.append(key)
            line = lines[path.at]
            after = None if line.odd else self._step(path, line)
            after = after or (self._moved(path, lines) if movable else None)
            if after is None:
                break
            path = after
        else:
            return path
        self._dead.update(passed)
        return None

    def _moved(self, path: Path, lines: Sequence[SeenLine]) -> Path | None:
        """The line is the one that was inserted before, or stands where the dropped one belongs."""
        line, (edit,) = lines[path.at], path.edits
        if edit.kind == "insert":
            there = path.follower.copy()
            if line.kind != "own" or edit.label not in line.labels:
                return None
            return self.aligner.dropped(path, there, line) if there.advance(
                line.time, line.late
            ) and not there.node.some else None  # fmt: skip
        for _, tried in self.aligner.inserted(path, lines, elsewhere=False):
            self._spend(path)
            if tried.edits[0].kind == "move" and len(tried.edits) == 1:
                return self._step(tried, line)
        return None

    def _step(self, path: Path, line: SeenLine) -> Path | None:
        self._spend(path)
        return self.aligner.kept(path, line)

    def _spend(self, path: Path) -> None:
        self._effort += 1 + len(path.follower.node.items) // _SMALL
        if self._effort > _MOST_EFFORT:
            raise _TooMuchError


def _here(path: Path) -> object:
    """What decides how the lines after it go on."""
    follower = path.follower
    return (
        path.at, follower.node, follower.times, follower.lates, follower.now, follower.late
    )  # fmt: skip


def _is_burst(path: Path) -> bool:
    """Whether all edits insert something, or all drop lines."""
    return len({edit.kind for edit in path.edits}) == 1 and path.edits[0].kind in ("insert", "drop")


def _is_drop(path: Path) -> bool:
    return path.edits[-1].kind == "drop"


def _may_move(path: Path) -> bool:
    """Whether what was done may be half of a move."""
    return len(path.edits) == 1 and path.edits[0].kind in ("insert", "drop")
