"""Clocks as solver terms: on a grid of whole ticks, or over the reals.

Owns how a clock value, a delay and a comparison are written for the solver. Knows clocks as
positions and constants only; which grid is exact for which question is decided in `encode`.

On the grid a clock that is compared with constants alone saturates one tick above its largest
constant, which no comparison can tell from the true value; delays need no more than the largest
such cap. A clock in a diagonal constraint is never cut off: its width holds every value that
`depth` delays can add up to. Delays beyond the largest constant need no more than one tick beyond
it, because every difference across such a delay is on the same side of every constant either way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

import z3

from rhscheck.checker.smt.circuits import Bit, Gates
from rhscheck.spec.expr import Comparison


@dataclass(frozen=True, slots=True)
class Grid:
    """Clocks as unsigned bit-vectors that count ticks of `1 / ticks` of the System's unit.

    `tops`: the largest value of each clock, `capped` those that saturate there. `longest` is the
    largest delay. Sums are taken one bit wider, so nothing ever wraps around.
    """

    gates: Gates
    ticks: Fraction
    tops: dict[int, int]
    capped: frozenset[int]
    longest: int

    def clock(self, at: int, name: str) -> z3.BitVecRef:
        """A variable for clock `at`."""
        return z3.BitVec(name, self.tops[at].bit_length(), self.gates.context)

    def delay(self, name: str) -> z3.BitVecRef:
        """A variable for a delay."""
        return z3.BitVec(name, self.longest.bit_length(), self.gates.context)

    def zero(self, at: int) -> z3.BitVecRef:
        """The value 0 of clock `at`."""
        return z3.BitVecVal(0, self.tops[at].bit_length(), self.gates.context)

    def advance(self, at: int, clock: z3.BitVecRef, delay: z3.BitVecRef) -> z3.BitVecRef:
        """Clock `at` after `delay`."""
        width, top = clock.size(), self.tops[at]
        wide = max(width, delay.size()) + 1
        total = _widened(clock, wide) + _widened(delay, wide)
        if at in self.capped:
            cap = z3.BitVecVal(top, wide, self.gates.context)
            total = z3.If(z3.ULE(total, cap), total, cap)
        return z3.Extract(width - 1, 0, total)

    def standing(self, delay: z3.BitVecRef) -> Bit:
        """No time passes."""
        return delay == z3.BitVecVal(0, delay.size(), self.gates.context)

    def compare(self, at: int, clock: z3.BitVecRef, op: Comparison, bound: int) -> Bit:
        """Clock `at` against a constant in the System's unit; ValueError off the grid."""
        limit = bound * self.ticks
        if limit.denominator != 1:
            raise ValueError(f"bound {bound} is not on the grid of 1/{self.ticks} units")
        ticks = int(limit)
        if at in self.capped and ticks >= self.tops[at]:
            raise ValueError(f"clock {at} is cut off below the bound {bound} it is compared with")
        match op:
            case "<=":
                return self._at_most(clock, ticks)
            case "<":
                return self._at_most(clock, ticks - 1)
            case ">":
                return self.gates.negate(self._at_most(clock, ticks))
            case ">=":
                return self.gates.negate(self._at_most(clock, ticks - 1))
            case _:
                assert_never(op)

    def _at_most(self, clock: z3.BitVecRef, ticks: int) -> Bit:
        if ticks < 0:
            return False
        if ticks >= (1 << clock.size()) - 1:
            return True
        return z3.ULE(clock, z3.BitVecVal(ticks, clock.size(), self.gates.context))

    def difference(
        self, left: z3.BitVecRef, right: z3.BitVecRef, op: Comparison, bound: int
    ) -> Bit:
        """left - right op bound."""
        ticks = int(bound * self.ticks)
        match op:
            case "<=":
                return self._apart(left, right, ticks)
            case "<":
                return self._apart(left, right, ticks - 1)
            case ">":
                return self.gates.negate(self._apart(left, right, ticks))
            case ">=":
                return self.gates.negate(self._apart(left, right, ticks - 1))
            case _:
                assert_never(op)

    def _apart(self, left: z3.BitVecRef, right: z3.BitVecRef, ticks: int) -> z3.BoolRef:
        wide = max(left.size(), right.size(), abs(ticks).bit_length()) + 1
        shift = z3.BitVecVal(abs(ticks), wide, self.gates.context)
        left, right = _widened(left, wide), _widened(right, wide)
        return z3.ULE(left, right + shift) if ticks >= 0 else z3.ULE(left + shift, right)

    def possible(self, clock: z3.BitVecRef) -> Bit:
        """What every clock value satisfies by itself."""
        return True

    def equal(self, left: z3.BitVecRef, right: z3.BitVecRef) -> z3.BoolRef:
        """Two values of one clock are the same."""
        return left == right


