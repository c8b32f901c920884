"""What `rhscheck run --simulate` prints: text for people, one JSON object for scripts.

Owns wording and layout. Pure functions from values to text; nothing here decides a verdict.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rhscheck.output import replay_text
from rhscheck.simulated_runs import Judged, Search, Violation, Wanted
from rhscheck.texts import counted, json_bytes
from rhscheck.tracer.faults import Fault
from rhscheck.tracer.rule_watch import WATCHED
from rhscheck.tracer.simulator import Options

_MINUTE_US = 60_000_000


def fault_text(fault: Fault) -> str:
    """A fault as `--fault` takes it."""
    return f"{fault.res}:{fault.op}:{fault.visit}:{fault.kind}"


def again(cluster: str, wanted: Wanted, violation: Violation) -> str:
    """The command that shows the shrunk run again."""
    case, run = violation.shrunk.case, violation.judged.run
    words = ["rhscheck", "run", cluster, "--simulate", "--seed", str(run.seed)]
    if case.options.duration_us != Options().duration_us:
        words += ["--minutes", f"{case.options.duration_us / _MINUTE_US}"]
    if not case.options.user_every_us:
        words += ["--no-users"]
    if case.options.wild:
        words += ["--wild"]
    if len(case.configuration.resources) < len(wanted.configuration.resources):
        for one in case.configuration.resources:
            words += ["--resource", one.name]
    if case.plan.random_seed is None:
        for fault in case.plan.faults:
            words += ["--fault", fault_text(fault)]
        if not case.plan.faults:
            words += ["--no-faults"]
    elif not case.plan.promises_kept:
        words += ["--broken-promises"]
    if not wanted.by_spec:
        words += ["--judge", "watch"]
    return shlex.join(words)


def _virtual(time_us: int) -> str:
    seconds = time_us // 1_000_000
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60:02} min" if hours else f"{rest // 60} min {rest % 60:02} s"


def simulated_text(
    cluster: str, wanted: Wanted, seeds: range, found: Search, *, quiet: bool
) -> str:
    """The violation with its shrunk run, if there is one, then one line about all runs."""
    lines: list[str] = []
    if found.violation is not None and not quiet:
        lines += _violation_lines(cluster, wanted, found.violation)
    if not quiet:
        lines += [
            f"{fault_text(one)}: there was no call {one.visit} of {one.op} of {one.res}: "
            "give a smaller number, or more --minutes"
            for one in found.missed
        ]
    lines.append(_summary(cluster, wanted, seeds, found))
    return "\n".join(lines) + "\n"


def _summary(cluster: str, wanted: Wanted, seeds: range, found: Search) -> str:
    which = (
        f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}-{seeds[0] + found.runs - 1}"
    )
    size = f"{counted(found.events, 'event')} in {_virtual(found.virtual_us)}"
    if len(seeds) == 1:
        size += f" of virtual time, {_faults(found.last.run.struck)}"
    else:
        size = f"{counted(found.runs, 'run')}, {size} of virtual time"
    words = {
        "conforms": "conforms" if len(seeds) == 1 else "conform",
        "unbroken": "breaks no watched rule" if len(seeds) == 1 else "break no watched rule",
        "plug-in": "only the plug-in breaks promises",
        "undecided": "undecided",
        "violated": "violated",
    }
    verdicts = [
        words[verdict] if len(seeds) == 1 else f"{number:,} {words[verdict]}"
        for verdict, number in found.verdicts
    ]
    judged = ""
    if not wanted.by_spec:
        judged = (
            f"; watched were {', '.join(WATCHED)} alone, and no promise of a plug-in: --judge spec "
            "judges all"
        )
    if found.interrupted and found.violation is not None:
        judged += "; interrupted, a smaller run was looked for"
    elif found.interrupted:
        judged += f"; interrupted, seeds {seeds[0] + found.runs}-{seeds[-1]} were not tried"
    missed = ", ".join(fault_text(one) for one in found.missed)
    untested = f", but {missed} did not come" if missed else ""
    return f"{cluster}: {which}: {size}: {', '.join(verdicts)}{untested}{judged}"


def _faults(faults: Sequence[Fault]) -> str:
    if not faults:
        return "no fault"
    shown = "; ".join(str(one) for one in faults[:4])
    return shown if len(faults) <= 4 else f"{shown} and {len(faults) - 4} more"


def _violation_lines(cluster: str, wanted: Wanted, violation: Violation) -> list[str]:
    judged, shrunk = violation.judged, violation.shrunk
    lines: list[str] = []
    if judged.report is not None:
        lines += replay_text([judged.report], quiet=False).splitlines()[:-1]
    if judged.run.complaint is not None:
        at = judged.run.ended_us / 1e6
        lines.append(f"seed {judged.run.seed}: {judged.run.complaint} (at {at:.6f} s)")
    case = shrunk.case
    names = ", ".join(one.name for one in case.configuration.resources)
    lines.append(
        f"smallest run of {counted(shrunk.attempts, 'attempt')}: "
        f"{counted(len(judged.run.events), 'event')}; resources: {names}; "
        f"{_faults(judged.run.struck)}; {'users' if case.options.user_every_us else 'no users'}"
    )
    lines.append(f"again: {again(cluster, wanted, violation)}")
    return lines


def simulated_json(
    cluster: str, wanted: Wanted, seeds: range, found: Search, trace: str | None, status: int
) -> bytes:
    """The same as one JSON object."""
    violation = found.violation
    shown: dict[str, object] | None = None
    if violation is not None:
        judged = violation.judged
        shown = {
            "seed": judged.run.seed,
            "rules": list(judged.rules),
            "complaint": judged.run.complaint,
            "findings": [] if judged.report is None else _findings(judged),
            "faults": [fault_text(one) for one in judged.run.struck],
            "resources": [one.name for one in violation.shrunk.case.configuration.resources],
            "events": len(judged.run.events),
            "attempts": violation.shrunk.attempts,
            "command": again(cluster, wanted, violation),
        }
    return json_bytes(
        "run",
        {
            "mode": "simulate",
            "cluster": cluster,
            "seeds": [seeds[0], seeds[-1]],
            "runs": found.runs,
            "events": found.events,
            "steps": found.steps,
            "virtual_us": found.virtual_us,
            "judge": "spec" if wanted.by_spec else "watch",
            "watched": None if wanted.by_spec else list(WATCHED),
            "verdicts": dict(found.verdicts),
            "interrupted": found.interrupted,
            "violation": shown,
            "missed_faults": [fault_text(one) for one in found.missed],
            "trace": trace,
            "exit": status,
        },
    )


def _findings(judged: Judged) -> list[object]:
    return [] if judged.report is None else [one.as_json() for one in judged.report.findings]
