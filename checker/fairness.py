"""What a run that never ends has to do again and again: its debts.

Owns how fairness and the passing of time become debts of a Ground (SEMANTICS section 5). A debt is
*owed* in some states and *paid* by some transitions. No run of the spec

- owes a weak debt in every state from some moment on and never pays it again,
- owes a strong debt again and again and pays it only finitely often.

*Fairness.* `fair A: e` is one debt for each instance of the event: owed where a transition of A
with that label is possible, paid by taking one. It is weak or strong as declared. The results of a
return (and the arguments of a callback) named in one line are one event: whichever comes, it came.

*Time.* Time grows beyond every bound in a run that never ends. So no deadline stays active for ever
while its clock runs and is never restarted, and none that forbids all delay stays active for ever;
and a clock does not stay below a bound without being restarted. These debts are weak. Nothing else
about time is assumed: a deadline that is met again and again by restarting its clock is met.

*One instance plus environment.* Every run of N instances is one of the abstraction, with the same
steps of the kept instance and the shared machines. A fairness debt is kept if all its steps are
seen there: those in which another instance takes part may be left out of the abstraction, so an
event that such a step can be gives no debt. Owed counts only what is enabled just as it is with N
instances. Deadlines hold in the abstraction at most where they hold with N instances, and their
clocks restart alike. So each debt of the abstraction is one of every run of N instances; to forget
one allows more runs and proves less. Knows neither graphs nor solvers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from rhscheck.checker.local import LocalAbstraction
from rhscheck.spec.alternatives import clock_atoms
from rhscheck.spec.expr import ClockCmp, Expr, conj, disj
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.system import Fairness, Label, System, Transition


@dataclass(frozen=True, slots=True)
class FairEvent:
    """The event `label` (whatever its value) that the `fair` line at position `line` names."""

    line: int
    label: Label
    instance: int | None


@dataclass(frozen=True, slots=True)
class MetDeadline:
    """The deadline of this name."""

    name: str
    instance: int | None


@dataclass(frozen=True, slots=True)
class GrowingClock:
    """The clock of this name grows beyond `bound`."""

    name: str
    instance: int | None
    bound: int


@dataclass(frozen=True, slots=True)
class Debt:
    """Owed where `owed` (a ground state formula) holds, paid by the transitions at `paid`.

    `name` says what it is, for messages. `fair`: it comes from a `fair` line, not from time.
    `source`: where it comes from.
    """

    name: str
    owed: Expr
    paid: frozenset[int]
    source: FairEvent | MetDeadline | GrowingClock
    strong: bool = False
    fair: bool = False


def fairness_debts(
    ground: Ground, abstraction: LocalAbstraction | None = None, woven: System | None = None
) -> tuple[Debt, ...]:
    """The debts that the `fair` lines of `ground`'s System make, in source order.

    `abstraction`, `woven`: where `ground` is one instance plus environment of `woven`.
    """
    found: list[Debt] = []
    exact = None if abstraction is None else abstraction.exact
    for line, fairness in enumerate(ground.system.fairness):
        for labels in _events(fairness):
            label = labels[0]
            if not _seen(abstraction, woven, fairness, labels):
                continue
            groups = _groups(ground, fairness, labels)
            for instance, positions in groups.items():
                owed = disj(
                    ground.transitions[at].guard
                    for at in positions
                    if exact is None or ground.transitions[at].template.key in exact
                )
                where = "" if instance is None else f" of {label.machine}[{instance}]"
                how = "strong" if fairness.strong else "weak"
                found.append(
                    Debt(
                        f"{how} fairness of {fairness.actor}: {_event(label)}{where}",
                        owed,
                        frozenset(positions),
                        FairEvent(line, label, instance),
                        fairness.strong,
                        fair=True,
                    )
                )
    return tuple(found)


def time_debts(ground: Ground, tracked: Collection[int] = ()) -> tuple[Debt, ...]:
    """The debts that the passing of time makes.

    `tracked`: clocks whose values are known; each gives a debt of its own, for the greatest
    constant that it is compared with.
    """
    found: list[Debt] = []
    resetters: dict[int, set[int]] = {}
    for at, transition in enumerate(ground.transitions):
        for reset in transition.resets:
            resetters.setdefault(reset, set()).add(at)
    bounds: dict[int, int] = {}
    for deadline in ground.deadlines:
        name = deadline.name if deadline.index is None else f"{deadline.name}[{deadline.index}]"
        source = MetDeadline(deadline.name, deadline.index)
        if deadline.clock is None:
            found.append(Debt(f"time passes: {name}", deadline.active, frozenset(), source))
            continue
        clock = ground.clocks[deadline.clock]
        bounds[deadline.clock] = max(bounds.get(deadline.clock, 0), deadline.bound)
        found.append(
            Debt(
                f"time passes: {name}",
                conj((deadline.active, clock.active)),
                frozenset(resetters.get(deadline.clock, ())),
                source,
            )
        )
    if tracked:
        for transition in ground.transitions:
            for atom in clock_atoms(transition.guard):
                if isinstance(atom, ClockCmp):
                    at = ground.clock_of[atom.clock, atom.index]  # type: ignore[index]
                    bounds[at] = max(bounds.get(at, 0), atom.bound)
    for at in sorted(tracked):
        if at in bounds:
            clock = ground.clocks[at]
            low = ClockCmp(clock.name, clock.index, "<=", bounds[at])
            found.append(
                Debt(
                    f"time passes: {clock.name}",
                    conj((clock.active, low)),
                    frozenset(resetters.get(at, ())),
                    GrowingClock(clock.name, clock.index, bounds[at]),
                )
            )
    return tuple(found)


def _event(label: Label) -> str:
    """The event without its result or argument."""
    return replace(label, value=None).short.removesuffix("(None)")


def _events(fairness: Fairness) -> list[tuple[Label, ...]]:
    """The labels of a `fair` line, those of one event together."""
    groups: dict[tuple[str, str, str], list[Label]] = {}
    for label in fairness.labels:
        groups.setdefault((label.kind, label.machine, label.name), []).append(label)
    return [tuple(group) for group in groups.values()]


def _matching(
    transition: Transition | GroundTransition, wanted: tuple[Label, ...]
) -> Iterator[Label]:
    """The events of a step that are one of those wanted, whatever the instance."""
    known = {(label.kind, label.machine, label.name, label.value) for label in wanted}
    for label in (transition.label, *transition.also):
        if (label.kind, label.machine, label.name, label.value) in known:
            yield label


def _groups(
    ground: Ground, fairness: Fairness, wanted: tuple[Label, ...]
) -> dict[int | None, list[int]]:
    """The transitions of the actor with such a label, for each instance whose event it is."""
    groups: dict[int | None, list[int]] = {}
    for at, transition in enumerate(ground.transitions):
        if transition.actor != fairness.actor:
            continue
        for label in _matching(transition, wanted):
            index = label.index
            assert not isinstance(index, str)  # a ground label names no parameter
            if index is None and wanted[0].index is not None:
                continue  # in the abstraction: the event of another instance
            groups.setdefault(index, []).append(at)
    return dict(sorted(groups.items(), key=lambda item: item[0] or 0))


def _seen(
    abstraction: LocalAbstraction | None,
    woven: System | None,
    fairness: Fairness,
    wanted: tuple[Label, ...],
) -> bool:
    """Whether no step with such a label can be one that the abstraction leaves out."""
    if abstraction is None or woven is None:
        return True
    return all(
        {param.name for param in transition.params if param.family == abstraction.family}
        <= {label.index}
        for transition in woven.transitions
        if transition.actor == fairness.actor
        for label in _matching(transition, wanted)
    )


def all_debts(
    ground: Ground,
    tracked: Collection[int] = (),
    abstraction: LocalAbstraction | None = None,
    woven: System | None = None,
) -> tuple[Debt, ...]:
    """Fairness first, then time; arguments as above."""
    return (*fairness_debts(ground, abstraction, woven), *time_debts(ground, tracked))
