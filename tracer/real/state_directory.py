"""The directory that survives a run: records of applications, persistent states, logs and dumps.

Owns its layout, the lock that keeps two runs apart, and finding applications that nobody hosts any
more.

    lock                              held while a run uses the directory
    persistent.json                   "the state that the user put the group to" (Part 1)
    resources/NAME/*.process          a running application (`tracer.application`)
    resources/NAME/*.log              what it wrote
    monitors/NAME.log, NAME-N.dump    what a monitor and its plug-ins wrote; where its threads stood
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec

from rhscheck.tracer.application import Application
from rhscheck.tracer.configuration import ClusterConfiguration
from rhscheck.tracer.real.file_lock import try_lock
from rhscheck.tracer.real.hosting import RECORD_SUFFIX, unusable_record

Persistent = Literal["online", "offline"]


class StateDirectoryError(Exception):
    """The directory cannot be used; the message says why and what to do."""


class StateDirectory:
    """A directory, locked from its creation to `release`. Raises StateDirectoryError."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            for folder in (self.path, self.monitors, self.resources):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StateDirectoryError(
                f"{path}: this directory cannot be used ({error.strerror or error}); "
                "choose another one with --state"
            ) from error
        if not try_lock(self._lock):
            os.close(self._lock)
            raise StateDirectoryError(
                f"{path} is in use by another run of this cluster: end that one, or choose another "
                "directory with --state"
            )

    @property
    def monitors(self) -> Path:
        """Where logs and dumps of monitors go."""
        return self.path / "monitors"

    @property
    def resources(self) -> Path:
        """Where each resource has a directory of its own."""
        return self.path / "resources"

    def release(self) -> None:
        """Let others use the directory."""
        os.close(self._lock)

    def persistent(self) -> dict[str, Persistent]:
        """The kept states by group. Raises StateDirectoryError if the file is damaged."""
        path = self.path / "persistent.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Persistent])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise StateDirectoryError(f"{path} is damaged ({error}): remove it") from error

    def resumed(self, configuration: ClusterConfiguration) -> ClusterConfiguration:
        """The configuration with each group in its kept state. Raises StateDirectoryError."""
        kept = self.persistent()
        groups = tuple(
            replace(group, persistent=kept.get(group.name, group.persistent))
            for group in configuration.all_groups
        )
        return replace(configuration, groups=groups)

    def check_folders(self, resources: Iterable[str]) -> None:
        """Raises StateDirectoryError where a resource's folder is something else."""
        for name in resources:
            folder = self.resources / name
            if os.path.lexists(folder) and not folder.is_dir():
                raise StateDirectoryError(
                    f"{folder} is no folder, so resource `{name}` cannot have its files there: "
                    "remove it, or choose another directory with --state"
                )

    def persist(self, group: str, state: Persistent) -> None:
        """Keep the state of a group; the file is there whole or as it was."""
        states = {**self.persistent(), group: state}
        part = self.path / "persistent.json.part"
        part.write_bytes(msgspec.json.encode(states))
        part.replace(self.path / "persistent.json")

    def orphans(self) -> list[tuple[str, Application | str]]:
        """Recorded applications that still run, each with the name of its resource.

        A text stands for a record that cannot be read: which one, and why.
        """
        found: list[tuple[str, Application | str]] = []
        for record in sorted(self.resources.glob(f"*/*{RECORD_SUFFIX}")):
            try:
                application: Application | str | None = Application.recover(record)
            except OSError as error:  # a plug-in may do to its folder what it likes
                application = unusable_record(record, error)
            if application is not None:
                found.append((record.parent.name, application))
        return found


def remove_logs(directory: StateDirectory) -> None:
    """Remove logs and dumps of earlier runs: their names would be used again."""
    for old in sorted(directory.monitors.iterdir()):
        with contextlib.suppress(OSError):  # open in something that an earlier run left (Windows)
            old.unlink()
