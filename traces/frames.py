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
        self._reads = tuple(places)

    def given(self, values: tuple[int, ...]) -> Expr:
        """What is left of the expression; a constant if it compares no clocks."""
        key = tuple([values[at] for at in self._reads])
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _with_values(self._expr, self._ground, values)
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
        self._clocks = [
            (_Remembered(clock.active, ground), clock, replace(clock, active=FALSE))
            for clock in ground.clocks
        ]
        self._deadlines = [
            (_Remembered(deadline.active, ground), replace(deadline, active=TRUE))
            for deadline in ground.deadlines
        ]
        self._hidden = [(at, _Remembered(ground.transitions[at].guard, ground)) for at in hidden]
        # A rule's formula has an alternative for each choice of instances; each reads little.
        self._bad = [
            (bit, _Remembered(part, ground))
            for bit, formula in enumerate(bad)
            for part in (formula.args if isinstance(formula, Or) else (formula,))
        ]
        self._known: dict[tuple[int, ...], Frame] = {}

    def of(self, values: tuple[int, ...]) -> Frame:
        """The frame of the states with these values."""
        known = self._known.get(values)
        if known is None:
            if len(self._known) >= _MOST_FRAMES:
                self._known.clear()
            known = self._known[values] = self._make(values)
        return known

    def _make(self, values: tuple[int, ...]) -> Frame:
        ground = self._ground
        clocks = tuple(
            still if active.given(values) == FALSE else clock
            for active, clock, still in self._clocks
        )
        deadlines = tuple(
            deadline for active, deadline in self._deadlines if active.given(values) != FALSE
        )
        hidden = []
        for at, guard in self._hidden:
            rest = guard.given(values)
            if rest != FALSE:
                hidden.append((at, rest))
        broken = 0
        clocked = []
        for bit, formula in self._bad:
            rest = formula.given(values)
            if rest == TRUE:
                broken |= 1 << bit
            elif rest != FALSE:
                clocked.append((bit, rest))
        compared = [rest for _, rest in hidden] + [rest for _, rest in clocked]
        bounds = _bounds(ground, compared, deadlines)
        return Frame(
            replace(ground, clocks=clocks, deadlines=deadlines),
            tuple(hidden),
            broken,
            tuple(clocked),
            tuple(
                (at, tuple(sorted(some)))
                for at, some in sorted(bounds.items())
                if clocks[at].active != FALSE
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
        (at, max(bounds))
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
