"""Every two instances: an invariant of pairs, for every number of instances.

Owns the argument for Systems whose instances depend on each other through shared variables that
name one of them (a lock's owner): there one instance plus environment is too coarse. An invariant
of pairs says of every two instances, and of what is shared, what they may be together; variables
that name an instance are known as far as "none, the first, the second, another one". It is guessed:
what pairs are in all reachable states of a few instances (Pnueli, Ruah and Zuck, "Automatic
deductive verification with invisible invariants", 2001). Then it is judged for some numbers of
instances, and that decides every number, if the System is *plain*:

- there is one parametric family, and instances are told apart by names only: a variable naming an
  instance is compared with an instance or with none, never with a number;
- no condition, value, deadline or clock quantifies over the family, no update is for all of it;
- a step binds at most M instances, R shared variables name an instance, and the goal is that some
  Q instances (and nothing about all) are in a bad state.

Small models. Let the invariant fail to be closed for N instances: a state s in which it holds for
every pair, a step or delay to s', a pair for which it does not hold in s'. Keep of s only that
pair, the instances that the step binds and those that variables name: at most 2 + M + R. Renamed to
1, 2, ... that is a state of the System with so many instances; the invariant holds for its pairs;
the step reads and writes nothing else, so it is possible and leads to what is kept of s'; a delay
meets fewer deadlines. So it fails there as well. Likewise initial states, and goals with Q + R.
Checked for all numbers up to the larger of 2 + M + R and Q + R (one instance by itself, for it has
no pairs), the invariant excludes the goal for every number.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from rhscheck.checker import fixed
from rhscheck.checker.answer import Answer
from rhscheck.checker.established import of_pairs
from rhscheck.checker.explore import explore
from rhscheck.checker.fixed import Query
from rhscheck.checker.pair_invariants import guessed
from rhscheck.checker.recheck import recheck
from rhscheck.checker.smt.script import Script
from rhscheck.checker.verdict import ProvedFor, ProvedForEvery
from rhscheck.spec.expr import (
    And,
    ClockCmp,
    ClockDiff,
    Eq,
    Exists,
    Expr,
    Forall,
    In,
    IndexValue,
    Ite,
    Lit,
    Or,
    Ref,
    Same,
    children,
    walk,
)
from rhscheck.spec.system import Can, RefType, System, Within

_GUESSED_FROM = 3  # instances whose reachable states give the invariant
_MOST_NODES = 20_000


class _Complicated(Exception):  # noqa: N818 - no error: the argument does not apply
    """Why a System is not plain."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The argument does not decide the rule; `reason` says why."""

    reason: str


def decide(query: Query) -> Answer | Refused:
    """Whether the goal of a prohibition is excluded for every number of instances.

    `query.n` does not matter.
    """
    task, model, rule = query.task, query.model, query.rule
    if isinstance(rule.obligation, Can | Within) or not task.system.parametric:
        return Refused("every two instances: only prohibitions in Systems with N instances")
    try:
        numbers = range(2, enough(model.system, model.bad[rule.id]) + 1)
    except _Complicated as reason:
        return Refused(f"every two instances: {reason}")
    if task.budget.over():
        return Refused(task.budget.reason)
    alone = fixed.decide(query, (1,), fixed.Engines(enumeration=True, bmc=False, limit=_MOST_NODES))
    if not isinstance(alone.verdict, ProvedFor):
        return Refused("every two instances: one alone is not decided")
    (family,) = model.system.parametric
    task.say(f"{rule.id}: what every two instances may be together")
    few = model.ground(_GUESSED_FROM)
    bad = {rule.id: model.formula(rule.id, _GUESSED_FROM)}
    found = explore(
        few, bad, tracked=range(len(few.clocks)), limit=_MOST_NODES, cancelled=task.budget.over,
        stop_when_all_found=True, compiled=model.compiled(_GUESSED_FROM),
    )  # fmt: skip
    if found.found:
        return Refused(f"every two instances: with {_GUESSED_FROM} instances the goal is reached")
    if not found.complete:
        return Refused(f"every two instances: {found.reason}")
    guess = guessed(few, family, found)
    rlimit = 0
    keep = task.established is not None
    scripts: list[tuple[int, tuple[Script, ...]]] = []
    for n in numbers:
        task.say(f"{rule.id}: re-checking every two instances, N={n}")
        at = model.ground(n)
        copies = [
            guess.about(at, family, pair) for pair in itertools.combinations(range(1, n + 1), 2)
        ]
        goals = {rule.id: model.formula(rule.id, n)}
        checked = recheck(at, copies, goals, task.budget.left(), scripts=keep)
        scripts.append((n, checked.scripts))
        rlimit += checked.rlimit
        if checked.failed:
            return Refused(f"every two instances: not inductive for N={n} ({checked.failed[0]})")
        if not checked.proved:
            return Refused(f"every two instances: {checked.undecided[0][1]}")
    if task.established is not None:
        places = guess.slots, guess.clocks
        task.established.append(of_pairs(model.rules, rule, guess.invariant, places, scripts))
    note = f"an invariant of every two instances, inductive for N=2 to {numbers[-1]}: all cases"
    verdict = ProvedForEvery((1, *numbers)) if task.n is None else ProvedFor(task.n)
    return Answer(verdict, "pairs", rlimit, (note,))


