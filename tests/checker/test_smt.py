"""Circuits, expressions, clock atoms and the solver wrapper, each against plain evaluation."""

import platform
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_systems import Shape, systems

from rhscheck.checker.smt import atoms
from rhscheck.checker.smt.atoms import abstract, closedness, nnf, strict_atoms
from rhscheck.checker.smt.circuits import Bit, Gates, Number
from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.solve import Context, Deadline, Sat, Solver, Unknown, Unsat, version
from rhscheck.checker.smt.values import Reader, slot_ranges
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    Add,
    And,
    ClockCmp,
    ClockDiff,
    Eq,
    Expr,
    Forall,
    In,
    Ite,
    Le,
    Lit,
    Not,
    Or,
    Ref,
    conj,
    disj,
    member,
    neg,
)
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.semantics import State, evaluate
from rhscheck.spec.system import (
    Actor,
    ClockVar,
    EnumType,
    IntType,
    Label,
    RefType,
    StateVar,
    System,
    Transition,
    Update,
)
from rhscheck.spec.system import (
    Deadline as TimeBound,
)

GATES = Gates(Context())


def fixed(value: int, offset: int, top: int) -> Number:
    """A number whose bits are constants: circuits over it fold to their value."""
    unsigned = value - offset
    return Number(tuple(bool(unsigned >> at & 1) for at in range(top.bit_length())), offset, top)


def value_of(number: Number) -> int:
    assert all(isinstance(bit, bool) for bit in number.bits)
    return number.offset + sum(1 << at for at, bit in enumerate(number.bits) if bit is True)


RANGES = [(0, 0), (0, 1), (-2, 3), (1, 4), (3, 5), (-6, -1)]
PAIRS = [
    (fixed(a, low, high - low), fixed(b, low2, high2 - low2), a, b)
    for (low, high), (low2, high2) in product(RANGES, RANGES)
    for a in range(low, high + 1)
    for b in range(low2, high2 + 1)
]


# ---- circuits ------------------------------------------------------------------------------------
def test_arithmetic_is_exact_for_every_pair_of_small_ranges() -> None:
    for left, right, a, b in PAIRS:
        assert value_of(GATES.add(left, right)) == a + b
        assert value_of(GATES.subtract(left, right)) == a - b
        assert GATES.at_most(left, right) is (a <= b)
        assert GATES.same(left, right) is (a == b)
        assert value_of(GATES.select(True, left, right)) == a
        assert value_of(GATES.select(False, left, right)) == b


def test_a_choice_between_numbers_keeps_both_ranges() -> None:
    cond = GATES.formula(True)  # a formula, so nothing is folded before the solver sees it
    for left, right, a, b in PAIRS[::7]:
        chosen = GATES.select(cond, left, right)
        assert chosen.offset <= min(a, b)
        assert max(a, b) <= chosen.offset + chosen.top


def test_saturation_stops_at_the_nearest_bound() -> None:
    for low, high in RANGES:
        for value in range(low, high + 1):
            number = fixed(value, low, high - low)
            kept = GATES.saturate(number, -1, 2)
            assert value_of(kept) == max(-1, min(2, value))
            assert (kept.offset, kept.top) == (-1, 3)


def test_equality_with_a_constant_is_false_outside_the_range() -> None:
    number = fixed(2, 1, 3)
    assert [GATES.equals(number, value) for value in range(-1, 7)] == [
        value == 2 for value in range(-1, 7)
    ]


def test_gates_fold_constants() -> None:
    formula = GATES.formula(True)
    assert GATES.conj([]) is True
    assert GATES.disj([]) is False
    assert GATES.conj([formula, False]) is False
    assert GATES.disj([formula, True]) is True
    assert GATES.conj([True, formula]) is formula
    assert GATES.xor(False, formula) is formula
    assert GATES.iff(formula, formula) is True
    assert GATES.choose(formula, True, True) is True
    assert GATES.implies(False, formula) is True


