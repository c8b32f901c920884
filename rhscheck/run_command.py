"""`rhscheck run CLUSTER.toml`: host resources for real, or simulate them in virtual time.

Owns the options of the command and which of them belong to which of the two. What a simulation
shows is `rhscheck.simulated_runs`', the real thing `rhscheck.real_run`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import click
from click.core import ParameterSource

from rhscheck import api, terminal
from rhscheck.options import Out, common, examples, finite

if TYPE_CHECKING:
    from rhscheck.tracer.configuration import ClusterConfiguration
    from rhscheck.tracer.faults import Fault

EXIT_OK, EXIT_VIOLATED, EXIT_UNDECIDED, EXIT_INTERRUPTED = 0, 1, 3, 130
MAX_MINUTES = 10_080.0  # a week
MAX_SEED = 1 << 62
_REAL_ONLY = ("time_scale", "steps", "state", "seconds")
_SIMULATED_ONLY = (
    *("seed", "seeds", "minutes", "faults", "no_faults", "resources", "users", "broken_promises"),
    "wild",
)


def _seeds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> range | None:
    """`A-B` as a range; both ends count."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,18})-(\d{1,18})", value.strip())
    if match is None or int(match[1]) > int(match[2]):
        raise click.BadParameter(f"`{value}` is not of the form A-B with A <= B, such as 0-9999")
    return range(int(match[1]), int(match[2]) + 1)


