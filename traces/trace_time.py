"""The System in the time of recordings: microseconds, with slack where steps may be late.

Owns two rewritings and nothing else. `in_microseconds` makes all constants of time whole
microseconds, so that time stamps are compared as they are. `slackened` (SEMANTICS section 6: slack
"widens upper bounds and urgency only") lets every deadline, every urgent step, every guard and
every promise with an upper bound be late by so much; lower bounds stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rhscheck.spec.expr import (
    And,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Forall,
    Ite,
    Not,
    Or,
    Post,
    Ref,
    rebuild,
    transform,
    walk,
)
from rhscheck.spec.system import (
    SELF,
    Assumption,
    Can,
    ClockVar,
    Early,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Reset,
    Rule,
    System,
    Transition,
    Within,
)


# ---- microseconds ------------------------------------------------------------------------------
def in_microseconds(system: System) -> System:
    """The same System, its unit one microsecond."""
    unit = system.unit_us
    if unit == 1:
        return system

    def scaled(expr: Expr) -> Expr:
        def leaf(node: Expr) -> Expr | None:
            match node:
                case ClockCmp(clock, index, op, bound):
                    return ClockCmp(clock, index, op, bound * unit)
                case ClockDiff(clock, index, minus, other, op, bound):
                    return ClockDiff(clock, index, minus, other, op, bound * unit)
                case _:
                    return None

        return transform(expr, leaf)

    def span(bound: int) -> int:
        return bound * unit

    return replace(
        _mapped(system, scaled, scaled, scaled, span),
        deadlines=tuple(
            replace(one, active=scaled(one.active), bound=one.bound * unit)
            for one in system.deadlines
        ),
        constants=tuple(
            replace(one, value=one.value * unit) if one.is_time else one for one in system.constants
        ),
        entries=tuple(
            one if one.timeout is None else replace(one, timeout=one.timeout * unit)
            for one in system.entries
        ),
        unit_us=1,
    )


# ---- slack -------------------------------------------------------------------------------------
def slackened(system: System, slack_us: int) -> System:
    """`system` (its unit a microsecond) in which everything may be `slack_us` late.

    An urgent step gets a clock that runs while it is owed, and starts anew with every step that
    changes what it is owed for: that is generous, and never makes a punctual run illegal.
    """
    if slack_us == 0:
        return system
    if system.unit_us != 1:
        raise ValueError("slack is given in microseconds")

    def guard(expr: Expr) -> Expr:
        return _widened(expr, slack_us, upper=True)

    def broken(expr: Expr) -> Expr:
        return _widened(expr, slack_us, upper=False)

    def span(bound: int) -> int:
        return bound + slack_us

    def kept(expr: Expr) -> Expr:
        return expr

    later = _mapped(system, guard, kept, broken, span, within_only=True)
    deadlines = []
    clocks = list(later.clocks)
    owed: list[tuple[str, str | None, dict[str, None]]] = []
    for one in later.deadlines:
        if one.clock is not None:
            deadlines.append(replace(one, bound=one.bound + slack_us))
            continue
        name = f"{one.name} late"
        clocks.append(ClockVar(name, one.family, one.active, "raw"))
        deadlines.append(replace(one, clock=name, bound=slack_us))
        read = dict.fromkeys(node.name for node in walk(one.active) if isinstance(node, Ref))
        owed.append((name, one.family, read))
    transitions = tuple(_restarting(step, owed) for step in later.transitions)
    return replace(later, deadlines=tuple(deadlines), clocks=tuple(clocks), transitions=transitions)


def _restarting(
    transition: Transition, owed: list[tuple[str, str | None, dict[str, None]]]
) -> Transition:
    """The transition, restarting the clocks of urgent steps whose condition it may change."""
    own = next((param for param in transition.params if param.name == SELF), None)
    resets = list(transition.resets)
    for clock, family, read in owed:
        changed = any(update.var in read for update in transition.updates)
        if not changed:
            continue
        if family is None:
            resets.append(Reset(clock, None))
        elif own is not None and own.family == family:
            resets.append(Reset(clock, SELF))
    if len(resets) == len(transition.resets):
        return transition
    return replace(transition, resets=tuple(dict.fromkeys(resets)))


def _widened(expr: Expr, slack: int, *, upper: bool) -> Expr:
    """`expr` with its upper (or, for what must not be, lower) bounds on clocks widened."""
    match expr:
        case ClockCmp(clock, index, op, bound):
            if op in (("<", "<=") if upper else (">", ">=")):
                return ClockCmp(clock, index, op, bound + slack)
            return expr
        case ClockDiff(clock, index, minus, other, op, bound):
            if op in ("<", "<="):
                return ClockDiff(clock, index, minus, other, op, bound + slack)
            return ClockDiff(clock, index, minus, other, op, bound - slack)
        case Not(arg):
            return rebuild(expr, (_widened(arg, slack, upper=not upper),))
        case And(args) | Or(args):
            return rebuild(expr, tuple(_widened(arg, slack, upper=upper) for arg in args))
        case Forall(_, _, body) | Exists(_, _, body) | Post(body):
            return rebuild(expr, (_widened(body, slack, upper=upper),))
        case Ite(cond, then, other):
            # Where a clock chooses, either branch may be taken late.
            parts = (cond, _widened(then, slack, upper=upper), _widened(other, slack, upper=upper))
            return rebuild(expr, parts)
        case _:
            return expr


# ---- both --------------------------------------------------------------------------------------
def _mapped(
    system: System,
    guard: Callable[[Expr], Expr],
    value: Callable[[Expr], Expr],
    rule: Callable[[Expr], Expr],
    span: Callable[[int], int],
    *,
    within_only: bool = False,
) -> System:
    """`system` with its guards, values, rules and the bounds of its obligations rewritten."""

    def obliged(
        one: Never | NeverBefore | NeverAfter | Can | LeadsTo | Within | Early,
    ) -> Never | NeverBefore | NeverAfter | Can | LeadsTo | Within | Early:
        match one:
            case Never(formula):
                return Never(rule(formula))
            case NeverBefore(what, milestone):
                return NeverBefore(rule(what), value(milestone))
            case NeverAfter(what, milestone):
                return NeverAfter(rule(what), value(milestone))
            case Can(formula):
                return Can(value(formula))
            case LeadsTo(trigger, response, later):
                return LeadsTo(value(trigger), value(response), later)
            case Within(trigger, response, bound, later):
                return Within(value(trigger), value(response), span(bound), later)
            case Early(what, trigger, bound):
                return Early(rule(what), value(trigger), bound if within_only else span(bound))

    def promised(one: Assumption) -> Assumption:
        obligation = obliged(one.obligation)
        assert not isinstance(obligation, Can | LeadsTo)
        return replace(one, obligation=obligation)

    def ruled(one: Rule) -> Rule:
        return replace(one, obligation=obliged(one.obligation))

    return replace(
        system,
        transitions=tuple(
            replace(
                one,
                guard=guard(one.guard),
                updates=tuple(replace(u, value=value(u.value)) for u in one.updates),
            )
            for one in system.transitions
        ),
        rules=tuple(ruled(one) for one in system.rules),
        assumptions=tuple(promised(one) for one in system.assumptions),
        initially=value(system.initially),
    )
