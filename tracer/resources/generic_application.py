"""A process as a resource: online while it runs. The counterpart of Windows' Generic Application.

Owns the life of one process. It is healthy while it runs: for a program that can hang while it
runs, write a resource of your own with an `is_alive` that asks it something.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rhscheck.tracer.application import Application
from rhscheck.tracer.plugin import PENDING, Cancel, Handle, Outcome, Resource, ResourceError, Status

ERROR_PROCESS_ABORTED = 1067  # "The process terminated unexpectedly."


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`command`: the program and its arguments; no shell is involved.

    `directory`: where it runs (default: the resource's state directory). `environment`: added to
    RHS's. `user` (POSIX): who it runs as. `settle_s`: it must still run so long after its start.
    `stop_s`: how long Offline waits after asking it to end before it kills it (divided by the
    time scale). `watch`: let the
    host wait for its end instead of polling. `recover`: what becomes of one whose RHS died.
    """

    command: Annotated[list[str], Meta(min_length=1)]
    directory: str | None = None
    environment: dict[str, str] = {}
    user: str | None = None
    settle_s: Annotated[float, Meta(ge=0)] = 0.1
    stop_s: Annotated[float, Meta(ge=0)] = 10.0
    watch: bool = True
    recover: Literal["adopt", "kill"] = "adopt"


class GenericApplication(Resource):
    """Online while its process runs."""

    params: Parameters
    _app: Application | None = None
    _ending = False  # it is being stopped: its end is no failure

    def open(self, *, recover: bool) -> None:
        """Adopt or kill the process that an earlier RHS left behind."""
        left = self.host.recover()
        if left is None:
            return
        if recover and self.params.recover == "adopt":
            self.host.log(f"adopted process {left.pid}")
            self._app = left
        else:
            left.kill()

    def online(self) -> Outcome:
        """Start the process, unless an adopted one runs."""
        self._ending = False
        if self._app is not None and self._app.is_running():
            return self._watch(self._app)
        self._app = None
        folder = None if self.params.directory is None else Path(self.params.directory)
        try:
            self._app = self.host.spawn(
                self.params.command,
                cwd=folder or self.host.state_dir,
                env=self.params.environment,
                user=self.params.user,
            )
        except (OSError, LookupError, ValueError) as error:  # LookupError: no such user
            raise ResourceError(
                f"{self.params.command[0]} cannot be started: {error}", 2
            ) from error
        self.host.worker(self._settle)
        return PENDING

    def _settle(self, cancel: Cancel) -> Handle | None:
        app = self._app
        if app is None or cancel.wait(self.params.settle_s):
            return None
        if not app.is_running():
            app.forget()
            raise ResourceError(
                f"{self.params.command[0]} ended at once with status {app.exit_status}; "
                f"what it wrote is in {self.host.state_dir / 'application.log'}",
                ERROR_PROCESS_ABORTED,
            )
        return self._watch(app)

    def _watch(self, app: Application) -> Handle | None:
        if not self.params.watch:
            return None
        handle = Handle()

        def ended() -> None:
            if not self._ending:
                self.host.log(f"process {app.pid} ended with status {app.exit_status}")
            handle.signal()

        app.when_ended(ended)
        return handle

    def offline(self) -> Outcome:
        """Ask the process to end; kill it if it does not."""
        if self._app is None:
            return None
        self._ending = True
        self.host.worker(self._stop)
        return PENDING

    def _stop(self, cancel: Cancel) -> None:
        app = self._app
        if app is None:
            return
        app.stop(signal.SIGTERM)
        left, step = self.params.stop_s / self.host.time_scale, 1.0 / self.host.time_scale
        while left > 0 and not cancel.is_set() and not app.wait(min(left, step)):
            left -= step
            self.host.set_resource_status(Status.PENDING)  # ends the worker after Terminate
        app.kill()
        self._app = None

    def terminate(self) -> None:
        """Kill the process."""
        self._ending = True
        app = self._app
        if app is not None:
            app.kill()
        self._app = None

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._app is not None and self._app.is_running()
