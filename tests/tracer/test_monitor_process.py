"""A monitor process as RCM sees it: nothing that it said is lost when it ends."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace
from pathlib import Path

from rhscheck.tracer.events import Command, Stop
from rhscheck.tracer.real.ending import Ending
from rhscheck.tracer.real.frames import FromProcess, Setup, Stepped
from rhscheck.tracer.real.monitor_process import MAX_UNREAD, Ended, MonitorProcess
from rhscheck.tracer.real.rhs_process import EXIT_STATUS


def setup_in(folder: Path) -> Setup:
    return Setup(
        monitor="shared",
        epoch=1,
        folder=str(folder),
        state_dir=str(folder),
        dump_file=str(folder / "dump"),
        time_scale=1,
        origin_ns=time.monotonic_ns(),
        watchdog_s=100.0,
        tolerance_us=1,
        call_us=10**9,
        pending_us=10**9,
        looks_alive_us=10**9,
        is_alive_us=10**9,
        dump_us=10**9,
        resources=(),
    )


def test_what_a_process_said_last_is_heard_before_its_end(tmp_path: Path) -> None:
    """RCM is slow, and the process, which answers to a Stop and ends, has much to say before."""
    heard: list[FromProcess | Ended] = []
    over = threading.Event()
    slow: queue.SimpleQueue[MonitorProcess] = queue.SimpleQueue()

    def deal() -> None:
        """RCM deals with a frame in two milliseconds."""
        while not over.is_set():
            slow.get().taken()
            time.sleep(0.002)

    threading.Thread(target=deal, daemon=True).start()

    def hear(process: MonitorProcess, frame: FromProcess | Ended) -> None:
        heard.append(frame)
        if isinstance(frame, Ended):
            over.set()
        else:
            slow.put(process)

    process = MonitorProcess(setup_in(tmp_path), tmp_path / "log", hear)
    process.start()
    for number in range(MAX_UNREAD + 200):
        process.send(Command(number, "it", "Terminate"))  # refused: it is not open
    process.send(Stop())
    assert over.wait(60)
    assert heard[-1] == Ended(EXIT_STATUS["stop"])
    assert sum(isinstance(frame, Stepped) for frame in heard) == MAX_UNREAD + 201


def test_a_watchdog_that_fired_when_everything_had_stood_still_accuses_nobody() -> None:
    ending = Ending(1, None, "Timeout (0:00:03)!\n", 3.0, Path("log"), stood_us=5_000_000)
    assert ending.blameless
    assert ending.why() == (
        "this machine or program stood still for 5.0 s, RCM as well: its watchdog ended it"
    )
    other = replace(ending, stood_us=None)
    assert not other.blameless
    assert other.why() == (
        "its main loop stood still (a plug-in holds Python's lock, or does not end to be loaded): "
        "its watchdog ended it"
    )


def test_a_lock_that_a_new_thread_takes_for_good_is_not_told_as_missing_memory() -> None:
    """Who starts a thread waits for it to begin, and so for the lock that its call has taken."""
    starting = (
        "Thread 0x00007f02 (most recent call first):\n"
        '  File "/usr/lib/python3.11/threading.py", line 327 in wait\n'
        '  File "/usr/lib/python3.11/threading.py", line 969 in start\n'
        '  File "/x/tracer/real/hosting.py", line 157 in call\n'
        '  File "/x/tracer/real/rhs_process.py", line 205 in perform\n'
    )
    calling = (
        "Thread 0x00007f01 (most recent call first):\n"
        '  File "/home/me/res.py", line 86 in looks_alive\n'
        '  File "/x/tracer/real/hosting.py", line 222 in _enter\n'
        "\n"
    )
    ending = Ending(1, None, f"Timeout (0:00:06)!\n{calling}{starting}", 6.0, Path("log"))
    assert ending.why("LooksAlive") == (
        "its main loop stood still while a thread was started (a plug-in holds Python's lock, or "
        "there was no memory left): its watchdog ended it at res.py line 86 in looks_alive"
    )
    alone = replace(ending, dump=f"Timeout (0:00:06)!\n{starting}")
    assert alone.why("LooksAlive") == (
        "there was no memory left in it to start a thread: its watchdog ended it"
    )
