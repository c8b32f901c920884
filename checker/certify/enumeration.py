"""The process that enumerates: it sees the spec, the invariants and the rankings, and no script.

Owns this entry point and the order of its work. First that the certificate is about its spec and
holds all that its claims rest on (`claims`); then `referee`, `progress`, `ranking` and `runs` judge
what it says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rhscheck.checker.certify import form, runs
from rhscheck.checker.certify.answers import Emit, Held, Named, Refused, Unfit
from rhscheck.checker.certify.claims import (
    CONCLUSION,
    PREMISES,
    require_asked,
    require_complete,
    system_of,
)
from rhscheck.checker.certify.form import Argument, Certificate, Query, Ranking, Refusal
from rhscheck.checker.certify.members import MOST_STATES
from rhscheck.checker.certify.pairs import PairsJudge
from rhscheck.checker.certify.possible import NotExpressible, Reader, now
from rhscheck.checker.certify.progress import require_progress
from rhscheck.checker.certify.ranking import require_ranking
from rhscheck.checker.certify.referee import Judge, seen
from rhscheck.checker.certify.small_models import needed
from rhscheck.spec.expr import Expr, refs
from rhscheck.spec.obligations import UnweavableError
from rhscheck.spec.rules import AssumptionError, Owed, Woven, weave, weave_leads_to
from rhscheck.spec.system import LeadsTo, System


def by_enumeration(
    certificate: Certificate, files: Mapping[str, bytes], expected: str | None, emit: Emit
) -> None:
    """Look at every state of every invariant, and at every run.

    `files`: by path; no scripts. `expected`: the hash of the System that the certificate has to be
    about; None: any.
    """
    emit(Named("enumeration"))
    try:
        system = system_of(certificate, files)
        if expected is not None and expected != certificate.spec.system_sha256:
            raise Refusal("spec", "the certificate is about another spec, or other settings")
        require_complete(certificate, system)
        worlds = _Worlds(system, certificate)
        worlds.require_every_instance()
    except Refusal as refusal:
        emit(Unfit(refusal.query, refusal.reason))
        return
    for argument in certificate.arguments:
        try:
            _Argument(worlds, argument, files).check(emit)
        except Refusal as refusal:
            emit(Refused(refusal.query, refusal.reason))
    together = worlds.woven(tuple(run.rule for run in certificate.runs))
    stage = runs.Stage(system, together, certificate.runs)
    for run in certificate.runs:
        try:
            stage.check(run)
            emit(Held(f"run: {run.rule}"))
        except Refusal as refusal:
            emit(Refused(refusal.query, refusal.reason))


@dataclass(slots=True)
class _Worlds:
    """The System with the observers of rules, made once."""

    system: System
    certificate: Certificate
    _made: dict[tuple[str, ...], Woven] = field(default_factory=dict)
    _owed: dict[str, Owed] = field(default_factory=dict)

    def woven(self, ids: tuple[str, ...]) -> Woven:
        """With the observers of these rules, under the assumptions."""
        if ids not in self._made:
            if not ids:
                relied = self.certificate.spec.assumptions
                assumed = [one for one in self.system.assumptions if one.id in relied]
                try:
                    self._made[ids] = weave(self.system, (), assumed)
                except AssumptionError as error:
                    raise Refusal("spec", str(error)) from None
            else:
                # The same as all at once: assumptions come first.
                rules = {rule.id: rule for rule in self.system.rules}
                assuming = self.woven(()).system
                self._made[ids] = weave(assuming, [rules[one] for one in ids], ())
        return self._made[ids]

    def owed(self, rule: str) -> Owed:
        """With the observer of a `leads to`."""
        if rule not in self._owed:
            (asked,) = (one for one in self.system.rules if one.id == rule)
            try:
                self._owed[rule] = weave_leads_to(self.woven(()).system, asked)
            except UnweavableError as error:
                raise Refusal(f"claim {rule}", str(error)) from None
        return self._owed[rule]

    def require_every_instance(self) -> None:
        """Raise Refusal unless each `leads to` is shown for all that its observer speaks of."""
        arguments = {one.id: one for one in self.certificate.arguments}
        endless = {one.id for one in self.system.rules if isinstance(one.obligation, LeadsTo)}
        for claim in self.certificate.claims:
            if claim.rule not in endless:
                continue
            family = self.owed(claim.rule).family
            shown = [arguments[one] for one in claim.arguments]
            for n in {one.n for one in shown}:
                reader = Reader(self.system, n, (), frozenset())
                wanted = {None} if family is None else {*reader.instances(family)}
                those = [one.ranking.instance for one in shown if one.ranking is not None]
                if len(those) != len(wanted) or {*those} != wanted:
                    raise Refusal(f"claim {claim.rule}", "it is not shown for every instance")


@dataclass(slots=True)
class _Argument:
    """One argument before the enumeration."""

    worlds: _Worlds
    argument: Argument
    files: Mapping[str, bytes]

    def check(self, emit: Emit) -> None:
        """Emits what holds, part by part; raises Refusal."""
        argument = self.argument
        if argument.pairs is not None:
            self._check_pairs(argument.pairs, emit)
            return
        asked: list[str] = []
        judges: list[Judge] = []
        for part in argument.parts:
            path = part.invariant
            system, bad = self._world(path, part.excludes)
            invariant = form.decoded(self.files[path], form.InvariantFile, path)
            try:
                judge = Judge(path, system, argument.n, invariant)
                judge.check(bad)
            except NotExpressible as reason:
                raise Refusal(f"{path}: independence", str(reason)) from None
            try:
                if argument.progress:
                    require_progress(judge)
            except NotExpressible as reason:
                raise Refusal(f"{path}: time", str(reason)) from None
            try:
                if argument.ranking is not None:
                    asked += self._ranked(judge, argument.ranking)
            except NotExpressible as reason:
                raise Refusal(f"{path}: fairness", str(reason)) from None
            judges.append(judge)
            emit(Held(path, len(judge.inside)))
        require_asked(argument, asked, timed=any(judge.clocks for judge in judges))
        for queries in (argument.queries, *argument.instances.values()):
            self._require_asking(queries, judges, argument.n)

    def _check_pairs(self, most: int, emit: Emit) -> None:
        """An invariant of every two instances, with as many as stand for any number."""
        argument = self.argument
        (part,) = argument.parts
        path = part.invariant
        system, bad = self._world(path, part.excludes)
        invariant = form.decoded(self.files[path], form.InvariantFile, path)
        looked = 0
        try:
            for rule, goal in bad.items():
                if needed(system, goal) > most:
                    raise Refusal(f"{path}: safety: {rule}", f"{most} instances are not all cases")
            for n in range(2, most + 1):
                judge = PairsJudge(path, system, n, invariant)
                try:
                    judge.check(bad)
                except Refusal as refusal:
                    raise Refusal(f"{refusal.query}, N={n}", refusal.reason) from None
                looked += len(judge.inside)
                self._require_asking(argument.instances[n], [judge], n)
        except NotExpressible as reason:
            raise Refusal(f"{path}: independence", str(reason)) from None
        require_asked(argument, (), timed=bool(invariant.clocks))
        emit(Held(path, looked))

    def _world(self, path: str, excludes: tuple[str, ...]) -> tuple[System, dict[str, Expr]]:
        if self.argument.ranking is not None:
            return self.worlds.owed(self.argument.ranking.rule).system, {}
        world = self.worlds.woven(self.argument.woven)
        for rule in excludes:
            if rule not in world.bad:
                raise Refusal(f"{path}: safety: {rule}", "it is no safety property")
        return world.system, {rule: world.bad[rule] for rule in excludes}

    def _ranked(self, judge: Judge, ranking: Ranking) -> tuple[str, ...]:
        layers = form.decoded(self.files[ranking.file], form.RankingFile, ranking.file)
        variable = self.worlds.owed(ranking.rule).variable
        try:
            return require_ranking(judge, variable, ranking.instance, layers)
        except Refusal as refusal:
            _, _, query = refusal.query.partition(": ")
            raise Refusal(f"{ranking.file}: {query}", refusal.reason) from None

    def _require_asking(
        self, queries: Sequence[Query], judges: Sequence[Judge], n: int | None
    ) -> None:
        """Raise Refusal for a question about nothing, unless there is nothing to ask about."""
        for ask in itertools.chain.from_iterable(query.asks for query in queries):
            if ask.answer == "sat" or not ask.question.endswith((PREMISES, CONCLUSION)):
                continue
            if not self._is_idle(ask.question, judges, n):
                where = f"{self.argument.id}: {ask.question}"
                raise Refusal(where, "the question is about nothing")

    def _is_idle(self, question: str, judges: Sequence[Judge], n: int | None) -> bool:
        if question == f"consecution{PREMISES}":
            return any(judge.is_still() for judge in judges)
        if question.endswith(PREMISES):
            return False
        if question.startswith("safety: "):
            rule = question.removeprefix("safety: ").removesuffix(CONCLUSION)
            return _never(self.worlds.woven(self.argument.woven), rule, n)
        return all(judge.is_everything() for judge in judges)


def _never(world: Woven, rule: str, n: int | None) -> bool:
    """Whether the goal of a rule is false whatever the values of the variables in it are."""
    goal = world.bad.get(rule)
    if goal is None:
        return False
    names = dict.fromkeys(ref.name for ref in refs(goal))
    places = tuple(_places(world.system, names, n))
    reader = Reader(world.system, n, places, frozenset())
    domains = [reader.domain(name) for name, _ in places]
    if math.prod(map(len, domains)) > MOST_STATES:
        return False
    ways = seen(reader, goal, {})
    return not any(now(ways, state) for state in itertools.product(*domains))


def _places(
    system: System, names: Mapping[str, None], n: int | None
) -> Iterator[tuple[str, object]]:
    reader = Reader(system, n, (), frozenset())
    for name in names:
        family = system.variable(name).family
        for instance in (None,) if family is None else reader.instances(family):
            yield name, instance
