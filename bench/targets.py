"""Measures what is promised about speed, in one table: rhs by every engine, and certificates.

    python bench/targets.py [--timeout S] [--only WORD]

Each row is a fresh process with byte code present: wall and CPU seconds (its own children
included), the sum of z3's `rlimit` over the queries of its rules (each once), and how many rules
got which verdict. `--timeout`: of one run, wall seconds. `--only`: the rows whose name contains it.
A fixed pure-Python loop in the same run is the reference, so that tables of different machines
compare; CPU seconds say more than wall seconds where others use the machine.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certify import alone
from verify import LOOP, machine

from rhscheck.checker.verify import ENGINES

HEAD = "| run | wall s | CPU s | z3 rlimit | exit | verdicts | target (wall s) |"
# Engines that decide every rule of rhs for any N; the others meet their limits at N=4 or bound.
COMPLETE = ("local",)
_NOT_WRITTEN = "PYTHONDONTWRITEBYTECODE"  # set by some test environments: no user has it


@dataclass(frozen=True, slots=True)
class Ran:
    """What one process took and said."""

    wall: float
    cpu: float
    status: int
    output: str


@contextmanager
def byte_code() -> Iterator[None]:
    """Fresh processes find byte code, as they do from their second run on."""
    kept = os.environ.pop(_NOT_WRITTEN, None)
    try:
        run("-m", "rhscheck", "verify", "two_locks", "-q")
        yield
    finally:
        if kept is not None:
            os.environ[_NOT_WRITTEN] = kept


def run(*arguments: str) -> Ran:
    """A fresh Python with `arguments`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", check=False
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Ran(wall, cpu, done.returncode, done.stdout)


def first_line() -> Ran:
    """Until something of `verify rhs` is to be read on a terminal."""
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "rhscheck", "verify", "rhs"]
    began = time.perf_counter()
    process = subprocess.Popen(words, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while b"\xe2\x80\xa6" not in shown and not any(chr(one).isalpha() for one in _text(shown)):
            shown += os.read(ours, 4096)
        wall = time.perf_counter() - began
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return Ran(wall, 0.0, 0, _text(shown).decode("utf-8", "replace").strip())


def _text(shown: bytes) -> bytes:
    """Without the control sequences of a terminal."""
    import re

    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]", b"", shown)


def verdicts(output: str) -> tuple[str, str]:
    """(z3's rlimit, each query once; how many rules got which verdict) of a verify report."""
    if not output:
        return "", "no report"
    results = json.loads(output)["results"]
    counted = collections.Counter(
        result["verdict"] + (" for every N" if result["n"] == "every" else "") for result in results
    )
    shown = ", ".join(f"{number} {verdict}" for verdict, number in counted.items())
    return f"{sum({result['rlimit'] or 0 for result in results}):,}", shown


class Table:
    """Prints its rows as they are made."""

    def __init__(self, only: str | None, timeout_s: str) -> None:
        self._only = only
        self._limit = ("--timeout", timeout_s)
        print(machine(), HEAD, "|---|---|---|---|---|---|---|", sep="\n")

    def wanted(self, name: str) -> bool:
        """Whether a row is to be made."""
        return self._only is None or self._only in name

    def row(self, name: str, ran: Ran, rlimit: str = "", shown: str = "", target: str = "") -> None:
        """A row."""
        cpu = f"{ran.cpu:.2f}" if ran.cpu else ""
        cells = (name, f"{ran.wall:.2f}", cpu, rlimit, str(ran.status), shown, target)
        print(f"| {' | '.join(cells)} |", flush=True)

    def process(self, name: str, target: str, *arguments: str) -> None:
        """A row about a fresh Python."""
        if self.wanted(name):
            self.row(name, run(*arguments), target=target)

    def verify(self, name: str, target: str, *options: str) -> None:
        """A row about `rhscheck verify rhs`."""
        if self.wanted(name):
            ran = run("-m", "rhscheck", "verify", "rhs", "--format", "json", *options, *self._limit)
            self.row(name, ran, *verdicts(ran.output), target)

    def certificates(self) -> None:
        """Rows about certificates: each by itself, and both in one process."""
        if not self.wanted("certify"):
            return
        with tempfile.TemporaryDirectory() as scratch:
            folders: list[Path] = []
            for name, options in (("every N", ()), ("N=6", ("-n", "6"))):
                folder = Path(scratch) / f"certificate{len(folders)}"
                write = ("-m", "rhscheck", "verify", "rhs", *options, "-q", "--certificate")
                self.row(f"verify {name} --certificate", run(*write, str(folder)))
                self._certify(name, folder)
                for checker, seconds in sorted(alone(folder).items()):
                    self.row(f"certify {name}, {checker} alone", Ran(seconds, seconds, 0, ""))
                folders.append(folder)
            self._certify("every N and N=6", *folders, target="5")

    def _certify(self, name: str, *folders: Path, target: str = "") -> None:
        ran = run("-m", "rhscheck", "certify", *map(str, folders), "-q")
        shown = [line.rpartition(": accepted: ")[2] or line for line in ran.output.splitlines()]
        self.row(f"certify {name}", ran, shown=" / ".join(shown), target=target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timeout", default="120", help="seconds for one run")
    parser.add_argument("--only", help="the rows whose name contains this")
    options = parser.parse_args()
    with byte_code():
        table = Table(options.only, options.timeout)
        table.process("reference: pure Python loop", "", "-c", LOOP)
        table.process("reference: import z3", "", "-c", "import z3")
        table.process("rhscheck --help", "0.3", "-m", "rhscheck", "--help")
        if table.wanted("first line of progress"):
            ran = first_line()
            table.row("first line of progress", ran, shown=ran.output, target="0.5")
        table.verify("every N, as needed", "5")
        table.verify("every N, as needed, one process", "", "--jobs", "1")
        table.verify("N=4, as needed", "30", "-n", "4")
        for engine in (one for one in ENGINES if one != "bmc"):
            target = "30" if engine in COMPLETE else ""
            table.verify(f"N=4, {engine} alone", target, "-n", "4", "--engine", engine)
        bounded = ("-n", "4", "--engine", "bmc", "--depth", "20")
        table.verify("N=4, bmc to depth 20, all rules", "30", *bounded)
        table.verify("N=4, bmc to depth 20, R4strict", "", *bounded, "--rule", "R4strict")
        table.certificates()


if __name__ == "__main__":
    main()
