"""`verify --what-if`: thresholds and intervals, as text and as JSON.

Owns the wording and layout, and the course of the command. Decides nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import click

from rhscheck import api, terminal
from rhscheck.checker.verify import Options
from rhscheck.options import Out
from rhscheck.texts import counted, fitted, json_bytes
from rhscheck.what_if import Answer, Interval, WhatIf, parse_range, what_if


def show_what_if(
    out: Out,
    spec: str,
    settings: Mapping[str, str],
    asked: str,
    options: Options,
    points: int,
    jobs: int,
    began: float,
) -> int:
    """Look for the thresholds, write the report; the exit status: 0, or 3 where one is open.

    `began`: by `time.time`.
    """
    if out.ci is not None:
        raise click.UsageError("--what-if has the formats text and json")
    width = terminal.width(out.path)
    with terminal.progress(f"verify {spec}: reading", quiet=out.quiet) as say:
        loaded = api.load(spec, settings)
        of = parse_range(loaded, asked)
        if of.name in settings:
            raise api.InputError(f"{of.name} is both --set and asked about; leave one out")
        found = what_if(
            spec, loaded, settings, of, options,
            points=points, jobs=jobs, progress=say, began=began,
        )  # fmt: skip
    status = 3 if any(_open(one) for one in found.answers) else 0
    if out.json:
        out.write(what_if_json(found, status), inputs=[spec])
    else:
        out.write(what_if_text(found, width, quiet=out.quiet), inputs=[spec])
    return status


def _open(answer: Answer) -> bool:
    return any(one.cell.verdict in ("unknown", "bounded") for one in answer.intervals)


def what_if_json(found: WhatIf, status: int) -> bytes:
    """For each rule its intervals; times in microseconds."""
    return json_bytes(
        "verify",
        {
            "spec": found.system.name,
            "what_if": {
                "parameter": found.range.name,
                "low": found.range.low,
                "high": found.range.high,
                "is_time": found.range.is_time,
                "grid": list(found.grid),
                "verifications": found.verifications,
                "results": [
                    {
                        "id": answer.rule,
                        "monotone": answer.monotone,
                        "intervals": [
                            {
                                "low": one.low,
                                "high": one.high,
                                "verdict": one.cell.verdict,
                                "n": one.cell.n,
                                "reason": one.cell.reason,
                            }
                            for one in answer.intervals
                        ],
                    }
                    for answer in found.answers
                ],
            },
            "exit": status,
        },
    )


def what_if_text(found: WhatIf, width: int | None = None, *, quiet: bool = False) -> str:
    """Rules whose verdict flips, with the thresholds; then those that stay; then what was done."""
    of = found.range
    flips = [one for one in found.answers if len(one.intervals) > 1]
    last = (
        f"{found.system.name}: {of.name} from {of.text(of.low)} to {of.text(of.high)}: "
        f"{counted(len(flips), 'verdict')} of {len(found.answers)} "
        f"{'flips' if len(flips) == 1 else 'flip'}; "
        f"{counted(len(found.grid), 'point')} in the grid, "
        f"{counted(found.verifications, 'verification')}"
    )
    if quiet:
        return last + "\n"
    lines: list[str] = []
    for answer in flips:
        lines += [
            line for text in _thresholds(found, answer) for line in fitted(text, width, "      ")
        ]
    stay: dict[str, list[str]] = {}
    for answer in found.answers:
        if len(answer.intervals) == 1:
            stay.setdefault(_words(answer.intervals[0]), []).append(answer.rule)
    for words, rules in stay.items():
        lines += fitted(f"{words} at every value looked at: {', '.join(rules)}", width)
    if _has_gaps(found):
        text = "between two values looked at that agree, others were not: --grid looks at more"
        lines += fitted(text, width)
    return "\n".join([*lines, "", last]) + "\n"


def _has_gaps(found: WhatIf) -> bool:
    """Whether there are values of the range that nobody looked at."""
    return any(high - low > 1 for low, high in itertools.pairwise(found.grid))


def _words(one: Interval) -> str:
    cell = one.cell
    if cell.verdict in ("proved", "impossible"):
        return cell.words
    return cell.verdict  # lengths may differ within an interval


def _thresholds(found: WhatIf, answer: Answer) -> Iterator[str]:
    """Each interval with its bounds; between neighbours there is no other value."""
    of = found.range
    many = "" if answer.monotone else f" ({len(answer.intervals)} intervals: not monotone)"
    yield click.style(answer.rule, bold=True) + many
    for number, one in enumerate(answer.intervals):
        low, high = _bounds(answer, number, of.is_time)
        start = "" if number == 0 else f"{of.name} {low[0]} {of.text(low[1])}"
        end = "" if number == len(answer.intervals) - 1 else f"{of.name} {high[0]} "
        end += of.text(high[1]) if end else ""
        color = "green" if one.cell.holds else "yellow" if one.cell.holds is None else "red"
        told = " and ".join(part for part in (start, end) if part)
        yield f"    {click.style(_words(one), fg=color)} for {told}"


def _bounds(answer: Answer, number: int, is_time: bool) -> tuple[tuple[str, int], tuple[str, int]]:
    """The interval as comparisons: the rounder of two neighbouring values is the threshold."""
    one = answer.intervals[number]
    low, high = (">=", one.low), ("<=", one.high)
    if is_time and number > 0 and _rounder(answer.intervals[number - 1].high, one.low):
        low = (">", answer.intervals[number - 1].high)
    last = number == len(answer.intervals) - 1
    if is_time and not last and not _rounder(one.high, answer.intervals[number + 1].low):
        high = ("<", answer.intervals[number + 1].low)
    return low, high


def _rounder(one: int, other: int) -> bool:
    """Whether `one` is a multiple of more than `other` is."""
    return _roundness(one) >= _roundness(other)


def _roundness(value: int) -> int:
    return sum(value % unit == 0 for unit in (1_000, 1_000_000, 60_000_000))