@click.command(
    short_help="Host resources for real, or simulate them in virtual time.",
    epilog=examples(
        "rhscheck run cluster.toml --trace run.jsonl",
        "rhscheck run cluster.toml --simulate --seeds 0-9999",
        "rhscheck run cluster.toml --simulate --seed 17 --trace 17.jsonl",
        "rhscheck run cluster.toml --simulate --fault db:Online:1:hang",
        "rhscheck run cluster.toml --steps steps && rhscheck run --recheck steps",
    ),
)
@click.argument("cluster", metavar="[CLUSTER.toml]", required=False)
@click.option("--trace", metavar="FILE", help="Write what happens to FILE, as rhs-trace/1.")
@click.option("--simulate", is_flag=True, help="Simulate the cluster; no process is started.")
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    metavar="S",
    help="Simulate this seed. The same seed gives the same run, byte for byte. Default: 0.",
)
@click.option(
    "--seeds",
    callback=_seeds,
    metavar="A-B",
    help="Simulate these seeds up to the first run that breaks a rule, and make that one small. "
    "Seed 0 has no fault, the next ones every single fault, then come pairs and random plans.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, MAX_MINUTES, min_open=True),
    callback=finite,
    default=10.0,
    show_default=True,
    metavar="M",
    help="Virtual time after which a simulated cluster is shut down.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="RES:OP:N:KIND",
    help="Simulate with this fault in the N-th call of OP, instead of the seed's own (repeatable).",
)
@click.option("--no-faults", is_flag=True, help="Simulate without faults.")
@click.option(
    "--broken-promises",
    is_flag=True,
    help="Simulate faults in which a plug-in breaks a promise, too. They are blamed on it.",
)
@click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="NAME",
    help="Simulate only this resource (repeatable), as if all that it depends on were there.",
)
@click.option("--users/--no-users", default=True, help="Whether simulated users want things.")
@click.option(
    "--wild",
    is_flag=True,
    help="Simulate with a manager in RCM's place that asks RHS for anything at any time.",
)
@click.option(
    "--judge",
    type=click.Choice(["spec", "watch", "none"]),
    default="spec",
    show_default=True,
    help="spec: every recording is replayed against rhs; watch: simulated runs are only watched "
    "for a few rules, which are named, and which is much faster; none: a real run is not judged.",
)
@click.option(
    "--time-scale",
    type=click.FloatRange(0.01, 100_000),
    callback=finite,
    default=1,
    show_default=True,
    metavar="X",
    help="Divide every time-out of a real run by X, such as 20 or 0.5.",
)
@click.option("--steps", metavar="FILE", help="Write what the cores of a real run did to FILE.")
@click.option(
    "--recheck",
    metavar="FILE",
    help="Host nothing: give the events that --steps has recorded in FILE to fresh cores, and say "
    "whether they do the same again.",
)
@click.option(
    "--state", metavar="DIR", help="Where a real run keeps its state. Default: beside CLUSTER.toml."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    callback=finite,
    metavar="S",
    help="Stop a real run after S seconds. Without it: at Ctrl-C.",
)
@common("the report")
@click.pass_context
def run(
    context: click.Context,
    *,
    out: Out,
    cluster: str | None,
    trace: str | None,
    simulate: bool,
    recheck: str | None,
    seed: int | None,
    seeds: range | None,
    minutes: float,
    faults: tuple[str, ...],
    no_faults: bool,
    broken_promises: bool,
    resources: tuple[str, ...],
    users: bool,
    wild: bool,
    judge: Literal["spec", "watch", "none"],
    time_scale: float,
    steps: str | None,
    state: str | None,
    seconds: float | None,
) -> int:
    """Host the resources of CLUSTER.toml, in processes of their own, until Ctrl-C.

    The groups are brought online, health is monitored, what fails is restarted. Ctrl-C takes
    everything offline in order; a second one ends it at once. With --simulate the same happens in
    virtual time with simulated plug-ins, faults and users.

    Exit status 0: all is in order and no rule is broken; 1: a rule is broken, or a resource of a
    real run had failed or could not be taken offline in order; 3: that could not be decided, or a
    --fault did not come; 130: interrupted by Ctrl-C, without a rule broken up to then.
    With --recheck 0: every step has the recorded effects; 1: one has not; 3: there is no step.
    """
    if recheck is not None:
        _refuse_all(context, ("recheck", "kind", "output", "quiet", "color"), "--recheck")
        from rhscheck.rechecked_steps import recheck as repeat

        return repeat(recheck, out)
    for option, path in (("--trace", trace), ("--steps", steps)):
        if path == "-":
            raise click.UsageError(
                f"{option} needs a file: standard output is for the report; `./-` is a file"
            )
    _refuse_one_file(trace, steps, out.path)
    if cluster is None:
        raise click.UsageError("Missing argument 'CLUSTER.toml'.")
    _refuse(context, _REAL_ONLY if simulate else _SIMULATED_ONLY, simulated=simulate)
    if not simulate:
        if judge == "watch":
            raise click.UsageError("--judge watch is for --simulate")
        from rhscheck.real_run import Request, host

        request = Request(cluster, time_scale, trace, steps, state, seconds, judge == "spec")
        return host(request, out)
    if judge == "none":
        raise click.UsageError("--judge none is for real runs; a simulated one is always judged")
    if seed is not None and seeds is not None:
        raise click.UsageError("--seed and --seeds exclude each other")
    if no_faults and faults:
        raise click.UsageError("--fault and --no-faults exclude each other")
    chosen = seeds if seeds is not None else range(seed or 0, (seed or 0) + 1)
    return _simulate(
        out,
        cluster,
        chosen,
        trace=trace,
        minutes=minutes,
        faults=None if not faults and not no_faults else faults,
        promises_kept=not broken_promises,
        resources=resources,
        users=users,
        wild=wild,
        by_spec=judge == "spec",
    )


def _refuse(context: click.Context, names: Sequence[str], *, simulated: bool) -> None:
    """Options of the other mode would be ignored, so they are an error."""
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and given is not ParameterSource.DEFAULT:
            rule = "cannot be used with" if simulated else "can be used only with"
            raise click.UsageError(f"{parameter.opts[0]} {rule} --simulate")


def _refuse_one_file(trace: str | None, steps: str | None, output: str | None) -> None:
    """Of two results in one file one would be lost."""
    given = [("--trace", trace), ("--steps", steps), ("-o", output)]
    for at, (option, path) in enumerate(given):
        for before, other in given[:at]:
            if path is not None and other is not None and terminal.same_place(path, other):
                raise api.InputError(f"{path}: {before} and {option} need a file each")


def _refuse_all(context: click.Context, but: Sequence[str], with_: str) -> None:
    """Whatever is given beside it would be ignored, so it is an error."""
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if parameter.name in but or given in (None, ParameterSource.DEFAULT):
            continue
        name = "CLUSTER.toml" if parameter.name == "cluster" else parameter.opts[0]
        raise click.UsageError(f"{name} cannot be used with {with_}")


