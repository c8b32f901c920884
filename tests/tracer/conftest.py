"""What tests of real processes share: one replayer, and runs that a failed test left are ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from accepted import (
    REPLAYER,
    check_recordings,
    everything_is_accepted,  # noqa: F401  a fixture for every test
)
from real_cluster import SCALE, Run, Start, start

from rhscheck import api


@pytest.fixture(scope="session")
def replayer() -> api.Replayer:
    """Judges every trace: preparing the spec takes longer than judging one."""
    return REPLAYER


@pytest.fixture
def cluster(replayer: api.Replayer, request: pytest.FixtureRequest) -> Iterator[Start]:
    """`real_cluster.start`, with the end of every run made sure, and its recording judged."""
    runs: list[Run] = []

    def begin(folder: Path, cluster: str, plugin: str = "", *, scale: float = SCALE) -> Run:
        run = start(folder, cluster, plugin, scale=scale)
        run.replayer = replayer
        runs.append(run)
        return run

    yield begin
    for run in runs:
        if run.thread is not None and run.thread.is_alive():
            run.runtime.abort()
            run.thread.join()
        assert run.left_running() == []
    for folder in dict.fromkeys(run.folder for run in runs):
        if "tmp_path" not in request.fixturenames:  # else that is looked through anyway
            check_recordings(folder, ())
