"""What the cores are told and what they want done: events, effects, and the wire between them.

    driver ──event──▶ RhsCore.step(event, now_us) ──[effect…]──▶ driver   (one a monitor)
    driver ──event──▶ RcmCore.step(event, now_us) ──[effect…]──▶ driver   (one a node)

A core has no clock, thread, random number or I/O. `next_due_us` of a core is when it wants a
`Tick`; a tick does one due thing, so at one instant other events may come between two of them. The
effects of a step are to be carried out in their order, before the next event is given.

On the wire between the processes are `Command | Stop` (RCM to RHS) and `Reply | Notice` (RHS to
RCM), the structs below, each tagged with its name. Owns these shapes only; what is done when
is the cores', what a run looks like in a trace `tracer.recording`'s.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

# ---- vocabulary --------------------------------------------------------------------------------
Operation = Literal[
    "Open", "Close", "Online", "Offline", "Terminate", "LooksAlive", "IsAlive", "ResourceControl"
]
Requested = Literal["Open", "Close", "Online", "Offline", "Terminate", "ResourceControl"]
ResourceState = Literal[
    "Unopened",
    "Opening",
    "Offline",
    "Onlining",  # in progress: the entry point has not returned
    "OnlinePending",
    "Online",
    "Offlining",
    "OfflinePending",
    "Failed",  # waits for a Terminate call
    "Terminating",
    "Closing",
    "Closed",
]
# CLUSTER_RESOURCE_STATE as a plug-in may report it (clusapi.h: 2, 3, 4, 129, 130).
ReportedState = Literal["Online", "Offline", "Failed", "OnlinePending", "OfflinePending"]
Meaning = Literal["success", "failure", "pending"]

SUCCESS: Final = 0
IO_PENDING: Final = 997  # ERROR_IO_PENDING; Part 3 writes ERROR_PENDING
OPERATION_ABORTED: Final = 995
INVALID_STATE: Final = 5023
RESOURCE_FAILED: Final = 5038
TIMED_OUT: Final = 1460

# RESOURCE_EXIT_STATE, what SetResourceStatus answers.
CONTINUE: Final = 0
TERMINATE: Final = 1


def meaning(state: ReportedState, operation: Literal["Online", "Offline"]) -> Meaning:
    """What a report says about the operation it belongs to.

    A final state that is not the one asked for (Offline during Online) is no success: a failure.
    """
    if state in ("OnlinePending", "OfflinePending"):
        return "pending"
    return "success" if state == operation else "failure"


# ---- the wire ----------------------------------------------------------------------------------
class Command(msgspec.Struct, frozen=True, tag=True, gc=False):
    """RCM asks RHS for a call. `request` numbers the commands of one RCM; the reply repeats it.

    `recover`, with Open: the resource was open in a monitor that died; its application may still
    run and has to be adopted or ended (API: CLUS_RESDLL_OPEN_RECOVER_MONITOR_STATE). `code` and
    `data` are the ResourceControl's.
    """

    request: int
    res: str
    op: Requested
    recover: bool = False
    code: int = 0
    data: str = ""


class Stop(msgspec.Struct, frozen=True, tag=True, gc=False):
    """RCM wants the monitor process to end. It does so at once: RCM closes resources before."""


class Reply(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The answer to a Command: the call's result `rc`, or why it was not made.

    997 to Online or Offline: the state they lead to follows in a Notice. A call that timed out
    is answered with 1460.
    """

    request: int
    res: str
    op: Requested
    rc: int
    data: str = ""


class Notice(msgspec.Struct, frozen=True, tag=True, gc=False):
    """RHS tells RCM that the resource is in `state` now, and why ("RHS notifies RCM").

    `deadlock` names the operation that did not end in time. `dying`: the monitor process is going
    to end because of it, after writing its dump.
    """

    res: str
    state: ResourceState
    why: str
    deadlock: Operation | None = None
    dying: bool = False


ToMonitor = Command | Stop
FromMonitor = Reply | Notice


