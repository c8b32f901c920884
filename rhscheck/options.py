"""The options that several commands share, and what bad input turns into.

Owns `Out`, the decorator that gives a command its common options, and the messages for input that
cannot be used (exit status 2). Knows nothing of what a command does.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, assert_never, get_args

import click

from rhscheck import api, terminal
from rhscheck.spec.diagnostic import SpecErrors

if TYPE_CHECKING:
    from rhscheck.ci_report import CiReport

EXIT_INPUT = 2
CiFormat = Literal["junit", "sarif", "github"]


@dataclass(frozen=True, slots=True)
class Out:
    """Where and how a result is shown. `dash`: the user asked for standard output by `-o -`.

    `ci`: one of the formats for continuous integration, for commands that have them.
    """

    json: bool
    ci: CiFormat | None
    path: str | None
    dash: bool
    quiet: bool
    color: bool

    def write(self, content: str | bytes, inputs: Sequence[str] = ()) -> None:
        """Write the finished result to the file or stream the user chose."""
        terminal.write_result(content, self.path, color=self.color, inputs=inputs)

    def report(self, content: str | bytes) -> None:
        """Write to standard output, for commands whose -o takes a product and not the report."""
        terminal.write_result(content, None, color=self.color)


@dataclass(frozen=True, slots=True)
class Start:
    """When the program was started, by `time.monotonic`."""

    at: float


def time_began() -> float:
    """When a time-out of the command that runs began to count, by `time.monotonic`."""
    start = click.get_current_context().find_object(Start)
    return time.monotonic() if start is None else start.at


def processors() -> int:
    """How many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ci_text(report: CiReport, kind: CiFormat) -> bytes:
    """The report in one of the formats for continuous integration."""
    match kind:
        case "junit":
            from rhscheck.junit import junit

            return junit(report)
        case "sarif":
            from rhscheck.sarif import sarif

            return sarif(report)
        case "github":
            from rhscheck.github import github

            return github(report)
        case _:
            assert_never(kind)


def common(product: str, *, ci: bool = False) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command the options of every command, handed over as `out`: an `Out`.

    `product` says in the help what -o writes; `ci`: the command has the formats for continuous
    integration, too. Errors of the input become a message and status 2.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @click.option(
            "--format",
            "kind",
            type=click.Choice(["text", "json", *(get_args(CiFormat) if ci else ())]),
            default="text",
            show_default=True,
            help="Text for people, or one JSON object for scripts"
            + (
                "; JUnit XML, SARIF 2.1.0, or GitHub annotations for continuous integration."
                if ci
                else "."
            ),
        )
        @click.option(
            "-o", "--output", metavar="FILE", help=f"Write {product} to FILE (-: standard output)."
        )
        @click.option(
            "-q", "--quiet", is_flag=True, help="Of a text only the last line; no progress."
        )
        @click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="auto: on a terminal, unless NO_COLOR is set.",
        )
        @click.option("--no-color", is_flag=True, help="The same as --color never.")
        @functools.wraps(command)
        def with_out(
            kind: Literal["text", "json", "junit", "sarif", "github"],
            output: str | None,
            quiet: bool,
            color: terminal.ColorChoice,
            no_color: bool,
            **options: Any,
        ) -> int:
            path = None if output == "-" else output
            choice: terminal.ColorChoice = "never" if no_color else color
            color_it = terminal.wants_color(choice, path)
            wanted: CiFormat | None
            match kind:
                case "text" | "json":
                    wanted = None
                case _:
                    wanted = kind
            out = Out(kind == "json", wanted, path, output == "-", quiet, color_it)
            try:
                return command(out=out, **options)
            except SpecErrors as errors:
                from rhscheck.output import diagnostics_text

                message = diagnostics_text(errors.diagnostics, errors.sources)
            except (api.InputError, terminal.OutputError) as error:
                said = terminal.safe(str(error))
                message = f"{click.style('error:', fg='red', bold=True)} {said}"
            terminal.write_message(message, color=terminal.wants_color(choice, None, error=True))
            return EXIT_INPUT

        return with_out

    return decorate


def _settings(
    _context: click.Context, _parameter: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    """`--set NAME=VALUE`, several times, as a mapping."""
    chosen: dict[str, str] = {}
    for value in values:
        name, equals, setting = value.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"`{value}` is not of the form NAME=VALUE")
        if chosen.setdefault(name.strip(), setting.strip()) != setting.strip():
            raise click.BadParameter(f"`{name.strip()}` is set to two different values")
    return chosen


spec_argument = click.argument("spec", metavar="SPEC")


def finite(
    _context: click.Context, _parameter: click.Parameter, value: float | None
) -> float | None:
    """A number that is one: `nan` is in every range, as far as comparisons can tell."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("`nan` is no number")
    return value


without_option = click.option(
    "--without", metavar="ID", multiple=True, help="Do not rely on this assumption (repeatable)."
)
set_option = click.option(
    "--set",
    "settings",
    metavar="P=V",
    multiple=True,
    callback=_settings,
    help="Give a parameter or reading of the spec another value (repeatable).",
)


def instances_option(default: int | None, shown: str) -> Callable[[Any], Any]:
    """`-n N`, with what is done without it in the help."""
    return click.option(
        "-n",
        type=click.IntRange(1, api.MAX_INSTANCES),
        default=default,
        metavar="N",
        help=f"Number of instances, 1 to {api.MAX_INSTANCES}. Without it: {shown}.",
    )


def examples(*lines: str) -> str:
    """Examples for the end of a help text, kept as they are by click."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
