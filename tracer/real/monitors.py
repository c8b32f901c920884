"""The monitor processes of a run as RCM looks after them: started, spoken to, watched, ended.

Owns what is known of each living process, the third watchdog (one that does not answer is ended),
and asking all of them whether everything stood still. Knows no core's decisions: who is started and
who is told what is said to it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.real.aftermath import Shadow
from rhscheck.tracer.real.ending import Farewell
from rhscheck.tracer.real.frames import HostedSetup, LeaveOut, Ping, Setup
from rhscheck.tracer.real.journal import process_name
from rhscheck.tracer.real.monitor_process import Deliver, MonitorProcess
from rhscheck.tracer.real.standstill import Span, common_standstill
from rhscheck.tracer.real.state_directory import StateDirectory

ABORT_S: Final = 10.0  # how long processes that were killed are waited for


@dataclass(slots=True)
class Monitor:
    """A living monitor process and what RCM knows of it."""

    process: MonitorProcess
    shadow: Shadow
    answered_us: int
    ready: bool = False
    loading: str = ""  # the resource whose plug-in is being loaded
    load_failed: bool = False  # it has said so

    @property
    def said(self) -> Farewell | None:
        """Why it ends, as far as it has said so itself."""
        if self.shadow.exit is not None:
            return self.shadow.exit.why
        return "load-failed" if self.load_failed and not self.ready and not self.loading else None


class Monitors:
    """All of them. `living`: by the name that the journal has for each."""

    def __init__(
        self,
        configuration: ClusterConfiguration,
        directory: StateDirectory,
        folder: Path,
        *,
        time_scale: float,
        tolerance_us: int,
        deliver: Deliver,
    ) -> None:
        """`folder`: that of CLUSTER.toml. `deliver` is given what the processes say."""
        self.living: dict[str, Monitor] = {}
        self._all: list[Monitor] = []  # those, and the ones whose threads have not ended
        self._configuration = configuration
        self._directory = directory
        self._folder = folder
        self._time_scale = time_scale
        self._tolerance_us = tolerance_us
        self._deliver = deliver
        self._pings = 0

    # ---- one of them ----
    def start(self, monitor: str, epoch: int, now_us: int, origin_ns: int) -> Monitor:
        """Start the process `epoch` of `monitor`. Raises OSError.

        `origin_ns`: when the run's clock, at `now_us` now, was at 0.
        """
        process = MonitorProcess(
            self._setup(monitor, epoch, origin_ns),
            self._directory.monitors / f"{monitor}.log",
            self._deliver,
        )
        process.start()
        known = Monitor(process, Shadow(self._configuration.timeouts), now_us)
        self.living[process_name(monitor, epoch)] = known
        self._all = [*(one for one in self._all if not one.process.ended), known]
        return known

    def _setup(self, monitor: str, epoch: int, origin_ns: int) -> Setup:
        times = self._configuration.timeouts
        return Setup(
            monitor=monitor,
            epoch=epoch,
            folder=str(self._folder),
            state_dir=str(self._directory.resources),
            dump_file=str(self._directory.monitors / f"{monitor}-{epoch}.dump"),
            time_scale=self._time_scale,
            origin_ns=origin_ns,
            # Behind the core's own deadline, before the dump would have to be finished.
            watchdog_s=(times.call_us + times.dump_us / 2) / 1_000_000,
            tolerance_us=self._tolerance_us,
            call_us=times.call_us,
            pending_us=times.pending_us,
            looks_alive_us=times.looks_alive_us,
            is_alive_us=times.is_alive_us,
            dump_us=times.dump_us,
            resources=tuple(
                HostedSetup(one.name, one.plugin, dict(one.parameters), one.monitor == monitor)
                for one in self._configuration.resources
            ),
        )

    def find(self, monitor: str, epoch: int) -> MonitorProcess | None:
        """The process, None if it does not live."""
        found = self.living.get(process_name(monitor, epoch))
        return None if found is None else found.process

    def kill(self, monitor: str, epoch: int, why: str) -> None:
        """End a process by force; it may write its dump."""
        process = self.find(monitor, epoch)
        if process is not None:
            process.kill(why, self._grace_s)

    @property
    def _grace_s(self) -> float:
        """How long a process may take to write its dump after SIGABRT."""
        return min(5.0, self._configuration.timeouts.dump_us / 1_000_000)

    # ---- all of them ----
    def ping(self, now_us: int) -> None:
        """Ask every process whether its loop turns; end one that has not answered for too long."""
        times = self._configuration.timeouts
        patience_us = times.call_us + times.dump_us + 1_000_000
        self._pings += 1
        for one in self.living.values():
            one.process.send(Ping(self._pings))
            one.process.bound_log()
            silent_us = now_us - one.answered_us
            if silent_us > patience_us:
                why = f"it has not answered for {silent_us / 1_000_000:.1f} s"
                one.process.kill(why, self._grace_s)

    def stood_still(self, own: Span) -> Span | None:
        """RCM stood still in `own`: the part of that in which all did, None if there is none.

        They are told of it. If there is none, it is no silence of theirs at least.
        """
        self._pings += 1
        for one in self.living.values():
            one.process.send(Ping(self._pings))
        witnesses = [
            partial(one.process.stood_still, self._pings, own.since_us)
            for one in self.living.values()
            if one.ready
        ]
        span = common_standstill(own, witnesses)
        for one in self.living.values():
            if span is None:
                one.answered_us += own.length_us
            else:
                one.process.send(LeaveOut(span.since_us, span.until_us))
        return span

    def owns(self, pid: int) -> bool:
        """Whether this is one of the processes, which are waited for elsewhere."""
        return any(pid == one.process.pid for one in self._all)

    def kill_now(self) -> None:
        """End all of them, with all that they have started, at once. Does not wait."""
        for one in self.living.values():
            one.process.kill_now()

    def wait_until_ended(self) -> None:
        """Wait for those that were killed; not for ever, for the system may not end them."""
        until = time.monotonic() + ABORT_S
        while any(not one.process.ended for one in self._all) and time.monotonic() < until:
            time.sleep(0.01)
