"""A light judge of runs while they happen: a few rules of the documents, in plain code.

Written from the documents alone, without a look at the cores or at `rhs.sm`, and fast enough to be
on in every simulated run. It owns rules that a single process shows (the six rules, the time-outs)
and those that only the cluster shows, on which `rhs.sm` says nothing: dependencies and ownership.
It is never the last word: `rhscheck replay` is. What it does complain about is wrong for sure.

Feed it every event of a run in order; it answers with the rule and what is wrong, or None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.traces.format import (
    CallEvent,
    Event,
    ExitEvent,
    NamedEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
)

_SERIALISED: Final = frozenset(("ResourceControl", "IsAlive", "LooksAlive", "Online", "Offline"))
_PENDING: Final = 997


@dataclass(slots=True)
class _Seen:
    """What one process has shown of one resource. `running`: op → since when."""

    running: dict[str, int] = field(default_factory=dict)
    expired: dict[str, int] = field(default_factory=dict)
    opened: bool = False
    closed: bool = False
    online: bool = False
    operation: str = ""  # Online or Offline while it is pending or in progress
    failed: bool = False


class RuleWatch:
    """Watches one run of `configuration`."""

    def __init__(self, configuration: ClusterConfiguration) -> None:
        self._call_us = configuration.timeouts.call_us
        self._needs = {one.name: one.depends_on for one in configuration.resources}
        self._several = len(configuration.nodes) > 1
        self._seen: dict[tuple[str, str | None], dict[str, _Seen]] = {}
        self._up: dict[str, tuple[str, str | None]] = {}  # which process runs an application
        self._dead: dict[tuple[str, str | None], bool] = {}

    def __call__(self, event: Event) -> str | None:
        """The rule that `event` breaks, and how; None if it breaks none of those known here."""
        match event:
            case CallEvent():
                return self._call(event)
            case ReturnEvent():
                return self._return(event)
            case StatusEvent():
                return self._status(event)
            case TimeoutEvent():
                return self._timeout(event)
            case NamedEvent(name="handleSignaled"):
                self._fail(self._resource(event))
                return None
            case NamedEvent(name="exit") | ExitEvent():
                self._exit(event)
                return None
            case _:
                return None

    def _resource(self, event: Event) -> _Seen:
        process = self._seen.setdefault((event.host, event.mon), {})
        name = event.res or ""
        seen = process.get(name)
        if seen is None:
            seen = process[name] = _Seen()
        return seen

    # ---- calls ---------------------------------------------------------------------------------
    def _call(self, event: CallEvent) -> str | None:
        seen, op, res = self._resource(event), event.op, event.res or ""
        now = event.ts or 0
        key = (event.host, event.mon)
        if key in self._dead:
            return f"P7: {op} of {res} is called in a process that is gone"
        if op in seen.running or op in seen.expired:
            return f"R4: {op} of {res} is called twice at once"
        complaint = self._rules(seen, op, res)
        if complaint is not None:
            return complaint
        if op == "Online":
            complaint = self._cluster_rules(key, res)
            self._up[res] = key
            seen.failed = False
        if op in ("Online", "Offline"):
            seen.online = False
            seen.operation = op
        elif op == "Terminate":
            self._fail(seen)
        seen.closed = seen.closed or op == "Close"
        seen.running[op] = now
        return complaint

    def _rules(self, seen: _Seen, op: str, res: str) -> str | None:
        running = seen.running
        if op == "Open":
            if seen.opened or running:
                return f"R1: Open of {res} is not the first call"
        elif not seen.opened:
            return f"R1strict: {op} of {res} is called before Open has returned"
        if seen.closed:
            return f"R2last: {op} of {res} is called after Close"
        if op == "Close" and (running or seen.expired):
            return f"R2: Close of {res} is called while {next(iter(running or seen.expired))} runs"
        if op == "Terminate" and ("Open" in running or "Close" in running):
            return f"R3: Terminate of {res} is called beside Open or Close"
        if op in _SERIALISED:
            for other in running:
                if other in _SERIALISED:
                    return f"R4: {op} of {res} is called while {other} runs"
        if op in ("LooksAlive", "IsAlive") and not seen.online:
            return f"R5: {op} of {res} is called though it is not online, or has failed"
        if op == "ResourceControl" and seen.failed:
            return f"M1: a control is sent to {res}, which waits for Terminate"
        return None

    def _cluster_rules(self, key: tuple[str, str | None], res: str) -> str | None:
        elsewhere = self._up.get(res)
        if elsewhere is not None and elsewhere != key:
            return f"Ownership: {res} comes online while {elsewhere[0]} {elsewhere[1]} still has it"
        for need in self._needs.get(res, ()):
            at = self._up.get(need)
            if at is None or not self._seen[at][need].online:
                return f"DependencyOrder: {res} comes online before {need}, which it depends on"
        return None

    # ---- what comes back -----------------------------------------------------------------------
    def _return(self, event: ReturnEvent) -> str | None:
        seen, op, res, rc = self._resource(event), event.op, event.res or "", event.rc
        since = seen.running.pop(op, None)
        if since is None:
            seen.expired.pop(op, None)
            return None
        if (event.ts or 0) - since > self._call_us:
            return f"B: {op} of {res} ran longer than its time-out, and nobody noticed"
        if op == "Open":
            seen.opened = rc == 0
        elif op == "Terminate":
            seen.failed = False
            seen.operation = ""
            self._up.pop(res, None)
        elif op == "IsAlive" and rc != 0:
            self._fail(seen)
        elif op in ("Online", "Offline") and seen.operation == op and not seen.failed:
            if rc == 0:
                self._settle(seen, res, op)
            elif rc != _PENDING:
                self._fail(seen)
        return None

    def _settle(self, seen: _Seen, res: str, op: str) -> None:
        seen.operation = ""
        seen.online = op == "Online"
        if op == "Offline":
            self._up.pop(res, None)

    def _status(self, event: StatusEvent) -> str | None:
        seen, res = self._resource(event), event.res or ""
        if seen.operation and not seen.failed and seen.operation not in seen.running:
            if event.state == "success":
                self._settle(seen, res, seen.operation)
            elif event.state == "failure":
                self._fail(seen)
        elif seen.operation and seen.operation in seen.running:
            # A report that came before the return decides later; nothing is certain until then.
            self._seen[(event.host, event.mon)][res] = _Seen(
                seen.running, seen.expired, seen.opened, seen.closed, online=True
            )
        return None

    def _timeout(self, event: TimeoutEvent) -> str | None:
        seen, op, res = self._resource(event), event.op, event.res or ""
        if event.cid is None:
            self._fail(seen)
            return None
        since = seen.running.pop(op, None)
        if since is None:
            return f"B: {op} of {res} times out without being in flight"
        seen.expired[op] = since
        if (event.ts or 0) - since < self._call_us:
            return f"B: {op} of {res} is given up before its time is over"
        if op in ("Online", "Offline") and seen.operation == op:
            self._fail(seen)
        return None

    @staticmethod
    def _fail(seen: _Seen) -> None:
        seen.failed = True
        seen.online = False
        seen.operation = ""

    def _exit(self, event: Event) -> None:
        key = (event.host, event.mon)
        self._dead[key] = True
        self._seen.pop(key, None)
        for res, at in list(self._up.items()):
            if at == key:
                del self._up[res]
