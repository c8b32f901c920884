"""The pytest plug-in: a test fails, with the report as its message, if a run breaks the spec.

Owns the fixture `conformance` and the marker `rhscheck`. pytest loads this module in every run of
every project that has rhscheck installed: so it imports nothing but pytest, and does nothing unless
a test asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rhscheck.recording import Recording

MARKER = "rhscheck"
_OPTIONS = ("traces", "spec", "settings", "require")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, so that `--strict-markers` accepts it."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*traces, spec=None, settings=None, require='any'): after the test, these "
        "traces, and what was recorded with the fixture `conformance`, must conform to the spec",
    )


class Conformance:
    """Holds runs against a spec (docs/ci.md).

    `spec`, `settings` and `require` are those of `rhscheck replay`: a file or the name of a shipped
    spec (None: what the trace names), values of parameters, "all" if every rule must be judged.
    """

    def __init__(
        self,
        folder: Path,
        base: Path,
        *,
        spec: str | None = None,
        settings: Mapping[str, str] | None = None,
        require: Literal["any", "all"] = "any",
    ) -> None:
        self._folder = folder  # where recordings are written
        self._base = base  # what relative paths start from
        self._spec = spec
        self._settings = dict(settings or {})
        self._require = require
        self._recordings: list[Recording] = []
        self._judged = False

    def recording(self, *, slack_us: int | None = None) -> Recording:
        """A new recording; it is judged when the test is over. One without events fails.

        `slack_us`: how late an event may have been recorded, in microseconds (default 100 ms).
        """
        from rhscheck.recording import REAL_SLACK_US, Recording

        made = Recording(slack_us=REAL_SLACK_US if slack_us is None else slack_us)
        self._recordings.append(made)
        return made

    def check(self, *traces: str | Path) -> None:
        """Fail the test unless these trace files, and what was recorded so far, conform.

        Relative paths start at the test file. Without a call, recordings are judged when the test
        is over.
        """
        import click

        from rhscheck import api, output
        from rhscheck.spec.diagnostic import SpecErrors

        recordings, self._recordings = self._recordings, []
        if not traces and not recordings:
            if not self._judged:
                pytest.fail("rhscheck: nothing was recorded, and no trace is named", pytrace=False)
            return
        self._judged = True
        problem: str | None
        try:
            paths = [str(self._base / trace) for trace in traces]
            paths += [str(self._write(one, number)) for number, one in enumerate(recordings, 1)]
            reports = [api.replay(path, spec=self._spec, settings=self._settings) for path in paths]
        except api.InputError as error:
            problem = f"rhscheck: {error}"
        except SpecErrors as errors:
            problem = click.unstyle(output.diagnostics_text(errors.diagnostics, errors.sources))
        else:
            problem = None
        if problem is not None:
            pytest.fail(problem, pytrace=False)
        status = output.replay_status(reports, require_all=self._require == "all")
        if status:
            text = click.unstyle(output.replay_text(reports, quiet=False))
            reason = "the run breaks the spec" if status == 1 else "nothing was judged"
            if status != 1 and self._require == "all":
                reason = "not every rule was judged"
            pytest.fail(f"rhscheck: {reason}\n{text}", pytrace=False)

    def _write(self, recording: Recording, number: int) -> Path:
        from rhscheck import api

        name = self._spec or api.DEFAULT_SPEC
        system = api.load(name, self._settings).system
        families = system.parametric
        trace = recording.trace(system.name, families[0] if families else None, {})
        path = self._folder / f"recording-{number}.jsonl"
        path.write_bytes(trace.encode())
        return path


@pytest.fixture
def conformance(request: pytest.FixtureRequest, tmp_path: Path) -> Conformance:
    """Records runs and loads traces; the test fails unless the spec allows them."""
    return _conformance(request.node, tmp_path)


def _conformance(item: pytest.Item, folder: Path) -> Conformance:
    marker = item.get_closest_marker(MARKER)
    options = {} if marker is None else dict(marker.kwargs)
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        _misused(f"has no option {unknown[0]}; it has: {', '.join(_OPTIONS)}")
    if options.get("require", "any") not in ("any", "all"):
        _misused(f"takes require='any' or 'all', not {options['require']!r}")
    options.pop("traces", None)
    return Conformance(folder, Path(item.path).parent, **options)


def _traces(item: pytest.Item) -> tuple[str | Path, ...]:
    """The traces that the marker names."""
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return ()
    named = marker.kwargs.get("traces", ())
    found = (*marker.args, *((named,) if isinstance(named, str | Path) else named))
    for one in found:
        if not isinstance(one, str | Path):
            _misused(f"takes names of traces, not {one!r}")
    return found


def _misused(how: str) -> NoReturn:
    pytest.fail(f"the marker {MARKER} {how}", pytrace=False)


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """After the test itself has passed: judge its traces and recordings."""
    found = getattr(item, "funcargs", {}).get("conformance")
    traces = _traces(item)
    if isinstance(found, Conformance):
        found.check(*traces)
    elif traces:
        _conformance(item, Path()).check(*traces)
    elif item.get_closest_marker(MARKER) is not None:
        _conformance(item, Path())  # for its options
