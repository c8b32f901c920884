"""The set of states a spec allows after what was seen, and how it changes.

Owns the state set behind replay and scenarios: letting exactly so much time pass with hidden steps
anywhere in between, and taking an observed step. Each possible state carries the rules that are
already broken on the way to it, so that a verdict becomes definite when the innocent alternatives
die. It knows the woven Ground only: nothing of files, events or verdicts.

Observed times are exact, so clocks are. The one thing a finite set cannot hold is a hidden step
that starts a clock at an unknown moment; time is then sampled once between any two instants at
which something changes, and `exact` says that states may be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rhscheck.spec.expr import FALSE, Expr, clocks_read, refs
from rhscheck.spec.frames import Frames, spent_after
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import (
    State,
    Time,
    delay_bound,
    describe,
    elapse,
    evaluate,
    explain_false,
    fire,
    initial_states,
)

# More possible states than this are not followed: the replay then says that it cannot decide.
MAX_POSSIBLE = 20_000


class TooManyStates(Exception):  # noqa: N818 - a limit, not a fault
    """The set of possible states outgrew MAX_POSSIBLE."""


@dataclass(frozen=True, slots=True)
class Possible:
    """A state the run may be in, and the rules (as a bit mask) that are broken on the way to it."""

    state: State
    broken: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """A state in which time could not pass, `left` units before the next event."""

    possible: Possible
    left: Time
    deadlines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Passed:
    """The states after a delay, and those that the delay ruled out; `exact`: none is missing."""

    possible: tuple[Possible, ...]
    stuck: tuple[Stuck, ...]
    exact: bool


class Tracker:
    """Follows the possible states of `ground`.

    `hidden` are positions of transitions that may happen unseen, `bad` the state formulas of the
    rules, whose order gives the bits of `Possible.broken`.
    """

    def __init__(self, ground: Ground, hidden: Sequence[int], bad: Sequence[Expr]) -> None:
        self.ground = ground
        self._frames = Frames(ground, hidden, bad)
        self._spent = spent_after(ground, bad)

    def initial(self) -> tuple[Possible, ...]:
        """Every initial state. Raises TooManyStates."""
        found: dict[Possible, None] = {}
        for state in initial_states(self.ground):
            found[self._judged(state, 0)] = None
            _limit(len(found))
        return tuple(found)

    def _judged(self, state: State, broken: int) -> Possible:
        """The state and the rules broken in it; a spent clock of an observer gets a fixed value.

        Past the greatest constant it is compared with, a clock's value makes no difference; keeping
        it would tell states apart that are the same for all that can follow.
        """
        spent = [at for at, most in self._spent if state.clocks[at] > most]
        if spent:
            most = dict(self._spent)
            clocks = tuple(
                most[at] + 1 if at in spent else time for at, time in enumerate(state.clocks)
            )
            state = State(state.values, clocks)
        frame = self._frames.of(state.values)
        broken |= frame.broken
        for bit, formula in frame.clocked:
            if not broken >> bit & 1 and evaluate(formula, self.ground, state):
                broken |= 1 << bit
        return Possible(state, broken)

    def wait(self, possible: Iterable[Possible], delay: Time) -> Passed:
        """The possible states `delay` units later, with any hidden steps before, during and after.

        Raises TooManyStates.
        """
        start = [(one, delay, False) for one in possible]
        seen = dict.fromkeys(start)
        work = list(reversed(start))
        done: dict[Possible, None] = {}
        stuck: list[Stuck] = []
        passing: list[Stuck] = []  # where a hidden step was still possible
        exact = True
        while work:
            one, left, between = work.pop()
            onward: list[tuple[Possible, Time, bool]] = []
            for after, starts_clock in self._unseen(one):
                # Between two instants the step could as well come earlier or later.
                exact = exact and not (between and starts_clock)
                onward.append((after, left, between))
            if left == 0:
                done[one] = None
            else:
                frame = self._frames.of(one.state.values)
                ahead = min([*frame.instants(one.state)[:1], left])
                pause = ahead if between else Fraction(ahead) / 2
                bound = delay_bound(frame.ground, one.state)
                if bound.allows(pause):
                    later = self._judged(elapse(frame.ground, one.state, pause), one.broken)
                    onward.append((later, left - pause, not between))
                else:
                    blocked = stuck if not onward else passing
                    blocked.append(Stuck(one, left, bound.deadlines))
            for item in reversed(onward):
                if item not in seen:
                    seen[item] = None
                    work.append(item)
            _limit(len(seen) - len(start))
        return Passed(tuple(done), tuple(stuck or passing), exact)

    def _unseen(self, one: Possible) -> Iterable[tuple[Possible, bool]]:
        """The states one hidden step on, and whether that step starts a clock."""
        frame = self._frames.of(one.state.values)
        for position, guard in frame.hidden:
            if not evaluate(guard, self.ground, one.state):
                continue
            state = fire(frame.ground, one.state, position)
            resets = self.ground.transitions[position].resets
            after = self._frames.of(state.values)
            starts = any(
                clock.active != FALSE
                and (at in resets or not evaluate(before.active, self.ground, one.state))
                for at, (before, clock) in enumerate(
                    zip(frame.ground.clocks, after.ground.clocks, strict=True)
                )
            )
            yield self._judged(state, one.broken), starts

    def take(self, possible: Iterable[Possible], positions: Sequence[int]) -> tuple[Possible, ...]:
        """The states after one of the transitions at `positions`, wherever its guard holds."""
        found: dict[Possible, None] = {}
        for one in possible:
            frame = self._frames.of(one.state.values)
            for position in positions:
                if evaluate(self.ground.transitions[position].guard, self.ground, one.state):
                    state = fire(frame.ground, one.state, position)
                    found[self._judged(state, one.broken)] = None
        _limit(len(found))
        return tuple(found)

    def overrun(self, stuck: Iterable[Stuck]) -> tuple[Possible, ...]:
        """The states at the next event if the missed deadlines had not existed.

        Used for judging rules after a deadline was missed: nothing else happens meanwhile.
        """
        found: dict[Possible, None] = {}
        for one in stuck:
            possible, left = one.possible, one.left
            while left > 0:
                frame = self._frames.of(possible.state.values)
                ahead = min([*frame.instants(possible.state)[:1], left])
                for pause in (Fraction(ahead) / 2, Fraction(ahead) / 2):
                    state = possible.state
                    clocks = tuple(
                        time if clock.active == FALSE else time + pause
                        for clock, time in zip(frame.ground.clocks, state.clocks, strict=True)
                    )
                    possible = self._judged(State(state.values, clocks), possible.broken)
                left -= ahead
            found[possible] = None
        return tuple(found)


def unmet_conditions(
    ground: Ground, states: Iterable[State], positions: Sequence[int], *, promises: bool
) -> tuple[str, ...]:
    """What each of the transitions at `positions` lacked in each state, in one line each.

    `promises`: assumptions are woven into the guards, so conditions of observers count. Without
    them such a condition only chooses between twins of a step and is left out.
    """
    observers = {slot.variable.name for slot in ground.slots if slot.variable.role == "observer"}
    observers |= {clock.name for clock in ground.clocks if clock.role == "observer"}
    found: dict[tuple[str, ...], None] = {}
    for state in states:
        for position in positions:
            missing = tuple(
                describe(part, ground, state)
                for part in explain_false(ground.transitions[position].guard, ground, state)
                if promises or not observers.intersection(_names(part))
            )
            if missing:
                found[missing] = None
    # The nearest miss first.
    return tuple("; ".join(missing) for missing in sorted(found, key=len))


def deadline_owners(ground: Ground) -> dict[str, str]:
    """Who is to blame for each deadline, by the names that `Stuck.deadlines` has."""
    return {
        one.name if one.index is None else f"{one.name}[{one.index}]": one.owner
        for one in ground.deadlines
    }


def _names(part: Expr) -> list[str]:
    """The variables and clocks that an expression reads."""
    return [ref.name for ref in refs(part)] + [clock for clock, _ in clocks_read(part)]


def _limit(count: int) -> None:
    if count > MAX_POSSIBLE:
        raise TooManyStates
