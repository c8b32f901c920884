"""What stands beside the machines becomes: rules, assumptions, expectations, scenarios, traces."""

from pathlib import Path

import pytest
from play import Play, loaded

from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.expr import Exists, Happens, In, Post, Ref, conj, disj, neg
from rhscheck.spec.load import load
from rhscheck.spec.system import (
    SELF,
    Actor,
    Assert,
    Can,
    Early,
    Expectation,
    Family,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Observe,
    Param,
    Rule,
    Wait,
    Within,
)

SPEC = """spec t "a title"
actors { host H, manager M, plugin D }
param T = 5s "how long"
entry X, Y returns { ok, bad } timeout 60s
callback Report({ fine, slow }) by D while inflight(X)
shared machine Clock {
  initial state Day { by M: dusk -> Night }
  state Night { by M: dawn -> Day }
}
machine A[i in 1..N] {
  var k : bool = false
  late return X(*), Y(*)
  late Report(*)
  initial state S {
    timer t = 5m
    on t -> W
    by M: call X { k = true }
    by M: call Y
    by M: go -> W.U
  }
  state W {
    initial state U
    state V
  }
}
"""
X = Happens("call", "X", None, SELF)
Y = Happens("call", "Y", None, SELF)
S = In(Ref("A.state", SELF), (0,))
W = In(Ref("A.state", SELF), (1, 2))
K = Ref("A.k", SELF)
BUSY_X = In(Ref("A.call.X", SELF), (1, 2))
BUSY_Y = In(Ref("A.call.Y", SELF), (1, 2))
RETURN_X = Happens("return", "X", None, SELF)
RETURN_X_OK = Happens("return", "X", "ok", SELF)


def rules(text: str) -> tuple[Rule, ...]:
    return loaded(f"{SPEC}rules A {{\n{text}\n}}\n").system.rules


def rule(text: str) -> Rule:
    (found,) = rules(text)
    return found


def test_the_head_of_a_spec() -> None:
    system = loaded(SPEC).system
    assert (system.name, system.title, system.unit_us) == ("t", "a title", 5_000_000)
    assert system.actors == (Actor("H", "host"), Actor("M", "manager"), Actor("D", "plugin"))
    assert system.families == (Family("A", None),)
    assert [(e.name, e.results, e.timeout) for e in system.entries] == [
        ("X", ("ok", "bad"), 12),
        ("Y", ("ok", "bad"), 12),
    ]
    (constant,) = system.constants
    assert (constant.name, constant.value, constant.is_time, constant.sentence) == (
        "T", 1, True, "how long",
    )  # fmt: skip


def test_never() -> None:
    found = rule('rule R1 "no": never start(X) while inflight(Y)')
    assert (found.id, found.base, found.sentence, found.kind) == ("R1", "R1", "no", "never")
    assert found.params == (Param(SELF, "A"),)
    assert found.obligation == Never(conj((X, BUSY_Y)))
    assert rule("rule R: never in W and k").obligation == Never(conj((W, K)))
    assert rule("rule R: invariant in W implies k").obligation == Never(neg(disj((neg(W), K))))


def test_before_after_and_too_early() -> None:
    assert rule("rule R: never start(Y) before start(X)").obligation == NeverBefore(Y, X)
    assert rule("rule R: never start(Y) after return X(ok)").obligation == NeverAfter(
        Y, RETURN_X_OK
    )
    early = rule("rule R: never start(Y) within T of start(Y) or enter W").obligation
    assert early == Early(Y, disj((Y, conj((neg(W), Post(W))))), 1)


def test_only_mutex_can() -> None:
    assert rule("rule R: only in W: start(X, Y)").obligation == Never(conj((disj((X, Y)), neg(W))))
    mutex = rule("rule R: mutex { X, Y while in W }")
    assert mutex.kind == "mutex"
    assert mutex.obligation == Never(
        disj((conj((X, BUSY_Y, W)), conj((Y, Post(W), BUSY_X))))
    )  # fmt: skip
    can = rule("rule R: can inflight(X) and k")
    assert (can.kind, can.obligation) == ("can", Can(conj((BUSY_X, K))))


