"""Specs that once got a wrong or unstable answer, each named by what was wrong."""

import pytest

from rhscheck.checker.certificate import _progress
from rhscheck.checker.verdict import BoundedUpTo, ProvedFor, ProvedForEvery, Unknown, Violated
from rhscheck.checker.verify import Options, Report, verify
from rhscheck.spec.load import load_source
from rhscheck.spec.source import Source


def report(text: str, **options: object) -> Report:
    return verify(load_source(Source("x.sm", text)).system, Options(**options))  # type: ignore[arg-type]


URGENT_LOOP = """spec x
actors { host H, plugin D }
machine M[i in 1..N] {
  initial state A { by H: go -> B }
  state B {
    urgent by D: spin
    by H: out when false -> A
  }
}
rules M { rule W "w": when event go leads to event out within 3s }
"""


def test_a_step_that_changes_nothing_does_not_let_time_pass() -> None:
    found = report(URGENT_LOOP).results[0].verdict
    assert isinstance(found, Unknown)
    assert "time may stop" in found.reason


URGENT_PING_PONG = """spec x
actors { host H, plugin D }
machine M[i in 1..N] {
  initial state A { by H: go -> B }
  state B { urgent by D: ping -> C }
  state C {
    urgent by D: pong -> B
    by H: out when false -> A
  }
}
rules M { rule W "w": when event go leads to event out within 3s }
"""


def test_urgent_steps_that_follow_each_other_for_ever_stop_time() -> None:
    found = report(URGENT_PING_PONG).results[0].verdict
    assert isinstance(found, Unknown)
    assert "urgent steps follow each other" in found.reason


OTHERS_ARE_BUSY = """spec x
actors { host H, plugin D }
var last : M? = none
machine M[i in 1..N] {
  initial state Off {
    by D: go_a when last == none -> A { last = i }
    by D: go_t -> T1
  }
  state T1 { by D: t1 -> T2 }
  state T2 { by D: t2 -> T1 }
  state A {
    clock c
    deadline c <= 5s by D
  }
}
rules M { rule W "w": when event go_a leads to leave A within 7s }
expect W: proved for N = 2
"""


def test_steps_of_another_instance_do_not_end_a_deadline() -> None:
    found = report(OTHERS_ARE_BUSY).results[0].verdict
    assert isinstance(found, Unknown)
    assert "time may stop" in found.reason


DEPENDENT_TIMELOCK = """spec x
actors { host H, plugin D }
var last : M? = none
machine M[i in 1..N] {
  initial state Off {
    by D: go_a -> A { last = i }
    by D: go_t -> T
  }
  state T
  state A {
    clock c
    deadline c <= 5s by D
  }
}
rules M { rule R "r": never in A and in T }
"""


def test_a_timelock_of_a_dependent_family_is_a_finding_and_no_crash() -> None:
    found = report(DEPENDENT_TIMELOCK)
    assert [f.kind for f in found.findings if f.error] == ["timelock"]
    assert found.exit == 1


TWO_RULES = """spec x
actors { host H }
machine M[i in 1..N] {
  clock c
  initial state A { by H: go -> B }
  state B { by H: back -> A }
}
rules M {
  rule R1 "r": never event back and c >= 2s
  rule R2 "r": never event back and in B
}
"""


def test_what_is_shown_for_a_rule_does_not_depend_on_the_other_rules() -> None:
    alone = report(TWO_RULES, rules=("R2",)).results[0].verdict
    beside = report(TWO_RULES).results[1].verdict
    assert isinstance(alone, Violated)
    assert isinstance(beside, Violated)
    assert alone.evidence.run == beside.evidence.run
    assert [step.delay for step in beside.evidence.run.steps] == [0, 0]


WAITS_FOR_A_TIMEOUT = """spec x
actors { host H, plugin D }
entry X returns { ok } timeout 4s
shared machine P {
  initial state Up { on crash -> Gone }
  state Gone { by H: reboot -> Up resets M }
}
machine M[i in 1..N] requires in P.Up {
  initial state A { by H: call X -> B }
  state B {
    on timeout X sync P.crash
    return X(ok) -> A
  }
}
rules M { rule R "r": never in A and inflight(X) }
"""


def test_a_circle_that_waits_for_a_timeout_is_not_zeno() -> None:
    assert [f.kind for f in report(WAITS_FOR_A_TIMEOUT).findings] == []


ENDED_BY_TURNS = """spec x
actors { host H, plugin D }
machine M[i in 1..N] {
  var up : bool = false
  initial state A {
    within 5s by D: rise when not up { up = true }
    within 5s by D: sink when up { up = false }
  }
  state B
}
rules M { rule W "w": when in A leads to in B within 10s }
"""


