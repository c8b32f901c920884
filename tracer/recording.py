"""What a run of the cores looks like in a trace (`rhs-trace/1`).

Owns the one translation from core events and effects to trace events, used by the simulator and by
the real processes, so that both are judged in the same words. It decides nothing: what it writes is
what the driver was given and what the core asked for. The words are those that the trace format and
`rhs.sm` share: entry points, `SetResourceStatus`, `onlineSilence`, `exit`, `recover` …

Each monitor process is `mon = "NAME#EPOCH"`: a new process has forgotten everything, so what comes
after is judged on its own. A process that ends without a dead call (killed, crashed, stopped) has
an `exit` record of the format and no `exit` event of the protocol, which knows no such end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, assert_never

from msgspec import UNSET

from rhscheck.tracer.configuration import ClusterConfiguration, own_monitor, process_name
from rhscheck.tracer.events import (
    Answer,
    CallEntry,
    Command,
    Crashed,
    DumpWritten,
    Exit,
    GroupChanged,
    HandleSeen,
    ManagerGone,
    Notice,
    Operation,
    RcmEffect,
    Recovered,
    Reply,
    ResourceChanged,
    Returned,
    RhsEffect,
    RhsEvent,
    Signaled,
    StartMonitor,
    Status,
    Stop,
    Tick,
    TimedOut,
    Unwatch,
    Watch,
    WriteDump,
    meaning,
)
from rhscheck.traces.format import (
    CallEvent,
    Clock,
    Event,
    ExitEvent,
    Header,
    NamedEvent,
    NoteEvent,
    NotifyEvent,
    ReturnEvent,
    StateEvent,
    StatusEvent,
    TimeoutEvent,
)

NODE_DOWN: Final = "node down"
MONITOR_ENDED: Final = "monitor ended"  # a note of a real run begins so, and says why
_SILENCE: Final = {"Online": "onlineSilence", "Offline": "offlineSilence"}

Write = Callable[[Event], None]


def header(
    configuration: ClusterConfiguration,
    *,
    source: Literal["sim", "runtime"],
    identity: str,
    tool: str,
    epoch: Literal["start", "unix"] = "start",
    slack_us: int = 0,
    seed: int | None = None,
) -> Header:
    """The header of a complete recording of this cluster from its start.

    `resources` number the resources, and the monitors, in the order of the configuration; after
    those come the monitors that resources get for themselves when they are isolated.
    """
    times = configuration.timeouts
    names = {one.name: f"Resource[{at}]" for at, one in enumerate(configuration.resources, 1)}
    monitors = [*configuration.monitors, *(own_monitor(one) for one in names)]
    names |= {process_name(name): f"Process[{at}]" for at, name in enumerate(monitors, 1)}
    return Header(
        id=identity,
        src=source,
        spec="rhs",
        clock={node: Clock(epoch=epoch) for node in configuration.nodes},
        complete=True,
        lossy=False,
        start="initial",
        n=len(configuration.resources),
        resources=names,
        params={
            "CallTimeout": times.call_us,
            "PendingTimeout": times.report_due_us,
            "LooksAliveInterval": times.looks_alive_us,
            "IsAliveInterval": times.is_alive_us,
            "DumpTimeout": times.dump_us,
        },
        slack_us=slack_us,
        tool=tool,
        seed=UNSET if seed is None else seed,
    )


@dataclass(slots=True)
class Journal:
    """The trace of one node: gives each event its number and hands it to `write`."""

    host: str
    write: Write
    written: int = 0
    # Processes whose end the protocol knows, so that their recovery is an event of it, too.
    ended: set[str] = field(default_factory=set)

    def number(self) -> int:
        """The sequence number of the next event."""
        self.written += 1
        return self.written


@dataclass(slots=True)
class MonitorRecorder:
    """Writes down one monitor process. `dead`: nothing more can be said about its resources.

    While a process writes its last dump, calls may still return and workers report; `rhs.sm` takes
    that in without effect.
    """

    journal: Journal
    monitor: str
    epoch: int
    mon: str = ""
    operations: dict[str, Literal["Online", "Offline"]] = field(default_factory=dict)
    checkpoints: dict[str, int] = field(default_factory=dict)
    calls: dict[int, tuple[str, Operation]] = field(default_factory=dict)
    dead: bool = False

    def __post_init__(self) -> None:
        self.mon = f"{self.monitor}#{self.epoch}"

    def record(self, event: RhsEvent, effects: list[RhsEffect], now_us: int) -> None:
        """Write down that `event` happened at `now_us` and that the core wants `effects`."""
        if self.dead:
            return
        match event:
            case Returned():
                self._returned(event, now_us)
            case Tick() | Command() | Signaled() | Stop() | DumpWritten() | ManagerGone():
                pass
            case Status():
                self._status(event, effects, now_us)
            case Crashed():
                self.end("crash", now_us)
            case _:
                assert_never(event)
        for effect in effects:
            self._effect(effect, now_us)

    def end(self, why: str, now_us: int, *, dump: bool = False) -> None:
        """The process is gone, or as good as gone; what it still does is not told any more."""
        if self.dead:
            return
        self.dead = True
        journal = self.journal
        journal.write(
            ExitEvent(
                ts=now_us,
                seq=journal.number(),
                host=journal.host,
                mon=self.mon,
                why=why,
                dump=dump,
            )
        )

    def _returned(self, event: Returned, now_us: int) -> None:
        made = self.calls.pop(event.call, None)
        if made is None:
            return
        journal = self.journal
        journal.write(
            ReturnEvent(
                ts=now_us,
                seq=journal.number(),
                host=journal.host,
                mon=self.mon,
                res=made[0],
                op=made[1],
                cid=event.call,
                rc=event.rc,
            )
        )

    def _status(self, event: Status, effects: list[RhsEffect], now_us: int) -> None:
        said: str = meaning(event.state, self.operations.get(event.res, "Online"))
        if said == "pending":
            if self.checkpoints.get(event.res) == event.checkpoint:
                said = "repeated"
            self.checkpoints[event.res] = event.checkpoint
        answer = next((one.exit_state for one in effects if isinstance(one, Answer)), None)
        journal = self.journal
        journal.write(
            StatusEvent(
                ts=now_us,
                seq=journal.number(),
                host=journal.host,
                mon=self.mon,
                res=event.res,
                op="SetResourceStatus",
                state=said,
                ckpt=event.checkpoint,
                rc=answer,
            )
        )

    def _effect(self, effect: RhsEffect, now_us: int) -> None:
        journal = self.journal
        match effect:
            case CallEntry():
                self.calls[effect.call] = (effect.res, effect.op)
                if effect.op in ("Online", "Offline"):
                    self.operations[effect.res] = effect.op
                    self.checkpoints.pop(effect.res, None)
                journal.write(
                    CallEvent(
                        ts=now_us,
                        seq=journal.number(),
                        host=journal.host,
                        mon=self.mon,
                        res=effect.res,
                        op=effect.op,
                        cid=effect.call,
                        args={"recover": True} if effect.recover else UNSET,
                    )
                )
            case Notice():
                journal.write(
                    NotifyEvent(
                        ts=now_us,
                        seq=journal.number(),
                        host=journal.host,
                        mon=self.mon,
                        res=effect.res,
                        target="RCM",
                        what=f"{effect.state}: {effect.why}",
                    )
                )
            case TimedOut():
                silence = effect.call is None
                journal.write(
                    TimeoutEvent(
                        ts=now_us,
                        seq=journal.number(),
                        host=journal.host,
                        mon=self.mon,
                        res=effect.res,
                        op=_SILENCE[effect.op] if silence else effect.op,
                        cid=effect.call,
                        limit_ms=effect.limit_us // 1000,
                    )
                )
            case HandleSeen():
                self._named("handleSignaled", "DLL", effect.res, now_us)
            case Exit():
                if effect.why == "deadlock":
                    self._named("exit", "RHS", process_name(self.monitor), now_us)
                    journal.ended.add(self.mon)
                self.end(effect.why, now_us, dump=effect.dump)
            case WriteDump() | Reply() | Answer() | Watch() | Unwatch():
                pass
            case _:
                assert_never(effect)

    def _named(self, name: str, actor: str, res: str, now_us: int) -> None:
        journal = self.journal
        journal.write(
            NamedEvent(
                ts=now_us,
                seq=journal.number(),
                host=journal.host,
                mon=self.mon,
                res=res,
                name=name,
                actor=actor,
            )
        )


def record_manager(journal: Journal, effects: list[RcmEffect], now_us: int) -> None:
    """Write down what RCM of `journal.host` does, as far as a trace shows it."""
    for effect in effects:
        match effect:
            case Recovered(monitor=monitor, epoch=epoch):
                mon = f"{monitor}#{epoch}"
                if mon in journal.ended:
                    journal.write(
                        NamedEvent(
                            ts=now_us,
                            seq=journal.number(),
                            host=journal.host,
                            mon=mon,
                            res=process_name(monitor),
                            name="recover",
                            actor="RCM",
                        )
                    )
            case ResourceChanged():
                journal.write(
                    StateEvent(
                        ts=now_us,
                        seq=journal.number(),
                        host=journal.host,
                        res=effect.res,
                        source=effect.source,
                        target=effect.target,
                    )
                )
            case GroupChanged(group=group, source=source, target=target):
                record_note(journal, now_us, f"group {group}: {source} -> {target}")
            case StartMonitor(monitor=monitor, epoch=epoch):
                record_note(journal, now_us, "monitor started", mon=f"{monitor}#{epoch}")
            case _:
                pass  # commands are seen where they arrive; the rest is for users and drivers


def record_node_down(journal: Journal, now_us: int) -> None:
    """Write down that the node is gone, with all its processes: nothing of it runs any more."""
    record_note(journal, now_us, NODE_DOWN)


def record_note(
    journal: Journal, now_us: int, what: str, *, mon: str | None = None, res: str | None = None
) -> None:
    """Write down something that no spec has a word for, of a process, of a resource, or of all."""
    journal.write(
        NoteEvent(ts=now_us, seq=journal.number(), host=journal.host, mon=mon, res=res, what=what)
    )
