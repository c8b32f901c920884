"""Killed, terminated or interrupted at any moment: no process stays, and no half-written file."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from rhscheck.checker import leftovers
from rhscheck.checker.certify import cvc5_script, form

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

MARK = "RHSCHECK_TEST_MARK"
WAIT_S = 30.0  # for processes to be gone; a fraction of a second on a machine with nothing to do
# Work for several engines, for longer than any test waits.
HUGE = """spec huge "Counters that look at each other"

actors { plugin P }

machine C[i in 1..N] {
  var a : 0..60 = 0
  var b : 0..60 = 0
  initial state S {
    by P: up when (forall j in C: (j.a <= 60)) and a <= 59 { a = a + 1 }
    by P: over when b <= 59 { b = b + 1, a = b }
    by P: down when a >= 1 { a = a - 1 }
  }
}

rule Far "no": never i.a == 60 and j.b == 59 and i.b == 58 and j.a == 57 for distinct i, j in C
"""
DOOR = """spec door "A door that falls shut"

actors { manager M, plugin P }

machine Door[i in 1..N] {
  initial state Shut { by P: open -> Open }
  state Open {
    timer tired = 3s
    on tired -> Shut
    by P: slam -> Shut
  }
}

rules Door {
  rule Twice "no door is opened twice": only in Shut: event open
  rule Soon "an open door is shut in time": when event open leads to in Shut within 3s
  rule Opens "a door can be opened": can in Open
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "huge.sm").write_text(HUGE, encoding="utf-8")
    (tmp_path / "door.sm").write_text(DOOR, encoding="utf-8")
    return tmp_path


def environment(mark: str) -> dict[str, str]:
    return {**os.environ, MARK: mark}


