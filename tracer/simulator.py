"""A cluster in virtual time: the cores, simulated plug-ins, and everything that may come between.

Owns the scheduler and the processes of a simulated cluster. Every random choice comes from a stream
that belongs to one component and is derived from the seed, so a choice more in one place changes
nothing in the others, and the same seed gives the same bytes. Decides nothing about the protocol:
the cores do, and whoever passes `judge` in says what is wrong.

Time is in microseconds from the start. What is due at the same instant comes in random order, but
messages of one connection keep theirs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, assert_never

import msgspec

from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.events import (
    Answer,
    Bring,
    CallEntry,
    Control,
    ControlDone,
    DumpWritten,
    Exit,
    Finished,
    GroupChanged,
    HandleSeen,
    KillMonitor,
    ManagerGone,
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
    ResourceChanged,
    ResourceFailed,
    RhsEffect,
    RhsEvent,
    Send,
    SendPeer,
    Shutdown,
    Start,
    StartMonitor,
    Tick,
    TimedOut,
    ToMonitor,
    Unwatch,
    Watch,
    WriteDump,
)
from rhscheck.tracer.faults import DumpKind, Fault, FaultPlan, FaultSource
from rhscheck.tracer.plugin_model import MARGIN_US, PluginModel
from rhscheck.tracer.rcm_core import RcmCore
from rhscheck.tracer.recording import (
    Journal,
    MonitorRecorder,
    record_manager,
    record_node_down,
)
from rhscheck.tracer.rhs_core import RhsCore
from rhscheck.tracer.virtual_time import Connection, RunOver, Scheduler
from rhscheck.tracer.wild_manager import WildManager
from rhscheck.traces.format import Event

_TO_MONITOR: Final[msgspec.json.Decoder[ToMonitor]] = msgspec.json.Decoder(ToMonitor)
_TO_RCM: Final[msgspec.json.Decoder[RcmEvent]] = msgspec.json.Decoder(RcmEvent)
_PING_US: Final = 10_000_000  # how long a process that does not answer its parent may live

Judge = Callable[[Event], str | None]


def _no_complaint(_event: Event) -> None:
    """Nobody judges."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores are run. Production runs the ones below; tests plant bugs in others."""

    rhs: Callable[[ClusterConfiguration], RhsCore] = lambda one: RhsCore(one.timeouts)
    rcm: Callable[[ClusterConfiguration, str], RcmCore] = RcmCore


