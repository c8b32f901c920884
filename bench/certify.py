"""Measures certificates: what they hold, and how long each of those who re-check them takes.

    python bench/certify.py [--spec rhs] [--numbers every,6]

For each number of instances: the certificate's size, wall and CPU seconds of `rhscheck certify` as
a fresh process, and CPU seconds of z3, cvc5 and the enumeration (which reads the spec) alone; last,
all of them together. A fixed pure-Python loop in the same run is the reference, so that tables of
different machines compare.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rhscheck.checker.certify import cvc5_script, enumeration, form, solvers
from rhscheck.checker.certify.answers import Work
from rhscheck.checker.certify.certify import _scripts

LOOP = "t=0\nfor i in range(3_000_000): t+=i*i%7"


def fresh(*arguments: str) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of a fresh Python, which has to succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def alone(folder: Path) -> dict[str, float]:
    """CPU seconds of each, in this process."""
    certificate, files = form.read(folder)
    scripts = (tuple(_scripts(certificate, files)),)
    works = (Work(certificate, files, None),)
    answers: list[object] = []
    jobs = {
        "enumeration": lambda: enumeration.by_enumeration(works, answers.append),
        "z3": lambda: solvers.by_z3(scripts, answers.append),
    }
    if cvc5_script.installed():
        jobs["cvc5"] = lambda: solvers.by_cvc5(scripts, answers.append)
    found: dict[str, float] = {}
    for name, job in jobs.items():
        began = time.process_time()
        job()
        found[name] = time.process_time() - began
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default="rhs")
    parser.add_argument("--numbers", default="every,6")
    chosen = parser.parse_args()
    wall, cpu = fresh("-c", LOOP)
    print(f"reference loop: {wall:.2f} s wall, {cpu:.2f} s CPU\n")
    print("| N | claims | runs | KB | wall s | CPU s | enumeration | z3 | cvc5 |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for number in chosen.numbers.split(","):
            folder = Path(scratch) / number
            words = ["verify", chosen.spec, "--certificate", str(folder), "-q"]
            words += [] if number == "every" else ["-n", number]
            fresh("-m", "rhscheck", *words)
            wall, cpu = min(fresh("-m", "rhscheck", "certify", str(folder)) for _ in range(2))
            certificate, files = form.read(folder)
            each = alone(folder)
            cells = [
                number,
                str(len(certificate.claims)),
                str(len(certificate.runs)),
                str(sum(map(len, files.values())) // 1024),
                f"{wall:.2f}",
                f"{cpu:.2f}",
                *(
                    f"{each[name]:.2f}" if name in each else "-"
                    for name in ("enumeration", "z3", "cvc5")
                ),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)
        folders = [str(Path(scratch) / number) for number in chosen.numbers.split(",")]
        wall, cpu = min(fresh("-m", "rhscheck", "certify", *folders) for _ in range(2))
        print(f"\nall together: {wall:.2f} s wall, {cpu:.2f} s CPU")


if __name__ == "__main__":
    main()
