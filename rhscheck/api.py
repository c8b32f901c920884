"""The public Python interface: one function a command, values in and values out.

Owns the limits of what is accepted, the reading of input files, and the messages for input that
cannot be used (`InputError`; `SpecErrors` for what is wrong inside a spec). Knows nothing of
options, terminals or rendering. Each function imports what it needs, because loading Z3 to format
a file would cost more than the work.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, assert_never

from rhscheck.spec.diagnostic import Code, SpecErrors, did_you_mean

if TYPE_CHECKING:
    from rhscheck.checker.certificate import Written
    from rhscheck.checker.certify.certify import Certification
    from rhscheck.checker.explicit import Count, Stopped
    from rhscheck.checker.slack import TimeReport
    from rhscheck.checker.verify import Report
    from rhscheck.explanation import Explanation
    from rhscheck.spec.load import Loaded
    from rhscheck.spec.system import System
    from rhscheck.trace_files import TraceFiles
    from rhscheck.traces.batches import Part
    from rhscheck.traces.format import Header
    from rhscheck.traces.report import Finding, TraceReport
    from rhscheck.traces.simulate import Simulation
    from rhscheck.traces.tables import Range, Stretch

# What is accepted. Beyond these a run would take longer than anybody waits, or fill the memory.
MAX_INSTANCES = 64
MAX_DEPTH = 1_000
MAX_TIMEOUT_S = 86_400.0
MIN_MEMORY_MB, MAX_MEMORY_MB = 256, 1 << 20  # with less not even Z3 and a spec find room
MAX_STEPS = 1_000_000
MAX_STATES = 1_000_000_000
DEFAULT_STATES = 5_000_000
DEFAULT_SPEC = "rhs"
ENGINES = ("local", "pairs", "zones", "bmc", "spacer", "kinduction", "kliveness")

Notation = Literal["mermaid", "dot", "svg"]
Say = Callable[[str], None]


class InputError(Exception):
    """The input or the usage is wrong; the message says what, and what would be right."""


def _silent(_line: str) -> None:
    """Nobody wants to know."""


def load(spec: str, settings: Mapping[str, str] | None = None) -> Loaded:
    """The System of `spec`, a path or the bare name of a shipped spec, with sources and warnings.

    `settings` give parameters and readings other values, as text (`{"CallTimeout": "2m"}`).
    Raises InputError if there is no such spec, SpecErrors if it cannot be used.
    """
    from rhscheck.spec.load import SpecNotFound
    from rhscheck.spec.load import load as load_spec

    refuse_device(spec)
    try:
        return load_spec(spec, settings)
    except SpecNotFound as error:
        raise InputError(str(error)) from None


def load_system(spec: str, settings: Mapping[str, str] | None = None) -> System:
    """The System of `load`, from an earlier run of the program if that is kept; raises the same."""
    from rhscheck.spec.load import SpecNotFound
    from rhscheck.spec.load import load_system as load_kept

    refuse_device(spec)
    try:
        return load_kept(spec, settings)
    except SpecNotFound as error:
        raise InputError(str(error)) from None


def verify(
    system: System,
    *,
    rules: Sequence[str] = (),
    without: Sequence[str] = (),
    n: int | None = None,
    depth: int | None = None,
    timeout_s: float | None = None,
    engine: str | None = None,
    jobs: int = 1,
    certificate: bool = False,
    findings: bool = True,
    memory_mb: float | None = None,
    paranoid: bool = False,
    began: float | None = None,
    progress: Say = _silent,
) -> Report:
    """Decide the rules of `system` (all, or those named), for every N or for `n` instances.

    `without`: assumptions not relied on. `depth`: longest run that bounded checking looks at, in
    steps. `timeout_s`: what is open after so many seconds is unknown. `jobs`: processes that may
    share the rules (at most 2 are used). `findings`: look also for what does nothing in the spec,
    and for what the assumptions left out protect. `certificate`: keep what `write_certificate`
    needs. `memory_mb`: what all processes together may hold. Both limits are hard: the work is done
    in a process that is ended. `began`: when the time began to run (`time.monotonic`), None: now.
    `paranoid`: ask every engine, and compare. `progress` is told what is going on. Raises
    InputError for names and numbers that do not fit the System.
    """
    from rhscheck.checker import session
    from rhscheck.checker import verify as checker
    from rhscheck.spec.rules import AssumptionError

    options = checker.Options(
        rules=tuple(rules),
        n=n,
        depth=checker.DEFAULT_DEPTH if depth is None else depth,
        timeout_s=timeout_s,
        engine=engine,
        without=tuple(without),
        jobs=jobs,
        certificate=certificate,
        findings=findings,
        protection=findings,
        memory_mb=memory_mb,
        paranoid=paranoid,
    )
    try:
        return session.run(system, options, progress, began)
    except checker.OptionError as error:
        last = str(error).rpartition("`")[0].rpartition("`")[2]
        hint = did_you_mean(last, error.known)
        raise InputError(f"{error}; {hint}" if hint else str(error)) from None
    except AssumptionError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"no process can be started for the limits: {reason}") from None


def require_certificate_folder(folder: str, report: str | None = None) -> None:
    """Raise InputError unless a certificate may be written into the directory `folder`.

    `report`: the file of another result, which must not be in it: nothing would vouch for it.
    """
    from rhscheck.checker.certificate import require_ours

    if report is not None and report != "-":
        whole = Path(os.path.realpath(folder))
        if whole in Path(os.path.realpath(report)).parents:
            raise InputError(f"{report}: nothing but the certificate may be in {folder}")
    try:
        require_ours(Path(folder))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from None


def write_certificate(
    folder: str, loaded: Loaded, settings: Mapping[str, str], report: Report
) -> Written:
    """Write what `report` (made with `certificate`) proved of `loaded` into the directory `folder`.

    `settings`: those that `loaded` was read with. A certificate that is there is replaced, by a
    whole one or not at all. Raises InputError where it cannot be written.
    """
    from rhscheck.checker.certificate import write

    try:
        return write(Path(folder), loaded, settings, report, f"rhscheck {version()}")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from None


def certify(
    folder: str,
    *,
    spec: str | None = None,
    timeout_s: float | None = None,
    progress: Say = _silent,
) -> Certification:
    """`certify_all` of one."""
    (only,) = certify_all([folder], spec=spec, timeout_s=timeout_s, progress=progress)
    return only


def certify_all(
    folders: Sequence[str],
    *,
    spec: str | None = None,
    timeout_s: float | None = None,
    progress: Say = _silent,
) -> tuple[Certification, ...]:
    """Re-check the certificates in directories, without the engines that made them.

    What they have in common is asked once. `spec`: the spec that each has to be about, read with
    its own settings. `timeout_s`: what has no answer after so many seconds is undecided. Raises
    InputError where a directory holds none, or there is no such spec, and SpecErrors.
    """
    from rhscheck.checker.certify.certify import CannotReadError
    from rhscheck.checker.certify.certify import certify_all as check

    expected = [_expected_hash(folder, spec) for folder in folders]
    paths = [Path(folder) for folder in folders]
    try:
        return check(paths, expected, progress, timeout_s=timeout_s)
    except CannotReadError as error:
        raise InputError(str(error)) from None


def _expected_hash(folder: str, spec: str | None) -> str | None:
    """What the certificate in `folder` has to be about. Raises InputError where there is none."""
    from rhscheck.checker.certify import form
    from rhscheck.spec.fingerprint import fingerprint

    path = Path(folder)
    refuse_device(folder)
    try:
        if not os.path.lexists(path / form.MAIN):
            what = "an incomplete" if form.has_parts(path) else "no"
            raise InputError(
                f"{folder} holds {what} certificate: there is no file {form.MAIN} in it"
            )
        return None if spec is None else fingerprint(load(spec, form.settings(path)).system)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot read the certificate in {folder}: {reason}") from None


def slack(
    system: System,
    *,
    rules: Sequence[str] = (),
    without: Sequence[str] = (),
    n: int | None = None,
    timeout_s: float | None = None,
    began: float | None = None,
    progress: Say = _silent,
) -> TimeReport:
    """How much room the deadlines of `system` leave, and its bounded responses among `rules`.

    For every number of instances where one stands for all, else for `n` (None: 2). `timeout_s`,
    `began`: as for `verify`. Raises InputError for names and numbers that do not fit the System.
    """
    from rhscheck.checker import session
    from rhscheck.checker.verify import OptionError, Options
    from rhscheck.spec.rules import AssumptionError

    options = Options(rules=tuple(rules), without=tuple(without), n=n, timeout_s=timeout_s)
    try:
        return session.time_report(system, options, progress, began)
    except (OptionError, AssumptionError) as error:
        raise InputError(str(error)) from None


def states(
    system: System,
    *,
    n: int = 1,
    untimed: bool = False,
    symmetry: bool | None = None,
    without: Sequence[str] = (),
    limit: int = DEFAULT_STATES,
) -> Count | Stopped:
    """How many states and transitions `n` instances can reach, under the assumptions.

    `untimed`: deadlines may expire at any time; else time passes in ticks. `symmetry`: count up to
    exchanging instances, None: where possible. `limit`: give up beyond so many states. Raises
    InputError for what cannot be counted so.
    """
    from rhscheck.checker.explicit import Refused, count
    from rhscheck.spec.ground import ground
    from rhscheck.spec.rules import AssumptionError, weave

    known = [one.id for one in system.assumptions]
    for name in without:
        if name not in known:
            raise InputError(f"there is no assumption `{name}`; {did_you_mean(name, known)}")
    kept = [one for one in system.assumptions if one.id not in without]
    try:
        world = ground(weave(system, (), kept).system, n)
    except AssumptionError as error:
        raise InputError(str(error)) from error
    found = count(
        world, untimed=untimed, symmetry=n > 1 if symmetry is None else symmetry, limit=limit
    )
    if isinstance(found, Refused) and symmetry is None:
        found = count(world, untimed=untimed, symmetry=False, limit=limit)
    if isinstance(found, Refused):
        raise InputError(found.reason)
    return found


def refuse_device(path: str) -> None:
    """Raise InputError for a device (reading one may never end) and for `-`, which is no file."""
    if path == "-" and not Path(path).exists():
        raise InputError("`-` is no file; standard input is read as /dev/stdin")
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # whoever opens it says why it cannot be
        return
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise InputError(f"{path} is a device, not a file")


# ---- simulate and replay -------------------------------------------------------------------------
def simulate(system: System, *, n: int = 1, seed: int = 0, steps: int = 100) -> Simulation:
    """A random legal run of `n` instances with at most `steps` discrete steps, and its trace.

    The same seed gives the same run. Raises InputError if the System has no initial state or its
    assumptions cannot be built in.
    """
    from rhscheck.spec.rules import AssumptionError
    from rhscheck.traces.simulate import simulate as run

    try:
        return run(system, n, seed, steps, tool=f"rhscheck {version()}")
    except (ValueError, AssumptionError) as error:
        raise InputError(str(error)) from error


def replay(
    path: str,
    *,
    spec: str | None = None,
    settings: Mapping[str, str] | None = None,
    slack_us: int | None = None,
    strict: bool = False,
) -> TraceReport:
    """Whether a spec allows the recorded run in the file `path` (rhs-trace/1).

    Without `spec` the shipped spec that the header names judges, or `rhs` where it names none. The
    header's parameters, time-outs and readings are used unless `settings` say otherwise.
    `slack_us`: how late a step may be, instead of the header's. `strict`: refuse a file with a line
    that cannot be read. Raises InputError for a file that cannot be read or is no trace at all, and
    SpecErrors.
    """
    return Replayer(spec, settings or {}, slack_us, strict=strict).replay(path)


def _placed(parts: Sequence[Range], answers: Iterable[list[Stretch]]) -> Iterator[Stretch]:
    """The stretches of a file: its first line, and then those of the parts."""
    from rhscheck.traces.tables import Stretch

    yield Stretch(parts[0].start)
    for stretches in answers:
        yield from stretches


class Replayer:
    """Judges files one after the other as `replay` does; specs are compiled once for all."""

    def __init__(
        self,
        spec: str | None = None,
        settings: Mapping[str, str] | None = None,
        slack_us: int | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self._spec = spec
        self._settings = dict(settings or {})
        self._slack_us = slack_us
        self._strict = strict
        self._systems: dict[tuple[tuple[str, str], ...], System | SpecErrors] = {}
        self._files: dict[tuple[tuple[str, str], ...], TraceFiles] = {}

    def check_spec(self) -> None:
        """Raise what is wrong with the spec or the settings, where a spec is named.

        Else what there is to set depends on the file.
        """
        if self._spec is not None:
            self._system(self._spec, self._settings)

    def replay(self, path: str, jobs: int = 1) -> TraceReport:
        """The report on one file, decoded by `jobs` processes if it is long and that is faster.

        The report does not depend on their number. Raises what `api.replay` raises.
        """
        from contextlib import closing

        from rhscheck.traces import compiled

        refuse_device(path)
        with _opened(path) as stream:
            # Compiled code reads lines faster than processes can tell each other about them.
            # With `strict` the first line that cannot be read is the answer.
            shared = jobs > 1 and not self._strict and compiled.calls is None
            if shared and stream.seekable():
                from rhscheck.traces.tables import ranges, tabulate
                from rhscheck.workers import each

                parts = ranges(path, stream)
                if parts:
                    with closing(each(tabulate, parts, jobs)) as answers:
                        return self.follow(path, stream, tables=_placed(parts, answers))[0]
            return self.follow(path, stream)[0]

    def follow(
        self,
        path: str,
        stream: BinaryIO,
        tell: Callable[[Sequence[Finding]], None] | None = None,
        after: Header | None = None,
        tables: Iterable[Stretch] = (),
    ) -> tuple[TraceReport, Header | None]:
        """The report on a stream called `path`, and the header it was judged by.

        `tell` is called with all findings so far whenever something was read. `after`: the header
        of the trace that a stream without one continues. `tables`: what of it others have decoded.
        """
        import msgspec

        from rhscheck.traces.batches import read_batches
        from rhscheck.traces.format import Finish, HeaderLine, Malformed
        from rhscheck.traces.judge import ReplayError

        try:
            parts = iter(
                read_batches(
                    stream, usual=not self._strict, tables=tables, continued=after is not None
                )
            )
            first, second = next(parts), next(parts, None)
            header = first.header if isinstance(first, HeaderLine) else None
            opening = [] if header is not None else [first]
            opening += [] if second is None else [second]
            if header is None and after is not None:
                header = msgspec.structs.replace(after, start="unknown")
            elif isinstance(first, Malformed) and isinstance(second, Malformed | Finish):
                where = f"line {first.line}, column {first.column}"
                raise InputError(f"{path} is no rhs-trace/1: {where}: {first.message}")
            rest: Iterable[Part] = itertools.chain(opening, parts)
            if self._strict:
                rest = _readable(path, rest)
            files, notes = self._judges(path, header)
            report = files.judge(header, rest, path, tell)
        except ReplayError as error:
            raise InputError(f"{path}: {error}") from None
        except OSError as error:
            raise InputError(f"cannot read the trace {path}: {error.strerror}") from None
        return replace(report, notes=notes + report.notes), header

    def _judges(self, path: str, header: Header | None) -> tuple[TraceFiles, tuple[str, ...]]:
        """Who judges a file with this header, and what to say about it."""
        from rhscheck.spec.load import shipped
        from rhscheck.trace_files import TraceFiles
        from rhscheck.traces.judge import Options

        named = "" if header is None else header.spec.removesuffix(".sm")
        if self._spec is None and named and named not in shipped():
            raise InputError(
                f"{path} was made for {named}, which is not shipped: name it with --spec"
            )
        judge_spec = self._spec if self._spec is not None else named or DEFAULT_SPEC
        system = self._system(judge_spec, self._settings)
        recorded = {} if header is None else _recorded_settings(header, system)
        taken = {name: one for name, one in recorded.items() if name not in self._settings}
        notes: tuple[str, ...] = ()
        settings = self._settings
        if taken:
            settings = {**taken, **settings}
            made = ", ".join(f"{name} = {value}" for name, value in taken.items())
            try:
                system = self._system(judge_spec, settings)
            except SpecErrors as errors:
                raise InputError(
                    f"{path}: its header says {made}, and {judge_spec} does not take that: {errors}"
                ) from None
            notes = (f"judged with {made}, as the header says",)
        key = (("", judge_spec), *sorted(settings.items()))
        if key not in self._files:
            self._files[key] = TraceFiles(system, Options(slack_us=self._slack_us))
        return self._files[key], notes

    def _system(self, spec: str, settings: Mapping[str, str]) -> System:
        key = (("", spec), *sorted(settings.items()))
        if key not in self._systems:
            try:
                self._systems[key] = load_system(spec, dict(settings))
            except SpecErrors as errors:
                self._systems[key] = errors  # other files ask for the same
        known = self._systems[key]
        if isinstance(known, SpecErrors):
            raise SpecErrors(known.diagnostics, known.sources)
        return known


def _opened(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot read the trace {path}: {reason}") from None


def _readable(path: str, parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of a file of which every line can be read. Raises InputError for the first not."""
    from rhscheck.traces.format import Malformed, UnknownLine

    for part in parts:
        if isinstance(part, Malformed):
            where = f"line {part.line}, column {part.column}"
            raise InputError(f"{path}, {where}: {part.message} (refused because of --strict)")
        if isinstance(part, UnknownLine):
            raise InputError(
                f"{path}, line {part.line}: an event of the unknown kind `{part.kind}` "
                "(refused because of --strict)"
            )
        yield part


