"""Woven Systems, kept from one run of the program to the next.

Weaving what a replay watches for into a System takes longer than judging most recordings, and comes
to the same each time. Owns where the result is kept: beside Python's byte code of this package, and
by the same rules (`sys.dont_write_bytecode`, `PYTHONPYCACHEPREFIX`; whoever may write there may
change the program itself, so it is no less trusted). A file is of use for exactly one System under
one setting, and for the program as it is now. What cannot be read or written, or is damaged, is
made anew; nothing here fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
from importlib import resources
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from rhscheck.spec.expr import StepKind
from rhscheck.spec.system import System
from rhscheck.traces.apart import Apart
from rhscheck.traces.receptive import Receptive, receptive

MOST: Final = 12  # files
# Transitions times rules: with fewer, weaving takes no longer than looking for what is kept.
WORTH: Final = 1000
_MOST_BYTES: Final = 1 << 24
_DIGEST: Final = 32
_NAME: Final = "woven-"
_CODE: Final = ("spec", "traces")
# What reading a damaged file, or one of another program, may raise.
_UNFIT: Final = (
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


def kept_receptive(
    system: System,
    n: int,
    *,
    slack_us: int,
    unseen: tuple[tuple[StepKind, str | None], ...],
    alone: Apart | None,
) -> Receptive:
    """What `receptive` gives, from an earlier run if that is kept. Raises what `receptive` does."""
    place = _place(system, (n, slack_us, unseen, alone is not None))
    found = None if place is None else _recall(place)
    if found is None:
        found = receptive(system, n, slack_us=slack_us, unseen=unseen, alone=alone)
        if place is not None:
            _keep(place, found)
    return found


def _place(system: System, setting: object) -> Path | None:
    """Where the result is kept; None: nowhere."""
    source = resources.files("rhscheck.traces") / "receptive.py"
    if sys.dont_write_bytecode or not isinstance(source, Path):  # in an archive there is no place
        return None
    if len(system.transitions) * len(system.rules) < WORTH:
        return None
    try:
        beside = Path(cache_from_source(str(source)))
        digest = hashlib.sha256(pickle.dumps((system, setting), protocol=5))
        digest.update(_program())
    except (NotImplementedError, OSError, RecursionError):
        return None
    return beside.with_name(f"{_NAME}{digest.hexdigest()[:40]}.{sys.implementation.cache_tag}")


def _program() -> bytes:
    """What the program is: its files with their sizes and times, as Python knows byte code by."""
    known: list[tuple[str, int, int]] = []
    for package in _CODE:
        with os.scandir(str(resources.files(f"rhscheck.{package}"))) as files:
            for file in files:
                if file.name.endswith(".py"):
                    stat = file.stat()
                    known.append((f"{package}/{file.name}", stat.st_size, stat.st_mtime_ns))
    return repr((sys.version, sorted(known))).encode()


def _recall(place: Path) -> Receptive | None:
    """What is kept there, None if nothing that can be used."""
    try:
        with place.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
            return None
        found = pickle.loads(data[_DIGEST:])
    except (OSError, *_UNFIT):
        return None
    return found if isinstance(found, Receptive) else None


def _keep(place: Path, world: Receptive) -> None:
    """Keep it there, if that can be done, and forget what is long unused."""
    try:
        data = pickle.dumps(world, protocol=5)
    except RecursionError:
        return
    if len(data) + _DIGEST > _MOST_BYTES:
        return
    half = place.with_name(f"{place.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            half.write_bytes(hashlib.sha256(data).digest() + data)
            half.replace(place)
        finally:
            half.unlink(missing_ok=True)
        kept = sorted(place.parent.glob(f"{_NAME}*"), key=lambda one: one.stat().st_mtime)
        for old in kept[:-MOST]:
            old.unlink(missing_ok=True)
