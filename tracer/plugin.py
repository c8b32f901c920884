"""What the author of a resource writes against: `Resource`, `PENDING`, workers, status, handles.

Owns the shape of a Python resource and the names it uses; `rhscheck.tracer.plugin_loading` checks
that a class has this shape, `rhscheck.tracer.hosting` calls it. Knows nothing of processes, pipes
or the cores. The protocol is that of a resource DLL ("Creating a Cluster Resource DLL", Part 3):
entry points of one resource are serialised, except `terminate`, which may run beside any of them.

    class Web(Resource):
        params: WebParams                       # a dataclass or msgspec.Struct: typed, checked

        def online(self) -> Outcome:
            self.app = self.host.spawn(["httpd", "-p", str(self.params.port)])
            self.host.worker(self.wait_until_ready)
            return PENDING
"""

from __future__ import annotations

import enum
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, final

from rhscheck.tracer.application import Application

ERROR_SUCCESS: Final = 0
ERROR_INVALID_FUNCTION: Final = 1  # what a resource answers to a control it does not know
ERROR_INTERNAL_ERROR: Final = 1359  # what an unexpected exception is reported as
ERROR_IO_PENDING: Final = 997  # Part 3 calls it ERROR_PENDING


@final
class Pending(enum.Enum):
    """The type of `PENDING`: the operation goes on in a worker (ERROR_IO_PENDING)."""

    PENDING = ERROR_IO_PENDING


PENDING: Final = Pending.PENDING


class Status(enum.Enum):
    """What a worker reports with `set_resource_status` (the ClusterResource… states)."""

    ONLINE = "Online"
    OFFLINE = "Offline"
    FAILED = "Failed"
    PENDING = "Pending"  # still at work: gives the operation another pending time-out


class ResourceError(Exception):
    """An entry point failed. `code` is the Windows error code that is reported, never 0 or 997."""

    def __init__(self, message: str, code: int = ERROR_INTERNAL_ERROR) -> None:
        given: object = code  # a plug-in need not have been type-checked
        if not isinstance(given, int) or not 0 <= given < 2**32:
            raise ValueError(f"the code of an error is a number of 32 bits, not {given!r}")
        if code in (ERROR_SUCCESS, ERROR_IO_PENDING):
            raise ValueError(f"{code} is not the code of an error")
        super().__init__(message)
        self.code = code


class ParameterError(Exception):
    """A parameter in CLUSTER.toml that is of the right type and cannot be used all the same.

    `parameter`: its name, whose line is shown with the message.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


class TerminatedError(Exception):
    """The resource was terminated: a worker that sees this has to end (ResourceExitStateTerminate).

    A worker need not catch it.
    """


class Handle:
    """A waitable health handle: while the host holds one it does not poll, but waits for it.

    `signal` says that the resource is ill; any thread may call it, any number of times.
    """

    def __init__(self) -> None:
        self._signalled = threading.Event()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def signalled(self) -> bool:
        """Whether `signal` was called."""
        return self._signalled.is_set()

    def signal(self) -> None:
        """Tell the host that the resource has failed."""
        with self._lock:
            self._signalled.set()
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def when_signalled(self, listener: Callable[[], None]) -> None:
        """Call `listener` once, as soon as the handle is signalled; at once if it is already."""
        with self._lock:
            if not self._signalled.is_set():
                self._listeners.append(listener)
                return
        listener()


def check_report(status: object, checkpoint: object, handle: object) -> None:
    """Raise ValueError for a status report that is none: a plug-in need not be type-checked."""
    if not isinstance(status, Status):
        raise ValueError(f"{status!r} is no status: use Status.ONLINE, OFFLINE, FAILED or PENDING")
    number = checkpoint is None or (isinstance(checkpoint, int) and 0 <= checkpoint < 2**32)
    if not number:
        raise ValueError(f"a checkpoint is a number of 32 bits, not {checkpoint!r}")
    if handle is not None and not isinstance(handle, Handle):
        raise ValueError(f"{handle!r} is no Handle")


class Cancel(Protocol):
    """What a worker looks at: set once the resource is terminated."""

    def is_set(self) -> bool:
        """Whether the worker has to end."""

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep for `timeout` seconds or until the worker has to end; whether it has to."""


