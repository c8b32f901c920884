"""`rhscheck certify DIR...`: re-check certificates, and say who checked what.

Owns the command and its wording, as text and as JSON. Which claims hold is decided in
`checker.certify`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rhscheck import api, terminal
from rhscheck.options import Out, common, examples, finite
from rhscheck.terminal import printable

if TYPE_CHECKING:
    from rhscheck.checker.certificate import Written
    from rhscheck.checker.certify.certify import Certification, Objection
    from rhscheck.checker.certify.form import Claim

EXIT_OK, EXIT_REFUSED, EXIT_UNDECIDED = 0, 1, 3


@click.command(
    short_help="Re-check a certificate independently.",
    epilog=examples(
        "rhscheck certify proof",
        "rhscheck certify proof --spec rhs --format json",
        "rhscheck certify every-n six  # what both ask is asked once",
    ),
)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option(
    "--spec",
    metavar="SPEC",
    help="The spec that each certificate has to be about. Without it: any; the answer says which.",
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
    *, out: Out, folders: tuple[str, ...], spec: str | None, timeout_s: float | None, times: bool
) -> int:
    """Re-check the certificate in each DIR, without the engines that found the proofs.

    First all hashes; then, each in a process of its own: z3 and (if installed) cvc5 answer the
    SMT-LIB scripts, and an enumeration that knows no solver looks at every state of every
    invariant, with the steps that it reads from the spec's text, and replays every run.

    Exit status 0: every claim holds; 1: refused, and the report names the query that failed; 2:
    there is no certificate in a DIR, or one of another version of the format; 3: nobody refused,
    but not all queries have an answer.
    """
    from rhscheck.texts import json_bytes  # noqa: PLC0415  loads what rendering needs

    with terminal.progress(f"certify {folders[0]}: reading", quiet=out.quiet) as say:
        found = api.certify_all(folders, spec=spec, timeout_s=timeout_s, progress=say)
    told = list(zip(folders, found, strict=True))
    statuses = {_status(done) for done in found}
    status = next((one for one in (EXIT_REFUSED, EXIT_UNDECIDED) if one in statuses), EXIT_OK)
    if out.json:
        each = [_fields(folder, done, times=times) for folder, done in told]
        fields = each[0] if len(each) == 1 else {"certificates": each, "exit": status}
        content: str | bytes = json_bytes("certify", fields)
    else:
        between = "" if out.quiet else "\n"
        content = between.join(
            _text(folder, done, times=times, quiet=out.quiet) for folder, done in told
        )
    out.write(content, inputs=[str(Path(folder) / "certificate.json") for folder in folders])
    return status


def _status(done: Certification) -> int:
    return EXIT_REFUSED if done.refused else EXIT_UNDECIDED if done.undecided else EXIT_OK


def written_text(folder: str, written: Written) -> str:
    """What `verify --certificate` says about what it wrote."""
    from rhscheck.texts import counted  # noqa: PLC0415  loads what rendering needs

    rest = ", ".join(one.rule for one in written.uncertified)
    left = f"; not certified: {rest}" if rest else ""
    if not written.claims and not written.runs:
        return f"{folder}: a certificate of nothing, which certify refuses{left}"
    return (
        f"{folder}: a certificate of {counted(written.claims, 'proof')} and "
        f"{counted(written.runs, 'run')}{left}"
    )


def _fields(folder: str, done: Certification, *, times: bool) -> dict[str, object]:
    fields: dict[str, object] = {"certificate": folder}
    made = done.certificate
    if made is not None:
        fields |= {
            "spec": made.spec.name,
            "system_sha256": made.spec.system_sha256,
            "settings": made.spec.settings,
            "assumptions": list(made.spec.assumptions),
            "claims": [
                {"id": c.rule, "verdict": c.verdict, "n": c.n, "time": _time(c)}
                for c in made.claims
            ],
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
        "exit": _status(done),
    }
    return fields


def _objection(one: Objection) -> dict[str, str]:
    return {"by": one.by, "query": one.query, "reason": one.reason}


def _text(folder: str, done: Certification, *, times: bool, quiet: bool) -> str:
    lines: list[str] = []
    made = done.certificate
    if made is not None and not quiet:
        lines.append(click.style(f"certificate of {printable(made.spec.name)}", bold=True))
        settings = [f"{name} = {value}" for name, value in made.spec.settings.items()]
        lines.append(f"  System {made.spec.system_sha256[:16]}…, made by {printable(made.tool)}")
        if settings:
            lines.append(f"  read with {printable(', '.join(settings))}")
        relied = ", ".join(made.spec.assumptions) or "(none)"
        lines.append(f"  under the assumptions {printable(relied)}")
        lines.append("")
        rows = [(c.rule, _scope(c), c.sentence) for c in made.claims]
        rows += [(r.rule, f"{r.verdict} for N={r.n}", r.sentence) for r in made.runs]
        rows += [(u.rule, "not certified", f"as it says: {u.reason}") for u in made.uncertified]
        rows = [(printable(rule), printable(what), printable(why)) for rule, what, why in rows]
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
            click.style(
                f"refused by {objection.by}: {printable(objection.query)}", fg="red", bold=True
            )
            + f" ({printable(objection.reason)})"
        )
    for objection in done.undecided:
        lines.append(
            click.style(f"no answer by {objection.by}: {printable(objection.query)}", fg="yellow")
            + f" ({printable(objection.reason)})"
        )
    lines.append(f"{folder}: {_last(done)}")
    return "".join(f"{line}\n" for line in lines)


def _time(claim: Claim) -> str | None:
    """Whether it was shown that time cannot stop; None where a claim does not need that."""
    if claim.time is None:
        return None
    return "not shown" if claim.time == "verify" else "shown"


def _scope(claim: Claim) -> str:
    every = "every N" if claim.n == "every" else f"N={claim.n}"
    condition = ", if time cannot stop" if claim.time == "verify" else ""
    return f"{claim.verdict} for {every}{condition}"


def _last(done: Certification) -> str:
    made, status = done.certificate, _status(done)
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
