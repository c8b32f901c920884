"""A Ground as formulas in which time is told by dates: when each clock was 0, and what time it is.

Owns another way to write real time; `checker.smt.encode` has all the rest. A state holds the
present moment and, for each tracked clock, the moment when it was 0 (anything where it does not
run); what a running clock shows is the difference. So a clock that runs on is the same number in
the next state, where a clock that counts is a new one after every delay, and every constraint is
about two moments. Time begins at no particular moment: only differences mean anything.

Exact in the tracked clocks. With many of them, and searched backwards (`checker.backwards`), it
takes half the time of clocks that count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

import z3

from rhscheck.checker.smt import atoms
from rhscheck.checker.smt.atoms import Atom
from rhscheck.checker.smt.circuits import Bit
from rhscheck.checker.smt.clocks import Dense
from rhscheck.checker.smt.encode import ClockTerm, ClockTerms, Encoding
from rhscheck.checker.smt.solve import Formula, Model
from rhscheck.spec.expr import ClockCmp, Comparison, Expr
from rhscheck.spec.ground import Ground


class DatedEncoding(Encoding):
    """`Encoding` with time "real", in dates; the clocks `tracked` (one at least) are exact.

    Clock terms of `now` and `then` mean something where the clock runs, those of `late` everywhere.
    """

    def __init__(
        self, ground: Ground, properties: Mapping[str, Expr], tracked: Iterable[int]
    ) -> None:
        super().__init__(ground, properties, "real", tracked=tracked)
        self.logic = "QF_RDL"

    def possible(self) -> Formula:
        """What holds in every state by construction: values in range."""
        return self.gates.formula(self._layout.possible(self.gates, self.now.values))

    def after_delay(self, formula: Formula) -> Formula:
        """Not to be had: a clock that stands still would have to begin anew."""
        raise NotImplementedError("states in dates are not delayed")

    def same_state(self, one: int, other: int) -> Formula:
        """Not to be had: the same state at another moment has other numbers."""
        raise NotImplementedError("states in dates are not compared")

    def delay_in(self, model: Model, time: int) -> Fraction:
        """The delay after `time` steps, in the System's unit."""
        before, after = self._copy(self._moment, time), self._copy(self._moment, time + 1)
        return model.number(after) - model.number(before)

    # ---- hooks of `Encoding` ---------------------------------------------------------------------
    def _time_terms(self) -> tuple[ClockTerms, ClockTerms, ClockTerm | None]:
        context = self.context
        # The present moment, and that of the next state, when the delay is over.
        self._moment, self._until = z3.Real("moment", context), z3.Real("next moment", context)
        self._began: dict[int, tuple[z3.ArithRef, z3.ArithRef]] = {}
        for at in sorted(self.tracked):
            slot = self.ground.clocks[at]
            name = f"began.{slot.name}.{slot.index or 0}"
            self._began[at] = (z3.Real(name, context), z3.Real(f"next {name}", context))
        places = range(len(self.ground.clocks))
        now, then = (
            tuple(moment - self._began[at][which] if at in self._began else None for at in places)
            for which, moment in enumerate((self._moment, self._until))
        )
        return now, then, self._until - self._moment

    def _later(self, at: int) -> ClockTerm | None:
        if at not in self._began:
            return None
        return self._shown(at, self._until)

    def _shown(self, at: int, moment: z3.ArithRef) -> z3.ArithRef:
        """What clock `at` shows at `moment`, in `now`; 0 if it does not run."""
        running = self.gates.formula(self._running[at])
        return z3.If(running, moment - self._began[at][0], z3.RealVal(0, self.context))

    def _compared(self, atom: Atom, clocks: ClockTerms) -> Bit:
        places = atoms.positions(atom, self.ground)
        if not self._began.keys() >= set(places):
            return super()._compared(atom, clocks)
        moment = self._until if clocks is self.late else self._moment
        if isinstance(atom, ClockCmp):
            return self._bound(places[0], moment, atom.op, atom.bound)
        shown = list(self.late)
        for at in places:
            shown[at] = self._shown(at, moment)
        return super()._compared(atom, tuple(shown))

    def _late_bound(self, at: int, late: ClockTerm, op: Comparison, bound: int) -> Bit:
        return self._bound(at, self._until, op, bound)

    def _bound(self, at: int, moment: z3.ArithRef, op: Comparison, bound: int) -> Bit:
        # Two cases rather than a number that is one of two: so all that is left are differences.
        gates, runs = self.gates, self._running[at]
        assert isinstance(self._clocks, Dense)
        shown = self._clocks.compare(at, moment - self._began[at][0], op, bound)
        zero = {"<": bound > 0, "<=": bound >= 0, ">": bound < 0, ">=": bound <= 0}[op]
        return gates.conj((gates.implies(runs, shown), gates.disj((runs, zero))))

    def _carried(
        self, place: int, kept: Bit, running: Bit, late: ClockTerm, variable: ClockTerm
    ) -> Bit:
        gates = self.gates
        before, after = self._began[place]
        begins = gates.conj((running, gates.negate(kept)))
        return gates.conj(
            (gates.implies(kept, after == before), gates.implies(begins, after == self._until))
        )

    def _time_variables(self) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
        return [(self._moment, self._until), *self._began.values()]

    def _delay_variable(self) -> list[z3.ExprRef]:
        return []  # the moments of two states after each other say it
