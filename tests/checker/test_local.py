from dataclasses import replace

import pytest
from hosted import (
    DUMPING,
    GONE,
    IDLE,
    LOC,
    ME,
    ON,
    SOME_ON,
    TRANSITIONS,
    TWO_ON,
    UP,
    F,
    J,
    calling,
    flag,
    hosted,
    line,
    loc,
    proc,
    put,
    rule,
    share,
    step,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from random_systems import Shape, systems
from simulation import uncovered_step

from rhscheck.checker.independence import Reason, rule_dependence
from rhscheck.checker.local import (
    Dependence,
    Goal,
    LocalAbstraction,
    abstract,
    local_goal,
)
from rhscheck.checker.sight import Sight, normal_form
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    Eq,
    Exists,
    Expr,
    Forall,
    IndexValue,
    Ite,
    Lit,
    Not,
    Ref,
    Same,
    conj,
    disj,
    ite,
    member,
    neg,
    refs,
    same,
    transform,
)
from rhscheck.spec.ground import ground
from rhscheck.spec.semantics import State, evaluate
from rhscheck.spec.system import (
    SELF,
    ClockVar,
    Deadline,
    EnumType,
    Family,
    IntType,
    Never,
    Param,
    RefType,
    StateVar,
    System,
    Update,
)

K = Param("k", F)


def abstraction_of(system: System) -> LocalAbstraction:
    made = abstract(system)
    assert isinstance(made, LocalAbstraction)
    return made


def reasons_of(system: System) -> tuple[Reason, ...]:
    made = abstract(system)
    assert isinstance(made, Dependence)
    return made.reasons


# ---- the legal System --------------------------------------------------------------------------
def test_own_copies_come_first_and_environment_copies_keep_only_shared_effects() -> None:
    made = abstraction_of(hosted())
    assert [t.key for t in made.system.transitions] == [
        "open",
        "opened",
        "hang",
        "fail",
        "stop",
        "gone",
        "restart",
        "hang~others",
    ]
    assert made.environment == {"hang~others"}
    assert made.origin["hang~others"] == "hang"
    assert made.exact == {"open", "opened", "hang", "fail", "stop", "gone", "restart"}
    assert made.weakened == ()
    assert made.system.family(F).size == 1


def test_the_environment_keeps_the_guard_on_shared_state() -> None:
    made = abstraction_of(hosted())
    (hang,) = [t for t in made.system.transitions if t.key == "hang~others"]
    # It may not re-enter Dumping while dumping: that would reset the 60 s clock.
    assert hang.guard == proc(UP)
    assert hang.updates == (share("proc", DUMPING),)
    assert hang.params == ()
    assert hang.label.index is None
    assert hang.expires is None


