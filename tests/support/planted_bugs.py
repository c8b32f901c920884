"""Runtimes with one bug each: what replay is measured against, and never part of the product.

Owns the list of bugs and which rule or assumption of `rhs.sm` each one breaks first; `(event)`
where the spec has no rule for it and just does not allow the event. Most change one cell of a
transition table; the others override one decision of a core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rhscheck.hosted_runs import HostJudge
from rhscheck.simulated_runs import Wanted, case_of
from rhscheck.tracer.configuration import (
    SECOND,
    ClusterConfiguration,
    ResourceConfiguration,
    Timeouts,
)
from rhscheck.tracer.events import DumpWritten
from rhscheck.tracer.rcm_core import RcmCore
from rhscheck.tracer.recording import header
from rhscheck.tracer.rhs_core import RhsCore
from rhscheck.tracer.rhs_table import TABLE
from rhscheck.tracer.simulator import Cores, Options, simulate
from rhscheck.tracer.table import Table, changed
from rhscheck.traces.format import EventLine, Finish, Loaded

_LIVING = (
    *("Opening", "Offline", "Failed", "Terminating", "Closing", "Onlining", "OnlinePending"),
    *("Online", "Offlining", "OfflinePending"),
)


@dataclass(frozen=True, slots=True)
class Bug:
    """`rules`: what may be named first. `what`: the wrong decision in one line."""

    name: str
    what: str
    rules: tuple[str, ...]
    cores: Cores


# A cluster in which every kind of thing can happen: a shared and a separate monitor, dependencies.
CLUSTER = ClusterConfiguration(
    resources=(
        ResourceConfiguration("ip", "web"),
        ResourceConfiguration("disk", "web", monitor="flaky"),
        ResourceConfiguration("app", "web", depends_on=("ip", "disk")),
    ),
    timeouts=Timeouts(looks_alive_us=30 * SECOND, is_alive_us=100 * SECOND),
)
RUN = Options(duration_us=500 * SECOND, user_every_us=20 * SECOND)


@dataclass(frozen=True, slots=True)
class Kill:
    """Replay's first finding on a run with a bug: at which seed, what it names, whom it blames."""

    seed: int
    rules: tuple[str, ...]
    actor: str
    event: str


def kill_at(bug: Bug, judge: HostJudge, seed: int) -> Kill | None:
    """What replay finds in the run of this seed, None if it has nothing against the host."""
    wanted = Wanted(CLUSTER, RUN, promises_kept=False)
    case = case_of(wanted, seed)
    run = simulate(CLUSTER, seed, case.plan, RUN, cores=bug.cores)
    if run.events == simulate(CLUSTER, seed, case.plan, RUN).events:
        return None  # the bug did not show: this run is one of the product
    lines = tuple(EventLine(at, event) for at, event in enumerate(run.events, 2))
    made = header(CLUSTER, source="sim", identity="", tool="", seed=seed)
    finish = Finish("complete", len(lines) + 2, len(lines), "")
    report = judge.report(Loaded(made, lines, (), (), finish), bug.name)
    found = [one for one in report.findings if one.verdict == "violated" and one.actor != "DLL"]
    if not found:
        return None
    first = [one for one in found if one.line == found[0].line]
    named = dict.fromkeys((one.rule or "(event)").partition("[")[0] for one in first)
    return Kill(seed, tuple(named), found[0].actor or "?", found[0].event)


def _table(*cells: tuple[str, str, str]) -> Table:
    table: Table = TABLE
    for state, occurrence, cell in cells:
        table = changed(table, state, occurrence, cell)
    return table


def _cells(
    *cells: tuple[str, str, str], core: type[RhsCore] = RhsCore
) -> Callable[[ClusterConfiguration], RhsCore]:
    return lambda one: core(one.timeouts, _table(*cells))


def _rhs(core: type[RhsCore]) -> Callable[[ClusterConfiguration], RhsCore]:
    return lambda one: core(one.timeouts)


