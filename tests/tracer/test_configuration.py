"""Contradictions of a cluster's configuration, all at once and with what to do."""

from __future__ import annotations

import pytest

from rhscheck.tracer.configuration import (
    ClusterConfiguration,
    GroupConfiguration,
    ResourceConfiguration,
    RestartPolicy,
    Timeouts,
    problems,
)
from rhscheck.tracer.real.scale import hint


def messages(configuration: ClusterConfiguration) -> list[str]:
    return [one.message for one in problems(configuration)]


def test_a_usable_cluster_has_no_problems() -> None:
    resources = (
        ResourceConfiguration("a", "g"),
        ResourceConfiguration("b", "g", depends_on=("a",), monitor="own"),
    )
    cluster = ClusterConfiguration(resources, nodes=("n1", "n2"))
    assert messages(cluster) == []
    assert cluster.monitors == ("shared", "own")
    assert [one.name for one in cluster.all_groups] == ["g"]


def test_every_problem_is_reported() -> None:
    cluster = ClusterConfiguration(
        (
            ResourceConfiguration("a", "g", depends_on=("x",)),
            ResourceConfiguration("a", "g"),
            ResourceConfiguration("c", "h", depends_on=("a",), monitor=""),
            ResourceConfiguration(
                "RHS d", "g", monitor="a (own)", restart=RestartPolicy(threshold=-1)
            ),
        ),
        groups=(GroupConfiguration("g", nodes=("n9",), failovers=-1),),
        nodes=("n1", "n2", "n3"),
        timeouts=Timeouts(pending_us=0),
    )
    assert messages(cluster) == [
        "the time-out `pending` must be more than 0",
        "`a` is there twice; rename one",
        "there are 3 nodes; at most 2 are possible",
        "there is no node `n9`",
        "`failovers` must be 0 or more",
        "`a` depends on `x`, which does not exist",
        "`c` depends on `a` of another group (`g`); a group is owned by one node as a whole, so "
        "put them into one group",
        "a monitor needs a name",
        "`threshold` must be 0 or more",
        "names that end in `(own)` are for resources that are isolated later",
        "names that begin with `RHS ` are for host processes",
    ]


def test_a_circle_is_reported_once() -> None:
    resources = (
        ResourceConfiguration("a", "g", depends_on=("b",)),
        ResourceConfiguration("b", "g", depends_on=("c",)),
        ResourceConfiguration("c", "g", depends_on=("a",)),
        ResourceConfiguration("d", "g", depends_on=("d",)),
    )
    assert messages(ClusterConfiguration(resources)) == [
        "`a` depends on itself: a → b → c → a",
        "`d` depends on itself: d → d",
    ]


def test_a_scale_that_a_machine_may_not_keep_is_told() -> None:
    assert hint(Timeouts().scaled(200), 200) == ""
    assert hint(Timeouts(call_us=1), 1) == ""
    assert hint(Timeouts().scaled(1_000), 1_000) == (
        "--time-scale 1000 leaves 180 ms for a call and 5 ms between polls, which a busy machine "
        "may not keep: what hangs, does not load or is late may do so for that alone"
    )


def test_a_scale_that_no_machine_keeps_is_told_with_one_that_it_does() -> None:
    """It was told like one that a busy machine may not keep."""
    assert hint(Timeouts().scaled(10_000), 10_000) == (
        "--time-scale 10000 leaves 18 ms for a call: real threads and processes miss such "
        "deadlines, so what fails or is restarted now shows nothing; take 360 or less"
    )
    short = Timeouts(call_us=1_000_000).scaled(100)
    assert hint(short, 100).endswith("shows nothing; take 2 or less")


def test_times_are_scaled_and_never_vanish() -> None:
    scaled = Timeouts(looks_alive_us=50).scaled(100)
    assert (scaled.call_us, scaled.looks_alive_us) == (3_000_000, 1)
    assert Timeouts().scaled(2.5).call_us == 120_000_000
    assert Timeouts().scaled(0.5).dump_us == 120_000_000
    for divisor in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="a number above 0"):
            Timeouts().scaled(divisor)
