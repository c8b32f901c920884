"""Every known shape of message about resources, published or recalled, and what it must be read as.

Each with the usual beginning, and as mail programs, web pages and redaction leave it.
"""

from __future__ import annotations

import itertools
from io import BytesIO
from pathlib import Path

import pytest

from rhscheck.traces.logmap.check import told_text
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LogReader

HEAD = "00001a00.00001b10::2024/05/06-10:00:00.000 "
CATALOGUE = Path(__file__).parent.parent / "data" / "message_catalogue.txt"


def catalogue() -> list[tuple[str, list[str] | None]]:
    """What stands behind the time, and the events; None: no rule knows it, and it is counted."""
    found: list[tuple[str, list[str]]] = []
    for line in CATALOGUE.read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            found[-1][1].append(line.strip())
        elif not line.startswith("#"):
            found.append((line, []))
    named: dict[str, list[str] | None] = {"nothing": [], "unknown": None}
    return [(message, named.get(events[0], events)) for message, events in found]


def told(line: str) -> list[str] | None:
    """The events of a line; None if it is counted as unknown."""
    (sighting,) = LogReader(load_map("clusterlog")).read(BytesIO(f"{line}\n".encode()))
    if sighting.reading.shape is not None:
        return None
    return [told_text(one) for one in sighting.reading.told]


@pytest.mark.parametrize(("message", "events"), catalogue(), ids=itertools.count())
def test_what_it_is_read_as(message: str, events: list[str] | None) -> None:
    assert told(HEAD + message) == events
    # Blanks collapsed, another width of the level; a viewer's line number; a channel.
    assert told(HEAD + " ".join(message.split())) == events
    assert told("1234 " + HEAD + message) == events
    assert told("[Operational] " + HEAD + message) == events
    # Without date, without process, with the time removed, and for published shapes without any.
    assert told(HEAD.replace("2024/05/06-", "") + message) == events
    assert told(HEAD.partition("::")[2] + message) == events
    assert told(HEAD[:19] + "*<DateTime>* " + message) == events
    if events is not None:
        assert told(message) == events
    # Emphasis, in the middle of a line.
    words = message.split(" ")
    words[-1] = f"**{words[-1]}**"
    assert told(HEAD + " ".join(words)) == events


def test_which_shapes_are_unknown() -> None:
    assert len(catalogue()) == 62
    unknown = [message for message, events in catalogue() if events is None]
    assert unknown == ["WARN  [RHS] IsAlive sanity check failed"]
