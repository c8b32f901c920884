"""Sets of states found in one instance plus environment, and their re-check.

Owns the step from what an exploration found to a proof: nothing counts before Z3 agrees that the
set found is inductive and excludes the goals. All sets of one System are put into one question, in
the abstraction, which is the argument; and, as a check of the abstraction itself, for some concrete
numbers of instances. There the invariant speaks of instance 1 alone and is inductive whatever the
others do; no instance can be told from another (`checker.independence`), so each has its copy, and
a conjunction of inductive invariants is inductive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rhscheck.checker.answer import Confirmed, Task, Unconfirmed, confirm
from rhscheck.checker.established import established
from rhscheck.checker.exploration import Exploration
from rhscheck.checker.model import Model
from rhscheck.checker.project import Projection
from rhscheck.checker.realise import instance_maps
from rhscheck.checker.recheck import Copy
from rhscheck.checker.smt.script import Script
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import RefType, Rule

CONCRETE = (1, 2)  # numbers of instances at which every proof is re-checked as well
LOCALLY = "of one instance plus environment"


@dataclass(frozen=True, slots=True)
class Proof:
    """`exploration` of `projection` (of a System's abstraction) does not reach some goals.

    `rules`: those whose goals they are; none where the goals are no rule's.
    """

    rules: tuple[Rule, ...]
    projection: Projection
    exploration: Exploration

    def copy(self, slots: Sequence[int], clocks: Sequence[int]) -> Copy:
        """The invariant; slot `k` of the abstraction is at `slots[k]`, clock `k` at `clocks[k]`."""
        invariant = self.exploration.invariant()
        return Copy(
            invariant,
            tuple(slots[at] for at in self.projection.kept),
            tuple(clocks[at] for at in invariant.tracked),
        )


@dataclass(frozen=True, slots=True)
class Rechecked:
    """Z3 agrees with the proofs in the abstraction, and for these `numbers` of instances, too.

    `notes`: why not for others that were tried.
    """

    rlimit: int
    numbers: tuple[int, ...]
    notes: tuple[str, ...]


def recheck_locally(
    task: Task, whole: Ground, proofs: Sequence[Proof], goals: Mapping[str, Expr]
) -> Confirmed | Unconfirmed:
    """Whether `proofs` together exclude all of `goals` in the abstraction `whole`.

    Raises ProofMismatch if Z3 refutes that.
    """
    slots, clocks = range(len(whole.slots)), range(len(whole.clocks))
    copies = [proof.copy(slots, clocks) for proof in proofs]
    keep = task.established is not None
    return confirm(LOCALLY, whole, copies, goals, task.budget, scripts=keep)


def recheck_rules(task: Task, model: Model, proofs: Sequence[Proof]) -> Rechecked | Unconfirmed:
    """Whether `proofs` together prove all their rules, in the abstraction of `model`.

    Raises ProofMismatch if Z3 refutes that, there or for a concrete number of instances.
    """
    whole = model.local
    goals = {rule.id: model.local_formula(rule.id) for proof in proofs for rule in proof.rules}
    what = named([rule for proof in proofs for rule in proof.rules])
    task.say(f"re-checking {what}")
    checked = recheck_locally(task, whole, proofs, goals)
    if not isinstance(checked, Confirmed):
        return checked
    rlimit = checked.rlimit
    numbers: list[int] = []
    notes: list[str] = []
    keep = task.established is not None
    identical = tuple(range(len(whole.slots)))
    instances: list[tuple[int, tuple[Script, ...]]] = []
    for n in _concrete(task):
        at = model.ground(n)
        slots, clocks = next(instance_maps(whole, at, range(len(whole.clocks))))
        if not task.thorough and not keep and slots == identical and contained(at, whole):
            numbers.append(n)
            continue
        task.say(f"re-checking {what}, N={n}")
        copies = [proof.copy(slots, clocks) for proof in proofs]
        where = f"of instance 1 for N={n}"
        concrete = confirm(where, at, copies, goals, task.budget, scripts=keep)
        rlimit += concrete.rlimit
        if isinstance(concrete, Confirmed):
            numbers.append(n)
            instances = [(n, concrete.scripts)]  # the most instances say the most
        else:
            notes.append(concrete.reason)
    if task.established is not None:
        own, running = range(len(whole.slots)), range(len(whole.clocks))
        task.established.append(
            established(
                model.rules,
                None,
                whole,
                ((proof.rules, proof.copy(own, running)) for proof in proofs),
                checked.scripts,
                families=task.system.parametric,
                instances=instances,
            )
        )
    return Rechecked(rlimit, tuple(numbers), tuple(notes))


def contained(part: Ground, whole: Ground) -> bool:
    """Whether all states and steps of `part` are, as they are written, those of `whole`.

    Then every question of a re-check of `part` is one of `whole` with less in it: the same initial
    states, some of its transitions, delays under at least its deadlines. What Z3 denies of the
    larger it has denied of the smaller (docs/adr/0009-contained-questions.md). Equal by the
    expressions, not by an argument: nothing is said about how `whole` was made.
    """
    steps = {(step.guard, step.updates, step.resets) for step in whole.transitions}
    bounds = {(due.active, due.clock, due.bound, due.strict) for due in part.deadlines}
    return (
        part.slots == whole.slots
        and part.clocks == whole.clocks
        and part.initially == whole.initially
        and all((step.guard, step.updates, step.resets) in steps for step in part.transitions)
        and all((due.active, due.clock, due.bound, due.strict) in bounds for due in whole.deadlines)
    )


def _concrete(task: Task) -> tuple[int, ...]:
    """The numbers of instances to re-check an invariant at."""
    if task.n is not None:
        return (task.n,)
    return CONCRETE if task.system.parametric else ()


def skeleton(whole: Ground) -> set[int]:
    """The slots nearly every question needs: where the machines are, and who refers to whom."""
    return {
        at
        for at, slot in enumerate(whole.slots)
        if slot.variable.role == "location" or isinstance(slot.variable.type, RefType)
    }


def named(rules: Sequence[Rule]) -> str:
    """What to call a group of rules in a line of progress."""
    return rules[0].id if len(rules) == 1 else f"{len(rules)} rules"