# ---- plain Systems -----------------------------------------------------------------------------
def enough(system: System, goal: Expr) -> int:
    """The number of instances up to which an invariant of pairs has to be checked.

    Raises _Complicated.
    """
    if len(system.parametric) != 1:
        raise _Complicated("there must be one family with any number of instances")
    (family,) = system.parametric
    plain = _Plain(system, family)
    named = 0
    for variable in system.variables:
        if isinstance(variable.type, RefType) and variable.type.family == family:
            if variable.family == family:
                raise _Complicated(f"each instance has a variable `{variable.name}` naming one")
            if any(value != 0 for value in variable.initial):
                raise _Complicated(f"`{variable.name}` starts with a particular instance")
            size = None if variable.family is None else system.family(variable.family).size
            named += 1 if size is None else size
    plain.check(system.initially)
    for clock in system.clocks:
        plain.check(clock.active)
    for deadline in system.deadlines:
        plain.check(deadline.active)
    bound = 0
    for transition in system.transitions:
        bound = max(bound, sum(param.family == family for param in transition.params))
        plain.check(transition.guard)
        for update in transition.updates:
            if update.each is not None and update.each.family == family:
                raise _Complicated(f"`{update.var}` is assigned for every instance at once")
            plain.index(update.var, update.index)
            if update.var in plain.naming:
                plain.named(update.value)
            else:
                plain.check(update.value)
        for reset in transition.resets:
            plain.index(reset.clock, reset.index)
    return max(2 + bound + named, plain.quantified(goal) + named)


class _Plain:
    """Checks that formulas tell instances apart by names only."""

    def __init__(self, system: System, family: str) -> None:
        self._family = family
        self._own = {v.name for v in system.variables if v.family == family}
        self._own |= {c.name for c in system.clocks if c.family == family}
        self.naming = {
            v.name
            for v in system.variables
            if isinstance(v.type, RefType) and v.type.family == family
        }

    def index(self, name: str, index: object) -> None:
        """`name[index]` names no particular instance of the family."""
        if name in self._own and isinstance(index, int):
            raise _Complicated(f"`{name}[{index}]` is one particular instance")

    def check(self, expr: Expr) -> None:
        """The formula or value reads instances by name, and none by number."""
        match expr:
            case Forall(_, family, _) | Exists(_, family, _) if family == self._family:
                raise _Complicated("a condition speaks of all instances")
            case Eq(left, right) if self._names(left) or self._names(right):
                self.named(left)
                self.named(right)
            case In(Ref(name, _), values) if name in self.naming:
                if values != (0,):
                    raise _Complicated(f"`{name}` is compared with a number")
            case Ref(name, index):
                if name in self.naming:
                    raise _Complicated(f"`{name}` is used as a number")
                self.index(name, index)
            case IndexValue():
                raise _Complicated("the number of an instance is used as a value")
            case Same(left, right):
                if isinstance(left, int) or isinstance(right, int):
                    raise _Complicated("an instance is compared with a number")
            case ClockCmp(name, index, _, _):
                self.index(name, index)
            case ClockDiff(name, index, minus, minus_index, _, _):
                self.index(name, index)
                self.index(minus, minus_index)
            case _:
                for part in children(expr):
                    self.check(part)

    def _names(self, expr: Expr) -> bool:
        return any(
            isinstance(node, IndexValue) or (isinstance(node, Ref) and node.name in self.naming)
            for node in walk(expr)
        )

    def named(self, expr: Expr) -> None:
        """A value that is an instance or none."""
        match expr:
            case Lit(0):
                pass
            case IndexValue(index) if isinstance(index, str):
                pass
            case Ref(name, _) if name in self.naming:
                pass
            case Ite(cond, then, other):
                self.check(cond)
                self.named(then)
                self.named(other)
            case _:
                raise _Complicated("an instance is compared with something else")

    def quantified(self, goal: Expr) -> int:
        """How many instances the goal speaks of, all of them as "some instance"."""
        match goal:
            case Exists(_, family, body):
                return self.quantified(body) + (family == self._family)
            case And(args):
                return sum(self.quantified(arg) for arg in args)
            case Or(args):
                return max(self.quantified(arg) for arg in args)
            case _:
                self.check(goal)
                return 0
