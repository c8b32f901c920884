"""A running cluster: RCM's loop, which owns its core, and the monitor processes it looks after.

Owns what RCM's effects mean for real processes, and that nothing is left running at the end. Every
decision is `RcmCore`'s. It prints nothing: what people should see is told to a listener.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

from rhscheck.tracer.cluster_file import ClusterFile, ClusterFileError
from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.events import (
    Bring,
    Control,
    ControlDone,
    Finished,
    GroupChanged,
    KillMonitor,
    MonitorExited,
    MonitorStarted,
    Notice,
    Persist,
    RcmEffect,
    RcmEvent,
    Received,
    Recovered,
    Reply,
    ResourceChanged,
    ResourceFailed,
    Send,
    SendPeer,
    Shutdown,
    Start,
    StartMonitor,
    Tick,
)
from rhscheck.tracer.rcm_core import RcmCore
from rhscheck.tracer.real.agenda import Agenda, Due, Happened
from rhscheck.tracer.real.dump import crashed_in_worker, crashed_operation
from rhscheck.tracer.real.ending import Ending
from rhscheck.tracer.real.frames import (
    FromProcess,
    LeaveOut,
    Loaded,
    LoadFailed,
    Loading,
    Overslept,
    Pong,
    Ready,
    Said,
    Stepped,
)
from rhscheck.tracer.real.journal import (
    RCM,
    Entry,
    Journal,
    NoteEntry,
    RcmEntry,
    RhsEntry,
    process_name,
)
from rhscheck.tracer.real.leftovers import end_leftovers
from rhscheck.tracer.real.monitor_process import Ended, MonitorProcess
from rhscheck.tracer.real.monitors import Monitor, Monitors
from rhscheck.tracer.real.news import GroupNews, LogNews, MonitorNews, News, ResourceNews
from rhscheck.tracer.real.reaper import adopting_orphans, collect_orphans
from rhscheck.tracer.real.rhs_process import EXIT_STATUS
from rhscheck.tracer.real.standstill import Span, Standstill
from rhscheck.tracer.real.state_directory import StateDirectory, remove_logs
from rhscheck.tracer.recording import MONITOR_ENDED

PING_S: Final = 0.2
PATIENCE_US: Final = 10_000_000  # for the other monitors, when the plug-ins of one are refused

# How late a deadline may be seen and still count as seen when it was due: a quarter of the shortest
# time-out, so that a plug-in keeps three quarters of its time at least, and never over a second.
MAX_TOLERANCE_US: Final = 1_000_000


class Outcome(enum.Enum):
    """How a run ended: everything was taken offline in order, or it was broken off."""

    ORDERLY = "orderly"
    ABORTED = "aborted"


class _Request(enum.Enum):
    """What was asked of the loop by another thread or a signal."""

    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class _From:
    """Something a monitor process said or did."""

    process: MonitorProcess
    frame: FromProcess | Ended


_Item = RcmEvent | _From | _Request


class Runtime:
    """A cluster, run by the thread that calls `run`; the other methods are for any thread."""

    def __init__(
        self,
        file: ClusterFile,
        configuration: ClusterConfiguration,
        directory: StateDirectory,
        *,
        node: str,
        time_scale: float = 1,
        sinks: Sequence[Callable[[Entry], None]] = (),
        listener: Callable[[News], None],
    ) -> None:
        """`configuration`: the file's, scaled, with the persistent states that were kept
        (`StateDirectory.resumed`). `sinks` are given every step, in order.
        """
        self.file = file
        self.configuration = configuration
        self._directory = directory
        self._listener = listener
        times = self.configuration.timeouts
        tolerance_us = min(MAX_TOLERANCE_US, min(times.call_us, times.report_due_us) // 4)
        self._agenda: Agenda[_Item] = Agenda(time.monotonic_ns(), tolerance_us, self._stood_still)
        self._core = RcmCore(self.configuration, node)
        self._journal = Journal(sinks)
        self._monitors = Monitors(
            self.configuration,
            directory,
            Path(file.path).resolve().parent,
            time_scale=time_scale,
            tolerance_us=tolerance_us,
            deliver=lambda source, frame: self._agenda.submit(_From(source, frame)),
        )
        self._controls: dict[int, Callable[[ControlDone], None]] = {}
        self._outcome: Outcome | None = None
        # Resources that had failed, or were not taken offline in order, and why: known at the end.
        self.unclean: tuple[tuple[str, str], ...] = ()
        self._serving = False  # every plug-in was loaded once
        self._held: list[Monitor] = []  # until then: processes that are ready
        self._failed: list[ClusterFileError] = []
        self._refused_us = 0  # when the first of them was known
        self._aborting = False
        self._stopping = False  # it was asked to end
        self._standstill = Standstill()

    # ---- any thread ----
    def stop(self) -> None:
        """Take every group offline in order, then end. A signal handler may call this."""
        self._agenda.submit(Shutdown())

    def abort(self) -> None:
        """End every process now. A signal handler may call this."""
        self._agenda.submit(_Request.ABORT)

    def bring(self, group: str, *, online: bool) -> None:
        """Bring a group online or offline, and keep that as its persistent state."""
        self._agenda.submit(Bring(group, "online" if online else "offline"))

    def control(
        self, resource: str, code: int, data: bytes, done: Callable[[ControlDone], None]
    ) -> None:
        """Send a resource control; `done` is called by the loop with the answer."""
        ticket = len(self._controls) + 1
        self._controls[ticket] = done
        self._agenda.submit(Control(ticket, resource, code, data.decode("latin-1")))

    def clock_us(self) -> int:
        """Microseconds since the run began, as all news of it count them."""
        return self._agenda.clock_us()

    def pid_of(self, monitor: str) -> int | None:
        """The number of the monitor's process, None while there is none."""
        for one in list(self._monitors.living.values()):
            if one.process.setup.monitor == monitor:
                return one.process.pid
        return None

    # ---- the loop ----
    def run(self) -> Outcome:
        """Run the cluster until it is stopped.

        Raises ClusterFileError if a plug-in cannot be loaded when the run begins; nothing is left
        running then, nor after an exception. To be called by a thread that lives on until then.
        """
        remove_logs(self._directory)
        self._journal.open(RCM, 0)
        with adopting_orphans():
            return self._run()

    def _run(self) -> Outcome:
        try:
            self._step(Start(), self._agenda.clock_us())
            next_ping = time.monotonic()
            while self._outcome is None:
                wait_s = max(next_ping - time.monotonic(), 0.0)
                item = self._agenda.next(self._core.next_due_us, wait_s)
                match item:
                    case Due(now_us, late_us):
                        self._step(Tick(), now_us, late_us)
                    case Happened(now_us, _From(process, frame)):
                        self._heard(process, frame, now_us)
                        process.taken()
                    case Happened(_, _Request.ABORT):
                        self._abort()
                    case Happened(now_us, event) if not isinstance(event, _From | _Request):
                        self._stopping = self._stopping or isinstance(event, Shutdown)
                        self._step(event, now_us)
                    case _:
                        self._journal.reach(RCM, self._agenda.idle_us(self._core.next_due_us))
                if time.monotonic() >= next_ping:
                    self._ping()
                    next_ping = time.monotonic() + PING_S
            if self._failed:
                raise ClusterFileError(
                    self.file.path, [one for error in self._failed for one in error.mistakes]
                )
            return self._outcome
        finally:
            self._end_all()
            self._journal.close(RCM)

    def _stood_still(self, own: Span) -> None:
        """This process stood still: a silence of the others in that time is none.

        If the others stood still, too, it is no time of the run at all.
        """
        span = self._monitors.stood_still(own)
        if span is None:
            self._standstill.ended(own.until_us, own.length_us)
            return
        self._agenda.leave_out(span)
        now_us = self._agenda.clock_us()
        self._standstill.ended(now_us, span.length_us)
        text = (
            f"this machine or program stood still for {span.length_us / 1_000_000:.1f} s: that "
            "time is left out"
        )
        self._say(now_us, None, text)

    def _step(self, event: RcmEvent, now_us: int, late_us: int = 0) -> None:
        effects = self._core.step(event, now_us)
        self._journal.add(RCM, RcmEntry(now_us, event, effects, late_us))
        for effect in effects:
            self._perform(effect, now_us)

    def _perform(self, effect: RcmEffect, now_us: int) -> None:
        match effect:
            case StartMonitor():
                self._start(effect, now_us)
            case KillMonitor():
                self._monitors.kill(effect.monitor, effect.epoch, effect.why)
            case Send():
                process = self._monitors.find(effect.monitor, effect.epoch)
                if process is not None:
                    process.send(effect.message)
            case ControlDone():
                self._controls.pop(effect.ticket)(effect)
            case ResourceChanged():
                news = ResourceNews(
                    now_us, effect.res, effect.group, effect.monitor, effect.target, effect.why
                )
                self._listener(news)
            case GroupChanged():
                self._listener(GroupNews(now_us, effect.group, effect.target))
            case Persist():
                self._directory.persist(effect.group, effect.to)
            case Finished(unclean):
                self._outcome = Outcome.ORDERLY
                self.unclean = unclean
            case Recovered() | ResourceFailed():
                pass  # for the trace, and for whoever counts
            case SendPeer():
                raise RuntimeError("a real run has one node")
            case _:
                assert_never(effect)

    # ---- monitor processes ----
    def _start(self, effect: StartMonitor, now_us: int) -> None:
        monitor, epoch = effect.monitor, effect.epoch
        try:
            known = self._monitors.start(monitor, epoch, now_us, self._agenda.origin_ns)
        except OSError as error:
            why = f"it cannot be started: {error}"
            self._agenda.submit(MonitorExited(monitor, epoch, why))
            return
        self._journal.open(process_name(monitor, epoch), now_us)
        self._listener(MonitorNews(now_us, monitor, epoch, known.process.pid, ""))

    def _heard(self, process: MonitorProcess, frame: FromProcess | Ended, now_us: int) -> None:
        monitor, epoch = process.setup.monitor, process.setup.epoch
        name = process_name(monitor, epoch)
        known = self._monitors.living.get(name)
        if known is None:
            return  # it has ended; this came from something it left behind
        match frame:
            case Loading(res):
                known.loading = res
                known.answered_us = now_us
            case LoadFailed(res, message, parameter):
                known.load_failed = True
                self._load_failed(res, message, parameter, now_us)
            case Loaded():
                known.loading = ""
                known.answered_us = now_us
            case Ready(reached_us):
                known.ready, known.answered_us = True, now_us
                self._journal.reach(name, reached_us)
                self._held.append(known)
                self._serve(now_us)
            case Pong(_, reached_us):
                known.answered_us = now_us
                self._journal.reach(name, reached_us)
            case Overslept():
                # Answered already if all had stood still; else its time is that of the others.
                process.send(LeaveOut(0, 0))
            case Said(res, text, said_us):
                self._listener(LogNews(now_us, res, text))
                self._journal.note(name, NoteEntry(said_us, text, monitor, epoch, res))
            case Stepped(at_us, event, effects, late_us):
                known.answered_us = now_us
                entry = RhsEntry(monitor, epoch, at_us, event, effects, late_us)
                self._journal.add(name, entry)
                known.shadow.follow(event, at_us)
                for effect in effects:
                    if isinstance(effect, Reply | Notice):
                        self._step(Received(monitor, epoch, effect), now_us)
            case Ended(status):
                self._ended(name, known, status, now_us)
            case _:
                assert_never(frame)

    def _serve(self, now_us: int) -> None:
        """Use the processes that are ready: the first ones only when every plug-in is loaded.

        A configuration that is refused must not have brought anything online.
        """
        living = self._monitors.living.values()
        self._serving = self._serving or (not self._failed and all(one.ready for one in living))
        if not self._serving:
            if self._failed:
                self._refuse(now_us)
            return
        held, self._held = self._held, []
        for one in held:
            if any(one is other for other in living):  # it has not ended meanwhile
                setup = one.process.setup
                self._step(MonitorStarted(setup.monitor, setup.epoch), now_us)

    def _load_failed(self, res: str, message: str, parameter: str | None, now_us: int) -> None:
        """A plug-in that cannot be loaded: a wrong configuration, if the run has just begun."""
        if self._serving:
            self._say(now_us, res, message)
        else:
            self._refused_us = self._refused_us or now_us
            self._failed.append(self.file.error(res, message, parameter))

    def _refuse(self, now_us: int) -> None:
        """End a run that is refused, once every monitor has told what is wrong with its plug-ins.

        One that takes very long to load is not waited for.
        """
        waits = any(not one.ready for one in self._monitors.living.values())
        if not waits or now_us - self._refused_us > PATIENCE_US:
            self._abort()

    def _ended(self, name: str, known: Monitor, status: int, now_us: int) -> None:
        process = known.process
        monitor, epoch = process.setup.monitor, process.setup.epoch
        watchdog_s = process.setup.watchdog_s
        ending = Ending(
            status=status,
            said=known.said,  # by now: what is concluded below it has not said
            dump=process.dump_text(),
            watchdog_s=watchdog_s,
            log_file=process.log_file,
            killed_because=process.killed_because,
            stood_us=self._standstill.explains(now_us, round(watchdog_s * 1_000_000)),
        )
        stacks = ending.stacks
        in_worker = crashed_in_worker(stacks)  # then no call is to blame, whichever runs
        call = None if in_worker else known.shadow.call_of(crashed_operation(stacks))
        why = ending.why(None if call is None else call.op)
        if call is not None and not known.shadow.ended:
            why = f"{why} (during {call.op} of {call.res})"
        if not known.ready and known.loading:
            why = f"{why} (while the plug-in of {known.loading} was loaded)"
            if not self._serving and not self._aborting and not self._stopping:
                text = f"its monitor is gone: {why}; {ending.load_advice}"
                self._load_failed(known.loading, text, None, now_us)
        working = known.shadow.working if in_worker and ending.said is None else None
        if working is not None:
            why = f"{why} (in the worker of {working})"
        elif call is None and ending.unannounced:
            working = known.shadow.only  # a thread that it has left behind: nothing else is there
            if working is not None:
                why = f"{why} (in a thread of {working}, the only resource here)"
        blameless = self._aborting or ending.blameless
        culprit = None if call is None or blameless else call.call
        dump = ending.dump
        for at_us, event, effects in known.shadow.conclude(now_us, culprit, why, dumped=bool(dump)):
            entry = RhsEntry(monitor, epoch, at_us, event, effects, concluded=True)
            self._journal.add(name, entry)
            for effect in effects:
                # What it would have said: RCM has to know whose doing it was (Isolation).
                if isinstance(effect, Notice) and ending.crashed and not blameless:
                    self._step(Received(monitor, epoch, effect), now_us)
        if working is not None and ending.crashed and not blameless:
            # No call of it runs, so its core has no step for this; the Isolation is RCM's.
            notice = Notice(working, "Failed", why, dying=True)
            self._step(Received(monitor, epoch, notice), now_us)
        del self._monitors.living[name]
        self._journal.close(name)
        shown = process.setup.dump_file if dump else ""
        ended = f"{MONITOR_ENDED}: {why}" + (f"; its threads: {shown}" if shown else "")
        self._journal.note(RCM, NoteEntry(now_us, ended, monitor, epoch))
        asked = self._aborting or (ending.said, status) == ("stop", EXIT_STATUS["stop"])
        self._listener(MonitorNews(now_us, monitor, epoch, None, why, shown, not asked))
        if self._failed and not self._serving:
            self._refuse(now_us)
            if not self._aborting:
                return  # the core is not asked to start it again
        if self._aborting:
            if not self._monitors.living:
                self._outcome = Outcome.ABORTED
            return
        self._step(MonitorExited(monitor, epoch, why), now_us)
        if self._held:  # for the one that has ended they do not wait
            self._serve(now_us)

    def _ping(self) -> None:
        """Look after what does not come by itself, several times a second."""
        now_us = self._agenda.clock_us()
        collect_orphans(self._monitors.owns)
        if self._failed and not self._serving:
            self._refuse(now_us)
        self._monitors.ping(now_us)

    def _say(self, now_us: int, resource: str | None, text: str) -> None:
        """Tell people, and the trace, about a resource or (None) the run."""
        self._listener(LogNews(now_us, resource or "", text))
        self._journal.note(RCM, NoteEntry(now_us, text, res=resource))

    # ---- the end ----
    def _abort(self) -> None:
        if self._aborting:
            return
        self._aborting = True
        self._monitors.kill_now()
        if not self._monitors.living:
            self._outcome = Outcome.ABORTED

    def _end_all(self) -> None:
        """Whatever happened: no process of this run, and no application, is left."""
        self._monitors.kill_now()
        self._monitors.wait_until_ended()
        now_us = self._agenda.clock_us()
        for resource, application in self._directory.orphans():
            if isinstance(application, str):
                self._say(now_us, resource, application)
                continue
            text = f"process {application.pid} was left behind and is ended"
            try:
                application.kill()
            except TimeoutError as error:  # the system does not end it
                text = str(error)
            self._say(now_us, resource, text)
        for left in end_leftovers(str(self._directory.resources)):
            text = f"process {left.pid} ({left.name}), which a plug-in had started, is ended"
            self._say(now_us, None, text)
        collect_orphans(self._monitors.owns)
