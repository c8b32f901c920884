from dataclasses import replace

import pytest
from hosted import (
    BUSY,
    FAILED,
    GONE,
    IDLE,
    ME,
    ON,
    RULES,
    TRANSITIONS,
    TWO_ON,
    UP,
    F,
    calling,
    flag,
    hosted,
    line,
    loc,
    proc,
    put,
    rule,
    share,
    step,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_systems import Shape, rules, systems

from rhscheck.checker.answer import ProofMismatch, Task, confirm
from rhscheck.checker.budget import Budget
from rhscheck.checker.every_n import EveryN
from rhscheck.checker.explore import explore
from rhscheck.checker.finding import Finding
from rhscheck.checker.invariant import Invariant
from rhscheck.checker.local import LocalAbstraction
from rhscheck.checker.model import Model
from rhscheck.checker.realise import EvidenceMismatch, evidence
from rhscheck.checker.recheck import identity
from rhscheck.checker.schedule import Reached, Unreachable, refine
from rhscheck.checker.verdict import (
    BoundedUpTo,
    Impossible,
    ProvedFor,
    ProvedForEvery,
    Result,
    Unknown,
    Violated,
    Witnessed,
)
from rhscheck.checker.verify import OptionError, Options, Report, verify
from rhscheck.spec.expr import Exists, Forall, Happens, Post, Ref, Same, conj, disj, neg
from rhscheck.spec.load import load_source
from rhscheck.spec.semantics import Run, evaluate, replay_run
from rhscheck.spec.source import Source
from rhscheck.spec.system import (
    SELF,
    Assumption,
    Can,
    ClockVar,
    Deadline,
    Expectation,
    LeadsTo,
    Never,
    Param,
    Rule,
    System,
    Transition,
    Update,
    Within,
)

K = Param("k", F)
EVERY = ProvedForEvery((1, 2))


def results(system: System, options: Options | None = None) -> dict[str, Result]:
    return {result.rule.id: result for result in verify(system, options).results}


def only(system: System, *which: Rule, options: Options | None = None) -> Result:
    (result,) = verify(replace(system, rules=which), options).results
    return result


def labels(result: Result) -> list[str]:
    assert isinstance(result.verdict, Violated | Witnessed)
    proof = result.verdict.evidence
    return [
        str(proof.ground.transitions[step.transition].label)
        for step in proof.run.steps
        if step.transition is not None
    ]


# ---- the pipeline ------------------------------------------------------------------------------
def test_every_rule_of_an_independent_system_is_decided_for_every_number() -> None:
    found = results(hosted())
    assert found["open_while_on"].verdict == EVERY
    assert found["gone_with_call"].verdict == EVERY
    assert found["can_be_both"].verdict == Impossible(None)
    assert found["opens_in_time"].verdict == EVERY
    assert {name: result.engine for name, result in found.items() if name != "never_gone"} == {
        name: "local" for name in found if name != "never_gone"
    }


def test_the_shortest_violation_is_shown_with_one_instance() -> None:
    found = results(hosted())["never_failed"]
    assert isinstance(found.verdict, Violated)
    assert (found.verdict.n, found.verdict.length, found.verdict.shortest) == (1, 3, True)
    assert labels(found) == [
        "Resource[1]: call Open",
        "Resource[1]: return Open(success)",
        "Resource[1]: fail",
    ]


def test_a_witness_is_a_run_of_the_spec_itself() -> None:
    found = results(hosted())["can_fail"]
    assert isinstance(found.verdict, Witnessed)
    proof = found.verdict.evidence
    states = replay_run(proof.ground, proof.run)
    assert states[-1].values[proof.ground.slot_of[("loc", 1)]] == FAILED
    assert evaluate(proof.formula, proof.woven, replay_run(proof.woven, proof.woven_run)[-1])


def test_a_missed_bound_is_shown_with_its_times() -> None:
    found = results(hosted())["opens_too_soon"]
    assert isinstance(found.verdict, Violated)
    assert (found.verdict.n, found.verdict.length) == (1, 1)
    run = found.verdict.evidence.run
    assert [step.transition is None for step in run.steps] == [False, True]
    assert 4 < run.steps[1].delay <= 5


def test_a_run_that_needs_another_instance_in_the_abstraction_is_found_with_one() -> None:
    # In the abstraction another instance hangs at once; a real run has to open first.
    found = results(hosted())["never_gone"]
    assert isinstance(found.verdict, Violated)
    assert (found.verdict.n, found.verdict.length, found.engine) == (1, 3, "zones")
    assert not found.verdict.shortest
    assert found.notes == (
        "the one-instance argument does not exclude it: 2 steps, some of other instances",
    )


def test_a_number_of_instances_that_was_asked_for_is_the_scope() -> None:
    found = results(hosted(), Options(n=3))
    assert found["open_while_on"].verdict == ProvedFor(3)
    assert found["opens_in_time"].verdict == ProvedFor(3)
    assert found["can_be_both"].verdict == Impossible(3)
    verdict = found["never_failed"].verdict
    assert isinstance(verdict, Violated)
    assert (verdict.n, verdict.length) == (3, 3)
    assert len(verdict.evidence.ground.instances(F)) == 3


def test_without_a_parametric_family_a_proof_is_for_every_number() -> None:
    fixed = replace(hosted(), families=(replace(hosted().family(F), size=2),))
    assert only(fixed, RULES[0]).verdict == ProvedForEvery(())
    both = only(fixed, TWO_ON).verdict
    assert isinstance(both, Violated)
    assert (both.n, both.length) == (1, 4)


def test_engines_alone() -> None:
    state = hosted(rules=(RULES[0], RULES[1], RULES[3]))
    by_enumeration = results(state, Options(engine="zones"))
    assert [r.verdict for r in by_enumeration.values() if not isinstance(r.verdict, Violated)] == [
        ProvedFor(2),
        Impossible(2),
    ]
    assert {r.engine for r in by_enumeration.values()} == {"zones"}
    by_bmc = results(state, Options(engine="bmc", depth=6, n=2))
    assert by_bmc["open_while_on"].verdict == BoundedUpTo(6, 2)
    assert by_bmc["can_be_both"].verdict == Unknown("no witness up to depth 6 for N=2")
    assert isinstance(by_bmc["never_failed"].verdict, Violated)
    by_local = results(hosted(), Options(engine="local"))
    assert by_local["never_gone"].verdict == Unknown(
        "the one-instance argument does not exclude it: 2 steps, some of other instances"
    )


def test_all_engines_find_the_same_run() -> None:
    system = hosted(rules=(RULES[1],))
    runs = [
        labels(results(system, Options(engine=engine, n=2))["never_failed"])
        for engine in ("local", "zones", "bmc")
    ]
    assert runs[0] == runs[1] == runs[2]


def test_a_time_out_is_unknown_with_its_reason() -> None:
    found = results(hosted(), Options(timeout_s=1e-6))
    assert {str(result.verdict) for result in found.values()} == {
        str(Unknown("time-out after 1e-06 s"))
    }


@pytest.mark.parametrize(
    ("options", "message", "known"),
    [
        (Options(rules=("R9",)), "there is no rule `R9`", "open_while_on"),
        (Options(engine="magic"), "there is no engine `magic`", "zones"),
        (Options(without=("D9",)), "there is no assumption `D9`", None),
        (Options(n=0), "the number of instances must be 1 to 64", None),
        (Options(n=10**8), "the number of instances must be 1 to 64", None),
        (Options(depth=-1), "the depth must be 0 to 1000", None),
        (Options(timeout_s=0.0), "the time-out must be more than 0 seconds", None),
    ],
)
def test_options_that_do_not_fit(options: Options, message: str, known: str | None) -> None:
    with pytest.raises(OptionError) as caught:
        verify(hosted(), options)
    assert str(caught.value) == message
    assert known is None or known in caught.value.known


def test_rules_are_chosen_by_their_base_or_full_id() -> None:
    elements = tuple(replace(RULES[0], id=f"R[{name}]", base="R") for name in ("Online", "Offline"))
    system = hosted(rules=(*elements, RULES[1]))
    assert [r.rule.id for r in verify(system, Options(rules=("R",))).results] == [
        "R[Online]",
        "R[Offline]",
    ]
    assert [r.rule.id for r in verify(system, Options(rules=("R[Offline]",))).results] == [
        "R[Offline]"
    ]


def test_the_exit_status_follows_the_expectations() -> None:
    expected = (
        Expectation("never_failed", "violated"),
        Expectation("can_be_both", "impossible"),
        Expectation("opens_too_soon", "violated"),
        Expectation("never_gone", "violated"),
    )
    assert verify(hosted()).exit == 1
    assert verify(replace(hosted(), expectations=expected)).exit == 0


# ---- assumptions -------------------------------------------------------------------------------
PATIENT = Assumption(
    "D1", "a DLL does not fail", "DLL", (Param("i", F),), Never(Happens("event", "fail", None, "i"))
)


def test_an_assumption_is_relied_on_unless_left_out() -> None:
    system = replace(hosted(rules=(RULES[1],)), assumptions=(PATIENT,))
    assert only(system, RULES[1]).verdict == EVERY
    assert isinstance(only(system, RULES[1], options=Options(without=("D1",))).verdict, Violated)


# ---- SEMANTICS 5, condition by condition -------------------------------------------------------
def test_a_safety_of_two_instances_is_not_proved_from_one() -> None:
    # (a) One instance can be On; that two never are cannot be seen from one of them.
    found = only(hosted(), TWO_ON)
    assert isinstance(found.verdict, Violated)
    assert (found.verdict.n, found.verdict.length) == (2, 4)
    assert found.notes == (
        "not independent: line 97: rule two_on speaks of several instances at once: `i` and `k`",
    )
    never_up = rule(
        "two_gone",
        "never",
        Never(conj((loc(ON, at="i"), loc(ON, at="k"), proc(GONE)))),
        params=(Param("i", F), K),
        number=98,
    )
    assert only(hosted(), never_up).verdict == ProvedFor(2)


def stuck_host() -> System:
    """The expiry of a call waits for another instance: with one instance, time can stop."""
    other = Exists("k", F, conj((neg(Same("k", SELF)), loc(IDLE, at="k"))))
    hang = replace(TRANSITIONS[2], guard=conj((TRANSITIONS[2].guard, other)))
    slow = replace(TRANSITIONS[1], guard=conj((TRANSITIONS[1].guard, loc(FAILED))))
    return hosted(transitions=(TRANSITIONS[0], slow, hang, *TRANSITIONS[3:]))


def test_b_a_bounded_response_needs_time_to_go_on() -> None:
    # (b) The response holds because time stops: that is no proof.
    system = stuck_host()
    found = only(system, RULES[4], options=Options(engine="local"))
    assert found.verdict == Unknown(
        "a bounded response means nothing where time may stop: timelock call[1] (line 50), "
        "of one instance plus environment"
    )
    assert only(system, RULES[4], options=Options(n=1)).verdict == Unknown(
        "a bounded response means nothing where time may stop: timelock call[1] (line 50), for N=1"
    )


def test_b_a_deadline_that_looks_at_others_could_hide_a_timelock() -> None:
    alone = Forall("k", F, disj((Same("k", SELF), loc(IDLE, at="k"))))
    lonely = Deadline("lonely", F, conj((loc(ON), alone)), None, 0, "RHS", span=line(73))
    system = hosted(deadlines=(lonely,))
    assert only(system, RULES[4], options=Options(engine="local")).verdict == Unknown(
        "time may stop: line 73: deadline `lonely` depends on other instances of `Resource`"
    )
    # At a fixed number of instances it can be seen that time goes on.
    assert only(system, RULES[4], options=Options(n=2)).verdict == ProvedFor(2)


def test_b_a_deadline_that_asks_for_what_its_step_asks_for_hides_nothing() -> None:
    alone = Forall("k", F, disj((Same("k", SELF), loc(IDLE, at="k"))))
    active = conj((loc(ON), alone))
    lonely = Deadline("lonely", F, active, None, 0, "RHS", span=line(73))
    leave = step(8, "leave", active, (put("loc", IDLE),))
    system = hosted(deadlines=(lonely,), transitions=(*TRANSITIONS, leave))
    assert only(system, RULES[4], options=Options(engine="local")).verdict == EVERY


def hand_over_only() -> System:
    """Nobody opens by itself; being On is only ever handed over, so nobody ever is."""
    hand_over = step(
        8,
        "hand_over",
        conj((neg(Same(SELF, "k")), loc(ON), loc(IDLE, at="k"))),
        (put("loc", IDLE), Update("loc", "k", Ref("loc", SELF))),
        params=(ME, K),
    )
    return hosted(transitions=(hand_over, *TRANSITIONS[3:]))


def test_c_a_permission_that_only_the_environment_gives_is_not_witnessed() -> None:
    # (c) The abstraction has a run; no number of instances has.
    found = only(hand_over_only(), rule("can_on", "can", Can(loc(ON, at="i"))))
    assert found.verdict == Impossible(3)
    assert found.notes == (
        "the one-instance argument does not exclude it: 1 step, some of other instances",
        "line 8: a step is taken by several instances together",
        "line 8: a value depends on the state of other instances",
    )


def test_d_a_run_of_the_abstraction_is_no_violation() -> None:
    # (d) The same run, as a violation.
    found = only(hand_over_only(), rule("never_on", "never", Never(loc(ON, at="i"))))
    assert found.verdict == ProvedFor(3)
    assert "line 8: a step is taken by several instances together" in found.notes


def queue() -> System:
    """One instance at a time holds a lane, for at most 5; the next one has to take it at once."""
    free = neg(Ref("held"))
    take = step(8, "take", conj((loc(IDLE), free)), (put("loc", ON), share("held", 1)))
    want = step(9, "want", conj((loc(IDLE), Ref("held"))), (put("loc", BUSY),))
    get = step(10, "get", conj((loc(BUSY), free)), (put("loc", ON), share("held", 1)))
    leave = step(11, "leave", loc(ON), (put("loc", FAILED), share("held", 0)), expires="hold")
    return hosted(
        variables=(flag("held"),),
        clocks=(ClockVar("holdclock", F, loc(ON), "timer"),),
        deadlines=(
            Deadline("hold", F, loc(ON), "holdclock", 5, "RHS", span=line(70)),
            Deadline("next", F, conj((loc(BUSY), free)), None, 0, "RHS", span=line(71)),
        ),
        transitions=(take, want, get, leave),
    )


def test_e_a_response_that_relies_on_another_deadline_is_for_a_fixed_number() -> None:
    # (e) With two instances the other one leaves in time; with three it can be overtaken.
    served = rule(
        "served",
        "within",
        Within(Happens("event", "want", None, "i"), Post(neg(loc(BUSY, at="i"))), 5),
    )
    found = only(queue(), served, options=Options(n=2))
    assert found.verdict == ProvedFor(2)
    assert found.engine == "zones"
    every = only(queue(), served)
    assert isinstance(every.verdict, Violated)
    assert every.verdict.n == 3


def test_f_liveness_relies_on_what_one_instance_can_rely_on() -> None:
    # (f) The call's own deadline ends it, whatever the others do.
    live = rule("live", "leads_to", LeadsTo(loc(BUSY, at="i"), neg(loc(BUSY, at="i"))))
    assert only(hosted(), live).verdict == ProvedForEvery(())


# ---- evidence and proofs that are wrong are bugs, never verdicts -------------------------------
def test_a_run_that_the_spec_does_not_have_is_refused() -> None:
    good = results(hosted())["never_failed"].verdict
    assert isinstance(good, Violated)
    proof = good.evidence
    start, steps = proof.woven_run.initial, proof.woven_run.steps
    with pytest.raises(EvidenceMismatch, match="the goal does not hold"):
        evidence(proof.ground, proof.woven, Run(start, steps[:2]), proof.formula)
    with pytest.raises(EvidenceMismatch, match="the run is not legal"):
        evidence(proof.ground, proof.woven, Run(start, steps[1:]), proof.formula)


def test_an_invariant_that_z3_refutes_is_refused() -> None:
    model = Model(hosted(), (RULES[0],), ())
    start = Invariant((), (((UP, IDLE, 0), ((),)),))
    with pytest.raises(ProofMismatch, match="consecution: open"):
        confirm(
            "of a test",
            model.local,
            [identity(start, model.local)],
            {RULES[0].id: model.local_formula(RULES[0].id)},
            Budget(None),
        )


# ---- findings ----------------------------------------------------------------------------------
def kinds(report: Report) -> list[tuple[str, str, bool, int]]:
    return [(f.kind, f.subject, f.error, f.span.line) for f in report.findings]


def found_of(report: Report, kind: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind == kind]


def with_steps(*more: Transition, rules_of: tuple[Rule, ...] = ()) -> System:
    return hosted(transitions=(*TRANSITIONS, *more), rules=rules_of)


def test_a_legal_system_has_no_findings() -> None:
    assert verify(hosted(rules=(RULES[0],))).findings == ()


def test_a_step_that_never_happens_is_found() -> None:
    dead = step(8, "dead", conj((loc(ON), calling())), (put("loc", IDLE),))
    assert kinds(verify(with_steps(dead))) == [("never_fired", "dead", False, 8)]


def test_a_state_that_is_never_entered_is_found() -> None:
    report = verify(hosted(transitions=(*TRANSITIONS[:3], *TRANSITIONS[5:]), rules=()))
    assert kinds(report) == [("unreachable_state", "Resource.Failed", False, 0)]


def test_an_unhandled_return_is_shown_with_a_run() -> None:
    late = step(8, "late", conj((loc(FAILED), calling())), (), kind="return", unhandled=True)
    slip = step(9, "slip", conj((proc(UP), loc(BUSY))), (put("loc", FAILED),))
    (finding,) = found_of(verify(with_steps(late, slip)), "unhandled")
    assert (finding.subject, finding.error, finding.span.line) == ("return Open(success)", True, 8)
    assert finding.evidence is not None
    assert len(finding.evidence.run.steps) == 3


def test_an_unhandled_return_that_an_assumption_forbids_is_found_all_the_same() -> None:
    late = step(
        8, "late", conj((loc(FAILED), calling())), (), kind="return", actor="DLL", unhandled=True
    )
    slip = step(9, "slip", conj((proc(UP), loc(BUSY))), (put("loc", FAILED),), actor="DLL")
    never = Assumption(
        "D1", "no slips", "DLL", (Param("i", F),), Never(Happens("event", "slip", None, "i"))
    )
    system = replace(with_steps(late, slip), assumptions=(never,))
    (finding,) = found_of(verify(system), "unhandled")
    assert finding.error


def test_a_timelock_is_shown_with_a_run() -> None:
    stop = Deadline("stop", F, loc(FAILED), None, 0, "RHS", span=line(72))
    system = hosted(transitions=(*TRANSITIONS[:4], *TRANSITIONS[5:]), deadlines=(stop,), rules=())
    (finding,) = found_of(verify(system), "timelock")
    assert (finding.subject, finding.error, finding.span.line) == ("stop", True, 72)
    assert finding.evidence is not None
    assert len(finding.evidence.run.steps) == 3


def test_two_outcomes_on_two_lines_are_shown_with_a_run() -> None:
    again = step(8, "fail", conj((proc(UP), loc(ON))), (put("loc", IDLE),), actor="DLL")
    again = replace(again, key="fail again")
    (finding,) = found_of(verify(with_steps(again)), "ambiguous")
    assert (finding.subject, finding.span.line) == ("fail", 8)
    assert finding.sentence == "`fail` has two outcomes in one state: line 4 and line 8"
    assert finding.evidence is not None


def test_an_assumption_that_never_binds_is_found() -> None:
    tame = Assumption(
        "D2",
        "no failure while opening",
        "DLL",
        (Param("i", F),),
        Never(conj((Happens("event", "fail", None, "i"), loc(BUSY, at="i")))),
    )
    report = verify(replace(hosted(rules=()), assumptions=(PATIENT, tame)))
    assert [f.subject for f in found_of(report, "never_binds")] == ["D2"]


def test_a_rule_about_nothing_is_found() -> None:
    about = rule("about", "never", Never(Happens("event", "explode", None, "i")))
    assert kinds(verify(hosted(rules=(about,)))) == [("vacuous", "about", False, 90)]


def test_a_permission_without_witness_is_found() -> None:
    assert kinds(verify(hosted(rules=(RULES[3],)))) == [("no_witness", "can_be_both", False, 90)]


# ---- any System --------------------------------------------------------------------------------
@st.composite
def problems(draw: st.DrawFn) -> System:
    system = draw(systems(Shape(clocks=2, references=False)))
    return replace(system, rules=(draw(rules(system)),))


def reachable(system: System, formula: Rule, n: int) -> bool | None:
    """By exact enumeration at fixed N, without abstraction or Z3; None: too large."""
    model = Model(system, (formula,), ())
    outcome = refine(model.ground(n), {"goal": model.formula(formula.id, n)}, limit=5_000)["goal"]
    match outcome:
        case Reached():
            return True
        case Unreachable():
            return False
        case _:
            return None


@settings(max_examples=40)
@given(problems())
def test_what_is_proved_for_every_number_holds_for_one_two_and_three(system: System) -> None:
    (formula,) = system.rules
    options = Options(findings=False, engine="local")
    (result,) = verify(system, options).results
    assume(isinstance(result.verdict, ProvedForEvery | Impossible))
    assert [reachable(system, formula, n) for n in (1, 2, 3)].count(True) == 0


@settings(max_examples=30)
@given(systems(Shape(clocks=2, references=False)))
def test_where_time_cannot_stop_no_state_is_stuck(system: System) -> None:
    model = Model(system, (), ())
    assume(isinstance(model.abstraction, LocalAbstraction))
    task = Task(system, (), (), None, 4, 5_000, Budget(None), lambda _line: None)
    assume(EveryN(task).time().reason is None)
    for n in (1, 2):
        at = model.ground(n)
        seen = explore(at, {}, tracked=range(len(at.clocks)), limit=2_000)
        assert seen.stuck == ()


@settings(max_examples=30)
@given(problems(), st.integers(1, 2))
def test_arguments_agree_at_a_fixed_number(system: System, n: int) -> None:
    (formula,) = system.rules
    expected = reachable(system, formula, n)
    assume(expected is not None)
    for engine in ("local", "zones", "bmc"):
        options = Options(findings=False, engine=engine, n=n, depth=4)
        (result,) = verify(system, options).results
        match result.verdict:
            case Violated(k) | Witnessed(k):
                assert expected
                assert k == n
            case ProvedFor(k) | Impossible(k):
                assert not expected
                assert k == n
            case _:
                pass


TWO_STRICT = """spec ev
actors { P }
machine M[i in 1..N] {
  clock x
  initial state A { by P: e when x > 1s }
}
rules M {
  rule R "an answer in time": when in A leads to event e within 2s
  rule Q "not so early": never event e and x < 3s
}
"""


@pytest.mark.parametrize("engine", ["zones", "bmc"])
def test_every_engine_shows_the_same_times_where_bounds_are_strict(engine: str) -> None:
    system = load_source(Source("ev.sm", TWO_STRICT)).system
    expected = verify(system, Options(engine="local")).results
    found = verify(system, Options(engine=engine)).results
    assert [r.verdict.evidence for r in found if isinstance(r.verdict, Violated)] == [
        r.verdict.evidence for r in expected if isinstance(r.verdict, Violated)
    ]
    assert sum(isinstance(r.verdict, Violated) for r in found) == 2
