"""What an expression may be where only part of the state is known.

Owns evaluation with unknowns: every variable that is not known may have any of its values, so the
set of values computed here contains the value in every state that fits. One mechanism stands for
all that a proof leaves out: variables of the invariant's projection, and all of the other
instances. It must share nothing with the abstractions of the engines (`checker.local`,
`checker.sight`, `checker.project`), whose results it judges.

An expression is read once, for one choice of instances, and becomes a function of the state (or a
constant, where nothing known matters): a referee asks it of every state of an invariant.

Instances of the parametric family are `ME`, the one that the invariant is about, and `Another`, any
other; or numbers, where their number is fixed. Two `Another` may be the same instance or not. There
may be no other instance at all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Final, assert_never

from rhscheck.spec.expr import (
    Add,
    And,
    ClockCmp,
    ClockDiff,
    Comparison,
    Eq,
    Exists,
    Expr,
    Forall,
    Happens,
    In,
    Index,
    IndexValue,
    Ite,
    Le,
    Lit,
    Not,
    Or,
    Post,
    Ref,
    Same,
    Sub,
    walk,
)
from rhscheck.spec.ground import value_range
from rhscheck.spec.system import System

ME: Final = "self"
_MOST_VALUES = 4096
_MOST_WAYS = 4096


class Another:
    """Some other instance of the parametric family; each object is a name for one."""

    __slots__ = ()


Instance = int | str | Another | None  # a number, ME, another, or what exists once
Bound = Mapping[str, Instance]  # instances by the name of a parameter
Place = tuple[str, Hashable]  # a variable or clock of one instance
# `clock op bound`, or `clock - minus op bound`, of tracked clocks.
Atom = tuple[Place, Place | None, Comparison, int]
Way = tuple[Atom, ...]  # all of them hold
State = tuple[int, ...]  # the values of the known variables

# Whether a formula may hold: NO, YES, or EITHER (their union, bit by bit).
NO, YES, EITHER = 1, 2, 3
Truth = int | Callable[[State], int]
Values = frozenset[int] | Callable[[State], frozenset[int]]
Ways = tuple[Way, ...] | Callable[[State], tuple[Way, ...]]

_TRUTHS = {NO: frozenset((0,)), YES: frozenset((1,)), EITHER: frozenset((0, 1))}
_OPPOSITE: dict[Comparison, Comparison] = {"<": ">=", "<=": ">", ">=": "<", ">": "<="}
_NEGATED = (0, YES, NO, EITHER)
ALWAYS: tuple[Way, ...] = ((),)


class NotExpressible(Exception):  # noqa: N818 - a result, not an error of the program
    """Instances are told apart, or too much is unknown; the message says what."""


@dataclass(frozen=True)
class Reader:
    """A System seen by instance ME (`n` None), or with `n` instances.

    `places`: the variables whose values are known. `tracked`: the clocks whose comparisons are
    kept; what is not tracked may compare either way. All methods raise NotExpressible.
    """

    system: System
    n: int | None
    places: tuple[Place, ...]
    tracked: frozenset[Place]

    @cached_property
    def _families(self) -> dict[str, str | None]:
        found = {one.name: one.family for one in self.system.variables}
        return found | {one.name: one.family for one in self.system.clocks}

    @cached_property
    def _position(self) -> dict[Place, int]:
        return {place: at for at, place in enumerate(self.places)}

    # ---- instances -----------------------------------------------------------------------------
    def instances(self, family: str) -> tuple[Instance, ...]:
        """All of a family; ME alone stands for a parametric one, whose others may be none."""
        size = self.system.family(family).size
        if size is None and self.n is None:
            return (ME,)
        return tuple(range(1, (self.n or 0) + 1 if size is None else size + 1))

    def has_others(self, family: str) -> bool:
        """Whether there may be instances beside those that `instances` lists."""
        return self.n is None and self.system.family(family).size is None

    def domain(self, name: str) -> range:
        """The values of a variable's type."""
        low, high = value_range(self.system.variable(name).type, self.system, self.n or 1)
        return range(low, high + 1)

    def place(self, name: str, index: Index, bound: Bound) -> Place:
        """A variable or clock; a number names no instance where there may be any number."""
        instance = bound[index] if isinstance(index, str) else index
        family = self._families[name]
        if isinstance(instance, int) and family is not None and self.has_others(family):
            raise NotExpressible(f"`{name}[{instance}]` names one particular instance")
        return (name, instance)

    def _bodies(self, param: str, family: str, bound: Bound) -> Iterator[Bound]:
        return ({**bound, param: one} for one in self.instances(family))

    def _rest(self, param: str, family: str, bound: Bound) -> Iterator[Bound]:
        if self.has_others(family):
            yield {**bound, param: Another()}

    # ---- formulas --------------------------------------------------------------------------------
    def truth(self, expr: Expr, bound: Bound) -> Truth:
        """Whether `expr` may hold and may not."""
        match expr:
            case Lit(value):
                return YES if value else NO
            case Ref(name, index):
                at = self._position.get(self.place(name, index, bound))
                if at is None:
                    return self._truth_of(frozenset(self.domain(name)))
                return lambda state: YES if state[at] else NO
            case Not(arg):
                inner = self.truth(arg, bound)
                if isinstance(inner, int):
                    return _NEGATED[inner]
                return lambda state: _NEGATED[inner(state)]
            case And(args):
                return _every([self.truth(arg, bound) for arg in args])
            case Or(args):
                return _some([self.truth(arg, bound) for arg in args])
            case Forall(param, family, body):
                parts = [self.truth(body, one) for one in self._bodies(param, family, bound)]
                rest = [self.truth(body, one) for one in self._rest(param, family, bound)]
                return _every([*parts, *(_perhaps(part, YES) for part in rest)])
            case Exists(param, family, body):
                parts = [self.truth(body, one) for one in self._bodies(param, family, bound)]
                rest = [self.truth(body, one) for one in self._rest(param, family, bound)]
                return _some([*parts, *(_perhaps(part, NO) for part in rest)])
            case In(arg, values) if (exact := self._exact(arg, bound)) is not None:
                wanted = frozenset(values)
                return lambda state: YES if exact(state) in wanted else NO
            case Eq(left, right) | Le(left, right) if both := self._exactly(left, right, bound):
                one, two = both
                if isinstance(expr, Eq):
                    return lambda state: YES if one(state) == two(state) else NO
                return lambda state: YES if one(state) <= two(state) else NO
            case ClockCmp(name, index, _, _):
                self.place(name, index, bound)
                return EITHER
            case ClockDiff(name, index, minus, minus_index, _, _):
                self.place(name, index, bound)
                self.place(minus, minus_index, bound)
                return EITHER
            case Same(here, there):
                return self._same(here, there, bound)
            case Happens() | Post():
                raise NotExpressible("a formula about a step is left in the System")
            case IndexValue() | Ite() | In() | Eq() | Le() | Add() | Sub():
                found = self.values(expr, bound)
                if not callable(found):
                    return self._truth_of(found)
                return lambda state: self._truth_of(found(state))
            case _:
                assert_never(expr)

    def values(self, expr: Expr, bound: Bound) -> Values:
        """All that `expr` may be."""
        match expr:
            case Lit(value):
                return frozenset((value,))
            case Ref(name, index):
                at = self._position.get(self.place(name, index, bound))
                if at is None:
                    return _few(frozenset(self.domain(name)))
                return lambda state: frozenset((state[at],))
            case IndexValue(index):
                return frozenset((self._number(index, bound),))
            case Ite(cond, then, other):
                chosen, first, second = (
                    self.truth(cond, bound),
                    self.values(then, bound),
                    self.values(other, bound),
                )
                return lambda state: _choice(whether(chosen, state), first, second, state)
            case In(arg, wanted):
                tested = self.values(arg, bound)
                return mapped(tested, lambda found: frozenset(int(v in wanted) for v in found))
            case Eq(left, right):
                return self._combined(left, right, bound, lambda one, two: int(one == two))
            case Le(left, right):
                return self._combined(left, right, bound, lambda one, two: int(one <= two))
            case Add(left, right):
                return self._combined(left, right, bound, lambda one, two: one + two)
            case Sub(left, right):
                return self._combined(left, right, bound, lambda one, two: one - two)
            case _:
                truth = self.truth(expr, bound)
                if isinstance(truth, int):
                    return _TRUTHS[truth]
                return lambda state: _TRUTHS[truth(state)]

    def _exact(self, expr: Expr, bound: Bound) -> Callable[[State], int] | None:
        """The value of `expr` where it is known in every state; None where it may not be."""
        match expr:
            case Lit(value):
                return lambda _state: value
            case IndexValue(index):
                number = self._number(index, bound)
                return lambda _state: number
            case Ref(name, index):
                at = self._position.get(self.place(name, index, bound))
                return None if at is None else itemgetter(at)
            case Add(left, right) | Sub(left, right) if both := self._exactly(left, right, bound):
                one, two = both
                if isinstance(expr, Add):
                    return lambda state: one(state) + two(state)
                return lambda state: one(state) - two(state)
            case _:
                return None

    def _exactly(
        self, left: Expr, right: Expr, bound: Bound
    ) -> tuple[Callable[[State], int], Callable[[State], int]] | None:
        one, two = self._exact(left, bound), self._exact(right, bound)
        return None if one is None or two is None else (one, two)

    def ways(self, expr: Expr, bound: Bound, *, holds: bool = True) -> Ways:
        """Conjunctions of comparisons of tracked clocks.

        In one of them the clocks are wherever `expr` holds (or, unless `holds`, does not).
        """
        if not self.compares(expr):
            wanted = YES if holds else NO
            truth = self.truth(expr, bound)
            if isinstance(truth, int):
                return ALWAYS if truth & wanted else ()
            return lambda state: ALWAYS if truth(state) & wanted else ()
        match expr:
            case Not(arg):
                return self.ways(arg, bound, holds=not holds)
            case And(args) | Or(args):
                both = isinstance(expr, And) == holds
                return joined([self.ways(arg, bound, holds=holds) for arg in args], both=both)
            case Ite(cond, then, other):
                branches = [
                    joined(
                        [
                            self.ways(cond, bound, holds=chosen),
                            self.ways(branch, bound, holds=holds),
                        ]
                    )
                    for chosen, branch in ((True, then), (False, other))
                ]
                return joined(branches, both=False)
            case Forall(param, family, body) | Exists(param, family, body):
                both = isinstance(expr, Forall) == holds
                scopes = [*self._bodies(param, family, bound)]
                if not both:  # that the others agree too is not asked: there may be none
                    scopes += self._rest(param, family, bound)
                return joined([self.ways(body, one, holds=holds) for one in scopes], both=both)
            case ClockCmp(name, index, op, limit):
                place = self.place(name, index, bound)
                if place not in self.tracked:
                    return ALWAYS
                return (((place, None, op if holds else _OPPOSITE[op], limit),),)
            case ClockDiff(name, index, minus, minus_index, op, limit):
                place = self.place(name, index, bound)
                other_place = self.place(minus, minus_index, bound)
                if not self.tracked >= {place, other_place}:
                    return ALWAYS
                return (((place, other_place, op if holds else _OPPOSITE[op], limit),),)
            case _:  # a comparison inside a number: either way
                return ALWAYS

    def compares(self, expr: Expr) -> bool:
        """Whether a clock that may be tracked is compared in `expr`."""
        return bool(self.tracked) and any(
            isinstance(node, ClockCmp | ClockDiff) for node in walk(expr)
        )

    @staticmethod
    def _number(index: Index, bound: Bound) -> int:
        instance = bound[index] if isinstance(index, str) else index
        if isinstance(instance, int):
            return instance
        raise NotExpressible("the number of an instance is used as a value")

    def _same(self, left: Index, right: Index, bound: Bound) -> int:
        one = bound[left] if isinstance(left, str) else left
        two = bound[right] if isinstance(right, str) else right
        if isinstance(one, Another) and isinstance(two, Another):
            return YES if one is two else EITHER
        return YES if one == two else NO

    def _combined(
        self, left: Expr, right: Expr, bound: Bound, made: Callable[[int, int], int]
    ) -> Values:
        one, two = self.values(left, bound), self.values(right, bound)
        if not callable(one) and not callable(two):
            return _few(frozenset(made(a, b) for a in one for b in two))
        return lambda state: _few(
            frozenset(made(a, b) for a in _in(one, state) for b in _in(two, state))
        )

    @staticmethod
    def _truth_of(values: frozenset[int]) -> int:
        return (NO if 0 in values else 0) | (YES if values - {0} else 0)


