"""A manager that asks for anything at any time, to see that RHS keeps the rules by itself.

RCM asks for what makes sense, so a host that is only ever asked by it is hardly tested: Terminate
never comes while a poll runs, nothing is asked of a failed resource. This one takes RCM's place in
a simulation. It starts monitors, opens what they host, and then sends commands at random, also ones
that have to be refused or to wait. It has no idea of groups or dependencies.

Owns only what is asked, and when; the choices come from the random stream it is given.
"""

from __future__ import annotations

import random
from typing import Final, assert_never

from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.events import (
    Bring,
    Command,
    Control,
    Finished,
    Handover,
    KillMonitor,
    MonitorExited,
    MonitorStarted,
    MoveGroup,
    Notice,
    PeerDown,
    RcmEffect,
    RcmEvent,
    Received,
    Recovered,
    Requested,
    Send,
    Shutdown,
    Start,
    StartMonitor,
    Stop,
    Tick,
)

_RESTART_US: Final = 100_000
_GRACE_US: Final = 1_000_000
# Close ends a resource for as long as the process lives, so it comes rarely.
_ASKED: Final[tuple[Requested, ...]] = (
    *("Online", "Online", "Online", "Online", "Offline", "Offline", "Terminate", "Terminate"),
    *("ResourceControl", "ResourceControl", "ResourceControl", "Open"),
)


class WildManager:
    """In RCM's place on `node`. `draw`: the component's own random stream."""

    def __init__(self, configuration: ClusterConfiguration, node: str, draw: random.Random) -> None:
        self._configuration = configuration
        self._node = node
        self._draw = draw
        self._epochs: dict[str, int] = {}
        self._up: dict[str, int] = {}
        self._due: dict[str, int] = {}  # when to start, kill or ask: by monitor, or "" to ask
        self._dying: dict[str, int] = {}
        self._requests = 0
        self._stopping = False

    @property
    def next_due_us(self) -> int | None:
        """When the manager wants a Tick; None: never, as things are."""
        return min((*self._due.values(), *self._dying.values()), default=None)

    def step(self, event: RcmEvent, now_us: int) -> list[RcmEffect]:
        """What the manager does about `event`, or out of itself at a Tick."""
        match event:
            case Start():
                self._due = dict.fromkeys(self._configuration.monitors, now_us)
                self._due[""] = now_us + self._pause()
                return self._tick(now_us)
            case Tick():
                return self._tick(now_us)
            case MonitorStarted(monitor=monitor, epoch=epoch):
                self._up[monitor] = epoch
                return [
                    self._ask(one.name, "Open", monitor, recover=epoch > 1)
                    for one in self._configuration.resources
                    if one.monitor == monitor
                ]
            case MonitorExited(monitor=monitor, epoch=epoch):
                return self._exited(monitor, epoch, now_us)
            case Received(monitor=monitor, message=Notice(dying=True)):
                dump_us = self._configuration.timeouts.dump_us
                self._dying[monitor] = now_us + dump_us + _GRACE_US
                return []
            case Shutdown():
                self._stopping = True
                self._due.clear()
                if not self._up:
                    return [Finished()]
                return [Send(monitor, epoch, Stop()) for monitor, epoch in self._up.items()]
            case Received() | Bring() | MoveGroup() | Control() | Handover() | PeerDown():
                return []
            case _:
                assert_never(event)

    def _exited(self, monitor: str, epoch: int, now_us: int) -> list[RcmEffect]:
        self._dying.pop(monitor, None)
        was_up = self._up.pop(monitor, None) is not None
        if self._stopping:
            return [Finished()] if was_up and not self._up else []
        self._due[monitor] = now_us + _RESTART_US
        return [Recovered(monitor, epoch)]

    def _tick(self, now_us: int) -> list[RcmEffect]:
        effects: list[RcmEffect] = []
        for monitor, due in list(self._dying.items()):
            if due <= now_us:
                del self._dying[monitor]
                effects.append(KillMonitor(monitor, self._epochs[monitor], "it should have ended"))
        for monitor, due in list(self._due.items()):
            if due > now_us:
                continue
            if monitor:
                del self._due[monitor]
                self._epochs[monitor] = self._epochs.get(monitor, 0) + 1
                effects.append(StartMonitor(monitor, self._epochs[monitor]))
            else:
                self._due[""] = now_us + self._pause()
                effects += self._want()
        return effects

    def _pause(self) -> int:
        """Mostly moments, sometimes minutes: commands should meet calls in every state."""
        if not self._draw.randrange(16):
            return self._draw.randrange(1, self._configuration.timeouts.looks_alive_us)
        return self._draw.randrange(1, 30_000)

    def _want(self) -> list[RcmEffect]:
        resource = self._draw.choice(self._configuration.resources)
        if resource.monitor not in self._up:
            return []
        op: Requested = "Close"
        if self._draw.randrange(300):
            op = self._draw.choice(_ASKED)
        return [self._ask(resource.name, op, resource.monitor)]

    def _ask(self, res: str, op: Requested, monitor: str, *, recover: bool = False) -> RcmEffect:
        self._requests += 1
        return Send(monitor, self._up[monitor], Command(self._requests, res, op, recover))
