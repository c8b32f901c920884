"""What tests of real processes share: runs that a failed test left are broken off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_cluster import SCALE, Run, Start, start


@pytest.fixture
def cluster() -> Iterator[Start]:
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
