"""The instants at which letting time pass changes anything.

Between two of them every clock comparison keeps its truth, so one delay stands for all. Owns this
arithmetic only: not which delays are legal, nor what is done at an instant.
"""

from __future__ import annotations

from collections.abc import Iterable

from rhscheck.spec.expr import ClockCmp, ClockDiff, Expr, walk
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import State, Time, evaluate


class Instants:
    """When the clock comparisons of `exprs` and the deadlines of `ground` change their truth."""

    def __init__(self, ground: Ground, exprs: Iterable[Expr]) -> None:
        self._ground = ground
        found: dict[int, dict[int, None]] = {}
        for expr in exprs:
            for node in walk(expr):
                match node:
                    case ClockCmp(clock, index, _, bound):
                        at = ground.clock_of[(clock, _number(index))]
                        found.setdefault(at, {})[bound] = None
                    case ClockDiff(clock, index, minus, minus_index, _, bound):
                        # A difference changes only while one clock runs and the other stands at 0.
                        at = ground.clock_of[(clock, _number(index))]
                        found.setdefault(at, {})[bound] = None
                        at = ground.clock_of[(minus, _number(minus_index))]
                        found.setdefault(at, {})[-bound] = None
                    case _:
                        pass
        for deadline in ground.deadlines:
            if deadline.clock is not None:
                found.setdefault(deadline.clock, {})[deadline.bound] = None
        self._bounds = {at: tuple(sorted(bounds)) for at, bounds in sorted(found.items())}

    def after(self, state: State) -> list[Time]:
        """The delays > 0 after which something changes, ascending, legal or not."""
        ends: dict[Time, None] = {}
        for at, bounds in self._bounds.items():
            if evaluate(self._ground.clocks[at].active, self._ground, state):
                time = state.clocks[at]
                ends.update((bound - time, None) for bound in bounds if bound > time)
        return sorted(ends)


def _number(index: int | str | None) -> int | None:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return index
