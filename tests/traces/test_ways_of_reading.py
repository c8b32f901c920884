"""However a log is read (fast, line by line, in stretches, as it grows), its report is the same.

And none accuses: a cluster.log may lack any line, so no line of it, and no damage to it, convicts.
"""

from __future__ import annotations

import functools
import pickle
import random
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from cluster_logs import damaged, log_lines

from rhscheck import opinions
from rhscheck.spec.load import load
from rhscheck.traces.audit import audit as auditing
from rhscheck.traces.audit import growing, story, stretches, usual, ways
from rhscheck.traces.audit.audit import audit_log, audit_stretches
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.growing import GrowingLog
from rhscheck.traces.audit.judge import opinions as asked
from rhscheck.traces.audit.model import Case
from rhscheck.traces.audit.opinion import alike
from rhscheck.traces.audit.report import LogReport
from rhscheck.traces.audit.stretches import Cut, Stretch, read_stretch
from rhscheck.traces.logmap import compiled, read, text
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.text import Encoding, Sniffed, blocks

LOGS = sorted((Path(__file__).parent / "logs").glob("*.log"))
MODERN = [path for path in LOGS if path.stem != "legacy-2000-2003"]


@functools.cache
def court() -> Court:
    system = load("rhs").system
    return Court(load_map("clusterlog"), lambda: system)


def fast(data: bytes) -> LogReport:
    return audit_log(BytesIO(data), file="x", number=0, court=court())


def one_by_one(data: bytes) -> LogReport:
    return audit_log(BytesIO(data), file="x", number=0, court=court(), keep=lambda _event: None)


def in_stretches(data: bytes) -> LogReport:
    def each(cuts: Sequence[Cut]) -> list[Stretch]:
        logmap = court().logmap
        found = [read_stretch(BytesIO(data), logmap, cut) for cut in cuts]
        return [pickle.loads(pickle.dumps(one)) for one in found]

    return audit_stretches(BytesIO(data), file="x", court=court(), each=each)


def grown(data: bytes, rng: random.Random) -> LogReport:
    log, at = GrowingLog("x", court()), 0
    while at < len(data):
        size = rng.choice((1, 7, 100, 3000))
        log.feed(data[at : at + size])
        at += size
        if rng.random() < 0.1 and data[:at].endswith(b"\n"):
            log.pause()
    return log.finish()


def sample(seed: int) -> bytes:
    rng = random.Random(seed)
    if seed % 3:
        lines = log_lines(rng, rng.choice((20, 120)), loud=rng.choice((0.0, 0.1, 0.6)))
    else:
        chosen = rng.choice(MODERN).read_text(encoding="utf-8").splitlines()
        lines = [line for line in chosen if not line.startswith("# ")]
    encoding = rng.choice(("utf-8", "utf-8", "utf-16", "utf-16-be", "cp1252"))
    return (rng.choice(("\n", "\r\n")).join([*damaged(rng, lines), ""])).encode(encoding, "replace")


