"""Calls that return on the next line are judged as two lines are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from judged_lines import FAST, Way, judged
from poll_lines import HEADER, SECOND, encoded, polls

from rhscheck.traces import batches, paired, steady
from rhscheck.traces.habit import Line

Fields = dict[str, object]
ONLINE_BACK = ("return", "Online")


def life(number: int, until: int) -> Iterator[tuple[int, int, str, str]]:
    """(time, resource, event, entry point) of a resource that is polled when it is due."""
    now = number * 977
    for op in ("Open", "Online"):
        yield now, number, "call", op
        now += 120_000 + number
        yield now, number, "return", op
    looks = is_alive = now
    while now < until:
        due = min(looks + 5 * SECOND, is_alive + 60 * SECOND)
        now = max(due, now)
        op = "IsAlive" if is_alive + 60 * SECOND <= now else "LooksAlive"
        looks, is_alive = (looks, now) if op == "IsAlive" else (now, is_alive)
        yield now, number, "call", op
        now += 300 + number % 7
        yield now, number, "return", op


def healthy(resources: int, minutes: int) -> list[Fields]:
    """A legal run in which nothing happens between a poll and its return."""
    until = minutes * 60 * SECOND
    rows = [row for number in range(1, resources + 1) for row in life(number, until)]
    rows = [row for row in rows if row[0] < until]
    found: list[Fields] = []
    calls: dict[int, int] = {}
    for seq, (ts, number, ev, op) in enumerate(sorted(rows, key=lambda row: row[0]), start=1):
        if ev == "call":
            calls[number] = seq
        fields: Fields = {"ts": ts, "seq": seq, "host": "N", "mon": "7#1"}
        fields |= {"res": f"Resource[{number}]", "ev": ev, "op": op, "cid": calls[number]}
        found.append(fields | ({"rc": 0} if ev == "return" else {}))
    return found


def text_of(events: list[Fields]) -> bytes:
    return HEADER + b"".join(map(encoded, events))


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "STRETCH", 1 << 12)


def test_most_lines_of_a_healthy_run_are_taken_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    in_rounds = steady.Steady._run_rounds

    def counted(
        self: steady.Steady, lines: list[Line], start: int, stop: int, host: str, mon: str | None
    ) -> int:
        nonlocal taken
        end = in_rounds(self, lines, start, stop, host, mon)
        taken += end - start
        return end

    events = healthy(12, 12)
    data = text_of(events)
    plain = judged(data, "lines")
    monkeypatch.setattr(steady.Steady, "_run_rounds", counted)
    assert judged(data, "usual") == plain
    assert plain.verdict == "conforms-so-far"
    assert taken > len(events) // 2


@pytest.mark.skipif("paired" not in FAST, reason="there was no C compiler at the installation")
def test_most_of_a_healthy_run_is_taken_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    walk = paired.Paired.walk

    def counted(self: paired.Paired, *where: Any) -> tuple[int, int]:
        nonlocal taken
        end, lines = walk(self, *where)
        taken += lines
        return end, lines

    events = healthy(12, 12)
    data = text_of(events)
    plain = judged(data, "lines")
    monkeypatch.setattr(paired.Paired, "walk", counted)
    assert judged(data, "paired") == plain
    assert taken > len(events) // 2


@pytest.mark.parametrize("way", [*FAST, "lines"])
def test_a_wrong_result_that_was_possible_is_repaired_where_it_stands(way: Way) -> None:
    """Only the first poll shows that Online had not failed."""
    events = polls(1, 6, random.Random(1))
    (at,) = [number for number, one in enumerate(events) if (one["ev"], one["op"]) == ONLINE_BACK]
    events[at]["rc"] = 5
    report = judged(text_of(events), way, early=100)
    first = report.findings[0]
    line = at + 2  # the header is line 1
    assert (first.line, first.rule) == (line + 1, "R5")
    assert (first.edits, first.repair) == (1, (f"line {line}: return Online(success) instead",))
    # Of what is not remembered only what follows is repaired.
    late = judged(text_of(events), way, early=0).findings[0]
    assert (late.line, late.edits) == (line + 1, 4)


@pytest.mark.parametrize("way", [*FAST, "lines"])
def test_a_number_that_its_host_has_passed_goes_back(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although it follows the number of the line before it, which is another host's."""
    events = healthy(3, 8)
    counts = {"A": 0, "B": 0}
    for one in events:
        host = "A" if one["res"] == "Resource[1]" else "B"
        counts[host] += 1
        one.update(host=host, seq=counts[host])
    # From a line of A's on B counts on from A's number; its polls are as usual.
    before_b = [
        number
        for number, one in enumerate(events[:-20], start=1)
        if one["host"] == "A" and events[number]["host"] == "B"
        if {one["op"] for one in events[number : number + 4]} == {"LooksAlive"}
    ]
    at = before_b[-1]
    known = int(str(events[at - 1]["seq"]))
    tail = [one for one in events[at:] if one["host"] == "B"]
    for number, one in enumerate(tail, start=known + 1):
        one["seq"] = number
    clocks = b'"A":{"epoch":"start"},"B":{"epoch":"start"}'
    header = HEADER.replace(b'"N":{"epoch":"start"}', clocks)
    begin = header + b"".join(map(encoded, events[:at]))
    monkeypatch.setattr(batches, "STRETCH", len(begin))  # so the tail is read at once
    report = judged(begin + b"".join(map(encoded, tail)), way)
    text = f"event {known + 1} of B comes after event"
    assert [text in one for one in report.notes].count(True) >= 1
    assert report == judged(begin + b"".join(map(encoded, tail)), "lines")


