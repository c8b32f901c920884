"""A verification with hard limits: in a process of its own, ended when the time or memory is up.

The same for the report on time (`checker.slack`), with a limit of time.

Owns the supervision and what is left of a verification that was ended: the answers that it had sent
by then, and unknown for the rest. Without a limit nothing is started and nothing is paid. Knows
neither engines nor rendering.

The process is told to end by itself a little before the time is up, and usually does, with a report
of everything that was looked at. A solver or a search that does not listen is killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from rhscheck.checker.answer import Answer, Heard, Say, unheard
from rhscheck.checker.instances import DEFAULT_INSTANCES
from rhscheck.checker.paranoid import verify_paranoid
from rhscheck.checker.process import (
    ChildFailure,
    Crew,
    Done,
    Emit,
    Ended,
    Failed,
    Job,
    Sent,
    own_memory_mb,
)
from rhscheck.checker.slack import TimeReport, diagnose
from rhscheck.checker.slack import unfinished as nothing_known
from rhscheck.checker.verify import (
    Options,
    Report,
    require_options,
    task_of,
    unfinished,
    verify,
)
from rhscheck.spec.rules import AssumptionError
from rhscheck.spec.system import Rule, System

_JOB = f"{__name__}:work"
_SLACK_JOB = f"{__name__}:slack_work"
_KEPT = 0.97  # of the time; the rest is for starting the program and for the report
_TENTH = 0.1  # of the time, at most _MOST_S seconds, is left for ending in order
_MOST_S = 1.0
_SLACK = 1.04  # the children of the process obey its limit; it is ended where they could not


@dataclass(frozen=True, slots=True)
class Line:
    """Progress."""

    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, as soon as it is there."""

    rule: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class _Unusable:
    """The arguments of an AssumptionError: an error of the spec, no bug."""

    assumption: str
    transition: str | None
    reason: str


def run(system: System, options: Options, say: Say, began: float | None = None) -> Report:
    """`verify`, or the paranoid form of it, within the limits that `options` set.

    `began`: when the time began to run, by `time.monotonic`; None: now. Raises what `verify`
    raises, and ChildFailure for a bug in the process.
    """
    if options.timeout_s is None and options.memory_mb is None:
        return _answer(system, options, say)
    require_options(system, options)
    until, soft_end = None, None
    if options.timeout_s is not None:
        until, soft_end = _ends(options.timeout_s, began)
    found: dict[str, Answer] = {}
    reason = f"time-out after {options.timeout_s:g} s" if options.timeout_s is not None else ""
    hard_mb, inner = None, options
    if options.memory_mb is not None:
        hard_mb = options.memory_mb * _SLACK
        inner = replace(options, memory_mb=options.memory_mb - own_memory_mb())
    with Crew(hard_mb) as crew:
        crew.start("verify", Job(_JOB, (system, inner, soft_end)))
        for _, message in crew.messages(until):
            match message:
                case Sent(Line(text)):
                    say(text)
                case Sent(Found(rule, answer)):
                    found[rule] = answer
                case Done(Report() as report):
                    return replace(report, options=options)
                case Done(_Unusable(assumption, transition, why)):
                    raise AssumptionError(assumption, transition, why)
                case Failed():
                    raise ChildFailure("verify", message)
                case Ended(why):
                    reason = why
                case _:
                    raise AssertionError(f"the process says {message!r}")
    return unfinished(system, options, found, reason)


def time_report(
    system: System, options: Options, say: Say, began: float | None = None
) -> TimeReport:
    """`checker.slack.diagnose`, for `options.n` instances or two, within `options.timeout_s`.

    `began`, and what is raised: as for `run`.
    """
    n = options.n or DEFAULT_INSTANCES
    if options.timeout_s is None:
        return diagnose(task_of(system, options, say), n)
    require_options(system, options)
    until, soft_end = _ends(options.timeout_s, began)
    # Until the process has told more.
    rules = task_of(system, options).rules
    report = nothing_known(system, rules, f"time-out after {options.timeout_s:g} s")
    with Crew() as crew:
        crew.start("slack", Job(_SLACK_JOB, (system, options, soft_end)))
        for _, message in crew.messages(until):
            match message:
                case Sent(Line(text)):
                    say(text)
                case Sent(TimeReport() as told) | Done(TimeReport() as told):
                    report = told
                case Done(_Unusable(assumption, transition, why)):
                    raise AssumptionError(assumption, transition, why)
                case Failed():
                    raise ChildFailure("slack", message)
                case Ended(why):
                    report = nothing_known(system, rules, why)
                case _:
                    raise AssertionError(f"the process says {message!r}")
    return report


def slack_work(system: System, options: Options, soft_end: float, emit: Emit) -> object:
    """The job of the process of `time_report`: a TimeReport, or why the spec cannot be used."""
    soft = replace(options, left_s=max(0.001, soft_end - time.time()))
    try:
        task = task_of(system, soft, lambda line: emit(Line(line)))
        return diagnose(task, options.n or DEFAULT_INSTANCES, emit)
    except AssumptionError as error:
        return _Unusable(error.assumption, error.transition, error.reason)


def _ends(timeout_s: float, began: float | None) -> tuple[float, float]:
    """When the process is ended (`time.monotonic`), and when it should end itself (`time.time`).

    Processes agree about the second clock; an hour more or less costs a soft end, not a hard one.
    """
    began = time.monotonic() if began is None else began
    until = began + _KEPT * timeout_s
    left = max(0.001, until - time.monotonic() - min(_TENTH * timeout_s, _MOST_S))
    return until, time.time() + left


def work(system: System, options: Options, soft_end: float | None, emit: Emit) -> object:
    """The job of the process: a Report, or why the spec cannot be used."""

    def answered(rule: Rule, answer: Answer) -> None:
        emit(Found(rule.id, answer))

    left_s = None if soft_end is None else max(0.001, soft_end - time.time())
    soft = replace(options, left_s=left_s)
    try:
        return _answer(system, soft, lambda line: emit(Line(line)), answered)
    except AssumptionError as error:
        return _Unusable(error.assumption, error.transition, error.reason)


def _answer(system: System, options: Options, say: Say, answered: Heard = unheard) -> Report:
    if options.paranoid:
        return verify_paranoid(system, options, say, answered)
    return verify(system, options, say, answered)