def _recorded_settings(header: Header, system: System) -> dict[str, str]:
    """The header's parameters and time-outs that differ from the System's, as settings."""
    from rhscheck.traces.judge import time_out_parameter

    found: dict[str, str] = {}
    for constant in system.constants:
        value = header.params.get(constant.name)
        own = constant.value * (system.unit_us if constant.is_time else 1)
        if isinstance(value, int) and value != own:
            found[constant.name] = f"{value}us" if constant.is_time else str(value)
    for limit, millis in header.timeouts_ms.items():
        name = time_out_parameter(system, limit)
        known = {one.name: one.value * system.unit_us for one in system.constants}
        if name is not None and name not in found and known[name] != millis * 1000:
            found[name] = f"{millis}ms"
    for reading in system.readings:
        option = header.params.get(reading.name)
        if isinstance(option, str) and option != reading.chosen:
            found[reading.name] = option
    return found


# ---- texts and pictures --------------------------------------------------------------------------
def notation(path: str | None) -> Notation:
    """The notation of a drawing by the file's suffix; Mermaid for none. Raises InputError."""
    known: dict[str, Notation] = {"": "mermaid", ".mmd": "mermaid", ".dot": "dot", ".svg": "svg"}
    suffix = "" if path is None else Path(path).suffix.lower()
    if suffix not in known:
        hint = did_you_mean(suffix, (name for name in known if name))
        raise InputError(f"no drawing is called `{suffix}`; {hint} (or say --as)")
    return known[suffix]


