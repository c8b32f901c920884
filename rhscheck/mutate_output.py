"""What `mutate` prints: the mutants that live, with the lines they change, and the score.

Owns the wording and layout, as text, as JSON and as records for continuous integration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from rhscheck.checker.mutation import Fate
from rhscheck.ci_report import Check, CiReport, Place, Status
from rhscheck.mutate import Judged, Score
from rhscheck.spec.load import Loaded
from rhscheck.spec.mutants import Mutant, diff
from rhscheck.texts import counted, json_bytes

_COLORS: dict[Fate, str] = {
    "killed": "green",
    "equivalent": "green",
    "alive": "red",
    "undecided": "yellow",
    "refused": "white",
}
_STATUS: dict[Fate, Status] = {
    "killed": "passed",
    "equivalent": "passed",
    "alive": "failed",
    "undecided": "undecided",
    "refused": "skipped",
}


def list_text(loaded: Loaded, chosen: Sequence[Mutant]) -> str:
    """The mutants with the lines they change."""
    source = loaded.sources[0]
    lines: list[str] = []
    for mutant in chosen:
        lines.append(f"{source.path}:{mutant.line}: {mutant.id}")
        lines += [f"    {line}" for line in diff(source, mutant)]
    return "\n".join([*lines, counted(len(chosen), "mutant")]) + "\n"


def list_json(loaded: Loaded, chosen: Sequence[Mutant]) -> bytes:
    """The same as one object."""
    source = loaded.sources[0]
    listed = [
        {
            "id": mutant.id,
            "operator": mutant.operator,
            "line": mutant.line,
            "diff": list(diff(source, mutant)),
        }
        for mutant in chosen
    ]
    return json_bytes("mutate", {"spec": loaded.system.name, "mutants": listed, "exit": 0})


def score_json(loaded: Loaded, found: Score) -> bytes:
    """Every mutant with its fate, and the score."""
    mutants = [
        {
            "id": one.mutant.id,
            "operator": one.mutant.operator,
            "line": one.mutant.line,
            "fate": one.fate,
            "by": one.judgement.by or None,
            "reason": one.judgement.reason,
            "allowed": one.allowed,
            "diff": list(one.diff),
        }
        for one in found.judged
    ]
    return json_bytes(
        "mutate",
        {
            "spec": loaded.system.name,
            "mutants": mutants,
            "killed": found.count("killed"),
            "equivalent": found.count("equivalent"),
            "alive": found.count("alive", allowed=False),
            "allowed": sum(one.allowed is not None for one in found.judged),
            "undecided": found.count("undecided", allowed=False),
            "refused": found.count("refused"),
            "counted": found.counted,
            "exit": found.exit,
        },
    )


def score_text(loaded: Loaded, found: Score, *, show_all: bool, quiet: bool) -> str:
    """Those that live (or all), who killed how many, and the score."""
    path = loaded.sources[0].path
    lines: list[str] = []
    if not quiet:
        for one in found.judged:
            lives = one.fate in ("alive", "undecided")
            if show_all or (lives and one.allowed is None):
                lines += _told(path, one)
        allowed = [one for one in found.judged if one.allowed is not None]
        if allowed and not show_all:
            lines += [f"{counted(len(allowed), 'allowed variation')} (--all shows them)", ""]
        killers = list(_killers(found))
        if killers:
            lines += ["killed by: " + ", ".join(killers), ""]
    return "\n".join([*lines, _last_line(loaded, found)]) + "\n"


def _told(path: str, one: Judged) -> Iterator[str]:
    fate = "allowed" if one.allowed is not None else str(one.fate)
    color = "yellow" if one.allowed is not None else _COLORS[one.fate]
    yield f"{path}:{one.mutant.line}: {click.style(fate, fg=color, bold=True)}: {one.mutant.id}"
    for line in one.diff:
        yield "    " + click.style(line, fg="red" if line.startswith("-") else "green")
    by = f"{one.judgement.by}: " if one.judgement.by else ""
    reason = one.allowed if one.allowed is not None else by + one.judgement.reason
    if one.fate == "alive" and one.allowed is None:
        reason = f"no verdict changes; not shown to be equivalent: {reason}"
    yield f"    ({reason})"
    yield ""


def _killers(found: Score) -> Iterator[str]:
    """`R4 12`: who killed how many, the busiest first."""
    tally: dict[str, int] = {}
    for one in found.judged:
        if one.fate == "killed":
            tally[one.judgement.by] = tally.get(one.judgement.by, 0) + 1
    order = sorted(tally.items(), key=lambda item: -item[1])
    return (f"{rule} {number}" for rule, number in order)


def _last_line(loaded: Loaded, found: Score) -> str:
    killed, of = found.count("killed"), found.counted
    share = f" = {100 * killed / of:.0f} %" if of else ""
    allowed = sum(one.allowed is not None for one in found.judged)
    parts = [
        f"{killed} killed of {of}{share}",
        f"{found.count('alive', allowed=False)} alive",
        f"{allowed} allowed",
        f"{found.count('equivalent')} equivalent",
        f"{found.count('undecided', allowed=False)} undecided",
        f"{found.count('refused')} refused",
    ]
    color = "green" if found.exit == 0 else "red"
    score = click.style(parts[0], fg=color, bold=True)
    return f"{loaded.system.name}: {score}; {', '.join(parts[1:])}"


def checks(loaded: Loaded, found: Score, version: str) -> CiReport:
    """One check a mutant."""
    path = loaded.sources[0].path
    made = []
    for one in found.judged:
        status = "skipped" if one.allowed is not None else _STATUS[one.fate]
        by = f"{one.judgement.by}: " if one.judgement.by else ""
        message = one.allowed or f"{one.fate}: {by}{one.judgement.reason}"
        made.append(
            Check(
                "mutants",
                one.mutant.operator,
                status,
                one.fate,
                "\n".join([f"{one.mutant.id}: {message}", *one.diff]),
                "a rule, a permission or a scenario notices the change",
                subject=one.mutant.id.removeprefix(f"{one.mutant.operator} "),
                place=Place(path, one.mutant.line, 1),
            )
        )
    return CiReport("mutate", loaded.system.name, version, tuple(made), found.exit)