def marked(mark: str) -> set[int]:
    """All living processes that were started, by whomever, under a mark."""
    found = set()
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                state = (entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
                if state != "Z":
                    found.add(int(entry.name))
        except OSError:
            pass
    return found


def started(folder: Path, words: Sequence[str], mark: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rhscheck", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment(mark),
    )


def left(mark: str) -> set[int]:
    """The processes that stay although everything has ended, after a while."""
    end = time.monotonic() + WAIT_S
    while (found := marked(mark)) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def several(program: subprocess.Popen[str], mark: str, number: int) -> set[int]:
    """The children, as soon as there are so many; those there are if the program ends before."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end and program.poll() is None:
        found = marked(mark) - {program.pid}
        if len(found) >= number:
            return found
        time.sleep(0.01)
    return marked(mark) - {program.pid}


LONG = {
    "engines": (["verify", "huge.sm", "-n", "3", "--jobs", "2", "--certificate", "c"], 2),
    "limits": (["verify", "huge.sm", "-n", "3", "--jobs", "2", "--timeout", "300"], 2),
    "paranoid": (["verify", "huge.sm", "-n", "2", "--paranoid", "--timeout", "300"], 1),
    "file": (["verify", "huge.sm", "-n", "3", "--jobs", "2", "-o", "out.txt"], 2),
    "second": (["verify", "rhs", "--jobs", "2", "--certificate", "c"], 1),
    "mutate": (["mutate", "semaphore", "--jobs", "2"], 3),  # workers, and who tidies up for them
}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("work", LONG)
def test_what_ends_the_program_ends_its_processes(
    folder: Path, work: str, number: signal.Signals
) -> None:
    words, children = LONG[work]
    mark = f"{folder.name}-{work}-{number}"
    program = started(folder, words, mark)
    try:
        assert len(several(program, mark, children)) >= children
        time.sleep(random.Random(f"{work}{number}").uniform(0, 0.5))
        assert program.poll() is None
        program.send_signal(number)
        out, _ = program.communicate(timeout=60)
        assert left(mark) == set()
    finally:
        _kill(marked(mark))
    assert out == ""
    assert program.returncode == (130 if number == signal.SIGINT else -number)
    assert sorted(path.name for path in folder.iterdir()) == ["door.sm", "huge.sm"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("work", ["engines", "limits", "paranoid", "second"])
def test_a_child_that_is_ended_leaves_a_program_that_ends(
    folder: Path, work: str, number: signal.Signals
) -> None:
    """All children are ended as soon as they are seen; the answer is unknown, or found without."""
    words, children = LONG[work]
    words = ["verify", "door.sm", *words[2:]] if work == "second" else words
    mark = f"{folder.name}-child-{work}-{number}"
    program = started(folder, [*words, "--depth", "3"] if "huge.sm" in words else words, mark)
    try:
        for pid in several(program, mark, children):
            _send(pid, number)
        end = time.monotonic() + 5
        while program.poll() is None and time.monotonic() < end:
            for pid in marked(mark) - {program.pid}:
                _send(pid, number)
            time.sleep(0.05)
        program.kill()
        _, message = program.communicate(timeout=60)
        assert left(mark) == set()
    finally:
        _kill(marked(mark))
    assert program.returncode in (0, 3, -signal.SIGKILL), message
    _require_whole(folder)


def test_an_interrupt_of_a_child_changes_nothing(folder: Path) -> None:
    """Ctrl-C is answered by the program alone; also while a child loads or solves."""
    mark = f"{folder.name}-interrupts"
    words = ["verify", "door.sm", "--jobs", "2", "--timeout", "300", "-q"]
    program = started(folder, words, mark)
    sent = 0
    try:
        several(program, mark, 1)
        while program.poll() is None:
            for pid in marked(mark) - {program.pid}:
                _send(pid, signal.SIGINT)
                sent += 1
            time.sleep(0.005)
        _, message = program.communicate(timeout=60)
    finally:
        _kill(marked(mark))
    assert (program.returncode, message) == (0, "")
    assert sent > 10


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill(pids: set[int]) -> None:
    for pid in pids:
        _send(pid, signal.SIGKILL)


def _require_whole(folder: Path) -> None:
    """What is there under its final name is all there."""
    if (folder / "c").exists():
        form.read(folder / "c")
    if (folder / "out.json").exists():
        json.loads((folder / "out.json").read_text(encoding="utf-8"))


HOLDING = """
from rhscheck.checker.process import Crew, Job
with Crew() as crew:
    crew.start("holding", Job("child_jobs:holds_the_lock", (120,)))
    for _ in crew.messages():
        print("ready", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_library_that_lets_no_thread_run_is_ended_too(number: signal.Signals) -> None:
    mark = f"holding-{os.getpid()}-{number}"
    support = str(Path(__file__).parents[1] / "support")
    program = subprocess.Popen(
        [sys.executable, "-c", HOLDING],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment(mark), "PYTHONPATH": support},
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        assert len(marked(mark)) == 2
        program.send_signal(number)
        program.communicate(timeout=60)
        assert left(mark) == set()
    finally:
        _kill(marked(mark))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_ended_is_no_bug(folder: Path, number: signal.Signals) -> None:
    """Both workers, when they are at work: nothing is decided, and nobody has to send a report."""
    words, children = LONG["mutate"]
    mark = f"{folder.name}-worker-{number}"
    program = started(folder, words, mark)
    try:
        for pid in sorted(several(program, mark, children))[1:]:
            _send(pid, number)
        out, message = program.communicate(timeout=60)
        assert left(mark) == set()
    finally:
        _kill(marked(mark))
    assert (program.returncode, out) == (3, "")
    assert message == (
        f"error: a worker process was ended (signal {number}); nothing was decided\n"
    )


# ---- a certificate at work -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certified")
    (folder / "door.sm").write_text(DOOR, encoding="utf-8")
    words = ["verify", "door.sm", "--certificate", "c", "-q"]
    subprocess.run([sys.executable, "-m", "rhscheck", *words], cwd=folder, check=True)
    return folder


CHECKERS = 3 if cvc5_script.installed() else 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_certify_leaves_no_checker(certified: Path, number: signal.Signals) -> None:
    mark = f"{certified.name}-certify-{number}"
    program = started(certified, ["certify", "c"], mark)
    try:
        several(program, mark, CHECKERS)
        program.send_signal(number)
        program.communicate(timeout=60)
        assert left(mark) == set()
    finally:
        _kill(marked(mark))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_checker_that_is_ended_is_no_acceptance(certified: Path, number: signal.Signals) -> None:
    """One at a time, each of them: what it did not answer has no answer."""
    for which in range(CHECKERS):
        mark = f"{certified.name}-checker-{number}-{which}"
        program = started(certified, ["certify", "c", "--format", "json"], mark)
        try:
            victim = sorted(several(program, mark, CHECKERS))[which]
            _send(victim, number)
            out, _ = program.communicate(timeout=60)
            assert left(mark) == set()
        finally:
            _kill(marked(mark))
        found = json.loads(out)
        assert (program.returncode, found["exit"]) == (3, 3)
        (objection,) = found["undecided"]
        assert objection["query"] == "everything else"


# ---- files ---------------------------------------------------------------------------------------
# Runs the program and kills it in the middle of the K-th write to a file of its own.
KILLED_WHILE_WRITING = """
import os, signal, sys
from rhscheck import cli
left, real = int(sys.argv[1]), os.fsync
def killed(number):
    global left
    left -= 1
    if left < 0:
        os.truncate(number, os.fstat(number).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    real(number)
os.fsync = killed
cli.main(sys.argv[2:])
"""


def written_until(folder: Path, write: int, words: Sequence[str]) -> int:
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(write), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


@pytest.mark.parametrize("write", [0, 1, 5])
def test_a_certificate_is_there_complete_or_not_at_all(folder: Path, write: int) -> None:
    words = ["verify", "door.sm", "--certificate", "c", "-q"]
    assert written_until(folder, write, words) == -signal.SIGKILL
    assert not (folder / "c").exists()
    (part,) = (path for path in folder.iterdir() if path.name.startswith(".c."))
    assert not (part / form.SEAL).exists()
    # Nobody takes what was left for a certificate; the next one clears it away.
    command = [sys.executable, "-m", "rhscheck"]
    checked = subprocess.run(
        [*command, "certify", part.name], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 2
    assert "holds an incomplete certificate" in checked.stderr
    assert written_until(folder, 10_000, words) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["c", "door.sm", "huge.sm"]
    form.read(folder / "c")
    # An older certificate stays until a new one is complete.
    before = (folder / "c" / form.SEAL).read_bytes()
    assert written_until(folder, write, [*words, "-n", "2"]) == -signal.SIGKILL
    assert (folder / "c" / form.SEAL).read_bytes() == before
    form.read(folder / "c")


def test_a_file_is_there_complete_or_not_at_all(folder: Path) -> None:
    words = ["verify", "door.sm", "--format", "json", "-o", "out.json"]
    (folder / "out.json").write_text("[]", encoding="utf-8")
    assert written_until(folder, 0, words) == -signal.SIGKILL
    assert (folder / "out.json").read_text(encoding="utf-8") == "[]"
    assert len([path for path in folder.iterdir() if path.name.startswith(".out.json.")]) == 1
    assert written_until(folder, 10_000, words) == 0
    assert json.loads((folder / "out.json").read_text(encoding="utf-8"))["exit"] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["door.sm", "huge.sm", "out.json"]


def test_only_what_is_left_over_is_cleared(tmp_path: Path) -> None:
    """Of a process that is gone; not what another one is making, nor what has another name."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    prefix = leftovers.prefix("c")
    kept = [f"{prefix}alive.part", ".c.part", ".d.00000000-1-x.part", f"{prefix}x.txt", "c"]
    gone = [prefix.replace(f"-{os.getpid()}-", f"-{dead.pid}-") + "x.part"]
    for name in (*kept, *gone):
        (tmp_path / name).write_text("", encoding="utf-8")
    elsewhere = tmp_path / f".c.00000000-{dead.pid}-x.part"  # of another machine, and new
    elsewhere.mkdir()
    leftovers.clear(tmp_path, "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, elsewhere.name])
    day_before = time.time() - 100_000
    os.utime(elsewhere, (day_before, day_before))
    leftovers.clear(tmp_path, "c")
    assert not elsewhere.exists()
