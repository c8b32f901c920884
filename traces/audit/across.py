"""Where a resource went: what the logs of several nodes say about it, one after the other.

Each node writes its own log, and a resource that moves goes on in another one. Owns the putting in
order of its moments by the clocks of the nodes, where those can be compared: dated, in UTC, and
never set back. The clocks of two nodes may still differ, so this order is shown and nothing is
concluded from it; nobody is accused across logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from rhscheck.traces.audit.model import Entry
from rhscheck.traces.audit.report import LogReport


class Stay(msgspec.Struct, frozen=True):
    """Moments of a resource that one log tells, none of another log between them."""

    report: LogReport
    first: Entry
    last: Entry


class Journey(msgspec.Struct, frozen=True):
    """A resource of which several logs tell. `ordered`: their clocks can be compared."""

    resource: str
    ordered: bool
    stays: tuple[Stay, ...]


def journeys(reports: Sequence[LogReport]) -> list[Journey]:
    """The journeys of all resources that more than one node tells of, in the order of names.

    Of a long timeline the last part is known only, so a stay may have begun before.
    """
    if len({report.node or report.file for report in reports}) < 2:
        return []
    told: dict[str, list[tuple[LogReport, Sequence[Entry]]]] = {}
    for report in reports:
        for resource in report.resources:
            if timeline := resource.timeline:
                told.setdefault(resource.name, []).append((report, timeline))
    found = []
    for name, parts in sorted(told.items()):
        # Two logs of one node are two recordings of one place.
        if len({report.node or report.file for report, _ in parts}) < 2:
            continue
        if all(_comparable(report, timeline) for report, timeline in parts):
            found.append(Journey(name, True, _merged(parts)))
        else:
            stays = [Stay(report, timeline[0], timeline[-1]) for report, timeline in parts]
            found.append(Journey(name, False, tuple(stays)))
    return found


def _comparable(report: LogReport, timeline: Sequence[Entry]) -> bool:
    if report.about.local_time or not report.tally.dated:
        return False
    times = [entry.time_us for entry in timeline if entry.time_us is not None]
    return len(times) == len(timeline) and all(one <= two for one, two in pairwise(times))


def _merged(parts: Sequence[tuple[LogReport, Sequence[Entry]]]) -> tuple[Stay, ...]:
    moments = sorted(
        ((number, entry) for number, (_, timeline) in enumerate(parts) for entry in timeline),
        key=lambda one: (one[1].time_us or 0, one[0], one[1].line),
    )
    stays: list[Stay] = []
    at = -1
    for number, entry in moments:
        report = parts[number][0]
        if number == at:
            stays[-1] = Stay(report, stays[-1].first, entry)
        else:
            stays.append(Stay(report, entry, entry))
        at = number
    return tuple(stays)
