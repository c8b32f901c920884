"""Whether renaming instances maps a ground System onto itself.

Owns permutations of a family's instances applied to a Ground, and the comparison of the result
with the Ground. It is not judged from the text of a spec: whatever tells instances apart (a
stored instance number, an order, a special one) shows as a difference. Two generators of all
permutations are enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from rhscheck.checker.counted import Event, clock_position, slot_position
from rhscheck.spec.expr import (
    And,
    ClockCmp,
    ClockDiff,
    Expr,
    Index,
    Or,
    Ref,
    children,
    rebuild,
    transform,
)
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import Label


def asymmetry(ground: Ground, family: str) -> str | None:
    """What renaming the instances of `family` changes, None if it changes nothing."""
    n = ground.n
    swap = {1: 2, 2: 1}
    turn = {k: k % n + 1 for k in range(1, n + 1)}
    for renaming in (swap, turn) if n > 1 else ():
        reason = Renaming(ground, family, renaming).difference()
        if reason is not None:
            return reason
    return None


class Renaming:
    """One permutation of the instances of a family, applied to a Ground."""

    def __init__(self, ground: Ground, family: str, to: Mapping[int, int]) -> None:
        self.ground = ground
        self.family = family
        self.to = to
        self.variables = {v.name for v in ground.system.variables if v.family == family}
        self.clocks = {c.name for c in ground.system.clocks if c.family == family}

    def difference(self) -> str | None:
        """Where the renamed Ground is not the Ground, up to the order of its parts."""
        ground = self.ground
        if _ordered(ground.initially) != self.expr(ground.initially):
            return "the initial condition tells instances apart"
        for here in range(len(ground.clocks)):
            there = self.clock(here)
            if _ordered(ground.clocks[there].active) != self.expr(ground.clocks[here].active):
                return f"clock {ground.clocks[here].name} is not the same for all instances"
        deadlines = Counter(
            (d.name, d.clock, d.bound, d.strict, _ordered(d.active)) for d in ground.deadlines
        )
        renamed = Counter(
            (
                d.name,
                None if d.clock is None else self.clock(d.clock),
                d.bound,
                d.strict,
                self.expr(d.active),
            )
            for d in ground.deadlines
        )
        for deadline in renamed:
            if deadlines[deadline] != renamed[deadline]:
                return f"deadline {deadline[0]} is not the same for all instances"
        transitions = Counter(
            (
                t.template.key,
                t.binding,
                t.label,
                t.also,
                _ordered(t.guard),
                tuple((at, _ordered(value)) for at, value in t.updates),
                t.resets,
            )
            for t in ground.transitions
        )
        for t in ground.transitions:
            families = {p.name: p.family for p in t.template.params}
            mirrored = (
                t.template.key,
                tuple(
                    (name, self.to.get(k, k) if families.get(name) == self.family else k)
                    for name, k in t.binding
                ),
                self.label(t.label),
                tuple(self.label(label) for label in t.also),
                self.expr(t.guard),
                tuple(sorted((self.slot(at), self.expr(value)) for at, value in t.updates)),
                tuple(sorted(self.clock(at) for at in t.resets)),
            )
            if transitions[mirrored] != 1:
                return f"the transition {t.template.key} is not the same for all instances"
        return None

    def index(self, index: Index) -> Index:
        """The renamed instance."""
        return self.to.get(index, index) if isinstance(index, int) else index

    def slot(self, at: int) -> int:
        """The position of the renamed variable."""
        slot = self.ground.slots[at]
        name = slot.variable.name
        if name not in self.variables:
            return at
        return slot_position(self.ground, Ref(name, self.index(slot.index)))

    def clock(self, at: int) -> int:
        """The position of the renamed clock."""
        clock = self.ground.clocks[at]
        if clock.name not in self.clocks:
            return at
        return clock_position(self.ground, clock.name, self.index(clock.index))

    def event(self, event: Event) -> Event:
        """The event with every label renamed."""
        label, also = event
        return self.label(label), tuple(self.label(other) for other in also)

    def label(self, label: Label) -> Label:
        """The label, of the renamed instance."""
        return (
            replace(label, index=self.index(label.index)) if label.machine == self.family else label
        )

    def expr(self, expr: Expr) -> Expr:
        """The expression about renamed instances, in a fixed order."""

        def leaf(node: Expr) -> Expr | None:
            match node:
                case Ref(name, index) if name in self.variables:
                    return Ref(name, self.index(index))
                case ClockCmp(name, index, op, bound) if name in self.clocks:
                    return ClockCmp(name, self.index(index), op, bound)
                case ClockDiff(name, index, minus, minus_index, op, bound):
                    return ClockDiff(
                        name,
                        self.index(index) if name in self.clocks else index,
                        minus,
                        self.index(minus_index) if minus in self.clocks else minus_index,
                        op,
                        bound,
                    )
                case _:
                    return None

        return _ordered(transform(expr, leaf))


def _ordered(expr: Expr) -> Expr:
    """`expr` with the arguments of conjunctions and disjunctions in a fixed order."""
    parts = children(expr)
    if not parts:
        return expr
    built = rebuild(expr, tuple(_ordered(part) for part in parts))
    match built:
        case And(args):
            return And(tuple(sorted(args, key=repr)))
        case Or(args):
            return Or(tuple(sorted(args, key=repr)))
        case _:
            return built
