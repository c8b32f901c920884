"""One resource in its monitor process: entry points called in threads, workers, status reports.

Owns how a Python plug-in is called and what its answers mean as result codes, and keeps for it the
promises that the protocol demands of a resource DLL: a worker begins after the call that returned
PENDING, every pending operation ends with a final report, and Terminate returns only when the
workers and a running Online or Offline are over. Decides nothing of when something is called.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, assert_never

from rhscheck.tracer.application import Application
from rhscheck.tracer.events import (
    TERMINATE,
    CallEntry,
    Crashed,
    ReportedState,
    Returned,
    RhsEvent,
)
from rhscheck.tracer.events import Status as StatusEvent
from rhscheck.tracer.plugin import (
    ERROR_INTERNAL_ERROR,
    ERROR_IO_PENDING,
    ERROR_SUCCESS,
    PENDING,
    Handle,
    Resource,
    ResourceError,
    Status,
    TerminatedError,
    Worker,
    check_report,
)
from rhscheck.tracer.plugin_loading import (
    PluginError,
    check_parameters,
    convert_parameters,
    create,
    load_class,
)
from rhscheck.tracer.real.plugin_trace import plugin_trace

NOT_ALIVE: Final = 1  # LooksAlive, IsAlive: FALSE
RECORD_SUFFIX: Final = ".process"

Submit = Callable[[RhsEvent], None]
Say = Callable[[str, str], None]


class Tickets:
    """Status reports that wait for the core's answer, and the numbers of reports and handles."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[threading.Event, list[int]]] = {}
        self.handles: dict[int, Handle] = {}

    def handle_number(self, handle: Handle) -> int:
        """A number for the handle, by which the core will ask to watch it."""
        with self._lock:
            number = next(self._numbers)
            self.handles[number] = handle
            return number

    def open(self) -> int:
        """A ticket for a report."""
        with self._lock:
            ticket = next(self._numbers)
            self._waiting[ticket] = (threading.Event(), [])
            return ticket

    def wait(self, ticket: int) -> int:
        """The answer to the report with this ticket."""
        event, answer = self._waiting[ticket]
        event.wait()
        with self._lock:
            del self._waiting[ticket]
        return answer[0]

    def answer(self, ticket: int, exit_state: int) -> None:
        """Give the answer to whoever waits for it."""
        event, answer = self._waiting[ticket]
        answer.append(exit_state)
        event.set()


@dataclass(slots=True)
class _Operation:
    """An Online or Offline: its entry-point call, and what goes on after it returned PENDING."""

    kind: Literal["Online", "Offline"]
    running: bool = True  # the entry point has not returned
    reported: bool = False  # a final report was made
    asked: list[Worker] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)


