"""The jobs of child processes, done in this one: starting a fresh interpreter takes longer.

For tests of what is said, not of processes. Messages are pickled as on their way through a pipe.
"""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rhscheck.checker.certify.certify import Certification, certify_all
from rhscheck.checker.process import Done, Job, Message, Sent


@dataclass(frozen=True, slots=True)
class ChildHere:
    """What messages come from."""

    name: str


@dataclass(slots=True)
class CrewHere:
    """In the place of `rhscheck.checker.process.Crew`; nothing is ever late or killed."""

    memory_mb: float | None = None
    _jobs: list[tuple[ChildHere, Job]] = field(default_factory=list)

    def __enter__(self) -> CrewHere:
        return self

    def __exit__(self, *_error: object) -> None:
        self._jobs.clear()

    def start(self, name: str, job: Job) -> ChildHere:
        """Remember the job."""
        child = ChildHere(name)
        self._jobs.append((child, job))
        return child

    def messages(self, _until: float | None = None) -> Iterator[tuple[ChildHere, Message]]:
        """What each of them says, one job after the other; an exception goes through."""
        for child, job in self._jobs:
            module, name = job.function.split(":")
            said: list[object] = []
            arguments = pickle.loads(pickle.dumps(job.arguments))
            value = getattr(importlib.import_module(module), name)(*arguments, said.append)
            for one in said:
                yield child, Sent(pickle.loads(pickle.dumps(one)))
            yield child, Done(value)


def certified_here(folder: Path, expected: str | None = None) -> Certification:
    """`certify` without child processes."""
    (only,) = all_certified_here([folder], expected)
    return only


def all_certified_here(
    folders: Sequence[Path], expected: str | None = None
) -> tuple[Certification, ...]:
    """`certify_all` without child processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rhscheck.checker.certify.certify.Crew", CrewHere)
        return certify_all(folders, [expected] * len(folders), lambda _line: None)
