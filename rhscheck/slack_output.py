"""`verify --slack`: how much room deadlines leave, as text and as JSON.

Owns the wording and layout, and the course of the command. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click

from rhscheck import api, terminal
from rhscheck.checker.slack import Slack, TimeReport
from rhscheck.options import Out
from rhscheck.output import place
from rhscheck.spec.semantics import duration
from rhscheck.spec.system import System
from rhscheck.texts import counted, fitted, json_bytes


def show_slack(
    out: Out,
    spec: str,
    settings: Mapping[str, str],
    *,
    rules: Sequence[str],
    without: Sequence[str],
    n: int | None,
    timeout_s: float | None,
    began: float,
) -> int:
    """Measure, write the report; the exit status: 0, or 3 where something is open.

    `began`: when the time began to run, by `time.monotonic`.
    """
    if out.ci is not None:
        raise click.UsageError("--slack has the formats text and json")
    width = terminal.width(out.path)
    with terminal.progress(f"verify {spec}: reading", quiet=out.quiet) as say:
        loaded = api.load(spec, settings)
        found = api.slack(
            loaded.system,
            rules=rules,
            without=without,
            n=n,
            timeout_s=timeout_s,
            began=began,
            progress=say,
        )
    unknown = any(one.needed is None for one in (*found.deadlines, *found.responses))
    status = 3 if unknown or found.open else 0
    if out.json:
        out.write(slack_json(loaded.system, found, status), inputs=[spec])
    else:
        out.write(slack_text(loaded.system, found, width, quiet=out.quiet), inputs=[spec])
    return status


def slack_json(system: System, found: TimeReport, status: int) -> bytes:
    """Times in microseconds."""

    def fields(one: Slack) -> dict[str, object]:
        unit = system.unit_us
        return {
            "name": one.name,
            "owner": one.owner or None,
            "bound_us": one.bound * unit,
            "needed_us": None if one.needed is None else one.needed * unit,
            "slack_us": None if one.slack is None else one.slack * unit,
            "never": one.never,
            "shown": one.sure,
            "reason": one.reason or None,
            "n": "every" if one.n is None else one.n,
            "where": place(one.span),
        }

    return json_bytes(
        "verify",
        {
            "spec": system.name,
            "slack": {
                "deadlines": [fields(one) for one in found.deadlines],
                "responses": [fields(one) for one in found.responses],
                "untimely_states": [
                    {
                        "state": one.state,
                        "n": "every" if one.n is None else one.n,
                        "where": place(one.span),
                    }
                    for one in found.untimely
                ],
                "open": list(found.open),
            },
            "exit": status,
        },
    )


def slack_text(
    system: System, found: TimeReport, width: int | None = None, *, quiet: bool = False
) -> str:
    """A table of deadlines, one of bounded responses, the states that time excludes."""
    every = (*found.deadlines, *found.responses)
    tight = sum(one.slack == 0 and not one.never for one in every)
    roomy = sum(bool(one.slack) and not one.never for one in every)
    unknown = sum(one.needed is None for one in every)
    last = (
        f"{system.name}: {counted(len(found.deadlines), 'deadline')}, "
        f"{counted(len(found.responses), 'bounded response')}; {tight} without slack, "
        f"{roomy} with slack, {sum(one.never for one in every)} never bind, {unknown} open; "
        f"{counted(len(found.untimely), 'state')} excluded by time alone"
    )
    if quiet:
        return last + "\n"
    lines: list[str] = []
    for title, rows in (("deadlines", found.deadlines), ("bounded responses", found.responses)):
        if rows:
            lines += [click.style(title, bold=True), *_table(system, rows, width), ""]
    for one in found.untimely:
        scope = "for every N" if one.n is None else f"for N={one.n}"
        text = f"no run is ever in state `{one.state}`: only its timing excludes it ({scope})"
        lines += fitted(f"{one.span.path}:{one.span.line}: {text}", width)
    lines += [f"not decided: {text}" for text in found.open]
    if found.untimely or found.open:
        lines.append("")
    return "\n".join([*lines, last]) + "\n"


def _table(system: System, rows: Sequence[Slack], width: int | None) -> Iterator[str]:
    first = max(len(one.name) for one in rows)
    bounds = [duration(one.bound, system.unit_us) for one in rows]
    second = max(map(len, bounds))
    for one, bound in zip(rows, bounds, strict=True):
        text = f"  {one.name:<{first}}  {bound:>{second}}  {_words(system, one)}"
        yield from fitted(text.rstrip(), width, "      ")


def _words(system: System, one: Slack) -> str:
    scope = "" if one.n is None else f" for N={one.n}"
    if one.needed is None:
        return f"not decided: {one.reason}"
    if one.never:
        return f"never binds{scope}"
    needed = duration(one.needed, system.unit_us)
    if one.slack == 0:
        shown = "" if one.sure else " as far as is known"
        return f"no slack{shown}{scope}"
    left = duration(one.slack or 0, system.unit_us)
    shown = "" if one.sure else "at least "
    return click.style(f"slack {shown}{left}", fg="green") + f": never more than {needed}{scope}"
