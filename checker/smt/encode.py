"""A `Ground` as formulas: one state, one delay, one discrete step, and their unrolling.

Owns what the solver is told about a System, and nothing of what it is asked: `checker.bmc` and
`checker.recheck` combine these formulas. The meaning is `spec.semantics`; every run that comes out
of a model is replayed there.

A step is written over two states: one selector Boolean a transition, which implies its guard and
the new values of what it writes; a variable that changes implies one of the selectors that write
it; exactly one selector holds, numbered in bits so that the least step can be searched for. Guards
and violations are judged on *late* clocks: those of the state plus the delay before the step.

Clocks. Only `tracked` clocks are exact. A comparison with any other holds in both signs and its
deadlines are dropped, which only adds behaviour: sound for proofs, never for counterexamples.
Inactive clocks are 0. Grids:
- one tick a unit, where everything is closed (`atoms.closedness`);
- else 1/(depth+2) of a unit: the times of a run of `depth` steps are a solution of difference
  constraints over depth+2 points, and a cycle of those has at most as many strict ones; each costs
  one tick, and slack of a whole unit pays for all: the grid has a solution iff the reals do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, assert_never

import z3

from rhscheck.checker.smt import atoms
from rhscheck.checker.smt.atoms import Atom
from rhscheck.checker.smt.circuits import Bit, Gates, Number
from rhscheck.checker.smt.clocks import Dense, Grid, grid
from rhscheck.checker.smt.solve import Context, Formula, Logic, Model
from rhscheck.checker.smt.values import Layout, Reader, slot_ranges
from rhscheck.spec.expr import ClockCmp, ClockDiff, Comparison, Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import IntType

# digital: whole units, refused where constraints are not closed. grid: parts of a unit, always
# exact up to the depth. real: real numbers. untimed: no clock is tracked.
TimeEncoding = Literal["digital", "grid", "real", "untimed"]
ClockTerm = z3.BitVecRef | z3.ArithRef
ClockTerms = tuple[ClockTerm | None, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The solver's variables for one state; a clock that is not tracked has none."""

    values: tuple[Number, ...]
    clocks: ClockTerms


