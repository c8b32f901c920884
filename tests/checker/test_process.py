"""Processes at work: what they say arrives, and nothing of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from child_jobs import TREE

from rhscheck.checker.process import (
    ChildFailure,
    Crew,
    Done,
    Ended,
    Failed,
    Job,
    Message,
    Sent,
    own_memory_mb,
)

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
POSIX = pytest.mark.skipif(os.name != "posix", reason="sends signals")


def heard(crew: Crew, until: float | None = None) -> list[tuple[str, Message]]:
    return [(child.name, message) for child, message in crew.messages(until)]


def gone(pid: int) -> bool:
    """Whether a process has ended, soon (a zombie that nobody waits for yet has)."""
    for _ in range(250):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except FileNotFoundError:
            return True
        if state[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_values_and_results_arrive_in_order() -> None:
    with Crew() as crew:
        crew.start("one", Job("child_jobs:count", (3,)))
        assert heard(crew) == [
            ("one", Sent(0)),
            ("one", Sent(1)),
            ("one", Sent(2)),
            ("one", Done(3)),
        ]


def test_what_a_library_prints_is_no_message() -> None:
    with Crew() as crew:
        crew.start("loud", Job("child_jobs:prints", ()))
        assert heard(crew) == [("loud", Done("quiet"))]


def test_a_bug_in_a_job_is_told_with_its_trace() -> None:
    with Crew() as crew:
        crew.start("bad", Job("child_jobs:fails", ()))
        ((name, message),) = heard(crew)
    assert isinstance(message, Failed)
    assert message.summary == "RefusedError: no"
    assert "child_jobs.py" in message.details
    assert "why: because" in message.details
    assert str(ChildFailure(name, message)) == "in the process `bad`: RefusedError: no"


def test_a_process_that_ends_without_a_word_is_noticed() -> None:
    with Crew() as crew:
        crew.start("dead", Job("child_jobs:exits", (5,)))
        assert heard(crew) == [("dead", Ended("it ended with status 5"))]


def test_a_killed_process_is_ended_with_the_reason_and_others_go_on() -> None:
    with Crew() as crew:
        busy = crew.start("busy", Job("child_jobs:spins", ()))
        crew.start("one", Job("child_jobs:count", (0,)))
        found = []
        for child, message in crew.messages():
            found.append((child.name, message))
            if child.name == "one":
                busy.kill("enough")
        assert found == [("one", Done(0)), ("busy", Ended("enough"))]


def test_a_deadline_ends_the_waiting_and_leaving_ends_the_process() -> None:
    began = time.monotonic()
    with Crew() as crew:
        child = crew.start("busy", Job("child_jobs:spins", ()))
        assert heard(crew, until=began + 0.3) == []
        assert time.monotonic() - began < 1.0
        assert child.alive
    assert not child.alive


@LINUX
def test_memory_is_limited_for_all_together() -> None:
    # What this process holds counts, too; two small ones take less than half of the rest.
    with Crew(memory_mb=own_memory_mb() + 160) as crew:
        crew.start("small", Job("child_jobs:sleeps", (0.5,)))
        crew.start("large", Job("child_jobs:grows", (400,)))
        said = dict(heard(crew))
    assert said["large"] == Ended("the memory limit was reached")
    assert said["small"] == Done("slept")


def test_a_process_can_look_at_its_own_memory() -> None:
    with Crew() as crew:
        crew.start("own", Job("child_jobs:own_memory", ()))
        ((_, message),) = heard(crew)
    assert isinstance(message, Done)
    assert isinstance(message.value, float)
    assert 5 < message.value < 500


def tree(*words: str) -> subprocess.Popen[str]:
    """A program with two processes at work, one started by the other; it prints their ids."""
    support = Path(TREE).parent
    return subprocess.Popen(
        [sys.executable, TREE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(support)},
    )


@LINUX
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_the_program_ends_its_processes_end(number: signal.Signals) -> None:
    program = tree()
    assert program.stdout is not None
    pids = [int(word) for word in program.stdout.readline().split()]
    assert len(pids) == 2
    program.send_signal(number)
    program.communicate(timeout=30)
    assert [gone(pid) for pid in pids] == [True, True]


@POSIX
def test_an_interrupt_of_the_terminal_is_the_programs_business() -> None:
    """The processes are in sessions of their own, so Ctrl-C does not reach them."""
    with Crew() as crew:
        crew.start("own", Job("child_jobs:session", ()))
        ((_, message),) = heard(crew)
    assert isinstance(message, Done)
    assert message.value != os.getsid(0)


class HandedOverLate:
    """An argument that takes as long to write down as the test wants."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def __reduce__(self) -> tuple[type[int], tuple[()]]:
        self.asked.set()
        self.go_on.wait(60)
        return int, ()


def test_a_job_that_is_handed_over_after_everybody_left_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its thread showed a traceback: the pipe was closed by then."""
    errors: list[object] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    before = set(threading.enumerate())
    late = HandedOverLate()
    with Crew() as crew:
        crew.start("late", Job("child_jobs:count", (late,)))
        assert late.asked.wait(60)
    late.go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    assert errors == []
    assert [message for _, message in heard(crew)] == [Ended("no longer needed")]
