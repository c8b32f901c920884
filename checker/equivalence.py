"""Whether two Systems over the same variables behave alike, for every number of instances.

Owns one argument. Where two Systems differ, each difference is put as a formula over states: this
step is possible in one of them, and in the other no step of that name does the same; this clock
runs, or this deadline binds, in one only. If no reachable state of the first System satisfies any
of these, then, by induction along runs, both have the same runs: in the initial states they agree,
in every state reached so far the same steps and delays are possible with the same effect.
Reachability is judged as for rules: in one instance plus environment (`checker.local`), which
over-approximates every number of instances, first without clocks, then with those that it takes. So
"alike" is a proof, and "not shown" says nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from rhscheck.checker.explore import explore
from rhscheck.checker.local import Dependence, local_goal
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, narrow
from rhscheck.checker.proofs import skeleton
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    ClockDiff,
    Eq,
    Exists,
    Expr,
    Ref,
    clocks_read,
    conj,
    disj,
    neg,
    refs,
    transform,
)
from rhscheck.spec.source import NOWHERE, Span
from rhscheck.spec.system import (
    SELF,
    ClockVar,
    Deadline,
    Param,
    System,
    Transition,
    Update,
)

T = TypeVar("T")
_MADE_UP = re.compile(r"\w+'\d+")
_MOST_TIMED = 6  # differences that are looked at with clocks
_LIMIT = 20_000  # nodes for each of them


@dataclass(frozen=True, slots=True)
class Alike:
    """Both have the same runs, for every number of instances; `argument` says how that is known."""

    argument: str


@dataclass(frozen=True, slots=True)
class NotShown:
    """They may differ: `reason` names what was not excluded."""

    reason: str


def alike(one: Model, other: Model) -> Alike | NotShown:
    """Whether the Systems of two Models (without rules, under their assumptions) behave alike.

    Their actors, and what is assumed about fairness, count as behaviour, too.
    """
    unit = math.gcd(one.system.unit_us, other.system.unit_us)
    if one.system.unit_us != unit:
        one = Model(_in_unit(one.system, unit), (), ())
    first, second = _essence(one.system), _essence(_in_unit(other.system, unit))
    if first == second:
        return Alike("it means the same: the System is not changed")
    different = _incomparable(first, second)
    if different is not None:
        return NotShown(different)
    made = one.abstraction
    if isinstance(made, Dependence):
        return NotShown(f"instances depend on each other: {made.reasons[0].sentence}")
    goals = dict(_differences(first, second))
    known = {clock.name for clock in first.clocks}
    used = {variable.name for variable in first.variables}
    for name, goal in goals.items():
        foreign = {clock for clock, _ in clocks_read(goal)} - known
        foreign |= {ref.name for ref in refs(goal)} - used
        if foreign:
            return NotShown(f"{name} needs `{min(foreign)}`, which is new")
    local = one.local
    formulas = {
        name: local.expand(local_goal(made, goal).formula, {}) for name, goal in goals.items()
    }
    seen = explore(local, formulas, compiled=one.local_compiled)
    if not seen.complete:
        return NotShown(f"too many states: {seen.reason}")
    if not seen.found:
        what = "the lines that differ never matter: no reachable state tells them apart"
        return Alike(what)
    if len(seen.found) > _MOST_TIMED:
        return NotShown(f"{len(seen.found)} differences, such as: {next(iter(seen.found))}")
    for name in seen.found:
        outcome = narrow(
            local, one.local_compiled, name, formulas[name], keep=skeleton(local), limit=_LIMIT
        )
        if not isinstance(outcome, Excluded):
            return NotShown(name)
    return Alike("the lines that differ never matter, given the times: no reachable state shows it")


def _in_unit(system: System, unit_us: int) -> System:
    """The same System with its times in units of `unit_us`, which divides its own unit."""
    factor = system.unit_us // unit_us
    if factor == 1:
        return system

    def bound(node: Expr) -> Expr | None:
        if isinstance(node, ClockCmp | ClockDiff):
            return replace(node, bound=node.bound * factor)
        return None

    return replace(
        system,
        clocks=tuple(
            replace(clock, active=transform(clock.active, bound)) for clock in system.clocks
        ),
        transitions=tuple(
            replace(
                step,
                guard=transform(step.guard, bound),
                updates=tuple(
                    replace(update, value=transform(update.value, bound)) for update in step.updates
                ),
            )
            for step in system.transitions
        ),
        deadlines=tuple(
            replace(
                deadline,
                active=transform(deadline.active, bound),
                bound=deadline.bound * factor,
            )
            for deadline in system.deadlines
        ),
        initially=transform(system.initially, bound),
        unit_us=unit_us,
    )


def _essence(system: System) -> System:
    """What a System means for its runs: no names of lines, no rules, no text."""
    return replace(
        system,
        title="",
        variables=tuple(replace(one, span=NOWHERE) for one in system.variables),
        clocks=tuple(_renumbered(one) for one in system.clocks),
        transitions=tuple(_renumbered(_plain(one)) for one in system.transitions),
        # Their names may hold line numbers.
        deadlines=tuple(_renumbered(replace(one, name="")) for one in system.deadlines),
        initially=_renumbered(system.initially),
        rules=(),
        assumptions=(),
        expectations=(),
        scenarios=(),
        entries=(),
        constants=(),
        readings=(),
        source_sha256="",
        path="",
    )


def _renumbered(thing: T) -> T:
    """`thing` with the instances that have a made-up name (`host'9`) numbered from 1."""
    names: dict[str, str] = {}

    def visit(node: Any) -> Any:
        match node:
            case str() if _MADE_UP.fullmatch(node):
                head = node.rpartition("'")[0]
                return names.setdefault(node, f"{head}'{len(names) + 1}")
            case tuple():
                return tuple([visit(part) for part in node])
            case Span():
                return NOWHERE
            case _ if is_dataclass(node) and not isinstance(node, type):
                parts = {one.name: getattr(node, one.name) for one in fields(node)}
                return type(node)(**{name: visit(part) for name, part in parts.items()})
            case _:
                return node

    renamed: T = visit(thing)
    return renamed


def _incomparable(first: System, second: System) -> str | None:
    """Why differences between the two cannot be put as formulas over the states of the first."""
    pairs = (
        ("variables", _shape(first), _shape(second)),
        ("families", first.families, second.families),
        ("actors", first.actors, second.actors),
        ("initial states", first.initially, second.initially),
        ("fairness", first.fairness, second.fairness),
        ("trace labels", first.trace, second.trace),
    )
    return next((f"their {what} differ" for what, one, two in pairs if one != two), None)


def _shape(system: System) -> tuple[object, ...]:
    return tuple((v.name, v.family, v.type, v.initial, v.role, v.machine) for v in system.variables)


# ---- differences ---------------------------------------------------------------------------------
def _differences(first: System, second: System) -> Iterator[tuple[str, Expr]]:
    """Closed formulas over states: where one of them holds, the two may go different ways."""
    yield from _clocks(first.clocks, second.clocks)
    yield from _deadlines(first.deadlines, second.deadlines)
    pairs = ((first.transitions, second.transitions), (second.transitions, first.transitions))
    for side, (ours, theirs) in zip(("without", "with"), pairs, strict=True):
        for number, step in enumerate(_left(ours, theirs)):
            name = f"`{step.label.short}` {side} the change ({number + 1})"
            yield name, _unmatched(step, theirs)


def _clocks(first: Sequence[ClockVar], second: Sequence[ClockVar]) -> Iterator[tuple[str, Expr]]:
    ours, theirs = ({clock.name: clock for clock in clocks} for clocks in (first, second))
    for name in dict.fromkeys((*ours, *theirs)):
        one, two = ours.get(name), theirs.get(name)
        if one == two:
            continue
        there = one or two
        assert there is not None
        same = one is not None and two is not None and one.family == two.family
        formula = (
            _xor(one.active, two.active)
            if same and one is not None and two is not None
            else disj(clock.active for clock in (one, two) if clock is not None)
        )
        yield f"clock `{name}`", _somewhere(formula, _self(there.family))


def _deadlines(first: Sequence[Deadline], second: Sequence[Deadline]) -> Iterator[tuple[str, Expr]]:
    theirs = list(second)
    left = []
    for deadline in first:
        if deadline in theirs:
            theirs.remove(deadline)
        else:
            left.append(deadline)
    for one in left:
        two = next((other for other in theirs if _same_bound(one, other)), None)
        formula = one.active
        if two is not None:
            theirs.remove(two)
            formula = _xor(one.active, two.active)
        yield f"a deadline on `{one.clock or 'now'}`", _somewhere(formula, _self(one.family))
    for two in theirs:
        yield f"a deadline on `{two.clock or 'now'}`", _somewhere(two.active, _self(two.family))


def _same_bound(one: Deadline, two: Deadline) -> bool:
    return replace(one, active=two.active) == two


def _self(family: str | None) -> tuple[Param, ...]:
    return () if family is None else (Param(SELF, family),)


def _left(ours: Sequence[Transition], theirs: Sequence[Transition]) -> list[Transition]:
    """The transitions that the others do not have."""
    rest: dict[Transition, int] = {}
    for transition in theirs:
        plain = _plain(transition)
        rest[plain] = rest.get(plain, 0) + 1
    left = []
    for transition in ours:
        plain = _plain(transition)
        if rest.get(plain, 0):
            rest[plain] -= 1
        else:
            left.append(transition)
    return left


def _plain(step: Transition) -> Transition:
    """A transition as what it does: how it is called in the spec's text is no behaviour."""
    return replace(step, key="", expires=None, absorbed=False, unhandled=False, span=NOWHERE)