def graph(system: System, kind: Notation) -> str:
    """The state charts of `system` as text. Raises InputError where svg cannot be drawn."""
    from rhscheck.spec import graph as drawing

    try:
        match kind:
            case "mermaid":
                return drawing.mermaid(system)
            case "dot":
                return drawing.dot(system)
            case "svg":
                return drawing.svg(drawing.dot(system))
            case _:
                assert_never(kind)
    except drawing.DrawingError as error:
        raise InputError(str(error)) from None


@dataclass(frozen=True, slots=True)
class FormattedFile:
    """A spec in the standard layout.

    `changed`: the file looks different; `shipped`: it is part of rhscheck, not the user's.
    """

    path: str
    text: str
    changed: bool
    shipped: bool


def format_file(path: str) -> FormattedFile:
    """The spec file `path`, or the shipped spec of that bare name, in the standard layout.

    Nothing is written. Raises InputError for a file that cannot be read, SpecErrors for syntax.
    """
    from rhscheck.spec.format_source import format_source
    from rhscheck.spec.load import SpecNotFound, read_source

    refuse_device(path)
    try:
        source = read_source(path)
    except SpecNotFound as error:
        raise InputError(str(error)) from None
    try:
        text = format_source(source.text, source.path)
    except SpecErrors as error:
        raise SpecErrors(error.diagnostics, [source]) from None
    shipped = not Path(path).is_file()
    return FormattedFile(path, text, changed=text != source.text, shipped=shipped)


def explain(name: str, spec: str = DEFAULT_SPEC) -> Explanation:
    """The explanation of a diagnostic code (SM301), or of a name that `spec` declares.

    Raises InputError where it is neither, and what `load` raises.
    """
    from rhscheck.explanation import Explanation, declared

    for code in Code:
        if name.upper() in (code.number, code.name):
            return Explanation("code", code.number, code.title, code.explanation, None)
    found = {one.name: one for one in declared(load(spec))}
    if name in found:
        return found[name]
    hint = did_you_mean(name, [*found, *(code.number for code in Code)])
    raise InputError(f"{name} is neither a code nor a name in {spec}; {hint}")


def version() -> str:
    """The version of the installed distribution."""
    import importlib.metadata

    return importlib.metadata.version("rhscheck")
