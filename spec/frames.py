"""What is settled about a state before its clocks are looked at, remembered.

A replay asks the same questions of many states that differ in their clocks only, or in variables
that an expression does not read. Owns that memory and nothing else: the reduced Grounds it hands
out make `spec.semantics` give the same answers as the full one, in the states they are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    ClockDiff,
    Expr,
    Lit,
    Or,
    Ref,
    refs,
    transform,
    walk,
)
from rhscheck.spec.ground import Ground, GroundDeadline
from rhscheck.spec.semantics import State, Time

# Frames are forgotten all at once when there are so many; they are quickly made anew.
_MOST_FRAMES = 4096
# No clock gets so far, in any unit: time stamps are below 2**63 microseconds.
UNREACHABLE = 1 << 64


@dataclass(frozen=True, slots=True)
class Frame:
    """What holds in all states with the same values.

    `ground`: the Ground with inactive clocks and deadlines taken out, for delays and steps from
    here. `hidden`: the transitions that may happen unseen, with what is left of their guards.
    `broken`: the formulas that hold here whatever the clocks show, as bits; `clocked`: those that
    depend on clocks. `bounds`: the constants that running clocks are compared with.
    """

    ground: Ground
    hidden: tuple[tuple[int, Expr], ...]
    broken: int
    clocked: tuple[tuple[int, Expr], ...]
    bounds: tuple[tuple[int, tuple[int, ...]], ...]

    def instants(self, state: State) -> list[Time]:
        """The delays > 0 after which some comparison changes its truth, ascending."""
        ends: dict[Time, None] = {}
        for at, constants in self.bounds:
            time = state.clocks[at]
            ends.update((bound - time, None) for bound in constants if bound > time)
        return sorted(ends)


class _Remembered:
    """An expression with its variables replaced by their values, for all values it has met."""

    def __init__(self, expr: Expr, ground: Ground) -> None:
        self._expr = expr
        self._ground = ground
        self._known: dict[tuple[int, ...], Expr] = {}
        places = dict.fromkeys(
            ground.slot_of[(ref.name, ref.index)]
            for ref in refs(expr)
            if not isinstance(ref.index, str)
        )
        self.reads = tuple(places)

    def given(self, values: tuple[int, ...]) -> Expr:
        """What is left of the expression: the objects TRUE or FALSE, or clock comparisons."""
        key = tuple([values[at] for at in self.reads])
        known = self._known.get(key)
        if known is None:
            left = _with_values(self._expr, self._ground, values)
            known = TRUE if left == TRUE else FALSE if left == FALSE else left
            self._known[key] = known
        return known


def _with_values(expr: Expr, ground: Ground, values: tuple[int, ...]) -> Expr:
    def settle(node: Expr) -> Expr | None:
        if isinstance(node, Ref) and not isinstance(node.index, str):
            return Lit(values[ground.slot_of[(node.name, node.index)]])
        return None

    return transform(expr, settle)


class Frames:
    """The frames of a Ground; `hidden` are positions of transitions, `bad` the formulas of bits."""

    def __init__(self, ground: Ground, hidden: Sequence[int], bad: Sequence[Expr]) -> None:
        self._ground = ground
        # Each clock as it is, and as it is where it stands still.
        self._clocks = [(clock, replace(clock, active=FALSE)) for clock in ground.clocks]
        self._deadlines = [replace(deadline, active=TRUE) for deadline in ground.deadlines]
        self._hidden = tuple(hidden)
        # A rule's formula has an alternative for each choice of instances; each reads little.
        parts = [
            (bit, part)
            for bit, formula in enumerate(bad)
            for part in (formula.args if isinstance(formula, Or) else (formula,))
        ]
        self._bits = [bit for bit, _ in parts]
        exprs = [clock.active for clock in ground.clocks]
        exprs += [deadline.active for deadline in ground.deadlines]
        exprs += [ground.transitions[at].guard for at in hidden]
        exprs += [part for _, part in parts]
        self._exprs = [_Remembered(expr, ground) for expr in exprs]
        self._readers: list[list[int]] = [[] for _ in ground.slots]
        for number, one in enumerate(self._exprs):
            for at in one.reads:
                self._readers[at].append(number)
        self._last: tuple[tuple[int, ...], list[Expr]] | None = None
        self._known: dict[tuple[int, ...], Frame] = {}

    def of(self, values: tuple[int, ...]) -> Frame:
        """The frame of the states with these values."""
        known = self._known.get(values)
        if known is None:
            if len(self._known) >= _MOST_FRAMES:
                self._known.clear()
            known = self._known[values] = self._make(values)
        return known

    def _settled(self, values: tuple[int, ...]) -> list[Expr]:
        """All expressions where the variables have these values."""
        if self._last is None:
            left = [one.given(values) for one in self._exprs]
        else:
            # The next state differs from the last one in few variables.
            before, last = self._last
            left = last.copy()
            changed = {
                number
                for at, value in enumerate(values)
                if value != before[at]
                for number in self._readers[at]
            }
            for number in changed:
                left[number] = self._exprs[number].given(values)
        self._last = (values, left)
        return left

    def _make(self, values: tuple[int, ...]) -> Frame:
        left = self._settled(values)
        ground = self._ground
        first, second = len(ground.clocks), len(ground.clocks) + len(ground.deadlines)
        third = second + len(self._hidden)
        clocks = tuple([
            still if active is FALSE else clock
            for active, (clock, still) in zip(left[:first], self._clocks, strict=True)
        ])  # fmt: skip
        deadlines = tuple([
            deadline
            for active, deadline in zip(left[first:second], self._deadlines, strict=True)
            if active is not FALSE
        ])  # fmt: skip
        hidden = tuple([
            (at, guard)
            for guard, at in zip(left[second:third], self._hidden, strict=True)
            if guard is not FALSE
        ])  # fmt: skip
        broken = 0
        clocked = []
        for formula, bit in zip(left[third:], self._bits, strict=True):
            if formula is TRUE:
                broken |= 1 << bit
            elif formula is not FALSE:
                clocked.append((bit, formula))
        compared = [guard for _, guard in hidden] + [formula for _, formula in clocked]
        bounds = _bounds(ground, compared, deadlines)
        return Frame(
            replace(ground, clocks=clocks, deadlines=deadlines),
            hidden,
            broken,
            tuple(clocked),
            tuple(
                (at, tuple(sorted(some)))
                for at, some in sorted(bounds.items())
                if left[at] is not FALSE
            ),
        )


def spent_after(ground: Ground, bad: Sequence[Expr]) -> tuple[tuple[int, int], ...]:
    """The greatest constant that each observer's clock is ever compared with, by its position.

    Clocks in differences are left out. `bad` are the formulas of the rules.
    """
    exprs = [transition.guard for transition in ground.transitions]
    exprs += [value for transition in ground.transitions for _, value in transition.updates]
    exprs += bad
    together = {
        ground.clock_of[(name, index)]: None
        for expr in exprs
        for node in walk(expr)
        if isinstance(node, ClockDiff)
        for name, index in ((node.clock, node.index), (node.minus, node.minus_index))
        if not isinstance(index, str)
    }
    return tuple(
        (at, max((bound for bound in bounds if bound < UNREACHABLE), default=0))
        for at, bounds in sorted(_bounds(ground, exprs, ground.deadlines).items())
        if ground.clocks[at].role == "observer" and at not in together
    )


def _bounds(
    ground: Ground, exprs: Sequence[Expr], deadlines: Sequence[GroundDeadline]
) -> dict[int, dict[int, None]]:
    """The constants each clock is compared with, by its position."""
    found: dict[int, dict[int, None]] = {}

    def compare(clock: str, index: int | str | None, bound: int) -> None:
        assert not isinstance(index, str)
        found.setdefault(ground.clock_of[(clock, index)], {})[bound] = None

    for expr in exprs:
        for node in walk(expr):
            match node:
                case ClockCmp(clock, index, _, bound):
                    compare(clock, index, bound)
                case ClockDiff(clock, index, minus, minus_index, _, bound):
                    # A difference changes only while one clock runs and the other stands at 0.
                    compare(clock, index, bound)
                    compare(minus, minus_index, -bound)
                case _:
                    pass
    for deadline in deadlines:
        if deadline.clock is not None:
            found.setdefault(deadline.clock, {})[deadline.bound] = None
    return found
