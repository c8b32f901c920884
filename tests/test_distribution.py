"""Every test runs once whoever runs it, in the order that `distribution` describes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from distribution import APART, LONG, WAITING, following

ROOT = Path(__file__).parents[1]


def test_files_that_are_named_exist_and_once() -> None:
    named = (*WAITING, *APART, *LONG)
    assert [name for name in named if not (ROOT / name).is_file()] == []
    assert len(set(named)) == len(named)


def test_what_waits_and_what_takes_long_come_first() -> None:
    short, page = "tests/checker/test_verdict.py", f"{APART[0]}::test_a_page[one]"
    units = [short, LONG[1], WAITING[1], LONG[0], page, WAITING[0]]
    for waits, order in (
        (True, [WAITING[0], WAITING[1], page, LONG[0], LONG[1], short]),
        (False, [page, LONG[0], LONG[1], short, WAITING[0], WAITING[1]]),
    ):
        left = list(units)
        taken = []
        while left:
            taken.append(following(left, waits))
            left.remove(taken[-1])
        assert taken == order


@pytest.mark.parametrize(("workers", "together"), [("1", True), ("3", False)])
def test_several_workers_run_each_test_once(tmp_path: Path, workers: str, together: bool) -> None:
    """With the files of this checkout's `tests` that decide who runs what, and tests of its own."""
    tests = tmp_path / "tests"
    for name in ("conftest.py", "support/distribution.py"):
        (tests / name).parent.mkdir(exist_ok=True, parents=True)
        (tests / name).write_bytes((ROOT / "tests" / name).read_bytes())
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = tests/support\n", "utf-8")
    for number in range(7):
        (tests / f"test_{number}.py").write_text(
            "import os, pathlib, pytest\n"
            "@pytest.mark.parametrize('n', range(3))\n"
            "def test_it(n):\n"
            f"    line = f'{number}.{{n}} ' + os.environ['PYTEST_XDIST_WORKER'] + '\\n'\n"
            "    with pathlib.Path('ran').open('a') as ran: ran.write(line)\n",
            encoding="utf-8",
        )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    ran = [line.split() for line in (tmp_path / "ran").read_text("utf-8").splitlines()]
    assert sorted(test for test, _ in ran) == [f"{file}.{n}" for file in range(7) for n in range(3)]
    shares = {(test[0], worker) for test, worker in ran}
    assert (len(shares) == 7) == together
