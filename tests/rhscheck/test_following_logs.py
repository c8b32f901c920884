"""A log that is audited while it is written: what is said at once, rotation, truncation, Ctrl-C."""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rhscheck import following_logs
from rhscheck.api import InputError
from rhscheck.following_logs import follow_log
from rhscheck.spec.load import load
from rhscheck.stopping import asked_to_stop
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.growing import GrowingLog
from rhscheck.traces.audit.story import Story
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.reading import Batch

HEAD = "00001a00.00001b10::2024/05/06-10:00:{:02}.000 "
STUCK = "ERR   [RHS] RhsCall::DeadlockMonitor: Call ISALIVE timed out for resource '{}'.\n"
RESTART = "INFO  [RCM] rcm::RcmMonitor::RestartResources: Monitor restart for resource {}\n"


@functools.cache
def court() -> Court:
    system = load("rhs").system
    return Court(load_map("clusterlog"), lambda: system)


def in_turn(steps: list[Callable[[], object]]) -> Callable[[], bool]:
    """Takes a step whenever there was nothing to read; True when there is none left."""

    def stop() -> bool:
        if not steps:
            return True
        steps.pop(0)()
        return False

    return stop


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following_logs, "_PAUSE_S", 0.0)
    monkeypatch.setattr(following_logs, "_SILENCE", 1)


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def test_what_goes_wrong_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, said = tmp_path / "cluster.log", []
    append(path, HEAD.format(1) + STUCK.format("a")[:40])
    steps: list[Callable[[], object]] = [
        lambda: said.append(capsys.readouterr().err),  # half a line says nothing
        lambda: append(path, STUCK.format("a")[40:]),
        lambda: said.append(capsys.readouterr().err),
        lambda: append(path, HEAD.format(2) + RESTART.format("b")),
        lambda: said.append(capsys.readouterr().err),
    ]
    (report,) = follow_log(court(), str(path), quiet=False, stop=in_turn(steps))
    assert said[0] == ""
    assert "a: IsAlive was not back in time" in said[1]
    assert "line 1, 2024-05-06T10:00:01.000Z (provisional: more may follow)" in said[1]
    assert said[2] == "  b: lost the monitor by what is in line 1\n"
    (incident,) = report.incidents
    assert (incident.resource, incident.collateral) == ("a", ["b"])
    assert report.tally.lines == 2


@pytest.mark.parametrize("how", ["renamed", "truncated"])
def test_a_log_that_is_rotated(tmp_path: Path, how: str) -> None:
    path = tmp_path / "cluster.log"
    append(path, HEAD.format(1) + STUCK.format("a") + HEAD.format(2) + RESTART.format("a"))

    def rotate() -> None:
        if how == "renamed":
            path.rename(tmp_path / "cluster.old")
        path.write_text(HEAD.format(3) + RESTART.format("b"), encoding="utf-8", newline="\n")

    first, second = follow_log(court(), str(path), quiet=True, stop=in_turn([rotate]))
    assert (first.file, second.file) == (str(path), f"{path} (rotated 1)")
    assert [one.name for one in first.resources] == ["a"]
    assert [one.name for one in second.resources] == ["b"]
    # Nothing is concluded from one file to the next.
    assert second.incidents == ()


def test_a_log_that_is_written_anew_between_two_looks(tmp_path: Path) -> None:
    """It is no shorter than before: that what was read is not there any more tells it."""
    path = tmp_path / "cluster.log"
    append(path, HEAD.format(1) + STUCK.format("a"))
    anew = "".join(HEAD.format(second) + RESTART.format("b") for second in (3, 4, 5))

    def rewrite() -> None:
        path.write_text(anew, encoding="utf-8", newline="\n")

    first, second = follow_log(court(), str(path), quiet=True, stop=in_turn([rewrite]))
    assert [one.name for one in first.resources] == ["a"]
    assert [one.name for one in second.resources] == ["b"]
    assert second.tally.lines == 3


def test_ctrl_c_ends_it_with_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cluster.log"
    append(path, HEAD.format(1) + STUCK.format("a").rstrip("\n"))

    def interrupted(_seconds: float) -> None:
        # What was written before, in this file and in the one after it, still counts.
        append(path, "\n" + HEAD.format(2) + RESTART.format("b"))
        path.rename(tmp_path / "cluster.old")
        append(path, HEAD.format(3) + RESTART.format("c"))
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(time, "sleep", interrupted)
    with asked_to_stop() as stop:
        first, second = follow_log(court(), str(path), quiet=True, stop=stop)
    assert [(one.resource, one.collateral) for one in first.incidents] == [("a", ["b"])]
    assert [one.name for one in second.resources] == ["c"]


def test_ctrl_c_while_lines_are_told_loses_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cluster.log"
    append(path, "".join(HEAD.format(at % 60) + RESTART.format(f"r{at}") for at in range(500)))
    take = Story.take_batch

    def interrupted(self: Story, batch: Batch) -> None:
        if not self.resources:
            signal.raise_signal(signal.SIGINT)
        take(self, batch)

    monkeypatch.setattr(Story, "take_batch", interrupted)
    with asked_to_stop() as stop:
        (report,) = follow_log(court(), str(path), quiet=True, stop=stop)
    assert [one.name for one in report.resources] == [f"r{at}" for at in range(500)]


def test_a_log_that_is_written_faster_than_it_is_read_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cluster.log"
    append(path, HEAD.format(1) + RESTART.format("r0"))
    feed, fed = GrowingLog.feed, 0

    def growing(self: GrowingLog, data: bytes) -> None:
        nonlocal fed
        fed += 1
        append(path, HEAD.format(1) + RESTART.format(f"r{fed}"))
        feed(self, data)

    monkeypatch.setattr(GrowingLog, "feed", growing)
    monkeypatch.setattr(following_logs, "ASK_S", -1.0)
    (report,) = follow_log(court(), str(path), quiet=True, stop=lambda: fed >= 3)
    assert [one.name for one in report.resources] == ["r0", "r1", "r2", "r3"]


def test_no_log_and_an_old_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the log"):
        follow_log(court(), str(tmp_path / "none"), quiet=True)
    old = tmp_path / "old.log"
    append(old, "378.32c::1999/06/09-18:00:18.874 Cluster service started\n")
    with pytest.raises(InputError, match="Windows 2000 or 2003"):
        follow_log(court(), str(old), quiet=True, stop=lambda: False)


def test_a_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "cluster.log"
    append(path, HEAD.format(1) + "INFO  [RES] " + "x" * 3_000_000)
    after = "x\n" + HEAD.format(2) + RESTART.format("a")
    (report,) = follow_log(
        court(), str(path), quiet=True, stop=in_turn([lambda: append(path, after)])
    )
    assert [one.name for one in report.resources] == ["a"]
    assert (report.tally.lines, report.tally.cut_lines) == (2, 1)
