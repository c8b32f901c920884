"""Measures every engine on rhs, and the certificate: one table.

    python bench/engines.py [--timeout S] [--engine NAME]...

Each row is a fresh process: wall and CPU seconds (its own children included), the sum of z3's
`rlimit` over the queries of its rules, and how many rules got which verdict. A fixed pure-Python
loop in the same run is the reference, so that tables of different machines compare.
"""

from __future__ import annotations

import argparse
import collections
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from verify import LOOP, machine

from rhscheck.checker.verify import ENGINES

HEAD = "| run | wall s | CPU s | z3 rlimit | exit | verdicts | target (wall) |"


def run(*arguments: str) -> tuple[float, float, int, str]:
    """(wall seconds, CPU seconds, exit status, standard output) of a fresh Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", check=False
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, cpu, done.returncode, done.stdout


def verdicts(output: str) -> tuple[int, str]:
    """(z3's rlimit, each query once; how many rules got which verdict) of a verify report."""
    results = json.loads(output)["results"]
    counted = collections.Counter(
        result["verdict"] + (" for every N" if result["n"] == "every" else "") for result in results
    )
    shown = ", ".join(f"{number} {verdict}" for verdict, number in counted.items())
    return sum({result["rlimit"] or 0 for result in results}), shown


def verify(name: str, target: str, *options: str) -> None:
    words = ("-m", "rhscheck", "verify", "rhs", "--format", "json", *options)
    wall, cpu, status, output = run(*words)
    rlimit, shown = verdicts(output) if output else (0, "no report")
    row(name, wall, cpu, f"{rlimit:,}", status, shown, target)


def row(
    name: str, wall: float, cpu: float, rlimit: str, status: int, shown: str, target: str
) -> None:
    print(f"| {name} | {wall:.2f} | {cpu:.2f} | {rlimit} | {status} | {shown} | {target} |")
    sys.stdout.flush()


def certificate(n: tuple[str, ...], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = str(Path(folder) / "certificate")
        write = ("-m", "rhscheck", "verify", "rhs", *n, "-q", "--certificate", where)
        wall, cpu, status, output = run(*write)
        row(f"verify {name} --certificate", wall, cpu, "", status, output.strip(), "")
        wall, cpu, status, output = run("-m", "rhscheck", "certify", where, "-q")
        shown = output.strip().rpartition(": accepted: ")[2] or output.strip()
        row(f"certify {name}", wall, cpu, "", status, shown, "5 together")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure every engine on rhs.")
    parser.add_argument("--timeout", default="120", help="seconds for one run")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this one")
    options = parser.parse_args()
    print(machine(), end="\n\n")
    print(HEAD, "|---|---|---|---|---|---|---|", sep="\n")
    wall, cpu, status, _ = run("-c", LOOP)
    row("reference: pure Python loop", wall, cpu, "", status, "", "")
    limit = ("--timeout", options.timeout)
    verify("every N, as needed", "5", *limit)
    verify("N=4, as needed", "30", "-n", "4", *limit)
    for engine in options.engine or ENGINES:
        verify(f"N=4, {engine} alone", "30", "-n", "4", "--engine", engine, *limit)
    bounded = ("-n", "4", "--engine", "bmc", "--depth", "20", "--rule")
    verify("N=4, bmc to depth 20, R4strict", "30", *bounded, "R4strict", *limit)
    certificate((), "every N")
    certificate(("-n", "6"), "N=6")


if __name__ == "__main__":
    main()
