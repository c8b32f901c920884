"""The calls of one monitor process and their time: what is in flight, what is due, what is owed.

Owns the records of a process and what is done to them whatever was decided: states entered and
left, calls made, timers that are outdated by leaving a state, answers to RCM, and the two ways in
which the process ends. When any of it happens is `tracer.rhs_core`'s to say, which builds on it.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, Literal

from rhscheck.tracer.configuration import Timeouts
from rhscheck.tracer.events import (
    CallEntry,
    Command,
    Exit,
    Notice,
    Operation,
    Reply,
    ResourceState,
    Returned,
    RhsEffect,
    Unwatch,
    WriteDump,
)
from rhscheck.tracer.rhs_state import Call, Hosted, Timer
from rhscheck.tracer.rhs_table import TABLE
from rhscheck.tracer.table import Table

# "ResourceControl, IsAlive, LooksAlive, Offline …, and Online … are serialized with each other"
_SERIALISED: Final = frozenset(("ResourceControl", "IsAlive", "LooksAlive", "Online", "Offline"))


class RhsCalls:
    """What `RhsCore` decides about. Resources exist from the first command that names them."""

    def __init__(self, timeouts: Timeouts, table: Table = TABLE) -> None:
        self.timeouts = timeouts
        self._table = {state: dict(row) for state, row in table.items()}
        self._resources: dict[str, Hosted] = {}
        self._calls: dict[int, Call] = {}
        self._numbers = 0
        self._timers: list[tuple[int, int, Timer, Hosted | None, int]] = []
        self._armed = 0
        self._now = 0
        self._out: list[RhsEffect] = []
        self._dying: Literal["deadlock", "crash"] | None = None
        self._gone = False

    @property
    def next_due_us(self) -> int | None:
        """When the core wants a Tick; None: never, as things are."""
        timers = self._timers
        while timers:
            due, _, kind, resource, number = timers[0]
            if self._is_current(kind, resource, number):
                return due
            heappop(timers)
        return None

    @property
    def working(self) -> tuple[str, ...]:
        """The resources whose worker runs, as far as the core was told."""
        return tuple(one.name for one in self._resources.values() if one.worker)

    @property
    def hosted(self) -> tuple[str, ...]:
        """The resources that commands have named."""
        return tuple(self._resources)

    def _is_current(self, kind: Timer, resource: Hosted | None, number: int) -> bool:
        if self._dying is not None or self._gone:
            return kind == "dump" and not self._gone
        if kind == "call":
            call = self._calls.get(number)
            return call is not None and not call.expired
        return resource is None or resource.generation == number

    def _arm(self, after_us: int, kind: Timer, resource: Hosted | None, number: int) -> None:
        self._armed += 1
        heappush(self._timers, (self._now + after_us, self._armed, kind, resource, number))

    def _poll_in(self, after_us: int, resource: Hosted, kind: Timer) -> None:
        """The period counts from start to start; the IsAlive after a failed LooksAlive is apart."""
        self._arm(after_us, kind, resource, resource.generation)

    def _enter(self, resource: Hosted, state: ResourceState) -> None:
        """Leave the state with all its timers and its health handle."""
        resource.state = state
        resource.row = self._table[state]
        resource.generation += 1
        resource.looks_due = resource.is_due = False
        if resource.handle is not None:
            self._out.append(Unwatch(resource.name, resource.handle))
            resource.handle = None

    def _call(self, resource: Hosted, op: Operation, command: Command | None = None) -> None:
        self._numbers += 1
        call = Call(self._numbers, resource, op, command)
        self._calls[call.number] = call
        resource.calls[op] = call
        if op in _SERIALISED:
            resource.lane = call
        self._arm(self.timeouts.call_us, "call", None, call.number)
        if command is None:
            self._out.append(CallEntry(call.number, resource.name, op))
        else:
            self._out.append(
                CallEntry(
                    call.number, resource.name, op, command.recover, command.code, command.data
                )
            )

    def _release(self, call: Call) -> None:
        """ExpiredCallHoldsLane = no."""
        if call.resource.lane is call:
            call.resource.lane = None

    def _is_straggling(self, resource: Hosted) -> bool:
        """StragglerBlocks: an operation that Terminate should have waited for is not over."""
        return resource.worker or any(call.expired for call in resource.calls.values())

    def _reply(self, command: Command, rc: int, data: str = "") -> None:
        self._out.append(Reply(command.request, command.res, command.op, rc, data))

    def _finish(self, call: Call, event: Returned) -> None:
        if call.command is not None:
            self._reply(call.command, event.rc, event.data)

    def _abort_queue(self, resource: Hosted, rc: int) -> None:
        aborted, resource.queue = resource.queue, []
        for command in aborted:
            self._reply(command, rc)

    def _end(self, why: Literal["deadlock", "crash"], call: Call, text: str) -> None:
        """RHS "still notifies RCM, but after that RHS just terminates itself" with a dump."""
        resource = call.resource
        stuck = call.op if why == "deadlock" else None
        self._out.append(Notice(resource.name, resource.state, text, stuck, dying=True))
        self._out.append(WriteDump(resource.name, call.op, text))
        self._dying = why
        self._arm(self.timeouts.dump_us, "dump", None, 0)

    def _exit(
        self, why: Literal["deadlock", "crash", "stop", "manager-gone"], *, dump: bool
    ) -> None:
        self._gone = True
        self._out.append(Exit(why, dump))