def test_deadlines_that_end_each_other_for_ever_stop_time() -> None:
    """Each has a step that ends it; 5 s after the start they follow each other without a delay."""
    found = report(ENDED_BY_TURNS)
    assert isinstance(found.results[0].verdict, Unknown)
    assert "means nothing where time may stop" in found.results[0].verdict.reason
    assert [f.span.line for f in found.findings if f.kind == "timelock"] == [6, 7]
    for n in (1, 2):
        fixed = report(ENDED_BY_TURNS, n=n, engine="zones", findings=False).results[0].verdict
        assert isinstance(fixed, Unknown)
        assert "time may stop" in fixed.reason


RESTARTED_BY_TURNS = (
    ENDED_BY_TURNS.replace("up = true", "up = true, x = 0")
    .replace("  initial", "  clock x\n  initial")
    .replace("within 5s by D: rise", "deadline x <= 5s by D\n    by D: rise")
    .replace("    within 5s by D: sink when up { up = false }\n", "    by D: sink when up -> B\n")
)


def test_a_deadline_whose_clock_is_restarted_ends_none_for_ever() -> None:
    """Rise restarts the clock, and nothing else is due then."""
    found = report(RESTARTED_BY_TURNS)
    assert isinstance(found.results[0].verdict, ProvedForEvery)
    assert [f.kind for f in found.findings if f.kind == "timelock"] == []


ANSWERED_BY_NOTHING = """spec x
actors { host H, plugin D }
machine M[i in 1..N] {
  clock x
  initial state S {
    deadline x <= 5s when exists j in M: (in j.B) by D
    by D: spin
    by D: b when x <= 1s -> B
  }
  state B
  state T
}
rules M { rule W "w": when in S and (exists j in M: (in j.B)) leads to in T or in B within 10s }
"""


def test_a_step_that_leaves_a_deadline_about_others_as_it_is_does_not_answer_it() -> None:
    """Who stays in S beside one in B can only spin at 5 s: with two, time stops."""
    found = report(ANSWERED_BY_NOTHING, n=2)
    assert isinstance(found.results[0].verdict, Unknown)
    assert "timelock M.x deadline 6[1] (line 6)" in found.results[0].verdict.reason
    assert [f.kind for f in found.findings if f.kind == "timelock"] == ["timelock"]


FLAG = """spec x
actors { host H, plugin D }
var flag : bool = false
machine M[i in 1..N] {
  initial state S {
    by D: left -> A
    by D: right -> B
  }
  state A {
    timer t = 8s
    on t -> Done
    within 5s by D: a when not flag { flag = true }
  }
  state B {
    within 5s by D: b when flag { flag = false }
  }
  state Done
}
rules M { rule W "w": when in A leads to in Done within 9s }
"""
MACHINE = (
    FLAG.replace(
        "var flag : bool = false",
        "shared machine F {\n  initial state Low { on up -> High }\n"
        "  state High { on down -> Low }\n}",
    )
    .replace("a when not flag { flag = true }", "a when in F.Low sync F.up")
    .replace("b when flag { flag = false }", "b when in F.High sync F.down")
)
URGENT = FLAG.replace("within 5s by D", "urgent by H")


@pytest.mark.parametrize("text", [FLAG, MACHINE, URGENT], ids=["flag", "machine", "urgent"])
def test_two_instances_that_end_each_others_deadlines_for_ever_stop_time(text: str) -> None:
    """One in A and one in B turn the flag over and over at one moment; alone, each is free."""
    every = report(text, findings=False).results[0].verdict
    assert isinstance(every, BoundedUpTo | Unknown)
    two = report(text, n=2, engine="zones", findings=False).results[0].verdict
    assert isinstance(two, Unknown)
    assert "time may stop" in two.reason
    one = report(text, n=1, findings=False).results[0].verdict
    assert one == ProvedFor(1)


@pytest.mark.parametrize("text", [FLAG, MACHINE, URGENT], ids=["flag", "machine", "urgent"])
def test_no_certificate_says_that_time_goes_on_there(text: str) -> None:
    """The enumeration refuses all states of one instance plus environment as a reason."""
    system = load_source(Source("x.sm", text)).system
    assert _progress(system, (), None) is None
    assert _progress(system, (), 1) is not None


def test_a_flag_that_only_one_way_is_turned_lets_time_go_on() -> None:
    text = FLAG.replace("    within 5s by D: b when flag { flag = false }\n", "")
    assert isinstance(report(text, findings=False).results[0].verdict, ProvedForEvery)


TOO_LATE = """spec x
actors { host H, plugin D }
machine M[i in 1..N] {
  clock x
  initial state A { by D: go -> B }
  state B { urgent by D: ping -> C }
  state C {
    urgent by D: pong -> B
    by D: out when x <= 5s -> E
  }
  state E
}
rules M { rule W "w": when event go leads to in E within 3s }
"""


