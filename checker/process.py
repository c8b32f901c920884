"""Work in processes of their own: started fresh, heard while they work, ended for good.

Owns the life of a child process and the conversation with it. A child is a fresh interpreter, so
that nothing of ours (a solver's state, a lock) gets into it, on every operating system alike. It
speaks in whole messages over a pipe; what else it prints goes nowhere. Knows nothing of what is
computed: a job is the name of a function and its arguments.

Nothing is left behind. A child ends when its job is done; when it is killed; when its parent ends,
killed or crashed (the pipe from it closes, which a thread waits for; Linux also kills it, whatever
it does); and, where a limit is set, when all children together with the parent hold more memory
than that. Ctrl-C goes to the parent alone.

Memory is resident memory, looked at every 20 ms: on Linux from the parent, of all processes
together; elsewhere each child looks at its own (on macOS at the most it ever held).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

LOOK_S = 0.02  # between two looks at memory and deadlines
_OUT_OF_MEMORY = 77  # exit status of a child that saw itself grow too large
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_TOO_LARGE = "the memory limit was reached"
# -P: the current directory is no place for modules.
_COMMAND = [sys.executable, "-P", "-c", "from rhscheck.checker.process import child; child()"]
_LENGTH = struct.Struct("<Q")
Emit = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Job:
    """`function` ("module:name") is called with `arguments` and a function that sends a value."""

    function: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """The child sent a value."""

    value: object


@dataclass(frozen=True, slots=True)
class Done:
    """The job is done; `value` is what its function returned."""

    value: object


@dataclass(frozen=True, slots=True)
class Failed:
    """The job raised an exception: a bug of ours. `details` is the stack trace, and more."""

    summary: str
    details: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The child ended without a word; `reason` is a clause for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Start:
    """What a child is told first: where to find modules, what to do, how much it may hold."""

    path: list[str]
    job: Job
    memory_mb: float | None


Message = Sent | Done | Failed | Ended


class ChildFailure(Exception):  # noqa: N818 - it is a bug in rhscheck, no error of the user
    """The job of a child raised an exception. `details` goes into the reproduction file."""

    def __init__(self, name: str, failed: Failed) -> None:
        super().__init__(f"in the process `{name}`: {failed.summary}")
        self.details = failed.details


# ---- the parent's side ---------------------------------------------------------------------------
@dataclass(eq=False, slots=True)
class Child:
    """A process at work."""

    name: str
    process: subprocess.Popen[bytes]
    killed: str | None = None  # why we ended it

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def kill(self, reason: str) -> None:
        """End it at once; what it sent before is still heard."""
        if self.killed is None:
            self.killed = reason
        self.process.kill()


@dataclass(slots=True)
class Crew:
    """Several children and their messages. Leaving the `with` block ends them all.

    `memory_mb`: what all children and this process may hold together, in units of 1024 * 1024
    bytes; None: any amount.
    """

    memory_mb: float | None = None
    children: list[Child] = field(default_factory=list)
    _inbox: queue.SimpleQueue[tuple[Child, Message]] = field(default_factory=queue.SimpleQueue)
    _open: set[int] = field(default_factory=set)  # children whose last message is to come
    _looked: float = 0.0

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in self.children:
            child.kill("no longer needed")
        for child in self.children:
            child.process.wait()
            if child.process.stdin is not None:
                with contextlib.suppress(OSError):
                    child.process.stdin.close()

    def start(self, name: str, job: Job) -> Child:
        """Start a child."""
        with _interrupts_held_back():  # the child goes on as its parent is when it begins
            process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=os.name == "posix",  # Ctrl-C is for the parent
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # on Windows
            )
        child = Child(name, process)
        self.children.append(child)
        self._open.add(id(child))
        threading.Thread(target=self._converse, args=(child, job), daemon=True).start()
        return child

    def messages(self, until: float | None = None) -> Iterator[tuple[Child, Message]]:
        """What the children say, until all have ended or the clock (`time.monotonic`) says `until`.

        Each child's last message is a Done, Failed or Ended.
        """
        while self._open:
            self._watch_memory()
            now = time.monotonic()
            if until is not None and now >= until:
                return
            wait = LOOK_S if until is None else min(LOOK_S, until - now)
            try:
                child, message = self._inbox.get(timeout=wait)
            except queue.Empty:
                continue
            if not isinstance(message, Sent):
                self._open.discard(id(child))
            yield child, message

    def _converse(self, child: Child, job: Job) -> None:
        """Hand the job over, then pass on what comes back."""
        stdin, stdout = child.process.stdin, child.process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("the pipes of a child were asked for")
        last: Message | None = None
        own_memory = None if sys.platform == "linux" else self.memory_mb
        try:
            _write(stdin, _Start(list(sys.path), job, own_memory))
            while (message := _read(stdout)) is not None:
                if isinstance(message, Done | Failed):
                    last = message
                    break
                self._inbox.put((child, message))  # type: ignore[arg-type]
        except OSError:  # the child is gone; how it ended is told below
            pass
        except ValueError:
            if not stdin.closed:  # else everybody left before the job was handed over
                raise
        if last is None:
            status = child.process.wait()
            reason = child.killed or f"it ended with status {status}"
            if status == _OUT_OF_MEMORY:
                reason = _TOO_LARGE
            last = Ended(reason)
        with contextlib.suppress(OSError):
            stdin.close()  # the child may go
        child.process.wait()
        stdout.close()
        self._inbox.put((child, last))

    def _watch_memory(self) -> None:
        if self.memory_mb is None or sys.platform != "linux":
            return
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        held = {id(child): _tree_mb(child.process.pid) for child in self.children}
        if sum(held.values()) + _resident_mb(os.getpid()) <= self.memory_mb:
            return
        largest = max(self.children, key=lambda child: held[id(child)], default=None)
        if largest is not None and held[id(largest)] > 0:
            largest.kill(_TOO_LARGE)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let no SIGINT through to this thread for now, nor ever to a process that it starts meanwhile.

    Held back, not ignored: solvers put a handler of their own in place while they work, and an
    interrupt in the middle of an import or of a check looks like a bug of ours.
    """
    if sys.platform == "win32":  # a new process group has no Ctrl-C there
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def own_memory_mb() -> float:
    """The resident memory of this process, where others are counted together with it (Linux)."""
    return _resident_mb(os.getpid()) if sys.platform == "linux" else 0.0


