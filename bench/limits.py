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
# Two machines that count: 400 million states, of which each takes room.
GROWING = """\
spec growing "So many states that any memory is too small"
actors { plugin P }
machine M[i in 1..N] {
  var a : 0..10000 = 0
  var b : 0..10000 = 0
  initial state S {
    by P: more when a < 10000 { a = a + 1 }
    by P: other when b < 10000 and a > b { b = b + 1 }
  }
}
rules M { rule Never "far away": never a == 9999 and b == 9998 }
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
        large = (str(growing), "-n", "1")
        rows = [
            *((f"verify --engine {engine}", ("verify", *DEEP, "--engine", engine), "--timeout", one)
              for engine in ("bmc", "zones", "spacer", "kinduction") for one in TIMEOUTS),
            *(("verify, all engines", ("verify", *large), "--timeout", one) for one in TIMEOUTS),
            *(("verify --slack", ("verify", *large, "--slack"), "--timeout", one)
              for one in TIMEOUTS),
            *(("verify --engine zones", ("verify", *large, "--engine", "zones"), "--memory", one)
              for one in MEMORIES),
            *(("verify, all engines", ("verify", *large), "--memory", one) for one in MEMORIES),
        ]  # fmt: skip
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