# ---- expressions: the encoder and the interpreter agree ------------------------------------------
@given(systems(Shape(diagonals=True)), st.integers(1, 2), st.data())
def test_guards_and_updates_have_the_value_that_the_interpreter_gives(
    system: System, n: int, data: st.DataObject
) -> None:
    model = ground(system, n)
    values = tuple(data.draw(st.integers(slot.low, slot.high)) for slot in model.slots)
    clocks = tuple(
        Fraction(data.draw(st.integers(0, 10)), data.draw(st.sampled_from((1, 2))))
        for _ in model.clocks
    )
    state = State(values, clocks)
    numbers = tuple(
        fixed(value, slot.low, slot.high - slot.low)
        for value, slot in zip(values, model.slots, strict=True)
    )

    def truth(atom: atoms.Atom) -> Bit:
        return bool(evaluate(atom, model, state))

    reader = Reader(GATES, model, numbers, truth)
    for transition in model.transitions:
        assert reader.formula(transition.guard) is bool(evaluate(transition.guard, model, state))
        for _, value in transition.updates:
            assert value_of(reader.number(value)) == evaluate(value, model, state)


A, B = ClockCmp("x", None, "<=", 3), ClockCmp("y", None, "<", 2)
P, Q = Ref("p"), Ref("q")


def formulas() -> st.SearchStrategy[Expr]:
    leaves: st.SearchStrategy[Expr] = st.sampled_from(
        (A, B, P, Q, ClockDiff("x", None, "y", None, ">", 0), TRUE, FALSE)
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, min_size=2, max_size=3).map(lambda args: And(tuple(args))),
            st.lists(inner, min_size=2, max_size=3).map(lambda args: Or(tuple(args))),
            st.tuples(inner, inner, inner).map(lambda parts: Ite(*parts)),
            st.tuples(inner, inner).map(lambda parts: Eq(*parts)),
            st.tuples(inner, st.sampled_from(((0,), (1,), (0, 1)))).map(lambda p: In(*p)),
            st.tuples(inner, inner).map(lambda p: Le(Ite(p[0], Lit(1), Lit(2)), Ite(p[1], P, Q))),
        ),
        max_leaves=8,
    )


def two_clocks(*transitions: Transition, deadlines: tuple[TimeBound, ...] = ()) -> System:
    kind = EnumType("bit", ("no", "yes"))
    return System(
        "two",
        "",
        (),
        (Actor("A", "other"),),
        (
            StateVar("p", None, kind, (0,), "data"),
            StateVar("q", None, kind, (0,), "data"),
        ),
        (ClockVar("x", None, TRUE, "raw"), ClockVar("y", None, TRUE, "raw")),
        transitions,
        deadlines,
    )


TWO = ground(two_clocks(), 1)
STATES = [
    State(values, clocks)
    for values in product((0, 1), repeat=2)
    for clocks in product((0, 1, 2, 3, 4), repeat=2)
]


@given(formulas())
def test_negation_normal_form_means_the_same(formula: Expr) -> None:
    normal = nnf(formula)
    for state in STATES:
        assert bool(evaluate(normal, TWO, state)) == bool(evaluate(formula, TWO, state))


@given(formulas())
def test_abstracted_clocks_only_weaken_a_formula(formula: Expr) -> None:
    weaker = abstract(formula, TWO, frozenset({1}))
    for state in STATES:
        if evaluate(formula, TWO, state):
            # Atoms inside numbers stay for the encoder; elsewhere clock x is gone.
            assert evaluate(weaker, TWO, state)


def test_an_abstracted_atom_holds_with_either_sign() -> None:
    assert abstract(A, TWO, frozenset()) == TRUE
    assert abstract(neg(A), TWO, frozenset()) == TRUE
    assert abstract(conj((P, A)), TWO, frozenset({1})) == P
    assert abstract(Not(Or((P, A))), TWO, frozenset()) == Not(P)
    assert abstract(conj((A, B)), TWO, frozenset({0})) == A
    assert abstract(ClockDiff("x", None, "y", None, "<", 1), TWO, frozenset({0})) == TRUE


# ---- closedness ----------------------------------------------------------------------------------
def step(guard: Expr, *updates: Update) -> Transition:
    return Transition("go", Label("event", "M", "go"), "A", (), guard, updates)


def test_strict_atoms_add_up_in_a_conjunction_and_not_over_alternatives() -> None:
    assert strict_atoms(A) == 0
    assert strict_atoms(neg(A)) == 1
    assert strict_atoms(conj((B, neg(A)))) == 2
    assert strict_atoms(disj((B, neg(A)))) == 1
    assert strict_atoms(Not(And((B, neg(A))))) == 0
    assert strict_atoms(Le(Ite(A, Lit(1), Lit(2)), Lit(1))) == 1


