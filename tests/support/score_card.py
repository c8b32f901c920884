"""The scorecard of the replayer: which scores there are, and below which bar each is a failure.

Owns the sizes of the parts; edited runs are counted by `replay_scores`, other recordings by
`score_corpora`.
"""

from __future__ import annotations

import random
from dataclasses import asdict

from replay_scores import Miss, Score, Scorer
from score_corpora import (
    Count,
    covering,
    damaged_files,
    host_runs,
    hosts_merged,
    hosts_out_of_order,
    planted_bugs,
    published_logs,
    same_bytes,
    same_chunks,
    spec_mutants,
    two_faults,
    undefended,
    verified_runs,
    without_alarm,
)
from trace_mutants import OPERATORS, renumbered

from rhscheck.spec.load import load
from rhscheck.traces.format import Event, Header
from rhscheck.traces.simulate import simulate

PARTS = ("operators", "others", "legal", "bugs", "logs", "specs", "stable")
OTHER_SPECS = ("two_locks", "semaphore", "fischer", "train_gate", "two_phase")
SPEC_OPERATORS = (
    *("drop-guard", "drop-operand", "invert", "drop-member", "drop-timeout", "double-time"),
    *("halve-time", "retarget", "drop-transition", "swap-actor"),
)
# CPU time for changed specs: each is compiled, and holds all recordings against it if it lives.
SPEC_SECONDS = 300
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
        self.misses: list[Miss] = []
        self.counts: dict[str, Count] = {}
        self.undefended: list[str] = []

    def operators(self) -> None:
        """Edited runs."""
        sizes = ((self.one, 3, 30, 1), (self.two, 1, 20, 1))
        if not self.quick:
            sizes = ((self.one, self.seeds, 40, 2), (self.two, max(self.seeds // 4, 1), 26, 1))
        for scorer, seeds, length, each in sizes:
            for seed in range(seeds):
                run = simulate(self.system, scorer.n, seed, length).trace
                name = f"n={scorer.n} seed {seed}"
                for row, score in scorer.run(name, run.header, run.events, each, seed).items():
                    self.rows.setdefault(row, Score()).add(score)
        total = Score()
        for score in self.rows.values():
            total.add(score)
        self.rows["all"] = total
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
        if not self.quick:
            self.counts["witnesses and counterexamples of verify"] = verified_runs(self.system)
        self.counts["runtime, simulated"] = host_runs(range(2 if self.quick else 60))

    def bugs(self) -> None:
        """Faulty runtimes."""
        self.counts["planted bugs caught by a rule they break"] = planted_bugs(
            5 if self.quick else None
        )

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
        if self.quick:
            return
        legal, illegal = self.recordings(4)
        tried = spec_mutants(legal, illegal, SPEC_OPERATORS, 3, SPEC_SECONDS)
        for name, count in tried.items():
            self.counts[f"specs with {name}, told from the right one"] = count

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

    # ---- what it comes to ----------------------------------------------------------------------
    def failures(self) -> list[str]:
        """The bars that are missed."""
        found = []
        all_ = self.rows.get("all")
        if all_ is not None:
            bars = {
                "detected": (all_.detected, all_.wrong, 1.0),
                "accused": (all_.legal - all_.accused, all_.legal, 1.0),
                "first line": (all_.exact, all_.wrong, 0.9),
                "within two lines": (all_.near, all_.wrong, 0.99),
                "right rules": (all_.right_rules, all_.ruled, 0.95),
                "repair cost": (all_.same_cost + all_.cheaper, all_.priced, 0.95),
                "lossy": (all_.cut - all_.contradicted, all_.cut, 1.0),
            }
            found += [
                f"{name}: {right} of {number}"
                for name, (right, number, bar) in bars.items()
                if right < bar * number
            ]
        for name, one in self.other_rows.items():
            if one.detected < one.wrong or one.accused or one.contradicted:
                found.append(f"{name}: {one}")
        found += [
            f"{name}: {one.right} of {one.all}: {one.wrong[:3]}"
            for name, one in self.counts.items()
            if one.right < one.all and not name.startswith(("specs", "two faults"))
        ]
        return found

    def table(self) -> str:
        """The scores in Markdown."""
        lines = [
            "| planted | wrong | detected | first line | within 2 | right rules | repair: as many "
            "edits, fewer | mended | one report | legal | accused | lossy, contradicted |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {one.wrong} | {one.detected} | {one.exact} | {one.near} | "
            f"{one.right_rules} of {one.ruled} | {one.same_cost}, {one.cheaper} of {one.priced} | "
            f"{one.mended} of {one.priced} | {one.one_report} | {one.legal} | {one.accused} | "
            f"{one.contradicted} of {one.cut} |"
            for name, one in (*self.rows.items(), *self.other_rows.items())
        ]
        lines += ["", "| recordings | number | as they should be |", "|---|---|---|"]
        lines += [f"| {name} | {one.all} | {one.right} |" for name, one in self.counts.items()]
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """The scores as one object."""
        return {
            "version": 1,
            "operators": {name: asdict(one) for name, one in self.rows.items()},
            "others": {name: asdict(one) for name, one in self.other_rows.items()},
            "recordings": {name: asdict(one) for name, one in self.counts.items()},
            "undefended": self.undefended,
            "misses": [asdict(one) for one in (*self.one.misses, *self.two.misses, *self.misses)],
            "failures": self.failures(),
        }
