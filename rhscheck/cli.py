"""The command line: reads options, calls `rhscheck.api`, renders, and decides the exit status.

Owns the commands, their help texts and the exit statuses (DESIGN section 8): 70 a bug in rhscheck,
2 bad input or usage, 1 violated, 3 undecided, 0 else; 130 after Ctrl-C. Knows nothing of how an
answer is found. What a command needs is imported inside it: `--help` loads no solver and no parser.
"""

from __future__ import annotations

import sys

EXIT_OK, EXIT_VIOLATED, EXIT_UNDECIDED, EXIT_BUG, EXIT_INTERRUPTED = 0, 1, 3, 70, 130
_GRID = 9  # points of --what-if
_COLLECT_AFTER = 1_000_000  # objects more than there were


def _interrupted_at_the_start() -> NoReturn:
    """End after Ctrl-C that came while the program was loaded, before `main` could see it."""
    if sys.stderr is not None:
        sys.stderr.write("interrupted\n")
    sys.exit(EXIT_INTERRUPTED)


try:
    import time

    # Before all else is loaded. Not when the process was started: a shell may have become it.
    _BEGAN = time.monotonic()

    import gc

    # What is loaded stays: looking for cycles among it takes a tenth of the time it takes to load.
    _PACE = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER)

    from collections.abc import Sequence
    from typing import Literal, NoReturn

    import click

    from rhscheck import api, crash, terminal
    from rhscheck.options import (
        EXIT_INPUT,
        Out,
        Start,
        ci_text,
        common,
        examples,
        finite,
        instances_option,
        processors,
        set_option,
        spec_argument,
        time_began,
        without_option,
    )

    gc.set_threshold(*_PACE)
except KeyboardInterrupt:
    _interrupted_at_the_start()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples("rhscheck verify rhs", "rhscheck explain SM301"),
)
@click.version_option(package_name="rhscheck", message="%(version)s")
def cli() -> None:
    """Check specs of host/plug-in protocols: prove their rules, or show the shortest violation.

    SPEC is a file, or the bare name of a shipped spec, such as rhs.

    \b
    Exit status:
      0   everything is as expected
      1   a rule is violated (or a file is not formatted)
      2   the input or the usage is wrong
      3   undecided
      70  a bug in rhscheck
    """


