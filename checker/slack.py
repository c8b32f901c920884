"""How much room deadlines leave, and what only time excludes.

Owns three questions about a System under its assumptions. For each deadline: the longest that its
clock ever gets while it binds, so its *slack*, bound minus that. For each bounded response: the
smallest bound that would still hold. For each state that some order of steps reaches: whether any
timing does. All are searches for reachable goals with clocks (`checker.narrow`): what is excluded
is excluded for every number of instances, or for the number that is stated. "At least" a slack is
proved; that it is not more counts once there is a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rhscheck.checker.answer import Task
from rhscheck.checker.explore import explore
from rhscheck.checker.independence import rule_dependence
from rhscheck.checker.local import Dependence
from rhscheck.checker.local_time import time_for_every, time_stops
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, GaveUp, Real, cone, narrow
from rhscheck.checker.proofs import skeleton
from rhscheck.checker.realise import concrete_run
from rhscheck.spec.compiled import Compiled
from rhscheck.spec.expr import ClockCmp, Comparison, Expr, In, Ref, conj, disj, transform, walk
from rhscheck.spec.ground import Ground
from rhscheck.spec.source import Span
from rhscheck.spec.system import EnumType, Rule, StateVar, System, Within


@dataclass(frozen=True, slots=True)
class Slack:
    """Of one deadline, or of one bounded response (`rule`), all in the System's unit.

    `needed`: the longest its clock gets (the smallest bound that still holds), rounded up; None:
    not known, and `reason` says why. `never`: the deadline never binds. `sure`: a run shows that it
    gets so long; else only that it is no more is proved. `n`: None for every number of instances.
    """

    name: str
    rule: bool
    owner: str
    bound: int
    needed: int | None
    never: bool
    sure: bool
    reason: str
    n: int | None
    span: Span

    @property
    def slack(self) -> int | None:
        """What is left of the bound at least; None where that is not known."""
        return None if self.needed is None else max(0, self.bound - self.needed)


@dataclass(frozen=True, slots=True)
class Untimely:
    """No run is ever in this state, though its steps alone would allow it: time excludes it."""

    state: str
    n: int | None
    span: Span


@dataclass(frozen=True, slots=True)
class TimeReport:
    """The slack of deadlines and of bounded responses, and states that only time excludes.

    `open`: states about which that is not known.
    """

    deadlines: tuple[Slack, ...]
    responses: tuple[Slack, ...]
    untimely: tuple[Untimely, ...]
    open: tuple[str, ...]


Told = Callable[[TimeReport], None]


def _untold(_report: TimeReport) -> None:
    """Nobody waits for a part of the report."""


def diagnose(task: Task, n: int, told: Told = _untold) -> TimeReport:
    """The three answers for one instance plus environment, else for `n` instances.

    The bounded responses are those among the rules of the task. `told` is told the report as it is
    so far, whenever more is known; what was not looked at yet is unknown because of the time-out.
    """
    place = _Place.of(task, task.weave([]), n)
    why = "not looked at" if task.budget.left() is None else task.budget.reason
    report = unfinished(place.model.system, task.rules, why)
    told(report)
    deadlines, responses = list(report.deadlines), list(report.responses)
    for at, slack in enumerate(deadlines):
        task.say(f"time: {slack.name}")
        seen = place if place.sees(slack.name) else _Place.numbered(task, place.model, n)
        deadlines[at] = _deadline(seen, slack)
        report = replace(report, deadlines=tuple(deadlines))
        told(report)
    within = [rule for rule in task.rules if isinstance(rule.obligation, Within)]
    for at, rule in enumerate(within):
        assert isinstance(rule.obligation, Within)
        task.say(f"time: {rule.id}")
        responses[at] = _response(task, rule, rule.obligation, n)
        report = replace(report, responses=tuple(responses))
        told(report)
    task.say("time: states")
    untimely, open_ = _states(place)
    return replace(report, untimely=untimely, open=open_)


def unfinished(system: System, rules: Sequence[Rule], reason: str) -> TimeReport:
    """The report in which everything is unknown, for `reason`."""
    return TimeReport(
        tuple(
            Slack(
                deadline.name, False, deadline.owner, deadline.bound, None, False, False, reason,
                None, deadline.span,
            )
            for deadline in system.deadlines
            if deadline.clock is not None  # what must happen at once leaves no room by intention
        ),
        tuple(
            _open_response(rule, rule.obligation, reason)
            for rule in rules
            if isinstance(rule.obligation, Within)
        ),
        (),
        tuple(
            f"{variable.machine}.{member}: {reason}"
            for variable, kind in _locations(system)
            for member in kind.members
        ),
    )  # fmt: skip


# ---- what is looked at ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Place:
    """One instance plus environment (`n` None), or `n` instances."""

    task: Task
    model: Model
    n: int | None
    ground: Ground
    compiled: Compiled

    @staticmethod
    def of(task: Task, model: Model, n: int) -> _Place:
        if isinstance(model.abstraction, Dependence):
            return _Place.numbered(task, model, n)
        return _Place(task, model, None, model.local, model.local_compiled)

    @staticmethod
    def numbered(task: Task, model: Model, n: int) -> _Place:
        """`n` instances, even where one plus environment would do."""
        return _Place(task, model, n, model.ground(n), model.compiled(n))

    def sees(self, deadline: str) -> bool:
        """Whether the deadline is here what it is in the System: not where it looks at others."""
        if self.n is not None:
            return True
        one, other = (
            next(one.active for one in system.deadlines if one.name == deadline)
            for system in (self.model.system, self.model.independent.system)
        )
        return one == other

    def reach(self, name: str, goal: Expr) -> tuple[Excluded | Real | GaveUp, bool]:
        """Whether `goal` is reached, and whether a run of concrete instances shows it."""
        slots, clocks = cone(self.ground, goal)
        outcome = narrow(
            self.ground, self.compiled, name, goal, keep=skeleton(self.ground) | slots,
            tracked=clocks, limit=self.task.limit, cancelled=self.task.budget.over,
        )  # fmt: skip
        if not isinstance(outcome, Real):
            return outcome, False
        if self.n is not None:
            return outcome, True
        initial = outcome.run.initial.values
        return outcome, concrete_run(self.model, initial, outcome.positions, 1, goal) is not None


@dataclass(frozen=True, slots=True)
class _Found:
    needed: int | None
    never: bool
    sure: bool
    reason: str


class _Longest:
    """Bisection for the longest time: `goal(op, value)` says that a clock is `op` `value`."""

    def __init__(self, place: _Place, name: str, goal: Callable[[Comparison, int], Expr]) -> None:
        self._place = place
        self._name = name
        self._goal = goal
        self._sure = False
        self._gave_up = ""

    def reached(self, op: Comparison, value: int) -> bool | None:
        """Whether the clock ever compares so; None where that is not known."""
        outcome, sure = self._place.reach(self._name, self._goal(op, value))
        if isinstance(outcome, GaveUp):
            self._gave_up = outcome.reason
            return None
        self._sure = sure
        return isinstance(outcome, Real)

    def search(self, bound: int) -> _Found:
        """The least whole number that the clock never exceeds, up to `bound`."""
        there = self.reached(">=", 0)
        if there is None:
            return _Found(None, False, False, self._gave_up)
        if not there:
            return _Found(0, True, True, "")
        low, high = 0, bound  # reached with >= low; whether >= high is asked next
        at_bound = self.reached(">=", bound)
        if at_bound is None:
            return _Found(None, False, False, self._gave_up)
        if at_bound:
            return _Found(bound, False, self._sure, "")
        sure = True
        while high - low > 1:
            middle = (low + high) // 2
            there = self.reached(">=", middle)
            if there is None:
                return _Found(high, False, False, f"not narrowed down: {self._gave_up}")
            if there:
                low, sure = middle, self._sure
            else:
                high = middle
        more = self.reached(">", low)
        if more is None or more:
            return _Found(high, False, sure and more is not None, self._gave_up)
        return _Found(low, False, sure, "")


# ---- deadlines -----------------------------------------------------------------------------------
def _deadline(place: _Place, asked: Slack) -> Slack:
    """What is known of the deadline that `asked` is about."""
    ground = place.ground
    here = [one for one in ground.deadlines if one.name == asked.name]

    def goal(op: Comparison, value: int) -> Expr:
        return disj(
            conj((one.active, ClockCmp(clock.name, clock.index, op, value)))
            for one in here
            if one.clock is not None
            for clock in (ground.clocks[one.clock],)
        )

    found = _Found(0, True, True, "")
    if here:
        found = _Longest(place, asked.name, goal).search(asked.bound)
    return replace(
        asked, needed=found.needed, never=found.never, sure=found.sure, reason=found.reason,
        n=place.n,
    )  # fmt: skip


# ---- bounded responses ---------------------------------------------------------------------------
def _open_response(rule: Rule, within: Within, reason: str) -> Slack:
    return Slack(rule.id, True, "", within.bound, None, False, False, reason, None, rule.span)


def _response(task: Task, rule: Rule, within: Within, n: int) -> Slack:
    """The smallest bound under which the response would still come in time."""

    def unknown(reason: str) -> Slack:
        return _open_response(rule, within, reason)

    model = task.weave([rule])
    if rule.id in model.unwoven:
        return unknown(model.unwoven[rule.id])
    place = _Place.of(task, model, n)
    if place.n is None:
        dependent = rule_dependence(model.system, rule)
        if dependent is not None:
            return unknown(dependent.sentence)
        formula = model.local_formula(rule.id)
    else:
        formula = model.formula(rule.id, place.n)
    observers = {clock.name for clock in place.ground.clocks if clock.role == "observer"}
    compared = [
        node
        for node in _comparisons(formula)
        if node.clock in observers and node.op in (">", ">=") and node.bound == within.bound
    ]
    if not compared or {node.op for node in compared} != {">"}:
        return unknown("its bound is not one comparison of a clock")

    def goal(op: Comparison, value: int) -> Expr:
        def swapped(node: Expr) -> Expr | None:
            if node in compared and isinstance(node, ClockCmp):
                return replace(node, op=op, bound=value)
            return None

        return transform(formula, swapped)

    longest = _Longest(place, rule.id, goal)
    broken = longest.reached(">", within.bound)
    if broken is None or broken:
        return unknown("the rule itself is not proved" if broken else "not decided")
    stops = time_for_every(task).reason if place.n is None else time_stops(task, place.n)
    if stops is not None:
        return unknown(stops)
    found = longest.search(within.bound)
    return Slack(
        rule.id, True, "", within.bound, found.needed, found.never, found.sure, found.reason,
        place.n, rule.span,
    )  # fmt: skip


def _comparisons(formula: Expr) -> list[ClockCmp]:
    return [node for node in walk(formula) if isinstance(node, ClockCmp)]


# ---- states --------------------------------------------------------------------------------------
def _locations(system: System) -> Iterator[tuple[StateVar, EnumType]]:
    """The variables that say in which state a machine is, with their types."""
    for variable in system.variables:
        if variable.role == "location" and isinstance(variable.type, EnumType):
            yield variable, variable.type


def _states(place: _Place) -> tuple[tuple[Untimely, ...], tuple[str, ...]]:
    task = place.task
    goals: dict[str, tuple[Expr, Span]] = {}
    for variable, kind in _locations(place.model.system):
        mine = [slot for slot in place.ground.slots if slot.variable == variable]
        for value, member in enumerate(kind.members):
            formula = disj(In(Ref(variable.name, slot.index), (value,)) for slot in mine)
            goals[f"{variable.machine}.{member}"] = (formula, variable.span)
    seen = explore(
        place.ground, {name: goal for name, (goal, _) in goals.items()}, limit=task.limit,
        cancelled=task.budget.over, compiled=place.compiled,
    )  # fmt: skip
    untimely, open_ = [], []
    for name, (goal, span) in goals.items():
        if name not in seen.found:
            continue  # no order of steps leads there: `unreachable_state` says so
        outcome, _ = place.reach(name, goal)
        if isinstance(outcome, Excluded):
            untimely.append(Untimely(name, place.n, span))
        elif isinstance(outcome, GaveUp):
            open_.append(f"{name}: {outcome.reason}")
    return tuple(untimely), tuple(open_)
