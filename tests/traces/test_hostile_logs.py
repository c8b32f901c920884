"""Logs made to do harm: bounded work and memory, and nothing in them reaches a terminal."""

from __future__ import annotations

import functools
import json
import re
from hashlib import sha256
from io import BytesIO
from xml.etree import ElementTree

import pytest

from rhscheck.audit_output import audit_checks, audit_json, audit_text
from rhscheck.github import github
from rhscheck.junit import junit
from rhscheck.spec.load import load
from rhscheck.terminal import harmless, printable
from rhscheck.traces.audit import monitors, story
from rhscheck.traces.audit.audit import audit_log
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.growing import GrowingLog
from rhscheck.traces.audit.report import LogReport
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.match import Matcher
from rhscheck.traces.logmap.parse import parse_map
from rhscheck.traces.logmap.read import LogReader
from rhscheck.traces.logmap.text import MAX_LINE_BYTES, blocks, decode, sniff

HEAD = "00001a00.00001b10::2024/05/06-10:00:{:02}.000 "
# Lines about what the DLL says need no judge, so these tests need not compile the spec for one.
SAYS = "ERR   [RES] File Share Witness <{}>: {}\n"


@functools.cache
def court() -> Court:
    system = load("rhs").system
    return Court(load_map("clusterlog"), lambda: system)


def audited(data: bytes) -> LogReport:
    return audit_log(BytesIO(data), file="x.log", number=0, court=court())


NASTY = "a\x1b[31m\x07\u202e[bold]%0A::error::x"


def test_control_characters_reach_no_output() -> None:
    report = audited((HEAD.format(1) + SAYS.format(NASTY, "x\x1b]0;t\x07 <b>&")).encode())
    assert [one.name for one in report.resources] == [NASTY]
    text = audit_text([report], court().summary, (), quiet=False)
    plain = re.sub("\x1b\\[[0-9;]*m", "", text)  # our own colours
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", plain)
    assert "a\\x1b[31m\\x07\\u202e[bold]%0A::error::x" in plain
    checks = audit_checks([report], court().summary, 3, version="1")
    ElementTree.fromstring(junit(checks))
    lines = github(checks).decode().splitlines()
    assert all(line.startswith(("::notice ", "::warning ", "rhscheck ")) for line in lines)
    found = json.loads(audit_json([report], court().summary, 3, ()))
    assert found["logs"][0]["resources"][0]["name"] == NASTY


@pytest.mark.parametrize("width", [None, 12])
def test_no_line_of_a_report_is_a_command(width: int | None) -> None:
    # Machines of continuous integration obey lines that begin so, blanks before them or not.
    line = HEAD.format(1) + SAYS.format("::error::x", "y ::error::z ##[error]a ::set-output::b")
    report = audited(line.encode())
    text = audit_text([report], court().summary, (), quiet=False, width=width)
    plain = re.sub("\x1b\\[[0-9;]*m", "", text)
    assert "\\x3a:error::x" in plain
    assert not [one for one in plain.splitlines() if one.lstrip().startswith(("::", "##["))]


def test_harmless() -> None:
    assert harmless("  \x1b[1m::error::x") == "  \x1b[1m\\x3a:error::x"
    assert harmless("##[error]x") == "\\x23#[error]x"
    assert harmless("a ::error::x") == "a ::error::x"


def test_printable() -> None:
    assert printable("plain Text ü") == "plain Text ü"
    assert printable("\x1b[0m\n\u200b\U000e0001") == "\\x1b[0m\\n\\u200b\\U000e0001"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_line_without_end(encoding: str) -> None:
    # 20 MB are not read as one line; what follows is read.
    long = (HEAD.format(1) + "INFO  [RES] " + "x" * 10_000_000).encode(encoding)
    after = ("\n" + HEAD.format(2) + SAYS.format("w", "late")).encode(encoding)
    report = audited(long + after)
    assert (report.tally.lines, report.tally.cut_lines) == (2, 1)
    assert [one.name for one in report.resources] == ["w"]
    assert report.notes == ("only the beginning was read of lines that are too long: 1",)


