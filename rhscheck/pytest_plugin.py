"""The pytest plug-in: a test fails, with the report as its message, if a run breaks the spec.

Owns the fixture `conformance`, and when what belongs to a test is judged; what its markers say is
`pytest_marker`'s. pytest loads this module in every run of every project that has rhscheck
installed: so it imports nothing but pytest, and does nothing unless a test asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rhscheck.pytest_marker import MARKER, Marked, read_markers

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from rhscheck.recording import Recording

FIXTURE = "conformance"
_OVER = (
    "the test that this recording belongs to is over, and the recording was judged: a fixture or "
    "thread that outlives the test takes a recording of its own in each test"
)


@dataclass(slots=True)
class _Run:
    """A recording. `judged`: how many events it had when it was judged last."""

    recording: Recording
    judged: int | None = None


class Conformance:
    """Holds runs against a spec (docs/ci.md): the value of the fixture `conformance`."""

    def __init__(self, folder: Path, marked: Marked) -> None:
        self._folder = folder  # where recordings are written
        self._marked = marked
        self._runs: list[_Run] = []
        self._judged_something = False
        self._over = False
        self.goes_on = False  # a fixture has this one, and may go on recording after the test
        self.passed = False  # the test itself, and what was judged then

    @property
    def is_used(self) -> bool:
        """Whether anything was to be recorded, or was judged."""
        return bool(self._runs) or self._judged_something

    def recording(self, *, slack_us: int | None = None) -> Recording:
        """A new recording; it is judged when the test is over. One without events fails.

        `slack_us`: how late an event may have been recorded, in microseconds (default 100 ms).
        Raises RuntimeError when the test is over, TypeError and ValueError for a wrong `slack_us`.
        """
        from rhscheck.recording import REAL_SLACK_US, Recording

        if self._over:
            raise RuntimeError(_OVER)
        made = Recording(slack_us=REAL_SLACK_US if slack_us is None else slack_us)
        self._runs.append(_Run(made))
        return made

    def check(self, *traces: str | Path) -> None:
        """Fail the test unless these trace files, and what was recorded so far, conform.

        Relative paths start at the test file. A recording to which something is added later is
        judged again, as a whole, when the test is over. Raises TypeError for what is no path.
        """
        self._judge([self._marked.trace(trace) for trace in traces], so_far=False)

    def after_test(self, traces: Sequence[Path]) -> None:
        """Fail the test unless the traces of its markers, and what was recorded so far, conform.

        What a fixture may still record, it has time for: that nothing was judged yet is no failure.
        """
        self._judge(traces, so_far=self.goes_on)
        self.passed = True

    def after_teardown(self) -> None:
        """Judge what was recorded since; nothing more can be recorded.

        A test that has failed is not judged once more.
        """
        self._over = True
        for run in self._runs:
            run.recording.close(_OVER)
        if self.passed:
            self._judge((), so_far=False)

    def _judge(self, traces: Sequence[Path], *, so_far: bool) -> None:
        """`so_far`: recordings of which nothing can be said yet are judged again later."""
        import click

        from rhscheck import api, output
        from rhscheck.spec.diagnostic import SpecErrors

        new = [
            (number, run)
            for number, run in enumerate(self._runs, 1)
            if run.judged != len(run.recording.events)
        ]
        if not traces and not new:
            if not self._judged_something and not so_far:
                pytest.fail("rhscheck: nothing was recorded, and no trace is named", pytrace=False)
            return
        self._judged_something = True
        problem: str | None
        every = self._marked.require == "all"
        try:
            replayer = api.Replayer(self._marked.find_spec(), self._marked.settings)
            reports = [replayer.replay(str(path)) for path in traces]
            for number, run in new:
                run.judged = len(run.recording.events)
                report = replayer.replay(str(self._write(run.recording, number)))
                if so_far and output.replay_status([report], require_all=every) == 3:
                    run.judged = None
                else:
                    reports.append(report)
        except api.InputError as error:
            problem = f"rhscheck: {error}"
        except SpecErrors as errors:
            problem = click.unstyle(output.diagnostics_text(errors.diagnostics, errors.sources))
        else:
            problem = None
        if problem is not None:
            pytest.fail(problem, pytrace=False)
        status = output.replay_status(reports, require_all=every)
        if status:
            text = click.unstyle(output.replay_text(reports, quiet=False))
            reason = "the run breaks the spec" if status == 1 else "nothing was judged"
            if status != 1 and every:
                reason = "not every rule was judged"
            pytest.fail(f"rhscheck: {reason}\n{text}", pytrace=False)

    def _write(self, recording: Recording, number: int) -> Path:
        from rhscheck import api

        name = self._marked.find_spec() or api.DEFAULT_SPEC
        system = api.load(name, self._marked.settings).system
        families = system.parametric
        trace = recording.trace(system.name, families[0] if families else None, {})
        self._folder.mkdir(parents=True, exist_ok=True)  # pytest may be told to keep none
        path = self._folder / f"recording-{number}.jsonl"
        path.write_bytes(trace.encode())
        return path


_CONFORMANCE = pytest.StashKey[Conformance]()
_OUTCOME = pytest.StashKey[str]()  # of the test itself: failed if a part of it has failed


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, so that `--strict-markers` accepts it."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*traces, spec=None, settings=None, require='any'): after the test, these "
        "traces, and what was recorded with the fixture `conformance`, must conform to the spec",
    )


@pytest.fixture
def conformance(request: pytest.FixtureRequest, tmp_path: Path) -> Conformance:
    """Records runs and loads traces; the test fails unless the spec allows them."""
    made = Conformance(tmp_path, read_markers(request.node))
    request.node.stash[_CONFORMANCE] = made
    return made


@pytest.hookimpl
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> None:
    """Know of fixtures that may go on recording when the test itself is over.

    Those that name it as an argument: pytest does not tell who asked by `getfixturevalue`.
    """
    if FIXTURE in fixturedef.argnames:
        made = request.node.stash.get(_CONFORMANCE, None)
        if made is not None:
            made.goes_on = True


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """After the test itself has passed: judge its traces and recordings.

    A test of unittest comes here even if it failed or was skipped; pytest then reports that, not
    what is raised here.
    """
    made = item.stash.get(_CONFORMANCE, None)
    if made is None and item.get_closest_marker(MARKER) is None:
        return
    if item.stash.get(_OUTCOME, None) == "failed":
        return
    marked = read_markers(item)
    if made is not None:
        if not made.is_used and not made.goes_on:
            marked.refuse_empty()
        made.after_test(marked.traces)
    elif marked.traces:
        marked.refuse_empty()
        Conformance(Path(), marked).after_test(marked.traces)
    else:
        marked.refuse_empty()
        marked.refuse_idle()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Know whether the test itself has passed.

    Its subtests are reported before it: if one has failed, so has the test.
    """
    report = yield
    if call.when == "call" and item.stash.get(_OUTCOME, None) != "failed":
        item.stash[_OUTCOME] = report.outcome
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """After all fixtures of the test, in whatever order they ended: judge what they recorded."""
    made = item.stash.get(_CONFORMANCE, None)
    passed = item.stash.get(_OUTCOME, None) == "passed"
    if _OUTCOME in item.stash:
        del item.stash[_OUTCOME]  # the test may be run again
    if made is not None:
        del item.stash[_CONFORMANCE]
        made.passed = made.passed and passed
        made.after_teardown()