class Encoding:
    """The formulas of `ground` over a state `now`, a delay, and the state `then` after a step.

    `properties` are ground state formulas. `depth` bounds how many steps will be unrolled. Raises
    ValueError where the time encoding is not exact for this System, with the reason.
    """

    def __init__(
        self,
        ground: Ground,
        properties: Mapping[str, Expr],
        time: TimeEncoding,
        *,
        depth: int = 1,
        tracked: Iterable[int] | None = None,
        divide: bool = True,
    ) -> None:
        self.ground = ground
        self.context = Context()
        self.gates = Gates(self.context)
        self._layout = Layout(slot_ranges(ground))
        self._fresh = 0
        self._free: list[z3.BoolRef] = []
        self._replacements: dict[tuple[int, int], tuple[Sequence[Any], Sequence[Any]]] = {}
        self._moves: dict[int, list[tuple[z3.ExprRef, z3.ExprRef]]] = {}
        constants = atoms.constants(ground, properties.values())
        self.tracked = self._tracked(time, tracked, constants)
        self._clocks, self.tick = self._time(time, properties, constants, depth, divide)
        self.logic: Logic = "QF_LRA" if isinstance(self._clocks, Dense) else "QF_FD"

        written = {at for transition in ground.transitions for at, _ in transition.updates}
        now = self._layout.variables(self.gates, ground, "")
        later = self._layout.variables(self.gates, ground, "next ")
        # What no step writes is the same variable in every state.
        then = tuple(later[at] if at in written else number for at, number in enumerate(now))
        now_clocks, then_clocks, self.delay = self._time_terms()
        self.now = Frame(now, now_clocks)
        self.then = Frame(then, then_clocks)
        self.pick = tuple(
            z3.Bool(f"pick.{bit}", self.context)
            for bit in range(max(0, len(ground.transitions) - 1).bit_length())
        )
        self.selectors = tuple(
            z3.Bool(f"step.{at}", self.context) for at in range(len(ground.transitions))
        )
        self._reader = Reader(self.gates, ground, now, self._early_atom)
        self._running = tuple(
            self._discrete(clock.active, self._reader) if at in self.tracked else False
            for at, clock in enumerate(ground.clocks)
        )
        self.late = tuple(self._later(at) for at in range(len(ground.clocks)))
        self._late_reader = Reader(self.gates, ground, now, self._late_atom)

    # ---- clocks ------------------------------------------------------------------------------
    def _tracked(
        self,
        time: TimeEncoding,
        tracked: Iterable[int] | None,
        constants: list[tuple[tuple[int, ...], int]],
    ) -> frozenset[int]:
        if time == "untimed":
            return frozenset(tracked or ())
        # A clock that nothing compares with anything cannot matter.
        compared = {at for clocks, _ in constants for at in clocks}
        return frozenset(compared if tracked is None else tracked)

    def _time(
        self,
        time: TimeEncoding,
        properties: Mapping[str, Expr],
        constants: list[tuple[tuple[int, ...], int]],
        depth: int,
        divide: bool,
    ) -> tuple[Grid | Dense | None, Fraction]:
        if not self.tracked:
            return None, Fraction(1)
        kept = [(clocks, bound) for clocks, bound in constants if self.tracked.issuperset(clocks)]
        whole = math.gcd(*(bound for _, bound in kept)) or 1 if divide else 1
        match time:
            case "real":
                return Dense(self.gates), Fraction(1)
            case "digital":
                reason = atoms.closedness(self.ground, tuple(properties.values()))
                if reason is not None:
                    raise ValueError(f"whole time units do not decide this: {reason}")
                tick = Fraction(whole)
            case "grid":
                tick = Fraction(whole, depth + 2)
            case "untimed":
                raise ValueError("an untimed encoding tracks no clock")
            case _:
                assert_never(time)
        return grid(self.gates, sorted(self.tracked), kept, 1 / tick, depth), tick

    def _time_terms(self) -> tuple[ClockTerms, ClockTerms, ClockTerm | None]:
        """What the clocks show in `now` and in `then`, and the delay."""
        delay = self._clocks.delay("delay") if self._clocks is not None else None
        return self._clock_variables(""), self._clock_variables("next "), delay

    def _clock_variables(self, prefix: str) -> ClockTerms:
        return tuple(
            self._clocks.clock(at, f"{prefix}clock.{slot.name}.{slot.index or 0}")
            if self._clocks is not None and at in self.tracked
            else None
            for at, slot in enumerate(self.ground.clocks)
        )

    def _later(self, at: int) -> ClockTerm | None:
        clock = self.now.clocks[at]
        if clock is None or self._clocks is None or self.delay is None:
            return None
        running = self._running[at]
        grown: ClockTerm = self._clocks.advance(at, clock, self.delay)  # type: ignore[arg-type]
        if isinstance(running, bool):
            return grown if running else clock
        return z3.If(running, grown, clock)

    def _early_atom(self, atom: Atom) -> Bit:
        return self._compared(atom, self.now.clocks)

    def _late_atom(self, atom: Atom) -> Bit:
        return self._compared(atom, self.late)

    def _compared(self, atom: Atom, clocks: ClockTerms) -> Bit:
        places = atoms.positions(atom, self.ground)
        terms = [clocks[at] for at in places]
        if self._clocks is None or any(term is None for term in terms):
            # Only inside numbers (see `atoms.abstract`): any truth value, chosen anew each step.
            self._free.append(z3.Bool(f"free.{len(self._free)}", self.context))
            return self._free[-1]
        match atom:
            case ClockCmp(_, _, op, bound):
                return self._clocks.compare(places[0], terms[0], op, bound)  # type: ignore[arg-type]
            case ClockDiff(_, _, _, _, op, bound):
                return self._clocks.difference(terms[0], terms[1], op, bound)  # type: ignore[arg-type]
            case _:
                assert_never(atom)

    def _discrete(self, expr: Expr, reader: Reader) -> Bit:
        if atoms.atoms(expr):
            raise ValueError("a clock or deadline is active by a condition on clocks")
        return reader.formula(expr)

    # ---- formulas over `now` -------------------------------------------------------------------
    def initial(self) -> Formula:
        """The initial states: initial values, the System's initial condition, clocks 0."""
        gates = self.gates
        parts: list[Bit] = [self._discrete(self.ground.initially, self._reader)]
        for number, choices in zip(self.now.values, self.initial_choices(), strict=True):
            parts.append(gates.disj([gates.equals(number, value) for value in choices]))
        if self._clocks is not None:
            for at, clock in enumerate(self.now.clocks):
                if clock is not None:
                    zero = self._clocks.zero(at)
                    parts.append(self._clocks.equal(clock, zero))  # type: ignore[arg-type]
        return gates.formula(gates.conj(parts))

    def initial_choices(self) -> tuple[tuple[int, ...], ...]:
        """For each slot the values that it may start with, in canonical order."""
        return tuple(
            tuple(value for value in slot.variable.initial if slot.low <= value <= slot.high)
            for slot in self.ground.slots
        )

    def possible(self) -> Formula:
        """What holds in every state by construction: values in range, inactive clocks 0."""
        gates = self.gates
        parts = [self._layout.possible(gates, self.now.values)]
        if self._clocks is not None:
            for at, clock in enumerate(self.now.clocks):
                if clock is not None:
                    zero = self._clocks.zero(at)
                    parts.append(self._clocks.possible(clock))  # type: ignore[arg-type]
                    still = self._clocks.equal(clock, zero)  # type: ignore[arg-type]
                    parts.append(gates.disj((self._running[at], still)))
        return gates.formula(gates.conj(parts))

    def value_is(self, slot: int, value: int) -> Formula:
        """The slot has this value now."""
        return self.gates.formula(self.gates.equals(self.now.values[slot], value))

    # ---- formulas over `now` and the delay -------------------------------------------------------
    def delay_legal(self) -> Formula:
        """The delay is 0, or at its end no active deadline on a tracked clock is passed."""
        if self._clocks is None or self.delay is None:
            return self.gates.formula(True)
        gates = self.gates
        kept: list[Bit] = []
        for deadline in self.ground.deadlines:
            active = self._discrete(deadline.active, self._reader)
            if deadline.clock is None:
                kept.append(gates.negate(active))
            elif (late := self.late[deadline.clock]) is not None:
                op: Literal["<", "<="] = "<" if deadline.strict else "<="
                met = self._late_bound(deadline.clock, late, op, deadline.bound)
                kept.append(gates.implies(active, met))
        standing = self._clocks.standing(self.delay)  # type: ignore[arg-type]
        possible = self._clocks.possible(self.delay)  # type: ignore[arg-type]
        return gates.formula(gates.conj((possible, gates.disj((standing, gates.conj(kept))))))

    def _late_bound(self, at: int, late: ClockTerm, op: Comparison, bound: int) -> Bit:
        """Clock `at`, after the delay, against a constant."""
        assert self._clocks is not None
        return self._clocks.compare(at, late, op, bound)  # type: ignore[arg-type]

    def holds(self, formula: Expr) -> Formula:
        """`formula` holds after the delay (weakened where it speaks of clocks not tracked)."""
        return self.gates.formula(self._late_reader.formula(self._abstract(formula)))

    def _abstract(self, formula: Expr) -> Expr:
        return atoms.abstract(formula, self.ground, self.tracked)

    def no_delay(self) -> Formula:
        """No time passes before the step."""
        if self._clocks is None or self.delay is None:
            return self.gates.formula(True)
        return self.gates.formula(self._clocks.standing(self.delay))  # type: ignore[arg-type]

    def clock_is(self, at: int, clock: ClockTerm | None, op: Comparison, bound: int) -> Bit:
        """Clock `at`, with the value `clock`, against a constant. ValueError if not tracked."""
        if clock is None or self._clocks is None:
            raise ValueError(f"clock {self.ground.clocks[at].name} is not tracked")
        return self._clocks.compare(at, clock, op, bound)  # type: ignore[arg-type]

    def clocks_apart(
        self, left: ClockTerm | None, right: ClockTerm | None, op: Comparison, bound: int
    ) -> Bit:
        """`left - right op bound`. ValueError if one of the clocks is not tracked."""
        if left is None or right is None or self._clocks is None:
            raise ValueError("a clock in a difference is not tracked")
        return self._clocks.difference(left, right, op, bound)  # type: ignore[arg-type]

    # ---- the step --------------------------------------------------------------------------------
    def step(self) -> Formula:
        """One transition, chosen by `selectors` (and `pick`), leads from `now` to `then`."""
        gates = self.gates
        parts: list[Bit] = [gates.disj(self.selectors)]
        writers: dict[int, list[Bit]] = {}
        resetters: dict[int, list[Bit]] = {}
        for at, (transition, chosen) in enumerate(
            zip(self.ground.transitions, self.selectors, strict=True)
        ):
            number = Number(self.pick, 0, (1 << len(self.pick)) - 1)
            effects: list[Bit] = [gates.equals(number, at)]
            effects.append(self._late_reader.formula(self._abstract(transition.guard)))
            for slot, value in transition.updates:
                writers.setdefault(slot, []).append(chosen)
                effects.append(gates.same(self.then.values[slot], self._stored(slot, value)))
            for clock in transition.resets:
                resetters.setdefault(clock, []).append(chosen)
            parts.append(gates.implies(chosen, gates.conj(effects)))
        for slot, selectors in writers.items():
            kept = gates.same(self.now.values[slot], self.then.values[slot])
            parts.append(gates.disj([*selectors, kept]))
        reader = Reader(gates, self.ground, self.then.values, self._early_atom)
        for place, variable in enumerate(self.then.clocks):
            late = self.late[place]
            if variable is None or late is None or self._clocks is None:
                continue
            running = self._discrete(self.ground.clocks[place].active, reader)
            restarted = gates.disj(resetters.get(place, []))
            kept = gates.conj((self._running[place], running, gates.negate(restarted)))
            parts.append(self._carried(place, kept, running, late, variable))
        return gates.formula(gates.conj(parts))

    def _carried(
        self, place: int, kept: Bit, running: Bit, late: ClockTerm, variable: ClockTerm
    ) -> Bit:
        """Clock `place` shows `late` in `then` (as `variable`) if it is `kept`, else 0.

        `running`: it runs there.
        """
        assert self._clocks is not None
        zero: ClockTerm = self._clocks.zero(place)
        grown = zero if kept is False else z3.If(self.gates.formula(kept), late, zero)
        return self._clocks.equal(variable, grown)  # type: ignore[arg-type]

    def _stored(self, slot: int, value: Expr) -> Number:
        number = self._late_reader.number(value)
        variable = self.ground.slots[slot]
        if isinstance(variable.variable.type, IntType):
            return self.gates.saturate(number, variable.low, variable.high)
        return number

    # ---- unrolling -------------------------------------------------------------------------------
    def at(self, formula: Formula, time: int) -> Formula:
        """`formula` about `now` as one about the state after `time` steps (`then`: one more)."""
        before, after = self._arrays(time)
        moved = z3.Z3_substitute(self.context.ref(), formula.as_ast(), len(before), before, after)
        return z3.BoolRef(moved, self.context)

    def _arrays(self, time: int) -> tuple[Sequence[Any], Sequence[Any]]:
        """What `at` replaces, and by what, as arrays of Z3's C interface; kept, as asked often."""
        key = (time, len(self._free))
        if key not in self._replacements:
            moves = self._moved(time)
            array = z3.Ast * len(moves)
            self._replacements[key] = (
                array(*(before.as_ast() for before, _ in moves)),
                array(*(after.as_ast() for _, after in moves)),
            )
        return self._replacements[key]

    def after_delay(self, formula: Formula) -> Formula:
        """`formula` about `now` as one about the same state after the delay before the step."""
        pairs = [
            (clock, late)
            for clock, late in zip(self.now.clocks, self.late, strict=True)
            if clock is not None and late is not None
        ]
        return self._replaced(formula, [a for a, _ in pairs], [b for _, b in pairs])

    def after_step(self, formula: Formula) -> Formula:
        """`formula` about `now` as one about `then`."""
        pairs = self._state_variables()
        return self._replaced(formula, [a for a, _ in pairs], [b for _, b in pairs])

    def _replaced(
        self, formula: Formula, before: Sequence[z3.ExprRef], after: Sequence[z3.ExprRef]
    ) -> Formula:
        array = z3.Ast * len(before)
        moved = z3.Z3_substitute(
            self.context.ref(),
            formula.as_ast(),
            len(before),
            array(*(one.as_ast() for one in before)),
            array(*(one.as_ast() for one in after)),
        )
        return z3.BoolRef(moved, self.context)

    def same_state(self, one: int, other: int) -> Formula:
        """The states after `one` and after `other` steps are the same, tracked clocks included.

        On a grid, clocks beyond all that they are compared with are the same.
        """
        gates = self.gates
        parts: list[Bit] = [
            self._copy(now, one) == self._copy(now, other) for now, _ in self._state_variables()
        ]
        return gates.formula(gates.conj(parts))

    def selectors_at(self, time: int) -> tuple[Formula, ...]:
        """The selectors of the step that leaves the state after `time` steps."""
        return self._copies(self.selectors, time)

    def pick_at(self, time: int) -> tuple[Formula, ...]:
        """The bits of the position of that step, most significant first."""
        return self._copies(reversed(self.pick), time)

    def delay_bits_at(self, time: int) -> tuple[Formula, ...]:
        """The bits of the delay (in ticks) before that step, most significant first; on a grid."""
        if not isinstance(self.delay, z3.BitVecRef):
            return ()
        width = self.delay.size()
        delay = z3.BitVec(_numbered(self.delay, time), width, self.context)
        one = z3.BitVecVal(1, 1, self.context)
        return tuple(z3.Extract(at, at, delay) == one for at in range(width - 1, -1, -1))

    def _copy(self, variable: z3.ExprRef, time: int) -> z3.ExprRef:
        """The variable of state (or step) number `time` that template `variable` stands for."""
        match variable:
            case z3.BitVecRef():
                return z3.BitVec(_numbered(variable, time), variable.size(), self.context)
            case z3.ArithRef():
                return z3.Real(_numbered(variable, time), self.context)
            case _:
                return z3.Bool(_numbered(variable, time), self.context)

    def _copies(self, bits: Iterable[z3.BoolRef], time: int) -> tuple[Formula, ...]:
        return tuple(z3.Bool(_numbered(bit, time), self.context) for bit in bits)

    def _moved(self, time: int) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
        if time not in self._moves:
            moves: list[tuple[z3.ExprRef, z3.ExprRef]] = []
            for now, then in self._state_variables():
                moves.append((now, self._copy(now, time)))
                moves.append((then, self._copy(now, time + 1)))
            steps: list[z3.ExprRef] = [*self.selectors, *self.pick, *self._delay_variable()]
            moves.extend((variable, self._copy(variable, time)) for variable in steps)
            self._moves[time] = moves
        return self._moves[time] + [(free, self._copy(free, time)) for free in self._free]

    def _state_variables(self) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
        """What may differ from state to state: (variable of `now`, its counterpart of `then`)."""
        pairs: list[tuple[z3.ExprRef, z3.ExprRef]] = []
        for now, then in zip(self.now.values, self.then.values, strict=True):
            if now is not then:
                bits = zip(now.bits, then.bits, strict=True)
                pairs.extend(
                    (a, b) for a, b in bits if not isinstance(a, bool) and not isinstance(b, bool)
                )
        return [*pairs, *self._time_variables()]

    def _time_variables(self) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
        """Those that are about time."""
        return [
            (clock, later)
            for clock, later in zip(self.now.clocks, self.then.clocks, strict=True)
            if clock is not None and later is not None
        ]

    def _delay_variable(self) -> list[z3.ExprRef]:
        """The variable of a step that is about time, if there is one."""
        return [] if self.delay is None else [self.delay]

    def state_variables(self) -> tuple[list[z3.ExprRef], list[z3.ExprRef]]:
        """The variables of `now`, and those of `then` in the same order.

        What no step changes is the same variable in both.
        """
        pairs = self._state_variables()
        fixed = [
            bit
            for now, then in zip(self.now.values, self.then.values, strict=True)
            if now is then
            for bit in now.bits
            if not isinstance(bit, bool)
        ]
        return [*(a for a, _ in pairs), *fixed], [*(b for _, b in pairs), *fixed]

    def step_variables(self) -> list[z3.ExprRef]:
        """The variables of a step: which one it is, and how long before it nothing happens.

        Ask for them when all formulas that are to be used have been made.
        """
        return [*self.selectors, *self.pick, *self._delay_variable(), *self._free]

    # ---- literals for questions ------------------------------------------------------------------
    def fresh(self) -> Formula:
        """A Boolean that no formula uses yet."""
        self._fresh += 1
        return z3.Bool(f"literal.{self._fresh}", self.context)

    def implies(self, literal: Formula, *formulas: Formula) -> Formula:
        """`literal` implies all of `formulas`."""
        return z3.Implies(literal, self.gates.formula(self.gates.conj(formulas)))

    def implies_any(self, literal: Formula, formulas: Sequence[Formula]) -> Formula:
        """`literal` implies one of `formulas`."""
        return z3.Implies(literal, self.gates.formula(self.gates.disj(formulas)))

    def equivalent(self, literal: Formula, formula: Formula) -> Formula:
        """`literal` stands for `formula`."""
        return literal == formula

    def outside(self, formulas: Sequence[Formula]) -> Formula:
        """Not all of `formulas` hold."""
        return z3.Not(z3.And(formulas)) if formulas else self.gates.formula(False)

    def negation(self, formula: Formula) -> Formula:
        """Not `formula`."""
        return z3.Not(formula)

    # ---- models ----------------------------------------------------------------------------------
    def values_in(self, model: Model, time: int) -> tuple[int, ...]:
        """The value of every slot after `time` steps."""
        values: list[int] = []
        for now, then in zip(self.now.values, self.then.values, strict=True):
            bits = [bit for bit in now.bits if not isinstance(bit, bool)]
            here = bits if now is then else self._copies(bits, time)
            values.append(
                now.offset + sum(1 << at for at, bit in enumerate(here) if model.truth(bit))
            )
        return tuple(values)

    def step_in(self, model: Model, time: int) -> int:
        """The position of the transition that leaves the state after `time` steps."""
        bits = self.pick_at(time)
        return sum(1 << at for at, bit in enumerate(reversed(bits)) if model.truth(bit))

    def delay_in(self, model: Model, time: int) -> Fraction:
        """The delay after `time` steps, in the System's unit."""
        if self.delay is None:
            return Fraction(0)
        return model.number(self._copy(self.delay, time)) * self.tick


def _numbered(variable: z3.ExprRef, time: int) -> str:
    return f"{variable.decl().name()}@{time}"
