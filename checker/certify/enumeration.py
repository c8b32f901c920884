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

import msgspec

from rhscheck.checker.certify import form, runs
from rhscheck.checker.certify.answers import (
    Emit,
    Finished,
    Held,
    Named,
    Of,
    Refused,
    Said,
    Unfit,
    Work,
)
from rhscheck.checker.certify.claims import (
    CONCLUSION,
    PREMISES,
    require_asked,
    require_complete,
    system_of,
)
from rhscheck.checker.certify.form import Argument, Certificate, Part, Query, Ranking, Refusal
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


def by_enumeration(works: Sequence[Work], emit: Emit) -> None:
    """Look at every state of every invariant, and at every run.

    What several certificates have in common is made, and looked at, once.
    """
    emit(Named("enumeration"))
    made: dict[object, _Worlds] = {}
    for at, work in enumerate(works):
        for said in _look(work, made):
            emit(Of(at, said))
        emit(Of(at, Finished()))


def _look(work: Work, made: dict[object, _Worlds]) -> Iterator[Said]:
    """One certificate; `made`: by what they were made of."""
    certificate, files = work.certificate, work.files
    try:
        worlds = _worlds(work, made)
        system = worlds.system
        if work.expected is not None and work.expected != certificate.spec.system_sha256:
            raise Refusal("spec", "the certificate is about another spec, or other settings")
        require_complete(certificate, system)
        _require_every_instance(worlds, certificate)
    except Refusal as refusal:
        yield Unfit(refusal.query, refusal.reason)
        return
    for argument in certificate.arguments:
        try:
            yield from _Argument(worlds, argument, files).check()
        except Refusal as refusal:
            yield Refused(refusal.query, refusal.reason)
    together = worlds.woven(tuple(run.rule for run in certificate.runs))
    stage = runs.Stage(system, together, certificate.runs)
    for run in certificate.runs:
        try:
            stage.check(run)
            yield Held(f"run: {run.rule}")
        except Refusal as refusal:
            yield Refused(refusal.query, refusal.reason)


def _worlds(work: Work, made: dict[object, _Worlds]) -> _Worlds:
    """The System of a certificate, the one of an earlier one if every text and setting is its."""
    spec = work.certificate.spec
    texts = tuple(work.files[text.file] for text in spec.texts)
    key = (msgspec.json.encode(spec), texts)
    if key not in made:
        made[key] = _Worlds(system_of(work.certificate, work.files), spec.assumptions)
    return made[key]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found about a part that holds. `asked`: the questions that its ranking needs."""

    judge: Judge
    asked: tuple[str, ...]


@dataclass(slots=True)
class _Worlds:
    """The System with the observers of rules, made once, and what was looked at in them.

    `relied`: the ids of the assumptions.
    """

    system: System
    relied: tuple[str, ...]
    looked: dict[object, _Looked] = field(default_factory=dict)
    _made: dict[tuple[str, ...], Woven] = field(default_factory=dict)
    _owed: dict[str, Owed] = field(default_factory=dict)

    def woven(self, ids: tuple[str, ...]) -> Woven:
        """With the observers of these rules, under the assumptions."""
        if ids not in self._made:
            if not ids:
                assumed = [one for one in self.system.assumptions if one.id in self.relied]
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


def _require_every_instance(worlds: _Worlds, certificate: Certificate) -> None:
    """Raise Refusal unless each `leads to` is shown for all that its observer speaks of."""
    arguments = {one.id: one for one in certificate.arguments}
    endless = {one.id for one in worlds.system.rules if isinstance(one.obligation, LeadsTo)}
    for claim in certificate.claims:
        if claim.rule not in endless:
            continue
        family = worlds.owed(claim.rule).family
        shown = [arguments[one] for one in claim.arguments]
        for n in {one.n for one in shown}:
            reader = Reader(worlds.system, n, (), frozenset())
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

    def check(self) -> Iterator[Said]:
        """What holds, part by part; raises Refusal."""
        argument = self.argument
        if argument.pairs is not None:
            yield self._check_pairs(argument.pairs)
            return
        asked: list[str] = []
        judges: list[Judge] = []
        for part in argument.parts:
            looked = self._looked(part)
            asked += looked.asked
            judges.append(looked.judge)
            yield Held(part.invariant, len(looked.judge.inside))
        require_asked(argument, asked, timed=any(judge.clocks for judge in judges))
        for queries in (argument.queries, *argument.instances.values()):
            self._require_asking(queries, judges, argument.n)

    def _looked(self, part: Part) -> _Looked:
        """What was found about a part, here or in a certificate that says the same about it."""
        argument, ranking = self.argument, self.argument.ranking
        key = (
            argument.woven, argument.n, argument.progress, part, self.files[part.invariant],
            ranking, None if ranking is None else self.files[ranking.file],
        )  # fmt: skip
        known = self.worlds.looked.get(key)
        if known is None:
            known = self.worlds.looked[key] = self._look(part)
        return known

    def _look(self, part: Part) -> _Looked:
        argument, path = self.argument, part.invariant
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
            ranked = () if argument.ranking is None else self._ranked(judge, argument.ranking)
        except NotExpressible as reason:
            raise Refusal(f"{path}: fairness", str(reason)) from None
        return _Looked(judge, ranked)

    def _check_pairs(self, most: int) -> Held:
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
        return Held(path, looked)

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