def _times(**factors: float) -> Callable[[ClusterConfiguration], RhsCore]:
    """A core that has misread one of the times."""

    def make(one: ClusterConfiguration) -> RhsCore:
        times = one.timeouts
        wrong = {name: int(getattr(times, name) * factor) for name, factor in factors.items()}
        return RhsCore(replace(times, **wrong))

    return make


# ---- RHS: serialisation --------------------------------------------------------------------------
class ControlsIgnoreLane(RhsCore):
    def _control(self, resource, command):  # type: ignore[no-untyped-def]
        if "ResourceControl" in resource.calls:
            resource.queue.append(command)
        else:
            lane = resource.lane
            self._call(resource, "ResourceControl", command)
            resource.lane = lane or resource.lane


class PollsIgnoreLane(RhsCore):
    def _next(self, resource):  # type: ignore[no-untyped-def]
        busy = resource.lane is not None and resource.lane.op == "ResourceControl"
        if busy and resource.looks_due and "LooksAlive" not in resource.calls:
            lane, resource.lane = resource.lane, None
            resource.looks_due = False
            self._call(resource, "LooksAlive")
            self._poll_in(self.timeouts.looks_alive_us, resource, "due LooksAlive")
            resource.lane = lane
        else:
            super()._next(resource)


class OfflineIgnoresLane(RhsCore):
    def _operate(self, resource, command, op, state):  # type: ignore[no-untyped-def]
        if op == "Offline":
            resource.lane = None
        super()._operate(resource, command, op, state)


class CloseIgnoresCalls(RhsCore):
    def _close(self, resource, command):  # type: ignore[no-untyped-def]
        self._enter(resource, "Closing")
        self._call(resource, "Close", command)


class PollOrderReversed(RhsCore):
    def _next(self, resource):  # type: ignore[no-untyped-def]
        if resource.lane is None and resource.is_due and resource.looks_due:
            resource.looks_due = False
            self._call(resource, "LooksAlive")
            self._poll_in(self.timeouts.looks_alive_us, resource, "due LooksAlive")
        super()._next(resource)


# ---- RHS: health ---------------------------------------------------------------------------------
class PollsGoOnAfterFailure(RhsCore):
    def _fail(self, resource, why, deadlock=None):  # type: ignore[no-untyped-def]
        was_online = resource.state == "Online"
        super()._fail(resource, why, deadlock)
        if was_online:
            self._poll_in(0, resource, "due LooksAlive")


class PollsGoOnWhileOffliningPends(RhsCore):
    def _completed(self, resource, call, event):  # type: ignore[no-untyped-def]
        super()._completed(resource, call, event)
        if resource.state == "OfflinePending":
            self._poll_in(50, resource, "due LooksAlive")


class PollsGoOnBesideTerminate(RhsCore):
    def _terminate(self, resource, command):  # type: ignore[no-untyped-def]
        was_online = resource.state in ("Online", "Failed")
        super()._terminate(resource, command)
        if was_online:
            self._poll_in(50, resource, "due IsAlive")


class LooksAliveFailureIsEnough(RhsCore):
    def _looked(self, resource, event):  # type: ignore[no-untyped-def]
        if event.rc != 0:
            self._fail(resource, "LooksAlive failed")


class LooksAliveFailureWaits(RhsCore):
    def _looked(self, resource, event):  # type: ignore[no-untyped-def]
        pass


class IsAliveFailureIsIgnored(RhsCore):
    def _checked(self, resource, event):  # type: ignore[no-untyped-def]
        pass


class ChainedIsAliveResetsPeriod(RhsCore):
    def _looked(self, resource, event):  # type: ignore[no-untyped-def]
        if event.rc != 0:
            resource.generation += 1
            self._poll_in(self.timeouts.is_alive_us, resource, "due IsAlive")
            self._poll_in(self.timeouts.looks_alive_us, resource, "due LooksAlive")
        super()._looked(resource, event)


