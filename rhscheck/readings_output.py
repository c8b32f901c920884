"""`verify --all-readings`: the table of rules and readings, as text and as JSON.

Owns the wording and layout, and the course of the command. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from rhscheck import api, terminal
from rhscheck.checker.verify import Options
from rhscheck.options import Out
from rhscheck.readings import Cell, Readings, Variant, all_readings
from rhscheck.texts import counted, fitted, json_bytes

_LEGEND = (
    "+ holds for every N (a permission: there is a run) · +2 for N=2 · -6 fails, shortest run "
    "6 steps · -! impossible · <20 no violation in 20 steps · ? not decided"
)


def show_readings(
    out: Out,
    spec: str,
    settings: Mapping[str, str],
    options: Options,
    jobs: int,
    began: float,
) -> int:
    """Verify every reading, write the report; the exit status. `began`: by `time.time`."""
    if out.ci is not None:
        raise click.UsageError("--all-readings has the formats text and json")
    width = terminal.width(out.path)
    with terminal.progress(f"verify {spec}: reading", quiet=out.quiet) as say:
        loaded = api.load(spec, settings)
        found = all_readings(loaded, spec, settings, options, jobs, say, began=began)
    if out.json:
        out.write(readings_json(found), inputs=[spec])
    else:
        out.write(readings_text(found, width, quiet=out.quiet), inputs=[spec])
    return found.exit


def readings_json(found: Readings) -> bytes:
    """One object: for each variant the verdict on each rule."""
    return json_bytes(
        "verify",
        {
            "spec": found.system.name,
            "readings": [
                {
                    "reading": variant.reading,
                    "option": variant.option or None,
                    "exit": variant.exit,
                    "results": [
                        {
                            "id": cell.rule,
                            "verdict": cell.verdict,
                            "n": cell.n,
                            "length": cell.length,
                            "depth": cell.depth,
                            "reason": cell.reason,
                        }
                        for cell in variant.cells
                    ],
                }
                for variant in found.variants
            ],
            "exit": found.exit,
        },
    )


def readings_text(found: Readings, width: int | None = None, *, quiet: bool = False) -> str:
    """The variants, the table, the differences in words, and how many there are."""
    last = _last_line(found)
    if quiet:
        return last + "\n"
    lines = [click.style(found.system.name, bold=True) + ": every rule under every reading", ""]
    for number, variant in enumerate(found.variants):
        words = f"[{number}] {variant.name}"
        lines += fitted(f"{words}: {variant.sentence}" if variant.sentence else words, width)
    lines += ["", *_table(found), ""]
    lines += fitted(_LEGEND, width)
    differences = list(_differences(found))
    if differences:
        lines.append("")
        for line in differences:
            lines += fitted(line, width)
    return "\n".join([*lines, "", last]) + "\n"


def _table(found: Readings) -> Iterator[str]:
    """A row a rule, a column a variant. Signs are at most a few characters wide."""
    columns = [{cell.rule: cell for cell in variant.cells} for variant in found.variants]
    first = max((len(rule) for rule, _ in found.rules), default=0)
    signs = {
        (rule, number): _sign(column.get(rule))
        for rule, _ in found.rules
        for number, column in enumerate(columns)
    }
    widths = [
        max([len(f"[{number}]"), *(len(signs[rule, number]) for rule, _ in found.rules)])
        for number in range(len(columns))
    ]
    heads = (f"[{number}]".rjust(wide) for number, wide in enumerate(widths))
    yield f"{'':<{first}}  {' '.join(heads)}"
    for rule, _ in found.rules:
        base = signs[rule, 0]
        row = []
        for number, wide in enumerate(widths):
            sign = signs[rule, number]
            changed = number > 0 and sign != base
            shown = sign.rjust(wide)
            row.append(click.style(shown, fg="yellow", bold=True) if changed else shown)
        yield f"{rule:<{first}}  {' '.join(row)}".rstrip()


def _sign(cell: Cell | None) -> str:
    """A verdict in a few characters; nothing for a rule that is not there."""
    if cell is None:
        return ""
    match cell.verdict:
        case "proved":
            return "+" if cell.n == "every" else f"+{cell.n}"
        case "witnessed":
            return "+"
        case "violated":
            return f"-{cell.length}"
        case "impossible":
            return "-!"
        case "bounded":
            return f"<{cell.depth}"
        case "unknown":
            return "?"


def _different(found: Readings, variant: Variant) -> list[Cell]:
    """The cells of `variant` that say something else than the first variant."""
    usual = {cell.rule: cell for cell in found.variants[0].cells}
    return [
        cell
        for cell in variant.cells
        if cell.rule not in usual
        or (cell.verdict, cell.n if cell.verdict == "proved" else None)
        != (
            usual[cell.rule].verdict,
            usual[cell.rule].n if cell.verdict == "proved" else None,
        )
    ]


def _differences(found: Readings) -> Iterator[str]:
    for variant in found.variants[1:]:
        cells = _different(found, variant)
        if cells:
            said = "; ".join(f"{cell.rule} {cell.words}" for cell in cells)
            yield click.style(variant.name, bold=True) + f": {said}"


def _last_line(found: Readings) -> str:
    different = {cell.rule for one in found.variants[1:] for cell in _different(found, one)}
    neutral = sum(not _different(found, variant) for variant in found.variants[1:])
    return (
        f"{found.system.name}: {counted(len(found.rules), 'rule')}, "
        f"{counted(len(found.variants) - 1, 'other reading')}; "
        f"{counted(len(different), 'verdict')} "
        f"{'depends' if len(different) == 1 else 'depend'} on a reading, "
        f"{counted(neutral, 'reading')} {'changes' if neutral == 1 else 'change'} nothing"
    )
