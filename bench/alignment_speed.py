"""How fast whole runs are aligned: events per CPU second, with a share of the events edited.

    python bench/alignment_speed.py [--events 20000] [--edited 0.02]

Runs of one resource that is polled, every so many events dropped, doubled or given another result;
the alignment is held against a run without faults and against decoding the same events.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from aligned_runs import AlignedRuns
from trace_mutants import OPERATORS, renumbered

from rhscheck.spec.load import load
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import Event
from rhscheck.traces.simulate import simulate

KINDS = ("drop one", "duplicate", "wrong result", "replace", "insert")


def edited(events: list[Event], share: float, chance: random.Random) -> tuple[list[Event], int]:
    """The events with one edit in every stretch of 1/share of them."""
    stretch = round(1 / share) if share else len(events)
    made: list[Event] = []
    edits = 0
    for begin in range(0, len(events), stretch):
        part = events[begin : begin + stretch]
        if share and len(part) > 4:
            name = chance.choice(KINDS)
            changed = OPERATORS[name](list(part), chance.randrange(2, len(part) - 2), chance)
            edits += changed is not None
            part = changed or part
        made += part
    return made, edits


def main() -> None:
    """Print the numbers."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--events", type=int, default=20_000)
    options.add_argument("--edited", type=float, default=0.02)
    wanted = options.parse_args()
    system = load("rhs").system
    runs = AlignedRuns(system)
    legal: list[list[Event]] = []
    seed = total = 0
    while total < wanted.events:
        events = renumbered(simulate(system, 1, seed, 4000).trace.events)
        legal.append(events)
        seed, total = seed + 1, total + len(events)
    chance = random.Random(1)
    begin = runs.engine.begin(aged=False)
    for share in (0.0, wanted.edited):
        work = [edited(one, share, chance) for one in legal]
        lines = [runs.lines(one) for one, _ in work]
        best = 0.0
        for _ in range(3):
            began = time.process_time()
            found = [
                runs.aligner.walk(Follower.begin(runs.engine.sets, begin, 0, 0), one)
                for one in lines
            ]
            best = max(best, sum(map(len, lines)) / (time.process_time() - began))
        cost = sum(len(one.edits) for one in found)
        print(
            f"{share:.0%} of {sum(map(len, lines))} events edited ({sum(n for _, n in work)} "
            f"edits): {cost} found, {sum(one.lost for one in found)} lines given up, "
            f"{best:,.0f} events per CPU second"
        )


if __name__ == "__main__":
    main()
