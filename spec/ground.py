"""A System for one number of instances: what the interpreters and the encoders work on.

Owns the expansion of bound parameters, quantifiers and broadcasts, and the layout of a state as
two flat tuples. Knows nothing of meaning beyond that: `spec.semantics` says what a step is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import is_
from types import MappingProxyType

from rhscheck.spec.expr import (
    FALSE,
    And,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Forall,
    Happens,
    Index,
    IndexValue,
    Lit,
    Ref,
    Same,
    children,
    conj,
    disj,
    rebuild,
    refs,
    rename,
)
from rhscheck.spec.system import (
    SELF,
    BoolType,
    EnumType,
    IntType,
    Label,
    Param,
    RefType,
    StateVar,
    System,
    Transition,
    Type,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One state variable of one instance. `low`, `high`: its values, both included."""

    variable: StateVar
    index: int | None
    low: int
    high: int

    @property
    def name(self) -> str:
        """The variable with its instance, as messages call it."""
        name = self.variable.name
        return name if self.index is None else f"{name}[{self.index}]"


@dataclass(frozen=True, slots=True)
class ClockSlot:
    """One clock of one instance; `active` is a ground formula over the slots."""

    name: str
    index: int | None
    active: Expr
    role: str


@dataclass(frozen=True, slots=True)
class GroundTransition:
    """A transition for one choice of its parameters.

    `updates`: (position in Ground.slots, value); at most one a position. `resets`: positions in
    Ground.clocks. Guards and values hold only Ref, clock and connective forms with number indices.
    """

    template: Transition
    binding: tuple[tuple[str, int], ...]
    label: Label
    also: tuple[Label, ...]
    guard: Expr
    updates: tuple[tuple[int, Expr], ...]
    resets: tuple[int, ...]

    @property
    def actor(self) -> str:
        """Whose step it is."""
        return self.template.actor


@dataclass(frozen=True, slots=True)
class GroundDeadline:
    """`clock` is a position in Ground.clocks, or None for "no delay while active"."""

    name: str
    index: int | None
    active: Expr
    clock: int | None
    bound: int
    strict: bool
    owner: str


@dataclass(frozen=True, slots=True)
class Guards:
    """`parts[k]`: the positions in `asked` of what has to hold for transition k, in its order."""

    asked: tuple[Expr, ...]
    parts: tuple[tuple[int, ...], ...]


def _conjuncts(guard: Expr) -> tuple[Expr, ...]:
    return guard.args if isinstance(guard, And) else (guard,)


