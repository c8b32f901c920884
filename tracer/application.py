"""An application process that outlives the RHS that started it: started, recorded, found again.

Owns the identity of a process (number and start time, because numbers are used again), its record
on disk, and ending it with everything it started. The application has a session of its own, so
that the death of RHS's process group leaves it running, as on Windows. Knows nothing of resources.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

_COLLECTED_S = 1.0
POLL_S = 0.02  # how often the end of a process is looked for where nothing signals it


@dataclass(frozen=True, slots=True)
class Identity:
    """A process and no other: `started` tells it from a later one with the same number.

    It is the system's own notation of the start time, only ever compared.
    """

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """The process that has this number now; None if there is none, or only its remains."""
    if pid <= 0:
        return None
    if sys.platform == "linux":
        return _identify_linux(pid)
    if sys.platform == "win32":
        return _identify_windows(pid)
    return _identify_ps(pid)


def _identify_linux(pid: int) -> Identity | None:
    """From /proc: the state and the start time, which follow the name in parentheses."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X"):  # a zombie has ended, whoever has still to be told
        return None
    return Identity(pid, fields[19].decode("ascii"))


def _identify_ps(pid: int) -> Identity | None:
    """From ps, which POSIX systems have."""
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    state, _, started = shown.stdout.strip().partition(" ")
    if not state or state.startswith("Z"):
        return None
    return Identity(pid, started.strip())


def _identify_windows(pid: int) -> Identity | None:
    """From the process's creation time, in units of 100 ns."""
    if sys.platform != "win32":
        raise OSError("only on Windows")
    import ctypes  # noqa: PLC0415
    from ctypes import wintypes  # noqa: PLC0415

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    process = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not process:
        return None
    try:
        times = [wintypes.FILETIME() for _ in range(4)]
        code = wintypes.DWORD()
        known = kernel.GetProcessTimes(
            wintypes.HANDLE(process), *(ctypes.byref(one) for one in times)
        ) and kernel.GetExitCodeProcess(wintypes.HANDLE(process), ctypes.byref(code))
        if not known or code.value != 259:  # STILL_ACTIVE
            return None
        created = times[0]
        return Identity(pid, str((created.dwHighDateTime << 32) | created.dwLowDateTime))
    finally:
        kernel.CloseHandle(wintypes.HANDLE(process))


