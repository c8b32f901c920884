"""`rhscheck certify DIR`: re-check a certificate, and say who checked what.

Owns the command and its wording, as text and as JSON. Which claims hold is decided in
`checker.certify`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rhscheck import api, terminal
from rhscheck.options import Out, common, examples, finite

if TYPE_CHECKING:
    from rhscheck.checker.certificate import Written
    from rhscheck.checker.certify.certify import Certification, Objection
    from rhscheck.checker.certify.form import Claim

EXIT_OK, EXIT_REFUSED, EXIT_UNDECIDED = 0, 1, 3


@click.command(
    short_help="Re-check a certificate independently.",
    epilog=examples("rhscheck certify proof", "rhscheck certify proof --spec rhs --format json"),
)
@click.argument("folder", metavar="DIR")
@click.option(
    "--spec",
    metavar="SPEC",
    help="The spec that the certificate has to be about. Without it: any; the answer says which.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, api.MAX_TIMEOUT_S, min_open=True),
    callback=finite,
    metavar="S",
    help="Give up after S seconds; what is open then is undecided.",
)
@click.option("--times/--no-times", default=True, help="Whether to say how long it took.")
@common("the report")
def certify(
    *, out: Out, folder: str, spec: str | None, timeout_s: float | None, times: bool
) -> int:
    """Re-check the certificate in DIR, without the engines that found the proofs.

    First all hashes; then, each in a process of its own: z3 and (if installed) cvc5 answer the
    SMT-LIB scripts, and an enumeration that knows no solver looks at every state of every
    invariant, with the steps that it reads from the spec's text, and replays every run.

    Exit status 0: every claim holds; 1: refused, and the report names the query that failed; 2:
    there is no certificate in DIR; 3: nobody refused, but not all queries have an answer.
    """
    with terminal.progress(f"certify {folder}: reading", quiet=out.quiet) as say:
        done = api.certify(folder, spec=spec, timeout_s=timeout_s, progress=say)
    status = EXIT_REFUSED if done.refused else EXIT_UNDECIDED if done.undecided else EXIT_OK
    if out.json:
        content: str | bytes = _json(folder, done, status, times=times)
    else:
        content = _text(folder, done, status, times=times, quiet=out.quiet)
    out.write(content, inputs=[str(Path(folder) / "certificate.json")])
    return status


def written_text(folder: str, written: Written) -> str:
    """What `verify --certificate` says about what it wrote."""
    from rhscheck.texts import counted  # noqa: PLC0415  loads what rendering needs

    rest = ", ".join(one.rule for one in written.uncertified)
    left = f"; not certified: {rest}" if rest else ""
    return (
        f"{folder}: a certificate of {counted(written.claims, 'proof')} and "
        f"{counted(written.runs, 'run')}{left}"
    )


def _json(folder: str, done: Certification, status: int, *, times: bool) -> bytes:
    from rhscheck.texts import json_bytes  # noqa: PLC0415  loads what rendering needs

    fields: dict[str, object] = {"certificate": folder}
    made = done.certificate
    if made is not None:
        fields |= {
            "spec": made.spec.name,
            "system_sha256": made.spec.system_sha256,
            "settings": made.spec.settings,
            "assumptions": list(made.spec.assumptions),
            "claims": [{"id": c.rule, "verdict": c.verdict, "n": c.n} for c in made.claims],
            "runs": [{"id": r.rule, "verdict": r.verdict, "n": r.n} for r in made.runs],
            "uncertified": [
                {"id": u.rule, "verdict": u.verdict, "reason": u.reason} for u in made.uncertified
            ],
        }
    fields |= {
        "checkers": [
            {
                "name": one.name,
                "queries": one.queries,
                "states": one.states,
                "seconds": round(one.seconds, 3) if times else None,
            }
            for one in done.checkers
        ],
        "refused": [_objection(one) for one in done.refused],
        "undecided": [_objection(one) for one in done.undecided],
        "notes": list(done.notes),
        "exit": status,
    }
    return json_bytes("certify", fields)


def _objection(one: Objection) -> dict[str, str]:
    return {"by": one.by, "query": one.query, "reason": one.reason}


def _text(folder: str, done: Certification, status: int, *, times: bool, quiet: bool) -> str:
    lines: list[str] = []
    made = done.certificate
    if made is not None and not quiet:
        lines.append(click.style(f"certificate of {made.spec.name}", bold=True))
        settings = [f"{name} = {value}" for name, value in made.spec.settings.items()]
        lines.append(f"  System {made.spec.system_sha256[:16]}…, made by {made.tool}")
        if settings:
            lines.append(f"  read with {', '.join(settings)}")
        lines.append(f"  under the assumptions {', '.join(made.spec.assumptions) or '(none)'}")
        lines.append("")
        rows = [(c.rule, _scope(c), c.sentence) for c in made.claims]
        rows += [(r.rule, f"{r.verdict} for N={r.n}", r.sentence) for r in made.runs]
        rows += [(u.rule, "not certified", u.reason) for u in made.uncertified]
        first, second = (max((len(row[at]) for row in rows), default=0) for at in (0, 1))
        lines += [f"{rule:<{first}}  {what:<{second}}  {why}" for rule, what, why in rows]
        lines.append("")
        for one in done.checkers:
            took = f", {one.seconds:.2f} s" if times else ""
            states = f", {one.states:,} states" if one.states else ""
            lines.append(f"{one.name}: {one.queries:,} queries hold{states}{took}")
        lines += [f"note: {note}" for note in done.notes]
        lines.append("")
    for objection in done.refused:
        lines.append(
            click.style(f"refused by {objection.by}: {objection.query}", fg="red", bold=True)
            + f" ({objection.reason})"
        )
    for objection in done.undecided:
        lines.append(
            click.style(f"no answer by {objection.by}: {objection.query}", fg="yellow")
            + f" ({objection.reason})"
        )
    lines.append(f"{folder}: {_last(done, status)}")
    return "".join(f"{line}\n" for line in lines)


def _scope(claim: Claim) -> str:
    every = "every N" if claim.n == "every" else f"N={claim.n}"
    return f"{claim.verdict} for {every}"


def _last(done: Certification, status: int) -> str:
    made = done.certificate
    if made is None or status == EXIT_REFUSED:
        return click.style("refused", fg="red", bold=True)
    if status == EXIT_UNDECIDED:
        return click.style("undecided", fg="yellow")
    who = ", ".join(one.name for one in done.checkers)
    rest = f"; {len(made.uncertified)} not certified" if made.uncertified else ""
    from rhscheck.texts import counted  # noqa: PLC0415  loads what rendering needs

    held = f"{counted(len(made.claims), 'proof')}, {counted(len(made.runs), 'run')}"
    trusted = sum(claim.time == "verify" for claim in made.claims)
    if trusted:  # the note says which
        held += f"; {trusted} of them if time cannot stop, which is not part of it"
    return click.style("accepted", fg="green") + f": {held}{rest}; checked by {who}"
