"""What the replayer is scored on: legal runs of every kind, faulty runtimes, logs, and other specs.

Owns the making of these recordings and what must be true of each; counting edited runs of the spec
is `replay_scores`'. Each function gives (how many, how many as they should be, what was not).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from planted_bugs import BUGS, CLUSTER, RUN, kill_at
from replay_scores import FIRST_LINE, Scorer
from trace_mutants import OPERATORS, renumbered

from rhscheck.simulated_runs import Wanted, case_of, judge_seed, spec_for
from rhscheck.spec.system import System
from rhscheck.traces.engine import Engine
from rhscheck.traces.format import Clock, Ending, Event, Finish, Header, Trace, load_trace
from rhscheck.traces.judge import Judge
from rhscheck.traces.replay import replay
from rhscheck.traces.simulate import Simulation, simulate

ROOT = Path(__file__).parents[2]


@dataclass
class Count:
    """`right` of `all` are as they should be; `wrong` tells the others."""

    all: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)

    def tell(self, name: str, *, right: bool, why: str = "") -> None:
        """One more."""
        self.all += 1
        self.right += right
        if not right:
            self.wrong.append(f"{name}: {why}" if why else name)

    def add(self, other: Count) -> None:
        """Count another one into this one."""
        self.all += other.all
        self.right += other.right
        self.wrong += other.wrong


# ---- legal recordings --------------------------------------------------------------------------
def covering(system: System, length: int, most: int) -> tuple[list[Simulation], set[str], set[str]]:
    """Runs of two resources that take more and more lines of the spec; lines taken, and all."""
    every = {line_of(one.key) for one in system.transitions}
    taken: set[str] = set()
    runs: list[Simulation] = []
    for seed in range(most):
        run = simulate(system, 2, seed, length)
        keys = taken_lines(run)
        if not keys <= taken:
            runs.append(run)
        taken |= keys
        if taken >= every:
            break
    return runs, taken, every


def line_of(key: str) -> str:
    """The line of the spec that a transition is, without what rules have woven into it."""
    return key.partition("~")[0]


def taken_lines(run: Simulation) -> set[str]:
    positions = {one.transition for one in run.run.steps if one.transition is not None}
    return {line_of(run.ground.transitions[at].template.key) for at in positions}


def without_alarm(scorer: Scorer, runs: Iterable[Simulation]) -> Count:
    """Legal runs, none of which may be accused."""
    count = Count()
    for run in runs:
        found = scorer.found(run.trace.header, run.trace.events)
        count.tell(run.trace.header.id, right=not found, why=str(found[:1]))
    return count


def verified_runs(system: System) -> Count:
    """The witnesses and counterexamples that `verify rhs` shows are legal runs."""
    command = [sys.executable, "-m", "rhscheck", "verify", "rhs", "--format", "json", "--no-times"]
    said = subprocess.run(command, capture_output=True, check=False).stdout
    count = Count()
    engines: dict[int, Engine] = {}
    for result in msgspec.json.decode(said)["results"]:
        if not result["trace"]:
            continue
        header = b'{"rhs":1,"kind":"header","spec":"rhs","clock":{"sim":{"epoch":"start"}},'
        header += b'"complete":true,"start":"initial"}\n'
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in result["trace"])
        loaded = load_trace(BytesIO(header + lines))
        judge = Judge(system, loaded.header, engine=engines.get(0))
        for line in loaded.events:
            judge.feed(line.line, line.event)
        report = judge.finish(Finish("complete", 0, len(loaded.events), ""))
        assert judge.engine is not None
        engines[0] = judge.engine
        found = [one for one in report.findings if one.verdict == "violated"]
        right = not found and bool(loaded.events)
        count.tell(str(result["id"]), right=right, why=str(found[:1]))
    return count


def host_runs(seeds: Iterable[int]) -> Count:
    """Runs of the runtime under its simulator, with plug-ins that keep their promises."""
    judge, count = spec_for(CLUSTER), Count()
    wanted = Wanted(CLUSTER, RUN)
    for seed in seeds:
        judged = judge_seed(wanted, judge, seed, case_of(wanted, seed))
        right = judged.verdict in ("conforms", "plug-in", "undecided")
        count.tell(f"seed {seed}", right=right, why=f"{judged.verdict} {judged.rules}")
    return count


def damaged_files(
    system: System, runs: Sequence[Simulation], chance: random.Random
) -> dict[str, Count]:
    """Legal runs in files that lost the end of a line, or hold two lines in each other."""
    rows = {"truncated last line": Count(), "interleaved partial lines": Count()}
    for run in runs:
        lines = run.trace.encode().splitlines(keepends=True)
        at = chance.randrange(1, len(lines) - 2)
        half, other = len(lines[at]) // 2, len(lines[at + 1]) // 2
        mixed = lines[at][:half] + lines[at + 1][:other] + b"\n" + lines[at][half:]
        cut = b"".join(lines[:at]) + lines[at][:half]
        torn = b"".join([*lines[:at], mixed, lines[at + 1][other:], *lines[at + 2 :]])
        for name, data in zip(rows, (cut, torn), strict=True):
            loaded = load_trace(BytesIO(data))
            report = replay(system, loaded, file=name)
            found = [one for one in report.findings if one.verdict == "violated"]
            rows[name].tell(run.trace.header.id, right=not found, why=str(found[:1]))
    return rows


def hosts_out_of_order(scorer: Scorer, runs: Iterable[Simulation], chance: random.Random) -> Count:
    """Two hosts whose clocks differ a little: lines of both may stand in either order."""
    count = Count()
    for run in runs:
        events = [msgspec.structs.replace(one, host=f"H{one.res}") for one in run.trace.events]
        places = [
            at
            for at in range(len(events) - 1)
            if events[at].host != events[at + 1].host
            and "Resource" in str(events[at].res) and "Resource" in str(events[at + 1].res)
        ]  # fmt: skip
        if not places:
            continue
        at = chance.choice(places)
        events[at : at + 2] = [events[at + 1], events[at]]
        clock = {host: Clock(epoch="start") for host in {one.host for one in events}}
        header = msgspec.structs.replace(run.trace.header, clock=clock)
        found = scorer.found(header, renumbered(events))
        count.tell(run.trace.header.id, right=not found, why=str(found[:1]))
    return count


def times_within(scorer: Scorer, runs: Iterable[Simulation], chance: random.Random) -> Count:
    """Two of three times are only known to lie in an interval around the true one."""
    count = Count()
    for run in runs:
        for width in (3, 1_000, 2_000_000):
            lines = [
                msgspec.structs.replace(
                    one,
                    ts=None,
                    ts_lo=max(0, (one.ts or 0) - chance.randrange(width)),
                    ts_hi=(one.ts or 0) + chance.randrange(width),
                )
                if chance.randrange(3)
                else one
                for one in run.trace.events
            ]
            found = scorer.found(run.trace.header, renumbered(lines))
            count.tell(run.trace.header.id, right=not found, why=str(found[:1]))
    return count


def hosts_merged(
    scorer: Scorer, runs: Iterable[Simulation], chance: random.Random
) -> dict[str, Count]:
    """Lines of several hosts merged as a collector may: each host's own stay in order."""
    rows = {
        name: Count()
        for name in (
            "in another order",
            "one host after the other",
            "clocks apart",
            "clocks apart, one host after the other",
            "cut",
        )
    }
    for run in runs:
        events = [
            msgspec.structs.replace(one, host=str(one.res).partition("]")[0])
            for one in run.trace.events
        ]
        hosts = sorted({one.host for one in events})
        for name, count in rows.items():
            clock = {host: Clock(epoch="start") for host in hosts}
            order = [one.host for one in events]
            lines = events
            ending: Ending = "complete"
            match name:
                case "one host after the other":
                    order.sort(key=chance.sample(hosts, len(hosts)).index)
                case "clocks apart" | "clocks apart, one host after the other":
                    skews = {host: chance.choice([0, 5, 100_000, 2_000_000]) for host in hosts}
                    clock = {host: Clock(skew_us=skew) for host, skew in skews.items()}
                    off = {host: chance.randint(0, skew) for host, skew in skews.items()}
                    lines = [
                        msgspec.structs.replace(one, ts=(one.ts or 0) + off[one.host])
                        for one in events
                    ]
                    lines.sort(key=lambda one: one.ts or 0)
                    order = [one.host for one in lines]
                    if name != "clocks apart":
                        order.sort(key=chance.sample(hosts, len(hosts)).index)
                case _:
                    places = [at + 4 * chance.random() * chance.choice([0, 1])
                              for at in range(len(order))]  # fmt: skip
                    order = [host for _, host in sorted(zip(places, order, strict=True))]
            own = {host: iter([one for one in lines if one.host == host]) for host in hosts}
            merged = [next(own[host]) for host in order]
            if name == "cut":
                merged, ending = merged[: chance.randint(1, len(merged))], "truncated"
            header = msgspec.structs.replace(run.trace.header, clock=clock)
            report = scorer.report(header, renumbered(merged), ending=ending)
            found = [one for one in report.findings if one.verdict == "violated"]
            count.tell(run.trace.header.id, right=not found, why=str(found[:1]))
    return rows