class HostedResource:
    """A resource and its plug-in; the `Host` that the plug-in sees."""

    def __init__(
        self,
        name: str,
        plugin: str,
        parameters: Mapping[str, Any],
        *,
        folder: Path,
        state_dir: Path,
        time_scale: float,
        tickets: Tickets,
        submit: Submit,
        say: Say,
    ) -> None:
        self.name = name
        self.plugin = plugin
        self._parameters = parameters
        self._folder = folder
        self._state_dir = state_dir
        self._time_scale = time_scale
        self._tickets = tickets
        self._submit = submit
        self._say = say
        self._class: type[Resource] | None = None
        self._params: Any = None
        self._resource: Resource | None = None
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self._operation: _Operation | None = None  # the latest: what reports are about
        self._workers: list[threading.Thread] = []
        self._checkpoints: Iterator[int] = itertools.count(1)
        self._trace = ""  # of the latest exception

    # ---- loading ----
    def load(self, *, first: bool = False) -> None:
        """Import the class and read the parameters. Raises PluginError.

        `first`: the run begins, so the class is asked for what is wrong with them, too.
        """
        if self._class is None:
            found = load_class(self.plugin, self._folder)
            self._params = convert_parameters(found, self._parameters)
            if first:
                check_parameters(found, self._params)
            self._class = found

    # ---- calls ----
    def call(self, effect: CallEntry) -> None:
        """Call the entry point in a thread of its own; what comes of it is submitted."""
        if effect.op in ("Online", "Offline"):
            # Set here and not in the thread: a Terminate right behind must find it running.
            with self._lock:
                self._operation = _Operation("Online" if effect.op == "Online" else "Offline")
                self._workers = [one for one in self._workers if one.is_alive()]
        threading.Thread(
            target=self._run,
            args=(effect, self._operation),
            name=f"{effect.op} {self.name}",
            daemon=True,
        ).start()

    def _run(self, effect: CallEntry, operation: _Operation | None) -> None:
        event: Returned | Crashed
        try:
            event = self._enter(effect)
        except TerminatedError:  # the plug-in reported within the call, and was told to stop
            event = self._failed(effect, ERROR_INTERNAL_ERROR, "was told to stop")
        except ResourceError as error:
            what = f"failed: {_text_of(error)}"
            self._tell(f"{effect.op} {what}")
            event = self._failed(effect, error.code, what)
        except BaseException as error:
            event = self._raised(effect, error)
        if operation is not None and effect.op in ("Online", "Offline"):
            self._go_on(operation, event)
        else:
            self._submit(event)

    def _failed(self, effect: CallEntry, code: int, what: str) -> Returned | Crashed:
        """The call has failed, and says so where it can tell failure."""
        if effect.op in ("Terminate", "Close"):
            # These have no result: nobody knows what is left of the resource.
            return Crashed(effect.call, f"{effect.op} of {self.name} {what}")
        return Returned(effect.call, code)

    def _raised(self, effect: CallEntry, error: BaseException) -> Returned | Crashed:
        """An exception that is no ResourceError."""
        if isinstance(error, SystemExit):
            what = f"called sys.exit({error.code!r})"
        else:
            what = f"raised {type(error).__name__}: {_text_of(error)}".removesuffix(": ")
            self._tell_trace(error)
        self._tell(f"{effect.op} {what}")
        return self._failed(effect, ERROR_INTERNAL_ERROR, what)

    def _tell(self, text: str) -> None:
        """Say something, if there is memory to say it: the call has its result all the same."""
        with contextlib.suppress(MemoryError):
            self.log(text)

    def _tell_trace(self, error: BaseException) -> None:
        """Show where an exception came from; once, if the next ones come from there, too."""
        with contextlib.suppress(MemoryError):
            trace = plugin_trace(error)
            told = "(the stack trace is that of before)" if trace == self._trace else trace
            self._trace = trace
            self._say(self.name, told)

    def _enter(self, effect: CallEntry) -> Returned:
        if effect.op == "Open":
            self._open(recover=effect.recover)
            return Returned(effect.call, ERROR_SUCCESS)
        resource = self._resource
        if resource is None:
            raise RuntimeError(f"{effect.op} without Open")
        match effect.op:
            case "Online":
                outcome = resource.online()
                return self._outcome(effect, outcome)
            case "Offline":
                return self._outcome(effect, resource.offline())
            case "Terminate":
                self._terminate(resource)
                return Returned(effect.call, ERROR_SUCCESS)
            case "Close":
                resource.close()
                self._resource = None
                return Returned(effect.call, ERROR_SUCCESS)
            case "LooksAlive":
                return Returned(effect.call, self._alive(effect.op, resource.looks_alive()))
            case "IsAlive":
                return Returned(effect.call, self._alive(effect.op, resource.is_alive()))
            case "ResourceControl":
                answer = resource.resource_control(effect.code, effect.data.encode("latin-1"))
                return Returned(effect.call, ERROR_SUCCESS, data=bytes(answer).decode("latin-1"))
            case _:
                assert_never(effect.op)

    def _open(self, *, recover: bool) -> None:
        try:
            self.load()
            if self._class is None:
                raise RuntimeError(f"the plug-in of {self.name} is not loaded")
            self._make_folder()
            self._resource = create(self._class, self.name, self._params, self)
        except PluginError as error:
            raise ResourceError("; ".join(str(one) for one in error.each)) from error
        self._resource.open(recover=recover)

    def _make_folder(self) -> None:
        """The plug-in's `state_dir`. That it cannot be made is no failure of the plug-in."""
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(
                f"the host, not the plug-in, cannot make the folder {self._state_dir} "
                f"({error.strerror or error}): choose another directory with --state"
            ) from error

    def _alive(self, op: str, answer: object) -> int:
        if not isinstance(answer, bool):
            self.log(f"{op} returned {answer!r}; it has to return True or False")
            return NOT_ALIVE
        return ERROR_SUCCESS if answer else NOT_ALIVE

    def _outcome(self, effect: CallEntry, outcome: object) -> Returned:
        """The result code of Online or Offline."""
        if outcome is PENDING:
            operation = self._operation
            if operation is not None and not operation.asked and not operation.reported:
                # Nobody would ever report, and Terminate could wait for nothing.
                raise ResourceError(
                    "it returned PENDING, but nothing goes on: hand a function to "
                    "`self.host.worker(...)` before"
                )
            return Returned(effect.call, ERROR_IO_PENDING)
        if self._operation is not None and self._operation.asked:
            raise ResourceError("it asked for a worker but did not return PENDING")
        if isinstance(outcome, Handle):
            if effect.op == "Offline":
                raise ResourceError("it returned a handle; only Online has one")
            number = self._tickets.handle_number(outcome)
            return Returned(effect.call, ERROR_SUCCESS, handle=number)
        if outcome is not None:
            raise ResourceError(f"it returned {outcome!r}; None, PENDING or a Handle was expected")
        return Returned(effect.call, ERROR_SUCCESS)

    def _go_on(self, operation: _Operation, event: Returned | Crashed) -> None:
        """Online or Offline has returned: tell the core, then let its worker begin."""
        unable = False
        with self._returned:
            self._submit(event)
            if isinstance(event, Returned) and event.rc == ERROR_IO_PENDING:
                for work in operation.asked:
                    thread = threading.Thread(
                        target=self._work,
                        args=(work, operation),
                        name=f"worker {operation.kind} {self.name}",
                        daemon=True,
                    )
                    try:
                        thread.start()
                    except (RuntimeError, MemoryError):  # the system has no more threads
                        unable = True
                    else:
                        self._workers.append(thread)
            operation.running = False
            self._returned.notify_all()
        if unable and not operation.reported:
            operation.reported = True
            self._tell(f"no thread can be started for the worker of {operation.kind}")
            self._report("Failed", next(self._checkpoints), None)

    def _terminate(self, resource: Resource) -> None:
        """Part 3: "Terminate should wait for the ongoing call to complete"."""
        operation = self._operation
        if operation is not None:
            operation.cancel.set()
        resource.terminate()
        with self._returned:
            while operation is not None and operation.running:
                self._returned.wait()
            workers = list(self._workers)
        for worker in workers:
            worker.join()

    # ---- workers and reports ----
    def _work(self, work: Worker, operation: _Operation) -> None:
        """Run a worker; it ends with a final report, whatever happens to it."""
        final: ReportedState = "Failed"
        handle: Handle | None = None
        called = f"the worker of {operation.kind}"
        try:
            if not operation.cancel.is_set():
                handle = self._worked(operation, work(operation.cancel))
                if not operation.cancel.is_set():
                    final = operation.kind
        except TerminatedError:
            self._tell(f"{called} was told to stop")
        except ResourceError as error:
            self._tell(f"{called} failed: {_text_of(error)}")
        except SystemExit as error:
            self._tell(f"{called} called sys.exit({error.code!r})")
        except BaseException as error:
            self._tell_trace(error)
            self._tell(f"{called} raised {type(error).__name__}: {_text_of(error)}")
        if final == "Failed":
            handle = None
        if not operation.reported:
            operation.reported = True
            self._report(final, next(self._checkpoints), handle)

    def _worked(self, operation: _Operation, outcome: object) -> Handle | None:
        """The handle that a worker has returned, where it counts. Raises ResourceError."""
        if operation.kind == "Offline" or operation.reported or outcome is None:
            return None
        if not isinstance(outcome, Handle):
            raise ResourceError(f"it returned {outcome!r}; None or a Handle was expected")
        return outcome

    def _report(self, state: ReportedState, checkpoint: int, handle: Handle | None) -> int:
        ticket = self._tickets.open()
        number = None if handle is None else self._tickets.handle_number(handle)
        self._submit(StatusEvent(ticket, self.name, state, checkpoint, number))
        return self._tickets.wait(ticket)

    # ---- Host, as the plug-in sees it ----
    @property
    def time_scale(self) -> float:
        """See `Host`."""
        return self._time_scale

    @property
    def state_dir(self) -> Path:
        """See `Host`."""
        return self._state_dir

    def log(self, message: str) -> None:
        """See `Host`."""
        self._say(self.name, str(message))

    def worker(self, work: Worker) -> None:
        """See `Host`."""
        with self._lock:
            if self._operation is None or not self._operation.running:
                raise RuntimeError("a worker can only be asked for within online and offline")
            if self._operation.asked:
                raise RuntimeError("one worker an operation: it may start threads of its own")
            self._operation.asked.append(work)

    def set_resource_status(
        self, status: Status, *, checkpoint: int | None = None, handle: Handle | None = None
    ) -> None:
        """See `Host`."""
        check_report(status, checkpoint, handle)
        operation = self._operation
        if operation is None:
            raise RuntimeError("there is no Online or Offline that could be reported about")
        state: ReportedState
        match status:
            case Status.ONLINE:
                state = "Online"
            case Status.OFFLINE:
                state = "Offline"
            case Status.FAILED:
                state = "Failed"
            case Status.PENDING:
                state = "OnlinePending" if operation.kind == "Online" else "OfflinePending"
            case _:
                assert_never(status)
        if status is not Status.PENDING:
            operation.reported = True
        number = next(self._checkpoints) if checkpoint is None else checkpoint
        if self._report(state, number, handle) == TERMINATE:
            raise TerminatedError(f"{self.name} is terminated")

    def spawn(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        name: str = "application",
        user: str | None = None,
    ) -> Application:
        """See `Host`."""
        _check_command(argv)
        left = self.recover(name)
        if left is not None:  # its record would be lost, and with it the process
            raise ResourceError(
                f"`{name}` (process {left.pid}) still runs: end it, or spawn under another name"
            )
        return Application.start(
            argv,
            self._record(name),
            log=self._state_dir / f"{name}.log",
            cwd=cwd,
            env=env,
            user=user,
        )

    def recover(self, name: str = "application") -> Application | None:
        """See `Host`."""

        def killed(pid: int) -> None:
            self.log(f"process {pid}, left by an earlier monitor, was killed")

        record = self._record(name)
        try:
            return Application.recover(record, killed)
        except OSError as error:
            raise ResourceError(unusable_record(record, error)) from error

    def _record(self, name: str) -> Path:
        _check_name(name)
        return self._state_dir / f"{name}{RECORD_SUFFIX}"


