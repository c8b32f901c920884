"""Work out what the shipped spec says of all that a cluster.log can tell, for it to be shipped too.

    python bench/ship_opinions.py

Writes spec/library/rhs.opinions.json, so that the first audit compiles nothing. To be run when a
change of the spec, or of what judges by it, changes the opinions: a test compares.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from rhscheck.mappings import words_of_spec
from rhscheck.opinions import Kept, Shipped, digest_of, facts_of
from rhscheck.spec.load import load
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.model import Case
from rhscheck.traces.audit.opinion import SpecSummary, alike
from rhscheck.traces.logmap.load import load_map

LIBRARY = Path(__file__).resolve().parent.parent / "spec" / "library"
STATES = ("pending", "repeated", "success", "failure")
SOME_CODE = 1


def cases_of(summary: SpecSummary) -> list[Case]:
    """All that a log can tell which the spec has a word for; of results that are alike, one."""
    cases: dict[Case, None] = {}
    for kind, name in sorted(summary.labels):
        match kind:
            case "call":
                cases["call", name, None] = None
            case "expiry" | "timer":
                cases["timeout", name, None] = None
            case "callback":
                cases |= dict.fromkeys(("status", name, state) for state in STATES)
            case "return":
                for code in (*summary.codes[name], SOME_CODE):
                    cases[alike(("return", name, code), summary.codes)] = None
            case _:
                continue
    return list(cases)


def main() -> None:
    """Write the file."""
    logmap, system = load_map("clusterlog"), load("rhs").system
    court = Court(logmap, lambda: system)
    known = court.opinions(cases_of(court.summary))
    found = Kept(court.summary, sorted(known.items(), key=repr))
    text = (LIBRARY / "rhs.sm").read_bytes()
    shipped = Shipped(
        digest_of(text), facts_of(logmap), found, words_of_spec("rhs", all_readings=True)
    )
    data = msgspec.json.encode(shipped, order="sorted")
    target = LIBRARY / "rhs.opinions.json"
    target.write_bytes(msgspec.json.format(data, indent=1) + b"\n")
    print(f"{target}: {len(known)} cases")


if __name__ == "__main__":
    main()
