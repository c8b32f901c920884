"""Reads CLUSTER.toml: text in, a `ClusterConfiguration` or every mistake of the file out.

Owns the notation (tables, keys, times with units as in a spec) and the line each message names.
Whether the values fit together is `configuration.problems`'; whether a plug-in's parameters are
right is known once its class is loaded (`ClusterFile.line_of`).

    nodes                       of the cluster
    [timeouts]                  call pending looks_alive is_alive dump
    [monitor_restarts]          restarts period delay
    [group.NAME]                nodes persistent failovers failover_period
    [resource.NAME]             plugin group depends_on monitor isolate_after
    [resource.NAME.restart]     action threshold period delay retry
    [resource.NAME.parameters]  what the plug-in wants
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from rhscheck.tracer.configuration import (
    LOCAL_NODE,
    SHARED_MONITOR,
    ClusterConfiguration,
    GroupConfiguration,
    Problem,
    ResourceConfiguration,
    RestartIntensity,
    RestartPolicy,
    Timeouts,
    problems,
)
from rhscheck.tracer.toml_lines import Path, key_lines

T = TypeVar("T")
DEFAULT_GROUP: Final = "group"
_UNITS_US: Final = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_TIME: Final = re.compile(r"(\d{1,18})\s*([a-z]+)")
_LONGEST_US: Final = 10 * 8766 * _UNITS_US["h"]  # ten years; a hundred times that fits, too
_LARGEST: Final = 10**9
# Names become names of files and of instances in a trace.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,99}")
_NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A message about one line (from 1; 0: about the file as a whole)."""

    line: int
    message: str


