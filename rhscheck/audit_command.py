"""`rhscheck audit` and `rhscheck map`: logs in, reports out.

Owns the options of these commands, which files a folder stands for, and the messages for logs and
mappings that cannot be used. What a log shows is `rhscheck.traces.audit`'s business, how it looks
`rhscheck.audit_output`'s.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

import click

from rhscheck import api, terminal
from rhscheck.options import EXIT_INPUT, Out, ci_text, common, examples, set_option

if TYPE_CHECKING:
    from rhscheck.spec.system import System
    from rhscheck.traces.audit.report import LogReport
    from rhscheck.traces.engine import Engine
    from rhscheck.traces.format import Event
    from rhscheck.traces.logmap.language import LogMap

DEFAULT_MAP = "clusterlog"
# What a folder is searched for; other files are audited when they are named.
LOG_SUFFIXES = (".log", ".txt")
MAX_FILES = 10_000


@click.command(
    short_help="Say what a cluster.log, or any mapped log, shows and proves.",
    epilog=examples(
        "rhscheck audit cluster.log",
        "rhscheck audit logs/ --format json -o audit.json",
        "rhscheck audit mydll.log --map mydll.map",
        "rhscheck audit cluster.log --trace run.jsonl",
    ),
)
@click.argument("logs", metavar="LOG|DIR...", nargs=-1, required=True)
@click.option(
    "--map",
    "map_name",
    metavar="FILE",
    default=DEFAULT_MAP,
    show_default=True,
    help="How to read the log: a .map file, or the name of a shipped mapping.",
)
@click.option(
    "--spec", metavar="SPEC", help="Judge by this spec. Without it: the one the mapping names."
)
@set_option
@click.option(
    "--resource",
    "wanted",
    metavar="NAME",
    multiple=True,
    help="Show only this resource (repeatable).",
)
@click.option(
    "--trace", "trace_path", metavar="FILE", help="Also write the events of the one LOG as a trace."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="J",
    help="Read so many logs at once, 1 to 64. The output is the same.",
)
@click.option(
    "--require",
    type=click.Choice(["any", "all"]),
    default="any",
    show_default=True,
    help="all: a rule that could not be judged makes the exit status 3.",
)
@common("the report", ci=True)
def audit(
    *,
    out: Out,
    logs: tuple[str, ...],
    map_name: str,
    spec: str | None,
    settings: dict[str, str],
    wanted: tuple[str, ...],
    trace_path: str | None,
    jobs: int,
    require: Literal["any", "all"],
) -> int:
    """Read logs of a failover cluster: what happened to each resource, which rules were broken,
    who is to blame, and what the logs cannot show.

    Encodings, cut and edited logs are recognised. Nothing is concluded from missing lines.

    Exit status 0: some rule was judged and none is violated; 1: a rule or an assumption is
    violated; 3: nothing could be judged, as is usual for a log of the default level.
    """
    from rhscheck import audit_output

    logmap = load_mapping(map_name)
    files = log_files(logs)
    if trace_path is not None and len(files) != 1:
        raise api.InputError(f"--trace takes the events of one log; these are {len(files)}")
    with terminal.progress("audit: reading", quiet=out.quiet) as say:
        system = api.load(spec or logmap.spec, settings).system
        trace: list[Event] = []
        if jobs > 1 and len(files) > 1:
            judge = spec or logmap.spec
            found = list(_audited_at_once(files, map_name, judge, settings, jobs, say))
        else:
            keep = None if trace_path is None else trace
            found = list(_audited(files, logmap, system, say, keep))
        reports = [one for one in found if not isinstance(one, str)]
        refused = [one for one in found if isinstance(one, str)]
        if refused and not reports:
            raise api.InputError("\nerror: ".join(refused))
        status = audit_output.audit_status(reports, require_all=require == "all")
        names = _known_resources(wanted, reports)
        content: str | bytes
        if out.ci is not None:
            content = ci_text(
                audit_output.audit_checks(reports, system, status, version=api.version()), out.ci
            )
        elif out.json:
            content = audit_output.audit_json(reports, system, status, names)
        else:
            content = audit_output.audit_text(reports, system, names, quiet=out.quiet)
    if trace_path is not None:
        terminal.write_result(_encoded(trace, reports[0], logmap), trace_path, inputs=files)
    out.write(content, inputs=files)
    for message in refused:
        terminal.write_message(f"error: {message}")
    return EXIT_INPUT if refused else status


def load_mapping(name: str) -> LogMap:
    """The mapping called `name`. Raises InputError with every mistake in it."""
    from rhscheck.traces.logmap.load import MapNotFound, load_map
    from rhscheck.traces.logmap.parse import MapErrors

    try:
        return load_map(name)
    except MapNotFound as error:
        raise api.InputError(str(error)) from None
    except MapErrors as error:
        raise api.InputError(f"the mapping cannot be used\n{error}") from None
    except UnicodeDecodeError:
        raise api.InputError(f"{name} is not UTF-8: save the mapping as UTF-8") from None
    except OSError as error:
        raise api.InputError(f"cannot read the mapping {name}: {error.strerror}") from None


def log_files(arguments: Sequence[str]) -> list[str]:
    """The files that the arguments stand for, folders searched in the order of names.

    Raises InputError for what is not there and for a folder without logs.
    """
    files: list[str] = []
    for argument in arguments:
        path = Path(argument)
        if not path.is_dir():
            files.append(argument)
            continue
        found = [
            os.path.join(folder, name)
            for folder, folders, names in os.walk(path)
            for name in _ordered(folders, names)
            if name.lower().endswith(LOG_SUFFIXES)
        ]
        if not found:
            suffixes = " or ".join(LOG_SUFFIXES)
            raise api.InputError(f"{argument} has no file that ends in {suffixes}; name the files")
        files += found
    if len(files) > MAX_FILES:
        raise api.InputError(f"{len(files):,} logs are more than {MAX_FILES:,} at once")
    return list(dict.fromkeys(files))


def _ordered(folders: list[str], names: list[str]) -> list[str]:
    folders.sort()  # the order in which os.walk goes on
    return sorted(names)


def _audited(
    files: Sequence[str],
    logmap: LogMap,
    system: System,
    say: terminal.Report,
    trace: list[Event] | None,
) -> Iterator[LogReport | str]:
    """The audits of the files, one after the other; what is wrong with a file as text."""
    engine: Engine | None = None
    for number, path in enumerate(files):
        try:
            report, engine = audit_file(path, number, logmap, system, engine, say, trace)
        except api.InputError as error:
            yield str(error)
        else:
            yield report


def _audited_at_once(
    files: Sequence[str],
    map_name: str,
    spec: str,
    settings: dict[str, str],
    jobs: int,
    say: terminal.Report,
) -> Iterator[LogReport | str]:
    """The same, made in several processes."""
    from rhscheck import workers

    work = functools.partial(audit_alone, map_name, spec, tuple(settings.items()))
    for number, found in enumerate(workers.each(work, list(enumerate(files)), jobs), 1):
        yield found
        say(f"audit: {number:,} of {len(files):,} logs read")


def audit_alone(
    map_name: str, spec: str, settings: tuple[tuple[str, str], ...], item: tuple[int, str]
) -> LogReport | str:
    """The audit of one file in a process that audits several; what is wrong with it as text."""
    number, path = item
    kit = _kit(map_name, spec, settings)
    try:
        report, kit.engine = audit_file(
            path, number, kit.logmap, kit.system, kit.engine, lambda _line: None, None
        )
    except api.InputError as error:
        return str(error)
    return report


@dataclass(slots=True)
class _Kit:
    """What one process needs for any number of logs."""

    logmap: LogMap
    system: System
    engine: Engine | None = None


@functools.lru_cache(maxsize=1)
def _kit(map_name: str, spec: str, settings: tuple[tuple[str, str], ...]) -> _Kit:
    return _Kit(load_mapping(map_name), api.load(spec, dict(settings)).system)


def audit_file(
    path: str,
    number: int,
    logmap: LogMap,
    system: System,
    engine: Engine | None,
    say: terminal.Report,
    trace: list[Event] | None,
) -> tuple[LogReport, Engine | None]:
    """The audit of one file, and what can be used again for the next.

    Raises InputError for a file that cannot be read as such a log.
    """
    from rhscheck.traces.audit.audit import audit_log
    from rhscheck.traces.logmap.read import LegacyFormat

    api.refuse_device(path)
    began = time.monotonic()

    def progress(offset: int) -> None:
        if time.monotonic() - began > 1:
            say(f"audit {terminal.printable(path)}: {offset / 1e6:,.0f} MB read")

    say(f"audit {terminal.printable(path)}")
    try:
        with Path(path).open("rb") as stream, _seekable(stream) as seekable:
            return audit_log(
                seekable,
                file=path,
                number=number,
                logmap=logmap,
                system=system,
                engine=engine,
                keep=None if trace is None else trace.append,
                progress=progress,
            )
    except LegacyFormat:
        raise api.InputError(
            f"{path} is a cluster.log of Windows 2000 or 2003 (no level behind the time). "
            "Another program wrote those, with other states; only logs of 2008 and later can be "
            "audited"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise api.InputError(f"cannot read the log {path}: {reason}") from None


@contextlib.contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The stream, or if it is a pipe a copy of what comes out of it, on disk if that is much."""
    if stream.seekable():
        yield stream
        return
    with tempfile.SpooledTemporaryFile(max_size=1 << 24) as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _known_resources(wanted: Sequence[str], reports: Sequence[LogReport]) -> tuple[str, ...]:
    from rhscheck.spec.diagnostic import did_you_mean

    known = [one.name for report in reports for one in report.resources]
    for name in wanted:
        if name not in known:
            raise api.InputError(
                f"no log mentions a resource called {name}; {did_you_mean(name, known)}"
            )
    return tuple(wanted)


