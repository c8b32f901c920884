"""What every engine says about one rule of one System, and the referees beside them.

Owns asking all of them the same question: each engine through `verify`, plain enumeration, random
runs judged by `rule_oracle`, regions judged by `liveness_referee`, and the replayer on recorded
runs. Whoever contradicts another is a bug; who has no answer contradicts nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import pytest
from liveness_referee import Referee, TooLarge
from random_systems import random_run
from rule_oracle import Moment, broken, moments

from rhscheck.checker import provers
from rhscheck.checker.paranoid import (
    Excluded,
    Fact,
    Reached,
    contradictions,
    facts_of,
    plain_enumeration,
)
from rhscheck.checker.process import Ended
from rhscheck.checker.verify import ENGINES, Options, verify
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.obligations import UnweavableError
from rhscheck.spec.rules import AssumptionError, weave
from rhscheck.spec.semantics import Run
from rhscheck.spec.system import Can, LeadsTo, Rule, System
from rhscheck.traces.format import Trace, load_trace
from rhscheck.traces.mapping import Recorder, simulated_header
from rhscheck.traces.replay import replay
from rhscheck.traces.report import TraceReport

NUMBERS = (1, 2)
RUN_STEPS = 8
ANSWER_S = 2.0  # of an engine; who takes longer has no answer


def silent(_value: object) -> None:
    """Nobody listens."""


def asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spacer and k-induction answer in this process: starting one costs more than a small question.

    That they are ended in time is tested elsewhere; here their own, soft time-out has to do.
    """

    def ask(name: str, function: str, question: provers.Question) -> object | Ended:
        soft = replace(question, timeout_s=min(question.timeout_s or ANSWER_S, ANSWER_S))
        answers = {"run_spacer": provers.run_spacer, "run_induction": provers.run_induction}
        return answers[function](soft, silent)

    monkeypatch.setattr(provers, "_ask", ask)


# ---- facts -----------------------------------------------------------------------------------
def engine_facts(system: System, engines: Sequence[str | None] = (None, *ENGINES)) -> list[Fact]:
    """What each engine says at N=1 and 2 and for every N; None is the pipeline as it comes."""
    found: list[Fact] = []
    for engine in engines:
        for n in (None, *NUMBERS):
            options = Options(
                engine=engine, n=n, depth=RUN_STEPS, findings=False, timeout_s=3 * ANSWER_S
            )
            found += [
                replace(fact, engine=f"{engine or 'verify'}:{fact.engine}")
                for fact in facts_of(verify(system, options).results)
            ]
    return list(dict.fromkeys(found))


def enumerated(system: System) -> list[Fact]:
    """What plain enumeration says: all variables, all clocks."""
    found: list[Fact] = []

    def hear(value: object) -> None:
        if isinstance(value, Reached | Excluded):
            found.append(value)

    options = Options(rules=tuple(rule.id for rule in system.rules))
    plain_enumeration(system, options, NUMBERS, hear)
    return found


def runs(at: Ground, seeds: Sequence[int]) -> Iterator[tuple[Run, list[Moment]]]:
    """Random legal runs of the System itself."""
    for seed in seeds:
        run = random_run(at, seed, RUN_STEPS)
        if run is not None:
            yield run, moments(at, run)


def walked(system: System, rule: Rule, seeds: Sequence[int]) -> list[Fact]:
    """The goals that random runs reach, judged from the definition; lengths are no shortest ones.

    A length more than any engine looks at, so that it contradicts proofs alone.
    """
    obligation = rule.obligation
    assert not isinstance(obligation, LeadsTo)
    found: list[Fact] = []
    for n in (*NUMBERS, 3):
        at = ground(weave(system, (), system.assumptions).system, n)
        for _, seen in runs(at, seeds):
            if any(
                broken(at, rule.params, obligation, seen, k, distinct=rule.distinct)
                for k in range(len(seen))
            ):
                found.append(Reached("a random run", rule.id, n, None))
                break
    return found


def disagreements(facts: Sequence[Fact]) -> str:
    """The pairs that contradict each other, as text; empty where there is none.

    What is only known to be reached says nothing about the length of the shortest run.
    """

    def matters(one: Fact, other: Fact) -> bool:
        loose = [fact for fact in (one, other) if isinstance(fact, Reached) and fact.length is None]
        return not (loose and isinstance(one, Reached) and isinstance(other, Reached))

    return "\n".join(
        f"{one}\n  but {other}" for one, other in contradictions(facts) if matters(one, other)
    )


def safety(system: System, rule: Rule, seeds: Sequence[int]) -> str:
    """Who disagrees about `rule`, no `leads to`; nobody where it cannot be woven in."""
    posed = replace(system, rules=(rule,))
    try:
        woven = weave(posed, [rule], posed.assumptions)
    except AssumptionError:
        return ""
    if rule.id not in woven.bad:
        return ""
    facts = [*engine_facts(posed), *enumerated(posed), *walked(posed, rule, seeds)]
    return disagreements(facts)


# ---- liveness ------------------------------------------------------------------------------------
def liveness(system: System, rule: Rule, regions: int) -> str:
    """Who disagrees about `rule`, a `leads to`, with brute force over regions."""
    posed = replace(system, rules=(rule,))
    engines = (None, "local", "zones", "kliveness")
    facts = engine_facts(posed, engines)
    for n in (*NUMBERS, 3):
        try:
            endless = Referee(ground(posed, n), rule, regions).broken()
        except (UnweavableError, TooLarge):
            continue
        judged = Reached if endless else Excluded
        facts.append(judged("regions", rule.id, n, None))
    return disagreements(facts)


# ---- replay --------------------------------------------------------------------------------------
def replayed(system: System, at: Ground, run: Run) -> TraceReport:
    """The replayer's verdict on `run`, recorded whole."""
    recorder = Recorder(at)
    time = Fraction(0)
    events = []
    for step in run.steps:
        time += Fraction(step.delay)
        if step.transition is not None:
            event = recorder.record(time, at.transitions[step.transition])
            if event is not None:
                events.append(event)
    trace = Trace(simulated_header(system, at.n, 0, "agreement"), tuple(events))
    return replay(system, load_trace(BytesIO(trace.encode())), file="t.jsonl")


def recorded(system: System, rule: Rule, n: int, seeds: Sequence[int]) -> str:
    """Where the replayer and the definition of `rule` judge random runs differently.

    Not for rules about what comes before or after a *state*: no spec can say them. Time after the
    last event leaves no line, so runs end with their last event.
    """
    posed = replace(system, rules=(rule,))
    obligation = rule.obligation
    assert not isinstance(obligation, LeadsTo | Can)
    at = ground(weave(posed, (), posed.assumptions).system, n)
    found: list[str] = []
    for run, _ in runs(at, seeds):
        steps = run.steps[:-1] if run.steps and run.steps[-1].transition is None else run.steps
        whole = Run(run.initial, steps)
        seen = moments(at, whole)
        wrong = any(
            broken(at, rule.params, obligation, seen, k, distinct=rule.distinct)
            for k in range(len(seen))
        )
        report = replayed(posed, at, whole)
        said = dict(report.rules)[rule.id]
        if said == "violated" and not wrong:
            found.append(f"replay accuses {rule.id} of a run that keeps it: {whole}")
        if said in ("conforms", "conforms-so-far") and wrong:
            found.append(f"replay says {said} of a run that breaks {rule.id}: {whole}")
        if any(one.rule is None for one in report.findings):
            found.append(f"replay refuses a legal run: {whole}: {report.findings}")
    return "\n".join(found)
