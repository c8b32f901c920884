"""What the host does for one plug-in, without a process: folders, records, names, commands."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rhscheck.tracer.application import Application
from rhscheck.tracer.events import CallEntry, Returned, RhsEvent
from rhscheck.tracer.plugin import ERROR_INTERNAL_ERROR, ResourceError
from rhscheck.tracer.real.hosting import HostedResource, Tickets
from rhscheck.tracer.real.journal import NoteEntry
from rhscheck.tracer.real.state_directory import StateDirectory


def hosted(folder: Path, submitted: list[RhsEvent], said: list[str]) -> HostedResource:
    return HostedResource(
        "it",
        "GenericApplication",
        {"command": ["sleep", "1000"]},
        folder=folder,
        state_dir=folder / "it",
        time_scale=1,
        tickets=Tickets(),
        submit=submitted.append,
        say=lambda _, text: said.append(text),
    )


@pytest.mark.parametrize("name", ["../b/application", "a/b", "", "a\\b", "a\0b"])
def test_the_name_of_an_application_is_that_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "it").mkdir()
    resource = hosted(tmp_path, [], [])
    with pytest.raises(ValueError, match="cannot be the name of an application"):
        resource.spawn(["sleep", "1000"], name=name)
    with pytest.raises(ValueError, match="cannot be the name of an application"):
        resource.recover(name)
    assert list(tmp_path.rglob("*")) == [tmp_path / "it"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([], "the command is empty"),
        ("sleep 1000", "is one text: a command is a list"),
        ([""], "names no program"),
        (["sleep", 1000], "1000 in the command is no text"),
        (["sleep", "1\0"], "in the command is no text"),
    ],
)
def test_a_command_that_cannot_be_one_is_refused(
    tmp_path: Path, command: Sequence[str], message: str
) -> None:
    (tmp_path / "it").mkdir()
    with pytest.raises(ValueError, match=re.escape(message)):
        hosted(tmp_path, [], []).spawn(command)
    assert list(tmp_path.rglob("*")) == [tmp_path / "it"]


def test_a_folder_that_the_host_cannot_make_is_no_fault_of_the_plug_in(tmp_path: Path) -> None:
    (tmp_path / "it").write_text("in the way", encoding="utf-8")
    submitted: list[RhsEvent] = []
    said: list[str] = []
    hosted(tmp_path, submitted, said)._run(CallEntry(1, "it", "Open"), None)
    assert submitted == [Returned(1, ERROR_INTERNAL_ERROR)]
    (line,) = said
    assert "the host, not the plug-in, cannot make the folder" in line
    assert "choose another directory with --state" in line


def test_a_record_that_cannot_be_read_is_named_and_ends_nothing(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path / "state")
    record = directory.resources / "it" / "application.process"
    record.mkdir(parents=True)
    (found,) = directory.orphans()
    directory.release()
    assert found[0] == "it"
    assert isinstance(found[1], str)
    assert found[1].startswith(f"{record}: this record of an application cannot be read (")
    with pytest.raises(ResourceError, match="cannot be read"):
        hosted(directory.resources, [], []).spawn(["sleep", "1000"])
    assert sorted(record.parent.iterdir()) == [record]


@pytest.mark.skipif(sys.platform == "win32", reason="the command is of POSIX")
def test_an_application_that_cannot_be_recorded_is_not_left_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "application.process"
    record.mkdir()
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noting(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*words, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noting)
    with pytest.raises(OSError, match=r"application\.process"):
        Application.start(["sleep", "1000"], record, log=tmp_path / "log")
    assert [one.returncode for one in started] == [-signal.SIGKILL]


def test_the_benchmark_of_the_runtime_skips_notes() -> None:
    path = Path(__file__).parents[2] / "bench" / "runtime.py"
    spec = importlib.util.spec_from_file_location("bench_of_the_runtime", path)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    assert bench.detections([NoteEntry(5, "said")]) == ([], [])
    assert bench.start_times([NoteEntry(5, "said")]) == []
