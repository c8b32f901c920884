"""What the user sees when rhscheck itself is at fault: a short report and a file to send.

Owns the reproduction file. Knows nothing of commands: it is given the arguments and the exception.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from pathlib import Path

MAX_COPY = 1_000_000  # bytes of an input file that go into the reproduction file
_PARTS = ("rhscheck", "z3-solver", "lark", "click", "rich", "msgspec")


def version_line() -> str:
    """rhscheck's version, with Python's and the platform's."""
    import platform  # noqa: PLC0415  seldom asked for

    return (
        f"rhscheck {_version_of('rhscheck')}, "
        f"Python {platform.python_version()}, {platform.platform()}"
    )


def report_bug(error: BaseException, arguments: Sequence[str]) -> str:
    """Write the reproduction file and return the text for standard error (several lines).

    The file holds versions, arguments, the stack trace, what the exception brought along in its
    attributes (a run, a solver's query), and the input files that the arguments name.
    """
    summary = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    lines = [
        "rhscheck has a bug. Nothing was decided; please report it.",
        f"  what:      {summary}",
        f"  version:   {version_line()}",
        f"  arguments: {_quoted(arguments)}",
    ]
    try:
        path = _write(_reproduction(error, arguments))
    except OSError as failure:
        lines.append(f"  no reproduction file: {failure}")
        return "\n".join([*lines, *traceback.format_exception(error)])
    lines.append(f"  send this: {path} (it holds the stack trace and the input files)")
    return "\n".join(lines)


def _version_of(part: str) -> str:
    from importlib import metadata  # noqa: PLC0415  slow, and seldom asked for

    return metadata.version(part)


def _quoted(arguments: Sequence[str]) -> str:
    return " ".join(
        arg if arg and not set(arg) & set(" \"'\n\t") else repr(arg) for arg in arguments
    )


def _write(text: str) -> str:
    import tempfile  # noqa: PLC0415  loads what most runs do not need

    handle, name = tempfile.mkstemp(prefix="rhscheck-bug-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(text)
    return name


def _carried(error: BaseException) -> list[tuple[str, object]]:
    return [(name, value) for name, value in vars(error).items() if not name.startswith("_")]


def _reproduction(error: BaseException, arguments: Sequence[str]) -> str:
    versions = (f"{part} {_version_of(part)}" for part in _PARTS)
    sections = [
        f"{version_line()}\n{', '.join(versions)}\n",
        f"arguments: {list(arguments)!r}\n",
        "".join(traceback.format_exception(error)),
    ]
    sections.extend(f"{name}:\n{str(value)[:MAX_COPY]}\n" for name, value in _carried(error))
    for argument in arguments:
        path = Path(argument)
        try:
            if not path.is_file():
                continue
            with path.open("rb") as file:
                data = file.read(MAX_COPY)
        except (OSError, ValueError):  # not readable, or no name of a file at all
            continue
        sections.append(f"file {argument}:\n{data.decode('utf-8', 'backslashreplace')}\n")
    return ("\n" + "-" * 80 + "\n").join(sections)
