"""A plug-in that logs without end costs its neighbours, RCM and the disk nothing."""

from __future__ import annotations

import time
from pathlib import Path

from real_cluster import Start

from rhscheck.tracer.real.frames import Setup
from rhscheck.tracer.real.log_limit import BURST, LINES_PER_S, MAX_TEXT, LogLimit, shortened
from rhscheck.tracer.real.monitor_process import MAX_LOG, MonitorProcess


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_so_many_lines_at_once_and_then_so_many_a_second() -> None:
    clock = Clock()
    limit = LogLimit(clock)
    assert [limit.admits("a line") for _ in range(BURST + 2)] == [True] * BURST + [False] * 2
    assert limit.left_out() == 0  # there is no room to say it yet
    clock.now_s += 0.5
    assert limit.left_out() == 2
    assert limit.left_out() == 0
    admitted = sum(limit.admits("a line") for _ in range(BURST))
    assert admitted == LINES_PER_S / 2 - 1


def test_a_long_text_counts_as_many_lines_and_loses_its_middle() -> None:
    limit = LogLimit(Clock())
    assert limit.admits("x\n" * (BURST - 32))
    text = shortened("a" * 10**6 + "the end")
    assert len(text) < MAX_TEXT + 100
    assert text.endswith(" … " + "a" * (MAX_TEXT // 2 - 7) + "the end")
    assert " … (983623 characters left out) … " in text
    assert not limit.admits(text)
    assert limit.admits("short")
    assert shortened("short") == "short"


def test_a_log_that_is_too_long_is_emptied(tmp_path: Path) -> None:
    log = tmp_path / "shared.log"
    setup = Setup("shared", 1, "", "", "", 1, 0, 1.0, 1, 1, 1, 1, 1, 1, ())
    process = MonitorProcess(setup, log, lambda _process, _frame: None)
    process.bound_log()  # there is none yet
    log.write_bytes(b"good\n")
    process.bound_log()
    assert log.read_bytes() == b"good\n"
    with log.open("ab") as stream:
        stream.truncate(MAX_LOG + 1)
        process.bound_log()
        stream.write(b"more\n")  # the process has it open, and goes on
    assert log.read_bytes() == b"(33554433 bytes were too much, and are left out)\nmore\n"


def test_logging_without_end_does_not_starve_the_end_of_a_run(
    cluster: Start, tmp_path: Path
) -> None:
    body = """
    class Flood(Good):
        def online(self):
            for _ in range(2):
                threading.Thread(target=self.flood, daemon=True).start()
            self.up = True
        def flood(self):
            while True: self.host.log("x" * 1000)
    """
    text = (
        "[resource.it]\nplugin = './plugin.py:Flood'\n[resource.calm]\nplugin='./plugin.py:Good'\n"
    )
    run = cluster(tmp_path, text, body)
    run.until_state("it", "Online")
    run.until_state("calm", "Online")
    run.until(lambda: "lines were too many at once and are left out" in run.log())
    began = time.monotonic()
    run.finish()
    seconds = time.monotonic() - began
    assert run.states("calm")[-1] == run.states("it")[-1] == "Closed"
    assert run.ends() == []
    log = (tmp_path / "state/monitors/shared.log").stat().st_size
    assert log < (BURST + LINES_PER_S * (seconds + 60)) * 1100
    assert run.verdict().verdict in ("conforms", "conforms-so-far")
