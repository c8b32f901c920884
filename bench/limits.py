"""Measures how well `--timeout` and `--memory` are kept: when does it end, and how much was held?

    python bench/limits.py [--only WORD]

Each row is a fresh process on a question that takes much longer, or much more, than it may: wall
seconds from its start to its end, start of Python included, and the most resident memory that it
and all it started held together at one moment (looked at every 5 ms; Linux). Promised: within 10 %.
Wall seconds: nothing else should be running. Exit status 1 if a limit was not kept.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from verify import machine

LOOK_S = 0.005
TIMEOUTS = (5, 10, 20)
MEMORIES = (300, 1000)
# What a deep search of 8 instances is; nothing decides it in a minute.
DEEP = ("rhs", "-n", "8", "--rule", "P6lateIsAlive")
# States of 256 numbers, which a rule about all of them needs to keep.
GROWING = """\
spec growing "So many states that any memory is too small"
actors { plugin P }
machine M[i in 1..N] {
  var a : 0..9 = 0
  var b : 0..9 = 0
  var c : 0..9 = 0
  var d : 0..9 = 0
  initial state S {
    by P: one when a < 9 { a = a + 1 }
    by P: two when b < 9 { b = b + 1 }
    by P: three when c < 9 { c = c + 1 }
    by P: four when d < 9 { d = d + 1 }
  }
}
rules { rule Never "far away": never (forall i in M: (i.a + i.b + i.c + i.d == 35)) }
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """One process: wall seconds, the most MB it held with all it started, its exit status."""

    wall: float
    held: float
    status: int


def run(arguments: tuple[str, ...]) -> Ran:
    """A fresh `rhscheck` with `arguments`, observed until it has ended."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "rhscheck", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    held = 0.0
    while process.poll() is None:
        held = max(held, tree_mb(process.pid))
        time.sleep(LOOK_S)
    return Ran(time.perf_counter() - began, held, process.returncode)


def tree_mb(pid: int) -> float:
    """The resident memory of a process and all below it, in MB of 1024 * 1024 bytes."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (OSError, IndexError):  # not Linux, or it has ended
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20) + sum(tree_mb(int(one)) for one in below)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="the rows whose name contains this")
    only = parser.parse_args().only
    print(machine(), "| run | limit | wall s | held MB | exit | of the limit |", sep="\n")
    print("|---|---|---|---|---|---|")
    kept = True
    with tempfile.TemporaryDirectory() as scratch:
        growing = Path(scratch) / "growing.sm"
        growing.write_text(GROWING, encoding="utf-8")
        large = ("verify", str(growing), "-n", "64")
        questions = {
            "verify --engine bmc": ("verify", *DEEP, "--engine", "bmc"),
            "verify --engine zones": (*large, "--engine", "zones"),
            "verify --engine spacer": ("verify", *DEEP, "--engine", "spacer"),
            "verify --engine kinduction": ("verify", *DEEP, "--engine", "kinduction"),
            "verify, all engines": large,
            "verify --slack": ("verify", "fischer", "-n", "8", "--slack"),
        }
        rows = [
            *((name, words, "--timeout", one) for name, words in questions.items()
              for one in TIMEOUTS),
            *((name, questions[name], "--memory", one)
              for name in ("verify --engine zones", "verify, all engines") for one in MEMORIES),
        ]  # fmt: skip
        run(("verify", "fischer", "-q"))  # so that byte code and the parser's tables are there
        for name, words, option, limit in rows:
            if only is not None and only not in name:
                continue
            ran = run((*words, option, str(limit), "-q"))
            reached = ran.wall if option == "--timeout" else ran.held
            kept = kept and reached <= 1.1 * limit
            share = f"{100 * reached / limit:.0f} %"
            cells = (name, f"{option} {limit}", f"{ran.wall:.2f}", f"{ran.held:.0f}")
            print(f"| {' | '.join((*cells, str(ran.status), share))} |", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
