"""The explorer on Systems with known answers, and against plain search in small ticks."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_systems import TASK, Shape, _Maker, _Scope, systems
from timed_systems import (
    both_critical,
    clock,
    fischer,
    mortal_host,
    pending,
    single,
)

from rhscheck.checker.explore import Exploration, Tight, explore
from rhscheck.checker.recheck import identity, recheck
from rhscheck.spec.compiled import compile_ground, untimed
from rhscheck.spec.expr import TRUE, Exists, Expr, Ref, conj, member
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.semantics import (
    State,
    delay_bound,
    elapse,
    enabled,
    evaluate,
    fire,
    initial_states,
)
from rhscheck.spec.system import TIME, System


def exact(at: Ground, **goals: Expr) -> Exploration:
    return explore(at, goals, tracked=range(len(at.clocks)))


def names(at: Ground, positions: tuple[int, ...]) -> list[str]:
    return [str(at.transitions[position].label) for position in positions]


# ---- known answers -------------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "states", "nodes"), [(1, 4, 4), (2, 18, 21), (3, 65, 115)])
def test_fischer_excludes_when_it_waits_longer_than_it_sets(
    n: int, states: int, nodes: int
) -> None:
    at = ground(fischer(2, ">", 2), n)
    found = exact(at, both=at.expand(both_critical(), {}))
    assert found.complete
    assert (found.states, found.zones) == (states, nodes)
    assert found.found == {}
    assert found.stuck == ()


def test_fischer_fails_when_it_may_enter_at_the_last_moment_of_setting() -> None:
    at = ground(fischer(2, ">=", 2), 2)
    found = exact(at, both=at.expand(both_critical(), {}))
    initial, positions = found.path(found.found["both"])
    assert initial == (0, 0, 0)
    assert names(at, positions) == [
        "P[1]: try",
        "P[2]: try",
        "P[1]: set",
        "P[1]: enter",
        "P[2]: set",
        "P[2]: enter",
    ]
    assert found.states == 28


def test_without_clocks_fischer_is_over_approximated() -> None:
    at = ground(fischer(2, ">", 2), 2)
    found = explore(at, {"both": at.expand(both_critical(), {})})
    assert (found.complete, found.states, found.zones) == (True, 28, 28)
    assert len(found.path(found.found["both"])[1]) == 6
    assert found.transitions_taken == (True,) * 10


def test_one_tracked_clock_is_between_none_and_all() -> None:
    at = ground(fischer(2, ">", 2), 2)
    found = explore(at, {"both": at.expand(both_critical(), {})}, tracked=[0])
    assert found.tracked == (0,)
    assert found.complete
    assert 18 < found.states <= 28


def test_a_restarted_timer_fires_only_if_reports_may_be_late() -> None:
    in_time = exact(ground(pending(2, 3), 1), up=member(Ref("op", 1), (3,)))
    assert in_time.found == {}
    assert in_time.transitions_taken == (True, True, True, False)
    late = exact(ground(pending(4, 3), 1), up=member(Ref("op", 1), (3,)))
    assert late.path(late.found["up"]) == ((0,), (0, 3))
    # Untimed the timer may fire at any time: a proof needs both clocks.
    assert explore(ground(pending(2, 3), 1), {"up": member(Ref("op", 1), (3,))}).found == {"up": 3}


def test_a_clock_never_grows_beyond_what_tells_states_apart() -> None:
    # `total` has no upper bound: without extrapolation each report would give a new zone.
    found = exact(ground(pending(2, 3), 2))
    assert found.complete
    assert found.states == 9


def test_a_dying_host_stops_the_clocks_of_its_instances() -> None:
    at = ground(mortal_host(), 2)
    found = exact(
        at,
        late=conj((member(Ref("host"), (0,)), clock("running", ">", 3, of=1))),
        dying=conj((member(Ref("host"), (1,)), clock("running", ">", 0, of=1))),
        dump=clock("dump", ">=", 2, of=None),
        long=clock("dump", ">", 2, of=None),
    )
    assert set(found.found) == {"dump"}
    assert names(at, found.path(found.found["dump"])[1]) == ["P[1]: call", "P[1]: expire"]
    assert found.complete
    assert found.stuck == ()
    assert [tight.reached for tight in found.tight] == [True, True, True]


def test_a_delay_may_follow_the_last_step() -> None:
    system = single(2, [("go", "Host", 0, 1, TRUE, ())], {"x": (1,)}, [])
    found = exact(ground(system, 1), later=clock("x", ">", 7, of=None))
    assert found.path(found.found["later"]) == ((0,), (0,))


def test_a_goal_may_hold_only_before_any_delay() -> None:
    # A step makes a deadline active that its clock has passed: the state exists, time stops.
    system = single(
        2,
        [("go", "Host", 0, 1, clock("x", ">=", 5, of=None), ())],
        {"x": (0, 1)},
        [("late", (1,), "x", 3, "Host", False)],
    )
    found = exact(
        ground(system, 1),
        there=conj((member(Ref("at"), (1,)), clock("x", "<=", 5, of=None))),
    )
    node = found.found["there"]
    assert found.path(node) == ((0,), (0,))
    assert found.stuck == (node,)
    assert found.tight == (Tight(0, True, node, None),)


def test_canonical_order_prefers_transitions_over_initial_states() -> None:
    system = single(
        3,
        [
            ("long", "Host", 0, 2, TRUE, ()),
            ("short", "Host", 1, 2, TRUE, ()),
        ],
        {},
        [],
    )
    (variable,) = system.variables
    both = System(
        **{
            **{name: getattr(system, name) for name in System.__dataclass_fields__},
            "variables": (type(variable)("at", None, variable.type, (1, 0), "location", "M"),),
        }
    )
    found = explore(ground(both, 1), {"end": member(Ref("at"), (2,))})
    # Initial state 1 comes first, but transition 0 is less than transition 1.
    assert found.path(found.found["end"]) == ((0,), (0,))


# ---- deadlines -----------------------------------------------------------------------------------
def waiting(owner: str, *, strict: bool = False, guard: Expr = TRUE) -> Exploration:
    system = single(
        2,
        [("act", "Host", 0, 1, guard, ())],
        {"x": (0,)},
        [("due", (0,), "x", 3, owner, strict)],
    )
    return exact(ground(system, 1))


def test_a_step_of_the_owner_at_the_bound_is_in_order() -> None:
    assert waiting("Host").tight == (Tight(0, True, None, None),)
    assert waiting("Host", guard=clock("x", ">=", 3, of=None)).tight == (
        Tight(0, True, None, None),
    )


def test_a_step_of_somebody_else_at_the_bound_is_forced() -> None:
    found = waiting("Plugin")
    assert found.tight == (Tight(0, True, None, 0),)
    assert found.stuck == ()


def test_no_step_at_the_bound_is_a_timelock() -> None:
    found = waiting("Host", guard=clock("x", "<", 3, of=None))
    assert found.tight == (Tight(0, True, 0, None),)
    assert found.stuck == (0,)


def test_a_strict_bound_needs_a_step_before_it() -> None:
    assert waiting("Host", strict=True).tight == (Tight(0, True, None, None),)
    assert waiting("Host", strict=True, guard=clock("x", ">", 2, of=None)).stuck == ()
    assert waiting("Host", strict=True, guard=clock("x", ">=", 3, of=None)).stuck == (0,)
    # Beyond 2 nobody steps any more, and 3 is never reached.
    assert waiting("Host", strict=True, guard=clock("x", "<=", 2, of=None)).stuck == (0,)


def test_an_urgent_state_without_a_step_is_a_timelock_in_every_mode() -> None:
    system = single(
        2, [("go", "Host", 0, 1, TRUE, ())], {"x": (0,)}, [("now", (1,), None, 0, "Host", False)]
    )
    assert exact(ground(system, 1)).stuck == (1,)
    assert explore(ground(system, 1), {}).stuck == (1,)


def test_only_steps_that_count_keep_time_going() -> None:
    at = ground(fischer(2, ">", 2), 2)
    setting = [k for k, t in enumerate(at.transitions) if t.template.key == "set"]
    others = [k for k in range(len(at.transitions)) if k not in setting]
    without = explore(at, {}, tracked=(0, 1), progress=others)
    assert [tight.timelock is not None for tight in without.tight] == [True, True]
    assert explore(at, {}, tracked=(0, 1), progress=setting).stuck == ()


# ---- limits and bad arguments --------------------------------------------------------------------
def test_a_limit_makes_the_result_incomplete_and_says_so() -> None:
    at = ground(fischer(2, ">", 2), 3)
    for tracked in ((), (0, 1, 2)):
        found = explore(at, {}, tracked=tracked, limit=20)
        assert not found.complete
        assert found.reason == "there are more than 20 states to visit"
        with pytest.raises(ValueError, match="incomplete"):
            found.invariant()


def test_a_search_can_be_cancelled() -> None:
    at = ground(mortal_host(), 6)
    found = explore(at, {}, cancelled=lambda: True)
    assert (found.complete, found.reason) == (False, "cancelled")


def test_a_search_can_stop_when_all_goals_are_found() -> None:
    at = ground(fischer(2, ">=", 2), 3)
    goals = {"both": at.expand(both_critical(), {})}
    stopped = explore(at, goals, stop_when_all_found=True)
    assert (stopped.complete, stopped.reason) == (False, "every goal was found")
    whole = explore(at, goals)
    assert whole.complete
    assert stopped.path(stopped.found["both"]) == whole.path(whole.found["both"])


def test_unknown_clocks_and_foreign_code_are_refused() -> None:
    at, other = ground(fischer(2, ">", 2), 2), ground(fischer(2, ">", 2), 3)
    with pytest.raises(ValueError, match="clocks"):
        explore(at, {}, tracked=[2])
    with pytest.raises(ValueError, match="another Ground"):
        explore(at, {}, compiled=compile_ground(other))


# ---- invariants ----------------------------------------------------------------------------------
@pytest.mark.parametrize("tracked", [(), (0,), (0, 1)])
def test_what_was_reached_is_inductive(tracked: tuple[int, ...]) -> None:
    at = ground(fischer(2, ">", 2), 2)
    bad = {"both": at.expand(both_critical(), {})}
    invariant = explore(at, {}, tracked=tracked).invariant()
    judged = recheck(at, [identity(invariant, at)], bad)
    assert judged.inductive
    assert judged.safe == (("both",) if tracked == (0, 1) else ())


@pytest.mark.parametrize("system", [pending(2, 3), mortal_host()])
def test_invariants_with_extrapolated_and_inactive_clocks_are_inductive(system: System) -> None:
    at = ground(system, 1)
    invariant = exact(at).invariant()
    assert recheck(at, [identity(invariant, at)], {}).proved


@settings(max_examples=15)
@given(st.data())
def test_every_invariant_is_accepted_by_an_independent_check(data: st.DataObject) -> None:
    at = ground(data.draw(systems(Shape(diagonals=True))), data.draw(st.integers(1, 2)))
    positions = st.sampled_from(range(len(at.clocks))) if at.clocks else st.nothing()
    tracked = data.draw(st.lists(positions, unique=True))
    found = explore(at, {}, tracked=tracked, limit=400)
    if found.complete:
        judged = recheck(at, [identity(found.invariant(), at)], {}, timeout_s=20)
        assert judged.inductive or judged.undecided


# ---- against plain search ------------------------------------------------------------------------
DEPTH = 3


class Ticks:
    """Everything within DEPTH steps in ticks so small that no behaviour is lost."""

    def __init__(self, at: Ground) -> None:
        self.at = at
        self.tick = Fraction(1, DEPTH + 2)
        self.most = 6 + self.tick  # beyond all constants drawn
        self.layers = [self.delayed(list(initial_states(at)))]
        for _ in range(DEPTH):
            after = [fire(at, s, p) for s in self.layers[-1] for p in enabled(at, s)]
            self.layers.append(self.delayed(after))

    def delayed(self, states: list[State]) -> list[State]:
        found = dict.fromkeys(states)
        waiting = list(found)
        while waiting:
            state = waiting.pop()
            if delay_bound(self.at, state).allows(self.tick):
                later = elapse(self.at, state, self.tick)
                later = State(later.values, tuple(min(x, self.most) for x in later.clocks))
                if later not in found:
                    found[later] = None
                    waiting.append(later)
        return list(found)

    def least(self, length: int, goal: Expr) -> tuple[int, ...] | None:
        """The lexicographically least transitions of a run of this length to the goal."""

        def search(states: list[State], left: int) -> tuple[int, ...] | None:
            if not left:
                return () if any(evaluate(goal, self.at, s) for s in states) else None
            for position in range(len(self.at.transitions)):
                after = [
                    fire(self.at, s, position) for s in states if position in enabled(self.at, s)
                ]
                rest = search(self.delayed(after), left - 1) if after else None
                if rest is not None:
                    return (position, *rest)
            return None

        return search(self.layers[0], length)


@st.composite
def cases(draw: st.DrawFn, shape: Shape) -> tuple[Ground, Expr]:
    system = draw(systems(shape))
    at = ground(system, draw(st.integers(1, 2)))
    maker = _Maker(draw, replace(shape, quantifiers=False), system.variables, system.clocks)
    scope = _Scope((("i", TASK),))
    parts = [maker.atom(scope, timed=True) for _ in range(3)]
    return at, at.expand(Exists("i", TASK, conj(parts)), {})


SMALL = Shape(clocks=2, transitions=5)


@settings(max_examples=40)
@given(cases(SMALL))
def test_the_first_path_found_is_the_shortest_and_least(case: tuple[Ground, Expr]) -> None:
    at, goal = case
    found = exact(at, goal=goal)
    assert found.complete
    ticks = Ticks(at)
    lengths = [
        length
        for length, states in enumerate(ticks.layers)
        if any(evaluate(goal, at, state) for state in states)
    ]
    if not lengths:
        assert "goal" not in found.found or len(found.path(found.found["goal"])[1]) > DEPTH
        return
    _, positions = found.path(found.found["goal"])
    assert len(positions) == lengths[0]
    assert positions == ticks.least(lengths[0], goal)
    # Fewer clocks never reach less, and never later.
    over = explore(at, {"goal": goal})
    assert over.path(over.found["goal"])[1] <= positions or len(
        over.path(over.found["goal"])[1]
    ) < len(positions)


@settings(max_examples=40)
@given(cases(SMALL))
def test_every_state_reached_is_in_the_invariant(case: tuple[Ground, Expr]) -> None:
    at, _ = case
    ticks = Ticks(at)
    # A clock at the cap stands for all later times: not a state to look for.
    states = [
        state for layer in ticks.layers for state in layer if max(state.clocks, default=0) < 6
    ]
    for tracked in ((), (0,), tuple(range(len(at.clocks)))):
        if any(k >= len(at.clocks) for k in tracked):
            continue
        invariant = explore(at, {}, tracked=tracked).invariant()
        cells = dict(invariant.cells)
        for state in states:
            shown = (Fraction(0), *(state.clocks[k] for k in invariant.tracked))
            assert any(
                all(
                    shown[i] - shown[j] < bound or (shown[i] - shown[j] == bound and not strict)
                    for i, j, bound, strict in zone
                )
                for zone in cells[state.values]
            )


@settings(max_examples=40)
@given(cases(Shape(clocks=2, transitions=5, closed=True)))
def test_deadlines_are_judged_as_the_semantics_does(case: tuple[Ground, Expr]) -> None:
    at, _ = case
    found = exact(at)
    ticks = Ticks(at)
    stuck: dict[tuple[int, ...], int] = {}
    forced = reached = False
    for length, states in enumerate(ticks.layers):
        for state in states:
            limit = delay_bound(at, state)
            if limit.limit != 0:
                continue
            reached = True
            actors = [at.transitions[position].actor for position in enabled(at, state)]
            if not actors:
                stuck.setdefault(state.values, length)
                continue
            owners = {
                deadline.owner
                for deadline in at.deadlines
                if evaluate(deadline.active, at, state)
                and (deadline.clock is None or state.clocks[deadline.clock] >= deadline.bound)
            }
            forced = forced or not any(actor in owners | {TIME} for actor in actors)
    shown = {found.values(node): len(found.path(node)[1]) for node in found.stuck}
    assert {values: k for values, k in shown.items() if k <= DEPTH} == stuck
    if forced:
        assert any(tight.forced is not None for tight in found.tight)
    if reached:
        assert any(tight.reached for tight in found.tight)


@settings(max_examples=40)
@given(cases(Shape()))
def test_untimed_exploration_is_plain_reachability(case: tuple[Ground, Expr]) -> None:
    at, goal = case
    found = explore(at, {"goal": goal})
    weak = untimed(goal)
    known = {state.values: 0 for state in initial_states(at)}
    waiting = list(known)
    taken = set()
    compiled = compile_ground(at)
    for values in waiting:
        for position in range(len(at.transitions)):
            if compiled.guards[position](values):
                taken.add(position)
                after = compiled.fire[position](values)
                if after not in known:
                    known[after] = known[values] + 1
                    waiting.append(after)
    assert found.states == len(known)
    assert {k for k, was in enumerate(found.transitions_taken) if was} == taken
    lengths = [
        k for values, k in known.items() if evaluate(weak, at, State(values, (0,) * len(at.clocks)))
    ]
    assert ("goal" in found.found) == bool(lengths)
    if lengths:
        assert len(found.path(found.found["goal"])[1]) == min(lengths)
