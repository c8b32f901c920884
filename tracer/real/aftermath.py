"""What the core of a monitor would still have decided, when its process ended without a word.

Owns the conclusion drawn from the steps that RCM was told of. A process whose main loop stood still
(a plug-in that holds Python's lock) is ended by its C-level watchdog at the deadline that its
core could not see; a segmentation fault ends it inside a call. In both cases the core's own
next steps are known, because it is deterministic. Nothing is concluded that would be a call: a call
that nobody made is never written down.
"""

from __future__ import annotations

import copy

from rhscheck.tracer.configuration import Timeouts
from rhscheck.tracer.events import (
    CallEntry,
    Crashed,
    DumpWritten,
    Exit,
    Operation,
    Returned,
    RhsEffect,
    RhsEvent,
    Tick,
    WriteDump,
)
from rhscheck.tracer.rhs_core import RhsCore


class Shadow:
    """The core of a monitor process, kept up by RCM from what it is told."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._core = RhsCore(timeouts)
        self._now_us = 0
        self.calls: dict[int, CallEntry] = {}  # those that have not returned
        self.exit: Exit | None = None  # what the core has said of its end

    @property
    def ended(self) -> bool:
        """Whether the core has said Exit."""
        return self.exit is not None

    def follow(self, event: RhsEvent, now_us: int) -> None:
        """The process told of this step."""
        self._note(event, self._core.step(event, now_us))
        self._now_us = now_us

    def _note(self, event: RhsEvent, effects: list[RhsEffect]) -> None:
        if isinstance(event, Returned | Crashed):
            self.calls.pop(event.call, None)
        for effect in effects:
            if isinstance(effect, CallEntry):
                self.calls[effect.call] = effect
            elif isinstance(effect, Exit):
                self.exit = effect

    def conclude(
        self, ended_us: int, culprit: int | None, why: str, *, dumped: bool
    ) -> list[tuple[int, RhsEvent, list[RhsEffect]]]:
        """The steps up to the end of the process at `ended_us`, none if it had said Exit.

        First what deadlines that had passed lead to; then, if that is no end, the crash of call
        `culprit`, where that is known.
        """
        steps: list[tuple[int, RhsEvent, list[RhsEffect]]] = []
        while not self.ended:
            due = self._core.next_due_us
            if due is None or due > ended_us:
                break
            trial = copy.deepcopy(self._core)
            # A deadline may have passed unseen before the last step: everything had stood still.
            at_us = max(self._now_us, due)
            if any(isinstance(effect, CallEntry) for effect in trial.step(Tick(), at_us)):
                break
            self._step(Tick(), due, steps, dumped=dumped)
        if not self.ended and culprit is not None and culprit in self.calls:
            self._step(Crashed(culprit, why), ended_us, steps, dumped=dumped)
        return steps

    def _step(
        self,
        event: RhsEvent,
        now_us: int,
        steps: list[tuple[int, RhsEvent, list[RhsEffect]]],
        *,
        dumped: bool,
    ) -> None:
        self._now_us = max(self._now_us, now_us)
        effects = self._core.step(event, self._now_us)
        steps.append((self._now_us, event, effects))
        self._note(event, effects)
        if any(isinstance(effect, WriteDump) for effect in effects):
            self._step(DumpWritten(dumped), self._now_us, steps, dumped=dumped)

    def call_of(self, operation: Operation | None) -> CallEntry | None:
        """The call in flight; where there are several, the only one of `operation`; else None."""
        running = list(self.calls.values())
        if len(running) > 1:
            running = [call for call in running if call.op == operation]
        return running[0] if len(running) == 1 else None

    @property
    def working(self) -> str | None:
        """The resource whose worker runs, if there is one and no other."""
        names = self._core.working
        return names[0] if len(names) == 1 else None

    @property
    def only(self) -> str | None:
        """The resource that is hosted, if there is one and no other."""
        names = self._core.hosted
        return names[0] if len(names) == 1 else None
