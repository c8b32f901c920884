"""What the untimed exploration of a Model shows, for who looks for what can and cannot happen.

Owns the choice between one instance plus environment, whose sentences hold for every N, and a fixed
number of instances, and the runs that bear a sentence out. Knows no findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rhscheck.checker.answer import Task
from rhscheck.checker.explore import Exploration, explore
from rhscheck.checker.local import Dependence, local_goal
from rhscheck.checker.model import Model
from rhscheck.checker.realise import concrete_run, evidence
from rhscheck.checker.schedule import Reached, refine, schedule
from rhscheck.checker.verdict import Evidence
from rhscheck.spec.compiled import Compiled
from rhscheck.spec.expr import TRUE, Exists, Expr
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.semantics import Run
from rhscheck.spec.system import Rule


@dataclass(frozen=True, slots=True)
class View:
    """An untimed exploration of a Model: of one instance plus environment, or of `n` instances."""

    model: Model
    n: int | None  # None: for every number
    compiled: Compiled
    exploration: Exploration

    @staticmethod
    def of(task: Task, model: Model, n: int) -> View | None:
        """None if the budget or the limit does not allow it."""
        local = not isinstance(model.abstraction, Dependence)
        compiled = model.local_compiled if local else model.compiled(n)
        seen = explore(
            compiled.ground, {}, limit=task.limit, cancelled=task.budget.over, compiled=compiled
        )
        return View(model, None if local else n, compiled, seen) if seen.complete else None

    @property
    def ground(self) -> Ground:
        """What was explored: transitions by their numbers."""
        return self.compiled.ground

    @property
    def scope(self) -> str:
        """How far a sentence about what cannot happen holds."""
        return "for every N" if self.n is None else f"for N={self.n}"

    def own(self) -> Iterator[tuple[int, GroundTransition]]:
        """The transitions that are not copies for other instances."""
        others = self.model.independent.environment if self.n is None else frozenset()
        for at, transition in enumerate(self.ground.transitions):
            if transition.template.key not in others:
                yield at, transition

    def somewhere(self, rule: Rule, formula: Expr) -> Expr:
        """A state formula of a rule, for some choice of the instances it speaks of, ground."""
        for param in reversed(rule.params):
            formula = Exists(param.name, param.family, formula)
        if self.n is None:
            formula = local_goal(self.model.independent, formula).formula
        return self.ground.expand(formula, {})

    def reached(self, task: Task, goals: Mapping[str, Expr]) -> Exploration:
        """The untimed exploration again, for `goals`."""
        return explore(
            self.ground,
            goals,
            limit=task.limit,
            cancelled=task.budget.over,
            compiled=self.compiled,
        )

    def witness(
        self, task: Task, goal: Expr, more: tuple[int, ...] = (), final: Expr = TRUE
    ) -> Evidence | None:
        """A run to `goal`, then the steps at `more`, to `final`; None if none was found."""
        outcome = refine(
            self.ground,
            {"goal": goal},
            limit=task.limit,
            cancelled=task.budget.over,
            compiled=self.compiled,
        )["goal"]
        if not isinstance(outcome, Reached):
            return None
        positions = (*outcome.positions, *more)
        initial = outcome.run.initial.values
        if self.n is None:
            run = concrete_run(self.model, initial, positions, 1, final)
        else:
            try:
                timed = schedule(self.ground, initial, positions, final, compiled=self.compiled)
            except ValueError:  # `final` does not hold there, whatever the timing
                return None
            run = timed if isinstance(timed, Run) else None
        if run is None:
            return None
        n = self.n or 1
        return evidence(task.plain(n), self.model.ground(n), run, final)
