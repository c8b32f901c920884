"""Whatever the text: a System or SpecErrors, in bounded time, and never anything else.

Short here, with a fixed seed in CI. For longer:
`HYPOTHESIS_MAX=5000 pytest --timeout 0 tests/spec/test_fuzz.py`.
"""

import itertools
import os
import random
from pathlib import Path

import pytest
from grammar_texts import grammar, plain, scrambled
from hypothesis import given, settings
from hypothesis import strategies as st

from rhscheck.spec.diagnostic import SpecErrors, render_diagnostic
from rhscheck.spec.format_source import format_source
from rhscheck.spec.ground import ground
from rhscheck.spec.lexeme import Lexeme
from rhscheck.spec.load import Loaded, SpecNotFound, load, load_source, read_source, shipped
from rhscheck.spec.parse import build_parser, lexemes, parse
from rhscheck.spec.semantics import delay_bound, enabled, fire, initial_states
from rhscheck.spec.source import Source

LONG = settings(max_examples=int(os.environ.get("HYPOTHESIS_MAX", "40")), deadline=20_000)
SHIPPED = {name: read_source(name).text for name in shipped()}
WORDS = sorted(
    {
        word.text
        for text in SHIPPED.values()
        for word in lexemes(Source("x", text))
        if word.kind != "SEP"
    }
)
SIGNS = ["\n", "\n", " ", ";", "{", "}", "(", ")", "[", "]", "#", '"', "->", "=", "5m", "7", "."]


def judged(text: str) -> Loaded | tuple[str, ...]:
    """The System, exercised a little, or the numbers of what is wrong with the text."""
    try:
        found = load_source(Source("fuzz.sm", text))
    except SpecErrors as error:
        refused = error
    else:
        exercise(found)
        return found
    assert refused.diagnostics
    for diagnostic in refused.diagnostics:
        assert diagnostic.code.number in render_diagnostic(diagnostic, refused.sources)
    return tuple(diagnostic.code.number for diagnostic in refused.diagnostics)


def wrong(text: str) -> tuple[str, ...]:
    """What `judged` finds in a text that cannot be used."""
    found = judged(text)
    assert not isinstance(found, Loaded)
    return found


def exercise(found: Loaded) -> None:
    """Every function that walks the expressions of a System, on its first states."""
    for n in (1, 2):
        grounded = ground(found.system, n)
        hash(grounded.transitions)
        for state in itertools.islice(initial_states(grounded), 2):
            delay_bound(grounded, state)
            for position in enabled(grounded, state):
                fire(grounded, state, position)


def mutated(text: str, rng: random.Random) -> str:
    """`text` with a few words deleted, repeated, swapped or replaced."""
    words: list[Lexeme] = list(lexemes(Source("x", text)))
    pieces: list[str] = []
    end = 0
    for word in words:
        pieces += [text[end : word.start], text[word.start : word.end]]
        end = word.end
    for _ in range(rng.randint(1, 3)):
        at = 2 * rng.randrange(len(words)) + 1
        match rng.randrange(4):
            case 0:
                pieces[at] = ""
            case 1:
                pieces[at] += " " + pieces[at]
            case 2:
                other = 2 * rng.randrange(len(words)) + 1
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case _:
                pieces[at] = rng.choice(WORDS)
    return "".join(pieces) + text[end:]


@LONG
@given(st.binary(max_size=300))
def test_bytes(data: bytes) -> None:
    judged(data.decode("utf-8", "surrogateescape"))
    judged("spec x\n" + data.decode("latin-1"))


@LONG
@given(st.text(max_size=200))
def test_characters(text: str) -> None:
    judged("spec x\nmachine M {\n" + text)


@LONG
@given(st.lists(st.sampled_from(WORDS + SIGNS), max_size=60))
def test_words(words: list[str]) -> None:
    judged("spec x\n" + " ".join(words))


@LONG
@given(st.integers(0, 2**32), st.sampled_from(list(SHIPPED)))
def test_mutated_specs(seed: int, name: str) -> None:
    judged(mutated(SHIPPED[name], random.Random(seed)))


@LONG
@given(st.integers(0, 2**32), st.sampled_from([30, 100, 200]))
def test_texts_of_the_grammar(seed: int, size: int) -> None:
    rng = random.Random(seed)
    words = grammar().draw(rng, size)
    assert parse(Source("x", plain(words))) == parse(Source("x", scrambled(words, rng)))
    judged(plain(words))


@LONG
@given(st.integers(0, 2**32), st.sampled_from(list(SHIPPED)))
def test_what_is_formatted_stays_what_it_is(seed: int, name: str) -> None:
    text = mutated(SHIPPED[name], random.Random(seed))
    try:
        tree = parse(Source("x", text))
    except SpecErrors:
        with pytest.raises(SpecErrors):
            format_source(text, "x")
        return
    once = format_source(text, "x")
    assert parse(Source("x", once)) == tree
    assert format_source(once, "x") == once


def test_the_grammar_has_no_conflicts() -> None:
    parser = build_parser(strict=True)
    assert parser.parse("spec x").data == "start"


HEAD = "spec x\nactors { A }\nmachine M {\n var a : bool = false\n var k : 0..9 = 0\n"


