"""The compiled part of replay (`_calls.c`), if it was built and is of this version.

Owns nothing but that question. Without it `traces.habit` reads, and ways are Python functions.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

# What this version expects of it: an editable install keeps what it once built.
_REVISION: Final = 2


def _found() -> ModuleType | None:
    try:
        from rhscheck.traces import _calls  # noqa: PLC0415  it may be missing
    except ImportError:
        return None
    return _calls if _calls.REVISION == _REVISION else None


calls: Final = _found()
