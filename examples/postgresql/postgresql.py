"""A real PostgreSQL server as a resource.

LooksAlive asks the system whether the server's process runs, IsAlive asks the server a question.
Try it with `rhscheck run cluster.toml --time-scale 10`, then stop the server's process with
`kill -STOP`: the question is never answered, which only the host's deadline notices.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rhscheck.tracer.application import Application
from rhscheck.tracer.plugin import (
    PENDING,
    Cancel,
    Outcome,
    ParameterError,
    Resource,
    ResourceError,
    Status,
)

INSTALL = "install PostgreSQL (Debian: apt-get install postgresql), or set `programs`"
ERROR_FILE_NOT_FOUND = 2
ERROR_SERVICE_NOT_ACTIVE = 1062


@dataclass(frozen=True)
class Parameters:
    """`data`: the database cluster, made if it is not there. `user`: who the server runs as (it
    refuses to run as root). `programs`: folder of `postgres` and `initdb`; found without it, if
    they are on the PATH or where Debian puts them. `probe_timeout_s`: how long IsAlive waits for an
    answer; 0: as long as it takes. `options`: more arguments for the server.
    """

    data: str
    port: int = 5432
    user: str | None = None
    programs: str | None = None
    probe_timeout_s: float = 5.0
    options: list[str] = field(default_factory=list)


class PostgreSQL(Resource):
    """Online while the server answers a query."""

    params: Parameters
    server: Application | None = None

    @classmethod
    def check_parameters(cls, params: Parameters) -> None:
        """What would fail at every Online is told before the run."""
        if sys.platform != "win32" and os.geteuid() == 0 and params.user in (None, "root"):
            raise ParameterError("user", "PostgreSQL refuses to run as root: name another user")
        if not find_programs("postgres", params.programs):
            raise ParameterError("programs", f"there is no `postgres`: {INSTALL}")

    def open(self, *, recover: bool) -> None:
        """A server whose monitor died may hang, so it is ended and not adopted."""
        for left in (self.host.recover(), self.host.recover("initdb")):
            if left is not None:
                left.kill()

    def online(self) -> Outcome:
        """Starting takes longer than 300 ms: a worker does it."""
        self.host.worker(self.start)
        return PENDING

    def start(self, cancel: Cancel) -> None:
        """Make the database if need be, start the server, wait until it answers."""
        data = Path(self.params.data).absolute()
        if not (data / "PG_VERSION").exists():
            self.make(data, cancel)
        while not cancel.is_set():
            self.server = server = self.host.spawn(
                [
                    *(self.program("postgres"), "-D", str(data), "-p", str(self.params.port)),
                    *("-c", "listen_addresses=127.0.0.1", "-k", "", *self.params.options),
                ],
                cwd=data,
                user=self.params.user,
            )
            while server.is_running():
                if self.answers(1.0):
                    return
                self.host.set_resource_status(Status.PENDING)  # another PendingTimeout
                if cancel.wait(0.05):
                    return
            server.forget()
            # Children of a server that was killed hold its shared memory until they notice.
            if "still in use" not in self.log_tail(lines=2):  # a hint stands below it
                raise ResourceError(f"it ended: {self.log_tail()}", ERROR_SERVICE_NOT_ACTIVE)
            self.host.set_resource_status(Status.PENDING)
            cancel.wait(0.2)

    def make(self, data: Path, cancel: Cancel) -> None:
        """Run `initdb`; what it had made when it was ended early is not taken for a database."""
        new = data.with_name(f"{data.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        initdb = self.host.spawn(
            [self.program("initdb"), "-D", str(new), "-U", "postgres", "-A", "trust"],
            cwd=data.parent,
            user=self.params.user,
            name="initdb",
        )
        while not initdb.wait(0.1):
            if cancel.is_set():
                initdb.kill()
                return
            self.host.set_resource_status(Status.PENDING)
        initdb.forget()
        if initdb.exit_status != 0:
            raise ResourceError(f"initdb failed: {self.log_tail('initdb')}")
        new.rename(data)

    def offline(self) -> Outcome:
        """A fast shutdown (SIGINT): clients are disconnected, everything is written."""
        self.host.worker(self.stop)
        return PENDING

    def stop(self, cancel: Cancel) -> None:
        """Ask the server to end and wait for it."""
        if self.server is None:
            return
        self.server.stop(signal.SIGINT)
        while not self.server.wait(0.1):
            if cancel.is_set():
                return
            self.host.set_resource_status(Status.PENDING)
        self.server.forget()
        self.server = None

    def terminate(self) -> None:
        """No time for an orderly end: the server recovers from its log at the next start."""
        if self.server is not None:
            self.server.kill()
            self.server = None

    def looks_alive(self) -> bool:
        """Does the process run?"""
        return self.server is not None and self.server.is_running()

    def is_alive(self) -> bool:
        """Does the server answer a query?"""
        return self.answers(self.params.probe_timeout_s or None)

    def answers(self, timeout_s: float | None) -> bool:
        """Whether `SELECT 1` is answered; waits `timeout_s` for each part of the answer."""
        with contextlib.suppress(OSError, EOFError):
            return probe(self.params.port, timeout_s)
        return False

    def program(self, name: str) -> str:
        """Where the program is."""
        places = find_programs(name, self.params.programs)
        if not places:
            raise ResourceError(f"there is no `{name}`: {INSTALL}", ERROR_FILE_NOT_FOUND)
        return places[0]

    def log_tail(self, name: str = "application", lines: int = 1) -> str:
        """The last lines that the program wrote."""
        path = self.host.state_dir / f"{name}.log"
        written = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(written[-lines:]) or "it wrote nothing"


def find_programs(name: str, folder: str | None) -> list[str]:
    """The program in `folder` or on the PATH; else each version that Debian has installed, the
    newest first.
    """
    found = shutil.which(name, path=folder)
    if found:
        return [found]
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = sorted(installed, key=lambda path: int(path.parts[4].split(".")[0]), reverse=True)
    return [str(one) for one in newest]


def probe(port: int, timeout_s: float | None) -> bool:
    """Ask `SELECT 1`, by PostgreSQL's frontend/backend protocol, version 3.

    Raises OSError, or EOFError when the server hangs up.
    """
    startup = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
    query = b"SELECT 1\0"
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s or 5.0) as server:
        server.settimeout(timeout_s)
        server.sendall(struct.pack("!i", len(startup) + 4) + startup)
        asked = False
        while True:
            kind, body = message(server)
            if kind == b"E":  # ErrorResponse: it may be starting up
                return False
            if kind == b"D":  # DataRow: one column, of one byte
                return body == struct.pack("!hi", 1, 1) + b"1"
            if kind == b"Z" and not asked:  # ReadyForQuery
                server.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)
                asked = True


def message(server: socket.socket) -> tuple[bytes, bytes]:
    """One message: its kind and its content."""
    head = exactly(server, 5)
    return head[:1], exactly(server, struct.unpack("!i", head[1:])[0] - 4)


def exactly(server: socket.socket, size: int) -> bytes:
    """So many bytes; EOFError if there are fewer."""
    content = b""
    while len(content) < size:
        part = server.recv(size - len(content))
        if not part:
            raise EOFError
        content += part
    return content
