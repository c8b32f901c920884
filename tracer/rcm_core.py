"""The Resource Control Manager of one node without I/O: groups, dependencies, restarts, ownership.

Owns every decision of RCM. What a monitor's message means is the table's (`tracer.rcm_table`). What
is done next follows from comparing what is wanted with what is: after every event `_settle` issues
each command that brings a resource nearer to where it should be and that is allowed now. It never
reads a clock, starts a process, or waits; it knows no plug-in and no spec.

Where the documents are silent or contradict each other, this RCM does the following.

DependencyOrder: "Resource 3 … As soon as Resource 3 is online RCM will send Online command to the
    Resource 2": what a resource depends on comes online before it and goes offline after it. One
    whose dependency is lost goes offline, and comes back when the dependency is online again.
IssuesTerminate = rcm: every failure that RHS reports is answered with Terminate at once (M1: and
    with nothing else before it). An offline resource is never terminated (M2).
AbortPending: a resource that is no longer wanted online while its Online is still going on is
    terminated: API allows no Offline while a resource is pending.
OfflineOverdue: an Offline of which nothing is heard for longer than a resource can take that leaves
    room for it (`rcm_failures.offline_limit_us`) is given up: the resource is terminated, for which
    no slot is needed. So polls that take longer than their interval, each of which goes before
    Offline (PollOrder), keep nobody for ever. It counts as no failure: none was reported. The wait
    begins anew with every answer to a control, for that had been asked for before the Offline.
RestartPolicy: the failures within `period_us` are counted, up to `threshold` of them are answered
    with a restart; after that RestartAction decides. A node that takes a group over counts anew.
Recover: what was open in a monitor that died is opened with `recover` in the next one.
Isolation: the resource whose call deadlocked or crashed gets a monitor of its own ("if you see a
    flaky resource you can move it to a separate monitor"); neighbours are only reopened.
Ownership: a token that one node has; see `Handover`. Only the owner opens a group's resources.
"""

from __future__ import annotations

from heapq import heappop
from typing import Final, Literal, assert_never, get_args

from rhscheck.tracer.events import (
    INVALID_STATE,
    IO_PENDING,
    SUCCESS,
    Bring,
    Command,
    Control,
    ControlDone,
    Finished,
    GroupChanged,
    Handover,
    MonitorExited,
    MonitorStarted,
    MoveGroup,
    Notice,
    PeerDown,
    Persist,
    RcmEffect,
    RcmEvent,
    Received,
    Recovered,
    Reply,
    Requested,
    Send,
    SendPeer,
    Shutdown,
    Start,
    StartMonitor,
    Stop,
    Tick,
)
from rhscheck.tracer.rcm_failures import GRACE_US, RcmFailures
from rhscheck.tracer.rcm_state import (
    IDLE,
    GroupView,
    MonitorView,
    ResourceView,
    group_state,
)
from rhscheck.tracer.rcm_table import RcmState

_KNOWN: Final = frozenset(get_args(RcmState))


