"""What all markers `rhscheck` of a test say together: traces to judge, and how to judge.

Owns the markers' arguments, which marker's options count, and what relative paths start from.
Like `pytest_plugin`, it is loaded in everybody's runs and imports nothing but pytest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import pytest

if TYPE_CHECKING:
    from typing import Any, TypeGuard

MARKER = "rhscheck"
_OPTIONS = ("traces", "spec", "settings", "require")
_NOTHING = "did a pattern match no file?"
_READ = pytest.StashKey[list[tuple[Iterator[object], tuple[object, ...]]]]()


@dataclass(frozen=True, slots=True)
class Marked:
    """What the markers of a test say.

    `folder` is the test file's, `started` the one pytest was started in. `traces`: those of all
    markers, each once. `spec`, `settings`, `require`: of the closest marker that names them.
    `empty`: some marker says nothing at all. `own`: some marker is on the test itself, not on its
    class or module.
    """

    folder: Path
    started: Path
    traces: tuple[Path, ...] = ()
    spec: str | None = None
    settings: Mapping[str, str] | None = None
    require: Literal["any", "all"] = "any"
    empty: bool = False
    own: bool = False

    def trace(self, name: object) -> Path:
        """Where the trace called `name` is. Raises TypeError for what is no name."""
        if not _is_path(name):
            raise TypeError(f"a trace is named by a text or path, not {name!r}")
        return self.folder / name

    def find_spec(self) -> str | None:
        """The spec to judge by: the name of a shipped one, or else a path; None if none is named.

        A relative path starts at the test file. Only if nothing is there it starts where pytest
        was started.
        """
        from rhscheck.spec.load import shipped

        if not self.spec or self.spec in shipped():
            return self.spec
        for folder in (self.folder, self.started):
            if os.path.lexists(folder / self.spec):
                return str(folder / self.spec)
        return self.spec  # whoever opens it says what there is instead

    def refuse_empty(self) -> None:
        """Fail a test that records nothing if one of its markers is empty."""
        if self.empty:
            misused(f"names no trace and sets no option: {_NOTHING}")

    def refuse_idle(self) -> None:
        """Fail a test that neither records nor names traces if there is a marker on itself.

        One on its class or module may be there for the options of those tests that record.
        """
        if self.own:
            misused(
                f"names no trace, and the test has no fixture `conformance` that its options could "
                f"be for: {_NOTHING}"
            )


def read_markers(item: pytest.Item) -> Marked:
    """What the markers of `item`, its class and its module say. Fails the test where one is wrong.

    Two markers at the same place must not give an option two values: which of them is closer,
    nobody would guess.
    """
    traces: list[Path] = []
    options: dict[str, Any] = {}
    said_by: dict[str, object] = {}
    empty = own = False
    start = Marked(Path(item.path).parent, Path(item.config.invocation_params.dir))
    for node, marker in item.iter_markers_with_node(MARKER):
        own = own or node is item
        empty = empty or not (marker.args or marker.kwargs)
        for name in marker.kwargs:
            if name not in _OPTIONS:
                misused(f"has no option {name}; it has: {', '.join(_OPTIONS)}")
        for one in (*marker.args, *_named(marker.kwargs, item.config)):
            if not _is_path(one):
                misused(f"takes names of traces, not {one!r}")
            traces.append(start.trace(one))
        for name, value in _checked(marker.kwargs).items():
            if name not in options:
                options[name], said_by[name] = value, node
            elif said_by[name] is node and options[name] != value:
                misused(
                    f"says {name}={options[name]!r} and {name}={value!r} at the same place: "
                    "leave out one, or make a test for each"
                )
    return Marked(
        start.folder, start.started, tuple(dict.fromkeys(traces)), empty=empty, own=own, **options
    )


def _is_path(value: object) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(value, str | os.PathLike)


def _named(said: Mapping[str, object], config: pytest.Config) -> tuple[object, ...]:
    """The traces of the option `traces`: one or several, but not none."""
    if "traces" not in said:
        return ()
    named = said["traces"]
    if _is_path(named) or not isinstance(named, Iterable):
        return (named,)
    found = _read_once(named, config) if isinstance(named, Iterator) else tuple(named)
    if not found:
        misused(f"has the option traces={named!r}, without any: {_NOTHING}")
    return found


def _read_once(named: Iterator[object], config: pytest.Config) -> tuple[object, ...]:
    """All that `named` gave when it was read first: a marker is read more than once."""
    read = config.stash.setdefault(_READ, [])
    for one, found in read:
        if one is named:
            return found
    found = tuple(named)
    read.append((named, found))
    return found


def _checked(said: Mapping[str, object]) -> dict[str, object]:
    """The options of a marker beside `traces`, as they are used."""
    found = {name: value for name, value in said.items() if name != "traces"}
    spec = found.get("spec")
    if isinstance(spec, os.PathLike):
        found["spec"] = os.fspath(spec)
    elif spec is not None and not isinstance(spec, str):
        misused(f"takes as spec the name of a shipped spec or a path, not {spec!r}")
    if "require" in found and found["require"] not in ("any", "all"):
        misused(f"takes require='any' or 'all', not {found['require']!r}")
    settings = found.get("settings")
    if settings is not None:
        pairs = settings.items() if isinstance(settings, Mapping) else [(None, None)]
        if not all(isinstance(text, str) for pair in pairs for text in pair):
            misused(f'takes settings={{"CallTimeout": "2m"}}, texts by name, not {settings!r}')
    return found


def misused(how: str) -> NoReturn:
    """Fail the test, for the marker is wrong: `how`."""
    pytest.fail(f"the marker {MARKER} {how}", pytrace=False)
