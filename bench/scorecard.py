"""How good the replayer is: faults planted into legal recordings, scored against an oracle.

    python bench/scorecard.py [--seeds 8] [--each 2] [--events 30] [--json]

For each operator of `tests/support/trace_mutants.py`: of the edited runs that the oracle
(`tests/support/replay_oracle.py`, brute force, no code of the replayer) refuses, how many are
detected; how many that it accepts are accused all the same; whether the first line reported is the
first wrong one, with the rules that are broken there; and how many faults are reported for the one
that was planted. `lossy`: the same runs with lines cut out and a header that says so; a violation
found in them must be one of the complete run. Recordings of faulty runtimes are scored by
`bench/kill_matrix.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import msgspec
from replay_oracle import Oracle, Wrong
from trace_mutants import OPERATORS, renumbered

from rhscheck.spec.load import load
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import Event, Finish, Header
from rhscheck.traces.judge import Judge, Options, setting_of
from rhscheck.traces.report import Finding
from rhscheck.traces.simulate import simulate


@dataclass
class Score:
    """One row. `wrong`: edited runs that the oracle refuses; `legal`: those that it accepts.

    `reports`: faults reported for the wrong ones. `judged_rules`: those of which the oracle knows
    the rules (not where a deadline was missed). `cut`: lossy versions; `contradicted`: of those,
    the accused whose complete run is legal.
    """

    wrong: int = 0
    legal: int = 0
    detected: int = 0
    accused: int = 0
    first_line: int = 0
    judged_rules: int = 0
    right_rules: int = 0
    one_report: int = 0
    cut: int = 0
    contradicted: int = 0

    def add(self, other: Score) -> None:
        """Count another score into this one."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


class Scorer:
    """Scores runs of `n` instances of a spec."""

    def __init__(self, spec: str, n: int) -> None:
        self.system = load(spec).system
        self.n = n
        self.oracle = Oracle(self.system, n)
        self.engines: dict[Setting, Engine] = {}

    def found(self, header: Header, events: Sequence[Event]) -> list[Finding]:
        """What the replayer is sure of."""
        setting = setting_of(header, Options())
        judge = Judge(self.system, header, engine=self.engines.get(setting))
        assert judge.engine is not None
        self.engines[setting] = judge.engine
        judge.feed_all(2, events)
        report = judge.finish(Finish("complete", len(events) + 2, len(events), ""))
        return [one for one in report.findings if one.verdict == "violated"]

    def score(self, header: Header, events: Sequence[Event], chance: random.Random) -> Score:
        """One edited run, and a lossy version of it."""
        wrong = self.oracle.judge(events)
        violated = self.found(header, events)
        lines = {line for one in violated for line in (one.line, *one.again)}
        score = Score(cut=1)
        if wrong is None:
            score.legal, score.accused = 1, int(bool(violated))
        else:
            score = self._against(wrong, violated, lines)
        kept = [one for one in events if chance.random() > 0.1]
        lossy = msgspec.structs.replace(header, lossy=True)
        score.contradicted = int(wrong is None and bool(self.found(lossy, kept)))
        return score

    def _against(self, wrong: Wrong, violated: list[Finding], lines: set[int]) -> Score:
        first = wrong.at + 2
        exact = bool(lines) and min(lines) == first
        rules = frozenset(one.rule for one in violated if one.line == first and one.rule)
        owed = any("was due" in text for one in violated for text in one.unmet)
        known = bool(wrong.rules) or not owed
        return Score(
            wrong=1,
            detected=int(bool(violated)),
            first_line=int(exact),
            judged_rules=int(known),
            right_rules=int(known and rules == wrong.rules),
            one_report=int(len(lines) == 1),
            cut=1,
        )


def scorecard(
    seeds: int, each: int, length: int, spec: str = "rhs", n: int = 2
) -> dict[str, Score]:
    """The rows by operator, `all` last."""
    scorer = Scorer(spec, n)
    rows = {name: Score() for name in (*OPERATORS, "none", "all")}
    for seed in range(seeds):
        run = simulate(scorer.system, n, seed, length).trace
        legal = renumbered(run.events)
        chance = random.Random(seed)
        rows["none"].add(scorer.score(run.header, legal, chance))
        for name, edit in OPERATORS.items():
            for _ in range(each):
                edited = edit(list(legal), chance.randrange(len(legal)), chance)
                if edited is not None:
                    rows[name].add(scorer.score(run.header, renumbered(edited), chance))
    for name in (*OPERATORS, "none"):
        rows["all"].add(rows[name])
    return rows


def table(rows: dict[str, Score]) -> str:
    """The rows as a table in Markdown."""
    head = (
        "| planted | wrong | detected | first line | right rules | one report | legal | accused | "
        "lossy, contradicted |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {name} | {one.wrong} | {one.detected} | {one.first_line} | "
        f"{one.right_rules} of {one.judged_rules} | {one.one_report} | {one.legal} | "
        f"{one.accused} | {one.contradicted} of {one.cut} |"
        for name, one in rows.items()
    ]
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=8)
    options.add_argument("--each", type=int, default=2)
    options.add_argument("--events", type=int, default=30)
    options.add_argument("--json", action="store_true")
    wanted = options.parse_args()
    rows = scorecard(wanted.seeds, wanted.each, wanted.events)
    if wanted.json:
        print(json.dumps({name: asdict(one) for name, one in rows.items()}, indent=1))
    else:
        print(table(rows))


if __name__ == "__main__":
    main()