class LooksAliveIsForgotten(RhsCore):
    def _timer(self, resource, kind):  # type: ignore[no-untyped-def]
        if kind != "due LooksAlive":
            super()._timer(resource, kind)


def _second_period(kind: str, factor: float) -> type[RhsCore]:
    """A core that waits for the first poll as long as it should, then not."""

    class WrongPeriod(RhsCore):
        def _poll_in(self, after_us, resource, this):  # type: ignore[no-untyped-def]
            later = getattr(resource, "lane", None) is not None
            wrong = this == kind and later
            super()._poll_in(int(after_us * factor) if wrong else after_us, resource, this)

    return WrongPeriod


class PollsDespiteHandle(RhsCore):
    def _succeed(self, resource, handle):  # type: ignore[no-untyped-def]
        super()._succeed(resource, handle)
        if handle is not None and resource.state == "Online":
            self._poll_in(2 * self.timeouts.looks_alive_us, resource, "due LooksAlive")


# ---- RHS: pending and reports --------------------------------------------------------------------
class ReportsDoNotExtend(RhsCore):
    def _report(self, resource, event, said):  # type: ignore[no-untyped-def]
        if said != "pending":
            super()._report(resource, event, said)


class SilenceIsForgotten(RhsCore):
    def _timer(self, resource, kind):  # type: ignore[no-untyped-def]
        if kind != "silence":
            super()._timer(resource, kind)


class EarlyReportIsDropped(RhsCore):
    def _latch(self, resource, event, said):  # type: ignore[no-untyped-def]
        pass


class StaleReportRevives(RhsCore):
    def _absorb(self, resource, said):  # type: ignore[no-untyped-def]
        super()._absorb(resource, said)
        if resource.state in ("Failed", "Terminating"):
            resource.operation = "Online"
            self._succeed(resource, None)


class LateReturnRevives(RhsCore):
    def _late(self, resource, call, event):  # type: ignore[no-untyped-def]
        super()._late(resource, call, event)
        if call.op == "Online" and resource.state in ("Failed", "Terminating"):
            resource.operation = "Online"
            self._succeed(resource, None)


class QueueSurvivesFailure(RhsCore):
    def _abort_queue(self, resource, rc):  # type: ignore[no-untyped-def]
        if resource.state != "Failed":
            super()._abort_queue(resource, rc)

    def _fail(self, resource, why, deadlock=None):  # type: ignore[no-untyped-def]
        super()._fail(resource, why, deadlock)
        if resource.lane is None and resource.queue:
            self._call(resource, "ResourceControl", resource.queue.pop(0))


# ---- RHS: deadlocks ------------------------------------------------------------------------------
class DeadlockOfOnlineKills(RhsCore):
    def _expire(self, call):  # type: ignore[no-untyped-def]
        self._end("deadlock", call, "Online or Offline did not return in time")


class DeadlockIsUnnoticed(RhsCore):
    def _is_current(self, kind, resource, number):  # type: ignore[no-untyped-def]
        call = self._calls.get(number) if kind == "call" else None
        if call is not None and call.op in ("Online", "Offline"):
            return False
        return super()._is_current(kind, resource, number)


class OtherDeadlockIsUnnoticed(RhsCore):
    def _is_current(self, kind, resource, number):  # type: ignore[no-untyped-def]
        call = self._calls.get(number) if kind == "call" else None
        if call is not None and call.op not in ("Online", "Offline"):
            return False
        return super()._is_current(kind, resource, number)


class OnlineHoldsNoLane(RhsCore):
    def _call(self, resource, op, command=None):  # type: ignore[no-untyped-def]
        super()._call(resource, op, command)
        if op in ("Online", "Offline"):
            resource.lane = None


class DyingHostServesOthers(RhsCore):
    def _is_current(self, kind, resource, number):  # type: ignore[no-untyped-def]
        dying, self._dying = self._dying, None
        current = super()._is_current(kind, resource, number)
        self._dying = dying
        return current


