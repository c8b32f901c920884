"""The import contracts of pyproject.toml hold, and each of them notices what it forbids."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINT = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"


def package_tree(target: Path) -> Path:
    """The packages as they are once installed, below `target`."""
    folders: dict[str, str] = PYPROJECT["tool"]["setuptools"]["package-dir"]
    for package, folder in sorted(folders.items()):
        shutil.copytree(
            ROOT / folder,
            target.joinpath(*package.split(".")),
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return target


def lint_imports(tree: Path) -> tuple[int, dict[str, str]]:
    """Exit status and, by contract, KEPT or BROKEN."""
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    verdicts = dict(re.findall(r"^(\S.*?) (KEPT|BROKEN)", done.stdout, re.MULTILINE))
    assert verdicts, done.stdout + done.stderr
    return done.returncode, verdicts


def contracts() -> list[str]:
    return [contract["name"] for contract in PYPROJECT["tool"]["importlinter"]["contracts"]]


def test_every_contract_holds(tmp_path: Path) -> None:
    assert lint_imports(package_tree(tmp_path)) == (0, dict.fromkeys(contracts(), "KEPT"))


LAYERS = "layers"
FORMAT_ONLY = "checker and tracer see of traces only its format"
Z3 = "only checker.smt talks to Z3"
CERTIFY = "certificates are re-checked without engines and encoder"
LARK = "only the parser talks to Lark"
RUNTIME = "the runtime never sees the spec"
FORMAT_ALONE = "the trace format stands alone"


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("spec/expr.py", "import rhscheck.traces.format", LAYERS),
        ("traces/replay.py", "import rhscheck.checker.verdict", LAYERS),
        ("tracer/__init__.py", "import rhscheck.checker", LAYERS),
        ("newcomer.py", "", LAYERS),
        ("checker/verify.py", "import rhscheck.traces.replay", FORMAT_ONLY),
        ("tracer/__init__.py", "import rhscheck.traces.mapping", FORMAT_ONLY),
        ("checker/bmc.py", "import z3", Z3),
        ("spec/semantics.py", "from z3 import Bool", Z3),
        ("checker/certify/enumeration.py", "import rhscheck.checker.smt.encode", CERTIFY),
        ("checker/certify/referee.py", "import rhscheck.checker.narrow", CERTIFY),
        ("spec/elaborate.py", "from lark import Lark", LARK),
        ("cli.py", "import lark.exceptions", LARK),
        ("tracer/__init__.py", "from rhscheck.spec import system", RUNTIME),
        ("traces/format.py", "import rhscheck.spec.system", FORMAT_ALONE),
    ],
)
def test_a_planted_import_is_caught(
    tmp_path: Path, module: str, planted: str, contract: str
) -> None:
    tree = package_tree(tmp_path)
    with (tree / "rhscheck" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{planted}\n")
    status, verdicts = lint_imports(tree)
    assert (status, verdicts.get(contract, "BROKEN")) == (1, "BROKEN")


def test_the_runtime_may_use_the_trace_format(tmp_path: Path) -> None:
    tree = package_tree(tmp_path)
    with (tree / "rhscheck" / "tracer" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write("\nimport rhscheck.traces.format\n")
    assert lint_imports(tree) == (0, dict.fromkeys(contracts(), "KEPT"))


def test_every_package_is_named_in_the_distribution() -> None:
    """A sub-package that is not named works in a checkout and is absent from the wheel."""
    folders: dict[str, str] = PYPROJECT["tool"]["setuptools"]["package-dir"]
    found = sorted(
        ".".join((package, *init.parent.relative_to(ROOT / folder).parts))
        for package, folder in folders.items()
        for init in (ROOT / folder).rglob("__init__.py")
    )
    assert found == sorted(PYPROJECT["tool"]["setuptools"]["packages"])


def compiled_modules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = PYPROJECT["tool"]["setuptools"]["ext-modules"]
    return found


def test_a_compiled_module_may_be_missing() -> None:
    """Where there is no compiler the installation goes on without it."""
    assert [one["name"] for one in compiled_modules() if not one["optional"]] == []


def test_every_data_file_is_in_the_distribution() -> None:
    """The same for data: what is neither Python, compiled nor in package-data is not shipped."""
    folders: dict[str, str] = PYPROJECT["tool"]["setuptools"]["package-dir"]
    data: dict[str, list[str]] = PYPROJECT["tool"]["setuptools"]["package-data"]
    sources = [file for one in compiled_modules() for file in one["sources"] + one["depends"]]
    missing = [
        file.relative_to(ROOT).as_posix()
        for package, folder in sorted(folders.items())
        for file in sorted((ROOT / folder).rglob("*"))
        if file.is_file() and file.suffix != ".py" and "__pycache__" not in file.parts
        if not file.name.endswith(tuple(EXTENSION_SUFFIXES))
        if file.relative_to(ROOT).as_posix() not in sources
        if not any(
            file in (ROOT / folder).glob("/".join((*sub.split(".")[2:], pattern)))
            for sub, patterns in data.items()
            if sub == package or sub.startswith(package + ".")
            for pattern in patterns
        )
    ]
    assert missing == []
