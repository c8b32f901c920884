"""`rhscheck mutate`: the mutation score of a spec, and every mutant that lives.

Owns the command's options, its reports as text, JSON and for continuous integration, and its exit
status. Decides no fate.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from rhscheck import api, terminal
from rhscheck.options import (
    Out,
    ci_text,
    common,
    examples,
    finite,
    processors,
    set_option,
    spec_argument,
)


@click.command(
    short_help="Measure how good the rules of a spec are.",
    epilog=examples(
        "rhscheck mutate my.sm",
        "rhscheck mutate rhs --operator drop-guard --operator drop-assume",
        "rhscheck mutate rhs --list",
        "rhscheck mutate rhs --resume rhs.mutants.json",
    ),
)
@spec_argument
@set_option
@click.option(
    "--operator",
    "operators",
    metavar="OP",
    multiple=True,
    help="Only mutants of this kind, such as drop-guard (repeatable).",
)
@click.option("--id", "ids", metavar="ID", multiple=True, help="Only this mutant (repeatable).")
@click.option("--list", "list_only", is_flag=True, help="Show the mutants, judge none.")
@click.option(
    "--variations",
    metavar="FILE",
    help="Allowed variations with their reasons. Without it: NAME.variations.toml beside the spec.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 256),
    default=processors,
    show_default="as many as processors",
    metavar="J",
    help="Processes that share the mutants.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, api.MAX_TIMEOUT_S, min_open=True),
    callback=finite,
    default=120.0,
    show_default=True,
    metavar="S",
    help="Seconds for each verification of a mutant; what is open then is undecided.",
)
@click.option(
    "--resume",
    metavar="FILE",
    help="Keep each judgement in FILE, and take those that are there already from it.",
)
@click.option("--all", "show_all", is_flag=True, help="Show those that do not live, too.")
@common("the report", ci=True)
def mutate(
    *,
    out: Out,
    spec: str,
    settings: dict[str, str],
    operators: tuple[str, ...],
    ids: tuple[str, ...],
    list_only: bool,
    variations: str | None,
    jobs: int,
    timeout_s: float,
    resume: str | None,
    show_all: bool,
) -> int:
    """Change SPEC in one place at a time, and see which rule notices.

    A mutant is killed when the verdict on a rule, a permission or a scenario changes; equivalent
    when it is proved to behave like SPEC; refused when it is no spec at all. What lives is shown
    with the lines that it changes: a rule is missing, or no sentence forbids it; then it belongs
    into the file of allowed variations, with the reason.

    A run that ended before it was over goes on where it was with --resume FILE, if it was begun so.

    Exit status 1: a mutant lives that is not allowed; 3: one is undecided; 2: an allowed variation
    is stale.
    """
    from rhscheck.judgements import kept
    from rhscheck.mutate import Score, score, select
    from rhscheck.mutate_output import checks, list_json, list_text, score_json, score_text
    from rhscheck.variations import file_of, read_variations, stale

    with terminal.progress(f"mutate {spec}: reading", quiet=out.quiet) as say:
        loaded = api.load(spec, settings)
        allowed = read_variations(spec, variations)
        read = [*(source.path for source in loaded.sources), file_of(spec, variations)]
        chosen = select(loaded, operators, ids)
        if list_only:
            if out.ci is not None:
                raise click.UsageError("--list has the formats text and json")
            listed = list_json if out.json else list_text
            out.write(listed(loaded, chosen), inputs=read)
            return 0
        judged = tuple(
            score(
                loaded, settings, chosen, allowed,
                jobs=jobs, timeout_s=timeout_s, progress=lambda line: say(f"mutate {spec}: {line}"),
                kept=kept(resume, loaded),
            )
        )  # fmt: skip
    found = Score(judged)
    fates = {one.mutant.id: one.fate for one in judged}
    # A part of the mutants says nothing about entries for the others.
    asked = allowed if not (operators or ids) else {k: r for k, r in allowed.items() if k in fates}
    living = [one.mutant.id for one in judged if one.allowed is not None]
    wrong = stale(asked, living, {k: str(fate) for k, fate in fates.items()})
    content: str | bytes
    if out.ci is not None:
        content = ci_text(checks(loaded, found, api.version()), out.ci)
    elif out.json:
        content = score_json(loaded, found)
    else:
        content = score_text(loaded, found, show_all=show_all, quiet=out.quiet)
    out.write(content, inputs=[*read, *([] if resume is None else [resume])])
    if wrong:
        raise api.InputError("stale allowed variations:\n" + "\n".join(_indented(wrong)))
    return found.exit


def _indented(text: str) -> Iterator[str]:
    return (f"  {line}" for line in text.splitlines())
