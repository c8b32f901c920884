"""A hash of the meaning of a spec: of the System that its texts and settings give.

Owns which parts count: all but where something stands in which file. Two Systems with the same hash
are the same, whatever their texts look like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from rhscheck.spec.source import Span
from rhscheck.spec.system import System

_NO_MEANING = frozenset(("span", "path", "source_sha256"))


def fingerprint(system: System) -> str:
    """The sha256, in hexadecimal digits."""
    digest = hashlib.sha256()
    for part in _parts(system):
        digest.update(part.encode("utf-8"))
    return digest.hexdigest()


def _parts(value: object) -> Iterator[str]:
    """An unambiguous text, in pieces."""
    if isinstance(value, Span):
        return
    if is_dataclass(value):
        yield f"{type(value).__name__}("
        for one in fields(value):
            if one.name not in _NO_MEANING:
                yield f"{one.name}="
                yield from _parts(getattr(value, one.name))
        yield ")"
    elif isinstance(value, tuple):
        yield f"[{len(value)}:"
        for part in value:
            yield from _parts(part)
        yield "]"
    elif value is None or isinstance(value, bool | int | str):
        yield f"{type(value).__name__}:{value!r};"
    else:
        raise TypeError(f"a System holds no {type(value).__name__}")
