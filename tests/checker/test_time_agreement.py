"""Where rhscheck says that time cannot stop, for every N, a brute force over all regions agrees.

A bounded response means nothing in a run whose time stands still: "proved for every N" rests on it.
The texts are drawn from seeds, so that every run of the tests asks the same.
"""

from __future__ import annotations

from collections import Counter

import pytest
from time_referee import TooManyRegions, time_stops
from timed_texts import timed_text

from rhscheck.checker.certificate import _progress
from rhscheck.checker.local import Dependence
from rhscheck.checker.local_time import time_for_every
from rhscheck.checker.local_time import time_stops as said_to_stop
from rhscheck.checker.verify import Options, task_of
from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.ground import ground
from rhscheck.spec.load import load_source
from rhscheck.spec.source import Source
from rhscheck.spec.system import System

REGIONS = 400  # a text with more is not judged further


def drawn(seed: int) -> System | None:
    try:
        return load_source(Source("drawn.sm", timed_text(seed))).system
    except SpecErrors:
        return None  # what a text declares it has to use


def judged(seed: int, most: int) -> Counter[str]:
    """What is said about a text, and what is so, for up to `most` instances; asserts agreement."""
    system = drawn(seed)
    if system is None:
        return Counter()
    task = task_of(system, Options(findings=False))
    model = task.weave([])
    assert not isinstance(model.abstraction, Dependence)
    every = time_for_every(task).reason is None
    certified = _progress(system, system.assumptions, None) is not None
    told: Counter[str] = Counter({"verify": every, "certify": certified})
    for n in range(1, most + 1):
        try:
            way = time_stops(ground(model.system, n), REGIONS)
        except TooManyRegions:
            break
        told["goes on" if way is None else "stops"] += 1
        if way is None:
            continue
        assert not every, f"seed {seed}: verify says that time goes on, N={n}: {way}"
        assert not certified, f"seed {seed}: certify says that time goes on, N={n}: {way}"
        assert said_to_stop(task, n) is not None, f"seed {seed}: not seen for N={n}: {way}"
        break
    return told


# Each of these was once told wrongly, in one of several ways.
TOLD_WRONGLY = (32, 139, 141, 154, 238, 251, 367, 535, 557, 602)


@pytest.mark.parametrize("seed", TOLD_WRONGLY)
def test_time_stops_and_nobody_says_that_it_goes_on(seed: int) -> None:
    assert judged(seed, 2)["stops"] == 1


def test_where_time_is_said_to_go_on_it_does() -> None:
    told = sum((judged(seed, 3) for seed in range(1_000, 1_028)), Counter[str]())
    assert told["verify"] >= 8
    assert told["certify"] >= 8
    assert told["goes on"] >= 20
    assert told["stops"] >= 3