def _simulate(
    out: Out,
    cluster: str,
    seeds: range,
    *,
    trace: str | None,
    minutes: float,
    faults: tuple[str, ...] | None,
    promises_kept: bool,
    resources: tuple[str, ...],
    users: bool,
    wild: bool,
    by_spec: bool,
) -> int:
    terminal.check_writable(trace, inputs=[cluster])
    terminal.check_writable(out.path, inputs=[cluster])
    with terminal.progress(f"simulate {cluster}: reading", quiet=out.quiet) as say:
        from dataclasses import replace

        from rhscheck import run_output, simulated_runs
        from rhscheck.cluster_input import read_cluster_file
        from rhscheck.tracer.simulator import Options

        configuration = read_cluster_file(cluster).configuration
        if resources:
            configuration = _only(configuration, resources)
        options = Options(duration_us=max(1, round(minutes * 60_000_000)), wild=wild)
        names = [one.name for one in configuration.resources]
        wanted = simulated_runs.Wanted(
            configuration,
            options if users else replace(options, user_every_us=0),
            None if faults is None else _faults(faults, names),
            promises_kept,
            by_spec,
        )
        found = simulated_runs.search(wanted, seeds, say)
    if trace is not None:
        shown = found.last if found.violation is None else found.violation.judged
        terminal.write_result(shown.trace.encode(), trace, inputs=[cluster])
    status = EXIT_OK
    if found.violation is not None:
        status = EXIT_VIOLATED
    elif found.interrupted:
        status = EXIT_INTERRUPTED
    elif found.missed or "undecided" in dict(found.verdicts):  # what was asked was not tried
        status = EXIT_UNDECIDED
    out.write(
        run_output.simulated_json(cluster, wanted, seeds, found, trace, status)
        if out.json
        else run_output.simulated_text(cluster, wanted, seeds, found, quiet=out.quiet),
        inputs=[cluster],
    )
    return status


def _only(configuration: ClusterConfiguration, names: Sequence[str]) -> ClusterConfiguration:
    """The cluster with these resources alone. Raises InputError for one that is not there."""
    from rhscheck.spec.diagnostic import did_you_mean
    from rhscheck.tracer.configuration import only

    known = [one.name for one in configuration.resources]
    for name in names:
        if name not in known:
            raise api.InputError(f"there is no resource `{name}`; {did_you_mean(name, known)}")
    return only(configuration, names)


def _faults(texts: Sequence[str], resources: Sequence[str]) -> tuple[Fault, ...]:
    """The faults as the user wrote them. Raises InputError for two that exclude each other."""
    faults = dict.fromkeys(_fault(text, resources) for text in texts)
    calls: dict[tuple[str, str, int], str] = {}
    for one in faults:
        call = (one.res, one.op, one.visit)
        if call in calls:
            raise api.InputError(
                f"{one.op} {one.visit} of {one.res} has one fault, not `{calls[call]}` and "
                f"`{one.kind}`: leave one out"
            )
        calls[call] = one.kind
    return tuple(faults)


def _fault(text: str, resources: Sequence[str]) -> Fault:
    """A fault as the user wrote it. Raises InputError with what would be right."""
    from rhscheck.spec.diagnostic import did_you_mean
    from rhscheck.tracer.events import Operation
    from rhscheck.tracer.faults import FITTING, Fault

    parts = text.rsplit(":", 3)
    if len(parts) != 4 or not parts[2].isdecimal() or not 0 < int(parts[2]) < MAX_SEED:
        raise api.InputError(f"`{text}` is not of the form RES:OP:N:KIND, such as db:Online:1:hang")
    res, op, visit, kind = parts
    operations: tuple[Operation, ...] = get_args(Operation)
    if res not in resources:
        raise api.InputError(f"there is no resource `{res}`; {did_you_mean(res, resources)}")
    for operation in operations:
        if operation == op:
            for one in FITTING[operation]:
                if one == kind:
                    return Fault(res, operation, int(visit), one)
            hint = did_you_mean(kind, FITTING[operation])
            raise api.InputError(f"{op} has no fault `{kind}`; {hint}")
    raise api.InputError(f"there is no entry point `{op}`; {did_you_mean(op, operations)}")
