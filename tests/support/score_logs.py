"""Corpus C of the scorecard: the published excerpts of cluster.log, as they are and damaged.

Owns what is done to them and what must be true then. Nobody is accused by a rule; nobody is blamed
for an incident that the whole log does not blame on the same one; what changes only how the lines
are written (UTF-16, collapsed spaces) changes nothing that is read.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import msgspec
from score_corpora import Count

from rhscheck.spec.system import System
from rhscheck.traces.audit.audit import audit_log
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.report import LogReport
from rhscheck.traces.format import Event
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LegacyFormat

LOGS = Path(__file__).parents[1] / "traces" / "logs"

# As translations of web pages leave lines behind: a word here and there, longer ones first.
GERMAN = (
    (b"OnlinePending", b"Online ausstehend"), (b"timed out", b"hat das Zeitlimit erreicht"),
    (b"Resource", b"Ressource"), (b"resource", b"Ressource"), (b"Offline", b"Offlineschaltung"),
    (b"offline", b"offline geschaltet"), (b"Online", b"Onlineschaltung"), (b"Call ", b"Aufruf "),
    (b"Failed", b"Fehlgeschlagen"), (b"failed", b"fehlgeschlagen"), (b"result", b"Ergebnis"),
    (b"called", b"rief auf"), (b"has indicated failure", b"hat einen Fehler angezeigt"),
    (b" for ", " für ".encode()), (b"INFO", b"INFORMATION"), (b"WARN", b"WARNUNG"),
    (b"ERR ", b"FEHLER "), (b"-->", "→".encode()),
)  # fmt: skip


def _interleaved(lines: list[bytes], at: int) -> list[bytes]:
    half, other = len(lines[at]) // 2, len(lines[at + 1]) // 2
    first = lines[at][:half] + lines[at + 1][:other]
    return [*lines[:at], first, lines[at][half:], lines[at + 1][other:], *lines[at + 2 :]]


def _other_zone(lines: list[bytes], at: int) -> list[bytes]:
    """From a line on all hours are later by one."""

    def later(match: re.Match[bytes]) -> bytes:
        return match[1] + b"%02d" % ((int(match[2]) + 1) % 24)

    return [*lines[:at], *(re.sub(rb"(\d{4}/\d\d/\d\d-)(\d\d)", later, one) for one in lines[at:])]


def _translated(lines: list[bytes], at: int) -> list[bytes]:
    """From a line on every word for which there is a translation is translated."""
    text = b"\n".join(lines[at:])
    for word, other in GERMAN:
        text = text.replace(word, other)
    return [*lines[:at], *text.split(b"\n")]


def _half_translated(lines: list[bytes], at: int) -> list[bytes]:
    """A third of the words is translated, everywhere."""
    text = b"\n".join(lines)
    for word, other in GERMAN[at % 3 :: 3]:
        text = text.replace(word, other)
    return text.split(b"\n")


def _whole(lines: list[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


OPERATORS: dict[str, Callable[[list[bytes], int], bytes]] = {
    "as published": lambda lines, _: _whole(lines),
    "UTF-16": lambda lines, _: _whole(lines).decode().encode("utf-16"),
    "collapsed spaces": lambda lines, _: re.sub(rb"  +", b" ", _whole(lines)),
    "truncated last line": lambda lines, at: b"\n".join(lines[: at + 1])[:-7],
    "duplicated block": lambda lines, at: _whole([*lines, *lines[at:]]),
    "lost lines": lambda lines, at: _whole([*lines[:at], *lines[at + 2 :]]),
    "interleaved partial lines": lambda lines, at: _whole(_interleaved(lines, at)),
    "wrong time zone": lambda lines, at: _whole(_other_zone(lines, at)),
    "translated text": lambda lines, at: _whole(_translated(lines, at)),
    "words translated": lambda lines, at: _whole(_half_translated(lines, at)),
}
ONCE = ("as published", "UTF-16", "collapsed spaces")  # whatever the place
SAME = ("UTF-16", "collapsed spaces")


@dataclass(frozen=True)
class Read:
    """What was read from a log: its events wherever they stand, and who is blamed for what."""

    events: tuple[Event, ...]
    blamed: frozenset[tuple[str, str | None, str | None]]
    violated: tuple[str, ...]


def read(data: bytes, court: Court) -> Read:
    """The audit of a log. Raises LegacyFormat."""
    events: list[Event] = []
    report = audit_log(BytesIO(data), file="log", number=0, court=court, keep=events.append)
    bare = tuple(msgspec.structs.replace(one, src=None) for one in events)
    violated = (str(one) for one in report.judgement.findings if one.verdict == "violated")
    return Read(bare, _blamed(report), tuple(violated))


def _blamed(report: LogReport) -> frozenset[tuple[str, str | None, str | None]]:
    return frozenset(
        (one.kind, one.resource, one.blame) for one in report.incidents if one.blame is not None
    )


def published_logs(system: System, chance: random.Random, each: int) -> dict[str, Count]:
    """Every published excerpt, as it is and damaged at `each` places."""
    court = Court(load_map("clusterlog"), lambda: system)
    rows = {name: Count() for name in OPERATORS}
    for path in sorted(LOGS.glob("*.log")):
        text = path.read_bytes().splitlines()
        lines = [one for one in text if not one.startswith((b"# source:", b"# note:"))]
        try:
            whole = read(_whole(lines), court)
        except LegacyFormat:
            whole = None
        for name, damage in OPERATORS.items():
            for _ in range(1 if name in ONCE else each):
                at = chance.randrange(max(len(lines) - 1, 1))
                data = damage([*lines, b""] if len(lines) == 1 else lines, at)
                wrong = list(_wrong(name, data, whole, court))
                where = f"{path.name} at {at}"
                rows[name].tell(where, right=not wrong, why="; ".join(wrong))
    return rows


def _wrong(name: str, data: bytes, whole: Read | None, court: Court) -> Iterator[str]:
    """What is not as it should be; `whole` None: an old format, which is refused by that name."""
    try:
        found = read(data, court)
    except LegacyFormat:
        if whole is not None:
            yield "refused as an old format"
        return
    known = whole or Read((), frozenset(), ())
    yield from (f"accused: {one}" for one in found.violated)
    yield from (f"blamed: {one}" for one in sorted(map(str, found.blamed - known.blamed)))
    if name in SAME and found != known:
        yield f"{len(found.events)} events, not the {len(known.events)} of the whole log"
    if whole is None and name in ("as published", *SAME):
        yield "an old format is not refused"