def test_closed_constraints_need_only_whole_units() -> None:
    assert closedness(ground(two_clocks(step(conj((A, neg(B))))), 1), [P, neg(A)]) is None


def test_the_reason_names_what_is_strict() -> None:
    strict_guard = ground(two_clocks(step(B)), 1)
    stored = ground(two_clocks(step(TRUE, Update("p", None, A))), 1)
    late = TimeBound("late", None, TRUE, "x", 3, "A", strict=True)
    strict_deadline = ground(two_clocks(deadlines=(late,)), 1)
    assert closedness(strict_guard) == "the guard of `go` compares a clock strictly"
    assert closedness(stored) == "`go` stores the result of a clock comparison"
    assert closedness(strict_deadline) == "deadline `late` is strict"
    assert (
        closedness(TWO, [conj((B, neg(A)))])
        == "the property compares clocks strictly more than once"
    )


def test_a_strict_guard_is_allowed_where_its_step_alone_fulfils_the_property() -> None:
    once = ground(two_clocks(step(conj((P, B)), Update("q", None, Lit(1)))), 1)
    assert closedness(once, [member(Q, (1,))]) is None
    assert closedness(once, [disj((member(Q, (1,)), P))]) is None
    refused = "the guard of `go` compares a clock strictly"
    assert closedness(once, [member(Q, (0,))]) == refused
    assert closedness(once, [conj((member(Q, (1,)), P))]) == refused
    # Two properties: on the way to the second, the strict step may be taken more than once.
    assert closedness(once, [member(Q, (1,)), P]) == refused
    # One strict atom in the guard and one in the property are two.
    assert closedness(once, [disj((member(Q, (1,)), neg(A)))]) == refused
    twice = ground(two_clocks(step(conj((B, neg(A))), Update("q", None, Lit(1)))), 1)
    assert closedness(twice, [member(Q, (1,))]) == refused


def test_a_stored_constant_that_saturates_is_not_taken_at_its_word() -> None:
    system = counted(IntType(0, 3), Lit(9)).system
    clocked = ground(
        replace(
            system,
            clocks=(ClockVar("y", None, TRUE, "raw"),),
            transitions=(step(B, Update("k", None, Lit(9))),),
        ),
        1,
    )
    refused = "the guard of `go` compares a clock strictly"
    assert closedness(clocked, [member(Ref("k"), (9,))]) == refused


def test_whole_units_are_refused_where_they_do_not_decide() -> None:
    with pytest.raises(ValueError, match="the guard of `go` compares a clock strictly"):
        Encoding(ground(two_clocks(step(B)), 1), {}, "digital")


# ---- layout --------------------------------------------------------------------------------------
def counted(kind: IntType | EnumType | RefType, value: Expr) -> Ground:
    system = System(
        "counted",
        "",
        (),
        (Actor("A", "other"),),
        (StateVar("k", None, kind, (0,), "data"),),
        (),
        (step(TRUE, Update("k", None, value)),),
        (),
    )
    return ground(system, 1)


def test_a_bounded_integer_keeps_its_range_whatever_is_stored() -> None:
    assert slot_ranges(counted(IntType(0, 3), Add(Ref("k"), Lit(9)))) == ((0, 3),)


def test_another_variable_gets_room_for_what_is_stored() -> None:
    three = EnumType("three", ("a", "b", "c"))
    assert slot_ranges(counted(three, Lit(5))) == ((0, 5),)


def test_a_variable_that_grows_without_end_is_refused() -> None:
    three = EnumType("three", ("a", "b", "c"))
    with pytest.raises(ValueError, match="grow without end"):
        slot_ranges(counted(three, Add(Ref("k"), Lit(1))))


def test_forms_that_grounding_removes_are_refused() -> None:
    reader = Reader(GATES, TWO, (fixed(0, 0, 1), fixed(0, 0, 1)), lambda atom: True)
    with pytest.raises(ValueError, match="Forall in a ground formula"):
        reader.formula(Forall("i", "M", TRUE))
    with pytest.raises(ValueError, match="Forall in a ground formula"):
        nnf(And((P, Forall("i", "M", A))))


