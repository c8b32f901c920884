"""Runs the test lines inside a mapping.

Owns the comparison of what the samples are read as with what they must be read as, and which rules
no sample reaches.
"""

from __future__ import annotations

from io import BytesIO

import msgspec

from rhscheck.traces.logmap.language import LogMap, Sample, Told
from rhscheck.traces.logmap.read import LogReader


class Failure(msgspec.Struct, frozen=True):
    """A sample that is read as something else. `line`: of its first `log` line in the mapping."""

    line: int
    log: tuple[str, ...]
    expected: tuple[str, ...]
    got: tuple[str, ...]


class MapResult(msgspec.Struct, frozen=True):
    """The result for one mapping. `untested`: the lines of rules that no sample uses."""

    path: str
    samples: int
    rules: int
    failures: tuple[Failure, ...]
    untested: tuple[int, ...]


def check_map(logmap: LogMap) -> MapResult:
    """Read every sample of the mapping."""
    failures = []
    used: set[int] = set()
    for sample in logmap.samples:
        got = read_sample_lines(logmap, sample, used)
        if got != sample.expected:
            failures.append(
                Failure(
                    sample.line,
                    sample.lines,
                    tuple(map(told_text, sample.expected)) or ("nothing",),
                    tuple(map(told_text, got)) or ("nothing",),
                )
            )
    untested = tuple(rule.line for rule in logmap.rules if rule.line not in used)
    return MapResult(logmap.path, len(logmap.samples), len(logmap.rules), tuple(failures), untested)


def read_sample_lines(logmap: LogMap, sample: Sample, used: set[int]) -> tuple[Told, ...]:
    """The events of a sample's lines, as a log of these lines alone; fills in the rules used."""
    reader = LogReader(logmap)
    data = ("\n".join(sample.lines) + "\n").encode("utf-8")
    found: list[Told] = []
    for sighting in reader.read(BytesIO(data)):
        if sighting.reading.rule is not None:
            used.add(sighting.reading.rule)
        for told in sighting.reading.told:
            if not (told.once and found and found[-1] == told):
                found.append(told)
    return tuple(found)


def told_text(told: Told) -> str:
    """An event as it is written behind `is`."""
    words = [str(told.kind)]
    for key, value in told.keys:
        text = str(value)
        if not text or set(text) & set(' "=') or "\\" in text:
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            text = f'"{escaped}"'
        words.append(text if key == "op" else f"{key}={text}")
    return " ".join([*words, "inferred"] if told.inferred else words)