class Application:
    """A running application, started here or found again. Safe to use from several threads."""

    def __init__(
        self,
        identity: Identity,
        record: Path,
        child: subprocess.Popen[bytes] | None,
        killed: Callable[[], None] | None = None,
    ):
        self.identity = identity
        self._record = record
        self._child = child  # only the process that started it can and must collect it
        self._killed = killed

    @property
    def pid(self) -> int:
        """Its process number."""
        return self.identity.pid

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        record: Path,
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> Application:
        """Start `argv` in a session of its own, its output appended to `log`.

        `record` remembers it; it must not name an application that still runs (see `recover`).
        `env` is added to the environment. `user` (POSIX): who it runs as, with that user's groups.
        Raises OSError if it cannot be started, LookupError if there is no such user.
        """
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP
        group, groups = (None, None) if user is None else _groups_of(user)
        with log.open("ab") as output:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=sys.platform != "win32",
                creationflags=flags,
                close_fds=True,
                user=user,
                group=group,
                extra_groups=groups,
            )
        identity = identify(child.pid)
        if identity is None:  # it has ended already; what it wrote is in the log
            identity = Identity(child.pid, "")
        else:
            try:
                _write_record(record, identity)
            except OSError:  # nobody would find it again
                end_group(identity, running=True)
                child.wait()
                raise
        return cls(identity, record, child)

    @classmethod
    def recover(
        cls, record: Path, killed: Callable[[int], None] | None = None
    ) -> Application | None:
        """The recorded application if it still runs; else None, and the record is removed.

        `killed` is called with its process number when `kill` has ended it. Raises OSError for a
        record that cannot be read or removed.
        """
        identity = read_record(record)
        if identity is not None and identify(identity.pid) == identity:
            tell = None if killed is None else partial(killed, identity.pid)
            return cls(identity, record, None, tell)
        record.unlink(missing_ok=True)
        return None

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        if self._child is not None:
            return self._child.poll() is None
        return identify(self.pid) == self.identity

    @property
    def exit_status(self) -> int | None:
        """How it ended (negative: by that signal); None while it runs, and for an adopted one."""
        return None if self._child is None else self._child.poll()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended, at most `timeout_s` seconds; whether it has."""
        until = time.monotonic() + timeout_s
        if sys.platform == "linux" and self.is_running():
            _wait_pidfd(self.pid, timeout_s)
        while self.is_running():
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(POLL_S, left))
        return True

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask the process to end. One that has ended already is no error."""
        if self._child is not None:
            self._child.send_signal(signal_number)
        elif identify(self.pid) == self.identity:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal_number)

    def kill(self, timeout_s: float = 5.0) -> None:
        """End the process, its group and (Linux, Windows) its descendants at once, and forget it.

        Raises TimeoutError if the system has not ended it within `timeout_s` seconds.
        """
        running = self.is_running()
        end_group(self.identity, running=running)
        if not self.wait(timeout_s):
            raise TimeoutError(f"process {self.pid} was killed and still runs")
        if self._child is None:
            _wait_collected(self.pid)
        self.forget()
        killed, self._killed = self._killed, None
        if killed is not None and running:  # else it had ended as it was asked to
            killed()

    def forget(self) -> None:
        """Remove the record: it has ended and need not be looked for."""
        self._record.unlink(missing_ok=True)

    def when_ended(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in a thread of its own, once the process has ended."""

        def watch() -> None:
            while not self.wait(3600.0):
                pass
            listener()

        threading.Thread(target=watch, name=f"end of {self.pid}", daemon=True).start()


def _wait_collected(pid: int) -> None:
    """Wait a little until a killed process is collected by its parent (by now perhaps this one).

    Until then its number is in use, and whoever finds it in a pid file believes that it runs.
    """
    if sys.platform == "win32":
        return
    until = time.monotonic() + _COLLECTED_S
    while time.monotonic() < until:
        try:
            with contextlib.suppress(ChildProcessError):  # somebody else's child
                os.waitpid(pid, os.WNOHANG)
            os.kill(pid, 0)
        except OSError:
            return
        time.sleep(POLL_S)


def _wait_pidfd(pid: int, timeout_s: float) -> None:
    """Sleep until the process has ended, woken by the system (Linux), at most `timeout_s`."""
    if sys.platform != "linux":
        return
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # ended meanwhile, or a kernel before 5.3: the caller polls
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(timeout_s * 1000)
    finally:
        os.close(descriptor)


def end_group(identity: Identity, *, running: bool) -> None:
    """Kill a process with its group and (Linux, Windows) its descendants. Gone already is no error.

    A server may give each of its processes a session, as PostgreSQL does. One that is stopped does
    not see that its parent is gone, and would keep what they share.
    """
    if sys.platform == "win32":
        if running:
            subprocess.run(
                ["taskkill", "/PID", str(identity.pid), "/T", "/F"],
                capture_output=True,
                check=False,
            )
        return
    below = _descendants(identity.pid) if running else []
    # While the group has members its number is not given to a new process; when it has none,
    # somebody else's session could have taken it, unless the process itself is known to live.
    if running or _group_is_ours(identity):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(identity.pid, signal.SIGKILL)
    for descriptor in below:
        _kill_descriptor(descriptor)


def _descendants(pid: int) -> list[int]:
    """Open descriptors of all processes below this one (Linux); no other can take their place."""
    if sys.platform != "linux":
        return []
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            children.setdefault(_parent(int(folder.name)), []).append(int(folder.name))
    found: list[int] = []
    above = [pid]
    while above:
        parent = above.pop()
        for child in children.get(parent, []):
            with contextlib.suppress(OSError):  # ended meanwhile, or a kernel before 5.3
                descriptor = os.pidfd_open(child)
                if _parent(child) == parent:
                    found.append(descriptor)
                    above.append(child)
                else:  # its number is somebody else's by now
                    os.close(descriptor)
    return found


def _parent(pid: int) -> int:
    """The parent of a process by /proc; 0 if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # gone, or hidden from this user
        return 0
    return int(stat.rpartition(b")")[2].split()[1])


def _kill_descriptor(descriptor: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)


def _group_is_ours(identity: Identity) -> bool:
    """Whether the group has members although its leader is gone: nobody can have taken it over."""
    return identify(identity.pid) is None


def _groups_of(user: str) -> tuple[int, list[int]]:
    """The user's own group and all groups, so that the starter's rights are not passed on."""
    if sys.platform == "win32":
        raise OSError("on Windows an application cannot be run as somebody else")
    import pwd  # noqa: PLC0415  POSIX only

    entry = pwd.getpwnam(user)
    return entry.pw_gid, os.getgrouplist(user, entry.pw_gid)


def _write_record(record: Path, identity: Identity) -> None:
    part = record.with_name(f"{record.name}.part")
    part.write_bytes(msgspec.json.encode(identity))
    part.replace(record)


def read_record(record: Path) -> Identity | None:
    """The recorded process, None without a record, or with one that somebody has damaged.

    Raises OSError for one that cannot be read, such as a folder.
    """
    try:
        return msgspec.json.decode(record.read_bytes(), type=Identity)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        return None
