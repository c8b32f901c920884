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
from rhscheck.checker.certify import form

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
    assert found["claims"] == [{"id": "A", "verdict": "proved", "n": "every", "time": None}]
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


CLOCKS = """spec clocks

actors { plugin P }

machine M[i in 1..N] {
  initial state Off { by P: go -> On }
  state On {
    clock x
    clock y
    deadline x <= 5s by P
    by P: back when y >= 3s -> Off
  }
}

rules M { rule W "it goes off in time": when event go leads to in Off within 5s }
"""


def test_a_claim_that_rests_on_time_going_on_is_never_told_without_that(
    run: Run, tmp_path: Path
) -> None:
    """That `back` is possible at the deadline takes a difference of clocks."""
    (tmp_path / "clocks.sm").write_text(CLOCKS, encoding="utf-8")
    assert run("verify", "clocks.sm", "--certificate", "c", "--quiet")[0] == 0
    status, out, _ = run("certify", "c")
    assert status == 0
    assert "\nW  proved for every N, if time cannot stop  it goes off in time\n" in out
    assert "1 proof, 0 runs; 1 of them if time cannot stop, which is not part of it" in out
    status, out, _ = run("certify", "c", "--format", "json", "--no-times")
    claim = {"id": "W", "verdict": "proved", "n": "every", "time": "not shown"}
    assert (status, json.loads(out)["claims"]) == (0, [claim])


def test_one_that_is_shown_to_go_on_says_so(run: Run, tmp_path: Path) -> None:
    text = CLOCKS.replace("y >= 3s", "x >= 3s").replace("    clock y\n", "")
    (tmp_path / "clocks.sm").write_text(text, encoding="utf-8")
    assert run("verify", "clocks.sm", "--certificate", "c", "--quiet")[0] == 0
    status, out, _ = run("certify", "c")
    assert status == 0
    assert "\nW  proved for every N  it goes off in time\n" in out
    _, out, _ = run("certify", "c", "--format", "json", "--no-times")
    assert json.loads(out)["claims"][0]["time"] == "shown"


def sealed(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change certificate.json, and its hash with it."""
    main = folder / form.MAIN
    said = json.loads(main.read_bytes())
    change(said)
    main.write_bytes(json.dumps(said).encode())
    (folder / form.SEAL).write_bytes(form.seal(main.read_bytes()))


def test_a_certificate_of_nothing_is_refused(run: Run, tmp_path: Path) -> None:
    assert run("verify", "door.sm", "--certificate", "c", "--quiet")[0] == 0
    left = [{"rule": rule, "verdict": "unknown", "reason": "no"} for rule in "AB"]
    sealed(tmp_path / "c", lambda said: said.update(claims=[], runs=[], uncertified=left))
    status, out, _ = run("certify", "c", "--quiet")
    assert (status, out) == (
        1,
        "refused by rhscheck: claims (it claims nothing: it has no proof and no run)\nc: refused\n",
    )


def test_what_it_says_of_itself_forges_no_line_of_the_report(run: Run, tmp_path: Path) -> None:
    assert run("verify", "door.sm", "--rule", "A", "--certificate", "c", "--quiet")[0] == 0
    said = {"rule": "B", "verdict": "unknown", "reason": "no\n\nc: accepted: 99 proofs\x1b[1A"}
    sealed(tmp_path / "c", lambda main: main.update(uncertified=[said], tool="me\nB  proved"))
    status, out, _ = run("certify", "c")
    assert status == 0
    assert "B  not certified       as it says: no\\n\\nc: accepted: 99 proofs\\x1b[1A\n" in out
    assert ", made by me\\nB  proved\n" in out
    assert "\nc: accepted: 1 proof, 0 runs; 1 not certified; checked by " in out


def test_another_version_of_the_format_is_bad_input(run: Run, tmp_path: Path) -> None:
    assert run("verify", "door.sm", "--certificate", "c", "--quiet")[0] == 0
    sealed(tmp_path / "c", lambda said: said.update(format="rhscheck-certificate/2"))
    for words in (["c"], ["c", "--spec", "door.sm"]):
        status, out, message = run("certify", *words)
        assert (status, out) == (2, "")
        assert message == (
            "error: cannot read the certificate in c: certificate.json is of format "
            "'rhscheck-certificate/2'; this version of rhscheck reads rhscheck-certificate/3 only\n"
        )


def test_several_are_told_one_after_the_other(run: Run, tmp_path: Path) -> None:
    assert run("verify", "door.sm", "--certificate", "every", "--quiet")[0] == 0
    assert run("verify", "door.sm", "-n", "3", "--certificate", "three", "--quiet")[0] == 0
    status, out, _ = run("certify", "every", "three", "--quiet")
    assert status == 0
    assert [line.split("; ")[0] for line in out.splitlines()] == [
        "every: accepted: 1 proof, 1 run",
        "three: accepted: 1 proof, 1 run",
    ]
    (tmp_path / "three" / "certificate.sha256").write_text("0\n", encoding="utf-8")
    status, out, _ = run("certify", "every", "three", "--format", "json", "--no-times")
    found = json.loads(out)
    assert (status, found["exit"]) == (1, 1)
    assert [(one["certificate"], one["exit"]) for one in found["certificates"]] == [
        ("every", 0),
        ("three", 1),
    ]
    status, out, message = run("certify", "every", "nowhere")
    assert (status, out) == (2, "")
    assert message.startswith("error: nowhere holds no certificate")


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
    status, out, _ = run("verify", "door.sm", "--memory", "20000", "--timeout", "60", "--quiet")
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
