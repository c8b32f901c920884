"""A light judge of runs while they happen: a few rules of the documents, in plain code.

Written from the documents alone, without a look at the cores or at `rhs.sm`, and fast enough to be
on in every simulated run. It owns rules that a single process shows (the six rules, the time-outs)
and those that only RCM's own view shows, on which `rhs.sm` says nothing: dependencies, ownership.
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
    NoteEvent,
    ReturnEvent,
    StateEvent,
    StatusEvent,
    TimeoutEvent,
)

# What it complains about: rules by the names that `rhs.sm` has for them, then those that only RCM's
# view shows. B: a time-out that comes too early, or never.
WATCHED: Final = (
    *("R1", "R1strict", "R2", "R2last", "R3", "R4", "R5", "P7", "M1", "B"),
    *("DependencyOrder", "Ownership"),
)
_SERIALISED: Final = frozenset(("ResourceControl", "IsAlive", "LooksAlive", "Online", "Offline"))
_PENDING: Final = 997
# Nothing of a resource runs in these states of RCM.
_IDLE: Final = frozenset(
    ("Initializing", "Opening", "Offline", "Closing", "Closed", "Failed", "DelayRestartingResource")
)


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
        self._seen: dict[tuple[str, str | None], dict[str, _Seen]] = {}
        self._states: dict[str, dict[str, str]] = {}  # by resource and node, as its RCM sees it
        self._dead: dict[tuple[str, str | None], bool] = {}
        self._dying: dict[tuple[str, str | None], bool] = {}

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
            case StateEvent():
                return self._state(event)
            case NamedEvent(name="handleSignaled"):
                self._fail(self._resource(event))
                return None
            case NoteEvent(what="node down", host=host):
                for nodes in self._states.values():
                    nodes.pop(host, None)
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
        if op in ("Online", "Offline"):
            seen.online = seen.failed = False
            seen.operation = op
        elif op == "Terminate":
            self._fail(seen)
        seen.closed = seen.closed or op == "Close"
        seen.running[op] = now
        return None

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

    # ---- RCM's own view ------------------------------------------------------------------------
    def _state(self, event: StateEvent) -> str | None:
        res, host = event.res or "", event.host
        nodes = self._states.setdefault(res, {})
        nodes[host] = event.target
        if event.target != "OnlineCallIssued":
            return None
        for node, state in nodes.items():
            if node != host and state not in _IDLE:
                return f"Ownership: {res} comes online on {host} while it is {state} on {node}"
        for need in self._needs.get(res, ()):
            state = self._states.get(need, {}).get(host, "Initializing")
            if state != "Online":
                return (
                    f"DependencyOrder: {res} comes online while {need}, which it needs, is {state}"
                )
        return None

    # ---- what comes back -----------------------------------------------------------------------
    def _return(self, event: ReturnEvent) -> str | None:
        seen, op, res, rc = self._resource(event), event.op, event.res or "", event.rc
        since = seen.running.pop(op, None)
        if since is None:
            seen.expired.pop(op, None)
            return None
        overdue = (event.ts or 0) - since > self._call_us
        if overdue and (event.host, event.mon) not in self._dying:
            return f"B: {op} of {res} ran longer than its time-out, and nobody noticed"
        if op == "Open":
            seen.opened = rc == 0
        elif op == "Terminate":
            seen.failed = False
            seen.operation = ""
        elif op == "IsAlive" and rc != 0:
            if seen.online:  # one that Terminate has overtaken says nothing any more
                self._fail(seen)
        elif op in ("Online", "Offline") and seen.operation == op and not seen.failed:
            if rc == 0:
                self._settle(seen, op)
            elif rc != _PENDING:
                self._fail(seen)
        return None

    @staticmethod
    def _settle(seen: _Seen, op: str) -> None:
        seen.operation = ""
        seen.online = op == "Online"

    def _status(self, event: StatusEvent) -> str | None:
        seen, res = self._resource(event), event.res or ""
        if seen.operation and not seen.failed and seen.operation not in seen.running:
            if event.state == "success":
                self._settle(seen, seen.operation)
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
        if op not in ("Online", "Offline"):
            self._dying[(event.host, event.mon)] = True
        elif seen.operation == op:
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
