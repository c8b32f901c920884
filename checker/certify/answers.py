"""What the processes of a re-check answer: who they are, and query by query what they found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Emit = Callable[[object], None]


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
