"""One transition as rules see it: what happens in it, and what holds after it.

Owns the elimination of `Happens` and `Post` for a given transition: a formula about a step becomes
a formula about the state before it. Knows nothing of rules and observers (`spec.rules`).

Names. A transition binds its own parameters; a formula brings its own bound names, which must
differ from those of every transition (`spec.rules` renames them). Two names of one family may stand
for the same instance; that is what `Same` is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    Add,
    ClockCmp,
    ClockDiff,
    Comparison,
    Exists,
    Expr,
    Forall,
    Happens,
    Index,
    IndexValue,
    Ite,
    Le,
    Lit,
    Post,
    Ref,
    Same,
    Sub,
    children,
    conj,
    disj,
    ite,
    neg,
    rebuild,
    rename,
    same,
    walk,
)
from rhscheck.spec.simplify import Domains, Facts, facts, simplify
from rhscheck.spec.system import EACH, SELF, ClockVar, IntType, StateVar, System, Transition

# The family of every bound name of a formula.
Families = Mapping[str, str]

_MIRRORED: dict[Comparison, Comparison] = {"<": ">", "<=": ">=", ">=": "<=", ">": "<"}


class StepView:
    """`transition` of `system`; `known` are the variables' domains."""

    def __init__(self, system: System, transition: Transition, known: Domains) -> None:
        self.transition = transition
        self._known = known
        self._variables = {variable.name: variable for variable in system.variables}
        self._clocks = {clock.name: clock for clock in system.clocks}
        self._families = {param.name: param.family for param in transition.params}
        self.labels = frozenset(
            (label.kind, label.name) for label in (transition.label, *transition.also)
        ) | frozenset(("reset", machine) for machine, _ in transition.resets_machines)
        self.writes = frozenset(update.var for update in transition.updates)
        self.restarts = frozenset(reset.clock for reset in transition.resets)
        self._simplified: dict[Expr, Expr] = {}

    @cached_property
    def facts(self) -> Facts:
        """What holds whenever the transition is taken."""
        return facts(self._known, self.transition.guard)

    def simplify(self, formula: Expr) -> Expr:
        """A formula equal to `formula` in every state in which the transition can be taken."""
        if isinstance(formula, Lit):
            return formula
        known = self._simplified.get(formula)
        if known is None:
            known = self._simplified[formula] = simplify(formula, self.facts)
        return known

    def points(self, family: str) -> tuple[str, ...]:
        """The transition's parameters of this family."""
        return tuple(p.name for p in self.transition.params if p.family == family)

    def apart(self, formula: Expr, name: str, family: str) -> Expr:
        """`formula` for an instance `name` that is none of the transition's parameters."""
        points = self.points(family)

        def leaf(node: Expr) -> Expr | None:
            if isinstance(node, Same) and (
                (node.left == name and node.right in points)
                or (node.right == name and node.left in points)
            ):
                return FALSE
            return None

        return rewritten(formula, leaf) if points else formula

    # -- steps -----------------------------------------------------------------------------------
    def before(self, formula: Expr, families: Families) -> Expr:
        """The step formula `formula` as a condition on the state before this transition.

        `families`: the family of every name that `formula` has free or binds. Raises ValueError if
        `Happens` occurs under `Post`.
        """

        def leaf(node: Expr) -> Expr | None:
            match node:
                case Happens():
                    return self._happens(node, families)
                case Post(body):
                    return self.after(body, families)
                case Forall() | Exists():
                    return self._quantified(node, rewritten(node.body, leaf))
                case _:
                    return None

        return rewritten(formula, leaf)

    def after(self, formula: Expr, families: Families) -> Expr:
        """The state formula `formula`, judged after this transition, as a condition before it."""

        def leaf(node: Expr) -> Expr | None:
            match node:
                case Ref(name, index):
                    return self._value_after(name, index) if name in self.writes else node
                case ClockCmp():
                    return self._clock_after(node, families)
                case ClockDiff():
                    return self._difference_after(node, families)
                case Post(body):
                    return rewritten(body, leaf)
                case Happens():
                    raise ValueError("an event cannot be looked for in the state after a step")
                case Forall() | Exists():
                    return self._quantified(node, rewritten(node.body, leaf))
                case _:
                    return None

        return rewritten(formula, leaf)

    def exists(self, name: str, family: str, body: Expr) -> Expr:
        """Whether `body` holds for some instance; without a quantifier where that can be told.

        `body` is a condition on the state before the step.
        """
        if isinstance(body, Lit):
            return body
        others = self.simplify(self.apart(body, name, family))
        if others == FALSE:
            return disj(rename(body, {name: point}) for point in self.points(family))
        return rebuild(Exists(name, family, body), (body,))

    def _quantified(self, node: Forall | Exists, body: Expr) -> Expr:
        if isinstance(node, Exists):
            return self.exists(node.param, node.family, body)
        return neg(self.exists(node.param, node.family, neg(body)))

    def _happens(self, event: Happens, families: Families) -> Expr:
        if event.kind == "reset":
            return disj(
                self._is_reset(formula, event.index)
                for machine, formula in self.transition.resets_machines
                if machine == event.name
            )
        return disj(
            same(event.index, label.index)
            for label in (self.transition.label, *self.transition.also)
            if label.kind == event.kind
            and label.name == event.name
            and event.value in (None, label.value)
            and self._alike(event.index, label.index, families)
        )

    def _alike(self, wanted: Index, index: Index, families: Families) -> bool:
        """Whether both can be instances of one machine (a number does not tell its family)."""
        if wanted is None or index is None:
            return wanted is None and index is None
        if isinstance(wanted, int) or isinstance(index, int):
            return True
        return families[wanted] == self._families[index]

    def _is_reset(self, formula: Expr, index: Index) -> Expr:
        """`formula` says which instances (bound to EACH) are reset; `index` is one."""
        return rename(formula, {EACH: index})

    # -- the state after ---------------------------------------------------------------------------
    def _value_after(self, name: str, index: Index) -> Expr:
        value: Expr = Ref(name, index)
        for update in self.transition.updates:
            if update.var != name:
                continue
            stored = saturated(update.value, self._variables[name], self._variables)
            if update.each is None:
                value = ite(same(index, update.index), stored, value)
            elif update.index == update.each.name:
                value = rename(stored, {update.each.name: index})
            else:
                raise ValueError(f"a broadcast over {update.each.name} writes one {name}")
        return value

    def _kept(self, name: str, index: Index, families: Families) -> Expr:
        """Whether a clock's value survives the step (else it is 0 after it)."""
        clock: ClockVar = self._clocks[name]
        active = rename(clock.active, {SELF: index})
        restarted = disj(
            same(index, reset.index) for reset in self.transition.resets if reset.clock == name
        )
        return conj((active, self.after(active, families), neg(restarted)))

    def _clock_after(self, atom: ClockCmp, families: Families) -> Expr:
        kept = self._kept(atom.clock, atom.index, families)
        return _either(kept, atom, Lit(int(_holds(0, atom.op, atom.bound))))

    def _difference_after(self, atom: ClockDiff, families: Families) -> Expr:
        left = self._kept(atom.clock, atom.index, families)
        right = self._kept(atom.minus, atom.minus_index, families)
        only_left = ClockCmp(atom.clock, atom.index, atom.op, atom.bound)
        only_right = ClockCmp(atom.minus, atom.minus_index, _MIRRORED[atom.op], -atom.bound)
        neither = Lit(int(_holds(0, atom.op, atom.bound)))
        return _either(left, _either(right, atom, only_left), _either(right, only_right, neither))


