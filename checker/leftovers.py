"""Temporary names beside the final one, and what a killed process leaves under them.

Owns the name under which something is made before it appears: `.NAME.MACHINE-PID-….part`, in the
directory where NAME will be. Who is killed in that moment leaves it there; the next one who makes
the same thing clears it away, if its maker is gone. Knows nothing of what is made.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import time
import zlib
from pathlib import Path

_SUFFIX = ".part"
_OLD_S = 86_400.0  # where nobody can tell whether the maker lives, what is a day old is left over


def prefix(name: str) -> str:
    """How the temporary name of NAME begins, for `tempfile`."""
    return f".{name}.{_machine()}-{os.getpid()}-"


def suffix() -> str:
    """How it ends."""
    return _SUFFIX


def clear(folder: Path, name: str) -> None:
    """Remove what processes that are gone have left of NAME in `folder`, as far as that works."""
    pattern = re.compile(rf"\.{re.escape(name)}\.([0-9a-f]{{8}})-([0-9]+)-[^.]*{_SUFFIX}")
    with contextlib.suppress(OSError):
        for entry in list(folder.iterdir()):
            found = pattern.fullmatch(entry.name)
            if found is not None and _is_left(entry, found[1], int(found[2])):
                _remove(entry)


def _is_left(entry: Path, machine: str, pid: int) -> bool:
    if machine == _machine() and os.name == "posix":
        return not _lives(pid)
    try:
        return time.time() - entry.lstat().st_mtime > _OLD_S
    except OSError:
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    except OverflowError:
        return False
    return True


def _remove(entry: Path) -> None:
    with contextlib.suppress(OSError):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode('utf-8')):08x}"
