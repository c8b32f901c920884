"""Kill matrix: which planted bug of the runtime replay finds, at which seed, and what it names.

    python bench/kill_matrix.py [--seeds 600] [--write docs/kill-matrix.md] [NAME...]

Each bug is run with the simulator's seeds in order, and each run that differs from the product's
is replayed against `rhs`: until replay objects, and then on until it names a rule that the bug is
known to break, or MORE runs have shown that it only refuses events. Exit status 1 if one survives.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planted_bugs import Bug, Kill

    from rhscheck.hosted_runs import HostJudge

MORE = 60

HEAD = """# What replay finds: the kill matrix

Bugs planted in the cores of the runtime (`tests/support/planted_bugs.py`), one at a time. The
simulator runs its seeds in order: seed 0 has no fault, the next ones have every single fault. Each
run is replayed against `rhs`. *Caught* is the first seed at which replay blames RHS or RCM; *named*
the first at which it names a rule that the bug breaks, with what it names there.

- `(event)`: the spec has no rule for it and refuses the event itself.
- M1 and M2 are assumptions on RCM. A control or an Offline that RHS calls at a wrong moment counts
  as RCM's, who asked for it.
- P2, P2stale, P4, P5, P7 and P7only speak of changes of state that leave no line in a recording: a
  bug that breaks one is named by what follows from it.
- R2worker, P3, D1 and D2 are broken only where the plug-in breaks a promise first, and then it is
  blamed (`--broken-promises`).

Made by `python bench/kill_matrix.py --write docs/kill-matrix.md`; a test repeats every run of the
column *named*.

| bug | what is wrong | caught | named | rules | blamed | at |
|---|---|---|---|---|---|---|
"""


def search(bug: Bug, judge: HostJudge, seeds: int) -> tuple[int, Kill] | None:
    """The first seed at which replay objects, and the first kill that names an expected rule."""
    from planted_bugs import kill_at

    first: Kill | None = None
    shown = 0
    for seed in range(seeds):
        found = kill_at(bug, judge, seed)
        if found is None:
            continue
        first = first or found
        named = [one for one in found.rules if one in bug.rules]
        if named and (named != ["(event)"] or bug.rules == ("(event)",)):
            return first.seed, found
        shown += 1
        if shown == MORE:
            break
    return (first.seed, first) if first is not None and set(first.rules) & set(bug.rules) else None


def main() -> int:
    """Print the matrix; write it where asked."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
    from planted_bugs import BUGS, CLUSTER

    from rhscheck.simulated_runs import spec_for

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=600)
    parser.add_argument("--write", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    judge = spec_for(CLUSTER)
    rows: list[str] = []
    survived = 0
    began = time.process_time()
    for bug in BUGS:
        if options.names and bug.name not in options.names:
            continue
        found = search(bug, judge, options.seeds)
        if found is None:
            survived += 1
            rows.append(f"| {bug.name} | {bug.what} | **survived {options.seeds}** | | | | |")
        else:
            caught, kill = found
            rows.append(
                f"| {bug.name} | {bug.what} | {caught} | {kill.seed} | {', '.join(kill.rules)} | "
                f"{kill.actor} | {kill.event} |"
            )
        print(rows[-1], flush=True)
    print(f"{len(rows) - survived} of {len(rows)} caught, {time.process_time() - began:.1f} s CPU")
    if options.write is not None:
        options.write.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
