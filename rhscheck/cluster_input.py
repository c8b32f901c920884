"""CLUSTER.toml as a file: found, read and understood, or refused with what would be right.

Owns what may be wrong with the file as such; what it says is `tracer.cluster_file`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rhscheck import api
from rhscheck.tracer.cluster_file import ClusterFile, ClusterFileError, read_cluster

_HOW: Final = "docs/runtime.md shows how to write one"
_MOST_NAMED: Final = 5


def read_cluster_file(path: str) -> ClusterFile:
    """The cluster in the file. Raises InputError with every mistake and its line."""
    text = _text(path)
    if not text.strip():
        raise api.InputError(f"{path} is empty; {_HOW}")
    try:
        return read_cluster(text, path)
    except ClusterFileError as error:
        raise api.InputError(str(error)) from None


def _text(path: str) -> str:
    place = Path(path)
    if place.is_dir():
        raise api.InputError(f"{path} is a folder, no file; {_files_in(place)}")
    if place.exists() and not place.is_file():
        raise api.InputError(f"{path} is no file")  # reading a device may never end
    try:
        content = place.read_bytes()
    except FileNotFoundError:
        raise api.InputError(f"there is no file {path}; {_files_in(place.parent)}") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no system has
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise api.InputError(f"cannot read {path}: {reason}") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise api.InputError(f"{path} is UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")  # editors on Windows like to add a mark
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
        byte = f"byte 0x{content[error.start]:02x} in column {column}"
        message = f"{path}:{line}: it is not UTF-8 ({byte}); save it as UTF-8"
        raise api.InputError(message) from None


def _files_in(folder: Path) -> str:
    """Which files may have been meant."""
    try:
        names = sorted(str(one) for one in folder.glob("*.toml") if one.is_file())
    except OSError:
        names = []
    if not names:
        return _HOW
    shown = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
    return f"there is {shown}"