# ---- sets of truths, values and ways -------------------------------------------------------------
def whether(truth: Truth, state: State) -> int:
    """What a truth is in a state: NO, YES or EITHER."""
    return truth if isinstance(truth, int) else truth(state)


def now(ways: Ways, state: State) -> tuple[Way, ...]:
    """What ways there are in a state."""
    return ways(state) if callable(ways) else ways


def _in(values: Values, state: State) -> frozenset[int]:
    return values(state) if callable(values) else values


def _few(values: frozenset[int]) -> frozenset[int]:
    if len(values) > _MOST_VALUES:
        raise NotExpressible(f"more than {_MOST_VALUES} values are possible at once")
    return values


def mapped(values: Values, made: Callable[[frozenset[int]], frozenset[int]]) -> Values:
    """All that a function makes of the values."""
    if not callable(values):
        return made(values)
    return lambda state: made(values(state))


def _choice(chosen: int, first: Values, second: Values, state: State) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    if chosen & YES:
        found |= _in(first, state)
    if chosen & NO:
        found |= _in(second, state)
    return found


def _perhaps(truth: Truth, more: int) -> Truth:
    if isinstance(truth, int):
        return truth | more
    return lambda state: truth(state) | more


def _every(parts: Sequence[Truth]) -> Truth:
    """The conjunction; the first part that surely does not hold decides."""
    fixed = [part for part in parts if isinstance(part, int)]
    asked = [part for part in parts if not isinstance(part, int)]
    base = NO if NO in fixed else EITHER if EITHER in fixed else YES
    if not asked or base == NO:
        return base

    def every(state: State) -> int:
        found = base
        for part in asked:
            truth = part(state)
            if truth == NO:
                return NO
            found |= truth
        return found

    return every


