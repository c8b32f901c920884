"""How many steps a run to a bad state takes at least, for any number of instances.

Owns bounded checking of one instance plus environment (`checker.local`). Every run of `C(N)` to a
goal is, seen by the instance that it is about, a run of the abstraction of at most as many steps;
and that, with variables and clocks left out (`checker.project`), one of the projection. So a length
that no run of the projection has, from nought on without a gap, no run of any `C(N)` has. Nothing
is shown to anybody, and nothing proved: a run is looked for in `C(N)` itself, from there on.

As in `checker.narrow` as few variables and clocks are kept as it takes, but Z3 is asked, length by
length. Uses no enumeration: what `local` and `zones` say, and this,
are two opinions.
"""

from __future__ import annotations

from collections.abc import Sequence

from rhscheck.checker.answer import LeastSteps, Task
from rhscheck.checker.backwards import Backwards
from rhscheck.checker.bmc import Search, exact_time
from rhscheck.checker.independence import rule_dependence
from rhscheck.checker.local import Dependence
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import cone, grown, walk
from rhscheck.checker.project import Projection, TooManyOutcomes, project
from rhscheck.checker.proofs import skeleton
from rhscheck.checker.smt.dates import DatedEncoding
from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.solve import Deadline, Unknown
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.expr import Expr
from rhscheck.spec.semantics import Run
from rhscheck.spec.system import Early, Rule

_FEW_CLOCKS = 3  # whole units are quicker up to so many, dates beyond (docs/measurements.md)


def least_steps(task: Task, rules: Sequence[Rule]) -> dict[str, LeastSteps]:
    """For each of `rules`, by id, how many steps it takes at least to its goal, in any `C(N)`.

    Looks as deep as the task says, so at most one more than that. A rule without entry: nothing is
    known, because the number of instances is fixed, instances depend on each other, or the time is
    used up.
    """
    base = task.weave([])
    if not task.system.parametric or isinstance(base.abstraction, Dependence):
        return {}
    local = [rule for rule in rules if rule_dependence(base.system, rule) is None]
    found: dict[str, LeastSteps] = {}
    _together(task, [rule for rule in local if not isinstance(rule.obligation, Early)], found)
    for rule in local:
        # Rules about too-early events split the transitions of all that are woven with them, by
        # clocks; each of them alone takes a tenth of the time.
        if isinstance(rule.obligation, Early):
            _together(task, [rule], found)
    return found


def _together(task: Task, rules: Sequence[Rule], found: dict[str, LeastSteps]) -> None:
    """Add to `found` what is known of `rules`, woven into one System, or each into its own."""
    if not rules or task.budget.over():
        return
    model = task.weave(rules)
    if isinstance(model.abstraction, Dependence):
        if len(rules) > 1:
            for rule in rules:
                _together(task, [rule], found)
        return
    for rule in rules:
        if rule.id in model.bad and not task.budget.over():
            task.say(f"{rule.id}: bounded checking, one instance plus environment")
            found[rule.id] = _Lengths(task, model, rule).least()


class _Lengths:
    """The lengths that one rule is out of reach of."""

    def __init__(self, task: Task, model: Model, rule: Rule) -> None:
        self._task = task
        self._rule = rule
        self._whole = model.local
        self._compiled = model.local_compiled
        self._goal = model.local_formula(rule.id)
        slots, clocks = cone(self._whole, self._goal)
        self._kept = slots | skeleton(self._whole)
        self._exact = clocks
        self._deadline = Deadline(task.budget.left())

    def least(self) -> LeastSteps:
        """The first length, one beyond the task's depth at most, that is not excluded."""
        part: _Part | None = None
        length = 0
        while length <= self._task.depth and not self._task.budget.over():
            if part is None:
                part = self._made()
            path = part.reaching(length)
            if path is None:
                length += 1
            elif isinstance(path, Unknown):
                break
            elif self._refined(part.projection, *path):
                part = None
            else:
                return LeastSteps(length, True)
        return LeastSteps(length, False)

    def _made(self) -> _Part:
        while True:
            try:
                projection = project(self._whole, self._kept, self._exact)
            except TooManyOutcomes as error:
                self._kept |= error.slots
                continue
            return _Part(projection, self._exact, self._goal, self._task.depth, self._deadline)

    def _refined(
        self, projection: Projection, initial: tuple[int, ...], path: Sequence[int]
    ) -> bool:
        """Whether the path is none of the abstraction; then what it takes to see that is kept."""
        smaller = compile_ground(projection.ground)
        outcome = walk(self._whole, self._compiled, projection, smaller, initial, path, self._goal)
        if isinstance(outcome, Run):
            return False
        self._kept, self._exact = grown(projection, path, self._kept, self._exact, outcome)
        return True


class _Part:
    """An unrolling of a projection, searched forwards or backwards."""

    def __init__(
        self,
        projection: Projection,
        exact: frozenset[int],
        goal: Expr,
        depth: int,
        deadline: Deadline,
    ) -> None:
        self.projection = projection
        ground, goals = projection.ground, {"goal": goal}
        self._search: Search | Backwards
        if len(exact) > _FEW_CLOCKS:
            self._search = Backwards(DatedEncoding(ground, goals, exact), goal, deadline)
        else:
            time = exact_time(ground, goals) if exact else "untimed"
            encoding = Encoding(ground, goals, time, depth=depth, tracked=exact)
            self._search = Search(encoding, goals, deadline, ())

    def reaching(self, length: int) -> tuple[tuple[int, ...], tuple[int, ...]] | Unknown | None:
        """Initial values and path of a run of `length` steps to the goal; None if there is none.

        To be asked once it is known that no shorter run exists.
        """
        self._search.extend_to(length)
        return self._search.some()