def test_leads_to() -> None:
    assert rule("rule R: when in W leads to in S").obligation == LeadsTo(W, S)
    found = rule("rule R: when start(X) leads to next return(X) within 2 * T")
    assert (found.kind, found.obligation) == ("within", Within(X, RETURN_X, 2, next=True))


def test_events_of_rules() -> None:
    assert rule("rule R: never timer t").obligation == Never(Happens("timer", "t", None, SELF))
    assert rule("rule R: never event go").obligation == Never(Happens("event", "go", None, SELF))
    assert rule("rule R: never timeout(X)").obligation == Never(Happens("expiry", "X", None, SELF))
    assert rule("rule R: never Report(fine)").obligation == Never(
        Happens("callback", "Report", "fine", SELF)
    )
    assert rule("rule R: never Report(*)").obligation == Never(
        Happens("callback", "Report", None, SELF)
    )
    assert rule("rule R: never event Clock.dusk").obligation == Never(
        Happens("event", "dusk", None, None)
    )
    assert rule("rule R: never reset").obligation == Never(Happens("reset", "A", None, SELF))
    assert rule("rule R: never leave W").obligation == Never(conj((W, neg(Post(W)))))


def test_a_prohibition_for_several_elements_is_one_rule() -> None:
    found = rule("rule R: never start(c) while k for c in entries")
    assert found.obligation == Never(disj((conj((X, K)), conj((Y, K)))))
    found = rule("rule R: never start(c) before start(X) for c in entries - { X }")
    assert found.obligation == NeverBefore(Y, X)


def test_a_permission_for_several_elements_is_one_rule_each() -> None:
    found = rules('rule R "may": can inflight(c) and in s for c in { X, Y } for s in { S, W }')
    assert [(r.id, r.base) for r in found] == [
        ("R[X,S]", "R"), ("R[X,W]", "R"), ("R[Y,S]", "R"), ("R[Y,W]", "R"),
    ]  # fmt: skip
    assert found[1].obligation == Can(conj((BUSY_X, W)))


def test_rules_outside_a_block_name_their_instances() -> None:
    (found,) = loaded(
        SPEC + "rule R: never in i.W and j.k and in Clock.Night for distinct i, j in A\n"
    ).system.rules
    assert found.params == (Param("i", "A"), Param("j", "A"))
    assert found.obligation == Never(
        conj((In(Ref("A.state", "i"), (1, 2)), Ref("A.k", "j"), In(Ref("Clock.state"), (1,))))
    )


def test_quantified_conditions() -> None:
    found = rule("rule R: never in W and exists j in A: (j.k)").obligation
    assert isinstance(found, Never)
    bound = next(part.param for part in found.formula.args if isinstance(part, Exists))  # type: ignore[union-attr]
    assert found == Never(conj((W, Exists(bound, "A", Ref("A.k", bound)))))


def test_assumptions() -> None:
    system = loaded(
        SPEC
        + """rules A {
          assume D1 "quick" of D: when start(X) leads to return(X) within T
          assume D2 of D: never return(X) while k
          assume M1 of M: never start(Y) before start(X)
        }
        """
    ).system
    assert [(a.id, a.sentence, a.actor, a.obligation) for a in system.assumptions] == [
        ("D1", "quick", "D", Within(X, RETURN_X, 1)),
        ("D2", "", "D", Never(conj((RETURN_X, K)))),
        ("M1", "", "M", NeverBefore(Y, X)),
    ]


def test_fairness_and_expectations() -> None:
    system = loaded(
        SPEC
        + """rules A {
          fair D: return X
          strong fair M: call Y, go
          rule R: never k
          rule Q: can k
          expect R: proved for N = 2
          expect Q: witnessed
        }
        expect R, Q: unknown
        """
    ).system
    assert [(f.actor, f.strong, f.labels) for f in system.fairness] == [
        ("D", False, tuple(Label("return", "A", "X", value, SELF) for value in ("ok", "bad"))),
        ("M", True, (Label("call", "A", "Y", None, SELF), Label("event", "A", "go", None, SELF))),
    ]  # fmt: skip
    assert system.expectations == (
        Expectation("R", "proved", 2),
        Expectation("Q", "witnessed"),
        Expectation("R", "unknown"),
        Expectation("Q", "unknown"),
    )


