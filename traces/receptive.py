"""The System as a replay judges it: everything may happen that the host cannot prevent.

Assumptions are obligations beside the rules instead of guards, and every event the spec knows has a
*forced* twin that is always possible and does the event's call bookkeeping only. Forced steps are
woven like all others, so what a rule says about an event that no state allows follows from the one
definition of rules. Owns this preparation; it knows nothing of files and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rhscheck.spec.expr import TRUE, ClockCmp, Expr, Happens, Lit, StepKind, walk
from rhscheck.spec.frames import UNREACHABLE
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import as_rule, weave
from rhscheck.spec.system import (
    CALL_EXPIRED,
    CALL_IDLE,
    CALL_RUNNING,
    SELF,
    TIME,
    Can,
    Label,
    LeadsTo,
    NeverBefore,
    Param,
    Rule,
    System,
    Transition,
    Update,
    Within,
)
from rhscheck.spec.visible import is_hidden, observed
from rhscheck.traces.apart import Apart, formulas_of
from rhscheck.traces.trace_time import in_microseconds, slackened

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
    # Positions of the slots that remember that it was broken.
    hits: tuple[int, ...]
    # The events it speaks of (kind, name).
    speaks_of: tuple[tuple[StepKind, str], ...]
    # By the spec's `expect`: no run in which all promises are kept breaks it.
    proved: bool = False


@dataclass(frozen=True, slots=True)
class Receptive:
    """A woven Ground with what a replay looks up in it, all in the order of the spec.

    Its time unit is a microsecond. `family`: the machine whose instances are followed one by one;
    then the Ground has one instance, and `others` are the steps of somebody else by (kind, name,
    value) of their label. `hidden`, `steps` and `forced` are positions of transitions; the last two
    by the label under which the step appears in a trace. A step that may leave no line is both
    hidden and visible. `unjudged` are permissions, which no single run can break. `innocent`: the
    value of each observer (by its slot) from which nothing is found broken that is not broken
    whatever happened before.
    """

    ground: Ground
    duties: tuple[Duty, ...]
    ids: tuple[str, ...]
    refuted: tuple[str, ...]
    unjudged: dict[str, str]
    hidden: tuple[int, ...]
    steps: dict[Label, tuple[int, ...]]
    forced: dict[Label, tuple[int, ...]]
    family: str | None
    others: dict[tuple[StepKind, str, str | None], tuple[int, ...]]
    innocent: tuple[tuple[int, int], ...]
    bare: System

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


def receptive(
    system: System,
    n: int,
    *,
    slack_us: int = 0,
    unseen: tuple[tuple[StepKind, str | None], ...] = (),
    alone: Apart | None = None,
) -> Receptive:
    """`system` with `n` instances, prepared for replay. Raises ValueError if `n` < 1.

    `slack_us`: how late steps may be. `unseen`: events that may happen without a line about them.
    `alone`: follow one instance of its family by itself, `n` is 1 then.
    """
    if n < 1:
        raise ValueError(f"a trace of {n} instances cannot be judged")
    somebody = () if alone is None else alone.others
    named = {other.key: label for label, other in somebody}
    steps_of_others = tuple(other for _, other in somebody)
    bare = replace(system, transitions=(*system.transitions, *steps_of_others))
    bare = slackened(in_microseconds(bare), slack_us)
    system = replace(bare, transitions=bare.transitions[: len(system.transitions)])
    false = {one.rule for one in system.expectations if one.verdict == "violated"}
    refuted = tuple(rule.id for rule in system.rules if rule.base in false)
    rules = [
        _bounded(rule)
        for rule in system.rules
        if not isinstance(rule.obligation, Can) and rule.base not in false
    ]
    promises = [as_rule(assumption) for assumption in system.assumptions]
    # What only speaks of events that leave no line cannot be observed: nobody has to watch for it.
    watched = [
        one
        for one in (*rules, *promises)
        if not (events := _events(one))
        or not all(_is_among(unseen, kind, name) for kind, name in events)
    ]
    with_forced = replace(bare, transitions=(*bare.transitions, *_forced(system)))
    woven = weave(with_forced, watched, ())
    world = ground(woven.system, n)
    hidden: list[int] = []
    steps: dict[Label, list[int]] = {}
    forced: dict[Label, list[int]] = {}
    others: dict[tuple[StepKind, str, str | None], list[int]] = {}
    for at, transition in enumerate(world.transitions):
        key = transition.template.key
        if key.startswith(_FORCED):
            forced.setdefault(transition.label, []).append(at)
            continue
        theirs = named.get(key.partition("~")[0])
        label = observed(system.trace, theirs or transition.label, transition.also)
        if label is None or _is_among(unseen, label.kind, label.name):
            hidden.append(at)
        if label is None:
            continue
        if theirs is not None and label == theirs:
            others.setdefault((label.kind, label.name, label.value), []).append(at)
        else:
            steps.setdefault(label, []).append(at)
    actor_of = {assumption.id: assumption.actor for assumption in system.assumptions}
    return Receptive(
        world,
        tuple(
            _duty(rule, woven.bad[rule.id], world, system, actor_of.get(rule.id))
            for rule in watched
            if rule.id not in woven.unwoven
        ),
        (*(rule.id for rule in system.rules), *actor_of),
        refuted,
        woven.unwoven,
        tuple(hidden),
        {label: tuple(positions) for label, positions in steps.items()},
        {label: tuple(positions) for label, positions in forced.items()},
        None if alone is None else alone.family,
        {key: tuple(positions) for key, positions in others.items()},
        _innocent(watched, world),
        bare,
    )


def _is_among(unseen: tuple[tuple[StepKind, str | None], ...], kind: StepKind, name: str) -> bool:
    return any(kind == one and which in (None, name) for one, which in unseen)


def _events(rule: Rule) -> tuple[tuple[StepKind, str], ...]:
    """The events that a rule speaks of."""
    found: dict[tuple[StepKind, str], None] = {}
    for expr in formulas_of(rule.obligation):
        for node in walk(expr):
            if isinstance(node, Happens) and node.kind != "reset":
                found[(node.kind, node.name)] = None
    return tuple(found)


def _duty(rule: Rule, bad: Expr, world: Ground, system: System, actor: str | None) -> Duty:
    """The rule (bounded by `_bounded` if it is a liveness rule) as it is judged in `world`."""
    original = next((one for one in system.rules if one.id == rule.id), rule)
    formula = world.expand(bad, {})
    hits = tuple(
        at
        for at, slot in enumerate(world.slots)
        if slot.variable.role == "observer" and _is_part(slot.variable.name, rule.id, "hit")
    )
    return Duty(
        rule.id,
        rule.sentence,
        actor,
        not isinstance(original.obligation, LeadsTo),
        formula,
        _clocks(formula, world) if isinstance(rule.obligation, Within) else (),
        hits,
        _events(rule),
        any(one.rule == original.base and one.verdict == "proved" for one in system.expectations),
    )


def _is_part(name: str, rule: str, part: str) -> bool:
    """Whether the observer `name` is the `part` of a rule's plan (`R1:hit`, `R2[1]:hit`)."""
    tag, _, kind = name.rpartition(":")
    if kind != part:
        return False
    return tag == rule or (tag.startswith(f"{rule}[") and tag[len(rule) + 1 : -1].isdigit())


def _innocent(watched: list[Rule], world: Ground) -> tuple[tuple[int, int], ...]:
    """For each observer the value with which its past cannot be held against anybody.

    What must come after a milestone is excused by a milestone that was seen; everything else by
    nothing that was seen, armed or measured.
    """
    excused = [one.id for one in watched if isinstance(one.obligation, NeverBefore)]
    return tuple(
        (at, int(any(_is_part(slot.variable.name, rule, "seen") for rule in excused)))
        for at, slot in enumerate(world.slots)
        if slot.variable.role == "observer"
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