def _tree_mb(pid: int) -> float:
    """The resident memory of a process and all that it started (Linux)."""
    below = 0.0
    with contextlib.suppress(OSError):  # it may end while we look
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            below += sum(_tree_mb(int(one)) for one in file.read_text(encoding="ascii").split())
    return below + _resident_mb(pid)


def _resident_mb(pid: int) -> float:
    """The resident memory of a process (Linux); 0 for one that has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


# ---- the pipe ------------------------------------------------------------------------------------
def _write(stream: IO[bytes], value: object) -> None:
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _read(stream: IO[bytes]) -> object | None:
    """The next message; None at the end (also in the middle of a message)."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        return None
    value: object = pickle.loads(data)  # from a process that we started ourselves
    return value


def end_with_parent() -> None:
    """Let the system end this process when the thread that started it ends (Linux).

    A thread of ours that waits for the parent's end needs the interpreter's lock, which a library
    may hold for as long as it works. Elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415  needed here only

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


# ---- the child's side ----------------------------------------------------------------------------
def child() -> None:
    """The main function of a child: do the job that comes over standard input, then end."""
    end_with_parent()
    # Whatever a library prints must not get between messages.
    out = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    first = _read(sys.stdin.buffer)
    if first is None:
        return
    if not isinstance(first, _Start):
        raise AssertionError("the first message says what to do")
    sys.path[:] = first.path
    job, memory_mb = first.job, first.memory_mb
    threading.Thread(target=_wait_for_parent, daemon=True).start()
    if memory_mb is not None:
        threading.Thread(target=_end_when_large, args=(memory_mb,), daemon=True).start()
    lock = threading.Lock()

    def say(message: Message) -> None:
        with lock:
            _write(out, message)

    try:
        module, _, name = job.function.partition(":")
        function = getattr(importlib.import_module(module), name)
        last: Message = Done(function(*job.arguments, lambda value: say(Sent(value))))
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    except Exception as error:  # told to the parent, who reports it as a bug
        carried = "".join(f"\n{key}: {value}" for key, value in vars(error).items())
        last = Failed(f"{type(error).__name__}: {error}", traceback.format_exc() + carried)
    with contextlib.suppress(OSError):
        say(last)
    os._exit(0)  # at once: threads and solvers have nothing to tidy up


def _wait_for_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(1)


def _end_when_large(memory_mb: float) -> None:
    while True:
        if _own_resident_mb() > memory_mb:
            os._exit(_OUT_OF_MEMORY)
        time.sleep(LOOK_S)


def _own_resident_mb() -> float:
    if sys.platform == "win32":
        return _windows_resident_mb()
    if sys.platform == "linux":  # where `ru_maxrss` begins with what the parent had at the fork
        return _resident_mb(os.getpid())
    import resource  # noqa: PLC0415  not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20) if sys.platform == "darwin" else most / 1024


def _windows_resident_mb() -> float:
    import ctypes  # noqa: PLC0415  needed here only

    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS of psapi.h."""

        _fields_ = [
            ("cb", ctypes.c_uint32),
            ("PageFaultCount", ctypes.c_uint32),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
            ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
            ("PagefileUsage", ctypes.c_size_t),
            ("PeakPagefileUsage", ctypes.c_size_t),
        ]

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  exists on Windows only
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    asked = kernel.K32GetProcessMemoryInfo
    asked.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
    counters = Counters(cb=ctypes.sizeof(Counters))
    if not asked(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return 0.0
    return float(counters.WorkingSetSize) / (1 << 20)