def unusable_record(record: Path, error: OSError) -> str:
    """Words about a record of an application that is there and cannot be used."""
    return (
        f"{record}: this record of an application cannot be read ({error.strerror or error}): "
        "remove it, and end the application if it still runs"
    )


def _check_name(name: object) -> None:
    """The name of an application becomes that of files in the resource's own folder."""
    if not isinstance(name, str) or not name or any(one in "/\\:" or one < " " for one in name):
        raise ValueError(
            f"{name!r} cannot be the name of an application: it names files in `state_dir`, so it "
            'is a text without "/", "\\", ":" and control characters, such as "application"'
        )


def _check_command(argv: Sequence[object]) -> None:
    """A program and its arguments, one text each."""
    if isinstance(argv, str | bytes):
        raise ValueError(
            f"{argv!r} is one text: a command is a list of a program and its arguments, such as "
            '["sleep", "1000"]'
        )
    if not argv:
        raise ValueError(
            'the command is empty: give a program and its arguments, such as ["sleep", "1000"]'
        )
    for one in argv:
        if not isinstance(one, str | os.PathLike) or "\0" in os.fsdecode(one):
            raise ValueError(f"{one!r} in the command is no text that a program could be given")
    if argv[0] == "":
        raise ValueError("the command names no program: its first text is empty")


def _text_of(error: BaseException) -> str:
    """What an exception says of itself; it is the plug-in's, and may fail at that, too."""
    try:
        return str(error)
    except Exception as second:
        return f"(its text cannot be had: {type(second).__name__})"
