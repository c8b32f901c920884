"""Finds mappings: shipped ones by name, others by path.

Owns the reading of `.map` files from disk or from the package.
"""

from __future__ import annotations

import functools
from pathlib import Path

from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.spec.shipped_files import shipped_files
from rhscheck.traces.logmap.language import LogMap
from rhscheck.traces.logmap.parse import MAX_BYTES, parse_map

SUFFIX = ".map"
_LIBRARY = "rhscheck.traces.logmap.library"


class MapNotFound(Exception):  # noqa: N818 - the usual name for it
    """There is no such mapping; the message says what there is."""


@functools.cache
def shipped_maps() -> tuple[str, ...]:
    """The names of the shipped mappings."""
    folder = shipped_files(_LIBRARY)
    return tuple(
        sorted(
            one.name.removesuffix(SUFFIX) for one in folder.iterdir() if one.name.endswith(SUFFIX)
        )
    )


def is_shipped(name: str) -> bool:
    """Whether the name is that of a shipped mapping; a file of that name goes before it."""
    return not Path(name).is_file() and name in shipped_maps()


def load_map(name: str) -> LogMap:
    """The mapping in the file `name`, or the shipped one of that name.

    Raises MapNotFound, MapErrors, OSError and ValueError (a file that is not UTF-8).
    """
    path = Path(name)
    if path.is_file():
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        return parse_map(data.decode("utf-8"), name)
    if is_shipped(name):
        text = (shipped_files(_LIBRARY) / f"{name}{SUFFIX}").read_text("utf-8")
        return parse_map(text, f"{name}{SUFFIX}")
    hint = did_you_mean(name, shipped_maps())
    raise MapNotFound(f"there is no file and no shipped mapping called {name}; {hint}")
