"""Measures `rhscheck verify rhs`: cold start, each rule, numbers of instances, mutants, `--help`.

    python bench/verify.py [--quick]

CPU seconds of fresh processes (user and system), wall seconds beside them; a fixed pure-Python loop
and `import z3` in the same run are the reference, so that tables of different machines compare.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

LOOP = "t=0\nfor i in range(3_000_000): t+=i*i%7"


def fresh(*arguments: str) -> tuple[float, float, int]:
    """(wall seconds, CPU seconds, exit status) of a fresh Python with `arguments`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    status = subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, cpu, status


def row(name: str, target: str, *arguments: str) -> None:
    wall, cpu, status = min(fresh(*arguments) for _ in range(2))
    print(f"| {name} | {wall:.2f} | {cpu:.2f} | {status} | {target} |", flush=True)


def machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass  # not Linux: the processor's own name has to do
    import z3

    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    return (
        f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"z3 {z3.get_version_string()}, load {load}"
    )


def rules(n: int | None) -> None:
    from rhscheck.api import load
    from rhscheck.checker.verify import Options, verify

    began = time.process_time()
    report = verify(load("rhs").system, Options(n=n, findings=False))
    spent = time.process_time() - began
    rlimit = sum({result.rlimit for result in report.results})
    scope = "every N" if n is None else f"N={n}"
    print(f"| rhs, all rules, {scope} | {spent:.2f} | {rlimit:,} | {report.exit} |", flush=True)
    if n is None:
        print("\n| rule | seconds (its share) | z3 rlimit of its query |\n|---|---|---|")
        for result in report.results:
            print(f"| {result.rule.id} | {result.seconds:.2f} | {result.rlimit:,} |")
        print("\n| run | CPU s | z3 rlimit | exit |\n|---|---|---|---|", flush=True)


def mutants(n: int) -> None:
    from rhs_mutants import SAFETY, mutated

    from rhscheck.checker.verdict import Violated
    from rhscheck.checker.verify import Options, verify
    from rhscheck.spec.load import load_source
    from rhscheck.spec.source import Source

    print(f"\n| mutant (N={n}) | rule | length | CPU s (target 3) |\n|---|---|---|---|")
    for mutant in SAFETY:
        began = time.process_time()
        system = load_source(Source(f"{mutant.name}.sm", mutated(mutant))).system
        verdict = (
            verify(system, Options(rules=(mutant.rule,), n=n, findings=False)).results[0].verdict
        )
        length = verdict.length if isinstance(verdict, Violated) else verdict
        spent = time.process_time() - began
        print(f"| {mutant.name} | {mutant.rule} | {length} | {spent:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure rhscheck verify rhs.")
    parser.add_argument("--quick", action="store_true", help="processes only")
    options = parser.parse_args()
    print(machine(), end="\n\n")
    print("| fresh process | wall s | CPU s | exit | target |\n|---|---|---|---|---|")
    row("reference: pure Python loop", "", "-c", LOOP)
    row("reference: import z3", "", "-c", "import z3")
    row("rhscheck --help", "0.3", "-m", "rhscheck", "--help")
    row("rhscheck verify rhs", "5", "-m", "rhscheck", "verify", "rhs", "-q")
    row("rhscheck verify fischer", "", "-m", "rhscheck", "verify", "fischer", "-q")
    if not options.quick:
        print("\n| run | CPU s | z3 rlimit | exit |\n|---|---|---|---|")
        for n in (None, 1, 2, 3, 4, 5, 6):
            rules(n)
        mutants(3)


if __name__ == "__main__":
    main()