def guarded(condition: str) -> Loaded | tuple[str, ...]:
    return judged(f"{HEAD} by A: set when {condition} {{ a = true, k = 1 }}\n}}\n")


def test_a_hundred_brackets_and_no_more() -> None:
    # One level is the machine's own.
    assert isinstance(guarded("(" * 99 + "a" + ")" * 99), Loaded)
    assert guarded("(" * 100 + "a and k == 1" + ")" * 100) == ("SM005",)
    assert isinstance(guarded("(a or (k == 2 and " * 49 + "a" + "))" * 49), Loaded)
    states = "initial state S {\n" * 99 + "}\n" * 99
    assert isinstance(judged(f"{HEAD} by A: set when a {{ k = k + 1 }}\n{states}}}\n"), Loaded)
    states = "initial state S {\n" * 100 + "}\n" * 100
    assert judged(f"{HEAD}{states}}}\n") == ("SM005",)


@pytest.mark.parametrize("length", [100, 1_000, 10_000])
def test_long_chains_work(length: int) -> None:
    assert isinstance(guarded(" and ".join(["a"] * length)), Loaded)
    assert isinstance(guarded(" or ".join(f"k == {at % 7}" for at in range(length))), Loaded)
    assert isinstance(guarded("k == 1 * " + " * ".join(["1"] * length)), Loaded)


@pytest.mark.parametrize("length", [200, 1_000, 10_000])
def test_deep_chains_are_refused(length: int) -> None:
    assert guarded("not " * length + "a") == ("SM005",)
    assert guarded("1 + " * length + "1 == k") == ("SM005",)
    assert guarded("k - " * length + "1 == k") == ("SM005",)
    assert guarded("(" * length + "a" + ")" * length) == ("SM005",)


def test_chains_of_a_hundred_work() -> None:
    assert isinstance(guarded("not " * 100 + "a"), Loaded)
    assert isinstance(guarded("k + " * 100 + "1 <= 500"), Loaded)


def test_definitions_cannot_explode() -> None:
    defines = "define d0 = a\n" + "".join(
        f"define d{at + 1} = d{at} or k == 1 and d{at}\n" for at in range(60)
    )
    assert "SM008" in wrong(f"{HEAD}{defines} by A: set when d60 {{ a = true, k = 1 }}\n}}\n")
    chain = "define d0 = a\n" + "".join(
        f"define d{at + 1} = k == {at % 9} or (a and d{at})\n" for at in range(400)
    )
    assert "SM005" in wrong(f"{HEAD}{chain} by A: set when d400 {{ a = true, k = 1 }}\n}}\n")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", ("SM003",)),
        ("\ufeff", ("SM003",)),
        (" \t\r\n\f", ("SM003",)),
        ("# only\r\n# comments\r", ("SM003",)),
        ("spec x\0", ("SM001",)),
        ("spec x # \x1b[31m", ("SM001",)),
        ('spec x "\ud800"', ("SM002",)),
        ('spec x "never closed', ("SM001",)),
        ("spec x\n\ufeff", ("SM001",)),
        ("spec x\n}" * 50, ("SM001",)),
        ("spec x\nparam k = " + "9" * 5_000 + "\nmachine M {\n}", ("SM203",)),
        ("spec x\nparam k = " + "9" * 5_000 + "m\nmachine M {\n}", ("SM203",)),
        ("spec x\nmachine M[i in " + "9" * 5_000 + "..N] {\n}", ("SM203",)),
        ("spec x\nmachine M {\n}\nexpect R: proved for N = " + "9" * 5_000, ("SM203",)),
        ("&" * 5_000, ("SM001",)),
        ("spec x\n" + "@\n" * 5_000, ("SM001",) * 10),
        ("spec x\n" + "machine {\n}\n" * 5_000, ("SM001",) * 10),
    ],
)
def test_odd_texts(text: str, numbers: tuple[str, ...]) -> None:
    assert judged(text) == numbers


def test_line_ends_of_all_systems_mean_the_same() -> None:
    lines = [
        "spec x",
        "actors { A }",
        "machine M {",
        "  initial state S {",
        "    by A: go -> T",
        "}",
    ]
    found = []
    for end in ("\n", "\r\n", "\r"):
        with pytest.raises(SpecErrors) as caught:
            parse(Source("x", end.join(lines)))
        found.append([(d.span.line, d.span.column) for d in caught.value.diagnostics])
    assert found[0] == found[1] == found[2] == [(6, 1)]


def test_a_file_of_a_megabyte_takes_seconds(tmp_path: Path) -> None:
    path = tmp_path / "big.sm"
    line = "by A: go when k == 1 -> S # and a comment that is not very short either, but fills\n"
    path.write_text("spec x\nactors { A }\nmachine M {\n" + line * 8_000)
    with pytest.raises(SpecErrors) as caught:
        load(str(path))
    assert [d.code.number for d in caught.value.diagnostics] == ["SM001"]
    path.write_bytes(b"\xff" * 2_000_000)
    with pytest.raises(SpecErrors) as caught:
        load(str(path))
    assert [d.code.number for d in caught.value.diagnostics] == ["SM004"]


def test_what_is_no_file(tmp_path: Path) -> None:
    for name in (str(tmp_path), str(tmp_path / "none.sm"), "a\0b", "x" * 5_000, "rsh", ""):
        with pytest.raises(SpecNotFound):
            load(name)
