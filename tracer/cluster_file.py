"""Reads CLUSTER.toml: text in, a `ClusterConfiguration` or every mistake of the file out.

Owns which tables and keys there are, and the line each message names; single values are
`toml_tables`'. Whether the values fit together is `configuration.problems`'; whether a plug-in's
parameters are right is known once its class is loaded (`ClusterFile.line_of`).

    nodes                       of the cluster
    [timeouts]                  call pending looks_alive is_alive dump
    [monitor_restarts]          restarts period delay
    [group.NAME]                nodes persistent failovers failover_period
    [resource.NAME]             plugin group depends_on monitor isolate_after
    [resource.NAME.restart]     action threshold period delay retry
    [resource.NAME.parameters]  what the plug-in wants
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

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
from rhscheck.tracer.toml_tables import NEVER, Mistake, Mistakes, Table, harmless

DEFAULT_GROUP: Final = "group"
_NO_RESOURCE: Final = "there is no resource: add `[resource.NAME]` with a `plugin`"


class ClusterFileError(Exception):
    """CLUSTER.toml cannot be used; `mistakes` has all of them, in the order of their lines."""

    def __init__(self, path: str, mistakes: Sequence[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(sorted(mistakes, key=lambda one: one.line))
        super().__init__(
            "\n".join(
                f"{path}:{one.line}: {harmless(one.message)}"
                if one.line
                else f"{path}: {harmless(one.message)}"
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
    except ValueError:  # Python refuses to read numbers of more than some thousand digits
        raise ClusterFileError(path, [Mistake(0, "a number in it is too long")]) from None
    lines = key_lines(text)
    mistakes = Mistakes(lines)
    configuration = _Reader(mistakes).cluster(document)
    for problem in problems(configuration):
        if not any(mistakes.replaced(value) for value in _read_for(problem)):
            mistakes.complain(_place(problem, lines), problem.message)
    if mistakes.found:
        raise ClusterFileError(path, mistakes.found)
    return ClusterFile(path, configuration, lines)


def _syntax_mistake(text: str, error: tomllib.TOMLDecodeError) -> Mistake:
    message = str(error)
    at = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if at is None:  # "at end of document"
        return Mistake(text.count("\n") + 1, f"this is no TOML: {message}")
    return Mistake(int(at[1]), f"this is no TOML: {message[: at.start()]} (column {at[2]})")


def _tables(kind: Literal["cluster", "group", "resource"], name: str) -> tuple[Path, ...]:
    """The tables that say something about what is called so."""
    match kind:
        case "cluster":
            return ((), ("timeouts",), ("monitor_restarts",))
        case "group":
            return (("group", name),)
        case "resource":
            return (("resource", name), ("resource", name, "restart"))


def _place(problem: Problem, lines: Mapping[Path, int]) -> Path:
    """The value a contradiction is best seen on."""
    tables = _tables(problem.kind, problem.name)
    for table in tables:
        path = (*table, problem.key)
        if problem.at is not None and (*path, problem.at) in lines:
            return (*path, problem.at)
        if path in lines:
            return path
    return next((table for table in tables if table in lines), ())


def _read_for(problem: Problem) -> list[Path]:
    """The values without which nobody can say whether there is this contradiction.

    One that could not be read has been complained about, and was taken to be the default.
    """
    paths: list[Path] = [(*table, problem.key) for table in _tables(problem.kind, problem.name)]
    for kind, name, key in problem.because:
        paths += [(*table, key) for table in _tables(kind, name)]
    return paths


class _Reader:
    """Turns tables into configuration, going on with the default after every mistake."""

    def __init__(self, mistakes: Mistakes) -> None:
        self.mistakes = mistakes

    # ---- the file ----
    def cluster(self, document: Mapping[str, Any]) -> ClusterConfiguration:
        root = Table(self.mistakes, (), document)
        root.only("nodes", "timeouts", "monitor_restarts", "group", "resource")
        resources = root.table("resource")
        if not resources.values and not self.mistakes.replaced(resources.path):
            self.mistakes.complain((), _NO_RESOURCE)
        self.names_of_files(resources)
        groups = root.table("group")
        return ClusterConfiguration(
            resources=tuple(self.resource(resources, name) for name in resources.values),
            groups=tuple(self.group(groups, name) for name in groups.values),
            # What is there twice has been complained about, and makes no more nodes.
            nodes=tuple(
                dict.fromkeys(
                    root.names("nodes", (LOCAL_NODE,), new=True, without=f"`{LOCAL_NODE}`")
                )
            ),
            timeouts=self.timeouts(root.table("timeouts")),
            monitor_restarts=self.intensity(root.table("monitor_restarts")),
        )

    def names_of_files(self, resources: Table) -> None:
        """Resources have directories, and many file systems do not tell `a` from `A`."""
        seen: dict[str, str] = {}
        for name in resources.values:
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                message = f"`{name}` and `{other}` differ only in capitals; rename one"
                self.mistakes.complain((*resources.path, name), message)

    def timeouts(self, table: Table) -> Timeouts:
        default = Timeouts()
        table.only("call", "pending", "looks_alive", "is_alive", "dump")
        return Timeouts(
            call_us=table.time("call", default.call_us),
            pending_us=table.time("pending", default.pending_us),
            looks_alive_us=table.time("looks_alive", default.looks_alive_us),
            is_alive_us=table.time("is_alive", default.is_alive_us),
            dump_us=table.time("dump", default.dump_us),
        )

    def intensity(self, table: Table) -> RestartIntensity:
        default = RestartIntensity()
        table.only("restarts", "period", "delay")
        return RestartIntensity(
            restarts=table.number("restarts", default.restarts),
            period_us=table.time("period", default.period_us),
            delay_us=table.time("delay", default.delay_us),
        )

    def group(self, groups: Table, name: str) -> GroupConfiguration:
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
            nodes=table.names("nodes", default.nodes, without="all nodes of the cluster"),
            persistent=persistent,
            failovers=table.number("failovers", default.failovers),
            failover_period_us=table.time("failover_period", default.failover_period_us),
        )

    def resource(self, resources: Table, name: str) -> ResourceConfiguration:
        resources.check_name(name)
        table = resources.table(name)
        table.only(
            *("plugin", "group", "depends_on", "monitor", "isolate_after", "restart"),
            "parameters",
        )
        default = ResourceConfiguration(name, DEFAULT_GROUP)
        if "plugin" not in table.values:
            self.mistakes.complain(
                table.path,
                f'resource `{name}` has no plug-in: add `plugin = "GenericApplication"`, '
                '`"package.module:Class"` or `"./file.py:Class"`',
            )
        return ResourceConfiguration(
            name=name,
            group=table.name("group", DEFAULT_GROUP),
            plugin=table.text("plugin", ""),
            parameters=table.table("parameters").values,
            depends_on=table.names("depends_on", ()),
            monitor=table.name("monitor", SHARED_MONITOR),
            restart=self.restart(table.table("restart")),
            isolate_after=table.number("isolate_after", default.isolate_after),
        )

    def restart(self, table: Table) -> RestartPolicy:
        default = RestartPolicy()
        table.only("action", "threshold", "period", "delay", "retry")
        actions: dict[str, Literal["none", "restart", "restartNotify"]] = {
            "none": "none",
            "restart": "restart",
            "restartNotify": "restartNotify",
        }
        never = table.values.get("retry") == NEVER
        return RestartPolicy(
            action=actions[table.choice("action", tuple(actions), default.action)],
            threshold=table.number("threshold", default.threshold),
            period_us=table.time("period", default.period_us),
            delay_us=table.time("delay", default.delay_us),
            retry_us=None if never else table.time("retry", default.retry_us or 0, never=True),
        )