def test_scenarios() -> None:
    (first, second) = loaded(
        SPEC
        + """scenario S1 "works" allowed { call X; wait 2 * T; return X(ok); assert in S and k }
        scenario S2 forbidden with N = 3 { A[2]: call X; timeout X; Report(fine); dusk; t }
        """
    ).system.scenarios
    assert (first.id, first.sentence, first.allowed, first.n) == ("S1", "works", True, 1)
    assert first.steps == (
        Observe(Label("call", "A", "X", None, 1)),
        Wait(2),
        Observe(Label("return", "A", "X", "ok", 1)),
        Assert(conj((In(Ref("A.state", 1), (0,)), Ref("A.k", 1)))),
    )
    assert (second.allowed, second.n) == (False, 3)
    assert second.steps == (
        Observe(Label("call", "A", "X", None, 2)),
        Observe(Label("expiry", "A", "X", None, 1)),
        Observe(Label("callback", "A", "Report", "fine", 1)),
        Observe(Label("event", "Clock", "dusk", None, None)),
        Observe(Label("timer", "A", "t", None, 1)),
    )


def test_the_trace_block() -> None:
    trace = loaded(
        SPEC
        + "trace {\n code ok = 0\n code slow = 997\n code bad = other\n hide timer t, event\n}\n"
    ).system.trace
    assert trace.codes == (("ok", 0), ("slow", 997), ("bad", None))
    assert trace.hidden == (("due", None), ("timer", "t"), ("event", None))


def test_a_used_file_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "names.sm").write_text("spec names\nactors { M }\n")
    (tmp_path / "sub/more.sm").write_text('spec more\nuse "../names.sm"\nparam T = 3s\n')
    main = tmp_path / "main.sm"
    main.write_text(
        'spec main\nuse "names.sm"\nuse "sub/more.sm"\n'
        "machine A { initial state S { within T by M: go -> S } }\n"
    )
    found = load(str(main))
    assert [Path(source.path).name for source in found.sources] == [
        "main.sm",
        "names.sm",
        "more.sm",
    ]
    assert found.system.constants[0].value * found.system.unit_us == 3_000_000
    before = found.system.source_sha256
    (tmp_path / "names.sm").write_text("spec names\nactors { M, Other }\n")
    assert load(str(main)).system.source_sha256 != before


def test_files_that_use_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sm").write_text('spec a\nuse "b.sm"\n')
    (tmp_path / "b.sm").write_text('spec b\nuse "./a.sm"\n')
    with pytest.raises(SpecErrors) as caught:
        load(str(tmp_path / "a.sm"))
    (found,) = caught.value.diagnostics
    assert (found.code.number, Path(found.span.path).name, found.span.line) == ("SM006", "b.sm", 2)


def test_a_used_shipped_spec(tmp_path: Path) -> None:
    path = tmp_path / "more.sm"
    path.write_text(
        'spec more\nuse "fischer"\nrule Again: never in i.Critical for i in Proc\n',
        encoding="utf-8",
    )
    assert [r.id for r in load(str(path)).system.rules] == ["Mutex", "Enter", "Again"]


def test_a_reading_can_switch_an_assumption_off() -> None:
    text = SPEC + (
        "param Strict : { no, yes } = no\n"
        "rules A { assume D1 of D: never return(X) while Strict == yes and k }\n"
    )
    assert loaded(text).system.assumptions == ()
    assert len(loaded(text, {"Strict": "yes"}).system.assumptions) == 1


def test_constants_are_bound_by_settings() -> None:
    text = SPEC + "rules A { rule R: when start(X) leads to return(X) within T }\n"
    (found,) = loaded(text, {"T": "90s"}).system.rules
    assert found.obligation == Within(X, RETURN_X, 18)  # of 5 s, the default


def test_initial_values_of_instances_are_independent() -> None:
    play = Play(SPEC, 2)
    play.do("2: call X")
    assert (play["A.k[1]"], play["A.k[2]"]) == ("false", "true")
