"""How many instances an invariant of pairs has to be judged with, so that it is one of any number.

Owns the side condition of that argument (`checker.pairs` gives it; its code is not used here, for
it is what is judged): no formula counts instances, speaks of all of them or of a particular one; a
variable that names one is only compared with an instance or with none. Then a step that leads out,
or a state of a goal, needs no other instances than two, those that the step binds, those that are
named, and those that the goal speaks of.
"""

from __future__ import annotations

from dataclasses import dataclass

from rhscheck.checker.certify.possible import NotExpressible
from rhscheck.spec.expr import (
    And,
    ClockCmp,
    ClockDiff,
    Eq,
    Exists,
    Expr,
    Forall,
    In,
    Index,
    IndexValue,
    Ite,
    Lit,
    Or,
    Ref,
    Same,
    children,
)
from rhscheck.spec.system import RefType, System, Transition


def needed(system: System, goal: Expr) -> int:
    """The largest number of instances to judge, from two on. `goal`: a closed state formula.

    Raises NotExpressible where instances are told apart otherwise than by their names.
    """
    if len(system.parametric) != 1:
        raise NotExpressible("there is not one family with any number of instances")
    (family,) = system.parametric
    names = _Names(system, family)
    places = names.places()
    for formula in (
        system.initially,
        *(clock.active for clock in system.clocks),
        *(deadline.active for deadline in system.deadlines),
    ):
        names.in_formula(formula)
    for transition in system.transitions:
        names.in_step(transition)
    binding = [sum(p.family == family for p in one.params) for one in system.transitions]
    return max(2 + max(binding, default=0) + places, names.spoken_of(goal) + places)


@dataclass(frozen=True, slots=True)
class _Names:
    """Where formulas of `system` may speak of instances of `family`."""

    system: System
    family: str

    def places(self) -> int:
        """How many instances the shared variables can name at a time."""
        found = 0
        for one in self.system.variables:
            if not self._is_name(one.name):
                continue
            if one.family == self.family:
                raise NotExpressible(f"each instance has a `{one.name}` that names one")
            if set(one.initial) != {0}:
                raise NotExpressible(f"`{one.name}` names an instance from the start")
            # A family without size is the parametric one, which was refused.
            found += 1 if one.family is None else self.system.family(one.family).size or 0
        return found

    def _is_name(self, variable: str) -> bool:
        kind = self.system.variable(variable).type
        return isinstance(kind, RefType) and kind.family == self.family

    def in_step(self, transition: Transition) -> None:
        """Guard, updates and resets."""
        self.in_formula(transition.guard)
        for update in transition.updates:
            if update.each is not None and update.each.family == self.family:
                raise NotExpressible(f"`{update.var}` of all instances is written at once")
            self._in_place(update.var, update.index)
            if self._is_name(update.var):
                self._in_name(update.value)
            else:
                self.in_formula(update.value)
        for reset in transition.resets:
            self._in_place(reset.clock, reset.index)

    def in_formula(self, expr: Expr) -> None:
        """A condition, or a value that names no instance."""
        match expr:
            case Ref(name, index):
                if self._is_name(name):
                    raise NotExpressible(f"`{name}` is read as a number")
                self._in_place(name, index)
            case ClockCmp(name, index, _, _):
                self._in_place(name, index)
            case ClockDiff(name, index, minus, minus_index, _, _):
                self._in_place(name, index)
                self._in_place(minus, minus_index)
            case IndexValue():
                raise NotExpressible("an instance is read as a number")
            case Same(left, right):
                if not (isinstance(left, str) and isinstance(right, str)):
                    raise NotExpressible("a particular instance is asked for")
            case Forall(_, family, _) | Exists(_, family, _) if family == self.family:
                raise NotExpressible("all instances are asked for")
            case In(Ref(name, _), values) if self._is_name(name):
                if set(values) != {0}:
                    raise NotExpressible(f"`{name}` is compared with a number")
            case Eq(left, right) if self._can_name(left) or self._can_name(right):
                self._in_name(left)
                self._in_name(right)
            case _:
                for part in children(expr):
                    self.in_formula(part)

    def _in_place(self, name: str, index: Index) -> None:
        """A variable or clock that belongs to an instance is that of one with a name."""
        families: dict[str, str | None] = {v.name: v.family for v in self.system.variables}
        families |= {clock.name: clock.family for clock in self.system.clocks}
        if families[name] == self.family and not isinstance(index, str):
            raise NotExpressible(f"`{name}[{index}]` is that of a particular instance")

    def _can_name(self, expr: Expr) -> bool:
        match expr:
            case IndexValue():
                return True
            case Ref(name, _):
                return self._is_name(name)
            case Ite(_, then, other):
                return self._can_name(then) or self._can_name(other)
            case _:
                return False

    def _in_name(self, expr: Expr) -> None:
        """A value that is none or an instance."""
        match expr:
            case Lit(0):
                pass
            case IndexValue(str()):
                pass
            case Ref(name, _) if self._is_name(name):
                pass
            case Ite(cond, then, other):
                self.in_formula(cond)
                self._in_name(then)
                self._in_name(other)
            case _:
                raise NotExpressible("an instance is compared with, or set to, something else")

    def spoken_of(self, goal: Expr) -> int:
        """How many instances a goal speaks of, each as "some instance"."""
        match goal:
            case Exists(_, family, body):
                return self.spoken_of(body) + (family == self.family)
            case And(args):
                return sum(map(self.spoken_of, args))
            case Or(args):
                return max(map(self.spoken_of, args), default=0)
            case _:
                self.in_formula(goal)
                return 0
