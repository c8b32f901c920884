"""`rhscheck replay`: does a spec allow recorded runs?

Owns the command's options and the order of work: which files, in how many processes, once or as
they grow. How a file is judged is `api`'s, how reports look is `output`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal

import click

from rhscheck import api, terminal
from rhscheck.options import Out, ci_text, common, examples, set_option
from rhscheck.spec.diagnostic import SpecErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rhscheck.refused import Refused
    from rhscheck.traces.report import TraceReport

MAX_JOBS = 64


@click.command(
    short_help="Say whether a spec allows recorded runs.",
    epilog=examples(
        "rhscheck replay t.jsonl",
        "rhscheck replay *.jsonl --spec my.sm --format json",
        "rhscheck replay runs/*.jsonl --jobs 4 --slack 100ms",
        "rhscheck replay live.jsonl --follow",
    ),
)
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True)
@click.option(
    "--spec",
    metavar="SPEC",
    help="Judge by this spec. Without it: the shipped spec that the trace names.",
)
@set_option
@click.option(
    "--slack",
    metavar="TIME",
    help="How late a step may be, such as 100ms (in the trace's time). Without it: what the trace "
    "says.",
)
@click.option("--strict", is_flag=True, help="Refuse a trace with a line that cannot be read.")
@click.option(
    "--require",
    type=click.Choice(["any", "all"]),
    default="any",
    show_default=True,
    help="all: a rule that could not be judged makes the exit status 3.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, MAX_JOBS),
    default=1,
    show_default=True,
    help="Judge up to N files at once; without compiled readers, decode one long file in N "
    "processes. The output is the same for every N.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Keep reading the one TRACE as it grows, print what is found at once, and the report when "
    "its end line is written or after Ctrl-C. A file that is rotated is read on from its start.",
)
@common("the report", ci=True)
def replay(
    *,
    out: Out,
    traces: tuple[str, ...],
    spec: str | None,
    settings: dict[str, str],
    slack: str | None,
    strict: bool,
    require: Literal["any", "all"],
    jobs: int,
    follow: bool,
) -> int:
    """Say whether a spec allows recorded runs (rhs-trace/1).

    Exit status 0: nothing is violated and some rule was judged in every trace; 1: a rule or an
    assumption is violated, or no run of the spec fits; 3: nothing was judged in a trace; 2: a
    trace cannot be read, whatever is said of the others.
    """
    from rhscheck import output

    inputs = traces if spec is None else (*traces, spec)
    terminal.check_writable(out.path, inputs)
    slack_us = None if slack is None else _microseconds(slack)
    request = _Request(spec, tuple(sorted(settings.items())), slack_us, strict)
    if follow:
        if len(traces) != 1:
            raise api.InputError("--follow reads one trace")
        replayed = _followed(request, traces[0], out)
    else:
        replayed = _judge(request, traces, jobs, out)
    reasons = _reasons(replayed, out)
    status = output.replay_status(replayed, require_all=require == "all")
    text: str | bytes
    if out.ci is not None:
        from rhscheck.trace_checks import replay_checks

        text = ci_text(replay_checks(replayed, status, version=api.version()), out.ci)
    elif out.json:
        text = output.replay_json(replayed, status)
    else:
        text = output.replay_text(replayed, quiet=out.quiet)
    out.write(text, inputs=inputs)
    for reason in reasons:
        terminal.write_message(f"error: {terminal.safe(reason)}")
    return status


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked of every file."""

    spec: str | None
    settings: tuple[tuple[str, str], ...]
    slack_us: int | None
    strict: bool


@lru_cache(maxsize=1)
def _replayer(request: _Request) -> api.Replayer:
    """One for all files of a process: a spec is compiled once."""
    return api.Replayer(
        request.spec, dict(request.settings), request.slack_us, strict=request.strict
    )


def _one(request: _Request, path: str, jobs: int = 1) -> TraceReport | Refused:
    try:
        return _replayer(request).replay(path, jobs)
    except (api.InputError, SpecErrors) as error:
        from rhscheck.refused import refused

        return refused(path, error)


def _judge(
    request: _Request, traces: tuple[str, ...], jobs: int, out: Out
) -> list[TraceReport | Refused]:
    """What there is to say of each file, in their order. Raises what is wrong with the spec."""
    from rhscheck.workers import each

    _replayer(request).check_spec()  # or each file would be refused for it
    answers = []
    with terminal.progress("replay: reading", quiet=out.quiet) as say:
        # One file is decoded by several processes, several files are judged by one each.
        work = partial(_one, request, jobs=jobs if len(traces) == 1 else 1)
        for number, answer in enumerate(each(work, traces, jobs), start=1):
            answers.append(answer)
            say(f"replay: {number} of {len(traces)}")
    return answers


def _followed(request: _Request, path: str, out: Out) -> list[TraceReport | Refused]:
    """What there is to say of a growing file, and of those that it is rotated to."""
    from rhscheck.following import follow_trace, rotated
    from rhscheck.refused import refused
    from rhscheck.stopping import asked_to_stop

    _replayer(request).check_spec()
    answers: list[TraceReport | Refused] = []
    silent = out.quiet or out.json or out.ci is not None
    with asked_to_stop() as stop:
        try:
            for report in follow_trace(_replayer(request), path, quiet=silent, stop=stop):
                answers.append(report)  # noqa: PERF402  kept, whatever comes next
        except (api.InputError, SpecErrors) as error:
            answers.append(refused(rotated(path) if answers else path, error))
    return answers


def _reasons(answers: Sequence[TraceReport | Refused], out: Out) -> list[str]:
    """Why files were refused.

    Raises InputError or SpecErrors where that is all there is to say: if the options fit no file,
    and if no file can be read, unless the format has a place for that.
    """
    from rhscheck.refused import Refused

    found = [one for one in answers if isinstance(one, Refused)]
    reasons = [one.reason for one in found]
    if len(found) == len(answers):
        if all(one.mistakes for one in found):
            raise SpecErrors(found[0].mistakes, found[0].sources)
        if out.ci is None:
            raise api.InputError("\nerror: ".join(reasons))
    return reasons


def _microseconds(text: str) -> int:
    """A duration such as `100ms`. Raises InputError."""
    for suffix, micros in (("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000)):
        number = text.removesuffix(suffix)
        if number != text and number.isdecimal() and len(number) <= 12:
            return int(number) * micros
    raise api.InputError(f"`{text}` is no time; write it as 100ms, 2s or 500us")
