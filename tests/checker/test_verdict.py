import pytest
from hosted import hosted, loc, rule

from rhscheck.checker.verdict import (
    BoundedUpTo,
    Comparison,
    Evidence,
    Impossible,
    ProvedFor,
    ProvedForEvery,
    Result,
    Unknown,
    Verdict,
    Violated,
    Witnessed,
    compare,
    exit_status,
    name,
    scope,
    sentence,
)
from rhscheck.spec.expr import TRUE
from rhscheck.spec.ground import ground
from rhscheck.spec.semantics import Run, State
from rhscheck.spec.system import Can, Expectation, Never, Rule

R = rule("R", "never", Never(loc(3, at="i")))
C = rule("C", "can", Can(loc(3, at="i")))
GROUND = ground(hosted(), 1)
RUN = Run(State((0, 0, 0), (0, 0)), ())
EVIDENCE = Evidence(GROUND, RUN, GROUND, RUN, TRUE)
EVERY = ProvedForEvery((1, 2))
VIOLATED = Violated(2, 7, EVIDENCE, shortest=True)
WITNESSED = Witnessed(1, 1, EVIDENCE, shortest=True)
OPEN = Unknown("time-out after 2 s")


def result(of: Rule, verdict: Verdict) -> Result:
    return Result(of, verdict, "local", 0.1)


def element(of: str, verdict: Verdict) -> Result:
    one = Rule(of, of.split("[", maxsplit=1)[0], "", "never", (), Never(TRUE))
    return Result(one, verdict, "local", 0.1)


@pytest.mark.parametrize(
    ("verdict", "its_name", "its_scope", "words"),
    [
        (EVERY, "proved", "every", "proved for every N"),
        (ProvedFor(2), "proved", 2, "proved for N=2"),
        (BoundedUpTo(20, 3), "bounded", 3, "no violation up to depth 20 for N=3"),
        (VIOLATED, "violated", 2, "violated for N=2 in 7 steps"),
        (WITNESSED, "witnessed", 1, "witnessed for N=1 in 1 step"),
        (Impossible(None), "impossible", "every", "impossible (proved for every N)"),
        (Impossible(2), "impossible", 2, "impossible (proved for N=2)"),
        (OPEN, "unknown", None, "unknown (time-out after 2 s)"),
    ],
)
def test_a_verdict_has_a_name_a_scope_and_words(
    verdict: Verdict, its_name: str, its_scope: object, words: str
) -> None:
    assert (name(verdict), scope(verdict), sentence(verdict)) == (its_name, its_scope, words)


@pytest.mark.parametrize(
    ("of", "verdict", "expected", "n", "status"),
    [
        # Without an expectation: proved for every N, or witnessed.
        (R, EVERY, None, None, 0),
        (R, ProvedFor(2), None, None, 3),
        (R, BoundedUpTo(20, 2), None, None, 3),
        (R, OPEN, None, None, 3),
        (R, VIOLATED, None, None, 1),
        (C, WITNESSED, None, None, 0),
        (C, Impossible(None), None, None, 1),
        (C, OPEN, None, None, 3),
        (C, BoundedUpTo(20, 2), None, None, 3),
        # With one.
        (R, EVERY, "proved", 2, 0),
        (R, ProvedFor(2), "proved", 2, 0),
        (R, ProvedFor(2), "proved", 3, 3),
        (R, VIOLATED, "violated", None, 0),
        (R, VIOLATED, "violated", 2, 0),
        (R, VIOLATED, "violated", 3, 3),
        (R, EVERY, "violated", None, 1),
        (R, ProvedFor(2), "violated", None, 1),
        (R, OPEN, "violated", None, 3),
        (R, OPEN, "unknown", None, 0),
        (R, BoundedUpTo(20, 2), "unknown", None, 0),
        (R, EVERY, "unknown", None, 0),
        (R, VIOLATED, "unknown", None, 1),
        (R, BoundedUpTo(20, 2), "bounded", None, 0),
        (R, ProvedFor(2), "bounded", None, 0),
        (R, OPEN, "bounded", None, 3),
        (R, VIOLATED, "bounded", None, 1),
        (C, Impossible(None), "impossible", None, 0),
        (C, Impossible(2), "impossible", None, 0),
        (C, WITNESSED, "impossible", None, 1),
        (C, OPEN, "impossible", None, 3),
        (C, Impossible(None), "unknown", None, 1),
    ],
)
def test_exit_status(
    of: Rule, verdict: Verdict, expected: str | None, n: int | None, status: int
) -> None:
    expectations = () if expected is None else (Expectation(of.base, expected, n),)
    assert exit_status([result(of, verdict)], expectations) == status


def test_a_contradiction_counts_before_an_open_rule() -> None:
    results = [result(R, OPEN), result(C, Impossible(None))]
    assert exit_status(results, ()) == 1


def test_one_violated_element_violates_the_rule() -> None:
    expect = (Expectation("R5", "violated"),)
    results = [element("R5[Online]", EVERY), element("R5[Offline]", VIOLATED)]
    assert exit_status(results, expect) == 0
    assert compare(results, ()) == (
        Comparison(
            "R5", None, 1, "expected proved, but R5[Offline] is violated for N=2 in 7 steps"
        ),
    )


def test_an_expectation_may_name_one_element() -> None:
    expect = (Expectation("R5[Offline]", "violated"), Expectation("R5", "proved"))
    results = [element("R5[Online]", EVERY), element("R5[Offline]", VIOLATED)]
    assert [(c.base, c.status, c.message) for c in compare(results, expect)] == [
        ("R5", 0, ""),
        ("R5[Offline]", 0, ""),
    ]


def test_what_falls_short_says_of_what() -> None:
    assert compare([result(R, ProvedFor(2))], ())[0].message == (
        "expected for every N, but R is proved for N=2"
    )
    assert compare([result(R, OPEN)], (Expectation("R", "unknown"),))[0].message == (
        "not decided, as the spec expects: R is unknown (time-out after 2 s)"
    )
    assert compare([result(R, EVERY)], (Expectation("R", "unknown"),))[0].message == (
        "expected unknown, but it is decided now: R is proved for every N"
    )
