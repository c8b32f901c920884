"""A real PostgreSQL server, hosted: killed, and stopped so that IsAlive hangs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec import UNSET
from real_cluster import Run, Start, is_gone

from rhscheck.tracer.application import identify, read_record
from rhscheck.traces.format import (
    CallEvent,
    Event,
    ExitEvent,
    NoteEvent,
    NotifyEvent,
    ReturnEvent,
    StateEvent,
    TimeoutEvent,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "postgresql"
PROGRAMS = shutil.which("postgres") or next(
    iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)), None
)
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is POSIX"),
    pytest.mark.skipif(
        PROGRAMS is None,
        reason="PostgreSQL IS NOT INSTALLED: hosting a real server is not tested "
        "(Debian: apt-get install postgresql)",
    ),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that the server's user can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="rhscheck-pg-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def cluster_text(folder: Path) -> str:
    """The example's cluster, with this test's own data, port and user."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = os.geteuid() == 0
    data = folder / "home" / "data"
    data.parent.mkdir()
    if root:
        shutil.chown(data.parent, "nobody")
    shutil.copy(EXAMPLE / "postgresql.py", folder)
    text = (EXAMPLE / "cluster.toml").read_text(encoding="utf-8")
    text = text.replace('data = "data"', f'data = "{data}"').replace("54329", str(port))
    text = text.replace('# user = "postgres"', 'user = "nobody"' if root else "#")
    return text.replace("probe_timeout_s = 0", 'probe_timeout_s = 0\noptions = ["-F"]')


def pid_of(run: Run, resource: str) -> int:
    """The process of a resource's application."""
    record = read_record(run.folder / "state" / "resources" / resource / "application.process")
    assert record is not None
    return record.pid


def test_killed_and_stopped(cluster: Start, folder: Path) -> None:
    run = cluster(folder, cluster_text(folder))
    run.until_state("elsewhere", "Online")
    run.until_state("neighbour", "Online")
    run.until_state("database", "Online")
    monitor, quiet = run.runtime.pid_of("shared"), run.runtime.pid_of("quiet")

    # Killed: seen by LooksAlive, confirmed by IsAlive, terminated, restarted by the same monitor.
    first = pid_of(run, "database")
    os.kill(first, signal.SIGKILL)
    run.until_state("database", "Online", 2)
    assert is_gone(first)
    assert run.runtime.pid_of("shared") == monitor

    # Stopped: IsAlive hangs. The deadline ends the monitor, the orphan is killed, all comes back.
    second = pid_of(run, "database")
    os.kill(second, signal.SIGSTOP)
    run.until_state("database", "Online", 3)
    run.until_state("neighbour", "Online", 2)
    assert is_gone(second)
    (end,) = run.ends()
    assert "in exactly" in Path(end.dump).read_text(encoding="utf-8")
    # The neighbour in the same monitor was reopened, the one in a monitor of its own not disturbed.
    assert run.runtime.pid_of("quiet") == quiet
    assert run.states("elsewhere").count("Online") == 1

    third = pid_of(run, "database")
    assert identify(third) is not None
    run.finish()
    assert is_gone(third)
    assert run.verdict().verdict in ("conforms", "conforms-so-far")

    # All that is in the trace, in this order.
    events = run.trace()
    (
        looked,
        checked,
        failed,
        terminated,
        again,
        timed_out,
        exit_event,
        ended,
        opened,
        killed,
        online,
    ) = places(
        events,
        # Killed: seen, confirmed, told, terminated, and online again in the same process.
        lambda one: isinstance(one, ReturnEvent) and (one.op, one.rc) == ("LooksAlive", 1),
        lambda one: isinstance(one, ReturnEvent) and (one.op, one.rc) == ("IsAlive", 1),
        lambda one: isinstance(one, NotifyEvent) and one.what.startswith("Failed: "),
        lambda one: isinstance(one, CallEvent) and (one.op, one.res) == ("Terminate", "database"),
        lambda one: isinstance(one, StateEvent) and (one.res, one.target) == ("database", "Online"),
        # Stopped: out of time, dumped, ended; opened to recover, the orphan killed, online again.
        lambda one: isinstance(one, TimeoutEvent) and (one.op, one.res) == ("IsAlive", "database"),
        lambda one: isinstance(one, ExitEvent) and (one.why, one.dump) == ("deadlock", True),
        lambda one: isinstance(one, NoteEvent) and one.what.startswith("monitor ended: "),
        lambda one: isinstance(one, CallEvent) and (one.op, one.res) == ("Open", "database"),
        lambda one: isinstance(one, NoteEvent) and one.res == "database",
        lambda one: isinstance(one, StateEvent) and (one.res, one.target) == ("database", "Online"),
    )
    assert {one.res for one in (looked, checked, failed, terminated, again)} == {"database"}
    assert looked.mon == checked.mon == failed.mon == terminated.mon == timed_out.mon == "shared#1"
    assert timed_out.mon == exit_event.mon == ended.mon == "shared#1"
    assert isinstance(ended, NoteEvent)
    assert re.search(
        r"ended itself because of a deadlock at postgresql\.py line \d+ in exactly, "
        r"called from postgresql\.py line \d+ in message, ",
        ended.what,
    )
    assert ended.what.endswith(f"; its threads: {end.dump}")
    assert opened.mon == killed.mon == "database (own)#1"  # it was at fault
    assert isinstance(opened, CallEvent)
    assert opened.args == {"recover": True}
    assert isinstance(killed, NoteEvent)
    assert killed.what == f"process {second}, left by an earlier monitor, was killed"
    assert isinstance(online, StateEvent)
    opens = [one for one in events if isinstance(one, CallEvent) and one.op == "Open"]
    assert [(one.mon, one.args) for one in opens if one.res == "neighbour"] == [
        ("shared#1", UNSET),
        ("shared#2", {"recover": True}),
    ]
    assert [(one.mon, one.args) for one in opens if one.res == "elsewhere"] == [("quiet#1", UNSET)]
    assert [one.what for one in events if isinstance(one, NoteEvent) and one.mon == "quiet#1"] == [
        "monitor started",
        "monitor ended: ended with status 0",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="descendants are read from Linux's /proc")
def test_a_server_that_is_stopped_with_all_its_processes(cluster: Start, folder: Path) -> None:
    """Those that the server had started were left behind, stopped, and no other server could start
    because they held its shared memory; they were there even after the run."""
    run = cluster(folder, cluster_text(folder))
    run.until_state("database", "Online")
    server = pid_of(run, "database")
    children = Path(f"/proc/{server}/task/{server}/children").read_text("ascii").split()
    assert len(children) >= 3
    stopped = [server, *(int(one) for one in children)]
    for one in stopped:
        os.kill(one, signal.SIGSTOP)
    run.until_state("database", "Online", 2)
    assert [is_gone(one) for one in stopped] == [True] * len(stopped)
    run.finish()
    assert "failed" not in run.log()
    assert run.verdict().verdict in ("conforms", "conforms-so-far")


def places(events: Sequence[Event], *tests: Callable[[Event], bool]) -> list[Event]:
    """The first event for which the first test holds, the first behind it for the second, …"""
    rest = iter(events)
    return [next(one for one in rest if test(one)) for test in tests]
