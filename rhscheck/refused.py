"""A file that a command was given and could not judge.

Owns the record and what an error says about the file. How it is shown is the business of whoever
shows the files that were judged; which files are refused, of those that read them.
"""

from __future__ import annotations

from dataclasses import dataclass

from rhscheck.api import InputError
from rhscheck.spec.diagnostic import Diagnostic, SpecErrors
from rhscheck.spec.source import Source


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
