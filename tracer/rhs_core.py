"""The Resource Host Server without I/O: which entry point is called when, and what follows from it.

Owns every decision of one monitor process; in which state what happens is the table's
(`tracer.rhs_table`), the methods named there are here. It never reads a clock, starts a thread or
waits; it knows no plug-in, no process and no spec.

Where the documents are silent or contradict each other, this host does the following; names that
`rhs.sm` has for the question are used.

ExpiredCallHoldsLane = no, StragglerBlocks: a timed-out Online that still runs does not block the
    serialised calls of a pending or online resource, but when Terminate has returned in spite
    of it (the plug-in broke its promise), the offline resource is not called again before the
    call and its worker are over: RCM gets 5023.
Serialisation = perResource; HandleSignal = notifyRcm; IssuesTerminate = rcm;
    CheckPoint = anyReport; LooksAliveFailure = newCall; PollOrder = isAliveFirst, and a poll that
    is due takes the freed slot before any command of RCM.
EarlyStatus: a report while Online or Offline still runs is kept; it decides when 997 is returned.
    Dropping it would be a lost wake-up, found three minutes later as a failure that was none.
StaleStatus: a report nobody waits for changes nothing and is answered "terminate".
LateReturn: the return of a call that timed out or was overtaken ends the call and nothing else; a
    late 997 has started a worker, which counts until it reports.
TerminateOvertakes: commands still queued are answered 995 and never made. A second Terminate joins
    the first. Terminate of an offline resource has nothing to end and is answered at once.
DeadlineTie: what is given first at the deadline wins: a return at exactly the time-out counts.
ControlsInProgress: while Online or Offline is in progress controls wait ("RHS will not send
    resource controls to the resource"); while the resource has failed they are answered 5038.
CrashOfShared: a crash or deadlock ends the process with every call of every resource in it.
DyingHost: while the dump is written commands are not answered, returns and reports change nothing,
    and bind nobody (D1 and D2 of `rhs.sm` are promises to a living host).
TooEarly: what RCM asks for too early waits here for the slot; if it did not, the recording, which
    shows the call alone, would count it as RCM's (`rhs.sm`, at `call ResourceControl`).
"""

from __future__ import annotations

from heapq import heappop
from typing import Literal, assert_never

from rhscheck.tracer.events import (
    CONTINUE,
    INVALID_STATE,
    IO_PENDING,
    OPERATION_ABORTED,
    RESOURCE_FAILED,
    SUCCESS,
    TERMINATE,
    TIMED_OUT,
    Answer,
    Command,
    Crashed,
    DumpWritten,
    HandleSeen,
    ManagerGone,
    Meaning,
    Notice,
    Operation,
    ResourceState,
    Returned,
    RhsEffect,
    RhsEvent,
    Signaled,
    Status,
    Stop,
    Tick,
    TimedOut,
    Watch,
    meaning,
)
from rhscheck.tracer.rhs_calls import RhsCalls
from rhscheck.tracer.rhs_state import Call, Hosted


