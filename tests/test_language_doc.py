"""The language pages agree with the language.

Complete specs in docs/language.md (`sm file=NAME`) are read here; the `console` blocks that verify
them are run by test_docs. Fragments (`sm in=TEMPLATE`) are put into a complete spec first. The
reference shows the whole grammar and all reserved words.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scenario_runs import disagreement

from rhscheck import api
from rhscheck.spec.chart import MAX_CASES
from rhscheck.spec.diagnostic import SpecErrors, render_diagnostic
from rhscheck.spec.load import load, load_source, shipped
from rhscheck.spec.parse import MAX_NESTING
from rhscheck.spec.source import MAX_BYTES, Source
from rhscheck.spec.terms import MAX_EXPANSIONS, MAX_LEVELS, MAX_QUANTIFIERS

ROOT = Path(__file__).parents[1]
LANGUAGE = ROOT / "docs" / "language.md"
REFERENCE = ROOT / "docs" / "reference.md"
LIMITS = ROOT / "docs" / "limits.md"
GRAMMAR = (ROOT / "spec" / "grammar.lark").read_text(encoding="utf-8")
RHS = (ROOT / "spec" / "library" / "rhs.sm").read_text(encoding="utf-8")

# What fragments are put into, in place of the line that names the template.
TEMPLATE = """
spec template

actors { host Host, manager Manager, plugin Store }

param LateRead : { blocks, ignored } = ignored

entry Open, Close returns { success, failure } timeout 5m
entry Read returns { success, failure } timeout 30s
callback Report({ working, done }) by Store while worker

machine Session[i in 1..N] {
  var worker : bool = false
  # machine
  initial state Closed {
    by Host: call Open -> Opening
  }
  state Opening {
    return Open(success) -> Ready
    return Open(failure) -> Closed
  }
  state Ready {
    by Host: call Read when quiet
    by Host: call Close when quiet
    return Read(*), Close(*)
  }
}
# top
rules Session {
  # rules
}
"""


def fenced(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: what stands after the backquotes, and the text."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```([^`\n]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def specs(page: Path) -> list[tuple[str, str]]:
    """(`file=lamp.sm` or `in=rules`, text) of all spec blocks."""
    return [(info[3:], text) for info, text in fenced(page) if info.split()[0] == "sm"]


def test_every_spec_block_says_what_it_is() -> None:
    kinds = {info.split("=")[0] for page in (LANGUAGE, REFERENCE) for info, _ in specs(page)}
    assert kinds == {"file", "in"}


COMPLETE = [
    (info.removeprefix("file="), text) for info, text in specs(LANGUAGE) if info.startswith("file=")
]


@pytest.mark.parametrize(("name", "text"), COMPLETE, ids=[name for name, _ in COMPLETE])
def test_a_complete_spec_is_sound_and_laid_out(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    loaded = api.load(str(path))
    assert loaded.warnings == ()
    assert api.format_file(str(path)).text == text
    wrong = [disagreement(loaded.system, scenario) for scenario in loaded.system.scenarios]
    assert wrong == [None] * len(wrong)


def test_every_complete_spec_is_verified_on_the_page() -> None:
    console = "".join(text for info, text in fenced(LANGUAGE) if info == "console")
    verified = re.findall(r"^\$ rhscheck verify (\S+)", console, re.MULTILINE)
    assert [name for name, _ in COMPLETE if name not in verified] == []


FRAGMENTS = [
    (info.removeprefix("in="), text)
    for page in (LANGUAGE, REFERENCE)
    for info, text in specs(page)
    if info.startswith("in=")
]


@pytest.mark.parametrize(("place", "text"), FRAGMENTS)
def test_a_fragment_fits_where_it_belongs(place: str, text: str) -> None:
    if place == "rhs":
        assert text.strip() in RHS
        return
    before, mark, after = TEMPLATE.partition(f"# {place}\n")
    assert mark, f"there is no template {place}"
    source = Source("fragment.sm", before + text + after)
    try:
        load_source(source)
    except SpecErrors as errors:
        pytest.fail("\n".join(render_diagnostic(one, (source,)) for one in errors.diagnostics))


@pytest.mark.parametrize("name", shipped())
def test_the_scenarios_of_a_shipped_spec(name: str) -> None:
    system = load(name).system
    wrong = {one.id: disagreement(system, one) for one in system.scenarios}
    assert {id_: why for id_, why in wrong.items() if why is not None} == {}


# ---- the reference is complete -------------------------------------------------------------------
def grammar_rules(text: str) -> dict[str, str]:
    """Rule name to right side, as the reference shows them: no aliases, keywords in quotes."""
    words = dict(re.findall(r'^([A-Z]+): ("[^"]+")$', text, re.MULTILINE))
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        start = re.match(r"[?_]*([a-z_]+): (.*)", line)
        if start:
            name, right = start[1], start[2]
        elif re.match(r"\s+\S", line) and name:
            right = found[name] + " " + line.strip()
        else:
            name = ""
            continue
        right = re.sub(r"\s+-> [a-z_]+", "", right)
        right = re.sub(r"\b[A-Z]+\b", lambda word: words.get(word[0], word[0]), right)
        found[name] = re.sub(r"\b_([a-z])", r"\1", right)
    return {name: " ".join(right.split()) for name, right in found.items()}


def test_the_reference_shows_the_whole_grammar() -> None:
    shown = "\n".join(text for info, text in fenced(REFERENCE) if info == "grammar")
    names = re.findall(r"^([a-z_]+):", shown, re.MULTILINE)
    assert len(names) == len(set(names))
    assert grammar_rules(shown) == grammar_rules(GRAMMAR)


def test_the_reference_lists_the_reserved_words() -> None:
    (listed,) = [text for info, text in fenced(REFERENCE) if info == "reserved"]
    reserved = sorted(set(re.findall(r'"([a-z]+)"', GRAMMAR)))
    assert listed.split() == reserved


def test_every_reserved_word_is_explained() -> None:
    page = REFERENCE.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    code = " ".join(re.findall(r"`([^`]+)`", prose)) + " ".join(t for _, t in specs(REFERENCE))
    words = set(re.findall(r"[a-z]+", code))
    assert [word for word in re.findall(r'"([a-z]+)"', GRAMMAR) if word not in words] == []


# ---- links and limits ----------------------------------------------------------------------------
def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [LANGUAGE, REFERENCE, LIMITS, ROOT / "docs" / "json.md"])
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
        other = page.parent / target if target else page
        assert other.exists(), target
        if anchor:
            assert anchor in anchors(other), f"{target}#{anchor}"


def test_the_limits_are_the_programs() -> None:
    text = LIMITS.read_text(encoding="utf-8")
    for number in (
        MAX_BYTES,
        MAX_NESTING,
        MAX_LEVELS,
        MAX_CASES,
        MAX_QUANTIFIERS,
        MAX_EXPANSIONS,
        api.MAX_INSTANCES,
        api.MAX_DEPTH,
        api.MAX_STEPS,
        api.MAX_STATES,
        api.DEFAULT_STATES,
        int(api.MAX_TIMEOUT_S),
    ):
        assert f"{number:,}" in text, number
