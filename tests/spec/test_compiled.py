import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_systems import Shape, random_run, systems

from rhscheck.spec.compiled import compile_ground, split_guard, untimed
from rhscheck.spec.evaluate import State, evaluate
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    And,
    ClockCmp,
    ClockDiff,
    Eq,
    Exists,
    Expr,
    In,
    Ite,
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
from rhscheck.spec.semantics import enabled, fire, replay_run
from rhscheck.spec.system import (
    SELF,
    Actor,
    BoolType,
    EnumType,
    Family,
    Label,
    Param,
    StateVar,
    System,
    Transition,
    Update,
)

X, Y = ClockCmp("x", None, "<", 3), ClockCmp("y", None, ">=", 2)
NOT_X, NOT_Y = ClockCmp("x", None, ">=", 3), ClockCmp("y", None, "<", 2)
A, B = Ref("a"), Ref("b")


def test_split_of_plain_guards() -> None:
    assert split_guard(conj((A, B))) == [(conj((A, B)), ())]
    assert split_guard(FALSE) == []
    assert split_guard(TRUE) == [(TRUE, ())]
    assert split_guard(conj((A, X, Y))) == [(A, (X, Y))]
    assert split_guard(conj((Y, A, X, B))) == [(conj((A, B)), (X, Y))]


def test_split_of_connectives() -> None:
    assert split_guard(disj((conj((A, X)), conj((B, X)), Y))) == [
        (disj((A, B)), (X,)),
        (TRUE, (Y,)),
    ]
    assert split_guard(Not(disj((A, X)))) == [(neg(A), (NOT_X,))]
    assert split_guard(Not(conj((A, X, Y)))) == [
        (neg(A), ()),
        (TRUE, (NOT_X,)),
        (TRUE, (NOT_Y,)),
    ]
    assert split_guard(Ite(X, A, B)) == [(A, (X,)), (B, (NOT_X,))]
    assert split_guard(Ite(A, X, Y)) == [(A, (X,)), (neg(A), (Y,))]


def test_split_where_a_clock_decides_a_value() -> None:
    chosen = Ite(X, Lit(1), Ref("n"))
    assert split_guard(In(chosen, (1,))) == [(TRUE, (X,)), (member(Ref("n"), (1,)), (NOT_X,))]
    assert split_guard(Not(Eq(chosen, Ref("m")))) == [
        (neg(member(Ref("m"), (1,))), (X,)),
        (neg(Eq(Ref("n"), Ref("m"))), (NOT_X,)),
    ]


def test_split_keeps_contradicting_comparisons() -> None:
    assert split_guard(conj((X, NOT_X))) == [(TRUE, (X, NOT_X))]
    assert untimed(conj((A, X, NOT_X))) == A
    diagonal = ClockDiff("x", None, "y", None, "<=", 1)
    assert untimed(disj((conj((A, diagonal)), conj((B, neg(diagonal)))))) == disj((A, B))


def test_split_wants_ground_guards() -> None:
    with pytest.raises(ValueError, match=r"^Exists around a clock comparison"):
        split_guard(Exists("j", "Task", ClockCmp("x", "j", "<", 3)))


def test_a_predicate_reads_no_clock() -> None:
    compiled = compile_ground(counters(1, 2))
    assert compiled.predicate(member(Ref("at", 1), (2,)))((0, 0)) is False
    assert compiled.predicate(member(Ref("at", 1), (2,)))((2, 0)) is True
    with pytest.raises(ValueError, match="cannot read a clock"):
        compiled.predicate(conj((X, member(Ref("at", 1), (2,)))))


def counters(n: int, places: int) -> Ground:
    """Each instance walks round `places` + 1 places, and shares a bit with the others."""
    me = Param(SELF, "P")
    at = Ref("at", SELF)
    steps = tuple(
        Transition(
            f"step{k}",
            Label("event", "P", f"step{k}", None, SELF),
            "HOST",
            (me,),
            conj((member(at, (k,)), Ref("bit") if k % 2 else neg(Ref("bit")))),
            (Update("at", SELF, Lit((k + 1) % (places + 1))), Update("bit", None, neg(Ref("bit")))),
        )
        for k in range(places + 1)
    )
    return ground(
        System(
            "counters",
            "",
            (Family("P", None),),
            (Actor("HOST", "host"),),
            (
                StateVar(
                    "at",
                    "P",
                    EnumType("at", tuple(f"s{k}" for k in range(places + 1))),
                    (0,),
                    "location",
                ),
                StateVar("bit", None, BoolType(), (0,), "data"),
            ),
            (),
            steps,
            (),
        ),
        n,
    )