def _some(parts: Sequence[Truth]) -> Truth:
    """The disjunction; the first part that surely holds decides."""
    fixed = [part for part in parts if isinstance(part, int)]
    asked = [part for part in parts if not isinstance(part, int)]
    base = YES if YES in fixed else EITHER if EITHER in fixed else NO
    if not asked or base == YES:
        return base

    def some(state: State) -> int:
        found = base
        for part in asked:
            truth = part(state)
            if truth == YES:
                return YES
            found |= truth
        return found

    return some


def joined(parts: Sequence[Ways], *, both: bool = True) -> Ways:
    """The ways in which all (`both`) or some of the parts come about."""
    combine = _all_ways if both else _any_way
    if not any(callable(part) for part in parts):
        return combine(parts, ())
    # What is constant and cheap decides first.
    ordered = sorted(parts, key=callable)
    return lambda state: combine(ordered, state)


def _any_way(parts: Sequence[Ways], state: State) -> tuple[Way, ...]:
    found: dict[Way, None] = {}
    for part in parts:
        for way in part(state) if callable(part) else part:
            if not way:
                return ALWAYS
            found[way] = None
    return tuple(found)


def _all_ways(parts: Sequence[Ways], state: State) -> tuple[Way, ...]:
    ways = ALWAYS
    for part in parts:
        more = part(state) if callable(part) else part
        if not more:
            return ()
        if more is not ALWAYS:
            pairs = (tuple(dict.fromkeys((*one, *two))) for one in ways for two in more)
            ways = tuple(dict.fromkeys(pairs))
            if len(ways) > _MOST_WAYS:
                raise NotExpressible("a condition on clocks has too many cases")
    return ways
