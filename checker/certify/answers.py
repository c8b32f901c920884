"""What the processes of a re-check are given, and answer: who they are, and query by query.

A process looks at several certificates, one after the other; what it says about one is in an `Of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rhscheck.checker.certify.form import Certificate

Emit = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Work:
    """A certificate before the enumeration.

    `files`: by path; no scripts. `expected`: the hash of the System that the certificate has to be
    about; None: any.
    """

    certificate: Certificate
    files: Mapping[str, bytes]
    expected: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """`query` was answered as the certificate needs it. `states`: how many were looked at, or 0."""

    query: str
    states: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """`query` has another answer; `reason` says which."""

    query: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """The certificate cannot be judged at all: `query` says what is wrong with it, `reason` how."""

    query: str
    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """`query` has no answer; `reason` says why."""

    query: str
    reason: str


@dataclass(frozen=True, slots=True)
class Named:
    """Who answers: a solver with its version."""

    name: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything about one certificate was said."""


Said = Held | Refused | Unfit | Undecided | Finished


@dataclass(frozen=True, slots=True)
class Of:
    """`said` is about the certificate in the place `at`, from 0."""

    at: int
    said: Said