def test_activity_must_not_depend_on_clocks() -> None:
    system = two_clocks(deadlines=(TimeBound("odd", None, A, "x", 3, "A"),))
    with pytest.raises(ValueError, match="active by a condition on clocks"):
        Encoding(ground(system, 1), {}, "real").delay_legal()


def test_membership_of_a_variable_takes_the_shorter_side() -> None:
    model = counted(EnumType("five", ("a", "b", "c", "d", "e")), Lit(0))
    encoding = Encoding(model, {}, "untimed")
    solver = Solver(encoding.context, encoding.logic)
    solver.add(encoding.possible(), encoding.holds(member(Ref("k"), (0, 1, 2, 3))))
    assert isinstance(solver.check([encoding.value_is(0, 3)]), Sat)
    solver.add(encoding.value_is(0, 4))
    assert isinstance(solver.check(), Unsat)


# ---- the solver ----------------------------------------------------------------------------------
def hard(encoding: Encoding, solver: Solver, pigeons: int) -> None:
    """`pigeons` pigeons do not fit into one hole less: short to say, long to refute."""
    sits = [[encoding.fresh() for _ in range(pigeons - 1)] for _ in range(pigeons)]
    for row in sits:
        always = encoding.fresh()
        solver.add(always, encoding.implies_any(always, row))
    for hole in range(pigeons - 1):
        for first in range(pigeons):
            for second in range(first):
                pair = (sits[first][hole], sits[second][hole])
                solver.add(encoding.outside(pair))


def test_a_query_that_runs_out_of_time_is_unknown_with_the_reason() -> None:
    encoding = Encoding(TWO, {}, "untimed")
    solver = Solver(encoding.context, "QF_FD")
    hard(encoding, solver, 14)
    assert solver.check((), Deadline(0.2)) == Unknown("time-out after 0.2 s")


def test_a_query_without_time_left_is_not_asked() -> None:
    solver = Solver(Context(), "QF_FD")
    assert solver.check((), Deadline(0)) == Unknown("time-out after 0 s")
    assert solver.queries == 0


def test_a_resource_limit_is_a_reason_too() -> None:
    encoding = Encoding(TWO, {}, "untimed")
    solver = Solver(encoding.context, "QF_FD", rlimit=1000)
    hard(encoding, solver, 12)
    assert solver.check() == Unknown("resource limit 1000 reached")


def test_a_solver_is_usable_after_it_gave_up() -> None:
    encoding = Encoding(TWO, {}, "untimed")
    solver = Solver(encoding.context, "QF_FD")
    solver.push()
    hard(encoding, solver, 14)
    assert isinstance(solver.check((), Deadline(0.1)), Unknown)
    solver.pop()
    assert isinstance(solver.check(), Sat)


def test_resources_are_counted_and_the_query_can_be_written_down() -> None:
    encoding = Encoding(TWO, {}, "real")
    solver = Solver(encoding.context, encoding.logic)
    solver.add(encoding.initial())
    assert isinstance(solver.check(), Sat)
    assert solver.rlimit > 0
    assert solver.smt2().rstrip().endswith("(check-sat)")
    assert version()[0].isdigit()


def test_the_same_query_costs_the_same_in_one_process() -> None:
    spent = []
    for _ in range(2):
        encoding = Encoding(TWO, {}, "untimed")
        solver = Solver(encoding.context, "QF_FD")
        hard(encoding, solver, 7)
        assert isinstance(solver.check(), Unsat)
        spent.append(solver.rlimit)
    assert spent[0] == spent[1]


# As a context does it: twice as much as glibc is used to, and all is given back.
FREED = """
import ctypes, resource
from rhscheck.checker.smt import solve
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def take():
    places = [libc.malloc(ctypes.c_size_t(10 << 20)) for _ in range(2)]
    for place in places:
        ctypes.memset(place, 1, 10 << 20)
    for place in places:
        libc.free(ctypes.c_void_p(place))
for _ in range(2):
    take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc gives back what is free")
def test_a_context_finds_the_memory_of_the_one_before() -> None:
    """Each fetched its 17 MB from the system, in 4000 pages: it took ten times as long."""
    command = [sys.executable, "-c", FREED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 5000
