"""Every run of the product's host that a test makes is held against `rhs`, and accepted.

Owns that nothing is left out: simulated runs are caught where all of them end, recordings of real
ones in the directories of the test. A run of cores in which a bug is planted is not the product's.
What a plug-in breaks is the plug-in's, and has to be what the test says it breaks (the marker
`breaks_promises`, with the names of the assumptions).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest

from rhscheck import api
from rhscheck.hosted_runs import HostJudge
from rhscheck.simulated_runs import spec_for
from rhscheck.tracer.configuration import ClusterConfiguration, Timeouts
from rhscheck.tracer.real.step_log import repeat_steps
from rhscheck.tracer.recording import header
from rhscheck.tracer.simulator import Cluster, Cores, Run
from rhscheck.traces.format import EventLine, Finish, Loaded
from rhscheck.traces.report import TraceReport

ACCEPTED = ("conforms", "conforms-so-far")
_JUDGES: dict[Timeouts, HostJudge] = {}
REPLAYER = api.Replayer()


@dataclass(slots=True)
class Seen:
    """The simulated runs of a test; equal ones once."""

    runs: dict[str, tuple[ClusterConfiguration, Run]] = field(default_factory=dict)


@contextmanager
def simulated_runs_seen(patch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Note every run that ends while this lasts."""
    seen = Seen()
    ended = Cluster.run

    def run(cluster: Cluster) -> Run:
        made = ended(cluster)
        if cluster.cores == Cores():
            key = f"{made.seed} {made.plan} {cluster.configuration} {cluster._options}"
            seen.runs[key] = (cluster.configuration, made)
        return made

    patch.setattr(Cluster, "run", run)
    yield seen


def judged(configuration: ClusterConfiguration, run: Run) -> TraceReport:
    """What the spec says of a simulated run."""
    times = configuration.timeouts
    if times not in _JUDGES:
        _JUDGES[times] = spec_for(configuration)
    lines = tuple(EventLine(at, event) for at, event in enumerate(run.events, 2))
    made = header(configuration, source="sim", identity="", tool="", seed=run.seed)
    finish = Finish("complete" if run.finished else "truncated", len(lines) + 2, len(lines), "")
    return _JUDGES[times].report(Loaded(made, lines, (), (), finish), f"seed {run.seed}")


def host_is_innocent(report: TraceReport) -> bool:
    """Whether all that is wrong in a run, if anything is, is the plug-in's doing."""
    return report.verdict in ACCEPTED or (
        report.verdict == "violated"
        and all(one.actor == "DLL" for one in report.findings if one.verdict == "violated")
    )


def check_simulated(seen: Seen) -> None:
    """Each run is accepted by the spec; only plug-ins may break promises."""
    for configuration, run in seen.runs.values():
        report = judged(configuration, run)
        assert host_is_innocent(report), (run.seed, run.struck, report.findings)


def check_recordings(folder: Path, promises: tuple[str, ...]) -> None:
    """Each recording of a real run below `folder` is accepted, and its steps are repeated.

    `promises`: what plug-ins break in it.
    """
    for path in sorted(folder.rglob("*.jsonl")):
        content = path.read_bytes()
        if content.startswith(b'{"node"') and b'"format":"rhs-steps/1"' in content[:10_000]:
            assert repeat_steps(BytesIO(content)).difference is None, path
        elif b'"src":"runtime"' in content.partition(b"\n")[0] and b'"ev":"call"' in content:
            report = REPLAYER.replay(str(path))
            if promises:
                broken = {one.rule for one in report.findings}
                assert host_is_innocent(report), report.findings
                assert broken == set(promises), report.findings
            else:
                assert report.verdict in ACCEPTED, (path, report.findings)


@pytest.fixture(autouse=True)
def everything_is_accepted(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Holds for each test of a directory whose `conftest.py` imports it."""
    folder: Path | None = None
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
    marker = request.node.get_closest_marker("breaks_promises")
    with simulated_runs_seen(monkeypatch) as seen:
        yield
    check_simulated(seen)
    if folder is not None and request.node.get_closest_marker("breaks_rules") is None:
        check_recordings(folder, () if marker is None else marker.args)
