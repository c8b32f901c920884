"""What a spec says about the lines of a log that may lack some, case by case.

Owns how verdicts on a log follow from opinions on its cases, and what an audit needs to know of a
spec beside them. It compiles nothing: opinions come from `audit.judge`, or from an earlier run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count

import msgspec

from rhscheck.traces.audit.cases import STEPS
from rhscheck.traces.audit.model import Case
from rhscheck.traces.audit.report import Judgement, ResourceVerdict
from rhscheck.traces.report import Finding, RuleVerdict

_UNSEEN: RuleVerdict = "not-observable"


class Duty(msgspec.Struct, frozen=True):
    """A rule or an assumption: `base` is the name it was written by."""

    id: str
    base: str
    sentence: str


class SpecSummary(msgspec.Struct, frozen=True):
    """What an audit needs to know of a spec.

    `labels`: kinds and names of its events; `times_us`: its constants that are times; `codes`: by
    entry point the results' codes that mean something of their own, others mean all the same.
    """

    name: str
    duties: tuple[Duty, ...]
    labels: frozenset[tuple[str, str]]
    times_us: dict[str, int]
    codes: dict[str, tuple[int, ...]]

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of all rules and assumptions."""
        return tuple(one.id for one in self.duties)


def speaks_of(case: Case, labels: frozenset[tuple[str, str]]) -> bool:
    """Whether the spec has an event of that name at all; with another, the log is not about it."""
    return any((kind, case[1]) in labels for kind in STEPS[case[0]])


def alike(case: Case, codes: Mapping[str, tuple[int, ...]]) -> Case:
    """The case that this one is no different from: a result's code may be one of many."""
    kind, name, code = case
    named = codes.get(name, ())
    if kind != "return" or code in named:
        return case
    return kind, name, next(number for number in count(1) if number not in named)


class Opinion(msgspec.Struct, frozen=True):
    """What a spec says about a case when nothing else is known: by rule, and what it forbids.

    Only rules that speak of the case, or are broken by it.
    """

    rules: dict[str, RuleVerdict]
    findings: tuple[Finding, ...] = ()


def judgement_of_cases(
    spec: str,
    rules: Sequence[str],
    seen: Iterable[tuple[str, Mapping[Case, tuple[int, int | None]]]],
    opinion: Mapping[Case, Opinion],
    judged: int,
) -> Judgement:
    """The verdicts on a log that may lack lines: of each resource, on what was seen of it.

    `seen`: for each resource its cases, with the line and the time of the first. There is a verdict
    for a resource only if the log has an event of it that the rule speaks of.
    """
    # Most resources go the same ways: what is said of one is said of all that do.
    known: dict[frozenset[Case], ResourceVerdict] = {}
    resources: dict[str, ResourceVerdict] = {}
    findings: list[Finding] = []
    for name, cases in seen:
        if cases:
            ways = frozenset(cases)
            verdict = known.get(ways)
            if verdict is None:
                told_of = [opinion[case].rules for case in cases]
                verdict = known[ways] = _resource(told_of, rules)
            resources[name] = verdict
        findings += [
            replace(finding, resource=name, line=line, time_us=time_us or 0)
            for case, (line, time_us) in cases.items()
            for finding in opinion[case].findings
        ]
    verdicts = [dict(one.rules) for one in known.values()]
    told = tuple((rule, _worst(one[rule] for one in verdicts)) for rule in rules)
    return Judgement(spec, _best(told), told, judged, resources, tuple(findings), ())


def _resource(cases: list[dict[str, RuleVerdict]], rules: Sequence[str]) -> ResourceVerdict:
    told = tuple((rule, _worst(one.get(rule, _UNSEEN) for one in cases)) for rule in rules)
    return ResourceVerdict(_best(told), told)


def _worst(verdicts: Iterable[RuleVerdict]) -> RuleVerdict:
    """The worst verdict on a rule where it was observed at all."""
    found = set(verdicts)
    order: tuple[RuleVerdict, ...] = ("violated", "inconclusive", "conforms-so-far", "conforms")
    return next((one for one in order if one in found), _UNSEEN)


def _best(rules: Sequence[tuple[str, RuleVerdict]]) -> RuleVerdict:
    """What a log that may lack lines amounts to: whether anything in it could be judged."""
    found = [verdict for _, verdict in rules]
    order: tuple[RuleVerdict, ...] = ("violated", "conforms-so-far", "inconclusive")
    return next((one for one in order if one in found), _UNSEEN)
