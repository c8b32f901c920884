"""Simulated runs of a cluster held against the spec: the first that breaks a rule, made small.

Owns the loop over seeds, who judges (the light watch while a run happens, then the replayer over
the whole of it), and what counts as a violation. The runtime in `tracer` never sees the spec; this
module hands it a function that complains. It prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rhscheck import api
from rhscheck.hosted_runs import HostJudge
from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.faults import Fault, FaultPlan, plan_for
from rhscheck.tracer.recording import header
from rhscheck.tracer.rule_watch import RuleWatch
from rhscheck.tracer.shrink import Case, Shrunk, shrink
from rhscheck.tracer.simulator import Cores, Options, Run, simulate
from rhscheck.traces.format import EventLine, Finish, Header, Loaded, Trace
from rhscheck.traces.report import Finding, TraceReport

Verdict = Literal["conforms", "unbroken", "plug-in", "undecided", "violated"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to simulate. `faults`: these instead of the seed's own; `by_spec` false: watch only."""

    configuration: ClusterConfiguration
    options: Options = field(default_factory=Options)
    faults: tuple[Fault, ...] | None = None
    promises_kept: bool = True
    by_spec: bool = True
    cores: Cores = field(default_factory=Cores)


@dataclass(frozen=True, slots=True)
class Judged:
    """A run and what is said about it.

    "undecided": some part could not be judged, or the run was cut short by its number of events.
    "unbroken": none of the few rules of the watch is broken, and nothing else was judged.
    "plug-in": only promises of the plug-in are broken, which its faults do. `report`: the
    replayer's, None where only the watch judged. `rules`: what is violated, as both name it, not
    counting the plug-in's doing; `(event)` for an event that the spec does not allow.
    """

    run: Run
    trace: Trace
    report: TraceReport | None
    verdict: Verdict
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """The first violating run, and the smallest that still shows one of the same rules."""

    found: Judged
    shrunk: Shrunk
    judged: Judged


@dataclass(frozen=True, slots=True)
class Search:
    """What a range of seeds showed. Times in microseconds of virtual time.

    `missed`: those of the wanted faults that struck in no run, because there was no such call.
    `interrupted`: somebody had enough of it; the seeds so far, or the shrinking, are what there is.
    """

    runs: int
    events: int
    steps: int
    virtual_us: int
    verdicts: tuple[tuple[Verdict, int], ...]
    violation: Violation | None
    last: Judged
    missed: tuple[Fault, ...] = ()
    interrupted: bool = False


def spec_for(configuration: ClusterConfiguration) -> HostJudge:
    """Who judges runs of this cluster: the shipped spec with the times of the cluster."""
    made = _header(configuration, 0)
    times = {name: f"{value}us" for name, value in made.params.items() if isinstance(value, int)}
    return HostJudge(api.load("rhs", times).system)


def _header(configuration: ClusterConfiguration, seed: int) -> Header:
    return header(
        configuration,
        source="sim",
        identity=f"simulated-{seed}",
        tool=f"rhscheck {api.version()}",
        seed=seed,
    )


def case_of(wanted: Wanted, seed: int) -> Case:
    """All that the run of this seed follows from."""
    names = [one.name for one in wanted.configuration.resources]
    plan = (
        plan_for(seed, names, promises_kept=wanted.promises_kept)
        if wanted.faults is None
        else FaultPlan(wanted.faults)
    )
    return Case(wanted.configuration, plan, wanted.options)


def judge_seed(wanted: Wanted, spec: HostJudge | None, seed: int, case: Case) -> Judged:
    """Simulate one case and judge it. `spec` None: the watch alone."""
    run = simulate(
        case.configuration,
        seed,
        case.plan,
        case.options,
        cores=wanted.cores,
        judge=RuleWatch(case.configuration),
    )
    trace = Trace(_header(case.configuration, seed), run.events)
    report = None if spec is None else _replayed(spec, trace, f"seed {seed}")
    ours = [] if run.complaint is None else [run.complaint.partition(":")[0]]
    theirs = [] if report is None else [_rule(one) for one in _host_findings(report)]
    rules = tuple(dict.fromkeys([*theirs, *ours]))
    verdict = _verdict(report, rules)
    if verdict in ("conforms", "unbroken") and not run.finished:
        verdict = "undecided"
    return Judged(run, trace, report, verdict, rules)


def _replayed(spec: HostJudge, trace: Trace, name: str) -> TraceReport:
    """What the replayer says, without a detour through a file. The header is line 1."""
    lines = tuple(EventLine(at, event) for at, event in enumerate(trace.events, 2))
    finish = Finish("complete", len(lines) + 2, len(lines), "")
    return spec.report(Loaded(trace.header, lines, (), (), finish), name)


def _host_findings(report: TraceReport) -> list[Finding]:
    return [one for one in report.findings if one.verdict == "violated" and one.actor != "DLL"]


def _rule(finding: Finding) -> str:
    return finding.rule or "(event)"


def _verdict(report: TraceReport | None, rules: Sequence[str]) -> Verdict:
    if rules:
        return "violated"
    if report is None:
        return "unbroken"
    if report.verdict in ("conforms", "conforms-so-far"):
        return "conforms"
    return "plug-in" if report.verdict == "violated" else "undecided"


def search(wanted: Wanted, seeds: range, say: Callable[[str], None]) -> Search:
    """Simulate the seeds in order up to the first violation, and shrink that.

    `say` is told what is going on. Raises ValueError for an empty range, KeyboardInterrupt if that
    came before anything was judged; after that it ends the search.
    """
    spec = spec_for(wanted.configuration) if wanted.by_spec else None
    runs = events = steps = virtual_us = 0
    verdicts: dict[Verdict, int] = {}
    violation = last = None
    interrupted = False
    struck: set[Fault] = set()
    for seed in seeds:
        say(f"simulate: seed {seed}" + (f" of {seeds[-1]}" if len(seeds) > 1 else ""))
        case = case_of(wanted, seed)
        try:
            last = judge_seed(wanted, spec, seed, case)
        except KeyboardInterrupt:
            if last is None:
                raise
            interrupted = True
            break
        runs += 1
        struck.update(last.run.struck)
        events += len(last.run.events)
        steps += last.run.steps
        virtual_us += last.run.ended_us
        verdicts[last.verdict] = verdicts.get(last.verdict, 0) + 1
        if last.verdict == "violated":
            violation, interrupted = _shrunk(wanted, spec, seed, case, last, say)
            break
    if last is None:
        raise ValueError("there is no seed to run")
    missed = tuple(one for one in wanted.faults or () if one not in struck)
    counts = tuple(verdicts.items())
    return Search(runs, events, steps, virtual_us, counts, violation, last, missed, interrupted)


def _shrunk(
    wanted: Wanted,
    spec: HostJudge | None,
    seed: int,
    case: Case,
    found: Judged,
    say: Callable[[str], None],
) -> tuple[Violation, bool]:
    """The violation with its smallest case; smaller ones have to break one of the same rules.

    And whether the search for that was interrupted.
    """
    latest, smallest = found, case
    tried = 0

    def attempt(smaller: Case) -> Run | None:
        nonlocal latest, smallest, tried
        tried += 1
        say(f"simulate: seed {seed} breaks {', '.join(found.rules)}; shrinking, run {tried}")
        judged = judge_seed(wanted, spec, seed, smaller)
        if not set(judged.rules) & set(found.rules):
            return None
        latest, smallest = judged, smaller
        return judged.run

    try:
        return Violation(found, shrink(case, found.run, attempt), latest), False
    except KeyboardInterrupt:
        return Violation(found, Shrunk(smallest, latest.run, tried), latest), True
