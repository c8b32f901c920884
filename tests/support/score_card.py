"""The scorecard of the replayer: which scores there are, and below which bar each is a failure.

Owns the sizes of the parts; edited runs are counted by `replay_scores`, other recordings by
`score_corpora`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict

from planted_bugs import BUGS
from replay_scores import Miss, Score, Scorer
from score_corpora import (
    Count,
    covering,
    damaged_files,
    host_runs,
    hosts_merged,
    hosts_out_of_order,
    kill_seeds,
    planted_bugs,
    same_bytes,
    same_chunks,
    times_within,
    two_faults,
    verified_runs,
    without_alarm,
)
from score_logs import published_logs
from score_runtime import bug_runs, one_process, product_runs
from score_specs import Fate, Fates, spec_mutants, told_of, undefended
from trace_mutants import OPERATORS, renumbered

from rhscheck.spec.load import load
from rhscheck.traces.format import Event, Header
from rhscheck.traces.simulate import simulate

PARTS = ("operators", "others", "runtime", "legal", "bugs", "logs", "specs", "stable")
OTHER_SPECS = ("two_locks", "semaphore", "fischer", "train_gate", "two_phase")
# Of repairs, as many that take no more edits than were planted, and mend the run if fewer.
COST_BARS = {"random runs": 0.99, "runtime": 0.97, "faulty runtimes": 0.0}
SPEC_BAR = 0.7  # told by a verdict or the report; docs/replay.md says why not the others
SPEC_MUTANTS = 24  # of each operator
Recordings = list[tuple[Header, list[Event]]]


class Card:
    """All parts, filled one after the other."""

    def __init__(self, *, quick: bool, seeds: int | None = None) -> None:
        self.quick = quick
        self.seeds = seeds or 24
        self.system = load("rhs").system
        self.one, self.two = Scorer(self.system, 1), Scorer(self.system, 2)
        self.rows: dict[str, Score] = {}
        self.other_rows: dict[str, Score] = {}
        self.runtime_rows: dict[str, Score] = {}
        self.bug_rows: dict[str, Score] = {}
        self.misses: list[Miss] = []
        self.counts: dict[str, Count] = {}
        self.undefended: list[str] = []
        self.fates: dict[str, Fates] = {}

    def operators(self) -> None:
        """Edited runs."""
        sizes = ((self.one, 2, 30, 1), (self.two, 1, 16, 1))
        if not self.quick:
            sizes = ((self.one, self.seeds, 40, 2), (self.two, max(self.seeds // 4, 1), 26, 1))
        for scorer, seeds, length, each in sizes:
            for seed in range(seeds):
                run = simulate(self.system, scorer.n, seed, length).trace
                name = f"n={scorer.n} seed {seed}"
                _add(self.rows, scorer.run(name, run.header, run.events, each, seed))
        self._sum(self.rows, {})
        last = 102 if self.quick else 108
        runs = [simulate(self.system, 1, seed, 80) for seed in range(100, last)]
        self.counts["two faults, both reported"] = two_faults(self.one, runs, random.Random(1))

    def others(self) -> None:
        """The same edits under other specs."""
        for name in OTHER_SPECS:
            scorer, total = Scorer(load(name).system, 2), Score()
            for seed in range(1 if self.quick else 12):
                run = simulate(scorer.system, 2, seed, 16 if self.quick else 30).trace
                where = f"{name} seed {seed}"
                for score in scorer.run(where, run.header, run.events, 1, seed).values():
                    total.add(score)
            self.other_rows[name] = total
            self.misses += scorer.misses

    def runtime(self) -> None:
        """Edited runs of the runtime, process by process."""
        system = one_process()
        scorers = {n: Scorer(system, n) for n in ((1,) if self.quick else (1, 2))}
        for seed, one in enumerate(product_runs(range(2 if self.quick else 40), 40)):
            if one.n in scorers:
                found = scorers[one.n].run(one.name, one.header, one.events, 1, seed)
                _add(self.runtime_rows, found)
        self._sum(self.runtime_rows, scorers)

    def legal(self) -> None:
        """False alarms."""
        most = 2 if self.quick else 60
        runs, taken, every = covering(self.system, 60, most)
        share = f"legal runs ({len(taken)} of {len(every)} lines of the spec taken)"
        self.counts[share] = without_alarm(self.two, runs)
        for name, count in damaged_files(self.system, runs[:8], random.Random(2)).items():
            self.counts[f"legal runs, {name}"] = count
        for seed in range(3, 4 if self.quick else 7):
            count = hosts_out_of_order(self.two, runs, random.Random(seed))
            self.counts.setdefault("legal runs, hosts out of order", Count()).add(count)
        merged = hosts_merged(self.two, runs[:1] if self.quick else runs, random.Random(8))
        for name, count in merged.items():
            self.counts[f"legal runs, lines of hosts merged: {name}"] = count
        chosen = runs[:1] if self.quick else runs
        self.counts["legal runs, times not exact"] = times_within(
            self.two, chosen, random.Random(9)
        )
        if not self.quick:
            self.counts["witnesses and counterexamples of verify"] = verified_runs(self.system)
        self.counts["runtime, simulated"] = host_runs(range(2 if self.quick else 60))

    def bugs(self) -> None:
        """Faulty runtimes, also with a fault planted into what they record."""
        self.counts["planted bugs caught by a rule they break"] = planted_bugs(
            5 if self.quick else None
        )
        system = one_process()
        scorers = {n: Scorer(system, n) for n in (1, 2)}
        runs = bug_runs(BUGS[: 2 if self.quick else None], kill_seeds(), 100)
        names = list(OPERATORS)
        for seed, one in enumerate(runs):
            operators = [] if self.quick else random.Random(seed).sample(names, 6)
            scorer = scorers[one.n]
            _add(self.bug_rows, scorer.run_wrong(one.name, one.header, one.events, operators, seed))
        self._sum(self.bug_rows, scorers)

    def logs(self) -> None:
        """Published logs."""
        each = 1 if self.quick else 6
        for name, count in published_logs(self.system, random.Random(4), each).items():
            self.counts[f"published logs, {name}"] = count

    def specs(self) -> None:
        """Changed specs."""
        runs, _, _ = covering(self.system, 60, 4 if self.quick else 60)
        tries = 1 if self.quick else 3
        killed, self.undefended = undefended(self.two, runs, tries, 8 if self.quick else None)
        self.counts["specs without one line, told from the right one"] = killed
        self.fates = spec_mutants(1 if self.quick else SPEC_MUTANTS, jobs=2)

    def stable(self) -> None:
        """The same bytes."""
        _, illegal = self.recordings(2 if self.quick else 6)
        self.counts["the same report in chunks of 1, 7 and all lines"] = same_chunks(
            self.two, illegal
        )
        if not self.quick:
            self.counts["the same bytes for workers and hash seeds"] = same_bytes(illegal)

    def recordings(self, seeds: int) -> tuple[Recordings, Recordings]:
        """Legal runs of two resources, and edited ones that the replayer refuses."""
        legal: Recordings = []
        illegal: Recordings = []
        for seed in range(seeds):
            run = simulate(self.system, 2, seed, 60).trace
            events = renumbered(run.events)
            legal.append((run.header, events))
            chance = random.Random(seed)
            for name in ("drop one", "duplicate", "wrong result", "insert", "1 ms after a limit"):
                edited = OPERATORS[name](list(events), chance.randrange(len(events)), chance)
                made = None if edited is None else renumbered(edited)
                if made is not None and self.two.found(run.header, made):
                    illegal.append((run.header, made))
        return legal, illegal

    def _sum(self, rows: dict[str, Score], scorers: Mapping[int, Scorer]) -> None:
        total = Score()
        for score in rows.values():
            total.add(score)
        rows["all"] = total
        for scorer in scorers.values():
            self.misses += scorer.misses

    # ---- what it comes to ----------------------------------------------------------------------
    def failures(self) -> list[str]:
        """The bars that are missed."""
        found = []
        for name, rows in self.tables().items():
            if "all" in rows:
                found += [f"{name}: {one}" for one in _below_bar(rows["all"], COST_BARS[name])]
        for name, one in self.other_rows.items():
            if one.detected < one.wrong or one.accused or one.contradicted:
                found.append(f"{name}: {one}")
        if self.fates and not self.quick:
            told, counted = told_of(self.fates.values())
            if told < SPEC_BAR * counted:
                found.append(f"changed specs: {told} of {counted} told by the recordings")
        found += [
            f"{name}: {one.right} of {one.all}: {one.wrong[:3]}"
            for name, one in self.counts.items()
            if one.right < one.all and not name.startswith(("specs", "two faults"))
        ]
        return found

    def tables(self) -> dict[str, dict[str, Score]]:
        """The rows of edited runs by what was edited."""
        return {
            "random runs": self.rows,
            "runtime": self.runtime_rows,
            "faulty runtimes": self.bug_rows,
            "other specs": self.other_rows,
        }

    def table(self) -> str:
        """The scores in Markdown."""
        lines = [
            line for name, rows in self.tables().items() if rows for line in _lines(name, rows)
        ]
        lines += _fate_lines(self.fates) if self.fates else []
        lines += ["| recordings | number | as they should be |", "|---|---|---|"]
        lines += [f"| {name} | {one.all} | {one.right} |" for name, one in self.counts.items()]
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """The scores as one object."""
        return {
            "version": 1,
            **{
                table: {name: asdict(one) for name, one in rows.items()}
                for table, rows in self.tables().items()
            },
            "recordings": {name: asdict(one) for name, one in self.counts.items()},
            "specs": {name: asdict(one) for name, one in self.fates.items()},
            "undefended": self.undefended,
            "misses": [asdict(one) for one in (*self.one.misses, *self.two.misses, *self.misses)],
            "failures": self.failures(),
        }


def _add(rows: dict[str, Score], found: Mapping[str, Score]) -> None:
    for name, score in found.items():
        rows.setdefault(name, Score()).add(score)


def _below_bar(all_: Score, cost: float) -> list[str]:
    bars = {
        "detected": (all_.detected, all_.wrong, 1.0),
        "accused": (all_.legal - all_.accused, all_.legal, 1.0),
        "first line": (all_.exact, all_.wrong, 0.9),
        "within two lines": (all_.near, all_.wrong, 0.99),
        "right rules": (all_.right_rules, all_.ruled, 0.95),
        "repair cost": (all_.same_cost + all_.cheaper, all_.priced, cost),
        "lossy": (all_.cut - all_.contradicted, all_.cut, 1.0),
    }
    return [
        f"{name}: {right} of {number}"
        for name, (right, number, bar) in bars.items()
        if right < bar * number
    ]


def _lines(name: str, rows: Mapping[str, Score]) -> list[str]:
    lines = [
        f"| planted into {name} | wrong | detected | first line | within 2 | right rules | "
        "repair: as many edits, fewer | mended | one report | legal | accused | "
        "lossy, contradicted, other rule |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one.wrong} | {one.detected} | {one.exact} | {one.near} | "
        f"{one.right_rules} of {one.ruled} | {one.same_cost}, {one.cheaper} of {one.priced} | "
        f"{one.mended} of {one.priced} | {one.one_report} | {one.legal} | {one.accused} | "
        f"{one.contradicted}, {one.other_rule} of {one.cut} |"
        for name, one in rows.items()
    ]
    return [*lines, ""]


def _fate_lines(rows: Mapping[str, Fates]) -> list[str]:
    names: dict[Fate, str] = {
        "refused": "no spec",
        "equivalent": "proved to be the same",
        "verdict": "told by a verdict",
        "report": "by the report only",
        "own run": "by another run",
        "left": "by none",
    }
    total = Fates()
    for one in rows.values():
        for fate, number in one.counts.items():
            total.counts[fate] = total.counts.get(fate, 0) + number
    lines = [f"| changed in the spec | number | {' | '.join(names.values())} |"]
    lines.append("|---|" + "---|" * (len(names) + 1))
    for name, one in (*rows.items(), ("all", total)):
        numbers = " | ".join(str(one.counts.get(fate, 0)) for fate in names)
        lines.append(f"| {name} | {sum(one.counts.values())} | {numbers} |")
    return [*lines, ""]
