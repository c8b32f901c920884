"""The System as a replay judges it: everything may happen that the host cannot prevent.

Assumptions are obligations beside the rules instead of guards, and every event the spec knows has a
*forced* twin that is always possible and does the event's call bookkeeping only. Forced steps are
woven like all others, so what a rule says about an event that no state allows follows from the one
definition of rules. Owns this preparation; it knows nothing of files and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rhscheck.spec.expr import TRUE, ClockCmp, Expr, Lit, walk
from rhscheck.spec.frames import UNREACHABLE
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import State, evaluate
from rhscheck.spec.system import (
    CALL_EXPIRED,
    CALL_IDLE,
    CALL_RUNNING,
    SELF,
    TIME,
    Assumption,
    Can,
    Early,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Param,
    Rule,
    RuleKind,
    System,
    Transition,
    Update,
    Within,
)
from rhscheck.spec.visible import is_hidden, observed

_FORCED = "forced "


@dataclass(frozen=True, slots=True)
class Duty:
    """A rule, or an assumption on `actor`, as it is judged. `bad` holds where it is broken."""

    id: str
    sentence: str
    actor: str | None
    bounded: bool  # False for `leads to`: no finite trace can break it or settle it
    bad: Expr
    # Positions of the observer clocks that run while the obligation is open.
    open_clocks: tuple[int, ...]

    def is_open(self, world: Ground, state: State) -> bool:
        """Whether an answer is still owed in `state`."""
        return any(evaluate(world.clocks[at].active, world, state) for at in self.open_clocks)


@dataclass(frozen=True, slots=True)
class Receptive:
    """A woven Ground with what a replay looks up in it, all in the order of the spec.

    `hidden`, `steps` and `forced` are positions of transitions; the last two by the label under
    which the step appears in a trace. `unjudged` are permissions, which no single run can break.
    """

    ground: Ground
    duties: tuple[Duty, ...]
    ids: tuple[str, ...]
    refuted: tuple[str, ...]
    unjudged: dict[str, str]
    hidden: tuple[int, ...]
    steps: dict[Label, tuple[int, ...]]
    forced: dict[Label, tuple[int, ...]]

    def actors(self, labels: tuple[Label, ...]) -> tuple[str, ...]:
        """Who answers for events with these labels, each actor once.

        A time-out is nobody's deed: whoever owns the deadline that it enforces answers for it.
        """
        owner = {deadline.name: deadline.owner for deadline in self.ground.system.deadlines}
        steps = (
            self.ground.transitions[at] for label in labels for at in self.steps.get(label, ())
        )
        return tuple(
            dict.fromkeys(
                owner.get(step.template.expires or "", step.actor)
                if step.actor == TIME
                else step.actor
                for step in steps
            )
        )


def receptive(system: System, n: int) -> Receptive:
    """`system` with `n` instances, prepared for replay. Raises ValueError if `n` < 1."""
    if n < 1:
        raise ValueError(f"a trace of {n} instances cannot be judged")
    false = {one.rule for one in system.expectations if one.verdict == "violated"}
    refuted = tuple(rule.id for rule in system.rules if rule.base in false)
    rules = [
        _bounded(rule)
        for rule in system.rules
        if not isinstance(rule.obligation, Can) and rule.base not in false
    ]
    promises = [_as_rule(assumption) for assumption in system.assumptions]
    watched = [*rules, *promises]
    with_forced = replace(system, transitions=(*system.transitions, *_forced(system)))
    woven = weave(with_forced, watched, ())
    world = ground(woven.system, n)
    actor_of = {assumption.id: assumption.actor for assumption in system.assumptions}
    endless = {rule.id for rule in system.rules if isinstance(rule.obligation, LeadsTo)}
    duties = []
    for rule in watched:
        if rule.id in woven.unwoven:
            continue
        bad = world.expand(woven.bad[rule.id], {})
        timed = isinstance(rule.obligation, Within)
        duties.append(
            Duty(
                rule.id,
                rule.sentence,
                actor_of.get(rule.id),
                rule.id not in endless,
                bad,
                _clocks(bad, world) if timed else (),
            )
        )
    hidden: list[int] = []
    steps: dict[Label, list[int]] = {}
    forced: dict[Label, list[int]] = {}
    for at, transition in enumerate(world.transitions):
        if transition.template.key.startswith(_FORCED):
            forced.setdefault(transition.label, []).append(at)
            continue
        label = observed(system.trace, transition.label, transition.also)
        if label is None:
            hidden.append(at)
        else:
            steps.setdefault(label, []).append(at)
    return Receptive(
        world,
        tuple(duties),
        (*(rule.id for rule in system.rules), *actor_of),
        refuted,
        woven.unwoven,
        tuple(hidden),
        {label: tuple(positions) for label, positions in steps.items()},
        {label: tuple(positions) for label, positions in forced.items()},
    )


def _clocks(bad: Expr, world: Ground) -> tuple[int, ...]:
    found = dict.fromkeys(
        world.clock_of[(node.clock, node.index)]
        for node in walk(bad)
        if isinstance(node, ClockCmp) and not isinstance(node.index, str)
    )
    return tuple(found)


def _bounded(rule: Rule) -> Rule:
    """A liveness rule becomes a response without a bound: only whether it is open is of use."""
    match rule.obligation:
        case LeadsTo(trigger, response, later):
            return replace(rule, obligation=Within(trigger, response, UNREACHABLE, later))
        case _:
            return rule


def _as_rule(assumption: Assumption) -> Rule:
    kind: RuleKind
    match assumption.obligation:
        case Never():
            kind = "never"
        case NeverBefore():
            kind = "before"
        case NeverAfter():
            kind = "after"
        case Within():
            kind = "within"
        case Early():
            kind = "early"
    return Rule(
        assumption.id,
        assumption.id,
        assumption.sentence,
        kind,
        assumption.params,
        assumption.obligation,
        span=assumption.span,
    )


# ---- forced steps ------------------------------------------------------------------------------
def _forced(system: System) -> list[Transition]:
    """An always possible twin of every visible label, in the order in which labels first appear."""
    calls = call_variables(system)
    found: dict[Label, Transition] = {}
    for transition in system.transitions:
        for label in (transition.label, *transition.also):
            key = replace(label, index=None if label.index is None else SELF)
            if key in found or is_hidden(system.trace, label):
                continue
            variable = calls.get((label.machine, label.name))
            value = {"call": CALL_RUNNING, "return": CALL_IDLE, "expiry": CALL_EXPIRED}.get(
                label.kind
            )
            updates: tuple[Update, ...] = ()
            if variable is not None and value is not None:
                updates = (Update(variable, key.index, Lit(value)),)
            found[key] = Transition(
                f"{_FORCED}{label.machine} {label.short}",
                key,
                transition.actor,
                () if key.index is None else (Param(SELF, label.machine),),
                TRUE,
                updates,
            )
    return list(found.values())


def call_variables(system: System) -> dict[tuple[str, str], str]:
    """For each entry (machine, name) the variable that says whether its call is in flight."""
    calls = {variable.name for variable in system.variables if variable.role == "call"}
    found: dict[tuple[str, str], str] = {}
    for transition in system.transitions:
        if transition.label.kind != "call":
            continue
        for update in transition.updates:
            if update.var in calls and update.value == Lit(CALL_RUNNING) and update.each is None:
                key = (transition.label.machine, transition.label.name)
                found.setdefault(key, update.var)
    return found