@cli.command(
    short_help="Prove or refute the rules of a spec.",
    epilog=examples(
        "rhscheck verify rhs",
        "rhscheck verify rhs --rule R3 --witnesses",
        "rhscheck verify my.sm -n 3 --set CallTimeout=2m --without D1 --format json",
        "rhscheck verify my.sm --format sarif -o verify.sarif",
        "rhscheck verify rhs --all-readings",
        "rhscheck verify fischer --what-if CheckAfter=1s..5s",
        "rhscheck verify rhs --slack",
    ),
)
@spec_argument
@instances_option(None, "every number where that can be decided")
@click.option(
    "--rule",
    "rules",
    metavar="ID",
    multiple=True,
    help="Only this rule or scenario (repeatable).",
)
@set_option
@without_option
@click.option(
    "--depth",
    type=click.IntRange(1, api.MAX_DEPTH),
    metavar="K",
    help=f"Longest run that bounded checking looks at, in steps, 1 to {api.MAX_DEPTH}.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, api.MAX_TIMEOUT_S, min_open=True),
    callback=finite,
    metavar="S",
    help="End after S seconds, whatever happens; what is open then is unknown.",
)
@click.option(
    "--memory",
    "memory_mb",
    type=click.IntRange(api.MIN_MEMORY_MB, api.MAX_MEMORY_MB),
    metavar="MB",
    help="End what holds more than MB megabytes, all processes together; what is open is unknown.",
)
@click.option("--paranoid", is_flag=True, help="Ask every engine, and compare what they say.")
@click.option("--engine", metavar="E", help=f"Use only this engine: {', '.join(api.ENGINES)}.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 256),
    default=processors,
    show_default="as many as processors",
    metavar="J",
    help="Processes that share the rules of a large spec (2 at most), or the readings.",
)
@click.option(
    "--certificate",
    metavar="DIR",
    help="Write the proofs into DIR, for `rhscheck certify DIR`.",
)
@click.option("--witnesses", is_flag=True, help="Draw the runs that show permissions, too.")
@click.option(
    "--all-readings",
    is_flag=True,
    help="A table: every rule under every reading, one reading at a time.",
)
@click.option(
    "--what-if",
    metavar="P=LOW..HIGH",
    help="At which value of a parameter do verdicts flip? Exact thresholds.",
)
@click.option(
    "--slack",
    is_flag=True,
    help="How much room do deadlines and bounded responses leave? What does only time exclude?",
)
@click.option(
    "--grid",
    type=click.IntRange(2, 1000),
    default=None,
    show_default="9",
    metavar="K",
    help="Of --what-if: values to look at before the thresholds between them.",
)
@click.option("--times/--no-times", default=True, help="Whether to say how long it took.")
@common("the report", ci=True)
def verify(
    *,
    out: Out,
    spec: str,
    n: int | None,
    rules: tuple[str, ...],
    settings: dict[str, str],
    without: tuple[str, ...],
    depth: int | None,
    timeout_s: float | None,
    memory_mb: int | None,
    paranoid: bool,
    engine: str | None,
    jobs: int,
    certificate: str | None,
    witnesses: bool,
    all_readings: bool,
    what_if: str | None,
    slack: bool,
    grid: int | None,
    times: bool,
) -> int:
    """Prove or refute the rules of SPEC, for every number of instances where possible.

    A violated rule comes with a shortest run that breaks it. The exit status compares the verdicts
    with what the spec expects (`expect`; without one: proved, or witnessed for a permission).
    """
    began = time_began()
    if paranoid and engine is not None:
        raise click.UsageError("--paranoid asks every engine; leave --engine out")
    asked = {"--all-readings": all_readings, "--what-if": what_if is not None, "--slack": slack}
    tables = [name for name, wanted in asked.items() if wanted]
    if len(tables) > 1:
        raise click.UsageError(f"{' and '.join(tables)} are two questions; ask one")
    if tables and (paranoid or memory_mb is not None or certificate is not None):
        raise click.UsageError(f"{tables[0]} takes no --paranoid, --memory or --certificate")
    if tables and witnesses:
        raise click.UsageError(f"{tables[0]} draws no runs; leave --witnesses out")
    if grid is not None and what_if is None:
        raise click.UsageError("--grid is about --what-if; ask that, or leave --grid out")
    if slack:
        from rhscheck.slack_output import show_slack

        if depth is not None or engine is not None:
            raise click.UsageError("--slack takes no --depth or --engine")
        return show_slack(
            out, spec, settings, rules=rules, without=without, n=n, timeout_s=timeout_s, began=began
        )
    if tables:
        started = time.time() - (time.monotonic() - began)
        from rhscheck.checker.verify import DEFAULT_DEPTH, Options
        from rhscheck.readings_output import show_readings
        from rhscheck.what_if_output import show_what_if

        depth = DEFAULT_DEPTH if depth is None else depth
        options = Options(rules, n, depth, timeout_s, engine, without)
        if what_if is None:
            return show_readings(out, spec, settings, options, jobs, started)
        return show_what_if(out, spec, settings, what_if, options, grid or _GRID, jobs, started)
    # Asked before the live line, which puts a stream of its own in the place of standard output.
    encoding, width = terminal.encoding(out.path), terminal.width(out.path)
    with terminal.progress(f"verify {spec}: reading", quiet=out.quiet) as say:
        if certificate is not None:
            api.require_certificate_folder(certificate, report=out.path)
        loaded = api.load(spec, settings)
        # Before the work: what is loaded after it would add to a time-out.
        from rhscheck import verify_output
        from rhscheck.chart import can_show_boxes

        report = api.verify(
            loaded.system,
            rules=rules,
            without=without,
            n=n,
            depth=depth,
            timeout_s=timeout_s,
            engine=engine,
            jobs=jobs,
            certificate=certificate is not None,
            memory_mb=memory_mb,
            paranoid=paranoid,
            began=began,
            progress=say,
        )
        written = None
        if certificate is not None:
            say(f"verify {spec}: writing the certificate")
            written = api.write_certificate(certificate, loaded, settings, report)
        seconds = time.monotonic() - began
        look = verify_output.Look(
            boxes=can_show_boxes(encoding),
            width=width,
            times=times,
            witnesses=witnesses,
            quiet=out.quiet,
        )
        content: str | bytes
        if out.ci is not None:
            from rhscheck.verify_checks import verify_checks

            checks = verify_checks(loaded, report, times=times, version=api.version())
            content = ci_text(checks, out.ci)
        elif out.json:
            content = verify_output.verify_json(loaded, report, times=times)
        else:
            content = verify_output.verify_text(loaded, report, look, seconds)
    out.write(content, inputs=[source.path for source in loaded.sources])
    if written is not None and not out.quiet:
        from rhscheck.certify_command import written_text

        terminal.write_message(written_text(str(certificate), written))
    return report.exit


