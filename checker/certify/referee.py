"""The enumerating check of an invariant: no solver, no formula encoding, no engine.

Owns the meaning of a proof by enumeration. From the System (made from the spec's text, with
assumptions and observers woven in) it rebuilds what every step can do to the states of an
invariant, for one instance among any number or for a fixed number, and looks at every state inside:

- initiation: every initial state is inside;
- consecution: from every state inside, every step of this instance, of any other, of the shared
  machines and of the assumed environment leads inside, and so does every delay;
- safety: no state inside may be one of the excluded.

What the invariant does not speak of may be anything (`possible`), clocks it does not track compare
either way; so the check covers every state of the System that fits. That no formula tells instances
apart is checked where formulas are read. Only `Refusal` says no; returning says yes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rhscheck.checker.certify.cases import Case, Cases
from rhscheck.checker.certify.form import InvariantFile, Refusal
from rhscheck.checker.certify.members import MOST_STATES
from rhscheck.checker.certify.possible import (
    ME,
    YES,
    Bound,
    NotExpressible,
    Reader,
    State,
    Truth,
    Way,
    Ways,
    joined,
    now,
    whether,
)
from rhscheck.checker.certify.regions import (
    ZERO,
    Difference,
    Region,
    covered,
    later,
    limited,
    region,
)
from rhscheck.spec.expr import And, Exists, Expr, Or, walk
from rhscheck.spec.system import SELF, System


def check(
    name: str, system: System, n: int | None, invariant: InvariantFile, bad: Mapping[str, Expr]
) -> int:
    """Whether `invariant` is inductive for `system` and excludes every goal in `bad`.

    `n`: instances of the parametric family; None: one among any number. `name` is what refusals
    call the invariant. Returns the number of states looked at; raises Refusal.
    """
    try:
        judge = Judge(name, system, n, invariant)
        judge.check(bad)
    except NotExpressible as reason:
        raise Refusal(f"{name}: independence", str(reason)) from None
    return len(judge.inside)


@dataclass(slots=True)
class Judge(Cases):
    """One invariant before the enumeration: is it initial, closed, safe?"""

    _limits: list[tuple[int | None, Difference, Truth]] | None = None

    def check(self, bad: Mapping[str, Expr]) -> None:
        """Whether it is inductive and excludes every goal in `bad`."""
        self.initiation()
        self.delays()
        self.steps()
        for rule, goal in bad.items():
            self.safety(rule, goal)

    # ---- initiation ------------------------------------------------------------------------------
    def initiation(self) -> None:
        """Every initial state is inside, with all clocks 0."""
        choices = []
        for name, _ in self.places:
            domain = self.reader.domain(name)
            choices.append([v for v in self.system.variable(name).initial if v in domain])
        initially = self.reader.ways(self.system.initially, {})
        for number, values in enumerate(itertools.product(*choices)):
            if number >= MOST_STATES:
                raise Refusal(f"{self.name}: initiation", "too many initial states to enumerate")
            if not now(initially, values):
                continue
            active = self.active(values)
            start = region(active, [(clock, ZERO, 0, False) for clock in active])
            if start is None or not self._includes(values, start):
                raise Refusal(
                    f"{self.name}: initiation", f"the initial state {self.told(values)} is outside"
                )

    # ---- time ------------------------------------------------------------------------------------
    def delays(self) -> None:
        """Every legal delay stays inside. Without tracked clocks nothing here changes with time."""
        if not self.clocks:
            return
        for values, regions in self.inside.items():
            for reached in self.delayed(values, regions):
                if not covered(reached, regions):
                    raise Refusal(
                        f"{self.name}: consecution: delay", f"it leads out of {self.told(values)}"
                    )

    def delayed(self, values: State, regions: Sequence[Region]) -> list[Region]:
        """What the clocks may be after a delay that is legal, where there may be one."""
        if self._limits is None:
            self._limits = self._deadlines()
        active = self.active(values)
        if not active:
            return []
        limits = []
        for clock, difference, truth in self._limits:
            if (clock is None or clock in active) and whether(truth, values) == YES:
                if clock is None:
                    return []
                limits.append(difference)
        found = (limited(later(one), limits) for one in regions)
        return [one for one in found if one is not None]

    def _deadlines(self) -> list[tuple[int | None, Difference, Truth]]:
        """What deadlines on tracked clocks ask of the end of a delay, and whether they bind.

        One that surely binds and has no clock (None) lets no time pass. Others count for nothing.
        """
        found: list[tuple[int | None, Difference, Truth]] = []
        for deadline in self.system.deadlines:
            family = deadline.family
            owners = (None,) if family is None else self.reader.instances(family)
            for owner in owners:
                place = (deadline.clock, owner)
                if deadline.clock is not None and place not in self.clocks:
                    continue
                clock = None if deadline.clock is None else self.clocks.index(place) + 1
                bound: Bound = {} if family is None else {SELF: owner}
                truth = self.reader.truth(deadline.active, bound)
                found.append((clock, (clock or ZERO, ZERO, deadline.bound, deadline.strict), truth))
        return found

    # ---- steps -----------------------------------------------------------------------------------
    def steps(self) -> None:
        """Every step leads inside, whoever takes it."""
        for transition in self.system.transitions:
            for case in self.cases(transition):
                self._step(case)

    def _step(self, case: Case) -> None:
        if case.fixed is not None and not self.clocks:
            inside, pick, fixed = self.inside, case.pick, case.fixed
            for _, states in case.possible:
                for values in states:
                    if pick(values + fixed) not in inside:
                        raise self._leaves(case, values, pick(values + fixed))
            return
        for ways, states in case.possible:
            for values in states:
                self._follow(case, ways, values)

    def _follow(self, case: Case, ways: tuple[Way, ...], values: State) -> None:
        for state in self.after(case, values):
            if not case.resets and state == values:
                continue
            if not self.clocks:
                if state not in self.inside:
                    raise self._leaves(case, values, state)
                continue
            for reached in self.reached(case, ways, values, self.inside[values], state):
                if not self._includes(state, reached):
                    raise self._leaves(case, values, state)

    def _leaves(self, case: Case, before: State, after: State) -> Refusal:
        return Refusal(
            f"{self.name}: consecution: {case.transition.key}",
            f"it leads from {self.told(before)} to {self.told(after)}",
        )

    # ---- what there is to ask -------------------------------------------------------------------
    def is_everything(self) -> bool:
        """Whether no values of the variables and clocks are outside."""
        size = 1
        for name, _ in self.places:
            size *= len(self.reader.domain(name))
        return size == len(self.inside) and all(
            (anything := region(self.active(values), ())) is not None and covered(anything, regions)
            for values, regions in self.inside.items()
        )

    def is_still(self) -> bool:
        """Whether no step is possible anywhere inside."""
        transitions = self.system.transitions
        return not any(any(self.cases(transition, idle=True)) for transition in transitions)

    # ---- safety ----------------------------------------------------------------------------------
    def safety(self, rule: str, goal: Expr) -> None:
        """No state inside may be a state of `goal`."""
        broken = seen(self.reader, goal, {})
        for numbers in self._alike(goal):
            for way in now(broken, self._order[numbers[0]]):
                for values in (self._order[number] for number in numbers):
                    if any(limited(one, self.read(way)) for one in self.inside[values]):
                        raise Refusal(
                            f"{self.name}: safety: {rule}",
                            f"{self.told(values)} is inside and may break it",
                        )


def seen(reader: Reader, goal: Expr, bound: Bound) -> Ways:
    """The ways to `goal` where ME is the instance because of which it holds, if there is one.

    The invariant holds of every instance, so it is enough to look at that one.
    """
    match goal:
        case Or(args):
            return joined([seen(reader, arg, bound) for arg in args], both=False)
        case Exists(param, family, body) if reader.has_others(family):
            return reader.ways(body, {**bound, param: ME})
        case Exists(param, family, body) if _names_one(reader, body):
            scopes = [{**bound, param: one} for one in reader.instances(family)]
            return joined([seen(reader, body, one) for one in scopes], both=False)
        case And(args):
            named = next((arg for arg in args if _names_one(reader, arg)), None)
            if named is None:
                return reader.ways(goal, bound)
            rest = [reader.ways(arg, bound) for arg in args if arg is not named]
            return joined([seen(reader, named, bound), *rest])
        case _:
            return reader.ways(goal, bound)


def _names_one(reader: Reader, formula: Expr) -> bool:
    return any(
        isinstance(node, Exists) and reader.has_others(node.family) for node in walk(formula)
    )