def test_lines_keep_their_places_behind_a_long_one() -> None:
    text = b"a\n" + b"x" * (3 * MAX_LINE_BYTES) + b"\nb\n" + b"y" * (MAX_LINE_BYTES + 5) + b"\nc\n"
    found = list(blocks(BytesIO(text), sniff(text)))
    assert [(one.data.count(b"\n"), one.offset, len(one.data), one.cut) for one in found] == [
        (1, 0, 2, False),
        (1, 2, MAX_LINE_BYTES + 1, True),
        (1, 3 * MAX_LINE_BYTES + 3, 2, False),
        (1, 3 * MAX_LINE_BYTES + 5, MAX_LINE_BYTES + 1, True),
        (1, 4 * MAX_LINE_BYTES + 11, 2, False),
    ]


def test_nul_bytes_and_no_text_at_all() -> None:
    line = (HEAD.format(1) + SAYS.format("w", "x\0y")).encode()
    report = audited(b"\0" * 1000 + b"\n" + line + bytes(range(256)) * 50)
    assert [one.name for one in report.resources] == ["w"]
    assert audited(b"").judgement.verdict == "not-observable"
    assert audited(b"\xff\xfe").tally.lines == 0


def test_invalid_utf_16() -> None:
    good = (HEAD.format(1) + SAYS.format("w", "one")).encode("utf-16-le")
    # A lone half of a surrogate pair, an odd number of bytes, a line feed at an odd position.
    bad = b"\x00\xd8" + "x\n".encode("utf-16-le") + b"\x01\n\n\x01\n\0"
    bad += good + b"\x41"
    report = audited(b"\xff\xfe" + good + b"\n\0" + bad)
    assert report.encoding == "utf-16-le"
    (entry,) = report.resources[0].timeline
    assert (entry.line, entry.last_line, report.tally.lines) == (1, 5, 5)


def names_of(data: bytes) -> list[str]:
    return [one.name for one in audited(data).resources]


def test_half_a_pair_of_surrogates_makes_no_two_names_one() -> None:
    lines = HEAD.format(1) + SAYS.format("a\ud800", 1) + HEAD.format(2) + SAYS.format("a\udc00", 2)
    for encoding in ("utf-16-le", "utf-16-be"):
        first, second = names_of(lines.encode(encoding, "surrogatepass"))
        assert first != second


NOISE = "00000fe4.00001a10::2024/05/06-09:00:00.000 INFO  [NM] noise\n" * 1200


def test_windows_1252_that_begins_late_is_read_as_such() -> None:
    # What is looked at to tell the encoding is over when the first such byte comes.
    text = NOISE + HEAD.format(1) + SAYS.format("Grö", 1) + HEAD.format(2) + SAYS.format("Grä", 2)
    for encoding in ("windows-1252", "utf-8"):
        report = audited(text.encode(encoding))
        assert [one.name for one in report.resources] == ["Grö", "Grä"]
        assert report.encoding == "utf-8"


def test_a_resource_is_not_accused_of_what_another_did_whose_name_is_no_utf_8() -> None:
    base = (
        'map m "x"\nspec rhs\nform {time:iso} {text:rest}\n'
        "facts complete=yes lossy=no start=initial\n"
        "values entry Open=Open Online=Online Close=Close\n"
        "unseen expiry *, timer *, event handleSignaled\n"
        "on {res:word} > {op:entry}\nemit call {op} res={res}\n"
        "on {res:word} < {op:entry} {rc:int}\nemit return {op} res={res} rc={rc}\n"
    )
    logmap = parse_map(base, "m.map")
    strict = Court(logmap, lambda: load("rhs").system)
    calls = [
        f"2026-03-02 09:{at // 60:02}:{at % 60:02}.{part}00 p{at} {what}\n"
        for at in range(1300)
        for part, what in ((0, "> Open"), (1, "< Open 0"))
    ]
    calls += [
        f"2026-03-02 09:50:0{at} Gr{name} {what}\n"
        for at, (name, what) in enumerate(
            [("ö", "> Open"), ("ö", "< Open 0"), ("ä", "> Open"), ("ä", "< Open 0"),
             ("ö", "> Online"), ("ö", "< Online 0")]
        )
    ]  # fmt: skip
    data = "".join(calls).encode("windows-1252")
    assert data.index(b"\xf6") > 1 << 16
    report = audit_log(BytesIO(data), file="x", number=0, court=strict)
    assert report.judgement.findings == ()
    assert [one.name for one in report.resources][-2:] == ["Grö", "Grä"]