class ClusterFileError(Exception):
    """CLUSTER.toml cannot be used; `mistakes` has all of them, in the order of their lines."""

    def __init__(self, path: str, mistakes: Sequence[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(sorted(mistakes, key=lambda one: one.line))
        super().__init__(
            "\n".join(
                f"{path}:{one.line}: {_harmless(one.message)}"
                if one.line
                else f"{path}: {_harmless(one.message)}"
                for one in self.mistakes
            )
        )


@dataclass(frozen=True, slots=True)
class ClusterFile:
    """A usable file: what it says, and where it says it."""

    path: str
    configuration: ClusterConfiguration
    lines: Mapping[Path, int]

    def line_of(self, resource: str, parameter: str | None = None) -> int:
        """The line of a resource's parameter; of its plug-in without one, or if it is not there."""
        wanted: Path = ("resource", resource, "plugin")
        if parameter is not None:
            wanted = ("resource", resource, "parameters", parameter)
            if wanted not in self.lines:
                wanted = ("resource", resource, "parameters")
        return self.lines.get(wanted) or self.lines.get(("resource", resource), 0)

    def error(self, resource: str, message: str, parameter: str | None = None) -> ClusterFileError:
        """What was found wrong with a resource after the file was read, as an error of the file."""
        mistake = Mistake(self.line_of(resource, parameter), f"resource `{resource}`: {message}")
        return ClusterFileError(self.path, [mistake])


def read_cluster(text: str, path: str) -> ClusterFile:
    """The cluster that `text`, the content of the file `path`, describes.

    Raises ClusterFileError with every mistake found (only the first, if it is no TOML at all).
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClusterFileError(path, [_syntax_mistake(text, error)]) from None
    except RecursionError:
        raise ClusterFileError(path, [Mistake(0, "it is nested too deeply")]) from None
    lines = key_lines(text)
    reader = _Reader(lines)
    configuration = reader.cluster(document)
    if not reader.mistakes:  # what could not be read would only be complained about twice
        for problem in problems(configuration):
            reader.mistakes.append(Mistake(_problem_line(problem, lines), problem.message))
    if reader.mistakes:
        raise ClusterFileError(path, reader.mistakes)
    return ClusterFile(path, configuration, lines)


def _syntax_mistake(text: str, error: tomllib.TOMLDecodeError) -> Mistake:
    message = str(error)
    at = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if at is None:  # "at end of document"
        return Mistake(text.count("\n") + 1, f"this is no TOML: {message}")
    return Mistake(int(at[1]), f"this is no TOML: {message[: at.start()]} (column {at[2]})")


def _problem_line(problem: Problem, lines: Mapping[Path, int]) -> int:
    """The line a contradiction is best seen on."""
    tables: tuple[Path, ...]
    match problem.kind:
        case "cluster":
            tables = ((), ("timeouts",), ("monitor_restarts",))
        case "group":
            tables = (("group", problem.name),)
        case "resource":
            tables = (("resource", problem.name), ("resource", problem.name, "restart"))
    for table in tables:
        if (*table, problem.key) in lines:
            return lines[(*table, problem.key)]
    return next((lines[table] for table in tables if table in lines), 1)


class _Reader:
    """Turns tables into configuration, noting every mistake and going on with the default."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        self.lines = lines
        self.mistakes: list[Mistake] = []

    def complain(self, path: Path, message: str) -> None:
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.lines), ())
        self.mistakes.append(Mistake(self.lines.get(known, 1), message))

    # ---- the file ----
    def cluster(self, document: Mapping[str, Any]) -> ClusterConfiguration:
        root = _Table(self, (), document)
        root.only("nodes", "timeouts", "monitor_restarts", "group", "resource")
        resources = root.table("resource")
        if not resources.values:
            self.complain((), "there is no resource: add `[resource.NAME]` with a `plugin`")
        self.names_of_files(resources)
        groups = root.table("group")
        return ClusterConfiguration(
            resources=tuple(self.resource(resources, name) for name in resources.values),
            groups=tuple(self.group(groups, name) for name in groups.values),
            nodes=root.names("nodes", (LOCAL_NODE,)),
            timeouts=self.timeouts(root.table("timeouts")),
            monitor_restarts=self.intensity(root.table("monitor_restarts")),
        )

    def names_of_files(self, resources: _Table) -> None:
        """Resources have directories, and many file systems do not tell `a` from `A`."""
        seen: dict[str, str] = {}
        for name in resources.values:
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                message = f"`{name}` and `{other}` differ only in capitals; rename one"
                self.complain((*resources.path, name), message)

    def timeouts(self, table: _Table) -> Timeouts:
        default = Timeouts()
        table.only("call", "pending", "looks_alive", "is_alive", "dump")
        return Timeouts(
            call_us=table.time("call", default.call_us),
            pending_us=table.time("pending", default.pending_us),
            looks_alive_us=table.time("looks_alive", default.looks_alive_us),
            is_alive_us=table.time("is_alive", default.is_alive_us),
            dump_us=table.time("dump", default.dump_us),
        )

    def intensity(self, table: _Table) -> RestartIntensity:
        default = RestartIntensity()
        table.only("restarts", "period", "delay")
        return RestartIntensity(
            restarts=table.number("restarts", default.restarts),
            period_us=table.time("period", default.period_us),
            delay_us=table.time("delay", default.delay_us),
        )

    def group(self, groups: _Table, name: str) -> GroupConfiguration:
        groups.check_name(name)
        table = groups.table(name)
        default = GroupConfiguration(name)
        table.only("nodes", "persistent", "failovers", "failover_period")
        persistent: Literal["online", "offline"] = (
            "online"
            if table.choice("persistent", ("online", "offline"), default.persistent) == "online"
            else "offline"
        )
        return GroupConfiguration(
            name=name,
            nodes=table.names("nodes", default.nodes),
            persistent=persistent,
            failovers=table.number("failovers", default.failovers),
            failover_period_us=table.time("failover_period", default.failover_period_us),
        )

    def resource(self, resources: _Table, name: str) -> ResourceConfiguration:
        resources.check_name(name)
        table = resources.table(name)
        table.only(
            *("plugin", "group", "depends_on", "monitor", "isolate_after", "restart"),
            "parameters",
        )
        default = ResourceConfiguration(name, DEFAULT_GROUP)
        if "plugin" not in table.values:
            self.complain(
                table.path,
                f'resource `{name}` has no plug-in: add `plugin = "GenericApplication"`, '
                '`"package.module:Class"` or `"./file.py:Class"`',
            )
        monitor = table.text("monitor", SHARED_MONITOR)
        if not _NAME.fullmatch(monitor):
            self.complain((*table.path, "monitor"), _bad_name(monitor))
        return ResourceConfiguration(
            name=name,
            group=table.text("group", DEFAULT_GROUP),
            plugin=table.text("plugin", ""),
            parameters=table.table("parameters").values,
            depends_on=table.names("depends_on", ()),
            monitor=monitor,
            restart=self.restart(table.table("restart")),
            isolate_after=table.number("isolate_after", default.isolate_after),
        )

    def restart(self, table: _Table) -> RestartPolicy:
        default = RestartPolicy()
        table.only("action", "threshold", "period", "delay", "retry")
        actions: dict[str, Literal["none", "restart", "restartNotify"]] = {
            "none": "none",
            "restart": "restart",
            "restartNotify": "restartNotify",
        }
        never = table.values.get("retry") == _NEVER
        return RestartPolicy(
            action=actions[table.choice("action", tuple(actions), default.action)],
            threshold=table.number("threshold", default.threshold),
            period_us=table.time("period", default.period_us),
            delay_us=table.time("delay", default.delay_us),
            retry_us=None if never else table.time("retry", default.retry_us or 0, never=True),
        )


