"""Runs that never end: a beginning, and a loop that is gone through for ever.

Owns what such a run is, the check by `spec.semantics` that it is one, and the choice of its times.
Knows neither graphs nor engines: how the steps were found does not matter here.

A loop repeats exactly if every clock shows the same after it as before it, or has gone beyond every
constant that it is compared with (and is not compared with other clocks): then what was possible
once is possible always, with the same delays. A loop takes positive time. A run without a loop
rests: nothing happens any more and time passes for ever.

Times. With the period of the loop fixed, "the clock shows the same" is a difference constraint like
any other, so `checker.differences` finds the earliest times. Periods are tried in ascending order,
from the constants of the spec; if none of them fits, linear arithmetic finds another or says that
there is none. Then the clocks of the contradictions are those worth knowing better.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rhscheck.checker.differences import Alternatives, Constraint, Option, exact
from rhscheck.checker.fairness import Debt
from rhscheck.checker.schedule import alternatives, bounds, delays, starts
from rhscheck.checker.smt.times import solve_times
from rhscheck.spec.compiled import Compiled, clock_atoms
from rhscheck.spec.expr import ClockCmp, ClockDiff, Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import (
    IllegalRun,
    Run,
    State,
    Step,
    Time,
    delay_bound,
    elapse,
    evaluate,
    replay_run,
)

_MOST_PERIODS = 60


@dataclass(frozen=True, slots=True)
class Lasso:
    """`run`, whose steps from number `loop` on (0 is the first) repeat for ever.

    `loop` is the number of steps if nothing happens any more.
    """

    run: Run
    loop: int

    @property
    def length(self) -> int:
        """Discrete steps, those of the loop counted once."""
        return sum(step.transition is not None for step in self.run.steps)


@dataclass(frozen=True, slots=True)
class NoLasso:
    """Not a run that never ends; `reason` says why.

    `clocks`: those that exclude it; `debts`: those that it never pays.
    """

    reason: str
    clocks: frozenset[int] = frozenset()
    debts: tuple[Debt, ...] = ()


# ---- the check -------------------------------------------------------------------------------
def check(ground: Ground, lasso: Lasso, debts: Sequence[Debt], turn: int) -> NoLasso | None:
    """Why `lasso` is no endless fair run in which slot `turn` keeps a value that is not 0.

    None if it is one. Fair: it has none of `debts` (their `fair` ones) for ever.
    """
    try:
        states = replay_run(ground, lasso.run)
    except IllegalRun as error:
        return NoLasso(f"the run is not legal: {error}")
    around = states[lasso.loop :]
    owed = around[0].values[turn]
    if owed == 0 or any(state.values[turn] != owed for state in around):
        return NoLasso("the response comes")
    greatest = _greatest(ground)
    steps = lasso.run.steps[lasso.loop :]
    if not steps:
        bound = delay_bound(ground, around[0])
        if bound.limit is not None:
            active = [
                deadline.clock
                for deadline in ground.deadlines
                if deadline.clock is not None and evaluate(deadline.active, ground, around[0])
            ]
            names = ", ".join(bound.deadlines)
            return NoLasso(f"time does not pass for ever: {names}", frozenset(active))
        # In the end every running clock is beyond everything.
        around = [elapse(ground, around[0], 1 + max(greatest, default=0))]
        moments = around
    else:
        moved = _moved(ground, around[0], around[-1], greatest)
        if moved is not None:
            return moved
        if sum((step.delay for step in steps), start=Fraction(0)) <= 0:
            return NoLasso("the loop takes no time")
        moments = list(_moments(ground, around, steps))
    taken = {step.transition for step in steps}
    for debt in debts:
        if not debt.fair or not debt.paid.isdisjoint(taken):
            continue
        holds = [bool(evaluate(debt.owed, ground, state)) for state in moments]
        if any(holds) if debt.strong else all(holds):
            return NoLasso(f"unfair: {debt.name}", debts=(debt,))
    return None


def _moved(ground: Ground, before: State, after: State, greatest: Sequence[int]) -> NoLasso | None:
    """Whether the state after the loop can be told from the one before it."""
    if before.values != after.values:
        return NoLasso("the loop does not return to its beginning")
    apart = [
        at
        for at, (one, other) in enumerate(zip(before.clocks, after.clocks, strict=True))
        if one != other and not (one > greatest[at] and other > greatest[at])
    ]
    compared = {at for pair in _differences(ground) for at in pair}
    apart += [
        at for at in sorted(compared) if before.clocks[at] != after.clocks[at] and at not in apart
    ]
    if apart:
        names = ", ".join(ground.clocks[at].name for at in apart)
        return NoLasso(f"clocks differ after the loop: {names}", frozenset(apart))
    return None


def _moments(ground: Ground, states: Sequence[State], steps: Sequence[Step]) -> Iterator[State]:
    """Every state of the loop, as far as comparisons of clocks can tell them apart."""
    constants = sorted({bound for _, bound in _constants(ground)})
    for state, step in zip(states, steps, strict=False):
        turning = {Fraction(0), Fraction(step.delay)}
        for clock, bound in itertools.product(state.clocks, constants):
            if 0 < bound - clock < step.delay:
                turning.add(Fraction(bound - clock))
        points = sorted(turning)
        for one, other in itertools.pairwise(points):
            points = [*points, (one + other) / 2]
        for delay in sorted(points):
            yield elapse(ground, state, delay)


# ---- constants ---------------------------------------------------------------------------------
def _formulas(ground: Ground) -> Iterator[Expr]:
    for transition in ground.transitions:
        yield transition.guard
        for _, value in transition.updates:
            yield value


def _constants(ground: Ground) -> Iterator[tuple[int, int]]:
    """(clock, constant it is compared with), with repetitions."""
    for formula in _formulas(ground):
        for atom in clock_atoms(formula):
            if isinstance(atom, ClockCmp):
                yield ground.clock_of[atom.clock, atom.index], atom.bound  # type: ignore[index]
    for deadline in ground.deadlines:
        if deadline.clock is not None:
            yield deadline.clock, deadline.bound


def _greatest(ground: Ground) -> list[int]:
    """For each clock the greatest constant it is compared with; -1: none."""
    greatest = [-1] * len(ground.clocks)
    for clock, bound in _constants(ground):
        greatest[clock] = max(greatest[clock], bound)
    return greatest


def _differences(ground: Ground) -> set[tuple[int, int]]:
    """The pairs of clocks that are compared with each other."""
    return {
        (
            ground.clock_of[atom.clock, atom.index],  # type: ignore[index]
            ground.clock_of[atom.minus, atom.minus_index],  # type: ignore[index]
        )
        for formula in _formulas(ground)
        for atom in clock_atoms(formula)
        if isinstance(atom, ClockDiff)
    }


# ---- times -------------------------------------------------------------------------------------
def timed(
    ground: Ground,
    initial: Sequence[int],
    stem: Sequence[int],
    loop: Sequence[int],
    compiled: Compiled,
) -> Lasso | NoLasso:
    """The earliest times for `stem` and then `loop`, so that the loop repeats.

    Positions of transitions; the loop leads back to the values it starts from, or is empty. Tries
    the loop at once, then after having gone through it. Raises ValueError if the steps are
    impossible whatever the timing.
    """
    blamed: frozenset[int] = frozenset()
    tries = (stem,) if not loop else (stem, (*stem, *loop))
    for beginning in tries:
        path = _Path(ground, initial, beginning, loop, compiled)
        found = path.lasso()
        if isinstance(found, Lasso):
            return found
        blamed |= found.clocks
    return NoLasso("no times were found for it", blamed)


class _Path:
    """The constraints on the times of one lasso."""

    def __init__(
        self,
        ground: Ground,
        initial: Sequence[int],
        stem: Sequence[int],
        loop: Sequence[int],
        compiled: Compiled,
    ) -> None:
        self._ground = ground
        self._positions = (*stem, *loop)
        self._begin = len(stem)
        self._end = len(self._positions)
        trail = [tuple(initial)]
        for position in self._positions:
            trail.append(compiled.fire[position](trail[-1]))
        self._trail = trail
        self._started = starts(ground, trail, self._positions)
        self._choices: list[list[Option]] = []
        for number, position in enumerate(self._positions, start=1):
            values = trail[number - 1]
            self._choices.append(delays(ground, values, self._started[number - 1], number))
            atoms = alternatives(ground, ground.transitions[position].guard, values)
            if not atoms:
                raise ValueError(f"step {number} is impossible, whatever the timing")
            self._choices.append(
                [
                    [
                        part
                        for atom in option
                        for part in bounds(ground, atom, self._started[number - 1], number)
                    ]
                    for option in atoms
                ]
            )

    def lasso(self) -> Lasso | NoLasso:
        """The earliest times with the first period that fits, else any that fit."""
        if self._begin == self._end:
            found = Alternatives(self._end, self._choices).solve()
            if isinstance(found, frozenset):
                return NoLasso("the times contradict each other", found)
            return self._run(exact(found))
        constants = {bound for _, bound in _constants(self._ground) if bound > 0}
        periods = sorted({1, *constants})
        sums = {one + other for one, other in itertools.combinations_with_replacement(periods, 2)}
        blamed: set[int] = set()
        for period in sorted({*periods, *sums})[:_MOST_PERIODS]:
            fixed = [
                part for later, earlier, clocks in self._equal()
                for part in _exactly(later, earlier, period, clocks)
            ]  # fmt: skip
            last, choices = self._closed()
            found = Alternatives(last, [*choices, [fixed]]).solve()
            if not isinstance(found, frozenset):
                return self._run(exact(found))
            blamed |= found
        pairs = [(later, earlier) for later, earlier, _ in self._equal()]
        times = solve_times(*self._closed(), pairs)
        if times is not None:
            return self._run(times)
        return NoLasso("no times repeat", frozenset(blamed))

    def _run(self, times: Sequence[Fraction]) -> Lasso:
        steps = [
            Step(_plain(times[number] - times[number - 1]), position)
            for number, position in enumerate(self._positions, start=1)
        ]
        if len(times) > len(steps) + 1 and times[-1] > times[-2]:
            steps.append(Step(_plain(times[-1] - times[-2]), None))
        start = State(tuple(self._trail[0]), (0,) * len(self._ground.clocks))
        return Lasso(Run(start, tuple(steps)), self._begin)

    def _closed(self) -> tuple[int, list[list[Option]]]:
        """The number of the last time, and the constraints, but for what has to be equal.

        The loop ends with a delay of its own: then its first step follows again. A clock that it
        does not restart is beyond all it is compared with, from the beginning of the loop on.
        """
        beyond: Option = []
        greatest = _greatest(self._ground)
        differing = {at for pair in _differences(self._ground) for at in pair}
        for at, (first, last) in enumerate(self._around()):
            if first is not None and last == first and greatest[at] >= 0:
                beyond.append(Constraint(first, self._begin, -greatest[at], True, (at,), -1))
                if at in differing:
                    beyond.append(Constraint(self._begin, self._begin, -1, False, (at,), -1))
        rest = delays(self._ground, self._trail[-1], self._started[-1], self._end + 1)
        return self._end + 1, [*self._choices, rest, [beyond]]

    def _equal(self) -> list[tuple[int, int, tuple[int, ...]]]:
        """The pairs of times whose distance is the period, and the clock that asks for it."""
        return [
            (self._end + 1, self._begin, ()),
            *(
                (last, first, (at,))
                for at, (first, last) in enumerate(self._around())
                if first is not None and last is not None and last != first
            ),
        ]

    def _around(self) -> Iterator[tuple[int | None, int | None]]:
        """For each clock when it last started before the loop, and before its end."""
        yield from zip(self._started[self._begin], self._started[self._end], strict=True)


def _exactly(
    later: int, earlier: int, distance: int, clocks: tuple[int, ...]
) -> Iterator[Constraint]:
    yield Constraint(later, earlier, distance, False, clocks, -1)
    yield Constraint(earlier, later, -distance, False, clocks, -1)


def _plain(time: Fraction) -> Time:
    return time.numerator if time.denominator == 1 else time
