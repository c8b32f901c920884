"""Text to syntax tree: exact trees, places, where a line ends, and reading on after an error."""

from pathlib import Path

import pytest

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.lexeme import Lexeme
from rhscheck.spec.parse import build_parser, lexemes, parse
from rhscheck.spec.source import Source


def tree(text: str) -> s.Spec:
    return parse(Source("x.sm", text))


def item(text: str) -> s.Item:
    (found,) = tree(f"spec x\n{text}").items
    return found


def body(text: str) -> tuple[s.BodyItem, ...]:
    machine = item(f"machine M {{\n{text}\n}}")
    assert isinstance(machine, s.MachineDecl)
    return machine.body


def condition(text: str) -> s.Expression:
    (handler,) = body(f"by A: go when {text}")
    assert isinstance(handler, s.Handler)
    assert handler.clauses.when is not None
    return handler.clauses.when


def errors(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(SpecErrors) as caught:
        tree(text)
    return [(d.span.line, d.span.column, d.message) for d in caught.value.diagnostics]


def name(text: str) -> s.Name:
    return s.Name(text)


def path(*parts: str) -> s.Path:
    return s.Path(parts)


def test_the_head() -> None:
    assert tree('spec x "a title"\nuse "y.sm"') == s.Spec(name("x"), "a title", (s.Use("y.sm"),))
    assert tree("spec x") == s.Spec(name("x"), "", ())


def test_declarations() -> None:
    assert item('param T = 5m "why"') == s.ParamDecl(
        name("T"), None, s.Duration(300_000_000, "5m"), "why"
    )
    assert item("param Q : { a, b } = b") == s.ParamDecl(
        name("Q"), (name("a"), name("b")), path("b"), ""
    )
    assert item("actors { host H, P }") == s.ActorsDecl((("host", name("H")), ("", name("P"))))
    assert item("entry X, Y returns { ok } timeout 2 * T by P") == s.EntryDecl(
        (name("X"), name("Y")), (name("ok"),),
        s.Nary("*", (s.Number(2), path("T"))), name("P"),
    )  # fmt: skip
    assert item("callback C({ y, n }) by P while k") == s.CallbackDecl(
        name("C"), (name("y"), name("n")), name("P"), path("k")
    )
    assert item("var o : P? = none") == s.VarDecl(
        name("o"), s.NamedTypeName(name("P"), True), s.NoneValue()
    )
    assert item("var n : 0..Top = any") == s.VarDecl(
        name("n"), s.RangeTypeName(s.Number(0), path("Top")), s.AnyValue()
    )


def test_machines() -> None:
    assert item("shared machine M[i in 1..2] requires host.Up {\n}") == s.MachineDecl(
        name("M"), True, name("i"), 2, path("host", "Up"), ()
    )
    assert item("machine M[i in 1..N] { initial final state S\nstate T {} }") == s.MachineDecl(
        name("M"), False, name("i"), name("N"), None,
        (s.StateDecl(name("S"), True, True, ()), s.StateDecl(name("T"), False, False, ())),
    )  # fmt: skip


def test_body_items() -> None:
    assert body(
        "lane l = { X } holds expired when k\n"
        "define d = k; clock c; clock d restart on call X\n"
        "deadline c <= 5s when k by A\n"
        "timer t = T restart on C(y|n), X\n"
        "every T by A: call X when k"
    ) == (
        s.LaneDecl(name("l"), (name("X"),), path("k")),
        s.DefineDecl(name("d"), path("k")),
        s.ClockDecl(name("c")),
        s.ClockDecl(name("d"), (s.EventRef("call", name("X")),)),
        s.DeadlineDecl(
            s.Binary("<=", path("c"), s.Duration(5_000_000, "5s")), path("k"), name("A")
        ),
        s.TimerDecl(
            name("t"), path("T"),
            (s.EventRef("callback", name("C"), ("y", "n")), s.EventRef("event", name("X"))),
        ),
        s.EveryDecl(path("T"), name("A"), name("X"), path("k")),
    )  # fmt: skip


def test_transitions() -> None:
    assert body(
        "urgent by A: call X when k -> S | T.U { k = 1, r = any }\n"
        "  sync B.e resets R where k then call Y\n"
        "late return X(ok|bad), Y(*)\n"
        "on timeout X, Y -> S\n"
        "on t\n"
        "C() { k = 1 }\n"
        "within T by A: go\n"
        "after T by A: go"
    ) == (
        s.Handler(
            "by", (s.EventRef("call", name("X")),),
            s.Clauses(
                path("k"), (path("S"), path("T", "U")),
                (s.Assign(path("k"), s.Number(1)), s.Assign(path("r"), s.AnyValue())),
                path("B", "e"), s.ResetsClause(name("R"), path("k")), name("Y"),
            ),
            name("A"), urgent=True,
        ),
        s.Handler(
            "return",
            (s.EventRef("return", name("X"), ("ok", "bad")), s.EventRef("return", name("Y"))),
            s.Clauses(), late=True,
        ),
        s.Handler(
            "on", (s.EventRef("timeout", name("X")), s.EventRef("timeout", name("Y"))),
            s.Clauses(targets=(path("S"),)),
        ),
        s.Handler("on", (s.EventRef("event", name("t")),), s.Clauses()),
        s.Handler(
            "callback", (s.EventRef("callback", name("C")),),
            s.Clauses(effects=(s.Assign(path("k"), s.Number(1)),)),
        ),
        s.Handler("within", (s.EventRef("event", name("go")),), s.Clauses(), name("A"), path("T")),
        s.Handler("after", (s.EventRef("event", name("go")),), s.Clauses(), name("A"), path("T")),
    )  # fmt: skip


def test_expressions_bind_as_one_expects() -> None:
    a, b, c = path("a"), path("b"), path("c")
    assert condition("a or b and not c") == s.Nary("or", (a, s.Nary("and", (b, s.Unary("not", c)))))
    assert condition("a and b implies c") == s.Binary("implies", s.Nary("and", (a, b)), c)
    assert condition("not a == b") == s.Unary("not", s.Binary("==", a, b))
    assert condition("a - b - c < 1") == s.Binary(
        "<", s.Nary("-", (s.Nary("-", (a, b)), c)), s.Number(1)
    )
    assert condition("(a or b) and c") == s.Nary("and", (s.Nary("or", (a, b)), c))
    assert condition("forall i in M: (a)") == s.Quantified("forall", name("i"), name("M"), a)
    assert condition("exists i in M: (a) and b") == s.Nary(
        "and", (s.Quantified("exists", name("i"), name("M"), a), b)
    )


def test_predicates() -> None:
    a, b = path("a"), path("b")
    assert condition("in a") == s.Atom("in", (a,))
    assert condition("enter { a, b }") == s.Atom("enter", (a, b))
    assert condition("inflight(a, b)") == s.Atom("inflight", (a, b))
    assert condition("return(a, b)") == s.Atom("return", (a, b))
    assert condition("return a(x|y)") == s.Atom("return", (a,), ("x", "y"))
    assert condition("return i.a(*)") == s.Atom("return", (path("i", "a"),))
    assert condition("a(x)") == s.Atom("callback", (a,), ("x",))
    assert condition("quiet and reset(a)") == s.Nary(
        "and", (s.Atom("quiet", ()), s.Atom("reset", (a,)))
    )
    assert condition("event a or timer b") == s.Nary(
        "or", (s.Atom("event", (a,)), s.Atom("timer", (b,)))
    )


def test_rules() -> None:
    a, b = path("a"), path("b")
    assert item('rule R "why": never a while b for distinct i, j in M for c in all - { X }') == (
        s.RuleDecl(
            name("R"), "why", None, s.NeverClause(a, "while", b),
            (
                s.ForClause((name("i"), name("j")), True, name("M"), ()),
                s.ForClause((name("c"),), False, name("all"), (name("X"),)),
            ),
        )
    )  # fmt: skip
    assert item("assume D of P: never a within 5s of b") == s.RuleDecl(
        name("D"), "", name("P"), s.NeverClause(a, "within", b, s.Duration(5_000_000, "5s")), ()
    )
    assert item("rules M { rule R: mutex { a, b while a }; expect R, Q: proved for N = 2 }") == (
        s.RulesBlock(
            name("M"),
            (
                s.RuleDecl(name("R"), "", None, s.MutexClause(((a, None), (b, a))), ()),
                s.ExpectDecl((name("R"), name("Q")), name("proved"), 2),
            ),
        )
    )  # fmt: skip
    assert item("rule R: when a leads to next b within T") == s.RuleDecl(
        name("R"), "", None, s.LeadsToClause(a, b, path("T"), True), ()
    )
    assert item("rule R: only in { a, b }: a") == s.RuleDecl(
        name("R"), "", None, s.OnlyClause((a, b), a), ()
    )


def test_scenarios_and_traces() -> None:
    assert item('scenario S "why" forbidden with N = 2 { M[2]: call X; wait 5s; assert a }') == (
        s.ScenarioDecl(
            name("S"), "why", False, 2,
            (
                s.ScenarioEvent(name("M"), 2, s.EventRef("call", name("X"))),
                s.ScenarioWait(s.Duration(5_000_000, "5s")),
                s.ScenarioAssert(path("a")),
            ),
        )
    )  # fmt: skip
    assert item("trace { code a = 997; code b = other; hide due, timer t }") == s.TraceDecl(
        (
            s.CodeItem(name("a"), 997),
            s.CodeItem(name("b"), None),
            s.HideItem(name("due"), None),
            s.HideItem(name("timer"), name("t")),
        )
    )


def test_places() -> None:
    spec = tree("spec x\r\n# c\r\n\tmachine  M { }\r\n")
    (machine,) = spec.items
    assert isinstance(machine, s.MachineDecl)
    assert (machine.span.line, machine.span.column, machine.span.end - machine.span.start) == (
        3,
        2,
        14,
    )
    assert (machine.name.span.line, machine.name.span.column) == (3, 11)
    form_feed = tree('spec x "\u2028" # \u2028\x0c\nmachine M { }').items[0]
    assert (form_feed.span.line, form_feed.span.column) == (2, 1)


def test_lexemes() -> None:
    assert lexemes(Source("x", "spec x\n\n# c\nvar k : 0..3 = 5m; a <= 1")) == (
        Lexeme("KEYWORD", "spec", 0, 4),
        Lexeme("NAME", "x", 5, 6),
        Lexeme("SEP", "\n", 6, 7),
        Lexeme("KEYWORD", "var", 12, 15),
        Lexeme("NAME", "k", 16, 17),
        Lexeme("SIGN", ":", 18, 19),
        Lexeme("INT", "0", 20, 21),
        Lexeme("SIGN", "..", 21, 23),
        Lexeme("INT", "3", 23, 24),
        Lexeme("SIGN", "=", 25, 26),
        Lexeme("DURATION", "5m", 27, 29),
        Lexeme("SEP", ";", 29, 30),
        Lexeme("NAME", "a", 31, 32),
        Lexeme("COMPARE", "<=", 33, 35),
        Lexeme("INT", "1", 36, 37),
    )


@pytest.mark.parametrize(
    "text",
    [
        "by A: go when a and b -> S { k = 1 }",
        "by A: go\nwhen a\nand b\n-> S\n{ k = 1 }".replace("\n{", " {"),
        "by A:\ngo when\na and\nb ->\nS {\nk =\n1\n}",
        "by A: go when (a\nand\nb)\n# comment\n\n-> S { k = 1 }",
        "by A: go when a and b -> S { k = 1 };",
    ],
)
def test_a_line_goes_on_where_it_cannot_end(text: str) -> None:
    assert body(text) == body("by A: go when a and b -> S { k = 1 }")


def test_semicolons_are_line_ends() -> None:
    assert body("clock a; clock b;; clock c") == body("clock a\nclock b\n\n\nclock c")


def test_reading_goes_on_after_errors() -> None:
    assert errors(
        "spec x\n"
        "machine M {\n"
        "  initial state S {\n"
        "    by A go\n"
        "    by A: go -> S\n"
        "    by A: go => S\n"
        "  }\n"
        "  timer t =\n"
        "  state T { by A: call }\n"
        "}\n"
        "rule R:\n"
        "  never a and\n"
        "  and b\n"
        "rule Q never a\n"
    ) == [
        (4, 10, "`:` is missing before `go`"),
        (6, 14, "`=` cannot stand here"),
        (9, 3, "`state` cannot stand here"),
        (13, 3, "`and` cannot stand here"),
        (14, 8, "`never` cannot stand here"),
    ]


def test_nothing_is_read_behind_a_wrong_head_or_a_block_that_stays_open() -> None:
    assert errors("spek x\nmachine {\n}\n") == [(1, 1, "`spek` cannot stand here")]
    assert errors("spec x\nmachine M {\n state S {\n") == [
        (3, 10, "the text ends, but a `{` is still open")
    ]


def test_the_tables_of_the_parser_are_kept_and_made_again_where_they_are_damaged(
    tmp_path: Path,
) -> None:
    kept = tmp_path / "grammar.tables"
    text = "spec t\n"
    made = build_parser(tables=str(kept)).parse(text)
    content = kept.read_bytes()
    assert build_parser(tables=str(kept)).parse(text) == made
    assert kept.read_bytes() == content
    first, _, rest = content.partition(b"\n")
    for damaged in (content[: len(content) // 2], b"", b"0" * len(first) + b"\n" + rest):
        kept.write_bytes(damaged)
        assert build_parser(tables=str(kept)).parse(text) == made
        again = kept.read_bytes()
        assert again.partition(b"\n")[0] == first
        assert build_parser(tables=str(kept)).parse(text) == made
        assert kept.read_bytes() == again != damaged


def test_a_parser_is_made_where_its_tables_cannot_be_kept(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "grammar.tables"
    assert build_parser(tables=str(nowhere)).parse("spec t\n") == build_parser().parse("spec t\n")
    assert not nowhere.exists()