# ---- events of RhsCore -------------------------------------------------------------------------
class Tick(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The time `next_due_us` has come. A tick that is early or late by then does nothing."""


class Returned(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Entry-point call `call` returned with result code `rc`.

    LooksAlive, IsAlive: 0 is alive, everything else failure. `handle`: with a successful Online,
    the number of the waitable handle that the plug-in gave (any number that is not in use).
    """

    call: int
    rc: int
    handle: int | None = None
    data: str = ""


class Status(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The plug-in called SetResourceStatus; the driver gives it the Answer with this `ticket`.

    A worker thread that ends without a final report has to be reported as "Failed" by whoever ran
    it: the documents know no other end of a thread, and Terminate waits for it.
    """

    ticket: int
    res: str
    state: ReportedState
    checkpoint: int = 0
    handle: int | None = None


class Signaled(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The health handle with this number, which a Watch effect asked for, is signalled."""

    res: str
    handle: int


class Crashed(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Entry-point call `call` ended in a way that leaves the process unsafe (unhandled exception).

    API: such an exception ends the monitor process, under a watchdog (bugcheck 0x9E, source 3).
    """

    call: int
    why: str


class DumpWritten(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The dump that WriteDump asked for is written, or could not be (`ok` false)."""

    ok: bool = True


class ManagerGone(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The connection to RCM is closed: nobody would ever end this process any more."""


RhsEvent = (
    Command | Stop | Tick | Returned | Status | Signaled | Crashed | DumpWritten | ManagerGone
)


# ---- effects of RhsCore ------------------------------------------------------------------------
class CallEntry(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Call the entry point, beside whatever runs: Returned or Crashed with this `call` follows."""

    call: int
    res: str
    op: Operation
    recover: bool = False
    code: int = 0
    data: str = ""


class Answer(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What SetResourceStatus returns to the plug-in: CONTINUE or TERMINATE."""

    ticket: int
    exit_state: int


class Watch(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Wait for the health handle of `res`."""

    res: str
    handle: int


class Unwatch(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Stop waiting for the handle; a Signaled that is already under way is ignored."""

    res: str
    handle: int


class TimedOut(msgspec.Struct, frozen=True, tag=True, gc=False):
    """For the trace: the call is out of time and runs on; `call` None: silence was too long."""

    res: str
    op: Operation
    call: int | None
    limit_us: int


class HandleSeen(msgspec.Struct, frozen=True, tag=True, gc=False):
    """For the trace: the handle's signal was taken as the failure of an online resource."""

    res: str


class WriteDump(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Write a dump of every thread. DumpWritten follows; without it the process ends as well."""

    res: str
    op: Operation | None
    why: str


class Exit(msgspec.Struct, frozen=True, tag=True, gc=False):
    """End this process now, whatever still runs in it.

    deadlock      a call other than Online and Offline did not end in time
    crash         a call ended in an unhandled exception
    stop          RCM asked for it
    manager-gone  RCM is gone
    """

    why: Literal["deadlock", "crash", "stop", "manager-gone"]
    dump: bool


RhsEffect = (
    CallEntry | Reply | Notice | Answer | Watch | Unwatch | TimedOut | HandleSeen | WriteDump | Exit
)


# ---- events of RcmCore -------------------------------------------------------------------------
class Start(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The cluster service starts on this node."""


class Bring(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The user wants the group online or offline: its persistent state from now on."""

    group: str
    to: Literal["online", "offline"]


class MoveGroup(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The user wants another node to own the group."""

    group: str
    to: str


class Control(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The user sends a resource control; ControlDone with this `ticket` follows."""

    ticket: int
    res: str
    code: int
    data: str = ""


class MonitorStarted(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The monitor process that StartMonitor asked for is ready for commands."""

    monitor: str
    epoch: int


class MonitorExited(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The monitor process is gone, or could not be started; `why` for people."""

    monitor: str
    epoch: int
    why: str = ""


class Received(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A message from the monitor process `epoch` of `monitor`."""

    monitor: str
    epoch: int
    message: Reply | Notice


class Handover(msgspec.Struct, frozen=True, tag=True, gc=False):
    """On the wire between nodes, and an event: the sender no longer owns the group, you do.

    Ownership is a token: it exists once, so a group has at most one owner (Part 1: "online on at
    most one node at a time"). `persistent` goes with it, and
    `failovers_us`, the times of its latest failovers.
    """

    group: str
    persistent: Literal["online", "offline"]
    failovers_us: tuple[int, ...] = ()


class PeerDown(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Node `node` is surely not running any more (the driver has seen to that).

    What it owned falls to the first node of each group's list that is left.
    """

    node: str


class Shutdown(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Take everything offline in order, close it, stop the monitors; Finished follows."""


RcmEvent = (
    Start
    | Tick
    | Bring
    | MoveGroup
    | Control
    | MonitorStarted
    | MonitorExited
    | Received
    | Handover
    | PeerDown
    | Shutdown
)


# ---- effects of RcmCore ------------------------------------------------------------------------
class StartMonitor(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Start process number `epoch` of `monitor`; MonitorStarted or MonitorExited follows."""

    monitor: str
    epoch: int


class KillMonitor(msgspec.Struct, frozen=True, tag=True, gc=False):
    """End the process by force: it should have ended by itself. MonitorExited follows."""

    monitor: str
    epoch: int
    why: str


class Send(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Send `message` to process `epoch` of `monitor`; lost if that is gone."""

    monitor: str
    epoch: int
    message: Command | Stop


class SendPeer(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Send `message` to RCM of `node`."""

    node: str
    message: Handover


class ControlDone(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The answer to a Control."""

    ticket: int
    res: str
    rc: int
    data: str = ""


class ResourceChanged(msgspec.Struct, frozen=True, tag=True, gc=False):
    """For people and the trace: RCM's view of a resource changed."""

    res: str
    group: str
    monitor: str
    source: str
    target: str
    why: str = ""


class GroupChanged(msgspec.Struct, frozen=True, tag=True, gc=False):
    """For people: RCM's view of a group changed (names of CLUSTER_GROUP_STATE, or "elsewhere")."""

    group: str
    source: str
    target: str


class Recovered(msgspec.Struct, frozen=True, tag=True, gc=False):
    """For the trace: RCM has seen that process `epoch` of `monitor` died, and goes about it."""

    monitor: str
    epoch: int


class Persist(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Keep the persistent state of the group, to be given as its configuration next time."""

    group: str
    to: Literal["online", "offline"]


class ResourceFailed(msgspec.Struct, frozen=True, tag=True, gc=False):
    """For people: the resource has failed once more, by its own doing."""

    res: str
    why: str


class Finished(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The shutdown is complete: nothing of this node runs any more.

    `unclean`: each resource that had failed for good before it, or was not taken offline and closed
    in order, and why.
    """

    unclean: tuple[tuple[str, str], ...] = ()


RcmEffect = (
    StartMonitor
    | KillMonitor
    | Send
    | SendPeer
    | ControlDone
    | ResourceChanged
    | GroupChanged
    | Recovered
    | Persist
    | ResourceFailed
    | Finished
)
