"""The re-check accepts what is inductive and names the query that fails where it is not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_systems import Shape, systems

from rhscheck.checker.explore import explore
from rhscheck.checker.invariant import Cell, Diagram, Invariant, Node, Zone, diagram, slot_order
from rhscheck.checker.recheck import Copy, identity, recheck
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    Exists,
    Expr,
    In,
    Lit,
    Ref,
    conj,
    member,
    neg,
)
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.semantics import State, enabled, fire, initial_states
from rhscheck.spec.system import (
    SELF,
    Actor,
    BoolType,
    ClockVar,
    Deadline,
    EnumType,
    Family,
    IntType,
    Label,
    Param,
    Reset,
    StateVar,
    System,
    Transition,
    Update,
)

ANY: tuple[Zone, ...] = ((),)


# ---- diagrams ------------------------------------------------------------------------------------
def members(graph: Diagram, width: int, values: tuple[int, ...]) -> tuple[Zone, ...]:
    """The zones of a value tuple, by walking the diagram; none outside."""
    at = graph.root
    for _ in range(width):
        if at is None or at < 0:
            break
        node = graph.nodes[at]
        at = next((child for named, child in node.branches if values[node.slot] in named), None)
    if at is None:
        return ()
    assert at < 0
    return graph.leaves[-1 - at]


def test_a_product_needs_one_node_a_slot() -> None:
    cells: tuple[Cell, ...] = tuple(((a, b, c), ANY) for a in (0, 2) for b in (1,) for c in (0, 5))
    assert diagram(cells) == Diagram(
        (
            Node(2, (((0, 5), -1),)),
            Node(1, (((1,), 0),)),
            Node(0, (((0, 2), 1),)),
        ),
        (ANY,),
        2,
    )


def test_no_cell_is_the_empty_diagram() -> None:
    assert diagram(()) == Diagram((), (), None)
    assert diagram((((1, 2), ()),)) == Diagram((), (), None)


def test_repeated_values_unite_their_zones() -> None:
    low: Zone = ((1, 0, 3, False),)
    high: Zone = ((0, 1, -5, False),)
    graph = diagram((((1,), (low,)), ((1,), (high,)), ((2,), ANY)))
    assert members(graph, 1, (1,)) == (high, low)
    assert members(graph, 1, (2,)) == ANY
    assert members(graph, 1, (3,)) == ()


def test_cells_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one value a slot"):
        diagram((((1, 2), ANY), ((1,), ANY)))
    with pytest.raises(ValueError, match="every slot once"):
        diagram((((1, 2), ANY),), (0, 0))


def test_the_order_brings_dependent_slots_together() -> None:
    rows = [(a, b, a, b) for a in (0, 1, 2) for b in (0, 1, 2)]
    order = slot_order(rows)
    assert order == (0, 2, 1, 3)
    cells: tuple[Cell, ...] = tuple((row, ANY) for row in rows)
    assert len(diagram(cells, order).nodes) < len(diagram(cells).nodes)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, 3)),
        unique=True,
    ),
    st.permutations(range(4)),
)
def test_a_diagram_holds_exactly_its_cells(
    rows: list[tuple[int, int, int, int]], order: list[int]
) -> None:
    graph = diagram(tuple((row, ANY) for row in rows), order)
    for a in range(3):
        for b in range(3):
            for c in range(2):
                for d in range(4):
                    inside = members(graph, 4, (a, b, c, d)) == ANY
                    assert inside == ((a, b, c, d) in rows)


# ---- a worker that dies with its host ------------------------------------------------------------
UP, DOWN = 0, 1
IDLE, BUSY, DONE = range(3)


def place(*values: int, i: str | int = SELF) -> Expr:
    return member(Ref("place", i), values)


def host(value: int) -> Expr:
    return member(Ref("host"), (value,))


def line(key: str, guard: Expr, *updates: Update, resets: tuple[Reset, ...] = ()) -> Transition:
    return Transition(
        key,
        Label("event", "W", key, None, SELF),
        "A",
        (Param(SELF, "W"),),
        guard,
        updates,
        resets,
    )


def workers() -> System:
    """A worker is busy for at most 5, done after at least 3; a crash of the host clears all."""
    return System(
        "workers",
        "",
        (Family("W", None),),
        (Actor("A", "other"),),
        (
            StateVar("host", None, EnumType("host", ("up", "down")), (UP,), "location"),
            StateVar(
                "place", "W", EnumType("place", ("idle", "busy", "done")), (IDLE,), "location"
            ),
            StateVar("flag", "W", BoolType(), (0,), "data"),
        ),
        (ClockVar("x", "W", place(BUSY), "timer"),),
        (
            line(
                "start",
                conj((host(UP), place(IDLE))),
                Update("place", SELF, Lit(BUSY)),
                Update("flag", SELF, Lit(1)),
            ),
            line(
                "finish",
                conj((host(UP), place(BUSY), ClockCmp("x", SELF, ">=", 3))),
                Update("place", SELF, Lit(DONE)),
                Update("flag", SELF, Lit(0)),
            ),
            line(
                "fail",
                conj((host(UP), place(BUSY), ClockCmp("x", SELF, ">", 5))),
                Update("place", SELF, Lit(IDLE)),
            ),
            line("again", conj((host(UP), place(DONE))), Update("place", SELF, Lit(IDLE))),
            line("crash", conj((host(UP), place(BUSY))), Update("host", None, Lit(DOWN))),
            Transition(
                "restart",
                Label("event", "H", "restart"),
                "A",
                (),
                host(DOWN),
                (
                    Update("host", None, Lit(UP)),
                    Update("place", "w", Lit(IDLE), Param("w", "W")),
                    Update("flag", "w", Lit(0), Param("w", "W")),
                ),
            ),
        ),
        (Deadline("limit", "W", conj((host(UP), place(BUSY))), "x", 5, "A"),),
    )


ONE = ground(workers(), 1)
# The environment of one instance: another worker may take the host down at any time.
LOCAL = ground(
    replace(
        workers(),
        transitions=(
            *workers().transitions,
            Transition(
                "crash.other",
                Label("event", "H", "crash"),
                "A",
                (),
                host(UP),
                (Update("host", None, Lit(DOWN)),),
            ),
        ),
    ),
    1,
)
# host, place, flag; reachable without time, `fail` included: idle with the flag still set.
UNTIMED = Invariant(
    (),
    tuple(
        ((h, p, f), ANY)
        for h in (UP, DOWN)
        for p, f in ((IDLE, 0), (IDLE, 1), (BUSY, 1), (DONE, 0))
    ),
)
TIMED = Invariant(
    (0,),
    tuple(
        cell
        for h in (UP, DOWN)
        for cell in (
            ((h, IDLE, 0), ANY),
            ((h, BUSY, 1), (((1, 0, 5, False),),) if h == UP else ANY),
            ((h, DONE, 0), ANY),
        )
    ),
)
FLAGGED = {"flagged": Exists("w", "W", conj((place(IDLE, i="w"), Ref("flag", "w"))))}
IDLE_DONE = {"mixed": Exists("w", "W", conj((place(DONE, i="w"), Ref("flag", "w"))))}


def per_instance(invariant: Invariant, model: Ground) -> list[Copy]:
    """One copy an instance of an invariant of `LOCAL`."""
    return [
        Copy(
            invariant,
            tuple(
                model.slot_of[(slot.variable.name, None if slot.index is None else k)]
                for slot in LOCAL.slots
            ),
            tuple(model.clock_of[(LOCAL.clocks[at].name, k)] for at in invariant.tracked),
        )
        for k in model.instances("W")
    ]


def test_an_inductive_invariant_is_accepted_and_proves_what_it_excludes() -> None:
    result = recheck(LOCAL, [identity(UNTIMED, LOCAL)], {**IDLE_DONE, "false": FALSE})
    assert result.proved
    assert result.safe == ("mixed", "false")
    assert (result.failed, result.undecided) == ((), ())
    assert result.rlimit > 0


def test_a_property_that_needs_time_fails_in_the_untimed_invariant_only() -> None:
    untimed = recheck(LOCAL, [identity(UNTIMED, LOCAL)], {**FLAGGED, **IDLE_DONE})
    assert untimed.inductive
    assert untimed.safe == ("mixed",)
    assert untimed.failed == ("safety: flagged",)
    assert not untimed.proved
    timed = recheck(LOCAL, [identity(TIMED, LOCAL)], {**FLAGGED, **IDLE_DONE})
    assert timed.proved
    assert timed.safe == ("flagged", "mixed")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_copy_an_instance_proves_a_fixed_number(n: int) -> None:
    model = ground(workers(), n)
    assert recheck(model, per_instance(UNTIMED, model), IDLE_DONE).proved
    assert recheck(model, per_instance(TIMED, model), {**FLAGGED, **IDLE_DONE}).proved


def test_copies_for_some_instances_only_do_not_speak_of_the_others() -> None:
    model = ground(workers(), 2)
    result = recheck(model, per_instance(UNTIMED, model)[:1], IDLE_DONE)
    assert result.inductive
    assert result.failed == ("safety: mixed",)


def test_an_invariant_that_ignores_the_other_instances_is_refused() -> None:
    # Inductive for one instance alone: the host never goes down while this one is not busy.
    alone = replace(UNTIMED, cells=tuple(c for c in UNTIMED.cells if c[0][:2] != (DOWN, DONE)))
    assert recheck(ONE, [identity(alone, ONE)], {}).inductive
    assert recheck(LOCAL, [identity(alone, LOCAL)], {}).failed == ("consecution: crash.other",)
    model = ground(workers(), 2)
    assert recheck(model, per_instance(alone, model), {}).failed == ("consecution: crash",)


def test_a_missing_cell_is_named_by_the_first_transition_that_needs_it() -> None:
    for missing, query in (
        ((UP, IDLE, 0), "initiation"),
        ((UP, BUSY, 1), "consecution: start"),
        ((UP, DONE, 0), "consecution: finish"),
        ((UP, IDLE, 1), "consecution: fail"),
        ((DOWN, BUSY, 1), "consecution: crash"),
    ):
        cells = tuple(cell for cell in UNTIMED.cells if cell[0] != missing)
        result = recheck(LOCAL, [identity(Invariant((), cells), LOCAL)], IDLE_DONE)
        assert result.failed[0] == query
        assert not result.inductive
        assert result.safe == ()


def test_a_zone_that_time_leaves_is_refused() -> None:
    tight = Invariant(
        (0,),
        tuple(
            (values, (((1, 0, 4, False),),) if values == (UP, BUSY, 1) else zones)
            for values, zones in TIMED.cells
        ),
    )
    assert recheck(LOCAL, [identity(tight, LOCAL)], {}).failed == ("consecution: delay",)
    strict = Invariant(
        (0,),
        tuple(
            (values, (((1, 0, 5, True),),) if values == (UP, BUSY, 1) else zones)
            for values, zones in TIMED.cells
        ),
    )
    assert recheck(LOCAL, [identity(strict, LOCAL)], {}).failed == ("consecution: delay",)


def test_a_zone_without_the_fresh_clock_is_refused() -> None:
    late = Invariant(
        (0,),
        tuple(
            (values, (((0, 1, -1, False), (1, 0, 5, False)),) if values == (UP, BUSY, 1) else zones)
            for values, zones in TIMED.cells
        ),
    )
    assert recheck(LOCAL, [identity(late, LOCAL)], {}).failed == ("consecution: start",)


def test_the_empty_invariant_is_not_initial() -> None:
    result = recheck(LOCAL, [identity(Invariant((), ()), LOCAL)], {"any": TRUE})
    assert result.failed == ("initiation",)
    assert result.safe == ()


def test_no_copy_at_all_is_the_set_of_all_states() -> None:
    result = recheck(LOCAL, [], {**IDLE_DONE, "false": FALSE})
    assert result.inductive
    assert result.safe == ("false",)
    assert result.failed == ("safety: mixed",)


def test_out_of_time_is_undecided_and_proves_nothing() -> None:
    result = recheck(LOCAL, [identity(UNTIMED, LOCAL)], IDLE_DONE, timeout_s=0)
    assert not result.proved
    assert result.safe == ()
    assert result.failed == ()
    assert [query for query, _ in result.undecided] == [
        "initiation",
        "consecution",
        "safety: mixed",
    ]
    assert result.undecided[0][1] == "time-out after 0 s"


@pytest.mark.parametrize(
    ("copy", "message"),
    [
        (Copy(UNTIMED, (0, 1)), "slot_map needs one position"),
        (Copy(UNTIMED, (0, 1, 9)), "points outside"),
        (Copy(TIMED, (0, 1, 2)), "clock_map needs one position"),
        (Copy(TIMED, (0, 1, 2), (7,)), "points outside"),
        (Copy(Invariant((), (((0, 0, 0), (((1, 0, 5, False),),)),)), (0, 1, 2)), "does not track"),
    ],
)
def test_a_copy_that_does_not_fit_is_refused(copy: Copy, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recheck(LOCAL, [copy], {})


def test_differences_of_clocks_are_judged() -> None:
    """Two clocks started together stay equal; a zone that says so is inductive."""
    active = member(Ref("v"), (1,))
    system = System(
        "pair",
        "",
        (),
        (Actor("A", "other"),),
        (StateVar("v", None, BoolType(), (0,), "data"),),
        (ClockVar("x", None, active, "raw"), ClockVar("y", None, active, "raw")),
        (
            Transition(
                "go", Label("event", "M", "go"), "A", (), neg(active), (Update("v", None, Lit(1)),)
            ),
        ),
        (),
    )
    model = ground(system, 1)
    equal: Zone = ((1, 2, 0, False), (2, 1, 0, False))
    apart = conj((active, ClockCmp("x", None, ">", 4), ClockCmp("y", None, "<=", 4)))
    invariant = Invariant((0, 1), (((0,), ANY), ((1,), (equal,))))
    assert recheck(model, [identity(invariant, model)], {"apart": apart}).proved
    weaker = Invariant((0, 1), (((0,), ANY), ((1,), (((1, 2, 1, False),),))))
    result = recheck(model, [identity(weaker, model)], {"apart": apart})
    assert result.inductive
    assert result.failed == ("safety: apart",)
    one = Invariant((1,), (((0,), ANY), ((1,), ANY)))
    assert recheck(model, [identity(one, model)], {"apart": apart}).failed == ("safety: apart",)


# ---- agreement -----------------------------------------------------------------------------------
def untimed_states(model: Ground) -> dict[tuple[int, ...], None]:
    """Breadth first through the interpreter; the System must have no clocks."""
    seen = {state.values: None for state in initial_states(model)}
    todo = [State(values, ()) for values in seen]
    while todo:
        state = todo.pop()
        for position in enabled(model, state):
            after = fire(model, state, position)
            if after.values not in seen:
                seen[after.values] = None
                todo.append(after)
    return seen


@settings(max_examples=40)
@given(systems(Shape(clocks=0)), st.integers(1, 2), st.data())
def test_reachable_states_are_inductive_and_without_one_they_are_not(
    system: System, n: int, data: st.DataObject
) -> None:
    model = ground(system, n)
    reachable = list(untimed_states(model))
    goal = member(
        Ref(model.slots[0].variable.name, model.slots[0].index),
        (data.draw(st.integers(model.slots[0].low, model.slots[0].high)),),
    )
    assert isinstance(goal, In)
    invariant = Invariant((), tuple((values, ANY) for values in reachable))
    result = recheck(model, [identity(invariant, model)], {"goal": goal})
    assert result.inductive
    assert (result.safe == ("goal",)) == all(values[0] not in goal.values for values in reachable)
    gone = data.draw(st.integers(0, len(reachable) - 1))
    fewer = Invariant((), invariant.cells[:gone] + invariant.cells[gone + 1 :])
    assert not recheck(model, [identity(fewer, model)], {}).inductive


@settings(max_examples=40)
@given(systems(Shape(clocks=3)), st.integers(1, 2), st.data())
def test_what_the_exploration_of_zones_hands_over_is_accepted(
    system: System, n: int, data: st.DataObject
) -> None:
    model = ground(system, n)
    tracked = (
        data.draw(st.lists(st.sampled_from(range(len(model.clocks))), unique=True))
        if (model.clocks)
        else []
    )
    slot = data.draw(st.sampled_from(model.slots))
    value = data.draw(st.integers(slot.low, slot.high))
    goals = {"goal": member(Ref(slot.variable.name, slot.index), (value,))}
    found = explore(model, goals, tracked=tracked, limit=3000)
    if not found.complete:
        return
    invariant = found.invariant()
    result = recheck(model, [identity(invariant, model)], goals)
    assert result.inductive
    assert (result.safe == ("goal",)) == ("goal" not in found.found)


def test_integers_below_nought_have_their_place() -> None:
    kind = IntType(-2, 1)
    system = System(
        "below",
        "",
        (),
        (Actor("A", "other"),),
        (StateVar("k", None, kind, (0,), "data"),),
        (),
        (
            Transition(
                "go", Label("event", "M", "go"), "A", (), TRUE, (Update("k", None, Lit(-2)),)
            ),
        ),
        (),
    )
    model = ground(system, 1)
    invariant = Invariant((), (((0,), ANY), ((-2,), ANY)))
    assert recheck(model, [identity(invariant, model)], {"one": member(Ref("k"), (1, -1))}).proved
