"""Woven Systems that are kept: the same as fresh ones, and never one of something else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rhscheck.spec.load import load
from rhscheck.traces import kept
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.receptive import Receptive


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Byte code and what is kept beside it goes to a folder of the test."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(kept, "WORTH", 0)
    return tmp_path


def refuse(*_arguments: object, **_named: object) -> Receptive:
    raise AssertionError("this was to be kept")


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("woven-*"))


def test_what_is_kept_is_what_was_woven(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = load("rhs").system
    fresh = Engine(system).world
    (file,) = files(beside)
    monkeypatch.setattr(kept, "receptive", refuse)
    again = Engine(load("rhs").system).world
    assert again == fresh
    assert files(beside) == [file]


def test_of_another_system_or_setting_nothing_is_used(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [
        (load(name).system, Setting(n=2, slack_us=slack_us))
        for name in ("two_phase", "fischer")
        for slack_us in (0, 1000)
    ]
    worlds = [Engine(system, setting).world for system, setting in asked]
    assert len(files(beside)) == 4
    again = [Engine(system, setting).world for system, setting in asked]
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert worlds == again == [Engine(system, setting).world for system, setting in asked]


def test_for_another_program_nothing_is_used(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = load("two_phase").system
    fresh = Engine(system).world
    monkeypatch.setattr(sys, "version", "3.99 (another)")
    assert Engine(system).world == fresh
    assert len(files(beside)) == 2


def test_what_is_damaged_is_made_anew(beside: Path) -> None:
    system = load("two_phase").system
    fresh = Engine(system).world
    (file,) = files(beside)
    whole = file.read_bytes()
    for damage in (b"", whole[:-1], whole[:40], whole[:32] + b"x" + whole[33:], b"\0" * 100):
        file.write_bytes(damage)
        assert Engine(system).world == fresh
        assert file.read_bytes()[:32] == whole[:32]


def test_only_so_many_are_kept(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 2)
    system = load("two_phase").system
    for slack_us in (1000, 2000, 3000):
        Engine(system, Setting(slack_us=slack_us))
        for file in files(beside):
            os.utime(file, (slack_us, slack_us))
    assert len(files(beside)) == 2


def test_without_byte_code_nothing_is_kept(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Engine(load("two_phase").system)
    assert files(beside) == []


def test_a_folder_that_cannot_be_written_does_no_harm(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (beside / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(sys, "pycache_prefix", str(beside / "file"))
    system = load("two_phase").system
    assert Engine(system).world == Engine(system).world
