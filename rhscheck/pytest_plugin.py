"""The pytest plug-in: a test fails, with the report as its message, if a run breaks the spec.

Owns the fixture `conformance` and the marker `rhscheck`. pytest loads this module in every run of
every project that has rhscheck installed: so it imports nothing but pytest, and does nothing unless
a test asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

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

    def recording(self, *, slack_us: int | None = None) -> Recording:
        """A new recording; it is judged when the test is over, unless it is empty then.

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
            return
        try:
            paths = [str(self._base / trace) for trace in traces]
            paths += [str(self._write(one, number)) for number, one in enumerate(recordings, 1)]
            reports = [api.replay(path, spec=self._spec, settings=self._settings) for path in paths]
        except api.InputError as error:
            pytest.fail(f"rhscheck: {error}", pytrace=False)
        except SpecErrors as errors:
            pytest.fail(
                click.unstyle(output.diagnostics_text(errors.diagnostics, errors.sources)),
                pytrace=False,
            )
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
        names = ", ".join(_OPTIONS)
        raise pytest.UsageError(f"the marker {MARKER} has no option {unknown[0]}; it has: {names}")
    options.pop("traces", None)
    return Conformance(folder, Path(item.path).parent, **options)


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """After the test itself has passed: judge its traces and recordings."""
    fixtures = getattr(item, "funcargs", {})
    found = fixtures.get("conformance")
    marker = item.get_closest_marker(MARKER)
    if found is None and marker is None:
        return
    judge = found if isinstance(found, Conformance) else _conformance(item, Path())
    judge.check(*(() if marker is None else (*marker.args, *marker.kwargs.get("traces", ()))))
