"""`rhscheck run CLUSTER.toml` for real: files, signals, the verdict and the exit status.

Owns the front of the real runtime: the files it writes, the meaning of Ctrl-C, and having the trace
judged by the spec at the end, which the runtime itself never sees. What people see meanwhile is
`run_view`'s, what the cluster does `tracer.real`'s.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final

import click
import msgspec

from rhscheck import api, terminal
from rhscheck.cluster_input import read_cluster_file
from rhscheck.options import Out
from rhscheck.run_view import Board, Line, view
from rhscheck.texts import harmless
from rhscheck.tracer.cluster_file import ClusterFileError
from rhscheck.tracer.real.file_lock import try_lock
from rhscheck.tracer.real.journal import Entry
from rhscheck.tracer.real.news import LogNews, News
from rhscheck.tracer.real.runtime import Outcome, Runtime
from rhscheck.tracer.real.scale import hint, scaled
from rhscheck.tracer.real.state_directory import StateDirectory, StateDirectoryError
from rhscheck.tracer.real.step_log import StepFile
from rhscheck.tracer.real.trace_file import TraceFile

EXIT_UNCLEAN = 1
EXIT_ABORTED = 130
_INTERRUPTED: Final = "taking every group offline; once more: end everything now"


@dataclass(frozen=True, slots=True)
class Request:
    """What to run and what to write. `seconds`: stop after so long; None: when asked to."""

    cluster: str
    time_scale: float = 1
    trace: str | None = None
    steps: str | None = None
    state: str | None = None
    seconds: float | None = None
    judge: bool = True


def host(request: Request, out: Out) -> int:
    """Run the cluster until it is stopped, and return the exit status.

    0: nothing had failed at the end, everything was taken offline in order, and the trace, if one
    was written, conforms; 1: something had failed or was not, or the trace breaks a rule or an
    assumption; 3: it could not be judged; 130: broken off by a second Ctrl-C. Raises InputError for
    files that cannot be used.
    """
    terminal.check_writable(out.path, inputs=[request.cluster])
    if request.trace is not None and request.judge:
        _refuse_unreadable(request.trace)
    file = read_cluster_file(request.cluster)
    configuration = scaled(file.configuration, request.time_scale)
    if len(configuration.nodes) > 1:
        raise api.InputError(
            f"{file.path}: a real run has one node, this cluster has "
            f"{len(configuration.nodes)}; use --simulate, or leave `nodes` out"
        )
    node = configuration.nodes[0]
    default = Path(request.cluster).resolve().with_suffix(".state")
    try:
        directory = StateDirectory(default if request.state is None else Path(request.state))
        configuration = directory.resumed(configuration)
        directory.check_folders([one.name for one in configuration.resources])
    except StateDirectoryError as error:
        raise api.InputError(str(error)) from None
    short = hint(configuration.timeouts, request.time_scale)
    if short:
        terminal.write_message(short)
    board = Board(
        {
            one.name: Line(one.group, one.monitor, "Initializing", 0, "")
            for one in configuration.resources
        }
    )
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.callback(directory.release)
        identity = f"{Path(file.path).stem}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        trace = None
        sinks: list[Callable[[Entry], None]] = [board.count]
        if request.trace is not None:
            stream = stack.enter_context(_create(request.trace, request.cluster))
            with _writing(request.trace):
                trace = TraceFile(
                    stream,
                    configuration,
                    node=node,
                    identity=identity,
                    tool=f"rhscheck {api.version()}",
                )
            sinks.append(_Guarded(trace, request.trace))
        if request.steps is not None:
            stream = stack.enter_context(_create(request.steps, request.cluster))
            with _writing(request.steps):
                steps = StepFile(stream, configuration, node, tool=f"rhscheck {api.version()}")
            sinks.append(_Guarded(steps, request.steps))
        show = stack.enter_context(view(board, out))

        def listen(news: News) -> None:
            board.take(news)
            show(news)

        try:
            runtime = Runtime(
                file,
                configuration,
                directory,
                node=node,
                time_scale=request.time_scale,
                sinks=sinks,
                listener=listen,
            )
            live = terminal.is_interactive() and not out.json and not out.quiet
            tell = (lambda text: show(LogNews(runtime.clock_us(), "", text))) if live else None
            stack.enter_context(_signals(runtime, tell or terminal.write_message))
            if request.seconds is not None:
                wait_s = min(request.seconds, threading.TIMEOUT_MAX)
                timer = threading.Timer(wait_s, runtime.stop)
                timer.daemon = True
                timer.start()
                stack.callback(timer.cancel)
            outcome = runtime.run()
        except (ClusterFileError, StateDirectoryError) as error:
            nothing = _discard((request.trace, request.steps))
            raise api.InputError(f"{error}{nothing}") from None
        for sink in sinks:
            if isinstance(sink, _Guarded) and sink.error is not None:
                raise sink.error
        if trace is not None and outcome is Outcome.ORDERLY:
            with _writing(request.trace):
                trace.close()
    unclean = {name: board.explained(name, why) for name, why in runtime.unclean}
    return _finish(request, out, board, outcome, unclean, time.monotonic() - began)


def _refuse_unreadable(trace: str) -> None:
    """A pipe would be waited for at the end, and gives back nothing that was written to it."""
    if Path(trace).exists() and not Path(trace).is_file() and not Path(trace).is_dir():
        raise api.InputError(
            f"{trace}: the run is judged by its trace, and from a pipe or a device it cannot be "
            "read again: name a file, or add --judge none"
        )


def _create(path: str, cluster: str) -> BinaryIO:
    """A file that is written while the run goes on: every line is handed over at once.

    It is locked, for two runs at once would leave neither's recording, and emptied after that.
    """
    if terminal.same_file(path, cluster):
        raise api.InputError(f"{path}: this is the input; writing there would destroy it")
    with _writing(path):
        if Path(path).exists() and not Path(path).is_file():
            return Path(path).open("wb", buffering=0)  # a pipe or a device belongs to nobody
        stream = Path(path).open("ab", buffering=0)  # noqa: SIM115  it is handed on
    if not try_lock(stream.fileno()):
        stream.close()
        raise api.InputError(f"{path} is being written by another run: name another file")
    stream.truncate(0)
    return stream


def _discard(paths: Sequence[str | None]) -> str:
    """Remove recordings of a run that was refused before anything ran; words about that."""
    words = ""
    for path in paths:
        if path is not None and Path(path).is_file():
            with contextlib.suppress(OSError):  # open, on Windows
                Path(path).unlink()
            left = "holds no run" if Path(path).exists() else "is not written"
            words += f"\nnothing was hosted: {path} {left}"
    return words


@contextlib.contextmanager
def _writing(path: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise api.InputError(f"{path}: cannot be written: {error.strerror or error}") from None


class _Guarded:
    """A file of steps that may become impossible to write: the cluster goes on without it."""

    def __init__(self, write: Callable[[Entry], None], path: str) -> None:
        self._write = write
        self._path = path
        self.error: terminal.OutputError | None = None

    def __call__(self, step: Entry) -> None:
        """Write the step, unless the file is broken."""
        if self.error is not None:
            return
        try:
            self._write(step)
        except OSError as error:
            reason = error.strerror or str(error)
            self.error = terminal.OutputError(
                f"{self._path}: could not be written to its end: {reason}; what it holds is good"
            )
            terminal.write_message(f"{self._path}: cannot be written any more: {reason}")


@contextlib.contextmanager
def _signals(runtime: Runtime, tell: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C (SIGTERM, SIGHUP): everything offline in order; once more: everything ended now."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            runtime.abort()
        else:
            asked = True
            tell(_INTERRUPTED)
            runtime.stop()

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


# ---- the end -----------------------------------------------------------------------------------
class _JudgedTrace(msgspec.Struct, frozen=True):
    """The verdict of the spec on the run's own trace."""

    verdict: str
    findings: list[str]


