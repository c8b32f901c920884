"""At which value of a parameter verdicts flip: `verify --what-if PendingTimeout=1m..10m`.

Owns the search. First a grid of values; where the verdict on a rule differs between two neighbours,
bisection between them, down to the microsecond. With one flip the verdict is monotone on the grid
and the threshold is the answer; with several all intervals are. What happens between two equal
neighbours of the grid is not looked at, and the answer says how fine the grid was.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from rhscheck import api, workers
from rhscheck.checker.verify import Options
from rhscheck.readings import Cell, Limit, cells
from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.spec.load import Loaded
from rhscheck.spec.system import System

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000,
          "d": 86_400_000_000}  # fmt: skip
MAX_POINTS = 1_000


@dataclass(frozen=True, slots=True)
class Range:
    """Values `low` to `high` of a parameter: microseconds where `is_time`, else plain numbers."""

    name: str
    low: int
    high: int
    is_time: bool

    def text(self, value: int) -> str:
        """A value as `--set` takes it."""
        if not self.is_time:
            return str(value)
        for unit in ("h", "m", "s", "ms", "us"):
            if value % _UNITS[unit] == 0:
                return f"{value // _UNITS[unit]}{unit}"
        raise AssertionError("every number of microseconds is one")


@dataclass(frozen=True, slots=True)
class Interval:
    """The verdict is the same at all values looked at from `low` to `high`, both included."""

    low: int
    high: int
    cell: Cell


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one rule: `intervals` in order; between two of them lies a threshold.

    Two intervals are neighbours: one microsecond apart, or 1.
    """

    rule: str
    intervals: tuple[Interval, ...]

    @property
    def monotone(self) -> bool:
        """At most one flip was seen."""
        return len(self.intervals) <= 2


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answers, the range, the values of the grid, and how many verifications it took."""

    system: System
    range: Range
    grid: tuple[int, ...]
    answers: tuple[Answer, ...]
    verifications: int


def parse_range(loaded: Loaded, text: str) -> Range:
    """`NAME=LOW..HIGH`. Raises InputError, with what would be right."""
    found = re.fullmatch(r"\s*(\w+)\s*=\s*(\w+)\s*\.\.\s*(\w+)\s*", text)
    if found is None:
        raise api.InputError(f"`{text}` is not of the form NAME=LOW..HIGH, such as Timeout=1m..10m")
    name = found[1]
    constants = {one.name: one for one in loaded.system.constants}
    if name not in constants:
        known = did_you_mean(name, constants) or "the spec has none that is a number or a time"
        raise api.InputError(f"there is no parameter `{name}`; {known}")
    is_time = constants[name].is_time
    low, high = (_value(part, is_time=is_time) for part in (found[2], found[3]))
    if not low < high:
        raise api.InputError(f"`{text}`: the first value must be less than the second")
    return Range(name, low, high, is_time)


def _value(text: str, *, is_time: bool) -> int:
    found = re.fullmatch(r"(\d{1,18})([a-z]*)", text)
    if found is None or (found[2] not in _UNITS if is_time else found[2] != ""):
        wanted = "a time with its unit, such as 90s" if is_time else "a whole number without unit"
        raise api.InputError(f"`{text}` is not {wanted}")
    return int(found[1]) * _UNITS.get(found[2], 1)


def grid_of(of: Range, points: int) -> tuple[int, ...]:
    """At most `points` values from low to high, evenly spread, on whole units where they fit."""
    span = of.high - of.low
    step = next(
        (size for size in (3_600_000_000, 60_000_000, 1_000_000, 1_000) if of.is_time
         and of.low % size == 0 and of.high % size == 0 and span // size >= points - 1),
        1,
    )  # fmt: skip
    values = [of.low + span * k // (points - 1) // step * step for k in range(points - 1)]
    return tuple(dict.fromkeys([*values, of.high]))


def what_if(
    spec: str,
    loaded: Loaded,
    settings: Mapping[str, str],
    of: Range,
    options: Options,
    *,
    points: int,
    jobs: int,
    progress: Callable[[str], None],
    began: float | None = None,
) -> WhatIf:
    """The verdicts on the rules of `options` over the range. Raises what `api.verify` raises.

    `options.timeout_s` is for all of it, from `began` on (`time.time`): what is open then is not
    decided, and no threshold is looked for any more.
    """
    limit = Limit.of(options.timeout_s, began)
    grid = grid_of(of, points)
    for value in (of.low, of.high):  # what is wrong with the spec there is told at once
        api.load(spec, {**settings, of.name: of.text(value)})
    rules = tuple(dict.fromkeys(options.rules or (rule.base for rule in loaded.system.rules)))
    late = tuple(one.id for one in loaded.system.rules if one.base in rules or one.id in rules)
    search = _Search(spec, dict(settings), of, options, jobs, progress, limit, late)
    search.ask([(value, rules) for value in grid])
    ids = tuple(dict.fromkeys(rule for value in grid for rule in search.known[value]))
    search.refine(ids, grid)
    answers = tuple(Answer(rule, tuple(search.intervals(rule))) for rule in ids)
    return WhatIf(loaded.system, of, grid, answers, search.asked)


class _Search:
    """Verdicts by value and rule, and what is asked next."""

    def __init__(
        self,
        spec: str,
        settings: dict[str, str],
        of: Range,
        options: Options,
        jobs: int,
        progress: Callable[[str], None],
        limit: Limit,
        late: Sequence[str],
    ) -> None:
        self._of = of
        self._limit = limit
        self._undecided = limit.cells(late)
        self._work = partial(_verdicts, spec, settings, of, options, limit, late)
        self._jobs = jobs
        self._progress = progress
        self.known: dict[int, dict[str, Cell]] = {}
        self.asked = 0

    def ask(self, questions: Sequence[tuple[int, tuple[str, ...]]]) -> None:
        """Verify the rules at these values."""
        for (value, _), found in zip(
            questions, workers.each(self._work, questions, self._jobs), strict=True
        ):
            if isinstance(found, str):
                raise api.InputError(found)
            self.asked += found != self._undecided
            self.known.setdefault(value, {}).update({cell.rule: cell for cell in found})
            self._progress(f"{self.asked} verifications: {self._of.name}={self._of.text(value)}")

    def refine(self, rules: Sequence[str], grid: Sequence[int]) -> None:
        """Bisect wherever a verdict flips between neighbours, all rules side by side."""
        open_ = [(rule, low, high) for rule in rules for low, high in self._flips(rule)]
        while open_ and not self._limit.over():
            wanted: dict[int, list[str]] = {}
            for rule, low, high in open_:
                wanted.setdefault(_probe(self._of, low, high), []).append(rule)
            self.ask([(value, tuple(which)) for value, which in sorted(wanted.items())])
            open_ = [(rule, low, high) for rule in rules for low, high in self._flips(rule)]
        for rule, low, high in open_:  # the time is up: where between them it flips is not known
            (cell,) = self._limit.cells([rule])
            for value in {low + 1, high - 1}:
                self.known.setdefault(value, {})[rule] = cell

    def _flips(self, rule: str) -> Iterator[tuple[int, int]]:
        """Neighbours among the values looked at that differ, and have values between them."""
        values = sorted(value for value, found in self.known.items() if rule in found)
        for low, high in itertools.pairwise(values):
            if high - low > 1 and not _same(self.known[low][rule], self.known[high][rule]):
                yield low, high

    def intervals(self, rule: str) -> Iterator[Interval]:
        """The runs of equal verdicts."""
        values = sorted(value for value, found in self.known.items() if rule in found)
        start = values[0]
        for low, high in zip(values, [*values[1:], None], strict=True):
            cell = self.known[start][rule]
            if high is None or not _same(cell, self.known[high][rule]):
                yield Interval(start, low, cell)
                start = high if high is not None else start


def _probe(of: Range, low: int, high: int) -> int:
    """The value to look at between two: on whole seconds first, then right beside one.

    Thresholds mostly lie on whole seconds: then two probes do instead of twenty.
    """
    units = (1_000_000, 1_000, 1) if of.is_time else (1,)
    for unit in units:
        first, last = low // unit + 1, (high - 1) // unit  # multiples strictly between
        if first > last:
            continue
        if unit != units[0] and low % units[0] == 0:
            return low + 1
        if unit != units[0] and high % units[0] == 0:
            return high - 1
        return (first + last) // 2 * unit
    raise AssertionError("there is a whole number between them")


def _same(one: Cell, two: Cell) -> bool:
    """Whether two verdicts say the same about the rule, but for lengths and depths."""
    return (one.verdict, one.n if one.verdict == "proved" else None) == (
        two.verdict, two.n if two.verdict == "proved" else None,
    )  # fmt: skip


def _verdicts(
    spec: str,
    settings: dict[str, str],
    of: Range,
    options: Options,
    limit: Limit,
    late: Sequence[str],
    question: tuple[int, tuple[str, ...]],
) -> tuple[Cell, ...] | str:
    """One verification, in whatever process; or why the options do not fit.

    `late`: the rules that are not decided if there is no time for it.
    """
    value, rules = question
    if limit.over():
        return limit.cells(late)
    system = api.load(spec, {**settings, of.name: of.text(value)}).system
    wanted = replace(options, rules=rules)
    try:
        report = api.verify(
            system,
            rules=wanted.rules,
            without=wanted.without,
            n=wanted.n,
            depth=wanted.depth,
            timeout_s=limit.left(),
            engine=wanted.engine,
            findings=False,
        )
    except api.InputError as error:
        return str(error)
    return tuple(cells(report.results))
