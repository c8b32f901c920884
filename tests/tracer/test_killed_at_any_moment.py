"""SIGKILL at any moment: what is left is readable, accepted by the spec, and nothing runs on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from real_cluster import GOOD, Run, Start, is_gone

from rhscheck import api
from rhscheck.tracer.application import identify, read_record
from rhscheck.tracer.real.step_log import repeat_steps

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is left is read from /proc")

BUSY = """
class Busy(Good):
    def open(self, recover):
        left = self.host.recover()
        if left is not None: left.kill()
    def online(self):
        self.app = self.host.spawn(["sleep", "1000"])
        self.host.worker(self.work)
        return PENDING
    def work(self, cancel):
        for _ in range(3):
            self.host.set_resource_status(Status.PENDING)
            cancel.wait(0.01)
        self.up = True
    def offline(self): self.terminate()
    def terminate(self):
        self.up = False
        if getattr(self, "app", None) is not None: self.app.kill()
"""
CLUSTER = """
[monitor_restarts]
restarts = 100
period = "1000h"
[resource.a]
plugin = "./plugin.py:Busy"
isolate_after = 0
restart = { threshold = 1000 }
[resource.b]
plugin = "./plugin.py:Busy"
depends_on = ["a"]
restart = { threshold = 1000 }
[resource.c]
plugin = "./plugin.py:Busy"
monitor = "own"
restart = { threshold = 1000 }
"""


def kill(run: Run, monitor: str) -> None:
    """Kill the monitor, if there is one just now."""
    pid = run.runtime.pid_of(monitor)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGKILL)


def test_monitors_killed_at_any_moment(cluster: Start, tmp_path: Path) -> None:
    draw = random.Random(7)
    run = cluster(tmp_path, CLUSTER, BUSY)
    run.until_state("c", "Online")
    for _ in range(12):
        time.sleep(draw.random() * 0.3)
        kill(run, draw.choice(("shared", "own")))
    kill(run, "shared")
    run.until_state("b", "Online", run.states("b").count("Online") + 1)
    run.finish()
    assert {run.states(name)[-1] for name in ("a", "b", "c")} == {"Closed"}
    assert len(run.ends()) >= 6
    assert run.verdict().verdict in ("conforms", "conforms-so-far")
    for name in ("a", "b", "c"):
        record = read_record(tmp_path / f"state/resources/{name}/application.process")
        assert record is None or identify(record.pid) is None


@pytest.mark.parametrize("after_s", [0.05, 0.6, 1.4])
def test_rcm_killed_at_any_moment(tmp_path: Path, after_s: float) -> None:
    (tmp_path / "plugin.py").write_text(GOOD + textwrap.dedent(BUSY), encoding="utf-8")
    (tmp_path / "cluster.toml").write_text(CLUSTER, encoding="utf-8")
    trace, steps = tmp_path / "t.jsonl", tmp_path / "s.jsonl"
    words = [sys.executable, "-m", "rhscheck", "run", "cluster.toml", "--time-scale", "100"]
    options = ["--trace", "t.jsonl", "--steps", "s.jsonl", "--judge", "none"]
    run = subprocess.Popen([*words, *options], cwd=tmp_path, stdout=subprocess.PIPE)
    assert run.stdout is not None
    line = run.stdout.readline()  # the first monitor is started
    pid = int(line.split()[-1])
    time.sleep(after_s)
    run.kill()
    run.communicate()
    assert is_gone(pid)
    with steps.open("rb") as stream:
        assert repeat_steps(stream).difference is None
    if b'"ev":"call"' in trace.read_bytes():
        assert api.replay(str(trace)).verdict == "conforms-so-far"
    # The next run ends what the first has left, and hosts all anew.
    again = subprocess.run(
        [*words, *options, "--seconds", "1"], cwd=tmp_path, capture_output=True, check=False
    )
    assert again.returncode == 0, again.stdout
    assert not any(_is_of(one, tmp_path) for one in Path("/proc").iterdir())


def _is_of(process: Path, folder: Path) -> bool:
    """Whether it is a process with something of the folder in its environment."""
    try:
        return (
            process.name.isdecimal()
            and os.fsencode(folder)
            in ((process / "environ").read_bytes().partition(b"RHSCHECK_RESOURCES=")[2])
        )
    except OSError:
        return False
