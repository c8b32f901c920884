"""Allowed variations: mutants that no sentence of the documents forbids, and why.

Owns the file `NAME.variations.toml` beside a spec `NAME.sm`: a table `[[variation]]` with the `id`
of a mutant and the `reason`. An entry that names no mutant alive is stale, and an error: it would
hide the next mutant of that name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from rhscheck import api
from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.spec.load import library, shipped

SUFFIX = ".variations.toml"


def file_of(spec: str, path: str | None) -> str:
    """The file with the variations of `spec`: `path`, else the one beside it."""
    return path or str(Path(spec).with_suffix(SUFFIX))


def read_variations(spec: str, path: str | None) -> Mapping[str, str]:
    """Reasons by mutant, of the file `path`, else of the file beside `spec`, if there is one.

    Raises InputError for a file that cannot be read or says something else.
    """
    try:
        if path is not None:
            api.refuse_device(path)
            name, text = path, Path(path).read_text(encoding="utf-8")
        elif spec in shipped():
            name = spec + SUFFIX
            file = library() / name
            text = file.read_text(encoding="utf-8") if file.is_file() else ""
        else:
            beside = Path(file_of(spec, None))
            name = str(beside)
            text = beside.read_text(encoding="utf-8") if beside.is_file() else ""
        return _parsed(name, tomllib.loads(text))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise api.InputError(f"{path or spec + SUFFIX}: {reason}") from None


def _parsed(name: str, content: Mapping[str, object]) -> dict[str, str]:
    other = [key for key in content if key != "variation"]
    if other:
        raise api.InputError(f"{name}: `{other[0]}` is unknown; write [[variation]] tables")
    tables = content.get("variation", [])
    found: dict[str, str] = {}
    for table in tables if isinstance(tables, list) else [tables]:
        match table:
            case {"id": str(id_), "reason": str(reason), **rest} if not rest and reason.strip():
                if id_ in found:
                    raise api.InputError(f"{name}: `{id_}` is listed twice; keep one of them")
                found[id_] = reason.strip()
            case _:
                raise api.InputError(
                    f'{name}: a [[variation]] has `id = "…"` and `reason = "…"` only, not {table}'
                )
    return found


def stale(variations: Mapping[str, str], alive: Iterable[str], known: Mapping[str, str]) -> str:
    """What is wrong with entries whose mutant is not `alive` (`known`: mutant to fate); or ""."""
    living = set(alive)
    lines = []
    for id_ in variations:
        if id_ in living:
            continue
        if id_ in known:
            lines.append(f"`{id_}` is {known[id_]}, not alive: take it out")
        else:
            hint = did_you_mean(id_, known) if len(known) < 2_000 else ""
            close = hint if hint.startswith("did you mean") else "take it out"
            lines.append(f"there is no mutant `{id_}`; {close}")
    return "\n".join(lines)