class RhsCore(RhsCalls):
    """One monitor process. Resources exist from the first command that names them."""

    # ---- events --------------------------------------------------------------------------------
    def step(self, event: RhsEvent, now_us: int) -> list[RhsEffect]:
        """What is to be done about `event`, which happened at `now_us`; time never goes back.

        Raises ValueError if it does.
        """
        if now_us < self._now:
            raise ValueError(f"time goes back from {self._now} to {now_us}")
        self._now = now_us
        out: list[RhsEffect] = []
        self._out = out
        if self._gone:
            return out
        match event:
            case Returned():
                call = self._calls.pop(event.call, None)
                if call is not None:
                    self._returned(call, event)
            case Tick():
                self._tick()
            case Status():
                self._status(event)
            case Command():
                self._command(event)
            case Signaled():
                resource = self._resources.get(event.res)
                current = resource is not None and resource.handle == event.handle
                if resource is not None and current and self._dying is None:
                    self._signal(resource)
            case Crashed():
                call = self._calls.pop(event.call, None)
                if call is not None and self._dying is None:
                    del call.resource.calls[call.op]
                    self._end("crash", call, f"{call.op} ended in a crash: {event.why}")
            case DumpWritten():
                if self._dying is not None:
                    self._exit(self._dying, dump=event.ok)
            case Stop():
                if self._dying is None:
                    self._exit("stop", dump=False)
            case ManagerGone():
                self._exit("manager-gone", dump=False)
            case _:
                assert_never(event)
        return out

    def _tick(self) -> None:
        due = self.next_due_us
        if due is None or due > self._now:
            return
        _, _, kind, resource, number = heappop(self._timers)
        match kind:
            case "call":
                call = self._calls[number]
                limit = self.timeouts.call_us
                self._out.append(TimedOut(call.resource.name, call.op, call.number, limit))
                call.expired = True
                self._expire(call)
            case "silence" | "due LooksAlive" | "due IsAlive":
                assert resource is not None
                self._timer(resource, kind)
            case "dump":
                # Without its dump the process still has to end, or nobody recovers.
                assert self._dying is not None
                self._exit(self._dying, dump=False)
            case _:
                assert_never(kind)

    # ---- what the table is asked ---------------------------------------------------------------
    def _command(self, command: Command) -> None:
        if self._dying is not None:
            return  # RCM sees the death of the process and needs no answer
        resource = self._resources.get(command.res)
        if resource is None:
            resource = Hosted(command.res, row=self._table["Unopened"])
            self._resources[command.res] = resource
        self._obey(resource, command)

    def _obey(self, resource: Hosted, command: Command) -> None:
        match resource.row[command.op]:
            case "open":
                self._enter(resource, "Opening")
                self._call(resource, "Open", command)
            case "close":
                self._close(resource, command)
            case "online":
                self._operate(resource, command, "Online", "Onlining")
            case "offline":
                self._operate(resource, command, "Offline", "Offlining")
            case "control":
                self._control(resource, command)
            case "queue":
                resource.queue.append(command)
            case "terminate":
                self._terminate(resource, command)
            case "join":
                resource.terminates.append(command)
            case "nothing":
                self._abort_queue(resource, OPERATION_ABORTED)
                self._reply(command, SUCCESS)
            case "already":
                self._reply(command, SUCCESS)
            case "failed":
                self._reply(command, RESOURCE_FAILED)
            case "refuse":
                self._reply(command, INVALID_STATE)
            case cell:
                raise AssertionError(f"the table has no such command action: {cell}")

    def _returned(self, call: Call, event: Returned) -> None:
        resource = call.resource
        if resource.calls.get(call.op) is call:
            del resource.calls[call.op]
        if self._dying is not None:
            return  # absorbed: the dump is being written
        if resource.lane is call:
            resource.lane = None
        match resource.row["return " + call.op]:
            case "opened":
                self._opened(resource, call, event)
            case "closed":
                self._enter(resource, "Closed")
                self._finish(call, event)
            case "completed":
                self._completed(resource, call, event)
            case "terminated":
                self._terminated(resource, event)
            case "looked":
                self._looked(resource, event)
            case "checked":
                self._checked(resource, event)
            case "controlled":
                self._finish(call, event)
            case "late":
                self._late(resource, call, event)
            case ".":
                pass
            case cell:
                raise AssertionError(f"the table has no such return action: {cell}")
        self._next(resource)

    def _expire(self, call: Call) -> None:
        resource = call.resource
        own = call.op in ("Online", "Offline")
        match resource.row[f"timeout {call.op if own else 'other'}"]:
            case "deadlock":
                # "For Online and Offline calls, RHS notifies RCM." The process lives on.
                self._release(call)
                command, call.command = call.command, None
                self._fail(resource, f"{call.op} did not return in time", call.op)
                if command is not None:
                    self._reply(command, TIMED_OUT)
            case "expired":
                self._release(call)
                self._next(resource)
            case "die":
                self._end("deadlock", call, f"{call.op} did not return in time")
            case ".":
                pass
            case cell:
                raise AssertionError(f"the table has no such time-out action: {cell}")

    def _status(self, event: Status) -> None:
        resource = self._resources.get(event.res)
        if resource is None or self._dying is not None:
            self._out.append(Answer(event.ticket, TERMINATE))
            return
        said = meaning(event.state, resource.operation)
        match resource.row["status"]:
            case "latch":
                self._out.append(Answer(event.ticket, CONTINUE))
                self._latch(resource, event, said)
            case "report":
                self._out.append(Answer(event.ticket, CONTINUE))
                self._report(resource, event, said)
            case "absorb":
                self._out.append(Answer(event.ticket, TERMINATE))
                self._absorb(resource, said)
            case cell:
                raise AssertionError(f"the table has no such report action: {cell}")

    def _signal(self, resource: Hosted) -> None:
        match resource.row["signal"]:
            case "signalled":
                self._out.append(HandleSeen(resource.name))
                self._fail(resource, "its health handle is signalled")
            case ".":
                pass
            case cell:
                raise AssertionError(f"the table has no such signal action: {cell}")

    def _timer(
        self, resource: Hosted, kind: Literal["silence", "due LooksAlive", "due IsAlive"]
    ) -> None:
        match resource.row[kind]:
            case "silent":
                op = resource.operation
                self._out.append(TimedOut(resource.name, op, None, self.timeouts.report_due_us))
                self._fail(resource, f"the pending {op} was silent for too long", op)
            case "looks_due":
                resource.looks_due = True
                self._next(resource)
            case "is_due":
                resource.is_due = True
                self._next(resource)
            case ".":
                pass
            case cell:
                raise AssertionError(f"the table has no such timer action: {cell}")

    def _next(self, resource: Hosted) -> None:
        """Give the free slot to a poll that is due, else to the first command that waits."""
        while resource.lane is None:
            if resource.is_due:
                resource.is_due = False
                self._call(resource, "IsAlive")
                self._poll_in(self.timeouts.is_alive_us, resource, "due IsAlive")
            elif resource.looks_due:
                resource.looks_due = False
                self._call(resource, "LooksAlive")
                self._poll_in(self.timeouts.looks_alive_us, resource, "due LooksAlive")
            elif resource.queue:
                self._obey(resource, resource.queue.pop(0))
            else:
                return

    # ---- commands ------------------------------------------------------------------------------
    def _operate(
        self,
        resource: Hosted,
        command: Command,
        op: Literal["Online", "Offline"],
        state: ResourceState,
    ) -> None:
        if resource.lane is not None:
            resource.queue.append(command)
        elif self._is_straggling(resource):
            self._reply(command, INVALID_STATE)
        else:
            resource.operation = op
            resource.early = resource.early_handle = None
            self._enter(resource, state)
            self._call(resource, op, command)

    def _control(self, resource: Hosted, command: Command) -> None:
        if resource.lane is not None:
            resource.queue.append(command)
        elif resource.state == "Offline" and self._is_straggling(resource):
            self._reply(command, INVALID_STATE)
        else:
            self._call(resource, "ResourceControl", command)

    def _close(self, resource: Hosted, command: Command) -> None:
        """ "At the moment Close is called, no other calls should be going on"."""
        if resource.lane is not None:
            resource.queue.append(command)
        elif self._is_straggling(resource):
            self._reply(command, INVALID_STATE)
        else:
            self._enter(resource, "Closing")
            self._call(resource, "Close", command)

    def _terminate(self, resource: Hosted, command: Command) -> None:
        """ "Terminate call can run concurrently with any other call": it waits for no slot."""
        for op in ("Online", "Offline"):
            overtaken = resource.calls.get(op)
            if overtaken is not None and overtaken.command is not None:
                self._reply(overtaken.command, OPERATION_ABORTED)
                overtaken.command = None
        self._abort_queue(resource, OPERATION_ABORTED)
        self._enter(resource, "Terminating")
        resource.terminates.append(command)
        self._call(resource, "Terminate", command)

    # ---- returns -------------------------------------------------------------------------------
    def _opened(self, resource: Hosted, call: Call, event: Returned) -> None:
        # The documents are silent about an Open that fails: nothing is open, RCM may try again.
        self._enter(resource, "Offline" if event.rc == SUCCESS else "Unopened")
        self._finish(call, event)

    def _completed(self, resource: Hosted, call: Call, event: Returned) -> None:
        op = resource.operation
        if event.rc == SUCCESS:
            self._succeed(resource, event.handle)
        elif event.rc != IO_PENDING:
            self._fail(resource, f"{op} returned {event.rc}")
        elif resource.early == "success":
            self._succeed(resource, resource.early_handle)
        elif resource.early == "failure":
            self._fail(resource, f"the worker reported the failure of {op}")
        else:
            resource.worker = True
            self._enter(resource, "OnlinePending" if op == "Online" else "OfflinePending")
            self._arm(self.timeouts.report_due_us, "silence", resource, resource.generation)
            self._out.append(Notice(resource.name, resource.state, f"{op} is pending"))
        self._finish(call, event)

    def _succeed(self, resource: Hosted, handle: int | None) -> None:
        op = resource.operation
        self._enter(resource, op)
        if op == "Online":
            resource.handle = handle
            if handle is not None:
                self._out.append(Watch(resource.name, handle))
            else:
                self._poll_in(self.timeouts.looks_alive_us, resource, "due LooksAlive")
                self._poll_in(self.timeouts.is_alive_us, resource, "due IsAlive")
        self._out.append(Notice(resource.name, op, f"{op} succeeded"))

    def _fail(self, resource: Hosted, why: str, deadlock: Operation | None = None) -> None:
        self._enter(resource, "Failed")
        self._out.append(Notice(resource.name, "Failed", why, deadlock))
        self._abort_queue(resource, RESOURCE_FAILED)

    def _terminated(self, resource: Hosted, event: Returned) -> None:
        self._enter(resource, "Offline")
        self._out.append(Notice(resource.name, "Offline", "Terminate returned"))
        waiting, resource.terminates = resource.terminates, []
        for command in waiting:
            self._reply(command, event.rc)

    def _looked(self, resource: Hosted, event: Returned) -> None:
        """ "If LooksAlive indicates failure, then RHS immediately calls IsAlive"."""
        if event.rc != SUCCESS:
            self._call(resource, "IsAlive")

    def _checked(self, resource: Hosted, event: Returned) -> None:
        if event.rc != SUCCESS:
            self._fail(resource, "IsAlive confirmed the failure")

    def _late(self, resource: Hosted, call: Call, event: Returned) -> None:
        if call.op in ("Online", "Offline") and event.rc == IO_PENDING:
            resource.worker = True

    # ---- reports -------------------------------------------------------------------------------
    def _latch(self, resource: Hosted, event: Status, said: Meaning) -> None:
        if said != "pending":
            resource.early = said
            resource.early_handle = event.handle

    def _report(self, resource: Hosted, event: Status, said: Meaning) -> None:
        match said:
            case "pending":
                resource.generation += 1
                self._arm(self.timeouts.report_due_us, "silence", resource, resource.generation)
            case "success":
                resource.worker = False
                self._succeed(resource, event.handle)
            case "failure":
                resource.worker = False
                self._fail(resource, f"the worker reported the failure of {resource.operation}")
            case _:
                assert_never(said)
        self._next(resource)

    def _absorb(self, resource: Hosted, said: Meaning) -> None:
        if said != "pending":
            resource.worker = False
