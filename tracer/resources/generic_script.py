"""An OCF resource agent as a resource: what Pacemaker runs as `ocf:provider:agent`.

Owns the correspondence of entry points and actions, the agent's environment and its exit codes
(Open Cluster Framework, Resource Agent API 1.1):

    Online     start, then monitor        LooksAlive   monitor with OCF_CHECK_LEVEL 0
    Offline    stop                       IsAlive      monitor with OCF_CHECK_LEVEL 10
    Terminate  end a running action, then stop

A `stop` that fails at Terminate ends the monitor: Terminate has no result, and what is left of the
application nobody knows (Pacemaker ends the node).

Every action is a process of its own; the agent keeps no time of its own, the host's deadlines hold.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from rhscheck.tracer.application import Application
from rhscheck.tracer.plugin import (
    PENDING,
    Cancel,
    Outcome,
    ParameterError,
    Resource,
    ResourceError,
)

OCF_SUCCESS: Final = 0
OCF_NOT_RUNNING: Final = 7
# Exit codes of the Resource Agent API with their names, and the Windows error they are reported as.
_FAILURES: Final = {
    1: ("generic error", 1066),
    2: ("invalid argument", 87),
    3: ("action not implemented", 50),
    4: ("insufficient permissions", 5),
    5: ("something it needs is not installed", 2),
    6: ("invalid configuration", 87),
    7: ("not running", 1062),
    8: ("running as promoted", 1066),
    9: ("failed as promoted", 1066),
}
_UNEXPECTED: Final = ("no code of the Resource Agent API", 1066)


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`agent`: path of the agent. `parameters`: handed over as OCF_RESKEY_name.

    `ocf_root` and `provider` are passed on as OCF_ROOT and OCF_RESOURCE_PROVIDER. `shell`: a
    program to run the agent with, where it cannot be executed itself (Windows).
    """

    agent: Annotated[str, Meta(min_length=1)]
    parameters: dict[str, str | int | float | bool] = {}
    provider: str = "rhscheck"
    ocf_root: str = "/usr/lib/ocf"
    shell: list[str] = []


class GenericScript(Resource):
    """Online while the agent's monitor says so."""

    params: Parameters

    @classmethod
    def check_parameters(cls, params: Parameters) -> None:
        """The agent has to be there, and a program unless a shell runs it."""
        agent = Path(params.agent).absolute()
        if not agent.is_file():
            raise ParameterError("agent", f"there is no file {agent}")
        if not params.shell and not os.access(agent, os.X_OK):
            raise ParameterError(
                "agent", f"{agent} is no program: make it executable, or name a `shell` to run it"
            )

    def open(self, *, recover: bool) -> None:
        """Probe, as Pacemaker does: what runs is kept after the death of RHS, else stopped."""
        self._running: Application | None = None
        self._lock = threading.Lock()
        self._cancelled = False
        left = self.host.recover("action")
        if left is not None:
            left.kill()
        if not Path(self.params.agent).is_file():
            raise ResourceError(f"there is no agent {self.params.agent}", 2)
        if self._action("monitor", level=0) == OCF_SUCCESS and not recover:
            self.host.log("it runs although nobody brought it online: stopping it")
            self._must("stop")

    def online(self) -> Outcome:
        """`start` in a worker; starting what runs already is a success (idempotent by the API)."""
        self._cancelled = False
        self.host.worker(self._start)
        return PENDING

    def _start(self, _cancel: Cancel) -> None:
        self._must("start")
        status = self._action("monitor", level=0)
        if status != OCF_SUCCESS:
            raise self._failure("monitor after start", status)

    def offline(self) -> Outcome:
        """`stop` in a worker."""
        self._cancelled = False
        self.host.worker(self._stop)
        return PENDING

    def _stop(self, _cancel: Cancel) -> None:
        self._must("stop")

    def terminate(self) -> None:
        """End the action that runs, if any, and stop the application."""
        with self._lock:
            self._cancelled = True
            running = self._running
        if running is not None:
            running.kill()
        self._must("stop", always=True)

    def looks_alive(self) -> bool:
        """`monitor` with check level 0."""
        return self._monitor(0)

    def is_alive(self) -> bool:
        """`monitor` with check level 10."""
        return self._monitor(10)

    def _monitor(self, level: int) -> bool:
        status = self._action("monitor", level=level)
        if status != OCF_SUCCESS:
            self.host.log(str(self._failure("monitor", status)))
        return status == OCF_SUCCESS

    def _must(self, action: str, *, always: bool = False) -> None:
        status = self._action(action, always=always)
        if status != OCF_SUCCESS:
            raise self._failure(action, status)

    def _failure(self, action: str, status: int) -> ResourceError:
        meaning, code = _FAILURES.get(status, _UNEXPECTED)
        return ResourceError(
            f"{self.params.agent} {action}: exit status {status} ({meaning}); "
            f"what it wrote is in {self.host.state_dir / 'action.log'}",
            code,
        )

    def _action(self, action: str, *, level: int = 0, always: bool = False) -> int:
        """Run the agent with `action` to its end and return its exit status.

        After Terminate only what it asks for itself (`always`) is started.
        """
        with self._lock:
            if self._cancelled and not always:
                raise ResourceError(f"{action} was not started: the resource is terminated", 1223)
            try:
                process = self.host.spawn(
                    [*self.params.shell, self.params.agent, action],
                    env=self._environment(action, level),
                    name="action",
                )
            except OSError as error:
                raise ResourceError(f"{self.params.agent} cannot be run: {error}", 5) from error
            self._running = process
        while not process.wait(3600.0):
            pass
        with self._lock:
            if self._running is process:
                self._running = None
            process.forget()
        status = process.exit_status
        return 1 if status is None else status

    def _environment(self, action: str, level: int) -> dict[str, str]:
        timeout_ms = 20_000  # advice for agents that look at it; the host's deadline decides
        agent = os.path.basename(self.params.agent)
        return {
            "OCF_ROOT": self.params.ocf_root,
            "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RA_VERSION_MINOR": "1",
            "OCF_RESOURCE_INSTANCE": self.name,
            "OCF_RESOURCE_TYPE": agent,
            "OCF_RESOURCE_PROVIDER": self.params.provider,
            "OCF_CHECK_LEVEL": str(level),
            "OCF_RESKEY_CRM_meta_timeout": str(timeout_ms),
            "OCF_RESKEY_CRM_meta_interval": "0" if action != "monitor" else "5000",
            **{
                f"OCF_RESKEY_{name}": _text(value) for name, value in self.params.parameters.items()
            },
        }


def _text(value: str | int | float | bool) -> str:
    """A parameter as agents expect it: `true` and `false` in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)
