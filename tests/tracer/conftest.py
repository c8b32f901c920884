"""What tests of real processes share: one replayer, and runs that a failed test left are ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_cluster import SCALE, Run, Start, start

from rhscheck import api


@pytest.fixture(scope="session")
def replayer() -> api.Replayer:
    """Judges every trace: preparing the spec takes longer than judging one."""
    return api.Replayer()


@pytest.fixture
def cluster(replayer: api.Replayer) -> Iterator[Start]:
    """`real_cluster.start`, with the end of every run made sure."""
    runs: list[Run] = []

    def begin(folder: Path, cluster: str, plugin: str = "", *, scale: int = SCALE) -> Run:
        run = start(folder, cluster, plugin, scale=scale)
        run.replayer = replayer
        runs.append(run)
        return run

    yield begin
    for run in runs:
        if run.thread is not None and run.thread.is_alive():
            run.runtime.abort()
            run.thread.join()
