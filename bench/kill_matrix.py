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

Made by `python bench/kill_matrix.py --write docs/kill-matrix.md`; a test repeats every run of the
column *named*. Rules that no bug is named by stand at the end, each with the reason.

| bug | what is wrong | caught | named | rules | blamed | at |
|---|---|---|---|---|---|---|
"""

TAIL = """
## Rules and assumptions that no planted bug is named by

"""

# Why replay of a bug in the host cannot name them first.
UNNAMED = {
    ("R3can", "R6can", "P8", "P9"): (
        "permissions: something may happen. No recording breaks one; `rhscheck verify` finds a run "
        "that uses it."
    ),
    ("L1", "L2", "L3"): (
        "progress without a bound: the answer may still come after the last line, so no recording "
        "breaks one. Bounded progress is B1 to B4."
    ),
    ("R5state",): (
        "a reading that the spec shows to be false (`expect R5state: violated`): correct hosts "
        "break it, so recordings are not judged by it."
    ),
    ("D1", "D2"): (
        "the plug-in's own promises: they are broken by plug-ins (`--broken-promises`: "
        "`terminate-does-not-wait`, `early-status`), which are blamed then, and not the host."
    ),
    ("D3",): (
        "the plug-in's, too, and no promise unless the reading `QuickCalls = promise` is chosen."
    ),
    ("R2worker", "P3"): (
        "a worker that is left is there only after the plug-in has broken D1, which comes first "
        "and is blamed for all of it."
    ),
    ("P2", "P2stale", "P4", "P5", "P7", "P7only"): (
        "they speak of changes of state, which leave no line: a host that makes a wrong one is "
        "seen, and named, by the calls that follow from it, or that do not. So are "
        "stale-report-revives, failure-unconfirmed, online-deadlock-kills and dying-host-calls."
    ),
    ("P6lateIsAlive",): (
        "with `PollOrder = isAliveFirst` the spec has no LooksAlive once IsAlive is due: it is "
        "refused as an event before IsAlive is late enough (isalive-too-rarely)."
    ),
}


def tail() -> str:
    """The rules and assumptions that no bug is named by, and why."""
    lines = [f"- **{', '.join(names)}**: {why}" for names, why in UNNAMED.items()]
    return TAIL + "\n".join(lines) + "\n"


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
        options.write.write_text(HEAD + "\n".join(rows) + "\n" + tail(), encoding="utf-8")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
