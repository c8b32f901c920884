"""Files that come with the package: specs, mappings and what belongs to them.

Owns where they are, on disk or in an archive. It knows nothing of what is in them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def shipped_files(package: str) -> Path | Traversable:
    """The folder of the package `package`, which is one of ours or lies in one, as data."""
    parent, _, name = package.rpartition(".")
    module = sys.modules.get(parent)
    if module is not None and module.__file__ is not None:
        folder = Path(module.__file__).with_name(name)
        if folder.is_dir():
            return folder
    from importlib import resources  # noqa: PLC0415  in an archive; slower to load than most files

    return resources.files(package)
