"""Runs whose processes are stopped: all of them, and then nobody is to blame; or one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are listed by /proc")
CALM = """
from rhscheck.tracer.plugin import Handle, Resource

class Calm(Resource):
    def online(self): pass
    def offline(self): pass
    def terminate(self): pass
    def is_alive(self): return True

class Watched(Calm):
    def online(self): return Handle()
"""
TWO = """
[resource.one]
plugin = "./calm.py:Calm"
[resource.two]
plugin = "./calm.py:Calm"
monitor = "other"
"""


def begin(folder: Path, scale: int, cluster: str = TWO) -> subprocess.Popen[str]:
    """Start a run of two resources in two monitors, and wait until both are online."""
    (folder / "calm.py").write_text(CALM, encoding="utf-8")
    (folder / "cluster.toml").write_text(cluster, encoding="utf-8")
    words = [sys.executable, "-m", "rhscheck", "run", str(folder / "cluster.toml")]
    words += ["--time-scale", str(scale), "--trace", str(folder / "t.jsonl")]
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    for line in run.stdout:
        if "group group: Online" in line:
            time.sleep(0.5)
            return run
    raise AssertionError(run.communicate())


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(one) for task in tasks for one in (task / "children").read_text("ascii").split()]


def stop(pids: list[int], seconds: float) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)


def finish(run: subprocess.Popen[str], after_s: float = 1.0) -> list[str]:
    time.sleep(after_s)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    return out.splitlines()


def test_time_in_which_everything_stood_still_accuses_nobody(tmp_path: Path) -> None:
    """It was told that RHS was late with LooksAlive (P6late), when nothing could run at all."""
    run = begin(tmp_path, 20)  # LooksAlive is due every 250 ms
    stop([run.pid, *children(run.pid)], 3)
    lines = finish(run)
    assert lines[-1].endswith(
        f"0 failures, 0 monitors died, the trace {tmp_path / 't.jsonl'} conforms"
    )
    assert run.returncode == 0
    notes = [
        event["what"]
        for event in map(json.loads, (tmp_path / "t.jsonl").read_text("utf-8").splitlines())
        if event.get("ev") == "note" and "stood still" in event["what"]
    ]
    assert len(notes) == 1
    assert notes[0].startswith("this machine or program stood still for ")
    assert notes[0].endswith(" s: that time is left out")


def test_a_standstill_of_a_second_is_seen_by_a_monitor_that_has_nothing_to_do(
    tmp_path: Path,
) -> None:
    """A monitor that polls nothing took it for an ordinary wait of its own and said that it had
    gone on, so RHS was blamed for what the others did late (P6late)."""
    run = begin(
        tmp_path, 5, TWO + '[resource.three]\nplugin = "./calm.py:Watched"\nmonitor = "idle"\n'
    )
    stop([run.pid, *children(run.pid)], 1.1)
    lines = finish(run)
    assert sum("stood still" in line for line in lines) == 1
    assert lines[-1].endswith(
        "0 monitors died, the trace " + str(tmp_path / "t.jsonl") + " conforms"
    )
    assert run.returncode == 0


def counts_as_late(run: subprocess.Popen[str], folder: Path) -> None:
    """A monitor was late by three seconds, and nobody says that everything stood still.

    Unless it was stopped within a call, when the plug-in holds the slot, RHS is blamed for that.
    """
    lines = finish(run)
    assert not any("stood still" in line for line in lines)
    events = [json.loads(line) for line in (folder / "t.jsonl").read_text("utf-8").splitlines()]
    calls = [one["ts"] for one in events if one.get("op") == "LooksAlive"]
    own = [one["ts"] for one in events if one.get("res") == "one" and one["ts"] in calls]
    assert max(after - before for before, after in pairwise(own)) > 2_500_000
    if run.returncode == 1:
        assert any(": P6late violated" in line for line in lines)
        assert "    blame:     RHS" in lines


@pytest.mark.breaks_rules
def test_a_monitor_that_stood_still_alone_was_late(tmp_path: Path) -> None:
    run = begin(tmp_path, 20)
    stop(children(run.pid)[:1], 3)
    counts_as_late(run, tmp_path)


@pytest.mark.breaks_rules
def test_a_standstill_that_one_monitor_did_not_share_is_none(tmp_path: Path) -> None:
    run = begin(tmp_path, 20)
    stop([run.pid, *children(run.pid)[:1]], 3)
    counts_as_late(run, tmp_path)


def test_watchdogs_that_fire_behind_a_standstill_accuse_nobody(tmp_path: Path) -> None:
    run = begin(tmp_path, 100)  # the watchdog fires after 3.3 s
    stop([run.pid, *children(run.pid)], 5)
    lines = finish(run, 2.0)
    assert run.returncode == 0
    # A process that was killed cannot have shown everything.
    assert lines[-1].endswith((f"{tmp_path / 't.jsonl'} conforms", "conforms-so-far"))
    ends = [line for line in lines if " is gone: " in line and "ended with status 0" not in line]
    assert [line for line in ends if "RCM as well: its watchdog ended it" not in line] == []
    assert all(not line.endswith(" (during LooksAlive of one)") for line in ends)
