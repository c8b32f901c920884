"""That time cannot stop: wherever a deadline is tight, a step ends it, and urgent steps run out.

Owns the part of a proof of a bounded response that its invariant does not show: `within` means
nothing in a run whose time stands still. Judged by enumeration alone, on an invariant that speaks
of all that the deadlines depend on:

- wherever a deadline forbids that time passes, a step is surely possible that needs no instance but
  this one and the shared machines, and after which that deadline is over;
- from every state in which something is urgent, such steps lead to one in which nothing is;
- no such step makes a deadline with a clock bind that the clock may have reached before, of this or
  any other instance, and none of those that follow each other makes another instance urgent: else
  deadlines could end each other for ever.

A step counts only if its condition holds whatever the invariant leaves open: what may be false is
taken to be false. Shares no code with `checker.timelock`, which finds these proofs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from rhscheck.checker.certify.form import InvariantFile, Refusal
from rhscheck.checker.certify.possible import (
    NO,
    YES,
    Another,
    Bound,
    Instance,
    NotExpressible,
    Place,
    Reader,
    State,
    Truth,
    Values,
    Ways,
    now,
    whether,
)
from rhscheck.checker.certify.referee import Judge
from rhscheck.checker.certify.regions import ZERO, Difference, Region, limited, region
from rhscheck.spec.expr import TRUE, Expr, conjuncts, refs
from rhscheck.spec.system import SELF, Deadline, System, Transition

_MOST_OUTCOMES = 1_000


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of this instance or of the shared machines. `fails`: when it may be impossible.

    `assigned`: the variables that it may change, known or not; `elsewhere`: those of them that
    another instance's deadline may read there, for they are shared or assigned in all instances.
    """

    fails: Ways
    assigned: frozenset[str]
    elsewhere: frozenset[str]
    writes: tuple[tuple[int, Values], ...]
    resets: tuple[Place, ...]


def check_progress(name: str, system: System, n: int | None, invariant: InvariantFile) -> None:
    """Whether time can always go on in the states of `invariant` (which has to be one: `referee`).

    `name` is what refusals call it. Raises Refusal.
    """
    try:
        require_progress(Judge(name, system, n, invariant))
    except NotExpressible as reason:
        raise Refusal(f"{name}: time", str(reason)) from None


def require_progress(judge: Judge) -> None:
    """Whether time can always go on in the states of an invariant. Raises Refusal.

    Raises NotExpressible where instances are told apart.
    """
    for deadline in judge.system.deadlines:
        _Deadline(judge, deadline).check()
    _Urgency(judge).check()


def _steps(judge: Judge, reader: Reader, transition: Transition) -> Iterator[_Step]:
    """The ways to take a transition without any other instance."""
    choices = [reader.instances(param.family) for param in transition.params]
    names = [param.name for param in transition.params]
    for choice in itertools.product(*choices):
        if any(isinstance(one, Another) for one in choice):
            raise AssertionError("instances are this one, or numbers")
        bound = dict(zip(names, choice, strict=True))
        places = [reader.place(reset.clock, reset.index, bound) for reset in transition.resets]
        yield _Step(
            reader.ways(transition.guard, bound, holds=False),
            frozenset(update.var for update in transition.updates),
            frozenset(
                update.var
                for update in transition.updates
                if update.each is not None or not _parted(judge.system, reader, update.var)
            ),
            judge.writes(transition, bound, reader),
            tuple(places),
        )


def _parted(system: System, reader: Reader, name: str) -> bool:
    """Whether each of any number of instances has a variable of its own of this name."""
    family = system.variable(name).family
    return family is not None and reader.has_others(family)


def _outcomes(step: _Step, state: State) -> Iterator[State]:
    """The states after a step, as far as they are known."""
    values = [found(state) if callable(found) else found for _, found in step.writes]
    for number, choice in enumerate(itertools.product(*values)):
        if number >= _MOST_OUTCOMES:
            raise NotExpressible("a step has too many outcomes")
        after = list(state)
        for (at, _), value in zip(step.writes, choice, strict=True):
            after[at] = value
        yield tuple(after)


# ---- deadlines that a step makes tight -----------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Sleeper:
    """A deadline of one instance that may come to bind when its clock has been running for long.

    `others`: it is one of another instance than those that steps are taken of.
    """

    clock: Place
    others: bool
    reads: frozenset[str]
    active: Truth
    runs: Truth

    def woken(self, step: _Step, before: State, after: State) -> bool:
        """Whether it may bind only after the step, at a value of its clock from before."""
        return (
            self.clock not in step.resets
            and not (step.elsewhere if self.others else step.assigned).isdisjoint(self.reads)
            and whether(self.runs, before) != NO
            and whether(self.active, before) != YES
            and whether(self.active, after) != NO
        )


def _sleepers(judge: Judge, reader: Reader, *, urgent: bool = False) -> Iterator[_Sleeper]:
    """With `urgent` also the urgent deadlines of other instances, which nobody follows."""
    clocks = {clock.name: clock for clock in judge.system.clocks}
    for deadline in judge.system.deadlines:
        family = deadline.family
        others = family is not None and reader.has_others(family)
        owners: tuple[Instance, ...] = (None,) if family is None else reader.instances(family)
        runs: Expr = TRUE if deadline.clock is None else clocks[deadline.clock].active
        if deadline.clock is None or (deadline.bound == 0 and not deadline.strict):
            if not (urgent and others):
                continue  # whoever makes it bind is followed from there
            owners = ()
        elif {*conjuncts(deadline.active)} <= {*conjuncts(runs)}:
            continue  # its clock starts with it
        names = frozenset(ref.name for ref in refs(deadline.active))
        for owner in (*owners, *((Another(),) if others else ())):
            bound: Bound = {} if family is None else {SELF: owner}
            yield _Sleeper(
                (deadline.clock or "", owner),
                isinstance(owner, Another),
                names,
                reader.truth(deadline.active, bound),
                reader.truth(runs, bound),
            )