@cli.command(
    short_help="Count reachable states and transitions.",
    epilog=examples(
        "rhscheck states rhs -n 2 --untimed",
        "rhscheck states rhs -n 3 --untimed --symmetry --limit 20000000",
    ),
)
@spec_argument
@instances_option(1, "1")
@set_option
@click.option("--untimed", is_flag=True, help="Let deadlines expire at any time; ignore clocks.")
@click.option(
    "--symmetry/--no-symmetry",
    default=None,
    help="Count up to exchanging instances, and compute the full numbers from that. Without it: "
    "where that is possible.",
)
@without_option
@click.option(
    "--limit",
    type=click.IntRange(1, api.MAX_STATES),
    default=api.DEFAULT_STATES,
    show_default=True,
    metavar="K",
    help="Stop, undecided, beyond so many states.",
)
@common("the report")
def states(
    *,
    out: Out,
    spec: str,
    n: int,
    settings: dict[str, str],
    untimed: bool,
    symmetry: bool | None,
    without: tuple[str, ...],
    limit: int,
) -> int:
    """Count the reachable states and transitions of SPEC by enumeration."""
    with terminal.progress(f"states {spec}: reading", quiet=out.quiet) as say:
        loaded = api.load(spec, settings)
        say(f"states {spec}: counting")
        found = api.states(
            loaded.system, n=n, untimed=untimed, symmetry=symmetry, without=without, limit=limit
        )
    from rhscheck import output
    from rhscheck.checker.explicit import Stopped

    status = EXIT_UNDECIDED if isinstance(found, Stopped) else EXIT_OK
    if out.json:
        out.write(output.states_json(loaded.system, found, n, status), inputs=[spec])
    else:
        out.write(output.states_text(loaded.system, found, n), inputs=[spec])
    return status


@cli.command(
    short_help="Write a random legal run as a trace.",
    epilog=examples(
        "rhscheck simulate rhs --seed 1 --steps 1000 -o t.jsonl",
        "rhscheck simulate rhs -n 2 --steps 20",
    ),
)
@spec_argument
@instances_option(1, "1")
@set_option
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed, the same run.")
@click.option(
    "--steps",
    type=click.IntRange(1, api.MAX_STEPS),
    default=100,
    show_default=True,
    metavar="K",
    help=f"Length of the run in discrete steps, 1 to {api.MAX_STEPS}.",
)
@common("the trace")
def simulate(
    *, out: Out, spec: str, n: int, settings: dict[str, str], seed: int, steps: int
) -> int:
    """Write a random legal run of SPEC as a trace (rhs-trace/1).

    Without -o the trace goes to standard output. With -o FILE it goes there, and a summary to
    standard output; with --format json and no -o the summary holds the trace's events.
    """
    with terminal.progress(f"simulate {spec}: reading", quiet=out.quiet) as say:
        loaded = api.load(spec, settings)
        say(f"simulate {spec}: running")
        simulation = api.simulate(loaded.system, n=n, seed=seed, steps=steps)
    from rhscheck import output

    data = simulation.trace.encode()
    if out.path is not None:
        out.write(data, inputs=[spec])
    if out.json:
        out.report(output.simulate_json(loaded.system, simulation, seed, out.path))
    elif out.path is None:
        out.write(data)
    elif not out.quiet:
        out.report(output.simulate_text(loaded.system, simulation, seed, out.path))
    return EXIT_OK


@cli.command(
    short_help="Draw the state chart of a spec.",
    epilog=examples(
        "rhscheck graph rhs", "rhscheck graph rhs -o rhs.svg", "rhscheck graph rhs --as dot"
    ),
)
@spec_argument
@set_option
@click.option(
    "--as",
    "notation",
    type=click.Choice(["mermaid", "dot", "svg"]),
    help="The notation. Without it: by FILE's suffix (.mmd .dot .svg), else mermaid.",
)
@common("the drawing")
def graph(
    *,
    out: Out,
    spec: str,
    settings: dict[str, str],
    notation: Literal["mermaid", "dot", "svg"] | None,
) -> int:
    """Draw the state chart of SPEC; svg needs Graphviz."""
    chosen = notation or api.notation(out.path)
    system = api.load(spec, settings).system
    drawing = api.graph(system, chosen)
    if out.path is not None:
        out.write(drawing, inputs=[spec])
    if out.json:
        from rhscheck.output import graph_json

        out.report(graph_json(system, chosen, drawing, out.path))
    elif out.path is None:
        out.write(drawing)
    return EXIT_OK