def _widened(term: z3.BitVecRef, width: int) -> z3.BitVecRef:
    return z3.ZeroExt(width - term.size(), term)


@dataclass(frozen=True, slots=True)
class Dense:
    """Clocks as reals, in the System's unit."""

    gates: Gates

    def clock(self, at: int, name: str) -> z3.ArithRef:
        """A variable for clock `at`."""
        return z3.Real(name, self.gates.context)

    def delay(self, name: str) -> z3.ArithRef:
        """A variable for a delay."""
        return z3.Real(name, self.gates.context)

    def zero(self, at: int) -> z3.ArithRef:
        """The value 0 of clock `at`."""
        return z3.RealVal(0, self.gates.context)

    def advance(self, at: int, clock: z3.ArithRef, delay: z3.ArithRef) -> z3.ArithRef:
        """Clock `at` after `delay`."""
        return clock + delay

    def standing(self, delay: z3.ArithRef) -> Bit:
        """No time passes."""
        return delay == z3.RealVal(0, self.gates.context)

    def compare(self, at: int, clock: z3.ArithRef, op: Comparison, bound: int) -> Bit:
        """Clock `at` against a constant."""
        return _real(clock, op, z3.RealVal(bound, self.gates.context))

    def difference(self, left: z3.ArithRef, right: z3.ArithRef, op: Comparison, bound: int) -> Bit:
        """left - right op bound."""
        return _real(left - right, op, z3.RealVal(bound, self.gates.context))

    def possible(self, clock: z3.ArithRef) -> Bit:
        """What every clock value (or delay) satisfies by itself."""
        return clock >= z3.RealVal(0, self.gates.context)

    def equal(self, left: z3.ArithRef, right: z3.ArithRef) -> z3.BoolRef:
        """Two values of one clock are the same."""
        return left == right


def _real(left: z3.ArithRef, op: Comparison, right: z3.ArithRef) -> z3.BoolRef:
    match op:
        case "<=":
            return left <= right
        case "<":
            return left < right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case _:
            assert_never(op)


def grid(
    gates: Gates,
    tracked: Iterable[int],
    constants: Iterable[tuple[tuple[int, ...], int]],
    ticks: Fraction,
    depth: int,
) -> Grid:
    """The grid for the `tracked` clocks, compared with `constants`, over at most `depth` steps.

    Constants are in the System's unit, each with the clocks it is compared with (two: a diagonal
    constraint). Raises ValueError where a constant is not a whole number of ticks.
    """
    largest = dict.fromkeys(tracked, 0)
    diagonal: set[int] = set()
    overall = 0
    for clocks, bound in constants:
        limit = bound * ticks
        if limit.denominator != 1:
            raise ValueError(f"bound {bound} is not a whole number of ticks")
        overall = max(overall, abs(int(limit)))
        if len(clocks) > 1:
            diagonal.update(clocks)
        for at in clocks:
            if at in largest:
                largest[at] = max(largest[at], int(limit))
    longest = (1 << (overall + 1).bit_length()) - 1
    return Grid(
        gates,
        ticks,
        {
            at: (depth + 1) * longest if at in diagonal else bound + 1
            for at, bound in largest.items()
        },
        frozenset(at for at in largest if at not in diagonal),
        longest,
    )
