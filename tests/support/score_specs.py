"""Which changes of a spec its recordings notice: the spec operators of the scorecard.

Owns the recordings that changed specs are held against, and what each comes to. Legal runs notice
what is taken away or made stronger; illegal ones (edited runs that the right spec refuses, up to
the line where it does) notice what is added or made weaker. A mutant that neither tells from the
right spec may be proved to be the same; else it is asked for a run of its own, one that it allows
and the right spec does not. What is left is told with the reason.
"""

from __future__ import annotations

import copy
import functools
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

import msgspec
from replay_oracle import Oracle
from replay_scores import FIRST_LINE, Scorer
from score_corpora import Count, covering, line_of, taken_lines
from spec_edits import added_transitions, stronger_guards
from trace_mutants import OPERATORS, renumbered

from rhscheck import workers
from rhscheck.checker.answer import Task
from rhscheck.checker.budget import Budget
from rhscheck.checker.equivalence import Alike, alike
from rhscheck.checker.verify import DEFAULT_DEPTH, MAX_NODES
from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.ground import ground
from rhscheck.spec.load import load, load_source
from rhscheck.spec.mutants import Mutant, mutants, mutated
from rhscheck.spec.parse import parse
from rhscheck.spec.rules import AssumptionError
from rhscheck.spec.system import Assert, Observe, Scenario, System, Wait
from rhscheck.traces.alignment import MOST_EDITS, MOST_TIES, Aligner
from rhscheck.traces.edits import Alignment, SeenLine
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.follow import Follower
from rhscheck.traces.format import Event, Finish, Header
from rhscheck.traces.judge import Judge
from rhscheck.traces.mapping import Recorder, simulated_header
from rhscheck.traces.possible import Possibilities
from rhscheck.traces.report import Finding
from rhscheck.traces.simulate import Simulation, simulate

Told = frozenset[tuple[int, str | None, str | None, str | None]]
Recording = tuple[Header, list[Event]]
Fate = Literal["refused", "verdict", "report", "equivalent", "own run", "left"]

TOLD: tuple[Fate, ...] = ("verdict", "report")
ALIKE: tuple[Fate, ...] = ("refused", "equivalent")

# The operators of the notes by what `spec.mutants` and `spec_edits` call theirs.
GROUPS: dict[str, tuple[str, ...]] = {
    "a transition less": ("drop-transition", "drop-event", "drop-alternative", "drop-then"),
    "a transition more": ("add-transition",),
    "a guard stronger": ("strengthen-guard",),
    "a guard weaker or another": ("drop-guard", "drop-operand", "drop-not", "invert"),
    "another time": ("double-time", "halve-time", "drop-timeout", "drop-restart", "drop-deadline"),
    "another target": ("retarget", "drop-target", "move-initial"),
    "another effect": (
        "change-effect",
        "drop-effect",
        "change-initial",
        "drop-sync",
        "drop-resets",
    ),
    "an exclusion less": ("drop-member",),
    "an assumption less": ("drop-assume",),
    "another actor": ("swap-actor",),
    "fairness": ("drop-fairness",),
}
EXCLUSION = re.compile(r"\bslot\b|\bquiet\b|\bfree\(|\binflight\(")