@cli.command(
    short_help="Put specs into the standard layout.",
    epilog=examples("rhscheck fmt my.sm", "rhscheck fmt --check *.sm", "rhscheck fmt my.sm -o -"),
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Change nothing; status 1 if a file is not formatted.")
@common("the formatted text of the one")
def fmt(*, out: Out, files: tuple[str, ...], check: bool) -> int:
    """Put spec files into the standard layout, in place; with -o, elsewhere (- is standard output).

    Nothing is written if one of the files has a syntax error.
    """
    elsewhere = out.path is not None or out.dash
    if elsewhere and (check or len(files) > 1):
        raise click.UsageError("-o takes the text of exactly one file, and not with --check")
    formatted = [api.format_file(file) for file in files]
    if not elsewhere and not check:
        for file in formatted:
            if file.shipped:
                raise api.InputError(f"{file.path} is a shipped spec; use --check, or -o FILE")
        for file in formatted:
            if file.changed:
                terminal.write_result(file.text.encode(), file.path)
    from rhscheck import output

    status = EXIT_VIOLATED if check and any(file.changed for file in formatted) else EXIT_OK
    if out.path is not None:
        out.write(formatted[0].text, inputs=files)
    if out.json:
        out.report(output.fmt_json(formatted, out.path, status, dash=out.dash, check=check))
    elif out.dash:
        out.write(formatted[0].text)
    elif not elsewhere:
        out.report(output.fmt_text(formatted, check=check, quiet=out.quiet))
    return status


@cli.command(
    short_help="Explain a code, or a name of a spec.",
    epilog=examples("rhscheck explain SM301", "rhscheck explain R3 --spec rhs"),
)
@click.argument("name", metavar="CODE-OR-RULE")
@click.option(
    "--spec",
    default="rhs",
    show_default=True,
    metavar="SPEC",
    help="Where to look for what is not a code.",
)
@common("the explanation")
def explain(*, out: Out, name: str, spec: str) -> int:
    """Explain a diagnostic code, or a rule, assumption, scenario or parameter of a spec."""
    found = api.explain(name, spec)
    from rhscheck import output

    out.write(
        output.explain_json(found) if out.json else output.explain_text(found, quiet=out.quiet)
    )
    return EXIT_OK


def _commands() -> None:
    """Commands that live in modules of their own."""
    from rhscheck.audit_command import audit, map_group
    from rhscheck.certify_command import certify
    from rhscheck.mutate_command import mutate
    from rhscheck.replay_command import replay
    from rhscheck.run_command import run

    cli.add_command(audit)
    cli.add_command(certify)
    cli.add_command(map_group)
    cli.add_command(mutate)
    cli.add_command(replay)
    cli.add_command(run)


try:
    _commands()
except KeyboardInterrupt:
    _interrupted_at_the_start()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (default: the process's arguments) and exit with its status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Formulas are trees of many small objects that stay: looking for cycles among them at Python's
    # own pace takes a tenth of the time and finds nothing.
    gc.set_threshold(_COLLECT_AFTER)
    try:
        # A time-out counts from the start of the program, not from when all of it was loaded.
        start = Start(_BEGAN) if arguments is None else None
        status = cli.main(args=words, prog_name="rhscheck", standalone_mode=False, obj=start)
    except click.ClickException as error:
        error.show()
        status = EXIT_INPUT
    except (click.Abort, KeyboardInterrupt):
        terminal.write_message("interrupted")
        status = EXIT_INTERRUPTED
    except SystemExit:  # how click leaves where nobody reads its help any more
        status = EXIT_OK
    except MemoryError:
        terminal.write_message("error: out of memory; nothing was decided")
        status = EXIT_UNDECIDED
    except Exception as error:
        from rhscheck import workers

        if isinstance(error, workers.WorkerKilled):
            terminal.write_message(f"error: {error}; nothing was decided")
            status = EXIT_UNDECIDED
        else:
            terminal.write_message(crash.report_bug(error, words))
            status = EXIT_BUG
    if arguments is None:
        # The process ends: nobody needs a last look for cycles.
        gc.freeze()
    sys.exit(status)
