"""Runs the test lines inside a mapping.

Owns the comparison of what the samples are read as with what they must be read as, and which rules
no sample reaches.
"""

from __future__ import annotations

from io import BytesIO

import msgspec

from rhscheck.traces.logmap.language import KEYS, LogMap, Sample, Told, told
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
        got = _as_asked(_read_lines(logmap, sample, used), sample.expected)
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


class _Read(msgspec.Struct, frozen=True):
    """An event as the rule tells it, and with the resource that the beginning of its line names."""

    told: Told
    whole: Told


def _read_lines(logmap: LogMap, sample: Sample, used: set[int]) -> list[_Read]:
    """The events of a sample's lines, as a log of these lines alone; fills in the rules used."""
    reader = LogReader(logmap)
    data = ("\n".join(sample.lines) + "\n").encode("utf-8")
    found: list[_Read] = []
    for sighting in reader.read(BytesIO(data)):
        if sighting.reading.rule is not None:
            used.add(sighting.reading.rule)
        for event in sighting.reading.told:
            one = _Read(event, _with_res(event, sighting.res))
            if not (event.once and found and found[-1].whole == one.whole):
                found.append(one)
    return found


def _with_res(event: Told, res: str | None) -> Told:
    if res is None or event.res is not None or "res" not in KEYS[event.kind]:
        return event
    return told(event.kind, {**dict(event.keys), "res": res}, inferred=event.inferred)


def _as_asked(read: list[_Read], expected: tuple[Told, ...]) -> tuple[Told, ...]:
    """What was read, less the resources of beginnings where the event that is expected has none."""
    return tuple(
        one.told if at < len(expected) and expected[at].res is None else one.whole
        for at, one in enumerate(read)
    )


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