# ---- several faults ------------------------------------------------------------------------------
def two_faults(scorer: Scorer, runs: Iterable[Simulation], chance: random.Random) -> Count:
    """Two faults far apart: both lines are reported."""
    count = Count()
    for run in runs:
        legal = renumbered(run.trace.events)
        scorer.oracle.judge(legal, keep=True)
        for _ in range(4):
            if len(legal) < 40:
                break
            one, other = (OPERATORS[chance.choice(("drop one", "duplicate", "return without call"))]
                          for _ in range(2))  # fmt: skip
            first, second = chance.randrange(2, 12), chance.randrange(30, len(legal) - 1)
            late = other(list(legal), second, chance)
            early = one(list(legal), first, chance)
            both = None if late is None else one(list(late), first, random.Random(0))
            if early is None or late is None or both is None:
                continue
            early = one(list(legal), first, random.Random(0)) or early
            wrongs = scorer.oracle.judge(renumbered(early)), scorer.oracle.judge(renumbered(late))
            if wrongs[0] is None or wrongs[1] is None or wrongs[1].at - wrongs[0].at < 20:
                continue
            wanted = {wrongs[0].at + FIRST_LINE, wrongs[1].at + FIRST_LINE + len(both) - len(late)}
            found = scorer.found(run.trace.header, renumbered(both))
            lines = {line for one in found for line in (one.line, *one.again)}
            why = f"lines {sorted(lines)}, planted {sorted(wanted)}"
            count.tell(run.trace.header.id, right=wanted <= lines, why=why)
    return count