@dataclass
class Fates:
    """How many mutants came to what; `left` and `report` are told by name, with the reason."""

    counts: dict[Fate, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def tell(self, mutant: Mutant, fate: Fate, reason: str) -> None:
        """One more."""
        self.counts[fate] = self.counts.get(fate, 0) + 1
        if fate in ("report", "own run", "left"):
            self.reasons[mutant.id] = f"{fate}: {reason}"


def told_of(rows: Iterable[Fates]) -> tuple[int, int]:
    """How many the recordings tell from the right spec, of those that are specs and another."""
    told = counted = 0
    for one in rows:
        told += sum(one.counts.get(fate, 0) for fate in TOLD)
        counted += sum(one.counts.values()) - sum(one.counts.get(fate, 0) for fate in ALIKE)
    return told, counted


def group_of(mutant: Mutant) -> str:
    """The operator of the notes that a mutant is of."""
    if " assume " in mutant.id:
        return "an assumption less"
    guards = GROUPS["a guard weaker or another"]
    if mutant.operator in guards and EXCLUSION.search(mutant.id):
        return "an exclusion less"
    return next(name for name, operators in GROUPS.items() if mutant.operator in operators)


def every_mutant() -> dict[str, list[Mutant]]:
    """All mutants of `rhs` by group."""
    source = load("rhs").sources[0]
    tree = parse(source)
    found: dict[str, list[Mutant]] = {name: [] for name in GROUPS}
    made = (
        *mutants(source, tree),
        *added_transitions(source, tree),
        *stronger_guards(source, tree),
    )
    for one in made:
        found[group_of(one)].append(one)
    return found


def spec_mutants(each: int, jobs: int) -> dict[str, Fates]:
    """At most `each` mutants of every group, spread over the text."""
    rows = {name: Fates() for name in GROUPS}
    picked = []
    for name, every in every_mutant().items():
        random.Random(name).shuffle(every)
        picked += [(name, one) for one in every[:each]]
    fates = workers.each(judged, [one for _, one in picked], jobs)
    for (name, mutant), (fate, reason) in zip(picked, fates, strict=True):
        rows[name].tell(mutant, fate, reason)
    return rows


# ---- the recordings ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Corpus:
    """`legal` recordings; `illegal` ones, with what the right spec tells of them."""

    system: System
    engine: Engine
    task: Task
    legal: tuple[Recording, ...]
    illegal: tuple[tuple[Recording, Told], ...]


@functools.cache
def corpus() -> Corpus:
    """One a process."""
    system = load("rhs").system
    engine = Engine(system, Setting())
    runs = [one.trace for one in covering(system, 60, 60)[0]]
    runs += [simulate(system, 1, seed, 30).trace for seed in range(200, 212)]
    legal = [scenario_run(system, one) for one in system.scenarios if one.allowed]
    legal += [(one.header, renumbered(one.events)) for one in runs]
    illegal = [scenario_run(system, one) for one in system.scenarios if not one.allowed]
    illegal += _edited(system)
    for recording in legal:
        assert not _violated(system, engine, recording), recording[0].id
    told = [(one, _told(_violated(system, engine, one))) for one in illegal]
    assert all(found for _, found in told)
    return Corpus(system, engine, _task(system), tuple(legal), tuple(told))


def scenario_run(system: System, scenario: Scenario) -> Recording:
    """The recording of a run that goes as the scenario says: the last line may be wrong."""
    world, now = ground(system, scenario.n), Fraction(0)
    recorder, events = Recorder(world), []
    for step in scenario.steps:
        match step:
            case Wait(duration=duration):
                now += duration
            case Observe(label=label):
                like = (one for one in world.transitions if one.label == label)
                event = recorder.record(now, next(like))
                assert event is not None, scenario.id
                events.append(event)
            case Assert():
                pass
    header = simulated_header(system, scenario.n, 0, "")
    return msgspec.structs.replace(header, id=scenario.id), renumbered(events)


def _edited(system: System) -> Iterator[Recording]:
    """Edited runs of one resource, each up to the line that the oracle refuses."""
    oracle = Oracle(system, 1)
    for seed in range(12):
        trace = simulate(system, 1, seed, 30).trace
        events, chance = renumbered(trace.events), random.Random(seed)
        oracle.judge(events, keep=True)
        for name, edit in OPERATORS.items():
            edited = None if name == "wrong call id" else edit(
                list(events), chance.randrange(len(events)), chance
            )  # fmt: skip
            wrong = None if edited is None else oracle.judge(renumbered(edited))
            if edited is None or wrong is None:
                continue
            yield trace.header, renumbered(edited[: wrong.at + 1])


def _task(system: System) -> Task:
    return Task(
        system, (), system.assumptions, None, DEFAULT_DEPTH, MAX_NODES, Budget(60.0), lambda _: None
    )


def _violated(
    system: System, engine: Engine, recording: Recording, *, whole: bool = True
) -> list[Finding]:
    """What the replayer is sure of; `whole` false: the first that it is sure of."""
    header, events = recording
    judge = Judge(system, msgspec.structs.replace(header, spec_sha256="", params={}), engine=engine)
    judge._all.inspector.repairs.aligner = NoRepair(engine)
    for line, event in enumerate(events, FIRST_LINE):
        judge.feed(line, event)
        if not whole and any(one.verdict == "violated" for one in judge.findings):
            break
    judge._all.sweep(at_end=True)  # verdicts on every rule are not needed: `finish` makes them
    return [one for one in judge.findings if one.verdict == "violated"]


class NoRepair(Aligner):
    """Nobody asks here how a fault may be repaired."""

    def align(
        self,
        starts: Sequence[Follower],
        lines: Sequence[SeenLine],
        *,
        most_edits: int = MOST_EDITS,
        ties: int = MOST_TIES,
    ) -> Alignment:
        """None is looked for."""
        return Alignment(None, complete=False)


def _told(found: Sequence[Finding]) -> Told:
    return frozenset((one.line, one.rule, one.actor, one.resource) for one in found)


# ---- one mutant ----------------------------------------------------------------------------------
def judged(mutant: Mutant) -> tuple[Fate, str]:
    """What becomes of a mutant, and why."""
    known = corpus()
    try:
        system = load_source(mutated(load("rhs").sources[0], mutant)).system
        engine = Engine(system, Setting())
    except (SpecErrors, AssumptionError, ValueError) as error:
        return "refused", str(error).partition("\n")[0]
    for recording in known.legal:
        if _violated(system, engine, recording, whole=False):
            return "verdict", "a legal recording is accused"
    report = ""
    for recording, told in known.illegal:
        now = _told(_violated(system, engine, recording))
        if not now:
            return "verdict", "an illegal recording is not accused"
        if now != told and not report:
            report = f"{_text(told)} is told as {_text(now)}"
    if mutant.operator == "drop-fairness":
        return "left", "no recording that ends shows what is fair"
    compared = alike(known.task.weave([]), _task(system).weave([]))
    if isinstance(compared, Alike):
        return "equivalent", compared.argument
    own = _own_run(system, engine)
    if own == "verdict":
        return "own run", f"seen in none of the recordings; {compared.reason}"
    if report:
        return "report", report
    return "left", f"{own}; {compared.reason}" if own else compared.reason


def _text(told: Told) -> str:
    found = sorted({f"{rule or 'the event'} by {actor}" for _, rule, actor, _ in told})
    return ", ".join(found) or "nothing"


def _own_run(system: System, engine: Engine) -> str:
    """Whether runs of the mutant, or others of the right spec, tell them apart; "verdict": yes."""
    known, said = corpus(), ""
    for seed in range(300, 312):
        for makes, holds, judge in (
            (system, known.system, known.engine),
            (known.system, system, engine),
        ):
            try:
                trace = simulate(makes, 1, seed, 40).trace
            except ValueError:
                continue
            recording = trace.header, renumbered(trace.events)
            if not _violated(holds, judge, recording, whole=False):
                continue
            back = (system, engine) if makes is system else (known.system, known.engine)
            if not _violated(*back, recording, whole=False):
                return "verdict"
            said = "a rule of the spec refuses the same runs"
    return said


# ---- lines left out ------------------------------------------------------------------------------
def undefended(
    scorer: Scorer, runs: Sequence[Simulation], tries: int, most: int | None
) -> tuple[Count, list[str]]:
    """Lines of the spec left out one at a time: does some legal run become wrong?

    The second result: the lines that no run takes, which no run can defend.
    """
    system = scorer.system
    engine = Engine(system, Setting())
    users: dict[str, list[Simulation]] = {}
    for run in runs:
        for key in taken_lines(run):
            users.setdefault(key, []).append(run)
    count = Count()
    every = dict.fromkeys(line_of(one.key) for one in system.transitions)
    free = [key for key in every if key not in users]
    for key in [key for key in every if key in users][:most]:
        steps = enumerate(engine.world.ground.transitions)
        gone = {at for at, one in steps if line_of(one.template.key) == key}
        other = _without(engine, gone)
        killed = False
        for run in users[key][:tries]:
            judge = Judge(system, run.trace.header, engine=other)
            judge.feed_all(FIRST_LINE, renumbered(run.trace.events, ids=True))
            report = judge.finish(Finish("complete", 0, len(run.trace.events), ""))
            killed = any(one.verdict == "violated" for one in report.findings)
            if killed:
                break
        count.tell(key, right=killed)
    return count, free


def _without(engine: Engine, gone: set[int]) -> Engine:
    """The engine of a spec without these transitions; what was compiled is used again."""
    world = engine.world
    steps = {
        label: tuple(at for at in positions if at not in gone)
        for label, positions in world.steps.items()
    }
    hidden = tuple(at for at in world.hidden if at not in gone)
    other = copy.copy(engine)
    other.world = replace(world, steps=steps, hidden=hidden)
    other.places = copy.copy(engine.places)
    other.places.hidden = hidden
    other.sets = Possibilities(other.places)
    return other