def test_a_broadcast_of_a_shared_step_reaches_the_kept_instance() -> None:
    made = abstraction_of(hosted())
    (gone,) = [t for t in made.system.transitions if t.key == "gone"]
    assert gone.updates == (
        share("proc", GONE),
        Update("loc", 1, Lit(IDLE)),
        Update("call", 1, Lit(0)),
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_every_step_of_the_legal_system_has_a_counterpart(n: int) -> None:
    system = hosted()
    made = abstraction_of(system)
    assert [uncovered_step(system, made, n, seed, 60) for seed in range(10)] == [None] * 10


def test_a_system_without_parametric_family_is_its_own_abstraction() -> None:
    system = replace(hosted(), families=(Family(F, 2),))
    made = abstraction_of(system)
    assert made.system is system
    assert made.family is None
    assert made.environment == frozenset()


# ---- what is refused, with its line ------------------------------------------------------------
def test_two_parametric_families_are_refused() -> None:
    system = hosted(families=(Family("Group", None),), variables=(flag("g", family="Group"),))
    assert reasons_of(system) == (
        Reason(
            "more than one family has any number of instances: `Resource` and `Group`", line(60)
        ),
    )


def test_a_shared_variable_that_stores_an_instance_number_is_refused() -> None:
    owner = StateVar("owner", None, RefType(F, optional=True), (0,), "data", span=line(61))
    take = step(8, "take", member(Ref("owner"), (0,)), (share("owner", IndexValue(SELF)),))
    assert reasons_of(hosted(variables=(owner,), transitions=(*TRANSITIONS, take))) == (
        Reason("variable `owner` stores the number of an instance of `Resource`", line(61)),
        Reason("the number of instance `self` of `Resource` is used as a value", line(8)),
    )


def test_an_instance_number_in_an_integer_is_refused() -> None:
    last = StateVar("last", None, IntType(0, 9), (0,), "data", span=line(61))
    note = step(8, "note", TRUE, (share("last", IndexValue(SELF)),))
    assert reasons_of(hosted(variables=(last,), transitions=(*TRANSITIONS, note))) == (
        Reason("the number of instance `self` of `Resource` is used as a value", line(8)),
    )


def test_one_particular_instance_is_refused() -> None:
    first = step(8, "first", loc(ON, at=1), (share("proc", DUMPING),), params=())
    assert reasons_of(hosted(transitions=(*TRANSITIONS, first))) == (
        Reason("`loc[1]` names one particular instance of `Resource`", line(8)),
    )


def test_a_clock_that_runs_with_other_instances_is_refused() -> None:
    clock = ClockVar("busy", None, SOME_ON, "timer", span=line(62))
    assert reasons_of(hosted(clocks=(clock,))) == (
        Reason("clock `busy` runs or stops with other instances of `Resource`", line(62)),
    )


def test_a_value_copied_from_another_instance_without_bound_is_refused() -> None:
    wide = (
        StateVar("mine", F, IntType(0, 99), (0,), "data"),
        StateVar("seen", None, IntType(0, 99), (0,), "data"),
    )
    show = step(8, "show", TRUE, (share("seen", Ref("mine", SELF)),))
    assert reasons_of(hosted(variables=wide, transitions=(*TRANSITIONS, show))) == (
        Reason("a value is copied from `mine` of another instance", line(8)),
    )


def test_an_ambiguous_double_assignment_is_refused() -> None:
    twice = step(
        8,
        "twice",
        TRUE,
        (share("f", 0), share("f", Ite(loc(ON), Ref("f"), Lit(1)))),
    )
    assert reasons_of(hosted(variables=(flag("f"),), transitions=(*TRANSITIONS, twice))) == (
        Reason("`f` is assigned twice in one step, depending on other instances", line(8)),
    )


# ---- what costs precision, with its line -------------------------------------------------------
def test_a_guard_over_all_instances_keeps_what_it_says_of_the_kept_one() -> None:
    quiet = Forall("k", F, neg(calling("k")))
    halt = step(8, "halt", quiet, (share("proc", GONE),), params=())
    system = hosted(transitions=(*TRANSITIONS, halt))
    made = abstraction_of(system)
    (kept,) = [t for t in made.system.transitions if t.key == "halt"]
    assert kept.guard == neg(calling(1))
    assert made.weakened == (Reason("the condition of a step depends on other instances", line(8)),)
    assert "halt" not in made.exact
    assert [uncovered_step(system, made, 2, seed, 60) for seed in range(10)] == [None] * 10


def test_a_guard_over_some_instance_becomes_true_for_the_others() -> None:
    halt = step(8, "halt", conj((proc(UP), SOME_ON)), (share("proc", GONE),), params=())
    system = hosted(transitions=(*TRANSITIONS, halt))
    made = abstraction_of(system)
    (kept,) = [t for t in made.system.transitions if t.key == "halt"]
    assert kept.guard == proc(UP)
    assert "halt" not in made.exact
    assert [uncovered_step(system, made, 2, seed, 60) for seed in range(10)] == [None] * 10


def test_a_lane_over_other_instances_is_weakened_and_named() -> None:
    lane = Forall("k", F, disj((Same("k", SELF), neg(calling("k")))))
    narrow = (replace(TRANSITIONS[0], guard=conj((TRANSITIONS[0].guard, lane))), *TRANSITIONS[1:])
    system = hosted(transitions=narrow)
    made = abstraction_of(system)
    (own,) = [t for t in made.system.transitions if t.key == "open"]
    assert own.guard == conj((proc(UP), loc(IDLE, at=1)))
    assert made.weakened == (Reason("the condition of a step depends on other instances", line(1)),)
    assert "open" not in made.exact


def test_a_quantifier_that_only_finds_the_owner_loses_nothing() -> None:
    own = Exists("k", F, conj((Same("k", SELF), loc(ON, at="k"))))
    sight = Sight(hosted(), F)
    seen = sight.weaken(Exists("k", F, conj((Same("k", 1), loc(ON, at="k")))), frozenset())
    assert (seen.formula, seen.lost) == (loc(ON, at=1), False)
    made = abstraction_of(hosted(transitions=(*TRANSITIONS, step(8, "x", own, (put("loc", 0),)))))
    assert "x" in made.exact


def test_a_deadline_that_depends_on_others_is_weakened_and_blind() -> None:
    active = conj((loc(ON), Forall("k", F, disj((Same("k", SELF), loc(IDLE, at="k"))))))
    deadline = Deadline("lonely", F, active, None, 0, "RHS", span=line(63))
    system = hosted(deadlines=(deadline,))
    made = abstraction_of(system)
    reason = Reason("deadline `lonely` depends on other instances of `Resource`", line(63))
    assert made.weakened == (reason,)
    assert made.blind == (reason,)
    assert made.system.deadlines[-1].active == FALSE
    assert [uncovered_step(system, made, 2, seed, 60) for seed in range(10)] == [None] * 10


def test_a_shared_value_that_depends_on_another_instance_becomes_a_choice() -> None:
    tell = step(8, "tell", proc(UP), (share("f", Ite(loc(ON), Lit(1), Ref("f"))),))
    system = hosted(variables=(flag("f"),), transitions=(*TRANSITIONS, tell))
    made = abstraction_of(system)
    copies = [t for t in made.system.transitions if made.origin[t.key] == "tell"]
    assert [t.key for t in copies] == ["tell", "tell~others~1", "tell~others~2"]
    assert [t.updates[0].value for t in copies[1:]] == [Lit(1), Ref("f")]
    assert made.weakened == (Reason("a value depends on the state of other instances", line(8)),)
    assert [uncovered_step(system, made, 3, seed, 60) for seed in range(10)] == [None] * 10


def test_two_instances_in_one_step_give_a_copy_for_each_part() -> None:
    hand_over = step(
        8,
        "hand_over",
        conj((neg(Same(SELF, "k")), loc(ON), loc(IDLE, at="k"))),
        (put("loc", IDLE), Update("loc", "k", Lit(ON))),
        params=(ME, K),
    )
    system = hosted(transitions=(*TRANSITIONS, hand_over))
    made = abstraction_of(system)
    copies = [t for t in made.system.transitions if made.origin[t.key] == "hand_over"]
    # As giver, as taker; two others change nothing here, and nobody hands over to itself.
    assert [(t.key, t.guard) for t in copies] == [
        ("hand_over~others(k)", loc(ON, at=1)),
        ("hand_over~others(self)", loc(IDLE, at=1)),
    ]
    assert made.weakened == (Reason("a step is taken by several instances together", line(8)),)
    assert [uncovered_step(system, made, 3, seed, 60) for seed in range(10)] == [None] * 10


def test_a_fixed_family_stays_whole_in_the_environment() -> None:
    monitors = Family("Monitor", 2)
    up = StateVar("up", "Monitor", EnumType("Up", ("no", "yes")), (1,), "data")
    host = StateVar("host", F, RefType("Monitor", optional=False), (1, 2), "data")
    m = Param("m", "Monitor")
    mine = Eq(Ref("host", SELF), IndexValue("m"))
    kill = step(
        8,
        "kill",
        conj((mine, member(Ref("up", "m"), (1,)), loc(ON))),
        (
            Update("up", "m", Lit(0)),
            put("loc", Ite(Eq(Ref("host", "j"), IndexValue("m")), Lit(IDLE), Ref("loc", "j")), J),
        ),
        params=(ME, m),
    )
    system = hosted(families=(monitors,), variables=(up, host), transitions=(*TRANSITIONS, kill))
    made = abstraction_of(system)
    (others,) = [t for t in made.system.transitions if t.key == "kill~others"]
    assert others.params == (m,)
    assert others.guard == member(Ref("up", "m"), (1,))
    assert others.updates[1] == Update(
        "loc", 1, Ite(Eq(Ref("host", 1), IndexValue("m")), Lit(IDLE), Ref("loc", 1))
    )
    assert [uncovered_step(system, made, 3, seed, 60) for seed in range(10)] == [None] * 10


def test_a_condition_on_initial_states_is_kept_for_the_kept_instance() -> None:
    spread = StateVar("kind", F, LOC, (0, 1), "data")
    all_equal = Forall("k", F, member(Ref("kind", "k"), (1,)))
    system = hosted(variables=(spread,), initially=all_equal)
    made = abstraction_of(system)
    assert made.system.initially == member(Ref("kind", 1), (1,))
    assert uncovered_step(system, made, 2, 1, 40) is None


# ---- rules -------------------------------------------------------------------------------------
def test_a_rule_about_two_instances_names_its_line() -> None:
    assert rule_dependence(hosted(), TWO_ON) == Reason(
        "rule two_on speaks of several instances at once: `i` and `k`", line(97)
    )


def test_a_rule_about_one_particular_instance_names_its_line() -> None:
    assert rule_dependence(hosted(), rule("r", "never", Never(loc(ON, at=2)), params=())) == Reason(
        "in rule r, `loc[2]` names one particular instance of `Resource`", line(90)
    )


def test_a_rule_about_one_instance_is_about_the_kept_one() -> None:
    made = abstraction_of(hosted())
    assert local_goal(made, SOME_ON) == Goal(loc(ON, at=1), False)


def test_a_second_quantifier_in_a_rule_is_weakened() -> None:
    made = abstraction_of(hosted())
    both = Exists(
        "i", F, Exists("k", F, conj((neg(Same("i", "k")), loc(ON, at="i"), loc(ON, at="k"))))
    )
    assert local_goal(made, both) == Goal(loc(ON, at=1), True)
    none = conj((proc(UP), Forall("k", F, loc(IDLE, at="k"))))
    assert local_goal(made, none) == Goal(conj((proc(UP), loc(IDLE, at=1))), True)


# ---- formulas ----------------------------------------------------------------------------------
def test_normal_form_pushes_negation_to_the_atoms() -> None:
    a, b = Ref("a"), ClockCmp("c", None, ">=", 3)
    assert normal_form(Not(conj((a, b)))) == disj((Not(a), ClockCmp("c", None, "<", 3)))
    assert normal_form(Not(Forall("k", F, loc(ON, at="k")))) == Exists("k", F, Not(loc(ON, at="k")))
    assert normal_form(Not(Ite(a, b, FALSE))) == disj(
        (conj((a, ClockCmp("c", None, "<", 3))), Not(a))
    )


# ---- any formula ---------------------------------------------------------------------------------
TWO = ground(hosted(variables=(flag("f"), flag("g", family=F))), 2)
OTHER = frozenset((SELF,))


def conditions(names: tuple[str | int, ...] = (SELF, 1)) -> st.SearchStrategy[Expr]:
    """Boolean expressions about instance 1, another one called SELF, and shared state."""
    index = st.sampled_from(names)
    atoms = st.one_of(
        st.builds(lambda at, value: loc(value, at=at), index, st.integers(0, 3)),
        st.builds(lambda at: Ref("g", at), index),
        st.just(Ref("f")),
        st.builds(same, index, index),
        st.builds(lambda a, b: Eq(Ref("loc", a), Ref("loc", b)), index, index),
    )

    def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        several = st.lists(inner, min_size=2, max_size=3)
        plain = st.one_of(
            several.map(conj),
            several.map(disj),
            inner.map(neg),
            st.builds(ite, inner, inner, inner),
        )
        if "k" in names:
            return plain
        quantified = conditions((*names, "k"))
        return st.one_of(
            plain,
            quantified.map(lambda body: Forall("k", F, body)),
            quantified.map(lambda body: Exists("k", F, body)),
        )

    return st.recursive(atoms, grow, max_leaves=6)


def holds(expr: Expr, state: State) -> int:
    return evaluate(TWO.expand(expr, {SELF: 2}), TWO, state)


states = st.tuples(*(st.sampled_from(range(slot.low, slot.high + 1)) for slot in TWO.slots)).map(
    lambda values: State(values, (0,) * len(TWO.clocks))
)


@given(conditions(), states)
def test_what_a_formula_is_weakened_to_follows_from_it(condition: Expr, state: State) -> None:
    seen = Sight(TWO.system, F).weaken(condition, OTHER)
    assert not any(ref.index == SELF for ref in refs(seen.formula))
    assert holds(seen.formula, state) >= holds(condition, state)
    assert seen.lost or holds(seen.formula, state) == holds(condition, state)


@given(conditions(), states)
def test_one_of_the_values_is_the_value(condition: Expr, state: State) -> None:
    values = Sight(TWO.system, F).values(condition, OTHER)
    assert not any(ref.index == SELF for value in values for ref in refs(value))
    assert holds(condition, state) in [holds(value, state) for value in values]


@given(conditions(("i",)), states)
def test_a_goal_holds_at_one_of_the_instances_where_the_rule_is_broken(
    condition: Expr, state: State
) -> None:
    made = abstraction_of(TWO.system)
    broken = Exists("i", F, condition)
    goal = local_goal(made, broken).formula
    seen = [holds(with_kept(goal, instance), state) for instance in (1, 2)]
    assert max(seen) >= holds(broken, state)


def with_kept(goal: Expr, instance: int) -> Expr:
    """`goal` about `instance` in the place of the kept one."""

    def leaf(node: Expr) -> Expr | None:
        if isinstance(node, Ref) and node.index == 1:
            return Ref(node.name, instance)
        return None

    return transform(goal, leaf)


# ---- any System ----------------------------------------------------------------------------------
@given(systems(Shape(references=False)), st.integers(1, 3), st.integers(0, 1 << 30))
def test_every_step_of_any_independent_system_has_a_counterpart(
    system: System, n: int, seed: int
) -> None:
    made = abstract(system)
    assume(isinstance(made, LocalAbstraction))
    assert isinstance(made, LocalAbstraction)
    assert uncovered_step(system, made, n, seed, 25) is None


@given(systems(Shape(references=True)))
def test_a_system_is_refused_just_when_it_stores_instance_numbers(system: System) -> None:
    stores = any(isinstance(variable.type, RefType) for variable in system.variables)
    assert isinstance(abstract(system), Dependence) == stores