def rewritten(expr: Expr, leaf: Callable[[Expr], Expr | None]) -> Expr:
    """`transform` that keeps what does not change as it is (and so costs little)."""
    replaced = leaf(expr)
    if replaced is not None:
        return replaced
    parts = children(expr)
    if not parts:
        return expr
    new = tuple([rewritten(part, leaf) for part in parts])
    if all(one is other for one, other in zip(new, parts, strict=True)):
        return expr
    return rebuild(expr, new)


def free_names(expr: Expr) -> tuple[str, ...]:
    """The instance names that `expr` does not bind, in order of appearance."""
    found: dict[str, None] = {}

    def visit(node: Expr, bound: frozenset[str]) -> None:
        match node:
            case Ref(_, index) | IndexValue(index) | ClockCmp(_, index, _, _):
                indices: tuple[Index, ...] = (index,)
            case Happens(_, _, _, index):
                indices = (index,)
            case Same(left, right) | ClockDiff(_, left, _, right, _, _):
                indices = (left, right)
            case Forall(param, _, _) | Exists(param, _, _):
                indices, bound = (), bound | {param}
            case _:
                indices = ()
        for one in indices:
            if isinstance(one, str) and one not in bound:
                found[one] = None
        for child in children(node):
            visit(child, bound)

    visit(expr, frozenset())
    return tuple(found)


def speaks_of_steps(expr: Expr) -> bool:
    """Whether `expr` is a step formula."""
    return any(isinstance(node, Happens | Post) for node in walk(expr))


def initially(formula: Expr) -> Expr:
    """A state formula as it is in an initial state, where all clocks are 0."""

    def leaf(node: Expr) -> Expr | None:
        if isinstance(node, ClockCmp | ClockDiff):
            return TRUE if _holds(0, node.op, node.bound) else FALSE
        return None

    return rewritten(formula, leaf)


def _holds(time: int, op: Comparison, bound: int) -> bool:
    return {"<": time < bound, "<=": time <= bound, ">=": time >= bound, ">": time > bound}[op]


def _either(cond: Expr, then: Expr, other: Expr) -> Expr:
    """`then` where `cond` holds, `other` elsewhere; all three are formulas."""
    if isinstance(cond, Lit):
        return then if cond.value else other
    return disj((conj((cond, then)), conj((neg(cond), other))))


def saturated(value: Expr, variable: StateVar, variables: Mapping[str, StateVar]) -> Expr:
    """What is stored when `value` is assigned to `variable`: an integer stays in its range.

    `variables`: those that `value` may read, by name.
    """
    if not isinstance(variable.type, IntType):
        return value
    low, high = variable.type.low, variable.type.high
    match value:
        case Lit(number):
            return Lit(max(low, min(high, number)))
        case Ref(name, _) if variables[name].type == variable.type:
            return value
        case Ite(cond, then, other):
            kept = (saturated(branch, variable, variables) for branch in (then, other))
            return ite(cond, *kept)
        case Add() | Sub() | Ref():
            above, below = Le(Lit(high), value), Le(value, Lit(low))
            return ite(above, Lit(high), ite(below, Lit(low), value))
        case _:
            return value
