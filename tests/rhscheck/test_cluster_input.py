"""What may be wrong with CLUSTER.toml as a file, for real runs and simulated ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rhscheck.api import InputError
from rhscheck.cluster_input import read_cluster_file

USABLE = '[resource.it]\nplugin = "GenericApplication"\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "c.toml is empty; docs/runtime.md shows how to write one"),
        (b"\n  \n", "c.toml is empty; docs/runtime.md shows how to write one"),
        (b"# later\n", "c.toml:1: there is no resource: add `[resource.NAME]` with a `plugin`"),
        (USABLE.encode("utf-16"), "c.toml is UTF-16; save it as UTF-8"),
        (
            b'[resource.x]\nplugin = "caf\xe9"\n',
            "c.toml:2: it is not UTF-8 (byte 0xe9 in column 14); save it as UTF-8",
        ),
    ],
)
def test_a_file_that_says_nothing_usable(here: Path, content: bytes, message: str) -> None:
    (here / "c.toml").write_bytes(content)
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read_cluster_file("c.toml")


def test_a_file_that_is_not_there(here: Path) -> None:
    with pytest.raises(InputError, match=r"^there is no file c\.toml; docs/runtime\.md shows how"):
        read_cluster_file("c.toml")
    (here / "b.toml").write_text(USABLE, encoding="utf-8")
    with pytest.raises(InputError, match=r"^there is no file c\.toml; there is b\.toml$"):
        read_cluster_file("c.toml")


def test_a_folder(here: Path) -> None:
    (here / "shop").mkdir()
    (here / "shop" / "cluster.toml").write_text(USABLE, encoding="utf-8")
    found = re.escape(str(Path("shop") / "cluster.toml"))
    with pytest.raises(InputError, match=f"^shop is a folder, no file; there is {found}$"):
        read_cluster_file("shop")


def test_a_mark_at_the_beginning_is_no_mistake(here: Path) -> None:
    (here / "c.toml").write_bytes(b"\xef\xbb\xbf" + USABLE.encode())
    file = read_cluster_file("c.toml")
    assert [one.name for one in file.configuration.resources] == ["it"]
