"""One instance plus environment: a System with one instance that over-approximates every N.

Owns the abstraction (SEMANTICS section 5) and the proof that it is sound. Knows no engine: its
result is a System like any other, in which the parametric family has exactly one member.

The claim. Let `C(N)` be the System with N instances, `i` one of them, and `a_i` the map that keeps,
of a state of `C(N)`, the shared variables and clocks and those of instance `i`. Then `a_i` maps
every run of `C(N)` to a run of `L`, the System made here, of at most the same number of discrete
steps. So what `L` cannot reach, no instance of any `C(N)` can; and the length of a shortest run of
`L` to a goal is a lower bound for every N. The converse does not hold: a run of `L` is only a hint.

The proof, step by step of a run of `C(N)`.
*Start.* `L` starts with the initial values of one instance; a condition on initial states is kept
as far as it speaks of shared state and of `i` (weakened, below).
*A discrete step.* Each bound parameter of the family is either `i` or another instance. `L` has one
copy of the transition for every such choice (owner first: the "own" copy, the "environment" copy,
more of them where two instances take part). In a copy the other instances' variables and clocks are
gone. Its guard is the negation normal form of the original with every literal that mentions another
instance replaced by true: all connectives left are monotone, so the original implies it. Under a
quantifier over the family, `forall` implies its body at `i`; `exists` implies its body at `i` or
the weakened body at another instance. Updates and resets of other instances are gone with them.
An update of shared state, of `i`, or a broadcast (at `i`) whose value does not mention the others
is kept as it is; a value that does mention them is replaced by a choice among expressions of which
one is the value in `C(N)` (a copy each). So every step of `C(N)` has a copy that is enabled in
`a_i(s)` and leads to `a_i(s')`. A copy that changes nothing is left out: `L` stays where it is.
*A delay.* Activity of kept clocks, and the deadlines of `i` and of shared machines, speak of kept
state only (checked), so kept clocks grow alike; a deadline that looks at other instances is
weakened to the states where it surely is active. `C(N)` obeys more deadlines than `L`, never fewer:
others only restrict delays. So a delay of `C(N)` is a delay of `L`.

What breaks the argument is refused (`Dependence`): more than one parametric family, variables that
store instance numbers of the family, instance numbers used as values, constant instance numbers,
clocks whose activity looks at other instances, values that no short list of choices covers. What
only costs precision is kept in `LocalAbstraction.weakened`, for a proof that fails to name.

A bounded response holds vacuously when time cannot pass. `L` drops the others' deadlines, so it
says nothing about timelocks of `C(N)` by itself: `checker.timelock` adds goals, "this deadline is
tight and no exact step of this instance or of the shared machines is enabled", to be unreachable.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rhscheck.checker.independence import Reason, declared_dependences
from rhscheck.checker.sight import INSTANCE, Sight, UncoveredError, normal_form
from rhscheck.checker.waking import wakes_any
from rhscheck.spec.expr import (
    FALSE,
    ClockCmp,
    Expr,
    Index,
    Ref,
    Renaming,
    conjuncts,
    neg,
    rename,
    transform,
)
from rhscheck.spec.simplify import domains
from rhscheck.spec.source import NOWHERE
from rhscheck.spec.stepview import saturated
from rhscheck.spec.system import (
    SELF,
    Deadline,
    Family,
    Label,
    Param,
    StateVar,
    System,
    Transition,
    Update,
)

ENVIRONMENT = "~others"  # suffix of the key of a copy in which another instance takes part
_MOST_COPIES = 16  # copies of one transition


@dataclass(frozen=True, slots=True)
class LocalAbstraction:
    """The System `L`. `family`: the parametric family; None if the spec has none (`L` is the spec).

    `origin`: for each transition key of `L` the key it was made from. `environment`: keys of copies
    in which another instance takes part. `exact`: keys of transitions that are enabled in `L` just
    when they are enabled in every `C(N)`, whatever the other instances do; `settled`: those of them
    that also lead to the same there. `weakened`: places where precision was lost. `blind`:
    deadlines of which `L` sees only a part, so that a timelock at them could go unseen (none where
    a step answers the deadline by its form alone).
    """

    system: System
    family: str | None
    origin: dict[str, str]
    environment: frozenset[str]
    exact: frozenset[str]
    settled: frozenset[str]
    weakened: tuple[Reason, ...] = ()
    blind: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Dependence:
    """The one-instance argument does not apply; why, in source order."""

    reasons: tuple[Reason, ...]


def abstract(system: System) -> LocalAbstraction | Dependence:
    """`system` (woven: no step formulas) as one instance plus the environment of all others."""
    if not system.parametric:
        keys = {transition.key: transition.key for transition in system.transitions}
        every = frozenset(keys)
        return LocalAbstraction(system, None, keys, frozenset(), every, every)
    if len(system.parametric) > 1:
        names = " and ".join(f"`{name}`" for name in system.parametric)
        spans = [v.span for v in system.variables if v.family == system.parametric[1]]
        sentence = f"more than one family has any number of instances: {names}"
        return Dependence((Reason(sentence, spans[0] if spans else NOWHERE),))
    family = system.parametric[0]
    declared = tuple(dict.fromkeys(declared_dependences(system, family)))
    if declared:
        return Dependence(declared)
    reasons: list[Reason] = []
    weakened: list[Reason] = []
    blind: list[Reason] = []
    sight = Sight(system, family)

    deadlines: list[Deadline] = []
    for deadline in system.deadlines:
        here: dict[str, Index] = {SELF: INSTANCE} if deadline.family == family else {}
        seen = sight.weaken(neg(rename(deadline.active, here)), frozenset())
        if seen.lost:
            reason = Reason(
                f"deadline `{deadline.name}` depends on other instances of `{family}`",
                deadline.span,
            )
            weakened.append(reason)
            if not _answered(deadline, system, family):
                blind.append(reason)
            deadlines.append(replace(deadline, active=neg(seen.formula)))
        else:
            deadlines.append(deadline)

    renamings: _Renamings = {}
    own: list[Transition] = []
    environment: list[Transition] = []
    origin: dict[str, str] = {}
    exact: set[str] = set()
    settled: set[str] = set()
    for transition in system.transitions:
        try:
            copies = tuple(_copies(transition, sight, renamings))
        except UncoveredError as refusal:
            reasons.append(Reason(str(refusal), transition.span))
            continue
        for copy in copies:
            origin[copy.transition.key] = transition.key
            (environment if copy.others else own).append(copy.transition)
            if copy.exact:
                exact.add(copy.transition.key)
                if sum(not one.others for one in copies) == 1:
                    settled.add(copy.transition.key)
            weakened.extend(Reason(text, transition.span) for text in copy.lost)
    if reasons:
        return Dependence(tuple(dict.fromkeys(reasons)))
    initially = sight.weaken(system.initially, frozenset())
    local = replace(
        system,
        families=tuple(
            Family(f.name, INSTANCE) if f.name == family else f for f in system.families
        ),
        # Own and shared steps first: of equally short runs the least one then avoids the others.
        transitions=(*own, *environment),
        deadlines=tuple(deadlines),
        initially=initially.formula if initially.lost else system.initially,
    )
    return LocalAbstraction(
        local,
        family,
        origin,
        frozenset(transition.key for transition in environment),
        frozenset(exact),
        frozenset(settled),
        tuple(dict.fromkeys(weakened)),
        tuple(dict.fromkeys(blind)),
    )


def _answered(deadline: Deadline, system: System, family: str) -> bool:
    """Whether a step ends `deadline` wherever it is tight, by its form alone and for every N.

    It is possible if all that the step's guard asks for is among the deadline's own conditions. It
    ends it if one of these is false after it, or the clock starts again. It must make no other one
    bind: then steps of this kind come to an end, whatever the deadlines that are seen whole do.
    """
    own = () if deadline.family is None else (Param(SELF, deadline.family),)
    known = set(conjuncts(deadline.active))
    known_domains = domains(system)
    variables = {one.name: one for one in system.variables}

    def given(part: Expr) -> bool:
        match part:
            case ClockCmp(clock, index, ">=", bound):
                here = SELF if deadline.family is not None else None
                return (clock, index) == (deadline.clock, here) and bound <= deadline.bound
            case _:
                return part in known

    return not deadline.strict and any(
        transition.params == own
        and all(given(part) for part in conjuncts(transition.guard))
        and _ends(transition, deadline, variables)
        and not wakes_any(system, known_domains, transition, deadline, family)
        for transition in system.transitions
    )


def _ends(transition: Transition, deadline: Deadline, variables: Mapping[str, StateVar]) -> bool:
    """Whether a step of the deadline's own instance ends it, whatever others are."""
    here = SELF if deadline.family is not None else None
    if deadline.bound > 0 and any(
        (reset.clock, reset.index) == (deadline.clock, here) for reset in transition.resets
    ):
        return True
    written = {
        (one.var, one.index): saturated(one.value, variables[one.var], variables)
        for one in transition.updates
        if one.each is None
    }

    def after(node: Expr) -> Expr | None:
        return written.get((node.name, node.index)) if isinstance(node, Ref) else None

    return transform(deadline.active, after) == FALSE


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal over `L` that every `C(N)` state with the original goal maps to, for some instance.

    `weakened`: more of `L` reaches it than the original says.
    """

    formula: Expr
    weakened: bool


def local_goal(abstraction: LocalAbstraction, bad: Expr) -> Goal:
    """A closed state formula, as `L` can judge it.

    One `exists` over the family names the instance that is kept: if `bad` holds in a state because
    of instance `i`, the formula holds in its image under `a_i`. Other quantifiers are weakened.
    """
    if abstraction.family is None:
        return Goal(bad, False)
    sight = Sight(abstraction.system, abstraction.family)
    seen = sight.first_instance(normal_form(bad))
    return Goal(seen.formula, seen.lost)


# ---- transitions ---------------------------------------------------------------------------------
_Renamings = dict[tuple[str, ...], Renaming]  # by the names that become the kept instance


@dataclass(frozen=True, slots=True)
class _Copy:
    transition: Transition
    others: frozenset[str]
    exact: bool
    lost: tuple[str, ...]


def _copies(transition: Transition, sight: Sight, renamings: _Renamings) -> Iterator[_Copy]:
    """The copies of one transition: each of its parameters may be the kept instance or another."""
    bound = [param.name for param in transition.params if param.family == sight.family]
    for choice in itertools.product((False, True), repeat=len(bound)):
        others = frozenset(name for name, other in zip(bound, choice, strict=True) if other)
        yield from _copy(transition, sight, bound, others, renamings)


def _copy(
    transition: Transition,
    sight: Sight,
    bound: list[str],
    others: frozenset[str],
    renamings: _Renamings,
) -> Iterator[_Copy]:
    here: dict[str, Index] = {name: INSTANCE for name in bound if name not in others}
    renaming = renamings.setdefault(tuple(here), Renaming(here))
    guard = sight.weaken(renaming.of(transition.guard), others)
    if guard.formula == FALSE:
        return
    choices: list[tuple[Update, ...]] = []
    for update in transition.updates:
        made = _updates(update, sight, here, others)
        if made:
            choices.append(made)
    assigned = [options[0].var for options in choices]
    for options in choices:
        # `spec.ground` lets the last of several assignments win, unless it changes nothing: which
        # one wins could then differ between an alternative and the value it stands for.
        if len(options) > 1 and assigned.count(options[0].var) > 1:
            raise UncoveredError(
                f"`{options[0].var}` is assigned twice in one step, depending on other instances"
            )
    count = math.prod(len(options) for options in choices)
    if count > _MOST_COPIES:
        raise UncoveredError("too many values that depend on other instances in one step")
    resets = tuple(
        replace(reset, index=_moved(reset.index, here))
        for reset in transition.resets
        if reset.index not in others
    )
    lost: list[str] = []
    if guard.lost and not others:
        lost.append("the condition of a step depends on other instances")
    if len(bound) > 1 and others and len(others) < len(bound):
        lost.append("a step is taken by several instances together")
    if count > 1:
        lost.append("a value depends on the state of other instances")
    for number, updates in enumerate(itertools.product(*choices)):
        if others and not updates and not resets:
            continue
        key = transition.key
        if others:
            pattern = ",".join(name for name in bound if name in others)
            key += ENVIRONMENT if len(bound) == 1 else f"{ENVIRONMENT}({pattern})"
        if count > 1:
            key += f"~{number + 1}"
        yield _Copy(
            replace(
                transition,
                key=key,
                label=_label(transition.label, others),
                params=tuple(p for p in transition.params if p.name not in others),
                guard=guard.formula,
                updates=updates,
                resets=resets,
                resets_machines=() if others else transition.resets_machines,
                expires=None if others else transition.expires,
                absorbed=transition.absorbed and not others,
                unhandled=transition.unhandled and not others,
                also=tuple(_label(label, others) for label in transition.also),
            ),
            others,
            not guard.lost and not others,
            tuple(lost),
        )


def _updates(
    update: Update, sight: Sight, here: dict[str, Index], others: frozenset[str]
) -> tuple[Update, ...]:
    """What an update does to kept state: the alternatives, none if it does nothing."""
    each = update.each
    if each is not None and each.family == sight.family:
        if update.index != each.name:
            raise UncoveredError(
                f"`{update.var}` is assigned once for every instance of `{each.family}`"
            )
        scope: dict[str, Index] = {**here, each.name: INSTANCE}
        # A broadcast binds its parameter: another instance of the same name is hidden in it.
        hidden = others - {each.name}
        index: Index = INSTANCE
        kept: Param | None = None
    else:
        own = frozenset() if each is None else frozenset((each.name,))
        hidden, kept = others - own, each
        scope = {name: at for name, at in here.items() if name not in own}
        if update.index in hidden:
            return ()
        index = _moved(update.index, scope)
    made = tuple(
        Update(update.var, index, value, kept)
        for value in sight.values(rename(update.value, scope), hidden)
    )
    if len(made) == 1 and made[0].value == Ref(update.var, index):
        return ()
    return made


def _moved(index: Index, here: dict[str, Index]) -> Index:
    return here.get(index, index) if isinstance(index, str) else index


def _label(label: Label, others: frozenset[str]) -> Label:
    """The label of a step that another instance takes names no instance."""
    return replace(label, index=None) if label.index in others else label