def _unmatched(step: Transition, theirs: Sequence[Transition]) -> Expr:
    """Where `step` is possible, and none of the others' steps of that name does the same."""
    matches = (
        disj((neg(other.guard), _effect(step, other)))
        for other in theirs
        if (other.label, other.actor, other.params, other.also)
        == (step.label, step.actor, step.params, step.also)
    )
    return _somewhere(conj((step.guard, *matches)), step.params)


def _effect(one: Transition, two: Transition) -> Expr:
    """Where the effects differ, as far as a formula can say; else everywhere."""
    rest_one, rest_two = (replace(_plain(step), guard=TRUE, updates=()) for step in (one, two))
    if rest_one != rest_two:
        return TRUE
    if one.updates == two.updates:
        return FALSE
    updates = [*one.updates, *two.updates]
    places = dict.fromkeys((update.var, update.index) for update in updates)
    # Broadcasts go everywhere, and two names of instances may be the same instance.
    if any(update.each is not None for update in updates) or len({v for v, _ in places}) != len(
        places
    ):
        return TRUE
    return disj(
        neg(Eq(_after(one.updates, place), _after(two.updates, place)))
        for place in places
        if _after(one.updates, place) != _after(two.updates, place)
    )


def _after(updates: Sequence[Update], place: tuple[str, object]) -> Expr:
    """The value of a variable after the step; of several updates the last one counts."""
    value: Expr = Ref(place[0], place[1])  # type: ignore[arg-type]
    for update in updates:
        if (update.var, update.index) == place:
            value = update.value
    return value


def _xor(one: Expr, two: Expr) -> Expr:
    return disj((conj((one, neg(two))), conj((neg(one), two))))


def _somewhere(formula: Expr, params: Sequence[Param]) -> Expr:
    for param in reversed(params):
        formula = Exists(param.name, param.family, formula)
    return formula
