"""What tests of real processes share: runs that a failed test left are broken off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from real_cluster import SCALE, Run, Start, start

from rhscheck import api, hosted_runs
from rhscheck.hosted_runs import HostJudge
from rhscheck.spec.load import Loaded
from rhscheck.spec.system import System


@pytest.fixture(scope="session")
def spec_read_once() -> Iterator[None]:
    """The shipped spec is the same for all traces; preparing it takes longer than judging one."""
    read: dict[tuple[str, tuple[tuple[str, str], ...]], Loaded] = {}
    load = api.load

    def load_once(spec: str, settings: Mapping[str, str] | None = None) -> Loaded:
        key = (spec, tuple((settings or {}).items()))
        if key not in read:
            read[key] = load(spec, settings)
        return read[key]

    made: dict[int, HostJudge] = {}

    def judge_once(system: System) -> HostJudge:
        if id(system) not in made:  # each System stays alive in `read`
            made[id(system)] = HostJudge(system)
        return made[id(system)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "load", load_once)
        patch.setattr(hosted_runs, "HostJudge", judge_once)
        yield


@pytest.fixture
def cluster(spec_read_once: None) -> Iterator[Start]:
    """`real_cluster.start`, with the end of every run made sure."""
    runs: list[Run] = []

    def begin(folder: Path, cluster: str, plugin: str = "", *, scale: int = SCALE) -> Run:
        run = start(folder, cluster, plugin, scale=scale)
        runs.append(run)
        return run

    yield begin
    for run in runs:
        if run.thread is not None and run.thread.is_alive():
            run.runtime.abort()
            run.thread.join()
