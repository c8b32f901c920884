"""Sightings as events of `rhs-trace/1`: numbered, timed, each with the line that it comes from.

Owns what a log leaves open and an event needs: which of two endings an operation had (the return of
its call, or a status report), whether a check point is new, which process hosts a resource, which
call a return belongs to, repeated lines. What the log hides is declared in the header, so that
nobody judges such a trace strictly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from rhscheck.traces.format import (
    CallEvent,
    Clock,
    Event,
    ExitEvent,
    GapEvent,
    Header,
    NoteEvent,
    NotifyEvent,
    Origin,
    ReturnEvent,
    StateEvent,
    StatusEvent,
    TimeoutEvent,
)
from rhscheck.traces.logmap.dying import SERVICE_GONE, Dying
from rhscheck.traces.logmap.language import LogMap, Told
from rhscheck.traces.logmap.reading import Sighting

_PENDING: Final = 997  # ERROR_IO_PENDING
MAX_KNOWN: Final = 100_000  # resources whose open calls are remembered
# Processes that are told apart by their epochs; of more, all are taken for new ones.
MAX_PROCESSES: Final = 100_000
_OPERATIONS: Final = ("Online", "Offline")
_NEVER: Final = 1 << 62
_MINUTE: Final = 60_000_000  # microseconds


@dataclass(slots=True)
class _Known:
    """What has been seen of one resource."""

    monitor: str | None = None
    pending: bool = False
    checkpoint: int | None = None
    open: dict[str, tuple[int, bool]] = field(default_factory=dict)  # call id, inferred
    state: tuple[Told, int | None] | None = None  # the last change of state, and its time
    done: tuple[str, ...] = ()  # of which of these operations the DLL has just reported the end
    over: str = ""  # the operation of which the last line told the end, as RHS or RCM says
    by_reply: bool = False  # whether it was RCM
    era: int = 0  # of the maker: what was open in an earlier one is forgotten

    def forget(self) -> None:
        """Nothing is open any more."""
        self.open.clear()
        self.pending, self.checkpoint, self.done, self.over = False, None, (), ""


def log_header(logmap: LogMap, hosts: dict[str, bool], *, source: str, tool: str) -> Header:
    """The header of a trace made from a log: what the mapping says about what is missing.

    `hosts`: for each node whether its lines have a date; without one times count from a midnight.
    """
    return Header(
        src=source,
        spec=logmap.spec,
        clock={host: Clock(epoch="unix" if dated else "midnight") for host, dated in hosts.items()},
        complete=logmap.facts.complete,
        lossy=logmap.facts.lossy,
        start=logmap.facts.start,
        slack_us=logmap.facts.slack_ms * 1000,
        tool=tool,
    )


@dataclass(slots=True)
class EventMaker:
    """Makes the events of one log. Feed it sightings in file order.

    `host` is the node, as far as known. `file` is the log's number in the events' origins. `lossy`:
    nothing is concluded from times between lines, so a line without one may have that of the last.
    """

    host: str = ""
    file: int = 0
    lossy: bool = True
    _seq: int = 0
    _calls: int = 0
    _known: dict[str, _Known] = field(default_factory=dict)
    _hosts: dict[str, dict[str, _Known]] = field(default_factory=dict)  # by monitor
    _era: int = 0
    _epochs: dict[int, int] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _dying: Dying = field(default_factory=Dying)
    _first_epoch: int = 1  # of a process that was not seen since the table was full
    _last_epoch: int = 1
    _latest: int = 0

    def events(self, sighting: Sighting) -> Iterator[Event]:
        """The events of one line."""
        for told in sighting.reading.told:
            for event in self._event(told, sighting):
                # Counted when it is one: a number that is left out would be that of a lost line.
                self._seq += 1
                yield event

    def _event(self, told: Told, sighting: Sighting) -> Iterator[Event]:
        res = told.res if told.res is not None else sighting.res
        known = None if res is None else self._of(res)
        if known is not None and res is not None:
            self._host(res, known, sighting)
        place = self._place(sighting, res, known, told)
        match told.kind:
            case "call":
                op = told.op
                before = None if known is None else known.open.get(op)
                if before is not None and before[1] and not told.inferred:
                    # RCM asked for the call, and here the DLL says that it has come: one call.
                    if known is not None:
                        known.open[op] = (before[0], False)
                    yield NoteEvent(**place, what=f"the DLL is in {op}")
                    return
                self._calls += 1
                if known is not None:
                    known.open[op] = (self._calls, told.inferred)
                    if op in ("Online", "Offline", "Terminate"):
                        known.pending, known.checkpoint = False, None
                        known.done, known.over = (), ""
                yield CallEvent(**place, op=op, cid=self._calls)
            case "return":
                code = _number(told, "rc")
                if told.inferred and told.op in _OPERATIONS and code != _PENDING:
                    yield self._over(told, known, place, by_reply=True)
                    return
                if known is not None and told.op in _OPERATIONS:
                    known.pending, known.done, known.over = code == _PENDING, (), ""
                yield ReturnEvent(**place, op=told.op, cid=_close(known, told.op), rc=code)
            case "ends":
                yield self._over(told, known, place, by_reply=False)
            case "status":
                yield self._status(told, known, place)
            case "state":
                if told.once and known is not None:
                    last, known.state = known.state, (told, sighting.time_us)
                    if last is not None and last[0].keys == told.keys:
                        then, now = last[1], sighting.time_us
                        if then is None or now is None or abs(now - then) <= _MINUTE:
                            return  # the same change, printed in another form
                source = told.get("from")
                target = told.text("to")
                if known is not None and target in ("OnlinePending", "OfflinePending"):
                    known.pending = True
                yield StateEvent(
                    **place, source=None if source is None else str(source), target=target
                )
            case "timeout":
                limit = told.get("limit_ms")
                if known is not None:
                    known.pending = False
                    # That it failed, RHS and RCM say of it, too, because nobody waits any longer.
                    known.done = tuple(op for op in _OPERATIONS if op == told.op)
                cid = _close(known, told.op)
                if cid is None:
                    self._calls += 1
                    cid = self._calls
                yield TimeoutEvent(
                    **place,
                    op=told.op,
                    cid=cid,
                    limit_ms=limit if isinstance(limit, int) and limit >= 0 else None,
                )
            case "notify":
                yield NotifyEvent(**place, target=told.text("to"), what=told.text("what"))
            case "exit":
                yield ExitEvent(
                    **self._exit(place, sighting, at_once=told.text("why") == SERVICE_GONE),
                    why=told.text("why"),
                    dump=told.get("dump") == "yes",
                )
            case "gap":
                self._era += 1
                self._dying.forget()
                yield GapEvent(**place, why=told.text("why"))
            case "note":
                self._dying.heed(told, None if known is None else known.monitor)
                args = {key: value for key, value in told.keys if key in ("rc", "detail")}
                yield NoteEvent(**place, what=told.text("what"), args=dict(args))
            case "says" if sighting.reading.level in ("DBG", "INFO"):
                return
            case "says":
                yield NoteEvent(**place, what=told.text("text"))
            case _:
                assert_never(told.kind)

    def _over(
        self, told: Told, known: _Known | None, place: dict[str, Any], *, by_reply: bool
    ) -> Event:
        """An operation is over: one event, though the DLL, RHS and RCM (`by_reply`) say so."""
        op, code = told.op, _number(told, "rc")
        if known is not None:
            told_before = op in known.done or (op == known.over and by_reply != known.by_reply)
            known.over, known.by_reply = "" if told_before and op == known.over else op, by_reply
            if told_before:
                if not by_reply:
                    known.done = ()
                return NoteEvent(**place, what=f"{op} is over, as was reported before")
            if known.pending:
                known.pending = False
                state = "failure" if code else "success"
                return StatusEvent(**place, op="SetResourceStatus", state=state)
        return ReturnEvent(**place, op=op, cid=_close(known, op), rc=code)

    def _status(self, told: Told, known: _Known | None, place: dict[str, Any]) -> StatusEvent:
        state, checkpoint = told.get("state"), told.get("ckpt")
        number = checkpoint if isinstance(checkpoint, int) and checkpoint >= 0 else None
        if known is not None:
            if state == "pending" and number is not None and number == known.checkpoint:
                state = "repeated"
            known.checkpoint = number
            known.pending = state in ("pending", "repeated")
            known.done = () if known.pending else _reported(told)
        return StatusEvent(
            **place,
            op=told.op,
            state=None if state is None else str(state),
            ckpt=number,
        )

    # ---- places --------------------------------------------------------------------------------
    def _of(self, res: str) -> _Known:
        known = self._known.get(res)
        if known is None:
            known = _Known(era=self._era)
            if len(self._known) < MAX_KNOWN:
                self._known[res] = known
        elif known.era != self._era:
            known.era, known.state = self._era, None
            known.forget()
        return known

    def _host(self, res: str, known: _Known, sighting: Sighting) -> None:
        """Which process speaks for the resource; RCM's lines say nothing about it."""
        pid = sighting.pid
        if pid is None or sighting.reading.message.startswith("[RCM]"):
            return
        if pid in self._ended and not self._dying.lasts(pid, sighting.time_us):
            self._ended.discard(pid)
            self._epochs[pid] += 1
            self._last_epoch = max(self._last_epoch, self._epochs[pid])
        monitor = self._monitor(pid)
        if known.monitor != monitor:
            if known.monitor is not None:
                known.forget()
                self._hosts.get(known.monitor, {}).pop(res, None)
            known.monitor = monitor
            self._hosts.setdefault(monitor, {})[res] = known

    def _monitor(self, pid: int) -> str:
        """The name of the process that has this number now."""
        epoch = self._epochs.get(pid)
        if epoch is None:
            if len(self._epochs) >= MAX_PROCESSES:
                # Who was forgotten must not come back under its old name.
                self._epochs.clear()
                self._ended.clear()
                self._dying.forget()
                self._hosts.clear()
                self._first_epoch = self._last_epoch = self._last_epoch + 1
            epoch = self._epochs[pid] = self._first_epoch
        return f"{pid}#{epoch}"

    def _place(
        self, sighting: Sighting, res: str | None, known: _Known | None, told: Told
    ) -> dict[str, Any]:
        time_us = sighting.time_us
        place: dict[str, Any] = {
            "seq": self._seq + 1,
            "host": sighting.host or self.host,
            "tid": _thread(sighting.tid),
            "res": res,
            "inf": told.inferred,
            "src": Origin(self.file, sighting.line, sighting.offset),
        }
        if known is not None:
            place["mon"] = known.monitor
        if time_us is not None and time_us >= self._latest:
            self._latest = place["ts"] = time_us
        elif self.lossy:
            # Lines of several processes are not quite in order. More than that is another run.
            if time_us is not None and time_us < self._latest - 1_000_000:
                self._latest = time_us
            place["ts"] = self._latest
        elif time_us is None:
            place["ts_lo"], place["ts_hi"] = self._latest, _NEVER
        else:
            place["ts_lo"], place["ts_hi"] = time_us, self._latest
        return place

    def _exit(self, place: dict[str, Any], sighting: Sighting, *, at_once: bool) -> dict[str, Any]:
        """The process that writes the line is the one that ends; nothing of it stays open.

        It may write on for a while, if not `at_once`.
        """
        pid = sighting.pid
        if pid is None:
            return place
        if pid in self._dying and not self._dying.lasts(pid, sighting.time_us):
            self._ended.discard(pid)
            self._epochs[pid] += 1
            self._last_epoch = max(self._last_epoch, self._epochs[pid])
        monitor = self._monitor(pid)
        if not at_once and (pid in self._dying or pid not in self._ended):
            self._dying.add(pid, sighting.time_us)
        self._ended.add(pid)
        for known in self._hosts.pop(monitor, {}).values():
            if known.monitor == monitor:
                known.forget()
        return {**place, "mon": monitor}


def _close(known: _Known | None, op: str) -> int | None:
    """The id of the call that is over, None if its beginning was not seen."""
    if known is None:
        return None
    opened = known.open.pop(op, None)
    return None if opened is None else opened[0]


def _reported(told: Told) -> tuple[str, ...]:
    """The operations that a report may be about, by the state it was made in, if it says so."""
    source = told.source
    return tuple(op for op in ("Online", "Offline") if not source or source.startswith(op[:2]))


def _thread(tid: bytes | None) -> int | None:
    """The number of a thread; None where the log has none, or something else in its place."""
    if tid is None or not tid or tid.strip(b"0123456789abcdefABCDEF"):
        return None
    return int(tid, 16)


def _number(told: Told, key: str) -> int:
    value = told.get(key)
    return value if isinstance(value, int) else 1
