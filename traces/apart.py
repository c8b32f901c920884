"""Whether the instances of a spec can be followed one by one, and what each sees of the others.

Instances that share only what exists once (or a fixed number of times) are independent given that
shared part: one instance and the shared part make a System of their own, and its sets of possible
states do not multiply. What the others do to the shared part is in it as steps of *somebody*: a
step of another instance, with its guards on its own state left out and nothing but its effect on
what is shared. That is more than the others can really do, so nothing is excluded wrongly.

Owns the syntactic check and these steps; knows nothing of traces. Where the check fails the caller
follows all instances together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    And,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Forall,
    Happens,
    IndexValue,
    Not,
    Or,
    Ref,
    Same,
    conj,
    disj,
    walk,
)
from rhscheck.spec.system import (
    Can,
    Early,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Obligation,
    Param,
    RefType,
    System,
    Transition,
    Within,
)

OTHER = "other "


@dataclass(frozen=True, slots=True)
class Apart:
    """`family`: the machine whose instances are followed one by one.

    `others`: steps of somebody else, each with the label that the step has for whoever takes it.
    """

    family: str
    others: tuple[tuple[Label, Transition], ...]


def apart(system: System) -> Apart | None:
    """How `system` can be followed instance by instance, None where it cannot."""
    families = system.parametric
    if len(families) != 1:
        return None
    family = families[0]
    check = _Check(system, family)
    if not check.passes():
        return None
    others = []
    for transition in system.transitions:
        if not any(param.family == family for param in transition.params):
            continue
        other = check.other(transition)
        if other is not None:
            others.append((transition.label, other))
    return Apart(family, tuple(others))


class _Check:
    """The variables and clocks of one family, and what may be said of them."""

    def __init__(self, system: System, family: str) -> None:
        self.system = system
        self.family = family
        self.own = {one.name for one in system.variables if one.family == family}
        self.own |= {one.name for one in system.clocks if one.family == family}

    def passes(self) -> bool:
        """Whether no step, deadline or rule speaks of two instances, or of their numbers."""
        for variable in self.system.variables:
            if isinstance(variable.type, RefType) and variable.type.family == self.family:
                return False
        exprs = [(one.active, one.family == self.family) for one in self.system.clocks]
        exprs += [(one.active, one.family == self.family) for one in self.system.deadlines]
        if not all(self._is_local(expr, "self" if own else None) for expr, own in exprs):
            return False
        if not self._is_once(self.system.initially):
            return False
        if not all(self._is_step_local(one) for one in self.system.transitions):
            return False
        duties = [(one.params, one.obligation) for one in self.system.rules]
        duties += [(one.params, one.obligation) for one in self.system.assumptions]
        return all(
            isinstance(obligation, Can) or self._is_rule_local(params, obligation)
            for params, obligation in duties
        )

    def _is_local(self, expr: Expr, instance: str | None) -> bool:
        """Whether `expr` speaks of no instance of the family but `instance`, nor of its number."""
        for node in walk(expr):
            match node:
                case Forall(_, family, _) | Exists(_, family, _):
                    if family == self.family:
                        return False
                case Ref(name, index) | ClockCmp(name, index, _, _):
                    if name in self.own and index != instance:
                        return False
                case ClockDiff(clock, index, minus, minus_index, _, _):
                    pairs = ((clock, index), (minus, minus_index))
                    if any(name in self.own and at != instance for name, at in pairs):
                        return False
                case IndexValue(index):
                    if index == instance:
                        return False
                case Same(left, right):
                    if instance in (left, right):
                        return False
                case _:
                    pass
        return True

    def _is_once(self, expr: Expr) -> bool:
        """Whether a closed formula is a conjunction of parts about one instance each."""
        for part in expr.args if isinstance(expr, And) else (expr,):
            if isinstance(part, Forall) and part.family == self.family:
                if not self._is_local(part.body, part.param):
                    return False
            elif not self._is_local(part, None):
                return False
        return True

    def _is_step_local(self, transition: Transition) -> bool:
        mine = [param.name for param in transition.params if param.family == self.family]
        if len(mine) > 1:
            return False
        instance = mine[0] if mine else None
        if not self._is_local(transition.guard, instance):
            return False
        for update in transition.updates:
            each = update.each
            if each is not None and each.family == self.family:
                # A broadcast: every instance changes by itself, whoever causes it.
                if not self._is_local(update.value, each.name):
                    return False
                continue
            if update.var in self.own and update.index != instance:
                return False
            if not self._is_local(update.value, instance if update.var in self.own else None):
                return False
        return all(
            reset.clock not in self.own or reset.index == instance for reset in transition.resets
        )

    def _is_rule_local(self, params: tuple[Param, ...], obligation: Obligation) -> bool:
        mine = [param.name for param in params if param.family == self.family]
        if len(mine) > 1:
            return False
        instance = mine[0] if mine else None
        return all(
            self._is_local(formula, instance)
            and not any(
                isinstance(node, Happens)
                and isinstance(node.index, int)
                and self.system.parametric == (node.name,)
                for node in walk(formula)
            )
            for formula in formulas_of(obligation)
        )

    # ---- what another instance's step does -----------------------------------------------------
    def other(self, transition: Transition) -> Transition | None:
        """The effect of the step on everything but its own instance; None if it has none.

        Raises no error: what cannot be told from outside is left open.
        """
        (instance,) = (one.name for one in transition.params if one.family == self.family)
        updates = tuple(
            update
            for update in transition.updates
            if update.var not in self.own
            or (update.each is not None and update.each.family == self.family)
        )
        resets = tuple(reset for reset in transition.resets if reset.clock not in self.own)
        also = tuple(label for label in transition.also if label.machine != self.family)
        if not updates and not resets and not also:
            return None
        label = transition.label
        return replace(
            transition,
            key=f"{OTHER}{transition.key}",
            label=Label("event", f"{OTHER}{label.machine}", f"{label.kind} {label.name}"),
            params=tuple(one for one in transition.params if one.name != instance),
            guard=self._loosened(transition.guard, positive=True),
            updates=updates,
            resets=resets,
            expires=None,
            also=also,
        )

    def _loosened(self, expr: Expr, *, positive: bool) -> Expr:
        """The weakest formula that `expr` implies and that does not speak of the instance."""
        match expr:
            case And(args):
                parts: Iterable[Expr] = [self._loosened(arg, positive=positive) for arg in args]
                return conj(parts)
            case Or(args):
                parts = [self._loosened(arg, positive=positive) for arg in args]
                return disj(parts)
            case Not(arg):
                inner = self._loosened(arg, positive=not positive)
                return TRUE if inner == FALSE else FALSE if inner == TRUE else Not(inner)
            case _:
                own = any(
                    isinstance(node, Ref | ClockCmp | ClockDiff)
                    and (node.name if isinstance(node, Ref) else node.clock) in self.own
                    for node in walk(expr)
                )
                if not own:
                    return expr
                return TRUE if positive else FALSE


def formulas_of(obligation: Obligation) -> tuple[Expr, ...]:
    """The formulas of an obligation, as they are written."""
    match obligation:
        case Never(formula) | Can(formula):
            return (formula,)
        case NeverBefore(what, milestone) | NeverAfter(what, milestone):
            return (what, milestone)
        case LeadsTo(trigger, response, _) | Within(trigger, response, _, _):
            return (trigger, response)
        case Early(what, trigger, _):
            return (what, trigger)
