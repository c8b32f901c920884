"""What is kept between runs: an answer to the same question of the same program, or nothing."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from rhscheck.spec import kept, load
from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.expr import FALSE, TRUE, conj
from rhscheck.spec.kept import keep, place, recall
from rhscheck.spec.load import Loaded, load_system
from rhscheck.spec.source import Span
from rhscheck.spec.system import System

DOOR = """spec door "A door"
actors { host H }
param Patience = 5s
machine Door {
  initial state Shut { by H: push -> Open }
  state Open { within Patience by H: close -> Shut }
}
"""


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Byte code and what is kept beside it goes to a folder of the test."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "cache"))
    return tmp_path / "cache"


def files(folder: Path) -> list[Path]:
    """What is kept; other parts of the program may be compiled at any time."""
    return sorted(
        one
        for one in folder.rglob("*")
        if one.is_file() and one.suffix not in (".pyc", ".tables") and ".pyc." not in one.name
    )


def refuse(*_arguments: object, **_named: object) -> Loaded:
    raise AssertionError("this was to be kept")


@pytest.mark.parametrize("name", load.shipped())
def test_a_system_is_read_back_as_it_was(
    beside: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = load.load(name).system
    assert load_system(name) == fresh
    monkeypatch.setattr(load, "load_source", refuse)
    assert load_system(name) == fresh
    assert len(files(beside)) == 1


def test_another_text_setting_or_path_is_another_question(beside: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "a.sm", tmp_path / "b.sm"
    for file in (here, there):
        file.write_text(DOOR, encoding="utf-8")
    asked: list[tuple[Path, dict[str, str]]] = [(here, {}), (here, {"Patience": "6s"}), (there, {})]
    for file, settings in asked:
        assert load_system(str(file), settings) == load.load(str(file), settings).system
    assert len(files(beside)) == 3
    here.write_text(DOOR.replace("5s", "7s"), encoding="utf-8")
    assert load_system(str(here)) == load.load(str(here)).system
    assert len(files(beside)) == 4


def test_what_is_wrong_with_a_spec_is_said_each_time(beside: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.sm"
    file.write_text(DOOR.replace("push", ""), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(SpecErrors):
            load_system(str(file))
    assert files(beside) == []


def test_a_spec_that_uses_others_is_read_each_time(beside: Path, tmp_path: Path) -> None:
    part, whole = tmp_path / "part.sm", tmp_path / "whole.sm"
    part.write_text("spec part\nparam Patience = 5s\n", encoding="utf-8")
    whole.write_text(DOOR.replace("param Patience = 5s", 'use "part.sm"'), encoding="utf-8")
    first = load_system(str(whole))
    part.write_text("spec part\nparam Patience = 8s\n", encoding="utf-8")
    assert load_system(str(whole)) == load.load(str(whole)).system != first
    assert files(beside) == []


def test_for_another_program_nothing_is_used(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_PROGRAM", b"one")
    first = place("span", 1)
    monkeypatch.setattr(kept, "_PROGRAM", b"another")
    assert place("span", 1) != first
    monkeypatch.setattr(kept, "_PROGRAM", None)
    assert place("span", 1) is None


def test_every_text_of_the_program_counts_whatever_its_time(tmp_path: Path) -> None:
    """Sizes and times say nothing: some installers give every file the same time."""
    (tmp_path / "spec").mkdir()
    (tmp_path / "traces").mkdir()
    here = tmp_path / "spec" / "kept.py"
    here.write_text("a = 1", encoding="utf-8")
    grammar = tmp_path / "spec" / "grammar.lark"
    grammar.write_text("a: b", encoding="utf-8")
    found = [kept._program(here)]
    for file, text in ((here, "a = 2"), (grammar, "a: c"), (tmp_path / "traces" / "b.py", "")):
        file.write_text(text, encoding="utf-8")
        os.utime(file, (0, 0))
        found.append(kept._program(here))
    assert None not in found
    assert len(set(found)) == 4


def test_without_the_texts_of_the_program_nothing_is_kept(tmp_path: Path) -> None:
    """Where only byte code is installed another version would look the same."""
    (tmp_path / "spec").mkdir()
    (tmp_path / "traces").mkdir()
    assert kept._program(tmp_path / "spec" / "kept.py") is None
    assert kept._program(tmp_path / "program.zip" / "spec" / "kept.py") is None


def test_what_is_damaged_is_no_answer(beside: Path) -> None:
    system = load_system("two_phase")
    (file,) = files(beside)
    whole = file.read_bytes()
    for damage in (b"", whole[:-1], whole[:40], whole[:32] + b"x" + whole[33:], b"\0" * 100):
        file.write_bytes(damage)
        assert recall(file, System) is None
        assert load_system("two_phase") == system
        assert file.read_bytes() == whole


def signed(data: bytes) -> bytes:
    return hashlib.sha256(data).digest() + data


class Harm:
    """What an attacker would write: reading it calls something."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self._call = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


