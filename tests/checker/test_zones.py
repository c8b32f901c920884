"""Zone operations against membership of sample points (eighths of a unit, exactly)."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhscheck.checker import zones
from rhscheck.checker.zones import Constraint, Zone

DIM = 3
Point = tuple[Fraction, ...]
GRID: list[Point] = [
    (Fraction(0), Fraction(x, 4), Fraction(y, 4)) for x, y in product(range(17), repeat=2)
]
DELAYS = [Fraction(k, 8) for k in range(33)]


def holds(constraint: Constraint, point: Point) -> bool:
    i, j, bound = constraint
    value, strict = zones.decoded(bound)
    distance = point[i] - point[j]
    return distance < value if strict else distance <= value


def contains(zone: Zone | None, point: Point) -> bool:
    return zone is not None and all(
        zone[i * DIM + j] == zones.INFINITE or holds((i, j, zone[i * DIM + j]), point)
        for i in range(DIM)
        for j in range(DIM)
    )


def points(zone: Zone | None) -> set[Point]:
    return {point for point in GRID if contains(zone, point)}


constraints = st.builds(
    lambda pair, value, strict: (*pair, zones.encoded(value, strict)),
    st.sampled_from([(i, j) for i in range(DIM) for j in range(DIM) if i != j]),
    st.integers(-3, 4),
    st.booleans(),
)


@st.composite
def some_zones(draw: st.DrawFn) -> Zone:
    zone = zones.universe(DIM)
    for constraint in draw(st.lists(constraints, max_size=5)):
        zone = zones.intersected(zone, DIM, (constraint,)) or zone
    return zone


def test_bounds_are_ordered_and_added_as_what_they_say() -> None:
    assert zones.encoded(3, True) < zones.encoded(3, False) < zones.encoded(4, True)
    assert zones.added(zones.encoded(3, True), zones.encoded(-5, False)) == zones.encoded(-2, True)
    assert zones.added(zones.encoded(3, False), zones.encoded(4, False)) == zones.encoded(7, False)
    assert zones.added(zones.INFINITE, zones.encoded(-5, False)) == zones.INFINITE
    assert zones.decoded(zones.encoded(-7, True)) == (-7, True)


def test_the_complement_of_at_most_is_more_than() -> None:
    assert zones.complement((1, 0, zones.encoded(5, False))) == (0, 1, zones.encoded(-5, True))
    assert zones.complement((0, 1, zones.encoded(-5, True))) == (1, 0, zones.encoded(5, False))


@given(some_zones(), st.lists(constraints, max_size=4))
def test_an_intersection_has_the_points_of_both(zone: Zone, more: list[Constraint]) -> None:
    both = zones.intersected(zone, DIM, more)
    assert points(both) == {p for p in points(zone) if all(holds(c, p) for c in more)}
    if both is not None:
        assert zones.closed(both, DIM) == both
        assert zones.included(both, zone)


@given(some_zones(), some_zones())
def test_inclusion_is_that_of_the_points(left: Zone, right: Zone) -> None:
    if zones.included(left, right):
        assert points(left) <= points(right)
    else:
        assert zones.without(left, DIM, zones.minimal(right, DIM))


@given(some_zones(), st.lists(st.tuples(st.integers(1, 2), st.integers(0, 4), st.booleans())))
def test_a_delay_ends_within_the_limits(zone: Zone, bounds: list[tuple[int, int, bool]]) -> None:
    limits = [(clock, 0, zones.encoded(bound, strict)) for clock, bound, strict in bounds]
    later = zones.elapsed(zone, DIM, limits)
    assert points(later) == {
        p
        for p in GRID
        if all(holds(limit, p) for limit in limits)
        and any(contains(zone, (p[0], p[1] - d, p[2] - d)) for d in DELAYS)
    }


@given(some_zones())
def test_what_precedes_a_zone_gets_there_by_a_delay(zone: Zone) -> None:
    delays = [Fraction(k, 8) for k in range(64)]
    before = zones.preceding(zone, DIM)
    sample = GRID[::5]
    assert {p for p in sample if contains(before, p)} == {
        p for p in sample if any(contains(zone, (p[0], p[1] + d, p[2] + d)) for d in delays)
    }


@given(some_zones(), st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_moving_copies_clocks_and_starts_others(zone: Zone, sources: tuple[int, int]) -> None:
    moved = zones.moved(zone, zones.gather(DIM, sources))
    assert zones.closed(moved, DIM) == moved
    grid = [*GRID, *((Fraction(0), p[1] + 4, p[2]) for p in GRID)]
    reached = {(p[0], p[sources[0]], p[sources[1]]) for p in grid if contains(zone, p)}
    assert {p for p in reached if p in GRID} <= points(moved)
    assert all(contains(moved, p) for p in reached)
    if set(sources) == {1, 2} or sources == (0, 0):
        assert points(moved) <= reached


@given(some_zones(), st.lists(constraints, min_size=1, max_size=4))
def test_a_difference_is_disjoint_and_complete(zone: Zone, removed: list[Constraint]) -> None:
    rest = zones.without(zone, DIM, removed)
    found = [p for part in rest for p in points(part)]
    assert len(found) == len(set(found))
    assert set(found) == {p for p in points(zone) if not all(holds(c, p) for c in removed)}


@given(some_zones())
def test_minimal_constraints_say_the_same_and_none_is_superfluous(zone: Zone) -> None:
    kept = zones.minimal(zone, DIM)
    matrix = [zones.INFINITE] * (DIM * DIM)
    for k in range(DIM):
        matrix[k * DIM + k] = zones.AT_MOST_ZERO
    for i, j, bound in kept:
        matrix[i * DIM + j] = bound
    assert zones.closed(matrix, DIM) == zone
    for i, j, bound in kept:
        weaker = list(matrix)
        weaker[i * DIM + j] = zones.INFINITE
        assert zones.closed(weaker, DIM)[i * DIM + j] > bound


def test_clocks_at_a_fixed_distance_need_two_constraints() -> None:
    zone = zones.intersected(
        zones.universe(DIM),
        DIM,
        ((1, 2, zones.encoded(2, False)), (2, 1, zones.encoded(-2, False))),
    )
    assert zone is not None
    assert zones.minimal(zone, DIM) == (
        (0, 1, zones.encoded(-2, False)),
        (1, 2, zones.encoded(2, False)),
        (2, 1, zones.encoded(-2, False)),
    )


def test_extrapolation_forgets_what_no_comparison_sees() -> None:
    # x = 7 and y between 5 and 6, compared with 3 and 4 at most.
    zone = zones.intersected(
        zones.universe(DIM),
        DIM,
        (
            (1, 0, zones.encoded(7, False)),
            (0, 1, zones.encoded(-7, False)),
            (2, 0, zones.encoded(6, False)),
            (0, 2, zones.encoded(-5, False)),
        ),
    )
    assert zone is not None
    wide = zones.extrapolated(zone, DIM, (0, 3, 4))
    assert zones.minimal(wide, DIM) == (
        (0, 1, zones.encoded(-3, True)),
        (0, 2, zones.encoded(-4, True)),
    )
    assert zones.extrapolated(zone, DIM, (0, 7, 6)) == zone


def _region(point: Point, maxima: tuple[int, ...]) -> tuple[object, ...]:
    """What comparisons with constants, now and after delays, can tell about a point."""
    live = [k for k in range(1, DIM) if point[k] <= maxima[k]]
    fraction = {k: point[k] - int(point[k]) for k in live}
    return (
        tuple(int(point[k]) if k in live else -1 for k in range(1, DIM)),
        tuple(fraction[k] == 0 for k in live),
        tuple(fraction[a] < fraction[b] for a in live for b in live),
    )


@settings(max_examples=25)
@given(some_zones(), st.integers(0, 3), st.integers(0, 3))
def test_extrapolation_adds_only_what_looks_the_same(zone: Zone, one: int, two: int) -> None:
    maxima = (0, one, two)
    wide = zones.extrapolated(zone, DIM, maxima)
    assert zones.included(zone, wide)
    fine = [(Fraction(0), Fraction(x, 4), Fraction(y, 4)) for x, y in product(range(35), repeat=2)]
    looks = {_region(p, maxima) for p in fine if contains(zone, p)}
    assert {_region(p, maxima) for p in points(wide)} <= looks


def test_an_inconsistent_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match="inconsistent"):
        zones.closed([1, zones.encoded(-3, False), zones.encoded(2, False), 1], 2)