# ---- one deadline --------------------------------------------------------------------------------
@dataclass(slots=True)
class _Deadline:
    """Wherever this deadline is tight, a step ends it."""

    judge: Judge
    deadline: Deadline

    def check(self) -> None:
        """Raises Refusal."""
        family = self.deadline.family
        owners: tuple[Instance, ...] = (
            (None,) if family is None else self.judge.reader.instances(family)
        )
        for owner in owners:
            self._check_of(owner)

    def _check_of(self, owner: Instance) -> None:
        judge, deadline = self.judge, self.deadline
        clock = None if deadline.clock is None else (deadline.clock, owner)
        tracked = frozenset(() if clock is None else (clock,))
        reader = Reader(judge.system, judge.n, judge.places, tracked)
        bound: Bound = {} if deadline.family is None else {SELF: owner}
        active = reader.truth(deadline.active, bound)
        steps = _Lazily(judge, reader, deadline.name)
        sleepers = tuple(_sleepers(judge, reader))
        tight = self._tight(clock)
        for state in judge.inside:
            if whether(active, state) == NO:
                continue
            left = [tight]
            for step in steps:
                if not self._over(step, state, clock, active) or any(
                    sleeper.woken(step, state, after)
                    for sleeper in sleepers
                    for after in _outcomes(step, state)
                ):
                    continue
                ways = [_read(way) for way in now(step.fails, state)]
                pieces = (limited(one, way) for one in left for way in ways)
                left = [piece for piece in pieces if piece is not None]
                if not left:
                    break
            if left:
                raise Refusal(
                    f"{judge.name}: time: {deadline.name}",
                    f"no step surely ends it in {judge.told(state)}",
                )

    def _tight(self, clock: Place | None) -> Region:
        """The values of the deadline's clock (number 1) for which it lets no time pass.

        One with a strict bound is never met: the step has to be possible all the last unit long.
        """
        if clock is None:
            found = region((), ())
        else:
            strict = self.deadline.strict
            bound = self.deadline.bound - 1 if strict else self.deadline.bound
            found = region((1,), ((ZERO, 1, -bound, strict),))
        if found is None:
            raise AssertionError("a clock can have any value")
        return found

    def _over(self, step: _Step, state: State, clock: Place | None, active: Truth) -> bool:
        """Whether the deadline surely forbids nothing after the step."""
        if clock is not None and self.deadline.bound > 0 and clock in step.resets:
            return True
        return all(whether(active, after) == NO for after in _outcomes(step, state))


def _read(way: tuple[tuple[Place, Place | None, str, int], ...]) -> list[Difference]:
    """Comparisons of the one clock as differences."""
    found: list[Difference] = []
    for _, minus, op, bound in way:
        if minus is not None:
            raise AssertionError("one clock has no difference to another")
        if op in ("<", "<="):
            found.append((1, ZERO, bound, op == "<"))
        else:
            found.append((ZERO, 1, -bound, op == ">"))
    return found


class _Lazily:
    """The steps, those first that are the expiry of a deadline; read when they are needed."""

    def __init__(self, judge: Judge, reader: Reader, deadline: str) -> None:
        ordered = sorted(judge.system.transitions, key=lambda one: one.expires != deadline)
        self._more = (step for one in ordered for step in _steps(judge, reader, one))
        self._read: list[_Step] = []

    def __iter__(self) -> Iterator[_Step]:
        yield from self._read
        for step in self._more:
            self._read.append(step)
            yield step


# ---- urgent steps --------------------------------------------------------------------------------
@dataclass(slots=True)
class _Urgency:
    """Urgent steps do not follow each other for ever."""

    judge: Judge

    def check(self) -> None:
        """Raises Refusal."""
        judge = self.judge
        reader = Reader(judge.system, judge.n, judge.places, frozenset())
        urgent: list[Truth] = []
        for deadline in judge.system.deadlines:
            if deadline.clock is not None and (deadline.bound > 0 or deadline.strict):
                continue
            family = deadline.family
            owners: tuple[Instance, ...] = (None,) if family is None else reader.instances(family)
            for owner in owners:
                bound: Bound = {} if family is None else {SELF: owner}
                urgent.append(reader.truth(deadline.active, bound))
        if not urgent:
            return
        steps = [
            step
            for transition in judge.system.transitions
            for step in _steps(judge, reader, transition)
        ]

        def at_rest(state: State) -> bool:
            return all(whether(truth, state) == NO for truth in urgent)

        sleepers = tuple(_sleepers(judge, reader, urgent=True))
        free: set[State] = set()
        for start in judge.inside:
            seen = {start}
            queue = [start]
            while queue:
                state = queue.pop()
                if state in free or at_rest(state):
                    free.add(start)
                    break
                for step in steps:
                    if now(step.fails, state):
                        continue
                    outcomes = list(_outcomes(step, state))
                    if any(sleeper.woken(step, state, outcomes[0]) for sleeper in sleepers):
                        continue
                    if len(outcomes) == 1 and outcomes[0] not in seen:
                        seen.add(outcomes[0])
                        queue.append(outcomes[0])
            else:
                raise Refusal(
                    f"{judge.name}: time: urgent steps",
                    f"they follow each other for ever from {judge.told(start)}",
                )
