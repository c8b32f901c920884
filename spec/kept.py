"""What was worked out in earlier runs of the program, kept beside Python's byte code.

Some answers take longer to find than to read: the System of a spec, what a replay weaves into it.
Owns where they are kept: beside the byte code of this package, and by the same rules
(`sys.dont_write_bytecode`, `PYTHONPYCACHEPREFIX`; whoever may write there may change the program
itself, so it is no less trusted), with the permissions that byte code gets. A file is the answer to
exactly one question, asked of the program as it was when this module was loaded: whatever changes
in the texts of the program, of Python or of Lark makes it another file. What cannot be read or
written, or is damaged, is no answer; nothing here fails.

Kept are immutable values of our own dataclasses, as pickles that may name nothing but classes of
this program: a foreign file can at most be a wrong answer, as foreign byte code would be.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from importlib.machinery import PathFinder
from importlib.util import cache_from_source
from io import BytesIO
from pathlib import Path
from typing import Any, Final, TypeVar

from rhscheck.spec import expr

T = TypeVar("T")
MOST: Final = 12  # files of one kind of question; those that were used last stay
_MOST_BYTES: Final = 1 << 24
_DIGEST: Final = 32
# What is used is marked so, but not more often: seconds.
_USED_AGAIN: Final = 86_400.0
_PACKAGES: Final = ("spec", "traces")
# Constants that are compared by identity, beside classes all that a file may name.
_CONSTANTS: Final = {"TRUE": expr.TRUE, "FALSE": expr.FALSE}
# What reading a damaged file, or one of another program, may raise.
_UNFIT: Final = (
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


def _program(here: Path) -> bytes | None:
    """What the program is: all texts of it that have a say in what is kept; None: nobody knows.

    In an archive, or where only byte code is installed, there are no texts.
    """
    total = hashlib.sha256(sys.version.encode())
    lark = PathFinder.find_spec("lark")
    try:
        files = [] if lark is None or lark.origin is None else [Path(lark.origin)]
        for package in _PACKAGES:
            folder = here.parents[1] / package
            names = (one for one in os.listdir(folder) if one.endswith((".py", ".lark")))
            files += [folder / name for name in sorted(names)]
        if here not in files:
            return None
        for file in files:
            data = file.read_bytes()
            total.update(f"{file.name} {len(data)}\n".encode())
            total.update(data)
    except (OSError, IndexError, ValueError):
        return None
    return total.digest()


_HERE: Final = Path(__file__)
# As soon as the module is there: a program that is replaced while it runs is still the old one.
_PROGRAM: Final = _program(_HERE)


def place(name: str, question: object) -> Path | None:
    """The file with the answer to this question of the kind `name`; None: nothing is kept."""
    if sys.dont_write_bytecode or _PROGRAM is None:
        return None
    try:
        beside = Path(cache_from_source(str(_HERE)))
        digest = hashlib.sha256(_pickled(question))
    except (NotImplementedError, RecursionError):
        return None
    digest.update(_PROGRAM)
    return beside.with_name(f"{name}-{digest.hexdigest()[:40]}.{sys.implementation.cache_tag}")


def recall(file: Path | None, kind: type[T]) -> T | None:
    """The answer in this file, None if there is none that can be used."""
    if file is None:
        return None
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
            if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
                return None
            found = _Reader(BytesIO(data[_DIGEST:])).load()
            if time.time() - os.stat(stream.fileno()).st_mtime > _USED_AGAIN:
                with contextlib.suppress(OSError):
                    os.utime(file)
    except (OSError, *_UNFIT):
        return None
    return found if isinstance(found, kind) else None


def keep(file: Path | None, answer: object) -> None:
    """Keep the answer in this file, if that can be done, and forget what is long unused."""
    if file is None:
        return
    try:
        data = _pickled(answer)
    except RecursionError:
        return
    if len(data) + _DIGEST > _MOST_BYTES:
        return
    half = file.with_name(f"{file.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            # As for byte code: whoever may not write the program may not write this.
            mode = os.stat(_HERE).st_mode & 0o666 | 0o200
            with open(half, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as stream:
                stream.write(hashlib.sha256(data).digest() + data)
            half.replace(file)
        finally:
            half.unlink(missing_ok=True)
        _forget(file)


def _forget(file: Path) -> None:
    """Remove the files of the same kind that were not used for longest."""
    kept: list[tuple[float, Path]] = []
    for other in file.parent.glob(f"{file.name.partition('-')[0]}-*"):
        with contextlib.suppress(OSError):  # another process was quicker
            kept.append((other.stat().st_mtime, other))
    for _, old in sorted(kept)[:-MOST]:
        with contextlib.suppress(OSError):
            old.unlink(missing_ok=True)


# ---- pickles -----------------------------------------------------------------------------------
def _arguments(kind: type) -> tuple[str, ...] | None:
    """What a dataclass is made of, and is equal by; None: it is none, or made in another way."""
    if "__dataclass_fields__" not in vars(kind):
        return None
    given = [one for one in fields(kind) if one.init]
    plain = all(not one.kw_only for one in given) and all(
        one.init or not one.compare for one in fields(kind)
    )
    return tuple(one.name for one in given) if plain else None


class _Writer(pickle.Pickler):
    """Writes dataclasses as calls of their classes, which are read three times as fast."""

    def __init__(self, stream: BytesIO) -> None:
        super().__init__(stream, protocol=5)
        self._arguments: dict[type, tuple[str, ...] | None] = {}

    def reducer_override(self, value: Any) -> Any:
        for name, constant in _CONSTANTS.items():
            if value is constant:
                return name
        kind = type(value)
        if kind not in self._arguments:
            self._arguments[kind] = _arguments(kind)
        names = self._arguments[kind]
        if names is None:
            return NotImplemented
        return kind, tuple([getattr(value, name) for name in names])


class _Reader(pickle.Unpickler):
    """Reads nothing but values of our own classes."""

    def find_class(self, module: str, name: str, /) -> Callable[..., object]:
        if module.startswith("rhscheck."):
            found = super().find_class(module, name)
            if isinstance(found, type) and _arguments(found) is not None:
                return found
            if module == expr.__name__ and name in _CONSTANTS:
                return found  # type: ignore[no-any-return]
        raise pickle.UnpicklingError(f"{module}.{name} is not kept")


def _pickled(value: object) -> bytes:
    stream = BytesIO()
    _Writer(stream).dump(value)
    return stream.getvalue()