def test_bytes_that_are_no_characters_stay_apart() -> None:
    every = bytes(range(0x80, 0x100))
    for encoding in ("utf-8", "windows-1252"):
        found = {decode(b"a" + bytes([one]), encoding) for one in every}
        assert len(found) == 128
    assert decode("ö€".encode() + b"\xf6\xe2\x89", "utf-8") == "ö€öâ‰"
    line = HEAD.format(1).encode() + b"ERR   [RES] T <\xe4%c>: x\n"
    lines = b"".join(line % one for one in b"\x81\x8d\x9d")
    assert names_of(lines) == ["ä\x81", "ä\x8d", "ä\x9d"]


def test_a_prefilter_finds_its_text_in_windows_1252_too() -> None:
    logmap = parse_map(
        'map m "x"\nform {time:iso} {text:rest}\nprefilter Größe\n'
        "on Größe {n:int}\nemit note what=size rc={n}\n",
        "m.map",
    )
    line = "2026-03-02 09:15:00 Größe 7\n"
    data = ("2026-03-02 09:15:00 none\n" * 3000 + line).encode() + line.encode("windows-1252")
    reader = LogReader(logmap)
    assert [one.line for one in reader.read(BytesIO(data))] == [3001, 3002]


def test_lines_that_end_with_a_carriage_return_alone() -> None:
    text = "".join(HEAD.format(at) + SAYS.format(f"w{at}", "ä") for at in range(3))
    plain = audited(text.encode())
    for data in (text.replace("\n", "\r").encode(), text.replace("\n", "\r").rstrip().encode()):
        assert audited(data).as_json() == plain.as_json()
    log = GrowingLog("x.log", court())
    for at in range(0, len(text), 50):
        log.feed(text.replace("\n", "\r").encode()[at : at + 50])
    assert log.finish().as_json() == plain.as_json()
    # Half of a line end that is still to be written whole.
    assert sniff(b"one line\r").cr is False
    assert sniff(b"one\rtwo").cr is True
    assert sniff(b"one\rtwo\r\n").cr is False


@pytest.mark.parametrize("count", [1, 2, 999, 70_000, 300_001])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_log_that_was_truncated_under_its_writer(count: int, encoding: str) -> None:
    lines = HEAD.format(1) + SAYS.format("one", "x") + HEAD.format(2) + SAYS.format("two", "y")
    data = bytes(count if encoding == "utf-8" else 2 * count) + lines.encode(encoding)
    report = audited(data)
    assert [one.name for one in report.resources] == ["one", "two"]
    assert (report.encoding, report.tally.lines, report.tally.cut_lines) == (encoding, 2, 0)
    log = GrowingLog("x.log", court())
    for at in range(0, len(data), 4096):
        log.feed(data[at : at + 4096])
        log.pause()
    assert log.finish().as_json() == report.as_json()


def test_zeros_before_a_record() -> None:
    first = HEAD.format(1) + SAYS.format("one", "x")
    second = HEAD.format(2) + SAYS.format("two", "y")
    for count in (1, 5, 70_001):
        data = first.encode() + bytes(count) + second.encode()
        assert names_of(data) == ["one", "two"]


def test_unknown_records_of_many_lines_are_read_a_few_times_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, reads = Matcher.read, 0

    def counted(self: Matcher, message: str) -> object:
        nonlocal reads
        reads += 1
        return read(self, message)

    monkeypatch.setattr(Matcher, "read", counted)
    unknown = HEAD.format(1) + "INFO  [RHS] Some unknown message {}\n"
    lines = [unknown.format(at) + "a line without beginning\n" * 6 for at in range(2_000)]
    report = audited("".join(lines).encode())
    assert report.tally.relevant == 2_000
    assert reads <= 3 * 2_000


def test_a_damaged_byte_makes_no_other_encoding() -> None:
    names = "Größe, Dateifreigabe für Köln"
    utf_8, ansi = names.encode(), names.encode("windows-1252")
    assert sniff(utf_8 + b" \xff" + utf_8).encoding == "utf-8"
    assert sniff(utf_8[:2] + b" cut").encoding == "utf-8"
    assert sniff(utf_8[:3] + utf_8 * 3).encoding == "utf-8"
    assert sniff((utf_8 * 3)[:-4]).encoding == "utf-8"
    assert sniff(ansi).encoding == "windows-1252"
    assert sniff(ansi * 9 + utf_8).encoding == "windows-1252"
    assert sniff(b"plain text with one odd byte \x96 in it").encoding == "windows-1252"
    # What is no character of UTF-8 already stands in for another, and is sound.
    assert sniff("lost: \ufffd\ufffd".encode()).encoding == "utf-8"