@dataclass(frozen=True, slots=True)
class Ground:
    """The System with `n` instances of every parametric family.

    A discrete state is a tuple of values in the order of `slots`, a valuation of the clocks a tuple
    in the order of `clocks`. `transitions` are in canonical order: source order, then instances.
    """

    system: System
    n: int
    slots: tuple[Slot, ...]
    clocks: tuple[ClockSlot, ...]
    transitions: tuple[GroundTransition, ...]
    deadlines: tuple[GroundDeadline, ...]
    initially: Expr
    slot_of: dict[tuple[str, int | None], int]
    clock_of: dict[tuple[str, int | None], int]
    # What was asked before: a function of the other fields.
    _reads: dict[Expr, frozenset[int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _guards: list[Guards] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def guards(self) -> Guards:
        """The guards of all transitions, with what several of them ask only once."""
        if not self._guards:
            numbers: dict[Expr, int] = {}
            parts = tuple(
                tuple(numbers.setdefault(part, len(numbers)) for part in _conjuncts(one.guard))
                for one in self.transitions
            )
            self._guards.append(Guards(tuple(numbers), parts))
        return self._guards[0]

    def slots_read(self, expr: Expr) -> frozenset[int]:
        """The positions in `slots` of the variables that `expr` (ground) reads."""
        found = self._reads.get(expr)
        if found is None:
            found = self._reads[expr] = frozenset(
                self.slot_of[(ref.name, ref.index)]
                for ref in refs(expr)
                if not isinstance(ref.index, str)
            )
        return found

    def size(self, family: str) -> int:
        """How many instances `family` has here."""
        size = self.system.family(family).size
        return self.n if size is None else size

    def instances(self, family: str | None) -> tuple[int | None, ...]:
        """The indices of a family's instances; (None,) for what exists once."""
        return (None,) if family is None else tuple(range(1, self.size(family) + 1))

    def expand(self, expr: Expr, binding: dict[str, Index]) -> Expr:
        """`expr` with parameters bound and quantifiers unrolled, simplified."""
        return expand(expr, binding, self.system, self.n)


def value_range(kind: Type, system: System, n: int) -> tuple[int, int]:
    """The least and the greatest value of a type when parametric families have `n` instances."""
    match kind:
        case BoolType():
            return (0, 1)
        case EnumType(_, members):
            return (0, len(members) - 1)
        case IntType(low, high):
            return (low, high)
        case RefType(family, optional):
            size = system.family(family).size
            return (0 if optional else 1, n if size is None else size)


class _Expansion:
    """Expands expressions for one number of instances, and remembers what it met.

    Guards share most of their parts. `fixed`: as in `expand`.
    """

    def __init__(self, system: System, n: int, fixed: Mapping[tuple[str, Index], int]) -> None:
        self._system = system
        self._n = n
        self._fixed = fixed
        self._known: dict[tuple[tuple[str, Index], ...], dict[Expr, Expr]] = {}

    def of(self, expr: Expr, binding: Mapping[str, Index]) -> Expr:
        """`expr` expanded."""
        return self._expanded(expr, binding, self._known.setdefault(tuple(binding.items()), {}))

    def _expanded(self, expr: Expr, binding: Mapping[str, Index], known: dict[Expr, Expr]) -> Expr:
        if isinstance(expr, Lit):
            return expr
        if isinstance(expr, Ref):
            index = expr.index
            number = binding.get(index, index) if isinstance(index, str) else index
            if self._fixed and (expr.name, number) in self._fixed:
                return Lit(self._fixed[(expr.name, number)])
            return expr if number is index else Ref(expr.name, number)
        found = known.get(expr)
        if found is None:
            found = known[expr] = self._made(expr, binding, known)
        return found

    def _made(self, expr: Expr, binding: Mapping[str, Index], known: dict[Expr, Expr]) -> Expr:
        match expr:
            case Forall(param, family, body) | Exists(param, family, body):
                size = self._system.family(family).size
                bodies = (
                    self.of(body, {**binding, param: k})
                    for k in range(1, (self._n if size is None else size) + 1)
                )
                return conj(bodies) if isinstance(expr, Forall) else disj(bodies)
            case IndexValue() | Same() | ClockCmp() | ClockDiff() | Happens():
                return rename(expr, dict(binding))
            case _:
                parts = children(expr)
                moved = tuple([self._expanded(part, binding, known) for part in parts])
                return expr if all(map(is_, moved, parts)) else rebuild(expr, moved)


def expand(
    expr: Expr,
    binding: Mapping[str, Index],
    system: System,
    n: int,
    fixed: Mapping[tuple[str, Index], int] = MappingProxyType({}),
) -> Expr:
    """`expr` with parameters bound to numbers and quantifiers unrolled, simplified.

    `fixed`: variables (of numbered instances) that always have one value, put in for them.
    """
    return _Expansion(system, n, fixed).of(expr, binding)


def bindings(params: tuple[Param, ...], system: System, n: int) -> Iterator[dict[str, Index]]:
    """Every choice of instances for `params`, in canonical order."""
    sizes = [system.family(param.family).size for param in params]
    ranges = [range(1, (n if size is None else size) + 1) for size in sizes]
    for choice in itertools.product(*ranges):
        yield {param.name: number for param, number in zip(params, choice, strict=True)}


def _label(label: Label, binding: dict[str, Index]) -> Label:
    index = label.index
    if isinstance(index, str):
        index = binding[index]
    return Label(label.kind, label.machine, label.name, label.value, index)


def ground(system: System, n: int) -> Ground:
    """The System for `n` instances (n >= 1) of every parametric family.

    Transitions whose guard folds to false are left out. Raises KeyError where the System refers to
    a variable, clock or family that it does not declare (an error of whoever built it).
    """
    slots: list[Slot] = []
    clocks: list[ClockSlot] = []

    def instances(family: str | None) -> tuple[int | None, ...]:
        if family is None:
            return (None,)
        size = system.family(family).size
        return tuple(range(1, (n if size is None else size) + 1))

    for variable in system.variables:
        low, high = value_range(variable.type, system, n)
        slots.extend(Slot(variable, index, low, high) for index in instances(variable.family))
    slot_of = {(slot.variable.name, slot.index): at for at, slot in enumerate(slots)}
    # A variable with one possible value is folded away: readings and constants cost nothing.
    fixed: dict[tuple[str, Index], int] = {
        (slot.variable.name, slot.index): slot.low for slot in slots if slot.low == slot.high
    }

    bound = _Expansion(system, n, fixed).of

    for clock in system.clocks:
        for index in instances(clock.family):
            running = bound(clock.active, {SELF: index})
            clocks.append(ClockSlot(clock.name, index, running, clock.role))
    clock_of = {(clock.name, clock.index): at for at, clock in enumerate(clocks)}

    transitions: list[GroundTransition] = []
    for template in system.transitions:
        for binding in bindings(template.params, system, n):
            guard = bound(template.guard, binding)
            if guard == FALSE:
                continue
            updates: dict[int, Expr] = {}
            for update in template.updates:
                for choice in bindings(
                    (update.each,) if update.each is not None else (), system, n
                ):
                    scope = {**binding, **choice}
                    at_index = update.index
                    if isinstance(at_index, str):
                        at_index = scope[at_index]
                    at = slot_of[(update.var, at_index)]  # type: ignore[index]
                    value = bound(update.value, scope)
                    updates.pop(at, None)  # of several updates the last one counts
                    if value != Ref(update.var, at_index):
                        updates[at] = value
            resets = tuple(
                clock_of[(r.clock, binding[r.index] if isinstance(r.index, str) else r.index)]  # type: ignore[index]
                for r in template.resets
            )
            transitions.append(
                GroundTransition(
                    template,
                    tuple((k, v) for k, v in binding.items() if isinstance(v, int)),
                    _label(template.label, binding),
                    tuple(_label(label, binding) for label in template.also),
                    guard,
                    tuple(sorted(updates.items())),
                    tuple(sorted(set(resets))),
                )
            )
    deadlines: list[GroundDeadline] = []
    for deadline in system.deadlines:
        for index in instances(deadline.family):
            active = bound(deadline.active, {SELF: index})
            if active == FALSE:
                continue
            at_clock = None if deadline.clock is None else clock_of[(deadline.clock, index)]
            deadlines.append(
                GroundDeadline(
                    deadline.name,
                    index,
                    active,
                    at_clock,
                    deadline.bound,
                    deadline.strict,
                    deadline.owner,
                )
            )
    return Ground(
        system,
        n,
        tuple(slots),
        tuple(clocks),
        tuple(transitions),
        tuple(deadlines),
        bound(system.initially, {}),
        slot_of,
        clock_of,
    )
