import itertools

from hypothesis import given
from hypothesis import strategies as st

from rhscheck.spec.evaluate import State, evaluate
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    Add,
    ClockCmp,
    Eq,
    Exists,
    Expr,
    Forall,
    In,
    Ite,
    Le,
    Lit,
    Not,
    Or,
    Ref,
    Same,
    conj,
    disj,
    member,
    neg,
)
from rhscheck.spec.ground import ground
from rhscheck.spec.simplify import domains, facts, impossible, simplify
from rhscheck.spec.system import (
    Actor,
    BoolType,
    EnumType,
    Family,
    IntType,
    RefType,
    StateVar,
    System,
)

PLACES = EnumType("place", ("A", "B", "C"))
SYSTEM = System(
    "s",
    "",
    (Family("Task", 2),),
    (Actor("HOST", "host"),),
    (
        StateVar("at", "Task", PLACES, (0,), "location"),
        StateVar("flag", None, BoolType(), (0,), "data"),
        StateVar("count", None, IntType(0, 2), (0,), "data"),
        StateVar("owner", None, RefType("Task", True), (0,), "data"),
    ),
    (),
    (),
    (),
)
KNOWN = domains(SYSTEM)
AT1, AT2, FLAG, COUNT, OWNER = Ref("at", 1), Ref("at", 2), Ref("flag"), Ref("count"), Ref("owner")


def test_what_variables_can_be() -> None:
    assert {
        "at": frozenset((0, 1, 2)),
        "flag": frozenset((0, 1)),
        "count": frozenset((0, 1, 2)),
    } == KNOWN


def test_facts_decide_literals() -> None:
    known = facts(KNOWN, conj((member(AT1, (0, 1)), neg(FLAG), neg(member(OWNER, (1,))))))
    assert simplify(member(AT1, (2,)), known) == FALSE
    assert simplify(member(AT1, (0, 1, 2)), known) == TRUE
    assert simplify(member(AT1, (0, 2)), known) == member(AT1, (0, 2))
    assert simplify(FLAG, known) == FALSE
    assert simplify(disj((FLAG, member(AT2, (1,)))), known) == member(AT2, (1,))
    assert simplify(member(OWNER, (1,)), known) == FALSE
    assert simplify(member(OWNER, (2,)), known) == member(OWNER, (2,))
    assert simplify(Eq(FLAG, Lit(0)), known) == TRUE
    assert simplify(Eq(AT1, AT2), facts(KNOWN, conj((member(AT1, (0,)), member(AT2, (1,)))))) == (
        FALSE
    )


def test_parts_learn_from_each_other() -> None:
    nothing = facts(KNOWN)
    assert simplify(conj((member(AT1, (0,)), neg(member(AT1, (0, 1))))), nothing) == FALSE
    assert simplify(disj((member(AT1, (0,)), member(AT1, (1, 2)))), nothing) == TRUE
    assert simplify(disj((member(AT1, (0,)), member(AT1, (1,)))), nothing) == member(AT1, (0, 1))
    assert simplify(conj((disj((FLAG, member(AT1, (0,)))), neg(FLAG))), nothing) == conj(
        (member(AT1, (0,)), neg(FLAG))
    )
    both = disj((member(AT1, (0,)), member(AT2, (0,))))
    assert simplify(conj((neg(both), member(AT1, (0,)))), nothing) == FALSE


def test_choices_of_values_become_formulas() -> None:
    nothing = facts(KNOWN)
    moved = Ite(FLAG, Lit(0), AT1)
    assert simplify(In(moved, (0,)), nothing) == disj((FLAG, member(AT1, (0,))))
    assert simplify(In(moved, (1,)), nothing) == conj((neg(FLAG), member(AT1, (1,))))
    assert simplify(Ite(FLAG, FLAG, COUNT), facts(KNOWN, FLAG)) == TRUE


def test_quantified_facts_do_not_depend_on_names() -> None:
    held = Exists("x", "Task", conj((Eq(OWNER, Ref("n", "x")), member(Ref("at", "x"), (1,)))))
    other = Exists("y", "Task", conj((Eq(OWNER, Ref("n", "y")), member(Ref("at", "y"), (1,)))))
    assert simplify(other, facts(KNOWN, held)) == TRUE
    assert simplify(neg(other), facts(KNOWN, held)) == FALSE
    # What is known of one `x` says nothing about a bound `x`.
    inner = Forall("x", "Task", member(Ref("at", "x"), (1,)))
    assert simplify(inner, facts(KNOWN, member(Ref("at", "x"), (1,)))) == inner


def test_literals_without_values() -> None:
    late = ClockCmp("x", None, ">=", 3)
    assert simplify(neg(late), facts(KNOWN, late)) == FALSE
    assert simplify(Same("j", "i"), facts(KNOWN, Same("i", "j"))) == TRUE
    assert simplify(Same("j", "i"), facts(KNOWN, neg(Same("i", "j")))) == FALSE


def test_impossible_tries_the_cases() -> None:
    cases = Or((conj((FLAG, member(AT1, (0,)))), conj((member(AT1, (1,)), neg(FLAG)))))
    wanted = conj((cases, Or((member(AT1, (2,)), conj((FLAG, member(AT1, (1,))))))))
    assert impossible(wanted, facts(KNOWN))
    assert not impossible(cases, facts(KNOWN))


VALUES = st.integers(0, 2)
ATOMS: st.SearchStrategy[Expr] = st.one_of(
    st.sampled_from([FLAG, TRUE, FALSE]),
    st.builds(
        lambda ref, some: In(ref, tuple(sorted(some))),
        st.sampled_from([AT1, AT2, COUNT, OWNER]),
        st.sets(VALUES, min_size=1, max_size=2),
    ),
    st.builds(Eq, st.sampled_from([AT1, COUNT, FLAG]), st.sampled_from([AT2, COUNT, OWNER])),
    st.builds(lambda k: Le(Add(COUNT, Lit(1)), Lit(k)), VALUES),
)


def _compound(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        st.builds(Not, inner),
        st.builds(lambda a, b: conj((a, b)), inner, inner),
        st.builds(lambda a, b, c: disj((a, b, c)), inner, inner, inner),
        st.builds(Ite, inner, inner, inner),
        st.builds(lambda c, k: In(Ite(c, Lit(k), AT1), (k,)), inner, VALUES),
        st.builds(lambda c, r, k: In(Ite(c, r, COUNT), (k,)), inner, st.just(AT2), VALUES),
        st.builds(lambda c: Eq(c, FLAG), inner),
    )


FORMULAS = st.recursive(ATOMS, _compound, max_leaves=12)
WORLD = ground(SYSTEM, 1)
STATES = [
    State(values, ())
    for values in itertools.product(range(3), range(3), range(2), range(3), range(3))
]


@given(FORMULAS, FORMULAS)
def test_simplified_formulas_are_equal_where_the_facts_hold(formula: Expr, holds: Expr) -> None:
    known = facts(KNOWN, holds)
    short = simplify(formula, known)
    never = impossible(formula, known)
    for state in STATES:
        if evaluate(holds, WORLD, state):
            assert evaluate(short, WORLD, state) == evaluate(formula, WORLD, state)
            assert not (never and evaluate(formula, WORLD, state))