def test_successors_by_hand() -> None:
    compiled = compile_ground(counters(2, 2))
    assert compiled.successors_untimed((0, 0, 0)) == [(0, (1, 0, 1)), (1, (0, 1, 1))]
    assert compiled.moves((0, 0, 0)) == [(0, 0, (1, 0, 1)), (1, 0, (0, 1, 1))]
    assert compiled.successors_untimed((2, 1, 1)) == [(3, (2, 2, 0))]
    assert compiled.guards[3]((2, 1, 1)) is True
    assert compiled.guards[4]((2, 1, 1)) is False
    assert compiled.fire[3]((2, 1, 1)) == (2, 2, 0)
    assert [a.atoms for a in compiled.alternatives[0]] == [()]


def test_deep_expressions_compile() -> None:
    nested: Expr = Ref("bit")
    for _ in range(60):
        nested = Not(Eq(Ite(nested, TRUE, Ref("bit")), FALSE))
    holds = compile_ground(counters(1, 2)).predicate(nested)
    assert holds((0, 1)) is True
    assert holds((0, 0)) is False


@given(systems(Shape(diagonals=True)), st.integers(1, 2), st.integers(0, 10_000))
def test_compiled_equals_semantics(system: System, n: int, seed: int) -> None:
    g = ground(system, n)
    compiled = compile_ground(g)
    run = random_run(g, seed, 6)
    if run is None:
        return
    for state in replay_run(g, run):
        possible = [at for at in range(len(g.transitions)) if compiled.guards[at](state.values)]
        assert [at for at, _ in compiled.successors_untimed(state.values)] == possible
        after = dict(compiled.successors_untimed(state.values))
        moves = compiled.moves(state.values)
        assert moves == sorted(moves)
        for at in possible:
            alternatives = compiled.alternatives[at]
            holding = [k for k, a in enumerate(alternatives) if a.guard(state.values)]
            assert [(k, v) for m, k, v in moves if m == at] == [(k, after[at]) for k in holding]
            assert [
                k for k, a in enumerate(alternatives) if evaluate(a.discrete, g, state)
            ] == holding
            exact = any(
                all(evaluate(atom, g, state) for atom in alternatives[k].atoms) for k in holding
            )
            assert exact == bool(evaluate(g.transitions[at].guard, g, state))
        holding = [at for at, one in enumerate(g.transitions) if evaluate(one.guard, g, state)]
        assert enabled(g, state) == holding
        for at in enabled(g, state):
            assert at in possible
            assert after[at] == fire(g, state, at).values == compiled.fire[at](state.values)
            assert all(type(value) is int for value in after[at])
        active = [k for k, c in enumerate(g.clocks) if evaluate(c.active, g, state)]
        assert compiled.active_clocks(state.values) == tuple(active)
        due = [k for k, d in enumerate(g.deadlines) if evaluate(d.active, g, state)]
        assert compiled.active_deadlines(state.values) == tuple(due)


@given(systems(Shape(diagonals=True)), st.integers(0, 10_000))
def test_the_untimed_abstraction_is_the_guard_without_clocks(system: System, seed: int) -> None:
    """Every comparison true, in negation normal form: nothing more and nothing less."""
    g = ground(system, 2)
    compiled = compile_ground(g)
    run = random_run(g, seed, 4)
    if run is None:
        return
    for state in replay_run(g, run):
        for at, transition in enumerate(g.transitions):
            wanted = possible(transition.guard, state, g, positive=True)
            assert compiled.guards[at](state.values) == wanted


def possible(expr: Expr, state: State, g: Ground, *, positive: bool) -> bool:
    match expr:
        case ClockCmp() | ClockDiff():
            return True
        case Not(arg):
            return possible(arg, state, g, positive=not positive)
        case And(args) if positive:
            return all(possible(arg, state, g, positive=True) for arg in args)
        case And(args):
            return any(possible(arg, state, g, positive=False) for arg in args)
        case Or(args) if positive:
            return any(possible(arg, state, g, positive=True) for arg in args)
        case Or(args):
            return all(possible(arg, state, g, positive=False) for arg in args)
        case _:
            return bool(evaluate(expr, g, state)) == positive
