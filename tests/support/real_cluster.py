"""Runs a real cluster of plug-ins written in the test, and says what became of it.

Every finished run is checked for what has to hold whatever the plug-ins did: the trace conforms to
`rhs`, fresh cores repeat the recorded steps, and nothing is left running.
"""

from __future__ import annotations

import os
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rhscheck import api
from rhscheck.tracer.application import identify
from rhscheck.tracer.cluster_file import read_cluster
from rhscheck.tracer.real.news import LogNews, MonitorNews, News, ResourceNews
from rhscheck.tracer.real.runtime import Outcome, Runtime
from rhscheck.tracer.real.scale import scaled
from rhscheck.tracer.real.state_directory import StateDirectory
from rhscheck.tracer.real.step_log import StepFile, repeat_steps
from rhscheck.tracer.real.trace_file import TraceFile
from rhscheck.traces.format import Event, load_trace
from rhscheck.traces.report import TraceReport

SCALE = 100
PATIENCE_S = 40.0  # how long a test waits for something on a busy machine

# A resource that works, for the tests to spoil.
GOOD = """
import os, sys, signal, subprocess, threading, time
from rhscheck.tracer.plugin import PENDING, Handle, Resource, ResourceError, Status

class Good(Resource):
    up = False
    def online(self): self.up = True
    def offline(self): self.up = False
    def terminate(self): self.up = False
    def is_alive(self): return self.up
"""


@dataclass(slots=True)
class Run:
    """A cluster that runs in a thread, in `folder`."""

    folder: Path
    news: list[News] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    outcome: Outcome | None = None
    error: BaseException | None = None
    thread: threading.Thread | None = None
    running: Runtime | None = None
    replayer: api.Replayer = field(default_factory=api.Replayer)

    @property
    def runtime(self) -> Runtime:
        assert self.running is not None
        return self.running

    def hear(self, news: News) -> None:
        with self.changed:
            self.news.append(news)
            self.changed.notify_all()

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready`, which is asked again after all news."""
        with self.changed:
            if not self.changed.wait_for(ready, PATIENCE_S):
                raise AssertionError("it did not happen; news:\n" + "\n".join(map(str, self.news)))

    def states(self, resource: str) -> list[str]:
        """The states of a resource so far, as RCM sees them."""
        return [
            one.state
            for one in list(self.news)
            if isinstance(one, ResourceNews) and one.resource == resource
        ]

    def until_state(self, resource: str, state: str, times: int = 1) -> None:
        """Wait until the resource has been in the state so many times."""
        self.until(lambda: self.states(resource).count(state) >= times)

    def ends(self) -> list[MonitorNews]:
        """The monitor processes that ended unasked."""
        return [one for one in list(self.news) if isinstance(one, MonitorNews) and one.unexpected]

    def log(self) -> str:
        """What was said by plug-ins and the host."""
        return "\n".join(one.text for one in list(self.news) if isinstance(one, LogNews))

    def finish(self) -> None:
        """Take everything offline and wait for the end."""
        self.runtime.stop()
        self.join()

    def join(self) -> None:
        """Wait for the end of the run."""
        assert self.thread is not None
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive(), "\n".join(map(str, self.news))
        if self.error is not None:
            raise self.error

    def verdict(self) -> TraceReport:
        """The spec's verdict on the trace; the steps are repeated by fresh cores before."""
        with (self.folder / "steps.jsonl").open("rb") as stream:
            assert repeat_steps(stream).difference is None
        assert self.left_running() == []
        return self.replayer.replay(str(self.folder / "trace.jsonl"))

    def trace(self) -> tuple[Event, ...]:
        """What the trace holds; the run has ended."""
        with (self.folder / "trace.jsonl").open("rb") as stream:
            loaded = load_trace(stream)
        assert (loaded.finish.ending, loaded.problems) == ("complete", ())
        return tuple(line.event for line in loaded.events)

    def left_running(self) -> list[int]:
        """Monitor processes of the run that still exist."""
        pids = [one.pid for one in self.news if isinstance(one, MonitorNews)]
        return [pid for pid in pids if pid is not None and identify(pid) is not None]


def start(folder: Path, cluster: str, plugin: str = "", *, scale: float = SCALE) -> Run:
    """Run `cluster` (the text of CLUSTER.toml); `plugin` goes behind GOOD into `plugin.py`."""
    (folder / "plugin.py").write_text(GOOD + textwrap.dedent(plugin), encoding="utf-8")
    path = folder / "cluster.toml"
    path.write_text(textwrap.dedent(cluster), encoding="utf-8")
    file = read_cluster(path.read_text(encoding="utf-8"), str(path))
    files = ExitStack()
    directory = StateDirectory(folder / "state")
    configuration = directory.resumed(scaled(file.configuration, scale))
    files.callback(directory.release)
    trace = TraceFile(
        files.enter_context((folder / "trace.jsonl").open("wb", buffering=0)),
        configuration,
        node="node1",
        identity="test",
        tool="test",
    )
    steps = StepFile(
        files.enter_context((folder / "steps.jsonl").open("wb", buffering=0)),
        configuration,
        "node1",
    )
    run = Run(folder)
    runtime = Runtime(
        file,
        configuration,
        directory,
        node="node1",
        time_scale=scale,
        sinks=[trace, steps],
        listener=run.hear,
    )
    run.running = runtime

    def body() -> None:
        with files:
            try:
                run.outcome = runtime.run()
                if run.outcome is Outcome.ORDERLY:
                    trace.close()
            except BaseException as error:
                run.error = error

    run.thread = threading.Thread(target=body, daemon=True)
    run.thread.start()
    return run


class Start(Protocol):
    """The fixture `cluster`: `start`, and the end of the run made sure."""

    def __call__(
        self, folder: Path, cluster: str, plugin: str = "", *, scale: float = SCALE
    ) -> Run: ...


def one_resource(name: str, extra: str = "") -> str:
    """A cluster of one resource of class `name` in `plugin.py`."""
    return f'[resource.it]\nplugin = "./plugin.py:{name}"\n{extra}\n'


def is_gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether the process has ended, or does so soon."""
    until = time.monotonic() + within_s
    while identify(pid) is not None:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return os.getpid() != pid
