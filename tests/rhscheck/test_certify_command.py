"""`certify`, and the limits of `verify`, as users meet them: statuses, output, interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rhscheck import cli

DOOR = """spec door "A door"

actors { plugin P }

machine Door[i in 1..N] {
  initial state Shut { by P: open -> Open }
  state Open { by P: shut -> Shut }
}

rules Door {
  rule A "no door opens twice": only in Shut: event open
  rule B "doors can be open": can in Open
}
"""
# Too much for any engine in a second, and enough to keep one busy for long.
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

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process, in a folder with both specs."""
    (tmp_path / "door.sm").write_text(DOOR, encoding="utf-8")
    (tmp_path / "huge.sm").write_text(HUGE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def go(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(list(words))
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return go


def test_accepted_refused_and_missing(run: Run, tmp_path: Path) -> None:
    status, _, message = run("verify", "door.sm", "--certificate", "c", "--quiet")
    assert (status, message) == (0, "")
    status, out, _ = run("certify", "c", "--quiet")
    assert status == 0
    assert out.startswith("c: accepted: 1 proof, 1 run; checked by enumeration, z3 ")
    status, out, _ = run("certify", "c", "--format", "json", "--no-times", "--spec", "door.sm")
    found = json.loads(out)
    assert (status, found["exit"], found["refused"], found["undecided"]) == (0, 0, [], [])
    assert found["claims"] == [{"id": "A", "verdict": "proved", "n": "every"}]
    assert found["runs"] == [{"id": "B", "verdict": "witnessed", "n": 1}]
    assert found["checkers"][0] == {
        "name": "enumeration",
        "queries": 2,
        "states": 2,
        "seconds": None,
    }
    main = tmp_path / "c" / "certificate.json"
    main.write_bytes(main.read_bytes().replace(b'"every"', b'"EVERY"'))
    status, out, _ = run("certify", "c")
    assert (status, out) == (
        1,
        "refused by rhscheck: hash (certificate.json is not what certificate.sha256 says)\n"
        "c: refused\n",
    )
    status, out, _ = run("certify", "c", "--format", "json")
    assert (status, json.loads(out)["refused"][0]["query"]) == (1, "hash")
    status, out, message = run("certify", "door.sm")
    assert (status, out) == (2, "")
    assert message.startswith("error: door.sm holds no certificate")
    assert run("certify", "c", "--spec", "nothing")[0] == 2


def test_a_directory_of_other_files_is_left_alone_and_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    status, out, message = run("verify", "huge.sm", "--certificate", "mine")
    assert (status, out) == (2, "")
    assert message == (
        "error: mine: holds other files than a certificate's; name a new directory\n"
    )
    assert run("verify", "door.sm", "--certificate", "no/where")[0] == 2
    assert run("verify", "door.sm", "--certificate", "door.sm")[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["door.sm", "huge.sm", "mine"]


@pytest.mark.parametrize(
    "words",
    [
        ["--memory", "1"],
        ["--memory", "many"],
        ["--timeout", "0"],
        ["--paranoid", "--engine", "bmc"],
        ["--all-readings", "--paranoid"],
        ["--all-readings", "--memory", "500"],
        ["--all-readings", "--certificate", "c"],
    ],
)
def test_options_that_do_not_fit(run: Run, words: list[str]) -> None:
    status, out, message = run("verify", "door.sm", *words)
    assert (status, out) == (2, "")
    assert "Error: " in message or "error: " in message


def test_limits_that_are_reached_leave_a_report(run: Run) -> None:
    status, out, _ = run("verify", "huge.sm", "--timeout", "2", "-n", "3", "--format", "json")
    found = json.loads(out)
    (result,) = found["results"]
    assert (status, found["exit"], result["verdict"]) == (3, 3, "unknown")
    assert "time-out after 2 s" in result["reason"]
    status, out, _ = run("verify", "door.sm", "--memory", "2000", "--timeout", "60", "--quiet")
    assert (status, out.split(";")[0]) == (0, "door: 1 proved for every N, 1 witnessed")


# ---- interruptions -------------------------------------------------------------------------------
def processes_below(pid: int) -> set[int]:
    """A process's children, their children and so on (Linux)."""
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in file.read_text(encoding="ascii").split():
            found |= {int(word)} | processes_below(int(word))
    return found


def gone(pid: int) -> bool:
    for _ in range(250):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        except FileNotFoundError:
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_verification_leaves_neither_processes_nor_files(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "huge.sm").write_text(HUGE, encoding="utf-8")
    words = [
        "verify",
        "huge.sm",
        "-n",
        "3",
        "--timeout",
        "100",
        "--jobs",
        "2",
        "--certificate",
        "c",
    ]
    program = subprocess.Popen(
        [sys.executable, "-m", "rhscheck", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    below: set[int] = set()
    for _ in range(600):  # until several engines are at work, or for half a minute
        below |= processes_below(program.pid)
        if len(below) >= 3 or program.poll() is not None:
            break
        time.sleep(0.05)
    assert len(below) >= 3
    os.killpg(program.pid, number)  # as a terminal does
    out, message = program.communicate(timeout=60)
    assert out == ""
    if number == signal.SIGINT:
        assert (program.returncode, message.strip()) == (130, "interrupted")
    assert [pid for pid in sorted(below) if not gone(pid)] == []
    assert [path.name for path in tmp_path.iterdir()] == ["huge.sm"]


def test_a_report_is_no_file_of_the_certificate(run: Run, tmp_path: Path) -> None:
    for name in ("c/report.txt", "c/queries/report.txt", str(tmp_path / "c" / "r.txt")):
        status, out, err = run("verify", "door.sm", "--certificate", "c", "-o", name)
        assert (status, out, err) == (
            2,
            "",
            f"error: {name}: nothing but the certificate may be in c\n",
        )
    assert not (tmp_path / "c").exists()
