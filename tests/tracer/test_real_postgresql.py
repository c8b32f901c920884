"""A real PostgreSQL server, hosted: killed, and stopped so that IsAlive hangs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_cluster import Run, Start, is_gone

from rhscheck.tracer.application import identify, read_record

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
    assert "ended itself because of a deadlock at postgresql.py line " in end.why
    assert "in exactly, called from postgresql.py line " in end.why
    assert f"ending server {second}, left by an earlier monitor" in run.log()
    assert "in exactly" in Path(end.dump).read_text(encoding="utf-8")
    # The neighbour in the same monitor was reopened, the one in a monitor of its own not disturbed.
    assert run.runtime.pid_of("quiet") == quiet
    assert run.states("elsewhere").count("Online") == 1

    third = pid_of(run, "database")
    assert identify(third) is not None
    run.finish()
    assert is_gone(third)
    assert run.verdict().verdict in ("conforms", "conforms-so-far")
