"""Woven Systems that are kept: the same as fresh ones, and never one of something else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rhscheck.spec.load import load, load_system
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
    fresh = Engine(load("rhs").system).world
    (file,) = files(beside)
    monkeypatch.setattr(kept, "receptive", refuse)
    again = Engine(load("rhs").system).world
    assert again == fresh
    assert files(beside) == [file]


def test_a_system_that_was_kept_asks_for_the_same(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Engine(load_system("rhs")).world
    (file,) = files(beside)
    monkeypatch.setattr(kept, "receptive", refuse)
    for _ in range(2):
        assert Engine(load_system("rhs")).world == fresh
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


def test_without_byte_code_nothing_is_kept(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Engine(load("two_phase").system)
    assert files(beside) == []
