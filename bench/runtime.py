"""Measures the real runtime: python bench/runtime.py [runs]

    RHS start         from RCM's decision to start a monitor until it takes commands
    round trip        a resource control, RCM -> RHS -> plug-in -> RHS -> RCM, one after the other
    detection         how long after a call's deadline the monitor sees it, and RCM knows of it
    recovery          from the death of a monitor (SIGKILL) until its resource is online again
    idle monitor      proportional and resident memory (Linux)

Processes and threads are real; time-outs are divided by 1000. Nothing else should run meanwhile.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rhscheck.tracer.cluster_file import read_cluster
from rhscheck.tracer.events import (
    ControlDone,
    MonitorStarted,
    Notice,
    Received,
    StartMonitor,
    TimedOut,
)
from rhscheck.tracer.real.journal import Entry, RcmEntry, RhsEntry
from rhscheck.tracer.real.news import News, ResourceNews
from rhscheck.tracer.real.runtime import Runtime
from rhscheck.tracer.real.scale import scaled
from rhscheck.tracer.real.state_directory import StateDirectory

PLUGIN = """
import time
from rhscheck.tracer.plugin import Resource

class It(Resource):
    def online(self): pass
    def offline(self): pass
    def terminate(self): pass
    def is_alive(self): return True
    def resource_control(self, code, data): return data

class Hangs(It):
    def online(self): time.sleep(0.33)
"""
CALLS = 500


class Cluster:
    """A cluster of one resource that runs in a thread, and its steps."""

    def __init__(self, folder: Path, plugin: str, scale: int) -> None:
        (folder / "bench_plugin.py").write_text(PLUGIN, encoding="utf-8")
        text = f'[resource.it]\nplugin = "./bench_plugin.py:{plugin}"\n'
        text += '[resource.it.restart]\nthreshold = 1000\ndelay = "0s"\n'
        path = folder / "cluster.toml"
        path.write_text(text, encoding="utf-8")
        file = read_cluster(text, str(path))
        self.directory = StateDirectory(folder / "state")
        self.steps: list[Entry] = []
        self.online: list[float] = []
        self.changed = threading.Condition()
        self.runtime = Runtime(
            file,
            scaled(file.configuration, scale),
            self.directory,
            node="node1",
            time_scale=scale,
            sinks=[self.steps.append],
            listener=self.hear,
        )
        self.thread = threading.Thread(target=self.runtime.run)
        self.thread.start()

    def hear(self, news: News) -> None:
        """Note when the resource comes online."""
        with self.changed:
            if isinstance(news, ResourceNews) and news.state == "Online":
                self.online.append(time.perf_counter())
            self.changed.notify_all()

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready`."""
        with self.changed:
            if not self.changed.wait_for(ready, 60):
                raise TimeoutError("it did not happen within a minute")

    def close(self) -> None:
        """Take everything offline."""
        self.runtime.stop()
        self.thread.join()
        self.directory.release()


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    starts, recoveries = [], []
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name), "It", 1)
        cluster.until(lambda: len(cluster.online) == 1)
        trips = round_trips(cluster)
        memory = memory_of(cluster.runtime.pid_of("shared"))
        cluster.close()
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as name:
            cluster = Cluster(Path(name), "It", 1)
            cluster.until(lambda it=cluster: len(it.online) == 1)
            pid = cluster.runtime.pid_of("shared")
            assert pid is not None
            killed = time.perf_counter()
            os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            cluster.until(lambda it=cluster: len(it.online) == 2)
            recoveries.append(cluster.online[1] - killed)
            cluster.close()
            starts += start_times(cluster.steps)
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name), "Hangs", 1000)
        cluster.until(lambda: deadlocks(cluster.steps) >= runs)
        cluster.close()
        seen, known = detections(cluster.steps)
    show("RHS start", starts)
    show("round trip", trips)
    show("deadline seen late by", seen)
    show("RCM knows after the deadline", known)
    show("recovery after SIGKILL", recoveries)
    print(f"{'idle monitor':30} {memory}")


def round_trips(cluster: Cluster) -> list[float]:
    taken = []
    for _ in range(CALLS):
        answered = threading.Event()

        def done(_answer: ControlDone, answered: threading.Event = answered) -> None:
            answered.set()

        began = time.perf_counter()
        cluster.runtime.control("it", 1, b"x", done)
        answered.wait(10)
        taken.append(time.perf_counter() - began)
    return taken


def start_times(steps: list[Entry]) -> list[float]:
    began: dict[int, int] = {}
    found = []
    for step in steps:
        if isinstance(step, RcmEntry):
            began |= {
                one.epoch: step.now_us for one in step.effects if isinstance(one, StartMonitor)
            }
            if isinstance(step.event, MonitorStarted):
                found.append((step.now_us - began[step.event.epoch]) / 1e6)
    return found


def deadlocks(steps: list[Entry]) -> int:
    return len(detections(list(steps))[1])


def detections(steps: list[Entry]) -> tuple[list[float], list[float]]:
    """How late deadlines of Online were seen by the monitor, and when RCM knew of them."""
    seen, known = [], []
    deadline = 0
    for step in steps:
        if isinstance(step, RcmEntry):
            match step.event:
                case Received(message=Notice(deadlock="Online")):
                    known.append((step.now_us - deadline) / 1e6)
        elif isinstance(step, RhsEntry) and any(isinstance(one, TimedOut) for one in step.effects):
            deadline = step.now_us
            seen.append(step.late_us / 1e6)
    return seen, known


def memory_of(pid: int | None) -> str:
    if sys.platform != "linux":
        return "not measured here"
    time.sleep(1.0)
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = {line.split(":")[0]: line.split() for line in text.splitlines()[1:]}
    return f"{int(found['Pss'][1]) / 1024:.1f} MB PSS, {int(found['Rss'][1]) / 1024:.1f} MB RSS"


def show(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    print(
        f"{what:30} median {statistics.median(ordered) * 1000:7.2f} ms   "
        f"95 % {last * 1000:7.2f} ms   worst {ordered[-1] * 1000:7.2f} ms   n = {len(ordered)}"
    )


if __name__ == "__main__":
    main()
