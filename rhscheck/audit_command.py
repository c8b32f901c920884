"""`rhscheck audit` and `rhscheck map`: logs in, reports out.

Owns the options of these commands, which files a folder stands for, and the messages for logs and
mappings that cannot be used. What a log shows is `rhscheck.traces.audit`'s business, how it looks
`rhscheck.audit_output`'s.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

import click

from rhscheck import api, terminal
from rhscheck.options import Out, ci_text, common, examples, set_option
from rhscheck.refused import Refused, apart, refused

if TYPE_CHECKING:
    from rhscheck.spec.system import System
    from rhscheck.traces.audit.audit import Read
    from rhscheck.traces.audit.court import Court
    from rhscheck.traces.audit.model import Case
    from rhscheck.traces.audit.opinion import Opinion, SpecSummary
    from rhscheck.traces.audit.report import LogReport
    from rhscheck.traces.audit.stretches import Cut, Stretch
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
        "rhscheck audit cluster.log --follow",
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
    help="Read with so many processes at once, 1 to 64: logs, or parts of a single one. The output "
    "is the same. With --trace or --follow, and under a mapping that promises every line, one "
    "process reads.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Keep reading the one LOG as it grows, print what goes wrong at once, and the report "
    "after Ctrl-C. A log that is rotated or begun anew is read on from its start.",
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
    follow: bool,
    require: Literal["any", "all"],
) -> int:
    """Read logs of a failover cluster: what happened to each resource, which rules were broken,
    who is to blame, and what the logs cannot show.

    Encodings, cut and edited logs are recognised. Nothing is concluded from missing lines.

    Exit status 0: some rule was judged and none is violated; 1: a rule or an assumption is
    violated; 3: nothing could be judged, as is usual for a log of the default level; 2: a log
    cannot be read, whatever is said of the others.
    """
    from rhscheck import audit_output, mappings, opinions
    from rhscheck.traces.logmap.language import short_name

    logmap = mappings.mapping_for(map_name, spec)
    files, skipped = log_files(logs)
    for path in () if out.quiet else skipped:
        terminal.write_message(f"note: {terminal.printable(path)} is no file, and is not read")
    if trace_path is not None and len(files) != 1:
        raise api.InputError(f"--trace takes the events of one log; these are {len(files)}")
    if follow and (len(files) != 1 or trace_path is not None):
        raise api.InputError("--follow reads one log, and writes no --trace")
    if follow and not logmap.facts.lossy:
        raise api.InputError(
            f"--follow judges each line by itself, and {logmap.name} promises every line "
            "(`facts lossy=no`), which takes the whole log: leave out --follow"
        )
    inputs = [*files, map_name, *(() if spec is None else (spec,))]
    for written in (trace_path, out.path):
        terminal.check_writable(written, inputs)
    if trace_path is not None and out.path is not None and _same_place(trace_path, out.path):
        raise api.InputError(f"--trace and -o both write {out.path}: name two files")
    alone = follow or trace_path is not None or not logmap.facts.lossy
    if jobs > 1 and alone and not out.quiet:
        why = "--follow" if follow else "--trace" if trace_path is not None else "lossy=no"
        terminal.write_message(f"note: with {why} one process reads; --jobs {jobs} changes nothing")
    trace: list[Event] = []
    with terminal.progress("audit: reading", quiet=out.quiet or follow) as say:
        request = Request(map_name, spec or logmap.spec, tuple(sorted(settings.items())))
        court, kept_at = court_of(request, logmap)
        found: list[LogReport | Refused]
        if not follow:
            _ = court.summary  # or each log would be refused for what is wrong with the spec
        if follow:
            from rhscheck.following_logs import follow_log
            from rhscheck.stopping import asked_to_stop

            silent = out.quiet or out.json or out.ci is not None
            with asked_to_stop() as stop:
                found = list(follow_log(court, files[0], quiet=silent, stop=stop))
        elif trace_path is not None or not logmap.facts.lossy:
            found = list(_audited(files, court, say, None if trace_path is None else trace))
        else:
            found = list(_audited_at_once(files, request, court, jobs, say))
        opinions.keep(kept_at, court)
        reports, missing = apart(found)
        reasons = [one.reason for one in missing]
        if reasons and not reports and out.ci is None:  # the other formats have a place for them
            raise api.InputError("\nerror: ".join(reasons))
        status = audit_output.audit_status(found, require_all=require == "all")
        names = tuple(map(short_name, wanted))
        unknown = _unknown_resources(names, reports, "no other log" if missing else "no log")
        if unknown and not missing:
            raise api.InputError(unknown[0])
        reasons += unknown if reports else []  # a log that was refused may mention them
        content: str | bytes
        if out.ci is not None:
            checks = audit_output.audit_checks(found, court.summary, status, version=api.version())
            content = ci_text(checks, out.ci)
        elif out.json:
            content = audit_output.audit_json(found, court.summary, status, names)
        else:
            width = terminal.width(out.path)
            content = audit_output.audit_text(
                found, court.summary, names, quiet=out.quiet, width=width
            )
    if trace_path is not None and reports:
        content_of_trace = _encoded(trace, reports[0], court, request)
        terminal.write_result(content_of_trace, trace_path, inputs=inputs)
    out.write(content, inputs=inputs)
    for reason in reasons:
        terminal.write_message(f"error: {terminal.safe(reason)}")
    return status


def _same_place(path: str, other: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def log_files(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files that the arguments stand for, folders searched in the order of names.

    And what is called like a log in these folders and is none: reading a pipe may never end. Raises
    InputError for what is not there and for a folder without logs.
    """
    files: list[str] = []
    skipped: list[str] = []
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
        odd = [one for one in found if _is_no_file(one)]
        skipped += odd
        found = [one for one in found if one not in odd] if odd else found
        if not found:
            suffixes = " or ".join(LOG_SUFFIXES)
            raise api.InputError(f"{argument} has no file that ends in {suffixes}; name the files")
        files += found
    if len(files) > MAX_FILES:
        raise api.InputError(f"{len(files):,} logs are more than {MAX_FILES:,} at once")
    return list(dict.fromkeys(files)), list(dict.fromkeys(skipped))


