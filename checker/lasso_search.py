"""Runs that never end, by bounded search: fewest steps first.

Owns the question for the solver: a run of so many steps, of which the last ones lead back to a
state that was there before (or after which nothing happens any more), in which something stays
unanswered and every debt of fairness is met (Biere, Artho and Schuppan, "Liveness checking as
safety checking", 2002). What the solver says is a candidate: `checker.lasso` gives it times and
goes round it by `spec.semantics`; one that is no run is excluded, and the next one looked at.

Canonical: fewest steps, the loop counted once; a run that comes to rest before a loop; then the
longest loop; then the least positions in `Ground.transitions`, step by step; then the first initial
values.

*Nothing shorter.* Where no clock is compared with anything and nothing is urgent, every candidate
is a run, and a length without candidates has none. Else a loop may need other times than those
looked for, and nothing is said about shorter ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rhscheck.checker.bmc import Least
from rhscheck.checker.fairness import Debt
from rhscheck.checker.lasso import Lasso, check, timed
from rhscheck.checker.smt.atoms import closedness, constants
from rhscheck.checker.smt.encode import Encoding, TimeEncoding
from rhscheck.checker.smt.solve import Deadline, Formula, Sat, Solver, Unknown, Unsat
from rhscheck.spec.compiled import Compiled
from rhscheck.spec.expr import conj, neg
from rhscheck.spec.ground import Ground

_MOST_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class FoundLasso:
    """`lasso` was gone round. `shortest`: no run that never ends has fewer steps."""

    lasso: Lasso
    shortest: bool


@dataclass(frozen=True, slots=True)
class NoneFound:
    """Nothing was found in up to `depth` steps, which proves nothing; `reason`: why not further."""

    depth: int
    reason: str


def exact(ground: Ground) -> bool:
    """Whether a length without candidates has no run that never ends."""
    return not ground.deadlines and not constants(ground)


def search_lasso(
    ground: Ground,
    compiled: Compiled,
    turn: int,
    fair: Sequence[Debt],
    depth: int,
    *,
    timeout_s: float | None = None,
    on_depth: Callable[[int], None] = lambda depth: None,
) -> FoundLasso | NoneFound:
    """A fair run of at most `depth` steps (the loop counted once) in which slot `turn` keeps a
    value that is not 0 for ever.

    `compiled`: of `ground`. `on_depth` is told each depth at which nothing was found.
    """
    time: TimeEncoding = "digital" if closedness(ground) is None else "grid"
    search = _Search(Encoding(ground, {}, time, depth=depth), turn, fair, Deadline(timeout_s))
    candidates = 0
    for length in range(depth + 1):
        search.extend()
        while True:
            found = search.candidate()
            if found is None:
                break
            if isinstance(found, Unknown):
                return NoneFound(length - 1, found.reason)
            lasso = timed(
                ground, found.values, found.path[: found.loop], found.path[found.loop :], compiled
            )
            if isinstance(lasso, Lasso) and check(ground, lasso, fair, turn) is None:
                return FoundLasso(lasso, exact(ground))
            candidates += 1
            if candidates == _MOST_CANDIDATES:
                return NoneFound(length - 1, f"{candidates} candidates are no runs")
            search.exclude(found)
        on_depth(length)
    return NoneFound(depth, "")


@dataclass(frozen=True, slots=True)
class _Candidate:
    values: tuple[int, ...]
    path: tuple[int, ...]
    loop: int
    literal: Formula


class _Search:
    """One unrolling, and the candidates of its present length."""

    def __init__(
        self, encoding: Encoding, turn: int, fair: Sequence[Debt], deadline: Deadline
    ) -> None:
        gates = encoding.gates
        self._encoding = encoding
        self._deadline = deadline
        self._solver = Solver(encoding.context, encoding.logic)
        self._fair = tuple(fair)
        now, then = encoding.now.values[turn], encoding.then.values[turn]
        self._open = gates.formula(gates.negate(gates.equals(now, 0)))
        self._stays = gates.formula(gates.same(now, then))
        self._unowed = [encoding.holds(neg(debt.owed)) for debt in self._fair]
        self._pays = [
            gates.formula(gates.disj([encoding.selectors[at] for at in sorted(debt.paid)]))
            for debt in self._fair
        ]
        active = conj(neg(deadline.active) for deadline in encoding.ground.deadlines)
        self._restful = encoding.holds(active)
        self._passes = encoding.negation(encoding.no_delay())
        self._legal, self._step = encoding.delay_legal(), encoding.step()
        self._length = -1
        self._literals: list[tuple[int, Formula]] = []

    def extend(self) -> None:
        """One more step."""
        self._length += 1
        at, solver = self._encoding.at, self._solver
        if self._length == 0:
            solver.add(at(self._encoding.initial(), 0))
        else:
            solver.add(at(self._step, self._length - 1))
        solver.add(at(self._legal, self._length))
        self._literals = []
        for loop in (self._length, *range(self._length)):
            literal = self._encoding.fresh()
            parts = self._rest() if loop == self._length else self._loop(loop)
            solver.add(self._encoding.implies(literal, *parts))
            self._literals.append((loop, literal))

    def _rest(self) -> list[Formula]:
        at, end = self._encoding.at, self._length
        parts = [at(self._open, end), at(self._restful, end)]
        return parts + [at(unowed, end) for unowed in self._unowed]

    def _loop(self, begin: int) -> list[Formula]:
        encoding = self._encoding
        at, around = encoding.at, range(begin, self._length)
        parts = [at(self._open, begin), encoding.same_state(begin, self._length)]
        parts += [at(self._stays, time) for time in around]
        if encoding.delay is not None:
            parts.append(self._any([at(self._passes, time) for time in around]))
        for debt, unowed, pays in zip(self._fair, self._unowed, self._pays, strict=True):
            paid = [at(pays, time) for time in around]
            free = [at(unowed, time) for time in around]
            if debt.strong:
                gates = encoding.gates
                parts.append(self._any([*paid, gates.formula(gates.conj(free))]))
            else:
                parts.append(self._any([*paid, *free]))
        return parts

    def _any(self, formulas: Sequence[Formula]) -> Formula:
        gates = self._encoding.gates
        return gates.formula(gates.disj(formulas))

    def candidate(self) -> _Candidate | Unknown | None:
        """The canonical one of the present length that is not excluded."""
        encoding = self._encoding
        some = encoding.fresh()
        self._solver.add(encoding.implies_any(some, [literal for _, literal in self._literals]))
        match self._solver.check([some], self._deadline):
            case Unsat():
                return None
            case Unknown() as unknown:
                return unknown
            case Sat():
                pass
        least = Least(encoding, self._solver, [some], self._deadline)
        chosen: tuple[int, Formula] | None = None
        for loop, literal in self._literals:
            if least.prefer(literal):
                chosen = loop, literal
                break
        for time in range(self._length):
            for bit in encoding.pick_at(time):
                least.prefer(encoding.negation(bit))
        for slot, choices in enumerate(encoding.initial_choices()):
            for value in choices[:-1]:
                if least.prefer(encoding.at(encoding.value_is(slot, value), 0)):
                    break
        model = least.model
        if isinstance(model, Unknown):
            return model
        if chosen is None:
            raise AssertionError("a candidate that neither rests nor goes round")
        return _Candidate(
            encoding.values_in(model, 0),
            tuple(encoding.step_in(model, time) for time in range(self._length)),
            *chosen,
        )

    def exclude(self, candidate: _Candidate) -> None:
        """Never this one again."""
        encoding = self._encoding
        same = [candidate.literal]
        same += [
            encoding.selectors_at(time)[position] for time, position in enumerate(candidate.path)
        ]
        same += [
            encoding.at(encoding.value_is(slot, value), 0)
            for slot, value in enumerate(candidate.values)
        ]
        self._solver.add(encoding.outside(same))