def test_a_way_out_of_urgent_steps_that_may_come_too_late_lets_no_time_pass() -> None:
    """Who goes after 5 s goes to and fro between B and C for ever, at that moment."""
    every = report(TOO_LATE).results[0].verdict
    assert isinstance(every, BoundedUpTo | Unknown)
    one = report(TOO_LATE, n=1, engine="zones", findings=False).results[0].verdict
    assert isinstance(one, Unknown)
    assert "urgent steps follow each other" in one.reason


WHILE_SOMEBODY_LOOKS = """spec x
actors { host H, plugin D }
machine M[i in 1..N] {
  var up : bool = false
  initial state S {
    by D: left -> A
    by D: right -> B
  }
  state A {
    timer t = 8s
    on t -> Done
    within 5s by D: rise when not up and (exists j in M: (in j.B)) { up = true }
    within 5s by D: sink when up and (exists j in M: (in j.B)) { up = false }
  }
  state B
  state Done
}
rules M { rule W "w": when in A leads to in Done within 9s }
"""
AT_ONCE = WHILE_SOMEBODY_LOOKS.replace("within 5s by D", "urgent by H")


@pytest.mark.parametrize("text", [WHILE_SOMEBODY_LOOKS, AT_ONCE], ids=["within", "urgent"])
def test_steps_that_answer_deadlines_about_others_do_so_for_ever(text: str) -> None:
    """Each deadline has a step that ends it by its form, and makes the other one bind."""
    every = report(text, findings=False).results[0].verdict
    assert isinstance(every, BoundedUpTo | Unknown)
    two = report(text, n=2, engine="zones", findings=False).results[0].verdict
    assert isinstance(two, Unknown)
    assert "time may stop" in two.reason
    assert report(text, n=1, findings=False).results[0].verdict == ProvedFor(1)


RESET_BY_TURNS = """spec x
actors { host H }
shared machine Q {
  initial state I {
    timer t = 5s
    on t -> J
  }
  state J
}
machine M[i in 1..N] {
  initial state S { urgent by H: a -> T resets M where in T }
  state T
}
rule W "w": when in Q.I leads to in Q.J within 6s
"""


def test_instances_that_reset_each_other_for_ever_stop_time() -> None:
    every = report(RESET_BY_TURNS, findings=False).results[0].verdict
    assert isinstance(every, BoundedUpTo | Unknown)
    two = report(RESET_BY_TURNS, n=2, engine="zones", findings=False).results[0].verdict
    assert isinstance(two, Unknown)
    assert "urgent steps follow each other" in two.reason
    assert report(RESET_BY_TURNS, n=1, findings=False).results[0].verdict == ProvedFor(1)


def test_no_certificate_says_that_time_goes_on_among_them() -> None:
    system = load_source(Source("x.sm", RESET_BY_TURNS)).system
    assert _progress(system, (), None) is None
    assert _progress(system, (), 1) is not None


DECIDED_BY_OTHERS = """spec x
actors { host H, plugin D }
machine M[i in 1..N] {
  var ok : bool = false
  initial state S {
    by D: left -> A
    by D: right -> B
  }
  state A {
    clock x
    timer t = 8s
    on t -> Done
    deadline x <= 5s when not ok by D
    by D: try when not ok { ok = (exists j in M: (in j.B)) }
  }
  state B
  state Done
}
rules M { rule W "w": when in A leads to in Done within 9s }
"""


@pytest.mark.parametrize("n", [1, 2])
def test_a_step_whose_outcome_others_decide_ends_no_deadline(n: int) -> None:
    """While nobody is in B trying changes nothing, and 5 s after the start time stops."""
    every = report(DECIDED_BY_OTHERS, findings=False).results[0].verdict
    assert isinstance(every, BoundedUpTo | Unknown)
    found = report(DECIDED_BY_OTHERS, n=n, engine="zones", findings=False).results[0].verdict
    assert isinstance(found, Unknown)
    assert "timelock M.x deadline 13[1] (line 13)" in found.reason


BEYOND_ITS_BOUND = """spec x
actors { host H, plugin D }
machine M[i in 1..N] {
  var left : 0..2 = 0
  initial state A {
    clock x
    timer t = 8s
    on t -> Done
    deadline x <= 5s when left == 0 by D
    by D: less when left == 0 { left = left - 1 }
    by D: more when left == 2 { left = left + 1 }
  }
  state Done
}
rules M { rule W "w": when in A leads to in Done within 9s }
"""


@pytest.mark.parametrize("value", ["left - 1", "left - 2"])
def test_a_value_beyond_its_bound_is_stored_as_the_bound_and_ends_no_deadline(value: str) -> None:
    text = BEYOND_ITS_BOUND.replace("left - 1", value)
    every = report(text).results[0].verdict
    assert isinstance(every, Unknown | BoundedUpTo)
    one = report(text, n=1, engine="zones", findings=False).results[0].verdict
    assert isinstance(one, Unknown)
    assert "timelock M.x deadline 9[1] (line 9)" in one.reason