def shifted(events: list[Fields], at: int, key: str, by: int) -> None:
    events[at][key] = int(str(events[at][key])) + by


def swapped(events: list[Fields], at: int) -> None:
    """The line stands before the one that it follows, with the numbers and times of the places."""
    other = events[at + 1]
    for key in ("ts", "seq"):
        events[at][key], other[key] = other[key], events[at][key]
    events[at], events[at + 1] = other, events[at]


WRONG: dict[str, Callable[[list[Fields], int], object]] = {
    "a microsecond early": lambda events, at: shifted(events, at, "ts", -1),
    "a microsecond late": lambda events, at: shifted(events, at, "ts", 1),
    "at once": lambda events, at: events[at + 1].update(ts=events[at]["ts"]),
    "before it began": lambda events, at: shifted(events, at + 1, "ts", -1000),
    "much later": lambda events, at: shifted(events, at + 1, "ts", 400 * SECOND),
    "another id": lambda events, at: shifted(events, at + 1, "cid", 1),
    "an old id": lambda events, at: shifted(events, at, "cid", -1),
    "no ids": lambda events, at: (events[at].pop("cid"), events[at + 1].pop("cid")),
    "a number left out": lambda events, at: shifted(events, at, "seq", 1),
    "a number twice": lambda events, at: shifted(events, at + 1, "seq", -1),
    "another process": lambda events, at: events[at].update(mon="8#2"),
    "another host": lambda events, at: events[at + 1].update(host="M"),
    "another result": lambda events, at: events[at + 1].update(rc=1),
    "another entry point": lambda events, at: events[at + 1].update(op="Online"),
    "another poll": lambda events, at: [one.update(op="Close") for one in events[at : at + 2]],
    "another resource": lambda events, at: events[at + 1].update(res="Resource[9]"),
    "a call with a result": lambda events, at: events[at].update(rc=0),
    "a return without one": lambda events, at: events[at + 1].pop("rc", None),
    "two calls": lambda events, at: events[at + 1].update(ev="call"),
    "two returns": lambda events, at: events[at].update(ev="return", rc=0),
    "exchanged": swapped,
    "left out": lambda events, at: events.__delitem__(at),
    "both left out": lambda events, at: events.__delitem__(slice(at, at + 2)),
    "twice": lambda events, at: events.insert(at, dict(events[at])),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("parity", [0, 1])
def test_what_is_wrong_with_a_round_is_found_as_in_lines(wrong: str, parity: int) -> None:
    chance = random.Random(wrong)
    events = healthy(2, 5)
    near = [
        at
        for at, one in enumerate(events)
        if int(str(one["ts"])) > 4 * 60 * SECOND and (one["ev"] == "return") == parity
    ]  # when the rounds are known
    WRONG[wrong](events, chance.choice(near[:20]))
    data = text_of(events)
    assert {way: judged(data, way) for way in FAST} == dict.fromkeys(FAST, judged(data, "lines"))


def test_polls_of_many_resources_at_once_are_no_rounds() -> None:
    """Their calls overlap, as those of a cluster that was brought online by a script do."""
    events = [
        one | {"ts": int(str(one["ts"])) + (600 if one["ev"] == "return" else 0)}
        for one in healthy(3, 5)
    ]
    events.sort(key=lambda one: int(str(one["ts"])))
    for seq, one in enumerate(events, start=1):
        one["seq"] = seq
    data = text_of(events)
    assert {way: judged(data, way) for way in FAST} == dict.fromkeys(FAST, judged(data, "lines"))