def _finish(
    request: Request,
    out: Out,
    board: Board,
    outcome: Outcome,
    unclean: Mapping[str, str],
    seconds: float,
) -> int:
    judged: _JudgedTrace | None
    try:
        judged, status = _judge(request, out)
    except KeyboardInterrupt:  # the run itself has ended in order, and is told of
        judged, status = None, EXIT_ABORTED
        terminal.write_message("interrupted")
    unjudged = judged is None and request.judge and request.trace is not None
    if unclean and not unjudged:
        status = EXIT_UNCLEAN
    if outcome is Outcome.ABORTED:
        status = EXIT_ABORTED
    failures = sum(line.failures for line in board.resources.values())
    if out.json:
        report = {
            "version": 1,
            "command": "run",
            "cluster": request.cluster,
            "outcome": outcome.value,
            "seconds": round(seconds, 3),
            "resources": [
                {
                    "name": name,
                    "group": line.group,
                    "monitor": line.monitor,
                    "state": line.state,
                    "failures": line.failures,
                    "unclean": unclean.get(name),
                }
                for name, line in board.resources.items()
            ],
            "monitor_deaths": board.deaths,
            "trace": request.trace,
            "verdict": None if judged is None else judged.verdict,
            "findings": [] if judged is None else judged.findings,
            "exit": status,
        }
        text = msgspec.json.format(msgspec.json.encode(report), indent=2)
        out.write(harmless(text) + b"\n")
        return status
    lines = [] if judged is None or out.quiet else [f"{one}\n" for one in judged.findings]
    reasons = [f"{name}: not in order: {why}" for name, why in unclean.items()]
    if not out.quiet:
        lines += [f"{one}\n" for one in reasons]
    words = [
        f"{request.cluster}: ran for {seconds:.1f} s",
        _count(len(board.resources), "resource"),
        _count(failures, "failure"),
        f"{_count(board.deaths, 'monitor')} died",
    ]
    if unclean:
        # A quiet run has but one line, and the number alone does not say what it is about.
        which = f" ({'; '.join(reasons)})" if out.quiet else ""
        words.append(f"{_count(len(unclean), 'resource')} not in order{which}")
    if outcome is Outcome.ABORTED:
        words.append("broken off")
    if judged is not None:
        words.append(f"the trace {request.trace} {judged.verdict}")
    if unjudged:
        words.append(f"the trace {request.trace} is not judged")
    out.write("".join([*lines, ", ".join(words) + "\n"]), inputs=[request.cluster])
    return status


def _judge(request: Request, out: Out) -> tuple[_JudgedTrace | None, int]:
    """The spec's verdict on the trace, and the exit status that follows from it."""
    if request.trace is None or not request.judge:
        return None, 0
    with terminal.progress(f"replay {request.trace}", quiet=out.quiet):
        report = api.replay(request.trace)
        from rhscheck import output  # noqa: PLC0415

        status = output.replay_status([report], require_all=False)
        text = output.replay_text([report], quiet=False)
    findings = [] if status == 0 else [click.unstyle(line) for line in text.splitlines()]
    return _JudgedTrace(report.verdict, findings), status


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