class RcmCore(RcmFailures):
    """RCM of `node` in the cluster `configuration`, which has no `problems`."""

    def step(self, event: RcmEvent, now_us: int) -> list[RcmEffect]:
        """What is to be done about `event`, which happened at `now_us`; time never goes back.

        Raises ValueError if it does, or for a group, resource, monitor or node that the
        configuration does not have.
        """
        if now_us < self._now:
            raise ValueError(f"time goes back from {self._now} to {now_us}")
        self._now = now_us
        out: list[RcmEffect] = []
        self._out = out
        match event:
            case Received():
                self._received(event)
            case Tick():
                while self._wakes and self._wakes[0] <= now_us:
                    heappop(self._wakes)
                self._kill_overdue()
                self._give_up_offline()
            case MonitorStarted():
                monitor = self._monitor(event.monitor, event.epoch)
                if monitor is not None and monitor.state == "starting":
                    monitor.state = "up"
            case MonitorExited():
                monitor = self._monitor(event.monitor, event.epoch)
                if monitor is not None and monitor.state != "down":
                    self._exited(monitor, event.why)
            case Start():
                self._running = True
            case Bring():
                self._bring(self._group(event.group), event.to)
            case MoveGroup():
                self._move(self._group(event.group), event.to)
            case Control():
                self._control(event)
            case Handover():
                self._take_over(self._group(event.group), event)
            case PeerDown():
                self._peer_down(event.node)
            case Shutdown():
                self._shut_down()
            case _:
                assert_never(event)
        if self._running:
            self._settle()
        return out

    def _group(self, name: str) -> GroupView:
        if name not in self._groups:
            raise ValueError(f"there is no group {name}")
        return self._groups[name]

    def _monitor(self, name: str, epoch: int) -> MonitorView | None:
        """The monitor, None if the process is one that has been given up before."""
        if name not in self._monitors:
            raise ValueError(f"there is no monitor {name}")
        monitor = self._monitors[name]
        return monitor if monitor.epoch == epoch else None

    # ---- users and peers -----------------------------------------------------------------------
    def _bring(self, group: GroupView, to: Literal["online", "offline"]) -> None:
        group.persistent = to
        self._out.append(Persist(group.configuration.name, to))
        for resource in group.resources:
            self._forgive(resource)

    def _move(self, group: GroupView, to: str) -> None:
        if to not in self.configuration.nodes:
            raise ValueError(f"there is no node {to}")
        if group.owner == self.node and to != self.node and to not in self._down:
            group.leaving = to

    def _control(self, event: Control) -> None:
        resource = self._resources.get(event.res)
        if resource is None:
            raise ValueError(f"there is no resource {event.res}")
        up = resource.monitor.state == "up"
        # M1: a failed resource waits for its Terminate call and for nothing else.
        if up and resource.state not in ("Initializing", "Opening", "Terminating", "Closed"):
            self._send(resource, "ResourceControl", event)
        else:
            self._out.append(ControlDone(event.ticket, event.res, INVALID_STATE))

    def _take_over(self, group: GroupView, event: Handover) -> None:
        if group.owner == self.node:
            return
        group.owner = self.node
        group.persistent = event.persistent
        group.failovers_us = list(event.failovers_us)
        self._out.append(Persist(group.configuration.name, event.persistent))
        for resource in group.resources:
            self._forgive(resource)

    def _peer_down(self, node: str) -> None:
        if node not in self._down:
            self._down.append(node)
        for group in self._groups.values():
            if group.leaving == node:
                group.leaving = None
            if group.owner == node:
                left = [
                    one for one in self._candidates(group.configuration) if one not in self._down
                ]
                if left:
                    group.owner = left[0]

    def _shut_down(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        for resource in self._resources.values():
            if resource.given_up:
                resource.unclean = f"it had failed: {resource.failure}"

    # ---- messages of monitors ------------------------------------------------------------------
    def _received(self, event: Received) -> None:
        monitor = self._monitor(event.monitor, event.epoch)
        if monitor is None or monitor.state == "down":
            return
        match event.message:
            case Reply() as reply:
                asked = self._asked.pop(reply.request, None)
                if asked is not None:
                    self._replied(asked[0], reply, asked[1])
            case Notice() as notice:
                resource = self._resources.get(notice.res)
                if resource is not None and resource.monitor is monitor:
                    self._noticed(resource, notice)
            case _:
                assert_never(event.message)

    def _replied(self, resource: ResourceView, reply: Reply, ticket: int | None) -> None:
        if ticket is not None:
            self._out.append(ControlDone(ticket, reply.res, reply.rc, reply.data))
        if reply.op == "ResourceControl":
            if resource.name in self._offline_due:
                self._await_offline(resource)  # the queue before Offline has moved on
            return
        good = reply.rc in (SUCCESS, IO_PENDING) or reply.op == "Terminate"
        if reply.op == "Close" and not good:
            resource.unclean = f"Close was refused with {reply.rc}: something of it still ran"
        if reply.rc != IO_PENDING:  # the state that 997 leads to comes in a Notice
            said = f"reply {reply.op}" if good else f"reply {reply.op} refused"
            self._occur(resource, said, f"{reply.op}: {reply.rc}")

    def _noticed(self, resource: ResourceView, notice: Notice) -> None:
        if notice.dying:
            self._dying(resource, notice)
        elif notice.state in _KNOWN or notice.state == "Failed":
            self._occur(resource, f"notice {notice.state}", notice.why)

    def _occur(self, resource: ResourceView, occurrence: str, why: str) -> None:
        match self._table[resource.state][occurrence]:
            case "opened":
                resource.recover = True  # from now on its application may be running
                self._enter(resource, "Offline", why)
            case "open_failed":
                self._failed(resource, why)
                self._enter(resource, "Initializing", why)
                self._count_failure(resource, why)
            case "closed":
                self._enter(resource, "Closed", why)
            case "online":
                self._enter(resource, "Online", why)
            case "offline":
                self._enter(resource, "Offline", why)
            case "pending":
                op = resource.state == "OnlineCallIssued"
                self._enter(resource, "OnlinePending" if op else "OfflinePending", why)
            case "refused":
                self._failed(resource, why)
                self._enter(resource, "Offline", why)
                self._count_failure(resource, why)
            case "failed":
                self._failed(resource, why)
                resource.failed = self._is_wanted(resource)
                self._terminate(resource, why)
            case "terminated":
                self._enter(resource, "Offline", why)
                if resource.failed:
                    resource.failed = False
                    self._count_failure(resource, resource.failure)
            case "overdue":
                if resource.monitor.state == "up":  # a dying one's end says what becomes of it
                    self._terminate(resource, why)
            case "lost":
                self._enter(resource, "Initializing", why)
            case ".":
                pass
            case cell:
                raise AssertionError(f"the table has no such action: {cell}")

    def _exited(self, monitor: MonitorView, why: str) -> None:
        """ "RCM will observe that RHS is gone and will take a recovery action"."""
        expected = monitor.state == "stopping"
        monitor.state = "down"
        monitor.kill_at_us = None
        if not expected:
            self._out.append(Recovered(monitor.name, monitor.epoch))
        hosted = [one for one in self._resources.values() if one.monitor is monitor]
        for number, (resource, ticket) in list(self._asked.items()):
            if resource.monitor is monitor:
                del self._asked[number]
                if ticket is not None:
                    self._out.append(ControlDone(ticket, resource.name, INVALID_STATE))
        for resource in hosted:
            resource.failed = False
            if not expected and self._stopping and resource.state not in ("Initializing", "Closed"):
                resource.unclean = resource.unclean or f"its monitor is gone: {why}"
            self._occur(resource, "lost", why)
        if not expected:
            self._limit_restarts(monitor, hosted)
            for resource in hosted:
                self._isolate(resource)

    # ---- what is wanted, and how to get there --------------------------------------------------
    def _is_wanted(self, resource: ResourceView) -> bool:
        group = resource.group
        return (
            group.owner == self.node
            and group.persistent == "online"
            and group.leaving is None
            and not self._stopping
            and all(need.state == "Online" for need in resource.needs)
        )

    def _settle(self) -> None:
        """Issue every command that is due now: dependencies first, so one pass is enough."""
        for resource in self._resources.values():
            self._advance(resource)
        for resource in reversed(self._resources.values()):
            self._retreat(resource)
        for group in self._groups.values():
            self._hand_over(group)
            self._show_group(group)
        if self._stopping:
            self._stop_monitors()

    def _advance(self, resource: ResourceView) -> None:
        if resource.state not in ("Initializing", "Offline") or self._stopping:
            return
        if resource.group.owner != self.node or resource.group.leaving is not None:
            return
        if resource.not_before_us > self._now:
            return
        if resource.given_up:
            if resource.configuration.restart.action == "none":
                return
            if resource.configuration.restart.retry_us is None:
                return
            resource.given_up = False
            resource.failures_us.clear()
        if resource.state == "Initializing":
            if self._is_up(resource.monitor):
                self._enter(resource, "Opening", "Open")
                self._send(resource, "Open")
        elif self._is_wanted(resource) and all(one.state in IDLE for one in resource.needed_by):
            self._enter(resource, "OnlineCallIssued", "Online")
            self._send(resource, "Online")

    def _retreat(self, resource: ResourceView) -> None:
        match resource.state:
            case "Online" if not self._is_wanted(resource):
                if all(one.state in IDLE for one in resource.needed_by):
                    self._enter(resource, "OfflineCallIssued", "Offline")
                    self._send(resource, "Offline")
                    self._await_offline(resource)
            case "OnlineCallIssued" | "OnlinePending" if not self._is_wanted(resource):
                self._terminate(resource, "it is no longer wanted online")
            case "Offline" if self._stopping and resource.monitor.state == "up":
                self._enter(resource, "Closing", "Close")
                self._send(resource, "Close")
            case _:
                pass

    def _await_offline(self, resource: ResourceView) -> None:
        self._offline_due[resource.name] = self._now + self._offline_limit_us

    def _give_up_offline(self) -> None:
        """OfflineOverdue."""
        for name, due in list(self._offline_due.items()):
            if due > self._now:
                continue
            del self._offline_due[name]
            limit_s = self._offline_limit_us / 1_000_000
            why = (
                f"no answer to Offline in {limit_s:g} s; health checks that take longer than their "
                "interval leave it no room"
            )
            self._occur(self._resources[name], "due Offline", why)

    def _terminate(self, resource: ResourceView, why: str) -> None:
        self._enter(resource, "Terminating", why)
        self._send(resource, "Terminate")

    def _send(self, resource: ResourceView, op: Requested, control: Control | None = None) -> None:
        self._requests += 1
        ticket = None if control is None else control.ticket
        self._asked[self._requests] = (resource, ticket)
        command = Command(
            self._requests,
            resource.name,
            op,
            recover=op == "Open" and resource.recover,
            code=0 if control is None else control.code,
            data="" if control is None else control.data,
        )
        self._out.append(Send(resource.monitor.name, resource.monitor.epoch, command))

    def _is_up(self, monitor: MonitorView) -> bool:
        """Whether the process can be asked; starts one where none runs and one may."""
        if monitor.state == "down" and monitor.not_before_us <= self._now:
            monitor.state = "starting"
            monitor.epoch += 1
            self._out.append(StartMonitor(monitor.name, monitor.epoch))
        return monitor.state == "up"

    def _hand_over(self, group: GroupView) -> None:
        to = group.leaving
        if to is None or any(one.state not in IDLE for one in group.resources):
            return
        if any(one.state == "Opening" for one in group.resources):
            return
        group.leaving = None
        group.owner = to
        name = group.configuration.name
        message = Handover(name, group.persistent, tuple(group.failovers_us))
        self._out.append(SendPeer(to, message))

    def _stop_monitors(self) -> None:
        """Stop each monitor that hosts nothing open any more; the node is done with the last.

        One that is not up yet hosts nothing. If a plug-in does not end to be loaded it never is.
        """
        for monitor in self._monitors.values():
            if monitor.state == "starting" and monitor.kill_at_us is None:
                monitor.kill_at_us = self._now + GRACE_US
                self._wake_at(monitor.kill_at_us)
            hosted = [one for one in self._resources.values() if one.monitor is monitor]
            if monitor.state == "up" and all(
                one.state in ("Initializing", "Closed") for one in hosted
            ):
                monitor.state = "stopping"
                self._out.append(Send(monitor.name, monitor.epoch, Stop()))
                monitor.kill_at_us = self._now + GRACE_US
                self._wake_at(monitor.kill_at_us)
        if not self._finished and all(one.state == "down" for one in self._monitors.values()):
            self._finished = True
            unclean = [(one.name, one.unclean) for one in self._resources.values() if one.unclean]
            self._out.append(Finished(tuple(unclean)))

    def _show_group(self, group: GroupView) -> None:
        shown = "elsewhere" if group.owner != self.node else group_state(group)
        if shown != group.shown:
            source, group.shown = group.shown, shown
            self._out.append(GroupChanged(group.configuration.name, source, shown))
