"""What the arguments of a verification share: the task, and the answers they give about one rule.

Owns the common data of `checker.every_n` and `checker.fixed`, and the rule that no proof
counts before its invariant was re-checked. Knows neither argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rhscheck.checker.budget import Budget
from rhscheck.checker.established import Established
from rhscheck.checker.independence import Reason
from rhscheck.checker.model import Model
from rhscheck.checker.recheck import Copy, recheck
from rhscheck.checker.schedule import Reached
from rhscheck.checker.smt.script import Script
from rhscheck.checker.verdict import EngineName, Verdict
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.system import Assumption, Rule, System

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict on one rule, and how it came about."""

    verdict: Verdict
    engine: EngineName
    rlimit: int = 0
    notes: tuple[str, ...] = ()


Heard = Callable[[Rule, Answer], None]


def unheard(_rule: Rule, _answer: Answer) -> None:
    """Nobody waits for single answers."""


@dataclass(frozen=True, slots=True)
class Open:
    """The argument does not decide the rule; `notes` say why.

    `at_least`: the discrete steps that any run to the goal has, for any number of instances.
    """

    notes: tuple[str, ...]
    at_least: int = 0


class ProofMismatch(Exception):  # noqa: N818 - it is a bug in rhscheck, no error of the user
    """Z3 refutes an invariant that an engine found; `failed` are the queries."""

    def __init__(self, where: str, failed: Sequence[str]) -> None:
        super().__init__(f"the invariant found {where} does not hold: {'; '.join(failed)}")
        self.where = where
        self.failed = tuple(failed)


@dataclass(frozen=True, slots=True)
class TimeCheck:
    """Whether time may stop. `reason` None: proved that it cannot.

    `reached`: goals that a run reaches, with the formula and the run.
    """

    reason: str | None
    reached: tuple[tuple[str, Expr, Reached], ...] = ()


@dataclass(frozen=True, slots=True)
class LeastSteps:
    """No run of fewer than `steps` discrete steps reaches the goal, for any number of instances.

    `reached`: one instance plus environment has a run of just so many.
    """

    steps: int
    reached: bool


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be verified, and the means.

    `rules` are the safety rules and permissions asked for. `n`: the one number of instances asked
    for, None for all. `limit`: the most nodes of one exploration. `depth`: of bounded checking.
    `established` collects what was proved, for a certificate; None where nobody wants one.
    `answered` is told each answer as soon as it is there. `thorough`: ask Z3 also what is contained
    in a question it has answered (`checker.proofs`). `times`: what was found out about time that
    stops, by number of instances (None: for every one), see `checker.local_time`. `least`:
    by rule id how many steps it takes to the goal, for any number of instances, as far as bounded
    checking of one instance says, see `checker.least_steps`.
    """

    system: System
    rules: tuple[Rule, ...]
    assumptions: tuple[Assumption, ...]
    n: int | None
    depth: int
    limit: int
    budget: Budget
    say: Say
    established: list[Established] | None = None
    answered: Heard = unheard
    thorough: bool = False
    times: dict[int | None, TimeCheck] = field(default_factory=dict)
    least: dict[str, LeastSteps] = field(default_factory=dict)
    _models: dict[tuple[str, ...], Model] = field(default_factory=dict)
    _plain: dict[int, Ground] = field(default_factory=dict)

    def weave(self, rules: Sequence[Rule]) -> Model:
        """The System with `rules` woven in, made once."""
        key = tuple(rule.id for rule in rules)
        if key not in self._models:
            # The assumptions are built in first, whatever the rules: once is enough.
            self._models[key] = (
                Model(self.weave([]).system, rules, ())
                if rules
                else Model(self.system, (), self.assumptions)
            )
        return self._models[key]

    def plain(self, n: int) -> Ground:
        """The System itself with `n` instances, made once."""
        if n not in self._plain:
            self._plain[n] = ground(self.system, n)
        return self._plain[n]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Z3 agrees that the invariant is inductive and excludes the goals; `scripts` if asked for."""

    rlimit: int
    scripts: tuple[Script, ...] = ()


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """Z3 did not finish; `reason` says why."""

    reason: str
    rlimit: int


def confirm(
    where: str,
    ground: Ground,
    copies: Sequence[Copy],
    bad: Mapping[str, Expr],
    budget: Budget,
    *,
    scripts: bool = False,
) -> Confirmed | Unconfirmed:
    """Re-check an invariant (`copies` of it) of `ground` with a fresh solver.

    `where` names the System for messages; `scripts`: keep the questions as SMT-LIB scripts. Raises
    ProofMismatch if Z3 refutes it.
    """
    result = recheck(ground, copies, bad, budget.left(), scripts=scripts)
    if result.failed:
        raise ProofMismatch(where, result.failed)
    if not result.proved:
        query, reason = result.undecided[0]
        return Unconfirmed(
            f"the invariant {where} was not re-checked ({query}): {reason}", result.rlimit
        )
    return Confirmed(result.rlimit, result.scripts)


def located(reason: Reason) -> str:
    """A reason with its line, where it has one."""
    return f"line {reason.span.line}: {reason.sentence}" if reason.span.line else reason.sentence