@dataclass(frozen=True, slots=True)
class Options:
    """How long a run takes and what its users do.

    `duration_us`: virtual time after which everything is shut down in order, or, without
    `shut_down`, just ends. `max_events`: the run ends when cores were given so many events.
    `user_every_us`: mean time between two wishes of a user; 0: none. `wild`: RCM's place is taken
    by a manager that asks for anything at any time (`tracer.wild_manager`).
    """

    duration_us: int = 600_000_000
    max_events: int = 10_000_000
    user_every_us: int = 60_000_000
    shut_down: bool = True
    wild: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A simulated run. `complaint`: what the judge said about the last event, None if nothing.

    `steps` counts the events that cores were given; `ended_us` is the virtual time of the end.
    """

    seed: int
    plan: FaultPlan
    events: tuple[Event, ...]
    struck: tuple[Fault, ...]
    complaint: str | None
    steps: int
    ended_us: int
    finished: bool  # False: cut short, by a complaint or by `max_events`


@dataclass(slots=True)
class _Node:
    """RCM of one node and its processes."""

    name: str
    core: RcmCore | WildManager
    journal: Journal
    draw: random.Random
    processes: dict[str, _Process] = field(default_factory=dict)
    alive: bool = True
    tick_us: int | None = None
    peers: dict[str, Connection[RcmEvent]] = field(default_factory=dict)


class _Process:
    """One RHS process: a core, its plug-ins, its connections."""

    def __init__(self, cluster: Cluster, node: _Node, monitor: str, epoch: int) -> None:
        self.cluster = cluster
        self.node = node
        self.monitor = monitor
        self.epoch = epoch
        self.core = cluster.cores.rhs(cluster.configuration)
        self.recorder = MonitorRecorder(node.journal, monitor, epoch)
        self.state: Literal["runs", "frozen", "gone"] = "runs"
        self.down: Connection[ToMonitor] = Connection(
            cluster.scheduler, node.draw, self.tell, _TO_MONITOR.decode
        )
        self.up: Connection[RcmEvent] = Connection(
            cluster.scheduler, node.draw, partial(cluster.manage, node), _TO_RCM.decode
        )
        self.plugins: dict[str, PluginModel] = {}
        self.tick_us: int | None = None
        self.dump: DumpKind | None = None

    # ---- what plug-ins see (plugin_model.Process) ----------------------------------------------
    def later(self, after_us: int, act: Callable[[], None]) -> None:
        self.cluster.scheduler.at(
            self.cluster.scheduler.now_us + after_us, partial(self._if_running, act)
        )

    def _if_running(self, act: Callable[[], None]) -> None:
        if self.state == "runs":
            act()

    def tell(self, event: RhsEvent) -> None:
        """Give the core an event and carry out what it wants."""
        if self.state != "runs":
            return
        cluster = self.cluster
        now = cluster.scheduler.now_us
        cluster.count()
        effects = self.core.step(event, now)
        self.recorder.record(event, effects, now)
        for effect in effects:
            self._do(effect)
        due = self.core.next_due_us
        if due is not None and (self.tick_us is None or due < self.tick_us):
            self.tick_us = due
            cluster.scheduler.at(due, partial(self._tick, due))

    def _tick(self, due_us: int) -> None:
        if self.tick_us != due_us or self.state != "runs":
            return
        self.tick_us = None
        due = self.core.next_due_us
        if due is None:
            return
        if due <= due_us:
            self.tell(Tick())
        elif self.tick_us is None:
            self.tick_us = due
            self.cluster.scheduler.at(due, partial(self._tick, due))

    def suffer(self, kind: Literal["monitor-killed", "monitor-frozen", "pipe-cut"]) -> None:
        now = self.cluster.scheduler.now_us
        match kind:
            case "monitor-killed":
                self.die("killed")
            case "monitor-frozen":
                self.state = "frozen"
                # The parent's ping stays without an answer until it ends the process.
                self.cluster.scheduler.at(now + _PING_US, partial(self.die, "killed: no answer"))
            case "pipe-cut":
                self.up.cut()
                self.down.cut()
                self.down.at_end(partial(self.tell, ManagerGone()))
            case _:
                assert_never(kind)

    def dump_will(self, kind: DumpKind) -> None:
        self.dump = kind

    # ---- what the core wants -------------------------------------------------------------------
    def _do(self, effect: RhsEffect) -> None:
        match effect:
            case CallEntry():
                self._plugin(effect.res).call(effect)
            case Reply() | Notice():
                event = Received(self.monitor, self.epoch, effect)
                self.up.send(event)
            case Answer(ticket=ticket, exit_state=exit_state):
                for plugin in self.plugins.values():
                    plugin.answer(ticket, exit_state)
            case Watch(res=res, handle=handle):
                self._plugin(res).watch(handle)
            case Unwatch(res=res, handle=handle):
                self._plugin(res).unwatch(handle)
            case WriteDump():
                self._write_dump()
            case Exit(why=why):
                self.die(why)
            case TimedOut() | HandleSeen():
                pass
            case _:
                assert_never(effect)

    def _plugin(self, res: str) -> PluginModel:
        plugin = self.plugins.get(res)
        if plugin is None:
            cluster = self.cluster
            plugin = PluginModel(
                res,
                self,
                cluster.configuration.timeouts,
                cluster.stream(f"plugin {self.node.name} {res}"),
                cluster.faults[res],
            )
            self.plugins[res] = plugin
        return plugin

    def _write_dump(self) -> None:
        time_us = self.cluster.configuration.timeouts.dump_us
        took = self.node.draw.randrange(1_000, time_us)
        match self.dump:
            case "dump-hangs":
                return
            case "dump-slow":
                took = time_us - MARGIN_US
            case "dump-too-slow":
                took = time_us + MARGIN_US
            case "dump-fails" | None:
                pass
            case _:
                assert_never(self.dump)
        self.later(took, lambda: self.tell(DumpWritten(ok=self.dump != "dump-fails")))

    def die(self, why: str) -> None:
        """The process is gone; RCM notices after everything that was sent before."""
        if self.state == "gone":
            return
        self.state = "gone"
        self.recorder.end(why, self.cluster.scheduler.now_us)
        event = MonitorExited(self.monitor, self.epoch, why)
        self.up.at_end(partial(self.cluster.manage, self.node, event))


class Cluster:
    """A simulated cluster for one run of one seed."""

    def __init__(
        self,
        configuration: ClusterConfiguration,
        seed: int,
        plan: FaultPlan,
        options: Options,
        cores: Cores,
        judge: Judge,
    ) -> None:
        self.configuration = configuration
        self.cores = cores
        self.scheduler = Scheduler(seed)
        self._seed = seed
        self._plan = plan
        self._options = options
        self._judge = judge
        self._events: list[Event] = []
        self._streams: dict[str, random.Random] = {}
        self._steps = 0
        self._complaint: str | None = None
        self._finished: list[str] = []
        self._stopping = False
        self._tickets = 0
        self.faults = {one.name: FaultSource(plan, one.name) for one in configuration.resources}
        self._nodes = {
            name: _Node(
                name,
                WildManager(configuration, name, self.stream(f"manager {name}"))
                if options.wild
                else cores.rcm(configuration, name),
                Journal(name, self._write),
                self.stream(f"node {name}"),
            )
            for name in configuration.nodes
        }
        for node in self._nodes.values():
            for peer in self._nodes.values():
                if peer is not node:
                    node.peers[peer.name] = Connection(
                        self.scheduler, node.draw, partial(self.manage, peer), _TO_RCM.decode
                    )

    def stream(self, component: str) -> random.Random:
        """The random stream of a component, which lives as long as the run."""
        if component not in self._streams:
            self._streams[component] = random.Random(f"{self._seed}:{component}")
        return self._streams[component]

    def count(self) -> None:
        """One more event for a core; the run ends when there were enough."""
        self._steps += 1
        if self._steps >= self._options.max_events:
            raise RunOver

    def _write(self, event: Event) -> None:
        self._events.append(event)
        complaint = self._judge(event)
        if complaint is not None:
            self._complaint = complaint
            raise RunOver

    # ---- running -------------------------------------------------------------------------------
    def run(self) -> Run:
        """Simulate until everything is shut down, enough has happened, or the judge complains."""
        at = self.scheduler.at
        for node in self._nodes.values():
            at(0, partial(self.manage, node, Start()))
        if self._options.user_every_us:
            self._plan_wish()
        if self._options.shut_down:
            at(self._options.duration_us, self._shut_down)
        else:
            at(self._options.duration_us, self._stop)
        with suppress(RunOver):
            self.scheduler.run()
        struck = tuple(one for source in self.faults.values() for one in source.struck)
        return Run(
            self._seed,
            self._plan,
            tuple(self._events),
            struck,
            self._complaint,
            self._steps,
            self.scheduler.now_us,
            not self._options.shut_down or self._is_finished(),
        )

    def _is_finished(self) -> bool:
        living = [node.name for node in self._nodes.values() if node.alive]
        return all(name in self._finished for name in living)

    def _stop(self) -> None:
        raise RunOver

    def _shut_down(self) -> None:
        self._stopping = True
        for node in self._nodes.values():
            self.manage(node, Shutdown())

    def _plan_wish(self) -> None:
        draw = self.stream("user")
        every = self._options.user_every_us
        after = draw.randrange(1, 2 * every)
        self.scheduler.at(self.scheduler.now_us + after, self._wish)

    def _wish(self) -> None:
        """A user wants something; then the next wish is planned."""
        if self._stopping:
            return
        draw, configuration = self.stream("user"), self.configuration
        resource = draw.choice(configuration.resources)
        nodes = tuple(self._nodes.values())
        kind = draw.randrange(20)
        if kind == 19 and all(node.alive for node in nodes) and len(nodes) > 1:
            self._kill_node(draw.choice(nodes))
            self._plan_wish()
            return
        if kind < 12:
            self._tickets += 1
            event: RcmEvent = Control(self._tickets, resource.name, draw.randrange(1, 100))
        elif kind < 17 or len(nodes) == 1:
            event = Bring(resource.group, draw.choice(("online", "online", "offline")))
        else:
            event = MoveGroup(resource.group, draw.choice(nodes).name)
        for node in nodes:
            self.manage(node, event)
        self._plan_wish()

    def _kill_node(self, node: _Node) -> None:
        """The node stops with all its processes; the others learn it when it is surely gone."""
        node.alive = False
        for process in node.processes.values():
            process.die("killed: the node is down")
        record_node_down(node.journal, self.scheduler.now_us)
        for peer in self._nodes.values():
            if peer is not node:
                # After everything that it had sent: a Handover on its way is not lost.
                node.peers[peer.name].send(PeerDown(node.name))

    # ---- RCM -----------------------------------------------------------------------------------
    def manage(self, node: _Node, event: RcmEvent) -> None:
        """Give RCM of a node an event and carry out what it wants."""
        if not node.alive:
            return
        now = self.scheduler.now_us
        self.count()
        effects = node.core.step(event, now)
        record_manager(node.journal, effects, now)
        for effect in effects:
            self._do(node, effect)
        due = node.core.next_due_us
        if due is not None and (node.tick_us is None or due < node.tick_us):
            node.tick_us = due
            self.scheduler.at(due, partial(self._tick, node, due))

    def _tick(self, node: _Node, due_us: int) -> None:
        if node.tick_us != due_us or not node.alive:
            return
        node.tick_us = None
        due = node.core.next_due_us
        if due is None:
            return
        if due <= due_us:
            self.manage(node, Tick())
        else:  # what it was for is over
            node.tick_us = due
            self.scheduler.at(due, partial(self._tick, node, due))

    def _do(self, node: _Node, effect: RcmEffect) -> None:
        match effect:
            case Send(monitor=monitor, epoch=epoch, message=message):
                process = node.processes.get(monitor)
                if process is not None and process.epoch == epoch:
                    process.down.send(message)
            case StartMonitor(monitor=monitor, epoch=epoch):
                process = _Process(self, node, monitor, epoch)
                node.processes[monitor] = process
                process.up.send(MonitorStarted(monitor, epoch))
            case KillMonitor(monitor=monitor, epoch=epoch, why=why):
                process = node.processes.get(monitor)
                if process is not None and process.epoch == epoch:
                    process.die(f"killed: {why}")
            case SendPeer(node=peer, message=message):
                node.peers[peer].send(message)
            case Finished():
                self._finished.append(node.name)
                if self._is_finished():
                    raise RunOver
            case (
                Recovered()
                | ResourceChanged()
                | ResourceFailed()
                | GroupChanged()
                | Persist()
                | ControlDone()
            ):
                pass
            case _:
                assert_never(effect)


def simulate(
    configuration: ClusterConfiguration,
    seed: int,
    plan: FaultPlan,
    options: Options = Options(),
    *,
    cores: Cores = Cores(),
    judge: Judge = _no_complaint,
) -> Run:
    """One run of `configuration`, which has no `problems`. The same arguments give the same run.

    `judge` sees every trace event as it is written; what it returns other than None ends the run.
    """
    return Cluster(configuration, seed, plan, options, cores, judge).run()