class _Table:
    """One table of the file and how its values are taken out."""

    def __init__(self, reader: _Reader, path: Path, values: Mapping[str, Any]) -> None:
        self.reader = reader
        self.path = path
        self.values = values

    def only(self, *known: str) -> None:
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"possible are {_list(known)}"
                where = f"`{key}`" if not self.path else f"`{key}` in `[{_dotted(self.path)}]`"
                self.reader.complain((*self.path, key), f"there is no {where}; {hint}")

    def check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            self.reader.complain((*self.path, name), _bad_name(name))

    def table(self, key: str) -> _Table:
        path = (*self.path, key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            self.reader.complain(path, f"`{key}` has to be a table: `[{_dotted(path)}]`")
            value = {}
        return _Table(self.reader, path, value)

    def _take(self, key: str, default: T, fits: Callable[[Any], bool], wanted: str) -> T:
        value = self.values.get(key, default)
        if key in self.values and not fits(value):
            message = f"`{key}` has to be {wanted}, not {_shown(value)}"
            self.reader.complain((*self.path, key), message)
            return default
        taken: T = value
        return taken

    def text(self, key: str, default: str) -> str:
        return self._take(
            key, default, lambda v: isinstance(v, str) and bool(v), f'a text: `{key} = "…"`'
        )

    def names(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        def fits(value: object) -> bool:
            return isinstance(value, list) and all(isinstance(one, str) for one in value)

        wanted = f'a list of names: `{key} = ["…", "…"]`'
        return tuple(self._take(key, default, fits, wanted))

    def number(self, key: str, default: int) -> int:
        def fits(value: object) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST

        wanted = f"a whole number from 0 to {_LARGEST}: `{key} = {default}`"
        return self._take(key, default, fits, wanted)

    def choice(self, key: str, options: tuple[str, ...], default: str) -> str:
        wanted = "one of " + ", ".join(f'"{one}"' for one in options)
        return self._take(key, default, lambda value: value in options, wanted)

    def time(self, key: str, default: int, *, never: bool = False) -> int:
        wanted = 'a time with its unit, as `"5m"` (us, ms, s, m, h), of 10 years at most'
        if never:
            wanted += f', or `"{_NEVER}"`'
        value = self._take(key, default, lambda given: _microseconds(given) is not None, wanted)
        return default if value == default else _microseconds(value) or 0


def _microseconds(value: object) -> int | None:
    """A time in the notation of a spec; None if it is none."""
    if not isinstance(value, str):
        return None
    found = _TIME.fullmatch(value.strip())
    if found is None or found[2] not in _UNITS_US:
        return None
    time_us = int(found[1]) * _UNITS_US[found[2]]
    return time_us if time_us <= _LONGEST_US else None


def _harmless(message: str) -> str:
    """The message, which quotes the file or a plug-in, without what commands a terminal."""
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode("ascii")
        for one in message
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _bad_name(name: str) -> str:
    return (
        f"`{name}` is no name: use letters, digits, `_`, and inside of it also blanks, `.`, `-`; "
        "100 of them at most"
    )


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in path)


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
