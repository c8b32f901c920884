"""How good the replayer is: faults planted into recordings, scored against an oracle.

    python bench/scorecard.py [--quick] [--only PART]... [--seeds N] [--json] [--misses]

Parts (notes/traces 4): `operators`: edited runs of one and of two resources under `rhs`, each held
against a brute-force replayer (`tests/support/replay_oracle.py`, no code of the replayer), with
lossy versions of everything; `others`: the same under other specs; `runtime`: the same with what
the runtime records under its simulator, process by process; `legal`: recordings that nobody may be
accused in (random runs that take many lines of the spec, also as several hosts would tell them,
witnesses and counterexamples of `verify`, the runtime under its simulator, damaged files); `bugs`:
runtimes with a planted bug, also with an edit beside it; `logs`: published excerpts of logs,
damaged; `specs`: changed specs, and which of them the recordings tell from the right one; `stable`:
the same bytes whatever the chunks, workers and hash seeds. Exit status 1 if a score is below its
bar.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from score_card import PARTS, Card


def main() -> int:
    """Print the scores."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="the part that the tests run")
    options.add_argument("--only", action="append", choices=PARTS)
    options.add_argument("--seeds", type=int, help="of `operators`: so many runs of one resource")
    options.add_argument("--json", action="store_true")
    options.add_argument("--misses", action="store_true", help="print what is not as it should be")
    wanted = options.parse_args()
    card, began = Card(quick=wanted.quick, seeds=wanted.seeds), time.process_time()
    for part in wanted.only or PARTS:
        getattr(card, part)()
    if wanted.json:
        print(json.dumps(card.as_json(), indent=1))
    else:
        print(card.table())
        print(f"\n{time.process_time() - began:.0f} s CPU")
        if card.undefended:
            print(f"{len(card.undefended)} lines of the spec that no run takes:")
            print("\n".join(f"  {one}" for one in card.undefended))
        for name, row in card.fates.items():
            for mutant, reason in row.reasons.items():
                print(f"{name} | {mutant} | {reason[:300]}")
    if wanted.misses:
        for miss in (*card.one.misses, *card.two.misses, *card.misses):
            print(f"{miss.what} | {miss.run} | {miss.operator} | {miss.detail[:400]}")
        for name, count in card.counts.items():
            for one in count.wrong:
                print(f"{name} | {one[:400]}")
    failures = card.failures()
    for one in failures:
        print(f"below its bar: {one}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