def _encoded(trace: Sequence[Event], report: LogReport, logmap: LogMap) -> bytes:
    from rhscheck.traces.format import Trace
    from rhscheck.traces.logmap.events import log_header

    hosts = {report.node or "": report.tally.dated}
    header = log_header(logmap, hosts, source=report.mapping, tool=f"rhscheck {api.version()}")
    return Trace(header, tuple(trace)).encode()


@click.group(
    name="map",
    short_help="Work with mappings of logs (.map files).",
    epilog=examples("rhscheck map test mydll.map"),
)
def map_group() -> None:
    """Mappings say what the lines of a log mean (docs/mappings.md)."""


@map_group.command(
    name="test",
    short_help="Run the test lines inside mappings.",
    epilog=examples("rhscheck map test mydll.map", "rhscheck map test clusterlog"),
)
@click.argument("maps", metavar="FILE...", nargs=-1, required=True)
@common("the result")
def map_test(*, out: Out, maps: tuple[str, ...]) -> int:
    """Read the `log` lines of mappings and compare with their `is` lines.

    Exit status 1: a line is read differently; 3: a mapping has no such lines.
    """
    from rhscheck import audit_output
    from rhscheck.traces.logmap.check import check_map

    results = [check_map(load_mapping(name)) for name in maps]
    status = audit_output.map_status(results)
    if out.json:
        out.write(audit_output.map_json(results, status), inputs=maps)
    else:
        out.write(audit_output.map_text(results, quiet=out.quiet), inputs=maps)
    return status
