"""A System with some of its rules woven in, and everything that is made from that only once.

Owns the caching: grounding, compiling and abstracting cost more than many questions asked of the
result. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from rhscheck.checker.local import Dependence, Goal, LocalAbstraction, abstract, local_goal
from rhscheck.spec.compiled import Compiled, compile_ground
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.rules import weave
from rhscheck.spec.system import Assumption, Rule, System


class Model:
    """`rules` woven into `system`, under `assumptions`.

    `bad` holds, for each rule id that has one, the closed state formula to be reached (a violation,
    or for `can` the permission), `unwoven` for each other the reason why it has none.
    """

    def __init__(
        self, system: System, rules: Sequence[Rule], assumptions: Sequence[Assumption]
    ) -> None:
        woven = weave(system, rules, assumptions)
        self.rules = tuple(rules)
        self.system = woven.system
        self.bad = woven.bad
        self.unwoven = woven.unwoven
        self._grounds: dict[int, Ground] = {}
        self._compiled: dict[int, Compiled] = {}
        self._abstraction: LocalAbstraction | Dependence | None = None
        self._local: tuple[Ground, Compiled] | None = None
        self._goals: dict[str, Goal] = {}

    def ground(self, n: int) -> Ground:
        """The woven System with `n` instances."""
        if n not in self._grounds:
            self._grounds[n] = ground(self.system, n)
        return self._grounds[n]

    def compiled(self, n: int) -> Compiled:
        """`ground(n)`, compiled."""
        if n not in self._compiled:
            self._compiled[n] = compile_ground(self.ground(n))
        return self._compiled[n]

    def formula(self, rule: str, n: int) -> Expr:
        """What is to be reached for `rule`, over `ground(n)`."""
        return self.ground(n).expand(self.bad[rule], {})

    @property
    def abstraction(self) -> LocalAbstraction | Dependence:
        """One instance plus environment, or why there is no such thing."""
        if self._abstraction is None:
            self._abstraction = abstract(self.system)
        return self._abstraction

    @property
    def independent(self) -> LocalAbstraction:
        """The abstraction. Raises ValueError where there is none."""
        made = self.abstraction
        if isinstance(made, Dependence):
            raise ValueError("instances depend on each other")
        return made

    def _prepared(self) -> tuple[Ground, Compiled]:
        if self._local is None:
            local = ground(self.independent.system, 1)
            self._local = (local, compile_ground(local))
        return self._local

    @property
    def local(self) -> Ground:
        """The abstraction, ground."""
        return self._prepared()[0]

    @property
    def local_compiled(self) -> Compiled:
        """The abstraction, compiled."""
        return self._prepared()[1]

    def local_formula(self, rule: str) -> Expr:
        """What the abstraction is to reach for `rule`, over `local`."""
        return self.local.expand(self.local_goal(rule).formula, {})

    def local_goal(self, rule: str) -> Goal:
        """The goal of `rule` as one instance sees it."""
        if rule not in self._goals:
            self._goals[rule] = local_goal(self.independent, self.bad[rule])
        return self._goals[rule]