def _is_no_file(path: str) -> bool:
    """Whether something else is there; a link that leads nowhere is a file that cannot be read."""
    return os.path.exists(path) and not os.path.isfile(path)


def _ordered(folders: list[str], names: list[str]) -> list[str]:
    folders.sort()  # the order in which os.walk goes on
    return sorted(names)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of every log: the names of mapping and spec, and the settings."""

    map_name: str
    spec: str
    settings: tuple[tuple[str, str], ...]


def court_of(request: Request, logmap: LogMap) -> tuple[Court, Callable[[], Path | None]]:
    """The spec that logs are brought before, and where its opinions are kept."""
    from rhscheck import opinions
    from rhscheck.traces.audit.court import Court

    settings = dict(request.settings)

    def compiled() -> System:
        return api.load_system(request.spec, settings)

    @functools.cache
    def place() -> Path | None:
        folder = opinions.cache_folder(os.environ)
        return opinions.place_of(folder, request.spec, settings, logmap)

    def more() -> dict[Case, Opinion]:
        kept = opinions.recall(place())
        return {} if kept is None else dict(kept.known)

    kept = opinions.shipped(request.spec, settings, logmap)
    if kept is not None:
        return Court(logmap, compiled, kept.summary, dict(kept.known), more), place
    kept = opinions.recall(place())
    if kept is None:
        return Court(logmap, compiled), place
    return Court(logmap, compiled, kept.summary, dict(kept.known)), place


def _audited(
    files: Sequence[str], court: Court, say: terminal.Report, trace: list[Event] | None
) -> Iterator[LogReport | Refused]:
    """The audits of the files, one after the other, and what is wrong with a file."""
    from rhscheck.traces.audit.audit import audit_log

    for number, path in enumerate(files):
        try:
            with _opened(path, say) as (stream, progress):
                yield audit_log(
                    stream,
                    file=path,
                    number=number,
                    court=court,
                    keep=None if trace is None else trace.append,
                    progress=progress,
                )
        except api.InputError as error:
            yield refused(path, error)


def _audited_at_once(
    files: Sequence[str], request: Request, court: Court, jobs: int, say: terminal.Report
) -> Iterator[LogReport | Refused]:
    """The same of logs that may lack lines, read by several processes.

    Several logs are read at once, or one log in stretches; this process judges them all.
    """
    if jobs == 1 or len(files) == 1:
        for path in files:
            try:
                yield _in_stretches(path, request, court, jobs, say)
            except api.InputError as error:
                yield refused(path, error)
        return
    from rhscheck import workers

    work = functools.partial(read_alone, request, court.summary)
    for number, found in enumerate(workers.each(work, list(files), jobs), 1):
        yield found if isinstance(found, Refused) else found.report(court)
        say(f"audit: {number:,} of {len(files):,} logs read")


def _in_stretches(
    path: str, request: Request, court: Court, jobs: int, say: terminal.Report
) -> LogReport:
    """The audit of one log. Raises InputError."""
    from rhscheck.traces.audit.audit import audit_log, audit_stretches

    with _opened(path, say) as (stream, progress):
        if jobs == 1 or not Path(path).is_file():
            return audit_log(stream, file=path, number=0, court=court, progress=progress)
        from rhscheck import workers

        work = functools.partial(read_part, request.map_name, path)
        return audit_stretches(
            stream,
            file=path,
            court=court,
            each=lambda cuts: workers.each(work, cuts, jobs),
            progress=progress,
        )


def read_part(map_name: str, path: str, cut: Cut) -> Stretch:
    """A stretch of a log, read in a process that reads several."""
    from rhscheck.traces.audit.stretches import read_stretch

    with Path(path).open("rb") as stream:
        return read_stretch(stream, _mapping(map_name), cut)


def read_alone(request: Request, summary: SpecSummary, path: str) -> Read | Refused:
    """A log read in a process that reads several, not judged, or what is wrong with it."""
    from rhscheck.traces.audit.audit import read_log
    from rhscheck.traces.audit.court import Court

    logmap = _mapping(request.map_name)

    def compiled() -> System:
        return api.load_system(request.spec, dict(request.settings))

    try:
        with _opened(path, lambda _line: None) as (stream, _):
            return read_log(stream, file=path, court=Court(logmap, compiled, summary))
    except api.InputError as error:
        return refused(path, error)


@functools.lru_cache(maxsize=1)
def _mapping(name: str) -> LogMap:
    from rhscheck.mappings import load_mapping

    return load_mapping(name)


@contextlib.contextmanager
def _opened(path: str, say: terminal.Report) -> Iterator[tuple[BinaryIO, Callable[[int], None]]]:
    """The log as a seekable stream, and whom to tell how far it was read.

    Raises InputError for a file that cannot be read as such a log.
    """
    from rhscheck.traces.logmap.read import LegacyFormat

    api.refuse_device(path)
    began = time.monotonic()

    def progress(offset: int) -> None:
        if time.monotonic() - began > 1:
            say(f"audit {terminal.printable(path)}: {offset / 1e6:,.0f} MB read")

    say(f"audit {terminal.printable(path)}")
    try:
        with Path(path).open("rb") as stream, _seekable(stream) as seekable:
            yield seekable, progress
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
    import shutil
    import tempfile

    with tempfile.SpooledTemporaryFile(max_size=1 << 24) as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _unknown_resources(
    names: Sequence[str], reports: Sequence[LogReport], no_log: str
) -> list[str]:
    """What is to be said of names that are in none of the reports."""
    from rhscheck.spec.diagnostic import did_you_mean

    known = [one.name for report in reports for one in report.resources]
    return [
        f"{no_log} mentions a resource called {name}; {did_you_mean(name, known)}"
        for name in names
        if name not in known
    ]


def _encoded(trace: Sequence[Event], report: LogReport, court: Court, request: Request) -> bytes:
    """The log's events as a trace that says of it what the report does, judged by the same spec."""
    import msgspec

    from rhscheck.mappings import words_of_spec
    from rhscheck.traces.audit.worded import Worded
    from rhscheck.traces.format import Trace
    from rhscheck.traces.logmap.events import log_header
    from rhscheck.traces.logmap.names import missing_labels, words_of
    from rhscheck.traces.mapping import chosen_parameters

    logmap = court.logmap
    # The same words as those of whoever judged; shipped ones are those of all readings.
    judged_whole = bool(request.settings) or not logmap.facts.lossy
    words = words_of(court.system) if judged_whole else words_of_spec(request.spec)
    hosts = {report.node or "": report.tally.dated}
    header = log_header(logmap, hosts, source=report.mapping, tool=f"rhscheck {api.version()}")
    header = msgspec.structs.replace(header, spec=words.spec)
    if logmap.unseen and not logmap.facts.lossy:
        # What only another reading of the spec has happens in no run of this one.
        missing = missing_labels(logmap, words)
        unseen = tuple(label for label in logmap.unseen if label not in missing)
        header = msgspec.structs.replace(header, unseen=unseen)
    if request.settings:
        header = msgspec.structs.replace(header, params=chosen_parameters(court.system))
    worded = Worded(words, logmap.foreign)
    return Trace(header, tuple(map(worded.told, trace))).encode()


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
    """Read the `log` lines of mappings and compare with their `is` lines; hold every name that
    is the spec's against the spec that the mapping is for.

    Exit status 1: a line is read differently; 2: a mapping cannot be used, for what it says or for
    a name that its spec does not have; 3: a mapping has no such lines.
    """
    from rhscheck import audit_output
    from rhscheck.mappings import checked_mapping
    from rhscheck.traces.logmap.check import check_map

    results = [check_map(checked_mapping(name)) for name in maps]
    status = audit_output.map_status(results)
    if out.json:
        out.write(audit_output.map_json(results, status), inputs=maps)
    else:
        out.write(audit_output.map_text(results, quiet=out.quiet), inputs=maps)
    return status