# `None`: success. A handle: success, and it is watched instead of polling (Online only).
Outcome = Pending | Handle | None
# Runs in a thread of its own; what it returns is reported: None or a handle, success.
Worker = Callable[[Cancel], Handle | None]


class Host(Protocol):
    """What the host does for a resource. Every method may be called from any thread."""

    @property
    def time_scale(self) -> float:
        """How many times shorter than real all deadlines are (`--time-scale`)."""

    @property
    def state_dir(self) -> Path:
        """A directory of this resource's own that survives the death of RHS and of RCM."""

    def log(self, message: str) -> None:
        """Write a line to the monitor's log, for people, and as a note to the trace."""

    def worker(self, work: Worker) -> None:
        """Run `work` in a thread, from the moment the current call has returned PENDING.

        When it returns, success is reported; when it raises, failure. Terminate sets its `Cancel`
        and waits for it. Raises RuntimeError outside `online` and `offline`.
        """

    def set_resource_status(
        self, status: Status, *, checkpoint: int | None = None, handle: Handle | None = None
    ) -> None:
        """Report progress or the result of a pending operation (SetResourceStatus).

        `checkpoint`: a number that changes with each report; the host counts if it is left out.
        Raises TerminatedError once the resource is being terminated, ValueError for a status, a
        checkpoint (32 bits) or a handle that is none.
        """

    def spawn(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        name: str = "application",
        user: str | None = None,
    ) -> Application:
        """Start the application; it survives the death of RHS, and `recover` finds it again.

        `name` tells several applications of one resource apart. `user` (POSIX): run it as somebody
        else. Its output goes to `<name>.log` in `state_dir`. Raises ValueError for a command or a
        name that cannot be one (a name is that of a file, without folders), OSError, and
        LookupError for an unknown user.
        """

    def recover(self, name: str = "application") -> Application | None:
        """The application that an earlier RHS started and that still runs, to adopt or to kill.

        When it is killed the host says so, in the log and in the trace.
        """


class Resource(ABC):
    """A resource. Entry points may raise `ResourceError(message, code)`; any other exception counts
    as failure with ERROR_INTERNAL_ERROR and its stack trace goes to the monitor's log.

    `params` are the parameters in CLUSTER.toml. A subclass that has some annotates `params` with a
    dataclass or a msgspec.Struct; without the annotation no parameters are accepted.
    """

    params: Any

    def __init__(self, name: str, params: Any, host: Host) -> None:
        self.name = name
        self.params = params
        self.host = host

    @classmethod  # noqa: B027
    def check_parameters(cls, params: Any) -> None:
        """Refuse parameters before anything is hosted: raise ParameterError(name, message).

        Called once, when a run begins, in the monitor process; not when a monitor is started
        again, where a parameter that has become useless must not end the neighbours.
        """

    def open(self, *, recover: bool) -> None:  # noqa: B027  nothing to do is a fine answer
        """Prepare. `recover`: the RHS that hosted the resource died; its application may still run
        and has to be adopted or killed (cf. CLUS_RESDLL_OPEN_RECOVER_MONITOR_STATE).
        """

    def close(self) -> None:  # noqa: B027
        """Give up what `open` took. Nothing is called afterwards."""

    @abstractmethod
    def online(self) -> Outcome:
        """Start the application. Return None when it serves, a `Handle` to be watched instead of
        polled, or PENDING after handing the rest to `host.worker`. Above 300 ms: PENDING (Part 3).
        """

    @abstractmethod
    def offline(self) -> Outcome:
        """Stop the application in an orderly way. None when it has stopped, or PENDING."""

    @abstractmethod
    def terminate(self) -> None:
        """Stop the application at once. Runs beside any other call; workers are cancelled before,
        and the host waits for them and for a running `online` or `offline` afterwards.
        """

    @abstractmethod
    def is_alive(self) -> bool:
        """Thoroughly: does the application serve?"""

    def looks_alive(self) -> bool:
        """Cheaply: does it look as if? On False the host calls `is_alive` at once."""
        return self.is_alive()

    def resource_control(self, code: int, data: bytes) -> bytes:
        """Answer a control. Unknown codes: ResourceError with ERROR_INVALID_FUNCTION."""
        raise ResourceError(
            f"{self.name} does not know control {code} ({len(data)} bytes)", ERROR_INVALID_FUNCTION
        )
