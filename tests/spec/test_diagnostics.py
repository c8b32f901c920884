"""Every diagnostic: code, place, wording and fix, in the golden files `tests/golden/*.sm`.

A file holds specs divided by `---`. A line that a diagnostic is expected on ends with `### "regex"`
(several for several); what is matched is `CODE `marked text`: message; help`. Lines of their own:
`#! line N "regex"` where no comment can stand, `#! nowhere "regex"` for one without a place, and
`#! set NAME=VALUE`. Whatever is expected and missing fails, and so does whatever is not expected.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rhscheck.spec.diagnostic import Code, Diagnostic, SpecErrors, render_diagnostic
from rhscheck.spec.load import load, load_source
from rhscheck.spec.source import Source

GOLDEN = Path(__file__).parent.parent / "golden"
QUOTED = r'"((?:[^"\\]|\\.)*)"'

# Found by exploring what can happen (checker.findings), not by reading the text.
EXPLORED = frozenset(
    [
        Code.UNHANDLED,
        Code.AMBIGUOUS,
        Code.UNREACHABLE,
        Code.NEVER_FIRES,
        Code.TIMELOCK,
        Code.FORCED_ACTOR,
        Code.ZENO,
        Code.VACUOUS_ASSUMPTION,
        Code.UNDECIDED,
        Code.VACUOUS_RULE,
        Code.NO_WITNESS,
    ]
)
# Texts that are no fun in a file: what they are made of, and what is found.
MADE = {
    Code.TOO_LARGE: "spec x\n" + "#" * 1_000_000,
    Code.TOO_DEEP: "spec x\nmachine M {\n by A: go when " + "(" * 100 + "k" + ")" * 100 + "\n}\n",
    Code.ENCODING: 'spec x "\ud800"\n',
}


@dataclass(frozen=True)
class Chunk:
    name: str
    text: str

    @property
    def expected(self) -> list[tuple[int, str]]:
        """Line (0: nowhere) and pattern of every diagnostic."""
        found: list[tuple[int, str]] = []
        for number, line in enumerate(self.text.splitlines(), start=1):
            if line.startswith("#! line"):
                found.append((int(line.split()[2]), re.findall(QUOTED, line)[0]))
            elif line.startswith("#! nowhere"):
                found.append((0, re.findall(QUOTED, line)[0]))
            elif " ### " in line:
                found += [(number, each) for each in re.findall(QUOTED, line.split(" ### ", 1)[1])]
        return found

    @property
    def spec(self) -> str:
        """The text without what is expected, so that messages do not show it."""
        return re.sub(r"(?m) *### .*$", "", self.text)

    @property
    def settings(self) -> dict[str, str]:
        return dict(re.findall(r"^#! set (\w+)=(.*)$", self.text, re.MULTILINE))


def chunks() -> Iterator[Chunk]:
    for path in sorted(GOLDEN.glob("*.sm")):
        for number, text in enumerate(re.split(r"(?m)^---\n", path.read_text("utf-8")), start=1):
            yield Chunk(f"{path.stem}-{number}", text)


CHUNKS = list(chunks())


def said(diagnostic: Diagnostic, text: str) -> str:
    marked = text[diagnostic.span.start : diagnostic.span.end].splitlines() or [""]
    help = f"; {diagnostic.help}" if diagnostic.help else ""
    return f"{diagnostic.code.number} `{marked[0][:40]}`: {diagnostic.message}{help}"


def diagnostics(text: str, settings: dict[str, str]) -> tuple[Diagnostic, ...]:
    try:
        return load_source(Source("x.sm", text), settings).warnings
    except SpecErrors as error:
        return error.diagnostics


@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: chunk.name)
def test_golden(chunk: Chunk) -> None:
    found = diagnostics(chunk.spec, chunk.settings)
    missing = list(chunk.expected)
    unexpected = []
    for diagnostic in found:
        line, text = diagnostic.span.line, said(diagnostic, chunk.spec)
        match = next((e for e in missing if e[0] == line and re.search(e[1], text)), None)
        if match is None:
            unexpected.append((line, text))
        else:
            missing.remove(match)
    assert (missing, unexpected) == ([], [])


@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: chunk.name)
def test_every_diagnostic_has_a_fix_and_a_place_in_the_text(chunk: Chunk) -> None:
    source = Source("x.sm", chunk.spec)
    for found in diagnostics(chunk.spec, chunk.settings):
        assert found.help
        shown = render_diagnostic(found, [source]).splitlines()
        assert shown[0] == f"{found.severity}[{found.code.number}]: {found.message}"
        if found.span.line:
            assert shown[3].endswith(source.line(found.span.line)[-100:]) or "…" in shown[3]
            column = shown[4].index("^") - shown[4].index("|") - 1
            assert column == found.span.column or "…" in shown[3]
        assert shown[-1].endswith(f"= help: {found.help}")


@pytest.mark.parametrize("code", MADE, ids=lambda code: code.name)
def test_made_up_texts(code: Code) -> None:
    assert [d.code for d in diagnostics(MADE[code], {})] == [code]


def test_every_code_has_an_example() -> None:
    numbers = {code.number: code for code in Code}
    seen = {numbers[pattern[:5]] for chunk in CHUNKS for _, pattern in chunk.expected}
    assert seen | set(MADE) | EXPLORED == set(Code)
    assert not seen & EXPLORED


def test_numbers_are_unique_and_texts_complete() -> None:
    assert len({code.number for code in Code}) == len(Code)
    for code in Code:
        assert re.fullmatch(r"SM[0-4]\d\d", code.number)
        assert code.title
        assert re.search(
            r"\S\n\nInstead of\n\n    \S.*\n\nwrite\n\n    \S", code.explanation, re.DOTALL
        )


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.sm"
    path.write_bytes(b"spec x \xe9\n")
    with pytest.raises(SpecErrors) as caught:
        load(str(path))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.help) == (
        Code.ENCODING, f"{path} is not UTF-8 text (byte 7)", "save the file as UTF-8",
    )  # fmt: skip


def test_a_note_shows_the_other_place() -> None:
    text = "spec x\nactors { A }\nmachine M {\n}\nmachine M {\n}\n"
    (found,) = diagnostics(text, {})
    assert render_diagnostic(found, [Source("x.sm", text)]) == (
        "error[SM102]: the machine `M` is declared twice\n"
        " --> x.sm:5:9\n"
        "  |\n"
        "5 | machine M {\n"
        "  |         ^\n"
        "3 | machine M {\n"
        "  | ----------- first declared here\n"
        "  = help: give one of them another name"
    )


def test_diagnostics_of_a_used_file_name_that_file(tmp_path: Path) -> None:
    (tmp_path / "other.sm").write_text("spec other\nvar k : Colour = red\n")
    (tmp_path / "main.sm").write_text('spec main\nuse "other.sm"\nmachine M {\n}\n')
    with pytest.raises(SpecErrors) as caught:
        load(str(tmp_path / "main.sm"))
    assert [(Path(d.span.path).name, d.span.line) for d in caught.value.diagnostics] == [
        ("other.sm", 2), ("other.sm", 2),
    ]  # fmt: skip
    assert [Path(source.path).name for source in caught.value.sources] == ["main.sm", "other.sm"]
