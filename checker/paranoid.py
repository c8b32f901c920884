"""Every engine on every rule, and plain enumeration, and all answers against each other.

Owns what counts as a contradiction. Two engines that contradict each other are a bug in rhscheck,
whoever is right: `Disagreement`, with what each of them said. Plain enumeration is the referee: all
variables, all clocks, no abstraction, no solver.

What is compared, at N=1 and 2 (or the one N asked for) and for every N: a run to a rule's goal
against a proof or a bound that leaves no room for it, and lengths of shortest runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rhscheck.checker.answer import Heard, Say
from rhscheck.checker.explore import explore
from rhscheck.checker.model import Model
from rhscheck.checker.process import ChildFailure, Crew, Done, Emit, Ended, Failed, Job, Sent
from rhscheck.checker.verdict import (
    BoundedUpTo,
    Impossible,
    ProvedFor,
    ProvedForEvery,
    Result,
    Unknown,
    Violated,
    Witnessed,
    steps,
)
from rhscheck.checker.verify import ENGINES, Options, Report, verify
from rhscheck.spec.system import LeadsTo, System

ENUMERATION = "enumeration"
_NUMBERS = (1, 2)
_MOST_NODES = 200_000  # of plain enumeration


@dataclass(frozen=True, slots=True)
class Reached:
    """`engine` has a run of `length` steps to the goal of `rule` with `n` instances, the shortest.

    `length` None: a run that never ends.
    """

    engine: str
    rule: str
    n: int
    length: int | None

    def __str__(self) -> str:
        long = "a run that never ends" if self.length is None else steps(self.length)
        return f"{self.engine}: {self.rule} is reached for N={self.n} in {long}"


@dataclass(frozen=True, slots=True)
class Excluded:
    """`engine` says that no run reaches the goal of `rule`.

    `n` None: for any number of instances; `depth` None: however long.
    """

    engine: str
    rule: str
    n: int | None
    depth: int | None

    def __str__(self) -> str:
        where = "every N" if self.n is None else f"N={self.n}"
        far = "" if self.depth is None else f" in up to {steps(self.depth)}"
        return f"{self.engine}: {self.rule} is excluded for {where}{far}"


Fact = Reached | Excluded


class Disagreement(Exception):  # noqa: N818 - it is a bug in rhscheck, no error of the user
    """Engines contradict each other. `contradictions` are pairs of what they say."""

    def __init__(self, contradictions: Sequence[tuple[Fact, Fact]]) -> None:
        one, other = contradictions[0]
        super().__init__(f"engines disagree: {one}; {other}")
        self.contradictions = "\n".join(f"{one}\n  but {other}" for one, other in contradictions)


def contradictions(facts: Sequence[Fact]) -> Iterator[tuple[Fact, Fact]]:
    """Every pair of facts that cannot both be true."""
    for at, one in enumerate(facts):
        for other in facts[at + 1 :]:
            if one.rule == other.rule and _contradict(one, other):
                yield one, other


def _contradict(one: Fact, other: Fact) -> bool:
    match one, other:
        case Reached(_, _, n, length), Reached(_, _, m, other_length):
            return n == m and length != other_length
        case (Reached(_, _, n, length), Excluded(_, _, m, depth)) | (
            Excluded(_, _, m, depth),
            Reached(_, _, n, length),
        ):
            far = depth is None or (length is not None and length <= depth)
            return m in (None, n) and far
        case _:
            return False


def facts_of(results: Sequence[Result]) -> Iterator[Fact]:
    """What verdicts say, as facts."""
    for one in results:
        engine, rule = one.engine or "nobody", one.rule.id
        match one.verdict:
            case ProvedForEvery():
                yield Excluded(engine, rule, None, None)
            case ProvedFor() | Impossible():
                yield Excluded(engine, rule, one.verdict.n, None)
            case BoundedUpTo(depth, n):
                yield Excluded(engine, rule, n, depth)
            case Violated(n, length, evidence) | Witnessed(n, length, evidence):
                yield Reached(engine, rule, n, None if evidence.loop is not None else length)
            case Unknown():
                pass


# ---- the comparison ------------------------------------------------------------------------------
def verify_paranoid(system: System, options: Options, say: Say, answered: Heard) -> Report:
    """`verify`, and beside it every engine and plain enumeration. Raises Disagreement.

    Each result's notes say who agreed; what an engine could not answer contradicts nobody.
    """
    report = verify(system, replace(options, paranoid=False, thorough=True), say, answered)
    facts = list(facts_of(report.results))
    numbers = _NUMBERS if options.n is None else (options.n,)
    if not system.parametric:
        numbers = (1,)
    rules = tuple(dict.fromkeys(result.rule.id for result in report.results))
    asked = replace(
        options, rules=rules, findings=False, protection=False, paranoid=False, certificate=False,
        jobs=1, memory_mb=None,
    )  # fmt: skip
    jobs: list[tuple[str, Job]] = [
        (engine, Job(f"{__name__}:one_engine", (system, replace(asked, engine=engine, n=n))))
        for engine in ENGINES
        for n in (options.n, *numbers)
    ]
    jobs = list(dict.fromkeys(jobs))
    jobs += [(ENUMERATION, Job(f"{__name__}:plain_enumeration", (system, asked, numbers)))]
    unheard: list[str] = []
    if rules:
        heard, unheard = _all(jobs, max(1, options.jobs), options.memory_mb, say)
        facts += heard
    found = list(contradictions(facts))
    if found:
        raise Disagreement(found)
    noted = tuple(replace(one, notes=(*one.notes, _agreed(one, facts))) for one in report.results)
    noted = tuple(replace(one, notes=(*one.notes, *unheard)) for one in noted)
    return replace(report, results=noted, options=options)


def _agreed(result: Result, facts: Sequence[Fact]) -> str:
    own = [fact for fact in facts if fact.rule == result.rule.id]
    engines = list(dict.fromkeys(fact.engine for fact in own))
    return f"all engines were asked; {', '.join(engines) or 'none'} answered, and nobody disagrees"


def _all(
    jobs: Sequence[tuple[str, Job]], at_once: int, memory_mb: float | None, say: Say
) -> tuple[list[Fact], list[str]]:
    """The facts that the jobs find, in the order of the jobs, and who could not finish."""
    waiting = list(enumerate(jobs))
    found: list[list[Fact]] = [[] for _ in jobs]
    unheard: list[str] = []
    with Crew(memory_mb) as crew:
        at: dict[int, int] = {}

        def start() -> None:
            while waiting and len(at) < at_once:
                number, (name, job) = waiting.pop(0)
                at[id(crew.start(name, job))] = number

        start()
        for child, message in crew.messages():
            match message:
                case Sent(str() as line):
                    say(f"{child.name}: {line}")
                case Sent(Reached() | Excluded() as fact):
                    found[at[id(child)]].append(fact)
                case Failed():
                    raise ChildFailure(child.name, message)
                case Done():
                    del at[id(child)]
                case Ended(reason):
                    del at[id(child)]
                    unheard.append(f"{child.name} did not finish: {reason}")
                case _:
                    raise AssertionError(f"{child.name} says {message!r}")
            start()
    return [fact for facts in found for fact in facts], unheard


def one_engine(system: System, options: Options, emit: Emit) -> None:
    """The job of a process: what one engine says."""
    for fact in facts_of(verify(system, options, emit).results):
        emit(fact)


def plain_enumeration(
    system: System, options: Options, numbers: tuple[int, ...], emit: Emit
) -> None:
    """The job of a process: every state, with all clocks, no abstraction."""
    wanted = set(options.rules)
    assumptions = [one for one in system.assumptions if one.id not in options.without]
    for rule in system.rules:
        if rule.id not in wanted or isinstance(rule.obligation, LeadsTo):
            continue
        model = Model(system, [rule], assumptions)
        if rule.id not in model.bad:
            continue
        for n in numbers:
            emit(f"{rule.id}: enumeration, N={n}")
            at = model.ground(n)
            seen = explore(
                at,
                {rule.id: model.formula(rule.id, n)},
                tracked=range(len(at.clocks)),
                stop_when_all_found=True,
                limit=_MOST_NODES,
            )
            node = seen.found.get(rule.id)
            if node is not None:
                emit(Reached(ENUMERATION, rule.id, n, len(seen.path(node)[1])))
            elif seen.complete:
                emit(Excluded(ENUMERATION, rule.id, n, None))
            else:
                emit(Excluded(ENUMERATION, rule.id, n, seen.depth))
