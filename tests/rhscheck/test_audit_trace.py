"""`audit --trace`: `replay` says of the trace what the audit says of the log."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from rhscheck.cli import cli
from rhscheck.traces.format import GapEvent, Header, Loaded, NoteEvent, load_trace

pytestmark = pytest.mark.timeout(300)
ENTRYPOINTS = (files("rhscheck.traces.logmap") / "library" / "entrypoints.map").read_text("utf-8")
PUBLISHED = Path(__file__).parent.parent / "traces" / "logs"
LINE = "2026-03-02 09:15:{} INFO [1a2c] {}: {}\n"
OPEN = LINE.format("00.000", "d", "enter Open") + LINE.format("00.100", "d", "leave Open")
CONTROL = LINE.format("01.000", "d", "enter ResourceControl")
CONTROLLED = LINE.format("01.500", "d", "leave ResourceControl 0")
CLOSE = LINE.format("02.000", "d", "enter Close")
ONLINE = LINE.format("03.000", "d", "enter Online") + LINE.format("03.100", "d", "leave Online 997")
OTHER = LINE.format("00.000", "e f", "enter Open")


class Both(NamedTuple):
    """What an audit says of a log, and `replay` of the trace that it wrote."""

    log: dict[str, Any]
    trace: dict[str, Any]
    status: tuple[int, int]
    written: Loaded

    @property
    def header(self) -> Header:
        assert self.written.header is not None
        return self.written.header


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)


def both(folder: Path, log: str, logmap: str, *options: str, again: tuple[str, ...] = ()) -> Both:
    """`again`: the options that `replay` needs, too."""
    trace = folder / "t.jsonl"
    audit = run("audit", log, "--map", logmap, "--trace", str(trace), "--format", "json", *options)
    replay = run("replay", str(trace), "--format", "json", *again)
    with trace.open("rb") as stream:
        loaded = load_trace(stream)
    (of_log,) = json.loads(audit.stdout)["logs"]
    (of_trace,) = json.loads(replay.stdout)["traces"]
    return Both(of_log, of_trace, (audit.return_value, replay.return_value), loaded)


def strict(folder: Path, log: str, *options: str, **changes: str) -> Both:
    """The same of a log of which the mapping says that it has every line."""
    logmap = ENTRYPOINTS
    for old, new in changes.items():
        logmap = logmap.replace(old, new)
    (folder / "d.log").write_text(log, "utf-8", newline="\n")
    (folder / "d.map").write_text(logmap, "utf-8", newline="\n")
    return both(folder, str(folder / "d.log"), str(folder / "d.map"), *options)


def findings(one: dict[str, Any], lines: dict[int, int] | None = None) -> list[tuple[object, ...]]:
    return [
        (
            *(found[key] for key in ("rule", "verdict", "actor", "resource", "event", "time_us")),
            found["line"] if lines is None else lines[found["line"]],
        )
        for found in one["findings"]
    ]


def assert_agreed(found: Both) -> None:
    lines = {one.line: one.event.src.l for one in found.written.events if one.event.src is not None}
    assert found.trace["rules"] == found.log["rules"]
    assert found.trace["verdict"] == found.log["verdict"]
    assert findings(found.trace, lines) == findings(found.log)
    assert found.status[0] == found.status[1]
    assert not [one for one in found.trace["notes"] if "lines are missing" in one]


@pytest.mark.parametrize(
    ("log", "accused"),
    [
        (OPEN + CONTROL + CONTROLLED + CLOSE, []),
        (OPEN + CONTROL + CLOSE, [(4, "R2")]),
        (OPEN + OTHER + CONTROL + CLOSE + ONLINE, [(5, "R2")]),
        (OTHER + OPEN + CONTROL + LINE.format("01.100", "e f", "enter Open"), [(5, None)]),
        (OPEN.splitlines(keepends=True)[1] + CONTROL + CLOSE, [(1, None)]),
        # A gap: a line that was cut, lines that were left out, a message that may be any call.
        (OPEN + CONTROL + CONTROLLED[:30] + "\n" + CLOSE, []),
        (OPEN + CONTROL + "...\n" + CLOSE, []),
        (OPEN + CONTROL + LINE.format("01.200", "d", "leave something") + CLOSE, []),
        # What is quoted of the DLL is none.
        (OPEN + CONTROL + LINE.format("01.200", "d", "says nothing") + CLOSE, [(5, "R2")]),
        # Times that go back.
        (OPEN + CONTROL + CLOSE + CONTROLLED, []),
        (OPEN + CONTROL + CLOSE.replace(":15:02", ":14:02"), []),
    ],
)
def test_of_a_log_with_every_line_both_say_the_same(
    tmp_path: Path, log: str, accused: list[tuple[int, str | None]]
) -> None:
    # The trace said nothing of what leaves no line, so `replay` took it for one that may lack any.
    found = strict(tmp_path, log)
    assert found.header.unseen == ("expiry *", "timer *", "event handleSignaled")
    assert_agreed(found)
    violated = [one for one in found.log["findings"] if one["verdict"] == "violated"]
    assert [(one["line"], one["rule"]) for one in violated] == accused


def test_a_rotated_log_a_complete_one_and_one_that_declares_nothing(tmp_path: Path) -> None:
    log = OPEN + CONTROL + CLOSE
    rotated = strict(tmp_path, log, **{"start=initial": "start=unknown"})
    assert (rotated.header.start, rotated.log["rules"]["R2"]) == ("unknown", "inconclusive")
    assert_agreed(rotated)
    complete = strict(tmp_path, log, **{"complete=no": "complete=yes"})
    assert (complete.header.complete, complete.log["rules"]["R2"]) == (True, "violated")
    assert_agreed(complete)
    # What it declares is of another reading: so it lacks nothing.
    every = {"unseen expiry *, timer *, event handleSignaled": "unseen event recordExpired"}
    foreign = strict(tmp_path, log, **every)
    assert (foreign.header.unseen, foreign.log["rules"]["R2"]) == ((), "violated")
    assert_agreed(foreign)
    silent = strict(tmp_path, log, **{"unseen expiry *, timer *, event handleSignaled": ""})
    assert "unseen" not in json.loads((tmp_path / "t.jsonl").read_text("utf-8").splitlines()[0])
    assert silent.log["rules"]["R2"] == "conforms-so-far"
    assert_agreed(silent)


def test_an_event_that_the_spec_has_no_word_for_is_a_gap_in_the_trace(tmp_path: Path) -> None:
    # It was written as it was read, and `replay` accused somebody of it.
    odd = LINE.format("01.200", "d", "enter Recovery")
    found = strict(
        tmp_path, OPEN + CONTROL + odd + CLOSE, **{"enter {op:entry}": "enter {op:word}"}
    )
    assert_agreed(found)
    (gap,) = [one.event for one in found.written.events if isinstance(one.event, GapEvent)]
    assert (gap.seq, gap.why) == (4, "an event that the spec has no word for: call Recovery")


def test_settings_and_another_spec_stand_in_the_header(tmp_path: Path) -> None:
    log = OPEN + CONTROL + CLOSE
    # `recordExpired` is of another reading: nothing of it happens in this one.
    unseen = {"unseen expiry *": "unseen event recordExpired, expiry *"}
    found = strict(tmp_path, log, "--set", "CallTimeout=1s", **unseen)
    assert found.header.params == {"CallTimeout": 1_000_000}
    assert found.header.unseen == ("expiry *", "timer *", "event handleSignaled")
    assert_agreed(found)
    (tmp_path / "mine.sm").write_text(
        (files("rhscheck.spec") / "library" / "rhs.sm").read_text("utf-8")
        .replace("spec rhs", "spec mine", 1).replace("handleSignaled", "handleWoke"), "utf-8"
    )  # fmt: skip
    mine = ("--spec", str(tmp_path / "mine.sm"))
    other = both(tmp_path, str(tmp_path / "d.log"), "entrypoints", *mine, again=mine)
    assert (other.header.spec, other.header.unseen) == ("mine", ("expiry *", "timer *", "event *"))
    assert_agreed(other)


def test_what_another_spec_does_not_speak_of_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "d.log").write_text(OPEN, "utf-8")
    log = str(tmp_path / "d.log")
    found = both(tmp_path, log, "entrypoints", "--spec", "two_locks")
    notes = [one.event.what for one in found.written.events if isinstance(one.event, NoteEvent)]
    assert notes == ["call Open", "return Open"]
    assert found.trace["rules"] == found.log["rules"]
    assert found.status == (3, 3)


def assert_not_opposed(found: Both) -> None:
    """What the audit says of a rule `replay` says, too; and who breaks one."""
    of_log, of_trace = found.log["rules"], found.trace["rules"]
    differing = {rule for rule, verdict in of_log.items() if of_trace[rule] != verdict}
    assert {of_log[rule] for rule in differing} <= {"not-observable"}
    assert {of_trace[rule] for rule in differing} <= {"conforms-so-far", "inconclusive"}
    assert not [one for one in found.trace["findings"] if one["verdict"] == "violated"]
    assert found.log["findings"] == []
    assert found.status[0] == found.status[1]
    assert not [one for one in found.trace["notes"] if "lines are missing" in one]


@pytest.mark.parametrize(
    "log", sorted(one.name for one in PUBLISHED.glob("*.log") if "legacy" not in one.name)
)
def test_of_a_log_that_may_lack_lines_neither_accuses(tmp_path: Path, log: str) -> None:
    # Lines that are no event took numbers, so that `replay` told of lines that are missing.
    found = both(tmp_path, str(PUBLISHED / log), "clusterlog")
    assert_not_opposed(found)
    assert [one.event.seq for one in found.written.events] == list(
        range(1, len(found.written.events) + 1)
    )


def test_a_lossy_log_of_a_dll(tmp_path: Path) -> None:
    found = strict(tmp_path, OPEN + CONTROL + CLOSE, **{"lossy=no": "lossy=yes"})
    assert (found.header.lossy, "unseen" in str(found.header)) == (True, True)
    assert_not_opposed(found)
