"""A file that a command was given and could not judge.

Owns the record and what an error says about the file. How it looks is the business of whoever
shows the files that were judged; which files are refused, of those that read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from rhscheck.api import InputError
from rhscheck.spec.diagnostic import Diagnostic, SpecErrors
from rhscheck.spec.source import Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refused:
    """The file and the reason, which names it.

    `mistakes`: what is wrong with the options, where they do not fit the spec that this file names;
    `sources`: the texts that these are about.
    """

    file: str
    reason: str
    mistakes: tuple[Diagnostic, ...] = ()
    sources: tuple[Source, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As it stands under `refused` in a report."""
        return {"file": self.file, "reason": self.reason}


def refused(file: str, error: InputError | SpecErrors) -> Refused:
    """What `error` says about `file`. Unlike the errors, it can be sent to another process."""
    match error:
        case InputError():
            return Refused(file, str(error))
        case SpecErrors():
            told = [
                one.message + (f" ({one.help})" if one.help else "") for one in error.diagnostics
            ]
            return Refused(
                file, f"{file}: {'; '.join(told)}", tuple(error.diagnostics), tuple(error.sources)
            )


def apart(answers: Iterable[T | Refused]) -> tuple[list[T], list[Refused]]:
    """What was judged and what was refused, each in the order of the files."""
    judged: list[T] = []
    missing: list[Refused] = []
    for one in answers:
        if isinstance(one, Refused):
            missing.append(one)
        else:
            judged.append(one)
    return judged, missing
