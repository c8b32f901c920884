"""A simulated plug-in: one resource with an application, a worker thread, and faults on demand.

Owns how a plug-in behaves in virtual time. Each thing it does is a step of its own, so that
whatever else happens may come between; in what order is the simulator's scheduler's to say. Without
a fault it keeps every promise: Terminate waits for the call and the worker it cancels, and a worker
reports only after its call returned 997 and once for all when it is over. It knows no core.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol, assert_never

from rhscheck.tracer.configuration import Timeouts
from rhscheck.tracer.events import (
    IO_PENDING,
    OPERATION_ABORTED,
    SUCCESS,
    TERMINATE,
    CallEntry,
    Crashed,
    Operation,
    ReportedState,
    Returned,
    RhsEvent,
    Signaled,
    Status,
)
from rhscheck.tracer.faults import DumpKind, FaultSource, Kind

# ACCESS_DENIED, GEN_FAILURE, BUSY, OPERATION_ABORTED, INTERNAL_ERROR, TIMEOUT, and what is none.
_ERRORS: Final = (5, 31, 170, 995, 1359, 1460, 2**32 - 1)
_INSTANT: Final = 20  # µs between two steps of one thread
MARGIN_US: Final = 1_000  # µs before or after a deadline
_HANDLE_BASE: Final = 1000


class Process(Protocol):
    """The monitor process around a plug-in, as far as the plug-in touches it."""

    def later(self, after_us: int, act: Callable[[], None]) -> None:
        """Do `act` after so long, if the process still runs then."""

    def tell(self, event: RhsEvent) -> None:
        """Give the core an event now."""

    def suffer(self, kind: Literal["monitor-killed", "monitor-frozen", "pipe-cut"]) -> None:
        """The process is hit from outside now."""

    def dump_will(self, kind: DumpKind) -> None:
        """If a dump is written, that is how it ends."""


@dataclass(slots=True)
class _Worker:
    """The thread that goes on with a pending operation."""

    operation: Literal["Online", "Offline"]
    steps: int
    fault: Kind | None
    checkpoint: int = 0
    cancelled: bool = False


class PluginModel:
    """The plug-in of resource `res` in one process. `draw` is the component's own stream."""

    def __init__(
        self,
        res: str,
        process: Process,
        timeouts: Timeouts,
        draw: random.Random,
        faults: FaultSource,
    ) -> None:
        self._res = res
        self._process = process
        self._times = timeouts
        self._draw = draw
        self._faults = faults
        self._running: dict[int, Operation] = {}
        self._until_terminate: list[int] = []
        self._worker: _Worker | None = None
        self._terminate: tuple[int, bool] | None = None  # the call, and whether it has to wait
        self._lingering: Literal["Online", "Offline"] | None = None
        self._alive = False
        self._watched: int | None = None
        self._tickets = 0
        self._handles = _HANDLE_BASE

    # ---- the entry points ----------------------------------------------------------------------
    def call(self, entry: CallEntry) -> None:
        """An entry point is called: whatever follows comes later."""
        call, op = entry.call, entry.op
        self._running[call] = op
        fault = self._faults.strike(op)
        match fault:
            case "hang":
                return
            case "dump-fails" | "dump-hangs" | "dump-slow" | "dump-too-slow":
                self._process.dump_will(fault)
                return
            case "hang-until-terminate":
                if self._terminate is None:
                    self._until_terminate.append(call)
                    return
                self._after(self._short(), lambda: self._return(call, OPERATION_ABORTED))
                return
            case "crash":
                self._after(self._short(), lambda: self._crash(call))
                return
            case "monitor-killed" | "monitor-frozen" | "pipe-cut":
                kind = fault
                self._after(self._short(), lambda: self._process.suffer(kind))
            case "error":
                code = self._draw.choice(_ERRORS)
                self._after(self._short(), lambda: self._return(call, code))
                return
            case _:
                pass
        took = self._duration(fault)
        match op:
            case "Online" | "Offline":
                self._operate(call, op, took, fault)
            case "Terminate":
                self._after(took, lambda: self._end_all(call, fault))
            case "LooksAlive" | "IsAlive":
                if fault == "application-dies" or not self._draw.randrange(400):
                    self._alive = False
                self._after(took, lambda: self._return(call, SUCCESS if self._alive else 1))
            case "Close":
                self._after(took, lambda: self._return(call, SUCCESS))
                if fault == "status-after-close":
                    self._after(took + _INSTANT, lambda: self._report("Offline", 98))
            case "Open" | "ResourceControl":
                self._after(took, lambda: self._return(call, SUCCESS))
            case _:
                assert_never(op)

    def _duration(self, fault: Kind | None) -> int:
        if fault == "slow":
            return self._times.call_us - MARGIN_US
        if fault in ("too-slow", "late-worker"):
            return self._times.call_us + MARGIN_US
        return self._short()

    def _short(self) -> int:
        """How long a call takes: mostly well below the advised 300 ms, now and then seconds."""
        draw = self._draw
        rare = draw.randrange(64)
        if rare == 0:
            return draw.randrange(1, self._times.looks_alive_us * 2)
        if rare == 1:
            return 0
        return draw.randrange(100, 20_000)

    def _after(self, after_us: int, act: Callable[[], None]) -> None:
        self._process.later(after_us, act)

    def _return(self, call: int, rc: int, handle: int | None = None) -> None:
        op = self._running.pop(call, None)
        if op is not None:
            self._process.tell(Returned(call, rc, handle))
            self._finish_terminate()

    def _crash(self, call: int) -> None:
        op = self._running.get(call)
        if op is not None:
            self._process.tell(Crashed(call, f"an exception in {op}"))

    # ---- Online and Offline --------------------------------------------------------------------
    def _operate(
        self, call: int, op: Literal["Online", "Offline"], took: int, fault: Kind | None
    ) -> None:
        slow = fault in ("slow", "too-slow")
        wants_worker = fault is not None and not slow
        if not wants_worker and self._draw.randrange(2):
            self._after(took, lambda: self._direct(call, op))
            return
        worker = _Worker(op, self._draw.randrange(3), fault)
        if fault == "early-status":
            # Every step of a plug-in is a point where others may come between: here, between the
            # start of the worker and the return of 997.
            self._after(took, lambda: self._hire(worker))
            self._after(took + 2 * _INSTANT, lambda: self._finish(worker, "success"))
            self._after(took + 4 * _INSTANT, lambda: self._return(call, IO_PENDING))
        else:
            self._after(took, lambda: self._pend(call, worker))

    def _direct(self, call: int, op: Literal["Online", "Offline"]) -> None:
        if self._terminate is not None:
            self._return(call, OPERATION_ABORTED)
            return
        self._alive = op == "Online"
        handle = None
        if self._alive and not self._draw.randrange(3):
            handle = self._new_handle()
        self._return(call, SUCCESS, handle)

    def _new_handle(self) -> int:
        self._handles += 1
        return self._handles

    def _pend(self, call: int, worker: _Worker) -> None:
        # The worker is there before the call returns; what it does comes after (D2).
        self._worker = worker
        self._return(call, IO_PENDING)
        if self._terminate is not None:
            self._cancel()
        elif worker.fault != "silent":
            self._after(self._pause(worker), lambda: self._work(worker))

    def _hire(self, worker: _Worker) -> None:
        if self._worker is None:
            self._worker = worker

    # ---- the worker ----------------------------------------------------------------------------
    def _pause(self, worker: _Worker) -> int:
        silence = self._times.report_due_us
        match worker.fault:
            case "almost-silent":
                return silence - MARGIN_US
            case "barely-silent":
                return silence + MARGIN_US
            case _:
                if not self._draw.randrange(8):
                    return self._draw.randrange(1, silence)
                return self._draw.randrange(100, 500_000)

    def _work(self, worker: _Worker) -> None:
        if self._worker is not worker or worker.cancelled:
            return
        if worker.steps > 0:
            worker.steps -= 1
            if worker.fault != "same-checkpoint":
                worker.checkpoint += 1
            self._report(
                "OnlinePending" if worker.operation == "Online" else "OfflinePending",
                worker.checkpoint,
            )
            self._after(self._pause(worker), lambda: self._work(worker))
        else:
            self._finish(worker, "failure" if worker.fault == "worker-fails" else "success")

    def _finish(self, worker: _Worker, how: Literal["success", "failure"]) -> None:
        if self._worker is not worker:
            return
        self._worker = None
        if worker.fault == "status-after-terminate":
            self._lingering = worker.operation
        if how == "success" and not worker.cancelled:
            self._alive = worker.operation == "Online"
            state: ReportedState = worker.operation
            if worker.fault == "wrong-state":
                state = "Offline" if worker.operation == "Online" else "Online"
        else:
            state = "Failed"
        handle = None
        if state == "Online" and not self._draw.randrange(3):
            handle = self._new_handle()
        self._report(state, worker.checkpoint, handle)
        if worker.fault == "double-status":
            self._after(_INSTANT, lambda: self._report("Failed", worker.checkpoint + 1))
        self._finish_terminate()

    def _report(self, state: ReportedState, checkpoint: int, handle: int | None = None) -> None:
        self._tickets += 1
        self._process.tell(Status(self._tickets, self._res, state, checkpoint, handle))

    def answer(self, ticket: int, exit_state: int) -> None:
        """What SetResourceStatus returned: "Callers should … immediately terminate all workers"."""
        if exit_state == TERMINATE and ticket == self._tickets:
            self._cancel()

    def _cancel(self) -> None:
        worker = self._worker
        if worker is not None and not worker.cancelled:
            worker.cancelled = True
            self._after(self._draw.randrange(1, 50_000), lambda: self._finish(worker, "failure"))

    # ---- Terminate -----------------------------------------------------------------------------
    def _end_all(self, call: int, fault: Kind | None) -> None:
        self._alive = False
        self._terminate = (call, fault != "terminate-does-not-wait")
        for waiting in self._until_terminate:
            self._after(self._short(), partial(self._return, waiting, OPERATION_ABORTED))
        self._until_terminate.clear()
        self._cancel()
        self._finish_terminate()

    def _finish_terminate(self) -> None:
        """ "Terminate should wait for the ongoing call to complete", and for its worker (D1)."""
        if self._terminate is None:
            return
        call, waits = self._terminate
        if waits and (
            self._worker is not None
            or any(op in ("Online", "Offline") for op in self._running.values())
        ):
            return
        self._terminate = None
        if self._running.pop(call, None) is None:
            return
        self._process.tell(Returned(call, SUCCESS))
        if self._lingering is not None:
            state, self._lingering = self._lingering, None
            self._after(_INSTANT, lambda: self._report(state, 99))

    # ---- the health handle ---------------------------------------------------------------------
    def watch(self, handle: int) -> None:
        """The host waits for the handle from now on; the application may end at any time."""
        self._watched = handle
        if not self._draw.randrange(4):
            after = self._draw.randrange(1, 20 * self._times.looks_alive_us)
            self._after(after, lambda: self._application_ends(handle))

    def unwatch(self, handle: int) -> None:
        """The host does not wait for the handle any more."""
        if self._watched == handle:
            self._watched = None

    def _application_ends(self, handle: int) -> None:
        if self._alive and self._watched == handle:
            self._alive = False
            self._process.tell(Signaled(self._res, handle))