class DumpTakesTooLong(RhsCore):
    def _end(self, why, call, text):  # type: ignore[no-untyped-def]
        super()._end(why, call, text)
        self._timers = []
        self._arm(2 * self.timeouts.dump_us, "dump", None, 0)

    def step(self, event, now_us):  # type: ignore[no-untyped-def]
        if isinstance(event, DumpWritten):
            return []
        return super().step(event, now_us)


class NeverKills(RcmCore):
    def _kill_overdue(self):  # type: ignore[no-untyped-def]
        pass


class StragglersDoNotCount(RhsCore):
    def _is_straggling(self, resource):  # type: ignore[no-untyped-def]
        return False


# ---- RCM -----------------------------------------------------------------------------------------
class OnlineWithoutOpenReturn(RcmCore):
    def _enter(self, resource, state, why):  # type: ignore[no-untyped-def]
        super()._enter(resource, "Offline" if state == "Opening" else state, why)

    def _send(self, resource, op, control=None):  # type: ignore[no-untyped-def]
        super()._send(resource, op, control)
        if op == "Open":
            resource.recover = True


class OnlineWithoutOpen(RcmCore):
    def _send(self, resource, op, control=None):  # type: ignore[no-untyped-def]
        if op == "Open":
            self._enter(resource, "Offline", "never opened")
        else:
            super()._send(resource, op, control)


class ControlsAnyTime(RcmCore):
    def _control(self, event):  # type: ignore[no-untyped-def]
        resource = self._resources[event.res]
        if resource.monitor.state == "up":
            self._send(resource, "ResourceControl", event)


class TerminatesOpening(RcmCore):
    def _retreat(self, resource):  # type: ignore[no-untyped-def]
        if resource.state == "Opening" and not self._is_wanted(resource):
            self._terminate(resource, "it is not wanted")
        else:
            super()._retreat(resource)


class TerminatesTwice(RcmCore):
    def _terminate(self, resource, why):  # type: ignore[no-untyped-def]
        super()._terminate(resource, why)
        self._send(resource, "Terminate")


class TerminatesOffline(RcmCore):
    def _occur(self, resource, occurrence, why):  # type: ignore[no-untyped-def]
        before = resource.state
        super()._occur(resource, occurrence, why)
        if before == "OfflineCallIssued" and resource.state == "Offline":
            self._terminate(resource, "to be sure")


class OpensTwice(RcmCore):
    def _occur(self, resource, occurrence, why):  # type: ignore[no-untyped-def]
        before = resource.state
        super()._occur(resource, occurrence, why)
        if before == "Opening" and resource.state == "Offline":
            self._send(resource, "Open")


class OfflineWhilePending(RcmCore):
    def _retreat(self, resource):  # type: ignore[no-untyped-def]
        if resource.state == "OnlinePending" and not self._is_wanted(resource):
            self._enter(resource, "OfflineCallIssued", "Offline")
            self._send(resource, "Offline")
        else:
            super()._retreat(resource)


class CallsAfterClose(RcmCore):
    def _occur(self, resource, occurrence, why):  # type: ignore[no-untyped-def]
        before = resource.state
        super()._occur(resource, occurrence, why)
        if before == "Closing" and resource.state == "Closed":
            self._send(resource, "ResourceControl")