def test_offsets_in_utf_16_are_those_of_the_file() -> None:
    first = HEAD.format(1) + SAYS.format("w", "ä€😀")
    text = "\ufeff" + first + HEAD.format(2) + SAYS.format("w", "two")
    events: list[int] = []
    audit_log(
        BytesIO(text.encode("utf-16-le")),
        file="x",
        number=0,
        court=court(),
        keep=lambda event: events.append(event.src.o if event.src else -1),
    )
    assert events == [2, 2 + len(first.encode("utf-16-le"))]


def test_time_runs_backwards_in_every_line() -> None:
    lines = [HEAD.format(59 - 2 * at % 60) + SAYS.format(f"w{at % 5}", at) for at in range(300)]
    report = audited("".join(lines).encode())
    assert len(report.resources) == 5
    assert "the time goes back, first in line 2" in report.notes[0]
    impossible = "00001a00.00001b10::2024/13/45-99:99:99.999 " + SAYS.format("w", "x")
    assert audited(impossible.encode()).tally.untimed == 1


def test_more_resources_than_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "MAX_RESOURCES", 100)
    lines = [HEAD.format(1) + SAYS.format(f"w{at}", "x") for at in range(150)]
    report = audited("".join(lines).encode())
    assert len(report.resources) == 100
    assert report.notes == (
        "50 events belong to resources beyond the first 100, which are not followed",
    )


def test_more_processes_than_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitors, "MAX_PROCESSES", 3)
    ends = "{:08x}.00001b10::2024/05/06-10:00:00.000 ERR   [RHS] WER report is submitted. "
    lines = [ends.format(at) + f"Result : x{at}.\n" for at in range(50)]
    says = "{:08x}.00001b10::2024/05/06-10:00:00.000 " + SAYS.format("w", "x")
    report = audited("".join([*lines, says.format(1), says.format(40)]).encode())
    assert [one.monitor for one in report.resources] == ["1#1"]


def test_timelines_do_not_grow_without_end() -> None:
    lines = [HEAD.format(1) + SAYS.format("w", at) for at in range(500)]
    (resource,) = audited("".join(lines).encode()).resources
    assert (len(resource.timeline), resource.omitted) == (story.LONG, 500 - story.LONG)


def test_a_name_may_be_as_long_as_it_likes() -> None:
    line = HEAD.format(1) + SAYS.format("n" * 5000, "x")
    (resource,) = audited((line * 2).encode()).resources
    assert resource.name == "n" * 275 + "…" + sha256(b"n" * 5000).hexdigest()[:24]
    assert resource.events == 2


def test_patterns_cannot_be_made_slow() -> None:
    # What would take a backtracking matcher for ever: many fields, one letter, no end.
    fields = "a".join(f"{{f{chr(97 + at)}}}" for at in range(26))
    logmap = parse_map(
        f'map slow "x"\nform {{text:rest}}\non {fields}!\nemit note what=x\n', "slow.map"
    )
    pattern = logmap.rules[0].patterns[0]
    assert pattern.match("a" * 60_000, {}) is None
    assert pattern.match("xa" * 25 + "x!", {}) is not None


def test_a_file_of_another_kind() -> None:
    report = audited(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10)
    assert report.judgement.verdict == "not-observable"
    assert "is this the right file" in report.notes[0]


def test_a_line_that_only_looks_usual() -> None:
    usual = HEAD.format(1) + SAYS.format("w", "x")
    events: list[int | None] = []
    audit_log(
        BytesIO((usual + usual.replace("00001b10", "zz zz::-")).encode()),
        file="x",
        number=0,
        court=court(),
        keep=lambda event: events.append(event.tid),
    )
    # Not where the message was met before, either: with or without a trace, in whatever stretches.
    assert events == [0x1B10]
    assert audited((usual + usual.replace("00001b10", "zz zz::-")).encode()).events == 1
