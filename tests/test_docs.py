"""The commands shown in README.md and docs/*.md do what the pages say.

A fenced block marked `console` holds command lines, `$ rhscheck …`, each followed by all that the
command prints (standard output, then standard error) and, unless the exit status is 0, a line
`[exit N]`. `...` stands for any text within a line and, alone on a line, for any number of lines.
A fenced block marked `LANGUAGE file=NAME` is written to that name, for the commands after it. The
blocks of a page run from top to bottom in one empty directory. Blocks marked `sh` are the
installation commands; `.ci/run` runs them as they stand.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what stands after the backquotes, its text, the line it starts at."""

    info: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    found: list[Block] = []
    opening: re.Match[str] | None = None
    start, lines = 0, list[str]()
    for number, line in enumerate(page.splitlines(), 1):
        fence = re.match(r"(`{3,})\s*(.*?)\s*$", line)
        if opening is None:
            if fence:
                opening, start, lines = fence, number, []
        elif fence and not fence[2] and len(fence[1]) >= len(opening[1]):
            found.append(Block(opening[2], "\n".join(lines) + "\n", start))
            opening = None
        else:
            lines.append(line)
    assert opening is None, f"the block opened in line {start} is never closed"
    return found


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output shown below it."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            command, shown = found[-1]
            found[-1] = (command, shown + line + "\n")
    return found


def pattern(shown: str) -> re.Pattern[str]:
    """Shown output as a pattern; spaces at the end of a line do not count."""
    parts: list[str] = []
    for line in shown.splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(piece) for piece in line.rstrip().split("...")) + "\n")
    return re.compile("".join(parts))


def run(command: str, folder: Path) -> str:
    """What the command prints, without trailing spaces, and its exit status unless it is 0."""
    words = shlex.split(command)
    assert words[0] == "rhscheck", f"only rhscheck runs everywhere, not: {command}"
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "rhscheck", *words[1:]],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    status = f"[exit {done.returncode}]\n" if done.returncode else ""
    printed = done.stdout + done.stderr + status
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page(page: Path, tmp_path: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        kind, _, rest = block.info.partition(" ")
        if rest.startswith("file="):
            (tmp_path / rest.removeprefix("file=")).write_text(block.text, encoding="utf-8")
        elif kind == "console":
            for command, shown in commands(block):
                printed = run(command, tmp_path)
                where = f"{page.name}:{block.line}: $ {command}"
                assert pattern(shown).fullmatch(printed), (
                    f"{where}\n{shown}--- but it prints\n{printed}"
                )


def test_the_readme_has_one_command_to_verify_and_one_to_test() -> None:
    shell = [b.text for b in blocks(PAGES[0].read_text(encoding="utf-8")) if b.info == "sh"]
    assert [len(text.splitlines()) for text in shell] == [1, 1]
    assert "rhscheck verify rhs" in shell[0]
    assert "pytest" in shell[1]


def test_wildcards() -> None:
    shown = pattern("R1 proved ... s\n...\nlast\n")
    assert shown.fullmatch("R1 proved 0.4 s\nlast\n")
    assert shown.fullmatch("R1 proved 0.4 s\nR2\nR3\nlast\n")
    assert not shown.fullmatch("R1 proved 0.4 s\nlast\nmore\n")
    assert not shown.fullmatch("R1 proved\n 0.4 s\nlast\n")


def test_blocks_and_commands() -> None:
    console = "````console\n$ rhscheck a\nout\n[exit 1]\n$ rhscheck b\n````\n"
    first, second = blocks(f"text\n{console}```sm file=x.sm\nspec x\n```\n")
    assert commands(first) == [("rhscheck a", "out\n[exit 1]\n"), ("rhscheck b", "")]
    assert second == Block("sm file=x.sm", "spec x\n", 8)