BUGS: tuple[Bug, ...] = (
    Bug(
        "online-without-open",
        "RCM never opens a resource, RHS does not mind",
        ("R1",),
        Cores(_cells(("Unopened", "Online", "online")), OnlineWithoutOpen),
    ),
    Bug(
        "online-beside-open",
        "RCM asks for Online before Open has returned, RHS obeys",
        ("R1strict",),
        Cores(_cells(("Opening", "Online", "online")), OnlineWithoutOpenReturn),
    ),
    Bug(
        "open-twice",
        "an open resource is opened again",
        ("(event)",),
        Cores(_cells(("Offline", "Open", "open")), OpensTwice),
    ),
    Bug(
        "close-beside-call",
        "Close does not wait for a running call",
        ("R2",),
        Cores(_rhs(CloseIgnoresCalls)),
    ),
    Bug(
        "control-after-close",
        "a control after Close",
        ("R2last",),
        Cores(_cells(("Closed", "ResourceControl", "control")), CallsAfterClose),
    ),
    Bug(
        "terminate-beside-open",
        "Terminate while Open runs",
        ("R3",),
        Cores(_cells(("Opening", "Terminate", "terminate")), TerminatesOpening),
    ),
    Bug(
        "control-beside-anything",
        "controls do not wait for the slot",
        ("R4", "R4strict", "R6"),
        Cores(
            _cells(
                ("Onlining", "ResourceControl", "control"),
                ("Offlining", "ResourceControl", "control"),
                core=ControlsIgnoreLane,
            )
        ),
    ),
    Bug(
        "poll-beside-control",
        "a due LooksAlive does not wait for the control",
        ("R4", "R4strict"),
        Cores(_rhs(PollsIgnoreLane)),
    ),
    Bug(
        "offline-beside-call",
        "Offline does not wait for the slot",
        ("R4", "R4strict"),
        Cores(_rhs(OfflineIgnoresLane)),
    ),
    Bug(
        "poll-after-failure",
        "polling goes on after the failure was confirmed",
        ("R5", "P11"),
        Cores(_cells(("Failed", "due LooksAlive", "looks_due"), core=PollsGoOnAfterFailure)),
    ),
    Bug(
        "poll-while-offlining",
        "polling goes on while Offline is pending",
        ("R5", "P11"),
        Cores(
            _cells(
                ("OfflinePending", "due LooksAlive", "looks_due"), core=PollsGoOnWhileOffliningPends
            )
        ),
    ),
    Bug(
        "poll-beside-terminate",
        "polling goes on while Terminate runs",
        ("R5", "P11"),
        Cores(_cells(("Terminating", "due IsAlive", "is_due"), core=PollsGoOnBesideTerminate)),
    ),
    Bug(
        "failure-ignored",
        "after IsAlive confirmed a failure RHS polls on",
        ("R5", "P11", "(event)"),
        Cores(_rhs(IsAliveFailureIsIgnored)),
    ),
    Bug(
        "failure-unconfirmed",
        "a failed LooksAlive is enough",
        ("P10",),
        Cores(_rhs(LooksAliveFailureIsEnough)),
    ),
    Bug(
        "failure-unchecked",
        "a failed LooksAlive waits for the next IsAlive",
        ("P10", "(event)"),
        Cores(_rhs(LooksAliveFailureWaits)),
    ),
    Bug(
        "looksalive-too-often",
        "LooksAlive twice as often",
        ("P6early",),
        Cores(_rhs(_second_period("due LooksAlive", 0.5))),
    ),
    Bug(
        "isalive-too-often",
        "IsAlive twice as often",
        ("P6earlyIsAlive",),
        Cores(_rhs(_second_period("due IsAlive", 0.5))),
    ),
    Bug(
        "looksalive-too-rarely",
        "LooksAlive half as often",
        ("P6late", "(event)"),
        Cores(_rhs(_second_period("due LooksAlive", 2))),
    ),
    Bug(
        "isalive-too-rarely",
        "IsAlive half as often",
        ("P6lateIsAlive", "(event)"),
        Cores(_rhs(_second_period("due IsAlive", 2))),
    ),
    Bug(
        "looksalive-forgotten",
        "only IsAlive is called",
        ("P6late", "(event)"),
        Cores(_rhs(LooksAliveIsForgotten)),
    ),
    Bug(
        "isalive-period-reset",
        "the IsAlive after a failed LooksAlive counts as the next one",
        ("P6lateIsAlive", "P6late", "(event)"),
        Cores(_rhs(ChainedIsAliveResetsPeriod)),
    ),
    Bug(
        "poll-order",
        "LooksAlive goes before IsAlive when both are due",
        ("(event)",),
        Cores(_rhs(PollOrderReversed)),
    ),
    Bug(
        "poll-despite-handle",
        "LooksAlive is called though a handle is watched",
        ("P6", "(event)"),
        Cores(_rhs(PollsDespiteHandle)),
    ),
    Bug(
        "silence-not-restarted",
        "a report does not give another 3 minutes",
        ("P1",),
        Cores(_rhs(ReportsDoNotExtend)),
    ),
    Bug(
        "silence-unnoticed",
        "a silent pending resource stays pending",
        ("B2", "(event)"),
        Cores(_rhs(SilenceIsForgotten)),
    ),
    Bug(
        "early-report-dropped",
        "a report before the return of 997 is lost",
        ("P6late", "(event)"),
        Cores(_rhs(EarlyReportIsDropped)),
    ),
    Bug(
        "stale-report-revives",
        "a report after the failure makes the resource Online",
        ("P2stale", "R5", "P11"),
        Cores(_rhs(StaleReportRevives)),
    ),
    Bug(
        "late-return-revives",
        "the return of a timed-out Online makes the resource Online",
        ("P2", "R5", "P11"),
        Cores(_rhs(LateReturnRevives)),
    ),
    Bug(
        "queue-survives-failure",
        "a control that waited is sent to the failed resource",
        ("M1",),
        Cores(_rhs(QueueSurvivesFailure)),
    ),
    Bug(
        "control-to-failed",
        "controls are sent to a failed resource",
        ("M1",),
        Cores(
            _cells(
                ("Failed", "ResourceControl", "control"),
                ("Terminating", "ResourceControl", "control"),
            ),
            ControlsAnyTime,
        ),
    ),
    Bug(
        "terminate-twice",
        "a second Terminate beside the first",
        ("(event)",),
        Cores(_cells(("Terminating", "Terminate", "terminate")), TerminatesTwice),
    ),
    Bug(
        "terminate-offline",
        "an offline resource is terminated",
        ("M2",),
        Cores(_cells(("Offline", "Terminate", "terminate")), TerminatesOffline),
    ),
    Bug(
        "offline-while-pending",
        "Offline is called while Online is pending",
        ("(event)",),
        Cores(
            _cells(("OnlinePending", "Offline", "offline"), core=StragglersDoNotCount),
            OfflineWhilePending,
        ),
    ),
    Bug(
        "online-deadlock-kills",
        "a hung Online ends the process",
        ("P7every",),
        Cores(_rhs(DeadlockOfOnlineKills)),
    ),
    Bug(
        "online-deadlock-unnoticed",
        "a hung Online is never declared deadlocked",
        ("B1", "(event)"),
        Cores(_rhs(DeadlockIsUnnoticed)),
    ),
    Bug(
        "deadlock-too-early",
        "calls get half of their time",
        ("P5other",),
        Cores(_times(call_us=0.5)),
    ),
    Bug(
        "other-deadlock-survives",
        "a hung poll or control does not end the process",
        ("(event)",),
        Cores(_cells(*((state, "timeout other", "expired") for state in _LIVING))),
    ),
    Bug(
        "dying-host-calls",
        "a dying process goes on to call its other resources",
        ("P7every", "(event)"),
        Cores(_rhs(DyingHostServesOthers)),
    ),
    Bug(
        "dump-too-long",
        "the process ends long after its dump, and RCM waits",
        ("B4", "(event)"),
        Cores(_rhs(DumpTakesTooLong), NeverKills),
    ),
    Bug(
        "other-deadlock-unnoticed",
        "a hung poll, control or Terminate is never declared dead",
        ("B3",),
        Cores(_rhs(OtherDeadlockIsUnnoticed)),
    ),
    Bug(
        "control-in-progress",
        "controls are sent while Online or Offline is in progress",
        ("R6",),
        Cores(
            _cells(
                ("Onlining", "ResourceControl", "control"),
                ("Offlining", "ResourceControl", "control"),
                core=OnlineHoldsNoLane,
            )
        ),
    ),
)
