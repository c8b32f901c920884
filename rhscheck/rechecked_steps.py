"""`rhscheck run --recheck FILE`: the recorded events of a real run through fresh cores, once more.

Owns what is said about it: text, JSON and the exit status. Reading the file and repeating its steps
are `tracer.real.step_log`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rhscheck import api
from rhscheck.options import Out
from rhscheck.terminal import printable
from rhscheck.texts import counted, json_bytes
from rhscheck.tracer.real.step_log import Difference, Repeated, StepLogError, repeat_steps

EXIT_SAME, EXIT_DIFFERENT, EXIT_NOTHING = 0, 1, 3
_LONGEST: Final = 400  # characters of an event or of effects that a text shows


def recheck(path: str, out: Out) -> int:
    """Repeat the step log and report; the exit status.

    0: every step has the recorded effects; 1: one has not; 3: there is no step in it. Raises
    InputError for a file that cannot be read or is no step log.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise api.InputError(f"{path} is no file")  # reading a device may never end
    try:
        with Path(path).open("rb") as stream:
            found = repeat_steps(stream)
    except OSError as error:
        raise api.InputError(f"cannot read {path}: {error.strerror or error}") from None
    except StepLogError as error:
        raise api.InputError(f"{path}:{error.line}: {error.reason}") from None
    status = EXIT_SAME if found.steps else EXIT_NOTHING
    if found.difference is not None:
        status = EXIT_DIFFERENT
    out.write(_json(path, found, status) if out.json else _text(path, found, out), inputs=[path])
    return status


def _json(path: str, found: Repeated, status: int) -> bytes:
    one = found.difference
    difference = None
    if one is not None:
        difference = {
            "line": one.line,
            "core": one.core,
            "event": one.event,
            "recorded": one.recorded,
            "repeated": one.repeated,
            "refused": one.refused or None,
            "changed": one.changed,
        }
    fields = {
        "mode": "recheck",
        "file": path,
        "tool": found.tool,
        "steps": found.steps,
        "processes": found.processes,
        "cut": found.cut,
        "difference": difference,
    }
    return json_bytes("run", {**fields, "exit": status})


def _text(path: str, found: Repeated, out: Out) -> str:
    lines = []
    if found.difference is not None and not out.quiet:
        lines += _difference(path, found.difference, found.tool)
    if found.cut and not out.quiet:
        lines.append(f"{path}: note: the last line is cut off, and left out")
    what = f"{counted(found.steps, 'step')} of RCM and {counted(found.processes, 'monitor')}"
    if found.difference is not None:
        lines.append(f"{path}: differs at line {found.difference.line}, in step {found.steps:,}")
    elif not found.steps:
        lines.append(f"{path}: there is no step to repeat")
    else:
        lines.append(f"{path}: {what} repeated by fresh cores: the same effects")
    return "\n".join(lines) + "\n"


def _difference(path: str, one: Difference, tool: str) -> list[str]:
    if one.changed and not one.event:
        return [
            f"{path}:{one.line}: this line ({one.core}), or what stands before it, is not what was "
            "recorded: its check sum is another"
        ]
    now = f"the core refuses it: {one.refused}" if one.refused else one.repeated
    ours = f"rhscheck {api.version()}"
    if one.changed:
        why = "the file was changed after it was recorded: the check sum of this line is another"
    elif tool and tool != ours:
        why = f"{tool}, which wrote it, decides otherwise than {ours}: its check sums are good"
    else:
        why = (
            "the loop that wrote it has a bug, for its check sums are good: please report it, with "
            "the file"
        )
    return [
        f"{path}:{one.line}: {one.core} does not do again what was recorded",
        f"    event:     {_shown(one.event)}",
        f"    recorded:  {_shown(one.recorded)}",
        f"    now:       {_shown(now)}",
        f"    so {why}",
    ]


def _shown(text: str) -> str:
    cut = printable(text)
    return cut if len(cut) <= _LONGEST else f"{cut[:_LONGEST]} …"
