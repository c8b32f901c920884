"""What RHS remembers of a resource that it hosts and of the calls in flight.

Owns these records. Every decision about them is `tracer.rhs_core`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rhscheck.tracer.events import Command, Meaning, Operation, ResourceState

Timer = Literal["call", "silence", "due LooksAlive", "due IsAlive", "dump"]


@dataclass(slots=True)
class Call:
    """A call in flight. `command`: what RCM is owed an answer for, None once it has been given."""

    number: int
    resource: Hosted
    op: Operation
    command: Command | None
    expired: bool = False


@dataclass(slots=True)
class Hosted:
    """One resource as this process sees it. `generation` outdates the timers of states left."""

    name: str
    state: ResourceState = "Unopened"
    row: dict[str, str] = field(default_factory=dict)
    calls: dict[Operation, Call] = field(default_factory=dict)
    lane: Call | None = None  # the serialised call in flight, unless it is out of time
    queue: list[Command] = field(default_factory=list)
    terminates: list[Command] = field(default_factory=list)
    operation: Literal["Online", "Offline"] = "Online"
    worker: bool = False  # the plug-in's thread that goes on with a pending operation
    early: Meaning | None = None
    early_handle: int | None = None
    handle: int | None = None
    generation: int = 0
    looks_due: bool = False
    is_due: bool = False