def test_a_foreign_file_runs_nothing(tmp_path: Path) -> None:
    target, file = tmp_path / "target", tmp_path / "system-1"
    for harm in (Harm(os.mkdir, str(target)), Harm(load.load, "rhs"), Harm(eval, "1")):
        file.write_bytes(signed(pickle.dumps(harm)))
        assert recall(file, object) is None
    assert not target.exists()
    file.write_bytes(signed(pickle.dumps(Span("a", 1, 2, 3, 4))))
    assert recall(file, System) is None  # an answer to something else
    file.write_bytes(signed(b"\x80\x05" + b"(" * 100_000 + b"."))
    assert recall(file, object) is None


def test_constants_are_themselves_again(tmp_path: Path) -> None:
    """Some are compared by identity."""
    file = tmp_path / "formula-1"
    keep(file, (TRUE, FALSE, conj([])))
    found = recall(file, tuple)
    assert found is not None
    assert [one is other for one, other in zip(found, (TRUE, FALSE, TRUE), strict=True)] == [
        True
    ] * 3


def test_only_those_used_last_stay(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 2)
    places = [place("span", number) for number in range(3)]
    other = place("other", 0)
    keep(other, (0,))
    for number, file in enumerate(places[:2]):
        keep(file, (number,))
        assert file is not None
        os.utime(file, (number, number))
    assert recall(places[0], tuple) == (0,)  # marks it as used
    keep(places[2], (2,))
    assert [recall(file, tuple) for file in places] == [(0,), None, (2,)]
    assert recall(other, tuple) == (0,)


def test_a_folder_that_cannot_be_written_does_no_harm(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside.parent.joinpath("file").write_text("", encoding="utf-8")
    monkeypatch.setattr(sys, "pycache_prefix", str(beside.parent / "file"))
    assert load_system("two_phase") == load_system("two_phase") == load.load("two_phase").system


def full(*_arguments: object, **_named: object) -> BinaryIO:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("what", ["replace", "mkdir"])
def test_a_full_disk_does_no_harm(beside: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    file = place("span", 1)
    monkeypatch.setattr(Path, what, full)
    keep(file, (1,))
    assert files(beside) == []


def test_an_interrupt_while_writing_leaves_nothing_behind(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    file = place("span", 1)
    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        keep(file, (1,))
    assert files(beside) == []
    assert recall(file, tuple) is None


def test_writers_at_the_same_time_do_not_meet(beside: Path) -> None:
    """Threads share a process number, and so do processes of two containers."""
    file = place("span", 1)
    value = tuple(range(20_000))
    writers = [threading.Thread(target=keep, args=(file, value)) for _ in range(8)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert recall(file, tuple) == value
    assert files(beside) == [file]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_nobody_else_may_write_what_is_kept(beside: Path) -> None:
    file = place("span", 1)
    assert file is not None
    before = os.umask(0)
    try:
        keep(file, (1,))
    finally:
        os.umask(before)
    allowed = stat.S_IMODE(Path(kept.__file__).stat().st_mode)
    assert stat.S_IMODE(file.stat().st_mode) == allowed & 0o666 | 0o200


def test_byte_code_elsewhere_takes_what_is_kept_along(beside: Path) -> None:
    file = place("span", 1)
    assert file is not None
    assert beside in file.parents


def test_without_byte_code_nothing_is_kept(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    load_system("two_phase")
    assert files(beside) == []
