"""The parts of `rhscheck.traces` that are compiled where there is a C compiler (ADR 11).

Owns the question whether one is there, and is of this version. Whoever asks has Python code that
does the same where it is not.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Final


def compiled(name: str, revision: int) -> ModuleType | None:
    """The module `name` of `rhscheck.traces`; None: it was not built.

    `revision`: what its user expects of it, for an editable install keeps what it once built.
    """
    try:
        found = import_module(f"rhscheck.traces.{name}")
    except ImportError:
        return None
    return found if revision == found.REVISION else None


# Lines of recordings, and ways along them.
calls: Final = compiled("_calls", 2)
