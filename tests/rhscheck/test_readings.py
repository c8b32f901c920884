"""`--all-readings`, what an assumption protects, and what `expect` means away from the defaults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import click
import pytest

from rhscheck import api, workers
from rhscheck.checker.verify import Options, Report, verify
from rhscheck.readings import all_readings
from rhscheck.readings_output import readings_json, readings_text
from rhscheck.spec.load import load_source
from rhscheck.spec.source import Source

DOOR = """spec door "A door with a lock"
actors { host H, plugin D }
param LockHolds : { yes, no } = yes "does the lock hold?"
param Colour : { red, green, blue } = red "what colour is it?"
param Patience = 3s
machine Door {
  var locked : bool = false
  initial state Shut {
    by D: lock when not locked { locked = true }
    by D: unlock when locked { locked = false }
    by D: push when not locked or LockHolds == no -> Open
    by D: kick -> Open
  }
  state Open {
    within Patience by H: close -> Shut
  }
}
rules Door {
  assume A "nobody kicks the door" of D: never event kick
  assume B "nobody locks" of D: never event lock and Colour == blue
  rule Locked "locked means shut": never in Open and locked
  rule CanLock "it can be locked": can locked
  rule Half "it is never open": never in Open
  rule Soon "it is shut again": when in Open leads to in Shut within 3s
  expect Half: violated
}
"""


@pytest.fixture
def door(tmp_path: Path) -> str:
    path = tmp_path / "door.sm"
    path.write_text(DOOR, encoding="utf-8")
    return str(path)


def decided(*without: str, **settings: str) -> Report:
    system = load_source(Source("door.sm", DOOR), settings).system
    return verify(system, Options(without=without, findings=False))


def test_an_assumption_protects_what_is_broken_only_without_it() -> None:
    found = [(one.rule, one.by, one.certain, one.broken_anyway) for one in decided("A").protected]
    assert found == [("Locked", ("A",), True, False), ("Half", (), False, True)]
    assert decided().protected == ()


def test_of_several_assumptions_each_is_asked_alone() -> None:
    report = decided("A", "B", Colour="blue")
    assert [(one.rule, one.by, one.certain) for one in report.protected] == [
        ("Locked", (), True), ("Half", (), False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "without", "status"),
    [
        ({}, (), 0),
        ({"LockHolds": "no"}, (), 1),
        ({"Patience": "4s"}, (), 1),
        ({"Patience": "2s"}, (), 0),
        ({}, ("A",), 1),
        ({"Colour": "blue"}, (), 1),
    ],
)
def test_exit_status_away_from_the_defaults(
    settings: dict[str, str], without: tuple[str, ...], status: int
) -> None:
    assert decided(*without, **settings).exit == status


def test_what_is_expected_to_fail_need_not_fail_elsewhere() -> None:
    text = DOOR.replace("unlock when locked {", "unlock when locked or Colour == red {")
    text = text.replace("when not locked or LockHolds == no -> Open", "when Colour == red -> Open")
    here = verify(load_source(Source("door.sm", text), {}).system, Options(rules=("Half",)))
    there = load_source(Source("door.sm", text), {"Colour": "green"}).system
    assert here.exit == 0
    assert [(c.status, c.message) for c in verify(there, Options(rules=("Half",))).comparisons] == [
        (0, "")
    ]


def test_parameters_and_readings_that_differ_from_the_spec() -> None:
    spec = Source("door.sm", DOOR)
    assert load_source(spec, {"Patience": "3s", "Colour": "red"}).system.chosen == ()
    assert load_source(spec, {"Patience": "4s", "Colour": "blue"}).system.chosen == (
        "Patience", "Colour",
    )  # fmt: skip


def test_every_rule_under_every_reading(door: str) -> None:
    loaded = api.load(door)
    told: list[str] = []
    found = all_readings(loaded, door, {}, Options(), 1, told.append)
    assert [
        (one.name, one.exit, [cell.words for cell in one.cells]) for one in found.variants
    ] == [
        ("as it is", 0, ["proved for every N", "witnessed for N=1 in 1 step",
                         "violated for N=1 in 1 step", "proved for every N"]),
        ("LockHolds=no", 1, ["violated for N=1 in 2 steps", "witnessed for N=1 in 1 step",
                             "violated for N=1 in 1 step", "proved for every N"]),
        ("Colour=green", 0, ["proved for every N", "witnessed for N=1 in 1 step",
                             "violated for N=1 in 1 step", "proved for every N"]),
        ("Colour=blue", 1, ["proved for every N", "impossible (proved for every N)",
                            "violated for N=1 in 1 step", "proved for every N"]),
    ]  # fmt: skip
    assert told[-1] == "4 of 4 readings: Colour=blue is done"
    text = click.unstyle(readings_text(found))
    assert "Locked     +  -2   +   +\nCanLock    +   +   +  -!\n" in text
    assert text.endswith("2 verdicts depend on a reading, 1 reading changes nothing\n")
    shown = json.loads(readings_json(found))
    assert shown["readings"][1]["results"][0] == {
        "id": "Locked", "verdict": "violated", "n": 1, "length": 2, "depth": None, "reason": None,
    }  # fmt: skip


def test_the_time_is_that_of_all_readings_together(
    door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("there is no time for a verification")

    loaded = api.load(door)
    monkeypatch.setattr(api, "verify", refused)
    options = Options(timeout_s=5.0)
    found = all_readings(loaded, door, {}, options, 1, lambda _: None, began=time.time() - 6)
    assert [one.exit for one in found.variants] == [3] * len(found.variants)
    assert {(cell.verdict, cell.reason) for one in found.variants for cell in one.cells} == {
        ("unknown", "time-out after 5 s")
    }


def test_the_same_answers_with_several_processes(door: str) -> None:
    loaded = api.load(door)
    options = Options(rules=("Locked",))
    several = all_readings(loaded, door, {}, options, 2, lambda _: None)
    assert several.variants == all_readings(loaded, door, {}, options, 1, lambda _: None).variants


# ---- worker processes ----------------------------------------------------------------------------
def doubled(number: int) -> int:
    if number < 0:
        raise ValueError("negative")
    if number > 99:
        os._exit(7)
    return 2 * number


def test_answers_come_in_the_order_of_the_items() -> None:
    assert list(workers.each(doubled, range(7), 2)) == [0, 2, 4, 6, 8, 10, 12]
    assert list(workers.each(partial(pow, 2), [1, 2], 1)) == [2, 4]


def test_what_goes_wrong_in_a_worker_is_told() -> None:
    with pytest.raises(workers.WorkerError, match="ValueError: negative"):
        list(workers.each(doubled, [1, -1], 2))
    with pytest.raises(workers.WorkerError, match=r"ended unexpectedly \(status 7\)"):
        list(workers.each(doubled, [1, 100], 2))


ORPHANS = """
from rhscheck import workers
ITEMS = ["__import__('os').getpid()"] * 2 + ["__import__('time').sleep(60)"] * 2
if __name__ == "__main__":
    for pid in workers.each(eval, ITEMS, 2):
        print(pid, flush=True)
"""


def test_a_killed_caller_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        pids = {int(caller.stdout.readline()), int(caller.stdout.readline())}
        caller.kill()
    ends = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < ends:
        time.sleep(0.05)
    assert [pid for pid in pids if alive(pid)] == []


def alive(pid: int) -> bool:
    if sys.platform == "win32":
        listed = subprocess.run(
            ["tasklist", "/FI", f"PID eq {pid}"], capture_output=True, text=True, check=True
        )
        return str(pid) in listed.stdout
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # A zombie that nobody has waited for is dead.
    return (
        not stat.exists() or stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    )