# ---- faulty runtimes ---------------------------------------------------------------------------
def kill_seeds() -> dict[str, int]:
    """At which seed the kill matrix has each bug."""
    text = (ROOT / "docs" / "kill-matrix.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: int(row[3]) for row in rows[1:]}


def planted_bugs(most: int | None) -> Count:
    """The bugs of the kill matrix are caught at their seeds, each by a rule that it breaks."""
    seeds = kill_seeds()
    judge, count = spec_for(CLUSTER), Count()
    for bug in BUGS[:most]:
        kill = kill_at(bug, judge, seeds[bug.name])
        right = kill is not None and bool(set(kill.rules) & set(bug.rules))
        count.tell(bug.name, right=right, why=str(kill))
    return count


# ---- the same bytes ----------------------------------------------------------------------------
def same_bytes(recordings: Sequence[tuple[Header, Sequence[Event]]]) -> Count:
    """The output of `replay` under several hash seeds and numbers of workers."""
    count = Count()
    with TemporaryDirectory() as folder:
        for number, (header, events) in enumerate(recordings):
            path = Path(folder, f"{number}.jsonl")
            path.write_bytes(Trace(header, tuple(events)).encode())
        said: list[bytes] = []
        for jobs, seed in (("1", "0"), ("1", "1"), ("3", "2"), ("2", "random")):
            command = [sys.executable, "-m", "rhscheck", "replay", "--format", "json"]
            command += ["--jobs", jobs, *sorted(os.listdir(folder))]
            environment = {**os.environ, "PYTHONHASHSEED": seed}
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, check=False
            )
            said.append(done.stdout)
            right = bool(done.stdout) and done.stdout == said[0]
            count.tell(f"--jobs {jobs}, hash seed {seed}", right=right, why=str(done.stderr[-200:]))
    return count


def same_chunks(scorer: Scorer, recordings: Sequence[tuple[Header, Sequence[Event]]]) -> Count:
    """The report is the same however many lines arrive at once."""
    count = Count()
    for number, (header, events) in enumerate(recordings):
        reports = [scorer.report(header, events, chunk=size) for size in (0, 1, 7)]
        count.tell(f"recording {number}", right=reports[0] == reports[1] == reports[2])
    return count