@pytest.mark.parametrize("seed", range(120))
def test_fast_and_line_by_line(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sample(seed)
    found = fast(data).as_json()
    assert found == one_by_one(data).as_json()
    monkeypatch.setattr(compiled, "usual", None)
    assert found == fast(data).as_json()
    monkeypatch.setattr(usual, "compiled_tell", None)
    assert found == fast(data).as_json()


@pytest.mark.parametrize("seed", range(30))
def test_timelines_of_which_little_is_kept(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LONG", 5), ("SHORT", 2), ("TOTAL", 12)):
        monkeypatch.setattr(story, name, value)
    data = sample(seed)
    assert fast(data).as_json() == one_by_one(data).as_json()


@pytest.mark.parametrize("seed", range(60))
def test_in_stretches(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (text, read, stretches, auditing):
        monkeypatch.setattr(module, "BLOCK_BYTES", 600)
    for module in (stretches, auditing):
        monkeypatch.setattr(module, "BLOCKS", 2)
    monkeypatch.setattr(auditing, "TOGETHER", 9)
    data = sample(seed)
    assert in_stretches(data).as_json() == fast(data).as_json()


def test_in_stretches_with_a_section_behind_the_debug_log() -> None:
    """Nothing is there to be shared; the log was read on from its end, in another encoding."""
    lines = [
        "[=== Cluster Logs ===]",
        *log_lines(random.Random(1), 20),
        "[=== System ===]",
        "x",
        "",
    ]
    data = "\n".join(lines).encode("utf-16")
    found = fast(data)
    assert (found.encoding, found.tally.lines) == ("utf-16-le", 23)
    assert in_stretches(data).as_json() == found.as_json()


@pytest.mark.parametrize("seed", range(1, 60, 3))
def test_as_it_grows(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "_ENOUGH", 64)
    rng = random.Random(seed)
    lines = log_lines(rng, 60)
    data = ("\n".join(lines) + "\n").encode(rng.choice(("utf-8", "utf-16-le")))
    assert grown(data, rng).as_json() == fast(data).as_json()


CLOCK = "10:00:05.000 INFO  [RCM] Issuing Offline(e) to RHS.\n"
DATED = "00000fe4.00001a10::2024/05/06-10:00:0{}.000 INFO  [RCM] Issuing Online(d) to RHS.\n"


@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_line_that_lost_its_date_takes_no_date_from_the_others(at: int) -> None:
    lines = [DATED.format(0), DATED.format(6), DATED.format(7)]
    data = "".join([*lines[:at], CLOCK, *lines[at:]]).encode()
    found = fast(data)
    assert found.notes == ("1 line has no time: only the order is known",)
    assert found.clock(found.tally.first_us) == "2024-05-06T10:00:00.000Z"
    assert found.clock(found.tally.last_us) == "2024-05-06T10:00:07.000Z"
    same = [one_by_one(data), in_stretches(data), grown(data, random.Random(at))]
    assert [one.as_json() for one in same] == [found.as_json()] * 3


def test_a_log_without_dates_has_none() -> None:
    undated = [CLOCK.replace("05.000", f"0{at}.000") for at in range(3)]
    header = "[=== Resources ===]\n" + "a line\n" * 20_000 + "[=== Cluster Logs ===]\n"
    for before in ("", header):
        data = (before + "".join(undated)).encode()
        found = fast(data)
        assert found.notes == ("the lines have no date: times of day only",)
        assert (found.tally.untimed, found.clock(found.tally.first_us)) == (0, "10:00:00.000")
        same = [one_by_one(data), in_stretches(data), grown(data, random.Random(1))]
        assert [one.as_json() for one in same] == [found.as_json()] * 3


def test_a_log_whose_dates_come_late_has_times_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    # So late that they were not seen when it began.
    data = (CLOCK * 2000 + DATED.format(6)).encode()
    found = fast(data)
    assert found.notes == ("the lines have no date: times of day only",)
    assert found.clock(found.tally.last_us) == "10:00:06.000"
    assert found.resources[1].timeline[-1].time_us == 36_006_000_000
    same = [one_by_one(data), in_stretches(data), grown(data, random.Random(2))]
    assert [one.as_json() for one in same] == [found.as_json()] * 3


def test_messages_that_are_forgotten_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    data = sample(1)
    known = fast(data).as_json()
    monkeypatch.setattr(read, "MAX_CACHED", 3)
    monkeypatch.setattr(ways, "MAX_ROUTES", 2)
    monkeypatch.setattr(ways, "MAX_STEPS", 3)
    assert fast(data).as_json() == known


def test_few_lines_are_read_the_long_way() -> None:
    """What the speed comes from: known messages behind usual beginnings are told in short."""
    rng = random.Random(5)
    data = ("\n".join(log_lines(rng, 4000, loud=0.0)) + "\n").encode()
    reader = read.LogReader(court().logmap)
    stream = BytesIO(data)
    reader.begin(stream)
    batches = list(reader.batches(stream))
    assert sum(map(len, batches)) > 3000
    assert [one.reading.message for batch in batches for _, one in batch.odd] == []


@pytest.mark.parametrize("seed", range(40))
def test_blocks_are_the_same_wherever_reading_begins(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 256)
    rng = random.Random(seed)
    lines = [
        rng.choice(("0000.0001::20 x", "abc" * rng.randrange(30), "z" * 1500, "\u0a0a\u0a00ü"))
        for _ in range(rng.randrange(40))
    ]
    encodings: tuple[Encoding, ...] = ("utf-8", "utf-16-le", "utf-16-be")
    encoding = rng.choice(encodings)
    data = "\n".join(lines).encode(encoding)
    sniffed = Sniffed(encoding, 0)
    whole = list(blocks(BytesIO(data), sniffed))
    plain = data.decode(encoding).encode("utf-8")
    joined = b"".join(block.data for block in whole)
    assert joined == plain + (b"" if plain.endswith(b"\n") or not plain else b"\n")
    border = rng.randrange(text.block_count(len(data)) + 1)
    first = list(blocks(BytesIO(data), sniffed, 0, border)) if border else []
    rest = list(blocks(BytesIO(data), sniffed, border))
    assert [(one.data, one.offset) for one in first + rest] == [
        (one.data, one.offset) for one in whole
    ]


# ---- nobody is accused -------------------------------------------------------------------------
OPS = (
    "Open",
    "Close",
    "Online",
    "Offline",
    "Terminate",
    "LooksAlive",
    "IsAlive",
    "ResourceControl",
)


def test_no_line_convicts_by_itself() -> None:
    # All that the mapping can tell. As lines may be missing anywhere, none of it is a violation,
    # whatever stands beside it; so no cut, loss or repetition makes one.
    cases: list[Case] = [("call", op, None) for op in OPS]
    cases += [("timeout", op, None) for op in OPS]
    cases += [("return", op, code) for op in OPS for code in (0, 1, 997, 5023)]
    states = ("pending", "repeated", "success", "failure", "Strange")
    cases += [("status", "SetResourceStatus", state) for state in states]
    told = court().opinions(cases)
    assert all(court().speaks_of(case) for case in cases[:8])
    verdicts = {verdict for case in told.values() for verdict in case.rules.values()}
    assert verdicts == {"conforms-so-far", "inconclusive"}
    assert all(case.findings == () for case in told.values())


def test_shipped_opinions_are_those_that_the_spec_has() -> None:
    shipped = opinions.shipped("rhs", {}, court().logmap)
    assert shipped is not None, "run bench/ship_opinions.py"
    known = dict(shipped.known)
    found = court().opinions(known)
    assert {case: found[case] for case in known} == known, "run bench/ship_opinions.py"
    assert shipped.summary == court().summary
    assert {case[1] for case in known if case[0] == "return"} == set(OPS)
    # With settings, or under a mapping that promises more, the spec has to be asked.
    assert opinions.shipped("rhs", {"CallTimeout": "10m"}, court().logmap) is None
    facts = replace(court().logmap.facts, complete=True)
    assert opinions.shipped("rhs", {}, replace(court().logmap, facts=facts)) is None


def test_codes_that_mean_nothing_of_their_own_are_alike() -> None:
    # Asked one by one, without the knowledge that they are.
    cases: list[Case] = [("return", op, code) for op in ("Online", "IsAlive") for code in (1, 5023)]
    told, _ = asked(court().system, court().header, cases, None)
    for op in ("Online", "IsAlive"):
        assert told["return", op, 5023] == told["return", op, 1]
        assert alike(("return", op, 5023), court().summary.codes) == ("return", op, 1)
    assert alike(("return", "Online", 997), court().summary.codes) == ("return", "Online", 997)
    assert alike(("call", "Online", None), court().summary.codes) == ("call", "Online", None)


@pytest.mark.parametrize("path", MODERN, ids=lambda path: path.stem)
def test_a_published_log_cut_anywhere_accuses_nobody(path: Path) -> None:
    lines = [one for one in path.read_text(encoding="utf-8").splitlines() if one[:2] != "# "]
    whole = fast("\n".join(lines).encode())
    blamed = {(one.kind, one.resource, one.what.partition(";")[0]) for one in whole.incidents}
    rng = random.Random(len(lines))
    for at in range(0, len(lines), max(1, len(lines) // 12)):
        for part in (lines[:at], lines[at:], lines[:at] + lines[at + 1 :], lines[: at + 1] * 2):
            report = fast("\n".join(part).encode())
            assert report.judgement.verdict != "violated"
            # What is said to have gone wrong is what a line says, and the whole log says so too.
            for one in report.incidents:
                if one.blame is not None:
                    assert (one.kind, one.resource, one.what.partition(";")[0]) in blamed
        report = fast("\n".join(damaged(rng, lines)).encode())
        assert report.judgement.findings == ()
