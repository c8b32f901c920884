"""The layout of specs: exact results, and that formatting never changes the meaning."""

import random

import pytest
from grammar_texts import grammar, scrambled
from hypothesis import given
from hypothesis import strategies as st

from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.format_source import format_source
from rhscheck.spec.load import read_source, shipped
from rhscheck.spec.parse import parse
from rhscheck.spec.source import Source


@pytest.mark.parametrize("name", shipped())
def test_shipped_specs_are_formatted(name: str) -> None:
    source = read_source(name)
    assert format_source(source.text, source.path) == source.text


@given(st.integers(0, 2**32), st.sampled_from([30, 100]))
def test_formatting_keeps_the_tree_and_is_idempotent(seed: int, size: int) -> None:
    rng = random.Random(seed)
    text = scrambled(grammar().draw(rng, size), rng)
    tree = parse(Source("x.sm", text))
    once = format_source(text, "x.sm")
    assert parse(Source("x.sm", once)) == tree
    assert format_source(once, "x.sm") == once


def test_indentation_follows_blocks() -> None:
    assert format_source(
        "spec x\n"
        "actors{A}\n"
        "machine M[i in 1..N]requires host.Up{\n"
        "var k:0..3=0\n"
        "initial state S{by A:go->T{k=1}}\n"
        "     state T {\n"
        "by A : call X\n"
        "      }}\n",
        "x.sm",
    ) == (
        "spec x\n"
        "actors { A }\n"
        "machine M[i in 1..N] requires host.Up {\n"
        "  var k : 0..3 = 0\n"
        "  initial state S { by A: go -> T { k = 1 } }\n"
        "  state T {\n"
        "    by A: call X\n"
        "} }\n"
    )


def test_a_line_that_goes_on_is_one_level_deeper() -> None:
    assert format_source(
        "spec x\n"
        "machine M {\n"
        "by A: call X\n"
        "when free(a) and\n"
        "b\n"
        "or (c\n"
        "and d)\n"
        "-> S\n"
        "}\n"
        "rules M {\n"
        'rule R "why":\n'
        "never start(X)\n"
        "or start(Y)\n"
        "for i in M\n"
        "mutex_is_a_name\n"
        "}\n".replace("mutex_is_a_name\n", ""),
        "x.sm",
    ) == (
        "spec x\n"
        "machine M {\n"
        "  by A: call X\n"
        "    when free(a) and\n"
        "      b\n"
        "      or (c\n"
        "        and d)\n"
        "    -> S\n"
        "}\n"
        "rules M {\n"
        '  rule R "why":\n'
        "    never start(X)\n"
        "      or start(Y)\n"
        "    for i in M\n"
        "}\n"
    )


def test_spaces_between_words_and_signs() -> None:
    assert format_source(
        "spec x\n"
        "param Q:{a,b}=a\n"
        "callback C ( {y,n} )by D while  inflight ( X )\n"
        "entry X returns{s,f} timeout (2*5m)\n"
        "var r:M ?=none\n"
        "machine M[ i in 1 .. 2 ] {\n"
        "return X ( s|f ),Y( * )->A|B{}\n"
        "by D:go when not(r==none)and k+1<=3 and(a or b)\n"
        "}\n"
        "rule R:never start( c )and in{A . B,C}for c in entries-{X,Y}\n"
        "scenario S allowed with N=2{M[ 1 ] : call X;wait 5m;assert in A}\n",
        "x.sm",
    ) == (
        "spec x\n"
        "param Q : { a, b } = a\n"
        "callback C({ y, n }) by D while inflight(X)\n"
        "entry X returns { s, f } timeout (2 * 5m)\n"
        "var r : M? = none\n"
        "machine M[i in 1..2] {\n"
        "  return X(s|f), Y(*) -> A | B {}\n"
        "  by D: go when not (r == none) and k + 1 <= 3 and (a or b)\n"
        "}\n"
        "rule R: never start(c) and in { A.B, C } for c in entries - { X, Y }\n"
        "scenario S allowed with N = 2 { M[1]: call X; wait 5m; assert in A }\n"
    )


def test_constants_and_entry_points_form_tables() -> None:
    assert format_source(
        "spec x\n"
        'param Long = 5m "why"\n'
        "param Longer = 300ms\n"
        'param Q : { a, b } = a "a reading is no row"\n'
        'param Z = 1 "alone"\n'
        "entry A returns { s } timeout Long by D\n"
        "entry B, C returns { s, f } by D\n"
        "\n"
        "entry Other returns { s } timeout Long\n",
        "x.sm",
    ) == (
        "spec x\n"
        'param Long   = 5m    "why"\n'
        "param Longer = 300ms\n"
        'param Q : { a, b } = a "a reading is no row"\n'
        'param Z = 1 "alone"\n'
        "entry A    returns { s }    timeout Long by D\n"
        "entry B, C returns { s, f }              by D\n"
        "\n"
        "entry Other returns { s } timeout Long\n"
    )


def test_comments_keep_their_line_and_where_there_is_room_their_column() -> None:
    assert format_source(
        "# head   \n"
        "spec x\n"
        "machine M {   # the machine\n"
        "# of a state\n"
        "      initial state S {       # one\n"
        "  by A: a_long_name -> S    # pushed to the right\n"
        "  by A: b -> S              # in its column\n"
        "          # the last line of S\n"
        " }\n"
        "}\n"
        "# tail",
        "x.sm",
    ) == (
        "# head\n"
        "spec x\n"
        "machine M {   # the machine\n"
        "  # of a state\n"
        "  initial state S {           # one\n"
        "    by A: a_long_name -> S  # pushed to the right\n"
        "    by A: b -> S            # in its column\n"
        "    # the last line of S\n"
        "  }\n"
        "}\n"
        "# tail\n"
    )


def test_blank_lines_are_single_and_not_at_the_edges_of_blocks() -> None:
    assert (
        format_source(
            "\n\nspec x\n\n\n\nmachine M {\n\n  state S\n\n\n  state T\n\n}\n\n\n", "x.sm"
        )
        == "spec x\n\nmachine M {\n  state S\n\n  state T\n}\n"
    )


def test_line_ends_of_other_systems_and_byte_order_marks_go() -> None:
    assert format_source("\ufeffspec x\r\nmachine M {\r}\r\n", "x.sm") == "spec x\nmachine M {\n}\n"


def test_a_text_that_does_not_parse_is_refused() -> None:
    with pytest.raises(SpecErrors) as caught:
        format_source("spec x\nmachine {\n}\n", "x.sm")
    (found,) = caught.value.diagnostics
    assert (found.code.number, found.span.line, found.span.column) == ("SM001", 2, 9)
